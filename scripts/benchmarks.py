"""Run the benchmarks one after another and write docs/benchmarks.md from what they print.

    python scripts/benchmarks.py [--write docs/benchmarks.md] [--only screen,load]

Each part is a command of benchmarks/ with sizes that keep the whole run under five minutes of processor time.
Part by part: with ``--only`` the other parts of the page stay as they are. A part that fails is an error; the
page is then left alone.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import resource
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIMIT_S = 1800
PACKAGES = ("numpy", "scipy", "pandas", "highspy", "pulp")
PARTS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "greedy": (
        "Screening against a siting script",
        "The script samples ready-made rasters cell by cell, scores and chooses greedily; ours works from the tables. "
        "A bare loop over cells with the rasters at hand is about as fast per cell; what it leaves out is making the "
        "rasters, one for each profile, user market and year. The data frame way is what one finds most.",
        ("raster_greedy.py",),
    ),
    "screen": (
        "Cells of a screening",
        "Cost per cell and memory by size; four criteria, one profile, tables loaded and cooling nodes known before.",
        ("screen.py", "--most", "1000000"),
    ),
    "cooling": (
        "Cooling",
        "Against the same physics written hour by hour and row by row.",
        ("cooling.py", "--points", "500"),
    ),
    "latency": (
        "Round-trip times",
        "Against a loop over pairs with the same shortest paths and the same answer.",
        ("latency.py", "--cells", "5000", "--rows", "1000"),
    ),
    "portfolio": (
        "A portfolio",
        "The search of dcsite against the same model through PuLP, a small model; the large ones are in "
        "[benchmarks_portfolio.md](benchmarks_portfolio.md).",
        ("portfolio.py", "--quick"),
    ),
    "load": (
        "Many runs at once, many in a row",
        "Equal outcomes mean equal bytes and exit code 0. The page holds a short run; the whole one is "
        "`python benchmarks/load.py`.",
        ("load.py", "--quick"),
    ),
}


def machine() -> str:
    """What the figures were taken on."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        found = re.search(r"model name\s*:\s*(.+)", info.read_text(encoding="utf-8"))
        model = found.group(1) if found else model
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return f"{model}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, {packages}"


def run(name: str) -> str:
    """Section of one part.

    Raises
    ------
    SystemExit
        If the benchmark fails.
    """
    title, words, command = PARTS[name]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / command[0]), *command[1:]],
        check=False,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        cwd=ROOT,
    )
    if done.returncode != 0:
        sys.exit(f"benchmarks/{command[0]} failed:\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    text = done.stdout.rstrip().lstrip("\n")
    if not re.search(r"^\|", text, re.MULTILINE):
        text = f"```text\n{text}\n```"
    call = " ".join(["python", f"benchmarks/{command[0]}", *command[1:]])
    day = time.strftime("%Y-%m-%d")
    return (
        f"<!-- part: {name} -->\n## {title}\n\n{words}\n\n{text}\n\n"
        f"`{call}`, {spent:.0f} CPU s, {day}.\n<!-- end: {name} -->\n"
    )


def kept(page: Path) -> dict[str, str]:
    """Sections that a page has."""
    if not page.is_file():
        return {}
    text = page.read_text(encoding="utf-8")
    found = re.findall(r"<!-- part: (\w+) -->\n.*?<!-- end: \1 -->\n", text, re.DOTALL)
    return {
        name: re.search(rf"<!-- part: {name} -->\n.*?<!-- end: {name} -->\n", text, re.DOTALL).group(0)
        for name in found
    }


def main() -> None:
    """Run the parts and write the page, or print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path, default=ROOT / "docs" / "benchmarks.md")
    parser.add_argument("--only", default="", help=f"some of {', '.join(PARTS)}")
    asked = parser.parse_args()
    names = [name for name in asked.only.split(",") if name] or list(PARTS)
    unknown = sorted(set(names) - set(PARTS))
    if unknown:
        sys.exit(f"no part '{unknown[0]}': {', '.join(PARTS)}")
    sections = kept(asked.write)
    for name in names:
        print(f"{name} ...", file=sys.stderr)
        sections[name] = run(name)
    head = (
        "# Benchmarks\n\n"
        "Made by `make bench` (`scripts/benchmarks.py`). Times are processor seconds, so a busy machine makes them noisy, "
        "not wrong; only ratios within one part can be compared. Solvers: [benchmarks_solver.md](benchmarks_solver.md).\n\n"
        f"Machine: {machine()}.\n\n"
    )
    asked.write.write_text(
        head + "\n".join(sections[name] for name in PARTS if name in sections), encoding="utf-8"
    )
    print(f"wrote {asked.write}")


if __name__ == "__main__":
    main()
