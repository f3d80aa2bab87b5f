"""Futures: the scenarios that a portfolio must stand, named and weighted, and what each changes of the question.

A future is whole: its market year holds for all zones at once, its carbon price for all sites. What it does
not name stays as the scenario has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field

from dcsite.spec.base import Model
from dcsite.spec.workload import Fraction, Name, NonNegative

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dcsite.spec.scenario import Scenario

RISK_KINDS: Final = ("expected", "cvar", "regret")
"""Objectives that look at several futures."""

PriceYear = Annotated[int, Field(strict=True, ge=2020, le=2025)]
PriceCase = Literal["listed", "low", "high"]


class Future(Model):
    """One future by name; unset keys stay as the scenario has them."""

    name: Name
    probability: Annotated[float, Field(strict=True, gt=0, le=1)] | None = Field(
        None, description="all futures or none; none: equally likely [-]"
    )
    price_year: PriceYear | None = Field(None, description="market year of all zones at once")
    price_case: PriceCase | None = None
    pass_through: Fraction | None = Field(
        None, description="share of the energy price that follows the market [-]"
    )
    carbon_price_usd_per_t: NonNegative | None = None
    subsidy_removed: bool | None = None
    connection_delay_years: NonNegative | None = None
    escalation: Literal["none", "5y", "10y"] | None = None


@dataclass(frozen=True)
class Case:
    """A future of a scenario: name, probability and the question as it stands then, with its cost as objective."""

    name: str
    chance_ratio: float
    scenario: Scenario


def check_futures(futures: Sequence[Future]) -> None:
    """Refuse names used twice and probabilities that do not add up.

    Raises
    ------
    ValueError
        With what is wrong.
    """
    names = [future.name for future in futures]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        message = f"scenarios: the name '{double[0]}' is used twice"
        raise ValueError(message)
    given = [future.probability for future in futures if future.probability is not None]
    if given and len(given) < len(futures):
        lacking = next(future.name for future in futures if future.probability is None)
        message = f"scenarios: '{lacking}' has no probability, others have; give all or none"
        raise ValueError(message)
    if given and abs(sum(given) - 1.0) > 1e-6:
        message = f"scenarios: the probabilities must sum to 1, got {sum(given):g}"
        raise ValueError(message)


def declared(scenario: Scenario) -> tuple[Future, ...]:
    """Futures that a scenario's objective declares: its list, or every combination of its axes."""
    objective = scenario.objective
    if objective.scenarios:
        return objective.scenarios
    axes = (objective.years, objective.carbon_prices_usd_per_t, objective.price_cases)
    if not any(axes):
        return ()
    found = []
    for year, carbon, end in product(*(axis or (None,) for axis in axes)):
        words = [
            *([] if year is None else [str(year)]),
            *([] if carbon is None else [f"carbon {carbon:g}"]),
            *([] if end is None else [str(end)]),
        ]
        found.append(
            Future(name=", ".join(words), price_year=year, carbon_price_usd_per_t=carbon, price_case=end)
        )
    return tuple(found)


def cases_of(scenario: Scenario) -> tuple[Case, ...]:
    """Every future of a scenario with its probability and its question; none unless the objective looks at them."""
    if scenario.objective.kind not in RISK_KINDS:
        return ()
    futures = declared(scenario)
    return tuple(
        Case(
            future.name,
            1.0 / len(futures) if future.probability is None else future.probability,
            under(scenario, future),
        )
        for future in futures
    )


def as_listed(scenario: Scenario) -> Scenario:
    """The same question at the listed facts, with its cost as objective."""
    objective = scenario.objective.model_copy(update={"kind": "cost", "scenarios": ()})
    return scenario.model_copy(update={"objective": objective})


def under(scenario: Scenario, future: Future) -> Scenario:
    """The question as it stands in one future.

    A market year reaches a load as far as its contract passes the market through: what the future says, else
    what the workload itself says, else ``objective.pass_through``.
    """
    plain = as_listed(scenario)
    changes = {
        name: getattr(future, name)
        for name in ("price_year", "price_case", "subsidy_removed", "connection_delay_years", "escalation")
        if getattr(future, name) is not None
    }
    objective = plain.objective
    if future.carbon_price_usd_per_t is not None:
        changed = {"carbon_price_usd_per_t": future.carbon_price_usd_per_t, "carbon_price_by_year": {}}
        objective = objective.model_copy(update=changed)
    loads = plain.workloads
    if future.price_year is not None or future.pass_through is not None:
        share = objective.pass_through if future.pass_through is None else future.pass_through
        loads = tuple(
            load.model_copy(update={"pass_through": share})
            if future.pass_through is not None or load.pass_through is None
            else load
            for load in loads
        )
    return plain.model_copy(update={**changes, "objective": objective, "workloads": loads})
