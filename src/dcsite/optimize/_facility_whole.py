"""The whole model in one solve: right for small instances, and the cross-check of the decomposition."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dcsite.optimize._facility_case import Answer, evaluate, serve_nearest
from dcsite.optimize._facility_model import Arcs, all_arcs, build
from dcsite.optimize.highs import Arrays, Options, fixed, solve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dcsite.optimize._facility_case import Case
    from dcsite.optimize.highs import Outcome

SCALED = 1e4
"""Size of the objective inside the solver."""


def scale_for(case: Case, value: float) -> float:
    """Factor on costs that brings a plan worth ``value`` to the size the solver works with.

    Where plans are worth almost nothing against the dearest cost, that cost sets the factor, or it would overflow.
    ``inf``: no plan is known, the dearest cost alone counts.
    """
    finite = case.cost[np.isfinite(case.cost)]
    largest = max(np.abs(case.fixed).max(initial=0.0), np.abs(finite).max(initial=0.0))
    size = largest if np.isinf(value) else max(abs(value), 1e-6 * largest)
    return SCALED / size if size > 0 else 1.0


def plan_from(case: Case, opened: NDArray[np.int64], arcs: Arcs, x: NDArray[np.float64]) -> Answer | None:
    """Best plan found for a set of open sites: all arcs if nothing holds a client back, else a transport problem."""
    if case.capacity is None:
        return serve_nearest(case, opened)
    if case.single_source:
        taken = np.flatnonzero(x > 0.5)
        return evaluate(case, opened, arcs.site[taken], arcs.client[taken], np.ones(taken.size))
    return transport(case, opened)


def transport(case: Case, opened: NDArray[np.int64], start_arcs: int = 6) -> Answer | None:
    """Cheapest split of demand over open sites, on all their arcs: few first, others when their price is right."""
    if case.capacity is None or case.demand is None:
        msg = "transport needs capacities"
        raise ValueError(msg)
    demand = case.demand
    opened = np.unique(np.asarray(opened, dtype=np.int64))
    if opened.size == 0:
        return serve_nearest(case, opened)
    sub = np.ascontiguousarray(case.cost[opened].T)  # (n, s)
    n, s = sub.shape
    capacity = case.capacity[opened]
    blocked = (capacity == 0)[None, :] & (demand > 0)[:, None]
    sub[blocked] = np.inf
    finite = np.isfinite(sub)
    if not finite.any(axis=1).all():
        return None
    local = replace(case, fixed=np.zeros(s), cost=np.ascontiguousarray(sub.T), capacity=capacity, p=None)
    kept = np.zeros((n, s), dtype=bool)
    few = min(start_arcs, s)
    first = np.argpartition(sub, few - 1, axis=1)[:, :few]
    np.put_along_axis(kept, first, values=True, axis=1)
    kept &= finite
    largest = float(np.abs(sub[finite]).max(initial=0.0))
    scale = SCALED / largest if largest > 0 else 1.0
    penalty = 4.0 * max(largest, 1e-300)
    for _ in range(50):
        site, client = np.nonzero(kept.T)
        arcs = Arcs(site, client)
        lost = np.flatnonzero((finite & ~kept).any(axis=1))
        model = build(
            local, arcs, strong=False, scale=scale, lower=np.ones(s), relaxed=lost,
            relaxed_cost=np.full(lost.size, penalty),
        )  # fmt: skip
        lp = Arrays(
            model.arrays.cost, model.arrays.lower, model.arrays.upper, model.arrays.matrix,
            model.arrays.row_lower, model.arrays.row_upper,
        )  # fmt: skip
        outcome = solve(lp)
        if outcome.limit_hit == "interrupt":
            raise KeyboardInterrupt
        if outcome.status != "optimal" or outcome.x is None or outcome.row_dual is None:
            return None
        price = outcome.row_dual[:n] / scale
        load = np.bincount(site, demand[client], s)
        room = np.minimum(capacity, load)
        held = np.flatnonzero(room > 0)
        per_unit = np.zeros(s)
        per_unit[held] = -outcome.row_dual[n : n + held.size] / scale / room[held]
        reduced = sub + per_unit[None, :] * demand[:, None] - price[:, None]
        tolerance = 1e-9 * largest
        better = finite & ~kept & (reduced < -tolerance)
        x = outcome.x
        short = lost[x[s + arcs.size :] > 1e-9]
        if short.size and not better.any():
            better = (finite & ~kept) & np.isin(np.arange(n), short)[:, None]
        if not better.any():
            break
        kept |= better
    share = x[s : s + arcs.size]
    return evaluate(case, opened, opened[site], client, share)


def solve_whole(
    case: Case, *, gap: float, node_limit: int | None, time_limit_s: float | None, strong: bool | None = None
) -> tuple[Answer | None, float, Outcome, str]:
    """Solve the model with every arc; returns the plan, the bound, the last outcome and what was refused.

    Costs far above the plan's are taken out and the model is scaled to the plan, until the plan's own size is the
    scale: coefficients of 1e12 would otherwise hide what the plan costs.
    """
    arcs = all_arcs(case)
    strong = case.capacity is None or arcs.size <= 20_000 if strong is None else strong
    scale = scale_for(case, np.inf)
    signed = bool((case.fixed < 0).any() or (case.cost[arcs.site, arcs.client] < 0).any())
    best: Answer | None = None
    bound = -np.inf
    upper = np.ones(case.m)
    note = ""
    for _ in range(4):
        model = build(case, arcs, strong=strong, scale=scale, upper=upper)
        options = Options(gap=gap * 0.5, absolute_gap=0.0, node_limit=node_limit, time_limit_s=time_limit_s)
        outcome = solve(model.arrays, options)
        if outcome.status == "infeasible" and best is None:
            # Only believed if a solve without presolve says the same.
            outcome = solve(model.arrays, replace(options, presolve=False))
        if outcome.status == "infeasible":
            return best, np.inf if best is None else bound, outcome, note
        if np.isfinite(outcome.bound):
            bound = outcome.bound / scale
            bound -= 1e-9 * abs(bound)
        if outcome.x is None:
            return best, bound, outcome, note
        opened = np.flatnonzero(outcome.x[: case.m] > 0.5)
        answer = plan_from(case, opened, arcs, outcome.x[case.m : case.m + arcs.size])
        if answer is None:
            refit = solve(fixed(model.arrays, outcome.x))
            if refit.x is not None:
                answer = evaluate(case, opened, arcs.site, arcs.client, refit.x[case.m : case.m + arcs.size])
        if answer is None:
            note = "the solver's plan did not pass the check"
            return best, bound, outcome, note
        if best is None or answer.objective < best.objective:
            best = answer
        size = abs(best.objective)
        wanted = SCALED / size if size > 0 else scale
        if wanted <= 100 * scale or outcome.limit_hit:
            break
        scale = min(wanted, scale * 1e12)
        if not signed:
            # Nothing dearer than the whole plan is in a better one.
            keep = case.cost[arcs.site, arcs.client] <= size * (1 + 1e-9)
            arcs = Arcs(arcs.site[keep], arcs.client[keep])
            upper = np.where(case.fixed <= size * (1 + 1e-9), 1.0, 0.0)
    return best, bound, outcome, note
