"""Places: the catalog of sites, finding a site by name, and what the tables know of any coordinate.

Owns the way from a point to its country, zones, water, hazards and costs, with the level that each figure
was found at. Nothing is averaged in silence: what stands in for a missing figure is named in ``flags``,
and what nobody knows stays missing.
"""

from __future__ import annotations

import difflib
import math
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dcsite.data.prices import load_zones
from dcsite.data.sphere import km_of_chord, unit_xyz
from dcsite.errors import DataError, Problem, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from dcsite.data.tables import Tables

WATER_STRESS_RATIO = (0.05, 0.15, 0.30, 0.60, 0.90)
"""Middle of each class of water stress (withdrawal over supply)."""

FAR_PLACE_KM = 75.0
"""A nearest place farther away than this leaves the country uncertain."""

OTHER_COUNTRY_RATIO = 3.0
"""A place of another country nearer than this many times the nearest leaves the country uncertain."""

PROVINCE_KM = 150.0
MARKET_KM = 60.0
GENERATION_KM = 100.0
GAUGE_KM = 25.0
WATER_KM = 50.0
"""Water farther away than this counts as none, for points whose kind of water nobody has named."""

USER_SOURCE = "user-file"
"""Source id of a figure that a user's file states."""

FEMA_SOURCE = "fema-nri-2021"
"""Source of the expected losses of US counties."""

WGI_ANCHORS = (-2.5, 2.5)
CPI_ANCHORS = (0.0, 100.0)
TAX_ANCHORS = (0.4, 0.0)
"""Worst and best value of each part of the policy index."""

TEXT_COLUMNS = (
    "site_id",
    "name",
    "country_iso3",
    "country",
    "admin1",
    "admin1_code",
    "tags",
    "zone_id",
    "wholesale_zone_id",
    "grid_operator",
    "place_note",
    "flags",
    "water_kind",
    "water_body",
    "water_stress_level",
    "water_stress_quality",
    "water_stress_source_id",
    "water_price_quality",
    "water_price_source_id",
    "river_flow_quality",
    "capex_basis",
    "capex_quality",
    "capex_source_id",
    "capex_level",
    "land_quality",
    "land_source_id",
    "hazard_quality",
    "hazard_source_id",
    "fema_quality",
    "fema_source_id",
    "policy_quality",
    "policy_source_id",
    "mw_source_id",
    "generation_vintage",
    "generation_source_id",
    "water_group",
)
NUMBER_COLUMNS = (
    "lat",
    "lon",
    "coast_km",
    "river_km",
    "lake_km",
    "water_distance_km",
    "water_stress_category",
    "water_stress_ratio",
    "water_price_usd_per_m3",
    "water_price_low_usd_per_m3",
    "water_price_high_usd_per_m3",
    "river_flow_m3_per_s",
    "capex_usd_per_w",
    "capex_low_usd_per_w",
    "capex_high_usd_per_w",
    "capex_year",
    "land_usd_per_m2",
    "hazard_index",
    "fema_loss_usd_per_musd",
    "policy_index",
    "wgi_political_stability",
    "wgi_rule_of_law",
    "wgi_effectiveness",
    "cpi",
    "tax_ratio",
    "inform_conflict",
    "operating_mw",
    "planned_mw",
    "mw_year",
    "generation_nearby_gw",
    "generation_hydro_gw",
    "grid_mw",
    "land_m2",
    "water_m3_per_year",
    "water_m3_per_hour",
    "price_override_usd_per_mwh",
    "carbon_override_g_per_kwh",
)
SITE_COLUMNS = (*TEXT_COLUMNS, *NUMBER_COLUMNS)
"""Columns of a sites frame; :func:`fill_places` makes all of them."""

INPUT_COLUMNS = (
    "site_id",
    "name",
    "lat",
    "lon",
    "country_iso3",
    "admin1",
    "admin1_code",
    "tags",
    "zone_id",
    "wholesale_zone_id",
    "grid_operator",
    "water_kind",
    "water_body",
    "coast_km",
    "river_km",
    "lake_km",
    "water_stress_category",
    "water_price_usd_per_m3",
    "river_flow_m3_per_s",
    "capex_usd_per_w",
    "land_usd_per_m2",
    "operating_mw",
    "planned_mw",
    "mw_year",
    "grid_mw",
    "land_m2",
    "water_m3_per_year",
    "water_m3_per_hour",
    "water_group",
    "price_override_usd_per_mwh",
    "carbon_override_g_per_kwh",
)
"""Columns that a user may give; the rest is derived."""


def plain_text(text: str) -> str:
    """Lower case without accents or punctuation, for comparing names.

    Examples
    --------
    >>> plain_text("Zürich, Glattbrugg")
    'zurich glattbrugg'
    """
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join("".join(c if c.isalnum() else " " for c in bare.lower()).split())


def slug_of(text: str) -> str:
    """Lower-case id from a name.

    Examples
    --------
    >>> slug_of("Ljósafoss (north)")
    'ljosafoss-north'
    """
    return plain_text(text).replace(" ", "-") or "site"


# --- the catalog ---------------------------------------------------------------------------------------


def catalog_sites(tables: Tables) -> pd.DataFrame:
    """All sites of the catalog, sorted by id, with every column of ``SITE_COLUMNS``.

    Missing figures are NaN, missing texts are empty. The frame is a copy and may be changed.
    """

    def make() -> pd.DataFrame:
        frame = tables.frame("sites").copy()
        frame["place_note"] = ""
        frame["flags"] = ""
        return _attach(tables, frame).sort_values("site_id", kind="stable").reset_index(drop=True)

    result = tables.memo("places.catalog", make)
    assert isinstance(result, pd.DataFrame)
    return result.copy()


def country_names(tables: Tables) -> dict[str, str]:
    """ISO3 code to name of country."""

    def make() -> dict[str, str]:
        frame = tables.frame("countries")
        return dict(zip(frame["country_iso3"], frame["name"], strict=True))

    result: dict[str, str] = tables.memo("places.countries", make)
    return result


def resolve_country(tables: Tables, text: str) -> str:
    """ISO3 code of a country named by code (two or three letters) or by name.

    Raises
    ------
    UsageError
        If no country fits, with the nearest names.
    """
    names = country_names(tables)
    code = text.strip().upper()
    if code in names:
        return code
    frame = tables.frame("countries")
    two = dict(zip(frame["iso2_code"], frame["country_iso3"], strict=True))
    if code in two:
        return str(two[code])
    wanted = plain_text(text)
    found = [key for key, name in names.items() if plain_text(name) == wanted]
    if not found and len(wanted) >= 4:
        found = [key for key, name in names.items() if wanted in plain_text(name)]
    if len(found) == 1:
        return found[0]
    near = found or [
        key
        for key, name in names.items()
        if plain_text(name)
        in difflib.get_close_matches(wanted, [plain_text(n) for n in names.values()], n=3, cutoff=0.6)
    ]
    message = f"country '{text}': not known" if not found else f"country '{text}': fits several"
    choices = ", ".join(f"{key} ({names[key]})" for key in near[:6])
    raise UsageError(message, hint=f"one of {choices}" if choices else "give an ISO 3166 code such as USA")


def resolve_site(tables: Tables, text: str, sites: pd.DataFrame | None = None) -> str:
    """Site id for what a user typed: an id, or any part of an id or name that fits one site.

    Parameters
    ----------
    tables
        The tables.
    text
        What the user typed; case and accents do not matter.
    sites
        Sites to choose from; None means the catalog.

    Raises
    ------
    UsageError
        If nothing fits (with the nearest names), or several sites do (with the choices).
    """
    frame = catalog_sites(tables) if sites is None else sites
    ids = [str(value) for value in frame["site_id"]]
    wanted = plain_text(text)
    if text.strip().lower() in ids:
        return text.strip().lower()
    if text.strip() in ids:
        return text.strip()
    country = frame["country"] if "country" in frame else pd.Series([""] * len(frame))
    labels = [
        f" {plain_text(site)} | {plain_text(str(name))} "
        for site, name in zip(ids, frame["name"], strict=True)
    ]
    exact = [site for site, name in zip(ids, frame["name"], strict=True) if plain_text(str(name)) == wanted]
    whole = [site for site, label in zip(ids, labels, strict=True) if wanted and f" {wanted} " in label]
    part = [site for site, label in zip(ids, labels, strict=True) if wanted and wanted in label]
    there = [
        site for site, name in zip(ids, country, strict=True) if wanted and plain_text(str(name)) == wanted
    ]
    for found in (exact, whole, part, there):
        if len(found) == 1:
            return found[0]
    choices = there or whole or part
    if choices:
        shown = ", ".join(choices[:12]) + (f" and {len(choices) - 12} more" if len(choices) > 12 else "")
        message = f"site '{text}': fits {len(choices)} sites"
        raise UsageError(message, hint=f"choose one of {shown}")
    words = {plain_text(str(name)): site for site, name in zip(ids, frame["name"], strict=True)}
    words |= {plain_text(site): site for site in ids}
    words |= {
        plain_text(str(name)).split(" ")[0]: s for s, name in zip(ids, frame["name"], strict=True) if name
    }
    near = dict.fromkeys(
        words[key] for key in difflib.get_close_matches(wanted, list(words), n=3, cutoff=0.6)
    )
    message = f"site '{text}': no site has this id or name"
    hint = (
        f"did you mean {' or '.join(near)}?"
        if near
        else "dcsite sites list shows all; --at LAT,LON gives any point"
    )
    raise UsageError(message, hint=hint)


# --- nearest places ------------------------------------------------------------------------------------


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


def _index(tables: Tables, name: str, make: Callable[[], pd.DataFrame]) -> PointIndex:
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

    places = _index(tables, f"gazetteer-{leave_out}", lambda: of_kind(coded_only=False))
    coded = _index(tables, f"coded-{leave_out}", lambda: of_kind(coded_only=True))
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
        counties = _index(tables, "counties", lambda: tables.frame("us_counties"))
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


# --- any coordinate ------------------------------------------------------------------------------------


def _text(frame: pd.DataFrame, column: str) -> NDArray[Any]:
    if column not in frame:
        return np.full(len(frame), "", dtype=object)
    values = frame[column].to_numpy(dtype=object, na_value="")
    return np.array([value if isinstance(value, str) else str(value) for value in values], dtype=object)


def _number(frame: pd.DataFrame, column: str) -> NDArray[np.float64]:
    if column not in frame:
        return np.full(len(frame), np.nan)
    values = frame[column]
    if values.dtype != np.float64:
        values = pd.to_numeric(values, errors="coerce")
    return np.array(values, dtype=np.float64)


def _add_flag(flags: NDArray[Any], where: NDArray[np.bool_], text: str | Sequence[str]) -> None:
    """Append a flag to the rows marked in ``where``."""
    for position in np.flatnonzero(where).tolist():
        word = text if isinstance(text, str) else text[position]
        flags[position] = f"{flags[position]}; {word}" if flags[position] else word


def fill_places(tables: Tables, frame: pd.DataFrame) -> pd.DataFrame:
    """Fill every column of a sites frame for any coordinates.

    Parameters
    ----------
    tables
        The tables.
    frame
        At least ``lat`` and ``lon``. Any of ``INPUT_COLUMNS`` that has a value overrides what would be
        derived; columns starting with ``x_`` are kept.

    Returns
    -------
    DataFrame
        One row per row of ``frame``, in its order, with all of ``SITE_COLUMNS``. ``place_note`` says how the
        place was found and ``flags`` what stands on something less than the site itself.

    Raises
    ------
    DataError
        If a coordinate is missing or out of bounds, or an id appears twice; all rows are listed.
    """
    lat, lon = _number(frame, "lat"), _number(frame, "lon")
    bad = ~((np.abs(lat) <= 90) & (np.abs(lon) <= 180))
    if bad.any():
        problems = tuple(
            Problem(f"row {k + 1}", f"lat {lat[k]:g}, lon {lon[k]:g}", "lat is -90 to 90, lon -180 to 180")
            for k in np.flatnonzero(bad)[:20]
        )
        message = f"{int(bad.sum())} points without a usable coordinate"
        raise DataError(message, problems)
    result = frame.reset_index(drop=True).copy()
    if len(result) == 0:
        return pd.DataFrame(
            {c: pd.Series(dtype="object" if c in TEXT_COLUMNS else "float64") for c in SITE_COLUMNS}
        )
    result["lat"], result["lon"] = lat, lon
    flags = _text(result, "flags")
    given = _text(result, "country_iso3")
    place = locate(tables, lat, lon, list(given))
    result["country_iso3"] = place["country_iso3"].to_numpy()
    uncertain = place["uncertain"].to_numpy(dtype=bool)
    _add_flag(flags, uncertain, "country uncertain, give country_iso3")
    _add_flag(flags, ~on_land(tables, lat, lon) & (place["place_km"].to_numpy() > 25), "not on land")
    note = [
        f"{'country given' if known else code} near {name}, {km:.0f} km"
        for known, code, name, km in zip(
            given != "", place["country_iso3"], place["place"], place["place_km"], strict=True
        )
    ]
    result["place_note"] = note
    code = _text(result, "admin1_code")
    code = np.where(code == "", place["admin1_code"].to_numpy(dtype=object), code)
    result["admin1_code"] = code
    admin1 = _text(result, "admin1")
    result["admin1"] = np.where(admin1 == "", [str(c).partition("-")[2] for c in code], admin1)
    result["county_fips_code"] = place["county_fips_code"].to_numpy()
    _fill_ids(result)
    xyz = unit_xyz(lat, lon)
    _fill_zones(tables, result, xyz, flags)
    _fill_water(tables, result, flags)
    _fill_stress_area(tables, result, xyz, flags)
    _fill_generation(tables, result, xyz, flags)
    result["flags"] = flags
    return _attach(tables, result, xyz)


def _fill_ids(result: pd.DataFrame) -> None:
    """Make ids from names, and names from coordinates, where they are missing."""
    names, ids = _text(result, "name"), _text(result, "site_id")
    lat, lon = result["lat"].to_numpy(dtype=np.float64), result["lon"].to_numpy(dtype=np.float64)
    for k in np.flatnonzero(names == "").tolist():
        names[k] = ids[k] or f"{lat[k]:.4f}, {lon[k]:.4f}"
    taken = {text for text in ids if text}
    last: dict[str, int] = {}
    for k in np.flatnonzero(ids == "").tolist():
        base = slug_of(names[k])
        text, number = base, last.get(base, 1)
        while text in taken:
            number += 1
            text = f"{base}-{number}"
        last[base] = number
        taken.add(text)
        ids[k] = text
    result["name"], result["site_id"] = names, ids
    double = result["site_id"].duplicated(keep=False)
    if double.any():
        message = f"site_id '{result.loc[double, 'site_id'].iloc[0]}' appears {int(double.sum())} times"
        raise DataError(message, hint="each site needs an id of its own")


def _fill_zones(tables: Tables, result: pd.DataFrame, xyz: NDArray[np.float64], flags: NDArray[Any]) -> None:
    """Price zone: territory of the county or unit, else the unit's own zone, else the nearest catalog site's."""
    zones = load_zones(tables)
    territory = {
        (kind, area): zone
        for kind, area, zone in tables.frame("territories")[["area_kind", "area_id", "zone_id"]].itertuples(
            index=False
        )
        if kind != "site"
    }
    catalog = _index(tables, "catalog", lambda: tables.frame("sites"))
    country = _text(result, "country_iso3")
    near_km, near = catalog.nearest_same(xyz, "country_iso3", country)
    zone, market = _text(result, "zone_id"), _text(result, "wholesale_zone_id")
    given_zone = zone != ""
    code, fips = _text(result, "admin1_code"), _text(result, "county_fips_code")
    operator = _text(result, "grid_operator")
    site_zone = catalog.frame["zone_id"].to_numpy()
    site_market = catalog.frame["wholesale_zone_id"].to_numpy()
    site_name = catalog.frame["name"].to_numpy()
    borrowed = np.zeros(len(result), dtype=bool)
    words = [""] * len(result)
    for k in range(len(result)):
        if not given_zone[k]:
            zone[k] = territory.get(("county", fips[k]), "") or territory.get(("admin1", code[k]), "")
            if not zone[k] and code[k] in zones.rows:
                zone[k] = code[k]
            if not zone[k] and near[k] >= 0:
                zone[k] = site_zone[near[k]]
                if zones.level(zone[k]) != "country":
                    borrowed[k] = True
                    words[k] = f"zone of {site_name[near[k]]}, {near_km[k]:.0f} km (estimate)"
            if not zone[k]:
                zone[k] = zones.country.get(country[k], "")
        if not market[k]:
            market[k] = zones.of(zone[k], "wholesale_zone_id")
            if not market[k] and near[k] >= 0 and near_km[k] <= 500:
                market[k] = site_market[near[k]]
    _add_flag(flags, borrowed, words)
    _add_flag(flags, zone == "", "no price zone")
    result["zone_id"], result["wholesale_zone_id"], result["grid_operator"] = zone, market, operator


def _fill_water(tables: Tables, result: pd.DataFrame, flags: NDArray[Any]) -> None:
    """Distances from the grid, and the kind of the nearest water within reach."""
    km = water_distances(tables, result["lat"].to_numpy(), result["lon"].to_numpy())
    about = np.zeros(len(result), dtype=bool)
    for column, values in km.items():
        own = _number(result, column)
        about |= np.isnan(own)
        result[column] = np.where(np.isnan(own), values, own)
    kind = _text(result, "water_kind")
    derived = kind == ""
    stack = np.stack([result["river_km"], result["lake_km"], result["coast_km"]], axis=1).astype(np.float64)
    filled = np.where(np.isnan(stack), np.inf, stack)
    words = np.array(["river", "lake", "sea"], dtype=object)[filled.argmin(axis=1)]
    words = np.where(filled.min(axis=1) <= WATER_KM, words, "none")
    words = np.where(np.isinf(filled.min(axis=1)), "", words)
    result["water_kind"] = np.where(derived, words, kind)
    result["water_body"] = _text(result, "water_body")
    _add_flag(flags, derived & about, "water kind and distance from a quarter-degree map")


def _fill_stress_area(
    tables: Tables, result: pd.DataFrame, xyz: NDArray[np.float64], flags: NDArray[Any]
) -> None:
    """Area whose water stress holds: US state, province of a cloud region within reach, else country."""
    provinces = _index(
        tables,
        "provinces",
        lambda: tables.frame("water_stress")[tables.frame("water_stress")["area_kind"] == "province"],
    )
    country, code = _text(result, "country_iso3"), _text(result, "admin1_code")
    km, row = provinces.nearest_same(xyz, "country_iso3", country)
    in_us = country == "USA"
    province = ~in_us & (km <= PROVINCE_KM)
    areas = provinces.frame["area_id"].to_numpy()[row]
    result["water_stress_area_kind"] = np.where(in_us, "state", np.where(province, "province", "country"))
    result["water_stress_area_id"] = np.where(in_us, code, np.where(province, areas, country))
    words = [
        f"water stress of the province of {area}, {far:.0f} km" for area, far in zip(areas, km, strict=True)
    ]
    _add_flag(flags, province & (km > 25) & np.isnan(_number(result, "water_stress_category")), words)


def _fill_generation(
    tables: Tables, result: pd.DataFrame, xyz: NDArray[np.float64], flags: NDArray[Any]
) -> None:
    """Generation nearby: that of the nearest county, unit or catalog site."""
    columns = [
        "name",
        "lat",
        "lon",
        "generation_nearby_gw",
        "generation_hydro_gw",
        "generation_vintage",
        "generation_source_id",
    ]
    points = _index(
        tables,
        "generation",
        lambda: pd.concat(
            [tables.frame(name)[columns] for name in ("us_counties", "admin1", "sites")], ignore_index=True
        ),
    )
    km, row = points.nearest(xyz)
    far, at = km[:, 0], row[:, 0]
    near = far <= GENERATION_KM
    for column in ("generation_nearby_gw", "generation_hydro_gw"):
        result[column] = np.where(near, points.frame[column].to_numpy()[at], np.nan)
    for column in ("generation_vintage", "generation_source_id"):
        result[column] = np.where(near, points.frame[column].to_numpy()[at], "")
    names = points.frame["name"].to_numpy()[at]
    words = [f"generation nearby is that of {name}, {d:.0f} km" for name, d in zip(names, far, strict=True)]
    _add_flag(flags, near & (far > WATER_KM), words)


# --- figures by key ------------------------------------------------------------------------------------


def _rows_by(tables: Tables, name: str, kind: str) -> dict[str, dict[str, Any]]:
    """Rows of an area table of one kind, by area id."""

    def make() -> dict[str, dict[str, Any]]:
        frame = tables.frame(name)
        return {str(r["area_id"]): r for r in frame[frame["area_kind"] == kind].to_dict("records")}

    result: dict[str, dict[str, Any]] = tables.memo(f"places.{name}.{kind}", make)
    return result


def policy_index(frame: pd.DataFrame) -> NDArray[np.float64]:
    """Plain mean of governance and tax on 0 to 1, 1 best; NaN where fewer than three of five are known."""
    parts = []
    for column, (worst, best) in {
        "wgi_political_stability": WGI_ANCHORS,
        "wgi_rule_of_law": WGI_ANCHORS,
        "wgi_effectiveness": WGI_ANCHORS,
        "cpi": CPI_ANCHORS,
        "tax_ratio": TAX_ANCHORS,
    }.items():
        parts.append(np.clip((_number(frame, column) - worst) / (best - worst), 0.0, 1.0))
    stack = np.stack(parts)
    known = np.isfinite(stack)
    count = known.sum(axis=0)
    total = np.where(known, stack, 0.0).sum(axis=0)
    return np.where(count >= 3, total / np.maximum(count, 1), np.nan)


def _own(
    result: pd.DataFrame,
    column: str,
    derived: NDArray[np.float64],
    quality: NDArray[Any],
    source: NDArray[Any],
) -> NDArray[np.bool_]:
    """Let a stated figure go before the derived one; it is ``reported`` by the user's file."""
    stated = _number(result, column)
    known = np.isfinite(stated)
    result[column] = np.where(known, stated, derived)
    quality[known] = "reported"
    source[known] = USER_SOURCE
    return known


def _attach(tables: Tables, result: pd.DataFrame, xyz: NDArray[np.float64] | None = None) -> pd.DataFrame:
    """Look up everything that follows from country, county, zone, area and position."""
    flags = _text(result, "flags")
    if xyz is None:
        xyz = unit_xyz(result["lat"], result["lon"])
    _attach_country(tables, result)
    _attach_county(tables, result)
    _attach_water(tables, result, flags)
    _attach_costs(tables, result, xyz, flags)
    result["flags"] = flags
    extra = [c for c in result.columns if c.startswith("x_")]
    columns: dict[str, Any] = {c: _text(result, c) for c in TEXT_COLUMNS}
    columns |= {c: _number(result, c) for c in NUMBER_COLUMNS}
    made = pd.DataFrame(columns)[[c for c in _order() if c in columns]]
    for column in TEXT_COLUMNS:
        made[column] = made[column].astype("str")
    for column in extra:
        made[column] = result[column].to_numpy()
    return made


def _order() -> list[str]:
    """Columns in the order of reading: place, power, water, cost, risk."""
    first = ["site_id", "name", "country_iso3", "country", "admin1", "admin1_code", "lat", "lon", "tags"]
    return first + [c for c in SITE_COLUMNS if c not in first]


def _attach_country(tables: Tables, result: pd.DataFrame) -> None:
    frame = tables.memo(
        "places.by_country",
        lambda: tables.frame("countries").drop_duplicates("country_iso3").set_index("country_iso3"),
    )
    picked = frame.reindex(_text(result, "country_iso3"))
    result["country"] = _text(picked.reset_index(), "name")
    result["capex_region"] = _text(picked.reset_index(), "capex_region")
    for column in ("wgi_political_stability", "wgi_rule_of_law", "wgi_effectiveness", "cpi", "tax_ratio"):
        result[column] = picked[column].to_numpy(dtype=np.float64)
    conflict = picked[["inform_conflict_probability", "inform_current_conflict"]].to_numpy(dtype=np.float64)
    result["inform_conflict"] = np.fmax(conflict[:, 0], conflict[:, 1])
    result["hazard_index"] = picked["inform_natural_hazard"].to_numpy(dtype=np.float64)
    known = np.isfinite(result["hazard_index"].to_numpy())
    result["hazard_quality"] = np.where(known, "reported", "")
    result["hazard_source_id"] = np.where(known, _text(picked.reset_index(), "hazard_source_id"), "")
    result["policy_index"] = policy_index(result)
    known = np.isfinite(result["policy_index"].to_numpy())
    result["policy_quality"] = np.where(known, "modeled", "")
    result["policy_source_id"] = np.where(known, _text(picked.reset_index(), "policy_source_id"), "")


def _attach_county(tables: Tables, result: pd.DataFrame) -> None:
    """Expected loss of the county; the catalog carries it already."""
    if "fema_loss_usd_per_musd" not in result:
        frame = tables.memo(
            "places.by_county",
            lambda: tables.frame("us_counties").set_index("fips")["fema_loss_usd_per_musd"],
        )
        picked = frame.reindex(_text(result, "county_fips_code"))
        result["fema_loss_usd_per_musd"] = picked.to_numpy(dtype=np.float64)
    known = np.isfinite(_number(result, "fema_loss_usd_per_musd"))
    result["fema_quality"] = np.where(known, "modeled", "")
    result["fema_source_id"] = np.where(known, FEMA_SOURCE, "")


STRESS_LEVEL = {
    "state": "state",
    "province": "province of a cloud region",
    "country": "country",
}


def _attach_water(tables: Tables, result: pd.DataFrame, flags: NDArray[Any]) -> None:
    count = len(result)
    kinds, areas = _text(result, "water_stress_area_kind"), _text(result, "water_stress_area_id")
    country = _text(result, "country_iso3")
    category = np.full(count, np.nan)
    quality, source, level = (np.full(count, "", dtype=object) for _ in range(3))
    old, largest = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    price, low, high = (np.full(count, np.nan) for _ in range(3))
    price_quality, price_source = (np.full(count, "", dtype=object) for _ in range(2))
    prices, world = (
        _rows_by(tables, "water_prices", "country"),
        _rows_by(tables, "water_prices", "world")["world"],
    )
    for k in range(count):
        row = _rows_by(tables, "water_stress", kinds[k]).get(areas[k]) if kinds[k] else None
        if row is None:
            row = _rows_by(tables, "water_stress", "country").get(country[k])
        if row is not None:
            category[k], quality[k], source[k] = row["category"], row["quality"], row["source_id"]
            level[k] = STRESS_LEVEL[row["area_kind"]]
            old[k] = row["edition"] in ("3.0", 3.0)
            largest[k] = row["score_kind"] == "max_sector"
            if row["score_kind"] == "estimate":
                level[k] = "country, estimate"
        entry = prices.get(country[k], world)
        price[k], low[k], high[k] = (
            entry[c] for c in ("price_usd_per_m3", "price_low_usd_per_m3", "price_high_usd_per_m3")
        )
        price_quality[k], price_source[k] = entry["quality"], entry["source_id"]
    stated = _own(result, "water_stress_category", category, quality, source)
    level[stated] = "user"
    _add_flag(flags, old & ~stated, "water stress: edition 3.0 of the state")
    _add_flag(flags, largest & ~stated, "water stress: largest of the sector scores of the country")
    chosen = result["water_stress_category"].to_numpy(dtype=np.float64)
    _add_flag(flags, np.isnan(chosen), "water stress not known")
    ratio = np.full(count, np.nan)
    known = np.isfinite(chosen)
    ratio[known] = np.asarray(WATER_STRESS_RATIO)[np.clip(np.rint(chosen[known]), 0, 4).astype(np.int64)]
    result["water_stress_ratio"] = ratio
    result["water_stress_quality"], result["water_stress_source_id"] = quality, source
    result["water_stress_level"] = level
    stated = _own(result, "water_price_usd_per_m3", price, price_quality, price_source)
    result["water_price_low_usd_per_m3"] = np.where(stated, np.nan, low)
    result["water_price_high_usd_per_m3"] = np.where(stated, np.nan, high)
    result["water_price_quality"], result["water_price_source_id"] = price_quality, price_source
    kind = _text(result, "water_kind")
    km = np.full(count, np.nan)
    for word, column in (("river", "river_km"), ("lake", "lake_km"), ("sea", "coast_km")):
        km = np.where(kind == word, _number(result, column), km)
    result["water_distance_km"] = km
    _attach_flow(tables, result, kind)


def _attach_flow(tables: Tables, result: pd.DataFrame, kind: NDArray[Any]) -> None:
    flows = tables.frame("water_flows")
    mean = dict(zip(flows["flow_id"], flows["mean_flow_m3_per_s"], strict=True))
    words = dict(zip(flows["flow_id"], flows["quality"], strict=True))
    ids = _text(result, "flow_id")
    open_ = (ids == "") & (kind == "river")
    if open_.any():
        chord = np.linalg.norm(
            unit_xyz(result["lat"], result["lon"])[open_][:, None]
            - unit_xyz(flows["lat"], flows["lon"])[None],
            axis=2,
        )
        km = km_of_chord(chord)
        best = km.argmin(axis=1)
        ids[open_] = np.where(km.min(axis=1) <= GAUGE_KM, flows["flow_id"].to_numpy()[best], "")
    derived = np.array([mean.get(flow, math.nan) for flow in ids], dtype=np.float64)
    quality = np.array([words.get(flow, "") for flow in ids], dtype=object)
    _own(result, "river_flow_m3_per_s", derived, quality, np.full(len(ids), "", dtype=object))
    result["river_flow_quality"] = quality


def _market_rows(tables: Tables, name: str) -> pd.DataFrame:
    frame = tables.frame(name)
    result: pd.DataFrame = frame[frame["area_kind"] == "market"].reset_index(drop=True)
    return result


def _nearest_market(
    markets: pd.DataFrame, xyz: NDArray[np.float64], country: NDArray[Any], reach_km: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Nearest market of the same country within its reach; -1 for none."""
    chord = np.linalg.norm(xyz[:, None] - unit_xyz(markets["lat"], markets["lon"])[None], axis=2)
    km = km_of_chord(chord)
    other = country[:, None] != markets["country_iso3"].to_numpy(dtype=object)[None]
    km = np.where(other | (km > reach_km[None]), np.inf, km)
    best = km.argmin(axis=1)
    return np.where(np.isfinite(km[np.arange(len(km)), best]), best, -1)


def _attach_costs(
    tables: Tables, result: pd.DataFrame, xyz: NDArray[np.float64], flags: NDArray[Any]
) -> None:
    count = len(result)
    country, region = _text(result, "country_iso3"), _text(result, "capex_region")
    markets = _market_rows(tables, "capex")
    at = _nearest_market(markets, xyz, country, np.full(len(markets), MARKET_KM))
    market_rows = markets.to_dict("records")
    nations, regions = _rows_by(tables, "capex", "country"), _rows_by(tables, "capex", "region")
    numbers = {
        c: np.full(count, np.nan)
        for c in ("capex_usd_per_w", "capex_low_usd_per_w", "capex_high_usd_per_w", "year")
    }
    texts = {c: np.full(count, "", dtype=object) for c in ("basis", "quality", "source_id", "level")}
    far = np.zeros(count, dtype=bool)
    for k in range(count):
        row: Any = market_rows[at[k]] if at[k] >= 0 else nations.get(country[k]) or regions.get(region[k])
        if row is None:
            continue
        for column, values in numbers.items():
            values[k] = row[column]
        for column, words in texts.items():
            words[k] = row[column]
        far[k] = row["area_kind"] == "region"
    stated = _own(result, "capex_usd_per_w", numbers["capex_usd_per_w"], texts["quality"], texts["source_id"])
    _add_flag(flags, far & ~stated, "capex: mean of the region")
    _add_flag(flags, np.isnan(result["capex_usd_per_w"].to_numpy(dtype=np.float64)), "capex not known")
    texts["level"][stated], texts["basis"][stated] = "user", ""
    result["capex_low_usd_per_w"] = np.where(stated, np.nan, numbers["capex_low_usd_per_w"])
    result["capex_high_usd_per_w"] = np.where(stated, np.nan, numbers["capex_high_usd_per_w"])
    result["capex_year"] = np.where(stated, np.nan, numbers["year"])
    for column, words in texts.items():
        result[f"capex_{column}"] = words
    plots = _market_rows(tables, "land")
    near = _nearest_market(plots, xyz, country, plots["within_km"].to_numpy(dtype=np.float64))
    plot_rows, plot_nations = plots.to_dict("records"), _rows_by(tables, "land", "country")
    price = np.full(count, np.nan)
    quality, source = (np.full(count, "", dtype=object) for _ in range(2))
    for k in range(count):
        row = plot_rows[near[k]] if near[k] >= 0 else plot_nations.get(country[k])
        if row is not None:
            price[k], quality[k], source[k] = row["land_usd_per_m2"], row["quality"], row["source_id"]
    _own(result, "land_usd_per_m2", price, quality, source)
    result["land_quality"], result["land_source_id"] = quality, source
    _add_flag(flags, np.isnan(result["land_usd_per_m2"].to_numpy(dtype=np.float64)), "land not priced")
