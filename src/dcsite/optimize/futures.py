"""Futures of a plan, in numpy: what it costs in each, mean, tail and regret, and whether its limits hold there.

Nothing of the model is used here. A future is a scenario of its own with facts of its own
(:mod:`dcsite.spec.futures`); the plan's sites, halls and MW are the same in all of them, only the hours in
which interruptible load runs are decided again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from dcsite.errors import ScenarioError
from dcsite.spec.futures import cases_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from dcsite.optimize.inputs import Inputs
    from dcsite.optimize.plan import Plan
    from dcsite.physics.evaluation import Evaluation
    from dcsite.spec.futures import Case
    from dcsite.spec.scenario import Scenario

FUTURES: Final = (
    "future",
    "chance_ratio",
    "cost_usd_per_year",
    "nominal_cost_usd_per_year",
    "difference_usd_per_year",
    "best_usd_per_year",
    "best_bound_usd_per_year",
    "regret_usd_per_year",
    "nominal_regret_usd_per_year",
)
"""Columns of :attr:`Plan.futures`: this plan, the plan that is best at the listed facts, and the best of each
future alone (regret only)."""

ROBUSTNESS: Final = ("measure", "plan_usd_per_year", "nominal_usd_per_year", "difference_usd_per_year")
"""Columns of :attr:`Plan.robustness`: this plan beside the plan that is best at the listed facts."""


@dataclass(frozen=True)
class Futures:
    """Futures as the model sees them: for each its probability and inputs with its own cost and hours.

    ``best_usd_per_year`` is the cost of the best plan known of each future alone, where regret is asked.
    """

    names: tuple[str, ...]
    chance_ratio: NDArray[np.float64]
    inputs: tuple[Inputs, ...]
    best_usd_per_year: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class CaseFacts:
    """A future with its facts."""

    case: Case
    evaluation: Evaluation


def futures_at(scenario: Scenario, evaluation: Evaluation) -> tuple[CaseFacts, ...]:
    """Futures of a scenario with the facts that the evaluation holds of them, at its own sites.

    Raises
    ------
    ScenarioError
        If the facts of a future are missing.
    """
    known = evaluation.extra.get("futures") or {}
    found = []
    for case in cases_of(scenario):
        if case.name not in known:
            message = f"the facts hold no future '{case.name}'"
            raise ScenarioError(message, hint="evaluate the scenario again")
        found.append(CaseFacts(case, replace(known[case.name], sites=evaluation.sites)))
    return tuple(found)


def mean_of(values: ArrayLike, chances: ArrayLike) -> float:
    """Mean by probability.

    Examples
    --------
    >>> mean_of([1.0, 3.0], [0.25, 0.75])
    2.5
    """
    return float(np.dot(np.asarray(values, dtype=np.float64), np.asarray(chances, dtype=np.float64)))


def tail_mean(values: ArrayLike, chances: ArrayLike, beta: float) -> float:
    """CVaR: mean of the worst ``1 - beta`` of the probability, the value at its edge counted in part.

    ``beta = 0`` gives the mean; from one less the probability of the worst value on, the worst value.

    Parameters
    ----------
    values, chances : array_like, shape (F,)
        A figure in each future, the larger the worse, and the probabilities, which sum to 1.
    beta
        0 up to 1, 1 excluded. [-]

    Examples
    --------
    >>> tail_mean([1.0, 2.0, 6.0], [0.5, 0.25, 0.25], 0.5)
    4.0
    >>> tail_mean([1.0, 2.0, 6.0], [0.5, 0.25, 0.25], 0.99)
    6.0
    """
    figures = np.asarray(values, dtype=np.float64)
    order = np.argsort(-figures, kind="stable")
    left = 1.0 - beta
    total = 0.0
    for place in order:
        part = min(left, float(np.asarray(chances, dtype=np.float64)[place]))
        total += part * float(figures[place])
        left -= part
    # What rounding of the chances leaves is as bad as the mildest future that counts.
    if left > 0 and len(order):
        total += left * float(figures[order[-1]])
    return total / (1.0 - beta)


def costs_in_futures(
    plan: Plan, evaluation: Evaluation, runs: pd.DataFrame | None = None
) -> tuple[NDArray[np.float64], list[str]]:
    """Cost of a plan in each future of its scenario, and the limits that it breaks there. [USD/year]

    Parameters
    ----------
    plan
        Its scenario declares the futures.
    evaluation
        Facts with those of the futures.
    runs
        Energy of interruptible loads in each future (columns of :data:`dcsite.optimize.plan.RUNS` and
        ``future``); default the plan's own.
    """
    from dcsite.optimize.verify import check

    table = plan.future_runs if runs is None else runs
    costs, bad = [], []
    for entry in futures_at(plan.scenario, evaluation):
        own = table[table["future"] == entry.case.name].drop(columns="future")
        then = replace(
            plan, scenario=entry.case.scenario, evaluation=entry.evaluation, runs=own, solution=None
        )
        verdict = check(then, entry.evaluation)
        costs.append(verdict.objective_usd_per_year)
        bad += [f"{entry.case.name}: {line}" for line in verdict.violations]
    return np.array(costs, dtype=np.float64), bad


def measure_of(
    scenario: Scenario, costs: ArrayLike, chances: ArrayLike, best: ArrayLike | None = None
) -> float:
    """What the scenario's objective says of costs in the futures: mean, tail or largest regret. [USD/year]"""
    objective = scenario.objective
    if objective.kind == "regret":
        return float(np.max(np.asarray(costs, dtype=np.float64) - np.asarray(best, dtype=np.float64)))
    mean = mean_of(costs, chances)
    if objective.kind == "expected":
        return mean
    weight = objective.risk_weight
    return (1.0 - weight) * mean + weight * tail_mean(costs, chances, objective.beta)


def futures_frame(
    scenario: Scenario,
    costs: ArrayLike,
    nominal: ArrayLike,
    best: ArrayLike | None = None,
    best_bound: ArrayLike | None = None,
) -> pd.DataFrame:
    """One row per future, columns :data:`FUTURES`; what is not known is NaN."""
    cases = cases_of(scenario)
    frame = pd.DataFrame(
        {
            "future": [case.name for case in cases],
            "chance_ratio": [case.chance_ratio for case in cases],
            "cost_usd_per_year": np.asarray(costs, dtype=np.float64),
            "nominal_cost_usd_per_year": np.asarray(nominal, dtype=np.float64),
        }
    )
    frame["difference_usd_per_year"] = frame["cost_usd_per_year"] - frame["nominal_cost_usd_per_year"]
    unknown = np.full(len(cases), np.nan)
    frame["best_usd_per_year"] = unknown if best is None else np.asarray(best, dtype=np.float64)
    frame["best_bound_usd_per_year"] = (
        unknown if best_bound is None else np.asarray(best_bound, dtype=np.float64)
    )
    frame["regret_usd_per_year"] = frame["cost_usd_per_year"] - frame["best_usd_per_year"]
    frame["nominal_regret_usd_per_year"] = frame["nominal_cost_usd_per_year"] - frame["best_usd_per_year"]
    return frame[list(FUTURES)]


def robustness_frame(
    scenario: Scenario, futures: pd.DataFrame, listed_usd_per_year: float, nominal_usd_per_year: float
) -> pd.DataFrame:
    """Price of robustness: this plan and the nominal one by cost as listed, mean, tail, worst and regret.

    Parameters
    ----------
    futures
        From :func:`futures_frame`.
    listed_usd_per_year, nominal_usd_per_year
        Cost of this plan and of the nominal one at the listed facts. [USD/year]
    """
    chances = futures["chance_ratio"]
    rows = [("cost at the listed facts", listed_usd_per_year, nominal_usd_per_year)]
    own = futures["cost_usd_per_year"].to_numpy(dtype=np.float64)
    other = futures["nominal_cost_usd_per_year"].to_numpy(dtype=np.float64)
    beta = scenario.objective.beta
    rows += [
        ("mean over the futures", mean_of(own, chances), mean_of(other, chances)),
        (f"CVaR, worst {1 - beta:.0%}", tail_mean(own, chances, beta), tail_mean(other, chances, beta)),
        ("cost in the worst future", float(own.max()), float(other.max())),
    ]
    if futures["best_usd_per_year"].notna().all():
        regret, others = futures["regret_usd_per_year"], futures["nominal_regret_usd_per_year"]
        rows.append(("largest regret", float(regret.max(skipna=False)), float(others.max(skipna=False))))
    frame = pd.DataFrame(rows, columns=list(ROBUSTNESS[:3]))
    frame["difference_usd_per_year"] = frame["plan_usd_per_year"] - frame["nominal_usd_per_year"]
    return frame
