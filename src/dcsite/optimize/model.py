"""The siting model: which constraint families there are, in which order, and the problem that they make.

The columns are in :mod:`~dcsite.optimize.columns`, the objectives in :mod:`~dcsite.optimize.goals`, the families
in :mod:`~dcsite.optimize.families`; this module is the one place that puts them together, and the name under
which the rest of the program knows them. Units: M USD, MW, GWh, 1,000 m3, kt, 1,000 m2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dcsite.optimize.columns import Index, eligible_sites, make_columns
from dcsite.optimize.families import demand, jurisdiction, portfolio, resources, risk, service, survival, time
from dcsite.optimize.families.demand import block_room, strong_arc
from dcsite.optimize.families.penalties import REPAIR
from dcsite.optimize.families.portfolio import required_mw
from dcsite.optimize.goals import (
    carbon_vector,
    cost_vector,
    energy_vector,
    latency_vector,
    license_cost,
    objective,
    water_vector,
)
from dcsite.optimize.problem import Block, Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from dcsite.optimize.inputs import Inputs

    Family = Callable[[Inputs, Index, int], Block | None]

__all__ = [
    "FAMILIES",
    "REPAIR",
    "TIGHTENING",
    "Index",
    "block_room",
    "build",
    "carbon_vector",
    "cost_vector",
    "eligible_sites",
    "energy_vector",
    "latency_vector",
    "license_cost",
    "make_columns",
    "objective",
    "required_mw",
    "strong_arc",
    "water_vector",
]

FAMILIES: Final[tuple[Family, ...]] = (
    demand.demand_region,
    demand.demand_total,
    demand.serve_link,
    demand.pool_balance,
    demand.hall,
    demand.hall_max,
    demand.hall_min,
    demand.site_min,
    demand.strong_place,
    demand.block_min,
    demand.block_max,
    demand.block_open,
    demand.block_used,
    demand.least_blocks,
    demand.workload_sites,
    demand.used_low,
    demand.used_high,
    resources.grid,
    resources.grid_zone,
    resources.peak,
    resources.peak_min,
    resources.land,
    resources.water_site,
    resources.water_basin,
    resources.water_hour,
    portfolio.sites_max,
    portfolio.sites_min,
    portfolio.technologies_max,
    portfolio.required,
    portfolio.budget,
    portfolio.zone_share,
    jurisdiction.share_max,
    jurisdiction.share_min,
    jurisdiction.accelerators,
    service.carbon_cap,
    service.carbon_intensity,
    service.coverage,
    service.latency_mean,
    time.run_block,
    time.run_min,
    time.grow_open,
    time.grow_built,
    time.retire,
    time.no_migration,
    survival.survive_sum,
    survival.survive_total,
)
"""In the order of their rows. A new family is one function here, its check in ``verify.py``."""

TIGHTENING: Final = ("strong_place", "block_open", "block_used", "least_blocks")
"""Families that no plan needs: they only help the solver, and would be wrong once a limit is stretched."""


def build(inputs: Inputs, *, loose: bool = False) -> tuple[Problem, Index]:
    """Make the problem with every family that the scenario and its data call for (cuts and N-1 come later).

    With ``loose`` no bound of a variable repeats a limit, so that limits can be stretched row by row.
    """
    columns, index = make_columns(inputs, loose=loose)
    count = len(columns)
    blocks = tuple(
        block
        for block in (
            family(inputs, index, count)
            for family in FAMILIES
            if not (loose and family.__name__ in TIGHTENING)
        )
        if block is not None and len(block)
    )
    cost, offset = objective(inputs, index, count, inputs.scenario.objective.kind)
    problem = Problem(columns, blocks, inputs.names, offset).with_cost(cost, offset)
    problem = problem.with_block(time.modules(inputs, problem, index))
    if not loose:
        problem = risk.with_futures(problem, index, inputs)
    problem.check_scale()
    return problem, index
