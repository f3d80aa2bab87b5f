"""The command ``dcsite eligible``: export verdicts on accelerators by country, with rule and dates."""

from typing import TYPE_CHECKING, Annotated, Optional

import typer

from dcsite.cli import complete
from dcsite.cli.options import (
    OPERATOR,
    RULES,
    DataDirOption,
    ForceOption,
    Format,
    FormatOption,
    OutOption,
    VerboseOption,
)
from dcsite.cli.output import emit_table, width, write_text

if TYPE_CHECKING:
    import pandas as pd


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("eligible")(eligible)


def eligible(
    accelerators: Annotated[
        Optional[int],  # noqa: UP045  (typer reads it at run time on 3.11)
        typer.Option("--accelerators", min=0, help="Accelerators meant for one country (caps, if any)."),
    ] = None,
    operator_hq: Annotated[str, OPERATOR] = "USA",
    rules: Annotated[str, RULES] = "us-2026-01",
    country: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--country",
            "-c",
            help="Only this country (code or name); repeatable, also A,B.",
            autocompletion=complete.countries,
        ),
    ] = None,
    catalog: Annotated[
        bool, typer.Option("--catalog", help="Only countries in which the catalog has sites.")
    ] = False,
    output_format: FormatOption = Format.table,
    out: OutOption = None,
    force: ForceOption = False,
    data_dir: DataDirOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Say where accelerators of the 3A090 class may be exported to, under which rule and of what date.

    Not legal advice. Example: dcsite eligible --accelerators 20000 --country iceland,kuwait
    """
    from dcsite.data import policy
    from dcsite.data.places import resolve_country
    from dcsite.data.tables import load_tables
    from dcsite.report.frames import frame_table

    tables = load_tables(data_dir)
    codes = None
    if country:
        names = [name.strip() for text in country for name in text.split(",") if name.strip()]
        codes = [resolve_country(tables, name) for name in names]
    frame = policy.eligibility(
        tables, rules=rules, operator_hq=operator_hq, accelerators=accelerators, countries=codes
    )
    if catalog:
        frame = frame[frame["sites"] > 0].reset_index(drop=True)
    home = resolve_country(tables, operator_hq)
    frame.insert(len(frame.columns), "operator_hq", home)
    banner = policy.rules_banner(tables, rules)
    note = policy.rules_note(tables, rules)
    count = "any number of" if accelerators is None else f"{accelerators:,}"
    title = f"Export verdicts for {count} accelerators, operator from {home}, rules {rules}"
    if banner:
        title = f"{title}: {banner}"
    frame["banner"], frame["disclaimer"] = banner, policy.DISCLAIMER
    if output_format is not Format.table or out is not None:
        hidden = ("class", "operator_hq", "banner", "disclaimer")
        table = frame_table(frame, "eligible", title, hidden=hidden, note=policy.DISCLAIMER)
        emit_table(table, output_format, out, force=force)
        return
    lines = [title, ""]
    if codes is None:
        lines += _by_verdict(frame)
    else:
        from dcsite.report.terminal import table_text

        shown = frame[["country_iso3", "country", "verdict", "sites", "rule_date", "quality"]]
        shown = shown.rename(columns={"country_iso3": "code"})
        lines += [table_text(frame_table(shown, "eligible", "", drop=("quality",)), width()).strip(), ""]
        for row in frame.itertuples():
            lines.append(f"  {row.country_iso3}: {row.reason}")
            for event in policy.events(tables, str(row.country_iso3)).itertuples():
                if event.countries and event.kind in ("export", "data", "crypto"):
                    weak = " (unverified)" if event.quality == "unverified" else ""
                    lines.append(f"    {event.date} {event.event}{weak}")
    first = frame.iloc[0] if len(frame) else None
    dates = (
        ""
        if first is None
        else f"Rule {first['rule_set']} of {first['rule_date']}, list of countries of {first['list_date']}. "
    )
    lines += ["", f"{dates}{note}".strip(), policy.DISCLAIMER]
    write_text(_wrapped(lines), out)


def _by_verdict(frame: "pd.DataFrame") -> list[str]:
    """Countries by verdict, severe first, with counts."""
    lines = []
    for verdict, rows in frame.groupby("verdict", sort=False):
        names = [f"{row.country_iso3}*" if row.sites else str(row.country_iso3) for row in rows.itertuples()]
        lines.append(f"{verdict}: {len(rows)}")
        lines.append(f"  {' '.join(names)}")
        weak = [str(row.country_iso3) for row in rows.itertuples() if row.quality == "unverified"]
        if weak:
            lines.append(f"  unverified: {' '.join(weak)}")
    lines.append("* the catalog has sites there; --country NAME gives the reason and events")
    return lines


def _wrapped(lines: list[str]) -> str:
    """Long lines folded at the width of the terminal, deeper lines hanging."""
    import textwrap

    folded = []
    for text in lines:
        if text.count("\n"):
            folded.append(text)
            continue
        indent = " " * (len(text) - len(text.lstrip()))
        folded += textwrap.wrap(text, width(), subsequent_indent=indent, break_on_hyphens=False) or [""]
    return "\n".join(folded) + "\n"
