"""The register of assumptions: every choice and default behind an answer, with value, unit, range and source.

Three kinds. Keys of the scenario and fields of the profiles can be set in a scenario file and swept, each
under the dotted path that stands in the register. Choices in the program itself (thresholds of ties, shares
of errors) are listed with their place and cannot be set. Figures of the tables are no assumptions: they have
rows, sources and ``--data-dir``.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pandas as pd
from pydantic import BaseModel

from dcsite.data.scenario_file import load_profiles, parse_scenario
from dcsite.errors import UsageError
from dcsite.scoring.criteria import BY_NAME, with_anchors
from dcsite.scoring.weights import scenario_weights
from dcsite.spec.workload import Profile, Workload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable

    from dcsite.data.tables import Tables
    from dcsite.spec.scenario import Scenario

SPANS: dict[str, tuple[float, float, str]] = {
    "discount_rate": (0.05, 0.12, "weighted cost of capital of large operators and of projects with debt"),
    "horizon_years": (10, 25, "life of plant and shell"),
    "water_value_usd_per_m3": (0.0, 12.0, "from the tariff alone to the cost of a new supply"),
    "water_doubling_km": (20.0, 100.0, "pipeline of a plant against that of a city"),
    "desalination_factor": (1.5, 3.0, "brackish to sea water"),
    "land_m2_per_mw": (800.0, 8000.0, "several floors to a campus with reserves"),
    "sites.default_grid_mw": (50.0, 500.0, "a city feeder to a campus"),
    "sites.opening_usd": (2.0e6, 5.0e7, "a connection at hand to a new substation"),
    "objective.carbon_price_usd_per_t": (0.0, 100.0, "none to the scenarios in use"),
    "objective.beta": (0.5, 0.95, "the worse half to the worst twentieth"),
    "objective.risk_weight": (0.0, 1.0, "the mean to the tail alone"),
    "objective.pass_through": (0.0, 1.0, "fixed tariffs to indexed contracts"),
    "connection_delay_years": (0.0, 3.0, "as the sources say to the slips seen in crowded networks"),
    "score.price_ref_usd_per_mwh": (50.0, 120.0, "cheap to dear industrial power"),
    "score.pue_ref": (1.1, 1.4, "new to average halls"),
    "money.revenue_growth_ratio": (-0.03, 0.03, "falling to rising rents"),
    "money.inflation_ratio": (0.0, 0.04, "none to twice the usual aim of central banks"),
    "money.delay_months": (0.0, 24.0, "none to two years"),
    "money.tax_ratio": (0.0, 0.35, "exempt to the highest rates of larger countries"),
    "money.incentive_ratio": (0.0, 0.10, "none to a generous program"),
    "money.sales_tax_ratio": (0.0, 0.09, "exempt to the higher combined rates in the United States"),
    "money.equipment_share_ratio": (0.4, 0.8, "shell-heavy to plant-heavy"),
    "money.residual_ratio": (0.0, 0.20, "nothing to land and shell"),
    "money.hardware_life_years": (3, 8, "fast to slow renewal"),
}
"""Scenario key to low end, high end and what they mean: judgment, not data (a choice)."""

SOURCE = "dcsite, a choice"
SPAN_SOURCE = "dcsite, judgment"
NO_KEYS = {"format", "title", "workloads", "profiles", "periods"}
NO_LEAVES = {
    "only",
    "exclude",
    "require",
    "existing",
    "override",
    "where",
    "weights",
    "anchors",
    "share",
    "basins",
}
_NOTE = re.compile(r"^(?P<why>.*) \((?P<quality>[a-z]+); source: (?P<source>[^)]*)\)$", re.DOTALL)
_UNIT = re.compile(r"\[([^\]]+)\](?:;.*)?$")


@dataclass(frozen=True)
class Entry:
    """One assumption.

    Attributes
    ----------
    key
        Dotted path into the scenario, or ``module.NAME`` of a choice in the program.
    kind
        ``scenario``, ``anchor``, ``workload``, ``profile`` or ``program``.
    value
        The value in use.
    low, high
        Range for sweeps; None where none is stated.
    settable
        Whether a scenario can set it.
    given
        Whether this scenario does.
    """

    key: str
    kind: str
    value: Any
    unit: str
    low: float | None
    high: float | None
    meaning: str
    source: str
    quality: str
    settable: bool
    given: bool


def register(scenario: Scenario, tables: Tables, *, program: bool = True) -> tuple[Entry, ...]:
    """List every assumption behind an answer to this scenario.

    Parameters
    ----------
    program
        Whether the choices in the program itself are listed too.

    Raises
    ------
    ScenarioError
        If a workload names a profile that does not exist.
    """
    entries = [*_scenario_entries(scenario), *_anchor_entries(scenario)]
    profiles = load_profiles(tables, scenario)
    for workload in scenario.workloads:
        entries += _workload_entries(workload, profiles[workload.profile])
    if program:
        entries += _program_entries()
    return tuple(entries)


def assumptions_frame(entries: tuple[Entry, ...]) -> pd.DataFrame:
    """Entries as a frame: ``key, kind, value, unit, low, high, meaning, source, quality, settable, given``."""
    return pd.DataFrame(
        [
            {
                "key": entry.key,
                "kind": entry.kind,
                "value": value_text(entry.value),
                "unit": entry.unit,
                "low": float("nan") if entry.low is None else float(entry.low),
                "high": float("nan") if entry.high is None else float(entry.high),
                "meaning": entry.meaning,
                "source": entry.source,
                "quality": entry.quality,
                "settable": entry.settable,
                "given": entry.given,
            }
            for entry in entries
        ]
    )


def value_text(value: Any) -> str:  # noqa: ANN401  (any value of a scenario)
    """A value as TOML would write it, nearly.

    Examples
    --------
    >>> value_text((0.4, 0.6)), value_text(True), value_text(200.0), value_text("world")
    ('[0.4, 0.6]', 'true', '200', 'world')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(value_text(part) for part in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {value_text(part)}' for key, part in value.items())}}}"
    return str(value)


def _leaves(model: BaseModel, path: str = "") -> Iterator[tuple[str, Any, str, bool]]:
    """Yield (key, value, description, given) of the plain fields of a model and of the tables in it."""
    for name, field in type(model).model_fields.items():
        if (not path and name in NO_KEYS) or name in NO_LEAVES:
            continue
        value = getattr(model, name)
        key = f"{path}{name}"
        given = name in model.model_fields_set
        if isinstance(value, BaseModel):
            yield from _leaves(value, f"{key}.")
        elif not (isinstance(value, tuple) and value and isinstance(value[0], BaseModel)):
            yield key, value, field.description or "", given


def _unit(key: str, description: str) -> str:
    """Unit in brackets at the end of a description, else what the name says."""
    found = _UNIT.search(description)
    if found:
        return found.group(1)
    for ending, unit in (
        ("_usd_per_mwh", "USD/MWh"),
        ("_usd_per_t", "USD/t"),
        ("_usd_per_mw", "USD/MW"),
        ("_per_mw", "1/MW"),
        ("_usd", "USD"),
        ("_years", "years"),
        ("_ms", "ms"),
        ("_mw", "MW"),
        ("_kw", "kW"),
        ("_c", "C"),
        ("_s", "s"),
        ("_rate", "-"),
        ("_ratio", "-"),
        ("_factor", "-"),
        ("gap", "-"),
    ):
        if key.endswith(ending):
            return unit
    return ""


def _scenario_entries(scenario: Scenario) -> Iterator[Entry]:
    for key, value, description, given in _leaves(scenario):
        span = SPANS.get(key)
        unset = value is None or value == () or value == {}
        if unset and span is None:
            continue  # a limit or filter that is not asked for assumes nothing
        meaning = description.split(" [")[0] or key.rpartition(".")[2].replace("_", " ")
        yield Entry(
            key=key,
            kind="scenario",
            value=value,
            unit=_unit(key, description),
            low=span[0] if span else None,
            high=span[1] if span else None,
            meaning=f"{meaning}; range: {span[2]}" if span and meaning else (span[2] if span else meaning),
            source="scenario" if given else SPAN_SOURCE if span else SOURCE,
            quality="estimate" if not given and span else "",
            settable=True,
            given=given,
        )


def _anchor_entries(scenario: Scenario) -> Iterator[Entry]:
    for name, criterion in with_anchors(scenario.score.anchors).items():
        yield Entry(
            key=f"score.anchors.{name}",
            kind="anchor",
            value=(criterion.best, criterion.worst),
            unit=criterion.unit,
            low=None,
            high=None,
            meaning=f"{criterion.title}: best and worst anchor",
            source="scenario" if name in scenario.score.anchors else SOURCE,
            quality="",
            settable=True,
            given=name in scenario.score.anchors,
        )
    for name, own in scenario.score.own.items():
        yield Entry(
            key=f"score.own.{name}",
            kind="anchor",
            value=(own.best, own.worst),
            unit=own.unit,
            low=None,
            high=None,
            meaning=f"{own.title or name}: best and worst anchor of a criterion of the scenario",
            source="scenario",
            quality="",
            settable=False,
            given=True,
        )


def _workload_entries(workload: Workload, profile: Profile) -> Iterator[Entry]:
    """Fields of the profile as the workload has them, and the workload's own."""
    resolved = workload.resolved(profile)
    for name, field in Workload.model_fields.items():
        if name in ("name", "profile", "it_mw_by_year"):
            continue
        given = name in workload.model_fields_set and getattr(workload, name) is not None
        of_profile = name in Profile.model_fields
        value = getattr(resolved if of_profile else workload, name)
        if value is None:
            continue
        description = (Profile.model_fields[name] if of_profile else field).description or ""
        why, quality, source = _note(profile.notes.get(name, "")) if of_profile else ("", "", "")
        span = profile.ranges.get(name) if of_profile else None
        yield Entry(
            key=f"workloads.{workload.name}.{name}",
            kind="profile" if of_profile and not given else "workload",
            value=value,
            unit=_unit(name, description),
            low=span.low if span else None,
            high=span.high if span else None,
            meaning="; ".join(text for text in (description.split(" [")[0], why) if text),
            source="scenario" if given else source or (f"profile {profile.name}" if of_profile else SOURCE),
            quality="" if given else quality,
            settable=True,
            given=given,
        )


def _note(text: str) -> tuple[str, str, str]:
    """Reason, quality and source of a profile's note ``why (quality; source: id)``."""
    found = _NOTE.match(text)
    return (found["why"], found["quality"], found["source"]) if found else (text, "", "")


@cache
def _program_entries() -> tuple[Entry, ...]:
    """Module constants whose docstring calls them a choice or an assumption."""
    entries: list[Entry] = []

    def walk(folder: Traversable, module: str) -> None:
        for item in sorted(folder.iterdir(), key=lambda entry: entry.name):
            if item.is_dir() and not item.name.startswith("_"):
                walk(item, f"{module}.{item.name}")
            elif item.name.endswith(".py"):
                text = item.read_text(encoding="utf-8")
                if "choice" in text or "assumption" in text:
                    entries.extend(_constants(text, f"{module}.{item.name.removesuffix('.py')}"))

    walk(files("dcsite"), "dcsite")
    return tuple(entries)


def _constants(text: str, module: str) -> Iterator[Entry]:
    body = ast.parse(text).body
    for node, after in pairwise(body):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name, value = node.targets[0].id, node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            name, value = node.target.id, node.value
        else:
            continue
        if not (isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)):
            continue
        note = " ".join(str(after.value.value).split())
        if name == "SPANS" or not re.search(r"\b(a choice|an assumption)\b", note):
            continue
        try:
            literal = ast.literal_eval(value)
        except ValueError:
            continue
        unit = re.search(r"\[([^\]]+)\]", note)
        yield Entry(
            key=f"{module.removeprefix('dcsite.')}.{name}",
            kind="program",
            value=literal,
            unit=unit.group(1) if unit else "",
            low=None,
            high=None,
            meaning=re.sub(r"\s*\[[^\]]+\]", "", note),
            source=SOURCE,
            quality="",
            settable=False,
            given=False,
        )


def with_value(scenario: Scenario, key: str, value: Any) -> Scenario:  # noqa: ANN401
    """Return the scenario with one key of the register set, validated again.

    Parameters
    ----------
    key
        Dotted path as in the register: ``discount_rate``, ``money.tax_ratio``, ``score.anchors.price``,
        ``workloads.NAME.rack_kw``.

    Raises
    ------
    UsageError
        If there is no such workload.
    ScenarioError
        If the key is unknown or the value out of range.
    """
    raw = scenario.model_dump(mode="python", exclude_unset=True)
    spot: Any = raw
    parts = key.split(".")
    if parts[0] == "workloads" and len(parts) == 3:
        spot = next((load for load in raw["workloads"] if load["name"] == parts[1]), None)
        if spot is None:
            message = f"{key}: no workload is named '{parts[1]}'"
            raise UsageError(
                message, hint=f"workloads: {', '.join(load.name for load in scenario.workloads)}"
            )
    else:
        for part in parts[:-1]:
            inner = spot.get(part)
            spot[part] = dict(inner) if isinstance(inner, dict) else {}
            spot = spot[part]
    spot[parts[-1]] = value
    return parse_scenario(raw, name=key)


def weights_frame(scenario: Scenario, tables: Tables) -> pd.DataFrame:
    """Derived weights of each workload: ``workload, criterion, weight, swing_usd_per_rack_year``."""
    profiles = load_profiles(tables, scenario)
    rows = []
    for workload in scenario.workloads:
        profile = workload.resolved(profiles[workload.profile])
        derived = scenario_weights(profile, scenario, criteria=with_anchors(scenario.score.anchors))
        rows += [
            {
                "workload": workload.name,
                "criterion": BY_NAME[name].title,
                "weight_ratio": weight,
                "swing_usd_per_rack_year": derived.swing_usd_per_rack_year[name],
            }
            for name, weight in derived.weight.items()
        ]
    return pd.DataFrame(rows)
