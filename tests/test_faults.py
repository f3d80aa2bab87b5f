"""Broken files, full disks, odd places and locales: one clear error, the right exit code, nothing half-written."""

from __future__ import annotations

import csv
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcsite.batch.cells import file_source
from dcsite.batch.sweep import read_sweep
from dcsite.data.scenario_file import load_scenario, parse_scenario
from dcsite.data.tables import load_tables
from dcsite.data.userfiles import load_sites
from dcsite.errors import DataError, DcsiteError, ScenarioError
from dcsite.study.evaluating import evaluate
from dcsite.study.quick import quick_scenario
from dcsite.study.ranking import rank

ROOT = Path(__file__).parents[1]
START = 'format = 1\n[[workloads]]\nname = "a"\nprofile = "cloud"\nit_mw = 5\n'
FEW = ["us-quincy-wa", "is-keflavik", "sg-singapore"]


@pytest.fixture(scope="module")
def tables():
    return load_tables()


def ranked(tables, only=FEW, profile="hpc-batch"):
    asked = quick_scenario(profiles=[profile], only=only)
    return rank(evaluate(asked, tables)).table


SITES = {
    "empty": b"",
    "only a header": b"name,lat,lon\n",
    "no header": b"47,8\n48,9\n",
    "NUL bytes": b"name,lat,lon\nA,47\x00,8\n",
    "Latin-1": "name,lat,lon\nZürich,47,8\n".encode("latin-1"),
    "UTF-16": "name,lat,lon\nA,47,8\n".encode("utf-16"),
    "a line of 10 MB": b"name,lat,lon\n" + b"x" * 10_000_000 + b",1,2\n",
    "a row cut off": b"name,lat,lon\nA,47\n",
    "an open quote": b'name,lat,lon\n"A,47,8\n',
    "NaN": b"name,lat,lon\nA,nan,8\n",
    "infinity": b"name,lat,lon\nA,47,inf\n",
    "beyond double": b"name,lat,lon\nA,1e400,8\n",
    "beyond the pole": b"name,lat,lon\nA,90.5,8\n",
    "ids twice": b"site_id,lat,lon\na,47,8\na,48,9\n",
    "semicolons": b"name;lat;lon\nA;47,1;8,2\n",
    "a column twice": b"lat,lat,lon\n1,2,3\n",
    "negative MW": b"name,lat,lon,grid_mw\nA,47,8,-5\n",
    "escape codes": b"name,lat,lon\n\x1b[31mA,47,8\n",
    "noise": bytes(range(256)) * 8,
}


@pytest.mark.parametrize("what", SITES)
def test_a_broken_file_of_sites_is_one_error_that_names_the_file(tables, tmp_path, what):
    path = tmp_path / "sites.csv"
    path.write_bytes(SITES[what])
    with pytest.raises(DataError) as caught:
        load_sites(path, tables)
    assert "sites.csv" in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("ending", ["gpkg", "geojson", "parquet"])
@pytest.mark.parametrize("damage", ["half", "empty", "noise", "xml"])
def test_a_broken_geo_file_is_one_error_that_names_the_file(tables, tmp_path, ending, damage):
    import geopandas

    if ending == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"places.{ending}"
    frame = geopandas.GeoDataFrame(
        {"name": ["A", "B"]}, geometry=geopandas.points_from_xy([8, 9], [47, 48]), crs="EPSG:4326"
    )
    frame.to_parquet(path) if ending == "parquet" else frame.to_file(path)
    assert len(load_sites(path, tables)) == 2
    whole = path.read_bytes()
    bomb = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>'
    path.write_bytes(
        {"half": whole[: len(whole) // 2], "empty": b"", "noise": os.urandom(500), "xml": bomb}[damage]
    )
    for call in (lambda: load_sites(path, tables), lambda: file_source(path, tmp_path / "source")):
        with pytest.raises(DataError) as caught:
            call()
        assert f"places.{ending}" in str(caught.value)


TOML = {
    "cut off": b"format = 1\n[[workl",
    "NUL": b"format = 1\x00",
    "Latin-1": 'title = "ü"'.encode("latin-1"),
    "UTF-16": START.encode("utf-16"),
    "nested": b"a=" + b"[" * 100_000 + b"]" * 100_000,
    "too long": b"#" * 10_000_000,
    "infinite": START.encode() + b"max_rtt_ms = inf\n",
    "NaN": START.encode() + b"max_rtt_ms = nan\n",
    "5,000 digits": START.encode() + b"max_rtt_ms = " + b"9" * 5000 + b"\n",
    "a key twice": b"format = 1\nformat = 1\n",
    "empty": b"",
    "text for a number": START.replace("= 5", '= "5"').encode(),
    "true for a number": START.replace("= 5", "= true").encode(),
}


@pytest.mark.parametrize("what", TOML)
def test_a_broken_scenario_is_one_error_that_names_the_file(tmp_path, what):
    path = tmp_path / "scenario.toml"
    path.write_bytes(TOML[what])
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    assert "scenario.toml" in str(caught.value)


def test_a_byte_order_mark_does_not_matter(tmp_path):
    path = tmp_path / "scenario.toml"
    path.write_bytes(("\ufeff" + START).encode())
    assert load_scenario(path).workloads[0].it_mw == 5


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "cannot be read"),
        (b"[]", "not the manifest"),
        (b'{"format":1,"kind":"sweep"}', "not the run of a sweep"),
    ],
)
def test_a_broken_run_folder_is_one_error(tmp_path, data, message):
    (tmp_path / "manifest.json").write_bytes(data)
    with pytest.raises(DcsiteError, match=message):
        read_sweep(tmp_path)


def changed_table(shipped: Path, what: str) -> bytes:
    raw = shipped.read_bytes()
    if what == "half":
        return raw[: len(raw) // 2 + 7]
    if what == "empty":
        return b""
    rows = list(csv.reader(io.StringIO(raw.decode())))
    if what == "column gone":
        rows = [row[:-3] + row[-2:] for row in rows]
    if what == "header only":
        rows = rows[:1]
    if what == "text for numbers":
        at = rows[0].index("price_usd_per_mwh")
        rows[1][at] = "cheap"
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


@pytest.mark.parametrize("what", ["half", "empty", "column gone", "header only", "text for numbers"])
def test_an_own_price_table_that_cannot_stand_in_is_refused(tables, tmp_path, what):
    folder = tmp_path / "grid_prices"
    folder.mkdir()
    (folder / "retail.csv").write_bytes(changed_table(tables.path("retail"), what))
    with pytest.raises(DataError, match=r"retail\.csv") as caught:
        ranked(load_tables(tmp_path))
    if what == "text for numbers":
        assert "line 2, price_usd_per_mwh: 'cheap' is not a number" in str(caught.value)


@pytest.mark.parametrize("keep", [0, 300, 20_000])
def test_a_damaged_climate_grid_is_refused(tables, tmp_path, keep):
    (tmp_path / "climate").mkdir()
    raw = tables.path("t2m_monthly_0p5deg").read_bytes()
    (tmp_path / "climate" / "t2m_monthly_0p5deg.npz").write_bytes(raw[:keep])
    with pytest.raises(DataError, match="t2m_monthly_0p5deg"):
        ranked(load_tables(tmp_path))


def test_an_own_table_that_fits_is_used(tables, tmp_path):
    (tmp_path / "grid_prices").mkdir()
    shutil.copy(tables.path("retail"), tmp_path / "grid_prices" / "retail.csv")
    pd.testing.assert_frame_equal(ranked(load_tables(tmp_path)), ranked(tables))


def test_places_at_the_antimeridian_and_near_the_poles(tables):
    """180 E and 180 W are one place; a pole has no climate and says so."""
    points = ["-17,180,A", "-17,-180,B"]
    asked = quick_scenario(profiles=["hpc-batch"], catalog=False)
    facts = evaluate(asked, tables, points=points).facts
    east, west = (facts[facts["name"] == name] for name in ("A", "B"))
    for column in (
        "pue",
        "wue_l_per_kwh",
        "scarce_water_l_per_kwh",
        "carbon_kg_per_mwh",
        "cost_usd_per_mw_year",
    ):
        np.testing.assert_allclose(east[column], west[column], rtol=1e-9)
    assert east["pue"].notna().all()
    with pytest.raises(DataError, match="no climate at lat 90"):
        evaluate(asked, tables, points=["90,0,N"])


def run(*words, cwd=None, **env):
    return subprocess.run(
        [sys.executable, "-m", "dcsite", *words],
        capture_output=True,
        text=True,
        cwd=cwd or ROOT,
        env={**os.environ, **env},
        timeout=120,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_standard_output_is_one_line_and_exit_code_1():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "dcsite", "profiles", "list"],
            stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "error: cannot write the result (No space left on device)\n"


@pytest.mark.parametrize("ending", ["csv", "json", "md", "html", "xlsx", "gpkg"])
def test_a_full_disk_is_one_error_and_leaves_nothing(tables, tmp_path, ending, monkeypatch):
    from dcsite.report import export, plain

    asked = quick_scenario(profiles=["hpc-batch"], only=FEW)
    evaluation = evaluate(asked, tables)
    result = rank(evaluation)
    path = tmp_path / f"out.{ending}"
    path.write_text("before")

    def full(*_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(plain.Path if hasattr(plain, "Path") else Path, "replace", full)
    with pytest.raises(DataError, match="No space left on device"):
        export.write_report(result, path, evaluation=evaluation, force=True)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert path.read_text() == "before"


@pytest.mark.slow
def test_a_folder_that_cannot_be_written_is_told_and_stays_empty(tmp_path):
    if os.geteuid() == 0:
        (tmp_path / "file").write_text("")
        target = tmp_path / "file" / "deeper" / "out.csv"  # root may write everywhere, not below a file
    else:
        (tmp_path / "locked").mkdir(mode=0o500)
        target = tmp_path / "locked" / "out.csv"
    done = run("profiles", "list", "--out", str(target))
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_locale_and_time_zone_change_nothing():
    words = ("rank", "--profile", "hpc-batch", "--top", "5", "--format", "csv")
    plain = run(*words, LC_ALL="C.UTF-8", TZ="UTC")
    other = run(*words, LC_ALL="C", LANG="tr_TR.UTF-8", TZ="Pacific/Kiritimati", PYTHONHASHSEED="7")
    assert plain.returncode == other.returncode == 0
    assert plain.stdout == other.stdout


# --- fuzz -------------------------------------------------------------------------------------------------


def refused(kind, call, *values):
    """Error of a stated kind that a call raises, None if it goes well; any other error is a failure."""
    try:
        call(*values)
    except kind as error:
        str(error).encode()
        return error
    return None


cells = st.text(st.characters(codec="utf-8"), max_size=12)


@settings(max_examples=60)
@given(st.binary(max_size=400))
def test_any_bytes_as_a_scenario_are_read_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "fuzz.toml"
    path.write_bytes(data)
    with pytest.raises(ScenarioError):
        load_scenario(path)


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.text(max_size=8),
    st.just("world"),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(
    ["format", "title", "discount_rate", "sites", "workloads", "limits", "objective", "solver", "score", "periods", "profiles",
     "technology", "by", "rules", "users", "allow_risk"]
)  # fmt: skip


@settings(max_examples=150)
@given(st.dictionaries(keys, values, max_size=4), st.dictionaries(st.sampled_from(["users", "it_mw", "coverage", "max_rtt_ms",
       "technologies", "residency", "load_factor", "x"]), values, max_size=3))  # fmt: skip
def test_any_values_as_a_scenario_are_accepted_or_refused(top, load):
    raw = {"format": 1, "workloads": [{"name": "a", "profile": "cloud", "it_mw": 5, **load}], **top}
    refusal = refused(ScenarioError, parse_scenario, raw)
    assert refusal is None or refusal.problems


loads = st.fixed_dictionaries(
    {
        "profile": st.sampled_from(["cloud", "crypto", "ai-training", "ai-training-liquid"]),
        "it_mw": st.floats(0.1, 500),
    },
    optional={
        "users": st.sampled_from(["world", "europe", "ISL", "", "XXX"]),
        "max_rtt_ms": st.floats(0.1, 400),
        "load_factor": st.floats(0.01, 1),
        "interruptible_fraction": st.floats(0, 1),
        "break_even_usd_per_mwh": st.floats(0, 300),
        "residency": st.sampled_from(["EU", "USA", "Mars"]),
        "technologies": st.lists(
            st.sampled_from(["liquid_dry", "air_chiller", "once_through", "magic"]), max_size=2
        ),
        "supply_c": st.floats(10, 60),
        "rack_kw": st.floats(0.1, 500),
        "customer_class": st.sampled_from(["crypto", "commercial"]),
    },
)
tops = st.fixed_dictionaries(
    {},
    optional={
        "discount_rate": st.floats(-0.4, 0.9),
        "horizon_years": st.integers(1, 60),
        "electricity_basis": st.sampled_from(["delivered_ex_tax", "delivered_all_in"]),
        "strict_basis": st.booleans(),
        "subsidy_removed": st.booleans(),
        "allow_risk": st.booleans(),
        "by": st.integers(2000, 2100),
        "technology": st.sampled_from(["tower_wse", "once_through", "magic"]),
        "scarcity": st.sampled_from(["standard", "none"]),
        "rules": st.sampled_from(["us-2026-01", "none", "martian"]),
        "price_year": st.integers(2020, 2025),
        "score": st.sampled_from(
            [{"weights": {"carbon": 1}}, {"weights": {"latency": 1}}, {"method": "topsis"}]
        ),
    },
)


@pytest.mark.slow
@settings(max_examples=15)
@given(loads, tops)
def test_an_accepted_scenario_runs_or_ends_in_a_stated_error(load, top):
    raw = {"format": 1, "sites": {"only": FEW}, "workloads": [{"name": "a", **load}], **top}
    found = []
    refusal = refused(DcsiteError, lambda: found.append(rank(evaluate(parse_scenario(raw), TABLES)).table))
    if refusal is not None:
        assert refusal.exit_code in (2, 3, 4)
        return
    table = found[0]
    assert np.isfinite(table["score"]).all()
    assert table["score"].between(0, 100 + 1e-9).all()


TABLES = load_tables()

limits = st.fixed_dictionaries(
    {},
    optional={
        "max_sites": st.integers(1, 3),
        "min_site_mw": st.floats(0, 300),
        "carbon_kg_per_mwh": st.floats(0, 700),
        "budget_usd": st.floats(1e3, 1e11),
        "n_minus_1": st.sampled_from(["site", "zone", "country"]),
        "max_share_per_zone": st.floats(0.05, 1),
    },
)
portfolio_loads = st.fixed_dictionaries(
    {"profile": st.sampled_from(["cloud", "crypto", "ai-training"]), "it_mw": st.floats(0.1, 900)},
    optional={
        "users": st.sampled_from(["world", "europe", "ISL"]),
        "max_rtt_ms": st.floats(5, 300),
        "coverage": st.floats(0.01, 1),
        "min_block_mw": st.floats(0, 60),
        "optional": st.booleans(),
    },
)


@pytest.mark.slow
@settings(max_examples=8)
@given(portfolio_loads, limits)
def test_an_accepted_portfolio_is_solved_or_ends_in_a_stated_error(load, limit):
    from dcsite.study import portfolio

    solver = {"gap": 0.01, "time_limit_s": 20, "node_limit": 20}
    raw = {
        "format": 1,
        "sites": {"only": FEW},
        "workloads": [{"name": "a", **load}],
        "limits": limit,
        "solver": solver,
    }
    plans = []

    def solve():
        asked = parse_scenario(raw)
        plans.append(portfolio.optimize(asked, evaluate(asked, TABLES)))

    refusal = refused(DcsiteError, solve)
    if refusal is not None:
        assert refusal.exit_code in (2, 3, 4)
        return
    assert plans[0].verified
    assert plans[0].goal_bound <= plans[0].goal_value * (1 + 1e-6) + 1e-6


def test_a_line_of_10_mb_in_a_file_of_cells_is_one_error(tmp_path):
    path = tmp_path / "cells.csv"
    path.write_bytes(b"cell_id,lat,lon\n" + b"x" * 10_000_000 + b",1,2\n")
    with pytest.raises(DataError, match=r"cells\.csv: cannot be read as CSV"):
        file_source(path, tmp_path / "source")


@settings(max_examples=60)
@given(
    st.lists(st.lists(cells, min_size=1, max_size=4), max_size=5),
    st.sampled_from(["name,lat,lon", "lat,lon", "site_id,lat,lon,x_a"]),
)
def test_any_rows_as_sites_or_cells_are_read_or_refused(tmp_path_factory, rows, header):
    path = tmp_path_factory.getbasetemp() / "fuzz.csv"
    with path.open("w", encoding="utf-8", newline="") as handle:
        handle.write(header + "\n")
        csv.writer(handle).writerows(rows)
    for call in (lambda: load_sites(path, TABLES), lambda: file_source(path, path.parent / "fuzz-source")):
        refusal = refused(DcsiteError, call)
        assert refusal is None or "fuzz.csv" in str(refusal)
