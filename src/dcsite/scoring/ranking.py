"""Rankings: scores whose parts are visible, ties within the noise, effective weights, what flips a lead.

Weighted sum is the default; TOPSIS and PROMETHEE II stand beside it. The score runs from 0 to 100. Hard
limits are not scores: a site they remove is listed apart with its reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from dcsite.errors import DcsiteError, UsageError
from dcsite.scoring.criteria import BY_NAME, Criterion, criteria_of
from dcsite.scoring.pairwise import CONSISTENCY_LIMIT_RATIO, weights_of_judgments
from dcsite.scoring.weights import Weights, given_weights, scenario_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from dcsite.physics.evaluation import Evaluation
    from dcsite.spec.workload import Profile

Method = Literal["weighted_sum", "topsis", "promethee"]
SCORE_SCALE = 100.0
TIE_SIGMAS = 1.0
"""Two sites tie when their scores differ by less than this many standard deviations of the difference (a
choice). What their errors have in common, like the tariff row of one price zone, cancels."""

PROMETHEE_INDIFFERENCE = 0.05
"""Difference of two values that PROMETHEE takes for none. [-] (a choice)"""

PROMETHEE_PREFERENCE = 0.30
"""Difference of two values from which PROMETHEE prefers one outright. [-] (a choice)"""


@dataclass(frozen=True)
class Ranking:
    """Ranked sites of one workload.

    Attributes
    ----------
    table
        One row per ranked site, best first: ``rank, tie_group, site_id, name, technology, score``, one
        ``score_<criterion>`` per weighted criterion (they sum to ``score``), and the raw figures.
    weights, effective_weight
        Nominal weights, and the share of each criterion in the spread of the scores.
    criteria
        Criteria with the anchors in use.
    excluded
        Sites left out, with rule, reason and quality of the row behind it.
    """

    workload: str
    profile: Profile
    method: Method
    table: pd.DataFrame
    weights: Weights
    effective_weight: Mapping[str, float]
    criteria: Mapping[str, Criterion]
    excluded: pd.DataFrame
    notes: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


def values_matrix(frame: pd.DataFrame, criteria: list[Criterion]) -> NDArray[np.float64]:
    """Values (rows, criteria) between 0 and 1; NaN where a figure is missing."""
    return np.column_stack([criterion.value(frame) for criterion in criteria])


def weighted_sum(values: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Score between 0 and 100: the weighted sum of the values."""
    score: NDArray[np.float64] = SCORE_SCALE * (values @ weight)
    return score


def topsis(values: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """TOPSIS closeness on anchored values, with the anchors themselves as ideal points.

    Because the ideal and the anti-ideal are the anchors, not the best and worst of the sites at hand,
    a further site reorders nobody. [0-100]
    """
    weighted = values * weight
    to_best = np.sqrt(((weight - weighted) ** 2).sum(axis=1))
    to_worst = np.sqrt((weighted**2).sum(axis=1))
    closeness: NDArray[np.float64] = SCORE_SCALE * to_worst / (to_best + to_worst)
    return closeness


def promethee(values: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """PROMETHEE II net flow on anchored values, mapped to 0-100.

    Preference is 0 up to :data:`PROMETHEE_INDIFFERENCE`, 1 from :data:`PROMETHEE_PREFERENCE` on, linear
    between (without these two the flow would be the weighted sum again). A pairwise method: the flow of a
    site depends on the others at hand, and a further site may reorder.
    """
    count = len(values)
    if count < 2:
        return np.full(count, SCORE_SCALE / 2)
    flow = np.zeros(count)
    for column in range(values.shape[1]):
        difference = values[:, column][:, None] - values[:, column][None, :]
        strength = np.clip(
            (np.abs(difference) - PROMETHEE_INDIFFERENCE) / (PROMETHEE_PREFERENCE - PROMETHEE_INDIFFERENCE),
            0.0,
            1.0,
        )
        flow += weight[column] * (np.sign(difference) * strength).sum(axis=1) / (count - 1)
    result: NDArray[np.float64] = SCORE_SCALE * (1.0 + flow) / 2.0
    return result


METHODS: Mapping[str, Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]] = {
    "weighted_sum": weighted_sum,
    "topsis": topsis,
    "promethee": promethee,
}


def best_technology(
    frame: pd.DataFrame,
    criteria: Mapping[str, Criterion],
    weights: Weights,
    method: Method = "weighted_sum",
) -> pd.DataFrame:
    """Keep for each site the technology with the best score; of equal ones the one with least overhead, then by id.

    A technology is chosen against the others of its own site only: by TOPSIS under TOPSIS, by the weighted
    sum otherwise (a pairwise method would let other sites decide).

    Parameters
    ----------
    frame
        Rows of facts, one per (site, technology), without missing figures in the weighted criteria.

    Returns
    -------
    DataFrame
        One row per site, by id.
    """
    chosen = [name for name, value in weights.weight.items() if value > 0]
    values = values_matrix(frame, [criteria[name] for name in chosen])
    weight = np.array([weights.weight[name] for name in chosen])
    score = topsis(values, weight) if method == "topsis" else values @ weight
    order = frame.assign(
        _score=np.round(score, 12), _overhead=frame["overhead_mwh_per_mwh"].round(9)
    ).sort_values(["_score", "_overhead", "technology"], ascending=[False, True, True], kind="stable")
    return order.drop_duplicates("site_id").drop(columns=["_score", "_overhead"]).sort_values("site_id")


def rank(
    evaluation: Evaluation,
    weights: Mapping[str, float] | None = None,
    method: Method | None = None,
    *,
    workload: str | None = None,
) -> Ranking:
    """Rank the sites of an evaluation for one workload.

    Parameters
    ----------
    weights
        Weights by criterion (normalized here); default: derived from the profile (swing weights), or
        those of the scenario.
    method
        ``weighted_sum`` (default), ``topsis`` or ``promethee``.
    workload
        Name of the workload; may be omitted when there is only one.

    Raises
    ------
    DcsiteError
        If the workload is unknown, or no site is left to rank (with the reasons counted).
    """
    workload = workload_name(evaluation, workload)
    scenario = evaluation.scenario
    profile = evaluation.profiles[workload]
    chosen_method: Method = method or scenario.score.method
    if chosen_method not in METHODS:
        message = f"unknown method '{chosen_method}'"
        raise UsageError(message, hint=f"one of {', '.join(METHODS)}")
    criteria = criteria_of(scenario.score)
    asked = weights if weights is not None else scenario.score.weights
    has_users = workload in evaluation.markets
    notes: list[str] = []
    if asked is None and scenario.score.pairwise:
        asked, judged = weights_of_judgments(scenario.score.pairwise)
        notes.append(
            f"Weights from {len(scenario.score.pairwise)} pairwise judgments, consistency ratio "
            f"{judged.consistency_ratio:.2f}"
            + (
                "."
                if judged.consistent
                else f": above {CONSISTENCY_LIMIT_RATIO:.2f} the judgments contradict each other."
            )
        )
    if asked is None:
        derived = scenario_weights(profile, scenario, criteria=criteria, has_users=has_users)
    else:
        derived = given_weights(asked, criteria)
        if not has_users and derived.weight.get("latency", 0.0) > 0:
            others = {name: value for name, value in derived.weight.items() if name != "latency"}
            if sum(others.values()) <= 0:
                message = f"'{workload}' has no users, so latency alone cannot rank its sites"
                raise UsageError(message, hint="name a market (--users world), or weigh another criterion")
            derived = given_weights(others, criteria)
            notes.append(f"'{workload}' has no users: the weight of latency went to the other criteria")
    rows, excluded = eligible_rows(evaluation, workload, derived, criteria)
    best = best_technology(rows, criteria, derived, chosen_method)
    best = with_names(best, evaluation.sites)
    ranking = score_frame(best, workload, profile, derived, criteria, excluded, chosen_method)
    return replace(ranking, notes=(*notes, *ranking.notes))


def workload_name(evaluation: Evaluation, workload: str | None) -> str:
    """Check the name of a workload, or take the first.

    Raises
    ------
    DcsiteError
        If there is no such workload.
    """
    if workload is None:
        return next(iter(evaluation.workloads))
    if workload not in evaluation.workloads:
        message = f"no workload is named '{workload}'"
        raise UsageError(message, hint=f"workloads: {', '.join(evaluation.workloads)}")
    return workload


def eligible_rows(
    evaluation: Evaluation, workload: str, weights: Weights, criteria: Mapping[str, Criterion]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows that can be scored, and every other site with the reason.

    A site is out if a hard rule excludes it, if no technology is admissible, or if a figure that has weight
    is missing for every technology.

    Returns
    -------
    tuple
        Facts of (site, technology) without gaps in the weighted criteria, and the excluded sites:
        ``site_id, workload, rule, reason, quality``.

    Raises
    ------
    DcsiteError
        If nothing is left (with the reasons counted).
    """
    out = evaluation.excluded
    out = out[(out["workload"] == workload) | (out["workload"] == "")]
    rows = evaluation.of(workload).reset_index(drop=True)
    rows = rows[~rows["site_id"].isin(set(out["site_id"]))]
    admissible = rows["admissible"].astype(bool)
    more: list[dict[str, str]] = []
    refused = rows[~admissible & ~rows["site_id"].isin(set(rows.loc[admissible, "site_id"]))]
    for site_id, group in refused.groupby("site_id", sort=True):
        why = "; ".join(f"{row['technology']}: {row['refusal']}" for _, row in group.iterrows())
        more.append(_exclusion(str(site_id), workload, "no technology", f"no admissible technology ({why})"))
    rows = rows[admissible]
    for name, weight in weights.weight.items():
        if weight <= 0:
            continue
        criterion = criteria[name]
        known = rows.dropna(subset=[criterion.column])
        reason = f"no figure for {criterion.title.lower()} ({criterion.column})"
        more += [
            _exclusion(site_id, workload, "missing figure", reason)
            for site_id in sorted(set(rows["site_id"]) - set(known["site_id"]))
        ]
        rows = known
    if more:
        out = pd.concat([out, pd.DataFrame(more)], ignore_index=True) if len(out) else pd.DataFrame(more)
    if rows.empty:
        counts = out["rule"].value_counts() if len(out) else pd.Series(dtype=int)
        message = f"no site is left to rank for '{workload}'"
        reasons = ", ".join(f"{rule}: {count}" for rule, count in counts.items())
        raise DcsiteError(message, hint=f"excluded: {reasons}" if reasons else "no candidate sites")
    return rows.reset_index(drop=True), out


def _exclusion(site_id: str, workload: str, rule: str, reason: str) -> dict[str, str]:
    return {"site_id": site_id, "workload": workload, "rule": rule, "reason": reason, "quality": ""}


def with_names(frame: pd.DataFrame, sites: pd.DataFrame) -> pd.DataFrame:
    """Add what a reader knows a site by, where the facts do not carry it."""
    result = frame.reset_index(drop=True)
    for column in ("name", "country_iso3", "lat", "lon"):
        if column not in result and column in sites:
            result[column] = sites[column].reindex(result["site_id"]).to_numpy()
    return result


def score_frame(
    frame: pd.DataFrame,
    workload: str,
    profile: Profile,
    weights: Weights,
    criteria: Mapping[str, Criterion],
    excluded: pd.DataFrame,
    method: Method,
) -> Ranking:
    """Score and order rows of facts (one per site); used by :func:`rank` and by what-if questions."""
    used = [name for name, value in weights.weight.items() if value > 0]
    chosen = [criteria[name] for name in used]
    weight = np.array([weights.weight[name] for name in used])
    values = values_matrix(frame, chosen)
    score = METHODS[method](values, weight)
    table = frame.copy()
    contribution = SCORE_SCALE * values * weight
    if method != "weighted_sum":
        total = contribution.sum(axis=1, keepdims=True)
        contribution = (
            np.where(total > 0, contribution / np.where(total > 0, total, 1.0), 0.0) * score[:, None]
        )
    for position, name in enumerate(used):
        table[f"score_{name}"] = contribution[:, position]
        table[f"value_{name}"] = values[:, position]
    table["score"] = contribution.sum(axis=1) if method == "weighted_sum" else score
    spread = np.column_stack([criterion.spread(frame) for criterion in chosen])
    table["score_sd"] = SCORE_SCALE * np.sqrt(((spread * weight) ** 2).sum(axis=1))
    table = (
        table.assign(_round=table["score"].round(9))
        .sort_values(["_round", "site_id"], ascending=[False, True], kind="stable")
        .drop(columns="_round")
        .reset_index(drop=True)
    )
    table.insert(0, "rank", np.arange(1, len(table) + 1))
    table.insert(1, "tie_group", _tie_groups(table, chosen, weight))
    deviation = values.std(axis=0) * weight
    total_deviation = deviation.sum()
    effective = {
        name: float(deviation[position] / total_deviation) if total_deviation > 0 else 0.0
        for position, name in enumerate(used)
    }
    return Ranking(
        workload=workload,
        profile=profile,
        method=method,
        table=table,
        weights=weights,
        effective_weight=effective,
        criteria={name: criteria[name] for name in used},
        excluded=excluded.sort_values(["rule", "site_id"], kind="stable").reset_index(drop=True),
        notes=_saturation_notes(table, chosen),
    )


def _saturation_notes(table: pd.DataFrame, criteria: list[Criterion]) -> tuple[str, ...]:
    """Say where sites lie beyond an anchor: there the score no longer tells them apart."""
    notes = []
    for criterion in criteria:
        figure = table[criterion.column].to_numpy(dtype=np.float64)
        sign = 1.0 if criterion.worst > criterion.best else -1.0
        better = int(np.count_nonzero(sign * (figure - criterion.best) < 0))
        worse = int(np.count_nonzero(sign * (figure - criterion.worst) > 0))
        if better or worse:
            beyond = " and ".join(
                f"{count} beyond the {end} anchor ({value:g} {criterion.unit})"
                for count, end, value in (
                    (better, "best", criterion.best),
                    (worse, "worst", criterion.worst),
                )
                if count
            )
            notes.append(f"{criterion.title}: {beyond} of {len(table)} sites; there the score is flat.")
    return tuple(notes)


_Errors = list[tuple["NDArray[np.float64]", "NDArray[np.int64] | None", float]]


def _errors(table: pd.DataFrame, criteria: Sequence[Criterion], weight: NDArray[np.float64]) -> _Errors:
    """Per criterion: spread of the score [points], groups that share an error, shared part of its variance."""
    return [
        (SCORE_SCALE * share * criterion.spread(table), criterion.groups(table), criterion.shared_ratio)
        for criterion, share in zip(criteria, weight, strict=True)
    ]


def _difference_sd(errors: _Errors, position: int, start: int = 0) -> NDArray[np.float64]:
    """Standard deviation of the score differences of the rows from ``start`` on to the one at ``position``."""
    variance = np.zeros(len(errors[0][0]) - start)
    for spread, groups, shared in errors:
        variance += spread[start:] ** 2 + spread[position] ** 2
        if groups is not None:
            together = groups[start:] == groups[position]
            variance -= 2.0 * shared * together * spread[start:] * spread[position]
    if position >= start:
        variance[position - start] = 0.0
    return np.sqrt(np.maximum(variance, 0.0))


def difference_sd(
    table: pd.DataFrame, criteria: Sequence[Criterion], weight: NDArray[np.float64], position: int
) -> NDArray[np.float64]:
    """Standard deviation of each site's score difference to the site at ``position``. [points]

    Errors that two sites share (see :class:`Criterion`) cancel in the difference.

    Returns
    -------
    ndarray, shape (S,)
    """
    return _difference_sd(_errors(table, criteria, weight), position)


def _tie_groups(
    table: pd.DataFrame, criteria: Sequence[Criterion], weight: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Number groups of sites that the noise of the figures does not tell from the group's first."""
    score = table["score"].to_numpy(dtype=np.float64)
    errors = _errors(table, criteria, weight)
    groups = np.zeros(len(score), dtype=np.int64)
    leader, group = 0, 1
    while leader < len(score):
        noise = TIE_SIGMAS * _difference_sd(errors, leader, leader)
        apart = score[leader] - score[leader:] > noise + 1e-9
        end = leader + int(np.argmax(apart)) if apart.any() else len(score)
        groups[leader:end] = group
        leader, group = end, group + 1
    return groups


@dataclass(frozen=True)
class Flip:
    """One change of one figure that makes the runner-up equal the winner (closed form)."""

    criterion: str
    site_id: str
    column: str
    unit: str
    now: float
    needed: float


def flips(ranking: Ranking, winner: str, other: str) -> list[Flip]:
    """Single changes after which ``other`` scores as much as ``winner`` (weighted sum only).

    Scores are linear in each figure between the anchors, so the needed figure is exact; the technology of
    both sites stays. Changes that would have to go beyond an anchor are not listed: there the score is flat.
    """
    if ranking.method != "weighted_sum":
        return []
    table = ranking.table.set_index("site_id")
    gap = float(table.at[winner, "score"] - table.at[other, "score"]) / SCORE_SCALE
    found = []
    for name, criterion in ranking.criteria.items():
        step = gap / ranking.weights.weight[name]
        for site, sign in ((other, 1.0), (winner, -1.0)):
            value = float(table.at[site, f"value_{name}"]) + sign * step
            if not 0.0 <= value <= 1.0:
                continue
            now = float(table.at[site, criterion.column])
            needed = criterion.worst + value * (criterion.best - criterion.worst)
            found.append(Flip(name, site, criterion.column, criterion.unit, now, needed))
    return found


def worth_at_flip(ranking: Ranking, winner: str, other: str) -> float | None:
    """Worth of latency at which two sites score the same. [USD per rack-year]

    ``sum_c swing_c (v_c(winner) - v_c(other)) = 0`` is linear in the worth of latency. None when the weights
    were given, when reach is unknown or equal, or when no worth of 0 or more does it.
    """
    swing = dict(ranking.weights.swing_usd_per_rack_year)
    table = ranking.table.set_index("site_id")
    latency = ranking.criteria.get("latency", BY_NAME["latency"])
    if not swing or ranking.method != "weighted_sum" or latency.column not in table:
        return None
    pair = table.loc[[winner, other]]
    reach = latency.value(pair)
    slope = float(reach[0] - reach[1]) * abs(latency.worst - latency.best)
    if not abs(slope) > 1e-12:
        return None
    lead = sum(
        swing[name] * float(table.at[winner, f"value_{name}"] - table.at[other, f"value_{name}"])
        for name in ranking.criteria
        if name != "latency"
    )
    worth = -lead / slope
    return worth if worth >= 0 else None


def rack_kw_at_flip(ranking: Ranking, winner: str, other: str) -> float | None:
    """Rack power at which two sites score the same, the worth of latency staying. [kW]

    The order depends on worth over rack power alone, so the point is ``rack_kw x worth / worth at the flip``.
    None when :func:`worth_at_flip` has none, or the profile gives latency no worth.
    """
    at = worth_at_flip(ranking, winner, other)
    worth = ranking.profile.latency_worth_usd_per_rack_year
    if not at or worth <= 0:
        return None
    return ranking.profile.rack_kw * worth / at
