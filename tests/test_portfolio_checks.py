"""Each limit is caught when a plan breaks it by a little, relaxing it never costs more, and back ends agree."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from dcsite.errors import InfeasibleError
from dcsite.optimize.solve import optimize
from dcsite.optimize.verify import check, verify
from dcsite.spec.scenario import Scenario
from milp_world import world
from test_portfolio_model import CLOUD, MINING, TRAINING, oracle, random_scenario, scenario

PERIODS = [{"start": 2026}, {"start": 2031}]
GROWING = {"name": "training", "profile": "ai-training", "it_mw_by_year": {2026: 40.0, 2031: 90.0}}


def later(frame, column, factor):
    """A frame with a column of the last period multiplied."""
    last = frame["period"] == "2031"
    return frame.assign(**{column: frame[column].where(~last, frame[column] * factor)})


# Family: a scenario and how its plan is spoiled, so that this family (and perhaps others) is broken.
SPOILED = {
    "modules": (
        scenario(TRAINING, solver={"gap": 1e-6, "module_mw": 20.0}),
        lambda p: replace(p, halls=p.halls.assign(built_mw=p.halls["built_mw"] + 1.0)),
    ),
    "grow_built": (
        scenario(GROWING, periods=PERIODS),
        lambda p: replace(p, halls=later(p.halls, "built_mw", 0.3)),
    ),
    "no_migration": (
        scenario(GROWING, periods=PERIODS, no_migration=True),
        lambda p: replace(p, placements=later(p.placements, "it_mw", 0.3)),
    ),
    "run_block": (
        scenario({**MINING, "optional": False}, limits={"carbon_t_per_year": 1e9}),
        lambda p: replace(p, runs=p.runs.assign(run_mwh_per_year=p.runs["run_mwh_per_year"] * 1.01)),
    ),
    "run_min": (
        scenario({**MINING, "optional": False, "min_run_fraction": 1.0}, limits={"carbon_t_per_year": 1e9}),
        lambda p: replace(p, runs=p.runs.assign(run_mwh_per_year=p.runs["run_mwh_per_year"] * 0.99)),
    ),
    "demand_region": (
        scenario(CLOUD),
        lambda p: replace(p, served=p.served.assign(mw=p.served["mw"] * 0.99)),
    ),
    "grid_zone": (
        scenario(TRAINING, limits={"grid_zone": [{"where": {"tag": ("hub", "ai")}, "grid_mw": 130.0}]}),
        lambda p: replace(p, placements=p.placements.assign(it_mw=p.placements["it_mw"] * 1.2)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("family", sorted(SPOILED))
def test_a_spoiled_plan_is_caught_in_its_family(family):
    asked, spoil = SPOILED[family]
    facts = world(asked, seed=3)
    plan = optimize(asked, facts)
    assert verify(plan, facts) == []
    found = check(spoil(plan), facts).violations
    assert any(line.startswith(family) for line in found), found


def test_a_billed_peak_that_is_left_out_is_caught_as_cost():
    """The demand charge is recomputed from the facts: a plan that sheds too little pays more."""
    asked = scenario(TRAINING, {**MINING, "optional": False, "sheds_at_peak": True})
    facts = world(asked, seed=3)
    plan = optimize(asked, facts)
    raw = asked.model_dump(exclude_unset=True)
    raw["workloads"][1]["sheds_at_peak"] = False
    verdict = check(replace(plan, scenario=Scenario.model_validate(raw)), facts)
    assert verdict.parts["demand_charge"] >= plan.cost_parts["demand_charge"]
    by_hand = 0.0
    for site, rows in plan.placements.groupby("site_id"):
        one = facts.facts[facts.facts["site_id"] == site]
        rate = (one["demand_charge_usd_per_mw_year"] / one["pue_peak"]).iloc[0]
        peaks = {}
        for row in rows.itertuples():
            own = one[(one["workload"] == row.workload) & (one["technology"] == row.technology)].iloc[0]
            peaks[row.workload] = peaks.get(row.workload, 0.0) + own["pue_peak"] * row.it_mw
        firm = peaks.get("training", 0.0)
        by_hand += rate * max(firm, 0.5 * sum(peaks.values()))
    assert plan.cost_parts["demand_charge"] == pytest.approx(by_hand, rel=1e-6, abs=1.0)


LOOSER = {
    "grid_zone": lambda limits: limits["grid_zone"][0].update(grid_mw=1e6),
    "carbon_kg_per_mwh": lambda limits: limits.pop("carbon_kg_per_mwh"),
    "share": lambda limits: limits.pop("share"),
    "accelerator_tiers": lambda limits: limits.pop("accelerator_tiers"),
    "basins": lambda limits: limits.pop("basins"),
    "budget_usd": lambda limits: limits.update(budget_usd=1e12),
    "n_minus_1": lambda limits: limits.pop("n_minus_1"),
    "max_technologies_per_site": lambda limits: limits.pop("max_technologies_per_site"),
    "min_sites": lambda limits: (limits.pop("min_sites"), limits.pop("min_site_mw")),
}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40, 52))
def test_relaxing_any_limit_of_a_random_scenario_never_costs_more(seed):
    asked = random_scenario(seed)
    facts = world(asked, seed=seed, sites=5, points=4)
    try:
        plan = optimize(asked, facts)
    except InfeasibleError:
        pytest.skip("no plan to compare with")
    for key, change in LOOSER.items():
        raw = asked.model_dump(exclude_unset=True)
        if key not in raw["limits"]:
            continue
        change(raw["limits"])
        loose = Scenario.model_validate(raw)
        other = optimize(loose, facts)
        assert other.objective_usd_per_year <= plan.objective_usd_per_year + 1e-5 * abs(
            plan.objective_usd_per_year
        ), key


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "backend"), [*itertools.product(range(60, 66), ["pulp:HiGHS"])])
def test_random_scenarios_cost_the_same_through_pulp(seed, backend):
    asked = random_scenario(seed)
    facts = world(asked, seed=seed, sites=4, points=4)
    wanted = oracle(asked, facts)
    if wanted is None:
        with pytest.raises(InfeasibleError):
            optimize(asked, facts, backend=backend)
        return
    plan = optimize(asked, facts, backend=backend)
    assert plan.verified
    assert plan.objective_usd_per_year / 1e6 == pytest.approx(wanted, rel=1e-5, abs=1e-4)


def test_a_basin_without_sites_is_refused():
    from dcsite.errors import ScenarioError

    asked = scenario(TRAINING, limits={"basins": {"nowhere": 1.0}})
    with pytest.raises(ScenarioError, match="no candidate site lies in 'nowhere'"):
        optimize(asked, world(asked, seed=3))


def test_share_zones_may_be_a_column_of_the_sites():
    asked = scenario({**TRAINING, "max_share_per_zone": 0.5, "min_block_mw": 0.0}, limits={"zone": "zone_id"})
    facts = world(asked, seed=3)
    plan = optimize(asked, facts)
    zones = facts.sites.loc[plan.placements["site_id"], "zone_id"].to_numpy()
    mw = plan.placements.groupby(zones)["it_mw"].sum()
    assert mw.max() <= 45.0 + 1e-6
    assert np.isclose(mw.sum(), 90.0)


def test_caps_of_export_rules_bind_by_country():
    asked = scenario({**TRAINING, "min_block_mw": 0.0}, limits={"accelerators": {"SGP": 21_000.0}})
    facts = world(asked, seed=3)
    caps = facts.sites["country_iso3"].map({"SGP": 14_000.0, "USA": 28_000.0})
    plan = optimize(asked, replace(facts, sites=facts.sites.assign(export_cap_accelerators=caps)))
    mw = plan.placements.groupby("site_id")["it_mw"].sum()
    assert mw.get("sgp-003", 0.0) <= 14_000 / 700 + 1e-6
    assert mw.get("usa-000", 0.0) <= 28_000 / 700 + 1e-6
    assert plan.verified
