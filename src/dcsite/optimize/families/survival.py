"""Survival of the loss of a zone by loads without users (family 13; with users: ``optimize/failures.py``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dcsite.optimize.columns import INF
from dcsite.optimize.families.penalties import REPAIR
from dcsite.optimize.problem import Rows

if TYPE_CHECKING:
    from dcsite.optimize.columns import Index
    from dcsite.optimize.inputs import Inputs
    from dcsite.optimize.problem import Block


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
    return rows.block(
        "survive_total",
        inputs.survive[w_] * inputs.demand_mw[w_, p_],
        INF,
        {"failure": z, "workload": w_, "period": p_},
        unit="MW",
        repair=REPAIR["survive_total"],
        group=("workload",),
    )
