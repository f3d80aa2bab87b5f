"""The command ``dcsite interruptible``: which hours are worth running, and what they earn."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from dcsite.cli import complete
from dcsite.cli.options import (
    AtOption,
    ChartOption,
    DataDirOption,
    ForceOption,
    Format,
    FormatOption,
    OutOption,
    ProfileOption,
    SitesArgument,
    SubsidyOption,
    TechnologyOption,
    VerboseOption,
)

if TYPE_CHECKING:
    from dcsite.study.interruptible import Interruptible

CHART_ROWS = 12
CHART_COLUMNS = 61
PICTURED = (".html", ".svg", ".pdf")
MOST_CHARTED = 4
MOST_DRAWN = 8
MARKS = "*+o#"
FILE_ENDINGS = (".csv", ".geojson", ".json", ".gpkg", ".parquet")


def interruptible(
    sites_named: SitesArgument = None,
    break_even: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--break-even", help="Worth of running one IT-MWh [USD/MWh]; default the profile's."),
    ] = None,
    sites: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--sites",
            help="Names joined by commas, or a file of own sites with lat, lon.",
            autocompletion=complete.site_list,
        ),
    ] = None,
    at: AtOption = None,
    profile: ProfileOption = "crypto",
    mw: Annotated[
        float, typer.Option("--mw", help="Rated IT power, for size classes of tariffs [MW].")
    ] = 100.0,
    availability: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--availability", help="Largest share of hours: figures with this cap as well."),
    ] = None,
    technology: TechnologyOption = None,
    price_year: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            "--price-year", help="Market year 2020 to 2025; default the shape of 2024, level as listed."
        ),
    ] = None,
    pass_through: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--pass-through", help="1: indexed contract; 0: fixed tariff; or between."),
    ] = None,
    price_weather_corr: Annotated[
        float, typer.Option("--price-weather-corr", help="Correlation of price and heat (an assumption).")
    ] = 0.0,
    prices: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--prices", help="Own hourly prices: CSV, price_usd_per_mwh, 8,760 rows, local time."),
    ] = None,
    carbon_price: Annotated[float, typer.Option("--carbon-price", help="USD per t of CO2.")] = 0.0,
    subsidy_removed: SubsidyOption = False,
    sheds_at_peak: Annotated[
        bool,
        typer.Option("--sheds-at-peak", help="Off in the hours that set the demand charge: none is paid."),
    ] = False,
    restart_usd: Annotated[
        float, typer.Option("--restart-usd", help="Cost of each start per MW: adds figures that pay for it.")
    ] = 0.0,
    restart_hours: Annotated[
        float, typer.Option("--restart-hours", help="Hours of work lost at each start.")
    ] = 0.0,
    min_run_hours: Annotated[int, typer.Option("--min-run-hours", help="Least hours of a run.", min=1)] = 1,
    min_availability: Annotated[
        float, typer.Option("--min-availability", help="Least share of hours of a load with restarts.")
    ] = 0.0,
    chart: ChartOption = None,
    top: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--top", help="Rows; default 20 in a printed table, else all.", min=1),
    ] = None,
    output_format: FormatOption = Format.table,
    out: OutOption = None,
    force: ForceOption = False,
    data_dir: DataDirOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Hours run, mean price paid and margin of a load that may stop, per MW of its IT power.

    Heat and price are joined hour by hour (price x PUE decides, not price); a demand charge is not avoided
    by stopping and stands apart. Example: dcsite interruptible --break-even 95 quincy plano keflavik
    """
    from dcsite.cli.output import emit_result, emit_table, say, write_chart
    from dcsite.data.tables import load_tables
    from dcsite.physics.power import Restarts
    from dcsite.study.interruptible import interruptible as study
    from dcsite.study.quick import quick_scenario

    own_file, names = _named(sites, sites_named or [])
    scenario = quick_scenario(
        profiles=[profile],
        it_mw=mw,
        sites_file=own_file,
        only=names or None,
        catalog=bool(names) or (own_file is None and not at),
        technology=technology,
        price_year=price_year,
        subsidy_removed=subsidy_removed or None,
        objective={"carbon_price_usd_per_t": carbon_price} if carbon_price else None,
    )
    if break_even is not None:
        scenario = _with(scenario, break_even_usd_per_mwh=_checked(break_even))
    if sheds_at_peak:
        scenario = _with(scenario, sheds_at_peak=True)
    paid = restart_usd > 0 or restart_hours > 0 or min_run_hours > 1 or min_availability > 0
    result = study(
        scenario,
        load_tables(data_dir),
        points=at or (),
        availability=availability,
        pass_through=pass_through,
        price_weather_corr=price_weather_corr,
        prices_file=prices,
        restarts=_restarts(Restarts, restart_usd, restart_hours, min_run_hours) if paid else None,
        min_availability=min_availability,
        blocks=verbose,
    )
    write_chart(None if chart is None else _picture(result), chart, force=force)
    table = _table(result, top=top, files=output_format is not Format.table or out is not None)
    if verbose:
        for text in _details(result, len(table.frame)):
            say(text)
    note = "\n".join(f"note: {text}" for text in result.notes)
    if output_format is Format.table and out is None:
        drawn = ascii_chart(result) if 0 < len(result.cost_usd_per_it_mwh) <= MOST_CHARTED else ""
        emit_table(
            table, output_format, out, force=force, note="\n".join(part for part in (drawn, note) if part)
        )
        return
    if out is not None and str(out).lower().endswith(PICTURED):
        from dcsite.report.frames import Report

        picture = _picture(result)
        report = Report(
            table.title,
            tables=(table,),
            pictures={} if picture is None else {"duration": picture},
            notes=tuple(result.notes),
        )
        emit_result(report, "", output_format, out, title=table.title, force=force)
    else:
        emit_table(table, output_format, out, force=force)
    for text in result.notes:
        say(f"note: {text}")


def _named(sites: str | None, places: list[str]) -> tuple[str | None, list[str]]:
    """File of own sites, and names of sites."""
    if sites is None:
        return None, places
    if sites.lower().endswith(FILE_ENDINGS):
        return sites, places
    return None, [*places, *(name.strip() for name in sites.split(",") if name.strip())]


def _checked(break_even: float) -> float:
    from dcsite.errors import UsageError

    if not 0 <= break_even < 1e6:
        message = f"--break-even {break_even:g}: must be 0 or more"
        raise UsageError(message, hint="worth of running one IT-MWh [USD/MWh]")
    return break_even


def _with(scenario: Any, **changes: Any) -> Any:  # noqa: ANN401
    """Scenario whose only workload has other settings."""
    load = scenario.workloads[0].model_copy(update=changes)
    return scenario.model_copy(update={"workloads": (load,)})


def _restarts(kind: Any, usd: float, hours: float, least: int) -> Any:  # noqa: ANN401
    from dcsite.errors import UsageError

    if usd < 0 or hours < 0:
        message = "--restart-usd and --restart-hours must be 0 or more"
        raise UsageError(message)
    return kind(usd_per_restart=usd, lost_hours=hours, min_run_hours=least)


def _table(result: "Interruptible", *, top: int | None, files: bool) -> Any:  # noqa: ANN401
    """Result as a described table; printed ones are cut to the first rows and to short heads."""
    from dcsite.report.frames import Column, Table, frame_table

    frame = result.frame
    title = f"Interruptible load at a break-even of {result.break_even_usd_per_mwh:g} USD per IT-MWh"
    if files:
        frame = frame if top is None else frame.head(top)
        return frame_table(frame, "interruptible", title)
    frame = frame.head(20 if top is None else top)
    price, money = ("USD/MWh", 1), ("USD/MW-year", 0)
    heads = {
        "site_id": ("Site", "", 0),
        "hours_run": ("Hours run", "h/year", 0),
        "price_paid_usd_per_mwh": ("Paid", *price),
        "price_usd_per_mwh": ("Delivered", *price),
        "margin_usd_per_mw_year": ("Margin", *money),
        "demand_usd_per_mw_year": ("Demand charge", *money),
        "margin_after_demand_usd_per_mw_year": ("After it", *money),
        "stop_usd_per_mwh": ("Stops at", *price),
        "capped_hours_run": ("Hours, capped", "h", 0),
        "capped_margin_usd_per_mw_year": ("Margin, capped", *money),
        "restart_starts": ("Starts", "1/year", 0),
        "restart_hours_run": ("Hours, restarts", "h/year", 0),
        "restart_margin_usd_per_mw_year": ("Margin, restarts", *money),
        "curve_zone_id": ("Hours from", "", 0),
        "technology": ("Cooling", "", 0),
    }
    text = ("site_id", "curve_zone_id", "technology")
    columns = tuple(
        Column(name, words, unit, digits, "text" if name in text else "number")
        for name, (words, unit, digits) in heads.items()
        if name in frame
    )
    return Table(
        "interruptible",
        title,
        columns,
        frame[[column.name for column in columns]],
        drop=(
            "technology",
            "curve_zone_id",
            "stop_usd_per_mwh",
            "price_usd_per_mwh",
            "price_paid_usd_per_mwh",
        ),
    )


def _details(result: "Interruptible", rows: int) -> list[str]:
    """Where the figures of each site come from."""
    lines = []
    for row in result.frame.head(rows).to_dict("records"):
        hours = f"hours of {row['curve_zone_id']}" if row["curve_zone_id"] else "flat"
        lines.append(
            f"{row['site_id']}: {row['price_class']} price ({row['price_basis']}, {row['price_quality']}, "
            f"{row['price_source_id']}); {hours} ({row['curve_quality']}): {row['curve_note'] or 'own hours'}; "
            f"{row['block_count']:.0f} blocks lose {100 * row['block_error_ratio']:.3f} % of the margin"
            + (f"; {row['price_flags']}" if row["price_flags"] else "")
        )
    return lines


def _picture(result: "Interruptible") -> str | None:
    """Duration curves as SVG; None where no site has a price."""
    from dcsite.report.figures import duration_svg

    names = list(result.cost_usd_per_it_mwh)[:MOST_DRAWN]
    if not names:
        return None
    return duration_svg(
        {name: (result.share, result.cost_usd_per_it_mwh[name]) for name in names},
        break_even_usd_per_mwh=result.break_even_usd_per_mwh,
        title="Cost of an IT-MWh (price x PUE) over the hours of a year",
        y_title="Cost of an IT-MWh, price x PUE [USD/MWh]",
    )


def ascii_chart(result: "Interruptible") -> str:
    """Duration curves in letters: cost of an IT-MWh over the share of hours, and the break-even as a line."""
    names = list(result.cost_usd_per_it_mwh)[:MOST_CHARTED]
    curves = [[float(value) for value in result.cost_usd_per_it_mwh[name]] for name in names]
    value = result.break_even_usd_per_mwh
    low = min(0.0, *(curve[len(curve) // 50] for curve in curves))
    high = max(1.2 * value, *(curve[int(0.95 * (len(curve) - 1))] for curve in curves))
    high = min(high, 3.0 * max(value, 1.0))
    grid = [[" "] * CHART_COLUMNS for _ in range(CHART_ROWS)]

    def row(figure: float) -> int:
        share = (min(max(figure, low), high) - low) / (high - low)
        return CHART_ROWS - 1 - round(share * (CHART_ROWS - 1))

    for column in range(0, CHART_COLUMNS, 2):
        grid[row(value)][column] = "-"
    for mark, curve in zip(MARKS, curves, strict=False):
        for column in range(CHART_COLUMNS):
            place = round(column / (CHART_COLUMNS - 1) * (len(curve) - 1))
            if curve[place] <= high:
                grid[row(curve[place])][column] = mark
    lines = ["USD per IT-MWh (price x PUE), hours sorted by cost"]
    for number, cells in enumerate(grid):
        figure = high - (high - low) * number / (CHART_ROWS - 1)
        label = f"{round(figure) + 0:8d}" if number % 3 == 0 or number == CHART_ROWS - 1 else " " * 8
        lines.append(f"{label} |{''.join(cells)}".rstrip())
    lines.append(" " * 9 + "+" + "-" * CHART_COLUMNS)
    lines.append(" " * 10 + "0 %" + " " * 25 + "50 %" + " " * 24 + "100 % of hours")
    lines += [f"{' ' * 10}{mark} {name}" for mark, name in zip(MARKS, names, strict=False)]
    lines.append(f"{' ' * 10}- break-even {value:g}")
    return "\n".join(lines)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("interruptible")(interruptible)
