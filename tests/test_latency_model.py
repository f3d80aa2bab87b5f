"""What mathematics and light demand of the latency model, on networks built here."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcsite.physics import latency
from dcsite.physics.latency import (
    Network,
    ReachIndex,
    ReferencePairs,
    coverage,
    great_circle_km,
    prepare_points,
    reach,
    routes,
    rtt_matrix,
    rtt_metrics,
    rtt_pairs,
    rtt_pairs_ms,
    shortest_paths,
    weighted_quantiles,
)

RATES = {
    "terrestrial_dense": 0.015,
    "terrestrial_sparse": 0.03,
    "submarine": 0.014,
    "rarely_used": 0.03,
    "access_to_hub": 0.02,
}
HUBS = [
    ("a", "AAA", 50.0, 8.0),
    ("b", "BBB", 51.5, 0.0),
    ("c", "CCC", 40.7, -74.0),
    ("d", "CCC", 34.0, -118.0),
    ("e", "EEE", 35.7, 139.7),
    ("w", "", 48.0, -30.0),
]
LINKS = [(0, 1, 0), (1, 5, 2), (5, 2, 2), (2, 3, 0), (3, 4, 2), (0, 4, 1)]
lats, lons = st.floats(-89.9, 89.9), st.floats(-180, 180)
places = st.tuples(lats, lons)


def make_network(links=LINKS, hubs=HUBS, **changes) -> Network:
    lat, lon = np.array([h[2] for h in hubs]), np.array([h[3] for h in hubs])
    start, end = np.array([link[0] for link in links]), np.array([link[1] for link in links])
    values = {
        "name": "toy",
        "hub_ids": tuple(h[0] for h in hubs),
        "hub_names": tuple(h[0] for h in hubs),
        "hub_countries": tuple(h[1] for h in hubs),
        "hub_lat": lat,
        "hub_lon": lon,
        "hub_access": np.array([h[1] != "" for h in hubs]),
        "link_from": start,
        "link_to": end,
        "link_km": great_circle_km(lat[start], lon[start], lat[end], lon[end]),
        "link_class": np.array([link[2] for link in links]),
        "link_factor": np.ones(len(links)),
        "rate_ms_per_km": RATES,
        "intercept_ms": 2.0,
        "far_ms": 6.0,
        "far_scale_ms": 10.0,
        "country_log_factor": {"AAA": 0.1, "CCC": -0.2},
        "country_region": {"AAA": "east", "BBB": "east", "CCC": "west"},
        "pair_log_factor": {("east", "west"): -0.15},
    }
    return Network(**(values | changes))


def one_pair(rtt_ms, a=(50.0, 8.0), b=(40.7, -74.0), weight=1.0) -> ReferencePairs:
    cells = [np.array([value]) for value in (*a, *b)]
    return ReferencePairs(*cells, ("",), ("",), np.array([rtt_ms]), np.array([weight]), ("mine",))


# --- paths --------------------------------------------------------------------------------------------


def test_all_pairs_agree_with_six_hubs_worked_out_by_hand():
    # 0-1: 1, 1-2: 2, 0-2: 5 (so 3 by hub 1), 2-3: 4, 4-5: 1; the two parts are not joined
    start, end = np.array([0, 1, 0, 2, 4]), np.array([1, 2, 2, 3, 5])
    table = shortest_paths(6, start, end, np.array([1.0, 2.0, 5.0, 4.0, 1.0]))
    assert table[0].tolist() == pytest.approx([0, 1, 3, 7, np.inf, np.inf])
    assert table[3].tolist() == pytest.approx([7, 6, 4, 0, np.inf, np.inf])
    assert table[4, 5] == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.floats(0.1, 50)), min_size=1, max_size=18))
def test_all_pairs_agree_with_trying_every_simple_path(edges):
    edges = [edge for edge in edges if edge[0] != edge[1]] or [(0, 1, 1.0)]
    start, end, weight = (np.array(column) for column in zip(*edges, strict=True))
    table = shortest_paths(7, start, end, weight)
    cost = np.full((7, 7), np.inf)
    for a, b, w in edges:
        cost[a, b] = cost[b, a] = min(cost[a, b], w)
    for a, b in itertools.combinations(range(7), 2):
        others = [hub for hub in range(7) if hub not in (a, b)]
        best = min(
            sum(cost[x, y] for x, y in itertools.pairwise((a, *middle, b)))
            for size in range(len(others) + 1)
            for middle in itertools.permutations(others, size)
        )
        assert table[a, b] == pytest.approx(best)


def test_of_parallel_links_the_shorter_counts_and_they_are_not_added():
    table = shortest_paths(2, np.array([0, 1, 0]), np.array([1, 0, 1]), np.array([3.0, 2.0, 4.0]))
    assert table[0, 1] == pytest.approx(2.0)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 4), st.integers(0, 4), st.integers(0, 3), st.floats(0.5, 1.0))
def test_a_new_link_or_a_lower_rate_never_raises_a_path(a, b, kind, factor):
    before = make_network()
    cheaper = make_network(link_factor=np.full(len(LINKS), factor))
    assert (cheaper.hub_ms <= before.hub_ms + 1e-9).all()
    if a != b:
        assert (make_network([*LINKS, (a, b, kind)]).hub_ms <= before.hub_ms + 1e-9).all()


def test_splitting_a_link_at_a_new_hub_of_no_cost_changes_nothing():
    whole = make_network()
    hubs = [*HUBS, ("m", "", 47.0, -20.0)]
    split = make_network([*LINKS[1:], (0, 6, 0), (6, 1, 0)], hubs)
    km = split.link_km.copy()
    km[-2:] = [100.0, whole.link_km[0] - 100.0]
    assert replace(split, link_km=km).hub_ms[:6, :6] == pytest.approx(whole.hub_ms)


def test_the_traced_route_adds_up_to_the_path():
    network = make_network()
    rng = np.random.default_rng(3)
    a = prepare_points(network, rng.uniform(-80, 80, 50), rng.uniform(-180, 180, 50))
    b = prepare_points(network, rng.uniform(-80, 80, 50), rng.uniform(-180, 180, 50))
    found = routes(network, a, b)
    assert [route.graph_ms for route in found] == pytest.approx(latency.graph_pairs_ms(network, a, b))
    for route in found:
        total = route.access_km * RATES["access_to_hub"] + network.link_ms[list(route.links)].sum()
        total += route.direct_km * latency.DIRECT_DETOUR_RATIO * RATES["terrestrial_dense"]
        assert total == pytest.approx(route.graph_ms)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"link_to": np.array([1, 5, 2, 3, 4, 9])}, "there are 6 hubs"),
        ({"link_to": np.array([0, 5, 2, 3, 4, 4])}, "to itself"),
        ({"link_km": np.full(6, -1.0)}, "link_km"),
        ({"hub_access": np.zeros(6, dtype=bool)}, "access traffic"),
    ],
)
def test_a_graph_that_does_not_fit_together_is_refused(change, said):
    with pytest.raises(ValueError, match=said):
        make_network(**change)


def test_points_never_enter_by_a_waypoint():
    network = make_network()
    at_sea = prepare_points(network, [48.0], [-30.0])
    assert 5 not in at_sea.hub


# --- round-trip times ---------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(places, places, st.sampled_from(["", "AAA", "BBB", "CCC", "XXX"]), st.sampled_from(["", "AAA", "CCC"]))
def test_rtt_is_finite_symmetric_and_never_beats_light_in_fiber(a, b, country_a, country_b):
    network = make_network(reference=one_pair(60.0))
    there = rtt_pairs(network, a[0], a[1], [country_a], b[0], b[1], [country_b])
    back = rtt_pairs(network, b[0], b[1], [country_b], a[0], a[1], [country_a])
    assert np.isfinite(there.rtt_ms).all()
    assert there.rtt_ms[0] == pytest.approx(back.rtt_ms[0], abs=1e-9)
    assert there.rtt_ms[0] >= there.distance_km[0] / 100 - 1e-12
    assert there.rtt_p90_ms[0] >= there.rtt_ms[0]


def test_the_floor_stands_even_under_a_factor_of_nearly_zero():
    network = make_network(country_log_factor={"AAA": -5.0})
    times = rtt_pairs(network, 50, 8, ["AAA"], 40.7, -74, ["AAA"])
    assert times.rtt_ms[0] == pytest.approx(times.distance_km[0] / 100)


@given(places)
@settings(max_examples=20, deadline=None)
def test_a_point_to_itself_takes_the_intercept_alone(a):
    network = make_network()
    assert rtt_pairs(network, a[0], a[1], ["AAA"], a[0], a[1], ["AAA"]).rtt_ms[0] == network.intercept_ms


def test_matrix_pairs_and_index_agree():
    rng = np.random.default_rng(1)
    site, user = rng.uniform(-60, 70, (40, 2)), rng.uniform(-60, 70, (30, 2))
    user[:10] = site[:10] + rng.uniform(-3, 3, (10, 2))
    user[10] = site[10]
    codes = np.array(["AAA", "BBB", "CCC", ""], dtype=object)
    site_country, user_country = codes[rng.integers(0, 4, 40)], codes[rng.integers(0, 4, 30)]
    network = make_network(reference=one_pair(75.0))
    table = rtt_matrix(network, site[:, 0], site[:, 1], site_country, user[:, 0], user[:, 1], user_country)
    i, j = (part.ravel() for part in np.indices(table.shape))
    pairs = rtt_pairs(
        network, site[i, 0], site[i, 1], site_country[i], user[j, 0], user[j, 1], user_country[j], chunk=77
    )
    assert table.ravel() == pytest.approx(pairs.rtt_ms, abs=1e-9)
    index = ReachIndex.build(network, user[:, 0], user[:, 1], user_country, np.ones(30))
    assert index.rtt(site[:, 0], site[:, 1], site_country) == pytest.approx(table, abs=1e-3)


@pytest.mark.parametrize(("lat", "lon"), [(91, 0), (np.nan, 0), (0, 400)])
def test_coordinates_out_of_range_are_refused(lat, lon):
    with pytest.raises(ValueError, match="row 0"):
        rtt_pairs(make_network(), lat, lon, None, 0, 0, None)


# --- measured pairs -----------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.floats(63, 400))
def test_one_measured_pair_moves_its_own_pair_toward_the_measured_value_never_past_it(measured):
    network = make_network()
    ends = (50.0, 8.0, None, 40.7, -74.0, None)
    bare = rtt_pairs(network, *ends).rtt_ms[0]
    moved = rtt_pairs(replace(network, reference=one_pair(measured)), *ends).rtt_ms[0]
    low, high = sorted((bare, measured))
    assert low - 1e-9 <= moved <= high + 1e-9
    assert abs(moved - measured) <= abs(bare - measured) + 1e-9


def test_a_measured_pair_far_from_both_ends_changes_nothing():
    network = make_network()
    with_pair = replace(network, reference=one_pair(300.0, weight=10.0))
    ends = (-33.9, 151.2, None, -36.8, 174.8, None)
    assert rtt_pairs(with_pair, *ends).rtt_ms[0] == pytest.approx(
        rtt_pairs(network, *ends).rtt_ms[0], abs=1e-6
    )


def test_the_order_of_the_ends_of_a_measured_pair_does_not_matter():
    network = make_network()
    forth = replace(network, reference=one_pair(120.0))
    back = replace(network, reference=one_pair(120.0, a=(40.7, -74.0), b=(50.0, 8.0)))
    ends = (49.0, 7.0, None, 42.0, -72.0, None)
    assert rtt_pairs(forth, *ends).rtt_ms == pytest.approx(rtt_pairs(back, *ends).rtt_ms, abs=1e-9)


def test_more_weight_brings_a_pair_nearer_to_its_measurement():
    network = make_network()
    ends = (50.0, 8.0, None, 40.7, -74.0, None)
    off = [
        abs(rtt_pairs(replace(network, reference=one_pair(200.0, weight=w)), *ends).rtt_ms[0] - 200.0)
        for w in (0.1, 1.0, 10.0)
    ]
    assert off == sorted(off, reverse=True)


# --- what it means for users --------------------------------------------------------------------------

tables = st.integers(0, 10_000).map(
    lambda seed: (
        np.random.default_rng(seed).uniform(1, 250, (5, 12)),
        np.random.default_rng(seed + 1).uniform(0.01, 3, 12),
    )
)


@settings(max_examples=40, deadline=None)
@given(tables, st.floats(0.1, 1e6))
def test_only_shares_of_demand_matter_and_points_at_one_place_may_be_merged(case, scale):
    rtt, weight = case
    plain = rtt_metrics(rtt, weight)
    scaled = rtt_metrics(rtt, weight * scale)
    split_weight = np.concatenate([weight[:-1], [weight[-1] / 3, 2 * weight[-1] / 3]])
    split = rtt_metrics(np.column_stack([rtt, rtt[:, -1]]), split_weight)
    for other in (scaled, split):
        for name in (
            "rtt_mean_ms",
            "rtt_p50_ms",
            "rtt_p90_ms",
            "rtt_p95_ms",
            "coverage_ratio",
            "reach_ratio",
        ):
            assert getattr(other, name) == pytest.approx(getattr(plain, name))


@settings(max_examples=40, deadline=None)
@given(tables)
def test_coverage_grows_with_the_limit_and_quantiles_are_in_order(case):
    rtt, weight = case
    assert (np.diff(coverage(rtt, weight, [10, 20, 50, 100, 300]), axis=1) >= -1e-12).all()
    assert coverage(rtt, weight, [300]) == pytest.approx(1.0)
    quantiles = weighted_quantiles(rtt, weight, [0.5, 0.9, 0.95, 1.0])
    assert (np.diff(quantiles, axis=1) >= 0).all()
    assert quantiles[:, -1] == pytest.approx(rtt.max(axis=1))


def test_quantiles_are_the_smallest_value_that_enough_demand_is_under():
    quantiles = weighted_quantiles([[30.0, 10.0, 20.0]], [1, 2, 1], [0.5, 0.51, 0.75, 0.76])
    assert quantiles.tolist() == [[10.0, 20.0, 20.0, 30.0]]


@settings(max_examples=30, deadline=None)
@given(tables)
def test_a_further_site_changes_no_other(case):
    rtt, weight = case
    few, all_ = rtt_metrics(rtt[:4], weight), rtt_metrics(rtt, weight)
    assert all_.reach_ratio[:4] == pytest.approx(few.reach_ratio)
    assert all_.rtt_p90_ms[:4] == pytest.approx(few.rtt_p90_ms)


def test_reach_is_one_inside_zero_outside_and_a_step_where_anchors_meet():
    assert reach([[19.0, 20.0]], [1, 1], full_ms=20, zero_ms=80)[0] == 1
    assert reach([[80.0, 200.0]], [1, 1], full_ms=20, zero_ms=80)[0] == 0
    assert reach([[20.0, 20.1]], [1, 1], full_ms=20, zero_ms=20)[0] == 0.5
    assert reach([[50.0]], [1], full_ms=20, zero_ms=80, best=0.5)[0] == pytest.approx(1.0)


@pytest.mark.parametrize(
    "bad",
    [
        {"full_ms": 80, "zero_ms": 20},
        {"full_ms": -1, "zero_ms": 20},
        {"full_ms": 20, "zero_ms": 80, "best": 0},
    ],
)
def test_anchors_out_of_order_are_refused(bad):
    with pytest.raises(ValueError, match="reach"):
        reach([[10.0]], [1], **bad)


@pytest.mark.parametrize("weight", [[-1, 2], [0, 0], [1], [np.nan, 1]])
def test_weights_that_are_no_shares_are_refused(weight):
    with pytest.raises(ValueError, match="weights"):
        reach([[10.0, 20.0]], weight, full_ms=20, zero_ms=80)


def test_the_index_answers_the_same_in_any_chunks():
    rng = np.random.default_rng(5)
    network = make_network(reference=one_pair(75.0))
    user = rng.uniform(-60, 70, (60, 2))
    index = ReachIndex.build(network, user[:, 0], user[:, 1], None, rng.uniform(0.1, 1, 60))
    site = rng.uniform(-60, 70, (200, 2))
    few = index.metrics(site[:, 0], site[:, 1], None, chunk=7)
    many = index.metrics(site[:, 0], site[:, 1], None, chunk=512)
    assert few.rtt_mean_ms == pytest.approx(many.rtt_mean_ms, abs=1e-4)
    assert few.reach_ratio == pytest.approx(many.reach_ratio, abs=1e-6)
    exact = rtt_metrics(index.rtt(site[:, 0], site[:, 1], None), index.weight)
    assert many.rtt_mean_ms == pytest.approx(exact.rtt_mean_ms, abs=1e-3)
    assert many.coverage_ratio == pytest.approx(exact.coverage_ratio, abs=1e-5)
    assert many.reach_ratio == pytest.approx(exact.reach_ratio, abs=1e-5)
    for name in ("rtt_p50_ms", "rtt_p90_ms", "rtt_p95_ms"):
        assert np.abs(getattr(many, name) - np.ceil(np.minimum(getattr(exact, name), 767))).max() <= 1.0


@pytest.mark.parametrize(("factor", "skipped"), [(1.0, True), (0.3, False)])
def test_the_index_leaves_out_the_floor_only_where_no_path_can_break_it(factor, skipped, monkeypatch):
    rng = np.random.default_rng(6)
    network = make_network(country_log_factor={}, pair_log_factor={}, link_factor=np.full(len(LINKS), factor))
    user, site = rng.uniform(-60, 70, (40, 2)), rng.uniform(-60, 70, (300, 2))
    user[:5], site[:5] = ([hub[2:] for hub in HUBS[:5]] for _ in range(2))
    index = ReachIndex.build(network, user[:, 0], user[:, 1], None, np.ones(40))
    assert index.above_floor == skipped
    table = rtt_matrix(network, site[:, 0], site[:, 1], None, user[:, 0], user[:, 1], None)
    km = latency.matrix_km(latency.unit_vectors(*site.T), latency.unit_vectors(*user.T))
    assert (table <= km / 100 + 1e-9).any() != skipped
    assert index.rtt(*site.T, None) == pytest.approx(table, abs=1e-3)
    whole = index.metrics(*site.T, None)
    monkeypatch.setattr(latency, "BLOCK_PAIRS", 111)
    assert index.metrics(*site.T, None).rtt_mean_ms == pytest.approx(whole.rtt_mean_ms, abs=1e-4)


def test_unknown_countries_have_no_border_and_no_factor():
    network = make_network()
    known = rtt_pairs_ms(
        network, prepare_points(network, [50.0], [8.0], ["ZZZ"]), prepare_points(network, [51.5], [0.0])
    )
    blank = rtt_pairs_ms(
        network, prepare_points(network, [50.0], [8.0]), prepare_points(network, [51.5], [0.0], [""])
    )
    assert known == pytest.approx(blank)
