"""How sure a ranking of an evaluation is, and the sentences that say so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dcsite.errors import UsageError
from dcsite.optimize.highs import quiet_stdout
from dcsite.scoring import robustness as scoring
from dcsite.scoring.criteria import BY_NAME
from dcsite.study.ranking import rank

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dcsite.physics.evaluation import Evaluation
    from dcsite.scoring.ranking import Ranking
    from dcsite.scoring.robustness import Robustness

AROUND = 20.0
"""Concentration of the weights drawn around the nominal ones: a weight of 48 % then has a standard deviation
of 11 points. (a choice)"""

NEAR_DRAWS = 0.05
"""Share of first places from which a site is named as a contender. [-] (a choice)"""


def robustness(
    evaluation: Evaluation,
    draws: int = 10_000,
    seed: int = 0,
    *,
    workload: str | None = None,
    weights: Mapping[str, float] | None = None,
    concentration: float | None = None,
    intervals: Mapping[str, tuple[float, float]] | None = None,
    facts: bool = True,
    exact_sites: Sequence[str] | None = None,
) -> Robustness:
    """Rank the sites of one workload, then draw weights and facts; see :func:`dcsite.scoring.robustness.robustness`.

    Raises
    ------
    DcsiteError
        If the workload or an option is not usable, or no site is left to rank.
    """
    return of_ranking(
        rank(evaluation, weights, workload=workload),
        draws,
        seed,
        concentration=concentration,
        intervals=intervals,
        facts=facts,
        exact_sites=exact_sites,
    )


def of_ranking(ranking: Ranking, draws: int = 10_000, seed: int = 0, **options: Any) -> Robustness:  # noqa: ANN401
    """The same for a ranking at hand. Keeps the solver behind the exact ranks from writing to stdout."""
    with quiet_stdout():
        return scoring.robustness(ranking, draws, seed, **options)


def intervals_of(text: str | None) -> dict[str, tuple[float, float]] | None:
    """Weight intervals from ``price=0.2..0.5,latency=0..0.3``.

    Raises
    ------
    UsageError
        If a criterion is unknown or an interval is not two numbers in 0..1.
    """
    if text is None:
        return None
    found: dict[str, tuple[float, float]] = {}
    for part in text.split(","):
        name, mark, span = part.partition("=")
        low, dots, high = span.partition("..")
        name = name.strip()
        if mark and name not in BY_NAME:
            message = f"--weights-intervals: unknown criterion '{name}'"
            raise UsageError(message, hint=f"the criteria are {', '.join(BY_NAME)}")
        if name in found:
            message = f"--weights-intervals: '{name}' is given twice"
            raise UsageError(message)
        try:
            if not dots:
                raise ValueError
            ends = float(low), float(high)
        except ValueError:
            message = f"--weights-intervals: '{part.strip()}' is not NAME=LOW..HIGH"
            raise UsageError(message, hint="price=0.2..0.5,latency=0..0.3") from None
        if not 0 <= ends[0] <= ends[1] <= 1:
            message = f"--weights-intervals {name}={span.strip()}: needs 0 <= LOW <= HIGH <= 1"
            raise UsageError(message)
        found[name] = ends
    return found


def robust_sentences(result: Robustness, ranking: Ranking) -> tuple[str, ...]:
    """What the figures say, in words: contenders, the smallest flip, how far each weight may move."""
    table = result.table
    first = table.iloc[0]
    name = str(first["name"])
    told = [
        f"{name} is first in {first['first_ratio']:.0%} of {result.draws:,} draws "
        f"(weights: {result.weights_drawn}; facts {'drawn' if result.facts_drawn else 'as they are'})."
    ]
    others = table[(table["first_ratio"] >= NEAR_DRAWS) & (table["rank"] > 1)]
    others = others.sort_values(["first_ratio", "site_id"], ascending=[False, True], kind="stable")
    if len(others):
        named = ", ".join(f"{row['name']} {row['first_ratio']:.0%}" for _, row in others.head(6).iterrows())
        told.append(f"Also first: {named}.")
    winners = int(table["can_win"].sum())
    told.append(
        f"{winners} of {len(table)} sites are first under some weights, the facts as they are; the others are "
        "behind whatever one values."
    )
    move = result.move
    if move is None and len(table) > 1:
        told.append(f"No weights put {table.iloc[1]['name']} (2nd) before {name}.")
    elif move is not None and move.moves:
        parts = "; ".join(
            f"{step:.1%} of the weight from {source} to {target}" for source, target, step in move.moves
        )
        told.append(f"The smallest change that makes {table.iloc[1]['name']} draw level: move {parts}.")
    elif move is not None:
        told.append(f"{table.iloc[1]['name']} is level with {name}.")
    for _, row in result.stability.iterrows():
        title = BY_NAME[row["criterion"]].title.lower()
        ends = []
        if row["winner_below"]:
            ends.append(f"below {row['low']:.1%} {row['winner_below']} leads")
        if row["winner_above"]:
            ends.append(f"above {row['high']:.1%} {row['winner_above']} leads")
        span = "; ".join(ends) if ends else "any weight keeps it first"
        told.append(f"Weight of {title}, now {row['weight']:.1%}: {span}.")
    if int((ranking.table["tie_group"] == 1).sum()) > 1:
        told.append("The first sites are within the noise of each other: small shares above are expected.")
    return tuple(told)
