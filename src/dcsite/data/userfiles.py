"""A user's own sites: reads CSV, GeoJSON, GeoPackage, GeoParquet and database tables, or points as typed.

Owns what such a file may hold and how its faults are told: all of them at once, each with file, row,
column, value and what would be right. What a file does not say about a place is filled by
:mod:`dcsite.data.places`.
"""

from __future__ import annotations

import csv
import difflib
import io
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dcsite.data.places import INPUT_COLUMNS, country_names, fill_places, resolve_country, slug_of
from dcsite.data.prices import load_zones
from dcsite.errors import DataError, MissingExtraError, Problem, UsageError
from dcsite.spec.address import is_address

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dcsite.data.tables import Tables

MAX_FILE_BYTES = 200_000_000
MAX_UNPACKED_BYTES = 1_000_000_000
MAX_ROWS = 1_000_000
MAX_CELL = 10_000
SHOWN_PROBLEMS = 50
TEXT_SUFFIXES = (".csv", ".txt")
GEO_SUFFIXES = (".geojson", ".json")
FORMATS = "CSV, GeoJSON, GeoPackage (.gpkg), GeoParquet (.parquet)"
CRS_NAME = re.compile(r"(https?://www\.opengis\.net/def/crs/)?[A-Za-z][A-Za-z0-9:._/-]{0,80}")
"""Names of coordinate systems; definitions could name files."""

SITE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
WATER_KINDS = ("river", "lake", "sea", "none")


@dataclass(frozen=True)
class Bounds:
    """Least and greatest value of a column of numbers."""

    low: float
    high: float


NUMBERS = {
    "lat": Bounds(-90, 90),
    "lon": Bounds(-180, 180),
    "coast_km": Bounds(0, 20_040),
    "river_km": Bounds(0, 20_040),
    "lake_km": Bounds(0, 20_040),
    "water_stress_category": Bounds(0, 4),
    "water_price_usd_per_m3": Bounds(0, 1_000),
    "river_flow_m3_per_s": Bounds(0, 1_000_000),
    "capex_usd_per_w": Bounds(0, 1_000),
    "land_usd_per_m2": Bounds(0, 10_000_000),
    "operating_mw": Bounds(0, 100_000),
    "planned_mw": Bounds(0, 100_000),
    "mw_year": Bounds(1950, 2100),
    "grid_mw": Bounds(0, 100_000),
    "land_m2": Bounds(0, 1e12),
    "water_m3_per_year": Bounds(0, 1e12),
    "water_m3_per_hour": Bounds(0, 1e9),
    "price_usd_per_mwh": Bounds(0, 1_000),
    "carbon_g_per_kwh": Bounds(0, 2_000),
}
"""Columns that hold numbers; the others hold text."""

OVERRIDES = {
    "price_usd_per_mwh": "price_override_usd_per_mwh",
    "carbon_g_per_kwh": "carbon_override_g_per_kwh",
}
"""Columns of a file that go before what the power tables say, and their names in a sites frame."""

FILE_COLUMNS = (*(c for c in INPUT_COLUMNS if c not in OVERRIDES.values()), *OVERRIDES)
"""Columns that a file may have; others are kept when their names start with ``x_``."""

ALIASES = {
    "latitude": "lat",
    "y": "lat",
    "longitude": "lon",
    "long": "lon",
    "lng": "lon",
    "x": "lon",
    "id": "site_id",
    "site": "name",
    "country": "country_iso3",
    "iso3": "country_iso3",
    "state": "admin1",
    "zone": "zone_id",
    "mw": "grid_mw",
    "capacity_mw": "grid_mw",
    "power_mw": "grid_mw",
    "water_stress": "water_stress_category",
    "capex": "capex_usd_per_w",
    "price": "price_usd_per_mwh",
    "carbon": "carbon_g_per_kwh",
}
"""What people call these columns, for suggestions."""


@dataclass
class Raw:
    """What a file holds before it is judged: cells as text, the line of each row, areas of polygons."""

    name: str
    columns: list[str]
    rows: list[dict[str, str]]
    lines: list[str]
    area_m2: list[float]


def _stop(path: str, found: str, hint: str = "") -> DataError:
    return DataError(f"{path}: {found}", hint=hint)


def _limit(path: Path) -> None:
    if not path.exists():
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*")], n=1)
        raise _stop(str(path), "no such file", f"did you mean '{path.parent / near[0]}'?" if near else "")
    if path.is_dir():
        raise _stop(str(path), "is a folder", f"give a file: {FORMATS}")
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise _stop(
            str(path),
            f"{size:,} bytes, the limit is {MAX_FILE_BYTES:,}",
            "dcsite screen --cells reads large sets",
        )


def read_csv_text(text: str, name: str) -> Raw:
    """Cells of CSV text with a header line; the delimiter is a comma.

    Raises
    ------
    DataError
        If there is no header or row, a name stands twice, or rows have another number of cells.
    """
    if "\x00" in text:
        raise _stop(name, "holds NUL bytes: not a text file", f"formats: {FORMATS}")
    try:
        lines = [
            (number, row) for number, row in _numbered(csv.reader(io.StringIO(text, newline=""))) if any(row)
        ]
    except csv.Error as error:
        raise _stop(
            name, f"not readable as CSV ({error})", "a quote is left open or a cell is too long"
        ) from None
    if not lines:
        raise _stop(name, "empty file", "the first line names the columns, e.g. name,lat,lon")
    header = [cell.strip() for cell in lines[0][1]]
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        what = "semicolons" if ";" in header[0] else "tabs"
        raise _stop(name, f"columns are divided by {what}", "save the file with commas")
    double = sorted({column for column in header if header.count(column) > 1})
    if double:
        raise _stop(name, f"column '{double[0]}' stands twice in the header", "give each column its own name")
    if len(lines) == 1:
        raise _stop(name, "a header, but no rows", "add one row per site")
    if len(lines) - 1 > MAX_ROWS:
        raise _stop(
            name,
            f"{len(lines) - 1:,} rows, the limit is {MAX_ROWS:,}",
            "dcsite screen --cells reads large sets",
        )
    problems = [
        Problem(
            f"line {number}",
            f"{len(row)} cells, the header has {len(header)}",
            "a comma inside a cell needs quotes, and a quote its end",
        )
        for number, row in lines[1:]
        if len(row) != len(header)
    ]
    if problems:
        raise _refuse(name, problems)
    rows = [dict(zip(header, (cell.strip() for cell in row), strict=True)) for _, row in lines[1:]]
    return Raw(name, header, rows, [f"line {number}" for number, _ in lines[1:]], [math.nan] * len(rows))


def _numbered(reader: Any) -> list[tuple[int, list[str]]]:  # noqa: ANN401  (csv names no type)
    return [(reader.line_num, row) for row in reader]


def _read_csv(path: Path) -> Raw:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _stop(str(path), f"not UTF-8 text (byte {error.start})", "save the file as UTF-8") from None
    return read_csv_text(text, str(path))


def _as_text(value: Any) -> str:  # noqa: ANN401  (any cell)
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value).strip()


def read_geojson(path: Path) -> Raw:
    """Features of a GeoJSON file with the position of each.

    Raises
    ------
    DataError
        If it is no collection of features with usable geometries.
    """
    try:
        content = json.loads(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise _stop(str(path), f"not UTF-8 text (byte {error.start})", "save the file as UTF-8") from None
    except (json.JSONDecodeError, RecursionError) as error:
        raise _stop(str(path), f"not valid JSON ({error})") from None
    features = content.get("features") if isinstance(content, dict) else None
    if not isinstance(features, list):
        raise _stop(
            str(path),
            "not a GeoJSON FeatureCollection",
            'it needs "type": "FeatureCollection" and "features"',
        )
    crs = content.get("crs") or {}
    named = str((crs.get("properties") or {}).get("name", "")) if isinstance(crs, dict) else ""
    if named and not CRS_NAME.fullmatch(named):
        raise _stop(str(path), f"coordinate system '{named[:60]}' is no name of one", "such as EPSG:4326")
    from shapely.errors import ShapelyError
    from shapely.geometry import shape

    geometries: list[Any] = []
    properties: list[dict[str, Any]] = []
    problems = []
    for number, feature in enumerate(features, start=1):
        geometry = feature.get("geometry") if isinstance(feature, dict) else None
        try:
            geometries.append(shape(geometry) if geometry else None)
        except (ShapelyError, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
            problems.append(Problem(f"feature {number}", f"not a usable geometry ({error})"))
            geometries.append(None)
        own = feature.get("properties") if isinstance(feature, dict) else None
        properties.append(own if isinstance(own, dict) else {})
    if problems:
        raise _refuse(str(path), problems)
    columns = list(dict.fromkeys(key for entry in properties for key in entry))
    rows = [{key: _as_text(entry.get(key)) for key in columns} for entry in properties]
    return _with_geometry(str(path), columns, rows, geometries, named or "OGC:CRS84", "feature")


def check_geopackage(path: Path) -> None:
    """Refuse what is no GeoPackage inside, whatever its name: GDAL would follow other formats to other files.

    Raises
    ------
    DataError
        If the header is not that of a GeoPackage, or a table of it stands for something outside.
    """
    import sqlite3
    from contextlib import closing

    with path.open("rb") as handle:
        head = handle.read(72)
    if head[:16] != b"SQLite format 3\x00" or head[68:72] not in (b"GPKG", b"GP10", b"GP11"):
        raise _stop(str(path), "not readable as gpkg (it is no GeoPackage inside)", f"formats: {FORMATS}")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as link:
            rows = link.execute(
                "SELECT name, sql FROM sqlite_master WHERE sql LIKE 'create virtual%'"
            ).fetchall()
    except sqlite3.Error as error:
        raise _stop(str(path), f"not readable as gpkg ({error})") from None
    for name, made in rows:
        if not re.search(r"\busing\s+\W?rtree\b", str(made), re.IGNORECASE):
            raise _stop(str(path), f"not readable as gpkg (table '{name}' is virtual)", "write plain tables")


def check_parquet(path: Path) -> None:
    """Refuse by the figures that it states a Parquet file that would unpack without bound.

    Raises
    ------
    DataError
        If it states too many rows or bytes, or states nothing.
    MissingExtraError
        Without pyarrow.
    """
    from importlib import import_module

    try:
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError:
        feature = "reading Parquet"
        raise MissingExtraError(feature, "parquet") from None
    try:
        stated = parquet.read_metadata(path)
        rows = stated.num_rows
        size = sum(stated.row_group(number).total_byte_size for number in range(stated.num_row_groups))
    except Exception as error:  # noqa: BLE001  (pyarrow raises its own classes)
        raise _stop(str(path), f"not readable as Parquet ({str(error).splitlines()[0]})") from None
    if rows > MAX_ROWS:
        raise _stop(
            str(path), f"{rows:,} rows, the limit is {MAX_ROWS:,}", "dcsite screen --cells reads large sets"
        )
    if size > MAX_UNPACKED_BYTES:
        raise _stop(str(path), f"would unpack to {size:,} bytes, the limit is {MAX_UNPACKED_BYTES:,}")


def _read_frame(path: Path) -> Raw:
    """GeoPackage and GeoParquet, or plain Parquet with ``lat`` and ``lon``."""
    import geopandas
    from pyogrio.errors import DataSourceError  # type: ignore[import-untyped]

    name = str(path)
    if path.suffix.lower() == ".gpkg":
        check_geopackage(path)
    else:
        check_parquet(path)
    try:
        if path.suffix.lower() == ".gpkg":
            frame: Any = geopandas.read_file(path)
        else:
            try:
                frame = geopandas.read_parquet(path)
            except ValueError:
                frame = pd.read_parquet(path)
    except ImportError:
        feature = "reading Parquet"
        raise MissingExtraError(feature, "parquet") from None
    except (DataSourceError, OSError, ValueError) as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise _stop(name, f"not readable as {path.suffix.lstrip('.')} ({text})") from None
    except Exception as error:  # (pyarrow raises its own classes; name what it said)
        if type(error).__module__.startswith("pyarrow"):
            raise _stop(name, f"not readable as Parquet ({str(error).splitlines()[0]})") from None
        raise
    return _raw_of_frame(name, frame)


def read_database(text: str) -> Raw:
    """Rows of a table of a database with PostGIS, by its address.

    Raises
    ------
    DataError
        If there is no such table, it is empty or too large, or the server refuses.
    """
    from dcsite.data.postgis import address_of, read_rows

    address = address_of(text)
    frame = read_rows(address, most_rows=MAX_ROWS, most_signs=MAX_CELL)
    if not len(frame):
        raise _stop(str(address), "no rows", "add one row per site")
    if len(frame) > MAX_ROWS:
        raise _stop(str(address), f"more than {MAX_ROWS:,} rows, the limit", "make a view with fewer")
    return _raw_of_frame(str(address), frame)


def _raw_of_frame(name: str, frame: Any) -> Raw:  # noqa: ANN401  (a frame of pandas or geopandas)
    import geopandas

    has_geometry = isinstance(frame, geopandas.GeoDataFrame)
    geometry_name = frame.geometry.name if has_geometry else ""
    columns = [str(column) for column in frame.columns if column != geometry_name]
    cells = [
        [_as_text(value) for value in frame[column]] for column in frame.columns if column != geometry_name
    ]
    rows = (
        [dict(zip(columns, values, strict=True)) for values in zip(*cells, strict=True)]
        if columns
        else [{} for _ in range(len(frame))]
    )
    if not has_geometry:
        return Raw(name, columns, rows, [f"row {k + 1}" for k in range(len(rows))], [math.nan] * len(rows))
    crs = frame.crs.to_wkt() if frame.crs is not None else ""
    return _with_geometry(name, columns, rows, list(frame.geometry), crs, "row")


def _with_geometry(
    name: str, columns: list[str], rows: list[dict[str, str]], geometries: list[Any], crs: str, word: str
) -> Raw:
    """Take ``lat``, ``lon`` and the area from the geometries, in degrees whatever their system."""
    from pyproj import CRS, Geod, Transformer
    from pyproj.exceptions import CRSError
    from shapely import transform

    if not rows:
        raise _stop(name, "no features", "add one feature per site")
    if len(rows) > MAX_ROWS:
        raise _stop(
            name, f"{len(rows):,} rows, the limit is {MAX_ROWS:,}", "dcsite screen --cells reads large sets"
        )
    try:
        system = CRS.from_user_input(crs) if crs else None
    except CRSError as error:
        raise _stop(name, f"unknown coordinate system '{crs[:60]}' ({error})", "use EPSG:4326") from None
    degrees = system is None or system.is_geographic
    projector = None if degrees else Transformer.from_crs(system, "EPSG:4326", always_xy=True)

    def convert(x: Any, y: Any) -> tuple[Any, Any]:  # noqa: ANN401  (arrays of coordinates)
        """Degrees of a geometry's points; doubled at the end, for a single one is no array to some versions."""
        assert projector is not None
        lon, lat = projector.transform(np.append(x, x[-1:]), np.append(y, y[-1:]))
        return lon[:-1], lat[:-1]

    geod = Geod(ellps="WGS84")
    problems, areas = [], []
    for number, (row, geometry) in enumerate(zip(rows, geometries, strict=True), start=1):
        where = f"{word} {number}"
        if geometry is None or geometry.is_empty:
            areas.append(math.nan)
            if not (row.get("lat") and row.get("lon")):
                problems.append(Problem(where, "no geometry", "each site needs a point or a polygon"))
            continue
        placed = transform(geometry, convert, interleaved=False) if projector else geometry
        point = placed if placed.geom_type == "Point" else placed.representative_point()
        if not (abs(point.y) <= 90 and abs(point.x) <= 180):
            hint = (
                "the file names no coordinate system and does not look like degrees: write it with one"
                if system is None
                else "coordinates are longitude, latitude in degrees"
            )
            problems.append(Problem(where, f"point {point.x:g}, {point.y:g}", hint))
            areas.append(math.nan)
            continue
        row["lat"], row["lon"] = repr(float(point.y)), repr(float(point.x))
        is_area = placed.geom_type in ("Polygon", "MultiPolygon")
        areas.append(abs(geod.geometry_area_perimeter(placed)[0]) if is_area else math.nan)
    if problems:
        raise _refuse(name, problems)
    columns = [*columns, *(column for column in ("lat", "lon") if column not in columns)]
    return Raw(name, columns, rows, [f"{word} {k + 1}" for k in range(len(rows))], areas)


def _refuse(name: str, problems: list[Problem]) -> DataError:
    count = len(problems)
    shown = tuple(problems[:SHOWN_PROBLEMS])
    if count > SHOWN_PROBLEMS:
        shown = (*shown, Problem("", f"and {count - SHOWN_PROBLEMS} more"))
    return DataError(f"{name}: {count} problem{'s' if count != 1 else ''}", shown)


# --- judging -------------------------------------------------------------------------------------------


def _suggest(column: str) -> str:
    key = re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_")
    if key in FILE_COLUMNS:
        return f"did you mean '{key}'?"
    if key in ALIASES:
        return f"did you mean '{ALIASES[key]}'?"
    near = difflib.get_close_matches(key, FILE_COLUMNS, n=1, cutoff=0.7)
    return f"did you mean '{near[0]}'?" if near else "prefix it with x_ to carry it along, or remove it"


def check_number(text: str, bounds: Bounds) -> tuple[float, str]:
    """A cell as a number, and what is wrong with it (empty when nothing is).

    Examples
    --------
    >>> check_number("91", Bounds(-90, 90))
    (nan, 'outside -90 to 90')
    """
    try:
        value = float(text)
    except ValueError:
        return math.nan, "decimal comma: write a point" if re.fullmatch(
            r"-?\d+,\d+", text
        ) else "not a number"
    if not text.isascii() or "_" in text:
        return math.nan, "not a number"
    if not math.isfinite(value):
        return math.nan, "not a finite number"
    if not bounds.low <= value <= bounds.high:
        return math.nan, f"outside {bounds.low:g} to {bounds.high:g}"
    return value, ""


def judge(raw: Raw, tables: Tables) -> pd.DataFrame:
    """Turn the cells into a frame with the columns of ``INPUT_COLUMNS`` that the file has.

    Raises
    ------
    DataError
        With every fault of the file.
    """
    problems = [
        Problem("header", f"unknown column '{column}'", _suggest(column))
        for column in raw.columns
        if column not in FILE_COLUMNS and not column.startswith("x_")
    ]
    missing = [column for column in ("lat", "lon") if column not in raw.columns]
    suggested = {ALIASES.get(c.lower()) for c in raw.columns}
    problems += [
        Problem("header", f"column '{column}' is missing", "each site needs lat and lon in degrees")
        for column in missing
        if column not in suggested
    ]
    zones = load_zones(tables).rows
    data: dict[str, list[Any]] = {}
    for column in raw.columns:
        if column not in FILE_COLUMNS and not column.startswith("x_"):
            continue
        values: list[Any] = []
        for row, where in zip(raw.rows, raw.lines, strict=True):
            value, fault, hint = _judge_cell(column, row[column], tables, zones)
            values.append(value)
            if fault:
                shown = row[column] if len(row[column]) <= 60 else row[column][:57] + "..."
                told = f"'{shown}' {fault}" if shown else fault
                problems.append(Problem(f"{where}, {column}", told, hint))
        data[column] = values
    problems += _doubles(raw, data)
    if problems:
        order = {where: k for k, where in enumerate(["header", *raw.lines])}
        problems.sort(key=lambda p: order.get(p.where.partition(", ")[0], len(order)))
        raise _refuse(raw.name, problems)
    frame = pd.DataFrame(data).rename(columns=OVERRIDES)
    area = np.array(raw.area_m2)
    if np.isfinite(area).any():
        own = (
            frame["land_m2"].to_numpy(dtype=np.float64) if "land_m2" in frame else np.full(len(frame), np.nan)
        )
        frame["land_m2"] = np.where(np.isnan(own), np.round(area, 1), own)
    return frame


def _judge_cell(column: str, text: str, tables: Tables, zones: dict[str, Any]) -> tuple[Any, str, str]:
    """Value of a cell, what is wrong with it, and a hint."""
    if column in NUMBERS:
        if text == "":
            return (
                (math.nan, "is empty", "each site needs lat and lon")
                if column in ("lat", "lon")
                else (math.nan, "", "")
            )
        bounds = NUMBERS[column]
        value, fault = check_number(text, bounds)
        return (
            value,
            f"is {fault}" if fault.startswith(("not", "outside")) else fault and f"has a {fault}",
            "",
        )
    if len(text) > MAX_CELL:
        return "", f"has {len(text):,} characters", f"the limit is {MAX_CELL:,}"
    if any(ord(c) < 32 for c in text):
        return "", "holds control characters", "remove line breaks and tabs"
    if text == "" or column.startswith("x_"):
        return text, "", ""
    if column == "site_id" and not SITE_ID.fullmatch(text):
        return text, "is no id", f"letters, digits, hyphens, such as '{slug_of(text)}'"
    if column == "country_iso3":
        if text in country_names(tables):
            return text, "", ""
        try:
            code = resolve_country(tables, text)
        except UsageError as error:
            return text, "is no country code", error.hint
        return text, "is no ISO 3166 alpha-3 code", f"did you mean '{code}'?"
    if column == "water_kind" and text not in WATER_KINDS:
        return text, "is no kind of water", f"one of {', '.join(WATER_KINDS)}"
    if column in ("zone_id", "wholesale_zone_id") and text not in zones:
        near = difflib.get_close_matches(text.upper(), list(zones), n=3, cutoff=0.6)
        hint = f"did you mean {' or '.join(near)}?" if near else "dcsite data show zones lists them"
        return text, "is no zone of the price tables", hint
    return text, "", ""


def _doubles(raw: Raw, data: dict[str, list[Any]]) -> list[Problem]:
    first: dict[str, str] = {}
    found = []
    for value, where in zip(data.get("site_id", []), raw.lines, strict=False):
        if value and value in first:
            found.append(
                Problem(
                    f"{where}, site_id", f"'{value}' stands at {first[value]} already", "give it another id"
                )
            )
        elif value:
            first[value] = where
    return found


# --- what the program calls ----------------------------------------------------------------------------


def read_sites(path: str | Path, tables: Tables) -> pd.DataFrame:
    """Read and judge a file of sites; only the columns that it has.

    Raises
    ------
    DataError
        With every fault of the file: row, column, value and what would be right.
    MissingExtraError
        If the format needs packages that are not installed.
    """
    if is_address(path):
        return judge(read_database(str(path)), tables)
    file = Path(path)
    _limit(file)
    suffix = file.suffix.lower()
    if suffix in TEXT_SUFFIXES:
        raw = _read_csv(file)
    elif suffix in GEO_SUFFIXES:
        raw = read_geojson(file)
    elif suffix in (".gpkg", ".parquet", ".geoparquet"):
        raw = _read_frame(file)
    else:
        raise _stop(str(file), f"format '{suffix}' is not read", f"formats: {FORMATS}")
    return judge(raw, tables)


def load_sites(path: str | Path, tables: Tables) -> pd.DataFrame:
    """Sites of a user's file, with every column of :data:`dcsite.data.places.SITE_COLUMNS`.

    What the file states goes before what would be derived, with quality ``reported`` and source
    ``user-file``. Ids that it does not give are made from the names.

    Parameters
    ----------
    path
        CSV (UTF-8, commas), GeoJSON, GeoPackage, GeoParquet, or the address of a table of a database with
        PostGIS (``postgresql://user@host/database?table=sites``). ``lat`` and ``lon``, or a geometry; a polygon
        counts by a point inside it, and its area becomes ``land_m2``. Coordinates in another system are
        converted; a file that names no system must look like degrees.
    tables
        The tables.

    Raises
    ------
    DataError
        With every fault of the file.
    """
    return fill_places(tables, read_sites(path, tables))


def points_as_sites(points: Sequence[str], tables: Tables) -> pd.DataFrame:
    """Sites from texts such as ``47.23,-119.85`` or ``47.23,-119.85,North plot``.

    Raises
    ------
    UsageError
        If a text is not a latitude and a longitude.
    """
    rows, problems = [], []
    for text in points:
        parts = text.split(",", 2)
        if len(parts) < 2:
            problems.append(Problem(f"--at {text}", "needs LAT,LON", "such as --at 47.23,-119.85,North"))
            continue
        lat, fault_lat = check_number(parts[0].strip(), NUMBERS["lat"])
        lon, fault_lon = check_number(parts[1].strip(), NUMBERS["lon"])
        if fault_lat or fault_lon:
            what = f"latitude is {fault_lat}" if fault_lat else f"longitude is {fault_lon}"
            problems.append(Problem(f"--at {text}", what, "LAT,LON in degrees, latitude first"))
            continue
        rows.append({"lat": lat, "lon": lon, "name": parts[2].strip() if len(parts) == 3 else ""})
    if problems:
        message = "not a point" if len(problems) == 1 else f"{len(problems)} texts are not points"
        raise UsageError(message, tuple(problems))
    frame = pd.DataFrame(rows, columns=["lat", "lon", "name"])
    frame["site_id"] = [
        "" if name else f"at-{lat:.3f}-{lon:.3f}".replace("--", "-m").replace(".", "p")
        for lat, lon, name in zip(frame["lat"], frame["lon"], frame["name"], strict=True)
    ]
    frame["name"] = [
        name or f"{lat:g}, {lon:g}"
        for lat, lon, name in zip(frame["lat"], frame["lon"], frame["name"], strict=True)
    ]
    return fill_places(tables, frame)
