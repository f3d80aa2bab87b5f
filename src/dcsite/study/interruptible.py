"""Loads that may stop, site by site: hours run, price paid, margin, and what a stop does not save.

The question of ``dcsite interruptible``: at a break-even per IT-MWh, which hours of which place are worth
running. Figures are per MW of rated IT power of the part that may stop.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dcsite.data.power_curves import read_hourly_prices
from dcsite.data.scenario_file import load_profiles
from dcsite.errors import UsageError
from dcsite.physics import power as physics
from dcsite.study.candidates import candidate_sites
from dcsite.study.cooling import cooling_facts, hourly_pue
from dcsite.study.power import (
    hourly_costs,
    hourly_prices,
    interruptible_facts,
    own_hourly_prices,
    power_facts,
)
from dcsite.units import HOURS_PER_YEAR

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from dcsite.data.tables import Tables
    from dcsite.physics.power import Restarts
    from dcsite.spec.scenario import Scenario
    from dcsite.spec.workload import Profile

CURVE_POINTS = 201


@dataclass(frozen=True)
class Interruptible:
    """What a load that may stop makes of each site.

    Attributes
    ----------
    frame
        One row per site, best margin first: ``site_id, name, country_iso3, technology, hours_run,
        curtailed_ratio, price_paid_usd_per_mwh, price_usd_per_mwh, margin_usd_per_mw_year,
        demand_usd_per_mw_year, margin_after_demand_usd_per_mw_year, stop_usd_per_mwh, full_usd_per_mwh``,
        ``capped_...`` where an availability is given, ``restart_...`` where restarts are, then marks and
        sources of the price and its hours.
    break_even_usd_per_mwh
        Worth of one IT-MWh. [USD/MWh IT]
    share, cost_usd_per_it_mwh
        Duration curve of the cost of an IT-MWh by site: shape (K,), and site id to (K,).
    notes
        What a reader must know.
    """

    frame: pd.DataFrame
    break_even_usd_per_mwh: float
    share: NDArray[np.float64]
    cost_usd_per_it_mwh: dict[str, NDArray[np.float64]]
    notes: tuple[str, ...]


def interruptible(
    scenario: Scenario,
    tables: Tables,
    *,
    points: Sequence[str] = (),
    availability: float | None = None,
    pass_through: float | None = None,
    price_weather_corr: float = 0.0,
    prices_file: Path | None = None,
    restarts: Restarts | None = None,
    min_availability: float = 0.0,
    blocks: bool = False,
) -> Interruptible:
    """Hours run, price paid and margin of the first workload of a scenario at every candidate site.

    Parameters
    ----------
    scenario
        Its first workload gives profile, size and break-even; ``technology`` names one cooling technology
        (else the one of most margin at each site); ``price_year`` the market year.
    tables
        The tables.
    points
        Further sites as ``LAT,LON[,NAME]``.
    availability
        Largest share of the hours: a second set of figures beside those without a cap. [-]
    pass_through
        Share of the energy price that follows the market; default the profile's, 1 where that is 0. [-]
    price_weather_corr
        Correlation of price and heat within a month and hour (an assumption). [-]
    prices_file
        Own hourly prices that replace the market at every site.
    restarts
        What a start costs: figures of a load that pays for each stop.
    min_availability
        Least share of the hours of that load. [-]
    blocks
        Whether to cut the year of each site into blocks and report what they lose.

    Raises
    ------
    UsageError
        If there is no break-even, or a share is out of range.
    """
    workload = scenario.workloads[0]
    base = load_profiles(tables, scenario)[workload.profile]
    profile = workload.resolved(base)
    value = profile.break_even_usd_per_mwh
    if value is None:
        message = f"profile '{profile.name}': no break-even is known for it"
        raise UsageError(message, hint="--break-even 95: worth of running one IT-MWh [USD/MWh]")
    for name, share in (
        ("availability", availability),
        ("min-availability", min_availability),
        ("pass-through", pass_through),
    ):
        if share is not None and not 0 <= share <= 1:
            message = f"--{name} {share:g}: must be 0 to 1"
            raise UsageError(message)
    if availability == 0:
        message = "--availability 0: nothing may run"
        raise UsageError(message, hint="a share of the hours above 0")
    if not -1 <= price_weather_corr <= 1:
        message = f"--price-weather-corr {price_weather_corr:g}: must be -1 to 1"
        raise UsageError(message)
    follows = pass_through if pass_through is not None else (profile.pass_through or 1.0)
    stops = profile.model_copy(
        update={"interruptible_fraction": 1.0, "max_availability": 1.0, "pass_through": follows}
    )
    sites, _, notes = candidate_sites(scenario, tables, points=points)
    power = power_facts(tables, sites, scenario, workload, stops)
    own = None if prices_file is None else read_hourly_prices(prices_file)
    water = sites["water_price_usd_per_m3"].to_numpy(dtype=np.float64)
    names = None if scenario.technology is None else (scenario.technology,)
    cooling = cooling_facts(tables, sites, profile, names)
    parts: list[pd.DataFrame] = []
    years: dict[str, _Year] = {}
    for technology in dict.fromkeys(cooling["technology"]):
        usable = cooling[(cooling["technology"] == technology) & cooling["admissible"]]
        rows = sites["site_id"].isin(set(usable["site_id"])).to_numpy()
        if not rows.any():
            continue
        some, facts, price_m3 = sites[rows], power[rows], water[rows]
        hourly = hourly_pue(tables, some, profile, technology)
        if own is None:
            by_hour = hourly_prices(
                tables,
                some,
                facts,
                hourly,
                pass_through=follows,
                year=scenario.price_year,
                price_weather_corr=price_weather_corr,
            )
        else:
            by_hour = own_hourly_prices(
                own,
                hourly,
                name=str(prices_file),
                year=scenario.as_of_year,
                price_weather_corr=price_weather_corr,
            )
        args = (tables, some, scenario, workload)
        found = interruptible_facts(*args, stops, facts, hourly, price_m3, by_hour=by_hour)
        if availability is not None:
            capped = stops.model_copy(update={"max_availability": availability})
            less = interruptible_facts(*args, capped, facts, hourly, price_m3, by_hour=by_hour)
            for column in ("hours_run", "margin_usd_per_mw_year"):
                found[f"capped_{column}"] = less[column]
            found["capped_price_paid_usd_per_mwh"] = less["effective_energy_usd_per_mwh"]
        cost = hourly_costs(scenario, facts, hourly, by_hour, price_m3)
        years[technology] = _Year(list(some["site_id"]), cost, hourly.month, hourly.hour, hourly.weight_h)
        parts.append(found.assign(technology=technology))
    if not parts:
        message = f"profile '{profile.name}': no cooling technology of it suits any of these sites"
        raise UsageError(message, hint="dcsite cooling SITE --technology all shows why")
    frame = _best(parts, sites, power)
    if restarts is not None:
        _add_restarts(frame, years, stops, restarts, min_availability)
    if blocks:
        _add_blocks(frame, years, value)
    frame = frame[[column for column in (*LEADING, *TRAILING) if column in frame]]
    at = np.linspace(0.0, 1.0, CURVE_POINTS)
    lines = {}
    for site, technology in zip(frame["site_id"], frame["technology"], strict=True):
        row = np.sort(years[technology].of(site))
        if np.isfinite(row).all():
            lines[str(site)] = np.asarray(np.interp(at, (np.arange(len(row)) + 0.5) / len(row), row))
    return Interruptible(frame, value, at, lines, (*notes, *_notes(frame, own is not None, follows)))


@dataclass(frozen=True)
class _Year:
    """Hourly cost of one technology, S sites by H hours."""

    site_ids: list[str]
    cost: NDArray[np.float64]
    month: NDArray[np.int64]
    hour: NDArray[np.int64]
    weight_h: NDArray[np.float64]

    def of(self, site: str) -> NDArray[np.float64]:
        """Cost of one site, shape (H,)."""
        return np.asarray(self.cost[self.site_ids.index(site)])


def _add_restarts(
    frame: pd.DataFrame,
    years: dict[str, _Year],
    profile: Profile,
    restarts: Restarts,
    min_availability: float,
) -> None:
    """Figures of a load that pays for each start, beside the closed form that bounds them."""
    value = profile.break_even_usd_per_mwh or 0.0
    for column in ("restart_starts", "restart_hours_run", "restart_margin_usd_per_mw_year"):
        frame[column] = np.nan
    for technology, year in years.items():
        rows = frame["technology"] == technology
        if not rows.any():
            continue
        order = physics.chronological(year.month, year.hour)
        cost = np.stack([year.of(site)[order] for site in frame.loc[rows, "site_id"]])
        made = physics.checkpointed_hours(
            cost, year.weight_h[order], value, restarts, min_availability=min_availability
        )
        frame.loc[rows, "restart_starts"] = made.starts
        frame.loc[rows, "restart_hours_run"] = made.hours_run
        frame.loc[rows, "restart_margin_usd_per_mw_year"] = made.margin_usd_per_mw_year * profile.load_factor


def _add_blocks(frame: pd.DataFrame, years: dict[str, _Year], value: float) -> None:
    """Number of blocks that a linear program would get, and what they lose of the closed form."""
    count, error = [], []
    for site, technology in zip(frame["site_id"], frame["technology"], strict=True):
        cost = years[technology].of(site)
        known = bool(np.isfinite(cost).all())
        found = physics.cost_blocks(cost, years[technology].weight_h, value) if known else None
        count.append(math.nan if found is None else float(len(found.hours)))
        error.append(math.nan if found is None else found.error_ratio)
    frame["block_count"], frame["block_error_ratio"] = count, error


LEADING = (
    "site_id",
    "name",
    "country_iso3",
    "technology",
    "hours_run",
    "curtailed_ratio",
    "price_paid_usd_per_mwh",
    "price_usd_per_mwh",
    "margin_usd_per_mw_year",
    "demand_usd_per_mw_year",
    "margin_after_demand_usd_per_mw_year",
    "stop_usd_per_mwh",
    "full_usd_per_mwh",
    "capped_hours_run",
    "capped_price_paid_usd_per_mwh",
    "capped_margin_usd_per_mw_year",
    "restart_starts",
    "restart_hours_run",
    "restart_margin_usd_per_mw_year",
    "block_count",
    "block_error_ratio",
)
TRAILING = (
    "subsidized",
    "price_class",
    "price_basis",
    "price_quality",
    "price_source_id",
    "price_flags",
    "curve_zone_id",
    "curve_year",
    "curve_quality",
    "curve_source_id",
    "curve_note",
)


def _best(parts: list[pd.DataFrame], sites: pd.DataFrame, power: pd.DataFrame) -> pd.DataFrame:
    """Technology of most margin at each site; sites in the order of margin after the demand charge."""
    found = pd.concat(parts)
    found["site_id"] = found.index
    found["margin_after_demand_usd_per_mw_year"] = (
        found["margin_usd_per_mw_year"] - found["demand_usd_per_mw_year"]
    )
    found["price_paid_usd_per_mwh"] = found["effective_energy_usd_per_mwh"]
    order = ["margin_after_demand_usd_per_mw_year", "site_id", "technology"]
    found = found.sort_values(order, ascending=[False, True, True], na_position="last", kind="stable")
    frame = found.drop_duplicates("site_id").set_index("site_id", drop=False)
    for column in ("name", "country_iso3"):
        frame[column] = sites[column].reindex(frame.index)
    for column in power.columns:
        if column in (*LEADING, *TRAILING) and column not in frame:
            frame[column] = power[column].reindex(frame.index)
    return frame.reset_index(drop=True)


def _notes(frame: pd.DataFrame, own: bool, follows: float) -> list[str]:
    """Sentences on missing prices, missing curves and places where nothing runs."""
    notes = []
    total = len(frame)
    missing = frame["hours_run"].isna()
    if missing.any():
        notes.append(
            f"{int(missing.sum())} of {total} sites have no price or no climate: {_some(frame[missing])}"
        )
    if not own and follows > 0:
        for words, text in (
            ("no market curve", "no market curve is known: every hour costs the same there"),
            (
                "indexed contract refused",
                "the delivered price lies below the market mean: taken as a fixed tariff",
            ),
        ):
            rows = frame["curve_note"].str.contains(words, regex=False)
            if rows.any():
                notes.append(f"{int(rows.sum())} of {total} sites: {text} ({_some(frame[rows])})")
    never = frame["hours_run"] == 0
    if never.any():
        notes.append(
            f"{int(never.sum())} of {total} sites run no hour at this break-even: {_some(frame[never])}"
        )
    charged = frame["margin_usd_per_mw_year"].gt(0) & frame["margin_after_demand_usd_per_mw_year"].le(0)
    if charged.any():
        notes.append(
            f"{int(charged.sum())} of {total} sites earn less than their demand charge, which a stop does not "
            f"avoid: {_some(frame[charged])}"
        )
    return notes


def _some(rows: pd.DataFrame, most: int = 4) -> str:
    ids = sorted(rows["site_id"])
    return ", ".join(ids[:most]) + (f" and {len(ids) - most} more" if len(ids) > most else "")


def hours_at(result: Interruptible, site_id: str, break_even_usd_per_mwh: float) -> float:
    """Hours a year that a site runs at another break-even, read off its curve. [h/year]

    Raises
    ------
    KeyError
        If the site has no curve.
    """
    cost = result.cost_usd_per_it_mwh[site_id]
    share = float(np.interp(break_even_usd_per_mwh, cost, result.share)) if cost[0] < cost[-1] else math.nan
    if math.isnan(share):
        share = float(break_even_usd_per_mwh >= cost[0])
    return share * HOURS_PER_YEAR
