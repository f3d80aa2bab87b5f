"""The one door to HiGHS: plain arrays in, an outcome in plain arrays out.

Owns the solver's options, its warm starts, and what its answers may be called. Nothing here knows what a row or a
column means, and no answer is believed here: callers re-evaluate plans and compute gaps themselves.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import highspy
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

Status = Literal["optimal", "limit", "infeasible", "unbounded", "interrupted", "error"]

INFINITY = float("inf")


@dataclass(frozen=True)
class ArrayOutcome:
    """What HiGHS said about one model; ``x`` is None when it left no feasible values.

    ``bound`` is the proved bound on the objective (the dual bound of a MIP, the objective of a solved LP), ``-inf``
    (``inf`` when maximizing is negated outside) if none. Duals are those of an LP and None after a MIP.
    """

    status: Status
    x: NDArray[np.float64] | None
    objective: float
    bound: float
    row_dual: NDArray[np.float64] | None
    col_dual: NDArray[np.float64] | None
    nodes: int
    iterations: int
    limit_hit: str  # "", "nodes", "iterations", "time", "cutoff", "interrupt"
    solver_status: str


@contextmanager
def quiet_stdout() -> Iterator[None]:
    """Point file descriptor 1 at 2 while a solver lives: HiGHS may print from C even when told to be quiet.

    The redirection is process-wide, so it must not run beside threads that print.
    """
    try:
        sys.stdout.flush()
        keep = os.dup(1)
    except (AttributeError, OSError, ValueError):  # no stdout to guard
        yield
        return
    try:
        os.dup2(2, 1)
        yield
    finally:
        os.dup2(keep, 1)
        os.close(keep)


def _statuses() -> dict[Any, tuple[Status, str]]:
    kind = highspy.HighsModelStatus
    return {
        kind.kOptimal: ("optimal", ""),
        kind.kModelEmpty: ("optimal", ""),
        kind.kInfeasible: ("infeasible", ""),
        kind.kUnbounded: ("unbounded", ""),
        kind.kUnboundedOrInfeasible: ("infeasible", ""),
        kind.kTimeLimit: ("limit", "time"),
        kind.kIterationLimit: ("limit", "iterations"),
        kind.kSolutionLimit: ("limit", "nodes"),
        kind.kObjectiveBound: ("limit", "cutoff"),
        kind.kObjectiveTarget: ("limit", "cutoff"),
        kind.kInterrupt: ("interrupted", "interrupt"),
    }


BASE_OPTIONS: dict[str, Any] = {
    "threads": 1,
    "parallel": "off",
    "random_seed": 0,
    "output_flag": False,
    "mip_feasibility_tolerance": 1e-6,
}
"""Set on every solver object, before anything else: one thread and one seed make runs repeatable."""


class Interrupted:
    """Remembers Ctrl-C while HiGHS runs in C, so that the solver stops and keeps what it has proved.

    Python runs signal handlers between byte codes of the main thread; the solver's callbacks are such byte codes.
    Outside the main thread the handler cannot be installed and nothing changes.
    """

    def __init__(self) -> None:
        self.hit = False
        self._old: Any = None

    def __enter__(self) -> Self:
        import signal
        import threading

        if threading.current_thread() is threading.main_thread():
            old = signal.getsignal(signal.SIGINT)
            if old is signal.default_int_handler:
                self._old = old
                signal.signal(signal.SIGINT, self._note)
        return self

    def _note(self, *_: object) -> None:
        self.hit = True

    def __exit__(self, *_: object) -> None:
        if self._old is not None:
            import signal

            signal.signal(signal.SIGINT, self._old)


class ArraySolver:
    """One HiGHS object on arrays; rows, columns and bounds may change between solves, the basis is kept.

    Parameters
    ----------
    cost, lower, upper : ndarray, shape (N,)
        Costs (minimized) and bounds of the columns.
    integer : ndarray of bool, shape (N,), or None
        Integral columns; None for an LP.
    matrix : tuple (indptr, indices, data) or a SciPy CSR array, shape (M, N)
        Rows of the constraints.
    row_lower, row_upper : ndarray, shape (M,)
        Limits of the rows.
    offset : float
        Constant added to the objective.
    options : mapping
        HiGHS options by name, over :data:`BASE_OPTIONS`.

    Raises
    ------
    ValueError
        If HiGHS refuses the model or an option.
    """

    def __init__(
        self,
        cost: NDArray[np.float64],
        lower: NDArray[np.float64],
        upper: NDArray[np.float64],
        integer: NDArray[np.bool_] | None,
        matrix: Any,  # noqa: ANN401
        row_lower: NDArray[np.float64],
        row_upper: NDArray[np.float64],
        *,
        offset: float = 0.0,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        indptr, indices, data = (
            matrix if isinstance(matrix, tuple) else (matrix.indptr, matrix.indices, matrix.data)
        )
        self.columns, self.rows = len(cost), len(row_lower)
        self.is_mip = integer is not None and bool(np.any(integer))
        with quiet_stdout():
            self.solver: Any = highspy.Highs()  # type: ignore[no-untyped-call]
            self.set_options({**BASE_OPTIONS, **(options or {})})
            lp = highspy.HighsLp()
            lp.num_col_, lp.num_row_ = self.columns, self.rows
            lp.col_cost_ = np.asarray(cost, dtype=np.float64)
            lp.col_lower_ = np.asarray(lower, dtype=np.float64)
            lp.col_upper_ = np.asarray(upper, dtype=np.float64)
            lp.row_lower_ = np.asarray(row_lower, dtype=np.float64)
            lp.row_upper_ = np.asarray(row_upper, dtype=np.float64)
            lp.offset_ = float(offset)
            lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
            lp.a_matrix_.start_ = np.asarray(indptr, dtype=np.int32)
            lp.a_matrix_.index_ = np.asarray(indices, dtype=np.int32)
            lp.a_matrix_.value_ = np.asarray(data, dtype=np.float64)
            status = self.solver.passModel(lp)
            if status == highspy.HighsStatus.kError:
                msg = "HiGHS refused the model: check for NaN, and for lower bounds above upper bounds"
                raise ValueError(msg)
            if integer is not None and self.is_mip:
                which = np.flatnonzero(integer).astype(np.int32)
                kinds = np.full(which.size, int(highspy.HighsVarType.kInteger), dtype=np.uint8)
                self.solver.changeColsIntegrality(which.size, which, kinds)
        del lp

    def set_options(self, options: Mapping[str, Any]) -> None:
        """Set options by name; an unknown name or a bad value is an error."""
        for name, value in options.items():
            if self.solver.setOptionValue(name, value) == highspy.HighsStatus.kError:
                msg = f"HiGHS refused option {name} = {value!r}"
                raise ValueError(msg)

    def add_rows(self, matrix: Any, lower: NDArray[np.float64], upper: NDArray[np.float64]) -> None:  # noqa: ANN401
        """Append rows given as CSR."""
        indptr, indices, data = (
            matrix if isinstance(matrix, tuple) else (matrix.indptr, matrix.indices, matrix.data)
        )
        count = len(lower)
        self.solver.addRows(
            count,
            np.asarray(lower, dtype=np.float64),
            np.asarray(upper, dtype=np.float64),
            len(indices),
            np.asarray(indptr[:-1], dtype=np.int32),
            np.asarray(indices, dtype=np.int32),
            np.asarray(data, dtype=np.float64),
        )
        self.rows += count

    def add_columns(
        self,
        cost: NDArray[np.float64],
        lower: NDArray[np.float64],
        upper: NDArray[np.float64],
        matrix: tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]],
    ) -> None:
        """Append continuous columns given as CSC ``(indptr, indices, data)``."""
        indptr, indices, data = matrix
        count = len(cost)
        self.solver.addCols(
            count,
            np.asarray(cost, dtype=np.float64),
            np.asarray(lower, dtype=np.float64),
            np.asarray(upper, dtype=np.float64),
            len(indices),
            np.asarray(indptr[:-1], dtype=np.int32),
            np.asarray(indices, dtype=np.int32),
            np.asarray(data, dtype=np.float64),
        )
        self.columns += count

    def delete_rows(self, rows: NDArray[np.int64]) -> None:
        """Remove rows by number; later rows move up."""
        if rows.size:
            self.solver.deleteRows(int(rows.size), np.sort(rows).astype(np.int32))
            self.rows -= int(rows.size)

    def change_bounds(
        self, columns: NDArray[np.int64], lower: NDArray[np.float64], upper: NDArray[np.float64]
    ) -> None:
        """Set bounds of some columns."""
        self.solver.changeColsBounds(
            int(columns.size),
            columns.astype(np.int32),
            np.asarray(lower, dtype=np.float64),
            np.asarray(upper, dtype=np.float64),
        )

    def solve(
        self,
        *,
        start: NDArray[np.float64] | None = None,
        gap: float | None = None,
        absolute_gap: float | None = None,
        node_limit: int | None = None,
        iteration_limit: int | None = None,
        time_limit_s: float | None = None,
        cutoff: float | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> ArrayOutcome:
        """Run HiGHS and read the answer.

        ``start`` are values of all columns (NaN: unknown) for a warm start; ``cutoff`` stops an LP whose dual
        objective passes it. Limits on nodes and iterations are repeatable, the one on seconds is not.
        """
        solver = self.solver
        chosen: dict[str, Any] = {}
        if gap is not None:
            chosen["mip_rel_gap"] = float(gap)
        if absolute_gap is not None:
            chosen["mip_abs_gap"] = float(absolute_gap)
        if node_limit is not None:
            chosen["mip_max_nodes"] = int(node_limit)
        if iteration_limit is not None:
            chosen["simplex_iteration_limit"] = int(iteration_limit)
        if time_limit_s is not None:
            chosen["time_limit"] = solver.getRunTime() + max(float(time_limit_s), 0.0)
        if cutoff is not None:
            chosen["objective_bound"] = float(cutoff)
        with quiet_stdout(), Interrupted() as interrupted:
            self.set_options({**chosen, **(options or {})})
            if start is not None:
                known = np.flatnonzero(np.isfinite(start)).astype(np.int32)
                solver.setSolution(known.size, known, np.asarray(start[known], dtype=np.float64))

            def stop(event: Any) -> None:  # noqa: ANN401
                if interrupted.hit:
                    event.interrupt()

            if self.is_mip:
                solver.cbMipInterrupt += stop
            else:
                solver.cbSimplexInterrupt += stop
            try:
                run_status = solver.run()
            finally:
                if self.is_mip:
                    solver.cbMipInterrupt -= stop
                else:
                    solver.cbSimplexInterrupt -= stop
        return self._outcome(run_status)

    def _outcome(self, run_status: Any) -> ArrayOutcome:  # noqa: ANN401
        solver = self.solver
        model_status = solver.getModelStatus()
        status, limit = _statuses().get(model_status, ("error", ""))
        if run_status == highspy.HighsStatus.kError and status == "optimal":
            status = "error"
        info = solver.getInfo()
        feasible = info.primal_solution_status == 2
        solution = solver.getSolution()
        x = np.array(solution.col_value, dtype=np.float64) if feasible else None
        if x is not None and x.size != self.columns:
            x = None
        objective = float(info.objective_function_value) if feasible else np.nan
        if self.is_mip:
            bound = float(info.mip_dual_bound)
            nodes, row_dual, col_dual = int(max(info.mip_node_count, 0)), None, None
            if status == "infeasible":
                bound = INFINITY
        else:
            nodes = 0
            bound = objective if status == "optimal" else -INFINITY
            if status == "infeasible":
                bound = INFINITY
            row_dual = np.array(solution.row_dual) if solution.dual_valid else None
            col_dual = np.array(solution.col_dual) if solution.dual_valid else None
        return ArrayOutcome(
            status=status,
            x=x,
            objective=objective,
            bound=bound,
            row_dual=row_dual,
            col_dual=col_dual,
            nodes=nodes,
            iterations=int(info.simplex_iteration_count),
            limit_hit=limit,
            solver_status=str(solver.modelStatusToString(model_status)),
        )


def solve_arrays(
    cost: NDArray[np.float64],
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
    integer: NDArray[np.bool_] | None,
    matrix: Any,  # noqa: ANN401
    row_lower: NDArray[np.float64],
    row_upper: NDArray[np.float64],
    *,
    offset: float = 0.0,
    start: NDArray[np.float64] | None = None,
    gap: float = 1e-4,
    absolute_gap: float = 0.0,
    node_limit: int | None = None,
    iteration_limit: int | None = None,
    time_limit_s: float | None = None,
    cutoff: float | None = None,
    options: Mapping[str, Any] | None = None,
) -> ArrayOutcome:
    """Minimize ``cost x + offset`` over rows and bounds; see :class:`ArraySolver` for the arguments.

    The absolute gap is 0 by default, because the solver's own default of 1e-6 means something else in every unit.

    Examples
    --------
    >>> import numpy as np
    >>> rows = (np.array([0, 2]), np.array([0, 1]), np.array([1.0, 1.0]))
    >>> one = np.ones(2)
    >>> answer = solve_arrays(
    ...     np.array([2.0, 3.0]), 0 * one, one, np.array([True, True]), rows, np.array([1.0]), np.array([1.0])
    ... )
    >>> answer.status, answer.objective, answer.bound
    ('optimal', 2.0, 2.0)
    """
    solver = ArraySolver(
        cost, lower, upper, integer, matrix, row_lower, row_upper, offset=offset, options=options
    )
    return solver.solve(
        start=start,
        gap=gap,
        absolute_gap=absolute_gap,
        node_limit=node_limit,
        iteration_limit=iteration_limit,
        time_limit_s=time_limit_s,
        cutoff=cutoff,
    )
