"""Write the table of dependencies of docs/security.md: version, license, size, compiled code, what brings each.

    python scripts/dependencies.py [--write docs/security.md] [--extras report,parquet,...]

Reads the metadata of the installed packages; asks no network. The table says what was audited, not what is
required: lower bounds stand in pyproject.toml.
"""

from __future__ import annotations

import argparse
import re
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution, requires
from pathlib import Path

BEGIN, END = "<!-- dependencies: begin -->", "<!-- dependencies: end -->"
RUN_EXTRAS = ("report", "parquet", "grid", "cluster", "postgis")
COMPILED = (".so", ".pyd", ".dylib")
LICENSES = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL",
    "MIT License": "MIT",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}


def plain(name: str) -> str:
    """Name as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def own_needs() -> list[str]:
    """Requirements of dcsite as pyproject.toml states them, in the form of installed metadata."""
    project = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]
    lines = list(project["dependencies"])
    for extra, needs in project["optional-dependencies"].items():
        lines += [f"{line.partition(';')[0]}; extra == '{extra}'" for line in needs]
    return lines


def wanted_by(name: str, extras: frozenset[str]) -> list[tuple[str, frozenset[str]]]:
    """Packages that a package asks for in this environment, with their extras."""
    from packaging.requirements import Requirement

    found = []
    for line in own_needs() if name == "dcsite" else requires(name) or []:
        asked = Requirement(line)
        marks = [{"extra": extra} for extra in extras] or [{"extra": ""}]
        if asked.marker is None or any(asked.marker.evaluate(mark) for mark in marks):
            found.append((plain(asked.name), frozenset(asked.extras)))
    return found


def reached(extras: frozenset[str]) -> dict[str, str]:
    """Every package that an installation with extras brings, and which package asked for it first."""
    found: dict[str, str] = {}
    waiting = [("dcsite", extras, "")]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, asked, by = waiting.pop(0)
        if (name, asked) in seen:
            continue
        seen.add((name, asked))
        try:
            needs = wanted_by(name, asked)
        except PackageNotFoundError:
            continue
        if name != "dcsite":
            found.setdefault(name, by)
        waiting += [(child, more, name) for child, more in needs]
    return found


def license_of(known: Distribution) -> str:
    """License as the metadata states it, short."""
    about = known.metadata
    stated = about.get("License-Expression") or ""
    if not stated:
        kinds = [
            line.split(" :: ")[-1]
            for line in about.get_all("Classifier") or []
            if line.startswith("License ::")
        ]
        kinds = [kind for kind in kinds if kind != "OSI Approved"]
        stated = ", ".join(LICENSES.get(kind, kind) for kind in kinds)
    if not stated:
        stated = (about.get("License") or "not stated").splitlines()[0][:40]
    return LICENSES.get(stated, stated).replace("|", "/")


def row(name: str, by: str) -> str:
    """One line of the table."""
    known = distribution(name)
    files = [file for file in known.files or [] if "__pycache__" not in str(file)]
    sizes = [Path(str(known.locate_file(file))) for file in files]
    total = sum(path.stat().st_size for path in sizes if path.is_file())
    compiled = "yes" if any(file.suffix in COMPILED or ".so." in file.name for file in files) else ""
    who = "dcsite" if by == "dcsite" else by
    return f"| {known.metadata['Name']} | {known.version} | {license_of(known)} | {total / 1e6:.1f} | {compiled} | {who} |"


def table() -> str:
    """All packages of the core, then those that the extras add."""
    head = "| package | version | license | MB | compiled | asked for by |\n|---|---|---|---:|---|---|"
    core = reached(frozenset())
    more = reached(frozenset(RUN_EXTRAS))
    parts = [f"Core ({len(core)} packages):\n\n{head}"]
    parts[0] += "".join(f"\n{row(name, core[name])}" for name in sorted(core))
    added = sorted(set(more) - set(core))
    part = f"Added by the extras {', '.join(RUN_EXTRAS)} ({len(added)} packages):\n\n{head}"
    parts.append(part + "".join(f"\n{row(name, more[name])}" for name in added))
    return "\n\n".join(parts)


def main() -> None:
    """Print the table, or put it between its marks in a page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    made = table()
    if asked.write is None:
        print(made)
        return
    text = asked.write.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    asked.write.write_text(f"{before}{BEGIN}\n{made}\n{END}{after}", encoding="utf-8")
    print(f"wrote {asked.write}")


if __name__ == "__main__":
    main()
