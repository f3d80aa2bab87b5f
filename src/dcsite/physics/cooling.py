"""What cooling needs: power and water of each technology for each state of the outdoor air, per watt of IT.

Arrays in, arrays out; technology parameters come as plain mappings. Everything is per watt of IT power and
``q`` is the heat to reject. Annual figures are hour-weighted means; places are histograms of air states
(:mod:`dcsite.physics.climate`). For screening, not for plant design.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dcsite.physics.climate import (
    CELLS,
    DRY_BULB_NODES,
    HOURS_PER_YEAR,
    LN_VAPOR_NODES,
    PRESSURE_NODES_PA,
    pressure_weights,
)
from dcsite.physics.psychrometrics import (
    ZERO_C_K,
    air_density,
    ratio_of_relative_humidity,
    ratio_of_wet_bulb,
    relative_humidity_of_density,
    saturation_ratio,
    wet_bulb_c,
)
from dcsite.physics.water import LATENT_HEAT_J_PER_KG, make_up, source_temperature_c, tower_evaporation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from dcsite.physics.climate import AirStates

AIR_HEAT_J_PER_KG_K = 1006.0
WATER_HEAT_J_PER_KG_K = 4186.0
L_PER_KWH = 3.6e6
"""kg/s per W to L/kWh."""
COP_CAP_AIR, COP_CAP_WATER = 12.0, 25.0
MIN_LIFT_K = 3.0
PINCH_K = 1.5
"""Temperature difference across an evaporator or a condenser fed with water. [K]"""
REFERENCE_SUPPLY_C = 27.0
"""Supply temperature that the typical set points belong to. [C]"""
DRY_TECHNOLOGIES = ("liquid_dry", "immersion", "free_air_crypto")
LIQUID_TECHNOLOGIES = ("liquid_dry", "liquid_tower", "immersion")

INHERITS: dict[str, tuple[str, ...]] = {
    "free_air_crypto": ("air_econ_adiabatic",),
    "air_econ_adiabatic": (),
    "air_chiller": ("tower_wse", "air_econ_adiabatic"),
    "air_chiller_econ": ("air_chiller", "tower_wse", "air_econ_adiabatic"),
    "water_chiller_tower": ("tower_wse", "air_econ_adiabatic"),
    "tower_wse": ("air_econ_adiabatic",),
    "liquid_dry": ("air_chiller", "tower_wse", "air_econ_adiabatic"),
    "liquid_tower": ("liquid_dry", "tower_wse", "air_econ_adiabatic"),
    "immersion": ("liquid_dry", "air_chiller", "tower_wse", "air_econ_adiabatic"),
    "once_through": ("tower_wse", "air_econ_adiabatic"),
}
"""Technologies, and where each looks for symbols it does not list itself."""
TECHNOLOGIES = tuple(INHERITS)
ELECTRICAL = ("eta_ups", "f_dist", "f_light", "f_misc")


@dataclass(frozen=True)
class Settings:
    """What a load and a facility ask of the plant.

    Attributes
    ----------
    supply_c
        Highest air supply temperature; the set points move with it from 27 C. [C]
    water_supply_c
        Facility water supply of cold plates; None takes the technology's own. [C]
    liquid_share
        Largest share of the heat that goes to liquid. [-]
    electrical
        Common electrical terms of the facility class; empty takes each technology's own.
    pads
        Whether dry coolers and miners get evaporative pads.
    legacy
        Whether fans take the unfavorable end of their range.
    utilization
        Running over built MW: fixed losses scale with the built. [-]
    """

    supply_c: float = REFERENCE_SUPPLY_C
    water_supply_c: float | None = None
    liquid_share: float = 1.0
    electrical: Mapping[str, float] = field(default_factory=dict)
    pads: bool = False
    legacy: bool = False
    utilization: float = 1.0


class Response(NamedTuple):
    """What one technology does in each air state; arrays of one shape.

    ``pue`` [-], ``consumption`` and ``withdrawal`` [L/kWh IT], ``trim`` (1 where compressors run),
    ``wet`` (1 where water is used), ``derate`` (share of the load that must stop), ``chiller`` [W/W].
    """

    pue: NDArray[np.float64]
    consumption: NDArray[np.float64]
    withdrawal: NDArray[np.float64]
    trim: NDArray[np.float64]
    wet: NDArray[np.float64]
    derate: NDArray[np.float64]
    chiller: NDArray[np.float64]


@dataclass(frozen=True)
class AirState:
    """Outdoor air: dry bulb [C], humidity ratio [kg/kg], wet bulb [C], pressure [Pa]; one shape."""

    dry_bulb_c: NDArray[np.float64]
    ratio: NDArray[np.float64]
    wet_bulb_c: NDArray[np.float64]
    pressure: NDArray[np.float64]


def resolve(rows: Mapping[str, Mapping[str, float]], technology: str) -> dict[str, float]:
    """All symbols of a technology: its own, then those of the technologies it inherits from.

    Parameters
    ----------
    rows : mapping
        Technology to its own symbols.

    Raises
    ------
    KeyError
        If the technology is unknown.
    """
    result: dict[str, float] = {}
    for name in (technology, *INHERITS[technology]):
        for symbol, value in rows.get(name, {}).items():
            result.setdefault(symbol, value)
    return result


def air_of_density(
    dry_bulb_c: NDArray[np.float64], ln_vapor: NDArray[np.float64], pressure: NDArray[np.float64]
) -> AirState:
    """Air state from dry bulb, log vapor density [g/m3] (capped at 99 % relative humidity) and pressure."""
    db, ln, p = np.broadcast_arrays(dry_bulb_c, ln_vapor, pressure)
    ratio = ratio_of_relative_humidity(db, relative_humidity_of_density(db, np.exp(ln)), p)
    return AirState(db, ratio, wet_bulb_c(db, ratio, p), p)


def air_of_wet_bulb(
    dry_bulb_c: NDArray[np.float64], wet_bulb: NDArray[np.float64], pressure: NDArray[np.float64]
) -> AirState:
    """Air state from dry bulb, wet bulb (at most the dry bulb) and pressure."""
    db, wb, p = np.broadcast_arrays(dry_bulb_c, np.minimum(wet_bulb, dry_bulb_c), pressure)
    return AirState(db, ratio_of_wet_bulb(db, wb, p), wb, p)


# --- pieces -------------------------------------------------------------------------------------------


def electrical_loss(terms: Mapping[str, float]) -> float:
    """Losses of UPS, distribution and lighting per IT power; ``el`` itself where a technology gives it. [-]"""
    if "el" in terms:
        return terms["el"]
    return (1.0 / terms["eta_ups"] - 1.0) + (1.0 / (1.0 - terms["f_dist"]) - 1.0) + terms["f_light"]


def fan_power(
    heat: NDArray[np.float64] | float,
    *,
    rise_k: float,
    pressure_pa: float,
    efficiency: float,
    density: NDArray[np.float64] | float,
) -> NDArray[np.float64]:
    """Fan power that moves heat with air. [W per W]

    Examples
    --------
    >>> float(fan_power(1.0, rise_k=14.0, pressure_pa=450.0, efficiency=0.7, density=1.2).round(5))
    0.03804
    """
    flow = np.asarray(heat, dtype=np.float64) / (AIR_HEAT_J_PER_KG_K * rise_k) / density
    result: NDArray[np.float64] = flow * pressure_pa / efficiency
    return result


def pump_power(
    heat: NDArray[np.float64] | float, *, rise_k: float, head_pa: float, efficiency: float
) -> NDArray[np.float64]:
    """Pump power that moves heat with water. [W per W]

    Examples
    --------
    >>> float(pump_power(1.0, rise_k=8.0, head_pa=100e3, efficiency=0.75).round(6))
    0.003982
    """
    result: NDArray[np.float64] = (
        np.asarray(heat, dtype=np.float64)
        / (WATER_HEAT_J_PER_KG_K * rise_k)
        * head_pa
        / (1000.0 * efficiency)
    )
    return result


def chiller_cop(
    evaporating_c: NDArray[np.float64] | float,
    condensing_c: NDArray[np.float64] | float,
    *,
    carnot_share: float,
    cap: float,
) -> NDArray[np.float64]:
    """Coefficient of performance as a share of Carnot, lift at least 3 K, capped. [-]

    Examples
    --------
    >>> float(chiller_cop(14.0, 40.0, carnot_share=0.45, cap=12.0).round(3))
    4.97
    """
    cold = np.asarray(evaporating_c, dtype=np.float64)
    lift = np.maximum(np.asarray(condensing_c, dtype=np.float64) - cold, MIN_LIFT_K)
    return np.minimum(carnot_share * (cold + ZERO_C_K) / lift, cap)


def free_share(return_c: float, supply_c: float, available_c: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the heat that an economizer takes when it can deliver water at ``available_c``. [-]"""
    return np.clip((return_c - available_c) / (return_c - supply_c), 0.0, 1.0)


# --- technologies -------------------------------------------------------------------------------------


def _terms(p: Mapping[str, float], settings: Settings) -> tuple[float, float]:
    """Electrical loss and other overhead, per IT power."""
    terms = settings.electrical or p
    loss = electrical_loss(terms) / settings.utilization
    misc = 0.0 if "el" in terms else terms["f_misc"]  # el holds all overhead of miners
    return loss, misc / settings.utilization


def _pack(
    shape: tuple[int, ...],
    pue: NDArray[np.float64],
    *,
    consumption: NDArray[np.float64] | float = 0.0,
    withdrawal: NDArray[np.float64] | float | None = None,
    trim: NDArray[np.float64] | float = 0.0,
    derate: NDArray[np.float64] | float = 0.0,
    chiller: NDArray[np.float64] | float = 0.0,
) -> Response:
    """Response with every part broadcast to one shape."""

    def full(value: NDArray[np.float64] | float) -> NDArray[np.float64]:
        return np.broadcast_to(np.asarray(value, dtype=np.float64), shape)

    used = full(consumption)
    drawn = used if withdrawal is None else full(withdrawal)
    return Response(
        full(pue),
        used,
        drawn,
        (full(trim) > 0).astype(float),
        (drawn > 0).astype(float),
        full(derate),
        full(chiller),
    )


def _set_point(p: Mapping[str, float], settings: Settings) -> float:
    """Supply air set point, moved with the allowed supply temperature."""
    return p["tsa"] + settings.supply_c - REFERENCE_SUPPLY_C


def adiabatic(air: AirState, p: Mapping[str, float], settings: Settings) -> Response:
    """Outdoor air through evaporative pads, with a trim DX coil for what pads cannot do."""
    loss, misc = _terms(p, settings)
    q, rise, supply = 1.0 + loss, p["dT"], _set_point(p, settings)
    flow = q / (AIR_HEAT_J_PER_KG_K * rise)
    wettest = saturation_ratio(p["dp_max"], air.pressure)
    shut = air.ratio > wettest
    need = np.maximum(air.dry_bulb_c - supply, 0.0)
    pads = p["eps"] * p.get("pads_on", 1.0) * (air.dry_bulb_c - air.wet_bulb_c)
    room = np.maximum(wettest - air.ratio, 0.0) * LATENT_HEAT_J_PER_KG / AIR_HEAT_J_PER_KG_K
    use = np.where(shut, 0.0, np.minimum(np.minimum(need, pads), room))
    mechanical = np.where(shut, 1.0, np.clip((need - use) / rise, 0.0, 1.0))
    lowest = p["tsa_lo"]
    outdoor = np.where(shut, 0.0, np.minimum(1.0, rise / np.maximum(lowest + rise - air.dry_bulb_c, rise)))
    driest = saturation_ratio(p["dp_min"], air.pressure)
    humidify = flow * outdoor * np.maximum(driest - air.ratio, 0.0) * (p["eps"] > 0)
    water = (p["bleed"] * flow * AIR_HEAT_J_PER_KG_K * use / LATENT_HEAT_J_PER_KG + humidify) * L_PER_KWH
    fan = fan_power(
        q,
        rise_k=rise,
        pressure_pa=p["dp_fan"],
        efficiency=p["eff_fan"],
        density=air_density(np.maximum(air.dry_bulb_c, lowest), air.pressure),
    )
    cop = chiller_cop(p["te"], air.dry_bulb_c + p["app_c"], carnot_share=p["eta"], cap=COP_CAP_AIR)
    chiller = q * mechanical / cop
    pue = 1.0 + loss + misc + fan + chiller + q * mechanical * p["f_aux"]
    return _pack(air.dry_bulb_c.shape, pue, consumption=water, trim=mechanical, chiller=chiller)


class _Coil(NamedTuple):
    heat: NDArray[np.float64] | float
    fan: NDArray[np.float64]
    supply_water_c: float
    return_water_c: float


def _coil(heat: float, air: AirState, p: Mapping[str, float], settings: Settings) -> _Coil:
    """Room side of a chilled-water system: fans, latent share, water temperatures."""
    supply = _set_point(p, settings)
    taken = heat / p["shr"]
    fan = fan_power(
        taken,
        rise_k=p["dT"],
        pressure_pa=p["dp_fan"],
        efficiency=p["eff_fan"],
        density=air_density(REFERENCE_SUPPLY_C, air.pressure),
    )
    cold = supply - p["app_coil"]
    return _Coil(taken, fan, cold, cold + p["dTw"])


def _air_chilled(
    heat: float, air: AirState, p: Mapping[str, float], settings: Settings, *, economizer: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Power, compressor power and mechanical share of chilled water with air condensers, for some heat."""
    coil = _coil(heat, air, p, settings)
    free = (
        free_share(coil.return_water_c, coil.supply_water_c, air.dry_bulb_c + p["app_dry"])
        if economizer
        else np.zeros(air.dry_bulb_c.shape)
    )
    cop = chiller_cop(
        coil.supply_water_c - PINCH_K, air.dry_bulb_c + p["app_c"], carnot_share=p["eta"], cap=COP_CAP_AIR
    )
    chiller = coil.heat * (1.0 - free) / cop
    pump = pump_power(coil.heat, rise_k=p["dTw"], head_pa=p["hp_w"], efficiency=p["eff_p"])
    power = coil.fan + pump + chiller + p["fan_dry"] * (coil.heat + chiller)
    return power, chiller, 1.0 - free


def air_chiller(air: AirState, p: Mapping[str, float], settings: Settings, *, economizer: bool) -> Response:
    """Chilled water with air condensers, with or without dry free cooling; a little water humidifies."""
    loss, misc = _terms(p, settings)
    power, chiller, mechanical = _air_chilled(1.0 + loss, air, p, settings, economizer=economizer)
    pue = 1.0 + loss + misc + power
    return _pack(air.dry_bulb_c.shape, pue, consumption=p["w_hum"], trim=mechanical, chiller=chiller)


def _tower_loop(
    heat: NDArray[np.float64] | float, chiller: NDArray[np.float64], p: Mapping[str, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Power of a cooling tower with its loop, evaporation and make-up [L/kWh]."""
    rejected = heat + chiller
    pump = pump_power(rejected, rise_k=p["dTct"], head_pa=p["hp_ct"], efficiency=p["eff_p"])
    evaporation = tower_evaporation(rejected, latent_share=p["f_lat"])
    return pump + p["fan_ct"] * rejected, evaporation, make_up(evaporation, cycles=p["coc"])


def tower(air: AirState, p: Mapping[str, float], settings: Settings, *, economizer: bool) -> Response:
    """Chilled water with cooling towers, with or without a water-side economizer."""
    loss, misc = _terms(p, settings)
    coil = _coil(1.0 + loss, air, p, settings)
    cold = air.wet_bulb_c + p["app_t"]
    free = (
        free_share(coil.return_water_c, coil.supply_water_c, cold + p["app_hx"])
        if economizer
        else np.zeros(air.dry_bulb_c.shape)
    )
    cop = chiller_cop(
        coil.supply_water_c - PINCH_K, cold + p["dTct"] + PINCH_K, carnot_share=p["eta"], cap=COP_CAP_WATER
    )
    chiller = coil.heat * (1.0 - free) / cop
    pump = pump_power(coil.heat, rise_k=p["dTw"], head_pa=p["hp_w"], efficiency=p["eff_p"])
    outside, evaporation, drawn = _tower_loop(coil.heat, chiller, p)
    pue = 1.0 + loss + misc + coil.fan + pump + chiller + outside
    return _pack(
        air.dry_bulb_c.shape,
        pue,
        consumption=evaporation,
        withdrawal=drawn,
        trim=1.0 - free,
        chiller=chiller,
    )


def liquid(
    air: AirState,
    p: Mapping[str, float],
    residual: Mapping[str, float],
    settings: Settings,
    *,
    wet: bool,
    own_water: bool = False,
) -> Response:
    """Cold plates or a bath to facility water; the rest of the heat through air chillers with free cooling.

    ``residual`` are the parameters of ``air_chiller_econ``; ``wet`` puts a tower in place of the dry cooler;
    ``own_water`` keeps the technology's own water temperature whatever the load allows.
    """
    loss, misc = _terms(p, settings)
    share = min(p["f_liq"], settings.liquid_share)
    supply = p["tfw"] if own_water or settings.water_supply_c is None else settings.water_supply_c
    rest = 1.0 + loss - share
    room = Settings(legacy=settings.legacy)
    power, rest_chiller, rest_mechanical = _air_chilled(rest, air, residual, room, economizer=True)
    pump = pump_power(share, rise_k=p["dTw"], head_pa=p["hp_w"], efficiency=p["eff_p"])
    shape = air.dry_bulb_c.shape
    if wet:
        cold = air.wet_bulb_c + p["app_t"]
        free = free_share(supply + p["dTw"], supply, cold + p["app_hx"])
        condensing = cold + p["dTct"] + PINCH_K
        cap = COP_CAP_WATER
    else:
        entering = air.dry_bulb_c
        if settings.pads or p.get("pads_on", 0.0) > 0:
            wanted = np.maximum(air.dry_bulb_c + p["app_dry"] - supply, 0.0)
            entering = entering - np.minimum(wanted, p["eps"] * (air.dry_bulb_c - air.wet_bulb_c))
        free = free_share(supply + p["dTw"], supply, entering + p["app_dry"])
        condensing = entering + p["app_c"]
        cap = COP_CAP_AIR
    cop = chiller_cop(supply - PINCH_K, condensing, carnot_share=p["eta"], cap=cap)
    chiller = share * (1.0 - free) / cop
    consumption: NDArray[np.float64] | float = 0.0
    drawn: NDArray[np.float64] | float = 0.0
    if wet:
        outside, consumption, drawn = _tower_loop(share, chiller, p)
    else:
        outside = p["fan_dry"] * (share + chiller)
        if settings.pads or p.get("pads_on", 0.0) > 0:
            # Air through a dry cooler rises by about the water's range; pads wet all of it.
            flow = (share + chiller) / (AIR_HEAT_J_PER_KG_K * p["dTw"])
            spent = AIR_HEAT_J_PER_KG_K * (air.dry_bulb_c - entering) / LATENT_HEAT_J_PER_KG
            consumption = drawn = p["bleed"] * flow * spent * L_PER_KWH
    pue = 1.0 + loss + misc + power + pump + chiller + outside
    mechanical = np.maximum(1.0 - free, rest_mechanical)
    return _pack(
        shape, pue, consumption=consumption, withdrawal=drawn, trim=mechanical, chiller=chiller + rest_chiller
    )


def free_air(air: AirState, p: Mapping[str, float], settings: Settings) -> Response:
    """Miners in outdoor air: the same PUE everywhere; heat above ``t_max`` stops part of the load."""
    loss, misc = _terms(p, settings)
    entering = air.dry_bulb_c
    water = np.zeros(air.dry_bulb_c.shape)
    if settings.pads or p.get("pads_on", 0.0) > 0:
        need = np.maximum(air.dry_bulb_c - p["t_pad"], 0.0)
        use = np.minimum(need, p["eps"] * (air.dry_bulb_c - air.wet_bulb_c))
        entering = air.dry_bulb_c - use
        flow = (1.0 + loss) / (AIR_HEAT_J_PER_KG_K * p["dT"])
        water = p["bleed"] * flow * AIR_HEAT_J_PER_KG_K * use / LATENT_HEAT_J_PER_KG * L_PER_KWH
    derate = np.clip((entering - p["t_max"]) / (p["t_stop"] - p["t_max"]), 0.0, 1.0)
    pue = np.full(air.dry_bulb_c.shape, 1.0 + loss + misc + p["fan"])
    return _pack(air.dry_bulb_c.shape, pue, consumption=water, derate=derate)


def once_through(
    source_c: NDArray[np.float64], pressure: NDArray[np.float64], p: Mapping[str, float], settings: Settings
) -> Response:
    """River, lake or sea water through a heat exchanger, trim chiller where it is too warm.

    ``source_c`` and ``pressure`` broadcast; withdrawal is the flow that rises by ``dT_src``, consumption 0.
    """
    from dcsite.physics.water import once_through_flow

    loss, misc = _terms(p, settings)
    source, at = np.broadcast_arrays(source_c, pressure)
    coil = _coil(1.0 + loss, AirState(source, source, source, at), p, settings)
    free = free_share(coil.return_water_c, coil.supply_water_c, source + p["app_hx"])
    cop = chiller_cop(
        coil.supply_water_c - PINCH_K,
        source + p["dT_src"] + PINCH_K,
        carnot_share=p["eta"],
        cap=COP_CAP_WATER,
    )
    chiller = coil.heat * (1.0 - free) / cop
    pump = pump_power(coil.heat, rise_k=p["dTw"], head_pa=p["hp_w"], efficiency=p["eff_p"])
    rejected = coil.heat + chiller
    lift = pump_power(rejected, rise_k=p["dT_src"], head_pa=9806.65 * p["head"], efficiency=p["eff_p"])
    pue = 1.0 + loss + misc + coil.fan + pump + chiller + lift
    return _pack(
        source.shape,
        pue,
        withdrawal=once_through_flow(rejected, rise_k=p["dT_src"]),
        trim=1.0 - free,
        chiller=chiller,
    )


def respond(
    technology: str, air: AirState, rows: Mapping[str, Mapping[str, float]], settings: Settings
) -> Response:
    """Response of any technology but ``once_through`` (whose source has a temperature of its own).

    Raises
    ------
    KeyError
        If the technology is unknown.
    """
    p = resolve(rows, technology)
    match technology:
        case "air_econ_adiabatic":
            return adiabatic(air, p, settings)
        case "air_chiller" | "air_chiller_econ":
            return air_chiller(air, p, settings, economizer=technology == "air_chiller_econ")
        case "tower_wse" | "water_chiller_tower":
            return tower(air, p, settings, economizer=technology == "tower_wse")
        case "liquid_dry" | "liquid_tower" | "immersion":
            return liquid(
                air,
                p,
                resolve(rows, "air_chiller_econ"),
                settings,
                wet=technology == "liquid_tower",
                own_water=technology == "immersion",
            )
        case "free_air_crypto":
            return free_air(air, p, settings)
    message = f"technology '{technology}' has no response to outdoor air"
    raise KeyError(message)


# --- annual figures -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Annual:
    """Hour-weighted means of one technology at S places, each of shape (S,).

    ``pue`` [-], ``consumption`` and ``withdrawal`` [L/kWh IT], ``trim_hours`` and ``water_hours`` [h/year],
    ``derate`` [-] (share of the year's load lost to heat), ``chiller`` [W/W].
    """

    pue: NDArray[np.float64]
    consumption: NDArray[np.float64]
    withdrawal: NDArray[np.float64]
    trim_hours: NDArray[np.float64]
    water_hours: NDArray[np.float64]
    derate: NDArray[np.float64]
    chiller: NDArray[np.float64]

    @classmethod
    def of(cls, means: NDArray[np.float64]) -> Annual:
        """From means of the parts of :class:`Response`, shape (S, 7)."""
        pue, used, drawn, trim, wet, derate, chiller = means.T
        return cls(pue, used, drawn, trim * HOURS_PER_YEAR, wet * HOURS_PER_YEAR, derate, chiller)


@lru_cache(maxsize=16)
def _node_air(node: int) -> AirState:
    """Air at every cell corner for one pressure node, shape (C,)."""
    db, ln = np.meshgrid(DRY_BULB_NODES, LN_VAPOR_NODES, indexing="ij")
    return air_of_density(db.ravel(), ln.ravel(), np.full(CELLS, PRESSURE_NODES_PA[node]))


def response_table(
    technology: str, node: int, rows: Mapping[str, Mapping[str, float]], settings: Settings
) -> Response:
    """Response at every cell corner for one pressure node, parts of shape (C,)."""
    return respond(technology, _node_air(node), rows, settings)


def annual_means(
    states: AirStates,
    technologies: Sequence[str],
    rows: Mapping[str, Mapping[str, float]],
    settings: Mapping[str, Settings],
) -> dict[str, Annual]:
    """Annual means of several technologies at S places.

    Parameters
    ----------
    states : AirStates
    technologies : sequence of str
    rows : mapping
        Technology to its own symbols.
    settings : mapping
        Technology to what is asked of it.
    """
    from_air = [name for name in technologies if name != "once_through"]
    parts = len(Response._fields)
    means = np.zeros((states.pressure.size, len(from_air) * parts))
    weights = pressure_weights(states.pressure)
    seen = np.flatnonzero(states.hours.any(axis=0))
    hours = states.hours[:, seen] / HOURS_PER_YEAR
    for node in range(PRESSURE_NODES_PA.size):
        at = np.flatnonzero(weights[:, node] > 0)
        if not at.size or not from_air:
            continue
        air = _node_air(node)
        air = AirState(*(getattr(air, f.name)[seen] for f in fields(air)))
        table = np.stack(
            [part for name in from_air for part in respond(name, air, rows, settings[name])], axis=1
        )
        means[at] += weights[at, node][:, None] * (hours[at] @ table)
    result = {name: Annual.of(means[:, k * parts : (k + 1) * parts]) for k, name in enumerate(from_air)}
    if "once_through" in technologies:
        source = source_temperature_c(states.month_mean_c)
        response = once_through(
            source, states.pressure[:, None], resolve(rows, "once_through"), settings["once_through"]
        )
        result["once_through"] = Annual.of(np.stack([part.mean(axis=1) for part in response], axis=1))
    return result


def mixed(parts: Sequence[Annual], shares: Sequence[float]) -> Annual:
    """Several technologies under one roof: heat-weighted means.

    Raises
    ------
    ValueError
        If the shares are negative or do not sum to 1.
    """
    if min(shares) < 0 or abs(sum(shares) - 1.0) > 1e-6:
        message = f"shares must be >= 0 and sum to 1, got {list(shares)}"
        raise ValueError(message)
    return Annual(
        **{
            f.name: sum(share * getattr(part, f.name) for part, share in zip(parts, shares, strict=True))
            for f in fields(Annual)
        }
    )


@dataclass(frozen=True)
class DesignPoint:
    """Design conditions of S places, each of shape (S,). [C]

    ``dry_bulb_c`` with its coincident wet bulb ``dry_bulb_wb_c``, and ``wet_bulb_c`` with its coincident dry
    bulb ``wet_bulb_db_c``: exceeded in 0.4 % of the hours.
    """

    dry_bulb_c: NDArray[np.float64]
    dry_bulb_wb_c: NDArray[np.float64]
    wet_bulb_c: NDArray[np.float64]
    wet_bulb_db_c: NDArray[np.float64]


def design_point(states: AirStates, *, exceeded_ratio: float = 0.004) -> DesignPoint:
    """Dry and wet bulb exceeded in a share of the hours, each with the mean of the other beside it."""
    sites = states.pressure.size
    weights = pressure_weights(states.pressure)
    nearest = weights.argmax(axis=1)
    hours = states.hours.reshape(sites, DRY_BULB_NODES.size, LN_VAPOR_NODES.size)
    result = np.empty((4, sites))
    for node in np.unique(nearest):
        at = np.flatnonzero(nearest == node)
        air = _node_air(int(node))
        wet = air.wet_bulb_c.reshape(hours.shape[1:])
        result[0, at] = _upper_quantile(hours[at].sum(axis=2), DRY_BULB_NODES, exceeded_ratio)
        closeness = np.exp(-0.5 * (DRY_BULB_NODES[None, :] - result[0, at][:, None]) ** 2)
        near = hours[at] * closeness[:, :, None]
        result[1, at] = (near * wet).sum(axis=(1, 2)) / near.sum(axis=(1, 2))
        # Wet bulb: cells in half-kelvin classes.
        classes = np.arange(-60.0, 62.25, 0.5)
        lower = np.clip(((wet.ravel() - classes[0]) / 0.5).astype(int), 0, classes.size - 2)
        up = np.clip((wet.ravel() - classes[lower]) / 0.5, 0.0, 1.0)
        flat = states.hours[at]
        for row, site in enumerate(at):
            cells = np.flatnonzero(flat[row])
            w = flat[row, cells]
            histogram: NDArray[np.float64] = np.zeros(classes.size)
            histogram += np.bincount(lower[cells], w * (1 - up[cells]), classes.size)
            histogram += np.bincount(lower[cells] + 1, w * up[cells], classes.size)
            value = _upper_quantile(histogram[None, :], classes, exceeded_ratio)[0]
            close = w * np.exp(-0.5 * (wet.ravel()[cells] - value) ** 2)
            result[2, site] = value
            result[3, site] = (close * air.dry_bulb_c[cells]).sum() / close.sum()
    return DesignPoint(*result)


def _upper_quantile(
    hours: NDArray[np.float64], nodes: NDArray[np.float64], exceeded_ratio: float
) -> NDArray[np.float64]:
    """Value exceeded in a share of the hours, from hours at nodes spread over half a step to both sides."""
    edges = np.append(nodes - 0.5 * (nodes[1] - nodes[0]), nodes[-1] + 0.5 * (nodes[1] - nodes[0]))
    above = np.concatenate(
        [np.cumsum(hours[:, ::-1], axis=1)[:, ::-1], np.zeros((hours.shape[0], 1))], axis=1
    )
    wanted = exceeded_ratio * above[:, :1]
    upper = np.clip((above > wanted).sum(axis=1), 1, nodes.size)
    rows = np.arange(hours.shape[0])
    low, high = above[rows, upper], above[rows, upper - 1]
    share = np.where(high > low, (high - wanted[:, 0]) / np.where(high > low, high - low, 1.0), 0.0)
    result: NDArray[np.float64] = edges[upper - 1] + share * (edges[upper] - edges[upper - 1])
    return result


def exceeded_response(
    states: AirStates,
    technology: str,
    rows: Mapping[str, Mapping[str, float]],
    settings: Settings,
    *,
    exceeded_ratio: float = 0.004,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Withdrawal and consumption exceeded in a share of the hours, each shape (S,). [L/kWh]

    The hour of most water is not the hottest: pads idle in humid heat.
    """
    nearest = pressure_weights(states.pressure).argmax(axis=1)
    result = np.zeros((2, states.pressure.size))
    for node in np.unique(nearest):
        at = np.flatnonzero(nearest == node)
        hours = states.hours[at]
        seen = np.flatnonzero(hours.any(axis=0))
        air = _node_air(int(node))
        response = respond(
            technology, AirState(*(getattr(air, f.name)[seen] for f in fields(air))), rows, settings
        )
        for part, values in enumerate((response.withdrawal, response.consumption)):
            order = np.argsort(-values, kind="stable")
            worse = np.cumsum(hours[:, seen[order]], axis=1)
            first = (worse <= exceeded_ratio * HOURS_PER_YEAR).sum(axis=1)
            result[part, at] = values[order[np.minimum(first, order.size - 1)]]
    return result[0], result[1]


def design_responses(
    technology: str,
    point: DesignPoint,
    pressure: NDArray[np.float64],
    month_mean_c: NDArray[np.float64],
    rows: Mapping[str, Mapping[str, float]],
    settings: Settings,
) -> list[Response]:
    """Responses at the warmest and at the most humid design hour (for ``once_through``: warmest month)."""
    if technology == "once_through":
        warmest = source_temperature_c(month_mean_c).max(axis=1)
        return [once_through(warmest, pressure, resolve(rows, technology), settings)]
    warm = air_of_wet_bulb(point.dry_bulb_c, point.dry_bulb_wb_c, pressure)
    humid = air_of_wet_bulb(np.maximum(point.wet_bulb_db_c, point.wet_bulb_c), point.wet_bulb_c, pressure)
    return [respond(technology, air, rows, settings) for air in (warm, humid)]
