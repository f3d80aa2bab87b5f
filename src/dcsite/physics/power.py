"""Power prices in time: what a tariff costs a load, and which hours are worth running.

Owns the delivered price with demand charge and minimum bill, duration curves (how prices are spread over
the hours of a year), the synthetic year in which prices and heat are joint, the closed form of loads that
may stop, its blocks, and loads that pay for each stop. Arrays in, arrays out; rows come from
:mod:`dcsite.data.prices` and :mod:`dcsite.data.power_curves`. Letters in shapes: S sites, Z market zones,
H hours of the synthetic year, K knots of a curve, B blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dcsite.units import HOURS_PER_MONTH, KG_PER_TONNE, KW_PER_MW

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

MONTHS_PER_YEAR = 12.0
BLOCK_EDGES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 1.0)
"""Shares of the hours, cheapest first, where blocks are cut to begin with."""

BLOCK_TOLERANCE = 1e-3
MOST_BLOCKS = 40
LEAST_BLOCK_RATIO = 1e-6
"""Blocks are not cut thinner than this share of the hours."""

DAY_STEP = 0.5497004779019703
"""Third step of the three-dimensional additive low-discrepancy sequence (1 / g^3, g = 1.2207...)."""


# --- tariffs ------------------------------------------------------------------------------------------


def billed_demand_mw(
    peak_mw: ArrayLike, *, contracted_mw: ArrayLike | None = None, min_demand_ratio: ArrayLike = 0.0
) -> Floats:
    """Demand that is billed: the peak, at least a share of what was contracted.

    Parameters
    ----------
    peak_mw : array_like
        Highest facility power of the month. [MW]
    contracted_mw : array_like, optional
        Subscribed power; default the peak. [MW]
    min_demand_ratio : array_like
        Share of the subscribed power that is billed anyway; NaN for none. [-]

    Examples
    --------
    >>> billed_demand_mw(60.0, contracted_mw=100.0, min_demand_ratio=0.85).tolist()
    85.0
    """
    peak = np.asarray(peak_mw, dtype=np.float64)
    contracted = peak if contracted_mw is None else np.asarray(contracted_mw, dtype=np.float64)
    ratio = np.nan_to_num(np.asarray(min_demand_ratio, dtype=np.float64))
    return np.asarray(np.maximum(peak, ratio * contracted))


def delivered_price_usd_per_mwh(
    energy_usd_per_mwh: ArrayLike,
    *,
    demand_usd_per_kw_month: ArrayLike = 0.0,
    load_factor: ArrayLike = 1.0,
    network_usd_per_mwh: ArrayLike = 0.0,
    adders_usd_per_mwh: ArrayLike = 0.0,
    fixed_usd_per_month: ArrayLike = 0.0,
    peak_mw: ArrayLike = np.inf,
    contracted_mw: ArrayLike | None = None,
    min_demand_ratio: ArrayLike = 0.0,
    tax_ratio: ArrayLike = 0.0,
) -> Floats:
    """Mean price of a tariff at a load factor.

    ``(energy + network + demand x billed / (load factor x peak x 730 h) + fixed / energy of a month +
    adders) x (1 + tax)``.

    Parameters
    ----------
    energy_usd_per_mwh, network_usd_per_mwh, adders_usd_per_mwh : array_like
        Parts that are paid by energy. [USD/MWh]
    demand_usd_per_kw_month : array_like
        Charge on the billed demand of a month. [USD/kW-month]
    load_factor : array_like
        Mean over peak power. [-]
    fixed_usd_per_month : array_like
        Charge that does not depend on the load. [USD/month]
    peak_mw : array_like
        Size of the load, for the fixed charge and the minimum bill; infinite: the fixed charge vanishes. [MW]
    contracted_mw, min_demand_ratio : array_like
        See :func:`billed_demand_mw`.
    tax_ratio : array_like
        Taxes in the asked basis. [-]

    Returns
    -------
    ndarray
        Broadcast of the arguments. [USD/MWh]

    Raises
    ------
    ValueError
        If the load factor is not in (0, 1], or the size is not positive.

    Examples
    --------
    Grant County, large industrial and crypto, at load factor 0.9:

    >>> delivered_price_usd_per_mwh([33.0, 70.9], demand_usd_per_kw_month=[6.03, 6.0], load_factor=0.9).round(1)
    array([42.2, 80. ])
    """
    factor, peak = np.asarray(load_factor, dtype=np.float64), np.asarray(peak_mw, dtype=np.float64)
    if not ((factor > 0) & (factor <= 1)).all():
        msg = f"load_factor must be in (0, 1], got {factor.min():g} to {factor.max():g}"
        raise ValueError(msg)
    if not (peak > 0).all():
        msg = f"peak_mw must be positive, got {peak.min():g}"
        raise ValueError(msg)
    if contracted_mw is None:
        billed_ratio = np.maximum(1.0, np.nan_to_num(np.asarray(min_demand_ratio, dtype=np.float64)))
    else:
        billed = billed_demand_mw(peak, contracted_mw=contracted_mw, min_demand_ratio=min_demand_ratio)
        billed_ratio = billed / peak
    demand = np.asarray(demand_usd_per_kw_month, dtype=np.float64) * KW_PER_MW * billed_ratio
    by_energy = sum(
        np.asarray(part, dtype=np.float64)
        for part in (energy_usd_per_mwh, network_usd_per_mwh, adders_usd_per_mwh)
    )
    fixed = np.asarray(fixed_usd_per_month, dtype=np.float64) / peak
    price = by_energy + (demand + fixed) / (factor * HOURS_PER_MONTH)
    return np.asarray(price * (1.0 + np.asarray(tax_ratio, dtype=np.float64)))


def demand_usd_per_mw_year(
    demand_usd_per_kw_month: ArrayLike, pue_peak: ArrayLike, *, shed_ratio: ArrayLike = 0.0
) -> Floats:
    """Demand charge of one MW of IT over a year; curtailment avoids it only where the load sheds at the peak.

    Parameters
    ----------
    demand_usd_per_kw_month : array_like
        Charge. [USD/kW-month]
    pue_peak : array_like
        Design-hour PUE. [-]
    shed_ratio : array_like
        Share of the load that is off in the hours that set the peak. [-]

    Returns
    -------
    ndarray
        [USD/MW-year]

    Examples
    --------
    >>> float(demand_usd_per_mw_year(6.0, 1.2))
    86400.0
    """
    charge = np.asarray(demand_usd_per_kw_month, dtype=np.float64) * KW_PER_MW * MONTHS_PER_YEAR
    return np.asarray(
        charge * np.asarray(pue_peak, dtype=np.float64) * (1.0 - np.asarray(shed_ratio, dtype=np.float64))
    )


# --- duration curves ----------------------------------------------------------------------------------


def close_tail(hours_ratio: ArrayLike, price_usd_per_mwh: ArrayLike, mean_usd_per_mwh: ArrayLike) -> Floats:
    """Mean price of the cheapest share, from quantiles and the mean of the year.

    Straight lines between quantiles, except the last step: it holds what the mean of the year leaves,
    within its own two quantiles. A straight line to the maximum overstates the mean by up to 29 %.

    Parameters
    ----------
    hours_ratio : array_like, shape (K,)
        Shares of the hours, cheapest first, from 0 to 1. [-]
    price_usd_per_mwh : array_like, shape (..., K)
        Quantiles, not falling. [USD/MWh]
    mean_usd_per_mwh : array_like, shape (...)
        Published mean of all hours. [USD/MWh]

    Returns
    -------
    ndarray, shape (..., K)
        Mean of the cheapest share; the first is the lowest price, the last the mean of the year as far
        as the last step can hold it. [USD/MWh]

    Examples
    --------
    >>> close_tail([0, 0.5, 1.0], [10.0, 30.0, 500.0], 60.0).tolist()
    [10.0, 20.0, 60.0]
    """
    share = np.asarray(hours_ratio, dtype=np.float64)
    price = np.asarray(price_usd_per_mwh, dtype=np.float64)
    _check_curve(share, price)
    width = np.diff(share)
    step = (price[..., 1:] + price[..., :-1]) / 2.0
    below = (step[..., :-1] * width[:-1]).sum(axis=-1)
    need = (np.asarray(mean_usd_per_mwh, dtype=np.float64) - below) / width[-1]
    step[..., -1] = np.clip(need, price[..., -2], price[..., -1])
    filled = np.cumsum(step * width, axis=-1)
    return np.concatenate([price[..., :1], filled / share[1:]], axis=-1)


def _check_curve(share: Floats, price: Floats) -> None:
    if share.ndim != 1 or share[0] != 0 or share[-1] != 1 or (np.diff(share) <= 0).any():
        msg = "hours_ratio must rise from 0 to 1"
        raise ValueError(msg)
    if price.shape[-1] != len(share) or (np.diff(price, axis=-1) < 0).any():
        msg = f"a duration curve needs {len(share)} prices that do not fall"
        raise ValueError(msg)


@dataclass(frozen=True)
class Curves:
    """Duration curves of Z zones with exact means between their knots.

    Between two knots the price rises as ``p + (q - p) t^g``; ``g`` is such that the mean of the step is
    the stated one. So both the quantiles and every cumulative mean are kept exactly.

    Attributes
    ----------
    hours_ratio : ndarray, shape (K,)
        Knots: share of the hours, cheapest first. [-]
    low, rise, power : ndarray, shape (Z, K - 1)
        Price where a step starts, how far it rises, and ``g``. [USD/MWh], [USD/MWh], [-]
    spent : ndarray, shape (Z, K)
        Integral of the price up to each knot. [USD/MWh]
    """

    hours_ratio: Floats
    low: Floats
    rise: Floats
    power: Floats
    spent: Floats

    def __len__(self) -> int:
        return len(self.low)

    @property
    def mean_usd_per_mwh(self) -> Floats:
        """Mean of the year, shape (Z,). [USD/MWh]"""
        return np.asarray(self.spent[:, -1])

    def integral(self, share: Floats) -> Floats:
        """Integral of the price over the cheapest shares, (Z, N) -> (Z, N). [USD/MWh]"""
        step = np.clip(
            np.searchsorted(self.hours_ratio, share, side="right") - 1, 0, len(self.hours_ratio) - 2
        )
        start = self.hours_ratio[step]
        width = np.diff(self.hours_ratio)[step]
        t = np.clip((share - start) / width, 0.0, 1.0)
        low, rise, power, spent = (
            np.take_along_axis(part, step, axis=1) for part in (self.low, self.rise, self.power, self.spent)
        )
        return np.asarray(spent + width * (low * t + rise * t ** (power + 1.0) / (power + 1.0)))

    def price(self, share: Floats) -> Floats:
        """Quantiles of the price, (Z, N) -> (Z, N). [USD/MWh]"""
        step = np.clip(
            np.searchsorted(self.hours_ratio, share, side="right") - 1, 0, len(self.hours_ratio) - 2
        )
        t = np.clip((share - self.hours_ratio[step]) / np.diff(self.hours_ratio)[step], 0.0, 1.0)
        low, rise, power = (
            np.take_along_axis(part, step, axis=1) for part in (self.low, self.rise, self.power)
        )
        return np.asarray(low + rise * t**power)


def curves_of(
    hours_ratio: ArrayLike, price_usd_per_mwh: ArrayLike, cumulative_usd_per_mwh: ArrayLike
) -> Curves:
    """Curves from quantiles and the means of the cheapest shares.

    Parameters
    ----------
    hours_ratio : array_like, shape (K,)
        Shares of the hours from 0 to 1. [-]
    price_usd_per_mwh, cumulative_usd_per_mwh : array_like, shape (Z, K)
        Quantiles, and mean of the cheapest share (from :func:`close_tail` or exact). [USD/MWh]

    Raises
    ------
    ValueError
        If shares do not rise from 0 to 1 or prices fall.
    """
    share = np.asarray(hours_ratio, dtype=np.float64)
    price = np.atleast_2d(np.asarray(price_usd_per_mwh, dtype=np.float64))
    cumulative = np.atleast_2d(np.asarray(cumulative_usd_per_mwh, dtype=np.float64))
    _check_curve(share, price)
    spent = cumulative * share
    mean = np.diff(spent, axis=1) / np.diff(share)
    low, high = price[:, :-1], price[:, 1:]
    inside = (mean > low) & (mean < high)
    rise = np.where(inside, high - low, 0.0)
    power = np.where(inside, rise / np.where(inside, mean - low, 1.0) - 1.0, 1.0)
    return Curves(share, np.where(inside, low, mean), rise, power, spent)


# --- the synthetic year -------------------------------------------------------------------------------


def price_noise(month: Ints, hour: Ints) -> Floats:
    """Normal scores by which days of one month differ in price, shape (H,).

    All hours of one day have the same score: dear days stay dear. Within each month the scores of the
    days are evenly spread quantiles in an order that is a third low-discrepancy dimension, beside the two
    of the weather.

    Parameters
    ----------
    month, hour : ndarray of int, shape (H,)
        Month and local hour of each hour; rows of one (month, hour) are its days, in order.
    """
    from scipy.special import ndtri  # here: only interruptible loads need this slow import

    day = days_of(month, hour)
    score = np.empty(len(month))
    for number in np.unique(month):
        rows = month == number
        days = int(day[rows].max()) + 1
        place = (np.arange(days) + days * float(number)) * DAY_STEP % 1.0
        rank = np.empty(days)
        rank[np.argsort(place, kind="stable")] = np.arange(days)
        score[rows] = ndtri((rank[day[rows]] + 0.5) / days)
    return score


def days_of(month: Ints, hour: Ints) -> Ints:
    """Number of the day within its month of each row, shape (H,): how often the cell came before."""
    cell = month * 24 + hour
    order = np.argsort(cell, kind="stable")
    ordered = cell[order]
    first = np.searchsorted(ordered, ordered, side="left")
    day = np.empty(len(cell), dtype=np.int64)
    day[order] = np.arange(len(cell)) - first
    return day


def chronological(month: Ints, hour: Ints) -> Ints:
    """Order of the rows in time: month, day, hour; shape (H,)."""
    return np.asarray(np.lexsort((hour, days_of(month, hour), month)))


def price_year(
    curves: Curves,
    profile_mean: ArrayLike,
    profile_std: ArrayLike,
    month: Ints,
    hour: Ints,
    weight_h: ArrayLike,
    *,
    weather_score: ArrayLike | None = None,
    price_weather_corr: float = 0.0,
) -> Floats:
    """Hourly prices of a synthetic year, whose spread over the year is exactly the duration curve.

    Each hour gets a score, mean of its month and hour + deviation x z; the hours are ranked by it and take
    the prices of the curve in that order. ``z`` mixes the score of the day (:func:`price_noise`) with the
    score of the weather.

    Parameters
    ----------
    curves
        Curves of R rows: zones, or sites where prices follow the weather of the site.
    profile_mean, profile_std : array_like, shape (R, 12, 24)
        Mean and deviation by month and local hour. NaN: all hours alike. [USD/MWh]
    month, hour : ndarray of int, shape (H,)
        Month (0 to 11) and local hour (0 to 23).
    weight_h : array_like, shape (H,)
        Hours of the year that each row stands for. [h]
    weather_score : array_like, shape (R, H) or (H,), optional
        Standard normal score of the heat of each hour. [-]
    price_weather_corr
        Correlation of z with it, -1 to 1: an assumption, 0 by default. [-]

    Returns
    -------
    ndarray, shape (R, H)
        Prices. [USD/MWh]

    Raises
    ------
    ValueError
        If the correlation is out of range or has no weather to follow.
    """
    if not -1 <= price_weather_corr <= 1:
        msg = f"price_weather_corr must be -1..1, got {price_weather_corr:g}"
        raise ValueError(msg)
    noise = price_noise(month, hour)[None, :]
    if price_weather_corr:
        if weather_score is None:
            msg = "a price_weather_corr other than 0 needs weather_score"
            raise ValueError(msg)
        heat = np.atleast_2d(np.asarray(weather_score, dtype=np.float64))
        noise = price_weather_corr * heat + np.sqrt(1.0 - price_weather_corr**2) * noise
    mean = np.asarray(profile_mean, dtype=np.float64)[:, month, hour]
    std = np.asarray(profile_std, dtype=np.float64)[:, month, hour]
    score = np.nan_to_num(mean) + np.where(np.isnan(std), 1.0, std) * noise
    return on_curve(curves, score, weight_h)


def on_curve(curves: Curves, score: Floats, weight_h: ArrayLike) -> Floats:
    """Prices of the curve in the order of a score, (R, H) -> (R, H); each row's mean is the curve's. [USD/MWh]"""
    weight = np.asarray(weight_h, dtype=np.float64)
    order = np.argsort(score, axis=1, kind="stable")
    filled = np.cumsum(weight[order], axis=1) / weight.sum()
    edges = np.concatenate([np.zeros((len(score), 1)), np.minimum(filled, 1.0)], axis=1)
    edges[:, -1] = 1.0
    price = np.diff(curves.integral(edges), axis=1) / np.diff(edges, axis=1)
    result = np.empty_like(price)
    np.put_along_axis(result, order, price, axis=1)
    return result


def contract_price_usd_per_mwh(
    market_usd_per_mwh: ArrayLike,
    *,
    energy_usd_per_mwh: ArrayLike,
    base_usd_per_mwh: ArrayLike,
    pass_through: ArrayLike,
) -> Floats:
    """Hourly price of a contract: ``(L - pass_through x W) + pass_through x p``.

    Parameters
    ----------
    market_usd_per_mwh : array_like, shape (S, H)
        Hourly market prices. [USD/MWh]
    energy_usd_per_mwh : array_like, shape (S, 1)
        Delivered price by energy, L. [USD/MWh]
    base_usd_per_mwh : array_like, shape (S, 1)
        Mean of the market in the year of L, W. [USD/MWh]
    pass_through : array_like
        0 for a fixed tariff, 1 for an indexed contract. [-]

    Raises
    ------
    ValueError
        If an indexed contract is asked for where L is below W: the row is subsidized or stale.
    """
    level, base = (
        np.asarray(energy_usd_per_mwh, dtype=np.float64),
        np.asarray(base_usd_per_mwh, dtype=np.float64),
    )
    share = np.asarray(pass_through, dtype=np.float64)
    if ((share > 0) & (level < base)).any():
        msg = "an indexed contract needs a delivered price of at least the market mean of its year"
        raise ValueError(msg)
    return np.asarray(level - share * base + share * np.asarray(market_usd_per_mwh, dtype=np.float64))


def hourly_cost_usd_per_it_mwh(
    price_usd_per_mwh: ArrayLike,
    pue: ArrayLike,
    *,
    carbon_g_per_kwh: ArrayLike = 0.0,
    carbon_price_usd_per_t: float = 0.0,
    water_l_per_kwh: ArrayLike = 0.0,
    water_usd_per_m3: ArrayLike = 0.0,
) -> Floats:
    """Cost of one MWh of IT in each hour: ``p PUE + kappa CI PUE + water price x WUE``.

    Examples
    --------
    >>> hourly_cost_usd_per_it_mwh(50.0, 1.2, carbon_g_per_kwh=400.0, carbon_price_usd_per_t=50.0).tolist()
    84.0
    """
    facility = np.asarray(pue, dtype=np.float64)
    cost = np.asarray(price_usd_per_mwh, dtype=np.float64) * facility
    if carbon_price_usd_per_t:
        cost = (
            cost
            + np.asarray(carbon_g_per_kwh, dtype=np.float64)
            / KG_PER_TONNE
            * carbon_price_usd_per_t
            * facility
        )
    water = np.asarray(water_l_per_kwh, dtype=np.float64)
    paid = water * np.asarray(water_usd_per_m3, dtype=np.float64)
    return np.asarray(cost + np.where(water == 0, 0.0, paid))


# --- loads that may stop ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Running:
    """Which hours a load runs, and what it earns; per MW of IT.

    Attributes
    ----------
    running_ratio : ndarray, shape (S, H)
        Share of each hour that is run. [-]
    hours_run : ndarray, shape (S,)
        [h/year]
    margin_usd_per_mw_year : ndarray, shape (S,)
        Value of the hours run less their cost. [USD/MW-year]
    mean_cost_usd_per_it_mwh : ndarray, shape (S,)
        Mean cost of the hours run; NaN where none is. [USD/MWh IT]
    stop_usd_per_it_mwh : ndarray, shape (S,)
        Break-even at and below which nothing runs: the cheapest hour. [USD/MWh IT]
    full_usd_per_it_mwh : ndarray, shape (S,)
        Break-even from which every hour runs: the dearest. [USD/MWh IT]
    """

    running_ratio: Floats
    hours_run: Floats
    margin_usd_per_mw_year: Floats
    mean_cost_usd_per_it_mwh: Floats
    stop_usd_per_it_mwh: Floats
    full_usd_per_it_mwh: Floats


def best_hours(
    cost_usd_per_it_mwh: ArrayLike,
    weight_h: ArrayLike,
    break_even_usd_per_it_mwh: ArrayLike,
    *,
    max_availability: float = 1.0,
    min_availability: float = 0.0,
    derate_ratio: ArrayLike = 0.0,
) -> Running:
    """Run the hours that pay, within a least and a largest share of the year: the optimum, in closed form.

    ``pi(V) = sum_h w_h max(0, V - c_h)`` over the cheapest ``max_availability`` of hours. Hours are
    separable, so sorting by ``c`` (price x PUE and the rest, not the price) is optimal.

    Parameters
    ----------
    cost_usd_per_it_mwh : array_like, shape (S, H)
        Cost of running one MW in each hour. [USD/MWh IT]
    weight_h : array_like, shape (H,)
        Hours that each row stands for. [h]
    break_even_usd_per_it_mwh : array_like, shape () or (S,)
        Worth V of one MWh of IT; infinite: run whatever it costs (margin is NaN). [USD/MWh IT]
    max_availability, min_availability
        Largest share of the hours that may run, and the least that must run even at a loss. [-]
    derate_ratio : array_like, shape (S, H)
        Share of the load that heat stops anyway; hours run are then hours of full load. [-]

    Returns
    -------
    Running
        Sites whose cost is not known (NaN) have NaN.

    Raises
    ------
    ValueError
        If the shares are not in order within 0 to 1.
    """
    if not (0 <= min_availability <= max_availability <= 1 and max_availability > 0):
        msg = (
            f"availability must be 0 <= least <= most <= 1, got {min_availability:g} and {max_availability:g}"
        )
        raise ValueError(msg)
    cost = np.atleast_2d(np.asarray(cost_usd_per_it_mwh, dtype=np.float64))
    weight = np.asarray(weight_h, dtype=np.float64)
    value = np.broadcast_to(np.asarray(break_even_usd_per_it_mwh, dtype=np.float64), (len(cost),))[:, None]
    running = (cost <= value).astype(np.float64)
    hours = running @ weight
    for share, out in ((max_availability, np.greater), (min_availability, np.less)):
        limit = share * weight.sum()
        rows = np.flatnonzero(out(hours, limit) & (np.abs(hours - limit) > 1e-9 * weight.sum()))
        if rows.size:
            running[rows] = _cheapest(cost[rows], weight, limit)
    running = running * (1.0 - np.asarray(derate_ratio, dtype=np.float64))
    return _running(cost, weight, value, running)


def _cheapest(cost: Floats, weight: Floats, hours: float) -> Floats:
    """Share of each hour that is run when the cheapest ``hours`` run, (S, H) -> (S, H). [-]"""
    order = np.argsort(cost, axis=1, kind="stable")
    width = weight[order]
    before = np.cumsum(width, axis=1) - width
    running = np.empty_like(cost)
    np.put_along_axis(running, order, np.clip((hours - before) / width, 0.0, 1.0), axis=1)
    return running


def _running(cost: Floats, weight: Floats, value: Floats, running: Floats) -> Running:
    unknown = np.isnan(cost).any(axis=1)
    hours = running @ weight
    spent = np.where(running > 0, cost, 0.0) * running @ weight
    finite = np.isfinite(value[:, 0])
    margin = np.where(finite, np.where(finite, value[:, 0], 0.0) * hours - spent, np.nan)
    mean = np.divide(spent, hours, out=np.full(len(hours), np.nan), where=hours > 0)
    lost = np.where(unknown, np.nan, 0.0)
    return Running(
        running, hours + lost, margin + lost, mean + lost, cost.min(axis=1) + lost, cost.max(axis=1) + lost
    )


def mean_price_paid(running: Running, price_usd_per_mwh: Floats, pue: Floats, weight_h: ArrayLike) -> Floats:
    """Mean price per MWh at the meter over the hours run, shape (S,); NaN where none is. [USD/MWh]"""
    energy = running.running_ratio * pue * np.asarray(weight_h, dtype=np.float64)
    used = energy.sum(axis=1)
    paid = (energy * price_usd_per_mwh).sum(axis=1)
    return np.asarray(np.divide(paid, used, out=np.full(len(used), np.nan), where=used > 0))


def margins(
    cost_usd_per_it_mwh: ArrayLike, weight_h: ArrayLike, break_even_usd_per_it_mwh: ArrayLike
) -> Floats:
    """``pi(V)`` of one site at many break-evens: one sort, one cumulative sum.

    Parameters
    ----------
    cost_usd_per_it_mwh, weight_h : array_like, shape (H,)
        Cost and hours. [USD/MWh IT], [h]
    break_even_usd_per_it_mwh : array_like, shape (V,)
        Worths. [USD/MWh IT]

    Returns
    -------
    ndarray, shape (V,)
        Yearly margin, convex and not falling. [USD/MW-year]

    Examples
    --------
    >>> margins([20.0, 40.0], [1.0, 1.0], [10.0, 30.0, 50.0]).tolist()
    [0.0, 10.0, 40.0]
    """
    cost, weight = np.asarray(cost_usd_per_it_mwh, dtype=np.float64), np.asarray(weight_h, dtype=np.float64)
    order = np.argsort(cost, kind="stable")
    hours = np.concatenate([[0.0], np.cumsum(weight[order])])
    spent = np.concatenate([[0.0], np.cumsum(weight[order] * cost[order])])
    value = np.atleast_1d(np.asarray(break_even_usd_per_it_mwh, dtype=np.float64))
    count = np.searchsorted(cost[order], value, side="right")
    return np.asarray(value * hours[count] - spent[count])


@dataclass(frozen=True)
class Blocks:
    """Hours of one site in blocks of like cost, cheapest first.

    Attributes
    ----------
    edges_ratio : ndarray, shape (B + 1,)
        Shares of the hours where blocks begin and end. [-]
    hours : ndarray, shape (B,)
        [h]
    means : ndarray, shape (B, N)
        Hour-weighted means of what was handed in; the first column is the cost.
    error_ratio : float
        What the blocks lose of the closed form at the break-even. [-]
    """

    edges_ratio: Floats
    hours: Floats
    means: Floats
    error_ratio: float


def cost_blocks(
    cost_usd_per_it_mwh: ArrayLike,
    weight_h: ArrayLike,
    break_even_usd_per_it_mwh: float,
    *others: ArrayLike,
    tolerance: float = BLOCK_TOLERANCE,
    most: int = MOST_BLOCKS,
) -> Blocks:
    """Cut the year of one site into blocks that a linear program can run.

    Begins at :data:`BLOCK_EDGES` and cuts once more where the break-even lies, so that the margin there is
    that of the closed form. A limit on carbon or water lowers what an hour is worth: blocks below the
    break-even are halved until none of them can lose more than ``tolerance`` of the margin at any lower
    worth, or there are ``most`` blocks. Means are exact, so the blocks recombine to the mean of the year; a
    block never promises more than the closed form.

    Parameters
    ----------
    cost_usd_per_it_mwh, weight_h : array_like, shape (H,)
        Cost and hours. [USD/MWh IT], [h]
    break_even_usd_per_it_mwh
        Worth of one MWh of IT. [USD/MWh IT]
    others : array_like, shape (H,)
        Further columns to average over each block.
    tolerance
        Allowed loss of a block over the margin of the closed form. [-]
    most
        Largest number of blocks.
    """
    cost, weight = np.asarray(cost_usd_per_it_mwh, dtype=np.float64), np.asarray(weight_h, dtype=np.float64)
    table = np.stack([cost, *(np.asarray(other, dtype=np.float64) for other in others)], axis=1)
    order = np.argsort(cost, kind="stable")
    share = np.concatenate([[0.0], np.cumsum(weight[order])]) / weight.sum()
    share[-1] = 1.0
    filled = np.concatenate(
        [np.zeros((1, table.shape[1])), np.cumsum(table[order] * weight[order, None], axis=0)]
    )

    def summed(edges: Floats) -> Floats:
        return np.stack([np.interp(edges, share, filled[:, n]) for n in range(table.shape[1])], axis=1)

    value = break_even_usd_per_it_mwh
    exact, total = float(margins(cost, weight, [value])[0]), float(weight.sum())
    ordered = cost[order]
    at = float(share[np.searchsorted(ordered, value, side="right")])
    edges = np.unique(np.concatenate([BLOCK_EDGES, [at]]))
    edges = edges[np.concatenate([[True], np.diff(edges) > LEAST_BLOCK_RATIO])]
    edges[-1] = 1.0
    while True:
        hours = np.diff(edges) * total
        means = np.diff(summed(edges), axis=0) / hours[:, None]
        middle = share[np.searchsorted(ordered, means[:, 0], side="right")]
        middle = np.clip(middle, edges[:-1], edges[1:])
        below = summed(middle)[:, 0] - summed(edges[:-1])[:, 0]
        lost = means[:, 0] * (middle - edges[:-1]) * total - below
        lost = np.where((means[:, 0] < value) & (hours > 2 * LEAST_BLOCK_RATIO * total), lost, 0.0)
        block = int(np.argmax(lost))
        if lost[block] <= tolerance * exact or len(hours) >= most:
            got = float((hours * np.maximum(0.0, value - means[:, 0])).sum())
            error = (exact - got) / exact if exact > 0 else 0.0
            return Blocks(edges, hours, means, max(error, 0.0))
        edges = np.insert(edges, block + 1, (edges[block] + edges[block + 1]) / 2.0)


# --- loads that pay for each stop ---------------------------------------------------------------------


@dataclass(frozen=True)
class Restarts:
    """What a stop costs a load that can go on from a checkpoint.

    Attributes
    ----------
    usd_per_restart
        Paid at each start. [USD/MW]
    lost_hours
        Work of that many hours is done again after each start. [h]
    min_run_hours
        Once started, a run lasts at least so long. [h]
    """

    usd_per_restart: float = 0.0
    lost_hours: float = 0.0
    min_run_hours: int = 1

    def __post_init__(self) -> None:
        if self.usd_per_restart < 0 or self.lost_hours < 0 or self.min_run_hours < 1:
            msg = f"restarts need costs >= 0 and runs of at least an hour, got {self}"
            raise ValueError(msg)


@dataclass(frozen=True)
class Schedule:
    """Hours of a load that pays for each stop.

    Attributes
    ----------
    running : ndarray of bool, shape (S, H)
        In the order of the hours handed in.
    starts, hours_run, margin_usd_per_mw_year : ndarray, shape (S,)
        Starts a year, hours, and margin after restarts. [1/year], [h/year], [USD/MW-year]
    """

    running: NDArray[np.bool_]
    starts: Floats
    hours_run: Floats
    margin_usd_per_mw_year: Floats


BONUS_STEP_USD = 0.01
"""A least availability is met by a bonus per hour that is as small as this step allows. [USD/MWh IT]"""

BONUSES_AT_ONCE = 2000


def checkpointed_hours(
    cost_usd_per_it_mwh: ArrayLike,
    weight_h: ArrayLike,
    break_even_usd_per_it_mwh: ArrayLike,
    restarts: Restarts,
    *,
    min_availability: float = 0.0,
) -> Schedule:
    """Best hours of a load that pays for each start, by dynamic programming over the year.

    Hours are in the order of time; the load runs before the first hour (no start is paid there). A
    least availability is met by paying the load for each hour just enough (found by cutting an interval), so it
    may be overshot by the last run that this adds. The margin is bounded above by that of
    :func:`best_hours` at the same hours.

    Parameters
    ----------
    cost_usd_per_it_mwh : array_like, shape (S, H)
        Cost in the order of time (:func:`chronological`). [USD/MWh IT]
    weight_h : array_like, shape (H,)
        Hours that each row stands for. [h]
    break_even_usd_per_it_mwh : array_like, shape () or (S,)
        Worth of one MWh of IT. [USD/MWh IT]
    restarts
        Cost of a stop.
    min_availability
        Least share of the hours that must run. [-]

    Returns
    -------
    Schedule
        Sites of unknown cost (NaN) have NaN.
    """
    if not 0 <= min_availability <= 1:
        msg = f"min_availability must be 0..1, got {min_availability:g}"
        raise ValueError(msg)
    cost = np.atleast_2d(np.asarray(cost_usd_per_it_mwh, dtype=np.float64))
    weight = np.asarray(weight_h, dtype=np.float64)
    value = np.broadcast_to(np.asarray(break_even_usd_per_it_mwh, dtype=np.float64), (len(cost),))
    unknown = np.asarray(np.isnan(cost).any(axis=1))
    gain = (value[:, None] - np.where(unknown[:, None], np.inf, cost)) * weight
    start_usd = restarts.usd_per_restart + restarts.lost_hours * value
    gain[unknown] = -1.0

    running = _switch(gain, start_usd[:, None] * weight, restarts.min_run_hours)
    need = min_availability * weight.sum() * (1 - 1e-12)
    short = np.flatnonzero((running @ weight < need) & ~unknown)
    if short.size:
        running[short] = _lifted(gain[short], start_usd[short], weight, restarts.min_run_hours, need)
    before = np.concatenate([np.ones((len(cost), 1), dtype=bool), running[:, :-1]], axis=1)
    started = (running & ~before) @ weight
    lost = np.where(unknown, np.nan, 0.0)
    margin = np.where(running, gain, 0.0).sum(axis=1) - started * start_usd
    return Schedule(running, started + lost, running @ weight + lost, margin + lost)


def _lifted(
    gain: Floats, start_usd: Floats, weight: Floats, min_run: int, need_h: float
) -> NDArray[np.bool_]:
    """Hours of sites that fall short of ``need_h``, with the least bonus per hour that lifts them."""
    sites = len(gain)
    count = max(2, min(32, BONUSES_AT_ONCE // sites))
    low, high = np.zeros(sites), np.max(-gain / weight, axis=1) + start_usd.max() + 1.0
    running = np.ones(gain.shape, dtype=bool)
    rows = np.arange(sites)
    while (high - low).max() > BONUS_STEP_USD:
        bonus = np.linspace(low, high, count + 1)[1:]
        tried = _switch(
            (gain + bonus[..., None] * weight).reshape(count * sites, -1),
            np.tile(start_usd, count)[:, None] * weight,
            min_run,
        ).reshape(count, sites, -1)
        enough = tried @ weight >= need_h
        enough[-1] = True
        first = enough.argmax(axis=0)
        found = tried[first, rows]
        running = np.where((found @ weight >= need_h)[:, None], found, running)
        low = np.where(first > 0, bonus[first - 1, rows], low)
        high = bonus[first, rows]
    return running


def _switch(gain: Floats, start_usd: Floats, min_run: int) -> NDArray[np.bool_]:
    """On or off in each hour for the most gain, (S, H): states are off, and the n-th hour of a run up to the least."""
    sites, hours = gain.shape
    none = -np.inf
    off = np.full(sites, none)
    young = np.full((min_run - 1, sites), none)
    old = np.zeros(sites)
    from_on = np.zeros((hours, sites), dtype=bool)
    from_young = np.zeros((hours, sites), dtype=bool)
    from_off = np.zeros((hours, sites), dtype=bool)
    for hour in range(hours):
        got = gain[:, hour]
        begun = off - start_usd[:, hour] + got
        from_on[hour] = old > off
        new_off = np.maximum(off, old)
        if min_run == 1:
            kept = old + got
            from_off[hour] = begun > kept
            old = np.maximum(kept, begun)
        else:
            last = young[-1]
            from_young[hour] = last > old
            old = np.maximum(old, last) + got
            young = np.concatenate([begun[None], young[:-1] + got])
        off = new_off
    running = np.zeros((sites, hours), dtype=bool)
    # state: 0 off, min_run the old one, 1 .. min_run - 1 the young ones
    final = np.concatenate([off[None], young, old[None]])
    state = np.asarray(final.argmax(axis=0))
    for hour in range(hours - 1, -1, -1):
        running[:, hour] = state > 0
        is_off, is_old = np.asarray(state == 0), np.asarray(state == min_run)
        before = state - 1
        if min_run == 1:
            before = np.where(is_old, np.where(from_off[hour], 0, 1), before)
        else:
            before = np.where(is_old, np.where(from_young[hour], min_run - 1, min_run), before)
        before = np.where(is_off, np.where(from_on[hour], min_run, 0), before)
        state = np.asarray(before)
    return running
