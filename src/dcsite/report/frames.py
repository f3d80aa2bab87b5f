"""Results as tidy tables: stable columns, each with its unit, ready for every printer and file format.

Owns which figures a reader gets and in which order. How they look is in :mod:`dcsite.report.terminal`,
:mod:`dcsite.report.export`, :mod:`dcsite.report.sheets` and :mod:`dcsite.report.html`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, runtime_checkable

import pandas as pd

from dcsite.errors import UsageError
from dcsite.physics.cost import COST_PARTS
from dcsite.physics.evaluation import Evaluation
from dcsite.scoring.comparing import Comparison
from dcsite.scoring.criteria import BY_NAME
from dcsite.scoring.ranking import Ranking, rank
from dcsite.scoring.robustness import Robustness
from dcsite.scoring.spectrum import Spectrum
from dcsite.spec.columns import FACTS

if TYPE_CHECKING:
    from dcsite.physics.evaluation import Assumption

Kind = Literal["text", "number", "integer", "flag"]

QUALITY: Final = ("measured", "reported", "modeled", "estimate", "unverified")
"""Quality words, best first."""

WEAK: Final = ("estimate", "unverified")
LEANING_SITES: Final = 10
"""How many leading sites the list of weak figures looks at when there is no plan."""


@dataclass(frozen=True)
class Column:
    """One column: key, what it is, unit, and how many digits a reader needs.

    Attributes
    ----------
    scale, shown_unit
        Printed text divides by ``scale`` and names ``shown_unit``; data files keep the plain figure.
    """

    name: str
    title: str
    unit: str = ""
    digits: int = 2
    kind: Kind = "number"
    scale: float = 1.0
    shown_unit: str = ""

    @property
    def unit_shown(self) -> str:
        """Unit of the printed figure."""
        return self.shown_unit or self.unit


@dataclass(frozen=True)
class Table:
    """A frame with described columns.

    Attributes
    ----------
    name
        Stable key: file suffix, sheet and JSON key.
    drop
        Columns that a narrow terminal leaves out, first to go first.
    hidden
        Columns that printed tables never show (files do).
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    frame: pd.DataFrame
    drop: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    note: str = ""

    def column(self, name: str) -> Column:
        """The description of one column."""
        return next(column for column in self.columns if column.name == name)

    @property
    def empty(self) -> bool:
        """Whether there is no row."""
        return len(self.frame) == 0


@runtime_checkable
class PlanLike(Protocol):
    """What the reports need of a plan; :class:`dcsite.optimize.plan.Plan` has it."""

    status: str
    objective_usd_per_year: float
    bound_usd_per_year: float
    gap: float
    cost_parts: Mapping[str, float]
    placements: pd.DataFrame


@dataclass(frozen=True)
class Report:
    """All results that go into one set of files.

    Attributes
    ----------
    rankings, comparisons
        By workload.
    plan
        A portfolio, if one was made.
    presets
        Weights by profile name for the page's buttons.
    pictures
        Named slots of the page: ``spectrum``, ``pareto``, ``acceptability``, ``duration``, each the result
        itself (it is drawn), an SVG text, a :class:`Table` or a frame.
    """

    title: str
    evaluation: Evaluation | None = None
    rankings: Mapping[str, Ranking] = field(default_factory=dict)
    comparisons: Mapping[str, Comparison] = field(default_factory=dict)
    plan: Any = None
    tables: tuple[Table, ...] = ()
    presets: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    pictures: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def as_report(
    result: Any,  # noqa: ANN401  (any result of the library)
    *,
    evaluation: Evaluation | None = None,
    title: str = "",
    presets: Mapping[str, Mapping[str, float]] | None = None,
    pictures: Mapping[str, Any] | None = None,
) -> Report:
    """Gather one result or several into a report.

    Parameters
    ----------
    result
        A ``Report``, ``Evaluation`` (all its workloads are ranked), ``Ranking``, ``Comparison``, plan,
        ``Spectrum``, ``Robustness``, anything else with a frame named ``table``, ``Table``, frame, or a
        sequence of these.
    evaluation
        The facts behind the result; with them the page can rescore every technology, and the files carry
        sources, assumptions and data vintage.
    presets
        Weights by profile name for the page's buttons.

    Raises
    ------
    UsageError
        If there is nothing to report in ``result``.
    """
    report = _gather(result)
    facts = evaluation or report.evaluation
    if facts is None and report.plan is not None:
        found = getattr(report.plan, "evaluation", None)
        facts = found if isinstance(found, Evaluation) else None
    name = title or report.title
    if not name and facts is not None:
        name = facts.scenario.title
    rankings = dict(report.rankings)
    for workload, comparison in report.comparisons.items():
        rankings.setdefault(workload, comparison.ranking)
    return replace(
        report,
        title=name or "Where the load should go",
        evaluation=facts,
        rankings=rankings,
        presets=presets or report.presets,
        pictures={**report.pictures, **(pictures or {})},
    )


def _gather(result: Any) -> Report:  # noqa: ANN401
    if isinstance(result, Report):
        return result
    if isinstance(result, Evaluation):
        rankings = {workload: rank(result, workload=workload) for workload in result.workloads}
        return Report("", result, rankings)
    if isinstance(result, Ranking):
        return Report("", rankings={result.workload: result})
    if isinstance(result, Comparison):
        return Report("", comparisons={result.workload: result})
    if isinstance(result, Table):
        return Report(result.title, tables=(result,))
    if isinstance(result, pd.DataFrame):
        return Report("", tables=(frame_table(result),))
    if hasattr(result, "placements") and hasattr(result, "status"):
        return Report("", plan=result)
    if isinstance(result, Spectrum):
        table = frame_table(
            result.table,
            "spectrum",
            f"Winners along worth of latency and rack power: {result.workload}",
            drop=("sentence", "technology", "name"),
        )
        return Report("", tables=(table,), pictures={"spectrum": result}, notes=result.notes)
    if isinstance(result, Robustness):
        table = frame_table(result.table, "robustness", f"How sure the ranking is: {result.workload}")
        weights = frame_table(
            result.stability, "stability", f"How far each weight may move: {result.workload}"
        )
        tables: tuple[Table, ...] = (table, weights)
        if len(result.dominance):
            words = f"Dominance, first over second: {result.workload}"
            tables = (*tables, frame_table(result.dominance, "dominance", words))
        if len(result.worlds):
            words = f"Who wins in each world of prices: {result.workload}"
            tables = (*tables, frame_table(result.worlds, "price_years", words))
        return Report("", tables=tables, pictures={"acceptability": result}, notes=result.notes)
    from dcsite.report.fronts import report_of

    found = report_of(result)
    if found is not None:
        return found
    if isinstance(getattr(result, "table", None), pd.DataFrame):
        kind = type(result).__name__.lower()
        return Report("", tables=(frame_table(result.table, kind, type(result).__name__),))
    if isinstance(result, Mapping):
        return _gather(list(result.values()))
    if isinstance(result, Sequence) and not isinstance(result, str) and len(result):
        whole = Report("")
        for item in result:
            part = _gather(item)
            whole = replace(
                whole,
                title=whole.title or part.title,
                evaluation=whole.evaluation or part.evaluation,
                rankings={**whole.rankings, **part.rankings},
                comparisons={**whole.comparisons, **part.comparisons},
                plan=whole.plan if whole.plan is not None else part.plan,
                tables=(*whole.tables, *part.tables),
                presets={**whole.presets, **part.presets},
                pictures=_more_pictures(whole.pictures, part.pictures),
                notes=(*whole.notes, *part.notes),
            )
        return whole
    message = f"cannot report a {type(result).__name__}"
    raise UsageError(message, hint="give a ranking, comparison, plan, evaluation, table or frame")


def _more_pictures(first: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Both, where a slot taken twice gets the workload's name: ``spectrum``, ``spectrum:training``."""
    both = dict(first)
    for slot, value in more.items():
        both[f"{slot}:{getattr(value, 'workload', len(both))}" if slot in both else slot] = value
    return both


# --- columns ----------------------------------------------------------------------------------------------

_DIGITS = {
    "marginal_usd_per_unit": 0,
    "pue": 2,
    "pue_low": 2,
    "pue_high": 2,
    "pue_peak": 2,
    "overhead_mwh_per_mwh": 3,
    "reach_ratio": 3,
    "derate_ratio": 3,
    "policy_index": 2,
    "price_year": 0,
    "rank": 0,
    "lat": 2,
    "lon": 2,
}
_SUFFIX_DIGITS = (
    ("_usd_per_mwh", 1),
    ("_usd_per_it_mwh", 1),
    ("_l_per_kwh", 2),
    ("_ms", 0),
    ("_hours", 0),
    ("_km", 0),
    ("_mw", 1),
    ("_ratio", 3),
    ("_kg_per_mwh", 0),
    ("_g_per_kwh", 0),
    ("_usd", 0),
    ("_index", 1),
    ("_gw", 1),
    ("_years", 1),
    ("_usd_per_w", 1),
    ("_usd_per_month", 0),
)
_SHORT = {
    "site_id": "Site",
    "name": "Name",
    "workload": "Workload",
    "technology": "Cooling",
    "rank": "Rank",
    "rank_without_subsidies": "Rank unsubsidized",
    "tie_group": "Tie",
    "score": "Score",
    "score_sd": "Noise of score",
    "country_iso3": "Country",
    "lat": "Latitude",
    "lon": "Longitude",
    "effective_price_usd_per_mwh": "Price",
    "price_usd_per_mwh": "Bare price",
    "scarce_water_l_per_kwh": "Scarce water",
    "wue_l_per_kwh": "Water",
    "overhead_mwh_per_mwh": "Overhead",
    "pue": "PUE",
    "pue_low": "PUE low",
    "pue_high": "PUE high",
    "pue_peak": "PUE peak",
    "reach_ratio": "Reach",
    "rtt_mean_ms": "RTT mean",
    "rtt_p50_ms": "RTT P50",
    "rtt_p90_ms": "RTT P90",
    "carbon_kg_per_mwh": "Carbon",
    "cost_usd_per_mw_year": "Annual cost",
    "levelized_usd_per_it_mwh": "Levelized",
    "price_quality": "Price quality",
    "price_basis": "Price basis",
    "subsidized": "Subsidized",
    "it_mw": "IT power",
    "power_usd_per_mw_year": "Energy",
    "demand_charge_usd_per_mw_year": "Demand charge",
    "water_usd_per_mw_year": "Water cost",
    "carbon_usd_per_mw_year": "Carbon cost",
    "fixed_om_usd_per_mw_year": "Fixed O&M",
    "capex_usd_per_mw_year": "Capital annuity",
    "hazard_index": "Natural hazard",
    "policy_index": "Country index",
    "capex_usd_per_w": "Shell and plant",
    "worth_usd_per_unit": "Worth",
    "hours_run": "Hours run",
    "cost_usd_per_year": "Annual cost",
    "marginal_usd_per_unit": "Worth of one unit more or less [USD/year]",
    "capex_usd_per_mw": "Construction cost",
    "escalation_ratio": "Growth of the price",
    "water_stress_category": "Water stress (0-4)",
    "water_stress_ratio": "Water stress",
    "curve": "Price duration curve",
    "time_to_power_years": "Time to power",
    "time_to_power_low_years": "Earliest",
    "time_to_power_high_years": "Latest",
    "time_to_power_quality": "Quality",
    "wait_years": "Wait",
    "idle_usd_per_month": "Month idle",
    "wait_usd": "Wait idle",
}
_FLAGS = ("subsidized", "admissible")
MILLION: Final = 1.0e6


def column_of(name: str) -> Column:
    """Describe a column by its name: unit from the fact list or the name's own ending."""
    unit, title = FACTS.get(name, ("", ""))
    if name.startswith("score_") and name != "score_sd":
        criterion = BY_NAME.get(name.removeprefix("score_"))
        own = name.removeprefix("score_").replace("_", " ").capitalize()
        return Column(name, criterion.title if criterion else own, "points", 1)
    if name.startswith("value_"):
        return Column(name, f"Value {name.removeprefix('value_')}", "0-1", 3)
    if name == "share_ratio":
        return Column(name, "Share", "-", 3)
    if name.startswith("share_"):
        return Column(name, f"Share {name.removeprefix('share_')}", "-", 3)
    title = _SHORT.get(name) or title or _words_of(name)
    title = title[:1].upper() + title[1:]
    if name in ("score", "score_sd"):
        return Column(name, title, "0-100", 1)
    if name in ("rank", "tie_group", "price_year") or name.endswith(("_year_used", "_count")):
        return Column(name, title, unit, 0, "integer")
    if name in _FLAGS:
        return Column(name, title, "", 0, "flag")
    if name.endswith(("_usd_per_mw_year", "_usd_per_mw")):
        unit = unit or ("USD/MW-year" if name.endswith("year") else "USD/MW")
        return Column(name, title, unit, 3, "number", MILLION, "M " + unit)
    if name.endswith(("_mwh_per_year", "_m3_per_year", "_t_per_year", "_m2")):
        return Column(name, title, unit or _unit_of_name(name), 0)
    if name.endswith("_usd_per_year"):
        return Column(name, title, "USD/year", 2, "number", MILLION, "M USD/year")
    if name in ("wait_usd", "capital_usd", "cash_usd"):
        return Column(name, title, "USD", 1, "number", MILLION, "M USD")
    if name.endswith("_usd_per_month"):
        return Column(name, title, "USD/month", 2, "number", MILLION, "M USD/month")
    if name in FACTS and not unit:
        return Column(name, title, "", 0, "text")
    digits = _DIGITS.get(name)
    if digits is None:
        digits = next((count for suffix, count in _SUFFIX_DIGITS if name.endswith(suffix)), 2)
    return Column(name, title, unit or _unit_of_name(name), digits)


_UNIT_SUFFIXES = (
    ("_usd_per_mw_year", "USD/MW-year"),
    ("_usd_per_mw", "USD/MW"),
    ("_usd_per_year", "USD/year"),
    ("_usd_per_it_mwh", "USD/MWh IT"),
    ("_usd_per_mwh", "USD/MWh"),
    ("_usd_per_kw_month", "USD/kW-month"),
    ("_l_per_kwh", "L/kWh"),
    ("_kg_per_mwh", "kg/MWh"),
    ("_g_per_kwh", "g/kWh"),
    ("_mwh_per_year", "MWh/year"),
    ("_m3_per_year", "m3/year"),
    ("_t_per_year", "t/year"),
    ("_m2", "m2"),
    ("_usd_per_w", "USD/W"),
    ("_usd", "USD"),
    ("_mw", "MW"),
    ("_gw", "GW"),
    ("_ms", "ms"),
    ("_km", "km"),
    ("_c", "C"),
    ("_years", "years"),
    ("_ratio", "-"),
)


def _words_of(name: str) -> str:
    """A column's name in words, without the unit at its end."""
    suffix = next((suffix for suffix, _ in _UNIT_SUFFIXES if name.endswith(suffix) and name != suffix), "")
    return name.removesuffix(suffix).replace("_", " ") or name


def _unit_of_name(name: str) -> str:
    return next((unit for suffix, unit in _UNIT_SUFFIXES if name.endswith(suffix)), "")


def frame_table(
    frame: pd.DataFrame,
    name: str = "table",
    title: str = "",
    *,
    drop: tuple[str, ...] = (),
    hidden: tuple[str, ...] = (),
    note: str = "",
) -> Table:
    """Wrap any frame: columns are described by their names and dtypes."""
    columns = []
    for key in frame.columns:
        column = column_of(str(key))
        values = frame[key]
        if pd.api.types.is_bool_dtype(values):
            column = replace(column, kind="flag")
        elif pd.api.types.is_integer_dtype(values):
            column = replace(column, kind="integer", digits=0)
        elif not pd.api.types.is_numeric_dtype(values):
            column = replace(column, kind="text")
        columns.append(column)
    return Table(name, title or name, tuple(columns), frame.reset_index(drop=True), drop, hidden, note)


def _pick(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The named columns in order; those that the frame lacks stay empty."""
    return pd.DataFrame({name: frame[name] if name in frame else _blank(name, frame) for name in names})


def _blank(name: str, frame: pd.DataFrame) -> pd.Series:
    column = column_of(name)
    if column.kind == "text":
        return pd.Series([""] * len(frame), index=frame.index, dtype=object)
    if column.kind == "flag":
        return pd.Series([None] * len(frame), index=frame.index, dtype=object)
    return pd.Series([float("nan")] * len(frame), index=frame.index, dtype="float64")


def with_places(frame: pd.DataFrame, sites: pd.DataFrame | None) -> pd.DataFrame:
    """Add name, country and position of the sites where the frame lacks them."""
    result = frame.copy()
    for key in ("name", "country_iso3", "lat", "lon"):
        if key not in result:
            if sites is not None and key in sites:
                lookup = sites.set_index("site_id")[key] if "site_id" in sites else sites[key]
                result[key] = result["site_id"].map(lookup)
            else:
                blank = "" if key == "country_iso3" else float("nan")
                result[key] = result["site_id"] if key == "name" else blank
    return result


RANK_HEAD: Final = (
    "workload",
    "rank",
    "tie_group",
    "site_id",
    "name",
    "country_iso3",
    "lat",
    "lon",
    "technology",
    "score",
    "score_sd",
)
RANK_FACTS: Final = tuple(
    name for name in FACTS if name not in ("site_id", "workload", "technology", "admissible", "refusal")
)
RANK_SHOWN: Final = (
    "rank",
    "tie_group",
    "site_id",
    "technology",
    "score",
    "effective_price_usd_per_mwh",
    "pue",
    "scarce_water_l_per_kwh",
    "reach_ratio",
    "cost_usd_per_mw_year",
    "price_quality",
)
RANK_DROP: Final = (
    "price_quality",
    "rank_without_subsidies",
    "score_grid_strength",
    "score_time_to_power",
    "score_capex",
    "score_policy",
    "score_hazard",
    "score_carbon",
    "cost_usd_per_mw_year",
    "scarce_water_l_per_kwh",
    "reach_ratio",
    "pue",
    "tie_group",
    "technology",
    "score_water",
    "score_cooling",
    "score_price",
    "score_latency",
    "effective_price_usd_per_mwh",
)


def ranking_table(ranking: Ranking, sites: pd.DataFrame | None = None) -> Table:
    """Ranked sites, best first: rank, score, its parts, and every fact behind them."""
    frame = with_places(ranking.table.assign(workload=ranking.workload), sites)
    parts = [f"score_{name}" for name in ranking.criteria]
    extra = [name for name in ("rank_without_subsidies", "price_flags") if name in frame]
    names = [*RANK_HEAD, *parts, *extra, *RANK_FACTS]
    frame = _pick(frame, names)
    shown = {*RANK_SHOWN, *parts, *(name for name in extra if name != "price_flags")}
    columns = tuple(
        replace(column_of(name), kind="integer", digits=0) if name.startswith("rank_") else column_of(name)
        for name in names
    )
    columns = tuple(
        replace(column, kind="text") if column.name in ("name", "country_iso3", "price_flags") else column
        for column in columns
    )
    weights = ", ".join(
        f"{name} {ranking.weights.weight[name]:.0%} (effective {ranking.effective_weight[name]:.0%})"
        for name in ranking.criteria
    )
    return Table(
        "ranking",
        f"Ranking for {ranking.workload} (profile {ranking.profile.name})",
        columns,
        frame,
        RANK_DROP,
        tuple(name for name in names if name not in shown),
        f"Weights: {weights}. Sites with the same tie number are within the noise of the figures.",
    )


def excluded_table(excluded: pd.DataFrame, sites: pd.DataFrame | None = None) -> Table:
    """Sites that a hard rule keeps out, with the reason; grouped by rule."""
    names = ("site_id", "name", "workload", "rule", "reason", "quality")
    frame = _pick(with_places(excluded, sites), names)
    frame = frame.sort_values(["rule", "workload", "site_id"], kind="stable").reset_index(drop=True)
    columns = tuple(Column(name, _SHORT.get(name, name.capitalize()), kind="text") for name in names)
    return Table("excluded", "Excluded sites", columns, frame, ("name", "quality", "workload"), ("name",))


COMPARE_ROWS: Final = (
    "rank",
    "score",
    "technology",
    "effective_price_usd_per_mwh",
    "price_basis",
    "price_quality",
    "pue",
    "pue_peak",
    "overhead_mwh_per_mwh",
    "wue_l_per_kwh",
    "scarce_water_l_per_kwh",
    "reach_ratio",
    "rtt_p50_ms",
    "rtt_p90_ms",
    "carbon_kg_per_mwh",
    "hazard_index",
    "policy_index",
    "capex_usd_per_w",
    *COST_PARTS,
    "cost_usd_per_mw_year",
    "levelized_usd_per_it_mwh",
)


def compare_table(comparison: Comparison, sites: pd.DataFrame | None = None) -> Table:
    """Sites side by side: one row per site, facts and cost parts that sum to the cost."""
    frame = with_places(comparison.table.assign(workload=comparison.workload), sites)
    parts = [f"score_{name}" for name in comparison.ranking.criteria]
    names = ["workload", "site_id", "name", *COMPARE_ROWS[:2], *parts, *COMPARE_ROWS[2:]]
    columns = tuple(
        replace(column_of(name), kind="text") if name == "name" else column_of(name) for name in names
    )
    return Table("compare", f"Side by side: {comparison.workload}", columns, _pick(frame, names))


def waterfall_table(comparison: Comparison) -> Table:
    """Cost differences to the winner by part; the parts of a site sum to its total."""
    frame = comparison.waterfall.copy()
    frame.insert(0, "workload", comparison.workload)
    columns = (
        Column("workload", "Workload", kind="text"),
        Column("site_id", "Site", kind="text"),
        Column("against", "Against", kind="text"),
        Column("part", "Part of the cost", kind="text"),
        Column(
            "difference_usd_per_mw_year", "Difference", "USD/MW-year", 3, "number", MILLION, "M USD/MW-year"
        ),
    )
    return Table("waterfall", f"Cost differences: {comparison.workload}", columns, frame)


def flips_table(comparison: Comparison) -> Table:
    """Single changes after which another site wins."""
    frame = pd.DataFrame(
        [
            {
                "workload": comparison.workload,
                "site_id": flip.site_id,
                "criterion": flip.criterion,
                "column": flip.column,
                "unit": flip.unit,
                "now": flip.now,
                "needed": flip.needed,
            }
            for flip in comparison.flips
        ],
        columns=["workload", "site_id", "criterion", "column", "unit", "now", "needed"],
    )
    columns = tuple(
        Column(
            name,
            name.replace("_", " ").capitalize(),
            "",
            3,
            "number" if name in ("now", "needed") else "text",
        )
        for name in frame.columns
    )
    return Table("flips", f"What flips the winner: {comparison.workload}", columns, frame, (), ("column",))


# --- plan -------------------------------------------------------------------------------------------------


def plan_summary(plan: Any) -> dict[str, Any]:  # noqa: ANN401
    """Status, objective, bound and gap of a plan, as plain values."""
    wanted = (
        "status",
        "objective_usd_per_year",
        "bound_usd_per_year",
        "gap",
        "verified",
        "solver",
        "seconds",
        "nodes",
        "cost_npv_usd",
        "capex_usd",
        "carbon_kg_per_mwh",
        "carbon_t_per_year",
        "water_m3_per_year",
        "mean_rtt_ms",
        "it_mw",
        "goal",
        "goal_value",
        "goal_bound",
        "goal_unit",
        "asked_gap",
        "limit_hit",
        "problem_digest",
    )
    found: dict[str, Any] = {}
    for name in wanted:
        value = getattr(plan, name, None)
        if value is not None and not callable(value) and name != "seconds":
            found[name] = value
    if "bound_usd_per_year" not in found and getattr(plan, "bound", None) is not None:
        found["bound_usd_per_year"] = plan.bound
    return found


def plan_table(plan: Any, sites: pd.DataFrame | None = None) -> Table:  # noqa: ANN401
    """Where which load goes: one row per site, technology, workload (and period)."""
    frame = with_places(plan.placements.reset_index(drop=True), sites)
    head = ["site_id", "name", "country_iso3", "technology", "workload", "it_mw"]
    if "period" in frame and len(set(frame["period"])) > 1:
        head.insert(0, "period")
    rest = [str(name) for name in frame.columns if name not in {*head, "lat", "lon", "period"}]
    table = frame_table(_pick(frame, [*head, "lat", "lon", *rest]), "plan", "Plan")
    shown = {"site_id", "technology", "workload", "it_mw", "period", "share_ratio", "cost_usd_per_year"}
    shown |= {"energy_mwh_per_year"}
    return replace(
        table,
        drop=("energy_mwh_per_year", "cost_usd_per_year", "share_ratio", "technology"),
        hidden=tuple(column.name for column in table.columns if column.name not in shown),
    )


def cost_parts_table(plan: Any) -> Table:  # noqa: ANN401
    """Annual cost of the plan by parts, with their sum."""
    parts = {str(key).removesuffix("_usd_per_year"): float(value) for key, value in plan.cost_parts.items()}
    total = sum(parts.values())
    rows = [
        {"part": part, "cost_usd_per_year": value, "share_ratio": value / total if total else 0.0}
        for part, value in parts.items()
    ]
    rows.append({"part": "total", "cost_usd_per_year": total, "share_ratio": 1.0 if total else 0.0})
    columns = (
        Column("part", "Part of the cost", kind="text"),
        Column("cost_usd_per_year", "Annual cost", "USD/year", 2, "number", MILLION, "M USD/year"),
        Column("share_ratio", "Share", "-", 3),
    )
    return Table("cost_parts", "Annual cost by parts", columns, pd.DataFrame(rows))


_PLAN_FRAMES = (
    ("robustness", "robustness", "Price of robustness: this plan and the best one for the listed facts"),
    ("futures", "futures", "Cost in each future"),
    ("waits", "waits", "When power comes, and what waiting for it costs in idle capital"),
    ("halls", "halls", "Halls"),
    ("open_halls", "halls", "Halls"),
    ("served", "served", "Demand served"),
    ("limits", "limits", "Limits"),
    ("binding", "limits", "Binding limits"),
    ("binding_limits", "limits", "Binding limits"),
    ("shadow_prices", "shadow_prices", "Worth of limits"),
    ("runs", "runs", "Energy of interruptible loads by price block"),
    ("dropped", "dropped", "Left out before solving"),
)


def plan_tables(plan: Any, sites: pd.DataFrame | None = None) -> list[Table]:  # noqa: ANN401
    """All tables of a plan: placements, cost parts, halls, limits, served demand."""
    tables = [plan_table(plan, sites)]
    if getattr(plan, "cost_parts", None):
        tables.append(cost_parts_table(plan))
    taken: set[str] = set()
    for attribute, name, title in _PLAN_FRAMES:
        frame = getattr(plan, attribute, None)
        if isinstance(frame, pd.DataFrame) and name not in taken:
            taken.add(name)
            hidden = tuple(key for key in ("point_number",) if key in frame)
            if name == "futures":
                blank = [str(key) for key in frame if frame[key].isna().all()]
                hidden = (*hidden, *dict.fromkeys([*blank, "best_bound_usd_per_year"]))
            one_period = "period" in frame and len(set(frame["period"])) <= 1
            tables.append(
                frame_table(frame, name, title, hidden=(*hidden, *(["period"] if one_period else [])))
            )
    return tables


# --- where the figures come from --------------------------------------------------------------------------


def sources_table(evaluation: Evaluation) -> Table:
    """Sources in use, with year and license."""
    names = ("source_id", "publisher", "title", "year", "license", "url")
    sources = evaluation.sources if evaluation.sources is not None else pd.DataFrame(columns=list(names))
    keep = [name for name in names if name in sources]
    keep += [str(name) for name in sources.columns if name not in keep]
    frame = sources[keep].sort_values(keep[0], kind="stable").reset_index(drop=True)
    hidden = tuple(name for name in ("folder", "accessed", "redistributable") if name in frame)
    table = frame_table(frame, "sources", "Sources and licenses", drop=("url", "publisher"), hidden=hidden)
    columns = (
        replace(column, kind="integer", digits=0)
        if column.name in ("year", "accessed")
        else replace(column, kind="text")
        for column in table.columns
    )
    return replace(table, columns=tuple(columns))


def assumptions_table(assumptions: Sequence[Assumption]) -> Table:
    """Choices the answer leans on: defaults, fallbacks, filled values."""
    names = ("name", "value", "unit", "note")
    frame = pd.DataFrame(
        [[getattr(entry, name) for name in names] for entry in assumptions], columns=list(names), dtype=object
    )
    columns = tuple(Column(name, name.capitalize(), kind="text") for name in names)
    return Table("assumptions", "Assumptions", columns, frame)


def vintage_table(evaluation: Evaluation) -> Table:
    """Ages of the data and dates of the rules."""
    frame = pd.DataFrame(
        [[kind, str(text)] for kind, text in evaluation.vintage.items()],
        columns=["kind", "vintage"],
        dtype=object,
    )
    columns = (Column("kind", "Data", kind="text"), Column("vintage", "Vintage", kind="text"))
    return Table("vintage", "Data vintage", columns, frame)


def _figure_column(quality: str, columns: Sequence[str]) -> str:
    stem = quality.removesuffix("_quality")
    return next((name for name in columns if name.startswith(f"{stem}_") and _unit_of_name(name)), stem)


def weak_figures_table(
    report_rankings: Mapping[str, Ranking],
    sites: pd.DataFrame | None = None,
    site_ids: Sequence[str] | None = None,
    sources: pd.DataFrame | None = None,
) -> Table:
    """The worst-quality figures that the answer leans on.

    Looks at the named sites (those of a plan or comparison) or else the ten best of each ranking, and lists
    every figure of quality ``estimate`` or ``unverified``, worst first, with its source.
    """
    rows = []
    for workload, ranking in report_rankings.items():
        table = ranking.table
        chosen = table[table["site_id"].isin(site_ids)] if site_ids else table.head(LEANING_SITES)
        found = chosen
        if sites is not None and "site_id" in chosen:
            more = [name for name in sites.columns if name.endswith(("_quality", "_source_id"))]
            more += [
                figure
                for name in more
                if name.endswith("_quality")
                and (figure := _figure_column(name, list(sites.columns))) in sites
                and figure not in more
            ]
            more = [name for name in dict.fromkeys(more) if name not in chosen]
            lookup = sites.set_index("site_id") if "site_id" in sites else sites
            found = chosen.join(lookup[more], on="site_id") if more else chosen
        for quality in (name for name in found.columns if str(name).endswith("_quality")):
            figure = _figure_column(quality, list(found.columns))
            source = quality.replace("_quality", "_source_id")
            for _, row in found[found[quality].isin(WEAK)].iterrows():
                rows.append(
                    {
                        "quality": row[quality],
                        "figure": figure,
                        "source_id": str(row[source]) if source in found else "",
                        "site_id": row["site_id"],
                        "workload": workload,
                    }
                )
    names = ["quality", "title", "figure", "source", "source_id", "site_count", "sites"]
    if not rows:
        frame = pd.DataFrame(columns=names, dtype=object)
    else:
        raw = pd.DataFrame(rows).drop_duplicates(["quality", "figure", "source_id", "site_id"])
        grouped = raw.groupby(["quality", "figure", "source_id"], sort=True, dropna=False)["site_id"]
        frame = grouped.agg(site_count="nunique", sites=lambda ids: ", ".join(sorted(set(ids)))).reset_index()
        frame["_worst"] = -frame["quality"].map(QUALITY.index)
        frame = frame.sort_values(["_worst", "figure", "source_id"], kind="stable")
        frame["title"] = [column_of(name).title for name in frame["figure"]]
        titles = {} if sources is None else dict(zip(sources["source_id"], sources["title"], strict=True))
        frame["source"] = [str(titles.get(source, "")) or source for source in frame["source_id"]]
        frame = frame.reset_index(drop=True)[names]
    columns = (
        Column("quality", "Quality", kind="text"),
        Column("title", "Figure", kind="text"),
        Column("figure", "Column", kind="text"),
        Column("source", "Source", kind="text"),
        Column("source_id", "Source id", kind="text"),
        Column("site_count", "Sites", "", 0, "integer"),
        Column("sites", "Where", kind="text"),
    )
    title = "Weakest figures the answer leans on"
    return Table("weak_figures", title, columns, frame, ("source",), ("figure", "source_id"))


# --- all of a report --------------------------------------------------------------------------------------


def _concat(tables: Sequence[Table], title: str) -> Table:
    """One table of several of the same kind; columns in order of first appearance."""
    if len(tables) == 1:
        return tables[0]
    columns: dict[str, Column] = {}
    for table in tables:
        columns.update({column.name: columns.get(column.name, column) for column in table.columns})
    names = sorted(columns, key=lambda name: _place(name, tables))
    frame = stacked([_pick(table.frame, names) for table in tables if len(table.frame)], names)
    hidden = tuple(name for name in names if any(name in table.hidden for table in tables))
    return replace(
        tables[0], title=title, columns=tuple(columns[name] for name in names), frame=frame, hidden=hidden
    )


def stacked(frames: Sequence[pd.DataFrame], names: Sequence[str]) -> pd.DataFrame:
    """Frames under each other; a column that is blank in one frame changes no type of the others."""
    return pd.DataFrame({name: [value for frame in frames for value in frame[name]] for name in names})


def _place(name: str, tables: Sequence[Table]) -> int:
    for offset, table in enumerate(tables):
        keys = [column.name for column in table.columns]
        if name in keys:
            return keys.index(name) * 10 + offset
    return 0


def report_tables(report: Report) -> dict[str, Table]:
    """Every table of a report by its stable name; empty ones are left out.

    ``plan, cost_parts, halls, limits, served, shadow_prices, ranking, compare, waterfall, flips, excluded,
    weak_figures, assumptions, vintage, sources`` and any further table of the report, in this order.
    """
    sites = report.evaluation.sites if report.evaluation is not None else None
    tables: list[Table] = []
    if report.plan is not None:
        tables += plan_tables(report.plan, sites)
    if report.rankings:
        tables.append(
            _concat([ranking_table(entry, sites) for entry in report.rankings.values()], "Rankings")
        )
    comparisons = list(report.comparisons.values())
    if comparisons:
        tables.append(_concat([compare_table(entry, sites) for entry in comparisons], "Side by side"))
        tables.append(
            _concat([waterfall_table(entry) for entry in comparisons], "Cost differences to the winner")
        )
        tables.append(_concat([flips_table(entry) for entry in comparisons], "What flips the winner"))
    tables += list(report.tables)
    excluded = [entry.excluded for entry in report.rankings.values()]
    if report.evaluation is not None:
        excluded.append(report.evaluation.excluded)
    excluded = [frame for frame in excluded if len(frame)]
    if excluded:
        names = ("site_id", "workload", "rule", "reason", "quality")
        whole = stacked([_pick(frame, names) for frame in excluded], names)
        whole = whole.drop_duplicates(["site_id", "workload", "rule"])
        tables.append(excluded_table(whole, sites))
    if report.rankings:
        known = report.evaluation.sources if report.evaluation is not None else None
        tables.append(weak_figures_table(report.rankings, sites, answer_sites(report), known))
    if report.evaluation is not None:
        tables.append(assumptions_table(report.evaluation.assumptions))
        tables.append(vintage_table(report.evaluation))
        tables.append(sources_table(report.evaluation))
    named: dict[str, Table] = {}
    for table in tables:
        if not table.empty:
            count = sum(1 for name in named if name.rstrip("_0123456789") == table.name)
            named[f"{table.name}_{count + 1}" if count else table.name] = table
    return named


def answer_sites(report: Report) -> list[str] | None:
    """Sites of the plan or the comparisons; None where the ranking's best are the answer."""
    if report.plan is not None:
        return sorted(set(report.plan.placements["site_id"]))
    if report.comparisons:
        return sorted({site for entry in report.comparisons.values() for site in entry.table["site_id"]})
    return None


def report_notes(report: Report) -> list[str]:
    """Sentences that the reader must see, each once."""
    notes = [*report.notes, *getattr(report.plan, "notes", ())]
    if report.evaluation is not None:
        notes += report.evaluation.notes
    for workload, ranking in report.rankings.items():
        head = f"{workload}: " if len(report.rankings) > 1 else ""
        notes += [note if f"'{workload}'" in note else f"{head}{note}" for note in ranking.notes]
    return list(dict.fromkeys(notes))


def main_table(report: Report) -> Table:
    """The table that a one-table format carries: plan, else comparison, else ranking, else the first.

    Raises
    ------
    UsageError
        If the report has no table with rows.
    """
    tables = report_tables(report)
    for name in ("plan", "compare", "ranking"):
        if name in tables:
            return tables[name]
    if report.tables:
        return report.tables[0]
    if tables:
        return next(iter(tables.values()))
    message = "there is nothing to write: the result has no rows"
    raise UsageError(message)


LINK_NAMES: Final = ("workload", "site_id", "region", "share_ratio", "site_lat", "site_lon", "lat", "lon")


def plan_links(report: Report) -> pd.DataFrame:
    """Which site serves which demand point of a plan, with both positions.

    One row per link: ``workload, site_id, region, share_ratio`` (of the workload's demand), ``site_lat,
    site_lon, lat, lon``; of several periods the last. Empty when the plan does not say, or the positions
    are unknown.
    """
    empty = pd.DataFrame(columns=list(LINK_NAMES))
    served = getattr(report.plan, "served", None)
    if not isinstance(served, pd.DataFrame) or served.empty or report.evaluation is None:
        return empty
    region = next((name for name in ("point_number", "point", "region", "name") if name in served), None)
    if region is None or not {"workload", "site_id"} <= set(served.columns):
        return empty
    if "period" in served:
        served = served[served["period"] == served["period"].max()]
    rows = []
    sites = report.evaluation.sites
    for workload, market in report.evaluation.markets.items():
        here = served[served["workload"] == workload]
        if "share_ratio" in here:
            share = here["share_ratio"].astype("float64")
        elif "mw" in here and here["mw"].sum() > 0:
            share = here["mw"] / here["mw"].sum()
        else:
            continue
        points = market.points.reset_index(drop=True)
        by_name = points.drop_duplicates("name").set_index("name")
        for key, site_id, part in zip(here[region], here["site_id"], share, strict=True):
            if isinstance(key, str) and key in by_name.index:
                place = by_name.loc[key]
            elif not isinstance(key, str) and 0 <= int(key) < len(points):
                place = points.loc[int(key)]
            else:
                continue
            if site_id in sites.index:
                lat, lon = sites.at[site_id, "lat"], sites.at[site_id, "lon"]
                name = str(place.get("name", key))
                rows.append([workload, site_id, name, float(part), lat, lon, place["lat"], place["lon"]])
    return pd.DataFrame(rows, columns=list(LINK_NAMES)) if rows else empty
