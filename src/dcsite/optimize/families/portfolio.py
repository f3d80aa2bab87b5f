"""Limits of the portfolio as a whole: counts, money, shares of zones (families 10 to 12), required sites."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from dcsite.optimize.columns import INF, grid_of, shape_of
from dcsite.optimize.families.penalties import REPAIR
from dcsite.optimize.inputs import M
from dcsite.optimize.problem import Rows

if TYPE_CHECKING:
    from dcsite.optimize.columns import Index
    from dcsite.optimize.inputs import Floats, Inputs, Ints
    from dcsite.optimize.problem import Block


LEAST_REQUIRED_MW: Final = 1.0
"""What a required site carries at least where none of its loads asks for a block. [MW]"""


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
    s, p = grid_of(sites, periods)
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
    return rows.block(
        "zone_share",
        -INF,
        0.0,
        {"zone": z, "workload": w_, "period": p_},
        unit="MW",
        repair=REPAIR["zone_share"],
        group=("workload",),
    )
