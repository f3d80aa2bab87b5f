"""dcsite spectrum and dcsite robust on the shipped tables: what they find, print and refuse."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from dcsite.cli.app import app
from dcsite.data.tables import load_tables
from dcsite.errors import DcsiteError, UsageError
from dcsite.scoring.ranking import rank
from dcsite.study.evaluating import evaluate
from dcsite.study.price_years import of_year
from dcsite.study.quick import quick_scenario, weights_of
from dcsite.study.robust import (
    intervals_of,
    of_ranking,
    price_worlds,
    robust_sentences,
    with_price_worlds,
    years_of,
)
from dcsite.study.spectrum import density_gates, rack_limits, spectrum, with_reach


@pytest.fixture(scope="module")
def tables():
    return load_tables(None)


@pytest.fixture(scope="module")
def cloud(tables):
    return evaluate(quick_scenario(profiles=["cloud"], users="USA", where={"country": "USA"}), tables)


@pytest.mark.slow
def test_the_spectrum_of_the_united_states_ends_at_quincy(cloud, tables):
    found = spectrum(cloud, tables)
    reach = found.lines.set_index("site_id")["reach_value_ratio"]
    assert found.rack[-1].site_id == "us-quincy-wa"
    assert found.rack[0].site_id != "us-quincy-wa"
    assert reach[found.rack[0].site_id] > reach["us-quincy-wa"] + 0.3
    assert found.worth[0].site_id == "us-quincy-wa"
    assert found.rack_factor_max == 16
    assert any("racks go to liquid" in note for note in found.notes)


@pytest.mark.slow
@pytest.mark.parametrize("factor", [1.0, 2.2, 5.0, 5.7, 9.0, 15.9])
def test_the_envelope_winner_is_first_when_everything_is_evaluated_at_that_rack_power(cloud, tables, factor):
    found = spectrum(cloud, tables)
    load = cloud.workloads["cloud"]
    changes = {"rack_kw": 8.0 * factor}
    if 8.0 * factor > 45:
        changes |= {"technologies": ("liquid_dry", "liquid_tower", "immersion"), "liquid_share": 0.8}
        changes |= {"supply_c": 32.0}
    changed = cloud.scenario.model_copy(update={"workloads": (load.model_copy(update=changes),)})
    first = rank(evaluate(changed, tables)).table
    scores = first.set_index("site_id")["score"]
    assert scores[found.winner(rack_factor=factor)] == pytest.approx(scores.max(), abs=1e-7)


def test_gates_stand_where_technologies_end(cloud, tables):
    profile = cloud.profiles["cloud"]
    limits = rack_limits(tables, profile, profile.technologies)
    gates, notes, last = density_gates(cloud, tables, "cloud", 3.0)
    assert (gates, notes, last) == ([], [], 3.0)  # 24 kW: air still cools
    gates, notes, last = density_gates(cloud, tables, "cloud", 30.0)
    assert [kw for kw, _ in gates] == sorted({kw for kw in limits.values() if 8 <= kw < 240})
    assert last * 8 == pytest.approx(140)  # nothing in the tables cools more
    for kw, evaluation in gates:
        technologies = set(evaluation.facts.loc[evaluation.facts["admissible"], "technology"])
        assert technologies
        assert technologies.isdisjoint(name for name, limit in limits.items() if limit <= kw)


def test_one_named_technology_ends_the_axis_where_it_ends(tables):
    asked = quick_scenario(profiles=["cloud"], users="USA", only=["quincy", "plano"], technology="tower_wse")
    found = spectrum(evaluate(asked, tables), tables)
    assert found.rack_factor_max == pytest.approx(45 / 8)
    assert any("ends at 45 kW" in note for note in found.notes)


def test_training_has_a_spectrum_once_its_users_are_looked_at(tables):
    asked = quick_scenario(profiles=["ai-training"], only=["quincy", "plano", "keflavik"])
    with pytest.raises(DcsiteError, match="has no users"):
        spectrum(evaluate(asked, tables), tables)
    found = spectrum(evaluate(with_reach(asked), tables), tables)
    assert found.worth_now_usd_per_rack_year == 0
    assert len({entry.site_id for entry in found.rack}) == 1


def test_robustness_says_in_words_what_the_figures_say(cloud):
    ranking = rank(cloud)
    result = of_ranking(ranking, 500, 1, concentration=20.0)
    told = " ".join(robust_sentences(result, ranking))
    assert f"first in {result.table['first_ratio'][0]:.0%} of 500 draws" in told
    assert f"{int(result.table['can_win'].sum())} of {len(result.table)} sites are first" in told
    assert "draw level: move" in told
    assert told.count("Weight of ") == 4


def test_weight_intervals_are_read_or_refused():
    assert intervals_of("price=0.2..0.5, latency=0..0.3") == {"price": (0.2, 0.5), "latency": (0.0, 0.3)}
    assert intervals_of(None) is None
    for text, complaint in (
        ("prise=0..1", "unknown criterion"),
        ("price=0.2", "not NAME=LOW..HIGH"),
        ("price=a..b", "not NAME=LOW..HIGH"),
        ("price=0.5..0.2", "needs 0 <= LOW"),
        ("price=0..2", "needs 0 <= LOW"),
        ("price=0..1,price=0..1", "given twice"),
    ):
        with pytest.raises(UsageError, match=complaint):
            intervals_of(text)


def test_weights_option_takes_judgments_of_pairs(tables):
    asked = quick_scenario(
        profiles=["crypto"],
        only=["quincy", "plano"],
        weights=weights_of("price/water=3,price/cooling=2,water/cooling=1"),
    )
    ranking = rank(evaluate(asked, tables))
    assert ranking.weights.weight["price"] > ranking.weights.weight["cooling"] > 0
    assert "pairwise judgments" in ranking.notes[0]
    with pytest.raises(UsageError, match="either weights or judgments"):
        weights_of("price/water=3,cooling=2")


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.slow
def test_spectrum_prints_tables_sentences_json_and_a_picture(tmp_path):
    chart = tmp_path / "spectrum.svg"
    shown = run("spectrum", "quincy", "plano", "keflavik", "--users", "USA", "--chart", str(chart))
    assert shown.exit_code == 0, shown.output
    assert "Racks of 8.0 to" in shown.output
    assert "Latency worth 0 to" in shown.output
    assert chart.read_text(encoding="utf-8").startswith("<svg")
    found = run("spectrum", "quincy", "plano", "--format", "json")
    document = json.loads(found.stdout)
    assert any("spectrum" in str(key) for key in document["tables"])


@pytest.mark.slow
def test_robust_prints_a_table_and_refuses_contradictions():
    shown = run("robust", "--profile", "crypto", "--draws", "300", "--top", "3", "--where", "country=USA")
    assert shown.exit_code == 0, shown.output
    assert "300 draws, seed 0" in shown.output
    assert shown.output.count("Weight of ") == 3
    both = run("robust", "--around", "5", "--any-weights")
    assert isinstance(both.exception, UsageError)
    wrong = run("spectrum", "quincy", "plano", "--chart", "x.png")
    assert isinstance(wrong.exception, UsageError)


def test_price_years_say_who_wins_when_the_market_is_another(tables):
    where = {"country": ["USA", "NOR", "SWE", "DEU"]}
    asked = quick_scenario(profiles=["ai-training"], where=where)
    evaluation = evaluate(asked, tables)
    ranking = rank(evaluation)
    worlds = price_worlds(ranking, evaluation, tables, (2020, 2022))
    found = with_price_worlds(ranking, worlds, 500, 0, concentration=20.0)
    winners = found.worlds.set_index("price_year")["winner_site_id"]
    for year in (2020, 2022):
        again = rank(evaluate(of_year(asked, year), tables))
        assert winners[year] == again.table["site_id"].iloc[0]
    spread = found.table.set_index("site_id")
    frankfurt = spread.loc["de-frankfurt"]
    assert frankfurt["price_p90_usd_per_mwh"] > frankfurt["price_p10_usd_per_mwh"] + 50
    assert any("market years" in note for note in found.notes)
    ahead = price_worlds(ranking, evaluation, tables, (2020, 2022), ahead_years=4, seed=1)
    assert ahead.price_usd_per_mwh.shape == (400, len(ranking.table))
    assert set(ahead.years) == {2020, 2022}
    narrow = worlds.price_usd_per_mwh.std(axis=0)
    assert (ahead.price_usd_per_mwh.std(axis=0) >= narrow - 1e-9).mean() > 0.9


def test_price_years_are_read_or_refused(tables):
    assert years_of("all")[0] == 2020
    assert years_of("2021,2023..2024") == (2021, 2023, 2024)
    for text in ("2019", "2020..", "x", ""):
        with pytest.raises(UsageError, match="2020 to 2025"):
            years_of(text)
    miner = evaluate(quick_scenario(profiles=["crypto"], where={"country": "USA"}), tables)
    with pytest.raises(UsageError, match="may stop"):
        price_worlds(rank(miner), miner, tables, ahead_years=3)
    lonely = run("robust", "--ahead-years", "3")
    assert isinstance(lonely.exception, UsageError)
