"""The spectrum of an evaluation: winners along worth of latency and rack power, density gates included.

Denser racks than a technology cools change what is admissible. Each such gate up to the end of the
rack-power axis is evaluated once; beyond the last one that the profile's own technologies can pass, the
racks go to liquid as in :data:`DENSE_PROFILE`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dcsite.data.scenario_file import load_profiles
from dcsite.physics.cooling import resolve
from dcsite.scoring import spectrum as envelope
from dcsite.study.cooling import check_technology, rows_for_class
from dcsite.study.evaluating import evaluate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dcsite.data.tables import Tables
    from dcsite.physics.evaluation import Evaluation
    from dcsite.scoring.spectrum import Spectrum
    from dcsite.spec.scenario import Scenario
    from dcsite.spec.workload import Profile, Workload

DENSE_PROFILE = "ai-training-liquid"
"""Profile whose technologies, liquid share and supply temperature racks take when air no longer cools them."""

JUST_ABOVE = 1.0 + 1e-9
NO_LIMIT_MS = 1.0e6


def spectrum(
    evaluation: Evaluation,
    tables: Tables | None = None,
    *,
    workload: str | None = None,
    sites: Sequence[str] | None = None,
    worth_max_usd_per_rack_year: float | None = None,
    rack_factor_max: float = envelope.RACK_FACTOR_MAX,
) -> Spectrum:
    """Winners along worth of latency and along rack power, with exact break points.

    Parameters
    ----------
    tables
        With the tables, density gates are taken into account; without, the technologies stay.
    workload, sites, worth_max_usd_per_rack_year, rack_factor_max
        As in :func:`dcsite.scoring.spectrum.spectrum`.

    Raises
    ------
    DcsiteError
        If the workload has no users, or no site is left.
    """
    name = workload or next((w for w in evaluation.workloads if w in evaluation.markets), None)
    gates: list[tuple[float, Evaluation]] = []
    notes: list[str] = []
    last = rack_factor_max
    if tables is not None and name is not None and name in evaluation.workloads:
        gates, notes, last = density_gates(evaluation, tables, name, rack_factor_max)
    found = envelope.spectrum(
        evaluation,
        name,
        sites,
        worth_max_usd_per_rack_year=worth_max_usd_per_rack_year,
        rack_factor_max=last,
        gates=gates,
    )
    return replace(found, notes=(*found.notes, *notes))


def with_reach(scenario: Scenario) -> Scenario:
    """Let reach be computed for every workload with users, also where the profile gives it no worth.

    A mean RTT limit that nothing reaches makes users part of the question and excludes nobody.
    """
    workloads = tuple(
        load.model_copy(update={"mean_rtt_ms": NO_LIMIT_MS})
        if load.users and load.mean_rtt_ms is None
        else load
        for load in scenario.workloads
    )
    return scenario.model_copy(update={"workloads": workloads})


def rack_limits(tables: Tables, profile: Profile, technologies: Sequence[str]) -> dict[str, float]:
    """Technology to the largest rated rack power that it cools. [kW]"""
    rows = rows_for_class(tables, profile.facility_class)
    return {name: resolve(rows, check_technology(name))["max_rack_kw"] for name in technologies}


def density_gates(
    evaluation: Evaluation, tables: Tables, workload: str, rack_factor_max: float
) -> tuple[list[tuple[float, Evaluation]], list[str], float]:
    """Evaluate the workload just above each rack power at which a technology drops out.

    Returns
    -------
    tuple
        ``(rack_kw, evaluation)`` ascending, notes for the reader, and the end of the axis (rack power over
        the profile's; smaller than asked where nothing cools denser racks).
    """
    profile = evaluation.profiles[workload]
    top_kw = profile.rack_kw * rack_factor_max
    asked = evaluation.scenario.technology
    own = rack_limits(tables, profile, (asked,) if asked else profile.technologies)
    limits = sorted({limit for limit in own.values() if profile.rack_kw <= limit < top_kw})
    gates: list[tuple[float, Evaluation]] = []
    notes: list[str] = []
    for limit in limits:
        changes: dict[str, object] = {"rack_kw": limit * JUST_ABOVE}
        if limit >= max(own.values()):
            dense = load_profiles(tables, evaluation.scenario).get(DENSE_PROFILE)
            reach = max(rack_limits(tables, dense, dense.technologies).values()) if dense else 0.0
            if dense is None or asked or reach <= limit:
                notes.append(
                    f"The rack-power axis ends at {limit:g} kW: nothing asked for cools denser racks."
                )
                return gates, notes, limit / profile.rack_kw
            changes |= {
                "technologies": dense.technologies,
                "liquid_share": dense.liquid_share,
                "supply_c": dense.supply_c,
            }
            notes.append(
                f"Above {limit:g} kW per rack air no longer cools: racks go to liquid as in profile {dense.name}."
            )
            if reach < top_kw:
                notes.append(f"The rack-power axis ends at {reach:g} kW: nothing cools denser racks.")
                top_kw = reach
        gates.append((limit, _changed(evaluation, tables, evaluation.workloads[workload], changes)))
    return gates, notes, top_kw / profile.rack_kw


def _changed(
    evaluation: Evaluation, tables: Tables, workload: Workload, changes: dict[str, object]
) -> Evaluation:
    scenario = evaluation.scenario.model_copy(update={"workloads": (workload.model_copy(update=changes),)})
    return evaluate(scenario, tables, points=tuple(evaluation.extra.get("points", ())))
