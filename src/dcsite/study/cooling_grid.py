"""Cooling of a million points by interpolation: PUE and water per technology on a half-degree land grid.

The grid holds the direct model with the electrical terms of a new hyperscale hall and the default supply
temperatures; other facility classes and liquid shares follow exactly, because all heat paths are linear in
their heat. Other supply temperatures, pads or warming need the direct model (:mod:`dcsite.study.cooling`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dcsite.data.climate import SOUTH_DEG, check_positions, climate_at
from dcsite.errors import DataError
from dcsite.physics.climate import air_states
from dcsite.physics.cooling import (
    LIQUID_TECHNOLOGIES,
    TECHNOLOGIES,
    Settings,
    annual_means,
    electrical_loss,
    once_through,
    resolve,
)
from dcsite.physics.psychrometrics import pressure_pa
from dcsite.physics.water import make_up, source_temperature_c
from dcsite.study.cooling import CHUNK, check_technology, class_terms, technology_rows, year_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from dcsite.data.tables import Tables

GRID = "cooling_land_0p5deg"
BASE_CLASS = "hyperscale_new"
STORED = tuple(name for name in TECHNOLOGIES if name not in ("free_air_crypto", "once_through"))
"""Technologies of the grid. PUE of miners is one figure; once-through follows from monthly means alone."""
TOWERS = ("tower_wse", "water_chiller_tower", "liquid_tower")
LEVELS = 3
"""Half a degree, and halved twice where mountains or humid air make the model bend."""
FINE = 2 ** (LEVELS - 1)
STEP_DEG = 0.5
ROWS, COLUMNS = 271, 720
FINE_ROWS, FINE_COLUMNS = (ROWS - 1) * FINE + 1, COLUMNS * FINE
PUE_SCALE, WATER_SCALE = 1e4, 1e3
REFINE_PUE = 0.0012
"""Interpolation error at the middles of a cell from which it is halved. [-]"""
TROPICS_DEG, FLAT_K, STEEP_K = 32.0, 0.3, 1.5
"""Cells whose annual means differ less are not even looked at, outside and inside the tropics. [K]"""


def land_nodes(land: NDArray[Any]) -> NDArray[np.bool_]:
    """Half-degree nodes that a land point's interpolation needs, shape (271, 720).

    Parameters
    ----------
    land : ndarray, shape (541, 1440)
        1 where a quarter-degree node from 60 S, 180 W is land.
    """
    at = np.argwhere(np.asarray(land) == 1)
    needed = np.zeros((ROWS, COLUMNS), dtype=bool)
    # A quarter-degree cell reaches half a step to all sides: take the corners around its edges too.
    for up in (-0.5, 0.5):
        for right in (-0.5, 0.5):
            y, x = (at[:, 0] + up) / 2.0, (at[:, 1] + right) / 2.0
            i, j = np.floor(y).astype(np.int64), np.floor(x).astype(np.int64)
            for k in (0, 1):
                for m in (0, 1):
                    needed[np.clip(i + k, 0, ROWS - 1), (j + m) % COLUMNS] = True
    return needed


class _Direct:
    """Direct model at nodes of the finest index space, each node once."""

    def __init__(self, tables: Tables, rows: dict[str, dict[str, float]], terms: dict[str, float]) -> None:
        self.tables, self.rows = tables, rows
        self.settings = dict.fromkeys(TECHNOLOGIES, Settings(electrical=terms))
        self.place = np.full(FINE_ROWS * FINE_COLUMNS, -1, dtype=np.int64)
        self.values = np.empty((0, 2 * len(STORED) + 1))

    def add(self, nodes: NDArray[np.int64]) -> None:
        """Compute nodes that are not known yet."""
        new = np.unique(nodes)
        new = new[self.place[new] < 0]
        self.place[new] = self.values.shape[0] + np.arange(new.size)
        made = np.empty((new.size, self.values.shape[1]))
        step = STEP_DEG / FINE
        for start in range(0, new.size, CHUNK):
            here = slice(start, start + CHUNK)
            lat = SOUTH_DEG + step * (new[here] // FINE_COLUMNS)
            lon = -180.0 + step * (new[here] % FINE_COLUMNS)
            states = air_states(year_of(climate_at(self.tables, lat, lon), self.tables))
            annual = annual_means(states, (*STORED, "free_air_crypto"), self.rows, self.settings)
            columns = [annual[name].pue for name in STORED]
            columns += [annual[name].consumption for name in STORED]
            made[here] = np.stack([*columns, annual["free_air_crypto"].derate], axis=1)
        self.values = np.concatenate([self.values, made])

    def at(self, row: NDArray[np.int64], column: NDArray[np.int64]) -> NDArray[np.float64]:
        """Values of known nodes by fine row and column (columns wrap)."""
        found: NDArray[np.float64] = self.values[self.place[row * FINE_COLUMNS + column % FINE_COLUMNS]]
        return found


def make_land_grid(
    tables: Tables, rows: dict[str, dict[str, float]], terms: dict[str, float], land: NDArray[Any]
) -> dict[str, NDArray[Any]]:
    """Arrays of the grid, from the direct model at each node.

    Parameters
    ----------
    tables : Tables
        With the climate grids.
    rows : dict
        Technology to its own symbols.
    terms : dict
        Electrical terms of the base class.
    land : ndarray
        Quarter-degree land flag.
    """
    direct = _Direct(tables, rows, terms)
    needed = land_nodes(land)
    i, j = np.nonzero(needed)
    kept = [(i * FINE) * FINE_COLUMNS + j * FINE]
    direct.add(kept[0])
    # Cells of the coarse grid with all corners known that are not flat.
    whole = needed[:-1] & needed[1:]
    whole &= np.roll(whole, -1, axis=1)
    annual = tables.grid("t2m_monthly_0p5deg")["t2m_deci_c"].mean(axis=0) / 10.0
    corners = np.stack(
        [annual[:-1], annual[1:], np.roll(annual, -1, axis=1)[:-1], np.roll(annual, -1, axis=1)[1:]]
    )
    lat = SOUTH_DEG + STEP_DEG * np.arange(ROWS - 1)
    bend = np.where(np.abs(lat) < TROPICS_DEG, FLAT_K, STEEP_K)[:, None]
    row, column = np.nonzero(whole & (np.ptp(corners, axis=0) > bend))
    row, column, size = row * FINE, column * FINE, FINE
    while size > 1 and row.size:
        half = size // 2
        middles = [(half, half), (0, half), (half, 0), (size, half), (half, size)]
        nodes = [(row + up) * FINE_COLUMNS + (column + right) % FINE_COLUMNS for up, right in middles]
        direct.add(np.concatenate(nodes))
        known = {
            (up, right): direct.at(row + up, column + right)[:, : len(STORED)]
            for up in (0, size)
            for right in (0, size)
        }
        error = np.zeros(row.size)
        for up, right in middles:
            v, u = up / size, right / size
            guess = (
                known[0, 0] * (1 - v) * (1 - u)
                + known[0, size] * (1 - v) * u
                + known[size, 0] * v * (1 - u)
                + known[size, size] * v * u
            )
            off = np.abs(direct.at(row + up, column + right)[:, : len(STORED)] - guess).max(axis=1)
            error = np.maximum(error, off)
        bent = error > REFINE_PUE
        kept += [node[bent] for node in nodes]
        row = np.concatenate([row[bent] + up for up in (0, half) for _ in (0, half)])
        column = np.concatenate([column[bent] + right for _ in (0, half) for right in (0, half)])
        size = half
    nodes_kept = np.unique(np.concatenate(kept))
    values = direct.values[direct.place[nodes_kept]]
    count = len(STORED)
    return {
        "node": nodes_kept.astype(np.int32),
        "pue_e4": np.round(PUE_SCALE * values[:, :count].T).astype(np.int16),
        "water_e3": np.round(WATER_SCALE * values[:, count : 2 * count].T).astype(np.int16),
        "derate_e4": np.round(PUE_SCALE * values[:, -1]).astype(np.int16),
    }


@dataclass(frozen=True)
class LandFigures:
    """Cooling of N points with K technologies, each array of shape (N, K); NaN off the land grid.

    ``pue`` [-], ``consumption`` and ``withdrawal`` [L/kWh IT], ``derate`` (share of the year lost to heat).
    """

    technologies: tuple[str, ...]
    pue: NDArray[np.float64]
    consumption: NDArray[np.float64]
    withdrawal: NDArray[np.float64]
    derate: NDArray[np.float64]


def _corners(
    tables: Tables, lat: NDArray[np.float64], lon: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Positions in the node list and weights of four corners, shape (N, 4): the finest cell that is whole."""

    def make() -> NDArray[np.int32]:
        place = np.full(FINE_ROWS * FINE_COLUMNS, -1, dtype=np.int32)
        node = tables.grid(GRID)["node"]
        place[node] = np.arange(node.size)
        return place

    place: NDArray[np.int32] = tables.memo("cooling-land-place", make)
    best, best_weights = np.zeros((lat.size, 4), dtype=np.int64), np.full((lat.size, 4), np.nan)
    for level in range(LEVELS):
        size = FINE >> level
        cells = (FINE_ROWS - 1) // size
        y = np.clip((lat - SOUTH_DEG) / STEP_DEG * (FINE // size), 0.0, cells)
        x = (lon + 180.0) / STEP_DEG * (FINE // size)
        i = np.minimum(y.astype(np.int64), cells - 1)
        j = np.floor(x).astype(np.int64)
        v, u = y - i, x - j
        at = np.stack(
            [
                place[(i + k) * size * FINE_COLUMNS + ((j + m) * size) % FINE_COLUMNS]
                for k, m in ((0, 0), (0, 1), (1, 0), (1, 1))
            ],
            axis=1,
        )
        weights = np.stack([(1 - v) * (1 - u), (1 - v) * u, v * (1 - u), v * u], axis=1)
        if level == 0:
            weights = np.where(at >= 0, weights, 0.0)
            total = weights.sum(axis=1, keepdims=True)
            # Less than half of the weight on known corners is no interpolation any more.
            best_weights = np.where(total >= 0.5, weights / np.where(total > 0, total, 1.0), np.nan)
            best = np.maximum(at, 0).astype(np.int64)
            continue
        whole = (at >= 0).all(axis=1)
        best[whole], best_weights[whole] = at[whole], weights[whole]
    return best, best_weights


def land_figures(
    tables: Tables,
    lat: ArrayLike,
    lon: ArrayLike,
    technologies: Sequence[str] = TECHNOLOGIES,
    *,
    facility_class: str = BASE_CLASS,
    liquid_share: float | None = None,
) -> LandFigures:
    """PUE and water of N points by interpolation: within 0.003 PUE of the direct model on land.

    Parameters
    ----------
    lat, lon : array_like, shape (N,)
        [degrees]
    facility_class : str
        Electrical terms; ``legacy`` has other fans and needs the direct model.
    liquid_share : float, optional
        Share of the heat that goes to liquid; None takes each technology's own. [-]

    Raises
    ------
    UsageError
        If a technology or class is unknown.
    DataError
        If a point lies outside 60 S to 75 N, or the grid cannot serve the class.
    """
    names = tuple(check_technology(name) for name in technologies)
    if facility_class == "legacy":
        message = "the land grid holds no legacy halls"
        raise DataError(message, hint="use dcsite.study.cooling.cooling_facts")
    lat_, lon_ = np.atleast_1d(np.asarray(lat, float)), np.atleast_1d(np.asarray(lon, float))
    check_positions(lat_, lon_)
    at, weights = _corners(tables, lat_, lon_)
    grid, rows = tables.grid(GRID), technology_rows(tables)
    base, terms = class_terms(tables, BASE_CLASS), class_terms(tables, facility_class)
    base_loss, loss = electrical_loss(base), electrical_loss(terms)

    def read(values: NDArray[Any], scale: float) -> NDArray[np.float64]:
        result: NDArray[np.float64] = (values[at] * weights).sum(axis=1) / scale
        return result

    def overhead(name: str) -> NDArray[np.float64]:
        """Cooling power with the base terms."""
        pue = read(grid["pue_e4"][STORED.index(name)], PUE_SCALE)
        return pue - 1.0 - base_loss - base["f_misc"]

    shape = (lat_.size, len(names))
    pue, used, drawn, derate = (np.zeros(shape) for _ in range(4))
    residual = overhead("air_chiller_econ") / (1.0 + base_loss)
    for k, name in enumerate(names):
        p = resolve(rows, name)
        fixed = 1.0 + loss + terms["f_misc"]
        if name == "free_air_crypto":
            pue[:, k] = fixed + p["fan"]
            derate[:, k] = read(grid["derate_e4"], PUE_SCALE)
            continue
        if name == "once_through":
            inputs = climate_at(tables, lat_, lon_)
            response = once_through(
                source_temperature_c(inputs.month_mean_c),
                pressure_pa(inputs.altitude_m)[:, None],
                p,
                Settings(electrical=terms),
            )
            pue[:, k], drawn[:, k] = response.pue.mean(axis=1), response.withdrawal.mean(axis=1)
            continue
        water = read(grid["water_e3"][STORED.index(name)], WATER_SCALE)
        cooling = overhead(name)
        if name in LIQUID_TECHNOLOGIES:
            own = p["f_liq"]
            share = own if liquid_share is None else min(own, liquid_share)
            liquid = (cooling - (1.0 + base_loss - own) * residual) / own
            pue[:, k] = fixed + share * liquid + (1.0 + loss - share) * residual
            used[:, k] = water * (share / own)
        else:
            scale = (1.0 + loss) / (1.0 + base_loss)
            pue[:, k] = fixed + cooling * scale
            # The make-up of chillers' humidifiers is per IT energy.
            used[:, k] = water * (1.0 if name.startswith("air_chiller") else scale)
        drawn[:, k] = make_up(used[:, k], cycles=p["coc"]) if name in TOWERS else used[:, k]
    lost = np.isnan(weights).any(axis=1)
    for part in (pue, used, drawn, derate):
        part[lost] = np.nan
    return LandFigures(names, pue, used, drawn, derate)
