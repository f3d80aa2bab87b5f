"""Where candidate cells come from: H3 cells of a country, US counties, world admin-1 units, a box, a file.

A source cuts itself into tiles, each a small plain payload that any worker turns into coordinates, so that
memory is bounded by a tile and not by a country.
"""

from __future__ import annotations

import csv
import hashlib
import math
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dcsite.data.places import resolve_country
from dcsite.data.sphere import km_of_chord, unit_xyz
from dcsite.data.userfiles import NUMBERS, check_geopackage, check_number, read_database, read_geojson
from dcsite.errors import DataError, MissingExtraError, Problem, UsageError
from dcsite.spec.address import is_address

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from dcsite.data.tables import Tables
    from dcsite.data.userfiles import Raw

TILE = 65_536
"""Cells per tile, about."""

BLOCK = 256
"""Cells along each side of a tile of a box."""

MOST_CELLS = 2_000_000_000
H3_CHILDREN = 7
H3_DEEP = 5
"""Levels between an H3 tile's parent and its cells."""

H3_RESOLUTIONS = 10
PARENT_REACH = 1.6
"""Children of an H3 cell have their centers within this many average edges of its center."""

MAX_LINE = 1_000_000
MAX_NAME = 200
SHOWN = 8
GRIDS = ("us-counties", "admin1")
GEO_SUFFIXES = (".gpkg", ".geojson", ".json")


@dataclass(frozen=True)
class Cells:
    """Coordinates of one tile.

    Attributes
    ----------
    lat, lon
        Centers, shape (N,). [deg]
    key
        What names each cell: H3 index, row of a table or file, or number in a box, shape (N,).
    """

    lat: NDArray[np.float64]
    lon: NDArray[np.float64]
    key: NDArray[Any]


@dataclass(frozen=True)
class Source:
    """A set of cells that can be cut into tiles.

    Attributes
    ----------
    label
        What a reader calls it.
    payload
        What all tiles share, plain values.
    tiles
        One plain value per tile.
    spacing_deg
        About how far neighboring cells lie apart; infinite for scattered points. [deg]
    country
        Keep only cells of this country, "" for all.
    land_only
        Whether cells at sea are dropped.
    """

    label: str
    payload: Mapping[str, Any]
    tiles: tuple[Any, ...]
    spacing_deg: float
    country: str = ""
    land_only: bool = True

    def payloads(self) -> Iterator[dict[str, Any]]:
        """Payload of every tile, in order."""
        for tile in self.tiles:
            yield {**self.payload, "tile": tile}


def box_source(text: str, step_deg: float) -> Source:
    """Cells of a box ``S,W,N,E`` in degrees; W above E crosses the antimeridian.

    Raises
    ------
    UsageError
        If the corners or the step are not usable.
    """
    try:
        south, west, north, east = (float(part) for part in text.split(","))
    except ValueError:
        message = f"--box {text}: not S,W,N,E"
        raise UsageError(message, hint="for example --box 24,-125,50,-66 --step 0.05") from None
    if not (-90 <= south < north <= 90 and -180 <= west <= 180 and -180 <= east <= 180) or west == east:
        message = f"--box {text}: south must lie below north (-90 to 90), west and east within -180 to 180"
        raise UsageError(message, hint="west above east crosses the antimeridian")
    if not 0.0005 <= step_deg <= 10:
        message = f"--step {step_deg:g}: must be between 0.0005 and 10 degrees"
        raise UsageError(message)
    width = east - west if east > west else east - west + 360.0
    rows, columns = math.ceil((north - south) / step_deg - 1e-9), math.ceil(width / step_deg - 1e-9)
    if rows * columns > MOST_CELLS:
        message = f"--box {text} --step {step_deg:g}: {rows * columns:,} cells, at most {MOST_CELLS:,}"
        raise UsageError(message)
    tiles = tuple(
        [row, min(BLOCK, rows - row), column, min(BLOCK, columns - column)]
        for row in range(0, rows, BLOCK)
        for column in range(0, columns, BLOCK)
    )
    payload = {"kind": "box", "south": south, "west": west, "step": step_deg, "columns": columns}
    return Source(f"box {text} in steps of {step_deg:g} degrees", payload, tiles, step_deg)


def _h3() -> Any:  # noqa: ANN401  (the module)
    try:
        return import_module("h3.api.numpy_int")
    except ImportError:
        feature = "screen --resolution"
        raise MissingExtraError(feature, "grid") from None


def h3_source(tables: Tables, country: str | None, resolution: int) -> Source:
    """H3 cells of a country (whose nearest place lies in it), or of all land.

    Raises
    ------
    UsageError
        If the country is not known or the resolution not one of H3's.
    MissingExtraError
        Without the package h3.
    """
    h3 = _h3()
    if not 0 <= resolution <= H3_RESOLUTIONS:
        message = f"--resolution {resolution}: must be between 0 and {H3_RESOLUTIONS}"
        raise UsageError(message, hint="an H3 cell of resolution 4 covers about 1,770 km2, of 6 about 36 km2")
    iso3 = "" if country is None else resolve_country(tables, country)
    level = max(0, resolution - H3_DEEP)
    parents = sorted(h3.get_res0_cells().tolist())
    for deeper in range(level + 1):
        if deeper:
            parents = [int(child) for parent in parents for child in h3.cell_to_children(parent, deeper)]
        if iso3:
            parents = _near_country(tables, h3, parents, deeper, iso3)
    parents.sort()
    each = max(1, TILE // H3_CHILDREN ** (resolution - level))
    tiles = tuple([f"{cell:x}" for cell in parents[at : at + each]] for at in range(0, len(parents), each))
    spacing = h3.average_hexagon_edge_length(resolution, unit="km") * math.sqrt(3.0) / 111.2
    label = f"H3 cells of resolution {resolution} in {iso3 or 'the world'}"
    return Source(label, {"kind": "h3", "resolution": resolution}, tiles, float(spacing), iso3)


def _near_country(tables: Tables, h3: Any, parents: list[int], level: int, iso3: str) -> list[int]:  # noqa: ANN401
    """Parents of which a descendant may have its nearest place in the country."""
    from scipy.spatial import cKDTree

    gazetteer = tables.frame("gazetteer")
    own = gazetteer["country_iso3"].to_numpy() == iso3
    if not own.any():
        message = f"--country {iso3}: no place of it is known"
        raise UsageError(message)
    xyz = unit_xyz(gazetteer["lat"], gazetteer["lon"])
    center = np.array([h3.cell_to_latlng(cell) for cell in parents])
    at = unit_xyz(center[:, 0], center[:, 1])
    any_km = km_of_chord(cKDTree(xyz).query(at)[0])
    own_km = km_of_chord(cKDTree(xyz[own]).query(at)[0])
    reach = PARENT_REACH * h3.average_hexagon_edge_length(level, unit="km")
    return [cell for cell, keep in zip(parents, own_km <= any_km + 2.0 * reach, strict=True) if keep]


def table_source(tables: Tables, grid: str) -> Source:
    """US counties or admin-1 units of the world, by their central points.

    Raises
    ------
    UsageError
        If there is no such grid.
    """
    if grid not in GRIDS:
        message = f"--grid {grid}: not known"
        raise UsageError(message, hint=f"one of {', '.join(GRIDS)}")
    name = grid.replace("-", "_")
    count = len(tables.frame(name))
    tiles = tuple([start, min(start + TILE, count)] for start in range(0, count, TILE))
    return Source(grid, {"kind": "table", "name": name}, tiles, math.inf, land_only=False)


def file_source(path: Path, folder: Path) -> Source:
    """Cells of a user's file with ``lat, lon`` (CSV, GeoPackage, GeoJSON, GeoParquet), or of a database table.

    The coordinates are laid out as memory-mapped arrays in ``folder``, which every worker must see; ``cell_id`` or ``site_id`` or the row
    number names a cell.

    Raises
    ------
    DataError
        With the rows that cannot be used.
    """
    label = str(path)
    if is_address(path):
        raw = read_database(str(path))
        label = raw.name
        lat, lon, names = _raw_points(raw)
    elif not path.is_file():
        message = f"{path}: no such file"
        raise DataError(message)
    elif path.suffix.lower() in GEO_SUFFIXES:
        lat, lon, names = _geo_points(path)
    elif path.suffix.lower() == ".parquet":
        lat, lon, names = _parquet_points(path)
    else:
        lat, lon, names = _csv_points(path)
    _check(label, lat, lon)
    folder.mkdir(parents=True, exist_ok=True)
    count = len(lat)
    np.save(folder / "lat.npy", lat)
    np.save(folder / "lon.npy", lon)
    if names is not None:
        np.save(folder / "names.npy", names)
    tiles = tuple([start, min(start + TILE, count)] for start in range(0, count, TILE))
    digest = hashlib.sha256(
        lat.tobytes() + lon.tobytes() + (b"" if names is None else names.tobytes())
    ).hexdigest()
    payload = {"kind": "file", "folder": str(folder.resolve()), "named": names is not None, "sha256": digest}
    return Source(f"{count:,} cells of {label}", payload, tiles, math.inf, land_only=False)


def plain_number(text: str) -> float | None:
    """A number as programs write it, None for anything else (digits of other scripts, ``4_7``).

    Examples
    --------
    >>> plain_number(" -4.5e1"), plain_number("4_7"), plain_number("٤")
    (-45.0, None, None)
    """
    if not text.isascii() or "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None


Points = tuple["NDArray[np.float64]", "NDArray[np.float64]", "NDArray[np.str_] | None"]


def _csv_points(path: Path) -> Points:
    from array import array

    lat, lon = array("d"), array("d")
    names: list[str] | None = None
    problems: list[Problem] = []
    csv.field_size_limit(MAX_LINE)
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.reader(handle)
            header = [name.strip().lower() for name in next(reader, [])]
            missing = [name for name in ("lat", "lon") if name not in header]
            if len(set(header)) < len(header):
                double = next(name for name in header if header.count(name) > 1)
                message = f"{path}: column '{double}' stands twice in the header"
                raise DataError(message)
            if missing:
                message = f"{path}: no column {' and no column '.join(missing)}"
                raise DataError(message, hint="the first line names the columns: lat,lon[,cell_id]")
            at_lat, at_lon = header.index("lat"), header.index("lon")
            at_name = next(
                (header.index(name) for name in ("cell_id", "site_id", "id") if name in header), None
            )
            names = None if at_name is None else []
            for row in reader:
                if len(row) != len(header):
                    if row:
                        found = f"{len(row)} cells, expected {len(header)}"
                        problems.append(Problem(f"line {reader.line_num}", found))
                    if len(problems) > SHOWN:
                        break
                    continue
                try:
                    lat.append(float(row[at_lat]))
                    lon.append(float(row[at_lon]))
                except ValueError:
                    problems.append(
                        Problem(f"line {reader.line_num}", f"lat '{row[at_lat]}', lon '{row[at_lon]}'")
                    )
                    if len(problems) > SHOWN:
                        break
                    continue
                if names is not None and at_name is not None:
                    names.append(row[at_name])
    except UnicodeDecodeError as error:
        message = f"{path}: not UTF-8 text (byte {error.start})"
        raise DataError(message, hint="save the file as UTF-8") from None
    except csv.Error as error:
        message = f"{path}: cannot be read as CSV ({error})"
        raise DataError(message) from None
    except OSError as error:
        message = f"{path}: cannot be read ({error.strerror})"
        raise DataError(message) from None
    if problems:
        message = f"{path}: rows that cannot be used"
        raise DataError(message, tuple(problems), hint="every row needs lat and lon in degrees")
    return np.asarray(lat), np.asarray(lon), None if names is None else np.array(names, dtype=np.str_)


def _geo_points(path: Path) -> Points:
    if path.suffix.lower() != ".gpkg":
        return _raw_points(read_geojson(path))
    check_geopackage(path)
    import geopandas

    try:
        frame = geopandas.read_file(path)
    except Exception as error:  # noqa: BLE001  (drivers raise many kinds)
        message = f"{path}: cannot be read ({' '.join(str(error).split())[:200]})"
        raise DataError(message) from None
    return _frame_points(path, frame)


def _raw_points(found: Raw) -> Points:
    name = next((column for column in ("cell_id", "site_id", "id") if column in found.columns), None)
    names = None if name is None else np.array([row[name] for row in found.rows], dtype=np.str_)
    lat, lon = (
        np.array([check_number(row.get(axis, ""), NUMBERS[axis])[0] for row in found.rows])
        for axis in ("lat", "lon")
    )
    return lat, lon, names


def _frame_points(path: Path, frame: Any) -> Points:  # noqa: ANN401  (a frame of geopandas)
    if frame.crs is not None and not frame.crs.equals("EPSG:4326"):
        frame = frame.to_crs("EPSG:4326")
    points = frame.geometry.representative_point()
    name = next((column for column in ("cell_id", "site_id", "id") if column in frame), None)
    names = None if name is None else frame[name].astype(str).to_numpy(dtype=np.str_)
    return points.y.to_numpy(dtype=np.float64), points.x.to_numpy(dtype=np.float64), names


def _parquet_points(path: Path) -> Points:
    try:
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError:
        feature = f"reading {path.name}"
        raise MissingExtraError(feature, "parquet") from None
    try:
        with parquet.ParquetFile(path) as file:
            columns = file.schema_arrow.names
            if not {"lat", "lon"} <= set(columns):
                import geopandas

                return _frame_points(path, geopandas.read_parquet(path))
            name = next((column for column in ("cell_id", "site_id", "id") if column in columns), None)
            wanted = ["lat", "lon", *([name] if name else [])]
            lat, lon, names = [], [], []
            for batch in file.iter_batches(batch_size=TILE, columns=wanted):
                lat.append(batch.column(0).to_numpy(zero_copy_only=False).astype(np.float64))
                lon.append(batch.column(1).to_numpy(zero_copy_only=False).astype(np.float64))
                if name:
                    names += [str(value) for value in batch.column(2).to_pylist()]
    except DataError:
        raise
    except Exception as error:  # noqa: BLE001  (pyarrow raises many kinds)
        message = f"{path}: cannot be read as Parquet ({' '.join(str(error).split())[:200]})"
        raise DataError(message) from None
    empty = np.zeros(0)
    return (
        np.concatenate(lat) if lat else empty,
        np.concatenate(lon) if lon else empty,
        np.array(names, dtype=np.str_) if name else None,
    )


def _check(path: str, lat: NDArray[np.float64], lon: NDArray[np.float64]) -> None:
    if len(lat) == 0:
        message = f"{path}: no cells in it"
        raise DataError(message)
    bad = np.flatnonzero(~((np.abs(lat) <= 90) & (np.abs(lon) <= 180)))
    if bad.size:
        problems = [
            Problem(f"row {row + 1}", f"lat {lat[row]:g}, lon {lon[row]:g}", "lat -90 to 90, lon -180 to 180")
            for row in bad[:SHOWN]
        ]
        message = f"{path}: {bad.size:,} of {len(lat):,} cells without a usable coordinate"
        raise DataError(message, tuple(problems))


def cells_of(tables: Tables, payload: Mapping[str, Any]) -> Cells:
    """Coordinates of a tile."""
    kind, tile = payload["kind"], payload["tile"]
    if kind == "box":
        row, rows, column, columns = tile
        r = np.repeat(np.arange(row, row + rows), columns)
        c = np.tile(np.arange(column, column + columns), rows)
        lon = payload["west"] + (c + 0.5) * payload["step"]
        lat = np.minimum(payload["south"] + (r + 0.5) * payload["step"], 90.0)
        return Cells(lat, (lon + 180.0) % 360.0 - 180.0, r.astype(np.int64) * payload["columns"] + c)
    if kind == "h3":
        h3 = _h3()
        parts = [h3.cell_to_children(int(parent, 16), payload["resolution"]) for parent in tile]
        cells = np.sort(np.concatenate(parts)) if parts else np.zeros(0, dtype=np.uint64)
        center = np.array([h3.cell_to_latlng(cell) for cell in cells]).reshape(-1, 2)
        return Cells(center[:, 0], center[:, 1], cells)
    start, stop = tile
    if kind == "table":
        frame = tables.frame(payload["name"]).iloc[start:stop]
        return Cells(
            frame["lat"].to_numpy(dtype=np.float64),
            frame["lon"].to_numpy(dtype=np.float64),
            np.arange(start, stop),
        )
    folder = Path(payload["folder"])
    lat, lon = (np.load(folder / f"{name}.npy", mmap_mode="r")[start:stop] for name in ("lat", "lon"))
    return Cells(np.array(lat), np.array(lon), np.arange(start, stop))


def cell_names(tables: Tables, payload: Mapping[str, Any], key: NDArray[Any]) -> list[str]:
    """Names of cells of a tile, from their keys."""
    kind = payload["kind"]
    if kind == "h3":
        return [f"{int(cell):x}" for cell in key]
    if kind == "table":
        column = "fips" if payload["name"] == "us_counties" else "adm1_code"
        return [str(name) for name in tables.frame(payload["name"])[column].to_numpy()[key.astype(np.int64)]]
    if kind == "file" and payload["named"]:
        names = np.load(Path(payload["folder"]) / "names.npy", mmap_mode="r", allow_pickle=False)
        return [str(name) for name in names[key.astype(np.int64)]]
    if kind == "box":
        return [_box_name(payload, int(number)) for number in key]
    return [f"row-{int(number) + 1}" for number in key]


def _box_name(payload: Mapping[str, Any], number: int) -> str:
    row, column = divmod(number, payload["columns"])
    lat = min(payload["south"] + (row + 0.5) * payload["step"], 90.0)
    lon = (payload["west"] + (column + 0.5) * payload["step"] + 180.0) % 360.0 - 180.0
    return f"{round(abs(lat), 5):g}{'N' if lat >= 0 else 'S'}{round(abs(lon), 5):g}{'E' if lon >= 0 else 'W'}"
