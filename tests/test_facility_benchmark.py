"""The loaders of the benchmark read what the files mean: tiny made-up files, one trap each."""

from __future__ import annotations

import csv
import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"
if not FOLDER.is_dir():
    pytest.skip("the benchmarks are not part of this installation", allow_module_level=True)
sys.path.insert(0, str(FOLDER))
load = pytest.importorskip("solver_instances")
sys.path.remove(str(FOLDER))

CAP = "2 3\n100 7\n200 9\n10 20 30\n1 2 3\n4 5 6\n"


def test_orlib_costs_are_for_all_demand():
    case = load.read_orlib_cap(CAP, "x")
    assert case.cost.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert case.capacity.tolist() == [100, 200]
    assert case.fixed_cost.tolist() == [7, 9]
    assert case.demand.tolist() == [10, 20, 30]


def test_an_uncapacitated_reading_ignores_the_capacity_column():
    case = load.read_orlib_cap(CAP, "x", capacitated=False)
    assert case.capacity is None
    assert case.demand is None


def test_a_cut_file_is_refused():
    with pytest.raises(ValueError, match="8 numbers after the sites, expected 9"):
        load.read_orlib_cap(CAP.removesuffix(" 6\n"), "x")


def test_tbed1_starts_with_customers_and_has_unit_costs():
    case = load.read_tbed1("3 2\n10 20 30\n100 200\n7 9\n1 2 3\n4 5 6\n", "x")
    assert case.cost.tolist() == [[10, 40, 90], [40, 100, 180]]
    assert case.fixed_cost.tolist() == [7, 9]


def test_the_last_duplicate_edge_wins_and_paths_are_shortest():
    case = load.read_pmed("3 4 1\n1 2 9\n2 3 1\n1 3 50\n2 1 4\n", "x")
    assert case.p == 1
    assert case.cost.tolist() == [[0, 4, 5], [4, 0, 1], [5, 1, 0]]


def test_tsplib_distances_are_rounded_down():
    text = "NAME : x\nNODE_COORD_SECTION\n1 0 0\n2 1 1\n3 3 4\nEOF\n"
    assert load.read_tsplib(text, "x", 2).cost[0].tolist() == [0, 1, 5]


def test_koerkel_ghosh_has_a_text_line_a_third_number_and_an_index():
    case = load.read_kg("FILE: x\n2 3 0\n1 7 1 2 3\n2 9 4 5 6\n", "x")
    assert case.fixed_cost.tolist() == [7, 9]
    assert case.cost.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_generated_cases_repeat_and_keep_their_ratio():
    one, two = (load.generate_cst(20, 30, 5, 1) for _ in range(2))
    assert one.cost.tobytes() == two.cost.tobytes()
    assert one.capacity.sum() / one.demand.sum() == pytest.approx(5)
    assert (np.diff(one.cost.shape) == 10).all()


@pytest.mark.slow
def test_the_harness_runs_on_a_folder_and_writes_a_table(tmp_path):
    folder = tmp_path / "files" / "orlib-cap"
    folder.mkdir(parents=True)
    (folder / "tiny.txt.gz").write_bytes(gzip.compress(CAP.encode()))
    out = tmp_path / "out.csv"
    command = [sys.executable, str(FOLDER / "solver.py"), "--instances", str(tmp_path / "files")]
    command += ["--families", "cap", "--peers", "highs-weak,highs-strong", "--csv", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert "cap | tiny | dcsite | optimal | 13.000" in done.stdout
    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["solver"] for row in rows] == ["dcsite", "highs-weak", "highs-strong"]
    assert {float(row["objective"]) for row in rows} == {13.0}
    page = tmp_path / "page.md"
    subprocess.run([*command[:2], "--csv", str(out), "--page", str(page)], check=True, timeout=100)
    text = page.read_text(encoding="utf-8")
    assert "| cap | 1 | 1 |" in text
    assert "| tiny | highs-weak | Optimal | 13.000 |" in text
