"""Run every ``$ dcsite`` block of README.md and docs/, and compare or rewrite what it prints.

    python scripts/docs_outputs.py            compare; exit 1 when a page is out of date
    python scripts/docs_outputs.py --write    put the present outputs into the pages

A block is fenced as ``console``; a line ``$ dcsite ...`` is run, what follows is its output. A line ``...`` in
the output stands for anything, and so do the figures of "proven bound X, gap Y%": where a search stops within the
asked gap depends on the numerical libraries (``optimal`` and the cost still have to fit). ``| head -n N`` or
``| tail -n N`` after a command cuts its output. Commands of one page run in one temporary folder, one after the
other, so a later one may read what an earlier one wrote. A picture that a command writes below ``docs/pictures`` is
compared with the committed one, or replaces it.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import io
import os
import re
import shlex
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FENCE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BOUND = re.compile(r"proven\\ bound\\ [\d,.\\]+,\\ gap\\ [\d.\\]+%")
COLUMNS = "100"


@dataclass(frozen=True)
class Example:
    """One command of a page and the output that the page shows."""

    page: Path
    command: str
    shown: str


def pages() -> list[Path]:
    """All pages that may hold examples."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def examples(page: Path) -> list[Example]:
    """Examples of a page in order."""
    found = []
    for block in FENCE.findall(page.read_text(encoding="utf-8")):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            if command.startswith("dcsite"):
                found.append(Example(page, command.strip(), shown.rstrip("\n")))
    return found


def run(command: str) -> str:
    """Output of a command, run in this process: stdout, and the error message where there is one."""
    from dcsite.cli import app

    line, pipe, cut = command.partition(" | ")
    part, _, count = cut.partition(" -n ")
    if pipe and (part not in ("head", "tail") or not count.strip().isdigit()):
        message = f"{command}: only '| head -n N' and '| tail -n N' are understood"
        raise ValueError(message)
    arguments = shlex.split(line)[1:]
    out, error = io.StringIO(), io.StringIO()
    old = os.environ.get("COLUMNS"), sys.argv
    os.environ["COLUMNS"] = COLUMNS
    sys.argv = ["dcsite", *arguments]
    try:
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(error),
            contextlib.suppress(SystemExit),
        ):
            app.main()
    finally:
        sys.argv = old[1]
        if old[0] is None:
            os.environ.pop("COLUMNS", None)
        else:
            os.environ["COLUMNS"] = old[0]
    text = out.getvalue()
    problem = error.getvalue()
    if problem.startswith("error:") or "\nerror:" in problem:
        text += problem
    lines = [part.rstrip() for part in text.rstrip("\n").split("\n")]
    if part == "head":
        lines = lines[: int(count)]
    elif part == "tail":
        lines = lines[-int(count) :]
    return "\n".join(lines)


def matches(shown: str, printed: str) -> bool:
    """Whether a printed text fits what the page shows (``...`` lines stand for anything)."""
    pattern = re.escape("\n".join(line.rstrip() for line in shown.split("\n")))
    pattern = re.sub(r"(^|\\\n)\\\.\\\.\\\.(?=\\\n|$)", r"\1(?:.*)", pattern)
    pattern = BOUND.sub(lambda _: r"proven\ bound\ [\d,.]+,\ gap\ [\d.]+%", pattern)
    return re.fullmatch(pattern, printed, flags=re.DOTALL) is not None


def difference(example: Example, printed: str) -> str:
    """What is printed now against what the page shows."""
    lines = difflib.unified_diff(
        example.shown.split("\n"), printed.split("\n"), "shown", "printed", lineterm="", n=1
    )
    return "\n".join(lines)


def rewrite(page: Path) -> bool:
    """Put present outputs into a page (those with ``...`` lines stay while they fit); whether it changed."""
    text = page.read_text(encoding="utf-8")
    new = text
    for example in examples(page):
        printed = run(example.command)
        if not matches(example.shown, printed):
            before = f"$ {example.command}\n" + (f"{example.shown}\n" if example.shown else "")
            new = new.replace(before, f"$ {example.command}\n{printed}\n", 1)
    if new != text:
        page.write_text(new, encoding="utf-8")
    return new != text


PICTURES = Path("docs/pictures")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
NEAR_PX = 0.6
"""Figures of a picture may differ by this much: another processor rounds elsewhere."""


def same_picture(one: str, other: str) -> bool:
    """Whether two pictures differ in nothing but the last digit of positions."""
    if NUMBER.split(one) != NUMBER.split(other):
        return False
    pairs = zip(NUMBER.findall(one), NUMBER.findall(other), strict=True)
    return all(abs(float(a) - float(b)) <= NEAR_PX for a, b in pairs)


def changed_pictures(*, write: bool = False) -> list[str]:
    """Pictures drawn in the present folder that differ from the committed ones, by name."""
    changed = []
    for drawn in sorted(PICTURES.glob("*.svg")):
        kept = ROOT / PICTURES / drawn.name
        text = drawn.read_text(encoding="utf-8")
        if kept.is_file() and same_picture(text, kept.read_text(encoding="utf-8")):
            continue
        changed.append(drawn.name)
        if write:
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(text, encoding="utf-8")
    return changed


@contextlib.contextmanager
def workplace() -> object:
    """A temporary folder that looks like the checkout to a command: scenarios/ and examples/ by link."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as scratch:
        for name in ("scenarios", "examples", "notebooks"):
            if (ROOT / name).is_dir():
                (Path(scratch) / name).symlink_to(ROOT / name)
        os.chdir(scratch)
        try:
            yield scratch
        finally:
            os.chdir(here)


def main() -> int:
    """Compare or rewrite all pages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="rewrite the pages")
    parser.add_argument("pages", nargs="*", type=Path, help="pages; default README.md and docs/")
    options = parser.parse_args()
    stale = 0
    for page in [path.resolve() for path in options.pages] or pages():
        with workplace():
            if options.write:
                if rewrite(page):
                    print(f"rewrote {page.relative_to(ROOT)}")
                for name in changed_pictures(write=True):
                    print(f"drew {name}")
                continue
            for example in examples(page):
                printed = run(example.command)
                if not matches(example.shown, printed):
                    stale += 1
                    print(f"{page.relative_to(ROOT)}: $ {example.command}\n{difference(example, printed)}\n")
            for name in changed_pictures():
                stale += 1
                print(f"{page.relative_to(ROOT)}: {PICTURES / name} is out of date")
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
