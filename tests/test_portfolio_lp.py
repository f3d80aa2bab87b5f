"""Golden linear programs: each constraint family on three sites, the same in our text, HiGHS and PuLP."""

from __future__ import annotations

from dataclasses import replace

import highspy
import numpy as np
import pytest
from scipy.sparse import csc_array, csr_array

from dcsite.optimize import failures, highs, model, pulp_backend
from dcsite.optimize.highs import Arrays
from dcsite.optimize.inputs import build_inputs
from dcsite.spec.scenario import Scenario
from milp_world import world

CLOUD = {"name": "cloud", "profile": "cloud", "it_mw": 30.0, "max_rtt_ms": 60.0, "coverage": 0.5}
TRAINING = {"name": "training", "profile": "ai-training", "it_mw": 40.0}
MINING = {"name": "mining", "profile": "crypto", "it_mw": 20.0}
USA = {"country": "USA"}
FIRST = {"id": "usa-000"}
# Name: the families that the case is about, loads, further keys of the scenario, technologies of the world.
CASES = {
    "demand": ("demand_total", [{**TRAINING, "optional": True}], {}, 1),
    "users": ("demand_region serve_link", [{**CLOUD, "max_rtt_ms": 160.0, "coverage": 1.0}], {}, 1),
    "pool": ("pool_balance coverage", [CLOUD], {}, 1),
    "hall": ("hall hall_max strong_place", [TRAINING, {**TRAINING, "name": "batch"}], {}, 1),
    "blocks": ("block_min block_max workload_sites", [{**TRAINING, "min_block_mw": 15.0, "max_sites": 2}], {}, 1),
    "used": ("used_low used_high", [TRAINING], {}, 2),
    "grid": ("grid", [TRAINING], {"sites": {"override": [{**FIRST, "grid_mw": 25.0}]}}, 1),
    "grid_zone": ("grid_zone", [TRAINING], {"limits": {"grid_zone": [{"where": USA, "grid_mw": 30.0}]}}, 1),
    "peak": ("peak peak_min", [TRAINING, {**MINING, "sheds_at_peak": True}], {}, 1),
    "land": ("land", [TRAINING], {"sites": {"override": [{**FIRST, "land_m2": 50_000.0}]}}, 1),
    "water": (
        "water_site water_hour water_basin",
        [TRAINING],
        {
            "sites": {"override": [{**FIRST, "water_m3_per_year": 1e5, "water_m3_per_hour": 50.0}]},
            "limits": {"basins": {"basin-0": 2e5}},
        },
        2,
    ),
    "counts": (
        "sites_max sites_min site_min technologies_max",
        [TRAINING],
        {
            "limits": {
                "max_sites": 2,
                "min_sites": 2,
                "min_site_mw": 10.0,
                "max_technologies_per_site": 1,
            }
        },
        2,
    ),
    "budget": (
        "budget",
        [TRAINING],
        {
            "limits": {"budget_carry": True},
            "periods": [{"start": 2026, "budget_usd": 4e8}, {"start": 2030, "budget_usd": 2e8}],
        },
        1,
    ),
    "zone_share": ("zone_share", [TRAINING], {"limits": {"max_share_per_zone": 0.6, "zone": "country"}}, 1),
    "survive": (
        "survive_sum survive_total",
        [{**TRAINING, "survive_fraction": 0.5}],
        {"limits": {"n_minus_1": "country"}},
        1,
    ),
    "rescue": (
        "survive_region survive_place survive_pool",
        [{**CLOUD, "survive_fraction": 0.5, "failure_rtt_ms": 120.0}],
        {"limits": {"n_minus_1": "site"}},
        1,
    ),
    "shares": (
        "share_max share_min",
        [TRAINING],
        {"limits": {"share": [{"where": USA, "max_share": 0.5}, {"where": {"tag": "ai"}, "min_share": 0.2}]}},
        1,
    ),
    "accelerators": (
        "accelerators",
        [TRAINING],
        {
            "licenses": {"cost_usd": 1e6, "delay_months": 24},
            "limits": {
                "accelerators": {"DEU": 9000.0},
                "accelerator_tiers": [{"where": USA, "without_license": 5000.0, "with_license": 30_000.0}],
            },
            "periods": [{"start": 2026}, {"start": 2030}],
        },
        1,
    ),
    "carbon": (
        "carbon_cap carbon_intensity",
        [TRAINING],
        {"limits": {"carbon_t_per_year": 90_000.0, "carbon_kg_per_mwh": 300.0}},
        1,
    ),
    "latency_mean": ("latency_mean", [{"name": "cloud", "profile": "cloud", "it_mw": 30.0, "mean_rtt_ms": 50.0}], {}, 1),
    "time": (
        "grow_open grow_built no_migration",
        [{"name": "training", "profile": "ai-training", "it_mw_by_year": {2026: 20.0, 2030: 40.0}}],
        {
            "no_migration": True,
            "periods": [{"start": 2026}, {"start": 2030}],
            "sites": {"override": [{**FIRST, "grid_mw_by_year": {2026: 0.0, 2030: 90.0}}]},
        },
        1,
    ),
    "existing": (
        "hall_min required retire",
        [TRAINING],
        {
            "sites": {
                "require": ["deu-002"],
                "existing": [
                    {"id": "usa-000", "it_mw": 15.0, "technology": "dry"},
                    {"id": "isl-001", "it_mw": 10.0, "technology": "dry", "keep": False},
                ],
            },
            "periods": [{"start": 2026}, {"start": 2030}],
        },
        1,
    ),
    "interruptible": (
        "run_block run_min",
        [{**MINING, "min_run_fraction": 0.9}],
        {"limits": {"carbon_t_per_year": 60_000.0}},
        1,
    ),
    "modules": ("modules", [TRAINING], {"solver": {"module_mw": 15.0}}, 1),
    "cuts": ("strong_arc", [{**CLOUD, "max_rtt_ms": 160.0, "coverage": 1.0}], {}, 1),
}  # fmt: skip


def problem_of(name):
    """The model of a case on three sites, two demand points; cuts and one failure where the case is about them."""
    _, loads, keys, technologies = CASES[name]
    asked = Scenario.model_validate({"format": 1, "workloads": loads, **keys})
    facts = world(asked, seed=3, sites=3, points=2, technologies=technologies)
    inputs = build_inputs(asked, facts)
    problem, index = model.build(inputs)
    if name == "cuts":
        problem = problem.with_block(model.strong_arc(inputs, index, len(problem.columns)))
    if name == "rescue":
        problem = failures.add_failure(inputs, index, facts, problem, 0, 0, 0)
    return problem


def text_of(problem, arrays):
    """Text of arrays under the labels of the problem they were made from."""
    blocks, first = [], 0
    for block in problem.blocks:
        rows = slice(first, first + len(block))
        blocks.append(
            replace(
                block,
                matrix=csr_array(arrays.matrix[rows]),
                lower=arrays.row_lower[rows],
                upper=arrays.row_upper[rows],
            )
        )
        first += len(block)
    assert first == arrays.matrix.shape[0]
    columns = replace(
        problem.columns,
        cost=arrays.cost,
        lower=arrays.lower,
        upper=arrays.upper,
        integer=np.asarray(arrays.integer, dtype=bool),
    )
    return replace(problem, blocks=tuple(blocks), columns=columns).lp_text()


def in_highs(arrays):
    """What HiGHS holds after the hand-over."""
    with highs.Session(arrays) as session:
        lp = session._solver.getLp()
        shape = (lp.num_row_, lp.num_col_)
        rowwise = lp.a_matrix_.format_ == highspy.MatrixFormat.kRowwise
        kind = csr_array if rowwise else csc_array
        parts = [
            np.array(values) for values in (lp.a_matrix_.value_, lp.a_matrix_.index_, lp.a_matrix_.start_)
        ]
        whole = np.zeros(shape[1], dtype=bool)
        for number, value in enumerate(lp.integrality_):
            whole[number] = value == highspy.HighsVarType.kInteger
        return Arrays(
            np.array(lp.col_cost_),
            np.array(lp.col_lower_),
            np.array(lp.col_upper_),
            csr_array(kind(tuple(parts), shape=shape)),
            np.array(lp.row_lower_),
            np.array(lp.row_upper_),
            whole,
            lp.offset_,
        )


def in_pulp(arrays):
    """What PuLP holds after the hand-over; a row with two bounds is two rows there."""
    made, columns = pulp_backend.make(arrays)
    place = {column.name: number for number, column in enumerate(columns)}
    shape = arrays.matrix.shape
    matrix = np.zeros(shape)
    low, high = np.full(shape[0], -np.inf), np.full(shape[0], np.inf)
    found = made.constraints() if callable(made.constraints) else made.constraints
    rows = found.items() if hasattr(found, "items") else ((row.name, row) for row in found)
    for name, row in rows:
        number = int(name.strip("rlu"))
        for column, value in row.items():
            matrix[number, place[column.name]] = value
        side = 0.0 - float(row.constant)
        if row.sense >= 0:
            low[number] = side
        if row.sense <= 0:
            high[number] = side
    cost = np.zeros(shape[1])
    for column, value in made.objective.items():
        cost[place[column.name]] = value

    def bound(value, missing):
        return missing if value is None else float(value)

    return Arrays(
        cost,
        np.array([bound(column.lowBound, -np.inf) for column in columns]),
        np.array([bound(column.upBound, np.inf) for column in columns]),
        csr_array(matrix),
        low,
        high,
        np.array([column.cat == "Integer" for column in columns]),
        float(made.objective.constant or 0.0),
    )


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_model_of_a_family_is_the_golden_one_in_both_back_ends(name, golden):
    problem = problem_of(name)
    families = {block.family for block in problem.blocks}
    assert set(CASES[name][0].split()) <= families
    text = problem.lp_text()
    golden(f"lp/{name}.lp", text)
    arrays = problem.arrays()
    assert text_of(problem, in_highs(arrays)) == text
    assert text_of(problem, in_pulp(arrays)) == text


def test_every_family_has_a_golden_case():
    named = {family for case in CASES.values() for family in case[0].split()}
    known = {family.__name__ for family in model.FAMILIES} - set(model.TIGHTENING)
    rounds = {"survive_region", "survive_place", "survive_pool", "strong_arc", "modules", "strong_place"}
    assert known <= named
    assert rounds <= named


def test_labels_of_a_golden_model_are_unique():
    """Two rows or columns of one name could not be told apart in a plan or in a conflict."""
    for name in CASES:
        problem = problem_of(name)
        rows = [problem.row_label(block, row) for block in problem.blocks for row in range(len(block))]
        columns = [problem.column_label(column) for column in range(len(problem.columns))]
        assert len(set(rows)) == len(rows), name
        assert len(set(columns)) == len(columns), name
