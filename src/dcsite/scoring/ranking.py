"""Rankings: scores whose parts are visible, ties within the noise, effective weights, comparisons.

Weighted sum is the default; TOPSIS and PROMETHEE II stand beside it. The score runs from 0 to 100.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from dcsite.errors import DcsiteError
from dcsite.scoring.criteria import BY_NAME, Criterion, with_anchors
from dcsite.scoring.weights import Weights, given_weights, swing_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from dcsite.physics.evaluation import Evaluation
    from dcsite.spec.workload import Profile

Method = Literal["weighted_sum", "topsis", "promethee"]
SCORE_SCALE = 100.0
TIE_SIGMAS = 1.0
"""Two sites tie when their scores differ by less than this many standard deviations of the difference."""


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
    """PROMETHEE II net flow with linear preference on anchored values, mapped to 0-100.

    A pairwise method: the flow of a site depends on the others at hand, and a further site may reorder.
    """
    count = len(values)
    if count < 2:
        return np.full(count, SCORE_SCALE / 2)
    flow = np.zeros(count)
    for column in range(values.shape[1]):
        difference = values[:, column][:, None] - values[:, column][None, :]
        flow += weight[column] * difference.sum(axis=1) / (count - 1)
    return SCORE_SCALE * (1.0 + flow) / 2.0


METHODS = {"weighted_sum": weighted_sum, "topsis": topsis, "promethee": promethee}


def best_technology(frame: pd.DataFrame, criteria: Mapping[str, Criterion], weights: Weights) -> pd.DataFrame:
    """Keep for each site the technology with the best score; equal ones by id.

    Technologies of a site differ in cooling, water, carbon and effective price only; the choice uses the
    weights of the profile, or the given ones when they weigh any of these criteria.
    """
    chosen = [name for name, value in weights.weight.items() if value > 0]
    values = values_matrix(frame, [criteria[name] for name in chosen])
    weight = np.array([weights.weight[name] for name in chosen])
    score = np.nansum(values * weight, axis=1)
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
    scenario = evaluation.scenario
    if workload is None:
        workload = next(iter(evaluation.workloads))
    if workload not in evaluation.workloads:
        message = f"no workload is named '{workload}'"
        raise DcsiteError(message, hint=f"workloads: {', '.join(evaluation.workloads)}")
    profile = evaluation.profiles[workload]
    criteria = with_anchors(scenario.score.anchors)
    asked = weights if weights is not None else scenario.score.weights
    derived = (
        given_weights(asked)
        if asked is not None
        else swing_weights(
            profile,
            criteria=criteria,
            has_users=workload in evaluation.markets,
            water_value_usd_per_m3=scenario.water_value_usd_per_m3,
        )
    )
    used = [name for name, value in derived.weight.items() if value > 0]
    rows = evaluation.of(workload)
    rows = rows[rows["admissible"]].reset_index(drop=True)
    excluded = evaluation.excluded
    excluded = excluded[(excluded["workload"] == workload) | (excluded["workload"] == "")]
    rows = rows[~rows["site_id"].isin(set(excluded["site_id"]))]
    extra_excluded: list[dict[str, str]] = []
    for name in used:
        known = rows.dropna(subset=[criteria[name].column])
        extra_excluded += [
            {
                "site_id": site_id,
                "workload": workload,
                "rule": "missing figure",
                "reason": f"no figure for {criteria[name].title.lower()} ({criteria[name].column})",
                "quality": "",
            }
            for site_id in sorted(set(rows["site_id"]) - set(known["site_id"]))
        ]
        rows = known
    if extra_excluded:
        excluded = pd.concat([excluded, pd.DataFrame(extra_excluded)], ignore_index=True)
    if rows.empty:
        counts = excluded["rule"].value_counts()
        message = f"no site is left to rank for '{workload}'"
        reasons = ", ".join(f"{rule}: {count}" for rule, count in counts.items())
        raise DcsiteError(message, hint=f"excluded: {reasons}" if reasons else "no candidate sites")
    best = best_technology(rows, criteria, derived)
    return score_frame(best, workload, profile, derived, criteria, excluded, method or scenario.score.method)


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
    table.insert(1, "tie_group", _tie_groups(table["score"].to_numpy(), table["score_sd"].to_numpy()))
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
    )


def _tie_groups(score: NDArray[np.float64], deviation: NDArray[np.float64]) -> NDArray[np.int64]:
    """Number groups of sites that the noise of the figures does not tell from the group's first."""
    groups = np.zeros(len(score), dtype=np.int64)
    leader = 0
    group = 1
    for position in range(len(score)):
        noise = TIE_SIGMAS * np.hypot(deviation[leader], deviation[position])
        if score[leader] - score[position] > noise:
            leader = position
            group += 1
        groups[position] = group
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

    Scores are linear in each figure between the anchors, so the needed figure is exact; changes that
    would leave the anchors are not listed.
    """
    if ranking.method != "weighted_sum":
        return []
    table = ranking.table.set_index("site_id")
    gap = float(table.at[winner, "score"] - table.at[other, "score"]) / SCORE_SCALE
    found = []
    for name, criterion in ranking.criteria.items():
        weight = ranking.weights.weight[name]
        step = gap / weight
        for site, sign in ((other, 1.0), (winner, -1.0)):
            value = float(table.at[site, f"value_{name}"]) + sign * step
            raw = float(table.at[site, criterion.column])
            lowest, highest = sorted((criterion.best, criterion.worst))
            if not (0.0 <= value <= 1.0 and lowest <= raw <= highest):
                continue
            needed = criterion.worst + value * (criterion.best - criterion.worst)
            found.append(Flip(name, site, criterion.column, criterion.unit, raw, needed))
    return found


def worth_at_flip(ranking: Ranking, winner: str, other: str) -> float | None:
    """Worth of latency at which two sites score the same. [USD per rack-year]

    ``sum_c swing_c (v_c(winner) - v_c(other)) = 0`` is linear in the latency swing. None when the weights
    were given, when reach is equal, or when the break point is negative.
    """
    swing = dict(ranking.weights.swing_usd_per_rack_year)
    if not swing or "latency" not in BY_NAME:
        return None
    table = ranking.table.set_index("site_id")
    difference = 0.0
    for name in ranking.criteria:
        if name != "latency":
            difference += swing[name] * float(
                table.at[winner, f"value_{name}"] - table.at[other, f"value_{name}"]
            )
    if "value_latency" not in table:
        return None
    slope = float(table.at[winner, "value_latency"] - table.at[other, "value_latency"])
    if abs(slope) < 1e-12:
        return None
    worth = -difference / slope
    return worth if worth >= 0 else None
