"""Facility location against open peers: one instance, one solver, one fresh process, one thread.

``python benchmarks/solver.py --instances DIR [--families pmed,ufl] [--peers all|none|NAME,..] [--csv FILE]`` measures;
``python benchmarks/solver.py --csv FILE --page docs/benchmarks_solver.md`` writes the page from what was measured.

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
import time
from pathlib import Path
from typing import Any

import numpy as np

from solver_instances import FAMILIES, Case, case_names, load_case

PEERS = ("highs-weak", "highs-strong", "cbc-weak", "cbc-strong", "pulp-highs-strong")
TARGETS = {
    "cap": "none slower than the best peer + 0.2 s",
    "ufl": "8 x against PuLP + HiGHS, 6 x against the best peer",
    "cap-large": "10 x; capb-5000, capc-5000 within 30 CPU-s, capa-8000 within 90",
    "pmed": "2 x; none slower than 1.5 x + 1 s",
    "tbed1": "3 x at 500 x 500; 1 x each at 300 x 300",
    "cst": "0.15 % in 30 CPU-s and 1.5 GB; 0.25 % in 90 CPU-s and 2 GB",
    "tsplib": "rl1304 with p >= 50 within 60 CPU-s",
    "kg": "gap no larger than the best peer's",
}
"""What was aimed at, per family."""
COLUMNS = (
    "family", "instance", "solver", "status", "objective", "bound", "gap_percent", "cpu_s", "memory_mb", "ratio", "published", "match",
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


def run_ours(case: Case, limit_s: float) -> dict[str, Any]:
    """Solve with dcsite; a limit of 0 is none."""
    from dcsite.optimize import facility_location

    plan = facility_location(
        case.fixed_cost, case.cost, case.capacity, case.demand, case.p, gap=case.gap, time_limit_s=limit_s or None
    )  # fmt: skip
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
    """HiGHS on arrays, for so many processor seconds; with ``mps`` only write the model there."""
    import highspy

    cost, matrix, low, high = model_of(case, strong=strong)
    m, size = case.fixed_cost.size, cost.size
    solver = highspy.Highs()
    for name, value in (
        ("output_flag", False),
        ("threads", 1),
        ("mip_rel_gap", case.gap),
        ("time_limit", 20 * limit_s),
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
    end = time.process_time() + limit_s

    def stop(event: Any) -> None:  # noqa: ANN401
        if time.process_time() > end:
            event.interrupt()

    for event in (solver.cbMipInterrupt, solver.cbSimplexInterrupt):
        event.subscribe(stop)
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
        row = run_ours(case, limit_s)
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
    return {"family": family, "instance": name, "solver": solver, **row}


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


def best_peer(rows: list[dict[str, Any]]) -> tuple[str, float, bool]:
    """Peer with least CPU to the gap asked, its ratio to ours, and whether it got there.

    If none did, the ratio is the largest that any of them was given: at least that much was needed.
    """
    peers = [row for row in rows if row["solver"] != "dcsite" and not row["ratio"].endswith("nan")]
    done = [(float(row["ratio"]), row["solver"]) for row in peers if not row["ratio"].startswith(">=")]
    if done:
        ratio, name = min(done)
        return name, ratio, True
    gave_up = [(float(row["ratio"].removeprefix(">= ")), row["solver"]) for row in peers]
    if not gave_up:
        return "", math.nan, False
    ratio, name = min(gave_up)
    return name, ratio, False


def geometric_mean(values: list[float]) -> float:
    """Geometric mean; NaN of nothing."""
    return math.exp(sum(math.log(v) for v in values) / len(values)) if values else math.nan


def page_text(rows: list[dict[str, Any]], notes: str) -> str:
    """The page of results, from the rows of one CSV file, and notes on what other scripts measured."""
    lines = [
        "# Facility location: measured",
        "",
        "Written by `benchmarks/solver.py --page` from one CSV file ([how to read it](../benchmarks/README.md)): one",
        "process per row, one thread, single runs. CPU seconds are of a shared two-core machine; only ratios within an",
        "instance may be compared. The objective of a `dcsite` row is computed by the harness from the plan.",
        "",
        "A peer stops at a limit of its own (see each table); `>=` says that it had not proved the gap by then. Best peer:",
        "the one with least CPU to the gap; if none got there, the ratio is the least that any of them was given.",
        "",
        "## By family",
        "",
        "| family | cases | proved | median CPU-s | most CPU-s | most MB | geometric mean, best peer | least ratio | aim |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    families = list(dict.fromkeys(row["family"] for row in rows))
    detail: list[str] = []
    for family in families:
        names = list(dict.fromkeys(row["instance"] for row in rows if row["family"] == family))
        groups = {name: [row for row in rows if row["instance"] == name] for name in names}
        ours = {name: next(r for r in group if r["solver"] == "dcsite") for name, group in groups.items()}
        seconds = [float(row["cpu_s"]) for row in ours.values()]
        ratios = {name: best_peer(group) for name, group in groups.items()}
        known = [ratio for _, ratio, _ in ratios.values() if ratio > 0]
        at_least = any(not done for _, ratio, done in ratios.values() if ratio > 0)
        mean = (
            f"{'>= ' if at_least else ''}{geometric_mean(known):.1f} ({len(known)})"
            if known
            else "no peer run"
        )
        least = f"{min(known):.2f}" if known else ""
        proved = sum(row["status"] == "optimal" for row in ours.values())
        memory = max(float(row["memory_mb"]) for row in ours.values())
        lines.append(
            f"| {family} | {len(names)} | {proved} | {np.median(seconds):.2f} | {max(seconds):.2f} | {memory:.0f} | "
            f"{mean} | {least} | {TARGETS.get(family, '')} |"
        )
        detail += [
            "",
            f"## {family}",
            "",
            "| " + " | ".join(COLUMNS[1:]) + " |",
            "|" + " --- |" * (len(COLUMNS) - 1),
        ]
        for name in names:
            detail += ["| " + " | ".join(cells(row)[1:]) + " |" for row in groups[name]]
    lost = [
        f"- `{name}`: {peer} needed {ratio:.2f} of our CPU seconds"
        for name, group in {
            r["instance"]: [q for q in rows if q["instance"] == r["instance"]] for r in rows
        }.items()
        for peer, ratio, done in [best_peer(group)]
        if done and ratio < 1
    ]
    open_ = [
        f"- `{row['instance']}`: {row['status']}, gap {float(row['gap_percent']):.4f} % after {float(row['cpu_s']):.1f} CPU-s"
        for row in rows
        if row["solver"] == "dcsite" and row["status"] != "optimal"
    ]
    lines += ["", "## Where a peer was faster", "", *(lost or ["Nowhere in these rows."])]
    lines += ["", "## Not proved to the gap asked", "", *(open_ or ["Nothing in these rows."])]
    return "\n".join([*lines, "", notes.strip(), *detail]) + "\n"


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Rows of a CSV file of this script; a pair of instance and solver that was run again counts once, the last."""
    with path.open(encoding="utf-8") as file:
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for row in csv.DictReader(file):
            numbers = {
                key: float(row[key]) for key in ("objective", "bound", "gap_percent", "cpu_s", "memory_mb")
            }
            found[(row["instance"], row["solver"])] = {**row, **numbers}
    return list(found.values())


def main() -> None:
    """Read the arguments; measure, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--instances", type=Path, help="folder with the instance files")
    parser.add_argument("--families", default=",".join(FAMILIES), help=f"of {', '.join(FAMILIES)}")
    parser.add_argument("--only", default="", help="instances by name, comma-separated")
    parser.add_argument("--peers", default="none", help=f"all, none, or some of {', '.join(PEERS)}")
    parser.add_argument("--peer-limit", type=float, default=60.0, help="least seconds a peer may take")
    parser.add_argument(
        "--peer-ratio", type=float, default=2.0, help="a peer may take this many times our CPU-s"
    )
    parser.add_argument(
        "--limit", type=float, default=0.0, help="wall seconds that dcsite may take (0: no limit)"
    )
    parser.add_argument("--csv", type=Path, help="rows are added at its end as they come")
    parser.add_argument("--page", type=Path, help="write the page of results from --csv and stop")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.page:
        notes = (Path(__file__).parent / "solver_notes.md").read_text(encoding="utf-8")
        options.page.write_text(page_text(read_rows(options.csv), notes), encoding="utf-8")
        return
    if options.one:
        family, name, solver, limit = options.one
        print(json.dumps(worker(options.instances, family, name, solver, float(limit))))
        return
    peers = {"all": PEERS, "none": ()}.get(options.peers) or tuple(
        p for p in options.peers.split(",") if p in PEERS
    )
    only = set(filter(None, options.only.split(",")))
    print(" | ".join(COLUMNS), flush=True)
    for family, name in case_names(options.instances, tuple(options.families.split(","))):
        if only and name not in only:
            continue
        ours = fresh(options.instances, family, name, "dcsite", options.limit)
        record(finish(ours, ours), options.csv)
        limit = max(options.peer_limit, options.peer_ratio * ours["cpu_s"])
        for peer in peers:
            record(finish(fresh(options.instances, family, name, peer, limit), ours), options.csv)


def record(row: dict[str, Any], path: Path | None) -> None:
    """Print a row, and add it to the CSV file."""
    print(" | ".join(cells(row)), flush=True)
    if path is None:
        return
    begun = path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        if not begun:
            writer.writeheader()
        writer.writerow(row)


if __name__ == "__main__":
    main()
