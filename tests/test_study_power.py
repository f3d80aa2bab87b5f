"""Power at the sites of a study: published prices, overrides, subsidies, spread."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dcsite.data.tables import load_tables
from dcsite.spec.scenario import Scenario
from dcsite.spec.workload import Profile, Workload
from dcsite.study.power import customer_class_of, power_facts

SITES = pd.DataFrame(
    {
        "site_id": ["is-keflavik", "kw-kuwait-city", "us-plano-tx", "us-quincy-wa", "xx-nowhere"],
        "zone_id": ["IS", "KW", "US-TX", "US-WA-GRANTPUD", ""],
        "country_iso3": ["ISL", "KWT", "USA", "USA", "ATA"],
        "wholesale_zone_id": ["", "", "US-ERCOT", "US-MIDC", ""],
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


def test_the_spread_grows_with_age_and_bad_quality_and_long_horizons_cap_the_escalation(tables):
    early, late = facts(tables, scenario={"as_of_year": 2025}), facts(tables, scenario={"as_of_year": 2030})
    known = early["price_usd_per_mwh"].notna()
    assert (late["price_sd_usd_per_mwh"] > early["price_sd_usd_per_mwh"])[known].all()
    assert (early["price_sd_usd_per_mwh"] < 0.8 * early["price_usd_per_mwh"])[known].all()
    assert facts(tables).loc["us-quincy-wa", "escalation_ratio"] == pytest.approx(0.04)
    short = facts(tables, scenario={"horizon_years": 8})
    assert short.loc["us-quincy-wa", "escalation_ratio"] == pytest.approx(0.043, abs=0.001)
    assert short.loc["us-plano-tx", "escalation_ratio"] < 0
    assert facts(tables).loc["us-plano-tx", "escalation_ratio"] == 0
