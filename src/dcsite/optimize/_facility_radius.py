"""What is left of an uncapacitated problem after fixing, as a small mixed-integer model by radii.

For a client whose remaining arcs have the distinct costs ``D_1 < D_2 < ...`` the variable ``z_k`` says that nobody
within ``D_k`` is open; it costs ``D_{k+1} - D_k``, and ``z_k + sum of y at exactly D_k >= z_{k-1}`` (``z_0 = 1``).
That is as tight as one variable per arc, with fewer columns where costs tie.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

from dcsite.optimize.highs import Arrays

if TYPE_CHECKING:
    from numpy.typing import NDArray


def radius_model(
    fixed: NDArray[np.float64],
    client: NDArray[np.int64],
    site: NDArray[np.int64],
    cost: NDArray[np.float64],
    n: int,
    *,
    p: int | None,
    forced: NDArray[np.bool_],
    scale: float,
) -> Arrays | None:
    """Arrays of the model; None if a client has no arc left.

    Parameters
    ----------
    fixed, forced : ndarray, shape (a,)
        Sites left, and those that must be open.
    client, site, cost : ndarray
        Arcs left, in any order.
    """
    if np.bincount(client, minlength=n).min(initial=1) == 0:
        return None
    a = fixed.size
    order = np.lexsort((site, cost, client))
    client, site, cost = client[order], site[order], cost[order]
    new = np.ones(client.size, dtype=bool)
    new[1:] = (client[1:] != client[:-1]) | (cost[1:] != cost[:-1])
    level = np.cumsum(new) - 1
    head = np.flatnonzero(new)
    owner, distance = client[head], cost[head]
    levels = head.size
    first = np.ones(levels, dtype=bool)
    first[1:] = owner[1:] != owner[:-1]
    last = np.append(first[1:], np.True_)
    z = np.full(levels, -1)
    inner = np.flatnonzero(~last)
    z[inner] = a + np.arange(inner.size)
    later = np.flatnonzero(~first)
    rows = [level, inner, later]
    columns = [site, z[inner], z[later - 1]]
    values = [np.ones(site.size), np.ones(inner.size), -np.ones(later.size)]
    lower = first.astype(np.float64)
    upper = np.full(levels, np.inf)
    if p is not None:
        rows.append(np.full(a, levels))
        columns.append(np.arange(a))
        values.append(np.ones(a))
        lower, upper = np.append(lower, float(p)), np.append(upper, float(p))
    width = a + inner.size
    matrix = csr_array(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(lower.size, width)
    )
    integer = np.zeros(width, dtype=bool)
    integer[:a] = True
    return Arrays(
        cost=np.concatenate([fixed, distance[inner + 1] - distance[inner]]) * scale,
        lower=np.concatenate([forced.astype(np.float64), np.zeros(inner.size)]),
        upper=np.ones(width),
        matrix=matrix,
        row_lower=lower,
        row_upper=upper,
        integer=integer,
        offset=float(distance[first].sum()) * scale,
    )
