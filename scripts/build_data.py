"""Build the tables under ``data/`` from a folder of source tables.

    python scripts/build_data.py --sources DIR [--only grid_prices ...] [--check]

``DIR`` is the maintainers' folder of compiled facts; it has no default and nothing else needs it.
The script is deterministic: no clock, no network, sorted rows, fixed number format. ``--check``
rebuilds into a temporary folder and compares it with what is committed.
"""

from __future__ import annotations

import argparse
import filecmp
import importlib
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from builders.common import Folder

BUILD_DATE = "2026-11-24"
"""Written into the manifests; passed in here, never read from the clock."""

ORDER = ("grid_prices", "regions", "climate", "network", "policy", "profiles")
"""Build order: later builders may read the tables of earlier ones."""


def build(sources: Path, target: Path, only: tuple[str, ...]) -> None:
    """Build the chosen folders into ``target``."""
    for name in only:
        module = importlib.import_module(f"builders.{name}")
        folder = Folder(name, target / name, BUILD_DATE)
        module.build(sources, folder)
        folder.write()
        print(f"{name}: {len(list((target / name).rglob('*.csv')))} tables")


def differences(left: Path, right: Path) -> list[str]:
    """Files that differ between two data folders."""
    names = {p.relative_to(left) for p in left.rglob("*") if p.is_file()}
    names |= {p.relative_to(right) for p in right.rglob("*") if p.is_file()}
    return [
        str(name)
        for name in sorted(names)
        if not (left / name).is_file()
        or not (right / name).is_file()
        or not filecmp.cmp(left / name, right / name, shallow=False)
    ]


def main() -> int:
    """Parse the command line and build."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sources", type=Path, required=True, help="folder of source tables")
    parser.add_argument("--only", nargs="*", choices=ORDER, default=list(ORDER), help="folders to build")
    parser.add_argument("--target", type=Path, default=Path(__file__).resolve().parents[1] / "data")
    parser.add_argument("--check", action="store_true", help="rebuild elsewhere and compare")
    options = parser.parse_args()
    if not options.sources.is_dir():
        print(f"error: --sources {options.sources}: no such folder", file=sys.stderr)
        return 2
    only = tuple(name for name in ORDER if name in options.only)
    if not options.check:
        build(options.sources, options.target, only)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        build(options.sources, Path(scratch), only)
        changed = [f"{n}/{d}" for n in only for d in differences(Path(scratch) / n, options.target / n)]
    for name in changed:
        print(f"differs: {name}")
    return 1 if changed else 0


if __name__ == "__main__":
    raise SystemExit(main())
