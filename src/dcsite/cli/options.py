"""Options that several commands share, declared once. Light: no heavy import."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Optional

import typer


class Format(StrEnum):
    """Output formats of a result on stdout."""

    table = "table"
    json = "json"
    csv = "csv"
    md = "md"


FormatOption = Annotated[Format, typer.Option("--format", "-f", help="What to print on stdout.")]
OutOption = Annotated[
    Optional[Path],  # noqa: UP045  (typer reads it at run time on 3.11)
    typer.Option("--out", "-o", help="Write to this file or folder instead of stdout."),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")]
DataDirOption = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--data-dir", help="Folder whose tables replace shipped ones one by one."),
]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Say on stderr what is done.")]
ProfileOption = Annotated[
    str, typer.Option("--profile", "-p", help="Workload profile (dcsite profiles list).")
]
UsersOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--users", help="Market: world, north-america, europe, ..., ISO3 codes, or a CSV file."),
]
WeightsOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--weights",
        help="Own weights: price=40,water=20,cooling=25,latency=15; or judgments of pairs: price/water=3,...",
    ),
]
SitesOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--sites", help="Own sites: CSV, GeoJSON, GeoPackage or GeoParquet with lat, lon."),
]
AtOption = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--at", help="A point LAT,LON[,NAME]; repeatable."),
]
ScenarioOption = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--scenario", "-s", help="Scenario file: its sites, workloads and assumptions."),
]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of random draws.")]
