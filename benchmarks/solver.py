"""Facility location against open peers: one instance, one solver, one fresh process, one thread.

``python benchmarks/solver.py --instances DIR [--families pmed,ufl] [--peers all|none|NAME,..] [--csv FILE] [--md FILE]``

See ``benchmarks/README.md`` for how to read the table.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from solver_instances import FAMILIES, Case, case_names, load_case

PEERS = ("highs-weak", "highs-strong", "cbc-weak", "cbc-strong", "pulp-highs-strong")
COLUMNS = (
    "instance", "solver", "status", "objective", "bound", "gap_percent", "cpu_s", "memory_mb", "ratio", "published", "match",
)  # fmt: skip


def judged(case: Case, opened: np.ndarray, share: Any) -> float:  # noqa: ANN401
    """Cost of a plan by the harness's own arithmetic; NaN if it breaks a limit."""
    share = share.toarray()
    flag = np.zeros(case.fixed_cost.size, dtype=bool)
    flag[opened] = True
    wrong = np.abs(share.sum(axis=0) - 1).max() > 1e-6 or (share[~flag] > 1e-9).any()
    if case.capacity is not None:
        wrong |= bool((share @ case.demand > case.capacity * (1 + 2e-6)).any())
    if case.p is not None:
        wrong |= int(flag.sum()) != case.p
    return math.nan if wrong else float(case.fixed_cost[flag].sum() + (share * case.cost).sum())


def run_ours(case: Case) -> dict[str, Any]:
    """Solve with dcsite."""
    from dcsite.optimize import facility_location

    plan = facility_location(case.fixed_cost, case.cost, case.capacity, case.demand, case.p, gap=case.gap)
    value = judged(case, plan.open_sites, plan.assignment) if plan.open_sites.size else math.inf
    return {"status": plan.status, "objective": value, "bound": plan.bound}


def model_of(case: Case, *, strong: bool) -> tuple[Any, ...]:
    """Cost, row bounds and matrix of the written-out model, made here and not by dcsite."""
    from scipy.sparse import csr_array

    m, n = case.cost.shape
    x = m + np.arange(m * n)
    i, j = np.divmod(np.arange(m * n), n)
    rows, cols, vals = [j], [x], [np.ones(m * n)]
    low, high = [np.ones(n)], [np.ones(n)]
    at = n
    if strong:
        rows += [at + np.arange(m * n)] * 2
        cols += [x, i]
        vals += [np.ones(m * n), -np.ones(m * n)]
        low.append(np.full(m * n, -np.inf))
        high.append(np.zeros(m * n))
        at += m * n
    if case.capacity is not None or not strong:
        need = np.ones(n) if case.demand is None else case.demand
        room = np.full(m, float(n)) if case.capacity is None else case.capacity
        rows += [at + i, at + np.arange(m)]
        cols += [x, np.arange(m)]
        vals += [need[j], -room]
        low.append(np.full(m, -np.inf))
        high.append(np.zeros(m))
        at += m
    if case.p is not None:
        rows.append(np.full(m, at))
        cols.append(np.arange(m))
        vals.append(np.ones(m))
        low.append(np.array([float(case.p)]))
        high.append(np.array([float(case.p)]))
        at += 1
    matrix = csr_array(
        (np.concatenate(vals), (np.concatenate(rows), np.concatenate(cols))), shape=(at, m + m * n)
    )
    cost = np.concatenate([case.fixed_cost, case.cost.ravel()])
    return cost, matrix, np.concatenate(low), np.concatenate(high)


def run_highs(case: Case, limit_s: float, *, strong: bool, mps: Path | None = None) -> dict[str, Any]:
    """HiGHS on arrays; with ``mps`` only write the model there."""
    import highspy

    cost, matrix, low, high = model_of(case, strong=strong)
    m, size = case.fixed_cost.size, cost.size
    solver = highspy.Highs()
    for name, value in (
        ("output_flag", False),
        ("threads", 1),
        ("mip_rel_gap", case.gap),
        ("time_limit", limit_s),
    ):
        solver.setOptionValue(name, value)
    kinds = np.zeros(size, dtype=np.int32)
    kinds[:m] = 1
    solver.passModel(
        size, matrix.shape[0], matrix.nnz, 2, 1, 0.0, cost, np.zeros(size), np.ones(size), low, high,
        matrix.indptr.astype(np.int32), matrix.indices.astype(np.int32), matrix.data, kinds,
    )  # fmt: skip
    if mps is not None:
        solver.writeModel(str(mps))
        return {}
    solver.run()
    info = solver.getInfo()
    has = info.primal_solution_status == 2
    return {
        "status": solver.modelStatusToString(solver.getModelStatus()),
        "objective": info.objective_function_value if has else math.inf,
        "bound": info.mip_dual_bound,
    }


def run_cbc(case: Case, limit_s: float, *, strong: bool) -> dict[str, Any]:
    """The CBC that PuLP carries, on an MPS file made from the same arrays."""
    import pulp

    with tempfile.TemporaryDirectory() as folder:
        mps = Path(folder) / "model.mps"
        run_highs(case, limit_s, strong=strong, mps=mps)
        command = [pulp.PULP_CBC_CMD(msg=False).path, str(mps), "-sec", str(limit_s), "-ratio", str(case.gap)]
        done = subprocess.run([*command, "-branch"], capture_output=True, text=True, check=False)
    objective, bound, status = math.inf, -math.inf, "stopped"
    for line in done.stdout.splitlines():
        if line.startswith("Objective value:"):
            objective = float(line.split()[-1])
        if line.startswith("Lower bound:"):
            bound = float(line.split()[-1])
        if line.startswith("Result - "):
            status = line.removeprefix("Result - ")
    if "Optimal" in status and not math.isfinite(bound):
        bound = objective * (1 - case.gap)
    return {"status": status, "objective": objective, "bound": bound}


def run_pulp(case: Case, limit_s: float) -> dict[str, Any]:
    """The strong model built as PuLP objects and solved by its HiGHS class."""
    import pulp

    m, n = case.cost.shape
    problem = pulp.LpProblem("f", pulp.LpMinimize)
    y = [problem.add_variable(f"y{i}", 0, 1, cat="Binary") for i in range(m)]
    x = [[problem.add_variable(f"x{i}_{j}", 0, 1) for j in range(n)] for i in range(m)]
    problem += pulp.lpSum(case.fixed_cost[i] * y[i] for i in range(m)) + pulp.lpSum(
        case.cost[i, j] * x[i][j] for i in range(m) for j in range(n)
    )
    for j in range(n):
        problem += pulp.lpSum(x[i][j] for i in range(m)) == 1
    for i in range(m):
        for j in range(n):
            problem += x[i][j] <= y[i]
        if case.capacity is not None and case.demand is not None:
            problem += pulp.lpSum(case.demand[j] * x[i][j] for j in range(n)) <= case.capacity[i] * y[i]
    if case.p is not None:
        problem += pulp.lpSum(y) == case.p
    solver = pulp.HiGHS(msg=False, gapRel=case.gap, timeLimit=limit_s, threads=1)
    problem.solve(solver)
    info = problem.solverModel.getInfo()
    has = info.primal_solution_status == 2
    status = problem.solverModel.modelStatusToString(problem.solverModel.getModelStatus())
    return {
        "status": status, "objective": info.objective_function_value if has else math.inf, "bound": info.mip_dual_bound,
    }  # fmt: skip


def worker(folder: Path, family: str, name: str, solver: str, limit_s: float) -> dict[str, Any]:
    """Solve one case and say what it took."""
    case = load_case(folder, family, name)
    before = sum(os.times()[:4])
    if solver == "dcsite":
        row = run_ours(case)
    elif solver == "pulp-highs-strong":
        row = run_pulp(case, limit_s)
    else:
        kind, form = solver.split("-")
        run = run_highs if kind == "highs" else run_cbc
        row = run(case, limit_s, strong=form == "strong")
    row["cpu_s"] = sum(os.times()[:4]) - before
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    row["memory_mb"] = max(resource.getrusage(w).ru_maxrss for w in who) / 1024
    row["published"], row["gap_asked"] = case.published, case.gap
    return row


def fresh(folder: Path, family: str, name: str, solver: str, limit_s: float) -> dict[str, Any]:
    """Run one solver in its own process."""
    command = [
        sys.executable,
        __file__,
        "--instances",
        str(folder),
        "--one",
        family,
        name,
        solver,
        str(limit_s),
    ]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=env, check=False, timeout=10 * limit_s + 600
        )
        row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (subprocess.TimeoutExpired, IndexError, ValueError):
        row = {
            "status": "failed",
            "objective": math.inf,
            "bound": -math.inf,
            "cpu_s": math.nan,
            "memory_mb": math.nan,
        }
    return {"instance": name, "solver": solver, **row}


def finish(row: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    """Gap, ratio to ours, and whether the bound and the plan fit the published optimum."""
    objective, bound = row["objective"], row["bound"]
    known = math.isfinite(objective) and math.isfinite(bound)
    gap = (objective - bound) / max(abs(objective), 1e-9) if known else math.inf
    row["gap_percent"] = 100 * gap
    done = gap <= ours.get("gap_asked", 1e-4) * 1.01
    ratio = row["cpu_s"] / max(ours["cpu_s"], 1e-9)
    row["ratio"] = f"{'' if done else '>= '}{ratio:.2f}"
    value = row.get("published")
    if value is None:
        row["match"] = "no value"
    else:
        row["match"] = "yes" if bound <= value * (1 + 1e-6) and objective >= value * (1 - 1e-6) else "NO"
        if objective > value * (1 + max(ours.get("gap_asked", 1e-4), 1e-4)):
            row["match"] += ", plan above"
    return row


def cells(row: dict[str, Any]) -> list[str]:
    """Printed values of one row."""
    form = {"objective": ".3f", "bound": ".3f", "gap_percent": ".4f", "cpu_s": ".2f", "memory_mb": ".0f"}
    return [format(row[c], form[c]) if c in form else str(row.get(c, "")) for c in COLUMNS]


def main() -> None:
    """Read the arguments, run, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--instances", type=Path, required=True, help="folder with the instance files")
    parser.add_argument("--families", default=",".join(FAMILIES), help=f"of {', '.join(FAMILIES)}")
    parser.add_argument("--only", default="", help="instances by name, comma-separated")
    parser.add_argument("--peers", default="none", help=f"all, none, or some of {', '.join(PEERS)}")
    parser.add_argument("--peer-limit", type=float, default=60.0, help="least seconds a peer may take")
    parser.add_argument(
        "--peer-ratio", type=float, default=2.0, help="a peer may take this many times our CPU-s"
    )
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--md", type=Path)
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        family, name, solver, limit = options.one
        print(json.dumps(worker(options.instances, family, name, solver, float(limit))))
        return
    peers = {"all": PEERS, "none": ()}.get(options.peers) or tuple(
        p for p in options.peers.split(",") if p in PEERS
    )
    only = set(filter(None, options.only.split(",")))
    table: list[dict[str, Any]] = []
    print(" | ".join(COLUMNS), flush=True)
    for family, name in case_names(options.instances, tuple(options.families.split(","))):
        if only and name not in only:
            continue
        ours = fresh(options.instances, family, name, "dcsite", 0.0)
        rows = [finish(ours, ours)]
        limit = max(options.peer_limit, options.peer_ratio * ours["cpu_s"])
        rows += [finish(fresh(options.instances, family, name, peer, limit), ours) for peer in peers]
        for row in rows:
            print(" | ".join(cells(row)), flush=True)
        table += rows
    if options.csv:
        with options.csv.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(table)
    if options.md:
        head = ["| " + " | ".join(COLUMNS) + " |", "|" + " --- |" * len(COLUMNS)]
        body = ["| " + " | ".join(cells(row)) + " |" for row in table]
        options.md.write_text("\n".join([*head, *body]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
