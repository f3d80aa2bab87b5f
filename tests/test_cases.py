"""The shipped cases run from file to checked plan, and what their pages claim holds as a direction."""

from functools import cache
from pathlib import Path

import pytest

from dcsite import evaluate, load_scenario, load_tables
from dcsite.data.scenario_file import parse_scenario
from dcsite.errors import InfeasibleError
from dcsite.study.portfolio import optimize

CASES = Path(__file__).resolve().parents[1] / "scenarios" / "cases"
NAMES = sorted(path.stem for path in CASES.glob("*.toml"))


@cache
def facts(name):
    scenario = load_scenario(CASES / f"{name}.toml")
    return scenario, evaluate(scenario, load_tables())


def plan_of(name, change=None, *, again=False):
    """Plan of a case at a looser gap, with changes to its raw keys; ``again`` evaluates the changed scenario."""
    scenario, evaluation = facts(name)
    if change is not None:
        raw = scenario.model_dump(exclude_unset=True)
        change(raw)
        scenario = parse_scenario(raw, name=name)
        evaluation = evaluate(scenario, load_tables()) if again else evaluation
    plan = optimize(scenario, evaluation, gap=0.01)
    assert plan.verified
    return plan


def mw(plan, period=""):
    """IT power by site, of one period."""
    rows = plan.placements[plan.placements["period"].astype(str) == period] if period else plan.placements
    return rows.groupby("site_id")["it_mw"].sum()


def test_every_case_has_a_page_and_names_its_command():
    pages = {path.stem for path in (CASES.parents[1] / "docs" / "cases").glob("*.md")}
    for name in NAMES:
        first, second = (CASES / f"{name}.toml").read_text(encoding="utf-8").split("\n")[:2]
        assert first.startswith("# ")
        assert first.endswith("?")
        assert f"scenarios/cases/{name}.toml" in second
        assert name in pages or name.removesuffix("_2025") in pages


def test_a_cloud_that_survives_costs_more_and_loads_no_grid_above_its_idle_hall():
    safe = plan_of("cloud_expansion")
    bold = plan_of("cloud_expansion", lambda raw: raw["limits"].pop("n_minus_1"))
    assert safe.objective_usd_per_year > bold.objective_usd_per_year * 1.05
    assert mw(safe).max() < mw(bold).max()
    assert {"us-ashburn-va", "us-council-bluffs-ia", "us-the-dalles-or"} <= set(safe.sites)


def test_a_campus_stands_where_the_first_power_is():
    plan = plan_of("training_campus")
    assert set(plan.placements["site_id"]) == {"us-abilene-tx"}
    assert [mw(plan, year).sum() for year in ("2027", "2029", "2031")] == pytest.approx([200, 600, 1000])

    def slip(raw):
        for site in raw["sites"]["override"]:
            if site["id"] == "us-abilene-tx":
                site["energized_year"] = 2029

    late = plan_of("training_campus", slip)
    assert "us-abilene-tx" not in set(late.placements["site_id"])
    assert late.objective_usd_per_year > plan.objective_usd_per_year
    spread = plan_of("training_campus", lambda raw: raw["workloads"][0].update(max_sites=2))
    assert spread.objective_usd_per_year < plan.objective_usd_per_year


def test_a_miner_goes_to_the_flat_tariff_and_nowhere_when_hashing_is_worth_little():
    plan = plan_of("miner")
    assert plan.objective_usd_per_year < 0
    assert all(site.startswith("ca-") for site in mw(plan).index)
    poor = plan_of("miner", lambda raw: raw["workloads"][0].update(break_even_usd_per_mwh=45), again=True)
    assert poor.objective_usd_per_year == pytest.approx(0, abs=1)
    assert mw(poor).sum() == pytest.approx(0, abs=1e-6)
    _, evaluation = facts("miner")
    hours = evaluation.facts.set_index("site_id")["hours_run"]
    assert hours["us-odessa-tx"].min() < hours["ca-baie-comeau"].min()


def test_home_stays_at_its_least_share_and_the_rule_of_2025_forbids_it():
    plan = plan_of("sovereign_ai")
    for year, total in (("2026", 60), ("2028", 300)):
        placed = mw(plan, year)
        assert placed.sum() == pytest.approx(total)
        assert placed[placed.index.str.startswith("ae-")].sum() == pytest.approx(total / 2, rel=1e-4)
    assert plan.cost_parts["license_fees"] > 0
    with pytest.raises(InfeasibleError):
        plan_of("sovereign_ai_2025")


def test_a_carbon_cap_moves_the_investor_from_india_to_sweden():
    capped = plan_of("investor")
    free = plan_of("investor", lambda raw: raw["limits"].pop("carbon_kg_per_mwh"))
    tight = plan_of("investor", lambda raw: raw["limits"].update(carbon_kg_per_mwh=100))

    def share(plan, country):
        placed = mw(plan)
        return placed[placed.index.str.startswith(country)].sum() / placed.sum()

    assert share(free, "in-") == pytest.approx(1)
    assert 0 < share(tight, "in-") < share(capped, "in-") < 1
    assert share(tight, "se-") > share(capped, "se-") > 0.5
    assert free.objective_usd_per_year < capped.objective_usd_per_year < tight.objective_usd_per_year
