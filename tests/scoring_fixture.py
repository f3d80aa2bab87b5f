"""Made-up evaluations for the scoring tests: plain figures in, an Evaluation out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from dcsite.physics.cost import COST_PARTS
from dcsite.physics.evaluation import Evaluation, Market
from dcsite.spec.scenario import Scenario
from dcsite.spec.workload import Profile

CLOUD = Profile(
    name="cloud",
    rack_kw=8.0,
    load_factor=0.6,
    latency_worth_usd_per_rack_year=8000.0,
    technologies=("dry", "wet"),
)
INFERENCE = CLOUD.model_copy(update={"name": "ai-inference", "rack_kw": 32.0, "load_factor": 0.55})
TRAINING = CLOUD.model_copy(
    update={
        "name": "ai-training",
        "rack_kw": 41.0,
        "load_factor": 0.76,
        "latency_worth_usd_per_rack_year": 0.0,
    }
)
FIGURES = {
    "effective_price_usd_per_mwh": (35.0, 165.0),
    "scarce_water_l_per_kwh": (0.0, 2.9),
    "overhead_mwh_per_mwh": (0.06, 0.39),
    "reach_ratio": (0.0, 1.0),
}
"""Columns of the main criteria with a range inside the anchors."""

SPREADS = {
    "price_sd_usd_per_mwh": 4.0,
    "scarce_water_sd_l_per_kwh": 0.1,
    "overhead_sd_mwh_per_mwh": 0.01,
    "reach_sd_ratio": 0.02,
    "carbon_sd_kg_per_mwh": 20.0,
    "hazard_sd_index": 0.3,
    "policy_sd_index": 0.02,
    "capex_sd_usd_per_w": 1.0,
    "time_to_power_sd_years": 1.0,
    "generation_sd_gw": 1.0,
}
OTHERS = {
    "carbon_kg_per_mwh": 100.0,
    "hazard_index": 3.0,
    "policy_index": 0.7,
    "capex_usd_per_w": 10.0,
    "time_to_power_years": 2.0,
    "generation_nearby_gw": 5.0,
}


def facts_frame(rows: list[dict[str, Any]], workload: str = "load") -> pd.DataFrame:
    """Rows of facts: what a row does not state is filled with a middling figure."""
    frame = pd.DataFrame(
        [
            {
                "workload": workload,
                "technology": "dry",
                "admissible": True,
                "refusal": "",
                "price_zone_id": row["site_id"],
                **SPREADS,
                **OTHERS,
                **row,
            }
            for row in rows
        ]
    )
    for number, part in enumerate(COST_PARTS):
        if part not in frame:
            frame[part] = frame["effective_price_usd_per_mwh"] * (number + 1) * 1000.0
    frame["cost_usd_per_mw_year"] = frame[list(COST_PARTS)].sum(axis=1)
    return frame


def evaluation_of(
    rows: list[dict[str, Any]],
    profile: Profile = CLOUD,
    *,
    users: bool = True,
    excluded: list[dict[str, str]] | None = None,
    **scenario: Any,
) -> Evaluation:
    """Evaluation of one workload named ``load``."""
    facts = facts_frame(rows)
    ids = sorted(set(facts["site_id"]))
    resolved = Scenario.model_validate(
        {
            "format": 1,
            "workloads": [{"name": "load", "profile": profile.name, "it_mw": 10}],
            **scenario,
        }
    )
    market = Market(
        "world",
        "",
        pd.DataFrame(
            {"name": ["x"], "country_iso3": ["USA"], "lat": [0.0], "lon": [0.0], "weight_ratio": 1.0}
        ),
        np.full((len(ids), 1), 10.0),
        np.full((len(ids), 1), 13.0),
        1.0,
    )
    return Evaluation(
        scenario=resolved,
        workloads={"load": resolved.workloads[0]},
        profiles={"load": profile},
        sites=pd.DataFrame({"site_id": ids, "name": [name.title() for name in ids]}, index=ids),
        facts=facts,
        markets={"load": market} if users else {},
        excluded=pd.DataFrame(
            excluded or [], columns=["site_id", "workload", "rule", "reason", "quality"], dtype=object
        ),
    )


def steps(low: float, high: float) -> st.SearchStrategy[float]:
    """Figures on a grid of 1,000 steps, so that ties happen and rounding does not decide."""
    return st.integers(0, 1000).map(lambda k: low + (high - low) * k / 1000)


@st.composite
def site_rows(draw: Any, *, least: int = 1, most: int = 8, technologies: int = 2, beyond: float = 0.0) -> Any:
    """Rows of several sites with one or more technologies each; ``beyond`` stretches past the anchors."""
    count = draw(st.integers(least, most))
    rows = []
    for number in range(count):
        reach = draw(steps(0.0, 1.0))
        for technology in ("dry", "wet", "mist")[: draw(st.integers(1, technologies))]:
            row: dict[str, Any] = {
                "site_id": f"xx-{number:02d}",
                "technology": technology,
                "reach_ratio": reach,
            }
            for column, (low, high) in FIGURES.items():
                if column != "reach_ratio":
                    more = beyond * (high - low)
                    row[column] = draw(steps(max(0.0, low - more), high + more))
            rows.append(row)
    return rows
