"""Capacitated facility location with split demand by decomposition: bound, plan, fix, branch, residual model.

The assignment rows are relaxed. For multipliers ``lam`` (one per client) and ``mu >= 0`` (for "open capacity covers
demand") the value ``sum(lam) + mu * cover + sum_i min(0, v_i - mu * capacity_i)``, where ``v_i`` is the opening cost
less the site's best continuous knapsack of ``lam_j - c_ij``, bounds every plan from below, whatever the multipliers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Self

import numpy as np

from dcsite.optimize._facility_branch import Bound, branch, fixable
from dcsite.optimize._facility_case import TOLERANCE
from dcsite.optimize._facility_model import Arcs, build
from dcsite.optimize._facility_near import nearest
from dcsite.optimize._facility_plain import Found, enough
from dcsite.optimize._facility_whole import SCALED, transport
from dcsite.optimize.highs import Options, solve

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from dcsite.optimize._facility_case import Case

FIRST_ARCS = 40
"""Arcs per client in the first ascent; doubled while multipliers press against them."""
PLAN_ARCS = 10
"""Arcs per client in the model that looks for a plan."""
FEW_LIKELY = 30
"""With so few sites in the running, branching finds the plan faster than a model does (measured)."""
TRIAL_NODES = 120
"""Nodes of branching before a residual model is tried."""
RESIDUAL_ARCS = 120_000
"""Arcs of a residual model: a cap on memory."""


def cover_needed(case: Case) -> float:
    """Least open capacity of a plan: total demand, rounded up to the common step of integral capacities."""
    if case.capacity is None or case.demand is None:
        return 0.0
    total = float(case.demand.sum())
    some = case.capacity[case.capacity > 0]
    if some.size and (some == np.rint(some)).all() and some.max() < 2**53:
        step = float(np.gcd.reduce(some.astype(np.int64)))
        return max(float(np.ceil(total / step * (1 - 2 * TOLERANCE)) * step), total * (1 - TOLERANCE))
    return total * (1 - TOLERANCE)


class Knapsacks:
    """The cheapest arcs of every client, and the capacities of some sites."""

    def __init__(
        self,
        site: NDArray[np.int64],
        cost: NDArray[np.float64],
        capacity: NDArray[np.float64],
        demand: NDArray[np.float64],
        cover: float,
    ) -> None:
        self.site, self.cost = site, cost  # entries equal to ``size`` are closed sites
        self.capacity, self.demand, self.cover = capacity, demand, cover
        self.size = capacity.size
        self.work = np.empty_like(cost)
        with np.errstate(divide="ignore"):
            self.inverse = np.where(demand > 0, 1.0 / demand, np.inf)

    def restrict(self, keep: NDArray[np.int64]) -> Self:
        """The same for some of the sites."""
        new = np.full(self.size + 1, keep.size)
        new[keep] = np.arange(keep.size)
        return type(self)(new[self.site], self.cost, self.capacity[keep], self.demand, self.cover)

    def fill(
        self, lam: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Value of every site's knapsack, and the arcs in it: site, client, share."""
        np.subtract(lam[:, None], self.cost, out=self.work)
        use = self.work > 0
        use &= self.site < self.size
        active = np.flatnonzero(use.ravel())
        worth = self.work.ravel()[active]
        client = active // self.cost.shape[1]
        at = self.site.ravel()[active]
        if active.size == 0:
            return np.zeros(self.size), at, client, worth
        ratio = worth * self.inverse[client]
        order = np.lexsort((-ratio, at))
        at, client, worth = at[order], client[order], worth[order]
        need = self.demand[client]
        after = np.cumsum(need)
        count = np.bincount(at, minlength=self.size)
        first = np.concatenate([[0], np.cumsum(count)[:-1]])
        base = (after - need)[np.minimum(first, after.size - 1)]
        room = self.capacity[at] - (after - need - base[at])
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(need > 0, np.clip(room / need, 0.0, 1.0), 1.0)
        value = np.asarray(np.bincount(at, share * worth, self.size), dtype=np.float64)
        return value, at, client, np.asarray(share, dtype=np.float64)

    def cover_price(
        self, v: NDArray[np.float64], forced: NDArray[np.bool_]
    ) -> tuple[float, NDArray[np.float64]]:
        """Price of open capacity, and shares of open sites, of ``min v y`` with ``capacity y >= cover``.

        The price is infinite where all sites together do not cover.
        """
        y = ((v < 0) | forced).astype(np.float64)
        have = float(self.capacity @ y)
        if have >= self.cover:
            return 0.0, y
        rest = np.flatnonzero((y == 0) & (self.capacity > 0))
        per_unit = v[rest] / self.capacity[rest]
        order = np.argsort(per_unit, kind="stable")
        reach = have + np.cumsum(self.capacity[rest[order]])
        if reach.size == 0 or reach[-1] < self.cover * (1 - TOLERANCE):
            return np.inf, y
        k = min(int(np.searchsorted(reach, self.cover)), order.size - 1)
        y[rest[order[:k]]] = 1.0
        critical = rest[order[k]]
        before = have if k == 0 else float(reach[k - 1])
        y[critical] = min(1.0, (self.cover - before) / self.capacity[critical])
        return float(per_unit[order[k]]), y


def ascend_capacity(
    arcs: Knapsacks,
    fixed: NDArray[np.float64],
    choose: int | None,
    lam: NDArray[np.float64],
    cap: NDArray[np.float64],
    *,
    upper: float,
    target: float,
    rounds: int,
    forced: NDArray[np.bool_] | None = None,
    theta: float = 1.0,
    shrink: int = 20,
    factor: float = 0.7,
    deflect: float = 0.7,
    stop_theta: float = 1e-3,
) -> Bound:
    """Raise the bound by a deflected subgradient; ``v`` of the result are reduced costs ``v - mu * capacity``."""
    n, a = lam.size, arcs.size
    closed = np.zeros(a, dtype=bool) if forced is None else forced
    lam = np.minimum(lam, cap)
    best = Bound(-np.inf, lam, np.zeros(a), closed.copy(), np.zeros(a), 0)
    direction = np.zeros(n)
    stale = 0
    for round_ in range(1, rounds + 1):
        relief, at, client, share = arcs.fill(lam)
        v = fixed - relief
        mu, y = arcs.cover_price(v, closed)
        best.rounds = round_
        if np.isinf(mu):
            best.value = np.inf
            return best
        reduced = v - mu * arcs.capacity
        taken = np.where(closed, reduced, np.minimum(reduced, 0.0))
        value = float(lam.sum() + mu * arcs.cover + taken.sum())
        value -= 1e-13 * float(np.abs(lam).sum() + mu * arcs.cover + np.abs(taken).sum())
        best.average += (y - best.average) * max(0.06, 1.0 / round_)
        if value > best.value:
            stale = 0 if value > best.value + 1e-5 * abs(upper - value) else stale + 1
            best.value, best.lam, best.v, best.chosen = value, lam, reduced, y > 0
            if best.value >= target:
                break
        else:
            stale += 1
        if stale >= shrink:
            theta *= factor
            stale = 0
            lam = best.lam
            direction = np.zeros(n)
            if theta < stop_theta:
                break
            continue
        direction = 1.0 - np.bincount(client, share * y[at], n) + deflect * direction
        norm = float(direction @ direction)
        if norm == 0.0:
            break
        lam = np.minimum(lam + theta * max(upper - value, 1e-9 * abs(upper)) / norm * direction, cap)
    return best


def solve_capacity(
    case: Case,
    found: Found,
    *,
    gap: float,
    node_limit: int | None,
    iteration_limit: int | None,
    stop: Callable[[], str],
) -> None:
    """Fill ``found``; leaves it without a plan if no set of sites was found that serves everyone."""
    if case.capacity is None or case.demand is None:
        msg = "capacities are missing"
        raise ValueError(msg)
    m = case.m
    capacity, demand = case.capacity, case.demand
    usable = replace(case, cost=np.where((capacity == 0)[:, None] & (demand > 0)[None, :], np.inf, case.cost))
    cover = cover_needed(case)
    most = 1200 if iteration_limit is None else iteration_limit
    seen: dict[bytes, float] = {}

    def offer(opened: NDArray[np.int64], source: str = "search") -> float:
        opened = np.unique(opened)
        key = opened.tobytes()
        if key not in seen:
            answer = transport(case, opened) if capacity[opened].sum() >= cover * (1 - TOLERANCE) else None
            seen[key] = np.inf if answer is None else answer.objective
            found.offer(answer, source)
        return seen[key]

    def state() -> tuple[float, float]:
        upper = found.answer.objective if found.answer is not None else np.inf
        return upper, enough(case, upper, gap)

    # Bound. The step needs a plan's cost: sites by price of capacity until there is room, then half as much again.
    width = min(m, FIRST_ARCS)
    with np.errstate(divide="ignore", invalid="ignore"):
        price = np.where(capacity > 0, case.fixed / capacity, np.inf)
    per_unit = float(np.median(price[np.isfinite(price)])) if np.isfinite(price).any() else 0.0
    near = nearest(usable.cost, width)
    lam = near.cost[:, min(2, width - 1)] + per_unit * demand
    lam = np.where(np.isfinite(lam), lam, near.cost[:, 0] + per_unit * demand)
    order = np.argsort(price, kind="stable")
    room = np.cumsum(capacity[order])
    for factor in (1.0, 1.5, 3.0, np.inf):
        count = m if np.isinf(factor) else int(np.searchsorted(room, factor * cover)) + 1
        offer(order[: min(count, m)])
        if found.answer is not None:
            break
    if found.answer is None:
        found.reason = "no first plan was found"
        return
    root: Bound | None = None
    for turn in range(4):
        arcs = Knapsacks(near.site, near.cost, capacity, demand, cover)
        for _ in range(3):
            upper, target = state()
            step = ascend_capacity(
                arcs, case.fixed, None, lam, near.beyond, upper=upper, target=target,
                rounds=max(1, min(80 if turn == 0 and root is None else 400, most - found.subgradient_rounds)),
                theta=1.0 if root is None else 0.5, deflect=0.6,
            )  # fmt: skip
            found.subgradient_rounds += step.rounds
            fresh = root is None
            if root is None or step.value > root.value:
                root = step
            lam = root.lam
            found.raise_bound(root.value, "lagrangian")
            offer(np.flatnonzero(step.average > 0.5))
            offer(np.flatnonzero(step.chosen))
            if not fresh or found.subgradient_rounds >= most:
                break
        pressed = np.isfinite(near.beyond) & (lam >= near.beyond * (1 - 1e-9))
        if found.bound >= state()[1] or found.subgradient_rounds >= most or not pressed.any():
            break
        width = min(m, 3 * width)
        near = nearest(usable.cost, width)
    found.lagrangian_bound = found.bound
    found.reason = stop()
    if root is None or found.bound >= state()[1] or found.reason:
        return

    # Plan: a small model on the sites the subproblem opens.
    many = int(((root.average > 0.005) | root.chosen).sum()) > FEW_LIKELY
    if many and case.m * case.n > RESIDUAL_ARCS:
        _restricted(usable, root, offer, cover=cover, upper=state()[0], gap=gap)
    none = np.zeros(m, dtype=bool)
    for _ in range(2):
        if found.bound >= state()[1]:
            return
        upper, target = state()
        again = ascend_capacity(
            Knapsacks(near.site, near.cost, capacity, demand, cover), case.fixed, None, root.lam, near.beyond,
            upper=upper, target=target, rounds=max(1, min(300, most - found.subgradient_rounds)), theta=0.5,
        )  # fmt: skip
        found.subgradient_rounds += again.rounds
        if again.value <= root.value:
            break
        root = again
        found.raise_bound(root.value, "lagrangian")
        found.lagrangian_bound = found.bound
        break
    found.reason = stop()
    if found.bound >= state()[1] or found.reason:
        return

    # Fix, branch a little, and hand the rest to a residual model if that was not enough.
    for trial, limit in ((True, TRIAL_NODES), (False, None)):
        closed, forced = fixable(root.v, none, None, state()[1] - root.value)
        left = np.flatnonzero(~closed)
        new = np.full(m + 1, left.size)
        new[left] = np.arange(left.size)
        if not trial or (many and case.m * case.n <= RESIDUAL_ARCS):
            _residual(
                case, usable, found, offer, root, left, forced, cover=cover, gap=gap, node_limit=node_limit
            )
            return
        nodes = limit if node_limit is None else min(node_limit, TRIAL_NODES)
        arcs = Knapsacks(new[near.site], near.cost, capacity[left], demand, cover)

        def try_set(chosen: NDArray[np.int64], left: NDArray[np.int64] = left) -> None:
            offer(left[chosen])

        tree = branch(
            arcs, case.fixed[left], None,
            Bound(root.value, root.lam, root.v[left], root.chosen[left], root.average[left], 0),
            near.beyond, upper=lambda: state()[0], target=lambda: state()[1], offer=try_set,
            node_limit=nodes or 0, stop=stop, raise_bound=ascend_capacity,
        )  # fmt: skip
        found.nodes += tree.nodes
        found.subgradient_rounds += tree.rounds
        found.raise_bound(tree.bound, "branching")
        found.reason = tree.reason
        if found.bound >= state()[1] or (node_limit is not None and found.nodes >= node_limit) or stop():
            return
        found.reason = ""


def _restricted(
    usable: Case,
    root: Bound,
    offer: Callable[[NDArray[np.int64], str], float],
    *,
    cover: float,
    upper: float,
    gap: float,
) -> None:
    """Look for a plan on the sites that the subproblem opens, with few arcs per client."""
    likely = np.flatnonzero((root.average > 0.005) | root.chosen)
    sub = usable.cost[likely]
    few = min(PLAN_ARCS, likely.size)
    kept = np.zeros(sub.shape, dtype=bool)
    np.put_along_axis(kept, np.argpartition(sub, few - 1, axis=0)[:few], values=True, axis=0)
    kept &= np.isfinite(sub)
    site, client = np.nonzero(kept)
    small = replace(
        usable, fixed=usable.fixed[likely], cost=sub, capacity=None if usable.capacity is None else usable.capacity[likely]
    )  # fmt: skip
    model = build(
        small, Arcs(site, client), strong=False, scale=SCALED / max(abs(upper), 1e-300), cover=cover
    )
    outcome = solve(model.arrays, Options(gap=max(gap, 1e-4), absolute_gap=0.0, node_limit=200))
    if outcome.limit_hit == "interrupt":
        raise KeyboardInterrupt
    if outcome.x is not None:
        offer(likely[outcome.x[: likely.size] > 0.5], "restricted")


def _residual(
    case: Case,
    usable: Case,
    found: Found,
    offer: Callable[[NDArray[np.int64], str], float],
    root: Bound,
    left: NDArray[np.int64],
    forced: NDArray[np.bool_],
    *,
    cover: float,
    gap: float,
    node_limit: int | None,
) -> None:
    """A model on the sites left and their cheapest arcs, with a relaxation column for what was left out."""
    n = case.n
    upper = found.answer.objective if found.answer is not None else np.inf
    cost = usable.cost[left]
    scale = SCALED / max(abs(upper), 1e-300)
    per_client = max(1, min(left.size, RESIDUAL_ARCS // max(n, 1)))
    for _ in range(3):
        kept = np.isfinite(cost)
        if per_client < left.size:
            rank = np.argpartition(cost, per_client - 1, axis=0)[:per_client]
            some = np.zeros(cost.shape, dtype=bool)
            np.put_along_axis(some, rank, values=True, axis=0)
            kept &= some
        dropped = np.where(kept, np.inf, cost).min(axis=0)
        lost = np.flatnonzero(np.isfinite(dropped))
        site, client = np.nonzero(kept)
        small = replace(
            usable, fixed=case.fixed[left], cost=cost,
            capacity=None if case.capacity is None else case.capacity[left],
        )  # fmt: skip
        model = build(
            small, Arcs(site, client), strong=False, scale=scale, cover=cover,
            lower=forced[left].astype(np.float64), relaxed=lost, relaxed_cost=dropped[lost],
        )  # fmt: skip
        outcome = solve(model.arrays, Options(gap=0.45 * gap, absolute_gap=0.0, node_limit=node_limit))
        found.rounds += 1
        found.nodes += outcome.nodes
        found.columns_kept = int(site.size)
        bound = outcome.bound / scale
        bound -= 1e-9 * abs(bound)
        if outcome.x is not None:
            offer(left[outcome.x[: left.size] > 0.5], "residual")
        upper = found.answer.objective if found.answer is not None else np.inf
        # Sites were closed because every plan with them costs at least the target.
        if not np.isnan(bound):
            found.raise_bound(min(bound, enough(case, upper, gap)), "residual")
        if outcome.limit_hit:
            if outcome.limit_hit == "interrupt":
                raise KeyboardInterrupt
            found.reason = f"stopped by the limit on {outcome.limit_hit}"
            return
        if found.bound >= enough(case, upper, gap) or not lost.size or outcome.x is None:
            return
        per_client = min(left.size, 2 * per_client)
