"""The linear relaxation of a large siting model, site by site.

A model over thousands of sites is too large for a linear program at once. Few sites matter: the program holds those,
its prices of the rows that sites share (demand, carbon, counts ...) say what any other site could save by itself, and
sites that could save something join. When none is left, the value is that of the whole relaxation, with prices of all
rows and columns. The shared prices bound every plan whatever they are, so nothing has to converge to be right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.sparse import csr_array

from dcsite.optimize import highs, model
from dcsite.optimize.beyond import column_sites, own_rows, row_sites

if TYPE_CHECKING:
    from collections.abc import Callable

    from dcsite.optimize.highs import Arrays, Outcome
    from dcsite.optimize.inputs import Flags, Floats, Inputs, Ints
    from dcsite.optimize.model import Index
    from dcsite.optimize.problem import Block, Problem

LARGE_COLUMNS: Final = 150_000
"""Columns from which on the relaxation is taken apart."""
BATCH: Final = 100
"""Sites whose own programs are solved together."""
JOIN: Final = 60
"""Most sites that join in one round: those that save most."""
ROUNDS: Final = 40
CUT_ROUNDS: Final = 8
NOTHING: Final = 1e-7
"""Saving, relative to the value, that is not worth a further round."""


@dataclass
class _Parts:
    """The whole model as arrays, and the site that each column and row belongs to (-1: shared)."""

    arrays: Arrays
    column_site: Ints
    row_site: Ints


def is_large(problem: Problem, inputs: Inputs) -> bool:
    """Whether the relaxation should be taken apart."""
    return len(problem.columns) >= LARGE_COLUMNS and len(inputs.site_ids) > BATCH


def relaxation(
    problem: Problem,
    index: Index,
    inputs: Inputs,
    first: Flags,
    options: highs.Options,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[Problem, Outcome] | None:
    """Solve the relaxation with strong arc rows in rounds, as :func:`dcsite.optimize.solve.with_cuts` does.

    Parameters
    ----------
    first
        Sites to begin with, (S,).
    options
        Limits of each linear program.

    Returns
    -------
    tuple or None
        The problem with its cuts, and values, bound and prices of the relaxation. The bound is that of the prices;
        None where the sites at hand have no solution or a limit was met: the caller solves the whole then.
    """
    parts = _parts(problem, inputs)
    arrays = parts.arrays
    count = len(problem.columns)
    kept = first | _forced(parts, len(inputs.site_ids))
    cuts: list[Block] = []
    for turn in range(ROUNDS):
        columns = np.flatnonzero((parts.column_site < 0) | kept[parts.column_site])
        rows = np.flatnonzero((parts.row_site < 0) | kept[parts.row_site])
        outcome = _master(parts, columns, rows, cuts, index, inputs, options)
        if outcome.status != "optimal" or outcome.x is None or outcome.row_dual is None:
            return None
        prices = np.zeros(arrays.matrix.shape[0])
        prices[rows] = outcome.row_dual[: rows.size]
        of_cuts = outcome.row_dual[rows.size :]
        others = np.flatnonzero(~kept)
        gain = np.zeros(len(inputs.site_ids))
        reduced = arrays.cost - arrays.matrix.T @ prices
        for start in range(0, others.size, BATCH):
            batch = others[start : start + BATCH]
            found = _alone(parts, reduced, batch, prices, options)
            if found is None:
                return None
            gain[batch] = found
        value = outcome.objective + float(np.minimum(gain, 0.0).sum())
        least = NOTHING * max(abs(value), 1.0)
        wanted = np.flatnonzero(gain < -least / max(others.size, 1))
        say(
            f"relaxation over {int(kept.sum()):,} of {kept.size:,} sites {outcome.objective:,.4f}, "
            f"bound {value:,.4f}, {wanted.size:,} sites would help"
        )
        if not wanted.size or outcome.objective - value <= least or turn == ROUNDS - 1:
            x = np.zeros(count)
            x[columns] = outcome.x
            whole = problem.with_block(*cuts)
            dual = arrays.cost - arrays.matrix.T @ prices
            for block, part in zip(
                cuts, np.split(of_cuts, np.cumsum([len(b) for b in cuts])[:-1]), strict=True
            ):
                dual -= block.matrix.T @ part
            return whole, highs.Outcome(
                "optimal", x, value, value, row_dual=np.concatenate([prices, of_cuts]), column_dual=dual,
            )  # fmt: skip
        kept[wanted[np.argsort(gain[wanted], kind="stable")[:JOIN]]] = True
    return None


def _parts(problem: Problem, inputs: Inputs) -> _Parts:
    column_site = column_sites(problem, inputs)
    row_site = [np.zeros(0, dtype=np.int64)]
    for block in problem.blocks:
        sites = row_sites(block, inputs)
        alone = own_rows(block, inputs, column_site)
        row_site.append(np.full(len(block), -1) if sites is None else np.where(alone, sites, -1))
    return _Parts(problem.arrays(), column_site, np.concatenate(row_site))


def _forced(parts: _Parts, sites: int) -> Flags:
    """Sites that a plan cannot leave empty: a bound or a row of theirs does not hold at zero."""
    arrays = parts.arrays
    forced = np.zeros(sites, dtype=bool)
    column = (arrays.lower > 0) & (parts.column_site >= 0)
    forced[parts.column_site[column]] = True
    row = ((arrays.row_lower > 0) | (arrays.row_upper < 0)) & (parts.row_site >= 0)
    forced[parts.row_site[row]] = True
    return forced


def _master(
    parts: _Parts,
    columns: Ints,
    rows: Ints,
    cuts: list[Block],
    index: Index,
    inputs: Inputs,
    options: highs.Options,
) -> Outcome:
    """The relaxation over some sites; new strong arc rows are added to ``cuts``."""
    arrays = parts.arrays
    count = arrays.cost.size
    part = highs.Arrays(
        arrays.cost[columns],
        arrays.lower[columns],
        arrays.upper[columns],
        csr_array(csr_array(arrays.matrix[rows])[:, columns]),
        arrays.row_lower[rows],
        arrays.row_upper[rows],
        None,
        arrays.offset,
    )
    with highs.Session(part, options) as session:
        for block in cuts:
            session.add_rows(csr_array(block.matrix[:, columns]), block.lower, block.upper)
        outcome = session.solve(relaxed=True)
        for _ in range(CUT_ROUNDS):
            if outcome.status != "optimal" or outcome.x is None:
                break
            x = np.zeros(count)
            x[columns] = outcome.x
            cut = model.strong_arc(inputs, index, count, x)
            if cut is None:
                break
            before = outcome.objective
            session.add_rows(csr_array(cut.matrix[:, columns]), cut.lower, cut.upper)
            cuts.append(cut)
            outcome = session.solve(relaxed=True)
            if outcome.objective - before <= 1e-6 * abs(before):
                break
    return outcome


def _alone(
    parts: _Parts, reduced: Floats, batch: Ints, prices: Floats, options: highs.Options
) -> Floats | None:
    """Best use of each site of a batch by itself, zero or less; writes the prices of their rows into ``prices``."""
    arrays = parts.arrays
    columns = np.flatnonzero(np.isin(parts.column_site, batch))
    rows = np.flatnonzero(np.isin(parts.row_site, batch))
    part = highs.Arrays(
        reduced[columns],
        arrays.lower[columns],
        arrays.upper[columns],
        csr_array(csr_array(arrays.matrix[rows])[:, columns]),
        arrays.row_lower[rows],
        arrays.row_upper[rows],
    )
    outcome = highs.solve(part, options, relaxed=True)
    if outcome.status != "optimal" or outcome.x is None or outcome.row_dual is None:
        return None
    prices[rows] = outcome.row_dual
    value = np.bincount(
        parts.column_site[columns], reduced[columns] * outcome.x, minlength=int(parts.column_site.max()) + 1
    )
    return np.asarray(value[batch], dtype=np.float64)
