"""Carbon and latency (families 15 to 17; limits on RTT itself are absent columns)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dcsite.optimize.columns import INF, grid_of, group_rows
from dcsite.optimize.families.penalties import REPAIR
from dcsite.optimize.goals import carbon_vector, energy_vector
from dcsite.optimize.inputs import MWH_PER_GWH, T_PER_KT
from dcsite.optimize.problem import Rows
from dcsite.units import KG_PER_TONNE

if TYPE_CHECKING:
    from dcsite.optimize.columns import Index
    from dcsite.optimize.inputs import Floats, Inputs, Ints
    from dcsite.optimize.problem import Block


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


def _load_rows(inputs: Inputs, count: int, loads: Ints) -> tuple[Rows, Ints, Ints, Ints]:
    """Rows per workload of ``loads`` and period; row numbers (Q, P) of the demand points, row labels (w, p)."""
    periods = len(inputs.period_start)
    number = np.full(len(inputs.workloads), -1)
    number[loads] = np.arange(len(loads))
    i, p = grid_of(len(loads), periods)
    return Rows(len(loads) * periods, count), group_rows(number[inputs.points.workload], periods), loads[i], p


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
    rows, of_point, w, p = _load_rows(inputs, count, loads)
    far = ~inputs.arcs.covered
    rows.add(of_point[inputs.arcs.point[far]], index.serve[far], 1.0)
    rows.add(of_point, index.uncovered, 1.0)
    share = np.array([1.0 - load.coverage for load in inputs.workloads])
    return rows.block(
        "coverage",
        -INF,
        share[w] * inputs.demand_mw[w, p],
        {"workload": w, "period": p},
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
    rows, of_point, w, p = _load_rows(inputs, count, loads)
    rows.add(of_point[inputs.arcs.point], index.serve, inputs.arcs.rtt_ms[:, None])
    limit = np.array([float(load.mean_rtt_ms or 0.0) for load in inputs.workloads])
    return rows.block(
        "latency_mean",
        -INF,
        limit[w] * inputs.demand_mw[w, p],
        {"workload": w, "period": p},
        unit="MW x ms",
        repair=REPAIR["latency_mean"],
        group=("workload",),
    )
