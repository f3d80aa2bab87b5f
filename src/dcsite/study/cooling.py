"""Cooling facts: climate of the tables handed to the cooling physics, per site and technology.

Technologies are compared with the common electrical terms of the profile's facility class, so that cooling
and not the age of the UPS decides. What operators report is another question: :func:`reported_estimate`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dcsite.data.climate import climate_at, design_stations, hour_model
from dcsite.errors import UsageError
from dcsite.physics.climate import (
    DAYS,
    DRY_BULB_NODES,
    DRY_ONLY_HUMIDITY,
    HOUR_WEIGHT_H,
    HOURS,
    HOURS_PER_YEAR,
    LN_VAPOR_NODES,
    MOIST_PER_K,
    MONTHS,
    PRESSURE_NODES_PA,
    YEAR_HOURS,
    AirStates,
    SyntheticYear,
    air_states,
    air_states_of_hours,
    ln_density,
    ln_density_of_wet_bulb,
    pressure_weights,
    synthetic_year,
    weather_draws,
)
from dcsite.physics.cooling import (
    DRY_TECHNOLOGIES,
    LIQUID_TECHNOLOGIES,
    REFERENCE_SUPPLY_C,
    TECHNOLOGIES,
    Annual,
    DesignPoint,
    Response,
    Settings,
    annual_means,
    design_point,
    design_responses,
    exceeded_response,
    once_through,
    resolve,
    response_table,
)
from dcsite.physics.psychrometrics import pressure_pa
from dcsite.physics.reported import ReportedFit, reported_pue, reported_water_factor
from dcsite.physics.water import once_through_flow, source_temperature_c

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from dcsite.data.climate import ClimateInputs, UserClimate
    from dcsite.data.tables import Tables
    from dcsite.spec.workload import Profile

CHUNK = 256
"""Points that are worked on at once: bounds memory."""
DRY_MARGIN_K, WET_MARGIN_K = 2.1, 1.4
"""RMSE of reconstructed design conditions against stations, added by default. [K]"""
REFERENCE_MW = 100.0
"""IT power whose once-through flow a river must bear. [MW]"""
AIR_DRAWN_KW = 30.0
"""Drawn rack power above which air cooling is unusual. [kW]"""
VINTAGES = ("hyperscale_new", "colo", "legacy")
DEFAULT_DRY, DEFAULT_HUMID = "air_econ_adiabatic", "water_chiller_tower"
"""Technology of a place that names none: outdoor air, or chillers where air would need compressors half the year."""
ALIASES = {
    "once_through_sea": "once_through",
    "once_through_river": "once_through",
    "once_through_lake": "once_through",
    "adiabatic": "air_econ_adiabatic",
    "tower": "tower_wse",
    "free_air": "free_air_crypto",
    "liquid": "liquid_dry",
}
"""Other names of technologies that files use."""
NEEDS_HUMIDITY = tuple(
    name
    for name in TECHNOLOGIES
    if name not in (*DRY_TECHNOLOGIES, "air_chiller", "air_chiller_econ", "once_through")
)


def technology_ids() -> tuple[str, ...]:
    """Ids of all cooling technologies."""
    return TECHNOLOGIES


def check_technology(name: str) -> str:
    """Id of a technology from what a user wrote.

    Raises
    ------
    UsageError
        With close matches.
    """
    key = name.strip().lower().replace("-", "_")
    key = ALIASES.get(key, key)
    if key in TECHNOLOGIES:
        return key
    import difflib

    near = difflib.get_close_matches(key, TECHNOLOGIES, n=3)
    message = f"cooling technology '{name}': unknown"
    hint = f"did you mean {' or '.join(near)}?" if near else f"one of {', '.join(TECHNOLOGIES)}"
    raise UsageError(message, hint=hint)


def technology_rows(tables: Tables, end: str = "typical") -> dict[str, dict[str, float]]:
    """Technology to its own symbols at one end of the ranges (``low``, ``typical``, ``high``)."""

    def make() -> dict[str, dict[str, float]]:
        frame = tables.frame("cooling_technologies")
        rows: dict[str, dict[str, float]] = {name: {} for name in TECHNOLOGIES}
        for technology, symbol, value in zip(frame["technology"], frame["symbol"], frame[end], strict=True):
            rows.setdefault(str(technology), {})[str(symbol)] = float(value)
        return rows

    result: dict[str, dict[str, float]] = tables.memo(("cooling-rows", end), make)
    return result


def class_terms(tables: Tables, facility_class: str) -> dict[str, float]:
    """Electrical terms that all technologies of a facility class share."""
    frame = tables.frame("facility_classes")
    rows = frame[frame["facility_class"] == facility_class]
    if rows.empty:
        known = sorted(set(frame["facility_class"]))
        message = f"facility class '{facility_class}': unknown"
        raise UsageError(message, hint=f"one of {', '.join(known)}")
    return dict(zip(rows["symbol"], rows["typical"].astype(float), strict=True))


def rows_for_class(tables: Tables, facility_class: str) -> dict[str, dict[str, float]]:
    """Technology parameters of a facility class: legacy halls have the unfavorable fans."""
    rows = technology_rows(tables)
    if facility_class != "legacy":
        return rows
    high, low = technology_rows(tables, "high"), technology_rows(tables, "low")
    changed = {name: dict(own) for name, own in rows.items()}
    for name, own in changed.items():
        if "dp_fan" in own:
            own["dp_fan"] = high[name]["dp_fan"]
        if "eff_fan" in own:
            own["eff_fan"] = low[name]["eff_fan"]
    return changed


def settings_for(
    tables: Tables, profile: Profile, *, pads: bool = False, common_terms: bool = True
) -> Settings:
    """What a profile asks of the plant."""
    is_liquid = profile.liquid_share > 0
    return Settings(
        supply_c=REFERENCE_SUPPLY_C if is_liquid else profile.supply_c,
        water_supply_c=profile.supply_c if is_liquid else None,
        liquid_share=profile.liquid_share,
        electrical=class_terms(tables, profile.facility_class) if common_terms else {},
        pads=pads,
        legacy=profile.facility_class == "legacy",
    )


@dataclass(frozen=True)
class PlaceClimate:
    """Climate of S places, ready for cooling: air states, design hours and how they were found."""

    states: AirStates
    point: DesignPoint
    """Design conditions in use, margin included."""
    bare: DesignPoint
    """Reconstructed design conditions without margin."""
    station: list[str]
    """Station whose published design conditions are used, or ""."""


def year_of(inputs: ClimateInputs, tables: Tables, warming_k: float = 0.0) -> SyntheticYear:
    """Synthetic year of S points."""
    return synthetic_year(
        lat=inputs.lat,
        altitude_m=inputs.altitude_m,
        month_mean_c=inputs.month_mean_c,
        ln_vapor=inputs.ln_vapor,
        exceedance_pct=inputs.exceedance_pct,
        hour_model=hour_model(tables),
        warming_k=warming_k,
    )


def place_climate(
    tables: Tables,
    lat: ArrayLike,
    lon: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    warming_k: float = 0.0,
    margin_k: tuple[float, float] | None = None,
) -> PlaceClimate:
    """Air states and design conditions of S points.

    Parameters
    ----------
    margin_k
        Added to reconstructed design dry and wet bulb; None takes the RMSE against stations. [K]

    Raises
    ------
    DataError
        If a point lies outside 60 S to 75 N.
    """
    inputs = climate_at(tables, lat, lon, names)
    states = air_states(year_of(inputs, tables, warming_k))
    found = design_point(states)
    dry, wet = (DRY_MARGIN_K, WET_MARGIN_K) if margin_k is None else margin_k
    published, station = design_stations(tables, inputs.lat, inputs.lon, inputs.altitude_m)
    published = published + warming_k
    known = np.isfinite(published[:, 0])
    point = DesignPoint(
        dry_bulb_c=np.where(known, published[:, 0], found.dry_bulb_c + dry),
        dry_bulb_wb_c=np.where(known, published[:, 1], found.dry_bulb_wb_c),
        wet_bulb_c=np.where(known, published[:, 2], found.wet_bulb_c + wet),
        wet_bulb_db_c=found.wet_bulb_db_c,
    )
    return PlaceClimate(states, point, found, station)


def climate_of_user(
    tables: Tables,
    hours: UserClimate,
    lat: float,
    lon: float,
    *,
    warming_k: float = 0.0,
    margin_k: float = 0.0,
) -> PlaceClimate:
    """Climate of one place from a user's hours; pressure from the place's altitude, no margin unless asked."""
    inputs = climate_at(tables, [lat], [lon])
    pressure = float(pressure_pa(inputs.altitude_m)[0])
    dry = hours.dry_bulb_c
    match hours.humidity:
        case "wet_bulb_c":
            ln_vapor = ln_density_of_wet_bulb(dry, np.minimum(hours.values, dry), pressure)
        case "relative_humidity_pct":
            ln_vapor = ln_density(dry, hours.values / 100.0)
        case "dew_point_c":
            ln_vapor = ln_density(np.minimum(hours.values, dry), np.ones(dry.size))
        case _:
            ln_vapor = ln_density(dry, np.full(dry.size, DRY_ONLY_HUMIDITY))
    month = np.minimum((np.arange(dry.size) * MONTHS) // dry.size, MONTHS - 1)
    monthly = np.array([dry[month == m].mean() for m in range(MONTHS)]) + warming_k
    states = air_states_of_hours(
        dry + warming_k,
        ln_vapor + MOIST_PER_K * warming_k,
        np.ones(dry.size),
        pressure,
        month_mean_c=monthly,
        has_vapor=bool(hours.humidity),
    )
    found = design_point(states)
    point = replace(found, dry_bulb_c=found.dry_bulb_c + margin_k, wet_bulb_c=found.wet_bulb_c + margin_k)
    return PlaceClimate(states, point, found, [""])


def _climate_of_sites(tables: Tables, sites: pd.DataFrame, warming_k: float) -> PlaceClimate:
    """Climate of a set of sites, computed once per set."""
    lat, lon = sites["lat"].to_numpy(dtype=float), sites["lon"].to_numpy(dtype=float)
    key = ("place-climate", lat.tobytes(), lon.tobytes(), warming_k)
    names = sites["site_id"].astype(str).tolist() if "site_id" in sites else None
    made: PlaceClimate = tables.memo(
        key, lambda: place_climate(tables, lat, lon, names=names, warming_k=warming_k)
    )
    return made


def _refusals(
    technology: str,
    p: Mapping[str, float],
    profile: Profile,
    sites: pd.DataFrame,
    states: AirStates,
) -> list[str]:
    """Why a technology is not admissible at each site; "" where it is."""
    count = len(sites)
    if technology in LIQUID_TECHNOLOGIES and profile.liquid_share <= 0:
        return [f"profile {profile.name} gives no heat to liquid (liquid_share 0)"] * count
    if profile.rack_kw > p["max_rack_kw"]:
        return [
            f"racks of {profile.rack_kw:g} kW exceed the {p['max_rack_kw']:g} kW that {technology} cools"
        ] * count
    if technology == "free_air_crypto" and profile.supply_c < p["t_max"] - 2.0:
        return [
            f"untreated outdoor air suits loads that take {p['t_max']:g} C; {profile.name} takes {profile.supply_c:g} C"
        ] * count
    if technology in NEEDS_HUMIDITY and not states.has_vapor:
        return ["needs the vapor grid, which is absent"] * count
    if technology != "once_through":
        return [""] * count
    kinds = sites["water_kind"].fillna("").astype(str) if "water_kind" in sites else pd.Series([""] * count)

    def column(name: str) -> NDArray[np.float64]:
        return sites[name].to_numpy(dtype=float) if name in sites else np.full(count, np.nan)

    far, flow = column("water_distance_km"), column("river_flow_m3_per_s")
    drawn = once_through_flow(1.1, rise_k=p["dT_src"]) * REFERENCE_MW / 3600.0
    reasons = []
    for kind, km, mean_flow in zip(kinds, far, flow, strict=True):
        if kind in ("", "none"):
            reasons.append("no river or sea is known at the site (water_kind)")
        elif kind == "lake":
            reasons.append("once-through needs the sea or a river with a known flow; here is a lake")
        elif not np.isfinite(km):
            reasons.append(f"distance to the {kind} is not known")
        elif km > p["max_km"]:
            reasons.append(f"the {kind} is {km:.1f} km away; once-through is limited to {p['max_km']:g} km")
        elif kind == "river" and not np.isfinite(mean_flow):
            reasons.append("the mean flow of the river is not known (river_flow_m3_per_s)")
        elif kind == "river" and drawn > p["max_flow_ratio"] * mean_flow:
            reasons.append(
                f"{REFERENCE_MW:g} MW would draw {drawn:.1f} m3/s, more than {p['max_flow_ratio']:.0%} of the "
                f"river's {mean_flow:.0f} m3/s"
            )
        else:
            reasons.append("")
    return reasons


def cooling_facts(
    tables: Tables,
    sites: pd.DataFrame,
    profile: Profile,
    technologies: Sequence[str] | None = None,
    *,
    pads: bool = False,
    warming_k: float = 0.0,
    climate: PlaceClimate | None = None,
) -> pd.DataFrame:
    """Cooling of each site with each technology: energy, water, peak, heat lost.

    Parameters
    ----------
    sites : DataFrame
        At least ``site_id, lat, lon``; ``water_kind, water_distance_km`` for once-through.
    profile : Profile
        Sets supply temperature, liquid share, rack power, facility class and, unless named, technologies.
    pads : bool
        Evaporative pads at dry coolers and miners.
    warming_k : float
        Added to every month. [K]
    climate : PlaceClimate, optional
        Climate of the sites where it is at hand; by default from the grids.

    Returns
    -------
    DataFrame
        One row per (site_id, technology), sites in order: ``site_id, technology, admissible, refusal, pue,
        pue_low, pue_high, pue_peak, pue_sd, wue_l_per_kwh, wue_low, wue_high, wue_sd, withdrawal_l_per_kwh,
        withdrawal_peak_m3_per_mw_hour, consumption_peak_m3_per_mw_hour, overhead_mwh_per_mwh, derate_ratio,
        trim_hours, water_hours, cooling_quality, cooling_note``. Refused rows keep their figures.

    Raises
    ------
    UsageError
        If a technology is unknown.
    DataError
        If a site lies outside the climate grids.
    """
    chosen = [check_technology(name) for name in (technologies or profile.technologies)]
    climate = climate or _climate_of_sites(tables, sites, warming_k)
    rows = rows_for_class(tables, profile.facility_class)
    settings = settings_for(tables, profile, pads=pads)
    annual = annual_means(climate.states, chosen, rows, dict.fromkeys(chosen, settings))
    parts = [
        _facts_of(tables, sites, profile, name, annual[name], climate, rows, settings) for name in chosen
    ]
    order = np.arange(len(sites) * len(chosen)).reshape(len(chosen), len(sites)).T.ravel()
    return pd.concat(parts, ignore_index=True).iloc[order].reset_index(drop=True)


def _facts_of(
    tables: Tables,
    sites: pd.DataFrame,
    profile: Profile,
    technology: str,
    annual: Annual,
    climate: PlaceClimate,
    rows: Mapping[str, Mapping[str, float]],
    settings: Settings,
) -> pd.DataFrame:
    """Rows of one technology."""
    p = resolve(rows, technology)
    states = climate.states
    refusal = _refusals(technology, p, profile, sites, states)
    hours = design_responses(technology, climate.point, states.pressure, states.month_mean_c, rows, settings)
    peak = np.max([response.pue for response in hours], axis=0)
    drawn_peak = np.max([response.withdrawal for response in hours], axis=0)
    used_peak = np.max([response.consumption for response in hours], axis=0)
    if technology == "air_econ_adiabatic" or settings.pads:  # elsewhere the warmest hours are the wettest
        drawn, used = exceeded_response(states, technology, rows, settings)
        drawn_peak, used_peak = np.maximum(drawn_peak, drawn), np.maximum(used_peak, used)
    uncertainty = spread_of(tables, technology)
    note = uncertainty.note
    drawn_kw = profile.rack_kw * profile.load_factor
    if technology not in LIQUID_TECHNOLOGIES and drawn_kw > AIR_DRAWN_KW:
        note = f"{note}; racks draw {drawn_kw:.0f} kW, above the usual {AIR_DRAWN_KW:g} kW of air cooling"
    if not states.has_vapor:
        note = f"{note}; no vapor grid: dry-bulb results only"
    return pd.DataFrame(
        {
            "site_id": sites["site_id"].to_numpy(),
            "technology": technology,
            "admissible": [not reason for reason in refusal],
            "refusal": refusal,
            "pue": annual.pue,
            "pue_low": np.maximum(annual.pue - uncertainty.pue_below, 1.0),
            "pue_high": annual.pue + uncertainty.pue_above,
            "pue_peak": np.maximum(peak, annual.pue),
            "pue_sd": uncertainty.pue_sd,
            "wue_l_per_kwh": annual.consumption,
            "wue_low": annual.consumption * uncertainty.wue_low_factor,
            "wue_high": annual.consumption * uncertainty.wue_high_factor,
            "wue_sd": annual.consumption * uncertainty.wue_sd_factor,
            "withdrawal_l_per_kwh": annual.withdrawal,
            "withdrawal_peak_m3_per_mw_hour": np.maximum(drawn_peak, annual.withdrawal),
            "consumption_peak_m3_per_mw_hour": np.maximum(used_peak, annual.consumption),
            "overhead_mwh_per_mwh": annual.pue - 1.0 + annual.derate,
            "derate_ratio": annual.derate,
            "trim_hours": annual.trim_hours,
            "water_hours": annual.water_hours,
            "cooling_quality": uncertainty.quality,
            "cooling_note": note,
        }
    )


@dataclass(frozen=True)
class Spread:
    """How far reported figures lie from the model, for one technology.

    Half widths of the 80 % interval and standard deviation of PUE; factors on water.
    """

    pue_below: float
    pue_above: float
    pue_sd: float
    wue_low_factor: float
    wue_high_factor: float
    wue_sd_factor: float
    quality: str
    note: str


def spread_of(tables: Tables, technology: str) -> Spread:
    """Spread of a technology, from out-of-fold errors on reported site-years."""
    frame = tables.frame("cooling_fit")
    row = frame[frame["technology"] == technology].iloc[0]
    low, high = float(row["wue_low_factor"]), float(row["wue_high_factor"])
    sites, years = int(row["sites"]), int(row["site_years"])
    note = (
        f"modeled; interval from {years} reported site-years of {sites} sites"
        if sites
        else "modeled; no reported figures of this technology, interval widened"
    )
    return Spread(
        pue_below=float(row["pue_below"]),
        pue_above=float(row["pue_above"]),
        pue_sd=float(row["pue_sd"]),
        wue_low_factor=low,
        wue_high_factor=high,
        # An 80 % interval spans 2 x 1.28 standard deviations of the logarithm.
        wue_sd_factor=float(np.log(high / low) / 2.563),
        quality="unverified" if technology == "free_air_crypto" else "modeled" if sites else "estimate",
        note=note,
    )


# --- what operators report ----------------------------------------------------------------------------


def load_fit(tables: Tables) -> ReportedFit:
    """Fit of reported figures, from its tables."""

    def make() -> ReportedFit:
        frame = tables.frame("cooling_fit").set_index("technology").loc[list(TECHNOLOGIES)]
        terms = dict(
            zip(
                tables.frame("cooling_fit_terms")["term"],
                tables.frame("cooling_fit_terms")["value"],
                strict=True,
            )
        )
        columns = {
            name: frame[name].to_numpy(dtype=float)
            for name in ReportedFit.__dataclass_fields__
            if name not in ("technologies", "trend_ratio", "vintage_shift")
        }
        return ReportedFit(
            technologies=TECHNOLOGIES,
            trend_ratio=float(terms["trend_ratio"]),
            vintage_shift={
                str(term).removeprefix("vintage_"): float(value)
                for term, value in terms.items()
                if str(term).startswith("vintage_")
            },
            **columns,
        )

    made: ReportedFit = tables.memo("cooling-reported-fit", make)
    return made


def check_vintage(name: str) -> str:
    """Vintage from what a user wrote.

    Raises
    ------
    UsageError
        If it is none of ``hyperscale_new, colo, legacy``.
    """
    key = name.strip().lower().replace("-", "_")
    key = {"hyperscale": "hyperscale_new", "new": "hyperscale_new", "colocation": "colo"}.get(key, key)
    if key not in VINTAGES:
        message = f"vintage '{name}': unknown"
        raise UsageError(message, hint=f"one of {', '.join(VINTAGES)}")
    return key


def reported_estimate(
    tables: Tables,
    lat: ArrayLike,
    lon: ArrayLike,
    technology: Sequence[str],
    *,
    vintage: Sequence[str] | None = None,
    year: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    warming_k: float = 0.0,
    margin_k: tuple[float, float] | None = None,
) -> pd.DataFrame:
    """PUE and water of N places as operators of such halls report them, with 80 % intervals.

    Unlike :func:`cooling_facts` this keeps each technology's own electrical terms: reported means of a
    technology carry the age and size of the halls that use it.

    Parameters
    ----------
    technology : sequence of str
        Id per place; "" takes outdoor air with pads, or a chiller with towers where outdoor air would need
        compressors most of the year.
    vintage : sequence of str, optional
        ``hyperscale_new``, ``colo``, ``legacy`` or "" per place.
    year : array_like, optional
        Year of the figure; NaN takes 2024.

    Returns
    -------
    DataFrame
        ``technology, pue, pue_low, pue_high, pue_design, wue_l_per_kwh, wue_low, wue_high,
        withdrawal_l_per_kwh`` in the order of the places.

    Raises
    ------
    UsageError
        If a technology or vintage is unknown.
    DataError
        If a place lies outside the climate grids.
    """
    lat_, lon_ = np.atleast_1d(np.asarray(lat, float)), np.atleast_1d(np.asarray(lon, float))
    asked = [check_technology(name) if name else "" for name in technology]
    shifts = load_fit(tables).vintage_shift
    shift = np.array([shifts[check_vintage(v)] if v else 0.0 for v in vintage or [""] * lat_.size])
    years = np.full(lat_.size, np.nan) if year is None else np.asarray(year, dtype=float)
    parts = []
    for start in range(0, lat_.size, CHUNK):
        here = slice(start, min(start + CHUNK, lat_.size))
        climate = place_climate(
            tables,
            lat_[here],
            lon_[here],
            names=None if names is None else names[here],
            warming_k=warming_k,
            margin_k=margin_k,
        )
        parts.append(_estimate(tables, climate, asked[here], shift[here], years[here]))
    return pd.concat(parts, ignore_index=True)


def estimate_for_climate(
    tables: Tables, climate: PlaceClimate, technology: str, *, vintage: str = "", year: float = float("nan")
) -> pd.DataFrame:
    """Like :func:`reported_estimate`, for places whose climate is at hand (a user's file)."""
    count = climate.states.pressure.size
    shift = load_fit(tables).vintage_shift[check_vintage(vintage)] if vintage else 0.0
    asked = [check_technology(technology) if technology else ""] * count
    return _estimate(tables, climate, asked, np.full(count, shift), np.full(count, year))


def _estimate(
    tables: Tables,
    climate: PlaceClimate,
    asked: Sequence[str],
    shift: NDArray[np.float64],
    years: NDArray[np.float64],
) -> pd.DataFrame:
    """Estimates for one chunk of places."""
    fit, states = load_fit(tables), climate.states
    rows, settings = technology_rows(tables), Settings()
    wanted = sorted(set(asked) - {""} | ({DEFAULT_DRY, DEFAULT_HUMID} if "" in asked else set()))
    annual = annual_means(states, wanted, rows, dict.fromkeys(wanted, settings))
    chosen = list(asked)
    for row, name in enumerate(asked):
        if not name:
            humid = annual[DEFAULT_DRY].trim_hours[row] > HOURS_PER_YEAR / 2
            chosen[row] = DEFAULT_HUMID if humid else DEFAULT_DRY
    index = np.array([TECHNOLOGIES.index(name) for name in chosen], dtype=np.int64)
    count = len(chosen)
    physics = {part: np.empty(count) for part in ("pue", "consumption", "withdrawal", "peak")}
    chosen_ = np.array(chosen)
    for name in sorted(set(chosen)):
        own = chosen_ == name
        for part in ("pue", "consumption", "withdrawal"):
            physics[part][own] = getattr(annual[name], part)[own]
        hours = design_responses(name, climate.point, states.pressure, states.month_mean_c, rows, settings)
        physics["peak"][own] = np.max([response.pue for response in hours], axis=0)[own]
    pue = reported_pue(fit, index, physics["pue"], year=years, shift=shift)
    factor = reported_water_factor(fit, index, states.month_mean_c.mean(axis=1))
    factor = np.where(np.isfinite(factor), factor, fit.wue_factor[index])
    # Once-through flow is set by the allowed rise, not by habits.
    drawn = physics["withdrawal"] * np.where(chosen_ == "once_through", 1.0, factor)
    used = physics["consumption"] * factor
    if not states.has_vapor:
        lacking = np.isin(chosen_, NEEDS_HUMIDITY)
        pue, used, drawn = (np.where(lacking, np.nan, part) for part in (pue, used, drawn))
    return pd.DataFrame(
        {
            "technology": chosen,
            "pue": pue,
            "pue_low": np.maximum(pue - fit.pue_below[index], 1.0),
            "pue_high": pue + fit.pue_above[index],
            "pue_design": pue + np.maximum(physics["peak"] - physics["pue"], 0.0),
            "wue_l_per_kwh": used,
            "wue_low": used * fit.wue_low_factor[index],
            "wue_high": used * fit.wue_high_factor[index],
            "withdrawal_l_per_kwh": drawn,
        }
    )


# --- hours --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HourlyCooling:
    """A technology's synthetic year at S sites, H = 8,640 hours, each weighing 8760/8640 h.

    Attributes
    ----------
    pue, water_l_per_kwh, derate_ratio
        Shape (S, H): PUE [-], withdrawal [L/kWh IT], share of the load that heat stops [-].
    month, hour, weight_h
        Shape (H,): month 1-12, hour of the solar day 0-23, hours per year; days of a month in one order.
    weather_score
        Warmth of the day within its month as a standard normal score, shape (S, H).
    """

    pue: NDArray[np.float64]
    water_l_per_kwh: NDArray[np.float64]
    derate_ratio: NDArray[np.float64]
    month: NDArray[np.int64]
    hour: NDArray[np.int64]
    weight_h: NDArray[np.float64]
    weather_score: NDArray[np.float64]


def hourly_pue(
    tables: Tables,
    sites: pd.DataFrame,
    profile: Profile,
    technology: str,
    *,
    pads: bool = False,
    warming_k: float = 0.0,
) -> HourlyCooling:
    """Hour-by-hour cooling of S sites with one technology, same parameters as :func:`cooling_facts`.

    Raises
    ------
    UsageError
        If the technology is unknown.
    DataError
        If a site lies outside the climate grids.
    """
    name = check_technology(technology)
    rows = rows_for_class(tables, profile.facility_class)
    settings = settings_for(tables, profile, pads=pads)
    names = sites["site_id"].astype(str).tolist() if "site_id" in sites else None
    inputs = climate_at(tables, sites["lat"].to_numpy(float), sites["lon"].to_numpy(float), names)
    year = year_of(inputs, tables, warming_k)
    month = np.repeat(np.arange(MONTHS), DAYS * HOURS)
    if name == "once_through":
        response = once_through(
            source_temperature_c(year.month_mean_c), year.pressure[:, None], resolve(rows, name), settings
        )
        pue, water, derate = (part[:, month] for part in (response.pue, response.withdrawal, response.derate))
    else:
        pue, water, derate = respond_hourly(year, name, rows, settings)
    warmth = np.repeat(weather_draws()[0], HOURS)
    return HourlyCooling(
        pue=pue,
        water_l_per_kwh=water,
        derate_ratio=derate,
        month=month + 1,
        hour=np.tile(np.arange(HOURS), MONTHS * DAYS),
        weight_h=np.full(YEAR_HOURS, HOUR_WEIGHT_H),
        weather_score=np.broadcast_to(warmth, (len(sites), YEAR_HOURS)),
    )


def respond_hourly(
    year: SyntheticYear,
    technology: str,
    rows: Mapping[str, Mapping[str, float]],
    settings: Settings,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """PUE, withdrawal and derating of each hour, read from the response on the grid of air states."""
    weights = pressure_weights(year.pressure)
    tables: dict[int, Response] = {
        node: response_table(technology, node, rows, settings)
        for node in range(PRESSURE_NODES_PA.size)
        if weights[:, node].any()
    }
    width = LN_VAPOR_NODES.size
    step, step_ln = DRY_BULB_NODES[1] - DRY_BULB_NODES[0], LN_VAPOR_NODES[1] - LN_VAPOR_NODES[0]
    sites = year.pressure.size
    out = [np.empty((sites, YEAR_HOURS)) for _ in range(3)]
    dry_bulb, ln_vapor = year.dry_bulb_c(), year.ln_vapor
    for site in range(sites):
        parts = [
            sum(
                weights[site, node] * getattr(table, part)
                for node, table in tables.items()
                if weights[site, node]
            )
            for part in ("pue", "withdrawal", "derate")
        ]
        x = np.clip((dry_bulb[site] - DRY_BULB_NODES[0]) / step, 0.0, DRY_BULB_NODES.size - 1.000001)
        y = np.clip((ln_vapor[site] - LN_VAPOR_NODES[0]) / step_ln, 0.0, width - 1.000001)
        i, j = x.astype(np.int64), y.astype(np.int64)
        u, v = x - i, np.repeat(y - j, HOURS)
        at = i * width + np.repeat(j, HOURS)
        for part, values in zip(out, parts, strict=True):
            low = values[at] * (1.0 - v) + values[at + 1] * v
            high = values[at + width] * (1.0 - v) + values[at + width + 1] * v
            part[site] = low * (1.0 - u) + high * u
    return out[0], out[1], out[2]
