"""Files of a user's own figures per site: ``site_id, value`` and, if known, ``sd``; every fault with its line."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dcsite.errors import DataError, Problem

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = ("site_id", "value", "sd")


@dataclass(frozen=True)
class OwnValue:
    """One figure; ``sd`` is NaN where the file states none."""

    line: int
    site: str
    value: float
    sd: float


def read_own_values(path: Path) -> list[OwnValue]:
    """Read a file of figures.

    Raises
    ------
    DataError
        If the file cannot be read, a column is unknown or missing, a figure is not a number, or a site comes
        twice; all faults at once.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            rows = list(csv.reader(handle))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        message = f"{path}: cannot be read ({error})"
        raise DataError(message, hint="UTF-8, commas, a header line site_id,value[,sd]") from None
    header = [name.strip() for name in rows[0]] if rows else []
    problems = [
        Problem("header", f"unknown column '{name}'", f"the columns are {', '.join(COLUMNS)}")
        for name in header
        if name not in COLUMNS
    ]
    problems += [Problem("header", f"no column '{name}'") for name in COLUMNS[:2] if name not in header]
    found: list[OwnValue] = []
    seen: set[str] = set()
    for line, cells in enumerate(rows[1:], start=2):
        if problems and problems[0].where == "header":
            break
        row = dict(zip(header, (cell.strip() for cell in cells), strict=False))
        if not any(row.values()):
            continue
        site = row.get("site_id", "")
        value, sd = _number(row.get("value", "")), _number(row.get("sd", ""))
        if site in seen or not site:
            problems.append(Problem(f"line {line}, site_id", f"'{site}' comes twice" if site else "is empty"))
        if value is None or not math.isfinite(value):
            problems.append(Problem(f"line {line}, value", f"'{row.get('value', '')}' is not a number"))
        if sd is None or sd < 0:
            problems.append(
                Problem(f"line {line}, sd", f"'{row.get('sd', '')}' is not a number of 0 or more")
            )
        seen.add(site)
        found.append(OwnValue(line, site, value or 0.0, math.nan if sd is None else sd))
    if problems:
        message = f"{path}: {len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise DataError(message, tuple(problems))
    return found


def _number(text: str) -> float | None:
    """A number, NaN for an empty cell, None for anything else."""
    if text == "":
        return math.nan
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None
