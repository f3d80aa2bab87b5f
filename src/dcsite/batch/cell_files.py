"""Write all scored cells of a screening tile by tile, whole or not at all.

As CSV, GeoParquet or GeoPackage, or to a table of a database with PostGIS.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from dcsite.batch.store import cannot_write
from dcsite.errors import MissingExtraError, UsageError
from dcsite.report.plain import guard_text, refuse_existing, whole_file
from dcsite.spec.address import is_address

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pandas as pd

    from dcsite.batch.executor import Task
    from dcsite.batch.screen import State

FORMATS = (".csv", ".parquet", ".gpkg")
PAGE = ".html"
TEXTS = ("workload", "cell", "name", "country_iso3", "zone_id", "technology")
LAYER = "cells"


def check_target(path: Path, *, force: bool) -> None:
    """Refuse before any work an ending that is not one of :data:`FORMATS`, and what exists without ``force``.

    Raises
    ------
    UsageError
        With the endings there are.
    MissingExtraError
        For Parquet without pyarrow.
    """
    if is_address(path):
        from dcsite.data.postgis import address_of
        from dcsite.report.postgis import refuse_table

        refuse_table(address_of(path), force=force)
        return
    if path.suffix.lower() == PAGE:
        refuse_existing(path, force=force)
        return
    if path.suffix.lower() not in FORMATS:
        message = f"{path}: cells are written as {', '.join(FORMATS)}, {PAGE} (map), or to postgresql://...?table=NAME"
        raise UsageError(message)
    if path.suffix.lower() == ".parquet":
        try:
            import_module("pyarrow")
        except ImportError:
            feature = f"writing {path.name}"
            raise MissingExtraError(feature, "parquet") from None
    refuse_existing(path, force=force)


def write_cells(state: State, tasks: Sequence[Task], folder: Path, path: Path, *, force: bool) -> int:
    """Write the scored cells of all workloads; returns their number.

    Raises
    ------
    DcsiteError
        If the file exists and ``force`` is not set, or cannot be written.
    """
    if is_address(path):
        return _write_table(state, tasks, folder, path, force=force)
    with whole_file(path, force=force) as temporary:
        try:
            if path.suffix.lower() == ".csv":
                return _write_csv(state, tasks, folder, temporary)
            if path.suffix.lower() == ".parquet":
                return _write_parquet(state, tasks, folder, temporary)
            return _write_gpkg(state, tasks, folder, temporary)
        except OSError as error:
            raise cannot_write(path, error) from None


def _frames(state: State, tasks: Sequence[Task], folder: Path) -> Iterator[pd.DataFrame]:
    from dcsite.batch.screen import cell_frame, read_part

    for task in tasks:
        part = read_part(folder, task.id)
        for number, layer in enumerate(state.layers):
            frame = cell_frame(state, number, task.payload, part).drop(columns="place")
            frame.insert(0, "workload", layer.name)
            if len(frame):
                yield frame


def _write_csv(state: State, tasks: Sequence[Task], folder: Path, path: Path) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as handle:
        for frame in _frames(state, tasks, folder):
            safe = frame.copy()
            for column in TEXTS:
                safe[column] = safe[column].map(guard_text)
            safe.to_csv(handle, index=False, header=count == 0, lineterminator="\n")
            count += len(frame)
        if count == 0:
            handle.write(",".join(TEXTS) + "\n")
    return count


def _write_table(state: State, tasks: Sequence[Task], folder: Path, path: Path, *, force: bool) -> int:
    from dcsite.batch.screen import FIGURES
    from dcsite.data.postgis import address_of
    from dcsite.report.postgis import new_table

    columns = [(name, "text") for name in TEXTS] + [
        (name, "number") for name in ("lat", "lon", "score", *FIGURES)
    ]
    with new_table(address_of(path), columns, force=force) as append:
        return sum(append(frame) for frame in _frames(state, tasks, folder))


def _points_wkb(frame: pd.DataFrame) -> list[bytes]:
    """Points as little-endian WKB."""
    record = np.zeros(len(frame), dtype=[("order", "u1"), ("kind", "<u4"), ("x", "<f8"), ("y", "<f8")])
    record["order"], record["kind"] = 1, 1
    record["x"], record["y"] = frame["lon"].to_numpy(), frame["lat"].to_numpy()
    data, size = record.tobytes(), record.dtype.itemsize
    return [data[at : at + size] for at in range(0, len(data), size)]


def _write_parquet(state: State, tasks: Sequence[Task], folder: Path, path: Path) -> int:
    arrow: Any = import_module("pyarrow")
    parquet: Any = import_module("pyarrow.parquet")
    about = {
        "version": "1.0.0",
        "primary_column": "geometry",
        "columns": {"geometry": {"encoding": "WKB", "geometry_types": ["Point"]}},
    }
    writer: Any = None
    count = 0
    try:
        for frame in _frames(state, tasks, folder):
            columns = {
                name: arrow.array(
                    frame[name].astype(str).tolist() if name in TEXTS else frame[name].to_numpy()
                )
                for name in frame.columns
            }
            columns["geometry"] = arrow.array(_points_wkb(frame), type=arrow.binary())
            table = arrow.table(columns).replace_schema_metadata({"geo": json.dumps(about)})
            if writer is None:
                writer = parquet.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table)
            count += len(frame)
    finally:
        if writer is not None:
            writer.close()
    if count == 0:
        message = f"{path.name}: no cell has a score, nothing to write"
        raise UsageError(message)
    return count


def _write_gpkg(state: State, tasks: Sequence[Task], folder: Path, path: Path) -> int:
    import geopandas

    count = 0
    for frame in _frames(state, tasks, folder):
        points = geopandas.points_from_xy(frame["lon"], frame["lat"], crs="EPSG:4326")
        geopandas.GeoDataFrame(frame, geometry=points).to_file(
            path, layer=LAYER, driver="GPKG", mode="w" if count == 0 else "a"
        )
        count += len(frame)
    if count == 0:
        message = f"{path.name}: no cell has a score, nothing to write"
        raise UsageError(message)
    return count
