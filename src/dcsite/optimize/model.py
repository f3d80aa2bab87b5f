"""The siting model: columns, and one function per constraint family, each with its formula.

Every coefficient comes from :class:`~dcsite.optimize.inputs.Inputs`; the families only multiply and add. The
family's name is its row label, the key of ``Plan.limits`` and the word used when a plan is explained. Units:
M USD, MW, GWh, 1,000 m3, kt, 1,000 m2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from dcsite.optimize.inputs import M2_PER_THOUSAND, M3_PER_THOUSAND, MWH_PER_GWH, T_PER_KT, M, matching
from dcsite.optimize.problem import Block, Columns, Labels, Problem, Rows
from dcsite.units import KG_PER_TONNE, KW_PER_MW

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    from dcsite.optimize.inputs import Floats, Inputs, Ints

INF = np.inf
LEAST_REQUIRED_MW: Final = 1.0
"""What a required site carries at least where none of its loads asks for a block. [MW]"""

REPAIR: Final[Mapping[str, float]] = {
    "demand_region": 10.0,
    "demand_total": 10.0,
    "block_min": 3.0,
    "workload_sites": 30.0,
    "grid": 1.0,
    "land": 0.05,
    "water_site": 0.1,
    "water_basin": 0.1,
    "water_hour": 0.1,
    "sites_max": 20.0,
    "sites_min": 20.0,
    "technologies_max": 20.0,
    "required": 5.0,
    "budget": 0.02,
    "zone_share": 0.5,
    "share_max": 0.5,
    "share_min": 0.5,
    "accelerators": 0.005,
    "carbon_cap": 2.0,
    "carbon_intensity": 2.0,
    "coverage": 1.0,
    "latency_mean": 0.02,
    "survive_region": 3.0,
    "survive_total": 3.0,
}
"""Penalty per unit of a row when the doctor stretches a limit (a choice: about what a user would mind)."""


@dataclass(frozen=True)
class Index:
    """Column numbers by family and position; -1 where no column exists."""

    open: Ints
    built: Ints
    used: Ints
    place: Ints
    spare: Ints
    total: Ints
    serve: Ints
    uncovered: Ints
    pooled: Ints
    block_on: Ints
    run: Ints
    license: Ints


class _Book:
    """Hands out column numbers family by family."""

    def __init__(self) -> None:
        self._families: list[str] = []
        self._parts: list[tuple[Floats, Floats, Floats, bool, int]] = []
        self._labels: list[Labels] = []
        self._first: list[int] = []
        self._count = 0

    def add(
        self,
        family: str,
        mask: NDArray[np.bool_],
        *,
        lower: ArrayLike = 0.0,
        upper: ArrayLike = INF,
        cost: ArrayLike = 0.0,
        integer: bool = False,
        axes: tuple[str, ...] = (),
    ) -> Ints:
        """Columns where ``mask`` is true; returns their numbers in the shape of the mask."""
        index = np.full(mask.shape, -1, dtype=np.int64)
        where = np.nonzero(mask)
        count = len(where[0])
        index[where] = self._count + np.arange(count)

        def picked(values: ArrayLike) -> Floats:
            spread = np.broadcast_to(np.asarray(values, dtype=np.float64), mask.shape)
            return np.asarray(spread[where], dtype=np.float64)

        self._parts.append((picked(lower), picked(upper), picked(cost), integer, count))
        self._families.append(family)
        self._labels.append(Labels(dict(zip(axes, where, strict=True))))
        self._first.append(self._count)
        self._count += count
        return index

    def columns(self) -> Columns:
        kinds = [np.full(part[4], number, dtype=np.int16) for number, part in enumerate(self._parts)]
        return Columns(
            np.concatenate(kinds),
            tuple(self._families),
            np.concatenate([part[0] for part in self._parts]),
            np.concatenate([part[1] for part in self._parts]),
            np.concatenate([part[2] for part in self._parts]),
            np.concatenate([np.full(part[4], part[3]) for part in self._parts]),
            tuple(self._labels),
            tuple(self._first),
        )


TIGHTENING: Final = ("strong_place", "block_open", "block_used", "least_blocks")
"""Families that no plan needs: they only help the solver, and would be wrong once a limit is stretched."""


def build(inputs: Inputs, *, loose: bool = False) -> tuple[Problem, Index]:
    """Make the problem with every family that the scenario and its data call for (cuts and N-1 come later).

    With ``loose`` no bound of a variable repeats a limit, so that limits can be stretched row by row.
    """
    columns, index = make_columns(inputs, loose=loose)
    count = len(columns)
    families = (
        demand_region,
        demand_total,
        serve_link,
        pool_balance,
        hall,
        hall_max,
        hall_min,
        site_min,
        strong_place,
        block_min,
        block_max,
        block_open,
        block_used,
        least_blocks,
        workload_sites,
        used_low,
        used_high,
        grid,
        land,
        water_site,
        water_basin,
        water_hour,
        sites_max,
        sites_min,
        technologies_max,
        required,
        budget,
        zone_share,
        share_max,
        share_min,
        accelerators,
        carbon_cap,
        carbon_intensity,
        coverage,
        latency_mean,
        run_block,
        grow_open,
        grow_built,
        retire,
        no_migration,
        survive_sum,
        survive_total,
    )
    blocks = tuple(
        block
        for block in (
            family(inputs, index, count)
            for family in families
            if not (loose and family.__name__ in TIGHTENING)
        )
        if block is not None and len(block)
    )
    cost, offset = objective(inputs, index, count, inputs.scenario.objective.kind)
    problem = Problem(columns, blocks, inputs.names, offset).with_cost(cost, offset)
    problem = problem.with_block(modules(inputs, problem, index))
    problem.check_scale()
    return problem, index


def shape_of(inputs: Inputs) -> tuple[int, int, int, int, int]:
    """Counts of sites, workloads, periods, halls and slots."""
    return (
        len(inputs.site_ids),
        len(inputs.workloads),
        len(inputs.period_start),
        len(inputs.hall_site),
        len(inputs.slot_hall),
    )


def wants_blocks(inputs: Inputs) -> NDArray[np.bool_]:
    """Workloads with a smallest block or a limit on their number of sites, (W,)."""
    return np.array(
        [load.min_block_mw > 0 or load.max_sites is not None for load in inputs.workloads], dtype=bool
    )


def make_columns(inputs: Inputs, *, loose: bool = False) -> tuple[Columns, Index]:
    """All variables of the model."""
    sites, loads, periods, halls, slots = shape_of(inputs)
    scenario = inputs.scenario
    book = _Book()
    every = np.ones((halls, periods), dtype=bool)
    fixed = inputs.hall_fixed[:, None] & every
    can_open = (inputs.hall_max_mw > 0) | inputs.hall_existing[:, None]
    module = scenario.solver.module_mw
    open_ = book.add(
        "open",
        every,
        lower=fixed.astype(float),
        upper=can_open.astype(float),
        integer=True,
        axes=("hall", "period"),
    )
    built = book.add("built", every, upper=inputs.hall_max_mw, axes=("hall", "period"))
    used = book.add("used", np.ones((sites, periods), dtype=bool), upper=1.0, axes=("site", "period"))
    peak = inputs.pue_peak[:, None]
    most = np.minimum(
        inputs.hall_max_mw[inputs.slot_hall],
        np.minimum(inputs.grid_mw[inputs.slot_site] / peak, inputs.demand_mw[inputs.slot_workload]),
    )
    if loose:
        most = np.full_like(most, INF)
    all_slots = np.ones((slots, periods), dtype=bool)
    place = book.add("place", all_slots, upper=np.maximum(most, 0.0), axes=("slot", "period"))
    theta = inputs.survive[inputs.slot_workload] > 0
    spare = book.add(
        "spare", theta[:, None] & all_slots, upper=np.maximum(most, 0.0), axes=("slot", "period")
    )
    alone = (inputs.survive > 0) & ~inputs.has_arcs
    total = book.add(
        "total", alone[:, None] & np.ones((loads, periods), dtype=bool), axes=("workload", "period")
    )
    points, arcs = inputs.points, inputs.arcs
    arc_load = points.workload[arcs.point]
    share = inputs.demand_mw[arc_load] * points.share[arcs.point][:, None]
    serve = _arc_columns(book, inputs, share)
    lonely = inputs.pooled[points.workload] if len(points.workload) else np.zeros(0, dtype=bool)
    uncovered = book.add(
        "uncovered",
        lonely[:, None] & np.ones((len(lonely), periods), dtype=bool),
        upper=inputs.demand_mw[points.workload] * points.share[:, None],
        axes=("point", "period"),
    )
    eligible = eligible_sites(inputs)
    pooled = book.add(
        "pooled",
        (eligible & inputs.pooled[None, :])[:, :, None] & np.ones((1, 1, periods), dtype=bool),
        axes=("site", "workload", "period"),
    )
    block_on = book.add(
        "block_on",
        (eligible & wants_blocks(inputs)[None, :])[:, :, None] & np.ones((1, 1, periods), dtype=bool),
        upper=1.0,
        integer=True,
        axes=("site", "workload", "period"),
    )
    run = book.add("run", np.ones((len(inputs.runs.slot), periods), dtype=bool), axes=("run", "period"))
    tiers = len(scenario.limits.accelerator_tiers)
    license_ = book.add(
        "license", np.ones((tiers, periods), dtype=bool), upper=1.0, integer=True, axes=("tier", "period")
    )
    if module is not None:
        _add_modules(book, inputs, float(module), every)
    return book.columns(), Index(
        open_, built, used, place, spare, total, serve, uncovered, pooled, block_on, run, license_
    )


def _arc_columns(book: _Book, inputs: Inputs, share: Floats) -> Ints:
    periods = len(inputs.period_start)
    mask = np.ones((len(inputs.arcs.site), periods), dtype=bool)
    return book.add("serve", mask, upper=share, axes=("arc", "period"))


def _add_modules(book: _Book, inputs: Inputs, module_mw: float, every: NDArray[np.bool_]) -> None:
    """Whole modules of a hall; tied to ``built`` by the family ``modules``."""
    most = np.ceil(inputs.hall_max_mw / module_mw - 1e-9)
    book.add(
        "modules",
        every & ~inputs.hall_existing[:, None],
        upper=most,
        integer=True,
        axes=("hall", "period"),
    )


def eligible_sites(inputs: Inputs) -> NDArray[np.bool_]:
    """Where a workload may stand at all, (S, W)."""
    found = np.zeros((len(inputs.site_ids), len(inputs.workloads)), dtype=bool)
    found[inputs.slot_site, inputs.slot_workload] = True
    return found


def _grid_of(*lengths: int) -> list[Ints]:
    """Index arrays of a full grid, flat, last axis fastest."""
    return [axis.ravel() for axis in np.meshgrid(*[np.arange(n) for n in lengths], indexing="ij")]


# --- objectives -----------------------------------------------------------------------------------------------


def objective(inputs: Inputs, index: Index, count: int, kind: str) -> tuple[Floats, float]:
    """Cost vector and constant of an objective: cost (M USD/year), carbon (kt), water (1,000 m3), latency (ms).

    ``cost`` and ``npv`` are one: operating cost weighted by period, and capital as its annuity in every year
    in which the asset stands. Existing halls are sunk.
    """
    if kind in ("cost", "npv"):
        return cost_vector(inputs, index, count), 0.0
    if kind == "carbon":
        return carbon_vector(inputs, index, count, inputs.weight), 0.0
    if kind == "water":
        return water_vector(inputs, index, count, inputs.weight, drawn=False), 0.0
    if kind == "latency":
        return latency_vector(inputs, index, count), 0.0
    if kind == "sites":
        vector = np.zeros(count)
        vector[index.used[:, -1]] = 1.0
        return vector, 0.0
    if kind == "score":
        return score_vector(inputs, index, count), 0.0
    message = f"unknown objective '{kind}'"
    raise ValueError(message)


def cost_vector(inputs: Inputs, index: Index, count: int) -> Floats:
    """``sum w_p (cop x - pi x) + W_p (F (o_p - o_p-1) + c (C_p - C_p-1)) + latency worth + license fees``."""
    vector = np.zeros(count)
    running = (inputs.operating_total - inputs.credit) * inputs.weight
    np.add.at(vector, index.place, running)
    for bought, price in ((index.open, inputs.opening), (index.built, inputs.capex)):
        paid = inputs.capital_weight * price * inputs.crf * inputs.capital_factor[:, None]
        later = np.zeros_like(paid)
        later[:, :-1] = paid[:, 1:]
        vector[bought] += paid - later
    if index.run.size:
        vector[index.run] += inputs.runs.net[:, None] * inputs.weight
    if inputs.scenario.objective.latency_worth:
        vector += worth_vector(inputs, index, count)
    if index.license.size:
        fee = license_cost(inputs) * inputs.crf / M
        vector[index.license] += fee * inputs.weight
    return vector


def license_cost(inputs: Inputs) -> float:
    """What one license costs. [USD]"""
    terms = inputs.scenario.licenses
    return 0.0 if isinstance(terms, str) else float(terms.cost_usd)


def latency_value(inputs: Inputs, workload: int, rtt_ms: ArrayLike) -> Floats:
    """Loss of latency worth at an RTT: 0 within the full reach, the whole worth from the end of it. [M USD/MW-year]"""
    profile = inputs.profiles[workload]
    whole = profile.latency_worth_usd_per_rack_year * KW_PER_MW / profile.rack_kw / M
    span = profile.reach_zero_ms - profile.reach_full_ms
    lost = (np.asarray(rtt_ms, dtype=np.float64) - profile.reach_full_ms) / span
    return np.asarray(whole * np.clip(lost, 0.0, 1.0))


def worth_vector(inputs: Inputs, index: Index, count: int) -> Floats:
    """``sum lv f``: worth lost by users that are far; a part of its own, not cash."""
    vector = np.zeros(count)
    points, arcs = inputs.points, inputs.arcs
    for w in np.flatnonzero(inputs.has_arcs):
        own = points.workload[arcs.point] == w
        lost = latency_value(inputs, int(w), arcs.rtt_ms[own])
        np.add.at(vector, index.serve[own], lost[:, None] * inputs.weight)
        alone = index.uncovered[points.workload == w]
        if alone.size and (alone >= 0).all():
            vector[alone] += latency_value(inputs, int(w), INF) * inputs.weight
    return vector


def carbon_vector(inputs: Inputs, index: Index, count: int, weight: ArrayLike) -> Floats:
    """``sum q x + block terms``, weighted by period. [kt/year]"""
    vector = np.zeros(count)
    weights = np.asarray(weight, dtype=np.float64)
    np.add.at(vector, index.place, np.nan_to_num(inputs.carbon)[:, None] * weights)
    if index.run.size:
        vector[index.run] += inputs.runs.carbon[:, None] * weights
    return vector


def energy_vector(inputs: Inputs, index: Index, count: int, weight: ArrayLike) -> Floats:
    """IT energy, weighted by period. [GWh/year]"""
    vector = np.zeros(count)
    weights = np.asarray(weight, dtype=np.float64)
    np.add.at(vector, index.place, inputs.energy[:, None] * weights)
    if index.run.size:
        vector[index.run] += np.ones((len(inputs.runs.slot), 1)) * weights
    return vector


def water_vector(inputs: Inputs, index: Index, count: int, weight: ArrayLike, *, drawn: bool) -> Floats:
    """Consumption, or withdrawal with ``drawn``, weighted by period. [1,000 m3/year]"""
    vector = np.zeros(count)
    weights = np.asarray(weight, dtype=np.float64)
    per_mw = inputs.withdrawal if drawn else inputs.water
    np.add.at(vector, index.place, per_mw[:, None] * weights)
    if index.run.size:
        per_gwh = inputs.runs.withdrawal if drawn else inputs.runs.water
        vector[index.run] += per_gwh[:, None] * weights
    return vector


def latency_vector(inputs: Inputs, index: Index, count: int) -> Floats:
    """Mean RTT over all demand of the workloads with users. [ms]"""
    vector = np.zeros(count)
    if not index.serve.size:
        return vector
    demand = float((inputs.demand_mw[inputs.has_arcs] * inputs.weight).sum())
    np.add.at(vector, index.serve, inputs.arcs.rtt_ms[:, None] * inputs.weight / max(demand, 1e-9))
    return vector


def score_vector(inputs: Inputs, index: Index, count: int) -> Floats:
    """Minus the demand-weighted mean score; sites are scored with their best technology. [points]"""
    vector = np.zeros(count)
    scores = inputs.extra.get("scores")
    if scores is None:
        message = "the objective 'score' needs the scores of the sites"
        raise ValueError(message)
    demand = float((inputs.demand_mw * inputs.weight).sum())
    per_slot = np.array(
        [scores[int(w), int(s)] for w, s in zip(inputs.slot_workload, inputs.slot_site, strict=True)]
    )
    np.add.at(vector, index.place, -per_slot[:, None] * inputs.weight / max(demand, 1e-9))
    return vector


# --- demand and linking ---------------------------------------------------------------------------------------


def demand_region(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``sum_s f + uncovered = D_u`` (``<=`` for optional loads)."""
    points = inputs.points
    periods = len(inputs.period_start)
    if not len(points.workload):
        return None
    rows = Rows(len(points.workload) * periods, count)
    q, p = _grid_of(len(points.workload), periods)
    rows.add(inputs.arcs.point[:, None] * periods + np.arange(periods), index.serve, 1.0)
    rows.add(q * periods + p, index.uncovered[q, p], 1.0)
    demand = inputs.demand_mw[points.workload[q], p] * points.share[q]
    optional = np.array([load.optional for load in inputs.workloads])[points.workload[q]]
    return rows.block(
        "demand_region",
        np.where(optional, -INF, demand),
        demand,
        {"workload": points.workload[q], "region": points.number[q], "period": p},
        unit="MW",
        repair=REPAIR["demand_region"],
        group=("workload",),
    )


def demand_total(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``sum_sk x = D`` for workloads without arcs (``<=`` when optional)."""
    loads = np.flatnonzero(~inputs.has_arcs)
    periods = len(inputs.period_start)
    if not len(loads):
        return None
    number = np.full(len(inputs.workloads), -1)
    number[loads] = np.arange(len(loads))
    rows = Rows(len(loads) * periods, count)
    own = number[inputs.slot_workload]
    rows.add(
        np.where(own < 0, -1, own * periods)[:, None] + np.where(own < 0, 0, 1)[:, None] * np.arange(periods),
        index.place,
        1.0,
    )
    i, p = _grid_of(len(loads), periods)
    demand = inputs.demand_mw[loads[i], p]
    optional = np.array([load.optional for load in inputs.workloads])[loads[i]]
    return rows.block(
        "demand_total",
        np.where(optional, -INF, demand),
        demand,
        {"workload": loads[i], "period": p},
        unit="MW",
        repair=REPAIR["demand_total"],
        group=("workload",),
    )


def serve_link(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``sum_u f + pooled = sum_k x`` at each site, for workloads with arcs."""
    if not inputs.has_arcs.any():
        return None
    periods = len(inputs.period_start)
    mask = eligible_sites(inputs) & inputs.has_arcs[None, :]
    s, w = np.nonzero(mask)
    number = np.full(mask.shape, -1)
    number[s, w] = np.arange(len(s))
    rows = Rows(len(s) * periods, count)
    each = np.arange(periods)
    arc_row = number[inputs.arcs.site, inputs.points.workload[inputs.arcs.point]]
    rows.add(arc_row[:, None] * periods + each, index.serve, 1.0)
    rows.add(np.arange(len(s))[:, None] * periods + each, index.pooled[s, w], 1.0)
    slot_row = number[inputs.slot_site, inputs.slot_workload]
    rows.add(_row(slot_row, periods), index.place, -1.0)
    i, p = _grid_of(len(s), periods)
    return rows.block("serve_link", 0.0, 0.0, {"site": s[i], "workload": w[i], "period": p}, unit="MW")


def _row(number: Ints, periods: int) -> Ints:
    """Row numbers (n, P) of groups; -1 stays absent."""
    rows = number[:, None] * periods + np.arange(periods)
    return np.where(number[:, None] < 0, -1, rows)


def pool_balance(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``sum_s pooled = sum_u uncovered``: far users are served by somebody, wherever it is cheap."""
    loads = np.flatnonzero(inputs.pooled)
    if not len(loads):
        return None
    periods = len(inputs.period_start)
    number = np.full(len(inputs.workloads), -1)
    number[loads] = np.arange(len(loads))
    rows = Rows(len(loads) * periods, count)
    for w in loads:
        rows.add(number[w] * periods + np.arange(periods)[None, :], index.pooled[:, w], 1.0)
    rows.add(_row(number[inputs.points.workload], periods), index.uncovered, -1.0)
    i, p = _grid_of(len(loads), periods)
    return rows.block(
        "pool_balance",
        0.0,
        0.0,
        {"workload": loads[i], "period": p},
        unit="MW",
    )


def hall(inputs: Inputs, index: Index, count: int) -> Block:
    """``sum_w (x + v) <= C``."""
    _, _, periods, halls, _ = shape_of(inputs)
    rows = Rows(halls * periods, count)
    at = inputs.slot_hall[:, None] * periods + np.arange(periods)
    rows.add(at, index.place, 1.0).add(at, index.spare, 1.0)
    h, p = _grid_of(halls, periods)
    rows.add(np.arange(halls * periods), index.built[h, p], -1.0)
    return rows.block("hall", -INF, 0.0, {"hall": h, "period": p}, unit="MW")


def hall_max(inputs: Inputs, index: Index, count: int) -> Block:
    """``C <= Cmax o``."""
    _, _, periods, halls, _ = shape_of(inputs)
    h, p = _grid_of(halls, periods)
    rows = Rows(len(h), count)
    each = np.arange(len(h))
    rows.add(each, index.built[h, p], 1.0).add(each, index.open[h, p], -inputs.hall_max_mw[h, p])
    return rows.block("hall_max", -INF, 0.0, {"hall": h, "period": p}, unit="MW")


def hall_min(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``C >= C0 o`` for halls that stand: they keep their size until they are retired."""
    existing = np.flatnonzero(inputs.hall_existing)
    if not len(existing):
        return None
    i, p = _grid_of(len(existing), len(inputs.period_start))
    h = existing[i]
    rows = Rows(len(h), count)
    each = np.arange(len(h))
    rows.add(each, index.built[h, p], 1.0).add(each, index.open[h, p], -inputs.hall_min_mw[h])
    return rows.block("hall_min", 0.0, INF, {"hall": h, "period": p}, unit="MW")


def site_min(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``sum_k C >= min_site_mw y``, so that an empty hall is no site."""
    least = inputs.scenario.limits.min_site_mw
    sites, _, periods, _, _ = shape_of(inputs)
    if least <= 0:
        return None
    rows = Rows(sites * periods, count)
    rows.add(inputs.hall_site[:, None] * periods + np.arange(periods), index.built, 1.0)
    s, p = _grid_of(sites, periods)
    rows.add(np.arange(len(s)), index.used[s, p], -least)
    return rows.block("site_min", 0.0, INF, {"site": s, "period": p}, unit="MW", repair=3.0, group=())


def strong_place(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``x + v <= min(D_w, Cmax) o`` for halls that several loads share (else ``hall_max`` says it)."""
    periods = len(inputs.period_start)
    shared = np.bincount(inputs.slot_hall, minlength=len(inputs.hall_site))[inputs.slot_hall] > 1
    slots = np.flatnonzero(shared)
    if not len(slots):
        return None
    i, p = _grid_of(len(slots), periods)
    n = slots[i]
    h = inputs.slot_hall[n]
    most = np.minimum(inputs.demand_mw[inputs.slot_workload[n], p], inputs.hall_max_mw[h, p])
    rows = Rows(len(n), count)
    each = np.arange(len(n))
    rows.add(each, index.place[n, p], 1.0).add(each, index.spare[n, p], 1.0)
    rows.add(each, index.open[h, p], -most)
    return rows.block("strong_place", -INF, 0.0, {"slot": n, "period": p}, unit="MW")


def _block_rows(inputs: Inputs, index: Index, count: int) -> tuple[Rows, Ints, Ints, Ints]:
    """Rows ``sum_k x`` per (site, workload with blocks, period)."""
    periods = len(inputs.period_start)
    s, w = (
        np.nonzero(index.block_on[:, :, 0] >= 0)
        if index.block_on.size
        else (np.zeros(0, int), np.zeros(0, int))
    )
    number = np.full(index.block_on.shape[:2], -1)
    number[s, w] = np.arange(len(s))
    rows = Rows(len(s) * periods, count)
    rows.add(_row(number[inputs.slot_site, inputs.slot_workload], periods), index.place, 1.0)
    i, p = _grid_of(len(s), periods)
    return rows, s[i], w[i], p


def block_min(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``sum_k x >= q b``: no slivers."""
    rows, s, w, p = _block_rows(inputs, index, count)
    least = np.array([load.min_block_mw for load in inputs.workloads])[w]
    rows.add(np.arange(len(s)), index.block_on[s, w, p], -least)
    return rows.block(
        "block_min",
        0.0,
        INF,
        {"site": s, "workload": w, "period": p},
        unit="MW",
        repair=REPAIR["block_min"],
        group=("workload",),
    )


def block_room(inputs: Inputs) -> Floats:
    """Most MW of a workload at a site: demand, halls together, and the connection, (S, W, P).

    Inputs of a loose model carry ``extra["grid_mw"]``, the connection that bounds may assume.
    """
    sites, loads, periods, _, _ = shape_of(inputs)
    halls = np.zeros((sites, loads, periods))
    np.add.at(halls, (inputs.slot_site, inputs.slot_workload), inputs.hall_max_mw[inputs.slot_hall])
    least = np.full((sites, loads), INF)
    np.minimum.at(least, (inputs.slot_site, inputs.slot_workload), inputs.pue_peak)
    connection = np.asarray(inputs.extra.get("grid_mw", inputs.grid_mw))[:, None, :] / least[:, :, None]
    return np.asarray(np.minimum(np.minimum(halls, connection), inputs.demand_mw[None]))


def block_max(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``sum_k x <= min(D_w, sum of Cmax, G / pue_pk) b``."""
    rows, s, w, p = _block_rows(inputs, index, count)
    rows.add(np.arange(len(s)), index.block_on[s, w, p], -block_room(inputs)[s, w, p])
    return rows.block("block_max", -INF, 0.0, {"site": s, "workload": w, "period": p}, unit="MW")


def block_open(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``b <= sum of o`` over the halls that take the load: without it a block could be on in a closed hall."""
    periods = len(inputs.period_start)
    s, w = np.nonzero(index.block_on[:, :, 0] >= 0) if index.block_on.size else (np.zeros(0, int),) * 2
    if not len(s):
        return None
    number = np.full(index.block_on.shape[:2], -1)
    number[s, w] = np.arange(len(s))
    rows = Rows(len(s) * periods, count)
    own = number[inputs.slot_site, inputs.slot_workload]
    rows.add(_row(own, periods), index.open[inputs.slot_hall], 1.0)
    i, p = _grid_of(len(s), periods)
    rows.add(np.arange(len(i)), index.block_on[s[i], w[i], p], -1.0)
    return rows.block("block_open", 0.0, INF, {"site": s[i], "workload": w[i], "period": p})


def block_used(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``b <= y``: two half-open halls do not make a site."""
    periods = len(inputs.period_start)
    s, w = np.nonzero(index.block_on[:, :, 0] >= 0) if index.block_on.size else (np.zeros(0, int),) * 2
    if not len(s):
        return None
    i, p = _grid_of(len(s), periods)
    rows = Rows(len(i), count)
    each = np.arange(len(i))
    rows.add(each, index.used[s[i], p], 1.0).add(each, index.block_on[s[i], w[i], p], -1.0)
    return rows.block("block_used", 0.0, INF, {"site": s[i], "workload": w[i], "period": p})


def least_blocks(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``sum_s b >= n``: so many of the largest sites it takes to hold the load.

    A half-open site gives half a connection, so the relaxation needs fewer than whole sites; no plan does.
    """
    periods = len(inputs.period_start)
    wanted: list[tuple[int, int, int]] = []
    if not index.block_on.size:
        return None
    room = block_room(inputs)
    for w, load in enumerate(inputs.workloads):
        if load.optional or not (index.block_on[:, w, 0] >= 0).any():
            continue
        for p in range(periods):
            largest = np.cumsum(np.sort(room[:, w, p])[::-1])
            least = int(np.searchsorted(largest, float(inputs.demand_mw[w, p]) * (1 - 1e-9))) + 1
            if inputs.demand_mw[w, p] > 0 and 1 < least <= len(largest):
                wanted.append((w, p, least))
    if not wanted:
        return None
    rows = Rows(len(wanted), count)
    for row, (w, p, _) in enumerate(wanted):
        rows.add(row, index.block_on[:, w, p], 1.0)
    loads, at, least_ = np.array(wanted).T
    return rows.block("least_blocks", least_, INF, {"workload": loads, "period": at}, unit="sites")


def workload_sites(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``sum_s b <= n_w``."""
    loads = np.array(
        [w for w, load in enumerate(inputs.workloads) if load.max_sites is not None], dtype=np.int64
    )
    if not len(loads):
        return None
    i, p = _grid_of(len(loads), len(inputs.period_start))
    rows = Rows(len(i), count)
    for row, (w, period) in enumerate(zip(loads[i], p, strict=True)):
        rows.add(row, index.block_on[:, w, period], 1.0)
    most = [float(inputs.workloads[w].max_sites or 0) for w in loads[i]]
    return rows.block(
        "workload_sites",
        -INF,
        most,
        {"workload": loads[i], "period": p},
        unit="sites",
        repair=REPAIR["workload_sites"],
        group=("workload",),
    )


def used_low(inputs: Inputs, index: Index, count: int) -> Block:
    """``y >= o``."""
    _, _, periods, halls, _ = shape_of(inputs)
    h, p = _grid_of(halls, periods)
    rows = Rows(len(h), count)
    each = np.arange(len(h))
    rows.add(each, index.used[inputs.hall_site[h], p], 1.0).add(each, index.open[h, p], -1.0)
    return rows.block("used_low", 0.0, INF, {"hall": h, "period": p})


def used_high(inputs: Inputs, index: Index, count: int) -> Block:
    """``y <= sum_k o``: with ``used_low`` this makes y whole where o is."""
    sites, _, periods, _, _ = shape_of(inputs)
    rows = Rows(sites * periods, count)
    rows.add(inputs.hall_site[:, None] * periods + np.arange(periods), index.open, 1.0)
    s, p = _grid_of(sites, periods)
    rows.add(np.arange(len(s)), index.used[s, p], -1.0)
    return rows.block("used_high", 0.0, INF, {"site": s, "period": p})


# --- site resources -------------------------------------------------------------------------------------------


def grid(inputs: Inputs, index: Index, count: int) -> Block:
    """``sum pue_pk (x + v) <= G y`` in the design hour, spare and interruptible load included."""
    sites, _, periods, _, _ = shape_of(inputs)
    rows = Rows(sites * periods, count)
    at = inputs.slot_site[:, None] * periods + np.arange(periods)
    peak = np.broadcast_to(inputs.pue_peak[:, None], at.shape)
    rows.add(at, index.place, peak).add(at, index.spare, peak)
    s, p = _grid_of(sites, periods)
    # Written with y, which is exact (no load without a site) and far tighter: half a site has half a connection.
    rows.add(np.arange(len(s)), index.used[s, p], -inputs.grid_mw[s, p])
    return rows.block(
        "grid",
        -INF,
        0.0,
        {"site": s, "period": p},
        unit="MW",
        repair=REPAIR["grid"],
        group=("site",),
    )


def land(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``sum_k m2_per_mw C <= L`` in the last period."""
    need = inputs.scenario.land_m2_per_mw / M2_PER_THOUSAND
    sites = np.flatnonzero(np.isfinite(inputs.land_m2))
    if not len(sites) or need <= 0:
        return None
    number = np.full(len(inputs.site_ids), -1)
    number[sites] = np.arange(len(sites))
    rows = Rows(len(sites), count).add(number[inputs.hall_site], index.built[:, -1], need)
    return rows.block(
        "land",
        -INF,
        inputs.land_m2[sites] / M2_PER_THOUSAND,
        {"site": sites},
        unit="m2",
        step=M2_PER_THOUSAND,
        repair=REPAIR["land"],
        group=("site",),
    )


def _water_rows(inputs: Inputs, index: Index, count: int, number: Ints, groups: int, *, drawn: bool) -> Rows:
    periods = len(inputs.period_start)
    rows = Rows(groups * periods, count)
    at = _row(number[inputs.slot_site], periods)
    per_mw = inputs.withdrawal if drawn else inputs.water
    rows.add(at, index.place, per_mw[:, None])
    if index.run.size:
        per_gwh = inputs.runs.withdrawal if drawn else inputs.runs.water
        rows.add(at[inputs.runs.slot], index.run, per_gwh[:, None])
    return rows


def water_site(inputs: Inputs, index: Index, count: int) -> Block | None:
    """Withdrawal of a year within the site's permit."""
    sites = np.flatnonzero(np.isfinite(inputs.water_m3_per_year))
    if not len(sites):
        return None
    number = np.full(len(inputs.site_ids), -1)
    number[sites] = np.arange(len(sites))
    rows = _water_rows(inputs, index, count, number, len(sites), drawn=True)
    i, p = _grid_of(len(sites), len(inputs.period_start))
    return rows.block(
        "water_site",
        -INF,
        inputs.water_m3_per_year[sites[i]] / M3_PER_THOUSAND,
        {"site": sites[i], "period": p},
        unit="m3/year",
        step=M3_PER_THOUSAND,
        repair=REPAIR["water_site"],
        group=("site",),
    )


def water_basin(inputs: Inputs, index: Index, count: int) -> Block | None:
    """Consumption of a year of all sites of a basin within its cap."""
    caps = inputs.scenario.limits.basins
    names = inputs.names["basin"]
    known = [name for name in names if name in caps]
    if not known:
        return None
    number = np.array([known.index(group) if group in known else -1 for group in inputs.water_group])
    rows = _water_rows(inputs, index, count, number, len(known), drawn=False)
    i, p = _grid_of(len(known), len(inputs.period_start))
    cap = np.array([caps[name] for name in known]) / M3_PER_THOUSAND
    at = np.array([list(names).index(name) for name in known])
    return rows.block(
        "water_basin",
        -INF,
        cap[i],
        {"basin": at[i], "period": p},
        unit="m3/year",
        step=M3_PER_THOUSAND,
        repair=REPAIR["water_basin"],
        group=("basin",),
    )


def water_hour(inputs: Inputs, index: Index, count: int) -> Block | None:
    """Withdrawal in the design hour within the hourly permit, spare included."""
    sites = np.flatnonzero(np.isfinite(inputs.water_m3_per_hour))
    if not len(sites):
        return None
    periods = len(inputs.period_start)
    number = np.full(len(inputs.site_ids), -1)
    number[sites] = np.arange(len(sites))
    rows = Rows(len(sites) * periods, count)
    at = _row(number[inputs.slot_site], periods)
    use = np.broadcast_to(inputs.withdrawal_peak[:, None], at.shape)
    rows.add(at, index.place, use).add(at, index.spare, use)
    i, p = _grid_of(len(sites), periods)
    return rows.block(
        "water_hour",
        -INF,
        inputs.water_m3_per_hour[sites[i]],
        {"site": sites[i], "period": p},
        unit="m3/h",
        repair=REPAIR["water_hour"],
        group=("site",),
    )


# --- portfolio ------------------------------------------------------------------------------------------------


def _sites_sum(inputs: Inputs, index: Index, count: int) -> tuple[Rows, Ints]:
    periods = len(inputs.period_start)
    rows = Rows(periods, count)
    rows.add(np.arange(periods)[None, :], index.used, 1.0)
    return rows, np.arange(periods)


def sites_max(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``sum_s y <= max_sites``."""
    most = inputs.scenario.limits.max_sites
    if most is None:
        return None
    rows, p = _sites_sum(inputs, index, count)
    return rows.block("sites_max", -INF, most, {"period": p}, unit="sites", repair=REPAIR["sites_max"])


def sites_min(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``sum_s y >= min_sites`` in the last period."""
    least = inputs.scenario.limits.min_sites
    if not least:
        return None
    rows = Rows(1, count).add(0, index.used[:, -1], 1.0)
    last = [len(inputs.period_start) - 1]
    return rows.block("sites_min", least, INF, {"period": last}, unit="sites", repair=REPAIR["sites_min"])


def technologies_max(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``sum_k o <= t`` at each site."""
    most = inputs.scenario.limits.max_technologies_per_site
    sites, _, periods, _, _ = shape_of(inputs)
    if most is None:
        return None
    rows = Rows(sites * periods, count)
    rows.add(inputs.hall_site[:, None] * periods + np.arange(periods), index.open, 1.0)
    s, p = _grid_of(sites, periods)
    return rows.block(
        "technologies_max",
        -INF,
        most,
        {"site": s, "period": p},
        unit="halls",
        repair=REPAIR["technologies_max"],
    )


def required_mw(inputs: Inputs) -> Floats:
    """What each required site carries at least: its smallest block, or 1 MW, (S,). [MW]"""
    least = np.full(len(inputs.site_ids), INF)
    for n in range(len(inputs.slot_hall)):
        block = inputs.workloads[inputs.slot_workload[n]].min_block_mw or LEAST_REQUIRED_MW
        demand = float(inputs.demand_mw[inputs.slot_workload[n], -1])
        least[inputs.slot_site[n]] = min(least[inputs.slot_site[n]], block, max(demand, 0.0))
    return np.where(np.isfinite(least), least, LEAST_REQUIRED_MW)


def required(inputs: Inputs, index: Index, count: int) -> Block | None:
    """A required site carries load in the last period."""
    sites = np.flatnonzero(inputs.required)
    if not len(sites):
        return None
    number = np.full(len(inputs.site_ids), -1)
    number[sites] = np.arange(len(sites))
    rows = Rows(len(sites), count).add(number[inputs.slot_site], index.place[:, -1], 1.0)
    return rows.block(
        "required",
        required_mw(inputs)[sites],
        INF,
        {"site": sites},
        unit="MW",
        repair=REPAIR["required"],
        group=("site",),
    )


def budget(inputs: Inputs, index: Index, count: int) -> Block | None:
    """Cash for new halls and MW: ``sum F (o_p - o_p-1) + c (C_p - C_p-1) <= budget``.

    A budget of the whole scenario covers all periods together; one of a period covers that period, or with
    ``budget_carry`` everything up to it.
    """
    scenario = inputs.scenario
    periods = len(inputs.period_start)
    own = [period.budget_usd for period in scenario.periods] or [None] * periods
    wanted: list[tuple[list[int], float, int]] = []
    if scenario.limits.budget_usd is not None:
        wanted.append((list(range(periods)), float(scenario.limits.budget_usd), periods - 1))
    carried = 0.0
    for p, limit in enumerate(own):
        if limit is None:
            continue
        carried += float(limit)
        if scenario.limits.budget_carry:
            wanted.append((list(range(p + 1)), carried, p))
        else:
            wanted.append(([p], float(limit), p))
    if not wanted:
        return None
    rows = Rows(len(wanted), count)
    for row, (span, _, _) in enumerate(wanted):
        for p in span:
            for bought, price in ((index.open, inputs.opening), (index.built, inputs.capex)):
                rows.add(row, bought[:, p], price[:, p])
                if p > 0:
                    rows.add(row, bought[:, p - 1], -price[:, p])
    return rows.block(
        "budget",
        -INF,
        [limit / M for _, limit, _ in wanted],
        {"period": [p for _, _, p in wanted]},
        unit="USD",
        step=M,
        repair=REPAIR["budget"],
    )


def zone_share_of(inputs: Inputs) -> list[tuple[int, float]]:
    """Workloads with a largest share in one zone."""
    found = []
    for w, load in enumerate(inputs.workloads):
        share = load.max_share_per_zone or inputs.scenario.limits.max_share_per_zone
        if share is not None and share < 1:
            found.append((w, float(share)))
    return found


def zone_share(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``sum_{s in z} x <= sigma_w sum_s x``."""
    wanted = zone_share_of(inputs)
    if not wanted:
        return None
    names, zone = inputs.zones(inputs.scenario.limits.zone)
    periods = len(inputs.period_start)
    rows = Rows(len(wanted) * len(names) * periods, count)
    labels: list[tuple[int, int, int]] = []
    row = 0
    for w, share in wanted:
        own = inputs.slot_workload == w
        for z in range(len(names)):
            inside = (zone[inputs.slot_site] == z).astype(float) - share
            for p in range(periods):
                rows.add(row, index.place[own, p], inside[own])
                labels.append((z, w, p))
                row += 1
    z, w_, p_ = np.array(labels).T
    first = np.array([int(np.flatnonzero(zone == number)[0]) for number in range(len(names))])
    return rows.block(
        "zone_share",
        -INF,
        0.0,
        {"site": first[z], "workload": w_, "period": p_},
        unit="MW",
        repair=REPAIR["zone_share"],
        group=("workload",),
    )


def _shares(inputs: Inputs, index: Index, count: int, family: str) -> Block | None:
    wanted = [
        (entry, getattr(entry, "max_share" if family == "share_max" else "min_share"))
        for entry in inputs.scenario.limits.share
    ]
    wanted = [(entry, value) for entry, value in wanted if value is not None]
    if not wanted:
        return None
    periods = len(inputs.period_start)
    rows = Rows(len(wanted) * periods, count)
    for row, (entry, value) in enumerate(wanted):
        inside = matching(inputs.sites, entry.where)[inputs.slot_site].astype(float) - value
        own = np.array(
            [entry.workload in (None, inputs.workloads[w].name) for w in inputs.slot_workload], dtype=bool
        )
        at = row * periods + np.arange(periods)
        for column in (index.place, index.spare):
            rows.add(at[None, :], column[own], np.broadcast_to(inside[own][:, None], column[own].shape))
    i, p = _grid_of(len(wanted), periods)
    high = family == "share_max"
    return rows.block(
        family,
        -INF if high else 0.0,
        0.0 if high else INF,
        {"share": i, "period": p},
        unit="MW",
        repair=REPAIR[family],
        group=("share",),
    )


def share_max(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``sum_{s in j} (x + v) <= lambda sum_s (x + v)``."""
    return _shares(inputs, index, count, "share_max")


def share_min(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``sum_{s in j} (x + v) >= lambda sum_s (x + v)``."""
    return _shares(inputs, index, count, "share_min")


def accelerator_limits(inputs: Inputs) -> list[tuple[NDArray[np.bool_], float, float, int]]:
    """Which sites, limit without a license, limit with one, and the tier's number (-1: no license helps)."""
    found = []
    for country, most in sorted(inputs.scenario.limits.accelerators.items()):
        found.append((matching(inputs.sites, {"country": country}), float(most), float(most), -1))
    for number, tier in enumerate(inputs.scenario.limits.accelerator_tiers):
        found.append(
            (
                matching(inputs.sites, tier.where),
                float(tier.without_license),
                float(tier.with_license),
                number,
            )
        )
    return found


def accelerators_per_mw(inputs: Inputs) -> Floats:
    """Export-controlled accelerators per MW of each workload, (W,)."""
    found = np.zeros(len(inputs.workloads))
    for w, (load, profile) in enumerate(zip(inputs.workloads, inputs.profiles, strict=True)):
        most = float(inputs.demand_mw[w].max(initial=0.0))
        if load.accelerators is not None and most > 0:
            found[w] = load.accelerators / most
        else:
            found[w] = profile.accelerators_per_mw
    return found


def accelerators(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``sum gam (x + v) <= A0 + (A1 - A0) h`` in thousands; h only after the license lead time."""
    wanted = accelerator_limits(inputs)
    if not wanted:
        return None
    periods = len(inputs.period_start)
    rows = Rows(len(wanted) * periods, count)
    per_mw = accelerators_per_mw(inputs)[inputs.slot_workload] / 1000.0
    terms = inputs.scenario.licenses
    delay = 0.0 if isinstance(terms, str) else terms.delay_months / 12.0
    granted = terms != "assume-denied"
    for row, (inside, without, with_, tier) in enumerate(wanted):
        own = inside[inputs.slot_site]
        at = row * periods + np.arange(periods)
        for column in (index.place, index.spare):
            rows.add(at[None, :], column[own], np.broadcast_to(per_mw[own][:, None], column[own].shape))
        if tier >= 0 and granted:
            begin = inputs.period_start if inputs.scenario.periods else np.array([np.inf])
            ready = begin >= inputs.scenario.as_of_year + delay
            rows.add(at[ready], index.license[tier][ready], (without - with_) / 1000.0)
    i, p = _grid_of(len(wanted), periods)
    return rows.block(
        "accelerators",
        -INF,
        np.array([entry[1] for entry in wanted])[i] / 1000.0,
        {"tier": i, "period": p},
        unit="accelerators",
        step=1000.0,
        repair=REPAIR["accelerators"],
        group=("tier",),
    )


# --- carbon and latency ---------------------------------------------------------------------------------------


def _per_period(inputs: Inputs, p: int) -> Floats:
    one = np.zeros(len(inputs.period_start))
    one[p] = 1.0
    return one


def carbon_cap(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``sum q x + block terms <= cap`` in every period; spare does not count."""
    cap = inputs.scenario.limits.carbon_t_per_year
    if cap is None:
        return None
    periods = len(inputs.period_start)
    rows = Rows(periods, count)
    every = np.arange(count)
    for p in range(periods):
        rows.add(p, every, carbon_vector(inputs, index, count, _per_period(inputs, p)))
    return rows.block(
        "carbon_cap",
        -INF,
        cap / T_PER_KT,
        {"period": np.arange(periods)},
        unit="t/year",
        step=T_PER_KT,
        repair=REPAIR["carbon_cap"],
    )


def carbon_intensity(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``sum q x + block terms <= limit x IT energy``: kg per MWh of IT energy, so cooling counts."""
    limit = inputs.scenario.limits.carbon_kg_per_mwh
    if limit is None:
        return None
    periods = len(inputs.period_start)
    rows = Rows(periods, count)
    every = np.arange(count)
    kt_per_gwh = limit * MWH_PER_GWH / KG_PER_TONNE / T_PER_KT
    for p in range(periods):
        one = _per_period(inputs, p)
        carbon = carbon_vector(inputs, index, count, one)
        rows.add(p, every, carbon - kt_per_gwh * energy_vector(inputs, index, count, one))
    return rows.block(
        "carbon_intensity",
        -INF,
        0.0,
        {"period": np.arange(periods)},
        unit="t/year",
        step=T_PER_KT,
        repair=REPAIR["carbon_intensity"],
    )


def coverage(inputs: Inputs, index: Index, count: int) -> Block | None:
    """Demand beyond ``max_rtt_ms`` (far arcs and the pool) ``<= (1 - coverage) sum_u D``."""
    loads = np.array(
        [
            w
            for w, load in enumerate(inputs.workloads)
            if inputs.has_arcs[w]
            and load.max_rtt_ms is not None
            and (load.coverage < 1 or load.hard_rtt_ms is not None or inputs.pooled[w])
        ],
        dtype=np.int64,
    )
    if not len(loads):
        return None
    periods = len(inputs.period_start)
    number = np.full(len(inputs.workloads), -1)
    number[loads] = np.arange(len(loads))
    rows = Rows(len(loads) * periods, count)
    far = ~inputs.arcs.covered
    arc_load = number[inputs.points.workload[inputs.arcs.point]]
    rows.add(_row(arc_load[far], periods), index.serve[far], 1.0)
    rows.add(_row(number[inputs.points.workload], periods), index.uncovered, 1.0)
    i, p = _grid_of(len(loads), periods)
    share = np.array([1.0 - inputs.workloads[w].coverage for w in loads])
    return rows.block(
        "coverage",
        -INF,
        share[i] * inputs.demand_mw[loads[i], p],
        {"workload": loads[i], "period": p},
        unit="MW",
        repair=REPAIR["coverage"],
        group=("workload",),
    )


def latency_mean(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``sum rtt f <= limit sum_u D``."""
    loads = np.array(
        [w for w, load in enumerate(inputs.workloads) if load.mean_rtt_ms is not None and inputs.has_arcs[w]],
        dtype=np.int64,
    )
    if not len(loads):
        return None
    periods = len(inputs.period_start)
    number = np.full(len(inputs.workloads), -1)
    number[loads] = np.arange(len(loads))
    rows = Rows(len(loads) * periods, count)
    arc_load = number[inputs.points.workload[inputs.arcs.point]]
    rows.add(_row(arc_load, periods), index.serve, inputs.arcs.rtt_ms[:, None])
    i, p = _grid_of(len(loads), periods)
    limit = np.array([float(inputs.workloads[w].mean_rtt_ms or 0.0) for w in loads])
    return rows.block(
        "latency_mean",
        -INF,
        limit[i] * inputs.demand_mw[loads[i], p],
        {"workload": loads[i], "period": p},
        unit="MW x ms",
        repair=REPAIR["latency_mean"],
        group=("workload",),
    )


# --- interruptible load, time, modules, survival ---------------------------------------------------------------


def run_block(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``e <= iota hours_b x / 1000``: energy of a price block within the hours of the block."""
    runs = inputs.runs
    periods = len(inputs.period_start)
    if not len(runs.slot):
        return None
    r, p = _grid_of(len(runs.slot), periods)
    rows = Rows(len(r), count)
    each = np.arange(len(r))
    rows.add(each, index.run[r, p], 1.0)
    room = inputs.interruptible[runs.slot[r]] * runs.hours[r] / MWH_PER_GWH
    rows.add(each, index.place[runs.slot[r], p], -room)
    return rows.block(
        "run_block", -INF, 0.0, {"slot": runs.slot[r], "block": runs.block[r], "period": p}, unit="GWh"
    )


def _grow(inputs: Inputs, column: Ints, count: int, family: str, members: Ints, axis: str) -> Block | None:
    """``z_p >= z_p-1`` for some members of a family."""
    periods = len(inputs.period_start)
    if periods < 2 or not len(members):
        return None
    i, p = _grid_of(len(members), periods - 1)
    m = members[i]
    rows = Rows(len(m), count)
    each = np.arange(len(m))
    rows.add(each, column[m, p + 1], 1.0).add(each, column[m, p], -1.0)
    return rows.block(family, 0.0, INF, {axis: m, "period": p + 1})


def grow_open(inputs: Inputs, index: Index, count: int) -> Block | None:
    """A hall that is open stays open."""
    return _grow(inputs, index.open, count, "grow_open", np.flatnonzero(~inputs.hall_existing), "hall")


def grow_built(inputs: Inputs, index: Index, count: int) -> Block | None:
    """What is built stays built."""
    return _grow(inputs, index.built, count, "grow_built", np.flatnonzero(~inputs.hall_existing), "hall")


def retire(inputs: Inputs, index: Index, count: int) -> Block | None:
    """A retired hall stays retired: ``o_p <= o_p-1`` for halls that stand today."""
    members = np.flatnonzero(inputs.hall_existing & ~inputs.hall_fixed)
    block = _grow(inputs, index.open, count, "retire", members, "hall")
    if block is None:
        return None
    return Block(block.family, block.matrix, -block.upper, -block.lower, block.labels)


def no_migration(inputs: Inputs, index: Index, count: int) -> Block | None:
    """With ``no_migration``, load stays where it is."""
    if not inputs.scenario.no_migration:
        return None
    members = np.arange(len(inputs.slot_hall))
    return _grow(inputs, index.place, count, "no_migration", members, "slot")


def modules(inputs: Inputs, problem: Problem, index: Index) -> Block | None:
    """``C = module_mw x whole number`` for new halls."""
    size = inputs.scenario.solver.module_mw
    if size is None:
        return None
    family = problem.columns.families.index("modules")
    columns = np.flatnonzero(problem.columns.family == family)
    axes = problem.columns.labels[family].axes
    h, p = axes["hall"], axes["period"]
    rows = Rows(len(columns), len(problem.columns))
    each = np.arange(len(columns))
    rows.add(each, index.built[h, p], 1.0).add(each, columns, -float(size))
    return rows.block("modules", 0.0, 0.0, {"hall": h, "period": p}, unit="MW")


def survive_sum(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``T = sum_s (x + v)`` for loads without arcs that must survive a failure."""
    w, p = np.nonzero(index.total >= 0)
    if not len(w):
        return None
    rows = Rows(len(w), count)
    for row, (load, period) in enumerate(zip(w, p, strict=True)):
        own = inputs.slot_workload == load
        rows.add(row, index.place[own, period], 1.0).add(row, index.spare[own, period], 1.0)
        rows.add(row, index.total[load, period], -1.0)
    return rows.block("survive_sum", 0.0, 0.0, {"workload": w, "period": p}, unit="MW")


def survive_total(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``T - sum_{s in z} (x + v) >= theta D``: what is left when a zone fails."""
    kind = inputs.scenario.limits.n_minus_1
    w, p = np.nonzero(index.total >= 0)
    if kind is None or not len(w):
        return None
    names, zone = inputs.zones(kind)
    rows = Rows(len(w) * len(names), count)
    labels: list[tuple[int, int, int]] = []
    for i, (load, period) in enumerate(zip(w, p, strict=True)):
        own = np.flatnonzero(inputs.slot_workload == load)
        at = i * len(names) + zone[inputs.slot_site[own]]
        rows.add(at, index.place[own, period], -1.0).add(at, index.spare[own, period], -1.0)
        rows.add(i * len(names) + np.arange(len(names)), index.total[load, period], 1.0)
        labels += [(z, int(load), int(period)) for z in range(len(names))]
    z, w_, p_ = np.array(labels).T
    first = np.array([int(np.flatnonzero(zone == number)[0]) for number in range(len(names))])
    return rows.block(
        "survive_total",
        inputs.survive[w_] * inputs.demand_mw[w_, p_],
        INF,
        {"site": first[z], "workload": w_, "period": p_},
        unit="MW",
        repair=REPAIR["survive_total"],
        group=("workload",),
    )


# --- cuts -----------------------------------------------------------------------------------------------------


def strong_arc(inputs: Inputs, index: Index, count: int, x: Floats | None = None) -> Block | None:
    """``f <= D_u y`` (or ``D_u b`` where the load has blocks): all rows, or those that ``x`` violates."""
    arcs, points = inputs.arcs, inputs.points
    periods = len(inputs.period_start)
    if not len(arcs.site):
        return None
    a, p = _grid_of(len(arcs.site), periods)
    load = points.workload[arcs.point[a]]
    share = inputs.demand_mw[load, p] * points.share[arcs.point[a]]
    gate = index.block_on[arcs.site[a], load, p]
    gate = np.where(gate >= 0, gate, index.used[arcs.site[a], p])
    flow = index.serve[a, p]
    if x is not None:
        chosen = np.flatnonzero(x[flow] - share * x[gate] > 1e-6 + 1e-4 * share)
        a, p, load, gate, flow = a[chosen], p[chosen], load[chosen], gate[chosen], flow[chosen]
        share = share[chosen]
    if not len(a):
        return None
    rows = Rows(len(a), count)
    each = np.arange(len(a))
    rows.add(each, flow, 1.0).add(each, gate, -share)
    return rows.block(
        "strong_arc",
        -INF,
        0.0,
        {"site": arcs.site[a], "workload": load, "region": points.number[arcs.point[a]], "period": p},
        unit="MW",
    )


def describe(block: Block, row: int, inputs: Inputs) -> dict[str, Any]:
    """Axes of a row in words."""
    names = inputs.names
    return {
        axis: names[axis][int(values[row])] if axis in names else int(values[row])
        for axis, values in block.labels.axes.items()
    }
