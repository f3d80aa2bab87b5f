"""The same blocks through PuLP, for any solver that PuLP can reach: a cross-check, never a second model.

Only what PuLP 3.3 and 4 share is used. Names given to the solver are numbers; labels stay with us, because
PuLP rewrites ``-`` and ``[`` and two labels could become one. Neither the status nor the values are believed:
the caller rounds, fixes, solves again and checks.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from dcsite.errors import MissingExtraError, UsageError
from dcsite.optimize.highs import Outcome, quiet_stdout

if TYPE_CHECKING:
    from dcsite.optimize.highs import Arrays, Options

NUMBER_OF_OPTIMAL = 1
NUMBER_OF_INFEASIBLE = -1
FRACTION = 1e-4
"""Distance from a whole number at which a value is not meant as one."""


def available() -> list[str]:
    """Solvers that PuLP can reach here, sorted."""
    pulp = _pulp()
    with quiet_stdout(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return sorted(str(name) for name in pulp.listSolvers(onlyAvailable=True))


def _pulp() -> Any:  # noqa: ANN401
    try:
        import pulp
    except ImportError as error:
        feature = "solving through PuLP"
        raise MissingExtraError(feature, "pulp") from error
    return pulp


def make(model: Arrays) -> tuple[Any, list[Any]]:
    """A PuLP problem and its variables ``c0, c1, ...`` in column order; rows are ``r0, r1, ...``.

    A row with two different bounds becomes two.
    """
    pulp = _pulp()
    problem = pulp.LpProblem("dcsite", pulp.LpMinimize)
    integer = model.integer if model.integer is not None else np.zeros(len(model.cost), dtype=bool)

    def side(value: float) -> float | None:
        return float(value) if math.isfinite(value) else None

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        columns = [
            problem.add_variable(
                f"c{number}", side(low), side(high), cat=pulp.LpInteger if whole else pulp.LpContinuous
            )
            for number, (low, high, whole) in enumerate(zip(model.lower, model.upper, integer, strict=True))
        ]
        cost = {number: float(value) for number, value in enumerate(model.cost) if value != 0}
        problem += pulp.lpSum(value * columns[number] for number, value in cost.items()) + float(model.offset)
        matrix = model.matrix
        for row in range(matrix.shape[0]):
            start, end = matrix.indptr[row], matrix.indptr[row + 1]
            terms = pulp.lpSum(
                float(value) * columns[int(column)]
                for column, value in zip(matrix.indices[start:end], matrix.data[start:end], strict=True)
            )
            low, high = float(model.row_lower[row]), float(model.row_upper[row])
            if start == end:
                if low > 0 or high < 0:
                    problem += (columns[0] * 0.0 >= 1.0, f"r{row}")
                continue
            if low == high:
                problem += (terms == low, f"r{row}")
                continue
            if math.isfinite(low):
                problem += (terms >= low, f"r{row}" if not math.isfinite(high) else f"r{row}l")
            if math.isfinite(high):
                problem += (terms <= high, f"r{row}" if not math.isfinite(low) else f"r{row}u")
    return problem, columns


def solve(model: Arrays, options: Options, name: str) -> Outcome:
    """Solve through PuLP with the named solver (``HiGHS``, ``PULP_CBC_CMD``, ``COIN_CMD``, ...).

    The bound is the solver's where PuLP hands it on; otherwise none is claimed here.

    Raises
    ------
    UsageError
        If PuLP does not know the solver or cannot reach it.
    """
    pulp = _pulp()
    names = {known.lower(): known for known in pulp.listSolvers()}
    aliases = {"cbc": "pulp_cbc_cmd"}
    asked = aliases.get(name.lower(), name.lower())
    if asked not in names:
        message = f"PuLP knows no solver named '{name}'"
        raise UsageError(message, hint=f"reachable here: {', '.join(available())}")
    settings: dict[str, Any] = {"msg": False, "gapRel": options.gap}
    # PuLP passes on wall seconds only.
    limits = [limit for limit in (options.cpu_limit_s, options.time_limit_s) if limit is not None]
    if limits:
        settings["timeLimit"] = min(limits)
    with quiet_stdout(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if asked in ("highs", "pulp_cbc_cmd", "coin_cmd"):
            settings["threads"] = 1
        solver = pulp.getSolver(names[asked], **settings)
        if not solver.available():
            message = f"PuLP cannot reach the solver '{name}'"
            raise UsageError(message, hint=f"reachable here: {', '.join(available())}")
        problem, columns = make(model)
        try:
            result = problem.solve(solver)
        except pulp.PulpSolverError as error:
            return Outcome("error", None, math.nan, -math.inf, "", str(error))
        status = int(result if isinstance(result, int) else result.status)
        values = [pulp.value(column) for column in columns]
    known = [0.0 if value is None else float(value) for value in values]
    x = np.array(known, dtype=np.float64)
    bound = _bound(problem, result)
    if status == NUMBER_OF_INFEASIBLE:
        return Outcome("infeasible", None, math.nan, math.inf, "", "Infeasible")
    objective = float(model.cost @ x + model.offset)
    if all(value is None for value in values):
        return Outcome("limit", None, math.nan, bound, "time", str(status))
    claimed = "optimal" if status == NUMBER_OF_OPTIMAL else "limit"
    if claimed == "limit" and model.integer is not None:
        whole = x[model.integer]
        if whole.size and np.abs(whole - np.round(whole)).max() > FRACTION:
            # A solver that stopped before any plan hands on the relaxation.
            return Outcome("limit", None, math.nan, bound, "time", f"pulp status {status}")
    return Outcome(
        "optimal" if claimed == "optimal" else "limit",
        x,
        objective,
        bound,
        "" if claimed == "optimal" else "time",
        f"pulp status {status}",
    )


def _bound(problem: Any, result: Any) -> float:  # noqa: ANN401
    """Dual bound where PuLP hands it on (version 4, or the HiGHS object of 3.3); else minus infinity."""
    for name in ("best_bound", "bound", "dual_bound"):
        value = getattr(result, name, None)
        if isinstance(value, int | float) and math.isfinite(value):
            return float(value)
    solver = getattr(problem, "solverModel", None)
    if solver is not None and hasattr(solver, "getInfo"):
        value = float(solver.getInfo().mip_dual_bound)
        if math.isfinite(value) and value != 0.0:
            # PuLP 3.3 hands HiGHS the terms without the constant.
            constant = float(getattr(problem.objective, "constant", 0.0) or 0.0)
            offset = float(solver.getLp().offset_) if hasattr(solver, "getLp") else constant
            return value if abs(offset - constant) < 1e-12 else value + constant - offset
    return -math.inf
