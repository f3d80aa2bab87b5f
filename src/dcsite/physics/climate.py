"""Hours from months: a synthetic year of any point, and its hours sorted into cells of air state.

Twelve monthly means and eighteen vapor-density quantiles become 12 x 30 x 24 hours, deterministic, each
weighing 8760/8640 h. A cooling technology sees an hour only through dry bulb, vapor density and pressure, so
annual figures are a histogram over a fixed grid of air states times the technology's response on that grid:
equal to the hour-by-hour sum (tested) and hundreds of times faster. Limits: 60 S to 75 N, means of 2000-2025.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from dcsite.physics.psychrometrics import (
    VAPOR_GAS_CONSTANT,
    ZERO_C_K,
    pressure_pa,
    ratio_of_wet_bulb,
    relative_humidity_of_density,
    saturation_pressure_pa,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

MONTHS, DAYS, HOURS = 12, 30, 24
YEAR_DAYS = MONTHS * DAYS
YEAR_HOURS = YEAR_DAYS * HOURS
HOURS_PER_YEAR = 8760.0
DAY_POINTS = 8
"""Points that stand for the 24 hours of a day in histograms. Both flanks of the day are half cosines, so its
values have the arcsine distribution, which eight Gauss-Chebyshev points integrate to the 15th power."""
HOUR_WEIGHT_H = HOURS_PER_YEAR / YEAR_HOURS
RANGE_LIMITS_K, SPREAD_LIMITS_K = (2.5, 20.0), (0.6, 8.0)
HUMIDITY_CORRELATION = (0.6, 0.8)
"""Share of warmth in a day's humidity within a month, and of a second, independent draw (a fit)."""
HUMIDITY_SPREAD = 1.3
MOIST_PER_K = 0.065
"""Vapor density at constant relative humidity rises by this much per kelvin of warming. [1/K]"""
DRY_ONLY_HUMIDITY = 0.6
"""Relative humidity that stands in where the vapor grid is absent. [-]"""

CELL_K, CELL_LN = 1.0, 0.1
DRY_BULB_NODES = np.arange(-60.0, 62.0 + CELL_K / 2, CELL_K)
LN_VAPOR_NODES = np.arange(-3.0, 4.0 + CELL_LN / 2, CELL_LN)
CELLS = DRY_BULB_NODES.size * LN_VAPOR_NODES.size
PRESSURE_NODES_PA = pressure_pa([0.0, 750.0, 1500.0, 2250.0, 3000.0, 4000.0, 5000.0, 6300.0])


@dataclass(frozen=True)
class SyntheticYear:
    """Days of S points; hours follow from them.

    Attributes
    ----------
    pressure
        Shape (S,). [Pa]
    month_mean_c
        Shape (S, 12). [C]
    day_c, ln_vapor
        Mean temperature and log vapor density [g/m3] of each day, shape (S, 360).
    range_k
        Mean daily range of each month, shape (S, 12). [K]
    has_vapor
        Whether humidity is known; if not, ``ln_vapor`` stands for 60 % relative humidity.
    """

    pressure: NDArray[np.float64]
    month_mean_c: NDArray[np.float64]
    day_c: NDArray[np.float64]
    ln_vapor: NDArray[np.float64]
    range_k: NDArray[np.float64]
    has_vapor: bool = True

    def dry_bulb_c(self) -> NDArray[np.float64]:
        """Hourly dry bulb, shape (S, 8640), months in order, days from cold to warm, hours in solar time. [C]"""
        sites = self.day_c.shape[0]
        swing = self.range_k[:, :, None, None] * day_curve()
        hours = self.day_c.reshape(sites, MONTHS, DAYS, 1) + swing
        return hours.reshape(sites, YEAR_HOURS)

    def ln_vapor_hours(self) -> NDArray[np.float64]:
        """Hourly log vapor density before the cap at saturation, shape (S, 8640)."""
        return np.repeat(self.ln_vapor, HOURS, axis=1)


@cache
def day_curve() -> NDArray[np.float64]:
    """Zero-mean half-cosine day of unit range: lowest at 05:30, highest at 15:00 solar time, shape (24,)."""
    hour = np.arange(HOURS) + 0.5
    since_dawn = (hour - 5.5) % HOURS
    rising, falling = 15.0 - 5.5, HOURS - (15.0 - 5.5)
    curve = np.where(
        since_dawn <= rising,
        -0.5 * np.cos(np.pi * since_dawn / rising),
        0.5 * np.cos(np.pi * (since_dawn - rising) / falling),
    )
    result: NDArray[np.float64] = curve - curve.mean()
    result.setflags(write=False)
    return result


@cache
def day_quadrature() -> NDArray[np.float64]:
    """Values of the half-cosine day that carry equal shares of it (Gauss-Chebyshev), shape (8,)."""
    result: NDArray[np.float64] = 0.5 * np.cos((np.arange(DAY_POINTS) + 0.5) * np.pi / DAY_POINTS)
    result.setflags(write=False)
    return result


@cache
def weather_draws() -> NDArray[np.float64]:
    """Fixed normal draws (warmth, humidity) of 12 x 30 days, shape (2, 360).

    Warmth is the same stratified set in each month, coldest day first; humidity is a van der Corput sequence
    shifted by the golden ratio from month to month. Both have mean 0 and SD 1 within each month.
    """
    from statistics import NormalDist

    inverse = NormalDist().inv_cdf
    warmth = np.array([inverse((i + 0.5) / DAYS) for i in range(DAYS)])
    radical = np.array([int(f"{i:05b}"[::-1], 2) / 32.0 for i in range(DAYS)])
    humid = np.empty((MONTHS, DAYS))
    for month in range(MONTHS):
        shifted = (radical + (month + 0.5) * 0.6180339887498949) % 1.0
        ranks = shifted.argsort().argsort()
        humid[month] = [inverse((r + 0.5) / DAYS) for r in ranks]
    draws = np.stack([np.tile(warmth, MONTHS), humid.reshape(-1)])
    draws /= warmth.std()
    draws.setflags(write=False)
    return draws


def extraterrestrial_mj(lat: ArrayLike) -> NDArray[np.float64]:
    """Radiation above the atmosphere at mid-month (FAO-56), latitude clipped to 65, shape (S, 12). [MJ/m2/day]"""
    phi = np.radians(np.clip(np.atleast_1d(np.asarray(lat, dtype=np.float64)), -65.0, 65.0))[:, None]
    day = (np.arange(MONTHS) + 0.5) * 365.25 / 12.0
    angle = 2.0 * np.pi * day / 365.0
    nearness = 1.0 + 0.033 * np.cos(angle)
    declination = 0.409 * np.sin(angle - 1.39)
    sunset = np.arccos(np.clip(-np.tan(phi) * np.tan(declination), -1.0, 1.0))
    high = np.sin(phi) * np.sin(declination) * sunset + np.cos(phi) * np.cos(declination) * np.sin(sunset)
    result: NDArray[np.float64] = np.maximum(24.0 * 60.0 / np.pi * 0.0820 * nearness * high, 0.0)
    return result


def interpolation_weights(exceedance_pct: NDArray[np.float64], wanted_pct: ArrayLike) -> NDArray[np.float64]:
    """Matrix that interpolates level values linearly in exceedance, shape (K, L); flat beyond the ends."""
    wanted = np.asarray(wanted_pct, dtype=np.float64)
    levels = exceedance_pct.size
    weights = np.empty((wanted.size, levels))
    for level in range(levels):
        unit = np.zeros(levels)
        unit[level] = 1.0
        weights[:, level] = np.interp(wanted, exceedance_pct, unit)
    return weights


def synthetic_year(
    *,
    lat: ArrayLike,
    altitude_m: ArrayLike,
    month_mean_c: NDArray[np.float64],
    ln_vapor: NDArray[np.float64] | None,
    exceedance_pct: NDArray[np.float64],
    hour_model: Mapping[str, tuple[float, float]],
    warming_k: float = 0.0,
) -> SyntheticYear:
    """Days and daily ranges of S points from monthly means and vapor quantiles.

    Parameters
    ----------
    lat, altitude_m : array_like, shape (S,)
        [degrees, m]
    month_mean_c : ndarray, shape (S, 12)
        Monthly mean temperature. [C]
    ln_vapor : ndarray, shape (S, L), or None
        Log of the vapor density [g/m3] exceeded ``exceedance_pct`` percent of the year.
    hour_model : mapping
        Term to its coefficients of daily range [K] and of the SD of daily means [K].
    warming_k : float
        Added to every month, with vapor at constant relative humidity. [K]

    Returns
    -------
    SyntheticYear
    """
    lat_ = np.atleast_1d(np.asarray(lat, dtype=np.float64))
    altitude = np.atleast_1d(np.asarray(altitude_m, dtype=np.float64))
    monthly = np.asarray(month_mean_c, dtype=np.float64) + warming_k
    annual = monthly.mean(axis=1, keepdims=True)
    order = monthly.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    if ln_vapor is not None:
        vapor = ln_vapor + MOIST_PER_K * warming_k
        at_rank = (
            vapor @ interpolation_weights(exceedance_pct, 100.0 * (1.0 - (np.arange(12) + 0.5) / 12.0)).T
        )
        density = np.exp(np.take_along_axis(at_rank, order, axis=1))
        humidity = relative_humidity_of_density(monthly, density, limit=1.0)
    else:
        humidity = np.full(monthly.shape, DRY_ONLY_HUMIDITY)
    sun = extraterrestrial_mj(lat_)
    season = np.ptp(monthly, axis=1)[:, None] * np.ones(MONTHS)
    ones = np.ones(monthly.shape)
    terms = {
        "1": ones,
        "rh": humidity,
        "rh^2": humidity**2,
        "H0": sun,
        "H0*rh": sun * humidity,
        "A": season,
        "|lat|": np.abs(lat_)[:, None] * ones,
        "lat^2/50": lat_[:, None] ** 2 / 50.0 * ones,
        "alt_km": altitude[:, None] / 1000.0 * ones,
        "T-Tann": monthly - annual,
        "(T-Tann)*A/10": (monthly - annual) * season / 10.0,
        "|T[m+1]-T[m-1]|": np.abs(np.roll(monthly, -1, axis=1) - np.roll(monthly, 1, axis=1)),
        "T": monthly,
    }
    daily_range, spread = np.zeros(monthly.shape), np.zeros(monthly.shape)
    for term, (for_range, for_spread) in hour_model.items():
        daily_range += for_range * terms[term]
        spread += for_spread * terms[term]
    daily_range = np.clip(daily_range, *RANGE_LIMITS_K)
    spread = np.clip(spread, *SPREAD_LIMITS_K)

    warmth, humid = (draw.reshape(MONTHS, DAYS) for draw in weather_draws())
    sites = lat_.size
    day = (monthly[:, :, None] + spread[:, :, None] * warmth).reshape(sites, YEAR_DAYS)
    if ln_vapor is not None:
        mix = HUMIDITY_CORRELATION[0] * warmth + HUMIDITY_CORRELATION[1] * humid
        score = (monthly - annual)[:, :, None] + HUMIDITY_SPREAD * spread[:, :, None] * mix
        rank = score.reshape(sites, YEAR_DAYS).argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
        exceeded = 100.0 * (1.0 - (np.arange(YEAR_DAYS) + 0.5) / YEAR_DAYS)
        by_rank = vapor @ interpolation_weights(exceedance_pct, exceeded).T
        ln_day = np.take_along_axis(by_rank, rank, axis=1)
    else:
        ln_day = ln_density(day, np.full(day.shape, DRY_ONLY_HUMIDITY))
    return SyntheticYear(
        pressure=pressure_pa(altitude),
        month_mean_c=monthly,
        day_c=day,
        ln_vapor=ln_day,
        range_k=daily_range,
        has_vapor=ln_vapor is not None,
    )


def ln_density(dry_bulb_c: ArrayLike, relative_humidity: ArrayLike) -> NDArray[np.float64]:
    """Log of vapor density [g/m3] from dry bulb [C] and relative humidity [-]."""
    c = np.asarray(dry_bulb_c, dtype=np.float64)
    vapor = np.maximum(np.asarray(relative_humidity, dtype=np.float64), 1e-4) * saturation_pressure_pa(c)
    result: NDArray[np.float64] = np.log(1e3 * vapor / (VAPOR_GAS_CONSTANT * (c + ZERO_C_K)))
    return result


def ln_density_of_wet_bulb(
    dry_bulb_c: ArrayLike, wet_bulb_c: ArrayLike, pressure: ArrayLike
) -> NDArray[np.float64]:
    """Log of vapor density [g/m3] from dry and wet bulb [C] and pressure [Pa]."""
    c = np.asarray(dry_bulb_c, dtype=np.float64)
    ratio = ratio_of_wet_bulb(c, wet_bulb_c, pressure)
    vapor = np.asarray(pressure, dtype=np.float64) * ratio / (0.621945 + ratio)
    result: NDArray[np.float64] = np.log(1e3 * vapor / (VAPOR_GAS_CONSTANT * (c + ZERO_C_K)))
    return result


@dataclass(frozen=True)
class AirStates:
    """Hours of S places sorted into cells of dry bulb x vapor density.

    Attributes
    ----------
    pressure
        Shape (S,). [Pa]
    hours
        Hours per year in each cell, shape (S, C); each row sums to 8,760.
    month_mean_c
        Shape (S, 12); NaN where only a histogram is known. [C]
    has_vapor
        Whether humidity is known.
    """

    pressure: NDArray[np.float64]
    hours: NDArray[np.float64]
    month_mean_c: NDArray[np.float64]
    has_vapor: bool = True


def _cell(
    values: NDArray[np.float64], nodes: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Lower node and weight of the upper one; beyond the ends the end node."""
    place = np.clip((values - nodes[0]) * (1.0 / (nodes[1] - nodes[0])), 0.0, nodes.size - 1.0 - 1e-9)
    lower = place.astype(np.int64)
    return lower, place - lower


def air_states(year: SyntheticYear) -> AirStates:
    """Sort the days of S points into cells, with bilinear weights: exact for responses linear in a cell."""
    sites = year.pressure.size
    j, v = _cell(year.ln_vapor, LN_VAPOR_NODES)
    swing = np.repeat(year.range_k, DAYS, axis=1)
    width = LN_VAPOR_NODES.size
    start = (np.arange(sites) * CELLS)[:, None] + j
    size = sites * CELLS + width + 1
    total = np.zeros(size)
    for point in day_quadrature():
        i, u = _cell(year.day_c + swing * point, DRY_BULB_NODES)
        at = (start + i * width).ravel()
        uv = (u * v).ravel()
        u_, v_ = u.ravel(), v.ravel()
        total += np.bincount(at, 1.0 - u_ - v_ + uv, size)
        total += np.bincount(at + 1, v_ - uv, size)
        total += np.bincount(at + width, u_ - uv, size)
        total += np.bincount(at + width + 1, uv, size)
    hours = total[: sites * CELLS].reshape(sites, CELLS)
    hours *= HOURS_PER_YEAR / (YEAR_DAYS * DAY_POINTS)
    return AirStates(year.pressure, hours, year.month_mean_c, year.has_vapor)


def air_states_of_hours(
    dry_bulb_c: NDArray[np.float64],
    ln_vapor: NDArray[np.float64],
    hours: NDArray[np.float64],
    pressure: float,
    *,
    month_mean_c: NDArray[np.float64] | None = None,
    has_vapor: bool = True,
) -> AirStates:
    """Sort any hours or histogram cells of one place, shape (N,); scaled to 8,760 h."""
    i, u = _cell(dry_bulb_c, DRY_BULB_NODES)
    j, v = _cell(ln_vapor, LN_VAPOR_NODES)
    width = LN_VAPOR_NODES.size
    at, size = i * width + j, CELLS + width + 1
    scaled = hours * (HOURS_PER_YEAR / hours.sum())
    total: NDArray[np.float64] = np.zeros(size)
    total += np.bincount(at, scaled * (1 - u) * (1 - v), size)
    total += np.bincount(at + 1, scaled * (1 - u) * v, size)
    total += np.bincount(at + width, scaled * u * (1 - v), size)
    total += np.bincount(at + width + 1, scaled * u * v, size)
    monthly = np.full((1, MONTHS), np.nan) if month_mean_c is None else month_mean_c.reshape(1, MONTHS)
    return AirStates(np.array([pressure]), total[:CELLS].reshape(1, CELLS), monthly, has_vapor)


def pressure_weights(pressure: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights of the pressure nodes for each place, shape (S, P); linear between two neighbors."""
    falling = PRESSURE_NODES_PA[::-1]
    clipped = np.clip(pressure, falling[0], falling[-1])
    upper = np.clip(np.searchsorted(falling, clipped), 1, falling.size - 1)
    share = (clipped - falling[upper - 1]) / (falling[upper] - falling[upper - 1])
    weights = np.zeros((pressure.size, falling.size))
    rows = np.arange(pressure.size)
    weights[rows, upper - 1] = 1.0 - share
    weights[rows, upper] = share
    return weights[:, ::-1]
