"""Consistency of the tables, shipped or a user's own: every fault with file, row, column and value.

Owns what must hold of the data whatever they say: keys, references, bounds, quality words, sources,
licenses, sums. Whether a figure is true is not in reach of a check.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dcsite.data.catalog import FOLDERS
from dcsite.data.figures import WATER_STRESS_RATIO
from dcsite.data.nearest import water_distances
from dcsite.data.policy import CLASSES
from dcsite.data.tables import read_table, sha256_of
from dcsite.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import pandas as pd

    from dcsite.data.tables import Tables

QUALITY = ("measured", "reported", "modeled", "estimate", "unverified")
REDISTRIBUTABLE = ("yes", "statistics_only", "no")
MAX_DATA_BYTES = 15_000_000
SHOWN_FAULTS = 200

BOUNDS: tuple[tuple[str, float, float], ...] = (
    (r"(^|_)lat$", -90, 90),
    (r"(^|_)lon$", -180, 180),
    (r"_km$", 0, 20_040),
    (r"^g_per_kwh$", 0, 1_400),
    (r"^saidi_h_per_year$", 0, 100),
    (
        r"^(renewable|carbon_free|nuclear|hours|from|to|negative_hours|min_demand|load_factor|tax|covered)_ratio$",
        0,
        1,
    ),
    (r"^price_usd_per_mwh$", -50, 600),
    (r"^usd_per_unit$", 0, 10),
    (r"_rtt_ms$|^rtt_ms$|_rtt_(low|high)_ms$", 0, 2_000),
    (r"^(population|internet_users|gdp_usd|mean_flow_m3_per_s)$", 0, 1e15),
    (r"^capex(_low|_high)?_usd_per_w$", 1, 40),
    (r"^land(_low|_high)?_usd_per_m2$", 0, 100_000),
    (r"^inform_", 0, 10),
    (r"^cpi$", 0, 100),
    (r"^wgi_", -3.5, 3.5),
    (r"^category$", 0, 4),
    (r"^score$", 0, 5),
    (r"^generation_.*_gw$", 0, 1_000),
    (r"usd_per_musd$", 0, 200_000),
    (r"_mw$|^mw_from$", 0, 1_000_000),
    (r"^year$", 1918, 2030),
    (r"^month$", 1, 12),
    (r"^hour_local$", 0, 23),
)
"""Pattern of a column name, least and greatest value."""

YEARS = re.compile(r"\d{4}-\d{4}")
"""Span of years, as climate normals have."""

COUNTRY_COLUMNS = ("country_iso3", "from_country_iso3", "to_country_iso3")
ZONE_COLUMNS = {
    "zone_id",
    "parent_zone_id",
    "wholesale_zone_id",
    "shape_proxy_zone_id",
    "carbon_zone_id",
    "carbon_odbl_zone_id",
    "reliability_zone_id",
    "connection_zone_id",
}
FORBIDDEN = re.compile(r"(?<![a-z])(im3|ripe atlas|ripe|wondernetwork|wonder)(?![a-z])", re.IGNORECASE)
"""Sources whose rows may not be passed on."""

ONE_BY_ONE = "globalpetrolprices"
ONE_BY_ONE_FOLDER = "grid_prices"
"""A proprietary publisher: cited figure by figure in one folder, nowhere else."""

ODBL_TABLE = "carbon_odbl"
BELOW_MARKET = {
    "PP0177": "Montenegro 2024: the statistics office publishes 46.7 EUR for the band of 20 to 70 GWh, under its market",
}
"""Delivered prices below the market of their zone that their publishers do state, with the reason to keep them."""

LEVELS = ("utility", "city", "state", "province", "bidding_zone", "hub", "country")
WATER_KINDS = ("river", "lake", "sea", "none")


@dataclass(frozen=True)
class Fault:
    """One fault: file, line of the file (0: all of it), column, value, what is wrong."""

    file: str
    line: int
    column: str
    value: str
    found: str

    def __str__(self) -> str:
        where = self.file + (f":{self.line}" if self.line else "")
        what = f"{self.column} '{self.value}'" if self.value != "" else self.column
        return f"{where}: {what} {self.found}".replace("  ", " ")


@dataclass
class _Work:
    """Tables under check and the faults found so far."""

    tables: Tables
    faults: list[Fault] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def name(self, path: Path) -> str:
        for root in (self.tables.user, self.tables.shipped):
            if root is not None and path.is_relative_to(root.path):
                return path.relative_to(root.path).as_posix()
        return str(path)

    def add(self, path: Path, line: int, column: str, value: Any, found: str) -> None:  # noqa: ANN401
        shown = "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
        self.faults.append(Fault(self.name(path), line, column, shown[:80], found))

    def rows(self, table: str, where: np.ndarray[Any, Any], column: str, found: str) -> None:
        """Add a fault for each marked row of a table."""
        frame, path = self.tables.frame(table), self.tables.path(table)
        for k in np.flatnonzero(where).tolist():
            self.add(path, k + 2, column, frame[column].iloc[k], found)


def check_tables(tables: Tables) -> tuple[list[Fault], dict[str, int]]:
    """Run all checks.

    Returns
    -------
    tuple
        Faults in order of file and line, and how many tables, rows and files were looked at.
    """
    work = _Work(tables)
    readable = _readable(work)
    _manifests(work)
    keys = table_keys(tables)
    for table in readable:
        _keys(work, table, keys.get(table, ()))
        _bounds(work, table)
        _quality(work, table)
    _sources(work, readable)
    _references(work, readable)
    for check, needed in (
        (_zones, ("zones",)),
        (_money, ("retail", "wholesale", "fx")),
        (_duration, ("duration", "wholesale", "blocks")),
        (_water, ("sites", "water_stress", "countries", "water_distance")),
        (_hazards, ("hazards_us_states",)),
        (_policy, ("rule_sets", "residency", "crypto")),
        (_profiles, ()),
    ):
        if all(name in readable or (tables.has(name) and name == "water_distance") for name in needed):
            check(work)
    _licenses(work, readable)
    _size(work)
    order = sorted(work.faults, key=lambda f: (f.file, f.line, f.column))
    return order, work.counts


def _readable(work: _Work) -> list[str]:
    """Tables that can be read; the others are faults."""
    found = []
    rows = 0
    for name, path in sorted(work.tables.paths().items()):
        try:
            if path.suffix == ".npz":
                work.tables.grid(name)
                continue
            rows += len(work.tables.frame(name))
            found.append(name)
        except DataError as error:
            work.add(path, 0, "", None, error.message.removeprefix(f"{path}").lstrip(":"))
    work.counts |= {"tables": len(found), "rows": rows}
    return found


def _manifests(work: _Work) -> None:
    """Every file that a manifest names is there and unchanged, and none is there that it does not name.

    A user's table must have the columns of the shipped one that it replaces.
    """
    files = 0
    for folder in FOLDERS:
        base = work.tables.shipped.path / folder
        manifest = base / "manifest.json"
        if not manifest.is_file():
            if base.is_dir():
                work.add(manifest, 0, "", None, "is missing")
            continue
        try:
            named = json.loads(manifest.read_text(encoding="utf-8"))["files"]
        except (ValueError, KeyError, TypeError):
            work.add(manifest, 0, "", None, "is not a manifest")
            continue
        for name, entry in named.items():
            path = base / name
            files += 1
            if not path.is_file():
                work.add(path, 0, "", None, "is missing")
            elif sha256_of(path) != entry["sha256"]:
                work.add(path, 0, "", None, "differs from its manifest: restore it from the release")
        here = {p.relative_to(base).as_posix() for p in base.rglob("*") if p.is_file()}
        for name in sorted(here - set(named) - {"manifest.json", "README.md"}):
            work.add(base / name, 0, "", None, "is in no manifest")
        if work.tables.user is not None:
            _user_columns(work, folder, named)
            _user_strays(work, folder, set(named))
    work.counts["files"] = files


def _user_strays(work: _Work, folder: str, named: set[str]) -> None:
    """A user's file replaces a shipped one, adds a rule set or a profile, or names sources: else nobody reads it."""
    assert work.tables.user is not None
    base = work.tables.user.path / folder
    for path in sorted(p for p in base.rglob("*") if p.is_file()):
        name = path.relative_to(base).as_posix()
        added = (folder == "policy" and name.startswith("rules/") and path.suffix == ".csv") or (
            folder == "profiles" and path.suffix == ".toml"
        )
        if name in named or added or path.name in ("README.md", "manifest.json"):
            continue
        near = difflib.get_close_matches(name, sorted(named), n=1, cutoff=0.6)
        hint = f": did you mean {near[0]}?" if near else ""
        work.add(path, 0, "", None, f"replaces no shipped file{hint}")


def _user_columns(work: _Work, folder: str, named: dict[str, Any]) -> None:
    assert work.tables.user is not None
    base = work.tables.user.path / folder
    for path in sorted(base.rglob("*.csv")):
        entry = named.get(path.relative_to(base).as_posix())
        if entry is None or path.stem == "sources":
            continue
        try:
            have = list(read_table(path).columns)
        except DataError:
            continue
        for column in entry["columns"]:
            if column not in have:
                work.add(path, 1, "header", None, f"lacks column '{column}'")
        for column in have:
            if column not in entry["columns"] and not column.startswith("x_"):
                work.add(path, 1, "header", None, f"has unknown column '{column}'")


def table_keys(tables: Tables) -> dict[str, tuple[str, ...]]:
    """Columns that name a row, per table, from the manifests; a rule set goes by its country."""
    found: dict[str, tuple[str, ...]] = {
        name: ("country_iso3",) for name, path in tables.paths().items() if path.parent.name == "rules"
    }
    for manifest in tables.manifest().values():
        for name, entry in manifest["files"].items():
            if entry.get("key"):
                found[name.removesuffix(".csv").rsplit("/", 1)[-1]] = tuple(entry["key"])
    return found


def _keys(work: _Work, table: str, key: tuple[str, ...]) -> None:
    frame = work.tables.frame(table)
    columns = list(key)
    if not key or any(column not in frame for column in key):
        return
    double = frame.duplicated(columns).to_numpy()
    path = work.tables.path(table)
    for k in np.flatnonzero(double).tolist():
        value = ", ".join(str(frame[column].iloc[k]) for column in key)
        work.add(path, k + 2, ", ".join(key), value, "stands twice")
    first = frame[key[0]]
    if first.dtype != np.float64:
        work.rows(table, (first == "").to_numpy(), key[0], "is empty, but names the row")


def _bounds(work: _Work, table: str) -> None:
    frame = work.tables.frame(table)
    for column in frame.columns:
        for pattern, low, high in BOUNDS:
            if not re.search(pattern, column):
                continue
            if frame[column].dtype != np.float64:
                text = frame[column].astype(str)
                if (text != "").any():
                    spans = column == "year"
                    bad = np.array(
                        [
                            value != "" and not (_is_number(value) or (spans and YEARS.fullmatch(value)))
                            for value in text
                        ]
                    )
                    work.rows(table, bad, column, "is not a number")
                break
            values = frame[column].to_numpy(dtype=np.float64)
            outside = np.isfinite(values) & ((values < low) | (values > high))
            work.rows(table, outside | np.isinf(values), column, f"is outside {low:g} to {high:g}")
            break


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _quality(work: _Work, table: str) -> None:
    frame = work.tables.frame(table)
    for column in frame.columns:
        if column == "quality" or column.endswith("_quality"):
            allowed = QUALITY if column == "quality" else (*QUALITY, "")
            bad = ~frame[column].isin(allowed).to_numpy()
            work.rows(table, bad, column, f"is none of {', '.join(QUALITY)}")


def _sources(work: _Work, readable: Iterable[str]) -> None:
    """Each source id stands in the ``sources.csv`` of its folder, and each source row is complete."""
    tables = work.tables
    known: dict[str, set[str]] = {}
    for folder in FOLDERS:
        ids: set[str] = set()
        for root in (tables.shipped, tables.user):
            path = root.path / folder / "sources.csv" if root else None
            if path is None or not path.is_file():
                continue
            try:
                frame = read_table(path)
            except DataError as error:
                work.add(path, 0, "", None, error.message)
                continue
            for column in ("source_id", "publisher", "title", "license"):
                for k in np.flatnonzero((frame[column] == "").to_numpy()).tolist():
                    work.add(path, k + 2, column, None, "is empty")
            for k in np.flatnonzero(frame["source_id"].duplicated().to_numpy()).tolist():
                work.add(path, k + 2, "source_id", frame["source_id"].iloc[k], "stands twice")
            for k in np.flatnonzero(~frame["redistributable"].isin(REDISTRIBUTABLE).to_numpy()).tolist():
                word = frame["redistributable"].iloc[k]
                work.add(path, k + 2, "redistributable", word, f"is none of {', '.join(REDISTRIBUTABLE)}")
            ids |= set(frame["source_id"])
        known[folder] = ids
    for table in readable:
        frame = tables.frame(table)
        folder = _folder_of(work, table)
        for column in frame.columns:
            if column != "source_id" and not column.endswith("_source_id"):
                continue
            allowed = known.get(folder, set()) | ({""} if column != "source_id" else set())
            bad = ~frame[column].isin(allowed).to_numpy()
            work.rows(table, bad, column, f"is not in {folder}/sources.csv")


def _folder_of(work: _Work, table: str) -> str:
    return work.name(work.tables.path(table)).partition("/")[0]


def _references(work: _Work, readable: Iterable[str]) -> None:
    """Countries, zones, hubs, sites, counties and areas that a table names exist."""
    tables = work.tables
    countries = set(tables.frame("countries")["country_iso3"]) if tables.has("countries") else None
    zones = set(tables.frame("zones")["zone_id"]) if tables.has("zones") else None
    hubs = set(tables.frame("hubs")["hub_id"]) if tables.has("hubs") else None
    for table in readable:
        frame = tables.frame(table)
        for column in frame.columns:
            allowed: set[str] | None = None
            word = ""
            if column in COUNTRY_COLUMNS and table != "countries":
                allowed, word = countries, "no country of countries.csv"
            elif column in ZONE_COLUMNS and not (table == "zones" and column == "zone_id"):
                allowed, word = zones, "no zone of zones.csv"
            elif column in ("from_hub_id", "to_hub_id"):
                allowed, word = hubs, "no hub of hubs.csv"
            if allowed is not None:
                bad = ~frame[column].isin(allowed | {""}).to_numpy()
                work.rows(table, bad, column, f"is {word}")
    if tables.has("territories") and tables.has("sites") and tables.has("us_counties"):
        frame = tables.frame("territories")
        sites = set(tables.frame("sites")["site_id"])
        counties = set(tables.frame("us_counties")["fips"])
        kind = frame["area_kind"]
        work.rows(
            "territories",
            ((kind == "site") & ~frame["area_id"].isin(sites)).to_numpy(),
            "area_id",
            "is no site of sites.csv",
        )
        work.rows(
            "territories",
            ((kind == "county") & ~frame["area_id"].isin(counties)).to_numpy(),
            "area_id",
            "is no county of us_counties.csv",
        )


def _zones(work: _Work) -> None:
    """Parents lead to a country without a circle."""
    frame = work.tables.frame("zones")
    parent = dict(zip(frame["zone_id"], frame["parent_zone_id"], strict=True))
    path = work.tables.path("zones")
    for k, zone in enumerate(frame["zone_id"]):
        seen, at = [str(zone)], parent.get(zone, "")
        while at:
            if at in seen:
                work.add(path, k + 2, "parent_zone_id", zone, f"leads in a circle: {' > '.join([*seen, at])}")
                break
            seen.append(at)
            at = parent.get(at, "")
    work.rows("zones", ~frame["level"].isin(LEVELS).to_numpy(), "level", f"is none of {', '.join(LEVELS)}")


def _money(work: _Work) -> None:
    """Native amount times exchange rate is the USD amount; delivered prices are positive and above wholesale."""
    frame = work.tables.frame("retail")
    product = frame["price_native_per_mwh"] * frame["fx_usd_per_unit"]
    price = frame["price_usd_per_mwh"]
    off = (product - price).abs() > np.maximum(0.006 * price.abs(), 0.06)
    work.rows(
        "retail",
        (off & product.notna()).to_numpy(),
        "price_usd_per_mwh",
        "is not native amount x exchange rate",
    )
    delivered = frame["tariff_basis"].str.startswith("delivered")
    work.rows(
        "retail",
        (delivered & (price <= 0)).to_numpy(),
        "price_usd_per_mwh",
        "is a delivered price not above 0",
    )
    market = work.tables.frame("wholesale")
    mean = {
        (zone, year): value
        for zone, year, value in zip(
            market["zone_id"], market["year"], market["mean_usd_per_mwh"], strict=True
        )
    }
    floor = np.array(
        [mean.get((zone, year), math.nan) for zone, year in zip(frame["zone_id"], frame["year"], strict=True)]
    )
    excused = (
        frame["subsidized"].to_numpy(dtype=bool)
        | frame["quality"].isin(("estimate", "unverified")).to_numpy()
        | (frame["doubt"] != "").to_numpy()
    )
    excused |= frame["row_id"].isin(list(BELOW_MARKET)).to_numpy()
    below = delivered.to_numpy() & (price.to_numpy() < floor) & ~excused
    work.rows(
        "retail",
        below,
        "price_usd_per_mwh",
        "is a delivered price below the wholesale mean of its zone and year",
    )


def _duration(work: _Work) -> None:
    """Quantiles rise and end in the mean; blocks add up to the mean."""
    frame = work.tables.frame("duration")
    market = work.tables.frame("wholesale")
    path = work.tables.path("duration")
    cheapest: dict[tuple[str, float], list[float]] = {}
    for zone, year, value in zip(
        market["zone_id"], market["year"], market["mean_cheapest_90pct_native_per_mwh"], strict=True
    ):
        if not math.isnan(value):
            cheapest.setdefault((zone, year), []).append(float(value))
    stated: dict[tuple[str, float], list[float]] = {}
    for zone, year, value in zip(
        market["zone_id"], market["year"], market["mean_native_per_mwh"], strict=True
    ):
        stated.setdefault((zone, year), []).append(float(value))

    def off(key: Any, value: float, ratio: float) -> bool:  # noqa: ANN401  (a group's key)
        """Whether a mean fits none of those of its zone and year (hours, months, peak hours)."""
        return not any(abs(value - mean) <= max(ratio * abs(mean), 0.02) for mean in stated.get(key, []))

    for (zone, year), part in frame.groupby(["zone_id", "year"], sort=False):
        ordered = part.sort_values("hours_ratio")
        falls = np.diff(ordered["price_native_per_mwh"].to_numpy()) < -1e-9
        for k in np.flatnonzero(falls).tolist():
            line = int(ordered.index[k + 1]) + 2
            work.add(
                path,
                line,
                "price_native_per_mwh",
                float(ordered["price_native_per_mwh"].iloc[k + 1]),
                f"falls along the curve of {zone} {year:g}",
            )
        whole = float(ordered["cumulative_mean_native_per_mwh"].iloc[-1])
        if ordered["hours_ratio"].iloc[-1] == 1 and off((zone, year), whole, 0.001):
            line = int(ordered.index[-1]) + 2
            work.add(
                path,
                line,
                "cumulative_mean_native_per_mwh",
                whole,
                f"is not the mean of {zone} {year:g} in wholesale.csv",
            )
        ninety = float(
            np.interp(0.9, ordered["hours_ratio"], ordered["cumulative_mean_native_per_mwh"].to_numpy())
        )
        known = cheapest.get((zone, year), [])
        if known and all(abs(ninety - mean) > max(0.015 * abs(mean), 0.02) for mean in known):
            work.add(
                path,
                int(ordered.index[0]) + 2,
                "cumulative_mean_native_per_mwh",
                ninety,
                f"at 90 % of hours is not the mean of the cheapest of {zone} {year:g} in wholesale.csv",
            )
    blocks = work.tables.frame("blocks")
    path = work.tables.path("blocks")
    for (zone, year), part in blocks.groupby(["zone_id", "year"], sort=False):
        share = (part["to_ratio"] - part["from_ratio"]).to_numpy()
        line = int(part.index[0]) + 2
        if abs(share.sum() - 1) > 1e-6:
            work.add(
                path, line, "to_ratio", float(share.sum()), f"shares of {zone} {year:g} do not add up to 1"
            )
        total = float((share * part["mean_native_per_mwh"].to_numpy()).sum())
        if off((zone, year), total, 0.002):
            work.add(
                path,
                line,
                "mean_native_per_mwh",
                total,
                f"blocks of {zone} {year:g} do not add up to its mean in wholesale.csv",
            )


def _water(work: _Work) -> None:
    """Kinds of water, stress of every site, and the distance grid against the exact distances."""
    tables = work.tables
    sites = tables.frame("sites")
    work.rows(
        "sites",
        ~sites["water_kind"].isin(WATER_KINDS).to_numpy(),
        "water_kind",
        f"is none of {', '.join(WATER_KINDS)}",
    )
    sea = (sites["water_kind"] == "sea").to_numpy()
    work.rows(
        "sites",
        sea & (sites["coast_km"] > 40).to_numpy(),
        "coast_km",
        "is over 40 km, but the water kind is sea",
    )
    stress = tables.frame("water_stress")
    areas = set(zip(stress["area_kind"], stress["area_id"], strict=True))
    lost = np.array(
        [
            (kind, area) not in areas and kind != "country"
            for kind, area in zip(sites["water_stress_area_kind"], sites["water_stress_area_id"], strict=True)
        ]
    )
    work.rows("sites", lost, "water_stress_area_id", "is no area of water_stress.csv")
    odd = ~stress["category"].isin(range(len(WATER_STRESS_RATIO))).to_numpy()
    work.rows("water_stress", odd, "category", "is no class 0 to 4")
    grid = water_distances(tables, sites["lat"].to_numpy(), sites["lon"].to_numpy())
    for column in ("coast_km", "river_km", "lake_km"):
        exact = sites[column].to_numpy(dtype=np.float64)
        near = np.isfinite(exact) & (exact < 50)
        work.rows(
            "sites",
            near & (np.abs(grid[column] - exact) > 20),
            column,
            "is over 20 km from what the grid says",
        )


def _hazards(work: _Work) -> None:
    """The parts add up to 99 to 100 % of the total; Puerto Rico is known to fall short."""
    frame = work.tables.frame("hazards_us_states")
    parts = [c for c in frame.columns if c.endswith("_usd_per_musd") and c != "fema_loss_usd_per_musd"]
    total = frame["fema_loss_usd_per_musd"].to_numpy(dtype=np.float64)
    share = frame[parts].sum(axis=1).to_numpy() / total
    short = ((share < 0.99) | (share > 1.001)) & (frame["state"] != "PR").to_numpy() & np.isfinite(share)
    work.rows("hazards_us_states", short, "fema_loss_usd_per_musd", "is not the sum of its parts")


def _policy(work: _Work) -> None:
    """Rule sets have a table each, with known classes and their dates."""
    tables = work.tables
    sets = tables.frame("rule_sets")
    path = tables.path("rule_sets")
    for k, name in enumerate(sets["rule_set"]):
        if not tables.has(name):
            work.add(path, k + 2, "rule_set", name, "has no table under policy/rules")
            continue
    for name, file in tables.paths().items():
        if file.parent.name == "rules":
            frame = tables.frame(name)
            lost = [column for column in ("country_iso3", "class") if column not in frame]
            for column in lost:
                work.add(file, 1, "header", None, f"lacks column '{column}'")
            if "class" in frame:
                bad = ~frame["class"].isin(CLASSES[1:]).to_numpy()
                work.rows(name, bad, "class", "is no class of verdict")
    for column in ("rule_date", "list_date"):
        bad = ~sets[column].str.fullmatch(r"\d{4}-\d{2}-\d{2}").to_numpy(dtype=bool)
        work.rows("rule_sets", bad, column, "is no date")


def _profiles(work: _Work) -> None:
    """Every profile can be read, and names cooling technologies that exist."""
    from dcsite.data.scenario_file import load_profiles

    root = work.tables.shipped.path / "profiles"
    try:
        profiles = load_profiles(work.tables)
    except DataError as error:
        work.add(root, 0, "", None, str(error))
        return
    work.counts["profiles"] = len(profiles)
    if not work.tables.has("cooling_technologies"):
        return
    known = set(work.tables.frame("cooling_technologies")["technology"]) | {
        "liquid_tower",
        "immersion",
        "air_chiller",
        "once_through",
    }
    for name, profile in profiles.items():
        for technology in profile.technologies:
            if technology not in known:
                work.add(root / f"{name}.toml", 0, "technologies", technology, "is no cooling technology")
        for field_name, span in profile.ranges.items():
            value = getattr(profile, field_name, None)
            if value is None:
                work.add(root / f"{name}.toml", 0, "ranges", field_name, "has a range but no value")
            elif not span.low <= float(value) <= span.high:
                work.add(
                    root / f"{name}.toml",
                    0,
                    field_name,
                    float(value),
                    f"is outside its own range {span.low:g} to {span.high:g}",
                )


def _licenses(work: _Work, readable: Iterable[str]) -> None:
    """Share-alike rows in their own file, proprietary ones in one folder, forbidden sources nowhere, no raw hours.

    The folder READMEs are left out: they name what was left out and why.
    """
    tables = work.tables
    for root in (tables.shipped, tables.user):
        if root is None:
            continue
        for path in _texts(root.path):
            content = path.read_text(encoding="utf-8", errors="replace")
            folder = path.relative_to(root.path).parts[0]
            lower = content.lower()
            foreign = ONE_BY_ONE in lower and folder != ONE_BY_ONE_FOLDER
            if not foreign and not any(word in lower for word in ("im3", "ripe", "wonder")):
                continue
            for k, line in enumerate(content.splitlines(), start=1):
                hit = FORBIDDEN.search(line)
                if hit:
                    work.add(path, k, "", hit.group(0), "names a source whose rows may not be passed on")
                if ONE_BY_ONE in line.lower() and folder != ONE_BY_ONE_FOLDER:
                    work.add(path, k, "", "GlobalPetrolPrices", f"stands outside {ONE_BY_ONE_FOLDER}")
    sources = tables.sources()
    shared = set(sources.loc[sources["license"].str.contains("ODbL"), "source_id"])
    for table in readable:
        frame = tables.frame(table)
        if len(frame) >= 8760 and "hour" in frame:
            work.add(
                tables.path(table), 0, "hour", None, "holds an hourly series, which may not be passed on"
            )
        if table != ODBL_TABLE and "source_id" in frame:
            work.rows(
                table,
                frame["source_id"].isin(shared).to_numpy(),
                "source_id",
                f"is under the ODbL: it belongs in {ODBL_TABLE}.csv",
            )


def _texts(base: Path) -> Iterator[Path]:
    for folder in FOLDERS:
        for path in sorted((base / folder).rglob("*")):
            if path.suffix in {".csv", ".toml", ".txt"}:
                yield path


def _size(work: _Work) -> None:
    base = work.tables.shipped.path
    total = sum(p.stat().st_size for folder in FOLDERS for p in (base / folder).rglob("*") if p.is_file())
    work.counts["bytes"] = total
    if total > MAX_DATA_BYTES:
        work.add(base, 0, "", None, f"holds {total:,} bytes, the limit is {MAX_DATA_BYTES:,}")


def summary(counts: dict[str, int]) -> str:
    """One line on what was looked at."""
    return (
        f"{counts.get('tables', 0)} tables, {counts.get('rows', 0):,} rows, {counts.get('profiles', 0)} profiles, "
        f"{counts.get('bytes', 0) / 1e6:.1f} MB"
    )


def faults_frame(faults: list[Fault]) -> pd.DataFrame:
    """Faults as a frame: ``file, line, column, value, fault``."""
    import pandas as pd

    return pd.DataFrame(
        [(f.file, f.line, f.column, f.value, f.found) for f in faults],
        columns=["file", "line", "column", "value", "fault"],
    )
