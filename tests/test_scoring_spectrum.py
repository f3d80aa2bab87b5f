"""The spectrum: at any point of either axis the envelope's winner is the site that rank puts first."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcsite.errors import DcsiteError, UsageError
from dcsite.scoring.ranking import rank
from dcsite.scoring.spectrum import RACK_FACTOR_MAX, spectrum, upper_envelope
from report_fixture import make_evaluation
from scoring_fixture import CLOUD, TRAINING, evaluation_of, site_rows


def score_of(rows: list[dict], site: str, **changes: float) -> tuple[float, float]:
    """Score of one site and the best score, with a changed profile."""
    table = rank(evaluation_of(rows, CLOUD.model_copy(update=changes))).table.set_index("site_id")["score"]
    return float(table[site]), float(table.max())


@given(site_rows(least=1, most=8, beyond=0.2), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=50)
def test_the_envelope_winner_is_the_first_of_the_ranking(rows, along_worth, along_rack):
    found = spectrum(evaluation_of(rows))
    worth = along_worth * found.worth_max_usd_per_rack_year
    own, best = score_of(
        rows, found.winner(worth_usd_per_rack_year=worth), latency_worth_usd_per_rack_year=worth
    )
    assert own == pytest.approx(best, abs=1e-7)
    factor = 1 + along_rack * (RACK_FACTOR_MAX - 1)
    own, best = score_of(rows, found.winner(rack_factor=factor), rack_kw=factor * CLOUD.rack_kw)
    assert own == pytest.approx(best, abs=1e-7)


@given(site_rows(least=2, most=8, beyond=0.2))
@settings(max_examples=30)
def test_both_winners_score_the_same_at_a_break_point(rows):
    found = spectrum(evaluation_of(rows))
    for left, right in pairwise(found.worth):
        assert left.end == right.start
        for site in (left.site_id, right.site_id):
            own, best = score_of(rows, site, latency_worth_usd_per_rack_year=left.end)
            assert own == pytest.approx(best, abs=1e-7)
    for left, right in pairwise(found.rack):
        assert left.end == right.start
        for site in (left.site_id, right.site_id):
            own, best = score_of(rows, site, rack_kw=CLOUD.rack_kw * left.end)
            assert own == pytest.approx(best, abs=1e-7)


@given(site_rows(least=2, most=8, technologies=1))
@settings(max_examples=30)
def test_reach_only_rises_with_its_worth_and_only_falls_with_rack_power(rows):
    found = spectrum(evaluation_of(rows))
    reach = {row["site_id"]: row["reach_ratio"] for row in rows}
    along_worth = [reach[interval.site_id] for interval in found.worth]
    along_rack = [reach[interval.site_id] for interval in found.rack]
    assert along_worth == sorted(along_worth)
    assert along_rack == sorted(along_rack, reverse=True)
    assert (found.worth[0].start, found.worth[-1].end) == (0, 16_000)
    assert (found.rack[0].start, found.rack[-1].end) == (1, RACK_FACTOR_MAX)
    # one envelope: the winner depends on worth over rack power alone
    assert found.rack[0].site_id == found.winner(worth_usd_per_rack_year=8000.0)
    for interval in found.rack:
        middle = np.sqrt(interval.start * interval.end)
        at_worth = found.winner(worth_usd_per_rack_year=8000.0 / middle)
        own, best = score_of(rows, at_worth, rack_kw=CLOUD.rack_kw * middle)
        assert own == pytest.approx(best, abs=1e-7)


@given(
    st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=1, max_size=12),
    st.floats(0, 1),
)
def test_the_envelope_is_the_largest_line_everywhere(lines, along):
    intercept, slope = np.array(lines, dtype=float).T
    found = upper_envelope(intercept, slope, -3.0, 7.0)
    at = -3.0 + 10.0 * along
    row = next(line for start, end, line in found if start <= at <= end)
    assert intercept[row] + slope[row] * at == pytest.approx((intercept + slope * at).max(), abs=1e-9)
    assert found[0][0] == -3.0
    assert found[-1][1] == 7.0
    assert all(left[1] == right[0] and left[2] != right[2] for left, right in pairwise(found))
    assert all(start < end for start, end, _ in found)
    assert [slope[row] for _, _, row in found] == sorted({slope[row] for _, _, row in found})


def test_no_envelope_without_finite_lines():
    for lines in (([], []), ([np.nan], [1.0]), ([1.0], [np.inf])):
        with pytest.raises(ValueError, match="finite lines"):
            upper_envelope(*lines, 0.0, 1.0)
    with pytest.raises(ValueError, match="start <= end"):
        upper_envelope([1.0], [1.0], 1.0, 0.0)


def row(site_id: str, price: float, reach: float, **more: float | str | bool) -> dict:
    base = {"overhead_mwh_per_mwh": 0.2, "scarce_water_l_per_kwh": 1.0}
    return {"site_id": site_id, "effective_price_usd_per_mwh": price, "reach_ratio": reach, **base, **more}


def test_break_points_are_the_ones_computed_by_hand():
    found = spectrum(evaluation_of([row("xx-far", 40, 0.2), row("xx-near", 70, 1.0)]))
    mwh = 0.008 * 0.6 * 8760
    extra = 30 * 1.2 * mwh  # what the near site costs more per rack-year
    assert [interval.site_id for interval in found.worth] == ["xx-far", "xx-near"]
    assert found.worth[0].end == pytest.approx(extra / 0.8)
    assert [interval.site_id for interval in found.rack] == ["xx-near", "xx-far"]
    assert found.rack[0].end == pytest.approx(8000 * 0.8 / extra)
    assert found.worth[1].sentence == (
        "Latency worth 1,892 to 16,000 USD per rack-year: Xx-Near wins (70.0 USD/MWh, 0.200 MWh overhead per MWh "
        "IT, 100% of the best reach). From there its reach (100% against 20%) outweighs running costs that are "
        "1,514 USD per rack-year higher than Xx-Far's."
    )
    assert found.rack[1].sentence.endswith(
        "From there running costs, 1,514 USD per rack-year at 1x lower than Xx-Near's, outweigh its reach (20% "
        "against 100%)."
    )
    assert list(found.table["axis"]) == ["worth_of_latency"] * 2 + ["rack_power"] * 2
    assert found.lines.set_index("site_id")["wins"].all()


def test_a_density_gate_hands_over_to_the_technologies_that_are_left():
    air = [row("xx-a", 40, 0.5), row("xx-b", 60, 0.5)]
    liquid = [row("xx-a", 40, 0.5, admissible=False, refusal="too dense"), row("xx-b", 60, 0.5)]
    gates = [(40.0, evaluation_of(liquid, CLOUD.model_copy(update={"rack_kw": 40.0})))]
    found = spectrum(evaluation_of(air), gates=gates)
    assert [(entry.start, entry.end, entry.site_id) for entry in found.rack] == [
        (1.0, 5.0, "xx-a"),
        (5.0, 16.0, "xx-b"),
    ]
    assert "other cooling" in found.rack[1].sentence
    same = spectrum(evaluation_of(air), gates=[(40.0, evaluation_of(air))])
    assert [(entry.start, entry.end) for entry in same.rack] == [(1.0, 16.0)]
    with pytest.raises(ValueError, match="must rise"):
        spectrum(evaluation_of(air), gates=[(80.0, evaluation_of(air)), (40.0, evaluation_of(air))])


def test_a_profile_without_worth_has_one_winner_along_rack_power():
    rows = [row("xx-far", 40, 0.2), row("xx-near", 70, 1.0)]
    found = spectrum(evaluation_of(rows, TRAINING))
    assert [interval.site_id for interval in found.rack] == ["xx-far"]
    assert found.worth_max_usd_per_rack_year == 16_000
    assert any("changes no winner" in note for note in found.notes)


def test_chosen_sites_and_wrong_ends():
    evaluation = make_evaluation()
    chosen = spectrum(evaluation, "cloud", ["us-birch", "us-cedar"])
    assert set(chosen.table["site_id"]) <= {"us-birch", "us-cedar"}
    assert list(chosen.lines["site_id"]) == ["us-birch", "us-cedar"]
    with pytest.raises(DcsiteError, match="has no users"):
        spectrum(evaluation, "training")
    with pytest.raises(DcsiteError, match="no site is left"):
        spectrum(evaluation, "cloud", ["fj-lime"])
    with pytest.raises(UsageError, match="rack_factor_max must be above 1"):
        spectrum(evaluation, "cloud", rack_factor_max=0.5)
    with pytest.raises(UsageError, match="worth_max_usd_per_rack_year must be above 0"):
        spectrum(evaluation, "cloud", worth_max_usd_per_rack_year=-1.0)
    with pytest.raises(ValueError, match="either"):
        chosen.winner()
    with pytest.raises(ValueError, match="outside"):
        chosen.winner(rack_factor=99.0)


def test_weights_given_in_the_scenario_are_said_not_to_count():
    rows = [row("xx-far", 40, 0.2), row("xx-near", 70, 1.0)]
    found = spectrum(evaluation_of(rows, score={"weights": {"price": 1.0}}))
    assert any("derived weights" in note for note in found.notes)
