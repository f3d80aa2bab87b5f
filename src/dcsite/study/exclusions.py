"""Hard rules: which sites may not carry a workload, and why. A hard limit is never a low score.

Every exclusion names its rule, the figure behind it and the quality of that figure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from dcsite.data import policy
from dcsite.errors import UsageError
from dcsite.units import HOURS_PER_YEAR

if TYPE_CHECKING:
    from dcsite.data.tables import Tables
    from dcsite.physics.evaluation import Market
    from dcsite.spec.scenario import Scenario
    from dcsite.spec.workload import Profile, Workload

COLUMNS = ["site_id", "workload", "rule", "reason", "quality"]
LEAST_STABILITY_WGI = -1.0
"""Political stability (WGI) below which the default risk filter drops a site; --allow-risk keeps it."""

DENIED = "denied"
REVIEWED = "case_by_case_up_to_h200_class_else_denied"
LICENSED = "licence_required"


@dataclass
class Exclusions:
    """Collected exclusions and the sentences that go with them."""

    rows: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, site_id: str, workload: str, rule: str, reason: str, quality: str = "") -> None:
        """Add one exclusion; ``workload`` empty means all."""
        self.rows.append(dict(zip(COLUMNS, (site_id, workload, rule, reason, quality), strict=True)))

    def frame(self) -> pd.DataFrame:
        """All exclusions, sorted, without repeats."""
        frame = pd.DataFrame(self.rows, columns=COLUMNS).drop_duplicates()
        return frame.sort_values(["workload", "rule", "site_id"], kind="stable").reset_index(drop=True)


def needs_accelerators(workload: Workload, profile: Profile) -> bool:
    """Whether export rules on accelerators touch the workload."""
    return profile.accelerators_per_mw > 0 or bool(workload.accelerators)


def export_verdicts(scenario: Scenario, tables: Tables, sites: pd.DataFrame) -> pd.DataFrame:
    """Verdict of the scenario's rule set for the country of each site, index ``country_iso3``."""
    countries = sorted(set(sites["country_iso3"]))
    frame = policy.verdicts(tables, countries, rules=scenario.rules, operator_hq=scenario.operator_hq)
    return frame.set_index("country_iso3", drop=False)


def country_risk(scenario: Scenario, sites: pd.DataFrame, verdicts: pd.DataFrame, found: Exclusions) -> None:
    """Drop sites in unstable countries and where all exports are denied, unless risk is allowed."""
    if scenario.allow_risk:
        found.notes.append("country risk is allowed: the default risk filter is off")
        return
    known = verdicts.to_dict("index")
    for site in sites[["site_id", "country_iso3", "wgi_political_stability"]].itertuples():
        stability = float(site.wgi_political_stability)
        if not math.isnan(stability) and stability < LEAST_STABILITY_WGI:
            found.add(
                str(site.site_id),
                "",
                "country risk",
                f"political stability (WGI) of {site.country_iso3} is {stability:.2f}, below "
                f"{LEAST_STABILITY_WGI:g}; --allow-risk keeps it",
                "reported",
            )
        verdict = known.get(site.country_iso3)
        if verdict is not None and verdict["class"] == DENIED:
            found.add(
                str(site.site_id),
                "",
                "country risk",
                f"exports to {site.country_iso3} are denied under {verdict['rule_set']} "
                f"({verdict['rule_date']}) for an operator from {scenario.operator_hq}; --allow-risk keeps it",
                str(verdict["quality"]),
            )


def export_rules(
    scenario: Scenario,
    workload: Workload,
    profile: Profile,
    sites: pd.DataFrame,
    verdicts: pd.DataFrame,
    found: Exclusions,
) -> None:
    """Apply the accelerator verdicts to a workload that needs accelerators."""
    if not needs_accelerators(workload, profile):
        return
    leaning: set[str] = set()
    known = verdicts.to_dict("index")
    for site in sites[["site_id", "country_iso3"]].itertuples():
        if site.country_iso3 not in known:
            found.notes.append(
                f"{site.site_id}: no export verdict for country {site.country_iso3 or '(unknown)'}"
            )
            continue
        verdict = known[site.country_iso3]
        kind, rule = str(verdict["class"]), f"{verdict['rule_set']} of {verdict['rule_date']}"
        reason = ""
        if kind == DENIED:
            reason = f"accelerators: export to {site.country_iso3} denied ({rule})"
        elif kind == REVIEWED and scenario.accelerator_class != "h200":
            reason = (
                f"accelerators: {site.country_iso3} is reviewed case by case up to the H200 class, else denied "
                f"({rule}); set accelerator_class"
            )
        elif kind in (LICENSED, REVIEWED):
            if scenario.licenses == "assume-denied":
                reason = f"accelerators: {site.country_iso3} needs a license ({rule}), assumed denied"
            else:
                leaning.add(str(site.country_iso3))
        if reason:
            found.add(str(site.site_id), workload.name, "export rules", reason, str(verdict["quality"]))
    if leaning:
        found.notes.append(
            f"'{workload.name}': export licenses are assumed granted for {', '.join(sorted(leaning))} under "
            f"{scenario.rules} (operator from {scenario.operator_hq}); not legal advice"
        )


def crypto_bans(
    scenario: Scenario,
    workload: Workload,
    profile: Profile,
    sites: pd.DataFrame,
    tables: Tables,
    found: Exclusions,
) -> None:
    """Drop countries that ban mining, for loads of the crypto tariff class."""
    if profile.customer_class != "crypto":
        return
    bans = policy.crypto_bans(tables).set_index("country_iso3")
    for site in sites.itertuples():
        if site.country_iso3 not in bans.index:
            continue
        row = bans.loc[site.country_iso3]
        if not bool(row["banned"]):
            continue
        weak = str(row["quality"]) == "unverified"
        if weak and scenario.ignore_unverified:
            continue
        reason = f"crypto mining in {site.country_iso3}: {row['note']}"
        if weak:
            reason += " (unverified row; ignore_unverified lifts it)"
        found.add(str(site.site_id), workload.name, "crypto ban", reason, str(row["quality"]))


def residency(workload: Workload, sites: pd.DataFrame, found: Exclusions) -> None:
    """Keep only the countries that the data of the workload may stay in."""
    if workload.residency is None:
        return
    asked = (workload.residency,) if isinstance(workload.residency, str) else workload.residency
    allowed: set[str] = set()
    for name in asked:
        allowed |= set(policy.members(name)) if len(name) != 3 else {name.upper()}
    for site in sites.itertuples():
        if site.country_iso3 not in allowed:
            found.add(
                str(site.site_id),
                workload.name,
                "residency",
                f"data must stay in {', '.join(asked)}, the site is in {site.country_iso3 or 'an unknown country'}",
            )


def prices(workload: Workload, power: pd.DataFrame, found: Exclusions) -> None:
    """Drop sites without a price on an admitted basis."""
    for row in power.itertuples():
        if math.isnan(row.price_usd_per_mwh):
            detail = str(getattr(row, "price_flags", "") or "no row at the end of the chain")
            found.add(str(row.Index), workload.name, "no price", f"no delivered price: {detail}")


def dates(scenario: Scenario, workload: Workload, power: pd.DataFrame, found: Exclusions) -> None:
    """Drop sites whose earliest published connection is after ``by``."""
    if scenario.by is None:
        return
    unknown = 0
    for row in power.itertuples():
        years = float(row.time_to_power_low_years)
        if math.isnan(years):
            unknown += 1
            continue
        if scenario.as_of_year + years > scenario.by:
            found.add(
                str(row.Index),
                workload.name,
                "date",
                f"power not before {math.ceil(scenario.as_of_year + years)} (connection takes {years:g} years or "
                f"more), asked by {scenario.by}",
                str(getattr(row, "time_to_power_quality", "")),
            )
    if unknown:
        found.notes.append(
            f"'{workload.name}': no connection date is known for {unknown} of {len(power)} sites; they pass 'by'"
        )


def latency(workload: Workload, market: Market | None, sites: pd.DataFrame, found: Exclusions) -> None:
    """Drop sites that reach nobody of the market within the workload's own limit."""
    if market is None or workload.max_rtt_ms is None:
        return
    rtt = market.rtt_model_p90_ms if workload.latency_margin == "p90" else market.rtt_ms
    nearest = rtt.min(axis=1)
    for site_id, value in zip(sites["site_id"], nearest, strict=True):
        if value > workload.max_rtt_ms:
            found.add(
                str(site_id),
                workload.name,
                "latency",
                f"nobody of market {market.name} within {workload.max_rtt_ms:g} ms: the nearest is {value:.0f} ms",
                "modeled",
            )


def whole_load(
    workload: Workload, profile: Profile, sites: pd.DataFrame, facts: pd.DataFrame
) -> pd.DataFrame:
    """Sites that cannot carry the whole load alone, for a ranking: accelerator caps, grid limit, water permits.

    The optimizer does not use these: it may split the load.
    """
    found = Exclusions()
    count = workload.accelerators or (workload.it_mw or 0.0) * profile.accelerators_per_mw
    for site in sites[["site_id", "country_iso3", "export_cap_accelerators", "export_rule"]].itertuples():
        if count > float(site.export_cap_accelerators):  # False where there is no cap (NaN)
            found.add(
                str(site.site_id),
                workload.name,
                "export rules",
                f"{count:,.0f} accelerators are above the cap of about {site.export_cap_accelerators:,.0f} for "
                f"{site.country_iso3} ({site.export_rule})",
                "reported",
            )
    if workload.it_mw is None:
        return found.frame()
    mw = workload.it_mw * profile.peak_factor
    rows = facts[(facts["workload"] == workload.name) & facts["admissible"]]
    figures = ["pue_peak", "withdrawal_l_per_kwh", "withdrawal_peak_m3_per_mw_hour"]
    least = rows.groupby("site_id")[figures].min().to_dict("index")
    limits = ["site_id", "grid_mw_assumed", "grid_mw", "water_m3_per_year", "water_m3_per_hour"]
    for site in sites[limits].itertuples():
        if site.site_id not in least:
            continue
        need = least[site.site_id]
        facility = mw * float(need["pue_peak"])
        if not site.grid_mw_assumed and facility > float(site.grid_mw) + 1e-9:
            found.add(
                str(site.site_id),
                workload.name,
                "grid",
                f"grid limit {site.grid_mw:g} MW, the load needs {facility:.0f} MW in the design hour",
            )
        water = workload.it_mw * profile.load_factor * HOURS_PER_YEAR * float(need["withdrawal_l_per_kwh"])
        if water > float(site.water_m3_per_year):
            found.add(
                str(site.site_id),
                workload.name,
                "water permit",
                f"permit {site.water_m3_per_year:,.0f} m3/year, the driest technology needs {water:,.0f}",
            )
        hourly = mw * float(need["withdrawal_peak_m3_per_mw_hour"])
        if hourly > float(site.water_m3_per_hour):
            found.add(
                str(site.site_id),
                workload.name,
                "water permit",
                f"permit {site.water_m3_per_hour:,.0f} m3/h, the driest technology needs {hourly:,.0f}",
            )
    return found.frame()


def matching(sites: pd.DataFrame, where: dict[str, Any]) -> pd.Series:
    """Which sites fit conditions such as ``{"country": "USA", "tag": "ai"}``.

    Raises
    ------
    UsageError
        If a key is not a column of the sites.
    """
    names = {"country": "country_iso3", "tag": "tags", "zone": "zone_id"}
    keep = pd.Series(data=True, index=sites.index)
    for key, wanted in where.items():
        column = names.get(key, key)
        if column not in sites:
            message = f"where {key}: not a column of the sites"
            raise UsageError(
                message, hint=f"country, tag, zone, or one of {', '.join(sorted(sites.columns)[:12])}, ..."
            )
        values = [str(value).casefold() for value in ((wanted,) if isinstance(wanted, str) else wanted)]
        text = sites[column].astype("str").str.casefold()
        if column == "tags":
            keep &= text.map(
                lambda cell, v=values: any(value in str(cell).replace(";", ",").split(",") for value in v)
            )
        elif column == "country_iso3":
            full = sites["country"].astype("str").str.casefold() if "country" in sites else text
            keep &= text.isin(values) | full.isin(values)
        else:
            keep &= text.isin(values)
    return keep
