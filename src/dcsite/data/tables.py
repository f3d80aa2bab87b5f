"""The tables in memory: reads CSV tables and grids once, keeps text codes as text, knows each source.

A table is named by the stem of its file (``retail`` is ``grid_prices/retail.csv``); stems are unique
over all folders. A user's data folder replaces shipped tables one by one. Nothing here computes.
"""

from __future__ import annotations

import csv
import hashlib
import json
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dcsite.data.catalog import FOLDERS, DataRoot, find_user_root, shipped_root
from dcsite.errors import DataError, Problem

if TYPE_CHECKING:
    from numpy.typing import NDArray

TEXT_EXACT = {
    "fips",
    "adm1_code",
    "geonameid",
    "place_id",
    "area_id",
    "iso2",
    "wmo",
    "source_id",
    "customer_size",
}


@dataclass
class Tables:
    """All tables of a run, read on first use.

    Attributes
    ----------
    shipped, user
        Where the shipped tables were found, and the folder that overrides some of them (or None).
    """

    shipped: DataRoot
    user: DataRoot | None = None
    _frames: dict[str, pd.DataFrame] = field(default_factory=dict, repr=False)
    _grids: dict[str, dict[str, NDArray[Any]]] = field(default_factory=dict, repr=False)
    _paths: dict[str, Path] = field(default_factory=dict, repr=False)
    _memo: dict[Any, Any] = field(default_factory=dict, repr=False)

    def paths(self) -> dict[str, Path]:
        """Table name to file, user files before shipped ones, sorted by folder and name."""
        if not self._paths:
            found: dict[str, Path] = {}
            for root in (self.shipped, self.user):
                if root is None:
                    continue
                for folder in FOLDERS:
                    base = root.path / folder
                    for path in sorted(base.rglob("*")):
                        if path.suffix in {".csv", ".npz"} and path.stem != "sources":
                            found[path.stem] = path
            self._paths = found
        return self._paths

    def has(self, name: str) -> bool:
        """Whether a table or grid of this name exists."""
        return name in self.paths()

    def path(self, name: str) -> Path:
        """File of a table.

        Raises
        ------
        DataError
            If there is no such table.
        """
        try:
            return self.paths()[name]
        except KeyError:
            import difflib

            near = difflib.get_close_matches(name, list(self.paths()), n=3)
            message = f"table '{name}': not found in {self.shipped.path}"
            hint = f"did you mean {' or '.join(near)}?" if near else "dcsite data list shows the tables"
            raise DataError(message, hint=hint) from None

    def frame(self, name: str) -> pd.DataFrame:
        """Read a CSV table. Text stays text (``NA`` is Namibia); an empty cell of a number is NaN.

        The frame is shared: copy before you change it.
        """
        if name not in self._frames:
            path = self.path(name)
            frame = read_table(path)
            if self.user is not None and path.is_relative_to(self.user.path):
                self._compare(name, path, frame)
            self._frames[name] = frame
        return self._frames[name]

    def _compare(self, name: str, path: Path, frame: pd.DataFrame) -> None:
        """Refuse a user's table that lacks what the shipped one has: rows, columns, numbers where it has numbers."""
        shipped = replace(self, user=None, _frames={}, _grids={}, _paths={}, _memo={})
        if not shipped.has(name):
            return
        wanted = read_table(shipped.path(name))
        problems = [
            Problem(column, "the column is missing") for column in wanted.columns if column not in frame
        ]
        if len(frame) == 0 and len(wanted):
            problems.append(Problem("", "a header, but no rows"))
        for column in wanted.columns:
            if column not in frame or len(frame) == 0:
                continue
            kind, found = wanted[column].dtype.kind, frame[column].dtype.kind
            if kind in "fb" and found not in ("f" if kind == "f" else "fb"):
                bad = [
                    (row, text)
                    for row, text in enumerate(frame[column].astype(str), start=2)
                    if not _is_number(text)
                ]
                if kind == "f" and not any(text for _, text in bad):
                    frame[column] = np.nan  # an empty column
                    continue
                row, text = next(((r, t) for r, t in bad if t), (2, str(frame[column].iloc[0])))
                what = "a number" if kind == "f" else "true or false"
                problems.append(Problem(f"line {row}, {column}", f"'{text[:60]}' is not {what}"))
        if problems:
            message = f"{path}: cannot stand in for the shipped table '{name}'"
            raise DataError(message, tuple(problems), hint="copy the shipped table and change values in it")

    def grid(self, name: str) -> dict[str, NDArray[Any]]:
        """Read the arrays of an ``.npz`` grid (never with pickle)."""
        if name not in self._grids:
            path = self.path(name)
            try:
                _refuse_bomb(path)
                with np.load(path, allow_pickle=False) as archive:
                    self._grids[name] = {key: archive[key] for key in archive.files}
            except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
                message = f"{path}: not a readable grid ({error})"
                raise DataError(
                    message, hint="restore the file from the release or give another --data-dir"
                ) from None
        return self._grids[name]

    def memo(self, key: Any, make: Any) -> Any:  # noqa: ANN401  (any cached value)
        """Compute a value derived from the tables once per Tables object.

        A key that is a text is kept for good; others (what depends on sites or loads) give way to newer ones, so
        that thousands of scenarios in one process need no more memory than a few.
        """
        passing = not isinstance(key, str)
        if key in self._memo:
            value = self._memo[key]
            if passing:
                self._memo[key] = self._memo.pop(key)  # the latest stands last
            return value
        value = make()
        if passing:
            older = [known for known in self._memo if not isinstance(known, str)]
            for known in older[: len(older) + 1 - MOST_PASSING]:
                del self._memo[known]
        self._memo[key] = value
        return value

    def sources(self) -> pd.DataFrame:
        """All sources: ``folder, source_id, publisher, title, url_or_repository, accessed, year, license, ...``."""
        if "__sources__" not in self._frames:
            parts = []
            for root in (self.shipped, self.user):
                if root is None:
                    continue
                for folder in FOLDERS:
                    path = root.path / folder / "sources.csv"
                    if path.is_file():
                        part = read_table(path)
                        part.insert(0, "folder", folder)
                        parts.append(part)
            frame = (
                pd.concat(parts, ignore_index=True)
                if parts
                else pd.DataFrame(columns=["folder", "source_id"])
            )
            self._frames["__sources__"] = frame.drop_duplicates(
                ["folder", "source_id"], keep="last"
            ).reset_index(drop=True)
        return self._frames["__sources__"]

    def manifest(self) -> dict[str, dict[str, Any]]:
        """Folder to its ``manifest.json``."""
        result: dict[str, dict[str, Any]] = {}
        for folder in FOLDERS:
            path = self.shipped.path / folder / "manifest.json"
            if path.is_file():
                result[folder] = json.loads(path.read_text(encoding="utf-8"))
        return result

    def checksums(self) -> dict[str, str]:
        """Table name to sha256 of its file, for run manifests."""
        return {name: sha256_of(path) for name, path in sorted(self.paths().items())}


MOST_PASSING = 48
"""Values kept whose key is not a text."""

MAX_GRID_BYTES = 1_000_000_000
"""Unpacked size from which a grid file is taken for a zip bomb."""


def _refuse_bomb(path: Path) -> None:
    """Look at the sizes that a grid file states before anything is unpacked.

    Raises
    ------
    DataError
        If it would unpack to more than :data:`MAX_GRID_BYTES`.
    """
    with zipfile.ZipFile(path) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > MAX_GRID_BYTES:
        message = f"{path}: would unpack to {size:,} bytes, at most {MAX_GRID_BYTES:,}"
        raise DataError(message, hint="this is no grid of dcsite")


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def read_table(path: Path) -> pd.DataFrame:
    """Read one CSV table of ours: UTF-8, header, no index.

    A column becomes float when each non-empty cell is a number and its name does not mark a text code
    (``TEXT_EXACT``); it becomes bool when all cells are ``true``/``false``; else it stays text with
    ``""`` for an empty cell.

    Raises
    ------
    DataError
        If the file cannot be read, is not UTF-8, or a row has another number of cells than the header.
    """
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            rows = list(csv.reader(handle))
    except UnicodeDecodeError as error:
        message = f"{path}: not UTF-8 text (byte {error.start})"
        raise DataError(message, hint="save the file as UTF-8") from None
    except (OSError, csv.Error) as error:
        message = f"{path}: cannot be read ({error})"
        raise DataError(message) from None
    if not rows:
        message = f"{path}: empty file"
        raise DataError(message, hint="the first line must name the columns")
    header = rows[0]
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            message = f"{path}:{number}: {len(row)} cells, expected {len(header)}"
            raise DataError(message, hint="a comma inside a cell needs quotes; the row may be cut off")
    columns: dict[str, Any] = {}
    for position, name in enumerate(header):
        cells = [row[position] for row in rows[1:]]
        filled = [cell for cell in cells if cell != ""]
        if name in TEXT_EXACT or name.endswith(("_id", "_iso3", "_code")):
            columns[name] = pd.Series(cells, dtype="str")
        elif filled and all(cell in ("true", "false") for cell in filled):
            columns[name] = np.array([cell == "true" for cell in cells])
        elif filled and all(_is_number(cell) for cell in filled):
            columns[name] = np.array([float(cell) if cell != "" else np.nan for cell in cells])
        else:
            columns[name] = pd.Series(cells, dtype="str")
    return pd.DataFrame(columns)


def load_tables(data_dir: Path | str | None = None) -> Tables:
    """Find the tables (nothing is read yet): shipped ones, overridden one by one by a user's folder."""
    return Tables(shipped=shipped_root(), user=find_user_root(None if data_dir is None else Path(data_dir)))
