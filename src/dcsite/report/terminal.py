"""Results as plain text tables that fit a terminal: no color, no terminal needed, same text every time.

Functions return text; the command line prints it. A table that is too wide loses columns in its stated
order (:attr:`dcsite.report.frames.Table.drop`), then its widest text column is cut with an ellipsis.
"""

from __future__ import annotations

import math
import textwrap
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from dcsite.report.frames import (
    Column,
    Report,
    Table,
    as_report,
    compare_table,
    cost_parts_table,
    plan_summary,
    plan_table,
    plan_tables,
    ranking_table,
    report_notes,
    waterfall_table,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dcsite.physics.evaluation import Evaluation
    from dcsite.scoring.comparing import Comparison
    from dcsite.scoring.ranking import Ranking

WIDTH: Final = 100
GAP: Final = "  "
LEAST_TEXT: Final = 8
LEAST_COLUMN: Final = 12
MAX_LABEL: Final = 40
MISSING: Final = "-"


def clean(text: object) -> str:
    r"""Text without control characters, so that a name cannot move the cursor or break a line.

    Examples
    --------
    >>> clean("a\x1b[31mb\nc")
    'a?[31mb c'
    """
    words = str(text).replace("\n", " ").replace("\t", " ").replace("\r", " ")
    return "".join("?" if unicodedata.category(mark) in ("Cc", "Cf", "Cs") else mark for mark in words)


def cell_text(value: object, column: Column) -> str:
    """One printed cell: stated digits, thousands separated, ``-`` where nothing is known.

    Examples
    --------
    >>> cell_text(1234567.0, Column("cost_usd", "Cost", "USD", 0))
    '1,234,567'
    >>> cell_text(float("nan"), Column("pue", "PUE"))
    '-'
    """
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    if column.kind == "flag":
        return "yes" if value is True or str(value) == "True" else ""
    if column.kind == "text" or isinstance(value, str):
        return clean(value)
    number = float(value) / column.scale  # type: ignore[arg-type]
    if math.isinf(number):
        return "inf" if number > 0 else "-inf"
    text = f"{number:,.{0 if column.kind == 'integer' else column.digits}f}"
    if column.kind == "integer" and (column.name.endswith("_year") or column.name in ("year", "accessed")):
        text = text.replace(",", "")
    return text[1:] if text.startswith("-") and not text.strip("-0.,") else text


def text_width(text: str) -> int:
    """Columns that a text takes in a terminal (wide characters take two, combining ones none)."""
    return sum(
        0 if unicodedata.combining(mark) else 2 if unicodedata.east_asian_width(mark) in "WF" else 1
        for mark in text
    )


def _cut(text: str, width: int) -> str:
    if text_width(text) <= width:
        return text
    kept = ""
    for mark in text:
        if text_width(kept + mark) > width - 1:
            break
        kept += mark
    return f"{kept}…"


def _pad(text: str, width: int, *, right: bool) -> str:
    space = " " * max(0, width - text_width(text))
    return space + text if right else text + space


def table_text(table: Table, width: int = WIDTH, *, top: int | None = None) -> str:
    """Print a table within ``width`` columns.

    Parameters
    ----------
    top
        Only the first rows; a last line says how many more there are.

    Returns
    -------
    str
        Lines without trailing blanks, ending in a newline.
    """
    frame = table.frame if top is None else table.frame.head(top)
    columns = [column for column in table.columns if column.name not in table.hidden]
    cells = {column.name: [cell_text(value, column) for value in frame[column.name]] for column in columns}
    heads = {column.name: head_of(column) for column in columns}

    def wide(column: Column) -> int:
        return max([text_width(text) for text in (*heads[column.name], *cells[column.name])])

    widths = {column.name: wide(column) for column in columns}

    def total() -> int:
        return sum(widths[column.name] for column in columns) + len(GAP) * (len(columns) - 1)

    left_out = []
    for name in table.drop:
        if total() <= width:
            break
        if len(columns) > 1 and any(column.name == name for column in columns):
            columns = [column for column in columns if column.name != name]
            left_out.append(name)
    while total() > width:
        text_columns = [
            column
            for column in columns
            if column.kind == "text"
            and widths[column.name] > LEAST_TEXT
            and (not column.name.endswith("_id") or len(columns) == 1)
        ]
        if not text_columns:
            if len(columns) == 1:
                break
            left_out.append(columns[-1].name)
            columns = columns[:-1]
            continue
        widest = max(text_columns, key=lambda column: widths[column.name])
        widths[widest.name] = max(LEAST_TEXT, widths[widest.name] - (total() - width))
    two = any(heads[column.name][1] for column in columns)
    lines = [
        _line([(heads[column.name][line], column) for column in columns], widths)
        for line in ((0, 1) if two else (0,))
    ]
    lines.append(GAP.join("-" * widths[column.name] for column in columns))
    lines += [
        _line([(cells[column.name][row], column) for column in columns], widths) for row in range(len(frame))
    ]
    if len(frame) < len(table.frame):
        lines.append(f"... and {len(table.frame) - len(frame)} more")
    if left_out:
        lines += textwrap.wrap(f"(left out to fit {width} columns: {', '.join(left_out)})", width)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def head_of(column: Column) -> tuple[str, str]:
    """The two lines above a column: title and unit."""
    if column.name.startswith("score_") and column.name != "score_sd":
        return column.name.removeprefix("score_").replace("_", " ").capitalize(), "points"
    return column.title, "" if column.unit_shown == "-" else column.unit_shown


def _line(parts: Sequence[tuple[str, Column]], widths: dict[str, int]) -> str:
    return GAP.join(
        _pad(_cut(text, widths[column.name]), widths[column.name], right=column.kind in ("number", "integer"))
        for text, column in parts
    )


def paragraph(text: str, width: int = WIDTH) -> str:
    """A wrapped paragraph, ending in a newline."""
    return "\n".join(textwrap.wrap(clean(text), width)) + "\n"


def bullet(text: str, width: int = WIDTH) -> str:
    """A wrapped point of a list, ending in a newline."""
    lines = textwrap.wrap(clean(text), width, initial_indent="- ", subsequent_indent="  ")
    return "\n".join(lines) + "\n"


def heading(text: str) -> str:
    """A title line with its rule."""
    words = clean(text)
    return f"{words}\n{'=' * text_width(words)}\n"


def ranking_text(
    ranking: Ranking,
    *,
    sites: pd.DataFrame | None = None,
    top: int | None = 20,
    width: int = WIDTH,
) -> str:
    """The ranking as text: weights, table, excluded sites counted by reason."""
    table = ranking_table(ranking, sites)
    parts = [heading(table.title), paragraph(table.note, width), "\n", table_text(table, width, top=top)]
    if len(ranking.excluded):
        counts = ranking.excluded.drop_duplicates(["site_id", "rule"])["rule"].value_counts(sort=False)
        listed = ", ".join(f"{rule} {count}" for rule, count in sorted(counts.items()))
        sites_out = len(set(ranking.excluded["site_id"]))
        parts.append("\n" + paragraph(f"Excluded sites: {sites_out} ({listed}).", width))
    if ranking.notes:
        parts.append("\n")
    parts += [bullet(note, width) for note in ranking.notes]
    return "".join(parts)


def comparison_text(comparison: Comparison, *, sites: pd.DataFrame | None = None, width: int = WIDTH) -> str:
    """Sites side by side, one column per site, with the cost waterfall and what flips the winner."""
    table = compare_table(comparison, sites)
    parts = [heading(table.title), transposed_text(table, width)]
    for site_id, rows in waterfall_table(comparison).frame.groupby("site_id", sort=False):
        steps = ", ".join(
            f"{part.replace('_', ' ')} {difference:+,.0f}"
            for part, difference in zip(rows["part"], rows["difference_usd_per_mw_year"], strict=True)
        )
        total = rows["difference_usd_per_mw_year"].sum()
        parts.append(
            "\n"
            + paragraph(
                f"{site_id} costs {total:+,.0f} USD/MW-year against {comparison.winner}: {steps}.", width
            )
        )
    parts += [
        paragraph(
            f"What flips the winner: {comparison.ranking.criteria[flip.criterion].title.lower()} of {flip.site_id} "
            f"at {flip.needed:,.4g} instead of {flip.now:,.4g} ({flip.unit}).",
            width,
        )
        for flip in comparison.flips
    ]
    parts += [paragraph(f"{site} is left out: {reason}.", width) for site, reason in comparison.missing]
    return "".join(parts)


def transposed_text(table: Table, width: int = WIDTH) -> str:
    """One line per figure and one column per row of ``table``; what has no room beside comes below."""
    skip = {"workload", "site_id", "name", *table.hidden}
    labels, rows = [], []
    names = [clean(site) for site in table.frame["site_id"]]
    for column in table.columns:
        if column.name in skip:
            continue
        labels.append(
            f"{column.title} [{column.unit_shown}]" if column.unit_shown not in ("", "-") else column.title
        )
        rows.append([cell_text(value, column) for value in table.frame[column.name]])
    label_width = min(MAX_LABEL, width // 2, max((text_width(label) for label in labels), default=0))
    widest = [
        max([text_width(name), *(text_width(row[place]) for row in rows)]) for place, name in enumerate(names)
    ]
    room = width - label_width
    # As many sites beside each other as have room for a readable column, the others below.
    beside = max(1, min(len(names), room // (LEAST_COLUMN + len(GAP))))
    blocks = []
    for first in range(0, len(names), beside):
        here = range(first, min(first + beside, len(names)))
        each = max(LEAST_TEXT, room // len(here) - len(GAP))
        widths = [min(each, widest[place]) for place in here]

        def line(label: str, cells: Sequence[str], widths: Sequence[int] = widths) -> str:
            padded = [
                _pad(_cut(cell, wide), wide, right=True) for cell, wide in zip(cells, widths, strict=True)
            ]
            return GAP.join([_pad(_cut(label, label_width), label_width, right=False), *padded]).rstrip()

        lines = [
            line("", [names[place] for place in here]),
            line("-" * label_width, ["-" * wide for wide in widths]),
        ]
        lines += [
            line(label, [row[place] for place in here]) for label, row in zip(labels, rows, strict=True)
        ]
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


GOALS = {
    "expected": "mean cost over the futures",
    "cvar": "weighted mean and CVaR of the cost",
    "regret": "largest regret",
}
"""Goals of a plan whose name is not a word of its own."""


def plan_text(plan: Any, *, sites: pd.DataFrame | None = None, width: int = WIDTH) -> str:  # noqa: ANN401
    """The plan as text: status with bound and gap, placements, cost parts, binding limits."""
    summary = plan_summary(plan)
    lines = [heading("Plan")]
    cost = summary.get("objective_usd_per_year")
    if cost is not None:
        bound = summary.get("bound_usd_per_year")
        gap = summary.get("gap")
        goal = summary.get("goal", "cost")
        if goal in ("cost", "npv"):
            text = f"{summary['status']}: {cost / 1e6:,.2f} M USD/year"
            if bound is not None:
                text += f", proven bound {bound / 1e6:,.2f}"
        else:
            unit = str(summary.get("goal_unit", ""))
            scale, unit = (1e6, f"M {unit}") if unit.startswith("USD") else (1.0, unit)
            text = (
                f"{summary['status']}: {GOALS.get(goal, goal)} {summary['goal_value'] / scale:,.2f} {unit}, "
                f"proven bound {summary['goal_bound'] / scale:,.2f}"
            )
        if gap is not None:
            text += f", gap {gap:.3%}"
        if goal not in ("cost", "npv"):
            text += f"; costs {cost / 1e6:,.2f} M USD/year at the listed facts"
        lines.append(paragraph(text, width))
    lines += ["\n", table_text(plan_table(plan, sites), width)]
    if getattr(plan, "cost_parts", None):
        lines += ["\n", table_text(cost_parts_table(plan), width)]
    for table in plan_tables(plan, sites):
        if table.name == "limits" and "binding" in table.frame and not table.empty:
            binding = table.frame["binding"].fillna(False).astype(bool)
            slack = int((~binding).sum())
            if binding.any():
                frame = table.frame[binding].reset_index(drop=True)
                shown = replace(table, frame=frame, hidden=(*table.hidden, "binding", "slack"))
                lines += ["\n", "Binding limits\n", table_text(shown, width)]
            words = f"{slack} further limit{'' if slack == 1 else 's'} with slack." if slack else ""
            lines.append(words and paragraph(words, width))
        elif table.name in ("limits", "shadow_prices", "robustness", "futures", "waits") and not table.empty:
            lines += ["\n", f"{table.title}\n", table_text(table, width)]
    return "".join(lines)


def report_text(
    result: Any,  # noqa: ANN401
    *,
    evaluation: Evaluation | None = None,
    top: int | None = 20,
    width: int = WIDTH,
) -> str:
    """Any result as text, the parts in the order a reader asks for them."""
    report: Report = as_report(result, evaluation=evaluation)
    sites = report.evaluation.sites if report.evaluation is not None else None
    parts = []
    if report.plan is not None:
        parts.append(plan_text(report.plan, sites=sites, width=width))
    parts += [
        comparison_text(comparison, sites=sites, width=width) for comparison in report.comparisons.values()
    ]
    alone = [
        ranking
        for workload, ranking in report.rankings.items()
        if workload not in report.comparisons and report.plan is None
    ]
    parts += [ranking_text(ranking, sites=sites, top=top, width=width) for ranking in alone]
    parts += [f"{heading(table.title)}{table_text(table, width, top=top)}" for table in report.tables]
    shown = {note for ranking in alone for note in ranking.notes}
    notes = "".join(bullet(note, width) for note in report_notes(report) if note not in shown)
    return "\n".join(part for part in (*parts, notes) if part)
