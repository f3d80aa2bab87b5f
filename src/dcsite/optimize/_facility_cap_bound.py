"""Lagrangian bound of capacitated facility location: assignment rows relaxed, one continuous knapsack per site.

The value for multipliers ``lam`` (one per client) and ``mu`` (one for "open capacity covers demand") is
``sum(lam) + mu * cover + sum_i min(0, v_i - mu * capacity_i)`` with ``v_i = fixed_i - knapsack_i(lam)``: a bound for
any values, so nothing here has to converge to be right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dcsite.optimize._facility_case import Case
    from dcsite.optimize._facility_near import Near


@dataclass
class CapBound:
    """Best multipliers, the value they prove, reduced costs of sites, and averages of the subproblem's answers."""

    value: float
    lam: NDArray[np.float64]  # (n,)
    mu: float
    reduced: NDArray[np.float64]  # (m,) v_i - mu * capacity_i
    average: NDArray[np.float64]  # (m,) how often a site was open, late rounds weigh more
    rounds: int


def cover_needed(case: Case) -> float:
    """Least open capacity of an integral plan: total demand, rounded up to the common step of all capacities."""
    total = float(case.demand.sum())
    whole = case.capacity[case.capacity > 0]
    if whole.size and (whole == np.rint(whole)).all() and whole.max() < 2**53:
        step = float(np.gcd.reduce(whole.astype(np.int64)))
        return float(np.ceil(total / step * (1 - 1e-12)) * step)
    return total


def knapsack_rows(
    case: Case, lam: NDArray[np.float64], rows: NDArray[np.int64] | None = None
) -> NDArray[np.float64]:
    """Value of every site's continuous knapsack on the whole matrix: plain code for the final bound."""
    demand, capacity = case.demand, case.capacity
    rows = np.arange(case.m) if rows is None else rows
    out = np.zeros(rows.size)
    for at in range(0, rows.size, 128):
        part = rows[at : at + 128]
        worth = lam - case.cost[part]
        np.maximum(worth, 0.0, out=worth)
        used = np.flatnonzero(worth.max(axis=0) > 0)
        if used.size == 0:
            continue
        worth = worth[:, used]
        d = demand[used]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(worth > 0, worth / d, 0.0)
        order = np.argsort(-ratio, axis=1, kind="stable")
        d_sorted = d[order]
        after = np.cumsum(d_sorted, axis=1)
        room = capacity[part][:, None] - (after - d_sorted)
        with np.errstate(divide="ignore", invalid="ignore"):
            take = np.where(d_sorted > 0, np.clip(room / d_sorted, 0.0, 1.0), 1.0)
        out[at : at + 128] = (take * np.take_along_axis(worth, order, axis=1)).sum(axis=1)
    return out


def cover_price(
    v: NDArray[np.float64], capacity: NDArray[np.float64], cover: float
) -> tuple[float, NDArray[np.float64]]:
    """Price of open capacity and the LP answer of ``min v y`` with ``capacity y >= cover``, ``0 <= y <= 1``."""
    y = (v < 0).astype(np.float64)
    have = float(capacity @ y)
    if have >= cover:
        return 0.0, y
    rest = np.flatnonzero((y == 0) & (capacity > 0))
    order = rest[np.argsort(v[rest] / capacity[rest], kind="stable")]
    reach = have + np.cumsum(capacity[order])
    k = int(np.searchsorted(reach, cover * (1 - 1e-15)))
    if k >= order.size:
        k = order.size - 1
    y[order[:k]] = 1.0
    critical = order[k]
    before = have if k == 0 else float(reach[k - 1])
    y[critical] = min(1.0, (cover - before) / capacity[critical])
    return float(v[critical] / capacity[critical]), y


def cap_bound_at(
    case: Case, lam: NDArray[np.float64], v: NDArray[np.float64], cover: float
) -> tuple[float, float, NDArray[np.float64], NDArray[np.float64]]:
    """Bound, price of open capacity, reduced cost of every site and the subproblem's open shares."""
    mu, y = cover_price(v, case.capacity, cover)
    reduced = v - mu * case.capacity
    value = float(lam.sum() + mu * cover + np.minimum(reduced, 0.0).sum())
    slack = 1e-12 * float(np.abs(lam).sum() + mu * cover + np.abs(np.minimum(reduced, 0)).sum())
    return value - slack, mu, reduced, y


def cap_lagrange(
    case: Case,
    near: Near,
    *,
    rounds: int,
    upper: float,
    lam: NDArray[np.float64] | None = None,
    shrink: int = 14,
    theta: float = 1.5,
    stop_theta: float = 2e-3,
) -> CapBound:
    """Raise the bound by a deflected subgradient on short arc lists."""
    m, n = case.m, case.n
    demand, capacity, fixed = case.demand, case.capacity, case.fixed
    cover = cover_needed(case)
    flat = near.site.ravel()
    width = near.site.shape[1]
    if lam is None:
        # A client pays its cheapest arc plus its share of a typical site.
        per_unit = (
            float(np.median(fixed[capacity > 0] / capacity[capacity > 0])) if (capacity > 0).any() else 0.0
        )
        lam = near.cost[:, min(2, width - 1)] + per_unit * demand
        lam = np.where(np.isfinite(lam), lam, near.cost[:, 0])
    cap = near.beyond
    lam = np.minimum(lam, cap)
    best = CapBound(-np.inf, lam.copy(), 0.0, np.zeros(m), np.zeros(m), 0)
    direction = np.zeros(n)
    average = np.zeros(m)
    stale = 0
    work = np.empty_like(near.cost)
    inverse = np.divide(1.0, demand, out=np.full(n, np.inf), where=demand > 0)
    for round_ in range(1, rounds + 1):
        np.subtract(lam[:, None], near.cost, out=work)
        active = np.flatnonzero(work.ravel() > 0)
        worth = work.ravel()[active]
        client = active // width
        at = flat[active]
        ratio = worth * inverse[client]
        finite = ratio[np.isfinite(ratio)]
        top = float(finite.max()) if finite.size else 1.0
        key = at + (1.0 - np.minimum(ratio / (top * 1.0000001), 1.0)) * 0.999
        order = np.argsort(key)
        at, client, worth = at[order], client[order], worth[order]
        d = demand[client]
        after = np.cumsum(d)
        count = np.bincount(at, minlength=m)
        first = np.concatenate([[0], np.cumsum(count)[:-1]])
        base = np.where(
            count > 0, (after - d)[np.minimum(first, max(after.size - 1, 0))] if after.size else 0.0, 0.0
        )
        room = capacity[at] - (after - d - base[at])
        with np.errstate(divide="ignore", invalid="ignore"):
            take = np.where(d > 0, np.clip(room / d, 0.0, 1.0), 1.0)
        v = fixed - np.bincount(at, take * worth, m)
        value, mu, reduced, y = cap_bound_at(case, lam, v, cover)
        if value > best.value:
            if value > best.value + 1e-5 * abs(upper - best.value):
                stale = 0
            best.value, best.lam, best.mu, best.reduced = value, lam.copy(), mu, reduced
        else:
            stale += 1
        best.rounds = round_
        average += (y - average) * max(0.03, 1.0 / round_)
        best.average = average
        g = 1.0 - np.bincount(client, take * y[at], n)
        direction = g + 0.5 * direction
        norm = float(direction @ direction)
        if norm == 0.0 or best.value >= upper * (1 - 1e-9):
            break
        if stale >= shrink:
            theta *= 0.6
            stale = 0
            lam = best.lam.copy()
            direction[:] = 0
            if theta < stop_theta:
                break
            continue
        step = theta * max(upper - value, 1e-7 * abs(upper)) / norm
        lam = np.minimum(lam + step * direction, cap)
    return best
