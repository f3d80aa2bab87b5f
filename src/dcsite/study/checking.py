"""Whether a scenario can be evaluated: every name in it looked up in the tables, all faults at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dcsite.data.demand import load_market
from dcsite.data.policy import load_rules
from dcsite.data.scenario_file import load_profiles, load_scenario
from dcsite.errors import DcsiteError, Problem, ScenarioError
from dcsite.study.candidates import candidate_sites
from dcsite.study.cooling import check_technology
from dcsite.study.markets import needs_market

if TYPE_CHECKING:
    from pathlib import Path

    from dcsite.data.tables import Tables
    from dcsite.spec.scenario import Scenario

NO_RULES = "none"


def check_scenario(path: Path, tables: Tables) -> dict[str, Any]:
    """Read a scenario and look up its profiles, technologies, sites, markets and rules; evaluates nothing.

    Returns
    -------
    dict
        ``title, workloads, sites`` (numbers of them) and ``mw`` of a scenario that is in order.

    Raises
    ------
    ScenarioError
        With every fault: where, what was found, what would be right.
    """
    scenario = load_scenario(path)
    problems: list[Problem] = []
    count = 0
    try:
        sites, _, _ = candidate_sites(scenario, tables)
        count = len(sites)
    except DcsiteError as error:
        problems += _problems(error, "sites")
    try:
        profiles = load_profiles(tables, scenario)
    except DcsiteError as error:
        problems += _problems(error, "workloads")
    else:
        for place, workload in enumerate(scenario.workloads):
            resolved = workload.resolved(profiles[workload.profile])
            for technology in resolved.technologies:
                _try(
                    problems,
                    f"workloads[{place}].technologies",
                    lambda name=technology: check_technology(name),
                )
            if needs_market(scenario, workload, resolved):
                _try(
                    problems,
                    f"workloads[{place}].users",
                    lambda load=workload: load_market(
                        tables, load.users, load.demand, scenario.demand_points
                    ),
                )
    if scenario.technology is not None:
        _try(problems, "technology", lambda: check_technology(str(scenario.technology)))
    if scenario.rules != NO_RULES:
        _try(problems, "rules", lambda: load_rules(tables, scenario.rules))
    if problems:
        message = f"{path}: {len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise ScenarioError(message, tuple(problems))
    return {
        "title": scenario.title,
        "workloads": len(scenario.workloads),
        "sites": count,
        "it_mw": _mw(scenario),
    }


def _mw(scenario: Scenario) -> float:
    return sum(
        load.it_mw if load.it_mw is not None else max((load.it_mw_by_year or {0: 0.0}).values())
        for load in scenario.workloads
    )


def _try(problems: list[Problem], where: str, look_up: Any) -> None:  # noqa: ANN401
    try:
        look_up()
    except DcsiteError as error:
        problems += _problems(error, where)


def _problems(error: DcsiteError, where: str) -> list[Problem]:
    if error.problems:
        return list(error.problems)
    said = error.message.startswith(where)
    return [Problem("" if said else where, error.message, error.hint)]
