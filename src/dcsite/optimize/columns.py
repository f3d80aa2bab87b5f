"""The variables of the siting model: one family of columns each, and where its numbers stand.

Units: M USD, MW, GWh. A column exists only where its data or key does; -1 stands where none does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dcsite.optimize.problem import Columns, Labels

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from dcsite.optimize.inputs import Floats, Inputs, Ints


INF = np.inf


@dataclass(frozen=True)
class Index:
    """Column numbers by family and position; -1 where no column exists."""

    open: Ints
    built: Ints
    used: Ints
    place: Ints
    spare: Ints
    total: Ints
    serve: Ints
    uncovered: Ints
    pooled: Ints
    block_on: Ints
    run: Ints
    license: Ints
    peak: Ints


class _Book:
    """Hands out column numbers family by family."""

    def __init__(self) -> None:
        self._families: list[str] = []
        self._parts: list[tuple[Floats, Floats, Floats, bool, int]] = []
        self._labels: list[Labels] = []
        self._first: list[int] = []
        self._count = 0

    def add(
        self,
        family: str,
        mask: NDArray[np.bool_],
        *,
        lower: ArrayLike = 0.0,
        upper: ArrayLike = INF,
        cost: ArrayLike = 0.0,
        integer: bool = False,
        axes: tuple[str, ...] = (),
    ) -> Ints:
        """Columns where ``mask`` is true; returns their numbers in the shape of the mask."""
        index = np.full(mask.shape, -1, dtype=np.int64)
        where = np.nonzero(mask)
        count = len(where[0])
        index[where] = self._count + np.arange(count)

        def picked(values: ArrayLike) -> Floats:
            spread = np.broadcast_to(np.asarray(values, dtype=np.float64), mask.shape)
            return np.asarray(spread[where], dtype=np.float64)

        self._parts.append((picked(lower), picked(upper), picked(cost), integer, count))
        self._families.append(family)
        self._labels.append(Labels(dict(zip(axes, where, strict=True))))
        self._first.append(self._count)
        self._count += count
        return index

    def columns(self) -> Columns:
        kinds = [np.full(part[4], number, dtype=np.int16) for number, part in enumerate(self._parts)]
        return Columns(
            np.concatenate(kinds),
            tuple(self._families),
            np.concatenate([part[0] for part in self._parts]),
            np.concatenate([part[1] for part in self._parts]),
            np.concatenate([part[2] for part in self._parts]),
            np.concatenate([np.full(part[4], part[3]) for part in self._parts]),
            tuple(self._labels),
            tuple(self._first),
        )


def shape_of(inputs: Inputs) -> tuple[int, int, int, int, int]:
    """Counts of sites, workloads, periods, halls and slots."""
    return (
        len(inputs.site_ids),
        len(inputs.workloads),
        len(inputs.period_start),
        len(inputs.hall_site),
        len(inputs.slot_hall),
    )


def wants_blocks(inputs: Inputs) -> NDArray[np.bool_]:
    """Workloads with a smallest block or a limit on their number of sites, (W,)."""
    return np.array(
        [load.min_block_mw > 0 or load.max_sites is not None for load in inputs.workloads], dtype=bool
    )


def make_columns(inputs: Inputs, *, loose: bool = False) -> tuple[Columns, Index]:
    """All variables of the model."""
    sites, loads, periods, halls, slots = shape_of(inputs)
    scenario = inputs.scenario
    book = _Book()
    every = np.ones((halls, periods), dtype=bool)
    fixed = inputs.hall_fixed[:, None] & every
    can_open = (inputs.hall_max_mw > 0) | inputs.hall_existing[:, None]
    module = scenario.solver.module_mw
    open_ = book.add(
        "open",
        every,
        lower=fixed.astype(float),
        upper=can_open.astype(float),
        integer=True,
        axes=("hall", "period"),
    )
    built = book.add("built", every, upper=inputs.hall_max_mw, axes=("hall", "period"))
    used = book.add("used", np.ones((sites, periods), dtype=bool), upper=1.0, axes=("site", "period"))
    peak = inputs.pue_peak[:, None]
    most = np.minimum(
        inputs.hall_max_mw[inputs.slot_hall],
        np.minimum(inputs.grid_mw[inputs.slot_site] / peak, inputs.demand_mw[inputs.slot_workload]),
    )
    if loose:
        most = np.full_like(most, INF)
    all_slots = np.ones((slots, periods), dtype=bool)
    place = book.add("place", all_slots, upper=np.maximum(most, 0.0), axes=("slot", "period"))
    theta = inputs.survive[inputs.slot_workload] > 0
    spare = book.add(
        "spare", theta[:, None] & all_slots, upper=np.maximum(most, 0.0), axes=("slot", "period")
    )
    alone = (inputs.survive > 0) & ~inputs.has_arcs
    total = book.add(
        "total", alone[:, None] & np.ones((loads, periods), dtype=bool), axes=("workload", "period")
    )
    points, arcs = inputs.points, inputs.arcs
    arc_load = points.workload[arcs.point]
    share = inputs.demand_mw[arc_load] * points.share[arcs.point][:, None]
    serve = _arc_columns(book, inputs, share)
    lonely = inputs.pooled[points.workload] if len(points.workload) else np.zeros(0, dtype=bool)
    uncovered = book.add(
        "uncovered",
        lonely[:, None] & np.ones((len(lonely), periods), dtype=bool),
        upper=inputs.demand_mw[points.workload] * points.share[:, None],
        axes=("point", "period"),
    )
    eligible = eligible_sites(inputs)
    pooled = book.add(
        "pooled",
        (eligible & inputs.pooled[None, :])[:, :, None] & np.ones((1, 1, periods), dtype=bool),
        axes=("site", "workload", "period"),
    )
    block_on = book.add(
        "block_on",
        (eligible & wants_blocks(inputs)[None, :])[:, :, None] & np.ones((1, 1, periods), dtype=bool),
        upper=1.0,
        integer=True,
        axes=("site", "workload", "period"),
    )
    run = book.add("run", np.ones((len(inputs.runs.slot), periods), dtype=bool), axes=("run", "period"))
    tiers = len(scenario.limits.accelerator_tiers)
    license_ = book.add(
        "license", np.ones((tiers, periods), dtype=bool), upper=1.0, integer=True, axes=("tier", "period")
    )
    peak_ = book.add(
        "peak", np.ones((len(inputs.meters.site), periods), dtype=bool), axes=("meter", "period")
    )
    if module is not None:
        _add_modules(book, inputs, float(module), every)
    return book.columns(), Index(
        open_, built, used, place, spare, total, serve, uncovered, pooled, block_on, run, license_, peak_
    )


def _arc_columns(book: _Book, inputs: Inputs, share: Floats) -> Ints:
    periods = len(inputs.period_start)
    mask = np.ones((len(inputs.arcs.site), periods), dtype=bool)
    return book.add("serve", mask, upper=share, axes=("arc", "period"))


def _add_modules(book: _Book, inputs: Inputs, module_mw: float, every: NDArray[np.bool_]) -> None:
    """Whole modules of a hall; tied to ``built`` by the family ``modules``."""
    most = np.ceil(inputs.hall_max_mw / module_mw - 1e-9)
    book.add(
        "modules",
        every & ~inputs.hall_existing[:, None],
        upper=most,
        integer=True,
        axes=("hall", "period"),
    )


def eligible_sites(inputs: Inputs) -> NDArray[np.bool_]:
    """Where a workload may stand at all, (S, W)."""
    found = np.zeros((len(inputs.site_ids), len(inputs.workloads)), dtype=bool)
    found[inputs.slot_site, inputs.slot_workload] = True
    return found


def grid_of(*lengths: int) -> list[Ints]:
    """Index arrays of a full grid, flat, last axis fastest."""
    return [axis.ravel() for axis in np.meshgrid(*[np.arange(n) for n in lengths], indexing="ij")]


def group_rows(number: Ints, periods: int) -> Ints:
    """Row numbers (n, P) of groups; -1 stays absent."""
    rows = number[:, None] * periods + np.arange(periods)
    return np.where(number[:, None] < 0, -1, rows)
