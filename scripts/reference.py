"""Write the reference pages from the code: docs/commands.md, docs/scenario.md, docs/columns.md.

python scripts/reference.py
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import typing
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from dcsite.spec.columns import FACTS
from dcsite.spec.scenario import Scenario
from dcsite.spec.workload import Profile

ROOT = Path(__file__).resolve().parents[1]
WRITTEN = "Written by `scripts/reference.py` from the code; do not edit.\n"


def help_of(*command: str) -> str:
    """Help text of a command, 100 columns wide."""
    from dcsite.cli import app

    out = io.StringIO()
    before, sys.argv = sys.argv, ["dcsite", *command, "--help"]
    environment = dict(os.environ)
    os.environ.update(COLUMNS="100", NO_COLOR="1", TERM="dumb")
    try:
        with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
            app.main()
    finally:
        sys.argv = before
        os.environ.clear()
        os.environ.update(environment)
    return "\n".join(line.rstrip() for line in out.getvalue().strip("\n").split("\n"))


def command_names() -> list[tuple[str, ...]]:
    """All commands and subcommands in the order of the help page."""
    import typer.main

    from dcsite.cli.app import app

    def walk(group: Any, prefix: tuple[str, ...]) -> list[tuple[str, ...]]:  # noqa: ANN401
        found: list[tuple[str, ...]] = []
        for name, command in group.commands.items():
            inner = getattr(command, "commands", None)
            found += walk(command, (*prefix, name)) if inner else [(*prefix, name)]
        return found

    return walk(typer.main.get_command(app), ())


def commands_page() -> str:
    """Help of every command."""
    parts = ["# Commands\n", WRITTEN, "```text", help_of(), "```", ""]
    for name in command_names():
        parts += [f"## dcsite {' '.join(name)}\n", "```text", help_of(*name), "```", ""]
    return "\n".join(parts)


def kind(annotation: Any) -> str:  # noqa: ANN401
    """Type of a key in words."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return kind(arguments[0])
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (typing.Union, getattr(__import__("types"), "UnionType", None)):
        return " or ".join(kind(value) for value in arguments if value is not type(None))
    if origin is tuple:
        inner = [value for value in arguments if value is not Ellipsis]
        return f"list of {kind(inner[0])}" if Ellipsis in arguments else ", ".join(map(kind, inner))
    if origin is dict:
        return f"table of {kind(arguments[1])}"
    names = {str: "text", float: "number", int: "integer", bool: "true or false"}
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    return names.get(
        annotation, "any" if annotation is Any else str(getattr(annotation, "__name__", annotation))
    )


def bounds(field: Any) -> str:  # noqa: ANN401
    """Limits of a number."""
    found = []
    for entry in field.metadata:
        for name, sign in (("gt", "> "), ("ge", ">= "), ("lt", "< "), ("le", "<= ")):
            value = getattr(entry, name, None)
            if value is not None:
                found.append(f"{sign}{value:g}")
    return ", ".join(found)


def default(field: Any) -> str:  # noqa: ANN401
    """Default of a key as TOML would write it."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ((), {}) or isinstance(value, BaseModel):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(f'{part:g}' for part in value)}]"
    return f'"{value}"' if isinstance(value, str) else f"{value:g}"


def models_under(model: type[BaseModel], seen: dict[str, type[BaseModel]]) -> dict[str, type[BaseModel]]:
    """Model and all models in its fields, in order of appearance."""
    seen[model.__name__] = model

    def inner(annotation: Any) -> None:  # noqa: ANN401
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            if annotation.__name__ not in seen:
                models_under(annotation, seen)
            return
        for argument in typing.get_args(annotation):
            inner(argument)

    for field in model.model_fields.values():
        inner(field.annotation)
    return seen


def scenario_page() -> str:
    """All keys of a scenario and of a profile."""
    parts = [
        "# Scenario files\n",
        WRITTEN,
        "TOML; every key but `format` and `workloads` is optional, an unknown key is refused with a suggestion.",
        "`dcsite init` writes a commented file, `dcsite validate FILE` checks one, `dcsite schema` prints the JSON",
        "schema for editors.\n",
    ]
    models = models_under(Scenario, {})
    models_under(Profile, models)
    for name, model in models.items():
        parts += [f"## {name}\n", (model.__doc__ or "").strip().split("\n")[0] + "\n"]
        parts += ["| key | kind | default | limits | meaning |", "|---|---|---|---|---|"]
        for key, field in model.model_fields.items():
            text = (field.description or "").replace("|", "\\|")
            shown = kind(field.annotation).replace("|", "\\|")
            value = default(field)
            parts.append(
                f"| `{key}` | {shown} | {f'`{value}`' if value else ''} | {bounds(field)} | {text} |"
            )
        parts.append("")
    return "\n".join(parts)


def columns_page() -> str:
    """Columns of the facts."""
    parts = [
        "# Columns\n",
        WRITTEN,
        "Columns of the facts (`Evaluation.facts`), of rankings and of exported tables. The unit is the last part of",
        "the name; an empty cell is missing, never zero.\n",
        "| column | unit | meaning |",
        "|---|---|---|",
    ]
    parts += [f"| `{name}` | {unit} | {text} |" for name, (unit, text) in FACTS.items()]
    return "\n".join([*parts, ""])


def made() -> dict[str, str]:
    """Path of each page to its text."""
    return {
        "docs/commands.md": commands_page(),
        "docs/scenario.md": scenario_page(),
        "docs/columns.md": columns_page(),
    }


def main() -> int:
    """Write the pages."""
    for name, text in made().items():
        (ROOT / name).write_text(text, encoding="utf-8")
        print(f"wrote {name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
