"""Users of a workload seen from its sites: which loads have a market, reach, the last mile, own users."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dcsite.data.tables import load_tables
from dcsite.errors import UsageError
from dcsite.scoring.criteria import COUNTRY_REACH_SHARE_RATIO
from dcsite.spec.scenario import Scenario
from dcsite.spec.workload import Profile, Workload
from dcsite.study.markets import REACH_COLUMNS, market_of, reach_facts

SITES = pd.DataFrame(
    {
        "site_id": ["se-boden", "us-ashburn", "us-quincy"],
        "lat": [65.83, 39.04, 47.23],
        "lon": [21.69, -77.49, -119.85],
        "country_iso3": ["SWE", "USA", "USA"],
    }
).set_index("site_id", drop=False)


@pytest.fixture(scope="module")
def tables():
    return load_tables()


def case(*, scenario=None, profile=None, **workload):
    load = Workload(name="load", profile="cloud", it_mw=10.0, **workload)
    kind = {
        "name": "cloud",
        "rack_kw": 8.0,
        "load_factor": 0.6,
        "technologies": ("air_chiller",),
        "latency_worth_usd_per_rack_year": 8000.0,
        "target_rtt_ms": 50.0,
        "hard_rtt_ms": 200.0,
    } | (profile or {})
    question = Scenario(format=1, workloads=(load,), demand_points=100, **(scenario or {}))
    return question, load, Profile.model_validate(kind)


NOBODY_WAITS = {"latency_worth_usd_per_rack_year": 0.0, "target_rtt_ms": None, "hard_rtt_ms": None}


def test_a_load_that_nobody_waits_for_has_no_market(tables):
    assert market_of(tables, *case(profile=NOBODY_WAITS), SITES) is None
    assert market_of(tables, *case(users=""), SITES) is None
    assert market_of(tables, *case(profile=NOBODY_WAITS, max_rtt_ms=150.0), SITES) is not None
    weighed = {"score": {"weights": {"latency": 1.0, "price": 1.0}}}
    assert market_of(tables, *case(scenario=weighed, profile=NOBODY_WAITS), SITES) is not None


def test_reach_is_a_share_of_the_best_place_and_direction_is_right(tables):
    question, load, profile = case(users="USA")
    market = market_of(tables, question, load, profile, SITES)
    facts = reach_facts(market, profile)
    assert list(facts.columns) == list(REACH_COLUMNS)
    assert facts["reach_ratio"].between(0, 1).all()
    assert facts["reach_ratio"][1] > facts["reach_ratio"][2] > facts["reach_ratio"][0]
    assert (facts["reach_sd_ratio"] >= 0).all()
    assert (facts["rtt_p50_ms"] <= facts["rtt_p90_ms"]).all()
    assert (facts["rtt_p90_ms"] <= facts["rtt_p95_ms"]).all()
    assert (facts["coverage_target_ratio"] <= facts["coverage_hard_ratio"]).all()
    assert facts["coverage_soft_ratio"].isna().all()
    assert (facts["rtt_mean_model_p90_ms"] >= facts["rtt_mean_ms"]).all()
    assert market.points["weight_ratio"].sum() == pytest.approx(1.0)
    assert market.rtt_ms.shape == (3, len(market.points))


def test_only_the_error_of_a_site_as_such_is_left_when_sites_are_compared(tables):
    value = tables.frame("parameters").query("network == 'public'").set_index("parameter")["value"]
    assert 0 < value["site_error_share_one_country"] < value["site_error_share"] < 1
    common = 1 - value["site_error_share_one_country"] / value["site_error_share"]
    assert pytest.approx(common, abs=0.02) == COUNTRY_REACH_SHARE_RATIO
    question, load, profile = case(users="USA")
    market = market_of(tables, question, load, profile, SITES)
    assert market.site_error_share == value["site_error_share"]
    facts = reach_facts(market, profile)["reach_sd_ratio"]
    whole = reach_facts(replace(market, site_error_share=1.0), profile)["reach_sd_ratio"]
    averaged = (1 - market.site_error_share) * (market.points["weight_ratio"] ** 2).sum()
    expected = whole * np.sqrt(market.site_error_share + averaged)
    assert facts.to_numpy() == pytest.approx(expected.to_numpy())
    cloud = case(users="USA", scenario={"user_network": "cloud"})
    assert market_of(tables, *cloud, SITES).site_error_share == 1.0  # too few pairs of sites to measure it


def test_another_candidate_changes_no_reach(tables):
    question, load, profile = case(users="europe")
    few = reach_facts(market_of(tables, question, load, profile, SITES.iloc[:2]), profile)
    all_ = reach_facts(market_of(tables, question, load, profile, SITES), profile)
    pd.testing.assert_frame_equal(few, all_.iloc[:2])


def test_the_last_mile_makes_every_time_longer_and_says_that_it_is_unverified(tables):
    question, load, profile = case(users="USA")
    plain = market_of(tables, question, load, profile, SITES)
    question, load, profile = case(users="USA", scenario={"access": "ftth"})
    with_mile = market_of(tables, question, load, profile, SITES)
    assert (with_mile.rtt_ms > plain.rtt_ms).all()
    assert "unverified" in with_mile.note
    assert with_mile.best_reach_ratio < plain.best_reach_ratio


def test_own_users_and_own_measurements_come_from_files(tables, tmp_path):
    users = tmp_path / "users.csv"
    users.write_text("name,lat,lon,weight\nhere,47.6,-122.3,2\nthere,39.0,-77.5,1\n")
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("from_lat,from_lon,to_lat,to_lon,rtt_ms\n47.23,-119.85,47.6,-122.3,44\n")
    question, load, profile = case(users=str(users))
    plain = market_of(tables, question, load, profile, SITES)
    assert plain.points["weight_ratio"].tolist() == pytest.approx([2 / 3, 1 / 3])
    question, load, profile = case(users=str(users), scenario={"rtt_reference": str(pairs)})
    measured = market_of(tables, question, load, profile, SITES)
    assert plain.rtt_ms[2, 0] < measured.rtt_ms[2, 0] <= 44
    assert str(pairs) in measured.note


def test_an_unknown_market_is_refused_with_the_names_that_exist(tables):
    with pytest.raises(UsageError, match="unknown market"):
        market_of(tables, *case(users="atlantis"), SITES)


def test_reach_is_zero_where_not_even_the_best_place_reaches_anybody(tables):
    question, load, profile = case(users="oceania", profile={"reach_full_ms": 0.01, "reach_zero_ms": 0.02})
    market = market_of(tables, question, load, profile, SITES)
    assert market.best_reach_ratio == 0
    assert np.all(reach_facts(market, profile)["reach_ratio"] == 0)
