"""Pareto fronts of a portfolio: what one goal costs in terms of another, each point proved on its own.

Epsilon constraint: one goal is minimized while a row caps the other, and only that row's right-hand side changes.
The ends come first, each in lexicographic order, so that neither is merely weakly best. Then the box between
two neighbors that leaves the largest part of the picture unknown is cut in the middle of its capped goal, until
enough points are known or nothing is left between them that the asked gap could tell apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from dcsite.errors import InfeasibleError, LimitReachedError, SolverFaultError, UsageError
from dcsite.optimize import highs, solve
from dcsite.optimize.explain import edited
from dcsite.optimize.reuse import Answer, Precise, Reuse, inputs_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from dcsite.optimize.inputs import Floats, Inputs
    from dcsite.optimize.plan import Plan
    from dcsite.physics.evaluation import Evaluation
    from dcsite.spec.scenario import Scenario

GOALS: Final = ("cost", "carbon", "water", "latency", "sites")
"""Goals of a front; ``sites`` counts open sites in the last period."""
PER_UNIT: Final = {"cost": "USD", "carbon": "t", "water": "m3", "latency": "ms", "sites": "site"}
COLUMN: Final = {
    "cost": "cost_usd_per_year",
    "carbon": "carbon_t_per_year",
    "water": "water_m3_per_year",
    "latency": "mean_rtt_ms",
    "sites": "sites_count",
}
FRONT: Final = (
    "point",
    "status",
    *COLUMN.values(),
    "cap",
    "bound",
    "gap",
    "step_per_unit",
    "marginal_per_unit",
    "per_unit",
    "knee",
    "it_mw",
    "sites",
)
ROOM: Final = 2.0e-6
"""Least room of a cap above a value found, in the model's units: twice the tolerance of the solver's rows."""
SAME: Final = 1.0e-4
"""Two points closer than this share of the front's width are one."""
SOLVES_PER_POINT: Final = 3
"""A front of n points may ask at most so many questions per point: some only prove that a stretch is empty."""


@dataclass(frozen=True)
class FrontPoint:
    """One point: a verified plan, the cap it was asked under, and what is proved about it.

    Attributes
    ----------
    x, y
        The two goals of the plan, recomputed from the facts, in natural units.
    cap
        Value of the capped goal up to which nothing better was found; infinite at the free end.
    bound
        No plan whose capped goal is at most that of this one has less of the minimized goal.
    gap
        Relative distance of the plan from that bound.
    step_per_unit
        What a unit less of the capped goal cost on the way from the point before, on average.
    marginal_per_unit
        What one unit less costs from here on with this set of sites (fixed whole numbers); NaN where this set
        cannot go lower, or the capped goal is a count.
    """

    plan: Plan
    x: float
    y: float
    cap: float
    bound: float
    gap: float
    proven: bool
    step_per_unit: float = math.nan
    marginal_per_unit: float = math.nan


@dataclass(frozen=True)
class Front:
    """A front from the best of the minimized goal to the best of the capped one.

    Attributes
    ----------
    x, y
        The goals as they were asked for.
    minimized, capped
        Which of the two was minimized under a cap on the other (a count is always the capped one).
    points, table
        Points in order, and one row per point; columns as in :data:`FRONT`.
    knee
        Position of the knee: the point farthest from the straight line between the ends, both axes scaled to
        0..1. None on fronts of less than three points, or where no point lies below that line.
    least_capped
        Proven bound on the capped goal: no plan has less of it.
    proven
        Whether every point and both ends are proved to the asked gap.
    """

    x: str
    y: str
    minimized: str
    capped: str
    points: tuple[FrontPoint, ...]
    table: pd.DataFrame
    knee: int | None
    least_capped: float
    proven: bool
    solves: int
    nodes: int
    builds: int
    notes: tuple[str, ...] = ()


@dataclass
class _Known:
    """A point in the model's units while the front grows."""

    x: Floats
    value: float
    capped: float
    top: float
    bound: float
    answer: Answer = field(repr=False)


def front_scenario(scenario: Scenario, x: str, y: str) -> Scenario:
    """The scenario whose model counts both goals: every arc for latency, price blocks for carbon and water.

    Raises
    ------
    UsageError
        If a goal is unknown, or both are the same.
    """
    for option, goal in (("--x", x), ("--y", y)):
        if goal not in GOALS:
            message = f"{option} {goal}: no such goal"
            raise UsageError(message, hint=f"goals: {', '.join(GOALS)}")
    if x == y:
        message = f"--x and --y are both {x}: a front needs two goals"
        raise UsageError(message, hint=f"goals: {', '.join(GOALS)}")
    further = [goal for goal in (x, y) if goal in ("carbon", "water", "latency")]
    return edited(
        scenario,
        lambda raw: raw.update(objective={**raw.get("objective", {}), "kind": "cost", "then": further}),
    )


def pareto(
    scenario: Scenario,
    evaluation: Evaluation,
    *,
    x: str = "cost",
    y: str = "carbon",
    points: int = 7,
    progress: Callable[[str], None] | None = None,
) -> Front:
    """Trace the front of two goals of a portfolio.

    Parameters
    ----------
    scenario, evaluation
        The question (its limits stay in force; its own objective is set aside) and the facts, best evaluated
        for :func:`front_scenario`, which counts carbon and water of interruptible loads hour by hour.
    x, y
        Two of :data:`GOALS`.
    points
        How many points at most, the two ends included.
    progress
        Called with a sentence at each step.

    Raises
    ------
    UsageError
        If a goal is unknown, both are the same, ``points`` is below 2, or no load has users to be near to.
    InfeasibleError
        If no plan satisfies the limits.
    LimitReachedError
        If a limit stopped the solver before it had a plan of either end.
    """
    asked = front_scenario(scenario, x, y)
    if points < 2:
        message = f"--points {points}: a front has at least its two ends"
        raise UsageError(message, hint="--points 7")
    minimized, capped = (y, x) if x == "sites" else (x, y)
    inputs = inputs_for(asked, evaluation)
    if "latency" in (x, y) and not inputs.has_arcs.any():
        message = "no load of the scenario has users: latency is no goal here"
        raise UsageError(message, hint='give a workload users = "world"')
    say = progress or (lambda _: None)
    tracer = _Tracer(asked, inputs, evaluation, minimized, capped, points, say)
    if scenario.objective.kind not in ("cost", "npv", x, y):
        tracer.notes.append(f"the scenario's own objective, {scenario.objective.kind}, is set aside")
    with tracer.model:
        return tracer.trace(x, y)


class _Tracer:
    def __init__(
        self,
        scenario: Scenario,
        inputs: Inputs,
        evaluation: Evaluation,
        minimized: str,
        capped: str,
        points: int,
        say: Callable[[str], None],
    ) -> None:
        self.scenario, self.inputs, self.evaluation = scenario, inputs, evaluation
        self.minimized, self.capped, self.points, self.say = minimized, capped, points, say
        self.gap = scenario.solver.gap
        self.tie = max(1e-9, min(solve.TIE, 0.1 * self.gap))
        self.model = Reuse(inputs, evaluation, (minimized, capped))
        self.vector = self.model.vector
        self.notes: list[str] = []
        self.least = -math.inf
        self.all_proven = True
        self.known: list[_Known] = []

    # --- asking -------------------------------------------------------------------------------------------

    def _budget(self) -> solve.Budget:
        solver = self.scenario.solver
        return solve.Budget(solver.time_limit_s, solver.node_limit)

    def _of(self, goal: str, x: Floats) -> float:
        vector = self.vector[goal]
        value = float(vector @ x[: len(vector)])
        return float(round(value)) if goal == "sites" else value

    def _room(self, value: float) -> float:
        """How far a cap lies above a value that a plan was found to have."""
        return max(self.tie * abs(value), ROOM)

    def _cost(self) -> Floats:
        """The minimized goal; where sites are counted, a site too many costs a hair more than nothing."""
        vector = self.vector[self.minimized]
        if self.capped != "sites" or not self.known:
            return vector
        scale = abs(self.known[0].value) or 1.0
        return vector + self.vector["sites"] * (max(1e-3 * self.gap, 1e-8) * scale)

    def _under(self, cap: float, starts: list[Floats], *, seek: bool) -> Answer:
        """Least of the minimized goal with the other one at most ``cap``."""
        self.model.set_caps({self.capped: cap})
        return self.model.ask(self._cost(), gap=self.gap, budget=self._budget(), starts=starts, seek=seek)

    def _point(self, answer: Answer, cap: float) -> _Known:
        assert answer.x is not None
        x = answer.x
        value = self._of(self.minimized, x)
        if self.capped != "sites":
            # The whole numbers stay; of the MW that give this much of the one goal, those with least of the other.
            room = max(1e-2 * self.tie * abs(value), ROOM)
            self.model.set_caps({self.capped: cap, self.minimized: value + room})
            x = self.model.settled(x, self.vector[self.capped])
        value = self._of(self.minimized, x)
        return _Known(x, value, self._of(self.capped, x), cap, min(answer.bound, value), answer)

    # --- the front ----------------------------------------------------------------------------------------

    def trace(self, x: str, y: str) -> Front:
        free = self._free_end()
        self.known = [free]
        self.say(f"{self._words(free)}: least {self.minimized}")
        tight = self._tight_end(free)
        if tight is not None:
            self._insert(tight)
            self.say(f"{self._words(tight)}: least {self.capped}")
        asked = 0
        while len(self.known) < self.points and asked < SOLVES_PER_POINT * self.points:
            box = self._largest_box()
            if box is None:
                break
            asked += 1
            self._cut(*box)
        if len(self.known) < self.points and asked < SOLVES_PER_POINT * self.points:
            rest = (
                "no number of sites between them gives another"
                if self.capped == "sites"
                else f"nothing lies between them that a gap of {100 * self.gap:g} % tells apart"
            )
            self.notes.append(f"{len(self.known)} points: {rest}")
        return self._front(x, y)

    def _free_end(self) -> _Known:
        """Least of the minimized goal, then least of the other at that value."""
        answer = self._under(math.inf, [], seek=True)
        if answer.proved_empty:
            message = "no plan satisfies all limits together"
            raise InfeasibleError(message, hint="dcsite diagnose names the clash and the cheapest repair")
        if answer.x is None:
            message = "stopped by a limit before a plan was found"
            raise LimitReachedError(message, hint="raise --time-limit, or allow fewer sites or technologies")
        if self.capped == "sites":
            return self._point(answer, math.inf)
        value = self._of(self.minimized, answer.x)
        self.model.set_caps({self.minimized: value + self._room(value)})
        second = self.model.ask(
            self.vector[self.capped], gap=self.gap, budget=self._budget(), starts=[answer.x], seek=False
        )
        if second.outcome.status != "optimal":
            self.all_proven = False
            self.notes.append(
                f"a limit stopped the proof that no plan at the least {self.minimized} has less {self.capped}"
            )
        x = answer.x if second.x is None else second.x
        self.model.set_caps({self.minimized: value + self._room(value)})
        value = self._of(self.minimized, x)
        return _Known(x, value, self._of(self.capped, x), math.inf, min(answer.bound, value), answer)

    def _tight_end(self, free: _Known) -> _Known | None:
        """Least of the capped goal, then least of the minimized one at that value; None if the free end has it."""
        self.model.set_caps({})
        vector, budget = self.vector[self.capped], self._budget()
        # Near zero a relative gap asks for more than any reader sees: the front's width is the measure.
        width = free.capped - max(0.0, self.model.floor(vector, budget))
        close = self.gap * width if self.capped != "sites" and math.isfinite(width) else 0.0
        budget = Precise(budget.time_limit_s, budget.node_limit, absolute_gap=close)
        answer = self.model.ask(vector, gap=self.gap, budget=budget, starts=[free.x], seek=True)
        bound = answer.bound
        if self.capped == "sites" and math.isfinite(bound):
            bound = math.ceil(bound - 1e-6)
        self.least = bound
        if answer.x is None:
            self.all_proven = False
            self.notes.append(f"a limit stopped the search for the least {self.capped}")
            return None
        least = self._of(self.capped, answer.x)
        if highs.relative_gap(least, bound) > self.gap + 1e-9 and least - bound > close + ROOM:
            self.all_proven = False
            self.notes.append(f"a limit stopped the proof of the least {self.capped}")
        cap = least if self.capped == "sites" else least + self._room(least)
        if free.capped <= cap:
            return None
        second = self._under(cap, [answer.x], seek=True)
        if second.x is None:
            second = Answer(second.outcome, answer.x, self._of(self.minimized, answer.x), second.bound)
        return self._point(second, cap)

    def _insert(self, new: _Known) -> None:
        """Add a point; points that it beats in both goals leave, and it answers for their stretch."""
        tiny = SAME * 1e-2 * (self._width() or 1.0)
        for old in list(self.known):
            if new.value <= old.value and new.capped <= old.capped + tiny:
                new.top = max(new.top, old.top)
                self.known.remove(old)
        self.known.append(new)
        self.known.sort(key=lambda point: -point.capped)

    def _width(self) -> float:
        return self.known[0].capped - self.known[-1].capped

    def _left(self, loose: _Known, tight: _Known) -> tuple[float, float]:
        """What is not known between two neighbors: from which cap, and how wide."""
        step = 1.0 if self.capped == "sites" else 0.0
        return tight.top, max(0.0, loose.capped - step - tight.top)

    def _largest_box(self) -> tuple[_Known, _Known] | None:
        width = self._width()
        height = self.known[-1].value - self.known[0].value
        if width <= 0 or height <= 0:
            return None
        best, largest = None, 0.0
        for loose, tight in zip(self.known, self.known[1:], strict=False):
            _, room = self._left(loose, tight)
            rise = tight.value - loose.value
            if self.capped == "sites":
                room += 1.0 if loose.capped - tight.top > 1.5 else 0.0
            elif room <= SAME * width or tight.value - loose.bound <= self.gap * abs(tight.value):
                continue
            area = room / width * max(rise, SAME * height) / height
            if area > largest:
                best, largest = (loose, tight), area
        return best

    def _cut(self, loose: _Known, tight: _Known) -> None:
        """Ask in the middle of a box; the answer is a new point, or the tight neighbor answers further up."""
        middle = (tight.top + loose.capped) / 2
        cap = math.floor(middle + 1e-9) if self.capped == "sites" else middle
        starts = [tight.x, loose.x]
        answer = self._under(cap, starts, seek=self.capped == "sites")
        if answer.x is None:
            self.notes.append(
                f"a limit stopped the search for a point between two others ({self._words(tight)})"
            )
            self.all_proven = False
            tight.top = cap
            return
        new = self._point(answer, cap)
        close = SAME * self._width()
        if new.value >= tight.value - 1e-9 * abs(tight.value) and new.capped >= tight.capped - close:
            tight.top = cap
            tight.bound = max(tight.bound, min(new.bound, tight.value))
            return
        self._insert(new)
        self.say(f"{self._words(new)}")

    def _words(self, point: _Known) -> str:
        return " at ".join(
            f"{value * (1.0 if goal == 'cost' else solve.GOAL_STEP[goal]):,.6g} "
            f"{'M ' if goal == 'cost' else ''}{solve.GOAL_UNITS[goal]}"
            for goal, value in ((self.minimized, point.value), (self.capped, point.capped))
        )

    # --- results ------------------------------------------------------------------------------------------

    def _marginal(self, point: _Known) -> float:
        """Slope of the fixed linear program just below the point's own value of the capped goal."""
        if self.capped == "sites":
            return math.nan
        below = point.capped - SAME * max(abs(point.capped), 1e-6)
        self.model.set_caps({self.capped: below})
        problem = self.model.problem.with_cost(self.model.padded(self.vector[self.minimized]))
        outcome = highs.fixed_duals(problem.arrays(), self.model.padded(point.x))
        if outcome.status != "optimal" or outcome.row_dual is None:
            return math.nan
        dual = float(outcome.row_dual[self.model.cap_row(self.capped)])
        return max(0.0, -dual) * solve.GOAL_STEP[self.minimized] / solve.GOAL_STEP[self.capped]

    def _cheapen(self, point: _Known) -> None:
        """Where cost is neither goal: of the plans with these two values, one of least cost."""
        caps = {
            self.minimized: point.value + self._room(point.value),
            self.capped: point.capped + (0.0 if self.capped == "sites" else self._room(point.capped)),
        }
        self.model.set_caps(caps)
        answer = self.model.ask(
            self.vector["cost"], gap=self.gap, budget=self._budget(), starts=[point.x], seek=False
        )
        if answer.x is not None:
            point.x = answer.x
            point.value, point.capped = self._of(self.minimized, answer.x), self._of(self.capped, answer.x)

    def _measured(self, plan: Plan, goal: str) -> float:
        """A goal of a plan from its frames, without the model."""
        if goal == "cost":
            return float(plan.objective_usd_per_year)
        if goal == "carbon":
            return float(plan.carbon_t_per_year)
        if goal == "water":
            return float(plan.water_m3_per_year)
        if goal == "sites":
            return float(sites_of(plan, self.inputs.period_names[-1]))
        return self._mean_rtt(plan)

    def _mean_rtt(self, plan: Plan) -> float:
        """Mean RTT over all demand of the loads with users and over all periods. [ms]"""
        if "latency" not in (self.minimized, self.capped):
            return plan.mean_rtt_ms
        weight = dict(zip(self.inputs.period_names, np.asarray(self.inputs.weight), strict=True))
        demand = float((self.inputs.demand_mw[self.inputs.has_arcs] * self.inputs.weight).sum())
        served = plan.served
        seconds = served["mw"] * served["rtt_ms"] * served["period"].map(weight)
        return float(seconds.sum()) / max(demand, 1e-9)

    def _front(self, x: str, y: str) -> Front:
        step_of = solve.GOAL_STEP
        steps = step_of[self.minimized], step_of[self.capped]
        found: list[FrontPoint] = []
        bound = -math.inf
        for known in self.known:
            # Under a tighter cap nothing gets better: a bound of a looser one holds here too.
            bound = max(bound, known.bound)
            if "cost" not in (self.minimized, self.capped):
                self._cheapen(known)
            plan = self.model.plan(known.x, self.scenario, known.answer.outcome)
            value, other = (self._measured(plan, goal) for goal in (self.minimized, self.capped))
            plan = self._checked(plan, known, value, other)
            at = min(bound * steps[0], value)
            if bound * steps[0] - value > solve.FAULT * max(abs(value), steps[0]):
                message = f"the bound {bound * steps[0]:,.6g} of a point lies above its recomputed {self.minimized} {value:,.6g}"
                raise SolverFaultError(message, hint="please report this with the scenario")
            gap = highs.relative_gap(value / steps[0], at / steps[0])
            proven = plan.verified and gap <= self.gap + 1e-9
            plan = self._stated(plan, value, at, gap, proven=proven, hit=known.answer.outcome.limit_hit)
            slope = math.nan
            if found:
                first = found[-1]
                was = (first.x, first.y) if x == self.minimized else (first.y, first.x)
                slope = (value - was[0]) / (was[1] - other) if was[1] > other else math.nan
            pair = (value, other) if x == self.minimized else (other, value)
            found.append(
                FrontPoint(plan, *pair, known.top * steps[1], at, gap, proven, slope, self._marginal(known))
            )
        knee = knee_of([(point.x, point.y) for point in found])
        least = self.least * steps[1]
        proven = self.all_proven and all(point.proven for point in found)
        if len(found) == 1:
            self.notes.insert(
                0,
                f"the plan of least {self.minimized} has the least {self.capped} too: there is nothing to trade",
            )
        elif knee is not None:
            self.notes.insert(0, KNEE_RULE)
        return Front(
            x=x,
            y=y,
            minimized=self.minimized,
            capped=self.capped,
            points=tuple(found),
            table=self._table(found, knee),
            knee=knee,
            least_capped=least,
            proven=proven,
            solves=self.model.solves,
            nodes=self.model.nodes,
            builds=self.model.builds,
            notes=tuple(dict.fromkeys([*self.notes, *self.inputs.notes])),
        )

    def _checked(self, plan: Plan, known: _Known, value: float, other: float) -> Plan:
        """Compare the model's figures of both goals with those from the facts, and the cap with the plan."""
        problems = []
        for goal, modeled, real in ((self.minimized, known.value, value), (self.capped, known.capped, other)):
            step = solve.GOAL_STEP[goal]
            if not math.isclose(modeled * step, real, rel_tol=2e-6, abs_tol=1e-6 * step):
                problems.append(f"{goal}: the model says {modeled * step:,.6g}, the facts say {real:,.6g}")
        if problems:
            notes = tuple(f"not verified: {line}" for line in problems)
            return replace(plan, verified=False, notes=(*plan.notes, *notes))
        return plan

    def _stated(self, plan: Plan, value: float, bound: float, gap: float, *, proven: bool, hit: str) -> Plan:
        """The plan with the claim of its point."""
        return replace(
            plan,
            status="optimal" if proven else "limit",
            gap=gap,
            bound_usd_per_year=bound if self.minimized == "cost" else math.nan,
            goal=self.minimized,
            goal_value=value,
            goal_bound=bound,
            goal_unit=solve.GOAL_UNITS[self.minimized],
            limit_hit="" if proven else hit,
        )

    def _table(self, points: list[FrontPoint], knee: int | None) -> pd.DataFrame:
        last = self.inputs.period_names[-1]
        per_unit = f"{PER_UNIT[self.minimized]}/{PER_UNIT[self.capped]}"
        if self.capped in ("latency", "sites") and self.minimized != "latency":
            per_unit = f"{PER_UNIT[self.minimized]}/year per {PER_UNIT[self.capped]}"
        rows: list[dict[str, Any]] = []
        for number, point in enumerate(points):
            plan = point.plan
            row: dict[str, Any] = {
                "point": number + 1,
                "status": "proven" if point.proven else ("limit" if plan.verified else "not verified"),
                "cost_usd_per_year": plan.objective_usd_per_year,
                "carbon_t_per_year": plan.carbon_t_per_year,
                "water_m3_per_year": plan.water_m3_per_year,
                "mean_rtt_ms": self._mean_rtt(plan),
                "sites_count": sites_of(plan, last),
                "cap": point.cap if math.isfinite(point.cap) else math.nan,
                "bound": point.bound,
                "gap": point.gap,
                "step_per_unit": point.step_per_unit,
                "marginal_per_unit": point.marginal_per_unit,
                "per_unit": per_unit,
                "knee": number == knee,
                "it_mw": plan.it_mw,
                "sites": ", ".join(plan.sites),
            }
            rows.append(row)
        return pd.DataFrame(rows, columns=list(FRONT))


def sites_of(plan: Plan, period: str) -> int:
    """How many sites have an open hall in a period."""
    halls = plan.halls
    return len(set(halls.loc[halls["period"] == period, "site_id"]))


KNEE_RULE: Final = (
    "The knee is the point farthest below the straight line between the ends, both axes scaled to 0..1: a rule "
    "of thumb that moves with the ends."
)


def knee_of(points: list[tuple[float, float]]) -> int | None:
    """Position of the point farthest below the line between the ends of a front, axes scaled to 0..1.

    Examples
    --------
    >>> knee_of([(0.0, 10.0), (1.0, 2.0), (10.0, 0.0)])
    1
    >>> knee_of([(0.0, 1.0), (1.0, 0.0)]) is None
    True
    """
    if len(points) < 3:
        return None
    values = np.array(points, dtype=np.float64)
    low, high = values.min(axis=0), values.max(axis=0)
    if (high - low <= 0).any():
        return None
    scaled = (values - low) / (high - low)
    below = 1.0 - scaled.sum(axis=1)
    best = int(np.argmax(below))
    return best if below[best] > 1e-6 else None
