"""The shipped network: sane times, direction of the ranking, best reach, own measurements, the command."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from dcsite.cli.rtt import rtt
from dcsite.data.catalog import DataRoot
from dcsite.data.demand import DEMANDS, load_market, market_names, nearest_country
from dcsite.data.network import (
    best_reach,
    candidate_places,
    find_point,
    load_last_mile,
    load_network,
    read_pair_ends,
)
from dcsite.data.scenario_file import load_profiles
from dcsite.data.tables import Tables, load_tables
from dcsite.errors import DataError, DcsiteError, UsageError
from dcsite.physics.latency import ReachIndex, as_network, great_circle_km, rtt_matrix, rtt_pairs

if TYPE_CHECKING:
    from pathlib import Path

ASHBURN, FRANKFURT, DUBLIN = (39.0437, -77.4875), (50.1155, 8.6842), (53.3331, -6.2489)
SINGAPORE, SYDNEY = (1.2897, 103.8501), (-33.8678, 151.2073)


@pytest.fixture(scope="module")
def tables():
    return load_tables()


@pytest.fixture(scope="module")
def networks(tables):
    return {name: as_network(load_network(tables, name)) for name in ("cloud", "public")}


def country(tables, *point):
    return nearest_country(tables, np.array([point[0]]), np.array([point[1]]))


# --- the model on the shipped tables ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b"),
    [(ASHBURN, FRANKFURT), (SINGAPORE, SYDNEY), (DUBLIN, ASHBURN)],
    ids=["ash-fra", "sin-syd", "dub-ash"],
)
def test_well_known_pairs_are_within_a_quarter_with_the_pair_itself_left_out(networks, a, b):
    cloud = networks["cloud"]
    pairs = cloud.reference
    ends = [
        (great_circle_km(lat, lon, *point) < 100)
        for lat, lon in ((pairs.lat_a, pairs.lon_a), (pairs.lat_b, pairs.lon_b))
        for point in (a, b)
    ]
    own = (ends[0] & ends[3]) | (ends[1] & ends[2])
    assert own.any()
    left = replace(cloud, reference=pairs.take(~own))
    modeled = rtt_pairs(left, *a, None, *b, None).rtt_ms[0]
    assert modeled == pytest.approx(np.median(pairs.rtt_ms[own]), rel=0.25)


@settings(max_examples=60, deadline=None)
@given(st.floats(-89, 89), st.floats(-180, 180), st.floats(-89, 89), st.floats(-180, 180))
def test_any_two_points_on_earth_have_a_time_above_the_floor(tables, networks, lat_a, lon_a, lat_b, lon_b):
    a, b = country(tables, lat_a, lon_a), country(tables, lat_b, lon_b)
    for network in networks.values():
        there = rtt_pairs(network, lat_a, lon_a, a, lat_b, lon_b, b)
        back = rtt_pairs(network, lat_b, lon_b, b, lat_a, lon_a, a)
        assert np.isfinite(there.rtt_ms[0])
        assert there.rtt_ms[0] >= there.distance_km[0] / 100 - 1e-9
        assert there.rtt_ms[0] == pytest.approx(back.rtt_ms[0], abs=1e-9)
        assert there.rtt_p90_ms[0] >= there.rtt_ms[0]


def test_hub_cities_beat_far_corners_by_reach_to_the_world(tables, networks):
    users = load_market(tables, "world", "spending", 1000)
    names = ["Ashburn", "New York", "Boden", "Tashkent"]
    lat, lon = [39.04, 40.71, 65.83, 41.26], [-77.49, -74.01, 21.69, 69.22]
    codes = ["USA", "USA", "SWE", "UZB"]
    table = rtt_matrix(networks["public"], lat, lon, codes, users.lat, users.lon, users.country_iso3)
    index = ReachIndex.build(networks["public"], users.lat, users.lon, users.country_iso3, users.weight)
    for full, zero in ((20, 80), (50, 200)):
        found = dict(zip(names, index.reach(lat, lon, codes, full_ms=full, zero_ms=zero), strict=True))
        assert min(found["Ashburn"], found["New York"]) > max(found["Boden"], found["Tashkent"])
    assert (table > 0).all()


def test_every_rate_is_slower_than_light_and_the_sparse_class_is_capped(networks):
    for network in networks.values():
        for kind in ("terrestrial_dense", "terrestrial_sparse", "submarine", "rarely_used"):
            assert 0.01 < network.rate_ms_per_km[kind] <= 0.0301
        assert (network.link_factor > 0).all()
        assert np.isfinite(network.hub_ms).all()


def test_the_bands_cover_what_they_say(tables):
    band = tables.frame("rtt_band")
    assert band["covered_ratio"].between(0.85, 0.95).all()
    assert (band["p90_ratio"] >= 1).all()
    assert (band["pairs"] > 50).all()


def test_published_errors_on_unseen_metros_meet_the_bars_and_beat_the_simple_rules(tables):
    accuracy = tables.frame("rtt_accuracy").set_index(["network", "setting", "ends_unseen"])
    cloud, public = accuracy.loc["cloud", "model", "any"], accuracy.loc["public", "model", "any"]
    assert cloud["mae_ms"] <= 12
    assert cloud["mape_ratio"] <= 0.09
    assert cloud["p90_error_ms"] <= 26
    assert public["mape_ratio"] <= 0.15
    for network in ("cloud", "public"):
        for ends in ("any", "both"):
            model = accuracy.loc[network, "model", ends]
            for rule in ("floor", "fiber_2_1", "line", "graph"):
                assert model["mape_ratio"] < accuracy.loc[network, rule, ends]["mape_ratio"]


def test_the_page_of_errors_is_made_from_the_tables(tables, request):
    root = request.config.rootpath
    spec = importlib.util.spec_from_file_location("page", root / "scripts" / "accuracy_latency.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = module.page(*(tables.frame(name) for name in ("rtt_accuracy", "rtt_band", "parameters")))
    assert (root / "docs" / "accuracy_latency.md").read_text(encoding="utf-8") == text


def test_no_row_of_a_set_that_must_not_ship_is_in_the_tables(tables):
    assert set(tables.frame("rtt_reference")["set"]) == {"azure", "aws", "ibm"}
    assert set(tables.frame("rtt_reference")["network"]) == {"cloud"}


@pytest.mark.parametrize(
    ("market", "demand", "name", "full", "zero"),
    [
        ("europe", "spending", "public", 20, 80),
        ("world", "spending", "public", 20, 80),
        ("world", "users", "cloud", 50, 200),
        ("north-america", "spending", "public", 20, 80),
        ("southeast-asia", "users", "public", 20, 80),
    ],
)
def test_the_best_reach_is_reached_and_nowhere_passed(tables, networks, market, demand, name, full, zero):
    lat, lon, codes, _ = candidate_places(tables)
    users = load_market(tables, market, demand, 300)
    index = ReachIndex.build(networks[name], users.lat, users.lon, users.country_iso3, users.weight)
    values = index.reach(lat, lon, codes, full_ms=full, zero_ms=zero)
    row = best_reach(tables, market, demand, name, full_ms=full, zero_ms=zero, points=300)
    assert row is not None
    assert values.max() <= row.best_reach_ratio + 1e-5
    at = index.reach([row.lat], [row.lon], country(tables, row.lat, row.lon), full_ms=full, zero_ms=zero)
    assert at[0] == pytest.approx(row.best_reach_ratio, abs=1e-4)


def test_every_market_has_its_best_reach_for_the_anchors_of_the_profiles(tables):
    anchors = {(p.reach_full_ms, p.reach_zero_ms) for p in load_profiles(tables).values()}
    for market in market_names():
        for demand in DEMANDS:
            for full, zero in anchors:
                found = [
                    best_reach(tables, market, demand, name, full_ms=full, zero_ms=zero, points=points)
                    for name in ("cloud", "public")
                    for points in (300, 1000)
                ]
                assert all(row is not None and 0 < row.best_reach_ratio <= 1 for row in found), market


def test_anchors_that_no_table_has_are_not_looked_up(tables):
    assert best_reach(tables, "europe", "spending", "public", full_ms=1, zero_ms=2, points=300) is None


def test_factors_and_measured_pairs_can_be_switched_off(tables):
    bare = load_network(tables, "public", corrections=False)
    assert not bare.country_log_factor
    assert not load_network(tables, "cloud", residuals=False).reference.origin
    only = load_network(tables, "cloud", sets=("azure",))
    assert set(only.reference.origin) == {"azure"}
    with pytest.raises(UsageError, match="unknown for the cloud"):
        load_network(tables, "cloud", sets=("gcp",))
    with pytest.raises(UsageError, match="--network"):
        load_network(tables, "private")


# --- tables that contradict themselves ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "change", "said"),
    [
        ("hubs", lambda row: row | {"access": "true"} if row["kind"] == "waypoint" else row, "takes access"),
        ("links", lambda row: row | {"to_hub_id": row["from_hub_id"]}, "to itself"),
        ("links", lambda row: row | {"to_hub_id": "nowhere"}, "unknown hub 'nowhere'"),
        ("links", lambda row: row | {"link_class": "pigeon"}, "unknown class 'pigeon'"),
        ("rtt_reference", lambda row: row | {"rtt_ms": "1"}, "faster than light"),
        ("parameters", lambda row: row | {"parameter": "x"}, "no terrestrial_dense"),
    ],
)
def test_contradicting_tables_are_refused_with_file_and_row(tables, tmp_path, table, change, said):
    (tmp_path / "network").mkdir()
    with tables.path(table).open(encoding="utf-8", newline="") as source:
        rows = list(csv.DictReader(source))
    target = tmp_path / "network" / f"{table}.csv"
    with target.open("w", encoding="utf-8", newline="") as sink:
        writer = csv.DictWriter(sink, rows[0])
        writer.writeheader()
        writer.writerows(change(row) for row in rows)
    own = Tables(shipped=tables.shipped, user=DataRoot(tmp_path, "--data-dir"))
    with pytest.raises(DataError, match=said) as caught:
        load_network(own, "cloud")
    assert str(target) in str(caught.value)


# --- own measurements ---------------------------------------------------------------------------------


def reference(tmp_path: Path, *rows: str, header="from_lat,from_lon,to_lat,to_lon,rtt_ms") -> Path:
    path = tmp_path / "mine.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["cloud", "public"])
def test_own_measurements_rule_nearby_fade_far_away_and_are_named(tables, networks, tmp_path, name):
    path = reference(tmp_path, "39.0437,-77.4875,50.1155,8.6842,150")
    loaded = load_network(tables, name, reference_file=path)
    own = as_network(loaded)
    assert any(str(path) in text for text in loaded.provenance)
    ends = (*ASHBURN, ["USA"], *FRANKFURT, ["DEU"])
    before = rtt_pairs(networks[name], *ends).rtt_ms[0]
    after = rtt_pairs(own, *ends).rtt_ms[0]
    assert before < after <= 150
    assert abs(after - 150) < 0.2 * abs(before - 150)
    far = (*SINGAPORE, ["SGP"], *SYDNEY, ["AUS"])
    assert rtt_pairs(own, *far).rtt_ms[0] == pytest.approx(
        rtt_pairs(networks[name], *far).rtt_ms[0], abs=1e-6
    )


def test_a_measurement_faster_than_light_is_refused_with_both_values(tables, tmp_path):
    path = reference(tmp_path, "40.71,-74,51.5,-0.12,20")
    with pytest.raises(DataError, match=r"20 ms is faster .* at least 55\.7") as caught:
        load_network(tables, "public", reference_file=path)
    assert f"{path}:2:rtt_ms" in str(caught.value)


def test_rows_of_the_other_network_are_left_out(tables, tmp_path):
    header = "from_lat,from_lon,to_lat,to_lon,rtt_ms,network"
    path = reference(tmp_path, "40.71,-74,51.5,-0.12,90,cloud", header=header)
    assert len(load_network(tables, "cloud", reference_file=path).reference.rtt_ms) > 1000
    with pytest.raises(DataError, match="no pair for the public network"):
        load_network(tables, "public", reference_file=path)


@pytest.mark.parametrize(
    ("row", "where"),
    [
        ("95,0,0,0,10", "mine.csv:2:from_lat"),
        ("0,x,0,0,10", "mine.csv:2:from_lon"),
        ("0,0,0,999,10", "mine.csv:2:to_lon"),
        ("0,0,0,0,", "mine.csv:2:rtt_ms"),
        ("0,0,0,0,-3", "mine.csv:2:rtt_ms"),
    ],
)
def test_bad_cells_of_own_measurements_are_named(tables, tmp_path, row, where):
    with pytest.raises(DataError) as caught:
        load_network(tables, "public", reference_file=reference(tmp_path, row))
    assert where in str(caught.value)


# --- naming places ------------------------------------------------------------------------------------


def test_places_go_by_name_with_or_without_accents_and_by_coordinates(tables):
    assert (
        find_point(tables, "São Paulo").country_iso3 == find_point(tables, "sao paulo").country_iso3 == "BRA"
    )
    assert find_point(tables, "-33.9, 18.4").country_iso3 == "ZAF"
    assert find_point(tables, "frankfurt").country_iso3 == "DEU"
    assert find_point(tables, "Birmingham:GBR").country_iso3 == "GBR"
    with pytest.raises(UsageError, match="no site") as caught:
        find_point(tables, "Johannesbrg")
    assert "Johannesburg" in str(caught.value)
    with pytest.raises(UsageError, match="latitude"):
        find_point(tables, "99,0")


def test_last_mile_figures_are_marked_unverified(tables):
    fiber, satellite = load_last_mile(tables, "ftth"), load_last_mile(tables, "geo_satellite")
    assert 0 <= fiber.low_ms <= fiber.high_ms < satellite.low_ms
    assert fiber.quality == "unverified"
    with pytest.raises(UsageError, match="carrier-pigeon"):
        load_last_mile(tables, "carrier-pigeon")


# --- the command --------------------------------------------------------------------------------------


def run(*arguments: str):
    app = typer.Typer()
    app.command(context_settings={"ignore_unknown_options": True})(rtt)
    return CliRunner().invoke(app, list(arguments), catch_exceptions=True)


def test_the_command_gives_the_same_rows_with_two_columns_more(tables, networks, tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text(
        "id,from_lat,from_lon,to_lat,to_lon\n007,39.04,-77.49,50.12,8.68\nb,1.290,103.85,-33.87,151.21\n"
    )
    for name in ("cloud", "public"):
        result = run("--pairs", str(path), "--network", name)
        assert result.exit_code == 0, result.output
        rows = list(csv.DictReader(io.StringIO(result.stdout)))
        assert list(rows[0]) == ["id", "from_lat", "from_lon", "to_lat", "to_lon", "rtt_ms", "rtt_p90_ms"]
        assert [row["id"] for row in rows] == ["007", "b"]
        assert rows[1]["from_lat"] == "1.290"
        ends = read_pair_ends(tables, path)
        times = rtt_pairs(
            networks[name], ends.lat_a, ends.lon_a, ends.country_a, ends.lat_b, ends.lon_b, ends.country_b
        )
        assert [float(row["rtt_ms"]) for row in rows] == pytest.approx(times.rtt_ms, abs=0.006)
        assert all(float(row["rtt_p90_ms"]) >= float(row["rtt_ms"]) for row in rows)


def test_a_file_that_exists_is_kept_unless_forced(tmp_path):
    path, out = tmp_path / "pairs.csv", tmp_path / "out.csv"
    path.write_text("from_lat,from_lon,to_lat,to_lon\n39.04,-77.49,50.12,8.68\n")
    asked = ("--pairs", str(path), "--out", str(out))
    assert run(*asked).exit_code == 0
    kept = out.read_text()
    assert "rtt_p90_ms" in kept
    assert "--force" in str(run(*asked).exception)
    assert run(*asked, "--force").exit_code == 0
    assert out.read_text() == kept


def test_the_command_names_route_and_origin_of_one_pair():
    result = run(
        "frankfurt am main", "singapore", "--network", "cloud", "--access", "ftth", "--format", "json"
    )
    record = json.loads(result.stdout)
    assert record["quality"] == "modeled"
    assert record["rtt_low_ms"] > record["rtt_ms"] >= record["fiber_floor_ms"]
    assert "unverified" in record["access"]
    assert any("azure" in text for text in record["provenance"])
    without = run(
        "frankfurt am main", "singapore", "--network", "cloud", "--without", "azure", "--format", "json"
    )
    assert not any("azure" in text for text in json.loads(without.stdout)["provenance"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give two places"),
        (("London",), "give two places"),
        (("--pairs", "nowhere.csv"), "no such file"),
        (("London:GBR", "Tokyo", "--network", "wan"), "--network wan"),
        (("London:GBR", "Tokyo", "--without", "azure"), "no such set"),
    ],
)
def test_the_command_refuses_bad_input_with_a_hint(arguments, said):
    result = run(*arguments)
    assert isinstance(result.exception, DcsiteError)
    assert said in str(result.exception)
    assert "hint" in str(result.exception)


def test_a_file_of_pairs_with_bad_cells_lists_each_with_row_and_column(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("from_lat,from_lon,to_lat,to_lon\n1,2,x,4\n95,2,3,\n")
    result = run("--pairs", str(path))
    for where in ("pairs.csv:2:to_lat", "pairs.csv:3:from_lat", "pairs.csv:3:to_lon"):
        assert where in str(result.exception)
    path.write_text("from_lat,from_lon,to_lat\n1,2,3\n")
    assert "no column 'to_lon'" in str(run("--pairs", str(path)).exception)
