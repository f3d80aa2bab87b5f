"""Fronts and other portfolios for callers: facts made for the question, plans restored, reports put together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dcsite.errors import UsageError
from dcsite.optimize.alternatives import alternatives, ties
from dcsite.optimize.front import Front, front_scenario, pareto
from dcsite.report.fronts import front_report
from dcsite.study.evaluating import evaluate
from dcsite.study.reporting import scenario_report

if TYPE_CHECKING:
    from dcsite.data.tables import Tables
    from dcsite.optimize.plan import Plan
    from dcsite.physics.evaluation import Evaluation
    from dcsite.report.frames import Report
    from dcsite.spec.scenario import Scenario

__all__ = ["alternatives", "evaluate_front", "page_of", "pareto", "share_of", "ties", "with_ties"]


def evaluate_front(scenario: Scenario, tables: Tables, x: str, y: str) -> Evaluation:
    """Facts for a front: with the price blocks of interruptible loads where carbon or water is a goal."""
    return evaluate(front_scenario(scenario, x, y), tables)


def page_of(front: Front, scenario: Scenario, tables: Tables, evaluation: Evaluation) -> Report:
    """The report page of a scenario with the front on it and the plan of its knee (or of its free end)."""
    point = front.points[front.knee if front.knee is not None else 0]
    whole = scenario_report(scenario, tables, evaluation=evaluation, plan=point.plan)
    own = front_report(front)
    which = f"The plan shown is point {1 + (front.knee or 0)} of the front."
    return replace(
        whole,
        tables=(*own.tables, *whole.tables),
        pictures={**own.pictures, **whole.pictures},
        notes=(*own.notes, which, *whole.notes),
    )


def with_ties(plan: Plan, most: int) -> Plan:
    """The plan with a note of how many other sets of sites cost as little; ``most`` at most are counted."""
    found = ties(plan, most=most)
    sets = tuple(f"also: {', '.join(one)}" for one in found.sets)
    return replace(plan, notes=(*plan.notes, found.words, *sets))


def share_of(text: str, option: str = "--within") -> float:
    """A share from ``2%`` or ``0.02``.

    Raises
    ------
    UsageError
        If it is no number, not above 0, or 1 and more without a percent sign.

    Examples
    --------
    >>> share_of("2%"), share_of("0.02")
    (0.02, 0.02)
    """
    words = text.strip()
    percent = words.endswith("%")
    try:
        value = float(words.removesuffix("%")) / (100.0 if percent else 1.0)
    except ValueError:
        value = float("nan")
    if not value > 0:
        message = f"{option} {text}: must be a share above 0"
        raise UsageError(message, hint="2% or 0.02")
    if value >= 1 and not percent:
        message = f"{option} {text}: a share of 1 and more needs a percent sign"
        raise UsageError(message, hint=f"{words}% or {value / 100:g}")
    return value
