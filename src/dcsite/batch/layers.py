"""What a screening reads instead of asking for each cell again: places, cooling nodes, reach nodes.

A cell takes country, price zone and the other figures of its nearest place, its cooling from the half-degree
nodes of the climate grid around it, its reach from the market itself or from quarter-degree nodes around it.
Every figure at a place or a node comes from the same functions as a ranking; only the steps between nodes
are interpolated.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dcsite.batch.store import hash_of, write_whole
from dcsite.data.demand import load_market
from dcsite.data.places import catalog_sites, fill_places
from dcsite.data.sphere import km_of_chord, unit_xyz
from dcsite.errors import DcsiteError
from dcsite.physics.supply import supply_difficulty
from dcsite.physics.water import once_through_flow
from dcsite.scoring.criteria import with_anchors
from dcsite.scoring.weights import given_weights, scenario_weights
from dcsite.study import exclusions
from dcsite.study.cooling import REFERENCE_MW, cooling_facts, hourly_pue, technology_rows
from dcsite.study.cooling_grid import land_figures
from dcsite.study.markets import market_of, user_network
from dcsite.study.power import interruptible_facts, power_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from dcsite.data.tables import Tables
    from dcsite.physics.latency import ReachIndex
    from dcsite.scoring.criteria import Criterion
    from dcsite.spec.scenario import Scenario
    from dcsite.spec.workload import Profile, Workload

Floats = "NDArray[np.float64]"

SOUTH, NORTH = -60.0, 75.0
STEP_DEG = 0.5
NODE_ROWS, NODE_COLUMNS = 271, 720
BLOCK_NODES = 20
"""Nodes along each side of a block that is computed at once."""

REACH_STEP_DEG = 0.25
DIRECT_SPACING_DEG = 0.2
"""Cells at least this far apart get their reach computed each; denser ones are interpolated between nodes."""

WATER_REACH_KM = 50.0
KINDS = ("river", "lake", "sea", "none", "")
CACHE_FORMAT = 2
GRID_PROBES = 24
GRID_TOLERANCE = 1.0e-3
"""Difference of PUE, of L/kWh and of overhead up to which the shipped land grid stands for the model at a node."""


PLACE_NUMBERS = (
    "lat", "lon", "water_stress_ratio", "hazard_index", "policy_index", "capex_usd_per_w", "generation_nearby_gw",
    "river_flow_m3_per_s", "water_price_usd_per_m3", "wgi_political_stability",
)  # fmt: skip
PLACE_TEXTS = ("site_id", "name", "country_iso3", "admin1", "zone_id", "wholesale_zone_id", "grid_operator")


# --- cache ------------------------------------------------------------------------------------------------


def cache_folder() -> Path | None:
    """Folder of computed grids: ``DCSITE_CACHE``, else the user's cache folder; None if switched off (empty)."""
    named = os.environ.get("DCSITE_CACHE")
    if named is not None:
        return Path(named) if named else None
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "dcsite"


def cached(name: str, key: str, make: Callable[[], dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Arrays from the cache, or made and kept there; a cache that cannot be used only costs time.

    A file is used only if its name holds the hash of everything that decides its content, and a checksum in
    it is right. Nothing is ever unpickled.
    """
    folder = cache_folder()
    if folder is None:
        return make()
    path = folder / f"{name}-{key[:32]}.npz"
    with contextlib.suppress(OSError, ValueError, KeyError, EOFError, DcsiteError):
        found = _read_arrays(path.read_bytes())
        if found is not None:
            return found
    made = make()
    with contextlib.suppress(OSError, DcsiteError):
        write_whole(path, arrays_bytes(made))
    return made


def arrays_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Arrays as the bytes of an npz file that carries its own checksum; the same arrays give the same bytes."""
    import zipfile

    digest = hashlib.sha256()
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            part = io.BytesIO()
            np.lib.format.write_array(part, np.ascontiguousarray(arrays[name]), allow_pickle=False)
            digest.update(part.getvalue())
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), part.getvalue())
        archive.writestr(zipfile.ZipInfo("sha256.txt"), digest.hexdigest())
    return whole.getvalue()


def _read_arrays(data: bytes) -> dict[str, NDArray[Any]] | None:
    """Arrays of :func:`arrays_bytes`, None if damaged."""
    import zipfile

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                return None  # never written so: what is packed here could unpack to anything
            names = sorted(name for name in archive.namelist() if name.endswith(".npy"))
            parts = {name: archive.read(name) for name in names}
            wanted = archive.read("sha256.txt").decode("ascii")
    except (zipfile.BadZipFile, KeyError, UnicodeDecodeError, NotImplementedError, EOFError, OSError):
        return None
    digest = hashlib.sha256()
    for name in names:
        digest.update(parts[name])
    if digest.hexdigest() != wanted:
        return None
    return {
        name.removesuffix(".npy"): np.lib.format.read_array(io.BytesIO(part), allow_pickle=False)
        for name, part in parts.items()
    }


read_arrays = _read_arrays


# --- places -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Places:
    """Places of the gazetteer, US counties and catalog sites with what their cells inherit.

    Attributes
    ----------
    frame
        P rows: :data:`PLACE_TEXTS` and :data:`PLACE_NUMBERS`.
    tree
        Nearest of all places.
    us_tree, us_row
        Nearest of the US counties and catalog sites, and their rows: state and county decide there.
    """

    frame: pd.DataFrame
    tree: Any
    us_tree: Any
    us_row: NDArray[np.int64]
    is_us: NDArray[np.bool_]

    @classmethod
    def build(cls, tables: Tables, data_key: str) -> Places:
        """Fill all places once; kept in the cache."""
        from scipy.spatial import cKDTree

        arrays = cached("places", hash_of(CACHE_FORMAT, data_key), lambda: _place_arrays(tables))
        columns: dict[str, Any] = {
            name: pd.Series(values.tolist(), dtype="str") if name in PLACE_TEXTS else values
            for name, values in arrays.items()
        }
        frame = pd.DataFrame(columns)
        xyz = unit_xyz(frame["lat"], frame["lon"])
        is_us = (frame["country_iso3"] == "USA").to_numpy()
        counted = is_us & (frame["is_county"].to_numpy(dtype=bool) | frame["is_site"].to_numpy(dtype=bool))
        row = np.flatnonzero(counted)
        return cls(frame, cKDTree(xyz), cKDTree(xyz[row]), row, is_us)

    def nearest(self, xyz: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Row of the place that each point takes its figures from, and how far the nearest is [km], shape (N,)."""
        chord, found = self.tree.query(xyz)
        row = np.asarray(found, dtype=np.int64)
        us = self.is_us[row]
        if us.any():
            row[us] = self.us_row[self.us_tree.query(xyz[us])[1]]
        return row, km_of_chord(chord)


def _place_arrays(tables: Tables) -> dict[str, NDArray[Any]]:
    gazetteer = tables.frame("gazetteer")
    catalog = catalog_sites(tables)
    known = set(zip(catalog["lat"].round(4), catalog["lon"].round(4), strict=True))
    at = zip(gazetteer["lat"].round(4), gazetteer["lon"].round(4), strict=True)
    apart = np.array([pair not in known for pair in at], dtype=bool)
    others = gazetteer[apart & (gazetteer["kind"] != "site").to_numpy()]
    filled = fill_places(
        tables,
        pd.DataFrame(
            {
                "site_id": [f"place-{number}" for number in range(len(others))],
                "name": others["name"].to_numpy(),
                "lat": others["lat"].to_numpy(),
                "lon": others["lon"].to_numpy(),
                "country_iso3": others["country_iso3"].to_numpy(),
            }
        ),
    )
    filled["is_county"] = (others["kind"] == "county").to_numpy()
    filled["is_site"] = False
    own = catalog.assign(is_county=False, is_site=True)
    both = pd.concat([own, filled], ignore_index=True)
    arrays: dict[str, NDArray[Any]] = {name: both[name].to_numpy(dtype=np.float64) for name in PLACE_NUMBERS}
    arrays |= {name: np.array([str(text) for text in both[name]], dtype=np.str_) for name in PLACE_TEXTS}
    arrays |= {name: both[name].to_numpy(dtype=bool) for name in ("is_county", "is_site")}
    return arrays


# --- one workload -----------------------------------------------------------------------------------------


@dataclass
class Layer:
    """One workload of a screening: what it asks of a cell and what places give it.

    Attributes
    ----------
    price, carbon, years
        Per place, shape (P,): delivered price (interruptible loads: see :meth:`effective`) [USD/MWh], grid
        intensity [g/kWh], time to power [years].
    rule
        Per place: 0, or 1 + number of the hard rule in ``rules`` that excludes it.
    reach
        Market of the workload, None if it has no users.
    """

    name: str
    workload: Workload
    profile: Profile
    weights: dict[str, float]
    criteria: dict[str, Criterion]
    technologies: tuple[str, ...]
    refused: dict[str, str]
    price: NDArray[np.float64]
    carbon: NDArray[np.float64]
    years: NDArray[np.float64]
    rule: NDArray[np.int64]
    rules: tuple[str, ...]
    reach: ReachIndex | None
    best_reach: float
    added_ms: float
    power: pd.DataFrame
    zone: NDArray[np.int64]
    key: str


def _one_per_zone(places: pd.DataFrame) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """First place of each (zone, country, market), and the zone number of every place."""
    keys = places["zone_id"] + "|" + places["country_iso3"] + "|" + places["wholesale_zone_id"]
    codes, _ = pd.factorize(keys, sort=True)
    first = np.full(int(codes.max()) + 1, -1, dtype=np.int64)
    for row in range(len(codes) - 1, -1, -1):
        first[codes[row]] = row
    frame = places.iloc[first].copy()
    frame.index = pd.Index(frame["site_id"].to_numpy())
    return frame, codes.astype(np.int64)


def _one_per_country(places: pd.DataFrame) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """First place of each country, and the country number of every place."""
    codes, _ = pd.factorize(places["country_iso3"], sort=True)
    _, first = np.unique(codes, return_index=True)
    frame = places.iloc[first].copy()
    frame.index = pd.Index(frame["site_id"].to_numpy())
    return frame, codes.astype(np.int64)


def _first_rule(
    found: exclusions.Exclusions, frame: pd.DataFrame, rules: tuple[str, ...]
) -> NDArray[np.int64]:
    """Per row of the frame 0, or 1 + number of the first rule that excludes it."""
    at = {site: row for row, site in enumerate(frame["site_id"])}
    result = np.zeros(len(frame), dtype=np.int64)
    for row in reversed(found.rows):
        result[at[row["site_id"]]] = rules.index(row["rule"]) + 1
    return result


def build_layer(
    tables: Tables, scenario: Scenario, workload: Workload, profile: Profile, places: Places, data_key: str
) -> Layer:
    """Everything of a workload that does not depend on a cell.

    Raises
    ------
    DcsiteError
        If a market, weight or technology of the scenario cannot be used.
    """
    zones, zone = _one_per_zone(places.frame)
    power = power_facts(tables, zones, scenario, workload, profile)
    nations, nation = _one_per_country(places.frame)
    by_country = exclusions.Exclusions()
    verdicts = exclusions.export_verdicts(scenario, tables, nations)
    exclusions.country_risk(scenario, nations, verdicts, by_country)
    exclusions.export_rules(scenario, workload, profile, nations, verdicts, by_country)
    exclusions.crypto_bans(scenario, workload, profile, nations, tables, by_country)
    exclusions.residency(workload, nations, by_country)
    by_zone = exclusions.Exclusions()
    exclusions.prices(workload, power, by_zone)
    exclusions.dates(scenario, workload, power, by_zone)
    rules = tuple(sorted({row["rule"] for row in (*by_country.rows, *by_zone.rows)}))
    rule = _first_rule(by_zone, zones, rules)[zone]
    of_country = _first_rule(by_country, nations, rules)[nation]
    rule = np.where(of_country > 0, of_country, rule)
    market = market_of(tables, scenario, workload, profile, zones.head(1))
    reach, added = None, 0.0
    if market is not None:
        from dcsite.physics.latency import ReachIndex

        users = load_market(tables, workload.users, workload.demand, scenario.demand_points)
        network = user_network(tables, scenario).network
        reach = ReachIndex.build(network, users.lat, users.lon, users.country_iso3, users.weight)
        if scenario.access is not None:
            from dcsite.data.network import load_last_mile

            last = load_last_mile(tables, scenario.access)
            added = (last.low_ms + last.high_ms) / 2.0
    criteria = with_anchors(scenario.score.anchors)
    if scenario.score.weights is None:
        weights = scenario_weights(profile, scenario, criteria=criteria, has_users=market is not None)
    else:
        asked = dict(scenario.score.weights)
        if market is None:
            asked.pop("latency", None)
        weights = given_weights(asked)
    chosen = (scenario.technology,) if scenario.technology else profile.technologies
    sample = _lean(tables, lambda lean: cooling_facts(lean, zones.head(1), profile, chosen))
    refused = {
        str(row.technology): str(row.refusal)
        for row in sample.itertuples()
        if not row.admissible and row.technology != "once_through"
    }
    return Layer(
        name=workload.name,
        workload=workload,
        profile=profile,
        weights={name: value for name, value in weights.weight.items() if value > 0},
        criteria={name: criteria[name] for name, value in weights.weight.items() if value > 0},
        technologies=tuple(name for name in sample["technology"] if name not in refused),
        refused=refused,
        price=power["price_usd_per_mwh"].to_numpy(dtype=np.float64)[zone],
        carbon=power["carbon_g_per_kwh"].to_numpy(dtype=np.float64)[zone],
        years=power["time_to_power_years"].to_numpy(dtype=np.float64)[zone],
        rule=rule,
        rules=rules,
        reach=reach,
        best_reach=1.0 if market is None or market.best_reach_ratio <= 0 else market.best_reach_ratio,
        added_ms=added,
        power=power,
        zone=zone,
        key=hash_of(
            data_key, profile.model_dump(mode="json"), list(chosen), scenario.model_dump(mode="json")
        ),
    )


def effective_prices(
    tables: Tables, scenario: Scenario, layer: Layer, places: Places, zone: NDArray[np.int64], technology: str
) -> NDArray[np.float64]:
    """Price of the hours run of an interruptible load, one per zone at the zone's first place. [USD/MWh]

    Within a zone the price is the same and only the heat of the hours differs: an estimate.
    """
    zones, _ = tables.memo("screen.zones", lambda: _one_per_zone(places.frame))
    wanted = np.unique(zone)
    known: dict[int, float] = tables.memo(("screen.effective", layer.key, technology), dict)
    missing = [int(code) for code in wanted if int(code) not in known]
    for start in range(0, len(missing), 64):
        codes = missing[start : start + 64]
        part = zones.iloc[codes]
        inside = (part["lat"] >= SOUTH) & (part["lat"] <= NORTH)
        known.update(dict.fromkeys(codes, np.nan))
        if not inside.any():
            continue
        part, codes = part[inside], [code for code, keep in zip(codes, inside, strict=True) if keep]
        hourly = hourly_pue(tables, part, layer.profile, technology)
        found = interruptible_facts(
            tables,
            part,
            scenario,
            layer.workload,
            layer.profile,
            layer.power.loc[part.index],
            hourly,
            part["water_price_usd_per_m3"].to_numpy(dtype=np.float64),
        )
        prices = found["effective_price_usd_per_mwh"].to_numpy(dtype=np.float64)
        known.update(dict(zip(codes, prices.tolist(), strict=True)))
    lookup = np.full(int(wanted.max()) + 1 if wanted.size else 1, np.nan)
    for code in wanted:
        lookup[code] = known[int(code)]
    return lookup[zone]


def _lean(tables: Tables, call: Callable[[Tables], Any]) -> Any:  # noqa: ANN401  (what the call returns)
    """Call with tables that forget what depends on the points asked for, so that memory stays flat."""
    fresh = replace(tables, _memo={key: value for key, value in tables._memo.items() if isinstance(key, str)})
    result = call(fresh)
    tables._memo.update({key: value for key, value in fresh._memo.items() if isinstance(key, str)})
    return result


# --- cooling nodes ----------------------------------------------------------------------------------------


class CoolingNodes:
    """PUE, water and overhead of each technology on the nodes of the climate grid, block by block.

    Blocks are computed on first use and kept in the cache folder; :meth:`at` interpolates between nodes.
    """

    PARTS = ("pue", "wue_l_per_kwh", "overhead_mwh_per_mwh")

    def __init__(self, tables: Tables, layer: Layer, data_key: str) -> None:
        self.tables = tables
        self.profile = layer.profile
        self.technologies = layer.technologies
        profile = layer.profile
        fields = (
            "supply_c", "liquid_share", "facility_class", "load_factor", "rack_kw", "peak_factor", "technologies",
        )  # fmt: skip
        self.key = hash_of(
            CACHE_FORMAT,
            BLOCK_NODES,
            data_key,
            {name: profile.model_dump(mode="json")[name] for name in fields},
            list(self.technologies),
        )
        shape = (NODE_ROWS, NODE_COLUMNS, len(self.technologies), len(self.PARTS))
        self._values = np.full(shape, np.nan, dtype=np.float32)
        self._known = np.zeros((-(-NODE_ROWS // BLOCK_NODES), NODE_COLUMNS // BLOCK_NODES), dtype=bool)
        self._needed = _near_land(tables)
        self._serves: bool | None = None

    def at(self, lat: NDArray[np.float64], lon: NDArray[np.float64]) -> NDArray[np.float32]:
        """Figures of cells within 60 S to 75 N, shape (N, technologies, 3)."""
        y = np.clip((lat - SOUTH) / STEP_DEG, 0.0, NODE_ROWS - 1.0)
        x = ((lon + 180.0) % 360.0) / STEP_DEG
        i = np.minimum(y.astype(np.int64), NODE_ROWS - 2)
        j = x.astype(np.int64) % NODE_COLUMNS
        v = (y - i).astype(np.float32)[:, None]
        u = (x - np.floor(x)).astype(np.float32)[:, None]
        east = (j + 1) % NODE_COLUMNS
        self._make(np.concatenate([i, i, i + 1, i + 1]), np.concatenate([j, east, j, east]))
        flat = self._values.reshape(NODE_ROWS * NODE_COLUMNS, -1)
        south = flat[i * NODE_COLUMNS + j]
        south += u * (flat[i * NODE_COLUMNS + east] - south)
        north = flat[(i + 1) * NODE_COLUMNS + j]
        north += u * (flat[(i + 1) * NODE_COLUMNS + east] - north)
        north -= south
        north *= v
        south += north
        return np.asarray(south.reshape(len(lat), len(self.technologies), len(self.PARTS)))

    def _make(self, row: NDArray[np.int64], column: NDArray[np.int64]) -> None:
        """Compute or read the blocks that hold these nodes."""
        wanted = np.zeros_like(self._known)
        wanted[row // BLOCK_NODES, column // BLOCK_NODES] = True
        for block_row, block_column in zip(*np.nonzero(wanted & ~self._known), strict=True):
            rows = slice(block_row * BLOCK_NODES, min((block_row + 1) * BLOCK_NODES, NODE_ROWS))
            columns = slice(block_column * BLOCK_NODES, (block_column + 1) * BLOCK_NODES)

            def make(rows: slice = rows, columns: slice = columns) -> dict[str, NDArray[Any]]:
                return {"values": self._compute(rows, columns)}

            found = cached(f"cooling-{block_row}-{block_column}", self.key, make)
            self._values[rows, columns] = found["values"]
            self._known[block_row, block_column] = True

    def _compute(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        row, column = np.meshgrid(
            np.arange(rows.start, rows.stop), np.arange(columns.start, columns.stop), indexing="ij"
        )
        values = np.full((*row.shape, len(self.technologies), len(self.PARTS)), np.nan, dtype=np.float32)
        needed = self._needed[rows, columns]
        if not needed.any():
            return values
        lat, lon = SOUTH + row[needed] * STEP_DEG, -180.0 + column[needed] * STEP_DEG
        found = np.full((len(lat), len(self.technologies), len(self.PARTS)), np.nan)
        if self._grid_serves():
            found = self._from_grid(lat, lon)
        missing = np.isnan(found).any(axis=(1, 2))
        if missing.any():
            found[missing] = self._direct(lat[missing], lon[missing])
        values[needed] = found
        return values

    def _direct(self, lat: NDArray[np.float64], lon: NDArray[np.float64]) -> NDArray[np.float64]:
        """Figures from the model itself, shape (N, technologies, parts)."""
        sites = pd.DataFrame({"site_id": [f"n{k}" for k in range(len(lat))], "lat": lat, "lon": lon})
        facts = _lean(self.tables, lambda lean: cooling_facts(lean, sites, self.profile, self.technologies))
        stack: NDArray[np.float64] = facts[list(self.PARTS)].to_numpy(dtype=np.float64)
        return stack.reshape(len(lat), len(self.technologies), len(self.PARTS))

    def _from_grid(self, lat: NDArray[np.float64], lon: NDArray[np.float64]) -> NDArray[np.float64]:
        """Figures from the shipped land grid, whose nodes these are; NaN off it."""
        found = land_figures(
            self.tables,
            lat,
            lon,
            self.technologies,
            facility_class=self.profile.facility_class,
            liquid_share=self.profile.liquid_share,
        )
        overhead = found.pue - 1.0 + found.derate
        return np.stack([found.pue, found.consumption, overhead], axis=2)

    def _grid_serves(self) -> bool:
        """Whether the land grid stands for this profile: it agrees with the model on nodes all over the world."""
        if self._serves is None:
            rows, columns = np.nonzero(self._needed)
            some = np.linspace(0, len(rows) - 1, GRID_PROBES).astype(np.int64)
            lat: NDArray[np.float64] = np.asarray(SOUTH + rows[some] * STEP_DEG, dtype=np.float64)
            lon: NDArray[np.float64] = np.asarray(-180.0 + columns[some] * STEP_DEG, dtype=np.float64)
            try:
                grid = self._from_grid(lat, lon)
            except DcsiteError:
                grid = np.full((len(some), len(self.technologies), len(self.PARTS)), np.nan)
            known = ~np.isnan(grid).any(axis=(1, 2))
            off = 1.0
            if known.any():
                off = float(np.abs(np.subtract(grid[known], self._direct(lat[known], lon[known]))).max())
            self._serves = off <= GRID_TOLERANCE
        return self._serves


def _near_land(tables: Tables) -> NDArray[np.bool_]:
    """Nodes that a cell on land can touch, shape (rows, columns)."""
    land = tables.grid("water_distance")["land"] == 1
    grown = land.copy()
    for _ in range(4):
        wide = grown | np.roll(grown, 1, axis=1) | np.roll(grown, -1, axis=1)
        wide[1:] |= grown[:-1]
        wide[:-1] |= grown[1:]
        grown = wide
    return np.asarray(grown[::2, ::2][:NODE_ROWS, :NODE_COLUMNS])


# --- reach ------------------------------------------------------------------------------------------------


def reach_of_cells(
    layer: Layer,
    lat: NDArray[np.float64],
    lon: NDArray[np.float64],
    country: NDArray[np.int64],
    names: NDArray[Any],
    *,
    between_nodes: bool,
) -> NDArray[np.float64]:
    """Reach over the best possible, shape (N,); computed for each cell, or interpolated between nodes.

    A node is computed for the country of the cell that asks, so borders stay sharp.
    """
    assert layer.reach is not None
    if not between_nodes:
        return _reach(layer, lat, lon, names[country])
    rows, columns = round(180.0 / REACH_STEP_DEG) + 1, round(360.0 / REACH_STEP_DEG)
    y, x = (lat + 90.0) / REACH_STEP_DEG, ((lon + 180.0) % 360.0) / REACH_STEP_DEG
    i = np.minimum(y.astype(np.int64), rows - 2)
    j = x.astype(np.int64) % columns
    east = (j + 1) % columns
    corner = np.stack([i * columns + j, i * columns + east, (i + 1) * columns + j, (i + 1) * columns + east])
    keys, inverse = np.unique(corner + country[None, :] * (rows * columns), return_inverse=True)
    node = keys % (rows * columns)
    values = _reach(
        layer,
        node // columns * REACH_STEP_DEG - 90.0,
        node % columns * REACH_STEP_DEG - 180.0,
        names[keys // (rows * columns)],
    )[inverse.reshape(4, -1)]
    u, v = x - np.floor(x), y - i
    south, north = values[0] + u * (values[1] - values[0]), values[2] + u * (values[3] - values[2])
    return np.asarray(south + v * (north - south))


def _reach(
    layer: Layer, lat: NDArray[np.float64], lon: NDArray[np.float64], country: NDArray[Any]
) -> NDArray[np.float64]:
    assert layer.reach is not None
    profile = layer.profile
    found = layer.reach.reach(
        lat,
        lon,
        country,
        full_ms=profile.reach_full_ms - layer.added_ms,
        zero_ms=profile.reach_zero_ms - layer.added_ms,
        best=layer.best_reach,
    )
    return np.minimum(found, 1.0)


# --- water ------------------------------------------------------------------------------------------------


def water_of_cells(
    km: Mapping[str, NDArray[np.float64]],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Kind of the nearest water (number in :data:`KINDS`) and its distance, shape (N,). [km]"""
    stack = np.stack([km["river_km"], km["lake_km"], km["coast_km"]])
    filled = np.where(np.isnan(stack), np.inf, stack)
    kind = filled.argmin(axis=0)
    least = np.take_along_axis(filled, kind[None], axis=0)[0]
    kind = np.where(least <= WATER_REACH_KM, kind, KINDS.index("none"))
    kind = np.where(np.isinf(least), KINDS.index(""), kind)
    return kind, np.where(kind <= KINDS.index("sea"), least, np.nan)


def difficulty_of_cells(
    scenario: Scenario, stress: NDArray[np.float64], kind: NDArray[np.int64], distance_km: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Difficulty of supply, shape (N,). [-]"""
    if scenario.scarcity == "none":
        return np.ones(len(stress))
    words = np.array(KINDS, dtype=object)[kind]
    return supply_difficulty(
        stress,
        distance_km,
        words.tolist(),
        doubling_km=scenario.water_doubling_km,
        desalination_factor=scenario.desalination_factor,
    )


def once_through_fits(
    tables: Tables,
    kind: NDArray[np.int64],
    distance_km: NDArray[np.float64],
    flow_m3_per_s: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Where once-through cooling is admissible: the sea near by, or a river of known and ample flow."""
    p = technology_rows(tables)["once_through"]
    drawn = once_through_flow(1.1, rise_k=p["dT_src"]) * REFERENCE_MW / 3600.0
    with np.errstate(invalid="ignore"):
        near = distance_km <= p["max_km"]
        ample = np.isfinite(flow_m3_per_s) & (drawn <= p["max_flow_ratio"] * flow_m3_per_s)
    sea, river = kind == KINDS.index("sea"), kind == KINDS.index("river")
    return np.asarray(near & (sea | (river & ample)))
