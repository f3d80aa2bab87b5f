"""A run folder: one file per finished task, renamed into place, so that a killed run loses nothing.

``manifest.json`` says what the run is (version, data, question, settings), ``tasks/`` holds a JSON file per
finished task under its id, ``log.csv`` what each one cost. JSON, because every installation can read it.
Nothing that depends on time, machine or order enters a task file: two runs of the same question are equal
byte for byte.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from typing import TYPE_CHECKING, Any, Self

from dcsite.errors import DataError, Problem, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from dcsite.batch.executor import Executor, Outcome, Task, Work

MANIFEST = "manifest.json"
TASKS = "tasks"
LOG = "log.csv"
LOCK = "run.lock"
FORMAT = 1
MAX_TASK_BYTES = 64_000_000
PER_FOLDER = 1000
"""Task files per folder: the last three digits of the id vary within one."""

GROWING = ("tasks", "samples")
"""Keys of a manifest that may grow when a run goes on."""


def plain_json(value: Any) -> str:  # noqa: ANN401  (any JSON value)
    """JSON with sorted keys and without NaN: the same value gives the same bytes."""
    return (
        json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"
    )


def hash_of(*parts: Any) -> str:  # noqa: ANN401  (any JSON values)
    """Hex sha256 over JSON values."""
    return hashlib.sha256("".join(plain_json(part) for part in parts).encode()).hexdigest()


def write_whole(path: Path, data: str | bytes) -> None:
    """Write a file under a temporary name, flush it to the disk, rename it into place.

    Raises
    ------
    DataError
        If the folder cannot be written or the disk is full; the file is then as it was before.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as handle:
            handle.write(data.encode() if isinstance(data, str) else data)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise cannot_write(path, error) from None
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def cannot_write(path: Path, error: OSError) -> DataError:
    """Turn what the system said of a failed write into our error."""
    reason = error.strerror or str(error)
    hint = "free some space and run again" if error.errno == errno.ENOSPC else "choose another folder"
    return DataError(f"{path}: cannot be written ({reason})", hint=hint)


class RunFolder:
    """A run folder in use by one driver; a second one is refused while the first lives.

    Parameters
    ----------
    path
        The folder; made if absent.
    manifest
        What the run is. Every key but those of :data:`GROWING` must be the same when the run goes on.
    resume
        Whether a folder with a run in it may go on.

    Raises
    ------
    UsageError
        If the folder holds a run and ``resume`` is not set, or another run, or is in use.
    DataError
        If it cannot be written or its manifest cannot be read.
    """

    def __init__(self, path: Path, manifest: Mapping[str, Any], *, resume: bool = False) -> None:
        self.path = path
        self.manifest = {"format": FORMAT, **manifest}
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(path, error) from None
        self._lock = _take_lock(path / LOCK)
        try:
            self._begin(resume=resume)
        except BaseException:
            self.close()
            raise

    def _begin(self, *, resume: bool) -> None:
        if (self.path / MANIFEST).exists():
            if not resume:
                message = f"{self.path}: holds a run already"
                raise UsageError(message, hint="--resume goes on with it; or give another folder")
            self._compare(read_manifest(self.path))
        elif any(entry.name != LOCK for entry in self.path.iterdir()):
            message = f"{self.path}: not empty and no run of dcsite"
            raise UsageError(message, hint="give a new folder")
        write_whole(
            self.path / MANIFEST, json.dumps(self.manifest, indent=1, sort_keys=True, allow_nan=False) + "\n"
        )
        for leftover in (self.path / TASKS).glob("*/.*.part"):
            leftover.unlink(missing_ok=True)

    def _compare(self, before: Mapping[str, Any]) -> None:
        keys = sorted((set(before) | set(self.manifest)) - set(GROWING))
        problems = [
            Problem(key, f"the run has {_short(before.get(key))}, asked is {_short(self.manifest.get(key))}")
            for key in keys
            if before.get(key) != self.manifest.get(key)
        ]
        problems += [
            Problem(key, f"the run has {before[key]}, asked is {self.manifest[key]}: it can only grow")
            for key in GROWING
            if key in before and key in self.manifest and self.manifest[key] < before[key]
        ]
        if problems:
            message = f"{self.path}: --resume would mix two different runs"
            raise UsageError(
                message, tuple(problems), hint="give another folder, or repeat the command of the run"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the next driver in."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def task_path(self, task_id: str) -> Path:
        """File of a task."""
        return task_path(self.path, task_id)

    def has(self, task_id: str, task_hash: str) -> bool:
        """Whether the task is finished under this hash (a damaged or foreign file does not count)."""
        found = _read_task(self.task_path(task_id))
        return found is not None and found.get("hash") == task_hash and found.get("id") == task_id

    def put(self, task_id: str, task_hash: str, value: Any) -> None:  # noqa: ANN401  (any JSON value)
        """Keep the result of a task."""
        write_whole(self.task_path(task_id), plain_json({"id": task_id, "hash": task_hash, "result": value}))

    def log(self, task_id: str, cpu_s: float, nbytes: int) -> None:
        """Note what a task cost (not part of the results)."""
        path = self.path / LOG
        try:
            with path.open("a", encoding="utf-8") as handle:
                if handle.tell() == 0:
                    handle.write("task,cpu_s,bytes\n")
                handle.write(f"{task_id},{cpu_s:.3f},{nbytes}\n")
        except OSError as error:
            raise cannot_write(path, error) from None


def task_path(folder: Path, task_id: str) -> Path:
    """File of a task, in a subfolder of at most :data:`PER_FOLDER`."""
    digits = "".join(letter for letter in task_id if letter.isdigit())
    return folder / TASKS / f"{int(digits or 0) // PER_FOLDER:05d}" / f"{task_id}.json"


def read_manifest(folder: Path) -> dict[str, Any]:
    """Manifest of a run folder.

    Raises
    ------
    UsageError
        If the folder holds no run.
    DataError
        If the manifest is damaged.
    """
    path = folder / MANIFEST
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        message = f"{folder}: no run folder (it has no {MANIFEST})"
        raise UsageError(message) from None
    except (OSError, ValueError, RecursionError) as error:
        message = f"{path}: cannot be read ({type(error).__name__}: {error})"
        raise DataError(message) from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        message = f"{path}: not the manifest of a run of this version"
        raise DataError(message)
    return found


def finished_tasks(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the finished tasks of a run folder, sorted by id: ``id``, ``hash``, ``result``."""
    for path in sorted((folder / TASKS).glob("*/*.json"), key=lambda item: item.name):
        found = _read_task(path)
        if found is not None:
            yield found


def _read_task(path: Path) -> dict[str, Any] | None:
    """Read a task file, None if absent or damaged: the task then runs again."""
    try:
        if path.stat().st_size > MAX_TASK_BYTES:
            return None
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and {"id", "hash", "result"} <= set(found) else None


def _take_lock(path: Path) -> int | None:
    """Hold the folder for this process; the system lets go when the process ends, however it ends."""
    try:
        import fcntl
    except ImportError:  # Windows: no lock, the second driver would repeat work, not damage it
        return None
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise cannot_write(path, error) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        message = f"{path.parent}: another process is working on this run"
        raise UsageError(message, hint="wait for it, or stop it first") from None
    return handle


def _short(value: Any) -> str:  # noqa: ANN401  (any JSON value)
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= 80 else f"{text[:60]}... ({hashlib.sha256(text.encode()).hexdigest()[:12]})"


def run_kept(
    executor: Executor,
    work: Work,
    tasks: Iterable[Task],
    folder: RunFolder,
    *,
    salt: Any = None,  # noqa: ANN401  (any JSON value)
    save: Callable[[str, Any], Any] | None = None,
) -> Iterator[tuple[str, Outcome | None]]:
    """Run the tasks that the folder does not hold yet, keeping each as it finishes.

    Parameters
    ----------
    salt
        Enters the hash of every task beside its payload: whatever else decides a result.
    save
        Called with id and value before the task counts as finished, to lay arrays aside; what it returns
        is kept as the result.

    Yields
    ------
    tuple
        Task id, and its outcome or None when the folder held it.
    """
    hashes: dict[str, str] = {}
    ready: list[str] = []

    def missing() -> Iterator[Task]:
        for task in tasks:
            value = hash_of(salt, task.payload)
            if folder.has(task.id, value):
                ready.append(task.id)
                continue
            hashes[task.id] = value
            yield task

    for outcome in executor.run(work, missing()):
        value = outcome.value if save is None else save(outcome.id, outcome.value)
        folder.put(outcome.id, hashes.pop(outcome.id), value)
        folder.log(outcome.id, outcome.cpu_s, folder.task_path(outcome.id).stat().st_size)
        yield outcome.id, outcome
        while ready:
            yield ready.pop(0), None
    while ready:
        yield ready.pop(0), None
