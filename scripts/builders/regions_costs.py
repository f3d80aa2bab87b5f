"""Tables of cost for ``data/regions``: what halls and land cost, by market, country and region."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from builders.common import Folder, number, read_source, slug
from builders.regions_common import ACRE_M2, FACTS, SOURCED, SQFT_M2, STATUS, cite, plain

if TYPE_CHECKING:
    from pathlib import Path

MARKET_AT = {
    "Reno": (39.53, -119.81),
    "San Antonio": (29.42, -98.49),
    "Tokyo": (35.69, 139.69),
    "Osaka": (34.69, 135.50),
    "Singapore": (1.35, 103.82),
    "Silicon Valley": (37.37, -121.97),
    "Zurich": (47.37, 8.55),
    "London": (51.51, -0.13),
    "Frankfurt": (50.11, 8.68),
    "Mumbai": (19.07, 72.88),
    "Jakarta": (-6.21, 106.85),
    "Kuala Lumpur": (3.14, 101.69),
    "Riyadh": (24.69, 46.72),
    "Northern Virginia": (39.04, -77.49),
    "New Jersey": (40.74, -74.17),
    "Dallas": (32.78, -96.80),
    "Phoenix": (33.45, -112.07),
    "Toronto": (43.70, -79.42),
    "Buenos Aires": (-34.61, -58.38),
    "Sao Paulo": (-23.55, -46.64),
    "Santiago": (-33.46, -70.65),
}
MARKET_KM = 60.0
NATIONAL = {
    "US 19-market average": "USA",
    "Malaysia (Johor, KL, Selangor)": "MYS",
    "Japan (Osaka, Tokyo)": "JPN",
    "Chinese mainland": "CHN",
}
ONE_MARKET = {
    "SGP": "Singapore",
    "CHE": "Zurich",
    "GBR": "London",
    "DEU": "Frankfurt",
    "IND": "Mumbai",
    "IDN": "Jakarta",
    "SAU": "Riyadh",
    "CAN": "Toronto",
    "ARG": "Buenos Aires",
    "BRA": "Sao Paulo",
    "CHL": "Santiago",
}
"""Country whose only market stands for all of it."""


def capex(sources: Path, out: Folder) -> None:
    """Build cost per watt by market, country and region, from quoted rows by stated rules."""
    raw = read_source(sources / "sites_capex.csv")
    quoted: list[dict[str, Any]] = []
    dropped = {
        "percent premium for AI, in the profiles": 0,
        "all-in with IT hardware": 0,
        "older year of the same market": 0,
        "replaced by a national row of 2025": 0,
    }
    for r in raw.itertuples(index=False):
        if r.unit.startswith("percent"):
            dropped["percent premium for AI, in the profiles"] += 1
        elif "all-in" in r.unit:
            dropped["all-in with IT hardware"] += 1
        elif r.unit != "USD/W":
            message = f"capex: unknown unit '{r.unit}'"
            raise ValueError(message)
        else:
            values = [number(v) for v in (r.low, r.mid, r.high)]
            middle = values[1] if not math.isnan(values[1]) else next(v for v in values if not math.isnan(v))
            quoted.append(
                {
                    "name": r.market,
                    "country": r.country_iso3,
                    "low": values[0] if not math.isnan(values[1]) else None,
                    "usd_per_w": middle,
                    "high": values[2] if not math.isnan(values[1]) else None,
                    "basis": r.basis,
                    "year": int(r.year),
                    "source_id": cite(out, r.source, r.licence, year=r.year),
                }
            )
    rows: list[dict[str, Any]] = []

    def add(kind: str, area: str, entry: dict[str, Any], quality: str, level: str, **more: Any) -> None:  # noqa: ANN401
        at = MARKET_AT.get(entry["name"], (None, None)) if kind == "market" else (None, None)
        rows.append(
            {
                "area_kind": kind,
                "area_id": area,
                "name": entry["name"],
                "country_iso3": entry["country"],
                "lat": at[0],
                "lon": at[1],
                "capex_usd_per_w": entry["usd_per_w"],
                "capex_low_usd_per_w": entry["low"],
                "capex_high_usd_per_w": entry["high"],
                "basis": entry["basis"],
                "level": level,
                "source_id": entry["source_id"],
                "year": entry["year"],
                "quality": quality,
            }
            | more
        )

    today = [e for e in quoted if e["year"] > 2018]
    old = [e for e in quoted if e["year"] == 2018]
    base_today = next(e for e in today if e["name"] == "Silicon Valley")
    base_old = next(e for e in old if e["name"] == "Silicon Valley")
    latest: dict[str, dict[str, Any]] = {}
    for entry in sorted(today, key=lambda e: -e["year"]):
        if entry["name"] in latest:
            dropped["older year of the same market"] += 1
        elif entry["name"] == "Kuala Lumpur":
            dropped["replaced by a national row of 2025"] += 1
        else:
            latest[entry["name"]] = entry
    for name, entry in latest.items():
        if name in MARKET_AT:
            add("market", slug(name), entry, "reported", "market")
    for entry in old:
        if entry["name"] in latest:
            continue
        scaled = entry | {
            "usd_per_w": round(entry["usd_per_w"] / base_old["usd_per_w"] * base_today["usd_per_w"], 2),
            "basis": f"ratio of 2018 to Silicon Valley ({entry['usd_per_w']:g} over {base_old['usd_per_w']:g}) times its {base_today['usd_per_w']:g} of {base_today['year']}",
            "year": base_today["year"],
        }
        latest[entry["name"]] = scaled
        add("market", slug(plain(entry["name"])), scaled, "modeled", "market, scaled from 2018")
    for name, iso3 in NATIONAL.items():
        entry = latest[name]
        if iso3 == "USA":
            spread = [latest[n]["usd_per_w"] for n in ("San Antonio", "Reno")]
            entry = entry | {"low": min(spread), "high": max(spread)}
        add("country", iso3, entry, "reported", "country")
    for iso3, name in ONE_MARKET.items():
        entry = latest[name]
        add(
            "country",
            iso3,
            entry | {"basis": f"{entry['basis']}; the only market known in the country"},
            "estimate",
            "country, one market",
        )
    figure = {r["area_id"]: r["capex_usd_per_w"] for r in rows if r["area_kind"] == "country"}
    emea = latest["EMEA average"]
    emea_span = [figure["GBR"], figure["DEU"], figure["CHE"], figure["SAU"], emea["usd_per_w"]]
    add(
        "region",
        "emea",
        emea | {"low": min(emea_span), "high": max(emea_span), "country": ""},
        "estimate",
        "region",
    )
    for region, members in {
        "asia-pacific": ("JPN", "SGP", "MYS", "CHN", "IND", "IDN"),
        "latin-america": ("ARG", "BRA", "CHL"),
        "north-america": ("USA", "CAN"),
    }.items():
        values = [figure[m] for m in members]
        add(
            "region",
            region,
            {
                "name": region,
                "country": "",
                "usd_per_w": round(float(np.mean(values)), 2),
                "low": min(values),
                "high": max(values),
                "basis": f"mean of {', '.join(members)}",
                "year": 2025,
                "source_id": "dcsite-capex-rules",
            },
            "estimate",
            "region",
        )
    frame = pd.DataFrame(rows)
    out.table(
        "capex",
        frame,
        key=["area_kind", "area_id"],
        license=FACTS,
        note=f"A market holds within {MARKET_KM:g} km; else the country; else the region. Land, IT hardware and soft costs are not in it. "
        "Levels of 2018 are used as ratios only.",
        columns=SOURCED
        | {
            "area_kind": "market, country or region",
            "area_id": "id of the area",
            "name": "name",
            "country_iso3": "country",
            "lat": "latitude of a market",
            "lon": "longitude of a market",
            "capex_usd_per_w": "shell and plant per watt of IT [USD/W]",
            "capex_low_usd_per_w": "low end as quoted, or least of the rows that the mean rests on",
            "capex_high_usd_per_w": "high end",
            "basis": "what the figure covers and how it was made",
            "level": "how near the figure is to the place",
        },
    )
    out.account("sites_capex.csv", len(raw), len(raw) - sum(dropped.values()), dropped)


LAND_AT = {
    "Loudoun County VA (Leesburg)": (39.11, -77.56, 12),
    "Ashburn VA": (39.04, -77.49, 12),
    "Prince William County VA": (38.75, -77.48, 25),
    "Kulai & Sedenak (Johor)": (1.66, 103.60, 20),
    "Pulai / Nusajaya (Johor)": (1.43, 103.65, 15),
    "Johor Bahru city": (1.49, 103.74, 8),
    "Cyberjaya and Greater Selangor": (2.92, 101.66, 45),
    "Keihanna Science City": (34.74, 135.77, 15),
    "Central Osaka": (34.69, 135.50, 8),
    "North Osaka": (34.82, 135.53, 12),
    "Inzai": (35.83, 140.15, 15),
    "Kawasaki": (35.53, 139.70, 8),
    "Saitama": (35.86, 139.65, 15),
    "Central Tokyo": (35.69, 139.69, 10),
    "Sagamihara": (35.57, 139.37, 12),
}
LAND_COUNTRY = {"US average, data-center land": "USA", "Malaysia blended": "MYS", "Japan blended": "JPN"}


def land(sources: Path, out: Folder) -> None:
    """Prices of land in USD/m2."""
    raw = read_source(sources / "sites_land.csv")
    factor = {"USD/acre": ACRE_M2, "USD/sqft": SQFT_M2, "USD/sqm": 1.0}
    rows = []
    dropped = {
        "an area, not a price": 0,
        "price of buildings": 0,
        "large parcels, inside the national mean": 0,
    }
    for r in raw.itertuples(index=False):
        if r.unit == "acre":
            dropped["an area, not a price"] += 1
            continue
        if "construction" in r.place:
            dropped["price of buildings"] += 1
            continue
        if r.place.startswith("US parcels of 50+"):
            dropped["large parcels, inside the national mean"] += 1
            continue
        values = [round(number(v) / factor[r.unit], 2) for v in (r.low, r.mid, r.high)]
        middle = next(v for v in (values[1], values[2], values[0]) if not math.isnan(v))
        country = LAND_COUNTRY.get(r.place, "")
        at = (None, None, None) if country else LAND_AT[r.place]
        rows.append(
            {
                "area_kind": "country" if country else "market",
                "area_id": country or slug(r.place),
                "name": r.place,
                "country_iso3": r.country_iso3,
                "lat": at[0],
                "lon": at[1],
                "within_km": at[2],
                "land_usd_per_m2": middle,
                "land_low_usd_per_m2": values[0],
                "land_high_usd_per_m2": values[2],
                "native": f"{r.mid or r.high} {r.unit}",
                "basis": r.basis,
                "source_id": cite(out, r.source, r.licence, year=r.year),
                "year": int(r.year),
                "quality": STATUS[r.status],
            }
        )
    out.table(
        "land",
        pd.DataFrame(rows),
        key=["area_kind", "area_id"],
        license=FACTS,
        columns=SOURCED
        | {
            "area_kind": "market or country",
            "area_id": "id of the area",
            "name": "name",
            "country_iso3": "country",
            "lat": "latitude of a market",
            "lon": "longitude of a market",
            "within_km": "how far a market reaches [km]",
            "land_usd_per_m2": "price [USD/m2]",
            "land_low_usd_per_m2": "low end",
            "land_high_usd_per_m2": "high end",
            "native": "figure as published",
            "basis": "what the figure is",
        },
    )
    out.account("sites_land.csv", len(raw), len(rows), dropped)
