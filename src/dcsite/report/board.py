"""The report for a board: two to four pages of PDF, set by typst.

Owns what a board reads and in which order: the answer, the map, ranking, plan, cost, risks, sources. All texts
enter the typesetter as strings, never as markup.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pandas as pd

import dcsite
from dcsite.errors import MissingExtraError
from dcsite.report.figures import bars_svg, costs_svg, in_words, map_svg, outline, picture_svg
from dcsite.report.frames import (
    Column,
    Table,
    answer_sites,
    column_of,
    compare_table,
    ranking_table,
    report_notes,
    report_tables,
)
from dcsite.report.terminal import cell_text, clean, head_of, text_width

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dcsite.report.frames import Report

MOST_COLUMNS: Final = 11
MOST_NOTES: Final = 5
CELL_LENGTH: Final = 110
WIDEST: Final = 34
LEADING_SITES: Final = 8
RANK_ROWS: Final = 10
MOST_TOGETHER: Final = 12
_HEAD: Final = """#set document(title: {title}, date: none)
#set page(paper: "a4", margin: (x: 1.7cm, y: 1.6cm), footer: context [
  #set text(7pt, fill: luma(110))
  #grid(columns: (1fr, auto), column-gutter: 1em, {footer}, counter(page).display("1 / 1", both: true))
])
#set text(9pt, lang: "en")
#set par(justify: false)
#show heading: set block(above: 1.2em, below: 0.6em)
#show table: set text(7.2pt)
#set table(stroke: (x, y) => if y == 0 { (bottom: 0.6pt) } else { (bottom: 0.2pt + luma(200)) }, inset: 2.8pt)
"""


def quoted(text: object) -> str:
    r"""Text as a typst string, which holds no markup.

    Examples
    --------
    >>> print(quoted('a "b" #c'))
    "a \"b\" #c"
    """
    words = clean(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{words}"'


def write_pdf(report: Report, path: Path) -> None:
    """Write the report for a board to ``path``.

    Raises
    ------
    MissingExtraError
        If typst is not installed.
    """
    try:
        import typst
    except ImportError as error:
        feature = "a PDF"
        raise MissingExtraError(feature, "report") from error
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "report.typ").write_text(typst_text(report, folder), encoding="utf-8")
        typst.compile(str(folder / "report.typ"), output=str(folder / "report.pdf"), root=str(folder))
        path.write_bytes((folder / "report.pdf").read_bytes())


def typst_text(report: Report, folder: Path) -> str:
    """The typst source; pictures are written beside it into ``folder``."""
    tables = report_tables(report)
    footer = quoted(f"dcsite {dcsite.__version__}. {outline()[1]}")
    head = _HEAD.replace("{title}", quoted(report.title)).replace("{footer}", footer)
    parts = [head, f'#text(17pt, weight: "bold", {quoted(report.title)})\n']
    parts += _answer(report)
    if report.plan is not None or report.rankings:
        (folder / "map.svg").write_text(map_svg(report), encoding="utf-8")
        parts.append('\n#image("map.svg", width: 100%)\n')
    parts += [f"\n- #{quoted(note)}\n" for note in report_notes(report)[:MOST_NOTES]]
    parts += _plan(tables)
    parts += _rankings(report, folder)
    parts += _comparisons(report, folder)
    parts += _pictures(report, folder)
    parts += _risks(report, tables)
    parts += _basis(tables)
    parts += [
        typst_table(table, RANK_ROWS)
        for table in report.tables
        if not report.rankings and report.plan is None
    ]
    return "".join(parts)


def _answer(report: Report) -> list[str]:
    """What a board asks first: status and cost of the plan, who leads each ranking."""
    from dcsite.report.export import plan_lines

    parts = []
    if report.plan is not None:
        cells = "".join(
            f'[#text(7.5pt, fill: luma(90), {quoted(label)}) \\ #text(11pt, weight: "bold", {quoted(words)})], '
            for label, words in plan_lines(report.plan)
        )
        parts.append(f"\n#grid(columns: (1fr, 1fr, 1fr), row-gutter: 0.9em, {cells})\n")
    for workload, ranking in report.rankings.items():
        if not len(ranking.table):
            continue
        best = ranking.table.iloc[0]
        tied = int((ranking.table["tie_group"] == best["tie_group"]).sum()) - 1
        words = (
            f"{best.get('name', best['site_id'])} ({best['site_id']}) leads with {best['score']:.1f} of 100"
        )
        words += f"; {tied} more within the noise of the figures." if tied else "."
        parts.append(f"\n*#{quoted(workload)}*: #{quoted(words)}\n")
    return parts


def _plan(tables: Mapping[str, Table]) -> list[str]:
    parts = [typst_table(tables[name], 16) for name in ("plan",) if name in tables]
    if "cost_parts" in tables:
        parts.append(typst_table(tables["cost_parts"], 14))
    for name in ("limits", "shadow_prices"):
        if name in tables:
            table = tables[name]
            if "binding" in table.frame:
                binding = table.frame["binding"].fillna(False).astype(bool)
                frame = table.frame[binding].reset_index(drop=True)
                table = Table(
                    name, "Binding limits", table.columns, frame, table.drop, (*table.hidden, "binding")
                )
            if not table.empty:
                parts.append(typst_table(table, 12))
    return parts


def _rankings(report: Report, folder: Path) -> list[str]:
    sites = report.evaluation.sites if report.evaluation is not None else None
    parts = []
    rows = RANK_ROWS if len(report.rankings) < 3 else 6
    for number, ranking in enumerate(list(report.rankings.values())[:4]):
        (folder / f"bars{number}.svg").write_text(bars_svg(ranking, sites, rows), encoding="utf-8")
        parts.append(
            f"\n#block(breakable: false)[\n== #{quoted(f'Ranking for {ranking.workload}: score by parts')}\n"
            f'#image("bars{number}.svg", width: 78%)]\n'
        )
        if len(report.rankings) == 1 and report.plan is None:
            parts.append(typst_table(ranking_table(ranking, sites), RANK_ROWS))
    return parts


def _comparisons(report: Report, folder: Path) -> list[str]:
    parts = []
    sites = report.evaluation.sites if report.evaluation is not None else None
    for number, comparison in enumerate(report.comparisons.values()):
        parts.append(_side_by_side(compare_table(comparison, sites)))
        if len(comparison.waterfall):
            (folder / f"costs{number}.svg").write_text(costs_svg(comparison), encoding="utf-8")
            parts.append(f'\n#image("costs{number}.svg", width: 70%)\n')
    return parts


def _side_by_side(table: Table) -> str:
    """Figures down, sites across."""
    names = [
        "score",
        "effective_price_usd_per_mwh",
        "pue",
        "scarce_water_l_per_kwh",
        "reach_ratio",
        "rtt_p50_ms",
    ]
    names += ["carbon_kg_per_mwh", "capex_usd_per_w", "cost_usd_per_mw_year", "levelized_usd_per_it_mwh"]
    rows = []
    for name in names:
        column = table.column(name)
        if table.frame[name].isna().all():
            continue
        unit = f" [{column.unit_shown}]" if column.unit_shown not in ("", "-") else ""
        rows.append([column.title + unit, *(cell_text(value, column) for value in table.frame[name])])
    columns = [Column("figure", "Figure", kind="text")]
    columns += [Column(f"site_{place}", clean(site)) for place, site in enumerate(table.frame["site_id"])]
    frame = pd.DataFrame(rows, columns=[column.name for column in columns], dtype=object)
    return typst_table(Table("compare", table.title, tuple(columns), frame), len(frame))


def _pictures(report: Report, folder: Path) -> list[str]:
    parts = []
    for number, (slot, value) in enumerate(list(report.pictures.items())[:2]):
        drawn = picture_svg(value)
        if drawn is not None:
            (folder / f"picture{number}.svg").write_text(drawn, encoding="utf-8")
            spectrum = slot.startswith("spectrum")
            title = (
                "Who wins as latency gains worth or racks gain power"
                if spectrum
                else "How sure the ranks are"
            )
            title += f": {value.workload}"
            parts.append(
                f'\n#block(breakable: false)[\n== #{quoted(title)}\n#image("picture{number}.svg", width: 66%)]\n'
            )
    return parts


RISK_FIGURES: Final = (
    "hazard_index",
    "policy_index",
    "water_stress_category",
    "time_to_power_years",
    "price_quality",
    "subsidized",
    "export_class",
)


def _risks(report: Report, tables: Mapping[str, Table]) -> list[str]:
    """Risks of the sites that the answer names, sites kept out by rule, weakest figures."""
    parts = []
    chosen = answer_sites(report)
    frames = [ranking.table for ranking in report.rankings.values()]
    if frames:
        whole = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
        picked = chosen if chosen is not None else list(dict.fromkeys(frames[0]["site_id"]))[:LEADING_SITES]
        frame = whole.drop_duplicates("site_id").set_index("site_id").reindex(picked)
        if report.evaluation is not None:
            for name in RISK_FIGURES:
                if name not in frame and name in report.evaluation.sites:
                    frame[name] = report.evaluation.sites[name].reindex(frame.index)
        names = [name for name in RISK_FIGURES if name in frame]
        columns = (
            Column("site_id", "Site", kind="text"),
            *(_risk_column(name, frame[name]) for name in names),
        )
        shown = frame[names].reset_index(names="site_id")
        parts.append(typst_table(Table("risks", "Risks of these sites", columns, shown), 14))
    if "excluded" in tables:
        grouped = tables["excluded"].frame.groupby("rule", sort=True)["site_id"]
        rows = [[str(rule), ids.nunique(), ", ".join(sorted(set(ids)))] for rule, ids in grouped]
        columns = (
            Column("rule", "Rule", kind="text"),
            Column("count", "Sites", "", 0, "integer"),
            Column("sites", "Which", kind="text"),
        )
        frame = pd.DataFrame(rows, columns=["rule", "count", "sites"])
        parts.append(typst_table(Table("excluded", "Sites kept out by hard rules", columns, frame), 12))
    if "weak_figures" in tables:
        parts.append(typst_table(tables["weak_figures"], 8))
    return parts


def _risk_column(name: str, values: pd.Series) -> Column:
    column = column_of(name)
    if column.kind == "number" and not pd.api.types.is_numeric_dtype(values):
        return Column(name, column.title, kind="text")
    return column


def _basis(tables: Mapping[str, Table]) -> list[str]:
    """What the answer rests on."""
    parts = []
    if "assumptions" in tables:
        parts.append(typst_table(tables["assumptions"], 14))
    if "vintage" in tables:
        parts.append(typst_table(tables["vintage"], 12))
    if "sources" in tables:
        table = tables["sources"]
        kept = ("source_id", "publisher", "title", "year", "license")
        hidden = tuple(column.name for column in table.columns if column.name not in kept)
        parts.append(typst_table(Table("sources", table.title, table.columns, table.frame, (), hidden), 12))
    return parts


def typst_table(table: Table, top: int) -> str:
    """The first rows of a table; columns share the width by what they hold, so that none runs over."""
    shown: list[Column] = [column for column in table.columns if column.name not in table.hidden]
    for name in table.drop:
        if len(shown) > MOST_COLUMNS:
            shown = [column for column in shown if column.name != name]
    shown = shown[:MOST_COLUMNS]
    frame = table.frame.head(top)
    heads = [_head_words(column) for column in shown]
    cells = [
        [_shorter(in_words(column.name, cell_text(value, column))) for value in frame[column.name]]
        for column in shown
    ]
    shares = [_share(head, texts) for head, texts in zip(heads, cells, strict=True)]
    sides = ", ".join("right" if column.kind in ("number", "integer") else "left" for column in shown)
    wide = ", ".join(f"{share}fr" for share in shares)
    lines = [
        f"\n== #{quoted(table.title)}\n",
        f"#table(columns: ({wide},), align: ({sides},),\n table.header(",
    ]
    lines += [f"strong({quoted(head)}), " for head in heads]
    lines.append("),\n")
    lines += [" " + ", ".join(quoted(text) for text in row) + ",\n" for row in zip(*cells, strict=True)]
    lines.append(")\n")
    if len(table.frame) > len(frame):
        words = f"and {len(table.frame) - len(frame)} more in the other files of this report"
        lines.append(f"#text(7pt, {quoted(words)})\n")
    text = "".join(lines)
    # Short tables stay in one piece.
    return f"\n#block(breakable: false)[{text}]\n" if len(frame) <= MOST_TOGETHER else text


def _head_words(column: Column) -> str:
    title, unit = head_of(column)
    return f"{title} [{unit}]" if unit else title


def _shorter(text: str) -> str:
    return text if len(text) <= CELL_LENGTH else f"{text[: CELL_LENGTH - 1]}…"


def _share(head: str, texts: Sequence[str]) -> int:
    """Width of a column in characters: its longest cell within limits, its longest word of the head at least."""
    word = max((text_width(part) for part in head.split()), default=1)
    longest = max((text_width(text) for text in texts), default=1)
    return max(4, word + 1, min(WIDEST, longest + 1))
