"""Rank and compare an evaluation: the score, what subsidies do to it, and the sentences a reader needs."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dcsite.errors import DcsiteError
from dcsite.scoring import comparing
from dcsite.scoring import ranking as scoring
from dcsite.study import words
from dcsite.study.exclusions import whole_load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dcsite.data.tables import Tables
    from dcsite.physics.evaluation import Evaluation
    from dcsite.scoring.comparing import Comparison
    from dcsite.scoring.ranking import Method, Ranking


def rank(
    evaluation: Evaluation,
    weights: Mapping[str, float] | None = None,
    method: Method | None = None,
    *,
    workload: str | None = None,
    tables: Tables | None = None,
) -> Ranking:
    """Rank the sites of an evaluation for one workload, as if one site carried all of it.

    Parameters
    ----------
    evaluation
        The facts.
    weights, method, workload
        As :func:`dcsite.scoring.ranking.rank`.
    tables
        With the tables, subsidized tariffs are also ranked at the cost of supply: column
        ``rank_without_subsidies``.

    Raises
    ------
    DcsiteError
        If the workload is unknown or no site is left.
    """
    name = next(iter(evaluation.workloads)) if workload is None else workload
    result = _plain(evaluation, weights, method, name)
    table = result.table
    subsidized = table["subsidized"].astype(bool)
    if tables is not None and subsidized.any() and not evaluation.scenario.subsidy_removed:
        other = _without_subsidies(evaluation, tables, list(table.loc[subsidized, "site_id"]))
        second = _plain(other, weights, method, name).table.set_index("site_id")["rank"]
        table = table.assign(rank_without_subsidies=table["site_id"].map(second).astype("float64"))
    result = replace(result, table=table)
    return replace(result, notes=(*result.notes, *words.ranking_notes(evaluation, result)))


def _plain(
    evaluation: Evaluation, weights: Mapping[str, float] | None, method: Method | None, workload: str
) -> Ranking:
    if workload in evaluation.workloads:
        more = whole_load(
            evaluation.workloads[workload], evaluation.profiles[workload], evaluation.sites, evaluation.facts
        )
        if len(more):
            both = pd.concat([evaluation.excluded, more], ignore_index=True)
            evaluation = replace(evaluation, excluded=both)
    return scoring.rank(evaluation, weights, method, workload=workload)


def _without_subsidies(evaluation: Evaluation, tables: Tables, site_ids: Sequence[str]) -> Evaluation:
    """The same evaluation with the named sites at the cost of supply; only these are evaluated again."""
    from dcsite.study.evaluating import evaluate

    scenario = evaluation.scenario
    sites = scenario.sites.model_copy(update={"only": tuple(site_ids), "require": (), "existing": ()})
    changed = scenario.model_copy(update={"subsidy_removed": True, "sites": sites})
    other = evaluate(changed, tables, points=tuple(evaluation.extra.get("points", ())))
    again = set(site_ids)
    keep = ~evaluation.facts["site_id"].isin(again)
    facts = pd.concat(
        [evaluation.facts[keep], other.facts[other.facts["site_id"].isin(again)]], ignore_index=True
    )
    order = {site: number for number, site in enumerate(evaluation.sites["site_id"])}
    facts = facts.iloc[np.argsort(facts["site_id"].map(order).to_numpy(), kind="stable")].reset_index(
        drop=True
    )
    return replace(evaluation, facts=facts)


def compare(
    evaluation: Evaluation,
    site_ids: Sequence[str],
    *,
    workload: str | None = None,
    weights: Mapping[str, float] | None = None,
    tables: Tables | None = None,
) -> Comparison:
    """Put sites side by side for one workload: real units, cost waterfall, what flips the winner.

    Raises
    ------
    DcsiteError
        If none of the sites can carry the workload (with the reasons).
    """
    name = next(iter(evaluation.workloads)) if workload is None else workload
    try:
        ranking = rank(evaluation, weights, workload=name, tables=tables)
    except DcsiteError as error:
        reasons = evaluation.excluded[evaluation.excluded["workload"].isin(["", name])]
        told = "; ".join(f"{row.site_id}: {row.reason}" for row in reasons.itertuples())
        raise DcsiteError(error.message, error.problems, hint=told or error.hint) from None
    return comparing.compare_sites(ranking, list(site_ids))


def place_of(table: pd.DataFrame, site_id: str) -> float:
    """Rank of a site, NaN when it is not ranked."""
    found = table.loc[table["site_id"] == site_id, "rank"]
    return float(found.iloc[0]) if len(found) else math.nan


def disagreement(ranking: Ranking) -> float:
    """Rank correlation (Spearman) of score and annual cost; NaN with fewer than three costed sites."""
    table = ranking.table.dropna(subset=["cost_usd_per_mw_year"])
    if len(table) < 3:
        return math.nan
    cost_rank = table["cost_usd_per_mw_year"].rank().to_numpy()
    return float(np.corrcoef(table["rank"].to_numpy(dtype=float), cost_rank)[0, 1])
