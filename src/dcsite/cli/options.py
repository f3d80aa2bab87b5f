"""Options that several commands share, declared once, with what the shell completes. Light: no heavy import."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from dcsite.cli import complete
from dcsite.cli.progress import log_to_stderr


class Format(StrEnum):
    """Output formats of a result on stdout."""

    table = "table"
    json = "json"
    csv = "csv"
    md = "md"


# --- where the result goes -----------------------------------------------------------------------------

FormatOption = Annotated[Format, typer.Option("--format", "-f", help="What to print on stdout.")]
OutOption = Annotated[
    Optional[Path],  # noqa: UP045  (typer reads it at run time on 3.11)
    typer.Option(
        "--out", "-o", help="Write to this file, folder or postgresql://...?table=NAME instead of stdout."
    ),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")]
ChartOption = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--chart", help="Also draw it: a file ending in .svg."),
]
TopOption = Annotated[int, typer.Option("--top", min=1, help="Rows to print.")]
VerboseOption = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="Say on stderr what is done.", callback=log_to_stderr),
]

# --- what the load is ----------------------------------------------------------------------------------

ProfileOption = Annotated[
    str,
    typer.Option(
        "--profile",
        "-p",
        help="Workload profile (dcsite profiles list).",
        autocompletion=complete.profiles,
    ),
]
ProfilesOption = Annotated[
    str,
    typer.Option(
        "--profile",
        "-p",
        help="Workload profiles: cloud,ai-training (dcsite profiles list).",
        autocompletion=complete.profiles,
    ),
]
MwOption = Annotated[
    Optional[float],  # noqa: UP045
    typer.Option("--mw", help="Rated IT power that one site must carry [MW]; default 100."),
]
ByOption = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option("--by", help="Year by which power is needed."),
]
UsersOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--users",
        help="Market: world, north-america, europe, ..., ISO3 codes, or a CSV file.",
        autocompletion=complete.markets,
    ),
]
WeightsOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--weights",
        help="Own weights: price=40,water=20,cooling=25,latency=15; or judgments of pairs: price/water=3,...",
    ),
]
TechnologyOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--technology",
        help="One cooling technology instead of the best of each site.",
        autocompletion=complete.technologies,
    ),
]
RULES: Any = typer.Option(
    "--rules",
    help="Export rule set: us-2026-01 (default), us-2023-10, us-2025-diffusion, your own, none.",
    autocompletion=complete.rule_sets,
    show_default=False,
)
OPERATOR: Any = typer.Option(
    "--operator-hq",
    help="Country of the operator's headquarters (ISO3), default USA.",
    autocompletion=complete.countries,
    show_default=False,
)
SubsidyOption = Annotated[
    bool, typer.Option("--subsidy-removed", help="Cost of supply instead of subsidized tariffs.")
]
AllowRiskOption = Annotated[bool, typer.Option("--allow-risk", help="Keep what the risk filter drops.")]
ScenarioOption = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--scenario", "-s", help="Scenario file: its sites, workloads and assumptions."),
]
WorkloadOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--workload", help="Workload of the scenario; default the first that fits."),
]

# --- which places --------------------------------------------------------------------------------------

SitesArgument = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Argument(
        metavar="[SITES]...",
        help="Sites by id or part of their name; default all.",
        autocompletion=complete.sites,
    ),
]
SiteArgument = Annotated[
    str,
    typer.Argument(
        metavar="SITE", help="Site by id or an unambiguous part of id or name.", autocompletion=complete.sites
    ),
]
MaybeSiteArgument = Annotated[
    Optional[str],  # noqa: UP045
    typer.Argument(
        metavar="[SITE]",
        help="Site by id or an unambiguous part of id or name.",
        autocompletion=complete.sites,
    ),
]
SitesOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--sites",
        help="Own sites: CSV, GeoJSON, GeoPackage or GeoParquet with lat, lon, or postgresql://...?table=NAME.",
    ),
]
AtOption = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--at", help="A point LAT,LON[,NAME]; repeatable."),
]
WhereOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--where", help="Keep sites that fit: country=USA|CAN,tag=ai."),
]

# --- how it is computed --------------------------------------------------------------------------------

DataDirOption = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--data-dir", help="Folder whose tables replace shipped ones one by one."),
]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of random draws.")]
JobsOption = Annotated[int, typer.Option("--jobs", "-j", help="Processes on this machine.")]
SchedulerOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--scheduler", help="A running Dask scheduler: tcp://HOST:8786."),
]
