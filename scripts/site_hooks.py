"""What ``mkdocs build`` does beyond its own: pages from the top of the repository, links out of ``docs/`` as text.

The pages are written to be read in the repository too, where they link to notebooks, scenarios and tables; a site
holds pages only, so such a link becomes the name of the file.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
FROM_THE_TOP = {"contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
CASES_AFTER = 3
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(((?:\.\./)+)([^)#\s]+)(?:#[^)\s]*)?\)")
DOWN = re.compile(r"(\]\()docs/")


def on_config(config: Any) -> Any:  # noqa: ANN401
    """Add the worked cases to the navigation, whichever there are."""
    folder = Path(config.docs_dir) / "cases"
    cases = sorted(path.relative_to(config.docs_dir).as_posix() for path in folder.glob("*.md"))
    if cases:
        index = [name for name in cases if name.endswith(("/README.md", "/index.md"))]
        config.nav.insert(CASES_AFTER, {"Cases": [*index, *(name for name in cases if name not in index)]})
    return config


def on_files(files: Any, config: Any) -> Any:  # noqa: ANN401
    """Add the pages that lie at the top of the repository."""
    for name, source in FROM_THE_TOP.items():
        text = DOWN.sub(r"\1", (ROOT / source).read_text(encoding="utf-8"))
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:  # noqa: ANN401
    """Turn links that leave ``docs/`` into the names of the files, or into links to the pages added above."""
    depth = page.file.src_uri.count("/")

    def named(match: re.Match[str]) -> str:
        text, up, target = match.groups()
        if up.count("../") <= depth:
            return match.group(0)
        added = {source: name for name, source in FROM_THE_TOP.items()}
        if target in added:
            return f"[{text}]({'../' * depth}{added[target]})"
        return f"{text} (`{target}`)" if text.strip("`") != target else f"`{target}`"

    return LINK.sub(named, markdown)
