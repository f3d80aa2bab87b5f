"""Files are data: nothing in them is run, unpacked without bound, or passed on as a formula or a path."""

from __future__ import annotations

import ast
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dcsite.batch import layers
from dcsite.batch import screen as screening
from dcsite.batch.cells import box_source, file_source
from dcsite.data.scenario_file import load_scenario
from dcsite.data.tables import load_tables
from dcsite.data.userfiles import load_sites
from dcsite.errors import DataError, DcsiteError
from dcsite.report.plain import guard_text
from dcsite.study.evaluating import evaluate
from dcsite.study.quick import quick_scenario

SOURCE = Path(__file__).parents[1] / "src" / "dcsite"
GRID = "t2m_monthly_0p5deg"


class Trap:
    """Writes a mark when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def own_grid(folder):
    (folder / "climate").mkdir()
    return folder / "climate" / f"{GRID}.npz"


def test_a_pickle_in_a_grid_is_refused_and_not_run(tmp_path):
    mark = tmp_path / "ran"
    np.savez(own_grid(tmp_path), t2m_deci_c=np.array([Trap(mark)], dtype=object))
    tables = load_tables(tmp_path)
    with pytest.raises(DataError, match="not a readable grid"):
        tables.grid(GRID)
    assert not mark.exists()


def test_a_bare_pickle_under_the_name_of_a_grid_or_of_the_cache_is_not_run(tmp_path, monkeypatch):
    mark = tmp_path / "ran"
    own_grid(tmp_path).write_bytes(pickle.dumps(Trap(mark)))
    with pytest.raises(DataError, match="not a readable grid"):
        load_tables(tmp_path).grid(GRID)
    monkeypatch.setenv("DCSITE_CACHE", str(tmp_path))
    (tmp_path / f"thing-{'k' * 32}.npz").write_bytes(pickle.dumps(Trap(mark)))
    assert layers.cached("thing", "k" * 32, lambda: {"a": np.ones(2)})["a"].tolist() == [1, 1]
    assert not mark.exists()


def test_a_zip_bomb_is_refused_by_the_size_it_states(tmp_path, monkeypatch):
    path = own_grid(tmp_path)
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("t2m_deci_c.npy", "w") as entry,
    ):
        for _ in range(1100):
            entry.write(bytes(1_000_000))
    assert path.stat().st_size < 2_000_000
    with pytest.raises(DataError, match="would unpack to 1,100,000,000 bytes"):
        load_tables(tmp_path).grid(GRID)
    assert layers.read_arrays(path.read_bytes()) is None


def test_no_code_is_made_from_data():
    """No pickle, eval, exec, compile, shell or YAML anywhere in the package."""
    bad_calls = {"eval", "exec", "compile", "__import__"}
    bad_modules = {"pickle", "marshal", "shelve", "yaml", "dill", "joblib", "xml", "subprocess"}
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in bad_calls, f"{path}:{node.lineno}"
            if isinstance(node, ast.Import):
                assert not {name.name.split(".")[0] for name in node.names} & bad_modules, (
                    f"{path}:{node.lineno}"
                )
            if isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] not in bad_modules, f"{path}:{node.lineno}"
            if isinstance(node, ast.keyword) and node.arg in ("shell", "allow_pickle"):
                assert isinstance(node.value, ast.Constant), f"{path}:{node.value.lineno}"
                assert node.value.value is False, f"{path}:{node.value.lineno}"
            if isinstance(node, ast.Attribute) and node.attr == "system":
                assert not (isinstance(node.value, ast.Name) and node.value.id == "os"), (
                    f"{path}:{node.lineno}"
                )


@pytest.mark.parametrize(
    "rules", ["../../secret", "/etc/passwd", "..\\\\..\\\\x", "us-2026-01/../us-2026-01"]
)
def test_a_rule_set_is_a_name_and_never_a_path(tmp_path, rules):
    path = tmp_path / "s.toml"
    path.write_text(
        f'format = 1\nrules = "{rules}"\n[sites]\nonly = ["us-quincy-wa"]\n'
        '[[workloads]]\nname = "a"\nprofile = "hpc-batch"\nit_mw = 5\n'
    )
    with pytest.raises(DcsiteError, match="rule set"):
        evaluate(load_scenario(path), load_tables())


FORMULAS = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(1)", "\uff1dHYPERLINK(1)"]


def test_a_formula_in_the_name_of_a_cell_or_site_reaches_no_spreadsheet(tmp_path, monkeypatch):
    monkeypatch.setattr(layers, "BLOCK_NODES", 2)
    monkeypatch.setenv("DCSITE_CACHE", str(tmp_path / "cache"))
    path, out = tmp_path / "cells.csv", tmp_path / "out.csv"
    rows = [f'"{text}",47.{number},-120' for number, text in enumerate(FORMULAS)]
    path.write_text("cell_id,lat,lon\n" + "\n".join(rows) + "\n", encoding="utf-8")
    asked = quick_scenario(profiles=["hpc-batch"])
    found = screening.screen(asked, file_source(path, tmp_path / "source"), cells_out=out)
    assert found.scored["hpc-batch"] == len(FORMULAS)
    text = out.read_text(encoding="utf-8")
    for formula in FORMULAS:
        assert guard_text(formula) in text
        assert f",{formula}," not in text
        assert f'"{formula}"' not in text


VRT = (
    "<OGRVRTDataSource><OGRVRTLayer name='secret'><SrcDataSource>{secret}</SrcDataSource>"
    "<GeometryField encoding='PointFromColumns' x='lon' y='lat'/></OGRVRTLayer></OGRVRTDataSource>"
)
KML = (
    "<?xml version='1.0'?><!DOCTYPE kml [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;'>]><kml><Document><Placemark>"
    "<name>&b;</name><Point><coordinates>8,47</coordinates></Point></Placemark></Document></kml>"
)
GDALG = '{{"type": "gdal_streamed_alg", "command_line": "gdal vector read {secret}"}}'


@pytest.mark.parametrize("ending", ["gpkg", "GPKG", "geojson", "json"])
@pytest.mark.parametrize("content", [VRT, KML, GDALG])
def test_a_geo_file_leads_to_no_other_file(tmp_path, ending, content):
    secret = tmp_path / "secret.csv"
    secret.write_text("name,lat,lon\nsecret place,47,8\n")
    path = tmp_path / f"cells.{ending}"
    path.write_text(content.format(secret=secret) if "{secret}" in content else content)
    for call in (
        lambda: load_sites(path, load_tables()),
        lambda: file_source(path, tmp_path / "source"),
    ):
        with pytest.raises(DataError, match=rf"cells\.{ending}") as error:
            call()
        assert "secret place" not in str(error.value)


def test_a_virtual_table_in_a_geopackage_and_a_definition_as_a_system_are_refused(tmp_path):
    import sqlite3
    from contextlib import closing

    import geopandas

    path = tmp_path / "cells.gpkg"
    geopandas.GeoDataFrame(
        {"name": ["A"]}, geometry=geopandas.points_from_xy([8], [47]), crs="EPSG:4326"
    ).to_file(path)
    assert len(load_sites(path, load_tables())) == 1
    with closing(sqlite3.connect(path)) as link:
        link.execute("CREATE VIRTUAL TABLE words USING fts4(text)")
        link.commit()
    with pytest.raises(DataError, match="is virtual"):
        load_sites(path, load_tables())
    path = tmp_path / "sites.geojson"
    path.write_text(
        '{"type": "FeatureCollection", "crs": {"properties": {"name": "+init=/etc/passwd:x"}}, "features": []}'
    )
    with pytest.raises(DataError, match="is no name of one"):
        load_sites(path, load_tables())


def test_a_parquet_file_that_would_unpack_without_bound_is_refused_by_what_it_states(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    import pandas as pd

    path = tmp_path / "sites.parquet"
    pd.DataFrame({"lat": [47.0] * 5000, "lon": [8.0] * 5000, "x_note": ["a" * 500] * 5000}).to_parquet(
        path, compression="zstd"
    )
    assert path.stat().st_size < 30_000
    assert len(load_sites(path, load_tables())) == 5000
    monkeypatch.setattr("dcsite.data.userfiles.MAX_ROWS", 4999)
    with pytest.raises(DataError, match="5,000 rows, the limit is 4,999"):
        load_sites(path, load_tables())
    monkeypatch.undo()
    monkeypatch.setattr("dcsite.data.userfiles.MAX_UNPACKED_BYTES", 100)
    with pytest.raises(DataError, match="would unpack to"):
        load_sites(path, load_tables())


def test_sql_in_a_name_is_only_a_name(tmp_path):
    import geopandas

    name = "x'); DROP TABLE ranking; --"
    path = tmp_path / "sites.gpkg"
    geopandas.GeoDataFrame(
        {"name": [name, "B"]}, geometry=geopandas.points_from_xy([8, 9], [47, 48]), crs="EPSG:4326"
    ).to_file(path)
    sites = load_sites(path, load_tables())
    assert name in sites["name"].tolist()
    assert all(letter.isalnum() or letter in "._-" for site in sites["site_id"] for letter in site)


def test_counts_that_would_fill_the_machine_are_refused():
    from dcsite.batch.axes import axis_of, grid_size

    with pytest.raises(DcsiteError, match="at most"):
        box_source("-90,-180,90,180", 0.0005)
    with pytest.raises(DcsiteError, match="at most"):
        axis_of("carbon_price=0..1e12")
    with pytest.raises(DcsiteError, match="combinations"):
        grid_size([axis_of("carbon_price=1..2000"), axis_of("max_sites=1..2000")])
