"""What changed between two runs: parts that sum, causes that are named, and the commands end to end."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from dcsite.cli import app as program
from dcsite.errors import DataError
from dcsite.optimize.explain import with_limit, with_load
from dcsite.optimize.solve import optimize
from dcsite.report.export import json_document
from dcsite.study.differences import diff
from dcsite.study.front import share_of
from dcsite.study.runs import Run, read_run
from milp_world import world
from test_portfolio_model import CLOUD, TRAINING, scenario


def run_of(plan, name, **manifest):
    """A run as a folder would give it back."""
    known = {
        "scenario": plan.scenario.model_dump(mode="json"),
        "data_checksums": {"prices.csv": "0" * 64},
        "versions": {"dcsite": "1"},
        "solver_options": {"solver": plan.solver},
    }
    bare = replace(plan, evaluation=None, solution=None)
    return Run(Path(name), {**known, **manifest}, plan.scenario, bare, {})


def pair(change):
    cloud = {**CLOUD, "it_mw": 40, "coverage": 0.2}
    asked = scenario(cloud, {**TRAINING, "it_mw": 60}, gap=1e-6)
    facts = world(asked, seed=1, sites=5, points=3)
    before = optimize(asked, facts)
    return before, optimize(change(asked, before), facts)


def capped(asked, plan):
    return with_limit(asked, carbon_t_per_year=0.8 * plan.carbon_t_per_year)


def test_parts_sum_to_the_difference_of_the_totals():
    before, after = pair(capped)
    found = diff(run_of(before, "a"), run_of(after, "b"))
    parts = found.parts.set_index("part")
    difference = parts["difference_usd_per_year"]
    assert difference["total"] == math.fsum(difference.drop("total"))
    assert difference["total"] == pytest.approx(
        after.objective_usd_per_year - before.objective_usd_per_year, abs=1e-3
    )
    assert (parts["after_usd_per_year"] - parts["before_usd_per_year"]).to_numpy() == pytest.approx(
        difference.to_numpy(), abs=1e-3
    )
    assert found.low_usd_per_year <= difference["total"] <= found.high_usd_per_year


def test_moves_are_the_difference_of_the_placements():
    before, after = pair(capped)
    found = diff(run_of(before, "a"), run_of(after, "b"))
    assert len(found.moves) >= 2
    for row in found.moves.itertuples():
        for plan, mw in ((before, row.before_mw), (after, row.after_mw)):
            frame = plan.placements
            here = frame[(frame["workload"] == row.workload) & (frame["site_id"] == row.site_id)]
            assert here["it_mw"].sum() == pytest.approx(mw, abs=1e-9)
        assert row.difference_mw == row.after_mw - row.before_mw
    assert found.moves["difference_mw"].sum() == pytest.approx(0.0, abs=1e-6)
    opened = set(found.sites.loc[found.sites["change"] == "opened", "site_id"])
    closed = set(found.sites.loc[found.sites["change"] == "closed", "site_id"])
    assert opened == set(after.sites) - set(before.sites)
    assert closed == set(before.sites) - set(after.sites)
    total = found.sites["difference_mw"].sum()
    assert total == pytest.approx(after.it_mw - before.it_mw, abs=1e-6)


def test_the_one_changed_key_is_named_as_the_cause():
    before, after = pair(capped)
    found = diff(run_of(before, "a"), run_of(after, "b"))
    assert list(found.scenario["key"]) == ["limits.carbon_t_per_year"]
    assert list(found.scenario["before"]) == ["unset"]
    assert "Nothing else changed: the difference is its effect, up to the gaps." in found.sentences
    binds = found.limits[found.limits["family"] == "carbon_cap"].iloc[0]
    assert (binds["binding_before"], binds["binding_after"]) == (False, True)
    assert any(line.startswith("Limit carbon_cap: binds now") for line in found.sentences)


def test_keys_of_a_workload_go_by_its_name():
    before, after = pair(lambda asked, _: with_load(asked, "training", it_mw=70.0))
    found = diff(run_of(before, "a"), run_of(after, "b"))
    assert found.scenario.to_dict("records") == [
        {"key": "workloads[training].it_mw", "before": "60", "after": "70"}
    ]
    assert found.moves.loc[found.moves["workload"] == "training", "difference_mw"].sum() == pytest.approx(
        10.0
    )


def test_an_added_workload_is_named_and_shifts_no_other():
    before, after = pair(lambda asked, _: asked)
    manifest = after.scenario.model_dump(mode="json")
    manifest["workloads"] = [{"name": "extra", "it_mw": 5.0}, *manifest["workloads"]]
    found = diff(run_of(before, "a"), run_of(after, "b", scenario=manifest))
    assert found.scenario.to_dict("records") == [
        {"key": "workloads[extra]", "before": "absent", "after": "present"}
    ]
    assert "Scenario: workload 'extra' added." in found.sentences
    back = diff(run_of(after, "b", scenario=manifest), run_of(before, "a"))
    assert "Scenario: workload 'extra' removed." in back.sentences


def test_the_same_run_twice_differs_in_nothing():
    before, _ = pair(lambda asked, _: asked)
    found = diff(run_of(before, "a"), run_of(before, "b"))
    assert found.moves.empty
    assert found.limits.empty
    assert found.scenario.empty
    assert (found.parts["difference_usd_per_year"] == 0).all()
    assert found.sentences[0] == "Both plans cost the same."
    assert "Both plans use the same sites." in found.sentences
    assert found.sentences[-1].startswith("Neither scenario, data nor program changed")


def test_changed_data_and_versions_are_named():
    before, _ = pair(lambda asked, _: asked)
    other = run_of(
        before,
        "b",
        data_checksums={"prices.csv": "1" * 64, "water.csv": "2" * 64},
        versions={"dcsite": "2"},
        solver_options={"solver": "pulp:CBC"},
    )
    found = diff(run_of(before, "a"), other)
    assert "Data: prices.csv changed." in found.sentences
    assert "Data: water.csv added." in found.sentences
    assert "Program: dcsite 1 -> 2, solver highs -> pulp:CBC." in found.sentences


def test_a_difference_within_the_gaps_is_not_told_apart():
    before, after = pair(lambda asked, _: with_load(asked, "training", it_mw=60.0001))
    loose = replace(before, bound_usd_per_year=before.bound_usd_per_year * 0.9)
    found = diff(run_of(loose, "a"), run_of(replace(after, bound_usd_per_year=loose.bound_usd_per_year), "b"))
    assert any("not told apart at these gaps" in line for line in found.sentences)


def test_a_document_of_the_differences_holds_every_table():
    before, after = pair(capped)
    document = json_document(diff(run_of(before, "a"), run_of(after, "b")).report())
    assert {"moves", "sites", "parts", "totals", "limits", "scenario"} <= set(document["tables"])
    assert document["notes"][0].startswith("The second plan costs +")


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(DataError, match="no run folder"):
        read_run(tmp_path)


# --- the commands -------------------------------------------------------------------------------------------

SMALL = """format = 1
title = "Four places"
[sites]
only = ["us-quincy-wa", "us-plano-tx", "is-keflavik", "ca-montreal"]
[[workloads]]
name = "training"
profile = "ai-training"
it_mw = 150
min_block_mw = 50
[solver]
gap = 0.0001
"""


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run a command in an empty folder; gives exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["dcsite", *arguments])
        code = 0
        try:
            program.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        done = capsys.readouterr()
        return code, done.out, done.err

    return command


@pytest.mark.slow
def test_the_commands_work_on_real_runs_and_files(run, tmp_path):
    (tmp_path / "a.toml").write_text(SMALL)
    (tmp_path / "b.toml").write_text(f"{SMALL}[limits]\ncarbon_kg_per_mwh = 35\n")
    code, out, error = run("optimize", "a.toml", "--out", "a", "--ties", "3")
    assert code == 0, error
    assert "equally good: " in out
    code, _, error = run("optimize", "b.toml", "--out", "b")
    assert code == 0, error
    code, out, error = run("diff", "a", "b")
    assert code == 0, error
    assert "The second plan costs +" in out
    assert "limits.carbon_kg_per_mwh unset -> 35" in out
    code, out, _ = run("diff", "a", "b", "--format", "json")
    assert code == 0
    parts = json.loads(out)["tables"]["parts"]["rows"]
    assert parts[-1]["difference_usd_per_year"] == pytest.approx(
        sum(row["difference_usd_per_year"] for row in parts[:-1]), abs=1e-6
    )
    code, out, _ = run("alternatives", "a", "--within", "5%", "--count", "2", "--format", "csv")
    assert code == 0
    assert out.splitlines()[0].startswith("plan,status,cost_usd_per_year")
    code, out, error = run("pareto", "a.toml", "--points", "3", "--out", "f.html", "--out", "f.json")
    assert code == 0, error
    assert "Annual cost against carbon" in out
    page = (tmp_path / "f.html").read_text(encoding="utf-8")
    assert 'id="slot-pareto"' in page
    assert "The plan shown is point" in page
    document = json.loads((tmp_path / "f.json").read_text(encoding="utf-8"))
    assert document["schema"] == "dcsite.report/1"
    assert 2 <= len(document["tables"]["pareto"]["rows"]) <= 3
    code, _, error = run("pareto", "a.toml", "--out", "f.html")
    assert code == 2
    assert "f.html" in error


@pytest.mark.slow
def test_a_front_without_its_proof_is_shown_and_exit_code_4(run, tmp_path, monkeypatch):
    from dcsite.optimize.reuse import Reuse

    inner = Reuse.ask

    def stopped(self, *given, **more):
        answer = inner(self, *given, **more)
        outcome = replace(answer.outcome, status="limit", limit_hit="nodes")
        return replace(answer, outcome=outcome, bound=answer.bound - 0.1 * abs(answer.bound))

    monkeypatch.setattr(Reuse, "ask", stopped)
    (tmp_path / "a.toml").write_text(SMALL)
    code, out, error = run("pareto", "a.toml", "--points", "2", "--format", "csv")
    assert code == 4
    assert error.startswith("error: a limit stopped the proof of the front: number 1, 2")
    assert out.splitlines()[1].split(",")[1] == "limit"


BAD = (
    (["pareto", "a.toml", "--y", "beauty"], "goals: cost, carbon, water, latency, sites"),
    (["pareto", "a.toml", "--x", "carbon"], "a front needs two goals"),
    (["pareto", "a.toml", "--points", "1"], "--points 1"),
    (["pareto", "a.toml", "--out", "front.doc"], "the suffix names no format"),
    (["pareto", "a.toml", "--out", "postgresql://h/d?table=front"], "not written to a database"),
    (["pareto", "none.toml"], "none.toml"),
    (["alternatives", "a.toml", "--within", "2"], "2% or 0.02"),
    (["alternatives", "a.toml", "--within", "-1"], "must be a share above 0"),
    (["alternatives", "a.toml", "--within", "much"], "--within much"),
    (["alternatives", "a.toml", "--count", "0"], "--count 0"),
    (["alternatives", "a.toml", "--distance", "0"], "--distance 0"),
    (["alternatives", "empty"], "no run folder"),
    (["diff", "empty", "empty"], "no run folder"),
    (["diff", "nowhere", "empty"], "no run folder"),
    (["optimize", "a.toml", "--ties", "0"], "--ties 0"),
)


@pytest.mark.parametrize(
    ("arguments", "words"), BAD, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_bad_input_is_one_clear_message(run, tmp_path, arguments, words):
    (tmp_path / "a.toml").write_text(SMALL)
    (tmp_path / "empty").mkdir()
    code, out, error = run(*arguments)
    assert code == 2, error
    assert out == ""
    assert words in error
    assert error.startswith("error: ")


def test_a_share_is_read_with_and_without_its_percent_sign():
    assert share_of("2%") == share_of("0.02") == share_of(" 2 % ".replace(" %", "%"))
    assert share_of("150%") == 1.5
