"""Commands about money and what it leans on: ``money`` and ``assumptions``."""

from typing import TYPE_CHECKING, Annotated, Optional

import typer

from dcsite.cli import complete
from dcsite.cli.options import (
    AtOption,
    ChartOption,
    DataDirOption,
    ForceOption,
    Format,
    FormatOption,
    MwOption,
    OutOption,
    ProfileOption,
    ProfilesOption,
    ScenarioOption,
    SitesOption,
    UsersOption,
    VerboseOption,
    WorkloadOption,
)
from dcsite.cli.output import emit_result, emit_table, say, width, write_chart

if TYPE_CHECKING:
    import pandas as pd

    from dcsite.report.frames import Table
    from dcsite.spec.scenario import Scenario
    from dcsite.study.money import SiteMoney


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("money")(money)
    app.command("assumptions")(assumptions)


def money(
    sites_named: Annotated[
        list[str],
        typer.Argument(
            metavar="SITES...", help="Sites by id or part of their name.", autocompletion=complete.sites
        ),
    ],
    profile: ProfileOption = "cloud",
    mw: MwOption = None,
    revenue: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--revenue-usd-per-mwh", help="Income per MWh of IT energy [USD/MWh]."),
    ] = None,
    delay: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--delay-months", help="Operation begins this much later [months]."),
    ] = None,
    tornado: Annotated[
        bool, typer.Option("--tornado/--no-tornado", help="Vary each assumption, one at a time.")
    ] = True,
    top: Annotated[int, typer.Option("--top", min=1, help="Rows of the tornado to print.")] = 12,
    chart: ChartOption = None,
    users: UsersOption = None,
    sites: SitesOption = None,
    at: AtOption = None,
    scenario: ScenarioOption = None,
    workload: WorkloadOption = None,
    output_format: FormatOption = Format.table,
    out: OutOption = None,
    force: ForceOption = False,
    data_dir: DataDirOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Lay out the money of a load at a site: cash flow, NPV, IRR, payback, levelized cost, what moves it.

    Example: dcsite money quincy --profile ai-training --revenue-usd-per-mwh 500
    """
    from dcsite.cli.ranking import base_scenario, profile_names
    from dcsite.data.tables import load_tables
    from dcsite.study.candidates import site_names
    from dcsite.study.evaluating import evaluate
    from dcsite.study.money import money as lay_out
    from dcsite.study.quick import quick_scenario

    tables = load_tables(data_dir)
    base = base_scenario(scenario)
    asked = quick_scenario(
        profiles=[] if base else profile_names(tables, profile),
        it_mw=mw,
        users=users,
        sites_file=sites,
        only=list(sites_named),
        base=base,
    )
    asked = _with_money(asked, revenue, delay)
    evaluation = evaluate(asked, tables, points=tuple(at or ()))
    named = site_names(tables, sites_named, evaluation.sites.reset_index(drop=True))
    if tornado:
        say("varying the assumptions one at a time ...")
    results = [
        lay_out(evaluation, site, tables, workload=workload, sensitivity=tornado)
        for site in dict.fromkeys(named)
    ]
    write_chart(_picture(results[0], top) if chart is not None else None, chart, force=force)
    text = _text(results, top)
    emit_result(
        _tables(results), text, output_format, out, evaluation=evaluation, title=_title(results), force=force
    )


def _with_money(scenario: "Scenario", revenue: float | None, delay: float | None) -> "Scenario":
    from dcsite.study.assumptions import with_value

    for key, value in (("money.revenue_usd_per_mwh", revenue), ("money.delay_months", delay)):
        if value is not None:
            scenario = with_value(scenario, key, value)
    return scenario


def _title(results: "list[SiteMoney]") -> str:
    first = results[0]
    return f"Money over time: {first.workload}, {first.it_mw:g} MW"


TITLES = {
    "capital_usd": "Capital",
    "cost_pv_usd": "Costs, present value",
    "npv_usd": "Net present value",
    "irr_ratio": "Internal rate of return",
    "payback_years": "Payback, from first payment",
    "discounted_payback_years": "Payback, discounted",
    "levelized_usd_per_it_mwh": "Levelized cost of IT energy",
    "levelized_usd_per_accelerator_hour": "Levelized cost of an accelerator",
    "break_even_usd_per_mwh": "Break-even income after tax",
    "revenue_usd_per_mwh": "Income",
    "tax_ratio": "Corporate tax",
    "power_escalation_ratio": "Yearly rise of power prices",
    "delay_usd_per_month": "Price of a month of delay",
    "delay_is": "which is",
    "time_to_power_years": "Time to power",
    "wait_months": "Expected wait beyond construction",
    "wait_low_months": "Wait, low end",
    "wait_high_months": "Wait, high end",
    "wait_usd": "Price of the wait",
    "npv_power_p10_usd": "NPV if power comes early (P10)",
    "npv_power_p50_usd": "NPV if power comes in the middle",
    "npv_power_p90_usd": "NPV if power comes late (P90)",
    "operation_usd": "Operation",
    "other_usd": "Incentive, rest",
    "revenue": "Income",
    "label": "",
    "time_years": "Time",
}
UNITS = {
    "levelized_usd_per_accelerator_hour": "USD/h",
    "wait_months": "months",
    "wait_low_months": "months",
    "wait_high_months": "months",
}


def _described(table: "Table") -> "Table":
    """Titles and units of money; printed amounts in millions, files keep plain figures."""
    from dataclasses import replace

    columns = []
    for column in table.columns:
        name = column.name
        title = TITLES.get(name) or name.removesuffix("_usd").replace("_", " ").capitalize()
        known = replace(column, title=title if name in TITLES or name.endswith("_usd") else column.title)
        if name in UNITS:
            known = replace(known, unit=UNITS[name])
        if column.kind == "number" and (name.endswith("_usd") or name == "delay_usd_per_month"):
            unit = "M USD" if name.endswith("_usd") else "M USD/month"
            known = replace(known, scale=1.0e6, shown_unit=unit, digits=2)
        columns.append(known)
    return replace(table, columns=tuple(columns))


def _tables(results: "list[SiteMoney]") -> "list[Table]":
    import pandas as pd

    from dcsite.report.frames import frame_table
    from dcsite.study.money import summary_frame

    parts = [frame_table(summary_frame(results), "money", _title(results))]
    flows = pd.concat(
        [result.table.assign(site_id=result.site_id, workload=result.workload) for result in results],
        ignore_index=True,
    )
    parts.append(frame_table(flows, "cash_flow", "Cash flow by year"))
    moved = [
        result.sensitivity.assign(site_id=result.site_id, workload=result.workload)
        for result in results
        if len(result.sensitivity)
    ]
    if moved:
        parts.append(
            frame_table(pd.concat(moved, ignore_index=True), "sensitivity", "What moves it, one at a time")
        )
    return [_described(part) for part in parts]


def _text(results: "list[SiteMoney]", top: int) -> str:
    from dcsite.report.frames import frame_table
    from dcsite.report.terminal import heading, paragraph, table_text, transposed_text
    from dcsite.study.money import summary_frame

    summary = _described(frame_table(summary_frame(results), "money", _title(results)))
    parts = [heading(_title(results)), transposed_text(summary, width())]
    for result in results:
        flows = _described(frame_table(_short_flows(result), "cash_flow", ""))
        parts += ["\n", heading(f"Cash flow of {result.name}"), table_text(flows, width())]
        if len(result.sensitivity):
            shown, label = _short_tornado(result)
            table = frame_table(shown, "sensitivity", "")
            parts += ["\n", heading(label), table_text(table, width(), top=top)]
        parts += [paragraph(note, width()) for note in (*_words(result), *result.notes)]
    return "".join(parts)


def _short_flows(result: "SiteMoney") -> "pd.DataFrame":
    """Cash flow in few columns: what one reads; files have every part."""
    from dcsite.study.money import PARTS

    flows = result.table
    short = flows[["label", "time_years", "capital_usd"]].copy()
    short["operation_usd"] = flows[[f"{part}_usd" for part in (*PARTS, "refresh")]].sum(axis=1)
    short["revenue_usd"] = flows["revenue_usd"]
    short["other_usd"] = flows["incentive_usd"] + flows["residual_usd"]
    short["tax_usd"], short["net_usd"] = flows["tax_usd"], flows["net_usd"]
    short["cumulative_usd"] = flows["cumulative_usd"]
    return short[[name for name in short if name == "label" or (short[name] != 0).any()]]


def _short_tornado(result: "SiteMoney") -> "tuple[pd.DataFrame, str]":
    """Tornado with readable figures, and its heading."""
    frame = result.sensitivity
    is_npv = frame["measure"].iloc[0] == "npv_usd"
    scale, name = (1.0e6, "NPV [M USD]") if is_npv else (1.0, "levelized cost [USD/MWh IT]")
    shown = frame[["key"]].copy()
    for column in ("value", "low", "high"):
        shown[column] = [f"{value:.4g}" for value in frame[column]]
    shown["at_low"], shown["at_high"] = frame["at_low"] / scale, frame["at_high"] / scale
    now = float(frame["at_value"].iloc[0]) / scale
    return shown, f"What moves the {name} of {result.name}, now {now:,.1f}"


def _picture(result: "SiteMoney", top: int) -> str | None:
    """Tornado of the first site; None without one."""
    from dcsite.report.tornado import Bar, tornado_svg

    frame = result.sensitivity.head(top)
    if not len(frame):
        return None
    is_npv = frame["measure"].iloc[0] == "npv_usd"
    bars = [
        Bar(row.key, f"{row.low:.4g}", f"{row.high:.4g}", float(row.at_low), float(row.at_high))
        for row in frame.itertuples()
    ]
    return tornado_svg(
        bars,
        float(frame["at_value"].iloc[0]),
        title=f"What moves the {'net present value' if is_npv else 'levelized cost'} of {result.name}",
        unit="M USD" if is_npv else "USD/MWh IT",
        scale=1.0e6 if is_npv else 1.0,
    )


def _words(result: "SiteMoney") -> list[str]:
    """The figures that a table does not explain."""
    import math

    summary = result.summary
    told = [
        f"A month of delay costs {float(summary['delay_usd_per_month']) / 1e6:,.2f} M USD ({summary['delay_is']})."
    ]
    wait = float(summary["wait_months"])
    if math.isfinite(float(summary["time_to_power_years"])):
        span = f"{float(summary['wait_low_months']):g} to {float(summary['wait_high_months']):g}"
        told.append(
            f"Time to power: {float(summary['time_to_power_years']):g} years; power is expected {wait:.1f} months "
            f"after construction ({span}). "
            + (
                f"That wait would cost {float(summary['wait_usd']) / 1e6:,.1f} M USD; the cash flow leaves it out "
                "(--delay-months)."
                if wait > 0
                else "No wait is counted."
            )
        )
    else:
        told.append("No source states a time to power here; none is counted.")
    return told


def assumptions(
    scenario: ScenarioOption = None,
    profile: ProfilesOption = "cloud",
    key: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--key", help="Only keys that contain this text."),
    ] = None,
    program: Annotated[
        bool, typer.Option("--program/--no-program", help="List choices in the program itself too.")
    ] = True,
    output_format: FormatOption = Format.table,
    out: OutOption = None,
    force: ForceOption = False,
    data_dir: DataDirOption = None,
    verbose: VerboseOption = False,
) -> None:
    """List every choice and default behind an answer: value, unit, range, source, and whether it can be set.

    Keys can be set in a scenario file and swept with dcsite sweep --set KEY=...

    Example: dcsite assumptions --profile ai-training --key money
    """
    from dcsite.cli.ranking import base_scenario, profile_names
    from dcsite.data.tables import load_tables
    from dcsite.errors import UsageError
    from dcsite.report.frames import frame_table
    from dcsite.study.assumptions import assumptions_frame
    from dcsite.study.assumptions import register as list_all
    from dcsite.study.quick import quick_scenario

    tables = load_tables(data_dir)
    asked = base_scenario(scenario) or quick_scenario(profiles=profile_names(tables, profile))
    frame = assumptions_frame(list_all(asked, tables, program=program))
    if key is not None:
        kept = frame[frame["key"].str.contains(key, regex=False)]
        if kept.empty:
            message = f"--key {key}: no assumption has this in its key"
            raise UsageError(message, hint="dcsite assumptions lists all keys")
        frame = kept.reset_index(drop=True)
    table = frame_table(
        frame,
        "assumptions",
        "Assumptions",
        drop=("given", "kind", "quality", "meaning", "settable", "source"),
    )
    emit_table(table, output_format, out, force=force)
