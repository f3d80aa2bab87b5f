"""From a screening to a portfolio: which cells become candidates, the plan, and what leaving the others out can cost.

Kept are the best cells of each price zone for each workload, and every cell that no other beats in all
figures. The linear relaxation over them then asks for further cells (:mod:`dcsite.optimize.beyond`); at last a
bound over all scored cells says how much cheaper any plan could be at best.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dcsite.batch.screen import cell_frame, read_part, spread_best
from dcsite.data.places import slug_of
from dcsite.data.scenario_file import parse_scenario
from dcsite.errors import InfeasibleError, UsageError
from dcsite.optimize import beyond, solve
from dcsite.optimize.inputs import build_inputs
from dcsite.report.export import csv_text
from dcsite.report.frames import frame_table
from dcsite.report.plain import whole_file
from dcsite.study import portfolio
from dcsite.study.evaluating import evaluate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from dcsite.batch.executor import Task
    from dcsite.batch.screen import State
    from dcsite.data.tables import Tables
    from dcsite.optimize.plan import Plan
    from dcsite.spec.scenario import Scenario

STEPS = {
    "price_usd_per_mwh": 0.5,
    "scarce_water_l_per_kwh": 0.02,
    "overhead_mwh_per_mwh": 0.002,
    "carbon_kg_per_mwh": 5.0,
    "reach_ratio": -0.01,
}
"""Figures in which cells are compared, and the step within which two count as equal; negative: more is better."""

CAPEX_STEP_USD_PER_W = 0.05
MOST_FRONT = 100
"""Cells that no other beats, per workload; beyond, those of best score."""

MOST_KEPT = 600
"""Candidates of a portfolio; more are not solved in reasonable time."""

ROUNDS = 3
ADDED = 30
ADDED_APART_KM = 100.0
"""Cells that the relaxation asks for, per round, and how far apart."""

BATCH = 700
NO_GAIN = 1.0e-6
"""Relative gain of all left-out cells together that counts as none."""

SITES_KEYS = ("default_grid_mw", "opening_usd", "where")
"""Keys of ``[sites]`` that hold for cells too."""

SITE_COLUMNS = ["site_id", "name", "lat", "lon", "country_iso3", "x_cell", "x_kept"]


@dataclass(frozen=True)
class CellPlan:
    """A portfolio from screened cells.

    Attributes
    ----------
    sites
        Kept cells: ``site_id, name, lat, lon, country_iso3, x_cell``, and ``x_kept`` (why).
    scored
        Cells with a score for at least one workload.
    bound
        What any plan over all scored cells costs at least, in the unit of the plan's goal; None if no bound
        was computed (``reason`` says why).
    loss_ratio
        How far the plan is above that bound at most.
    gaining
        Left-out cells that the last prices would still use.
    """

    plan: Plan
    sites: pd.DataFrame
    scored: int
    bound: float | None
    loss_ratio: float | None
    reason: str
    gaining: int

    @property
    def words(self) -> str:
        """What was kept, and what the rest can be worth."""
        kinds = self.sites["x_kept"].value_counts()
        told = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())
        text = f"{self.scored:,} cells have a score; {len(self.sites):,} became candidates ({told})."
        if self.bound is None:
            return f"{text} No bound was computed on what the others could have saved: {self.reason}."
        unit = solve.GOAL_UNITS[self.plan.goal]
        figure = f"{self.bound / 1e6:,.2f} M {unit}" if unit == "USD/year" else f"{self.bound:,.6g} {unit}"
        return (
            f"{text} No plan over all of them, as they are evaluated here, comes below {figure}: this one is at most "
            f"{100.0 * (self.loss_ratio or 0.0):.2f} % above (its gap over the candidates alone: "
            f"{100.0 * self.plan.gap:.2f} %). {self.gaining:,} left-out cells could still lower the bound."
        )


def pick_cells(
    state: State, tasks: Sequence[Task], folder: Path, *, keep: int, most_others: int
) -> tuple[pd.DataFrame, int]:
    """Scored cells of a screening with why each is kept (``x_kept``, empty: left out), and how many there are.

    Left-out cells are listed only if there are at most ``most_others`` of them.
    """
    parts = [read_part(folder, task.id) for task in tasks]
    start = np.concatenate([[0], np.cumsum([len(part["key"]) for part in parts])]).astype(np.int64)
    count = int(start[-1])
    if count == 0:
        message = "no cell has a score, nothing to choose from"
        raise UsageError(message)
    place = np.concatenate([part["place"] for part in parts])
    zone = pd.factorize(state.places.frame["zone_id"] + "|" + state.places.frame["country_iso3"])[0][place]
    capex = state.places.frame["capex_usd_per_w"].to_numpy()[place]
    why = np.full(count, "", dtype=object)
    for number, layer in enumerate(state.layers):
        score = np.concatenate([part[f"score_{number}"] for part in parts])
        figures = [
            np.concatenate([part[f"{name}_{number}"] for part in parts]) / step
            for name, step in STEPS.items()
        ]
        front = front_of(score, np.stack([*figures, capex / CAPEX_STEP_USD_PER_W], axis=1), MOST_FRONT)
        why[front] = np.where(why[front] == "", f"not beaten for {layer.name}", why[front])
        top = best_per_zone(score, zone, keep)
        why[top] = np.where(why[top] == "", f"best of a zone for {layer.name}", why[top])
    kept = np.flatnonzero(why != "")
    if len(kept) > MOST_KEPT:
        message = f"{len(kept):,} cells would become candidates, at most {MOST_KEPT:,}"
        raise UsageError(message, hint="fewer with --keep, a smaller region, or one workload")
    listed = np.arange(count) if count - len(kept) <= most_others else kept
    tile = np.searchsorted(start, listed, side="right") - 1
    frames = []
    for at in np.unique(tile):
        local = listed[tile == at] - start[at]
        part = {name: values[local] for name, values in parts[at].items()}
        rows = [
            cell_frame(state, number, tasks[at].payload, part)[["cell", "name", "country_iso3", "lat", "lon"]]
            for number in range(len(state.layers))
        ]
        frames.append(pd.concat(rows).drop_duplicates("cell"))
    frame = pd.concat(frames, ignore_index=True)
    lookup = _names(state, tasks, parts, start, listed)
    frame["x_kept"] = frame["cell"].map(dict(zip(lookup, why[listed], strict=True)))
    frame["site_id"] = [
        slug_of(f"{country} {cell}")
        for country, cell in zip(frame["country_iso3"], frame["cell"], strict=True)
    ]
    frame = frame.rename(columns={"cell": "x_cell"}).drop_duplicates("site_id")
    return frame[SITE_COLUMNS].sort_values("site_id", kind="stable").reset_index(drop=True), count


def _names(
    state: State,
    tasks: Sequence[Task],
    parts: Sequence[dict[str, NDArray[Any]]],
    start: NDArray[np.int64],
    listed: NDArray[np.int64],
) -> list[str]:
    from dcsite.batch.cells import cell_names

    tile = np.searchsorted(start, listed, side="right") - 1
    found: list[str] = []
    for at in np.unique(tile):
        local = listed[tile == at] - start[at]
        found += cell_names(state.tables, tasks[at].payload, parts[at]["key"][local])
    return found


def best_per_zone(score: NDArray[Any], zone: NDArray[np.int64], keep: int) -> NDArray[np.int64]:
    """Numbers of the ``keep`` best cells of every zone; cells without a score (NaN) are left out.

    Examples
    --------
    >>> best_per_zone(np.array([5.0, 9.0, np.nan, 7.0]), np.array([0, 0, 1, 1]), 1).tolist()
    [1, 3]
    """
    at = np.flatnonzero(np.isfinite(score))
    at = at[np.lexsort((at, -score[at], zone[at]))]
    new = np.concatenate([[True], zone[at][1:] != zone[at][:-1]]) if at.size else np.zeros(0, dtype=bool)
    first = np.maximum.accumulate(np.where(new, np.arange(at.size), 0)) if at.size else at
    return np.sort(at[np.arange(at.size) - first < keep])


def front_of(score: NDArray[Any], figures: NDArray[Any], most: int) -> NDArray[np.int64]:
    """Numbers of the cells that no other beats: at least as good in every figure, better in one.

    Figures are compared in whole steps, less is better; a missing one counts as worst. Of cells with equal
    steps the one of best score stands for all; of more than ``most`` those of best score.

    Parameters
    ----------
    score
        Shape (N,); cells with NaN are left out.
    figures
        Shape (N, F), in steps.
    """
    at = np.flatnonzero(np.isfinite(score))
    at = at[np.lexsort((at, -score[at]))]
    missing = 2**40
    steps = np.where(np.isfinite(figures[at]), np.rint(figures[at]), missing).astype(np.int64)
    _, first = np.unique(steps, axis=0, return_index=True)
    # A cell that beats another has a smaller sum of steps, so whatever beats a cell stands before it.
    order = first[np.lexsort((first, steps[first].sum(axis=1)))]
    front = np.zeros((0, steps.shape[1]), dtype=np.int64)
    chosen: list[NDArray[np.int64]] = []
    for begin in range(0, len(order), 512):
        block = order[begin : begin + 512]
        values = steps[block]
        alive = np.ones(len(block), dtype=bool)
        for part in range(0, len(front), 1024):
            alive &= ~(front[part : part + 1024, None, :] <= values[None, :, :]).all(axis=2).any(axis=0)
        inside: NDArray[Any] = np.asarray((values[:, None, :] <= values[None, :, :]).all(axis=2))
        np.fill_diagonal(inside, val=False)
        alive &= ~(inside & alive[:, None]).any(axis=0)
        front = np.concatenate([front, values[alive]])
        chosen.append(block[alive])
    found = np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, dtype=np.int64)
    return np.sort(at[found[:most]])


def _with_sites(scenario: Scenario, path: Path) -> Scenario:
    """The scenario with the cells of a file as its only candidates."""
    raw = scenario.model_dump(mode="python", exclude_unset=True)
    asked = raw.get("sites", {})
    tied = [key for key in ("require", "existing") if asked.get(key)]
    if tied:
        message = f"screen --optimize: [sites] {' and '.join(tied)} name sites that are no cells"
        raise UsageError(message, hint="leave them out, or run optimize on a file of sites")
    kept = {key: asked[key] for key in SITES_KEYS if key in asked}
    raw["sites"] = {**kept, "catalog": "none", "file": str(path)}
    return parse_scenario(raw, name="cells")


def sites_text(frame: pd.DataFrame) -> str:
    """Cells as a file of sites."""
    return csv_text(frame_table(frame[SITE_COLUMNS], "sites", "Candidate cells"))


def plan_cells(
    scenario: Scenario,
    tables: Tables,
    cells: pd.DataFrame,
    scored: int,
    sites_file: Path,
    *,
    backend: str = "highs",
    force: bool = False,
    progress: Callable[[str], None] | None = None,
) -> CellPlan:
    """Choose a portfolio from cells and bound what the left-out ones could have saved.

    Parameters
    ----------
    scenario
        The question; its sites are replaced by the cells.
    cells, scored
        From :func:`pick_cells`.
    sites_file
        Where the candidates are written, as a file of sites; the plan's scenario names it.

    Raises
    ------
    InfeasibleError
        If the kept cells allow no plan.
    DcsiteError
        If the scenario cannot be used with cells.
    """
    say = progress or (lambda _: None)
    why = cells["x_kept"].astype(str).to_numpy(dtype=object).copy()
    reason = _no_bound(scenario, cells, scored)
    bound: float | None = None
    gaining = 0
    if not reason:
        for number in range(ROUNDS + 1):
            ids = cells["site_id"].to_numpy()
            is_kept = why != ""
            found = _gains(scenario, tables, cells, is_kept, say)
            if isinstance(found, str):
                reason = found
                break
            value, gain = found
            total = float(gain.sum())
            bound = max(value + total, -np.inf if bound is None else bound)
            gaining = int((gain < -NO_GAIN * abs(value)).sum())
            say(f"round {number + 1}: {is_kept.sum()} candidates, {gaining} of {len(ids)} cells could help")
            if number == ROUNDS or total >= -NO_GAIN * abs(value):
                break
            ask = spread_best(
                np.where(gain < 0, -gain, np.nan).astype(np.float32),
                cells["lat"].to_numpy(dtype=np.float32),
                cells["lon"].to_numpy(dtype=np.float32),
                ADDED,
                ADDED_APART_KM,
            )
            why[ask] = "asked for by the relaxation"
    kept = cells.assign(x_kept=why)[why != ""].reset_index(drop=True)
    with whole_file(sites_file, force=force) as temporary:
        temporary.write_text(sites_text(kept), encoding="utf-8")
    asked = _with_sites(scenario, sites_file)
    say(f"solving over {len(kept)} candidates")
    try:
        plan = portfolio.optimize(asked, evaluate(asked, tables), backend=backend, progress=progress)
    except InfeasibleError as error:
        message = f"{len(kept)} candidates of {scored:,} cells ({sites_file}): {error.message}"
        hint = "a larger --keep adds candidates; dcsite diagnose on a scenario with that file names the clash"
        raise InfeasibleError(message, error.problems, hint=hint) from None
    step = solve.GOAL_STEP[plan.goal]
    least = None if bound is None else bound * step
    cost = plan.goal_value
    loss = None if least is None or not cost else max(0.0, (cost - least) / abs(cost))
    return CellPlan(plan, kept, scored, least, loss, reason, gaining)


def _no_bound(scenario: Scenario, cells: pd.DataFrame, scored: int) -> str:
    """Why no bound can be computed, "" if one can."""
    if not beyond.can_bound(scenario.objective.kind):
        return f"the goal '{scenario.objective.kind}' compares candidates with each other"
    if len(cells) < scored:
        return f"{scored:,} scored cells are more than --bound-cells allows"
    return ""


def _gains(
    scenario: Scenario,
    tables: Tables,
    cells: pd.DataFrame,
    is_kept: NDArray[np.bool_],
    say: Callable[[str], None],
) -> tuple[float, NDArray[np.float64]] | str:
    """Value of the relaxation over the kept cells (with room for tolerances) and the gain of every cell; or why not."""
    rest = np.flatnonzero(~is_kept)
    kept_ids = cells["site_id"].to_numpy()[is_kept].tolist()
    position = {name: number for number, name in enumerate(cells["site_id"])}
    gain = np.zeros(len(cells))
    with tempfile.TemporaryDirectory(prefix="dcsite-cells-") as name:
        path = Path(name) / "cells.csv"

        def inputs_of(chosen: NDArray[np.bool_]) -> Any:  # noqa: ANN401
            path.write_text(sites_text(cells[chosen]), encoding="utf-8")
            asked = _with_sites(scenario, path)
            return build_inputs(asked, evaluate(asked, tables))

        prices = beyond.relaxation(inputs_of(is_kept))
        if prices is None:
            return "the kept cells allow no plan"
        for begin in range(0, len(rest), BATCH):
            chosen = is_kept.copy()
            chosen[rest[begin : begin + BATCH]] = True
            try:
                found = beyond.gains(inputs_of(chosen), prices, kept_ids)
            except InfeasibleError as error:
                return str(error.message)
            if found is None:
                return "a limit of the model depends on the candidates at hand"
            gain[[position[site] for site in found.site_ids]] = found.gain
            say(f"bound: {min(begin + BATCH, len(rest)):,} of {len(rest):,} left-out cells")
    return beyond.bound_of(prices, 0.0), gain * (1.0 + beyond.SAFETY)
