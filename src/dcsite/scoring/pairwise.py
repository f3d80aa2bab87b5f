"""Weights from pairwise judgments (analytic hierarchy process), with a measure of their consistency.

"Price matters three times as much as water": one such ratio per pair of criteria. The weights are the
principal eigenvector of the matrix of ratios; the consistency ratio compares the contradictions in it with
those of random judgments. They enter a ranking like any given weights.

References
----------
Saaty, T. L. (1977). A scaling method for priorities in hierarchical structures. Journal of Mathematical
Psychology 15(3), 234-281.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dcsite.constants import AHP_RANDOM_INDEX
from dcsite.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

CONSISTENCY_LIMIT_RATIO = 0.10
"""Consistency ratio up to which judgments are usually accepted (Saaty's rule; a choice)."""


@dataclass(frozen=True)
class PairwiseWeights:
    """Weights from a matrix of judgments.

    Attributes
    ----------
    weight
        Shape (K,), sums to 1. [-]
    consistency_ratio
        Consistency index over that of random judgments: 0 is free of contradiction. [-]
    """

    weight: NDArray[np.float64]
    principal_eigenvalue: float
    consistency_ratio: float

    @property
    def consistent(self) -> bool:
        """Whether the contradictions are small enough to lean on the weights."""
        return self.consistency_ratio <= CONSISTENCY_LIMIT_RATIO


def ahp_weights(matrix: ArrayLike) -> PairwiseWeights:
    """Weights from a matrix of pairwise judgments.

    Parameters
    ----------
    matrix : array_like, shape (K, K)
        Entry (i, j): how many times criterion i matters as much as j; entry (j, i) is its inverse.

    Raises
    ------
    UsageError
        If the matrix is not square, positive and reciprocal, or larger than the random indices reach.

    Examples
    --------
    >>> result = ahp_weights([[1, 2, 4], [1 / 2, 1, 2], [1 / 4, 1 / 2, 1]])
    >>> result.weight.round(4).tolist(), round(result.consistency_ratio, 6)
    ([0.5714, 0.2857, 0.1429], 0.0)
    """
    judgments = np.asarray(matrix, dtype=np.float64)
    if judgments.ndim != 2 or judgments.shape[0] != judgments.shape[1] or not judgments.size:
        message = f"pairwise judgments: the matrix must be square, got shape {judgments.shape}"
        raise UsageError(message)
    size = len(judgments)
    if not np.isfinite(judgments).all() or (judgments <= 0).any():
        message = "pairwise judgments: every entry must be a number above 0"
        raise UsageError(message)
    wrong = np.argwhere(np.abs(judgments * judgments.T - 1.0) > 1e-6)
    if len(wrong):
        row, column = wrong[0]
        message = (
            f"pairwise judgments: entry ({row + 1}, {column + 1}) = {judgments[row, column]:g} and its mirror "
            f"{judgments[column, row]:g} must be inverses"
        )
        raise UsageError(message)
    if size > max(AHP_RANDOM_INDEX):
        message = f"pairwise judgments: at most {max(AHP_RANDOM_INDEX)} criteria, got {size}"
        raise UsageError(message)
    values, vectors = np.linalg.eig(judgments)
    principal = int(np.argmax(values.real))
    vector = np.abs(vectors[:, principal].real)
    largest = float(values[principal].real)
    index = max(0.0, (largest - size) / (size - 1)) if size > 2 else 0.0
    ratio = index / AHP_RANDOM_INDEX[size].value if size > 2 else 0.0
    return PairwiseWeights(vector / vector.sum(), largest, ratio)


def weights_of_judgments(judgments: Mapping[str, float]) -> tuple[dict[str, float], PairwiseWeights]:
    """Weights by criterion from ``price/water`` to ratio, one for every pair of the criteria named.

    Raises
    ------
    UsageError
        If a pair is missing or given twice.

    Examples
    --------
    >>> weights_of_judgments({"price/water": 3})[0]
    {'price': 0.75, 'water': 0.25}
    """
    pairs = {(first, second): ratio for key, ratio in judgments.items() for first, second in [key.split("/")]}
    names = list(dict.fromkeys(name for pair in pairs for name in pair))
    result = ahp_weights(judgment_matrix(names, pairs))
    return dict(zip(names, result.weight.tolist(), strict=True)), result


def judgment_matrix(names: Sequence[str], judgments: Mapping[tuple[str, str], float]) -> NDArray[np.float64]:
    """Matrix of judgments from one ratio per pair, shape (K, K).

    Parameters
    ----------
    names
        Criteria, in the order of rows and columns.
    judgments
        ``(a, b)`` to how many times ``a`` matters as much as ``b``; each pair once, in either order.

    Raises
    ------
    UsageError
        If a name is unknown, or a pair is missing or given twice.
    """
    place = {name: position for position, name in enumerate(names)}
    matrix = np.eye(len(names))
    for (first, second), ratio in judgments.items():
        for name in (first, second):
            if name not in place:
                message = f"pairwise judgments: unknown criterion '{name}'"
                raise UsageError(message, hint=f"the criteria are {', '.join(names)}")
        row, column = place[first], place[second]
        if row == column or matrix[row, column] != 0:
            message = f"pairwise judgments: '{first}' against '{second}' is given twice"
            raise UsageError(message)
        if not 0 < ratio < float("inf"):
            message = f"pairwise judgments: '{first}' against '{second}' must be above 0, got {ratio:g}"
            raise UsageError(message)
        matrix[row, column], matrix[column, row] = ratio, 1.0 / ratio
    missing = [(names[row], names[column]) for row, column in np.argwhere(matrix == 0) if row < column]
    if missing:
        message = f"pairwise judgments: '{missing[0][0]}' against '{missing[0][1]}' is missing"
        raise UsageError(
            message, hint=f"{len(missing)} of {len(names) * (len(names) - 1) // 2} pairs are missing"
        )
    return matrix
