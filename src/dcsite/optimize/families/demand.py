"""Demand, the halls that carry it, blocks of a load, and the links between them (families 1 to 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dcsite.optimize.columns import INF, eligible_sites, grid_of, group_rows, shape_of
from dcsite.optimize.families.penalties import REPAIR
from dcsite.optimize.problem import Rows

if TYPE_CHECKING:
    from dcsite.optimize.columns import Index
    from dcsite.optimize.inputs import Floats, Inputs, Ints
    from dcsite.optimize.problem import Block


def demand_region(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``sum_s f + uncovered = D_u`` (``<=`` for optional loads)."""
    points = inputs.points
    periods = len(inputs.period_start)
    if not len(points.workload):
        return None
    rows = Rows(len(points.workload) * periods, count)
    q, p = grid_of(len(points.workload), periods)
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
    i, p = grid_of(len(loads), periods)
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
    rows.add(group_rows(slot_row, periods), index.place, -1.0)
    i, p = grid_of(len(s), periods)
    return rows.block("serve_link", 0.0, 0.0, {"site": s[i], "workload": w[i], "period": p}, unit="MW")


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
    rows.add(group_rows(number[inputs.points.workload], periods), index.uncovered, -1.0)
    i, p = grid_of(len(loads), periods)
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
    h, p = grid_of(halls, periods)
    rows.add(np.arange(halls * periods), index.built[h, p], -1.0)
    return rows.block("hall", -INF, 0.0, {"hall": h, "period": p}, unit="MW")


def hall_max(inputs: Inputs, index: Index, count: int) -> Block:
    """``C <= Cmax o``."""
    _, _, periods, halls, _ = shape_of(inputs)
    h, p = grid_of(halls, periods)
    rows = Rows(len(h), count)
    each = np.arange(len(h))
    rows.add(each, index.built[h, p], 1.0).add(each, index.open[h, p], -inputs.hall_max_mw[h, p])
    return rows.block("hall_max", -INF, 0.0, {"hall": h, "period": p}, unit="MW")


def hall_min(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``C >= C0 o`` for halls that stand: they keep their size until they are retired."""
    existing = np.flatnonzero(inputs.hall_existing)
    if not len(existing):
        return None
    i, p = grid_of(len(existing), len(inputs.period_start))
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
    s, p = grid_of(sites, periods)
    rows.add(np.arange(len(s)), index.used[s, p], -least)
    return rows.block("site_min", 0.0, INF, {"site": s, "period": p}, unit="MW", repair=3.0, group=())


def strong_place(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``x + v <= min(D_w, Cmax) o`` for halls that several loads share (else ``hall_max`` says it)."""
    periods = len(inputs.period_start)
    shared = np.bincount(inputs.slot_hall, minlength=len(inputs.hall_site))[inputs.slot_hall] > 1
    slots = np.flatnonzero(shared)
    if not len(slots):
        return None
    i, p = grid_of(len(slots), periods)
    n = slots[i]
    h = inputs.slot_hall[n]
    most = np.minimum(inputs.demand_mw[inputs.slot_workload[n], p], inputs.hall_max_mw[h, p])
    rows = Rows(len(n), count)
    each = np.arange(len(n))
    rows.add(each, index.place[n, p], 1.0).add(each, index.spare[n, p], 1.0)
    rows.add(each, index.open[h, p], -most)
    return rows.block("strong_place", -INF, 0.0, {"slot": n, "period": p}, unit="MW")


def _blocks(inputs: Inputs, index: Index) -> tuple[Ints, Ints, Ints, Ints]:
    """Site, workload and period of each block, and its row by site and workload (S, W), -1 where none is."""
    number = np.full((len(inputs.site_ids), len(inputs.workloads)), -1)
    s, w = np.nonzero(index.block_on[:, :, 0] >= 0)
    number[s, w] = np.arange(len(s))
    i, p = grid_of(len(s), len(inputs.period_start))
    return s[i], w[i], p, number


def _block_rows(inputs: Inputs, index: Index, count: int, columns: Ints) -> tuple[Rows, Ints, Ints, Ints]:
    """Rows with the sum of ``columns`` (N, P) over the slots of each block, and the axes of the rows."""
    s, w, p, number = _blocks(inputs, index)
    rows = Rows(len(s), count)
    own = number[inputs.slot_site, inputs.slot_workload]
    rows.add(group_rows(own, len(inputs.period_start)), columns, 1.0)
    return rows, s, w, p


def block_min(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``sum_k x >= q b``: no slivers."""
    rows, s, w, p = _block_rows(inputs, index, count, index.place)
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
    rows, s, w, p = _block_rows(inputs, index, count, index.place)
    rows.add(np.arange(len(s)), index.block_on[s, w, p], -block_room(inputs)[s, w, p])
    return rows.block("block_max", -INF, 0.0, {"site": s, "workload": w, "period": p}, unit="MW")


def block_open(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``b <= sum of o`` over the halls that take the load: without it a block could be on in a closed hall."""
    rows, s, w, p = _block_rows(inputs, index, count, index.open[inputs.slot_hall])
    rows.add(np.arange(len(s)), index.block_on[s, w, p], -1.0)
    return rows.block("block_open", 0.0, INF, {"site": s, "workload": w, "period": p})


def block_used(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``b <= y``: two half-open halls do not make a site."""
    s, w, p, _ = _blocks(inputs, index)
    rows = Rows(len(s), count)
    each = np.arange(len(s))
    rows.add(each, index.used[s, p], 1.0).add(each, index.block_on[s, w, p], -1.0)
    return rows.block("block_used", 0.0, INF, {"site": s, "workload": w, "period": p})


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
    i, p = grid_of(len(loads), len(inputs.period_start))
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
    h, p = grid_of(halls, periods)
    rows = Rows(len(h), count)
    each = np.arange(len(h))
    rows.add(each, index.used[inputs.hall_site[h], p], 1.0).add(each, index.open[h, p], -1.0)
    return rows.block("used_low", 0.0, INF, {"hall": h, "period": p})


def used_high(inputs: Inputs, index: Index, count: int) -> Block:
    """``y <= sum_k o``: with ``used_low`` this makes y whole where o is."""
    sites, _, periods, _, _ = shape_of(inputs)
    rows = Rows(sites * periods, count)
    rows.add(inputs.hall_site[:, None] * periods + np.arange(periods), index.open, 1.0)
    s, p = grid_of(sites, periods)
    rows.add(np.arange(len(s)), index.used[s, p], -1.0)
    return rows.block("used_high", 0.0, INF, {"site": s, "period": p})


def strong_arc(inputs: Inputs, index: Index, count: int, x: Floats | None = None) -> Block | None:
    """``f <= D_u y`` (or ``D_u b`` where the load has blocks): all rows, or those that ``x`` violates."""
    arcs, points = inputs.arcs, inputs.points
    periods = len(inputs.period_start)
    if not len(arcs.site):
        return None
    a, p = grid_of(len(arcs.site), periods)
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
