"""Markets: whose demand, how it is spread, and what the reduction to few points keeps."""

from __future__ import annotations

import numpy as np
import pytest

from dcsite.data.demand import load_market, market_countries, market_names, nearest_country
from dcsite.data.tables import load_tables
from dcsite.errors import DataError, UsageError


@pytest.fixture(scope="module")
def tables():
    return load_tables()


@pytest.mark.parametrize("demand", ["spending", "users"])
@pytest.mark.parametrize("market", ["world", "europe", "asia-pacific", "africa", "USA", "DEU,FRA"])
def test_weights_are_shares_of_points_in_the_market(tables, market, demand):
    points = load_market(tables, market, demand, 300)
    assert points.weight.sum() == pytest.approx(1.0)
    assert (points.weight > 0).all()
    assert (np.diff(points.weight) <= 1e-15).all()
    assert set(points.country_iso3) <= set(market_countries(tables, market))
    assert len(points) <= 300
    assert list(points.frame().columns) == ["name", "country_iso3", "lat", "lon", "weight_ratio"]


@pytest.mark.parametrize(
    "market", ["USA", "europe", "asia-pacific", "north-america", "africa", "south-america"]
)
def test_at_least_300_points_stand_behind_the_large_markets(tables, market):
    assert len(load_market(tables, market, "spending", 1000)) >= 300


def test_every_named_market_has_points(tables):
    for name in market_names():
        points = load_market(tables, name, "users", 100)
        assert len(points) >= 15 or name == "gulf"


def test_spending_gives_each_country_its_share_of_gdp_and_users_its_share_of_users(tables):
    countries = tables.frame("demand_countries").set_index("country_iso3")
    for demand, column in (("spending", "gdp_usd"), ("users", "internet_users")):
        points = load_market(tables, "DEU,FRA,ITA", demand, 1000)
        codes = np.array(points.country_iso3)
        share = np.array([points.weight[codes == code].sum() for code in ("DEU", "FRA", "ITA")])
        figure = countries.loc[["DEU", "FRA", "ITA"], column].to_numpy()
        assert share == pytest.approx(figure / figure.sum(), rel=0.02)


def test_the_reduction_keeps_the_weight_of_each_country_that_keeps_a_point(tables):
    full = load_market(tables, "USA,CAN,MEX", "spending", 100_000)
    few = load_market(tables, "USA,CAN,MEX", "spending", 100)
    for code in ("USA", "CAN", "MEX"):
        total = [p.weight[np.array(p.country_iso3) == code].sum() for p in (full, few)]
        assert total[0] == pytest.approx(total[1])
    assert few.points_before == len(full)
    assert full.coverage_error_mean_ratio == 0


def test_the_error_of_the_reduction_falls_with_the_number_of_points_and_is_small(tables):
    errors = [load_market(tables, "world", "users", n).coverage_error_mean_ratio for n in (100, 300, 1000)]
    assert errors == sorted(errors, reverse=True)
    assert errors[1] < 0.006
    assert errors[2] < 0.0015
    assert "300 of" in load_market(tables, "world", "users", 300).note


def test_the_thousand_point_market_agrees_with_the_table_of_cities(tables):
    points = load_market(tables, "world", "users", 1000)
    cities = tables.frame("demand_cities")
    share = cities.set_index("name")["internet_users"] / cities["internet_users"].sum()
    for name in ("Shanghai", "Jakarta", "Tokyo"):
        assert points.weight[points.names.index(name)] == pytest.approx(share[name], rel=0.05)


def test_a_list_and_a_joined_text_of_countries_are_the_same_market(tables):
    joined, listed = load_market(tables, "deu, fra"), load_market(tables, ["DEU", "FRA"])
    assert joined.names == listed.names


def test_countries_without_a_gdp_figure_are_named_not_filled(tables):
    points = load_market(tables, "world", "spending", 300)
    frame = tables.frame("demand_countries")
    missing = set(frame.loc[frame["gdp_usd"].isna(), "country_iso3"])
    assert not missing & set(points.country_iso3)
    assert "no GDP figure" in points.note


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("europ",), "europe"),
        (("DEU,XYZ",), "XYZ"),
        (("world", "money"), "spending, users"),
        (("world", "users", 20), "at least 100"),
    ],
)
def test_unknown_markets_are_refused_with_a_hint(tables, arguments, said):
    with pytest.raises(UsageError) as caught:
        load_market(tables, *arguments)
    assert said in str(caught.value)


def test_an_own_file_of_points_is_a_market(tables, tmp_path):
    path = tmp_path / "users.csv"
    path.write_text("name,lat,lon,weight\nBerlin,52.5,13.4,3\nParis,48.9,2.4,1\nNobody,0,0,0\n")
    points = load_market(tables, path)
    assert points.names == ("Berlin", "Paris")
    assert points.country_iso3 == ("DEU", "FRA")
    assert points.weight.tolist() == [0.75, 0.25]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,lat,lon\nx,1,2\n", "no column 'weight'"),
        ("name,lat,lon,weight\nx,1,200,1\n", "users.csv:2:lon"),
        ("name,lat,lon,weight\nx,1,2,-1\n", "users.csv:2:weight"),
        ("name,lat,lon,weight\nx,1,2,0\n", "all weights are zero"),
        ("name,lat,lon,weight\n", "no rows"),
        ("name,lat,lon,weight,colour\nx,1,2,1,red\n", "unknown column"),
    ],
)
def test_a_bad_file_of_points_is_refused_with_row_and_column(tables, tmp_path, text, said):
    path = tmp_path / "users.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        load_market(tables, path)
    assert said in str(caught.value)


def test_a_missing_file_of_points_is_an_error_of_the_user(tables, tmp_path):
    with pytest.raises(DataError, match="no such file"):
        load_market(tables, tmp_path / "none.csv")


def test_countries_come_from_the_nearest_place_and_codes_that_look_like_words_survive(tables):
    assert nearest_country(tables, np.array([-22.56, 59.91]), np.array([17.08, 10.75])) == ("NAM", "NOR")
    frame = tables.frame("demand_countries")
    assert {"NA", "NO"} <= set(frame["iso2"])
    assert tables.frame("demand_metros")["country_iso3"].isin(frame["country_iso3"]).all()
