"""How sure a ranking is: over weights, over the uncertainty of the facts, and exactly where that is possible.

Stochastic multicriteria acceptability analysis (SMAA-2) of the weighted sum: the share of draws in which a
site takes each rank, the mean weights of the draws it wins, and how often it wins with these weights when
only the facts are drawn. Beside it, without chance: best and worst possible rank over all weights, the
smallest weight move that makes the runner-up win, stability ranges, dominance.

What is drawn together. A fact's error is ``sd * (sqrt(share) * common + sqrt(1 - share) * own)``, where
``common`` is one standard normal number per group and draw; groups and shares are those of the criteria. The own errors of cooling
and water are one number per site: a year hotter than usual asks for more of both. Where a row states a low
and a high end, falls and rises have their own ``sd`` (a split normal). The technology of a site
stays the one that the nominal ranking chose.

References
----------
Lahdelma, R. and Salminen, P. (2001). SMAA-2: stochastic multicriteria acceptability analysis for group
decision making. Operations Research 49(3), 444-454.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dcsite.errors import UsageError
from dcsite.scoring.ranking import values_matrix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from dcsite.scoring.ranking import Ranking

CHUNK_DRAWS = 500
CONFIDENCE_DRAWS = 2_000
EXACT_SITES = 10
REJECTION_ROUNDS = 20
CHAIN_STEPS_PER_WEIGHT = 60
TIE = 1e-5
"""Scores (0-1) closer than this count as equal in the exact ranks; ten times what the solver tolerates. [-]"""

WEATHER = ("cooling", "water")
"""Criteria whose own errors are the weather of the site: one number for all of them."""


@dataclass(frozen=True)
class WeightMove:
    """Smallest total weight to move so that the runner-up scores as much as the winner.

    Attributes
    ----------
    moves
        (from criterion, to criterion, weight moved).
    total_ratio
        Sum of the moves; the weights sum to 1. [-]
    weights
        Weights after the move.
    """

    winner: str
    other: str
    moves: tuple[tuple[str, str, float], ...]
    total_ratio: float
    weights: Mapping[str, float]


@dataclass(frozen=True)
class Robustness:
    """How sure a ranking is.

    Attributes
    ----------
    table
        One row per site in nominal order: ``site_id, name, rank, first_ratio`` (rank acceptability of rank 1),
        ``top3_ratio, top10_ratio, mean_rank, rank_p05, rank_p95, confidence_ratio,
        central_weight_<criterion>`` (NaN where the site never wins), ``can_win`` (whether some weights
        make it first, facts as they are), ``best_rank, worst_rank`` (blank where not asked for),
        ``dominated_by`` (number of sites that dominate it).
    acceptability
        Share of draws, shape (S, S): row a site in nominal order, column a rank. Rows and columns sum to 1.
    stability
        One row per criterion: ``criterion, weight, low, high`` and who wins beyond either end, when this
        weight alone changes and the others keep their proportions.
    move
        Smallest weight move that flips first and second place; None when no weights do, or one site.
    dominance
        Pairs ``site_id, dominated``: at least as good in every weighted criterion and better in one.
    worlds
        Of price years: one row per year with the winner under the nominal weights, its price and the rank of
        the nominal winner; else empty.
    """

    workload: str
    draws: int
    seed: int
    weights_drawn: str
    facts_drawn: bool
    table: pd.DataFrame
    acceptability: NDArray[np.float64]
    stability: pd.DataFrame
    move: WeightMove | None
    dominance: pd.DataFrame
    notes: tuple[str, ...] = ()
    worlds: pd.DataFrame = field(default_factory=pd.DataFrame)


@dataclass(frozen=True)
class _Problem:
    """Sites in id order, so that ties go to the first id."""

    site_ids: tuple[str, ...]
    names: tuple[str, ...]
    weight: NDArray[np.float64]
    raw: NDArray[np.float64]
    spread: NDArray[np.float64]
    groups: tuple[tuple[NDArray[np.int64], float] | None, ...]
    sign: NDArray[np.float64]
    sides: tuple[tuple[NDArray[np.float64], NDArray[np.float64]] | None, ...]
    worlds: tuple[NDArray[np.float64] | None, ...]

    @property
    def values(self) -> NDArray[np.float64]:
        return np.clip(self.raw, 0.0, 1.0)


def _problem(ranking: Ranking, worlds: Mapping[str, NDArray[np.float64]] | None = None) -> _Problem:
    order = np.argsort(ranking.table["site_id"].astype(str).to_numpy(), kind="stable")
    frame = ranking.table.iloc[order].reset_index(drop=True)
    names = tuple(ranking.criteria)
    raw = []
    groups: list[tuple[NDArray[np.int64], float] | None] = []
    for name in names:
        criterion = ranking.criteria[name]
        figure = frame[criterion.column].to_numpy(dtype=np.float64)
        raw.append((figure - criterion.worst) / (criterion.best - criterion.worst))
        codes = criterion.groups(frame)
        groups.append(None if codes is None else (codes, criterion.shared_ratio))
    others: list[NDArray[np.float64] | None] = []
    for place, name in enumerate(names):
        figures = (worlds or {}).get(name)
        if figures is None:
            others.append(None)
            continue
        criterion = ranking.criteria[name]
        values = (figures[:, order] - criterion.worst) / (criterion.best - criterion.worst)
        others.append(np.where(np.isnan(values), raw[place], values))
    return _Problem(
        site_ids=tuple(frame["site_id"].astype(str)),
        names=names,
        weight=np.array([ranking.weights.weight[name] for name in names]),
        raw=np.column_stack(raw),
        spread=np.column_stack([ranking.criteria[name].spread(frame) for name in names]),
        groups=tuple(groups),
        sides=tuple(ranking.criteria[name].sides(frame) for name in names),
        worlds=tuple(others),
        sign=np.array(
            [np.sign(ranking.criteria[name].best - ranking.criteria[name].worst) for name in names]
        ),
    )


def draw_weights(
    count: int,
    weight: NDArray[np.float64],
    rng: np.random.Generator,
    *,
    concentration: float | None = None,
    intervals: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Draw weights on the simplex.

    Parameters
    ----------
    weight : ndarray, shape (K,)
        Nominal weights.
    concentration
        None: uniform over the simplex. Otherwise Dirichlet with the nominal weights as mean and this sum
        of parameters; larger is closer to the nominal weights; ``inf`` returns them.
    intervals : ndarray, shape (K, 2), optional
        Low and high end per weight: uniform over the part of the simplex within.

    Returns
    -------
    ndarray, shape (count, K)

    Raises
    ------
    UsageError
        If the intervals leave (next to) no weights that sum to 1.
    """
    size = len(weight)
    if intervals is None:
        if concentration is None:
            return rng.dirichlet(np.ones(size), count)
        if np.isinf(concentration):
            return np.tile(weight, (count, 1))
        return rng.dirichlet(np.maximum(weight * concentration, 1e-9), count)
    low, high = intervals[:, 0], intervals[:, 1]
    free = 1.0 - low.sum()
    if free < -TIE or high.sum() < 1.0 - TIE or (low > high).any():
        message = "no weights within the intervals sum to 1"
        raise UsageError(message, hint=f"the low ends sum to {low.sum():g}, the high ends to {high.sum():g}")
    # What the other weights leave: an end that no weights on the simplex can reach is no end.
    least = np.maximum(low, 1.0 - (high.sum() - high))
    most = np.minimum(high, 1.0 - (low.sum() - low))
    loose = most - least > TIE
    start = least + (1.0 - least.sum()) / max(float((most - least).sum()), TIE) * (most - least)
    drawn = np.tile(start, (count, 1))
    if loose.sum() < 2:
        return drawn
    rest = 1.0 - float(start[~loose].sum())
    drawn[:, loose] = _draw_in_box(count, least[loose], most[loose], rest, rng)
    return drawn


def _draw_in_box(
    count: int, low: NDArray[np.float64], high: NDArray[np.float64], total: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Uniform draws of ``low <= x <= high`` with sum ``total``, shape (count, K).

    Rejection from the enclosing simplex; where it keeps too little, every draw becomes a chain that
    redivides random pairs of weights evenly between their ends (the uniform distribution is what such
    chains settle in).
    """
    size = len(low)
    free = total - low.sum()
    kept: list[NDArray[np.float64]] = []
    have = 0
    for _ in range(REJECTION_ROUNDS):
        tries = low + free * rng.dirichlet(np.ones(size), max(count, 1000))
        kept.append(tries[(tries <= high + 1e-12).all(axis=1)])
        have += len(kept[-1])
        if have >= count:
            return np.concatenate(kept)[:count]
    start = low + free / float((high - low).sum()) * (high - low)
    drawn = np.tile(start, (count, 1))
    for _ in range(CHAIN_STEPS_PER_WEIGHT * size):
        one, other = rng.choice(size, 2, replace=False)
        both = drawn[:, one] + drawn[:, other]
        bottom = np.maximum(low[one], both - high[other])
        top = np.minimum(high[one], both - low[other])
        drawn[:, one] = bottom + (top - bottom) * rng.random(count)
        drawn[:, other] = both - drawn[:, one]
    return drawn


def _draw_values(
    problem: _Problem, count: int, rng: np.random.Generator, *, facts: bool
) -> Iterator[tuple[int, NDArray[np.floating[Any]]]]:
    """Yield (first draw, values (draws, S, K)) in chunks of a fixed size, so that results depend on the seed only.

    Where there are whole worlds, each draw takes one for all sites.
    """
    sites, size = problem.raw.shape
    known = [len(figures) for figures in problem.worlds if figures is not None]
    for first in range(0, count, CHUNK_DRAWS):
        chunk = min(CHUNK_DRAWS, count - first)
        world = rng.integers(known[0], size=chunk) if known else None
        if not facts:
            plain = np.broadcast_to(problem.values, (chunk, sites, size))
            if world is not None:
                plain = plain.copy()
                for column, figures in enumerate(problem.worlds):
                    if figures is not None:
                        plain[:, :, column] = np.clip(figures[world], 0.0, 1.0)
            yield first, plain
            continue
        values = np.empty((size, chunk, sites), dtype=np.float32)
        weather: NDArray[np.float32] | None = None
        for column, name in enumerate(problem.names):
            group = problem.groups[column]
            share = group[1] if group is not None else 0.0
            error = np.zeros((chunk, sites), dtype=np.float32)
            if share < 1.0:
                if name in WEATHER and weather is not None:
                    own = weather
                else:
                    own = rng.standard_normal((chunk, sites), dtype=np.float32)
                    weather = own if name in WEATHER else weather
                error += np.float32(np.sqrt(1.0 - share)) * own
            if group is not None:
                common = rng.standard_normal((chunk, int(group[0].max()) + 1), dtype=np.float32)
                error += np.float32(np.sqrt(share)) * common[:, group[0]]
            # A higher figure is a lower value, or the other way around: the sign keeps errors in real units.
            sides = problem.sides[column]
            if sides is None:
                error *= (problem.sign[column] * problem.spread[:, column]).astype(np.float32)
            else:
                fall, rise = (np.float32(problem.sign[column]) * side.astype(np.float32) for side in sides)
                error *= np.where(error < 0, fall, rise)
            figures = problem.worlds[column]
            middle = problem.raw[:, column] if figures is None or world is None else figures[world]
            error += middle.astype(np.float32)
            np.clip(error, 0.0, 1.0, out=values[column])
        yield first, values.transpose(1, 2, 0)


def robustness(
    ranking: Ranking,
    draws: int = 10_000,
    seed: int = 0,
    *,
    concentration: float | None = None,
    intervals: Mapping[str, tuple[float, float]] | None = None,
    facts: bool = True,
    exact_sites: Sequence[str] | None = None,
    worlds: Mapping[str, NDArray[np.float64]] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Robustness:
    """Acceptability of every rank, central weights, confidence, and the exact figures.

    Parameters
    ----------
    ranking
        A weighted-sum ranking.
    draws, seed
        Number of draws; the same seed gives the same result.
    concentration
        None draws weights uniformly over all weights of the ranked criteria; a number draws around the
        nominal weights (Dirichlet with this sum of parameters); ``inf`` keeps them.
    intervals
        Criterion to (low, high) weight; criteria that are not named run from 0 to 1.
    facts
        Whether the figures are drawn within their own spread.
    exact_sites
        Sites for best and worst possible rank (one small MILP each); default the first ten.
    worlds
        Criterion to figures in whole worlds, shape (worlds, sites in the order of the ranking), in the
        criterion's unit, for example the prices of market years. Each draw takes one world for all sites, and
        the errors are drawn around it; the exact figures stay those of the ranking.
    progress
        Called with finished and all draws.

    Raises
    ------
    UsageError
        If the ranking is not a weighted sum, a criterion is unknown, or no weights fit the intervals.
    """
    if ranking.method != "weighted_sum":
        message = f"robustness is defined for the weighted sum, not for {ranking.method}"
        raise UsageError(message)
    if draws < 1:
        message = f"draws must be at least 1, got {draws}"
        raise UsageError(message)
    if concentration is not None and not concentration > 0:
        message = f"concentration must be above 0, got {concentration:g}"
        raise UsageError(message)
    if concentration is not None and intervals:
        message = "weights are drawn either within intervals or around the nominal ones, not both"
        raise UsageError(message)
    problem = _problem(ranking, worlds)
    box = _intervals(problem.names, intervals)
    rng = np.random.default_rng(seed)
    weights = draw_weights(
        draws, problem.weight, rng, concentration=concentration, intervals=box if intervals else None
    )
    counts, central = _acceptability(problem, weights, rng, facts=facts, progress=progress)
    confidence = _confidence(problem, central, min(draws, CONFIDENCE_DRAWS), seed, facts=facts)
    position = {site: number for number, site in enumerate(problem.site_ids)}
    order = np.array([position[str(site)] for site in ranking.table["site_id"]])
    share = counts[order] / draws
    total = np.cumsum(share, axis=1)
    ranks = np.arange(1, len(order) + 1)
    dominated = dominance_matrix(problem.values)
    first = share[:, 0]
    table = pd.DataFrame(
        {
            "site_id": ranking.table["site_id"].to_numpy(),
            "name": (
                ranking.table["name"] if "name" in ranking.table else ranking.table["site_id"]
            ).to_numpy(),
            "rank": ranking.table["rank"].to_numpy(),
            "first_ratio": first,
            "top3_ratio": total[:, min(2, len(order) - 1)],
            "top10_ratio": total[:, min(9, len(order) - 1)],
            "mean_rank": share @ ranks,
            "rank_p05": 1 + (total < 0.05 - 1e-12).sum(axis=1),
            "rank_p95": 1 + (total < 0.95 - 1e-12).sum(axis=1),
            "confidence_ratio": confidence[order],
        }
    )
    for column, name in enumerate(problem.names):
        table[f"central_weight_{name}"] = central[order, column]
    winners = potential_winners(problem.values, box)
    table["can_win"] = winners[order]
    asked = list(ranking.table["site_id"][:EXACT_SITES]) if exact_sites is None else list(exact_sites)
    unknown = [site for site in asked if site not in position]
    if unknown:
        message = f"'{unknown[0]}' is not in the ranking of '{ranking.workload}'"
        raise UsageError(message)
    extremes = {site: rank_range(problem.values, position[site], box) for site in asked}
    table["best_rank"] = pd.array([extremes.get(s, (None, None))[0] for s in table["site_id"]], dtype="Int64")
    table["worst_rank"] = pd.array(
        [extremes.get(s, (None, None))[1] for s in table["site_id"]], dtype="Int64"
    )
    table["dominated_by"] = dominated.sum(axis=0)[order]
    better, worse = np.nonzero(dominated[np.ix_(order, order)])
    ids = ranking.table["site_id"].to_numpy()
    drawn = (
        "within intervals"
        if intervals
        else "uniform"
        if concentration is None
        else f"Dirichlet, {concentration:g}"
    )
    return Robustness(
        workload=ranking.workload,
        draws=draws,
        seed=seed,
        weights_drawn=drawn,
        facts_drawn=facts,
        table=table,
        acceptability=share,
        stability=weight_stability(ranking),
        move=smallest_weight_move(ranking),
        dominance=pd.DataFrame({"site_id": ids[better], "dominated": ids[worse]}),
    )


def _intervals(
    names: tuple[str, ...], intervals: Mapping[str, tuple[float, float]] | None
) -> NDArray[np.float64]:
    box = np.tile([0.0, 1.0], (len(names), 1))
    for name, (low, high) in (intervals or {}).items():
        if name not in names:
            message = f"'{name}' is not among the weighted criteria"
            raise UsageError(message, hint=f"weighted criteria: {', '.join(names)}")
        if not 0 <= low <= high <= 1:
            message = f"the interval of {name} must lie in 0..1, got {low:g}..{high:g}"
            raise UsageError(message)
        box[names.index(name)] = (low, high)
    return box


def _acceptability(
    problem: _Problem,
    weights: NDArray[np.float64],
    rng: np.random.Generator,
    *,
    facts: bool,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Counts (S, ranks) and central weights (S, K), NaN where a site never wins."""
    sites, size = problem.raw.shape
    counts = np.zeros(sites * sites, dtype=np.int64)
    sums = np.zeros((sites, size))
    place = np.arange(sites)
    for first, values in _draw_values(problem, len(weights), rng, facts=facts):
        weight = weights[first : first + len(values)]
        score = np.zeros(values.shape[:2])
        for column in range(size):
            score += values[:, :, column] * weight[:, column, None]
        order = np.argsort(np.round(-score, 9), axis=1, kind="stable")
        counts += np.bincount((order * sites + place).ravel(), minlength=sites * sites)
        np.add.at(sums, order[:, 0], weight)
        if progress is not None:
            progress(first + len(values), len(weights))
    table = counts.reshape(sites, sites).astype(np.float64)
    wins = table[:, 0]
    central = np.full((sites, size), np.nan)
    central[wins > 0] = sums[wins > 0] / wins[wins > 0, None]
    return table, central


def _confidence(
    problem: _Problem, central: NDArray[np.float64], draws: int, seed: int, *, facts: bool
) -> NDArray[np.float64]:
    """Share of fact draws that a site wins with its central weights (S,); 0 where it never wins."""
    sites = len(central)
    result = np.zeros(sites)
    winners = np.flatnonzero(~np.isnan(central[:, 0]))
    if not facts and all(figures is None for figures in problem.worlds):
        draws = 1
    hits = np.zeros(len(winners))
    weight = central[winners].T.astype(np.float32 if facts else np.float64)
    for _, values in _draw_values(problem, draws, np.random.default_rng([seed, 1]), facts=facts):
        for number in range(len(winners)):
            score = np.zeros(values.shape[:2], dtype=weight.dtype)
            for column in range(len(weight)):
                score += values[:, :, column] * weight[column, number]
            hits[number] += np.count_nonzero(score.argmax(axis=1) == winners[number])
    result[winners] = hits / draws
    return result


def dominance_matrix(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether row i is at least as good as row j everywhere and better somewhere, shape (S, S)."""
    at_least = np.ones((len(values), len(values)), dtype=bool)
    better = np.zeros_like(at_least)
    for column in range(values.shape[1]):
        difference = values[:, column][:, None] - values[:, column][None, :]
        at_least &= difference >= 0
        better |= difference > 0
    return at_least & better


def potential_winners(
    values: NDArray[np.float64], intervals: NDArray[np.float64] | None = None
) -> NDArray[np.bool_]:
    """Whether some weights put a site first, ties included (one LP per site that none dominates), shape (S,)."""
    from scipy.optimize import linprog  # here: a plain ranking does without this slow import

    sites, size = values.shape
    box = np.tile([0.0, 1.0], (size, 1)) if intervals is None else intervals
    result = np.zeros(sites, dtype=bool)
    at_most = dominance_matrix(values)
    strictly = (values[:, None, :] > values[None, :, :]).all(axis=2).any(axis=0)
    rivals = np.flatnonzero(~at_most.any(axis=0))
    for site in np.flatnonzero(~strictly):
        against = values[rivals] - values[site]
        outcome: Any = linprog(
            np.append(np.zeros(size), -1.0),
            A_ub=np.column_stack([against, np.ones(len(rivals))]),
            b_ub=np.zeros(len(rivals)),
            A_eq=np.append(np.ones(size), 0.0)[None, :],
            b_eq=[1.0],
            bounds=[*map(tuple, box), (-1.0, 1.0)],
            method="highs",
        )
        result[site] = outcome.status == 0 and -outcome.fun >= -1e-9
    return result


def rank_range(
    values: NDArray[np.float64], site: int, intervals: NDArray[np.float64] | None = None
) -> tuple[int, int]:
    """Best and worst rank of a site over all weights, exactly; equal scores (within 1e-5) count for the site.

    Minimizes and maximizes the number of sites in front, with one 0-1 variable per site that neither
    dominates nor is dominated (HiGHS through :func:`scipy.optimize.milp`).

    Parameters
    ----------
    values : ndarray, shape (S, K)
        Values between 0 and 1.
    intervals : ndarray, shape (K, 2), optional
        Low and high end of each weight.

    Raises
    ------
    UsageError
        If no weights fit the intervals.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    size = values.shape[1]
    box = np.tile([0.0, 1.0], (size, 1)) if intervals is None else intervals
    difference = np.delete(values - values[site], site, axis=0)
    never = (difference <= TIE).all(axis=1)
    difference = difference[~never]
    count = len(difference)
    if count == 0:
        return 1, 1
    simplex = LinearConstraint(np.append(np.ones(size), np.zeros(count))[None, :], 1.0, 1.0)
    bounds = Bounds(np.append(box[:, 0], np.zeros(count)), np.append(box[:, 1], np.ones(count)))
    kinds = np.append(np.zeros(size), np.ones(count))
    cost = np.append(np.zeros(size), np.ones(count))
    eye = np.eye(count)
    in_front = LinearConstraint(np.column_stack([difference, -eye]), -np.inf, TIE / 2)
    behind = LinearConstraint(np.column_stack([difference, -(1.0 + TIE) * eye]), -1.0, np.inf)
    ranks = []
    for sign, rule in ((1.0, in_front), (-1.0, behind)):
        outcome: Any = milp(sign * cost, constraints=[simplex, rule], bounds=bounds, integrality=kinds)
        if outcome.x is None:
            message = "no weights within the intervals sum to 1"
            raise UsageError(message)
        ranks.append(1 + round(float(outcome.x[size:].sum())))
    return ranks[0], ranks[1]


def smallest_weight_move(
    ranking: Ranking, winner: str | None = None, other: str | None = None
) -> WeightMove | None:
    """Smallest total weight moved between criteria after which ``other`` equals ``winner`` (closed form).

    Weight flows to the criterion in which the winner leads least (or trails most), first from the one in
    which it leads most; each unit so moved closes the gap by the difference of the two leads. None when
    the runner-up leads in no criterion, or there is one site only.
    """
    table = ranking.table.set_index("site_id")
    if len(table) < 2 or ranking.method != "weighted_sum":
        return None
    winner = winner or str(table.index[0])
    other = other or str(table.index[1])
    names = list(ranking.criteria)
    lead = np.array([float(table.at[winner, f"value_{n}"] - table.at[other, f"value_{n}"]) for n in names])
    weight = np.array([ranking.weights.weight[name] for name in names])
    gap = float(lead @ weight)
    target = int(np.argmin(lead))
    if gap > 0 and lead[target] > 0:
        return None
    moves: list[tuple[str, str, float]] = []
    after = weight.copy()
    for source in np.argsort(-lead, kind="stable"):
        if gap <= 1e-15:
            break
        gain = float(lead[source] - lead[target])
        if gain <= 0:
            break
        step = min(float(weight[source]), gap / gain)
        moves.append((names[source], names[target], step))
        after[source] -= step
        after[target] += step
        gap -= step * gain
    return WeightMove(
        winner=winner,
        other=other,
        moves=tuple(moves),
        total_ratio=float(sum(step for _, _, step in moves)),
        weights=dict(zip(names, after.tolist(), strict=True)),
    )


def weight_stability(ranking: Ranking) -> pd.DataFrame:
    """Range of each weight within which the winner stays first, the others keeping their proportions.

    Returns
    -------
    DataFrame
        ``criterion, weight, low, high, winner_below, winner_above`` (blank where the range ends at 0 or 1).
    """
    names = list(ranking.criteria)
    values = values_matrix(ranking.table, [ranking.criteria[name] for name in names])
    weight = np.array([ranking.weights.weight[name] for name in names])
    ids = ranking.table["site_id"].astype(str).to_numpy()
    rows = []
    for column, name in enumerate(names):
        own = values[:, column] - values[0, column]
        rest_weight = np.delete(weight, column)
        scale = rest_weight.sum()
        rest = (
            (np.delete(values, column, axis=1) @ rest_weight) / scale if scale > 0 else np.zeros(len(values))
        )
        rest = rest - rest[0]
        slope = own - rest
        with np.errstate(divide="ignore", invalid="ignore"):
            crossing = -rest / slope
        low, high, below, above = 0.0, 1.0, "", ""
        rising = np.flatnonzero(slope > 1e-12)
        falling = np.flatnonzero(slope < -1e-12)
        now = weight[column]
        if len(rising):
            number = rising[np.argmin(crossing[rising])]
            if crossing[number] < 1.0:
                high, above = max(float(crossing[number]), float(now)), ids[number]
        if len(falling):
            number = falling[np.argmax(crossing[falling])]
            if crossing[number] > 0.0:
                low, below = min(float(crossing[number]), float(now)), ids[number]
        rows.append(
            {
                "criterion": name,
                "weight": float(now),
                "low": low,
                "high": high,
                "winner_below": below,
                "winner_above": above,
            }
        )
    return pd.DataFrame(rows)
