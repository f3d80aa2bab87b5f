"""Prices under uncertainty: whole historical years for all zones at once, drifts by region, named scenarios.

A crisis hits everyone together, so a draw picks one year and takes the prices of that year everywhere;
zones are never drawn apart. What a contract does not pass through stays where it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from dcsite.data import prices
from dcsite.data.power_curves import PRICE_YEARS, year_curves
from dcsite.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from dcsite.data.tables import Tables
    from dcsite.spec.scenario import Scenario


CARBON_PATH: dict[int, float] = {0: 25.0, 5: 50.0, 10: 100.0}
"""Years ahead to carbon price of the named path. [USD/t] (a choice)"""


@dataclass(frozen=True)
class PriceYears:
    """Delivered price of each site as it would be with the market of each year.

    Attributes
    ----------
    years
        Y years.
    site_ids
        S sites.
    price_usd_per_mwh, market_usd_per_mwh : ndarray, shape (Y, S)
        Delivered price, and mean of the market (NaN without one). [USD/MWh]
    moves : ndarray of bool, shape (S,)
        Whether the price follows a market at all.
    region
        Market region of each site, by which drifts are shared.
    quality, flags
        By year, then site: how good the market's mean is, and what was scaled or borrowed.
    """

    years: tuple[int, ...]
    site_ids: tuple[str, ...]
    price_usd_per_mwh: NDArray[np.float64]
    market_usd_per_mwh: NDArray[np.float64]
    moves: NDArray[np.bool_]
    region: tuple[str, ...]
    quality: tuple[tuple[str, ...], ...]
    flags: tuple[tuple[str, ...], ...]


def price_years(
    tables: Tables,
    sites: pd.DataFrame,
    power: pd.DataFrame,
    *,
    years: Sequence[int] = PRICE_YEARS,
    pass_through: float = 1.0,
) -> PriceYears:
    """Delivered prices under the market of whole historical years.

    ``price(year) = L + pass_through x (W_year - W_base)``: L the delivered price as listed, W_base the market
    mean in its year. Sites without a market, and those whose price lies below the market (subsidized or
    stale rows), keep L.

    Parameters
    ----------
    tables
        The tables.
    sites
        S rows; columns ``site_id``, ``wholesale_zone_id``, ``zone_id``, ``country_iso3``.
    power
        From :func:`dcsite.study.power.power_facts` without a price year.
    years
        Years of :data:`dcsite.data.power_curves.PRICE_YEARS`.
    pass_through
        Share of the energy price that follows the market. [-]

    Raises
    ------
    UsageError
        If a year has no prices or the share is out of range.
    """
    if not 0 <= pass_through <= 1:
        message = f"pass_through {pass_through:g}: must be 0 to 1"
        raise UsageError(message)
    curves = year_curves(tables, sites, years)
    level = (power["price_usd_per_mwh"] - power["market_shift_usd_per_mwh"]).to_numpy(dtype=np.float64)
    energy = (power["energy_usd_per_mwh"] - power["market_shift_usd_per_mwh"]).to_numpy(dtype=np.float64)
    base = prices.wholesale_base(tables, sites, power["price_year"].to_numpy(dtype=np.float64))
    zone = curves.site_zone
    none = np.full((len(curves.years), 1), np.nan)
    market = np.concatenate([curves.mean_usd_per_mwh, none], axis=1)[:, zone]
    moves = (zone >= 0) & np.isfinite(base) & (energy >= base) & (pass_through > 0)
    shift = np.where(moves, pass_through * (market - base), 0.0)
    regions = tables.frame("demand_countries").set_index("country_iso3")["region"].to_dict()
    return PriceYears(
        years=curves.years,
        site_ids=tuple(str(site) for site in sites["site_id"]),
        price_usd_per_mwh=level[None, :] + shift,
        market_usd_per_mwh=market,
        moves=moves,
        region=tuple(str(regions.get(code, code)) for code in sites["country_iso3"]),
        quality=tuple(tuple(words[row] if row >= 0 else "" for row in zone) for words in curves.quality),
        flags=tuple(
            tuple(words[row] if row >= 0 else "no market curve" for row in zone) for words in curves.flags
        ),
    )


@dataclass(frozen=True)
class PriceDraws:
    """Drawn prices, D draws by S sites, and the year that each draw took. [USD/MWh]"""

    year: NDArray[np.int64]
    price_usd_per_mwh: NDArray[np.float64]


def draw_prices(
    years: PriceYears,
    *,
    draws: int,
    seed: int,
    ahead_years: float = 0.0,
    escalation_ratio: NDArray[np.float64] | float = 0.0,
    yearly_sd_ratio: NDArray[np.float64] | float = 0.0,
) -> PriceDraws:
    """Draw prices of a future year: one whole year for all sites, one drift per market region.

    ``price = price(drawn year) x (1 + escalation)^t x exp(sigma sqrt(t) z - sigma^2 t / 2)``, z the same for
    all sites of a region, so that the mean over draws stays on the escalation.

    Parameters
    ----------
    years
        From :func:`price_years`.
    draws, seed
        Number of draws, and the seed that makes them repeatable.
    ahead_years
        t, how far ahead. [years]
    escalation_ratio, yearly_sd_ratio : array_like, shape () or (S,)
        Nominal change a year, and sigma, its deviation (``escalation_ratio`` and ``price_yearly_sd_ratio``
        of the power facts). [-]

    Raises
    ------
    UsageError
        If there is no draw, or t is negative.
    """
    if draws < 1 or ahead_years < 0:
        message = f"{draws} draws {ahead_years:g} years ahead: needs at least 1 draw and 0 years"
        raise UsageError(message)
    rng = np.random.default_rng(seed)
    picked = rng.integers(0, len(years.years), draws)
    names = sorted(set(years.region))
    drift = rng.standard_normal((draws, len(names)))
    column = np.array([names.index(name) for name in years.region], dtype=np.int64)
    sigma = np.broadcast_to(np.asarray(yearly_sd_ratio, dtype=np.float64), column.shape)
    growth = np.broadcast_to(np.asarray(escalation_ratio, dtype=np.float64), column.shape)
    wide = sigma * np.sqrt(ahead_years)
    factor = np.exp(wide * drift[:, column] - wide**2 / 2.0) * (1.0 + growth) ** ahead_years
    return PriceDraws(np.array(years.years)[picked], years.price_usd_per_mwh[picked] * factor)


def price_spread(drawn: PriceDraws) -> NDArray[np.float64]:
    """P10, P50 and P90 of the drawn prices of each site, shape (3, S). [USD/MWh]"""
    return np.asarray(np.quantile(drawn.price_usd_per_mwh, (0.1, 0.5, 0.9), axis=0))


# --- named scenarios ----------------------------------------------------------------------------------


def as_listed(scenario: Scenario) -> Scenario:
    """Prices as the rows list them."""
    return scenario.model_copy(update={"price_year": None})


def of_year(scenario: Scenario, year: int) -> Scenario:
    """Prices of one historical year, all contracts indexed: what nobody with a fixed tariff feels."""
    loads = tuple(load.model_copy(update={"pass_through": 1.0}) for load in scenario.workloads)
    return scenario.model_copy(update={"price_year": year, "workloads": loads})


def crisis_2022(scenario: Scenario) -> Scenario:
    """The European gas crisis: prices of 2022, all contracts indexed."""
    return of_year(scenario, 2022)


def subsidy_removed(scenario: Scenario) -> Scenario:
    """Cost of supply instead of subsidized tariffs."""
    return scenario.model_copy(update={"subsidy_removed": True})


def carbon_price(scenario: Scenario, usd_per_t: float) -> Scenario:
    """A price on carbon, on top of what tariffs hold."""
    changes = {"carbon_price_usd_per_t": usd_per_t, "carbon_price_by_year": {}}
    objective = scenario.objective.model_copy(update=changes)
    return scenario.model_copy(update={"objective": objective})


def carbon_path(scenario: Scenario) -> Scenario:
    """A carbon price that rises: 25 USD/t now, 50 in five years, 100 in ten."""
    path = {scenario.as_of_year + ahead: price for ahead, price in CARBON_PATH.items()}
    changes = {"carbon_price_usd_per_t": 0.0, "carbon_price_by_year": path}
    return scenario.model_copy(update={"objective": scenario.objective.model_copy(update=changes)})


def connection_delay(scenario: Scenario, years: float) -> Scenario:
    """Every connection comes later than the sources say."""
    return scenario.model_copy(update={"connection_delay_years": scenario.connection_delay_years + years})


def incentives(scenario: Scenario, state: Literal["off", "on"]) -> Scenario:
    """Sales-tax programs counted where their terms are met, or not."""
    return scenario.model_copy(update={"money": scenario.money.model_copy(update={"incentives": state})})


def no_escalation(scenario: Scenario) -> Scenario:
    """Power prices that keep their nominal level."""
    return scenario.model_copy(update={"escalation": "none"})


def row_end(scenario: Scenario, end: str) -> Scenario:
    """Low or high end of each price row, where it has one."""
    return scenario.model_copy(update={"price_case": end})


PRICE_SCENARIOS: dict[str, Callable[[Scenario], Scenario]] = {
    "base": as_listed,
    **{f"year-{year}": partial(of_year, year=year) for year in PRICE_YEARS},
    "crisis-2022": crisis_2022,
    "subsidy-removed": subsidy_removed,
    **{f"carbon-{usd}": partial(carbon_price, usd_per_t=float(usd)) for usd in (0, 50, 100)},
    "carbon-path": carbon_path,
    "connection-delay": partial(connection_delay, years=2.0),
    "incentives-off": partial(incentives, state="off"),
    "incentives-on": partial(incentives, state="on"),
    "no-escalation": no_escalation,
    "row-low": partial(row_end, end="low"),
    "row-high": partial(row_end, end="high"),
}
"""Fixed price scenarios by name: each takes a scenario and gives the changed one."""


def price_scenario(scenario: Scenario, name: str) -> Scenario:
    """Apply a price scenario by its name.

    Raises
    ------
    UsageError
        If the name is unknown.
    """
    try:
        change: Any = PRICE_SCENARIOS[name]
    except KeyError:
        message = f"price scenario '{name}': not known"
        raise UsageError(message, hint=f"one of {', '.join(PRICE_SCENARIOS)}") from None
    changed: Scenario = change(scenario)
    return changed
