"""Every command that a page shows prints what the page says; generated pages are up to date."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def script(name):
    spec = importlib.util.spec_from_file_location(f"scripts_{name}", ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


docs = script("docs_outputs")
PAGES = [page for page in docs.pages() if docs.examples(page)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_print_what_the_page_shows(page):
    stale = []
    with docs.workplace():
        for example in docs.examples(page):
            printed = docs.run(example.command)
            if not docs.matches(example.shown, printed):
                stale.append(f"$ {example.command}\n{docs.difference(example, printed)}")
        stale += [f"{docs.PICTURES / name} is drawn anew" for name in docs.changed_pictures()]
    assert not stale, "\n\n".join(stale) + "\n\nscripts/docs_outputs.py --write brings the pages up to date"


def test_a_page_with_another_output_is_noticed():
    assert docs.matches("a\n...\nz", "a\nb\nc\nz")
    assert not docs.matches("a\n...\nz", "a\nb\nc")
    assert not docs.matches("price 41.0", "price 42.0")


LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
WRITTEN = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("*/*.md"), *ROOT.glob("docs/*/*.md"), *ROOT.glob("data/*/*.md")]
)


def anchor(title):
    """Anchor that a heading gets: lower case, hyphens for spaces, no other signs."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    broken = []
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, part = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists():
            broken.append(link)
        elif part and target.suffix == ".md":
            titles = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), flags=re.MULTILINE)
            if part not in map(anchor, titles):
                broken.append(link)
    assert not broken


@pytest.mark.slow
def test_the_pages_build_as_a_site_that_asks_nobody_for_anything(tmp_path):
    pytest.importorskip("mkdocs", reason="extra docs")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert {"index.html", "tutorial.html", "questions.html", "contributing.html"} <= {p.name for p in pages}
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"https?:", text), page.name


def test_a_picture_may_differ_in_the_last_digit_only():
    assert docs.same_picture('<line x1="10.1" y1="-3"/>', '<line x1="10.2" y1="-3"/>')
    assert not docs.same_picture('<line x1="10.1"/>', '<line x1="12"/>')
    assert not docs.same_picture("<text>Quincy</text>", "<text>Plano</text>")


def test_every_picture_is_drawn_by_a_command_of_a_page_that_shows_it():
    for picture in sorted((ROOT / docs.PICTURES).glob("*.svg")):
        shown = [
            page for page in docs.pages() if f"pictures/{picture.name}" in page.read_text(encoding="utf-8")
        ]
        commands = [example.command for page in shown for example in docs.examples(page)]
        assert any(f"{docs.PICTURES}/{picture.stem.partition('_')[0]}" in text for text in commands), (
            picture.name
        )
        assert picture.stat().st_size < 100_000


@pytest.mark.parametrize("name", ["docs/commands.md", "docs/scenario.md", "docs/columns.md"])
def test_reference_pages_are_what_the_code_says(name):
    made = script("reference").made()
    assert (ROOT / name).read_text(encoding="utf-8") == made[name], "run scripts/reference.py"
