"""Portfolios: what to build where, checked, explained and changed. The public functions around the optimizer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dcsite.errors import InfeasibleError, Problem
from dcsite.optimize import model, risk, solve
from dcsite.optimize.diagnose import diagnose
from dcsite.optimize.explain import why, why_not
from dcsite.optimize.inputs import build_inputs
from dcsite.optimize.plan import Solution
from dcsite.optimize.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from dcsite.optimize.plan import Plan
    from dcsite.physics.evaluation import Evaluation
    from dcsite.spec.scenario import Scenario
    from dcsite.study.runs import Run

__all__ = ["diagnose", "optimize", "restore", "verify", "why", "why_not", "with_reasons", "with_solver"]


def with_solver(scenario: Scenario, **changes: Any) -> Scenario:  # noqa: ANN401  (values of [solver])
    """The scenario with some solver settings changed; None leaves a setting alone.

    Raises
    ------
    ScenarioError
        If a value is out of its range.
    """
    from dcsite.data.scenario_file import parse_scenario

    wanted = {key: value for key, value in changes.items() if value is not None}
    if not wanted:
        return scenario
    raw = scenario.model_dump(exclude_unset=True)
    raw["solver"] = {**raw.get("solver", {}), **wanted}
    return parse_scenario(raw, name="solver options")


def optimize(
    scenario: Scenario,
    evaluation: Evaluation,
    *,
    backend: str = "highs",
    start: Plan | None = None,
    progress: Callable[[str], None] | None = None,
    **solver: Any,  # noqa: ANN401  (settings of [solver])
) -> Plan:
    """Find the cheapest portfolio under the scenario's limits; see :func:`dcsite.optimize.solve.optimize`.

    Parameters
    ----------
    scenario, evaluation
        The question and its facts.
    backend
        ``highs`` or ``pulp:NAME``.
    start
        A plan to begin from.
    progress
        Called with a sentence at each step.
    **solver
        Settings of ``[solver]`` to change: ``gap``, ``time_limit_s``, ``node_limit``, ...

    Raises
    ------
    InfeasibleError
        If the limits contradict each other.
    SolverFaultError
        If the solver's answer does not survive the check.
    """
    asked = with_solver(scenario, **solver)
    return solve.optimize(asked, evaluation, backend=backend, start=start, progress=progress)


def with_reasons(
    error: InfeasibleError,
    scenario: Scenario,
    evaluation: Evaluation,
    *,
    time_limit_s: float = 30.0,
    progress: Callable[[str], None] | None = None,
) -> InfeasibleError:
    """The error with the limits that clash and what would make a plan possible, found in a bounded time.

    Parameters
    ----------
    error
        What :func:`optimize` raised.
    time_limit_s
        Processor seconds for the search.
    """
    found = diagnose(scenario, evaluation, time_limit_s=time_limit_s, progress=progress)
    problems = list(error.problems)
    if found.conflict:
        how = "each is needed for it" if found.minimal else "not proven minimal"
        problems.append(Problem("these limits clash", f"{', '.join(found.conflict)} ({how})"))
    hints = []
    for _, rows in found.repair.groupby("option"):
        words = " and ".join(rows["words"])
        hints.append(words if rows["checked"].all() else f"{words} (not checked)")
    hint = f"a plan exists with {'; or with '.join(hints)}" if hints else error.hint
    return InfeasibleError(error.message, tuple(problems), hint)


def restore(run: Run, evaluation: Evaluation) -> Plan:
    """Give a plan that was read from a run folder its facts and values back.

    The values of the folder are used where today's facts make the very same model; otherwise, or where
    zones may fail, the scenario is solved again.
    """
    from dataclasses import replace

    inputs = solve.with_scores(build_inputs(run.scenario, evaluation), evaluation)
    inputs = risk.with_benchmarks(inputs, run.plan.futures)
    problem, index = model.build(inputs)
    same = risk.digest_of(problem) == run.plan.problem_digest and run.values
    if not same or run.scenario.limits.n_minus_1 is not None:
        return optimize(run.scenario, evaluation)
    x = np.zeros(len(problem.columns))
    for column, value in run.values.items():
        x[column] = value
    bound = run.plan.goal_bound / solve.GOAL_STEP[run.plan.goal] + problem.offset
    return replace(run.plan, evaluation=evaluation, solution=Solution(inputs, problem, index, x, bound))
