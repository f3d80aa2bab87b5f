"""Cooling as a planner asks for it: all technologies of one place, files of points, and what going dry costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dcsite.data.climate import check_land
from dcsite.errors import DataError, Problem, UsageError
from dcsite.physics.cooling import LIQUID_TECHNOLOGIES, TECHNOLOGIES
from dcsite.study.cooling import (
    PlaceClimate,
    check_technology,
    check_vintage,
    cooling_facts,
    estimate_for_climate,
    place_climate,
    reported_estimate,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dcsite.data.cooling_points import CoolingPoints
    from dcsite.data.tables import Tables
    from dcsite.spec.workload import Profile

WET_L_PER_KWH = 0.1
"""Use above which a technology counts as wet in the trade-off. [L/kWh]"""
POINT_COLUMNS = (
    "pue",
    "pue_low",
    "pue_high",
    "pue_design",
    "wue_l_per_kwh",
    "withdrawal_l_per_kwh",
)


def suiting_profile(profiles: Mapping[str, Profile], technology: str) -> Profile:
    """Profile whose load suits a technology, where the user named none."""
    if technology in LIQUID_TECHNOLOGIES:
        return profiles["ai-training-liquid"]
    return profiles["crypto" if technology == "free_air_crypto" else "cloud"]


def technology_table(
    tables: Tables,
    site: pd.DataFrame,
    technologies: Sequence[str],
    profiles: Mapping[str, Profile],
    *,
    profile: Profile | None = None,
    vintage: str = "",
    climate: PlaceClimate | None = None,
    warming_k: float = 0.0,
    margin_k: tuple[float, float] | None = None,
    pads: bool = False,
    grid_mw: float | None = None,
) -> tuple[pd.DataFrame, PlaceClimate]:
    """All technologies of one place: compared figures, as-reported estimate, peaks.

    Parameters
    ----------
    site : DataFrame
        One row with ``site_id, lat, lon`` and what is known of its water.
    technologies : sequence of str
        Ids, or ``("all",)``.
    profile : Profile, optional
        Load to judge technologies for; by default each is shown with a load that suits it.
    vintage : str
        Facility class that overrides the profile's.
    grid_mw : float, optional
        Adds ``it_mw``: IT power that a grid connection carries through the design hour.

    Returns
    -------
    frame : DataFrame
        One row per technology.
    climate : PlaceClimate
    """
    names = TECHNOLOGIES if tuple(technologies) == ("all",) else tuple(map(check_technology, technologies))
    label = [str(site["name"].iloc[0])] if "name" in site else None
    lat, lon = site["lat"].to_numpy(dtype=float), site["lon"].to_numpy(dtype=float)
    if climate is None:
        check_land(tables, lat, lon, label)
        climate = place_climate(tables, lat, lon, names=label, warming_k=warming_k, margin_k=margin_k)
    parts = []
    for name in names:
        load = profile or suiting_profile(profiles, name)
        if vintage:
            load = load.model_copy(update={"facility_class": check_vintage(vintage)})
        facts = cooling_facts(tables, site, load, (name,), pads=pads, climate=climate)
        reported = estimate_for_climate(tables, climate, name, vintage=vintage)
        facts["pue_reported"] = reported["pue"].to_numpy()
        facts["wue_reported_l_per_kwh"] = reported["wue_l_per_kwh"].to_numpy()
        facts["profile"] = load.name
        parts.append(facts)
    frame = pd.concat(parts, ignore_index=True)
    frame["pue_design"] = frame["pue_peak"]
    if grid_mw is not None:
        frame["it_mw"] = grid_mw / frame["pue_peak"]
    return frame, climate


def parse_mix(text: str) -> dict[str, float]:
    """Shares of technologies from a text such as ``air_econ_adiabatic=0.6,tower_wse=0.4``.

    Raises
    ------
    UsageError
        If a part is no ``technology=share``, or the shares are negative or do not sum to 1.
    """
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, _, share = part.partition("=")
        try:
            value = float(share)
        except ValueError:
            value = float("nan")
        if not 0 < value <= 1:
            message = f"--mix '{part.strip()}': needs technology=share with a share above 0 and at most 1"
            raise UsageError(message, hint="--mix air_econ_adiabatic=0.6,tower_wse=0.4")
        key = check_technology(name)
        shares[key] = shares.get(key, 0.0) + value
    if abs(sum(shares.values()) - 1.0) > 1e-6:
        message = f"--mix: shares must sum to 1, got {sum(shares.values()):g}"
        raise UsageError(message, hint="--mix air_econ_adiabatic=0.6,tower_wse=0.4")
    return shares


def mix_row(frame: pd.DataFrame, shares: Mapping[str, float]) -> pd.DataFrame:
    """One more row: several technologies under one roof, heat-weighted means.

    Hours with compressors or water count if any part has them, so they are left empty; the peak is that of
    parts that peak together.
    """
    parts = frame.set_index("technology").loc[list(shares)]
    weights = np.array(list(shares.values()))
    row = parts.iloc[[0]].reset_index()
    for column in parts.select_dtypes("number").columns:
        row[column] = float((parts[column].to_numpy() * weights).sum())
    row["trim_hours"], row["water_hours"] = np.nan, np.nan
    if "it_mw" in row:
        row["it_mw"] = parts["it_mw"].iloc[0] * parts["pue_peak"].iloc[0] / row["pue_peak"]
    row["technology"] = "mix"
    row["admissible"] = bool(parts["admissible"].all())
    row["refusal"] = "; ".join(sorted({text for text in parts["refusal"] if text}))
    row["cooling_note"] = "mix of " + ", ".join(f"{share:.0%} {name}" for name, share in shares.items())
    return row[frame.columns]


def trade_off(frame: pd.DataFrame, price_usd_per_mwh: float) -> pd.DataFrame:
    """What each cubic meter saved by going dry costs: every wet technology against every dry one.

    Technologies whose figures belong to different loads (``profile``) are compared only within air or
    within liquid, never across.

    Parameters
    ----------
    frame : DataFrame
        From :func:`technology_table`.
    price_usd_per_mwh : float
        Price of the electricity that replaces the water. [USD/MWh]

    Returns
    -------
    DataFrame
        ``from_technology, to_technology, saved_l_per_kwh, extra_mwh_per_mwh, mwh_per_m3, usd_per_m3,
        extra_design_ratio``; MWh and USD per m3 of consumption saved, negative where dry is also cheaper.
    """
    usable = frame[frame["admissible"] & (frame["technology"] != "once_through")]
    wet = usable[usable["wue_l_per_kwh"] > WET_L_PER_KWH]
    dry = usable[usable["wue_l_per_kwh"] <= WET_L_PER_KWH]
    rows = []
    for start in wet.itertuples():
        for end in dry.itertuples():
            if start.profile != end.profile:
                continue
            saved = start.wue_l_per_kwh - end.wue_l_per_kwh
            extra = end.pue - start.pue
            rows.append(
                {
                    "from_technology": start.technology,
                    "to_technology": end.technology,
                    "saved_l_per_kwh": saved,
                    "extra_mwh_per_mwh": extra,
                    "mwh_per_m3": extra / saved,
                    "usd_per_m3": extra / saved * price_usd_per_mwh,
                    "extra_design_ratio": end.pue_peak - start.pue_peak,
                }
            )
    columns = [
        "from_technology",
        "to_technology",
        "saved_l_per_kwh",
        "extra_mwh_per_mwh",
        "mwh_per_m3",
        "usd_per_m3",
        "extra_design_ratio",
    ]
    result = pd.DataFrame(rows, columns=columns)
    return result.sort_values(["usd_per_m3", "from_technology", "to_technology"]).reset_index(drop=True)


def point_figures(
    tables: Tables,
    points: CoolingPoints,
    *,
    technology: str = "",
    vintage: str = "",
    warming_k: float = 0.0,
    margin_k: tuple[float, float] | None = None,
) -> pd.DataFrame:
    """Figures of a file of points as operators report them; the file's own technology and vintage go first.

    Raises
    ------
    DataError
        If points lie in the sea or outside the climate grids, or a technology or vintage is unknown; names
        the lines.
    """
    names = [f"line {line}" for line in points.lines]
    problems = []
    for kind, values, check in (
        ("technology", points.technology, check_technology),
        ("vintage", points.vintage, check_vintage),
    ):
        for value in sorted(set(values) - {""}):
            try:
                check(value)
            except UsageError as error:
                first = values.index(value)
                problems.append(Problem(names[first], f"{kind} '{value}' is unknown", error.hint))
    if problems:
        message = "points: names that cannot be used"
        raise DataError(message, tuple(problems))
    check_land(tables, points.lat, points.lon, names)
    return reported_estimate(
        tables,
        points.lat,
        points.lon,
        [own or technology for own in points.technology],
        vintage=[own or vintage for own in points.vintage],
        year=points.year,
        names=names,
        warming_k=warming_k,
        margin_k=margin_k,
    )


def design_text(climate: PlaceClimate) -> str:
    """One sentence on the design hour of the first place."""
    point, bare = climate.point, climate.bare
    text = (
        f"Design hour (0.4 % of the hours are worse): {point.dry_bulb_c[0]:.1f} C dry with "
        f"{point.dry_bulb_wb_c[0]:.1f} C wet bulb, and {point.wet_bulb_c[0]:.1f} C wet bulb"
    )
    if climate.station[0]:
        return f"{text}; published for station {climate.station[0]}."
    if np.allclose(point.dry_bulb_c, bare.dry_bulb_c) and np.allclose(point.wet_bulb_c, bare.wet_bulb_c):
        return f"{text}; no margin."
    return (
        f"{text}; reconstructed {bare.dry_bulb_c[0]:.1f} and {bare.wet_bulb_c[0]:.1f} C plus a margin for "
        "their error."
    )
