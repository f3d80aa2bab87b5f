"""The wheel holds the tables, and a copy of it works from any folder."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
        timeout=300,
    )
    return next(folder.glob("*.whl"))


def run(unpacked, *arguments):
    code = "import dcsite, pathlib, sys; sys.stderr.write(str(pathlib.Path(dcsite.__file__).parent)); "
    code += "from dcsite.cli.app import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(unpacked), "COLUMNS": "100"}
    environment.pop("DCSITE_DATA", None)
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd="/",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.slow
def test_every_table_of_the_manifests_is_in_the_wheel_and_small_enough(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for manifest in sorted((ROOT / "data").glob("*/manifest.json")):
        for file in json.loads(manifest.read_text(encoding="utf-8"))["files"]:
            assert f"dcsite/_bundled/{manifest.parent.name}/{file}" in names
    assert "dcsite/_scenarios/portfolio.toml" in names
    assert wheel.stat().st_size < 12e6
    assert not [name for name in names if "tests/" in name or name.endswith(".orig")]


@pytest.mark.slow
def test_the_wheel_alone_answers_from_the_root_folder(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    listed = run(tmp_path, "data", "list")
    assert listed.returncode == 0, listed.stderr
    assert str(tmp_path) in listed.stderr
    assert "installed package" in listed.stdout
    ranked = run(tmp_path, "compare", "quincy", "plano", "keflavik", "--profile", "ai-training")
    assert ranked.returncode == 0, ranked.stderr
    assert "us-quincy-wa" in ranked.stdout
