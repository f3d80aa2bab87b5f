"""Commands over many scenarios and many cells: ``sweep``, ``screen``."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from dcsite.cli import complete
from dcsite.cli.options import (
    AllowRiskOption,
    ByOption,
    ChartOption,
    DataDirOption,
    ForceOption,
    Format,
    FormatOption,
    JobsOption,
    ProfilesOption,
    ScenarioOption,
    SchedulerOption,
    SeedOption,
    UsersOption,
    VerboseOption,
    WeightsOption,
)
from dcsite.cli.output import emit_result, say, width, write_chart, write_text
from dcsite.cli.progress import Progress

if TYPE_CHECKING:
    import pandas as pd

    from dcsite.batch.cells import Source
    from dcsite.batch.screen import Screen
    from dcsite.batch.sweep import Sweep
    from dcsite.data.tables import Tables
    from dcsite.optimize.plan import Plan

STATUS = "status"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("sweep")(sweep)
    app.command("screen")(screen)


def sweep(
    scenario: Annotated[
        Path, typer.Argument(metavar="SCENARIO | status", help="Scenario file; or: status RUN.")
    ],
    run: Annotated[
        Optional[Path],  # noqa: UP045  (typer reads it at run time on 3.11)
        typer.Argument(metavar="[RUN]", help="Run folder, after 'status'."),
    ] = None,
    settings: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--set", help="KEY=VALUES: carbon_price=0,50,100, limits.max_sites=2..8; repeatable."),
    ] = None,
    samples: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--samples", help="Draw this many settings instead of the full grid."),
    ] = None,
    seed: SeedOption = 0,
    do: Annotated[
        str,
        typer.Option(
            "--do",
            help="In each run: rank, optimize or both.",
            autocompletion=complete.words("rank", "optimize", "both"),
        ),
    ] = "rank",
    tornado: Annotated[
        bool,
        typer.Option(
            "--tornado",
            help="One at a time: both ends of every --set, or of each assumption of the register with a range; "
            "optimizes the portfolio at each.",
        ),
    ] = False,
    jobs: JobsOption = 1,
    scheduler: SchedulerOption = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", "-o", help="Run folder: tasks, tables, picture; a killed run goes on from it."),
    ] = None,
    chart: ChartOption = None,
    force: ForceOption = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    top: Annotated[int, typer.Option("--top", min=1, help="Rows to print per table.")] = 20,
    output_format: FormatOption = Format.table,
    data_dir: DataDirOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Run a scenario under many settings: who wins, who moves, what the plans have in common.

    Example: dcsite sweep scenarios/portfolio.toml --set carbon_price=0,50,100 --jobs 2 --out runs/carbon
    """
    from dcsite.errors import UsageError

    if str(scenario) == STATUS:
        if run is None:
            message = "sweep status needs the run folder"
            raise UsageError(message, hint="dcsite sweep status RUN")
        from dcsite.batch.sweep import read_sweep

        _show(read_sweep(run), output_format, top)
        return
    if run is not None:
        message = f"sweep: unexpected argument '{run}'"
        raise UsageError(message, hint="dcsite sweep SCENARIO --set KEY=VALUES, or dcsite sweep status RUN")
    if resume and out is None:
        message = "--resume needs --out RUN"
        raise UsageError(message)
    from dcsite.batch.sweep import register_axes, sweep_svg, tornado_svg
    from dcsite.batch.sweep import sweep as sweep_scenario
    from dcsite.data.scenario_file import load_scenario
    from dcsite.data.tables import load_tables

    asked = load_scenario(scenario)
    varied: Any = settings or []
    if tornado and not varied:
        varied = register_axes(asked, load_tables(data_dir))
    with Progress("runs") as told:
        found = sweep_scenario(
            asked,
            varied,
            samples=samples,
            seed=seed,
            alone=tornado,
            do="optimize" if tornado and do == "rank" else do,
            jobs=jobs,
            scheduler=scheduler,
            out=out,
            resume=resume,
            data_dir=data_dir,
            progress=told.count,
        )
    if out is not None:
        say(f"wrote {out}")
    pictured = len(found.tornado) or len(found.movers) or len(found.plan_sites)
    picture = tornado_svg(found) if len(found.tornado) else sweep_svg(found) if pictured else None
    write_chart(picture, chart, force=force)
    _show(found, output_format, top)


def _show(found: "Sweep", output_format: Format, top: int) -> None:
    """Print the tables of a sweep."""
    import pandas as pd

    from dcsite.batch.sweep import run_name
    from dcsite.report.frames import frame_table
    from dcsite.report.terminal import heading, table_text

    note = f"{found.finished:,} of {found.planned:,} runs are finished."
    bad = found.runs[found.runs["problem"].astype("str") != ""] if len(found.runs) else pd.DataFrame()
    if len(bad):
        note += (
            f" In {bad['run'].nunique():,} something could not be done; the first: {bad['problem'].iloc[0]}"
        )
    if output_format is not Format.table:
        tables = [
            frame_table(frame, name, title)
            for name, title, frame in (
                ("tornado", "What moves the portfolio, one at a time", found.tornado),
                ("runs", "Runs", found.runs),
                ("movers", "Who moves", found.movers),
                ("plan_sites", "Sites of the optimal portfolios", found.plan_sites),
            )
            if len(frame)
        ]
        emit_result(tables, "", output_format, None, title="Sweep")
        say(note)
        return
    parts = []
    if len(found.tornado):
        now = float(found.tornado["at_value_usd_per_year"].iloc[0]) / 1e6
        title = (
            "What moves the cost of the best portfolio, one at a time, now "
            f"{now:,.2f} M USD/year{_first(found.tornado, top)}"
        )
        short = found.tornado.drop(columns=["at_value_usd_per_year", "sites_at_low", "sites_at_high"])
        short["sites_moved"] = [
            " | ".join(words if words == "no plan" else str(len(words.split())) for words in ends)
            for ends in zip(found.tornado["sites_at_low"], found.tornado["sites_at_high"], strict=True)
        ]
        parts.append((title, short))
    elif len(found.runs):
        ranked = found.runs["winner_site_id"].fillna("").astype(str).ne("").any()
        ranks = ["workload", "winner_site_id", "score", "second_site_id", "lead"]
        columns = [*found.axes, *(ranks if ranked else [])]
        columns += [
            name
            for name in ("plan_status", "plan_objective_usd_per_year", "plan_sites")
            if name in found.runs
        ]
        shown = found.runs[columns].assign(
            **{
                axis: [run_name({axis: value}).partition("=")[2] for value in found.runs[axis]]
                for axis in found.axes
            }
        )
        parts.append((f"Runs{_first(found.runs, top)}", shown))
    for workload, part in found.movers.groupby("workload", sort=False):
        title = f"Who moves, {workload}{_first(part, top)}; no rank: beyond the first {found.kept}"
        parts.append((title, part.drop(columns=["workload", "runs_count"])))
    if len(found.plan_sites) and not len(found.tornado):
        parts.append((f"Sites of the optimal portfolios{_first(found.plan_sites, top)}", found.plan_sites))
    texts = [
        f"{heading(title)}{table_text(frame_table(part.head(top), 'sweep', title), width())}"
        for title, part in parts
    ]
    write_text("\n".join(texts), None)
    say(note)


def _first(frame: "pd.DataFrame", top: int) -> str:
    return f" (first {top} of {len(frame):,})" if len(frame) > top else ""


def screen(
    country: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--country",
            help="H3 cells of this country (ISO3 or name); all land without it.",
            autocompletion=complete.countries,
        ),
    ] = None,
    resolution: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--resolution", help="H3 resolution, 0 to 10 (extra: grid)."),
    ] = None,
    grid: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--grid",
            help="us-counties, or admin1 units of the world.",
            autocompletion=complete.words("us-counties", "admin1"),
        ),
    ] = None,
    box: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--box", help="S,W,N,E in degrees; W above E crosses the antimeridian."),
    ] = None,
    step: Annotated[float, typer.Option("--step", help="Spacing of the cells of a box [degrees].")] = 0.1,
    cells: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--cells",
            help="Own cells: CSV, GeoPackage, GeoJSON or GeoParquet, or postgresql://...?table=NAME.",
        ),
    ] = None,
    profile: ProfilesOption = "cloud",
    scenario: ScenarioOption = None,
    users: UsersOption = None,
    weights: WeightsOption = None,
    by: ByOption = None,
    allow_risk: AllowRiskOption = False,
    top: Annotated[int, typer.Option("--top", min=1, help="Best cells to list.")] = 20,
    apart_km: Annotated[
        float, typer.Option("--apart-km", help="Least distance between listed cells [km].")
    ] = 0.0,
    jobs: JobsOption = 1,
    scheduler: SchedulerOption = None,
    run: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--run", help="Folder that keeps finished tiles; a killed run goes on from it."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --run.")] = False,
    output_format: FormatOption = Format.table,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--out",
            "-o",
            help="All scored cells: .csv, .parquet, .gpkg, .html (map) or postgresql://...?table=NAME.",
        ),
    ] = None,
    best: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--best", help="The listed cells as a CSV of sites, for rank --sites or a scenario."),
    ] = None,
    optimize: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--optimize", help="Also choose a portfolio of --scenario from the cells: its run folder."
        ),
    ] = None,
    keep: Annotated[
        int, typer.Option("--keep", min=1, help="Best cells per price zone that become candidates.")
    ] = 1,
    bound_cells: Annotated[
        int, typer.Option("--bound-cells", min=0, help="Left-out cells up to which their worth is bounded.")
    ] = 4000,
    force: ForceOption = False,
    data_dir: DataDirOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Score every cell of a country, box, grid or file; list the best, apart from each other.

    Example: dcsite screen --box 24,-125,50,-66 --step 0.1 --profile ai-training --top 10 --apart-km 200
    """
    import tempfile

    from dcsite.batch.screen import best_sites_csv
    from dcsite.batch.screen import screen as screen_cells
    from dcsite.cli.ranking import base_scenario, profile_names
    from dcsite.data.tables import load_tables
    from dcsite.errors import UsageError
    from dcsite.study.quick import quick_scenario, weights_of

    if resume and run is None:
        message = "--resume needs --run FOLDER"
        raise UsageError(message)
    if optimize is not None:
        _refuse_plan(optimize, scenario, force=force)
    tables = load_tables(data_dir)
    base = base_scenario(scenario)
    asked = quick_scenario(
        profiles=[] if base else profile_names(tables, profile),
        users=users,
        weights=weights_of(weights),
        base=base,
        by=by,
        allow_risk=allow_risk or None,
    )
    with tempfile.TemporaryDirectory(prefix="dcsite-cells-") as folder:
        beside = Path(folder) if run is None else run.with_name(f"{run.name}.cells")
        source = _source(tables, country, resolution, grid, box, step, cells, beside)
        with Progress("tiles") as told:
            found = screen_cells(
                asked,
                source,
                top=top,
                apart_km=apart_km,
                jobs=jobs,
                scheduler=scheduler,
                run=run,
                resume=resume,
                cells_out=out,
                force=force,
                keep=None if optimize is None else keep,
                bound_cells=bound_cells,
                data_dir=data_dir,
                progress=told.count,
            )
    if out is not None:
        say(f"wrote {out}")
    if best is not None:
        write_text(best_sites_csv(found), best, force=force)
    if optimize is None:
        _show_screen(found, output_format)
        return
    from dcsite.batch.shortlist import plan_cells
    from dcsite.cli.portfolio import claim
    from dcsite.study.runs import write_run

    made = plan_cells(
        asked,
        tables,
        found.extra["cells"],
        found.extra["scored"],
        _sites_file(optimize),
        force=force,
        progress=say,
    )
    plan = replace(made.plan, notes=(*made.plan.notes, made.words))
    write_run(plan, optimize, force=force, extra={"screen": found.label, "bound": made.bound})
    say(f"wrote {optimize} and {_sites_file(optimize)}")
    _show_screen(found, output_format, plan)
    claim(plan)


def _sites_file(run: Path) -> Path:
    """Where the candidates of a portfolio of cells are written, beside its run folder."""
    return run.with_name(f"{run.name}_sites.csv")


def _refuse_plan(run: Path, scenario: Path | None, *, force: bool) -> None:
    """Check before any work that a portfolio can be made and written."""
    from dcsite.cli.portfolio import refuse_run
    from dcsite.errors import UsageError
    from dcsite.report.plain import refuse_existing
    from dcsite.spec.address import is_address

    if scenario is None:
        message = "--optimize needs --scenario FILE: the loads and limits of the portfolio"
        raise UsageError(message)
    if is_address(run):
        message = "--optimize needs the name of a run folder"
        raise UsageError(message, hint="--out writes the cells to a database")
    refuse_run(run, force=force)
    refuse_existing(_sites_file(run), force=force)


def _source(
    tables: "Tables",
    country: str | None,
    resolution: int | None,
    grid: str | None,
    box: str | None,
    step: float,
    cells: Path | None,
    folder: Path,
) -> "Source":
    """Cells of the one source that was asked for."""
    from dcsite.batch.cells import box_source, file_source, h3_source, table_source
    from dcsite.errors import UsageError

    hint = "--country ISO3 --resolution N, --resolution N, --grid us-counties, --box S,W,N,E --step D, or --cells FILE"
    asked = [resolution is not None, grid is not None, box is not None, cells is not None]
    if sum(asked) != 1:
        message = "screen needs exactly one source of cells"
        raise UsageError(message, hint=hint)
    if country is not None and resolution is None:
        message = "--country needs --resolution"
        raise UsageError(message, hint=hint)
    if resolution is not None:
        return h3_source(tables, country, resolution)
    if grid is not None:
        return table_source(tables, grid)
    if box is not None:
        return box_source(box, step)
    assert cells is not None
    return file_source(cells, folder)


def _show_screen(found: "Screen", output_format: Format, plan: "Plan | None" = None) -> None:
    """Print the best cells, what excluded the others, and the portfolio that was made of them."""
    from dcsite.batch.screen import screen_tables
    from dcsite.report.terminal import heading, paragraph, table_text

    tables: list[Any] = list(screen_tables(found))
    lines = [f"{found.cells:,} cells: {found.label}"]
    lines += [f"{count:,} scored for {name}" for name, count in found.scored.items()]
    if output_format is not Format.table:
        results = tables if plan is None else [plan, *tables]
        emit_result(
            results,
            "",
            output_format,
            None,
            title=found.label,
            evaluation=plan.evaluation if plan is not None else None,
        )
        say("; ".join(lines))
        return
    parts = [f"{heading(table.title)}{table_text(table, width())}" for table in tables]
    parts += [paragraph(note, width()) for note in ("; ".join(lines) + ".", *found.notes)]
    if plan is not None:
        from dcsite.report.terminal import bullet, plan_text

        sites = plan.evaluation.sites if plan.evaluation is not None else None
        parts.append(plan_text(plan, sites=sites, width=width()))
        parts.append("".join(bullet(note, width()) for note in plan.notes))
    write_text("\n".join(parts), None)
