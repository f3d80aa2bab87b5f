"""Swing weights: derived from the power of a rack and the worth of latency, not decreed.

What power, cooling and water cost scales with the power of the rack; what users pay for nearness does
not. Each swing is what moving one criterion from its worst to its best anchor is worth per rack-year,
and a weight is a swing over the sum of swings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dcsite.errors import UsageError
from dcsite.scoring.criteria import BY_NAME, MAIN, Criterion
from dcsite.spec.scenario import Scenario, Score
from dcsite.units import HOURS_PER_YEAR, KW_PER_MW

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from dcsite.spec.workload import Profile

PRICE_REF_USD_PER_MWH: float = Score.model_fields["price_ref_usd_per_mwh"].default
"""Price at which overhead energy is valued in the weights, unless the scenario says otherwise."""

PUE_REF: float = Score.model_fields["pue_ref"].default
"""PUE at which price is valued in the weights, unless the scenario says otherwise."""

WATER_VALUE_USD_PER_M3: float = Scenario.model_fields["water_value_usd_per_m3"].default
"""Value of scarcity-weighted water in the weights, unless the scenario says otherwise."""


@dataclass(frozen=True)
class Weights:
    """Weights of the criteria, summing to 1, and where they come from.

    Attributes
    ----------
    weight
        Criterion to weight. [-]
    swing_usd_per_rack_year
        Criterion to swing; empty when the user gave the weights.
    """

    weight: Mapping[str, float]
    swing_usd_per_rack_year: Mapping[str, float]
    derivation: tuple[str, ...] = ()

    @property
    def given(self) -> bool:
        """Whether the user gave the weights."""
        return not self.swing_usd_per_rack_year


def mwh_per_rack_year(profile: Profile) -> float:
    """IT energy of one rack in a year. [MWh]"""
    return profile.rack_kw / KW_PER_MW * profile.load_factor * HOURS_PER_YEAR


def swing_weights(
    profile: Profile,
    *,
    criteria: Mapping[str, Criterion] = BY_NAME,
    has_users: bool = True,
    water_value_usd_per_m3: float = WATER_VALUE_USD_PER_M3,
    price_ref_usd_per_mwh: float = PRICE_REF_USD_PER_MWH,
    pue_ref: float = PUE_REF,
) -> Weights:
    """Derive the default weights of a profile.

    ``swing_price = (worst - best) x MWh per rack-year x PUE_ref``,
    ``swing_cooling = (worst - best) x price_ref x MWh``,
    ``swing_water = (worst - best) L/kWh x water value x MWh``,
    ``swing_latency = latency worth of the profile``.

    Parameters
    ----------
    has_users
        Whether the workload has a market; without one the latency swing is 0.
    water_value_usd_per_m3, price_ref_usd_per_mwh, pue_ref
        Reference figures; those of a scenario come through :func:`scenario_weights`.

    Returns
    -------
    Weights
        With the swings and the derivation in words. Four times the rack power takes latency from about a
        half of the weight to about a fifth.
    """
    mwh = mwh_per_rack_year(profile)
    span = {name: abs(criteria[name].worst - criteria[name].best) for name in MAIN}
    swing = {
        "price": span["price"] * mwh * pue_ref,
        "water": span["water"] * water_value_usd_per_m3 * mwh,
        "cooling": span["cooling"] * price_ref_usd_per_mwh * mwh,
        "latency": profile.latency_worth_usd_per_rack_year * span["latency"] if has_users else 0.0,
    }
    total = sum(swing.values())
    lines = (
        f"{profile.rack_kw:g} kW per rack x load factor {profile.load_factor:g} x 8,760 h = {mwh:,.1f} MWh IT per rack-year",
        f"price: {span['price']:g} USD/MWh x {mwh:,.1f} MWh x PUE {pue_ref:g} = {swing['price']:,.0f} USD per rack-year",
        f"cooling: {span['cooling']:g} MWh/MWh x {price_ref_usd_per_mwh:g} USD/MWh x {mwh:,.1f} MWh = "
        f"{swing['cooling']:,.0f} USD per rack-year",
        f"water: {span['water']:g} L/kWh x {water_value_usd_per_m3:g} USD/m3 x {mwh:,.1f} MWh = "
        f"{swing['water']:,.0f} USD per rack-year",
        f"latency: worth of reaching the whole market = {swing['latency']:,.0f} USD per rack-year",
    )
    return Weights({name: value / total for name, value in swing.items()}, swing, lines)


def scenario_weights(
    profile: Profile,
    scenario: Scenario,
    *,
    criteria: Mapping[str, Criterion] = BY_NAME,
    has_users: bool = True,
) -> Weights:
    """Derive the weights of a profile with the reference figures of a scenario."""
    return swing_weights(
        profile,
        criteria=criteria,
        has_users=has_users,
        water_value_usd_per_m3=scenario.water_value_usd_per_m3,
        price_ref_usd_per_mwh=scenario.score.price_ref_usd_per_mwh,
        pue_ref=scenario.score.pue_ref,
    )


def generalized_cost_usd_per_rack_year(
    frame: pd.DataFrame,
    profile: Profile,
    *,
    has_users: bool = True,
    water_value_usd_per_m3: float = WATER_VALUE_USD_PER_M3,
    price_ref_usd_per_mwh: float = PRICE_REF_USD_PER_MWH,
    pue_ref: float = PUE_REF,
) -> NDArray[np.float64]:
    """What a site costs a rack in a year, less what nearness to users is worth. [USD per rack-year]

    ``MWh x (price x PUE_ref + overhead x price_ref + scarce water x its value) - worth x reach``. Where every
    figure lies inside its anchors, the score with derived weights is a constant minus this cost, scaled: the
    anchors cancel and the order is the order of cost. Capital is not in it.

    Parameters
    ----------
    frame
        Rows of facts, shape (S, ...).

    Returns
    -------
    ndarray, shape (S,)
    """

    def figure(name: str) -> NDArray[np.float64]:
        return np.asarray(frame[BY_NAME[name].column], dtype=np.float64)

    running = (
        figure("price") * pue_ref
        + figure("cooling") * price_ref_usd_per_mwh
        + figure("water") * water_value_usd_per_m3
    )
    worth = profile.latency_worth_usd_per_rack_year if has_users else 0.0
    nearness = worth * figure("latency") if worth > 0 else 0.0
    return np.asarray(mwh_per_rack_year(profile) * running - nearness, dtype=np.float64)


def given_weights(weights: Mapping[str, float], criteria: Mapping[str, Criterion] = BY_NAME) -> Weights:
    """Normalize weights that the user gave; criteria that are not named weigh nothing.

    Raises
    ------
    UsageError
        If a criterion is unknown, a weight is negative or not finite, or all are zero.

    Examples
    --------
    >>> given_weights({"price": 60, "carbon": 20}).weight["price"]
    0.75
    """
    for name, value in weights.items():
        if name not in criteria:
            message = f"weights: unknown criterion '{name}'"
            raise UsageError(message, hint=f"the criteria are {', '.join(criteria)}")
        if not 0 <= value < float("inf"):
            message = f"weights: the weight of {name} must be 0 or more, got {value:g}"
            raise UsageError(message)
    total = sum(weights.values())
    if total <= 0:
        message = "weights: at least one weight must be above 0"
        raise UsageError(message, hint="for example price=40,water=20,cooling=25,latency=15")
    scaled = {
        name: weights.get(name, 0.0) / total for name in criteria if name in MAIN or weights.get(name, 0) > 0
    }
    return Weights(scaled, {})
