"""Made-up worlds for the tests of the portfolio model: small, random, every column that it reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from dcsite.physics.cost import annual_cost_parts
from dcsite.physics.evaluation import Evaluation, Market
from dcsite.spec.scenario import Scenario
from dcsite.spec.workload import Profile

COUNTRIES = ("USA", "ISL", "DEU", "SGP", "JPN", "BRA")
TECHNOLOGIES = {"dry": (1.25, 0.0), "wet": (1.12, 1.6)}


def make_profile(name: str, **changes: Any) -> Profile:
    base = {
        "name": name,
        "rack_kw": 8.0,
        "load_factor": 0.6,
        "latency_worth_usd_per_rack_year": 8000.0,
        "technologies": tuple(TECHNOLOGIES),
        "survive_fraction": 1.0,
        "accelerators_per_mw": 0.0,
    }
    return Profile.model_validate({**base, **changes})


PROFILES = {
    "cloud": {},
    "ai-training": {
        "rack_kw": 32.0,
        "load_factor": 0.85,
        "latency_worth_usd_per_rack_year": 0.0,
        "survive_fraction": 0.0,
        "accelerators_per_mw": 700.0,
    },
    "crypto": {
        "load_factor": 0.98,
        "latency_worth_usd_per_rack_year": 0.0,
        "survive_fraction": 0.0,
        "interruptible_fraction": 1.0,
        "break_even_usd_per_mwh": 95.0,
        "capex_factor": 0.2,
        "customer_class": "crypto",
    },
}


def world(
    scenario: dict[str, Any] | Scenario,
    *,
    seed: int = 0,
    sites: int = 5,
    points: int = 4,
    technologies: int = 2,
    opening_usd: float = 10e6,
    grid_mw: float | None = None,
    shuffle: bool = False,
    ids: list[str] | None = None,
    price_factor: Any = 1.0,
) -> Evaluation:
    """An evaluation of a random world for a scenario (a mapping or a model).

    ``price_factor`` multiplies the prices of power, one factor or one per site.
    """
    if not isinstance(scenario, Scenario):
        scenario = Scenario.model_validate({"format": 1, **scenario})
    rng = np.random.default_rng(seed)
    names = ids or [f"{COUNTRIES[i % len(COUNTRIES)].lower()}-{i:03d}" for i in range(sites)]
    frame = pd.DataFrame(
        {
            "site_id": names,
            "name": names,
            "country_iso3": [COUNTRIES[i % len(COUNTRIES)] for i in range(sites)],
            "zone_id": [f"zone-{i % 4}" for i in range(sites)],
            "grid_operator": "",
            "tags": ["ai,cheap" if i % 2 else "hub" for i in range(sites)],
            "water_group": [f"basin-{i % 2}" for i in range(sites)],
            "lat": rng.uniform(-50, 60, sites).round(2),
            "lon": rng.uniform(-180, 180, sites).round(2),
            "tax_ratio": rng.uniform(0.1, 0.3, sites).round(3),
        }
    )
    frame["grid_mw"] = rng.uniform(60, 160, sites).round(1) if grid_mw is None else grid_mw
    for column in ("land_m2", "water_m3_per_year", "water_m3_per_hour"):
        frame[column] = np.nan
    frame["opening_usd"] = opening_usd
    frame["required"] = [name in scenario.sites.require for name in names]
    price = rng.uniform(25, 140, sites).round(1) * price_factor
    capex = rng.uniform(7e6, 12e6, sites).round(-3)
    carbon = rng.uniform(10, 700, sites).round(0)
    for entry in scenario.sites.override:
        at = frame["site_id"] == entry.id
        for key in ("grid_mw", "land_m2", "water_m3_per_year", "water_m3_per_hour"):
            if getattr(entry, key) is not None:
                frame.loc[at, key] = getattr(entry, key)
    xy = rng.uniform(0, 10, (sites, 2))
    profiles, facts, markets = {}, [], {}
    blocks = []
    for load in scenario.workloads:
        profile = load.resolved(make_profile(load.profile, **PROFILES[load.profile]))
        profiles[load.name] = profile
        if load.profile == "cloud":
            where = np.random.default_rng(seed + 1).uniform(0, 10, (points, 2))
            rtt = 4.0 + 12.0 * np.linalg.norm(xy[:, None] - where[None], axis=2).round(3)
            weight = np.random.default_rng(seed + 2).uniform(0.5, 2, points)
            markets[load.name] = Market(
                "made up",
                "made-up points",
                pd.DataFrame(
                    {
                        "name": [f"city {u}" for u in range(points)],
                        "country_iso3": "USA",
                        "lat": 0.0,
                        "lon": np.arange(points) * 1.0,
                        "weight_ratio": weight / weight.sum(),
                    }
                ),
                rtt,
                rtt * 1.2,
                0.9,
            )
        for s in range(sites):
            for technology, (pue, wue) in list(TECHNOLOGIES.items())[:technologies]:
                pue_here = pue + 0.01 * (s % 5)
                common = {
                    "pue": pue_here,
                    "pue_peak": pue_here + 0.1,
                    "withdrawal_l_per_kwh": wue * 1.3,
                    "capex_usd_per_mw": capex[s]
                    * profile.capex_factor
                    * (1.0 if technology == "dry" else 1.02),
                }
                parts = annual_cost_parts(
                    energy_usd_per_mwh=price[s],
                    demand_usd_per_kw_month=2.0 if s % 3 == 0 else 0.0,
                    water_usd_per_m3=1.5,
                    scarcity_factor=1.0 + (s % 3),
                    carbon_g_per_kwh=carbon[s],
                    carbon_price_usd_per_t=scenario.carbon_price_usd_per_t,
                    fixed_om_ratio=0.03,
                    load_factor=profile.load_factor,
                    peak_factor=profile.peak_factor,
                    discount_rate=scenario.discount_rate,
                    life_years=scenario.horizon_years,
                    **common,
                )
                row = {key: float(value) for key, value in parts.items()}
                for part in ("power", "water", "carbon"):
                    row[f"{part}_firm_usd_per_mw_year"] = row[f"{part}_usd_per_mw_year"]
                hours, margin = 8760.0, 0.0
                if profile.interruptible_fraction > 0:
                    worth = float(profile.break_even_usd_per_mwh or 0)
                    share = np.array([0.5, 0.3, 0.15, 0.05]) * 8760
                    cost = price[s] * pue_here * np.array([0.6, 1.0, 1.6, 3.2]) + wue * 1.5
                    hours = float(share[cost < worth].sum())
                    margin = float((share * np.maximum(0, worth - cost)).sum())
                    margin *= profile.interruptible_fraction * profile.load_factor
                    blocks += [
                        {
                            "site_id": names[s],
                            "workload": load.name,
                            "technology": technology,
                            "block": b,
                            "hours": share[b],
                            "cost_usd_per_it_mwh": cost[b],
                            "facility_mwh_per_it_mwh": pue_here,
                            "water_m3_per_it_mwh": wue,
                        }
                        for b in range(4)
                    ]
                facts.append(
                    {
                        "site_id": names[s],
                        "workload": load.name,
                        "technology": technology,
                        "admissible": not (technology == "wet" and s == 3),
                        "refusal": "water freezes" if technology == "wet" and s == 3 else "",
                        **common,
                        **row,
                        "price_usd_per_mwh": price[s],
                        "wue_l_per_kwh": wue,
                        "withdrawal_peak_m3_per_mw_hour": wue * 1.3 * 1.8,
                        "carbon_kg_per_mwh": carbon[s] * pue_here,
                        "hours_run": hours,
                        "margin_usd_per_mw_year": margin,
                        "min_demand_ratio": 0.5,
                    }
                )
    frame = frame.set_index("site_id", drop=False)
    frame.index.name = None
    table = pd.DataFrame(facts)
    extra: dict[str, Any] = {}
    if blocks:
        extra["interruptible_blocks"] = pd.DataFrame(blocks)
    if shuffle:
        order = np.random.default_rng(99).permutation(sites)
        frame = frame.iloc[order]
        table = table.sample(frac=1.0, random_state=5).reset_index(drop=True)
        markets = {
            name: Market(
                m.name, m.note, m.points, m.rtt_ms[order], m.rtt_model_p90_ms[order], m.best_reach_ratio
            )
            for name, m in markets.items()
        }
    return Evaluation(
        scenario=scenario,
        workloads={load.name: load for load in scenario.workloads},
        profiles=profiles,
        sites=frame,
        facts=table,
        markets=markets,
        excluded=pd.DataFrame(columns=["site_id", "workload", "rule", "reason", "quality"]),
        extra=extra,
    )
