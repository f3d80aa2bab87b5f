"""Value functions: a figure in real units to a value between 0 (worst anchor) and 1 (best anchor).

Piecewise linear between stated anchors, never min-max over the candidates at hand, so that adding a
site reorders nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def linear_value(figure: ArrayLike, *, best: float, worst: float) -> NDArray[np.float64]:
    """Return 1 at or beyond ``best``, 0 at or beyond ``worst``, linear between; NaN stays NaN.

    Raises
    ------
    ValueError
        If the anchors are equal.

    Examples
    --------
    >>> linear_value([30, 100, 200], best=30, worst=170).tolist()
    [1.0, 0.5, 0.0]
    """
    if best == worst:
        message = f"the anchors must differ, both are {best:g}"
        raise ValueError(message)
    return np.clip((np.asarray(figure, dtype=np.float64) - worst) / (best - worst), 0.0, 1.0)
