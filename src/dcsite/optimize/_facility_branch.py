"""Bounds of facility location by a Lagrangian relaxation, and branching on top of it.

The assignment rows are relaxed with one multiplier per client. For any multipliers ``lam`` the value
``sum(lam) + sum of the chosen v_i`` with ``v_i = f_i - sum_j max(0, lam_j - c_ij)`` bounds every plan from below
(chosen: the negative ones, or the p smallest), so nothing here has to converge to be right; capacities change only
how a site's ``v_i`` is found (``Knapsacks`` of :mod:`dcsite.optimize._facility_capacity`). Branching opens or closes
one site and raises the bound again from the parent's multipliers; sites whose reduced cost exceeds the gap are fixed
on the way. There is no solver in this module.
"""

from __future__ import annotations

import heapq
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


@dataclass
class Point:
    """The relaxation at some multipliers: its value, reduced costs and shares of sites, and how to raise it."""

    value: float  # inf: no set of these sites serves everyone
    v: NDArray[np.float64]  # (a,)
    share: NDArray[np.float64]  # (a,)
    unserved: Callable[[], NDArray[np.float64]]  # (n,) per client: one less what it gets


class Uncapacitated(ABC):
    """The relaxation without capacities; layouts of its arcs say what a site saves and who is served."""

    size: int

    @abstractmethod
    def relief(self, lam: NDArray[np.float64]) -> NDArray[np.float64]:
        """``sum_j max(0, lam_j - c_ij)`` per site."""

    @abstractmethod
    def served(self, opened: NDArray[np.bool_], lam: NDArray[np.float64]) -> NDArray[np.int64]:
        """How many open sites take each client."""

    def point(
        self,
        lam: NDArray[np.float64],
        fixed: NDArray[np.float64],
        forced: NDArray[np.bool_],
        choose: int | None,
    ) -> Point:
        """Open every site that pays, or the ``choose`` best, beside the forced ones."""
        v = fixed - self.relief(lam)
        if choose is None:
            chosen = (v < 0) | forced
        else:
            chosen = forced.copy()
            if choose > 0:
                chosen[np.argpartition(np.where(forced, np.inf, v), choose - 1)[:choose]] = True
        taken = v[chosen]
        value = float(lam.sum() + taken.sum()) - 1e-13 * float(np.abs(lam).sum() + np.abs(taken).sum())
        return Point(
            value, v, chosen.astype(np.float64), lambda: 1.0 - self.served(chosen, lam).astype(np.float64)
        )


class Dense(Uncapacitated):
    """Costs of all arcs of some sites, shape (a, n): best when few sites are left."""

    def __init__(self, cost: NDArray[np.float64]) -> None:
        self.cost = cost
        self.work = np.empty_like(cost)
        self.ones = np.ones(cost.shape[1])
        self.size = cost.shape[0]

    def relief(self, lam: NDArray[np.float64]) -> NDArray[np.float64]:
        """``sum_j max(0, lam_j - c_ij)`` per site."""
        np.subtract(lam, self.cost, out=self.work)
        np.maximum(self.work, 0.0, out=self.work)
        return np.asarray(self.work @ self.ones)

    def served(self, opened: NDArray[np.bool_], lam: NDArray[np.float64]) -> NDArray[np.int64]:
        """How many open sites take each client."""
        return np.asarray((self.cost[opened] < lam).sum(axis=0))

    def restrict(self, keep: NDArray[np.int64]) -> Self:
        """The same for some of the sites."""
        return type(self)(self.cost[keep])


class Short(Uncapacitated):
    """The cheapest arcs of every client, shape (n, K): best when many sites are left."""

    def __init__(self, site: NDArray[np.int64], cost: NDArray[np.float64], size: int) -> None:
        self.site = site  # entries equal to ``size`` are closed sites
        self.cost = cost
        self.size = size
        self.work = np.empty_like(cost)

    def relief(self, lam: NDArray[np.float64]) -> NDArray[np.float64]:
        """``sum_j max(0, lam_j - c_ij)`` per site."""
        np.subtract(lam[:, None], self.cost, out=self.work)
        np.maximum(self.work, 0.0, out=self.work)
        total = np.bincount(self.site.ravel(), self.work.ravel(), self.size + 1)
        return np.asarray(total[: self.size], dtype=np.float64)

    def served(self, opened: NDArray[np.bool_], lam: NDArray[np.float64]) -> NDArray[np.int64]:
        """How many open sites take each client."""
        flag = np.append(opened, np.False_)
        return np.asarray((flag[self.site] & (self.cost < lam[:, None])).sum(axis=1))

    def restrict(self, keep: NDArray[np.int64]) -> Self:
        """The same for some of the sites; the others' arcs fall into a bin that nobody reads."""
        new = np.full(self.size + 1, keep.size)
        new[keep] = np.arange(keep.size)
        return type(self)(new[self.site], self.cost, keep.size)


class Relaxation(Protocol):
    """What bounding and branching need: the number of sites, the relaxation, and the same for some sites."""

    size: int

    def restrict(self, keep: NDArray[np.int64]) -> Self:
        """The same for some of the sites."""
        ...

    def point(
        self,
        lam: NDArray[np.float64],
        fixed: NDArray[np.float64],
        forced: NDArray[np.bool_],
        choose: int | None,
    ) -> Point:
        """The relaxation at some multipliers."""
        ...


@dataclass
class Bound:
    """Best multipliers of an ascent, what they prove, and what the subproblem chose there."""

    value: float
    lam: NDArray[np.float64]  # (n,)
    v: NDArray[np.float64]  # (a,)
    chosen: NDArray[np.bool_]  # (a,)
    average: NDArray[np.float64]  # (a,) how often a site was chosen, late rounds weigh more
    rounds: int


def ascend(
    arcs: Relaxation,
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
    on_gain: Callable[[int, NDArray[np.bool_]], tuple[float, float]] | None = None,
) -> Bound:
    """Raise the bound by a deflected subgradient with Polyak steps.

    Parameters
    ----------
    choose
        How many sites are chosen beside the forced ones; None: every site that pays.
    cap
        Multipliers never exceed it: the cheapest arc that ``arcs`` does not hold.
    upper, target
        Cost of the best plan, for the step; the ascent ends when the bound reaches ``target``.
    on_gain
        Called with the round and the chosen sites after a gain; returns the latest ``upper`` and ``target``.
    """
    n, a = lam.size, arcs.size
    held = np.zeros(a, dtype=bool) if forced is None else forced
    lam = np.minimum(lam, cap)
    best = Bound(-np.inf, lam, np.zeros(a), held.copy(), np.zeros(a), 0)
    direction = np.zeros(n)
    stale = 0
    for round_ in range(1, rounds + 1):
        point = arcs.point(lam, fixed, held, choose)
        value = point.value
        best.rounds = round_
        if np.isinf(value):
            best.value = np.inf
            return best
        best.average += (point.share - best.average) * max(0.06, 1.0 / round_)
        if value > best.value:
            stale = 0 if value > best.value + 1e-5 * abs(upper - value) else stale + 1
            best.value, best.lam, best.v, best.chosen = value, lam, point.v, point.share > 0
            if on_gain is not None:
                upper, target = on_gain(round_, best.chosen)
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
        direction = point.unserved() + deflect * direction
        norm = float(direction @ direction)
        if norm == 0.0:
            break
        step = theta * max(upper - value, 1e-9 * abs(upper)) / norm
        lam = np.minimum(lam + step * direction, cap)
    return best


def fixable(
    v: NDArray[np.float64], forced: NDArray[np.bool_], choose: int | None, slack: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Sites that no plan within ``slack`` of the bound opens, and sites that every such plan opens."""
    free = ~forced
    if choose is None:
        return free & (v > slack), free & (-v > slack)
    if choose == 0:
        return free, np.zeros_like(free)
    order = np.sort(v[free])
    last_in = order[choose - 1]
    first_out = order[choose] if choose < order.size else np.inf
    return free & (v - last_in > slack), free & (first_out - v > slack)


@dataclass
class Tree:
    """Result of branching: what is proved, and the work."""

    bound: float
    nodes: int = 0
    rounds: int = 0
    reason: str = ""


@dataclass(order=True)
class _Node:
    bound: float
    number: int
    active: NDArray[np.int64] = field(compare=False)
    forced: NDArray[np.bool_] = field(compare=False)
    lam: NDArray[np.float32] = field(compare=False)


def branch(
    arcs: Relaxation,
    fixed: NDArray[np.float64],
    p: int | None,
    root: Bound,
    cap: NDArray[np.float64],
    *,
    upper: Callable[[], float],
    target: Callable[[], float],
    offer: Callable[[NDArray[np.int64]], None],
    node_limit: int,
    stop: Callable[[], str],
    rounds: int = 40,
) -> Tree:
    """Prove ``target()`` by branching on sites, the node with the lowest bound first.

    Parameters
    ----------
    arcs, fixed
        Sites left after fixing; ``root`` are multipliers for them.
    upper, target
        Cost of the best plan, and the bound that is enough for it; both may improve while this runs.
    offer
        Takes a set of sites (numbers of ``arcs``) that looks like a plan.
    stop
        Reason to stop now, or an empty text.
    """
    tree = Tree(root.value)
    heap: list[_Node] = [
        _Node(
            root.value,
            0,
            np.arange(arcs.size),
            np.zeros(arcs.size, dtype=bool),
            root.lam.astype(np.float32),
        )
    ]
    number = 0
    while heap:
        if heap[0].bound >= target():
            break
        if tree.nodes >= node_limit:
            tree.reason = "stopped by the node limit"
            break
        tree.reason = stop()
        if tree.reason:
            break
        node = heapq.heappop(heap)
        active, forced = node.active, node.forced
        choose = None if p is None else p - int(forced.sum())
        if p is not None and active.size < p:
            continue
        here = arcs.restrict(active)
        goal = target()
        bound = ascend(
            here,
            fixed[active],
            choose,
            node.lam.astype(np.float64),
            cap,
            upper=upper(),
            target=goal,
            rounds=rounds if tree.nodes else 4 * rounds,
            forced=forced,
            theta=0.5,
            shrink=8,
            factor=0.6,
            deflect=0.6,
            stop_theta=0.02,
        )
        tree.nodes += 1
        tree.rounds += bound.rounds
        if bound.chosen.any():
            offer(active[bound.chosen])
            goal = target()
        value = max(bound.value, node.bound)
        if value >= goal:
            continue
        closed, opened = fixable(bound.v, forced, choose, goal - bound.value)
        forced = (forced | opened)[~closed]
        active = active[~closed]
        average = bound.average[~closed]
        free = np.flatnonzero(~forced)
        if free.size == 0 or (p is not None and int(forced.sum()) >= p):
            # All decided; what was closed on the way cannot be in a plan better than the target.
            if p is None or int(forced.sum()) == p:
                offer(active[forced])
            continue
        split = free[int(np.minimum(average[free], 1 - average[free]).argmax())]
        lam = bound.lam.astype(np.float32)
        with_it = forced.copy()
        with_it[split] = True
        heapq.heappush(heap, _Node(value, number + 1, active, with_it, lam))
        rest = np.delete(np.arange(active.size), split)
        heapq.heappush(heap, _Node(value, number + 2, active[rest], forced[rest], lam))
        number += 2
    tree.bound = min(heap[0].bound, target()) if heap else target()
    return tree
