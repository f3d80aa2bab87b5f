"""What all builders share: reading source tables, registering sources, writing tables the same way.

A builder is a module with ``FOLDER`` and ``build(sources: Path, out: Folder) -> None``. It writes only
through its :class:`Folder`, so that order, float format, accounting of input rows, the folder README,
``sources.csv`` and ``manifest.json`` are made in one place.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003  (dataclass field)
from typing import Any

import numpy as np
import pandas as pd

FORMAT_VERSION = 1
QUALITY = ("measured", "reported", "modeled", "estimate", "unverified")
SOURCE_COLUMNS = [
    "source_id",
    "publisher",
    "title",
    "url_or_repository",
    "accessed",
    "year",
    "license",
    "redistributable",
    "attribution",
]


def read_source(path: Path) -> pd.DataFrame:
    """Read a source table with all cells as text (``NA`` stays ``NA``, FIPS codes keep zeros)."""
    return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")


def number(text: str) -> float:
    """Cell to float; empty is NaN."""
    return float(text) if text not in ("", None) else math.nan


def worst(*quality: str) -> str:
    """Worst of several quality words: a computed figure is never better than its inputs."""
    return max(quality, key=QUALITY.index)


def slug(text: str) -> str:
    """Lower-case identifier from free text."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def cell(value: Any) -> str:  # noqa: ANN401
    """One value as CSV text: empty for missing, ``true/false``, shortest exact floats, no ``.0``."""
    if value is None or (isinstance(value, float) and math.isnan(value)) or value is pd.NA or value is pd.NaT:
        return ""
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        text = repr(float(value))
        return text.removesuffix(".0")
    return str(value)


@dataclass
class Folder:
    """Collects the tables, grids, sources and row accounts of one data folder, then writes them."""

    name: str
    path: Path
    build_date: str
    _tables: dict[str, tuple[pd.DataFrame, list[str], dict[str, str], str, str]] = field(default_factory=dict)
    _grids: dict[str, tuple[dict[str, np.ndarray], str, str]] = field(default_factory=dict)
    _texts: dict[str, tuple[str, str]] = field(default_factory=dict)
    _sources: dict[str, dict[str, str]] = field(default_factory=dict)
    _accounts: list[tuple[str, int, int, dict[str, int]]] = field(default_factory=list)
    notes: str = ""

    def source(
        self,
        source_id: str,
        *,
        publisher: str,
        title: str,
        url_or_repository: str,
        license: str,
        year: str | int = "",
        accessed: str = "2026",
        redistributable: str = "yes",
        attribution: str = "",
    ) -> str:
        """Register a source (again is fine when identical) and return its id.

        ``redistributable`` is ``yes``, ``statistics_only`` or ``no``.
        """
        row = {
            "source_id": source_id,
            "publisher": publisher,
            "title": title,
            "url_or_repository": url_or_repository,
            "accessed": accessed,
            "year": str(year),
            "license": license,
            "redistributable": redistributable,
            "attribution": attribution,
        }
        known = self._sources.setdefault(source_id, row)
        if known != row:
            message = f"source id '{source_id}' registered twice with different content"
            raise ValueError(message)
        return source_id

    def source_of_text(self, text: str, license: str, *, year: str | int = "", prefix: str = "s") -> str:
        """Register a free-text citation as a source and return a short stable id for it."""
        digest = hashlib.sha256(f"{text}|{license}".encode()).hexdigest()[:8]
        return self.source(
            f"{prefix}-{digest}",
            publisher=text.split(",")[0].split(";")[0].strip()[:80],
            title=text,
            url_or_repository="",
            license=license or "facts",
            year=year,
        )

    def table(
        self,
        name: str,
        frame: pd.DataFrame,
        *,
        key: list[str],
        columns: dict[str, str],
        license: str,
        note: str = "",
    ) -> None:
        """Add a table: sorted by ``key``, keys unique, each column described in ``columns``."""
        missing = [column for column in frame.columns if column not in columns]
        if missing:
            message = f"{self.name}/{name}: columns without description: {missing}"
            raise ValueError(message)
        if frame.duplicated(key).any():
            rows = frame.loc[frame.duplicated(key, keep=False), key].head(5).to_dict("records")
            message = f"{self.name}/{name}: duplicate keys, e.g. {rows}"
            raise ValueError(message)
        if "quality" in frame and not set(frame["quality"]) <= set(QUALITY):
            message = f"{self.name}/{name}: unknown quality {set(frame['quality']) - set(QUALITY)}"
            raise ValueError(message)
        if "source_id" in frame:
            unknown = sorted(set(frame["source_id"]) - set(self._sources))
            if unknown:
                message = f"{self.name}/{name}: unregistered sources {unknown[:5]}"
                raise ValueError(message)
        ordered = frame.sort_values(key, kind="stable").reset_index(drop=True)
        self._tables[name] = (ordered, key, columns, license, note)

    def grid(self, name: str, arrays: dict[str, np.ndarray], *, license: str, note: str) -> None:
        """Add an ``.npz`` grid."""
        self._grids[name] = (arrays, license, note)

    def text(self, name: str, content: str, *, license: str) -> None:
        """Add a text file (TOML profile, license text) as it is."""
        self._texts[name] = (content, license)

    def account(self, file: str, total: int, used: int, dropped: dict[str, int] | None = None) -> None:
        """State what became of the rows of an input file; used + dropped must give the total."""
        dropped = dropped or {}
        if used + sum(dropped.values()) != total:
            message = f"{file}: {total} rows, but {used} used + {dropped} dropped"
            raise ValueError(message)
        self._accounts.append((file, total, used, dropped))

    def write(self) -> None:
        """Write all files of the folder; files that the builder no longer makes are removed."""
        self.path.mkdir(parents=True, exist_ok=True)
        made: dict[str, dict[str, Any]] = {}
        for name, (frame, key, _, license_, _) in self._tables.items():
            file = self.path / f"{name}.csv"
            file.parent.mkdir(parents=True, exist_ok=True)
            buffer = io.StringIO()
            writer = csv.writer(buffer, lineterminator="\n")
            writer.writerow(frame.columns)
            writer.writerows(
                [[cell(value) for value in row] for row in frame.itertuples(index=False, name=None)]
            )
            file.write_text(buffer.getvalue(), encoding="utf-8")
            made[f"{name}.csv"] = {
                "rows": len(frame),
                "key": key,
                "columns": list(frame.columns),
                "license": license_,
            }
        for name, (arrays, license_, _) in self._grids.items():
            _write_npz(self.path / f"{name}.npz", arrays)
            made[f"{name}.npz"] = {
                "arrays": {
                    key: [str(value.dtype), list(value.shape)] for key, value in sorted(arrays.items())
                },
                "license": license_,
            }
        for name, (content, license_) in self._texts.items():
            file = self.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding="utf-8")
            made[name] = {"license": license_}
        sources = pd.DataFrame(
            sorted(self._sources.values(), key=lambda row: row["source_id"]), columns=SOURCE_COLUMNS
        )
        (self.path / "sources.csv").write_text(
            sources.to_csv(index=False, lineterminator="\n"), encoding="utf-8"
        )
        made["sources.csv"] = {"rows": len(sources), "columns": SOURCE_COLUMNS, "license": "Apache-2.0"}
        for file_name, entry in made.items():
            entry["sha256"] = hashlib.sha256((self.path / file_name).read_bytes()).hexdigest()
            entry["built_by"] = "scripts/build_data.py"
        manifest = {
            "format": FORMAT_VERSION,
            "build_date": self.build_date,
            "files": {key: made[key] for key in sorted(made)},
        }
        text = json.dumps(manifest, indent=1, ensure_ascii=False, sort_keys=True)
        (self.path / "manifest.json").write_text(text + "\n", encoding="utf-8")
        (self.path / "README.md").write_text(self._readme(), encoding="utf-8")
        keep = set(made) | {"manifest.json", "README.md"}
        for path in sorted(self.path.rglob("*")):
            if path.is_file() and path.relative_to(self.path).as_posix() not in keep:
                path.unlink()

    def _readme(self) -> str:
        lines = [
            f"# data/{self.name}",
            "",
            self.notes.strip(),
            "",
            "Written by `scripts/build_data.py`; do not edit.",
            "",
        ]
        for name, (frame, key, columns, license_, note) in sorted(self._tables.items()):
            lines += [
                f"## {name}.csv",
                "",
                f"{len(frame)} rows, key `{', '.join(key)}`, license: {license_}.",
                "",
            ]
            if note:
                lines += [note.strip(), ""]
            lines += ["| column | meaning |", "|---|---|"]
            lines += [f"| `{column}` | {columns[column]} |" for column in frame.columns]
            lines.append("")
        for name, (arrays, license_, note) in sorted(self._grids.items()):
            shapes = ", ".join(
                f"`{key}` {value.dtype} {value.shape}" for key, value in sorted(arrays.items())
            )
            lines += [f"## {name}.npz", "", f"{shapes}; license: {license_}.", "", note.strip(), ""]
        if self._texts:
            lines += ["## Other files", ""]
            lines += [f"- `{name}` ({license_})" for name, (_, license_) in sorted(self._texts.items())]
            lines.append("")
        if self._accounts:
            lines += [
                "## What became of the source rows",
                "",
                "| source table | rows | used | dropped, by rule |",
                "|---|---|---|---|",
            ]
            for file, total, used, dropped in sorted(self._accounts):
                reasons = "; ".join(f"{rule}: {count}" for rule, count in dropped.items()) or "none"
                lines.append(f"| {file} | {total} | {used} | {reasons} |")
            lines.append("")
        return "\n".join(lines)


def _write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write an ``.npz`` whose bytes depend on the arrays only (fixed time stamp, sorted names)."""
    with zipfile.ZipFile(path, "w", compression=zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for key in sorted(arrays):
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(arrays[key]), allow_pickle=False)
            archive.writestr(
                zipfile.ZipInfo(f"{key}.npy", date_time=(2020, 1, 1, 0, 0, 0)),
                buffer.getvalue(),
                zipfile.ZIP_DEFLATED,
                9,
            )
