"""What the doctor pays for stretching a family by one unit of its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


REPAIR: Final[Mapping[str, float]] = {
    "demand_region": 10.0,
    "demand_total": 10.0,
    "block_min": 3.0,
    "workload_sites": 30.0,
    "grid": 1.0,
    "grid_zone": 1.0,
    "land": 0.05,
    "water_site": 0.1,
    "water_basin": 0.1,
    "water_hour": 0.1,
    "sites_max": 20.0,
    "sites_min": 20.0,
    "technologies_max": 20.0,
    "required": 5.0,
    "budget": 0.02,
    "zone_share": 0.5,
    "share_max": 0.5,
    "share_min": 0.5,
    "accelerators": 0.005,
    "carbon_cap": 2.0,
    "carbon_intensity": 2.0,
    "coverage": 1.0,
    "latency_mean": 0.02,
    "survive_region": 3.0,
    "survive_total": 3.0,
}
"""Penalty per unit of a row when the doctor stretches a limit (a choice: about what a user would mind)."""
