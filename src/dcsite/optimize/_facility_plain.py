"""Uncapacitated facility location and p-median by decomposition: search, bound, fix, branch.

The order matters: a good plan first, since it sets the step of the ascent, fixes sites and prunes nodes; then the
bound from multipliers between the plan's two cheapest sites of every client; then branching on what is left.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dcsite.optimize._facility_branch import Bound, Dense, Short, ascend, branch, fixable
from dcsite.optimize._facility_case import Answer, serve_nearest
from dcsite.optimize._facility_near import Search, cover, nearest, two_nearest
from dcsite.optimize._facility_radius import radius_model
from dcsite.optimize._facility_whole import scale_for
from dcsite.optimize.highs import Options, solve

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from dcsite.optimize._facility_case import Case
    from dcsite.optimize._facility_near import Near

FIRST_WINDOW = 0.1
"""Width of the first window, as a share of the gap."""
ARCS_PER_CLIENT = 12
"""Above this many arcs per client in the window branching is faster than a mixed-integer model (measured)."""
FEW_SITES = 80
"""With so few sites left, branching is faster than any model (measured)."""
KICKS = 20
"""Disturbed restarts of the search before branching on many sites."""
NODE_LIMIT = 100_000
"""Nodes before branching gives up when the caller sets no limit: a guard for memory."""


@dataclass
class Found:
    """State of a decomposition: kept up to date, so that an interrupt loses nothing."""

    answer: Answer | None = None
    bound: float = -np.inf
    bound_source: str = "none"
    plan_source: str = "none"
    lagrangian_bound: float = -np.inf
    rounds: int = 0
    subgradient_rounds: int = 0
    nodes: int = 0
    columns_kept: int = 0
    reason: str = ""
    deadline: float | None = None
    """Moment of the monotonic clock at which a solve is given up."""

    def seconds_left(self) -> float | None:
        """Wall seconds until the deadline, for a solver."""
        return None if self.deadline is None else max(self.deadline - time.monotonic(), 0.01)

    def offer(self, answer: Answer | None, source: str) -> None:
        """Keep the answer if it is better."""
        if answer is not None and (self.answer is None or answer.objective < self.answer.objective):
            self.answer, self.plan_source = answer, source

    def raise_bound(self, value: float, source: str) -> None:
        """Keep the bound if it is better."""
        if value > self.bound:
            self.bound, self.bound_source = value, source


def enough(case: Case, upper: float, gap: float) -> float:
    """Bound that proves the asked gap for a plan of cost ``upper``."""
    target = upper - max(0.98 * gap, 2e-10) * abs(upper)
    if case.whole_costs:
        # An integral plan needs no more than the next integer below it.
        target = min(target, upper - 1 + 4e-6 + 4e-9 * abs(upper))
    return target


def solve_plain(
    case: Case,
    found: Found,
    *,
    gap: float,
    node_limit: int | None,
    iteration_limit: int | None,
    stop: Callable[[], str],
) -> None:
    """Fill ``found``; leaves it without a plan if the search finds no set of sites that serves everyone."""
    m, n, p = case.m, case.n, case.p
    width = m if p is None and m <= 400 else min(m, max(30, int(4 * m / max(p or m // 20, 1)) + 10))
    near = nearest(case.cost, width)
    search = Search(case, near)
    most = 1500 if iteration_limit is None else iteration_limit
    starts = _Starts(case, search, gap)

    def state() -> tuple[float, float]:
        upper = search.best_value
        return upper, enough(case, upper, gap)

    # A first plan, from sets that the subproblem opens on the way up.
    guess = near.cost[:, min(width - 1, max(1, m // max(p or m // 10, 1) // 2))]
    guess = np.where(np.isfinite(guess), guess, near.cost[:, 0])
    arcs: Dense | Short = _layout(case, near.site, near.cost, np.arange(m), near.beyond)
    cap = near.beyond if isinstance(arcs, Short) else np.full(n, np.inf)
    if not starts.first(guess):
        found.reason = "the search found no set of sites that serves every client"
        return
    upper, target = state()
    starts.reset(6, 1.0)
    first = ascend(
        arcs, case.fixed, p, guess, cap, upper=upper, target=target,
        rounds=min(60, most), theta=1.5, shrink=14, factor=0.6, deflect=0.5, on_gain=starts.on_gain,
    )  # fmt: skip
    found.subgradient_rounds = first.rounds
    found.raise_bound(first.value, "lagrangian")
    found.lagrangian_bound = found.bound
    found.offer(serve_nearest(case, search.best), "search")
    found.reason = stop()
    if found.bound >= state()[1] or found.reason:
        return
    small = m * n <= 500_000 or (p is not None and p <= 50)
    if small:
        search.relink_pool(6)

    # The bound, from the middle of every client's two cheapest open sites.
    _, _, d1, d2 = two_nearest(case.cost, search.best, np.arange(n))
    middle = np.where(np.isfinite(d2), 0.5 * (d1 + d2), d1)
    root = first
    for _ in range(4):
        begin = middle if root is first else root.lam
        upper, target = state()
        starts.reset(4 if small else 2, 60.0)
        root = ascend(
            arcs, case.fixed, p, begin, cap, upper=upper, target=target,
            rounds=max(1, most - found.subgradient_rounds), on_gain=starts.on_gain,
        )  # fmt: skip
        found.subgradient_rounds += root.rounds
        found.raise_bound(root.value, "lagrangian")
        pressed = np.isfinite(cap) & (root.lam >= cap * (1 - 1e-9) - 1e-12)
        if not pressed.any() or found.subgradient_rounds >= most:
            break
        width = min(m, 2 * width)
        near = nearest(case.cost, width)
        arcs = _layout(case, near.site, near.cost, np.arange(m), near.beyond)
        cap = near.beyond if isinstance(arcs, Short) else np.full(n, np.inf)
    if first.value > root.value:
        root = first
    found.lagrangian_bound = found.bound
    if small:
        search.relink_pool(4)
    found.offer(serve_nearest(case, search.best), "search")
    found.reason = stop()
    if found.bound >= state()[1] or found.reason:
        return
    if not _windows(case, found, search, starts, root, state, gap=gap, node_limit=node_limit, stop=stop):
        _branch(case, found, search, starts, root, near, state, node_limit=node_limit, stop=stop)


def _windows(
    case: Case,
    found: Found,
    search: Search,
    starts: _Starts,
    root: Bound,
    state: Callable[[], tuple[float, float]],
    *,
    gap: float,
    node_limit: int | None,
    stop: Callable[[], str],
) -> bool:
    """Solve what is left for plans within a window above the bound; widen it until that is a proof.

    Any plan that uses what was fixed costs at least the bound plus the window, so the least of that and of the
    model's own bound holds for all plans. The first window is far narrower than the gap to the plan found so far: a
    poor plan then costs a little time instead of a large model. Returns False where too many arcs per client are
    left for the model to pay; branching is better there.
    """
    m, n, p = case.m, case.n, case.p
    none = np.zeros(m, dtype=bool)
    if m - int(fixable(root.v, none, p, state()[1] - root.value)[0].sum()) <= FEW_SITES:
        return False
    window = FIRST_WINDOW * (state()[0] - root.value)
    threshold = float(np.partition(root.v, p - 1)[p - 1]) if p is not None else 0.0
    over = np.maximum(root.v - threshold, 0.0)
    while True:
        upper, target = state()
        needed = target - root.value + 2e-9 * abs(upper)  # a hair more, lost again to rounding below
        window = min(max(window, 1e-9 * abs(upper)), needed)
        closed, forced = fixable(root.v, none, p, window)
        left = np.flatnonzero(~closed)
        site, client = _within(case, left, root.lam - over[left, None] + window)
        if site.size > ARCS_PER_CLIENT * n:
            return False
        scale = scale_for(case, upper)
        arrays = radius_model(
            case.fixed[left], client, site, case.cost[left[site], client], n,
            p=p, forced=forced[left], scale=scale,
        )  # fmt: skip
        floor = root.value + window
        floor -= 1e-10 * abs(floor)
        found.rounds += 1
        found.columns_kept = int(site.size)
        limited = ""
        if arrays is not None:
            outcome = solve(
                arrays,
                Options(
                    gap=0.45 * gap, absolute_gap=0.0, node_limit=node_limit, time_limit_s=found.seconds_left()
                ),
            )
            found.nodes += outcome.nodes
            if outcome.status != "infeasible":
                floor = min(floor, outcome.bound / scale - 1e-9 * abs(outcome.bound / scale))
            if outcome.x is not None:
                starts.try_set(left[outcome.x[: left.size] > 0.5])
                found.offer(serve_nearest(case, search.best), "residual")
            if outcome.limit_hit == "interrupt":
                raise KeyboardInterrupt
            limited = outcome.limit_hit
        found.raise_bound(floor, "residual")
        if found.bound >= state()[1]:
            return True
        found.reason = stop() or ("stopped by the node limit" if limited == "nodes" else limited)
        if found.reason or window >= needed:
            return bool(found.reason)
        window *= 4


def _within(
    case: Case, left: NDArray[np.int64], most: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Arcs of the sites left that cost at most ``most`` (sites left x clients), by position in ``left``."""
    return np.nonzero(case.cost[left] <= most)  # type: ignore[return-value]


def _branch(
    case: Case,
    found: Found,
    search: Search,
    starts: _Starts,
    root: Bound,
    near: Near,
    state: Callable[[], tuple[float, float]],
    *,
    node_limit: int | None,
    stop: Callable[[], str],
) -> None:
    """Fix by reduced cost, then branch on the sites left."""
    m, n, p = case.m, case.n, case.p
    none = np.zeros(m, dtype=bool)
    left = np.flatnonzero(~fixable(root.v, none, p, state()[1] - root.value)[0])
    if left.size > FEW_SITES:
        search.kick(np.flatnonzero(root.average > 0.01), KICKS)
        found.offer(serve_nearest(case, search.best), "search")
        if found.bound >= state()[1]:
            return
        left = np.flatnonzero(~fixable(root.v, none, p, state()[1] - root.value)[0])
    limit = NODE_LIMIT if node_limit is None else node_limit
    new = np.full(m + 1, left.size)
    new[left] = np.arange(left.size)
    arcs = _layout(case, new[near.site], near.cost, left, near.beyond)
    cap = near.beyond if isinstance(arcs, Short) else np.full(n, np.inf)
    found.columns_kept = int(left.size) * n if isinstance(arcs, Dense) else arcs.site.size

    def offer(chosen: NDArray[np.int64]) -> None:
        starts.try_set(left[chosen])
        found.offer(serve_nearest(case, search.best), "search")

    tree = branch(
        arcs, case.fixed[left], p, Bound(root.value, root.lam, root.v[left], root.chosen[left], root.average[left], 0),
        cap, upper=lambda: state()[0], target=lambda: state()[1], offer=offer, node_limit=limit, stop=stop,
    )  # fmt: skip
    found.nodes += tree.nodes
    found.subgradient_rounds += tree.rounds
    found.reason = tree.reason
    found.raise_bound(tree.bound, "branching")


def _layout(
    case: Case,
    site: NDArray[np.int64],
    cost: NDArray[np.float64],
    left: NDArray[np.int64],
    beyond: NDArray[np.float64],
) -> Dense | Short:
    """All arcs of the sites left, or the short lists, whichever is less work per round."""
    if left.size <= 4 * site.shape[1] or not np.isfinite(beyond).any():
        return Dense(np.ascontiguousarray(case.cost[left]))
    return Short(site, cost, left.size)


class _Starts:
    """Turns sets of sites that a subproblem opens into plans, now and then."""

    def __init__(self, case: Case, search: Search, gap: float) -> None:
        self.case, self.search, self.gap = case, search, gap
        self.left = 8
        self.next_round = 0.0
        self.tried = 0

    def reset(self, left: int, next_round: float) -> None:
        """Allow that many further local searches, none before a round."""
        self.left, self.next_round = left, next_round

    def first(self, lam: NDArray[np.float64]) -> bool:
        """A first plan; False if none was found."""
        case = self.case
        v = np.array([case.fixed[i] - np.maximum(lam - case.cost[i], 0.0).sum() for i in range(case.m)])
        opened = cover(case, np.flatnonzero(v < 0)) if case.p is None else spread(case, v)
        self.search.improve(opened, 200)
        return bool(np.isfinite(self.search.best_value))

    def on_gain(self, round_: int, chosen: NDArray[np.bool_]) -> tuple[float, float]:
        """Search from the chosen set when it is time; returns cost of the best plan and the bound that is enough."""
        if self.left > 0 and round_ >= self.next_round:
            self.left -= 1
            self.next_round = round_ + 3 + 0.3 * round_
            opened = np.flatnonzero(chosen)
            if self.case.p is None:
                opened = cover(self.case, opened)
            self.search.improve(opened, 200)
        upper = self.search.best_value
        return upper, enough(self.case, upper, self.gap)

    def try_set(self, opened: NDArray[np.int64]) -> None:
        """Evaluate a set met while branching; improve it if it comes close to the best plan."""
        if self.case.p is not None and opened.size != self.case.p:
            return
        value = self.search.evaluate(opened)
        best = self.search.best_value
        if value < best or (value - best < 0.002 * abs(best) and self.tried < 60):
            self.tried += 1
            self.search.improve(opened, 50)


def spread(case: Case, v: NDArray[np.float64]) -> NDArray[np.int64]:
    """``p`` sites that serve everyone if a greedy choice finds them: the site that helps most, one by one."""
    p = case.p or 0
    if not case.forbidden:
        return np.sort(np.argsort(v, kind="stable")[:p])
    opened: list[int] = []
    missing = np.ones(case.n, dtype=bool)
    for _ in range(p):
        if not missing.any():
            rest = np.setdiff1d(np.argsort(v, kind="stable"), opened, assume_unique=True)
            opened.append(int(rest[v[rest].argmin()]))
            continue
        gain = np.isfinite(case.cost[:, missing]).sum(axis=1)
        gain[opened] = -1
        i = int(gain.argmax())
        opened.append(i)
        missing &= ~np.isfinite(case.cost[i])
    return np.sort(np.array(opened, dtype=np.int64))
