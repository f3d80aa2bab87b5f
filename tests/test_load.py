"""Many runs at once give the same bytes, and many runs in a row need no more memory than a few."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from dcsite.data.tables import load_tables
from dcsite.study.evaluating import evaluate
from dcsite.study.quick import quick_scenario

COMMAND = [sys.executable, "-m", "dcsite", "rank", "--profile", "hpc-batch", "--top", "5", "--format", "json"]


@pytest.mark.slow
def test_runs_at_once_on_one_empty_cache_folder_give_the_same_bytes(tmp_path):
    """The whole load of 200 runs is in benchmarks/load.py."""
    environ = {**os.environ, "DCSITE_CACHE": str(tmp_path), "COLUMNS": "100"}

    def one(_: int) -> tuple[int, str]:
        done = subprocess.run(COMMAND, check=False, capture_output=True, env=environ, timeout=300)
        return done.returncode, hashlib.sha256(done.stdout).hexdigest()

    with ThreadPoolExecutor(3) as pool:
        outcomes = set(pool.map(one, range(3)))
    assert len(outcomes) == 1
    assert next(iter(outcomes))[0] == 0


def test_what_depends_on_a_scenario_gives_way_and_what_depends_on_tables_stays(monkeypatch):
    monkeypatch.setattr("dcsite.data.tables.MOST_PASSING", 3)
    tables = load_tables()
    tables.memo("kept", lambda: "for good")
    for number in range(5):
        tables.memo(("run", number), lambda number=number: number)
        tables.memo(("run", 0), lambda: "used all the time")
    passing = [key for key in tables._memo if not isinstance(key, str)]
    assert passing == [("run", 3), ("run", 4), ("run", 0)]
    assert tables.memo(("run", 0), lambda: "made again") == 0
    assert tables.memo("kept", lambda: "made again") == "for good"


def test_scenarios_in_a_row_leave_no_trace_of_the_first(monkeypatch):
    monkeypatch.setattr("dcsite.data.tables.MOST_PASSING", 3)
    tables = load_tables()
    counts = []
    for rack_kw in range(6, 12):
        asked = quick_scenario(profiles=["hpc-batch"], only=["quincy"])
        load = asked.workloads[0].model_copy(update={"rack_kw": float(rack_kw)})
        evaluate(asked.model_copy(update={"workloads": (load,)}), tables)
        counts.append(len(tables._memo))
    assert len({key for key in tables._memo if not isinstance(key, str)}) == 3
    assert counts[-1] == counts[-3]
