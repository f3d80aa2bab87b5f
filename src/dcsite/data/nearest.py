"""Nearest places and distances to water: from a point to its country, unit, county, coast, river and lake.

Owns the search on the sphere and the quarter-degree map of distances. What follows from a place is looked
up in :mod:`dcsite.data.figures`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dcsite.data.sphere import km_of_chord, unit_xyz

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from dcsite.data.tables import Tables

FAR_PLACE_KM = 75.0
"""A nearest place farther away than this leaves the country uncertain."""

OTHER_COUNTRY_RATIO = 3.0
"""A place of another country nearer than this many times the nearest leaves the country uncertain."""


@dataclass(frozen=True)
class PointIndex:
    """Nearest rows of a table of points, by great circle."""

    frame: pd.DataFrame
    xyz: NDArray[np.float64]
    tree: Any
    parts: dict[tuple[str, str], tuple[NDArray[np.int64], Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, frame: pd.DataFrame) -> PointIndex:
        """Index the rows of a frame with ``lat`` and ``lon``."""
        from scipy.spatial import cKDTree

        kept = frame[frame["lat"].notna()].reset_index(drop=True)
        xyz = unit_xyz(kept["lat"], kept["lon"])
        return cls(kept, xyz, cKDTree(xyz))

    def nearest(
        self, xyz: NDArray[np.float64], count: int = 1
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Distances [km] and row numbers of the nearest rows, each shape (N, count)."""
        wanted = min(count, len(self.frame))
        chord, row = self.tree.query(xyz, k=list(range(1, wanted + 1)))
        return km_of_chord(chord), np.asarray(row, dtype=np.int64)

    def nearest_same(
        self, xyz: NDArray[np.float64], column: str, wanted: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Nearest row whose ``column`` equals the wanted text; distance inf and row -1 where there is none."""
        from scipy.spatial import cKDTree

        km = np.full(len(xyz), np.inf)
        row = np.full(len(xyz), -1, dtype=np.int64)
        for value in dict.fromkeys(wanted.tolist()):
            if (column, value) not in self.parts:
                rows = np.flatnonzero((self.frame[column] == value).to_numpy())
                self.parts[(column, value)] = (rows, cKDTree(self.xyz[rows]) if len(rows) else None)
            rows, tree = self.parts[(column, value)]
            if tree is not None:
                mine = np.flatnonzero(wanted == value)
                chord, at = tree.query(xyz[mine])
                km[mine], row[mine] = km_of_chord(chord), rows[at]
        return km, row


def point_index(tables: Tables, name: str, make: Callable[[], pd.DataFrame]) -> PointIndex:
    """Index of some points, made once per tables object under a name."""
    result = tables.memo(f"places.index.{name}", lambda: PointIndex.of(make()))
    assert isinstance(result, PointIndex)
    return result


def locate(
    tables: Tables,
    lat: NDArray[np.float64],
    lon: NDArray[np.float64],
    country_iso3: Sequence[str] | None = None,
    *,
    leave_out: str = "",
) -> pd.DataFrame:
    """Country, first-level unit and US county of points, from the nearest place with a known country.

    Parameters
    ----------
    tables
        The tables.
    lat, lon
        Points, shape (N,). [deg]
    country_iso3
        Country where it is known; ``""`` where it is to be found.
    leave_out
        Kind of place not to look at (for judging the method on that kind).

    Returns
    -------
    DataFrame, N rows
        ``country_iso3, admin1_code, county_fips_code, place, place_km, uncertain`` (bool).
    """

    def of_kind(*, coded_only: bool) -> pd.DataFrame:
        frame = tables.frame("gazetteer")
        kept = frame["kind"] != leave_out
        return frame[kept & (frame["admin1_code"] != "")] if coded_only else frame[kept]

    places = point_index(tables, f"gazetteer-{leave_out}", lambda: of_kind(coded_only=False))
    coded = point_index(tables, f"coded-{leave_out}", lambda: of_kind(coded_only=True))
    xyz = unit_xyz(lat, lon)
    km, row = places.nearest(xyz, 24)
    codes = places.frame["country_iso3"].to_numpy()[row]
    other = codes != codes[:, :1]
    other_km = np.where(other.any(axis=1), km[np.arange(len(km)), other.argmax(axis=1)], np.inf)
    found = codes[:, 0].astype(object)
    uncertain = (other_km < OTHER_COUNTRY_RATIO * km[:, 0]) | (km[:, 0] > FAR_PLACE_KM)
    if country_iso3 is not None:
        given = np.asarray(country_iso3, dtype=object)
        known = given != ""
        found = np.where(known, given, found)
        uncertain &= ~known
    unit_km, unit = coded.nearest_same(xyz, "country_iso3", found)
    unit_codes = np.where(np.isfinite(unit_km), coded.frame["admin1_code"].to_numpy(dtype=object)[unit], "")
    fips = np.full(len(xyz), "", dtype=object)
    in_us = found == "USA"
    if in_us.any():
        counties = point_index(tables, "counties", lambda: tables.frame("us_counties"))
        states = np.array([code.removeprefix("US-") for code in unit_codes[in_us]], dtype=object)
        _, county = counties.nearest_same(xyz[in_us], "state", states)
        fips[in_us] = np.where(county >= 0, counties.frame["fips"].to_numpy(dtype=object)[county], "")
    names = places.frame["name"].to_numpy()[row[:, 0]]
    return pd.DataFrame(
        {
            "country_iso3": found,
            "admin1_code": unit_codes,
            "county_fips_code": fips,
            "place": names,
            "place_km": km[:, 0],
            "uncertain": uncertain,
        }
    )


# --- the distance grid ---------------------------------------------------------------------------------

GRID_SOUTH, GRID_NORTH, GRID_STEP = -60.0, 75.0, 0.25


def water_distances(
    tables: Tables, lat: NDArray[np.float64], lon: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Distance to coast, river and lake, bilinear on the quarter-degree grid ("about": 2 to 8 km off).

    Returns
    -------
    dict
        ``coast_km, river_km, lake_km``, each shape (N,); NaN outside 60 S to 75 N. [km]
    """
    grid = tables.grid("water_distance")
    inside = (lat >= GRID_SOUTH) & (lat <= GRID_NORTH)
    y = (np.clip(lat, GRID_SOUTH, GRID_NORTH) - GRID_SOUTH) / GRID_STEP
    x = ((lon + 180.0) % 360.0) / GRID_STEP
    rows, columns = grid["coast_dkm"].shape
    y0 = np.clip(np.floor(y).astype(np.int64), 0, rows - 2)
    x0 = np.floor(x).astype(np.int64) % columns
    x1 = (x0 + 1) % columns
    fy, fx = y - y0, x - np.floor(x)
    result = {}
    for name in ("coast", "river", "lake"):
        values = grid[f"{name}_dkm"]
        low = values[y0, x0] * (1 - fx) + values[y0, x1] * fx
        high = values[y0 + 1, x0] * (1 - fx) + values[y0 + 1, x1] * fx
        km = (low * (1 - fy) + high * fy) / 10.0
        result[f"{name}_km"] = np.where(inside, np.round(km, 1), np.nan)
    return result


def on_land(tables: Tables, lat: NDArray[np.float64], lon: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether the nearest grid cell is land; True outside the grid, where nobody knows."""
    land = tables.grid("water_distance")["land"]
    row = np.rint((np.clip(lat, GRID_SOUTH, GRID_NORTH) - GRID_SOUTH) / GRID_STEP).astype(np.int64)
    column = np.rint(((lon + 180.0) % 360.0) / GRID_STEP).astype(np.int64) % land.shape[1]
    outside = (lat < GRID_SOUTH) | (lat > GRID_NORTH)
    return np.asarray(outside | (land[row, column] == 1))
