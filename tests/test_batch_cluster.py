"""A real Dask scheduler and two workers on loopback: the same bytes as a serial run, one worker killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import batch_tasks
from dcsite.batch.executor import DaskExecutor, SerialExecutor, Task, Work, identity
from dcsite.batch.store import RunFolder, run_kept
from dcsite.errors import InfeasibleError, UsageError

pytest.importorskip("distributed", reason="extra 'cluster' is not installed")
pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

TASKS = [Task(f"{number:06d}", {"x": number, "wait": 0.05}) for number in range(40)]


@pytest.fixture
def cluster(tmp_path):
    """Address of a scheduler, and its two worker processes (each runs one task at a time, without a nanny)."""
    env = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parent),
        "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "10s",
    }
    started = []

    def start(*words):
        log = (tmp_path / f"log{len(started)}").open("w")
        started.append(
            (
                subprocess.Popen(
                    [sys.executable, "-m", "distributed.cli." + words[0], *words[1:]],
                    env=env,
                    cwd=tmp_path,
                    stdout=log,
                    stderr=log,
                ),
                log,
            )
        )
        return started[-1][0]

    file = tmp_path / "scheduler.json"
    start(
        "dask_scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--no-dashboard",
        "--scheduler-file",
        str(file),
    )
    for _ in range(200):
        if file.exists() and file.stat().st_size:
            break
        time.sleep(0.1)
    workers = [
        start(
            "dask_worker", "--scheduler-file", str(file), "--nthreads", "1", "--no-nanny", "--no-dashboard",
            "--host", "127.0.0.1", "--name", name,
        )
        for name in ("a", "b")
    ]  # fmt: skip
    import json

    address = json.loads(file.read_text())["address"]
    from distributed import Client

    with Client(address, timeout=20) as client:
        client.wait_for_workers(2, timeout=40)
    yield address, workers
    for process, log in reversed(started):
        process.kill()
        process.wait()
        log.close()


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("tasks/*/*.json"))}


def test_a_cluster_that_loses_a_worker_gives_the_bytes_of_a_serial_run(cluster, tmp_path):
    address, workers = cluster
    work = Work(batch_tasks.square, {"offset": 1, "identity": identity(None), "data_dir": None})
    with RunFolder(tmp_path / "serial", {}) as run:
        list(
            run_kept(
                SerialExecutor(), work, [Task(t.id, {"x": t.payload["x"], "wait": 0.05}) for t in TASKS], run
            )
        )
    done = 0
    with RunFolder(tmp_path / "dask", {}) as run:
        for _ in run_kept(DaskExecutor(address), work, TASKS, run):
            done += 1
            if done == 6:
                os.kill(workers[0].pid, signal.SIGKILL)
    assert done == len(TASKS)
    assert files(tmp_path / "dask") == files(tmp_path / "serial")
    with pytest.raises(InfeasibleError, match="task 000002: no site is left"):
        list(DaskExecutor(address).run(Work(batch_tasks.refuse, {"offset": 0}), TASKS[2:3]))
    other = Work(
        batch_tasks.square, {"offset": 1, "identity": {**identity(None), "data": "00"}, "data_dir": None}
    )
    with pytest.raises(UsageError, match="differs from this dcsite"):
        list(DaskExecutor(address).run(other, TASKS))


def test_no_scheduler_at_the_address_is_one_clear_error(monkeypatch):
    from dcsite.batch import executor

    monkeypatch.setattr(executor, "CONNECT_TIMEOUT_S", 1)
    with pytest.raises(UsageError, match=r"tcp://127\.0\.0\.1:9: no answer"):
        list(DaskExecutor("tcp://127.0.0.1:9").run(Work(batch_tasks.square, {}), TASKS))
