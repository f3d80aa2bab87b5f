"""Power at the sites of a study: delivered price, carbon, connection, and what interruptible loads make of it.

Joins the rows of :mod:`dcsite.data.prices` with the arithmetic of :mod:`dcsite.physics.power`. What a
scenario overrides at a site rules here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dcsite.data import prices

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dcsite.data.tables import Tables
    from dcsite.spec.scenario import Scenario
    from dcsite.spec.workload import Profile, Workload

QUALITY_SD_RATIO = {"measured": 0.03, "reported": 0.05, "modeled": 0.10, "estimate": 0.15, "unverified": 0.25}
"""Standard deviation of a figure of each quality over its value (an assumption)."""

WIDE_LEVEL_SD_RATIO = {
    "utility": 0.0,
    "city": 0.03,
    "bidding_zone": 0.05,
    "state": 0.08,
    "province": 0.08,
    "country": 0.10,
}
"""What one site may differ from a price of its utility, state or country (an assumption)."""

MOST_SD_RATIO = 0.5
"""Bounds that lie further apart are legal ceilings, not likely prices (an assumption)."""

YEARLY_SD_RATIO = 0.05
"""Yearly change of a price without a series of its own (about that of the United States)."""

LONG_HORIZON_YEARS = 10
"""Over longer horizons the escalation of the price is held within 0 to 4 % a year."""

USER = "scenario"
"""Source and level of a figure that the scenario gives."""


def rated_mw(workload: Workload) -> float:
    """Rated IT power that a workload reaches. [MW]"""
    steps = [workload.it_mw or 0.0, *(workload.it_mw_by_year or {}).values()]
    return max(steps)


def customer_class_of(workload: Workload, profile: Profile) -> str:
    """Class of customer: as the scenario says; miners as miners; large loads by their size."""
    if workload.customer_class is not None or profile.customer_class != "large_industrial":
        return profile.customer_class
    return prices.class_for(rated_mw(workload))


def power_facts(
    tables: Tables, sites: pd.DataFrame, scenario: Scenario, workload: Workload, profile: Profile
) -> pd.DataFrame:
    """Price, carbon, connection and escalation of power at each site.

    Parameters
    ----------
    tables
        The tables.
    sites
        S rows; columns ``zone_id``, ``country_iso3`` and ``wholesale_zone_id`` are used, and the
        overrides ``price_override_usd_per_mwh``, ``carbon_override_g_per_kwh`` and ``energized_year``
        where they exist and are not NaN.
    scenario
        Tariff basis, subsidies, carbon basis, horizon.
    workload, profile
        Size, class of customer, load factor.

    Returns
    -------
    DataFrame, S rows, indexed like ``sites``
        Columns of :data:`dcsite.spec.columns.FACTS` that begin with ``price``, ``carbon`` and
        ``time_to_power``, ``energy_usd_per_mwh``, ``demand_usd_per_kw_month`` and more; NaN where
        nothing is known.

    Raises
    ------
    UsageError
        If a basis or class is not one that exists.
    """
    load_factor = min(profile.load_factor / profile.peak_factor, 1.0)
    delivered = prices.delivered_prices(
        tables,
        sites,
        customer_class=customer_class_of(workload, profile),
        load_factor=load_factor,
        it_mw=rated_mw(workload),
        basis=scenario.electricity_basis,
        strict_basis=scenario.strict_basis,
        subsidy_removed=scenario.subsidy_removed,
        as_of_year=scenario.as_of_year,
    )
    change = prices.escalation(
        tables,
        sites,
        cap_ratio=(0.0, 0.04) if scenario.horizon_years > LONG_HORIZON_YEARS else (-1.0, 1.0),
    )
    renamed = {
        "low_usd_per_mwh": "price_low_usd_per_mwh",
        "high_usd_per_mwh": "price_high_usd_per_mwh",
        "basis_used": "price_basis",
        "class_used": "price_class",
        "zone_used": "price_zone_id",
        "level_used": "price_level",
        "quality": "price_quality",
        "year": "price_year",
        "row_id": "price_row_id",
        "source_id": "price_source_id",
        "flags": "price_flags",
    }
    facts = delivered.rename(columns=renamed)
    yearly = change["yoy_std_ratio"].fillna(YEARLY_SD_RATIO)
    facts["price_sd_usd_per_mwh"] = price_sd_usd_per_mwh(facts, yearly, scenario.as_of_year)
    own = _override(sites, "price_override_usd_per_mwh")
    given = own.notna()
    if given.any():
        for column in ("price_usd_per_mwh", "energy_usd_per_mwh", "tariff_price_usd_per_mwh"):
            facts.loc[given, column] = own[given]
        for column in ("demand_usd_per_kw_month", "fixed_usd_per_month", "price_sd_usd_per_mwh"):
            facts.loc[given, column] = 0.0
        for column in ("price_low_usd_per_mwh", "price_high_usd_per_mwh", "min_demand_ratio"):
            facts.loc[given, column] = math.nan
        for column, text in {
            "price_basis": scenario.electricity_basis,
            "price_zone_id": "",
            "price_level": USER,
            "price_quality": "reported",
            "price_row_id": "",
            "price_source_id": USER,
            "price_flags": "price given in the scenario",
        }.items():
            facts.loc[given, column] = text
        facts.loc[given, "subsidized"] = False
        facts.loc[given, "price_year"] = float(scenario.as_of_year)
    facts["subsidized"] = facts["subsidized"].astype(bool)
    facts = facts.join(_carbon(tables, sites, scenario)).join(_connection(tables, sites, scenario, workload))
    facts["escalation_ratio"] = change["escalation_ratio"]
    facts["escalation_quality"] = change["quality"]
    facts["escalation_zone_id"] = change["zone_used"]
    facts["price_yearly_sd_ratio"] = yearly
    return facts


def _override(sites: pd.DataFrame, column: str) -> pd.Series[float]:
    if column not in sites:
        return pd.Series(np.nan, index=sites.index, dtype=np.float64)
    return sites[column].astype(np.float64)


def price_sd_usd_per_mwh(
    facts: pd.DataFrame, yearly_sd_ratio: pd.Series[float], as_of_year: int
) -> NDArray[np.float64]:
    """Standard deviation of a delivered price: quality, width of its zone and age, independent of each other.

    Where the row has both bounds, a quarter of their span stands for quality and width, at most
    :data:`MOST_SD_RATIO` of the price.

    Parameters
    ----------
    facts
        Columns ``price_usd_per_mwh``, ``price_quality``, ``price_level``, ``price_year`` and the bounds.
    yearly_sd_ratio
        Standard deviation of the yearly change. [-]
    as_of_year
        Year of the study.

    Returns
    -------
    ndarray, shape (S,)
        NaN without a price. [USD/MWh]
    """
    price = facts["price_usd_per_mwh"].to_numpy(dtype=np.float64)
    quality = facts["price_quality"].map(QUALITY_SD_RATIO).to_numpy(dtype=np.float64)
    width = facts["price_level"].map(WIDE_LEVEL_SD_RATIO).fillna(0.05).to_numpy(dtype=np.float64)
    row = np.hypot(quality, width) * price
    span = (facts["price_high_usd_per_mwh"] - facts["price_low_usd_per_mwh"]).to_numpy(dtype=np.float64)
    row = np.where(np.isfinite(span), np.minimum(span / 4.0, MOST_SD_RATIO * price), row)
    age = np.clip(as_of_year - facts["price_year"].to_numpy(dtype=np.float64), 0.0, None)
    return np.asarray(np.hypot(row, yearly_sd_ratio.to_numpy(dtype=np.float64) * np.sqrt(age) * price))


def _carbon(tables: Tables, sites: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    found = prices.carbon_intensity(tables, sites, basis=scenario.carbon_basis)
    spread = found["quality"].map(QUALITY_SD_RATIO).astype(np.float64)
    facts = pd.DataFrame(
        {
            "carbon_g_per_kwh": found["carbon_g_per_kwh"].astype(np.float64),
            "carbon_sd_g_per_kwh": found["carbon_g_per_kwh"].astype(np.float64) * spread,
            "carbon_free_ratio": found["carbon_free_ratio"].astype(np.float64),
            "carbon_basis": found["basis"],
            "carbon_zone_id": found["zone_used"],
            "carbon_quality": found["quality"],
            "carbon_source_id": found["source_id"],
            "carbon_year": found["year"].astype(np.float64),
        },
        index=sites.index,
    )
    own = _override(sites, "carbon_override_g_per_kwh")
    given = own.notna()
    if given.any():
        facts.loc[given, "carbon_g_per_kwh"] = own[given]
        facts.loc[given, "carbon_sd_g_per_kwh"] = 0.0
        facts.loc[given, "carbon_free_ratio"] = math.nan
        facts.loc[given, "carbon_year"] = float(scenario.as_of_year)
        for column, text in {
            "carbon_zone_id": "",
            "carbon_quality": "reported",
            "carbon_source_id": USER,
        }.items():
            facts.loc[given, column] = text
    return facts


def _connection(tables: Tables, sites: pd.DataFrame, scenario: Scenario, workload: Workload) -> pd.DataFrame:
    found = prices.connection(tables, sites, it_mw=rated_mw(workload))
    low, high = found["years_low"].astype(np.float64), found["years_high"].astype(np.float64)
    low, high = low.fillna(high), high.fillna(low)
    facts = pd.DataFrame(
        {
            "time_to_power_years": (low + high) / 2.0,
            "time_to_power_low_years": low,
            "time_to_power_high_years": high,
            "time_to_power_sd_years": (high - low) / math.sqrt(24.0),
            "time_to_power_kind": found["kind"],
            "time_to_power_quality": found["quality"],
            "time_to_power_source_id": found["source_id"],
            "time_to_power_flags": found["flags"],
            "growth_capped": found["growth_capped"].astype(bool),
            "requests_mw": found["requests_mw"].astype(np.float64),
        },
        index=sites.index,
    )
    own = _override(sites, "energized_year") - scenario.as_of_year
    given = own.notna()
    if given.any():
        years = own.clip(lower=0.0)
        for column in ("time_to_power_years", "time_to_power_low_years", "time_to_power_high_years"):
            facts.loc[given, column] = years[given]
        facts.loc[given, "time_to_power_sd_years"] = 0.0
        for column, text in {
            "time_to_power_kind": USER,
            "time_to_power_quality": "reported",
            "time_to_power_source_id": USER,
            "time_to_power_flags": "connection year given in the scenario",
        }.items():
            facts.loc[given, column] = text
    return facts
