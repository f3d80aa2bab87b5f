"""The command ``dcsite cooling``: PUE and water per technology at a site, a point, or a file of points."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from dcsite.cli import complete
from dcsite.cli.options import (
    AtOption,
    DataDirOption,
    ForceOption,
    Format,
    MaybeSiteArgument,
    OutOption,
    VerboseOption,
)

if TYPE_CHECKING:
    import pandas as pd

    from dcsite.data.tables import Tables
    from dcsite.report.frames import Table

REFERENCE_PRICE_USD_PER_MWH = 80.0
"""Price of the trade-off where the place has none."""
MARGIN_LIMIT_K = 15.0
WARMING_LIMIT_K = 10.0


def cooling(
    site: MaybeSiteArgument = None,
    at: AtOption = None,
    points: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--points", help="CSV with lat, lon[, technology, vintage, year]: same rows out."),
    ] = None,
    technology: Annotated[
        str,
        typer.Option(
            "--technology",
            "-t",
            help="all, or technologies joined by commas.",
            autocompletion=complete.technologies_or_all,
        ),
    ] = "all",
    mix: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--mix", help="Technologies under one roof: air_econ_adiabatic=0.6,tower_wse=0.4."),
    ] = None,
    profile: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--profile",
            "-p",
            help="Load to judge technologies for (default: one that suits each).",
            autocompletion=complete.profiles,
        ),
    ] = None,
    vintage: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--vintage",
            help="hyperscale_new, colo or legacy.",
            autocompletion=complete.words("hyperscale_new", "colo", "legacy"),
        ),
    ] = None,
    price: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--price", help="USD/MWh for the trade-off (default: the place's delivered price)."),
    ] = None,
    grid_mw: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--grid-mw", help="Grid limit [MW]: adds the IT power it carries in the design hour."),
    ] = None,
    pads: Annotated[bool, typer.Option("--pads", help="Evaporative pads at dry coolers and miners.")] = False,
    climate: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--climate", help="Own hours: CSV, 8,760 rows, dry_bulb_c and a humidity column."),
    ] = None,
    warming_k: Annotated[
        float, typer.Option("--warming-k", help="Add to every month [K]; the grids are 2000-2025 means.")
    ] = 0.0,
    design_margin: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--design-margin", help="Added to design temperatures [K] (default 2.1 dry, 1.4 wet)."),
    ] = None,
    output_format: Annotated[
        Optional[Format],  # noqa: UP045
        typer.Option("--format", "-f", help="What to print (default: table; csv for --points)."),
    ] = None,
    out: OutOption = None,
    force: ForceOption = False,
    data_dir: DataDirOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Model PUE and water use of cooling technologies: annual, in the design hour, and what going dry costs.

    For screening, not plant design. With --points the figures are what operators of such halls report.
    Example: dcsite cooling quincy --technology all
    """
    from dcsite.data.tables import load_tables
    from dcsite.errors import UsageError

    given = sum(value is not None for value in (site, points)) + (1 if at else 0)
    if given != 1:
        message = "give one of: a site, --at LAT,LON, or --points FILE.csv"
        raise UsageError(message, hint="dcsite cooling quincy, or dcsite cooling --at 47.23,-119.85")
    _check_number("--warming-k", warming_k, -WARMING_LIMIT_K, WARMING_LIMIT_K, "K")
    _check_number("--design-margin", design_margin, 0.0, MARGIN_LIMIT_K, "K")
    _check_number("--price", price, 0.0, 10_000.0, "USD/MWh")
    _check_number("--grid-mw", grid_mw, 0.001, 100_000.0, "MW")
    margin = None if design_margin is None else (design_margin, design_margin)
    tables = load_tables(data_dir)
    if points is not None:
        if climate is not None:
            message = "--climate describes one place"
            raise UsageError(message, hint="use it with a site or --at, not with --points")
        _points(
            tables,
            points,
            "" if technology == "all" else technology,
            vintage or "",
            warming_k,
            margin,
            output_format or Format.csv,
            out,
            force=force,
        )
        return
    _place(
        tables,
        _row_of(tables, site, at),
        technology,
        mix,
        profile,
        vintage or "",
        price,
        grid_mw,
        climate,
        warming_k,
        margin,
        output_format or Format.table,
        out,
        pads=pads,
        force=force,
    )


def _check_number(name: str, value: float | None, low: float, high: float, unit: str) -> None:
    """Refuse an option outside its range."""
    from dcsite.errors import UsageError

    if value is not None and not low <= value <= high:
        message = f"{name} must be within {low:g} to {high:g} {unit}, got {value:g}"
        raise UsageError(message)


def _row_of(tables: "Tables", site: str | None, at: list[str] | None) -> "pd.DataFrame":
    """One place as a row of sites."""
    from dcsite.data.places import catalog_sites, resolve_site
    from dcsite.data.userfiles import points_as_sites
    from dcsite.errors import UsageError

    if at:
        if len(at) > 1:
            message = "--at: one point at a time"
            raise UsageError(message, hint="put several into a file: --points FILE.csv")
        from dcsite.data.climate import check_land, check_positions

        frame = points_as_sites(at, tables)
        lat, lon = frame["lat"].to_numpy(dtype=float), frame["lon"].to_numpy(dtype=float)
        check_positions(lat, lon, [f"--at {at[0]}"])
        check_land(tables, lat, lon, [f"--at {at[0]}"])
        return frame
    frame = catalog_sites(tables)
    found = resolve_site(tables, site or "", frame)
    return frame[frame["site_id"] == found].reset_index(drop=True)


def _points(
    tables: "Tables",
    path: Path,
    technology: str,
    vintage: str,
    warming_k: float,
    margin: tuple[float, float] | None,
    output_format: Format,
    out: Path | None,
    *,
    force: bool,
) -> None:
    """Rows of the file as they are, with the figures added."""
    import csv
    import io
    import json

    from dcsite.cli.output import write_text
    from dcsite.data.cooling_points import read_cooling_points
    from dcsite.study.cooling import check_technology, check_vintage
    from dcsite.study.cooling_views import POINT_COLUMNS, point_figures

    technology = check_technology(technology) if technology else ""
    vintage = check_vintage(vintage) if vintage else ""
    asked = read_cooling_points(path)
    figures = point_figures(
        tables, asked, technology=technology, vintage=vintage, warming_k=warming_k, margin_k=margin
    )
    added = {name: figures[name].to_numpy() for name in POINT_COLUMNS}
    kept = [k for k, name in enumerate(asked.header) if name not in added]
    header = [asked.header[k] for k in kept] + list(added)
    rows = [[row[k] for k in kept] for row in asked.rows]
    if "technology" not in asked.header:
        # Said, not silent: which technology the figures are for.
        header.insert(len(kept), "technology")
        for row, name in zip(rows, figures["technology"], strict=True):
            row.append(str(name))
    else:
        where = header.index("technology")
        for row, name in zip(rows, figures["technology"], strict=True):
            if row[where].strip() == "":
                row[where] = str(name)
    columns = [
        ["" if math.isnan(value) else f"{value:.4f}" for value in values.tolist()]
        for values in added.values()
    ]
    body = [row + list(cells) for row, cells in zip(rows, zip(*columns, strict=True), strict=True)]
    if output_format is Format.json:
        plain = len(header) - len(added)
        records = [
            dict(
                zip(
                    header,
                    [*row[:plain], *(float(cell) if cell else None for cell in row[plain:])],
                    strict=True,
                )
            )
            for row in body
        ]
        document = {
            "schema": "dcsite.cooling-points/1",
            "basis": "as operators report",
            "points": records,
        }
        write_text(json.dumps(document), out, force=force)
        return
    if output_format is Format.csv:
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(body)
        write_text(buffer.getvalue(), out, force=force)
        return
    if output_format is Format.md:
        lines = ["| " + " | ".join(row) + " |" for row in [header, ["---"] * len(header), *body]]
    else:
        widths = [max(len(row[k]) for row in [header, *body]) for k in range(len(header))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in [header, *body]
        ]
    write_text("\n".join(lines) + "\n", out, force=force)


def _price_of(tables: "Tables", row: "pd.DataFrame", price: float | None) -> tuple[float, str]:
    """Price of the trade-off and where it comes from."""
    if price is not None:
        return price, f"{price:g} USD/MWh as given"
    from dcsite.data.prices import delivered_prices

    found = delivered_prices(tables, row, customer_class="large_industrial")
    value = float(found["price_usd_per_mwh"].iloc[0])
    if math.isfinite(value):
        zone = found["zone_used"].iloc[0]
        return value, f"{value:.1f} USD/MWh delivered in zone {zone}"
    return REFERENCE_PRICE_USD_PER_MWH, (
        f"{REFERENCE_PRICE_USD_PER_MWH:g} USD/MWh (no price is known here; --price sets it)"
    )


def _place(
    tables: "Tables",
    row: "pd.DataFrame",
    technology: str,
    mix: str | None,
    profile_name: str | None,
    vintage: str,
    price: float | None,
    grid_mw: float | None,
    climate_file: Path | None,
    warming_k: float,
    margin: tuple[float, float] | None,
    output_format: Format,
    out: Path | None,
    *,
    pads: bool,
    force: bool,
) -> None:
    """All technologies of one place, and the trade-off."""
    import textwrap

    import pandas as pd

    from dcsite.cli.output import emit_result, width
    from dcsite.data.climate import read_user_climate
    from dcsite.data.scenario_file import load_profiles
    from dcsite.errors import UsageError
    from dcsite.report.terminal import table_text
    from dcsite.study.cooling import check_technology, climate_of_user
    from dcsite.study.cooling_views import design_text, mix_row, parse_mix, technology_table, trade_off

    profiles = load_profiles(tables)
    if profile_name is not None and profile_name not in profiles:
        message = f"profile '{profile_name}': unknown"
        raise UsageError(message, hint=f"one of {', '.join(sorted(profiles))}")
    own = None
    if climate_file is not None:
        own = climate_of_user(
            tables,
            read_user_climate(climate_file),
            float(row["lat"].iloc[0]),
            float(row["lon"].iloc[0]),
            warming_k=warming_k,
            margin_k=0.0 if margin is None else margin[0],
        )
    shares = parse_mix(mix) if mix else {}
    chosen = [part for part in technology.split(",") if part.strip()] or ["all"]
    if shares and chosen != ["all"]:
        chosen = list(dict.fromkeys([*map(check_technology, chosen), *shares]))
    frame, climate = technology_table(
        tables,
        row,
        chosen,
        profiles,
        profile=None if profile_name is None else profiles[profile_name],
        vintage=vintage,
        climate=own,
        warming_k=warming_k,
        margin_k=margin,
        pads=pads,
        grid_mw=grid_mw,
    )
    value, origin = _price_of(tables, row, price)
    dry = trade_off(frame, value)
    if shares:
        frame = pd.concat([frame, mix_row(frame, shares)], ignore_index=True)
    name = str(row["name"].iloc[0])
    notes = [
        design_text(climate),
        "PUE compares technologies with the electrical terms of one facility class; reported is what "
        "operators of such halls report. Ranges hold 80 % of reported figures.",
        "Water per IT energy: intake is withdrawn, used is consumed and does not come back; peak is the intake "
        "of the design hour. Off-site water of the grid mix has no "
        "sourced factor and is not shown. For screening, not plant design.",
    ]
    if warming_k:
        notes.append(f"Every month is {warming_k:+g} K against 2000-2025, at constant relative humidity.")
    if own is not None:
        notes.append(f"Climate: hours of {climate_file}.")
    if grid_mw is not None:
        notes.append(f"IT: power that {grid_mw:g} MW from the grid carry through the design hour.")
    notes += [
        f"{row_.technology} loses {row_.derate_ratio * 8760:.0f} hours of load a year to heat."
        for row_ in frame.itertuples()
        if row_.derate_ratio * 8760 >= 1
    ]
    refused = frame[~frame["admissible"]]
    notes += [
        f"{row_.technology}: not admissible, {row_.refusal}." for row_ in refused.itertuples() if row_.refusal
    ]
    tables_out: list[Table] = [_main_table(name, frame, " ".join(notes))]
    if len(dry):
        tables_out.append(_trade_table(name, dry, f"Electricity at {origin}. Negative: dry is cheaper too."))
    text = "\n".join(
        f"{table.title}\n\n{table_text(table, width())}{textwrap.fill(table.note, width())}\n"
        for table in tables_out
    )
    emit_result(tables_out, text, output_format, out, title=f"Cooling at {name}", force=force)


def _main_table(name: str, frame: "pd.DataFrame", note: str) -> "Table":
    """Described table of technologies."""
    from dcsite.report.frames import Column, Table

    columns = [
        Column("site_id", "site", kind="text"),
        Column("technology", "technology", kind="text"),
        Column("admissible", "fits", kind="flag"),
        Column("pue", "PUE", "-", 3),
        Column("pue_low", "low", "-", 3),
        Column("pue_high", "high", "-", 3),
        Column("pue_design", "design", "-", 3),
        Column("pue_reported", "reported", "-", 3),
        Column("wue_l_per_kwh", "used", "L/kWh", 2),
        Column("withdrawal_l_per_kwh", "intake", "L/kWh", 2),
        Column("withdrawal_peak_m3_per_mw_hour", "peak", "m3/h/MW", 2),
        Column("trim_hours", "chiller", "h", 0),
        Column("water_hours", "wet", "h", 0),
        Column("derate_ratio", "lost", "-", 4),
        Column("wue_low", "consumption low", "L/kWh", 2),
        Column("wue_high", "consumption high", "L/kWh", 2),
        Column("wue_reported_l_per_kwh", "consumption as reported", "L/kWh", 2),
        Column("profile", "load", kind="text"),
        Column("cooling_quality", "quality", kind="text"),
        Column("refusal", "why not", kind="text"),
        Column("cooling_note", "note", kind="text"),
    ]
    if "it_mw" in frame:
        columns.insert(7, Column("it_mw", "IT", "MW", 1))
    return Table(
        name="cooling",
        title=f"Cooling at {name}",
        columns=tuple(columns),
        frame=frame[[column.name for column in columns]],
        hidden=(
            "site_id",
            "wue_low",
            "wue_high",
            "wue_reported_l_per_kwh",
            "refusal",
            "cooling_note",
            "profile",
        ),
        drop=("cooling_quality", "water_hours", "derate_ratio", "trim_hours"),
        note=note,
    )


def _trade_table(name: str, frame: "pd.DataFrame", note: str) -> "Table":
    """Described table of the trade of water against power."""
    from dcsite.report.frames import Column, Table

    columns: list[Any] = [
        Column("from_technology", "from", kind="text"),
        Column("to_technology", "to", kind="text"),
        Column("saved_l_per_kwh", "saved", "L/kWh", 2),
        Column("extra_mwh_per_mwh", "energy", "MWh/MWh", 3),
        Column("mwh_per_m3", "trade", "MWh/m3", 3),
        Column("usd_per_m3", "cost", "USD/m3", 2),
        Column("extra_design_ratio", "peak", "MW/MW", 3),
    ]
    return Table(
        name="going_dry",
        title=f"What going dry costs at {name}, per m3 of consumption saved",
        columns=tuple(columns),
        frame=frame[[column.name for column in columns]],
        note=note,
    )
