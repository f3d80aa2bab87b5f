"""Build ``data/profiles``: what each kind of load needs and is worth, with the evidence for each figure."""

from __future__ import annotations

import importlib
import importlib.util
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from builders.common import Folder, number, read_source, slug

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "profiles"
AIR = (
    "air_econ_adiabatic",
    "air_chiller_econ",
    "tower_wse",
    "water_chiller_tower",
    "air_chiller",
)
CHOICE = "dcsite-profile-choices"
HARDWARE_YEAR = 2026


@dataclass(frozen=True)
class Figure:
    """Default of one profile field with its range, its evidence and how good that is."""

    value: float | str | None
    quality: str
    source: str
    note: str
    low: float | None = None
    high: float | None = None


Entry = dict[str, Figure]


def choice(
    value: float | str | None, note: str, low: float | None = None, high: float | None = None
) -> Figure:
    """Pick a figure ourselves, as a stated assumption."""
    return Figure(value, "estimate", CHOICE, note, low, high)


def register(sources: Path, out: Folder) -> dict[str, str]:
    """Register what the profiles rest on; short name to source id."""
    out.source(
        CHOICE,
        publisher="dcsite",
        title="Choices of this project where no table has a figure; each can be overridden",
        url_or_repository="data/profiles/README.md",
        license="Apache-2.0",
        year=2026,
    )
    found = {"choice": CHOICE}
    hardware = read_source(sources / "cooling_hardware_power.csv")
    texts = {(r.item, r.quantity): (r.source, r.licence) for r in hardware.itertuples(index=False)}
    for short, key in {
        "rack": ("average server rack, survey 2024", "kW upper bound"),
        "enterprise": ("enterprise rack baseline low", "kW"),
        "inference": ("H100 in LLM inference", "W sustained high"),
        "dgx": ("DGX H100 (8x H100 SXM)", "kW rated max"),
        "training_load": ("8x H100 HGX node", "training power as share of rated"),
        "nvl72": ("GB200 NVL72 rack", "kW rated"),
        "miner": ("Antminer S21", "J/TH"),
        "inlet": ("ASHRAE A3 allowable inlet", "C"),
    }.items():
        text, license_ = texts[key]
        found[short] = out.source_of_text(text, license_, year=HARDWARE_YEAR)
    sla = read_source(sources / "latency_sla.csv")
    for r in sla.itertuples(index=False):
        found[f"sla:{r.workload}"] = out.source_of_text(r.source, r.licence, year=r.year)
    for r in read_source(sources / "sites_capex.csv").itertuples(index=False):
        if r.market.startswith("AI premium"):
            found["ai_premium"] = out.source_of_text(r.source, r.licence, year=r.year)
    found["cooling"] = out.source(
        "ashrae-tc99-classes",
        publisher="ASHRAE TC 9.9",
        title="Thermal guidelines for data processing environments: recommended 18 to 27 C, liquid classes W17 to W45",
        url_or_repository="",
        license="facts",
        year=2021,
    )
    return found


def common(firm: bool) -> Entry:
    """Fields with the same default in every profile."""
    return {
        "interruptible_fraction": choice(0.0, "nothing may stop unless the user says so", 0.0, 0.5),
        "max_availability": choice(1.0, "no cap on the hours in which the interruptible part runs", 0.9, 1.0),
        "pass_through": choice(
            0.0 if firm else 1.0,
            "contract type: 0 for a fixed tariff, 1 for a price that follows the market; a choice, not a fact",
            0.0,
            1.0,
        ),
        "peak_factor": choice(1.0, "rated power is the peak", 0.9, 1.05),
        "fixed_om_ratio": choice(
            0.03, "staff, maintenance, insurance over shell and plant cost; no table has it", 0.02, 0.05
        ),
        "it_hardware_usd_per_mw": choice(
            0.0, "left out: the same at every site, so it moves no choice between sites (taxes aside)"
        ),
    }


def latency(
    s: dict[str, str], worth: float, workload: str, limits: tuple[float, float, float] | None
) -> Entry:
    """Worth of nearness, the ends of reach, and limits within cited figures."""
    nothing = worth == 0
    fields: Entry = {
        "latency_worth_usd_per_rack_year": choice(
            worth,
            "users do not wait for this load"
            if nothing
            else "what reaching the whole market is worth against reaching nobody; the one number that "
            "decides how much latency counts: vary it",
            0.0,
            500.0 if nothing else 20000.0,
        ),
        "reach_full_ms": choice(20.0, "a user within this RTT counts fully", 10.0, 50.0),
        "reach_zero_ms": choice(
            80.0,
            "a user beyond this RTT counts nothing; 50 and 200 ms would make half the planet equal",
            60.0,
            200.0,
        ),
    }
    if limits:
        quality = "unverified" if workload == "generic_cloud" else "estimate"
        for name, value in zip(("target_rtt_ms", "soft_rtt_ms", "hard_rtt_ms"), limits, strict=True):
            fields[name] = Figure(
                value,
                quality,
                s[f"sla:{workload}"],
                "our choice within the cited figures",
                value / 2,
                value * 2,
            )
    else:
        fields |= {name: choice(None, "no limit") for name in ("target_rtt_ms", "soft_rtt_ms", "hard_rtt_ms")}
    return fields


def profiles(s: dict[str, str]) -> dict[str, tuple[str, tuple[str, ...], Entry]]:
    """Name to (title, technologies, figures)."""
    warm = Figure(27.0, "reported", s["cooling"], "upper end of the recommended inlet range", 22.0, 32.0)
    air = choice(0.0, "all heat goes to air")
    premium = Figure(
        1.085,
        "reported",
        s["ai_premium"],
        "a premium of 7 to 10 % for AI over a traditional build, middle",
        1.07,
        1.10,
    )
    standard = choice(1.0, "the hall that the cost tables describe", 0.9, 1.1)
    keep = choice(1.0, "all users must be served when a failure zone is lost", 0.5, 1.0)
    lose = choice(0.0, "work waits until the zone is back", 0.0, 0.5)
    large = choice("large_industrial", "bought at 10 MW and over; small loads set their own class")
    none = choice(0.0, "no controlled accelerators")
    new = choice("hyperscale_new", "a hall built now by a large operator")
    h100 = 8 / 10.2 * 1000
    rack8 = Figure(
        8.0, "reported", s["rack"], "average server rack; the survey gives it as an upper bound", 5.0, 10.0
    )
    cloud: Entry = {
        "rack_kw": rack8,
        "load_factor": Figure(0.6, "unverified", CHOICE, "class value, recalled", 0.45, 0.75),
        "supply_c": warm,
        "liquid_share": air,
        "facility_class": new,
        "survive_fraction": keep,
        "accelerators_per_mw": none,
        "customer_class": large,
        "capex_factor": standard,
        **common(firm=True),
        **latency(s, 8000.0, "generic_cloud", (50.0, 100.0, 200.0)),
    }
    enterprise = cloud | {
        "rack_kw": Figure(
            7.5, "estimate", s["enterprise"], "middle of the 5 to 10 kW given for enterprise racks", 5.0, 10.0
        ),
        "load_factor": choice(0.6, "as cloud: no row for enterprise", 0.3, 0.7),
        "facility_class": choice("colo", "rented hall with chillers"),
        "latency_worth_usd_per_rack_year": choice(8000.0, "as cloud: no row for enterprise", 0.0, 20000.0),
    }
    for field in ("target_rtt_ms", "soft_rtt_ms", "hard_rtt_ms"):
        enterprise[field] = choice(
            cloud[field].value, "as cloud: no row for enterprise", cloud[field].low, cloud[field].high
        )
    inference: Entry = cloud | {
        "rack_kw": Figure(
            32.0,
            "modeled",
            s["inference"],
            "four nodes of eight accelerators, 4 times a rack of 8 kW; other packings give 1.6 to 6.2 times",
            13.0,
            50.0,
        ),
        "load_factor": Figure(
            0.55,
            "modeled",
            s["inference"],
            "400 to 550 of 700 W per accelerator while serving, less idle hours",
            0.4,
            0.79,
        ),
        "accelerators_per_mw": Figure(
            1000.0, "modeled", s["inference"], "32 accelerators in a rack of 32 kW", 784.0, 1200.0
        ),
        "capex_factor": premium,
        **latency(s, 8000.0, "ai_inference_chat", (50.0, 150.0, 250.0)),
    }
    training: Entry = cloud | {
        "rack_kw": Figure(
            41.0,
            "modeled",
            s["dgx"],
            "four nodes of 10.2 kW rated; 31 kW drawn is 3.9 times a rack of 8 kW",
            20.0,
            45.0,
        ),
        "load_factor": Figure(
            0.76,
            "measured",
            s["training_load"],
            "share of rated power that a node draws in training",
            0.65,
            0.85,
        ),
        "survive_fraction": lose,
        "accelerators_per_mw": Figure(
            round(h100, 1), "modeled", s["dgx"], "8 accelerators per 10.2 kW rated", 559.0, 1000.0
        ),
        "capex_factor": premium,
        **latency(s, 0.0, "ai_training", None),
    }
    liquid: Entry = training | {
        "rack_kw": Figure(132.0, "reported", s["nvl72"], "rack of 72 accelerators, rated", 60.0, 140.0),
        "load_factor": Figure(
            0.8, "unverified", CHOICE, "recalled; no measurement of such racks at hand", 0.65, 0.9
        ),
        "supply_c": choice(32.0, "facility water of class W32; racks accept more", 25.0, 45.0),
        "liquid_share": choice(0.8, "cold plates on processors; the rest goes to air", 0.7, 0.98),
        "accelerators_per_mw": Figure(
            round(72 / 132 * 1000, 1), "modeled", s["nvl72"], "72 accelerators per 132 kW rated", 500.0, 600.0
        ),
        "capex_factor": choice(1.15, "no sourced figure for liquid plant", 1.0, 1.5),
    }
    batch: Entry = cloud | {
        "rack_kw": choice(
            18.0, "between a cloud rack (8) and a training rack (41), geometric mean", 8.0, 41.0
        ),
        "load_factor": choice(0.76, "as training: queues keep nodes busy", 0.6, 0.9),
        "survive_fraction": lose,
        "accelerators_per_mw": choice(
            0.0, "processors only; set it for a cluster with accelerators", 0.0, 784.0
        ),
        "interruptible_fraction": choice(
            0.0, "some batch work can stop: raise it together with break_even_usd_per_mwh", 0.0, 0.5
        ),
        **latency(s, 0.0, "ai_inference_batch", None),
    }
    crypto: Entry = cloud | {
        "rack_kw": Figure(
            35.0,
            "unverified",
            s["miner"],
            "ten miners of 3.5 kW (200 TH/s at 17.5 J/TH); packing recalled",
            20.0,
            48.0,
        ),
        "load_factor": Figure(0.97, "estimate", CHOICE, "runs whenever it may; small losses", 0.9, 1.0),
        "supply_c": Figure(
            40.0, "reported", s["inlet"], "miners take outdoor air up to about 40 C", 35.0, 45.0
        ),
        "facility_class": choice("none", "no UPS, no raised hall"),
        "survive_fraction": lose,
        "customer_class": choice("crypto", "some utilities have a class of their own for miners"),
        "capex_factor": choice(0.06, "shed, transformers and fans; no sourced figure", 0.03, 0.15),
        **common(firm=False),
        "interruptible_fraction": choice(1.0, "a miner can stop at any hour", 0.5, 1.0),
        "break_even_usd_per_mwh": choice(
            95.0, "what an IT-MWh earns; moves with coin price and difficulty: set your own", 50.0, 130.0
        ),
        **latency(s, 0.0, "crypto_mining", None),
    }
    return {
        "cloud": ("Cloud and web services on general servers", AIR, cloud),
        "enterprise": ("Enterprise applications in a rented hall", AIR, enterprise),
        "ai-inference": ("AI inference for people who wait", AIR, inference),
        "ai-training": ("AI training in air-cooled racks", AIR, training),
        "ai-training-liquid": (
            "AI training in liquid-cooled racks",
            ("liquid_dry", "liquid_tower", "immersion"),
            liquid,
        ),
        "hpc-batch": ("Batch computing without users who wait", AIR, batch),
        "crypto": ("Crypto mining", ("free_air_crypto", "immersion"), crypto),
    }


def toml_value(value: float | str) -> str:
    """Number or text as TOML."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(float(value))


def profile_text(name: str, title: str, technologies: tuple[str, ...], figures: Entry) -> str:
    """One profile as TOML: figures, then ranges, then notes with source and quality."""
    figures = {key: figure for key, figure in figures.items() if figure.value is not None}
    lines = [f'name = "{name}"', f'title = "{title}"']
    lines += [f"{key} = {toml_value(f.value)}" for key, f in figures.items()]
    lines.append(f"technologies = {json.dumps(list(technologies))}")
    capex = figures["capex_factor"]
    lines.append(f'capex_note = "{capex.note} ({capex.quality})"')
    lines += ["", "[ranges]"]
    lines += [
        f"{key} = {{ low = {float(f.low)!r}, high = {float(f.high)!r} }}"
        for key, f in figures.items()
        if f.low is not None and f.high is not None
    ]
    lines += ["", "[notes]"]
    lines += [
        f"{key} = {json.dumps(f'{f.note} ({f.quality}; source: {f.source})', ensure_ascii=False)}"
        for key, f in figures.items()
    ]
    note = f"technologies that suit the rack (estimate; source: {CHOICE})"
    lines.append(f"technologies = {json.dumps(note)}")
    return "\n".join(lines) + "\n"


# --- evidence tables -----------------------------------------------------------------------------------

UNITS = {
    "kW rated max": ("rated maximum", "kW"),
    "kW measured maximum in training": ("measured maximum in training", "kW"),
    "training power as share of rated": ("training power over rated power", "-"),
    "W TDP": ("thermal design power", "W"),
    "W TDP approx": ("thermal design power, about", "W"),
    "W sustained low": ("sustained power, low", "W"),
    "W sustained high": ("sustained power, high", "W"),
    "kW rated": ("rated", "kW"),
    "kW nominal": ("nominal", "kW"),
    "kW": ("power", "kW"),
    "kW upper bound": ("power, upper bound", "kW"),
    "share": ("share of operators", "-"),
    "TH/s": ("hash rate", "TH/s"),
    "J/TH": ("energy per hash", "J/TH"),
    "W": ("power", "W"),
    "C": ("allowable inlet temperature", "C"),
}
"""Wording of a quantity to (quantity, unit); an unknown wording stops the build."""


def hardware(sources: Path, out: Folder) -> None:
    """Power of racks, nodes, accelerators and miners."""
    raw = read_source(sources / "cooling_hardware_power.csv")
    rows = []
    for r in raw.itertuples(index=False):
        quantity, unit = UNITS[r.quantity]
        seen = "measured" if "measur" in f"{r.quantity} {r.source}".lower() else "reported"
        rows.append(
            {
                "item": r.item,
                "quantity": quantity,
                "value": number(r.value),
                "unit": unit,
                "source_id": out.source_of_text(r.source, r.licence, year=HARDWARE_YEAR),
                "year": int(r.year[-4:]),
                "quality": "unverified" if r.status == "recalled" else seen,
            }
        )
    out.table(
        "hardware",
        pd.DataFrame(rows),
        key=["item", "quantity"],
        license="facts",
        columns={
            "item": "rack, node, accelerator, miner or class",
            "quantity": "what the value is",
            "value": "value in `unit`",
            "unit": "unit",
            "source_id": "source",
            "year": "last year that the source covers",
            "quality": "quality",
        },
    )
    out.account("cooling_hardware_power.csv", len(raw), len(rows))


def latency_targets(sources: Path, out: Folder) -> None:
    """RTT limits per kind of service."""
    raw = read_source(sources / "latency_sla.csv")
    rows = [
        {
            "service": slug(r.workload),
            "target_rtt_ms": number(r.rtt_target_ms),
            "soft_rtt_ms": number(r.rtt_soft_limit_ms),
            "hard_rtt_ms": number(r.rtt_hard_limit_ms),
            "note": r.note,
            "source_id": out.source_of_text(r.source, r.licence, year=r.year),
            "year": int(r.year),
            "quality": "unverified" if r.status == "recalled" else "estimate",
        }
        for r in raw.itertuples(index=False)
    ]
    out.table(
        "latency_targets",
        pd.DataFrame(rows),
        key=["service"],
        license="facts",
        columns={
            "service": "kind of service",
            "target_rtt_ms": "round trip that users should have [ms]; empty: none",
            "soft_rtt_ms": "round trip that users still accept [ms]",
            "hard_rtt_ms": "round trip beyond which the service fails [ms]",
            "note": "how the limits were set",
            "source_id": "source",
            "year": "year",
            "quality": "quality",
        },
    )
    out.account("latency_sla.csv", len(raw), len(rows))


def facts_agree(sources: Path, made: dict[str, tuple[str, tuple[str, ...], Entry]]) -> None:
    """Stop the build when a profile leaves its row in the source table."""
    raw = read_source(sources / "cooling_workload_profiles.csv")
    names = {
        "cloud_cpu": "cloud",
        "ai_inference": "ai-inference",
        "ai_training_air": "ai-training",
        "ai_training_liquid": "ai-training-liquid",
        "crypto_air": "crypto",
    }
    for r in raw.itertuples(index=False):
        figures = made[names[r.profile]][2]
        expected = {
            "rack_kw": r.rack_kw_rated,
            "load_factor": r.load_factor_of_rated,
            "liquid_share": r.liquid_heat_share,
            "supply_c": r.max_supply_c,
        }
        for field, value in expected.items():
            if figures[field].value != number(value):
                message = (
                    f"profile {names[r.profile]}.{field} is {figures[field].value}, the table has {value}"
                )
                raise ValueError(message)


NOTES = """Kinds of load: one TOML file each, read as `dcsite.spec.workload.Profile`. `[ranges]` holds the low
and high end of a default for sweeps, `[notes]` what it rests on, its quality and its source.

Known gaps. What latency is worth to a user, the capital cost of mining sheds and liquid plant, fixed
operation and maintenance, and everything in `enterprise` and `hpc-batch` are assumptions (`estimate`).
The factor of 4 between a rack of accelerators and a cloud rack is one packing among several (1.6 to 6.2)."""


def build(sources: Path, out: Folder) -> None:
    """Build the folder."""
    out.notes = NOTES
    made = profiles(register(sources, out))
    facts_agree(sources, made)
    for name, (title, technologies, figures) in made.items():
        out.text(f"{name}.toml", profile_text(name, title, technologies, figures), license="Apache-2.0")
    out.account("cooling_workload_profiles.csv", 5, 5)
    hardware(sources, out)
    latency_targets(sources, out)
    if importlib.util.find_spec("builders.cooling_tables"):
        importlib.import_module("builders.cooling_tables").add(sources, out)
