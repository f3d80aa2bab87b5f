"""Fit the estimate of reported PUE and water to reported site-years; choose its form by cross-validation.

    python scripts/fit_cooling.py --sources DIR

prints scores of all forms that were tried, split by site, and the fitted parameters. The builder of
``data/profiles`` calls :func:`fit_table` and writes what it returns; nothing else does.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent))

from builders.common import read_source
from dcsite.data.catalog import DataRoot
from dcsite.data.tables import Tables
from dcsite.physics.cooling import TECHNOLOGIES, Settings, annual_means
from dcsite.physics.reported import ReportedFit, reported_pue, reported_water_factor
from dcsite.study.cooling import ALIASES, place_climate

FAMILY = {
    "air_econ_adiabatic": "outdoor air",
    "tower_wse": "free water",
    "once_through": "free water",
    "water_chiller_tower": "chiller",
    "air_chiller": "chiller",
    "air_chiller_econ": "chiller",
}
"""Technologies that shrink toward a common mean; the others have no reported figures."""
COLO_OPERATORS = {"Scaleway"}
COLO_SHRINK_SITES = 3.0
FAMILY_SLOPE = 0.5
"""Share of the modeled difference between technologies of one family that their prior means keep."""
LEGACY_SHIFT = 0.04
"""Vintage 'legacy' beside the technology: no reported rows, an estimate."""
SLOPES = (0.0, 0.25, 0.5, 0.75, 1.0)
TRENDS = (0.0, -0.02, -0.04)
HUBERS = (0.05, 0.03)
SHRINKS = (1.0, 2.0)
CLOSE = 1.005
TIE = 1.02
"""A larger climate slope wins unless it is more than 2 % worse: the effect itself is physics."""
SPREAD_SHRINK_SITES = 4.0
UNSEEN_SPREAD_FACTOR = 1.5
UNSEEN_OFFSET_SHRINK = 0.5
WATER_SHRINK_SITES = 4.0
WARM_WATER_PER_K = 0.025
"""Water of plain tower chillers in temperate places is about 0.62 of that in the tropics in published bands
(Lei & Masanet 2022, midsize chillers with economizers): those halls cool with air part of the year."""


@dataclass(frozen=True)
class Form:
    """What cross-validation chooses."""

    slopes: tuple[tuple[str, float], ...] = (("outdoor air", 0.25), ("free water", 1.0), ("chiller", 0.25))
    trend_ratio: float = 0.0
    huber: float = 0.05
    shrink_sites: float = 1.0

    def slope(self, family: str) -> float:
        """Climate slope of a family."""
        return dict(self.slopes)[family]


def development_rows(sources: Path) -> pd.DataFrame:
    """Site-years with a technology label, a position and a PUE."""
    raw = read_source(sources / "cooling_reported_pue.csv")
    rows = raw[(raw["tech_assumed"] != "") & (raw["pue"] != "") & (raw["lat"] != "")].reset_index(drop=True)
    return pd.DataFrame(
        {
            "operator": rows["operator"],
            "site": rows["site"],
            "group": rows["group"],
            "technology": rows["tech_assumed"].map(lambda name: ALIASES.get(name, name)),
            "inferred": rows["note"].str.contains("inferred"),
            "lat": rows["lat"].astype(float),
            "lon": rows["lon"].astype(float),
            "year": rows["year"].astype(float),
            "pue": rows["pue"].astype(float),
            "wue_l_per_kwh": pd.to_numeric(rows["wue_l_per_kwh"]),
            "vintage": np.where(rows["operator"].isin(COLO_OPERATORS), "colo", "hyperscale_new"),
        }
    )


def with_physics(
    tables: Tables, rows: pd.DataFrame, parameters: dict[str, dict[str, float]] | None = None
) -> pd.DataFrame:
    """Rows plus modeled PUE and water (own terms) and the annual mean temperature."""
    from dcsite.study.cooling import technology_rows

    own = technology_rows(tables) if parameters is None else parameters
    climate = place_climate(tables, rows["lat"], rows["lon"])
    names = sorted(set(rows["technology"]))
    annual = annual_means(climate.states, names, own, dict.fromkeys(names, Settings()))
    result = rows.copy()
    for column in ("pue", "consumption", "withdrawal"):
        result[f"model_{column}"] = [
            float(getattr(annual[name], column)[row]) for row, name in enumerate(rows["technology"])
        ]
    result["annual_mean_c"] = climate.states.month_mean_c.mean(axis=1)
    return result


def site_weights(rows: pd.DataFrame) -> np.ndarray:
    """Years of one site count together as the square root of their number."""
    return 1.0 / np.sqrt(rows.groupby("group")["pue"].transform("size").to_numpy(dtype=float))


def robust_mean(values: np.ndarray, weights: np.ndarray, limit: float) -> float:
    """Weighted mean with Huber weights beyond ``limit``."""
    mean = float(weights @ values / weights.sum())
    for _ in range(12):
        trust = weights * np.minimum(1.0, limit / np.maximum(np.abs(values - mean), 1e-12))
        mean = float(trust @ values / trust.sum())
    return mean


def fit(rows: pd.DataFrame, form: Form, *, water: bool = True) -> ReportedFit:
    """Fit the estimate to site-years; intervals are filled by :func:`with_intervals`."""
    weights = site_weights(rows)
    technology, family = rows["technology"].to_numpy(), rows["technology"].map(FAMILY).to_numpy()
    model, years = rows["model_pue"].to_numpy(), np.clip(rows["year"].to_numpy(), 2020, 2026) - 2023.5
    target = 1.0 + (rows["pue"].to_numpy() - 1.0) / (1.0 + form.trend_ratio * years)
    colo = (rows["vintage"] == "colo").to_numpy()
    offset = robust_mean(target - model, weights, form.huber)
    count = len(TECHNOLOGIES)
    mean, center, slope = np.zeros(count), np.zeros(count), np.ones(count)
    for position, name in enumerate(TECHNOLOGIES):
        kind = FAMILY.get(name)
        if kind is None:
            mean[position] = UNSEEN_OFFSET_SHRINK * offset
            continue
        of_kind, own = family == kind, technology == name
        slope[position] = form.slope(kind)
        if not of_kind.any():
            mean[position] = offset
            continue
        kind_mean = robust_mean(target[of_kind], weights[of_kind], form.huber)
        kind_center = np.average(model[of_kind], weights=weights[of_kind])
        center[position] = np.average(model[own], weights=weights[own]) if own.any() else kind_center
        kind_mean += FAMILY_SLOPE * (center[position] - kind_center)
        sites = rows.loc[own, "group"].nunique()
        own_mean = robust_mean(target[own], weights[own], form.huber) if own.any() else kind_mean
        mean[position] = (sites * own_mean + form.shrink_sites * kind_mean) / (sites + form.shrink_sites)
        if not own.any():
            slope[position] = FAMILY_SLOPE
    made = ReportedFit(
        technologies=TECHNOLOGIES,
        pue_mean=mean,
        pue_center=center,
        pue_slope=slope,
        pue_below=np.full(count, np.nan),
        pue_above=np.full(count, np.nan),
        wue_factor=water_factors(rows) if water else np.ones(count),
        wue_warmth_per_k=np.array(
            [WARM_WATER_PER_K if name == "water_chiller_tower" else 0.0 for name in TECHNOLOGIES]
        ),
        wue_low_factor=np.full(count, np.nan),
        wue_high_factor=np.full(count, np.nan),
        trend_ratio=form.trend_ratio,
        vintage_shift={"hyperscale_new": 0.0, "colo": 0.0, "legacy": LEGACY_SHIFT},
    )
    if not colo.any():
        return made
    miss = rows["pue"].to_numpy() - predict(made, rows)
    sites = rows.loc[colo, "group"].nunique()
    shift = sites / (sites + COLO_SHRINK_SITES) * robust_mean(miss[colo], weights[colo], form.huber)
    return replace(made, vintage_shift={**made.vintage_shift, "colo": float(shift)})


def water_factors(rows: pd.DataFrame) -> np.ndarray:
    """Reported over modeled water per technology: geometric mean over sites, shrunk to 1."""
    known = rows[(rows["wue_l_per_kwh"] > 0) & (rows["model_consumption"] > 1e-4)]
    warm = np.where(
        known["technology"] == "water_chiller_tower",
        1.0 + WARM_WATER_PER_K * (known["annual_mean_c"] - 20.0),
        1.0,
    )
    ratio = np.log(known["wue_l_per_kwh"] / (known["model_consumption"] * warm))
    factors = np.ones(len(TECHNOLOGIES))
    for position, name in enumerate(TECHNOLOGIES):
        own = (known["technology"] == name).to_numpy()
        if own.any():
            by_site = ratio[own].groupby(known.loc[own, "group"]).mean()
            # The median is what a mean absolute error of logarithms asks for.
            factors[position] = np.exp(len(by_site) * by_site.median() / (len(by_site) + WATER_SHRINK_SITES))
    return factors


def positions(rows: pd.DataFrame) -> np.ndarray:
    """Position of each row's technology."""
    return rows["technology"].map({name: k for k, name in enumerate(TECHNOLOGIES)}).to_numpy(dtype=np.int64)


def predict(made: ReportedFit, rows: pd.DataFrame) -> np.ndarray:
    """Estimate of PUE for rows with physics."""
    shift = rows["vintage"].map(made.vintage_shift).to_numpy(dtype=float)
    return reported_pue(
        made, positions(rows), rows["model_pue"].to_numpy(), year=rows["year"].to_numpy(), shift=shift
    )


def predict_water(made: ReportedFit, rows: pd.DataFrame) -> np.ndarray:
    """Estimate of water for rows with physics. [L/kWh]"""
    factor = reported_water_factor(made, positions(rows), rows["annual_mean_c"].to_numpy())
    return rows["model_consumption"].to_numpy() * factor


def out_of_fold(rows: pd.DataFrame, form: Form, *, water: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """PUE and water of each site-year from a fit without its site."""
    pue, used = np.empty(len(rows)), np.empty(len(rows))
    for group in sorted(set(rows["group"])):
        here = (rows["group"] == group).to_numpy()
        made = fit(rows[~here], form, water=water)
        pue[here] = predict(made, rows[here])
        used[here] = predict_water(made, rows[here]) if water else np.nan
    return pue, used


def rmse(error: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(error))))


def choose(rows: pd.DataFrame) -> tuple[Form, list[tuple[str, Form, float]]]:
    """Form with the least out-of-fold RMSE, one part after the other; ties go to the larger climate slope."""
    tried: list[tuple[str, Form, float]] = []

    def score(form: Form, within: np.ndarray | None = None) -> float:
        error = out_of_fold(rows, form, water=False)[0] - rows["pue"].to_numpy()
        return rmse(error if within is None else error[within])

    form = Form()
    for part, values in (("shrink_sites", SHRINKS), ("huber", HUBERS), ("trend_ratio", TRENDS)):
        scores = [(score(replace(form, **{part: value})), value) for value in values]
        tried += [(f"{part} = {value:g}", replace(form, **{part: value}), got) for got, value in scores]
        best = min(scores)[0]
        # Ties go to the first value: less shrinkage, gentler robustness, no trend.
        form = replace(form, **{part: next(value for got, value in scores if got <= CLOSE * best)})
    family = rows["technology"].map(FAMILY).to_numpy()
    for kind in ("outdoor air", "free water", "chiller"):
        scores = []
        for value in SLOPES:
            changed = replace(form, slopes=tuple((k, value if k == kind else v) for k, v in form.slopes))
            got = score(changed, family == kind)
            scores.append((got, value, changed))
            tried.append((f"climate slope of {kind} = {value:g} (its rows only)", changed, got))
        best = min(scores)[0]
        form = max((s for s in scores if s[0] <= TIE * best), key=lambda s: s[1])[2]
    return form, tried


def with_intervals(made: ReportedFit, rows: pd.DataFrame, pue: np.ndarray, water: np.ndarray) -> ReportedFit:
    """Half widths of the 80 % interval from out-of-fold errors, few-site technologies pooled."""
    error = rows["pue"].to_numpy() - pue
    scale = spread(rows, error)
    per_row = scale[positions(rows)]
    below, above = np.quantile(error / per_row, [0.1, 0.9])
    known = (rows["wue_l_per_kwh"] > 0).to_numpy() & (water > 1e-4)
    ratio = np.log(rows["wue_l_per_kwh"].to_numpy()[known] / water[known])
    wet = rows["technology"].to_numpy()[known]
    count = len(TECHNOLOGIES)
    low, high = np.ones(count), np.ones(count)
    for position, name in enumerate(TECHNOLOGIES):
        group = wet == "air_econ_adiabatic" if name == "air_econ_adiabatic" else wet != "air_econ_adiabatic"
        # With few sites the quantile itself is uncertain: the level of a split conformal interval.
        wide = np.quantile(np.abs(ratio[group]), min(0.8 * (1.0 + 1.0 / group.sum()), 1.0))
        low[position], high[position] = np.exp(-wide), np.exp(wide)
    return replace(
        made,
        pue_below=-below * scale,
        pue_above=above * scale,
        wue_low_factor=low,
        wue_high_factor=high,
    )


def spread(rows: pd.DataFrame, error: np.ndarray) -> np.ndarray:
    """Standard deviation of errors per technology, shrunk to that of all rows; wider where none is reported."""
    weights = site_weights(rows)
    overall = float(np.sqrt(np.average(error**2, weights=weights)))
    result = np.full(len(TECHNOLOGIES), UNSEEN_SPREAD_FACTOR * overall)
    for position, name in enumerate(TECHNOLOGIES):
        own = (rows["technology"] == name).to_numpy()
        if not own.any():
            continue
        sites = rows.loc[own, "group"].nunique()
        variance = np.average(error[own] ** 2, weights=weights[own])
        result[position] = np.sqrt(
            (sites * variance + SPREAD_SHRINK_SITES * overall**2) / (sites + SPREAD_SHRINK_SITES)
        )
    return result


def nested_coverage(rows: pd.DataFrame, form: Form) -> tuple[float, float]:
    """Share of site-years inside an interval that was made without their site: PUE, water."""
    inside, wet_inside, wet = 0, 0, 0
    for group in sorted(set(rows["group"])):
        here = (rows["group"] == group).to_numpy()
        rest = rows[~here].reset_index(drop=True)
        made = with_intervals(fit(rest, form), rest, *out_of_fold(rest, form))
        own = rows[here]
        at = positions(own)
        error = own["pue"].to_numpy() - predict(made, own)
        inside += int(((error >= -made.pue_below[at]) & (error <= made.pue_above[at])).sum())
        water = predict_water(made, own)
        reported = own["wue_l_per_kwh"].to_numpy()
        known = reported > 0
        fits = (reported >= water * made.wue_low_factor[at]) & (reported <= water * made.wue_high_factor[at])
        wet_inside += int(fits[known].sum())
        wet += int(known.sum())
    return inside / len(rows), wet_inside / wet


def fit_all(rows: pd.DataFrame) -> tuple[ReportedFit, Form]:
    """Choose the form, fit all rows, add intervals."""
    form, _ = choose(rows)
    return with_intervals(fit(rows, form), rows, *out_of_fold(rows, form)), form


def fit_tables(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Parameters per technology, and common terms, as frames to be written."""
    made, form = fit_all(rows)
    error = rows["pue"].to_numpy() - out_of_fold(rows, form)[0]
    scale = spread(rows, error)
    technology = rows["technology"]
    wet = rows["wue_l_per_kwh"] > 0
    per_technology = pd.DataFrame(
        {
            "technology": TECHNOLOGIES,
            "sites": [int(rows.loc[technology == name, "group"].nunique()) for name in TECHNOLOGIES],
            "site_years": [int((technology == name).sum()) for name in TECHNOLOGIES],
            "pue_mean": made.pue_mean.round(4),
            "pue_center": made.pue_center.round(4),
            "pue_slope": made.pue_slope,
            "pue_below": made.pue_below.round(4),
            "pue_above": made.pue_above.round(4),
            "pue_sd": scale.round(4),
            "wue_sites": [
                int(rows.loc[wet & (technology == name), "group"].nunique()) for name in TECHNOLOGIES
            ],
            "wue_factor": made.wue_factor.round(3),
            "wue_warmth_per_k": made.wue_warmth_per_k,
            "wue_low_factor": made.wue_low_factor.round(3),
            "wue_high_factor": made.wue_high_factor.round(3),
        }
    )
    terms = [("trend_ratio", made.trend_ratio, "yearly change of the overhead (PUE - 1)")]
    terms += [
        (f"vintage_{name}", round(value, 4), "added to PUE of this vintage")
        for name, value in sorted(made.vintage_shift.items())
    ]
    terms += [
        ("huber", form.huber if np.isfinite(form.huber) else 9.0, "error beyond which a site counts less"),
        ("shrink_sites", form.shrink_sites, "sites that the family mean weighs"),
    ]
    common = pd.DataFrame(terms, columns=["term", "value", "name"])
    return per_technology, common


def main() -> int:
    """Print scores and parameters."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sources", type=Path, required=True, help="folder of source tables")
    options = parser.parse_args()
    data = Path(__file__).resolve().parents[1] / "data"
    rows = with_physics(Tables(shipped=DataRoot(data, "checkout")), development_rows(options.sources))
    form, tried = choose(rows)
    for name, _, got in tried:
        print(f"{name:60s} out-of-fold RMSE {got:.4f}")
    print(form)
    pue, water = out_of_fold(rows, form)
    error = pue - rows["pue"].to_numpy()
    for name in ["", *sorted(set(rows["technology"]))]:
        own = (rows["technology"] == name).to_numpy() if name else np.ones(len(rows), bool)
        print(f"{name or 'all':22s} {own.sum():3d} rows, out-of-fold RMSE {rmse(error[own]):.4f}")
    both = rows["technology"].isin(["air_econ_adiabatic", "tower_wse"]).to_numpy()
    print(f"adiabatic + tower RMSE {rmse(error[both]):.4f}")
    known = rows["wue_l_per_kwh"].notna().to_numpy()
    reported = rows["wue_l_per_kwh"].to_numpy()
    print(f"water MAE {np.abs(water - reported)[known].mean():.3f} L/kWh")
    adiabatic = known & (rows["technology"] == "air_econ_adiabatic").to_numpy() & (reported > 0)
    print(
        f"adiabatic water ratio {np.exp(np.abs(np.log(water[adiabatic] / reported[adiabatic])).mean()):.3f}"
    )
    print("nested coverage of the 80 % intervals:", nested_coverage(rows, form))
    for frame in fit_tables(rows):
        print(frame.to_string())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
