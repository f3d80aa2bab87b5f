"""Where a result goes: text, JSON, CSV or Markdown on stdout, or a file by its ending. Light: no heavy import."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dcsite.cli.options import Format

if TYPE_CHECKING:
    from dcsite.report.frames import Table

LEAST_WIDTH = 60
MOST_WIDTH = 200
PIPE_WIDTH = 100


def width() -> int:
    """Columns to write: ``COLUMNS``, else the terminal's, else 100 (a pipe, a file)."""
    asked = os.environ.get("COLUMNS", "")
    if asked.isdigit():
        return min(MOST_WIDTH, max(LEAST_WIDTH, int(asked)))
    if sys.stdout.isatty():
        return min(MOST_WIDTH, max(LEAST_WIDTH, os.get_terminal_size().columns))
    return PIPE_WIDTH


def say(text: str) -> None:
    """Write to stderr: everything that is not the result."""
    typer.echo(text, err=True)


def write_text(text: str, out: Path | None, *, force: bool = False) -> None:
    """Write a text result to stdout, or to a file by a temporary name and a rename."""
    from dcsite.spec.address import is_address

    if is_address(out):
        from dcsite.errors import UsageError

        message = "this result has no places and is not written to a database"
        raise UsageError(message, hint="give --out a file")
    if out is None:
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        return
    from dcsite.report.plain import whole_file

    with whole_file(out, force=force) as temporary:
        temporary.write_text(text if text.endswith("\n") else f"{text}\n", encoding="utf-8")
    say(f"wrote {out}")


def write_chart(picture: str | None, chart: Path | None, *, force: bool = False) -> None:
    """Write the picture that ``--chart`` asks for; nothing without it.

    Raises
    ------
    UsageError
        If the file does not end in .svg, exists without ``--force``, or there is nothing to draw.
    """
    if chart is None:
        return
    from dcsite.errors import UsageError
    from dcsite.report.plain import whole_file

    if chart.suffix.lower() != ".svg":
        message = f"--chart {chart}: must end in .svg"
        raise UsageError(message)
    if picture is None:
        message = f"--chart {chart}: there is nothing to draw"
        raise UsageError(message)
    with whole_file(chart, force=force) as temporary:
        temporary.write_text(picture, encoding="utf-8")
    say(f"wrote {chart}")


def emit_result(
    result: Any,  # noqa: ANN401  (any result of the library)
    text: str,
    output_format: Format,
    out: Path | None,
    *,
    evaluation: Any = None,  # noqa: ANN401
    title: str = "",
    force: bool = False,
) -> None:
    """Write a result that reports understand; with ``out`` the ending of the file decides the format."""
    from dcsite.report import export
    from dcsite.report.frames import as_report
    from dcsite.spec.address import is_address

    if is_address(out):
        told = export.write_to_database(result, out, evaluation=evaluation, title=title, force=force)
        say(f"wrote {told}")
        return
    if out is not None and (out.suffix or out.is_dir()):
        for path in export.write_report(result, out, evaluation=evaluation, title=title, force=force):
            say(f"wrote {path}")
        return
    if output_format is Format.json:
        text = export.json_text(as_report(result, evaluation=evaluation, title=title))
    elif output_format is Format.md:
        text = export.markdown_text(as_report(result, evaluation=evaluation, title=title))
    elif output_format is Format.csv:
        text = export.main_csv_text(as_report(result, evaluation=evaluation, title=title))
    write_text(text, out, force=force)


def emit_table(
    table: "Table", output_format: Format, out: Path | None, *, force: bool = False, note: str = ""
) -> None:
    """Write one table."""
    from dcsite.report.terminal import table_text

    text = table_text(table, width())
    if note:
        text = f"{text}\n{note}\n"
    emit_result(table, text, output_format, out, force=force, title=table.title)
