"""Water of cooling: evaporation, make-up, once-through flow, and volumes per year and per hour.

Withdrawal is what is taken in, consumption what does not come back; the two are never mixed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

LATENT_HEAT_J_PER_KG = 2.45e6
J_PER_KWH = 3.6e6
WATER_HEAT_KJ_PER_KG_K = 4.186
SOURCE_LIMITS_C = (1.0, 30.0)
US_GALLON_L = 3.785411784
"""Liters per US gallon (exact by definition)."""


def tower_evaporation(heat: ArrayLike, *, latent_share: float) -> NDArray[np.float64]:
    """Water that a tower evaporates for rejected heat per IT power. [L/kWh]

    Examples
    --------
    >>> float(tower_evaporation(1.05, latent_share=0.85).round(3))
    1.311
    """
    result: NDArray[np.float64] = (
        np.asarray(heat, dtype=np.float64) * latent_share / LATENT_HEAT_J_PER_KG * J_PER_KWH
    )
    return result


def make_up(evaporation: ArrayLike, *, cycles: float) -> NDArray[np.float64]:
    """Withdrawal of a tower: evaporation plus the blowdown that keeps salts at ``cycles`` of concentration.

    Raises
    ------
    ValueError
        If ``cycles`` is not above 1: no finite flow would do.

    Examples
    --------
    >>> float(make_up(1.311, cycles=5.0).round(3))
    1.639
    """
    if cycles <= 1:
        message = f"cycles of concentration must be above 1, got {cycles:g}"
        raise ValueError(message)
    result: NDArray[np.float64] = np.asarray(evaporation, dtype=np.float64) * (cycles / (cycles - 1.0))
    return result


def consumed_of_withdrawn(withdrawal: ArrayLike, *, cycles: float) -> NDArray[np.float64]:
    """Consumption of a tower from its withdrawal: inverse of :func:`make_up`.

    Examples
    --------
    >>> float(consumed_of_withdrawn(358.3, cycles=4.276).round(1))
    274.5
    """
    result: NDArray[np.float64] = np.asarray(withdrawal, dtype=np.float64) * (1.0 - 1.0 / cycles)
    return result


def once_through_flow(heat: ArrayLike, *, rise_k: float) -> NDArray[np.float64]:
    """Flow that takes rejected heat with a temperature rise: 86 L/kWh at 10 K, 108 at 8 K. [L/kWh]

    Examples
    --------
    >>> once_through_flow([1.0], rise_k=10.0).round(1).tolist()
    [86.0]
    """
    result: NDArray[np.float64] = np.asarray(heat, dtype=np.float64) * (
        3600.0 / (WATER_HEAT_KJ_PER_KG_K * rise_k)
    )
    return result


def source_temperature_c(month_mean_c: NDArray[np.float64]) -> NDArray[np.float64]:
    """Estimate of river, lake or sea temperature: air of the month before, 1 to 30 C, shape (S, 12). [C]"""
    result: NDArray[np.float64] = np.clip(np.roll(month_mean_c, 1, axis=1), *SOURCE_LIMITS_C)
    return result


def it_mw_of_gallons_per_day(gallons_per_day: float, l_per_kwh: float) -> float:
    """IT power that uses a daily volume at a given use per IT energy. [MW]

    Examples
    --------
    >>> round(it_mw_of_gallons_per_day(360_000, 3.79), 1)
    15.0
    """
    return gallons_per_day * US_GALLON_L / l_per_kwh / 24.0 / 1000.0
