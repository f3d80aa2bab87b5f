"""Functions that the workers of the batch tests import."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from dcsite.errors import InfeasibleError


def square(shared, payload):
    time.sleep(payload.get("wait", 0.0))
    return {"value": payload["x"] ** 2 + shared["offset"], "third": payload["x"] / 3}


def die_once(shared, payload):
    """Kill the own process at x = 3, the first time only."""
    mark = Path(shared["mark"]) / "died"
    if payload["x"] == 3 and not mark.exists():
        mark.write_text("once")
        os.kill(os.getpid(), signal.SIGKILL)
    return square(shared, payload)


def die_always(shared, payload):
    if payload["x"] == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return square(shared, payload)


def refuse(shared, payload):
    if payload["x"] == 2:
        message = "no site is left"
        raise InfeasibleError(message, hint="relax a limit")
    return square(shared, payload)


def crash(shared, payload):
    message = f"x is {payload['x']}"
    raise ZeroDivisionError(message)
