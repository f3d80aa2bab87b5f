"""Growth over periods, retirement, whole modules, and the hours of interruptible load (families 18, 19, 4.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dcsite.optimize.columns import INF, eligible_sites, grid_of, group_rows
from dcsite.optimize.inputs import MWH_PER_GWH
from dcsite.optimize.problem import Block, Rows

if TYPE_CHECKING:
    from dcsite.optimize.columns import Index
    from dcsite.optimize.inputs import Inputs, Ints
    from dcsite.optimize.problem import Problem


def run_block(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``e <= iota hours_b x / 1000``: energy of a price block within the hours of the block."""
    runs = inputs.runs
    periods = len(inputs.period_start)
    if not len(runs.slot):
        return None
    r, p = grid_of(len(runs.slot), periods)
    rows = Rows(len(r), count)
    each = np.arange(len(r))
    rows.add(each, index.run[r, p], 1.0)
    room = inputs.interruptible[runs.slot[r]] * runs.hours[r] / MWH_PER_GWH
    rows.add(each, index.place[runs.slot[r], p], -room)
    return rows.block(
        "run_block", -INF, 0.0, {"slot": runs.slot[r], "block": runs.block[r], "period": p}, unit="GWh"
    )


def run_min(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``sum_b e >= iota hours x / 1000``: the hours that an interruptible load must run, at a loss if need be."""
    runs = inputs.runs
    periods = len(inputs.period_start)
    slots, first, inverse = np.unique(runs.slot, return_index=True, return_inverse=True)
    asked = np.flatnonzero(runs.least[first] > 0)
    if not len(asked):
        return None
    number = np.full(len(slots), -1)
    number[asked] = np.arange(len(asked))
    rows = Rows(len(asked) * periods, count)
    rows.add(group_rows(number[inverse], periods), index.run, 1.0)
    i, p = grid_of(len(asked), periods)
    n = slots[asked][i]
    least = inputs.interruptible[n] * runs.least[first][asked][i] / MWH_PER_GWH
    rows.add(np.arange(len(n)), index.place[n, p], -least)
    return rows.block("run_min", 0.0, INF, {"slot": n, "period": p}, unit="GWh")


def _grow(inputs: Inputs, column: Ints, count: int, family: str, members: Ints, axis: str) -> Block | None:
    """``z_p >= z_p-1`` for some members of a family."""
    periods = len(inputs.period_start)
    if periods < 2 or not len(members):
        return None
    i, p = grid_of(len(members), periods - 1)
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
    """``sum_k x_p >= sum_k x_p-1`` per site and load with ``no_migration``: load stays where it is."""
    periods = len(inputs.period_start)
    if not inputs.scenario.no_migration or periods < 2:
        return None
    s, w = np.nonzero(eligible_sites(inputs))
    number = np.full((len(inputs.site_ids), len(inputs.workloads)), -1)
    number[s, w] = np.arange(len(s))
    own = group_rows(number[inputs.slot_site, inputs.slot_workload], periods - 1)
    rows = Rows(len(s) * (periods - 1), count)
    rows.add(own, index.place[:, 1:], 1.0).add(own, index.place[:, :-1], -1.0)
    i, p = grid_of(len(s), periods - 1)
    return rows.block("no_migration", 0.0, INF, {"site": s[i], "workload": w[i], "period": p + 1}, unit="MW")


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
