"""Robustness: shares of draws against exact cases, exact ranks against enumeration, moves against an LP."""

from __future__ import annotations

import time
from itertools import pairwise
from math import sqrt
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from dcsite.errors import UsageError
from dcsite.scoring.criteria import BY_NAME
from dcsite.scoring.ranking import rank
from dcsite.scoring.robustness import (
    dominance_matrix,
    draw_weights,
    potential_winners,
    rank_range,
    robustness,
    smallest_weight_move,
    weight_stability,
)
from scoring_fixture import CLOUD, FIGURES, evaluation_of, site_rows

EXACT = dict.fromkeys(
    ("price_sd_usd_per_mwh", "scarce_water_sd_l_per_kwh", "overhead_sd_mwh_per_mwh", "reach_sd_ratio"), 0.0
)


def row(site_id: str, price: float, reach: float = 0.5, **more: float | str | bool) -> dict:
    base = {"overhead_mwh_per_mwh": 0.2, "scarce_water_l_per_kwh": 1.0, "reach_ratio": reach}
    return {"site_id": site_id, "effective_price_usd_per_mwh": price, **base, **more}


def price_of(value: float) -> float:
    return 170.0 - 140.0 * value


TWO = {"price": 1.0, "latency": 1.0}
THREE_SITES = [
    row("xx-a", price_of(0.9), 0.1),
    row("xx-b", price_of(0.6), 0.6),
    row("xx-c", price_of(0.1), 0.8),
]
# with weight w on price: a = .1 + .8 w, b = .6, c = .8 - .7 w; c leads below 2/7, b up to 5/8, then a


def test_rank_shares_match_the_exact_lengths_of_a_small_case():
    found = robustness(rank(evaluation_of(THREE_SITES), TWO), 40_000, 3, facts=False)
    table = found.table.set_index("site_id")
    assert table["first_ratio"].to_dict() == pytest.approx(
        {"xx-a": 3 / 8, "xx-b": 5 / 8 - 2 / 7, "xx-c": 2 / 7}, abs=0.01
    )
    assert table.loc["xx-a", "central_weight_price"] == pytest.approx((5 / 8 + 1) / 2, abs=0.01)
    assert table.loc["xx-b", "central_weight_price"] == pytest.approx((5 / 8 + 2 / 7) / 2, abs=0.01)
    assert table.loc["xx-c", "central_weight_latency"] == pytest.approx(1 - 1 / 7, abs=0.01)
    # without doubt about the facts the central weights always make their site win
    assert (table["confidence_ratio"] == 1).all()
    assert table["can_win"].all()
    # c is last where it falls under a: .8 - .7 w < .1 + .8 w from w = 7/15 on
    position = list(found.table["site_id"]).index("xx-c")
    assert found.acceptability[position].tolist() == pytest.approx([2 / 7, 7 / 15 - 2 / 7, 8 / 15], abs=0.01)


def test_facts_in_doubt_match_the_normal_distribution():
    rows = [
        row("xx-a", 100.0, price_sd_usd_per_mwh=6.0, reach_sd_ratio=0.0),
        row("xx-b", 104.0, price_sd_usd_per_mwh=8.0, reach_sd_ratio=0.0),
    ]
    found = robustness(rank(evaluation_of(rows), {"price": 1.0}), 40_000, 5)
    expected = NormalDist().cdf(4.0 / sqrt(6.0**2 + 8.0**2))
    table = found.table.set_index("site_id")
    assert table.loc["xx-a", "first_ratio"] == pytest.approx(expected, abs=0.01)
    assert table.loc["xx-a", "confidence_ratio"] == pytest.approx(expected, abs=0.04)


def test_a_price_near_its_low_end_falls_less_than_it_rises():
    bounds = {
        "price_usd_per_mwh": 60.0,
        "price_low_usd_per_mwh": 50.0,
        "price_high_usd_per_mwh": 110.0,
        "price_sd_usd_per_mwh": 15.0,  # a quarter of the span, as new as can be
    }
    rows = [row("xx-a", 50.0, price_sd_usd_per_mwh=0.0), row("xx-b", 60.0, **bounds)]
    found = robustness(rank(evaluation_of(rows), {"price": 1.0}), 40_000, 5).table.set_index("site_id")
    # falling by 10 is two standard deviations of 5; with 15 to either side it would be 25 %
    assert found.at["xx-b", "first_ratio"] == pytest.approx(NormalDist().cdf(-2.0), abs=0.004)
    frame = evaluation_of(rows).facts
    fall, rise = BY_NAME["price"].sides(frame)
    assert (140 * fall).tolist() == pytest.approx([0.0, 5.0])
    assert (140 * rise).tolist() == pytest.approx([0.0, 25.0])
    older = frame.assign(price_sd_usd_per_mwh=25.0)  # sqrt(25^2 - 15^2) = 20 of age
    assert (140 * BY_NAME["price"].sides(older)[0])[1] == pytest.approx(np.hypot(5, 20))
    ceiling = frame.assign(price_high_usd_per_mwh=400.0)
    assert BY_NAME["price"].sides(ceiling) is None
    assert BY_NAME["latency"].sides(frame) is None


def test_sites_of_one_price_zone_err_together():
    rows = [row("xx-a", 100.0, price_zone_id="z"), row("xx-b", 100.5, price_zone_id="z")]
    together = robustness(rank(evaluation_of(rows), {"price": 1.0}), 2_000, 1).table
    assert together["first_ratio"].tolist() == [1.0, 0.0]
    apart = [{**entry, "price_zone_id": entry["site_id"]} for entry in rows]
    assert robustness(rank(evaluation_of(apart), {"price": 1.0}), 2_000, 1).table["first_ratio"].max() < 0.6
    unknown = [{**entry, "price_zone_id": ""} for entry in rows]
    assert robustness(rank(evaluation_of(unknown), {"price": 1.0}), 2_000, 1).table["first_ratio"].max() < 0.6


def test_hot_years_cost_more_cooling_and_more_water_together():
    # b needs less cooling and more water than a; if both err together with the weather the noise of the
    # sum is larger than of independent errors
    doubt = {"overhead_sd_mwh_per_mwh": 0.05, "scarce_water_sd_l_per_kwh": 0.05 * 3 / 0.35}
    rows = [
        row("xx-a", 60, technology="dry", **doubt),
        row("xx-b", 60, technology="wet", overhead_mwh_per_mwh=0.25, **doubt),
    ]
    weights = {"cooling": 1.0, "water": 1.0}
    found = robustness(rank(evaluation_of(rows), weights), 40_000, 2, concentration=np.inf)
    sd = 0.05 / 0.35  # of each value
    # per site: variance of half the sum: technology part .5 + .5 independent, weather part shared
    variance = 0.25 * sd**2 * (0.5 + 0.5 + 4 * 0.5)
    expected = NormalDist().cdf((0.5 * 0.05 / 0.35) / sqrt(2 * variance))
    assert found.table["first_ratio"][0] == pytest.approx(expected, abs=0.01)


@given(site_rows(least=1, most=7, technologies=1), st.integers(0, 5), st.booleans())
@settings(max_examples=25)
def test_shares_of_ranks_are_shares(rows, seed, facts):
    ranking = rank(evaluation_of(rows))
    found = robustness(ranking, 300, seed, facts=facts, exact_sites=[])
    assert np.allclose(found.acceptability.sum(axis=0), 1)
    assert np.allclose(found.acceptability.sum(axis=1), 1)
    assert found.table["site_id"].tolist() == ranking.table["site_id"].tolist()
    assert found.table["first_ratio"].sum() == pytest.approx(1)
    assert (found.table["rank_p05"] <= found.table["rank_p95"]).all()
    if not facts:
        assert not (~found.table["can_win"] & (found.table["first_ratio"] > 0)).any()
    again = robustness(ranking, 300, seed, facts=facts, exact_sites=[])
    assert found.table.equals(again.table)


def test_nominal_weights_without_doubt_give_the_nominal_ranks():
    ranking = rank(evaluation_of(THREE_SITES), TWO)
    found = robustness(ranking, 50, 0, concentration=np.inf, facts=False)
    assert np.array_equal(found.acceptability, np.eye(3))
    assert found.weights_drawn == "Dirichlet, inf"


# ---- weights


@given(st.lists(st.integers(1, 9), min_size=2, max_size=5), st.sampled_from([None, 5.0, 200.0]))
def test_drawn_weights_lie_on_the_simplex(parts, concentration):
    weight = np.array(parts) / sum(parts)
    drawn = draw_weights(4000, weight, np.random.default_rng(1), concentration=concentration)
    assert drawn.shape == (4000, len(parts))
    assert np.allclose(drawn.sum(axis=1), 1)
    assert drawn.min() >= 0
    middle = np.full(len(parts), 1 / len(parts)) if concentration is None else weight
    assert np.abs(drawn.mean(axis=0) - middle).max() < 0.03


def test_weights_within_intervals_fill_the_box_evenly():
    box = np.array([[0.2, 0.5], [0.1, 0.9], [0.0, 0.3]])
    drawn = draw_weights(5000, np.array([0.3, 0.5, 0.2]), np.random.default_rng(1), intervals=box)
    assert np.allclose(drawn.sum(axis=1), 1)
    assert (drawn >= box[:, 0] - 1e-12).all()
    assert (drawn <= box[:, 1] + 1e-12).all()
    # uniform on the rectangle of the first and third weight: the second takes the rest and never binds
    assert drawn.mean(axis=0).tolist() == pytest.approx([0.35, 0.5, 0.15], abs=0.01)


def test_impossible_intervals_are_refused():
    ranking = rank(evaluation_of(THREE_SITES), TWO)
    for intervals, complaint in (
        ({"price": (0.7, 0.9), "latency": (0.5, 0.6)}, "no weights within the intervals"),
        ({"price": (0.0, 0.3), "latency": (0.0, 0.3)}, "no weights within the intervals"),
        ({"price": (0.5, 0.4)}, "must lie in 0..1"),
        ({"water": (0.0, 0.4)}, "'water' is not among the weighted criteria"),
    ):
        with pytest.raises(UsageError, match=complaint):
            robustness(ranking, 100, intervals=intervals)


def test_a_fixed_weight_stays_fixed_and_the_others_share_the_rest():
    ranking = rank(evaluation_of(THREE_SITES), TWO)
    fixed = robustness(ranking, 100, intervals={"price": (0.9, 0.9)}, facts=False)
    assert fixed.table.set_index("site_id")["first_ratio"].to_dict() == {"xx-a": 1, "xx-b": 0, "xx-c": 0}
    assert fixed.weights_drawn == "within intervals"
    box = np.array([[0.4, 0.4], [0.0, 1.0], [0.0, 1.0]])
    drawn = draw_weights(4000, np.full(3, 1 / 3), np.random.default_rng(1), intervals=box)
    assert np.allclose(drawn[:, 0], 0.4)
    assert drawn[:, 1].mean() == pytest.approx(0.3, abs=0.01)
    assert drawn[:, 1].max() > 0.59


def test_narrow_boxes_are_drawn_evenly_too():
    # ten weights that all nearly touch their upper ends: rejection keeps next to nothing
    size = 10
    box = np.tile([0.0, 0.13], (size, 1))
    drawn = draw_weights(4000, np.full(size, 0.1), np.random.default_rng(1), intervals=box)
    assert drawn.shape == (4000, size)
    assert np.allclose(drawn.sum(axis=1), 1)
    assert drawn.min() >= -1e-12
    assert drawn.max() <= 0.13 + 1e-12
    assert np.abs(drawn.mean(axis=0) - 0.1).max() < 0.003
    # what is missing at the upper ends, 0.03 x 10, is shared like a flat Dirichlet: sd of each about 0.027
    gap = 0.13 - drawn
    assert gap.std() == pytest.approx(0.3 * np.sqrt(9 / 11) / 10, rel=0.1)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"draws": 0}, "draws must be at least 1"),
        ({"concentration": 0.0}, "above 0"),
        ({"concentration": 5.0, "intervals": {"price": (0.1, 0.5)}}, "not both"),
        ({"exact_sites": ["xx-none"]}, "not in the ranking"),
    ],
)
def test_wrong_options_are_refused(options, complaint):
    with pytest.raises(UsageError, match=complaint):
        robustness(rank(evaluation_of(THREE_SITES), TWO), **options)


def test_only_the_weighted_sum_has_robustness():
    with pytest.raises(UsageError, match="weighted sum"):
        robustness(rank(evaluation_of(THREE_SITES), TWO, "topsis"))


# ---- exact figures against enumeration

GRID_VALUES = st.integers(2, 7).flatmap(
    lambda sites: st.lists(
        st.lists(st.integers(0, 20).map(lambda k: k / 20), min_size=2, max_size=2),
        min_size=sites,
        max_size=sites,
    ).map(np.array)
)


def ranks_along(values: np.ndarray, site: int, low: float, high: float) -> tuple[int, int]:
    """Best and worst rank over the weight of the first of two criteria: constant between crossings."""
    cuts = {low, high}
    for other in range(len(values)):
        difference = values[other] - values[site]
        if difference[0] != difference[1]:
            at = -difference[1] / (difference[0] - difference[1])
            if low <= at <= high:
                cuts.add(float(at))
    points = sorted(cuts)
    points += [(left + right) / 2 for left, right in pairwise(points)]
    ranks = []
    for at in points:
        score = values @ [at, 1 - at]
        ranks.append(1 + int((score > score[site] + 1e-9).sum()))
    return min(ranks), max(ranks)


@given(GRID_VALUES, st.sampled_from([(0.0, 1.0), (0.25, 0.6), (0.5, 0.5)]))
@settings(max_examples=60)
def test_best_and_worst_rank_agree_with_trying_every_crossing(values, span):
    low, high = span
    box = np.array([[low, high], [1 - high, 1 - low]])
    for site in range(len(values)):
        assert rank_range(values, site, box) == ranks_along(values, site, low, high)
    best = [ranks_along(values, site, low, high)[0] == 1 for site in range(len(values))]
    assert potential_winners(values, box).tolist() == best


@given(site_rows(least=2, most=6, technologies=1))
@settings(max_examples=20)
def test_drawn_ranks_stay_within_the_exact_ones(rows):
    ranking = rank(evaluation_of(rows))
    found = robustness(ranking, 500, 0, facts=False)
    for number, entry in enumerate(found.table.itertuples()):
        seen = np.flatnonzero(found.acceptability[number]) + 1
        assert entry.best_rank <= seen.min()
        # equal scores count for the site in the exact ranks and go by id in the draws
        ties = (np.abs(ranking.table["score"] - ranking.table["score"][number]) < 1e-6).sum() - 1
        assert seen.max() <= entry.worst_rank + ties


@given(GRID_VALUES)
@settings(max_examples=60)
def test_dominance_is_what_the_word_says(values):
    found = dominance_matrix(values)
    for one in range(len(values)):
        for other in range(len(values)):
            better = (values[one] >= values[other]).all() and (values[one] > values[other]).any()
            assert found[one, other] == better


@given(site_rows(least=2, most=5, technologies=1))
@settings(max_examples=30)
def test_the_smallest_weight_move_is_the_one_of_a_linear_program(rows):
    ranking = rank(evaluation_of(rows))
    move = smallest_weight_move(ranking)
    names = list(ranking.criteria)
    values = ranking.table[[f"value_{name}" for name in names]].to_numpy()
    lead = values[0] - values[1]
    weight = np.array([ranking.weights.weight[name] for name in names])
    size = len(names)
    # new weights = weight + up - down; least sum of down with no lead left
    outcome = linprog(
        np.concatenate([np.zeros(size), np.ones(size)]),
        A_ub=[np.concatenate([lead, -lead])],
        b_ub=[-float(lead @ weight)],
        A_eq=[np.concatenate([np.ones(size), -np.ones(size)])],
        b_eq=[0.0],
        bounds=[(0, None)] * size + [(0, float(top)) for top in weight],
        method="highs",
    )
    if move is None:
        assert outcome.status == 2
        return
    assert move.total_ratio == pytest.approx(outcome.fun, abs=1e-7)
    assert sum(move.weights.values()) == pytest.approx(1)
    after = np.array([move.weights[name] for name in names])
    assert after.min() >= -1e-12
    assert lead @ after == pytest.approx(min(0.0, float(lead @ weight)), abs=1e-9)
    assert move.total_ratio == pytest.approx(np.abs(after - weight).sum() / 2, abs=1e-9)


@given(site_rows(least=2, most=6, technologies=1), st.floats(0.05, 0.95))
@settings(max_examples=12)
def test_the_winner_stays_first_inside_its_weight_range_and_not_beyond(rows, inside):
    ranking = rank(evaluation_of(rows))
    winner = ranking.table["site_id"][0]
    for entry in weight_stability(ranking).itertuples():
        others = {name: value for name, value in ranking.weights.weight.items() if name != entry.criterion}
        rest = sum(others.values())

        def lead(at: float, name: str = entry.criterion, others: dict = others, rest: float = rest) -> float:
            weights = {key: value * (1 - at) / rest for key, value in others.items()} | {name: at}
            table = rank(evaluation_of(rows), weights).table.set_index("site_id")["score"]
            return float(table[winner] - table.max())

        assert lead(entry.low + inside * (entry.high - entry.low)) == pytest.approx(0, abs=1e-6)
        if entry.winner_above and entry.high < 0.99:
            assert lead(entry.high + 0.005) < 1e-9
        if entry.winner_below and entry.low > 0.01:
            assert lead(entry.low - 0.005) < 1e-9


def test_ties_have_a_move_of_nothing_and_one_site_has_none():
    level = rank(evaluation_of([row("xx-a", 50), row("xx-b", 50)]))
    move = smallest_weight_move(level)
    assert move is not None
    assert move.total_ratio == 0
    assert smallest_weight_move(rank(evaluation_of([row("xx-a", 50)]))) is None
    dominated = rank(evaluation_of([row("xx-a", 50, 0.9), row("xx-b", 60, 0.8)]), TWO)
    assert smallest_weight_move(dominated) is None
    assert robustness(dominated, 100).dominance.values.tolist() == [["xx-a", "xx-b"]]


def test_shares_of_errors_are_shares_and_name_their_groups():
    for criterion in BY_NAME.values():
        assert 0 <= criterion.shared_ratio <= 1
        assert bool(criterion.shared_by) == (criterion.shared_ratio > 0)


@pytest.mark.slow
def test_ten_thousand_draws_of_the_catalog_take_under_a_second():
    rng = np.random.default_rng(0)
    rows = [
        {
            "site_id": f"xx-{number:03d}",
            "technology": ("dry", "wet")[number % 2],
            "price_zone_id": f"z{number % 90}",
            **{column: float(rng.uniform(*span)) for column, span in FIGURES.items()},
        }
        for number in range(245)
    ]
    ranking = rank(evaluation_of(rows, CLOUD))
    start = time.process_time()
    robustness(ranking, 10_000, 0)
    assert time.process_time() - start < 2.0  # about 0.75 s on an idle core


def test_each_draw_takes_one_world_for_all_sites():
    rows = [row("xx-a", price_of(0.6)), row("xx-b", price_of(0.5))]
    ranking = rank(evaluation_of(rows), TWO)
    # In the first world both are dear, a the less; in the other two only b is cheap: never both apart.
    prices = np.array(
        [[price_of(0.3), price_of(0.2)], [price_of(0.6), price_of(0.9)], [price_of(0.6), price_of(0.9)]]
    )
    order = [list(ranking.table["site_id"]).index(site) for site in ("xx-a", "xx-b")]
    worlds = {"price": prices[:, np.argsort(order)]}
    found = robustness(ranking, 9_000, 1, concentration=float("inf"), facts=False, worlds=worlds)
    first = found.table.set_index("site_id")["first_ratio"]
    assert first.to_dict() == pytest.approx({"xx-a": 1 / 3, "xx-b": 2 / 3}, abs=0.02)


def test_a_world_like_the_facts_changes_nothing_and_blanks_keep_the_facts():
    ranking = rank(evaluation_of(THREE_SITES), TWO)
    own = ranking.table["effective_price_usd_per_mwh"].to_numpy(dtype=float)
    for figures in (own, np.full(3, np.nan)):
        found = robustness(ranking, 4_000, 3, facts=False, worlds={"price": np.tile(figures, (4, 1))})
        table = found.table.set_index("site_id")
        assert table["first_ratio"].to_dict() == pytest.approx(
            {"xx-a": 3 / 8, "xx-b": 5 / 8 - 2 / 7, "xx-c": 2 / 7}, abs=0.03
        )
