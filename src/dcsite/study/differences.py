"""Two runs against each other: what opened and closed, what moved, what the money did, and what had changed.

Works on the run folders alone: no table is read and nothing is solved again, so that runs of other data or of
another version can be compared. Parts of the cost are those that each run recomputed from its own facts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from dcsite.report.frames import MILLION, Column, Report, Table, frame_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dcsite.optimize.plan import Plan
    from dcsite.study.runs import Run

MOVED_MW: Final = 0.05
"""Less than this is not called a move. [MW]"""
FIGURES: Final = (
    ("objective_usd_per_year", "Annual cost", "M USD/year", 1e6),
    ("bound_usd_per_year", "Proven bound", "M USD/year", 1e6),
    ("capex_usd", "Capital", "M USD", 1e6),
    ("it_mw", "IT power", "MW", 1.0),
    ("carbon_t_per_year", "Carbon", "kt/year", 1e3),
    ("carbon_kg_per_mwh", "Carbon per IT-MWh", "kg/MWh", 1.0),
    ("water_m3_per_year", "Water", "1,000 m3/year", 1e3),
    ("mean_rtt_ms", "Mean RTT", "ms", 1.0),
    ("gap", "Gap", "%", 1e-2),
)
"""Figures of a plan: attribute, title, unit of the comparison, and how many plain units one of it is."""
ENTRY: Final = "present"
KEYED: Final = ("name", "id", "start")
"""Keys by which entries of a list are told apart, so that an inserted entry does not shift the others."""


@dataclass(frozen=True)
class Differences:
    """What changed from one run to another.

    Attributes
    ----------
    moves
        One row per site and workload whose MW changed, last period: ``workload, site_id, before_mw, after_mw,
        difference_mw, site``.
    sites
        One row per site of either run: ``site_id, before_mw, after_mw, difference_mw, change``.
    parts
        Parts of the annual cost; the differences of the parts sum to that of the last row, ``total``.
    totals
        Figures of both plans: ``figure, unit, before, after, difference``.
    limits
        Limits with another value, or that bind in one run only.
    scenario, data
        Changed keys of the scenario; changed tables and versions.
    low_usd_per_year, high_usd_per_year
        The difference of the true optima lies between these (both bounds taken).
    sentences
        The same in plain words.
    """

    moves: pd.DataFrame
    sites: pd.DataFrame
    parts: pd.DataFrame
    totals: pd.DataFrame
    limits: pd.DataFrame
    scenario: pd.DataFrame
    data: pd.DataFrame
    low_usd_per_year: float
    high_usd_per_year: float
    sentences: tuple[str, ...]
    title: str

    def report(self) -> Report:
        """Every table and sentence, for :func:`dcsite.report.export.write_report`."""
        return Report(self.title, tables=tuple(_tables(self)), notes=self.sentences)


def diff(first: Run, second: Run) -> Differences:
    """Compare two runs that :func:`dcsite.study.runs.read_run` read; differences are second less first.

    Examples
    --------
    >>> import dcsite
    >>> before, after = dcsite.read_run("runs/a"), dcsite.read_run("runs/b")  # doctest: +SKIP
    >>> dcsite.diff(before, after).parts  # doctest: +SKIP
    """
    before, after = first.plan, second.plan
    moves, sites = _moves(before, after), _sites(before, after)
    parts, totals = _parts(before, after), _totals(before, after)
    limits = _limits(before.limits, after.limits)
    scenario = _scenario(first.manifest.get("scenario", {}), second.manifest.get("scenario", {}))
    data = _data(first.manifest, second.manifest)
    low = after.bound_usd_per_year - before.objective_usd_per_year
    high = after.objective_usd_per_year - before.bound_usd_per_year
    title = f"{second.folder.name} against {first.folder.name}"
    found = Differences(moves, sites, parts, totals, limits, scenario, data, low, high, (), title)
    return replace(found, sentences=tuple(_sentences(found, before, after)))


# --- frames -------------------------------------------------------------------------------------------------


def _placed(plan: Plan) -> pd.Series:
    frame = plan.placements
    last = frame[frame["period"] == frame["period"].max()] if len(frame) else frame
    return last.groupby(["workload", "site_id"])["it_mw"].sum()


def _moves(before: Plan, after: Plan) -> pd.DataFrame:
    first, second = _placed(before), _placed(after)
    here = {str(site) for _, site in first.index}, {str(site) for _, site in second.index}
    rows = []
    for workload, site in sorted({*first.index, *second.index}):
        was, now = float(first.get((workload, site), 0.0)), float(second.get((workload, site), 0.0))
        if abs(now - was) < MOVED_MW:
            continue
        state = "opened" if site not in here[0] else "closed" if site not in here[1] else "stays"
        rows.append([workload, site, was, now, now - was, state])
    frame = pd.DataFrame(
        rows, columns=["workload", "site_id", "before_mw", "after_mw", "difference_mw", "site"]
    )
    frame["_size"] = -frame["difference_mw"].abs()
    frame = frame.sort_values(["workload", "_size", "site_id"], kind="stable")
    return frame.drop(columns="_size").reset_index(drop=True)


def _sites(before: Plan, after: Plan) -> pd.DataFrame:
    first = _placed(before).groupby(level="site_id").sum()
    second = _placed(after).groupby(level="site_id").sum()
    rows = []
    for site in sorted({*first.index, *second.index}):
        was, now = float(first.get(site, 0.0)), float(second.get(site, 0.0))
        change = "opened" if site not in first.index else "closed" if site not in second.index else ""
        if not change:
            change = "same" if abs(now - was) < MOVED_MW else "larger" if now > was else "smaller"
        rows.append([site, was, now, now - was, change])
    return pd.DataFrame(rows, columns=["site_id", "before_mw", "after_mw", "difference_mw", "change"])


def _parts(before: Plan, after: Plan) -> pd.DataFrame:
    names = list(dict.fromkeys([*before.cost_parts, *after.cost_parts]))
    rows: list[list[Any]] = []
    for name in names:
        was, now = float(before.cost_parts.get(name, 0.0)), float(after.cost_parts.get(name, 0.0))
        rows.append([str(name).removesuffix("_usd_per_year"), was, now, now - was])
    sums = [math.fsum(row[column] for row in rows) for column in (1, 2, 3)]
    rows.append(["total", *sums])
    columns = ["part", "before_usd_per_year", "after_usd_per_year", "difference_usd_per_year"]
    return pd.DataFrame(rows, columns=columns)


def _totals(before: Plan, after: Plan) -> pd.DataFrame:
    rows = []
    for name, title, unit, scale in FIGURES:
        was, now = float(getattr(before, name)) / scale, float(getattr(after, name)) / scale
        rows.append([title, unit, was, now, now - was])
    rows.append(["Sites", "", len(before.sites), len(after.sites), len(after.sites) - len(before.sites)])
    return pd.DataFrame(rows, columns=["figure", "unit", "before", "after", "difference"])


def _limits(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Limits whose value changed where both runs have them, or that bind in one of the two only."""

    def keyed(frame: pd.DataFrame) -> dict[tuple[str, str], Any]:
        return {(str(row.family), str(row.label)): row for row in frame.itertuples()}

    first, second = keyed(before), keyed(after)
    rows = []
    for family, label in sorted({*first, *second}):
        was, now = first.get((family, label)), second.get((family, label))
        bound, binds = bool(was is not None and was.binding), bool(now is not None and now.binding)
        values = [float(row.limit) if row is not None else math.nan for row in (was, now)]
        moved = was is not None and now is not None and not _same(values[0], values[1])
        if not moved and bound == binds:
            continue
        unit = str(getattr(now if now is not None else was, "unit", ""))
        rows.append([family, label, unit, *values, bound, binds, _limit_words(values, bound, binds, moved)])
    columns = ["family", "label", "unit", "before", "after", "binding_before", "binding_after", "words"]
    return pd.DataFrame(rows, columns=columns)


def _limit_words(values: list[float], bound: bool, binds: bool, moved: bool) -> str:
    words = []
    if moved:
        words.append(f"{values[0]:,.6g} -> {values[1]:,.6g}")
    if bound != binds:
        words.append("binds now" if binds else "binds no more")
    return ", ".join(words)


def _same(first: float, second: float) -> bool:
    return math.isclose(first, second, rel_tol=1e-9, abs_tol=1e-12)


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    """Leaves of nested settings with their paths; entries of a list go by their name where they have one."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
        for number, entry in enumerate(value):
            name = next((entry[key] for key in KEYED if entry.get(key) is not None), number)
            rest = {
                key: inner for key, inner in entry.items() if entry.get(key) is not name or key not in KEYED
            }
            yield f"{path}[{name}]", ENTRY
            yield from _flat(rest, f"{path}[{name}]")
    else:
        yield path, value


def _scenario(before: Mapping[str, Any], after: Mapping[str, Any]) -> pd.DataFrame:
    first, second = dict(_flat(before)), dict(_flat(after))
    one_sided = [key for key in {*first, *second} if key.endswith("]") and (key in first) != (key in second)]
    rows = []
    for key in [*first, *(key for key in second if key not in first)]:
        was, now = first.get(key), second.get(key)
        # An entry that only one scenario has is one change, whatever it says inside.
        if was != now and not any(key.startswith(f"{entry}.") for entry in one_sided):
            words = ("absent", ENTRY) if key in one_sided and key in second else (ENTRY, "absent")
            rows.append([key, *(words if key in one_sided else (_text(was), _text(now)))])
    return pd.DataFrame(rows, columns=["key", "before", "after"])


def _text(value: Any) -> str:  # noqa: ANN401
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(_text(entry) for entry in value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _data(before: Mapping[str, Any], after: Mapping[str, Any]) -> pd.DataFrame:
    rows = []
    for kind, entry, cut in (("table", "data_checksums", 12), ("version", "versions", 40)):
        first, second = before.get(entry, {}), after.get(entry, {})
        for name in sorted({*first, *second}):
            was, now = first.get(name), second.get(name)
            if was != now:
                rows.append([kind, name, str(was or "absent")[:cut], str(now or "absent")[:cut]])
    for name, was in (before.get("solver_options") or {}).items():
        now = (after.get("solver_options") or {}).get(name)
        if name == "solver" and was != now:
            rows.append(["solver", name, _text(was), _text(now)])
    return pd.DataFrame(rows, columns=["kind", "name", "before", "after"])


# --- words --------------------------------------------------------------------------------------------------


def _money(value: float) -> str:
    return f"{value / MILLION:+,.2f} M USD/year"


def _sentences(found: Differences, before: Plan, after: Plan) -> Iterator[str]:
    total = float(found.parts["difference_usd_per_year"].iloc[-1])
    if math.isfinite(total) and before.cost_parts and after.cost_parts:
        base = float(found.parts["before_usd_per_year"].iloc[-1])
        share = f" ({total / base:+.2%})" if base > 0 else ""
        if abs(total) < 1.0:
            yield "Both plans cost the same."
        else:
            parts = found.parts.iloc[:-1]
            order = parts["difference_usd_per_year"].abs().sort_values(ascending=False, kind="stable").index
            largest = [
                f"{str(parts['part'][i]).replace('_', ' ')} {parts['difference_usd_per_year'][i] / MILLION:+,.2f}"
                for i in order[:4]
                if abs(parts["difference_usd_per_year"][i]) >= 0.005 * abs(total)
            ]
            yield f"The second plan costs {_money(total)}{share}: {', '.join(largest)}."
        low, high = found.low_usd_per_year, found.high_usd_per_year
        if math.isfinite(low) and math.isfinite(high):
            words = f"The true optima differ by {_money(low)} to {_money(high)} (both gaps taken)"
            yield words + (
                ": not told apart at these gaps." if low <= 0.0 <= high and abs(total) >= 1.0 else "."
            )
    yield from _site_words(found)
    yield from _load_words(found)
    yield from _cause_words(found)


def _site_words(found: Differences) -> Iterator[str]:
    for change, verb in (("opened", "Opened"), ("closed", "Closed")):
        rows = found.sites[found.sites["change"] == change]
        column = "after_mw" if change == "opened" else "before_mw"
        if len(rows):
            names = ", ".join(f"{row['site_id']} ({row[column]:,.0f} MW)" for _, row in rows.iterrows())
            yield f"{verb}: {names}."
    if not found.sites["change"].isin(["opened", "closed"]).any():
        yield "Both plans use the same sites."


def _load_words(found: Differences) -> Iterator[str]:
    for workload, rows in found.moves.groupby("workload", sort=True):
        gone, come = rows[rows["difference_mw"] < 0], rows[rows["difference_mw"] > 0]
        words = []
        for part, verb in ((gone, "leave"), (come, "come to")):
            if len(part):
                names = ", ".join(f"{row.site_id} ({row.difference_mw:+,.0f})" for row in part.itertuples())
                words.append(f"{part['difference_mw'].abs().sum():,.0f} MW {verb} {names}")
        yield f"{workload}: {'; '.join(words)}."


def _cause_words(found: Differences) -> Iterator[str]:
    keys = found.scenario[found.scenario["key"] != "title"]
    tables = found.data[found.data["kind"] == "table"]
    rest = found.data[found.data["kind"] != "table"]
    for row in keys.itertuples():
        if ENTRY in (row.before, row.after):
            kind, _, name = str(row.key).removesuffix("]").rpartition("[")
            kind = {"workloads": "workload", "periods": "period", "sites.existing": "existing hall"}.get(
                kind, kind
            )
            yield f"Scenario: {kind} '{name}' {'removed' if row.before == ENTRY else 'added'}."
        else:
            yield f"Scenario: {row.key} {row.before} -> {row.after}."
    for verb, side in (("changed", ""), ("added", "before"), ("removed", "after")):
        alone = (tables[["before", "after"]] == "absent").any(axis=1)
        named = tables["name"][~alone if not side else tables[side] == "absent"]
        if len(named):
            yield f"Data: {', '.join(named)} {verb}."
    if len(rest):
        yield f"Program: {', '.join(f'{row.name} {row.before} -> {row.after}' for row in rest.itertuples())}."
    changes = len(keys) + len(tables) + len(rest)
    if changes == 0:
        yield "Neither scenario, data nor program changed: what differs is within the gaps or the time limit."
    elif changes == 1:
        yield "Nothing else changed: the difference is its effect, up to the gaps."
    places = {str(site) for site in found.sites["site_id"]}
    gone = {
        str(row.key).removeprefix("workloads[").removesuffix("]")
        for row in keys.itertuples()
        if ENTRY in (row.before, row.after)
    }
    for row in found.limits.itertuples():
        if gone & set(str(row.label).split(",")):
            continue  # a load that came or went brings or takes its own limits
        site = str(row.label).split(",")[0]
        where = f" at {row.label}" if site in places else (f" ({row.label})" if row.label else "")
        unit = f" {row.unit}" if row.unit else ""
        if str(row.words).startswith("binds"):
            value = row.after if row.binding_after else row.before
            limit = f" {value:,.6g}{unit}" if math.isfinite(value) else ""
            yield f"Limit {row.family}{where}: {row.words},{limit}.".replace(",.", ".")
        else:
            yield f"Limit {row.family}{where}: {row.words}{unit}."


def _tables(found: Differences) -> Iterator[Table]:
    yield frame_table(found.moves, "moves", "Who moved, MW of IT power")
    yield frame_table(found.sites, "sites", "Sites")
    money = {
        f"{name}_usd_per_year": Column(
            f"{name}_usd_per_year", name.capitalize(), "USD/year", 2, "number", MILLION, "M USD/year"
        )
        for name in ("before", "after", "difference")
    }
    parts = frame_table(found.parts, "parts", "Annual cost by parts; the differences sum to the total")
    yield replace(parts, columns=tuple(money.get(column.name, column) for column in parts.columns))
    yield frame_table(found.totals, "totals", "Both plans")
    yield frame_table(found.limits, "limits", "Limits that changed", drop=("binding_before", "binding_after"))
    yield frame_table(found.scenario, "scenario", "Changed keys of the scenario")
    yield frame_table(found.data, "data", "Changed data and versions")
