"""Build ``data/policy``: export rule sets on accelerators, dated events, data residency, crypto mining."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pandas as pd

from builders.common import Folder, number, read_source

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "policy"
STATUS = {"seen": "reported", "recalled": "unverified", "derived": "modeled"}
SOURCED = {
    "source_id": "source, in sources.csv",
    "year": "year of the figure",
    "quality": "measured, reported, modeled, estimate or unverified",
}
REVIEWED = "case_by_case_up_to_h200_class_else_denied"
CHINA = ("CHN", "HKG", "MAC")
"""China, Hong Kong (part of China in the regulation since 2020-12-23) and Macau."""

LEFT_D5 = {"KHM": "2025-11-07"}
"""Countries that were in D:5 when the rule of 2023 came and have left it since."""

DIFFUSION_CAP_ACCELERATORS = 50_000
"""790 million TPP per country for 2025-2027 is about this many H100."""


def groups_of(text: str) -> set[str]:
    """Country groups named in a cell."""
    return set(re.findall(r"[ADE]:\d", text))


def verdict(iso3: str, groups: set[str], rule_set: str) -> str:
    """Class of a country, from its groups: the one rule that the tables are made with."""
    if iso3 == "USA":
        return "domestic"
    if iso3 in CHINA:
        return REVIEWED if rule_set == "us-2026-01" else "denied"
    if "D:5" in groups or any(group.startswith("E:") for group in groups):
        return "denied"
    if groups & {"D:1", "D:4"} and not groups & {"A:5", "A:6"}:
        return "licence_required"
    return "no_country_licence"


RULE_SETS: tuple[dict[str, Any], ...] = (
    {
        "rule_set": "us-2023-10",
        "title": "Advanced computing rule of October 2023",
        "published": "2023-10-25",
        "rule_date": "2023-11-17",
        "list_date": "2026-07-08",
        "enforced": True,
        "banner": "",
        "note": "day of entry into force recalled; country groups of 2026-07-08 with Cambodia put back into D:5; other "
        "changes of groups since 2023 are not traced",
        "quality": "modeled",
    },
    {
        "rule_set": "us-2025-diffusion",
        "title": "AI diffusion rule of January 2025: a counterfactual",
        "published": "2025-01-15",
        "rule_date": "2025-05-15",
        "list_date": "2025-01-15",
        "enforced": False,
        "banner": "never enforced: rescission was announced on 2025-05-13, two days before compliance was due, yet the text "
        "still stands in the regulation (GAO B-337935, May 2026)",
        "note": "tier 1 without license, tier 2 up to about 50,000 accelerators of the H100 class per country in 2025-2027, "
        "tier 3 barred",
        "quality": "reported",
    },
    {
        "rule_set": "us-2026-01",
        "title": "Rules in force since January 2026",
        "published": "2026-01-15",
        "rule_date": "2026-01-15",
        "list_date": "2026-07-08",
        "enforced": True,
        "banner": "",
        "note": "as 2023, with review case by case for China and Macau below TPP 21,000 and 6,500 GB/s; where no license is "
        "asked, that rests on the announcement of 2025-05-13 not to enforce the worldwide license text",
        "quality": "reported",
    },
)


def register(out: Folder) -> None:
    """Register sources."""

    def add(source_id: str, publisher: str, title: str, url: str, license_: str, year: int) -> None:
        out.source(
            source_id, publisher=publisher, title=title, url_or_repository=url, license=license_, year=year
        )

    add(
        "ear-groups",
        "US Bureau of Industry and Security",
        "Country groups A (eCFR table of 2026-06-20), D and E (2026-07-08): 15 CFR 740 Supplement 1; 88 FR 73458 (2023-10-25); "
        "rule of 2026-01-15; classes derived by one rule",
        "https://www.ecfr.gov/current/title-15/part-740",
        "US public domain",
        2026,
    )
    add(
        "ear-diffusion",
        "US Bureau of Industry and Security",
        "Framework for Artificial Intelligence Diffusion, 90 FR 4544 (2025-01-15); GAO B-337935",
        "https://www.federalregister.gov",
        "US public domain",
        2025,
    )
    add(
        "dcsite-residency",
        "dcsite",
        "Data residency class per country, compiled from public summaries of law; each row with its quality",
        "data/policy/residency.csv",
        "Apache-2.0",
        2026,
    )
    add(
        "dcsite-crypto",
        "dcsite",
        "Crypto-mining notes per country, compiled from press and statements; each row with its quality",
        "data/policy/crypto.csv",
        "Apache-2.0",
        2026,
    )


def rules(sources: Path, out: Folder) -> None:
    """One table per rule set, and the list of sets."""
    raw = read_source(sources / "policy_countries.csv")
    for entry in RULE_SETS:
        name = entry["rule_set"]
        rows = []
        for r in raw.itertuples(index=False):
            groups = groups_of(r.ear_country_groups_2026_07)
            if name == "us-2023-10" and r.iso3 in LEFT_D5:
                groups = groups | {"D:5"}
            made = verdict(r.iso3, groups, name)
            if name == "us-2026-01" and made != r.adv_accelerator_class_2026:
                message = f"{r.iso3}: the rule gives {made}, the table has {r.adv_accelerator_class_2026}"
                raise ValueError(message)
            tier = ""
            if name == "us-2025-diffusion":
                tier = r.ai_diffusion_tier_2025_01_rescinded
                made = {
                    "0": "domestic",
                    "1": "no_country_licence",
                    "2": "licence_required",
                    "3": "denied",
                }[tier]
                status = r.ai_diffusion_status
            else:
                status = r.adv_accelerator_status
            rows.append(
                {
                    "country_iso3": r.iso3,
                    "class": made,
                    "valid_from": entry["rule_date"],
                    "valid_to": LEFT_D5.get(r.iso3, "") if name == "us-2023-10" else "",
                    "groups": " ".join(sorted(groups)),
                    "tier": number(tier) if tier else None,
                    "cap_accelerators": DIFFUSION_CAP_ACCELERATORS if tier == "2" else None,
                    "binds_abroad": "D:5" in groups or r.iso3 in CHINA,
                    "source_id": "ear-diffusion" if name == "us-2025-diffusion" else "ear-groups",
                    "year": int(str(entry["rule_date"])[:4]),
                    "quality": "modeled" if name == "us-2023-10" else STATUS[status],
                }
            )
        out.table(
            f"rules/{name}",
            pd.DataFrame(rows),
            key=["country_iso3"],
            license="US public domain",
            note=f"{entry['title']}. {entry['note']}.",
            columns=SOURCED
            | {
                "country_iso3": "country of the site",
                "class": "domestic, no_country_licence, licence_required, " + REVIEWED + " or denied",
                "valid_from": "in force from",
                "valid_to": "in force until; empty: today",
                "groups": "country groups of the regulation",
                "tier": "tier of the diffusion rule",
                "cap_accelerators": "most accelerators of the H100 class in the country, all buyers together",
                "binds_abroad": "whether operators with headquarters there are treated so everywhere",
            },
        )
    frame = pd.DataFrame(
        [
            {
                **entry,
                "source_id": "ear-diffusion" if entry["rule_set"] == "us-2025-diffusion" else "ear-groups",
                "year": int(str(entry["rule_date"])[:4]),
            }
            for entry in RULE_SETS
        ]
    )
    out.table(
        "rule_sets",
        frame,
        key=["rule_set"],
        license="US public domain",
        columns=SOURCED
        | {
            "rule_set": "id, the name of its table under rules/",
            "title": "title",
            "published": "day of publication",
            "rule_date": "in force from",
            "list_date": "day of the list of countries",
            "enforced": "whether it was ever enforced",
            "banner": "what must stand beside each of its verdicts",
            "note": "note",
        },
    )
    out.account("policy_countries.csv", len(raw), len(raw))


def american(text: str) -> str:
    """The spelling of this project."""
    for old, new in (("licence", "license"), ("authorises", "authorizes"), ("centre", "center")):
        text = text.replace(old, new)
    return text


def events(sources: Path, out: Folder) -> None:
    """Dated events, shown beside a site; they decide nothing."""
    raw = read_source(sources / "policy_events.csv")
    rows = [
        {
            "date": r.date,
            "countries": r.country_iso3,
            "kind": r.kind,
            "event": american(r.event),
            "source_id": out.source_of_text(r.source, "facts"),
            "year": int(r.date[:4]),
            "quality": STATUS[r.status],
        }
        for r in raw.itertuples(index=False)
    ]
    out.table(
        "events",
        pd.DataFrame(rows),
        key=["date", "kind", "event"],
        license="facts",
        columns=SOURCED
        | {
            "date": "day, month or year",
            "countries": "countries that it touches, divided by semicolons; EU; empty: all",
            "kind": "export, data, grid, crypto or tax",
            "event": "what happened",
        },
    )
    out.account("policy_events.csv", len(raw), len(rows))


def residency_and_crypto(sources: Path, out: Folder) -> None:
    """Data residency classes and crypto-mining notes."""
    raw = read_source(sources / "policy_countries.csv")
    residency = raw[raw["data_residency_class"] != ""]
    out.table(
        "residency",
        pd.DataFrame(
            {
                "country_iso3": residency["iso3"],
                "class": residency["data_residency_class"],
                "source_id": "dcsite-residency",
                "year": 2026,
                "quality": residency["data_residency_status"].map(STATUS),
            }
        ),
        key=["country_iso3"],
        license="facts",
        note="A country without a row was not looked up: that is not 'no rule'.",
        columns=SOURCED
        | {
            "country_iso3": "country",
            "class": "from no_general_localization to hard_localization; it informs, a workload's residency list decides",
        },
    )
    crypto = raw[raw["crypto_mining_note"] != ""]
    notes = crypto["crypto_mining_note"].map(american)
    out.table(
        "crypto",
        pd.DataFrame(
            {
                "country_iso3": crypto["iso3"],
                "banned": [bool(re.match(r"banned|crypto activity banned", note)) for note in notes],
                "note": notes,
                "source_id": "dcsite-crypto",
                "year": 2026,
                "quality": crypto["crypto_mining_status"].map(STATUS),
            }
        ),
        key=["country_iso3"],
        license="facts",
        note="Only plain bans exclude; seasonal or regional limits are shown. A country without a row was not looked up.",
        columns=SOURCED
        | {"country_iso3": "country", "banned": "whether mining is plainly banned", "note": "what is known"},
    )


NOTES = """Rules on accelerators, data and mining, by country and date. Not legal advice.

A rule set is one table under `rules/` and one row in `rule_sets.csv`; a user's data folder can hold more:
a table with `country_iso3` and `class` is enough. `us-2023-10` and `us-2026-01` are made from the country
groups of the regulation by one rule, and the build stops when the result differs from the compiled
classes. Ownership chains, end users and end uses are not in these tables.

Known gaps. Residency is filled for 58 countries and crypto mining for 20; the rest was not looked up.
Changes of country groups between 2023 and 2026 other than Cambodia's are not traced. Eight crypto notes
and seventeen residency classes are from general knowledge (`unverified`)."""


def build(sources: Path, out: Folder) -> None:
    """Build the folder."""
    out.notes = NOTES
    register(out)
    rules(sources, out)
    events(sources, out)
    residency_and_crypto(sources, out)
