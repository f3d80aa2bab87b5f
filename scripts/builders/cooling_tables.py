"""Cooling tables of ``data/profiles``: technology parameters, electrical terms per facility class, the fit.

Called by the profiles builder. Symbols that a technology shares with another are listed once; the program
resolves them (``dcsite.physics.cooling.INHERITS``).
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import fit_cooling
from builders.common import Folder, number, read_source
from dcsite.data.catalog import DataRoot
from dcsite.data.tables import Tables
from dcsite.study import cooling_grid

CHOICES = "dcsite-cooling-choices"
FIT = "dcsite-cooling-fit"
GROUP = {"air_chiller(_econ)": "air_chiller"}
"""Source rows that serve two technologies are kept under the first; the second inherits them."""

OWN_ROWS: tuple[tuple[str, str, str, str, float, float, float, str, str], ...] = (
    (
        "air_econ_adiabatic",
        "pads_on",
        "evaporative pads enabled",
        "1",
        0,
        1,
        1,
        "estimate",
        "part of the design",
    ),
    ("liquid_dry", "pads_on", "evaporative pads enabled", "1", 0, 0, 1, "estimate", "off unless enabled"),
    (
        "free_air_crypto",
        "pads_on",
        "evaporative pads enabled",
        "1",
        0,
        0,
        1,
        "estimate",
        "off unless enabled; with pads dry heat costs water instead of hours",
    ),
    ("free_air_crypto", "t_pad", "outdoor air above which pads run", "C", 35, 38, 40, "unverified", ""),
    (
        "free_air_crypto",
        "t_stop",
        "outdoor air at which miners stop",
        "C",
        45,
        47,
        50,
        "reported",
        "same review as t_max",
    ),
    (
        "immersion",
        "f_liq",
        "share of IT heat to liquid",
        "1",
        0.9,
        0.95,
        1.0,
        "estimate",
        "all parts are in the bath; losses of tank and pumps go to air",
    ),
    (
        "immersion",
        "tfw",
        "facility water supply temperature",
        "C",
        40,
        42,
        45,
        "estimate",
        "middle of 40 to 45 C",
    ),
    (
        "once_through",
        "max_km",
        "farthest water that is piped",
        "km",
        5,
        20,
        40,
        "estimate",
        "screening limit, overridable",
    ),
    (
        "once_through",
        "max_flow_ratio",
        "largest share of a river's mean flow for 100 MW",
        "1",
        0.02,
        0.1,
        0.25,
        "estimate",
        "screening limit; permits decide",
    ),
    ("once_through", "eff_p", "pump efficiency", "1", 0.6, 0.75, 0.8, "estimate", "as at towers"),
)
MAX_RACK_KW = {
    "air_econ_adiabatic": (30.0, 45.0, 50.0),
    "tower_wse": (30.0, 45.0, 50.0),
    "free_air_crypto": (30.0, 45.0, 60.0),
    "liquid_dry": (60.0, 140.0, 200.0),
    "immersion": (60.0, 140.0, 200.0),
}
CLASS_ROWS: tuple[tuple[str, str, str, float, float, float, str], ...] = (
    ("hyperscale_new", "eta_ups", "UPS efficiency", 0.94, 0.965, 0.99, "one value for all technologies"),
    ("hyperscale_new", "f_dist", "distribution loss", 0.0, 0.01, 0.02, "one value for all technologies"),
    ("hyperscale_new", "f_light", "lighting per IT", 0.0, 0.002, 0.002, "one value for all technologies"),
    (
        "hyperscale_new",
        "f_misc",
        "other overhead per IT",
        0.0,
        0.01,
        0.03,
        "one value for all technologies",
    ),
    ("colo", "eta_ups", "UPS efficiency", 0.90, 0.94, 0.96, "typical of the chiller systems"),
    ("colo", "f_dist", "distribution loss", 0.0, 0.02, 0.05, "typical of the chiller systems"),
    ("colo", "f_light", "lighting per IT", 0.0, 0.01, 0.02, "typical of the chiller systems"),
    ("colo", "f_misc", "other overhead per IT", 0.0, 0.01, 0.03, "typical of the chiller systems"),
    ("legacy", "eta_ups", "UPS efficiency", 0.80, 0.80, 0.94, "unfavorable end of the chiller systems"),
    ("legacy", "f_dist", "distribution loss", 0.02, 0.05, 0.05, "unfavorable end of the chiller systems"),
    ("legacy", "f_light", "lighting per IT", 0.01, 0.05, 0.05, "unfavorable end of the chiller systems"),
    ("legacy", "f_misc", "other overhead per IT", 0.01, 0.03, 0.03, "unfavorable end of the chiller systems"),
    ("none", "eta_ups", "UPS efficiency", 1.0, 1.0, 1.0, "no UPS"),
    ("none", "f_dist", "distribution loss", 0.01, 0.02, 0.04, "miners: all electrical overhead in one term"),
    ("none", "f_light", "lighting per IT", 0.0, 0.0, 0.002, "miners"),
    ("none", "f_misc", "other overhead per IT", 0.0, 0.0, 0.01, "miners"),
)
COLUMNS = {
    "technology": "cooling technology the row belongs to; others may inherit it",
    "symbol": "name of the parameter in the equations (docs/model.md)",
    "name": "what it is",
    "unit": "unit of low, typical, high",
    "low": "low end of the range",
    "typical": "value used by default",
    "high": "high end of the range",
    "widened": "whether the source's range was widened to hold the typical value",
    "source_id": "source",
    "year": "year",
    "quality": "measured, reported, modeled, estimate, unverified",
    "note": "rule or remark",
}
QUALITY_OF = {"seen": "reported", "derived": "modeled", "recalled": "unverified"}


def technologies(sources: Path, out: Folder) -> pd.DataFrame:
    """Parameter rows: those of the source table, then the program's own choices."""
    raw = read_source(sources / "cooling_technology_params.csv")
    rows: list[dict[str, object]] = []
    for row in raw.to_dict("records"):
        technology = GROUP.get(row["technology"], row["technology"])
        low, typical, high = (number(row[name]) for name in ("low", "typical", "high"))
        text = row["source"].replace(
            "refit before quoting any error", "kept as a start, not as a fitted value"
        )
        tuned = "hand-tuned" in row["source"]
        quality = "estimate" if tuned else QUALITY_OF[row["status"]]
        rows.append(
            {
                "technology": technology,
                "symbol": row["symbol"],
                "name": row["name"],
                "unit": row["unit"],
                "low": min(low, typical),
                "typical": typical,
                "high": max(high, typical),
                "widened": typical < low or typical > high,
                "source_id": out.source_of_text(
                    text, "facts (figures cited)", year=row["year"], prefix="cool"
                ),
                "year": row["year"],
                "quality": quality,
                "note": "typical set by hand against reported figures" if tuned else "",
            }
        )
    out.source(
        CHOICES,
        publisher="dcsite",
        title="Choices made by the project for parameters without a published figure",
        url_or_repository="scripts/builders/cooling_tables.py",
        license="Apache-2.0",
        year=2026,
    )
    own = list(OWN_ROWS)
    own += [
        (technology, "max_rack_kw", "largest rated rack power", "kW", *limits, "estimate", note)
        for technology, limits in MAX_RACK_KW.items()
        for note in ("air practice 30 kW drawn; racks of 41 kW rated are seen" if limits[0] == 30.0 else "",)
    ]
    for technology, symbol, name, unit, low, typical, high, quality, note in own:
        rows.append(
            {
                "technology": technology,
                "symbol": symbol,
                "name": name,
                "unit": unit,
                "low": float(low),
                "typical": float(typical),
                "high": float(high),
                "widened": False,
                "source_id": CHOICES,
                "year": "2026",
                "quality": quality,
                "note": note,
            }
        )
    out.account("cooling_technology_params.csv", len(raw), len(raw))
    return pd.DataFrame(rows)


def facility_classes() -> pd.DataFrame:
    """Electrical terms that all technologies of one facility class share."""
    return pd.DataFrame(
        [
            {
                "facility_class": name,
                "symbol": symbol,
                "name": title,
                "unit": "1",
                "low": low,
                "typical": typical,
                "high": high,
                "source_id": CHOICES,
                "year": "2026",
                "quality": "estimate",
                "note": note,
            }
            for name, symbol, title, low, typical, high, note in CLASS_ROWS
        ]
    )


def tables_for(out: Folder) -> Tables:
    """Tables under construction; the checkout's climate where this build leaves it alone."""
    here = out.path.parent
    built = (here / "climate" / "manifest.json").is_file()
    return Tables(shipped=DataRoot(here if built else Path(__file__).resolve().parents[2] / "data", "build"))


def by_technology(frame: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Technology to its own typical values."""
    rows: dict[str, dict[str, float]] = {}
    for technology, symbol, value in zip(frame["technology"], frame["symbol"], frame["typical"], strict=True):
        rows.setdefault(technology, {})[symbol] = float(value)
    return rows


def fits(sources: Path, out: Folder, parameters: pd.DataFrame) -> None:
    """Fit to reported site-years and add its two tables."""
    rows = fit_cooling.development_rows(sources)
    fitted = fit_cooling.with_physics(tables_for(out), rows, by_technology(parameters))
    per_technology, common = fit_cooling.fit_tables(fitted)
    out.source(
        FIT,
        publisher="dcsite",
        title=f"Fit to {len(rows)} reported site-years of {rows['group'].nunique()} sites of Google, Microsoft, "
        "AWS, Meta and Scaleway, 2013-2025 (scripts/fit_cooling.py)",
        url_or_repository="scripts/fit_cooling.py",
        license="Apache-2.0",
        year=2026,
        attribution="reported figures: sustainability pages of the operators named",
    )
    seen = per_technology["sites"] > 0
    per_technology = per_technology.assign(
        source_id=FIT,
        year="2026",
        quality=["modeled" if value else "estimate" for value in seen],
        note=["" if value else "no reported figures: physics with the common offset" for value in seen],
    )
    out.table(
        "cooling_fit",
        per_technology,
        key=["technology"],
        columns={
            "technology": "cooling technology; labels of reported sites are ours and partly inferred",
            "sites": "reported sites behind the row",
            "site_years": "reported site-years behind the row",
            "pue_mean": "estimate = pue_mean + pue_slope x (modeled PUE - pue_center), before trend and vintage",
            "pue_center": "see pue_mean",
            "pue_slope": "share of the modeled effect of climate that is kept",
            "pue_below": "lower half width of the 80 % interval",
            "pue_above": "upper half width of the 80 % interval",
            "pue_sd": "standard deviation of out-of-fold errors, shrunk to that of all rows",
            "wue_sites": "reported sites with water",
            "wue_factor": "reported over modeled water at an annual mean of 20 C",
            "wue_warmth_per_k": "change of that factor per kelvin of annual mean",
            "wue_low_factor": "lower end of the 80 % interval over the estimate",
            "wue_high_factor": "upper end of the 80 % interval over the estimate",
            "source_id": "source",
            "year": "year of the fit",
            "quality": "quality",
            "note": "remark",
        },
        license="Apache-2.0",
        note="What operators report, per technology; see docs/accuracy_cooling.md for its errors.",
    )
    common = common.assign(
        source_id=FIT,
        year="2026",
        quality=["estimate" if term == "vintage_legacy" else "modeled" for term in common["term"]],
    )
    out.table(
        "cooling_fit_terms",
        common,
        key=["term"],
        columns={
            "term": "term",
            "value": "value",
            "name": "what it does",
            "source_id": "source",
            "year": "year of the fit",
            "quality": "quality",
        },
        license="Apache-2.0",
        note="Common to all technologies. No reported site is labeled legacy: that shift is an estimate.",
    )


def land_grid(out: Folder, parameters: pd.DataFrame, classes: pd.DataFrame) -> None:
    """Precompute PUE and water per technology on land."""
    tables = tables_for(out)
    if not tables.has("water_distance"):
        print("profiles: no land grid (regions/water_distance.npz is not built)")
        return
    own = classes[classes["facility_class"] == cooling_grid.BASE_CLASS]
    arrays = cooling_grid.make_land_grid(
        tables,
        by_technology(parameters),
        dict(zip(own["symbol"], own["typical"].astype(float), strict=True)),
        tables.grid("water_distance")["land"],
    )
    out.grid(
        cooling_grid.GRID,
        arrays,
        license="derived: Copernicus license; humidity from ITU-R P.836-6 (unconfirmed)",
        note="`node`: position lat x 2,880 + lon on an eighth-degree index from 60 S, 180 W; nodes are half a degree "
        "apart, closer where the model bends. `pue_e4`, `water_e3` "
        "(technology, node): 10,000 x PUE and 1,000 x consumption [L/kWh], technologies in the order "
        f"{', '.join(cooling_grid.STORED)}, electrical terms of `hyperscale_new`, default supply temperatures. "
        "`derate_e4`: 10,000 x share of the year that miners lose to heat. Contains modified Copernicus Climate "
        "Change Service information; neither the European Commission nor ECMWF is responsible for any use of it.",
    )


def add(sources: Path, out: Folder) -> None:
    """Add the cooling tables to the profiles folder."""
    parameters = technologies(sources, out)
    fits(sources, out, parameters)
    out.table(
        "cooling_technologies",
        parameters,
        key=["technology", "symbol"],
        columns=COLUMNS,
        license="facts (figures cited)",
        note="Long form. A symbol that a technology lacks is inherited from another by the program. "
        "`widened` marks ranges of the source that did not hold their own typical value.",
    )
    classes = facility_classes()
    land_grid(out, parameters, classes)
    out.table(
        "facility_classes",
        classes,
        key=["facility_class", "symbol"],
        columns={**COLUMNS, "facility_class": "hyperscale_new, colo, legacy or none"},
        license="Apache-2.0",
        note="Used where technologies are compared, so that cooling and not the age of the UPS decides.",
    )
