"""Results as files: HTML, CSV, JSON, Markdown, GeoJSON, GeoPackage, GeoParquet, XLSX, PDF and SVG.

Every file is written under a temporary name and renamed; files that exist are kept unless ``force`` is set.
No file holds a clock, so that the same input gives the same bytes.

JSON follows the schema ``dcsite.report/1`` (:func:`json_schema`): full precision, ``null`` where nothing is
known.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

import dcsite
from dcsite.errors import MissingExtraError, UsageError
from dcsite.report.frames import (
    Report,
    Table,
    as_report,
    main_table,
    plan_summary,
    plan_table,
    ranking_table,
    report_notes,
    report_tables,
    with_places,
)
from dcsite.report.plain import guard_text, plain_value, refuse_existing, whole_file
from dcsite.report.terminal import cell_text, clean
from dcsite.spec.address import is_address

if TYPE_CHECKING:
    from dcsite.physics.evaluation import Evaluation

JSON_SCHEMA: Final = "dcsite.report/1"
FORMATS: Final = ("html", "csv", "json", "md", "geojson", "gpkg", "xlsx", "parquet", "pdf", "svg")
_SUFFIXES: Final = {f".{name}": name for name in FORMATS} | {
    ".htm": "html",
    ".markdown": "md",
    ".geoparquet": "parquet",
}


def format_of(path: Path, format: str | None = None) -> str:
    """Format of a file: the given one, else by its suffix.

    Raises
    ------
    UsageError
        If the format is unknown.
    """
    name = format.lower() if format else _SUFFIXES.get(path.suffix.lower(), "")
    if name not in FORMATS:
        found = f"unknown format '{format}'" if format else f"{path}: the suffix names no format"
        raise UsageError(found, hint=f"formats: {', '.join(FORMATS)}")
    return name


def write_report(
    result: Any,  # noqa: ANN401  (any result of the library)
    path: str | Path,
    format: str | Sequence[str] | None = None,
    *,
    evaluation: Evaluation | None = None,
    force: bool = False,
    title: str = "",
    presets: Mapping[str, Mapping[str, float]] | None = None,
    pictures: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write a result to a file, or in several formats to a folder.

    Parameters
    ----------
    result
        Ranking, comparison, plan, evaluation, frame, :class:`~dcsite.report.frames.Report`, or a sequence
        of these.
    path
        File; a folder when ``format`` names several (``html,xlsx``): files ``report.<format>`` in it. The
        address of a database table (``postgresql://user@host/database?table=name``) takes the main table
        with its places; no file is written then.
    format
        One of :data:`FORMATS`; default by the suffix of ``path``.
    evaluation
        The facts behind a ranking or plan: sources, assumptions, positions, and every technology for the
        page's movable weights.
    force
        Overwrite files that exist.
    presets, pictures
        Weights by profile, and the named slots ``spectrum, pareto, acceptability`` of the page.

    Returns
    -------
    list of Path
        Files written.

    Raises
    ------
    UsageError
        If the format is unknown, the file exists, or there is nothing to write.
    MissingExtraError
        If the format needs packages that are not installed.
    """
    report = as_report(result, evaluation=evaluation, title=title, presets=presets, pictures=pictures)
    if is_address(path):
        write_to_database(report, path, force=force)
        return []
    target = Path(path)
    if isinstance(format, str) and "," in format:
        format = [part.strip() for part in format.split(",") if part.strip()]
    if format is not None and not isinstance(format, str):
        names = [format_of(target, name) for name in format]
        for name in names:
            refuse_existing(target / f"report.{name}", force=force)
        written = []
        for name in names:
            written += write_report(report, target / f"report.{name}", name, force=force)
        return written
    name = format_of(target, format)
    if name == "svg":
        return _write_svg(report, target, force=force)
    with whole_file(target, force=force) as temporary:
        if name in _TEXTS:
            temporary.write_text(_TEXTS[name](report), encoding="utf-8", newline="")
        else:
            _WRITERS[name](report, temporary)
    return [target]


# --- text formats -----------------------------------------------------------------------------------------


def csv_text(table: Table) -> str:
    """A table as CSV: full precision, empty where nothing is known, text guarded against formulas."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([column.name for column in table.columns])
    columns = [[_csv_cell(value) for value in table.frame[column.name]] for column in table.columns]
    writer.writerows(zip(*columns, strict=True))
    return buffer.getvalue()


def main_csv_text(report: Report) -> str:
    """The table that a one-table format carries (:func:`~dcsite.report.frames.main_table`), as CSV."""
    return csv_text(main_table(report))


def _csv_cell(value: Any) -> str:  # noqa: ANN401
    plain = plain_value(value)
    if plain is None:
        return ""
    if isinstance(plain, bool):
        return "true" if plain else "false"
    return guard_text(plain) if isinstance(plain, str) else repr(plain)


def table_records(table: Table) -> list[dict[str, Any]]:
    """Rows of a table as plain dictionaries; None where nothing is known."""
    columns = {
        column.name: [plain_value(value) for value in table.frame[column.name]] for column in table.columns
    }
    return [{name: values[row] for name, values in columns.items()} for row in range(len(table.frame))]


def json_document(report: Report) -> dict[str, Any]:
    """A report as the JSON document of :func:`json_schema`."""
    facts = report.evaluation
    document: dict[str, Any] = {
        "schema": JSON_SCHEMA,
        "dcsite_version": dcsite.__version__,
        "title": report.title,
        "notes": report_notes(report),
    }
    if facts is not None:
        document["scenario"] = facts.scenario.model_dump(mode="json")
        document["vintage"] = dict(facts.vintage)
        document["checksums"] = dict(facts.checksums)
    if report.rankings:
        document["weights"] = {
            name: {
                "profile": entry.profile.name,
                "method": entry.method,
                "nominal": {key: float(value) for key, value in entry.weights.weight.items()},
                "effective": {key: float(value) for key, value in entry.effective_weight.items()},
                "swing_usd_per_rack_year": {
                    key: float(value) for key, value in entry.weights.swing_usd_per_rack_year.items()
                },
            }
            for name, entry in report.rankings.items()
        }
    if report.plan is not None:
        document["plan"] = plan_document(report.plan)
    document["tables"] = {
        name: {
            "title": table.title,
            "columns": [
                {"name": column.name, "title": column.title, "unit": column.unit, "kind": column.kind}
                for column in table.columns
            ],
            "rows": table_records(table),
        }
        for name, table in report_tables(report).items()
    }
    return document


def plan_document(plan: Any) -> dict[str, Any]:  # noqa: ANN401
    """Status, cost, bound and gap of a plan, as plain values."""
    document = {key: _plain_tree(value) for key, value in plan_summary(plan).items()}
    document["cost_parts"] = _plain_tree(dict(getattr(plan, "cost_parts", {}) or {}))
    return document


def _plain_tree(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, Mapping):
        return {str(key): _plain_tree(entry) for key, entry in value.items()}
    if isinstance(value, pd.DataFrame):
        return [_plain_tree(row) for row in value.to_dict("records")]
    if isinstance(value, list | tuple | set | frozenset):
        return [
            _plain_tree(entry) for entry in (sorted(value) if isinstance(value, set | frozenset) else value)
        ]
    return plain_value(value)


def json_text(report: Report | Any) -> str:  # noqa: ANN401
    """A report as JSON text: one document, keys in order, no NaN."""
    document = json_document(as_report(report))
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def json_schema() -> dict[str, Any]:
    """The JSON schema of ``dcsite.report/1``.

    Tables and columns may be added within version 1; none is renamed or removed.
    """
    weights = {"type": "object", "additionalProperties": {"type": "number"}}
    cell = {"type": ["string", "number", "boolean", "null"]}
    column = {
        "type": "object",
        "required": ["name", "title", "unit", "kind"],
        "properties": {
            "name": {"type": "string"},
            "title": {"type": "string"},
            "unit": {"type": "string"},
            "kind": {"enum": ["text", "number", "integer", "flag"]},
        },
    }
    table = {
        "type": "object",
        "required": ["title", "columns", "rows"],
        "properties": {
            "title": {"type": "string"},
            "columns": {"type": "array", "items": column},
            "rows": {"type": "array", "items": {"type": "object", "additionalProperties": cell}},
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "dcsite report, version 1",
        "type": "object",
        "required": ["schema", "dcsite_version", "title", "notes", "tables"],
        "properties": {
            "schema": {"const": JSON_SCHEMA},
            "dcsite_version": {"type": "string"},
            "title": {"type": "string"},
            "notes": {"type": "array", "items": {"type": "string"}},
            "scenario": {"type": "object", "description": "the resolved scenario, defaults filled in"},
            "vintage": {"type": "object", "additionalProperties": {"type": "string"}},
            "checksums": {"type": "object", "additionalProperties": {"type": "string"}},
            "weights": {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "properties": {
                        "profile": {"type": "string"},
                        "method": {"enum": ["weighted_sum", "topsis", "promethee"]},
                        "nominal": weights,
                        "effective": weights,
                        "swing_usd_per_rack_year": weights,
                    },
                },
            },
            "plan": {"type": "object"},
            "tables": {"type": "object", "additionalProperties": table},
        },
    }


_MARKDOWN: Final = str.maketrans(
    {mark: f"\\{mark}" for mark in "\\`*_[]|#~"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
)


def markdown_cell(text: object) -> str:
    """Text that Markdown and the HTML made of it leave as it is."""
    return clean(text).translate(_MARKDOWN)


def markdown_table(table: Table) -> str:
    """A table in Markdown with the columns that a printed table shows."""
    columns = [column for column in table.columns if column.name not in table.hidden]
    heads = [
        f"{column.title} [{column.unit_shown}]" if column.unit_shown not in ("", "-") else column.title
        for column in columns
    ]
    sides = ["---:" if column.kind in ("number", "integer") else "---" for column in columns]
    lines = ["| " + " | ".join(markdown_cell(head) for head in heads) + " |", "| " + " | ".join(sides) + " |"]
    cells = [
        [markdown_cell(cell_text(value, column)) for value in table.frame[column.name]] for column in columns
    ]
    lines += ["| " + " | ".join(row) + " |" for row in zip(*cells, strict=True)]
    return "\n".join(lines) + "\n"


def markdown_text(report: Report) -> str:
    """A report in Markdown: notes, then every table under its heading."""
    parts = [f"# {markdown_cell(report.title)}\n"]
    if report.plan is not None:
        parts.append(
            "\n" + "".join(f"- {label}: {markdown_cell(words)}\n" for label, words in plan_lines(report.plan))
        )
    notes = report_notes(report)
    if notes:
        parts.append("\n" + "".join(f"- {markdown_cell(note)}\n" for note in notes))
    for table in report_tables(report).values():
        parts.append(f"\n## {markdown_cell(table.title)}\n\n")
        if table.note:
            parts.append(f"{markdown_cell(table.note)}\n\n")
        parts.append(markdown_table(table))
    parts.append(f"\ndcsite {dcsite.__version__}\n")
    return "".join(parts)


def plan_lines(plan: Any) -> list[tuple[str, str]]:  # noqa: ANN401
    """Status, cost, bound, gap and what the plan comes to, in words; unknown figures are left out."""
    found = {key: plain_value(value) for key, value in plan_summary(plan).items()}
    lines = [("Status", str(found.get("status", "")))]
    if found.get("limit_hit"):
        lines.append(("Stopped by", str(found["limit_hit"])))

    def add(key: str, label: str, form: str, scale: float = 1.0) -> None:
        value = found.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            lines.append((label, form.format(value / scale)))

    add("objective_usd_per_year", "Annual cost", "{:,.2f} M USD/year", 1e6)
    if found.get("goal") in (None, "cost"):
        add("bound_usd_per_year", "Proven bound", "{:,.2f} M USD/year", 1e6)
    else:
        unit = str(found.get("goal_unit") or "")
        add("goal_value", f"Goal: {found['goal']}", f"{{:,.6g}} {unit}")
        add("goal_bound", "Proven bound of the goal", f"{{:,.6g}} {unit}")
    add("gap", "Gap", "{:.3%}")
    add("it_mw", "IT power", "{:,.0f} MW")
    add("capex_usd", "Capital", "{:,.2f} B USD", 1e9)
    add("carbon_kg_per_mwh", "Carbon", "{:,.0f} kg per IT-MWh")
    water = found.get("water_m3_per_year")
    if isinstance(water, int | float) and water >= 1e5:
        add("water_m3_per_year", "Water", "{:,.2f} M m3/year", 1e6)
    else:
        add("water_m3_per_year", "Water", "{:,.0f} m3/year")
    if found.get("verified") is not None:
        lines.append(("Checked without the solver", "yes" if found["verified"] else "no"))
    return lines


def _places(report: Report) -> tuple[Table, pd.DataFrame]:
    table = main_table(report)
    sites = report.evaluation.sites if report.evaluation is not None else None
    if "site_id" not in table.frame and not {"lat", "lon"} <= set(table.frame.columns):
        message = "the result has no places: this format needs sites with lat and lon"
        raise UsageError(message)
    frame = with_places(table.frame, sites) if "site_id" in table.frame else table.frame
    return table, frame


def geojson_text(report: Report) -> str:
    """The main table as GeoJSON points in EPSG:4326 (longitude first, as the format has it)."""
    table, frame = _places(report)
    names = [column.name for column in table.columns if column.name not in ("lat", "lon")]
    features = []
    for (_, row), record in zip(frame.iterrows(), table_records(table), strict=True):
        lat, lon = plain_value(row["lat"]), plain_value(row["lon"])
        here = None if lat is None or lon is None else {"type": "Point", "coordinates": [lon, lat]}
        features.append(
            {"type": "Feature", "geometry": here, "properties": {name: record[name] for name in names}}
        )
    document = {"type": "FeatureCollection", "name": table.name, "features": features}
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def html_text(report: Report) -> str:
    """A report as one offline page."""
    from dcsite.report.html import page_text

    return page_text(report)


_TEXTS: Final = {
    "csv": main_csv_text,
    "json": json_text,
    "md": markdown_text,
    "geojson": geojson_text,
    "html": html_text,
}


# --- binary formats ---------------------------------------------------------------------------------------


def _geo_frame(table: Table, frame: pd.DataFrame) -> Any:  # noqa: ANN401
    import geopandas as gpd

    plain = pd.DataFrame({column.name: frame[column.name] for column in table.columns})
    for column in table.columns:
        if column.kind == "flag":
            plain[column.name] = plain[column.name].map(plain_value).astype("boolean")
        elif column.kind == "text":
            plain[column.name] = plain[column.name].map(lambda value: plain_value(value) or "").astype(object)
        else:
            plain[column.name] = pd.to_numeric(plain[column.name], errors="coerce")
    points = gpd.points_from_xy(pd.to_numeric(frame["lon"]), pd.to_numeric(frame["lat"]))
    return gpd.GeoDataFrame(plain, geometry=points, crs="EPSG:4326")


def write_to_database(result: Any, address: object, *, force: bool = False, **about: Any) -> str:  # noqa: ANN401
    """Write the table of a one-table format (:func:`~dcsite.report.frames.main_table`) to a database.

    Parameters
    ----------
    address
        ``postgresql://user@host/database?table=name``.
    about
        ``evaluation`` and ``title``, as for :func:`write_report`.

    Returns
    -------
    str
        What was written where, without the password.
    """
    from dcsite.data.postgis import address_of
    from dcsite.report.postgis import write_table

    where = address_of(address)
    table, frame = _places(as_report(result, **about))
    count = write_table(table, frame, where, force=force)
    return f"{count:,} rows to {where}"


def _write_gpkg(report: Report, path: Path) -> None:
    """Layers with places: plan, ranking (one per workload), excluded."""
    import pyogrio  # type: ignore[import-untyped]

    sites = report.evaluation.sites if report.evaluation is not None else None
    layers: dict[str, Table] = {}
    if report.plan is not None:
        layers["plan"] = plan_table(report.plan, sites)
    for workload, ranking in report.rankings.items():
        name = "ranking" if len(report.rankings) == 1 else f"ranking_{workload}"
        layers[name] = ranking_table(ranking, sites)
    if not layers:
        table, _ = _places(report)
        layers[table.name] = table
    tables = report_tables(report)
    if "excluded" in tables and sites is not None:
        layers["excluded"] = tables["excluded"]
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2000-01-01T00:00:00.000Z"})
    for name, table in layers.items():
        frame = with_places(table.frame, sites)
        _geo_frame(table, frame).to_file(path, layer=name, driver="GPKG", engine="pyogrio")


def _write_parquet(report: Report, path: Path) -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        feature = "GeoParquet"
        raise MissingExtraError(feature, "parquet") from error
    table, frame = _places(report)
    _geo_frame(table, frame).to_parquet(path, index=False)


def about_lines(report: Report) -> list[tuple[str, str]]:
    """What the first sheet and the first page say: title, versions, plan, data vintage, notes."""
    lines = [("Title", report.title), ("Made by", f"dcsite {dcsite.__version__}")]
    if report.plan is not None:
        lines += plan_lines(report.plan)
    for workload, ranking in report.rankings.items():
        weights = ", ".join(f"{name} {value:.1%}" for name, value in ranking.weights.weight.items())
        lines.append((f"Weights for {workload}", weights))
    if report.evaluation is not None:
        lines += [(f"Data: {kind}", str(text)) for kind, text in report.evaluation.vintage.items()]
    return [*lines, *(("Note", note) for note in report_notes(report))]


def _write_xlsx(report: Report, path: Path) -> None:
    from dcsite.report.sheets import write_workbook

    write_workbook(path, report_tables(report), about_lines(report))


def _write_pdf(report: Report, path: Path) -> None:
    from dcsite.report.board import write_pdf

    write_pdf(report, path)


_WRITERS: Final = {"gpkg": _write_gpkg, "parquet": _write_parquet, "xlsx": _write_xlsx, "pdf": _write_pdf}


def _write_svg(report: Report, path: Path, *, force: bool) -> list[Path]:
    """The map under the given name, the other pictures beside it: ``NAME_scores_WORKLOAD.svg`` and so on."""
    from dcsite.report.figures import bars_svg, costs_svg, map_svg, picture_svg

    sites = report.evaluation.sites if report.evaluation is not None else None
    pictures: dict[str, str] = {}
    if report.plan is not None or report.rankings:
        pictures[""] = map_svg(report)
    for workload, ranking in report.rankings.items():
        pictures[f"_scores_{workload}"] = bars_svg(ranking, sites)
    for workload, comparison in report.comparisons.items():
        pictures[f"_costs_{workload}"] = costs_svg(comparison)
    for slot, value in report.pictures.items():
        drawn = value if isinstance(value, str) and value.startswith("<svg") else picture_svg(value)
        if drawn is not None:
            pictures[f"_{slot}" if pictures else ""] = drawn
    if not pictures:
        message = "the result has nothing to draw"
        raise UsageError(
            message, hint="give a ranking, a comparison, a plan, a spectrum or a robustness result"
        )
    texts: dict[Path, str] = {}
    for key, text in pictures.items():
        target = path.with_name(f"{path.stem}{_file_word(key)}.svg")
        number = 2
        while target in texts:  # names that differ only in signs that files do not take
            target = path.with_name(f"{path.stem}{_file_word(key)}_{number}.svg")
            number += 1
        texts[target] = text
    for target in texts:
        refuse_existing(target, force=force)
    for target, text in texts.items():
        with whole_file(target, force=force) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="")
    return list(texts)


def _file_word(text: str) -> str:
    return "".join(mark if mark.isascii() and (mark.isalnum() or mark in "-_") else "_" for mark in text)[:60]
