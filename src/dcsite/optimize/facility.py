"""Facility location on plain arrays, with a proved bound: uncapacitated, capacitated, and p-median.

Owns the public entry :func:`facility_location`: it checks the arguments, picks the way to solve by size, evaluates
the plan again in numpy and computes the gap itself. How a bound and a plan are found lies in the ``_facility_*``
modules; no status here rests on a solver's word.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.sparse import csr_array

from dcsite.optimize._facility_capacity import solve_capacity
from dcsite.optimize._facility_case import checked_case, evaluate, no_plan_reason
from dcsite.optimize._facility_plain import Found, solve_plain
from dcsite.optimize._facility_whole import solve_whole

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from dcsite.optimize._facility_case import Answer, Case

Method = Literal["auto", "whole", "decomposition"]
METHODS = ("auto", "whole", "decomposition")

WHOLE_ARCS = 5_000
"""``auto`` writes the whole model up to this many arcs."""
WHOLE_SINGLE_ARCS = 20_000
"""The same where every client has a single source: the residual model saves less there (measured at 60 x 200)."""


@dataclass(frozen=True)
class Proof:
    """Where bound and plan came from, and the work behind them.

    Attributes
    ----------
    bound_source
        ``arithmetic`` (cheapest arcs alone), ``lagrangian``, ``branching`` (nodes whose bounds are computed here),
        ``residual`` (a model on what fixing left), ``whole`` (the solver's bound on the whole model), ``none``.
    plan_source
        ``search``, ``residual``, ``whole``, ``none``.
    reason
        Why there is no plan, or why the work stopped early; empty if neither.
    lagrangian_bound
        Best bound before branching; ``-inf`` if there was none.
    rounds, subgradient_rounds, nodes, columns_kept
        Models solved, subgradient rounds, branch-and-bound nodes, and arcs in the last model.
    """

    bound_source: str = "none"
    plan_source: str = "none"
    reason: str = ""
    lagrangian_bound: float = -math.inf
    rounds: int = 0
    subgradient_rounds: int = 0
    nodes: int = 0
    columns_kept: int = 0


@dataclass(frozen=True)
class FacilityPlan:
    """A plan of facility location that was evaluated again, and how far from the best it can be.

    Attributes
    ----------
    objective
        Cost of the plan; ``inf`` without one.
    bound
        No plan costs less; ``inf`` if there is none at all.
    gap
        ``(objective - bound) / max(|objective|, 1e-9)``; ``inf`` without a plan.
    status
        ``optimal``: the asked gap is proved and the plan passed its check. ``limit``: a limit, or Ctrl-C, came
        first. ``infeasible``: no plan exists; ``proof.reason`` says why where arithmetic can.
    open_sites
        Sorted site numbers.
    assignment
        Fractions of clients served, CSR (m, n).
    method
        ``whole`` or ``decomposition``.
    proof
        Where bound and plan came from.
    """

    objective: float
    bound: float
    gap: float
    status: Literal["optimal", "limit", "infeasible"]
    open_sites: NDArray[np.int64]
    assignment: csr_array
    method: str
    proof: Proof


def arithmetic_bound(case: Case) -> float:
    """A bound that needs no solver: every client at its cheapest arc, and the cheapest openings that are forced."""
    cheapest = math.fsum(case.cost.min(axis=0)) if case.n and case.m else 0.0
    if case.p is not None:
        opening = math.fsum(np.sort(case.fixed)[: case.p])
    else:
        opening = math.fsum(np.minimum(case.fixed, 0.0))
        if case.n and opening == 0.0 and case.m:
            opening = float(case.fixed.min())
    total = cheapest + opening
    return total - 1e-12 * (abs(cheapest) + abs(opening))


def rounded_bound(case: Case, bound: float) -> float:
    """The next integer where every plan costs an integer, with a margin for the sums of floats."""
    if not case.whole_costs or not math.isfinite(bound) or abs(bound) > 1e12:
        return bound
    return float(math.ceil(bound - 1e-6 - 1e-9 * abs(bound)))


def finish(
    case: Case, answer: Answer | None, bound: float, gap: float, method: str, proof: Proof
) -> FacilityPlan:
    """Evaluate the plan once more, compute the gap, and say what may be said."""
    checked = None
    if answer is not None:
        checked = evaluate(case, answer.opened, answer.site, answer.client, answer.share)
    floor = arithmetic_bound(case)
    source = proof.bound_source
    if not bound > floor:
        bound, source = floor, "arithmetic"
    bound = rounded_bound(case, bound)
    if checked is None:
        objective, ratio = math.inf, math.inf
        status: Literal["optimal", "limit", "infeasible"] = "limit"
        opened, assignment = np.zeros(0, dtype=np.int64), csr_array((case.m, case.n))
        plan_source = "none"
    else:
        objective, plan_source = checked.objective, proof.plan_source
        slack = 1e-6 * max(abs(objective), 1e-9)
        if bound > objective + slack:
            message = (
                f"the proved bound {bound!r} exceeds the cost {objective!r} of a plan that passed its check: "
                "a fault of the solver or of this program; please report it with the arrays"
            )
            raise RuntimeError(message)
        bound = min(bound, objective)
        ratio = (objective - bound) / max(abs(objective), 1e-9)
        status = "optimal" if ratio <= gap else "limit"
        opened, assignment = checked.opened, checked.assignment(case)
    return FacilityPlan(
        objective,
        bound,
        ratio,
        status,
        opened,
        assignment,
        method,
        Proof(
            source,
            plan_source,
            proof.reason,
            proof.lagrangian_bound,
            proof.rounds,
            proof.subgradient_rounds,
            proof.nodes,
            proof.columns_kept,
        ),
    )


def _infeasible(case: Case, method: str, reason: str, nodes: int = 0) -> FacilityPlan:
    return FacilityPlan(
        math.inf,
        math.inf,
        math.inf,
        "infeasible",
        np.zeros(0, dtype=np.int64),
        csr_array((case.m, case.n)),
        method,
        Proof("arithmetic" if reason else "whole", "none", reason, nodes=nodes),
    )


def _whole(case: Case, gap: float, node_limit: int | None, time_limit_s: float | None) -> FacilityPlan:
    answer, bound, outcome, note = solve_whole(
        case, gap=gap, node_limit=node_limit, time_limit_s=time_limit_s
    )
    if outcome.status == "infeasible" and answer is None:
        return _infeasible(case, "whole", "", outcome.nodes)
    reason = note or {
        "time": "stopped by the clock: another machine may differ",
        "nodes": "stopped by the node limit",
        "interrupt": "interrupted",
    }.get(outcome.limit_hit, outcome.limit_hit)
    proof = Proof(
        "whole", "whole", reason, nodes=outcome.nodes, columns_kept=int(np.isfinite(case.cost).sum())
    )
    return finish(case, answer, bound, gap, "whole", proof)


def _decomposed(
    case: Case, gap: float, node_limit: int | None, iteration_limit: int | None, deadline: float | None
) -> FacilityPlan | None:
    """Decomposition; None if it found no plan, so that the whole model has to say whether there is one."""
    found = Found(deadline=deadline)

    def stop() -> str:
        if deadline is not None and time.monotonic() > deadline:
            return "stopped by the clock: another machine may differ"
        return ""

    try:
        way = solve_plain if case.capacity is None else solve_capacity
        way(case, found, gap=gap, node_limit=node_limit, iteration_limit=iteration_limit, stop=stop)
    except KeyboardInterrupt:
        if found.answer is None:
            raise
        found.reason = "interrupted"
    if found.answer is None:
        return None
    proof = Proof(
        found.bound_source,
        found.plan_source,
        found.reason,
        found.lagrangian_bound,
        found.rounds,
        found.subgradient_rounds,
        found.nodes,
        found.columns_kept,
    )
    return finish(case, found.answer, found.bound, gap, "decomposition", proof)


def facility_location(
    fixed_cost: ArrayLike,
    cost: ArrayLike,
    capacity: ArrayLike | None = None,
    demand: ArrayLike | None = None,
    p: int | None = None,
    single_source: bool = False,
    gap: float = 1e-4,
    *,
    method: Method = "auto",
    node_limit: int | None = None,
    iteration_limit: int | None = None,
    time_limit_s: float | None = None,
) -> FacilityPlan:
    """Choose sites and serve every client at least total cost, with a proved bound.

    Without capacity: uncapacitated facility location, or with ``p`` the p-median problem. With capacity: capacitated
    facility location, whose clients may be split over sites unless ``single_source``.

    Parameters
    ----------
    fixed_cost : array_like, shape (m,)
        Cost of opening each site.
    cost : array_like, shape (m, n)
        Cost of serving **all** of client j from site i; ``inf`` forbids.
    capacity, demand : array_like, shapes (m,) and (n,), optional
        Room of each site and need of each client, in one unit; both or neither.
    p : int, optional
        Exactly this many sites are open.
    single_source : bool
        Every client is served by one site.
    gap : float
        Relative gap to prove: ``(objective - bound) / max(|objective|, 1e-9)``.
    method : {"auto", "whole", "decomposition"}
        ``auto`` picks by size.
    node_limit, iteration_limit : int, optional
        Limits on branch-and-bound nodes (per model) and on subgradient rounds: repeatable.
    time_limit_s : float, optional
        Wall seconds, a last guard only: a plan that met it may differ on another machine.

    Returns
    -------
    FacilityPlan
        Plan, bound, gap and proof. Ctrl-C ends the search and returns the best that was proved until then.

    Raises
    ------
    ValueError
        If a shape, a sign or a number is wrong; the message names the array and the index.
    KeyboardInterrupt
        If Ctrl-C came before there was any plan.

    Examples
    --------
    >>> plan = facility_location([3.0, 3.0], [[1.0, 9.0], [2.0, 2.0]])
    >>> plan.status, plan.objective, plan.open_sites.tolist()
    ('optimal', 7.0, [1])
    """
    if not (isinstance(gap, (int, float)) and math.isfinite(gap) and gap >= 0):
        msg = f"gap is {gap!r}: must be a finite ratio >= 0"
        raise ValueError(msg)
    if method not in METHODS:
        msg = f"method is {method!r}: must be one of {', '.join(METHODS)}"
        raise ValueError(msg)
    for name, value in (
        ("node_limit", node_limit),
        ("iteration_limit", iteration_limit),
        ("time_limit_s", time_limit_s),
    ):
        if value is not None and not value >= 0:
            msg = f"{name} is {value!r}: must be >= 0"
            raise ValueError(msg)
    case = checked_case(fixed_cost, cost, capacity, demand, p, single_source=single_source)
    deadline = None if time_limit_s is None else time.monotonic() + time_limit_s
    chosen = method
    if method == "auto":
        single = case.single_source and case.capacity is not None
        most = WHOLE_SINGLE_ARCS if single else WHOLE_ARCS
        chosen = "whole" if case.m * case.n <= most else "decomposition"
    reason = no_plan_reason(case)
    if reason:
        return _infeasible(case, chosen, reason)
    if chosen == "decomposition" and case.n and case.m > 1:
        plan = _decomposed(case, gap, node_limit, iteration_limit, deadline)
        if plan is not None:
            return plan
    left = None if deadline is None else max(deadline - time.monotonic(), 0.01)
    return _whole(case, gap, node_limit, left)
