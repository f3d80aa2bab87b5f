"""Sweeps: keys and values, grids and samples, equal bytes, refusals as results, and going on."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsite.batch.axes import Axis, axis_of, grid, grid_size, one_at_a_time, path_of, put, sample
from dcsite.batch.sweep import read_sweep, register_axes, sweep, tornado_svg
from dcsite.data.scenario_file import parse_scenario
from dcsite.data.tables import load_tables
from dcsite.errors import ScenarioError, UsageError
from dcsite.study.evaluating import evaluate
from dcsite.study.portfolio import optimize

RAW = {
    "format": 1,
    "sites": {"only": ["us-quincy-wa", "us-plano-tx", "is-keflavik"]},
    "workloads": [
        {"name": "cloud", "profile": "cloud", "it_mw": 40, "users": "north-america"},
        {"name": "mining", "profile": "crypto", "it_mw": 20},
    ],
}
SETTINGS = ["carbon_price=0,50", "workloads.cloud.rack_kw=8,32"]


@pytest.fixture(scope="module")
def scenario():
    return parse_scenario(RAW)


@pytest.fixture(scope="module")
def serial(scenario, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep") / "serial"
    return folder, sweep(scenario, SETTINGS, out=folder)


def everything(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("log.csv", "run.lock")
    }


def test_values_lists_and_ranges():
    assert axis_of("prices=2020..2022").values == (2020, 2021, 2022)
    assert axis_of("carbon_price=0..1:0.5").values == (0.0, 0.5, 1.0)
    assert axis_of('it_mw=[1, 2],"a,b",true,x').values == ([1, 2], "a,b", True, "x")
    assert grid_size([axis_of("max_sites=1..4"), axis_of("gap=0.1,0.2")]) == 8
    assert list(grid([axis_of("max_sites=1,2"), axis_of("gap=0.1,0.2")]))[1] == {"max_sites": 1, "gap": 0.2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("carbon_price", "not KEY=VALUES"),
        ("carbon_price=", "not KEY=VALUES"),
        ("carbon_price=1,,2", "an empty value"),
        ("carbon_price=5..1", "is not LOW..HIGH"),
        ("carbon_price=0..1:0", "is not LOW..HIGH"),
        ("carbon_price=0..1e9:1e-3", "at most 100000"),
        ("carbon_price=nan", "cannot be a value"),
        ("max_site=1", "did you mean 'max_sites'"),
        ("limits..x=1", "an empty part"),
    ],
)
def test_a_setting_that_means_nothing_is_refused_with_the_reason(text, message):
    with pytest.raises(UsageError) as caught:
        axis_of(text)
    assert message in str(caught.value)


def test_paths_reach_names_ids_profiles_and_all_entries():
    raw = {"workloads": [{"name": "a"}, {"name": "b"}]}
    put(raw, "workloads.*.it_mw", 3)
    put(raw, "workloads.b.it_mw", 4)
    put(raw, "sites.override.us-x.price_usd_per_mwh", 5)
    put(raw, "profiles.cloud.rack_kw", 9)
    assert raw == {
        "workloads": [{"name": "a", "it_mw": 3}, {"name": "b", "it_mw": 4}],
        "sites": {"override": [{"id": "us-x", "price_usd_per_mwh": 5}]},
        "profiles": {"cloud": {"base": "cloud", "rack_kw": 9}},
    }
    with pytest.raises(UsageError, match="no entry 'c'"):
        put(raw, "workloads.c.it_mw", 1)
    with pytest.raises(UsageError, match="has no keys"):
        put(raw, "workloads.it_mw", 1)
    assert path_of("weights.price") == "score.weights.price"


@given(st.integers(0, 2**31), st.integers(0, 1000))
def test_a_draw_depends_on_seed_and_number_alone_and_stays_in_its_range(seed, number):
    axes = [axis_of("carbon_price=0.0..10.0"), axis_of("max_sites=3..5"), axis_of("prices=2020,2022")]
    drawn = sample(axes, seed, number)
    assert drawn == sample(axes, seed, number)
    assert 0 <= drawn["carbon_price"] <= 10
    assert drawn["max_sites"] in (3, 4, 5)
    assert drawn["prices"] in (2020, 2022)
    assert sample([*axes, axis_of("gap=0.1,0.2")], seed, number) | {"gap": 0} == {**drawn, "gap": 0}


def test_who_wins_depends_on_rack_power_and_the_tables_say_so(serial):
    _, found = serial
    winners = found.runs.set_index(["workload", "name"])["winner_site_id"]
    assert winners["cloud", "carbon_price=0, workloads.cloud.rack_kw=8"] == "us-plano-tx"
    assert winners["cloud", "carbon_price=0, workloads.cloud.rack_kw=32"] == "us-quincy-wa"
    movers = found.movers[found.movers["workload"] == "cloud"].set_index("site_id")
    assert movers["first_ratio"].to_dict() == {"us-plano-tx": 0.5, "us-quincy-wa": 0.5, "is-keflavik": 0.0}
    assert movers.loc["us-plano-tx", ["best_rank", "worst_rank"]].tolist() == [1.0, 2.0]
    assert found.finished == found.planned == 4


@pytest.mark.slow
def test_processes_give_the_bytes_of_a_serial_run(scenario, serial, tmp_path):
    sweep(scenario, SETTINGS, out=tmp_path / "two", jobs=2)
    assert everything(tmp_path / "two") == everything(serial[0])


def test_a_sweep_goes_on_where_it_was(scenario, serial, tmp_path):
    import shutil

    folder = tmp_path / "run"
    shutil.copytree(serial[0], folder)
    gone = folder / "tasks/00000/0000002.json"
    gone.unlink()
    (folder / "runs.csv").unlink()
    assert read_sweep(folder).finished == 3
    seen = []
    sweep(
        scenario,
        SETTINGS,
        out=folder,
        resume=True,
        progress=lambda done, planned: seen.append((done, planned)),
    )
    assert seen[-1] == (4, 4)
    assert everything(folder) == everything(serial[0])
    assert (folder / "log.csv").read_text().count("\n0000002,") == 2
    with pytest.raises(UsageError, match="mix two different runs"):
        sweep(scenario, ["carbon_price=0,51"], out=folder, resume=True)


def test_more_samples_add_runs_and_change_none(scenario, tmp_path):
    small = parse_scenario({**RAW, "workloads": RAW["workloads"][1:]})
    first = sweep(small, ["carbon_price=0.0..100.0"], samples=2, seed=4, out=tmp_path / "run")
    before = everything(tmp_path / "run")
    more = sweep(small, ["carbon_price=0.0..100.0"], samples=3, seed=4, out=tmp_path / "run", resume=True)
    assert more.runs["carbon_price"].tolist()[:2] == first.runs["carbon_price"].tolist()
    assert (more.finished, first.finished) == (3, 2)
    for name, data in before.items():
        if name.startswith("tasks"):
            assert everything(tmp_path / "run")[name] == data


def test_what_no_run_could_use_is_refused_at_once_with_all_reasons(scenario):
    with pytest.raises(ScenarioError) as caught:
        sweep(scenario, ["workloads.cloud.coverage=2", "discount_rate=5"])
    text = str(caught.value)
    assert "--set workloads.cloud.coverage=2" in text
    assert "--set discount_rate=5" in text
    with pytest.raises(UsageError, match="nothing to vary"):
        sweep(scenario, [])
    with pytest.raises(UsageError, match="given twice"):
        sweep(scenario, ["max_sites=1", "limits.max_sites=2"])


def test_a_setting_that_leaves_no_site_is_a_result_with_its_reason(scenario):
    small = parse_scenario({**RAW, "workloads": RAW["workloads"][:1]})
    found = sweep(small, ["workloads.cloud.max_rtt_ms=200,0.5"])
    assert found.runs["status"].tolist()[0] == "ok"
    assert found.runs["status"].tolist()[1] != "ok"
    assert "no site is left to rank" in found.runs["problem"].tolist()[1]


def test_the_picture_is_well_formed_and_names_every_site(serial):
    import xml.etree.ElementTree as ET

    text = (serial[0] / "movers.svg").read_text(encoding="utf-8")
    ET.fromstring(text)
    assert all(site in text for site in RAW["sites"]["only"])


def test_the_command_prints_status_and_machine_readable_runs(serial, monkeypatch, capsys):
    from dcsite.cli import batch
    from dcsite.cli.options import Format

    batch.sweep("status", serial[0], output_format=Format.table, top=2)
    shown = capsys.readouterr()
    assert "Who moves, cloud (first 2 of 3)" in shown.out
    assert "4 of 4 runs are finished." in shown.err
    batch.sweep("status", serial[0], output_format=Format.json, top=2)
    document = json.loads(capsys.readouterr().out)
    assert re.search("us-plano-tx", json.dumps(document))
    with pytest.raises(UsageError, match="no run folder"):
        batch.sweep("status", serial[0] / "none")


def test_an_axis_can_be_given_as_values(scenario):
    small = parse_scenario({**RAW, "workloads": RAW["workloads"][1:]})
    found = sweep(small, [Axis("om", "workloads.mining.fixed_om_ratio", (0.03,), (0.03,))])
    assert found.runs["name"].tolist() == ["om=0.03"]


def test_prices_take_market_years_and_words_and_reach_loads_that_do_not_say_otherwise():
    raw = {"workloads": [{"name": "a"}, {"name": "b", "pass_through": 0.2}]}
    put(raw, "prices", 2022)
    assert raw["price_year"] == 2022
    assert [load["pass_through"] for load in raw["workloads"]] == [1.0, 0.2]
    plain = {"workloads": [{"name": "a"}]}
    put(plain, "prices", "high")
    assert plain == {"workloads": [{"name": "a"}], "price_case": "high"}
    with pytest.raises(UsageError, match="crisis-2022"):
        put(plain, "prices", "crisis")


def test_the_market_of_a_year_moves_a_firm_load():
    question = parse_scenario({**RAW, "workloads": RAW["workloads"][:1]})
    found = sweep(question, ["prices=2020,2021"], kept=3)
    first, second = found.runs["score"]
    assert first != second


PORTFOLIO = {
    "format": 1,
    "sites": {"only": ["us-quincy-wa", "us-plano-tx", "is-keflavik"]},
    "workloads": [{"name": "training", "profile": "ai-training", "it_mw": 60}],
    "solver": {"gap": 1e-6},
}


def test_one_at_a_time_varies_each_key_alone():
    axes = [axis_of("max_sites=1,2"), axis_of("discount_rate=0.05,0.12")]
    assert list(one_at_a_time(axes)) == [
        {},
        {"max_sites": 1},
        {"max_sites": 2},
        {"discount_rate": 0.05},
        {"discount_rate": 0.12},
    ]


def test_each_bar_of_a_portfolios_tornado_is_the_best_plan_at_that_value(tmp_path):
    asked = parse_scenario(PORTFOLIO)
    tables = load_tables()
    axes = [axis for axis in register_axes(asked, tables) if axis.name in ("discount_rate", "price_case")]
    found = sweep(asked, axes, alone=True, do="optimize", out=tmp_path / "run")
    table = found.tornado.set_index("key")
    assert set(table.index) == {"discount_rate", "price_case"}
    row = table.loc["discount_rate"]
    for end, rate in (("low", 0.05), ("high", 0.12)):
        changed = parse_scenario({**PORTFOLIO, "discount_rate": rate})
        plan = optimize(changed, evaluate(changed, tables))
        assert row[f"at_{end}_usd_per_year"] == pytest.approx(plan.objective_usd_per_year, rel=1e-6)
    assert row["at_low_usd_per_year"] < row["at_value_usd_per_year"] < row["at_high_usd_per_year"]
    assert found.tornado["swing_usd_per_year"].is_monotonic_decreasing
    assert read_sweep(tmp_path / "run").tornado.equals(found.tornado)
    picture = (tmp_path / "run" / "tornado.svg").read_text()
    assert picture == tornado_svg(found)
    assert "discount_rate" in picture
    assert "M USD/year" in picture


def test_the_register_offers_only_what_moves_a_portfolio():
    names = {axis.name for axis in register_axes(parse_scenario(PORTFOLIO), load_tables())}
    assert {"discount_rate", "price_case", "workloads.training.capex_factor"} <= names
    assert not any(name.startswith(("score.", "money.")) or "break_even" in name for name in names)


def test_a_tornado_takes_no_samples():
    with pytest.raises(UsageError, match="exclude each other"):
        sweep(parse_scenario(PORTFOLIO), ["discount_rate=0.05..0.12"], alone=True, samples=3)
