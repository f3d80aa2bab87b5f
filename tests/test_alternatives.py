"""Other portfolios, ties and what they give up, against the enumeration of all site sets."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

from dcsite.errors import UsageError
from dcsite.optimize import model
from dcsite.optimize.alternatives import alternatives, moved_mw, ties
from dcsite.optimize.inputs import build_inputs
from dcsite.optimize.reuse import Reuse
from dcsite.optimize.solve import optimize
from dcsite.optimize.verify import verify
from dcsite.report.export import write_report
from dcsite.report.fronts import alternatives_sentences
from milp_world import world
from test_portfolio_model import CLOUD, TRAINING, scenario


def site_sets(asked, facts):
    """Cost of the best plan on exactly these sites, each loaded, for every set of sites that has one."""
    inputs = build_inputs(asked, facts, prune=False)
    problem, index = model.build(inputs)
    arrays, sites = problem.arrays(), len(inputs.site_ids)
    least = model.required_mw(inputs)
    loaded = np.zeros((sites, len(problem.columns)))
    for slot, site in enumerate(inputs.slot_site):
        loaded[site, index.place[slot, -1]] = 1.0
    found = {}
    for size in range(1, sites + 1):
        for chosen in itertools.combinations(range(sites), size):
            low, high = arrays.lower.copy(), arrays.upper.copy()
            inside = np.isin(np.arange(sites), chosen)
            low[index.used[:, -1]] = high[index.used[:, -1]] = inside
            answer = milp(
                arrays.cost,
                constraints=[
                    LinearConstraint(arrays.matrix, arrays.row_lower, arrays.row_upper),
                    LinearConstraint(loaded, np.where(inside, least, 0.0), np.inf),
                ],
                bounds=Bounds(low, high),
                integrality=arrays.integer.astype(int),
                options={"mip_rel_gap": 1e-9},
            )
            if answer.x is not None:
                found[frozenset(inputs.site_ids[s] for s in chosen)] = float(answer.fun)
    return dict(sorted(found.items(), key=lambda entry: entry[1]))


def case(seed):
    cloud = {**CLOUD, "it_mw": 40, "coverage": 0.2}
    asked = scenario(cloud, {**TRAINING, "it_mw": 60}, gap=1e-7)
    facts = world(asked, seed=seed, sites=5, points=3, technologies=1)
    return asked, facts, optimize(asked, facts)


@pytest.mark.parametrize("seed", [1, 2, 4])
def test_in_hamming_distance_they_are_all_site_sets_within_the_tolerance(seed):
    asked, facts, plan = case(seed)
    every = site_sets(asked, facts)
    most = min(every.values()) * 1.03
    wanted = {chosen: cost for chosen, cost in every.items() if cost <= most}
    found = alternatives(plan, within=0.03, count=40, distance=1, measure="hamming")
    assert found.complete
    assert found.proven
    costs = {frozenset(plan.sites): plan.objective_usd_per_year / 1e6}
    costs |= {frozenset(one.plan.sites): one.plan.objective_usd_per_year / 1e6 for one in found.found}
    assert len(costs) == 1 + len(found.found)
    assert set(costs) == set(wanted)
    assert costs == pytest.approx(wanted, rel=1e-5)
    order = [one.plan.objective_usd_per_year for one in found.found]
    assert all(later >= earlier * (1 - 2e-7) for earlier, later in itertools.pairwise(order))
    assert "proved" in found.notes[-1]


@pytest.mark.parametrize(("seed", "distance"), [(1, 1), (2, 1), (4, 2)])
def test_each_drops_sites_of_all_before_it_and_is_the_cheapest_that_does(seed, distance):
    asked, facts, plan = case(seed)
    every = site_sets(asked, facts)
    most = min(every.values()) * 1.05
    found = alternatives(plan, within=0.05, count=20, distance=distance)
    known = [frozenset(plan.sites)]

    def fits(chosen):
        return all(len(old - chosen) >= distance for old in known)

    for one in found.found:
        chosen = frozenset(one.plan.sites)
        assert fits(chosen)
        cheapest = min(cost for other, cost in every.items() if fits(other))
        assert one.plan.objective_usd_per_year / 1e6 == pytest.approx(cheapest, rel=1e-5)
        known.append(chosen)
    assert found.complete
    assert not any(fits(chosen) for chosen, cost in every.items() if cost <= most * (1 - 1e-6))


@pytest.mark.parametrize("seed", [1, 2, 4])
def test_without_a_distance_each_is_as_far_from_the_others_as_the_tolerance_allows(seed):
    asked, facts, plan = case(seed)
    every = site_sets(asked, facts)
    most = min(every.values()) * 1.25
    found = alternatives(plan, within=0.25, count=3)
    known = [frozenset(plan.sites)]
    assert found.found
    for one in found.found:
        farthest = max(
            min(len(old - chosen) for old in known) for chosen, cost in every.items() if cost <= most
        )
        assert one.distance == farthest
        assert one.farthest
        assert verify(one.plan, facts) == []
        assert one.plan.bound_usd_per_year <= one.plan.objective_usd_per_year <= most * 1e6 * (1 + 1e-6)
        known.append(frozenset(one.plan.sites))


def test_within_nothing_there_is_no_other_and_that_is_proved():
    _, _, plan = case(1)
    found = alternatives(plan, within=1e-7, count=5)
    assert (found.found, found.complete, found.proven) == ((), True, True)
    assert found.notes == (
        "no further portfolio that drops 1 site or more of each of these costs at most 1e-05 % more: proved",
    )


def test_the_table_says_what_each_gives_up(tmp_path):
    _, _, plan = case(2)
    found = alternatives(plan, within=0.05, count=3, distance=1)
    table = found.table.set_index("plan")
    assert table.loc[0, "more_usd_per_year"] == 0
    for number, one in enumerate(found.found, start=1):
        row = table.loc[number]
        assert row["more_usd_per_year"] == pytest.approx(
            one.plan.objective_usd_per_year - plan.objective_usd_per_year
        )
        assert set(filter(None, row["sites_in"].split(", "))) == set(one.plan.sites) - set(plan.sites)
        assert set(filter(None, row["sites_out"].split(", "))) == set(plan.sites) - set(one.plan.sites)
        assert row["moved_mw"] > 0
    lines = alternatives_sentences(found)
    assert lines[0].startswith("Alternative 1: +")
    (path,) = write_report(found, tmp_path / "others.csv")
    assert len(path.read_text().splitlines()) == 2 + len(found.found)


def test_moved_mw_counts_what_workloads_gain_at_sites():
    names = ["period", "workload", "site_id", "it_mw"]
    before = pd.DataFrame([["", "a", "x", 10.0], ["", "b", "x", 5.0]], columns=names)
    after = pd.DataFrame([["", "a", "x", 4.0], ["", "a", "y", 6.0], ["", "b", "x", 5.0]], columns=names)
    assert moved_mw(before, after) == 6.0
    assert moved_mw(before, before) == 0.0


def test_a_plan_of_another_goal_has_no_cost_tolerance():
    asked = scenario(TRAINING, objective={"kind": "carbon"})
    plan = optimize(asked, world(asked, seed=1))
    for search in (alternatives, ties):
        with pytest.raises(UsageError, match="carbon"):
            search(plan)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"within": 0.0}, "--within 0"),
        ({"within": -1.0}, "--within -1"),
        ({"within": float("nan")}, "--within nan"),
        ({"within": 200.0}, "--within 200"),
        ({"count": 0}, "--count 0"),
        ({"distance": 0}, "--distance 0"),
    ],
)
def test_numbers_out_of_range_are_refused(given, words):
    _, _, plan = case(1)
    with pytest.raises(UsageError, match=words):
        alternatives(plan, **given)


def twins(count):
    """A world whose first sites are copies of one another: a plan on one of them ties with the others."""
    asked = scenario({**TRAINING, "it_mw": 40}, gap=1e-7)
    facts = world(asked, seed=3, sites=5, technologies=1, grid_mw=100.0)
    cheapest = optimize(asked, facts).sites[0]
    others = [name for name in facts.sites.index if name != cheapest][: count - 1]
    table = facts.facts.set_index("site_id", drop=False)
    copies = table.copy()
    for name in others:
        for column in copies.columns:
            if column != "site_id":
                copies.loc[name, column] = table.loc[cheapest, column]
    sites = facts.sites.copy()
    for name in others:
        for column in ("tax_ratio", "grid_mw", "opening_usd"):
            sites.loc[name, column] = sites.loc[cheapest, column]
    return asked, replace(facts, facts=copies.reset_index(drop=True), sites=sites)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_ties_are_counted_exactly(count):
    asked, facts = twins(count)
    plan = optimize(asked, facts)
    found = ties(plan)
    assert found.complete
    assert len(found.sets) == count - 1
    assert len(set(found.sets) | {tuple(plan.sites)}) == count
    assert found.cheaper == 0
    if count == 1:
        assert found.words == "equally good: no other set of sites costs as little (proved)"
    else:
        assert found.words.startswith(f"equally good: exactly {count - 1} other set")


def test_ties_stop_at_the_number_asked_for():
    asked, facts = twins(4)
    found = ties(optimize(asked, facts), most=2)
    assert (len(found.sets), found.complete) == (2, False)
    assert found.words.startswith("equally good: at least 2 other sets of sites cost no more")


def test_a_wide_gap_is_no_tie():
    """A dear plan stands for one that a wide gap left: the sets below it are said to be cheaper."""
    asked, facts = twins(2)
    plan = optimize(asked, facts)
    dear = replace(plan, objective_usd_per_year=plan.objective_usd_per_year * 1.02, gap=0.02)
    found = ties(dear)
    assert found.cheaper >= 1
    assert "wider than a tie" in found.words


def test_a_search_that_a_limit_stopped_says_so(monkeypatch):
    _, _, plan = case(2)
    inner = Reuse.ask

    def stopped(self, *given, **more):
        answer = inner(self, *given, **more)
        return replace(answer, outcome=replace(answer.outcome, status="limit"), x=None, bound=-np.inf)

    monkeypatch.setattr(Reuse, "ask", stopped)
    found = alternatives(plan, within=0.05)
    assert (found.found, found.complete, found.proven) == ((), False, False)
    assert "there may be more" in found.notes[0]
    assert "not known" in ties(plan).words
