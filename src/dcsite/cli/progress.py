"""What long work says on stderr: one line drawn in place on a terminal, log lines with ``-v``, else nothing.

A line appears after two seconds and is wiped when the work ends, so that results stand alone. Where stderr is
no terminal, ``TERM`` is ``dumb`` or ``NO_COLOR`` is set, there is none. ``-v`` writes what the library logs
under the name ``dcsite``, each line with the seconds since the start. Light: no heavy import.
"""

import math
import os
import shutil
import sys
import time
from types import TracebackType
from typing import Self

QUIET_S = 2.0
DRAW_EVERY_S = 0.2
LOG_EVERY_S = 10.0
BAR_COLUMNS = 24
HANDLER = "dcsite -v"


def log_to_stderr(asked: bool) -> bool:
    """Let ``-v`` write the log of the library to stderr; the callback of the option."""
    if not asked and "logging" not in sys.modules:
        return asked
    import logging

    logger = logging.getLogger("dcsite")
    for handler in [handler for handler in logger.handlers if handler.name == HANDLER]:
        logger.removeHandler(handler)
    logger.setLevel(logging.INFO if asked else logging.NOTSET)
    if asked:
        handler = logging.StreamHandler(sys.stderr)
        handler.name = HANDLER
        start = time.time()

        class SinceStart(logging.Formatter):
            def format(self, record: logging.LogRecord) -> str:
                return f"{record.created - start:7.1f} s  {record.getMessage()}"

        handler.setFormatter(SinceStart())
        logger.addHandler(handler)
    return asked


def is_live() -> bool:
    """Whether stderr is a terminal on which a line may be drawn in place."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")


def span(seconds: float) -> str:
    """Time in words.

    Examples
    --------
    >>> span(4.2), span(75), span(7300)
    ('4 s', '1 min 15 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class Progress:
    """Progress of one piece of work; use as a context manager.

    Parameters
    ----------
    what
        What is counted or done, in one or two words.
    """

    def __init__(self, what: str) -> None:
        import logging

        self.what = what
        self._logger = logging.getLogger("dcsite")
        self.verbose = self._logger.isEnabledFor(logging.INFO)
        self.live = is_live() and not self.verbose
        self._start = self._last = time.monotonic()
        self._drawn = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wipe()

    def step(self, sentence: str) -> None:
        """Tell what is done now: ``gap 0.53 %``."""
        if self.verbose:
            self._logger.info("%s: %s", self.what, sentence)
        else:
            self._draw(f"{self.what}: {sentence}, {span(self._elapsed())}")

    def count(self, done: int, planned: int) -> None:
        """Tell how many are done."""
        elapsed = self._elapsed()
        left = (planned - done) * elapsed / done if done else math.nan
        rest = f", {span(left)} left" if math.isfinite(left) and done < planned else ""
        if self.verbose:
            if done == planned or time.monotonic() - self._last >= LOG_EVERY_S:
                self._last = time.monotonic()
                self._logger.info("%s: %s of %s%s", self.what, f"{done:,}", f"{planned:,}", rest)
            return
        full = BAR_COLUMNS * done // max(planned, 1)
        self._draw(f"{self.what} {'#' * full}{'.' * (BAR_COLUMNS - full)} {done:,} of {planned:,}{rest}")

    def wipe(self) -> None:
        """Take the line away."""
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._drawn = False

    def _elapsed(self) -> float:
        return time.monotonic() - self._start

    def _draw(self, text: str) -> None:
        now = time.monotonic()
        if not self.live or now - self._start < QUIET_S or (self._drawn and now - self._last < DRAW_EVERY_S):
            return
        self._last = now
        self._drawn = True
        sys.stderr.write(f"\r\x1b[K{text[: shutil.get_terminal_size().columns - 1]}")
        sys.stderr.flush()
