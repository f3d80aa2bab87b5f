"""Limits on the search: they count the work done, not the time waited, and leave a plan behind."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.sparse import csr_array

from dcsite.optimize import highs, pulp_backend, solve
from dcsite.optimize.inputs import build_inputs
from milp_world import world
from test_portfolio_model import CLOUD, MINING, TRAINING, scenario


def knapsacks(rows: int = 12, columns: int = 60) -> highs.Arrays:
    """Market split: equalities that branch and bound hardly proves."""
    rng = np.random.default_rng(0)
    weights = rng.integers(0, 100, (rows, columns)).astype(float)
    slack = np.hstack([np.eye(rows), -np.eye(rows)])
    matrix = csr_array(np.hstack([weights, slack]))
    half = np.floor(weights.sum(axis=1) / 2)
    width = columns + 2 * rows
    whole = np.arange(width) < columns
    cost = np.where(whole, 0.0, 1.0)
    return highs.Arrays(cost, np.zeros(width), np.where(whole, 1.0, np.inf), matrix, half, half, whole)


def test_the_limit_counts_processor_seconds_and_keeps_the_plan():
    begun = time.thread_time()
    outcome = highs.solve(knapsacks(), highs.Options(gap=0.0, absolute_gap=0.0, cpu_limit_s=0.3))
    spent = time.thread_time() - begun
    assert outcome.status == "limit"
    assert outcome.limit_hit == "time"
    assert outcome.x is not None
    assert 0.25 < spent < 3.0


def test_waiting_uses_up_nothing_of_a_budget():
    budget = solve.Budget(5.0, None)
    time.sleep(0.3)
    assert budget.left() == pytest.approx(5.0, abs=0.1)
    end = time.thread_time() + 0.2
    while time.thread_time() < end:
        pass
    assert budget.left() < 4.85


def test_a_share_of_the_budget_never_falls_below_the_least():
    budget = solve.Budget(1e-6, 7)
    options = budget.options(0.01, share=0.5, least_s=3.0)
    assert (options.cpu_limit_s, options.node_limit) == (3.0, 7)
    assert options.time_limit_s == pytest.approx(3.0 * solve.WALL_GUARD)
    assert solve.Budget(None, None).options(0.01).cpu_limit_s is None


@pytest.mark.parametrize("periods", [[], [{"start": 2026}, {"start": 2032}]])
@pytest.mark.parametrize("late", ["relaxation", "search"])
def test_a_limit_that_stops_the_search_still_leaves_a_checked_plan(monkeypatch, late, periods):
    """Neither the relaxation nor the search ends in time: the plan comes from the likely halls alone."""
    keys = {"periods": periods} if periods else {}
    limits = {"max_sites": 4, "carbon_kg_per_mwh": 300}
    asked = scenario(CLOUD, TRAINING, MINING, gap=0.02, limits=limits, **keys)
    facts = world(asked, seed=5, sites=32, points=6)
    best = solve.optimize(asked, facts)
    nothing = highs.Outcome("limit", None, np.nan, -np.inf, "time")
    if late == "relaxation":
        monkeypatch.setattr(solve, "with_cuts", lambda problem, *_: (problem, nothing))
    monkeypatch.setattr(solve, "first_plan", lambda *_: None)
    monkeypatch.setattr(solve, "run_backend", lambda *_: nothing)
    plan = solve.optimize(asked, facts)
    assert plan.verified
    assert plan.limit_hit in ("time", "")
    assert best.bound_usd_per_year <= plan.objective_usd_per_year
    assert plan.objective_usd_per_year < 1.5 * best.objective_usd_per_year


def test_likely_halls_stand_with_those_that_exist_and_those_required():
    asked = scenario(
        CLOUD,
        TRAINING,
        sites={"existing": [{"id": "deu-008", "it_mw": 20}], "require": ["sgp-009"]},
    )
    facts = world(asked, seed=1, sites=40, points=6)
    inputs = build_inputs(asked, facts)
    halls = solve.likely_halls(inputs)
    named = {inputs.site_ids[s] for s in inputs.hall_site[halls]}
    existing = inputs.hall_existing
    assert existing.any()
    assert halls[existing].all()
    assert set(np.array(inputs.site_ids)[inputs.required]) <= named
    assert 0 < halls.sum() < len(halls)


def test_a_relaxation_handed_on_by_a_stopped_solver_is_no_plan(monkeypatch):
    """CBC that stops before any plan returns fractions; they must not pass for one."""
    pulp = pytest.importorskip("pulp")
    model = knapsacks(rows=2, columns=6)

    def stopped(problem, *_args, **_keys):
        for column in problem.variables():
            column.varValue = 0.5
        return 0  # not solved, in every release of PuLP

    monkeypatch.setattr(pulp.LpProblem, "solve", stopped)
    outcome = pulp_backend.solve(model, highs.Options(time_limit_s=1.0), "HiGHS")
    assert outcome.status == "limit"
    assert outcome.x is None
