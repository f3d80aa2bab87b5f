"""Places: the catalog of sites, finding a site by name, and a full row for any coordinate.

Owns names and the order in which a point finds its zones and areas: county or unit, else the nearest
catalog site of the country, each step said in ``place_note`` and ``flags``.
"""

from __future__ import annotations

import difflib
import unicodedata
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dcsite.data.figures import (
    INPUT_COLUMNS,
    SITE_COLUMNS,
    TEXT_COLUMNS,
    USER_SOURCE,
    add_flag,
    attach_figures,
    number_column,
    text_column,
)
from dcsite.data.nearest import locate, on_land, point_index, water_distances
from dcsite.data.prices import load_zones
from dcsite.data.sphere import unit_xyz
from dcsite.errors import DataError, Problem, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dcsite.data.tables import Tables

__all__ = [
    "INPUT_COLUMNS",
    "SITE_COLUMNS",
    "USER_SOURCE",
    "catalog_sites",
    "country_names",
    "fill_places",
    "locate",
    "on_land",
    "plain_text",
    "resolve_country",
    "resolve_site",
    "slug_of",
    "water_distances",
]

PROVINCE_KM = 150.0
GENERATION_KM = 100.0
WATER_KM = 50.0
"""Water farther away than this counts as none, for points whose kind of water nobody has named."""


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
        return attach_figures(tables, frame).sort_values("site_id", kind="stable").reset_index(drop=True)

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


# --- any coordinate ------------------------------------------------------------------------------------


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
    lat, lon = number_column(frame, "lat"), number_column(frame, "lon")
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
    flags = text_column(result, "flags")
    given = text_column(result, "country_iso3")
    place = locate(tables, lat, lon, list(given))
    result["country_iso3"] = place["country_iso3"].to_numpy()
    uncertain = place["uncertain"].to_numpy(dtype=bool)
    add_flag(flags, uncertain, "country uncertain, give country_iso3")
    add_flag(flags, ~on_land(tables, lat, lon) & (place["place_km"].to_numpy() > 25), "not on land")
    note = [
        f"{'country given' if known else code} near {name}, {km:.0f} km"
        for known, code, name, km in zip(
            given != "", place["country_iso3"], place["place"], place["place_km"], strict=True
        )
    ]
    result["place_note"] = note
    code = text_column(result, "admin1_code")
    code = np.where(code == "", place["admin1_code"].to_numpy(dtype=object), code)
    result["admin1_code"] = code
    admin1 = text_column(result, "admin1")
    result["admin1"] = np.where(admin1 == "", [str(c).partition("-")[2] for c in code], admin1)
    result["county_fips_code"] = place["county_fips_code"].to_numpy()
    _fill_ids(result)
    xyz = unit_xyz(lat, lon)
    _fill_zones(tables, result, xyz, flags)
    _fill_water(tables, result, flags)
    _fill_stress_area(tables, result, xyz, flags)
    _fill_generation(tables, result, xyz, flags)
    result["flags"] = flags
    return attach_figures(tables, result, xyz)


def _fill_ids(result: pd.DataFrame) -> None:
    """Make ids from names, and names from coordinates, where they are missing."""
    names, ids = text_column(result, "name"), text_column(result, "site_id")
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
    catalog = point_index(tables, "catalog", lambda: tables.frame("sites"))
    country = text_column(result, "country_iso3")
    near_km, near = catalog.nearest_same(xyz, "country_iso3", country)
    zone, market = text_column(result, "zone_id"), text_column(result, "wholesale_zone_id")
    given_zone = zone != ""
    code, fips = text_column(result, "admin1_code"), text_column(result, "county_fips_code")
    operator = text_column(result, "grid_operator")
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
    add_flag(flags, borrowed, words)
    add_flag(flags, zone == "", "no price zone")
    result["zone_id"], result["wholesale_zone_id"], result["grid_operator"] = zone, market, operator


def _fill_water(tables: Tables, result: pd.DataFrame, flags: NDArray[Any]) -> None:
    """Distances from the grid, and the kind of the nearest water within reach."""
    km = water_distances(tables, result["lat"].to_numpy(), result["lon"].to_numpy())
    about = np.zeros(len(result), dtype=bool)
    for column, values in km.items():
        own = number_column(result, column)
        about |= np.isnan(own)
        result[column] = np.where(np.isnan(own), values, own)
    kind = text_column(result, "water_kind")
    derived = kind == ""
    stack = np.stack([result["river_km"], result["lake_km"], result["coast_km"]], axis=1).astype(np.float64)
    filled = np.where(np.isnan(stack), np.inf, stack)
    words = np.array(["river", "lake", "sea"], dtype=object)[filled.argmin(axis=1)]
    words = np.where(filled.min(axis=1) <= WATER_KM, words, "none")
    words = np.where(np.isinf(filled.min(axis=1)), "", words)
    result["water_kind"] = np.where(derived, words, kind)
    result["water_body"] = text_column(result, "water_body")
    add_flag(flags, derived & about, "water kind and distance from a quarter-degree map")


def _fill_stress_area(
    tables: Tables, result: pd.DataFrame, xyz: NDArray[np.float64], flags: NDArray[Any]
) -> None:
    """Area whose water stress holds: US state, province of a cloud region within reach, else country."""
    provinces = point_index(
        tables,
        "provinces",
        lambda: tables.frame("water_stress")[tables.frame("water_stress")["area_kind"] == "province"],
    )
    country, code = text_column(result, "country_iso3"), text_column(result, "admin1_code")
    km, row = provinces.nearest_same(xyz, "country_iso3", country)
    in_us = country == "USA"
    province = ~in_us & (km <= PROVINCE_KM)
    areas = provinces.frame["area_id"].to_numpy()[row]
    result["water_stress_area_kind"] = np.where(in_us, "state", np.where(province, "province", "country"))
    result["water_stress_area_id"] = np.where(in_us, code, np.where(province, areas, country))
    words = [
        f"water stress of the province of {area}, {far:.0f} km" for area, far in zip(areas, km, strict=True)
    ]
    add_flag(flags, province & (km > 25) & np.isnan(number_column(result, "water_stress_category")), words)


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
    points = point_index(
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
    add_flag(flags, near & (far > WATER_KM), words)
