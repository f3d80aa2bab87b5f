"""Weights: derived from rack power, given by hand, or from pairwise judgments."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsite.constants import AHP_RANDOM_INDEX
from dcsite.errors import UsageError
from dcsite.scoring.criteria import MAIN, with_anchors
from dcsite.scoring.pairwise import ahp_weights, judgment_matrix
from dcsite.scoring.weights import given_weights, mwh_per_rack_year, scenario_weights, swing_weights
from scoring_fixture import CLOUD, FIGURES, INFERENCE, TRAINING, evaluation_of


def test_four_times_the_rack_power_takes_latency_from_a_half_to_a_fifth():
    cloud, inference = swing_weights(CLOUD).weight, swing_weights(INFERENCE).weight
    assert cloud["latency"] == pytest.approx(0.48, abs=0.01)
    assert inference["latency"] == pytest.approx(0.202, abs=0.01)
    same_load = CLOUD.model_copy(update={"rack_kw": 32.0})
    assert swing_weights(same_load).weight["latency"] == pytest.approx(0.188, abs=0.01)
    assert swing_weights(TRAINING).weight["latency"] == 0
    assert swing_weights(CLOUD, has_users=False).weight["latency"] == 0


def test_the_swings_are_the_ones_of_the_design():
    swing = swing_weights(CLOUD).swing_usd_per_rack_year
    mwh = 0.008 * 0.6 * 8760
    assert mwh_per_rack_year(CLOUD) == pytest.approx(mwh)
    assert swing["price"] == pytest.approx(140 * mwh * 1.2)
    assert swing["cooling"] == pytest.approx(0.35 * 80 * mwh)
    assert swing["water"] == pytest.approx(3 * 3 * mwh)
    assert swing["latency"] == 8000


@given(st.floats(0.5, 500), st.floats(0.05, 1), st.floats(0, 1e5), st.floats(0, 50))
def test_derived_weights_sum_to_one_and_latency_falls_with_rack_power(rack_kw, load, worth, water):
    profile = CLOUD.model_copy(
        update={"rack_kw": rack_kw, "load_factor": load, "latency_worth_usd_per_rack_year": worth}
    )
    weights = swing_weights(profile, water_value_usd_per_m3=water)
    assert sum(weights.weight.values()) == pytest.approx(1)
    assert min(weights.weight.values()) >= 0
    assert len(weights.derivation) == 5
    assert not weights.given
    denser = swing_weights(profile.model_copy(update={"rack_kw": 2 * rack_kw}), water_value_usd_per_m3=water)
    assert denser.weight["latency"] <= weights.weight["latency"]


def test_the_reference_figures_of_a_scenario_count():
    scenario = evaluation_of(
        [{"site_id": "xx-a", **dict.fromkeys(FIGURES, 0.5)}],
        water_value_usd_per_m3=6.0,
        score={"price_ref_usd_per_mwh": 100.0, "pue_ref": 1.5},
    ).scenario
    plain, changed = (
        swing_weights(CLOUD).swing_usd_per_rack_year,
        scenario_weights(CLOUD, scenario).swing_usd_per_rack_year,
    )
    assert changed["price"] / plain["price"] == pytest.approx(1.5 / 1.2)
    assert changed["cooling"] / plain["cooling"] == pytest.approx(100 / 80)
    assert changed["water"] / plain["water"] == pytest.approx(2)
    assert changed["latency"] == plain["latency"]


def test_wider_anchors_weigh_more():
    wide = with_anchors({"price": (30.0, 310.0)})
    assert swing_weights(CLOUD, criteria=wide).swing_usd_per_rack_year["price"] == pytest.approx(
        2 * swing_weights(CLOUD).swing_usd_per_rack_year["price"]
    )


@given(st.dictionaries(st.sampled_from([*MAIN, "carbon"]), st.floats(0.001, 1e6), min_size=1))
def test_given_weights_are_normalized(weights):
    result = given_weights(weights)
    assert sum(result.weight.values()) == pytest.approx(1)
    assert result.given
    for name, value in weights.items():
        assert result.weight[name] == pytest.approx(value / sum(weights.values()))


@pytest.mark.parametrize(
    ("weights", "complaint"),
    [
        ({"prise": 1.0}, "unknown criterion 'prise'"),
        ({"price": -1.0}, "must be 0 or more"),
        ({"price": float("nan")}, "must be 0 or more"),
        ({"price": float("inf")}, "must be 0 or more"),
        ({"price": 0.0}, "at least one weight"),
        ({}, "at least one weight"),
    ],
)
def test_wrong_weights_are_refused_by_name(weights, complaint):
    with pytest.raises(UsageError, match=complaint):
        given_weights(weights)


@given(st.lists(st.integers(1, 20), min_size=1, max_size=6))
def test_judgments_without_contradiction_give_back_the_weights(parts):
    true = np.array(parts) / sum(parts)
    result = ahp_weights(true[:, None] / true[None, :])
    assert np.allclose(result.weight, true)
    assert result.consistency_ratio == pytest.approx(0, abs=1e-9)
    assert result.consistent


def test_contradictory_judgments_are_told_apart():
    # a over b, b over c, c over a: as contradictory as it gets
    circle = ahp_weights([[1, 9, 1 / 9], [1 / 9, 1, 9], [9, 1 / 9, 1]])
    assert circle.consistency_ratio > 1
    assert not circle.consistent
    assert np.allclose(circle.weight, 1 / 3)
    # hand-checked: lambda = 3.0092, (lambda - 3) / 2 / 0.5247
    slight = ahp_weights([[1, 2, 5], [1 / 2, 1, 3], [1 / 5, 1 / 3, 1]])
    assert slight.principal_eigenvalue == pytest.approx(3.0037, abs=1e-3)
    assert slight.consistency_ratio == pytest.approx((slight.principal_eigenvalue - 3) / 2 / 0.5247)
    assert slight.weight.tolist() == pytest.approx([0.5816, 0.3090, 0.1095], abs=1e-3)


def test_the_random_index_is_what_random_judgments_give():
    scale = np.array([1 / k for k in range(9, 1, -1)] + list(range(1, 10)))
    rng = np.random.default_rng(5)
    indices = []
    for _ in range(4000):
        matrix = np.eye(4)
        for row in range(4):
            for column in range(row + 1, 4):
                matrix[row, column] = rng.choice(scale)
                matrix[column, row] = 1 / matrix[row, column]
        indices.append((np.linalg.eigvals(matrix).real.max() - 4) / 3)
    assert np.mean(indices) == pytest.approx(AHP_RANDOM_INDEX[4].value, abs=0.035)


@pytest.mark.parametrize(
    ("matrix", "complaint"),
    [
        ([[1, 2], [3, 1]], "must be inverses"),
        ([[2, 2], [1 / 2, 1]], "must be inverses"),
        ([[1, 2, 3]], "square"),
        ([[1, -2], [-0.5, 1]], "above 0"),
        ([[1, np.nan], [np.nan, 1]], "above 0"),
        (np.ones((11, 11)), "at most 10"),
    ],
)
def test_matrices_that_are_no_judgments_are_refused(matrix, complaint):
    with pytest.raises(UsageError, match=complaint):
        ahp_weights(matrix)


def test_a_matrix_is_made_of_one_judgment_per_pair():
    names = ("price", "water", "latency")
    matrix = judgment_matrix(
        names, {("price", "water"): 4, ("latency", "price"): 1 / 2, ("water", "latency"): 1 / 2}
    )
    assert ahp_weights(matrix).weight == pytest.approx([4 / 7, 1 / 7, 2 / 7])
    with pytest.raises(UsageError, match="'water' against 'latency' is missing"):
        judgment_matrix(names, {("price", "water"): 4, ("latency", "price"): 1 / 2})
    with pytest.raises(UsageError, match="given twice"):
        judgment_matrix(names, {("price", "water"): 4, ("water", "price"): 1 / 4})
    with pytest.raises(UsageError, match="unknown criterion 'prise'"):
        judgment_matrix(names, {("prise", "water"): 4})
    with pytest.raises(UsageError, match="above 0"):
        judgment_matrix(names, {("price", "water"): 0})
