"""Power at the sites of a study: delivered price, carbon, connection, and what interruptible loads make of it.

Joins the rows of :mod:`dcsite.data.prices` with the arithmetic of :mod:`dcsite.physics.power`. What a
scenario overrides at a site rules here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pandas as pd

from dcsite.data import power_curves, prices
from dcsite.physics import power as physics
from dcsite.units import HOURS_PER_YEAR, KWH_PER_MWH, LITERS_PER_M3

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
        Tariff basis, subsidies, carbon basis, escalation.
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
    change = prices.escalation(tables, sites, series="5y" if scenario.escalation == "5y" else "10y")
    if scenario.escalation == "none":
        change["escalation_ratio"] = 0.0
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
    if scenario.price_case != "listed":
        _take_end(facts, scenario.price_case)
    facts["market_shift_usd_per_mwh"] = 0.0
    if scenario.price_year is not None:
        _follow_market(tables, sites, facts, scenario.price_year, profile.pass_through)
    yearly = change["yoy_std_ratio"].fillna(YEARLY_SD_RATIO)
    facts["price_sd_usd_per_mwh"] = price_sd_usd_per_mwh(facts, yearly, scenario.as_of_year)
    own = _override(sites, "price_override_usd_per_mwh")
    given = own.notna()
    if given.any():
        for column in ("price_usd_per_mwh", "energy_usd_per_mwh", "tariff_price_usd_per_mwh"):
            facts.loc[given, column] = own[given]
        zero = ("demand_usd_per_kw_month", "fixed_usd_per_month", "price_sd_usd_per_mwh")
        for column in (*zero, "market_shift_usd_per_mwh"):
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


def _take_end(facts: pd.DataFrame, end: str) -> None:
    """Move prices to the low or high end of their row, where it has one on that side."""
    bound = facts[f"price_{end}_usd_per_mwh"].astype(np.float64)
    step = bound - facts["price_usd_per_mwh"]
    step = step.clip(upper=0.0) if end == "low" else step.clip(lower=0.0)
    moved = step.notna()
    for column in ("price_usd_per_mwh", "energy_usd_per_mwh"):
        facts[column] = facts[column] + step.where(moved, 0.0)
    words = f"{end} end of the row"
    facts["price_flags"] = [
        (f"{flags}; {words}" if flags else words) if there else flags
        for flags, there in zip(facts["price_flags"], moved, strict=True)
    ]


def _follow_market(
    tables: Tables, sites: pd.DataFrame, facts: pd.DataFrame, year: int, pass_through: float
) -> None:
    """Move the energy part by what the contract passes through of the market of a year."""
    curves = prices.market_curves(tables, sites, year=year)
    level = facts["energy_usd_per_mwh"].to_numpy(dtype=np.float64)
    base = prices.wholesale_base(tables, sites, facts["price_year"].to_numpy(dtype=np.float64))
    follows = (curves.site_zone >= 0) & np.isfinite(base) & (level >= base)
    mean = np.concatenate([curves.mean_usd_per_mwh, [np.nan]])[curves.site_zone]
    shift = np.where(follows, pass_through * (mean - base), 0.0)
    facts["market_shift_usd_per_mwh"] = shift
    for column in ("price_usd_per_mwh", "energy_usd_per_mwh"):
        facts[column] = facts[column] + shift
    moved = np.flatnonzero(shift != 0)
    flags, quality = facts["price_flags"].tolist(), facts["price_quality"].tolist()
    for row in moved:
        zone = int(curves.site_zone[row])
        words = f"market of {year} in {curves.zone_ids[zone]}: {shift[row]:+.1f} USD/MWh"
        flags[row] = f"{flags[row]}; {words}" if flags[row] else words
        quality[row] = prices.worst_of(str(quality[row]), curves.quality[zone])
    facts["price_flags"], facts["price_quality"] = flags, quality


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
    low, high = low + scenario.connection_delay_years, high + scenario.connection_delay_years
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


# --- loads that may stop ------------------------------------------------------------------------------


class Hourly(Protocol):
    """Cooling of the synthetic year, as :func:`dcsite.study.cooling.hourly_pue` gives it."""

    @property
    def pue(self) -> NDArray[np.float64]:
        """PUE, shape (S, H)."""

    @property
    def water_l_per_kwh(self) -> NDArray[np.float64]:
        """Water, shape (S, H)."""

    @property
    def derate_ratio(self) -> NDArray[np.float64]:
        """Share of the load that heat stops, shape (S, H)."""

    @property
    def month(self) -> NDArray[np.int64]:
        """Month, 1 to 12, shape (H,)."""

    @property
    def hour(self) -> NDArray[np.int64]:
        """Local hour, 0 to 23, shape (H,)."""

    @property
    def weight_h(self) -> NDArray[np.float64]:
        """Hours that each row stands for, shape (H,)."""

    @property
    def weather_score(self) -> NDArray[np.float64]:
        """Normal score of the heat, shape (S, H)."""


@dataclass(frozen=True)
class HourlyPrices:
    """Prices of energy in each hour of the synthetic year, and where their shape is from.

    Attributes
    ----------
    price_usd_per_mwh : ndarray, shape (S, H)
        NaN without a delivered price. [USD/MWh]
    zone_id, quality, source_id, note
        Per site: market zone whose hours it follows ("" for a flat tariff), and how that is known.
    year
        Year of the market prices.
    """

    price_usd_per_mwh: NDArray[np.float64]
    zone_id: tuple[str, ...]
    quality: tuple[str, ...]
    source_id: tuple[str, ...]
    note: tuple[str, ...]
    year: int


def hourly_prices(
    tables: Tables,
    sites: pd.DataFrame,
    power: pd.DataFrame,
    hourly: Hourly,
    *,
    pass_through: float,
    year: int | None = None,
    price_weather_corr: float = 0.0,
) -> HourlyPrices:
    """Price of each hour: delivered level, moved by the market as far as the contract passes it through.

    Parameters
    ----------
    tables
        The tables.
    sites
        S rows; columns ``wholesale_zone_id`` and ``zone_id`` are used.
    power
        From :func:`power_facts`.
    hourly
        Synthetic year of the cooling: prices and heat share its hours.
    pass_through
        0 for a fixed tariff, 1 for an indexed contract. Where the delivered price lies below the market
        mean of its year, or no market is known, the tariff is taken as fixed and the note says so. [-]
    year
        Year of the market, whose mean moves the price; default the shape of the last year with hours in
        most zones, around the delivered price as listed.
    price_weather_corr
        Correlation of price and heat within a month and hour, an assumption. [-]
    """
    curves = prices.market_curves(tables, sites, year=year)
    level = (power["energy_usd_per_mwh"] - power["market_shift_usd_per_mwh"]).to_numpy(dtype=np.float64)
    zone = curves.site_zone
    if year is None:
        base = np.concatenate([curves.mean_usd_per_mwh, [np.nan]])[zone]
    else:
        base = prices.wholesale_base(tables, sites, power["price_year"].to_numpy(dtype=np.float64))
    indexed = (zone >= 0) & np.isfinite(base) & (level >= base) & (pass_through > 0)
    price = np.repeat(level[:, None], len(hourly.weight_h), axis=1)
    at = np.flatnonzero(indexed)
    if at.size:
        by_site = price_weather_corr != 0
        rows = zone[at] if by_site else np.unique(zone[at])
        market = physics.price_year(
            physics.curves_of(
                curves.hours_ratio, curves.price_usd_per_mwh[rows], curves.cumulative_usd_per_mwh[rows]
            ),
            curves.profile_mean_usd_per_mwh[rows],
            curves.profile_std_usd_per_mwh[rows],
            hourly.month - 1,
            hourly.hour,
            hourly.weight_h,
            weather_score=hourly.weather_score[at] if by_site else None,
            price_weather_corr=price_weather_corr,
        )
        if not by_site:
            market = market[np.searchsorted(rows, zone[at])]
        price[at] = physics.contract_price_usd_per_mwh(
            market,
            energy_usd_per_mwh=level[at, None],
            base_usd_per_mwh=base[at, None],
            pass_through=pass_through,
        )
    ids, quality, source, note = [], [], [], []
    for row, place in enumerate(zone.tolist()):
        follows = bool(indexed[row])
        ids.append(curves.zone_ids[place] if follows else "")
        own = str(power["price_quality"].iloc[row])
        quality.append(prices.worst_of(own, curves.quality[place]) if follows and own else own)
        source.append(curves.source_ids[place] if follows else "")
        if follows:
            note.append(curves.flags[place])
        elif math.isnan(level[row]):
            note.append("no delivered price")
        elif pass_through == 0:
            note.append("fixed tariff: every hour costs the same")
        elif place < 0 or not math.isfinite(base[row]):
            note.append("no market curve for this place: every hour costs the same")
        else:
            note.append(
                f"indexed contract refused: delivered {level[row]:.1f} is below the market mean "
                f"{base[row]:.1f} USD/MWh of its year; every hour costs the same"
            )
    return HourlyPrices(price, tuple(ids), tuple(quality), tuple(source), tuple(note), curves.year)


def own_hourly_prices(
    price_usd_per_mwh: NDArray[np.float64],
    hourly: Hourly,
    *,
    name: str,
    year: int,
    price_weather_corr: float = 0.0,
) -> HourlyPrices:
    """A user's 8,760 prices in the hours of the synthetic year, the same for all sites.

    Mean and deviation by month and hour and the duration curve are those of the file.
    """
    share = np.linspace(0.0, 1.0, 1001)
    quantile, cumulative = power_curves.curve_of_hours(price_usd_per_mwh, share)
    mean, std = power_curves.profile_of_hours(price_usd_per_mwh)
    sites = len(hourly.pue)
    rows = sites if price_weather_corr else 1
    market = physics.price_year(
        physics.curves_of(share, np.repeat(quantile[None], rows, 0), np.repeat(cumulative[None], rows, 0)),
        np.repeat(mean[None], rows, 0),
        np.repeat(std[None], rows, 0),
        hourly.month - 1,
        hourly.hour,
        hourly.weight_h,
        weather_score=hourly.weather_score if price_weather_corr else None,
        price_weather_corr=price_weather_corr,
    )
    return HourlyPrices(
        np.broadcast_to(market, (sites, len(hourly.weight_h))).copy(),
        (name,) * sites,
        ("reported",) * sites,
        (USER,) * sites,
        (f"hourly prices of {name}",) * sites,
        year,
    )


def hourly_costs(
    scenario: Scenario,
    power: pd.DataFrame,
    hourly: Hourly,
    by_hour: HourlyPrices,
    water_usd_per_m3: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Cost of one MWh of IT in each hour, shape (S, H): energy, carbon at the scenario's price, water. [USD/MWh]"""
    return physics.hourly_cost_usd_per_it_mwh(
        by_hour.price_usd_per_mwh,
        hourly.pue,
        carbon_g_per_kwh=power["carbon_g_per_kwh"].to_numpy(dtype=np.float64)[:, None],
        carbon_price_usd_per_t=scenario.carbon_price_usd_per_t,
        water_l_per_kwh=hourly.water_l_per_kwh,
        water_usd_per_m3=np.asarray(water_usd_per_m3, dtype=np.float64)[:, None],
    )


def interruptible_facts(
    tables: Tables,
    sites: pd.DataFrame,
    scenario: Scenario,
    workload: Workload,
    profile: Profile,
    power: pd.DataFrame,
    hourly: Hourly,
    water_usd_per_m3: NDArray[np.float64],
    *,
    by_hour: HourlyPrices | None = None,
) -> pd.DataFrame:
    """What a load that may stop makes of each site, per MW of rated IT power of the whole load.

    Parameters
    ----------
    tables
        The tables.
    sites
        S rows in the order of the other arguments.
    scenario, workload, profile
        Carbon price, least share of hours, break-even, largest share of hours, interruptible share.
    power
        From :func:`power_facts`.
    hourly
        Synthetic year of one cooling technology.
    water_usd_per_m3 : ndarray, shape (S,)
        Price of water; matters only where water is used. [USD/m3]
    by_hour
        Hourly prices; default those of the market at the profile's ``pass_through``.

    Returns
    -------
    DataFrame, S rows, indexed like ``sites``
        ``hours_run`` [h]; ``effective_energy_usd_per_mwh``: mean energy price in the hours run (NaN: none
        is); ``effective_price_usd_per_mwh``: price at which running every hour would earn the same (so
        few cheap hours do not look like a cheap place; the delivered price where nothing runs; without a
        break-even the mean paid), demand charge included; ``margin_usd_per_mw_year``: after energy,
        water and carbon, before the demand charge (which a stop does not avoid) and capital, times the
        interruptible share and the load factor; ``demand_usd_per_mw_year`` of the interruptible share (none
        where it sheds at the peak);
        ``stop_usd_per_mwh`` and ``full_usd_per_mwh``: break-even at which nothing, and from which
        everything runs; ``curtailed_ratio``; ``curve_zone_id, curve_year, curve_quality,
        curve_source_id, curve_note``. Margin is NaN without a break-even.
    """
    if by_hour is None:
        by_hour = hourly_prices(
            tables, sites, power, hourly, pass_through=profile.pass_through, year=scenario.price_year
        )
    cost = hourly_costs(scenario, power, hourly, by_hour, water_usd_per_m3)
    value = math.inf if profile.break_even_usd_per_mwh is None else profile.break_even_usd_per_mwh
    run = physics.best_hours(
        cost,
        hourly.weight_h,
        value,
        max_availability=profile.max_availability,
        min_availability=min(workload.min_run_fraction, profile.max_availability),
        derate_ratio=hourly.derate_ratio,
    )
    paid = physics.mean_price_paid(run, by_hour.price_usd_per_mwh, hourly.pue, hourly.weight_h)
    share = profile.interruptible_fraction
    ratio = np.clip(run.hours_run / hourly.weight_h.sum(), 0.0, 1.0)
    price = power["price_usd_per_mwh"].to_numpy(dtype=np.float64)
    energy = power["energy_usd_per_mwh"].to_numpy(dtype=np.float64)
    if math.isfinite(value):
        could = (1.0 - hourly.derate_ratio) * hourly.weight_h
        equivalent = value * could.sum(axis=1) - run.margin_usd_per_mw_year
        equivalent = equivalent / (could * hourly.pue).sum(axis=1)
        equivalent = np.where(ratio > 0, equivalent + price - energy, price + 0.0 * ratio)
    else:
        equivalent = paid + price - energy
    demand = power["demand_usd_per_kw_month"].to_numpy(dtype=np.float64)
    return pd.DataFrame(
        {
            "hours_run": ratio * HOURS_PER_YEAR,
            "effective_energy_usd_per_mwh": paid,
            "effective_price_usd_per_mwh": (1.0 - share) * price + share * equivalent,
            "margin_usd_per_mw_year": run.margin_usd_per_mw_year * share * profile.load_factor,
            "demand_usd_per_mw_year": share
            * profile.peak_factor
            * physics.demand_usd_per_mw_year(
                demand, hourly.pue.max(axis=1), shed_ratio=float(workload.sheds_at_peak)
            ),
            "stop_usd_per_mwh": run.stop_usd_per_it_mwh,
            "full_usd_per_mwh": run.full_usd_per_it_mwh,
            "curtailed_ratio": 1.0 - ratio,
            "curve_zone_id": list(by_hour.zone_id),
            "curve_year": [float(by_hour.year) if zone else math.nan for zone in by_hour.zone_id],
            "curve_quality": list(by_hour.quality),
            "curve_source_id": list(by_hour.source_id),
            "curve_note": list(by_hour.note),
        },
        index=sites.index,
    )


def interruptible_blocks(
    tables: Tables,
    sites: pd.DataFrame,
    scenario: Scenario,
    workload: Workload,
    profile: Profile,
    power: pd.DataFrame,
    hourly: Hourly,
    water_usd_per_m3: NDArray[np.float64],
    *,
    by_hour: HourlyPrices | None = None,
) -> pd.DataFrame:
    """Hours of each site in blocks of like cost, for limits that couple the hours of a year.

    Arguments as :func:`interruptible_facts`. Sites without a price, and loads without a break-even, have
    no blocks.

    Returns
    -------
    DataFrame
        ``site_id, workload, block`` (1 is the cheapest), ``hours`` (of full load, as far as heat and the availability allow),
        ``cost_usd_per_it_mwh`` (energy, carbon price, water), ``energy_usd_per_it_mwh``,
        ``facility_mwh_per_it_mwh``, ``water_m3_per_it_mwh``, ``error_ratio`` (what the blocks lose of the
        closed form).
    """
    columns = (
        "site_id",
        "workload",
        "block",
        "hours",
        "cost_usd_per_it_mwh",
        "energy_usd_per_it_mwh",
        "facility_mwh_per_it_mwh",
        "water_m3_per_it_mwh",
        "error_ratio",
    )
    rows: list[dict[str, object]] = []
    if profile.break_even_usd_per_mwh is not None:
        if by_hour is None:
            by_hour = hourly_prices(
                tables, sites, power, hourly, pass_through=profile.pass_through, year=scenario.price_year
            )
        cost = hourly_costs(scenario, power, hourly, by_hour, water_usd_per_m3)
        for row, site in enumerate(sites["site_id"]):
            if np.isnan(cost[row]).any():
                continue
            found = physics.cost_blocks(
                cost[row],
                hourly.weight_h * (1.0 - hourly.derate_ratio[row]),
                profile.break_even_usd_per_mwh,
                by_hour.price_usd_per_mwh[row] * hourly.pue[row],
                hourly.pue[row],
                hourly.water_l_per_kwh[row],
            )
            left = profile.max_availability * HOURS_PER_YEAR
            for block, (hours, means) in enumerate(zip(found.hours, found.means, strict=True), start=1):
                allowed = min(float(hours), left)
                if allowed <= 0:
                    break
                left -= allowed
                figures = (
                    allowed,
                    *means.tolist()[:3],
                    means[3] * KWH_PER_MWH / LITERS_PER_M3,
                    found.error_ratio,
                )
                rows.append(dict(zip(columns, (site, workload.name, block, *figures), strict=True)))
    return pd.DataFrame(rows, columns=list(columns))
