"""Rules by country: export verdicts on accelerators with their dates, data residency, mining bans.

Owns the look-up and the worse-of-site-and-headquarters rule. It decides nothing about a plan: what a
verdict excludes is settled in :mod:`dcsite.study`. Nothing here is legal advice.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dcsite.data.places import country_names, resolve_country
from dcsite.errors import DataError, Problem, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dcsite.data.tables import Tables

DISCLAIMER = (
    "Not legal advice. Ownership chains, end users and end uses are not considered; "
    "one verdict per country, operator and rule set."
)

NO_RULES = "none"
"""Rule set that asks for nothing."""

DEFAULT_RULES = "us-2026-01"

CLASSES = (
    "none",
    "domestic",
    "no_country_licence",
    "licence_required",
    "case_by_case_up_to_h200_class_else_denied",
    "denied",
)
"""Verdicts, mild to severe; the worse of site and headquarters holds."""

WORDS = {
    "none": "no export rule",
    "domestic": "domestic, no export",
    "no_country_licence": "no license by destination",
    "licence_required": "license required",
    "case_by_case_up_to_h200_class_else_denied": "case by case up to the H200 class, else denied",
    "denied": "denied",
}
"""Verdicts in words."""

GROUPS = {
    "EU": (
        "AUT BEL BGR CYP CZE DEU DNK ESP EST FIN FRA GRC HRV HUN IRL ITA LTU LUX LVA MLT NLD POL PRT ROU SVK SVN SWE"
    ),
    "EEA": (
        "AUT BEL BGR CYP CZE DEU DNK ESP EST FIN FRA GRC HRV HUN IRL ISL ITA LIE LTU LUX LVA MLT NLD NOR POL PRT ROU "
        "SVK SVN SWE"
    ),
    "GCC": "ARE BHR KWT OMN QAT SAU",
}
"""Groups of countries that a residency list may name (members as of 2026)."""

VERDICT_COLUMNS = ("country_iso3", "class", "rule_set", "rule_date", "list_date", "reason", "quality")


def members(group: str) -> tuple[str, ...]:
    """Countries of a group: EU, EEA or GCC.

    Raises
    ------
    UsageError
        If there is no such group.

    Examples
    --------
    >>> len(members("EU")), "NOR" in members("EEA")
    (27, True)
    """
    try:
        return tuple(GROUPS[group.upper()].split())
    except KeyError:
        message = f"'{group}': no such group of countries"
        raise UsageError(message, hint=f"one of {', '.join(GROUPS)}, or ISO3 codes") from None


@dataclass(frozen=True)
class RuleSet:
    """A dated set of export rules: one class per country."""

    name: str
    title: str
    rule_date: str
    list_date: str
    banner: str
    note: str
    frame: pd.DataFrame


def rule_sets(tables: Tables) -> pd.DataFrame:
    """Rule sets at hand: ``rule_set, title, published, rule_date, list_date, enforced, banner, note, ...``.

    A table of a user's folder under ``policy/rules`` counts too, with the dates that it states itself.
    """
    frame = tables.frame("rule_sets").copy()
    own = sorted(
        name
        for name, path in tables.paths().items()
        if path.parent.name == "rules" and name not in set(frame["rule_set"])
    )
    if own:
        extra = dict.fromkeys(frame.columns, "") | {"title": "rule set of the user", "enforced": True}
        rows = frame.astype(object).to_dict("records") + [extra | {"rule_set": name} for name in own]
        frame = pd.DataFrame(rows, columns=frame.columns)
    return frame


def load_rules(tables: Tables, name: str) -> RuleSet:
    """One rule set.

    Raises
    ------
    UsageError
        If there is no such set.
    DataError
        If its table lacks ``country_iso3`` or ``class``, or holds an unknown class or a country twice.
    """
    sets = rule_sets(tables).set_index("rule_set")
    if name not in sets.index:
        known = [*sets.index, NO_RULES]
        near = difflib.get_close_matches(name, known, n=1)
        message = f"rule set '{name}': not known"
        raise UsageError(message, hint=f"did you mean '{near[0]}'?" if near else f"one of {', '.join(known)}")
    entry = sets.loc[name]
    frame = tables.memo(f"policy.rules.{name}", lambda: _checked(tables, name))
    valid_from = str(frame["valid_from"].iloc[0]) if "valid_from" in frame else ""
    return RuleSet(
        name=name,
        title=str(entry["title"]),
        rule_date=str(entry.get("rule_date", "")) or valid_from or "date not stated",
        list_date=str(entry.get("list_date", "")) or valid_from or "date not stated",
        banner=str(entry.get("banner", "")),
        note=str(entry.get("note", "")),
        frame=frame,
    )


def _checked(tables: Tables, name: str) -> pd.DataFrame:
    frame = tables.frame(name)
    path = tables.path(name)
    missing = [column for column in ("country_iso3", "class") if column not in frame]
    if missing:
        message = f"{path}: column '{missing[0]}' is missing"
        raise DataError(message, hint="a rule set has country_iso3 and class")
    problems = [
        Problem(f"line {k + 2}, class", f"'{value}' is no class", f"one of {', '.join(CLASSES[1:])}")
        for k, value in enumerate(frame["class"])
        if value not in CLASSES
    ]
    problems += [
        Problem(f"line {k + 2}, country_iso3", f"'{frame['country_iso3'].iloc[k]}' stands twice")
        for k in np.flatnonzero(frame["country_iso3"].duplicated().to_numpy())
    ]
    if problems:
        message = f"{path}: {len(problems)} problems"
        raise DataError(message, tuple(problems[:50]))
    return frame.set_index("country_iso3", drop=False)


def verdicts(
    tables: Tables,
    countries: Sequence[str],
    *,
    rules: str = DEFAULT_RULES,
    operator_hq: str = "USA",
    accelerators: float | None = None,
) -> pd.DataFrame:
    """Export verdict on accelerators for sites in each country.

    Parameters
    ----------
    tables
        The tables.
    countries
        ISO3 codes of the countries of the sites.
    rules
        Rule set, or ``none``.
    operator_hq
        ISO3 code of the country of the operator's headquarters. An operator from a country that binds abroad
        (D:5, China, Macau) is treated as such everywhere: the worse of site and headquarters holds.
    accelerators
        Accelerators meant for one country; it matters only where the rule set has a cap per country.

    Returns
    -------
    DataFrame
        ``country_iso3, class, rule_set, rule_date, list_date, reason, quality``, one row per distinct country
        that the rule set knows, sorted by code. A country without a row has no verdict.

    Raises
    ------
    UsageError
        If the rule set or the country of the operator is not known.
    """
    asked = sorted({code for code in countries if code})
    if rules == NO_RULES:
        rows = [
            (code, "none", NO_RULES, "none", "none", "no export rule is applied", "reported")
            for code in asked
        ]
        return pd.DataFrame(rows, columns=list(VERDICT_COLUMNS))
    chosen = load_rules(tables, rules)
    home = resolve_country(tables, operator_hq)
    abroad, abroad_quality = "", ""
    if home in chosen.frame.index:
        row = chosen.frame.loc[home]
        if bool(row.get("binds_abroad", False)):
            abroad, abroad_quality = str(row["class"]), str(row.get("quality", "reported"))
    rows = []
    known = chosen.frame.to_dict("index")
    for code in asked:
        if code not in known:
            continue
        row = known[code]
        kind, quality = str(row["class"]), str(row.get("quality", "reported"))
        reason = _reason(row)
        cap = _cap(row)
        if not math.isnan(cap):
            reason = (
                f"tier {row['tier']:g}: capped at about {cap:,.0f} accelerators of the H100 class per country"
            )
            if accelerators is not None and accelerators > cap:
                kind, reason = (
                    "denied",
                    f"{accelerators:,.0f} accelerators are above the cap of about {cap:,.0f} per country",
                )
        if abroad and CLASSES.index(abroad) > CLASSES.index(kind):
            kind, quality = abroad, abroad_quality
            reason = f"operator with headquarters in {home} is treated as there"
        rows.append((code, kind, chosen.name, chosen.rule_date, chosen.list_date, reason, quality))
    return pd.DataFrame(rows, columns=list(VERDICT_COLUMNS))


def accelerator_caps(tables: Tables, *, rules: str = DEFAULT_RULES) -> dict[str, float]:
    """Most accelerators (H100 class) that a rule set lets into each country that it caps, by ISO3 code.

    Empty for rule sets without caps and for ``none``.
    """
    if rules == NO_RULES:
        return {}
    frame = load_rules(tables, rules).frame
    if "cap_accelerators" not in frame:
        return {}
    caps = zip(frame.index, frame["cap_accelerators"], strict=True)
    known = {str(code): _cap({"cap_accelerators": cap}) for code, cap in caps}
    return {code: cap for code, cap in known.items() if not math.isnan(cap)}


def _cap(row: Any) -> float:  # noqa: ANN401  (a row of a frame)
    """Accelerators that the country of a row may take, NaN where its rule set has no cap."""
    return float(row["cap_accelerators"]) if _filled(row, "cap_accelerators") else math.nan


def _filled(row: Any, column: str) -> bool:  # noqa: ANN401  (a row of a frame)
    if column not in row:
        return False
    value = row[column]
    return value not in ("", None) and not (isinstance(value, float) and math.isnan(value))


def _reason(row: Any) -> str:  # noqa: ANN401
    """Why a country has its class, in words."""
    if _filled(row, "tier"):
        return f"tier {row['tier']:g}"
    if "groups" in row:
        return f"country groups {row['groups']}" if row["groups"] else "in no listed country group"
    return "as the rule set states"


def rules_banner(tables: Tables, rules: str) -> str:
    """What must stand beside the verdicts of a rule set; empty for most."""
    if rules == NO_RULES:
        return "no export rule is applied"
    return load_rules(tables, rules).banner


def rules_note(tables: Tables, rules: str) -> str:
    """What a rule set rests on, in one sentence."""
    if rules == NO_RULES:
        return "No export rule is applied."
    note = load_rules(tables, rules).note
    return f"{note[0].upper()}{note[1:]}." if note else ""


def eligibility(
    tables: Tables,
    *,
    rules: str = DEFAULT_RULES,
    operator_hq: str = "USA",
    accelerators: float | None = None,
    countries: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Verdicts with names and words, the catalog's sites per country, and related events.

    Parameters
    ----------
    tables, rules, operator_hq, accelerators
        As in :func:`verdicts`.
    countries
        ISO3 codes; None means all countries of the rule set.

    Returns
    -------
    DataFrame
        ``country_iso3, country, verdict, class, reason, sites, rule_set, rule_date, list_date, quality``,
        sorted by severity, then country. A country without a verdict says ``not in the list``.
    """
    known = country_names(tables)
    codes = list(known) if countries is None else list(countries)
    frame = verdicts(tables, codes, rules=rules, operator_hq=operator_hq, accelerators=accelerators)
    if countries is not None:
        lost = [code for code in codes if code not in set(frame["country_iso3"])]
        if lost:
            dates = load_rules(tables, rules)
            extra = [
                (code, "", rules, dates.rule_date, dates.list_date, "not in the list of the rule set", "")
                for code in lost
            ]
            frame = pd.concat([frame, pd.DataFrame(extra, columns=frame.columns)], ignore_index=True)
    sites = tables.frame("sites")["country_iso3"].value_counts()
    order = {name: k for k, name in enumerate(reversed(CLASSES))}
    frame["country"] = [known.get(code, "") for code in frame["country_iso3"]]
    frame["verdict"] = [WORDS.get(kind, "not in the list") for kind in frame["class"]]
    frame["sites"] = [int(sites.get(code, 0)) for code in frame["country_iso3"]]
    frame["rank"] = [order.get(kind, -1) for kind in frame["class"]]
    frame = frame.sort_values(["rank", "country_iso3"], kind="stable").drop(columns="rank")
    columns = [
        "country_iso3",
        "country",
        "verdict",
        "class",
        "reason",
        "sites",
        "rule_set",
        "rule_date",
        "list_date",
        "quality",
    ]
    return frame[columns].reset_index(drop=True)


def crypto_bans(tables: Tables) -> pd.DataFrame:
    """Mining by country: ``country_iso3, banned (bool), note, quality, source_id``.

    A country without a row was not looked up.
    """
    return tables.frame("crypto")[["country_iso3", "banned", "note", "quality", "source_id"]].copy()


def residency(tables: Tables) -> pd.DataFrame:
    """Data residency by country: ``country_iso3, class, quality, source_id``.

    A country without a row was not looked up, which is not the same as having no rule.
    """
    return tables.frame("residency")[["country_iso3", "class", "quality", "source_id"]].copy()


def events(tables: Tables, country_iso3: str | None = None) -> pd.DataFrame:
    """Dated events, newest first; those that touch a country (itself, its groups, or all) if one is given."""
    frame = tables.frame("events")
    if country_iso3 is not None:
        names = {country_iso3, ""} | {group for group in GROUPS if country_iso3 in members(group)}
        frame = frame[[bool(names & set(text.split(";"))) for text in frame["countries"]]]
    return frame.sort_values("date", ascending=False, kind="stable").reset_index(drop=True)
