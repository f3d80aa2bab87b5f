"""Great circles for the tables: nearest places and lengths, on the same sphere as the physics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dcsite.constants import EARTH_RADIUS_KM

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def unit_xyz(lat: ArrayLike, lon: ArrayLike) -> NDArray[np.float64]:
    """Points in degrees to unit vectors, shape (N, 3)."""
    phi = np.radians(np.atleast_1d(np.asarray(lat, dtype=np.float64)))
    lam = np.radians(np.atleast_1d(np.asarray(lon, dtype=np.float64)))
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=1)


def km_of_chord(chord: ArrayLike) -> NDArray[np.float64]:
    """Chord between unit vectors to great-circle length. [km]"""
    half = np.clip(np.asarray(chord, dtype=np.float64) / 2.0, 0.0, 1.0)
    return 2.0 * EARTH_RADIUS_KM.value * np.arcsin(half)


def km_between(lat_a: ArrayLike, lon_a: ArrayLike, lat_b: ArrayLike, lon_b: ArrayLike) -> NDArray[np.float64]:
    """Great-circle length of paired points, shape (N,). [km]"""
    difference = unit_xyz(lat_a, lon_a) - unit_xyz(lat_b, lon_b)
    return km_of_chord(np.sqrt((difference**2).sum(axis=1)))
