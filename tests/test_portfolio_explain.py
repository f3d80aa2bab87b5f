"""Worths, entry prices and conflicts against solving by hand."""

from __future__ import annotations

from dataclasses import replace

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


# Name: family, label part, loads, keys of the scenario, how the limit is moved by a small step of its unit.
WORTHS = {
    "grid": (
        [TRAINING],
        {"sites": {"override": [{"id": "sgp-003", "grid_mw": 60.0}]}},
        lambda raw, d: raw["sites"]["override"][0].update(grid_mw=60.0 + d),
        0.1,
    ),
    "grid_zone": (
        [TRAINING],
        {"limits": {"grid_zone": [{"where": {"country": "SGP"}, "grid_mw": 50.0}]}},
        lambda raw, d: raw["limits"]["grid_zone"][0].update(grid_mw=50.0 + d),
        0.1,
    ),
    "land": (
        [TRAINING],
        {"sites": {"override": [{"id": "sgp-003", "land_m2": 80_000.0}]}},
        lambda raw, d: raw["sites"]["override"][0].update(land_m2=80_000.0 + d),
        100.0,
    ),
    "zone_share": (
        [{**TRAINING, "max_share_per_zone": 0.6}],
        {"limits": {"zone": "country"}},
        lambda raw, d: raw["workloads"][0].update(max_share_per_zone=0.6 + d),
        0.001,
    ),
    "share_max": (
        [TRAINING],
        {"limits": {"share": [{"where": {"country": "SGP"}, "max_share": 0.4}]}},
        lambda raw, d: raw["limits"]["share"][0].update(max_share=0.4 + d),
        0.001,
    ),
    "share_min": (
        [TRAINING],
        {"limits": {"share": [{"where": {"country": "JPN"}, "min_share": 0.4}]}},
        lambda raw, d: raw["limits"]["share"][0].update(min_share=0.4 + d),
        0.001,
    ),
    "accelerators": (
        [TRAINING],
        {"limits": {"accelerators": {"SGP": 30_000.0}}},
        lambda raw, d: raw["limits"]["accelerators"].update(SGP=30_000.0 + d),
        70.0,
    ),
    "carbon_intensity": (
        [TRAINING],
        {"limits": {"carbon_kg_per_mwh": 200.0}},
        lambda raw, d: raw["limits"].update(carbon_kg_per_mwh=200.0 + d),
        0.1,
    ),
    "budget": (
        [TRAINING],
        {"limits": {"budget_usd": 8.6e8, "carbon_kg_per_mwh": 400.0}},
        lambda raw, d: raw["limits"].update(budget_usd=8.6e8 + d),
        1e5,
    ),
    "latency_mean": (
        [{**CLOUD, "mean_rtt_ms": 45.0, "min_block_mw": 0.0}],
        {},
        lambda raw, d: raw["workloads"][0].update(mean_rtt_ms=45.0 + d),
        0.05,
    ),
    "coverage": (
        [{**CLOUD, "min_block_mw": 0.0}],
        {},
        lambda raw, d: raw["workloads"][0].update(coverage=0.8 + d),
        0.001,
    ),
}  # fmt: skip


@pytest.mark.parametrize("family", sorted(WORTHS))
def test_the_marginal_worth_of_a_limit_is_a_finite_difference(family):
    """Move the limit by a little in the scenario, solve the whole thing again, and compare."""
    loads, keys, move, step = WORTHS[family]
    loads = [{**load, "min_block_mw": 0.0} for load in loads]
    asked = scenario(*loads, gap=1e-9, **keys)
    plan = optimize(asked, world(asked, seed=3))
    row = explain.why(plan, honest=False).table.set_index("family").loc[family]
    slopes = {}
    for side, sign in (("left_usd_per_unit", -1.0), ("right_usd_per_unit", 1.0)):
        raw = asked.model_dump(exclude_unset=True)
        move(raw, sign * step)
        moved = type(asked).model_validate(raw)
        found = optimize(moved, world(moved, seed=3))
        slopes[side] = (found.objective_usd_per_year - plan.objective_usd_per_year) / (sign * step)
    assert row["marginal_usd_per_unit"] != 0.0
    tolerance = 2e-2 * max(abs(slope) for slope in slopes.values())
    near = [abs(row[side] - slope) <= tolerance for side, slope in slopes.items()]
    assert any(near), (dict(row), slopes)
    assert (
        min(slopes.values()) - tolerance <= row["marginal_usd_per_unit"] <= max(slopes.values()) + tolerance
    )


WHOLE_STEPS = {
    "sites_max": ([TRAINING], {"limits": {"max_sites": 2}}, "max_sites", 3),
    "sites_min": (
        [{**TRAINING, "min_block_mw": 0.0}],
        {"limits": {"min_sites": 4, "min_site_mw": 5.0}},
        "min_sites",
        3,
    ),
}


@pytest.mark.parametrize("family", sorted(WHOLE_STEPS))
def test_a_whole_step_is_worth_what_solving_again_says(family):
    loads, keys, key, value = WHOLE_STEPS[family]
    asked = scenario(*loads, gap=1e-7, **keys)
    facts = world(asked, seed=3, grid_mw=70.0)
    plan = optimize(asked, facts)
    row = explain.why(plan, time_limit_s=None).table.set_index("family").loc[family]
    other = scenario(*loads, gap=1e-7, limits={**keys["limits"], key: value})
    gain = optimize(other, facts).objective_usd_per_year - plan.objective_usd_per_year
    assert row["honest_low_usd_per_year"] - 50 <= gain <= row["honest_high_usd_per_year"] + 50


def test_dropping_a_required_site_and_surviving_less_have_a_worth():
    asked = scenario(
        {**TRAINING, "survive_fraction": 0.6, "min_block_mw": 0.0},
        limits={"n_minus_1": "country"},
        sites={"require": ["jpn-004"]},
        gap=1e-7,
    )
    facts = world(asked, seed=3)
    plan = optimize(asked, facts)
    found = explain.why(plan, time_limit_s=None).table.set_index("family")
    assert {"required", "survive"} <= set(found.index)
    free = scenario(
        {**TRAINING, "survive_fraction": 0.6, "min_block_mw": 0.0}, limits={"n_minus_1": "country"}
    )
    gain = optimize(free, world(free, seed=3)).objective_usd_per_year - plan.objective_usd_per_year
    row = found.loc["required"]
    assert row["honest_low_usd_per_year"] - 50 <= gain <= row["honest_high_usd_per_year"] + 50
    assert found.loc["survive", "honest_low_usd_per_year"] < 0


@pytest.mark.parametrize(("seed", "site"), [(4, "isl-001"), (7, "sgp-003")])
def test_a_site_enters_when_its_round_trips_are_short_enough(seed, site):
    """At the value found a plan with the site costs no more; a little above it costs more."""
    load = {**CLOUD, "coverage": 0.95, "max_rtt_ms": 60, "min_block_mw": 0.0}
    asked = scenario(load, gap=1e-7)
    facts = world(asked, seed=seed, sites=5, points=6)
    plan = optimize(asked, facts)
    assert site not in plan.sites
    entry = explain.why_not(plan, site, time_limit_s=None).entry.set_index("lever").loc["max_rtt_ms of cloud"]
    market = facts.markets["cloud"]
    number = list(facts.sites.index).index(site)

    def cost(by):
        rtt = market.rtt_ms.copy()
        rtt[number] -= by
        other = replace(facts, markets={"cloud": replace(market, rtt_ms=rtt)})
        forced = scenario(load, gap=1e-7, sites={"require": [site]})
        return optimize(forced, other).objective_usd_per_year

    shorter = float(entry["enters_at"]) - 60.0
    assert shorter > 0
    assert cost(shorter) <= plan.objective_usd_per_year * (1 + 2e-6)
    assert cost(shorter - 0.2) > plan.objective_usd_per_year * (1 + 1e-6)


def test_a_site_enters_when_its_power_is_clean_enough():
    asked = scenario(TRAINING, limits={"carbon_kg_per_mwh": 150.0}, gap=1e-7)
    facts = world(asked, seed=3)
    plan = optimize(asked, facts)
    found = {}
    for site in facts.sites.index:
        if site not in plan.sites:
            entry = explain.why_not(plan, site, time_limit_s=None).entry.set_index("lever")
            found[site] = entry.loc["carbon intensity"]
    assert found
    for row in found.values():
        assert row["words"].startswith(("enters at", "no intensity"))
        assert not row["enters_at"] >= row["now"]
    assert any(row["enters_at"] > 0 for row in found.values())
