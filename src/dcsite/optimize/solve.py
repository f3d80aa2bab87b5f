"""From facts to a plan: build, cut, solve, round, check. The one path that may call a plan optimal.

The order is fixed: arithmetic that proves infeasibility, the linear relaxation with rounds of cuts, a first
plan from the cheapest technologies, the mixed-integer solve, integers rounded and fixed with the rest solved
again, and the check of :mod:`dcsite.optimize.verify`. A bound above the checked cost is a fault, not a plan.
"""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from dcsite.errors import InfeasibleError, SolverFaultError
from dcsite.optimize import decompose, highs, model, pulp_backend
from dcsite.optimize.arithmetic import impossible
from dcsite.optimize.failures import failure_rows
from dcsite.optimize.inputs import M, build_inputs, counts_carbon
from dcsite.optimize.plan import Plan, Solution, frames_of
from dcsite.optimize.problem import Block, Problem, Rows
from dcsite.optimize.verify import check
from dcsite.spec.futures import RISK_KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dcsite.optimize.highs import Options, Outcome
    from dcsite.optimize.inputs import Flags, Floats, Inputs, Ints
    from dcsite.optimize.model import Index
    from dcsite.physics.evaluation import Evaluation
    from dcsite.spec.scenario import Scenario

CUT_ROUNDS: Final = 40
SMALL_SITES: Final = 30
"""Up to so many candidate sites no smaller model is tried first."""
LIKELY: Final = 8
"""Sites per workload and reason (cheap, near many users, clean) among which a quick plan is sought."""
SPARE_ROOM: Final = 1.5
"""Room of the cheapest of them, over the load."""
QUICK_GAP: Final = 0.01
"""Gap at which the search for a quick plan stops."""
NEXT_BEST: Final = 12
"""Sites per workload, by reduced cost, that join those of the relaxation in the first plan."""
RELAXATION_SHARE: Final = 0.5
"""Share of the time that the linear relaxation may take; what is left must find a plan."""
SEARCH_SHARE: Final = 1 / 3
"""Share of the time left that a first plan may take."""
LEAST_SEARCH_S: Final = 10.0
"""Processor seconds that the last search for a plan may take when a limit leaves none."""
WALL_GUARD: Final = 20.0
"""Wall seconds per processor second at which a solve is given up."""
TIE: Final = 1.0e-6
"""Relative cost within which plans count as equally good."""
FAULT: Final = 1.0e-6
"""A bound this much above the recomputed objective (relative) is a fault of the solver or of ours."""
GOAL_UNITS: Final = {
    "cost": "USD/year",
    "npv": "USD/year",
    "carbon": "t/year",
    "water": "m3/year",
    "latency": "ms",
    "score": "points",
    "sites": "sites",
    **dict.fromkeys(RISK_KINDS, "USD/year"),
}
GOAL_STEP: Final = {
    "cost": M,
    "npv": M,
    "carbon": 1000.0,
    "water": 1000.0,
    "latency": 1.0,
    "score": 1.0,
    "sites": 1.0,
    **dict.fromkeys(RISK_KINDS, M),
}


@dataclass
class Budget:
    """Processor seconds of this thread, and nodes, that are left to a study of several solves.

    A busy machine makes a study slower, not shorter; wall time is only a last guard.
    """

    time_limit_s: float | None
    node_limit: int | None
    begun: float = field(default_factory=time.thread_time)

    def left(self) -> float | None:
        """Processor seconds left, at least a tenth of one; None without a limit."""
        if self.time_limit_s is None:
            return None
        return max(0.1, self.time_limit_s - (time.thread_time() - self.begun))

    def options(self, gap: float, *, share: float = 1.0, least_s: float = 0.1) -> Options:
        """Solver options for the next solve, which may use a share of what is left, but a least time anyway."""
        left = self.left()
        if left is None:
            return highs.Options(gap=gap, node_limit=self.node_limit)
        left = max(share * left, least_s)
        return highs.Options(
            gap=gap, node_limit=self.node_limit, cpu_limit_s=left, time_limit_s=WALL_GUARD * left
        )


def optimize(
    scenario: Scenario,
    evaluation: Evaluation,
    *,
    backend: str = "highs",
    start: Plan | None = None,
    progress: Callable[[str], None] | None = None,
    budget: Budget | None = None,
) -> Plan:
    """Find the cheapest portfolio under the scenario's limits, with a proof of how cheap it could be at best.

    Parameters
    ----------
    scenario
        The question; may differ from the evaluation's in limits, objective and solver settings.
    evaluation
        The facts.
    backend
        ``highs``, or ``pulp:NAME`` for a solver that PuLP reaches.
    start
        A plan to begin from.
    progress
        Called with a sentence at each step.
    budget
        Time and nodes shared with other solves; default: those of the scenario.

    Returns
    -------
    Plan
        ``status`` is ``optimal`` only when the asked gap is proved and the plan is recomputed from the
        facts without a violated limit.

    Raises
    ------
    InfeasibleError
        If the limits contradict each other, with what is known about why.
    SolverFaultError
        If the solver's answer does not survive the check.
    """
    say = progress or (lambda _: None)
    inputs = with_scores(build_inputs(scenario, evaluation), evaluation)
    complaints = impossible(inputs, evaluation)
    if complaints:
        message = "no plan can satisfy the limits (by arithmetic, before any solve)"
        raise InfeasibleError(message, tuple(complaints))
    if scenario.objective.kind in RISK_KINDS:
        from dcsite.optimize import risk

        return risk.optimize(
            scenario, evaluation, inputs, backend=backend, start=start, say=say, budget=budget
        )
    problem, index = model.build(inputs)
    say(f"{len(problem.columns):,} columns, {sum(len(block) for block in problem.blocks):,} rows")
    base = problem
    seed = None
    if start is not None and start.solution is not None:
        problem, seed = inherited(problem, start.solution)
    solution, outcome, nodes = solve_rounds(
        problem, index, inputs, evaluation, backend=backend, start=seed, say=say, budget=budget
    )
    if solution is None:
        if outcome.status == "infeasible":
            message = "no plan satisfies all limits together"
            raise InfeasibleError(message, hint="dcsite diagnose names the clash and the cheapest repair")
        if outcome.status == "unbounded":
            message = "the model is unbounded: a load earns without limit"
            raise SolverFaultError(message)
        return empty_plan(scenario, evaluation, inputs, outcome, backend)
    solution = tidy(solution, inputs)
    plan = plan_of(solution, scenario, evaluation, outcome, backend, nodes)
    return replace(plan, problem_digest=base.digest())


def inherited(problem: Problem, old: Solution) -> tuple[Problem, Floats | None]:
    """Begin from an earlier solution: its values, and its cuts where they are still true.

    Cuts say ``f <= D_u y``; they hold again if the columns and the demand are the same.
    """
    count = len(problem.columns)
    if len(old.x) < count or old.problem.columns.families[: len(problem.columns.families)] != (
        problem.columns.families
    ):
        return problem, None
    if not np.array_equal(old.problem.columns.first[: len(problem.columns.first)], problem.columns.first):
        return problem, None
    serve = problem.columns.families.index("serve")
    of_serve = problem.columns.family == serve
    old_upper = old.problem.columns.upper[:count]
    same = np.array_equal(problem.columns.upper[of_serve], old_upper[of_serve])
    blocks = [block for block in old.problem.blocks if block.family == "strong_arc"] if same else []
    narrow = [
        replace(block, matrix=block.matrix[:, :count]) for block in blocks if block.matrix.shape[1] >= count
    ]
    return problem.with_block(*narrow), old.x[:count]


def with_scores(inputs: Inputs, evaluation: Evaluation) -> Inputs:
    """Add the scores of the sites where the objective asks for them."""
    if inputs.scenario.objective.kind != "score":
        return inputs
    from dcsite.scoring.ranking import rank

    scores = np.zeros((len(inputs.workloads), len(inputs.site_ids)))
    for w, load in enumerate(inputs.workloads):
        table = rank(evaluation, workload=load.name).table.set_index("site_id")["score"]
        scores[w] = table.reindex(inputs.site_ids).fillna(0.0).to_numpy(dtype=np.float64)
    return replace(inputs, extra={**inputs.extra, "scores": scores})


def run_backend(problem: Problem, options: Options, backend: str, start: Floats | None = None) -> Outcome:
    """Solve a problem with the named back end."""
    if backend == "highs":
        return highs.solve(problem.arrays(), options, start=start)
    name = backend.removeprefix("pulp:")
    return pulp_backend.solve(problem.arrays(), options, name)


def _gap_teller(say: Callable[[str], None]) -> Callable[[float, float], None]:
    """Say the gap whenever it has shrunk by a tenth."""
    last = math.inf

    def tell(value: float, bound: float) -> None:
        nonlocal last
        gap = highs.relative_gap(value, bound)
        if math.isfinite(gap) and gap < 0.9 * last:
            last = gap
            say(f"gap {gap:.3%}")

    return tell


def with_cuts(problem: Problem, index: Index, inputs: Inputs, budget: Budget) -> tuple[Problem, Outcome]:
    """Strengthen the relaxation: strong arc rows in rounds, those that it violates."""
    count = len(problem.columns)
    share = budget.options(0.0, share=RELAXATION_SHARE)
    part = Budget(share.cpu_limit_s, None)
    with highs.Session(problem.arrays(), share) as session:
        outcome = session.solve(relaxed=True)
        added: list[Block] = []
        for _ in range(CUT_ROUNDS):
            if outcome.status != "optimal" or outcome.x is None:
                break
            block = model.strong_arc(inputs, index, count, outcome.x)
            if block is None:
                break
            session.add_rows(block.matrix, block.lower, block.upper)
            added.append(block)
            session.set_options(part.options(0.0))
            before = outcome
            outcome = session.solve(relaxed=True)
            if outcome.status == "limit":
                # The round before is a relaxation too, with prices of its own.
                added.pop()
                outcome = before
                break
            if outcome.status == "optimal" and outcome.objective - before.objective <= 1e-6 * abs(
                before.objective
            ):
                break
    return problem.with_block(*added), outcome


def block_prices(inputs: Inputs, index: Index, duals: Floats) -> Floats:
    """What the relaxation's cost rises at least if a block is on, from its reduced costs, (S, W, P). [M USD/year]

    A block carries at least its least MW: they pay the reduced cost of the place, of a hall for them, and of
    the users they must then serve (the cheapest ones, each up to its demand).
    """
    cost = np.maximum(duals, 0.0)
    sites, loads, periods = len(inputs.site_ids), len(inputs.workloads), len(inputs.period_start)
    prices = np.full((sites, loads, periods), np.inf)
    points, arcs = inputs.points, inputs.arcs
    arc_load = points.workload[arcs.point] if len(arcs.point) else arcs.point
    for w, load in enumerate(inputs.workloads):
        own = np.flatnonzero(inputs.slot_workload == w)
        least = load.min_block_mw
        for p in range(periods):
            hall = inputs.slot_hall[own]
            step = (
                least * (cost[index.place[own, p]] + cost[index.built[hall, p]]) + cost[index.open[hall, p]]
            )
            np.minimum.at(prices[:, w, p], inputs.slot_site[own], step)
            prices[:, w, p] += cost[index.used[:, p]]
            block = index.block_on[:, w, p]
            prices[:, w, p] += np.where(block >= 0, cost[np.maximum(block, 0)], 0.0)
            if not inputs.has_arcs[w] or least <= 0:
                continue
            mine = np.flatnonzero(arc_load == w)
            size = inputs.demand_mw[w, p] * points.share[arcs.point[mine]]
            price = cost[index.serve[mine, p]]
            order = np.lexsort((price, arcs.site[mine]))
            begins = np.searchsorted(arcs.site[mine][order], np.arange(sites + 1))
            for s in range(sites):
                part = order[begins[s] : begins[s + 1]]
                filled = np.minimum(np.cumsum(size[part]), least)
                amounts = np.diff(np.concatenate([[0.0], filled]))
                rest = least - (float(filled[-1]) if len(filled) else 0.0)
                pool = index.pooled[s, w, p]
                bulk = cost[pool] if pool >= 0 else np.inf
                paid = float((amounts * np.minimum(price[part], bulk)).sum())
                prices[s, w, p] += paid + (rest * bulk if rest > 1e-9 else 0.0)
    return prices


def first_plan(
    problem: Problem,
    index: Index,
    inputs: Inputs,
    budget: Budget,
    relaxed: Outcome,
    prices: Floats,
) -> Floats | None:
    """A plan among the sites that the relaxation uses and the next best: a smaller model, so quick."""
    if relaxed.x is None or len(inputs.site_ids) <= SMALL_SITES:
        return None
    keep = np.asarray((relaxed.x[index.used] > 1e-6).any(axis=1))
    for w in range(len(inputs.workloads)):
        keep[np.argsort(prices[:, w].min(axis=1), kind="stable")[:NEXT_BEST]] = True
    keep[inputs.hall_site[inputs.hall_existing]] = True
    keep |= inputs.required
    outside = index.open[~keep[inputs.hall_site]].ravel()
    small = problem.with_bounds(outside, 0.0, 0.0)
    small = small.with_bounds(index.used[~keep].ravel(), 0.0, 0.0)
    options = replace(budget.options(1e-3, share=SEARCH_SHARE), node_limit=200)
    return highs.solve(small.arrays(), options).x


def likely_halls(inputs: Inputs) -> Flags:
    """Halls among which a plan can be expected, (H,), chosen without a solve.

    Those that stand, and per load one technology at a few sites: the cheapest, until they hold the load with
    room to spare; those that bring the most further users within the limit; and, where carbon counts, the cleanest.
    """
    sites = len(inputs.site_ids)
    sites_kept = inputs.required.copy()
    sites_kept[inputs.hall_site[inputs.hall_existing]] = True
    capital = inputs.capex * inputs.crf * inputs.capital_factor[:, None] * inputs.weight
    price = ((inputs.operating_total - inputs.credit) * inputs.weight).sum(axis=1)
    price = price + capital.sum(axis=1)[inputs.slot_hall]
    room = model.block_room(inputs)
    clean = counts_carbon(inputs.scenario)
    chosen: list[Ints] = []
    for w in range(len(inputs.workloads)):
        own = np.flatnonzero(inputs.slot_workload == w)
        own = own[np.lexsort((own, price[own]))]
        _, first = np.unique(inputs.slot_site[own], return_index=True)
        best = own[np.sort(first)]
        chosen.append(best)
        arcs = np.flatnonzero((inputs.points.workload[inputs.arcs.point] == w) & inputs.arcs.covered)
        for p in range(len(inputs.period_start)):
            here = best[room[inputs.slot_site[best], w, p] > 0]
            order = inputs.slot_site[here]
            held = np.cumsum(room[order, w, p])
            enough = int(np.searchsorted(held, SPARE_ROOM * float(inputs.demand_mw[w, p]))) + 1
            sites_kept[order[: max(enough, LIKELY)]] = True
            if clean:
                dirt = np.nan_to_num(inputs.carbon)[here] / np.maximum(inputs.energy[here], 1e-12)
                sites_kept[order[np.argsort(dirt, kind="stable")[:LIKELY]]] = True
            lacking = inputs.points.share.copy()
            for _ in range(LIKELY if len(arcs) and len(order) else 0):
                weights = lacking[inputs.arcs.point[arcs]]
                gain = np.bincount(inputs.arcs.site[arcs], weights=weights, minlength=sites)[order]
                if gain.max() <= 0:
                    break
                site = order[np.argmax(gain)]
                sites_kept[site] = True
                lacking[inputs.arcs.point[arcs[inputs.arcs.site[arcs] == site]]] = 0.0
    halls = inputs.hall_existing.copy()
    for best in chosen:
        halls[inputs.slot_hall[best[sites_kept[inputs.slot_site[best]]]]] = True
    return halls


def quick_plan(problem: Problem, index: Index, inputs: Inputs, options: Options) -> Floats | None:
    """A plan of likely halls alone: a model so small that a limit seldom ends without one."""
    halls = likely_halls(inputs)
    small = problem.with_bounds(index.open[~halls].ravel(), 0.0, 0.0)
    empty = np.ones(len(inputs.site_ids), dtype=bool)
    empty[inputs.hall_site[halls]] = False
    small = small.with_bounds(index.used[empty].ravel(), 0.0, 0.0)
    return highs.solve(small.arrays(), replace(options, gap=QUICK_GAP, node_limit=200)).x


def priced_out(
    problem: Problem, index: Index, inputs: Inputs, relaxed: Outcome, prices: Floats, worth: float
) -> tuple[Problem, int]:
    """Close what cannot be part of a plan cheaper than ``worth``: bound plus reduced cost lies above it."""
    duals = relaxed.column_dual
    if duals is None or not math.isfinite(worth):
        return problem, 0
    room = worth - relaxed.objective + 1e-6 * abs(worth)
    where = (index.block_on >= 0) & (prices > room)
    columns = index.block_on[where]
    binary = np.flatnonzero(problem.columns.integer & (np.maximum(duals, 0.0) > room))
    columns = np.union1d(columns, binary)
    columns = columns[problem.columns.lower[columns] == 0]
    if not len(columns):
        return problem, 0
    return problem.with_bounds(columns, 0.0, 0.0), len(columns)


def cheapest(problem: Problem, plans: Sequence[Floats | None]) -> Floats | None:
    """The best of some plans that hold; None if none does."""
    known = [settle(problem, x) for x in plans if x is not None]
    costs = [(float(problem.columns.cost @ x), x) for x in known if x is not None]
    return min(costs, key=lambda entry: entry[0])[1] if costs else None


def solve_problem(
    problem: Problem,
    index: Index,
    inputs: Inputs,
    *,
    backend: str = "highs",
    budget: Budget,
    gap: float,
    start: Floats | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[Problem, Outcome]:
    """Cut, find a first plan, solve; the problem returned holds the cuts."""
    taken_apart = None
    if backend == "highs" and decompose.is_large(problem, inputs):
        first = np.zeros(len(inputs.site_ids), dtype=bool)
        first[inputs.hall_site[likely_halls(inputs)]] = True
        options = budget.options(0.0, share=RELAXATION_SHARE)
        taken_apart = decompose.relaxation(problem, index, inputs, first, options, say)
    problem, relaxed = taken_apart or with_cuts(problem, index, inputs, budget)
    outcome = solve_relaxed(
        problem, relaxed, index, inputs, backend=backend, budget=budget, gap=gap, starts=[start], say=say
    )
    return problem, outcome


def solve_relaxed(
    problem: Problem,
    relaxed: Outcome,
    index: Index,
    inputs: Inputs,
    *,
    backend: str = "highs",
    budget: Budget,
    gap: float,
    starts: Sequence[Floats | None] = (),
    seek: bool = True,
    say: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Solve a problem whose relaxation is known, from the best of some plans.

    Parameters
    ----------
    relaxed
        Outcome of the linear relaxation, with its prices.
    starts
        Values of plans of the same columns; their whole numbers are kept and the rest solved again.
    seek
        Look for a first plan in a smaller model too.
    """
    if relaxed.status == "infeasible":
        return relaxed
    floor = relaxed.objective if relaxed.status == "optimal" else -math.inf
    say(f"linear relaxation {floor:,.4f}")
    reduced, worth = problem, math.inf
    start = next((x for x in starts if x is not None), None)
    if backend == "highs" and relaxed.column_dual is None and relaxed.limit_hit and start is None:
        quick = quick_plan(problem, index, inputs, budget.options(gap, least_s=LEAST_SEARCH_S))
        start = cheapest(problem, [quick])
        worth = math.inf if start is None else float(problem.columns.cost @ start + problem.offset)
        say(f"no relaxation in time; quick plan {worth:,.4f}")
    if backend == "highs" and relaxed.column_dual is not None:
        prices = block_prices(inputs, index, relaxed.column_dual)
        sought = first_plan(problem, index, inputs, budget, relaxed, prices) if seek else None
        start = cheapest(problem, [*starts, sought])
        if start is None and seek and len(inputs.site_ids) > SMALL_SITES:
            quick = quick_plan(problem, index, inputs, budget.options(gap, share=SEARCH_SHARE))
            start = cheapest(problem, [quick])
        if start is not None:
            worth = float(problem.columns.cost @ start + problem.offset)
            if highs.relative_gap(worth, floor) <= gap:
                say(f"first plan {worth:,.4f}, proved by the relaxation")
                return highs.Outcome("optimal", start, worth, floor - 1e-7 * abs(floor))
            reduced, closed = priced_out(problem, index, inputs, relaxed, prices, worth)
            say(f"first plan {worth:,.4f}; {closed:,} choices priced out")
    outcome = run_backend(reduced, replace(budget.options(gap), tell=_gap_teller(say)), backend, start)
    if outcome.status == "limit" and outcome.x is None and start is None and backend == "highs":
        quick = quick_plan(problem, index, inputs, budget.options(gap, least_s=LEAST_SEARCH_S))
        start = cheapest(problem, [quick])
        if start is not None:
            worth = float(problem.columns.cost @ start + problem.offset)
            say(f"quick plan {worth:,.4f}")
    if outcome.status == "infeasible" and reduced is problem:
        again = highs.solve(problem.arrays(), replace(budget.options(gap), presolve=False))
        outcome = again if again.status != "limit" else outcome
    if start is not None and not outcome.objective <= worth:
        # What was closed held nothing cheaper than the first plan: it stands, under the bound found.
        found = worth if outcome.status == "infeasible" else outcome.bound
        proved = outcome.status in ("infeasible", "optimal")
        outcome = replace(
            outcome, status="optimal" if proved else "limit", x=start, objective=worth, bound=found
        )
    bound = (
        max(floor - 1e-7 * abs(floor), min(outcome.bound, worth)) if math.isfinite(floor) else outcome.bound
    )
    if not math.isfinite(outcome.bound) and outcome.status == "optimal" and not outcome.limit_hit:
        # A solver that hands on no bound is believed as far as its own claim.
        bound = max(bound, outcome.objective - gap * abs(outcome.objective) - 1e-6)
    if outcome.status in ("optimal", "limit"):
        outcome = replace(outcome, bound=bound)
    return outcome


def solve_rounds(
    problem: Problem,
    index: Index,
    inputs: Inputs,
    evaluation: Evaluation,
    *,
    backend: str = "highs",
    start: Floats | None = None,
    say: Callable[[str], None] = lambda _: None,
    gap: float | None = None,
    budget: Budget | None = None,
) -> tuple[Solution | None, Outcome, int]:
    """Solve; where zones may fail, add the rows of the zones that the plan does not survive and solve again.

    Each round is a relaxation of the next, so every bound holds for the last plan.
    """
    solver = inputs.scenario.solver
    asked = solver.gap if gap is None else gap
    budget = budget or Budget(solver.time_limit_s, solver.node_limit)
    nodes, failed, bound = 0, set[tuple[int, int, int]](), -math.inf
    while True:
        with_rows, outcome = solve_problem(
            problem, index, inputs, backend=backend, budget=budget, gap=asked, start=start, say=say
        )
        nodes += outcome.nodes
        if math.isfinite(outcome.bound):
            bound = max(bound, outcome.bound)
        if outcome.x is None:
            return None, outcome, nodes
        x = settle(with_rows, outcome.x)
        if x is None:
            message = "the plan does not survive fixing its whole numbers"
            raise SolverFaultError(message, hint="another solver, or a smaller gap, may help")
        solution = Solution(inputs, with_rows, index, x, bound)
        more = failure_rows(inputs, index, evaluation, with_rows, x, failed)
        if more is None:
            return solution, replace(outcome, bound=bound), nodes
        problem, failed = more
        start = None
        say(f"{len(failed)} failures in the model")


def settle(problem: Problem, x: Floats) -> Floats | None:
    """Round the integers, fix them, and solve the rest again; None if nothing is left."""
    whole = problem.columns.integer
    if whole.any() and np.abs(x[whole] - np.round(x[whole])).max() > 1e-4:
        return None
    outcome = highs.fixed_duals(problem.arrays(), x)
    if outcome.status != "optimal" or outcome.x is None:
        return None
    return np.where(whole, np.round(outcome.x), outcome.x)


def id_weight(name: str) -> float:
    """A weight in (0, 1) made from the id alone, for ties that no other goal decides.

    Examples
    --------
    >>> 0.0 < id_weight("us-quincy-wa") < 1.0
    True
    """
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big")
    return (number + 0.5) / 2**48


def tidy(solution: Solution, inputs: Inputs) -> Solution:
    """Break ties: the scenario's further goals in turn, then a fixed order of sites, at the same cost.

    The whole numbers move only for the scenario's own ``then`` goals; for the rest they are fixed and the MW
    are settled by a linear program.
    """
    problem, index, x = solution.problem, solution.index, solution.x
    count = len(problem.columns)
    cost = problem.columns.cost
    capped = problem
    value = float(cost @ x)
    objective = inputs.scenario.objective
    # Among plans that are equally good by another measure, the cheapest.
    last_goal = () if objective.kind in ("cost", "npv") or "cost" in objective.then else ("cost",)
    goals = (*objective.then, *last_goal)
    for stage, goal in enumerate(goals):
        proved = solution.bound if capped is problem else -math.inf
        # A later goal must not be held to what an earlier one bought with its room: each has ten times the last.
        room = tie_room(value, proved, inputs.scenario.solver.gap) / 10.0 ** (len(goals) - 1 - stage)
        most = value + room
        capped = capped.with_block(cap_row(capped, capped.columns.cost, most))
        vector, offset = model.objective(inputs, index, count, goal)
        if len(vector) < len(capped.columns):
            vector = np.concatenate([vector, np.zeros(len(capped.columns) - len(vector))])
        trial = capped.with_cost(vector, offset)
        budget = Budget(inputs.scenario.solver.time_limit_s, inputs.scenario.solver.node_limit)
        outcome = highs.solve(trial.arrays(), budget.options(1e-4), start=x)
        found = settle(trial, outcome.x) if outcome.x is not None else None
        if found is None:
            return replace(solution, x=x)
        x, value, capped = found, float(vector @ found), trial
    weights = np.zeros(len(problem.columns))
    names = [id_weight(name) for name in inputs.site_ids]
    order = np.array([names[s] for s in inputs.slot_site]) if len(inputs.slot_site) else np.zeros(0)
    np.add.at(weights, index.place, np.repeat(order[:, None], index.place.shape[1], axis=1))
    last = capped.with_block(
        cap_row(capped, capped.columns.cost, float(capped.columns.cost @ x) + 1e-9 * max(abs(value), 1.0))
    ).with_cost(weights)
    found = settle(last, x)
    return replace(solution, x=x if found is None else found)


def tie_room(value: float, bound: float, asked: float) -> float:
    """How much worse a plan may be to count as equally good, without losing a proof of the asked gap."""
    room = TIE * max(abs(value), 1e-3)
    if not highs.relative_gap(value, bound) <= asked:
        return room
    while room > 1e-10 * abs(value) and highs.relative_gap(value + room, bound) > asked:
        room /= 10.0
    return room


def cap_row(problem: Problem, cost: Floats, most: float, family: str = "cost_cap") -> Block:
    """``cost @ x <= most`` as a block of one row."""
    rows = Rows(1, len(problem.columns)).add(0, np.arange(len(cost)), cost)
    return rows.block(family, -np.inf, most, unit="USD", step=M)


def plan_of(
    solution: Solution,
    scenario: Scenario,
    evaluation: Evaluation,
    outcome: Outcome,
    backend: str,
    nodes: int,
) -> Plan:
    """Frames, check, gap and status of a solution.

    Raises
    ------
    SolverFaultError
        If the bound lies above the recomputed objective.
    """
    inputs = solution.inputs
    kind = scenario.objective.kind
    step = GOAL_STEP[kind]
    raw = Plan(
        status="limit",
        objective_usd_per_year=math.nan,
        bound_usd_per_year=-math.inf,
        gap=math.inf,
        verified=False,
        solver=backend,
        nodes=nodes,
        cost_parts={},
        **frames_of(inputs, solution.index, solution.x, evaluation),
        limits=_no_limits(),
        dropped=inputs.dropped,
        scenario=scenario,
        evaluation=evaluation,
        notes=inputs.notes,
    )
    verdict = check(raw, evaluation)
    cost = verdict.objective_usd_per_year
    modeled = float(solution.problem.columns.cost @ solution.x + solution.problem.offset) * step
    goal = cost if kind in ("cost", "npv") else modeled
    bound = solution.bound * step
    # The relaxed tolerances of a solver let a bound exceed a plan by their own size.
    if math.isfinite(bound) and bound - goal > FAULT * max(abs(goal), step):
        message = f"the solver's bound {bound:,.2f} lies above the recomputed {kind} {goal:,.2f}"
        raise SolverFaultError(message, hint="please report this with the scenario")
    if kind in ("cost", "npv") and not math.isclose(modeled, cost, rel_tol=1e-6, abs_tol=1.0):
        verdict = replace(
            verdict,
            violations=(
                *verdict.violations,
                f"objective: the model says {modeled:,.2f} USD/year, the facts say {cost:,.2f}",
            ),
        )
    bound = min(bound, goal)
    gap = highs.relative_gap(goal / step, bound / step)
    verified = not verdict.violations
    proved = verified and gap <= scenario.solver.gap + 1e-9
    notes = [*inputs.notes, *(f"not verified: {line}" for line in verdict.violations)]
    if outcome.limit_hit == "time" and not proved:
        notes.append("stopped by the clock: another machine may find another plan")
    return replace(
        raw,
        status="optimal" if proved else "limit",
        objective_usd_per_year=cost,
        bound_usd_per_year=bound if kind in ("cost", "npv") else math.nan,
        gap=gap,
        verified=verified,
        cost_parts=dict(verdict.parts),
        limits=verdict.limits,
        cost_npv_usd=verdict.npv_usd,
        capex_usd=verdict.cash_usd,
        it_mw=verdict.it_mw,
        carbon_t_per_year=verdict.carbon_t_per_year,
        carbon_kg_per_mwh=verdict.carbon_kg_per_mwh,
        water_m3_per_year=verdict.water_m3_per_year,
        mean_rtt_ms=verdict.mean_rtt_ms,
        goal=kind,
        goal_value=goal,
        goal_bound=bound,
        goal_unit=GOAL_UNITS[kind],
        asked_gap=scenario.solver.gap,
        limit_hit="" if proved else outcome.limit_hit,
        notes=tuple(dict.fromkeys(notes)),
        solution=solution,
    )


def _no_limits() -> Any:  # noqa: ANN401  (an empty frame)
    import pandas as pd

    from dcsite.optimize.plan import LIMITS

    return pd.DataFrame(columns=list(LIMITS))


def empty_plan(
    scenario: Scenario, evaluation: Evaluation, inputs: Inputs, outcome: Outcome, backend: str
) -> Plan:
    """What is known when a limit stopped the solver before it had a plan."""
    import pandas as pd

    from dcsite.optimize import plan as frames

    kind = scenario.objective.kind
    return Plan(
        status="limit",
        objective_usd_per_year=math.nan,
        bound_usd_per_year=outcome.bound * M if kind in ("cost", "npv") else math.nan,
        gap=math.inf,
        verified=False,
        solver=backend,
        nodes=outcome.nodes,
        cost_parts={},
        placements=pd.DataFrame(columns=list(frames.PLACEMENTS)),
        halls=pd.DataFrame(columns=list(frames.HALLS)),
        served=pd.DataFrame(columns=list(frames.SERVED)),
        runs=pd.DataFrame(columns=list(frames.RUNS)),
        limits=_no_limits(),
        dropped=inputs.dropped,
        scenario=scenario,
        evaluation=evaluation,
        goal=kind,
        goal_bound=outcome.bound * GOAL_STEP[kind],
        goal_unit=GOAL_UNITS[kind],
        asked_gap=scenario.solver.gap,
        limit_hit=outcome.limit_hit,
        notes=(*inputs.notes, "stopped before any plan was found"),
    )
