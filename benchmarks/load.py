"""Many runs at once, and many runs in a row: equal bytes, flat memory.

    python benchmarks/load.py [--runs 200] [--at-once 4] [--soak 600] [--quick]

First ``dcsite rank`` is started ``--runs`` times, ``--at-once`` at a time, all with one cache folder that is
empty at first; every output must be the same bytes. Then one process goes through a sweep of ``--soak``
scenarios and its memory is read after each run: a leak shows as a slope. A working day of a service (8 hours
at one ranking of the catalog in 1.2 s) is 24,000 runs; the soak runs use five sites each, so that they take
minutes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

COMMAND = ("-m", "dcsite", "rank", "--profile", "ai-training", "--top", "20", "--format", "json")
SITES = ("us-quincy-wa", "keflavik", "plano", "lulea", "ashburn")
SOAK_KEYS = (
    "carbon_price=0.0..150.0",
    "workloads.cloud.rack_kw=6.0..40.0",
    "workloads.cloud.it_mw=20.0..300.0",
)


def children_s() -> float:
    """CPU time of ended child processes. [s]"""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def resident_mb() -> float:
    """Memory of this process now. [MB]"""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def at_once(runs: int, width: int) -> dict[str, float]:
    """Run ``dcsite rank`` many times, some at a time; counts of outputs and exit codes.

    Raises
    ------
    SystemExit
        If a run fails or an output differs.
    """
    before, begun = children_s(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="dcsite-load-") as folder:
        environ = {**os.environ, "DCSITE_CACHE": folder, "COLUMNS": "100"}

        def one(_: int) -> tuple[int, str, str]:
            done = subprocess.run(
                [sys.executable, *COMMAND], check=False, capture_output=True, env=environ, timeout=600
            )
            return done.returncode, hashlib.sha256(done.stdout).hexdigest(), done.stderr.decode()[-300:]

        with ThreadPoolExecutor(width) as pool:
            results = list(pool.map(one, range(runs)))
    outputs = Counter((code, digest) for code, digest, _ in results)
    if len(outputs) != 1 or results[0][0] != 0:
        bad = next((text for code, _, text in results if code != 0), "")
        sys.exit(f"{len(outputs)} different outcomes of {runs} runs: {outputs} {bad}")
    return {
        "runs": runs,
        "at_once": width,
        "cpu_s": children_s() - before,
        "wall_s": time.monotonic() - begun,
    }


def soak(runs: int) -> dict[str, float]:
    """Go through a sweep in this process and watch its memory."""
    from dcsite.batch.sweep import sweep
    from dcsite.study.quick import quick_scenario

    scenario = quick_scenario(profiles=["cloud"], only=list(SITES))
    seen: list[float] = []
    start = time.process_time()
    with tempfile.TemporaryDirectory(prefix="dcsite-soak-") as folder:
        sweep(
            scenario,
            list(SOAK_KEYS),
            samples=runs,
            seed=1,
            out=Path(folder) / "run",
            progress=lambda done, planned: seen.append(resident_mb()),
        )
    quarter = max(1, len(seen) // 4)
    early, late = seen[quarter : 2 * quarter], seen[-quarter:]
    early_mb, late_mb = sum(early) / len(early), sum(late) / len(late)
    return {
        "runs": len(seen),
        "cpu_s": time.process_time() - start,
        "second_quarter_mb": early_mb,
        "last_quarter_mb": late_mb,
        "mb_per_1000_runs": 1000.0 * (late_mb - early_mb) / (len(seen) / 2.0),
    }


def main() -> None:
    """Run both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--soak", type=int, default=600)
    parser.add_argument("--quick", action="store_true", help="12 runs and 150 soak runs")
    asked = parser.parse_args()
    runs, steps = (12, 150) if asked.quick else (asked.runs, asked.soak)
    print("| load | runs | at once | CPU s | wall s | outcomes |")
    print("|---|---:|---:|---:|---:|---:|")
    made = at_once(runs, asked.at_once)
    print(
        f"| `dcsite rank`, JSON | {runs} | {asked.at_once} | {made['cpu_s']:.0f} | {made['wall_s']:.0f} | 1 |"
    )
    print()
    print("| soak | runs | CPU s | MB, 2nd quarter | MB, last quarter | MB per 1,000 runs |")
    print("|---|---:|---:|---:|---:|---:|")
    kept = soak(steps)
    print(
        f"| sweep in one process | {kept['runs']:,} | {kept['cpu_s']:.0f} | {kept['second_quarter_mb']:.1f} | "
        f"{kept['last_quarter_mb']:.1f} | {kept['mb_per_1000_runs']:.2f} |"
    )


if __name__ == "__main__":
    main()
