"""Tables of water for ``data/regions``: stress, mean flows, legal minima, prices."""

from __future__ import annotations

# ruff: noqa: PERF401
import math
import re
from typing import TYPE_CHECKING, Any

import pandas as pd

from builders.common import Folder, number, read_source, slug
from builders.regions_common import FT3_M3, SOURCED, STATUS, cite, cloud_country, plain

if TYPE_CHECKING:
    from pathlib import Path

PROVIDERS = {"aws": "Amazon Web Services", "azure": "Microsoft Azure", "gcp": "Google Cloud"}

CATEGORY_WORDS = {"Low": 0, "Low-Medium": 1, "Medium-High": 2, "High": 3, "Extremely High": 4}
OVERRIDES = {
    "SGP": (
        4,
        "no river basin of its own to speak of, most water imported, reclaimed or desalinated: top class",
    ),
    "HKG": (
        2,
        "class of the two cloud regions in Hong Kong; most water comes from the Dongjiang by contract",
    ),
    "TWN": (2, "no row; class of Hong Kong, the nearest listed place, with droughts as in 2021"),
}


def score_class(score: float) -> float:
    """Class 0 to 4 of a score 0 to 5."""
    return float(min(int(score), 4))


def water_stress(sources: Path, out: Folder) -> pd.DataFrame:
    """Water stress by US state, province (known through cloud regions) and country."""
    rows: list[dict[str, Any]] = []

    def add(
        kind: str,
        area: str,
        category: float,
        score: float | None,
        edition: str,
        how: str,
        source: str,
        year: int,
        quality: str,
        note: str = "",
        **place: Any,  # noqa: ANN401
    ) -> None:
        rows.append(
            {
                "area_kind": kind,
                "area_id": area,
                "country_iso3": place.get("country", ""),
                "lat": place.get("lat"),
                "lon": place.get("lon"),
                "category": category,
                "score": score,
                "edition": edition,
                "score_kind": how,
                "note": note,
                "source_id": source,
                "year": year,
                "quality": quality,
            }
        )

    states = read_source(sources / "water_aqueduct_us_states.csv")
    for r in states.itertuples(index=False):
        if r.aq4_category_code:
            add(
                "state",
                f"US-{r.state}",
                number(r.aq4_category_code),
                None,
                "4.0",
                "total",
                "wri-aqueduct-4",
                2023,
                "modeled",
                country="USA",
            )
        else:
            add(
                "state",
                f"US-{r.state}",
                float(CATEGORY_WORDS[r.bws_category_aq3]),
                number(r.bws_total_score_aq3),
                "3.0",
                "total",
                "wri-aqueduct-3",
                2019,
                "modeled",
                "edition 3.0, which understates California and Virginia",
                country="USA",
            )
    out.account("water_aqueduct_us_states.csv", len(states), len(states))
    regions = read_source(sources / "water_aqueduct_cloud_regions.csv")
    cloud = read_source(sources / "regions_cloud.csv")
    iso3 = dict(read_source(sources / "demand_countries.csv")[["iso2", "iso3"]].itertuples(index=False))
    position = {(r.provider, r.region_id): r for r in cloud.itertuples(index=False)}
    suspect = 0
    for r in regions.itertuples(index=False):
        place = position.get((PROVIDERS[r.provider], r.region))
        if r.note.startswith("suspect"):
            suspect += 1
            continue
        where = (
            {"country": iso3[cloud_country(place)], "lat": number(place.lat), "lon": number(place.lon)}
            if place is not None and place.lat
            else {}
        )
        add(
            "province",
            f"{r.provider}/{r.region}",
            number(r.bws_category_code_aq4),
            None,
            "4.0",
            "total",
            "wri-aqueduct-4",
            2023,
            "modeled",
            **where,
        )
    out.account(
        "water_aqueduct_cloud_regions.csv",
        len(regions),
        len(regions) - suspect,
        {"geocoding slip (us-central1)": suspect},
    )
    nations = read_source(sources / "water_aqueduct_countries.csv")
    for r in nations.itertuples(index=False):
        total, largest = number(r.bws_total_score), number(r.bws_max_sector_score)
        if not math.isnan(total):
            add(
                "country",
                r.iso3,
                score_class(total),
                total,
                "4.0",
                "total",
                "wri-aqueduct-4",
                2023,
                "modeled",
                country=r.iso3,
            )
        elif not math.isnan(largest) and r.iso3 not in OVERRIDES:
            add(
                "country",
                r.iso3,
                score_class(largest),
                largest,
                "4.0",
                "max_sector",
                "wri-aqueduct-4",
                2023,
                "estimate",
                "largest of the sector scores: not WRI's national figure, for ranking only",
                country=r.iso3,
            )
    blank = sum(
        1 for r in nations.itertuples(index=False) if r.bws_max_sector_score == "" and r.bws_total_score == ""
    )
    override = sum(
        1
        for r in nations.itertuples(index=False)
        if r.iso3 in OVERRIDES and (r.bws_max_sector_score or r.bws_total_score)
    )
    out.account(
        "water_aqueduct_countries.csv",
        len(nations),
        len(nations) - blank - override,
        {"no score": blank, "replaced by an estimate": override},
    )
    for code, (category, note) in OVERRIDES.items():
        add(
            "country",
            code,
            float(category),
            None,
            "",
            "estimate",
            "dcsite-water-stress",
            2026,
            "estimate",
            note,
            country=code,
        )
    frame = pd.DataFrame(rows)
    out.table(
        "water_stress",
        frame,
        key=["area_kind", "area_id"],
        license="CC BY 4.0 (WRI Aqueduct)",
        note="Classes: 0 under 10 % of supply withdrawn, 1 10-20, 2 20-40, 3 40-80, 4 over 80 %. A class that rests on a score "
        "is the whole part of it.",
        columns=SOURCED
        | {
            "area_kind": "state (US), province (that of a cloud region) or country",
            "area_id": "ISO 3166-2, provider/region, or ISO3",
            "country_iso3": "country; empty: position of the region not known",
            "lat": "latitude of the cloud region",
            "lon": "longitude of the cloud region",
            "category": "class of baseline water stress, 0 to 4",
            "score": "score 0 to 5 where published",
            "edition": "edition of Aqueduct",
            "score_kind": "total (all users), max_sector (largest over sectors) or estimate",
            "note": "note",
        },
    )
    return frame


def water_flows(sources: Path, out: Folder) -> pd.DataFrame:
    """Mean flows of rivers at gauges."""
    raw = read_source(sources / "water_rivers.csv")
    rows = []
    for r in raw.itertuples(index=False):
        if "water rights" in r.river:
            continue
        factor = {"ft3/s": FT3_M3, "m3/s": 1.0}[r.unit]
        river = re.split(r" River| at | \(| below ", r.river)[0].strip()
        rows.append(
            {
                "flow_id": slug(plain(r.river)),
                "river": river,
                "name": r.river,
                "country_iso3": r.country_iso3,
                "gauge": r.gauge,
                "lat": number(r.lat),
                "lon": number(r.lon),
                "mean_flow_m3_per_s": round(number(r.mean_flow) * factor, 1),
                "note": r.note,
                "source_id": cite(out, r.source, r.licence, year=r.year),
                "year": int(r.year),
                "quality": "measured" if r.status == "seen" and r.gauge else STATUS[r.status],
            }
        )
    frame = pd.DataFrame(rows)
    out.table(
        "water_flows",
        frame,
        key=["flow_id"],
        license="facts",
        columns=SOURCED
        | {
            "flow_id": "id",
            "river": "river",
            "name": "gauge in words",
            "country_iso3": "country",
            "gauge": "code of the gauge",
            "lat": "latitude",
            "lon": "longitude",
            "mean_flow_m3_per_s": "mean flow [m3/s]",
            "note": "note",
        },
    )
    out.account("water_rivers.csv", len(raw), len(raw), None)
    return frame


def water_limits(sources: Path, out: Folder) -> None:
    """Legal minimum flows, rights in use and system sizes."""
    raw = read_source(sources / "water_limits.csv")
    rows, seed, grid = [], 0, 0
    for r in raw.itertuples(index=False):
        if "seed figure" in r.place:
            seed += 1
            continue
        if r.place.startswith("Ireland"):
            grid += 1
            continue
        place, _, period = r.place.partition(", ")
        value, unit = number(r.value), r.unit
        if unit == "ft3/s":
            value, unit = round(value * FT3_M3, 2), "m3/s"
        elif unit == "percent":
            value, unit = value / 100, "-"
        rows.append(
            (
                place,
                period,
                r.rule,
                value,
                unit,
                cite(out, r.source, r.licence),
                r.year or "",
                STATUS[r.status],
            )
        )
    rights = [
        r
        for r in read_source(sources / "water_rivers.csv").itertuples(index=False)
        if "water rights" in r.river
    ]
    for r in rights:
        rows.append(
            (
                "Columbia River",
                "Apr-Oct",
                "withdrawals allowed to existing rights",
                round(number(r.mean_flow) * FT3_M3, 2),
                "m3/s",
                cite(out, r.source, r.licence, year=r.year),
                r.year,
                STATUS[r.status],
            )
        )
    frame = pd.DataFrame(
        rows, columns=["place", "period", "rule", "value", "unit", "source_id", "year", "quality"]
    )
    frame["year"] = frame["year"].map(number)
    out.table(
        "water_limits",
        frame,
        key=["place", "period", "rule"],
        license="public law, facts",
        columns=SOURCED
        | {
            "place": "river reach or city",
            "period": "part of the year; empty: always",
            "rule": "what the value limits",
            "value": "value in `unit`",
            "unit": "unit",
            "year": "year; empty: law in force",
        },
    )
    out.account(
        "water_limits.csv",
        len(raw),
        len(raw) - seed - grid,
        {"names the wrong place (Quincy seed figure)": seed, "grid rule, not water": grid},
    )


GULF = ("ARE", "BHR", "KWT", "OMN", "QAT", "SAU")


def water_prices(sources: Path, out: Folder) -> None:
    """Water tariffs by country, with wide ranges."""
    raw = read_source(sources / "water_tariffs.csv")
    price = {
        r.place: (
            number(r.price),
            cite(out, r.source, r.licence, year=r.year),
            int(r.year),
            STATUS[r.status],
        )
        for r in raw.itertuples(index=False)
    }
    rows: list[tuple[Any, ...]] = []
    for iso3, adjective, cities in (("USA", "US", 27), ("CHN", "Chinese", 25), ("IND", "Indian", 17)):
        low, middle, high = (
            price[f"{adjective} cities {word} ({cities} cities)"] for word in ("minimum", "median", "maximum")
        )
        rows.append(
            (
                "country",
                iso3,
                low[0],
                middle[0],
                high[0],
                "water only",
                "cities of 2011, retail",
                middle[1],
                middle[2],
                "reported",
            )
        )
    newater, potable = (
        price["Singapore NEWater (SGD 1.00)"],
        price["Singapore non-domestic potable incl. tax and waterborne fee (SGD 3.24)"],
    )
    rows.append(
        (
            "country",
            "SGP",
            newater[0],
            potable[0],
            potable[0],
            "water, tax, used-water fee",
            "low: reclaimed water of 2007; middle and high: potable tariff of 2025",
            potable[1],
            potable[2],
            "unverified",
        )
    )
    trade = price["Hong Kong trade supply (HKD 4.58)"]
    rows.append(
        (
            "country",
            "HKG",
            None,
            trade[0],
            None,
            "water only",
            "trade supply",
            trade[1],
            trade[2],
            "unverified",
        )
    )
    gulf = price["Gulf seawater desalination, large reverse-osmosis contracts"]
    for iso3 in GULF:
        rows.append(
            (
                "country",
                iso3,
                0.3,
                gulf[0],
                0.5,
                "desalinated at the plant",
                "contract prices of large reverse-osmosis plants, no network",
                gulf[1],
                gulf[2],
                "unverified",
            )
        )
    world, top, lowest = (
        price["World average, 384 cities"],
        price["Aarhus"],
        price["Indian cities median (17 cities)"],
    )
    rows.append(
        (
            "country",
            "DNK",
            world[0],
            top[0],
            top[0],
            "water and wastewater",
            "highest city of a survey of 2014 (Aarhus, household); low: world mean",
            top[1],
            top[2],
            "estimate",
        )
    )
    rows.append(
        (
            "world",
            "world",
            lowest[0],
            world[0],
            top[0],
            "water and wastewater",
            "mean of 384 cities, household tariff; low and high: other rows of these surveys",
            world[1],
            world[2],
            "estimate",
        )
    )
    frame = pd.DataFrame(
        rows,
        columns=[
            "area_kind",
            "area_id",
            "price_low_usd_per_m3",
            "price_usd_per_m3",
            "price_high_usd_per_m3",
            "includes",
            "note",
            "source_id",
            "year",
            "quality",
        ],
    )
    out.table(
        "water_prices",
        frame,
        key=["area_kind", "area_id"],
        license="facts",
        note="Old and urban-retail: defaults with wide ranges. A user's own price goes first.",
        columns=SOURCED
        | {
            "area_kind": "country or world",
            "area_id": "ISO3 or world",
            "price_low_usd_per_m3": "low end [USD/m3]",
            "price_usd_per_m3": "middle [USD/m3]",
            "price_high_usd_per_m3": "high end [USD/m3]",
            "includes": "what the price includes",
            "note": "note",
        },
    )
    unused = ["World average, 355 cities", "Dublin (planned tariff)"]
    missing = [place for place in unused if place not in price]
    if missing:
        message = f"water_tariffs.csv: rows gone: {missing}"
        raise ValueError(message)
    out.account(
        "water_tariffs.csv",
        len(raw),
        len(raw) - 2,
        {"older survey of the same mean": 1, "tariff withdrawn before it came": 1},
    )
