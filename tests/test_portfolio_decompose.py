"""The relaxation taken apart site by site is the relaxation, and its bound holds for every plan."""

from __future__ import annotations

import numpy as np
import pytest

from dcsite.optimize import decompose, highs, model, solve
from dcsite.optimize.inputs import build_inputs
from milp_world import world


def scenario(**limits):
    return {
        "format": 1,
        "sites": {"catalog": "none", "file": "sites.csv"},
        "workloads": [
            {"name": "cloud", "profile": "cloud", "it_mw": 60, "max_rtt_ms": 60, "coverage": 0.7, "min_block_mw": 5},
            {"name": "training", "profile": "ai-training", "it_mw": 80, "min_block_mw": 20},
            {
                "name": "mining", "profile": "crypto", "it_mw": 30, "optional": True, "break_even_usd_per_mwh": 95.0,
            },
        ],
        "limits": {"max_sites": 6, **limits},
    }  # fmt: skip


LIMITS = [{}, {"carbon_kg_per_mwh": 250}, {"carbon_kg_per_mwh": 300, "max_sites": 4}]


def built(seed, limits, sites=18):
    facts = world(scenario(**limits), seed=seed, sites=sites, points=8)
    inputs = build_inputs(facts.scenario, facts)
    return facts, inputs, *model.build(inputs)


@pytest.mark.parametrize("limits", LIMITS, ids=str)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_is_the_relaxation_and_bounds_every_plan(seed, limits):
    _, inputs, problem, index = built(seed, limits)
    whole = highs.solve(problem.arrays(), relaxed=True)
    first = np.zeros(len(inputs.site_ids), dtype=bool)
    first[:6] = True
    said: list[str] = []
    found = decompose.relaxation(problem, index, inputs, first, highs.Options(), said.append)
    if whole.status != "optimal":
        assert found is None
        return
    if found is None:  # six sites alone may have no plan; all of them have
        found = decompose.relaxation(problem, index, inputs, ~np.zeros_like(first), highs.Options())
    cut, outcome = found
    best = highs.solve(problem.arrays(), highs.Options(gap=0.0))
    size = abs(best.objective)
    assert whole.objective - 1e-6 * size <= outcome.objective <= best.objective + 1e-6 * size
    # The prices alone prove the bound: by weak duality on all rows and columns.
    arrays = cut.arrays()
    price, reduced = outcome.row_dual, outcome.column_dual
    assert reduced == pytest.approx(arrays.cost - arrays.matrix.T @ price, abs=1e-9)
    rows = np.where(price > 0, arrays.row_lower, arrays.row_upper)
    free = np.where(reduced > 0, arrays.lower, arrays.upper)
    known = np.abs(price) > 1e-9
    priced = np.abs(reduced) > 1e-7
    proved = price[known] @ rows[known] + reduced[priced] @ free[priced] + arrays.offset
    assert proved == pytest.approx(outcome.objective, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("seed", [0, 3])
def test_a_plan_found_through_it_is_the_plan_of_the_whole_model(monkeypatch, seed):
    facts, *_ = built(seed, LIMITS[1])
    usual = solve.optimize(facts.scenario, facts)
    monkeypatch.setattr(decompose, "LARGE_COLUMNS", 0)
    monkeypatch.setattr(decompose, "BATCH", 7)
    told: list[str] = []
    apart = solve.optimize(facts.scenario, facts, progress=told.append)
    assert any(line.startswith("relaxation over") for line in told)
    assert apart.status == usual.status == "optimal"
    assert apart.verified
    gap = facts.scenario.solver.gap
    assert apart.objective_usd_per_year == pytest.approx(usual.objective_usd_per_year, rel=2 * gap)
    assert apart.bound_usd_per_year <= usual.objective_usd_per_year * (1 + 1e-9)
