"""Fronts, other portfolios and differences of runs as tables, sentences and pictures.

What is computed is in :mod:`dcsite.optimize.front`, :mod:`dcsite.optimize.alternatives` and
:mod:`dcsite.study.differences`; here it gets its titles, units and digits.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from dcsite.report.figures import LIGHT, pareto_svg
from dcsite.report.frames import MILLION, Column, Report, Table, frame_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dcsite.optimize.alternatives import Alternatives
    from dcsite.optimize.front import Front

AXES: Final[Mapping[str, tuple[str, str, str, float, int]]] = {
    "cost": ("cost_usd_per_year", "Annual cost", "M USD/year", MILLION, 2),
    "carbon": ("carbon_t_per_year", "Carbon", "t/year", 1.0, 0),
    "water": ("water_m3_per_year", "Water", "m3/year", 1.0, 0),
    "latency": ("mean_rtt_ms", "Mean RTT", "ms", 1.0, 2),
    "sites": ("sites_count", "Sites", "sites", 1.0, 0),
}
"""Column, title, printed unit, scale and digits of each goal."""


def goal_words(goal: str, value: float) -> str:
    """A figure of a goal with its unit.

    Examples
    --------
    >>> goal_words("cost", 812_340_000.0), goal_words("carbon", 41_200.4)
    ('812.34 M USD/year', '41,200 t/year')
    """
    _, _, unit, scale, digits = AXES[goal]
    return f"{value / scale:,.{digits}f} {unit}"


def front_table(front: Front) -> Table:
    """One row per point of a front: both goals, cap, bound, gap, steps, knee and sites."""
    unit, scale, digits = AXES[front.minimized][2:]
    cap_unit, cap_scale, cap_digits = AXES[front.capped][2:]
    table = frame_table(front.table, "pareto", f"{AXES[front.x][1]} against {AXES[front.y][1].lower()}")
    per_unit = str(front.table["per_unit"].iloc[0]) if len(front.table) else ""
    plain = "USD/year" if front.minimized == "cost" else unit
    columns = {
        "status": Column("status", "Proof", kind="text"),
        "mean_rtt_ms": Column("mean_rtt_ms", "Mean RTT", "ms", 2),
        "sites_count": Column("sites_count", "Sites", "", 0, "integer"),
        "cap": Column("cap", f"Cap on {front.capped}", cap_unit, cap_digits, "number", cap_scale, cap_unit),
        "bound": Column("bound", f"Bound on {front.minimized}", plain, digits, "number", scale, unit),
        "gap": Column("gap", "Gap", "-", 3, "number", 0.01, "%"),
        "step_per_unit": Column("step_per_unit", "Cost of a step", per_unit, 2),
        "marginal_per_unit": Column("marginal_per_unit", "At the margin", per_unit, 2),
        "knee": Column("knee", "Knee", "", 0, "flag"),
        "sites": Column("sites", "Where", kind="text"),
    }
    if (front.table["step_per_unit"].abs() >= MILLION).any():
        for name in ("step_per_unit", "marginal_per_unit"):
            columns[name] = replace(columns[name], scale=MILLION, shown_unit=f"M {per_unit}", digits=3)
    elif (front.table["step_per_unit"].abs().max() or 1.0) < 0.1:
        for name in ("step_per_unit", "marginal_per_unit"):
            columns[name] = replace(columns[name], digits=6)
    return replace(
        table,
        columns=tuple(columns.get(column.name, column) for column in table.columns),
        drop=("sites", "water_m3_per_year", "mean_rtt_ms", "marginal_per_unit", "cap", "sites_count", "gap"),
        hidden=("per_unit", "it_mw", "cap"),
        note=f"Bound: no plan with as little {front.capped} has less {front.minimized}.",
    )


PLAN_COLUMNS: Final = (
    "period",
    "site_id",
    "technology",
    "workload",
    "it_mw",
    "spare_mw",
    "cost_usd_per_year",
)


def front_plans_table(front: Front) -> Table:
    """Where which load goes in every point."""
    frames = [
        point.plan.placements[list(PLAN_COLUMNS)].assign(point=number + 1)
        for number, point in enumerate(front.points)
    ]
    frame = pd.concat(frames, ignore_index=True)[["point", *PLAN_COLUMNS]]
    hidden = ["spare_mw"] if not frame["spare_mw"].any() else []
    hidden += ["period"] if len(set(frame["period"])) <= 1 else []
    return frame_table(frame, "pareto_plans", "Plans of the points", hidden=tuple(hidden))


def front_sentences(front: Front) -> list[str]:
    """What a reader of a front must be told."""
    points = front.points
    first, last = points[0], points[-1]
    lines = []
    if len(points) > 1:
        pair = [(p.x, p.y) if front.x == front.minimized else (p.y, p.x) for p in (first, last)]
        more, less = pair[1][0] - pair[0][0], pair[0][1] - pair[1][1]
        lines.append(
            f"From end to end {goal_words(front.capped, less)} less of {front.capped} "
            f"{'costs' if front.minimized == 'cost' else 'takes'} {goal_words(front.minimized, more)} more"
            + (f" ({more / pair[0][0]:+.2%})" if pair[0][0] > 0 else "")
            + "."
        )
    if front.knee is not None:
        point = points[front.knee]
        per_unit = str(front.table["per_unit"].iloc[0])
        after = points[front.knee + 1].step_per_unit
        lines.append(
            f"Knee: point {front.knee + 1}, {goal_words(front.x, point.x)} at {goal_words(front.y, point.y)}; up to it "
            f"a unit costs {step_words(point.step_per_unit)}, beyond it {step_words(after)} {per_unit}."
        )
    if math.isfinite(front.least_capped):
        lines.append(
            f"No plan has less {front.capped} than {goal_words(front.capped, front.least_capped)} (bound)."
        )
    open_ = [number + 1 for number, point in enumerate(points) if not point.proven]
    if open_:
        lines.append(
            f"Not proved to the asked gap: point {', '.join(map(str, open_))}; the bound beside it is what is proved."
        )
    return lines + list(front.notes)


def step_words(value: float) -> str:
    """A cost per unit with the digits that it needs.

    Examples
    --------
    >>> step_words(12345.6), step_words(12.345), step_words(0.01234), step_words(float("nan"))
    ('12,346', '12.3', '0.0123', '-')
    """
    if not math.isfinite(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.3g}"


def front_svg(front: Front, colors: Mapping[str, str] = LIGHT) -> str:
    """The front as a picture: numbered points, the knee marked, points without proof named with their bound."""
    x, y = AXES[front.x], AXES[front.y]
    frame = front.table.copy()
    frame["_words"] = [
        str(number + 1)
        + ("" if point.proven else f" (not proved: at least {goal_words(front.minimized, point.bound)})")
        for number, point in enumerate(front.points)
    ]
    return pareto_svg(
        frame,
        x[0],
        y[0],
        x_title=f"{x[1]} [{x[2]}]",
        y_title=f"{y[1]} [{y[2]}]",
        label="_words",
        knee=front.knee,
        x_scale=x[3],
        y_scale=y[3],
        colors=colors,
    )


def front_report(front: Front) -> Report:
    """A front alone: its table, the plans of its points, its picture and its sentences."""
    return Report(
        f"{AXES[front.x][1]} against {AXES[front.y][1].lower()}",
        tables=(front_table(front), front_plans_table(front)),
        pictures={"pareto": front},
        notes=tuple(front_sentences(front)),
    )


def alternatives_table(found: Alternatives) -> Table:
    """One row per portfolio: what it gives up against the plan, and how it differs."""
    table = frame_table(
        found.table, "alternatives", f"Portfolios within {100 * found.within:g} % of the plan's cost"
    )
    columns = {
        "plan": Column("plan", "Plan", "", 0, "integer"),
        "status": Column("status", "Proof", kind="text"),
        "more_usd_per_year": Column(
            "more_usd_per_year", "More", "USD/year", 2, "number", MILLION, "M USD/year"
        ),
        "more_ratio": Column("more_ratio", "More", "-", 2, "number", 0.01, "%"),
        "bound_usd_per_year": Column(
            "bound_usd_per_year", "Bound", "USD/year", 2, "number", MILLION, "M USD/year"
        ),
        "distance": Column("distance", "Apart", "sites", 0, "integer"),
        "sites_in": Column("sites_in", "In", kind="text"),
        "sites_out": Column("sites_out", "Out", kind="text"),
        "moved_mw": Column("moved_mw", "Moved", "MW", 0),
        "more_carbon_t_per_year": Column("more_carbon_t_per_year", "More carbon", "t/year", 0),
        "more_water_m3_per_year": Column("more_water_m3_per_year", "More water", "m3/year", 0),
        "more_rtt_ms": Column("more_rtt_ms", "More RTT", "ms", 1),
        "sites_count": Column("sites_count", "Sites", "", 0, "integer"),
        "sites": Column("sites", "Where", kind="text"),
    }
    return replace(
        table,
        columns=tuple(columns.get(column.name, column) for column in table.columns),
        drop=(
            "more_usd_per_year",
            "more_water_m3_per_year",
            "more_rtt_ms",
            "more_carbon_t_per_year",
            "distance",
        ),
        hidden=(
            "bound_usd_per_year",
            "carbon_t_per_year",
            "water_m3_per_year",
            "mean_rtt_ms",
            "sites_count",
            "it_mw",
            "sites",
        ),
    )


def alternatives_sentences(found: Alternatives) -> list[str]:
    """One sentence per portfolio, and why there are no more."""
    lines = []
    for row in found.table.iloc[1:].itertuples():
        words = f"Alternative {row.plan}: {row.more_usd_per_year / MILLION:+,.2f} M USD/year ({row.more_ratio:+.2%})"
        if row.sites_in or row.sites_out:
            words += f"; in {row.sites_in or 'none'}; out {row.sites_out or 'none'}"
        words += f"; {row.moved_mw:,.0f} MW stand elsewhere"
        figures = (
            ("carbon", row.more_carbon_t_per_year, "t/year", 0),
            ("water", row.more_water_m3_per_year, "m3/year", 0),
            ("mean RTT", row.more_rtt_ms, "ms", 1),
        )
        words += "".join(
            f"; {name} {value:+,.{digits}f} {unit}"
            for name, value, unit, digits in figures
            if math.isfinite(value)
        )
        lines.append(words)
    return lines + list(found.notes)


def alternatives_report(found: Alternatives) -> Report:
    """The table and the sentences of other portfolios."""
    table = alternatives_table(found)
    return Report(table.title, tables=(table,), notes=tuple(alternatives_sentences(found)))


def report_of(result: Any) -> Report | None:  # noqa: ANN401
    """The report of a result of this module's kinds; None for others."""
    if type(result).__name__ not in ("Front", "Alternatives"):
        return None  # so that other results load no solver
    from dcsite.optimize.alternatives import Alternatives
    from dcsite.optimize.front import Front

    if isinstance(result, Front):
        return front_report(result)
    return alternatives_report(result) if isinstance(result, Alternatives) else None


def drawn(value: Any, colors: Mapping[str, str]) -> str | None:  # noqa: ANN401
    """The picture of a front; None for anything else."""
    if type(value).__name__ != "Front":
        return None
    from dcsite.optimize.front import Front

    return front_svg(value, colors) if isinstance(value, Front) else None
