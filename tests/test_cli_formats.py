"""Every command prints JSON with a versioned schema, and tables that fit a terminal of 80 columns."""

import json
import re
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from dcsite.cli import app as program

ROOT = Path(__file__).resolve().parents[1]

SCENARIO = """
format = 1
title = "Two sites"
[sites]
only = ["us-quincy-wa", "us-plano-tx"]
default_grid_mw = 200
[[workloads]]
name = "training"
profile = "ai-training"
it_mw = 40
min_block_mw = 10
[limits]
carbon_kg_per_mwh = 300
[solver]
gap = 0.001
"""

WITHOUT = {
    "init": "writes a scenario",
    "schema": "prints a JSON schema as it is",
    "report": "--format names the files to write",
}
"""Commands that print no result, with the reason."""

EXAMPLES = {
    "rank": ["--profile", "ai-training", "--where", "country=ISL"],
    "compare": ["quincy", "plano", "--profile", "ai-training"],
    "profiles list": [],
    "profiles show": ["cloud"],
    "spectrum": ["quincy", "ashburn", "--users", "USA"],
    "robust": ["--profile", "ai-training", "--where", "country=ISL", "--draws", "200"],
    "optimize": ["two.toml"],
    "why": ["run"],
    "why-not": ["plano", "run"],
    "diagnose": ["two.toml"],
    "pareto": ["two.toml", "--y", "carbon", "--points", "3"],
    "alternatives": ["run", "--count", "1"],
    "diff": ["run", "run"],
    "cooling": ["quincy"],
    "rtt": ["ashburn", "frankfurt"],
    "interruptible": ["quincy", "--break-even", "95"],
    "money": ["quincy", "--profile", "ai-training", "--no-tornado"],
    "assumptions": ["--profile", "ai-training"],
    "eligible": ["--country", "ISL"],
    "sweep": ["two.toml", "--set", "carbon_price=0,50"],
    "screen": ["--box", "46,-120,48,-118", "--step", "1", "--profile", "ai-training"],
    "validate": ["two.toml"],
    "demo": ["--out", "demo"],
    "sites list": ["--where", "country=ISL"],
    "sites show": ["quincy"],
    "data list": [],
    "data show": ["water_prices"],
    "data sources": ["--where", "folder=network"],
    "data check": [],
}
SLOW = ("demo", "data check")
"""Commands whose quickest run takes many seconds: their options are checked, and other tests run them."""


def commands(group=None, prefix=""):
    group = group or get_command(program.app)
    found = {}
    for name, command in group.commands.items():
        full = f"{prefix} {name}".strip()
        if getattr(command, "commands", None):
            found |= commands(command, full)
        else:
            found[full] = command
    return found


ALL = commands()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("formats")
    (path / "two.toml").write_text(SCENARIO, encoding="utf-8")
    return path


@pytest.fixture
def run(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "80")

    def running(*arguments):
        monkeypatch.setattr(sys, "argv", ["dcsite", *arguments])
        with pytest.raises(SystemExit) as left:
            program.main()
        out, error = capsys.readouterr()
        assert left.value.code in (0, 4), error
        return out

    if not (folder / "run").exists():
        running("optimize", "two.toml", "--out", "run")
    return running


def test_every_command_is_looked_at():
    assert set(ALL) == set(EXAMPLES) | set(WITHOUT)


@pytest.mark.parametrize("name", [name for name in ALL if name not in WITHOUT])
def test_every_command_offers_json(name):
    assert any("--format" in option.opts for option in ALL[name].params)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in EXAMPLES if name not in SLOW])
def test_json_has_a_versioned_schema_and_a_table_fits_80_columns(name, run):
    document = json.loads(run(*name.split(), *EXAMPLES[name], "--format", "json"))
    assert re.fullmatch(r"dcsite\.[a-z-]+/\d+", document["schema"])
    text = run(*name.split(), *EXAMPLES[name])
    assert text.strip()
    wide = [line for line in text.splitlines() if len(line) > 80 and " " in line.strip()]
    assert not wide
