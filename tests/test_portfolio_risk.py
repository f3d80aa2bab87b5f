"""Portfolios for several futures: against trying everything, at the edges of beta, and checked without the model."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from dcsite.data.scenario_file import load_scenario, parse_scenario
from dcsite.data.tables import load_tables
from dcsite.errors import InfeasibleError, ScenarioError
from dcsite.optimize import model, risk, solve
from dcsite.optimize.futures import costs_in_futures, mean_of, tail_mean
from dcsite.optimize.inputs import build_inputs
from dcsite.optimize.verify import verify
from dcsite.report.export import json_document
from dcsite.report.frames import as_report
from dcsite.report.terminal import plan_text
from dcsite.spec.futures import cases_of
from dcsite.spec.scenario import Scenario
from dcsite.study.evaluating import evaluate
from dcsite.study.portfolio import restore
from dcsite.study.runs import read_run, write_run
from milp_world import world

TRAINING = {"name": "training", "profile": "ai-training", "it_mw": 110}
CLOUD = {"name": "cloud", "profile": "cloud", "it_mw": 60, "max_rtt_ms": 90, "coverage": 0.7}
MINING = {
    "name": "mining",
    "profile": "crypto",
    "it_mw": 40,
    "optional": True,
    "break_even_usd_per_mwh": 160.0,
}
SMALL = {**TRAINING, "it_mw": 80}
KINDS = ("expected", "cvar", "regret")


def scenario(kind: str, *loads: dict, count: int = 3, chances=None, gap: float = 1e-6, **keys) -> Scenario:
    objective = keys.pop("objective", {})
    futures = [{"name": f"future {i}"} for i in range(count)]
    for entry, chance in zip(futures, chances or (), strict=False):
        entry["probability"] = chance
    return Scenario.model_validate(
        {
            "format": 1,
            "workloads": list(loads),
            "objective": {"kind": kind, "scenarios": futures, **objective},
            "solver": {"gap": gap},
            **keys,
        }
    )


def with_futures(asked: Scenario, seed: int, *, spread: float = 2.5, factors=None, **shape):
    """A random world, and in each future the same world at other prices of power."""
    sites = shape.get("sites", 5)
    found = {}
    for number, case in enumerate(cases_of(asked)):
        rng = np.random.default_rng([seed, number])
        factor = rng.uniform(1 / spread, spread, sites) if factors is None else factors[number]
        found[case.name] = world(case.scenario, seed=seed, price_factor=factor, **shape)
    here = world(asked, seed=seed, **shape)
    return replace(here, extra={**here.extra, "futures": found})


def solved(asked: Scenario, facts):
    plan = solve.optimize(asked, facts)
    assert plan.verified, plan.notes
    assert plan.status == "optimal", (plan.gap, plan.notes)
    assert verify(plan, facts) == []
    return plan


# --- measures -------------------------------------------------------------------------------------------------

FIGURES = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=8)


@given(FIGURES, st.floats(0, 0.999))
def test_tail_mean_is_the_least_of_the_linear_program(values, beta):
    """Rockafellar and Uryasev: CVaR is the least of eta + E max(0, c - eta) / (1 - beta), reached at a value."""
    chances = np.full(len(values), 1 / len(values))
    figures = np.array(values)
    least = min(eta + chances @ np.maximum(figures - eta, 0) / (1 - beta) for eta in figures)
    assert tail_mean(values, chances, beta) == pytest.approx(least, rel=1e-9, abs=1e-7)


@given(FIGURES, st.floats(0, 0.9), st.floats(0, 0.09))
def test_tail_mean_rises_from_the_mean_to_the_worst(values, beta, more):
    chances = np.full(len(values), 1 / len(values))
    assert tail_mean(values, chances, 0.0) == pytest.approx(mean_of(values, chances), abs=1e-9)
    assert tail_mean(values, chances, 1 - 1e-9) == pytest.approx(max(values), abs=1e-9)
    assert tail_mean(values, chances, beta) <= tail_mean(values, chances, beta + more) + 1e-9


# --- against trying everything --------------------------------------------------------------------------------


def by_trying(asked: Scenario, facts) -> float:
    """Objective by every set of sites, one load without users: a small linear program per set. [M USD/year]"""
    objective = asked.objective
    cases = cases_of(asked)
    chance = np.array([case.chance_ratio for case in cases])
    tables = [facts.extra["futures"][case.name].facts.set_index("site_id") for case in cases]
    running = [
        "power_usd_per_mw_year",
        "demand_charge_usd_per_mw_year",
        "water_usd_per_mw_year",
        "carbon_usd_per_mw_year",
        "fixed_om_usd_per_mw_year",
    ]
    sites = list(facts.sites.index)
    per_mw = np.array(
        [[t.loc[s, running].sum() + t.loc[s, "capex_usd_per_mw_year"] for s in sites] for t in tables]
    )
    per_mw = per_mw / 1e6
    room = np.array([facts.sites.loc[s, "grid_mw"] / tables[0].loc[s, "pue_peak"] for s in sites])
    rate, life = asked.discount_rate, asked.horizon_years
    opening = facts.sites["opening_usd"].iloc[0] / 1e6 * rate / (1 - (1 + rate) ** -life)
    demand = float(asked.workloads[0].it_mw)
    sets = [
        members
        for size in range(1, len(sites) + 1)
        for members in itertools.combinations(range(len(sites)), size)
        if room[list(members)].sum() >= demand
    ]

    def least(cost, rows, limits, extra, members):
        """min cost over x of the members and extra columns, with the load placed."""
        own = list(members)
        total = np.concatenate([np.ones(len(own)), np.zeros(extra)])
        found = linprog(
            np.concatenate([cost[0][own], cost[1]]),
            A_ub=rows,
            b_ub=limits,
            A_eq=total[None],
            b_eq=[demand],
            bounds=[(0, room[i]) for i in own] + [(None, None)] + [(0, None)] * max(extra - 1, 0)
            if extra
            else [(0, room[i]) for i in own],
        )
        return found.fun + opening * len(own)

    best = [min(least((c, []), None, None, 0, members) for members in sets) for c in per_mw]
    answers = []
    for members in sets:
        own = list(members)
        fixed = opening * len(own)
        if objective.kind == "expected":
            answers.append(least((chance @ per_mw, []), None, None, 0, members))
        elif objective.kind == "regret":
            rows = np.concatenate([per_mw[:, own], -np.ones((len(cases), 1))], axis=1)
            limits = np.array(best) - fixed
            answers.append(least((np.zeros(len(sites)), [1.0]), rows, limits, 1, members) - fixed)
        else:
            weight, n = objective.risk_weight, len(cases)
            rows = np.concatenate([per_mw[:, own], -np.ones((n, 1)), -np.eye(n)], axis=1)
            tail = np.concatenate([[weight], weight * chance / (1 - objective.beta)])
            mean = (1 - weight) * (chance @ per_mw)
            # fixed cost stands outside of tail and mean alike
            answers.append(least((mean, tail), rows, np.zeros(n), n + 1, members))
    return min(answers)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", KINDS)
def test_the_model_agrees_with_trying_every_set_of_sites(kind, seed):
    asked = scenario(
        kind,
        TRAINING,
        chances=(0.5, 0.3, 0.2),
        objective={"beta": 0.6, "lambda": 0.7} if kind == "cvar" else {},
    )
    facts = with_futures(asked, seed, technologies=1)
    plan = solved(asked, facts)
    assert plan.goal_value / 1e6 == pytest.approx(by_trying(asked, facts), rel=3e-6, abs=3e-6)


def test_a_pulp_solver_finds_the_same():
    asked = scenario("cvar", TRAINING, CLOUD)
    facts = with_futures(asked, 3)
    own = solved(asked, facts)
    other = solve.optimize(asked, facts, backend="pulp:HiGHS")
    assert other.goal_value == pytest.approx(own.goal_value, rel=3e-6)


# --- edges ----------------------------------------------------------------------------------------------------


def test_without_a_tail_cvar_is_the_expected_cost():
    expected = scenario("expected", TRAINING, CLOUD)
    facts = with_futures(expected, 3)
    mean = solved(expected, facts).goal_value
    for objective in ({"beta": 0.0}, {"lambda": 0.0, "beta": 0.9}):
        asked = scenario("cvar", TRAINING, CLOUD, objective=objective)
        assert solved(asked, facts).goal_value == pytest.approx(mean, rel=3e-6)


def test_the_whole_tail_is_the_worst_future():
    asked = scenario("cvar", TRAINING, CLOUD, objective={"beta": 0.99})
    facts = with_futures(asked, 3)
    plan = solved(asked, facts)
    assert plan.goal_value == pytest.approx(plan.futures["cost_usd_per_year"].max(), rel=1e-9)
    mild = solved(scenario("cvar", TRAINING, CLOUD, objective={"beta": 0.3}), facts)
    assert mild.futures["cost_usd_per_year"].max() >= plan.goal_value * (1 - 3e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_one_future_like_the_listed_facts_is_the_nominal_plan(kind):
    asked = scenario(kind, TRAINING, CLOUD, count=1)
    facts = with_futures(asked, 2, factors=[1.0])
    plan = solved(asked, facts)
    nominal = solve.optimize(cases_of(asked)[0].scenario, facts)
    assert plan.objective_usd_per_year == pytest.approx(nominal.objective_usd_per_year, rel=3e-6)
    wanted = 0.0 if kind == "regret" else nominal.objective_usd_per_year
    assert plan.goal_value == pytest.approx(wanted, abs=3e-6 * nominal.objective_usd_per_year)


@pytest.mark.parametrize("seed", [0, 2])
def test_each_plan_is_best_by_its_own_measure(seed):
    facts, plans = None, {}
    for kind in KINDS:
        asked = scenario(kind, TRAINING, CLOUD, MINING)
        facts = facts or with_futures(asked, seed)
        plans[kind] = solved(asked, facts)
    table = {kind: plan.futures for kind, plan in plans.items()}
    best = table["regret"]["best_usd_per_year"]
    chances = table["expected"]["chance_ratio"]

    def figures(costs):
        return {
            "expected": mean_of(costs, chances),
            "cvar": tail_mean(costs, chances, 0.8),
            "regret": float((costs - best).max()),
        }

    nominal = figures(table["regret"]["nominal_cost_usd_per_year"])
    for kind in KINDS:
        own = figures(table[kind]["cost_usd_per_year"])[kind]
        assert own == pytest.approx(plans[kind].goal_value, abs=2.0)
        for other in KINDS:
            assert own <= figures(table[other]["cost_usd_per_year"])[kind] + 1500.0
        assert own <= nominal[kind] + 1500.0
    assert (table["regret"]["regret_usd_per_year"] >= -2.0).all()


def test_order_and_a_doubled_future_change_nothing():
    asked = scenario("cvar", TRAINING, CLOUD, count=2, objective={"beta": 0.4})
    facts = with_futures(asked, 5)
    value = solved(asked, facts).goal_value
    one, two = (facts.extra["futures"][case.name] for case in cases_of(asked))
    again = scenario("cvar", TRAINING, CLOUD, count=4, objective={"beta": 0.4})
    doubled = dict(zip([case.name for case in cases_of(again)], (two, one, one, two), strict=True))
    known = replace(facts, extra={**facts.extra, "futures": doubled})
    assert solved(again, known).goal_value == pytest.approx(value, rel=3e-6)


# --- with every kind of limit ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "keys",
    [
        {"limits": {"carbon_kg_per_mwh": 450}},
        {"limits": {"n_minus_1": "site", "max_sites": 4}},
        {"periods": [{"start": 2026}, {"start": 2030}]},
        {"solver": {"gap": 1e-3, "module_mw": 20}},
        {"sites": {"existing": [{"id": "usa-000", "it_mw": 30}]}},
    ],
    ids=["carbon", "n_minus_1", "periods", "modules", "existing"],
)
def test_plans_under_other_limits_hold_in_every_future(keys):
    asked = scenario("regret" if "limits" in keys else "cvar", TRAINING, CLOUD, MINING, count=2, **keys)
    plan = solved(asked, with_futures(asked, 4, sites=4))
    costs, bad = costs_in_futures(plan, plan.evaluation)
    assert bad == []
    assert plan.futures["cost_usd_per_year"].to_numpy() == pytest.approx(costs)


def test_interruptible_load_runs_other_hours_in_each_future():
    asked = scenario("cvar", SMALL, MINING, limits={"carbon_kg_per_mwh": 600})
    plan = solved(asked, with_futures(asked, 4, spread=1.6))
    energy = plan.future_runs.groupby("future")["run_mwh_per_year"].sum()
    assert len(energy) == 3
    assert energy.max() > energy.min()


def test_a_slack_cap_on_carbon_changes_no_objective():
    free = scenario("cvar", SMALL, MINING)
    capped = scenario("cvar", SMALL, MINING, limits={"carbon_kg_per_mwh": 5000})
    facts = with_futures(free, 4, spread=1.6)
    assert solved(capped, facts).goal_value == pytest.approx(solved(free, facts).goal_value, rel=3e-6)


# --- the check ------------------------------------------------------------------------------------------------


def test_the_check_knows_the_facts_of_each_future():
    asked = scenario("expected", TRAINING, CLOUD)
    facts = with_futures(asked, 3)
    plan = solved(asked, facts)
    name = cases_of(asked)[1].name
    dear = facts.extra["futures"][name]
    worse = dear.facts.assign(power_usd_per_mw_year=dear.facts["power_usd_per_mw_year"] + 1e5)
    worse["power_firm_usd_per_mw_year"] = worse["power_usd_per_mw_year"]
    spoiled = {**facts.extra["futures"], name: replace(dear, facts=worse)}
    costs, _ = costs_in_futures(plan, replace(facts, extra={**facts.extra, "futures": spoiled}))
    known = plan.futures["cost_usd_per_year"].to_numpy()
    assert costs[1] - known[1] == pytest.approx(1e5 * plan.placements["it_mw"].sum())
    assert costs[0] == pytest.approx(known[0])


def test_a_limit_that_a_future_breaks_is_named():
    asked = scenario("cvar", SMALL, MINING, limits={"carbon_kg_per_mwh": 600})
    facts = with_futures(asked, 4, spread=1.6)
    plan = solved(asked, facts)
    runs = plan.future_runs.assign(run_mwh_per_year=plan.future_runs["run_mwh_per_year"] * 50)
    _, bad = costs_in_futures(plan, facts, runs)
    assert any(line.startswith("future ") and "run_block" in line for line in bad)
    assert verify(replace(plan, future_runs=runs), facts)


def test_a_site_without_a_cost_in_one_future_is_left_out_with_the_reason():
    asked = scenario("expected", TRAINING)
    facts = with_futures(asked, 3)
    site = solved(asked, facts).sites[0]
    name = cases_of(asked)[0].name
    lacking = facts.extra["futures"][name]
    cost = lacking.facts["cost_usd_per_mw_year"].where(lacking.facts["site_id"] != site)
    known = {
        **facts.extra["futures"],
        name: replace(lacking, facts=lacking.facts.assign(cost_usd_per_mw_year=cost)),
    }
    holed = replace(facts, extra={**facts.extra, "futures": known})
    plan = solved(asked, holed)
    assert site not in plan.sites
    dropped = plan.dropped[plan.dropped["site_id"] == site]
    assert name in dropped["reason"].iloc[0]


def test_dominated_technologies_are_dropped_only_where_every_future_agrees():
    asked = scenario("cvar", TRAINING, CLOUD)
    facts = with_futures(asked, 1)
    full = solve.optimize(asked, facts)
    inputs = build_inputs(asked, facts, prune=False)
    assert len(inputs.hall_site) >= len(build_inputs(asked, facts).hall_site)
    whole = risk.optimize(asked, facts, inputs)
    assert whole.goal_value == pytest.approx(full.goal_value, rel=3e-6)


def test_facts_without_the_futures_are_refused():
    asked = scenario("cvar", TRAINING)
    with pytest.raises(ScenarioError, match="future 0"):
        solve.optimize(asked, world(asked))


def test_limits_that_clash_are_infeasible_for_futures_too():
    asked = scenario("cvar", {**TRAINING, "it_mw": 5000})
    with pytest.raises(InfeasibleError):
        solve.optimize(asked, with_futures(asked, 1))


# --- files and words ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["cvar", "regret"])
def test_a_run_keeps_its_futures(tmp_path, kind):
    asked = scenario(kind, TRAINING, CLOUD)
    facts = with_futures(asked, 3)
    plan = solved(asked, facts)
    write_run(plan, tmp_path / "run")
    found = read_run(tmp_path / "run")
    for name in ("futures", "robustness"):
        before, after = getattr(plan, name), getattr(found.plan, name)
        assert list(after.columns) == list(before.columns)
        numbers = before.select_dtypes("number").columns
        assert after[numbers].to_numpy() == pytest.approx(before[numbers].to_numpy(), nan_ok=True)
    again = restore(found, facts)
    assert again.goal_value == pytest.approx(plan.goal_value, abs=1.0)


def test_text_and_json_tell_the_price_of_robustness():
    asked = scenario("regret", TRAINING, CLOUD)
    plan = solved(asked, with_futures(asked, 3))
    text = plan_text(plan)
    assert "largest regret" in text
    assert "Price of robustness" in text
    document = json_document(as_report(plan))
    rows = document["tables"]["robustness"]["rows"]
    assert [row["measure"] for row in rows][-1] == "largest regret"
    assert rows[0]["difference_usd_per_year"] >= -1.0
    assert len(document["tables"]["futures"]["rows"]) == 3


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        ({"kind": "cvar"}, "needs futures"),
        ({"kind": "cvar", "years": [2019]}, "2019"),
        ({"kind": "cvar", "years": [2020, 2020]}, "given twice"),
        ({"kind": "regret", "years": [2020], "scenarios": [{"name": "a"}]}, "either scenarios or years"),
        ({"kind": "regret", "scenarios": [{"name": "a"}, {"name": "a"}]}, "used twice"),
        ({"kind": "cvar", "scenarios": [{"name": "a", "probability": 0.4}]}, "sum to 1"),
        (
            {"kind": "cvar", "scenarios": [{"name": "a", "probability": 0.4}, {"name": "b"}]},
            "'b' has no probability",
        ),
        ({"kind": "cvar", "years": [2020], "beta": 1.0}, "beta"),
    ],
)
def test_futures_that_cannot_be_are_refused_by_name(objective, words):
    with pytest.raises(ScenarioError, match=words):
        parse_scenario({"format": 1, "workloads": [TRAINING], "objective": objective})


def test_axes_of_futures_combine():
    asked = parse_scenario(
        {
            "format": 1,
            "workloads": [TRAINING],
            "objective": {
                "kind": "expected",
                "years": [2020, 2022],
                "carbon_prices_usd_per_t": [0, 50],
                "price_cases": ["low", "high"],
            },
        }
    )
    cases = cases_of(asked)
    assert [case.name for case in cases][:3] == [
        "2020, carbon 0, low",
        "2020, carbon 0, high",
        "2020, carbon 50, low",
    ]
    assert sum(case.chance_ratio for case in cases) == pytest.approx(1.0)
    last = cases[-1].scenario
    assert (last.price_year, last.price_case, last.objective.carbon_price_usd_per_t) == (2022, "high", 50)
    assert last.objective.kind == "cost"


# --- on the shipped tables ------------------------------------------------------------------------------------


def test_market_years_move_indexed_sites_and_the_plan_says_what_that_costs():
    raw = load_scenario("scenarios/robust.toml").model_dump(exclude_unset=True)
    raw["sites"] = {
        "only": ["us-quincy-wa", "us-plano-tx", "ca-montreal", "se-lulea", "de-frankfurt", "no-narvik"]
    }
    raw["limits"] = {}
    raw["workloads"] = [raw["workloads"][0]]
    raw["objective"]["years"] = [2020, 2022]
    asked = parse_scenario(raw)
    facts = evaluate(asked, load_tables())
    price = {
        name: entry.facts.groupby("site_id")["price_usd_per_mwh"].first()
        for name, entry in facts.extra["futures"].items()
    }
    assert price["2022"]["de-frankfurt"] > price["2020"]["de-frankfurt"] + 100
    assert price["2022"]["ca-montreal"] == price["2020"]["ca-montreal"]
    plan = solved(asked, facts)
    better = plan.robustness.set_index("measure")["difference_usd_per_year"]
    assert better["cost at the listed facts"] >= -1.0
    assert better["cost in the worst future"] <= 1.0


# --- carbon price paths -----------------------------------------------------------------------------------------

PERIODS = [{"start": 2026}, {"start": 2031}]


def with_path(path: dict[int, float], **keys) -> Scenario:
    return Scenario.model_validate(
        {
            "format": 1,
            "workloads": [TRAINING, CLOUD],
            "periods": PERIODS,
            "objective": {"carbon_price_by_year": path},
            "solver": {"gap": 1e-7},
            **keys,
        }
    )


def test_a_flat_path_is_the_constant_carbon_price():
    flat = with_path({2020: 60.0})
    constant = Scenario.model_validate(
        {
            **flat.model_dump(exclude_unset=True),
            "objective": {"carbon_price_usd_per_t": 60.0},
        }
    )
    one = solve.optimize(flat, world(flat, seed=2))
    other = solve.optimize(constant, world(constant, seed=2))
    assert one.objective_usd_per_year == pytest.approx(other.objective_usd_per_year, rel=1e-7)
    assert one.cost_parts["carbon"] > 0


def test_a_rising_path_charges_each_period_its_own_price():
    asked = with_path({2026: 10.0, 2031: 90.0})
    plan = solve.optimize(asked, world(asked, seed=2))
    assert plan.verified, plan.notes
    assert plan.status == "optimal"
    rate, years = 1 + asked.discount_rate, {"2026": 5, "2031": 10}
    present = {"2026": sum(rate**-k for k in range(1, 6)), "2031": sum(rate**-k for k in range(6, 16))}
    price = {"2026": 10.0, "2031": 90.0}
    total = sum(present.values())
    emitted = plan.placements.groupby("period")["carbon_t_per_year"].sum()
    by_hand = sum(present[name] / total * price[name] * emitted[name] for name in years)
    assert plan.cost_parts["carbon"] == pytest.approx(by_hand, rel=1e-6)


def test_path_and_constant_price_exclude_each_other():
    with pytest.raises(ScenarioError, match="either carbon_price_usd_per_t or carbon_price_by_year"):
        parse_scenario(
            {
                "format": 1,
                "workloads": [TRAINING],
                "objective": {"carbon_price_usd_per_t": 5, "carbon_price_by_year": {2030: 50}},
            }
        )


# --- waiting for power ------------------------------------------------------------------------------------------

WAITING = {
    "format": 1,
    "sites": {"only": ["us-san-antonio-tx", "us-ashburn-va", "se-lulea", "us-quincy-wa"]},
    "workloads": [{"name": "training", "profile": "ai-training", "it_mw": 150, "min_block_mw": 50}],
    "limits": {"max_sites": 1},
    "solver": {"gap": 1e-6},
}


def test_a_price_of_waiting_enters_the_plan_and_is_checked():
    tables = load_tables()
    free = parse_scenario({**WAITING, "sites": {"only": ["us-ashburn-va"]}})
    dear = parse_scenario(
        {**free.model_dump(exclude_unset=True), "objective": {"wait_usd_per_mw_month": 1e5}}
    )
    one, other = (solve.optimize(asked, evaluate(asked, tables)) for asked in (free, dear))
    assert other.verified, other.notes
    waits = other.waits.iloc[0]
    # Dominion says 4 to 7 years, construction takes 2: triangular, so 3.5 years of waiting.
    assert waits["wait_years"] == pytest.approx((4 + 5.5 + 7) / 3 - 2)
    crf = 0.08 / (1 - 1.08**-15)
    by_hand = crf * 1e5 * 12 * waits["wait_years"] * 150
    assert other.cost_parts["wait"] == pytest.approx(by_hand, rel=1e-6)
    assert other.objective_usd_per_year - one.objective_usd_per_year == pytest.approx(by_hand, rel=1e-5)
    assert waits["idle_usd_per_month"] == pytest.approx(other.capex_usd * (1.08 ** (1 / 12) - 1))


def test_a_later_connection_for_all_waits_longer_and_unknown_dates_stay_unknown():
    tables = load_tables()
    asked = parse_scenario(WAITING)
    later = parse_scenario({**WAITING, "connection_delay_years": 2})
    first, second = (evaluate(scenario_, tables).facts for scenario_ in (asked, later))
    moved = second["wait_years"] - first["wait_years"]
    known = first["site_id"].isin(["us-san-antonio-tx", "us-ashburn-va"])
    assert (moved[known] > 0.9).all()
    assert first.loc[first["site_id"] == "se-lulea", "wait_years"].isna().all()
    assert second.loc[second["site_id"] == "se-lulea", "wait_years"].isna().all()


# --- the rows themselves ----------------------------------------------------------------------------------------


def test_the_model_of_two_futures_reads_as_documented(golden):
    texts = []
    for kind in ("cvar", "regret"):
        asked = scenario(kind, SMALL, count=2, chances=(0.75, 0.25), objective={"beta": 0.5, "lambda": 0.5})
        facts = with_futures(asked, 4, sites=2, technologies=1, factors=[1.0, [2.0, 0.5]])
        inputs = build_inputs(asked, facts)
        if kind == "regret":
            known = pd.DataFrame({"best_usd_per_year": [1.5e8, 1.6e8]})
            inputs = risk.with_benchmarks(inputs, known)
        problem, _ = model.build(inputs)
        texts.append(f"{kind}, constant {problem.offset:.6g}\n{problem.lp_text()}")
    golden("risk_model.txt", "\n".join(texts))
