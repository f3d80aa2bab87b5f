"""The portfolio benchmark asks every solver the same question and does not flatter the one that was stopped."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("bench_portfolio", ROOT / "benchmarks" / "portfolio.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_every_model_is_a_scenario_with_a_description(bench):
    for name in bench.MODELS:
        asked = bench.scenario_of(name)
        assert len(asked.workloads) >= 3
        assert 0 < asked.solver.gap <= 0.005
    grown = bench.scenario_of("periods").workloads[0].it_mw_by_year
    assert grown[2034] == pytest.approx(bench.scenario_of("world").workloads[0].it_mw)


def test_gaps_are_taken_against_the_best_bound_and_a_stopped_row_is_marked(bench):
    same = {"model": "m", "asked": 0.001, "columns": 5, "rows": 4, "integers": 3}
    rows = [
        {**same, "solver": "dcsite", "status": "optimal", "objective": 100.0, "bound": 99.95, "cpu_s": 2.0},
        {**same, "solver": "pulp:CBC", "status": "limit", "objective": 110.0, "bound": None, "cpu_s": 30.0},
        {**same, "solver": "other", "status": "limit", "objective": None, "bound": None, "cpu_s": 40.0},
        {**same, "solver": "lp", "status": "limit", "objective": 98.0, "bound": None, "cpu_s": 40.0},
    ]
    first, second, third, fourth = bench.table(rows).split("\n")[-4:]
    assert "0.050%" in first
    assert first.endswith("| 1.0 |")
    assert f"{(110 - 99.95) / 110:.3%}" in second
    assert second.endswith("| >= 15.0 |")
    assert "no plan" in third
    assert "no plan" in fourth
