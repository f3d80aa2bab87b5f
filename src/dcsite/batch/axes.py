"""What a sweep varies: ``KEY=VALUES`` texts, the keys of a scenario they name, grids and samples.

A key is a dotted path into the scenario (``limits.max_sites``, ``workloads.training.it_mw``,
``sites.override.us-quincy-wa.price_usd_per_mwh``, ``profiles.cloud.rack_kw``, ``workloads.*.max_rtt_ms``) or a
short name for one. Values are lists and ranges; a sample draws from the same text.
"""

from __future__ import annotations

import difflib
import itertools
import math
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dcsite.errors import UsageError
from dcsite.spec.scenario import Limits, Objective, Scenario, Score, Sites, Solver

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic import BaseModel

ALIASES = {
    "carbon_price": "objective.carbon_price_usd_per_t",
    "prices": "prices",
    "budget": "limits.budget_usd",
    "carbon_limit": "limits.carbon_kg_per_mwh",
    "grid_mw": "sites.default_grid_mw",
    "it_mw": "workloads.*.it_mw",
    "users": "workloads.*.users",
    "max_rtt_ms": "workloads.*.max_rtt_ms",
    "coverage": "workloads.*.coverage",
    "rack_kw": "workloads.*.rack_kw",
    "latency_worth": "workloads.*.latency_worth_usd_per_rack_year",
    "break_even": "workloads.*.break_even_usd_per_mwh",
    "weights": "score.weights",
}
"""Short names of keys that are often swept; the last parts of a path may follow (``weights.price``)."""

PRICE_CASES: dict[str, dict[str, Any]] = {
    "listed": {},
    "low": {"price_case": "low"},
    "high": {"price_case": "high"},
    "crisis-2022": {"price_year": 2022},
    "subsidy-removed": {"subsidy_removed": True},
    "no-escalation": {"escalation": "none"},
}
"""What the words of ``prices=...`` change; a number is a market year, which all loads that do not say otherwise
then follow (``pass_through = 1``)."""

NESTED: dict[str, type[BaseModel]] = {
    "limits": Limits,
    "objective": Objective,
    "solver": Solver,
    "score": Score,
    "sites": Sites,
}
LISTS = {
    "workloads": "name",
    "override": "id",
    "existing": "id",
    "share": "",
    "periods": "",
    "accelerator_tiers": "",
}
"""Lists of a scenario and the key that names their entries (empty: by number)."""

MOST_TASKS = 1_000_000
MOST_VALUES = 100_000


@dataclass(frozen=True)
class Span:
    """A range to sample from: uniform over whole numbers if both ends are whole, else over all between."""

    low: float
    high: float
    whole: bool


@dataclass(frozen=True)
class Axis:
    """One thing that is varied.

    Attributes
    ----------
    name
        As the user wrote it; names runs and columns.
    path
        Dotted path into the scenario.
    values
        Values of a grid, in the order given.
    spans
        Ranges and single values to sample from, each as likely as its neighbor.
    value
        The value in use where it is known; shown beside the range.
    """

    name: str
    path: str
    values: tuple[Any, ...]
    spans: tuple[Span | Any, ...]
    value: Any = None


def axis_of(text: str) -> Axis:
    """Read ``KEY=VALUES``: ``carbon_price=0,50,100``, ``price_year=2020..2024``, ``limits.max_sites=2..8:2``.

    Raises
    ------
    UsageError
        If it is not of this form, or names too many values.

    Examples
    --------
    >>> axis_of("carbon_price=0,50").values
    (0, 50)
    >>> axis_of("limits.max_sites=2..8:3").values
    (2, 5, 8)
    """
    key, mark, rest = text.partition("=")
    name = key.strip()
    if not mark or not name or not rest.strip():
        message = f"--set {text}: not KEY=VALUES"
        raise UsageError(
            message, hint="for example --set carbon_price=0,50,100 or --set limits.max_sites=2..8"
        )
    values: list[Any] = []
    spans: list[Span | Any] = []
    for part in _split(rest):
        found, span = _values(part.strip(), text)
        values += found
        spans.append(span)
    if len(values) > MOST_VALUES:
        message = f"--set {name}: {len(values)} values, at most {MOST_VALUES}"
        raise UsageError(message)
    return Axis(name, path_of(name), tuple(values), tuple(spans))


def _split(text: str) -> list[str]:
    """Split at commas outside brackets and quotes."""
    parts, depth, quote, start = [], 0, "", 0
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter in "[{":
            depth += 1
        elif letter in "]}":
            depth -= 1
        elif letter == "," and depth == 0:
            parts.append(text[start:place])
            start = place + 1
    parts.append(text[start:])
    return parts


def _values(part: str, text: str) -> tuple[list[Any], Span | Any]:
    """Values of one item, and what a sample draws from."""
    low_text, dots, rest = part.partition("..")
    if dots and not part.startswith(('"', "'", "[", "{")):
        high_text, colon, step_text = rest.partition(":")
        low, high = _number(low_text), _number(high_text)
        step = _number(step_text) if colon else 1.0
        if low is None or high is None or step is None or not step > 0 or high < low:
            message = f"--set {text}: '{part}' is not LOW..HIGH or LOW..HIGH:STEP"
            raise UsageError(message, hint="for example 2020..2024 or 0..100:25")
        whole = all(float(number).is_integer() for number in (low, high, step)) and not any(
            letter in low_text + high_text + step_text for letter in ".eE"
        )
        count = math.floor((high - low) / step + 1e-9) + 1
        if count > MOST_VALUES:
            message = f"--set {text}: '{part}' has {count} values, at most {MOST_VALUES}"
            raise UsageError(message, hint="give a step: LOW..HIGH:STEP")
        numbers = [low + step * place for place in range(count)]
        values = [int(number) for number in numbers] if whole else [round(number, 12) for number in numbers]
        return list(values), Span(low, high, whole)
    if not part:
        message = f"--set {text}: an empty value"
        raise UsageError(message, hint='an empty text is written ""')
    try:
        value = tomllib.loads(f"v = {part}")["v"]
    except tomllib.TOMLDecodeError:
        value = part
    if not isinstance(value, bool | int | float | str | list | dict) or (
        isinstance(value, float) and not math.isfinite(value)
    ):
        message = f"--set {text}: '{part}' cannot be a value of a scenario"
        raise UsageError(message, hint="numbers, true, false, text, or [lists]")
    return [value], value


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def path_of(name: str) -> str:
    """Path into the scenario that a key means.

    Raises
    ------
    UsageError
        If no key of a scenario is meant (with the nearest one).

    Examples
    --------
    >>> path_of("max_sites"), path_of("weights.price"), path_of("workloads.training.it_mw")
    ('limits.max_sites', 'score.weights.price', 'workloads.training.it_mw')
    """
    first, dot, rest = name.partition(".")
    if not all(part.strip() for part in name.split(".")):
        message = f"--set {name}: an empty part in the key"
        raise UsageError(message)
    if first in ALIASES:
        return ALIASES[first] + dot + rest
    if first in Scenario.model_fields:
        return name
    homes = [table for table, model in NESTED.items() if first in model.model_fields]
    if len(homes) == 1:
        return f"{homes[0]}.{name}"
    known = [
        *Scenario.model_fields,
        *ALIASES,
        *(key for model in NESTED.values() for key in model.model_fields),
    ]
    near = difflib.get_close_matches(first, known, n=1, cutoff=0.6)
    message = f"--set {name}: no key of a scenario"
    hint = (
        f"did you mean '{near[0]}'?"
        if near
        else "a dotted path such as limits.max_sites; dcsite schema lists all"
    )
    raise UsageError(message, hint=hint)


def grid(axes: Sequence[Axis]) -> Iterator[dict[str, Any]]:
    """Yield every combination, the last axis fastest: axis name to value."""
    for values in itertools.product(*(axis.values for axis in axes)):
        yield dict(zip((axis.name for axis in axes), values, strict=True))


def grid_size(axes: Sequence[Axis]) -> int:
    """Number of combinations.

    Raises
    ------
    UsageError
        If it is above :data:`MOST_TASKS`.
    """
    size = math.prod(len(axis.values) for axis in axes)
    if size > MOST_TASKS:
        message = f"--set: {size:,} combinations, at most {MOST_TASKS:,}"
        raise UsageError(message, hint="--samples N draws from them")
    return size


def sample(axes: Sequence[Axis], seed: int, number: int) -> dict[str, Any]:
    """Draw one setting; draw ``number`` of a seed is the same however many are drawn."""
    drawn: dict[str, Any] = {}
    for place, axis in enumerate(axes):
        random = np.random.default_rng([seed, number, place])
        span = axis.spans[int(random.integers(len(axis.spans)))]
        if not isinstance(span, Span):
            drawn[axis.name] = span
        elif span.whole:
            drawn[axis.name] = int(random.integers(int(span.low), int(span.high), endpoint=True))
        else:
            drawn[axis.name] = float(np.round(random.uniform(span.low, span.high), 9))
    return drawn


def one_at_a_time(axes: Sequence[Axis]) -> Iterator[dict[str, Any]]:
    """Yield the question as it is (no setting), then every value of every axis alone."""
    yield {}
    for axis in axes:
        for value in axis.values:
            yield {axis.name: value}


def with_settings(raw: dict[str, Any], settings: dict[str, Any], axes: Sequence[Axis]) -> dict[str, Any]:
    """Return a copy of a scenario's raw values with the settings of a run in place."""
    import copy

    changed = copy.deepcopy(raw)
    for axis in axes:
        if axis.name in settings:
            put(changed, axis.path, settings[axis.name])
    return changed


def put(raw: dict[str, Any], path: str, value: Any) -> None:  # noqa: ANN401  (any TOML value)
    """Set one value at a dotted path, making the tables on the way.

    Raises
    ------
    UsageError
        If the path names an entry of a list that does not exist, or goes through a plain value.
    """
    if path == "prices":
        _put_prices(raw, value)
        return
    parts = path.split(".")
    spots: list[Any] = [raw]
    key_of_list = ""
    for place, part in enumerate(parts[:-1]):
        following: list[Any] = []
        for spot in spots:
            if isinstance(spot, list):
                following += _entries(spot, part, key_of_list, path)
                continue
            if not isinstance(spot, dict):
                message = f"--set {path}: '{'.'.join(parts[:place])}' has no keys"
                raise UsageError(message)
            if part not in spot:
                spot[part] = [] if part in LISTS and isinstance(spot, dict) else {}
                if place == 1 and parts[0] == "profiles":
                    spot[part] = {"base": part}
            following.append(spot[part])
        key_of_list = LISTS.get(part, key_of_list)
        spots = following
    for spot in spots:
        if not isinstance(spot, dict):
            message = f"--set {path}: '{'.'.join(parts[:-1])}' has no keys"
            raise UsageError(
                message, hint="name an entry: workloads.NAME.it_mw, or workloads.*.it_mw for all"
            )
        spot[parts[-1]] = value


def _put_prices(raw: dict[str, Any], value: Any) -> None:  # noqa: ANN401
    """Set a market year or a named case of prices.

    Raises
    ------
    UsageError
        If it is neither.
    """
    is_year = isinstance(value, int) and not isinstance(value, bool)
    if not is_year and value not in PRICE_CASES:
        message = f"--set prices={value}: not known"
        raise UsageError(message, hint=f"a market year such as 2022, or one of {', '.join(PRICE_CASES)}")
    changes = {"price_year": value} if is_year else PRICE_CASES[value]
    raw.update(changes)
    if "price_year" in changes:
        for workload in raw.get("workloads", ()):
            workload.setdefault("pass_through", 1.0)


def _entries(entries: list[Any], part: str, key: str, path: str) -> list[Any]:
    """Entries of a list that a part of a path names."""
    if part == "*":
        return list(entries)
    if part.isdigit() and int(part) < len(entries):
        return [entries[int(part)]]
    found = [entry for entry in entries if key and isinstance(entry, dict) and entry.get(key) == part]
    if not found and key == "id":
        entries.append({"id": part})
        return [entries[-1]]
    if not found:
        names = (
            ", ".join(str(entry.get(key, "")) for entry in entries if isinstance(entry, dict)) if key else ""
        )
        message = f"--set {path}: no entry '{part}'"
        raise UsageError(
            message, hint=f"entries: {names}" if names else f"entries are numbered 0 to {len(entries) - 1}"
        )
    return found
