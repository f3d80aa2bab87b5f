"""Progress on stderr: on a terminal alone, after two seconds, and gone when the work is done."""

import os
import pty
import subprocess
import sys

import pytest

from dcsite.cli.progress import Progress, log_to_stderr

WORK = """
import time
from dcsite.cli import progress
clock = iter(range(0, 1000))
time.monotonic = lambda: float(next(clock))
with progress.Progress("tiles") as told:
    for done in range(1, 7):
        told.count(done, 6)
    told.step("gap 0.53 %")
print("result")
"""


def on_a_terminal(code, **environment):
    """What a process writes when its stderr is a terminal, and its stdout."""
    main, side = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=side,
        env={**kept, "TERM": "xterm", **environment},
        text=True,
        check=True,
        timeout=60,
    )
    os.close(side)
    shown = b""
    try:
        while part := os.read(main, 65536):
            shown += part
    except OSError:
        pass  # the other end is closed
    os.close(main)
    return shown.decode(), done.stdout


def test_a_terminal_gets_a_line_that_is_wiped_at_the_end():
    shown, out = on_a_terminal(WORK)
    assert "tiles ########" in shown
    assert "of 6" in shown
    assert "gap 0.53 %" in shown
    assert "\n" not in shown
    assert shown.endswith("\r\x1b[K")
    assert out == "result\n"


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_a_plain_terminal_gets_none(environment):
    assert on_a_terminal(WORK, **environment)[0] == ""


def test_a_pipe_gets_none():
    done = subprocess.run(
        [sys.executable, "-c", WORK],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == ""


def test_verbose_writes_lines_that_stay(capsys):
    log_to_stderr(True)
    try:
        with Progress("solve") as told:
            told.step("gap 1 %")
            told.count(3, 3)
    finally:
        log_to_stderr(False)
    with Progress("solve") as told:
        told.step("gap 2 %")
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(" s  ")[2] for line in lines] == ["solve: gap 1 %", "solve: 3 of 3"]


def test_quick_work_says_nothing(capsys, monkeypatch):
    monkeypatch.setattr("dcsite.cli.progress.is_live", lambda: True)
    with Progress("tiles") as told:
        for done in range(1, 100):
            told.count(done, 99)
    assert capsys.readouterr().err == ""
