"""Run many coarse tasks: one after another, in processes of this machine, or on a Dask cluster.

A task is an id and a few plain values; the work is a function that a worker can import. Owns who computes
and what happens when a worker dies. Where results go is :mod:`dcsite.batch.store`; what a task means is
:mod:`dcsite.batch.sweep` and :mod:`dcsite.batch.screen`. Results carry the id of their task, so an answer
never depends on the number of workers or on who finished first.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from dcsite.errors import DcsiteError, MissingExtraError, UsageError
from dcsite.spec.address import passwords, take_passwords

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

MOST_DEATHS = 3
"""Times that the worker of a task may die before the run gives the task up."""

CONNECT_TIMEOUT_S = 15
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Task:
    """One piece of work: an id that sorts, and plain values (text, numbers, lists, dicts)."""

    id: str
    payload: Mapping[str, Any]


@dataclass(frozen=True)
class Work:
    """What every task runs: ``function(shared, payload)``.

    Attributes
    ----------
    function
        A function at the top of a module, so that a worker can import it.
    shared
        What all tasks need, sent to each worker once. ``identity`` and ``data_dir`` in it are compared with
        the worker's own version and data (:func:`check_identity`).
    """

    function: Callable[[Mapping[str, Any], Mapping[str, Any]], Any]
    shared: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """Result of a task and what it cost.

    Attributes
    ----------
    cpu_s
        CPU time of the worker's process. [s]
    """

    id: str
    value: Any
    cpu_s: float


class Executor(Protocol):
    """Runs tasks; yields each outcome once, in any order."""

    @property
    def label(self) -> str:
        """What a reader sees: ``serial``, ``2 processes``, ``tcp://...``."""
        ...

    def run(self, work: Work, tasks: Iterable[Task]) -> Iterator[Outcome]:
        """Run all tasks.

        Raises
        ------
        DcsiteError
            What a task raised, with the id of the task; or that workers die of it.
        """
        ...


def make_executor(jobs: int = 1, scheduler: str | None = None) -> Executor:
    """Executor for ``--jobs`` and ``--scheduler``.

    Raises
    ------
    UsageError
        If the number of jobs or the address is not one.
    """
    if scheduler is not None:
        if not scheduler.startswith(("tcp://", "tls://")):
            message = f"--scheduler {scheduler}: not the address of a scheduler"
            raise UsageError(message, hint="for example --scheduler tcp://10.0.0.5:8786")
        return DaskExecutor(scheduler)
    if not 1 <= jobs <= 1024:
        message = f"--jobs {jobs}: must be between 1 and 1024"
        raise UsageError(message)
    return SerialExecutor() if jobs == 1 else ProcessExecutor(jobs)


def identity(data_dir: str | None) -> dict[str, str]:
    """Version of dcsite and one checksum over all tables: what must be equal everywhere."""
    import hashlib

    from dcsite import __version__
    from dcsite.data.tables import load_tables

    sums = load_tables(data_dir).checksums()
    text = "".join(f"{name} {value}\n" for name, value in sorted(sums.items()))
    return {"dcsite": __version__, "data": hashlib.sha256(text.encode()).hexdigest()}


_checked: set[tuple[str, str]] = set()


def check_identity(shared: Mapping[str, Any]) -> None:
    """Refuse to compute with another version or other data than the driver's (once per process).

    Raises
    ------
    UsageError
        If they differ.
    """
    wanted = shared.get("identity")
    if wanted is None:
        return
    key = (str(wanted), str(shared.get("data_dir")))
    if key in _checked:
        return
    own = identity(shared.get("data_dir"))
    if own != wanted:
        import socket

        parts = [
            f"{name} {own[name]} instead of {wanted.get(name)}"
            for name in own
            if own[name] != wanted.get(name)
        ]
        message = f"worker on {socket.gethostname()} differs from the driver: {'; '.join(parts)}"
        raise UsageError(message, hint="install the same dcsite and the same data folder on every worker")
    _checked.add(key)


def _perform(work: Work, task_id: str, payload: Mapping[str, Any]) -> tuple[str, Any, float]:
    """Run one task where it stands; an error of the user's input travels as plain values."""
    with _one_at_a_time:  # a Dask worker may have threads, the solver's output guard and caches do not
        start = time.process_time()
        try:
            check_identity(work.shared)
            value = work.function(work.shared, payload)
        except DcsiteError as error:
            told = (error.message, tuple((p.where, p.found, p.hint) for p in error.problems), error.hint)
            return "refused", (error.exit_code, *told), time.process_time() - start
        return "done", value, time.process_time() - start


def _outcome(task_id: str, answer: tuple[str, Any, float]) -> Outcome:
    kind, value, cpu_s = answer
    if kind == "refused":
        raise _rebuilt(task_id, value)
    return Outcome(task_id, value, cpu_s)


def _rebuilt(task_id: str, told: tuple[Any, ...]) -> DcsiteError:
    from dcsite import errors

    code, message, problems, hint = told
    kinds = {2: errors.UsageError, 3: errors.InfeasibleError, 4: errors.LimitReachedError}
    kind = kinds.get(code, errors.DcsiteError)
    return kind(f"task {task_id}: {message}", tuple(errors.Problem(*parts) for parts in problems), hint)


class SerialExecutor:
    """One task after another in this process."""

    label = "serial"

    def run(self, work: Work, tasks: Iterable[Task]) -> Iterator[Outcome]:
        """Run all tasks."""
        for task in tasks:
            yield _outcome(task.id, _perform(work, task.id, task.payload))


_work: Work | None = None


def _start_worker(work: Work, known: dict[str, str]) -> None:
    """Prepare a worker process: leave Ctrl-C to the driver, end when the driver is gone, open its databases."""
    import multiprocessing
    import signal

    global _work
    _work = work
    take_passwords(known)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: Any) -> None:  # noqa: ANN401  (a process of multiprocessing)
    parent.join()
    os._exit(1)


def _perform_here(task_id: str, payload: Mapping[str, Any]) -> tuple[str, Any, float]:
    assert _work is not None
    return _perform(_work, task_id, payload)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let worker processes inherit one thread per numeric library."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class ProcessExecutor:
    """Processes on this machine, started afresh (spawn). A dead worker's tasks run again."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs

    @property
    def label(self) -> str:
        """Number of processes."""
        return f"{self.jobs} processes"

    def run(self, work: Work, tasks: Iterable[Task]) -> Iterator[Outcome]:
        """Run all tasks, at most twice as many in flight as there are processes."""
        from concurrent.futures.process import BrokenProcessPool

        source = iter(tasks)
        again: list[Task] = []
        deaths: Counter[str] = Counter()
        while True:
            flying: dict[Any, Task] = {}
            try:
                yield from self._one_pool(work, source, again, flying)
            except BrokenProcessPool:
                lost = sorted(flying.values(), key=lambda task: task.id)
                deaths.update(task.id for task in lost)
                hopeless = [task.id for task in lost if deaths[task.id] >= MOST_DEATHS]
                if hopeless:
                    message = f"worker processes died {MOST_DEATHS} times running task {', '.join(hopeless)}"
                    raise DcsiteError(
                        message,
                        hint="most often memory: fewer --jobs; finished tasks are kept, --resume goes on",
                    ) from None
                again = lost + again
                continue
            return

    def _one_pool(
        self, work: Work, source: Iterator[Task], again: list[Task], flying: dict[Any, Task]
    ) -> Iterator[Outcome]:
        """Run tasks until there are none, or until the pool breaks (``flying`` then holds what was lost)."""
        import multiprocessing
        from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
        from concurrent.futures.process import BrokenProcessPool

        with _one_thread_each():
            pool = ProcessPoolExecutor(
                self.jobs,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_start_worker,
                initargs=(work, passwords()),
            )
            clean = False
            try:
                while True:
                    while len(flying) < 2 * self.jobs:
                        task = again.pop(0) if again else next(source, None)
                        if task is None:
                            break
                        try:
                            flying[pool.submit(_perform_here, task.id, dict(task.payload))] = task
                        except BrokenProcessPool:
                            again.insert(0, task)
                            raise
                    if not flying:
                        clean = True
                        return
                    done, _ = wait(flying, return_when=FIRST_COMPLETED)
                    broken: BrokenProcessPool | None = None
                    for future in sorted(done, key=lambda item: flying[item].id):
                        try:
                            answer = future.result()
                        except BrokenProcessPool as error:
                            broken = error
                            continue
                        yield _outcome(flying.pop(future).id, answer)
                    if broken is not None:
                        raise broken
            finally:
                if not clean:
                    for process in dict(getattr(pool, "_processes", None) or {}).values():
                        process.terminate()
                pool.shutdown(wait=True, cancel_futures=True)


class DaskExecutor:
    """A running Dask cluster. Its scheduler reruns the tasks of a worker that dies.

    Whoever can reach a Dask scheduler can run code on its workers: use one only inside a network you trust,
    or with ``tls://``.
    """

    def __init__(self, address: str) -> None:
        self.address = address

    @property
    def label(self) -> str:
        """Address of the scheduler."""
        return self.address

    def run(self, work: Work, tasks: Iterable[Task]) -> Iterator[Outcome]:
        """Run all tasks on the cluster, at most four per worker in flight."""
        try:
            distributed: Any = import_module("distributed")
        except ImportError:
            feature = "--scheduler"
            raise MissingExtraError(feature, "cluster") from None
        try:
            client = distributed.Client(self.address, timeout=CONNECT_TIMEOUT_S, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            message = f"--scheduler {self.address}: no answer ({type(error).__name__})"
            raise UsageError(
                message, hint="dask scheduler starts one; dask worker ADDRESS adds workers"
            ) from None
        try:
            workers = client.scheduler_info(n_workers=-1)["workers"]
            if not workers:
                message = f"--scheduler {self.address}: the scheduler has no workers"
                raise UsageError(message, hint=f"dask worker {self.address} --nthreads 1")
            self._check_workers(client, work)
            shared = client.scatter(work, broadcast=True)
            source = iter(tasks)
            names: dict[str, str] = {}

            def submit(task: Task) -> Any:  # noqa: ANN401  (a future of distributed)
                future = client.submit(
                    _perform, shared, task.id, dict(task.payload), pure=False, retries=MOST_DEATHS
                )
                names[future.key] = task.id
                return future

            room = max(4 * len(workers), 8)
            first = [submit(task) for _, task in zip(range(room), source, strict=False)]
            flying = distributed.as_completed(first, loop=client.loop)
            for future in flying:
                task_id = names.pop(future.key)
                try:
                    answer = future.result()
                except distributed.KilledWorker:
                    message = f"workers died again and again running task {task_id}"
                    raise DcsiteError(message, hint="most often memory; finished tasks are kept") from None
                following = next(source, None)
                if following is not None:
                    flying.add(submit(following))
                yield _outcome(task_id, answer)
        finally:
            client.close()

    @staticmethod
    def _check_workers(client: Any, work: Work) -> None:  # noqa: ANN401  (a client of distributed)
        """Ask every worker for its version and data before anything is computed.

        Raises
        ------
        UsageError
            If a worker has another version or other data, or none of them.
        """
        from dcsite import __version__

        wanted = work.shared.get("identity")
        if wanted is None:
            return
        found = client.run(_identity_text, work.shared.get("data_dir"), on_error="return")
        for address, own in sorted(found.items()):
            if own == wanted:
                continue
            if isinstance(own, dict):
                parts = [
                    f"{key} {own.get(key)}, here {wanted[key]}"
                    for key in wanted
                    if own.get(key) != wanted[key]
                ]
                reason = "; ".join(parts)
            else:
                reason = str(own)
            message = f"worker {address} differs from this dcsite {__version__}: {reason}"
            raise UsageError(message, hint="install the same dcsite and the same data folder on every worker")


def _identity_text(data_dir: str | None) -> dict[str, str] | str:
    try:
        return identity(data_dir)
    except DcsiteError as error:
        return str(error)
