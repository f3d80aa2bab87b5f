"""Many tasks: the same answer whoever computes it, and nothing lost when something dies."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import batch_tasks
from dcsite.batch import store
from dcsite.batch.executor import (
    ProcessExecutor,
    SerialExecutor,
    Task,
    Work,
    check_identity,
    identity,
    make_executor,
)
from dcsite.batch.store import RunFolder, finished_tasks, run_kept
from dcsite.errors import DataError, DcsiteError, InfeasibleError, UsageError

TASKS = [Task(f"{number:06d}", {"x": number}) for number in range(7)]
MANIFEST = {"what": "test", "tasks": len(TASKS)}


def kept(executor, folder, function=batch_tasks.square, tasks=TASKS, **shared):
    """Run into a folder; bytes of every task file by name."""
    with RunFolder(folder, {**MANIFEST, "tasks": len(tasks)}, resume=True) as run:
        done = list(run_kept(executor, Work(function, {"offset": 1, **shared}), tasks, run, salt="s"))
    assert sorted(task_id for task_id, _ in done) == [task.id for task in tasks]
    return {path.name: path.read_bytes() for path in sorted(folder.glob("tasks/*/*.json"))}


def test_results_do_not_depend_on_the_number_of_workers(tmp_path):
    serial = kept(SerialExecutor(), tmp_path / "serial")
    assert [json.loads(data)["result"]["value"] for data in serial.values()] == [n * n + 1 for n in range(7)]
    assert kept(ProcessExecutor(1), tmp_path / "one") == serial
    assert kept(ProcessExecutor(3), tmp_path / "three") == serial


def test_a_killed_worker_costs_nothing_but_time(tmp_path):
    serial = kept(SerialExecutor(), tmp_path / "serial")
    found = kept(ProcessExecutor(2), tmp_path / "two", batch_tasks.die_once, mark=str(tmp_path))
    assert (tmp_path / "died").exists()
    assert found == serial


@pytest.mark.slow
def test_a_task_that_always_kills_its_worker_is_given_up_and_the_rest_is_kept(tmp_path):
    with (
        RunFolder(tmp_path / "run", MANIFEST) as run,
        pytest.raises(DcsiteError, match=r"died 3 times .*000003"),
    ):
        list(run_kept(ProcessExecutor(2), Work(batch_tasks.die_always, {"offset": 1}), TASKS, run))
    assert {"000000", "000001"} <= {task["id"] for task in finished_tasks(tmp_path / "run")}


def test_a_refused_task_keeps_its_kind_and_names_the_task():
    for executor in (SerialExecutor(), ProcessExecutor(1)):
        with pytest.raises(InfeasibleError, match="task 000002: no site is left") as caught:
            list(executor.run(Work(batch_tasks.refuse, {"offset": 0}), TASKS[2:3]))
        assert caught.value.hint == "relax a limit"


def test_a_bug_in_a_task_is_not_hidden():
    with pytest.raises(ZeroDivisionError, match="x is 0"):
        list(SerialExecutor().run(Work(batch_tasks.crash, {}), TASKS))


def test_resume_runs_only_what_is_missing_damaged_or_changed(tmp_path):
    folder = tmp_path / "run"
    before = kept(SerialExecutor(), folder)
    (folder / "tasks/00000/000002.json").unlink()
    (folder / "tasks/00000/000004.json").write_bytes(before["000004.json"][:20])
    work = Work(batch_tasks.square, {"offset": 1})
    with RunFolder(folder, MANIFEST, resume=True) as run:
        again = {
            task_id for task_id, outcome in run_kept(SerialExecutor(), work, TASKS, run, salt="s") if outcome
        }
    assert again == {"000002", "000004"}
    assert {path.name: path.read_bytes() for path in folder.glob("tasks/*/*.json")} == before
    with RunFolder(folder, MANIFEST, resume=True) as run:
        other = {
            task_id for task_id, outcome in run_kept(SerialExecutor(), work, TASKS, run, salt="t") if outcome
        }
    assert other == {task.id for task in TASKS}


def test_a_folder_with_another_run_is_refused(tmp_path):
    kept(SerialExecutor(), tmp_path / "run")
    with pytest.raises(UsageError, match="holds a run already"):
        RunFolder(tmp_path / "run", MANIFEST)
    with pytest.raises(UsageError, match="mix two different runs") as caught:
        RunFolder(tmp_path / "run", {**MANIFEST, "what": "else"}, resume=True)
    assert 'what: the run has "test"' in str(caught.value)
    with pytest.raises(UsageError, match="mix two different runs") as caught:
        RunFolder(tmp_path / "run", {**MANIFEST, "tasks": 3}, resume=True)
    assert "tasks: the run has 7, asked is 3: it can only grow" in str(caught.value)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        RunFolder(tmp_path / "other", MANIFEST)


def test_two_drivers_cannot_share_a_folder(tmp_path):
    with RunFolder(tmp_path / "run", MANIFEST), pytest.raises(UsageError, match="another process"):
        RunFolder(tmp_path / "run", MANIFEST, resume=True)
    RunFolder(tmp_path / "run", MANIFEST, resume=True).close()


DRIVER = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import batch_tasks
from dcsite.batch.executor import ProcessExecutor, Task, Work
from dcsite.batch.store import RunFolder, run_kept

if __name__ == "__main__":
    tasks = [Task(f"{{n:06d}}", {{"x": n, "wait": 0.15}}) for n in range(12)]
    with RunFolder(Path(sys.argv[1]), {{"tasks": 12}}, resume=True) as run:
        work = Work(batch_tasks.square, {{"offset": 1}})
        for task_id, outcome in run_kept(ProcessExecutor(2), work, tasks, run):
            print("ran" if outcome else "had", task_id, flush=True)
"""


@pytest.mark.slow
def test_a_driver_killed_in_the_middle_loses_nothing_and_repeats_nothing(tmp_path):
    script = tmp_path / "driver.py"
    script.write_text(DRIVER.format(tests=str(Path(__file__).parent)))
    folder = tmp_path / "run"
    first = subprocess.Popen(
        [sys.executable, script, folder], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    for _ in range(4):
        first.stdout.readline()
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    first.stdout.close()
    for _ in range(100):  # the orphaned workers notice and end
        alive = subprocess.run(
            ["pgrep", "-g", str(first.pid)], capture_output=True, text=True, check=False
        ).stdout
        if not alive.strip():
            break
        time.sleep(0.1)
    assert not alive.strip()
    there = {task["id"] for task in finished_tasks(folder)}
    assert 4 <= len(there) < 12
    stamps = {task_id: store.task_path(folder, task_id).stat().st_mtime_ns for task_id in there}
    second = subprocess.run(
        [sys.executable, script, folder], capture_output=True, text=True, check=True, timeout=60
    )
    lines = [line.split() for line in second.stdout.splitlines()]
    assert {task_id for word, task_id in lines if word == "had"} == there
    assert len(lines) == 12
    assert stamps == {task_id: store.task_path(folder, task_id).stat().st_mtime_ns for task_id in there}
    assert not list(folder.glob("tasks/*/.*"))


def test_a_full_disk_leaves_no_half_written_file(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with RunFolder(tmp_path / "run", MANIFEST) as run:
        run.put("000001", "h", {"a": 1})
        monkeypatch.setattr(store.os, "fsync", full)
        with pytest.raises(DataError, match="No space left on device"):
            run.put("000002", "h", {"a": 2})
        with pytest.raises(DataError, match="No space left on device"):
            run.put("000001", "h", {"a": 3})
    assert [task["result"] for task in finished_tasks(tmp_path / "run")] == [{"a": 1}]
    assert not list((tmp_path / "run").rglob("*.part"))


def test_other_data_or_another_version_is_refused_before_anything_is_computed(monkeypatch):
    own = identity(None)
    check_identity({"identity": own})
    with pytest.raises(UsageError, match=r"dcsite .* instead of 9\.9"):
        check_identity({"identity": {**own, "dcsite": "9.9"}})
    with pytest.raises(UsageError, match=r"data .* instead of 00"):
        list(
            ProcessExecutor(1).run(
                Work(batch_tasks.square, {"offset": 0, "identity": {**own, "data": "00"}, "data_dir": None}),
                TASKS,
            )
        )


def test_options_choose_the_executor():
    assert make_executor(1).label == "serial"
    assert make_executor(2).label == "2 processes"
    with pytest.raises(UsageError, match="between 1 and 1024"):
        make_executor(0)
    with pytest.raises(UsageError, match="not the address of a scheduler"):
        make_executor(1, "localhost:8786")
