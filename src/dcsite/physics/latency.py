"""Round-trip times over a graph of fiber routes, and what they mean for users: reach, coverage, quantiles.

Owns the arithmetic: shortest path over hubs and links, access to the nearest hubs, fitted factors,
interpolation of the residuals of measured pairs, the floor of light in fiber, the error band, and the
demand-weighted measures of a site. Tables come from :mod:`dcsite.data.network` and
:mod:`dcsite.data.demand`; nothing here reads a file. Letters in shapes: S sites, U user points,
N pairs, H hubs, L links, M nodes of the measured pairs, R regions of the world.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from dcsite.constants import EARTH_RADIUS_KM, FIBER_KM_PER_MS_ROUND_TRIP

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LINK_CLASSES = ("terrestrial_dense", "terrestrial_sparse", "submarine", "rarely_used")
"""Classes of links; each has a rate in RTT ms per km of route."""

DIRECT_DETOUR_RATIO = 1.35
"""Route length over great circle of near neighbors that need no hub."""

DIRECT_SAME_COUNTRY_KM = 900.0
DIRECT_ANY_COUNTRY_KM = 500.0
BORDER_KM = 150.0
"""Extra access length to a hub of another country: fiber crosses borders at few places."""

SAME_METRO_KM = 25.0
"""Two points this near share a metro: their RTT is the intercept alone."""

MINIMUM_LINK_MS = 1e-9
"""Weight of a link of zero length: a sparse graph drops exact zeros."""


# --- geometry -----------------------------------------------------------------------------------------


def unit_vectors(lat: ArrayLike, lon: ArrayLike) -> Floats:
    """Points on the unit sphere.

    Parameters
    ----------
    lat, lon : array_like, shape (N,)
        Latitude and longitude. [deg]

    Returns
    -------
    ndarray, shape (N, 3)
        Cartesian unit vectors. [-]

    Raises
    ------
    ValueError
        If a coordinate is not finite or out of range.
    """
    lat_deg = np.atleast_1d(np.asarray(lat, dtype=np.float64))
    lon_deg = np.atleast_1d(np.asarray(lon, dtype=np.float64))
    bad = ~(np.isfinite(lat_deg) & np.isfinite(lon_deg) & (np.abs(lat_deg) <= 90) & (np.abs(lon_deg) <= 360))
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        msg = (
            f"lat must be -90..90 and lon -360..360, got {lat_deg[first]:g},{lon_deg[first]:g} at row {first}"
        )
        raise ValueError(msg)
    phi, lam = np.radians(lat_deg), np.radians(lon_deg)
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=1)


def chord_to_km(chord: ArrayLike) -> Floats:
    """Great-circle length from the chord between unit vectors. [km]"""
    half = np.clip(np.asarray(chord, dtype=np.float64) / 2.0, 0.0, 1.0)
    return np.asarray(2.0 * EARTH_RADIUS_KM.value * np.arcsin(half))


def km_to_chord(km: float) -> float:
    """Chord between unit vectors of a great-circle length. [-]"""
    return float(2.0 * np.sin(min(km / EARTH_RADIUS_KM.value, np.pi) / 2.0))


def pair_km(a: Floats, b: Floats) -> Floats:
    """Great-circle length between paired unit vectors, shapes (N, 3) -> (N,). [km]"""
    return chord_to_km(np.sqrt(((a - b) ** 2).sum(axis=1)))


def matrix_km(a: Floats, b: Floats) -> Floats:
    """Great-circle lengths between two sets of unit vectors, shapes (S, 3), (U, 3) -> (S, U). [km]

    The chord comes from differences, not from a dot product, so that near points keep their digits.
    """
    squares = np.zeros((len(a), len(b)))
    for axis in range(3):
        squares += (a[:, axis, None] - b[None, :, axis]) ** 2
    return chord_to_km(np.sqrt(squares))


def great_circle_km(lat_a: ArrayLike, lon_a: ArrayLike, lat_b: ArrayLike, lon_b: ArrayLike) -> Floats:
    """Great-circle length of pairs, shape (N,). [km]"""
    return pair_km(unit_vectors(lat_a, lon_a), unit_vectors(lat_b, lon_b))


# --- the network --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReferencePairs:
    """Measured round-trip times between places, whose residuals are interpolated.

    Attributes
    ----------
    lat_a, lon_a, lat_b, lon_b : ndarray, shape (N,)
        Ends of each pair. [deg]
    country_a, country_b : tuple of str
        ISO 3166 alpha-3 of the ends, ``""`` where unknown.
    rtt_ms : ndarray, shape (N,)
        Measured median or mean round-trip time. [ms]
    weight : ndarray, shape (N,)
        Weight of each pair; shipped sets have 1.
    origin : tuple of str
        Name of the set of each pair, or of the user's file.
    """

    lat_a: Floats
    lon_a: Floats
    lat_b: Floats
    lon_b: Floats
    country_a: tuple[str, ...]
    country_b: tuple[str, ...]
    rtt_ms: Floats
    weight: Floats
    origin: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.rtt_ms)

    def take(self, keep: NDArray[np.bool_]) -> ReferencePairs:
        """Only the pairs where ``keep`` is true."""
        rows = np.flatnonzero(keep)
        return ReferencePairs(
            self.lat_a[rows],
            self.lon_a[rows],
            self.lat_b[rows],
            self.lon_b[rows],
            tuple(self.country_a[row] for row in rows),
            tuple(self.country_b[row] for row in rows),
            self.rtt_ms[rows],
            self.weight[rows],
            tuple(self.origin[row] for row in rows),
        )


def no_reference_pairs() -> ReferencePairs:
    """Make an empty set of reference pairs."""
    empty = np.zeros(0)
    return ReferencePairs(empty, empty, empty, empty, (), (), empty, empty, ())


def join_reference_pairs(first: ReferencePairs, second: ReferencePairs) -> ReferencePairs:
    """Both sets in one."""
    return ReferencePairs(
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


@dataclass(frozen=True)
class ErrorBand:
    """Error of the model by great-circle distance class, from cross-validation by metro.

    ``p90_ratio[k]`` times the modeled RTT plus ``p90_add_ms[k]`` is not exceeded by 90 % of measured
    pairs of distance class ``k`` (``edges_km[k] <= km < edges_km[k + 1]``). ``site_error_share`` is the
    share of the error's variance that stays when two sites are compared over the same users.
    """

    edges_km: tuple[float, ...]
    p90_ratio: tuple[float, ...]
    p90_add_ms: tuple[float, ...]
    site_error_share: float = 1.0

    def p90_ms(self, rtt_ms: ArrayLike, km: ArrayLike) -> Floats:
        """90 % bound of pairs. [ms]"""
        kind = np.clip(
            np.searchsorted(np.asarray(self.edges_km[1:-1]), np.asarray(km), side="right"),
            0,
            len(self.p90_ratio) - 1,
        )
        rtt = np.asarray(rtt_ms, dtype=np.float64)
        bound = rtt * np.asarray(self.p90_ratio)[kind] + np.asarray(self.p90_add_ms)[kind]
        return np.asarray(np.maximum(bound, rtt))


NO_BAND = ErrorBand((0.0, np.inf), (1.0,), (0.0,))


@dataclass(frozen=True)
class Network:
    """A graph of fiber routes with one set of fitted parameters.

    Attributes
    ----------
    name
        ``cloud`` (backbones of providers) or ``public`` (transit between cities).
    hub_ids, hub_names, hub_countries
        H hubs; country is ISO 3166 alpha-3, ``""`` for sea waypoints.
    hub_lat, hub_lon : ndarray, shape (H,)
        Position. [deg]
    hub_access : ndarray of bool, shape (H,)
        Whether the hub takes access traffic (waypoints never do).
    link_from, link_to : ndarray of int, shape (L,)
        Ends of each link as hub numbers.
    link_km : ndarray, shape (L,)
        Length of each link. [km]
    link_class : ndarray of int, shape (L,)
        Index into :data:`LINK_CLASSES`.
    link_factor : ndarray, shape (L,)
        Fitted factor on the class rate of each link. [-]
    rate_ms_per_km
        RTT per km by link class, and ``access_to_hub``.
    intercept_ms
        RTT of a pair of no length: equipment and queues at both ends.
    far_ms, far_scale_ms
        What equipment on a long path adds: ``far_ms * (1 - exp(-path / far_scale_ms))``.
    hubs_per_point
        How many nearest hubs a point may enter the graph by.
    country_log_factor
        Fitted ``c`` by country (ISO 3166 alpha-3); missing is 0.
    country_region
        Region of the world of each country, for ``pair_log_factor``.
    pair_log_factor
        Fitted ``g`` by unordered pair of regions (names sorted).
    reference
        Measured pairs whose residuals are interpolated.
    kernel_km, kernel_prior
        Length and prior weight of the interpolation.
    band
        Error band by distance class.
    """

    name: str
    hub_ids: tuple[str, ...]
    hub_names: tuple[str, ...]
    hub_countries: tuple[str, ...]
    hub_lat: Floats
    hub_lon: Floats
    hub_access: NDArray[np.bool_]
    link_from: Ints
    link_to: Ints
    link_km: Floats
    link_class: Ints
    link_factor: Floats
    rate_ms_per_km: Mapping[str, float]
    intercept_ms: float
    far_ms: float = 0.0
    far_scale_ms: float = 5.0
    hubs_per_point: int = 4
    country_log_factor: Mapping[str, float] = field(default_factory=dict)
    country_region: Mapping[str, str] = field(default_factory=dict)
    pair_log_factor: Mapping[tuple[str, str], float] = field(default_factory=dict)
    reference: ReferencePairs = field(default_factory=no_reference_pairs)
    kernel_km: float = 300.0
    kernel_prior: float = 0.1
    band: ErrorBand = NO_BAND

    def __post_init__(self) -> None:
        hubs, links = len(self.hub_ids), len(self.link_km)
        ends = np.concatenate([self.link_from, self.link_to])
        if ends.size and (ends.min() < 0 or ends.max() >= hubs):
            msg = f"a link ends at hub number {int(ends.max())}, but there are {hubs} hubs"
            raise ValueError(msg)
        loops = np.flatnonzero(self.link_from == self.link_to)
        if loops.size:
            msg = f"link {int(loops[0])} joins hub '{self.hub_ids[int(self.link_from[loops[0]])]}' to itself"
            raise ValueError(msg)
        if links and not (np.isfinite(self.link_km).all() and (self.link_km >= 0).all()):
            msg = "link_km must be finite and >= 0"
            raise ValueError(msg)
        if not self.hub_access.any():
            msg = "no hub takes access traffic"
            raise ValueError(msg)

    @cached_property
    def hub_xyz(self) -> Floats:
        """Unit vectors of the hubs, shape (H, 3)."""
        return unit_vectors(self.hub_lat, self.hub_lon)

    @cached_property
    def link_ms(self) -> Floats:
        """RTT of each link, shape (L,). [ms]"""
        rates = np.array([self.rate_ms_per_km[name] for name in LINK_CLASSES])
        return np.asarray(
            np.maximum(self.link_km * rates[self.link_class] * self.link_factor, MINIMUM_LINK_MS)
        )

    @cached_property
    def hub_ms(self) -> Floats:
        """RTT between all hubs over the links, shape (H, H); infinite where no path exists. [ms]"""
        return shortest_paths(len(self.hub_ids), self.link_from, self.link_to, self.link_ms)

    @cached_property
    def access_hubs(self) -> Ints:
        """Numbers of the hubs that take access traffic."""
        return np.flatnonzero(self.hub_access)

    @cached_property
    def access_tree(self) -> cKDTree:
        """Nearest-hub index over ``access_hubs``."""
        return cKDTree(self.hub_xyz[self.access_hubs])

    @cached_property
    def country_index(self) -> dict[str, int]:
        """Number of each country that is known to hubs or factors; 0 is "unknown"."""
        names = set(self.hub_countries) | set(self.country_log_factor) | set(self.country_region)
        return {name: number for number, name in enumerate(["", *sorted(names - {""})])}

    @cached_property
    def regions(self) -> tuple[str, ...]:
        """Names of the regions of the world; the first is "unknown"."""
        return ("", *sorted(set(self.country_region.values()) - {""}))

    @cached_property
    def factor_of_country(self) -> Floats:
        """``exp(c)`` by country number."""
        return np.asarray(
            np.exp(np.array([self.country_log_factor.get(name, 0.0) for name in self.country_index]))
        )

    @cached_property
    def region_of_country(self) -> Ints:
        """Region number by country number."""
        number = {name: position for position, name in enumerate(self.regions)}
        return np.array([number[self.country_region.get(name, "")] for name in self.country_index])

    @cached_property
    def factor_of_regions(self) -> Floats:
        """``exp(g)`` by pair of region numbers, shape (R, R), symmetric."""
        size = len(self.regions)
        table = np.ones((size, size))
        for first, name_a in enumerate(self.regions):
            for second, name_b in enumerate(self.regions):
                key = (name_a, name_b) if name_a <= name_b else (name_b, name_a)
                table[first, second] = np.exp(self.pair_log_factor.get(key, 0.0))
        return table

    @cached_property
    def residuals(self) -> Residuals | None:
        """Node form of the residuals of the reference pairs, or None without pairs."""
        return _residuals(self) if len(self.reference) else None

    @cached_property
    def corrected(self) -> bool:
        """Whether any country or region factor differs from 1."""
        return bool(self.country_log_factor or self.pair_log_factor)

    def without_corrections(self) -> Network:
        """Same graph with all fitted country and region factors off."""
        return replace(self, country_log_factor={}, pair_log_factor={})

    def without_reference(self) -> Network:
        """Same graph without interpolated residuals."""
        return replace(self, reference=no_reference_pairs())

    def with_reference(self, pairs: ReferencePairs, *, extend: bool = True) -> Network:
        """Same graph with further (or, ``extend=False``, only these) measured pairs."""
        joined = join_reference_pairs(self.reference, pairs) if extend else pairs
        return replace(self, reference=joined)


def as_network(tables: object) -> Network:
    """Build the network from any object with the fields of :class:`Network` as attributes.

    :func:`dcsite.data.network.load_network` returns such an object; physics and data share field names,
    not types. ``reference`` and ``band`` of it are objects with the fields of :class:`ReferencePairs`
    and :class:`ErrorBand`.

    Raises
    ------
    ValueError
        If links and hubs do not fit together.
    """
    values = {item.name: getattr(tables, item.name) for item in fields(Network)}
    values["reference"] = as_reference_pairs(values["reference"])
    values["band"] = ErrorBand(*(getattr(values["band"], item.name) for item in fields(ErrorBand)))
    return Network(**values)


def as_reference_pairs(tables: object) -> ReferencePairs:
    """Build reference pairs from any object with their fields as attributes."""
    return ReferencePairs(*(getattr(tables, item.name) for item in fields(ReferencePairs)))


def shortest_paths(hubs: int, link_from: Ints, link_to: Ints, link_ms: Floats) -> Floats:
    """All-pairs shortest path over undirected links; of parallel links the shortest counts.

    Parameters
    ----------
    hubs : int
        Number of hubs H.
    link_from, link_to : ndarray of int, shape (L,)
        Ends of the links.
    link_ms : ndarray, shape (L,)
        Weights, at least 0. [ms]

    Returns
    -------
    ndarray, shape (H, H)
        Symmetric; infinite between parts that no link joins. [ms]
    """
    paths = dijkstra(link_graph(hubs, link_from, link_to, link_ms), directed=False)
    return np.asarray(np.minimum(paths, paths.T))


def link_graph(hubs: int, link_from: Ints, link_to: Ints, link_ms: Floats) -> coo_matrix:
    """Sparse graph with the least weight of each pair of hubs (``coo_matrix`` alone would add them)."""
    low, high = np.minimum(link_from, link_to), np.maximum(link_from, link_to)
    order = np.lexsort((link_ms, high, low))
    low, high = low[order], high[order]
    first = np.ones(len(low), dtype=bool)
    first[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    weight = np.maximum(link_ms[order][first], MINIMUM_LINK_MS)
    return coo_matrix((weight, (low[first], high[first])), shape=(hubs, hubs)).tocsr()


# --- points and pairs ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Points:
    """Points prepared for one network: hubs they enter by, access time, factors, kernel weights.

    Attributes
    ----------
    xyz : ndarray, shape (N, 3)
        Unit vectors.
    hub : ndarray of int, shape (N, k)
        Numbers of the nearest access hubs.
    access_ms : ndarray, shape (N, k)
        RTT to each of them. [ms]
    country, region : ndarray of int, shape (N,)
        Numbers in ``network.country_index`` and ``network.regions``.
    factor : ndarray, shape (N,)
        Country factor ``exp(c)``. [-]
    kernel : ndarray, shape (N, M)
        Kernel weight to each node of the measured pairs; M is 0 without pairs.
    """

    xyz: Floats
    hub: Ints
    access_ms: Floats
    country: Ints
    region: Ints
    factor: Floats
    kernel: Floats

    def __len__(self) -> int:
        return len(self.xyz)

    def part(self, rows: slice) -> Points:
        """Take a slice of the points."""
        return Points(
            self.xyz[rows],
            self.hub[rows],
            self.access_ms[rows],
            self.country[rows],
            self.region[rows],
            self.factor[rows],
            self.kernel[rows],
        )


def country_numbers(network: Network, country: ArrayLike | Sequence[str] | None, size: int) -> Ints:
    """ISO 3166 alpha-3 codes to numbers of the network; unknown codes give 0 (no border, no factor)."""
    if country is None:
        return np.zeros(size, dtype=np.int64)
    codes = np.atleast_1d(np.asarray(country, dtype=object))
    if codes.shape != (size,):
        msg = f"{codes.shape[0]} countries for {size} points"
        raise ValueError(msg)
    index = network.country_index
    return np.array([index.get(str(code), 0) for code in codes], dtype=np.int64)


def prepare_points(
    network: Network,
    lat: ArrayLike,
    lon: ArrayLike,
    country: ArrayLike | Sequence[str] | None = None,
    *,
    residuals: bool = True,
) -> Points:
    """Find the hubs, factors and kernel weights of points.

    Parameters
    ----------
    network
        The network.
    lat, lon : array_like, shape (N,)
        Position. [deg]
    country : sequence of str, shape (N,), optional
        ISO 3166 alpha-3; ``""`` or an unknown code means no border penalty and no country factor.
    residuals
        Whether to compute the kernel weights.

    Raises
    ------
    ValueError
        If a coordinate is out of range, or the lengths differ.
    """
    xyz = unit_vectors(lat, lon)
    number = country_numbers(network, country, len(xyz))
    count = min(network.hubs_per_point, len(network.access_hubs))
    chord, near = network.access_tree.query(xyz, k=count)
    chord, near = chord.reshape(len(xyz), count), near.reshape(len(xyz), count)
    hub = network.access_hubs[near]
    hub_country = np.array([network.country_index[name] for name in network.hub_countries])[hub]
    abroad = (hub_country != number[:, None]) & (hub_country > 0) & (number[:, None] > 0)
    access_km = chord_to_km(chord) + BORDER_KM * abroad
    nodes = network.residuals if residuals else None
    kernel = (
        np.zeros((len(xyz), 0)) if nodes is None else np.exp(-matrix_km(xyz, nodes.xyz) / network.kernel_km)
    )
    return Points(
        xyz=xyz,
        hub=hub,
        access_ms=access_km * network.rate_ms_per_km["access_to_hub"],
        country=number,
        region=network.region_of_country[number],
        factor=network.factor_of_country[number],
        kernel=kernel,
    )


def _direct_ms(network: Network, km: Floats, same_country: NDArray[np.bool_]) -> Floats:
    """RTT without a hub, infinite where the rule does not hold. [ms]"""
    near = (same_country & (km < DIRECT_SAME_COUNTRY_KM)) | (km < DIRECT_ANY_COUNTRY_KM)
    length = DIRECT_DETOUR_RATIO * km * network.rate_ms_per_km["terrestrial_dense"]
    return np.asarray(np.where(near, length, np.inf))


def _start_ms(network: Network, graph_ms: Floats) -> Floats | float:
    """Intercept and what the equipment of a long path adds to it. [ms]"""
    if not network.far_ms:
        return network.intercept_ms
    return np.asarray(network.intercept_ms + network.far_ms * -np.expm1(-graph_ms / network.far_scale_ms))


def _finish(
    network: Network, graph_ms: Floats, factor: Floats | float, km: Floats, same_metro_km: float
) -> Floats:
    """Intercept, factors, the same-metro rule and the floor of light in fiber. [ms]"""
    rtt = (_start_ms(network, graph_ms) + graph_ms) * factor
    rtt = np.where(km <= same_metro_km, network.intercept_ms, rtt)
    return np.asarray(np.maximum(rtt, km / FIBER_KM_PER_MS_ROUND_TRIP.value))


def graph_pairs_ms(network: Network, a: Points, b: Points) -> Floats:
    """Path over the graph, or directly between near neighbors, without intercept, shape (N,). [ms]"""
    best = np.full(len(a), np.inf)
    for i in range(a.hub.shape[1]):
        for j in range(b.hub.shape[1]):
            via = a.access_ms[:, i] + network.hub_ms[a.hub[:, i], b.hub[:, j]] + b.access_ms[:, j]
            np.minimum(best, via, out=best)
    direct = _direct_ms(network, pair_km(a.xyz, b.xyz), (a.country == b.country) & (a.country > 0))
    return np.asarray(np.minimum(best, direct))


def graph_matrix_ms(network: Network, a: Points, b: Points) -> Floats:
    """Path over the graph of every site to every user point, without intercept, shape (S, U). [ms]"""
    table = hub_to_points_ms(network, b)
    best = np.full((len(a), len(b)), np.inf)
    for k in range(a.hub.shape[1]):
        np.minimum(best, a.access_ms[:, k, None] + table[a.hub[:, k]], out=best)
    same = (a.country[:, None] == b.country[None, :]) & (a.country[:, None] > 0)
    return np.asarray(np.minimum(best, _direct_ms(network, matrix_km(a.xyz, b.xyz), same)))


def hub_to_points_ms(network: Network, points: Points) -> Floats:
    """RTT from every hub to every point by the point's best hub, shape (H, U). [ms]"""
    table = np.full((len(network.hub_ids), len(points)), np.inf)
    for k in range(points.hub.shape[1]):
        np.minimum(table, network.hub_ms[:, points.hub[:, k]] + points.access_ms[None, :, k], out=table)
    return table


# --- residuals of measured pairs ----------------------------------------------------------------------


@dataclass(frozen=True)
class Residuals:
    """Residuals of the measured pairs as matrices over their distinct ends.

    Attributes
    ----------
    xyz : ndarray, shape (M, 3)
        Nodes: distinct ends of the pairs.
    weight : ndarray, shape (M, M)
        Sum of the weights of the pairs between two nodes, both orientations.
    weighted : ndarray, shape (M, M)
        Sum of weight times ``ln(measured / modeled)``.
    prior : float
        Weight of "no residual".
    """

    xyz: Floats
    weight: Floats
    weighted: Floats
    prior: float

    def of_pairs(self, a: Floats, b: Floats) -> Floats:
        """Interpolated residual ``q`` of pairs from kernel weights, (N, M), (N, M) -> (N,)."""
        total = ((a @ self.weight) * b).sum(axis=1)
        return np.asarray(((a @ self.weighted) * b).sum(axis=1) / (total + self.prior))

    def of_matrix(self, a: Floats, b: Floats) -> Floats:
        """Interpolated residual ``q`` of all pairs, (S, M), (U, M) -> (S, U)."""
        return np.asarray((a @ (self.weighted @ b.T)) / (a @ (self.weight @ b.T) + self.prior))


def _residuals(network: Network) -> Residuals:
    pairs = network.reference
    ends = np.round(
        np.concatenate(
            [np.stack([pairs.lat_a, pairs.lon_a], axis=1), np.stack([pairs.lat_b, pairs.lon_b], axis=1)]
        ),
        4,
    )
    nodes, number = np.unique(ends, axis=0, return_inverse=True)
    number = number.reshape(-1)
    a, b = number[: len(pairs)], number[len(pairs) :]
    bare = rtt_pairs_ms(
        network,
        prepare_points(network, pairs.lat_a, pairs.lon_a, pairs.country_a, residuals=False),
        prepare_points(network, pairs.lat_b, pairs.lon_b, pairs.country_b, residuals=False),
        residuals=False,
    )
    log_ratio = np.log(pairs.rtt_ms / bare)
    weight = np.zeros((len(nodes), len(nodes)))
    weighted = np.zeros_like(weight)
    for first, second in ((a, b), (b, a)):
        np.add.at(weight, (first, second), pairs.weight)
        np.add.at(weighted, (first, second), pairs.weight * log_ratio)
    xyz = unit_vectors(nodes[:, 0], nodes[:, 1])
    return Residuals(xyz, weight, weighted, network.kernel_prior)


# --- round-trip times ---------------------------------------------------------------------------------


def rtt_pairs_ms(
    network: Network, a: Points, b: Points, *, residuals: bool = True, same_metro_km: float = SAME_METRO_KM
) -> Floats:
    """RTT of prepared pairs, shape (N,). [ms]"""
    factor: Floats = a.factor * b.factor * network.factor_of_regions[a.region, b.region]
    if residuals and network.residuals is not None:
        factor = factor * np.exp(network.residuals.of_pairs(a.kernel, b.kernel))
    return _finish(network, graph_pairs_ms(network, a, b), factor, pair_km(a.xyz, b.xyz), same_metro_km)


@dataclass(frozen=True)
class PairTimes:
    """RTT of pairs with the bound that 90 % of measurements stay under, and the great circle."""

    rtt_ms: Floats
    rtt_p90_ms: Floats
    distance_km: Floats


def rtt_pairs(
    network: Network,
    lat_a: ArrayLike,
    lon_a: ArrayLike,
    country_a: ArrayLike | Sequence[str] | None,
    lat_b: ArrayLike,
    lon_b: ArrayLike,
    country_b: ArrayLike | Sequence[str] | None,
    *,
    same_metro_km: float = SAME_METRO_KM,
    chunk: int = 50_000,
) -> PairTimes:
    """Model round-trip times of pairs of points.

    ``max((intercept + path) * exp(c_a + c_b + g_ab + q_ab), km / 100)``: the path is the shortest over
    the graph by the nearest hubs of both ends; last mile is not in it.

    Parameters
    ----------
    network
        ``cloud`` or ``public``.
    lat_a, lon_a, lat_b, lon_b : array_like, shape (N,)
        Ends. [deg]
    country_a, country_b : sequence of str, shape (N,), optional
        ISO 3166 alpha-3 of the ends, ``""`` where unknown.
    same_metro_km
        Ends this near have the intercept alone. [km]
    chunk
        Pairs handled at once; the result does not depend on it.

    Returns
    -------
    PairTimes
        ``rtt_ms``, ``rtt_p90_ms`` and ``distance_km``, each of shape (N,).

    Raises
    ------
    ValueError
        If a coordinate is out of range or lengths differ.
    """
    columns = [np.atleast_1d(np.asarray(value, dtype=np.float64)) for value in (lat_a, lon_a, lat_b, lon_b)]
    size = len(columns[0])
    if any(column.shape != (size,) for column in columns):
        msg = f"ends of {[len(column) for column in columns]} rows do not pair up"
        raise ValueError(msg)
    codes = [
        None if value is None else np.atleast_1d(np.asarray(value, dtype=object))
        for value in (country_a, country_b)
    ]
    rtt, km = np.empty(size), np.empty(size)
    for start in range(0, size, chunk):
        rows = slice(start, min(start + chunk, size))
        part_a, part_b = (None if code is None else code[rows] for code in codes)
        a = prepare_points(network, columns[0][rows], columns[1][rows], part_a)
        b = prepare_points(network, columns[2][rows], columns[3][rows], part_b)
        rtt[rows] = rtt_pairs_ms(network, a, b, same_metro_km=same_metro_km)
        km[rows] = pair_km(a.xyz, b.xyz)
    return PairTimes(rtt, network.band.p90_ms(rtt, km), km)


def rtt_matrix(
    network: Network,
    lat_a: ArrayLike,
    lon_a: ArrayLike,
    country_a: ArrayLike | Sequence[str] | None,
    lat_b: ArrayLike,
    lon_b: ArrayLike,
    country_b: ArrayLike | Sequence[str] | None,
    *,
    same_metro_km: float = SAME_METRO_KM,
) -> Floats:
    """Model round-trip times of every site to every user point; arguments as :func:`rtt_pairs`.

    Returns
    -------
    ndarray, shape (S, U)
        Round-trip time. [ms]
    """
    a = prepare_points(network, lat_a, lon_a, country_a)
    b = prepare_points(network, lat_b, lon_b, country_b)
    factor = a.factor[:, None] * b.factor[None, :]
    factor = factor * network.factor_of_regions[a.region][:, b.region]
    if network.residuals is not None:
        factor = factor * np.exp(network.residuals.of_matrix(a.kernel, b.kernel))
    km = matrix_km(a.xyz, b.xyz)
    return _finish(network, graph_matrix_ms(network, a, b), factor, km, same_metro_km)


def rtt_p90_matrix(
    network: Network, rtt_ms: Floats, lat_a: ArrayLike, lon_a: ArrayLike, lat_b: ArrayLike, lon_b: ArrayLike
) -> Floats:
    """90 % bound of the model for every entry of :func:`rtt_matrix`, shape (S, U). [ms]"""
    km = matrix_km(unit_vectors(lat_a, lon_a), unit_vectors(lat_b, lon_b))
    return network.band.p90_ms(rtt_ms, km)


@dataclass(frozen=True)
class Route:
    """The path of one pair: what it is made of."""

    hubs: tuple[int, ...]
    links: tuple[int, ...]
    access_km: float
    direct_km: float
    graph_ms: float


def routes(network: Network, a: Points, b: Points) -> list[Route]:
    """Trace the path of each pair over hubs and links (for display and for fitting).

    A route without hubs is direct. ``access_km`` includes the border penalty.
    """
    graph = link_graph(len(network.hub_ids), network.link_from, network.link_to, network.link_ms)
    starts = np.unique(a.hub)
    row = {int(hub): number for number, hub in enumerate(starts)}
    lengths, before = dijkstra(graph, directed=False, indices=starts, return_predecessors=True)
    best_link: dict[tuple[int, int], int] = {}
    for link in np.argsort(-network.link_ms, kind="stable"):
        ends = (int(network.link_from[link]), int(network.link_to[link]))
        best_link[ends] = best_link[ends[::-1]] = int(link)
    rate = network.rate_ms_per_km["access_to_hub"]
    km = pair_km(a.xyz, b.xyz)
    direct = _direct_ms(network, km, (a.country == b.country) & (a.country > 0))
    found = []
    for n in range(len(a)):
        rows = [row[int(hub)] for hub in a.hub[n]]
        via = a.access_ms[n][:, None] + lengths[rows][:, b.hub[n]] + b.access_ms[n][None, :]
        i, j = np.unravel_index(int(np.argmin(via)), via.shape)
        if direct[n] <= via[i, j]:
            found.append(Route((), (), 0.0, float(km[n]), float(direct[n])))
            continue
        hub, hubs = int(b.hub[n, j]), [int(b.hub[n, j])]
        while hub != int(a.hub[n, i]):
            hub = int(before[rows[i], hub])
            hubs.append(hub)
        hubs.reverse()
        links = tuple(best_link[pair] for pair in pairwise(hubs))
        access = (a.access_ms[n, i] + b.access_ms[n, j]) / rate if rate else 0.0
        found.append(Route(tuple(hubs), links, float(access), 0.0, float(via[i, j])))
    return found


# --- what it means for users --------------------------------------------------------------------------


def _shares(weight: ArrayLike, size: int) -> Floats:
    share = np.asarray(weight, dtype=np.float64)
    if share.shape != (size,) or not np.isfinite(share).all() or (share < 0).any() or share.sum() <= 0:
        msg = f"weights must be {size} finite values >= 0 with a positive sum"
        raise ValueError(msg)
    return np.asarray(share / share.sum())


def _worth(rtt_ms: Floats, full_ms: float, zero_ms: float) -> Floats:
    if not 0 <= full_ms <= zero_ms:
        msg = f"reach needs 0 <= full_ms <= zero_ms, got {full_ms:g} and {zero_ms:g}"
        raise ValueError(msg)
    if full_ms == zero_ms:
        return (rtt_ms <= full_ms).astype(np.float64)
    return np.clip((zero_ms - rtt_ms) / (zero_ms - full_ms), 0.0, 1.0)


def reach(
    rtt_ms: ArrayLike, weight: ArrayLike, *, full_ms: float, zero_ms: float, best: float = 1.0
) -> Floats:
    """Share of the market that a site reaches: 1 up to ``full_ms``, falling linearly to 0 at ``zero_ms``.

    Parameters
    ----------
    rtt_ms : array_like, shape (S, U)
        Round-trip times. [ms]
    weight : array_like, shape (U,)
        Demand; only its shares matter.
    full_ms, zero_ms
        Anchors; equal ones make a step (worth 1 at the limit itself). [ms]
    best
        Best value of any point on land, to divide by. [-]

    Returns
    -------
    ndarray, shape (S,)
        Reach. [-]

    Raises
    ------
    ValueError
        If the anchors are out of order, weights are negative, or ``best`` is not positive.

    Examples
    --------
    >>> reach([[10.0, 50.0, 90.0]], [1, 1, 2], full_ms=20, zero_ms=80).round(4).tolist()
    [0.375]
    """
    rtt = np.atleast_2d(np.asarray(rtt_ms, dtype=np.float64))
    if not best > 0:
        msg = f"the best reach must be positive, got {best:g}"
        raise ValueError(msg)
    return np.asarray(_worth(rtt, full_ms, zero_ms) @ _shares(weight, rtt.shape[1]) / best)


def coverage(rtt_ms: ArrayLike, weight: ArrayLike, limit_ms: ArrayLike) -> Floats:
    """Share of demand with RTT at or below each limit.

    Parameters
    ----------
    rtt_ms : array_like, shape (S, U)
        Round-trip times. [ms]
    weight : array_like, shape (U,)
        Demand.
    limit_ms : array_like, shape (K,)
        Limits. [ms]

    Returns
    -------
    ndarray, shape (S, K)
        Covered share of each site and limit. [-]
    """
    rtt = np.atleast_2d(np.asarray(rtt_ms, dtype=np.float64))
    share = _shares(weight, rtt.shape[1])
    limits = np.atleast_1d(np.asarray(limit_ms, dtype=np.float64))
    return np.stack([(rtt <= limit) @ share for limit in limits], axis=1)


def weighted_quantiles(rtt_ms: ArrayLike, weight: ArrayLike, probabilities: ArrayLike) -> Floats:
    """Smallest RTT with at least the asked share of demand at or below it.

    Parameters
    ----------
    rtt_ms : array_like, shape (S, U)
        Round-trip times. [ms]
    weight : array_like, shape (U,)
        Demand.
    probabilities : array_like, shape (P,)
        Shares, 0 to 1. [-]

    Returns
    -------
    ndarray, shape (S, P)
        Quantiles over demand. [ms]
    """
    rtt = np.atleast_2d(np.asarray(rtt_ms, dtype=np.float64))
    share = _shares(weight, rtt.shape[1])
    asked = np.atleast_1d(np.asarray(probabilities, dtype=np.float64))
    order = np.argsort(rtt, axis=1, kind="stable")
    filled = np.cumsum(share[order], axis=1)
    ordered = np.take_along_axis(rtt, order, axis=1)
    result = np.empty((len(rtt), len(asked)))
    for column, probability in enumerate(asked):
        position = (filled >= min(probability, 1.0) - 1e-12).argmax(axis=1)
        result[:, column] = ordered[np.arange(len(rtt)), position]
    return result


@dataclass(frozen=True)
class RttMetrics:
    """Demand-weighted measures of S sites.

    Attributes
    ----------
    rtt_mean_ms, rtt_p50_ms, rtt_p90_ms, rtt_p95_ms : ndarray, shape (S,)
        Mean and quantiles over demand. [ms]
    coverage_ratio : ndarray, shape (S, K)
        Share of demand within each of ``limits_ms``. [-]
    reach_ratio : ndarray, shape (S,)
        Reach over the best reach of any point on land. [-]
    """

    rtt_mean_ms: Floats
    rtt_p50_ms: Floats
    rtt_p90_ms: Floats
    rtt_p95_ms: Floats
    limits_ms: tuple[float, ...]
    coverage_ratio: Floats
    reach_ratio: Floats


def rtt_metrics(
    rtt_ms: ArrayLike,
    weight: ArrayLike,
    *,
    limits_ms: Sequence[float] = (20.0, 50.0, 100.0, 150.0),
    full_ms: float = 20.0,
    zero_ms: float = 80.0,
    best_reach: float = 1.0,
) -> RttMetrics:
    """Mean, quantiles, coverage and reach of each site, from (S, U) round-trip times. [ms]"""
    rtt = np.atleast_2d(np.asarray(rtt_ms, dtype=np.float64))
    quantiles = weighted_quantiles(rtt, weight, (0.5, 0.9, 0.95))
    return RttMetrics(
        rtt_mean_ms=np.asarray(rtt @ _shares(weight, rtt.shape[1])),
        rtt_p50_ms=quantiles[:, 0],
        rtt_p90_ms=quantiles[:, 1],
        rtt_p95_ms=quantiles[:, 2],
        limits_ms=tuple(float(limit) for limit in limits_ms),
        coverage_ratio=coverage(rtt, weight, np.asarray(limits_ms, dtype=np.float64)),
        reach_ratio=reach(rtt, weight, full_ms=full_ms, zero_ms=zero_ms, best=best_reach),
    )


# --- many sites at once -------------------------------------------------------------------------------

HISTOGRAM_MS = 768
"""Bins of 1 ms of the quantiles over demand in :meth:`ReachIndex.metrics`; the last takes the rest."""

BLOCK_PAIRS = 131_072
"""Pairs of a block: half a megabyte in single precision, and small enough that no thread pool wakes up."""


@dataclass(frozen=True)
class ReachIndex:
    """One market on one network, prepared so that a site costs four row gathers over the users.

    ``table[h]`` holds the RTT of hub ``h`` to every user point by the point's best hub, so a site needs
    ``min_k (access_k + table[hub_k])``. Answers do not depend on how sites are cut into chunks.
    """

    network: Network
    users: Points
    weight: Floats
    table: NDArray[np.float32]
    region_factor: NDArray[np.float32]
    user_tree: cKDTree
    residual_weight: NDArray[np.float32]
    residual_weighted: NDArray[np.float32]

    @classmethod
    def build(
        cls,
        network: Network,
        lat: ArrayLike,
        lon: ArrayLike,
        country: ArrayLike | Sequence[str] | None,
        weight: ArrayLike,
    ) -> ReachIndex:
        """Prepare a market of U points.

        Parameters
        ----------
        network
            The network.
        lat, lon : array_like, shape (U,)
            User points. [deg]
        country : sequence of str, shape (U,), optional
            ISO 3166 alpha-3.
        weight : array_like, shape (U,)
            Demand; only shares matter.
        """
        users = prepare_points(network, lat, lon, country)
        nodes = network.residuals
        none = np.zeros((0, len(users)), dtype=np.float32)
        return cls(
            network=network,
            users=users,
            weight=_shares(weight, len(users)),
            table=hub_to_points_ms(network, users).astype(np.float32),
            region_factor=(network.factor_of_regions[:, users.region] * users.factor).astype(np.float32),
            user_tree=cKDTree(users.xyz),
            residual_weight=none if nodes is None else (nodes.weight @ users.kernel.T).astype(np.float32),
            residual_weighted=none if nodes is None else (nodes.weighted @ users.kernel.T).astype(np.float32),
        )

    @cached_property
    def above_floor(self) -> bool:
        """Whether no path is faster than light in fiber, so that the floor need not be computed.

        True without residuals and factors when no hub is too fast for any user: access and direct routes
        are slower than the floor, and great circles obey the triangle inequality.
        """
        network = self.network
        if self.residual_weight.shape[0] or network.corrected:
            return False
        rates = (
            network.rate_ms_per_km["access_to_hub"],
            DIRECT_DETOUR_RATIO * network.rate_ms_per_km["terrestrial_dense"],
        )
        floor = matrix_km(network.hub_xyz, self.users.xyz) / FIBER_KM_PER_MS_ROUND_TRIP.value
        slow = min(rates) >= 1.0 / FIBER_KM_PER_MS_ROUND_TRIP.value
        return bool(slow and (self.table + network.intercept_ms >= floor).all())

    def rtt(
        self, lat: ArrayLike, lon: ArrayLike, country: ArrayLike | Sequence[str] | None
    ) -> NDArray[np.float32]:
        """RTT of sites to all users, shape (S, U), in single precision. [ms]"""
        sites = prepare_points(self.network, lat, lon, country)
        result = np.empty((len(sites), len(self.users)), dtype=np.float32)
        for rows in self._blocks(len(sites)):
            result[rows] = self._rtt(sites.part(rows))
        return result

    def _blocks(self, sites: int) -> Iterator[slice]:
        """Cut sites so that a block of the matrix stays in cache and in one thread of the linear algebra."""
        size = max(BLOCK_PAIRS // max(len(self.users), 1), 1)
        return (slice(start, min(start + size, sites)) for start in range(0, sites, size))

    def _rtt(self, sites: Points) -> NDArray[np.float32]:
        """RTT of prepared sites to all users. [ms]"""
        network = self.network
        access = sites.access_ms.astype(np.float32)
        rtt = self.table[sites.hub[:, 0]]
        rtt += access[:, 0, None]
        for k in range(1, sites.hub.shape[1]):
            via = self.table[sites.hub[:, k]]
            via += access[:, k, None]
            np.minimum(rtt, via, out=rtt)
        near = cKDTree(sites.xyz).sparse_distance_matrix(
            self.user_tree, km_to_chord(DIRECT_SAME_COUNTRY_KM) + 1e-9, output_type="ndarray"
        )
        row, column = near["i"], near["j"]
        near_km = chord_to_km(near["v"])
        home = (sites.country[row] == self.users.country[column]) & (sites.country[row] > 0)
        direct = _direct_ms(network, near_km, home).astype(np.float32)
        rtt[row, column] = np.minimum(rtt[row, column], direct)
        if network.far_ms:
            far = rtt * np.float32(-1.0 / network.far_scale_ms)
            np.exp(far, out=far)
            far *= np.float32(-network.far_ms)
            rtt += far
        rtt += np.float32(network.intercept_ms + network.far_ms)
        if network.corrected:
            rtt *= self.region_factor[sites.region]
            rtt *= sites.factor.astype(np.float32)[:, None]
        if self.residual_weight.shape[0]:
            kernel = sites.kernel.astype(np.float32)
            left = kernel @ self.residual_weighted
            left /= kernel @ self.residual_weight + np.float32(network.kernel_prior)
            rtt *= np.exp(left, out=left)
        metro = near_km <= SAME_METRO_KM
        rtt[row[metro], column[metro]] = network.intercept_ms
        if self.above_floor:
            return rtt
        cosine = sites.xyz.astype(np.float32) @ self.users.xyz.astype(np.float32).T
        floor = np.arccos(np.clip(cosine, -1.0, 1.0, out=cosine), out=cosine)
        floor *= np.float32(EARTH_RADIUS_KM.value / FIBER_KM_PER_MS_ROUND_TRIP.value)
        floor[row, column] = near_km / FIBER_KM_PER_MS_ROUND_TRIP.value
        return np.asarray(np.maximum(rtt, floor, out=rtt))

    def reach(
        self,
        lat: ArrayLike,
        lon: ArrayLike,
        country: ArrayLike | Sequence[str] | None,
        *,
        full_ms: float,
        zero_ms: float,
        best: float = 1.0,
        chunk: int = 4096,
    ) -> Floats:
        """Reach of each site, shape (S,); see :func:`reach`. Memory is bounded by ``chunk`` sites."""
        return self.metrics(
            lat,
            lon,
            country,
            limits_ms=(),
            full_ms=full_ms,
            zero_ms=zero_ms,
            best_reach=best,
            quantiles=False,
            chunk=chunk,
        ).reach_ratio

    def metrics(
        self,
        lat: ArrayLike,
        lon: ArrayLike,
        country: ArrayLike | Sequence[str] | None,
        *,
        limits_ms: Sequence[float] = (20.0, 50.0, 100.0, 150.0),
        full_ms: float = 20.0,
        zero_ms: float = 80.0,
        best_reach: float = 1.0,
        quantiles: bool = True,
        chunk: int = 4096,
    ) -> RttMetrics:
        """Measures of many sites, reduced chunk by chunk; quantiles are upper edges of 1 ms bins.

        Parameters are those of :func:`rtt_metrics`. Without ``quantiles`` these columns are NaN.
        """
        lats = np.atleast_1d(np.asarray(lat, dtype=np.float64))
        lons = np.atleast_1d(np.asarray(lon, dtype=np.float64))
        codes = None if country is None else np.atleast_1d(np.asarray(country, dtype=object))
        share = self.weight.astype(np.float32)
        _worth(np.zeros((1, 1)), full_ms, zero_ms)
        mean, worth = np.empty(len(lats)), np.empty(len(lats))
        covered = np.empty((len(lats), len(limits_ms)))
        found = np.full((len(lats), 3), np.nan)
        for start in range(0, len(lats), chunk):
            part = slice(start, min(start + chunk, len(lats)))
            sites = prepare_points(
                self.network, lats[part], lons[part], None if codes is None else codes[part]
            )
            for block in self._blocks(len(sites)):
                rtt = self._rtt(sites.part(block))
                rows = slice(start + block.start, start + block.stop)
                mean[rows] = rtt @ share
                for column, limit in enumerate(limits_ms):
                    covered[rows, column] = (rtt <= np.float32(limit)) @ share
                if quantiles:
                    found[rows] = self._quantiles(rtt)
                if full_ms == zero_ms:
                    worth[rows] = (rtt <= np.float32(full_ms)) @ share
                else:
                    rtt *= np.float32(-1.0 / (zero_ms - full_ms))
                    rtt += np.float32(zero_ms / (zero_ms - full_ms))
                    worth[rows] = np.clip(rtt, 0.0, 1.0, out=rtt) @ share
        return RttMetrics(
            mean,
            found[:, 0],
            found[:, 1],
            found[:, 2],
            tuple(float(limit) for limit in limits_ms),
            covered,
            worth / best_reach,
        )

    def _quantiles(self, rtt: NDArray[np.float32]) -> Floats:
        """P50, P90 and P95 over demand from a weighted histogram, shape (S, 3). [ms]"""
        bins = np.minimum(np.ceil(rtt), HISTOGRAM_MS - 1).astype(np.int64)
        bins += (np.arange(len(rtt)) * HISTOGRAM_MS)[:, None]
        weights = np.broadcast_to(self.weight, rtt.shape).ravel()
        counts = np.bincount(bins.ravel(), weights=weights, minlength=len(rtt) * HISTOGRAM_MS)
        filled = np.cumsum(counts.reshape(len(rtt), HISTOGRAM_MS), axis=1)
        return np.stack(
            [(filled >= share - 1e-9).argmax(axis=1) for share in (0.5, 0.9, 0.95)], axis=1
        ).astype(np.float64)

    def best(
        self,
        lat: ArrayLike,
        lon: ArrayLike,
        country: ArrayLike | Sequence[str] | None,
        *,
        full_ms: float,
        zero_ms: float,
    ) -> tuple[float, int]:
        """Best reach among candidate points and the number of the point that has it."""
        values = self.reach(lat, lon, country, full_ms=full_ms, zero_ms=zero_ms)
        winner = int(np.argmax(values))
        return float(values[winner]), winner
