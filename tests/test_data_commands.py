"""The commands that look into data, sites and rules: what they print, and what they refuse."""

import csv
import io
import json

import pytest
from typer.testing import CliRunner

from dcsite.cli.app import app
from dcsite.data.policy import DISCLAIMER
from dcsite.errors import DcsiteError


def run(*arguments):
    """Output on stdout; errors of the program are raised as they are."""
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    return result.exit_code, result.stdout


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.slow
def test_data_list_names_every_folder():
    code, text = run("data", "list", "--format", "csv")
    assert code == 0
    folders = {row["file"].partition("/")[0] for row in rows(text)}
    assert folders == {"climate", "grid_prices", "network", "policy", "profiles", "regions"}


def test_data_show_picks_rows():
    _, text = run("data", "show", "retail", "-w", "zone_id=US-WA,customer_class=industrial", "-f", "csv")
    (row,) = rows(text)
    assert float(row["price_usd_per_mwh"]) == 66.1


def test_data_show_compares_numbers_and_parts_of_text():
    _, text = run(
        "data", "show", "capex", "-w", "capex_usd_per_w>=14.5", "-w", "area_kind=market", "-f", "csv"
    )
    assert {row["name"] for row in rows(text)} == {"Tokyo", "Singapore", "Reno"}
    _, text = run("data", "show", "sites", "-w", "tags~crypto,country_iso3!=USA", "-f", "csv")
    found = rows(text)
    assert found
    assert all("crypto" in row["tags"] and row["country_iso3"] != "USA" for row in found)


def test_data_show_describes_columns_and_grids():
    _, text = run("data", "show", "sites", "--columns", "-f", "csv")
    described = {row["column"]: row["meaning"] for row in rows(text)}
    assert described["river_km"] == "distance to it [km]"
    assert all(described.values())
    _, text = run("data", "show", "water_distance")
    assert "541 x 1440" in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["data", "show", "retial"], "did you mean retail"),
        (["data", "show", "retail", "-w", "zone=US"], "did you mean 'zone_id'"),
        (["data", "show", "retail", "-w", "zone_id"], "not a condition"),
        (["data", "show", "retail", "-w", "zone_id>US"], "holds text"),
        (["data", "show", "retail", "-w", "year=abc"], "is not a number"),
        (["data", "show", "retail", "-w", "year>2020|2021"], "one number only"),
        (["data", "sources", "nobody"], "not known"),
        (["data", "list", "--data-dir", "no/such/folder"], "no such folder"),
        (["sites", "show", "iceland"], "fits 5 sites"),
        (["sites", "show"], "name one site"),
        (["sites", "show", "--at", "95,0"], "outside -90 to 90"),
        (["sites", "list", "-w", "tag=gpu"], "tags: ai, cloud, crypto, hub"),
        (["sites", "list", "-w", "country=germny"], "did you mean 'germany'"),
        (["eligible", "--country", "icelnd"], "ISL"),
        (["eligible", "--rules", "us-2026"], "us-2026-01"),
        (["eligible", "--operator-hq", "nowhere"], "not known"),
    ],
)
def test_a_wrong_argument_says_what_would_be_right(arguments, says):
    with pytest.raises(DcsiteError) as caught:
        run(*arguments)
    assert says in str(caught.value)


def test_sites_list_narrows_by_country_and_tag():
    _, text = run("sites", "list", "-w", "country=USA,tag=ai", "-f", "csv")
    found = rows(text)
    assert len(found) > 20
    assert all(row["country_iso3"] == "USA" and "ai" in row["tags"].split(",") for row in found)
    _, text = run("sites", "list", "-w", "country=iceland|Kuwait", "-f", "csv")
    assert {row["country_iso3"] for row in rows(text)} == {"ISL", "KWT"}


def test_sites_show_prints_figures_with_quality_and_sources(golden):
    code, text = run("sites", "show", "quincy")
    assert code == 0
    golden("sites_show_quincy.txt", text)


def test_sites_show_says_what_a_point_leans_on():
    _, text = run("sites", "show", "--at", "64.1,-21.9,East")
    assert "Read with care: water kind and distance from a quarter-degree map" in text
    assert "land not priced" in text


def test_missing_figures_print_as_not_known():
    _, text = run("sites", "show", "is-keflavik", "-f", "json")
    sheet = {row["fact"]: row for row in json.loads(text)["tables"]["site"]["rows"]}
    assert sheet["land_usd_per_m2"]["value"] in ("", None)
    assert sheet["land_usd_per_m2"]["note"] == "not known"
    assert sheet["fema_loss_usd_per_musd"]["note"] == "not known"


def test_a_file_takes_the_place_of_the_catalog(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("name,lat,lon,grid_mw\nNorth plot,47.3,-119.9,150\n")
    _, text = run("sites", "list", "--sites", str(path), "-f", "csv")
    (row,) = rows(text)
    assert (row["site_id"], row["grid_mw"], row["zone_id"]) == ("north-plot", "150.0", "US-WA-GRANTPUD")


@pytest.mark.parametrize("rules", ["us-2026-01", "us-2023-10", "us-2025-diffusion"])
@pytest.mark.parametrize("output_format", ["table", "json", "csv", "md"])
def test_no_verdict_without_rule_date_and_disclaimer(rules, output_format):
    _, text = run("eligible", "--country", "ISL,KWT", "--rules", rules, "--format", output_format)
    flat = " ".join(text.split())
    dates = {"us-2026-01": "2026-01-15", "us-2023-10": "2023-11-17", "us-2025-diffusion": "2025-05-15"}
    assert rules in flat
    assert dates[rules] in flat
    assert DISCLAIMER[:60] in flat
    assert ("never enforced" in flat) == (rules == "us-2025-diffusion")


def test_eligible_counts_by_verdict():
    _, text = run("eligible", "--accelerators", "20000")
    for line in (
        "denied: 21",
        "license required: 23",
        "no license by destination: 182",
        "domestic, no export: 1",
    ):
        assert line in text.splitlines()


def test_eligible_prints_the_table_of_chosen_countries(golden):
    _, text = run(
        "eligible", "--rules", "us-2025-diffusion", "--accelerators", "60000", "-c", "ISL", "-c", "france"
    )
    golden("eligible_diffusion.txt", text)


def test_a_written_file_is_not_overwritten(tmp_path):
    path = tmp_path / "verdicts.csv"
    run("eligible", "--country", "ISL", "--out", str(path))
    assert "no_country_licence" in path.read_text()
    with pytest.raises(DcsiteError, match="--force"):
        run("eligible", "--country", "ISL", "--out", str(path))
    run("eligible", "--country", "KWT", "--out", str(path), "--force")
    assert "Kuwait" in path.read_text()


@pytest.mark.slow
def test_data_check_ends_with_code_2_on_a_fault(tmp_path):
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "crypto.csv").write_text(
        "country_iso3,banned,note,source_id,year,quality\nQQQ,true,banned,dcsite-crypto,2026,good\n"
    )
    code, text = run("data", "check", "--data-dir", str(tmp_path))
    assert code == 2
    assert "policy/crypto.csv:2: country_iso3 'QQQ' is no country of countries.csv" in text
    assert "policy/crypto.csv:2: quality 'good' is none of" in text
