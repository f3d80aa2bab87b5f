"""Survival of the loss of a zone, by rounds: only zones that a plan does not survive enter the model.

Written for all zones at once the arcs would multiply by the number of zones. Each round without some zones is
a relaxation, so its bound holds; the last round is exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dcsite.optimize.inputs import rtt_of
from dcsite.optimize.model import REPAIR, eligible_sites
from dcsite.optimize.plan import values_at
from dcsite.optimize.problem import Labels, Rows
from dcsite.optimize.verify import rescue_limit_ms, rescued_mw

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dcsite.optimize.inputs import Floats, Inputs
    from dcsite.optimize.model import Index
    from dcsite.optimize.problem import Problem
    from dcsite.physics.evaluation import Evaluation

SHORT: float = 1.0e-5
"""Share of the demand that may be missing before a failure counts as not survived."""


def failure_rows(
    inputs: Inputs,
    index: Index,
    evaluation: Evaluation,
    problem: Problem,
    x: Floats,
    failed: set[tuple[int, int, int]],
) -> tuple[Problem, set[tuple[int, int, int]]] | None:
    """Add the failures that a plan does not survive; None when it survives all of them.

    Raises
    ------
    RuntimeError
        If a failure that is in the model is not survived: then the model is wrong.
    """
    kind = inputs.scenario.limits.n_minus_1
    loads = np.flatnonzero((inputs.survive > 0) & inputs.has_arcs)
    if kind is None or not len(loads):
        return None
    _, zone = inputs.zones(kind)
    room = values_at(x, index.place) + values_at(x, index.spare)
    new: list[tuple[int, int, int]] = []
    for w in loads:
        load, profile = inputs.workloads[w], inputs.profiles[w]
        for p in range(len(inputs.period_start)):
            own = (inputs.slot_workload == w) & (room[:, p] > 1e-7)
            wanted = float(inputs.survive[w] * inputs.demand_mw[w, p])
            for z in sorted({int(zone[s]) for s in inputs.slot_site[own]}):
                left: dict[str, float] = {}
                for n in np.flatnonzero(own):
                    site = int(inputs.slot_site[n])
                    if zone[site] != z:
                        name = inputs.site_ids[site]
                        left[name] = left.get(name, 0.0) + float(room[n, p])
                kept = rescued_mw(evaluation, load, left, wanted, profile)
                if kept >= wanted * (1 - SHORT) - 1e-6:
                    continue
                if (z, int(w), p) in failed:
                    message = f"'{load.name}' loses {wanted - kept:g} MW in a failure that the model holds"
                    raise RuntimeError(message)
                new.append((z, int(w), p))
    if not new:
        return None
    for failure in new:
        problem = add_failure(inputs, index, evaluation, problem, *failure)
    return problem, failed | set(new)


def add_failure(
    inputs: Inputs,
    index: Index,
    evaluation: Evaluation,
    problem: Problem,
    lost: int,
    w: int,
    p: int,
) -> Problem:
    """Rows of one failure: ``sum g + pool = theta D_u`` and ``sum_u g + pool <= sum (x + v)`` at each site left.

    Demand points with the same sites in reach are one point here, which is exact.
    """
    load, profile = inputs.workloads[w], inputs.profiles[w]
    _, zone = inputs.zones(str(inputs.scenario.limits.n_minus_1))
    order = np.argsort(evaluation.sites.index.astype(str).to_numpy(), kind="stable")
    sites = np.flatnonzero(eligible_sites(inputs)[:, w] & (zone != lost))
    own = np.flatnonzero(inputs.points.workload == w)
    number = inputs.points.number[own]
    rtt = rtt_of(evaluation, load)[order][np.ix_(sites, number)]
    reach = rtt <= rescue_limit_ms(load, profile)
    patterns, group = np.unique(reach, axis=1, return_inverse=True)
    group = np.asarray(group).ravel()
    wanted = float(inputs.survive[w] * inputs.demand_mw[w, p])
    demand = np.bincount(group, weights=inputs.points.share[own] * wanted, minlength=patterns.shape[1])
    i, g = np.nonzero(patterns)
    users, count = patterns.shape[1], len(sites)
    free = (1.0 - load.coverage) * wanted if load.hard_rtt_ms is None else 0.0
    first = len(problem.columns)
    extra = len(i) + users + count

    def axes(count: int) -> dict[str, NDArray[np.int64]]:
        return {
            "failure": np.full(count, lost),
            "workload": np.full(count, w),
            "period": np.full(count, p),
        }

    labels = Labels({**axes(extra), "number": np.arange(extra)})
    problem = problem.with_columns(
        "rescue",
        cost=np.zeros(extra),
        lower=0.0,
        upper=np.concatenate([np.full(len(i), np.inf), np.full(users, np.inf), np.full(count, np.inf)]),
        labels=labels,
    )
    total = len(problem.columns)
    pool = first + len(i) + np.arange(users)
    taken = first + len(i) + users + np.arange(count)
    region = Rows(users, total).add(g, first + np.arange(len(i)), 1.0).add(np.arange(users), pool, 1.0)
    at = np.full(len(inputs.site_ids), -1)
    at[sites] = np.arange(count)
    place = Rows(count, total).add(i, first + np.arange(len(i)), 1.0).add(np.arange(count), taken, 1.0)
    slots = np.flatnonzero(inputs.slot_workload == w)
    place.add(at[inputs.slot_site[slots]], index.place[slots, p], -1.0)
    place.add(at[inputs.slot_site[slots]], index.spare[slots, p], -1.0)
    balance = Rows(2, total).add(0, pool, 1.0).add(0, taken, -1.0).add(1, pool, 1.0)
    return problem.with_block(
        region.block(
            "survive_region",
            demand,
            demand,
            {**axes(users), "number": np.arange(users)},
            unit="MW",
            repair=REPAIR["survive_region"],
            group=("workload",),
        ),
        place.block("survive_place", -np.inf, 0.0, {"site": sites, **axes(count)}, unit="MW"),
        balance.block(
            "survive_pool", [0.0, -np.inf], [0.0, free], {**axes(2), "number": np.arange(2)}, unit="MW"
        ),
    )
