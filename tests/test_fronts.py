"""Fronts against the enumeration of all site sets, and the claims that each point makes."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from dcsite.errors import InfeasibleError, UsageError
from dcsite.optimize import model
from dcsite.optimize.explain import with_limit
from dcsite.optimize.front import GOALS, front_scenario, knee_of, pareto
from dcsite.optimize.inputs import build_inputs
from dcsite.optimize.reuse import Reuse
from dcsite.optimize.solve import GOAL_STEP, optimize
from dcsite.optimize.verify import verify
from dcsite.report.export import json_document, write_report
from dcsite.report.figures import picture_svg
from dcsite.report.frames import as_report
from dcsite.report.fronts import front_report, front_sentences
from milp_world import world
from test_portfolio_model import CLOUD, MINING, TRAINING, scenario


class Every:
    """All site sets of a small scenario, each solved by another solver without any of the front's code."""

    def __init__(self, asked, facts, x, y):
        inputs = build_inputs(front_scenario(asked, x, y), facts, prune=False)
        problem, index = model.build(inputs)
        self.arrays, count = problem.arrays(), len(problem.columns)
        self.goal = {goal: model.objective(inputs, index, count, goal)[0] for goal in {"cost", x, y}}
        self.used, self.open, self.hall_site = index.used[:, -1], index.open, inputs.hall_site
        self.sites = len(inputs.site_ids)

    def least(self, goal, allowed, caps=None):
        """Least of a goal with halls in the allowed sites only; None if no plan fits."""
        arrays = self.arrays
        upper = arrays.upper.copy()
        out = ~np.isin(self.hall_site, allowed)
        upper[self.open[out].ravel()] = 0.0
        rows = [LinearConstraint(arrays.matrix, arrays.row_lower, arrays.row_upper)]
        rows += [
            LinearConstraint(self.goal[name][None], -np.inf, most) for name, most in (caps or {}).items()
        ]
        found = milp(
            self.goal[goal],
            constraints=rows,
            bounds=Bounds(arrays.lower, upper),
            integrality=arrays.integer.astype(int),
            options={"mip_rel_gap": 1e-9},
        )
        return None if found.x is None else float(found.fun)

    def best(self, goal, caps=None, most=None):
        """Least over all site sets of at most so many sites."""
        values = [
            self.least(goal, list(chosen), caps)
            for size in range(1, (most or self.sites) + 1)
            for chosen in itertools.combinations(range(self.sites), size)
        ]
        return min((value for value in values if value is not None), default=None)


def case(seed, sites=4, **keys):
    cloud = {**CLOUD, "it_mw": 40, "coverage": 0.2}
    asked = scenario(cloud, {**TRAINING, "it_mw": 60}, gap=1e-6, **keys)
    return asked, world(asked, seed=seed, sites=sites, points=3)


@pytest.mark.parametrize("seed", [0, 2, 5])
def test_a_front_of_sites_is_the_nondominated_set_of_all_site_sets(seed):
    asked, facts = case(seed)
    every = Every(asked, facts, "cost", "sites")
    values = [(count, every.best("cost", most=count)) for count in range(1, 5)]
    wanted = [
        (count, value)
        for count, value in values
        if value is not None
        and not any(other is not None and n < count and other <= value * (1 + 1e-7) for n, other in values)
    ]
    front = pareto(asked, facts, x="cost", y="sites", points=9)
    found = sorted((int(point.y), point.x / 1e6) for point in front.points)
    assert [count for count, _ in found] == [count for count, _ in wanted]
    assert [cost for _, cost in found] == pytest.approx([cost for _, cost in wanted], rel=2e-6)
    assert front.proven
    assert front.least_capped == wanted[0][0]


@pytest.mark.slow
@pytest.mark.parametrize(("y", "seed"), [("carbon", 1), ("water", 3), ("latency", 4)])
def test_every_point_is_the_least_of_all_site_sets_under_its_value(y, seed):
    asked, facts = case(seed, sites=3)
    every = Every(asked, facts, "cost", y)
    front = pareto(asked, facts, x="cost", y=y, points=5)
    assert front.proven
    assert front.points[0].x / 1e6 == pytest.approx(every.best("cost"), rel=2e-6)
    least = every.best(y)
    assert front.points[-1].y / GOAL_STEP[y] == pytest.approx(least, rel=1e-5, abs=1e-5)
    for point in front.points:
        room = point.y / GOAL_STEP[y] * (1 + 1e-7) + 1e-7
        assert point.x / 1e6 == pytest.approx(every.best("cost", {y: room}), rel=3e-6)
        # Nothing is weakly dominated: at this cost no site set has noticeably less of the other goal.
        lowest = every.best(y, {"cost": point.x / 1e6 * (1 + 1e-9)})
        assert (
            point.y / GOAL_STEP[y]
            <= lowest + 1e-3 * (front.points[0].y - front.points[-1].y) / GOAL_STEP[y] + 1e-6
        )


@pytest.mark.parametrize(
    ("x", "y"), [("cost", "carbon"), ("carbon", "water"), ("latency", "cost"), ("sites", "carbon")]
)
def test_a_front_falls_and_every_point_is_verified_within_its_claim(x, y):
    asked, facts = case(7)
    front = pareto(asked, facts, x=x, y=y, points=5)
    pairs = [(point.x, point.y) for point in front.points]
    rising, falling = (0, 1) if front.minimized == x else (1, 0)
    for first, second in itertools.pairwise(pairs):
        assert first[rising] < second[rising]
        assert first[falling] > second[falling]
    bounds = [point.bound for point in front.points]
    assert bounds == sorted(bounds)
    for point in front.points:
        value = point.x if front.minimized == x else point.y
        assert verify(point.plan, facts) == []
        assert point.bound <= value * (1 + 1e-9)
        assert point.proven
        assert point.plan.goal_bound == point.bound


def test_the_figures_of_a_point_come_from_its_frames():
    asked, facts = case(1)
    front = pareto(asked, facts, x="carbon", y="sites", points=5)
    for point, row in zip(front.points, front.table.itertuples(), strict=True):
        assert point.x == pytest.approx(float(point.plan.placements["carbon_t_per_year"].sum()), rel=1e-9)
        assert point.y == point.plan.halls["site_id"].nunique()
        assert (row.carbon_t_per_year, row.sites_count) == (point.x, point.y)


def test_the_margin_is_the_finite_difference_of_two_solves():
    """Two sites that are both needed: no other set exists, so the margin is that of the portfolio."""
    asked = scenario({**TRAINING, "it_mw": 90, "min_block_mw": 0}, gap=1e-9)
    facts = world(asked, seed=6, sites=2, grid_mw=80.0)
    front = pareto(asked, facts, x="cost", y="carbon", points=3)
    assert len(front.points) == 3
    for point in front.points[:-1]:
        step = 1e-3 * point.y
        costs = [
            optimize(with_limit(asked, carbon_t_per_year=cap), facts).objective_usd_per_year
            for cap in (point.y - step, point.y - 2 * step)
        ]
        assert point.marginal_per_unit == pytest.approx((costs[1] - costs[0]) / step, rel=1e-4)


def test_the_steps_add_up_to_the_way_from_end_to_end():
    asked, facts = case(1)
    front = pareto(asked, facts, points=6)
    table = front.table
    way = -(table["step_per_unit"].to_numpy()[1:] * np.diff(table["carbon_t_per_year"])).sum()
    assert way == pytest.approx(
        table["cost_usd_per_year"].iloc[-1] - table["cost_usd_per_year"].iloc[0], rel=1e-9
    )
    assert np.isnan(table["step_per_unit"].iloc[0])


def test_the_model_is_built_once_and_keeps_what_it_learned(monkeypatch):
    built = []
    inner = model.build
    monkeypatch.setattr(model, "build", lambda *given, **more: built.append(1) or inner(*given, **more))
    asked, facts = case(1)
    front = pareto(asked, facts, points=6)
    assert len(front.points) == 6
    assert (len(built), front.builds) == (1, 1)


def test_a_front_survives_failures_like_a_plan_of_the_same_cap():
    cloud = {**CLOUD, "it_mw": 40, "survive_fraction": 0.3, "coverage": 0.3, "max_rtt_ms": 90}
    asked = scenario(cloud, {**TRAINING, "it_mw": 40}, gap=1e-7, limits={"n_minus_1": "site"})
    facts = world(asked, seed=2, sites=5, points=4)
    front = pareto(asked, facts, points=4)
    for point in front.points[1:]:
        again = optimize(with_limit(asked, carbon_t_per_year=point.y * (1 + 1e-7)), facts)
        assert point.x == pytest.approx(again.objective_usd_per_year, rel=3e-6)
        assert verify(point.plan, facts) == []


def test_an_optional_load_is_given_up_along_the_front():
    asked = scenario(TRAINING, MINING, gap=1e-6)
    facts = world(asked, seed=3, sites=4)
    front = pareto(asked, facts, points=4)
    assert all(point.plan.verified for point in front.points)
    assert front.table["it_mw"].iloc[-1] <= front.table["it_mw"].iloc[0]


def test_with_one_site_there_is_nothing_to_trade():
    asked = scenario({**TRAINING, "it_mw": 40})
    front = pareto(asked, world(asked, seed=1, sites=1, technologies=1), y="sites")
    assert len(front.points) == 1
    assert front.knee is None
    assert "nothing to trade" in front.notes[0]


def test_rows_in_another_order_give_the_same_front():
    asked, facts = case(1)
    first = pareto(asked, facts, points=5).table
    second = pareto(asked, world(asked, seed=1, sites=4, points=3, shuffle=True), points=5).table
    for name in ("cost_usd_per_year", "carbon_t_per_year"):
        assert second[name].to_numpy() == pytest.approx(first[name].to_numpy(), rel=1e-6)
    assert list(second["sites"]) == list(first["sites"])


def test_a_point_that_a_limit_stopped_shows_its_bound(monkeypatch):
    inner = Reuse.ask

    def stopped(self, *given, **more):
        answer = inner(self, *given, **more)
        outcome = replace(answer.outcome, status="limit", limit_hit="nodes")
        return replace(answer, outcome=outcome, bound=answer.bound * 0.9)

    monkeypatch.setattr(Reuse, "ask", stopped)
    asked, facts = case(1)
    front = pareto(asked, facts, points=3)
    assert not front.proven
    assert set(front.table["status"]) == {"limit"}
    assert (front.table["bound"] < front.table["cost_usd_per_year"]).all()
    assert all(point.plan.limit_hit == "nodes" for point in front.points)
    assert any("Not proved to the asked gap: point 1, 2, 3" in line for line in front_sentences(front))
    assert "not proved: at least" in picture_svg(front)


@pytest.mark.parametrize(
    ("goals", "words"),
    [
        ({"y": "beauty"}, "--y beauty"),
        ({"x": "price"}, "--x price"),
        ({"y": "cost"}, "both cost"),
        ({"points": 1}, "--points 1"),
    ],
)
def test_bad_questions_are_refused_with_what_would_be_right(goals, words):
    asked, facts = case(1)
    with pytest.raises(UsageError, match=words) as caught:
        pareto(asked, facts, **goals)
    assert caught.value.hint


def test_an_objective_that_is_set_aside_is_named():
    asked, facts = case(1, objective={"kind": "score"})
    assert "the scenario's own objective, score, is set aside" in pareto(asked, facts, points=2).notes


def test_latency_is_no_goal_without_users():
    asked = scenario(TRAINING)
    with pytest.raises(UsageError, match="has users"):
        pareto(asked, world(asked, seed=1), y="latency")


def test_a_front_of_nothing_is_infeasible():
    asked = scenario({**TRAINING, "it_mw": 120, "min_block_mw": 70}, limits={"max_sites": 1})
    with pytest.raises(InfeasibleError):
        pareto(asked, world(asked, seed=3, sites=4, grid_mw=100.0))


@pytest.mark.slow
def test_every_pair_of_goals_gives_a_front_for_every_format(tmp_path):
    asked, facts = case(2, sites=3)
    for x, y in itertools.combinations(GOALS, 2):
        front = pareto(asked, facts, x=x, y=y, points=3)
        assert front.proven, (x, y, front.notes, front.table["gap"].tolist())
        document = json_document(front_report(front))
        assert len(document["tables"]["pareto"]["rows"]) == len(front.points)
        placed = document["tables"]["pareto_plans"]["rows"]
        for number, point in enumerate(front.points, start=1):
            own = sum(row["it_mw"] for row in placed if row["point"] == number)
            assert own == pytest.approx(point.plan.it_mw)
    for suffix in ("html", "csv", "json", "md", "svg", "xlsx"):
        (path,) = write_report(front, tmp_path / f"front.{suffix}")
        assert path.stat().st_size > 100
    page = (tmp_path / "front.html").read_text(encoding="utf-8")
    assert 'id="slot-pareto"' in page
    assert as_report(front).pictures == {"pareto": front}


fronts = st.lists(st.tuples(st.floats(0.01, 100.0), st.floats(0.01, 100.0)), min_size=2, max_size=8).map(
    lambda steps: list(
        zip(np.cumsum([dx for dx, _ in steps]), -np.cumsum([dy for _, dy in steps]), strict=True)
    )
)


@given(fronts, st.floats(0.01, 1e6), st.floats(0.01, 1e6))
def test_the_knee_lies_below_the_chord_and_does_not_depend_on_units(points, wide, high):
    knee = knee_of(points)
    assert knee_of([(x * wide + 7.0, y * high - 3.0) for x, y in points]) == knee or knee is None
    if knee is not None:
        assert 0 < knee < len(points) - 1
        (x0, y0), (x1, y1) = points[0], points[-1]
        x, y = points[knee]
        assert y < y0 + (x - x0) / (x1 - x0) * (y1 - y0)
