"""JSON schemas of what users write, generated from the models: for editors, validators and other programs."""

from __future__ import annotations

from typing import Any

from dcsite.spec.scenario import Scenario
from dcsite.spec.workload import Profile

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def scenario_schema() -> dict[str, Any]:
    """JSON schema of a scenario file (TOML has the same shape)."""
    return {"$schema": DIALECT, **Scenario.model_json_schema(), "title": "dcsite scenario, format 1"}


def profile_schema() -> dict[str, Any]:
    """JSON schema of a workload profile."""
    return {"$schema": DIALECT, **Profile.model_json_schema(), "title": "dcsite workload profile"}
