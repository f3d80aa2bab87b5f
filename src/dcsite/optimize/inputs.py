"""From the facts of a run to the arrays of the siting model, in the units of the solver.

Owns the seam: USD become M USD, tonnes kt, MWh GWh, m3 1,000 m3; below it the model only multiplies and adds.
Also owns what is dropped before the model is built. Every drop is safe (nothing that could be part of a best
plan is lost) and is kept with its reason, so that "why not this site" has an answer.

Letters: S sites, W workloads, P periods, H halls (site x technology x kind of building), N slots (hall x
workload), Q demand points (workload x region), A arcs (site x demand point), B blocks of a price curve.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from dcsite.errors import Problem as Complaint
from dcsite.errors import ScenarioError
from dcsite.optimize.futures import Futures, futures_at
from dcsite.physics.cost import capital_recovery_factor
from dcsite.units import HOURS_PER_YEAR, KG_PER_TONNE, USD_PER_MILLION_USD

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from dcsite.optimize.futures import CaseFacts
    from dcsite.physics.evaluation import Evaluation
    from dcsite.spec.scenario import ExistingSite, Scenario, SiteOverride
    from dcsite.spec.workload import Profile, Workload

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

M: Final = USD_PER_MILLION_USD
MWH_PER_GWH: Final = 1000.0
T_PER_KT: Final = 1000.0
M3_PER_THOUSAND: Final = 1000.0
M2_PER_THOUSAND: Final = 1000.0
OPERATING: Final = ("power", "demand_charge", "water", "carbon", "fixed_om", "wait")
"""Parts of the operating cost that the facts carry, without their suffix."""

DROPPED: Final = ["site_id", "workload", "technology", "rule", "reason"]
MOST_ARCS: Final = 400_000
"""Arcs above this are refused: the model would not be solved in reasonable time on one machine."""


@dataclass(frozen=True)
class Points:
    """Demand points of all workloads with users, shape (Q,)."""

    workload: Ints
    number: Ints
    share: Floats


@dataclass(frozen=True)
class Arcs:
    """Pairs of site and demand point inside the limits, shape (A,)."""

    site: Ints
    point: Ints
    rtt_ms: Floats
    covered: Flags


@dataclass(frozen=True)
class RunBlocks:
    """Blocks of the cost curve of slots whose interruptible part is coupled to a cap, shape (R,).

    ``net`` is the cost less the worth of running in M USD per GWh of IT energy (negative where it earns),
    ``hours`` the hours of the block, ``carbon`` kt and ``water``, ``withdrawal`` 1,000 m3 per GWh of IT energy;
    ``least`` the hours that the slot must run in all (``min_run_fraction``).
    """

    slot: Ints
    block: Ints
    hours: Floats
    net: Floats
    carbon: Floats
    water: Floats
    withdrawal: Floats
    least: Floats


@dataclass(frozen=True)
class Meters:
    """Billed peaks that are a decision, shape (M,): where a load sheds at the peak, or spare raises a minimum bill.

    ``usd`` is M USD per billed MW and year, ``least`` the share of the connected MW that is billed at least,
    ``slot`` (N,) the meter of each slot (-1: its demand charge is part of the operating cost), ``counts`` (N,)
    whether the slot's load runs at the peak.
    """

    site: Ints
    usd: Floats
    least: Floats
    slot: Ints
    counts: Floats


@dataclass(frozen=True)
class Inputs:
    """Everything the model needs, as arrays; nothing in it knows a tariff or a file.

    Attributes
    ----------
    demand_mw
        Rated IT power asked for, (W, P). [MW]
    weight, capital_weight
        Weight of a year's operating cost of a period in the objective, and of capital spent in it, (P,).
        They sum to one over the horizon, so the objective is an annual cost whatever the number of periods.
    annuity
        Net present value of one unit a year over the horizon.
    hall_max_mw, hall_min_mw
        (H, P) and (H,): most that can be built, and size of a hall that stands already.
    opening, capex
        (H, P): cash for opening a hall and for a MW of it. [M USD, M USD/MW]
    operating
        Part of the operating cost to (N, P). [M USD/MW-year]
    credit
        (N, P): margin of the interruptible part in closed form; zero where blocks stand for it.
    interruptible
        (N,): energy that may stop, over rated power and hours: interruptible share x load factor.
    carbon, water, withdrawal, energy
        (N,): kt, 1,000 m3 and GWh of IT energy per MW and year of the part in closed form.
    """

    scenario: Scenario
    workloads: tuple[Workload, ...]
    profiles: tuple[Profile, ...]
    site_ids: tuple[str, ...]
    sites: pd.DataFrame
    technologies: tuple[str, ...]
    kinds: tuple[str, ...]
    period_names: tuple[str, ...]
    period_start: Ints
    period_years: Ints
    weight: Floats
    capital_weight: Floats
    annuity: float
    crf: float
    demand_mw: Floats
    hall_site: Ints
    hall_technology: Ints
    hall_kind: Ints
    hall_existing: Flags
    hall_fixed: Flags
    hall_max_mw: Floats
    hall_min_mw: Floats
    opening: Floats
    capex: Floats
    capital_factor: Floats
    slot_hall: Ints
    slot_site: Ints
    slot_workload: Ints
    operating: Mapping[str, Floats]
    credit: Floats
    pue_peak: Floats
    carbon: Floats
    water: Floats
    withdrawal: Floats
    withdrawal_peak: Floats
    energy: Floats
    interruptible: Floats
    break_even: Floats
    runs: RunBlocks
    meters: Meters
    points: Points
    arcs: Arcs
    has_arcs: Flags
    pooled: Flags
    grid_mw: Floats
    land_m2: Floats
    water_m3_per_year: Floats
    water_m3_per_hour: Floats
    water_group: tuple[str, ...]
    required: Flags
    survive: Floats
    dropped: pd.DataFrame
    notes: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def slot_technology(self) -> Ints:
        """Technology of each slot, (N,)."""
        return self.hall_technology[self.slot_hall]

    @property
    def operating_total(self) -> Floats:
        """Operating cost of each slot before the interruptible margin, (N, P). [M USD/MW-year]"""
        return np.asarray(np.sum([self.operating[part] for part in sorted(self.operating)], axis=0))

    @cached_property
    def names(self) -> dict[str, Sequence[str]]:
        """Words for the axes of the labels."""
        loads = [workload.name for workload in self.workloads]
        points = [f"{loads[w]},{u}" for w, u in zip(self.points.workload, self.points.number, strict=True)]
        regions = [str(number) for number in range(int(self.points.number.max(initial=-1)) + 1)]
        halls = [
            ",".join(
                word
                for word in (
                    self.site_ids[s],
                    self.technologies[t],
                    "existing" if stands else self.kinds[c],
                )
                if word
            )
            for s, t, c, stands in zip(
                self.hall_site, self.hall_technology, self.hall_kind, self.hall_existing, strict=True
            )
        ]
        return {
            "site": self.site_ids,
            "workload": loads,
            "period": self.period_names,
            "hall": halls,
            "slot": [
                f"{halls[h]},{loads[w]}" for h, w in zip(self.slot_hall, self.slot_workload, strict=True)
            ],
            "point": points,
            "arc": [
                f"{self.site_ids[s]},{points[q]}"
                for s, q in zip(self.arcs.site, self.arcs.point, strict=True)
            ],
            "region": regions,
            "block": [str(number) for number in range(int(self.runs.block.max(initial=-1)) + 1)],
            "basin": sorted({group for group in self.water_group if group}),
            "zone": self.zones(self.scenario.limits.zone)[0],
            "failure": self.zones(self.scenario.limits.n_minus_1 or "site")[0],
            "meter": [self.site_ids[s] for s in self.meters.site],
            "share": share_words(self.scenario),
            "tier": tier_words(self.scenario, accelerator_caps(self.scenario, self.sites, self.profiles)),
            "grid_zone": [where_words(entry.where) for entry in self.scenario.limits.grid_zone],
        }

    def zones(self, kind: str) -> tuple[list[str], Ints]:
        """Names of the zones of a kind, and the zone of each site, (S,)."""
        values = zone_names(self.sites, kind)
        names = sorted(set(values))
        lookup = {name: number for number, name in enumerate(names)}
        return names, np.array([lookup[value] for value in values], dtype=np.int64)


def where_words(where: Mapping[str, str | tuple[str, ...]]) -> str:
    """A group of sites in words.

    Examples
    --------
    >>> where_words({"country": ("USA", "CAN"), "tag": "ai"})
    'country USA or CAN, tag ai'
    """
    return ", ".join(
        f"{key} {value if isinstance(value, str) else ' or '.join(value)}" for key, value in where.items()
    )


def share_words(scenario: Scenario) -> list[str]:
    """The groups of ``limits.share`` in words."""
    return [
        f"{entry.workload} in {where_words(entry.where)}" if entry.workload else where_words(entry.where)
        for entry in scenario.limits.share
    ]


def accelerator_caps(
    scenario: Scenario, sites: pd.DataFrame, profiles: Sequence[Profile]
) -> dict[str, float]:
    """Most accelerators by country: the scenario's, and those of the export rules where a load has any.

    Examples
    --------
    >>> from dcsite.spec.scenario import Scenario
    >>> load = {"name": "w", "profile": "p", "it_mw": 1.0, "accelerators": 5}
    >>> asked = Scenario(format=1, workloads=[load], limits={"accelerators": {"ARE": 900.0}})
    >>> frame = pd.DataFrame({"country_iso3": ["ARE", "POL"], "export_cap_accelerators": [500.0, np.nan]})
    >>> accelerator_caps(asked, frame, [])
    {'ARE': 500.0}
    """
    caps = {country: float(most) for country, most in sorted(scenario.limits.accelerators.items())}
    counted = any(load.accelerators for load in scenario.workloads) or any(
        profile.accelerators_per_mw > 0 for profile in profiles
    )
    if counted and "export_cap_accelerators" in sites:
        ruled = sites.groupby("country_iso3")["export_cap_accelerators"].min().dropna()
        for country, most in ruled.items():
            caps[str(country)] = min(caps.get(str(country), np.inf), float(most))
    return dict(sorted(caps.items()))


def tier_words(scenario: Scenario, caps: Mapping[str, float]) -> list[str]:
    """Countries with a cap and the groups of ``limits.accelerator_tiers`` in words, in the order of the rows."""
    tiers = scenario.limits.accelerator_tiers
    return [*(f"country {country}" for country in caps), *(where_words(tier.where) for tier in tiers)]


def zone_names(sites: pd.DataFrame, kind: str) -> list[str]:
    """Zone of each site: itself, its country, the grid operator where known (else the country), or a column.

    A price zone is a weak failure zone (two sites of one country would pass as independent), so ``zone``
    is the operator of the synchronous grid or the country. Sites without a value in a column of the user are
    zones of their own.

    Raises
    ------
    ScenarioError
        If the kind is no column of the sites.
    """
    if kind == "site":
        return [str(value) for value in sites.index]
    if kind not in ("zone", "country"):
        if kind not in sites:
            message = f"limits.zone: sites have no column '{kind}'"
            raise ScenarioError(message, hint=f"site, zone, country, or one of {', '.join(sites.columns)}")
        values = [str(value).strip() for value in sites[kind].fillna("")]
        return [value or str(name) for value, name in zip(values, sites.index, strict=True)]
    country = [str(value) for value in sites["country_iso3"]]
    if kind == "country" or "grid_operator" not in sites:
        return country
    operators = [str(value).strip() for value in sites["grid_operator"].fillna("")]
    return [
        f"{operator} ({nation})" if operator and operator.lower() != "nan" else nation
        for operator, nation in zip(operators, country, strict=True)
    ]


def matching(sites: pd.DataFrame, where: Mapping[str, str | tuple[str, ...]]) -> Flags:
    """Which sites have all the properties asked for: ``{"country": "USA", "tag": "ai"}``.

    Raises
    ------
    ScenarioError
        If a property is not a column of the sites.
    """
    found = np.ones(len(sites), dtype=bool)
    columns = {"country": "country_iso3", "zone": "zone_id", "tag": "tags", "basin": "water_group"}
    for key, asked in where.items():
        wanted = {asked} if isinstance(asked, str) else set(asked)
        column = columns.get(key, key)
        if column not in sites:
            message = f"limits.share.where: sites have no property '{key}'"
            raise ScenarioError(message, hint=f"one of country, zone, tag, {', '.join(sites.columns)}")
        values = sites[column].astype(str)
        if column == "tags":
            found &= np.array([bool(wanted & {part.strip() for part in text.split(",")}) for text in values])
        else:
            found &= values.isin(wanted).to_numpy()
    return found


def site_number(site_ids: Sequence[str], text: str) -> int:
    """Position of a site named by its id or an unambiguous part of it.

    Raises
    ------
    ScenarioError
        If no site or several fit.
    """
    if text in site_ids:
        return list(site_ids).index(text)
    found = [number for number, name in enumerate(site_ids) if text.lower() in name]
    if len(found) == 1:
        return found[0]
    message = f"no candidate site is named '{text}'"
    if found:
        message = f"several sites fit '{text}': {', '.join(site_ids[number] for number in found[:8])}"
    raise ScenarioError(message, hint="name a candidate of the scenario by its id")


class _Drops:
    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str, str, str]] = []

    def add(self, site: str, workload: str, technology: str, rule: str, reason: str) -> None:
        self.rows.append((site, workload, technology, rule, reason))

    def frame(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows, columns=DROPPED, dtype=object)


def build_inputs(
    scenario: Scenario,
    evaluation: Evaluation,
    *,
    prune: bool = True,
    couple: bool | None = None,
) -> Inputs:
    """Turn facts into arrays.

    Parameters
    ----------
    scenario
        The question; its workloads must be those of the evaluation.
    evaluation
        The facts.
    prune
        Drop dominated technologies.
    couple
        Model the interruptible part by blocks; default: where a carbon or water cap touches it.

    Raises
    ------
    ScenarioError
        If the scenario names a workload, site or technology that the facts do not hold.
    """
    workloads = tuple(scenario.workloads)
    missing = [load.name for load in workloads if load.name not in evaluation.profiles]
    if missing:
        message = f"the facts hold no workload named '{missing[0]}'"
        raise ScenarioError(message, hint="evaluate the scenario again")
    profiles = tuple(evaluation.profiles[load.name] for load in workloads)
    order = np.argsort(evaluation.sites.index.astype(str).to_numpy(), kind="stable")
    sites = evaluation.sites.iloc[order]
    site_ids = tuple(str(value) for value in sites.index)
    position = {name: number for number, name in enumerate(site_ids)}
    drops = _Drops()
    notes: list[str] = []

    start, years, weight, capital_weight, annuity = _calendar(scenario)
    crf = capital_recovery_factor(scenario.discount_rate, scenario.horizon_years)
    demand = _demand(scenario, workloads, start)
    grid = _grid(scenario, evaluation, sites, site_ids, start, notes)

    cases = futures_at(scenario, evaluation)
    rows = _admissible(scenario, evaluation, workloads, position, drops)
    rows = _known_in_all(cases, rows, drops)
    rows = _enough_room(scenario, workloads, profiles, rows, grid, demand, site_ids, drops)
    technologies = tuple(sorted(set(rows["technology"])))
    kind_of, kinds = _kinds(profiles)
    tax = _tax(scenario, sites)

    halls, slots = _halls(scenario, workloads, rows, position, site_ids, technologies, kind_of)
    made = _hall_arrays(scenario, sites, profiles, demand, grid, halls, slots, start, tax, crf, position)
    slots_arrays = _slot_arrays(scenario, evaluation, workloads, profiles, slots, start, years, tax[0])
    _meter_bills(scenario, workloads, profiles, slots, slots_arrays)
    if prune:
        totals = [
            _total(_future_arrays(case, workloads, profiles, slots, slots_arrays, start, years, tax[0])[1])
            for case in cases
        ]
        keep_halls, reasons = _dominated(made, slots_arrays, halls, slots, site_ids, technologies, totals)
        for site, technology, reason in reasons:
            drops.add(site, "", technology, "dominated", reason)
        halls, slots, made, slots_arrays = _keep(halls, slots, made, slots_arrays, keep_halls)

    points, arcs, has_arcs, pooled = _arcs(scenario, evaluation, workloads, profiles, order, slots, site_ids)
    coupled = _is_coupled(scenario, sites) if couple is None else couple
    runs, credit_off, words = _runs(
        evaluation, workloads, profiles, slots, slots_arrays, coupled, technologies
    )
    notes += words
    for key in ("credit", "carbon", "water", "withdrawal", "energy"):
        slots_arrays[key] = _without(slots_arrays, key, credit_off)
    meters = _meters(slots, slots_arrays)
    names = tuple("" if not scenario.periods else str(year) for year in start)
    _check_basins(scenario, sites)
    survive = np.array(
        [
            profile.survive_fraction if scenario.limits.n_minus_1 and not load.optional else 0.0
            for load, profile in zip(workloads, profiles, strict=True)
        ]
    )

    def column(name: str) -> Floats:
        values = sites[name] if name in sites else pd.Series(np.nan, index=sites.index)
        return np.asarray(values.to_numpy(dtype=np.float64))

    groups = sites["water_group"] if "water_group" in sites else pd.Series("", index=sites.index)
    required = sites["required"] if "required" in sites else pd.Series(data=False, index=sites.index)
    asked = {position[site_ids[site_number(site_ids, text)]] for text in scenario.sites.require}
    found = Inputs(
        scenario=scenario,
        workloads=workloads,
        profiles=profiles,
        site_ids=site_ids,
        sites=sites,
        technologies=technologies,
        kinds=kinds,
        period_names=names,
        period_start=start,
        period_years=years,
        weight=weight,
        capital_weight=capital_weight,
        annuity=annuity,
        crf=crf,
        demand_mw=demand,
        **made,
        slot_hall=np.array([slot["hall"] for slot in slots], dtype=np.int64),
        slot_site=np.array([slot["site"] for slot in slots], dtype=np.int64),
        slot_workload=np.array([slot["workload"] for slot in slots], dtype=np.int64),
        **{key: value for key, value in slots_arrays.items() if not key.startswith("_")},
        runs=runs,
        points=points,
        arcs=arcs,
        has_arcs=has_arcs,
        pooled=pooled,
        grid_mw=grid,
        land_m2=column("land_m2"),
        water_m3_per_year=column("water_m3_per_year"),
        water_m3_per_hour=column("water_m3_per_hour"),
        water_group=tuple("" if str(value) == "nan" else str(value) for value in groups),
        required=required.to_numpy(dtype=bool) | np.isin(np.arange(len(site_ids)), sorted(asked)),
        survive=survive,
        meters=meters,
        dropped=drops.frame(),
        notes=tuple(notes),
    )
    if not cases:
        return found
    return _with_futures(found, cases, slots, slots_arrays, tax[0], coupled=coupled)


# --- time -------------------------------------------------------------------------------------------------


def _calendar(scenario: Scenario) -> tuple[Ints, Ints, Floats, Floats, float]:
    """Start and length of the periods, their weights in an annual objective, and the annuity of the horizon."""
    rate, horizon = scenario.discount_rate, scenario.horizon_years
    if not scenario.periods:
        start = np.array([scenario.as_of_year])
    else:
        start = np.array([period.start for period in scenario.periods])
    end = int(start[0]) + horizon
    if start[-1] >= end:
        message = f"periods: the last one starts in {start[-1]}, after the horizon of {horizon} years ({end})"
        raise ScenarioError(message, hint="raise horizon_years")
    years = np.diff(np.append(start, end))
    present = np.array(
        [
            (1 + rate) ** -float(begin - start[0]) * sum((1 + rate) ** -i for i in range(1, int(length) + 1))
            for begin, length in zip(start, years, strict=True)
        ]
    )
    annuity = float(present.sum())
    weight = present / annuity
    return start, years, weight, np.cumsum(weight[::-1])[::-1].copy(), annuity


def _step(values: Mapping[int, float], year: float, before: float) -> float:
    known = [key for key in values if key <= year]
    return float(values[max(known)]) if known else before


def _demand(scenario: Scenario, workloads: Sequence[Workload], start: Ints) -> Floats:
    """Rated IT power by period; without periods the last year's figure counts."""
    demand = np.zeros((len(workloads), len(start)))
    for w, load in enumerate(workloads):
        by_year = {int(year): float(value) for year, value in (load.it_mw_by_year or {}).items()}
        for p, year in enumerate(start):
            if not by_year:
                demand[w, p] = float(load.it_mw or 0.0)
            else:
                moment = float(year) if scenario.periods else np.inf
                demand[w, p] = _step(by_year, moment, float(load.it_mw or 0.0))
    return demand


def _overrides(scenario: Scenario, site_ids: Sequence[str]) -> list[tuple[int, SiteOverride]]:
    found = []
    for entry in scenario.sites.override:
        try:
            found.append((site_number(site_ids, entry.id), entry))
        except ScenarioError:
            continue  # a site that only, where or exclude has removed
    return found


def _grid(
    scenario: Scenario,
    evaluation: Evaluation,
    sites: pd.DataFrame,
    site_ids: Sequence[str],
    start: Ints,
    notes: list[str],
) -> Floats:
    """Facility MW of each connection by period, zero before it is energized, (S, P)."""
    base = sites["grid_mw"].to_numpy(dtype=np.float64)
    grid = np.repeat(base[:, None], len(start), axis=1)
    energized = np.full(len(site_ids), -np.inf)
    if scenario.periods and "time_to_power_years" in evaluation.facts:
        waits = evaluation.facts.groupby("site_id")["time_to_power_years"].max()
        known = waits.reindex(site_ids).to_numpy(dtype=np.float64)
        energized = np.where(np.isnan(known), -np.inf, scenario.as_of_year + known)
        unknown = int(np.isnan(known).sum())
        if unknown:
            notes.append(f"{unknown} of {len(site_ids)} sites: no connection date known, taken as energized")
        notes.append("a connection that comes within a period counts from the next one")
    for number, entry in _overrides(scenario, site_ids):
        if entry.grid_mw_by_year:
            steps = {int(year): float(value) for year, value in entry.grid_mw_by_year.items()}
            for p, year in enumerate(start):
                moment = float(year) if scenario.periods else np.inf
                grid[number, p] = _step(steps, moment, float(entry.grid_mw or 0.0))
            energized[number] = -np.inf
        if entry.energized_year is not None:
            energized[number] = entry.energized_year
    if scenario.periods:
        grid = np.where(start[None, :] < energized[:, None], 0.0, grid)
    return grid


# --- what may stand where -----------------------------------------------------------------------------------


def _admissible(
    scenario: Scenario,
    evaluation: Evaluation,
    workloads: Sequence[Workload],
    position: Mapping[str, int],
    drops: _Drops,
) -> pd.DataFrame:
    """Rows of the facts that may be used, sorted; the others are noted."""
    names = {load.name: number for number, load in enumerate(workloads)}
    facts = evaluation.facts[evaluation.facts["workload"].isin(names)]
    facts = facts[facts["site_id"].isin(position)]
    banned = {
        (str(row.site_id), str(row.workload)): (str(row.rule), str(row.reason))
        for row in evaluation.excluded.itertuples()
    }
    for (site, workload), (rule, reason) in sorted(banned.items()):
        if site in position and workload in {"", *names}:
            drops.add(site, workload, "", rule, reason)
    keys = list(zip(facts["site_id"], facts["workload"], strict=True))
    out = np.array([(site, load) in banned or (site, "") in banned for site, load in keys], dtype=bool)
    refused = ~facts["admissible"].to_numpy(dtype=bool)
    cost = facts["cost_usd_per_mw_year"].to_numpy(dtype=np.float64)
    numbers = facts[["pue_peak", "capex_usd_per_mw_year"]].to_numpy(dtype=np.float64)
    unknown = ~np.isfinite(cost) | ~np.isfinite(numbers).all(axis=1)
    if counts_carbon(scenario):
        unknown |= ~np.isfinite(facts["carbon_kg_per_mwh"].to_numpy(dtype=np.float64))
    for row in facts[~out & refused].itertuples():
        drops.add(row.site_id, row.workload, row.technology, "technology", str(row.refusal))
    for row in facts[~out & ~refused & unknown].itertuples():
        drops.add(row.site_id, row.workload, row.technology, "no cost", _missing(row))
    kept = facts[~out & ~refused & ~unknown].copy()
    kept["_site"] = kept["site_id"].map(position)
    kept["_workload"] = kept["workload"].map(names)
    kept = kept.sort_values(["_site", "technology", "_workload"], kind="stable")
    if scenario.solver.technologies == "best":
        best = kept.sort_values(["_site", "_workload", "cost_usd_per_mw_year", "technology"], kind="stable")
        first = best.drop_duplicates(["_site", "_workload"]).index
        for row in kept[~kept.index.isin(first)].itertuples():
            drops.add(row.site_id, row.workload, row.technology, "technologies", "not the cheapest there")
        kept = kept[kept.index.isin(first)]
    return kept.reset_index(drop=True)


def counts_carbon(scenario: Scenario) -> bool:
    """Whether a limit or an objective reads carbon."""
    limits, kinds = scenario.limits, {scenario.objective.kind, *scenario.objective.then}
    capped = limits.carbon_kg_per_mwh is not None or limits.carbon_t_per_year is not None
    return capped or "carbon" in kinds or scenario.carbon_price_usd_per_t > 0


def _missing(row: Any) -> str:  # noqa: ANN401  (a row of the facts)
    for name, words in (
        ("price_usd_per_mwh", "no electricity price"),
        ("capex_usd_per_mw_year", "no construction cost"),
        ("pue", "no climate"),
        ("water_usd_per_mw_year", "no water price"),
        ("margin_usd_per_mw_year", "no price curve"),
        ("carbon_kg_per_mwh", "no carbon intensity, and the scenario limits carbon"),
    ):
        value = getattr(row, name, 0.0)
        if isinstance(value, float) and not np.isfinite(value):
            return words
    return "a part of the cost is not known"


def _enough_room(
    scenario: Scenario,
    workloads: Sequence[Workload],
    profiles: Sequence[Profile],
    rows: pd.DataFrame,
    grid: Floats,
    demand: Floats,
    site_ids: Sequence[str],
    drops: _Drops,
) -> pd.DataFrame:
    """Drop a workload at a site whose connection is below the workload's smallest block."""
    if rows.empty:
        return rows
    peak = rows["pue_peak"].to_numpy(dtype=np.float64) * np.array(
        [profiles[w].peak_factor for w in rows["_workload"]]
    )
    room = grid.max(axis=1)[rows["_site"].to_numpy()] / peak
    least = np.array([workloads[w].min_block_mw for w in rows["_workload"]])
    best = pd.Series(room).groupby([rows["_site"].to_numpy(), rows["_workload"].to_numpy()]).transform("max")
    idle = demand.max(axis=1)[rows["_workload"].to_numpy()] <= 0
    dead = (best.to_numpy() < least * (1 - 1e-9)) | (room <= 0) | idle
    seen: set[tuple[int, int]] = set()
    for index in np.flatnonzero(dead):
        key = (int(rows["_site"].iloc[index]), int(rows["_workload"].iloc[index]))
        if key not in seen:
            seen.add(key)
            load = workloads[key[1]]
            drops.add(
                site_ids[key[0]],
                load.name,
                "",
                "min_block_mw" if room[index] > 0 else "grid",
                f"the connection carries {best.iloc[index]:.1f} MW of '{load.name}', its smallest block is "
                f"{load.min_block_mw:g} MW"
                if room[index] > 0
                else "no grid power in any period",
            )
    return rows[~dead].reset_index(drop=True)


def _kinds(profiles: Sequence[Profile]) -> tuple[list[int], tuple[str, ...]]:
    """Kind of building of each workload: loads share a hall if shell, plant and vintage are the same."""
    keys = [(profile.capex_factor, profile.facility_class) for profile in profiles]
    known = sorted(set(keys))
    names = []
    for key in known:
        members = [profile.name for profile, own in zip(profiles, keys, strict=True) if own == key]
        names.append("+".join(dict.fromkeys(members)))
    single = len(known) == 1
    return [known.index(key) for key in keys], ("",) if single else (*names,)


def _existing(entry: ExistingSite, rows: pd.DataFrame, number: int) -> tuple[str, pd.DataFrame]:
    """Technology of a hall that stands, and the facts of the loads it can take."""
    here = rows[rows["_site"] == number]
    if entry.technology is not None:
        return entry.technology, here[here["technology"] == entry.technology]
    if here.empty:
        return "", here
    ranked = here.groupby("technology").agg(n=("workload", "size"), cost=("cost_usd_per_mw_year", "mean"))
    ranked = ranked.reset_index().sort_values(
        ["n", "cost", "technology"], ascending=[False, True, True], kind="stable"
    )
    best = str(ranked["technology"].iloc[0])
    return best, here[here["technology"] == best]


def _halls(
    scenario: Scenario,
    workloads: Sequence[Workload],
    rows: pd.DataFrame,
    position: Mapping[str, int],
    site_ids: Sequence[str],
    technologies: Sequence[str],
    kind_of: Sequence[int],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Halls and slots as records; those that stand already come after the new ones of their site."""
    halls: list[dict[str, Any]] = []
    slots: list[dict[str, Any]] = []
    standing: dict[int, list[ExistingSite]] = {}
    for entry in scenario.sites.existing:
        standing.setdefault(site_number(site_ids, entry.id), []).append(entry)
    lookup: dict[tuple[int, str, int], int] = {}
    technology_of = {
        id(entry): _existing(entry, rows, site)[0] for site, own in standing.items() for entry in own
    }
    for row in rows.to_dict("records"):
        site, workload = int(row["_site"]), int(row["_workload"])
        kind = kind_of[workload]
        key = (site, str(row["technology"]), kind)
        if key not in lookup:
            lookup[key] = len(halls)
            free = any(entry.keep and technology_of[id(entry)] == key[1] for entry in standing.get(site, []))
            halls.append(
                {
                    "site": site,
                    "technology": technologies.index(key[1]),
                    "kind": kind,
                    "existing": None,
                    "free_opening": free,
                    "capex": 0.0,
                    "capex_annual": 0.0,
                }
            )
        hall = halls[lookup[key]]
        hall["capex"] = max(hall["capex"], float(row["capex_usd_per_mw"]))
        hall["capex_annual"] = max(hall["capex_annual"], float(row["capex_usd_per_mw_year"]))
        slots.append({"hall": lookup[key], "site": site, "workload": workload, "row": row})
    for site in sorted(standing):
        for entry in standing[site]:
            technology, here = _existing(entry, rows, site)
            if technology and technology not in technologies:
                message = f"sites.existing: '{technology}' at {site_ids[site]} suits none of the workloads"
                raise ScenarioError(message, hint=f"technologies here: {', '.join(technologies)}")
            number = len(halls)
            halls.append(
                {
                    "site": site,
                    "technology": technologies.index(technology) if technology else 0,
                    "kind": 0,
                    "existing": entry,
                    "free_opening": True,
                    "capex": 0.0,
                    "capex_annual": 0.0,
                }
            )
            slots += [
                {
                    "hall": number,
                    "site": site,
                    "workload": int(here["_workload"].iloc[i]),
                    "row": here.iloc[i],
                }
                for i in range(len(here))
            ]
    return halls, slots


def _tax(scenario: Scenario, sites: pd.DataFrame) -> tuple[Floats, Floats]:
    """Factors on operating cost and on capital, (S,): one each unless the objective is after tax."""
    count = len(sites)
    if not getattr(scenario.objective, "after_tax", False):
        return np.ones(count), np.ones(count)
    rate = sites["tax_ratio"].to_numpy(dtype=np.float64) if "tax_ratio" in sites else np.full(count, np.nan)
    if np.isnan(rate).any():
        bad = [str(name) for name in sites.index[np.isnan(rate)]]
        message = f"objective.after_tax: no corporate tax rate is known for {len(bad)} sites"
        complaints = (Complaint("", f"{', '.join(bad[:6])}{' ...' if len(bad) > 6 else ''}"),)
        raise ScenarioError(message, complaints, hint="exclude them, or leave after_tax out")
    life = int(getattr(scenario.objective, "depreciation_years", 0) or scenario.horizon_years)
    r = scenario.discount_rate
    present = sum((1 + r) ** -i for i in range(1, life + 1)) / life
    return 1.0 - rate, 1.0 - rate * present


def _hall_arrays(
    scenario: Scenario,
    sites: pd.DataFrame,
    profiles: Sequence[Profile],
    demand: Floats,
    grid: Floats,
    halls: Sequence[Mapping[str, Any]],
    slots: Sequence[Mapping[str, Any]],
    start: Ints,
    tax: tuple[Floats, Floats],
    crf: float,
    position: Mapping[str, int],
) -> dict[str, Any]:
    """Arrays over halls. Upper bounds are the least of what land, grid and demand allow."""
    count, periods = len(halls), len(start)
    site = np.array([hall["site"] for hall in halls], dtype=np.int64)
    room = np.zeros((count, periods))
    asked = np.zeros((count, periods))
    seen: set[tuple[int, int]] = set()
    grid_so_far = np.maximum.accumulate(grid, axis=1)
    demand_so_far = np.maximum.accumulate(demand, axis=1)
    for slot in slots:
        h, w = slot["hall"], slot["workload"]
        peak = float(slot["row"]["pue_peak"]) * profiles[w].peak_factor
        room[h] = np.maximum(room[h], grid_so_far[slot["site"]] / peak)
        if (h, w) not in seen:
            seen.add((h, w))
            asked[h] += demand_so_far[w]
    most = np.minimum(room, asked)
    land = sites["land_m2"].to_numpy(dtype=np.float64) if "land_m2" in sites else np.full(len(sites), np.nan)
    if scenario.land_m2_per_mw > 0:
        most = np.fmin(most, (land / scenario.land_m2_per_mw)[site][:, None])
    existing = np.array([hall["existing"] is not None for hall in halls], dtype=bool)
    size = np.array([0.0 if hall["existing"] is None else hall["existing"].it_mw for hall in halls])
    most[existing] = size[existing][:, None]
    opening_usd = (
        sites["opening_usd"].to_numpy(dtype=np.float64)
        if "opening_usd" in sites
        else np.full(len(sites), scenario.sites.opening_usd)
    )
    opening = np.array([0.0 if hall["free_opening"] else opening_usd[hall["site"]] for hall in halls]) / M
    capex = np.array([hall["capex"] for hall in halls]) / M
    annual = np.array([hall["capex_annual"] for hall in halls]) / M
    # The facts' own annuity decides: it is what the reader sees as capital cost per MW and year.
    ratio = np.divide(annual, capex * crf, out=np.ones(count), where=capex > 0)
    factor = _equipment_factor(scenario, [str(name) for name in sites.index])[site]
    capex = np.where(existing, 0.0, capex * factor * ratio)
    return {
        "hall_site": site,
        "hall_technology": np.array([hall["technology"] for hall in halls], dtype=np.int64),
        "hall_kind": np.array([hall["kind"] for hall in halls], dtype=np.int64),
        "hall_existing": existing,
        "hall_fixed": np.array(
            [hall["existing"] is not None and hall["existing"].keep for hall in halls], dtype=bool
        ),
        "hall_max_mw": most,
        "hall_min_mw": size,
        "opening": np.repeat(opening[:, None], periods, axis=1),
        "capex": np.repeat(capex[:, None], periods, axis=1),
        "capital_factor": tax[1][site],
    }


def _equipment_factor(scenario: Scenario, site_ids: Sequence[str]) -> Floats:
    """One plus the tax on shell and plant that a site's override states."""
    factor = np.ones(len(site_ids))
    for number, entry in _overrides(scenario, site_ids):
        rate = getattr(entry, "equipment_tax_ratio", None)
        if rate is not None:
            factor[number] = 1.0 + float(rate)
    return factor


def _slot_arrays(
    scenario: Scenario,
    evaluation: Evaluation,
    workloads: Sequence[Workload],
    profiles: Sequence[Profile],
    slots: Sequence[Mapping[str, Any]],
    start: Ints,
    years: Ints,
    tax: Floats,
) -> dict[str, Any]:
    """Arrays over slots: cost by parts, design-hour power, carbon, water and energy per MW."""
    frame = pd.DataFrame([slot["row"] for slot in slots], columns=evaluation.facts.columns)
    frame = frame.reset_index(drop=True)
    work = np.array([slot["workload"] for slot in slots], dtype=np.int64)
    site = np.array([slot["site"] for slot in slots], dtype=np.int64)
    count = len(slots)

    def fact(name: str, other: str | None = None, default: float | None = None) -> Floats:
        if name in frame:
            return np.asarray(frame[name].to_numpy(dtype=np.float64))
        if other is not None:
            return np.asarray(frame[other].to_numpy(dtype=np.float64))
        if default is not None:
            return np.full(count, default)
        message = f"the facts lack the column '{name}'"
        raise KeyError(message)

    stops = np.array([profiles[w].interruptible_fraction for w in work])
    stops = np.where([profiles[w].break_even_usd_per_mwh is None for w in work], 0.0, stops)
    alpha = np.array([profiles[w].load_factor for w in work])
    sheds = np.array([bool(getattr(workloads[w], "sheds_at_peak", False)) for w in work])
    rising = _escalation(scenario, evaluation, slots, start, years)
    parts: dict[str, Floats] = {}
    for part in OPERATING:
        values = fact(f"{part}_usd_per_mw_year", default=0.0)
        if part in ("power", "water", "carbon"):
            firm = fact(f"{part}_firm_usd_per_mw_year", f"{part}_usd_per_mw_year")
            values = np.where(stops > 0, (1.0 - stops) * firm, values)
        grown = rising if part == "power" else np.ones_like(rising)
        if part == "carbon":
            grown = grown * _carbon_path(scenario, start, years)
        parts[part] = np.nan_to_num(values)[:, None] / M * grown * tax[site][:, None]
    peak_mw = fact("pue_peak") * np.array([profiles[w].peak_factor for w in work])
    margin = np.nan_to_num(fact("margin_usd_per_mw_year", default=0.0))
    credit = np.where(stops > 0, margin, 0.0) / M
    hours = np.nan_to_num(fact("hours_run", default=HOURS_PER_YEAR), nan=0.0) / HOURS_PER_YEAR
    running = (1.0 - stops) + stops * hours
    firm_share = 1.0 - stops
    energy = HOURS_PER_YEAR * alpha / MWH_PER_GWH
    per_it_mwh = HOURS_PER_YEAR * alpha
    carbon = fact("carbon_kg_per_mwh") * per_it_mwh / KG_PER_TONNE / T_PER_KT
    water = fact("wue_l_per_kwh", default=0.0) * per_it_mwh / M3_PER_THOUSAND
    drawn = fact("withdrawal_l_per_kwh", default=0.0) * per_it_mwh / M3_PER_THOUSAND
    carbon_known = np.isfinite(carbon)
    return {
        "operating": parts,
        "credit": np.repeat((credit * tax[site])[:, None], len(start), axis=1),
        "pue_peak": peak_mw,
        "carbon": np.where(carbon_known, carbon * running, np.nan),
        "water": water * running,
        "withdrawal": drawn * running,
        "withdrawal_peak": np.nan_to_num(fact("withdrawal_peak_m3_per_mw_hour", default=0.0)),
        "energy": energy * running,
        "interruptible": stops * alpha,
        "break_even": np.array([float(profiles[w].break_even_usd_per_mwh or 0.0) for w in work]),
        "_firm_ratio": np.divide(firm_share, running, out=np.zeros(count), where=running > 0),
        "_pue": fact("pue"),
        "_carbon_rate": fact("carbon_kg_per_mwh"),
        "_wue": fact("wue_l_per_kwh", default=0.0),
        "_wwl": fact("withdrawal_l_per_kwh", default=0.0),
        "_tax": tax[site],
        "_least_hours": np.array([workloads[w].min_run_fraction for w in work]) * HOURS_PER_YEAR,
        "_sheds": sheds,
        "_least_bill": np.nan_to_num(fact("min_demand_ratio", default=0.0)),
        "_bill": parts["demand_charge"][:, 0] / peak_mw,
    }


def _meter_bills(
    scenario: Scenario,
    workloads: Sequence[Workload],
    profiles: Sequence[Profile],
    slots: Sequence[Mapping[str, Any]],
    per_slot: dict[str, Any],
) -> None:
    """Give the slots a meter whose billed peak is a decision, and take their demand charge out of the operating cost.

    One meter per site and rate. A meter is needed where a load sheds at the peak, or where spare raises the
    minimum bill; elsewhere the billed peak is that of the load, and its charge a cost per MW.
    """
    count = len(slots)
    meter = np.full(count, -1, dtype=np.int64)
    groups: dict[tuple[int, float], list[int]] = {}
    for n, slot in enumerate(slots):
        rate = float(per_slot["_bill"][n])
        if rate > 0:
            groups.setdefault((slot["site"], round(rate * M, 2)), []).append(n)
    spares = [
        scenario.limits.n_minus_1 is not None and profile.survive_fraction > 0 and not load.optional
        for load, profile in zip(workloads, profiles, strict=True)
    ]
    for number, members in enumerate(groups[key] for key in sorted(groups)):
        least = per_slot["_least_bill"][members].max() > 0
        if any(per_slot["_sheds"][n] or (least and spares[slots[n]["workload"]]) for n in members):
            meter[members] = number
    per_slot["_meter"] = meter
    per_slot["operating"]["demand_charge"][meter >= 0] = 0.0


def _meters(slots: Sequence[Mapping[str, Any]], per_slot: Mapping[str, Any]) -> Meters:
    """Meters of the slots that are kept, numbered from zero."""
    used, first, inverse = np.unique(per_slot["_meter"], return_index=True, return_inverse=True)
    shown = used >= 0
    site = np.array([slots[n]["site"] for n in first[shown]], dtype=np.int64)
    number = np.where(shown, np.cumsum(shown) - 1, -1)
    least = np.zeros(int(shown.sum()))
    slot = number[inverse].astype(np.int64) if len(slots) else np.zeros(0, dtype=np.int64)
    np.maximum.at(least, slot[slot >= 0], per_slot["_least_bill"][slot >= 0])
    usd = per_slot["_bill"][first[shown]]
    return Meters(site, usd, least, slot, np.where(per_slot["_sheds"], 0.0, 1.0))


def _check_basins(scenario: Scenario, sites: pd.DataFrame) -> None:
    """Refuse a cap on a basin that no candidate lies in: it would limit nothing, in silence.

    Raises
    ------
    ScenarioError
        If a name of ``limits.basins`` is no ``water_group`` of the sites.
    """
    known = sorted(
        {
            str(value)
            for value in sites.get("water_group", pd.Series(dtype=str))
            if str(value) not in ("", "nan")
        }
    )
    lost = sorted(set(scenario.limits.basins) - set(known))
    if lost:
        message = f"limits.basins: no candidate site lies in '{lost[0]}'"
        raise ScenarioError(
            message,
            hint=f"the water_group of the sites: {', '.join(known)}"
            if known
            else "give the sites a water_group ([[sites.override]] or the column of your own file)",
        )


def _escalation(
    scenario: Scenario,
    evaluation: Evaluation,
    slots: Sequence[Mapping[str, Any]],
    start: Ints,
    years: Ints,
) -> Floats:
    """Power price of a period over today's: growth discounted like the payments, (N, P); one without periods."""
    factor = np.ones((len(slots), len(start)))
    rates = evaluation.extra.get("escalation_ratio")
    if not scenario.periods or not isinstance(rates, pd.DataFrame):
        return factor
    discount = 1.0 / (1.0 + scenario.discount_rate)
    cache: dict[float, Floats] = {}
    for n, slot in enumerate(slots):
        row = slot["row"]
        rate = float(rates[row["workload"]].get(row["site_id"], 0.0)) if row["workload"] in rates else 0.0
        rate = 0.0 if not np.isfinite(rate) else rate
        if rate not in cache:
            made = []
            for begin, length in zip(start, years, strict=True):
                steps = np.arange(1, int(length) + 1)
                grown = (1 + rate) ** (float(begin) - scenario.as_of_year + steps - 1)
                made.append(float((discount**steps * grown).sum() / (discount**steps).sum()))
            cache[rate] = np.array(made)
        factor[n] = cache[rate]
    return factor


def _carbon_path(scenario: Scenario, start: Ints, years: Ints) -> Floats:
    """Carbon price of each period over that of the horizon, which the facts hold, (P,)."""
    whole = scenario.carbon_price_usd_per_t
    if not scenario.periods or not scenario.objective.carbon_price_by_year or whole <= 0:
        return np.ones(len(start))
    return np.array(
        [
            scenario.carbon_price_over(int(begin), int(length)) / whole
            for begin, length in zip(start, years, strict=True)
        ]
    )


# --- safe drops ---------------------------------------------------------------------------------------------


def _dominated(
    made: Mapping[str, Any],
    per_slot: Mapping[str, Any],
    halls: Sequence[Mapping[str, Any]],
    slots: Sequence[Mapping[str, Any]],
    site_ids: Sequence[str],
    technologies: Sequence[str],
    futures: Sequence[Floats] = (),
) -> tuple[Flags, list[tuple[str, str, str]]]:
    """Which halls to keep: one is dropped where another of the same site and kind is no worse in anything.

    No dearer in opening, capital and operation for every workload it takes, no more design-hour power,
    water or carbon, and room up to the site's own limit: then any plan moves the load at no loss. Of several
    ``futures`` (operating cost of the slots in each) this must hold in every one.
    """
    keep = np.ones(len(halls), dtype=bool)
    total = np.stack([_total(per_slot), *futures])
    by_hall: dict[int, dict[int, int]] = {}
    for n, slot in enumerate(slots):
        by_hall.setdefault(slot["hall"], {})[slot["workload"]] = n
    groups: dict[tuple[int, int], list[int]] = {}
    for h, hall in enumerate(halls):
        if hall["existing"] is None:
            groups.setdefault((hall["site"], hall["kind"]), []).append(h)
    uses = np.stack(
        [
            per_slot["pue_peak"],
            np.nan_to_num(per_slot["carbon"]),
            per_slot["water"],
            per_slot["withdrawal"],
            per_slot["withdrawal_peak"],
        ]
    )
    tiny = 1e-12
    reasons = []
    for members in groups.values():
        for worse in members:
            for better in members:
                if better == worse or not keep[better] or not keep[worse]:
                    continue
                loads = by_hall[worse]
                if not set(loads) <= set(by_hall[better]):
                    continue
                first = np.array([by_hall[better][w] for w in loads])
                second = np.array([loads[w] for w in loads])
                no_worse = (
                    (made["opening"][better] <= made["opening"][worse] + tiny).all()
                    and (made["capex"][better] <= made["capex"][worse] + tiny).all()
                    and (total[:, first] <= total[:, second] + tiny).all()
                    and (uses[:, first] <= uses[:, second] + tiny).all()
                    and (made["hall_max_mw"][better] >= made["hall_max_mw"][worse] - tiny).all()
                    and not per_slot["interruptible"][first].any()
                )
                if no_worse and (
                    not np.array_equal(total[:, first], total[:, second])
                    or not np.array_equal(uses[:, first], uses[:, second])
                    or better < worse
                ):
                    keep[worse] = False
                    reasons.append(
                        (
                            site_ids[halls[worse]["site"]],
                            technologies[halls[worse]["technology"]],
                            f"{technologies[halls[better]['technology']]} is no worse there in cost, power, "
                            "water and carbon",
                        )
                    )
    return keep, reasons


def _keep(
    halls: list[dict[str, Any]],
    slots: list[dict[str, Any]],
    made: dict[str, Any],
    per_slot: dict[str, Any],
    keep: Flags,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, Any], dict[str, Any]]:
    number = np.cumsum(keep) - 1
    chosen = np.array([bool(keep[slot["hall"]]) for slot in slots], dtype=bool)
    slots = [
        {**slot, "hall": int(number[slot["hall"]])} for slot, own in zip(slots, chosen, strict=True) if own
    ]
    halls = [hall for hall, own in zip(halls, keep, strict=True) if own]
    made = {key: value[keep] for key, value in made.items()}
    kept: dict[str, Any] = {}
    for key, value in per_slot.items():
        kept[key] = (
            {part: values[chosen] for part, values in value.items()}
            if isinstance(value, dict)
            else value[chosen]
        )
    return halls, slots, made, kept


# --- futures ------------------------------------------------------------------------------------------------


def _total(per_slot: Mapping[str, Any]) -> Floats:
    """Operating cost of each slot less its margin, (N, P). [M USD/MW-year]"""
    return np.asarray(np.sum(list(per_slot["operating"].values()), axis=0) - per_slot["credit"])


def _known_in_all(cases: Sequence[CaseFacts], rows: pd.DataFrame, drops: _Drops) -> pd.DataFrame:
    """Drop what has no cost, or may not stand, in one of the futures: no plan could be judged with it."""
    keys = list(zip(rows["site_id"], rows["workload"], rows["technology"], strict=True))
    for case in cases:
        facts = case.evaluation.facts
        known = facts["admissible"].to_numpy(dtype=bool) & np.isfinite(
            facts["cost_usd_per_mw_year"].to_numpy(dtype=np.float64)
        )
        excluded = case.evaluation.excluded
        banned = set(zip(excluded["site_id"], excluded["workload"], strict=True))
        fine = {
            key
            for key, good in zip(
                zip(facts["site_id"], facts["workload"], facts["technology"], strict=True), known, strict=True
            )
            if good and key[:2] not in banned and (key[0], "") not in banned
        }
        stays = np.array([key in fine for key in keys], dtype=bool)
        for key, good in zip(keys, stays, strict=True):
            if not good:
                drops.add(
                    *key, "future", f"no cost is known in the future '{case.case.name}', or a rule forbids it"
                )
        rows = rows[stays].reset_index(drop=True)
        keys = [key for key, good in zip(keys, stays, strict=True) if good]
    return rows


def _future_arrays(
    case: CaseFacts,
    workloads: Sequence[Workload],
    profiles: Sequence[Profile],
    slots: Sequence[Mapping[str, Any]],
    per_slot: Mapping[str, Any],
    start: Ints,
    years: Ints,
    tax: Floats,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The same slots with the facts of a future, and their arrays; meters are those of the listed facts."""
    facts = case.evaluation.facts
    keys = zip(facts["site_id"], facts["workload"], facts["technology"], strict=True)
    number = {key: place for place, key in enumerate(keys)}
    wanted = [
        number[slot["row"]["site_id"], slot["row"]["workload"], slot["row"]["technology"]] for slot in slots
    ]
    records = facts.iloc[wanted].to_dict("records")
    then = [{**slot, "row": row} for slot, row in zip(slots, records, strict=True)]
    arrays = _slot_arrays(case.case.scenario, case.evaluation, workloads, profiles, then, start, years, tax)
    arrays["_meter"] = per_slot["_meter"]
    arrays["operating"]["demand_charge"][per_slot["_meter"] >= 0] = 0.0
    return then, arrays


def _with_futures(
    inputs: Inputs,
    cases: Sequence[CaseFacts],
    slots: Sequence[Mapping[str, Any]],
    per_slot: Mapping[str, Any],
    tax: Floats,
    *,
    coupled: bool,
) -> Inputs:
    """The inputs with those of each future beside them."""
    found = []
    for case in cases:
        then, arrays = _future_arrays(
            case,
            inputs.workloads,
            inputs.profiles,
            slots,
            per_slot,
            inputs.period_start,
            inputs.period_years,
            tax,
        )
        runs, off, _ = _runs(
            case.evaluation, inputs.workloads, inputs.profiles, then, arrays, coupled, inputs.technologies
        )
        for key in ("credit", "carbon", "water", "withdrawal", "energy"):
            arrays[key] = _without(arrays, key, off)
        own = {key: value for key, value in arrays.items() if not key.startswith("_")}
        found.append(
            replace(inputs, scenario=case.case.scenario, runs=runs, meters=_meters(then, arrays), **own)
        )
    futures = Futures(
        tuple(case.case.name for case in cases),
        np.array([case.case.chance_ratio for case in cases]),
        tuple(found),
    )
    return replace(inputs, extra={**inputs.extra, "futures": futures})


# --- users --------------------------------------------------------------------------------------------------


def limit_rtt(workload: Workload) -> float:
    """RTT up to which an arc exists in normal operation; infinite where nothing limits it. [ms]"""
    if workload.hard_rtt_ms is not None:
        return float(workload.hard_rtt_ms)
    if workload.max_rtt_ms is not None and workload.coverage >= 1.0:
        return float(workload.max_rtt_ms)
    return np.inf


def needs_all_arcs(scenario: Scenario, workload: Workload) -> bool:
    """Whether each served point counts by its RTT, so that no pool can stand for the far ones."""
    kinds = {scenario.objective.kind, *scenario.objective.then}
    return workload.mean_rtt_ms is not None or "latency" in kinds


def rtt_of(evaluation: Evaluation, workload: Workload) -> Floats:
    """RTT that the limits of a workload are compared with, (S, U). [ms]"""
    market = evaluation.markets[workload.name]
    return market.rtt_ms if workload.latency_margin == "p50" else market.rtt_model_p90_ms


def _arcs(
    scenario: Scenario,
    evaluation: Evaluation,
    workloads: Sequence[Workload],
    profiles: Sequence[Profile],
    order: Ints,
    slots: Sequence[Mapping[str, Any]],
    site_ids: Sequence[str],
) -> tuple[Points, Arcs, Flags, Flags]:
    """Demand points and arcs. Without a hard limit, far users are a pool instead of arcs."""
    count = len(workloads)
    has_arcs = np.zeros(count, dtype=bool)
    pooled = np.zeros(count, dtype=bool)
    eligible = np.zeros((count, len(site_ids)), dtype=bool)
    for slot in slots:
        eligible[slot["workload"], slot["site"]] = True
    points: list[tuple[Ints, Ints, Floats]] = []
    arcs: list[tuple[Ints, Ints, Floats, Flags]] = []
    first = 0
    for w, load in enumerate(workloads):
        market = evaluation.markets.get(load.name)
        valued = scenario.objective.latency_worth and profiles[w].latency_worth_usd_per_rack_year > 0
        every = needs_all_arcs(scenario, load)
        limited = load.max_rtt_ms is not None or load.hard_rtt_ms is not None
        if market is None or not (limited or valued or every):
            continue
        has_arcs[w] = True
        share = market.points["weight_ratio"].to_numpy(dtype=np.float64)
        here = np.flatnonzero(share > 0)
        share = share[here] / share[here].sum()
        rtt = rtt_of(evaluation, load)[order][:, here]
        limit = limit_rtt(load)
        pooled[w] = not np.isfinite(limit) and not every
        reach = limit
        if pooled[w]:
            reach = float(load.max_rtt_ms) if load.max_rtt_ms is not None else 0.0
            if valued:
                reach = max(reach, profiles[w].reach_zero_ms)
        s, u = np.nonzero((rtt <= reach) & eligible[w][:, None])
        inside = float(load.max_rtt_ms) if load.max_rtt_ms is not None else np.inf
        points.append((np.full(len(here), w), here, share))
        arcs.append((s, first + u, rtt[s, u], rtt[s, u] <= inside))
        first += len(here)
    total = sum(len(arc[0]) for arc in arcs)
    if total > MOST_ARCS:
        message = (
            f"{total:,} pairs of site and demand point are too many for one model (at most {MOST_ARCS:,})"
        )
        raise ScenarioError(
            message, hint="fewer demand_points or candidate sites, or a max_rtt_ms with coverage"
        )

    def joined(parts: list[Any], kind: Any) -> Any:  # noqa: ANN401
        return np.concatenate(parts).astype(kind) if parts else np.zeros(0, dtype=kind)

    return (
        Points(
            joined([p[0] for p in points], np.int64),
            joined([p[1] for p in points], np.int64),
            joined([p[2] for p in points], np.float64),
        ),
        Arcs(
            joined([a[0] for a in arcs], np.int64),
            joined([a[1] for a in arcs], np.int64),
            joined([a[2] for a in arcs], np.float64),
            joined([a[3] for a in arcs], bool),
        ),
        has_arcs,
        pooled,
    )


# --- interruptible load ---------------------------------------------------------------------------------------


def _is_coupled(scenario: Scenario, sites: pd.DataFrame) -> bool:
    """Whether an annual carbon or water limit touches the hours in which interruptible load runs."""
    limits = scenario.limits
    kinds = {scenario.objective.kind, *scenario.objective.then}
    water = "water_m3_per_year" in sites and bool(np.isfinite(sites["water_m3_per_year"]).any())
    return bool(
        limits.carbon_kg_per_mwh is not None
        or limits.carbon_t_per_year is not None
        or limits.basins
        or water
        or kinds & {"carbon", "water"}
    )


def _runs(
    evaluation: Evaluation,
    workloads: Sequence[Workload],
    profiles: Sequence[Profile],
    slots: Sequence[Mapping[str, Any]],
    per_slot: Mapping[str, Any],
    coupled: bool,
    technologies: Sequence[str],
) -> tuple[RunBlocks, Flags, list[str]]:
    """Blocks of the slots whose interruptible part a cap couples, and which slots those are."""
    none = RunBlocks(*(np.zeros(0, dtype=kind) for kind in (np.int64, np.int64, *[np.float64] * 6)))
    off = np.zeros(len(slots), dtype=bool)
    stops = per_slot["interruptible"]
    if not coupled or not (stops > 0).any():
        return none, off, []
    frame = evaluation.extra.get("interruptible_blocks")
    names = ", ".join(
        sorted({workloads[s["workload"]].name for s, i in zip(slots, stops, strict=True) if i > 0})
    )
    if not isinstance(frame, pd.DataFrame) or frame.empty:
        words = (
            f"'{names}': a carbon or water limit touches interruptible load, but no block curve is known; its hours "
            "are those of the best use without the limit"
        )
        return none, off, [words]
    keys = ["site_id", "workload"] + (["technology"] if "technology" in frame else [])
    groups = dict(iter(frame.groupby(keys, sort=True)))
    found: dict[str, list[Any]] = {name: [] for name in RunBlocks.__dataclass_fields__}
    missed: list[tuple[float, float]] = []
    for n, slot in enumerate(slots):
        if stops[n] <= 0:
            continue
        row = slot["row"]
        key = tuple(str(row[name]) for name in keys)
        if key not in groups:
            continue
        part = groups[key].sort_values("cost_usd_per_it_mwh", kind="stable")
        cost = part["cost_usd_per_it_mwh"].to_numpy(dtype=np.float64)
        hours = part["hours"].to_numpy(dtype=np.float64)
        facility = part["facility_mwh_per_it_mwh"].to_numpy(dtype=np.float64)
        least = min(float(per_slot["_least_hours"][n]), float(hours.sum()))
        earns = cost < per_slot["break_even"][n]
        use = earns if float(hours[earns].sum()) >= least else np.ones(len(cost), dtype=bool)
        # Hours that must be run at a loss are the cheapest ones beyond those that earn.
        forced = np.clip(least - np.concatenate([[0.0], np.cumsum(hours)[:-1]]), 0.0, hours)
        ran = np.where(earns, hours, forced)
        by_blocks = float((ran * (per_slot["break_even"][n] - cost)).sum()) * stops[n] / M
        closed = float(per_slot["credit"][n, 0])
        if closed > 0 and per_slot["_tax"][n] == 1.0:
            missed.append((abs(by_blocks - closed), closed))
        intensity = per_slot["_carbon_rate"][n] / per_slot["_pue"][n]
        count = int(use.sum())
        off[n] = True
        found["slot"].append(np.full(count, n))
        found["block"].append(np.arange(len(cost))[use])
        found["hours"].append(hours[use])
        found["least"].append(np.full(count, least))
        net = (cost[use] - per_slot["break_even"][n]) / M * MWH_PER_GWH
        found["net"].append(net * per_slot["_tax"][n])
        found["carbon"].append(facility[use] * intensity / KG_PER_TONNE / T_PER_KT * MWH_PER_GWH)
        own = part["water_m3_per_it_mwh"].to_numpy(dtype=np.float64)[use] / M3_PER_THOUSAND * MWH_PER_GWH
        wue, drawn = float(per_slot["_wue"][n]), float(per_slot["_wwl"][n])
        found["water"].append(own)
        found["withdrawal"].append(own * (drawn / wue if wue > 0 else 1.0))
    if not off.any():
        return none, off, []
    joined: dict[str, Any] = {
        name: np.concatenate(parts).astype(np.int64 if name in ("slot", "block") else np.float64)
        for name, parts in found.items()
    }
    said = []
    # Against the best margins: a miss of a tiny margin is no money.
    largest = max((closed for _, closed in missed), default=0.0)
    worst = max((miss / largest for miss, _ in missed), default=0.0)
    if worst > 1e-3:
        said.append(
            f"'{names}': price blocks miss the closed-form margin by up to {worst:.2%} of the largest one"
        )
    return RunBlocks(**joined), off, said


def _without(per_slot: Mapping[str, Any], key: str, coupled: Flags) -> Floats:
    """The firm part alone where blocks stand for the rest."""
    values = np.asarray(per_slot[key], dtype=np.float64)
    if key == "credit":
        return np.where(coupled[:, None], 0.0, values)
    return np.where(coupled, values * per_slot["_firm_ratio"], values)
