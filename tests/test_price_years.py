"""Price years: one year for all zones, drifts shared by regions, named scenarios."""

from __future__ import annotations

import numpy as np
import pytest

from dcsite.data.places import catalog_sites
from dcsite.data.power_curves import PRICE_YEARS, year_curves
from dcsite.data.tables import load_tables
from dcsite.errors import UsageError
from dcsite.spec.scenario import Scenario
from dcsite.spec.workload import Profile, Workload
from dcsite.study.power import power_facts
from dcsite.study.price_years import (
    PRICE_SCENARIOS,
    draw_prices,
    price_scenario,
    price_spread,
    price_years,
)

LOAD = Workload(name="load", profile="p", it_mw=100.0)
PROFILE = Profile(name="p", rack_kw=30.0, load_factor=0.9, technologies=("air_chiller",))
QUESTION = Scenario(format=1, workloads=(LOAD,))


@pytest.fixture(scope="module")
def tables():
    return load_tables()


@pytest.fixture(scope="module")
def sites(tables):
    return catalog_sites(tables).set_index("site_id", drop=False)


@pytest.fixture(scope="module")
def power(tables, sites):
    return power_facts(tables, sites, QUESTION, LOAD, PROFILE)


@pytest.fixture(scope="module")
def years(tables, sites, power):
    return price_years(tables, sites, power)


def test_each_draw_is_one_year_for_all_zones(years):
    drawn = draw_prices(years, draws=500, seed=3)
    for year in PRICE_YEARS:
        rows = drawn.price_usd_per_mwh[drawn.year == year]
        assert len(rows) > 40
        expected = years.price_usd_per_mwh[years.years.index(year)]
        np.testing.assert_allclose(rows, np.broadcast_to(expected, rows.shape))


def test_the_crisis_hits_europe_in_one_draw_together(years):
    def at(site, year):
        return years.price_usd_per_mwh[years.years.index(year), years.site_ids.index(site)]

    for site in ("de-frankfurt", "fr-paris", "nl-amsterdam"):
        if site in years.site_ids:
            assert at(site, 2022) > at(site, 2020) + 150
    assert at("us-plano-tx", 2021) > at("us-plano-tx", 2020) + 100
    assert at("is-keflavik", 2022) == at("is-keflavik", 2020)


def test_without_pass_through_no_year_moves_a_price(tables, sites, power):
    fixed = price_years(tables, sites, power, pass_through=0.0)
    assert not fixed.moves.any()
    listed = power["price_usd_per_mwh"].to_numpy()
    assert fixed.price_usd_per_mwh == pytest.approx(np.broadcast_to(listed, fixed.price_usd_per_mwh.shape))
    with pytest.raises(UsageError, match="pass_through"):
        price_years(tables, sites, power, pass_through=1.5)


def test_prices_of_a_year_are_those_of_the_scenario_key(tables, sites, years):
    moved = price_scenario(QUESTION, "crisis-2022")
    load = moved.workloads[0]
    facts = power_facts(tables, sites, moved, load, load.resolved(PROFILE))
    assert facts["price_usd_per_mwh"].to_numpy() == pytest.approx(
        years.price_usd_per_mwh[years.years.index(2022)]
    )


def test_a_drift_is_shared_in_a_region_and_free_between_regions(years):
    drawn = draw_prices(years, draws=4000, seed=1, ahead_years=4.0, yearly_sd_ratio=0.1)
    calm = draw_prices(years, draws=4000, seed=1)
    assert (drawn.year == calm.year).all()
    drift = np.log(drawn.price_usd_per_mwh / calm.price_usd_per_mwh)
    place = {site: number for number, site in enumerate(years.site_ids)}
    near = np.corrcoef(drift[:, place["us-plano-tx"]], drift[:, place["us-quincy-wa"]])[0, 1]
    far = np.corrcoef(drift[:, place["us-plano-tx"]], drift[:, place["de-frankfurt"]])[0, 1]
    assert near == pytest.approx(1.0)
    assert abs(far) < 0.06
    assert drift[:, place["us-plano-tx"]].std() == pytest.approx(0.2, rel=0.05)
    assert np.exp(drift[:, place["us-plano-tx"]]).mean() == pytest.approx(1.0, abs=0.015)


def test_escalation_compounds_and_draws_repeat_with_their_seed(years):
    grown = draw_prices(years, draws=10, seed=5, ahead_years=10.0, escalation_ratio=0.03)
    plain = draw_prices(years, draws=10, seed=5)
    known = np.isfinite(plain.price_usd_per_mwh)
    ratio = grown.price_usd_per_mwh[known] / plain.price_usd_per_mwh[known]
    assert ratio == pytest.approx(1.03**10)
    again = draw_prices(years, draws=10, seed=5, ahead_years=10.0, escalation_ratio=0.03)
    np.testing.assert_array_equal(again.price_usd_per_mwh, grown.price_usd_per_mwh)
    low, middle, high = price_spread(draw_prices(years, draws=200, seed=5))
    known = np.isfinite(middle)
    assert (low <= middle)[known].all()
    assert (middle <= high)[known].all()
    with pytest.raises(UsageError, match="0 draws"):
        draw_prices(years, draws=0, seed=1)


def test_a_zone_without_a_year_follows_a_zone_of_its_country_or_says_that_it_stands_still(tables, sites):
    curves = year_curves(tables, sites)
    row = curves.years.index(2022)
    midwest = curves.zone_ids.index("US-MISO-INDIANA")
    alberta = curves.zone_ids.index("CA-AB")
    assert "scaled to 2022 by the means of US-PJM-DOM" in curves.flags[row][midwest]
    assert curves.mean_usd_per_mwh[row, midwest] > 1.5 * curves.mean_usd_per_mwh[0, midwest]
    assert "none for 2022" in curves.flags[row][alberta]
    assert curves.quality[row][midwest] == curves.quality[row][alberta] == "estimate"


@pytest.mark.parametrize("name", sorted(PRICE_SCENARIOS))
def test_every_named_scenario_is_a_valid_scenario(name):
    changed = price_scenario(QUESTION, name)
    assert Scenario.model_validate(changed.model_dump()) == changed


def test_named_scenarios_change_what_they_say():
    assert price_scenario(QUESTION, "subsidy-removed").subsidy_removed
    assert price_scenario(QUESTION, "carbon-100").objective.carbon_price_usd_per_t == 100
    assert price_scenario(QUESTION, "year-2021").price_year == 2021
    assert price_scenario(QUESTION, "no-escalation").escalation == "none"
    with pytest.raises(UsageError, match="boom"):
        price_scenario(QUESTION, "boom")
