"""Commands over many scenarios and many cells: ``sweep``, ``screen``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from dcsite.cli.options import DataDirOption, Format, FormatOption, SeedOption
from dcsite.cli.output import emit_table, say, width, write_text

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from dcsite.batch.sweep import Sweep

STATUS = "status"
QUIET_S = 2.0
STEP_S = 10.0


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("sweep")(sweep)


def progress_on_stderr(what: str) -> "Callable[[int, int], None]":
    """Count on stderr once two seconds have passed: in place on a terminal, every ten seconds elsewhere."""
    import time

    start = time.monotonic()
    last = [start]

    def told(done: int, planned: int) -> None:
        now = time.monotonic()
        live = sys.stderr.isatty()
        if now - start < QUIET_S or (now - last[0] < (0.2 if live else STEP_S) and done < planned):
            return
        last[0] = now
        rate = done / (now - start)
        text = f"{what}: {done:,} of {planned:,}, {(planned - done) / rate:,.0f} s left"
        end = "\n" if done == planned or not live else ""
        sys.stderr.write(f"\r{text}{end}" if live else f"{text}\n")
        sys.stderr.flush()

    return told


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
    do: Annotated[str, typer.Option("--do", help="In each run: rank, optimize or both.")] = "rank",
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Processes on this machine.")] = 1,
    scheduler: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--scheduler", help="A running Dask scheduler: tcp://HOST:8786."),
    ] = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", "-o", help="Run folder: tasks, tables, picture; a killed run goes on from it."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    top: Annotated[int, typer.Option("--top", min=1, help="Rows to print per table.")] = 20,
    output_format: FormatOption = Format.table,
    data_dir: DataDirOption = None,
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
    from dcsite.batch.sweep import sweep as sweep_scenario
    from dcsite.data.scenario_file import load_scenario

    found = sweep_scenario(
        load_scenario(scenario),
        settings or [],
        samples=samples,
        seed=seed,
        do=do,
        jobs=jobs,
        scheduler=scheduler,
        out=out,
        resume=resume,
        data_dir=data_dir,
        progress=progress_on_stderr("runs"),
    )
    if out is not None:
        say(f"wrote {out}")
    _show(found, output_format, top)


def _show(found: "Sweep", output_format: Format, top: int) -> None:
    """Print the tables of a sweep."""
    import pandas as pd

    from dcsite.report.frames import frame_table
    from dcsite.report.terminal import heading, table_text

    note = f"{found.finished:,} of {found.planned:,} runs are finished."
    bad = found.runs[found.runs["problem"].astype("str") != ""] if len(found.runs) else pd.DataFrame()
    if len(bad):
        note += (
            f" In {bad['run'].nunique():,} something could not be done; the first: {bad['problem'].iloc[0]}"
        )
    if output_format is not Format.table:
        emit_table(frame_table(found.runs, "runs", "Runs"), output_format, None)
        say(note)
        return
    parts = []
    if len(found.runs):
        columns = ["name", "workload", "winner_site_id", "score", "second_site_id", "lead"]
        columns += [
            name
            for name in ("plan_status", "plan_objective_usd_per_year", "plan_sites")
            if name in found.runs
        ]
        parts.append((f"Runs{_first(found.runs, top)}", found.runs[columns]))
    for workload, part in found.movers.groupby("workload", sort=False):
        title = f"Who moves, {workload}{_first(part, top)}; no rank: beyond the first {found.kept}"
        parts.append((title, part.drop(columns=["workload", "runs_count"])))
    if len(found.plan_sites):
        parts.append((f"Sites of the optimal portfolios{_first(found.plan_sites, top)}", found.plan_sites))
    texts = [
        f"{heading(title)}{table_text(frame_table(part.head(top), 'sweep', title), width())}"
        for title, part in parts
    ]
    write_text("\n".join(texts), None)
    say(note)


def _first(frame: "pd.DataFrame", top: int) -> str:
    return f" (first {top} of {len(frame):,})" if len(frame) > top else ""
