"""One description of the siting model: columns, and constraint families as labeled sparse blocks.

Every family is one :class:`Block`. Both back ends, the elastic model, cut rounds and cost caps read or add
blocks; none of them knows a formula. Labels are index arrays beside the rows: a text such as
``grid[us-quincy-wa]`` is made only when a person reads it, so a solver never sees a name.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array, vstack

from dcsite.optimize.highs import Arrays

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

LARGEST_RATIO = 1.0e9
"""Largest over smallest coefficient of a family that the builder still accepts."""


@dataclass(frozen=True)
class Labels:
    """Index arrays of rows or columns: axis name to positions on that axis, all of one length."""

    axes: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)

    def text(self, family: str, row: int, names: Mapping[str, Sequence[str]]) -> str:
        """Label of one row, for example ``grid[us-quincy-wa]``."""
        parts = [
            names[axis][int(values[row])] if axis in names else f"{axis} {int(values[row])}"
            for axis, values in self.axes.items()
            if int(values[row]) >= 0
        ]
        return f"{family}[{','.join(part for part in parts if part)}]" if any(parts) else family


@dataclass(frozen=True)
class Columns:
    """One entry per variable, shape (n,)."""

    family: NDArray[np.int16]
    families: tuple[str, ...]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    cost: NDArray[np.float64]
    integer: NDArray[np.bool_]
    labels: tuple[Labels, ...]
    first: tuple[int, ...]
    """Labels per family, and the first column of each."""

    def __len__(self) -> int:
        return len(self.cost)


@dataclass(frozen=True)
class Block:
    """One constraint family: ``lower <= matrix @ x <= upper``.

    Attributes
    ----------
    family
        The family's name: row label, key of ``Plan.limits``, word in ``why`` and ``diagnose``.
    unit, step
        Natural unit of a row's bound, and how many of them one unit of the row is (a row in GWh with unit
        MWh has 1000).
    repair
        Whether the doctor may stretch the family, and what one unit costs in its penalty; None: never.
    group
        Which axes make one limit as the user knows it.
    """

    family: str
    matrix: csr_array
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    labels: Labels = field(default_factory=Labels)
    unit: str = ""
    step: float = 1.0
    repair: float | None = None
    group: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.lower)


@dataclass(frozen=True)
class Problem:
    """Columns and blocks, always a minimization; ``names`` turns axis positions into words."""

    columns: Columns
    blocks: tuple[Block, ...]
    names: Mapping[str, Sequence[str]]
    offset: float = 0.0

    def with_block(self, *blocks: Block | None) -> Problem:
        """The same columns under further blocks (empty ones are left out)."""
        added = tuple(block for block in blocks if block is not None and len(block))
        return replace(self, blocks=(*self.blocks, *added))

    def without(self, family: str) -> Problem:
        """The same problem without one family."""
        return replace(self, blocks=tuple(block for block in self.blocks if block.family != family))

    def with_cost(self, cost: ArrayLike, offset: float = 0.0) -> Problem:
        """The same constraints under another objective of shape (n,)."""
        values = np.asarray(cost, dtype=np.float64)
        return replace(self, columns=replace(self.columns, cost=values), offset=offset)

    def with_bounds(self, columns: ArrayLike, lower: ArrayLike, upper: ArrayLike) -> Problem:
        """The same problem with other bounds on some columns."""
        low, high = self.columns.lower.copy(), self.columns.upper.copy()
        index = np.asarray(columns)
        low[index] = lower
        high[index] = upper
        return replace(self, columns=replace(self.columns, lower=low, upper=high))

    def with_columns(
        self,
        family: str,
        *,
        cost: ArrayLike,
        lower: ArrayLike,
        upper: ArrayLike,
        integer: bool = False,
        labels: Labels | None = None,
    ) -> Problem:
        """The same problem with more variables at the end; existing blocks get empty columns for them."""
        costs = np.asarray(cost, dtype=np.float64)
        count = len(costs)
        old = self.columns
        columns = Columns(
            np.concatenate([old.family, np.full(count, len(old.families), dtype=np.int16)]),
            (*old.families, family),
            np.concatenate([old.lower, np.broadcast_to(np.asarray(lower, dtype=np.float64), count)]),
            np.concatenate([old.upper, np.broadcast_to(np.asarray(upper, dtype=np.float64), count)]),
            np.concatenate([old.cost, costs]),
            np.concatenate([old.integer, np.full(count, integer)]),
            (*old.labels, labels or Labels()),
            (*old.first, len(old)),
        )
        blocks = tuple(replace(block, matrix=widened(block.matrix, len(columns))) for block in self.blocks)
        return replace(self, columns=columns, blocks=blocks)

    def block(self, family: str) -> Block | None:
        """The block of a family (the first), or None."""
        return next((block for block in self.blocks if block.family == family), None)

    def arrays(self) -> Arrays:
        """All blocks stacked, for a solver."""
        columns = self.columns
        if self.blocks:
            matrix = csr_array(vstack([block.matrix for block in self.blocks], format="csr"))
            lower = np.concatenate([block.lower for block in self.blocks])
            upper = np.concatenate([block.upper for block in self.blocks])
        else:
            matrix = csr_array((0, len(columns)))
            lower = upper = np.zeros(0)
        return Arrays(
            columns.cost, columns.lower, columns.upper, matrix, lower, upper, columns.integer, self.offset
        )

    def row_label(self, block: Block, row: int) -> str:
        """Label of a row as a person reads it."""
        return block.labels.text(block.family, row, self.names)

    def column_label(self, column: int) -> str:
        """Label of a column as a person reads it."""
        family = int(self.columns.family[column])
        inside = column - self.columns.first[family]
        return self.columns.labels[family].text(self.columns.families[family], inside, self.names)

    def digest(self) -> str:
        """SHA-256 of all arrays: two runs with one digest solved the same problem."""
        found = hashlib.sha256()
        arrays = self.arrays()
        for values in (
            arrays.cost,
            arrays.lower,
            arrays.upper,
            arrays.row_lower,
            arrays.row_upper,
            arrays.matrix.indptr.astype(np.int64),
            arrays.matrix.indices.astype(np.int64),
            arrays.matrix.data,
            self.columns.integer,
        ):
            found.update(np.ascontiguousarray(values).tobytes())
        return found.hexdigest()

    def check_scale(self) -> dict[str, float]:
        """Largest over smallest coefficient per family.

        Raises
        ------
        ValueError
            If a family's ratio is above 1e9: a unit is wrong somewhere.
        """
        ratios = {}
        for block in self.blocks:
            sizes = np.abs(block.matrix.data[block.matrix.data != 0])
            if sizes.size:
                ratios[block.family] = float(sizes.max() / sizes.min())
        bad = [family for family, ratio in ratios.items() if ratio > LARGEST_RATIO]
        if bad:
            message = f"coefficients of '{bad[0]}' spread over a ratio of {ratios[bad[0]]:.1e}"
            raise ValueError(message)
        return ratios

    def lp_text(self) -> str:
        """The model as text with labels, sorted: for people and for golden files, not for a solver."""

        def side(value: float) -> str:
            return f"{value + 0.0:.10g}"  # no minus zero

        def terms(indices: NDArray[Any], values: NDArray[Any]) -> str:
            parts = sorted(
                (self.column_label(int(column)), float(value))
                for column, value in zip(indices, values, strict=True)
                if value != 0
            )
            return " ".join(f"{value:+.8g} {name}" for name, value in parts)

        columns = self.columns
        lines = ["minimize", f"  {terms(np.arange(len(columns)), columns.cost)}", "subject to"]
        rows = []
        for block in self.blocks:
            for row in range(len(block)):
                start, end = block.matrix.indptr[row], block.matrix.indptr[row + 1]
                text = terms(block.matrix.indices[start:end], block.matrix.data[start:end])
                low, high = block.lower[row], block.upper[row]
                limit = (
                    f"= {side(low)}"
                    if low == high
                    else (f">= {side(low)} " if np.isfinite(low) else "")
                    + (f"<= {side(high)}" if np.isfinite(high) else "")
                )
                rows.append(f"  {self.row_label(block, row)}: {text or '0'} {limit.strip()}")
        lines += sorted(rows)
        lines.append("bounds")
        lines += sorted(
            f"  {side(columns.lower[c])} <= {self.column_label(c)} <= {side(columns.upper[c])}"
            + (" integer" if columns.integer[c] else "")
            for c in range(len(columns))
        )
        return "\n".join(lines) + "\n"


def widened(matrix: csr_array, columns: int) -> csr_array:
    """The matrix with empty columns added on the right."""
    return csr_array((matrix.data, matrix.indices, matrix.indptr), shape=(matrix.shape[0], columns))


class Rows:
    """Collects the entries of one block; entries on absent columns (-1) are left out."""

    def __init__(self, count: int, columns: int) -> None:
        self._shape = (count, columns)
        self._rows: list[NDArray[np.int64]] = []
        self._columns: list[NDArray[np.int64]] = []
        self._values: list[NDArray[np.float64]] = []

    def add(self, rows: ArrayLike, columns: ArrayLike, values: ArrayLike) -> Rows:
        """Add ``values`` at (rows, columns), all broadcast against each other."""
        row, column, value = np.broadcast_arrays(rows, columns, values)
        keep = (column >= 0) & (row >= 0) & (value != 0)
        self._rows.append(np.asarray(row[keep], dtype=np.int64).ravel())
        self._columns.append(np.asarray(column[keep], dtype=np.int64).ravel())
        self._values.append(np.asarray(value[keep], dtype=np.float64).ravel())
        return self

    def matrix(self) -> csr_array:
        """Entries on one place are summed."""
        if not self._rows:
            return csr_array(self._shape)
        triplets = (np.concatenate(self._rows), np.concatenate(self._columns))
        matrix = csr_array((np.concatenate(self._values), triplets), shape=self._shape)
        matrix.sum_duplicates()
        matrix.sort_indices()
        return matrix

    def block(
        self,
        family: str,
        lower: ArrayLike,
        upper: ArrayLike,
        labels: Mapping[str, ArrayLike] | None = None,
        *,
        unit: str = "",
        step: float = 1.0,
        repair: float | None = None,
        group: tuple[str, ...] = (),
    ) -> Block:
        """The block of the collected rows."""
        count = self._shape[0]
        return Block(
            family,
            self.matrix(),
            np.broadcast_to(np.asarray(lower, dtype=np.float64), count).copy(),
            np.broadcast_to(np.asarray(upper, dtype=np.float64), count).copy(),
            Labels({axis: np.asarray(values, dtype=np.int64) for axis, values in (labels or {}).items()}),
            unit,
            step,
            repair,
            group,
        )


def selected(block: Block, rows: ArrayLike) -> Block:
    """The block with some of its rows."""
    index = np.asarray(rows)
    labels = Labels({axis: values[index] for axis, values in block.labels.axes.items()})
    return replace(
        block,
        matrix=csr_array(block.matrix[index]),
        lower=block.lower[index],
        upper=block.upper[index],
        labels=labels,
    )
