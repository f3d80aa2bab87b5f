"""Read a scenario file (TOML) and the built-in profiles; turn every complaint into ours, all at once."""

from __future__ import annotations

import difflib
import tomllib
import typing
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from dcsite.errors import DataError, Problem, ScenarioError
from dcsite.spec.scenario import Scenario
from dcsite.spec.workload import Profile

if typing.TYPE_CHECKING:
    from dcsite.data.tables import Tables

MAX_SCENARIO_BYTES = 4_000_000


def load_scenario(path: str | Path) -> Scenario:
    """Read and validate a scenario file.

    Raises
    ------
    ScenarioError
        With all problems of the file: key, value found, and what would be right.
    """
    file = Path(path)
    try:
        size = file.stat().st_size
        if size > MAX_SCENARIO_BYTES:
            message = f"{file}: {size} bytes is too large for a scenario (limit {MAX_SCENARIO_BYTES})"
            raise ScenarioError(message)
        raw = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        near = difflib.get_close_matches(file.name, [p.name for p in file.parent.glob("*.toml")], n=1)
        message = f"{file}: no such file"
        hint = (
            f"did you mean '{file.parent / near[0]}'?" if near else "dcsite init writes a commented scenario"
        )
        raise ScenarioError(message, hint=hint) from None
    except UnicodeDecodeError as error:
        message = f"{file}: not UTF-8 text (byte {error.start})"
        raise ScenarioError(message, hint="save the file as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        message = f"{file}: not valid TOML: {error}"
        raise ScenarioError(
            message, hint="see https://toml.io: text needs quotes, true/false are lower case"
        ) from None
    except RecursionError:
        message = f"{file}: nested too deeply to be a scenario"
        raise ScenarioError(message) from None
    except ValueError as error:  # a number of thousands of digits
        message = f"{file}: holds a value that cannot be read: {error}"
        raise ScenarioError(message) from None
    except OSError as error:
        message = f"{file}: cannot be read ({error.strerror or error})"
        raise ScenarioError(message) from None
    return parse_scenario(raw, name=str(file))


def parse_scenario(raw: dict[str, Any], *, name: str = "scenario") -> Scenario:
    """Validate a scenario given as nested dicts (what a TOML file holds)."""
    try:
        return Scenario.model_validate(raw)
    except ValidationError as error:
        problems = problems_of(error, Scenario)
        message = f"{name}: {len(problems)} problem{'s' if len(problems) != 1 else ''}"
        raise ScenarioError(message, problems) from None


def _where(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.startswith(("function-", "tuple[")) or part in {"str", "License"} or "literal[" in part:
            continue
        else:
            text += f".{part}" if text else part
    return text


def _model_at(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel] | None:
    """Model class whose keys stand at ``location`` (without the last part)."""
    current: Any = model
    for part in location:
        if isinstance(part, int) or not (isinstance(current, type) and issubclass(current, BaseModel)):
            continue
        field = current.model_fields.get(part)
        if field is None:
            return None
        current = _inner(field.annotation)
    return current if isinstance(current, type) and issubclass(current, BaseModel) else None


def _inner(annotation: Any) -> Any:  # noqa: ANN401
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in typing.get_args(annotation):
        found = _inner(argument)
        if found is not None:
            return found
    return None


def _suggestion(key: str, keys: list[str], model: type[BaseModel], depth: int) -> str:
    """Hint for an unknown key: the nearest key here, else the table in which such a key stands."""
    near = difflib.get_close_matches(key, keys, n=1, cutoff=0.7)
    if not near and depth == 1:
        nested: dict[str, str] = {}
        for table, field in model.model_fields.items():
            inner: Any = _inner(field.annotation)
            for name in inner.model_fields if inner is not None else ():
                nested[name] = f"{table}.{name}"
        near = [nested[name] for name in difflib.get_close_matches(key, list(nested), n=1, cutoff=0.7)]
    if near:
        return f"did you mean '{near[0]}'?"
    return f"known keys: {', '.join(keys)}" if keys else ""


def problems_of(error: ValidationError, model: type[BaseModel]) -> tuple[Problem, ...]:
    """Turn pydantic's complaints into ours: where, what was found, and a suggestion for a wrong key."""
    problems: list[Problem] = []
    seen: set[str] = set()
    for item in error.errors(include_url=False, include_context=False):
        location = item["loc"]
        where = _where(location)
        kind = item["type"]
        if kind == "extra_forbidden":
            owner = _model_at(model, location[:-1])
            keys = list(owner.model_fields) if owner else []
            problem = Problem(
                where, "unknown key", _suggestion(str(location[-1]), keys, model, len(location))
            )
        elif kind == "missing":
            problem = Problem(where, "missing")
        else:
            text = item["msg"].removeprefix("Value error, ")
            text = text[0].lower() + text[1:]
            value = item.get("input")
            shown = isinstance(value, (str, int, float, bool)) and kind != "value_error"
            problem = Problem(where, f"{text}, got {value!r}" if shown else text)
        if str(problem) not in seen:
            seen.add(str(problem))
            problems.append(problem)
    return tuple(problems)


def load_profiles(tables: Tables, scenario: Scenario | None = None) -> dict[str, Profile]:
    """Built-in profiles (``profiles/*.toml``) and those of the scenario, by name.

    Raises
    ------
    DataError, ScenarioError
        If a profile file or a profile of the scenario is not valid.
    """
    profiles: dict[str, Profile] = {}
    roots = [tables.shipped.path] + ([tables.user.path] if tables.user else [])
    for root in roots:
        for path in sorted((root / "profiles").glob("*.toml")):
            try:
                raw = tomllib.loads(path.read_text(encoding="utf-8"))
                profile = Profile.model_validate(raw)
            except ValidationError as error:
                message = f"{path}: not a valid profile"
                raise DataError(message, problems_of(error, Profile)) from None
            except (ValueError, RecursionError, OSError) as error:
                message = f"{path}: not readable as a profile: {error}"
                raise DataError(message) from None
            profiles[profile.name] = profile
    for name, raw in (scenario.profiles if scenario else {}).items():
        base_name = raw.get("base")
        base = {}
        if base_name is not None:
            if base_name not in profiles:
                near = difflib.get_close_matches(str(base_name), list(profiles), n=1)
                message = f"profiles.{name}.base: no profile is named '{base_name}'"
                hint = f"did you mean '{near[0]}'?" if near else f"profiles: {', '.join(profiles)}"
                raise ScenarioError(message, hint=hint)
            base = profiles[base_name].model_dump()
        try:
            own = {key: value for key, value in raw.items() if key != "base"}
            profiles[name] = Profile.model_validate({**base, **own, "name": name})
        except ValidationError as error:
            message = f"profiles.{name}: not a valid profile"
            raise ScenarioError(message, problems_of(error, Profile)) from None
    if scenario is not None:
        unknown = [w for w in scenario.workloads if w.profile not in profiles]
        if unknown:
            problems = []
            for workload in unknown:
                near = difflib.get_close_matches(workload.profile, list(profiles), n=1, cutoff=0.4)
                hint = f"did you mean '{near[0]}'?" if near else f"profiles: {', '.join(profiles)}"
                problems.append(
                    Problem(f"workloads '{workload.name}'.profile", f"no profile '{workload.profile}'", hint)
                )
            message = f"unknown profile{'s' if len(unknown) > 1 else ''}"
            raise ScenarioError(message, tuple(problems))
    return profiles
