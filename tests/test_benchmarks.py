"""The benchmarks compare like with like, and the page keeps what was not measured anew."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]


def module_of(path: Path):
    spec = importlib.util.spec_from_file_location(f"benchmark_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_the_siting_script_scores_as_the_screening_where_both_look_at_the_same_pixels(tmp_path, monkeypatch):
    monkeypatch.setenv("DCSITE_CACHE", str(tmp_path))
    made = module_of(ROOT / "benchmarks" / "raster_greedy.py")
    monkeypatch.setattr(made, "BOX", "40,-105,44,-100")
    from dcsite.batch.cells import box_source, cells_of
    from dcsite.batch.executor import identity
    from dcsite.batch.store import plain_json

    scenario = made.quick_scenario(profiles=["cloud"])
    raw = scenario.model_dump(mode="json", exclude_unset=True)
    state = made.screening._state(plain_json({"identity": identity(None), "data_dir": None, "scenario": raw}))
    monkeypatch.setattr(made, "HIGH", 4.0)
    monkeypatch.setattr(made, "WIDE", 5.0)
    layers = made.rasters(state)
    source = box_source(made.BOX, made.PIXEL_DEG)
    (payload,) = list(source.payloads())
    more = {"country": "", "land_only": True, "between_nodes": False}
    arrays, _, _ = made.screening.screen_tile(state, {**payload, **more})
    cells = cells_of(state.tables, payload)
    monkeypatch.setattr(made, "pixel", lambda a, b: (int((a - 40) / 0.25), int((b + 105) / 0.25)))
    loop = made.script_loop(layers, cells.lat, cells.lon, state.layers[0])
    some = slice(0, 20)
    rows = made.script_apply(layers, cells.lat[some], cells.lon[some], state.layers[0])
    ours = dict(zip(zip(arrays["lat"], arrays["lon"], strict=True), arrays["score_0"], strict=True))
    assert len(loop) == len(ours) > 100
    assert all(abs(score - ours[lat, lon]) < 1e-3 for score, lat, lon in loop)
    assert np.allclose(rows, loop[: len(rows)])
    taken = made.greedy(loop, 5, 60.0)
    assert [cell[0] for cell in taken] == sorted((cell[0] for cell in taken), reverse=True)
    assert all(made.haversine_km(*a[1:], *b[1:]) >= 60 for a in taken for b in taken if a is not b)
    assert math.isclose(taken[0][0], max(ours.values()), abs_tol=1e-3)


def test_a_part_of_the_page_that_is_not_run_stays(tmp_path, monkeypatch, capsys):
    made = module_of(ROOT / "scripts" / "benchmarks.py")
    (tmp_path / "benchmarks").mkdir()
    for name in ("a", "b"):
        (tmp_path / "benchmarks" / f"{name}.py").write_text(f"print('| {name} 1 |')")
    (tmp_path / "benchmarks" / "bad.py").write_text("raise SystemExit(3)")
    monkeypatch.setattr(made, "ROOT", tmp_path)
    parts = {name: (f"Title {name}", "Words.", (f"{name}.py",)) for name in ("a", "b", "bad")}
    monkeypatch.setattr(made, "PARTS", parts)
    page = tmp_path / "page.md"
    monkeypatch.setattr("sys.argv", ["x", "--write", str(page), "--only", "b,a"])
    made.main()
    first = page.read_text()
    assert first.index("Title a") < first.index("Title b")
    (tmp_path / "benchmarks" / "b.py").write_text("print('| b 2 |')")
    monkeypatch.setattr("sys.argv", ["x", "--write", str(page), "--only", "b"])
    made.main()
    assert "| a 1 |" in page.read_text()
    assert "| b 2 |" in page.read_text()
    assert "| b 1 |" not in page.read_text()
    before = page.read_text()
    monkeypatch.setattr("sys.argv", ["x", "--write", str(page), "--only", "bad"])
    with pytest.raises(SystemExit, match="failed"):
        made.main()
    assert page.read_text() == before
