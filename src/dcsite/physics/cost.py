"""Money: annual cost per MW of rated IT power, by parts, and its levelized form.

Everything is per MW of rated IT power and year. The parts add up exactly to the total; nothing here
knows a site, a file or a score.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dcsite.units import HOURS_PER_YEAR, KG_PER_TONNE, KW_PER_MW

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

COST_PARTS = (
    "power_usd_per_mw_year",
    "demand_charge_usd_per_mw_year",
    "water_usd_per_mw_year",
    "carbon_usd_per_mw_year",
    "fixed_om_usd_per_mw_year",
    "capex_usd_per_mw_year",
)
"""Columns that sum to ``cost_usd_per_mw_year``, in the order of the waterfall."""


def capital_recovery_factor(discount_rate: float, years: float) -> float:
    """Annuity of one unit of capital: ``r / (1 - (1 + r)^-n)``, and ``1 / n`` at a rate of zero.

    Raises
    ------
    ValueError
        If the life is not positive or the rate is at most -1.

    Examples
    --------
    >>> round(capital_recovery_factor(0.08, 15), 6)
    0.11683
    """
    if years <= 0 or discount_rate <= -1:
        message = f"life must be positive and the rate above -1, got {years=:g} and {discount_rate=:g}"
        raise ValueError(message)
    if abs(discount_rate) < 1e-12:
        return 1.0 / years
    return float(discount_rate / (1.0 - (1.0 + discount_rate) ** -years))


def annual_cost_parts(
    *,
    energy_usd_per_mwh: ArrayLike,
    demand_usd_per_kw_month: ArrayLike,
    pue: ArrayLike,
    pue_peak: ArrayLike,
    withdrawal_l_per_kwh: ArrayLike,
    water_usd_per_m3: ArrayLike,
    scarcity_factor: ArrayLike,
    carbon_g_per_kwh: ArrayLike,
    carbon_price_usd_per_t: float,
    capex_usd_per_mw: ArrayLike,
    fixed_om_ratio: float,
    load_factor: float,
    peak_factor: float,
    discount_rate: float,
    life_years: float,
    min_demand_ratio: ArrayLike = 0.0,
) -> dict[str, NDArray[np.float64]]:
    """Annual cost of one MW of rated IT power by parts, all arrays broadcast against each other.

    ``power = energy price x 8760 x load factor x PUE``; the demand charge is paid on the design-hour
    facility power (at least ``min_demand_ratio`` of it is billed anyway, so that ratio changes nothing
    while the peak is reached); water is make-up volume x price x scarcity; carbon is intensity x facility
    energy x price; capex is an annuity over the life.

    Parameters
    ----------
    energy_usd_per_mwh, demand_usd_per_kw_month
        Price of energy, and of each kW of monthly peak where tariff components are known (else 0). A
        missing price (NaN) makes the part NaN, never zero.
    pue, pue_peak
        Annual mean and design-hour PUE. [-]
    withdrawal_l_per_kwh
        Make-up water per IT energy. [L/kWh]

    Returns
    -------
    dict
        One array for each of :data:`COST_PARTS` and their sum ``cost_usd_per_mw_year``. [USD/MW-year]
    """
    energy_mwh = HOURS_PER_YEAR * load_factor
    pue_ = np.asarray(pue, dtype=np.float64)
    peak_mw = np.asarray(pue_peak, dtype=np.float64) * peak_factor
    billed = np.maximum(peak_mw, np.asarray(min_demand_ratio, dtype=np.float64) * peak_mw)
    withdrawal = np.asarray(withdrawal_l_per_kwh, dtype=np.float64)
    dry = withdrawal == 0
    water = np.where(
        dry,
        0.0,
        withdrawal
        * energy_mwh
        * np.asarray(water_usd_per_m3, dtype=np.float64)
        * np.asarray(scarcity_factor, dtype=np.float64),
    )
    intensity_t_per_mwh = np.asarray(carbon_g_per_kwh, dtype=np.float64) / KG_PER_TONNE
    carbon = (
        np.zeros_like(pue_)
        if carbon_price_usd_per_t == 0
        else intensity_t_per_mwh * energy_mwh * pue_ * carbon_price_usd_per_t
    )
    capex = np.asarray(capex_usd_per_mw, dtype=np.float64)
    parts = {
        "power_usd_per_mw_year": np.asarray(energy_usd_per_mwh, dtype=np.float64) * energy_mwh * pue_,
        "demand_charge_usd_per_mw_year": np.asarray(demand_usd_per_kw_month, dtype=np.float64)
        * KW_PER_MW
        * 12.0
        * billed,
        "water_usd_per_mw_year": water,
        "carbon_usd_per_mw_year": carbon,
        "fixed_om_usd_per_mw_year": capex * fixed_om_ratio,
        "capex_usd_per_mw_year": capex * capital_recovery_factor(discount_rate, life_years),
    }
    shape = np.broadcast_shapes(*(np.shape(value) for value in parts.values()))
    result = {key: np.broadcast_to(value, shape).astype(np.float64) for key, value in parts.items()}
    result["cost_usd_per_mw_year"] = sum((result[key] for key in COST_PARTS), start=np.zeros(shape))
    return result


def levelized_cost_usd_per_it_mwh(
    cost_usd_per_mw_year: ArrayLike, *, load_factor: float, derate_ratio: ArrayLike = 0.0
) -> NDArray[np.float64]:
    """Annual cost over annual IT energy; hours lost to heat are lost energy. [USD/MWh IT]"""
    energy = HOURS_PER_YEAR * load_factor * (1.0 - np.asarray(derate_ratio, dtype=np.float64))
    return np.asarray(cost_usd_per_mw_year, dtype=np.float64) / energy
