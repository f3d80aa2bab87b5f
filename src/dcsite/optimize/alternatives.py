"""Other portfolios that are nearly as good: as different as the tolerance allows, or equally good to the dollar.

Rows on top of the siting model: ``cost_cap`` holds the cost within the tolerance of the plan's, and ``distance``
asks of each earlier portfolio that enough of its sites are dropped (or, in Hamming distance, that enough sites
enter or leave). MW moved among the same sites is not another portfolio. A site counts only if it carries load,
so that an empty hall makes no difference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pandas as pd

from dcsite.errors import UsageError
from dcsite.optimize import highs, solve
from dcsite.optimize.explain import edited
from dcsite.optimize.inputs import M
from dcsite.optimize.model import required_mw
from dcsite.optimize.problem import Rows
from dcsite.optimize.reuse import Reuse, inputs_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dcsite.optimize.inputs import Floats
    from dcsite.optimize.plan import Plan

Distance = Literal["dropped", "hamming"]
ALTERNATIVES: Final = (
    "plan",
    "status",
    "cost_usd_per_year",
    "more_usd_per_year",
    "more_ratio",
    "bound_usd_per_year",
    "distance",
    "sites_in",
    "sites_out",
    "moved_mw",
    "carbon_t_per_year",
    "more_carbon_t_per_year",
    "water_m3_per_year",
    "more_water_m3_per_year",
    "mean_rtt_ms",
    "more_rtt_ms",
    "sites_count",
    "it_mw",
    "sites",
)
MOST_WITHIN: Final = 10.0
"""A tolerance above ten times the cost is a slip of the percent sign."""


@dataclass(frozen=True)
class Alternative:
    """One other portfolio.

    Attributes
    ----------
    plan
        Verified; its bound says that no portfolio this far from the earlier ones costs less.
    distance
        Sites of the nearest earlier portfolio that it drops (or that differ, in Hamming distance).
    farthest
        Whether it is proved that no portfolio within the tolerance is farther from all earlier ones.
    """

    plan: Plan
    distance: int
    farthest: bool


@dataclass(frozen=True)
class Alternatives:
    """Other portfolios within a cost tolerance.

    Attributes
    ----------
    base
        The plan they are compared with.
    table
        One row per portfolio, the base first; columns as in :data:`ALTERNATIVES`.
    complete
        True if it is proved that no further portfolio exists within the tolerance.
    proven
        Whether every portfolio is proved to the asked gap.
    """

    base: Plan
    within: float
    measure: Distance
    found: tuple[Alternative, ...]
    table: pd.DataFrame
    complete: bool
    proven: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ties:
    """Other sets of sites that cost no more than a plan, to the tie tolerance.

    Attributes
    ----------
    sets
        Site ids of each.
    complete
        Whether it is proved that there are no more of them.
    cheaper
        How many of them cost less than the plan by more than the tolerance (the gap that was left).
    """

    sets: tuple[tuple[str, ...], ...]
    complete: bool
    cheaper: int
    words: str


class _Others:
    """The siting model of a plan with rows that ask for other sets of sites."""

    def __init__(self, plan: Plan, measure: Distance, say: Callable[[str], None]) -> None:
        if plan.evaluation is None or plan.solution is None:
            message = "the plan carries neither facts nor values; restore it first"
            raise ValueError(message)
        self.base, self.measure, self.say = plan, measure, say
        self.scenario = _plain(plan)
        inputs = inputs_for(self.scenario, plan.evaluation)
        self.model = Reuse(inputs, plan.evaluation, ("cost",), near=plan.solution)
        self.inputs, self.index = inputs, self.model.index
        self.used = self.index.used[:, -1]
        self.apart = self.model.add_columns("apart", lower=0.0, upper=float(len(self.used)), integer=True)
        if measure == "hamming":
            self._loaded()
        self.sets: list[np.ndarray[Any, np.dtype[np.bool_]]] = []

    def _loaded(self) -> None:
        """``sum x >= least y``: a site that is open carries load, or two sets could differ by an empty hall."""
        sites = np.flatnonzero(
            ~np.isin(np.arange(len(self.used)), self.inputs.hall_site[self.inputs.hall_existing])
        )
        number = np.full(len(self.used), -1)
        number[sites] = np.arange(len(sites))
        rows = Rows(len(sites), len(self.model.problem.columns))
        rows.add(number[self.inputs.slot_site], self.index.place[:, -1], 1.0)
        rows.add(np.arange(len(sites)), self.used[sites], -required_mw(self.inputs)[sites])
        self.model.add(rows.block("used_loaded", 0.0, np.inf, {"site": sites}, unit="MW"))

    def set_of(self, x: Floats) -> np.ndarray[Any, np.dtype[np.bool_]]:
        return np.asarray(x[self.used] > 0.5)

    def keep_away(self, chosen: np.ndarray[Any, np.dtype[np.bool_]]) -> None:
        """``sum_{y_i = 1} (1 - y) >= apart``, in Hamming distance with ``+ sum_{y_i = 0} y``."""
        self.sets.append(chosen)
        rows = Rows(1, len(self.model.problem.columns))
        rows.add(0, self.used[chosen], 1.0).add(0, self.apart, 1.0)
        if self.measure == "hamming":
            rows.add(0, self.used[~chosen], -1.0)
        self.model.add(rows.block("distance", -np.inf, float(chosen.sum()), unit="sites"))

    def distance(self, chosen: np.ndarray[Any, np.dtype[np.bool_]]) -> int:
        """Distance to the nearest set so far."""
        if self.measure == "hamming":
            return min(int((chosen != other).sum()) for other in self.sets)
        return min(int((other & ~chosen).sum()) for other in self.sets)

    def budget(self) -> solve.Budget:
        solver = self.scenario.solver
        return solve.Budget(solver.time_limit_s, solver.node_limit)


def _plain(plan: Plan) -> Any:  # noqa: ANN401  (a scenario)
    """The plan's scenario at least cost, without further goals."""
    return edited(
        plan.scenario,
        lambda raw: raw.update(objective={**raw.get("objective", {}), "kind": "cost"}),
    )


def alternatives(
    plan: Plan,
    *,
    within: float = 0.02,
    count: int = 5,
    distance: int | None = None,
    measure: Distance = "dropped",
    progress: Callable[[str], None] | None = None,
) -> Alternatives:
    """Find other portfolios whose cost is within a tolerance of a plan's.

    Parameters
    ----------
    plan
        A plan of least cost with its facts and values.
    within
        Tolerance as a share of the plan's annual cost.
    count
        How many at most.
    distance
        Sites that each must differ by from every earlier portfolio. None: as far as the tolerance allows, the
        nearest earlier portfolio counting; of those the cheapest.
    measure
        ``dropped``: sites of the earlier portfolio that are dropped. ``hamming``: sites in which they differ.

    Raises
    ------
    UsageError
        If a number is out of its range, or the plan minimizes something else than cost.
    """
    if not 0 < within <= MOST_WITHIN:
        message = f"--within {within:g}: must lie above 0 and be a share of the cost (0.02 or 2%)"
        raise UsageError(message)
    if count < 1:
        message = f"--count {count}: must be at least 1"
        raise UsageError(message)
    if distance is not None and distance < 1:
        message = f"--distance {distance}: must be at least 1 site"
        raise UsageError(message)
    if plan.goal not in ("cost", "npv"):
        message = f"the plan minimizes {plan.goal}: a tolerance on cost needs a plan of least cost"
        raise UsageError(message, hint='[objective] kind = "cost"')
    say = progress or (lambda _: None)
    others = _Others(plan, measure, say)
    found: list[Alternative] = []
    notes: list[str] = []
    complete = False
    with others.model:
        assert plan.solution is not None
        others.keep_away(others.set_of(plan.solution.x))
        others.model.set_caps({"cost": plan.objective_usd_per_year / M * (1.0 + within)})
        while len(found) < count:
            step = _next(others, distance)
            if isinstance(step, Alternative):
                found.append(step)
                say(f"alternative {len(found)}: {step.plan.objective_usd_per_year / M:,.2f} M USD/year")
                continue
            complete = step
            least = distance or 1
            words = f"differs by {least} site{'s' if least > 1 else ''} or more from all of these"
            if measure == "dropped":
                words = f"drops {least} site{'s' if least > 1 else ''} or more of each of these"
            notes.append(
                f"no further portfolio that {words} costs at most {100 * within:g} % more: proved"
                if complete
                else "a limit stopped the search for a further portfolio: there may be more"
            )
            break
    notes += [
        f"alternative {number + 1}: a limit stopped the proof that none is farther from the others"
        for number, one in enumerate(found)
        if not one.farthest
    ]
    proven = all(one.plan.status == "optimal" for one in found) and (complete or len(found) == count)
    return Alternatives(
        base=plan,
        within=within,
        measure=measure,
        found=tuple(found),
        table=_table(plan, found),
        complete=complete,
        proven=proven,
        notes=tuple(notes),
    )


def _farthest(others: _Others) -> tuple[int, Floats | None, bool]:
    """Largest distance at which a portfolio within the tolerance exists, one there, and whether that is proved.

    The least cost at a distance rises with it, so halving finds the largest; each question is one of cost, which
    the relaxation bounds well, and ends with the first plan under the cap.
    """
    model = others.model
    vector = np.zeros(len(model.problem.columns))
    vector[others.apart] = -1.0
    model.set_bounds(others.apart, 1.0, float(len(others.used)))
    bound = -model.floor(vector, others.budget())
    low, found, proved = 0, None, True
    # Apart is whole: a bound on it counts from the next whole number down.
    high = len(others.used) if bound == math.inf else math.floor(max(0.0, bound) + 1e-6)
    while low < high:
        middle = (low + high + 1) // 2
        model.set_bounds(others.apart, float(middle), float(len(others.used)))
        answer = model.ask(model.vector["cost"], gap=1.0, budget=others.budget())
        if answer.x is not None:
            found = answer.x
            low = max(middle, others.distance(others.set_of(found)))
            others.say(f"a portfolio {low} sites apart fits")
        else:
            proved = proved and answer.proved_empty
            high = middle - 1
    return low, found, proved


def _next(others: _Others, distance: int | None) -> Alternative | bool:
    """The next portfolio; True if it is proved that there is none, False if a limit stopped the search."""
    model, gap = others.model, others.scenario.solver.gap
    farthest, least = True, distance or 1
    starts: list[Floats] = []
    if distance is None:
        least, start, farthest = _farthest(others)
        if start is None:
            return farthest
        starts.append(start)
    model.set_bounds(others.apart, float(least), float(len(others.used)))
    answer = model.ask(model.vector["cost"], gap=gap, budget=others.budget(), starts=starts, seek=not starts)
    if answer.x is None:
        return answer.proved_empty and farthest
    chosen = others.set_of(answer.x)
    far = others.distance(chosen)
    plan = model.plan(answer.x, others.scenario, answer.outcome)
    plan = _claimed(plan, answer.bound, gap, answer.outcome.limit_hit)
    others.keep_away(chosen)
    return Alternative(plan, far, farthest)


def _claimed(plan: Plan, bound: float, gap: float, hit: str) -> Plan:
    """The plan with the bound on the cost of any portfolio as far from the earlier ones."""
    cost = plan.objective_usd_per_year
    at = min(bound * M, cost)
    left = highs.relative_gap(cost / M, at / M)
    proven = plan.verified and left <= gap + 1e-9
    return replace(
        plan,
        status="optimal" if proven else "limit",
        gap=left,
        bound_usd_per_year=at,
        goal_value=cost,
        goal_bound=at,
        limit_hit="" if proven else hit,
    )


def moved_mw(before: pd.DataFrame, after: pd.DataFrame) -> float:
    """MW of IT load that stand elsewhere: what workloads gain at sites, in the last period. [MW]"""

    def placed(frame: pd.DataFrame) -> pd.Series:
        here = frame[frame["period"] == frame["period"].max()] if len(frame) else frame
        return here.groupby(["workload", "site_id"])["it_mw"].sum()

    first, second = placed(before), placed(after)
    gain = second.sub(first, fill_value=0.0)
    return float(gain[gain > 0].sum())


def _table(base: Plan, found: list[Alternative]) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for number, plan in enumerate([base, *(one.plan for one in found)]):
        own, old = set(plan.sites), set(base.sites)
        status = "proven" if plan.status == "optimal" else "limit"
        row: Mapping[str, Any] = {
            "plan": number,
            "status": status if plan.verified else "not verified",
            "cost_usd_per_year": plan.objective_usd_per_year,
            "more_usd_per_year": plan.objective_usd_per_year - base.objective_usd_per_year,
            "more_ratio": plan.objective_usd_per_year / base.objective_usd_per_year - 1.0,
            "bound_usd_per_year": plan.bound_usd_per_year,
            "distance": found[number - 1].distance if number else 0,
            "sites_in": ", ".join(sorted(own - old)),
            "sites_out": ", ".join(sorted(old - own)),
            "moved_mw": moved_mw(base.placements, plan.placements),
            "carbon_t_per_year": plan.carbon_t_per_year,
            "more_carbon_t_per_year": plan.carbon_t_per_year - base.carbon_t_per_year,
            "water_m3_per_year": plan.water_m3_per_year,
            "more_water_m3_per_year": plan.water_m3_per_year - base.water_m3_per_year,
            "mean_rtt_ms": plan.mean_rtt_ms,
            "more_rtt_ms": plan.mean_rtt_ms - base.mean_rtt_ms,
            "sites_count": len(own),
            "it_mw": plan.it_mw,
            "sites": ", ".join(sorted(own)),
        }
        rows.append(dict(row))
    return pd.DataFrame(rows, columns=list(ALTERNATIVES))


def ties(plan: Plan, *, most: int = 10, progress: Callable[[str], None] | None = None) -> Ties:
    """Count other sets of sites that cost no more than a plan, to the tie tolerance.

    Each search adds a no-good row (Hamming distance of at least one to every set so far) and stops at the first
    that has no plan left, or after ``most``.

    Parameters
    ----------
    plan
        A plan of least cost with its facts and values.
    most
        How many to count at most.

    Raises
    ------
    UsageError
        If the plan minimizes something else than cost.
    """
    if plan.goal not in ("cost", "npv"):
        message = f"ties are counted in cost, the plan minimizes {plan.goal}"
        raise UsageError(message, hint="without --ties")
    others = _Others(plan, "hamming", progress or (lambda _: None))
    sets: list[tuple[str, ...]] = []
    cheaper, complete = 0, False
    cost = plan.objective_usd_per_year
    with others.model:
        assert plan.solution is not None
        others.keep_away(others.set_of(plan.solution.x))
        others.model.set_caps({"cost": cost / M * (1.0 + solve.TIE)})
        others.model.set_bounds(others.apart, 1.0, float(len(others.used)))
        while len(sets) < most:
            # Any plan under the cap will do: the search ends at the first.
            answer = others.model.ask(others.model.vector["cost"], gap=1.0, budget=others.budget())
            if answer.x is None:
                complete = answer.proved_empty
                break
            chosen = others.set_of(answer.x)
            sets.append(tuple(others.inputs.site_ids[s] for s in np.flatnonzero(chosen)))
            cheaper += answer.value * M < cost * (1.0 - solve.TIE)
            others.keep_away(chosen)
    return Ties(tuple(sets), complete, cheaper, _tie_words(plan, len(sets), cheaper, complete=complete))


def _tie_words(plan: Plan, count: int, cheaper: int, *, complete: bool) -> str:
    if not count and complete:
        return "equally good: no other set of sites costs as little (proved)"
    number = f"{count} other set{'' if count == 1 else 's'} of sites"
    words = f"equally good: {'exactly' if complete else 'at least'} {number} cost{'s' if count == 1 else ''} no more"
    if not count:
        return "equally good: not known, a limit stopped the search"
    if cheaper:
        words += (
            f", {cheaper} of them less: the gap of {plan.gap:.3%} that was left is wider than a tie, the plan is one "
            "of many within it"
        )
    return words
