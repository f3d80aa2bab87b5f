"""Build ``data/regions``: sites, countries, places, hazards; water and costs are in modules of their own."""

from __future__ import annotations

# ruff: noqa: PERF401
import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from builders.common import Folder, number, read_source, slug
from builders.network_regions import REGION_OF
from builders.regions_common import (
    FACTS,
    GENERATION,
    SOURCED,
    STATUS,
    cite,
    cloud_country,
    generation,
    km,
    plain,
    register,
)
from builders.regions_costs import capex, land
from builders.regions_water import water_flows, water_limits, water_prices, water_stress
from builders.water_grid import water_distance

FOLDER = "regions"

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

OVERSEAS = {
    ("FRA", "Martinique"): "MTQ",
    ("FRA", "French Guiana"): "GUF",
    ("FRA", "Reunion"): "REU",
    ("FRA", "Mayotte"): "MYT",
    ("FRA", "Guadeloupe"): "GLP",
    ("NLD", "Saba"): "BES",
    ("NLD", "St. Eustatius"): "BES",
    ("NLD", "Bonaire"): "BES",
    ("NOR", "Svalbard"): "SJM",
    ("NOR", "BVT-00 (Bouvet I. remainder)"): "BVT",
    ("NZL", "Tokelau"): "TKL",
}
"""Units far from the country that the outline data counts them with, with codes of their own."""

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
        iso3 = OVERSEAS.get((iso3, r.name), iso3)
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
                    f"cloud:{cloud_country(r).lower()}-{slug(plain(r.metro))}",
                    r.metro,
                    "cloud",
                    iso3[cloud_country(r)],
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
        note="First-level units of metros in the United States, Canada, Australia, China, India and the Emirates are those "
        "of GeoNames (scripts/builders/metro_provinces.csv).",
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
