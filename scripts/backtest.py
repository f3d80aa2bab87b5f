"""Write docs/accuracy_score.md: does the score find the places where others have built?

    python scripts/backtest.py [--check]

Two tests, both from shipped tables alone. Among the catalog's sites: does the score of a load separate the
sites that the catalog tags with it from the others? In the United States: does it separate campuses from
towns of like population with none near? Each against the price alone, the population alone and chance.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from dcsite.data.sphere import km_of_chord, unit_xyz
from dcsite.data.tables import Tables, load_tables
from dcsite.errors import DcsiteError
from dcsite.scoring.ranking import rank
from dcsite.study.evaluating import evaluate
from dcsite.study.quick import quick_scenario

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "accuracy_score.md"
DRAWS = 2000
SEED = 20260
NEAR_KM = 100.0
"""Distance within which people count as the population of a place, and a campus as near."""
MEASURES = ("score", "price", "population")


def auc(values: np.ndarray, positive: np.ndarray) -> float:
    """Chance that a positive stands above a negative; ties count half."""
    count = int(positive.sum())
    others = len(positive) - count
    if not count or not others:
        return float("nan")
    ranks = rankdata(values)
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * others))


@dataclass(frozen=True)
class Outcome:
    """AUC of each measure with 95 % intervals, and of score less price."""

    positives: int
    negatives: int
    auc: dict[str, float]
    low: dict[str, float]
    high: dict[str, float]
    chance: tuple[float, float]


def judged(frame: pd.DataFrame, seed: int = SEED, draws: int = DRAWS) -> Outcome:
    """Judge the measures of a frame (``positive, cluster, score, price, population``).

    The bootstrap draws clusters (a country, a US state), since neighbors share prices and reasons.
    """
    rng = np.random.default_rng(seed)
    positive = frame["positive"].to_numpy(dtype=bool)
    values = {
        "score": frame["score"].to_numpy(dtype=float),
        "price": -frame["price"].to_numpy(dtype=float),
        "population": frame["population"].to_numpy(dtype=float),
    }
    found = {name: auc(column, positive) for name, column in values.items()}
    found["score - price"] = found["score"] - found["price"]
    members = [np.flatnonzero(frame["cluster"] == name) for name in sorted(set(frame["cluster"]))]
    drawn: dict[str, list[float]] = {name: [] for name in found}
    while len(drawn["score"]) < draws:
        rows = np.concatenate([members[pick] for pick in rng.integers(len(members), size=len(members))])
        if not 0 < positive[rows].sum() < len(rows):
            continue
        once = {name: auc(column[rows], positive[rows]) for name, column in values.items()}
        for name, value in once.items():
            drawn[name].append(value)
        drawn["score - price"].append(once["score"] - once["price"])
    chance = [auc(rng.random(len(positive)), positive) for _ in range(draws)]
    return Outcome(
        int(positive.sum()),
        int((~positive).sum()),
        found,
        {name: float(np.percentile(values_, 2.5)) for name, values_ in drawn.items()},
        {name: float(np.percentile(values_, 97.5)) for name, values_ in drawn.items()},
        (float(np.percentile(chance, 2.5)), float(np.percentile(chance, 97.5))),
    )


def km_apart(lat_a: np.ndarray, lon_a: np.ndarray, lat_b: np.ndarray, lon_b: np.ndarray) -> np.ndarray:
    """Great-circle length from every a to every b, shape (A, B). [km]"""
    cosine = unit_xyz(lat_a, lon_a) @ unit_xyz(lat_b, lon_b).T
    return np.asarray(km_of_chord(np.sqrt(np.maximum(0.0, 2.0 - 2.0 * cosine))))


def population(tables: Tables, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Internet users of the metros within 100 km."""
    metros = tables.frame("demand_metros")
    people = metros["internet_users"].to_numpy(dtype=float)
    far = km_apart(lat, lon, metros["lat"].to_numpy(dtype=float), metros["lon"].to_numpy(dtype=float))
    return np.asarray(np.where(far <= NEAR_KM, people[None, :], 0.0).sum(axis=1))


def measured(
    tables: Tables, profile: str, users: str, points: tuple[str, ...] = (), **sites: object
) -> pd.DataFrame:
    """Score and price of every place that can be ranked; country risk and export rules are no part of the test."""
    asked = quick_scenario(
        profiles=[profile],
        users=users,
        it_mw=1.0,
        allow_risk=True,
        rules="none",
        **sites,  # type: ignore[arg-type]
    )
    evaluation = evaluate(asked, tables, points=points)
    table = rank(evaluation).table
    places = evaluation.sites.loc[table["site_id"]]
    frame = pd.DataFrame(
        {
            "site_id": table["site_id"].to_numpy(),
            "score": table["score"].to_numpy(),
            "price": table["price_usd_per_mwh"].to_numpy(),
            "tags": places["tags"].fillna("").to_numpy(),
            "cluster": np.where(
                places["country_iso3"] == "USA", "USA-" + places["admin1"].astype(str), places["country_iso3"]
            ),
            "lat": places["lat"].to_numpy(),
            "lon": places["lon"].to_numpy(),
        }
    )
    frame["population"] = population(tables, frame["lat"].to_numpy(), frame["lon"].to_numpy())
    return frame


def has(frame: pd.DataFrame, tag: str) -> np.ndarray:
    """Rows with a role tag."""
    return np.array([tag in {part.strip() for part in tags.split(",")} for tags in frame["tags"]])


CATALOG = (
    ("cloud", "cloud", "world", "sites tagged cloud", "all others", "cloud", ""),
    ("cloud, US sites", "cloud", "USA", "US sites tagged cloud", "other US sites", "cloud", ""),
    ("network hubs", "cloud", "world", "sites tagged hub", "all others", "hub", ""),
    ("AI training", "ai-training", "world", "sites tagged ai", "cloud sites without AI", "ai", "cloud"),
    (
        "AI training, US sites",
        "ai-training",
        "world",
        "US sites tagged ai",
        "US cloud sites without AI",
        "ai",
        "cloud",
    ),
    ("crypto", "crypto", "world", "sites tagged crypto", "cloud sites without crypto", "crypto", "cloud"),
)


def among_sites(tables: Tables) -> list[tuple[str, str, str, Outcome]]:
    """Separate tagged sites from the others of the catalog."""
    rows = []
    made: dict[tuple[str, str], pd.DataFrame] = {}
    for title, profile, users, these, those, tag, against in CATALOG:
        key = (profile, users)
        if key not in made:
            made[key] = measured(tables, profile, users)
        frame = made[key]
        positive = has(frame, tag)
        keep = positive | (has(frame, against) if against else np.ones(len(frame), dtype=bool))
        if "US" in title.split(", ")[-1]:
            keep &= frame["cluster"].str.startswith("USA-").to_numpy()
        rows.append((title, these, those, judged(frame.assign(positive=positive)[keep])))
    return rows


def against_towns(tables: Tables) -> list[tuple[str, str, str, Outcome]]:
    """Separate US campuses from US towns of like population without one within 100 km."""
    sites = measured(tables, "cloud", "USA", where={"country": "USA"})
    metros = tables.frame("demand_metros")
    metros = metros[metros["country_iso3"] == "USA"].reset_index(drop=True)
    lat, lon = metros["lat"].to_numpy(dtype=float), metros["lon"].to_numpy(dtype=float)
    far = km_apart(lat, lon, sites["lat"].to_numpy(), sites["lon"].to_numpy()).min(axis=1)
    free = metros[far > NEAR_KM].reset_index(drop=True)
    people = np.log10(1.0 + population(tables, free["lat"].to_numpy(), free["lon"].to_numpy()))
    rows = []
    for title, profile, users, tag in (
        ("cloud against towns", "cloud", "USA", "cloud"),
        ("AI training against towns", "ai-training", "USA", "ai"),
    ):
        campuses = sites[has(sites, tag)]
        left = set(range(len(free)))
        chosen: list[int] = []
        for wanted in np.sort(np.log10(1.0 + campuses["population"].to_numpy()))[::-1]:
            # Two towns for each campus, the nearest in population that are left.
            for _ in range(2):
                if left:
                    pick = min(left, key=lambda town: (abs(people[town] - wanted), town))
                    left.remove(pick)
                    chosen.append(pick)
        points = tuple(
            f"{free.at[town, 'lat']},{free.at[town, 'lon']},town-{town}" for town in sorted(chosen)
        )
        both = measured(tables, profile, users, points, where={"country": "USA"})
        is_town = both["site_id"].str.contains("town-").to_numpy()
        positive = has(both, tag) & ~is_town
        frame = both.assign(positive=positive)[positive | is_town]
        rows.append(
            (
                title,
                f"US sites tagged {tag}",
                "US towns of like population, none within 100 km",
                judged(frame),
            )
        )
    return rows


def cell(outcome: Outcome, name: str) -> str:
    """One AUC with its interval."""
    sign = "+" if name == "score - price" else ""
    return f"{outcome.auc[name]:{sign}.2f} ({outcome.low[name]:{sign}.2f} to {outcome.high[name]:{sign}.2f})"


def verdict(title: str, outcome: Outcome) -> str:
    """What one row says, in words."""
    text = f"- **{title}**: "
    if outcome.low["score"] > 0.5:
        text += "the score finds them better than chance"
    elif outcome.high["score"] < 0.5:
        text += "the score points the wrong way"
    else:
        text += "the score does not tell them apart"
    if outcome.low["score - price"] > 0:
        text += "; it does better than the price alone"
    elif outcome.high["score - price"] < 0:
        text += "; it does worse than the price alone"
    else:
        text += "; against the price alone the difference is within the noise"
    best = max(MEASURES, key=lambda name: outcome.auc[name])
    return f"{text}. Best of the three: {best} ({outcome.auc[best]:.2f})."


HEAD = """\
# How well the score finds what others have built

This page is written by `scripts/backtest.py` from the shipped tables.

The AUC is the chance that a place where such a load stands scores higher than a place where it does not; 0.5 is
chance. Intervals are 95 %, from a bootstrap that draws whole countries and US states, since neighbors share prices
and reasons. Price alone: the cheaper the better. Population alone: internet users of the metros within 100 km. The
risk filter and export rules are off, so that only the score is judged; places without a price are left out.

**What it can show.** The catalog's tags say where loads stand, not where they should; operators built for reasons
that no table here holds (land at hand, taxes, interconnection, history), and the catalog lists known places, not a
random sample. The weights were not fitted to the tags. US counties by their number of facilities are not compared:
the tables hold no counts of facilities whose license would allow it, so the tagged places stand for them below, against
towns of like population.
"""


def page(tables: Tables) -> str:
    """Text of the page."""
    parts = [HEAD]
    told = []
    for heading, rows in (
        ("Among the sites of the catalog", among_sites(tables)),
        ("Against towns of like population in the United States", against_towns(tables)),
    ):
        parts += [
            f"## {heading}\n",
            "| load | these | against | n | score | price alone | population alone | score - price | chance, 95 % |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        for title, these, those, outcome in rows:
            parts.append(
                f"| {title} | {these} | {those} | {outcome.positives} / {outcome.negatives} | "
                + " | ".join(cell(outcome, name) for name in (*MEASURES, "score - price"))
                + f" | {outcome.chance[0]:.2f} to {outcome.chance[1]:.2f} |"
            )
            told.append(verdict(title, outcome))
        parts.append("")
    parts += [
        "## In words\n",
        *told,
        "",
        "Read together: a low price is most of what the score knows about training and mining, so it can hardly beat the",
        "price there; and interconnection, the reason for a network hub, is in no table. Use the score to narrow a list",
        "down with reasons that can be checked, not as a forecast of where others will build.",
        "",
    ]
    return "\n".join(parts)


def main() -> int:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--check", action="store_true", help="compare with the page at hand, write nothing")
    asked = parser.parse_args()
    try:
        text = page(load_tables(None))
    except DcsiteError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    if asked.check:
        same = TARGET.is_file() and TARGET.read_text(encoding="utf-8") == text
        print("up to date" if same else f"{TARGET} differs: run scripts/backtest.py")
        return 0 if same else 1
    TARGET.write_text(text, encoding="utf-8")
    print(f"wrote {TARGET.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
