"""A small made-up world for the report tests: 12 sites, 2 workloads, every column the reports read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from dcsite.physics.cost import annual_cost_parts, levelized_cost_usd_per_it_mwh
from dcsite.physics.evaluation import Assumption, Evaluation, Market
from dcsite.spec.columns import FACTS
from dcsite.spec.scenario import Scenario
from dcsite.spec.workload import Profile

NASTY = '</script><img src=x onerror="window.pwned=1">'
PLACES = [
    ("us-alder", "Alder", "USA", 47.2, -119.9, 42.0),
    ("us-birch", "Birch", "USA", 33.0, -96.7, 61.0),
    ("us-cedar", "Cedar", "USA", 39.0, -77.5, 90.0),
    ("is-dagur", "Dagur", "ISL", 64.0, -22.6, 45.0),
    ("de-esche", "Esche", "DEU", 50.1, 8.7, 160.0),
    ("sg-fern", "Fern", "SGP", 1.3, 103.8, 140.0),
    ("jp-ginkgo", "いちょう", "JPN", 35.7, 139.7, 130.0),
    ("br-hevea", "=2+3", "BRA", -23.5, -46.6, 95.0),
    ("za-iroko", "@Iroko", "ZAF", -26.2, 28.0, 70.0),
    ("kw-juniper", "Juniper", "KWT", 29.4, 48.0, 32.0),
    ("nz-kauri", NASTY, "NZL", -41.3, 174.8, 85.0),
    ("fj-lime", "Lime & <Sons>", "FJI", -17.7, 178.1, float("nan")),
]
TECHNOLOGIES = {"air_economizer": (1.18, 0.0), "wet_tower": (1.12, 1.6)}
CITIES = [("Tokyo", "JPN", 35.7, 139.7), ("London", "GBR", 51.5, -0.1), ("New York", "USA", 40.7, -74.0)]


def profile(name: str, **changes: Any) -> Profile:
    base = {
        "name": name,
        "rack_kw": 8.0,
        "load_factor": 0.6,
        "latency_worth_usd_per_rack_year": 8000.0,
        "technologies": tuple(TECHNOLOGIES),
        "capex_factor": 1.0,
    }
    return Profile.model_validate({**base, **changes})


PROFILES = {
    "cloud": profile("cloud"),
    "training": profile("ai-training", rack_kw=32.0, load_factor=0.85, latency_worth_usd_per_rack_year=0.0),
}


def make_evaluation() -> Evaluation:
    scenario = Scenario.model_validate(
        {
            "format": 1,
            "title": "A made-up world <b>& co</b>",
            "workloads": [
                {"name": "cloud", "profile": "cloud", "it_mw": 60, "users": "world"},
                {"name": "training", "profile": "ai-training", "it_mw": 120},
            ],
        }
    )
    sites = pd.DataFrame(PLACES, columns=["site_id", "name", "country_iso3", "lat", "lon", "price"])
    sites["grid_mw"] = 100.0
    sites["capex_quality"] = "estimate"
    sites["capex_source_id"] = "made-up"
    sites["capex_usd_per_mw"] = 1.0e7
    sites = sites.set_index("site_id", drop=False)
    sites.index.name = None
    rng = np.random.default_rng(7)
    rtt = rng.uniform(5, 150, (len(sites), len(CITIES))).round(3)
    markets = {
        "cloud": Market(
            "world",
            "three cities stand for the world",
            pd.DataFrame(CITIES, columns=["name", "country_iso3", "lat", "lon"]).assign(
                weight_ratio=[0.5, 0.3, 0.2]
            ),
            rtt,
            rtt * 1.3,
            0.9,
        )
    }
    rows = []
    for workload, profile_ in PROFILES.items():
        for number, place in enumerate(PLACES):
            price = place[5]
            warm = 1.0 + 0.004 * max(0.0, 40.0 - abs(place[3]))
            for technology, (pue, wue) in TECHNOLOGIES.items():
                pue_here = pue * warm + 0.003 * number
                scarce = wue * (1.0 + (number % 4))
                reach = float(np.clip((80 - rtt[number]) / 60, 0, 1) @ [0.5, 0.3, 0.2]) / 0.9
                capex = 8.0e6 + 1.7e5 * number
                parts = annual_cost_parts(
                    energy_usd_per_mwh=price,
                    demand_usd_per_kw_month=3.0 if number % 3 == 0 else 0.0,
                    pue=pue_here,
                    pue_peak=pue_here + 0.1,
                    withdrawal_l_per_kwh=wue * 1.3,
                    water_usd_per_m3=1.5,
                    scarcity_factor=1.0 + (number % 4),
                    carbon_g_per_kwh=30.0 * number,
                    carbon_price_usd_per_t=0.0,
                    capex_usd_per_mw=capex,
                    fixed_om_ratio=0.03,
                    load_factor=profile_.load_factor,
                    peak_factor=1.0,
                    discount_rate=0.08,
                    life_years=15,
                )
                cost = {key: float(value) for key, value in parts.items()}
                rows.append(
                    {
                        "site_id": place[0],
                        "workload": workload,
                        "technology": technology,
                        "admissible": not (technology == "wet_tower" and number == 3),
                        "refusal": "water freezes" if technology == "wet_tower" and number == 3 else "",
                        "price_usd_per_mwh": price,
                        "effective_price_usd_per_mwh": price,
                        "price_sd_usd_per_mwh": 4.0,
                        "price_basis": "delivered_ex_tax",
                        "price_class": "large_industrial",
                        "price_zone_id": place[0][:2],
                        "price_level": "utility",
                        "price_year": 2024,
                        "price_quality": ("measured", "reported", "modeled", "estimate", "unverified")[
                            number % 5
                        ],
                        "price_source_id": f"source-{number % 3}",
                        "subsidized": place[0].startswith("kw-"),
                        "energy_usd_per_mwh": price,
                        "demand_usd_per_kw_month": 3.0 if number % 3 == 0 else 0.0,
                        "pue": pue_here,
                        "pue_low": pue_here - 0.03,
                        "pue_high": pue_here + 0.04,
                        "pue_peak": pue_here + 0.1,
                        "wue_l_per_kwh": wue,
                        "withdrawal_l_per_kwh": wue * 1.3,
                        "scarce_water_l_per_kwh": scarce,
                        "scarce_water_sd_l_per_kwh": 0.1 * scarce,
                        "overhead_mwh_per_mwh": pue_here - 1.0,
                        "overhead_sd_mwh_per_mwh": 0.01,
                        "derate_ratio": 0.0,
                        "trim_hours": 100.0 * number,
                        "carbon_kg_per_mwh": 30.0 * number * pue_here,
                        "carbon_sd_kg_per_mwh": 10.0,
                        "reach_ratio": reach if workload == "cloud" else float("nan"),
                        "reach_sd_ratio": 0.02,
                        "rtt_mean_ms": float(rtt[number] @ [0.5, 0.3, 0.2]),
                        "rtt_p50_ms": float(rtt[number, 0]),
                        "rtt_p90_ms": float(rtt[number].max()),
                        "coverage_target_ratio": 0.5,
                        **cost,
                        "levelized_usd_per_it_mwh": float(
                            levelized_cost_usd_per_it_mwh(
                                cost["cost_usd_per_mw_year"], load_factor=profile_.load_factor
                            )
                        ),
                        "margin_usd_per_mw_year": float("nan"),
                        "hours_run": float("nan"),
                        "hazard_index": 1.0 + 0.6 * number,
                        "hazard_sd_index": 0.3,
                        "policy_index": 0.9 - 0.05 * number,
                        "policy_sd_index": 0.02,
                        "capex_usd_per_w": capex / 1e6,
                        "capex_sd_usd_per_w": 1.0,
                        "time_to_power_years": float("nan") if number % 2 else 3.0,
                        "time_to_power_sd_years": 1.0,
                        "wait_years": 0.0,
                        "wait_usd_per_mw_year": 0.0,
                        "generation_nearby_gw": 2.0 * number,
                        "generation_sd_gw": 0.0,
                    }
                )
    facts = pd.DataFrame(rows)
    assert set(FACTS) <= set(facts.columns)
    excluded = pd.DataFrame(
        [
            {
                "site_id": "sg-fern",
                "workload": "training",
                "rule": "moratorium",
                "reason": "no new load before 2028",
                "quality": "reported",
            }
        ]
    )
    sources = pd.DataFrame(
        {
            "source_id": ["source-0", "source-1", "source-2"],
            "publisher": ["Bureau", "Office", "=cmd()"],
            "title": ["Prices of 2024", "Water & weather", "-- a title"],
            "year": [2024, 2023, 2020],
            "license": ["public domain", "CC BY 4.0", "CC0"],
        }
    )
    return Evaluation(
        scenario=scenario,
        workloads={workload.name: workload for workload in scenario.workloads},
        profiles=PROFILES,
        sites=sites,
        facts=facts,
        markets=markets,
        excluded=excluded,
        assumptions=(Assumption("sites.default_grid_mw", "100", "MW", "no limit is known"),),
        notes=("This world is made up.",),
        vintage={"prices": "2024", "rules": "us-2026-01 of 2026-01-15"},
        sources=sources,
        checksums={"retail": "0" * 64},
    )


@dataclass(frozen=True)
class MadeUpPlan:
    """What :class:`dcsite.report.frames.PlanLike` asks for."""

    status: str = "optimal"
    objective_usd_per_year: float = 2.5e8
    bound_usd_per_year: float = 2.499e8
    gap: float = 0.0004
    cost_parts: dict[str, float] = field(
        default_factory=lambda: {"power": 1.2e8, "water": 1.0e6, "capex": 1.29e8}
    )
    placements: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(
            {
                "site_id": ["us-alder", "is-dagur", "us-birch"],
                "technology": ["wet_tower", "air_economizer", "wet_tower"],
                "workload": ["training", "cloud", "cloud"],
                "it_mw": [120.0, 25.0, 35.0],
            }
        )
    )
    served: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(
            {
                "workload": ["cloud", "cloud", "cloud"],
                "site_id": ["is-dagur", "us-birch", "us-birch"],
                "region": ["London", "New York", "Tokyo"],
                "share_ratio": [0.3, 0.2, 0.5],
            }
        )
    )
    limits: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(
            {
                "family": ["grid", "max_sites"],
                "key": ["us-alder", ""],
                "limit": [150.0, 3.0],
                "used": [150.0, 3.0],
                "unit": ["MW", "sites"],
                "binding": [True, True],
                "worth_usd_per_unit": [12000.0, None],
            }
        )
    )
