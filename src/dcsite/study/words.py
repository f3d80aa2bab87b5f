"""Sentences: what a reader of a ranking or a comparison must be told, made from the figures at hand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dcsite.physics.cost import COST_PARTS

if TYPE_CHECKING:
    import pandas as pd

    from dcsite.physics.evaluation import Evaluation
    from dcsite.scoring.comparing import Comparison
    from dcsite.scoring.ranking import Ranking

SHOWN = 10
"""Ranks within which a subsidized or licensed site is named one by one."""


def ordinal(number: float) -> str:
    """``1st``, ``2nd``, ``3rd``, ``11th``.

    Examples
    --------
    >>> [ordinal(n) for n in (1, 2, 3, 4, 11, 22, 113)]
    ['1st', '2nd', '3rd', '4th', '11th', '22nd', '113th']
    """
    value = int(number)
    if value % 100 in (11, 12, 13):
        return f"{value}th"
    return f"{value}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(value % 10, 'th') }".replace(" ", "")


def ranking_notes(evaluation: Evaluation, ranking: Ranking) -> tuple[str, ...]:
    """Sentences under a ranking: ties, subsidies, licenses, reach of the best site, cost against score."""
    notes: list[str] = []
    table = ranking.table
    ties = int((table["tie_group"] == 1).sum())
    if ties > 1:
        notes.append(f"The first {ties} sites are within the noise of each other: read them as equal.")
    notes += _subsidies(table)
    notes += _licenses(evaluation, ranking)
    if "value_latency" in table and "coverage_target_ratio" in table and ranking.profile.target_rtt_ms:
        best = table.loc[table["coverage_target_ratio"].idxmax()]
        market = evaluation.markets[ranking.workload]
        notes.append(
            f"No single site serves market {market.name}: the best, {best['site_id']}, has "
            f"{best['coverage_target_ratio']:.0%} of demand within {ranking.profile.target_rtt_ms:g} ms. "
            "dcsite optimize places several sites under a coverage limit."
        )
    priced = table.dropna(subset=["levelized_usd_per_it_mwh"])
    cheapest = priced.sort_values("levelized_usd_per_it_mwh", kind="stable")
    if len(cheapest) and cheapest.iloc[0]["site_id"] != table.iloc[0]["site_id"]:
        row = cheapest.iloc[0]
        notes.append(
            f"By money {row['site_id']} is cheapest ({row['levelized_usd_per_it_mwh']:.0f} USD per IT-MWh with "
            f"construction, rank {int(row['rank'])}); the score leaves construction out unless it is given a weight."
        )
    quote = f"'{ranking.workload}'"
    notes += [note for note in evaluation.notes if not note.startswith("'") or note.startswith(quote)]
    return tuple(dict.fromkeys(notes))


def _subsidies(table: pd.DataFrame) -> list[str]:
    if "rank_without_subsidies" not in table:
        return []
    marked = table[table["subsidized"].astype(bool)]
    near = marked[marked["rank"] <= SHOWN]
    told = [
        f"{row.site_id} is {ordinal(row.rank)} on a subsidized tariff"
        + (
            f" and {ordinal(row.rank_without_subsidies)} at the cost of supply"
            if not math.isnan(row.rank_without_subsidies)
            else ""
        )
        for row in near.itertuples()
    ]
    if not told:
        return [f"{len(marked)} ranked sites have subsidized tariffs, none in the first {SHOWN}."]
    return ["; ".join(told) + "."]


def _licenses(evaluation: Evaluation, ranking: Ranking) -> list[str]:
    profile = ranking.profile
    workload = evaluation.workloads[ranking.workload]
    if profile.accelerators_per_mw <= 0 and not workload.accelerators:
        return []
    sites = evaluation.sites
    top = ranking.table[ranking.table["rank"] <= SHOWN]
    need = [
        row.site_id
        for row in top.itertuples()
        if str(sites.at[row.site_id, "export_class"])
        in ("licence_required", "case_by_case_up_to_h200_class_else_denied")
    ]
    if not need:
        return []
    rule = str(sites.at[need[0], "export_rule"])
    return [
        f"Accelerators need an export license under {rule} (operator from {evaluation.scenario.operator_hq}): "
        f"{', '.join(need)}. Not legal advice."
    ]


_ADVANTAGE = {
    "price": ("power costs {a:.0f} against {b:.0f} USD/MWh", "effective_price_usd_per_mwh"),
    "cooling": ("cooling and losses take {a:.1%} against {b:.1%} of the IT energy", "overhead_mwh_per_mwh"),
    "water": ("it needs {a:.2f} against {b:.2f} scarcity-weighted liters per kWh", "scarce_water_l_per_kwh"),
    "latency": ("it attains {a:.0%} against {b:.0%} of the best possible reach", "reach_ratio"),
    "carbon": ("it emits {a:.0f} against {b:.0f} kg per MWh", "carbon_kg_per_mwh"),
}


def why_it_wins(comparison: Comparison) -> str:
    """One paragraph in plain words: why the winner wins, where it is behind, and what money says."""
    table = comparison.table
    first = table.iloc[0]
    name = _name(first)
    if len(table) == 1:
        return f"For {comparison.workload} only {name} can be ranked."
    second = table.iloc[1]
    other = _name(second)
    pros: list[str] = []
    cons: list[str] = []
    gains = sorted(
        comparison.ranking.criteria,
        key=lambda key: -abs(float(first[f"score_{key}"]) - float(second[f"score_{key}"])),
    )
    for key in gains:
        difference = float(first[f"score_{key}"]) - float(second[f"score_{key}"])
        if abs(difference) < 0.05 or key not in _ADVANTAGE:
            continue
        text, column = _ADVANTAGE[key]
        phrase = f"{text.format(a=float(first[column]), b=float(second[column]))} ({difference:+.1f} points)"
        (pros if difference > 0 else cons).append(phrase)
    lead = float(first["score"]) - float(second["score"])
    verb = "is level with" if lead < 0.05 else "beats"
    sentence = f"For {comparison.workload}, {name} {verb} {other} by {lead:.1f} points"
    sentence += f": {'; '.join(pros)}." if pros else "."
    if cons:
        sentence += f" Against it: {'; '.join(cons)}."
    if int(first["tie_group"]) == int(second["tie_group"]):
        sentence += " The difference is within the noise of the figures."
    costs = [row for _, row in table.iterrows() if not math.isnan(float(row["cost_usd_per_mw_year"]))]
    if len(costs) > 1:
        cheapest = min(costs, key=lambda row: float(row["cost_usd_per_mw_year"]))
        dearest = max(costs, key=lambda row: float(row["cost_usd_per_mw_year"]))
        part = max(COST_PARTS, key=lambda key: abs(float(dearest[key]) - float(cheapest[key])))
        label = part.removesuffix("_usd_per_mw_year").replace("_", " ")
        sentence += (
            f" In money {_name(cheapest)} is cheapest at {cheapest['levelized_usd_per_it_mwh']:.0f} USD per IT-MWh, "
            f"{_name(dearest)} dearest at {dearest['levelized_usd_per_it_mwh']:.0f}; most of that is {label}."
        )
    return sentence


def _name(row: pd.Series) -> str:
    return str(row["name"]) if str(row.get("name", "") or "") else str(row["site_id"])


def flip_sentences(comparison: Comparison) -> tuple[str, ...]:
    """At which worth of latency or rack power the first two draw level, in closed form."""
    told = []
    profile = comparison.ranking.profile
    worth = comparison.worth_at_flip_usd_per_rack_year
    if worth is not None:
        told.append(
            f"At a worth of latency of {worth:,.0f} USD per rack-year the first two draw level "
            f"(profile: {profile.latency_worth_usd_per_rack_year:,.0f})."
        )
    rack = comparison.rack_kw_at_flip
    if rack is not None:
        told.append(f"At {rack:,.1f} kW per rack the first two draw level (profile: {profile.rack_kw:g} kW).")
    return tuple(told)
