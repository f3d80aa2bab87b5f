"""A bounded run of the coverage-guided fuzzer over every reader of files of others."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "fuzz_readers.py"


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="the extra fuzz is not installed")
@pytest.mark.parametrize("target", ["scenario", "sites", "cells", "geojson", "text"])
def test_no_input_of_a_bounded_fuzzing_run_ends_in_a_traceback(target, tmp_path):
    found, work = tmp_path / "found", tmp_path / "work"
    found.mkdir()
    work.mkdir()
    options = ("-runs=300", "-max_total_time=60", "-max_len=500", "-len_control=0", "-seed=7")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), target, *options, f"-artifact_prefix={found}/"],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "TMPDIR": str(work)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "DONE" in done.stderr
    assert list(found.iterdir()) == []
