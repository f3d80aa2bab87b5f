"""Screening against a typical siting script: sample rasters cell by cell, score, then choose greedily.

    python benchmarks/raster_greedy.py [--cells 54000,224000] [--top 100] [--apart-km 50]

The script gets its rasters ready-made (price, scarce water, cooling overhead and reach on a quarter-degree
grid, from the same tables), so only sampling, scoring and choosing are timed. It is written twice as one finds
it: a loop over cells with nearest-pixel lookups, and a data frame with ``apply(axis=1)``. Ours reads the tables
and interpolates; loading is left out on both sides. CPU seconds of one process, one run after the other.
"""

from __future__ import annotations

import argparse
import math
import os
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from dcsite.batch import screen as screening
from dcsite.batch.cells import box_source, cells_of
from dcsite.batch.executor import identity
from dcsite.batch.store import plain_json
from dcsite.study.quick import quick_scenario

BOX = "25,-125,49,-67"
HIGH, WIDE = 24.0, 58.0
PIXEL_DEG = 0.25
LAYERS = {
    "price": "price_usd_per_mwh_0",
    "water": "scarce_water_l_per_kwh_0",
    "cooling": "overhead_mwh_per_mwh_0",
    "latency": "reach_ratio_0",
}


def rasters(state: screening.State) -> dict[str, np.ndarray]:
    """Layers on quarter-degree pixels over the box; NaN where there is no score."""
    source = box_source(BOX, PIXEL_DEG)
    rows, columns = round(HIGH / PIXEL_DEG), round(WIDE / PIXEL_DEG)
    made = {name: np.full(rows * columns, np.nan) for name in LAYERS}
    more = {"country": "", "land_only": True, "between_nodes": False}
    for payload in source.payloads():
        arrays, _, _ = screening.screen_tile(state, {**payload, **more})
        for name, column in LAYERS.items():
            made[name][arrays["key"]] = arrays[column]
    return {name: values.reshape(rows, columns) for name, values in made.items()}


def haversine_km(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    """Distance of two points."""
    a, b = math.radians(lat_a), math.radians(lat_b)
    half = math.sin((b - a) / 2) ** 2
    half += math.cos(a) * math.cos(b) * math.sin(math.radians(lon_b - lon_a) / 2) ** 2
    return 2 * 6371.0088 * math.asin(math.sqrt(half))


def greedy(
    scored: list[tuple[float, float, float]], top: int, apart_km: float
) -> list[tuple[float, float, float]]:
    """Best cells first, each far enough from those taken before."""
    taken: list[tuple[float, float, float]] = []
    for cell in sorted(scored, reverse=True):
        if all(haversine_km(cell[1], cell[2], other[1], other[2]) >= apart_km for other in taken):
            taken.append(cell)
            if len(taken) == top:
                break
    return taken


def one_score(figures: dict[str, float], layer: screening.Layer) -> float:
    """Weighted sum of one cell, each figure against its anchors."""
    total = 0.0
    for name, weight in layer.weights.items():
        criterion = layer.criteria[name]
        value = (figures[name] - criterion.worst) / (criterion.best - criterion.worst)
        total += weight * min(1.0, max(0.0, value))
    return 100.0 * total


def pixel(lat: float, lon: float) -> tuple[int, int]:
    """Row and column of the pixel under a point."""
    south, west = 25.0, -125.0
    row = min(int((lat - south) / PIXEL_DEG), round(HIGH / PIXEL_DEG) - 1)
    return row, min(int((lon - west) / PIXEL_DEG), round(WIDE / PIXEL_DEG) - 1)


def script_loop(
    layers: dict[str, np.ndarray], lat: np.ndarray, lon: np.ndarray, layer: screening.Layer
) -> list:
    """Score cell by cell: (score, lat, lon) of those with a figure in every layer."""
    found = []
    for a, b in zip(lat, lon, strict=True):
        row, column = pixel(a, b)
        figures = {name: layers[name][row, column] for name in layer.weights}
        if any(math.isnan(figure) for figure in figures.values()):
            continue
        found.append((one_score(figures, layer), float(a), float(b)))
    return found


def script_apply(
    layers: dict[str, np.ndarray], lat: np.ndarray, lon: np.ndarray, layer: screening.Layer
) -> list:
    """The same with a data frame and ``apply`` along its rows."""
    frame = pd.DataFrame({"lat": lat, "lon": lon})

    def sample(row: pd.Series) -> pd.Series:
        at = pixel(row["lat"], row["lon"])
        return pd.Series({name: layers[name][at] for name in layer.weights})

    frame = frame.join(frame.apply(sample, axis=1)).dropna()
    frame["score"] = frame.apply(lambda row: one_score(row, layer), axis=1)
    return list(frame[["score", "lat", "lon"]].itertuples(index=False, name=None))


def main() -> None:
    """Time all three at each size and say how far their answers agree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", default="54000,224000")
    parser.add_argument("--top", type=int, default=100)
    parser.add_argument("--apart-km", type=float, default=50.0)
    parser.add_argument(
        "--apply-rows", type=int, default=10_000, help="rows for apply; its time is scaled up"
    )
    asked = parser.parse_args()
    scenario = quick_scenario(profiles=["cloud"])
    raw = scenario.model_dump(mode="json", exclude_unset=True)
    shared = {"identity": identity(None), "data_dir": None, "scenario": raw}
    state = screening._state(plain_json(shared))
    layer = state.layers[0]
    layers = rasters(state)
    print("| cells | scored | way | CPU s | us per cell | ratio |")
    print("|---:|---:|---|---:|---:|---:|")
    notes = []
    for size in (int(part) for part in asked.cells.split(",")):
        source = box_source(BOX, math.sqrt(HIGH * WIDE / size))
        screening.screen(scenario, source, top=1)  # fills the caches of places and nodes
        start = time.process_time()
        found = screening.screen(scenario, source, top=asked.top, apart_km=asked.apart_km)
        ours = time.process_time() - start
        parts = [cells_of(state.tables, payload) for payload in source.payloads()]
        lat, lon = (np.concatenate([getattr(part, axis) for part in parts]) for axis in ("lat", "lon"))
        start = time.process_time()
        scored = script_loop(layers, lat, lon, layer)
        taken = greedy(scored, asked.top, asked.apart_km)
        loop = time.process_time() - start
        some = np.random.default_rng(0).choice(lat.size, min(asked.apply_rows, lat.size), replace=False)
        start = time.process_time()
        script_apply(layers, lat[some], lon[some], layer)
        rows = (time.process_time() - start) * lat.size / some.size
        ways = (("dcsite screen", ours), ("loop over cells", loop), ("data frame, apply(axis=1)", rows))
        for way, spent in ways:
            scored_cells = found.scored["cloud"] if way == "dcsite screen" else len(scored)
            print(
                f"| {lat.size:,} | {scored_cells:,} | {way} | {spent:.2f} | {1e6 * spent / lat.size:.1f} | {spent / ours:.1f} |"
            )
        best = found.best["cloud"]
        near = sum(
            min(haversine_km(row.lat, row.lon, cell[1], cell[2]) for cell in taken) <= asked.apart_km
            for row in best.itertuples()
        )
        notes.append(
            f"{lat.size:,} cells: {near} of our {len(best)} best lie within {asked.apart_km:g} km of one of the script's; "
            f"best score {best['score'].iloc[0]:.2f} against {taken[0][0]:.2f}."
        )
    print()
    print(" ".join(notes))
    print(f"`apply` was timed on {asked.apply_rows:,} rows and scaled to the number of cells.")


if __name__ == "__main__":
    main()
