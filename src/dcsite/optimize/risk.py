"""Portfolios for several futures: the solves behind expected cost, CVaR and minimax regret, and what is reported.

The rows are in :mod:`dcsite.optimize.families.risk`. The nominal plan, best at the listed facts, is solved
first: it is the start, and what the robust plan is compared with. For regret the best plan of each future
alone is solved too. What this module claims is recomputed without it by :mod:`dcsite.optimize.futures`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.sparse import csr_array

from dcsite.errors import InfeasibleError
from dcsite.optimize import highs, model, solve
from dcsite.optimize.families.risk import benchmarks, future_costs, future_indices, futures_of
from dcsite.optimize.futures import (
    costs_in_futures,
    futures_at,
    futures_frame,
    measure_of,
    robustness_frame,
)
from dcsite.optimize.goals import cost_vector
from dcsite.optimize.inputs import M
from dcsite.optimize.plan import Solution, frames_of, future_runs_of
from dcsite.optimize.problem import Rows
from dcsite.optimize.verify import check
from dcsite.spec.futures import as_listed

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from dcsite.optimize.columns import Index
    from dcsite.optimize.inputs import Floats, Inputs
    from dcsite.optimize.plan import Plan
    from dcsite.optimize.problem import Problem
    from dcsite.physics.evaluation import Evaluation
    from dcsite.spec.scenario import Scenario

SAME_MODEL: Final = 1.0e-6
"""Relative difference between the cost of the model and of the facts that is still rounding."""

SAME_PLAN: Final = 1.0e-10
"""Relative cost within which two plans are the same: what a tie-break may add to the objective."""

WORTH_SAYING: Final = 5.0e3
"""What better benchmarks could add to the regret and is still no news. [USD/year]"""

BREACH: Final = 1.0e4
"""Cost of a unit by which a limit is broken, above what any hours save. [M USD per kt or 1,000 m3]"""

NO_CHANGE: Final = 1.0e-9
"""Difference of operating cost that is none. [M USD/MW-year]"""

BELOW_GAP: Final = 0.999
"""Share of the asked gap that the solver is given, so that the tie-break has room."""


# --- solving --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Best:
    """What is known of the best plan of one question: its cost, a bound and its values."""

    cost_usd_per_year: float
    bound_usd_per_year: float
    solution: Solution | None


def optimize(
    scenario: Scenario,
    evaluation: Evaluation,
    inputs: Inputs,
    *,
    backend: str = "highs",
    start: Plan | None = None,
    say: Callable[[str], None] = lambda _: None,
    budget: solve.Budget | None = None,
) -> Plan:
    """Find the portfolio for several futures, and what it costs against the one for the listed facts.

    Parameters
    ----------
    inputs
        With their futures.
    start
        A plan of the same question to begin from; its benchmarks of regret are kept, and the nominal plan is
        not looked for again.

    Raises
    ------
    InfeasibleError
        If the limits contradict each other, at the listed facts or in a future.
    """
    futures = futures_of(inputs)
    assert futures is not None
    settings = scenario.solver
    budget = budget or solve.Budget(settings.time_limit_s, settings.node_limit)
    regret = scenario.objective.kind == "regret"
    known = None if start is None or start.solution is None else futures_of(start.solution.inputs)
    if known is not None and known.names != futures.names:
        known = None
    steps = 2 + (len(futures.names) if regret and (known is None or known.best_usd_per_year is None) else 0)
    listed = replace(inputs, scenario=as_listed(scenario), extra={**inputs.extra, "futures": None})
    nominal: _Best | None = None
    seed = None if known is None or start is None or start.solution is None else start.solution.x
    if seed is None:
        say("the plan for the listed facts")
        nominal = _alone(listed, evaluation, backend, _part(budget, steps), say, None)
        seed = None if nominal.solution is None else nominal.solution.x
    best_bound = None
    if regret:
        if known is not None and known.best_usd_per_year is not None:
            best = known.best_usd_per_year
            best_bound = best
        else:
            bests = []
            entries = zip(futures.names, futures.inputs, futures_at(scenario, evaluation), strict=True)
            for place, (name, case, entry) in enumerate(entries):
                say(f"the best plan of future {name}")
                part = _part(budget, steps - 1 - place)
                near = None if nominal is None else nominal.solution
                bests.append(_alone(case, entry.evaluation, backend, part, say, near, name))
            best = np.array([entry.cost_usd_per_year for entry in bests])
            best_bound = np.array([entry.bound_usd_per_year for entry in bests])
        futures = replace(futures, best_usd_per_year=best)
        inputs = replace(inputs, extra={**inputs.extra, "futures": futures})
    problem, index = model.build(inputs)
    say(
        f"{len(futures.names)} futures: {len(problem.columns):,} columns, "
        f"{sum(len(block) for block in problem.blocks):,} rows"
    )
    base = problem
    begun = None
    if seed is not None:
        begun = np.zeros(len(problem.columns))
        own = min(len(seed), _own_columns(problem))
        begun[:own] = seed[:own]
    solution, outcome, nodes = solve.solve_rounds(
        problem,
        index,
        inputs,
        evaluation,
        backend=backend,
        start=begun,
        say=say,
        gap=settings.gap * BELOW_GAP,
        budget=budget,
    )
    if solution is None:
        if outcome.status == "infeasible":
            message = "no plan satisfies all limits together, at the listed facts and in every future"
            raise InfeasibleError(message, hint="dcsite diagnose names a clash at the listed facts")
        return solve.empty_plan(scenario, evaluation, inputs, outcome, backend)
    solution = _tidy(solution)
    plan = solve.plan_of(solution, scenario, evaluation, outcome, backend, nodes)
    plan = replace(plan, problem_digest=digest_of(base))
    return _with_report(plan, solution, nominal, best_bound)


def digest_of(problem: Problem) -> str:
    """Digest of a problem without its benchmarks of regret, which are answers of other solves."""
    return problem.without("regret").digest()


def with_benchmarks(inputs: Inputs, table: pd.DataFrame) -> Inputs:
    """The inputs with the best costs of the futures that a plan was held against (its frame ``futures``)."""
    futures = futures_of(inputs)
    best = table["best_usd_per_year"].to_numpy(dtype=np.float64) if len(table) else np.zeros(0)
    if futures is None or len(best) != len(futures.names) or not np.isfinite(best).all():
        return inputs
    return replace(inputs, extra={**inputs.extra, "futures": replace(futures, best_usd_per_year=best)})


def _part(budget: solve.Budget, steps: int) -> solve.Budget:
    """An even share of the time that is left."""
    left = budget.left()
    return solve.Budget(None if left is None else left / max(steps, 1), budget.node_limit)


def _own_columns(problem: Problem) -> int:
    """Number of columns that a model without futures has."""
    families = problem.columns.families
    extra = [families.index(name) for name in ("future_run", "tail", "worst") if name in families]
    return problem.columns.first[min(extra)] if extra else len(problem.columns)


def _alone(
    inputs: Inputs,
    evaluation: Evaluation,
    backend: str,
    budget: solve.Budget,
    say: Callable[[str], None],
    near: Solution | None,
    name: str = "",
) -> _Best:
    """The best plan of one question: the listed facts, or one future alone.

    Raises
    ------
    InfeasibleError
        If there is none.
    """
    problem, index = model.build(inputs)
    begun = None if near is None else carried(near, problem)
    solution, outcome, nodes = solve.solve_rounds(
        problem, index, inputs, evaluation, backend=backend, start=begun, say=say, budget=budget
    )
    if solution is None:
        if outcome.status == "infeasible":
            where = f"in the future '{name}'" if name else "at the listed facts"
            message = f"no plan satisfies all limits together {where}"
            raise InfeasibleError(message, hint="dcsite diagnose names the clash and the cheapest repair")
        return _Best(math.nan, outcome.bound * M, None)
    plan = solve.plan_of(solution, inputs.scenario, evaluation, outcome, backend, nodes)
    return _Best(plan.objective_usd_per_year, plan.bound_usd_per_year, solution)


def carried(old: Solution, problem: Problem) -> Floats:
    """Values of a solution in the columns of another problem of the same halls, family by family."""
    values = np.zeros(len(problem.columns))
    before, after = old.problem.columns, problem.columns
    for place, family in enumerate(after.families):
        if family == "run" or family not in before.families:
            continue
        source = np.flatnonzero(before.family == before.families.index(family))
        target = np.flatnonzero(after.family == place)
        if len(source) == len(target):
            values[target] = old.x[source]
    return values


def with_recourse(
    problem: Problem, index: Index, inputs: Inputs, x: Floats, *, elastic: bool = False
) -> Floats | None:
    """The same decisions with the best hours of interruptible load in each future; None if a limit fails there.

    With ``elastic`` a limit that cannot hold is broken by as little as possible instead.
    """
    families = problem.columns.families
    if "future_run" not in families:
        return measured(problem, index, inputs, x)
    vectors = future_costs(problem, index, inputs)
    futures = futures_of(inputs)
    assert futures is not None
    kept = [index.open, index.built, index.place, index.spare, index.serve, index.peak, index.license]
    columns = np.unique(np.concatenate([part[part >= 0].ravel() for part in kept]))
    whole = np.flatnonzero(problem.columns.integer)
    columns = np.union1d(columns, whole)
    fixed = problem.with_bounds(columns, x[columns], x[columns])
    # Regret and tail rows bound nothing here: their columns are free to follow.
    trial = fixed.with_cost(futures.chance_ratio @ vectors)
    if elastic:
        trial = _stretched(trial)
    found = highs.solve(replace(trial.arrays(), integer=None))
    if found.x is None or found.status != "optimal":
        return None
    values = x.copy()
    own = problem.columns.family == families.index("future_run")
    values[own] = found.x[: len(values)][own]
    return measured(problem, index, inputs, values)


def _stretched(problem: Problem) -> Problem:
    """The problem with a costly way out of each carbon and water limit of a future."""
    loose = [
        place
        for place, block in enumerate(problem.blocks)
        if block.family.startswith(("future_carbon", "future_water"))
    ]
    sizes = [len(problem.blocks[place]) for place in loose]
    first = len(problem.columns)
    wide = problem.with_columns("breach", cost=np.full(sum(sizes), BREACH), lower=0.0, upper=np.inf)
    blocks = list(wide.blocks)
    for place, size in zip(loose, sizes, strict=True):
        lines = np.arange(size)
        out = Rows(size, len(wide.columns)).add(lines, first + lines, -1.0).matrix()
        blocks[place] = replace(blocks[place], matrix=csr_array(blocks[place].matrix + out))
        first += size
    return replace(wide, blocks=tuple(blocks))


def measured(problem: Problem, index: Index, inputs: Inputs, x: Floats) -> Floats:
    """The values with tail, shortfalls and worst regret as the costs of the futures make them."""
    futures = futures_of(inputs)
    assert futures is not None
    vectors = future_costs(problem, index, inputs)
    costs = vectors @ x
    apart = costs - float(futures.chance_ratio @ costs)
    values = x.copy()
    families, first = problem.columns.families, problem.columns.first
    if "tail" in families:
        order = np.argsort(-apart, kind="stable")
        reached = np.cumsum(futures.chance_ratio[order])
        edge = int(np.searchsorted(reached, (1.0 - inputs.scenario.objective.beta) * (1 - 1e-12)))
        tail = float(apart[order[min(edge, len(order) - 1)]])
        values[first[families.index("tail")]] = tail
        at = first[families.index("short")]
        values[at : at + len(apart)] = np.maximum(apart - tail, 0.0)
    if "worst" in families:
        values[first[families.index("worst")]] = float(np.max(apart - benchmarks(futures)))
    return values


def _tidy(solution: Solution) -> Solution:
    """Among MW that are equally good: the cheapest at the listed facts, then a fixed order of sites.

    Whole numbers stay; the hours run in each future are then the best ones.
    """
    problem, index, inputs, x = solution.problem, solution.index, solution.inputs, solution.x
    count = len(problem.columns)
    cost = problem.columns.cost
    value = float(cost @ x)
    capped = problem.with_block(solve.cap_row(problem, cost, value + SAME_PLAN * max(abs(value), 1.0)))
    listed = cost_vector(inputs, index, count)
    found = solve.settle(capped.with_cost(listed), x)
    if found is not None:
        x = found
        weights = np.zeros(count)
        order = np.array([solve.id_weight(inputs.site_ids[s]) for s in inputs.slot_site])
        np.add.at(weights, index.place, np.repeat(order[:, None], index.place.shape[1], axis=1))
        most = float(listed @ x) + 1e-9 * max(abs(value), 1.0)
        last = capped.with_block(solve.cap_row(capped, listed, most)).with_cost(weights)
        again = solve.settle(last, x)
        x = x if again is None else again
    best = with_recourse(problem, index, inputs, x)
    return replace(solution, x=x if best is None else best)


# --- what is reported -----------------------------------------------------------------------------------------


def runs_in_futures(solution: Solution) -> pd.DataFrame:
    """Energy of interruptible loads in each future."""
    futures = futures_of(solution.inputs)
    assert futures is not None
    own = future_indices(solution.problem, solution.index, futures)
    return future_runs_of(futures.names, futures.inputs, own, solution.x)


def _with_report(plan: Plan, solution: Solution, nominal: _Best | None, best_bound: Floats | None) -> Plan:
    """The plan with its costs in the futures, recomputed from the facts, beside those of the nominal plan."""
    scenario, evaluation = plan.scenario, plan.evaluation
    futures = futures_of(solution.inputs)
    assert futures is not None
    assert evaluation is not None
    chances = futures.chance_ratio
    plan = replace(plan, future_runs=runs_in_futures(solution))
    costs, bad = costs_in_futures(plan, evaluation)
    modeled = future_costs(solution.problem, solution.index, solution.inputs) @ solution.x * M
    bad += [
        f"{name}: the model says {said:,.2f} USD/year, the facts say {found:,.2f}"
        for name, said, found in zip(futures.names, modeled, costs, strict=True)
        if not math.isclose(said, found, rel_tol=SAME_MODEL, abs_tol=1.0)
    ]
    notes = [*plan.notes, *(f"not verified: {line}" for line in bad), *_unmoved(plan, solution)]
    best, shift = futures.best_usd_per_year, 0.0
    if best is not None:
        shift = float(chances @ best)
        # This plan may beat the benchmark of a future: regret is then counted against it.
        best = np.fmin(best, costs)
    goal = measure_of(scenario, costs, chances, best)
    bound = min(plan.goal_bound - shift, goal)
    gap = highs.relative_gap(goal + shift, bound + shift)
    verified = plan.verified and not bad
    proved = verified and gap <= scenario.solver.gap + 1e-9
    others = np.full(len(costs), np.nan)
    listed = math.nan
    if nominal is not None and nominal.solution is not None:
        others, listed, words = _of_nominal(nominal, solution, scenario, evaluation)
        notes += words
    table = futures_frame(scenario, costs, others, best, best_bound)
    price = robustness_frame(scenario, table, plan.objective_usd_per_year, listed)
    if nominal is not None and nominal.solution is not None:
        away = 1.0 - nominal.bound_usd_per_year / nominal.cost_usd_per_year
        if away > scenario.solver.gap + 1e-9:
            notes.append(f"the nominal plan beside it is proved to {away:.2%} only")
    if best_bound is not None and best is not None:
        loose = float(np.max(best - np.fmin(best_bound, best)))
        if loose > WORTH_SAYING:
            notes.append(
                f"regret is counted against the best plans known; better ones could add up to "
                f"{loose / M:,.2f} M USD a year to it"
            )
    return replace(
        plan,
        status="optimal" if proved else "limit",
        verified=verified,
        goal_value=goal,
        goal_bound=bound,
        gap=gap,
        limit_hit="" if proved else plan.limit_hit,
        futures=table,
        robustness=price,
        notes=tuple(dict.fromkeys(notes)),
    )


def _unmoved(plan: Plan, solution: Solution) -> list[str]:
    """Say at which sites of the plan no future changes a cost: a fixed tariff, or one whose market is not known."""
    inputs, futures = solution.inputs, futures_of(solution.inputs)
    assert futures is not None
    totals = np.stack([case.operating_total - case.credit for case in futures.inputs])
    moves = np.ptp(totals, axis=0).max(axis=1) > NO_CHANGE
    used = {inputs.site_ids[s] for s in inputs.slot_site[moves]}
    still = [site for site in plan.sites if site not in used]
    if not still or len(futures.names) < 2:
        return []
    return [
        f"the same cost in every future at {', '.join(still)}: their price follows no market in the tables; that a "
        "tariff moves with none is an assumption"
    ]


def _of_nominal(
    nominal: _Best, solution: Solution, scenario: Scenario, evaluation: Evaluation
) -> tuple[Floats, float, list[str]]:
    """Cost of the nominal plan in each future and at the listed facts, its hours run at their best."""
    assert nominal.solution is not None
    own = _own_columns(solution.problem)
    x = np.zeros(len(solution.problem.columns))
    x[:own] = nominal.solution.x[:own]
    names = futures_of(solution.inputs)
    assert names is not None
    before = replace(solution, x=x)
    values = with_recourse(before.problem, before.index, before.inputs, x, elastic=True)
    frames = frames_of(solution.inputs, solution.index, x, evaluation)
    nothing = highs.Outcome("limit", None, math.nan, -math.inf)
    plan = replace(solve.empty_plan(scenario, evaluation, solution.inputs, nothing, ""), **frames)
    listed = check(replace(plan, scenario=as_listed(scenario)), evaluation).objective_usd_per_year
    if values is None:
        words = ["the nominal plan does not hold in one of the futures; its costs there are not given"]
        return np.full(len(names.names), np.nan), listed, words
    runs = runs_in_futures(replace(before, x=values))
    costs, bad = costs_in_futures(replace(plan, future_runs=runs), evaluation)
    said = [f"the nominal plan does not hold in {line}" for line in bad]
    return costs, listed, said
