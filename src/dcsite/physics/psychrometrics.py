"""Moist air: saturation pressure, humidity ratio, wet bulb, density. ASHRAE (Hyland-Wexler) relations, arrays only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

ZERO_C_K = 273.15
TRIPLE_POINT_C = 0.01
VAPOR_GAS_CONSTANT = 461.5
"""Gas constant of water vapor. [J/kg/K]"""
DRY_AIR_GAS_CONSTANT = 287.042
"""Gas constant of dry air. [J/kg/K]"""
WATER_TO_AIR_MASS = 0.621945
"""Molar mass of water over that of dry air. [-]"""
MIN_RATIO = 1e-7
"""Smallest humidity ratio, as in the reference implementation of the ASHRAE relations. [-]"""
MAX_RELATIVE_HUMIDITY = 0.99
_STEPS = 20


def pressure_pa(altitude_m: ArrayLike) -> NDArray[np.float64]:
    """Standard atmospheric pressure at an altitude. [Pa]

    Examples
    --------
    >>> float(pressure_pa(1000.0).round())
    89875.0
    """
    z = np.asarray(altitude_m, dtype=np.float64)
    result: NDArray[np.float64] = 101325.0 * (1.0 - 2.25577e-5 * z) ** 5.2559
    return result


def saturation_pressure_pa(dry_bulb_c: ArrayLike) -> NDArray[np.float64]:
    """Saturation pressure over ice below the triple point, over water above. [Pa]

    Parameters
    ----------
    dry_bulb_c : array_like
        -100 to 200 C.

    Examples
    --------
    >>> saturation_pressure_pa([0.0, 20.0, 40.0]).round(2).tolist()
    [611.15, 2338.8, 7383.46]
    """
    c = np.asarray(dry_bulb_c, dtype=np.float64)
    t = c + ZERO_C_K
    ln_t = np.log(t)
    water = -5.8002206e3 / t + 1.3914993 + t * (-4.8640239e-2 + t * (4.1764768e-5 - 1.4452093e-8 * t))
    water += 6.5459673 * ln_t
    below = c <= TRIPLE_POINT_C
    if below.any():
        ice = -5.6745359e3 / t + 6.3925247
        ice += t * (-9.677843e-3 + t * (6.2215701e-7 + t * (2.0747825e-9 - 9.484024e-13 * t)))
        ice += 4.1635019 * ln_t
        water = np.where(below, ice, water)
    result: NDArray[np.float64] = np.exp(water)
    return result


def ratio_of_vapor_pressure(vapor_pa: ArrayLike, pressure: ArrayLike) -> NDArray[np.float64]:
    """Humidity ratio from vapor pressure. [kg water per kg dry air]"""
    e = np.asarray(vapor_pa, dtype=np.float64)
    p = np.asarray(pressure, dtype=np.float64)
    result: NDArray[np.float64] = np.maximum(WATER_TO_AIR_MASS * e / np.maximum(p - e, 0.05 * p), MIN_RATIO)
    return result


def saturation_ratio(dry_bulb_c: ArrayLike, pressure: ArrayLike) -> NDArray[np.float64]:
    """Humidity ratio of saturated air. [kg/kg]"""
    return ratio_of_vapor_pressure(saturation_pressure_pa(dry_bulb_c), pressure)


def ratio_of_relative_humidity(
    dry_bulb_c: ArrayLike, relative_humidity: ArrayLike, pressure: ArrayLike
) -> NDArray[np.float64]:
    """Humidity ratio from relative humidity (0 to 1). [kg/kg]"""
    rh = np.asarray(relative_humidity, dtype=np.float64)
    return ratio_of_vapor_pressure(rh * saturation_pressure_pa(dry_bulb_c), pressure)


def relative_humidity_of_density(
    dry_bulb_c: ArrayLike, density_g_per_m3: ArrayLike, *, limit: float = MAX_RELATIVE_HUMIDITY
) -> NDArray[np.float64]:
    """Relative humidity from vapor density, capped at ``limit`` (fog carries the rest). [-]"""
    c = np.asarray(dry_bulb_c, dtype=np.float64)
    vapor_pa = np.asarray(density_g_per_m3, dtype=np.float64) * (1e-3 * VAPOR_GAS_CONSTANT) * (c + ZERO_C_K)
    result: NDArray[np.float64] = np.clip(vapor_pa / saturation_pressure_pa(c), 0.0, limit)
    return result


def ratio_of_wet_bulb(
    dry_bulb_c: ArrayLike, wet_bulb_c: ArrayLike, pressure: ArrayLike
) -> NDArray[np.float64]:
    """Humidity ratio from dry and wet bulb. [kg/kg]"""
    t, wb = np.asarray(dry_bulb_c, dtype=np.float64), np.asarray(wet_bulb_c, dtype=np.float64)
    saturated = saturation_ratio(wb, pressure)
    over_water = ((2501.0 - 2.326 * wb) * saturated - 1.006 * (t - wb)) / (2501.0 + 1.86 * t - 4.186 * wb)
    over_ice = ((2830.0 - 0.24 * wb) * saturated - 1.006 * (t - wb)) / (2830.0 + 1.86 * t - 2.1 * wb)
    result: NDArray[np.float64] = np.maximum(np.where(wb >= 0.0, over_water, over_ice), MIN_RATIO)
    return result


def dew_point_c(ratio: ArrayLike, pressure: ArrayLike) -> NDArray[np.float64]:
    """Temperature at which air of this humidity ratio is saturated, by bisection within -100 to 100 C. [C]"""
    w = np.asarray(ratio, dtype=np.float64)
    vapor = np.asarray(pressure, dtype=np.float64) * w / (WATER_TO_AIR_MASS + w)
    low, high = np.full(vapor.shape, -100.0), np.full(vapor.shape, 100.0)
    for _ in range(_STEPS):
        middle = 0.5 * (low + high)
        too_warm = saturation_pressure_pa(middle) > vapor
        low = np.where(too_warm, low, middle)
        high = np.where(too_warm, middle, high)
    result: NDArray[np.float64] = 0.5 * (low + high)
    return result


def wet_bulb_c(dry_bulb_c: ArrayLike, ratio: ArrayLike, pressure: ArrayLike) -> NDArray[np.float64]:
    """Thermodynamic wet bulb by vectorized bisection. [C]

    Parameters
    ----------
    dry_bulb_c, ratio, pressure : array_like
        Dry bulb [C], humidity ratio [kg/kg], pressure [Pa]; broadcast together.

    Returns
    -------
    ndarray
        Within 0.0002 K of the root; air that is wetter than saturated has its dry bulb.

    Examples
    --------
    >>> w = ratio_of_relative_humidity(20.0, 0.4, 101325.0)
    >>> float(wet_bulb_c(20.0, w, 101325.0).round(1))
    12.4
    """
    t, w, p = np.broadcast_arrays(
        np.asarray(dry_bulb_c, dtype=np.float64),
        np.asarray(ratio, dtype=np.float64),
        np.asarray(pressure, dtype=np.float64),
    )
    # Near 0 C the relations over ice and over water both have a root; the bracket from dew point to dry bulb
    # picks the one that the reference implementation picks.
    low, high = np.minimum(dew_point_c(w, p), t), t
    for _ in range(_STEPS):
        middle = 0.5 * (low + high)
        too_warm = ratio_of_wet_bulb(t, middle, p) > w
        low = np.where(too_warm, low, middle)
        high = np.where(too_warm, middle, high)
    result: NDArray[np.float64] = 0.5 * (low + high)
    return result


def air_density(dry_bulb_c: ArrayLike, pressure: ArrayLike) -> NDArray[np.float64]:
    """Density of dry air. [kg/m3]"""
    result: NDArray[np.float64] = np.asarray(pressure, dtype=np.float64) / (
        DRY_AIR_GAS_CONSTANT * (np.asarray(dry_bulb_c, dtype=np.float64) + ZERO_C_K)
    )
    return result
