"""What candidates that were left out of a model could have saved: a Lagrangian bound over all of them.

The linear relaxation over the kept candidates prices every shared row (demand, coverage, carbon, counts ...).
At these prices a candidate stands alone: its best use is a small linear program over its own rows. The value
of the relaxation plus the best uses of all left-out candidates (never above zero) bounds what any plan over
all candidates costs, whatever the prices. Candidates whose best use is below zero are those worth adding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.sparse import csr_array, vstack

from dcsite.errors import LimitReachedError
from dcsite.optimize import highs, model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from dcsite.optimize.inputs import Inputs
    from dcsite.optimize.model import Index
    from dcsite.optimize.problem import Block, Labels, Problem

GOALS: Final = ("cost", "npv", "carbon", "water")
"""Goals whose objective of a candidate does not depend on the other candidates."""

SET_ROWS: Final = ("least_blocks",)
"""Families whose right-hand side follows from the candidates at hand: they bind no plan over more of them."""

CUT_ROUNDS: Final = 6
SAME: Final = 1.0e-9
SAFETY: Final = 1.0e-7
"""Relative room for the solver's tolerance."""


@dataclass(frozen=True)
class Prices:
    """The relaxation over the kept candidates.

    Attributes
    ----------
    value
        Its objective, in the model's units (M USD a year for a cost).
    rows
        Shared rows by label: price, and the bounds of the row.
    """

    value: float
    rows: Mapping[str, tuple[float, float, float]]


@dataclass(frozen=True)
class Gains:
    """Best uses of left-out candidates at given prices.

    Attributes
    ----------
    site_ids
        All candidates of the batch that were not kept.
    gain
        Best use of each, zero or less, shape (len(site_ids),); in the units of :attr:`Prices.value`.
    """

    site_ids: tuple[str, ...]
    gain: NDArray[np.float64]


def can_bound(kind: str) -> bool:
    """Whether a bound over candidates that are not in the model can be given for a goal."""
    return kind in GOALS


def _owners(inputs: Inputs) -> dict[str, NDArray[np.int64]]:
    """Site of each position of the axes that belong to one site."""
    return {
        "site": np.arange(len(inputs.site_ids)),
        "hall": inputs.hall_site,
        "slot": inputs.slot_site,
        "arc": inputs.arcs.site,
        "meter": inputs.meters.site,
        "run": inputs.slot_site[inputs.runs.slot],
    }


def _owner(labels: Labels, owners: Mapping[str, NDArray[np.int64]]) -> NDArray[np.int64] | None:
    """Site of each row or column of these labels, None if they belong to no site."""
    for axis, values in labels.axes.items():
        if axis in owners:
            return np.asarray(owners[axis][values])
    return None


def column_sites(problem: Problem, inputs: Inputs) -> NDArray[np.int64]:
    """Site of each column, -1 for shared ones."""
    owners = _owners(inputs)
    found = np.full(len(problem.columns), -1, dtype=np.int64)
    for labels, first in zip(problem.columns.labels, problem.columns.first, strict=True):
        sites = _owner(labels, owners)
        if sites is not None:
            found[first : first + len(sites)] = sites
    return found


def row_sites(block: Block, inputs: Inputs) -> NDArray[np.int64] | None:
    """Site that each row of a block names, None if its rows name none."""
    return _owner(block.labels, _owners(inputs))


def own_rows(block: Block, inputs: Inputs, column_site: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which rows of a block bind one site alone."""
    sites = _owner(block.labels, _owners(inputs))
    if sites is None:
        return np.zeros(len(block), dtype=bool)
    matrix = block.matrix
    row = np.repeat(np.arange(len(block)), np.diff(matrix.indptr))
    foreign = (column_site[matrix.indices] != sites[row]) & (matrix.data != 0)
    own = np.ones(len(block), dtype=bool)
    own[row[foreign]] = False
    return own


def relaxation(inputs: Inputs) -> Prices | None:
    """Solve the relaxation over the kept candidates; None if it has no solution.

    Raises
    ------
    LimitReachedError
        If the solver stops without an answer.
    """
    from dcsite.optimize import solve

    problem, index = model.build(inputs)
    for family in SET_ROWS:
        problem = problem.without(family)
    problem, outcome = solve.with_cuts(problem, index, inputs, solve.Budget(None, None))
    if outcome.status == "infeasible":
        return None
    if outcome.row_dual is None:
        message = f"the relaxation over the kept candidates stopped: {outcome.status}"
        raise LimitReachedError(message)
    column_site = column_sites(problem, inputs)
    rows: dict[str, tuple[float, float, float]] = {}
    at = 0
    for block in problem.blocks:
        own = own_rows(block, inputs, column_site)
        for row in np.flatnonzero(~own):
            price = float(outcome.row_dual[at + row])
            low, high = float(block.lower[row]), float(block.upper[row])
            if (price > 0 and not np.isfinite(low)) or (price < 0 and not np.isfinite(high)):
                price = 0.0
            if price != 0.0:
                rows[problem.row_label(block, int(row))] = (price, low, high)
        at += len(block)
    return Prices(float(outcome.objective), rows)


def gains(inputs: Inputs, prices: Prices, kept: Sequence[str]) -> Gains | None:
    """Best use of every candidate of ``inputs`` that is not kept.

    Parameters
    ----------
    inputs
        A model over the kept candidates and a batch of others.
    kept
        Ids of the kept candidates; all of them must be in ``inputs``.

    Returns
    -------
    Gains or None
        None where a priced row reads otherwise with more candidates: no bound can be given then.
    """
    problem, index = model.build(inputs)
    column_site = column_sites(problem, inputs)
    is_kept = np.isin(np.array(inputs.site_ids), np.array(list(kept)))
    batch = (column_site >= 0) & ~is_kept[column_site]
    reduced = problem.columns.cost.copy()
    own: list[tuple[csr_array, NDArray[np.float64], NDArray[np.float64]]] = []
    seen: set[str] = set()
    for block in problem.blocks:
        if block.family in SET_ROWS:
            continue
        alone = own_rows(block, inputs, column_site)
        sites = _owner(block.labels, _owners(inputs))
        if sites is not None:
            chosen = np.flatnonzero(alone & ~is_kept[sites])
            if chosen.size:
                own.append((csr_array(block.matrix[chosen]), block.lower[chosen], block.upper[chosen]))
        for row in np.flatnonzero(~alone):
            label = problem.row_label(block, int(row))
            priced = prices.rows.get(label)
            if priced is None:
                continue
            price, low, high = priced
            if not (_same(low, block.lower[row]) and _same(high, block.upper[row])):
                return None
            seen.add(label)
            start, end = block.matrix.indptr[row], block.matrix.indptr[row + 1]
            np.subtract.at(reduced, block.matrix.indices[start:end], price * block.matrix.data[start:end])
    if set(prices.rows) - seen:
        return None
    ids = tuple(name for name, keep in zip(inputs.site_ids, is_kept, strict=True) if not keep)
    value = _alone(problem, index, inputs, reduced, batch, own)
    by_site = np.bincount(column_site[batch], weights=value[batch], minlength=len(inputs.site_ids))
    return Gains(ids, np.minimum(by_site[~is_kept], 0.0))


def _same(first: float, second: float) -> bool:
    return first == second or abs(first - second) <= SAME * max(1.0, abs(first))


def _alone(
    problem: Problem,
    index: Index,
    inputs: Inputs,
    reduced: NDArray[np.float64],
    batch: NDArray[np.bool_],
    own: list[tuple[csr_array, NDArray[np.float64], NDArray[np.float64]]],
) -> NDArray[np.float64]:
    """Reduced cost of every column at the best use of each candidate by itself, shape (n,)."""
    total = len(problem.columns)
    value = np.zeros(total)
    where = np.flatnonzero(batch)
    if not where.size:
        return value
    spread = np.full(total, -1, dtype=np.int64)
    spread[where] = np.arange(where.size)
    columns = problem.columns

    def narrowed(matrix: Any) -> csr_array:  # noqa: ANN401  (a sparse array)
        return csr_array(csr_array(matrix)[:, where])

    empty = csr_array((0, where.size))
    arrays = highs.Arrays(
        reduced[where],
        columns.lower[where],
        columns.upper[where],
        csr_array(vstack([narrowed(part[0]) for part in own], format="csr")) if own else empty,
        np.concatenate([part[1] for part in own]) if own else np.zeros(0),
        np.concatenate([part[2] for part in own]) if own else np.zeros(0),
        np.zeros(where.size, dtype=bool),
        0.0,
    )
    with highs.Session(arrays, highs.Options()) as session:
        outcome = session.solve(relaxed=True)
        for _ in range(CUT_ROUNDS):
            if outcome.status != "optimal" or outcome.x is None:
                break
            x = np.zeros(total)
            x[where] = outcome.x
            cuts = model.strong_arc(inputs, index, total, x)
            if cuts is None:
                break
            session.add_rows(narrowed(cuts.matrix), cuts.lower, cuts.upper)
            outcome = session.solve(relaxed=True)
    if outcome.status != "optimal" or outcome.x is None:
        message = f"the best uses of left-out candidates could not be found: {outcome.status}"
        raise LimitReachedError(message)
    value[where] = reduced[where] * outcome.x
    return value


def bound_of(prices: Prices, gain: float) -> float:
    """What any plan over all candidates costs at least, from the best uses of those left out."""
    return prices.value + gain - SAFETY * (abs(prices.value) + abs(gain))
