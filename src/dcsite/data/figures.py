"""What the tables know of a place whose country, county, zone and areas are found: water, costs, hazards, policy.

Owns the columns of a sites frame and the look-ups by key, with the level that each figure was found at.
Nothing is averaged in silence: what stands in for a missing figure is named in ``flags``, and what nobody
knows stays missing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dcsite.data.sphere import km_of_chord, unit_xyz

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dcsite.data.tables import Tables

WATER_STRESS_RATIO = (0.05, 0.15, 0.30, 0.60, 0.90)
"""Middle of each class of water stress (withdrawal over supply)."""

MARKET_KM = 60.0
GAUGE_KM = 25.0

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


def text_column(frame: pd.DataFrame, column: str) -> NDArray[Any]:
    """A column as plain texts, shape (N,); empty where the frame lacks it or a cell is missing."""
    if column not in frame:
        return np.full(len(frame), "", dtype=object)
    values = frame[column].to_numpy(dtype=object, na_value="")
    return np.array([value if isinstance(value, str) else str(value) for value in values], dtype=object)


def number_column(frame: pd.DataFrame, column: str) -> NDArray[np.float64]:
    """A column as numbers, shape (N,); NaN where the frame lacks it or a cell is missing."""
    if column not in frame:
        return np.full(len(frame), np.nan)
    values = frame[column]
    if values.dtype != np.float64:
        values = pd.to_numeric(values, errors="coerce")
    return np.array(values, dtype=np.float64)


def add_flag(flags: NDArray[Any], where: NDArray[np.bool_], text: str | Sequence[str]) -> None:
    """Append a flag to the rows marked in ``where``."""
    for position in np.flatnonzero(where).tolist():
        word = text if isinstance(text, str) else text[position]
        flags[position] = f"{flags[position]}; {word}" if flags[position] else word


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
        parts.append(np.clip((number_column(frame, column) - worst) / (best - worst), 0.0, 1.0))
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
    stated = number_column(result, column)
    known = np.isfinite(stated)
    result[column] = np.where(known, stated, derived)
    quality[known] = "reported"
    source[known] = USER_SOURCE
    return known


def attach_figures(
    tables: Tables, result: pd.DataFrame, xyz: NDArray[np.float64] | None = None
) -> pd.DataFrame:
    """Look up everything that follows from country, county, zone, area and position."""
    flags = text_column(result, "flags")
    if xyz is None:
        xyz = unit_xyz(result["lat"], result["lon"])
    _attach_country(tables, result)
    _attach_county(tables, result)
    _attach_water(tables, result, flags)
    _attach_costs(tables, result, xyz, flags)
    result["flags"] = flags
    extra = [c for c in result.columns if c.startswith("x_")]
    columns: dict[str, Any] = {c: text_column(result, c) for c in TEXT_COLUMNS}
    columns |= {c: number_column(result, c) for c in NUMBER_COLUMNS}
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
    picked = frame.reindex(text_column(result, "country_iso3"))
    result["country"] = text_column(picked.reset_index(), "name")
    result["capex_region"] = text_column(picked.reset_index(), "capex_region")
    for column in ("wgi_political_stability", "wgi_rule_of_law", "wgi_effectiveness", "cpi", "tax_ratio"):
        result[column] = picked[column].to_numpy(dtype=np.float64)
    conflict = picked[["inform_conflict_probability", "inform_current_conflict"]].to_numpy(dtype=np.float64)
    result["inform_conflict"] = np.fmax(conflict[:, 0], conflict[:, 1])
    result["hazard_index"] = picked["inform_natural_hazard"].to_numpy(dtype=np.float64)
    known = np.isfinite(result["hazard_index"].to_numpy())
    result["hazard_quality"] = np.where(known, "reported", "")
    result["hazard_source_id"] = np.where(known, text_column(picked.reset_index(), "hazard_source_id"), "")
    result["policy_index"] = policy_index(result)
    known = np.isfinite(result["policy_index"].to_numpy())
    result["policy_quality"] = np.where(known, "modeled", "")
    result["policy_source_id"] = np.where(known, text_column(picked.reset_index(), "policy_source_id"), "")


def _attach_county(tables: Tables, result: pd.DataFrame) -> None:
    """Expected loss of the county; the catalog carries it already."""
    if "fema_loss_usd_per_musd" not in result:
        frame = tables.memo(
            "places.by_county",
            lambda: tables.frame("us_counties").set_index("fips")["fema_loss_usd_per_musd"],
        )
        picked = frame.reindex(text_column(result, "county_fips_code"))
        result["fema_loss_usd_per_musd"] = picked.to_numpy(dtype=np.float64)
    known = np.isfinite(number_column(result, "fema_loss_usd_per_musd"))
    result["fema_quality"] = np.where(known, "modeled", "")
    result["fema_source_id"] = np.where(known, FEMA_SOURCE, "")


STRESS_LEVEL = {
    "state": "state",
    "province": "province of a cloud region",
    "country": "country",
}


def _attach_water(tables: Tables, result: pd.DataFrame, flags: NDArray[Any]) -> None:
    count = len(result)
    kinds, areas = text_column(result, "water_stress_area_kind"), text_column(result, "water_stress_area_id")
    country = text_column(result, "country_iso3")
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
    add_flag(flags, old & ~stated, "water stress: edition 3.0 of the state")
    add_flag(flags, largest & ~stated, "water stress: largest of the sector scores of the country")
    chosen = result["water_stress_category"].to_numpy(dtype=np.float64)
    add_flag(flags, np.isnan(chosen), "water stress not known")
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
    kind = text_column(result, "water_kind")
    km = np.full(count, np.nan)
    for word, column in (("river", "river_km"), ("lake", "lake_km"), ("sea", "coast_km")):
        km = np.where(kind == word, number_column(result, column), km)
    result["water_distance_km"] = km
    _attach_flow(tables, result, kind)


def _attach_flow(tables: Tables, result: pd.DataFrame, kind: NDArray[Any]) -> None:
    flows = tables.frame("water_flows")
    mean = dict(zip(flows["flow_id"], flows["mean_flow_m3_per_s"], strict=True))
    words = dict(zip(flows["flow_id"], flows["quality"], strict=True))
    ids = text_column(result, "flow_id")
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
    country, region = text_column(result, "country_iso3"), text_column(result, "capex_region")
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
    add_flag(flags, far & ~stated, "capex: mean of the region")
    add_flag(flags, np.isnan(result["capex_usd_per_w"].to_numpy(dtype=np.float64)), "capex not known")
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
    add_flag(flags, np.isnan(result["land_usd_per_m2"].to_numpy(dtype=np.float64)), "land not priced")
