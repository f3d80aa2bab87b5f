"""Capacitated facility location by decomposition: bound, plan, fix, branch.

The assignment rows are relaxed. For multipliers ``lam`` (one per client) and ``mu >= 0`` (for "open capacity covers
demand") the value ``sum(lam) + mu * cover + sum_i min(0, v_i - mu * capacity_i)``, where ``v_i`` is the opening cost
less the site's best continuous knapsack of ``lam_j - c_ij``, bounds every plan from below, whatever the multipliers.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from dcsite.optimize._facility_branch import Bound, Point, ascend, branch, fixable
from dcsite.optimize._facility_case import TOLERANCE
from dcsite.optimize._facility_cut import WHOLE, BranchAndCut, PricedProgram
from dcsite.optimize._facility_near import nearest
from dcsite.optimize._facility_plain import Found, enough
from dcsite.optimize._facility_single import solve_single
from dcsite.optimize._facility_whole import transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from dcsite.optimize._facility_case import Case

FIRST_ARCS = 40
"""Arcs per client in the first ascent; more while multipliers press against them."""
CLIENTS_PER_SITE = 30
"""Where an open site serves more clients than this, multipliers beat the linear program (measured)."""
TRIAL_NODES = 600
"""Nodes of branching on multipliers before the linear program takes over."""
LIKELY = 1.5
"""Sites in the search for a plan, as a multiple of those that the linear program opens."""
LEAST_LIKELY = 30
"""Least number of sites in that search."""
PLAN_NODES = 12
"""Nodes of that search."""
FIRST_SLACK = 0.1
"""Arcs within this share of the gap, by reduced cost, are in a program from its start."""
ARCS_PER_CLIENT = 8
"""Most of these arcs per client, on average."""


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

    def point(
        self,
        lam: NDArray[np.float64],
        fixed: NDArray[np.float64],
        forced: NDArray[np.bool_],
        choose: int | None,
    ) -> Point:
        """Open what pays, and as much more as the cover row asks for; ``v`` are costs less the price of capacity."""
        if choose is not None:
            msg = "a number of sites is not part of this relaxation"
            raise ValueError(msg)
        relief, at, client, share = self.fill(lam)
        mu, y = self.cover_price(fixed - relief, forced)
        if np.isinf(mu):
            return Point(np.inf, relief, y, lambda: np.ones(lam.size))
        v = fixed - relief - mu * self.capacity
        taken = np.where(forced, v, np.minimum(v, 0.0))
        value = float(lam.sum() + mu * self.cover + taken.sum())
        value -= 1e-13 * float(np.abs(lam).sum() + mu * self.cover + np.abs(taken).sum())
        return Point(
            value,
            v,
            y,
            lambda: np.asarray(1.0 - np.bincount(client, share * y[at], lam.size), dtype=np.float64),
        )

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
    capacity, demand = case.capacity, case.demand
    usable = replace(case, cost=np.where((capacity == 0)[:, None] & (demand > 0)[None, :], np.inf, case.cost))
    if case.single_source:
        solve_single(case, found, cover=cover_needed(case), gap=gap, node_limit=node_limit, stop=stop)
        return
    task = _Task(case, usable, cover_needed(case), found, gap, node_limit, stop)
    task.first_plan()
    left = np.arange(case.m)
    if case.p is None and case.n > CLIENTS_PER_SITE * task.sites_needed():
        if found.answer is None:
            found.reason = "no first plan was found"
            return
        left = _by_multipliers(task, 1200 if iteration_limit is None else iteration_limit)
    if left.size:
        _by_program(task, left)


@dataclass
class _Task:
    """What the ways to solve a capacitated case share: the case, the best plan, and how plans are judged."""

    case: Case
    usable: Case  # arcs that no plan can use are forbidden
    cover: float
    found: Found
    gap: float
    node_limit: int | None
    stop: Callable[[], str]
    seen: dict[bytes, float] = field(default_factory=dict)

    @property
    def capacity(self) -> NDArray[np.float64]:
        """Room of every site, (m,)."""
        return np.zeros(0) if self.case.capacity is None else self.case.capacity

    @property
    def demand(self) -> NDArray[np.float64]:
        """Need of every client, (n,)."""
        return np.zeros(0) if self.case.demand is None else self.case.demand

    def offer(self, opened: NDArray[np.int64], source: str = "search") -> None:
        """Evaluate a set of sites, once."""
        opened = np.unique(opened)
        key = opened.tobytes()
        if key not in self.seen:
            able = self.capacity[opened].sum() >= self.cover * (1 - TOLERANCE)
            answer = transport(self.case, opened) if able else None
            self.seen[key] = np.inf if answer is None else answer.objective
            self.found.offer(answer, source)

    def upper(self) -> float:
        """Cost of the best plan."""
        return self.found.answer.objective if self.found.answer is not None else np.inf

    def target(self) -> float:
        """Bound that is enough."""
        upper = self.upper()
        return enough(self.case, upper, self.gap) if np.isfinite(upper) else np.inf

    def nodes_left(self) -> int | None:
        """Nodes that the caller still allows."""
        return None if self.node_limit is None else max(0, self.node_limit - self.found.nodes)

    def price(self) -> NDArray[np.float64]:
        """Opening cost per unit of capacity, (m,)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.capacity > 0, self.case.fixed / self.capacity, np.inf)

    def sites_needed(self) -> int:
        """Least number of sites with room for all demand."""
        room = np.cumsum(np.sort(self.capacity)[::-1])
        return min(int(np.searchsorted(room, self.cover * (1 - TOLERANCE))) + 1, self.case.m)

    def first_plan(self) -> None:
        """A plan by price of capacity alone: until there is room, then half as much again, and so on."""
        order = np.argsort(self.price(), kind="stable")
        if self.case.p is not None:
            self.offer(order[: self.case.p])
            self.offer(np.argsort(-self.capacity, kind="stable")[: self.case.p])
            return
        room = np.cumsum(self.capacity[order])
        for factor in (1.0, 1.5, 3.0, np.inf):
            count = self.case.m if np.isinf(factor) else int(np.searchsorted(room, factor * self.cover)) + 1
            self.offer(order[:count])
            if self.found.answer is not None:
                return


def _by_program(task: _Task, left: NDArray[np.int64]) -> None:
    """Branch and cut on some of the sites.

    A linear program on all, then a short search among the likely ones for a plan, then the proof on those that the
    plan does not rule out.
    """
    found = task.found

    def search(
        sites: NDArray[np.int64], keep: NDArray[np.bool_], floor: float, nodes: int | None, *, proves: bool
    ) -> BranchAndCut:
        small = replace(
            task.usable, fixed=task.case.fixed[sites], cost=task.usable.cost[sites], capacity=task.capacity[sites]
        )  # fmt: skip
        with PricedProgram(small, task.cover, keep, task.upper()) as program:
            tree = BranchAndCut(
                program, target=task.target, offer=lambda chosen: task.offer(sites[chosen]), stop=task.stop,
                raised=(lambda bound: found.raise_bound(bound, "branching")) if proves else lambda _: None,
                dive_every=10 if proves else 2,
            )  # fmt: skip
            result = tree.run(floor, nodes)
        found.nodes += result.nodes
        found.rounds += result.solves
        found.columns_kept = result.columns
        found.reason = result.reason
        return tree

    nothing = np.zeros((left.size, task.case.n), dtype=bool)
    allowed = task.nodes_left()
    root = search(left, nothing, found.bound, 1 if allowed is None else min(1, allowed), proves=True).root
    found.lagrangian_bound = max(found.lagrangian_bound, found.bound)
    if root is None or found.bound >= task.target() or task.stop() or task.nodes_left() == 0:
        return

    def near(slack: float) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Sites whose reduced cost is within the slack, and their arcs with which a program may well begin."""
        here = np.flatnonzero((root.v <= slack) | (root.y > 0))
        reduced = root.reduced[here]
        most, count = FIRST_SLACK * (task.target() - root.value), ARCS_PER_CLIENT * task.case.n
        if count < reduced.size:
            most = min(most, float(np.partition(reduced, count, axis=None)[count]))
        return here, reduced <= most

    slack = task.target() - root.value
    likely = int(max(LEAST_LIKELY, LIKELY * (root.y > WHOLE).sum()))
    if not np.isfinite(slack) or (root.v <= slack).sum() > 1.2 * likely:
        small = float(np.partition(root.v, likely - 1)[likely - 1]) if likely < left.size else np.inf
        here, keep = near(max(small, 0.0))
        nodes = PLAN_NODES if allowed is None else min(PLAN_NODES, allowed - 1)
        search(left[here], keep, -np.inf, nodes, proves=False)
        if found.answer is None:
            return
    here, keep = near(task.target() - root.value)
    search(left[here], keep, root.value, task.nodes_left(), proves=True)


def _by_multipliers(task: _Task, most: int) -> NDArray[np.int64]:
    """Subgradient bound, then branching on it; returns the sites left where that was not enough.

    Best where an open site serves many clients: the linear program is slow there.
    """
    case, usable, found, cover = task.case, task.usable, task.found, task.cover
    m, capacity, demand = case.m, task.capacity, task.demand
    done = np.zeros(0, dtype=np.int64)

    def finished() -> bool:
        found.reason = task.stop()
        return found.bound >= task.target() or bool(found.reason)

    width = min(m, FIRST_ARCS)
    price = task.price()
    per_unit = float(np.median(price[np.isfinite(price)])) if np.isfinite(price).any() else 0.0
    near = nearest(usable.cost, width)
    lam = near.cost[:, min(2, width - 1)] + per_unit * demand
    lam = np.where(np.isfinite(lam), lam, near.cost[:, 0] + per_unit * demand)
    root: Bound | None = None
    for turn in range(4):
        arcs = Knapsacks(near.site, near.cost, capacity, demand, cover)
        for _ in range(3):
            step = ascend(
                arcs, case.fixed, None, lam, near.beyond, upper=task.upper(), target=task.target(),
                rounds=max(1, min(80 if turn == 0 and root is None else 400, most - found.subgradient_rounds)),
                theta=1.0 if root is None else 0.5, deflect=0.6,
            )  # fmt: skip
            found.subgradient_rounds += step.rounds
            fresh = root is None
            if root is None or step.value > root.value:
                root = step
            lam = root.lam
            found.raise_bound(root.value, "lagrangian")
            task.offer(np.flatnonzero(step.average > 0.5))
            task.offer(np.flatnonzero(step.chosen))
            if not fresh or found.subgradient_rounds >= most:
                break
        pressed = np.isfinite(near.beyond) & (lam >= near.beyond * (1 - 1e-9))
        if found.bound >= task.target() or found.subgradient_rounds >= most or not pressed.any():
            break
        width = min(m, 3 * width)
        near = nearest(usable.cost, width)
    if root is not None and not finished():
        again = ascend(
            Knapsacks(near.site, near.cost, capacity, demand, cover), case.fixed, None, root.lam, near.beyond,
            upper=task.upper(), target=task.target(), rounds=max(1, min(300, most - found.subgradient_rounds)),
            theta=0.5,
        )  # fmt: skip
        found.subgradient_rounds += again.rounds
        if again.value > root.value:
            root = again
            found.raise_bound(root.value, "lagrangian")
    found.lagrangian_bound = found.bound
    if root is None or finished():
        return done

    def unfixed(root: Bound) -> NDArray[np.int64]:
        return np.flatnonzero(~fixable(root.v, np.zeros(m, dtype=bool), None, task.target() - root.value)[0])

    left = unfixed(root)
    new = np.full(m + 1, left.size)
    new[left] = np.arange(left.size)
    allowed = task.nodes_left()
    tree = branch(
        Knapsacks(new[near.site], near.cost, capacity[left], demand, cover), case.fixed[left], None,
        Bound(root.value, root.lam, root.v[left], root.chosen[left], root.average[left], 0), near.beyond,
        upper=task.upper, target=task.target, offer=lambda chosen: task.offer(left[chosen]),
        node_limit=TRIAL_NODES if allowed is None else min(allowed, TRIAL_NODES), stop=task.stop,
    )  # fmt: skip
    found.nodes += tree.nodes
    found.subgradient_rounds += tree.rounds
    found.raise_bound(tree.bound, "branching")
    found.reason = tree.reason
    if found.bound >= task.target() or task.nodes_left() == 0 or task.stop():
        return done
    found.reason = ""
    return unfixed(root)
