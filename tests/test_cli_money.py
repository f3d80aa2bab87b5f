"""dcsite money and dcsite assumptions on the shipped tables."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from dcsite.batch.axes import axis_of, with_settings
from dcsite.cli.app import app
from dcsite.data.scenario_file import parse_scenario
from dcsite.data.tables import load_tables
from dcsite.errors import DcsiteError, ScenarioError, UsageError
from dcsite.physics.finance import project
from dcsite.study.assumptions import assumptions_frame, register, value_text, with_value
from dcsite.study.evaluating import evaluate
from dcsite.study.money import money
from dcsite.study.quick import quick_scenario

PLAIN = {"money": {"build_schedule": [1.0], "inflation_ratio": 0.0, "tax_ratio": 0.0}, "escalation": "none"}


@pytest.fixture(scope="module")
def tables():
    return load_tables(None)


@pytest.fixture(scope="module")
def training(tables):
    asked = quick_scenario(profiles=["ai-training", "crypto"], only=["quincy", "plano", "keflavik"])
    return evaluate(asked, tables)


def under(evaluation, **changes):
    """The same facts under changed terms."""
    scenario = evaluation.scenario
    for key, value in changes.items():
        scenario = with_value(scenario, key.replace("__", "."), value)
    return replace(evaluation, scenario=scenario)


def test_without_growth_tax_and_building_time_money_is_the_levelized_cost_of_the_facts(tables):
    asked = quick_scenario(
        profiles=["ai-training"], only=["quincy", "plano"], sites=None, **PLAIN, horizon_years=12
    )
    asked = with_value(asked, "sites.opening_usd", 0.0)
    evaluation = evaluate(asked, tables)
    for site in evaluation.sites.index:
        found = money(evaluation, site, sensitivity=False)
        facts = evaluation.of("ai-training").loc[(site, found.technology)]
        assert found.summary["levelized_usd_per_it_mwh"] == pytest.approx(
            facts["levelized_usd_per_it_mwh"], rel=1e-9
        )
        assert found.summary["break_even_usd_per_mwh"] == pytest.approx(
            facts["levelized_usd_per_it_mwh"], rel=1e-6
        )
        hours = found.accelerator_hours_per_year
        assert hours == pytest.approx(784.3 * 100 * 8760 * (1 - facts["derate_ratio"]))
        assert found.summary["levelized_usd_per_accelerator_hour"] * hours == pytest.approx(
            found.summary["levelized_usd_per_it_mwh"] * found.energy_mwh_per_year
        )


def test_the_cash_flow_is_the_one_that_the_figures_come_from(training):
    evaluation = under(training, money__revenue_usd_per_mwh=500.0)
    found = money(evaluation, "us-quincy-wa", workload="ai-training", sensitivity=False)
    table = found.table
    parts = [name for name in table if name.endswith("_usd")]
    parts = [
        name for name in parts if name not in ("net_usd", "cumulative_usd", "depreciation_usd", "taxable_usd")
    ]
    assert np.allclose(table[parts].sum(axis=1), table["net_usd"])
    assert table["cumulative_usd"].iloc[-1] == pytest.approx(table["net_usd"].sum())
    rate = evaluation.scenario.discount_rate
    npv = (table["net_usd"] / (1 + rate) ** table["time_years"]).sum()
    assert found.summary["npv_usd"] == pytest.approx(npv)
    irr = found.summary["irr_ratio"]
    assert (table["net_usd"] / (1 + irr) ** table["time_years"]).sum() == pytest.approx(0, abs=1e-3)
    at_break_even = replace(
        found.terms,
        revenue_usd_per_year=found.summary["break_even_usd_per_mwh"] * found.energy_mwh_per_year,
    )
    assert project(at_break_even).npv_usd == pytest.approx(0, abs=1e-2)
    # the tax of the country: 21 % federal and states for the United States
    assert 0.2 < found.summary["tax_ratio"] < 0.3
    assert -table["tax_usd"].sum() == pytest.approx(found.summary["tax_ratio"] * table["taxable_usd"].sum())


def test_a_miner_earns_what_running_is_worth(training):
    found = money(training, "is-keflavik", workload="crypto", sensitivity=False)
    row = training.of("crypto").loc[("is-keflavik", found.technology)]
    profile = training.profiles["crypto"]
    energy = 100 * 8760 * profile.load_factor * (1 - row["derate_ratio"]) * row["hours_run"] / 8760
    assert found.energy_mwh_per_year == pytest.approx(energy)
    assert found.terms.revenue_usd_per_year == pytest.approx(energy * profile.break_even_usd_per_mwh)
    assert any("worth of running" in note for note in found.notes)


def test_a_later_start_is_worth_less_and_the_price_of_a_month_says_how_much(training):
    evaluation = under(training, money__revenue_usd_per_mwh=500.0)
    now = money(evaluation, "us-quincy-wa", workload="ai-training", sensitivity=False)
    later = money(
        under(evaluation, money__delay_months=1.0), "us-quincy-wa", workload="ai-training", sensitivity=False
    )
    lost = now.summary["npv_usd"] - later.summary["npv_usd"]
    assert lost == pytest.approx(now.summary["delay_usd_per_month"])
    assert lost > 0
    assert now.summary["delay_is"] == "net present value lost"
    idle = money(training, "us-quincy-wa", workload="ai-training", sensitivity=False)
    assert idle.summary["delay_is"] == "capital standing idle"
    assert np.isnan(idle.summary["irr_ratio"])


def test_licenses_with_a_price_and_a_delay_enter_only_where_one_is_needed(tables):
    asked = quick_scenario(
        profiles=["ai-training"],
        only=["quincy", "kw-kuwait-city"],
        licenses={"delay_months": 6, "cost_usd": 3.0e6},
    )
    evaluation = evaluate(asked, tables)
    at_home = money(evaluation, "us-quincy-wa", sensitivity=False)
    abroad = money(evaluation, "kw-kuwait-city", sensitivity=False)
    assert at_home.terms.delay_months == 0
    assert abroad.terms.delay_months == 6
    facts = evaluation.of("ai-training").loc[("kw-kuwait-city", abroad.technology)]
    opening = evaluation.scenario.sites.opening_usd
    assert abroad.terms.capex_usd == pytest.approx(100 * facts["capex_usd_per_mw"] + opening + 3.0e6)
    assert any("export license" in note for note in abroad.notes)


def test_sales_tax_programs_are_told_and_count_only_when_asked(tables):
    base = {"profiles": ["ai-training"], "only": ["quincy", "moses"]}
    taxed = with_value(quick_scenario(**base), "money.sales_tax_ratio", 0.08)
    untaxed = evaluate(quick_scenario(**base), tables)
    site = "us-quincy-wa"
    plain = money(untaxed, site, tables, sensitivity=False)
    off = money(replace(untaxed, scenario=taxed), site, tables, sensitivity=False)
    on = money(
        replace(untaxed, scenario=with_value(taxed, "money.incentives", "on")),
        site,
        tables,
        sensitivity=False,
    )
    opening = untaxed.scenario.sites.opening_usd
    assert off.terms.capex_usd - opening == pytest.approx(
        (plain.terms.capex_usd - opening) * (1 + 0.08 * 0.6)
    )
    assert any("US-WA: sales-tax program" in note and "not counted" in note for note in off.notes)
    told = next(note for note in on.notes if "US-WA: sales-tax program" in note)
    if "not met" in told:
        assert on.terms.capex_usd == pytest.approx(off.terms.capex_usd)
    else:
        assert on.terms.capex_usd == pytest.approx(plain.terms.capex_usd)
    fees = [note for note in on.notes if "application fee" in note]
    assert len(fees) == 1  # the band of the load
    assert "over 40 MW" in fees[0]
    assert "proposed, not counted" in fees[0]


def test_a_program_whose_investment_is_not_met_frees_nothing(tables):
    small = quick_scenario(profiles=["cloud"], it_mw=0.5, only=["quincy", "plano"])
    small = with_value(with_value(small, "money.sales_tax_ratio", 0.08), "money.incentives", "on")
    found = money(evaluate(small, tables), "us-plano-tx", tables, sensitivity=False)
    assert any("US-TX: sales-tax program" in note and "not met; " in f"{note}; " for note in found.notes)
    assert not any("Texas" in note and "; counted" in note for note in found.notes)


@pytest.mark.slow
def test_each_bar_of_the_tornado_is_what_the_scenario_with_that_value_gives(training, tables):
    found = money(training, "us-quincy-wa", tables, workload="ai-training")
    frame = found.sensitivity.set_index("key")
    assert (frame["swing"].diff().dropna() <= 1e-9).all()
    assert frame["measure"].eq("levelized_usd_per_it_mwh").all()
    assert frame["at_value"].nunique() == 1
    for key in ("discount_rate", "money.delay_months", "workloads.ai-training.load_factor", "land_m2_per_mw"):
        for end in ("low", "high"):
            changed = evaluate(with_value(training.scenario, key, float(frame.at[key, end])), tables)
            again = money(changed, "us-quincy-wa", workload="ai-training", sensitivity=False)
            assert frame.at[key, f"at_{end}"] == pytest.approx(again.summary["levelized_usd_per_it_mwh"])
    assert {"site: price_usd_per_mwh", "site: pue", "site: capex_usd_per_w"} <= set(frame.index)


def test_a_site_that_cannot_carry_the_load_is_refused_with_the_reason(tables):
    asked = quick_scenario(profiles=["ai-training"], only=["quincy", "shanghai"])
    evaluation = evaluate(asked, tables)
    denied = next(site for site in evaluation.sites.index if site.startswith("cn-"))
    with pytest.raises(DcsiteError, match=f"{denied} cannot carry") as caught:
        money(evaluation, denied)
    assert caught.value.hint


# ---- the register


@pytest.fixture(scope="module")
def full():
    return quick_scenario(profiles=["cloud", "crypto"], only=["quincy"])


def test_every_settable_key_can_be_set_and_swept(full, tables):
    entries = [entry for entry in register(full, tables) if entry.settable]
    assert len(entries) > 60
    for entry in entries:
        value = entry.low if entry.value is None else entry.value
        if isinstance(value, tuple) and value and isinstance(value[0], str):
            value = list(value)
        changed = with_value(full, entry.key, value)
        again = {other.key: other for other in register(changed, tables, program=False)}
        assert again[entry.key].given, entry.key
        assert value_text(again[entry.key].value) == value_text(value), entry.key
        axis = axis_of(f"{entry.key}={json.dumps(value)}")
        raw = full.model_dump(mode="json", exclude_unset=True)
        swept = parse_scenario(with_settings(raw, {axis.name: axis.values[0]}, [axis]))
        assert swept == changed, entry.key


def test_ends_of_ranges_are_values_that_a_scenario_takes(full, tables):
    for entry in register(full, tables, program=False):
        for end in (entry.low, entry.high):
            if end is not None and not isinstance(entry.value, str | tuple):
                number = int(end) if isinstance(entry.value, int) else float(end)
                with_value(full, entry.key, number)
        if entry.low is not None and isinstance(entry.value, int | float):
            assert entry.low <= entry.value <= entry.high, entry.key


def test_the_register_names_sources_and_what_the_scenario_sets(full, tables):
    frame = assumptions_frame(register(full, tables)).set_index("key")
    assert frame.index.is_unique
    assert (frame["source"] != "").all()
    assert frame.loc["workloads.cloud.rack_kw", ["value", "unit", "low", "high"]].tolist() == [
        "8",
        "kW",
        5,
        10,
    ]
    assert frame.at["workloads.cloud.rack_kw", "quality"] == "reported"
    assert not frame.at["discount_rate", "given"]
    changed = assumptions_frame(register(with_value(full, "discount_rate", 0.07), tables)).set_index("key")
    assert changed.at["discount_rate", "given"]
    assert changed.at["discount_rate", "source"] == "scenario"
    program = frame[frame["kind"] == "program"]
    assert not program["settable"].any()
    assert {"scoring.ranking.TIE_SIGMAS", "scoring.criteria.TECHNOLOGY_SHARE_RATIO"} <= set(program.index)


def test_wrong_keys_and_values_are_refused(full):
    with pytest.raises(UsageError, match="no workload is named 'clod'"):
        with_value(full, "workloads.clod.rack_kw", 8.0)
    with pytest.raises(ScenarioError, match="discount_rate"):
        with_value(full, "discount_rate", 7.0)
    with pytest.raises(ScenarioError, match="discont_rate"):
        with_value(full, "discont_rate", 0.07)


# ---- the commands


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.slow
def test_money_prints_and_gives_json():
    shown = run("money", "quincy", "--profile", "ai-training", "--revenue-usd-per-mwh", "500", "--no-tornado")
    assert shown.exit_code == 0, shown.output
    assert "Internal rate of return" in shown.output
    assert "year 15" in shown.output
    found = run("money", "quincy", "plano", "--no-tornado", "--format", "json")
    assert found.exit_code == 0, found.output
    assert set(json.loads(found.stdout)["tables"]) >= {"money", "cash_flow"}


def test_assumptions_prints_filters_and_refuses():
    shown = run("assumptions", "--key", "discount", "--format", "csv")
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.splitlines()[1].startswith("discount_rate,")
    assert isinstance(run("assumptions", "--key", "nothing-like-this").exception, UsageError)


def test_the_spread_of_the_time_to_power_is_a_spread_of_the_net_present_value(tables):
    asked = quick_scenario(profiles=["ai-training"], only=["us-ashburn-va"])
    asked = with_value(asked, "money.revenue_usd_per_mwh", 500.0)
    found = money(evaluate(asked, tables), "us-ashburn-va", sensitivity=False)
    early, middle, late = (float(found.summary[f"npv_power_p{part}_usd"]) for part in (10, 50, 90))
    assert float(found.summary["npv_usd"]) > early > middle > late
    # Dominion: 4 to 7 years, symmetric, so the middle is 5.5; construction takes 2.
    later = with_value(asked, "money.delay_months", 42.0)
    again = money(evaluate(later, tables), "us-ashburn-va", sensitivity=False)
    assert middle == pytest.approx(float(again.summary["npv_usd"]), rel=1e-9)


def test_money_draws_its_tornado(tmp_path):
    path = tmp_path / "tornado.svg"
    asked = ["money", "plano", "--profile", "crypto", "--top", "4", "--chart", str(path), "--format", "csv"]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    picture = path.read_text(encoding="utf-8")
    assert picture.startswith("<svg")
    assert "What moves the net present value" in picture
    assert picture.count("<title>") >= 8
    none = CliRunner().invoke(app, [*asked, "--no-tornado", "--force"])
    assert isinstance(none.exception, UsageError)
