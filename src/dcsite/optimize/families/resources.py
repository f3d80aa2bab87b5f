"""What a site has: grid, land and water (families 7 to 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dcsite.optimize.columns import INF, grid_of, group_rows, shape_of
from dcsite.optimize.families.penalties import REPAIR
from dcsite.optimize.inputs import M2_PER_THOUSAND, M3_PER_THOUSAND, matching
from dcsite.optimize.problem import Rows, selected

if TYPE_CHECKING:
    from dcsite.optimize.columns import Index
    from dcsite.optimize.inputs import Inputs, Ints
    from dcsite.optimize.problem import Block


def grid(inputs: Inputs, index: Index, count: int) -> Block:
    """``sum pue_pk (x + v) <= G y`` in the design hour, spare and interruptible load included."""
    sites, _, periods, _, _ = shape_of(inputs)
    rows = Rows(sites * periods, count)
    at = inputs.slot_site[:, None] * periods + np.arange(periods)
    peak = np.broadcast_to(inputs.pue_peak[:, None], at.shape)
    rows.add(at, index.place, peak).add(at, index.spare, peak)
    s, p = grid_of(sites, periods)
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


def grid_zone(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``sum_{s in z} pue_pk (x + v) <= G_z``: sites behind one network share its limit."""
    zones = inputs.scenario.limits.grid_zone
    if not zones:
        return None
    periods = len(inputs.period_start)
    rows = Rows(len(zones) * periods, count)
    for row, entry in enumerate(zones):
        own = np.flatnonzero(matching(inputs.sites, entry.where)[inputs.slot_site])
        at = row * periods + np.arange(periods)
        peak = np.broadcast_to(inputs.pue_peak[own][:, None], (len(own), periods))
        rows.add(at[None, :], index.place[own], peak).add(at[None, :], index.spare[own], peak)
    i, p = grid_of(len(zones), periods)
    return rows.block(
        "grid_zone",
        -INF,
        np.array([entry.grid_mw for entry in zones])[i],
        {"grid_zone": i, "period": p},
        unit="MW",
        repair=REPAIR["grid_zone"],
        group=("grid_zone",),
    )


def _peaks(inputs: Inputs, index: Index, count: int) -> tuple[Rows, Ints, Ints, Ints]:
    """Rows with ``m`` of each meter and period, the axes of the rows, and the row of each slot (N, P)."""
    periods = len(inputs.period_start)
    rows = Rows(index.peak.size, count)
    m, p = grid_of(len(inputs.meters.site), periods)
    rows.add(np.arange(len(m)), index.peak[m, p], 1.0)
    return rows, m, p, group_rows(inputs.meters.slot, periods)


def peak(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``m >= sum pue_pk chi x``: the billed peak is that of the loads that run at the peak."""
    rows, m, p, at = _peaks(inputs, index, count)
    rows.add(at, index.place, -(inputs.pue_peak * inputs.meters.counts)[:, None])
    return rows.block("peak", 0.0, INF, {"meter": m, "period": p}, unit="MW")


def peak_min(inputs: Inputs, index: Index, count: int) -> Block | None:
    """``m >= least sum pue_pk (x + v)``: the minimum bill counts all that is connected, spare included."""
    rows, m, p, at = _peaks(inputs, index, count)
    ratio = np.append(inputs.meters.least, 0.0)[inputs.meters.slot]
    billed = -(inputs.pue_peak * ratio)[:, None]
    rows.add(at, index.place, billed).add(at, index.spare, billed)
    keep = np.flatnonzero(inputs.meters.least[m] > 0)
    made = rows.block("peak_min", 0.0, INF, {"meter": m, "period": p}, unit="MW")
    return selected(made, keep) if len(keep) else None


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
    at = group_rows(number[inputs.slot_site], periods)
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
    i, p = grid_of(len(sites), len(inputs.period_start))
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
    i, p = grid_of(len(known), len(inputs.period_start))
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
    at = group_rows(number[inputs.slot_site], periods)
    use = np.broadcast_to(inputs.withdrawal_peak[:, None], at.shape)
    rows.add(at, index.place, use).add(at, index.spare, use)
    i, p = grid_of(len(sites), periods)
    return rows.block(
        "water_hour",
        -INF,
        inputs.water_m3_per_hour[sites[i]],
        {"site": sites[i], "period": p},
        unit="m3/h",
        repair=REPAIR["water_hour"],
        group=("site",),
    )
