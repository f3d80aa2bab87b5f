"""Commands on more than one portfolio: ``pareto``, ``alternatives``, ``diff``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from dcsite.cli import complete
from dcsite.cli.options import DataDirOption, ForceOption, Format, FormatOption, OutOption, VerboseOption
from dcsite.cli.output import emit_result, say, width
from dcsite.cli.portfolio import GapOption, NodesOption, ScenarioArgument, TimeOption, facts_of, restored
from dcsite.cli.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dcsite.optimize.plan import Plan

GOALS = ("cost", "carbon", "water", "latency", "sites")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("pareto")(pareto)
    app.command("alternatives")(alternatives)
    app.command("diff")(diff)


def refuse_files(paths: "Sequence[Path]", *, force: bool) -> None:
    """Refuse databases, files of unknown formats and files that exist before any work is done.

    Raises
    ------
    UsageError
        If it is a database, a suffix names no format, or a file exists and ``force`` is not set.
    """
    from dcsite.errors import UsageError
    from dcsite.report.export import format_of
    from dcsite.report.plain import refuse_existing
    from dcsite.spec.address import is_address

    for path in paths:
        if is_address(path):
            message = "this result has no places and is not written to a database"
            raise UsageError(message, hint="give --out a file")
        format_of(path)
        refuse_existing(path, force=force)


def text_of(tables: "Sequence[Any]", lines: "Sequence[str]") -> str:
    """Tables under their titles, then sentences."""
    from dcsite.report.terminal import bullet, paragraph, table_text

    parts = [
        f"{paragraph(table.title, width())}\n{table_text(table, width())}\n"
        for table in tables
        if not table.empty
    ]
    return "".join(parts) + "".join(bullet(line, width()) for line in lines)


def pareto(
    scenario: ScenarioArgument,
    x: Annotated[
        str,
        typer.Option(
            "--x",
            help="First goal: cost, carbon, water, latency, sites.",
            autocompletion=complete.words(*GOALS),
        ),
    ] = "cost",
    y: Annotated[
        str,
        typer.Option(
            "--y",
            help="Second goal: carbon, water, latency, sites, cost.",
            autocompletion=complete.words(*GOALS),
        ),
    ] = "carbon",
    points: Annotated[
        int, typer.Option("--points", help="Points at most, the two ends included (2 or more).")
    ] = 7,
    gap: GapOption = None,
    time_limit: Annotated[
        Optional[float],  # noqa: UP045  (typer reads it at run time on 3.11)
        typer.Option("--time-limit", min=0.1, help="Seconds at most for each question to the solver."),
    ] = None,
    node_limit: NodesOption = None,
    output_format: FormatOption = Format.table,
    out: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Option(
            "--out",
            "-o",
            help="File to write: .html (whole report), .csv, .json, .svg, .xlsx, ...; repeatable.",
        ),
    ] = None,
    force: ForceOption = False,
    data_dir: DataDirOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Trade one goal of a portfolio against another: a front of proven plans, its knee, the price of each step.

    Example: dcsite pareto scenarios/portfolio.toml --x cost --y carbon --points 7
    """
    from dcsite.cli.files import scenario_path
    from dcsite.data.scenario_file import load_scenario
    from dcsite.data.tables import load_tables
    from dcsite.optimize.front import front_scenario
    from dcsite.report.export import format_of, write_report
    from dcsite.report.fronts import front_report
    from dcsite.study import front as fronts
    from dcsite.study import portfolio

    asked = portfolio.with_solver(
        load_scenario(scenario_path(scenario)), gap=gap, time_limit_s=time_limit, node_limit=node_limit
    )
    front_scenario(asked, x, y)
    files = list(out or ())
    refuse_files(files, force=force)
    tables = load_tables(data_dir)
    evaluation = fronts.evaluate_front(asked, tables, x, y)
    with Progress("front") as told:
        found = fronts.pareto(asked, evaluation, x=x, y=y, points=points, progress=told.step)
    report = front_report(found)
    for path in files:
        whole = format_of(path) in ("html", "pdf")
        made = fronts.page_of(found, asked, tables, evaluation) if whole else found
        for written in write_report(made, path, evaluation=evaluation if whole else None, force=force):
            say(f"wrote {written}")
    emit_result(found, text_of(report.tables[:1], report.notes), output_format, None, title=asked.title)
    if not found.proven:
        _unproven("the front", [number + 1 for number, point in enumerate(found.points) if not point.proven])


def _unproven(what: str, numbers: list[int]) -> None:
    """Leave with exit code 4.

    Raises
    ------
    LimitReachedError
        Always.
    """
    from dcsite.errors import LimitReachedError

    where = f": number {', '.join(map(str, numbers))}" if numbers else ""
    message = f"a limit stopped the proof of {what}{where}"
    raise LimitReachedError(message, hint="raise --time-limit or accept a larger --gap")


def alternatives(
    source: Annotated[
        Path, typer.Argument(metavar="SCENARIO|RUN", help="Scenario file, or folder of optimize --out RUN.")
    ],
    within: Annotated[str, typer.Option("--within", help="How much dearer they may be: 2% or 0.02.")] = "2%",
    count: Annotated[int, typer.Option("--count", help="How many at most.")] = 5,
    distance: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            "--distance", help="Sites that each must drop of every earlier one; default: as many as can be."
        ),
    ] = None,
    hamming: Annotated[
        bool, typer.Option("--hamming", help="Count sites that enter as well as sites that leave.")
    ] = False,
    gap: GapOption = None,
    time_limit: TimeOption = None,
    node_limit: NodesOption = None,
    output_format: FormatOption = Format.table,
    out: OutOption = None,
    force: ForceOption = False,
    data_dir: DataDirOption = None,
    verbose: VerboseOption = False,
) -> None:
    """List other portfolios that cost nearly as little and use other sites, with what each gives up.

    Example: dcsite alternatives runs/portfolio --within 2% --count 3
    """
    from dcsite.errors import UsageError
    from dcsite.report.fronts import alternatives_report
    from dcsite.study import front as fronts

    share = fronts.share_of(within)
    for option, value in (("--count", count), ("--distance", distance)):
        if value is not None and value < 1:
            message = f"{option} {value}: must be at least 1"
            raise UsageError(message)
    if out is not None and out.suffix:
        refuse_files([out], force=force)
    plan = _plan_of(source, data_dir, gap, time_limit, node_limit)
    with Progress("alternatives") as told:
        found = fronts.alternatives(
            plan,
            within=share,
            count=count,
            distance=distance,
            measure="hamming" if hamming else "dropped",
            progress=told.step,
        )
    report = alternatives_report(found)
    text = text_of(report.tables, report.notes)
    emit_result(found, text, output_format, out, title=plan.scenario.title, force=force)
    if not found.proven:
        _unproven(
            "the alternatives", [n + 1 for n, one in enumerate(found.found) if one.plan.status != "optimal"]
        )


def _plan_of(
    source: Path,
    data_dir: Path | None,
    gap: float | None,
    time_limit: float | None,
    node_limit: int | None,
) -> "Plan":
    """Plan of a run folder, or of a scenario that is solved now; solver settings replace those stated.

    Raises
    ------
    LimitReachedError
        If a limit stopped the solver before it had a plan to compare with.
    """
    from dataclasses import replace

    from dcsite.cli.files import scenario_path
    from dcsite.data.scenario_file import load_scenario
    from dcsite.errors import LimitReachedError
    from dcsite.study import portfolio

    if source.is_dir():
        plan = restored(source, data_dir)
        asked = portfolio.with_solver(plan.scenario, gap=gap, time_limit_s=time_limit, node_limit=node_limit)
        plan = replace(plan, scenario=asked)
    else:
        asked = portfolio.with_solver(
            load_scenario(scenario_path(source)), gap=gap, time_limit_s=time_limit, node_limit=node_limit
        )
        _, evaluation = facts_of(asked, data_dir)
        with Progress("optimize") as told:
            plan = portfolio.optimize(asked, evaluation, progress=told.step)
    if plan.solution is None:
        message = "stopped by a limit before a plan was found to compare with"
        raise LimitReachedError(message, hint="raise --time-limit")
    return plan


def diff(
    first: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of optimize --out RUN.")],
    second: Annotated[Path, typer.Argument(metavar="RUN", help="The run that it is compared with.")],
    output_format: FormatOption = Format.table,
    out: OutOption = None,
    force: ForceOption = False,
) -> None:
    """Compare two runs: who moved and why, cost by parts, changed scenario keys, data and limits.

    Example: dcsite diff runs/before runs/after
    """
    from dcsite.study.differences import diff as compare
    from dcsite.study.runs import read_run

    if out is not None and out.suffix:
        refuse_files([out], force=force)
    found = compare(read_run(first), read_run(second))
    report = found.report()
    shown = [table for table in report.tables if table.name not in ("sites", "limits", "scenario", "data")]
    text = "".join(_lines(report.notes)) + "\n" + text_of(shown, ())
    emit_result(report, text, output_format, out, title=found.title, force=force)


def _lines(sentences: "Sequence[str]") -> list[str]:
    from dcsite.report.terminal import bullet

    return [bullet(sentence, width()) for sentence in sentences]
