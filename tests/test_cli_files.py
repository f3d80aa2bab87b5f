"""Commands around files: report, init, validate, schema. Run in this process; errors as the user sees them."""

from __future__ import annotations

import json
import tomllib

import pytest

from dcsite.cli import app as program
from dcsite.cli.files import SCENARIO_TEXT, SCHEMA_NAME
from dcsite.data.scenario_file import load_scenario
from dcsite.spec.schemas import profile_schema, scenario_schema

SMALL = """format = 1
title = "Two places </script><b>"
[sites]
only = ["us-quincy-wa", "is-keflavik"]
[[workloads]]
name = "training"
profile = "ai-training"
it_mw = 20
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


def test_init_writes_a_scenario_that_is_valid_and_its_schema(run, tmp_path):
    code, out, _ = run("init", "mine")
    assert (code, out) == (0, "")
    text = (tmp_path / "mine.toml").read_text(encoding="utf-8")
    assert text.startswith(f"#:schema ./{SCHEMA_NAME}\n")
    assert load_scenario(tmp_path / "mine.toml").title == "mine"
    schema = json.loads((tmp_path / SCHEMA_NAME).read_text(encoding="utf-8"))
    assert schema == scenario_schema()
    code, out, _ = run("validate", "mine.toml")
    assert code == 0
    assert out == "mine.toml: ok: 2 workloads, 245 candidate sites\n"


def test_init_keeps_a_file_that_exists_unless_forced(run, tmp_path):
    (tmp_path / "mine.toml").write_text("precious")
    code, _, error = run("init", "mine.toml")
    assert code == 2
    assert error.startswith("error: mine.toml exists\n")
    assert (tmp_path / "mine.toml").read_text() == "precious"
    assert not (tmp_path / SCHEMA_NAME).exists()
    assert run("init", "mine.toml", "--force")[0] == 0


def test_commented_keys_of_the_new_scenario_are_real_keys(tmp_path):
    text = SCENARIO_TEXT.format(schema=SCHEMA_NAME, name="x.toml", stem="x")
    lines = []
    for line in text.splitlines():
        bare = line.removeprefix("# ")
        is_key = line.startswith("# ") and ("=" in bare.split("#")[0] or bare.startswith("[["))
        lines.append(bare if is_key and not bare.startswith("file =") else line)
    path = tmp_path / "all.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    scenario = load_scenario(path)
    assert scenario.limits.n_minus_1 == "site"
    assert [load.name for load in scenario.workloads] == ["cloud", "training", "mining"]
    assert scenario.sites.override[0].grid_mw == 350


def test_validate_lists_every_fault_of_every_file(run, tmp_path):
    (tmp_path / "a.toml").write_text(
        'format = 1\nrules = "us-2026-1"\n[sites]\nonly = ["quinzy", "us-plano-tx"]\n[[workloads]]\nname = "x"\n'
        'profile = "cloud"\nit_mw = 5\nusers = "erope"\ntechnologies = ["air_chillr"]\n'
    )
    (tmp_path / "b.toml").write_text('format = 1\n[[workloads]]\nname = "x"\nprofile = "clod"\nit_mw = 5\n')
    code, out, error = run("validate", "a.toml", "b.toml")
    assert code == 2
    assert out == ""
    for words in (
        "a.toml: 4 problems",
        "quinzy",
        "erope",
        "air_chillr",
        "us-2026-1",
        "b.toml: 1 problem",
        "clod",
    ):
        assert words in error
    assert error.count("hint:") >= 4


def test_validate_in_json_is_json_on_stdout(run, tmp_path):
    (tmp_path / "a.toml").write_text("format = 1\nworkloads = []\nmax_site = 3\n")
    (tmp_path / "b.toml").write_text(SMALL)
    code, out, _ = run("validate", "a.toml", "b.toml", "--format", "json")
    assert code == 2
    document = json.loads(out)
    assert document["schema"] == "dcsite.validate/1"
    assert [entry["ok"] for entry in document["files"]] == [False, True]
    assert document["files"][1]["it_mw"] == 20
    assert any("max_site" in problem for problem in document["files"][0]["problems"])


@pytest.mark.parametrize("which", ["scenario", "profile", "report"])
def test_schemas_are_printed_as_json(which, run):
    code, out, _ = run("schema", which)
    assert code == 0
    document = json.loads(out)
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    if which == "profile":
        assert document == profile_schema()
    assert run("schema", "nothing")[0] == 2


def test_the_schema_knows_every_key_of_the_shipped_scenarios():
    from dcsite.data.catalog import find_scenarios

    schema = scenario_schema()

    def known(value, part):
        if "$ref" in part:
            part = schema["$defs"][part["$ref"].rsplit("/", 1)[1]]
        options = part.get("anyOf", [part])
        for option in options:
            if "$ref" in option:
                option = schema["$defs"][option["$ref"].rsplit("/", 1)[1]]
            if isinstance(value, dict) and "properties" in option:
                for key, entry in value.items():
                    assert key in option["properties"], key
                    known(entry, option["properties"][key])
            if isinstance(value, list) and isinstance(option.get("items"), dict):
                for entry in value:
                    known(entry, option["items"])

    files = sorted(find_scenarios().glob("*.toml"))
    assert files
    for path in files:
        known(tomllib.loads(path.read_text(encoding="utf-8")), schema)


@pytest.mark.slow
def test_report_writes_a_scenario_in_several_formats(run, tmp_path):
    (tmp_path / "two.toml").write_text(SMALL)
    code, out, error = run("report", "two.toml", "--format", "html,csv,md", "--out", "files")
    assert code == 0, error
    assert out == ""
    folder = tmp_path / "files"
    assert sorted(path.name for path in folder.iterdir()) == ["report.csv", "report.html", "report.md"]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Two places &lt;/script&gt;" in page
    assert 'id="slot-acceptability"' in page
    for preset in ("cloud", "ai-inference", "crypto"):
        assert f'"name":"{preset}"' in page
    code, _, error = run("report", "two.toml", "--format", "html,csv", "--out", "files")
    assert code == 2
    assert "exists" in error


def test_report_says_what_it_cannot_read(run, tmp_path):
    code, _, error = run("report", "nowhere.toml")
    assert code == 2
    assert "nowhere.toml: no such file" in error
    code, _, error = run("report", "quincy_plano_iceland", "--format", "docx")
    assert code == 2
    assert "docx" in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_demo_goes_from_question_to_plan_and_report_reads_the_run(run, tmp_path, monkeypatch):
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    (shipped / "portfolio.toml").write_text(SMALL)
    monkeypatch.setattr("dcsite.data.catalog.find_scenarios", lambda: shipped)
    monkeypatch.setattr("dcsite.cli.files.DEMO_SITES", ("us-quincy-wa", "is-keflavik"))
    code, out, error = run("demo", "--out", "runs/small")
    assert code == 0, error
    folder = tmp_path / "runs" / "small"
    assert out.rstrip().endswith("The report: runs/small/report.html")
    assert "optimal" in out
    assert [line[:4] for line in error.splitlines()] == ["1/4 ", "2/4 ", "3/4 ", "4/4 "]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert '<section id="plan"' in page
    assert 'id="slot-acceptability"' in page
    code, _, error = run("demo", "--out", "runs/small")
    assert (code, "exists" in error) == (2, True)

    code, _, error = run("report", "runs/small", "--format", "json", "--out", "again.json")
    assert code == 0, error
    document = json.loads((tmp_path / "again.json").read_text(encoding="utf-8"))
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    assert document["plan"]["objective_usd_per_year"] == plan["objective_usd_per_year"]
    assert {row["site_id"] for row in document["tables"]["plan"]["rows"]} == set(plan["sites"])
    assert document["tables"]["ranking"]["rows"]
    worths = document["tables"]["shadow_prices"]["rows"]
    assert worths
    assert all(row["unit"] and row["marginal_usd_per_unit"] is not None for row in worths)
    assert "Worth of the binding limits" in page


@pytest.mark.slow
def test_report_of_a_run_says_when_its_tables_have_changed(run, tmp_path):
    from dcsite.data.tables import load_tables
    from dcsite.study.evaluating import evaluate
    from dcsite.study.portfolio import optimize
    from dcsite.study.runs import write_run

    (tmp_path / "two.toml").write_text(SMALL)
    scenario = load_scenario(tmp_path / "two.toml")
    evaluation = evaluate(scenario, load_tables())
    write_run(optimize(scenario, evaluation), tmp_path / "run")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text(encoding="utf-8"))
    first = next(iter(manifest["data_checksums"]))
    manifest["data_checksums"][first] = "0" * 64
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(manifest))
    code, _, error = run("report", "run", "--format", "md", "--force")
    assert code == 0, error
    text = (tmp_path / "run" / "report.md").read_text(encoding="utf-8")
    assert "Tables changed since the run was made" in text
