"""A Pareto front on one kept model against solving the same caps afresh.

    python benchmarks/front.py [scenarios/portfolio.toml] [--y carbon] [--points 7]

The front finds its own ends; the fresh solves are given the caps of its points. Both recompute every plan from
the facts. CPU seconds of one process on one thread: only the ratio within one run counts. The capped goal must
have a key in ``[limits]``: carbon (``carbon_t_per_year``) or sites (``max_sites``).
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

KEYS = {"carbon": "carbon_t_per_year", "sites": "max_sites"}


def main() -> None:
    """Print one row per point and the totals."""
    from dcsite.data.scenario_file import load_scenario
    from dcsite.data.tables import load_tables
    from dcsite.optimize.explain import with_limit
    from dcsite.study.front import evaluate_front, pareto
    from dcsite.study.portfolio import optimize

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenario", nargs="?", type=Path, default=Path("scenarios/portfolio.toml"))
    parser.add_argument("--y", choices=sorted(KEYS), default="carbon")
    parser.add_argument("--points", type=int, default=7)
    asked = parser.parse_args()
    scenario = load_scenario(asked.scenario)
    evaluation = evaluate_front(scenario, load_tables(None), "cost", asked.y)

    begun = time.process_time()
    front = pareto(scenario, evaluation, x="cost", y=asked.y, points=asked.points)
    kept_s = time.process_time() - begun

    print(f"{'cap':>14} {'front':>12} {'fresh':>12} {'cpu_s':>8}  gap of both")
    fresh_s = 0.0
    for point in front.points:
        limited = scenario
        if math.isfinite(point.cap):
            cap = int(point.cap) if asked.y == "sites" else point.cap
            limited = with_limit(scenario, **{KEYS[asked.y]: cap})
        begun = time.process_time()
        plan = optimize(limited, evaluation)
        spent = time.process_time() - begun
        fresh_s += spent
        print(
            f"{point.cap:14,.1f} {point.x / 1e6:12,.3f} {plan.objective_usd_per_year / 1e6:12,.3f} {spent:8.1f}  "
            f"{point.gap:.3%} {plan.gap:.3%}",
            flush=True,
        )
    count = len(front.points)
    print(f"front: {kept_s:.1f} CPU-s, {front.solves} questions; fresh: {fresh_s:.1f} CPU-s, {count} solves")
    each = (kept_s / front.solves) / (fresh_s / count)
    print(f"ratio of totals {kept_s / fresh_s:.2f}, per question {each:.2f}")


if __name__ == "__main__":
    main()
