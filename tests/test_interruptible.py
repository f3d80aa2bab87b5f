"""The command and the study of loads that may stop: figures, notes, chart, files, refusals."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from dcsite.cli.app import app
from dcsite.data.tables import load_tables
from dcsite.errors import DcsiteError
from dcsite.physics.power import Restarts
from dcsite.study.interruptible import hours_at, interruptible
from dcsite.study.quick import quick_scenario

PLACES = ["us-quincy-wa", "us-plano-tx", "is-keflavik"]


def run(*arguments: str):
    return CliRunner().invoke(app, ["interruptible", *arguments], catch_exceptions=True)


@pytest.fixture(scope="module")
def tables():
    return load_tables()


@pytest.fixture(scope="module")
def result(tables):
    scenario = quick_scenario(profiles=["crypto"], only=PLACES)
    return interruptible(scenario, tables, availability=0.5, blocks=True)


def test_figures_agree_with_each_other(result):
    frame = result.frame.set_index("site_id")
    assert set(frame.index) == set(PLACES)
    assert (frame["capped_hours_run"] <= 0.5 * 8760 + 1e-6).all()
    assert (frame["capped_margin_usd_per_mw_year"] <= frame["margin_usd_per_mw_year"] + 1e-6).all()
    assert (frame["capped_price_paid_usd_per_mwh"] <= frame["price_paid_usd_per_mwh"] + 1e-6).all()
    assert frame["curtailed_ratio"].to_numpy() == pytest.approx(1 - frame["hours_run"].to_numpy() / 8760)
    assert (frame["block_error_ratio"] <= 1e-3).all()
    after = frame["margin_usd_per_mw_year"] - frame["demand_usd_per_mw_year"]
    assert frame["margin_after_demand_usd_per_mw_year"].to_numpy() == pytest.approx(after.to_numpy())
    assert frame["margin_after_demand_usd_per_mw_year"].is_monotonic_decreasing


def test_the_demand_charge_of_quincy_is_paid_whether_it_runs_or_not(result):
    quincy = result.frame.set_index("site_id").loc["us-quincy-wa"]
    assert quincy["demand_usd_per_mw_year"] == pytest.approx(6.0 * 1000 * 12 * 1.04, rel=0.05)
    assert quincy["price_class"] == "crypto"


def test_the_curve_gives_the_hours_of_any_break_even(result):
    frame = result.frame.set_index("site_id")
    for site in ("us-plano-tx", "us-quincy-wa"):
        assert hours_at(result, site, 95.0) == pytest.approx(frame.loc[site, "hours_run"], abs=60)
        assert hours_at(result, site, 1e6) == pytest.approx(8760)
    assert hours_at(result, "is-keflavik", 10.0) == 0


def test_a_place_without_a_market_says_so(result):
    assert any("no market curve" in text and "is-keflavik" in text for text in result.notes)


def test_restarts_cost_margin_and_stops(tables):
    scenario = quick_scenario(profiles=["crypto"], only=["us-plano-tx"])
    paid = interruptible(
        scenario,
        tables,
        restarts=Restarts(usd_per_restart=500.0, lost_hours=1.0, min_run_hours=6),
        min_availability=0.97,
    ).frame.iloc[0]
    assert paid["restart_margin_usd_per_mw_year"] < paid["margin_usd_per_mw_year"]
    assert paid["restart_hours_run"] >= 0.97 * 8760 - 1e-6
    assert 0 < paid["restart_starts"] < 60


def test_the_table_has_a_chart_and_notes():
    result = run("--break-even", "95", "quincy", "plano", "keflavik")
    assert result.exit_code == 0, result.output
    assert "Hours run" in result.stdout
    assert "break-even 95" in result.stdout
    assert "no market curve" in result.stdout
    assert "100 % of hours" in result.stdout


def test_json_and_csv_hold_data_only_and_say_the_same():
    asked = ("--break-even", "95", "--sites", "quincy,keflavik", "--availability", "0.8")
    document = json.loads(run(*asked, "--format", "json").stdout)
    rows = document["tables"]["interruptible"]["rows"]
    read = list(csv.DictReader(io.StringIO(run(*asked, "--format", "csv").stdout)))
    assert [row["site_id"] for row in rows] == [row["site_id"] for row in read]
    for one, other in zip(rows, read, strict=True):
        assert one["hours_run"] == pytest.approx(float(other["hours_run"]), rel=1e-6)


def test_a_removed_subsidy_costs_kuwait_its_margin():
    def kuwait(*more):
        text = run("kuwait", "--format", "csv", *more).stdout
        return next(csv.DictReader(io.StringIO(text)))

    with_, without = kuwait(), kuwait("--subsidy-removed")
    assert with_["subsidized"] in ("True", "true", "yes", "1")
    assert float(with_["margin_usd_per_mw_year"]) > 10 * float(without["margin_usd_per_mw_year"])


def test_a_load_that_sheds_at_the_peak_pays_no_demand_charge():
    def quincy(*more):
        text = run("us-quincy-wa", "--format", "csv", *more).stdout
        return next(csv.DictReader(io.StringIO(text)))

    stays, sheds = quincy(), quincy("--sheds-at-peak")
    assert float(stays["demand_usd_per_mw_year"]) > 70_000
    assert float(sheds["demand_usd_per_mw_year"]) == 0
    assert float(sheds["margin_usd_per_mw_year"]) == pytest.approx(float(stays["margin_usd_per_mw_year"]))


def test_the_picture_is_a_whole_svg_file(tmp_path):
    path = tmp_path / "curve.svg"
    asked = ("plano", "--chart", str(path))
    assert run(*asked).exit_code == 0
    assert path.read_text(encoding="utf-8").startswith("<svg")
    assert isinstance(run(*asked).exception, DcsiteError)
    assert run(*asked, "--force").exit_code == 0


def test_own_prices_and_own_places(tmp_path):
    path = tmp_path / "prices.csv"
    values = np.where(np.arange(8760) % 24 < 12, 20.0, 200.0)
    path.write_text("price_usd_per_mwh\n" + "\n".join(f"{v:g}" for v in values) + "\n")
    result = run("--at", "60.0,10.0,North", "--prices", str(path), "--format", "csv", "--break-even", "95")
    row = next(csv.DictReader(io.StringIO(result.stdout)))
    assert float(row["hours_run"]) == pytest.approx(4380, abs=1)
    assert float(row["price_paid_usd_per_mwh"]) == pytest.approx(20.0, abs=0.1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--break-even", "-1"), "--break-even -1"),
        (("--availability", "1.5", "plano"), "--availability 1.5"),
        (("--availability", "0", "plano"), "nothing may run"),
        (("--pass-through", "2", "plano"), "--pass-through 2"),
        (("--price-weather-corr", "-2", "plano"), "--price-weather-corr"),
        (("--profile", "cloud", "plano"), "no break-even"),
        (("nowhere-at-all",), "nowhere-at-all"),
        (("plano", "--prices", "missing.csv"), "missing.csv: no such file"),
        (("plano", "--chart", "curve.png"), "must end in .svg"),
        (("plano", "--price-year", "1999"), "price_year"),
    ],
)
def test_bad_input_is_refused_in_one_message(arguments, said):
    result = run(*arguments)
    assert isinstance(result.exception, DcsiteError)
    assert said in str(result.exception)


def test_a_page_holds_the_duration_curves_and_a_picture_is_one(tmp_path):
    page, picture = tmp_path / "page.html", tmp_path / "curve.svg"
    for path in (page, picture):
        run("plano", "--availability", "0.9", "--out", str(path))
    assert "How long which price holds" in page.read_text(encoding="utf-8")
    assert "data:image/svg" in page.read_text(encoding="utf-8")
    assert "us-plano-tx" in picture.read_text(encoding="utf-8")
    assert picture.read_text(encoding="utf-8").startswith("<svg")
