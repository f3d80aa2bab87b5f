"""Money over time: present value, rates of return, payback, levelized cost, depreciation, tax, delay.

Flows are amounts at stated times in years, cost negative and income positive. Nothing here knows a site;
:func:`project` lays out one project year by year, and every column of it can be checked by hand.

All rates are of one kind, nominal or real: mixing a nominal escalation with a real discount rate is an
error that no arithmetic can see.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from dcsite.units import HOURS_PER_YEAR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

MONTHS_PER_YEAR = 12.0
IRR_LOWEST, IRR_HIGHEST = -0.99, 100.0
"""Rates between which a rate of return is looked for."""


def present_value(rate: float, flows: ArrayLike, times_years: ArrayLike | None = None) -> float:
    """Value today of amounts at stated times: ``sum flow / (1 + rate) ^ time``.

    Parameters
    ----------
    flows : array_like, shape (T,)
        Amounts. [USD]
    times_years : array_like, shape (T,), optional
        Default 0, 1, 2, ... [years]

    Raises
    ------
    ValueError
        If the rate is -1 or less, or the shapes differ.

    Examples
    --------
    >>> round(present_value(0.10, [-100.0, 60.0, 60.0]), 3)
    4.132
    """
    amounts = np.asarray(flows, dtype=np.float64)
    times = (
        np.arange(len(amounts), dtype=np.float64)
        if times_years is None
        else np.asarray(times_years, dtype=np.float64)
    )
    if rate <= -1 or amounts.shape != times.shape:
        message = (
            f"needs a rate above -1 and one time per flow, got {rate:g}, {amounts.shape} and {times.shape}"
        )
        raise ValueError(message)
    return float((amounts * (1.0 + rate) ** -times).sum())


def rates_of_return(flows: ArrayLike, times_years: ArrayLike | None = None) -> tuple[float, ...]:
    """All rates at which the present value is zero, ascending, between -0.99 and 100.

    Flows whose sign changes once have one rate at most; further changes (a closing cost, a refit) may give
    several, and then none of them is "the" return.

    Examples
    --------
    >>> [round(rate, 6) for rate in rates_of_return([-100.0, 230.0, -132.0])]
    [0.1, 0.2]
    """
    from scipy.optimize import brentq  # here: a ranking uses this module without it

    amounts = np.asarray(flows, dtype=np.float64)
    if not (amounts > 0).any() or not (amounts < 0).any():
        return ()

    def at(rate: float) -> float:
        return present_value(rate, amounts, times_years)

    grid = np.concatenate(
        [np.linspace(IRR_LOWEST, 1.0, 400, endpoint=False), np.geomspace(1.0, IRR_HIGHEST, 200)]
    )
    values = np.array([at(rate) for rate in grid])
    found: list[float] = []
    for number in range(len(grid) - 1):
        if values[number] == 0:
            found.append(float(grid[number]))
        elif values[number] * values[number + 1] < 0:
            root = brentq(at, grid[number], grid[number + 1], xtol=1e-14, rtol=1e-13)
            found.append(float(root))
    if values[-1] == 0:
        found.append(float(grid[-1]))
    return tuple(found)


def internal_rate_of_return(flows: ArrayLike, times_years: ArrayLike | None = None) -> float:
    """Rate at which the present value is zero; NaN where there is none or more than one. [-]

    Examples
    --------
    >>> round(internal_rate_of_return([-100.0, 110.0]), 9)
    0.1
    """
    found = rates_of_return(flows, times_years)
    return found[0] if len(found) == 1 else float("nan")


def payback_years(flows: ArrayLike, times_years: ArrayLike | None = None, *, rate: float = 0.0) -> float:
    """Time from which the cumulative (discounted) flow is never negative again; NaN where it never is. [years]

    Between two flows the later one is taken to come in evenly.

    Examples
    --------
    >>> payback_years([-100.0, 40.0, 40.0, 40.0])
    2.5
    """
    amounts = np.asarray(flows, dtype=np.float64)
    times = (
        np.arange(len(amounts), dtype=np.float64)
        if times_years is None
        else np.asarray(times_years, dtype=np.float64)
    )
    order = np.argsort(times, kind="stable")
    amounts, times = amounts[order] * (1.0 + rate) ** -times[order], times[order]
    total = np.cumsum(amounts)
    behind = np.flatnonzero(total < 0)
    if not len(behind):
        return float(times[0])
    last = int(behind[-1])
    if last + 1 == len(total):
        return float("nan")
    share = -total[last] / amounts[last + 1]
    return float(times[last] + share * (times[last + 1] - times[last]))


def levelized(
    rate: float, costs: ArrayLike, amounts: ArrayLike, times_years: ArrayLike | None = None
) -> float:
    """Present value of costs over present value of amounts: the even price that pays for all of it.

    Parameters
    ----------
    costs
        Positive. [USD]
    amounts
        Energy or hours at the same times. [MWh or h]
    """
    return present_value(rate, costs, times_years) / present_value(rate, amounts, times_years)


def straight_line(years: int) -> NDArray[np.float64]:
    """Even shares of the first cost per year, shape (years,).

    Raises
    ------
    ValueError
        If ``years`` is below 1.
    """
    if years < 1:
        message = f"depreciation needs at least one year, got {years}"
        raise ValueError(message)
    return np.full(years, 1.0 / years)


def declining_balance(years: int, *, factor: float = 2.0) -> NDArray[np.float64]:
    """Declining balance with half a year at either end, to straight line when that is more, shape (years + 1,).

    With a factor of 2 (1.5 over 10 years) this is the rule behind the percentages of US tax tables.

    Examples
    --------
    >>> (100 * declining_balance(5)).round(2).tolist()
    [20.0, 32.0, 19.2, 11.52, 11.52, 5.76]
    """
    if years < 1 or factor <= 0:
        message = f"depreciation needs at least one year and a factor above 0, got {years} and {factor:g}"
        raise ValueError(message)
    shares = []
    book = 1.0
    remaining = float(years)
    for year in range(years + 1):
        part = 0.5 if year in (0, years) else 1.0
        even = book * min(1.0, part / remaining) if remaining > 0 else book
        share = min(book, max(book * factor / years * part, even)) if year < years else book
        shares.append(share)
        book -= share
        remaining -= part
    return np.array(shares)


@dataclass(frozen=True)
class Terms:
    """What a project costs and earns, and under which terms.

    Attributes
    ----------
    capex_usd
        Shell, plant and land at prices of the start.
    capex_schedule
        Shares paid at times 0, 1, ... years; operation begins with the last. They sum to 1.
    costs_usd_per_year, escalation_ratio
        Costs of a full year by name at prices of the start, and their yearly change (0 where not named).
    revenue_usd_per_year, revenue_growth_ratio
        Income of a full year at prices of the start, and its yearly change.
    life_years
        Years of operation.
    delay_months
        Operation begins this much later than construction ends; the capital is spent by then.
    tax_ratio
        Corporate tax. Losses are carried forward.
    depreciation
        Share of the depreciable capital by year of operation; sums to 1.
    incentive_ratio, incentive_usd
        Share of the capital, and an amount, paid back in the first year of operation, untaxed; the capital
        that may be depreciated falls by as much.
    refresh_usd, refresh_years
        Hardware bought at the start of operation and again every so many years; expensed when bought.
    residual_ratio
        Share of the capital that is worth something at the end, taxed as income.
    """

    capex_usd: float
    costs_usd_per_year: Mapping[str, float]
    discount_rate: float
    life_years: int
    capex_schedule: Sequence[float] = (1.0,)
    escalation_ratio: Mapping[str, float] = field(default_factory=dict)
    revenue_usd_per_year: float = 0.0
    revenue_growth_ratio: float = 0.0
    delay_months: float = 0.0
    tax_ratio: float = 0.0
    depreciation: Sequence[float] = ()
    incentive_ratio: float = 0.0
    incentive_usd: float = 0.0
    refresh_usd: float = 0.0
    refresh_years: int = 5
    residual_ratio: float = 0.0

    def __post_init__(self) -> None:
        if self.life_years < 1 or self.discount_rate <= -1:
            message = (
                f"needs a life of at least one year and a rate above -1, got {self.life_years} and "
                f"{self.discount_rate:g}"
            )
            raise ValueError(message)
        if abs(sum(self.capex_schedule) - 1.0) > 1e-9 or min(self.capex_schedule) < 0:
            message = f"the shares of the capital schedule must sum to 1, got {sum(self.capex_schedule):g}"
            raise ValueError(message)
        if len(self.depreciation) and abs(sum(self.depreciation) - 1.0) > 1e-9:
            message = f"the shares of depreciation must sum to 1, got {sum(self.depreciation):g}"
            raise ValueError(message)
        if self.delay_months < 0 or not 0 <= self.tax_ratio < 1:
            message = f"needs delay >= 0 and tax in 0..1, got {self.delay_months:g} and {self.tax_ratio:g}"
            raise ValueError(message)


@dataclass(frozen=True)
class Project:
    """A project year by year.

    Attributes
    ----------
    times_years, labels
        Time of each row, and what happens: ``build 1``, ..., ``year 1``, ...; shape (T,).
    columns
        Name to amounts at these times [USD], cost negative: ``capital``, ``refresh``, each cost,
        ``incentive``, ``revenue``, ``residual``, ``tax``, ``net``. All but ``net`` sum to ``net``.
        ``depreciation`` and ``taxable`` stand beside, they are no cash.
    """

    terms: Terms
    times_years: NDArray[np.float64]
    labels: tuple[str, ...]
    columns: Mapping[str, NDArray[np.float64]]
    depreciation: NDArray[np.float64]
    taxable: NDArray[np.float64]

    @property
    def net(self) -> NDArray[np.float64]:
        """Net flow, shape (T,). [USD]"""
        return self.columns["net"]

    @property
    def npv_usd(self) -> float:
        """Net present value at the discount rate."""
        return present_value(self.terms.discount_rate, self.net, self.times_years)

    @property
    def irr(self) -> float:
        """Internal rate of return; NaN where there is none or more than one."""
        return internal_rate_of_return(self.net, self.times_years)

    def payback_years(self, *, discounted: bool = False) -> float:
        """Time until the project has paid for itself; NaN if it never does."""
        return payback_years(self.net, self.times_years, rate=self.terms.discount_rate if discounted else 0.0)

    @property
    def cost_pv_usd(self) -> float:
        """Present value of all costs net of incentives and residual value, before tax. [USD]"""
        rate = self.terms.discount_rate
        return -sum(
            present_value(rate, flows, self.times_years)
            for name, flows in self.columns.items()
            if name not in ("net", "revenue", "tax")
        )

    def levelized_usd(self, amount_per_year: float) -> float:
        """Even price per unit that covers all costs before tax, for a yearly amount. [USD per unit]"""
        operating = np.array([label.startswith("year") for label in self.labels])
        amounts = np.where(operating, amount_per_year, 0.0)
        return self.cost_pv_usd / present_value(self.terms.discount_rate, amounts, self.times_years)


def project(terms: Terms) -> Project:
    """Lay out a project: capital by its schedule, operation at the end of each year from the last payment on.

    Escalation counts from time 0, so a later start pays later prices; the delay moves operation, not capital.

    Returns
    -------
    Project
        With one row per construction year and one per year of operation.
    """
    build = np.arange(len(terms.capex_schedule), dtype=np.float64)
    start = len(terms.capex_schedule) - 1.0 + terms.delay_months / MONTHS_PER_YEAR
    run = start + np.arange(1, terms.life_years + 1, dtype=np.float64)
    begin = np.array([start]) if terms.refresh_usd else np.zeros(0)
    times = np.concatenate([build, begin, run])
    count, first = len(times), len(build) + len(begin)
    zero = np.zeros(count)

    def operating(amount: float, growth: float) -> NDArray[np.float64]:
        flows = zero.copy()
        flows[first:] = amount * (1.0 + growth) ** run
        return flows

    columns: dict[str, NDArray[np.float64]] = {}
    columns["capital"] = zero.copy()
    columns["capital"][: len(build)] = -terms.capex_usd * np.asarray(terms.capex_schedule)
    if terms.refresh_usd:
        columns["refresh"] = zero.copy()
        columns["refresh"][len(build)] = -terms.refresh_usd
        for year in range(terms.refresh_years, terms.life_years, terms.refresh_years):
            columns["refresh"][first + year - 1] -= terms.refresh_usd
    for name, amount in terms.costs_usd_per_year.items():
        columns[name] = -operating(amount, terms.escalation_ratio.get(name, 0.0))
    incentive = terms.incentive_ratio * terms.capex_usd + terms.incentive_usd
    if incentive:
        columns["incentive"] = zero.copy()
        columns["incentive"][first] = incentive
    if terms.residual_ratio:
        columns["residual"] = zero.copy()
        columns["residual"][-1] = terms.residual_ratio * terms.capex_usd
    columns["revenue"] = operating(terms.revenue_usd_per_year, terms.revenue_growth_ratio)
    depreciation = zero.copy()
    shares = np.asarray(terms.depreciation, dtype=np.float64)[: terms.life_years]
    base = max(0.0, terms.capex_usd - incentive)
    depreciation[first : first + len(shares)] = base * shares
    if len(terms.depreciation) > terms.life_years:  # what is left is written off at the end
        depreciation[-1] += base * (1.0 - shares.sum())
    profit = (
        sum((flows for name, flows in columns.items() if name not in ("capital", "incentive")), start=zero)
        - depreciation
    )
    taxable, tax = _tax(profit, terms.tax_ratio)
    columns["tax"] = -tax
    columns["net"] = sum(columns.values(), start=zero)
    labels = (
        *(f"build {number + 1}" for number in range(len(build))),
        *("hardware" for _ in begin),
        *(f"year {number + 1}" for number in range(terms.life_years)),
    )
    return Project(terms, times, labels, columns, depreciation, taxable)


def _tax(profit: NDArray[np.float64], ratio: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Taxable income and tax per row; losses are carried forward and never paid out."""
    taxable = np.zeros_like(profit)
    carried = 0.0
    for row, amount in enumerate(profit):
        carried += float(amount)
        if carried > 0:
            taxable[row] = carried
            carried = 0.0
    return taxable, ratio * taxable


def delay_usd_per_month(terms: Terms) -> tuple[float, str]:
    """Price of one month of delay, and what it is.

    With revenue it is the present value lost when operation begins a month later; without, the cost of the
    capital that stands idle for that month.

    Returns
    -------
    tuple
        Amount and ``"net present value lost"`` or ``"capital standing idle"``. [USD]
    """
    if terms.revenue_usd_per_year > 0:
        later = replace(terms, delay_months=terms.delay_months + 1.0)
        return project(terms).npv_usd - project(later).npv_usd, "net present value lost"
    month = (1.0 + terms.discount_rate) ** (1.0 / MONTHS_PER_YEAR) - 1.0
    return terms.capex_usd * month, "capital standing idle"


def expected_wait_years(
    low_years: float, middle_years: float, high_years: float, ready_years: float
) -> float:
    """Mean time by which power comes after the hall is ready, power being triangular in time. [years]

    Closed form: the mean of ``max(0, T - ready)`` is the integral of the chance that power is still missing.

    Parameters
    ----------
    low_years, middle_years, high_years
        Ends and mode of the time to power; equal ends make it certain.

    Raises
    ------
    ValueError
        If they do not rise.

    Examples
    --------
    >>> round(expected_wait_years(1.0, 2.0, 3.0, 2.0), 6), expected_wait_years(4.0, 4.0, 4.0, 1.5)
    (0.166667, 2.5)
    """
    low, mode, high, ready = low_years, middle_years, high_years, ready_years
    if not low <= mode <= high:
        message = f"the times must rise, got {low:g}, {mode:g}, {high:g}"
        raise ValueError(message)
    if ready >= high:
        return 0.0
    mean = (low + mode + high) / 3.0
    if ready <= low:
        return mean - ready
    span = high - low
    if ready >= mode:
        return (high - ready) ** 3 / (3.0 * span * (high - mode))
    return mean - ready + (ready - low) ** 3 / (3.0 * span * (mode - low))


def triangular_quantile(low: float, mode: float, high: float, quantile: float) -> float:
    """Value below which a triangular figure lies with a probability.

    Examples
    --------
    >>> triangular_quantile(4.0, 5.5, 7.0, 0.5), round(triangular_quantile(0.0, 0.0, 1.0, 0.75), 6)
    (5.5, 0.5)
    """
    span = high - low
    if span <= 0:
        return low
    if quantile <= (mode - low) / span:
        return low + math.sqrt(quantile * span * (mode - low))
    return high - math.sqrt((1.0 - quantile) * span * (high - mode))


def accelerator_hours(accelerators: float, *, derate_ratio: float = 0.0) -> float:
    """Hours that accelerators can be used in a year; hours lost to heat are lost. [h/year]"""
    return accelerators * HOURS_PER_YEAR * (1.0 - derate_ratio)
