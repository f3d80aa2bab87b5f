"""How sure a ranking of an evaluation is, and the sentences that say so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dcsite.data.power_curves import PRICE_YEARS
from dcsite.errors import UsageError
from dcsite.optimize.highs import quiet_stdout
from dcsite.scoring import robustness as scoring
from dcsite.scoring.criteria import BY_NAME
from dcsite.scoring.ranking import values_matrix
from dcsite.study.evaluating import evaluate
from dcsite.study.price_years import draw_prices, of_year
from dcsite.study.price_years import price_years as years_of_market
from dcsite.study.ranking import rank

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from dcsite.data.tables import Tables
    from dcsite.physics.evaluation import Evaluation
    from dcsite.scoring.ranking import Ranking
    from dcsite.scoring.robustness import Robustness

AROUND = 20.0
"""Concentration of the weights drawn around the nominal ones: a weight of 48 % then has a standard deviation
of 11 points. (a choice)"""

WORLDS_AHEAD = 400
"""Worlds of prices that are drawn for a year ahead. (a choice)"""

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


@dataclass(frozen=True)
class PriceWorlds:
    """Prices of the ranked sites in whole worlds: market years, or draws from them some years ahead.

    Attributes
    ----------
    years
        Market year of each world.
    price_usd_per_mwh
        Shape (worlds, S), sites in the order of the ranking. [USD/MWh]
    note
        How they were made, in words.
    """

    years: tuple[int, ...]
    price_usd_per_mwh: NDArray[np.float64]
    note: str


def price_worlds(
    ranking: Ranking,
    evaluation: Evaluation,
    tables: Tables,
    years: Sequence[int] = PRICE_YEARS,
    *,
    ahead_years: float = 0.0,
    seed: int = 0,
) -> PriceWorlds:
    """Prices of the ranked sites and technologies in each market year, all contracts indexed.

    With ``ahead_years`` they are drawn: a year for all sites, and on it the drift of each market region, its
    escalation and the yearly spread of its own series.

    Raises
    ------
    UsageError
        If prices ahead are asked for a load that may stop: its price depends on the hours it runs.
    """
    workload = ranking.workload
    keys = list(zip(ranking.table["site_id"], ranking.table["technology"], strict=True))
    if ahead_years > 0:
        if evaluation.profiles[workload].interruptible_fraction > 0:
            message = f"--ahead-years: '{workload}' may stop, and its price depends on the hours it runs"
            raise UsageError(message, hint="--price-years alone, or a firm load")
        sites = evaluation.sites.loc[ranking.table["site_id"]]
        facts = ranking.table.set_index("site_id", drop=False)
        known = years_of_market(tables, sites, facts, years=years)
        drawn = draw_prices(
            known,
            draws=WORLDS_AHEAD,
            seed=seed,
            ahead_years=ahead_years,
            escalation_ratio=np.nan_to_num(facts["escalation_ratio"].to_numpy(dtype=np.float64)),
            yearly_sd_ratio=facts["price_yearly_sd_ratio"].to_numpy(dtype=np.float64),
        )
        note = (
            f"prices {ahead_years:g} years ahead: a market year of {min(years)}-{max(years)} for all sites at once, "
            "escalation and yearly spread of each region"
        )
        return PriceWorlds(tuple(int(year) for year in drawn.year), drawn.price_usd_per_mwh, note)
    scenario = evaluation.scenario
    alone = scenario.model_copy(
        update={"workloads": tuple(load for load in scenario.workloads if load.name == workload)}
    )
    column = (
        ranking.criteria["price"].column if "price" in ranking.criteria else "effective_price_usd_per_mwh"
    )
    found = []
    for year in years:
        again = evaluate(of_year(alone, year), tables, points=tuple(evaluation.extra.get("points", ())))
        found.append(
            again.of(workload)[column].reindex(pd.MultiIndex.from_tuples(keys)).to_numpy(dtype=np.float64)
        )
    note = f"market years {', '.join(str(year) for year in years)}, each for all sites at once, contracts indexed"
    return PriceWorlds(tuple(years), np.array(found), note)


def with_price_worlds(
    ranking: Ranking,
    worlds: PriceWorlds,
    draws: int = 10_000,
    seed: int = 0,
    **options: Any,  # noqa: ANN401
) -> Robustness:
    """Robustness in which each draw takes one world of prices; beside it who wins each year at nominal weights.

    Raises
    ------
    UsageError
        If price has no weight.
    """
    if "price" not in ranking.criteria:
        message = f"--price-years: price has no weight for '{ranking.workload}'"
        raise UsageError(message)
    found = of_ranking(ranking, draws, seed, worlds={"price": worlds.price_usd_per_mwh}, **options)
    names = list(ranking.criteria)
    weight = np.array([ranking.weights.weight[name] for name in names])
    frame = ranking.table.reset_index(drop=True)
    rows = []
    for year, price in zip(worlds.years, worlds.price_usd_per_mwh, strict=True):
        own = frame["effective_price_usd_per_mwh"].to_numpy(dtype=np.float64)
        then = frame.assign(effective_price_usd_per_mwh=np.where(np.isnan(price), own, price))
        score = values_matrix(then, list(ranking.criteria.values())) @ weight
        order = np.argsort(np.round(-score, 9), kind="stable")
        rows.append(
            {
                "price_year": year,
                "winner_site_id": str(frame["site_id"].iloc[order[0]]),
                "winner_price_usd_per_mwh": float(then["effective_price_usd_per_mwh"].iloc[order[0]]),
                "nominal_winner_rank": int(np.flatnonzero(order == 0)[0]) + 1,
                "nominal_winner_price_usd_per_mwh": float(then["effective_price_usd_per_mwh"].iloc[0]),
            }
        )
    table = pd.DataFrame(rows)
    spread = np.nanquantile(worlds.price_usd_per_mwh, (0.1, 0.5, 0.9), axis=0)
    sites = found.table.assign(
        price_p10_usd_per_mwh=spread[0], price_p50_usd_per_mwh=spread[1], price_p90_usd_per_mwh=spread[2]
    )
    stays = float((table["nominal_winner_rank"] == 1).mean())
    word = (
        f"{frame['name'].iloc[0]} stays first in {stays:.0%} of {len(table):,} "
        f"{'worlds' if len(set(worlds.years)) < len(table) else 'market years'} at nominal weights ({worlds.note})."
    )
    return replace(found, table=sites, worlds=table, notes=(*found.notes, word))


def years_of(text: str) -> tuple[int, ...]:
    """Market years from ``all``, ``2020..2024`` or ``2020,2022``.

    Raises
    ------
    UsageError
        If a year has no prices.

    Examples
    --------
    >>> years_of("2020..2022")
    (2020, 2021, 2022)
    """
    if text.strip() == "all":
        return PRICE_YEARS
    found: list[int] = []
    try:
        for part in text.split(","):
            low, dots, high = part.partition("..")
            found += range(int(low), int(high if dots else low) + 1)
    except ValueError:
        found = []
    if not found or not set(found) <= set(PRICE_YEARS):
        message = f"--price-years {text}: not years of {PRICE_YEARS[0]} to {PRICE_YEARS[-1]}"
        raise UsageError(message, hint="all, 2020..2024 or 2020,2022")
    return tuple(dict.fromkeys(found))


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
    beaten = result.dominance["dominated"].nunique()
    by_first = int((result.dominance["site_id"] == first["site_id"]).sum())
    told.append(
        f"{beaten} of {len(table)} sites are no better than some other in any criterion and worse in one "
        f"({by_first} of them than {name}); the pairs are in the other formats."
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
        known = BY_NAME.get(row["criterion"])
        title = known.title.lower() if known else str(row["criterion"]).replace("_", " ")
        ends = []
        if row["winner_below"]:
            ends.append(f"below {row['low']:.1%} {row['winner_below']} leads")
        if row["winner_above"]:
            ends.append(f"above {row['high']:.1%} {row['winner_above']} leads")
        span = "; ".join(ends) if ends else "any weight keeps it first"
        told.append(f"Weight of {title}, now {row['weight']:.1%}: {span}.")
    if int((ranking.table["tie_group"] == 1).sum()) > 1:
        told.append("The first sites are within the noise of each other: small shares above are expected.")
    return (*told, *result.notes)
