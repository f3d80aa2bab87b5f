"""Files of points for ``dcsite cooling --points``: reads and judges every row, keeps every cell as it stands."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dcsite.errors import DataError, Problem

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

READ = ("lat", "lon", "technology", "vintage", "year")
YEARS = (1990, 2060)
MAX_PROBLEMS = 12


@dataclass(frozen=True)
class CoolingPoints:
    """Rows of a file of points.

    Attributes
    ----------
    header, rows
        All cells as text, in order.
    lines
        Line of the file of each row.
    lat, lon, year
        Shape (N,); year is NaN where it is not given. [degrees]
    technology, vintage
        As written; "" where it is not given.
    """

    header: list[str]
    rows: list[list[str]]
    lines: list[int]
    lat: NDArray[np.float64]
    lon: NDArray[np.float64]
    year: NDArray[np.float64]
    technology: list[str]
    vintage: list[str]


def _number(text: str) -> float:
    """A plain number, or NaN."""
    try:
        value = float(text)
    except ValueError:
        return float("nan")
    return value if np.isfinite(value) and "_" not in text else float("nan")


def read_cooling_points(path: Path) -> CoolingPoints:
    """Read a CSV file with ``lat, lon`` and optional ``technology, vintage, year``; other columns stay.

    Raises
    ------
    DataError
        With every fault: missing columns, rows cut off, values that are no coordinates or years.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"{path}: not UTF-8 text (byte {error.start})"
        raise DataError(message, hint="save the file as UTF-8") from None
    except OSError as error:
        message = f"{path}: cannot be read ({error.strerror or error})"
        raise DataError(message) from None
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        found = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        message = f"{path}: not readable as CSV ({error})"
        raise DataError(message) from None
    if not found:
        message = f"{path}: empty file"
        raise DataError(message, hint="the first line names the columns: lat,lon,technology,vintage,year")
    header = [cell.strip() for cell in found[0][1]]
    missing = [name for name in ("lat", "lon") if name not in header]
    twice = sorted({name for name in header if header.count(name) > 1 and name in READ})
    if missing or twice:
        message = f"{path}: header cannot be used"
        problems = [Problem("header", f"no column '{name}'") for name in missing]
        problems += [Problem("header", f"column '{name}' stands twice") for name in twice]
        raise DataError(message, tuple(problems), hint=f"columns found: {', '.join(header)}")
    lines, rows = [line for line, _ in found[1:]], [row for _, row in found[1:]]
    if not rows:
        message = f"{path}: no rows below the header"
        raise DataError(message, hint="each row is one point: lat,lon[,technology,vintage,year]")
    problems = [
        Problem(f"line {line}", f"{len(row)} cells, expected {len(header)}")
        for line, row in zip(lines, rows, strict=True)
        if len(row) != len(header)
    ]
    if problems:
        raise _refuse(path, problems)

    def column(name: str) -> list[str]:
        if name not in header:
            return [""] * len(rows)
        at = header.index(name)
        return [row[at].strip() for row in rows]

    texts = {name: column(name) for name in READ}
    numbers = {name: np.array([_number(cell) for cell in texts[name]]) for name in ("lat", "lon", "year")}
    for name, low, high, may_miss in (
        ("lat", -90.0, 90.0, False),
        ("lon", -180.0, 180.0, False),
        ("year", float(YEARS[0]), float(YEARS[1]), True),
    ):
        values = numbers[name]
        bad = ~((values >= low) & (values <= high))
        for row in np.flatnonzero(bad).tolist():
            cell = texts[name][row]
            if may_miss and cell == "":
                continue
            got = f"'{cell}'" if cell else "an empty cell"
            problems.append(
                Problem(f"line {lines[row]}", f"{name} must be a number from {low:g} to {high:g}, got {got}")
            )
            if len(problems) > MAX_PROBLEMS:
                raise _refuse(path, problems)
    if problems:
        raise _refuse(path, problems)
    return CoolingPoints(
        header=header,
        rows=rows,
        lines=lines,
        lat=numbers["lat"],
        lon=numbers["lon"],
        year=numbers["year"],
        technology=texts["technology"],
        vintage=texts["vintage"],
    )


def _refuse(path: Path, problems: list[Problem]) -> DataError:
    """One error for all faults, the list cut to a readable length."""
    shown = problems[:MAX_PROBLEMS]
    if len(problems) > MAX_PROBLEMS:
        shown.append(Problem("", "and more"))
    message = f"{path}: {len(problems)}{'+' if len(problems) > MAX_PROBLEMS else ''} faulty cells"
    return DataError(message, tuple(shown), hint="lat and lon in degrees, north and east positive")
