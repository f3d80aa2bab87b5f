"""Building a strong facility-location model and handing it to HiGHS: arrays against PuLP objects, CPU-s and memory.

``python benchmarks/solver_build.py [--size 300]`` runs each way in its own process on one thread.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys

import numpy as np


def arrays(m: int) -> None:
    """dcsite: CSR arrays, passed at once."""
    from dcsite.optimize._facility_case import checked_case
    from dcsite.optimize._facility_model import all_arcs, build
    from dcsite.optimize.highs import Session

    rng = np.random.default_rng(0)
    case = checked_case(rng.random(m), rng.random((m, m)), None, None, None, single_source=False)
    with Session(build(case, all_arcs(case), strong=True).arrays):
        pass


def pulp_objects(m: int) -> None:
    """PuLP: one object per variable and row, then its HiGHS class builds the solver's model."""
    import pulp

    rng = np.random.default_rng(0)
    fixed, cost = rng.random(m), rng.random((m, m))
    problem = pulp.LpProblem("f", pulp.LpMinimize)
    y = [problem.add_variable(f"y{i}", 0, 1, cat="Binary") for i in range(m)]
    x = [[problem.add_variable(f"x{i}_{j}", 0, 1) for j in range(m)] for i in range(m)]
    problem += pulp.lpSum(fixed[i] * y[i] for i in range(m)) + pulp.lpSum(
        cost[i, j] * x[i][j] for i in range(m) for j in range(m)
    )
    for j in range(m):
        problem += pulp.lpSum(x[i][j] for i in range(m)) == 1
    for i in range(m):
        for j in range(m):
            problem += x[i][j] <= y[i]
    solver = pulp.HiGHS(msg=False)
    solver.createAndConfigureSolver(problem)
    solver.buildSolverModel(problem)


def main() -> None:
    """Run both and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=300, help="sites and clients")
    parser.add_argument("--one", choices=["arrays", "pulp"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        (arrays if options.one == "arrays" else pulp_objects)(2)  # imports are not counted
        before = sum(os.times()[:2])
        (arrays if options.one == "arrays" else pulp_objects)(options.size)
        spent = sum(os.times()[:2]) - before
        print(spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    found = {}
    for way in ("arrays", "pulp"):
        command = [sys.executable, __file__, "--size", str(options.size), "--one", way]
        env = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
        found[way] = [float(word) for word in done.stdout.split()]
        print(f"{way:7s} {options.size} x {options.size}: {found[way][0]:.2f} CPU-s, {found[way][1]:.0f} MB")
    print(
        f"ratio: {found['pulp'][0] / found['arrays'][0]:.1f} in CPU-s, {found['pulp'][1] / found['arrays'][1]:.1f} in memory"
    )


if __name__ == "__main__":
    main()
