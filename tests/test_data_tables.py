"""The shipped tables: they pass their own checks, and hold the answers that are known from elsewhere."""

import numpy as np
import pandas as pd
import pytest

from dcsite.data import check, places, prices
from dcsite.data.tables import load_tables


@pytest.fixture(scope="module")
def tables():
    return load_tables()


@pytest.fixture(scope="module")
def sites(tables):
    return places.catalog_sites(tables).set_index("site_id", drop=False)


@pytest.fixture(scope="module")
def checked(tables):
    return check.check_tables(tables)


@pytest.mark.slow
def test_the_shipped_tables_pass_every_check(checked):
    faults, _ = checked
    assert [str(fault) for fault in faults] == []


@pytest.mark.slow
def test_the_data_stay_small(checked):
    _, counts = checked
    assert 5_000_000 < counts["bytes"] < 15_000_000


@pytest.mark.slow
def test_the_check_looks_at_every_table(tables, checked):
    _, counts = checked
    assert counts["tables"] == sum(path.suffix == ".csv" for path in tables.paths().values())
    assert counts["profiles"] == 7


def test_every_table_names_its_key_in_the_manifest(tables):
    keys = check.table_keys(tables)
    for name, path in tables.paths().items():
        if path.suffix == ".csv":
            assert set(keys[name]) <= set(tables.frame(name).columns)


def test_the_catalog_holds_245_sites_in_69_countries(sites):
    assert len(sites) == 245
    assert sites["country_iso3"].nunique() == 69
    assert list(sites["site_id"]) == sorted(sites["site_id"])


def test_quincy_lies_8_to_13_km_from_the_columbia_in_the_catalog_and_on_the_grid(tables, sites):
    quincy = sites.loc["us-quincy-wa"]
    assert 8 <= quincy["river_km"] <= 13
    assert quincy["water_body"] == "Columbia River"
    on_grid = places.water_distances(tables, np.array([quincy["lat"]]), np.array([quincy["lon"]]))
    assert 8 <= on_grid["river_km"][0] <= 13
    assert quincy["river_flow_m3_per_s"] == pytest.approx(118_900 * 0.0283168, abs=0.5)


def test_the_grid_is_within_3_km_of_exact_distances_for_half_the_sites_and_8_for_most(tables, sites):
    on_grid = places.water_distances(tables, sites["lat"].to_numpy(), sites["lon"].to_numpy())
    errors = []
    for column in ("coast_km", "river_km", "lake_km"):
        exact = sites[column].to_numpy()
        near = exact < 50
        errors.append(np.abs(on_grid[column][near] - exact[near]))
    error = np.concatenate(errors)
    assert np.median(error) < 3
    assert np.quantile(error, 0.9) < 8
    assert error.max() < 14


def test_the_grid_knows_land_from_sea(tables):
    land = {"Kansas": (38.5, -98.0), "Sahara": (22.0, 10.0), "Tibet": (32.0, 90.0), "Chukotka": (67.0, 179.0)}
    sea = {
        "Atlantic": (30.0, -45.0),
        "Pacific": (0.0, -150.0),
        "Indian": (-30.0, 80.0),
        "Bering": (58.0, -178.0),
    }
    lat, lon = np.array([*land.values(), *sea.values()]).T
    assert places.on_land(tables, lat, lon).tolist() == [True] * 4 + [False] * 4


def test_water_stress_of_known_places(tables, sites):
    expected = {
        "us-quincy-wa": 1,
        "us-ashburn-va": 2,
        "us-the-dalles-or": 1,
        "us-santa-clara-ca": 4,
        "us-dallas-tx": 3,
        "de-frankfurt": 2,
        "gb-london": 1,
        "hk-hong-kong": 2,
        "za-johannesburg": 4,
        "za-cape-town": 4,
        "is-keflavik": 0,
        "kw-kuwait-city": 4,
    }
    assert {site: sites.loc[site, "water_stress_category"] for site in expected} == expected
    stress = tables.frame("water_stress").set_index(["area_kind", "area_id"])
    assert stress.loc[("country", "ISL"), "score"] == 0.0
    assert stress.loc[("country", "KWT"), "score"] == 5.0
    assert sites.loc["sg-singapore", "water_stress_category"] > 0
    assert sites.loc["sg-singapore", "water_stress_quality"] == "estimate"


def test_editions_of_water_stress_are_never_mixed_without_a_flag(tables, sites):
    stress = tables.frame("water_stress").set_index(["area_kind", "area_id"])
    old = stress.index[stress["edition"].astype(float) == 3.0]
    raw = tables.frame("sites").set_index("site_id")
    for site_id, row in raw.iterrows():
        key = (row["water_stress_area_kind"], row["water_stress_area_id"])
        assert ("edition 3.0" in sites.loc[site_id, "flags"]) == (key in old), site_id


def test_sites_at_the_sea_are_near_a_coast(sites):
    assert (sites.loc[sites["water_kind"] == "sea", "water_distance_km"] <= 40).all()


@pytest.mark.parametrize(
    ("zone", "customer_class", "usd_per_mwh"),
    [
        ("US-WA", "industrial", 66.1),
        ("US-TX", "industrial", 61.2),
        ("US-VA", "industrial", 89.9),
        ("US-WA-GRANTPUD", "large_industrial", 42.2),
        ("US-WA-GRANTPUD", "crypto", 80.0),
    ],
)
def test_known_prices(tables, zone, customer_class, usd_per_mwh):
    frame = pd.DataFrame({"zone_id": [zone], "country_iso3": ["USA"]})
    price = prices.delivered_prices(tables, frame, customer_class=customer_class)
    assert price["price_usd_per_mwh"].iloc[0] == pytest.approx(usd_per_mwh, abs=0.1)


def test_fema_losses_of_known_states(tables):
    states = tables.frame("hazards_us_states").set_index("state")
    known = {"WA": (1946, 968), "TX": (1341, 7), "VA": (905, 45), "CA": (3060, 1316), "OR": (1730, 721)}
    for state, (total, quake) in known.items():
        assert states.loc[state, "fema_loss_usd_per_musd"] == pytest.approx(total, abs=1)
        assert states.loc[state, "earthquake_usd_per_musd"] == pytest.approx(quake, abs=1)


def test_build_costs_of_known_markets(sites):
    known = {
        "jp-tokyo": 15.15,
        "sg-singapore": 14.5,
        "ch-zurich": 14.2,
        "jp-osaka": 14.12,
        "us-santa-clara-ca": 13.3,
        "gb-london": 12.0,
        "de-frankfurt": 11.6,
        "my-kuala-lumpur": 8.78,
        "cn-shanghai": 7.11,
        "in-mumbai": 6.64,
        "us-quincy-wa": 11.7,
        "us-san-antonio-tx": 9.3,
        "us-reno-nv": 15.0,
    }
    assert {site: sites.loc[site, "capex_usd_per_w"] for site in known} == known


def test_levels_of_2018_are_ratios_only(sites):
    virginia = sites.loc["us-ashburn-va"]
    assert virginia["capex_usd_per_w"] == pytest.approx(8.1 / 9.2 * 13.3, abs=0.01)
    assert virginia["capex_quality"] == "modeled"
    assert virginia["capex_year"] == 2025


def test_a_premium_in_percent_is_never_read_as_a_cost(tables):
    names = " ".join(tables.frame("capex")["name"])
    assert "premium" not in names
    assert "all-in" not in names


def test_land_prices_are_per_square_meter(tables):
    land = tables.frame("land").set_index("name")
    assert land.loc["US average, data-center land", "land_usd_per_m2"] == pytest.approx(
        244_000 / 4046.86, abs=0.01
    )
    assert land.loc["Loudoun County VA (Leesburg)", "land_usd_per_m2"] == pytest.approx(
        6_340_000 / 4046.86, abs=0.1
    )
    assert land.loc["Inzai", "land_usd_per_m2"] == 1253


def test_blanks_stay_blank(sites):
    assert np.isnan(sites.loc["hk-hong-kong", "hazard_index"])
    assert np.isnan(sites.loc["tw-taipei", "hazard_index"])
    assert np.isnan(sites.loc["is-keflavik", "land_usd_per_m2"])
    assert np.isnan(sites.loc["is-keflavik", "fema_loss_usd_per_musd"])


def test_namibia_is_not_missing(tables):
    countries = tables.frame("countries").set_index("country_iso3")
    assert countries.loc["NAM", "iso2_code"] == "NA"


def test_the_wrong_quincy_figure_is_not_shipped(tables):
    assert not tables.frame("water_limits")["rule"].str.contains("reference withdrawal").any()
    assert not (tables.frame("water_limits")["value"] == 363_000).any()


def test_every_figure_of_the_sites_names_a_source_that_is_listed(tables, sites):
    known = set(tables.sources()["source_id"])
    columns = [c for c in sites.columns if c.endswith("_source_id")]
    used = {text for column in columns for text in sites[column] if text}
    assert len(columns) >= 7
    assert used <= known
