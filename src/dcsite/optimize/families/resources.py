"""What a site has: grid, land and water (families 7 to 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dcsite.optimize.columns import INF, grid_of, group_rows, shape_of
from dcsite.optimize.families.penalties import REPAIR
from dcsite.optimize.inputs import M2_PER_THOUSAND, M3_PER_THOUSAND
from dcsite.optimize.problem import Rows

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
