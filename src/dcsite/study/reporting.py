"""A whole report of a scenario or a run: facts, rankings, comparison, plan, spectrum and robustness together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dcsite.data.scenario_file import load_profiles
from dcsite.errors import DcsiteError
from dcsite.optimize.explain import why
from dcsite.optimize.highs import quiet_stdout
from dcsite.report.frames import Report, Table, frame_table
from dcsite.scoring.weights import scenario_weights
from dcsite.study.evaluating import evaluate
from dcsite.study.ranking import compare, rank
from dcsite.study.robust import AROUND, of_ranking
from dcsite.study.spectrum import spectrum

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dcsite.data.tables import Tables
    from dcsite.physics.evaluation import Evaluation
    from dcsite.scoring.comparing import Comparison
    from dcsite.scoring.ranking import Ranking
    from dcsite.spec.scenario import Scenario

MOST_COMPARED: Final = 6
"""A scenario that names at most so many sites gets them side by side."""

DRAWS: Final = 2_000
"""Draws behind the picture of rank acceptability in a report (a choice; ``dcsite robust`` draws more)."""


def profile_weights(tables: Tables, scenario: Scenario) -> dict[str, Mapping[str, float]]:
    """Weights of every profile, for the buttons of the page."""
    return {
        name: scenario_weights(profile, scenario).weight
        for name, profile in load_profiles(tables, scenario).items()
    }


def scenario_report(
    scenario: Scenario,
    tables: Tables,
    *,
    evaluation: Evaluation | None = None,
    plan: Any = None,  # noqa: ANN401  (any plan)
    compared: Sequence[str] = (),
    title: str = "",
    pictures: bool = True,
    solve_again: bool = False,
) -> Report:
    """Gather everything a report of a scenario shows.

    Parameters
    ----------
    evaluation
        The facts, if they are at hand; else they are made.
    plan
        A plan of the scenario.
    compared
        Site ids to put side by side; default the scenario's ``sites.only``, if few.
    pictures
        Also compute spectrum and rank acceptability.
    solve_again
        Also find the worth of each binding limit of the plan by solving one step on (slow).

    Returns
    -------
    Report
        Ready for :func:`dcsite.report.export.write_report`.

    Raises
    ------
    DcsiteError
        If a name is unknown, or no workload has a site left to rank and there is no plan.
    """
    facts = evaluate(scenario, tables) if evaluation is None else evaluation
    rankings: dict[str, Ranking] = {}
    comparisons: dict[str, Comparison] = {}
    notes: list[str] = []
    refused: DcsiteError | None = None
    ids = list(compared)
    if not ids and scenario.sites.only is not None and 1 < len(facts.sites) <= MOST_COMPARED:
        ids = [str(site_id) for site_id in facts.sites["site_id"]]
    for name in facts.workloads:
        try:
            rankings[name] = rank(facts, workload=name, tables=tables)
        except DcsiteError as error:
            refused = error
            notes.append(f"'{name}' is not ranked: {error.message}{f' ({error.hint})' if error.hint else ''}")
            continue
        if ids:
            try:
                comparisons[name] = compare(facts, ids, workload=name, tables=tables)
            except DcsiteError as error:
                notes.append(f"'{name}' is not compared: {error.message}")
    if not rankings and plan is None and refused is not None:
        raise refused
    return Report(
        title=title or scenario.title,
        evaluation=facts,
        rankings=rankings,
        comparisons=comparisons,
        plan=plan,
        tables=plan_worths(plan, honest=solve_again),
        presets=profile_weights(tables, scenario),
        pictures=_pictures(facts, tables, rankings) if pictures else {},
        notes=tuple(notes),
    )


WORTH_S: Final = 60.0
"""Processor seconds for each question to the solver."""

WORTH_SHOWN: Final = ("family", "label", "limit", "unit", "marginal_usd_per_unit")


def plan_worths(plan: Any, *, honest: bool = False) -> tuple[Table, ...]:  # noqa: ANN401
    """What the binding limits of a plan are worth; empty where the plan keeps no solver arrays.

    At the margin, from the linear program of the chosen sites (quick); with ``honest`` also from solving
    the whole question again one step on, which may choose other sites.
    """
    if getattr(plan, "solution", None) is None or plan.placements.empty:
        return ()
    with quiet_stdout():
        found = why(plan, honest=honest, time_limit_s=WORTH_S)
    frame = found.table
    shown = (*WORTH_SHOWN, "words") if honest else WORTH_SHOWN
    hidden = tuple(str(name) for name in frame.columns if name not in shown)
    title = "Worth of the binding limits, USD a year per unit, for this set of sites"
    title += "; then one step on, all chosen anew" if honest else ""
    return (frame_table(frame, "shadow_prices", title, hidden=hidden),) if len(frame) else ()


def _pictures(facts: Evaluation, tables: Tables, rankings: Mapping[str, Ranking]) -> dict[str, Any]:
    """Spectrum of each workload that serves users, rank acceptability of each ranking with a choice."""
    found: dict[str, Any] = {}

    def put(slot: str, value: Any, workload: str) -> None:  # noqa: ANN401
        found[f"{slot}:{workload}" if slot in found else slot] = value

    for name, ranking in rankings.items():
        has_worth = facts.profiles[name].latency_worth_usd_per_rack_year > 0
        if name in facts.markets and has_worth and not ranking.weights.given:
            put("spectrum", spectrum(facts, tables, workload=name), name)
    for name, ranking in rankings.items():
        if len(ranking.table) > 1 and ranking.method == "weighted_sum":
            put("acceptability", of_ranking(ranking, DRAWS, 0, concentration=AROUND), name)
    return found
