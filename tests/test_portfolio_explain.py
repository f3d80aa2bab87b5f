"""Worths, entry prices and conflicts against solving by hand."""

from __future__ import annotations

import pytest

from dcsite.errors import InfeasibleError
from dcsite.optimize import explain
from dcsite.optimize.diagnose import diagnose
from dcsite.optimize.solve import optimize
from milp_world import world
from test_portfolio_model import CLOUD, TRAINING, scenario


def test_the_honest_worth_holds_the_difference_of_two_solves():
    asked = scenario(CLOUD, TRAINING, limits={"max_sites": 2, "carbon_kg_per_mwh": 300})
    facts = world(asked, seed=1, sites=6)
    plan = optimize(asked, facts)
    found = explain.why(plan, time_limit_s=None).table
    row = found[(found["family"] == "demand_total") & (found["label"] == "training")].iloc[0]
    more = optimize(scenario(CLOUD, {**TRAINING, "it_mw": 91}, limits=asked.limits.model_dump()), facts)
    gain = more.objective_usd_per_year - plan.objective_usd_per_year
    assert row["honest_low_usd_per_year"] - 50 <= gain <= row["honest_high_usd_per_year"] + 50


def test_the_marginal_worth_of_demand_is_a_finite_difference():
    asked = scenario(TRAINING)
    facts = world(asked, seed=1)
    plan = optimize(asked, facts)
    found = explain.why(plan, honest=False).table.set_index("family")
    more = optimize(scenario({**TRAINING, "it_mw": 90.01}), facts)
    slope = (more.objective_usd_per_year - plan.objective_usd_per_year) / 0.01
    assert found.loc["demand_total", "right_usd_per_unit"] == pytest.approx(slope, rel=1e-3)


def test_below_its_entry_price_a_site_comes_in_and_above_it_does_not():
    asked = scenario(TRAINING)
    facts = world(asked, seed=1)
    plan = optimize(asked, facts)
    out = next(name for name in facts.sites.index if name not in plan.sites)
    found = explain.why_not(plan, out, time_limit_s=None)
    assert found.regret_high_usd_per_year > 0
    entry = found.entry.set_index("lever").loc["energy price"]
    assert entry["enters_at"] < entry["now"]


def test_a_conflict_is_named_and_its_repair_works():
    asked = scenario(
        {**TRAINING, "it_mw": 120, "min_block_mw": 70},
        limits={"max_sites": 1},
        solver={"gap": 1e-6},
    )
    facts = world(asked, seed=3, sites=4, grid_mw=100.0)
    with pytest.raises(InfeasibleError):
        optimize(asked, facts)
    found = diagnose(asked, facts, time_limit_s=None)
    assert not found.feasible
    assert found.minimal
    assert found.checked
    assert len(found.repair) >= 1
    assert "max_sites = 1" in found.conflict or any("it_mw" in words for words in found.conflict)
