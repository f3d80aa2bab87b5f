"""The sample from question to plan: evaluate, rank, compare, optimize, and a run folder with its report."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dcsite.data.scenario_file import load_scenario
from dcsite.report.terminal import comparison_text, plan_text, ranking_text
from dcsite.study.evaluating import evaluate
from dcsite.study.portfolio import optimize
from dcsite.study.reporting import plan_worths, scenario_report
from dcsite.study.runs import write_run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from dcsite.data.tables import Tables

TOP: int = 5


def run_demo(
    path: Path,
    tables: Tables,
    folder: Path,
    *,
    compared: Sequence[str] = (),
    force: bool = False,
    tell: Callable[[str], None] = lambda _: None,
    width: int = 100,
) -> tuple[str, list[Path]]:
    """Run a scenario end to end and write its run folder.

    Parameters
    ----------
    path
        Scenario file.
    folder
        Run folder to write.
    compared
        Site ids to put side by side.
    tell
        Gets a sentence before each step.

    Returns
    -------
    tuple
        What was found, as text of ``width`` columns, and the files written.

    Raises
    ------
    DcsiteError
        If the scenario cannot be evaluated, its limits clash, or the folder exists and ``force`` is not set.
    """
    scenario = load_scenario(path)
    tell(f"1/4 {path.name}: evaluating the sites")
    evaluation = evaluate(scenario, tables)
    tell(f"2/4 ranking {len(evaluation.sites)} sites for {', '.join(evaluation.workloads)}")
    report = scenario_report(scenario, tables, evaluation=evaluation, compared=compared)
    tell("3/4 looking for the cheapest portfolio, and proving it")
    plan = optimize(scenario, evaluation)
    report = replace(report, tables=plan_worths(plan))
    tell(f"4/4 writing {folder}")
    paths = write_run(
        plan,
        folder,
        rankings=list(report.rankings.values()),
        comparisons=[replace(report, plan=None)],
        force=force,
        scenario_text=path.read_text(encoding="utf-8"),
    )
    parts = [
        ranking_text(ranking, sites=evaluation.sites, top=TOP, width=width)
        for ranking in report.rankings.values()
    ]
    parts += [
        comparison_text(comparison, sites=evaluation.sites, width=width)
        for comparison in list(report.comparisons.values())[:1]
    ]
    parts.append(plan_text(plan, sites=evaluation.sites, width=width))
    return "\n".join(parts), paths
