"""Climate inputs of any point from the shipped grids, and the station tables, as plain arrays.

Bilinear interpolation with wrap in longitude. Nothing is computed from the climate here: hours, wet bulbs
and cooling are :mod:`dcsite.physics`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dcsite.errors import DataError, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from dcsite.data.tables import Tables

SOUTH_DEG, NORTH_DEG = -60.0, 75.0
T2M_GRID, VAPOR_GRID = "t2m_monthly_0p5deg", "vapor_quantiles_1deg"
MAX_LISTED = 8


@dataclass(frozen=True)
class ClimateInputs:
    """What the grids say about S points.

    Attributes
    ----------
    lat, lon, altitude_m
        Shape (S,). [degrees, m]
    month_mean_c
        Monthly mean temperature, shape (S, 12). [C]
    ln_vapor
        Natural log of vapor density [g/m3] at each exceedance level, shape (S, L); None where the grid is absent.
    exceedance_pct
        Levels, rising, shape (L,). [%]
    """

    lat: NDArray[np.float64]
    lon: NDArray[np.float64]
    altitude_m: NDArray[np.float64]
    month_mean_c: NDArray[np.float64]
    ln_vapor: NDArray[np.float64] | None
    exceedance_pct: NDArray[np.float64]


def check_positions(lat: ArrayLike, lon: ArrayLike, names: Sequence[str] | None = None) -> None:
    """Refuse coordinates that are no coordinates, or lie outside the climate grids.

    Raises
    ------
    DataError
        Naming up to eight offending points with their values.
    """
    lat_, lon_ = np.atleast_1d(np.asarray(lat, float)), np.atleast_1d(np.asarray(lon, float))
    problems = []
    for row in range(lat_.size):
        where = names[row] if names is not None else f"point {row + 1}"
        a, b = float(lat_[row]), float(lon_[row])
        if not (np.isfinite(a) and np.isfinite(b)):
            problems.append(Problem(where, "latitude or longitude is missing"))
        elif not -90 <= a <= 90:
            problems.append(Problem(where, f"lat must be within -90 to 90, got {a:g}"))
        elif not -180 <= b <= 180:
            problems.append(Problem(where, f"lon must be within -180 to 180, got {b:g}"))
        elif not SOUTH_DEG <= a <= NORTH_DEG:
            problems.append(
                Problem(where, f"no climate at lat {a:g}: the grids reach from 60 S to 75 N (lat -60 to 75)")
            )
        if len(problems) > MAX_LISTED:
            problems[-1] = Problem("", "and more")
            break
    if problems:
        message = "climate: positions that cannot be used"
        raise DataError(message, tuple(problems), hint="lat first, then lon, in degrees (north and east > 0)")


def bilinear(
    grid: NDArray[np.generic], lat: NDArray[np.float64], lon: NDArray[np.float64], first_step: ArrayLike
) -> NDArray[np.float64]:
    """Interpolate the last two axes (lat, lon) of a world grid; longitude wraps.

    Parameters
    ----------
    grid : ndarray, shape (..., A, B)
    lat, lon : ndarray, shape (S,)
    first_step : array_like, shape (2, 2)
        First coordinate and step of lat, then of lon. [degrees]

    Returns
    -------
    ndarray, shape (S, ...)
    """
    (lat0, dlat), (lon0, dlon) = np.asarray(first_step, dtype=np.float64)
    rows, columns = grid.shape[-2:]
    y = np.clip((lat - lat0) / dlat, 0.0, rows - 1.0)
    x = (lon - lon0) / dlon
    i = np.minimum(y.astype(np.int64), rows - 2)
    j = np.floor(x).astype(np.int64)
    v, u = y - i, x - j
    j0, j1 = j % columns, (j + 1) % columns
    south = grid[..., i, j0] * (1.0 - u) + grid[..., i, j1] * u
    north = grid[..., i + 1, j0] * (1.0 - u) + grid[..., i + 1, j1] * u
    return np.ascontiguousarray(np.moveaxis(south * (1.0 - v) + north * v, -1, 0))


def climate_at(
    tables: Tables, lat: ArrayLike, lon: ArrayLike, names: Sequence[str] | None = None
) -> ClimateInputs:
    """Climate inputs of S points.

    Raises
    ------
    DataError
        If a point lies outside 60 S to 75 N, or is no coordinate.
    """
    lat_, lon_ = np.atleast_1d(np.asarray(lat, float)), np.atleast_1d(np.asarray(lon, float))
    check_positions(lat_, lon_, names)
    grid = tables.grid(T2M_GRID)
    first_step = np.stack([grid["lat_first_step_deg"], grid["lon_first_step_deg"]])
    vapor, levels = None, np.empty(0)
    if tables.has(VAPOR_GRID):
        wet = tables.grid(VAPOR_GRID)
        wet_step = np.stack([wet["lat_first_step_deg"], wet["lon_first_step_deg"]])
        # Densities, not logs, are interpolated in space: the maps are densities.
        vapor = np.log(bilinear(_density(tables), lat_, lon_, wet_step))
        levels = wet["exceedance_pct"].astype(np.float64)
    return ClimateInputs(
        lat=lat_,
        lon=lon_,
        altitude_m=bilinear(grid["alt_m"], lat_, lon_, first_step),
        month_mean_c=bilinear(grid["t2m_deci_c"], lat_, lon_, first_step) / 10.0,
        ln_vapor=vapor,
        exceedance_pct=levels,
    )


def _density(tables: Tables) -> NDArray[np.float64]:
    """Vapor density of the grid [g/m3]."""
    made: NDArray[np.float64] = tables.memo(
        "climate-vapor-density", lambda: np.exp(tables.grid(VAPOR_GRID)["ln_rho_centi"] / 100.0)
    )
    return made


def hour_model(tables: Tables) -> dict[str, tuple[float, float]]:
    """Term to its coefficients of daily range [K] and of the SD of daily means [K]."""
    frame = tables.frame("hour_model")
    return {
        str(term): (float(d), float(s))
        for term, d, s in zip(frame["term"], frame["daily_range_k"], frame["daymean_sd_k"], strict=True)
    }


def stations(tables: Tables) -> pd.DataFrame:
    """Station statistics (shared frame: copy before you change it)."""
    return tables.frame("stations")


def station_histogram(
    tables: Tables, station_id: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Joint histogram of a station: dry bulb [C], wet bulb [C], hours.

    Raises
    ------
    DataError
        If the station has no histogram.
    """
    frame = tables.frame("station_bins")
    rows = frame[frame["station_id"] == station_id]
    if rows.empty:
        message = f"station '{station_id}': no histogram"
        raise DataError(message, hint="stations.csv marks those that have one (has_bins)")
    return rows["db_c"].to_numpy(), rows["wb_c"].to_numpy(), rows["hours"].to_numpy()


def design_stations(
    tables: Tables,
    lat: NDArray[np.float64],
    lon: NDArray[np.float64],
    altitude_m: NDArray[np.float64],
    *,
    within_km: float = 50.0,
    within_m: float = 200.0,
) -> tuple[NDArray[np.float64], list[str]]:
    """Design conditions of the nearest station that publishes them.

    Returns
    -------
    conditions : ndarray, shape (S, 3)
        Cooling dry bulb 0.4 %, its coincident wet bulb, evaporation wet bulb 0.4 %; NaN where none is near. [C]
    names : list of str
        Station of each point, or "".
    """
    from dcsite.data.sphere import km_of_chord, unit_xyz

    frame = stations(tables)
    columns = ["ashrae2009_cool_db_0_4_c", "ashrae2009_cool_mcwb_0_4_c", "ashrae2009_evap_wb_0_4_c"]
    known = frame[frame[columns].notna().all(axis=1)]
    conditions = np.full((lat.size, 3), np.nan)
    names = [""] * lat.size
    if known.empty:
        return conditions, names
    here, there = unit_xyz(lat, lon), unit_xyz(known["lat"], known["lon"])
    chord = np.sqrt(np.maximum(2.0 - 2.0 * here @ there.T, 0.0))
    km = km_of_chord(chord)
    lift = np.abs(altitude_m[:, None] - known["alt_m"].to_numpy()[None, :])
    km = np.where((km <= within_km) & (lift <= within_m), km, np.inf)
    nearest = km.argmin(axis=1)
    found = np.isfinite(km.min(axis=1))
    conditions[found] = known[columns].to_numpy()[nearest[found]]
    station = known["station"].tolist()
    for row in np.flatnonzero(found):
        names[row] = str(station[nearest[row]])
    return conditions, names


OFFSHORE_KM = 15.0
"""Sea cells are a quarter degree wide: nearer to the coast than this a point may stand on land. [km]"""
USER_HOURS = (8760, 8784)
HUMIDITY_COLUMNS = ("wet_bulb_c", "relative_humidity_pct", "dew_point_c")


def check_land(
    tables: Tables,
    lat: NDArray[np.float64],
    lon: NDArray[np.float64],
    names: Sequence[str] | None = None,
) -> None:
    """Refuse points that lie in the sea, more than 15 km off any coast.

    Raises
    ------
    DataError
        Naming up to eight of them.
    """
    if not tables.has("water_distance"):
        return
    from dcsite.data.places import on_land, water_distances

    wet = np.flatnonzero(~on_land(tables, lat, lon))
    if not wet.size:
        return
    coast = water_distances(tables, lat[wet], lon[wet])["coast_km"]
    offshore = [(row, km) for row, km in zip(wet.tolist(), coast.tolist(), strict=True) if km > OFFSHORE_KM]
    if not offshore:
        return
    problems = [
        Problem(
            names[row] if names is not None else f"point {row + 1}",
            f"lies in the sea, about {km:.0f} km off the coast, got {lat[row]:g}, {lon[row]:g}",
        )
        for row, km in offshore[:MAX_LISTED]
    ]
    if len(offshore) > MAX_LISTED:
        problems.append(Problem("", f"and {len(offshore) - MAX_LISTED} more"))
    message = "climate: positions that cannot be used"
    raise DataError(message, tuple(problems), hint="lat first, then lon; west and south are negative")


@dataclass(frozen=True)
class UserClimate:
    """Hours that a user measured or modeled, each array of shape (8760,).

    ``humidity`` names what the second array holds: ``wet_bulb_c``, ``relative_humidity_pct`` or
    ``dew_point_c``; "" where the file has none.
    """

    dry_bulb_c: NDArray[np.float64]
    humidity: str
    values: NDArray[np.float64]


def read_user_climate(path: Path) -> UserClimate:
    """Read hourly climate from CSV: ``dry_bulb_c`` and one humidity column, 8,760 rows from 1 January.

    Raises
    ------
    DataError
        With every fault of the file: columns, number of rows, values out of range.
    """
    from dcsite.data.tables import read_table

    frame = read_table(path)
    problems: list[Problem] = []
    humidity = next((name for name in HUMIDITY_COLUMNS if name in frame), "")
    if "dry_bulb_c" not in frame:
        problems.append(
            Problem("header", "no column 'dry_bulb_c'", f"columns found: {', '.join(frame.columns)}")
        )
    limits = {
        "dry_bulb_c": (-80.0, 65.0),
        "wet_bulb_c": (-80.0, 45.0),
        "relative_humidity_pct": (0.0, 100.0),
        "dew_point_c": (-90.0, 45.0),
    }
    for name in ("dry_bulb_c", humidity):
        if name not in frame:
            continue
        low, high = limits[name]
        if frame[name].dtype.kind != "f":
            problems.append(Problem(name, "holds text where a number is needed"))
            continue
        values = frame[name].to_numpy(dtype=float)
        bad = np.flatnonzero(~((values >= low) & (values <= high)))
        if bad.size:
            found = "an empty cell" if np.isnan(values[bad[0]]) else f"{values[bad[0]]:g}"
            problems.append(Problem(f"line {bad[0] + 2}", f"{name} must be {low:g} to {high:g}, got {found}"))
    if len(frame) not in USER_HOURS:
        problems.append(Problem("rows", f"needs 8,760 hours (one year), got {len(frame):,}"))
    if problems:
        message = f"{path}: not an hourly climate"
        raise DataError(
            message,
            tuple(problems),
            hint="columns dry_bulb_c and one of wet_bulb_c, relative_humidity_pct, dew_point_c",
        )
    kept = slice(0, USER_HOURS[0])
    dry = frame["dry_bulb_c"].to_numpy(dtype=float)[kept]
    values = frame[humidity].to_numpy(dtype=float)[kept] if humidity else np.empty(0)
    return UserClimate(dry, humidity, values)
