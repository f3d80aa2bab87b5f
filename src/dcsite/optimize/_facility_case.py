"""A facility-location instance that passed its checks, and the plain arithmetic that judges plans of it.

Nothing here uses a solver: costs of plans, limits and the reasons why an instance has no plan are numpy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

TOLERANCE = 1e-6
"""Relative slack that a plan may take of a capacity or a whole client: the solver's own feasibility tolerance."""


@dataclass(frozen=True)
class Case:
    """Arrays of one instance: m sites, n clients; ``cost`` serves all of a client, inf forbids."""

    fixed: NDArray[np.float64]  # (m,)
    cost: NDArray[np.float64]  # (m, n)
    capacity: NDArray[np.float64] | None = None  # (m,)
    demand: NDArray[np.float64] | None = None  # (n,)
    p: int | None = None
    single_source: bool = False

    @property
    def m(self) -> int:
        """Number of sites."""
        return int(self.cost.shape[0])

    @property
    def n(self) -> int:
        """Number of clients."""
        return int(self.cost.shape[1])

    @property
    def splits(self) -> bool:
        """Whether a client may be served by several sites in the best plan."""
        return self.capacity is not None and not self.single_source

    @cached_property
    def whole_costs(self) -> bool:
        """Whether every plan costs an integer: integral costs that doubles hold exactly, and no split client."""
        if self.splits:
            return False
        if not (self.fixed == np.rint(self.fixed)).all():
            return False
        total = float(np.abs(self.fixed).sum())
        for start in range(0, self.m, 256):
            rows = self.cost[start : start + 256]
            known = np.where(np.isinf(rows), 0.0, rows)
            if not (known == np.rint(known)).all():
                return False
            total = max(total, float(np.abs(known).max(initial=0.0)) * self.n)
        return total < 2**52

    @cached_property
    def forbidden(self) -> bool:
        """Whether some arc is forbidden."""
        return bool(np.isinf(self.cost).any())


@dataclass(frozen=True)
class Answer:
    """A plan that was evaluated here: open sites, their arcs with fractions, and the cost."""

    objective: float
    opened: NDArray[np.int64]
    site: NDArray[np.int64]
    client: NDArray[np.int64]
    share: NDArray[np.float64]

    def assignment(self, case: Case) -> csr_array:
        """Fractions as CSR (m, n), sorted."""
        matrix = csr_array((self.share, (self.site, self.client)), shape=(case.m, case.n))
        matrix.sort_indices()
        return matrix


def evaluate(
    case: Case,
    opened: NDArray[np.int64],
    site: NDArray[np.int64],
    client: NDArray[np.int64],
    share: NDArray[np.float64],
) -> Answer | None:
    """Judge a plan: its cost if it keeps every limit, else None.

    Shares are cut to [0, 1] and divided by their sum per client first, which must be 1 within ``TOLERANCE``.
    """
    opened = np.unique(np.asarray(opened, dtype=np.int64))
    share = np.clip(np.asarray(share, dtype=np.float64), 0.0, 1.0)
    keep = share > 1e-9
    site, client, share = site[keep], client[keep], share[keep]
    total = np.bincount(client, share, case.n)
    if case.n and (np.abs(total - 1.0) > TOLERANCE).any():
        return None
    share = share / total[client]
    is_open = np.zeros(case.m, dtype=bool)
    is_open[opened] = True
    if not is_open[site].all() or (case.p is not None and opened.size != case.p):
        return None
    if (not case.splits or case.single_source) and (share != 1.0).any():
        return None
    if case.capacity is not None and case.demand is not None:
        used = np.bincount(site, share * case.demand[client], case.m)
        if (used > case.capacity * (1 + TOLERANCE)).any():
            return None
    order = np.lexsort((client, site))
    site, client, share = site[order], client[order], share[order]
    paid = case.cost[site, client]
    if not np.isfinite(paid).all():
        return None
    objective = math.fsum(case.fixed[opened]) + math.fsum(share * paid)
    return Answer(objective, opened, site, client, share)


def serve_nearest(case: Case, opened: NDArray[np.int64]) -> Answer | None:
    """The plan without capacities that has exactly these sites open: everyone at the cheapest, ties to the first."""
    opened = np.unique(np.asarray(opened, dtype=np.int64))
    if case.n == 0:
        none = np.zeros(0, dtype=np.int64)
        return evaluate(case, opened, none, none, np.zeros(0))
    if opened.size == 0:
        return None
    site = opened[case.cost[opened].argmin(axis=0)]
    return evaluate(case, opened, site, np.arange(case.n), np.ones(case.n))


def no_plan_reason(case: Case) -> str:
    """Why no plan can exist, by arithmetic alone; empty if that shows nothing."""
    if case.p is not None and case.p > case.m:
        return f"p = {case.p} sites asked, {case.m} exist"
    if case.p == 0 and case.n:
        return f"p = 0 sites cannot serve {case.n} clients"
    if case.capacity is None or case.demand is None:
        return ""
    total = math.fsum(case.demand)
    largest = np.sort(case.capacity)[::-1]
    most = math.fsum(largest if case.p is None else largest[: case.p])
    slack = 1 + TOLERANCE / 2
    if total > most * slack:
        which = "all sites" if case.p is None else f"the {case.p} largest sites"
        return f"demand {total:g} exceeds the capacity {most:g} of {which}"
    for j in np.flatnonzero(case.demand > 0):
        able = np.isfinite(case.cost[:, j])
        reach = case.capacity[able]
        top = float(reach.max(initial=0.0) if case.single_source else reach.sum())
        if case.demand[j] > top * slack:
            kind = "largest capacity" if case.single_source else "capacity"
            return (
                f"demand[{j}] = {case.demand[j]:g} exceeds the {kind} {top:g} of the sites that may serve it"
            )
    return ""


def _first(bad: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(k) for k in np.argwhere(bad)[0])


def _vector(name: str, value: ArrayLike, length: int, letter: str) -> NDArray[np.float64]:
    array = np.array(value, dtype=np.float64)
    if array.shape != (length,):
        msg = f"{name} has shape {array.shape}, expected ({length},): one entry per {letter}"
        raise ValueError(msg)
    if not np.isfinite(array).all():
        (k,) = _first(~np.isfinite(array))
        msg = f"{name}[{k}] is {array[k]:g}: must be a finite number"
        raise ValueError(msg)
    return array


def checked_case(
    fixed_cost: ArrayLike,
    cost: ArrayLike,
    capacity: ArrayLike | None,
    demand: ArrayLike | None,
    p: int | None,
    *,
    single_source: bool,
) -> Case:
    """Turn the arguments of ``facility_location`` into a case.

    Raises
    ------
    ValueError
        Naming the array and the index, if a shape, a sign or a number is wrong.
    """
    matrix = np.ascontiguousarray(cost, dtype=np.float64)
    if matrix.ndim != 2:
        msg = f"cost has shape {matrix.shape}, expected (m, n): sites x clients"
        raise ValueError(msg)
    m, n = matrix.shape
    fixed = _vector("fixed_cost", fixed_cost, m, "site (row of cost)")
    served = np.zeros(n, dtype=bool)
    for start in range(0, m, 256):
        rows = matrix[start : start + 256]
        finite = np.isfinite(rows)
        if not finite.all():
            bad = np.isnan(rows) | np.isneginf(rows)
            if bad.any():
                i, j = _first(bad)
                msg = f"cost[{start + i}, {j}] is {rows[i, j]:g}: must be a number, or inf to forbid the arc"
                raise ValueError(msg)
        served |= finite.any(axis=0)
    if not served.all():
        (j,) = _first(~served)
        msg = f"cost[:, {j}] is inf for every site: client {j} cannot be served"
        raise ValueError(msg)
    if (capacity is None) != (demand is None):
        given, missing = ("capacity", "demand") if demand is None else ("demand", "capacity")
        msg = f"{given} is given without {missing}: they come together"
        raise ValueError(msg)
    room = need = None
    if capacity is not None and demand is not None:
        room = _vector("capacity", capacity, m, "site (row of cost)")
        need = _vector("demand", demand, n, "client (column of cost)")
        for name, array in (("capacity", room), ("demand", need)):
            if (array < 0).any():
                (k,) = _first(array < 0)
                msg = f"{name}[{k}] is {array[k]:g}: must be >= 0"
                raise ValueError(msg)
    if p is not None and (isinstance(p, bool) or int(p) != p or p < 0):
        msg = f"p is {p!r}: must be a whole number >= 0, the number of open sites"
        raise ValueError(msg)
    return Case(fixed, matrix, room, need, None if p is None else int(p), single_source=bool(single_source))
