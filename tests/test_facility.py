"""Facility location: the answer is right, its bound is a bound, and every refusal names the place."""

from __future__ import annotations

import itertools
import math
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, linprog, milp
from scipy.sparse import coo_array

from dcsite.optimize import facility_location
from dcsite.optimize._facility_capacity import cover_needed
from dcsite.optimize._facility_case import checked_case
from dcsite.optimize._facility_cut import PricedProgram

KINDS = ("ufl", "p-median", "split", "p-split", "single")
METHODS = ("whole", "decomposition")


def judged(plan, fixed, cost, capacity=None, demand=None, p=None, single=False):
    """The objective of a plan by separate arithmetic, after checking every limit."""
    share = plan.assignment.toarray()
    assert share.shape == cost.shape
    assert (share >= 0).all()
    if cost.shape[1]:
        assert np.abs(share.sum(axis=0) - 1).max() <= 1e-9
    served = np.flatnonzero((share > 0).any(axis=1))
    assert set(served) <= set(plan.open_sites.tolist())
    assert (np.diff(plan.open_sites) > 0).all()
    if p is not None:
        assert len(plan.open_sites) == p
    if capacity is None or single:
        assert set(np.unique(share)) <= {0.0, 1.0}
    if capacity is not None:
        assert (share @ demand <= capacity * (1 + 2e-6)).all()
    paid = np.where(share > 0, np.where(np.isfinite(cost), cost, np.inf), 0.0)
    return fixed[plan.open_sites].sum() + (paid * share).sum()


def by_enumeration(fixed, cost, capacity=None, demand=None, p=None, single=False):
    """Least cost over all sets of open sites; inf if there is no plan."""
    m, n = cost.shape
    best = math.inf
    for size in range(m + 1) if p is None else [p]:
        for opened in itertools.combinations(range(m), size):
            chosen = list(opened)
            base = fixed[chosen].sum()
            if n == 0:
                best = min(best, base)
            elif not chosen:
                continue
            elif capacity is None:
                best = min(best, base + cost[chosen].min(axis=0).sum())
            elif single:
                for to in itertools.product(chosen, repeat=n):
                    used = np.bincount(to, demand, m)
                    if (used <= capacity * (1 + 1e-9)).all():
                        best = min(best, base + cost[list(to), range(n)].sum())
            else:
                best = min(best, base + transport(cost[chosen], capacity[chosen], demand))
    return best


def transport(cost, capacity, demand):
    s, n = cost.shape
    ok = np.isfinite(cost)
    room = np.kron(np.eye(s), demand)
    once = np.tile(np.eye(n), s)
    bounds = [(0, 1 if allowed else 0) for allowed in ok.ravel()]
    scale = float(np.abs(cost[ok]).max(initial=0.0)) or 1.0  # its tolerances are absolute
    answer = linprog(
        np.where(ok, cost / scale, 0).ravel(),
        A_ub=room,
        b_ub=capacity,
        A_eq=once,
        b_eq=np.ones(n),
        bounds=bounds,
    )
    return answer.fun * scale if answer.status == 0 else math.inf


def by_milp(fixed, cost, capacity=None, demand=None, p=None, single=False):
    """The strong model handed to SciPy; inf if infeasible."""
    m, n = cost.shape
    ok = np.isfinite(cost)
    size = m + m * n
    x = m + np.arange(m * n).reshape(m, n)
    rows = [
        LinearConstraint(coo_array((np.ones(m * n), (np.tile(np.arange(n), m), x.ravel())), (n, size)), 1, 1)
    ]
    both = np.concatenate([np.ones(m * n), -np.ones(m * n)])
    at = np.concatenate([np.arange(m * n)] * 2)
    link = coo_array((both, (at, np.concatenate([x.ravel(), np.repeat(np.arange(m), n)]))), (m * n, size))
    rows.append(LinearConstraint(link, -np.inf, 0))
    if capacity is not None:
        weights = np.concatenate([np.tile(demand, m), -capacity])
        place = (
            np.concatenate([np.repeat(np.arange(m), n), np.arange(m)]),
            np.concatenate([x.ravel(), np.arange(m)]),
        )
        rows.append(LinearConstraint(coo_array((weights, place), (m, size)), -np.inf, 0))
    if p is not None:
        rows.append(
            LinearConstraint(coo_array((np.ones(m), (np.zeros(m, int), np.arange(m))), (1, size)), p, p)
        )
    upper = np.concatenate([np.ones(m), ok.ravel().astype(float)])
    integral = np.concatenate([np.ones(m), np.full(m * n, float(single))])
    prices = np.concatenate([fixed, np.where(ok, cost, 0).ravel()])
    scale = float(np.abs(prices).max(initial=0.0)) or 1.0  # its tolerances are absolute
    answer = milp(
        prices / scale, constraints=rows, bounds=(0, upper),
        integrality=integral, options={"mip_rel_gap": 0},
    )  # fmt: skip
    return answer.fun * scale if answer.status == 0 else math.inf


@st.composite
def instances(draw, max_sites=4, max_clients=5):
    """Small instances with ties, zeros, forbidden arcs, tight capacities, and very different sizes of numbers."""
    kind = draw(st.sampled_from(KINDS))
    m = draw(st.integers(1, max_sites))
    n = draw(st.integers(1, max_clients if kind != "single" else 4))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    style = draw(st.sampled_from(["ties", "real", "plane"]))
    if style == "ties":
        fixed, cost = rng.integers(0, 5, m).astype(float), rng.integers(0, 4, (m, n)).astype(float)
    elif style == "real":
        fixed, cost = rng.uniform(0, 20, m), rng.uniform(0, 10, (m, n))
    else:
        a, b = rng.random((m, 2)), rng.random((n, 2))
        fixed, cost = rng.uniform(0, 1, m), np.hypot(*(a[:, None] - b[None]).transpose(2, 0, 1))
    if draw(st.booleans()):
        cost = np.where(rng.random((m, n)) < 0.2, np.inf, cost)
        for j in np.flatnonzero(np.isinf(cost).all(axis=0)):
            cost[rng.integers(m), j] = 1.0
    factor = 10.0 ** draw(st.sampled_from([0, 0, -6, 6, 12]))
    fixed, cost = fixed * factor, cost * factor
    capacity = demand = p = None
    if kind in ("p-median", "p-split"):
        p = draw(st.integers(1, m))
        fixed = fixed * draw(st.sampled_from([0.0, 1.0]))
    if kind in ("split", "p-split", "single"):
        demand = rng.integers(0, 6, n).astype(float)
        capacity = rng.integers(0, 12, m).astype(float)
        size = 10.0 ** draw(st.sampled_from([0, 0, -3, 6]))
        demand, capacity = demand * size, capacity * size
    return {
        "fixed": fixed, "cost": cost, "capacity": capacity, "demand": demand, "p": p, "single": kind == "single",
    }  # fmt: skip


def solved(case, **options):
    return facility_location(
        case["fixed"], case["cost"], case["capacity"], case["demand"], case["p"], case["single"], **options
    )


def agrees(case, truth, method):
    plan = solved(case, method=method, gap=1e-6)
    if math.isinf(truth):
        assert plan.status == "infeasible"
        assert plan.open_sites.size == 0
        return
    assert plan.status == "optimal", plan
    cost = judged(plan, **case)
    assert plan.objective == pytest.approx(cost, rel=1e-9, abs=1e-15)
    assert plan.objective == pytest.approx(truth, rel=2e-6, abs=1e-12)
    assert plan.bound <= truth * (1 + 1e-6) + 1e-12
    assert plan.gap == pytest.approx((plan.objective - plan.bound) / max(abs(plan.objective), 1e-9))


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=120)
@given(case=instances())
def test_it_agrees_with_trying_every_set_of_sites(method, case):
    agrees(case, by_enumeration(**case), method)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=40)
@given(case=instances(max_sites=7, max_clients=9))
def test_it_agrees_with_a_strong_model_in_scipy(method, case):
    agrees(case, by_milp(**case), method)


@pytest.mark.thorough
@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=2500)
@given(case=instances())
def test_it_agrees_with_trying_every_set_of_sites_thousands_of_times(method, case):
    agrees(case, by_enumeration(**case), method)


@settings(max_examples=30)
@given(case=instances(), seed=st.integers(0, 2**32 - 1))
def test_a_further_site_never_costs_more(case, seed):
    plan = solved(case, gap=1e-6)
    if case["p"] is not None or plan.status == "infeasible":
        return
    rng = np.random.default_rng(seed)
    top = float(case["cost"][np.isfinite(case["cost"])].max())
    wider = dict(case, fixed=np.append(case["fixed"], rng.uniform(0, max(top, 1e-9))))
    wider["cost"] = np.vstack([case["cost"], rng.uniform(0, max(top, 1e-9), case["cost"].shape[1])])
    if case["capacity"] is not None:
        wider["capacity"] = np.append(case["capacity"], case["demand"].sum())
    again = solved(wider, gap=1e-6)
    assert again.objective <= plan.objective * (1 + 2e-6) + 1e-12


def test_costs_of_very_different_sizes_do_not_hide_the_plan():
    fixed = np.array([1e-6, 2e-6, 1e12])
    cost = np.array([[1e-6, 1e12], [1e12, 1e-6], [0.0, 0.0]])
    plan = facility_location(fixed, cost)
    assert plan.status == "optimal"
    assert plan.open_sites.tolist() == [0, 1]
    assert plan.objective == pytest.approx(5e-6, rel=1e-9)


def test_zero_demand_is_still_served_from_an_open_site():
    plan = facility_location([5.0, 1.0], [[0.0, 3.0], [9.0, 4.0]], [10.0, 10.0], [0.0, 2.0])
    assert plan.status == "optimal"
    assert plan.objective == pytest.approx(8.0)
    assert plan.open_sites.tolist() == [0]


def test_no_clients_opens_only_what_pays():
    plan = facility_location([2.0, -3.0], np.zeros((2, 0)))
    assert (plan.status, plan.objective, plan.open_sites.tolist()) == ("optimal", -3.0, [1])
    assert facility_location([2.0, -3.0], np.zeros((2, 0)), p=0).objective == 0.0


def test_all_costs_zero_is_proved():
    plan = facility_location(np.zeros(3), np.zeros((3, 4)), p=2)
    assert (plan.status, plan.objective, plan.bound, len(plan.open_sites)) == ("optimal", 0.0, 0.0, 2)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"p": 3}, "p = 3 sites asked, 2 exist"),
        ({"p": 0}, "p = 0 sites cannot serve 2 clients"),
        ({"capacity": [1, 2], "demand": [3, 1]}, "demand 4 exceeds the capacity 3 of all sites"),
        (
            {"capacity": [4, 3], "demand": [3, 3], "p": 1},
            "demand 6 exceeds the capacity 4 of the 1 largest sites",
        ),
        (
            {"capacity": [2, 2], "demand": [3, 1], "single_source": True},
            "demand[0] = 3 exceeds the largest capacity 2 of the sites that may serve it",
        ),
    ],
)
def test_no_plan_says_why(arguments, reason):
    plan = facility_location([1.0, 1.0], np.ones((2, 2)), **arguments)
    assert plan.status == "infeasible"
    assert plan.proof.reason == reason
    assert math.isinf(plan.objective)
    assert math.isinf(plan.bound)


@pytest.mark.parametrize("method", METHODS)
def test_no_plan_that_only_a_solver_sees(method):
    cost = np.array([[1.0, np.inf], [np.inf, 1.0]])
    assert facility_location([1.0, 1.0], cost, p=1, method=method).status == "infeasible"
    plan = facility_location([1, 1], np.ones((2, 3)), [4, 4], [3, 3, 2], single_source=True, method=method)
    assert plan.status == "infeasible"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fixed_cost": [1.0, math.nan]}, r"fixed_cost\[1\] is nan"),
        ({"fixed_cost": [1.0, math.inf]}, r"fixed_cost\[1\] is inf"),
        ({"fixed_cost": [1.0]}, r"fixed_cost has shape \(1,\), expected \(2,\)"),
        ({"cost": [[1.0, math.nan], [1.0, 1.0]]}, r"cost\[0, 1\] is nan"),
        ({"cost": [[1.0, 1.0], [1.0, -math.inf]]}, r"cost\[1, 1\] is -inf"),
        ({"cost": [[1.0, math.inf], [1.0, math.inf]]}, r"cost\[:, 1\] is inf for every site"),
        ({"cost": [1.0, 2.0]}, r"cost has shape \(2,\), expected \(m, n\)"),
        ({"capacity": [1.0, 1.0]}, "capacity is given without demand"),
        ({"demand": [1.0, 1.0]}, "demand is given without capacity"),
        ({"capacity": [1.0, -2.0], "demand": [1.0, 1.0]}, r"capacity\[1\] is -2: must be >= 0"),
        ({"capacity": [1.0, math.inf], "demand": [1.0, 1.0]}, r"capacity\[1\] is inf"),
        ({"capacity": [1.0, 1.0], "demand": [1.0, math.nan]}, r"demand\[1\] is nan"),
        ({"capacity": [1.0, 1.0], "demand": [-1.0, 1.0]}, r"demand\[0\] is -1: must be >= 0"),
        ({"p": -1}, "p is -1"),
        ({"p": 1.5}, r"p is 1\.5"),
        ({"gap": math.nan}, "gap is nan"),
        ({"gap": -0.1}, r"gap is -0\.1"),
        ({"method": "magic"}, "method is 'magic'"),
        ({"node_limit": -1}, "node_limit is -1"),
    ],
)
def test_bad_input_is_refused_by_name_and_index(arguments, message):
    given_ = {"fixed_cost": [1.0, 1.0], "cost": [[1.0, 2.0], [2.0, 1.0]], **arguments}
    with pytest.raises(ValueError, match=message):
        facility_location(**given_)


def test_arguments_are_left_alone_and_the_plan_is_frozen():
    fixed, cost = np.array([1.0, 1.0]), np.array([[1.0, 2.0], [2.0, 1.0]])
    keep = fixed.copy(), cost.copy()
    plan = facility_location(fixed, cost)
    assert (fixed == keep[0]).all()
    assert (cost == keep[1]).all()
    with pytest.raises(FrozenInstanceError):
        plan.objective = 0.0


def plane(m, n, seed, *, capacitated=False, integral=False):
    rng = np.random.default_rng(seed)
    a, b = rng.random((m, 2)), rng.random((n, 2))
    cost = np.hypot(*(a[:, None] - b[None]).transpose(2, 0, 1))
    if integral:
        cost = np.rint(cost * 1000)
    if not capacitated:
        return rng.uniform(1, 2, m), cost
    demand = rng.uniform(5, 35, n)
    capacity = rng.uniform(10, 160, m)
    capacity *= 3 * demand.sum() / capacity.sum()
    return rng.uniform(1, 2, m) * np.sqrt(capacity), cost * demand, capacity, demand


CASES = {
    "ufl": lambda: (plane(60, 80, 1), {}),
    "p-median": lambda: ((np.zeros(90), plane(90, 90, 2, integral=True)[1]), {"p": 9}),
    "split": lambda: (plane(40, 60, 3, capacitated=True), {}),
    "p-split": lambda: (plane(40, 60, 3, capacitated=True), {"p": 16}),
    "single": lambda: (plane(15, 30, 4, capacitated=True), {"single_source": True, "gap": 1e-3}),
}


@pytest.mark.parametrize("name", CASES)
def test_both_ways_to_solve_agree(name):
    arrays, options = CASES[name]()
    whole = facility_location(*arrays, method="whole", **options)
    parts = facility_location(*arrays, method="decomposition", **options)
    assert whole.status == parts.status == "optimal"
    gap = options.get("gap", 1e-4)
    assert whole.objective == pytest.approx(parts.objective, rel=2 * gap)
    assert max(whole.bound, parts.bound) <= min(whole.objective, parts.objective) * (1 + 1e-9)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", CASES)
def test_the_same_input_gives_the_same_plan(name, method):
    arrays, options = CASES[name]()
    one, two = (facility_location(*arrays, method=method, **options) for _ in range(2))
    assert one.objective == two.objective
    assert one.bound == two.bound
    assert one.proof == two.proof
    assert one.open_sites.tobytes() == two.open_sites.tobytes()
    assert (one.assignment != two.assignment).nnz == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sites", "options"), [(60, {}), (60, {"p": 25}), (15, {"single_source": True, "gap": 5e-3})], ids=str
)
def test_a_busy_machine_gives_the_same_plan(sites, options):
    arrays = plane(sites, 150, 7, capacitated=True)
    quiet = facility_location(*arrays, **options)
    load = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        busy = facility_location(*arrays, **options)
    finally:
        for process in load:
            process.kill()
            process.wait()
    assert quiet.status == "optimal"
    assert quiet.proof == busy.proof
    assert (quiet.objective, quiet.bound) == (busy.objective, busy.bound)
    assert quiet.open_sites.tobytes() == busy.open_sites.tobytes()
    assert (quiet.assignment != busy.assignment).nnz == 0


@settings(max_examples=60)
@given(case=instances(), seed=st.integers(0, 2**32 - 1))
def test_any_prices_bound_every_plan(case, seed):
    if case["capacity"] is None or case["single"] or not case["capacity"].any():
        return
    truth = by_enumeration(**case)
    usable = checked_case(
        case["fixed"], case["cost"], case["capacity"], case["demand"], case["p"], single_source=False
    )
    rng = np.random.default_rng(seed)
    keep = np.zeros(case["cost"].shape, dtype=bool)
    size = truth if math.isfinite(truth) and truth > 0 else 1.0
    with PricedProgram(usable, cover_needed(usable), keep, size) as program:
        state = np.full(program.a, -1, dtype=np.int8)
        for _ in range(5):
            prices = rng.normal(0, 1e3 * rng.random(), program.base_rows)
            assert program.bound(prices, state)[0] <= truth * program.scale * (1 + 1e-9) + 1e-9


@pytest.mark.parametrize("method", METHODS)
def test_a_limit_is_never_called_optimal(method):
    arrays = plane(40, 60, 5, capacitated=True)
    plan = facility_location(*arrays, method=method, gap=0.0, node_limit=0, iteration_limit=3)
    if plan.status == "limit":
        assert plan.gap > 0
        assert plan.bound <= plan.objective
    truth = facility_location(*arrays, gap=1e-6)
    assert plan.bound <= truth.objective * (1 + 1e-9)
    assert plan.objective >= truth.bound * (1 - 1e-9)


def test_integral_costs_round_the_bound_up():
    arrays, options = CASES["p-median"]()
    plan = facility_location(*arrays, **options, gap=0.0)
    assert plan.status == "optimal"
    assert plan.bound == plan.objective == round(plan.objective)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT to a process")
@pytest.mark.parametrize("method", METHODS)
def test_an_interrupt_leaves_the_best_that_was_proved(method):
    code = f"""
        import signal
        import numpy as np
        from dcsite.optimize import facility_location
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for work in its background
        rng = np.random.default_rng(0)
        m = 260
        cost = rng.integers(1000, 3000, (m, m)).astype(float)
        print("go", flush=True)
        plan = facility_location(np.full(m, 3000.0), cost, gap=0.0, method="{method}")
        print(plan.status, plan.proof.reason, plan.bound <= plan.objective, flush=True)
    """
    run = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    with run:
        try:
            assert run.stdout.readline() == "go\n"
            try:
                run.wait(timeout=8)
            except subprocess.TimeoutExpired:
                run.send_signal(signal.SIGINT)
            out, err = run.communicate(timeout=120)
        finally:
            run.kill()
    assert (run.returncode == 0 and "limit interrupted True" in out) or "KeyboardInterrupt" in err, (out, err)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("fixed", "cost", "capacity", "demand", "single"),
    [
        ([0.0, 4e6], [[0.0], [np.inf]], [11.0, 8.0], [4.0], False),
        ([4e12, 3e12, 2e12], [[1e12], [1e12], [0.0]], [0.0, 2.0, 9.0], [0.0], True),
        (
            [4.0, 0.0, 0.0],
            [[0.0, np.inf, 3.0], [np.inf, 2.0, 0.0], [0.0, 1.0, 1.0]],
            [3.0, 3.0, 7.0],
            [4.0, 5.0, 4.0],
            True,
        ),
    ],
    ids=["a plan worth nothing beside a dear site", "a site without capacity", "no plan on the arcs kept"],
)
def test_extreme_figures_do_not_overflow(method, fixed, cost, capacity, demand, single):
    case = {
        "fixed": np.array(fixed), "cost": np.array(cost), "capacity": np.array(capacity),
        "demand": np.array(demand), "p": None, "single": single,
    }  # fmt: skip
    agrees(case, by_enumeration(**case), method)
