"""The latency network as tables: hubs, links, fitted parameters, factors, measured pairs, error band.

Reads ``data/network`` into plain arrays whose fields are named like those of
:class:`dcsite.physics.latency.Network` (data and physics do not import each other; ``as_network`` there
takes what is made here). Owns the checks of the tables and of a user's own measurements.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dcsite.constants import FIBER_KM_PER_MS_ROUND_TRIP
from dcsite.data.demand import nearest_country, numbers_in
from dcsite.data.sphere import km_between
from dcsite.data.tables import Tables, read_table
from dcsite.errors import DataError, Problem, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

NETWORKS = ("cloud", "public")
LINK_CLASSES = ("terrestrial_dense", "terrestrial_sparse", "submarine", "rarely_used")
RATES = (*LINK_CLASSES, "access_to_hub")
OWN_WEIGHT = 100.0
"""Weight of a user's own pair beside a shipped one (1): near it, the user's value rules."""

MOST_PROBLEMS = 20


@dataclass(frozen=True)
class ReferenceTable:
    """Measured pairs; fields as :class:`dcsite.physics.latency.ReferencePairs`."""

    lat_a: NDArray[np.float64]
    lon_a: NDArray[np.float64]
    lat_b: NDArray[np.float64]
    lon_b: NDArray[np.float64]
    country_a: tuple[str, ...]
    country_b: tuple[str, ...]
    rtt_ms: NDArray[np.float64]
    weight: NDArray[np.float64]
    origin: tuple[str, ...]


@dataclass(frozen=True)
class BandTable:
    """Error band; fields as :class:`dcsite.physics.latency.ErrorBand`."""

    edges_km: tuple[float, ...]
    p90_ratio: tuple[float, ...]
    p90_add_ms: tuple[float, ...]
    site_error_share: float


@dataclass(frozen=True)
class NetworkTables:
    """One network; fields as :class:`dcsite.physics.latency.Network`, and where it came from.

    ``provenance`` lists in words what entered: fit, correction factors, sets of measured pairs, the
    user's own file.
    """

    name: str
    hub_ids: tuple[str, ...]
    hub_names: tuple[str, ...]
    hub_countries: tuple[str, ...]
    hub_lat: NDArray[np.float64]
    hub_lon: NDArray[np.float64]
    hub_access: NDArray[np.bool_]
    link_from: NDArray[np.int64]
    link_to: NDArray[np.int64]
    link_km: NDArray[np.float64]
    link_class: NDArray[np.int64]
    link_factor: NDArray[np.float64]
    rate_ms_per_km: Mapping[str, float]
    intercept_ms: float
    far_ms: float
    far_scale_ms: float
    hubs_per_point: int
    country_log_factor: Mapping[str, float]
    country_region: Mapping[str, str]
    pair_log_factor: Mapping[tuple[str, str], float]
    reference: ReferenceTable
    kernel_km: float
    kernel_prior: float
    band: BandTable
    provenance: tuple[str, ...] = ()


def load_network(
    tables: Tables,
    network: str = "public",
    *,
    reference_file: Path | None = None,
    sets: tuple[str, ...] | None = None,
    corrections: bool = True,
    residuals: bool = True,
) -> NetworkTables:
    """Read one network.

    Parameters
    ----------
    tables
        The tables.
    network
        ``cloud`` or ``public``.
    reference_file
        A user's own measured pairs; they join the shipped ones (of the cloud network) with more weight.
    sets
        Names of shipped sets of measured pairs to use; None for all that belong to the network.
    corrections, residuals
        Whether to read the fitted country and region factors, and the measured pairs.

    Returns
    -------
    NetworkTables
        To be handed to :func:`dcsite.physics.latency.as_network`.

    Raises
    ------
    UsageError
        If the network or a set is unknown.
    DataError
        If the tables contradict each other or a measured pair is faster than light in fiber.
    """
    if network not in NETWORKS:
        message = f"--network {network}: unknown"
        raise UsageError(message, hint=f"one of {', '.join(NETWORKS)}")
    hubs, links = tables.frame("hubs"), tables.frame("links")
    number = _check_graph(tables, hubs, links)
    value = _parameters(tables, network)
    factor = np.ones(len(links))
    order = {ends: row for row, ends in enumerate(_link_keys(links))}
    factors = tables.frame("link_factors")
    for row in factors[factors["network"] == network].itertuples(index=False):
        factor[order[str(row.from_hub_id), str(row.to_hub_id)]] = float(str(row.factor))
    provenance = [f"graph of {len(hubs)} hubs and {len(links)} links, {network} parameters (modeled)"]
    country, pair = _corrections(tables, network) if corrections else ({}, {})
    if country:
        provenance.append(
            f"fitted factors of {len(country)} countries and {len(pair)} region pairs (modeled)"
        )
    reference = _shipped_pairs(tables, network, sets) if residuals else _no_pairs()
    if len(reference.rtt_ms):
        names = ", ".join(f"{name} {reference.origin.count(name)}" for name in sorted(set(reference.origin)))
        provenance.append(f"residuals of measured pairs: {names} (measured)")
    if reference_file is not None:
        own = read_reference(tables, reference_file, network)
        reference = _joined(reference, own)
        provenance.append(
            f"your own {len(own.rtt_ms)} measured pairs of {reference_file} (weight {OWN_WEIGHT:g})"
        )
    countries = tables.frame("demand_countries")
    return NetworkTables(
        name=network,
        hub_ids=tuple(hubs["hub_id"]),
        hub_names=tuple(hubs["name"]),
        hub_countries=tuple(hubs["country_iso3"]),
        hub_lat=hubs["lat"].to_numpy(dtype=np.float64),
        hub_lon=hubs["lon"].to_numpy(dtype=np.float64),
        hub_access=hubs["access"].to_numpy(dtype=bool),
        link_from=np.array([number[hub] for hub in links["from_hub_id"]], dtype=np.int64),
        link_to=np.array([number[hub] for hub in links["to_hub_id"]], dtype=np.int64),
        link_km=links["gc_km"].to_numpy(dtype=np.float64),
        link_class=np.array([LINK_CLASSES.index(kind) for kind in links["link_class"]], dtype=np.int64),
        link_factor=factor,
        rate_ms_per_km={name: value[name] for name in RATES},
        intercept_ms=value["intercept"],
        far_ms=value.get("far", 0.0),
        far_scale_ms=value.get("far_scale", 1.0),
        hubs_per_point=int(value["hubs_per_point"]),
        country_log_factor=country,
        country_region=dict(zip(countries["country_iso3"], countries["region"], strict=True)),
        pair_log_factor=pair,
        reference=reference,
        kernel_km=value["kernel"],
        kernel_prior=value["kernel_prior"],
        band=_band(tables, network, value.get("site_error_share", 1.0)),
        provenance=tuple(provenance),
    )


def _link_keys(links: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(links["from_hub_id"], links["to_hub_id"], strict=True))


def _check_graph(tables: Tables, hubs: pd.DataFrame, links: pd.DataFrame) -> dict[str, int]:
    number = {str(hub): row for row, hub in enumerate(hubs["hub_id"])}
    hub_file, link_file = tables.path("hubs"), tables.path("links")
    problems = [
        Problem(
            f"{hub_file}:{row + 2}:access", f"waypoint '{hub}' takes access traffic", "set access to false"
        )
        for row, (hub, kind, access) in enumerate(
            zip(hubs["hub_id"], hubs["kind"], hubs["access"], strict=True)
        )
        if kind == "waypoint" and access
    ]
    for row, (start, end, kind) in enumerate(
        zip(links["from_hub_id"], links["to_hub_id"], links["link_class"], strict=True)
    ):
        where = f"{link_file}:{row + 2}"
        problems += [
            Problem(f"{where}:{column}", f"unknown hub '{hub}'", "add it to hubs.csv")
            for column, hub in (("from_hub_id", start), ("to_hub_id", end))
            if hub not in number
        ]
        if start == end:
            problems.append(Problem(f"{where}:to_hub_id", f"link from '{start}' to itself", "remove the row"))
        if kind not in LINK_CLASSES:
            problems.append(
                Problem(f"{where}:link_class", f"unknown class '{kind}'", f"one of {', '.join(LINK_CLASSES)}")
            )
    if problems:
        message = f"network tables: {len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise DataError(message, tuple(problems[:MOST_PROBLEMS]))
    return number


def _parameters(tables: Tables, network: str) -> dict[str, float]:
    frame = tables.frame("parameters")
    chosen = frame[frame["network"] == network]
    value = {
        str(name): float(figure) for name, figure in zip(chosen["parameter"], chosen["value"], strict=True)
    }
    needed = (*RATES, "intercept", "hubs_per_point", "kernel", "kernel_prior")
    missing = [name for name in needed if name not in value]
    if missing:
        message = f"{tables.path('parameters')}: no {', '.join(missing)} for network {network}"
        raise DataError(message, hint="build the tables again or restore the shipped file")
    return value


def _corrections(tables: Tables, network: str) -> tuple[dict[str, float], dict[tuple[str, str], float]]:
    if not tables.has("corrections"):
        return {}, {}
    frame = tables.frame("corrections")
    frame = frame[frame["network"] == network]
    country: dict[str, float] = {}
    pair: dict[tuple[str, str], float] = {}
    for kind, key, figure in zip(frame["kind"], frame["key"], frame["log_factor"], strict=True):
        if kind == "country":
            country[str(key)] = float(figure)
        else:
            first, second = sorted(str(key).split("|"))
            pair[first, second] = float(figure)
    return country, pair


def _band(tables: Tables, network: str, site_error_share: float) -> BandTable:
    frame = tables.frame("rtt_band")
    frame = frame[frame["network"] == network].sort_values("from_km")
    return BandTable(
        edges_km=(*frame["from_km"].tolist(), float("inf")),
        p90_ratio=tuple(frame["p90_ratio"].tolist()),
        p90_add_ms=tuple(frame["p90_add_ms"].tolist()),
        site_error_share=site_error_share,
    )


def _no_pairs() -> ReferenceTable:
    empty = np.zeros(0)
    return ReferenceTable(empty, empty, empty, empty, (), (), empty, empty, ())


def _joined(first: ReferenceTable, second: ReferenceTable) -> ReferenceTable:
    return ReferenceTable(
        np.concatenate([first.lat_a, second.lat_a]),
        np.concatenate([first.lon_a, second.lon_a]),
        np.concatenate([first.lat_b, second.lat_b]),
        np.concatenate([first.lon_b, second.lon_b]),
        first.country_a + second.country_a,
        first.country_b + second.country_b,
        np.concatenate([first.rtt_ms, second.rtt_ms]),
        np.concatenate([first.weight, second.weight]),
        first.origin + second.origin,
    )


def _shipped_pairs(tables: Tables, network: str, sets: tuple[str, ...] | None) -> ReferenceTable:
    frame = tables.frame("rtt_reference")
    frame = frame[frame["network"] == network]
    known = sorted(set(frame["set"]))
    if sets is not None:
        wrong = [name for name in sets if name not in known]
        if wrong:
            message = f"reference set '{wrong[0]}': unknown for the {network} network"
            raise UsageError(message, hint=f"one of {', '.join(known) or 'none'}")
        frame = frame[frame["set"].isin(sets)]
    pairs = ReferenceTable(
        frame["from_lat"].to_numpy(dtype=np.float64),
        frame["from_lon"].to_numpy(dtype=np.float64),
        frame["to_lat"].to_numpy(dtype=np.float64),
        frame["to_lon"].to_numpy(dtype=np.float64),
        tuple(frame["from_country_iso3"]),
        tuple(frame["to_country_iso3"]),
        frame["rtt_ms"].to_numpy(dtype=np.float64),
        np.ones(len(frame)),
        tuple(frame["set"]),
    )
    refuse_too_fast(tables.path("rtt_reference"), frame.index.to_numpy() + 2, pairs)
    return pairs


def refuse_too_fast(path: Path, line: NDArray[np.int64], pairs: ReferenceTable) -> None:
    """Refuse measured pairs that beat light in fiber over the great circle.

    Raises
    ------
    DataError
        Naming file, row, the measured value and the floor of each such pair.
    """
    floor = km_between(pairs.lat_a, pairs.lon_a, pairs.lat_b, pairs.lon_b) / FIBER_KM_PER_MS_ROUND_TRIP.value
    wrong = np.flatnonzero(pairs.rtt_ms < floor)
    if wrong.size:
        problems = tuple(
            Problem(
                f"{path}:{line[row]}:rtt_ms",
                f"{pairs.rtt_ms[row]:g} ms is faster than light in fiber: {100 * floor[row]:.0f} km take at "
                f"least {floor[row]:.2f} ms",
                "check the coordinates and that rtt_ms is a round trip in milliseconds",
            )
            for row in wrong[:MOST_PROBLEMS]
        )
        message = f"{path}: {wrong.size} measured pair{'s' if wrong.size > 1 else ''} refused"
        raise DataError(message, problems)


def read_reference(tables: Tables, path: Path, network: str) -> ReferenceTable:
    """Read a user's own measured pairs.

    The file has ``from_lat, from_lon, to_lat, to_lon, rtt_ms`` and may have ``from_country_iso3,
    to_country_iso3``, ``network`` (rows of the other network are left out), ``set``, ``from_id``,
    ``to_id``, ``year``, ``gc_km``.

    Raises
    ------
    DataError
        If a column is missing, a value is out of range, a pair is faster than light in fiber, or no row
        belongs to the network.
    """
    frame = read_pairs_file(path, extra=("rtt_ms",))
    columns = {}
    problems: list[Problem] = []
    for name, low, high in (
        ("from_lat", -90.0, 90.0),
        ("from_lon", -180.0, 180.0),
        ("to_lat", -90.0, 90.0),
        ("to_lon", -180.0, 180.0),
        ("rtt_ms", 1e-3, 1e5),
    ):
        columns[name], wrong = numbers_in(path, frame, name, low, high)
        problems += wrong
    if "network" in frame:
        problems += [
            Problem(f"{path}:{row + 2}:network", f"got '{name}'", f"one of {', '.join(NETWORKS)} or empty")
            for row, name in enumerate(frame["network"])
            if name not in (*NETWORKS, "")
        ]
    if problems:
        message = f"{path}: {len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise DataError(message, tuple(problems[:MOST_PROBLEMS]))
    keep = (
        np.array([name in (network, "") for name in frame["network"]])
        if "network" in frame
        else np.ones(len(frame), dtype=bool)
    )
    rows = np.flatnonzero(keep)
    if not rows.size:
        message = f"{path}: no pair for the {network} network"
        raise DataError(message, hint="the column network must be cloud, public or empty")
    pairs = ReferenceTable(
        columns["from_lat"][rows],
        columns["from_lon"][rows],
        columns["to_lat"][rows],
        columns["to_lon"][rows],
        _countries(tables, frame, "from", columns, rows),
        _countries(tables, frame, "to", columns, rows),
        columns["rtt_ms"][rows],
        np.full(rows.size, OWN_WEIGHT),
        tuple([str(path)] * rows.size),
    )
    refuse_too_fast(path, rows + 2, pairs)
    return pairs


def _countries(
    tables: Tables,
    frame: pd.DataFrame,
    end: str,
    columns: Mapping[str, NDArray[np.float64]],
    rows: NDArray[np.int64],
) -> tuple[str, ...]:
    near = nearest_country(tables, columns[f"{end}_lat"][rows], columns[f"{end}_lon"][rows])
    name = f"{end}_country_iso3"
    if name not in frame:
        return near
    given = frame[name].tolist()
    return tuple(str(given[row]) or near[place] for place, row in enumerate(rows))


PAIR_COLUMNS = ("from_lat", "from_lon", "to_lat", "to_lon")


def read_pairs_file(path: Path, *, extra: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read a file of pairs with ``from_lat, from_lon, to_lat, to_lon`` (and ``extra`` columns).

    Raises
    ------
    DataError
        If the file is missing or unreadable, has no rows, or lacks a column.
    """
    if not path.is_file():
        message = f"{path}: no such file"
        raise DataError(message, hint=f"a CSV file with the columns {', '.join((*PAIR_COLUMNS, *extra))}")
    frame = read_table(path)
    frame.columns = [str(name).strip().lstrip("\ufeff") for name in frame.columns]
    problems = []
    for name in (*PAIR_COLUMNS, *extra):
        if name not in frame.columns:
            near = difflib.get_close_matches(name, [str(column) for column in frame.columns], n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"needed: {', '.join((*PAIR_COLUMNS, *extra))}"
            problems.append(Problem(f"{path}:1", f"no column '{name}'", hint))
    if problems:
        message = f"{path}: {len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise DataError(message, tuple(problems))
    if frame.empty:
        message = f"{path}: no rows"
        raise DataError(message, hint="give at least one pair under the header")
    return frame


@dataclass(frozen=True)
class PairEnds:
    """Checked ends of the pairs of a file, with the country of the nearest place."""

    frame: pd.DataFrame
    lat_a: NDArray[np.float64]
    lon_a: NDArray[np.float64]
    lat_b: NDArray[np.float64]
    lon_b: NDArray[np.float64]
    country_a: tuple[str, ...]
    country_b: tuple[str, ...]


def read_pair_ends(tables: Tables, path: Path) -> PairEnds:
    """Read a file of pairs to be modeled; ``from_country_iso3, to_country_iso3`` override the nearest place.

    Raises
    ------
    DataError
        If a column is missing or a coordinate is out of range (file, row, column and value are named).
    """
    frame = read_pairs_file(path)
    columns: dict[str, NDArray[np.float64]] = {}
    problems: list[Problem] = []
    for name in PAIR_COLUMNS:
        limit = 90.0 if name.endswith("lat") else 180.0
        columns[name], wrong = numbers_in(path, frame, name, -limit, limit)
        problems += wrong
    if problems:
        message = f"{path}: {len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise DataError(message, tuple(problems[:MOST_PROBLEMS]))
    rows = np.arange(len(frame))
    return PairEnds(
        frame,
        columns["from_lat"],
        columns["from_lon"],
        columns["to_lat"],
        columns["to_lon"],
        _countries(tables, frame, "from", columns, rows),
        _countries(tables, frame, "to", columns, rows),
    )


@dataclass(frozen=True)
class LastMile:
    """What the access line of a user adds to the RTT to the user's metro. [ms]"""

    access: str
    low_ms: float
    high_ms: float
    quality: str
    source_id: str


def load_last_mile(tables: Tables, access: str) -> LastMile:
    """Read the addition of an access type (recalled figures: ``unverified``).

    Raises
    ------
    UsageError
        If the access type is unknown.
    """
    frame = tables.frame("last_mile")
    names = list(frame["access"])
    if access not in names:
        near = difflib.get_close_matches(access, names, n=2)
        message = f"--access {access}: unknown"
        raise UsageError(
            message,
            hint=(f"did you mean {' or '.join(near)}? " if near else "") + f"one of {', '.join(names)}",
        )
    row = frame.iloc[names.index(access)]
    return LastMile(
        access,
        float(row["add_rtt_low_ms"]),
        float(row["add_rtt_high_ms"]),
        str(row["quality"]),
        str(row["source_id"]),
    )


@dataclass(frozen=True)
class BestReach:
    """Best reach of any point on land, by which reach is divided."""

    best_reach_ratio: float
    place: str
    lat: float
    lon: float


def best_reach(
    tables: Tables, market: str, demand: str, network: str, *, full_ms: float, zero_ms: float, points: int
) -> BestReach | None:
    """Look up the precomputed best reach; None where the table has no such row (compute it then)."""
    frame = tables.frame("best_reach")
    name = market.strip().lower().replace("_", "-").replace(" ", "-")
    found = frame[
        (frame["market"] == name)
        & (frame["demand"] == demand)
        & (frame["network"] == network)
        & np.isclose(frame["full_ms"], full_ms)
        & np.isclose(frame["zero_ms"], zero_ms)
        & (frame["points"] == points)
    ]
    if found.empty:
        return None
    row = found.iloc[0]
    return BestReach(float(row["best_reach_ratio"]), str(row["place"]), float(row["lat"]), float(row["lon"]))


def candidate_places(tables: Tables) -> tuple[ArrayLike, ArrayLike, NDArray[np.object_], list[str]]:
    """Places among which the best reach is sought when the table has none: metros and hub cities."""
    metros, hubs = tables.frame("demand_metros"), tables.frame("hubs")
    hubs = hubs[hubs["country_iso3"] != ""]
    lat = np.concatenate([metros["lat"].to_numpy(), hubs["lat"].to_numpy()])
    lon = np.concatenate([metros["lon"].to_numpy(), hubs["lon"].to_numpy()])
    country = np.concatenate([metros["country_iso3"].to_numpy(), hubs["country_iso3"].to_numpy()]).astype(
        object
    )
    return lat, lon, country, [*metros["name"], *hubs["name"]]


# --- naming a place -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class NamedPoint:
    """A point of a command: how it was understood."""

    label: str
    lat: float
    lon: float
    country_iso3: str
    kind: str


def plain_name(text: str) -> str:
    """Name without accents, case and punctuation, for comparison."""
    letters = unicodedata.normalize("NFKD", text)
    kept = "".join(letter for letter in letters if not unicodedata.combining(letter)).lower()
    return re.sub(r"[^a-z0-9]+", " ", kept).strip()


def find_point(tables: Tables, text: str) -> NamedPoint:
    """Understand a place: a catalog site, a hub city, a metro, or ``LAT,LON``.

    ``NAME:ISO3`` picks one of several places of the same name. Sites go by id or an unambiguous part of
    it, cities by their whole name.

    Raises
    ------
    UsageError
        If nothing or too much fits, or a coordinate is out of range.
    """
    numbers = re.fullmatch(r"\s*([+-]?[\d.]+(?:[eE][+-]?\d+)?)\s*,\s*([+-]?[\d.]+(?:[eE][+-]?\d+)?)\s*", text)
    if numbers:
        return _coordinates(tables, text, numbers[1], numbers[2])
    name, _, country = text.partition(":")
    wanted, country = plain_name(name), country.strip().upper()
    places = _places(tables)
    exact = [place for place in places if wanted in (plain_name(place[0]), plain_name(place[1]))]
    if not exact:
        exact = [
            place for place in places if place[5] == "site" and wanted and wanted in plain_name(place[0])
        ]
    if not exact:
        exact = [
            place
            for place in places
            if place[5] == "hub" and wanted and plain_name(place[0]).startswith(wanted)
        ]
    if country:
        exact = [place for place in exact if place[4] == country]
    for kind in ("site", "hub", "metro"):
        found = [place for place in exact if place[5] == kind]
        if len(found) == 1:
            return NamedPoint(found[0][0], found[0][2], found[0][3], found[0][4], kind)
        if found:
            shown = ", ".join(sorted(f"{p[0]}" if kind == "site" else f"{p[0]}:{p[4]}" for p in found)[:8])
            message = f"'{text}' fits {len(found)} places"
            raise UsageError(message, hint=f"name one of {shown}, or give LAT,LON")
    names = {plain_name(label): label for place in places for label in place[:2]}
    near = difflib.get_close_matches(wanted, list(names), n=3, cutoff=0.75)
    message = f"'{text}': no site, hub city or metro of this name"
    hint = f"did you mean {' or '.join(names[one] for one in near)}? " if near else ""
    raise UsageError(message, hint=f"{hint}LAT,LON works for any point")


def _coordinates(tables: Tables, text: str, lat_text: str, lon_text: str) -> NamedPoint:
    try:
        lat, lon = float(lat_text), float(lon_text)
    except ValueError:
        message = f"'{text}': not LAT,LON"
        raise UsageError(message, hint="two decimal numbers, for example 47.23,-119.85") from None
    if not (-90 <= lat <= 90 and -180 <= lon <= 180):
        message = f"'{text}': latitude must be -90 to 90 and longitude -180 to 180"
        raise UsageError(message, hint="the order is LAT,LON")
    country = nearest_country(tables, np.array([lat]), np.array([lon]))[0]
    return NamedPoint(text.strip(), lat, lon, country, "point")


def _places(tables: Tables) -> list[tuple[str, str, float, float, str, str]]:
    """Places as (label, second name, lat, lon, country, kind)."""

    def make() -> list[tuple[str, str, float, float, str, str]]:
        rows: list[tuple[str, str, float, float, str, str]] = []
        for table, kind, label in (
            ("sites", "site", "site_id"),
            ("hubs", "hub", "name"),
            ("demand_metros", "metro", "name"),
        ):
            if not tables.has(table):
                continue
            frame = tables.frame(table)
            if kind == "hub":
                frame = frame[frame["access"]]
            rows += zip(
                frame[label],
                frame["name"],
                frame["lat"].tolist(),
                frame["lon"].tolist(),
                frame["country_iso3"],
                [kind] * len(frame),
                strict=True,
            )
        return rows

    found: list[tuple[str, str, float, float, str, str]] = tables.memo("places_by_name", make)
    return found
