"""Fit the parameters of the latency networks to measured pairs, and judge them on metros left out.

    python scripts/fit_latency.py --sources DIR [--network public] [--folds 5]

Prints the fitted rates and the error by cross-validation over metros. The builder of ``data/network``
calls the same functions; the model itself is :mod:`dcsite.physics.latency`. Nothing is written.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
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
    rounds
        Rounds of shortest path and least squares.
    link_penalty
        Ridge penalty of the factor of each link, or 0 for none.
    country_penalty, pair_penalty
        Ridge penalties of country and region-pair factors, or 0 for none.
    kernel_km, kernel_prior
        Interpolation of residuals of the pairs that are shipped, or 0 for none.
    """

    hubs_per_point: int = 4
    sparse_cap_ms_per_km: float = 0.03
    rarely_used_ms_per_km: float = 0.03
    weight_power: float = 0.5
    rounds: int = 5
    link_penalty: float = 1000.0
    link_factor_low: float = 0.7
    link_factor_high: float = 3.0
    country_penalty: float = 0.0
    pair_penalty: float = 0.0
    kernel_km: float = 0.0
    kernel_prior: float = 0.1


RECIPES: Mapping[str, Recipe] = {
    "cloud": Recipe(kernel_km=300.0),
    "public": Recipe(country_penalty=30.0, pair_penalty=30.0),
}


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


def fit_graph(graph: Network, pairs: ReferencePairs, recipe: Recipe) -> Network:
    """Fit rates, intercept and link factors: shortest paths and least squares by turns."""
    network = replace(
        graph.without_corrections().without_reference(),
        hubs_per_point=recipe.hubs_per_point,
        link_factor=np.ones(len(graph.link_km)),
    )
    weight = pairs.rtt_ms**-recipe.weight_power
    for turn in range(recipe.rounds):
        a, b = ends(network, pairs)
        found = routes(network, a, b)
        rows = np.repeat(np.arange(len(found)), [len(route.links) for route in found])
        columns = np.array([link for route in found for link in route.links], dtype=np.int64)
        uses = csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(pairs), len(network.link_km)))
        access = np.array([route.access_km for route in found])
        direct = DIRECT_DETOUR_RATIO * np.array([route.direct_km for route in found])
        length = network.link_km * network.link_factor
        by_class = [uses @ (length * (network.link_class == kind)) for kind in range(len(LINK_CLASSES))]
        network = _with_rates(network, pairs, by_class, access, direct, weight, recipe)
        if recipe.link_penalty and turn:
            network = _with_link_factors(network, pairs, uses, access, direct, weight, recipe)
    return network


def _with_rates(
    network: Network,
    pairs: ReferencePairs,
    by_class: Sequence[np.ndarray],
    access: np.ndarray,
    direct: np.ndarray,
    weight: np.ndarray,
    recipe: Recipe,
) -> Network:
    """Least squares with rates >= 0; the sparse class stays between the dense rate and its cap."""
    dense, sparse, sea, rare = by_class
    target = pairs.rtt_ms - rare * recipe.rarely_used_ms_per_km
    table = np.stack([dense + direct, sea, access, np.ones(len(pairs)), sparse], axis=1)
    rates, _ = nnls(table * weight[:, None], target * weight)
    held = float(np.clip(rates[4], rates[0], max(recipe.sparse_cap_ms_per_km, rates[0])))
    if held != rates[4]:
        rest, _ = nnls(table[:, :4] * weight[:, None], (target - sparse * held) * weight)
        rates = np.append(rest, held)
    return replace(
        network,
        intercept_ms=float(rates[3]),
        rate_ms_per_km={
            "terrestrial_dense": max(float(rates[0]), LEAST_RATE),
            "terrestrial_sparse": max(float(rates[4]), LEAST_RATE),
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
    weight: np.ndarray,
    recipe: Recipe,
) -> Network:
    """Ridge regression of what the class rates leave over on one deviation per link."""
    rates = network.rate_ms_per_km
    plain = network.link_km * np.array([rates[name] for name in LINK_CLASSES])[network.link_class]
    parts = uses @ diags(plain)
    modeled = (
        network.intercept_ms
        + access * rates["access_to_hub"]
        + direct * rates["terrestrial_dense"]
        + np.asarray(parts.sum(axis=1)).ravel()
    )
    scaled = diags(weight) @ parts
    penalty = recipe.link_penalty * weight.mean() ** 2 * (plain + 1.0)
    normal = (scaled.T @ scaled).toarray() + np.diag(penalty)
    deviation = np.linalg.solve(normal, scaled.T @ ((pairs.rtt_ms - modeled) * weight))
    return replace(
        network, link_factor=np.clip(1.0 + deviation, recipe.link_factor_low, recipe.link_factor_high)
    )


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


def fit(graph: Network, pairs: ReferencePairs, recipe: Recipe) -> Network:
    """Whole fit: graph, corrections, and the pairs for the interpolation if the recipe has a kernel."""
    network = fit_corrections(fit_graph(graph, pairs, recipe), pairs, recipe)
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
class OutOfFold:
    """Predictions for pairs with at least one end in a metro that the fit has not seen."""

    modeled_ms: np.ndarray
    measured_ms: np.ndarray
    distance_km: np.ndarray
    both_unseen: np.ndarray
    fold: np.ndarray


def predict(network: Network, pairs: ReferencePairs) -> np.ndarray:
    """Modeled RTT of pairs. [ms]"""
    return rtt_pairs_ms(network, *ends(network, pairs, residuals=True))


def cross_validate(
    graph: Network, pairs: ReferencePairs, recipe: Recipe, *, folds: int = 5, seeds: Sequence[int] = (0,)
) -> OutOfFold:
    """Fit without the metros of a fold, predict all pairs that touch it; all folds and seeds together."""
    parts = []
    for seed in seeds:
        for number, (train, test, both) in enumerate(metro_folds(pairs, folds, seed)):
            unseen = pairs.take(test)
            modeled = predict(fit(graph, pairs.take(train), recipe), unseen)
            km = great_circle_km(unseen.lat_a, unseen.lon_a, unseen.lat_b, unseen.lon_b)
            parts.append(
                (modeled, unseen.rtt_ms, km, both[test], np.full(len(unseen), folds * seed + number))
            )
    return OutOfFold(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def scores(modeled_ms: np.ndarray, measured_ms: np.ndarray) -> dict[str, float]:
    """Error figures of predictions."""
    error = modeled_ms - measured_ms
    return {
        "mae_ms": float(np.abs(error).mean()),
        "mape_ratio": float((np.abs(error) / measured_ms).mean()),
        "p90_ms": float(np.quantile(np.abs(error), 0.9)),
        "bias_ms": float(error.mean()),
    }


def error_band(found: OutOfFold) -> ErrorBand:
    """Ratio per distance class that 90 % of out-of-fold measurements stay under."""
    kind = np.searchsorted(np.asarray(BAND_EDGES_KM[1:-1]), found.distance_km, side="right")
    ratio = [
        float(np.quantile((found.measured_ms / found.modeled_ms)[kind == number], 0.9))
        for number in range(len(BAND_EDGES_KM) - 1)
    ]
    return ErrorBand(BAND_EDGES_KM, tuple(ratio), tuple(0.0 for _ in ratio))


def main() -> int:
    """Parse the command line, fit, print."""
    from builders.network import read_graph, read_pairs

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sources", type=Path, required=True, help="folder of source tables")
    parser.add_argument("--network", choices=sorted(RECIPES), action="append")
    parser.add_argument("--folds", type=int, default=5)
    options = parser.parse_args()
    for name in options.network or sorted(RECIPES):
        pairs = read_pairs(options.sources, name)
        graph = read_graph(options.sources, name)
        recipe = RECIPES[name]
        network = fit(graph, pairs, recipe)
        print(f"{name}: {len(pairs)} pairs, {recipe}")
        print(f"  intercept {network.intercept_ms:.2f} ms")
        for kind, rate in network.rate_ms_per_km.items():
            print(f"  {kind} {rate:.5f} ms/km")
        found = cross_validate(graph, pairs, recipe, folds=options.folds)
        both = found.both_unseen
        for label, keep in (("some end unseen", np.ones(len(both), bool)), ("both ends unseen", both)):
            figures = scores(found.modeled_ms[keep], found.measured_ms[keep])
            print(f"  {label}: " + ", ".join(f"{key} {value:.4g}" for key, value in figures.items()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
