"""Shares of groups of sites, and accelerators under export rules (family 14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dcsite.optimize.columns import INF, grid_of
from dcsite.optimize.families.penalties import REPAIR
from dcsite.optimize.inputs import accelerator_caps, matching
from dcsite.optimize.problem import Rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dcsite.optimize.columns import Index
    from dcsite.optimize.inputs import Floats, Inputs
    from dcsite.optimize.problem import Block


def _shares(inputs: Inputs, index: Index, count: int, family: str) -> Block | None:
    wanted = [
        (entry, getattr(entry, "max_share" if family == "share_max" else "min_share"))
        for entry in inputs.scenario.limits.share
    ]
    position = np.array([i for i, (_, value) in enumerate(wanted) if value is not None], dtype=np.int64)
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
    i, p = grid_of(len(wanted), periods)
    high = family == "share_max"
    return rows.block(
        family,
        -INF if high else 0.0,
        0.0 if high else INF,
        {"share": position[i], "period": p},
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
    for country, most in accelerator_caps(inputs.scenario, inputs.sites, inputs.profiles).items():
        found.append((matching(inputs.sites, {"country": country}), most, most, -1))
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
    i, p = grid_of(len(wanted), periods)
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
