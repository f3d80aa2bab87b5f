"""Side by side: what two or more sites differ in, in real units, with a waterfall that sums exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dcsite.errors import DcsiteError
from dcsite.physics.cost import COST_PARTS
from dcsite.scoring.ranking import (
    TIE_SIGMAS,
    Flip,
    Ranking,
    difference_sd,
    flips,
    rack_kw_at_flip,
    worth_at_flip,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Comparison:
    """Sites side by side for one workload.

    Attributes
    ----------
    table
        One row per site, best first (the ranking's columns).
    waterfall
        One row per other site and cost part: ``site_id, part, difference_usd_per_mw_year`` against the
        winner; the parts of a site sum to its ``cost_usd_per_mw_year`` difference.
    winner, cheapest
        Site with the best score; site with the least annual cost, capital included ("" if no cost is known).
    tied
        Sites that the noise of the figures does not tell from the winner.
    flips
        Single changes that make the runner-up equal the winner.
    worth_at_flip_usd_per_rack_year, rack_kw_at_flip
        Worth of latency, or rack power, at which the two score the same; None where there is none.
    missing
        Named sites that are not ranked, with the reason.
    """

    workload: str
    ranking: Ranking
    table: pd.DataFrame
    waterfall: pd.DataFrame
    winner: str
    cheapest: str
    flips: tuple[Flip, ...]
    worth_at_flip_usd_per_rack_year: float | None
    missing: tuple[tuple[str, str], ...] = ()
    rack_kw_at_flip: float | None = None
    tied: tuple[str, ...] = ()


def compare_sites(ranking: Ranking, site_ids: Sequence[str]) -> Comparison:
    """Compare the named sites within a ranking.

    Raises
    ------
    DcsiteError
        If none of the sites is ranked (with the reasons).
    """
    table = ranking.table[ranking.table["site_id"].isin(site_ids)].reset_index(drop=True)
    reasons = (
        ranking.excluded.groupby("site_id")["reason"].agg("; ".join).to_dict()
        if len(ranking.excluded)
        else {}
    )
    missing = tuple(
        (site, str(reasons.get(site, "not among the candidate sites")))
        for site in site_ids
        if site not in set(table["site_id"])
    )
    if table.empty:
        message = f"none of the sites can carry '{ranking.workload}'"
        raise DcsiteError(message, hint="; ".join(f"{site}: {reason}" for site, reason in missing))
    winner = str(table.at[0, "site_id"])
    by_cost = table.dropna(subset=["cost_usd_per_mw_year"]).sort_values(["cost_usd_per_mw_year", "site_id"])
    cheapest = str(by_cost.iloc[0]["site_id"]) if len(by_cost) else ""
    rows = []
    first = table.iloc[0]
    for _, row in table.iloc[1:].iterrows():
        rows += [
            {
                "site_id": row["site_id"],
                "against": winner,
                "part": part.removesuffix("_usd_per_mw_year"),
                "difference_usd_per_mw_year": float(row[part] - first[part]),
            }
            for part in COST_PARTS
        ]
    waterfall = pd.DataFrame(rows, columns=["site_id", "against", "part", "difference_usd_per_mw_year"])
    second = str(table.at[1, "site_id"]) if len(table) > 1 else None
    return Comparison(
        workload=ranking.workload,
        ranking=ranking,
        table=table,
        waterfall=waterfall,
        winner=winner,
        cheapest=cheapest,
        flips=tuple(flips(ranking, winner, second)) if second else (),
        worth_at_flip_usd_per_rack_year=worth_at_flip(ranking, winner, second) if second else None,
        missing=missing,
        rack_kw_at_flip=rack_kw_at_flip(ranking, winner, second) if second else None,
        tied=_tied(ranking, table),
    )


def _tied(ranking: Ranking, table: pd.DataFrame) -> tuple[str, ...]:
    """Sites of the table within the noise of the first."""
    criteria = list(ranking.criteria.values())
    weight = np.array([ranking.weights.weight[name] for name in ranking.criteria])
    noise = TIE_SIGMAS * difference_sd(table, criteria, weight, 0)
    near = table["score"].to_numpy() >= table.at[0, "score"] - noise - 1e-9
    return tuple(table.loc[near, "site_id"].astype(str))[1:]
