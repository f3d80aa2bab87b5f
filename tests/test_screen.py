"""Screening: agrees with the ranking, does not depend on tiles or workers, says what it leaves out."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsite.batch import cells as cell_sources
from dcsite.batch import layers
from dcsite.batch import screen as screening
from dcsite.batch.cells import box_source, cells_of, file_source, table_source
from dcsite.batch.executor import identity
from dcsite.batch.screen import EARTH_KM, spread_best
from dcsite.data.places import catalog_sites
from dcsite.data.scenario_file import parse_scenario
from dcsite.data.sphere import km_between, unit_xyz
from dcsite.data.tables import load_tables
from dcsite.errors import DataError, UsageError
from dcsite.study.evaluating import evaluate
from dcsite.study.quick import quick_scenario
from dcsite.study.ranking import rank

BOX = "44,-122,48,-117"


@pytest.fixture(scope="module")
def tables():
    return load_tables()


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """A cache of the tests' own, so that nothing is read that an earlier version left."""
    patch = pytest.MonkeyPatch()
    patch.setenv("DCSITE_CACHE", str(tmp_path_factory.mktemp("cache")))
    patch.setattr(layers, "BLOCK_NODES", 2)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def scenario():
    return quick_scenario(profiles=["cloud"], users="north-america")


@pytest.fixture(scope="module")
def whole(scenario, cache):
    return screening.screen(scenario, box_source(BOX, 0.05), top=8, apart_km=60)


@pytest.mark.slow
def test_a_screening_at_the_catalog_sites_gives_the_scores_of_the_ranking(tables, tmp_path):
    """Tolerance, also for cells whose reach is interpolated: 0.5 points for 95 %, 2.5 for all."""
    asked = quick_scenario(profiles=["cloud"], users="europe")
    sites = catalog_sites(tables)
    sites = sites[sites["country_iso3"].isin(["ISL", "NOR", "SGP", "KWT", "CHN", "CAN", "IRL"])]
    path = tmp_path / "cells.csv"
    sites.rename(columns={"site_id": "cell_id"})[["cell_id", "lat", "lon"]].to_csv(path, index=False)
    source = file_source(path, tmp_path / "source")
    state = screening.build_state(tables, asked, identity(None)["data"])
    ranked = rank(evaluate(asked, tables)).table.set_index("site_id")
    for between in (False, True):
        payload = {**next(source.payloads()), "country": "", "land_only": False, "between_nodes": between}
        arrays, counts, cells = screening.screen_tile(state, payload)
        found = screening.cell_frame(state, 0, payload, arrays).set_index("cell")
        assert cells == len(sites)
        assert set(found.index) == set(ranked.index) & set(sites["site_id"])
        assert sum(counts["cloud"].values()) == len(sites) - len(found)
        gap = (found["score"] - ranked["score"].reindex(found.index)).abs()
        assert gap.quantile(0.95) < 0.5
        assert gap.max() < 2.5
        price = found["price_usd_per_mwh"] - ranked["price_usd_per_mwh"].reindex(found.index)
        assert price.abs().max() < 1e-3
        same = found["technology"] == ranked["technology"].reindex(found.index)
        assert same.mean() > 0.9


def test_cooling_between_nodes_is_that_of_the_place(tables, whole):
    """PUE of any point of the box against the cooling model at that very point: 0.004 for 95 % of the points."""
    from dcsite.study.cooling import cooling_facts

    state = screening.build_state(tables, quick_scenario(profiles=["cloud"]), identity(None)["data"])
    random = np.random.default_rng(1)
    lat, lon = random.uniform(44.2, 47.8, 60), random.uniform(-121.8, -117.2, 60)
    sites = pd.DataFrame({"site_id": [f"p{k}" for k in range(60)], "lat": lat, "lon": lon})
    nodes = state.nodes[0]
    exact = cooling_facts(tables, sites, nodes.profile, nodes.technologies)
    wanted = exact["pue"].to_numpy().reshape(60, -1)
    error = np.abs(nodes.at(lat, lon)[:, :, 0] - wanted)
    assert np.quantile(error, 0.95) < 0.004


@pytest.mark.parametrize("profile", ["cloud", "crypto", "ai-training-liquid"])
def test_nodes_come_from_the_shipped_grid_where_it_is_the_model_and_from_the_model_elsewhere(
    tables, profile, monkeypatch
):
    monkeypatch.setenv("DCSITE_CACHE", "")
    nodes = screening.build_state(tables, quick_scenario(profiles=[profile]), "data").nodes[0]
    lat, lon = np.array([47.0, -23.5, 64.0]), np.array([-120.0, -47.0, -21.0])
    direct = nodes._direct(lat, lon)
    assert nodes._grid_serves()
    assert np.abs(nodes._from_grid(lat, lon) - direct).max() < 1e-3
    warm = nodes.profile.model_copy(update={"supply_c": 22.0 if profile != "crypto" else 30.0})
    other = layers.CoolingNodes(
        tables,
        replace(
            screening.build_state(tables, quick_scenario(profiles=[profile]), "data").layers[0], profile=warm
        ),
        "data",
    )
    moved = np.abs(other._direct(lat, lon) - direct).max() > 1e-3
    assert other._grid_serves() is not moved


def test_reach_between_nodes_is_that_of_the_cell(tables, scenario):
    state = screening.build_state(tables, scenario, identity(None)["data"])
    random = np.random.default_rng(2)
    lat, lon = random.uniform(30, 48, 400), random.uniform(-120, -75, 400)
    place, _ = state.places.nearest(unit_xyz(lat, lon))
    country = state.country[place]
    exact, near = (
        layers.reach_of_cells(state.layers[0], lat, lon, country, state.country_names, between_nodes=between)
        for between in (False, True)
    )
    assert np.quantile(np.abs(exact - near), 0.95) < 0.015
    assert np.abs(exact - near).max() < 0.08


def test_results_do_not_depend_on_how_cells_are_cut_into_tiles(scenario, whole, monkeypatch):
    monkeypatch.setattr(cell_sources, "BLOCK", 37)
    other = screening.screen(scenario, box_source(BOX, 0.05), top=8, apart_km=60)
    pd.testing.assert_frame_equal(whole.best["cloud"], other.best["cloud"])
    pd.testing.assert_frame_equal(whole.excluded, other.excluded)
    assert (whole.cells, whole.scored) == (other.cells, other.scored)


@pytest.mark.slow
def test_processes_write_the_bytes_of_a_serial_run_and_a_run_goes_on(scenario, tmp_path, monkeypatch):
    monkeypatch.setattr(cell_sources, "BLOCK", 32)
    monkeypatch.setattr(layers, "BLOCK_NODES", 20)  # as in the workers
    screening._state.cache_clear()
    source = box_source("45,-121,47,-119", 0.05)
    files = []
    for jobs in (1, 2):
        out = tmp_path / f"cells{jobs}.csv"
        screening.screen(scenario, source, jobs=jobs, run=tmp_path / f"run{jobs}", cells_out=out)
        parts = {path.name: path.read_bytes() for path in (tmp_path / f"run{jobs}").glob("*/*/*")}
        files.append((out.read_bytes(), parts))
    assert files[0] == files[1]
    assert len(files[0][1]) == 2 * len(source.tiles)
    (tmp_path / "run1/tasks/00000/0000001.json").unlink()
    (tmp_path / "run1/cells/00000/0000001.npz").unlink()
    screening.screen(scenario, source, run=tmp_path / "run1", resume=True, cells_out=tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == files[0][0]
    (tmp_path / "run1/cells/00000/0000001.npz").write_bytes(b"PK rubbish")
    with pytest.raises(DataError, match="damaged"):
        screening.screen(scenario, source, run=tmp_path / "run1", resume=True)


def test_every_cell_is_scored_or_excluded_for_a_reason(whole, scenario):
    assert whole.cells == 80 * 100
    assert whole.scored["cloud"] + whole.excluded["cells_count"].sum() == whole.cells
    both = quick_scenario(profiles=["hpc-batch", "crypto"])
    wide = screening.screen(both, box_source("30,85,80,125", 8.0), top=3)
    for name in ("hpc-batch", "crypto"):
        part = wide.excluded[wide.excluded["workload"] == name]
        assert wide.scored[name] + part["cells_count"].sum() == wide.cells == 7 * 5
        assert {"at sea", screening.NO_CLIMATE, screening.REMOTE} <= set(part["reason"])
    assert ("crypto", "crypto ban") in wide.excluded.set_index(["workload", "reason"]).index


def test_listed_cells_are_apart_and_their_parts_sum_to_the_score(whole):
    best = whole.best["cloud"]
    assert best["rank"].tolist() == list(range(1, 9))
    assert (best["score"].diff().dropna() <= 1e-9).all()
    lat, lon = best["lat"].to_numpy(), best["lon"].to_numpy()
    first, second = np.triu_indices(len(best), 1)
    assert km_between(lat[first], lon[first], lat[second], lon[second]).min() >= 60 - 0.01
    parts = best[[name for name in best if name.startswith("score_")]].sum(axis=1)
    np.testing.assert_allclose(parts, best["score"], atol=2e-3)


@given(
    st.lists(
        st.tuples(st.integers(0, 20), st.integers(-8, 8), st.integers(-18, 18)), min_size=1, max_size=60
    ),
    st.integers(1, 8),
    st.sampled_from([0.0, 500.0, 2500.0, 20_000.0]),
)
def test_the_spread_is_that_of_one_pass_over_the_sorted_cells(points, top, apart_km):
    score = np.array([value for value, _, _ in points], dtype=np.float32)
    score[score == 20] = np.nan
    lat = np.array([10 * value for _, value, _ in points], dtype=np.float32)
    lon = np.array([10 * value for _, _, value in points], dtype=np.float32)
    taken: list[int] = []
    for cell in np.lexsort((np.arange(len(points)), -np.nan_to_num(score, nan=-1.0))):
        if len(taken) == top or np.isnan(score[cell]):
            continue
        near = 2 * np.sin(min(apart_km / EARTH_KM, np.pi) / 2)
        xyz = unit_xyz(lat[[cell, *taken]], lon[[cell, *taken]])
        if apart_km == 0 or not len(taken) or (((xyz[1:] - xyz[0]) ** 2).sum(axis=1) >= near**2).all():
            taken.append(int(cell))
    assert spread_best(score, lat, lon, top, apart_km).tolist() == taken


def test_a_box_over_the_antimeridian_and_to_the_poles_is_whole(tables):
    source = box_source("-90,170,90,-170", 5.0)
    parts = [cells_of(tables, payload) for payload in source.payloads()]
    lon = np.concatenate([part.lon for part in parts])
    lat = np.concatenate([part.lat for part in parts])
    assert sorted(set(lon.tolist())) == [-177.5, -172.5, 172.5, 177.5]
    assert (lat.min(), lat.max()) == (-87.5, 87.5)
    found = screening.screen(quick_scenario(profiles=["crypto"]), source, top=3)
    assert found.cells == 36 * 4
    assert (found.best["crypto"]["lat"].abs() < 75).all()


def test_h3_cells_of_a_country_are_all_that_lie_nearest_to_its_places(tables):
    h3 = pytest.importorskip("h3.api.numpy_int", reason="extra 'grid' is not installed")
    source = cell_sources.h3_source(tables, "portugal", 4)
    state_places = layers.Places.build(tables, identity(None)["data"])
    names = state_places.frame["country_iso3"].to_numpy()
    every = np.concatenate([h3.cell_to_children(cell, 4) for cell in h3.get_res0_cells()])
    center = np.array([h3.cell_to_latlng(cell) for cell in every[::7]])
    place, _ = state_places.nearest(unit_xyz(center[:, 0], center[:, 1]))
    wanted = set(every[::7][names[place] == "PRT"].tolist())
    found = {int(cell) for payload in source.payloads() for cell in cells_of(tables, payload).key}
    assert len(wanted) > 3
    assert wanted <= found


def test_counties_and_units_come_from_the_tables(tables, scenario):
    source = replace(table_source(tables, "us-counties"), tiles=([0, 40],))
    found = screening.screen(scenario, source, top=2)
    assert found.cells == 40
    assert len(table_source(tables, "us-counties").tiles) == 1
    assert cells_of(tables, next(table_source(tables, "admin1").payloads())).lat.size == len(
        tables.frame("admin1")
    )
    assert set(found.best["cloud"]["cell"]) <= set(tables.frame("us_counties")["fips"])


def test_interruptible_loads_pay_the_price_of_the_hours_run(tables):
    asked = quick_scenario(profiles=["crypto"])
    found = screening.screen(asked, box_source("31,-102,33,-98", 0.5), top=1)
    ranked = rank(evaluate(asked, tables)).table.set_index("site_id")
    price = found.best["crypto"]["price_usd_per_mwh"].iloc[0]
    own = ranked.loc["us-abilene-tx"]
    assert price == pytest.approx(own["effective_price_usd_per_mwh"], rel=0.02)


@pytest.mark.parametrize("ending", ["csv", "gpkg", "parquet"])
def test_all_cells_can_be_written_and_read_back(scenario, tmp_path, ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"cells.{ending}"
    found = screening.screen(scenario, box_source("46,-121,47,-119", 0.1), cells_out=path)
    if ending == "csv":
        frame = pd.read_csv(path, keep_default_na=False)
    else:
        import geopandas

        frame = geopandas.read_file(path) if ending == "gpkg" else geopandas.read_parquet(path)
        assert frame.crs.to_epsg() in (4326, None) or "CRS84" in frame.crs.name
        np.testing.assert_allclose(frame.geometry.x, frame["lon"])
    assert len(frame) == found.scored["cloud"] == 200
    assert frame["score"].max() == pytest.approx(found.best["cloud"]["score"].iloc[0])
    with pytest.raises(UsageError, match="exists"):
        screening.screen(scenario, box_source("46,-121,47,-119", 0.1), cells_out=path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lat,long\n1,2\n", "no column lon"),
        ("lat,lon\n1,2\n1\n", "line 3: 1 cells, expected 2"),
        ("lat,lon\n1,x\n", "lon 'x'"),
        ("lat,lon\n91,0\n", "lat 91"),
        ("lat,lon\nnan,0\n", "without a usable coordinate"),
        ("lat,lon\n", "no cells in it"),
        ("", "no column lat"),
    ],
)
def test_a_file_of_cells_that_cannot_be_used_is_refused_with_the_row(tmp_path, text, message):
    path = tmp_path / "cells.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        file_source(path, tmp_path / "source")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("box", "step"),
    [
        ("1,2,3", 0.1),
        ("5,0,4,1", 0.1),
        ("0,0,1,181", 0.1),
        ("0,0,1,1", 0),
        ("-90,-180,90,180", 0.0005),
        ("a,0,1,1", 1),
    ],
)
def test_a_box_that_cannot_be_used_is_refused(box, step):
    with pytest.raises(UsageError):
        box_source(box, step)


def test_a_method_that_compares_sites_is_refused_and_so_is_an_unknown_ending(scenario, tmp_path):
    changed = scenario.model_copy(update={"score": scenario.score.model_copy(update={"method": "promethee"})})
    with pytest.raises(UsageError, match="compares sites with each other"):
        screening.screen(changed, box_source(BOX, 1.0))
    own = {"score": {"own": {"fiber": {"column": "x_fiber", "best": 1, "worst": 0}}}}
    asked = parse_scenario({**scenario.model_dump(exclude_unset=True), **own})
    with pytest.raises(UsageError, match="'fiber' is known at sites, not at cells"):
        screening.screen(asked, box_source(BOX, 1.0))
    with pytest.raises(UsageError, match=r"\.csv, \.parquet, \.gpkg"):
        screening.screen(scenario, box_source(BOX, 1.0), cells_out=tmp_path / "cells.xlsx")


def test_a_damaged_cache_costs_time_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setenv("DCSITE_CACHE", str(tmp_path))
    made = []

    def make():
        made.append(1)
        return {"a": np.arange(5, dtype=np.float32), "b": np.array(["x", "é"])}

    for damage in (
        None,
        lambda data: data[:-40],
        lambda data: data.replace(b"\x00\x00\x80?", b"\x00\x00\x00@"),
        len,
    ):
        for path in tmp_path.glob("*.npz"):
            if damage is not None:
                path.write_bytes(damage(path.read_bytes()) if damage is not len else b"")
        found = layers.cached("thing", "k" * 40, make)
        assert found["a"].tolist() == [0, 1, 2, 3, 4]
        assert found["b"].tolist() == ["x", "é"]
    assert len(made) == 4
    layers.cached("thing", "k" * 40, make)
    assert len(made) == 4
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DCSITE_CACHE", str(tmp_path / "file"))
    assert layers.cached("thing", "k", make)["a"].size == 5
    monkeypatch.setenv("DCSITE_CACHE", "")
    assert layers.cache_folder() is None


def test_the_listed_cells_become_sites_that_a_ranking_takes(tables, whole, tmp_path):
    path = tmp_path / "best.csv"
    path.write_text(screening.best_sites_csv(whole), encoding="utf-8")
    asked = quick_scenario(profiles=["cloud"], users="north-america", sites_file=str(path), catalog=False)
    ranked = rank(evaluate(asked, tables)).table
    assert len(ranked) == len(whole.best["cloud"])


def test_the_command_needs_one_source_and_prints_json(capsys):
    from dcsite.cli import batch
    from dcsite.cli.options import Format

    with pytest.raises(UsageError, match="exactly one source"):
        batch.screen()
    with pytest.raises(UsageError, match="--country needs --resolution"):
        batch.screen(country="ISL", grid="admin1")
    batch.screen(box="46,-121,47,-120", step=0.2, top=2, output_format=Format.json)
    document = json.loads(capsys.readouterr().out)
    assert "46.1N120.9W" in json.dumps(document) or "best_cloud" in json.dumps(document)


def test_a_scenario_with_other_sources_is_another_run(scenario, tmp_path):
    source = box_source("46,-121,47,-120", 0.5)
    screening.screen(scenario, source, run=tmp_path / "run")
    with pytest.raises(UsageError, match="mix two different runs"):
        screening.screen(scenario, replace(source, country="USA"), run=tmp_path / "run", resume=True)


def test_a_run_over_a_file_of_cells_goes_on_and_notices_other_cells(tmp_path, capsys):
    from dcsite.cli import batch
    from dcsite.cli.options import Format

    cells, run = tmp_path / "cells.csv", tmp_path / "run"
    cells.write_text("cell_id,lat,lon\na,46.1,-120.1\nb,46.3,-120.3\n")
    asked = {"cells": cells, "run": run, "profile": "hpc-batch", "output_format": Format.csv}
    batch.screen(**asked)
    first = capsys.readouterr().out
    batch.screen(**asked, resume=True)
    assert capsys.readouterr().out == first
    assert (run / "log.csv").read_text().count("\n0000000,") == 1
    cells.write_text("cell_id,lat,lon\na,46.1,-120.1\nb,46.3,-120.4\n")
    with pytest.raises(UsageError, match="mix two different runs"):
        batch.screen(**asked, resume=True)
