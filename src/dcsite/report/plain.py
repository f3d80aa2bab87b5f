"""Cells as plain Python values, guards against formula injection, and files that appear whole or not at all."""

from __future__ import annotations

import errno
import math
import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from dcsite.errors import DataError, DcsiteError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORMULA_LEADS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""First characters that a spreadsheet may take for a formula, wide forms of East Asian input included."""

GUARD: Final = "'"
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def plain_value(value: Any) -> bool | int | float | str | None:  # noqa: ANN401
    """A cell as bool, int, float, str, or None where nothing is known (NaN and infinities too).

    Examples
    --------
    >>> plain_value(float("nan")) is None
    True
    """
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        number = float(value)
        return number if math.isfinite(number) else None
    return str(value)


def is_number(text: str) -> bool:
    """Whether a text is a plain number, which no spreadsheet takes for a formula."""
    return _NUMBER.fullmatch(text) is not None


def needs_guard(text: str) -> bool:
    """Whether a spreadsheet could take the text for a formula.

    Examples
    --------
    >>> needs_guard("=1+1"), needs_guard("-5"), needs_guard("Oslo")
    (True, False, False)
    """
    return text.lstrip(GUARD).startswith(FORMULA_LEADS) and not is_number(text)


def guard_text(text: str) -> str:
    """Text with a leading apostrophe where a spreadsheet could take it for a formula."""
    return GUARD + text if needs_guard(text) else text


def unguard_text(text: str) -> str:
    """Take the guard off again."""
    return text[1:] if text.startswith(GUARD) and needs_guard(text[1:]) else text


def refuse_existing(path: Path, *, force: bool) -> None:
    """Keep files that exist.

    Raises
    ------
    UsageError
        If ``path`` exists and ``force`` is not set.
    """
    if path.exists() and not force:
        message = f"{path} exists"
        raise UsageError(message, hint="--force overwrites it, or give another name")


@contextmanager
def whole_file(path: Path, *, force: bool) -> Iterator[Path]:
    """Yield a temporary name in the folder of ``path``; rename it into place when all went well.

    Raises
    ------
    UsageError
        If ``path`` exists and ``force`` is not set, or its folder cannot be written.
    DataError
        If the disk is full; nothing half-written stays.
    """
    refuse_existing(path, force=force)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{path.parent}: cannot make this folder ({error.strerror})"
        raise UsageError(message) from error
    if not os.access(path.parent, os.W_OK):
        message = f"{path.parent}: no permission to write here"
        raise UsageError(message)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    except Exception as error:
        reason = _no_room(path.parent, error)
        if reason:
            message = f"{path}: cannot be written ({reason})"
            raise DataError(message, hint="free some space, or give another folder") from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
LEAST_FREE_BYTES: Final = 65_536


def _no_room(folder: Path, error: BaseException) -> str:
    """What the system says if a write failed for want of room, else ""; libraries hide it in errors of their own."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in NO_ROOM:
            return os.strerror(seen.errno)
        if "No space left on device" in str(seen) or "database or disk is full" in str(seen):
            return os.strerror(errno.ENOSPC)
        seen = seen.__cause__ or seen.__context__
    if not isinstance(error, DcsiteError) and hasattr(os, "statvfs"):
        free = os.statvfs(folder)
        if free.f_bavail * free.f_frsize < LEAST_FREE_BYTES:
            return f"{os.strerror(errno.ENOSPC)}: {type(error).__name__}"
    return ""
