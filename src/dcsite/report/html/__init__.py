"""The report as one offline page: map, movable weights, comparison, plan, exclusions, sources.

The page is built from string templates; the browser draws and re-ranks. It makes no request of any kind and
says so in its Content-Security-Policy, which admits exactly the style and the script written here by their
hashes: markup in a name can neither run nor load anything. Every text goes through :func:`html.escape` or,
in the script, through ``textContent``.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from functools import cache
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

import dcsite
from dcsite.physics.cost import COST_PARTS
from dcsite.report import figures
from dcsite.report.frames import (
    QUALITY,
    WEAK,
    Column,
    Report,
    Table,
    column_of,
    cost_parts_table,
    frame_table,
    plan_table,
    plan_tables,
    report_notes,
    report_tables,
)
from dcsite.report.plain import plain_value
from dcsite.report.terminal import cell_text, clean
from dcsite.scoring import ranking as scoring
from dcsite.scoring.criteria import BY_NAME, MAIN, criteria_of
from dcsite.scoring.robustness import Robustness
from dcsite.scoring.weights import swing_weights

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dcsite.scoring.criteria import Criterion
    from dcsite.scoring.ranking import Ranking

MOST_BYTES: Final = 1_900_000
"""A page is below 2 MB: of very many sites it holds the best, the other files hold all."""

FIRST_NOTES: Final = 2
MOST_LED: Final = 5
"""Sites of a plan that the first line names."""
SITES_VIEW: Final = "Sites"
PLAN_TABLES: Final = ("shadow_prices", "close_calls")
"""Further tables that belong to the plan."""

SHOWN_ROWS: Final = 40
"""Rows of a long static table; the other files of the report hold all."""

FIELDS: Final[tuple[tuple[str, int, str], ...]] = (
    ("effective_price_usd_per_mwh", -1, ""),
    ("pue", -1, "c2"),
    ("wue_l_per_kwh", -1, ""),
    ("scarce_water_l_per_kwh", -1, "c3"),
    ("reach_ratio", 1, "c2"),
    ("rtt_p50_ms", -1, ""),
    ("rtt_p90_ms", -1, ""),
    ("carbon_kg_per_mwh", -1, "c3"),
    ("hazard_index", -1, ""),
    ("policy_index", 1, ""),
    ("capex_usd_per_w", -1, ""),
    ("time_to_power_years", -1, ""),
    *((part, -1, "") for part in COST_PARTS),
    ("cost_usd_per_mw_year", -1, "c3"),
    ("levelized_usd_per_it_mwh", -1, ""),
)
"""Figures of the page: column of the facts, whether more (1) or less (-1) is better, and the width class of
its column in the ranking (empty: only in the cards)."""

IN_TABLE: Final = (
    "effective_price_usd_per_mwh",
    "pue",
    "scarce_water_l_per_kwh",
    "reach_ratio",
    "carbon_kg_per_mwh",
    "cost_usd_per_mw_year",
)
TEXTS: Final = ("price_quality", "price_basis", "price_year", "subsidized", "price_source_id")
DIGITS: Final = 7
"""Significant digits of figures that do not enter the score; those that do are written in full."""


@cache
def _asset(name: str) -> str:
    return files("dcsite.report.html").joinpath(name).read_text(encoding="utf-8").strip()


def page_text(report: Report) -> str:
    """A report as one HTML page below 2 MB."""
    count: int | None = None
    while True:
        text = _page(report, count)
        if len(text.encode()) <= MOST_BYTES or (count is not None and count <= 50):
            return text
        most = max(len(ranking.table) for ranking in report.rankings.values()) if report.rankings else 0
        if not most:
            return text
        count = max(50, int((most if count is None else min(count, most)) * 0.7))


def _page(report: Report, most_sites: int | None) -> str:
    tables = report_tables(report)
    data = page_data(report, most_sites)
    style, script = _asset("page.css"), f"{_asset('score.js')}\n{_asset('page.js')}"
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    sections = {
        "plan": _plan_section(report, tables),
        "explore": _explore_section(report, tables, data),
        "slots": _slots_section(report),
        "tables": _tables_section(report),
        "excluded": _excluded_section(tables),
        "provenance": _provenance_section(report, tables),
    }
    parts = {
        "title": _text(report.title),
        "version": _text(dcsite.__version__),
        "csp": escape(policy, quote=True).replace("&#x27;", "'"),
        "style": style,
        "lead": _text(_lead(report)),
        "nav": _nav(sections),
        "notes": _notes(report, data),
        **sections,
        "notice": _text(figures.outline()[1]),
        "data": json_in_html(data),
        "script": script,
    }
    # One pass over the template: what a part holds is never taken for a place to fill.
    pieces = _asset("template.html").split("{{")
    text = [pieces[0]]
    for piece in pieces[1:]:
        name, _, rest = piece.partition("}}")
        text += [parts[name], rest]
    return "".join(text) + "\n"


def _hash(text: str) -> str:
    # The element's content has a line break on either side of the text.
    digest = hashlib.sha256(f"\n{text}\n".encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _text(words: object) -> str:
    """Words as HTML text, without control characters."""
    return escape(clean(words), quote=True)


def json_in_html(value: Any) -> str:  # noqa: ANN401
    r"""JSON that can stand inside a script element.

    Examples
    --------
    >>> json_in_html({"a": "</script>"})
    '{"a":"\\u003c/script>"}'
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


# --- data of the script -----------------------------------------------------------------------------------


def page_data(report: Report, most_sites: int | None = None) -> dict[str, Any]:
    """What the page's script reads: sites on the map, facts of every technology, weights.

    Parameters
    ----------
    most_sites
        Keep only the best sites of each ranking (and those of the plan and the comparisons).

    Returns
    -------
    dict
        ``sites`` (id, name, country, x, y), ``technologies``, ``workloads`` (criteria with anchors, columns
        per row, per site or once, weights), ``presets``, ``fields`` (what the figures are), ``chosen``.
    """
    kept = _kept_sites(report, most_sites)
    index = {site_id: place for place, site_id in enumerate(kept)}
    technologies = sorted(
        {str(name) for frame in _frames(report).values() for name in frame["technology"].unique()}
    )
    fields = []
    for name, better, width in FIELDS:
        column = column_of(name)
        fields.append(
            {
                "key": name,
                "title": column.title,
                "unit": "" if column.unit_shown == "-" else column.unit_shown,
                "digits": column.digits,
                "scale": column.scale,
                "better": better,
                "width": width,
                "table": name in IN_TABLE,
            }
        )
    return {
        "sites": _site_records(report, kept),
        "technologies": technologies,
        "workloads": [
            _workload_record(report, ranking, index, technologies) for ranking in report.rankings.values()
        ],
        "presets": _presets(report),
        "fields": fields,
        "parts": [
            {"key": part, "title": figures.PART_TITLES[part.removesuffix("_usd_per_mw_year")]}
            for part in COST_PARTS
        ],
        "weak": list(WEAK),
        "chosen": _chosen(report, index),
        "start": next(iter(report.comparisons), ""),
        "plan": _plan_mw(report, index),
        "left_out": _left_out(report, kept),
        "views": _views(_site_records(report, kept)),
    }


VIEWS: Final = {
    "World": (figures.SOUTH_DEG, figures.NORTH_DEG, -180.0, 180.0),
    "North America": (13.0, 62.0, -128.0, -62.0),
    "Europe": (34.0, 68.0, -24.0, 42.0),
    "Asia": (-10.0, 54.0, 60.0, 146.0),
    "South": (-47.0, 14.0, -85.0, 179.0),
}
"""Parts of the map to look at: south, north, west, east. [deg]"""


def _views(sites: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Parts of the map: all of it first, then the part that holds the sites where that is small."""
    views = []
    for name, (south, north, west, east) in VIEWS.items():
        lat = np.linspace(south, north, 9)
        x, y = figures.project(np.concatenate([lat, lat]), np.repeat([west + 1e-6, east - 1e-6], 9))
        left, top = float(x.min()), float(y.min())
        wide, high = float(x.max()) - left, float(y.max()) - top
        # Same shape as the whole map, so that nothing below moves.
        whole = figures.MAP_WIDTH / figures.map_height()
        grown_wide, grown_high = max(wide, high * whole), max(high, wide / whole)
        box = (left - (grown_wide - wide) / 2, top - (grown_high - high) / 2, grown_wide, grown_high)
        views.append({"name": name, "box": [round(value, 1) for value in box]})
    views[0]["box"] = [0, 0, figures.MAP_WIDTH, figures.map_height()]
    placed = [site for site in sites if site["x"] is not None]
    box = figures.focus([site["x"] for site in placed], [site["y"] for site in placed])
    if box[2] < figures.MAP_WIDTH:
        views.insert(1, {"name": SITES_VIEW, "box": [round(value, 1) for value in box]})
    return views


def _frames(report: Report) -> dict[str, pd.DataFrame]:
    """Facts that can be scored, by workload: every admissible technology where the evaluation is at hand."""
    found = {}
    for workload, ranking in report.rankings.items():
        if report.evaluation is not None and workload in report.evaluation.workloads:
            rows = report.evaluation.of(workload).reset_index(drop=True)
            rows = rows[rows["admissible"].astype(bool)]
            hard = ranking.excluded[~ranking.excluded["rule"].isin(["missing figure"])]
            rows = rows[~rows["site_id"].isin(set(hard["site_id"]))]
            rows = scoring.with_names(rows, report.evaluation.sites)
        else:
            rows = ranking.table
        found[workload] = rows.sort_values(["site_id", "technology"], kind="stable").reset_index(drop=True)
    return found


def _kept_sites(report: Report, most: int | None) -> list[str]:
    ids: set[str] = set()
    for workload, frame in _frames(report).items():
        ranked = list(report.rankings[workload].table["site_id"])
        ids |= set(frame["site_id"]) if most is None else set(ranked[:most])
    for comparison in report.comparisons.values():
        ids |= set(comparison.table["site_id"])
    if report.plan is not None:
        ids |= set(report.plan.placements["site_id"])
    return sorted(str(site_id) for site_id in ids)


def _left_out(report: Report, kept: Sequence[str]) -> int:
    everything = {str(site) for frame in _frames(report).values() for site in frame["site_id"]}
    return len(everything - set(kept))


def _site_records(report: Report, kept: Sequence[str]) -> list[dict[str, Any]]:
    places: dict[str, Any] = {}
    frames = [ranking.table for ranking in report.rankings.values()]
    if report.evaluation is not None:
        frames.insert(0, report.evaluation.sites)
    for frame in frames:
        for key in ("name", "country_iso3", "lat", "lon"):
            if key in frame:
                for site_id, value in zip(frame["site_id"], frame[key], strict=True):
                    places.setdefault(str(site_id), {}).setdefault(key, value)
    lat = [float(places.get(site, {}).get("lat", math.nan)) for site in kept]
    lon = [float(places.get(site, {}).get("lon", math.nan)) for site in kept]
    x, y = figures.project(lat, lon)
    records = []
    for place, site_id in enumerate(kept):
        here = places.get(site_id, {})
        records.append(
            {
                "id": site_id,
                "name": clean(plain_value(here.get("name")) or site_id),
                "country": clean(plain_value(here.get("country_iso3")) or ""),
                "x": round(float(x[place]), 1) if math.isfinite(x[place]) else None,
                "y": round(float(y[place]), 1) if math.isfinite(y[place]) else None,
            }
        )
    return records


def _workload_record(
    report: Report, ranking: Ranking, index: Mapping[str, int], technologies: Sequence[str]
) -> dict[str, Any]:
    frame = _frames(report)[ranking.workload]
    frame = frame[frame["site_id"].isin(set(index))].reset_index(drop=True)
    criteria = _criteria(report, ranking)
    exact = {criterion.column for criterion in criteria} | {criterion.spread_column for criterion in criteria}
    exact.add("overhead_mwh_per_mwh")
    first = ~frame["site_id"].duplicated()
    place = first.cumsum().to_numpy() - 1
    names = [*exact, *(name for name, _, _ in FIELDS), *TEXTS]
    columns = {
        name: _column(frame[name], exact=name in exact, first=first.to_numpy(), place=place)
        for name in sorted(set(names))
        if name in frame
    }
    for criterion in criteria:
        groups = criterion.groups(frame)
        if groups is not None:
            columns[f"group_{criterion.name}"] = _column(
                pd.Series(groups), exact=True, first=first.to_numpy(), place=place
            )
    return {
        "name": ranking.workload,
        "profile": ranking.profile.name,
        "method": ranking.method,
        "promethee": {
            "indifference": scoring.PROMETHEE_INDIFFERENCE,
            "preference": scoring.PROMETHEE_PREFERENCE,
        },
        "criteria": [
            {
                "name": criterion.name,
                "title": criterion.title,
                "column": criterion.column,
                "unit": criterion.unit,
                "best": criterion.best,
                "worst": criterion.worst,
                "spread": criterion.spread_column,
                "group": f"group_{criterion.name}",
                "shared": criterion.shared_ratio,
                "note": criterion.note,
                "main": criterion.name in MAIN,
                "known": int(frame[criterion.column].notna().sum()) if criterion.column in frame else 0,
            }
            for criterion in criteria
        ],
        "weights": {name: float(value) for name, value in ranking.weights.weight.items()},
        "derived": not ranking.weights.given,
        "swing": {name: float(value) for name, value in ranking.weights.swing_usd_per_rack_year.items()},
        "rows": {
            "site": [index[str(site)] for site in frame["site_id"]],
            "technology": [technologies.index(str(name)) for name in frame["technology"]],
            "place": [int(value) for value in place],
        },
        "columns": columns,
    }


def _criteria(report: Report, ranking: Ranking) -> list[Criterion]:
    known = {**(criteria_of(report.evaluation.scenario.score) if report.evaluation else BY_NAME)}
    known |= ranking.criteria
    return list(known.values())


def _column(values: pd.Series, *, exact: bool, first: Any, place: Any) -> Any:  # noqa: ANN401
    """A column as the shortest of: one value, one per site, one per row."""
    cells = [plain_value(value) for value in values]
    if not exact:
        cells = [float(f"{cell:.{DIGITS}g}") if isinstance(cell, float) else cell for cell in cells]
    cells = [clean(cell) if isinstance(cell, str) else cell for cell in cells]
    if not cells:
        return []
    if all(cell == cells[0] for cell in cells):
        return cells[0]
    by_site = [cell for cell, is_first in zip(cells, first, strict=True) if is_first]
    if all(cell == by_site[number] for cell, number in zip(cells, place, strict=True)):
        return {"site": by_site}
    return cells


def _presets(report: Report) -> list[dict[str, Any]]:
    found: dict[str, Mapping[str, float]] = dict(report.presets)
    if not found:
        for workload, ranking in report.rankings.items():
            has_users = report.evaluation is None or workload in report.evaluation.markets
            found[ranking.profile.name] = swing_weights(ranking.profile, has_users=has_users).weight
    found["equal"] = dict.fromkeys(MAIN, 1.0)
    return [
        {"name": clean(name), "weights": {key: float(value) for key, value in weights.items()}}
        for name, weights in found.items()
    ]


def _chosen(report: Report, index: Mapping[str, int]) -> list[int]:
    for comparison in report.comparisons.values():
        return [index[str(site)] for site in comparison.table["site_id"] if str(site) in index][:6]
    return []


def _plan_mw(report: Report, index: Mapping[str, int]) -> dict[str, float]:
    if report.plan is None:
        return {}
    total = _last_period(report.plan.placements).groupby("site_id", sort=True)["it_mw"].sum()
    return {str(index[str(site)]): round(float(mw), 3) for site, mw in total.items() if str(site) in index}


# --- static parts -----------------------------------------------------------------------------------------


def _last_period(placements: pd.DataFrame) -> pd.DataFrame:
    if "period" not in placements or placements.empty:
        return placements
    return placements[placements["period"] == placements["period"].max()]


def _site_names(report: Report) -> dict[str, str]:
    """Name of every site that the facts or rankings know."""
    frames = [ranking.table for ranking in report.rankings.values() if "name" in ranking.table]
    if report.evaluation is not None:
        frames.insert(0, report.evaluation.sites)
    names: dict[str, str] = {}
    for frame in frames:
        for site_id, name in zip(frame["site_id"], frame["name"], strict=True):
            names.setdefault(str(site_id), str(plain_value(name) or site_id))
    return names


def _lead(report: Report) -> str:
    if report.plan is not None:
        placements = _last_period(report.plan.placements)
        names = _site_names(report)
        total = (
            placements.groupby("site_id", sort=True)["it_mw"]
            .sum()
            .sort_values(ascending=False, kind="stable")
        )
        found = [f"{names.get(str(site), str(site))} ({mw:,.0f} MW)" for site, mw in total.items()]
        rest = f" and {len(found) - MOST_LED} more" if len(found) > MOST_LED else ""
        words = "; ".join(found[:MOST_LED]) + rest
        return (
            f"{total.sum():,.0f} MW at {len(found)} site{'' if len(found) == 1 else 's'}: {words}."
            if found
            else ""
        )
    for ranking in report.rankings.values():
        if len(ranking.table):
            best = ranking.table.iloc[0]
            name = best.get("name", best["site_id"])
            return f"{name} leads for {ranking.workload} with {best['score']:.1f} of 100."
    return ""


TITLES: Final = {
    "plan": ("plan", "Plan"),
    "explore": ("ranking", "Ranking"),
    "slots": ("pictures", "How sure"),
    "tables": ("tables", "Tables"),
    "excluded": ("excluded", "Excluded"),
    "provenance": ("sources", "Data and sources"),
}


def _nav(sections: Mapping[str, str]) -> str:
    links = [
        f'<a href="#{anchor}">{title}</a>' for key, (anchor, title) in TITLES.items() if sections.get(key)
    ]
    if sections.get("explore"):
        links.insert(1 + bool(sections.get("plan")), '<a href="#compare">Compare</a>')
    return "\n".join(links)


def _notes(report: Report, data: Mapping[str, Any]) -> str:
    notes = report_notes(report)
    if data["left_out"]:
        notes.append(
            f"This page holds the best sites; {data['left_out']} more are in the other files of the report."
        )
    if not notes:
        return ""
    items = [f"<li>{_text(note)}</li>" for note in notes]
    more = items[FIRST_NOTES:]
    rest = (
        f"<details><summary>{len(more)} more notes</summary><ul>{''.join(more)}</ul></details>"
        if more
        else ""
    )
    first = "".join(items[:FIRST_NOTES])
    return f'<section class="note" aria-label="Notes"><ul>{first}</ul>{rest}</section>'


def table_html(
    table: Table,
    *,
    top: int | None = SHOWN_ROWS,
    caption: bool = True,
    names: Mapping[str, str] | None = None,
) -> str:
    """A table with the columns that a printed table shows; numbers right, weak qualities marked.

    ``names`` are written above the ids of sites.
    """
    columns = [column for column in table.columns if column.name not in table.hidden]
    columns = [column for column in columns if not _is_blank(table.frame[column.name], column)]
    frame = table.frame if top is None else table.frame.head(top)
    head = "".join(
        f'<th scope="col"{_side(column)}>{_text(column.title)}{_unit(column)}</th>' for column in columns
    )
    rows = []
    cells = {column.name: [cell_text(value, column) for value in frame[column.name]] for column in columns}
    for place in range(len(frame)):
        row = "".join(_cell(cells[column.name][place], column, names or {}) for column in columns)
        rows.append(f"<tr>{row}</tr>")
    more = len(table.frame) - len(frame)
    foot = f'<p class="small">and {more} more in the other files of this report</p>' if more else ""
    words = f'<caption class="visually">{_text(table.title)}</caption>' if caption else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{_text(table.title)}"><table>{words}'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>{foot}"
    )


def _is_blank(values: pd.Series, column: Column) -> bool:
    return column.kind != "flag" and all(plain_value(value) in (None, "") for value in values)


def _side(column: Column) -> str:
    return ' class="num"' if column.kind in ("number", "integer") else ""


def _unit(column: Column) -> str:
    return (
        f'<span class="unit">{_text(column.unit_shown)}</span>' if column.unit_shown not in ("", "-") else ""
    )


def _cell(text: str, column: Column, names: Mapping[str, str]) -> str:
    if column.kind in ("number", "integer"):
        return f'<td class="num">{_text(text)}</td>'
    if column.name.endswith("quality") and text in QUALITY:
        return f'<td class="q-{text}">{text}</td>'
    if column.name == "site_id":
        name = names.get(text, text)
        also = f'<span class="unit">{_text(text)}</span>' if name != text else ""
        return f'<td class="id">{_text(name)}{also}</td>'
    if column.name == "label":
        text = " · ".join(names.get(part, part) for part in text.split(","))
    text = figures.in_words(column.name, text)
    words = ' class="words"' if len(text) > 24 else ""
    return f"<td{words}>{_text(text)}</td>"


def _details(summary: str, inside: str, *, is_open: bool = False) -> str:
    return f"<details{' open' if is_open else ''}><summary>{summary}</summary>{inside}</details>"


def _plan_section(report: Report, tables: Mapping[str, Table]) -> str:
    from dcsite.report.export import plan_lines

    plan = report.plan
    if plan is None:
        return ""
    sites = report.evaluation.sites if report.evaluation is not None else None
    names = _site_names(report)
    facts = "".join(f"<div><dt>{_text(k)}</dt><dd>{_text(v)}</dd></div>" for k, v in plan_lines(plan))
    parts = [
        '<section id="plan" aria-labelledby="plan-title"><h2 id="plan-title">Plan</h2>',
        f'<dl class="facts">{facts}</dl>',
    ]
    if str(plan.status) != "optimal":
        parts.append(
            '<p class="flagged">Not proven optimal: the bound says how much better a plan could at most be.</p>'
        )
    links = figures.demand_links(report)
    picture = figures.plan_map(report, f"Sites of the plan: {report.title}", figures.PAGE)
    words = "Circles: sites, area grows with MW, numbered as in the table."
    if links:
        words += " Lines: demand they serve, as wide as its share."
    parts.append(f'<figure class="picture">{picture}<figcaption class="small">{words}</figcaption></figure>')
    parts.append('<div class="pair"><div><h3>Where which load goes</h3>')
    parts.append(table_html(_numbered(plan_table(plan, sites)), names=names))
    parts.append("</div>")
    if getattr(plan, "cost_parts", None):
        parts.append(f"<div><h3>Annual cost by parts</h3>{table_html(cost_parts_table(plan))}</div>")
    parts.append("</div>")
    parts += [
        f"<h3>{_text(_limit_title(table))}</h3>{table_html(_binding_first(table), names=names)}"
        for table in plan_tables(plan, sites)
        if table.name in ("robustness", "futures", "waits", "limits", "shadow_prices") and not table.empty
    ]
    parts += [
        f"<h3>{_text(table.title)}</h3>{table_html(table, names=names)}"
        for table in report.tables
        if table.name in PLAN_TABLES and not table.empty
    ]
    for name in ("halls", "served", "runs", "dropped"):
        if name in tables:
            table = tables[name]
            inside = table_html(table, names=names)
            parts.append(_details(f"{_text(table.title)} ({len(table.frame)})", inside))
    return "".join(parts) + "</section>"


def _limit_title(table: Table) -> str:
    return "Limits, binding ones first" if table.name == "limits" else table.title


def _binding_first(table: Table) -> Table:
    if "binding" not in table.frame:
        return table
    from dataclasses import replace

    order = (~table.frame["binding"].fillna(False).astype(bool)).to_numpy()
    frame = table.frame.iloc[np.argsort(order, kind="stable")].reset_index(drop=True)
    return replace(table, frame=frame)


def _numbered(table: Table) -> Table:
    """Placements with the number that the map writes on the site: largest total first."""
    from dataclasses import replace

    frame = table.frame
    last = frame[frame["period"] == frame["period"].max()] if "period" in frame and len(frame) else frame
    total = last.groupby("site_id", sort=True)["it_mw"].sum().sort_values(ascending=False, kind="stable")
    number = {site: place + 1 for place, site in enumerate(total.index)}
    marks = frame["site_id"].map(number).astype("float64")
    order = np.lexsort((np.arange(len(frame)), marks.fillna(np.inf)))
    shown = frame.assign(number=marks).iloc[order].reset_index(drop=True)
    column = Column("number", "No.", "", 0, "integer")
    return replace(table, columns=(column, *table.columns), frame=shown)


def _explore_section(report: Report, tables: Mapping[str, Table], data: Mapping[str, Any]) -> str:
    if not report.rankings:
        return ""
    height = figures.map_height()
    static = table_html(tables["ranking"], top=20) if "ranking" in tables else ""
    base = (
        f'<svg class="map" id="map" viewBox="0 0 {figures.MAP_WIDTH:g} {height:g}" role="img" '
        'aria-label="Map of the ranked sites; the table below holds the same in figures">'
        f'<path class="sea" d="{figures.sphere()}"/><path class="graticule" d="{figures.graticule()}"/>'
        f'<path class="land" d="{figures.outline()[0]}"/><g id="spots"></g></svg>'
    )
    tabs = "".join(
        f'<button type="button" data-workload="{place}" aria-pressed="false">{_text(entry["name"])}</button>'
        for place, entry in enumerate(data["workloads"])
    )
    hidden = "" if len(data["workloads"]) > 1 else " hidden"
    flips = ""
    if "flips" in tables:
        words = f"{_text(tables['flips'].title)}, at the weights of this run"
        flips = _details(words, table_html(tables["flips"]), is_open=True)
    return _EXPLORE.format(base=base, tabs=tabs, hidden=hidden, static=static, flips=flips)


_EXPLORE: Final = """<section id="ranking" aria-labelledby="ranking-title">
<h2 id="ranking-title">Ranking</h2>
<noscript><p>Without script the weights do not move; this is the ranking as it was made.</p>{static}</noscript>
<div class="row tabs{hidden}" id="tabs" role="group" aria-label="Workload">{tabs}</div>
<p class="answer" id="answer" aria-live="polite"></p>
<div class="split">
<div>
{base}
<div class="row" id="views" role="group" aria-label="Part of the map"></div>
<ul class="legend" id="legend" aria-label="Colors of the score parts"></ul>
</div>
<div class="controls" role="group" aria-label="Weights">
<h3>Weights</h3>
<div class="row" id="presets" role="group" aria-label="Weights of a profile"></div>
<div id="sliders"></div>
<details id="more"><summary>More criteria</summary><div id="sliders-more"></div></details>
<div class="copy"><input type="text" id="options" readonly aria-label="These weights as a command-line option">
<button type="button" id="copy">Copy</button></div>
<p class="small" id="weights-note"></p>
</div>
</div>
<div class="row tools">
<label for="find">Find</label><input type="search" id="find" placeholder="site, country" autocomplete="off">
<button type="button" id="all" aria-pressed="false">Show all</button>
<button type="button" id="reset">Reset</button>
<span class="small" id="count" aria-live="polite"></span>
</div>
<div class="scroll" tabindex="0" role="region" aria-label="Ranking of the sites">
<table id="rank-table" tabindex="-1"><caption class="visually">Ranking of the sites with score parts and figures</caption>
<thead><tr></tr></thead><tbody></tbody></table></div>
<p class="small" id="missing"></p>
</section>
<section id="compare" aria-labelledby="compare-title">
<h2 id="compare-title">Side by side</h2>
<p class="small" id="compare-hint">Tick sites in the ranking, or click them on the map.</p>
<div class="cards" id="cards" tabindex="-1"></div>
<div id="falls"></div>
{flips}
</section>"""


SLOT_TITLES: Final = {
    "spectrum": "Who wins as latency gains worth or racks gain power",
    "pareto": "What one goal costs in terms of another",
    "acceptability": "How often each site takes which rank",
    "duration": "How long which price holds",
}


def _slots_section(report: Report) -> str:
    parts = []
    for name, value in report.pictures.items():
        slot, _, which = name.partition(":")
        which = which or str(getattr(value, "workload", ""))
        title = SLOT_TITLES.get(slot, slot.replace("_", " ").capitalize()) + (f": {which}" if which else "")
        drawn = figures.picture_svg(value, figures.PAGE)
        if drawn is not None:
            words = _picture_words(value)
            caption = f'<figcaption class="small">{_text(words)}</figcaption>' if words else ""
            inside = f'<figure class="picture">{drawn}{caption}</figure>'
        elif isinstance(value, Table):
            inside = table_html(value)
        elif isinstance(value, pd.DataFrame):
            inside = table_html(frame_table(value, name, title))
        elif isinstance(value, str) and value.lstrip().startswith("<svg"):
            inside = f'<figure class="picture"><img alt="{_text(title)}" src="{_data_uri(value)}"></figure>'
        else:
            continue
        parts.append(
            f'<div class="slot" id="slot-{_text(name.replace(":", "-").replace(" ", "-"))}"><h3>{_text(title)}</h3>{inside}</div>'
        )
    if not parts:
        return ""
    return (
        '<section id="pictures" aria-labelledby="pictures-title"><h2 id="pictures-title">How sure, and what '
        f'changes the answer</h2><div class="slots">{"".join(parts)}</div></section>'
    )


def _picture_words(value: Any) -> str:  # noqa: ANN401
    """What a picture rests on: how the draws were made, notes of the result."""
    words = []
    if isinstance(value, Robustness):
        facts = "figures within their noise" if value.facts_drawn else "figures as they are"
        words.append(f"{value.draws:,} draws; weights: {value.weights_drawn}; {facts}.")
    words += [str(note) for note in getattr(value, "notes", ())]
    return " ".join(words)


def _data_uri(svg: str) -> str:
    """A picture from elsewhere stands in an image, where it can run nothing."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def _tables_section(report: Report) -> str:
    parts = [
        _details(f"{_text(table.title)} ({len(table.frame)})", table_html(table), is_open=not report.rankings)
        for table in report.tables
        if not table.empty and not (table.name in PLAN_TABLES and report.plan is not None)
    ]
    if not parts:
        return ""
    return f'<section id="tables" aria-labelledby="tables-title"><h2 id="tables-title">Tables</h2>{"".join(parts)}</section>'


def _excluded_section(tables: Mapping[str, Table]) -> str:
    if "excluded" not in tables:
        return ""
    from dataclasses import replace

    table = tables["excluded"]
    parts = []
    for rule, rows in table.frame.groupby("rule", sort=True):
        shown = replace(table, frame=rows.reset_index(drop=True), hidden=("name", "rule"))
        count = rows["site_id"].nunique()
        words = f"{_text(str(rule).replace('_', ' '))}: {count} site{'' if count == 1 else 's'}"
        parts.append(_details(words, table_html(shown, top=80, caption=False)))
    return (
        '<section id="excluded" aria-labelledby="excluded-title"><h2 id="excluded-title">Excluded sites, by reason'
        f'</h2><p class="small">Hard limits exclude; they are never low scores.</p>{"".join(parts)}</section>'
    )


def _provenance_section(report: Report, tables: Mapping[str, Table]) -> str:
    parts = []
    facts = report.evaluation
    if facts is not None and facts.vintage:
        entries = "".join(
            f"<div><dt>{_text(str(kind).replace('_', ' '))}</dt><dd>{_text(text)}</dd></div>"
            for kind, text in facts.vintage.items()
        )
        parts.append(f'<h3>Data vintage and rule dates</h3><dl class="facts small-facts">{entries}</dl>')
    if "weak_figures" in tables:
        table = tables["weak_figures"]
        parts.append(f"<h3>{_text(table.title)}</h3>{table_html(table, top=25)}")
    elif report.rankings:
        parts.append("<p>No figure of quality estimate or unverified stands behind the leading sites.</p>")
    for name in ("assumptions", "sources"):
        if name in tables:
            table = tables[name]
            inside = table_html(table, top=None)
            parts.append(
                _details(
                    f"{_text(table.title)} ({len(table.frame)})",
                    inside,
                    is_open=len(table.frame) <= SHOWN_ROWS,
                )
            )
    if facts is not None:
        resolved = json.dumps(facts.scenario.model_dump(mode="json"), ensure_ascii=False, indent=1)
        lines = "\n".join(
            " " * (len(raw) - len(raw.lstrip())) + _text(raw.strip()) for raw in resolved.splitlines()
        )
        parts.append(_details("Resolved scenario, defaults filled in", f"<pre>{lines}</pre>"))
        if facts.checksums:
            sums = "\n".join(f"{_text(name)}  {_text(value)}" for name, value in facts.checksums.items())
            parts.append(_details("Checksums of the data tables", f"<pre>{sums}</pre>"))
    if not parts:
        return ""
    return (
        '<section id="sources" aria-labelledby="sources-title"><h2 id="sources-title">Data, assumptions and '
        f"sources</h2>{''.join(parts)}</section>"
    )
