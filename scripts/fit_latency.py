"""Fit the parameters of the latency networks to measured pairs, and judge them on metros left out.

    python scripts/fit_latency.py --sources DIR [--network public] [--folds 5]

Prints the fitted rates and the error by cross-validation over metros. The builder of ``data/network``
calls the same functions; the model itself is :mod:`dcsite.physics.latency`. Nothing is written.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.optimize import nnls
from scipy.sparse import csr_matrix, diags

sys.path.insert(0, str(Path(__file__).resolve().parent))

from typing import TYPE_CHECKING

from dcsite.physics.latency import (
    DIRECT_DETOUR_RATIO,
    LINK_CLASSES,
    ErrorBand,
    Network,
    Points,
    ReferencePairs,
    great_circle_km,
    matrix_km,
    prepare_points,
    routes,
    rtt_pairs_ms,
    unit_vectors,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

BAND_EDGES_KM = (0.0, 1000.0, 3000.0, 7000.0, np.inf)
METRO_KM = 100.0
LEAST_RATE = 0.0105
"""No class of links is faster than light in fiber along its own length."""


@dataclass(frozen=True)
class Recipe:
    """Choices of the fit, made by cross-validation over metros (docs/accuracy_latency.md).

    Attributes
    ----------
    hubs_per_point
        Nearest hubs by which a point may enter the graph.
    sparse_cap_ms_per_km, rarely_used_ms_per_km
        Upper bound of the weakly determined class, and the rate that is set.
    weight_power
        Rows are weighted by RTT to minus this power.
    far_scale_ms
        Path on which the equipment of a long path sets in; infinite for none.
    rounds
        Rounds of shortest path and least squares.
    outlier_ratio
        Relative error from which a pair counts less (Huber weights); infinite for none.
    link_penalty
        Ridge penalty of the factor of each link, or 0 for none.
    link_group_share, link_group_km
        Variance that near links of one class have in common, and how near: a route that no measured
        path takes follows its neighbors.
    link_factor_low, link_factor_high
        Bounds of the factors.
    country_penalty, pair_penalty
        Ridge penalties of country and region-pair factors, or 0 for none.
    kernel_km, kernel_prior
        Interpolation of residuals of the pairs that are shipped, or 0 for none.
    """

    hubs_per_point: int = 4
    sparse_cap_ms_per_km: float = 0.03
    rarely_used_ms_per_km: float = 0.03
    weight_power: float = 0.5
    rounds: int = 6
    far_scale_ms: float = 10.0
    outlier_ratio: float = np.inf
    link_penalty: float = 1000.0
    link_group_share: float = 0.0
    link_group_km: float = 3000.0
    link_factor_low: float = 0.65
    link_factor_high: float = 3.0
    country_penalty: float = 0.0
    pair_penalty: float = 0.0
    kernel_km: float = 0.0
    kernel_prior: float = 0.1


RECIPES: Mapping[str, Recipe] = {
    "cloud": Recipe(
        hubs_per_point=3,
        link_penalty=1000.0,
        link_group_share=0.03,
        kernel_km=300.0,
        kernel_prior=0.3,
    ),
    "public": Recipe(
        hubs_per_point=4,
        weight_power=1.0,
        outlier_ratio=0.3,
        link_penalty=1000.0,
        link_group_share=0.3,
    ),
}
PRIOR_SHARE = 0.4
"""Share of the public network's link deviations from which the cloud's start: the same cables carry both."""

HELPER_OF = {"cloud": "public"}


# --- metros and folds ---------------------------------------------------------------------------------


def metro_numbers(pairs: ReferencePairs) -> tuple[np.ndarray, np.ndarray, int]:
    """Number the metros: ends within ``METRO_KM`` of a center belong together.

    Centers are taken greedily from the places with most neighbors, so that a chain of towns does not
    grow into one metro that spans a country.
    """
    ends = np.concatenate(
        [np.stack([pairs.lat_a, pairs.lon_a], axis=1), np.stack([pairs.lat_b, pairs.lon_b], axis=1)]
    )
    places, inverse = np.unique(ends.round(3), axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)
    xyz = unit_vectors(places[:, 0], places[:, 1])
    km = matrix_km(xyz, xyz)
    metro = np.full(len(places), -1)
    count = 0
    for place in np.argsort(-(km < METRO_KM).sum(axis=1), kind="stable"):
        if metro[place] < 0:
            metro[(km[place] < METRO_KM) & (metro < 0)] = count
            count += 1
    return metro[inverse[: len(pairs)]], metro[inverse[len(pairs) :]], count


def metro_folds(
    pairs: ReferencePairs, folds: int, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Folds of metros: (train, test, both): pairs with no end, some end, both ends in the fold."""
    metro_a, metro_b, count = metro_numbers(pairs)
    fold = np.random.default_rng(seed).permutation(count) % folds
    for number in range(folds):
        a, b = fold[metro_a] == number, fold[metro_b] == number
        yield ~(a | b), a | b, a & b


# --- fitting ------------------------------------------------------------------------------------------


def ends(network: Network, pairs: ReferencePairs, *, residuals: bool = False) -> tuple[Points, Points]:
    """Both ends of pairs, prepared for a network."""
    return (
        prepare_points(network, pairs.lat_a, pairs.lon_a, pairs.country_a, residuals=residuals),
        prepare_points(network, pairs.lat_b, pairs.lon_b, pairs.country_b, residuals=residuals),
    )


def fit_graph(
    graph: Network, pairs: ReferencePairs, recipe: Recipe, prior: np.ndarray | None = None
) -> Network:
    """Fit rates, intercept and link factors: shortest paths and least squares by turns."""
    network = replace(
        graph.without_corrections().without_reference(),
        hubs_per_point=recipe.hubs_per_point,
        link_factor=np.ones(len(graph.link_km)) if prior is None else prior,
    )
    weight = plain_weight = pairs.rtt_ms**-recipe.weight_power
    for turn in range(recipe.rounds):
        a, b = ends(network, pairs)
        if turn > 1 and recipe.outlier_ratio < np.inf:
            off = np.abs(rtt_pairs_ms(network, a, b, residuals=False) / pairs.rtt_ms - 1.0)
            weight = plain_weight / np.sqrt(np.maximum(1.0, off / recipe.outlier_ratio))
        found = routes(network, a, b)
        rows = np.repeat(np.arange(len(found)), [len(route.links) for route in found])
        columns = np.array([link for route in found for link in route.links], dtype=np.int64)
        uses = csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(pairs), len(network.link_km)))
        access = np.array([route.access_km for route in found])
        direct = DIRECT_DETOUR_RATIO * np.array([route.direct_km for route in found])
        length = network.link_km * network.link_factor
        by_class = [uses @ (length * (network.link_class == kind)) for kind in range(len(LINK_CLASSES))]
        far = -np.expm1(-np.array([route.graph_ms for route in found]) / recipe.far_scale_ms)
        network = _with_rates(network, pairs, by_class, access, direct, far, weight, recipe)
        if recipe.link_penalty and turn:
            network = _with_link_factors(network, pairs, uses, access, direct, far, weight, recipe, prior)
    return network


def _with_rates(
    network: Network,
    pairs: ReferencePairs,
    by_class: Sequence[np.ndarray],
    access: np.ndarray,
    direct: np.ndarray,
    far: np.ndarray,
    weight: np.ndarray,
    recipe: Recipe,
) -> Network:
    """Least squares with rates >= 0; the sparse class stays between the dense rate and its cap."""
    dense, sparse, sea, rare = by_class
    target = pairs.rtt_ms - rare * recipe.rarely_used_ms_per_km
    table = np.stack([dense + direct, sea, access, np.ones(len(pairs)), far, sparse], axis=1)
    if not recipe.far_scale_ms < np.inf:
        table[:, 4] = 0.0
    rates, _ = nnls(table * weight[:, None], target * weight)
    held = float(np.clip(rates[5], rates[0], max(recipe.sparse_cap_ms_per_km, rates[0])))
    if held != rates[5]:
        rest, _ = nnls(table[:, :5] * weight[:, None], (target - sparse * held) * weight)
        rates = np.append(rest, held)
    return replace(
        network,
        intercept_ms=float(rates[3]),
        far_ms=float(rates[4]),
        far_scale_ms=recipe.far_scale_ms,
        rate_ms_per_km={
            "terrestrial_dense": max(float(rates[0]), LEAST_RATE),
            "terrestrial_sparse": max(float(rates[5]), LEAST_RATE),
            "submarine": max(float(rates[1]), LEAST_RATE),
            "rarely_used": recipe.rarely_used_ms_per_km,
            "access_to_hub": float(rates[2]),
        },
    )


def _with_link_factors(
    network: Network,
    pairs: ReferencePairs,
    uses: csr_matrix,
    access: np.ndarray,
    direct: np.ndarray,
    far: np.ndarray,
    weight: np.ndarray,
    recipe: Recipe,
    prior: np.ndarray | None = None,
) -> Network:
    """Ridge regression of what the class rates leave over on one deviation per link."""
    rates = network.rate_ms_per_km
    plain = network.link_km * np.array([rates[name] for name in LINK_CLASSES])[network.link_class]
    parts = uses @ diags(plain)
    modeled = (
        network.intercept_ms
        + network.far_ms * far
        + access * rates["access_to_hub"]
        + direct * rates["terrestrial_dense"]
        + np.asarray(parts.sum(axis=1)).ravel()
    )
    scaled = diags(weight) @ parts
    spread = np.diag(1.0 / (plain + 1.0)) + recipe.link_group_share * link_likeness(network, recipe)
    penalty = recipe.link_penalty * weight.mean() ** 2 * np.linalg.inv(spread)
    normal = (scaled.T @ scaled).toarray() + penalty
    expected = np.zeros(len(plain)) if prior is None else prior - 1.0
    left = pairs.rtt_ms - modeled - parts @ expected
    deviation = expected + np.linalg.solve(normal, scaled.T @ (left * weight))
    return replace(
        network, link_factor=np.clip(1.0 + deviation, recipe.link_factor_low, recipe.link_factor_high)
    )


def link_likeness(network: Network, recipe: Recipe) -> np.ndarray:
    """How alike the deviations of two links are expected to be, shape (L, L): same class and nearby."""
    start, end = network.hub_xyz[network.link_from], network.hub_xyz[network.link_to]
    middle = start + end
    middle /= np.maximum(np.linalg.norm(middle, axis=1, keepdims=True), 1e-9)
    alike = np.exp(-matrix_km(middle, middle) / recipe.link_group_km)
    return alike * (network.link_class[:, None] == network.link_class[None, :])


def fit_corrections(network: Network, pairs: ReferencePairs, recipe: Recipe) -> Network:
    """Ridge regression of the log residual on one factor per end country and per pair of regions."""
    if not recipe.country_penalty:
        return network
    bare = network.without_corrections().without_reference()
    a, b = ends(bare, pairs)
    left = np.log(pairs.rtt_ms / rtt_pairs_ms(bare, a, b, residuals=False))
    countries = sorted((set(pairs.country_a) | set(pairs.country_b)) - {""})
    region = network.country_region
    keys = [
        tuple(sorted((region.get(x, ""), region.get(y, ""))))
        for x, y in zip(pairs.country_a, pairs.country_b, strict=True)
    ]
    region_pairs = sorted(set(keys))
    column = {name: number for number, name in enumerate(countries)}
    column_of_pair = {key: len(countries) + number for number, key in enumerate(region_pairs)}
    table = np.zeros((len(pairs), len(countries) + len(region_pairs)))
    for row, (x, y, key) in enumerate(zip(pairs.country_a, pairs.country_b, keys, strict=True)):
        for name in (x, y):
            if name:
                table[row, column[name]] += 1.0
        table[row, column_of_pair[key]] = 1.0
    penalty = np.r_[
        np.full(len(countries), recipe.country_penalty), np.full(len(region_pairs), recipe.pair_penalty)
    ]
    factors = np.linalg.solve(table.T @ table + np.diag(penalty), table.T @ left)
    return replace(
        network,
        country_log_factor={name: float(factors[number]) for name, number in column.items()},
        pair_log_factor={key: float(factors[number]) for key, number in column_of_pair.items()},
    )


def fit(graph: Network, pairs: ReferencePairs, recipe: Recipe, prior: np.ndarray | None = None) -> Network:
    """Whole fit: graph, corrections, and the pairs for the interpolation if the recipe has a kernel."""
    network = fit_corrections(fit_graph(graph, pairs, recipe, prior), pairs, recipe)
    if recipe.kernel_km:
        network = replace(
            network, reference=pairs, kernel_km=recipe.kernel_km, kernel_prior=recipe.kernel_prior
        )
    return network


def link_uses(network: Network, pairs: ReferencePairs) -> np.ndarray:
    """How many pairs' paths use each link."""
    used = [link for route in routes(network, *ends(network, pairs)) for link in route.links]
    return np.bincount(np.array(used, dtype=np.int64), minlength=len(network.link_km))


def correction_rows(network: Network, pairs: ReferencePairs) -> list[dict[str, object]]:
    """Fitted factors as rows, with what stands behind each."""
    cities: dict[str, set[tuple[float, float]]] = {}
    behind: dict[str, int] = {}
    for n, (x, y) in enumerate(zip(pairs.country_a, pairs.country_b, strict=True)):
        cities.setdefault(x, set()).add((float(pairs.lat_a[n]), float(pairs.lon_a[n])))
        cities.setdefault(y, set()).add((float(pairs.lat_b[n]), float(pairs.lon_b[n])))
        for name in {x, y}:
            behind[name] = behind.get(name, 0) + 1
        key = "|".join(sorted((network.country_region.get(x, ""), network.country_region.get(y, ""))))
        behind[key] = behind.get(key, 0) + 1
    rows: list[dict[str, object]] = [
        {
            "network": network.name,
            "kind": "country",
            "key": name,
            "log_factor": round(factor, 4),
            "cities": len(cities[name]),
            "pairs": behind[name],
        }
        for name, factor in network.country_log_factor.items()
    ]
    rows += [
        {
            "network": network.name,
            "kind": "region_pair",
            "key": "|".join(key),
            "log_factor": round(factor, 4),
            "cities": None,
            "pairs": behind["|".join(key)],
        }
        for key, factor in network.pair_log_factor.items()
    ]
    return rows


# --- judging ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Helper:
    """A second network whose link factors the first one starts from: its graph, pairs and recipe."""

    graph: Network
    pairs: ReferencePairs
    recipe: Recipe

    def prior(self, unseen: np.ndarray | None = None) -> np.ndarray:
        """Link factors to start from, fitted without pairs that end near an unseen metro (unit vectors)."""
        pairs = self.pairs
        if unseen is not None and len(unseen):
            far = np.ones(len(pairs), dtype=bool)
            for lat, lon in ((pairs.lat_a, pairs.lon_a), (pairs.lat_b, pairs.lon_b)):
                far &= matrix_km(unit_vectors(lat, lon), unseen).min(axis=1) > METRO_KM
            pairs = pairs.take(far)
        fitted = fit_graph(self.graph, pairs, self.recipe).link_factor
        return 1.0 + PRIOR_SHARE * (fitted - 1.0)


@dataclass(frozen=True)
class OutOfFold:
    """Predictions for pairs with at least one end in a metro that the fit has not seen.

    ``metro`` and ``unseen`` have two columns, one per end: its number, and whether the fit has not seen it.
    """

    modeled_ms: np.ndarray
    measured_ms: np.ndarray
    distance_km: np.ndarray
    both_unseen: np.ndarray
    fold: np.ndarray
    metro: np.ndarray
    unseen: np.ndarray


def predict(network: Network, pairs: ReferencePairs) -> np.ndarray:
    """Modeled RTT of pairs. [ms]"""
    return rtt_pairs_ms(network, *ends(network, pairs, residuals=True))


def pair_distances(pairs: ReferencePairs) -> np.ndarray:
    """Great circles of pairs. [km]"""
    return great_circle_km(pairs.lat_a, pairs.lon_a, pairs.lat_b, pairs.lon_b)


def unseen_ends(pairs: ReferencePairs, train: np.ndarray) -> np.ndarray:
    """Unit vectors of the places that no training pair ends at."""
    places = [
        {*zip(part.lat_a, part.lon_a, strict=True), *zip(part.lat_b, part.lon_b, strict=True)}
        for part in (pairs, pairs.take(train))
    ]
    left = np.array(sorted(places[0] - places[1]))
    return unit_vectors(left[:, 0], left[:, 1]) if len(left) else np.zeros((0, 3))


def robust_line(pairs: ReferencePairs) -> tuple[float, float]:
    """Least absolute deviations of RTT on distance: intercept [ms] and slope [ms/km]."""
    table = np.stack([np.ones(len(pairs)), pair_distances(pairs)], axis=1)
    weight = np.ones(len(pairs))
    for _ in range(50):
        scaled = table * weight[:, None]
        line = np.linalg.solve(scaled.T @ table, scaled.T @ pairs.rtt_ms)
        weight = 1.0 / np.maximum(np.abs(pairs.rtt_ms - table @ line), 1.0)
    return float(line[0]), float(line[1])


def _line_times(line: tuple[float, float], pairs: ReferencePairs) -> np.ndarray:
    km = pair_distances(pairs)
    return np.maximum(line[0] + line[1] * km, km / 100.0)


def _line_with_residuals(train: ReferencePairs, test: ReferencePairs, recipe: Recipe) -> np.ndarray:
    """The robust line with the same interpolation of residuals as the graph."""
    line = robust_line(train)
    left = np.log(train.rtt_ms / _line_times(line, train))
    nodes = [
        (unit_vectors(test.lat_a, test.lon_a), unit_vectors(test.lat_b, test.lon_b)),
        (unit_vectors(train.lat_a, train.lon_a), unit_vectors(train.lat_b, train.lon_b)),
    ]
    near = [[np.exp(-matrix_km(x, y) / recipe.kernel_km) for y in nodes[1]] for x in nodes[0]]
    weight = near[0][0] * near[1][1] + near[0][1] * near[1][0]
    return _line_times(line, test) * np.exp(weight @ left / (weight.sum(axis=1) + recipe.kernel_prior))


FACTOR_PENALTY = 100.0

SETTINGS = {
    "floor": "light in fiber over the great circle, km/100",
    "fiber_2_1": "2.1 x light in fiber",
    "line": "robust line in distance",
    "line_residuals": "robust line, residuals interpolated",
    "graph": "graph with class rates alone",
    "graph_links": "graph with link factors",
    "model": "the model as shipped",
    "model_factors": "the model with factors per country and pair of regions (tried, not shipped)",
    "model_own_pairs": "the model with the training pairs as own measurements",
}


def cross_validate(
    graph: Network,
    pairs: ReferencePairs,
    recipe: Recipe,
    *,
    folds: int = 5,
    seeds: Sequence[int] = (0,),
    helper: Helper | None = None,
    settings: Sequence[str] = ("model",),
) -> dict[str, OutOfFold]:
    """Fit without the metros of a fold, predict all pairs that touch it; all folds and seeds together."""
    parts: dict[str, list[tuple[np.ndarray, ...]]] = {name: [] for name in settings}
    metro = np.stack(metro_numbers(pairs)[:2], axis=1)
    for seed in seeds:
        for number, (train, test, both) in enumerate(metro_folds(pairs, folds, seed)):
            known, unseen = pairs.take(train), pairs.take(test)
            prior = None if helper is None else helper.prior(unseen_ends(pairs, train))
            model = fit(graph, known, recipe, prior)
            km = pair_distances(unseen)
            for name in settings:
                if name == "floor":
                    modeled = km / 100.0
                elif name == "fiber_2_1":
                    modeled = 2.1 * km / 100.0
                elif name == "line":
                    modeled = _line_times(robust_line(known), unseen)
                elif name == "line_residuals":
                    modeled = _line_with_residuals(known, unseen, recipe)
                elif name == "graph":
                    modeled = predict(fit_graph(graph, known, replace(recipe, link_penalty=0.0)), unseen)
                elif name == "graph_links":
                    modeled = predict(model.without_corrections().without_reference(), unseen)
                elif name == "model_factors":
                    tried = replace(recipe, country_penalty=FACTOR_PENALTY, pair_penalty=FACTOR_PENALTY)
                    modeled = predict(fit_corrections(model, known, tried), unseen)
                elif name == "model_own_pairs":
                    modeled = predict(replace(model, reference=known, kernel_km=300.0), unseen)
                else:
                    modeled = predict(model, unseen)
                fold = np.full(len(unseen), folds * seed + number)
                strange = ~np.isin(metro[test], metro[train])
                parts[name].append((modeled, unseen.rtt_ms, km, both[test], fold, metro[test], strange))
    return {
        name: OutOfFold(*(np.concatenate(column) for column in zip(*found, strict=True)))
        for name, found in parts.items()
    }


LIMITS_MS = (20.0, 50.0, 100.0, 150.0)


def scores(found: OutOfFold, keep: np.ndarray | None = None) -> dict[str, float]:
    """Error figures of predictions: mean and relative error, P90 of the error, bias, wrong sides of limits."""
    rows = slice(None) if keep is None else keep
    modeled, measured = found.modeled_ms[rows], found.measured_ms[rows]
    error = modeled - measured
    return {
        "pairs": float(len(error)),
        "mae_ms": float(np.abs(error).mean()),
        "mape_ratio": float((np.abs(error) / measured).mean()),
        "p90_error_ms": float(np.quantile(np.abs(error), 0.9)),
        "bias_ms": float(error.mean()),
    } | {
        f"wrong_side_{limit:g}_ms_ratio": float(((modeled <= limit) != (measured <= limit)).mean())
        for limit in LIMITS_MS
    }


BAND_LEVEL = 0.91
"""Share of out-of-fold pairs that a bound is set for: 90 %, and a point more for metros unlike these."""


def error_band(found: OutOfFold, keep: np.ndarray | None = None) -> ErrorBand:
    """Ratio per distance class that 90 % of out-of-fold measurements stay under.

    Pairs with both ends unseen are a tenth of the folds but the usual question: they get half the weight.
    """
    rows = np.ones(len(found.fold), dtype=bool) if keep is None else keep
    kind = np.searchsorted(np.asarray(BAND_EDGES_KM[1:-1]), found.distance_km, side="right")
    ratio = found.measured_ms / found.modeled_ms
    levels = []
    for number in range(len(BAND_EDGES_KM) - 1):
        mine = rows & (kind == number)
        both = found.both_unseen[mine]
        share = both.mean()
        weight = np.where(both, 0.5 / share, 0.5 / (1.0 - share)) if 0 < share < 1 else np.ones(len(both))
        order = np.argsort(ratio[mine])
        filled = np.cumsum(weight[order]) / weight.sum()
        levels.append(max(float(np.interp(BAND_LEVEL, filled, ratio[mine][order])), 1.0))
    return ErrorBand(BAND_EDGES_KM, tuple(levels), tuple(0.0 for _ in levels))


def band_coverage(found: OutOfFold) -> np.ndarray:
    """Whether each pair stays under the bound of a band made without its own fold."""
    covered = np.zeros(len(found.fold), dtype=bool)
    for fold in np.unique(found.fold):
        mine = found.fold == fold
        band = error_band(found, ~mine & (found.fold // 5 == fold // 5))
        covered[mine] = found.measured_ms[mine] <= band.p90_ms(
            found.modeled_ms[mine], found.distance_km[mine]
        )
    return covered


SHARE_WINDOW_MS = (20.0, 80.0)
"""Modeled times between which the worth of a user falls: only their errors move the reach of a site."""
SHARE_USERS, SHARE_SITE_PAIRS = 5, 30
"""Common users that two sites need, and pairs of sites that a share needs."""


def site_error_shares(found: OutOfFold, pairs: ReferencePairs) -> dict[str, tuple[float, int]]:
    """Share of the variance of the log error that stays when two unseen sites are compared, and site pairs.

    Errors common to all sites (the level, a user's bad network) cancel in a comparison over the same users,
    errors of single pairs average out over many users. What stays is the error of a site as such. With
    ``d_u`` the difference of the two sites' log errors at user ``u``, the mean of ``d_u d_v`` over all
    ``u != v`` is twice its variance without the noise of single pairs; averaged over pairs of sites it is
    divided by twice the mean square of the log errors. Keys: sites of ``one country`` and of ``two``, where
    enough pairs of sites stand behind it.
    """
    metro_a, metro_b, size = metro_numbers(pairs)
    country = np.full(size, "", dtype=object)
    country[metro_a], country[metro_b] = pairs.country_a, pairs.country_b
    inside = (found.modeled_ms >= SHARE_WINDOW_MS[0]) & (found.modeled_ms <= SHARE_WINDOW_MS[1])
    stays: dict[str, list[float]] = {"one country": [], "two": []}
    squares = []
    for fold in np.unique(found.fold):
        rows = inside & (found.fold == fold)
        error = np.log(found.measured_ms[rows] / found.modeled_ms[rows])
        metro, unseen = found.metro[rows], found.unseen[rows]
        site = np.concatenate([metro[unseen[:, end], end] for end in (0, 1)])
        user = np.concatenate([metro[unseen[:, end], 1 - end] for end in (0, 1)])
        count, table = np.zeros((size, size)), np.zeros((size, size))
        np.add.at(count, (site, user), 1.0)
        np.add.at(table, (site, user), np.concatenate([error[unseen[:, end]] for end in (0, 1)]))
        table /= np.maximum(count, 1.0)
        squares.append(table[count > 0] ** 2)
        for first, second in combinations(np.unique(site), 2):
            both = (count[first] > 0) & (count[second] > 0)
            users = int(both.sum())
            if users >= SHARE_USERS:
                gap = table[first, both] - table[second, both]
                kind = "one country" if country[first] == country[second] else "two"
                stays[kind].append(float((gap.sum() ** 2 - (gap**2).sum()) / (users * (users - 1))))
    whole = 2.0 * np.concatenate(squares).mean()
    return {
        kind: (float(np.mean(part) / whole), len(part))
        for kind, part in stays.items()
        if len(part) >= SHARE_SITE_PAIRS
    }


def leave_set(
    graph: Network, pairs: ReferencePairs, recipe: Recipe, helper: Helper | None, name: str
) -> None:
    """Fit without one set of pairs and print the error on it: on seen metros, and where an end is unseen."""
    mine = np.array(pairs.origin) == name
    metro_a, metro_b, _ = metro_numbers(pairs)
    known = set(metro_a[~mine]) | set(metro_b[~mine])
    unseen = np.array([(a not in known) or (b not in known) for a, b in zip(metro_a, metro_b, strict=True)])
    model = fit(graph, pairs.take(~mine), recipe, None if helper is None else helper.prior())
    modeled = predict(model, pairs)
    for label, rows in (("unseen metros", mine & unseen), ("seen metros", mine & ~unseen)):
        metro = np.stack([metro_a, metro_b], axis=1)[rows]
        found = OutOfFold(
            modeled[rows],
            pairs.rtt_ms[rows],
            pair_distances(pairs)[rows],
            unseen[rows],
            metro_a[rows],
            metro,
            ~np.isin(metro, sorted(known)),
        )
        figures = scores(found)
        print(f"  without {name}, {label}: " + ", ".join(f"{key} {figures[key]:.4g}" for key in MAIN_SCORES))


MAIN_SCORES = ("pairs", "mae_ms", "mape_ratio", "p90_error_ms", "bias_ms")


def main() -> int:
    """Parse the command line, fit, print."""
    from builders.network import read_case

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sources", type=Path, required=True, help="folder of source tables")
    parser.add_argument("--network", choices=sorted(RECIPES), action="append")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--leave-set", help="judge on this set of pairs after a fit without it")
    options = parser.parse_args()
    for name in options.network or sorted(RECIPES):
        graph, pairs, helper = read_case(options.sources, name)
        if options.leave_set in pairs.origin:
            leave_set(graph, pairs, RECIPES[name], helper, options.leave_set)
            continue
        network = fit(graph, pairs, RECIPES[name], None if helper is None else helper.prior())
        print(f"{name}: {len(pairs)} pairs, {RECIPES[name]}")
        print(f"  intercept {network.intercept_ms:.2f} ms, far {network.far_ms:.2f} ms")
        for kind, rate in network.rate_ms_per_km.items():
            print(f"  {kind} {rate:.5f} ms/km")
        found = cross_validate(graph, pairs, RECIPES[name], folds=options.folds, helper=helper)["model"]
        for label, keep in (("some end unseen", None), ("both ends unseen", found.both_unseen)):
            figures = scores(found, keep)
            print(f"  {label}: " + ", ".join(f"{key} {value:.4g}" for key, value in figures.items()))
        for kind, (share, count) in site_error_shares(found, pairs).items():
            print(f"  error of a site as such, {kind}: {share:.3f} of the variance ({count} pairs of sites)")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
