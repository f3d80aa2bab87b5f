"""The worked scenarios of ``scenarios/families``: each runs, is checked, shows its limit, and is moved by it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from dcsite.data.scenario_file import parse_scenario
from dcsite.data.tables import load_tables
from dcsite.optimize.verify import verify
from dcsite.report import frames
from dcsite.report.export import html_text, markdown_table
from dcsite.study import portfolio
from dcsite.study.evaluating import evaluate
from dcsite.study.reporting import scenario_report

FOLDER = Path(__file__).parents[1] / "scenarios" / "families"


def without(*path):
    """A change that removes a key; a number in the path is a position in a list."""

    def change(raw):
        for key in path[:-1]:
            raw = raw[key]
        del raw[path[-1]]

    return change


def put(value, *path):
    """A change that sets a key."""

    def change(raw):
        for key in path[:-1]:
            raw = raw[key]
        raw[path[-1]] = value

    return change


OVERRIDE = ("sites", "override")
LOAD = ("workloads", 0)
# File: rows of the model, rows of Plan.limits, a change, and what the change does to the plan: a looser limit makes
# it cheaper, a tighter one dearer; "moves" is for objectives, whose costs cannot be compared.
FAMILIES = {
    "after_tax": ("", "", without(*OVERRIDE), "cheaper"),
    "budget": ("budget", "budget", without("limits"), "cheaper"),
    "budget_by_period": ("budget", "budget", put(False, "limits", "budget_carry"), "dearer"),
    "carbon_cap": ("carbon_cap", "carbon_cap", without("limits"), "cheaper"),
    "carbon_intensity": ("carbon_intensity", "carbon_intensity", without("limits"), "cheaper"),
    "carbon_price": ("", "", without("objective"), "moves"),
    "cleanest": ("", "", without("objective"), "cheaper"),
    "coverage": ("coverage", "coverage max_rtt_ms", put(0.3, *LOAD, "coverage"), "cheaper"),
    "energization": ("grid grow_open grow_built", "grid", without(*OVERRIDE, 0), "cheaper"),
    "existing": ("required hall_min", "required", without("sites", "require"), "cheaper"),
    "few_sites": ("sites_max", "sites_max", put(3, "limits", "max_sites"), "cheaper"),
    "grid_connection": ("grid", "grid", without(*OVERRIDE), "cheaper"),
    "grid_zone": ("grid_zone", "grid_zone", without("limits"), "cheaper"),
    "hard_latency": ("demand_region serve_link", "max_rtt_ms", put(60, *LOAD, "max_rtt_ms"), "cheaper"),
    "interruptible": ("run_block run_min carbon_cap", "carbon_cap run_min", without("limits"), "cheaper"),
    "land": ("land", "land", without(*OVERRIDE), "cheaper"),
    "latency_mean": ("latency_mean", "latency_mean", put(50, *LOAD, "mean_rtt_ms"), "cheaper"),
    "latency_worth": ("", "", without("objective"), "moves"),
    "license": ("accelerators", "accelerators", without("limits"), "cheaper"),
    "many_sites": ("sites_min site_min", "sites_min site_min", without("limits"), "cheaper"),
    "modules": ("modules", "", without("solver"), "cheaper"),
    "one_campus": ("workload_sites", "workload_sites", without(*LOAD, "max_sites"), "cheaper"),
    "one_hall": ("technologies_max", "technologies_max", without("limits"), "cheaper"),
    "optional_load": ("demand_total", "demand_total", put(False, "workloads", 1, "optional"), "dearer"),
    "peak_shedding": ("peak", "peak", without("workloads", 1, "sheds_at_peak"), "dearer"),
    "phases": ("no_migration grow_open", "no_migration", without("no_migration"), "cheaper"),
    "residency": ("demand_region", "", without(*LOAD, "residency"), "cheaper"),
    "score": ("", "", without("objective"), "cheaper"),
    "share": ("share_min share_max", "share_min share_max", without("limits"), "cheaper"),
    "smallest_block": ("block_min", "block_min", without(*LOAD, "min_block_mw"), "cheaper"),
    "survive": ("survive_region survive_place", "survive", without("limits"), "cheaper"),
    "water_basin": ("water_basin", "water_basin", without("limits"), "cheaper"),
    "water_hour": ("water_hour", "water_hour", without(*OVERRIDE), "cheaper"),
    "water_permit": ("water_site", "water_site", without(*OVERRIDE), "cheaper"),
    "zone_share": ("zone_share", "zone_share", without(*LOAD, "max_share_per_zone"), "cheaper"),
}  # fmt: skip


@pytest.fixture(scope="module")
def tables():
    return load_tables()


def read(name):
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def solved(raw, tables):
    scenario = parse_scenario(raw)
    evaluation = evaluate(scenario, tables)
    return portfolio.optimize(scenario, evaluation, gap=1e-6), evaluation


def test_every_file_is_in_the_table_of_the_folder_and_tested():
    names = {path.stem for path in FOLDER.glob("*.toml")}
    assert names == set(FAMILIES)
    readme = (FOLDER.parent / "README.md").read_text(encoding="utf-8")
    assert [name for name in sorted(names) if f"(families/{name}.toml)" not in readme] == []
    for name in names:
        text = (FOLDER / f"{name}.toml").read_text(encoding="utf-8").splitlines()
        assert text[1] == f"#   dcsite optimize scenarios/families/{name}.toml"
        assert text[2].startswith("# Look at: ")


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_a_family_works_from_its_file_and_changes_the_plan(name, tables):
    rows, shown, change, effect = FAMILIES[name]
    plan, evaluation = solved(read(name), tables)
    assert plan.status == "optimal"
    assert plan.verified
    assert verify(plan, evaluation) == []
    made = {block.family for block in plan.solution.problem.blocks}
    assert set(rows.split()) <= made
    assert set(shown.split()) <= set(plan.limits["family"])
    for family in shown.split():  # the report prints every row of every limit
        limits = next(table for table in frames.plan_tables(plan) if table.name == "limits")
        assert family in set(limits.frame["family"])
        assert f"| {family} |" in markdown_table(limits).replace("\\_", "_")
    raw = read(name)
    change(raw)
    other, _ = solved(raw, tables)
    step = 1e-5 * abs(plan.objective_usd_per_year)
    if effect == "moves":
        assert not other.placements[["site_id", "it_mw"]].equals(plan.placements[["site_id", "it_mw"]])
    elif effect == "dearer":
        assert other.objective_usd_per_year > plan.objective_usd_per_year + step
    else:
        assert other.objective_usd_per_year < plan.objective_usd_per_year - step


def test_limits_stand_in_the_page(tables):
    raw = read("share")
    scenario = parse_scenario(raw)
    evaluation = evaluate(scenario, tables)
    plan = portfolio.optimize(scenario, evaluation)
    page = html_text(scenario_report(scenario, tables, evaluation=evaluation, plan=plan))
    assert "Largest share of a group" in page
    assert "country ISL" in page


def test_license_fees_and_lead_time(tables):
    """The first period keeps to the limit without a license, whatever the second does."""
    plan, _ = solved(read("license"), tables)
    first = plan.limits[
        (plan.limits["family"] == "accelerators") & (plan.limits["label"].str.endswith("2026"))
    ]
    assert (first["value"] <= 15_000 * (1 + 1e-6)).all()


def test_a_peak_that_is_shed_is_not_billed(tables):
    plan, _ = solved(read("peak_shedding"), tables)
    shed = plan.limits[(plan.limits["family"] == "peak") & (plan.limits["value"] == 0.0)]
    assert len(shed) == 1
    assert shed["limit"].iloc[0] > 40.0


def test_ties_of_a_score_go_to_the_cheaper_plan(tables):
    """With all sites alike in score, the plan by score is the plan by cost."""
    raw = read("score")
    raw["sites"]["only"] = ["us-quincy-wa"]
    by_score, _ = solved(raw, tables)
    del raw["objective"]
    by_cost, _ = solved(raw, tables)
    assert by_score.objective_usd_per_year == pytest.approx(by_cost.objective_usd_per_year, rel=1e-5)


def test_the_next_goal_breaks_ties_of_the_first(tables):
    """Among the cleanest plans the driest, and no hall is opened for a crumb of the tolerance."""
    plan, _ = solved(read("cleanest"), tables)
    assert (plan.placements["it_mw"] > 0.01).all()
