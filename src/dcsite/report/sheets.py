"""Workbooks: one sheet per table, frozen header, number formats with units, data bars, a sources sheet."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from dcsite.errors import MissingExtraError
from dcsite.report.plain import needs_guard, plain_value
from dcsite.report.terminal import clean, text_width

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from dcsite.report.frames import Column, Table

FIXED_DATE: Final = datetime(2000, 1, 1)
BARS: Final = ("score", "it_mw", "cost_usd_per_mw_year", "cost_usd_per_year", "share_ratio")
SHEET_NAME_LENGTH: Final = 31
WIDEST: Final = 60


def number_format(column: Column) -> str:
    """Spreadsheet format of a column, with its unit behind the figure.

    Examples
    --------
    >>> from dcsite.report.frames import Column
    >>> number_format(Column("rtt_p50_ms", "RTT", "ms", 0))
    '#,##0" ms"'
    """
    if column.kind == "integer":
        return "0"
    digits = 0 if column.scale > 1 else column.digits
    body = "#,##0" + ("." + "0" * digits if digits else "")
    unit = column.unit.replace('"', "")
    return f'{body}" {unit}"' if unit and unit != "-" else body


def write_workbook(
    path: Path, tables: Mapping[str, Table], about: Sequence[tuple[str, str]], order: Sequence[str] = ()
) -> None:
    """Write the tables to ``path``.

    Parameters
    ----------
    about
        Lines of the first sheet: label and text.
    order
        Sheets that come first.

    Raises
    ------
    MissingExtraError
        If xlsxwriter is not installed.
    """
    try:
        import xlsxwriter
    except ImportError as error:
        feature = "an Excel workbook"
        raise MissingExtraError(feature, "report") from error
    options = {
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "in_memory": True,
    }
    with xlsxwriter.Workbook(str(path), options) as book:
        book.set_properties({"title": about[0][1] if about else "dcsite", "created": FIXED_DATE})
        bold = book.add_format({"bold": True, "text_wrap": True, "valign": "top", "bottom": 1})
        text = book.add_format({"text_wrap": True, "valign": "top"})
        guarded = book.add_format({"quote_prefix": True})
        sheet = book.add_worksheet("about")
        sheet.set_column(0, 0, 24)
        sheet.set_column(1, 1, 100)
        for row, (label, words) in enumerate(about):
            sheet.write_string(row, 0, clean(label), bold)
            sheet.write_string(row, 1, clean(words), text)
        names = [name for name in order if name in tables]
        names += [name for name in tables if name not in names]
        for name in names:
            _sheet(book, name, tables[name], bold, guarded)


def _sheet(book: Any, name: str, table: Table, bold: Any, guarded: Any) -> None:  # noqa: ANN401
    sheet = book.add_worksheet(name[:SHEET_NAME_LENGTH])
    count = len(table.frame)
    for place, column in enumerate(table.columns):
        head = f"{column.title}\n[{column.unit}]" if column.unit not in ("", "-") else column.title
        sheet.write_string(0, place, head, bold)
        sheet.write_comment(0, place, column.name)
        shown = book.add_format({"num_format": number_format(column)})
        widest = len(column.title) + 2
        for row, raw in enumerate(table.frame[column.name], start=1):
            value = plain_value(raw)
            if value is None:
                continue
            if isinstance(value, bool):
                sheet.write_boolean(row, place, value)
            elif isinstance(value, str):
                words = clean(value)
                widest = max(widest, text_width(words))
                sheet.write_string(row, place, words, guarded if needs_guard(value) else None)
            else:
                sheet.write_number(row, place, value, shown)
                widest = max(widest, 12)
        sheet.set_column(place, place, min(WIDEST, widest + 1))
        is_bar = column.name in BARS or (column.name.startswith("score_") and column.name != "score_sd")
        if is_bar and count:
            sheet.conditional_format(
                1,
                place,
                count,
                place,
                {
                    "type": "data_bar",
                    "bar_color": "#9DBFE3",
                    "min_type": "num",
                    "min_value": 0,
                },
            )
    sheet.set_row(0, 32)
    names = [column.name for column in table.columns]
    sheet.freeze_panes(1, names.index("site_id") + 1 if "site_id" in names[:5] else 0)
    if table.columns:
        sheet.autofilter(0, 0, max(1, count), len(table.columns) - 1)
