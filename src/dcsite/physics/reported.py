"""What operators report: annual PUE and water per technology, from physics and the mean of reported sites.

Among reported sites of one technology climate explains little and the technology much, so the estimate is
the technology's reported mean plus a share of the climate's effect in the physics. Parameters come as plain
arrays (``profiles/cooling_fit.csv``, made by ``scripts/fit_cooling.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

YEAR_LIMITS = (2020.0, 2026.0)
"""Years between which the trend runs; earlier and later years take the ends."""
YEAR_REFERENCE = 2023.5
DEFAULT_YEAR = 2024.0
WARMTH_REFERENCE_C = 20.0
WARMTH_FACTOR_LIMITS = (0.5, 1.5)
LOWEST_PUE = 1.01


@dataclass(frozen=True)
class ReportedFit:
    """Parameters per technology, each of shape (K,), in the order of ``technologies``.

    Attributes
    ----------
    pue_mean, pue_center, pue_slope
        Estimate = mean + slope x (physics - center). [-]
    pue_below, pue_above
        Half widths of the 80 % interval. [-]
    wue_factor, wue_warmth_per_k
        Reported over modeled water at 20 C annual mean, and its change per kelvin. [-, 1/K]
    wue_low_factor, wue_high_factor
        80 % interval of reported over estimated water. [-]
    trend_ratio
        Yearly change of the overhead (PUE - 1). [1/year]
    vintage_shift
        Added to PUE per vintage. [-]
    """

    technologies: tuple[str, ...]
    pue_mean: NDArray[np.float64]
    pue_center: NDArray[np.float64]
    pue_slope: NDArray[np.float64]
    pue_below: NDArray[np.float64]
    pue_above: NDArray[np.float64]
    wue_factor: NDArray[np.float64]
    wue_warmth_per_k: NDArray[np.float64]
    wue_low_factor: NDArray[np.float64]
    wue_high_factor: NDArray[np.float64]
    trend_ratio: float
    vintage_shift: Mapping[str, float]


def reported_pue(
    fit: ReportedFit,
    technology: NDArray[np.int64],
    physics: ArrayLike,
    *,
    year: ArrayLike = DEFAULT_YEAR,
    shift: ArrayLike = 0.0,
) -> NDArray[np.float64]:
    """PUE as operators would report it, shape (N,).

    Parameters
    ----------
    technology : ndarray, shape (N,)
        Position in ``fit.technologies``.
    physics : array_like, shape (N,)
        Annual PUE of the physics with the technology's own terms. [-]
    year : array_like
        Year of the figure; NaN takes 2024.
    shift : array_like
        Shift of the vintage. [-]
    """
    base = fit.pue_mean[technology] + fit.pue_slope[technology] * (
        np.asarray(physics, dtype=np.float64) - fit.pue_center[technology]
    )
    when = np.asarray(year, dtype=np.float64)
    when = np.clip(np.where(np.isfinite(when), when, DEFAULT_YEAR), *YEAR_LIMITS) - YEAR_REFERENCE
    overhead = (base - 1.0) * (1.0 + fit.trend_ratio * when)
    result: NDArray[np.float64] = np.maximum(1.0 + overhead + np.asarray(shift, float), LOWEST_PUE)
    return result


def reported_water_factor(
    fit: ReportedFit, technology: NDArray[np.int64], annual_mean_c: ArrayLike
) -> NDArray[np.float64]:
    """Reported over modeled water, shape (N,). [-]"""
    warmth = np.asarray(annual_mean_c, dtype=np.float64) - WARMTH_REFERENCE_C
    slope = np.clip(1.0 + fit.wue_warmth_per_k[technology] * warmth, *WARMTH_FACTOR_LIMITS)
    result: NDArray[np.float64] = fit.wue_factor[technology] * slope
    return result
