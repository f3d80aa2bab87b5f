"""The portfolio model against other solvers, against itself under change, and against plain arithmetic."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from dcsite.errors import InfeasibleError, UsageError
from dcsite.optimize import failures, highs, model, pulp_backend, solve
from dcsite.optimize.inputs import build_inputs
from dcsite.optimize.solve import optimize
from dcsite.optimize.verify import check, verify
from dcsite.spec.scenario import Scenario
from milp_world import world

CLOUD = {
    "name": "cloud",
    "profile": "cloud",
    "it_mw": 60,
    "max_rtt_ms": 70,
    "coverage": 0.8,
    "min_block_mw": 5,
}
TRAINING = {"name": "training", "profile": "ai-training", "it_mw": 90, "min_block_mw": 30}
MINING = {"name": "mining", "profile": "crypto", "it_mw": 40, "optional": True}


def scenario(*loads, gap=1e-7, **keys):
    raw = {"format": 1, "workloads": list(loads or (CLOUD, TRAINING, MINING)), "solver": {"gap": gap}}
    return Scenario.model_validate({**raw, **keys})


def random_scenario(seed: int) -> Scenario:
    """A scenario with a random choice of families switched on."""
    rng = np.random.default_rng(seed)

    def maybe(chance):
        return rng.random() < chance

    cloud = {**CLOUD, "it_mw": float(rng.integers(20, 90))}
    if maybe(0.3):
        cloud["hard_rtt_ms"] = 130.0
    elif maybe(0.2):
        cloud |= {"coverage": 1.0, "max_rtt_ms": 120.0}
    if maybe(0.25):
        cloud["mean_rtt_ms"] = float(rng.integers(45, 70))
    if maybe(0.3):
        cloud["max_sites"] = int(rng.integers(1, 4))
    training = {**TRAINING, "it_mw": float(rng.integers(30, 140))}
    if maybe(0.3):
        training["max_share_per_zone"] = 0.7
    limits = {}
    if maybe(0.5):
        limits["max_sites"] = int(rng.integers(2, 5))
    if maybe(0.3):
        limits |= {"min_sites": 2, "min_site_mw": 10.0}
    if maybe(0.4):
        limits["carbon_kg_per_mwh"] = float(rng.integers(150, 450))
    if maybe(0.2):
        limits["carbon_t_per_year"] = float(rng.integers(100_000, 500_000))
    if maybe(0.3):
        limits["basins"] = {"basin-0": float(rng.integers(0, 900_000))}
    if maybe(0.3):
        limits["budget_usd"] = float(rng.integers(1_400, 3_000)) * 1e6
    if maybe(0.3):
        limits["share"] = [{"where": {"country": "USA"}, "min_share": 0.2}]
    if maybe(0.2):
        limits["share"] = [{"where": {"tag": "hub"}, "workload": "training", "max_share": 0.6}]
    if maybe(0.3):
        limits["accelerator_tiers"] = [
            {"where": {"country": "ISL"}, "without_license": 5_000, "with_license": 40_000}
        ]
    if maybe(0.2):
        limits["max_technologies_per_site"] = 1
    if maybe(0.3):
        limits["n_minus_1"] = "site"
        cloud["survive_fraction"] = 0.6
        if maybe(0.5):
            training["survive_fraction"] = 0.4
    keys = {"limits": limits, "licenses": {"cost_usd": 2_000_000.0}}
    sites = {}
    if maybe(0.3):
        sites["existing"] = [{"id": "isl-001", "it_mw": 25.0, "keep": bool(maybe(0.5)), "technology": "dry"}]
    if maybe(0.2):
        sites["require"] = ["deu-002"]
    if maybe(0.4):
        sites["override"] = [
            {"id": "usa-000", "land_m2": float(rng.integers(60_000, 300_000))},
            {"id": "isl-001", "water_m3_per_year": 200_000.0, "water_m3_per_hour": 90.0},
        ]
    if sites:
        keys["sites"] = sites
    if maybe(0.3):
        keys["periods"] = [{"start": 2026}, {"start": 2031}]
        cloud["it_mw_by_year"] = {2026: cloud["it_mw"] / 2, 2031: cloud["it_mw"]}
        keys["no_migration"] = bool(maybe(0.5))
    objective = {}
    if maybe(0.2):
        objective["latency_worth"] = True
    if maybe(0.2):
        objective["after_tax"] = True
    if maybe(0.2):
        objective["carbon_price_usd_per_t"] = 50.0
    if objective:
        keys["objective"] = objective
    mining = dict(MINING)
    with_mining = maybe(0.6)
    if maybe(0.3):
        limits["grid_zone"] = [{"where": {"zone": "zone-0"}, "grid_mw": float(rng.integers(20, 90))}]
    if maybe(0.3):
        mining["sheds_at_peak"] = True
    if maybe(0.3):
        mining["min_run_fraction"] = 0.9
    if maybe(0.2):
        limits["zone"] = str(rng.choice(["country", "zone_id"]))
    loads = [cloud, training] + ([mining] if with_mining else [])
    return scenario(*loads, **keys)


def oracle(scenario_, evaluation):
    """Objective by another hand-over of the same rows: no cuts, no pricing out, every failure written out."""
    inputs = build_inputs(scenario_, evaluation, prune=False)
    problem, index = model.build(inputs)
    kind = scenario_.limits.n_minus_1
    if kind is not None:
        for w in np.flatnonzero((inputs.survive > 0) & inputs.has_arcs):
            for z in range(len(inputs.zones(kind)[0])):
                for p in range(len(inputs.period_start)):
                    problem = failures.add_failure(inputs, index, evaluation, problem, z, int(w), p)
    arrays = problem.arrays()
    found = milp(
        arrays.cost,
        constraints=LinearConstraint(arrays.matrix, arrays.row_lower, arrays.row_upper),
        bounds=Bounds(arrays.lower, arrays.upper),
        integrality=arrays.integer.astype(int),
        options={"mip_rel_gap": 1e-9},
    )
    return None if found.x is None else float(found.fun) + arrays.offset


SEEDS = [*range(60), *(pytest.param(seed, marks=pytest.mark.thorough) for seed in range(60, 400))]


@pytest.mark.parametrize("seed", SEEDS)
def test_every_family_agrees_with_another_solver(seed):
    asked = random_scenario(seed)
    facts = world(asked, seed=seed, sites=5, points=5)
    wanted = oracle(asked, facts)
    try:
        plan = optimize(asked, facts)
    except InfeasibleError:
        assert wanted is None
        return
    assert wanted is not None
    assert plan.status == "optimal"
    assert plan.verified
    assert plan.objective_usd_per_year / 1e6 == pytest.approx(wanted, rel=2e-6)
    assert verify(plan, facts) == []


def test_random_scenarios_are_mostly_feasible_and_use_every_family():
    """Guards the test above: a generator that only makes impossible cases would prove nothing."""
    families, feasible = set(), 0
    for seed in range(40):
        asked = random_scenario(seed)
        facts = world(asked, seed=seed, sites=5, points=5)
        inputs = build_inputs(asked, facts)
        families |= {block.family for block in model.build(inputs)[0].blocks}
        feasible += seed < 12 and oracle(asked, facts) is not None
    assert feasible >= 6
    assert families >= {
        "demand_region", "demand_total", "serve_link", "pool_balance", "hall", "hall_max", "hall_min",
        "site_min", "strong_place", "block_min", "block_max", "workload_sites", "grid", "land", "water_site",
        "water_basin", "water_hour", "sites_max", "sites_min", "technologies_max", "required", "budget",
        "zone_share", "share_max", "share_min", "accelerators", "carbon_cap", "carbon_intensity", "coverage",
        "latency_mean", "run_block", "run_min", "grid_zone", "peak",
        "peak_min", "grow_open", "grow_built", "retire", "no_migration", "survive_sum",
        "survive_total",
    }  # fmt: skip


def test_trying_every_choice_finds_the_same_cost():
    """Enumerate all binaries of a tiny case, with a linear program for the rest."""
    cloud = {**CLOUD, "it_mw": 30, "max_rtt_ms": 100, "coverage": 0.6}
    asked = scenario(cloud, {**TRAINING, "it_mw": 40}, limits={"max_sites": 2})
    for seed in range(3):
        facts = world(asked, seed=seed, sites=3, points=3, technologies=1)
        problem, _ = model.build(build_inputs(asked, facts))
        arrays = problem.arrays()
        whole = np.flatnonzero(arrays.integer & (arrays.lower < arrays.upper))
        assert len(whole) <= 10
        equal = arrays.row_lower == arrays.row_upper
        above, below = np.isfinite(arrays.row_upper) & ~equal, np.isfinite(arrays.row_lower) & ~equal
        rows = arrays.matrix.toarray()
        best = np.inf
        for values in itertools.product((0.0, 1.0), repeat=len(whole)):
            low, high = arrays.lower.copy(), arrays.upper.copy()
            low[whole] = high[whole] = values
            found = linprog(
                arrays.cost,
                A_ub=np.vstack([rows[above], -rows[below]]),
                b_ub=np.concatenate([arrays.row_upper[above], -arrays.row_lower[below]]),
                A_eq=rows[equal],
                b_eq=arrays.row_upper[equal],
                bounds=np.column_stack([low, high]),
            )
            best = min(best, found.fun if found.status == 0 else np.inf)
        assert optimize(asked, facts).objective_usd_per_year / 1e6 == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize("solver", ["pulp:HiGHS", "pulp:CBC"])
def test_both_back_ends_agree(solver):
    asked = scenario(gap=1e-6, limits={"max_sites": 3, "carbon_kg_per_mwh": 250})
    facts = world(asked, seed=4, sites=7, points=8)
    reachable = [name.lower() for name in pulp_backend.available()]
    if solver == "pulp:CBC" and "pulp_cbc_cmd" not in reachable:
        pytest.skip("this PuLP brings no CBC")
    first, second = optimize(asked, facts), optimize(asked, facts, backend=solver)
    assert second.objective_usd_per_year == pytest.approx(first.objective_usd_per_year, rel=2e-6)
    assert second.verified
    assert second.bound_usd_per_year <= second.objective_usd_per_year


def test_an_unknown_pulp_solver_is_refused_with_the_reachable_ones():
    asked = scenario({**TRAINING})
    with pytest.raises(UsageError, match="no solver named 'nonsense'") as caught:
        optimize(asked, world(asked), backend="pulp:nonsense")
    assert "reachable here" in caught.value.hint


def test_shuffled_rows_give_the_same_plan():
    asked = scenario(limits={"max_sites": 3, "carbon_kg_per_mwh": 250})
    plain = optimize(asked, world(asked, seed=3, sites=8, points=6))
    mixed = optimize(asked, world(asked, seed=3, sites=8, points=6, shuffle=True))
    assert plain.problem_digest == mixed.problem_digest
    assert plain.placements.equals(mixed.placements)
    assert plain.served.equals(mixed.served)


@settings(max_examples=4)
@given(seed=st.integers(0, 400))
def test_relaxing_a_limit_or_adding_a_site_never_costs_more(seed):
    base = {"max_sites": 2, "carbon_kg_per_mwh": 400.0}
    asked = scenario(limits=base)
    loose = scenario(limits={**base, "max_sites": 3})
    clean = scenario(limits={**base, "carbon_kg_per_mwh": 300.0})
    facts = world(asked, seed=seed, sites=6, points=5)
    more = world(asked, seed=seed, sites=6, points=5)
    gone = facts.sites.index[0]
    fewer = replace(
        more,
        sites=more.sites.drop(gone),
        facts=more.facts[more.facts["site_id"] != gone],
        markets={
            name: replace(m, rtt_ms=m.rtt_ms[1:], rtt_model_p90_ms=m.rtt_model_p90_ms[1:])
            for name, m in more.markets.items()
        },
    )

    def cost(scenario_, evaluation):
        try:
            return optimize(scenario_, evaluation).objective_usd_per_year
        except InfeasibleError:
            return np.inf

    whole = cost(asked, facts)
    assert cost(loose, facts) <= whole * (1 + 1e-6) or whole == np.inf
    assert cost(clean, facts) >= whole * (1 - 1e-6) or whole == np.inf
    assert cost(asked, fewer) >= whole * (1 - 1e-6)


def test_scaling_all_prices_scales_the_energy_part():
    asked = scenario(TRAINING)
    facts = world(asked, seed=1)
    table = facts.facts.copy()
    step = table["power_usd_per_mw_year"] * 0.01
    for name in ("power_usd_per_mw_year", "power_firm_usd_per_mw_year", "cost_usd_per_mw_year"):
        table[name] = table[name] + step
    plan = optimize(asked, facts)
    dear = check(plan, replace(facts, facts=table))
    assert dear.parts["power"] == pytest.approx(1.01 * plan.cost_parts["power"], rel=1e-9)
    assert dear.parts["capital"] == pytest.approx(plan.cost_parts["capital"])
    again = optimize(asked, replace(facts, facts=table))
    assert (
        plan.objective_usd_per_year
        <= again.objective_usd_per_year
        <= dear.objective_usd_per_year * (1 + 1e-9)
    )


def test_one_period_costs_the_annuity_times_the_annual_cost():
    one = scenario(CLOUD, TRAINING)
    same = scenario(CLOUD, TRAINING, periods=[{"start": 2026}], escalation="none")
    first, second = optimize(one, world(one, seed=2)), optimize(same, world(same, seed=2))
    rate, years = one.discount_rate, one.horizon_years
    annuity = (1 - (1 + rate) ** -years) / rate
    assert second.objective_usd_per_year == pytest.approx(first.objective_usd_per_year, rel=1e-9)
    assert first.cost_npv_usd == pytest.approx(first.objective_usd_per_year * annuity, rel=1e-9)
    assert second.sites == first.sites


def test_npv_of_two_periods_equals_cash_less_remaining_value():
    """Capital as annuities equals paying cash and selling what is left at its annuity-consistent value."""
    load = {**TRAINING, "it_mw_by_year": {2026: 40, 2033: 90}}
    asked = scenario(load, periods=[{"start": 2026}, {"start": 2033}], escalation="none")
    plan = optimize(asked, world(asked, seed=2))
    rate, life, horizon = asked.discount_rate, asked.horizon_years, asked.horizon_years
    crf = rate / (1 - (1 + rate) ** -life)
    cash = 0.0
    for period, begin in (("2026", 0), ("2033", 7)):
        spent = plan.halls.loc[plan.halls["period"] == period, "cash_usd"].sum()
        left = life - (horizon - begin)
        remaining = spent * crf * (1 - (1 + rate) ** -left) / rate
        cash += spent * (1 + rate) ** -begin - remaining * (1 + rate) ** -horizon
    running = sum(
        row.cost_usd_per_year * (1 + rate) ** -i
        for row in plan.placements.itertuples()
        for i in (range(1, 8) if row.period == "2026" else range(8, horizon + 1))
    )
    assert plan.cost_npv_usd == pytest.approx(cash + running, rel=1e-6)


def test_a_slack_cap_changes_nothing_for_interruptible_load():
    """Coupled by blocks under a cap that does not bind, or in closed form without one: the same cost."""
    free = scenario(TRAINING, MINING)
    capped = scenario(TRAINING, MINING, limits={"carbon_kg_per_mwh": 100_000})
    first = optimize(free, world(free, seed=6))
    second = optimize(capped, world(capped, seed=6))
    assert len(second.runs) > 0
    assert second.objective_usd_per_year == pytest.approx(first.objective_usd_per_year, rel=1e-6)


def test_a_binding_cap_stops_the_dirty_hours_first():
    load = {**MINING, "optional": False, "it_mw": 60}
    free = scenario(load, limits={"carbon_t_per_year": 1e9})
    plan = optimize(free, world(free, seed=6))
    tight = scenario(load, limits={"carbon_t_per_year": 0.6 * plan.carbon_t_per_year})
    less = optimize(tight, world(tight, seed=6))
    assert less.carbon_t_per_year <= 0.6 * plan.carbon_t_per_year * (1 + 1e-6)
    assert less.objective_usd_per_year > plan.objective_usd_per_year


def test_any_zone_may_fail():
    """Take each country away and let the rest serve: theta of the demand is still served."""
    asked = scenario(
        {**CLOUD, "survive_fraction": 0.7, "failure_rtt_ms": 110},
        {**TRAINING, "survive_fraction": 0.5},
        limits={"n_minus_1": "country"},
    )
    facts = world(asked, seed=8, sites=7, points=6)
    plan = optimize(asked, facts)
    shown = plan.limits[plan.limits["family"] == "survive"]
    assert len(shown) >= 2
    assert (shown["slack"] > -1e-4).all()
    room = plan.placements.groupby("site_id")[["it_mw", "spare_mw"]].sum().sum(axis=1)
    countries = facts.sites.loc[room.index, "country_iso3"]
    training = plan.placements[plan.placements["workload"] == "training"]
    held = training.groupby("site_id")[["it_mw", "spare_mw"]].sum().sum(axis=1)
    for lost in set(countries):
        assert held[[s for s in held.index if countries[s] != lost]].sum() >= 0.5 * 90 - 1e-4
    plain = optimize(
        scenario({**CLOUD, "survive_fraction": 0.0}, {**TRAINING, "survive_fraction": 0.0}), facts
    )
    assert plan.objective_usd_per_year > plain.objective_usd_per_year


def test_no_fraction_to_survive_changes_nothing():
    base = ({**CLOUD, "survive_fraction": 0.0}, {**TRAINING, "survive_fraction": 0.0})
    plain = optimize(scenario(*base), world(scenario(*base), seed=8))
    asked = scenario(*base, limits={"n_minus_1": "site"})
    assert optimize(asked, world(asked, seed=8)).objective_usd_per_year == pytest.approx(
        plain.objective_usd_per_year
    )


def test_modules_are_whole():
    asked = scenario(TRAINING, solver={"gap": 1e-7, "module_mw": 20})
    plan = optimize(asked, world(asked, seed=5))
    halls = plan.halls["built_mw"] / 20
    assert np.allclose(halls, halls.round(), atol=1e-6)
    assert plan.halls["built_mw"].sum() >= 90


def test_retiring_a_hall_frees_the_count_of_sites():
    """A free standing hall may be given up; a kept one uses one of the two sites."""
    sites = {"existing": [{"id": "sgp-003", "it_mw": 1.0, "keep": True, "technology": "dry"}]}
    loads = ({**TRAINING, "it_mw": 120, "min_block_mw": 40},)
    kept = scenario(*loads, sites=sites, limits={"max_sites": 2})
    sites["existing"][0]["keep"] = False
    free = scenario(*loads, sites=sites, limits={"max_sites": 2})
    first = optimize(kept, world(kept, seed=1, grid_mw=90.0))
    second = optimize(free, world(free, seed=1, grid_mw=90.0))
    assert "sgp-003" in set(first.halls["site_id"])
    assert second.objective_usd_per_year <= first.objective_usd_per_year


def test_a_lead_time_keeps_the_license_of_the_first_period_shut():
    tier = {"where": {"country": "ISL"}, "without_license": 7_000, "with_license": 70_000}
    keys = {
        "limits": {"accelerator_tiers": [tier]},
        "licenses": {"cost_usd": 1e6, "delay_months": 36},
        "periods": [{"start": 2026}, {"start": 2031}],
    }
    asked = scenario({**TRAINING, "min_block_mw": 0}, **keys)
    facts = world(asked, seed=9, sites=4)
    table = facts.facts.copy()
    cheap = table["site_id"] == "isl-001"
    for name in [n for n in table.columns if n.endswith("_usd_per_mw_year")]:
        table.loc[cheap, name] *= 0.2
    facts = replace(facts, facts=table)
    plan = optimize(asked, facts)
    here = plan.placements[plan.placements["site_id"] == "isl-001"].set_index("period")["it_mw"]
    assert here["2026"] <= 7_000 / 700 + 1e-6
    assert here["2031"] > 7_000 / 700
    assert plan.cost_parts["license_fees"] > 0


def test_p_median_is_a_special_case():
    """One technology, no opening cost, cost on arcs: the best p sites by trying all of them."""
    asked = scenario(
        {**CLOUD, "min_block_mw": 0, "max_rtt_ms": 10_000, "coverage": 1.0},
        limits={"max_sites": 2},
        objective={"kind": "latency"},
    )
    facts = world(asked, seed=12, sites=6, points=8, technologies=1, grid_mw=1000.0, opening_usd=0.0)
    market = facts.markets["cloud"]
    weight = market.points["weight_ratio"].to_numpy()
    best = min(
        float(market.rtt_ms[list(pair)].min(axis=0) @ weight) for pair in itertools.combinations(range(6), 2)
    )
    plan = optimize(asked, facts)
    assert plan.goal_value == pytest.approx(best, rel=1e-6)
    assert plan.status == "optimal"


SPOILS = {
    "grid": lambda p: p.assign(it_mw=p["it_mw"] + 200),
    "demand_total": lambda p: p.assign(it_mw=p["it_mw"].where(p["workload"] != "training", p["it_mw"] + 1)),
    "serve_link": lambda p: p.assign(it_mw=p["it_mw"].where(p["workload"] != "cloud", p["it_mw"] + 1)),
    "hall": lambda p: p.assign(spare_mw=p["spare_mw"] + 1),
    "block_min": lambda p: p.assign(it_mw=p["it_mw"] * 0.01),
    "sign": lambda p: p.assign(spare_mw=-1.0),
    "technology": lambda p: p.assign(site_id="sgp-003", technology="wet"),
}


@pytest.mark.parametrize("family", sorted(SPOILS))
def test_the_check_catches_a_spoiled_placement(family):
    asked = scenario(CLOUD, TRAINING, limits={"max_sites": 3})
    facts = world(asked, seed=3)
    plan = optimize(asked, facts)
    spoiled = replace(plan, placements=SPOILS[family](plan.placements))
    assert any(line.startswith(family) for line in verify(spoiled, facts)), verify(spoiled, facts)


LIMITS = {
    "sites_max": {"limits": {"max_sites": 1}},
    "sites_min": {"limits": {"min_sites": 5}},
    "site_min": {"limits": {"min_site_mw": 400}},
    "technologies_max": {"limits": {"max_technologies_per_site": 1}},
    "budget": {"limits": {"budget_usd": 1e8}},
    "carbon_cap": {"limits": {"carbon_t_per_year": 10}},
    "carbon_intensity": {"limits": {"carbon_kg_per_mwh": 1}},
    "zone_share": {"limits": {"max_share_per_zone": 0.1}},
    "share_min": {"limits": {"share": [{"where": {"country": "BRA"}, "min_share": 0.99}]}},
    "share_max": {"limits": {"share": [{"where": {"tag": "hub"}, "max_share": 0.01},
                                       {"where": {"tag": "ai"}, "max_share": 0.01}]}},
    "accelerators": {"limits": {"accelerators": dict.fromkeys(("USA", "ISL", "DEU", "SGP", "JPN", "BRA"), 10)}},
    "required": {"sites": {"require": [f"{c}-00{i}" for i, c in enumerate(("usa", "isl", "deu", "sgp", "jpn"))]}},
    "existing": {"sites": {"existing": [{"id": "usa-000", "it_mw": 33.0}]}},
    "latency_mean": {"mean_rtt_ms": 5},
    "max_rtt_ms": {"hard_rtt_ms": 71},
    "coverage": {"coverage": 0.99999},
    "workload_sites": {"max_sites": 1},
    "grid": {"override": {"grid_mw": 1}},
    "land": {"override": {"land_m2": 10}},
    "water_site": {"override": {"water_m3_per_year": 0}},
    "water_hour": {"override": {"water_m3_per_hour": 0}},
    "water_basin": {"limits": {"basins": {"basin-0": 0, "basin-1": 0}}},
    "survive": {"limits": {"n_minus_1": "site"}},
}  # fmt: skip


@pytest.mark.parametrize("family", sorted(LIMITS))
def test_the_check_catches_every_limit(family):
    """A plan made without a limit fails the check under it, in that family."""
    loads = ({**CLOUD, "it_mw": 70}, {**TRAINING, "it_mw": 140, "survive_fraction": 1.0})
    free = scenario(*loads)
    facts = world(free, seed=3, technologies=2)
    wet = facts.facts.copy()
    wet.loc[wet["technology"] == "dry", "admissible"] = False
    wet.loc[wet["site_id"] == "sgp-003", "admissible"] = True
    plan = optimize(free, replace(facts, facts=wet))
    change = LIMITS[family]
    if set(change) <= {"limits", "sites"}:
        strict = scenario(*loads, **change)
    elif "override" in change:
        strict = scenario(
            *loads,
            sites={"override": [{"id": str(site), **change["override"]} for site in facts.sites.index]},
        )
    else:
        strict = scenario({**loads[0], **change}, loads[1])
    other = world(strict, seed=3, technologies=2)
    found = check(replace(plan, scenario=strict), replace(other, facts=wet)).violations
    assert any(line.startswith(family) for line in found) or family == "technologies_max", found
    assert check(plan, replace(facts, facts=wet)).violations == ()


def test_cost_is_caught_when_the_facts_change():
    asked = scenario(TRAINING)
    facts = world(asked, seed=3)
    plan = optimize(asked, facts)
    dear = facts.facts.assign(capex_usd_per_mw_year=facts.facts["capex_usd_per_mw_year"] + 1.0)
    again = check(plan, replace(facts, facts=dear))
    assert again.objective_usd_per_year == pytest.approx(plan.objective_usd_per_year + 90.0, abs=1e-3)


def test_a_bound_above_the_plan_is_a_fault():
    from dcsite.errors import SolverFaultError

    asked = scenario(TRAINING)
    facts = world(asked, seed=3)
    plan = optimize(asked, facts)
    wrong = replace(plan.solution, bound=plan.objective_usd_per_year / 1e6 * 1.01)
    outcome = highs.Outcome("optimal", plan.solution.x, 0.0, 0.0)
    with pytest.raises(SolverFaultError, match="lies above"):
        solve.plan_of(wrong, asked, facts, outcome, "highs", 0)


def test_a_node_limit_is_never_called_optimal():
    asked = scenario(limits={"max_sites": 4}, solver={"gap": 0.0, "node_limit": 1})
    plan = optimize(asked, world(asked, seed=5, sites=12, points=12))
    assert (plan.status == "optimal") == (plan.gap <= 1e-9 and plan.verified)
    assert plan.bound_usd_per_year <= plan.objective_usd_per_year


IMPOSSIBLE = {
    "asks 9,000 MW": ({"it_mw": 9000}, {}),
    "the connection carries": ({"it_mw": 500, "min_block_mw": 400}, {}),
    "largest 1 sites hold": ({"it_mw": 300}, {"limits": {"max_sites": 1}}),
    "max_sites = 1: the largest": ({"it_mw": 300, "max_sites": 1}, {}),
    "sites are asked": ({}, {"limits": {"min_sites": 9}}),
    "the budget is": ({}, {"limits": {"budget_usd": 1e6}}),
    "the cap is 5 t": ({}, {"limits": {"carbon_t_per_year": 5}}),
    "the limit is 1": ({}, {"limits": {"carbon_kg_per_mwh": 1}}),
    "are required or stand already": (
        {},
        {"sites": {"require": ["usa-000", "isl-001"]}, "limits": {"max_sites": 1}},
    ),
    "but no site of it lies there": (
        {},
        {"limits": {"share": [{"where": {"country": "NOR"}, "workload": "training", "min_share": 0.2}]}},
    ),
    "add up to 1.2": (
        {},
        {
            "limits": {
                "share": [
                    {"where": {"country": "USA"}, "min_share": 0.6},
                    {"where": {"country": "ISL"}, "min_share": 0.6},
                ]
            }
        },
    ),
}


@pytest.mark.parametrize("words", sorted(IMPOSSIBLE))
def test_arithmetic_names_the_contradiction(words):
    change, keys = IMPOSSIBLE[words]
    asked = scenario({**TRAINING, **change}, **keys)
    with pytest.raises(InfeasibleError) as caught:
        optimize(asked, world(asked, seed=3))
    assert words in str(caught.value)
    assert oracle(asked, world(asked, seed=3)) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"max_rtt_ms": 4, "coverage": 1.0}, "no site within 4 ms"),
        ({"max_rtt_ms": 20, "coverage": 0.9}, "all candidate sites together reach"),
        ({"mean_rtt_ms": 5}, "with a site next to everybody"),
    ],
)
def test_arithmetic_names_what_latency_forbids(change, words):
    asked = scenario({**CLOUD, **change})
    with pytest.raises(InfeasibleError) as caught:
        optimize(asked, world(asked, seed=3))
    assert words in str(caught.value)


def test_what_is_dropped_is_kept_with_its_reason():
    asked = scenario(TRAINING, CLOUD)
    inputs = build_inputs(asked, world(asked, seed=3))
    refused = inputs.dropped[inputs.dropped["rule"] == "technology"]
    assert set(refused["site_id"]) == {"sgp-003"}
    assert "freezes" in refused["reason"].iloc[0]


def test_dropping_dominated_technologies_loses_nothing():
    asked = scenario(limits={"max_sites": 3, "carbon_kg_per_mwh": 300})
    for seed in (1, 5):
        facts = world(asked, seed=seed, sites=6)
        table = facts.facts.copy()
        dry, wet = (table["technology"] == name for name in ("dry", "wet"))
        for name in table.columns[table.columns.str.contains("pue|usd_per_mw_year|carbon_kg")]:
            values = table.loc[wet, name].to_numpy()
            table.loc[dry, name] = values - (0 if "margin" in name or "carbon" in name else 1e-3)
        facts = replace(facts, facts=table)
        plan = optimize(asked, facts)
        assert (plan.dropped["rule"] == "dominated").any()
        assert plan.objective_usd_per_year / 1e6 == pytest.approx(oracle(asked, facts), rel=1e-6)
