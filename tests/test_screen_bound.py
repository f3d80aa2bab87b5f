"""The bound over candidates that a screening left out: never above the best plan over all of them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from dcsite.batch.cells import box_source
from dcsite.batch.screen import screen
from dcsite.batch.shortlist import SITE_COLUMNS, best_per_zone, front_of, plan_cells, sites_text
from dcsite.cli.app import app
from dcsite.data.scenario_file import parse_scenario
from dcsite.data.tables import load_tables
from dcsite.errors import UsageError
from dcsite.optimize import solve
from dcsite.optimize.beyond import bound_of, gains, relaxation
from dcsite.optimize.inputs import build_inputs
from dcsite.report.cell_map import cell_map_svg
from dcsite.study import portfolio
from dcsite.study.evaluating import evaluate
from milp_world import world

if TYPE_CHECKING:
    from dcsite.physics.evaluation import Evaluation

LOADS = [
    {"name": "cloud", "profile": "cloud", "it_mw": 60, "users": "world", "max_rtt_ms": 70, "coverage": 0.8},
    {"name": "train", "profile": "ai-training", "it_mw": 90},
    {"name": "mine", "profile": "crypto", "it_mw": 40, "break_even_usd_per_mwh": 95, "optional": True},
]
BLOCKS = [{**LOADS[0], "min_block_mw": 20}, {**LOADS[1], "min_block_mw": 50}, LOADS[2]]
QUESTIONS = {
    "plain": {"workloads": LOADS},
    "blocks": {"workloads": BLOCKS, "limits": {"max_sites": 4}},
    "carbon": {"workloads": LOADS, "limits": {"carbon_kg_per_mwh": 417.3}},
    "share": {"workloads": LOADS, "limits": {"max_share_per_zone": 0.5, "zone": "country"}},
    "basins": {"workloads": LOADS, "limits": {"basins": {"basin-0": 4e5, "basin-1": 5e5}}},
    "survive": {"workloads": [{**LOADS[0], "max_rtt_ms": 150}], "limits": {"n_minus_1": "site"}},
    "periods": {
        "workloads": [{**LOADS[1], "it_mw_by_year": {"2027": 50, "2032": 120}}],
        "periods": [{"start": 2027}, {"start": 2032}],
        "horizon_years": 10,
    },
    "water": {"workloads": LOADS, "objective": {"kind": "water"}},
}


def part_of(whole: Evaluation, ids: list[str]) -> Evaluation:
    """The evaluation with some of its sites."""
    at = [list(whole.sites.index).index(name) for name in ids]
    extra = {
        key: frame[frame["site_id"].isin(ids)].reset_index(drop=True) for key, frame in whole.extra.items()
    }
    markets = {
        name: replace(market, rtt_ms=market.rtt_ms[at], rtt_model_p90_ms=market.rtt_model_p90_ms[at])
        for name, market in whole.markets.items()
    }
    facts = whole.facts[whole.facts["site_id"].isin(ids)].reset_index(drop=True)
    return replace(whole, sites=whole.sites.loc[ids], facts=facts, markets=markets, extra=extra)


def best_cost(whole: Evaluation) -> float:
    scenario = whole.scenario
    found = solve.optimize(scenario, whole)
    assert found.gap < 1e-4
    return float(found.goal_value) / solve.GOAL_STEP[found.goal]


def bound_over_all(whole: Evaluation, kept: list[str], batch: int) -> float:
    prices = relaxation(build_inputs(whole.scenario, part_of(whole, kept)))
    assert prices is not None
    rest = [name for name in whole.sites.index if name not in kept]
    total = 0.0
    for start in range(0, len(rest), batch):
        inputs = build_inputs(whole.scenario, part_of(whole, [*kept, *rest[start : start + batch]]))
        found = gains(inputs, prices, kept)
        assert found is not None
        assert set(found.site_ids) == set(rest[start : start + batch])
        total += float(found.gain.sum())
    return bound_of(prices, total)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("question", "seed"), [(name, 1 + number % 2) for number, name in enumerate(QUESTIONS)]
)
def test_the_bound_is_never_above_the_best_plan_over_all_candidates(question, seed):
    whole = world(
        {**QUESTIONS[question], "solver": {"gap": 1e-5, "time_limit_s": 10}}, seed=seed, sites=8, points=4
    )
    best = best_cost(whole)
    kept = sorted(np.random.default_rng(seed).permutation(whole.sites.index)[:5].tolist())
    one, three = (bound_over_all(whole, kept, batch) for batch in (1, 3))
    assert one <= best * (1 + 1e-6) + 1e-9
    assert one == pytest.approx(three, rel=1e-6, abs=1e-9)


def test_with_everything_kept_the_bound_is_the_relaxation():
    whole = world({**QUESTIONS["blocks"]}, seed=3, sites=6)
    prices = relaxation(build_inputs(whole.scenario, whole))
    assert prices is not None
    found = gains(build_inputs(whole.scenario, whole), prices, list(whole.sites.index))
    assert found is not None
    assert found.site_ids == ()
    assert bound_of(prices, 0.0) == pytest.approx(prices.value, rel=1e-6)


def test_a_row_that_reads_otherwise_with_more_candidates_gives_no_bound():
    whole = world(QUESTIONS["plain"], seed=1, sites=5)
    kept = list(whole.sites.index[:4])
    prices = relaxation(build_inputs(whole.scenario, part_of(whole, kept)))
    assert prices is not None
    inputs = build_inputs(whole.scenario, whole)
    assert gains(inputs, prices, kept) is not None
    label, (price, low, high) = next(iter(prices.rows.items()))
    moved = replace(prices, rows={**prices.rows, label: (price, low + 1.0, high + 1.0)})
    assert gains(inputs, moved, kept) is None
    gone = replace(prices, rows={**prices.rows, "no such row": (1.0, 0.0, 0.0)})
    assert gains(inputs, gone, kept) is None


@given(data=st.data())
def test_the_front_is_that_of_all_pairs(data):
    count, kinds = data.draw(st.integers(1, 30)), data.draw(st.integers(1, 3))
    small = st.one_of(st.integers(0, 3).map(float), st.just(float("nan")))
    figures = np.array(
        data.draw(st.lists(st.lists(small, min_size=kinds, max_size=kinds), min_size=count, max_size=count))
    )
    score = np.array(data.draw(st.lists(small, min_size=count, max_size=count)))
    found = front_of(score, figures, 1000)
    values = np.where(np.isnan(figures), 99.0, figures)
    live = np.flatnonzero(np.isfinite(score))
    beaten = {
        int(i) for i in live for j in live if (values[j] <= values[i]).all() and (values[j] < values[i]).any()
    }
    assert {tuple(values[i]) for i in found} == {tuple(values[i]) for i in live if int(i) not in beaten}
    assert len({tuple(values[i]) for i in found}) == len(found)
    assert set(front_of(score, figures, 2)) <= set(found)


@given(
    st.lists(
        st.tuples(st.one_of(st.integers(0, 9).map(float), st.just(float("nan"))), st.integers(0, 3)),
        max_size=30,
    ),
    st.integers(1, 3),
)
def test_each_zone_keeps_its_best_cells(cells, keep):
    score, zone = np.array([c[0] for c in cells]), np.array([c[1] for c in cells], dtype=np.int64)
    found = best_per_zone(score, zone, keep).tolist()
    expected = []
    for name in sorted(set(zone.tolist())):
        inside = [i for i in range(len(cells)) if zone[i] == name and np.isfinite(score[i])]
        expected += sorted(inside, key=lambda i: (-score[i], i))[:keep]
    assert found == sorted(expected)


@pytest.mark.slow
def test_the_plan_from_a_screening_and_its_bound_enclose_the_best_of_all_cells(tmp_path, monkeypatch):
    monkeypatch.setenv("DCSITE_CACHE", str(tmp_path / "cache"))
    tables = load_tables()
    scenario = parse_scenario(
        {
            "format": 1,
            "workloads": [
                {"name": "train", "profile": "ai-training", "it_mw": 300, "min_block_mw": 60},
                {
                    "name": "cloud",
                    "profile": "cloud",
                    "it_mw": 40,
                    "users": "europe",
                    "max_rtt_ms": 45,
                    "coverage": 0.4,
                },
            ],
            "limits": {"max_sites": 3},
            "solver": {"gap": 1e-6},
        }
    )
    source = box_source("56,8,64,20", 2.0)
    found = screen(scenario, source, keep=1, bound_cells=100)
    cells, scored = found.extra["cells"], found.extra["scored"]
    assert len(cells) == scored == found.scored["train"]
    monkeypatch.setattr("dcsite.batch.shortlist.ROUNDS", 1)
    made = plan_cells(scenario, tables, cells, scored, tmp_path / "sites.csv")
    assert made.reason == ""
    assert 0 < len(made.sites) < scored
    (tmp_path / "all.csv").write_text(sites_text(cells))
    everything = parse_scenario(
        {
            **scenario.model_dump(exclude_unset=True),
            "sites": {"catalog": "none", "file": str(tmp_path / "all.csv")},
        }
    )
    best = portfolio.optimize(everything, evaluate(everything, tables))
    assert made.bound <= best.goal_value * (1 + 1e-6)
    assert best.goal_bound <= made.plan.goal_value * (1 + 1e-6)
    assert made.loss_ratio == pytest.approx(1 - made.bound / made.plan.goal_value)
    assert f"{scored} cells have a score" in made.words
    few = plan_cells(scenario, tables, cells[cells["x_kept"] != ""], scored, tmp_path / "few.csv")
    assert few.bound is None
    assert "No bound was computed" in few.words


def test_a_portfolio_of_cells_is_refused_where_it_means_nothing(tmp_path):
    scenario = parse_scenario(
        {
            "format": 1,
            "workloads": [{"name": "train", "profile": "ai-training", "it_mw": 300}],
            "sites": {"require": ["quincy"]},
        }
    )
    cells = pd.DataFrame([["a", "A", 60.0, 10.0, "NOR", "a", "best"]], columns=SITE_COLUMNS)
    with pytest.raises(UsageError, match="require name sites that are no cells"):
        plan_cells(scenario, load_tables(), cells, 1, tmp_path / "sites.csv")
    run = CliRunner().invoke(app, ["screen", "--grid", "us-counties", "--optimize", str(tmp_path / "run")])
    assert isinstance(run.exception, UsageError)
    assert "needs --scenario" in str(run.exception)


def test_a_map_of_cells_shows_every_graded_square_and_escapes_names():
    lat, lon = (values.ravel() for values in np.meshgrid(np.arange(40.0, 45.0), np.arange(0.0, 5.0)))
    score = np.where(np.arange(25) == 3, np.nan, np.linspace(0, 100, 25))
    best = pd.DataFrame({"name": ["<b>top</b>"], "lat": [44.0], "lon": [4.0], "score": [100.0]})
    drawn = cell_map_svg(lat, lon, score, best, "A & B")
    assert drawn.count("h") > 20
    assert "<b>" not in drawn
    assert "&lt;b&gt;" in drawn
    assert "from 0.0 (gray) to 100.0 (blue)" in drawn
    assert cell_map_svg(lat, lon, np.full(25, np.nan), best, "none") == ""
    squares = sum(path.count("M") for path in re.findall(r'd="([^"]*h[^"]*)"', drawn))
    assert 9 <= squares <= 24  # neighbors may share a square, none is lost between two
