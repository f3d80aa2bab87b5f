"""Power at the sites of a study: published prices, overrides, subsidies, spread."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from dcsite.data.power_curves import PRICE_YEARS, read_hourly_prices, year_curves
from dcsite.data.tables import load_tables
from dcsite.errors import DataError, UsageError
from dcsite.spec.scenario import Scenario
from dcsite.spec.workload import Profile, Workload
from dcsite.study.power import (
    customer_class_of,
    hourly_prices,
    interruptible_blocks,
    interruptible_facts,
    own_hourly_prices,
    power_facts,
)

SITES = pd.DataFrame(
    {
        "site_id": ["is-keflavik", "kw-kuwait-city", "us-plano-tx", "us-quincy-wa", "xx-nowhere"],
        "zone_id": ["IS", "KW", "US-TX", "US-WA-GRANTPUD", ""],
        "country_iso3": ["ISL", "KWT", "USA", "USA", "ATA"],
        "wholesale_zone_id": ["", "", "US-ERCOT-HUBAVG", "US-MIDC", ""],
    }
).set_index("site_id", drop=False)


@pytest.fixture(scope="module")
def tables():
    return load_tables()


def facts(tables, sites=SITES, *, profile=None, it_mw=40.0, scenario=None, **workload):
    load = Workload(name="load", profile="p", it_mw=it_mw, **workload)
    kind = {"name": "p", "rack_kw": 30.0, "load_factor": 0.9, "technologies": ("air_chiller",)}
    question = Scenario(format=1, workloads=(load,), **(scenario or {}))
    return power_facts(tables, sites, question, load, Profile.model_validate(kind | (profile or {})))


def test_grant_county_charges_by_class_as_its_schedules_say(tables):
    for customer, price in (("large_industrial", 42.2), ("industrial", 35.1), ("crypto", 80.0)):
        found = facts(tables, profile={"customer_class": customer})
        assert found.loc["us-quincy-wa", "price_usd_per_mwh"] == pytest.approx(price, abs=0.1)


def test_a_small_load_is_no_large_customer_and_the_scenario_has_the_last_word():
    profile = Profile(name="p", rack_kw=8.0, load_factor=0.6, technologies=("air_chiller",))

    def of(it_mw, **more):
        load = Workload(name="w", profile="p", it_mw=it_mw, **more)
        return customer_class_of(load, load.resolved(profile))

    assert of(40.0) == "large_industrial"
    assert of(5.0) == "industrial"
    assert of(0.5) == "commercial"
    assert of(0.5, customer_class="crypto") == "crypto"


def test_a_site_without_a_row_has_no_price_and_a_reason(tables):
    row = facts(tables).loc["xx-nowhere"]
    assert np.isnan(row["price_usd_per_mwh"])
    assert np.isnan(row["price_sd_usd_per_mwh"])
    assert "no price" in row["price_flags"]
    assert np.isnan(row["time_to_power_years"])


def test_prices_and_intensities_of_the_scenario_rule(tables):
    sites = SITES.assign(
        price_override_usd_per_mwh=[np.nan, np.nan, 33.0, np.nan, 50.0],
        carbon_override_g_per_kwh=[np.nan, np.nan, np.nan, 7.0, np.nan],
        energized_year=[np.nan, np.nan, 2029.0, np.nan, np.nan],
    )
    plain, own = facts(tables), facts(tables, sites)
    assert own.loc["us-plano-tx", "price_usd_per_mwh"] == 33.0
    assert own.loc["us-plano-tx", "demand_usd_per_kw_month"] == 0.0
    assert own.loc["xx-nowhere", "price_source_id"] == "scenario"
    assert own.loc["us-quincy-wa", "carbon_g_per_kwh"] == 7.0
    assert own.loc["us-plano-tx", "time_to_power_years"] == 3.0
    untouched = ["is-keflavik", "kw-kuwait-city"]
    pd.testing.assert_frame_equal(own.loc[untouched], plain.loc[untouched], check_dtype=False)


def test_the_removed_subsidy_costs_kuwait_its_lead(tables):
    with_, without = facts(tables), facts(tables, scenario={"subsidy_removed": True})
    assert with_.loc["kw-kuwait-city", "subsidized"]
    assert with_["price_usd_per_mwh"].idxmin() == "kw-kuwait-city"
    assert without["price_usd_per_mwh"].idxmin() != "kw-kuwait-city"
    assert without.loc["kw-kuwait-city", "price_usd_per_mwh"] == pytest.approx(132.6)


def test_carbon_is_on_one_basis(tables):
    found = facts(tables)
    assert set(found["carbon_basis"]) == {"life_cycle_zone"}
    national = facts(tables, scenario={"carbon_basis": "life_cycle_national"})
    assert set(national["carbon_basis"]) == {"life_cycle_national"}
    assert found.loc["us-plano-tx", "carbon_g_per_kwh"] == pytest.approx(363, abs=1)


def test_the_spread_grows_with_the_age_of_the_price(tables):
    early, late = facts(tables, scenario={"as_of_year": 2025}), facts(tables, scenario={"as_of_year": 2030})
    known = early["price_usd_per_mwh"].notna()
    assert (late["price_sd_usd_per_mwh"] > early["price_sd_usd_per_mwh"])[known].all()
    assert (early["price_sd_usd_per_mwh"] < 0.8 * early["price_usd_per_mwh"])[known].all()


def test_escalation_is_the_series_asked_for_within_its_cap(tables):
    assert facts(tables).loc["us-quincy-wa", "escalation_ratio"] == pytest.approx(0.04)
    assert facts(tables).loc["us-plano-tx", "escalation_ratio"] == 0
    five = facts(tables, scenario={"escalation": "5y"})
    assert five.loc["us-plano-tx", "escalation_ratio"] == pytest.approx(0.023, abs=0.001)
    assert (facts(tables, scenario={"escalation": "none"})["escalation_ratio"] == 0).all()


def test_a_row_has_two_ends(tables):
    listed = facts(tables)
    low, high = (facts(tables, scenario={"price_case": end}) for end in ("low", "high"))
    known = listed["price_usd_per_mwh"].notna()
    assert (low["price_usd_per_mwh"] <= listed["price_usd_per_mwh"])[known].all()
    assert (high["price_usd_per_mwh"] >= listed["price_usd_per_mwh"])[known].all()
    bounded = listed["price_high_usd_per_mwh"].notna()
    assert bounded.any()
    assert high["price_usd_per_mwh"][bounded].to_numpy() == pytest.approx(
        listed["price_high_usd_per_mwh"][bounded].to_numpy()
    )
    assert high["price_flags"][bounded].str.contains("high end of the row").all()
    assert (high["energy_usd_per_mwh"] <= high["price_usd_per_mwh"] + 1e-9)[known].all()


# --- loads that may stop ------------------------------------------------------------------------------

MINER = {
    "name": "crypto",
    "customer_class": "crypto",
    "interruptible_fraction": 1.0,
    "break_even_usd_per_mwh": 95.0,
    "pass_through": 1.0,
}


def cooled(sites=SITES, pue=1.1, swing=0.03):
    month, hour = np.repeat(np.arange(1, 13), 720), np.tile(np.arange(24), 360)
    heat = np.tile(np.random.default_rng(1).standard_normal(8640), (len(sites), 1))
    return SimpleNamespace(
        pue=pue + swing * np.clip(heat, -2, 2),
        water_l_per_kwh=np.zeros((len(sites), 8640)),
        derate_ratio=np.zeros((len(sites), 8640)),
        month=month,
        hour=hour,
        weight_h=np.full(8640, 8760 / 8640),
        weather_score=heat,
    )


def mining(tables, *, call=interruptible_facts, hourly=None, scenario=None, profile=None, by_hour=None):
    load = Workload(name="mine", profile="crypto", it_mw=100.0)
    kind = {"rack_kw": 30.0, "load_factor": 0.9, "technologies": ("immersion",)} | MINER | (profile or {})
    question = Scenario(format=1, workloads=(load,), **(scenario or {}))
    miner = Profile.model_validate(kind)
    power = power_facts(tables, SITES, question, load, miner)
    water = np.full(len(SITES), 2.0)
    args = (tables, SITES, question, load, miner, power, hourly or cooled(), water)
    return power, call(*args, by_hour=by_hour(power) if by_hour else None)


def test_a_flat_tariff_runs_always_or_never_and_keeps_its_price(tables):
    power, found = mining(tables, profile={"pass_through": 0.0}, hourly=cooled(swing=0.0))
    iceland = found.loc["is-keflavik"]
    price = power.loc["is-keflavik", "energy_usd_per_mwh"]
    assert iceland["hours_run"] == pytest.approx(8760)
    assert iceland["margin_usd_per_mw_year"] == pytest.approx(8760 * 0.9 * (95 - 1.1 * price))
    assert iceland["effective_price_usd_per_mwh"] == pytest.approx(
        power.loc["is-keflavik", "price_usd_per_mwh"]
    )
    assert "every hour costs the same" in iceland["curve_note"]


def test_a_market_lets_a_miner_stop_in_dear_hours(tables):
    _, found = mining(tables)
    plano = found.loc["us-plano-tx"]
    assert plano["curve_zone_id"].startswith("US-ERCOT")
    assert 0 < plano["curtailed_ratio"] < 0.3
    assert plano["effective_energy_usd_per_mwh"] < 61.2
    assert plano["stop_usd_per_mwh"] < 95 < plano["full_usd_per_mwh"]


def test_fewer_hours_never_earn_more_and_are_the_cheapest(tables):
    before = None
    for most in (1.0, 0.9, 0.5):
        _, found = mining(tables, profile={"max_availability": most})
        assert (found["hours_run"].dropna() <= most * 8760 + 1e-6).all()
        if before is not None:
            earns = found["margin_usd_per_mw_year"] <= before["margin_usd_per_mw_year"] + 1e-6
            cheaper = found["effective_energy_usd_per_mwh"] <= before["effective_energy_usd_per_mwh"] + 1e-6
            assert earns[found["margin_usd_per_mw_year"].notna()].all()
            assert cheaper[found["effective_energy_usd_per_mwh"].notna()].all()
        before = found


def test_the_effective_price_falls_as_the_margin_rises(tables):
    power, found = mining(tables, profile={"break_even_usd_per_mwh": 60.0})
    runs = found["hours_run"] > 0
    assert (found["effective_price_usd_per_mwh"] <= power["price_usd_per_mwh"] + 1e-6)[runs].all()
    facility = 8760 * 0.9 * 1.1
    by_hand = (60 * 8760 * 0.9 - found["margin_usd_per_mw_year"]) / facility
    part = power["price_usd_per_mwh"] - power["energy_usd_per_mwh"]
    assert found["effective_price_usd_per_mwh"][runs].to_numpy() == pytest.approx(
        (by_hand + part)[runs].to_numpy(), rel=2e-3
    )
    _, never = mining(tables, profile={"break_even_usd_per_mwh": 1.0})
    kept = never["hours_run"] == 0
    assert kept.any()
    assert never["effective_price_usd_per_mwh"][kept].to_numpy() == pytest.approx(
        power["price_usd_per_mwh"][kept].to_numpy()
    )


def test_a_site_without_a_price_stays_unknown(tables):
    _, found = mining(tables)
    row = found.loc["xx-nowhere"]
    assert math.isnan(row["hours_run"])
    assert math.isnan(row["margin_usd_per_mw_year"])
    assert row["curve_note"] == "no delivered price"


def test_a_carbon_price_costs_dirty_grids_hours(tables):
    _, free = mining(tables)
    _, taxed = mining(tables, scenario={"objective": {"carbon_price_usd_per_t": 100.0}})
    assert taxed.loc["us-plano-tx", "hours_run"] < free.loc["us-plano-tx", "hours_run"]
    assert (
        taxed.loc["is-keflavik", "margin_usd_per_mw_year"] < free.loc["is-keflavik", "margin_usd_per_mw_year"]
    )


def test_an_indexed_contract_below_the_market_is_refused_with_both_figures(tables):
    sites = SITES.assign(price_override_usd_per_mwh=[np.nan, np.nan, 5.0, np.nan, np.nan])
    load = Workload(name="mine", profile="crypto", it_mw=100.0)
    miner = Profile(rack_kw=30.0, load_factor=0.9, technologies=("immersion",), **MINER)
    power = power_facts(tables, sites, Scenario(format=1, workloads=(load,)), load, miner)
    made = hourly_prices(tables, sites, power, cooled(), pass_through=1.0)
    assert "delivered 5.0 is below the market mean" in made.note[2]
    assert (made.price_usd_per_mwh[2] == 5.0).all()


def test_blocks_give_the_margin_of_the_closed_form(tables):
    _, found = mining(tables)
    _, blocks = mining(tables, call=interruptible_blocks)
    assert (blocks["error_ratio"] <= 1e-3).all()
    for site, part in blocks.groupby("site_id"):
        assert part["hours"].sum() == pytest.approx(8760)
        earned = (part["hours"] * np.maximum(0, 95 - part["cost_usd_per_it_mwh"])).sum() * 0.9
        assert earned == pytest.approx(found.loc[site, "margin_usd_per_mw_year"], rel=1e-3)
    assert "xx-nowhere" not in set(blocks["site_id"])


def test_own_hourly_prices_replace_the_market(tables, tmp_path):
    rng = np.random.default_rng(2)
    values = 30 + 20 * np.sin(np.arange(8784) / 24 * 2 * np.pi) + rng.gamma(1.0, 10.0, 8784)
    path = tmp_path / "mine.csv"
    path.write_text("price_usd_per_mwh\n" + "\n".join(f"{v:.4f}" for v in values) + "\n")
    read = read_hourly_prices(path)
    assert len(read) == 8760
    hourly = cooled(swing=0.0)
    own = own_hourly_prices(read, hourly, name=str(path), year=2026)
    assert own.price_usd_per_mwh.mean() == pytest.approx(read.mean(), rel=1e-6)
    _, found = mining(tables, hourly=hourly, by_hour=lambda _: own)
    exact = np.maximum(0, 95 - 1.1 * read).sum() * 0.9
    assert found.loc["is-keflavik", "margin_usd_per_mw_year"] == pytest.approx(exact, rel=1e-4)
    path.write_text("price_usd_per_mwh\n1\n2\n")
    with pytest.raises(DataError, match="2 rows"):
        read_hourly_prices(path)
    path.write_text("price\n" + "1\n" * 8760)
    with pytest.raises(DataError, match="no column"):
        read_hourly_prices(path)
    path.write_text("price_usd_per_mwh\n" + "1\n" * 8758 + "x\n1\n")
    with pytest.raises(DataError, match=r"mine\.csv:8760:price_usd_per_mwh"):
        read_hourly_prices(path)


# --- whole years --------------------------------------------------------------------------------------


def test_one_year_holds_for_all_zones_and_texas_had_its_storm_in_2021(tables):
    curves = year_curves(tables, SITES)
    assert curves.years == PRICE_YEARS
    assert curves.price_usd_per_mwh.shape[:2] == (len(PRICE_YEARS), len(curves.zone_ids))
    texas = curves.site_zone[list(SITES.index).index("us-plano-tx")]
    found = dict(zip(curves.years, curves.mean_usd_per_mwh[:, texas], strict=True))
    for year, mean in ((2020, 21.8), (2021, 145.6), (2022, 64.3), (2023, 55.9), (2024, 28.1)):
        assert found[year] == pytest.approx(mean, abs=0.1)
    assert curves.cumulative_usd_per_mwh[..., -1] == pytest.approx(curves.mean_usd_per_mwh)
    with pytest.raises(UsageError, match="1999"):
        year_curves(tables, SITES, (1999,))


def test_a_market_year_moves_what_the_contract_passes_through(tables):
    plain = facts(tables)
    for share in (0.0, 0.5, 1.0):
        storm = facts(tables, profile={"pass_through": share}, scenario={"price_year": 2021})
        moved = storm["price_usd_per_mwh"] - plain["price_usd_per_mwh"]
        assert moved["us-plano-tx"] == pytest.approx(share * (145.6 - 28.1), abs=0.2)
        assert moved["is-keflavik"] == 0
    assert "market of 2021" in storm.loc["us-plano-tx", "price_flags"]


def test_the_hours_of_a_miner_are_those_of_the_market_year(tables):
    _, calm = mining(tables, scenario={"price_year": 2020})
    _, storm = mining(tables, scenario={"price_year": 2021})
    assert calm.loc["us-plano-tx", "curve_year"] == 2020
    assert storm.loc["us-plano-tx", "full_usd_per_mwh"] > 5000 > calm.loc["us-plano-tx", "full_usd_per_mwh"]
    power, _ = mining(tables, scenario={"price_year": 2021})
    made = hourly_prices(tables, SITES, power, cooled(), pass_through=1.0, year=2021)
    plano = list(SITES.index).index("us-plano-tx")
    assert made.price_usd_per_mwh[plano].mean() == pytest.approx(
        power.loc["us-plano-tx", "energy_usd_per_mwh"], rel=1e-6
    )
