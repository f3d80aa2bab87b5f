"""Notebooks: the percent scripts are the source, the ``.ipynb`` files are made from them without outputs.

python scripts/notebooks.py            write notebooks/*.ipynb
python scripts/notebooks.py --check    fail when one differs from its script
python scripts/notebooks.py --run      execute each one in a kernel and fail on an error
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import jupytext
import nbformat

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"


def notebook_of(script: Path) -> nbformat.NotebookNode:
    """Notebook of a percent script, with fixed cell ids so that the text is reproducible."""
    book = jupytext.reads(script.read_text(encoding="utf-8"), fmt="py:percent")
    for number, cell in enumerate(book.cells):
        cell["id"] = f"cell-{number}"
    book.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    book.nbformat, book.nbformat_minor = 4, 5
    return book


def run(script: Path) -> float:
    """Execute a notebook in the folder of the repository; raises on the first failing cell. [s]"""
    from nbclient import NotebookClient

    start = time.monotonic()
    client = NotebookClient(
        notebook_of(script),
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(FOLDER.parent)}},
    )
    client.execute()
    return time.monotonic() - start


def main() -> int:
    """Write, check or run the notebooks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with what is committed")
    parser.add_argument("--run", action="store_true", help="execute the notebooks")
    parser.add_argument("names", nargs="*", help="stems of notebooks; default all")
    options = parser.parse_args()
    scripts = [
        path for path in sorted(FOLDER.glob("*.py")) if not options.names or path.stem in options.names
    ]
    if not scripts:
        print("error: no notebook scripts found", file=sys.stderr)
        return 2
    failed = []
    for script in scripts:
        text = nbformat.writes(notebook_of(script)) + "\n"
        target = script.with_suffix(".ipynb")
        if options.check:
            if not target.is_file() or target.read_text(encoding="utf-8") != text:
                failed.append(f"{target.name} differs from {script.name}: run scripts/notebooks.py")
        elif not options.run:
            target.write_text(text, encoding="utf-8")
            print(f"wrote {target.name}")
        if options.run:
            try:
                print(f"{script.stem}: ran in {run(script):.0f} s")
            except Exception as error:  # noqa: BLE001  (whatever a cell raises is reported, then the next one runs)
                failed.append(f"{script.stem}: {str(error).strip().splitlines()[-1]}")
    for line in failed:
        print(line, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
