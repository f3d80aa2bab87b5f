"""Market prices of whole years, the same years for all zones, and a user's own hourly prices.

Hands out arrays; the choice of curves and proxies is in :mod:`dcsite.data.prices`, the arithmetic in
:mod:`dcsite.physics.power`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dcsite.data.prices import market_curves
from dcsite.data.tables import read_table
from dcsite.errors import DataError, Problem, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from dcsite.data.tables import Tables

PRICE_YEARS = (2020, 2021, 2022, 2023, 2024, 2025)
"""Historical years that prices can be drawn from."""

PRICE_LIMITS_USD_PER_MWH = (-10_000.0, 100_000.0)
HOURS = (8760, 8784)
"""Rows of a file of hourly prices: a common and a leap year."""


@dataclass(frozen=True)
class YearCurves:
    """Duration curves of several years for all zones that the sites use.

    Attributes
    ----------
    years
        Y years.
    zone_ids
        Z market zones.
    site_zone : ndarray of int, shape (S,)
        Zone of each site, -1 without a market.
    hours_ratio : ndarray, shape (K,)
        Shares of the hours, cheapest first. [-]
    price_usd_per_mwh, cumulative_usd_per_mwh : ndarray, shape (Y, Z, K)
        Quantiles, and means of the cheapest share. [USD/MWh]
    mean_usd_per_mwh : ndarray, shape (Y, Z)
        Mean of each year. [USD/MWh]
    profile_mean_usd_per_mwh, profile_std_usd_per_mwh : ndarray, shape (Y, Z, 12, 24)
        By month and local hour; NaN where not known. [USD/MWh]
    quality, flags
        By year, then zone: how good, and what was borrowed or scaled.
    source_ids
        By zone: source of the shape in the last year.
    """

    years: tuple[int, ...]
    zone_ids: tuple[str, ...]
    site_zone: NDArray[np.int64]
    hours_ratio: NDArray[np.float64]
    price_usd_per_mwh: NDArray[np.float64]
    cumulative_usd_per_mwh: NDArray[np.float64]
    mean_usd_per_mwh: NDArray[np.float64]
    profile_mean_usd_per_mwh: NDArray[np.float64]
    profile_std_usd_per_mwh: NDArray[np.float64]
    quality: tuple[tuple[str, ...], ...]
    flags: tuple[tuple[str, ...], ...]
    source_ids: tuple[str, ...]


def year_curves(tables: Tables, sites: pd.DataFrame, years: Sequence[int] = PRICE_YEARS) -> YearCurves:
    """Curves of whole historical years: one year holds for every zone at once.

    Parameters
    ----------
    tables
        The tables.
    sites
        Columns ``wholesale_zone_id`` and ``zone_id`` are used.
    years
        Years, each once, of :data:`PRICE_YEARS`.

    Raises
    ------
    UsageError
        If a year has no prices, or none is asked for.
    """
    wrong = [year for year in years if year not in PRICE_YEARS]
    if wrong or not years:
        message = f"price year {wrong[0]}: no prices" if wrong else "no price year is asked for"
        raise UsageError(message, hint=f"one or more of {', '.join(map(str, PRICE_YEARS))}")
    found = [market_curves(tables, sites, year=year) for year in dict.fromkeys(years)]
    return YearCurves(
        years=tuple(one.year for one in found),
        zone_ids=found[0].zone_ids,
        site_zone=found[0].site_zone,
        hours_ratio=found[0].hours_ratio,
        price_usd_per_mwh=np.stack([one.price_usd_per_mwh for one in found]),
        cumulative_usd_per_mwh=np.stack([one.cumulative_usd_per_mwh for one in found]),
        mean_usd_per_mwh=np.stack([one.mean_usd_per_mwh for one in found]),
        profile_mean_usd_per_mwh=np.stack([one.profile_mean_usd_per_mwh for one in found]),
        profile_std_usd_per_mwh=np.stack([one.profile_std_usd_per_mwh for one in found]),
        quality=tuple(one.quality for one in found),
        flags=tuple(one.flags for one in found),
        source_ids=found[-1].source_ids,
    )


def read_hourly_prices(path: Path) -> NDArray[np.float64]:
    """Read a user's hourly prices of one year: column ``price_usd_per_mwh``, local time from January 1, 00:00.

    Returns
    -------
    ndarray, shape (8760,)
        Prices; February 29 of a leap year is left out. [USD/MWh]

    Raises
    ------
    DataError
        If the file is missing, has another number of hours, or a cell is no price.
    """
    if not path.is_file():
        message = f"{path}: no such file"
        raise DataError(message, hint="a CSV file with a column price_usd_per_mwh and 8,760 rows")
    frame = read_table(path)
    if "price_usd_per_mwh" not in frame.columns:
        message = f"{path}:1: no column 'price_usd_per_mwh'"
        raise DataError(message, hint=f"the columns are {', '.join(map(str, frame.columns))}")
    if len(frame) not in HOURS:
        message = f"{path}: {len(frame)} rows"
        raise DataError(message, hint="one row per hour of a year: 8,760 (8,784 in a leap year)")
    values = np.full(len(frame), math.nan)
    problems = []
    low, high = PRICE_LIMITS_USD_PER_MWH
    for row, cell in enumerate(frame["price_usd_per_mwh"].tolist()):
        try:
            values[row] = float(cell)
        except ValueError:
            values[row] = math.nan
        if not low <= values[row] <= high:
            problems.append(
                Problem(f"{path}:{row + 2}:price_usd_per_mwh", f"got '{cell}'", f"give {low:g} to {high:g}")
            )
    if problems:
        message = f"{path}: {len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise DataError(message, tuple(problems[:20]))
    if len(values) == HOURS[1]:
        values = np.delete(values, slice((31 + 28) * 24, (31 + 29) * 24))
    return values


MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def month_hour_of_year() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Month (1 to 12) and hour (0 to 23) of each of the 8,760 hours."""
    month = np.repeat(np.arange(1, 13), np.array(MONTH_DAYS) * 24)
    return month, np.tile(np.arange(24), 365)


def profile_of_hours(
    price_usd_per_mwh: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and deviation of hourly prices by month and hour, shapes (12, 24). [USD/MWh]"""
    month, hour = month_hour_of_year()
    cell = (month - 1) * 24 + hour
    count = np.bincount(cell, minlength=288)
    mean = np.bincount(cell, weights=price_usd_per_mwh, minlength=288) / count
    square = np.bincount(cell, weights=(price_usd_per_mwh - mean[cell]) ** 2, minlength=288) / count
    return mean.reshape(12, 24), np.sqrt(square).reshape(12, 24)


def curve_of_hours(
    price_usd_per_mwh: NDArray[np.float64], hours_ratio: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Quantiles and exact means of the cheapest shares of hourly prices, shapes (K,). [USD/MWh]"""
    ordered = np.sort(price_usd_per_mwh)
    spent = np.concatenate([[0.0], np.cumsum(ordered)]) / len(ordered)
    share = np.arange(len(ordered) + 1) / len(ordered)
    quantile = np.quantile(ordered, hours_ratio)
    integral = np.interp(hours_ratio, share, spent)
    mean = np.divide(integral, hours_ratio, out=np.full(len(quantile), quantile[0]), where=hours_ratio > 0)
    return quantile, mean
