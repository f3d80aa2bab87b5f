"""Siting models side by side: dcsite's search against the same model handed to HiGHS and CBC through PuLP.

    python benchmarks/portfolio.py [--quick] [--models sample,world,periods,region] [--limit 120] [--md FILE]

Each row is a process of its own on one thread. The facts are evaluated before the clock starts; then the model is
built and solved, and processor seconds (user and system, children included) are counted until the answer is there.
The peers get the model with every family of rows, without the cuts that our search adds, and the same asked gap;
``--limit`` ends them (wall seconds: PuLP passes on no others; a row that met it is marked). The gap of every row is
taken here, against the best bound that any row of the model proved: CBC hands PuLP no bound of its own.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SOLVERS = ("dcsite", "pulp:HiGHS", "pulp:CBC")
WORKLOADS: list[dict[str, Any]] = [
    {
        "name": "cloud",
        "profile": "cloud",
        "it_mw": 300,
        "users": "world",
        "max_rtt_ms": 60,
        "coverage": 0.8,
        "min_block_mw": 20,
    },
    {
        "name": "inference",
        "profile": "ai-inference",
        "it_mw": 200,
        "users": "world",
        "max_rtt_ms": 100,
        "coverage": 0.9,
        "min_block_mw": 20,
    },
    {"name": "training", "profile": "ai-training", "it_mw": 400, "min_block_mw": 100},
    {
        "name": "mining",
        "profile": "crypto",
        "it_mw": 100,
        "break_even_usd_per_mwh": 95,
        "optional": True,
    },
]
WORLD: dict[str, Any] = {
    "format": 1,
    "subsidy_removed": True,
    "demand_points": 100,
    "workloads": WORKLOADS,
    "limits": {"max_sites": 10, "carbon_kg_per_mwh": 120},
    "solver": {"gap": 0.001, "time_limit_s": 300},
}
STEPS = {2027: 0.5, 2030: 0.75, 2034: 1.0}


def periods() -> dict[str, Any]:
    """The world model in three periods: half, three quarters and all of each load."""
    loads = []
    for load in WORKLOADS:
        steps = {year: share * load["it_mw"] for year, share in STEPS.items()}
        rest = {key: value for key, value in load.items() if key != "it_mw"}
        loads.append(load if load.get("optional") else {**rest, "it_mw_by_year": steps})
    return {
        **WORLD,
        "workloads": loads,
        "periods": [{"start": year} for year in STEPS],
        "solver": {"gap": 0.005, "time_limit_s": 300},
    }


def region() -> dict[str, Any]:
    """The two loads with users, training and mining on North America alone: small enough for a quick run."""
    loads = [{**load, "users": "north-america"} if "users" in load else load for load in WORKLOADS]
    return {**WORLD, "workloads": loads, "sites": {"where": {"country": ["USA", "CAN"]}}}


MODELS = {
    "sample": "scenarios/portfolio.toml: 245 sites, 3 loads, 300 demand points, carbon limit, gap 0.1 %",
    "world": "245 sites, 4 loads, all technologies, 100 demand points, carbon limit, gap 0.1 %",
    "periods": "the same in three periods, gap 0.5 %",
    "survive": "the same in one period, any one country may fail (rounds: no peer can be given them), gap 0.5 %",
    "region": "97 sites of North America, 4 loads, 100 demand points, carbon limit, gap 0.1 %",
}


def scenario_of(name: str) -> Any:  # noqa: ANN401
    """Scenario of a model."""
    from dcsite.data.scenario_file import load_scenario, parse_scenario

    if name == "sample":
        return load_scenario(ROOT / "scenarios" / "portfolio.toml")
    if name == "survive":
        raw = {
            **WORLD,
            "limits": {**WORLD["limits"], "n_minus_1": "country"},
            "solver": {"gap": 0.005, "time_limit_s": 240},
        }
        return parse_scenario(raw, name=name)
    raw = {"world": WORLD, "periods": periods(), "region": region()}[name]
    return parse_scenario(raw, name=name)


def spent() -> float:
    """Processor seconds of this process and its children."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def one(name: str, solver: str, limit: float) -> dict[str, Any]:
    """Solve one model with one solver in this process."""
    from dcsite.data.tables import load_tables
    from dcsite.optimize import highs, model, solve
    from dcsite.optimize.inputs import build_inputs
    from dcsite.study.evaluating import evaluate

    scenario = scenario_of(name)
    evaluation = evaluate(scenario, load_tables())
    begun = spent()
    if solver == "dcsite":
        plan = solve.optimize(scenario, evaluation)
        objective, bound = plan.objective_usd_per_year / 1e6, plan.bound_usd_per_year / 1e6
        status = plan.status
        seconds = spent() - begun
    else:
        problem, _ = model.build(build_inputs(scenario, evaluation))
        options = highs.Options(gap=scenario.solver.gap, time_limit_s=limit)
        outcome = solve.run_backend(problem, options, solver)
        seconds = spent() - begun
        objective, bound, status = outcome.objective, outcome.bound, outcome.status
        if outcome.x is None or solve.settle(problem, outcome.x) is None:
            objective = math.nan  # CBC hands on the relaxation where it stopped before any plan
    problem, _ = model.build(build_inputs(scenario, evaluation))
    size = (len(problem.columns), sum(len(block) for block in problem.blocks))
    whole = int(problem.columns.integer.sum())
    return {
        "model": name,
        "solver": solver,
        "status": status,
        "objective": objective,
        "bound": bound,
        "cpu_s": seconds,
        "columns": size[0],
        "rows": size[1],
        "integers": whole,
        "asked": scenario.solver.gap,
    }


def measured(name: str, solver: str, limit: float) -> dict[str, Any]:
    """One row, solved in a process of its own."""
    command = [sys.executable, __file__, "--one", name, solver, "--limit", str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20 * limit + 600)
    if done.returncode:
        message = f"{name} with {solver}:\n{done.stderr[-2000:]}"
        raise SystemExit(message)
    return dict(json.loads(done.stdout.strip().split("\n")[-1]))


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown of the rows of one model."""
    known = [row["bound"] for row in rows if row["bound"] is not None and math.isfinite(row["bound"])]
    best = max(known, default=-math.inf)
    ours = next(row for row in rows if row["solver"] == "dcsite")
    lines = [
        f"{ours['columns']:,} columns ({ours['integers']:,} whole), {ours['rows']:,} rows.",
        "",
        "| solver | status | cost, M USD/year | gap to the best bound | CPU s | ratio |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        cost = row["objective"]
        # No plan lies below a proven bound: what does is the relaxation that a stopped solver handed on.
        has = cost is not None and math.isfinite(cost) and cost > best - 1e-6 * abs(best)
        gap = max(0.0, (cost - best) / abs(cost)) if has else math.inf
        reached = row["status"] == "optimal" and gap <= row["asked"] * 1.05
        mark = "" if reached or row is ours else ">= "
        lines.append(
            f"| {row['solver']} | {row['status']} | {f'{cost:,.2f}' if has else 'no plan'} | "
            f"{f'{gap:.3%}' if has else '-'} | {row['cpu_s']:.1f} | {mark}{row['cpu_s'] / ours['cpu_s']:.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run, print and perhaps write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", default="sample,world,periods,survive")
    parser.add_argument("--solvers", default=",".join(SOLVERS))
    parser.add_argument("--limit", type=float, default=120.0, help="wall seconds of a peer")
    parser.add_argument("--quick", action="store_true", help="the model 'region' alone, peers at most 20 s")
    parser.add_argument("--md", type=Path, help="write the tables here too")
    parser.add_argument("--one", nargs=2, metavar=("MODEL", "SOLVER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        row = one(arguments.one[0], arguments.one[1], arguments.limit)
        clean = {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in row.items()
        }
        print(json.dumps(clean))
        return
    limit = 20.0 if arguments.quick else arguments.limit
    names = ["region"] if arguments.quick else arguments.models.split(",")
    parts = []
    for name in names:
        solvers = ["dcsite"] if name == "survive" else arguments.solvers.split(",")
        rows = [measured(name, solver, limit) for solver in solvers]
        part = f"### {name}\n\nModel: {MODELS[name]}. {table(rows)}"
        print(part, end="\n\n", flush=True)
        parts.append(part)
    if arguments.md:
        temporary = arguments.md.with_suffix(".tmp")
        temporary.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
        temporary.replace(arguments.md)


if __name__ == "__main__":
    main()
