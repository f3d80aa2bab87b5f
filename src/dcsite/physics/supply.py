"""How hard water is to get at a place: scarcity from basin stress, then distance and kind of source.

Stress is physical (withdrawals over supply), the factors are declared choices with scenario keys. A
missing stress stays missing: the result is NaN, never 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

MOST_STRESS_RATIO = 0.8
"""Stress from which scarcity rises no further (factor 5)."""


def scarcity_factor(water_stress_ratio: ArrayLike) -> NDArray[np.float64]:
    """Factor on the price of water: ``1 / (1 - min(stress, 0.8))``.

    Parameters
    ----------
    water_stress_ratio : array_like
        Withdrawals over renewable supply, 0 or more. [-]

    Returns
    -------
    ndarray
        1 to 5; NaN where stress is missing. [-]

    Raises
    ------
    ValueError
        If a ratio is negative.

    Examples
    --------
    >>> scarcity_factor([0.05, 0.3, 0.9]).round(2).tolist()
    [1.05, 1.43, 5.0]
    """
    stress = np.asarray(water_stress_ratio, dtype=np.float64)
    if (stress < 0).any():
        message = f"water_stress_ratio must be >= 0, got a minimum of {np.nanmin(stress):g}"
        raise ValueError(message)
    return np.asarray(1.0 / (1.0 - np.minimum(stress, MOST_STRESS_RATIO)))


def supply_difficulty(
    water_stress_ratio: ArrayLike,
    distance_km: ArrayLike,
    kind: Sequence[str],
    *,
    doubling_km: float = 50.0,
    desalination_factor: float = 2.0,
) -> NDArray[np.float64]:
    """Difficulty of supply that weights consumption in the score.

    ``difficulty = scarcity x (1 + min(distance, doubling) / doubling) x (desalination factor at a sea-only
    site)``: 1 beside an unstressed river, 2 at twice the effort.

    Parameters
    ----------
    water_stress_ratio, distance_km : array_like, shape (S,)
        Stress of the basin [-] and distance to the nearest usable source [km]; an unknown distance counts
        as ``doubling_km``.
    kind : sequence of str, length S
        ``river``, ``lake``, ``sea``, ``none`` or ``""``.
    doubling_km
        Distance at which the effort of supply doubles (a choice). [km]
    desalination_factor
        Effort of salt water against fresh water (a choice). [-]

    Returns
    -------
    ndarray, shape (S,)
        At least 1; NaN where stress is missing. [-]
    """
    distance = np.nan_to_num(np.asarray(distance_km, dtype=np.float64), nan=doubling_km)
    reach = 1.0 + np.clip(distance, 0.0, doubling_km) / doubling_km
    salt = np.where(np.asarray(list(kind), dtype=object) == "sea", desalination_factor, 1.0)
    return np.asarray(scarcity_factor(water_stress_ratio) * reach * salt)
