"""Commands that look into the data: ``data list|show|sources|check``, ``sites list|show``."""

from typing import TYPE_CHECKING, Annotated, Optional

import typer

from dcsite.cli import complete
from dcsite.cli.options import (
    OPERATOR,
    AtOption,
    DataDirOption,
    ForceOption,
    Format,
    FormatOption,
    MaybeSiteArgument,
    OutOption,
    SitesOption,
    TopOption,
    VerboseOption,
)
from dcsite.cli.output import emit_table, say, width, write_text

if TYPE_CHECKING:
    import pandas as pd

    from dcsite.data.tables import Tables

data_app = typer.Typer(
    no_args_is_help=True, help="The tables: what there is, where it comes from, whether it is sound."
)
sites_app = typer.Typer(no_args_is_help=True, help="The sites: the catalog, your own, any point.")

WhereOption = Annotated[
    Optional[list[str]],  # noqa: UP045  (typer reads it at run time on 3.11)
    typer.Option("--where", "-w", help="Condition column=value (also != ~ > >= < <=, a|b); repeatable."),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(sites_app, name="sites")
    app.add_typer(data_app, name="data")


def exact(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Numbers as text with all their digits, for printed tables."""
    import numpy as np
    import pandas as pd

    shown = frame.copy()
    for column in shown.columns:
        if pd.api.types.is_float_dtype(shown[column]):
            shown[column] = [
                "" if np.isnan(value) else str(int(value)) if value == int(value) else f"{value:.12g}"
                for value in shown[column]
            ]
    return shown


def emit_rows(
    frame: "pd.DataFrame",
    name: str,
    title: str,
    output_format: Format,
    *,
    out: "OutOption",
    force: bool,
    top: int | None,
) -> None:
    """Write rows: printed tables show the first ``top`` and say so, files hold all."""
    from dcsite.report.frames import frame_table

    printed = out is None and output_format in (Format.table, Format.md)
    if not printed:
        emit_table(frame_table(frame, name, title), output_format, out, force=force)
        return
    shown = frame if top is None else frame.head(top)
    empty = [c for c in shown.columns if (shown[c].astype(str).isin(("", "nan"))).all()] if len(shown) else []
    table = frame_table(exact(shown), name, title, drop=_last_first(list(shown.columns)), hidden=tuple(empty))
    emit_table(table, output_format, None)
    if len(frame) > len(shown):
        say(f"the first {len(shown)} of {len(frame)} rows; --top N shows more, --format csv all")


def _last_first(columns: list[str]) -> tuple[str, ...]:
    """Columns that a narrow terminal leaves out: notes and sources first, the first three never."""
    late = [
        c for c in columns[3:] if c in ("note", "source_id", "quality", "year") or c.endswith("_source_id")
    ]
    return (*late, *(c for c in reversed(columns[3:]) if c not in late))


# --- data ----------------------------------------------------------------------------------------------


@data_app.command("list")
def data_list(
    output_format: FormatOption = Format.table,
    out: OutOption = None,
    force: ForceOption = False,
    data_dir: DataDirOption = None,
    verbose: VerboseOption = False,
) -> None:
    """List the tables and grids, with rows, size, license and whether they are yours.

    Example: dcsite data list
    """
    from dcsite.data.browse import table_list
    from dcsite.data.tables import load_tables
    from dcsite.report.frames import frame_table

    tables = load_tables(data_dir)
    frame = table_list(tables)
    table = frame_table(
        frame, "tables", f"Tables in {tables.shipped.path.name}/", drop=("license", "origin", "columns")
    )
    where = f"Shipped tables: {tables.shipped.path} ({tables.shipped.found_by})."
    emit_table(table, output_format, out, force=force, note=where)
    if tables.user is not None:
        say(
            f"{int((frame['origin'] == 'user').sum())} of them from {tables.user.path} ({tables.user.found_by})"
        )


@data_app.command("show")
def data_show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="TABLE", help="Name of a table (dcsite data list).", autocompletion=complete.tables
        ),
    ],
    where: WhereOption = None,
    columns: Annotated[bool, typer.Option("--columns", help="What the columns mean, not the rows.")] = False,
    top: TopOption = 20,
    output_format: FormatOption = Format.table,
    out: OutOption = None,
    force: ForceOption = False,
    data_dir: DataDirOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Show the rows of a table, or with --columns what its columns mean.

    Example: dcsite data show retail --where zone_id=US-WA,customer_class=industrial
    """
    import pandas as pd

    from dcsite.data import browse
    from dcsite.data.tables import load_tables

    tables = load_tables(data_dir)
    path = tables.path(name)
    if path.suffix == ".npz":
        rows = [
            {
                "array": key,
                "type": str(values.dtype),
                "shape": " x ".join(map(str, values.shape)),
                "low": float(values.min()),
                "high": float(values.max()),
            }
            for key, values in sorted(tables.grid(name).items())
        ]
        emit_rows(pd.DataFrame(rows), name, f"Grid {name}", output_format, out=out, force=force, top=None)
        return
    if columns:
        emit_rows(
            browse.column_list(tables, name),
            name,
            f"Columns of {name}",
            output_format,
            out=out,
            force=force,
            top=None,
        )
        return
    frame = browse.select_rows(tables.frame(name), where or [])
    emit_rows(frame, name, f"Table {name}", output_format, out=out, force=force, top=top)
    if len(frame) == 0:
        say("no row meets the conditions")


@data_app.command("sources")
def data_sources(
    ids: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(metavar="[ID]...", help="Source ids; all without."),
    ] = None,
    where: WhereOption = None,
    output_format: FormatOption = Format.table,
    out: OutOption = None,
    force: ForceOption = False,
    data_dir: DataDirOption = None,
    verbose: VerboseOption = False,
) -> None:
    """List the sources: publisher, title, year, license, whether rows may be passed on.

    Example: dcsite data sources --where folder=regions
    """
    from dcsite.data import browse
    from dcsite.data.tables import load_tables
    from dcsite.errors import UsageError

    frame = browse.select_rows(load_tables(data_dir).sources(), where or [])
    for wanted in ids or []:
        if wanted not in set(frame["source_id"]):
            message = f"source '{wanted}': not known"
            raise UsageError(message, hint="dcsite data sources lists all")
    if ids:
        frame = frame[frame["source_id"].isin(ids)].reset_index(drop=True)
    order = [
        "source_id",
        "title",
        "publisher",
        "year",
        "license",
        "redistributable",
        "folder",
        "url_or_repository",
        "accessed",
        "attribution",
    ]
    emit_rows(frame[order], "sources", "Sources", output_format, out=out, force=force, top=None)


@data_app.command("check")
def data_check(
    output_format: FormatOption = Format.table,
    out: OutOption = None,
    force: ForceOption = False,
    data_dir: DataDirOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Check the tables (with --data-dir: yours too): keys, references, bounds, sums, sources, licenses.

    Exit code 2 if anything is wrong; each fault names file, line, column and value.
    Example: dcsite data check --data-dir my_tables
    """
    from dcsite.data import check
    from dcsite.data.tables import load_tables
    from dcsite.report.frames import frame_table

    tables = load_tables(data_dir)
    faults, counts = check.check_tables(tables)
    if output_format is not Format.table or out is not None:
        table = frame_table(
            check.faults_frame(faults), "faults", "Faults of the tables", note=check.summary(counts)
        )
        emit_table(table, output_format, out, force=force)
    elif faults:
        lines = [str(fault) for fault in faults[: check.SHOWN_FAULTS]]
        if len(faults) > len(lines):
            lines.append(f"and {len(faults) - len(lines)} more (--format csv lists all)")
        write_text("\n".join([*lines, f"{len(faults)} faults in {check.summary(counts)}"]), None)
    else:
        write_text(f"ok: {check.summary(counts)}", None)
    if faults:
        raise typer.Exit(2)


# --- sites ---------------------------------------------------------------------------------------------

LISTED = (
    "site_id",
    "name",
    "country_iso3",
    "tags",
    "zone_id",
    "water_kind",
    "water_distance_km",
    "water_stress_category",
    "capex_usd_per_w",
    "hazard_index",
    "lat",
    "lon",
)


def _sites(tables: "Tables", file: str | None, points: list[str] | None) -> "pd.DataFrame":
    """Catalog, or the sites of a file and points where given."""
    import pandas as pd

    from dcsite.data import places, userfiles

    parts = []
    if file is not None:
        parts.append(userfiles.load_sites(file, tables))
    if points:
        parts.append(userfiles.points_as_sites(points, tables))
    return pd.concat(parts, ignore_index=True) if parts else places.catalog_sites(tables)


@sites_app.command("list")
def sites_list(
    where: WhereOption = None,
    sites: SitesOption = None,
    at: AtOption = None,
    top: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--top", min=1, help="Rows to print (default: all)."),
    ] = None,
    output_format: FormatOption = Format.table,
    out: OutOption = None,
    force: ForceOption = False,
    data_dir: DataDirOption = None,
    verbose: VerboseOption = False,
) -> None:
    """List sites; a file or --at takes the place of the catalog. CSV and JSON hold every column.

    Example: dcsite sites list --where country=USA,tag=ai
    """
    from dcsite.data.browse import select_sites
    from dcsite.data.tables import load_tables
    from dcsite.report.frames import frame_table

    tables = load_tables(data_dir)
    frame = select_sites(_sites(tables, sites, at), where or [])
    if output_format not in (Format.table, Format.md) or out is not None:
        emit_table(frame_table(frame, "sites", "Sites"), output_format, out, force=force)
        return
    shown = frame[list(LISTED)] if top is None else frame[list(LISTED)].head(top)
    drop = (
        "lon",
        "lat",
        "hazard_index",
        "capex_usd_per_w",
        "name",
        "water_stress_category",
        "water_distance_km",
    )
    emit_table(
        frame_table(exact(shown), "sites", f"{len(frame)} sites", drop=drop), output_format, out, force=force
    )


@sites_app.command("show")
def sites_show(
    name: MaybeSiteArgument = None,
    sites: SitesOption = None,
    at: AtOption = None,
    operator_hq: Annotated[str, OPERATOR] = "USA",
    output_format: FormatOption = Format.table,
    out: OutOption = None,
    force: ForceOption = False,
    data_dir: DataDirOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Show everything that is known of a site or a point, with quality and source of each figure.

    Example: dcsite sites show quincy
    """
    from dcsite.data import browse, places, policy
    from dcsite.data.tables import load_tables
    from dcsite.errors import UsageError
    from dcsite.report.frames import frame_table
    from dcsite.report.terminal import paragraph, table_text

    tables = load_tables(data_dir)
    frame = _sites(tables, sites, at)
    if name is not None:
        found = places.resolve_site(tables, name, sites=frame)
        frame = frame[frame["site_id"] == found].reset_index(drop=True)
    elif at is None or len(at) != 1 or sites is not None:
        message = "name one site, or give one point with --at"
        raise UsageError(message, hint="dcsite sites show quincy, or dcsite sites show --at 47.23,-119.85")
    site = frame.iloc[0]
    sheet = browse.site_sheet(tables, frame, operator_hq=operator_hq)
    title = f"{site['name']} ({site['site_id']})"
    if output_format is not Format.table or out is not None:
        emit_table(frame_table(sheet, "site", title), output_format, out, force=force)
        return
    printed = sheet[["fact", "value", "quality", "note", "source_id"]].copy()
    spans = sheet["unit"].str.contains("0-|-2.5-", regex=True)
    units = sheet["unit"].where(~spans, "(" + sheet["unit"] + ")").replace("-", "")
    printed["value"] = (sheet["value"] + " " + units).str.strip()
    table = frame_table(printed, "site", title, drop=("source_id",))
    lines = [f"{title}\n", table_text(table, width())]
    if site["place_note"]:
        lines.append(paragraph(f"Place: {site['place_note']}.", width()))
    if site["flags"]:
        lines.append(paragraph(f"Read with care: {site['flags']}.", width()))
    happened = policy.events(tables, str(site["country_iso3"]))
    here = happened[happened["countries"] != ""]
    if len(here):
        lines.append("Events:")
        lines += [
            paragraph(
                f"  {row.date} {row.event}{' (unverified)' if row.quality == 'unverified' else ''}", width()
            )
            for row in here.itertuples()
        ]
    cited = browse.sources_of(tables, list(sheet["source_id"]))
    lines.append("Sources:")
    lines += [
        paragraph(f"  {row.source_id}: {row.title}{_year(row.year)}; {row.license}", width())
        for row in cited.itertuples()
    ]
    write_text("\n".join(line.rstrip() for line in lines), None)


def _year(value: object) -> str:
    """Year in brackets; empty when the source has none."""
    text = str(value).removesuffix(".0")
    return f" ({text})" if text not in ("", "nan") else ""
