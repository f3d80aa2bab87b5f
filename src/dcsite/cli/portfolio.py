"""Commands on portfolios: ``optimize``, ``why``, ``why-not``, ``diagnose``, ``alternatives``, ``diff``, ``pareto``."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from dcsite.cli import complete
from dcsite.cli.options import (
    DataDirOption,
    ForceOption,
    Format,
    FormatOption,
    SiteArgument,
    VerboseOption,
)
from dcsite.cli.output import emit_result, say, width
from dcsite.cli.progress import Progress

if TYPE_CHECKING:
    from dcsite.data.tables import Tables
    from dcsite.optimize.plan import Plan
    from dcsite.physics.evaluation import Evaluation
    from dcsite.spec.scenario import Scenario

ScenarioArgument = Annotated[Path, typer.Argument(metavar="SCENARIO", help="Scenario file (TOML).")]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of optimize --out RUN.")]
GapOption = Annotated[
    Optional[float],  # noqa: UP045  (typer reads it at run time on 3.11)
    typer.Option(
        "--gap", min=0.0, max=0.999, help="Asked relative gap, e.g. 0.001; default by the scenario."
    ),
]
TimeOption = Annotated[
    Optional[float],  # noqa: UP045
    typer.Option(
        "--time-limit", min=0.1, help="Processor seconds at most; what is found and proved by then is kept."
    ),
]
NodesOption = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option("--node-limit", min=1, help="Branches at most; the same everywhere."),
]
SolverOption = Annotated[
    str,
    typer.Option(
        "--solver",
        help="highs, or pulp:NAME for a solver that PuLP reaches.",
        autocompletion=complete.words("highs", "pulp:HiGHS", "pulp:CBC"),
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("optimize")(optimize)
    app.command("why")(why)
    app.command("why-not")(why_not)
    app.command("diagnose")(diagnose)


def solver_name(text: str) -> str:
    """Check ``--solver``.

    Raises
    ------
    UsageError
        If it is neither ``highs`` nor ``pulp:NAME``.
    """
    from dcsite.errors import UsageError

    if text.lower() == "highs":
        return "highs"
    if text.lower().startswith("pulp:") and len(text) > len("pulp:"):
        return f"pulp:{text.split(':', 1)[1]}"
    message = f"--solver {text}: not known"
    raise UsageError(message, hint="highs, pulp:HiGHS, pulp:CBC or another name that PuLP knows")


def facts_of(scenario: "Scenario", data_dir: Path | None) -> "tuple[Tables, Evaluation]":
    """Tables and facts of a scenario."""
    from dcsite.data.tables import load_tables
    from dcsite.study.evaluating import evaluate

    tables = load_tables(data_dir)
    evaluation = evaluate(scenario, tables)
    return tables, evaluation


def refuse_run(out: Path | None, *, force: bool) -> None:
    """Refuse a run folder that exists before any work is done.

    Raises
    ------
    UsageError
        If the folder exists and ``force`` is not set.
    """
    from dcsite.errors import UsageError
    from dcsite.spec.address import is_address

    if is_address(out):
        from dcsite.data.postgis import address_of
        from dcsite.report.postgis import refuse_table

        refuse_table(address_of(out), force=force)
        return
    if out is not None and out.exists() and not force:
        message = f"{out} exists"
        raise UsageError(message, hint="--force replaces it, or give another name")


def optimize(
    scenario: ScenarioArgument,
    gap: GapOption = None,
    time_limit: TimeOption = None,
    node_limit: NodesOption = None,
    solver: SolverOption = "highs",
    output_format: FormatOption = Format.table,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", "-o", help="Run folder to write, or a database table for the plan."),
    ] = None,
    ties: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--ties", help="Count other sets of sites that cost as little, up to so many."),
    ] = None,
    force: ForceOption = False,
    data_dir: DataDirOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Choose sites, halls and placements at least cost, with a proven gap; checked without the solver.

    Example: dcsite optimize scenarios/portfolio.toml --out runs/portfolio
    """
    from dcsite.cli.files import scenario_path
    from dcsite.data.scenario_file import load_scenario
    from dcsite.errors import InfeasibleError, UsageError
    from dcsite.report.export import write_to_database
    from dcsite.spec.address import is_address
    from dcsite.study import portfolio
    from dcsite.study.reporting import scenario_report
    from dcsite.study.runs import write_run

    if ties is not None and ties < 1:
        message = f"--ties {ties}: must be at least 1"
        raise UsageError(message)
    path = scenario_path(scenario)
    asked = portfolio.with_solver(
        load_scenario(path), gap=gap, time_limit_s=time_limit, node_limit=node_limit
    )
    backend = solver_name(solver)
    refuse_run(out, force=force)
    tables, evaluation = facts_of(asked, data_dir)
    with Progress("optimize") as told:
        try:
            plan = portfolio.optimize(asked, evaluation, backend=backend, progress=told.step)
        except InfeasibleError as error:
            raise portfolio.with_reasons(error, asked, evaluation, progress=told.step) from error
    if ties is not None and plan.solution is not None:
        from dcsite.study.front import with_ties

        plan = with_ties(plan, ties)
    if is_address(out):
        say(f"wrote {write_to_database(plan, out, evaluation=evaluation, force=force)}")
    elif out is not None:
        report = scenario_report(asked, tables, evaluation=evaluation, plan=plan)
        written = write_run(
            plan,
            out,
            rankings=list(report.rankings.values()),
            comparisons=[replace(report, plan=None)],
            force=force,
            scenario_text=path.read_text(encoding="utf-8"),
        )
        say(f"wrote {out} ({len(written)} files; open {out / 'report.html'})")
    show(plan, output_format)
    claim(plan)


def show(plan: "Plan", output_format: Format) -> None:
    """Print a plan on stdout."""
    from dcsite.report.terminal import bullet, plan_text

    sites = plan.evaluation.sites if plan.evaluation is not None else None
    text = plan_text(plan, sites=sites, width=width())
    if plan.notes:
        text += "\n" + "".join(bullet(note, width()) for note in plan.notes)
    emit_result(plan, text, output_format, None, evaluation=plan.evaluation, title=plan.scenario.title)


def claim(plan: "Plan") -> None:
    """Leave with exit code 4 where the asked proof is missing.

    Raises
    ------
    LimitReachedError
        If the plan is not proved to the asked gap, or there is none.
    """
    from dcsite.errors import LimitReachedError, SolverFaultError

    if plan.status == "optimal":
        return
    if plan.placements.empty and not plan.verified:
        message = f"stopped by a limit ({plan.limit_hit or 'solver'}) before a plan was found"
        raise LimitReachedError(message, hint="raise --time-limit, or allow fewer sites or technologies")
    if not plan.verified:
        message = "the plan does not pass the check without the solver"
        raise SolverFaultError(message, hint="; ".join(plan.notes[-3:]))
    message = (
        f"stopped by a limit ({plan.limit_hit or 'solver'}): gap {plan.gap:.3%}, asked {plan.asked_gap:.3%}"
    )
    raise LimitReachedError(message, hint="raise --time-limit or accept a larger --gap")


def restored(run: Path, data_dir: Path | None) -> "Plan":
    """Plan of a run folder with facts and values."""
    from dcsite.study import portfolio
    from dcsite.study.runs import read_run

    found = read_run(run)
    _, evaluation = facts_of(found.scenario, data_dir)
    plan = portfolio.restore(found, evaluation)
    if plan.problem_digest != found.plan.problem_digest:
        say("the data or the program changed since the run was written: solved again")
    return plan


def show_tables(tables: list[Any], lines: list[str], output_format: Format) -> None:
    """Print tables with sentences on stdout."""
    from dcsite.report.terminal import bullet, paragraph, table_text

    text = "".join(bullet(line, width()) for line in lines)
    for table in tables:
        if not table.empty:
            text += f"\n{paragraph(table.title, width())}{table_text(table, width())}"
    emit_result(tables, text, output_format, None)


def why(
    run: RunArgument,
    time_limit: TimeOption = 60.0,
    marginal_only: Annotated[
        bool, typer.Option("--marginal-only", help="Only the linear program's worths, without solving again.")
    ] = False,
    output_format: FormatOption = Format.table,
    data_dir: DataDirOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Worth of each binding limit: at the margin for this set of sites, and by solving again one step on.

    Example: dcsite why runs/portfolio
    """
    from dcsite.report.frames import frame_table
    from dcsite.study import portfolio

    plan = restored(run, data_dir)
    with Progress("why") as told:
        found = portfolio.why(plan, honest=not marginal_only, time_limit_s=time_limit, progress=told.step)
    tables = [
        frame_table(
            found.table,
            "shadow_prices",
            "Worth of the binding limits (USD a year per unit at the margin; then solved again)",
            hidden=(
                "left_usd_per_unit",
                "right_usd_per_unit",
                "holds_from",
                "holds_to",
                "step",
                "honest_low_usd_per_year",
                "honest_high_usd_per_year",
                "words",
            ),
        ),
        frame_table(found.close_calls, "close_calls", "Close calls: forcing a site in costs at least"),
    ]
    said = [
        f"{row.family} {row.label}: {row.words}".replace("_", " ")
        for row in found.table.itertuples()
        if row.words
    ]
    show_tables(tables, [*said, *found.notes], output_format)


def why_not(
    site: SiteArgument,
    run: RunArgument,
    time_limit: TimeOption = 120.0,
    output_format: FormatOption = Format.table,
    data_dir: DataDirOption = None,
    verbose: VerboseOption = False,
) -> None:
    """What keeps a site out of a plan: the rule that dropped it, or its regret and entry price.

    Example: dcsite why-not quincy runs/portfolio
    """
    import pandas as pd

    from dcsite.report.frames import frame_table
    from dcsite.study import portfolio

    plan = restored(run, data_dir)
    with Progress("why not") as told:
        found = portfolio.why_not(plan, site, time_limit_s=time_limit, progress=told.step)
    frame = pd.DataFrame(
        [
            {
                "site_id": found.site_id,
                "in_plan": found.in_plan,
                "regret_low_usd_per_year": found.regret_low_usd_per_year,
                "regret_high_usd_per_year": found.regret_high_usd_per_year,
            }
        ]
    )
    tables = [
        frame_table(frame, "regret", "Cost of forcing it in"),
        frame_table(found.entry, "entry", "What brings it in"),
    ]
    show_tables(tables, [*found.reasons, *found.notes], output_format)


def diagnose(
    scenario: ScenarioArgument,
    time_limit: TimeOption = 60.0,
    output_format: FormatOption = Format.table,
    data_dir: DataDirOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Say which limits clash and the cheapest repair, in natural units; exit code 3 when nothing fits.

    Example: dcsite diagnose scenarios/portfolio.toml
    """
    import pandas as pd

    from dcsite.cli.files import scenario_path
    from dcsite.data.scenario_file import load_scenario
    from dcsite.report.frames import frame_table
    from dcsite.study import portfolio

    asked = load_scenario(scenario_path(scenario))
    _, evaluation = facts_of(asked, data_dir)
    with Progress("diagnose") as told:
        found = portfolio.diagnose(asked, evaluation, time_limit_s=time_limit, progress=told.step)
    lines = [problem.sentence for problem in found.arithmetic]
    if found.feasible:
        lines.append("a plan exists: no limit stands in the way")
    conflict = pd.DataFrame({"limit": list(found.conflict)})
    several = len(set(found.repair["option"])) > 1
    repair_title = "Repairs, the smallest first (each option alone is enough)" if several else "Repair"
    title = "Limits that clash" + (" (each is needed for it)" if found.minimal else " (not proven minimal)")
    tables = [
        frame_table(conflict, "conflict", title),
        frame_table(
            found.repair, "repair", repair_title, hidden=("limit", "label", "unit", "now", "needed", "change")
        ),
        frame_table(found.coverage, "coverage", "Coverage that the best sites reach"),
    ]
    show_tables(tables, [*lines, *found.notes], output_format)
    if not found.feasible:
        raise typer.Exit(3)
