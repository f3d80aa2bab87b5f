"""Users of a workload seen from its candidate sites: the market, the matrix of round-trip times, reach.

Joins the demand points and the network of :mod:`dcsite.data` with the arithmetic of
:mod:`dcsite.physics.latency`. One matrix serves the facts, the limits of the optimizer and the reports.
Both are imported where they are used: loads that nobody waits for do without graphs and trees.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dcsite.physics.evaluation import Market

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dcsite.data.demand import DemandPoints
    from dcsite.data.tables import Tables
    from dcsite.physics.latency import Network
    from dcsite.spec.scenario import Scenario
    from dcsite.spec.workload import Profile, Workload

P90_OVER_SD = 1.2816
"""A 90 % bound lies this many standard deviations above the middle of a normal error."""

CANDIDATES_AT_ONCE = 2048


@dataclass(frozen=True)
class UserNetwork:
    """The network between users and sites, and what entered it in words."""

    network: Network
    provenance: tuple[str, ...]


def user_network(tables: Tables, scenario: Scenario) -> UserNetwork:
    """Network of a scenario: ``user_network`` with the user's own measurements, read once.

    Raises
    ------
    DataError
        If the file of measurements is not usable.
    """
    from dcsite.data.network import load_network
    from dcsite.physics.latency import as_network

    def make() -> UserNetwork:
        own = None if scenario.rtt_reference is None else Path(scenario.rtt_reference)
        loaded = load_network(tables, scenario.user_network, reference_file=own)
        return UserNetwork(as_network(loaded), loaded.provenance)

    found = tables.memo(("study.user_network", scenario.user_network, scenario.rtt_reference), make)
    assert isinstance(found, UserNetwork)
    return found


def needs_market(scenario: Scenario, workload: Workload, profile: Profile) -> bool:
    """Whether anything in the question depends on how far the users are."""
    if not workload.users:
        return False
    limits = (workload.max_rtt_ms, workload.hard_rtt_ms, workload.mean_rtt_ms, workload.failure_rtt_ms)
    scored = (scenario.score.weights or {}).get("latency", 0.0) > 0
    return (
        profile.latency_worth_usd_per_rack_year > 0
        or scored
        or any(limit is not None for limit in limits)
        or profile.hard_rtt_ms is not None
    )


def market_of(
    tables: Tables,
    scenario: Scenario,
    workload: Workload,
    profile: Profile,
    sites: pd.DataFrame,
    *,
    points: int | None = None,
) -> Market | None:
    """Users of a workload and their round-trip times from each site.

    Parameters
    ----------
    tables
        The tables.
    scenario
        Gives the network, own measurements, the last mile and the number of points.
    workload, profile
        Give the users, the weights, and the anchors of reach.
    sites
        S rows; columns ``lat``, ``lon`` and ``country_iso3`` are used.
    points
        Demand points to keep; default ``scenario.demand_points``.

    Returns
    -------
    Market or None
        None for a load that nobody waits for: no users named, or neither a limit nor a worth of latency.

    Raises
    ------
    UsageError, DataError
        If the market, the last mile or a file of users is not usable.
    """
    if not needs_market(scenario, workload, profile):
        return None
    from dcsite.data.demand import load_market
    from dcsite.data.network import load_last_mile
    from dcsite.physics.latency import rtt_matrix, rtt_p90_matrix

    asked = points or scenario.demand_points
    users = load_market(tables, workload.users, workload.demand, asked)
    between = user_network(tables, scenario)
    network = between.network
    ends = (users.lat, users.lon, users.country_iso3)
    lat, lon = sites["lat"].to_numpy(dtype=np.float64), sites["lon"].to_numpy(dtype=np.float64)
    country = ["" if pd.isna(code) else str(code) for code in sites["country_iso3"]]
    rtt = rtt_matrix(network, lat, lon, country, *ends)
    bound = rtt_p90_matrix(network, rtt, lat, lon, users.lat, users.lon)
    notes = [users.note, f"weights: {users.demand} ({users.quality})", *between.provenance]
    added = 0.0
    if scenario.access is not None:
        last = load_last_mile(tables, scenario.access)
        added = (last.low_ms + last.high_ms) / 2.0
        rtt, bound = rtt + added, bound + last.high_ms
        notes.append(f"last mile {last.access}: +{added:g} ms, bound +{last.high_ms:g} ms ({last.quality})")
    best, where = _best(tables, scenario, profile, users, network, added, asked)
    notes.append(f"best reach of any place: {best:.3f} ({where})")
    return Market(
        name=users.market,
        note="; ".join(notes),
        points=users.frame(),
        rtt_ms=rtt,
        rtt_model_p90_ms=bound,
        best_reach_ratio=best,
        site_error_share=network.band.site_error_share,
    )


def _best(
    tables: Tables,
    scenario: Scenario,
    profile: Profile,
    users: DemandPoints,
    network: Network,
    added_ms: float,
    asked: int,
) -> tuple[float, str]:
    """Best raw reach of any place and its name: from the table, else sought among metros and hub cities."""
    from dcsite.data.network import best_reach, candidate_places
    from dcsite.physics.latency import ReachIndex, reach

    full, zero = profile.reach_full_ms, profile.reach_zero_ms
    plain = scenario.rtt_reference is None and added_ms == 0 and users.demand != "file"
    if plain:
        row = best_reach(
            tables,
            users.market,
            users.demand,
            scenario.user_network,
            full_ms=full,
            zero_ms=zero,
            points=asked,
        )
        if row is not None:
            return row.best_reach_ratio, row.place

    def seek() -> tuple[float, str]:
        lat, lon, country, names = candidate_places(tables)
        lats, lons = np.asarray(lat, dtype=np.float64), np.asarray(lon, dtype=np.float64)
        index = ReachIndex.build(network, users.lat, users.lon, users.country_iso3, users.weight)
        values = np.concatenate(
            [
                reach(
                    index.rtt(lats[rows], lons[rows], country[rows]) + added_ms,
                    users.weight,
                    full_ms=full,
                    zero_ms=zero,
                )
                for start in range(0, len(lats), CANDIDATES_AT_ONCE)
                for rows in [slice(start, start + CANDIDATES_AT_ONCE)]
            ]
        )
        winner = int(np.argmax(values))
        return float(values[winner]), names[winner]

    key = (
        "study.best_reach",
        users.market,
        users.demand,
        len(users),
        scenario.user_network,
        scenario.rtt_reference,
        full,
        zero,
        added_ms,
    )
    found: tuple[float, str] = seek() if users.demand == "file" else tables.memo(key, seek)
    return found


REACH_COLUMNS = (
    "reach_ratio",
    "reach_sd_ratio",
    "rtt_mean_ms",
    "rtt_p50_ms",
    "rtt_p90_ms",
    "rtt_p95_ms",
    "coverage_target_ratio",
    "coverage_soft_ratio",
    "coverage_hard_ratio",
    "rtt_mean_model_p90_ms",
)


def reach_facts(market: Market, profile: Profile) -> pd.DataFrame:
    """Demand-weighted measures of each site.

    Quantiles are over demand; ``rtt_mean_model_p90_ms`` is the mean when every pair sits at the model's
    own 90 % bound. ``reach_sd_ratio`` is the part of what that bound does to reach by which two sites may
    differ: the share ``market.site_error_share`` of the variance, and what the errors of single pairs leave
    after averaging over the points. The share is measured (``scripts/fit_latency.py``) on log errors of
    pairs of 20 to 80 ms with metros left out of the fit: for two unseen sites, the mean over user pairs
    ``u != v`` of ``d_u d_v``, with ``d_u`` the difference of their errors at user ``u``, over twice the mean
    square of the errors. The level of the model and a user's bad network cancel in that difference.

    Parameters
    ----------
    market
        From :func:`market_of`.
    profile
        Anchors of reach, and target, soft and hard limit (missing: that coverage is NaN).

    Returns
    -------
    DataFrame, S rows in site order
        :data:`REACH_COLUMNS`. [-], [ms]
    """
    from dcsite.physics.latency import coverage, reach, weighted_quantiles

    weight = market.points["weight_ratio"].to_numpy(dtype=np.float64)
    anchors = {"full_ms": profile.reach_full_ms, "zero_ms": profile.reach_zero_ms}
    best = market.best_reach_ratio if market.best_reach_ratio > 0 else 1.0
    middle = np.minimum(reach(market.rtt_ms, weight, **anchors, best=best), 1.0)
    low = np.minimum(reach(market.rtt_model_p90_ms, weight, **anchors, best=best), 1.0)
    quantiles = weighted_quantiles(market.rtt_ms, weight, (0.5, 0.9, 0.95))
    left = market.site_error_share + (1.0 - market.site_error_share) * float(np.sum(weight**2))
    limits = {
        "coverage_target_ratio": profile.target_rtt_ms,
        "coverage_soft_ratio": profile.soft_rtt_ms,
        "coverage_hard_ratio": profile.hard_rtt_ms,
    }
    known = [limit for limit in limits.values() if limit is not None]
    shares = iter(coverage(market.rtt_ms, weight, known).T if known else ())
    missing: NDArray[np.float64] = np.full(len(middle), np.nan)
    columns = {
        "reach_ratio": middle,
        "reach_sd_ratio": math.sqrt(left) * (middle - low) / P90_OVER_SD,
        "rtt_mean_ms": market.rtt_ms @ weight,
        "rtt_p50_ms": quantiles[:, 0],
        "rtt_p90_ms": quantiles[:, 1],
        "rtt_p95_ms": quantiles[:, 2],
        **{name: missing if limit is None else next(shares) for name, limit in limits.items()},
        "rtt_mean_model_p90_ms": market.rtt_model_p90_ms @ weight,
    }
    return pd.DataFrame(columns, columns=list(REACH_COLUMNS))
