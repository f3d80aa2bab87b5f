"""Plans of facility location without capacities: nearest arcs, local search, and walks between good plans.

Serves the uncapacitated problem (``p`` is None) and the p-median problem, in numpy. Moves look only at arcs cheaper
than a client's second-best open site; every value reported is computed on the whole matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dcsite.optimize._facility_case import Case


@dataclass(frozen=True)
class Near:
    """The ``K`` cheapest sites of every client, cheapest first, ties by site number."""

    site: NDArray[np.int64]  # (n, K)
    cost: NDArray[np.float64]  # (n, K)
    beyond: NDArray[np.float64]  # (n,) cheapest cost that is not listed; inf when all are


def nearest(cost: NDArray[np.float64], k: int) -> Near:
    """Short lists of the cheapest sites of every client; ``cost`` is (m, n)."""
    m, n = cost.shape
    k = min(k, m)
    by_client = np.ascontiguousarray(cost.T)
    if k < m:
        part = np.argpartition(by_client, k, axis=1)
        site = np.sort(part[:, :k], axis=1)
        beyond = np.take_along_axis(by_client, part[:, k : k + 1], axis=1)[:, 0]
    else:
        site = np.broadcast_to(np.arange(m), (n, m))
        beyond = np.full(n, np.inf)
    short = np.take_along_axis(by_client, site, axis=1)
    order = np.argsort(short, axis=1, kind="stable")
    return Near(np.take_along_axis(site, order, axis=1), np.take_along_axis(short, order, axis=1), beyond)


class Search:
    """Open sets and their costs; adds, drops and swaps sites while that pays."""

    def __init__(self, case: Case, near: Near) -> None:
        self.case = case
        self.near = near
        self.steps = 0
        self.best_value = np.inf
        self.best: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self.seen: set[bytes] = set()
        self.pool: list[tuple[float, NDArray[np.int64]]] = []

    def evaluate(self, opened: NDArray[np.int64]) -> float:
        """Cost of a set of open sites with every client at its cheapest."""
        if opened.size == 0:
            return np.inf if self.case.n else 0.0
        return float(self.case.fixed[opened].sum() + self.case.cost[opened].min(axis=0).sum())

    def offer(self, opened: NDArray[np.int64], value: float) -> None:
        """Keep the set if it is the best, and in the pool of good sets."""
        if value < self.best_value:
            self.best_value, self.best = value, opened.copy()
        self.pool.append((value, opened.copy()))
        self.pool.sort(key=lambda item: item[0])
        del self.pool[12:]

    def improve(
        self, opened: NDArray[np.int64], limit: int, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[float, NDArray[np.int64]]:
        """Best-improvement local search from ``opened``, at most ``limit`` moves."""
        case, near = self.case, self.near
        cost, fixed, m, n = case.cost, case.fixed, case.m, case.n
        opened = np.sort(opened)
        key = opened.tobytes()
        if key in self.seen:
            return np.inf, opened
        self.seen.add(key)
        p_fixed = case.p is not None
        is_open = np.zeros(m, dtype=bool)
        is_open[opened] = True
        opened = list(opened)  # type: ignore[assignment]
        open_arr = np.array(opened, dtype=np.int64)
        a1, a2, d1, d2 = two_nearest(cost, open_arr, np.arange(n))
        value = float(fixed[open_arr].sum() + d1.sum())
        tolerance = 1e-9 * max(abs(value), 1e-300)
        site, near_cost = near.site, near.cost
        client = np.broadcast_to(np.arange(n)[:, None], site.shape)
        for _ in range(limit):
            self.steps += 1
            width = open_arr.size
            position = np.zeros(m, dtype=np.int64)
            position[open_arr] = np.arange(width)
            with np.errstate(invalid="ignore"):
                loss = np.bincount(position[a1], d2 - d1, width)
            use = near_cost < d2[:, None]
            use &= ~is_open[site]
            i, j, c = site[use], client[use], near_cost[use]
            if allowed is not None:
                keep = allowed[i]
                i, j, c = i[keep], j[keep], c[keep]
            gain = np.bincount(i, np.maximum(d1[j] - c, 0.0), m)
            with np.errstate(invalid="ignore"):
                extra = np.bincount(
                    i * width + position[a1[j]], d2[j] - np.maximum(c, d1[j]), m * width
                ).reshape(m, width)
            candidates = np.unique(i)
            best_delta, move = -tolerance, None
            if candidates.size:
                with np.errstate(invalid="ignore"):
                    delta = (
                        (fixed[candidates] - gain[candidates])[:, None]
                        + (loss - fixed[open_arr])[None, :]
                        - extra[candidates]
                    )
                np.nan_to_num(delta, copy=False, nan=np.inf)
                at = int(delta.argmin())
                if delta.flat[at] < best_delta:
                    best_delta = float(delta.flat[at])
                    move = (int(candidates[at // width]), int(open_arr[at % width]))
                if not p_fixed:
                    add = fixed[candidates] - gain[candidates]
                    at = int(add.argmin())
                    if add[at] < best_delta:
                        best_delta, move = float(add[at]), (int(candidates[at]), -1)
            if not p_fixed and width > 1:
                drop = loss - fixed[open_arr]
                at = int(drop.argmin())
                if drop[at] < best_delta:
                    best_delta, move = float(drop[at]), (-1, int(open_arr[at]))
            if move is None:
                break
            enter, leave = move
            if leave >= 0:
                is_open[leave] = False
            if enter >= 0:
                is_open[enter] = True
            open_arr = np.flatnonzero(is_open)
            if leave >= 0:
                redo = np.flatnonzero((a1 == leave) | (a2 == leave))
                if redo.size:
                    a1[redo], a2[redo], d1[redo], d2[redo] = two_nearest(cost, open_arr, redo)
            if enter >= 0:
                row = cost[enter]
                first = (row < d1) & (a1 != enter)
                second = ~first & (row < d2) & (a1 != enter) & (a2 != enter)
                a2[first], d2[first] = a1[first], d1[first]
                a1[first], d1[first] = enter, row[first]
                a2[second], d2[second] = enter, row[second]
            value = float(fixed[open_arr].sum() + d1.sum())
        value = self.evaluate(open_arr)
        self.offer(open_arr, value)
        return value, open_arr

    def kick(self, likely: NDArray[np.int64], rounds: int) -> None:
        """Exchange a few sites of the best set for likely ones and improve again, with a fixed seed."""
        rng = np.random.default_rng(0)
        for _ in range(rounds):
            start = self.best
            others = np.setdiff1d(likely, start)
            count = min(max(2, start.size // 5), others.size, start.size)
            if count == 0:
                return
            out = rng.choice(start, count, replace=False)
            into = rng.choice(others, count, replace=False)
            self.improve(np.union1d(np.setdiff1d(start, out), into), 200)

    def relink_pool(self, pairs: int) -> None:
        """Walk between the best sets of the pool, at most ``pairs`` walks."""
        done = 0
        for a in range(1, len(self.pool)):
            for b in range(a):
                if done >= pairs or max(a, b) >= len(self.pool):
                    return
                source, target = self.pool[a][1], self.pool[b][1]
                if not np.array_equal(source, target):
                    self.relink(source, target, 100)
                    done += 1

    def relink(self, source: NDArray[np.int64], target: NDArray[np.int64], limit: int) -> None:
        """Walk from one good set to another, greedily, and improve the best set on the way."""
        case = self.case
        enter = [int(i) for i in np.setdiff1d(target, source)]
        leave = [int(i) for i in np.setdiff1d(source, target)]
        current = source.copy()
        best_value, best = np.inf, None
        while (enter or leave) and len(enter) + len(leave) > 2:
            rows = case.cost[current]
            a1, _, d1, d2 = two_nearest(case.cost, current, np.arange(case.n))
            del rows
            options: list[tuple[float, int, int]] = []
            gain_in = (
                case.fixed[enter] + np.minimum(case.cost[enter] - d1, 0.0).sum(axis=1)
                if enter
                else np.zeros(0)
            )
            if leave:
                with np.errstate(invalid="ignore"):
                    loss = np.bincount(a1, d2 - d1, case.m)[leave] - case.fixed[leave]
            else:
                loss = np.zeros(0)
            if enter and (case.p is not None or not leave or gain_in.min() <= loss.min()):
                options.append((float(gain_in.min()), enter[int(gain_in.argmin())], -1))
            if options:
                site = options[0][1]
                enter.remove(site)
                current = np.union1d(current, [site])
                if case.p is None:
                    pass
                else:
                    a1, _, d1, d2 = two_nearest(case.cost, current, np.arange(case.n))
                    with np.errstate(invalid="ignore"):
                        loss = np.bincount(a1, d2 - d1, case.m)[leave] - case.fixed[leave]
                    site = leave[int(loss.argmin())]
                    leave.remove(site)
                    current = np.setdiff1d(current, [site])
            else:
                site = leave[int(loss.argmin())]
                leave.remove(site)
                if current.size > 1:
                    current = np.setdiff1d(current, [site])
            value = self.evaluate(current)
            if value < best_value and (enter or leave):
                best_value, best = value, current.copy()
        if best is not None:
            self.improve(best, limit)


def two_nearest(
    cost: NDArray[np.float64], opened: NDArray[np.int64], clients: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Nearest and second nearest open site of some clients, and both costs."""
    sub = cost[np.ix_(opened, clients)] if clients.size < cost.shape[1] else cost[opened]
    first = sub.argmin(axis=0)
    columns = np.arange(clients.size)
    d1 = sub[first, columns]
    if opened.size == 1:
        return opened[first], np.full(clients.size, -1), d1, np.full(clients.size, np.inf)
    if clients.size == cost.shape[1] or sub.base is None:
        sub[first, columns] = np.inf
    second = sub.argmin(axis=0)
    return opened[first], opened[second], d1, sub[second, columns]


def cover(case: Case, opened: NDArray[np.int64]) -> NDArray[np.int64]:
    """Open sites enough that every client can be served."""
    if opened.size == 0:
        reach = np.where(np.isfinite(case.cost), case.cost, 0).sum(axis=1) + case.fixed
        reach[~np.isfinite(case.cost).all(axis=1)] += 1e300
        opened = np.array([int(reach.argmin())])
    missing = ~np.isfinite(case.cost[opened].min(axis=0))
    while missing.any():
        j = int(np.flatnonzero(missing)[0])
        extra = int((case.cost[:, j] + case.fixed).argmin())
        opened = np.union1d(opened, [extra])
        missing = ~np.isfinite(case.cost[opened].min(axis=0))
    return opened
