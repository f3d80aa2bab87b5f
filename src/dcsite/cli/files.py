"""Commands around files: ``report``, ``init``, ``validate``, ``schema``, ``demo``."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from dcsite.cli import complete
from dcsite.cli.options import (
    DataDirOption,
    ForceOption,
    Format,
    VerboseOption,
)
from dcsite.cli.output import say, width, write_text
from dcsite.cli.progress import Progress

if TYPE_CHECKING:
    from dcsite.data.tables import Tables
    from dcsite.report.frames import Report

SCHEMA_NAME = "dcsite-scenario.schema.json"
DEMO_SITES = ("us-quincy-wa", "us-plano-tx", "is-keflavik")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("report")(report)
    app.command("init")(init)
    app.command("validate")(validate)
    app.command("schema")(schema)
    app.command("demo")(demo)


def report(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|SCENARIO", help="Run folder, scenario file, or a shipped scenario's name."
        ),
    ],
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            help="html,csv,json,md,geojson,gpkg,xlsx,parquet,pdf,svg; several with commas.",
            autocompletion=complete.report_formats,
        ),
    ] = "html",
    out: Annotated[
        Optional[Path],  # noqa: UP045  (typer reads it at run time on 3.11)
        typer.Option(
            "--out", "-o", help="File, or folder for several formats; default beside the source's name."
        ),
    ] = None,
    compare: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--compare",
            help="Sites to put side by side: quincy,plano,keflavik.",
            autocompletion=complete.site_list,
        ),
    ] = None,
    title: Annotated[str, typer.Option("--title", help="Title instead of the scenario's.")] = "",
    plain: Annotated[
        bool, typer.Option("--plain", help="Without spectrum and rank acceptability (faster).")
    ] = False,
    solve_again: Annotated[
        bool,
        typer.Option(
            "--solve-again",
            help="Find the worth of a run's binding limits by solving one step on too (slow).",
        ),
    ] = False,
    force: ForceOption = False,
    data_dir: DataDirOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Write a run or a scenario as files that people hand on: page, workbook, PDF, map layers.

    A scenario is evaluated and ranked; a run folder also brings its plan.

    Example: dcsite report scenarios/quincy_plano_iceland.toml --format html,xlsx --out reports
    """
    from dcsite.data.tables import load_tables
    from dcsite.report.export import format_of, write_report
    from dcsite.report.plain import refuse_existing

    names = [name.strip() for name in formats.split(",") if name.strip()] or ["html"]
    names = [format_of(Path("x"), name) for name in dict.fromkeys(names)]
    folder = len(names) > 1 or (out is not None and (out.is_dir() or not out.suffix))
    if out is not None:
        target = out
    elif source.is_dir():
        target = source if len(names) > 1 else source / f"report.{names[0]}"
    else:
        target = Path(f"{source.stem}_report") if len(names) > 1 else Path(f"{source.stem}.{names[0]}")
    for path in [target / f"report.{name}" for name in names] if folder else [target]:
        refuse_existing(path, force=force)
    tables = load_tables(data_dir)
    pictures = not plain and bool({"html", "pdf", "svg", "xlsx"} & set(names))
    with Progress("report") as told:
        told.step("gathering")
        made = _report_of(source, tables, compare, title, pictures=pictures, solve_again=solve_again)
    for path in write_report(made, target, names if folder else names[0], force=force):
        say(f"wrote {path}")


def _report_of(
    source: Path, tables: "Tables", compared: str | None, title: str, *, pictures: bool, solve_again: bool
) -> "Report":
    from dcsite.data.scenario_file import load_scenario
    from dcsite.errors import DcsiteError
    from dcsite.report.frames import Report
    from dcsite.study.candidates import site_names
    from dcsite.study.evaluating import evaluate
    from dcsite.study.reporting import scenario_report

    plan: Any = None
    kept: Any = None
    notes: list[str] = []
    sums: dict[str, str] = {}
    if source.is_dir():
        from dcsite.study.runs import read_run

        run = read_run(source)
        scenario, plan, kept = run.scenario, run.plan, run
        sums = dict(run.manifest.get("data_checksums", {}))
    else:
        scenario = load_scenario(scenario_path(source))
    try:
        evaluation = evaluate(scenario, tables)
    except DcsiteError as error:
        if plan is None:
            raise
        notes.append(f"The plan stands alone: its scenario cannot be evaluated here ({error.message}).")
        return Report(title or scenario.title, plan=plan, notes=tuple(notes))
    changed = sorted(name for name, value in sums.items() if evaluation.checksums.get(name, value) != value)
    if changed:
        notes.append(
            f"Tables changed since the run was made ({', '.join(changed)}): the plan is that of the run, the "
            "rankings are of today."
        )
    elif kept is not None and kept.values and scenario.limits.n_minus_1 is None:
        from dcsite.study.portfolio import restore

        plan = restore(
            kept, evaluation
        )  # with the values of the run, so that limits can be given their worth
    named = [name.strip() for name in (compared or "").split(",") if name.strip()]
    ids = site_names(tables, named, evaluation.sites.reset_index(drop=True))
    made = scenario_report(
        scenario,
        tables,
        evaluation=evaluation,
        plan=plan,
        compared=ids,
        title=title,
        pictures=pictures,
        solve_again=solve_again,
    )
    return replace(made, notes=(*notes, *made.notes))


def scenario_path(source: Path) -> Path:
    """The file itself, or the shipped scenario of that name."""
    from dcsite.data.catalog import find_scenarios

    if source.exists() or source.parent != Path():
        return source
    shipped = find_scenarios()
    for name in (source.name, f"{source.name}.toml"):
        if shipped is not None and (shipped / name).is_file():
            return shipped / name
    return source


SCENARIO_TEXT = """#:schema ./{schema}
# A scenario of dcsite: one question, with every limit and assumption. Keys left out take their defaults.
#   dcsite validate {name}
#   dcsite report {name}
#   dcsite optimize {name} --out runs/{stem}
format = 1
title = "{stem}"
discount_rate = 0.08                     # per year, before tax
horizon_years = 15                       # life of shell and plant
rules = "us-2026-01"                     # export rules on accelerators; "none" leaves them out
operator_hq = "USA"                      # whose rules these are (ISO3)
electricity_basis = "delivered_ex_tax"   # or delivered_mixed, delivered_all_in
# subsidy_removed = true                 # cost of supply instead of subsidized tariffs
# by = 2029                              # power needed by this year

[sites]
catalog = "world"                        # 245 places; "none" takes only your own
# file = "my_sites.csv"                  # name, lat, lon and what you know better
# only = ["quincy", "plano", "keflavik"] # ids, or any clear part of id or name
# exclude = ["ashburn"]
# where = {{ country = "USA" }}
default_grid_mw = 200                    # where no limit is known; listed as an assumption

# [[sites.override]]                     # what you know better about one site
# id = "us-quincy-wa"
# grid_mw = 350
# price_usd_per_mwh = 41.5

[[workloads]]
name = "cloud"
profile = "cloud"                        # dcsite profiles list
it_mw = 100                              # rated IT power; energy = rated x load factor
users = "world"                          # or north-america, europe, ..., "USA,CAN", or a CSV file
max_rtt_ms = 60                          # round trip that the covered share must have
coverage = 0.8                           # share of demand within max_rtt_ms
min_block_mw = 20                        # no slivers

[[workloads]]
name = "training"
profile = "ai-training"
it_mw = 100
min_block_mw = 50

# [[workloads]]
# name = "mining"
# profile = "crypto"
# it_mw = 50
# break_even_usd_per_mwh = 95            # runs in the hours below it
# optional = true                        # only where it earns

[limits]
max_sites = 6
# budget_usd = 4.0e9
# carbon_kg_per_mwh = 150                # per MWh of IT energy, cooling included
# n_minus_1 = "site"                     # survive the loss of any one site

[solver]
gap = 0.001                              # proven distance from the best
time_limit_s = 60
"""


def init(
    name: Annotated[Path, typer.Argument(help="File to write; .toml is added.")] = Path("scenario.toml"),
    force: ForceOption = False,
) -> None:
    """Write a commented scenario to start from, and the schema that editors complete it with.

    Example: dcsite init my_question
    """
    import json

    from dcsite.report.plain import refuse_existing
    from dcsite.spec.schemas import scenario_schema

    target = name if name.suffix == ".toml" else name.with_name(f"{name.name}.toml")
    text = SCENARIO_TEXT.format(schema=SCHEMA_NAME, name=target.name, stem=target.stem.replace('"', ""))
    refuse_existing(target, force=force)
    write_text(text, target, force=force)
    schema_file = target.with_name(SCHEMA_NAME)
    body = json.dumps(scenario_schema(), indent=1, ensure_ascii=False) + "\n"
    if not schema_file.is_file() or schema_file.read_text(encoding="utf-8") != body:
        write_text(body, schema_file, force=True)


def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Scenario files.")],
    output_format: Annotated[Format, typer.Option("--format", "-f", help="table or json.")] = Format.table,
    data_dir: DataDirOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Check scenarios: keys, values, profiles, technologies and the names of sites; all faults at once.

    Example: dcsite validate scenarios/quincy_plano_iceland.toml
    """
    import json

    from dcsite.data.tables import load_tables
    from dcsite.errors import DcsiteError, ScenarioError
    from dcsite.study.checking import check_scenario

    tables = load_tables(data_dir)
    reports: list[dict[str, Any]] = []
    faults: list[DcsiteError] = []
    for file in files:
        try:
            reports.append({"file": str(file), "ok": True, **check_scenario(scenario_path(file), tables)})
        except DcsiteError as error:
            faults.append(error)
            problems = [str(problem) for problem in error.problems] or [error.message]
            reports.append({"file": str(file), "ok": False, "problems": problems})
    if output_format is Format.json:
        document = {"schema": "dcsite.validate/1", "files": reports}
        write_text(json.dumps(document, indent=1, ensure_ascii=False), None)
    else:
        lines = [
            f"{entry['file']}: ok: {entry['workloads']} workloads, {entry['sites']} candidate sites"
            for entry in reports
            if entry["ok"]
        ]
        if lines:
            write_text("\n".join(lines), None)
    if len(faults) == 1:
        raise faults[0]
    if faults:
        message = "\n".join(str(error) for error in faults)
        raise ScenarioError(message)


def schema(
    which: Annotated[
        str,
        typer.Argument(
            metavar="[scenario|profile|report]",
            help="Which schema.",
            autocompletion=complete.words("scenario", "profile", "report"),
        ),
    ] = "scenario",
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", "-o", help="Write to this file instead of stdout."),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Print a JSON schema: of scenario files, of profiles, or of the JSON that reports write.

    Example: dcsite schema --out dcsite-scenario.schema.json
    """
    import json

    from dcsite.errors import UsageError

    if which == "scenario":
        from dcsite.spec.schemas import scenario_schema as found
    elif which == "profile":
        from dcsite.spec.schemas import profile_schema as found
    elif which == "report":
        from dcsite.report.export import json_schema as found
    else:
        message = f"no schema is named '{which}'"
        raise UsageError(message, hint="scenario, profile or report")
    write_text(json.dumps(found(), indent=1, ensure_ascii=False), out, force=force)


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the run.")] = Path("runs/demo"),
    output_format: Annotated[Format, typer.Option("--format", "-f", help="table or json.")] = Format.table,
    force: ForceOption = False,
    data_dir: DataDirOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Run the shipped sample from question to plan: evaluate, rank, compare, optimize, write run and report.

    Example: dcsite demo --out runs/demo
    """
    import json

    from dcsite.data.catalog import find_scenarios
    from dcsite.data.tables import load_tables
    from dcsite.errors import DataError
    from dcsite.report.plain import refuse_existing
    from dcsite.study.demo import run_demo

    folder = find_scenarios()
    if folder is None:
        message = "the shipped scenarios are missing"
        raise DataError(message, hint="reinstall dcsite")
    refuse_existing(out, force=force)
    tables = load_tables(data_dir)
    text, paths = run_demo(
        folder / "portfolio.toml", tables, out, compared=DEMO_SITES, force=force, tell=say, width=width()
    )
    page = next(path for path in paths if path.name == "report.html")
    if output_format is Format.json:
        document = {
            "schema": "dcsite.demo/1",
            "run": str(out),
            "report": str(page),
            "files": [str(path) for path in paths],
        }
        write_text(json.dumps(document, indent=1, ensure_ascii=False), None)
        return
    write_text(f"{text}\nThe report: {page}", None)
