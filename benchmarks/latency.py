"""Time the latency model against the simple way, one pair at a time.

    python benchmarks/latency.py [--cells 20000] [--rows 2000]

Prints a table: what, size, CPU seconds, rate, and how many times faster than the per-row implementation
(a loop over pairs with the same shortest paths, the same rules, the same answer; it is checked).
"""

from __future__ import annotations

import argparse
import math
import os
import time
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # seconds are those of one core

import numpy as np

from dcsite.data.demand import load_market, nearest_country
from dcsite.data.network import load_network
from dcsite.data.tables import load_tables
from dcsite.physics import latency

if TYPE_CHECKING:
    from collections.abc import Callable


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds (so that a busy machine does not count) and result of a call."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def kilometers(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Great circle of one pair by the haversine."""
    phi_a, phi_b = math.radians(a[0]), math.radians(b[0])
    half = math.sin((phi_b - phi_a) / 2) ** 2
    half += math.cos(phi_a) * math.cos(phi_b) * math.sin(math.radians(b[1] - a[1]) / 2) ** 2
    return 2 * 6371.0088 * math.asin(min(1.0, math.sqrt(half)))


def one_by_one(
    network: latency.Network, ends: list[tuple[float, float, str, float, float, str]]
) -> list[float]:
    """The same model without arrays: for each pair, sort all hubs by distance and try the nearest."""
    hub_ms = network.hub_ms.tolist()
    hubs = [
        (int(h), (float(network.hub_lat[h]), float(network.hub_lon[h])), network.hub_countries[h])
        for h in network.access_hubs
    ]
    rate = network.rate_ms_per_km
    known = network.country_index
    found = []
    for lat_a, lon_a, country_a, lat_b, lon_b, country_b in ends:
        access = []
        for point, country in (((lat_a, lon_a), country_a), ((lat_b, lon_b), country_b)):
            near = sorted((kilometers(point, place), hub, home) for hub, place, home in hubs)
            access.append(
                [
                    (
                        hub,
                        (km + (latency.BORDER_KM if country in known and country != home else 0.0))
                        * rate["access_to_hub"],
                    )
                    for km, hub, home in near[: network.hubs_per_point]
                ]
            )
        km = kilometers((lat_a, lon_a), (lat_b, lon_b))
        path = min(x + hub_ms[a][b] + y for a, x in access[0] for b, y in access[1])
        if km < latency.DIRECT_ANY_COUNTRY_KM or (
            country_a == country_b and km < latency.DIRECT_SAME_COUNTRY_KM
        ):
            path = min(path, latency.DIRECT_DETOUR_RATIO * km * rate["terrestrial_dense"])
        if km <= latency.SAME_METRO_KM:
            found.append(max(network.intercept_ms, km / 100))
            continue
        start = network.intercept_ms + network.far_ms * -math.expm1(-path / network.far_scale_ms)
        regions = sorted(
            (network.country_region.get(country_a, ""), network.country_region.get(country_b, ""))
        )
        log = network.country_log_factor.get(country_a, 0.0) + network.country_log_factor.get(country_b, 0.0)
        log += network.pair_log_factor.get((regions[0], regions[1]), 0.0)
        found.append(max((start + path) * math.exp(log), km / 100))
    return found


def main() -> int:
    """Run all cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=20_000, help="land-like cells for the screening case")
    parser.add_argument("--rows", type=int, default=2_000, help="pairs of the one-by-one reference")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    tables = load_tables()
    seconds, public = timed(lambda: latency.as_network(load_network(tables, "public")))
    rows: list[tuple[str, str, float, str, str]] = [("load the network", "", seconds, "", "")]
    seconds, _ = timed(lambda: public.hub_ms)
    rows.append(("hub all-pairs", f"{len(public.hub_ids)} hubs", seconds, "", ""))
    cloud = latency.as_network(load_network(tables, "cloud"))

    def points(count: int) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
        lat, lon = rng.uniform(-50, 68, count), rng.uniform(-180, 180, count)
        return lat, lon, nearest_country(tables, lat, lon)

    a, b = points(options.rows), points(options.rows)
    ends = list(zip(*a, *b, strict=True))
    slow, plain = timed(lambda: one_by_one(public, ends))
    fast, times = timed(lambda: latency.rtt_pairs(public, *a, *b))
    worst = float(np.abs(times.rtt_ms - plain).max())
    if worst > 1e-6:
        print(f"the two implementations differ by {worst:g} ms")
        return 1
    per_pair = slow / options.rows
    rows.append(("pairs, one by one", f"{options.rows:,}", slow, f"{options.rows / slow:,.0f} pairs/s", "1"))
    rows.append(
        (
            "pairs, arrays",
            f"{options.rows:,}",
            fast,
            f"{options.rows / fast:,.0f} pairs/s",
            f"{slow / fast:,.0f}",
        )
    )
    a, b = points(100_000), points(100_000)
    for name, network in (("public", public), ("cloud, residuals", cloud)):
        seconds, _ = timed(lambda network=network: latency.rtt_pairs(network, *a, *b))
        rows.append(
            (
                f"pairs, {name}",
                "100,000",
                seconds,
                f"{1e5 / seconds:,.0f} pairs/s",
                f"{per_pair * 1e5 / seconds:,.0f}",
            )
        )
    users = load_market(tables, "world", "spending", 1000)
    to = (users.lat, users.lon, users.country_iso3)
    sites = points(245)
    seconds, table = timed(lambda: latency.rtt_matrix(public, *sites, *to))
    rows.append(
        (
            "sites x users",
            "245 x 1,000",
            seconds,
            f"{table.size / seconds:,.0f} pairs/s",
            f"{per_pair * table.size / seconds:,.0f}",
        )
    )
    seconds, _ = timed(lambda: latency.rtt_metrics(table, users.weight))
    rows.append(("mean, quantiles, coverage, reach", "245 x 1,000", seconds, "", ""))
    cells = points(options.cells)
    for count in (300, 1000):
        users = load_market(tables, "world", "spending", count)
        for name, network in (("public", public), ("cloud", cloud)):
            index = latency.ReachIndex.build(network, users.lat, users.lon, users.country_iso3, users.weight)
            for label, quantiles in (("reach, coverage", False), ("and quantiles", True)):
                seconds, _ = timed(
                    lambda index=index, quantiles=quantiles: index.metrics(*cells, quantiles=quantiles)
                )
                million = seconds * 1e6 / options.cells
                rows.append(
                    (
                        f"cells x users, {name}: {label}",
                        f"{options.cells:,} x {count:,}",
                        seconds,
                        f"{million:,.0f} s per million cells",
                        f"{per_pair * options.cells * count / seconds:,.0f}",
                    )
                )
    print(f"{'what':44} {'size':>16} {'seconds':>9}  {'rate':>26} {'x one by one':>13}")
    for what, size, seconds, rate, ratio in rows:
        print(f"{what:44} {size:>16} {seconds:9.3f}  {rate:>26} {ratio:>13}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
