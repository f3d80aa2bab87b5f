"""A user's own sites: every format gives the same sites, and every fault is told where it stands."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsite.data import places, userfiles
from dcsite.data.tables import load_tables
from dcsite.errors import DataError, DcsiteError, UsageError

TABLES = load_tables()
GOOD = "name,lat,lon,grid_mw,x_owner\nNorth plot,47.3,-119.9,150,me\nNacka,59.31,18.16,,you\n"


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


BROKEN = {
    "unknown_columns": "name,latitude,lon,gridmw,owner\nA,47,-119,5,me\n",
    "missing_coordinates": "name,grid_mw\nA,5\n",
    "bad_numbers": 'name,lat,lon,grid_mw\nA,95,-119,5\nB,47,-181,-5\nC,x,10,nan\nD,47,,1e999\nE,47,10,"1,5"\n',
    "bad_codes": "name,lat,lon,country_iso3,water_kind,zone_id\nA,47,-119,US,rivr,US-WAA\nB,47,9,Germny,sea,DE\n",
    "repeated_ids": "site_id,lat,lon\na,47,-119\nb,48,-119\na,49,-119\n",
    "bad_ids": "site_id,lat,lon\nmy site,47,-119\n-x,48,-119\n",
    "ragged_rows": "name,lat,lon\nA,47\nB,48,-119,extra\n",
    "semicolons": "name;lat;lon\nA;47;-119\n",
    "header_only": "name,lat,lon\n",
    "repeated_column": "name,lat,lat,lon\nA,47,47,-119\n",
    "empty": "",
    "open_quote": 'name,lat,lon\n"A,47,-119\n',
}


@pytest.mark.parametrize("case", sorted(BROKEN))
def test_a_broken_file_tells_all_its_faults(case, tmp_path, monkeypatch, golden):
    write(tmp_path, "sites.csv", BROKEN[case])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as caught:
        userfiles.load_sites("sites.csv", TABLES)
    golden(f"userfiles/{case}.txt", f"{caught.value}\n")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"name,lat,lon\nZ\xfcrich,47,8\n", "not UTF-8 text"),
        (b"name,lat,lon\nA\x00,47,8\n", "NUL"),
        ("name,lat,lon\nA\x07,47,8\n", "control characters"),
        ("name,lat,lon\n" + "A" * 10_001 + ",47,8\n", "10,001 characters"),
    ],
)
def test_bytes_that_are_no_text_are_refused(content, says, tmp_path):
    with pytest.raises(DataError, match=says):
        userfiles.load_sites(write(tmp_path, "sites.csv", content), TABLES)


def test_a_missing_file_suggests_its_neighbor(tmp_path):
    write(tmp_path, "sites.csv", GOOD)
    with pytest.raises(DataError, match=r"did you mean .*sites\.csv"):
        userfiles.load_sites(tmp_path / "site.csv", TABLES)


@pytest.mark.parametrize("name", ["sites.xlsx", "sites", "sites.kml"])
def test_an_unknown_format_lists_the_known_ones(name, tmp_path):
    with pytest.raises(DataError, match="GeoParquet"):
        userfiles.load_sites(write(tmp_path, name, "x"), TABLES)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(DataError, match="is a folder"):
        userfiles.load_sites(tmp_path, TABLES)


def test_a_file_over_the_limit_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(userfiles, "MAX_FILE_BYTES", 10)
    with pytest.raises(DataError, match="the limit is 10"):
        userfiles.load_sites(write(tmp_path, "sites.csv", GOOD), TABLES)


def test_many_faults_are_cut_with_a_count(tmp_path):
    rows = "".join(f"s{k},999,0\n" for k in range(80))
    with pytest.raises(DataError) as caught:
        userfiles.load_sites(write(tmp_path, "sites.csv", f"site_id,lat,lon\n{rows}"), TABLES)
    assert "80 problems" in str(caught.value)
    assert "and 30 more" in str(caught.value)


def test_a_good_file_gives_every_column_and_keeps_its_own(tmp_path):
    made = userfiles.load_sites(write(tmp_path, "sites.csv", GOOD), TABLES)
    assert set(made.columns) == {*places.SITE_COLUMNS, "x_owner"}
    assert list(made["site_id"]) == ["north-plot", "nacka"]
    assert list(made["zone_id"]) == ["US-WA-GRANTPUD", "SE-SE3"]
    assert made["grid_mw"].iloc[0] == 150
    assert np.isnan(made["grid_mw"].iloc[1])
    assert list(made["x_owner"]) == ["me", "you"]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_byte_order_marks_do_not_matter(ending, mark, tmp_path):
    plain = userfiles.load_sites(write(tmp_path, "a.csv", GOOD), TABLES)
    other = userfiles.load_sites(write(tmp_path, "b.csv", mark + GOOD.replace("\n", ending)), TABLES)
    pd.testing.assert_frame_equal(plain, other)


@pytest.fixture
def plots():
    geopandas = pytest.importorskip("geopandas")
    shapely = pytest.importorskip("shapely")
    return geopandas.GeoDataFrame(
        {"name": ["Square", "Point"], "grid_mw": [100.0, None]},
        geometry=[shapely.box(283_000, 5_240_000, 284_000, 5_241_000), shapely.Point(290_000, 5_250_000)],
        crs=32611,
    )


@pytest.mark.parametrize("suffix", ["gpkg", "parquet", "geojson"])
def test_geometries_in_meters_become_degrees_and_polygons_keep_their_area(plots, suffix, tmp_path):
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"plots.{suffix}"
    if suffix == "parquet":
        plots.to_parquet(path)
    elif suffix == "gpkg":
        plots.to_file(path)
    else:
        plots.to_crs(4326).to_file(path)
    made = userfiles.load_sites(path, TABLES)
    assert list(made["site_id"]) == ["square", "point"]
    assert made["lat"].iloc[0] == pytest.approx(47.28, abs=0.02)
    assert made["lon"].iloc[0] == pytest.approx(-119.86, abs=0.02)
    assert made["land_m2"].iloc[0] == pytest.approx(1_000_000, rel=0.002)
    assert np.isnan(made["land_m2"].iloc[1])
    assert list(made["country_iso3"]) == ["USA", "USA"]


def test_meters_without_a_named_system_are_refused(plots, tmp_path):
    path = tmp_path / "plots.gpkg"
    with pytest.warns(UserWarning, match="crs"):
        plots.set_crs(None, allow_override=True).to_file(path)
    with pytest.raises(DataError, match="names no coordinate system"):
        userfiles.load_sites(path, TABLES)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "not valid JSON"),
        ("[]", "not a GeoJSON FeatureCollection"),
        ('{"features": []}', "no features"),
        ('{"features": [{"properties": {"name": "A"}}]}', "no geometry"),
        ('{"features": [{"geometry": {"type": "Point", "coordinates": ["a"]}}]}', "feature 1"),
        ('{"features": [{"geometry": {"type": "Point", "coordinates": [200, 95]}}]}', "longitude, latitude"),
        (
            '{"features": [{"geometry": {"type": "Point", "coordinates": [9, 47]}, "properties": {"foo": 1}}]}',
            "foo",
        ),
        ("[" * 5000, "not valid JSON"),
    ],
)
def test_a_broken_geojson_is_told(content, says, tmp_path):
    with pytest.raises(DataError, match=says):
        userfiles.load_sites(write(tmp_path, "sites.geojson", content), TABLES)


@pytest.mark.parametrize("suffix", ["gpkg", "parquet"])
def test_a_file_that_is_not_what_it_is_called_is_told(suffix, tmp_path):
    pytest.importorskip("pyarrow")
    with pytest.raises(DataError, match="not readable as"):
        userfiles.load_sites(write(tmp_path, f"sites.{suffix}", b"not really"), TABLES)


def test_plain_parquet_with_lat_and_lon_is_read(tmp_path):
    pytest.importorskip("pyarrow")
    pd.DataFrame({"name": ["A"], "lat": [47.2], "lon": [-119.8]}).to_parquet(tmp_path / "a.parquet")
    assert userfiles.load_sites(tmp_path / "a.parquet", TABLES)["site_id"].tolist() == ["a"]


def test_points_from_the_command_line():
    made = userfiles.points_as_sites(["47.23,-119.85", "64.1,-21.9,Reykjavik, east"], TABLES)
    assert list(made["name"]) == ["47.23, -119.85", "Reykjavik, east"]
    assert list(made["country_iso3"]) == ["USA", "ISL"]
    assert made["site_id"].is_unique


@pytest.mark.parametrize(
    "text", ["", "47", "47;-119", "a,b", "91,0", "0,181", "nan,0", "inf,0", "1_0,2", ",", "\uff14\uff17,8"]
)
def test_a_text_that_is_no_point_is_refused(text):
    with pytest.raises(UsageError):
        userfiles.points_as_sites([text], TABLES)


def outcome(text):
    """Frame, or the text of the error."""
    try:
        return userfiles.judge(userfiles.read_csv_text(text, "x.csv"), TABLES)
    except DcsiteError as error:
        return str(error)


@given(st.one_of(st.text(max_size=80), st.text(max_size=40).map(lambda cells: f"name,lat,lon\n{cells}")))
def test_any_text_gives_sites_or_a_told_fault(text):
    made = outcome(text)
    assert made.startswith("x.csv: ") if isinstance(made, str) else len(made) >= 1


@given(lat=st.floats(-90, 90), lon=st.floats(-180, 180))
def test_coordinates_survive_the_file(lat, lon):
    raw = userfiles.read_csv_text(f"lat,lon\n{lat!r},{lon!r}\n", "x.csv")
    made = userfiles.judge(raw, TABLES)
    assert (made["lat"].iloc[0], made["lon"].iloc[0]) == (lat, lon)


def test_the_columns_for_users_are_columns_of_a_sites_frame():
    assert set(userfiles.NUMBERS) <= set(userfiles.FILE_COLUMNS)
    assert set(userfiles.ALIASES.values()) <= set(userfiles.FILE_COLUMNS)
    assert {userfiles.OVERRIDES.get(c, c) for c in userfiles.FILE_COLUMNS} == set(places.INPUT_COLUMNS)
    assert set(places.INPUT_COLUMNS) <= set(places.SITE_COLUMNS)


def test_a_price_of_ones_own_becomes_an_override(tmp_path):
    text = "name,lat,lon,price_usd_per_mwh,carbon_g_per_kwh\nA,47.3,-119.9,33.5,\n"
    made = userfiles.load_sites(write(tmp_path, "sites.csv", text), TABLES).iloc[0]
    assert made["price_override_usd_per_mwh"] == 33.5
    assert np.isnan(made["carbon_override_g_per_kwh"])


def test_an_old_crs_member_of_geojson_is_honored(tmp_path):
    feature = {
        "type": "Feature",
        "properties": {"name": "A"},
        "geometry": {"type": "Point", "coordinates": [283_500, 5_240_500]},
    }
    content = {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32611"}},
        "features": [feature],
    }
    made = userfiles.load_sites(write(tmp_path, "a.geojson", json.dumps(content)), TABLES)
    assert made["lat"].iloc[0] == pytest.approx(47.28, abs=0.02)
