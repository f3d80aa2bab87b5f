"""Cost per cell and memory of a screening, from ten thousand to ten million cells.

    python benchmarks/screen.py [--most 1000000] [--profile cloud] [--jobs 1]

Each size runs in a process of its own (peak memory is that of the size). Tables, places and cooling nodes are
loaded first and timed apart; the cells lie 0.05 degrees apart, so a larger size is a larger area. Times are
CPU seconds: they hold on a busy machine, and only ratios within one run count.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

STEP_DEG = 0.05
BOXES = {
    10_000: "40,-105,45,-100",
    100_000: "33,-110,48.75,-94.15",
    1_000_000: "25,-130,75,-80",
    10_000_000: "-60,-180,75,5",
}


def one(cells: int, profile: str, jobs: int) -> dict[str, float]:
    """Screen one size in this process."""
    from dcsite.batch import screen as screening
    from dcsite.batch.cells import box_source
    from dcsite.batch.executor import identity
    from dcsite.batch.store import plain_json
    from dcsite.study.quick import quick_scenario

    asked = quick_scenario(profiles=[profile])
    start = time.process_time()
    shared = {
        "identity": identity(None),
        "data_dir": None,
        "scenario": asked.model_dump(mode="json", exclude_unset=True),
    }
    screening._state(plain_json(shared))
    loaded = time.process_time()
    screening.screen(asked, box_source(BOXES[cells], 0.45), top=1)
    warm = time.process_time()
    source = box_source(BOXES[cells], STEP_DEG)
    began = time.monotonic()
    found = screening.screen(asked, source, top=100, apart_km=50, jobs=jobs)
    done = time.process_time() + sum_of_children()
    peak_kb = max(
        resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return {
        "cells": found.cells,
        "scored": found.scored[profile],
        "load_s": loaded - start,
        "nodes_s": warm - loaded,
        "screen_s": done - warm,
        "wall_s": time.monotonic() - began,
        "peak_mb": peak_kb / 1024.0,
    }


def sum_of_children() -> float:
    """CPU time of ended child processes. [s]"""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Run all sizes up to ``--most``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--most", type=int, default=1_000_000)
    parser.add_argument("--profile", default="cloud")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(one(asked.one, asked.profile, asked.jobs)))
        return
    print(
        f"{'cells':>12} {'scored':>12} {'load s':>8} {'nodes s':>8} {'screen s':>9} {'cells/s':>9} {'us/cell':>8} {'MB':>7}"
    )
    for size in BOXES:
        if size > asked.most:
            continue
        done = subprocess.run(
            [
                sys.executable,
                __file__,
                "--one",
                str(size),
                "--profile",
                asked.profile,
                "--jobs",
                str(asked.jobs),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        row = json.loads(done.stdout.splitlines()[-1])
        rate = row["cells"] / row["screen_s"]
        print(
            f"{row['cells']:>12,} {row['scored']:>12,} {row['load_s']:>8.1f} {row['nodes_s']:>8.1f} "
            f"{row['screen_s']:>9.2f} {rate:>9,.0f} {1e6 / rate:>8.2f} {row['peak_mb']:>7,.0f}"
        )


if __name__ == "__main__":
    main()
