"""Capacitated facility location with split demand by branch and cut on a linear program that holds few arcs.

The program has a column per site and per arc that ever looked useful, and ``x <= y`` only where a solution broke it:
both are added while it is solved again from where it stood. What is proved never rests on the solver: every bound is
computed here, from its prices and **all** arcs, so that arcs and rows that are missing only make it weaker.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np
from scipy.sparse import csc_array, csr_array

from dcsite.optimize._facility_case import TOLERANCE
from dcsite.optimize._facility_whole import SCALED, scale_for
from dcsite.optimize.highs import Arrays, Options, Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from dcsite.optimize._facility_case import Case
    from dcsite.optimize.highs import Outcome

FIRST_ARCS = 10
"""Cheapest arcs per client that the program holds from the start."""
ROOT_ROUNDS = 60
"""Rounds of rows and columns before the first branching."""
NODE_ROUNDS = 6
"""The same at every later node."""
ARCS_PER_ROUND = 4_000
"""Most arcs that enter in one round: those with the best price."""
TRIALS = 16
"""Sites that are tried at a node before one of them is branched on."""
TRUSTED = 2
"""Trials of a site in each direction after which its average gain is believed."""
MANY_SPLIT = 20
"""While more sites than this are split, a dive closes those that are closed in the program."""
DIVE_STEPS = 100
"""Most programs solved in a dive; what is open then by half is taken."""
SURE = 0.1
"""A dive opens every site this near to open."""
NODE_LIMIT = 100_000
"""Nodes before the search gives up when the caller sets no limit: a guard for memory."""
WHOLE = 1e-6
"""Distance from an integer that counts as integral."""


class PricedProgram:
    """The linear relaxation on few arcs, kept in the solver between nodes.

    Columns: ``y`` (a), one artificial column per client and one for the cover row, then arcs in the order in which
    they came. Rows: clients (n), room of every site (a), cover, count if ``p`` is set, then ``x <= y`` rows.
    """

    def __init__(self, case: Case, cover: float, keep: NDArray[np.bool_], upper: float) -> None:
        if case.capacity is None or case.demand is None:
            msg = "a priced program needs capacities"
            raise ValueError(msg)
        a, n = case.m, case.n
        self.a, self.n, self.p = a, n, case.p
        self.capacity, self.needed = case.capacity, cover
        able = np.isfinite(case.cost)
        largest = float(np.abs(case.cost[able]).max(initial=0.0))
        self.scale = scale_for(case, upper)
        self.cost, self.fixed = case.cost * self.scale, case.fixed * self.scale
        self.room = np.minimum(case.capacity, (able * case.demand).sum(axis=1))
        self.demand = case.demand
        self.inverse = np.divide(1.0, self.room, out=np.zeros(a), where=self.room > 0)
        able &= ~((self.room == 0)[:, None] & (case.demand > 0)[None, :])
        self.cost[~able] = np.inf
        self.most: NDArray[np.float64] | None = None
        if float(case.demand.max(initial=0.0)) > float(self.room[self.room > 0].min(initial=np.inf)):
            self.most = np.minimum(1.0, self.room[:, None] / np.maximum(case.demand, 1e-300)[None, :])
            self.most[:, case.demand == 0] = 1.0
        self.weight = case.capacity / cover if cover > 0 else np.ones(a)
        few = min(FIRST_ARCS, a)
        keep = keep & able
        np.put_along_axis(keep, np.argpartition(self.cost, few - 1, axis=0)[:few], values=True, axis=0)
        keep &= able
        self.inside = keep
        self.site, self.client = np.nonzero(keep)
        self.has_row = np.zeros((a, n), dtype=bool)
        self.row_site, self.row_client = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        self.solves = 0
        self.session = Session(self._arrays(largest), Options())

    def _arrays(self, largest: float) -> Arrays:
        a, n, count = self.a, self.n, self.site.size
        x = a + n + 1 + np.arange(count)
        covers = float(self.needed > 0)
        rows = [
            self.client,
            np.arange(n),
            n + self.site,
            n + np.arange(a),
            np.full(a, n + a),
            np.array([n + a]),
        ]
        columns = [x, a + np.arange(n), x, np.arange(a), np.arange(a), np.array([a + n])]
        held = self.share(self.site, self.client)
        values = [np.ones(count), np.ones(n), held, -(self.room > 0).astype(float), self.weight, np.ones(1)]
        low, high = (
            [np.ones(n), np.full(a, -np.inf), np.array([covers])],
            [np.ones(n), np.zeros(a), np.array([np.inf])],
        )
        if self.p is not None:
            rows.append(np.full(a, n + a + 1))
            columns.append(np.arange(a))
            values.append(np.ones(a))
            low.append(np.array([float(self.p)]))
            high.append(np.array([float(self.p)]))
        self.base_rows = n + a + 1 + (self.p is not None)
        width = a + n + 1 + count
        matrix = csr_array(
            (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))),
            shape=(self.base_rows, width),
        )
        artificial = 4.0 * max(SCALED, largest * self.scale)
        return Arrays(
            cost=np.concatenate([self.fixed, np.full(n + 1, artificial), self.cost[self.site, self.client]]),
            lower=np.zeros(width),
            upper=np.ones(width),
            matrix=matrix,
            row_lower=np.concatenate(low),
            row_upper=np.concatenate(high),
        )

    def __enter__(self) -> Self:
        self.session.__enter__()
        return self

    def __exit__(self, *what: object) -> None:
        self.session.__exit__(*what)  # type: ignore[arg-type]

    def solve(self) -> Outcome:
        """Solve as things stand."""
        self.solves += 1
        outcome = self.session.solve()
        if outcome.limit_hit == "interrupt":
            raise KeyboardInterrupt
        return outcome

    def share(self, site: NDArray[np.int64], client: NDArray[np.int64]) -> NDArray[np.float64]:
        """Share of a site's room that all of a client takes."""
        return np.asarray(self.demand[client] * self.inverse[site])

    def decide(self, state: NDArray[np.int8]) -> None:
        """Set the bounds of all sites."""
        self.session.set_columns(np.arange(self.a), (state == 1).astype(float), (state != 0).astype(float))

    def possible(self, state: NDArray[np.int8]) -> bool:
        """Whether the sites that may be open have room for all demand and number at least ``p``."""
        may = state != 0
        if self.p is not None and not int((state == 1).sum()) <= self.p <= int(may.sum()):
            return False
        return float(self.capacity[may].sum()) >= self.needed * (1 - TOLERANCE)

    def bound(
        self, prices: NDArray[np.float64], state: NDArray[np.int8]
    ) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """What any prices prove (scaled), the reduced costs of sites, and those of all arcs.

        The rows are relaxed with the prices; what is left is a choice per site, whose arcs can bring no more than
        all their negative reduced costs when it is open.
        """
        a, n = self.a, self.n
        serve = prices[:n]
        room = np.minimum(prices[n : n + a], 0.0)
        cover = max(float(prices[n + a]), 0.0)
        row = np.minimum(prices[self.base_rows :], 0.0)
        reduced = self.cost - serve
        reduced -= np.outer(room * self.inverse, self.demand)
        reduced[self.row_site, self.row_client] -= row
        v = self.fixed + np.where(self.room > 0, room, 0.0) - cover * self.weight
        v += np.bincount(self.row_site, row, a)
        value = float(serve.sum())
        if self.needed > 0:
            value += cover
        if self.p is not None:
            count = float(prices[n + a + 1])
            v -= count
            value += count * self.p
        relief = np.minimum(reduced, 0.0)
        if self.most is not None:
            relief *= self.most
        v += relief.sum(axis=1)
        taken = np.where(state == 1, v, np.where(state == 0, 0.0, np.minimum(v, 0.0)))
        size = float(np.abs(serve).sum() + np.abs(taken).sum()) + abs(value)
        return value + float(taken.sum()) - 1e-13 * size, v, reduced

    def separate(self, x: NDArray[np.float64]) -> int:
        """Add the ``x <= y`` rows that a solution breaks; returns how many."""
        y, arcs = x[: self.a], x[self.a + self.n + 1 :]
        broken = (arcs > y[self.site] + 1e-4) & ~self.has_row[self.site, self.client]
        k = np.flatnonzero(broken & (self.share(self.site, self.client) < 1))
        if k.size:
            site, client = self.site[k], self.client[k]
            ones, at = np.ones(k.size), np.arange(k.size)
            matrix = csr_array(
                (
                    np.concatenate([ones, -ones]),
                    (np.concatenate([at, at]), np.concatenate([self.a + self.n + 1 + k, site])),
                ),
                shape=(k.size, self.a + self.n + 1 + self.site.size),
            )
            self.session.add_rows(matrix, -np.inf, 0.0)
            self.has_row[site, client] = True
            self.row_site = np.concatenate([self.row_site, site])
            self.row_client = np.concatenate([self.row_client, client])
        return int(k.size)

    def price(self, reduced: NDArray[np.float64], state: NDArray[np.int8]) -> int:
        """Add arcs of sites that may be open with negative reduced cost; returns how many."""
        site, client = np.nonzero((reduced < -1e-6) & ~self.inside & (state != 0)[:, None])
        if site.size > ARCS_PER_ROUND:
            best = np.argsort(reduced[site, client], kind="stable")[:ARCS_PER_ROUND]
            site, client = site[best], client[best]
        count = site.size
        if count:
            at = np.arange(count)
            matrix = csc_array(
                (
                    np.concatenate([np.ones(count), self.share(site, client)]),
                    (np.concatenate([client, self.n + site]), np.concatenate([at, at])),
                ),
                shape=(self.base_rows + self.row_site.size, count),
            )
            self.session.add_columns(matrix, self.cost[site, client], 0.0, 1.0)
            self.inside[site, client] = True
            self.site = np.concatenate([self.site, site])
            self.client = np.concatenate([self.client, client])
        return int(count)


@dataclass(order=True)
class _Node:
    bound: float
    number: int
    state: NDArray[np.int8] = field(compare=False)  # -1 undecided, 0 closed, 1 open


@dataclass
class Root:
    """The first node's program: bound, reduced costs of sites and arcs (in the caller's unit), and shares open."""

    value: float
    v: NDArray[np.float64]  # (a,)
    reduced: NDArray[np.float64]  # (a, n)
    y: NDArray[np.float64]  # (a,)


@dataclass
class Search:
    """Result of a branch and cut: bound, work, and why it stopped early."""

    bound: float
    nodes: int = 0
    solves: int = 0
    columns: int = 0
    reason: str = ""


@dataclass
class _Gains:
    """What closing and opening a site has raised the bound by, per unit of its share."""

    total: NDArray[np.float64]  # (2, a)
    count: NDArray[np.float64]  # (2, a)

    def guess(self, way: int, sites: NDArray[np.int64]) -> NDArray[np.float64]:
        """Average gain; for sites never tried that of all sites."""
        known = self.count[way] > 0
        usual = float(self.total[way].sum() / self.count[way].sum()) if known.any() else 1.0
        own = self.total[way][sites] / np.maximum(self.count[way][sites], 1.0)
        return np.asarray(np.where(known[sites], own, usual))

    def note(self, way: int, site: int, gain: float, share: float) -> None:
        """Remember a gain."""
        self.total[way, site] += gain / max(share, 1e-6)
        self.count[way, site] += 1


class BranchAndCut:
    """Search over open and closed sites on a :class:`PricedProgram`.

    Parameters
    ----------
    program
        Entered already.
    target
        Bound that is enough; falls when a better plan is found while this runs.
    offer
        Takes a set of sites that looks like a plan.
    stop
        Reason to stop now, or an empty text.
    raised
        Told the bound proved so far whenever a node is begun.
    dive_every
        Nodes between two dives for a plan.
    """

    def __init__(
        self,
        program: PricedProgram,
        *,
        target: Callable[[], float],
        offer: Callable[[NDArray[np.int64]], None],
        stop: Callable[[], str],
        raised: Callable[[float], None],
        dive_every: int = 10,
    ) -> None:
        self.program = program
        self.target, self.offer, self.stop, self.raised = target, offer, stop, raised
        a = program.a
        self.gains = _Gains(np.zeros((2, a)), np.zeros((2, a)))
        self.dive_every = dive_every
        self.nodes = self.number = 0
        self.root: Root | None = None

    def goal(self) -> float:
        """Bound that is enough, in the solver's scale."""
        return self.target() * self.program.scale

    def run(self, floor: float, node_limit: int | None) -> Search:
        """Branch until the target is proved or a limit is met; ``floor`` is a bound known before."""
        program = self.program
        limit = NODE_LIMIT if node_limit is None else node_limit
        heap: list[_Node] = []
        here: _Node | None = _Node(floor * program.scale, 0, np.full(program.a, -1, dtype=np.int8))
        left_open = np.inf  # least bound of nodes that could not be decided
        reason = ""
        while True:
            if here is None:
                if not heap or heap[0].bound >= self.goal():
                    break
                here = heapq.heappop(heap)
            least = min(here.bound, left_open, heap[0].bound if heap else np.inf)
            self.raised(self._proved(least))
            reason = self.stop() or ("stopped by the node limit" if self.nodes >= limit else "")
            if reason:
                heapq.heappush(heap, here)
                break
            self.nodes += 1
            children, undecided = self._node(here)
            left_open = min(left_open, undecided)
            here = None
            if children:
                heapq.heappush(heap, children[1])
                goal, ahead = self.goal(), heap[0].bound
                # Go on from where the program stands, unless that is far from the least bound.
                if children[0].bound > ahead + 0.3 * (goal - ahead):
                    heapq.heappush(heap, children[0])
                else:
                    here = children[0]
        bound = self._proved(min(left_open, heap[0].bound if heap else np.inf))
        self.raised(bound)
        if not reason and bound < self.target():
            reason = "a linear program could not be solved"
        return Search(bound, self.nodes, program.solves, program.site.size, reason)

    def _proved(self, least: float) -> float:
        return min(least, self.goal()) / self.program.scale

    def _node(self, node: _Node) -> tuple[list[_Node], float]:
        """Solve a node; returns its children, the one to go on with first, and its bound if it stays undecided."""
        program = self.program
        state, best = node.state.copy(), node.bound
        first = self.nodes == 1
        before = -np.inf
        outcome: Outcome | None = None
        for turn in range(ROOT_ROUNDS if first else NODE_ROUNDS):
            if not program.possible(state):
                return [], np.inf
            program.decide(state)
            outcome = program.solve()
            if outcome.status != "optimal" or outcome.x is None or outcome.row_dual is None:
                return [], best
            value, v, reduced = program.bound(outcome.row_dual, state)
            best = max(best, value)
            goal = self.goal()
            if best >= goal:
                return [], np.inf
            state[(state == -1) & (v > goal - value)] = 0
            state[(state == -1) & (-v > goal - value)] = 1
            added = program.separate(outcome.x) + program.price(reduced, state)
            if not added or (not first and turn and outcome.objective - before < 1e-3 * (goal - best)):
                break
            before = outcome.objective
        if outcome is None or outcome.x is None:
            return [], best
        y = np.clip(outcome.x[: program.a], 0.0, 1.0)
        if first:
            scale = program.scale
            self.root = Root(value / scale, v / scale, reduced / scale, y)
        away = np.abs(y - np.rint(y))
        free = state == -1
        whole = away.max(initial=0.0) <= WHOLE
        if first or whole:
            self.offer(self._rounded(y))
        if not whole and (self.nodes - 1) % self.dive_every == 0:
            self._dive(state, y)
        if best >= self.goal():
            return [], np.inf
        split = np.flatnonzero(free & (away > WHOLE))
        if split.size == 0:
            split = np.flatnonzero(free)
            if split.size == 0:
                return [], best
        site = self._branch_on(split, y, outcome.objective, state)
        gain = [float(self.gains.guess(way, np.array([site]))[0]) for way in (0, 1)]
        easier = 0 if gain[0] * y[site] < gain[1] * (1 - y[site]) else 1
        children = []
        for way in (easier, 1 - easier):
            child = state.copy()
            child[site] = way
            self.number += 1
            children.append(_Node(best, self.number, child))
        return children, np.inf

    def _dive(self, state: NDArray[np.int8], y: NDArray[np.float64]) -> None:
        """Look for a plan: decide what is nearly whole, solve again, until all is; then put things back."""
        program = self.program
        down = state.copy()
        for _ in range(DIVE_STEPS):
            free = np.flatnonzero(down == -1)
            away = np.abs(y - np.rint(y))
            split = free[away[free] > WHOLE]
            if split.size == 0 or not program.possible(down):
                break
            down[free[y[free] > 1 - SURE]] = 1
            if split.size > MANY_SPLIT:
                closed = np.where((down == -1) & (y <= WHOLE), 0, down).astype(np.int8)
                down = closed if program.possible(closed) else down
            for site in split[np.argsort(away[split], kind="stable")[: 1 + split.size // 6]]:
                down[site] = int(y[site] > 0.5)
                if down[site] == 0 and not program.possible(down):
                    down[site] = 1
            program.decide(down)
            outcome = program.solve()
            if outcome.status != "optimal" or outcome.x is None:
                break
            program.separate(outcome.x)
            y = np.clip(outcome.x[: program.a], 0.0, 1.0)
        self.offer(self._rounded(y))
        program.decide(state)

    def _branch_on(
        self, split: NDArray[np.int64], y: NDArray[np.float64], base: float, state: NDArray[np.int8]
    ) -> int:
        """The site whose closing and opening both raise the bound most, by trial where little is known."""
        program, gains = self.program, self.gains
        down = np.maximum(gains.guess(0, split) * y[split], 1e-6)
        up = np.maximum(gains.guess(1, split) * (1 - y[split]), 1e-6)
        score = down * up
        best_site, best_score, stale = int(split[0]), -1.0, 0
        for k in np.argsort(-score, kind="stable")[:TRIALS]:
            site = int(split[k])
            worth = float(score[k])
            if gains.count[:, site].min() < TRUSTED:
                worth = 1.0
                for way in (0, 1):
                    program.session.set_columns([site], [float(way)], [float(way)])
                    trial = program.solve()
                    gain = max(trial.objective - base, 0.0) if trial.status == "optimal" else 0.0
                    gains.note(way, site, gain, y[site] if way == 0 else 1 - y[site])
                    worth *= max(gain, 1e-6)
                program.session.set_columns([site], [float(state[site] == 1)], [float(state[site] != 0)])
            if worth > 1.0001 * best_score:
                best_site, best_score, stale = site, worth, 0
            else:
                stale += 1
                if stale >= 5:
                    break
        return best_site

    def _rounded(self, y: NDArray[np.float64]) -> NDArray[np.int64]:
        """Sites with the largest shares: those above a half, then as many as capacity or ``p`` asks for."""
        program = self.program
        order = np.argsort(-y, kind="stable")
        if program.p is not None:
            return np.sort(order[: program.p])
        reach = np.cumsum(program.capacity[order])
        enough = int(np.searchsorted(reach, program.needed * (1 - TOLERANCE))) + 1
        return np.sort(order[: max(enough, int((y > 0.5).sum()))])
