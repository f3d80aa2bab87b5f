"""When nothing fits: which limits clash, and the cheapest way to make a plan possible, in natural units.

First arithmetic, then an elastic model (every limit that a user may move can be stretched at a stated penalty
per unit), then a minimal conflict among the limits as the user knows them: each is left out once and kept only
if without it a plan exists.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from dcsite.optimize import highs, model, solve
from dcsite.optimize.arithmetic import impossible
from dcsite.optimize.inputs import build_inputs
from dcsite.optimize.problem import Labels, Problem, Rows, selected

if TYPE_CHECKING:
    from collections.abc import Callable

    from dcsite.errors import Problem as Complaint
    from dcsite.optimize.inputs import Inputs
    from dcsite.optimize.model import Index
    from dcsite.optimize.problem import Block
    from dcsite.physics.evaluation import Evaluation
    from dcsite.spec.scenario import Scenario

REPAIRS: Final = ("limit", "label", "unit", "now", "needed", "change", "words")
RTT_STRETCH: Final = 2.0
"""How far beyond an RTT limit the doctor looks, as a factor."""
RTT_PENALTY: Final = 0.1
"""Penalty per 10 ms and MW of demand: one MW served 10 ms late costs as much as a tenth of a MW of grid."""
COVER: Final[dict[str, str]] = {
    "demand_region": "it_mw",
    "demand_total": "it_mw",
    "block_min": "min_block_mw",
    "workload_sites": "max_sites",
    "grid": "grid_mw",
    "land": "land_m2",
    "water_site": "water_m3_per_year",
    "water_basin": "basins",
    "water_hour": "water_m3_per_hour",
    "sites_max": "max_sites",
    "sites_min": "min_sites",
    "site_min": "min_site_mw",
    "technologies_max": "max_technologies_per_site",
    "required": "require",
    "budget": "budget_usd",
    "zone_share": "max_share_per_zone",
    "share_max": "max_share",
    "share_min": "min_share",
    "accelerators": "accelerators",
    "carbon_cap": "carbon_t_per_year",
    "carbon_intensity": "carbon_kg_per_mwh",
    "coverage": "coverage",
    "latency_mean": "mean_rtt_ms",
    "survive_region": "n_minus_1",
    "survive_total": "n_minus_1",
    "rtt": "max_rtt_ms",
}
"""Family to the scenario key that a user would change."""


@dataclass(frozen=True)
class Diagnosis:
    """What stands in the way.

    Attributes
    ----------
    feasible
        A plan exists: nothing stands in the way.
    arithmetic
        Contradictions that need no solver.
    conflict
        Limits that together allow no plan; leaving out any one of them does.
    minimal
        Whether that was tested for every limit of the conflict.
    repair
        Cheapest set of changes: one row per limit, checked by solving with them.
    checked
        Whether a plan was found with all limits moved so.
    coverage
        Share of demand that the best p sites reach within ``max_rtt_ms``, where coverage is in the conflict.
    """

    feasible: bool
    arithmetic: tuple[Complaint, ...]
    conflict: tuple[str, ...]
    minimal: bool
    repair: pd.DataFrame
    checked: bool
    coverage: pd.DataFrame
    notes: tuple[str, ...] = ()


def diagnose(
    scenario: Scenario,
    evaluation: Evaluation,
    *,
    time_limit_s: float | None = 60.0,
    progress: Callable[[str], None] | None = None,
) -> Diagnosis:
    """Find what makes a scenario impossible and the cheapest repair.

    Parameters
    ----------
    scenario, evaluation
        The question and its facts.
    time_limit_s
        Processor seconds for all solves.
    """
    say = progress or (lambda _: None)
    budget = solve.Budget(time_limit_s, scenario.solver.node_limit)
    inputs = build_inputs(scenario, evaluation)
    complaints = tuple(impossible(inputs, evaluation))
    no_repair = pd.DataFrame(columns=list(REPAIRS))
    no_cover = pd.DataFrame(columns=["workload", "sites_count", "coverage_ratio", "site_id"])
    eligible = model.eligible_sites(inputs)
    stuck = [
        w
        for w, load in enumerate(inputs.workloads)
        if not load.optional and not eligible[:, w].any() and inputs.demand_mw[w].max(initial=0.0) > 0
    ]
    if stuck:
        notes = ("no limit can be stretched as long as a workload has no admissible site",)
        return Diagnosis(False, complaints, (), False, no_repair, False, no_cover, notes)
    say("stretching limits")
    loose = loosened(scenario, evaluation)
    base, index = model.build(loose, loose=True)
    base = rtt_rows(loose, index, base, scenario)
    base = base.with_cost(np.zeros(len(base.columns)))
    elastic, slacks = elastic_problem(base)
    elastic = elastic.with_cost(
        elastic.columns.cost + _rtt_cost(loose, index, len(elastic.columns), scenario)
    )
    # What each RTT limit forbids has its own penalty; without the limit's rows the far arcs are open.
    outcome = highs.solve(elastic.without("rtt").arrays(), budget.options(1e-3))
    if outcome.x is None:
        notes = ("even with every limit stretched no plan was found in time",)
        return Diagnosis(False, complaints, (), False, no_repair, False, no_cover, notes)
    repair = _repairs(loose, index, base, slacks, outcome.x, scenario)
    if repair.empty:
        return Diagnosis(True, complaints, (), False, repair, True, no_cover)
    checked = _check(base, slacks, outcome.x, loose, index, scenario, budget)
    say("looking for the smallest conflict")
    conflict, minimal = _conflict(base, outcome.x, slacks, loose, index, scenario, budget, say)
    cover = no_cover
    if any(words.startswith(("coverage", "max_rtt_ms", "mean_rtt_ms")) for words in conflict):
        cover = coverage_table(inputs, evaluation)
    said = (
        [] if minimal else ["the conflict is not proven minimal: time ran out before each limit was left out"]
    )
    if not (math.isfinite(outcome.gap) and outcome.gap <= 0.01):
        said.append("the repair is one that works on paper, not the cheapest: time; --time-limit raises it")
    return Diagnosis(False, complaints, conflict, minimal, repair, checked, cover, tuple(said))


def loosened(scenario: Scenario, evaluation: Evaluation) -> Inputs:
    """Inputs whose bounds leave room beyond every limit; the limits themselves stay in their rows."""
    total = sum(
        max([float(load.it_mw or 0.0), *(load.it_mw_by_year or {}).values()]) for load in scenario.workloads
    )
    sites = evaluation.sites.copy()
    wide = 3.0 * total + 100.0
    sites["grid_mw"] = sites["grid_mw"].to_numpy(dtype=np.float64) + wide
    land = sites["land_m2"].to_numpy(dtype=np.float64) if "land_m2" in sites else np.full(len(sites), np.nan)
    sites["land_m2"] = np.nan
    raw = scenario.model_dump(exclude_unset=True)
    for load in raw["workloads"]:
        for key in ("max_rtt_ms", "hard_rtt_ms"):
            hard = load.get("hard_rtt_ms") is not None or load.get("coverage", 1.0) >= 1.0
            if load.get(key) is not None and hard:
                load[key] = float(load[key]) * RTT_STRETCH
    for entry in raw.get("sites", {}).get("override", ()):
        if entry.get("grid_mw_by_year"):
            entry["grid_mw_by_year"] = {y: float(v) + wide for y, v in entry["grid_mw_by_year"].items()}
    wider = type(scenario).model_validate(raw)
    strict = build_inputs(scenario, evaluation, prune=False)
    made = build_inputs(wider, replace(evaluation, sites=sites), prune=False)
    order = np.argsort(evaluation.sites.index.astype(str).to_numpy(), kind="stable")
    return replace(
        made,
        scenario=wider,
        grid_mw=strict.grid_mw,
        land_m2=land[order],
        extra={**made.extra, "grid_mw": made.grid_mw},
    )


def rtt_rows(inputs: Inputs, index: Index, problem: Problem, scenario: Scenario) -> Problem:
    """Rows that forbid what lies beyond the RTT limits as asked: one per workload, ``sum f <= 0``."""
    periods = len(inputs.period_start)
    rows, loads = [], []
    arcs, points = inputs.arcs, inputs.points
    for w, load in enumerate(scenario.workloads):
        limit = _limit_ms(load)
        if not inputs.has_arcs[w] or not math.isfinite(limit):
            continue
        rows.append(np.flatnonzero((points.workload[arcs.point] == w) & (arcs.rtt_ms > limit)))
        loads.append(w)
    if not rows:
        return problem
    made = Rows(len(rows), len(problem.columns))
    for row, members in enumerate(rows):
        for p in range(periods):
            made.add(row, index.serve[members, p], 1.0)
    return problem.with_block(
        made.block("rtt", -np.inf, 0.0, {"workload": loads}, unit="ms", group=("workload",))
    )


def _limit_ms(load: Any) -> float:  # noqa: ANN401  (a workload)
    if load.hard_rtt_ms is not None:
        return float(load.hard_rtt_ms)
    return float(load.max_rtt_ms) if load.max_rtt_ms is not None and load.coverage >= 1 else math.inf


def _rtt_cost(inputs: Inputs, index: Index, count: int, scenario: Scenario) -> np.ndarray[Any, Any]:
    """Penalty of arcs beyond the asked limit: their excess."""
    cost = np.zeros(count)
    load_of = inputs.points.workload[inputs.arcs.point] if len(inputs.arcs.point) else inputs.arcs.point
    for w, load in enumerate(scenario.workloads):
        limit = _limit_ms(load)
        far = np.flatnonzero((load_of == w) & (inputs.arcs.rtt_ms > limit))
        for p in range(len(inputs.period_start)):
            cost[index.serve[far, p]] = RTT_PENALTY * (inputs.arcs.rtt_ms[far] - limit) / 10.0
    return cost


@dataclass(frozen=True)
class Slack:
    """Stretch columns of one block, one per row and side."""

    block: Block
    rows: np.ndarray[Any, Any]
    columns: np.ndarray[Any, Any]
    sign: np.ndarray[Any, Any]


def elastic_problem(problem: Problem) -> tuple[Problem, list[Slack]]:
    """Add a stretch column with its penalty to every row of every repairable block."""
    found: list[Slack] = []
    made = problem
    for number, block in enumerate(problem.blocks):
        if block.repair is None:
            continue
        above, below = np.flatnonzero(np.isfinite(block.upper)), np.flatnonzero(np.isfinite(block.lower))
        rows = np.concatenate([above, below])
        sign = np.concatenate([-np.ones(len(above)), np.ones(len(below))])
        first = len(made.columns)
        most = np.where(block.family == "accelerators", np.inf, np.inf)
        made = made.with_columns(
            "stretch",
            cost=np.full(len(rows), block.repair * block.step / _natural(block)),
            lower=0.0,
            upper=most,
            labels=Labels({"row": rows}),
        )
        columns = first + np.arange(len(rows))
        added = Rows(len(block), len(made.columns)).add(rows, columns, sign).matrix()
        blocks = list(made.blocks)
        wide = blocks[number]
        blocks[number] = replace(wide, matrix=wide.matrix + added)
        made = replace(made, blocks=tuple(blocks))
        found.append(Slack(block, rows, columns, sign))
    return made, found


def _natural(block: Block) -> float:
    """The penalty table is per MW, 1,000 m2, 1,000 m3, kt, M USD, thousand accelerators: the row's own unit."""
    return block.step


def _repairs(
    inputs: Inputs,
    index: Index,
    base: Problem,
    slacks: list[Slack],
    x: np.ndarray[Any, Any],
    scenario: Scenario,
) -> pd.DataFrame:
    """Stretched limits in natural units, largest penalty first."""
    rows: list[dict[str, Any]] = []
    merged: dict[tuple[str, str, str], float] = {}
    for slack in slacks:
        block = slack.block
        for row, column in zip(slack.rows, slack.columns, strict=True):
            amount = float(x[column])
            if amount <= 1e-5:
                continue
            named = (block.family, *_label(inputs, block, int(row)))
            merged[named] = merged.get(named, 0.0) + amount * block.step
    for (family, label, where), amount in sorted(merged.items()):
        rows.append(_row(inputs, index, scenario, x, family, label, where, amount))
    for w, load in enumerate(scenario.workloads):
        limit = _limit_ms(load)
        if not inputs.has_arcs[w] or not math.isfinite(limit):
            continue
        own = np.flatnonzero(inputs.points.workload[inputs.arcs.point] == w)
        used = own[(x[index.serve[own]] > 1e-6).any(axis=1)]
        worst = float(inputs.arcs.rtt_ms[used].max(initial=0.0))
        if worst > limit * (1 + 1e-9):
            needed = math.ceil(worst * 10) / 10
            key = "hard_rtt_ms" if load.hard_rtt_ms is not None else "max_rtt_ms"
            rows.append(
                {
                    "limit": key,
                    "label": load.name,
                    "unit": "ms",
                    "now": limit,
                    "needed": needed,
                    "change": needed - limit,
                    "words": f"{key} of '{load.name}' {limit:g} -> {needed:g} ms",
                }
            )
    return pd.DataFrame(rows, columns=list(REPAIRS))


def _label(inputs: Inputs, block: Block, row: int) -> tuple[str, str]:
    """Label of a limit as the user knows it, and the site or workload that it concerns."""
    axes = {axis: values[row] for axis, values in block.labels.axes.items()}
    names = inputs.names
    parts, where = [], ""
    for axis in ("site", "basin", "workload", "share", "tier", "period"):
        if axis not in axes:
            continue
        text = names[axis][int(axes[axis])] if axis in names else f"{axis} {int(axes[axis])}"
        if text:
            parts.append(text)
            where = where or text
    return ", ".join(parts), where


def _row(
    inputs: Inputs,
    index: Index,
    scenario: Scenario,
    x: np.ndarray[Any, Any],
    family: str,
    label: str,
    where: str,
    amount: float,
) -> dict[str, Any]:
    """One repair in words: the key to change, now and needed."""
    limits = scenario.limits
    loads = {load.name: load for load in scenario.workloads}
    load = next((loads[name] for name in loads if name in label.split(", ")), None)
    key = COVER[family]
    now, unit, needed = math.nan, "", math.nan
    if family in ("demand_region", "demand_total") and load is not None:
        w = list(loads).index(load.name)
        now, unit = float(inputs.demand_mw[w].max()), "MW"
        needed = now - amount
        words = f"{amount:,.1f} MW less of '{load.name}' ({now:,.0f} -> {needed:,.1f})"
    elif family in ("grid", "land", "water_site", "water_hour"):
        s = inputs.site_ids.index(where)
        now = {
            "grid": float(inputs.grid_mw[s].max()),
            "land": float(inputs.land_m2[s]),
            "water_site": float(inputs.water_m3_per_year[s]),
            "water_hour": float(inputs.water_m3_per_hour[s]),
        }[family]
        unit = {"grid": "MW", "land": "m2", "water_site": "m3/year", "water_hour": "m3/h"}[family]
        needed = now + amount
        words = f"{amount:,.1f} {unit} more at {where} ({key} {now:,.0f} -> {needed:,.1f})"
    elif family in ("sites_max", "workload_sites", "technologies_max"):
        holder = (
            load.max_sites
            if load is not None
            else (limits.max_sites if family == "sites_max" else limits.max_technologies_per_site)
        )
        now, unit = float(holder or 0), "sites"
        needed = now + math.ceil(amount - 1e-6)
        words = f"{key} {now:g} -> {needed:g}"
    elif family == "sites_min":
        now, unit = float(limits.min_sites or 0), "sites"
        needed = now - math.ceil(amount - 1e-6)
        words = f"min_sites {now:g} -> {needed:g}"
    elif family == "coverage" and load is not None:
        w = list(loads).index(load.name)
        demand = float(inputs.demand_mw[w].max())
        now, unit = load.coverage, "ratio"
        needed = math.floor((now - amount / demand) * 1000) / 1000
        words = f"coverage of '{load.name}' {now:g} -> {needed:g}"
    elif family == "latency_mean" and load is not None:
        w = list(loads).index(load.name)
        now, unit = float(load.mean_rtt_ms or 0.0), "ms"
        needed = math.ceil((now + amount / float(inputs.demand_mw[w].max())) * 10) / 10
        words = f"mean_rtt_ms of '{load.name}' {now:g} -> {needed:g}"
    elif family == "carbon_intensity":
        one = np.zeros(len(inputs.period_start))
        one[-1] = 1.0
        energy = float(model.energy_vector(inputs, index, len(x), one) @ x)
        now, unit = float(limits.carbon_kg_per_mwh or 0.0), "kg/MWh"
        needed = math.ceil((now + amount / max(energy, 1e-9)) * 10) / 10
        words = f"carbon_kg_per_mwh {now:g} -> {needed:g}"
    elif family in ("carbon_cap", "budget", "water_basin", "accelerators"):
        tops = {
            "carbon_cap": limits.carbon_t_per_year,
            "budget": limits.budget_usd,
            "water_basin": limits.basins.get(where),
        }
        now = float(tops.get(family) or math.nan)
        unit = {"carbon_cap": "t/year", "budget": "USD", "water_basin": "m3/year"}.get(family, "accelerators")
        needed = now + amount
        words = f"{key} {label}: {amount:,.0f} {unit} more"
    else:
        unit = "MW"
        words = f"{key} ({label}): {amount:,.1f} MW short"
    change = needed - now if math.isfinite(needed) else amount
    return {
        "limit": key, "label": label, "unit": unit, "now": now, "needed": needed, "change": change, "words": words,
    }  # fmt: skip


def _check(
    base: Problem,
    slacks: list[Slack],
    x: np.ndarray[Any, Any],
    inputs: Inputs,
    index: Index,
    scenario: Scenario,
    budget: solve.Budget,
) -> bool:
    """Move the limits by what the repair says and look for a plan again."""
    moved = list(base.blocks)
    for slack in slacks:
        number = next(
            i for i, block in enumerate(moved) if block is slack.block or block.family == slack.block.family
        )
        block = moved[number]
        lower, upper = block.lower.copy(), block.upper.copy()
        for row, column, sign in zip(slack.rows, slack.columns, slack.sign, strict=True):
            amount = float(x[column]) * (1 + 1e-6) + (1e-6 if x[column] > 1e-6 else 0.0)
            if sign < 0:
                upper[row] += amount
            else:
                lower[row] -= amount
        moved[number] = replace(block, lower=np.minimum(lower, upper), upper=upper)
    problem = replace(base, blocks=tuple(moved)).without("rtt")
    far = _rtt_cost(inputs, index, len(base.columns), scenario) > 0
    beyond = np.flatnonzero(far & (x[: len(base.columns)] <= 1e-9))
    problem = problem.with_bounds(beyond, 0.0, 0.0) if len(beyond) else problem
    outcome = highs.solve(problem.arrays(), budget.options(1e-3))
    return outcome.x is not None


def _groups(inputs: Inputs, base: Problem) -> dict[str, list[tuple[int, Any]]]:
    """Limits as the user knows them: words to (block, rows)."""
    found: dict[str, list[tuple[int, Any]]] = {}
    for number, block in enumerate(base.blocks):
        if block.repair is None and block.family != "rtt":
            continue
        if block.family in ("demand_region", "demand_total") and not np.isfinite(block.lower).any():
            continue  # an optional load forces nothing
        key = COVER[block.family]
        if not block.group or block.family in ("grid", "required"):
            words = "grid_mw of the sites" if block.family == "grid" else key
            found.setdefault(words, []).append((number, np.arange(len(block))))
            continue
        axis = block.group[0]
        values = block.labels.axes[axis]
        for value in sorted(set(values.tolist())):
            name = inputs.names[axis][value] if axis in inputs.names else f"{axis} {value}"
            words = f"{key} of '{name}'"
            found.setdefault(words, []).append((number, np.flatnonzero(values == value)))
    return found


def _without_groups(base: Problem, groups: dict[str, list[tuple[int, Any]]], gone: set[str]) -> Problem:
    """The problem without the rows of some limits."""
    drop: dict[int, list[Any]] = {}
    for words in gone:
        for number, rows in groups[words]:
            drop.setdefault(number, []).append(rows)
    blocks = []
    for number, block in enumerate(base.blocks):
        if number not in drop:
            blocks.append(block)
            continue
        keep = np.setdiff1d(np.arange(len(block)), np.concatenate(drop[number]))
        if len(keep):
            blocks.append(selected(block, keep))
    return replace(base, blocks=tuple(blocks))


def _holds(problem: Problem, budget: solve.Budget) -> bool | None:
    """Whether a plan exists: relaxation first, whole numbers where that is not enough; None if unknown."""
    arrays = problem.arrays()
    relaxed = highs.solve(arrays, budget.options(0.5), relaxed=True)
    if relaxed.status == "infeasible":
        return False
    outcome = highs.solve(arrays, budget.options(0.5))
    if outcome.x is not None:
        return True
    return False if outcome.status == "infeasible" else None


def _conflict(
    base: Problem,
    x: np.ndarray[Any, Any],
    slacks: list[Slack],
    inputs: Inputs,
    index: Index,
    scenario: Scenario,
    budget: solve.Budget,
    say: Callable[[str], None],
) -> tuple[tuple[str, ...], bool]:
    """Limits that together allow no plan, each needed for that."""
    groups = _groups(inputs, base)
    needed = sorted(groups)
    minimal = True
    gone: set[str] = set()
    # Limits that were stretched are tried last: they are most likely in the conflict.
    touched = set()
    for words, parts in groups.items():
        for number, rows in parts:
            for slack in slacks:
                if (
                    base.blocks[number].family == slack.block.family
                    and np.isin(slack.rows[x[slack.columns] > 1e-5], rows).any()
                ):
                    touched.add(words)
    order = [words for words in needed if words not in touched] + sorted(touched)
    # Halves first: most limits have no part in it.
    free = [words for words in order if words not in touched]
    while len(free) > 2:
        half = set(free[: len(free) // 2])
        left = budget.left()
        if left is not None and left <= 0.5:
            break
        if _holds(_without_groups(base, groups, gone | half), budget) is False:
            gone |= half
        else:
            order = [words for words in order if words not in half] + [w for w in order if w in half]
        free = [words for words in free if words not in half]
    for words in [entry for entry in order if entry not in gone]:
        left = budget.left()
        if left is not None and left <= 0.5:
            minimal = False
            break
        say(f"without {words}")
        held = _holds(_without_groups(base, groups, gone | {words}), budget)
        if held is False:
            gone.add(words)
        elif held is None:
            minimal = False
    return tuple(_explained(words, scenario) for words in needed if words not in gone), minimal


def _explained(words: str, scenario: Scenario) -> str:
    """A limit with the value that the scenario gives it."""
    limits = scenario.limits
    key, _, name = words.partition(" of '")
    name = name.removesuffix("'")
    load = next((load for load in scenario.workloads if load.name == name), None)
    value: Any = None
    if load is not None and hasattr(load, key):
        value = getattr(load, key)
        if key == "max_rtt_ms" and load.hard_rtt_ms is not None:
            key, value = "hard_rtt_ms", load.hard_rtt_ms
    elif key == "basins":
        value = limits.basins.get(name)
    elif hasattr(limits, key):
        value = getattr(limits, key)
    elif hasattr(scenario.sites, key):
        value = getattr(scenario.sites, key)
    shown = f"{key} of '{name}'" if name else words
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{shown} = {value:g}"
    return shown


def coverage_table(inputs: Inputs, evaluation: Evaluation, most: int = 8) -> pd.DataFrame:
    """Share of demand that p sites reach within ``max_rtt_ms``, adding the best next one each time."""
    from dcsite.optimize.inputs import rtt_of

    order = np.argsort(evaluation.sites.index.astype(str).to_numpy(), kind="stable")
    eligible = model.eligible_sites(inputs)
    rows = []
    for w in np.flatnonzero(inputs.has_arcs):
        load = inputs.workloads[w]
        if load.max_rtt_ms is None:
            continue
        share = evaluation.markets[load.name].points["weight_ratio"].to_numpy(dtype=np.float64)
        share = share / share.sum()
        reach = (rtt_of(evaluation, load)[order] <= load.max_rtt_ms) & eligible[:, w][:, None]
        open_ = np.zeros(len(share), dtype=bool)
        for count in range(1, min(most, len(reach)) + 1):
            gain = (reach & ~open_) @ share
            best = int(np.argmax(gain))
            if gain[best] <= 0:
                break
            open_ |= reach[best]
            rows.append((load.name, count, float(share[open_].sum()), inputs.site_ids[best]))
        rows.append((load.name, int(reach.any(axis=1).sum()), float(share[reach.any(axis=0)].sum()), "all"))
    return pd.DataFrame(rows, columns=["workload", "sites_count", "coverage_ratio", "site_id"])
