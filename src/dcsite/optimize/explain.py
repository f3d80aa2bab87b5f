"""What a plan's limits are worth, and what it would take for a site to enter.

Worths are given twice: *marginal*, from the linear program with the whole numbers fixed ("for this set of
sites"), on both sides of a kink; and *honest*, by moving the limit one step and solving again. Both runs of an
honest worth have a plan and a bound, so it is an interval, and an interval that contains zero says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from dcsite.errors import InfeasibleError, ScenarioError, UsageError
from dcsite.optimize import highs, model, solve
from dcsite.optimize.inputs import M, accelerator_caps, build_inputs, counts_carbon, rtt_of, site_number
from dcsite.optimize.plan import values_at
from dcsite.spec.scenario import Scenario
from dcsite.units import HOURS_PER_YEAR

if TYPE_CHECKING:
    from collections.abc import Callable

    from dcsite.optimize.inputs import Floats, Inputs
    from dcsite.optimize.plan import Plan, Solution
    from dcsite.optimize.problem import Block, Problem
    from dcsite.physics.evaluation import Evaluation, Market
    from dcsite.spec.workload import Workload

WHY: Final = (
    "family",
    "label",
    "limit",
    "unit",
    "marginal_usd_per_unit",
    "left_usd_per_unit",
    "right_usd_per_unit",
    "holds_from",
    "holds_to",
    "step",
    "honest_low_usd_per_year",
    "honest_high_usd_per_year",
    "words",
)
CLOSE: Final = ("site_id", "workload", "regret_at_least_usd_per_year")
NEVER: Final = ("used_low", "used_high", "hall", "hall_max", "strong_place", "strong_arc", "block_max")
ENTRY_ROUNDS: Final = 8
WHOLE: Final = ("sites", "halls")
"""Units of limits that move in whole steps, so that only solving again says what one is worth."""
DOUBLE_SHARE: Final = 2.0
"""A limit may take so many times its equal share of the time that is left: many are done long before."""
CARBON_STEPS: Final = 32
"""Carbon intensities that are tried between today's and zero."""


@dataclass(frozen=True)
class Lever:
    """One limit as a user states it: where its row stands, its unit, and how to move it.

    Attributes
    ----------
    unit, per_row
        Natural unit, and how far the row's bound moves for one of it.
    limit, step
        Value in force and one honest step, in the natural unit (negative where less is looser).
    move
        Gives the scenario with the limit at another value; None where no key moves it.
    """

    family: str
    label: str
    unit: str
    limit: float
    step: float
    block: Block | None
    row: int
    per_row: float
    move: Callable[[float], Scenario] | None


@dataclass(frozen=True)
class Why:
    """Worth of each binding limit, and the sites that nearly came in."""

    table: pd.DataFrame
    close_calls: pd.DataFrame
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class WhyNot:
    """What keeps a site out.

    Attributes
    ----------
    reasons
        Why it was dropped before the model was built, if it was.
    regret_low_usd_per_year, regret_high_usd_per_year
        Cost of forcing it in.
    entry
        One row per lever that was searched: value now, value at which the site enters.
    """

    site_id: str
    in_plan: bool
    reasons: tuple[str, ...]
    regret_low_usd_per_year: float
    regret_high_usd_per_year: float
    entry: pd.DataFrame
    notes: tuple[str, ...] = ()


def edited(scenario: Scenario, change: Callable[[dict[str, Any]], None]) -> Scenario:
    """The scenario after a change of its raw form, validated again."""
    raw = scenario.model_dump(exclude_unset=True)
    change(raw)
    return Scenario.model_validate(raw)


def with_limit(scenario: Scenario, **limits: Any) -> Scenario:  # noqa: ANN401  (values of [limits])
    """The scenario with other portfolio limits."""
    return edited(scenario, lambda raw: raw.update(limits={**raw.get("limits", {}), **limits}))


def with_load(scenario: Scenario, name: str, **keys: Any) -> Scenario:  # noqa: ANN401
    """The scenario with other keys of one workload."""

    def change(raw: dict[str, Any]) -> None:
        raw["workloads"] = [{**load, **keys} if load["name"] == name else load for load in raw["workloads"]]

    return edited(scenario, change)


def with_site(scenario: Scenario, site_id: str, **keys: Any) -> Scenario:  # noqa: ANN401
    """The scenario with another override of one site."""

    def change(raw: dict[str, Any]) -> None:
        sites = dict(raw.get("sites", {}))
        known = [dict(entry) for entry in sites.get("override", ())]
        for entry in known:
            if entry["id"] == site_id:
                entry.update(keys)
                break
        else:
            known.append({"id": site_id, **keys})
        sites["override"] = known
        raw["sites"] = sites

    return edited(scenario, change)


def with_required(scenario: Scenario, site_id: str) -> Scenario:
    """The scenario with one more required site."""

    def change(raw: dict[str, Any]) -> None:
        sites = dict(raw.get("sites", {}))
        sites["require"] = sorted({*sites.get("require", ()), site_id})
        raw["sites"] = sites

    return edited(scenario, change)


def facts_with_site(evaluation: Evaluation, site_id: str, **columns: float) -> Evaluation:
    """The facts with other limits of one site (grid, land, water), which are columns of the sites."""
    sites = evaluation.sites.copy()
    for name, value in columns.items():
        sites.loc[site_id, name] = value
    return replace(evaluation, sites=sites)


def _facts(plan: Plan) -> tuple[Evaluation, Solution]:
    if plan.evaluation is None or plan.solution is None:
        message = "the plan carries neither facts nor values; restore it first"
        raise ValueError(message)
    return plan.evaluation, plan.solution


# --- levers -----------------------------------------------------------------------------------------------


def levers(plan: Plan) -> list[Lever]:
    """The binding limits of a plan, as a user states them."""
    _, solution = _facts(plan)
    inputs, problem, x = solution.inputs, solution.problem, solution.x
    found: list[Lever] = []
    for block in problem.blocks:
        make = _MAKERS.get(block.family)
        if make is None:
            continue
        activity = block.matrix @ x
        size = np.maximum(1.0, np.maximum(np.abs(np.nan_to_num(block.lower, posinf=0, neginf=0)), 1.0))
        near = np.minimum(np.abs(activity - block.lower), np.abs(block.upper - activity)) <= 1e-5 * size
        for row in np.flatnonzero(near):
            lever = make(plan, inputs, block, int(row))
            if lever is not None:
                found.append(lever)
    kept: dict[tuple[str, str], Lever] = {}
    for lever in found:  # one key may hold many rows: the first stands for them
        kept.setdefault((lever.family, "" if lever.family in _ONE_KEY else lever.label), lever)
    return [*kept.values(), *_latency_levers(plan, inputs), *_survival_levers(plan, inputs)]


def _axis(block: Block, row: int, name: str) -> int:
    return int(block.labels.axes[name][row])


def _words(inputs: Inputs, block: Block, row: int) -> str:
    label = block.labels.text("", row, inputs.names)
    return label.removeprefix("[").removesuffix("]")


def _grid_lever(plan: Plan, inputs: Inputs, block: Block, row: int) -> Lever | None:
    site = inputs.site_ids[_axis(block, row, "site")]
    _, solution = _facts(plan)
    if solution.x[solution.index.used[_axis(block, row, "site"), _axis(block, row, "period")]] < 0.5:
        return None  # the worth of a MW at a closed site would leave out what opening it costs
    limit = float(inputs.grid_mw[_axis(block, row, "site"), _axis(block, row, "period")])
    step = max(1.0, 0.01 * limit)
    return Lever(
        "grid",
        _words(inputs, block, row),
        "MW",
        limit,
        step,
        block,
        row,
        1.0,
        _site_move(plan, site, "grid_mw"),
    )


def _site_move(plan: Plan, site: str, key: str) -> Callable[[float], Scenario] | None:
    if inputs_periods(plan) > 1 and key == "grid_mw":
        return None
    return lambda value: with_site(plan.scenario, site, **{key: value})


def inputs_periods(plan: Plan) -> int:
    """How many periods the plan has."""
    return max(1, len(plan.scenario.periods))


def _site_lever(key: str, column: str) -> Callable[[Plan, Inputs, Block, int], Lever | None]:
    def make(plan: Plan, inputs: Inputs, block: Block, row: int) -> Lever | None:
        site = inputs.site_ids[_axis(block, row, "site")]
        limit = float(inputs.sites.loc[site, column])
        _, solution = _facts(plan)
        if solution.x[solution.index.used[_axis(block, row, "site"), -1]] < 0.5:
            return None
        step = max(1.0, 0.01 * limit)
        move = _site_move(plan, site, key)
        return Lever(
            block.family,
            _words(inputs, block, row),
            block.unit,
            limit,
            step,
            block,
            row,
            1.0 / block.step,
            move,
        )

    return make


def _limit_lever(
    key: str, unit: str, *, least: float = 0.0, ratio: float = 0.01
) -> Callable[[Plan, Inputs, Block, int], Lever | None]:
    def make(plan: Plan, inputs: Inputs, block: Block, row: int) -> Lever | None:
        limit = getattr(plan.scenario.limits, key)
        if limit is None:
            return None
        step = max(least, ratio * float(limit)) if least >= 0 else least
        per_row = 1.0 / block.step
        if key == "carbon_kg_per_mwh":
            _, solution = _facts(plan)
            one = np.zeros(len(inputs.period_start))
            one[_axis(block, row, "period")] = 1.0
            energy = model.energy_vector(inputs, solution.index, len(solution.problem.columns), one)
            per_row = float(energy @ solution.x) * 1e-3
        return Lever(
            block.family,
            _words(inputs, block, row),
            unit,
            float(limit),
            step,
            block,
            row,
            per_row,
            lambda value: with_limit(plan.scenario, **{key: round(value) if unit in WHOLE else value}),
        )

    return make


def _load_lever(
    key: str, unit: str, step: float, sign: float
) -> Callable[[Plan, Inputs, Block, int], Lever | None]:
    def make(plan: Plan, inputs: Inputs, block: Block, row: int) -> Lever | None:
        w = _axis(block, row, "workload")
        load = inputs.workloads[w]
        value = getattr(load, key)
        if not value:
            return None
        demand = float(inputs.demand_mw[w, _axis(block, row, "period")])
        per_row = {"coverage": -demand, "mean_rtt_ms": demand, "it_mw": 1.0}.get(key, 1.0)
        if key == "it_mw" and load.it_mw_by_year:
            return None
        if key == "coverage" and load.coverage >= 1:
            return None
        return Lever(
            block.family if key != "min_block_mw" else "block_min",
            _words(inputs, block, row),
            unit,
            float(value),
            sign * step,
            block,
            row,
            per_row,
            lambda new: with_load(plan.scenario, load.name, **{key: round(new) if unit == "sites" else new}),
        )

    return make


def _block_lever(plan: Plan, inputs: Inputs, block: Block, row: int) -> Lever | None:
    _, solution = _facts(plan)
    s, w, p = (_axis(block, row, name) for name in ("site", "workload", "period"))
    if solution.x[solution.index.block_on[s, w, p]] < 0.5:
        return None
    load = inputs.workloads[w]
    if load.min_block_mw <= 0:
        return None
    step = -max(1.0, 0.01 * load.min_block_mw)
    return Lever(
        "block_min",
        _words(inputs, block, row),
        "MW",
        load.min_block_mw,
        step,
        block,
        row,
        1.0,
        lambda value: with_load(plan.scenario, load.name, min_block_mw=max(0.0, value)),
    )


def _listed_lever(
    axis: str, key: str, entries: str, unit: str
) -> Callable[[Plan, Inputs, Block, int], Lever | None]:
    """A limit that stands in a list of tables under ``[limits]``: shares and limits of networks."""

    def make(plan: Plan, inputs: Inputs, block: Block, row: int) -> Lever | None:
        _, solution = _facts(plan)
        number = _axis(block, row, axis)
        value = float(getattr(getattr(plan.scenario.limits, entries)[number], key))
        sign = -1.0 if key == "min_share" else 1.0
        per_row, step = 1.0, sign * max(1.0, 0.01 * value)
        if unit == "ratio":
            entry = plan.scenario.limits.share[number]
            own = [entry.workload in (None, inputs.workloads[w].name) for w in inputs.slot_workload]
            p = _axis(block, row, "period")
            index = solution.index
            load = values_at(solution.x, index.place[own, p]) + values_at(solution.x, index.spare[own, p])
            per_row, step = float(load.sum()), sign * 0.01

        def move(new: float) -> Scenario:
            tables = [part.model_dump(exclude_none=True) for part in getattr(plan.scenario.limits, entries)]
            tables[number][key] = min(1.0, max(0.0, new)) if unit == "ratio" else new
            return with_limit(plan.scenario, **{entries: tables})

        label = _words(inputs, block, row)
        return Lever(block.family, label, unit, value, step, block, row, per_row, move)

    return make


def _spread_lever(plan: Plan, inputs: Inputs, block: Block, row: int) -> Lever | None:
    """The largest share of a load in one zone."""
    _, solution = _facts(plan)
    w, p = _axis(block, row, "workload"), _axis(block, row, "period")
    load = inputs.workloads[w]
    value = load.max_share_per_zone or plan.scenario.limits.max_share_per_zone
    if value is None:
        return None
    total = float(solution.x[solution.index.place[inputs.slot_workload == w, p]].sum())

    def move(new: float) -> Scenario:
        return with_load(plan.scenario, load.name, max_share_per_zone=min(1.0, new))

    label = _words(inputs, block, row)
    return Lever("zone_share", label, "ratio", float(value), 0.01, block, row, total, move)


def _basin_lever(plan: Plan, inputs: Inputs, block: Block, row: int) -> Lever | None:
    name = str(inputs.names["basin"][_axis(block, row, "basin")])
    value = float(plan.scenario.limits.basins[name])

    def move(new: float) -> Scenario:
        return with_limit(plan.scenario, basins={**plan.scenario.limits.basins, name: new})

    step = max(1000.0, 0.01 * value)
    label = _words(inputs, block, row)
    return Lever("water_basin", label, "m3/year", value, step, block, row, 1.0 / block.step, move)


def _accelerator_lever(plan: Plan, inputs: Inputs, block: Block, row: int) -> Lever | None:
    """Accelerators of a country or a group; a cap of the export rules is not the user's to move."""
    limits = plan.scenario.limits
    caps = accelerator_caps(plan.scenario, inputs.sites, inputs.profiles)
    number = _axis(block, row, "tier")
    value = float(block.upper[row]) * block.step
    move: Callable[[float], Scenario] | None = None
    if number >= len(caps):

        def move_tier(new: float) -> Scenario:
            tiers = [tier.model_dump() for tier in limits.accelerator_tiers]
            tier = tiers[number - len(caps)]
            for key in ("without_license", "with_license"):
                tier[key] = max(0.0, float(tier[key]) + new - value)
            return with_limit(plan.scenario, accelerator_tiers=tiers)

        move = move_tier
    else:
        country = list(caps)[number]
        if limits.accelerators.get(country) == caps[country]:

            def move_country(new: float) -> Scenario:
                return with_limit(plan.scenario, accelerators={**limits.accelerators, country: new})

            move = move_country
    label = _words(inputs, block, row)
    step = max(100.0, 0.01 * value)
    return Lever("accelerators", label, "accelerators", value, step, block, row, 1.0 / block.step, move)


def _required_lever(plan: Plan, inputs: Inputs, block: Block, row: int) -> Lever | None:
    """A required site: its honest step is not to require it."""
    site = inputs.site_ids[_axis(block, row, "site")]
    value = float(block.lower[row])

    def move(_: float) -> Scenario:
        def drop(raw: dict[str, Any]) -> None:
            sites = dict(raw.get("sites", {}))
            asked = [site_number(inputs.site_ids, text) for text in sites.get("require", ())]
            kept = [
                text
                for text, s in zip(sites.get("require", ()), asked, strict=True)
                if inputs.site_ids[s] != site
            ]
            raw["sites"] = {**sites, "require": kept}

        return edited(plan.scenario, drop)

    return Lever("required", site, "MW", value, -value, block, row, 1.0, move)


_ONE_KEY: Final = ("technologies_max",)
_MAKERS: Final[dict[str, Callable[[Plan, Inputs, Block, int], Lever | None]]] = {
    "grid": _grid_lever,
    "land": _site_lever("land_m2", "land_m2"),
    "water_site": _site_lever("water_m3_per_year", "water_m3_per_year"),
    "water_hour": _site_lever("water_m3_per_hour", "water_m3_per_hour"),
    "water_basin": _basin_lever,
    "grid_zone": _listed_lever("grid_zone", "grid_mw", "grid_zone", "MW"),
    "share_max": _listed_lever("share", "max_share", "share", "ratio"),
    "share_min": _listed_lever("share", "min_share", "share", "ratio"),
    "zone_share": _spread_lever,
    "accelerators": _accelerator_lever,
    "required": _required_lever,
    "sites_min": _limit_lever("min_sites", "sites", least=-1.0),
    "technologies_max": _limit_lever("max_technologies_per_site", "halls", least=1.0, ratio=0.0),
    "sites_max": _limit_lever("max_sites", "sites", least=1.0, ratio=0.0),
    "budget": _limit_lever("budget_usd", "USD"),
    "carbon_cap": _limit_lever("carbon_t_per_year", "t/year", least=1.0),
    "carbon_intensity": _limit_lever("carbon_kg_per_mwh", "kg/MWh", least=1.0),
    "coverage": _load_lever("coverage", "ratio", 0.01, -1.0),
    "latency_mean": _load_lever("mean_rtt_ms", "ms", 1.0, 1.0),
    "demand_total": _load_lever("it_mw", "MW", 1.0, 1.0),
    "workload_sites": _load_lever("max_sites", "sites", 1.0, 1.0),
    "block_min": _block_lever,
}


def _latency_levers(plan: Plan, inputs: Inputs) -> list[Lever]:
    """The RTT limits: they have no row, so only an honest step."""
    found = []
    for w in np.flatnonzero(inputs.has_arcs):
        load = inputs.workloads[w]
        for key in ("max_rtt_ms", "hard_rtt_ms"):
            value = getattr(load, key)
            if value is None:
                continue
            step = max(1.0, 0.01 * float(value))

            def move(new: float, name: str = load.name, key: str = key) -> Scenario:
                return with_load(plan.scenario, name, **{key: new})

            found.append(Lever(key, load.name, "ms", float(value), step, None, -1, 0.0, move))
    return found


def _survival_levers(plan: Plan, inputs: Inputs) -> list[Lever]:
    """The share of a load that must survive a failure: many rows, one key, so only an honest step."""
    found = []
    shown = plan.limits[plan.limits["family"] == "survive"]
    for w in np.flatnonzero(inputs.survive > 0):
        load = inputs.workloads[w]
        own = shown[[load.name in str(label).split(",") for label in shown["label"]]]
        if not len(own) or not own["binding"].any():
            continue

        def move(new: float, name: str = load.name) -> Scenario:
            return with_load(plan.scenario, name, survive_fraction=max(0.0, new))

        value = float(inputs.survive[w])
        found.append(Lever("survive", load.name, "ratio", value, -min(value, 0.05), None, -1, 0.0, move))
    return found


# --- why --------------------------------------------------------------------------------------------------


def why(
    plan: Plan,
    *,
    honest: bool = True,
    time_limit_s: float | None = 60.0,
    progress: Callable[[str], None] | None = None,
) -> Why:
    """What each binding limit is worth: marginal for this set of sites, and by solving again.

    Parameters
    ----------
    plan
        A plan with its facts and values.
    honest
        Solve again for each limit, the dearest first, while the time lasts.
    time_limit_s
        Processor seconds for the honest part.
    """
    evaluation, solution = _facts(plan)
    say = progress or (lambda _: None)
    known = levers(plan)
    rows = _marginal(solution, known)
    order = sorted(
        range(len(known)), key=lambda i: (-abs(rows[i]["marginal_usd_per_unit"] * known[i].step), i)
    )
    whole = [known[i].block is None or known[i].unit in WHOLE for i in range(len(known))]
    order = [i for i in order if whole[i]] + [i for i in order if not whole[i]]
    budget = solve.Budget(time_limit_s, plan.scenario.solver.node_limit)
    notes: list[str] = []
    late = 0
    for place, i in enumerate(order):
        lever = known[i]
        if not honest or lever.move is None:
            rows[i]["words"] = "" if lever.move is not None else "no key of the scenario moves it alone"
            continue
        left = budget.left()
        if left is not None and left <= 1.0:
            late += 1
            rows[i]["words"] = "not solved again: time"
            continue
        say(f"{lever.family} {lever.label}: {lever.limit:g} -> {lever.limit + lever.step:g} {lever.unit}")
        share = min(1.0, DOUBLE_SHARE / (len(order) - place))
        rows[i] |= _honest(plan, evaluation, lever, budget.options(0.0, share=share, least_s=1.0).cpu_limit_s)
    if late:
        notes.append(f"{late} limits were not solved again within {time_limit_s:g} s; --time-limit raises it")
    table = pd.DataFrame([{name: row[name] for name in WHY} for row in rows], columns=list(WHY))
    return Why(table, close_calls(solution), tuple(notes))


REPEATS: Final = ("strong_arc", "least_blocks", "hall_max", "strong_place", "block_max")
"""Families that repeat a limit once the whole numbers are fixed, and would share its worth."""


def _without_repeats(solution: Solution) -> Problem:
    """The problem without cuts and bounds that say again what connection, land and demand say, for fixed whole numbers."""
    inputs, index, x, problem = solution.inputs, solution.index, solution.x, solution.problem
    for family in REPEATS:
        problem = problem.without(family)
    stands = np.repeat(inputs.hall_existing[:, None], index.built.shape[1], axis=1)
    size = np.where(stands, inputs.hall_min_mw[:, None], np.inf)
    built = np.where(x[index.open] > 0.5, size, 0.0)
    problem = problem.with_bounds(index.built.ravel(), 0.0, built.ravel())
    room = np.full(index.place.shape, np.inf)
    gate = index.block_on[inputs.slot_site, inputs.slot_workload]
    room[(gate >= 0) & (values_at(x, gate) < 0.5)] = 0.0
    problem = problem.with_bounds(index.place.ravel(), 0.0, room.ravel())
    spare = index.spare[index.spare >= 0]
    return problem.with_bounds(spare, 0.0, np.inf)


def _marginal(solution: Solution, known: list[Lever]) -> list[dict[str, Any]]:
    """Duals, one-sided worths and ranges of the rows in the fixed linear program.

    Cuts are left out: they are tight beside the limits and would share their worth.
    """
    problem = _without_repeats(solution)
    first: dict[int, int] = {}
    start = 0
    by_family = {id(block): block for block in solution.problem.blocks}
    for block in problem.blocks:
        first[id(block)] = start
        start += len(block)
    assert set(first) <= set(by_family)
    arrays = highs.fixed(problem.arrays(), solution.x)
    rows: list[dict[str, Any]] = []
    with highs.Session(arrays) as session:
        base = session.solve()
        ranges = session.ranging() if base.status == "optimal" else None
        for lever in known:
            entry: dict[str, Any] = dict.fromkeys(WHY, math.nan)
            entry |= {
                "family": lever.family,
                "label": lever.label,
                "limit": lever.limit,
                "unit": lever.unit,
                "step": lever.step,
                "words": "",
            }
            rows.append(entry)
            if lever.block is None or base.row_dual is None or lever.unit in WHOLE:
                continue
            row = first[id(lever.block)] + lever.row
            low, high = float(arrays.row_lower[row]), float(arrays.row_upper[row])
            entry["marginal_usd_per_unit"] = float(base.row_dual[row]) * lever.per_row * M
            move = 1e-4 * max(abs(lever.limit), 1.0) if lever.unit != "ratio" else 1e-4
            for side, sign in (("left_usd_per_unit", -1.0), ("right_usd_per_unit", 1.0)):
                shift = sign * move * lever.per_row
                session.set_rows([row], [low + shift], [high + shift])
                moved = session.solve()
                if moved.status == "optimal":
                    entry[side] = (moved.objective - base.objective) / (sign * move) * M
            session.set_rows([row], [low], [high])
            if ranges is not None and lever.per_row != 0:
                at = high if math.isfinite(high) else low
                ends = sorted(
                    lever.limit + (float(end) - at) / lever.per_row
                    for end in (ranges.low[row], ranges.high[row])
                )
                entry["holds_from"], entry["holds_to"] = (
                    value if math.isfinite(value) and abs(value) < 1e15 else math.nan for value in ends
                )
    return rows


def _honest(plan: Plan, evaluation: Evaluation, lever: Lever, limit_s: float | None) -> dict[str, Any]:
    """Solve again with the limit one step on; the worth lies between the bounds of both runs."""
    assert lever.move is not None
    value = lever.limit + lever.step
    try:
        asked = lever.move(value)
    except ValueError:
        return {"words": "the step leaves the allowed range"}
    facts = evaluation
    if lever.family in ("grid", "land", "water_site", "water_hour"):
        column = {"grid": "grid_mw", "land": "land_m2", "water_site": "water_m3_per_year"}
        site = lever.label.split(",")[0]
        facts = facts_with_site(evaluation, site, **{column.get(lever.family, "water_m3_per_hour"): value})
    if lever.family == "required":
        facts = replace(evaluation, sites=evaluation.sites.assign(required=False))
    if lever.family == "survive":
        load = next(load for load in asked.workloads if load.name == lever.label)
        profile = load.resolved(evaluation.profiles[lever.label])
        facts = replace(evaluation, profiles={**evaluation.profiles, lever.label: profile})
    share = solve.Budget(limit_s, plan.scenario.solver.node_limit)
    try:
        again = solve.optimize(asked, facts, start=plan, budget=share)
    except InfeasibleError:
        return {"words": "no plan with the limit moved"}
    if not math.isfinite(again.goal_value):
        return {"words": "no plan in time"}
    low = again.goal_bound - plan.goal_value
    high = again.goal_value - plan.goal_bound
    words = ""
    if low <= 0.0 <= high:
        words = f"not distinguishable from zero at gap {max(plan.gap, again.gap):.2%}"
    # A looser limit never costs more: the interval ends at zero whatever the gaps say.
    if lever.family not in ("demand_total",):
        high = min(high, 0.0)
        words = words if low < 0 else "free"
    if words.startswith("not") and low < 0:
        words = f"saves at most {-low / M:,.2f} M USD/year; {words}"
    return {
        "honest_low_usd_per_year": low,
        "honest_high_usd_per_year": high,
        "words": words or f"{(low + high) / 2 / M:+,.2f} M USD/year for {lever.step:+g} {lever.unit}",
    }


def close_calls(solution: Solution, count: int = 8) -> pd.DataFrame:
    """Unused sites with the least regret that the relaxation proves: it cannot be smaller than this."""
    inputs, index = solution.inputs, solution.index
    _, relaxed = solve.with_cuts(solution.problem, index, inputs, solve.Budget(None, None))
    if relaxed.column_dual is None:
        return pd.DataFrame(columns=list(CLOSE))
    prices = solve.block_prices(inputs, index, relaxed.column_dual).min(axis=2)
    now = float(solution.problem.columns.cost @ solution.x)
    used = solution.x[index.used].max(axis=1) > 0.5
    rows = []
    for w, load in enumerate(inputs.workloads):
        for s in np.flatnonzero(~used & np.isfinite(prices[:, w])):
            least = max(0.0, relaxed.objective + float(prices[s, w]) - now)
            rows.append((inputs.site_ids[s], load.name, least * M))
    frame = pd.DataFrame(rows, columns=list(CLOSE))
    # A proof of at least zero says nothing.
    frame = frame[frame["regret_at_least_usd_per_year"] > 0]
    return (
        frame.sort_values(["regret_at_least_usd_per_year", "site_id"], kind="stable")
        .drop_duplicates("site_id")
        .head(count)
        .reset_index(drop=True)
    )


# --- why not ----------------------------------------------------------------------------------------------

ENTRY: Final = ("lever", "unit", "now", "enters_at", "words")


def why_not(
    plan: Plan,
    site: str,
    *,
    time_limit_s: float | None = 120.0,
    progress: Callable[[str], None] | None = None,
) -> WhyNot:
    """What keeps a site out of a plan: the rule that dropped it, the regret of forcing it in, its entry price.

    Parameters
    ----------
    plan
        A plan with its facts and values.
    site
        Site id or an unambiguous part of it.
    time_limit_s
        Processor seconds for all solves.

    Raises
    ------
    UsageError
        If the site is no candidate.
    """
    evaluation, solution = _facts(plan)
    say = progress or (lambda _: None)
    try:
        number = site_number(solution.inputs.site_ids, site)
    except ScenarioError as error:
        raise UsageError(error.message, hint=error.hint) from error
    name = solution.inputs.site_ids[number]
    own = solution.inputs.dropped[solution.inputs.dropped["site_id"] == name]
    reasons = tuple(
        dict.fromkeys(
            f"{row.rule}{f' ({row.workload})' if row.workload else ''}: {row.reason}"
            for row in own[own["rule"] != "dominated"].itertuples()
        )
    )
    nothing = pd.DataFrame(columns=list(ENTRY))
    if name in plan.sites:
        return WhyNot(
            name,
            in_plan=True,
            reasons=(),
            regret_low_usd_per_year=0.0,
            regret_high_usd_per_year=0.0,
            entry=nothing,
            notes=("it is in the plan",),
        )
    eligible = model.eligible_sites(solution.inputs)[number]
    if not eligible.any():
        return WhyNot(name, False, reasons or ("no load may stand there",), math.inf, math.inf, nothing)
    budget = solve.Budget(time_limit_s, plan.scenario.solver.node_limit)
    say(f"forcing {name} in")
    forced_scenario = with_required(plan.scenario, name)
    try:
        forced = solve.optimize(forced_scenario, evaluation, start=plan, budget=budget)
    except InfeasibleError as error:
        notes = ("no plan holds with it", *(problem.sentence for problem in error.problems))
        rows = _entry_rtt(plan, evaluation, name, budget, say)
        rows += _entry_carbon(plan, evaluation, name, budget, say)
        entry = pd.DataFrame(rows, columns=list(ENTRY))
        return WhyNot(name, False, reasons, math.inf, math.inf, entry, notes)
    if forced.solution is None:
        return WhyNot(name, False, reasons, math.nan, math.nan, nothing, ("no plan with it in time",))
    low = max(0.0, forced.goal_bound - plan.goal_value)
    high = forced.goal_value - plan.goal_bound
    rows, notes_ = [], list[str]()
    if plan.goal in ("cost", "npv"):
        row, note = _entry_price(plan, forced, number, budget, say)
        rows.append(row)
        notes_ += note
        rows += _entry_grid(plan, evaluation, name, number, budget, say)
        rows += _entry_rtt(plan, evaluation, name, budget, say)
        rows += _entry_carbon(plan, evaluation, name, budget, say)
    return WhyNot(name, False, reasons, low, high, pd.DataFrame(rows, columns=list(ENTRY)), tuple(notes_))


def _prices(inputs: Inputs, evaluation: Evaluation, number: int) -> tuple[float, Any, Any]:
    """Energy price of a site now, its firm slots, and their facility energy per MW. [USD/MWh, -, MWh/MW-year]"""
    site = inputs.site_ids[number]
    facts = evaluation.facts
    own = np.flatnonzero((inputs.slot_site == number) & (inputs.interruptible == 0))
    energy = np.zeros(len(own))
    price = math.nan
    for i, n in enumerate(own):
        load = inputs.workloads[inputs.slot_workload[n]]
        technology = inputs.technologies[inputs.slot_technology[n]]
        row = facts[
            (facts["site_id"] == site)
            & (facts["workload"] == load.name)
            & (facts["technology"] == technology)
        ].iloc[0]
        profile = inputs.profiles[inputs.slot_workload[n]]
        energy[i] = HOURS_PER_YEAR * profile.load_factor * float(row["pue"])
        name = "energy_usd_per_mwh" if "energy_usd_per_mwh" in facts else "price_usd_per_mwh"
        price = float(row[name])
    return price, own, energy


def _entry_price(
    plan: Plan, forced: Plan, number: int, budget: solve.Budget, say: Callable[[str], None]
) -> tuple[dict[str, Any], list[str]]:
    """Energy price at which the site enters: Z(t) is concave and rising in t, so Newton ends in a few solves."""
    evaluation, _ = _facts(plan)
    assert forced.solution is not None
    inputs = forced.solution.inputs
    now, own, energy = _prices(inputs, evaluation, number)
    row: dict[str, Any] = {"lever": "energy price", "unit": "USD/MWh", "now": now, "enters_at": math.nan}
    if not len(own):
        return row | {"words": "only interruptible load may stand there"}, []
    target = plan.goal_value

    def used_in(solution: Solution) -> float:
        place = solution.x[solution.index.place[own]]
        return float(((place * inputs.weight) * energy[:, None]).sum())

    def solved_at(price: float, near: Solution) -> Solution | None:
        say(f"energy price {price:.2f} USD/MWh")
        slots = np.zeros_like(inputs.operating["power"])
        slots[own] = (price - now) * energy[:, None] / M
        shifted = replace(inputs, operating={**inputs.operating, "power": inputs.operating["power"] + slots})
        return _solve_inputs(shifted, evaluation, near, budget)

    price, solution, best_cost = now, forced.solution, forced.goal_value
    notes = [f"entry values hold within the gap of {max(plan.gap, forced.gap):.2%} of the plans"]
    if used_in(solution) <= 1e-6:
        # Forced in at today's price it carries no firm load, so there is no line to follow: begin at no price at all.
        price = 0.0
        found = solved_at(price, solution)
        if found is None:
            return row | {"words": "not settled in time"}, []
        solution, best_cost = found, float(found.problem.columns.cost @ found.x) * M
        if best_cost > target * (1 + solve.TIE):
            return row | {"words": "no price brings it in"}, notes
        if used_in(solution) <= 1e-6:
            return row | {"words": "its firm part carries nothing even at no price"}, notes
    converged = False
    for _ in range(ENTRY_ROUNDS):
        used = used_in(solution)
        if used <= 1e-6:
            break
        rest = best_cost - price * used
        following = (target - rest) / used
        if abs(following - price) <= 0.01:
            converged = True
            price = following
            break
        price = following
        if price < -50.0:
            return row | {"words": "no price brings it in"}, []
        left = budget.left()
        if left is not None and left <= 0.5:
            break
        again = solved_at(price, solution)
        if again is None:
            break
        solution = again
        best_cost = float(solution.problem.columns.cost @ solution.x) * M
    words = f"enters below {price:.2f} USD/MWh ({price - now:+.2f})"
    if price < 0:
        words = f"no price brings it in (it would have to be {price:.2f})"
    if not converged:
        words += "; not settled in time"
    return row | {"enters_at": price, "words": words}, notes


def _solve_inputs(
    inputs: Inputs, evaluation: Evaluation, near: Solution, budget: solve.Budget
) -> Solution | None:
    problem, index = model.build(inputs)
    problem, seed = solve.inherited(problem, near)
    found, _, _ = solve.solve_rounds(problem, index, inputs, evaluation, start=seed, budget=budget)
    return found


def _entry_grid(
    plan: Plan,
    evaluation: Evaluation,
    name: str,
    number: int,
    budget: solve.Budget,
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Least facility MW with which the site pays: cost at most the plan's, its own row as the objective."""
    left = budget.left()
    now = float(evaluation.sites.loc[name, "grid_mw"])
    row: dict[str, Any] = {"lever": "grid_mw", "unit": "MW", "now": now, "enters_at": math.nan}
    if left is not None and left <= 1.0:
        return [row | {"words": "not solved: time"}]
    if inputs_periods(plan) > 1:
        return []
    say(f"least connection of {name}")
    wide = now + 3.0 * float(sum(load.it_mw or 0.0 for load in plan.scenario.workloads))
    facts = facts_with_site(evaluation, name, grid_mw=wide)
    asked = with_required(with_site(plan.scenario, name, grid_mw=wide), name)
    inputs = build_inputs(asked, facts)
    problem, index = model.build(inputs)
    count = len(problem.columns)
    cap = solve.cap_row(problem, problem.columns.cost, plan.goal_value / M * (1 + solve.TIE))
    vector = np.zeros(count)
    own = np.flatnonzero(inputs.slot_site == number)
    for n in own:
        vector[index.place[n]] += inputs.pue_peak[n]
    options = replace(budget.options(1e-3), absolute_gap=0.5)
    outcome = highs.solve(problem.with_block(cap).with_cost(vector).arrays(), options)
    if outcome.status == "infeasible":
        return [row | {"words": "no connection, however large, brings it in at this cost"}]
    if outcome.x is None:
        return [row | {"words": "no answer in time"}]
    if outcome.objective <= now:
        return [row | {"words": "its connection is not what keeps it out"}]
    return [
        row
        | {"enters_at": outcome.objective, "words": f"needs {outcome.objective - now:,.1f} MW more to pay"}
    ]


def _entry_search(
    plan: Plan,
    name: str,
    budget: solve.Budget,
    values: Floats,
    facts_at: Callable[[float], Evaluation],
    say: Callable[[str], None],
) -> tuple[float, bool]:
    """First of ordered values, each kinder to the site than the last, at which the plan with the site costs no more.

    Kinder facts never raise a cost, so halving works. Gives NaN where not even the last value is enough, and
    whether the answer is exact.
    """
    forced = with_required(plan.scenario, name)
    near: Plan = plan

    def enters(value: float) -> bool | None:
        nonlocal near
        left = budget.left()
        if left is not None and left <= 1.0:
            return None
        say(f"{name} at {value:,.4g}")
        try:
            found = solve.optimize(forced, facts_at(value), start=near, budget=budget)
        except InfeasibleError:
            return False
        if found.solution is None:
            return None
        near = found
        limit = plan.goal_value + solve.TIE * abs(plan.goal_value)
        if found.goal_value <= limit:
            return True
        return False if found.goal_bound > limit or found.status == "optimal" else None

    low, high = -1, len(values) - 1
    last = enters(float(values[high]))
    if not last:
        return math.nan, last is not None
    while high - low > 1:
        middle = (low + high) // 2
        found = enters(float(values[middle]))
        if found is None:
            return float(values[high]), False
        low, high = (low, middle) if found else (middle, high)
    return float(values[high]), True


def _entry_rtt(
    plan: Plan, evaluation: Evaluation, name: str, budget: solve.Budget, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """By how much the round trips of a site must be shorter (its own limit longer) for it to come in."""
    rows = []
    place = list(evaluation.sites.index).index(name)
    for load in plan.scenario.workloads:
        limit = load.max_rtt_ms if load.max_rtt_ms is not None else load.hard_rtt_ms
        if limit is None or load.name not in evaluation.markets:
            continue
        market = evaluation.markets[load.name]
        own = rtt_of(evaluation, load)[place]
        values = np.unique(np.ceil((own[own > limit] - limit) * 10.0) / 10.0)
        row: dict[str, Any] = {"lever": f"max_rtt_ms of {load.name}", "unit": "ms", "now": float(limit)}
        if not len(values):
            rows.append(row | {"enters_at": math.nan, "words": "it reaches every user within the limit"})
            continue

        def facts_at(value: float, load: Workload = load, market: Market = market) -> Evaluation:
            shorter = {
                key: np.where(
                    np.arange(len(getattr(market, key)))[:, None] == place,
                    np.maximum(getattr(market, key) - value, 0.0),
                    getattr(market, key),
                )
                for key in ("rtt_ms", "rtt_model_p90_ms")
            }
            return replace(evaluation, markets={**evaluation.markets, load.name: replace(market, **shorter)})

        found, exact = _entry_search(plan, name, budget, values, facts_at, say)
        if math.isnan(found):
            words = "no longer limit for its users brings it in" if exact else "not settled in time"
        else:
            words = f"enters with {limit + found:,.1f} ms allowed to its own users (+{found:,.1f})"
            words += "" if exact else "; maybe earlier: time"
        rows.append(row | {"enters_at": limit + found, "words": words})
    return rows


def _entry_carbon(
    plan: Plan, evaluation: Evaluation, name: str, budget: solve.Budget, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Carbon intensity of the site's power at which it comes in, where carbon is limited or has a price."""
    facts = evaluation.facts
    if not counts_carbon(plan.scenario):
        return []
    here = (facts["site_id"] == name).to_numpy()
    now = float((facts.loc[here, "carbon_kg_per_mwh"] / facts.loc[here, "pue"]).median())
    row: dict[str, Any] = {"lever": "carbon intensity", "unit": "kg/MWh", "now": now, "enters_at": math.nan}
    if not math.isfinite(now) or now <= 0:
        return [
            row | {"words": "no carbon intensity is known" if not math.isfinite(now) else "it emits nothing"}
        ]
    columns = [
        key
        for key in ("carbon_kg_per_mwh", "carbon_usd_per_mw_year", "carbon_firm_usd_per_mw_year")
        if key in facts
    ]

    def facts_at(value: float) -> Evaluation:
        changed = facts.copy()
        changed[columns] = changed[columns].astype("float64")
        changed.loc[here, columns] = changed.loc[here, columns] * (value / now)
        return replace(evaluation, facts=changed)

    values = now * (1.0 - np.arange(1, CARBON_STEPS + 1) / CARBON_STEPS)
    found, exact = _entry_search(plan, name, budget, values, facts_at, say)
    if math.isnan(found):
        words = "no intensity, however low, brings it in" if exact else "not settled in time"
        return [row | {"words": words}]
    words = f"enters at {found:,.0f} kg/MWh of power ({found - now:+,.0f}), to {now / CARBON_STEPS:,.1f}"
    return [row | {"enters_at": found, "words": words + ("" if exact else "; maybe earlier: time")}]
