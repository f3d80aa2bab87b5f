"""Every error a user can cause, with where it is, what was found and what would be right.

The library raises these; only :mod:`dcsite.cli` prints them and picks the exit code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Problem:
    """One complaint: ``where`` (file, key, row), what was found, and what to do about it."""

    where: str
    found: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.where}: {self.found}" if self.where else self.found
        return f"{text}\n    hint: {self.hint}" if self.hint else text

    @property
    def sentence(self) -> str:
        """The complaint and what to do about it in one line, for running text."""
        return str(self).replace("\n    hint: ", "; try ")


class DcsiteError(Exception):
    """Base of all errors that a user can cause.

    Parameters
    ----------
    message
        One line: the file or the command, and what is wrong with it.
    problems
        All complaints about one input, reported together.
    hint
        What would be right.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, problems: tuple[Problem, ...] = (), hint: str = "") -> None:
        self.message = message
        self.problems = tuple(problems)
        self.hint = hint
        super().__init__(message)

    def __str__(self) -> str:
        lines = [self.message]
        lines += [f"  {problem}" for problem in self.problems]
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)


class ScenarioError(DcsiteError):
    """A scenario file or scenario value that cannot be used."""


class DataError(DcsiteError):
    """A table, grid or user file that cannot be used."""


class UsageError(DcsiteError):
    """A command-line option or argument that cannot be used."""


class MissingExtraError(DcsiteError):
    """A feature whose optional packages are not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs packages that are not installed",
            hint=f"pip install 'dcsite[{extra}]'",
        )


class InfeasibleError(DcsiteError):
    """No plan satisfies all limits; the message names the limits that clash."""

    exit_code: ClassVar[int] = 3


class LimitReachedError(DcsiteError):
    """A time, node or iteration limit stopped the work without the asked proof."""

    exit_code: ClassVar[int] = 4


class SolverFaultError(DcsiteError):
    """A solver's answer that our own arithmetic does not confirm."""

    exit_code: ClassVar[int] = 1
