"""Facility location as arrays for a solver: whole models, and models on some arcs with relaxation columns.

Columns: ``y`` (one per site), then ``x`` (one per kept arc), then one relaxation column per client that lost arcs.
Costs are multiplied by ``scale`` and capacity rows divided by the capacity, so that the solver's absolute tolerances
mean the same in every unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

from dcsite.optimize.highs import Arrays

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dcsite.optimize._facility_case import Case


@dataclass(frozen=True)
class Arcs:
    """Kept arcs, sorted by site, then client."""

    site: NDArray[np.int64]  # (A,)
    client: NDArray[np.int64]  # (A,)

    @property
    def size(self) -> int:
        """Number of arcs."""
        return self.site.size


@dataclass(frozen=True)
class Model:
    """Solver arrays, and where their columns come from."""

    arrays: Arrays
    arcs: Arcs
    relaxed: NDArray[np.int64]  # clients with a relaxation column
    scale: float
    m: int


def usable(case: Case) -> NDArray[np.bool_]:
    """Arcs that a plan can use at all, shape (m, n)."""
    able = np.isfinite(case.cost)
    if case.capacity is not None and case.demand is not None:
        if case.single_source:
            able &= case.demand[None, :] <= case.capacity[:, None] * (1 + 1e-9)
        else:
            able &= ~((case.capacity[:, None] == 0) & (case.demand[None, :] > 0))
    return able


def all_arcs(case: Case) -> Arcs:
    """Every arc that a plan can use."""
    site, client = np.nonzero(usable(case))
    return Arcs(site, client)


def build(
    case: Case,
    arcs: Arcs,
    *,
    strong: bool,
    scale: float = 1.0,
    lower: NDArray[np.float64] | None = None,
    upper: NDArray[np.float64] | None = None,
    relaxed: NDArray[np.int64] | None = None,
    relaxed_cost: NDArray[np.float64] | None = None,
    cover: float | None = None,
) -> Model:
    """Arrays of the model on some arcs.

    Parameters
    ----------
    strong
        ``x <= y`` for every arc; else only for arcs whose demand is too small for the capacity row to hold them.
    lower, upper : ndarray, shape (m,)
        Bounds of ``y``: sites proved open or closed.
    relaxed, relaxed_cost
        Clients with a relaxation column, and its cost. It serves the client without using any site's capacity, so
        the model's bound holds for all arcs as long as the cost is at most that of every arc left out.
    cover
        Least capacity that must be open.
    """
    m, n, a = case.m, case.n, arcs.size
    site, client = arcs.site, arcs.client
    relaxed = np.zeros(0, dtype=np.int64) if relaxed is None else relaxed
    relaxed_cost = np.zeros(0) if relaxed_cost is None else relaxed_cost
    r = relaxed.size
    width = m + a + r
    x = np.arange(m, m + a)
    ones = np.ones(a)
    # Served once.
    rows = [client, relaxed]
    columns = [x, np.arange(m + a, width)]
    values = [ones, np.ones(r)]
    row_lower, row_upper = [np.ones(n)], [np.ones(n)]
    at = n
    bound_by_y = np.full(a, bool(strong))
    most = np.ones(a)
    if case.capacity is not None and case.demand is not None:
        # Room: a site never needs more than its clients demand.
        load = np.bincount(site, case.demand[client], m)
        room = np.minimum(case.capacity, load)
        holds = room > 0
        share = np.divide(case.demand[client], room[site], out=np.zeros(a), where=room[site] > 0)
        used = share > 0
        number = np.cumsum(holds) - 1
        count = int(holds.sum())
        held = np.flatnonzero(holds)
        rows += [at + number[site[used]], at + np.arange(count)]
        columns += [x[used], held]
        values += [share[used], -np.ones(count)]
        row_lower.append(np.full(count, -np.inf))
        row_upper.append(np.zeros(count))
        at += count
        if not case.single_source:
            most = np.minimum(1.0, np.divide(1.0, share, out=np.ones(a), where=share > 0))
        bound_by_y |= share < 1e-3
        if cover is not None and cover > 0:
            rows.append(np.full(held.size, at))
            columns.append(held)
            values.append(case.capacity[held] / cover)
            row_lower.append(np.ones(1))
            row_upper.append(np.full(1, np.inf))
            at += 1
    limited = np.flatnonzero(bound_by_y)
    rows += [at + np.arange(limited.size), at + np.arange(limited.size)]
    columns += [x[limited], site[limited]]
    values += [np.ones(limited.size), -most[limited]]
    row_lower.append(np.full(limited.size, -np.inf))
    row_upper.append(np.zeros(limited.size))
    at += limited.size
    if case.p is not None:
        rows.append(np.full(m, at))
        columns.append(np.arange(m))
        values.append(np.ones(m))
        row_lower.append(np.full(1, float(case.p)))
        row_upper.append(np.full(1, float(case.p)))
        at += 1
    matrix = csr_array(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(at, width)
    )
    integer = np.zeros(width, dtype=bool)
    integer[:m] = True
    if case.single_source and case.capacity is not None:
        integer[m : m + a] = True
    arrays = Arrays(
        cost=np.concatenate([case.fixed, case.cost[site, client], relaxed_cost]) * scale,
        lower=np.concatenate([np.zeros(m) if lower is None else lower, np.zeros(a + r)]),
        upper=np.concatenate([np.ones(m) if upper is None else upper, np.ones(a + r)]),
        matrix=matrix,
        row_lower=np.concatenate(row_lower),
        row_upper=np.concatenate(row_upper),
        integer=integer,
    )
    return Model(arrays, arcs, relaxed, scale, m)
