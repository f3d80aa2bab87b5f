"""Impossible scenarios: the known smallest conflict, and repairs that work and are no larger than they must be."""

from __future__ import annotations

from dataclasses import replace

import pytest
from typer.testing import CliRunner

from dcsite.cli.app import app
from dcsite.errors import InfeasibleError
from dcsite.optimize.diagnose import diagnose
from dcsite.optimize.solve import optimize
from milp_world import world
from test_portfolio_model import CLOUD, TRAINING, oracle, scenario

GRID = "grid_mw of the sites"
LOAD = "it_mw of 'training'"
USERS = "it_mw of 'cloud'"
HALF_USA = {"where": {"country": "USA"}, "min_share": 0.6}
HALF_ISL = {"where": {"country": "ISL"}, "min_share": 0.6}
# Name: loads, further keys, the world, the conflict. The first part holds one case for each line of arithmetic
# that can prove a scenario impossible, the second what arithmetic lets pass.
CASES = {
    "a region without an arc": ([{**CLOUD, "max_rtt_ms": 40, "coverage": 1.0}], {}, {}, [USERS, "max_rtt_ms of 'cloud'"]),
    "coverage beyond all sites": ([{**CLOUD, "max_rtt_ms": 40, "coverage": 0.95}], {}, {}, [USERS, "coverage of 'cloud'"]),
    "a mean below the nearest": ([{**CLOUD, "mean_rtt_ms": 20}], {}, {}, [USERS, "mean_rtt_ms of 'cloud'"]),
    "a load above all connections": ([{**TRAINING, "it_mw": 900}], {}, {}, [GRID, LOAD]),
    "two loads above all connections": (
        [{**TRAINING, "it_mw": 200}, {**TRAINING, "name": "batch", "it_mw": 200}],
        {},
        {"sites": 3},
        [GRID, LOAD, "it_mw of 'batch'"],
    ),
    "a period before the connections": (
        [{**TRAINING, "it_mw": 90}],
        {
            "periods": [{"start": 2026}, {"start": 2030}],
            "sites": {
                "override": [
                    {"id": name, "grid_mw_by_year": {2026: 10.0, 2030: 200.0}}
                    for name in ("usa-000", "isl-001", "deu-002")
                ]
            },
        },
        {"sites": 3},
        [GRID, LOAD],
    ),
    "too few sites": ([{**TRAINING, "it_mw": 300}], {"limits": {"max_sites": 1}}, {}, [GRID, LOAD, "max_sites"]),
    "too few sites of a load": (
        [{**TRAINING, "it_mw": 300, "max_sites": 1}], {}, {}, [GRID, LOAD, "max_sites of 'training'"],
    ),
    "more sites than there are": ([TRAINING], {"limits": {"min_sites": 9}}, {}, ["min_sites"]),
    "more required than allowed": (
        [TRAINING],
        {"sites": {"require": ["usa-000", "isl-001"]}, "limits": {"max_sites": 1}},
        {},
        ["max_sites", "require of 'isl-001'", "require of 'usa-000'"],
    ),
    "money": ([TRAINING], {"limits": {"budget_usd": 1e6}}, {}, [LOAD, "budget_usd"]),
    "tons": ([TRAINING], {"limits": {"carbon_t_per_year": 5}}, {}, [LOAD, "carbon_t_per_year"]),
    "kilograms": ([TRAINING], {"limits": {"carbon_kg_per_mwh": 1}}, {}, [LOAD, "carbon_kg_per_mwh"]),
    "water": (
        [TRAINING],
        {"limits": {"basins": {"basin-0": 0.0, "basin-1": 0.0}}},
        {"wet_only": True},
        [LOAD, "basins of 'basin-0'", "basins of 'basin-1'"],
    ),
    "zones too small for the share": (
        [{**TRAINING, "max_share_per_zone": 0.3}],
        {"limits": {"zone": "country"}},
        {"sites": 3},
        [LOAD, "max_share_per_zone of 'training'"],
    ),
    "one zone alone": (
        [{**TRAINING, "survive_fraction": 0.5}],
        {"limits": {"n_minus_1": "country"}, "sites": {"only": ["usa-000"]}},
        {"sites": 1, "grid_mw": 300.0},
        ["survive_fraction of 'training'"],
    ),
    "minima above one": (
        [TRAINING],
        {"limits": {"share": [HALF_USA, HALF_ISL]}},
        {},
        [LOAD, "min_share of 'country ISL'", "min_share of 'country USA'"],
    ),
    "a minimum where nothing is": (
        [TRAINING],
        {"limits": {"share": [{"where": {"country": "NOR"}, "workload": "training", "min_share": 0.2}]}},
        {},
        [LOAD, "min_share of 'training in country NOR'"],
    ),
    "a hall larger than its plot": (
        [TRAINING],
        {
            "sites": {
                "existing": [{"id": "usa-000", "it_mw": 30.0, "technology": "dry"}],
                "override": [{"id": "usa-000", "land_m2": 20_000.0}],
            }
        },
        {},
        ["land_m2 of 'usa-000'"],
    ),
    # --- what arithmetic lets pass
    "blocks that do not add up": (
        [{**TRAINING, "it_mw": 100, "min_block_mw": 60}],
        {},
        {"sites": 3, "grid_mw": 120.0},
        [GRID, LOAD, "min_block_mw of 'training'"],
    ),
    "coverage under a count of sites": (
        [{**CLOUD, "max_rtt_ms": 46, "coverage": 0.98}],
        {"limits": {"max_sites": 3}},
        {"sites": 12, "points": 12},
        [USERS, "coverage of 'cloud'", "max_sites"],
    ),
    "clean and cheap": (
        [TRAINING],
        {"limits": {"carbon_kg_per_mwh": 180, "budget_usd": 7.2e8}},
        {},
        [LOAD, "budget_usd", "carbon_kg_per_mwh"],
    ),
    "surviving with few sites": (
        [
            {**CLOUD, "survive_fraction": 0.9, "failure_rtt_ms": 60},
            {**TRAINING, "survive_fraction": 0.5},
        ],
        {"limits": {"n_minus_1": "country", "max_sites": 2}},
        {"sites": 6},
        [GRID, "max_sites", "survive_fraction of 'cloud'", "survive_fraction of 'training'"],
    ),
    "accelerators where they must stand": (
        [TRAINING],
        {
            "limits": {
                "accelerators": {"USA": 9_000.0},
                "share": [{"where": {"country": "USA"}, "workload": "training", "min_share": 0.5}],
            }
        },
        {},
        [LOAD, "accelerators of 'country USA'", "min_share of 'training in country USA'"],
    ),
    "a network behind the required sites": (
        [TRAINING],
        {
            "sites": {"require": ["usa-000", "isl-001"]},
            "limits": {"grid_zone": [{"where": {"tag": ["hub", "ai"]}, "grid_mw": 100.0}]},
        },
        {},
        [LOAD, "grid_zone of 'tag hub or ai'"],
    ),
}  # fmt: skip


def case(name):
    loads, keys, size, wanted = CASES[name]
    asked = scenario(*loads, **keys)
    size = dict(size)
    wet_only = size.pop("wet_only", False)
    facts = world(asked, seed=3, **size)
    if wet_only:
        dry = facts.facts["technology"] == "dry"
        facts = replace(facts, facts=facts.facts.assign(admissible=facts.facts["admissible"] & ~dry))
    return asked, facts, wanted


def key_of(words):
    return words.split(" = ")[0]


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_smallest_conflict_is_named_and_its_repairs_work(name):
    asked, facts, wanted = case(name)
    assert oracle(asked, facts) is None
    found = diagnose(asked, facts, time_limit_s=None)
    assert not found.feasible
    assert {key_of(words) for words in found.conflict} == set(wanted)
    assert found.minimal
    assert found.checked
    assert found.repair["checked"].all()
    assert (found.repair["option"] == 1).any()
    assert len(found.notes) == 0


def test_a_count_is_raised_to_the_least_that_works():
    asked, facts, _ = case("too few sites")
    first = diagnose(asked, facts, time_limit_s=None).repair.iloc[0]
    assert first["limit"] == "max_sites"
    needed = int(first["needed"])
    optimize(scenario({**TRAINING, "it_mw": 300}, limits={"max_sites": needed}), facts)
    with pytest.raises(InfeasibleError):
        optimize(scenario({**TRAINING, "it_mw": 300}, limits={"max_sites": needed - 1}), facts)


def test_a_coverage_is_lowered_by_no_more_than_it_must():
    asked, facts, _ = case("coverage under a count of sites")
    repair = diagnose(asked, facts, time_limit_s=None).repair.set_index("limit")
    needed = float(repair.loc["coverage", "needed"])
    load = CASES["coverage under a count of sites"][0][0]
    optimize(scenario({**load, "coverage": needed}, limits={"max_sites": 3}), facts)
    with pytest.raises(InfeasibleError):
        optimize(scenario({**load, "coverage": needed + 0.03}, limits={"max_sites": 3}), facts)


def test_a_scenario_with_a_plan_has_no_conflict():
    asked = scenario(TRAINING)
    found = diagnose(asked, world(asked, seed=3), time_limit_s=None)
    assert found.feasible
    assert found.conflict == ()
    assert found.repair.empty


def test_two_limits_that_each_forbid_a_plan_must_both_move():
    """No single limit is enough where money and carbon are both impossible on their own."""
    asked = scenario(TRAINING, limits={"budget_usd": 1e6, "carbon_kg_per_mwh": 1.0})
    found = diagnose(asked, world(asked, seed=3), time_limit_s=None)
    assert found.checked
    first = found.repair[found.repair["option"] == 1]
    assert {"budget_usd", "carbon_kg_per_mwh"} <= set(first["limit"])
    assert any("several must move" in note for note in found.notes)


def test_facts_are_not_changed_by_a_diagnosis():
    asked, facts, _ = case("too few sites")
    before = facts.sites.copy()
    diagnose(asked, replace(facts), time_limit_s=None)
    assert facts.sites.equals(before)


def test_optimize_ends_with_conflict_and_repair(tmp_path):
    file = tmp_path / "impossible.toml"
    file.write_text(
        'format = 1\n[sites]\nonly = ["is-keflavik", "se-lulea", "us-quincy-wa"]\n[[workloads]]\n'
        'name = "training"\nprofile = "ai-training"\nit_mw = 300\n[limits]\nmax_sites = 1\n',
        encoding="utf-8",
    )
    result = CliRunner().invoke(app, ["optimize", str(file)])
    assert isinstance(result.exception, InfeasibleError)
    text = str(result.exception)
    assert "these limits clash: grid_mw of the sites, it_mw of 'training' = 300, max_sites = 1" in text
    assert "a plan exists with max_sites 1 -> 2" in text
