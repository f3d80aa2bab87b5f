"""From a scenario and the tables to facts: every criterion per site, workload and technology, in real units.

This module wires data to physics; it computes nothing that has a formula of its own. What it makes is an
:class:`~dcsite.physics.evaluation.Evaluation`: facts, no opinion.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dcsite.data import policy
from dcsite.data.scenario_file import load_profiles
from dcsite.errors import Problem, ScenarioError
from dcsite.physics.cost import (
    COST_PARTS,
    annual_cost_parts,
    capital_recovery_factor,
    levelized_cost_usd_per_it_mwh,
)
from dcsite.physics.evaluation import Assumption, Evaluation
from dcsite.physics.finance import MONTHS_PER_YEAR, expected_wait_years
from dcsite.physics.supply import scarcity_factor, supply_difficulty
from dcsite.spec.futures import cases_of
from dcsite.study import exclusions
from dcsite.study.candidates import candidate_sites
from dcsite.study.cooling import cooling_facts, hourly_pue
from dcsite.study.markets import market_of, reach_facts
from dcsite.study.own_criteria import add_own_criteria
from dcsite.study.power import interruptible_blocks, interruptible_facts, power_facts
from dcsite.units import HOURS_PER_YEAR, KG_PER_TONNE, LITERS_PER_M3

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dcsite.data.tables import Tables
    from dcsite.physics.evaluation import Market
    from dcsite.spec.scenario import Scenario
    from dcsite.spec.workload import Profile, Workload

W_PER_MW = 1.0e6
CAPEX_SD_RATIO = {"measured": 0.05, "reported": 0.10, "modeled": 0.15, "estimate": 0.25, "unverified": 0.25}
"""Relative standard deviation of a construction cost by the quality of its row (a choice)."""

HAZARD_SD_INDEX = 0.5
POLICY_SD_INDEX = 0.03
GENERATION_SD_RATIO = 0.15


def evaluate(scenario: Scenario, tables: Tables, *, points: Sequence[str] = ()) -> Evaluation:
    """Evaluate every candidate site for every workload and admissible technology.

    Parameters
    ----------
    scenario
        The question.
    tables
        The data.
    points
        Further candidates as ``LAT,LON[,NAME]``.

    Returns
    -------
    Evaluation
        Facts in real units, exclusions with reasons, assumptions, notes, sources and data vintage.

    Raises
    ------
    ScenarioError, DataError, UsageError
        If the scenario names something that does not exist, or no candidate is left.
    """
    profiles = load_profiles(tables, scenario)
    sites, assumptions, notes = candidate_sites(scenario, tables, points=points)
    resolved = {load.name: load.resolved(profiles[load.profile]) for load in scenario.workloads}
    _check_technologies(scenario, resolved)
    found = exclusions.Exclusions()
    verdicts = exclusions.export_verdicts(scenario, tables, sites)
    exclusions.country_risk(scenario, sites, verdicts, found)
    sites["export_class"] = sites["country_iso3"].map(verdicts["class"]).fillna("")
    sites["export_rule"] = (
        sites["country_iso3"].map(verdicts["rule_set"] + " " + verdicts["rule_date"]).fillna("")
    )
    caps = policy.accelerator_caps(tables, rules=scenario.rules)
    sites["export_cap_accelerators"] = sites["country_iso3"].map(caps).astype("float64")
    sites["opening_usd"] = scenario.sites.opening_usd
    markets: dict[str, Market] = {}
    parts = []
    escalation: dict[str, pd.Series] = {}
    blocks: list[pd.DataFrame] = []
    for workload in scenario.workloads:
        profile = resolved[workload.name]
        exclusions.export_rules(scenario, workload, profile, sites, verdicts, found)
        exclusions.crypto_bans(scenario, workload, profile, sites, tables, found)
        exclusions.residency(workload, sites, found)
        market = market_of(tables, scenario, workload, profile, sites)
        if market is not None:
            markets[workload.name] = market
            notes.append(f"'{workload.name}': {market.note}")
        exclusions.latency(workload, market, sites, found)
        power = power_facts(tables, sites, scenario, workload, profile)
        exclusions.prices(workload, power, found)
        exclusions.dates(scenario, workload, power, found)
        escalation[workload.name] = power["escalation_ratio"]
        part = _facts(scenario, tables, sites, workload, profile, power, market)
        parts.append(part)
        if _coupled(scenario, sites) and profile.interruptible_fraction > 0:
            blocks += _blocks(scenario, tables, sites, workload, profile, power, part)
    facts = pd.concat(parts, ignore_index=True)
    notes += add_own_criteria(scenario, tables, sites, facts)
    assumptions += _assumptions(scenario, resolved)
    notes += found.notes
    logging.getLogger(__name__).info(
        "evaluate: %s candidate sites, %s rows of facts from %s", len(sites), len(facts), tables.shipped.path
    )
    return Evaluation(
        scenario=scenario,
        workloads={load.name: load for load in scenario.workloads},
        profiles=resolved,
        sites=sites,
        facts=facts,
        markets=markets,
        excluded=found.frame(),
        assumptions=tuple(assumptions),
        notes=tuple(dict.fromkeys(notes)),
        vintage=_vintage(scenario, facts, sites, verdicts),
        sources=_sources(tables, facts, sites),
        checksums=tables.checksums(),
        extra={
            "escalation_ratio": pd.DataFrame(escalation),
            "verdicts": verdicts.reset_index(drop=True),
            "points": tuple(points),
            "futures": future_facts(scenario, tables, points),
            "interruptible_blocks": pd.concat(blocks, ignore_index=True) if blocks else None,
        },
    )


def future_facts(scenario: Scenario, tables: Tables, points: Sequence[str] = ()) -> dict[str, Evaluation]:
    """Facts of each future that the scenario's objective looks at, by its name."""
    return {case.name: evaluate(case.scenario, tables, points=points) for case in cases_of(scenario)}


def _coupled(scenario: Scenario, sites: pd.DataFrame) -> bool:
    """Whether an annual limit couples the hours of interruptible loads across sites."""
    limits = scenario.limits
    kinds = {scenario.objective.kind, *scenario.objective.then}
    carbon = limits.carbon_kg_per_mwh is not None or limits.carbon_t_per_year is not None
    carbon = carbon or bool(kinds & {"carbon", "water"})
    return carbon or bool(limits.basins) or bool(sites["water_m3_per_year"].notna().any())


def _blocks(
    scenario: Scenario,
    tables: Tables,
    sites: pd.DataFrame,
    workload: Workload,
    profile: Profile,
    power: pd.DataFrame,
    facts: pd.DataFrame,
) -> list[pd.DataFrame]:
    """Cost blocks of an interruptible load, cheapest hours first, per site and technology."""
    found = []
    water = sites["water_price_usd_per_m3"].to_numpy(dtype=np.float64)
    for technology in sorted(set(facts.loc[facts["admissible"], "technology"])):
        hourly = hourly_pue(tables, sites, profile, technology)
        frame = interruptible_blocks(tables, sites, scenario, workload, profile, power, hourly, water)
        found.append(frame.assign(technology=technology))
    return found


def _check_technologies(scenario: Scenario, profiles: dict[str, Profile]) -> None:
    from dcsite.study.cooling import technology_ids

    known = technology_ids()
    problems = [
        Problem(
            f"workloads '{name}'.technologies",
            f"unknown technology '{technology}'",
            f"one of {', '.join(known)}",
        )
        for name, profile in profiles.items()
        for technology in profile.technologies
        if technology not in known
    ]
    if scenario.technology is not None and scenario.technology not in known:
        problems.append(
            Problem("technology", f"unknown technology '{scenario.technology}'", f"one of {', '.join(known)}")
        )
    if problems:
        message = f"{len(problems)} unknown cooling technolog{'y' if len(problems) == 1 else 'ies'}"
        raise ScenarioError(message, tuple(problems))


def _facts(
    scenario: Scenario,
    tables: Tables,
    sites: pd.DataFrame,
    workload: Workload,
    profile: Profile,
    power: pd.DataFrame,
    market: Market | None,
) -> pd.DataFrame:
    """Facts of one workload: one row per site and technology."""
    technologies = None if scenario.technology is None else (scenario.technology,)
    key = (
        "cooling_facts",
        tuple(zip(sites["site_id"], sites["lat"], sites["lon"], strict=True)),
        profile,
        technologies,
    )
    cooling = tables.memo(_hashable(key), lambda: cooling_facts(tables, sites, profile, technologies))
    cooling = cooling.reset_index(drop=True)
    at = cooling["site_id"].to_numpy()

    def of_site(frame: pd.DataFrame, column: str) -> Any:  # noqa: ANN401  (array of the column's kind)
        return frame[column].reindex(at).to_numpy()

    facts = cooling.assign(workload=workload.name)
    for column in power.columns:
        facts[column] = of_site(power, column)
    if market is not None:
        reach = reach_facts(market, profile)
        reach.index = sites.index
        for column in reach.columns:
            facts[column] = of_site(reach, column)
    else:
        for column in (
            "reach_ratio",
            "reach_sd_ratio",
            "rtt_mean_ms",
            "rtt_p50_ms",
            "rtt_p90_ms",
            "coverage_target_ratio",
        ):
            facts[column] = np.nan
    _water(scenario, sites, facts, of_site)
    facts["carbon_kg_per_mwh"] = facts["carbon_g_per_kwh"] * facts["pue"]
    facts["carbon_sd_kg_per_mwh"] = facts["carbon_sd_g_per_kwh"] * facts["pue"]
    _interruptible(scenario, tables, sites, workload, profile, power, facts, of_site)
    _money(scenario, profile, sites, facts, of_site)
    _wait(scenario, facts)
    for column in ("hazard_index", "policy_index", "generation_nearby_gw"):
        facts[column] = of_site(sites, column)
    facts["hazard_sd_index"] = HAZARD_SD_INDEX
    facts["policy_sd_index"] = POLICY_SD_INDEX
    facts["generation_sd_gw"] = GENERATION_SD_RATIO * facts["generation_nearby_gw"]
    facts["overhead_sd_mwh_per_mwh"] = facts["pue_sd"]
    missing = facts["pue"].isna() & facts["admissible"]
    facts.loc[missing, "admissible"] = False
    facts.loc[missing, "refusal"] = "no climate at this place"
    energy = HOURS_PER_YEAR * profile.load_factor
    facts["water_m3_per_mw_year"] = facts["wue_l_per_kwh"] * energy * KG_PER_TONNE / LITERS_PER_M3
    facts["withdrawal_m3_per_mw_year"] = facts["withdrawal_l_per_kwh"] * energy * KG_PER_TONNE / LITERS_PER_M3
    facts["carbon_t_per_mw_year"] = facts["carbon_kg_per_mwh"] * energy / KG_PER_TONNE
    facts["name"] = of_site(sites, "name")
    facts["country_iso3"] = of_site(sites, "country_iso3")
    facts["export_class"] = of_site(sites, "export_class")
    return facts


def _hashable(key: tuple[Any, ...]) -> tuple[Any, ...]:
    """Key of a memo: models and frames by their text."""
    return tuple(part.model_dump_json() if hasattr(part, "model_dump_json") else part for part in key)


def _water(scenario: Scenario, sites: pd.DataFrame, facts: pd.DataFrame, of_site: Any) -> None:  # noqa: ANN401
    """Scarcity-weighted consumption; a dry technology needs no stress figure."""
    if scenario.scarcity == "none":
        difficulty = np.ones(len(sites))
        factor = np.ones(len(sites))
    else:
        stress = sites["water_stress_ratio"].to_numpy(dtype=np.float64)
        difficulty = supply_difficulty(
            stress,
            sites["water_distance_km"].to_numpy(dtype=np.float64),
            [str(kind) for kind in sites["water_kind"]],
            doubling_km=scenario.water_doubling_km,
            desalination_factor=scenario.desalination_factor,
        )
        factor = scarcity_factor(stress)
    frame = pd.DataFrame({"difficulty": difficulty, "factor": factor}, index=sites.index)
    facts["water_difficulty_ratio"] = of_site(frame, "difficulty")
    facts["water_scarcity_ratio"] = of_site(frame, "factor")
    dry = facts["wue_l_per_kwh"] == 0
    facts["scarce_water_l_per_kwh"] = np.where(
        dry, 0.0, facts["wue_l_per_kwh"] * facts["water_difficulty_ratio"]
    )
    facts["scarce_water_sd_l_per_kwh"] = np.where(dry, 0.0, facts["wue_sd"] * facts["water_difficulty_ratio"])


def _interruptible(
    scenario: Scenario,
    tables: Tables,
    sites: pd.DataFrame,
    workload: Workload,
    profile: Profile,
    power: pd.DataFrame,
    facts: pd.DataFrame,
    of_site: Any,  # noqa: ANN401
) -> None:
    """Effective price and margin of the interruptible part; firm loads pay the delivered price."""
    facts["effective_price_usd_per_mwh"] = facts["price_usd_per_mwh"]
    facts["effective_energy_usd_per_mwh"] = facts["energy_usd_per_mwh"]
    facts["hours_run"] = HOURS_PER_YEAR
    facts["margin_usd_per_mw_year"] = 0.0
    if profile.interruptible_fraction <= 0 or profile.break_even_usd_per_mwh is None:
        return
    for technology in sorted(set(facts.loc[facts["admissible"], "technology"])):
        rows = facts["technology"] == technology
        hourly = hourly_pue(tables, sites, profile, technology)
        found = interruptible_facts(
            tables,
            sites,
            scenario,
            workload,
            profile,
            power,
            hourly,
            sites["water_price_usd_per_m3"].to_numpy(dtype=np.float64),
        )
        for column in found.columns:
            values = found[column].reindex(facts.loc[rows, "site_id"]).to_numpy()
            if column not in facts:
                facts[column] = "" if values.dtype == object else np.nan
            facts.loc[rows, column] = values


def _money(
    scenario: Scenario,
    profile: Profile,
    sites: pd.DataFrame,
    facts: pd.DataFrame,
    of_site: Any,  # noqa: ANN401
) -> None:
    """Annual cost by parts and levelized cost."""
    capex = sites["capex_usd_per_w"].to_numpy(dtype=np.float64) * W_PER_MW * profile.capex_factor
    own = sites["capex_override_usd_per_mw"].to_numpy(dtype=np.float64)
    capex = np.where(np.isnan(own), capex, own)
    land = sites["land_usd_per_m2"].to_numpy(dtype=np.float64) * scenario.land_m2_per_mw
    frame = pd.DataFrame(
        {
            "capex_usd_per_mw": capex + np.nan_to_num(land),
            "land_usd_per_mw": land,
            "capex_usd_per_w": capex / W_PER_MW,
            "water_usd_per_m3": sites["water_price_usd_per_m3"].to_numpy(dtype=np.float64),
            "sd": [CAPEX_SD_RATIO.get(str(quality), 0.25) for quality in sites["capex_quality"]],
        },
        index=sites.index,
    )
    for column in ("capex_usd_per_mw", "land_usd_per_mw", "capex_usd_per_w"):
        facts[column] = of_site(frame, column)
    facts["capex_sd_usd_per_w"] = of_site(frame, "sd") * facts["capex_usd_per_w"]
    demand = np.nan_to_num(facts["demand_usd_per_kw_month"].to_numpy(dtype=np.float64))
    energy = facts["energy_usd_per_mwh"].to_numpy(dtype=np.float64)
    parts = annual_cost_parts(
        energy_usd_per_mwh=energy,
        demand_usd_per_kw_month=demand,
        pue=facts["pue"].to_numpy(dtype=np.float64),
        pue_peak=facts["pue_peak"].to_numpy(dtype=np.float64),
        withdrawal_l_per_kwh=_bought_water(facts),
        water_usd_per_m3=of_site(frame, "water_usd_per_m3"),
        scarcity_factor=facts["water_scarcity_ratio"].to_numpy(dtype=np.float64),
        carbon_g_per_kwh=facts["carbon_g_per_kwh"].to_numpy(dtype=np.float64),
        carbon_price_usd_per_t=scenario.carbon_price_usd_per_t,
        capex_usd_per_mw=facts["capex_usd_per_mw"].to_numpy(dtype=np.float64),
        fixed_om_ratio=profile.fixed_om_ratio,
        load_factor=profile.load_factor,
        peak_factor=profile.peak_factor,
        discount_rate=scenario.discount_rate,
        life_years=scenario.horizon_years,
        min_demand_ratio=np.nan_to_num(facts["min_demand_ratio"].to_numpy(dtype=np.float64)),
    )
    run = _run_ratio(profile, facts)
    for key in ("power", "water", "carbon"):
        firm = parts[f"{key}_usd_per_mw_year"]
        facts[f"{key}_firm_usd_per_mw_year"] = firm
        parts[f"{key}_usd_per_mw_year"] = firm * run
    if profile.interruptible_fraction > 0:
        paid = facts["effective_energy_usd_per_mwh"].to_numpy(dtype=np.float64)
        share = profile.interruptible_fraction
        stops = facts["hours_run"].to_numpy(dtype=np.float64) / HOURS_PER_YEAR * share
        firm_usd = facts["power_firm_usd_per_mw_year"].to_numpy(dtype=np.float64)
        ratio = np.divide(paid, energy, out=np.ones_like(energy), where=energy != 0)
        parts["power_usd_per_mw_year"] = firm_usd * ((1 - share) + np.where(stops > 0, stops * ratio, 0.0))
    parts["cost_usd_per_mw_year"] = np.sum([parts[key] for key in COST_PARTS], axis=0)
    for key, values in parts.items():
        facts[key] = values
    levelized = levelized_cost_usd_per_it_mwh(
        facts["cost_usd_per_mw_year"].to_numpy(dtype=np.float64),
        load_factor=profile.load_factor,
        derate_ratio=facts["derate_ratio"].to_numpy(dtype=np.float64),
    )
    facts["levelized_usd_per_it_mwh"] = np.divide(
        levelized, run, out=np.full_like(levelized, np.nan), where=run > 0
    )


def _wait(scenario: Scenario, facts: pd.DataFrame) -> None:
    """Expected wait for power beyond construction, and its price as an annuity; no wait where no date is known."""
    ready = float(len(scenario.money.build_schedule) - 1)
    ends = facts[["time_to_power_low_years", "time_to_power_years", "time_to_power_high_years"]]
    dates = ends.to_numpy(dtype=np.float64)
    facts["wait_years"] = [
        expected_wait_years(low, middle, high, ready) if np.isfinite([low, middle, high]).all() else np.nan
        for low, middle, high in dates
    ]
    price = 0.0 if scenario.periods else scenario.objective.wait_usd_per_mw_month * MONTHS_PER_YEAR
    crf = capital_recovery_factor(scenario.discount_rate, scenario.horizon_years)
    waits = np.nan_to_num(facts["wait_years"].to_numpy(dtype=np.float64))
    facts["wait_usd_per_mw_year"] = waits * price * crf


def _bought_water(facts: pd.DataFrame) -> NDArray[np.float64]:
    """Water that a tariff applies to: make-up; what once-through cooling returns to its source is not bought."""
    through = facts["technology"] == "once_through"
    return np.asarray(
        np.where(through, facts["wue_l_per_kwh"], facts["withdrawal_l_per_kwh"]), dtype=np.float64
    )


def _run_ratio(profile: Profile, facts: pd.DataFrame) -> NDArray[np.float64]:
    """Share of the load's energy that is run: firm part, and the hours in which the rest runs."""
    stops = profile.interruptible_fraction
    hours = facts["hours_run"].to_numpy(dtype=np.float64) / HOURS_PER_YEAR
    return np.asarray((1.0 - stops) + stops * hours)


def _assumptions(scenario: Scenario, profiles: dict[str, Profile]) -> list[Assumption]:
    """Choices that every answer leans on."""
    rows = [
        Assumption("discount_rate", f"{scenario.discount_rate:g}", "-", "nominal, before tax"),
        Assumption("horizon_years", f"{scenario.horizon_years}", "years", "life of shell and plant"),
        Assumption("electricity_basis", scenario.electricity_basis, "", "other bases only where flagged"),
        Assumption(
            "sites.opening_usd",
            f"{scenario.sites.opening_usd:,.0f}",
            "USD",
            "per hall; used by optimize only",
        ),
        Assumption(
            "water_value_usd_per_m3", f"{scenario.water_value_usd_per_m3:g}", "USD/m3", "in the score only"
        ),
        Assumption(
            "land_m2_per_mw", f"{scenario.land_m2_per_mw:g}", "m2/MW", "half an acre per MW, an estimate"
        ),
        Assumption(
            "subsidy_removed",
            str(scenario.subsidy_removed).lower(),
            "",
            "cost of supply instead of subsidized tariffs",
        ),
        Assumption(
            "rules",
            scenario.rules,
            "",
            f"export rules for an operator from {scenario.operator_hq}; not legal advice",
        ),
    ]
    for name, profile in profiles.items():
        rows.append(
            Assumption(
                f"workloads.{name}",
                f"{profile.rack_kw:g} kW racks, load factor {profile.load_factor:g}",
                "",
                f"profile {profile.name}, facility class {profile.facility_class}",
            )
        )
    return rows


def _vintage(
    scenario: Scenario, facts: pd.DataFrame, sites: pd.DataFrame, verdicts: pd.DataFrame
) -> dict[str, str]:
    """Ages of the data behind the facts."""
    priced = facts.dropna(subset=["price_usd_per_mwh"])
    years = priced["price_year"].astype(float)
    result = {}
    if len(years):
        result["electricity prices"] = (
            f"{int(years.min())} to {int(years.max())}, median {int(years.median())}; staleness is flagged per site"
        )
    carbon = facts["carbon_year"].dropna().astype(float)
    if len(carbon):
        basis = ", ".join(sorted({str(value) for value in facts["carbon_basis"] if value}))
        result["carbon intensity"] = f"{int(carbon.min())} to {int(carbon.max())}, basis {basis}"
    result["climate"] = "monthly means 2000-2025 (ERA5); no warming trend"
    dates = sorted({str(value) for value in verdicts["rule_date"] if str(value)}) if len(verdicts) else []
    if dates:
        lists = sorted({str(value) for value in verdicts["list_date"] if str(value)})
        result["export rules"] = (
            f"{scenario.rules}, in force {', '.join(dates)}; country list of {', '.join(lists)}"
        )
    ages = sorted({str(value) for value in sites["generation_vintage"] if str(value) not in ("", "nan")})
    if ages:
        result["power plants nearby"] = "; ".join(ages)
    return result


def _sources(tables: Tables, facts: pd.DataFrame, sites: pd.DataFrame) -> pd.DataFrame:
    """Sources that the facts and sites name, with license."""
    used: set[str] = set()
    for frame in (facts, sites):
        for column in frame.columns:
            if column == "source_id" or column.endswith("_source_id"):
                for value in frame[column].dropna().unique():
                    used |= {part for part in str(value).split() if part}
    everything = tables.sources()
    keep = everything[everything["source_id"].isin(used)].copy()
    return keep.drop_duplicates("source_id").sort_values("source_id", kind="stable").reset_index(drop=True)
