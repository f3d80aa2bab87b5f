"""The one door to HiGHS: arrays in, values, bound and prices out.

Knows no siting: a model here is a cost vector, bounds, and a sparse matrix with row bounds. Every solve uses
one thread and a fixed seed, so that the same arrays give the same answer, and standard output is pointed at
standard error while a solver lives, because the library may print from C. What the solver claims is checked
elsewhere (:mod:`dcsite.optimize.verify`); nothing here says that a plan is optimal.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

import highspy
import numpy as np
from scipy.sparse import csc_array, csr_array

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

    from numpy.typing import ArrayLike, NDArray

Status = Literal["optimal", "feasible", "infeasible", "unbounded", "limit", "error"]
INFINITE = math.inf
ROW_WISE = 2
"""HiGHS' number for a matrix stored by rows."""
TELL_EVERY_S = 1.0
"""Wall seconds between two reports of a gap."""
LOOK_AGAIN_S = 0.02
"""Wall seconds between two looks at the processor clock once a limit is near: the look itself costs up to 0.1 ms."""


@dataclass(frozen=True)
class Arrays:
    """``min cost @ x + offset`` with ``row_lower <= matrix @ x <= row_upper`` and ``lower <= x <= upper``.

    Attributes
    ----------
    cost, lower, upper, integer
        Shape (n,); ``integer`` may be None for a linear program.
    matrix, row_lower, row_upper
        Shapes (m, n), (m,), (m,).
    """

    cost: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    matrix: csr_array
    row_lower: NDArray[np.float64]
    row_upper: NDArray[np.float64]
    integer: NDArray[np.bool_] | None = None
    offset: float = 0.0

    def __post_init__(self) -> None:
        rows, columns = self.matrix.shape
        for name in ("cost", "lower", "upper"):
            if getattr(self, name).shape != (columns,):
                message = f"{name} has shape {getattr(self, name).shape}, the matrix has {columns} columns"
                raise ValueError(message)
        for name in ("row_lower", "row_upper"):
            if getattr(self, name).shape != (rows,):
                message = f"{name} has shape {getattr(self, name).shape}, the matrix has {rows} rows"
                raise ValueError(message)
        if np.isnan(self.cost).any() or np.isnan(self.matrix.data).any():
            message = "a coefficient is not a number"
            raise ValueError(message)


@dataclass(frozen=True)
class Options:
    """How far a solve goes.

    Attributes
    ----------
    gap, absolute_gap
        Asked gap of a mixed-integer solve: relative, and in the unit of the objective.
    node_limit
        Limit on branches: the one limit that gives the same stop everywhere.
    cpu_limit_s
        Limit on the processor seconds of the calling thread, which a busy machine does not shorten. The solver
        is asked between its steps, so it may run over by the length of one (a second or two on large models).
    time_limit_s
        Limit on wall seconds, a last guard.
    presolve
        False where an answer of the presolve is to be cross-checked.
    method
        ``choose``, ``simplex`` or ``ipm`` for linear programs.
    heuristic_effort
        Share of the work spent on finding plans; None keeps the solver's own.
    objective_target
        A mixed-integer solve stops at the first plan this good.
    iteration_limit
        Limit on the simplex iterations of a linear program; repeatable, like the node limit.
    tell
        Called with the best value and the bound of a mixed-integer solve, at most once a second.
    extra
        Further HiGHS options by name.
    """

    gap: float = 1e-4
    absolute_gap: float = 1e-6
    node_limit: int | None = None
    cpu_limit_s: float | None = None
    time_limit_s: float | None = None
    presolve: bool = True
    method: Literal["choose", "simplex", "ipm"] = "choose"
    heuristic_effort: float | None = None
    objective_target: float | None = None
    iteration_limit: int | None = None
    tell: Callable[[float, float], None] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What the solver claims.

    Attributes
    ----------
    status
        ``optimal`` (its own claim), ``limit`` (stopped; ``x`` may be there or None), ``infeasible``,
        ``unbounded`` or ``error``.
    x, objective
        Best values found, shape (n,), or None and NaN.
    bound
        Lower bound on the objective; ``-inf`` where there is none.
    limit_hit
        ``time``, ``nodes``, ``iterations``, ``target``, ``interrupt`` (Ctrl-C) or empty.
    row_dual, column_dual
        Prices of a linear program (change of objective per unit of row bound; reduced costs); None after a
        mixed-integer solve.
    """

    status: Status
    x: NDArray[np.float64] | None
    objective: float
    bound: float
    limit_hit: str = ""
    solver_status: str = ""
    nodes: int = 0
    row_dual: NDArray[np.float64] | None = None
    column_dual: NDArray[np.float64] | None = None

    @property
    def gap(self) -> float:
        """``(objective - bound) / max(|objective|, 1e-9)``; infinite without a plan or a bound."""
        return relative_gap(self.objective, self.bound)


@dataclass(frozen=True)
class Ranging:
    """How far a row's bound may move before its price changes, per row: values at both ends."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]


def relative_gap(objective: float, bound: float) -> float:
    """Gap of a minimization as used everywhere in dcsite; never taken from a solver.

    Examples
    --------
    >>> relative_gap(100.0, 99.0)
    0.01
    """
    if not (math.isfinite(objective) and math.isfinite(bound)):
        return math.inf
    return max(0.0, (objective - bound) / max(abs(objective), 1e-9))


_guard = threading.Lock()
_alive = 0
_saved: int | None = None


@contextmanager
def quiet_stdout() -> Iterator[None]:
    """Point file descriptor 1 at descriptor 2 while the block runs (nested blocks share one detour)."""
    global _alive, _saved
    with _guard:
        if _alive == 0:
            try:
                if sys.stdout is not None:
                    sys.stdout.flush()
                _saved = os.dup(1)
                os.dup2(2, 1)
            except (OSError, ValueError):
                _saved = None
        _alive += 1
    try:
        yield
    finally:
        with _guard:
            _alive -= 1
            if _alive == 0 and _saved is not None:
                os.dup2(_saved, 1)
                os.close(_saved)
                _saved = None


def solve(
    model: Arrays,
    options: Options | None = None,
    *,
    start: ArrayLike | None = None,
    relaxed: bool = False,
) -> Outcome:
    """Solve one model.

    Parameters
    ----------
    start
        Values to begin from, shape (n,); NaN where unknown. Ignored if no plan can be made of them.
    relaxed
        Drop the integrality: the linear relaxation, with prices.
    """
    with Session(model, options) as session:
        return session.solve(start=start, relaxed=relaxed)


def fixed_duals(model: Arrays, x: ArrayLike, options: Options | None = None) -> Outcome:
    """Fix the integers at the rounded values of ``x`` and solve the linear program that is left, with prices."""
    return solve(fixed(model, x), options)


def fixed(model: Arrays, x: ArrayLike) -> Arrays:
    """The linear program with the integers fixed at the rounded values of ``x``."""
    if model.integer is None or not model.integer.any():
        return model
    values = np.round(np.asarray(x, dtype=np.float64))
    return Arrays(
        model.cost,
        np.where(model.integer, values, model.lower),
        np.where(model.integer, values, model.upper),
        model.matrix,
        model.row_lower,
        model.row_upper,
        None,
        model.offset,
    )


class Interrupts:
    """Remembers Ctrl-C while the solver runs in C, so that it stops and keeps what it has proved.

    Python runs signal handlers between byte codes of the main thread, and the solver's callbacks are such byte
    codes. Elsewhere, and where the caller has a handler of its own, nothing changes.
    """

    def __init__(self) -> None:
        self.hit = False
        self._old: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            old = signal.getsignal(signal.SIGINT)
            if old is signal.default_int_handler:
                self._old = old
                signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._old is not None:
            signal.signal(signal.SIGINT, self._old)

    def _note(self, *_: object) -> None:
        self.hit = True


class Session:
    """A model that stays in the solver while bounds, costs and rows change.

    Use as a context manager: standard output is detoured while it is open.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.sparse import csr_array
    >>> one = np.ones(2)
    >>> model = Arrays(one, 0 * one, 3 * one, csr_array([[1.0, 2.0]]), np.array([4.0]), np.array([np.inf]))
    >>> with Session(model) as session:
    ...     first = session.solve()
    ...     session.set_rows([0], [5.0], [np.inf])
    ...     second = session.solve()
    >>> first.objective, second.objective
    (2.0, 2.5)
    """

    def __init__(self, model: Arrays, options: Options | None = None) -> None:
        self._options = options or Options()
        self._model = model
        self._quiet: Any = None
        self._solver: Any = None
        self._relaxed = False
        self._late = False
        self._columns = model.matrix.shape[1]
        self._rows = model.matrix.shape[0]
        self._has_integers = model.integer is not None and bool(model.integer.any())

    def __enter__(self) -> Self:
        self._quiet = quiet_stdout()
        self._quiet.__enter__()
        try:
            self._open()
        except BaseException:
            self._quiet.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._solver = None
        self._quiet.__exit__(kind, error, trace)

    def _open(self) -> None:
        make: Any = highspy.Highs
        solver = make()
        self._solver = solver
        for name, value in (
            ("output_flag", False),
            ("log_to_console", False),
            ("threads", 1),
            ("parallel", "off"),
            ("random_seed", 0),
            ("mip_feasibility_tolerance", 1e-6),
        ):
            solver.setOptionValue(name, value)
        self.set_options(self._options)
        model = self._model
        matrix = csr_array(model.matrix)
        matrix.sort_indices()
        kinds = np.zeros(self._columns, dtype=np.int32)
        if model.integer is not None:
            kinds[model.integer] = 1
        status = solver.passModel(
            self._columns,
            self._rows,
            int(matrix.nnz),
            ROW_WISE,
            1,
            float(model.offset),
            np.ascontiguousarray(model.cost, dtype=np.float64),
            np.ascontiguousarray(model.lower, dtype=np.float64),
            np.ascontiguousarray(model.upper, dtype=np.float64),
            np.ascontiguousarray(model.row_lower, dtype=np.float64),
            np.ascontiguousarray(model.row_upper, dtype=np.float64),
            matrix.indptr.astype(np.int32),
            matrix.indices.astype(np.int32),
            np.ascontiguousarray(matrix.data, dtype=np.float64),
            kinds,
        )
        if status == highspy.HighsStatus.kError:
            message = "HiGHS refuses the model (a bound or coefficient it cannot take)"
            raise ValueError(message)

    def set_options(self, options: Options) -> None:
        """Change gap and limits of the next solve."""
        self._options = options
        solver = self._solver
        solver.setOptionValue("mip_rel_gap", float(options.gap))
        solver.setOptionValue("mip_abs_gap", float(options.absolute_gap))
        solver.setOptionValue("presolve", "choose" if options.presolve else "off")
        solver.setOptionValue("solver", options.method)
        nodes = options.node_limit
        solver.setOptionValue("mip_max_nodes", int(nodes) if nodes is not None else 2**31 - 1)
        if options.heuristic_effort is not None:
            solver.setOptionValue("mip_heuristic_effort", float(options.heuristic_effort))
        target = options.objective_target
        solver.setOptionValue("objective_target", float(target) if target is not None else -INFINITE)
        steps = options.iteration_limit
        solver.setOptionValue("simplex_iteration_limit", int(steps) if steps is not None else 2**31 - 1)
        for name, value in options.extra.items():
            if solver.setOptionValue(name, value) == highspy.HighsStatus.kError:
                message = f"HiGHS refuses the option {name} = {value!r}"
                raise ValueError(message)
        self._set_clock()

    def _set_clock(self) -> None:
        limit = self._options.time_limit_s
        spent = self._solver.getRunTime()
        self._solver.setOptionValue("time_limit", spent + float(limit) if limit is not None else INFINITE)

    def set_rows(self, rows: ArrayLike, lower: ArrayLike, upper: ArrayLike) -> None:
        """Change row bounds."""
        for row, low, high in zip(*np.broadcast_arrays(rows, lower, upper), strict=True):
            self._solver.changeRowBounds(int(row), float(low), float(high))

    def set_columns(self, columns: ArrayLike, lower: ArrayLike, upper: ArrayLike) -> None:
        """Change column bounds."""
        which, low, high = np.broadcast_arrays(columns, lower, upper)
        self._solver.changeColsBounds(
            which.size,
            np.ascontiguousarray(which, dtype=np.int32),
            np.ascontiguousarray(low, dtype=np.float64),
            np.ascontiguousarray(high, dtype=np.float64),
        )

    def set_cost(self, cost: ArrayLike, offset: float = 0.0) -> None:
        """Change the whole objective; ``cost`` has shape (n,)."""
        values = np.ascontiguousarray(cost, dtype=np.float64)
        indices = np.arange(self._columns, dtype=np.int32)
        self._solver.changeColsCost(self._columns, indices, values)
        self._solver.changeObjectiveOffset(float(offset))

    def add_rows(self, matrix: csr_array, lower: ArrayLike, upper: ArrayLike) -> None:
        """Add rows of shape (r, n)."""
        added = csr_array(matrix)
        if added.shape[0] == 0:
            return
        self._solver.addRows(
            added.shape[0],
            np.ascontiguousarray(np.broadcast_to(lower, added.shape[0]), dtype=np.float64),
            np.ascontiguousarray(np.broadcast_to(upper, added.shape[0]), dtype=np.float64),
            int(added.nnz),
            added.indptr[:-1].astype(np.int32),
            added.indices.astype(np.int32),
            np.ascontiguousarray(added.data, dtype=np.float64),
        )
        self._rows += added.shape[0]

    def add_columns(self, matrix: csc_array, cost: ArrayLike, lower: ArrayLike, upper: ArrayLike) -> None:
        """Add continuous columns; ``matrix`` has shape (rows, c)."""
        added = csc_array(matrix)
        count = added.shape[1]
        if count == 0:
            return
        self._solver.addCols(
            count,
            np.ascontiguousarray(np.broadcast_to(cost, count), dtype=np.float64),
            np.ascontiguousarray(np.broadcast_to(lower, count), dtype=np.float64),
            np.ascontiguousarray(np.broadcast_to(upper, count), dtype=np.float64),
            int(added.nnz),
            added.indptr[:-1].astype(np.int32),
            added.indices.astype(np.int32),
            np.ascontiguousarray(added.data, dtype=np.float64),
        )
        self._columns += count

    def delete_rows(self, rows: ArrayLike) -> None:
        """Take rows out by number; later rows move up."""
        which = np.unique(np.asarray(rows, dtype=np.int32))
        if which.size:
            self._solver.deleteRows(which.size, which)
            self._rows -= which.size

    def _run(self, *, mixed: bool) -> None:
        """Run the solver; Ctrl-C and the limit on processor seconds stop it as its own limits do."""
        self._late = False
        limit = self._options.cpu_limit_s
        end = math.inf if limit is None else time.thread_time() + limit
        # One thread never spends processor time faster than wall time passes, so the dear clock is seldom read.
        look = math.inf if limit is None else time.monotonic() + limit
        tell = self._options.tell if mixed else None
        told = time.monotonic()
        with Interrupts() as interrupts:

            def stop(event: Any) -> None:  # noqa: ANN401
                nonlocal told, look
                if tell is not None and time.monotonic() - told >= TELL_EVERY_S:
                    told = time.monotonic()
                    tell(float(event.data_out.mip_primal_bound), float(event.data_out.mip_dual_bound))
                if time.monotonic() >= look:
                    left = end - time.thread_time()
                    self._late = left <= 0.0
                    look = time.monotonic() + max(left, LOOK_AGAIN_S)
                if interrupts.hit or self._late:
                    event.interrupt()

            event = self._solver.cbMipInterrupt if mixed else self._solver.cbSimplexInterrupt
            event.subscribe(stop)
            try:
                self._solver.run()
            finally:
                event.unsubscribe(stop)

    def _set_relaxed(self, *, relaxed: bool) -> None:
        if not self._has_integers or relaxed == self._relaxed or self._model.integer is None:
            return
        columns = np.flatnonzero(self._model.integer).astype(np.int32)
        kind = 0 if relaxed else 1
        self._solver.changeColsIntegrality(len(columns), columns, np.full(len(columns), kind, dtype=np.uint8))
        self._relaxed = relaxed

    def solve(self, *, start: ArrayLike | None = None, relaxed: bool = False) -> Outcome:
        """Solve as things stand; see :func:`solve`."""
        solver = self._solver
        self._set_relaxed(relaxed=relaxed)
        self._set_clock()
        if start is not None:
            values = np.asarray(start, dtype=np.float64)
            known = np.flatnonzero(np.isfinite(values)).astype(np.int32)
            solver.setSolution(len(known), known, np.ascontiguousarray(values[known]))
        mixed = self._has_integers and not relaxed
        self._run(mixed=mixed)
        outcome = self._read(mixed=mixed)
        if outcome.solver_status == "kUnboundedOrInfeasible":
            solver.setOptionValue("presolve", "off")
            self._run(mixed=mixed)
            outcome = self._read(mixed=mixed)
            solver.setOptionValue("presolve", "choose" if self._options.presolve else "off")
        return outcome

    def _read(self, *, mixed: bool) -> Outcome:
        solver = self._solver
        kinds = highspy.HighsModelStatus
        status = solver.getModelStatus()
        info = solver.getInfo()
        has_plan = int(info.primal_solution_status) == 2
        solution = solver.getSolution()
        x = np.array(solution.col_value, dtype=np.float64) if has_plan else None
        objective = float(info.objective_function_value) if has_plan else math.nan
        limit = {
            kinds.kTimeLimit: "time",
            kinds.kSolutionLimit: "nodes",
            kinds.kIterationLimit: "iterations",
            kinds.kInterrupt: "time" if self._late else "interrupt",
            kinds.kObjectiveTarget: "target",
        }.get(status, "")
        named: Status
        if status == kinds.kOptimal or (status == kinds.kModelEmpty and has_plan):
            named = "optimal"
        elif status in (kinds.kInfeasible, kinds.kUnboundedOrInfeasible):
            named, x, objective = "infeasible", None, math.nan
        elif status == kinds.kUnbounded:
            named = "unbounded"
        elif limit:
            named = "limit"
        else:
            named = "error"
        if mixed:
            bound = float(info.mip_dual_bound)
        elif named == "optimal":
            bound = objective
        else:
            bound = -math.inf
        if named == "infeasible":
            bound = math.inf
        duals = named == "optimal" and not mixed and int(info.dual_solution_status) == 2
        return Outcome(
            named,
            x,
            objective,
            bound,
            limit,
            status.name,
            max(0, int(info.mip_node_count)) if mixed else 0,
            np.array(solution.row_dual, dtype=np.float64) if duals else None,
            np.array(solution.col_dual, dtype=np.float64) if duals else None,
        )

    def ranging(self) -> Ranging:
        """Ranges of the row bounds after an optimal linear program."""
        _, found = self._solver.getRanging()
        return Ranging(
            np.array(found.row_bound_dn.value_, dtype=np.float64),
            np.array(found.row_bound_up.value_, dtype=np.float64),
        )


@dataclass
class Work:
    """Counts solves and nodes of a study that solves many times."""

    solves: int = 0
    nodes: int = 0
    log: list[str] = field(default_factory=list)

    def add(self, outcome: Outcome) -> Outcome:
        """Count one outcome and hand it on."""
        self.solves += 1
        self.nodes += outcome.nodes
        return outcome
