"""One siting model that is asked many questions: other objectives, other right-hand sides, more rows.

A front or a search for other plans asks the same rows again and again. The model is built once; its linear
relaxation stays in the solver, warm and with every cut that was found so far; each plan that is known is a
start for the next question. Failures of zones that a plan did not survive stay in the model: they are true for
every question.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from dcsite.errors import InfeasibleError, SolverFaultError
from dcsite.optimize import highs, model, solve
from dcsite.optimize.arithmetic import impossible
from dcsite.optimize.failures import failure_rows
from dcsite.optimize.inputs import build_inputs
from dcsite.optimize.plan import Solution
from dcsite.optimize.problem import Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from dcsite.optimize.highs import Outcome
    from dcsite.optimize.inputs import Floats, Inputs
    from dcsite.optimize.model import Index
    from dcsite.optimize.plan import Plan
    from dcsite.optimize.problem import Block, Problem
    from dcsite.physics.evaluation import Evaluation
    from dcsite.spec.scenario import Scenario

CAPS: Final = "goal_cap"
"""Family of the rows that cap goals; their right-hand sides are what changes from question to question."""

FAR: Final = 0.03
"""A start this far (relative) above the relaxation is no good one: a smaller model is asked for another."""


@dataclass
class Precise(solve.Budget):
    """A budget whose questions may stop at an absolute gap, in the model's units."""

    absolute_gap: float = 0.0

    def options(self, gap: float, *, share: float = 1.0, least_s: float = 0.1) -> highs.Options:
        """Solver options for the next solve."""
        made = super().options(gap, share=share, least_s=least_s)
        return replace(made, absolute_gap=max(made.absolute_gap, self.absolute_gap))


@dataclass(frozen=True)
class Answer:
    """What one question gave: the solver's claim, and the values after the whole numbers were fixed."""

    outcome: Outcome
    x: Floats | None
    value: float
    bound: float

    @property
    def proved_empty(self) -> bool:
        """Whether it is proved that no plan fits the question."""
        return self.outcome.status == "infeasible"


def inputs_for(scenario: Scenario, evaluation: Evaluation) -> Inputs:
    """The arrays of a scenario, refused where arithmetic already proves that no plan exists.

    Raises
    ------
    InfeasibleError
        If the limits contradict each other by arithmetic.
    """
    inputs = solve.with_scores(build_inputs(scenario, evaluation), evaluation)
    complaints = impossible(inputs, evaluation)
    if complaints:
        message = "no plan can satisfy the limits (by arithmetic, before any solve)"
        raise InfeasibleError(message, tuple(complaints))
    return inputs


class Reuse:
    """The model of a scenario, kept between solves; use as a context manager.

    Parameters
    ----------
    inputs, evaluation
        The question's arrays and the facts.
    goals
        Goals that may be minimized or capped.
    near
        A solution of the same model whose cuts are taken over.
    """

    def __init__(
        self,
        inputs: Inputs,
        evaluation: Evaluation,
        goals: Sequence[str] = ("cost",),
        *,
        near: Solution | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        problem, index = model.build(inputs)
        self.inputs: Inputs = inputs
        self.index: Index = index
        self.evaluation = evaluation
        self.say = say
        self.solves = self.nodes = self.builds = 0
        if near is not None:
            problem, _ = solve.inherited(problem, near)
        self.problem: Problem = problem
        count = len(problem.columns)
        self.vector: dict[str, Floats] = {
            goal: model.objective(inputs, index, count, goal)[0] for goal in dict.fromkeys(("cost", *goals))
        }
        self._names = tuple(goals)
        self._failed: set[tuple[int, int, int]] = set()
        self._session: highs.Session | None = None
        rows = Rows(len(goals), count)
        for row, goal in enumerate(goals):
            rows.add(row, np.arange(count), self.vector[goal])
        self._cap_row = sum(len(block) for block in problem.blocks)
        self.problem = problem.with_block(rows.block(CAPS, -np.inf, np.inf))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self._session is not None:
            self._session.__exit__(None, None, None)
            self._session = None

    def _warm(self, budget: solve.Budget) -> highs.Session:
        if self._session is None:
            self.builds += 1
            session = highs.Session(self.problem.arrays(), budget.options(0.0))
            self._session = session.__enter__()
        self._session.set_options(budget.options(0.0))
        return self._session

    def cap_row(self, goal: str) -> int:
        """Number of the row that caps a goal."""
        return self._cap_row + self._names.index(goal)

    def padded(self, vector: Floats) -> Floats:
        """A vector with zeros for the columns that came later."""
        missing = len(self.problem.columns) - len(vector)
        return vector if not missing else np.concatenate([vector, np.zeros(missing)])

    def add_columns(self, family: str, *, lower: float, upper: float, integer: bool) -> int:
        """Add one column; returns its number."""
        self._close()
        number = len(self.problem.columns)
        self.problem = self.problem.with_columns(
            family, cost=[0.0], lower=[lower], upper=[upper], integer=integer
        )
        return number

    def add(self, block: Block) -> None:
        """Add rows that stay."""
        self.problem = self.problem.with_block(block)
        if self._session is not None:
            self._session.add_rows(block.matrix, block.lower, block.upper)

    def set_bounds(self, column: int, lower: float, upper: float) -> None:
        """Change the bounds of one column."""
        self.problem = self.problem.with_bounds([column], lower, upper)
        if self._session is not None:
            self._session.set_columns([column], lower, upper)

    def set_caps(self, caps: Mapping[str, float]) -> None:
        """Cap goals at so much, in the model's units; goals that are not named are free."""
        upper = np.array([caps.get(name, math.inf) for name in self._names])
        self.problem = replace(
            self.problem,
            blocks=tuple(
                replace(block, upper=upper) if block.family == CAPS else block
                for block in self.problem.blocks
            ),
        )
        if self._session is not None:
            rows = self._cap_row + np.arange(len(upper))
            self._session.set_rows(rows, -math.inf, upper)

    def _relaxation(self, cost: Floats, budget: solve.Budget) -> Outcome:
        """The linear relaxation, from where the last one ended; violated cuts are added and stay."""
        session = self._warm(budget)
        session.set_cost(cost)
        outcome = session.solve(relaxed=True)
        count = len(self.problem.columns)
        for _ in range(solve.CUT_ROUNDS):
            if outcome.status != "optimal" or outcome.x is None:
                break
            block = model.strong_arc(self.inputs, self.index, count, outcome.x)
            if block is None:
                break
            self.add(block)
            before = outcome.objective
            outcome = session.solve(relaxed=True)
            if outcome.status == "optimal" and outcome.objective - before <= 1e-6 * abs(before):
                break
        return outcome

    def floor(self, cost: Floats, budget: solve.Budget) -> float:
        """Bound of the linear relaxation on an objective, under the caps as they stand; infinite if none fits."""
        outcome = self._relaxation(self.padded(cost), budget)
        if outcome.status == "infeasible":
            return math.inf
        return outcome.objective if outcome.status == "optimal" else -math.inf

    def ask(
        self,
        cost: Floats,
        *,
        gap: float,
        budget: solve.Budget,
        starts: Sequence[Floats | None] = (),
        seek: bool = True,
    ) -> Answer:
        """Minimize ``cost`` under the rows and caps as they stand.

        Parameters
        ----------
        cost
            Shape (n,) or shorter (zeros follow), in the model's units.
        starts
            Values of known plans, of any earlier shape.
        seek
            Also look for a first plan in a smaller model; without it only where the starts are far from the bound.

        Raises
        ------
        SolverFaultError
            If the solver's plan does not survive fixing its whole numbers, or nothing bounds the objective.
        """
        bound = -math.inf
        while True:
            vector = self.padded(cost)
            relaxed = self._relaxation(vector, budget)
            problem = self.problem.with_cost(vector)
            known = [self.padded(x) for x in starts if x is not None]
            hunt = seek
            if known and not seek:
                best = solve.cheapest(problem, known)
                known = [] if best is None else [best]
                worth = math.inf if best is None else float(vector @ best)
                floor = relaxed.objective if relaxed.status == "optimal" else -math.inf
                hunt = highs.relative_gap(worth, floor) > FAR
            outcome = solve.solve_relaxed(
                problem,
                relaxed,
                self.index,
                self.inputs,
                budget=budget,
                gap=gap,
                starts=known,
                seek=hunt,
                say=self.say,
            )
            self.solves += 1
            self.nodes += outcome.nodes
            if outcome.status == "unbounded":
                message = "the model is unbounded: a load earns without limit"
                raise SolverFaultError(message)
            bound = max(bound, outcome.bound)
            if outcome.x is None:
                return Answer(outcome, None, math.nan, bound)
            x = solve.settle(problem, outcome.x)
            if x is None:
                # A plan that only the solver's tolerance lets under a cap: a known one stands, under the bound.
                x = solve.cheapest(problem, [self.padded(start) for start in starts if start is not None])
            if x is None:
                message = "the plan does not survive fixing its whole numbers"
                raise SolverFaultError(message, hint="another solver, or a smaller gap, may help")
            more = failure_rows(self.inputs, self.index, self.evaluation, self.problem, x, self._failed)
            if more is None:
                return Answer(outcome, x, float(vector @ x), bound)
            self.problem, self._failed = more
            self._close()
            self.say(f"{len(self._failed)} failures in the model")

    def settled(self, x: Floats, cost: Floats) -> Floats:
        """The same whole numbers under the caps as they stand, with the rest solved for another objective."""
        found = solve.settle(self.problem.with_cost(self.padded(cost)), self.padded(x))
        return self.padded(x) if found is None else found

    def plan(self, x: Floats, scenario: Scenario, outcome: Outcome) -> Plan:
        """Frames of the values, cost and limits recomputed from the facts; it claims no bound."""
        problem = self.problem.with_cost(self.padded(self.vector["cost"]))
        values = self.padded(x)
        stripped = replace(
            self.inputs,
            scenario=scenario.model_copy(
                update={"objective": scenario.objective.model_copy(update={"then": ()})}
            ),
        )
        solution = Solution(stripped, problem, self.index, values, -math.inf)
        return solve.plan_of(solution, scenario, self.evaluation, outcome, "highs", outcome.nodes)
