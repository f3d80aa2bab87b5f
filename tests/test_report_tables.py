"""Tables and printed text of every kind of result."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsite.errors import UsageError
from dcsite.report.frames import (
    QUALITY,
    Column,
    Table,
    as_report,
    frame_table,
    main_table,
    plan_links,
    report_tables,
)
from dcsite.report.terminal import cell_text, clean, report_text, table_text, text_width
from dcsite.scoring.comparing import compare_sites
from dcsite.scoring.ranking import rank
from dcsite.scoring.robustness import robustness
from dcsite.scoring.spectrum import spectrum
from report_fixture import MadeUpPlan, make_evaluation

EVALUATION = make_evaluation()
CLOUD = rank(EVALUATION, workload="cloud")
TRAINING = rank(EVALUATION, workload="training")
COMPARISON = compare_sites(CLOUD, ["us-alder", "us-birch", "is-dagur"])
SURE = robustness(CLOUD, draws=50)
RESULTS = {
    "ranking": CLOUD,
    "comparison": COMPARISON,
    "plan": MadeUpPlan(),
    "spectrum": spectrum(EVALUATION, "cloud"),
    "robustness": SURE,
    "evaluation": EVALUATION,
    "all": [MadeUpPlan(), CLOUD, TRAINING, COMPARISON, spectrum(EVALUATION, "cloud")],
}


@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.parametrize("name", RESULTS)
def test_every_printed_result_fits_the_terminal(name, width):
    text = report_text(RESULTS[name], evaluation=EVALUATION, width=width)
    too_wide = [line for line in text.splitlines() if text_width(line) > width]
    assert too_wide == []
    assert text.count("\n") > 5


@pytest.mark.parametrize("name", RESULTS)
def test_every_kind_of_result_becomes_tables_with_described_columns(name):
    tables = report_tables(as_report(RESULTS[name], evaluation=EVALUATION))
    assert tables
    for table in tables.values():
        assert [column.name for column in table.columns] == list(table.frame.columns)
        assert all(column.title for column in table.columns)
        assert len(table.frame) > 0


def test_tables_lose_columns_in_the_stated_order_and_never_the_site():
    from dcsite.report.frames import ranking_table

    table = ranking_table(CLOUD, EVALUATION.sites)
    text = table_text(table, 80)
    listed = text[text.index("(left out to fit 80 columns: ") :].replace("\n", " ")
    names = listed.split(": ")[1].strip(" )").split(", ")
    here = [name for name in table.drop if name in {c.name for c in table.columns} - set(table.hidden)]
    assert names == here[: len(names)]
    assert "us-birch" in text
    assert "Score" in text


def test_the_ranking_printed_at_80_columns_is_stable(golden):
    golden("ranking_80.txt", report_text(CLOUD, evaluation=EVALUATION, width=80))


def test_the_comparison_printed_at_100_columns_is_stable(golden):
    golden("comparison_100.txt", report_text(COMPARISON, evaluation=EVALUATION))


def test_cost_parts_printed_for_each_site_sum_to_the_difference():
    for site_id, rows in COMPARISON.waterfall.groupby("site_id"):
        costs = COMPARISON.table.set_index("site_id")["cost_usd_per_mw_year"]
        assert rows["difference_usd_per_mw_year"].sum() == pytest.approx(
            costs[site_id] - costs[COMPARISON.winner], abs=1e-6
        )


def test_a_name_cannot_move_the_cursor_or_break_a_line():
    frame = pd.DataFrame({"site_id": ["a\x1b[2J\nb"], "name": ["x\u202ey\u200b"]})
    text = table_text(frame_table(frame))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert len(text.splitlines()) == 3


@given(st.text(max_size=40))
def test_clean_text_is_one_line_without_control_characters(text):
    cleaned = clean(text)
    assert len(cleaned.splitlines() or [""]) == 1 or not any(ord(mark) < 32 for mark in cleaned)
    assert "\x1b" not in cleaned


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12))
def test_a_printed_number_is_within_half_a_digit(value):
    text = cell_text(value, Column("x", "X", "", 2))
    assert float(text.replace(",", "")) == pytest.approx(value, abs=0.0051, rel=1e-12)


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA])
def test_missing_figures_print_as_a_dash_not_as_zero(missing):
    assert cell_text(missing, Column("x", "X")) == "-"


def test_weakest_figures_come_first_and_name_their_sites():
    table = report_tables(as_report(EVALUATION))["weak_figures"].frame
    order = [QUALITY.index(word) for word in table["quality"]]
    assert order == sorted(order, reverse=True)
    assert set(table["quality"]) <= {"estimate", "unverified"}
    row = table[(table["quality"] == "unverified") & (table["figure"] == "price_usd_per_mwh")]
    listed = set(", ".join(row["sites"]).split(", "))
    facts = EVALUATION.facts
    assert listed <= set(facts.loc[facts["price_quality"] == "unverified", "site_id"])


def test_links_carry_the_share_of_each_demand_point_by_mw_too():
    plan = MadeUpPlan()
    by_share = plan_links(as_report(plan, evaluation=EVALUATION))
    served = plan.served.rename(columns={"region": "point"}).assign(mw=plan.served["share_ratio"] * 40.0)
    by_mw = plan_links(
        as_report(MadeUpPlan(served=served.drop(columns="share_ratio")), evaluation=EVALUATION)
    )
    assert len(by_share) == 3
    assert by_mw["share_ratio"].tolist() == pytest.approx(by_share["share_ratio"].tolist())


def test_links_find_the_right_one_of_two_places_of_the_same_name():
    served = pd.DataFrame(
        {"workload": "cloud", "point": "London", "point_number": [2], "site_id": "is-dagur", "mw": [5.0]}
    )
    links = plan_links(as_report(MadeUpPlan(served=served), evaluation=EVALUATION))
    assert links[["region", "lat", "share_ratio"]].to_numpy().tolist() == [["New York", 40.7, 1.0]]


def test_a_printed_plan_shows_binding_limits_and_counts_the_others():
    plan = MadeUpPlan()
    text = report_text(plan, evaluation=EVALUATION)
    assert "Binding limits" in text
    assert "max_sites" in text
    loose = MadeUpPlan(limits=plan.limits.assign(binding=[True, False]))
    text = report_text(loose, evaluation=EVALUATION)
    assert "max_sites" not in text
    assert "1 further limit with slack." in text


def test_excluded_sites_of_all_workloads_are_listed_once_with_their_reason():
    frame = report_tables(as_report(EVALUATION))["excluded"].frame
    assert not frame.duplicated(["site_id", "workload", "rule"]).any()
    assert (frame["reason"] != "").all()
    assert "moratorium" in set(frame["rule"])


def test_two_results_of_one_kind_keep_both_tables():
    both = report_tables(as_report([spectrum(EVALUATION, "cloud"), spectrum(EVALUATION, "cloud")]))
    assert {"spectrum", "spectrum_2"} <= set(both)
    pictures = as_report([SURE, robustness(TRAINING, draws=50)]).pictures
    assert list(pictures) == ["acceptability", "acceptability:training"]


def test_the_main_table_is_the_plan_then_the_comparison_then_the_ranking():
    assert main_table(as_report([CLOUD, MadeUpPlan()])).name == "plan"
    assert main_table(as_report([CLOUD, COMPARISON])).name == "compare"
    assert main_table(as_report(CLOUD)).name == "ranking"


def test_something_that_is_no_result_is_refused():
    with pytest.raises(UsageError, match="cannot report a int"):
        as_report(3)
    empty = Table("t", "t", (), pd.DataFrame())
    assert main_table(as_report(empty)).empty
