"""Capacitated facility location where one site serves all of a client: bound, plan, fix, residual model.

Allowing clients to be split is a relaxation. Its linear program (see :mod:`dcsite.optimize._facility_cut`) gives a
bound and reduced costs; a plan then rules out sites **and arcs**, since an arc of a plan is there whole; what is left
is a mixed-integer model that is small where the plan is good.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dcsite.optimize._facility_case import TOLERANCE, evaluate
from dcsite.optimize._facility_cut import WHOLE, BranchAndCut, PricedProgram
from dcsite.optimize._facility_model import Arcs, build, usable
from dcsite.optimize._facility_plain import enough
from dcsite.optimize._facility_whole import scale_for, transport
from dcsite.optimize.highs import Options, solve

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from dcsite.optimize._facility_case import Answer, Case
    from dcsite.optimize._facility_plain import Found

PLAN_ARCS = 6
"""Arcs per client, by reduced cost, in the small model that looks for a plan."""
LIKELY = 1.3
"""Sites in that model, as a multiple of those that the linear program opens."""
PLAN_NODES = 100
"""Nodes of that model."""
SHIFT_ROUNDS = 50
"""Rounds of moves and exchanges of clients."""


def solve_single(
    case: Case,
    found: Found,
    *,
    cover: float,
    gap: float,
    node_limit: int | None,
    stop: Callable[[], str],
) -> None:
    """Fill ``found``; leaves it without a plan if none was found."""
    if case.capacity is None or case.demand is None:
        msg = "capacities are missing"
        raise ValueError(msg)
    able = usable(case)
    split = replace(case, cost=np.where(able, case.cost, np.inf), single_source=False)
    seen: set[bytes] = set()

    def offer(opened: NDArray[np.int64]) -> None:
        opened = np.unique(opened)
        if opened.tobytes() not in seen:
            seen.add(opened.tobytes())
            found.offer(whole_clients(case, split, opened), "search")

    def upper() -> float:
        return found.answer.objective if found.answer is not None else np.inf

    def target() -> float:
        return enough(case, upper(), gap) if np.isfinite(upper()) else np.inf

    each = np.divide(case.fixed, case.capacity, out=np.full(case.m, np.inf), where=case.capacity > 0)
    order = np.argsort(each, kind="stable")
    if case.p is None:
        room = np.cumsum(case.capacity[order])
        for factor in (1.1, 1.5, 3.0, np.inf):
            offer(order[: case.m if np.isinf(factor) else int(np.searchsorted(room, factor * cover)) + 1])
            if found.answer is not None:
                break
    else:
        offer(order[: case.p])
        offer(np.argsort(-case.capacity, kind="stable")[: case.p])

    # The relaxation: one node, for its bound and its prices.
    with PricedProgram(split, cover, np.zeros(case.cost.shape, dtype=bool), upper()) as program:
        tree = BranchAndCut(
            program, target=target, offer=offer, stop=stop, raised=lambda bound: found.raise_bound(bound, "lagrangian"),
        )  # fmt: skip
        result = tree.run(-np.inf, 1 if node_limit is None else min(node_limit, 1))
    found.rounds += result.solves
    found.nodes += result.nodes
    found.lagrangian_bound = found.bound
    root = tree.root
    found.reason = stop()
    if root is None or found.bound >= target() or found.reason:
        return

    # A plan among likely sites and arcs, then the proof on all that this plan does not rule out.
    count = int(LIKELY * (root.y > WHOLE).sum()) + 2
    likely = np.isin(
        np.arange(case.m), np.argsort(np.where(root.y > WHOLE, -1.0, root.v), kind="stable")[:count]
    )
    few = min(PLAN_ARCS, int(likely.sum()))
    reduced = np.where(likely[:, None] & able, root.reduced, np.inf)
    some = np.zeros(case.cost.shape, dtype=bool)
    np.put_along_axis(some, np.argpartition(reduced, few - 1, axis=0)[:few], values=True, axis=0)
    some &= np.isfinite(reduced)
    nodes = PLAN_NODES if node_limit is None else min(PLAN_NODES, node_limit)
    _model(
        case,
        found,
        some,
        np.zeros(case.m),
        cover=cover,
        gap=max(gap, 1e-4),
        node_limit=nodes,
        size=root.value,
    )
    found.reason = stop()
    if found.bound >= target() or found.reason:
        return
    slack = target() - root.value
    keep = able & (np.maximum(root.v, 0.0)[:, None] + np.maximum(root.reduced, 0.0) <= slack)
    opened = (-root.v > slack).astype(np.float64)
    floor = _model(
        case, found, keep, opened, cover=cover, gap=0.45 * gap, node_limit=node_limit, size=root.value
    )
    # What was ruled out costs at least the target.
    found.raise_bound(min(floor, target()), "residual")


def _model(
    case: Case,
    found: Found,
    keep: NDArray[np.bool_],
    opened: NDArray[np.float64],
    *,
    cover: float,
    gap: float,
    node_limit: int | None,
    size: float,
) -> float:
    """Solve the model on some arcs from the best plan, offer what it finds, and return its bound."""
    site, client = np.nonzero(keep)
    arcs = Arcs(site, client)
    best = found.answer
    scale = scale_for(case, best.objective if best is not None else size)
    model = build(
        case, arcs, strong=True, scale=scale, cover=cover, lower=opened,
        upper=np.maximum(keep.any(axis=1).astype(np.float64), opened) if case.p is None else None,
    )  # fmt: skip
    start = None
    if best is not None:
        start = np.zeros(model.arrays.cost.size)
        start[best.opened] = 1.0
        at = np.full(case.cost.shape, -1)
        at[site, client] = case.m + np.arange(arcs.size)
        columns = at[best.site, best.client]
        start[columns[columns >= 0]] = 1.0
        if (columns < 0).any():
            start = None
    options = Options(
        gap=gap, absolute_gap=0.0, node_limit=node_limit, time_limit_s=found.seconds_left()
    )  # fmt: skip
    outcome = solve(model.arrays, options, start=start)
    found.rounds += 1
    found.nodes += outcome.nodes
    found.columns_kept = arcs.size
    if outcome.limit_hit == "interrupt":
        raise KeyboardInterrupt
    if outcome.x is not None:
        taken = np.flatnonzero(outcome.x[case.m : case.m + arcs.size] > 0.5)
        chosen = np.flatnonzero(outcome.x[: case.m] > 0.5)
        found.offer(evaluate(case, chosen, site[taken], client[taken], np.ones(taken.size)), "residual")
    found.reason = f"stopped by the limit on {outcome.limit_hit}" if outcome.limit_hit else ""
    bound = outcome.bound / scale
    if np.isnan(bound):
        return -np.inf
    return bound - 1e-9 * abs(bound) if np.isfinite(bound) else bound  # inf: these arcs hold no plan


def whole_clients(case: Case, split: Case, opened: NDArray[np.int64]) -> Answer | None:
    """A plan of whole clients on these sites: the cheapest split, its shares made whole, then moves and exchanges."""
    if case.capacity is None or case.demand is None:
        return None
    base = transport(split, opened)
    if base is None:
        return None
    demand = case.demand
    limit = case.capacity * (1 + 0.5 * TOLERANCE)
    cost = np.where(np.isfinite(split.cost), split.cost, np.inf)
    share = np.zeros(case.n)
    to = np.full(case.n, -1)
    for i, j, part in zip(base.site, base.client, base.share, strict=True):
        if part > share[j]:
            share[j], to[j] = part, i
    left = limit.astype(np.float64).copy()
    # Whole clients stay; the split ones go where there is room, the largest first.
    split_ones = np.flatnonzero(share < 1 - 1e-9)
    whole = np.flatnonzero(share >= 1 - 1e-9)
    np.subtract.at(left, to[whole], demand[whole])
    for j in split_ones[np.argsort(-demand[split_ones], kind="stable")]:
        price = np.where(left[opened] >= demand[j], cost[opened, j], np.inf)
        k = int(price.argmin())
        if not np.isfinite(price[k]):
            # Nobody has room: the cheapest, and the moves below must make it.
            price = cost[opened, j] + (demand[j] - left[opened]) * 1e-9
            k = int(np.where(np.isfinite(cost[opened, j]), left[opened], -np.inf).argmax())
        to[j] = opened[k]
        left[to[j]] -= demand[j]
    to = _moved(cost[opened], demand, left[opened], np.searchsorted(opened, to))
    site = opened[to]
    return evaluate(case, opened, site, np.arange(case.n), np.ones(case.n))


def _moved(
    cost: NDArray[np.float64], demand: NDArray[np.float64], left: NDArray[np.float64], to: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Move clients, one at a time, out of sites that hold too much, then wherever that is cheaper."""
    to, left = to.copy(), left.copy()
    clients = np.arange(to.size)
    for _ in range(SHIFT_ROUNDS):
        moved = False
        for j in clients[np.argsort(-demand, kind="stable")]:
            here = int(to[j])
            over = left[here] < 0
            price = np.where((left >= demand[j]) & (np.arange(left.size) != here), cost[:, j], np.inf)
            k = int(price.argmin())
            if np.isfinite(price[k]) and (over or price[k] < cost[here, j] * (1 - 1e-12)):
                left[here] += demand[j]
                left[k] -= demand[j]
                to[j] = k
                moved = True
        if not moved:
            break
    return to
