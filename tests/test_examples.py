"""The examples of own data do what their first lines say, and faults in such data are told with their place."""

import sys
from pathlib import Path

import numpy as np
import pytest

import dcsite
from dcsite.data.own_values import read_own_values
from dcsite.data.scenario_file import parse_scenario
from dcsite.errors import DataError, ScenarioError

ROOT = Path(__file__).resolve().parents[1]
SCENARIOS = sorted(path.name for path in (ROOT / "examples").glob("own_*.toml"))
"""The others are run by docs/questions.md."""


@pytest.fixture(autouse=True)
def at_the_top(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def tables():
    return dcsite.load_tables()


def evaluated(tables, name, **changes):
    scenario = dcsite.load_scenario(f"examples/{name}")
    return dcsite.evaluate(scenario.model_copy(update=changes), tables)


def first_of(evaluation, column):
    return evaluation.facts.groupby("site_id")[column].first()


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_command_of_an_example_runs(name, monkeypatch, capsys):
    from dcsite.cli import app

    text = (ROOT / "examples" / name).read_text(encoding="utf-8")
    command = next(line for line in text.splitlines() if line.startswith("#   dcsite"))
    monkeypatch.setattr(sys, "argv", command.lstrip("# ").split())
    with pytest.raises(SystemExit) as left:
        app.main()
    assert left.value.code == 0
    assert capsys.readouterr().out


def test_an_own_criterion_scores_between_its_anchors(tables):
    evaluation = evaluated(tables, "own_criteria.toml")
    ranking = dcsite.rank(evaluation)
    rows = ranking.table.set_index("site_id")
    assert rows.loc["us-quincy-wa", "score_labor"] == pytest.approx(20 * (80 - 58) / 60)
    assert rows.loc["us-plano-tx", "score_labor"] == pytest.approx(20 * (80 - 46) / 60)
    parts = [column for column in rows if column.startswith("score_") and column != "score_sd"]
    assert rows[parts].sum(axis=1).to_numpy() == pytest.approx(rows["score"].to_numpy())
    assert first_of(evaluation, "own_labor_sd")["us-quincy-wa"] == 6
    assert first_of(evaluation, "own_labor_sd")["us-plano-tx"] == 4


def test_a_site_without_a_figure_is_excluded_with_that_reason(tables):
    evaluation = evaluated(tables, "own_criteria.toml")
    ranking = dcsite.rank(evaluation)
    assert np.isnan(first_of(evaluation, "own_labor")["is-keflavik"])
    assert "is-keflavik" not in set(ranking.table["site_id"])
    reason = ranking.excluded.set_index("site_id").loc["is-keflavik", "reason"]
    assert "labor" in reason.lower()


def test_a_page_holds_an_own_criterion(tables, tmp_path):
    evaluation = evaluated(tables, "own_criteria.toml")
    (page,) = dcsite.write_report(dcsite.rank(evaluation), tmp_path / "own.html", evaluation=evaluation)
    text = page.read_text(encoding="utf-8")
    assert "Skilled labor" in text
    assert "own_labor" in text


def test_an_own_criterion_comes_from_a_column_too(tables, tmp_path):
    sites = tmp_path / "sites.csv"
    sites.write_text("name,lat,lon,x_noise\nNorth,47.3,-119.9,3\nSouth,33.0,-96.7,\n", encoding="utf-8")
    raw = {
        "format": 1,
        "sites": {"catalog": "none", "file": str(sites)},
        "workloads": [{"name": "load", "profile": "ai-training", "it_mw": 10}],
        "score": {"own": {"noise": {"column": "x_noise", "best": 0, "worst": 10}}},
    }
    value = first_of(dcsite.evaluate(parse_scenario(raw), tables), "own_noise")
    assert value["north"] == 3
    assert np.isnan(value["south"])
    raw["score"]["own"]["noise"]["column"] = "x_silence"
    with pytest.raises(ScenarioError, match="x_silence"):
        dcsite.evaluate(parse_scenario(raw), tables)
    sites.write_text("name,lat,lon,x_noise\nNorth,47.3,-119.9,loud\n", encoding="utf-8")
    raw["score"]["own"]["noise"]["column"] = "x_noise"
    with pytest.raises(DataError, match="'loud' is not a number"):
        dcsite.evaluate(parse_scenario(raw), tables)


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ({"price": {"file": "a.csv", "best": 0, "worst": 1}}, "built-in"),
        ({"noise": {"best": 0, "worst": 1}}, "either column or file"),
        ({"noise": {"file": "a.csv", "best": 1, "worst": 1}}, "must differ"),
        ({"noise": {"column": "noise", "best": 0, "worst": 1}}, "x_"),
        ({"No ise": {"file": "a.csv", "best": 0, "worst": 1}}, "pattern"),
    ],
)
def test_an_own_criterion_that_makes_no_sense_is_refused(own, told):
    raw = {
        "format": 1,
        "workloads": [{"name": "load", "profile": "cloud", "it_mw": 10}],
        "score": {"own": own},
    }
    with pytest.raises(ScenarioError, match=told):
        parse_scenario(raw)


def test_every_fault_of_a_file_of_figures_is_told(tmp_path):
    path = tmp_path / "labor.csv"
    path.write_text("site_id,value,sd\na,1,\na,two,-3\n,nan,\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_own_values(path)
    text = str(caught.value)
    for told in ("line 3, site_id: 'a' comes twice", "'two' is not a number", "'-3' is not", "line 4"):
        assert told in text
    path.write_text("site,value\na,1\n", encoding="utf-8")
    with pytest.raises(DataError, match="unknown column 'site'"):
        read_own_values(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_own_values(tmp_path / "nowhere.csv")


def test_an_offer_goes_before_the_tables(tables):
    evaluation = evaluated(tables, "own_prices.toml")
    facts = evaluation.facts.set_index("site_id").loc["us-columbus-oh"].iloc[0]
    assert facts["price_usd_per_mwh"] == 39.5
    assert facts["carbon_kg_per_mwh"] == pytest.approx(120 * facts["pue"])
    assert evaluation.sites.loc["us-columbus-oh", "grid_mw"] == 240


def test_own_measurements_rule_near_their_ends(tables):
    own = evaluated(tables, "own_rtt.toml")
    modeled = evaluated(tables, "own_rtt.toml", rtt_reference=None)
    market, without = own.markets["cloud"], modeled.markets["cloud"]
    site = list(own.sites["site_id"]).index("us-quincy-wa")
    other = list(own.sites["site_id"]).index("us-ashburn-va")
    names = list(market.points["name"])
    there = next(place for place, name in enumerate(names) if "Los Angeles" in name)
    assert market.rtt_ms[site, there] == pytest.approx(24.0, abs=2.0)
    assert abs(without.rtt_ms[site, there] - 24.0) > abs(market.rtt_ms[site, there] - 24.0)
    far = next(place for place, name in enumerate(names) if "Miami" in name)
    assert market.rtt_ms[other, far] == pytest.approx(without.rtt_ms[other, far], rel=0.05)


def test_a_profile_of_the_scenario_keeps_what_it_does_not_change(tables):
    evaluation = evaluated(tables, "own_profile.toml")
    profile, base = evaluation.profiles["frames"], dcsite.load_profiles(tables)["hpc-batch"]
    assert profile.rack_kw == 25
    assert profile.interruptible_fraction == 0.4
    assert profile.load_factor == base.load_factor
    assert profile.technologies == base.technologies


def test_parameters_of_a_technology_can_be_replaced(tables, tmp_path):
    """As docs/own_data.md says: the shipped table with other figures, in a data folder."""
    frame = tables.frame("cooling_technologies").copy()
    mine = (frame["technology"] == "air_chiller") & (frame["symbol"] == "app_c")
    assert mine.any()
    frame.loc[mine, ["low", "typical", "high"]] = [3.0, 5.0, 7.0]
    frame["widened"] = frame["widened"].astype(str).str.lower()
    (tmp_path / "profiles").mkdir()
    frame.to_csv(tmp_path / "profiles" / "cooling_technologies.csv", index=False)
    scenario = dcsite.quick_scenario(
        profiles=["enterprise"], only=["us-phoenix-az"], technology="air_chiller"
    )
    shipped = dcsite.evaluate(scenario, tables).facts["pue"].iloc[0]
    better = dcsite.evaluate(scenario, dcsite.load_tables(tmp_path)).facts["pue"].iloc[0]
    assert better < shipped - 0.005
