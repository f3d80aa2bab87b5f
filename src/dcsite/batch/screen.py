"""Screen millions of cells: score every cell for chosen loads, say what excludes the others, keep the best apart.

A tile of cells is a task. It reads nearest places, cooling nodes and reach (:mod:`dcsite.batch.layers`) over
whole arrays, and leaves a file of a few numbers per cell; memory is bounded by the tile. The score is that of
a ranking: the same criteria, anchors and weights.
"""

from __future__ import annotations

import hashlib
import math
import tempfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dcsite.batch.cells import Source, cell_names, cells_of
from dcsite.batch.executor import Task, Work, identity, make_executor
from dcsite.batch.layers import (
    DIRECT_SPACING_DEG,
    NORTH,
    SOUTH,
    CoolingNodes,
    Layer,
    Places,
    arrays_bytes,
    build_layer,
    difficulty_of_cells,
    effective_prices,
    once_through_fits,
    reach_of_cells,
    read_arrays,
    water_of_cells,
)
from dcsite.batch.store import RunFolder, finished_tasks, plain_json, run_kept, write_whole
from dcsite.data.places import on_land, water_distances
from dcsite.data.scenario_file import load_profiles, parse_scenario
from dcsite.data.sphere import unit_xyz
from dcsite.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from dcsite.data.tables import Tables
    from dcsite.report.frames import Table
    from dcsite.spec.scenario import Scenario

PARTS = "cells"
FIGURES = (
    "price_usd_per_mwh",
    "scarce_water_l_per_kwh",
    "overhead_mwh_per_mwh",
    "reach_ratio",
    "pue",
    "wue_l_per_kwh",
    "carbon_kg_per_mwh",
)
"""Figures kept for every scored cell, single precision."""

COLUMN_OF = {
    "price": "price_usd_per_mwh",
    "water": "scarce_water_l_per_kwh",
    "cooling": "overhead_mwh_per_mwh",
    "latency": "reach_ratio",
    "carbon": "carbon_kg_per_mwh",
}
AT_SEA, NO_CLIMATE = "at sea", "no climate (beyond 60 S to 75 N)"
NO_TECHNOLOGY = "no technology"
FAR_KM = 150.0
"""Distance to the nearest place beyond which country and price zone are not taken from it (a choice)."""

REMOTE = f"no place within {FAR_KM:g} km: country and price zone not known"
EARTH_KM = 6371.0088
LEAST_CANDIDATES = 4096


# --- one process's state ----------------------------------------------------------------------------------


@dataclass
class State:
    """What a process keeps between tiles."""

    tables: Tables
    scenario: Scenario
    places: Places
    layers: list[Layer]
    nodes: list[CoolingNodes]
    country: NDArray[np.int64]
    country_names: NDArray[Any]


@lru_cache(maxsize=1)
def _state(shared: str) -> State:
    """Build the state of a screening from its shared values (JSON text)."""
    import json

    from dcsite.data.tables import load_tables

    values = json.loads(shared)
    return build_state(
        load_tables(values["data_dir"]), parse_scenario(values["scenario"]), values["identity"]["data"]
    )


def build_state(tables: Tables, scenario: Scenario, data_key: str) -> State:
    """Prepare places, workloads and cooling nodes.

    Raises
    ------
    DcsiteError
        If the scenario names what does not exist.
    """
    if scenario.score.method != "weighted_sum":
        message = f"screen: method '{scenario.score.method}' compares sites with each other"
        raise UsageError(message, hint="weighted_sum scores each cell by itself")
    if scenario.score.own:
        message = f"screen: [score.own] '{next(iter(scenario.score.own))}' is known at sites, not at cells"
        raise UsageError(
            message, hint="--best writes the best cells as sites; rank them with the figure added"
        )
    profiles = load_profiles(tables, scenario)
    places = Places.build(tables, data_key)
    layers = [
        build_layer(tables, scenario, load, load.resolved(profiles[load.profile]), places, data_key)
        for load in scenario.workloads
    ]
    codes, names = pd.factorize(places.frame["country_iso3"], sort=True)
    return State(
        tables=tables,
        scenario=scenario,
        places=places,
        layers=layers,
        nodes=[CoolingNodes(tables, layer, data_key) for layer in layers],
        country=codes.astype(np.int64),
        country_names=np.asarray(names, dtype=object),
    )


def run_tile(shared: Mapping[str, Any], payload: Mapping[str, Any]) -> dict[str, Any]:
    """Screen one tile; see :func:`screen_tile`."""
    arrays, counts, cells = screen_tile(_state(plain_json(dict(shared))), payload)
    return {"arrays": arrays_bytes(arrays), "counts": counts, "cells": cells}


def screen_tile(
    state: State, payload: Mapping[str, Any]
) -> tuple[dict[str, NDArray[Any]], dict[str, dict[str, int]], int]:
    """Score the cells of one tile.

    Returns
    -------
    tuple
        Arrays of the cells that at least one workload can use: ``key, lat, lon, place``, and per workload
        ``score_<n>`` (NaN: excluded), ``technology_<n>`` and ``<figure>_<n>``; cells per reason by workload;
        number of cells looked at.
    """
    cells = cells_of(state.tables, payload)
    lat, lon = cells.lat, cells.lon
    common: Counter[str] = Counter()
    inside = (lat >= SOUTH) & (lat <= NORTH)
    keep = inside.copy()
    if payload["land_only"]:
        land = on_land(state.tables, lat, lon)
        common[AT_SEA] = int((inside & ~land).sum())
        keep &= land
    common[NO_CLIMATE] = int((~inside).sum())
    at = np.flatnonzero(keep)
    place, far_km = state.places.nearest(unit_xyz(lat[at], lon[at]).reshape(-1, 3))
    looked = len(lat)
    if payload["country"]:
        own = state.country_names[state.country[place]] == payload["country"]
        at, place, far_km = at[own], place[own], far_km[own]
        looked = len(at)
        common.clear()
    known = far_km <= FAR_KM
    common[REMOTE] = int((~known).sum())
    at, place = at[known], place[known]
    lat, lon, key = lat[at], lon[at], cells.key[at]
    kind, distance = water_of_cells(water_distances(state.tables, lat, lon))
    frame = state.places.frame
    stress = frame["water_stress_ratio"].to_numpy()[place]
    shown = {
        "lat": lat,
        "lon": lon,
        "place": place,
        "kind": kind,
        "distance": distance,
        "difficulty": difficulty_of_cells(state.scenario, stress, kind, distance),
        "flow": frame["river_flow_m3_per_s"].to_numpy()[place],
    }
    arrays: dict[str, NDArray[Any]] = {}
    counts: dict[str, dict[str, int]] = {}
    used = np.zeros(len(at), dtype=bool)
    for number, (layer, nodes) in enumerate(zip(state.layers, state.nodes, strict=True)):
        found, reasons = _score(state, layer, nodes, shown, between_nodes=payload["between_nodes"])
        used |= np.isfinite(found["score"])
        arrays |= {f"{name}_{number}": values for name, values in found.items()}
        counts[layer.name] = {reason: count for reason, count in sorted((common + reasons).items()) if count}
    arrays |= {"key": key, "lat": lat, "lon": lon, "place": place.astype(np.int32)}
    return {name: values[used] for name, values in arrays.items()}, counts, looked


def _score(
    state: State, layer: Layer, nodes: CoolingNodes, shown: Mapping[str, NDArray[Any]], *, between_nodes: bool
) -> tuple[dict[str, NDArray[Any]], Counter[str]]:
    """Score cells for one workload, each with its best admissible technology; count what excludes the others."""
    place = shown["place"]
    total = len(place)
    out: dict[str, NDArray[Any]] = {
        name: np.full(total, np.nan, dtype=np.float32) for name in ("score", *FIGURES)
    }
    out["technology"] = np.zeros(total, dtype=np.int8)
    rule = layer.rule[place]
    reasons: Counter[str] = Counter()
    for code, count in zip(*np.unique(rule[rule > 0], return_counts=True), strict=True):
        reasons[layer.rules[code - 1]] += int(count)
    at = np.flatnonzero(rule == 0)
    if not at.size:
        return out, reasons
    place, lat, lon = place[at], shown["lat"][at], shown["lon"][at]
    frame = state.places.frame
    cooling = nodes.at(lat, lon)
    fixed: dict[str, NDArray[np.float64]] = {
        "price": layer.price[place],
        "hazard": frame["hazard_index"].to_numpy()[place],
        "policy": frame["policy_index"].to_numpy()[place],
        "capex": frame["capex_usd_per_w"].to_numpy()[place] * layer.profile.capex_factor,
        "time_to_power": layer.years[place],
        "grid_strength": frame["generation_nearby_gw"].to_numpy()[place],
        "latency": np.full(at.size, np.nan),
    }
    if layer.reach is not None:
        fixed["latency"] = reach_of_cells(
            layer, lat, lon, state.country[place], state.country_names, between_nodes=between_nodes
        )
    base = np.zeros(at.size)
    for name, weight in layer.weights.items():
        if name in fixed and name != "price":
            base += weight * _value(layer, name, fixed[name])
    difficulty, carbon = shown["difficulty"][at], layer.carbon[place]
    interruptible = (
        layer.profile.interruptible_fraction > 0 and layer.profile.break_even_usd_per_mwh is not None
    )
    best = np.full(at.size, -np.inf)
    kept: dict[str, NDArray[np.float64]] = {name: np.full(at.size, np.nan) for name in FIGURES}
    chosen = np.zeros(at.size, dtype=np.int8)
    admissible = np.zeros(at.size, dtype=bool)
    for number in sorted(range(len(layer.technologies)), key=lambda k: layer.technologies[k]):
        technology = layer.technologies[number]
        pue, wue, overhead = (cooling[:, number, part].astype(np.float64) for part in range(3))
        fits = np.isfinite(pue)
        if technology == "once_through":
            fits &= once_through_fits(
                state.tables, shown["kind"][at], shown["distance"][at], shown["flow"][at]
            )
        admissible |= fits
        price = fixed["price"]
        if interruptible:
            price = effective_prices(
                state.tables, state.scenario, layer, state.places, layer.zone[place], technology
            )
        figures = {
            "price_usd_per_mwh": price,
            "scarce_water_l_per_kwh": np.where(wue == 0, 0.0, wue * difficulty),
            "overhead_mwh_per_mwh": overhead,
            "reach_ratio": fixed["latency"],
            "pue": pue,
            "wue_l_per_kwh": wue,
            "carbon_kg_per_mwh": carbon * pue,
        }
        score = base.copy()
        for name in ("price", "water", "cooling", "carbon"):
            if name in layer.weights:
                score += layer.weights[name] * _value(layer, name, figures[COLUMN_OF[name]])
        score = np.where(fits & np.isfinite(score), np.round(score, 12), -np.inf)
        with np.errstate(invalid="ignore"):
            better = (score > best) | (
                (score == best) & np.isfinite(score) & (overhead < kept["overhead_mwh_per_mwh"] - 1e-9)
            )
        best = np.where(better, score, best)
        chosen[better] = number
        for name, values in figures.items():
            kept[name] = np.where(better, values, kept[name])
    scored = np.isfinite(best)
    out["score"][at] = np.where(scored, 100.0 * best, np.nan)
    out["technology"][at] = chosen
    for name, values in kept.items():
        out[name][at] = values
    reasons += _missing(layer, fixed, carbon, difficulty, admissible, scored)
    return out, reasons


def _value(layer: Layer, name: str, figure: NDArray[np.float64]) -> NDArray[np.float64]:
    criterion = layer.criteria[name]
    return np.clip((figure - criterion.worst) / (criterion.best - criterion.worst), 0.0, 1.0)


def _missing(
    layer: Layer,
    fixed: Mapping[str, NDArray[np.float64]],
    carbon: NDArray[np.float64],
    difficulty: NDArray[np.float64],
    admissible: NDArray[np.bool_],
    scored: NDArray[np.bool_],
) -> Counter[str]:
    """Why admitted cells have no score: the first figure that is missing."""
    reasons: Counter[str] = Counter()
    left = ~scored
    reasons[NO_TECHNOLOGY] = int((left & ~admissible).sum())
    left &= admissible
    figures = {**fixed, "carbon": carbon, "water": difficulty}
    for name in layer.weights:
        gone = left & np.isnan(figures[name]) if name in figures else np.zeros_like(left)
        reasons[f"missing figure: {layer.criteria[name].title.lower()}"] += int(gone.sum())
        left &= ~gone
    reasons["missing figure"] = int(left.sum())
    return reasons


# --- the whole --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Screen:
    """Result of a screening.

    Attributes
    ----------
    best
        Per workload, best first: ``rank, cell, name, country_iso3, lat, lon, zone_id, technology, score``,
        one ``score_<criterion>`` each (they sum to ``score``), and the figures.
    excluded
        ``workload, reason, cells_count``.
    cells, scored
        Cells looked at, and cells with a score by workload.
    """

    best: Mapping[str, pd.DataFrame]
    excluded: pd.DataFrame
    label: str
    cells: int
    scored: Mapping[str, int]
    apart_km: float
    notes: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def table(self) -> pd.DataFrame:
        """Best cells of all workloads in one frame."""
        parts = [frame.assign(workload=name) for name, frame in self.best.items()]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def screen(
    scenario: Scenario,
    source: Source,
    *,
    top: int = 20,
    apart_km: float = 0.0,
    jobs: int = 1,
    scheduler: str | None = None,
    run: Path | str | None = None,
    resume: bool = False,
    cells_out: Path | None = None,
    force: bool = False,
    keep: int | None = None,
    bound_cells: int = 0,
    data_dir: Path | str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Screen:
    """Score all cells of a source for the workloads of a scenario.

    Parameters
    ----------
    scenario
        Workloads, weights, rules; its sites do not matter.
    source
        From :mod:`dcsite.batch.cells`.
    top
        Best cells to list per workload.
    apart_km
        Least distance between two listed cells. [km]
    jobs, scheduler
        Processes of this machine, or a Dask scheduler.
    run, resume
        Run folder to keep, and whether to go on with the run in it.
    cells_out
        File for all scored cells: ``.csv``, ``.parquet`` (GeoParquet) or ``.gpkg``; the address of a database
        table; or ``.html``, a page with a map of all cells and the tables of the best.
    force
        Overwrite ``cells_out``.
    keep, bound_cells
        Best cells per price zone to keep as candidates of a portfolio, and how many others may be listed with
        them: ``extra["cells"]`` and ``extra["scored"]`` (:mod:`dcsite.batch.shortlist`).

    Raises
    ------
    DcsiteError
        If something cannot be used, or no cell is left.
    """
    if top < 1 or not 0 <= apart_km <= 20_000:
        message = f"top must be 1 or more and the distance 0 to 20,000 km, got {top} and {apart_km:g}"
        raise UsageError(message)
    if cells_out is not None:
        from dcsite.batch.cell_files import check_target

        check_target(cells_out, force=force)
    where = None if data_dir is None else str(Path(data_dir).resolve())
    same = identity(where)
    raw = scenario.model_dump(mode="json", exclude_unset=True)
    shared = {"identity": same, "data_dir": where, "scenario": raw}
    more = {
        "country": source.country,
        "land_only": source.land_only,
        "between_nodes": source.spacing_deg < DIRECT_SPACING_DEG,
    }
    tasks = [Task(f"{number:07d}", {**payload, **more}) for number, payload in enumerate(source.payloads())]
    manifest = {
        "kind": "screen",
        **same,
        "scenario": raw,
        "source": dict(source.payload),
        **more,
        "tasks": len(tasks),
    }
    salt = {"scenario": raw, **same}
    executor = make_executor(jobs, scheduler)
    with _folder(run) as folder, RunFolder(folder, manifest, resume=resume) as kept:

        def save(task_id: str, value: Any) -> dict[str, Any]:  # noqa: ANN401
            data = value["arrays"]
            write_whole(part_path(folder, task_id), data)
            return {**value, "arrays": hashlib.sha256(data).hexdigest()}

        done_tasks = run_kept(executor, Work(run_tile, shared), tasks, kept, salt=salt, save=save)
        for done, _ in enumerate(done_tasks, start=1):
            if progress is not None:
                progress(done, len(tasks))
        state = _state(plain_json(shared))
        page = cells_out is not None and cells_out.suffix.lower() == ".html"
        found = _gather(state, source, tasks, folder, top=top, apart_km=apart_km, draw=page)
        if cells_out is not None and page:
            write_page(found, cells_out, force=force)
        elif cells_out is not None:
            from dcsite.batch.cell_files import write_cells

            write_cells(state, tasks, folder, cells_out, force=force)
        if keep is not None:
            from dcsite.batch.shortlist import pick_cells

            cells, count = pick_cells(state, tasks, folder, keep=keep, most_others=bound_cells)
            found = replace(found, extra={**found.extra, "cells": cells, "scored": count})
    return found


@contextmanager
def _folder(run: Path | str | None) -> Iterator[Path]:
    if run is not None:
        yield Path(run)
        return
    with tempfile.TemporaryDirectory(prefix="dcsite-screen-") as name:
        yield Path(name)


def part_path(folder: Path, task_id: str) -> Path:
    """File of the arrays of a tile."""
    return folder / PARTS / f"{int(task_id) // 1000:05d}" / f"{task_id}.npz"


def read_part(folder: Path, task_id: str) -> dict[str, NDArray[Any]]:
    """Arrays of a tile.

    Raises
    ------
    DataError
        If the file is missing or damaged.
    """
    path = part_path(folder, task_id)
    try:
        found = read_arrays(path.read_bytes())
    except OSError as error:
        message = f"{path}: cannot be read ({error.strerror})"
        raise DataError(message, hint="delete its file in tasks/ and run again with --resume") from None
    if found is None:
        message = f"{path}: damaged"
        raise DataError(message, hint="delete its file in tasks/ and run again with --resume")
    return found


def _gather(
    state: State,
    source: Source,
    tasks: Sequence[Task],
    folder: Path,
    *,
    top: int,
    apart_km: float,
    draw: bool,
) -> Screen:
    reasons: dict[str, Counter[str]] = {layer.name: Counter() for layer in state.layers}
    looked = 0
    known = {task.id for task in tasks}
    for entry in finished_tasks(folder):
        if entry["id"] not in known:
            continue
        looked += int(entry["result"]["cells"])
        for name, counts in entry["result"]["counts"].items():
            reasons[name].update(counts)
    positions: list[NDArray[np.float32]] = []
    scores: list[list[NDArray[np.float32]]] = [[] for _ in state.layers]
    sizes = []
    for task in tasks:
        part = read_part(folder, task.id)
        sizes.append(len(part["key"]))
        positions.append(np.stack([part["lat"], part["lon"]], axis=1).astype(np.float32))
        for number, column in enumerate(scores):
            column.append(part[f"score_{number}"])
    start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    position = np.concatenate(positions) if positions else np.zeros((0, 2), dtype=np.float32)
    best: dict[str, pd.DataFrame] = {}
    scored: dict[str, int] = {}
    maps: dict[str, str] = {}
    for number, layer in enumerate(state.layers):
        score = np.concatenate(scores[number]) if scores[number] else np.zeros(0, dtype=np.float32)
        scored[layer.name] = int(np.isfinite(score).sum())
        chosen = spread_best(score, position[:, 0], position[:, 1], top, apart_km)
        best[layer.name] = _rows(state, number, tasks, folder, start, chosen)
        if draw:
            from dcsite.report.cell_map import cell_map_svg

            title = f"Score of the cells for {layer.name}"
            maps[layer.name] = cell_map_svg(position[:, 0], position[:, 1], score, best[layer.name], title)
    excluded = pd.DataFrame(
        [
            {"workload": name, "reason": reason, "cells_count": count}
            for name, counts in reasons.items()
            for reason, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        ],
        columns=["workload", "reason", "cells_count"],
    )
    return Screen(
        best=best,
        excluded=excluded,
        label=source.label,
        cells=looked,
        scored=scored,
        apart_km=apart_km,
        notes=_notes(state, source),
        extra={"maps": maps} if maps else {},
    )


def _notes(state: State, source: Source) -> tuple[str, ...]:
    notes = [
        "Country, price zone, stress, capex and hazards of a cell are those of its nearest place; water distances are "
        "about (2 to 8 km off). Check a cell with dcsite rank --at LAT,LON --only-own.",
    ]
    if source.spacing_deg < DIRECT_SPACING_DEG:
        notes.append("Reach is interpolated between quarter-degree nodes, cooling between half-degree nodes.")
    for layer in state.layers:
        if layer.profile.interruptible_fraction > 0:
            notes.append(
                f"'{layer.name}': the price of the hours run is that of one place per price zone (estimate)."
            )
        for technology, reason in layer.refused.items():
            notes.append(f"'{layer.name}': {technology} is not looked at: {reason}")
    return tuple(notes)


def spread_best(
    score: NDArray[np.float32], lat: NDArray[np.float32], lon: NDArray[np.float32], top: int, apart_km: float
) -> NDArray[np.int64]:
    """Numbers of the best cells, each at least ``apart_km`` from every better one that was taken.

    Greedy by score, then by number: what one pass over all cells sorted would give, whatever the tiles.

    Parameters
    ----------
    score, lat, lon
        Shape (N,); NaN scores are left out.

    Returns
    -------
    ndarray, at most ``top``
    """
    order_score = np.where(np.isfinite(score), score, -np.inf)
    left = int(np.isfinite(score).sum())
    taken: list[int] = []
    near = 2.0 * math.sin(min(apart_km / EARTH_KM, math.pi) / 2.0)
    size, done = max(LEAST_CANDIDATES, 32 * top), 0
    while done < left and len(taken) < top:
        size = min(size, left)
        if size < len(order_score):
            bound = np.partition(order_score, len(order_score) - size)[len(order_score) - size]
            candidates = np.flatnonzero(order_score >= bound)
        else:
            candidates = np.arange(len(order_score))
        candidates = candidates[np.lexsort((candidates, -order_score[candidates]))]
        candidates = candidates[np.isfinite(order_score[candidates])]
        fresh = candidates[done:]
        done = len(candidates)
        if apart_km <= 0:
            taken += fresh[: top - len(taken)].tolist()
            size *= 8
            continue
        xyz = unit_xyz(lat[fresh], lon[fresh])
        alive = np.ones(len(fresh), dtype=bool)
        for before in taken:
            alive &= ((xyz - unit_xyz(lat[before], lon[before])) ** 2).sum(axis=1) >= near**2
        while len(taken) < top and alive.any():
            first = int(alive.argmax())
            taken.append(int(fresh[first]))
            alive &= ((xyz - xyz[first]) ** 2).sum(axis=1) >= near**2
            alive[first] = False
        size *= 8
    return np.array(taken, dtype=np.int64)


def _rows(
    state: State,
    number: int,
    tasks: Sequence[Task],
    folder: Path,
    start: NDArray[np.int64],
    chosen: NDArray[np.int64],
) -> pd.DataFrame:
    """Full rows of chosen cells."""
    layer = state.layers[number]
    tile = np.searchsorted(start, chosen, side="right") - 1
    rows: dict[int, dict[str, Any]] = {}
    for at in np.unique(tile):
        task = tasks[at]
        part = read_part(folder, task.id)
        inside = np.flatnonzero(tile == at)
        local = chosen[inside] - start[at]
        frame = cell_frame(
            state, number, task.payload, {name: values[local] for name, values in part.items()}
        )
        for place, row in zip(inside, frame.to_dict("records"), strict=True):
            rows[int(place)] = {"rank": int(place) + 1, **{str(key): value for key, value in row.items()}}
    frame = pd.DataFrame([rows[place] for place in sorted(rows)])
    if frame.empty:
        return frame
    for name, weight in layer.weights.items():
        figure = frame[COLUMN_OF[name]] if name in COLUMN_OF else _place_figure(state, layer, name, frame)
        frame[f"score_{name}"] = 100.0 * weight * _value(layer, name, figure.to_numpy(dtype=np.float64))
    first = ["rank", "cell", "name", "country_iso3", "lat", "lon", "zone_id", "technology", "score"]
    parts = [f"score_{name}" for name in layer.weights]
    return frame[[*first, *parts, *FIGURES]]


def _place_figure(state: State, layer: Layer, name: str, frame: pd.DataFrame) -> pd.Series[float]:
    place = frame["place"].to_numpy()
    column = {"hazard": "hazard_index", "policy": "policy_index", "grid_strength": "generation_nearby_gw"}
    if name == "time_to_power":
        return pd.Series(layer.years[place])
    if name == "capex":
        return pd.Series(state.places.frame["capex_usd_per_w"].to_numpy()[place] * layer.profile.capex_factor)
    return pd.Series(state.places.frame[column[name]].to_numpy()[place])


def cell_frame(
    state: State, number: int, payload: Mapping[str, Any], part: Mapping[str, NDArray[Any]]
) -> pd.DataFrame:
    """Cells of a tile with names in place of numbers, for one workload; excluded cells are left out."""
    layer = state.layers[number]
    keep = np.isfinite(part[f"score_{number}"])
    place = part["place"][keep]
    frame = state.places.frame
    data: dict[str, Any] = {
        "cell": cell_names(state.tables, payload, part["key"][keep]),
        "name": [f"near {name}" for name in frame["name"].to_numpy()[place]],
        "country_iso3": frame["country_iso3"].to_numpy()[place],
        "lat": part["lat"][keep].round(6),
        "lon": part["lon"][keep].round(6),
        "zone_id": frame["zone_id"].to_numpy()[place],
        "technology": np.array(layer.technologies, dtype=object)[part[f"technology_{number}"][keep]],
        "score": part[f"score_{number}"][keep].astype(np.float64).round(4),
        "place": place,
    }
    for name in FIGURES:
        data[name] = part[f"{name}_{number}"][keep].astype(np.float64).round(5)
    return pd.DataFrame(data)


def screen_tables(found: Screen) -> list[Table]:
    """Best cells of each workload, and what excluded the others, as tables of a report."""
    from dcsite.report.frames import frame_table

    tables = [
        frame_table(frame, f"best_{name}", f"Best cells for {name}")
        for name, frame in found.best.items()
        if len(frame)
    ]
    if len(found.excluded):
        tables.append(frame_table(found.excluded, "excluded", "Cells without a score"))
    return tables


def write_page(found: Screen, path: Path, *, force: bool) -> None:
    """Write a screening as one offline page: maps of the cells, tables of the best.

    Raises
    ------
    DcsiteError
        If the file exists and ``force`` is not set, or cannot be written.
    """
    from dcsite.report.export import write_report
    from dcsite.report.frames import Report

    tables = [
        replace(table, name="left_out") if table.name == "excluded" else table  # a page's own is of sites
        for table in screen_tables(found)
    ]
    counts = "; ".join(f"{count:,} scored for {name}" for name, count in found.scored.items())
    notes = (f"{found.cells:,} cells: {found.label}; {counts}.", *found.notes)
    maps = {f"cells:{name}": drawn for name, drawn in found.extra.get("maps", {}).items() if drawn}
    title = f"Screening: {found.label}"
    write_report(Report(title, tables=tuple(tables), notes=notes, pictures=maps), path, force=force)


def best_sites_csv(found: Screen) -> str:
    """Listed cells of all workloads as a file of sites: ``site_id, name, lat, lon`` and what they rest on."""
    from dcsite.data.places import slug_of
    from dcsite.report.export import csv_text
    from dcsite.report.frames import frame_table

    table = found.table
    if table.empty:
        message = "no cell has a score, nothing to write"
        raise UsageError(message)
    first = table.drop_duplicates("cell")
    frame = pd.DataFrame(
        {
            "site_id": [
                slug_of(f"{country} {cell}")
                for country, cell in zip(first["country_iso3"], first["cell"], strict=True)
            ],
            "name": first["name"],
            "lat": first["lat"],
            "lon": first["lon"],
            "country_iso3": first["country_iso3"],
            "x_workload": first["workload"],
            "x_score": first["score"],
        }
    )
    return csv_text(frame_table(frame, "sites", "Best cells"))
