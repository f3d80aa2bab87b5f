"""What is minimized: cost, carbon, water, latency, sites or the score, each a vector over the columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dcsite.optimize.columns import INF
from dcsite.optimize.inputs import M
from dcsite.spec.futures import RISK_KINDS
from dcsite.units import KW_PER_MW

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from dcsite.optimize.columns import Index
    from dcsite.optimize.inputs import Floats, Inputs


def objective(inputs: Inputs, index: Index, count: int, kind: str) -> tuple[Floats, float]:
    """Cost vector and constant of an objective: cost (M USD/year), carbon (kt), water (1,000 m3), latency (ms).

    ``cost`` and ``npv`` are one: operating cost weighted by period, and capital as its annuity in every year
    in which the asset stands. Existing halls are sunk. The objectives over futures begin from the cost, and
    :mod:`dcsite.optimize.families.risk` puts theirs in its place.
    """
    if kind in ("cost", "npv", *RISK_KINDS):
        return cost_vector(inputs, index, count), 0.0
    if kind == "carbon":
        return carbon_vector(inputs, index, count, inputs.weight), 0.0
    if kind == "water":
        return water_vector(inputs, index, count, inputs.weight, drawn=False), 0.0
    if kind == "latency":
        return latency_vector(inputs, index, count), 0.0
    if kind == "sites":
        vector = np.zeros(count)
        vector[index.used[:, -1]] = 1.0
        return vector, 0.0
    if kind == "score":
        return score_vector(inputs, index, count), 0.0
    message = f"unknown objective '{kind}'"
    raise ValueError(message)


def cost_vector(inputs: Inputs, index: Index, count: int) -> Floats:
    """``sum w_p (cop x - pi x) + W_p (F (o_p - o_p-1) + c (C_p - C_p-1)) + dc m + latency worth + license fees``."""
    vector = np.zeros(count)
    running = (inputs.operating_total - inputs.credit) * inputs.weight
    np.add.at(vector, index.place, running)
    for bought, price in ((index.open, inputs.opening), (index.built, inputs.capex)):
        paid = inputs.capital_weight * price * inputs.crf * inputs.capital_factor[:, None]
        later = np.zeros_like(paid)
        later[:, :-1] = paid[:, 1:]
        vector[bought] += paid - later
    if index.run.size:
        vector[index.run] += inputs.runs.net[:, None] * inputs.weight
    if index.peak.size:
        vector[index.peak] += inputs.meters.usd[:, None] * inputs.weight
    if inputs.scenario.objective.latency_worth:
        vector += worth_vector(inputs, index, count)
    if index.license.size:
        fee = license_cost(inputs) * inputs.crf / M
        vector[index.license] += fee * inputs.weight
    return vector


def license_cost(inputs: Inputs) -> float:
    """What one license costs. [USD]"""
    terms = inputs.scenario.licenses
    return 0.0 if isinstance(terms, str) else float(terms.cost_usd)


def latency_value(inputs: Inputs, workload: int, rtt_ms: ArrayLike) -> Floats:
    """Loss of latency worth at an RTT: 0 within the full reach, the whole worth from the end of it. [M USD/MW-year]"""
    profile = inputs.profiles[workload]
    whole = profile.latency_worth_usd_per_rack_year * KW_PER_MW / profile.rack_kw / M
    span = profile.reach_zero_ms - profile.reach_full_ms
    lost = (np.asarray(rtt_ms, dtype=np.float64) - profile.reach_full_ms) / span
    return np.asarray(whole * np.clip(lost, 0.0, 1.0))


def worth_vector(inputs: Inputs, index: Index, count: int) -> Floats:
    """``sum lv f``: worth lost by users that are far; a part of its own, not cash."""
    vector = np.zeros(count)
    points, arcs = inputs.points, inputs.arcs
    for w in np.flatnonzero(inputs.has_arcs):
        own = points.workload[arcs.point] == w
        lost = latency_value(inputs, int(w), arcs.rtt_ms[own])
        np.add.at(vector, index.serve[own], lost[:, None] * inputs.weight)
        alone = index.uncovered[points.workload == w]
        if alone.size and (alone >= 0).all():
            vector[alone] += latency_value(inputs, int(w), INF) * inputs.weight
    return vector


def carbon_vector(inputs: Inputs, index: Index, count: int, weight: ArrayLike) -> Floats:
    """``sum q x + block terms``, weighted by period. [kt/year]"""
    vector = np.zeros(count)
    weights = np.asarray(weight, dtype=np.float64)
    np.add.at(vector, index.place, np.nan_to_num(inputs.carbon)[:, None] * weights)
    if index.run.size:
        vector[index.run] += inputs.runs.carbon[:, None] * weights
    return vector


def energy_vector(inputs: Inputs, index: Index, count: int, weight: ArrayLike) -> Floats:
    """IT energy, weighted by period. [GWh/year]"""
    vector = np.zeros(count)
    weights = np.asarray(weight, dtype=np.float64)
    np.add.at(vector, index.place, inputs.energy[:, None] * weights)
    if index.run.size:
        vector[index.run] += np.ones((len(inputs.runs.slot), 1)) * weights
    return vector


def water_vector(inputs: Inputs, index: Index, count: int, weight: ArrayLike, *, drawn: bool) -> Floats:
    """Consumption, or withdrawal with ``drawn``, weighted by period. [1,000 m3/year]"""
    vector = np.zeros(count)
    weights = np.asarray(weight, dtype=np.float64)
    per_mw = inputs.withdrawal if drawn else inputs.water
    np.add.at(vector, index.place, per_mw[:, None] * weights)
    if index.run.size:
        per_gwh = inputs.runs.withdrawal if drawn else inputs.runs.water
        vector[index.run] += per_gwh[:, None] * weights
    return vector


def latency_vector(inputs: Inputs, index: Index, count: int) -> Floats:
    """Mean RTT over all demand of the workloads with users. [ms]"""
    vector = np.zeros(count)
    if not index.serve.size:
        return vector
    demand = float((inputs.demand_mw[inputs.has_arcs] * inputs.weight).sum())
    np.add.at(vector, index.serve, inputs.arcs.rtt_ms[:, None] * inputs.weight / max(demand, 1e-9))
    return vector


def score_vector(inputs: Inputs, index: Index, count: int) -> Floats:
    """Minus the demand-weighted mean score; sites are scored with their best technology. [points]"""
    vector = np.zeros(count)
    scores = inputs.extra.get("scores")
    if scores is None:
        message = "the objective 'score' needs the scores of the sites"
        raise ValueError(message)
    demand = float((inputs.demand_mw * inputs.weight).sum())
    per_slot = np.array(
        [scores[int(w), int(s)] for w, s in zip(inputs.slot_workload, inputs.slot_site, strict=True)]
    )
    np.add.at(vector, index.place, -per_slot[:, None] * inputs.weight / max(demand, 1e-9))
    return vector
