"""Futures in the siting model: columns of what is decided in each, and the rows of tail and regret (family 3).

Sites, halls and MW are decided once for all futures; the hours in which interruptible load runs are decided
in each. With ``c_i`` the cost vector of future i, ``m`` its mean by probability ``q_i`` and ``d_i = c_i - m``:

- ``expected``: minimize ``m x``;
- ``cvar``: minimize ``m x + lambda (tail + sum_i q_i short_i / (1 - beta))``, rows ``cvar[i]``:
  ``short_i >= d_i x - tail``, ``short_i >= 0``: because a constant moves through CVaR, this is
  ``(1 - lambda) mean + lambda CVaR`` of the cost;
- ``regret``: minimize ``m x + worst``, rows ``regret[i]``: ``worst >= d_i x - b_i``, ``b_i`` the cost of the best
  plan known for future i alone. The mean of the ``b_i`` is added, so that a gap is one of cost.

Limits that the hours of interruptible load touch hold in every future.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from dcsite.optimize.families import resources, service, time
from dcsite.optimize.futures import Futures
from dcsite.optimize.goals import cost_vector
from dcsite.optimize.inputs import M
from dcsite.optimize.problem import Block, Labels, Rows

if TYPE_CHECKING:
    from dcsite.optimize.columns import Index
    from dcsite.optimize.inputs import Floats, Inputs
    from dcsite.optimize.problem import Problem

COUPLED: Final = (
    time.run_block,
    time.run_min,
    resources.water_site,
    resources.water_basin,
    service.carbon_cap,
    service.carbon_intensity,
)
"""Families that the hours of interruptible load enter: written once more for each future."""

NO_COST: Final = 1.0e-11
"""Differences of cost below this are rounding. [M USD per unit of a column]"""


def futures_of(inputs: Inputs) -> Futures | None:
    """Futures that the inputs carry."""
    found = inputs.extra.get("futures")
    return found if isinstance(found, Futures) else None


def with_futures(problem: Problem, index: Index, inputs: Inputs) -> Problem:
    """The problem under the objective of its futures; as it is where there are none."""
    futures = futures_of(inputs)
    if futures is None:
        return problem
    names = {**problem.names, "future": futures.names}
    problem = replace(problem, names=names)
    problem = _with_runs(problem, futures)
    objective = inputs.scenario.objective
    kind = objective.kind
    count, lines = len(futures.names), np.arange(len(futures.names))
    first = len(problem.columns)
    if kind == "cvar":
        problem = problem.with_columns("tail", cost=[0.0], lower=-np.inf, upper=np.inf)
        problem = problem.with_columns(
            "short", cost=np.zeros(count), lower=0.0, upper=np.inf, labels=Labels({"future": lines})
        )
    elif kind == "regret":
        problem = problem.with_columns("worst", cost=[0.0], lower=-np.inf, upper=np.inf)
    vectors = future_costs(problem, index, inputs)
    problem = problem.with_block(*_future_limits(problem, index, futures))
    mean = futures.chance_ratio @ vectors
    cost, offset = mean.copy(), 0.0
    apart = vectors - mean
    apart[np.abs(apart) < NO_COST] = 0.0
    rows = Rows(count, len(problem.columns))
    for line in lines:
        here = np.flatnonzero(apart[line])
        rows.add(line, here, apart[line, here])
    if kind == "cvar":
        weight = objective.risk_weight
        cost[first] = weight
        cost[first + 1 + lines] = weight * futures.chance_ratio / (1.0 - objective.beta)
        rows.add(lines, np.full(count, first), -1.0).add(lines, first + 1 + lines, -1.0)
        problem = problem.with_block(
            rows.block("cvar", -np.inf, 0.0, {"future": lines}, unit="USD/year", step=M)
        )
    elif kind == "regret":
        best = benchmarks(futures)
        cost[first], offset = 1.0, float(futures.chance_ratio @ best)
        rows.add(lines, np.full(count, first), -1.0)
        problem = problem.with_block(
            rows.block("regret", -np.inf, best, {"future": lines}, unit="USD/year", step=M)
        )
    return problem.with_cost(cost, offset)


def benchmarks(futures: Futures) -> Floats:
    """Cost of the best plan known of each future; zero where none was sought. [M USD/year]"""
    if futures.best_usd_per_year is None:
        return np.zeros(len(futures.names))
    return futures.best_usd_per_year / M


def _with_runs(problem: Problem, futures: Futures) -> Problem:
    """Columns of the energy that interruptible load runs in each future, one family for all."""
    sizes = [(len(case.runs.slot), len(case.period_start)) for case in futures.inputs]
    if not any(number for number, _ in sizes):
        return problem
    future = np.concatenate([np.full(n * p, i) for i, (n, p) in enumerate(sizes)])
    run = np.concatenate([np.repeat(np.arange(n), p) for n, p in sizes])
    period = np.concatenate([np.tile(np.arange(p), n) for n, p in sizes])
    return problem.with_columns(
        "future_run",
        cost=np.zeros(len(future)),
        lower=0.0,
        upper=np.inf,
        labels=Labels({"future": future, "run": run, "period": period}),
    )


def future_indices(problem: Problem, index: Index, futures: Futures) -> list[Index]:
    """Column numbers of each future: those of the problem, with its own energies run."""
    families = problem.columns.families
    if "future_run" not in families:
        return [index] * len(futures.names)
    at = problem.columns.first[families.index("future_run")]
    found = []
    for case in futures.inputs:
        shape = (len(case.runs.slot), len(case.period_start))
        size = shape[0] * shape[1]
        found.append(replace(index, run=(at + np.arange(size, dtype=np.int64)).reshape(shape)))
        at += size
    return found


def future_costs(problem: Problem, index: Index, inputs: Inputs) -> Floats:
    """Cost vector of each future, shape (F, n). [M USD/year per unit]"""
    futures = futures_of(inputs)
    assert futures is not None
    own = future_indices(problem, index, futures)
    count = len(problem.columns)
    return np.array([cost_vector(case, at, count) for case, at in zip(futures.inputs, own, strict=True)])


def _future_limits(problem: Problem, index: Index, futures: Futures) -> list[Block]:
    """The coupled limits in each future whose hours differ from the listed ones; never stretched by the doctor."""
    count = len(problem.columns)
    blocks = []
    own = future_indices(problem, index, futures)
    for line, (case, at) in enumerate(zip(futures.inputs, own, strict=True)):
        for family in COUPLED:
            block = family(case, at, count)
            if block is None or not len(block):
                continue
            known = problem.block(block.family)
            if known is not None and _same(known, block):
                continue
            axes = {"future": np.full(len(block), line), **block.labels.axes}
            blocks.append(
                replace(block, family=f"future_{block.family}", labels=Labels(axes), repair=None, group=())
            )
    return blocks


def _same(first: Block, second: Block) -> bool:
    return (
        first.matrix.shape[0] == second.matrix.shape[0]
        and first.matrix.nnz == second.matrix.nnz
        and np.array_equal(first.matrix.indptr, second.matrix.indptr)
        and np.array_equal(first.matrix.indices, second.matrix.indices)
        and np.array_equal(first.matrix.data, second.matrix.data)
        and np.array_equal(first.lower, second.lower)
        and np.array_equal(first.upper, second.upper)
    )
