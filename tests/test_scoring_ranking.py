"""Scores: anchors cancel, parts sum, a further site reorders nobody, missing figures exclude with a reason."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcsite.errors import DcsiteError, ScenarioError, UsageError
from dcsite.scoring.comparing import compare_sites
from dcsite.scoring.criteria import BY_NAME, CRITERIA, with_anchors
from dcsite.scoring.ranking import (
    METHODS,
    PROMETHEE_INDIFFERENCE,
    PROMETHEE_PREFERENCE,
    best_technology,
    difference_sd,
    flips,
    promethee,
    rack_kw_at_flip,
    rank,
    topsis,
    worth_at_flip,
)
from dcsite.scoring.values import linear_value
from dcsite.scoring.weights import generalized_cost_usd_per_rack_year, swing_weights
from report_fixture import make_evaluation
from scoring_fixture import CLOUD, FIGURES, TRAINING, evaluation_of, site_rows


def row(site_id: str, price: float, **more: float | str | bool) -> dict:
    base = {"overhead_mwh_per_mwh": 0.2, "scarce_water_l_per_kwh": 1.0, "reach_ratio": 0.5}
    return {"site_id": site_id, "effective_price_usd_per_mwh": price, **base, **more}


@given(st.floats(-1e6, 1e6), st.sampled_from(CRITERIA))
def test_values_are_linear_between_the_anchors_and_flat_beyond(figure, criterion):
    value = float(linear_value(figure, best=criterion.best, worst=criterion.worst))
    share = (figure - criterion.worst) / (criterion.best - criterion.worst)
    assert value == pytest.approx(min(1.0, max(0.0, share)))
    assert float(linear_value(criterion.best, best=criterion.best, worst=criterion.worst)) == 1.0
    assert float(linear_value(criterion.worst, best=criterion.best, worst=criterion.worst)) == 0.0


def test_a_missing_figure_stays_missing():
    assert np.isnan(linear_value(np.nan, best=0, worst=1))


@given(site_rows(technologies=1))
@settings(max_examples=25)
def test_inside_the_anchors_the_score_is_a_constant_minus_the_generalized_cost(rows):
    evaluation = evaluation_of(rows)
    table = rank(evaluation).table
    cost = generalized_cost_usd_per_rack_year(table, CLOUD)
    swing = sum(swing_weights(CLOUD).swing_usd_per_rack_year.values())
    constant = table["score"].to_numpy() / 100 * swing + cost
    assert np.allclose(constant, constant[0], rtol=1e-9)
    assert (np.diff(cost) >= -1e-6).all()


@given(site_rows(beyond=0.3), st.sampled_from(sorted(METHODS)), st.sampled_from([None, "given"]))
@settings(max_examples=25)
def test_contributions_sum_to_the_score(rows, method, weights):
    chosen = None if weights is None else {"price": 3.0, "carbon": 1.0, "latency": 2.0, "water": 0.5}
    table = rank(evaluation_of(rows), chosen, method).table
    parts = [column for column in table if column.startswith("score_") and column != "score_sd"]
    assert np.abs(table[parts].sum(axis=1) - table["score"]).max() < 1e-9
    assert table["score"].between(-1e-9, 100 + 1e-9).all()
    assert list(table["rank"]) == list(range(1, len(table) + 1))
    assert table["site_id"].is_unique


@given(site_rows(least=2, beyond=0.3), st.sampled_from(["weighted_sum", "topsis"]), st.data())
@settings(max_examples=25)
def test_a_further_site_reorders_nobody(rows, method, data):
    full = list(rank(evaluation_of(rows), method=method).table["site_id"])
    gone = data.draw(st.sampled_from(full))
    less = (
        list(rank(evaluation_of([r for r in rows if r["site_id"] != gone]), method=method).table["site_id"])
        if len(full) > 1
        else []
    )
    assert less == [site for site in full if site != gone]


@given(site_rows(beyond=0.3), st.randoms(use_true_random=False), st.floats(0.01, 1000))
@settings(max_examples=25)
def test_neither_row_order_nor_scale_of_weights_matters(rows, random, factor):
    weights = {"price": 2.0, "water": 1.0, "latency": 1.5}
    first = rank(evaluation_of(rows), weights).table
    shuffled = list(rows)
    random.shuffle(shuffled)
    second = rank(evaluation_of(shuffled), {name: factor * value for name, value in weights.items()}).table
    assert list(first["site_id"]) == list(second["site_id"])
    assert list(first["technology"]) == list(second["technology"])
    assert np.allclose(first["score"], second["score"])


@given(site_rows(technologies=3, beyond=0.2))
@settings(max_examples=25)
def test_every_site_gets_its_best_technology(rows):
    evaluation = evaluation_of(rows)
    best = rank(evaluation).table.set_index("site_id")["score"]
    for technology in ("dry", "wet", "mist"):
        alone = [r for r in rows if r["technology"] == technology]
        if alone:
            other = rank(evaluation_of(alone)).table.set_index("site_id")["score"]
            assert (best[other.index] >= other - 1e-9).all()


def test_training_and_cloud_may_choose_different_technologies_at_one_site():
    wet = row("xx-a", 60, technology="wet", overhead_mwh_per_mwh=0.10, scarce_water_l_per_kwh=2.9)
    dry = row("xx-a", 60, technology="dry", overhead_mwh_per_mwh=0.35, scarce_water_l_per_kwh=0.0)
    frame = evaluation_of([wet, dry]).facts
    weights = swing_weights(CLOUD)
    assert best_technology(frame, BY_NAME, weights)["technology"].tolist() == ["wet"]
    thirsty = swing_weights(CLOUD, water_value_usd_per_m3=30.0)
    assert best_technology(frame, BY_NAME, thirsty)["technology"].tolist() == ["dry"]


def test_a_workload_without_users_loses_nobody_to_missing_reach():
    rows = [row("xx-a", 50, reach_ratio=np.nan), row("xx-b", 60, reach_ratio=np.nan)]
    for weights in (None, {"price": 1.0, "latency": 1.0}):
        ranking = rank(evaluation_of(rows, TRAINING, users=False), weights)
        assert list(ranking.table["site_id"]) == ["xx-a", "xx-b"]
        assert not len(ranking.excluded)
        assert "score_latency" not in ranking.table
    assert "no users" in rank(evaluation_of(rows, TRAINING, users=False), {"price": 1, "latency": 1}).notes[0]
    with pytest.raises(UsageError, match="latency alone"):
        rank(evaluation_of(rows, TRAINING, users=False), {"latency": 1.0})
    # a profile with users that gives latency no worth needs no reach either
    assert len(rank(evaluation_of(rows, TRAINING, users=True)).table) == 2


def test_weights_may_come_from_judgments_about_pairs():
    rows = [row("xx-a", 50, reach_ratio=0.2), row("xx-b", 60, reach_ratio=0.9)]
    judged = {"price/water": 4.0, "price/latency": 2.0, "water/latency": 0.5}
    ranking = rank(evaluation_of(rows, score={"pairwise": judged}))
    shares = {name: ranking.weights.weight[name] for name in ("price", "water", "latency")}
    assert shares == pytest.approx({"price": 4 / 7, "water": 1 / 7, "latency": 2 / 7})
    assert ranking.notes[0] == "Weights from 3 pairwise judgments, consistency ratio 0.00."
    circle = {"price/water": 9.0, "water/latency": 9.0, "latency/price": 9.0}
    assert "contradict each other" in rank(evaluation_of(rows, score={"pairwise": circle})).notes[0]
    with pytest.raises(UsageError, match="'price' against 'latency' is missing"):
        rank(evaluation_of(rows, score={"pairwise": {"price/water": 4.0, "water/latency": 0.5}}))
    for wrong in ({"pairwise": {"price/prise": 2.0}}, {"pairwise": judged, "weights": {"price": 1.0}}):
        with pytest.raises(ValueError, match=r"CRITERION/CRITERION|either weights or pairwise"):
            evaluation_of(rows, score=wrong)


def test_every_site_that_is_not_ranked_is_listed_with_its_reason():
    rows = [
        row("xx-a", 50),
        row("xx-b", np.nan),
        row("xx-c", 60, admissible=False, refusal="no water right"),
        row("xx-c", 60, technology="wet", admissible=False, refusal="freezes"),
        row("xx-d", 40),
        row("xx-e", 45, admissible=False, refusal="too hot"),
        row("xx-e", 45, technology="wet"),
        row("xx-f", 45, reach_ratio=np.nan),
    ]
    out = [
        {"site_id": "xx-d", "workload": "", "rule": "risk", "reason": "stability", "quality": "reported"},
        {"site_id": "xx-a", "workload": "other", "rule": "risk", "reason": "not ours", "quality": ""},
    ]
    ranking = rank(evaluation_of(rows, excluded=out))
    assert sorted(ranking.table["site_id"]) == ["xx-a", "xx-e"]
    reasons = ranking.excluded.set_index("site_id")["reason"].to_dict()
    assert sorted(reasons) == ["xx-b", "xx-c", "xx-d", "xx-f"]
    assert "electricity price" in reasons["xx-b"]
    assert "no water right" in reasons["xx-c"]
    assert "freezes" in reasons["xx-c"]
    assert set(ranking.excluded["workload"]) == {"", "load"}


def test_nothing_left_is_an_error_that_counts_the_reasons():
    with pytest.raises(DcsiteError, match="no site is left") as caught:
        rank(evaluation_of([row("xx-a", np.nan), row("xx-b", 50, admissible=False)]))
    assert "missing figure: 1" in caught.value.hint
    assert "no technology: 1" in caught.value.hint


def test_hard_limits_are_never_low_scores():
    evaluation = make_evaluation()
    ranking = rank(evaluation, workload="training")
    assert "sg-fern" not in set(ranking.table["site_id"])
    assert "sg-fern" in set(ranking.excluded["site_id"])
    assert "fj-lime" in set(ranking.excluded["site_id"])  # has no price


def test_names_come_from_the_sites_where_the_facts_have_none():
    assert rank(evaluation_of([row("xx-a", 50)])).table["name"].tolist() == ["Xx-A"]


@given(site_rows(least=2, technologies=1))
@settings(max_examples=25)
def test_effective_weights_are_the_shares_in_the_spread(rows):
    ranking = rank(evaluation_of(rows))
    spread = {
        name: ranking.weights.weight[name] * float(ranking.table[f"value_{name}"].std(ddof=0))
        for name in ranking.criteria
    }
    total = sum(spread.values())
    for name, share in ranking.effective_weight.items():
        assert share == pytest.approx(spread[name] / total if total > 0 else 0.0, abs=1e-9)


def test_sites_within_the_noise_tie_and_others_do_not():
    rows = [row("xx-a", 50.0), row("xx-b", 51.0), row("xx-c", 120.0)]
    ranking = rank(evaluation_of(rows))
    assert ranking.table["tie_group"].tolist() == [1, 1, 2]
    exact = [{**r, **dict.fromkeys(("price_sd_usd_per_mwh", "scarce_water_sd_l_per_kwh"), 0.0)} for r in rows]
    exact = [{**r, "overhead_sd_mwh_per_mwh": 0.0, "reach_sd_ratio": 0.0} for r in exact]
    assert rank(evaluation_of(exact)).table["tie_group"].tolist() == [1, 2, 3]


def test_the_error_of_a_shared_tariff_row_makes_no_tie():
    rows = [row("xx-a", 50.0), row("xx-b", 53.0)]
    no_doubt = {"overhead_sd_mwh_per_mwh": 0.0, "reach_sd_ratio": 0.0, "scarce_water_sd_l_per_kwh": 0.0}
    apart = [{**r, **no_doubt} for r in rows]
    assert rank(evaluation_of(apart)).table["tie_group"].tolist() == [1, 1]
    together = [{**r, "price_zone_id": "z"} for r in apart]
    assert rank(evaluation_of(together)).table["tie_group"].tolist() == [1, 2]
    assert compare_sites(rank(evaluation_of(together)), ["xx-a", "xx-b"]).tied == ()


@given(site_rows(least=2, most=6, technologies=1))
@settings(max_examples=20)
def test_the_noise_of_a_difference_is_what_draws_of_it_show(rows):
    shared = [{**r, "price_zone_id": f"z{i % 2}", "country_iso3": f"C{i % 3}"} for i, r in enumerate(rows)]
    ranking = rank(evaluation_of(shared))
    criteria = list(ranking.criteria.values())
    weight = np.array([ranking.weights.weight[name] for name in ranking.criteria])
    found = difference_sd(ranking.table, criteria, weight, 0)
    rng = np.random.default_rng(0)
    error = np.zeros((20_000, len(ranking.table)))
    for criterion, share in zip(criteria, weight, strict=True):
        groups = criterion.groups(ranking.table)
        common = rng.standard_normal((20_000, int(groups.max()) + 1))[:, groups]
        own = rng.standard_normal(error.shape)
        mixed = np.sqrt(criterion.shared_ratio) * common + np.sqrt(1 - criterion.shared_ratio) * own
        error += 100 * share * criterion.spread(ranking.table) * mixed
    assert (error - error[:, :1]).std(axis=0) == pytest.approx(found, rel=0.03)


def test_equal_scores_are_ordered_by_id():
    rows = [row("xx-b", 50.0), row("xx-a", 50.0)]
    assert rank(evaluation_of(rows)).table["site_id"].tolist() == ["xx-a", "xx-b"]


def test_sites_beyond_an_anchor_are_pointed_out():
    notes = rank(evaluation_of([row("xx-a", 20.0), row("xx-b", 200.0), row("xx-c", 60.0)])).notes
    assert notes == (
        "Electricity price: 1 beyond the best anchor (30 USD/MWh) and 1 beyond the worst anchor (170 USD/MWh) "
        "of 3 sites; there the score is flat.",
    )


def test_anchors_may_be_moved_but_not_turned_around():
    moved = with_anchors({"price": (40.0, 90.0)})
    assert (moved["price"].best, moved["price"].worst) == (40.0, 90.0)
    assert moved["water"] == BY_NAME["water"]
    for anchors in ({"price": (170.0, 30.0)}, {"price": (50.0, 50.0)}, {"latency": (0.0, 1.0)}):
        with pytest.raises(ScenarioError, match="best must be"):
            with_anchors(anchors)
    with pytest.raises(ScenarioError, match="unknown criterion"):
        with_anchors({"prise": (1.0, 2.0)})


def test_unknown_workload_and_method_are_refused():
    evaluation = evaluation_of([row("xx-a", 50)])
    with pytest.raises(DcsiteError, match="no workload is named 'cloudy'"):
        rank(evaluation, workload="cloudy")
    with pytest.raises(DcsiteError, match="unknown method"):
        rank(evaluation, method="electre")


# ---- other methods, against pymcdm. Our normalization: values are anchored (0 at the worst anchor, 1 at
# the best), so pymcdm gets the two anchors as further rows for TOPSIS, where its min-max normalization is
# then the identity and its ideal points are the anchors; PROMETHEE normalizes nothing.

MATRICES = st.integers(2, 7).flatmap(
    lambda sites: st.lists(
        st.lists(st.integers(0, 100).map(lambda k: k / 100), min_size=3, max_size=3),
        min_size=sites,
        max_size=sites,
    )
)


@pytest.mark.filterwarnings("ignore:Alternatives with indices")
@given(MATRICES)
@settings(max_examples=60)
def test_topsis_agrees_with_pymcdm_between_our_anchors(matrix):
    methods = pytest.importorskip("pymcdm.methods")
    values, weight = np.array(matrix), np.array([0.5, 0.3, 0.2])
    with_ideals = np.vstack([values, np.ones(3), np.zeros(3)])
    theirs = methods.TOPSIS()(with_ideals, weight, np.ones(3))[:-2]
    assert np.allclose(topsis(values, weight) / 100, theirs)


@pytest.mark.filterwarnings("ignore:Alternatives with indices")
@given(MATRICES)
@settings(max_examples=60)
def test_promethee_agrees_with_pymcdm(matrix):
    methods = pytest.importorskip("pymcdm.methods")
    values, weight = np.array(matrix), np.array([0.5, 0.3, 0.2])
    body = methods.PROMETHEE_II(
        "vshape_2", p=np.full(3, PROMETHEE_PREFERENCE), q=np.full(3, PROMETHEE_INDIFFERENCE)
    )
    theirs = body(values, weight, np.ones(3))
    assert np.allclose(promethee(values, weight), 50 * (1 + theirs))


# ---- flips and comparison


@given(site_rows(least=2, most=4, technologies=1, beyond=0.2))
@settings(max_examples=25)
def test_each_flip_makes_the_runner_up_score_as_much(rows):
    evaluation = evaluation_of(rows)
    ranking = rank(evaluation)
    winner, other = ranking.table["site_id"][:2]
    for flip in flips(ranking, winner, other):
        changed = [{**r, flip.column: flip.needed} if r["site_id"] == flip.site_id else r for r in rows]
        table = rank(evaluation_of(changed)).table.set_index("site_id")
        assert table.at[winner, "score"] == pytest.approx(table.at[other, "score"], abs=1e-7)


@given(site_rows(least=2, most=5, technologies=1, beyond=0.2))
@settings(max_examples=25)
def test_worth_and_rack_power_at_the_flip_make_scores_equal(rows):
    ranking = rank(evaluation_of(rows))
    winner, other = ranking.table["site_id"][:2]
    worth = worth_at_flip(ranking, winner, other)
    if worth is None:
        return
    changed = CLOUD.model_copy(update={"latency_worth_usd_per_rack_year": worth})
    table = rank(evaluation_of(rows, changed)).table.set_index("site_id")
    assert table.at[winner, "score"] == pytest.approx(table.at[other, "score"], abs=1e-6)
    rack_kw = rack_kw_at_flip(ranking, winner, other)
    if rack_kw is not None and 1e-3 < rack_kw < 1e6:
        changed = CLOUD.model_copy(update={"rack_kw": rack_kw})
        table = rank(evaluation_of(rows, changed)).table.set_index("site_id")
        assert table.at[winner, "score"] == pytest.approx(table.at[other, "score"], abs=1e-6)


def test_given_weights_have_no_worth_at_which_they_flip():
    ranking = rank(
        evaluation_of([row("xx-a", 50), row("xx-b", 60, reach_ratio=0.9)]), {"price": 1, "latency": 1}
    )
    assert worth_at_flip(ranking, "xx-a", "xx-b") is None
    assert rack_kw_at_flip(ranking, "xx-a", "xx-b") is None


def test_training_names_the_worth_at_which_the_nearer_site_would_win():
    rows = [row("xx-a", 50, reach_ratio=0.1), row("xx-b", 60, reach_ratio=0.9)]
    ranking = rank(evaluation_of(rows, TRAINING))
    worth = worth_at_flip(ranking, "xx-a", "xx-b")
    mwh = 41 / 1000 * 0.76 * 8760
    assert worth == pytest.approx(10 * mwh * 1.2 / 0.8)
    assert rack_kw_at_flip(ranking, "xx-a", "xx-b") is None


@given(site_rows(least=2, technologies=1), st.data())
@settings(max_examples=25)
def test_the_waterfall_sums_to_the_difference_in_cost(rows, data):
    ranking = rank(evaluation_of(rows))
    some = data.draw(st.lists(st.sampled_from(sorted(ranking.table["site_id"])), min_size=1, unique=True))
    comparison = compare_sites(ranking, [*some, "xx-none"])
    assert comparison.winner == ranking.table.loc[ranking.table["site_id"].isin(some), "site_id"].iloc[0]
    assert comparison.missing == (("xx-none", "not among the candidate sites"),)
    cost = comparison.table.set_index("site_id")["cost_usd_per_mw_year"]
    assert cost[comparison.cheapest] == cost.min()
    sums = comparison.waterfall.groupby("site_id")["difference_usd_per_mw_year"].sum()
    assert set(sums.index) == set(some) - {comparison.winner}
    for site, total in sums.items():
        assert total == pytest.approx(cost[site] - cost[comparison.winner], rel=1e-12, abs=1e-6)


def test_a_comparison_says_which_sites_tie_and_why_one_is_missing():
    rows = [row("xx-a", 50), row("xx-b", 51), row("xx-c", 140), row("xx-d", np.nan)]
    comparison = compare_sites(rank(evaluation_of(rows)), ["xx-a", "xx-b", "xx-c", "xx-d"])
    assert comparison.tied == ("xx-b",)
    assert "no figure for electricity price" in comparison.missing[0][1]
    with pytest.raises(DcsiteError, match="none of the sites"):
        compare_sites(rank(evaluation_of(rows)), ["xx-d"])


def test_the_columns_that_the_criteria_read_are_the_ones_tested_here():
    assert {BY_NAME[name].column for name in ("price", "water", "cooling", "latency")} == set(FIGURES)
    frame = pd.DataFrame({"reach_ratio": [0.2], "reach_sd_ratio": [np.nan]})
    assert BY_NAME["latency"].spread(frame).tolist() == [0.0]
