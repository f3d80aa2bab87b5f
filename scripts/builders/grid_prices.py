"""Build ``data/grid_prices``: what power costs, how its price moves, its carbon, its connection times."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from builders.common import Folder, number, read_source, worst

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "grid_prices"

# --- wording maps: a wording that is not listed stops the build ----------------------------------------

TAXES = {
    "excludes sales tax": "delivered_ex_tax",
    "excludes all taxes and levies": "delivered_ex_tax",
    "excludes taxes": "delivered_ex_tax",
    "excludes VAT": "delivered_ex_tax",
    "none": "delivered_ex_tax",
    "includes taxes": "delivered_all_in",
    "includes VAT": "delivered_all_in",
    "includes climate change levy": "delivered_all_in",
    "mixed": "delivered_mixed",
    "": "delivered_mixed",
}
"""What a row's ``taxes`` say about a delivered price."""

DELIVERED = {
    "ADDC tariffs, IEA",
    "AER wholesale + network, OECD comparison",
    "ANDE special intensive-consumption group, 220 kV, energy and reserved power",
    "ANDE special intensive-consumption group, 23 kV network",
    "ANDE special intensive-consumption group, 66 kV",
    "APSR cost-reflective tariff, yearly average for large users",
    "Avenir Suisse / Swiss FSO 2024, large consumers",
    "Barki Tojik 2024, std industrial rate",
    "CAMMESA Argentina 2024, large industrial avg",
    "CEIC/OECD est. 2020, heavily subsidized",
    "China Briefing, GlobalPetrolPrices",
    "Climatescope/BloombergNEF 2025, Eskom Megaflex avg",
    "Climatescope/BloombergNEF 2025, industrial 2024",
    "Climatescope/BloombergNEF 2025, weighted avg industrial",
    "DEWA industrial above 10,000 kWh a month 38 fils + fuel surcharge 5 fils",
    "ECG Ghana 2024, industrial tariff",
    "EEU Ethiopia 2024, industrial tariff, hydro-dominated",
    "EMA USEP + network charges",
    "EVN Vietnam 2024, industrial peak/off-peak avg",
    "EWA unsubsidized rate 32 fils/kWh (29 until December 2025)",
    "Electric Networks of Armenia 2025, 110kV tariff",
    "GlobalPetrolPrices 2024, hydropower",
    "GlobalPetrolPrices 2024, nat'l avg industrial",
    "GlobalPetrolPrices 2025, AERA regulated",
    "GlobalPetrolPrices 2025, regulated ceiling",
    "GlobalPetrolPrices 2025, state-regulated",
    "Hydro-Quebec Rate L",
    "IEC Israel 2024, general industrial TOU",
    "KEPCO post-Oct 2024 rates",
    "Kahramaa Qatar 2024, industrial tariff",
    "MBIE New Zealand 2024, industrial avg",
    "MERALCO Philippines 2024, industrial",
    "MSEDCL tariff, Statista",
    "Ministry of Electricity and Water industrial/agricultural tariff 3 fils/kWh",
    "Ministry of Electricity and Water investment/commercial tariff 5 fils/kWh",
    "Ministry of Energy 2024, 900 UZS/kWh",
    "Multiple sources (TEPCO, JEPX, Statista)",
    "Nukissiorfiit 2024, avg revenue/kWh",
    "Rate 14 industrial (5-10 MW): 726.44 USD/month + about 26 USD/MWh + 5.96 USD/kW-month; "
    "at 90% load factor",
    "Rate 15 large industrial (10 MW and over): 1061.08 USD/month + about 33 USD/MWh + "
    "6.03 USD/kW-month; here at 90% load factor",
    "Rate 17 evolving industry over 200 kW: 1000 USD/month + 70.9 USD/MWh + 6 USD/kW-month; "
    "at 90% load factor",
    "SERA/SEC commercial above 6 MWh a month",
    "SERA/SEC flat industrial tariff",
    "Senelec Senegal 2024, industrial tariff",
    "Sonelgaz Algeria 2024, subsidized industrial",
    "Statista, ACL free market",
    "Statista/Climatescope 2025, industrial Jan 2024",
    "TAVANIR Iran 2024, heavily subsidized industrial",
    "Taipower Taiwan 2024, industrial avg",
    "XM Colombia 2024, industrial non-regulated",
    "average electricity price, all customers",
    "average industrial power rate",
    "average paid by all industrial customers",
    "average revenue per MWh, all commercial customers, delivered",
    "average revenue per MWh, all industrial customers, delivered",
    "business tariff, all-in",
    "data-center preferential price",
    "delivered price for large industry",
    "grid-company agent purchase, large industry",
    "high voltage: 1.59 Nu/kWh + 262 Nu/kVA-month; effective 2.12 to 2.19 Nu/kWh paid by industry",
    "highest rate of the published schedule",
    "industrial average tariff",
    "large industrial incl. demand charge, 90% load factor, 95% power factor",
    "lowest rate of the published schedule",
    "national retail minus national wholesale plus zone wholesale",
    "non-domestic average",
    "non-household, energy+network",
    "non-residential flat rate 25 baisa/kWh",
    "power cost in a Keflavik colocation data center",
    "published tariff",
    "published tariff, energy+demand",
    "special tariff for accredited converging industries (AI, cloud, HPC)",
}
OTHER_WORDINGS = {
    "average contract price to power-intensive industry, generator only": "generator_only",
    "Eskom Megaflex standard-season energy rate": "generator_only",
    "Landsnet power-intensive transmission": "network_adder",
    "long-run marginal cost of the dominant generation at opportunity-cost fuel": "cost_recovery",
    "production cost: fuel, depreciation, operation": "cost_recovery",
    "unsubsidized rate said to reflect actual production cost": "cost_recovery",
}
CUSTOMER_CLASS = {
    "large_industrial": "large_industrial",
    "large_power_intensive": "large_industrial",
    "transmission_adder": "large_industrial",
    "data_center": "large_industrial",
    "industrial": "industrial",
    "industrial_average": "industrial",
    "all_sectors": "industrial",
    "tariff_highest": "industrial",
    "cost_recovery": "industrial",
    "commercial": "commercial",
    "business": "commercial",
    "crypto_evolving_industry": "crypto",
    "crypto_intensive": "crypto",
}
CURRENCY = {"fils/kWh": {"KW": "KWD", "BH": "BHD"}, "baiza/kWh": {"OM": "OMR"}}
"""Thousandths per kWh are units per MWh."""

DOUBTFUL = {
    "PP0005": "state average over all industrial users, likely not what a large user pays",
    "PP0275": "average over all non-domestic users with levies, likely not what a large user pays",
    "PP0192": "about the wholesale price alone: network charges seem to be missing",
}
"""Rows whose figure stands in its source but misleads for a large load: quality unverified, said why."""

RANGE_DROPPED_FROM_USD = 285.0
"""European highs from here on rest on rows that were dropped for want of a source."""

# --- zones ---------------------------------------------------------------------------------------------

SHAPE_PROXY = {
    "US-MIDC": "US-CAISO-NP15",
    "US-PALOVERDE": "US-CAISO-NP15",
    "US-CAISO-SP15": "US-CAISO-NP15",
    "US-CAISO-NP15-PEAK": "US-CAISO-NP15",
    "US-MISO-INDIANA": "US-PJM-DOM",
    "US-PJM-WEST": "US-PJM-DOM",
    "US-ISONE-MASSHUB": "US-NYISO-CAPITL",
    "AU-QLD": "AU-NSW",
    "AU-SA": "AU-VIC",
    "AU-TAS": "AU-VIC",
    "CA-AB": "US-ERCOT-HUBAVG",
    "DE": "DE-LU",
    "LU": "DE-LU",
    "CZ": "DE-LU",
    "PL": "DE-LU",
    "DK": "DE-LU",
    "DK-DK1": "DE-LU",
    "DK-DK2": "SE-SE4",
    "SE": "SE-SE3",
    "NO": "SE-SE3",
    "NO-NO1": "SE-SE3",
    "NO-NO2": "SE-SE3",
    "NO-NO3": "SE-SE2",
    "NO-NO4": "SE-SE1",
    "NO-NO5": "SE-SE3",
    "EE": "FI",
    "LV": "FI",
    "LT": "FI",
    "GB": "NL",
    "IE": "NL",
    "IT": "FR",
    "GR": "AT",
    "BG": "AT",
    "RO": "AT",
    "HU": "AT",
    "SK": "AT",
    "SI": "AT",
    "HR": "AT",
    "RS": "AT",
    "ME": "AT",
    "MK": "AT",
}
"""Whose hourly shape a zone without hours borrows, scaled to its own mean: an assumption, quality estimate."""

BALANCING_AUTHORITY = {
    "US-AL": "US-SE-SOCO",
    "US-AZ": "US-SW-AZPS",
    "US-CA": "US-CAL-CISO",
    "US-CO": "US-NW-PSCO",
    "US-FL-MIAMI": "US-FLA-FPL",
    "US-GA": "US-SE-SOCO",
    "US-IA": "US-MIDW-MISO",
    "US-ID": "US-NW-IPCO",
    "US-IL": "US-MIDA-PJM",
    "US-IN": "US-MIDW-MISO",
    "US-KY": "US-MIDW-LGEE",
    "US-LA": "US-MIDW-MISO",
    "US-MA": "US-NE-ISNE",
    "US-MD": "US-MIDA-PJM",
    "US-MI": "US-MIDW-MISO",
    "US-MN": "US-MIDW-MISO",
    "US-MO": "US-MIDW-MISO",
    "US-MS": "US-MIDW-MISO",
    "US-NC": "US-CAR-DUK",
    "US-ND": "US-MIDW-MISO",
    "US-NE": "US-CENT-SWPP",
    "US-NJ": "US-MIDA-PJM",
    "US-NM": "US-SW-PNM",
    "US-NV": "US-NW-NEVP",
    "US-NY": "US-NY-NYIS",
    "US-OH": "US-MIDA-PJM",
    "US-OK": "US-CENT-SWPP",
    "US-OR": "US-NW-PGE",
    "US-PA": "US-MIDA-PJM",
    "US-SC": "US-CAR-SCEG",
    "US-TN": "US-TEN-TVA",
    "US-TX": "US-TEX-ERCO",
    "US-UT": "US-NW-PACE",
    "US-VA": "US-MIDA-PJM",
    "US-WA": "US-NW-BPAT",
    "US-WA-GRANTPUD": "US-NW-GCPD",
    "US-WI": "US-MIDW-MISO",
    "US-WY": "US-NW-WACM",
    "US-PJM-DOM": "US-MIDA-PJM",
    "US-PJM-WEST": "US-MIDA-PJM",
    "US-MISO-INDIANA": "US-MIDW-MISO",
    "US-ERCOT-HUBAVG": "US-TEX-ERCO",
    "US-CAISO-NP15": "US-CAL-CISO",
    "US-CAISO-SP15": "US-CAL-CISO",
    "US-NYISO-CAPITL": "US-NY-NYIS",
    "US-ISONE-MASSHUB": "US-NE-ISNE",
    "US-SPP": "US-CENT-SWPP",
    "DE-LU": "DE",
    "MY": "MY-WM",
    "CL-SIC": "CL-SEN",
    "CL": "CL-SEN",
    "BR-SE": "BR-CS",
    "IN-MH": "IN-WE",
    "IN-GJ": "IN-WE",
    "IN-TN": "IN-SO",
    "IN-KA": "IN-SO",
    "IN-IEX": "IN",
    "ZA-ESKOM-TOU": "ZA",
    "RU": "RU-1",
}
"""Flow-tracing zone of a price zone: the main balancing authority (general knowledge, an assignment of ids)."""

WHOLESALE_OF = {"DE": "DE-LU", "CL": "CL-SIC", "BR": "BR-SE", "JP": "JP-TK", "ZA": "ZA-ESKOM-TOU"}
EXTRA_ZONES = {
    "US-OH-AEP": ("AEP Ohio", "USA", "utility"),
    "US-IN-AEP": ("Indiana Michigan Power (AEP)", "USA", "utility"),
    "US-KS-EVERGY": ("Evergy Kansas", "USA", "utility"),
    "US-SPP": ("Southwest Power Pool", "USA", "hub"),
}
COUNTIES = {
    "US-WA-GRANTPUD": ("53025",),
    "US-NY-NYC": ("36005", "36047", "36061", "36081", "36085"),
    "US-MA-BOS": ("25025",),
    "US-FL-MIAMI": ("12086",),
}
"""Counties of a utility or city tariff, by FIPS."""

QUANTILES = (
    0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5,
    0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 0.995, 1.0,
)  # fmt: skip
BLOCK_EDGES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 1.0)

SOURCED = {
    "source_id": "source, see `sources.csv`",
    "year": "year of the figure",
    "quality": "measured, reported, modeled, estimate or unverified",
}


def clean(text: str) -> str:
    """Citation without the name of the channel that carried it."""
    return text.replace("as shipped in PyPI ", "as shipped in the Python package ")


def cite(
    out: Folder, text: str, license_: str, *, statistics_only: bool = False, attribution: str = ""
) -> str:
    """Register a citation; sources that allow derived or single figures only are marked so."""
    text, license_ = clean(text), license_ or "facts"
    known = out.source_of_text(text, license_)
    row = out._sources[known]
    restricted = statistics_only or "propriet" in license_ or "GlobalPetrolPrices" in text
    if restricted:
        row["redistributable"] = "statistics_only"
    if attribution:
        row["attribution"] = attribution
    elif "CC BY" in license_ or "ODbL" in license_ or "GlobalPetrolPrices" in license_:
        row["attribution"] = row["publisher"]
    return known


def cite_once(out: Folder, text: str, license_: str, **more: object) -> str:
    """Cite a source that may come again: the first registration stands."""
    import hashlib

    text, license_ = clean(text), license_ or "facts"
    key = f"s-{hashlib.sha256(f'{text}|{license_}'.encode()).hexdigest()[:8]}"
    if key in out._sources:
        return key
    return cite(out, text, license_, **more)  # type: ignore[arg-type]


# --- retail prices and tariffs -------------------------------------------------------------------------


def basis_of(wording: str, taxes: str) -> str:
    """Tariff basis of a row's two free texts.

    Raises
    ------
    ValueError
        If a wording is not in the maps.
    """
    if wording in OTHER_WORDINGS:
        return OTHER_WORDINGS[wording]
    if wording not in DELIVERED or taxes not in TAXES:
        message = f"unmapped tariff wording: {wording!r}, taxes {taxes!r}"
        raise ValueError(message)
    return TAXES[taxes]


def is_restricted(license_: str) -> bool:
    """Whether a price row comes in whole or part from GlobalPetrolPrices."""
    return "GlobalPetrolPrices" in license_ or "proprietary" in license_


def is_hydro_quebec(row: pd.Series) -> bool:
    """Rows of the Hydro-Quebec comparison give their load factor in the size band."""
    return "84% load factor" in str(row["customer_size"])


def retail(sources: Path, out: Folder) -> pd.DataFrame:
    """All retail price rows on our bases and classes."""
    raw = read_source(sources / "power_prices.csv")
    defaults = read_source(sources / "power_market_defaults.csv")
    low = dict(zip(defaults["price_row"], defaults["low_usd_mwh"], strict=True))
    high = dict(zip(defaults["price_row"], defaults["high_usd_mwh"], strict=True))
    dropped: dict[str, int] = {}

    def drop(rule: str, rows: pd.Series) -> None:
        nonlocal raw
        dropped[rule] = int(rows.sum())
        raw = raw[~rows].reset_index(drop=True)

    drop("census divisions overlap states", raw["level"] == "census_division")
    tariff = ~raw["sector"].isin(["cost_recovery", "transmission_adder"])
    free = set(raw.loc[tariff & ~raw["licence"].map(is_restricted), "zone_id"])
    drop(
        "GlobalPetrolPrices figure where the zone has another row",
        raw["licence"].map(is_restricted) & raw["zone_id"].isin(free),
    )
    drop("contradicted by the tariff it names (ZA 40)", raw["row_id"] == "PP0238")
    lowest = raw.loc[raw["sector"] == "tariff_lowest"].set_index("zone_id")["price_usd_mwh"]
    drop("kept as the low bound of the zone's other row", raw["sector"] == "tariff_lowest")
    recovery = {
        row.zone_id: float(row.price_usd_mwh)
        for row in raw[raw["sector"] == "cost_recovery"].itertuples(index=False)
    }
    rows = []
    for _, r in raw.iterrows():
        basis = basis_of(r["tariff_basis"], r["taxes"])
        usd, native = number(r["price_usd_mwh"]), number(r["price_native_per_mwh"])
        currency = CURRENCY.get(r["currency"], {}).get(r["zone_id"], r["currency"])
        fx = number(r["fx_usd_per_unit"])
        approximate = r["row_id"] == "PP0342"
        if approximate or np.isnan(native):
            native, fx = np.nan, (1.0 if currency == "USD" else np.nan)
            native = usd if currency == "USD" else np.nan
        elif np.isnan(fx):
            fx = usd / native
        quality = {"seen": "reported", "derived": "modeled", "recalled": "unverified"}[r["status"]]
        if "recalled: carry as unverified" in r["note"]:
            quality = "unverified"
        if r["sector"] in ("all_sectors", "tariff_highest"):
            quality = "estimate"
        words = (r["tariff_basis"] + r["note"]).lower()
        root = r["zone_id"]
        below = root in recovery and usd < recovery[root]
        subsidized = basis.startswith("delivered") and (
            below or ("subsidi" in words and "unsubsidi" not in words)
        )
        lf = 0.9 if "90% load factor" in r["tariff_basis"] else 0.84 if is_hydro_quebec(r) else np.nan
        bound_high = number(high.get(r["row_id"], ""))
        rows.append(
            {
                "row_id": r["row_id"],
                "zone_id": r["zone_id"],
                "customer_class": CUSTOMER_CLASS[r["sector"]],
                "tariff_basis": basis,
                "price_usd_per_mwh": usd,
                "price_native_per_mwh": native,
                "currency": currency,
                "fx_usd_per_unit": fx,
                "period": r["period"],
                "size_band": r["customer_size"],
                "load_factor_ratio": lf,
                "confidence": r["confidence"],
                "subsidized": bool(subsidized),
                "low_usd_per_mwh": number(low.get(r["row_id"], lowest.get(r["zone_id"], ""))),
                "high_usd_per_mwh": bound_high if bound_high < RANGE_DROPPED_FROM_USD else np.nan,
                "doubt": DOUBTFUL.get(r["row_id"], ""),
                "derived_from": "",
                "sector": r["sector"],
                "note": r["note"],
                "source_id": cite_once(out, r["source"], r["licence"]),
                "year": int(number(r["year"])),
                "quality": quality,
            }
        )
    frame = pd.DataFrame(rows)
    frame = pd.concat([frame, derived_rows(frame)], ignore_index=True)
    out.account("power_prices.csv", len(raw) + sum(dropped.values()), len(raw), dropped)
    out.account("power_market_defaults.csv", len(defaults), len(defaults))
    out.table(
        "retail",
        frame,
        key=["row_id"],
        license="per source; see sources.csv",
        columns=SOURCED
        | {
            "row_id": "id of the row; `-D` marks rows derived here",
            "zone_id": "price zone, see `zones.csv`",
            "customer_class": "large_industrial (10 MW and over), industrial, commercial, crypto",
            "tariff_basis": "delivered_ex_tax, delivered_all_in, delivered_mixed, generator_only, "
            "network_adder or cost_recovery",
            "price_usd_per_mwh": "price, nominal USD of the year",
            "price_native_per_mwh": "price as published; empty where only USD was published",
            "currency": "currency of the native price",
            "fx_usd_per_unit": "rate that turns native into USD",
            "period": "what the figure averages over",
            "size_band": "customers it covers",
            "load_factor_ratio": "load factor assumed in the figure, where stated",
            "confidence": "high, medium or low, as judged when it was collected",
            "subsidized": "whether the tariff is below the cost of supply by a row here or by its source",
            "low_usd_per_mwh": "low bound for a large user (judgment, quality estimate)",
            "high_usd_per_mwh": "high bound for a large user (judgment, quality estimate)",
            "doubt": "why the figure misleads for a large load; it is then carried as unverified",
            "derived_from": "rows that a derived row was computed from",
            "sector": "class in the words of the source",
            "note": "remarks of the collection",
        },
        note="Native price times rate is the USD price. Several rows of one zone stay side by side; "
        "the program picks: computed tariff, later year, confidence, row id.",
    )
    return frame


def derived_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows computed from others: Iceland (generator and adder), South Africa (cost recovery)."""
    rows = frame.set_index("row_id", drop=False)
    generator, adder, recovery = rows.loc["PP0307"], rows.loc["PP0308"], rows.loc["PP0325"]
    iceland = generator.copy()
    total = generator["price_usd_per_mwh"] + adder["price_usd_per_mwh"]
    iceland["row_id"], iceland["tariff_basis"] = "PP0307-D", "delivered_ex_tax"
    iceland["price_usd_per_mwh"] = iceland["price_native_per_mwh"] = total
    iceland["low_usd_per_mwh"], iceland["high_usd_per_mwh"] = 43.0, 89.5
    iceland["derived_from"] = "PP0307 PP0308"
    iceland["note"] = "generator price plus transmission adder; the adder is recalled"
    iceland["quality"] = worst(generator["quality"], adder["quality"])
    africa = recovery.copy()
    africa["row_id"], africa["tariff_basis"] = "PP0325-D", "delivered_mixed"
    africa["derived_from"], africa["quality"] = "PP0325", "estimate"
    africa["note"] = "no usable delivered tariff was found: the cost of supply stands in for it"
    made = pd.DataFrame([iceland, africa]).reset_index(drop=True)
    made["subsidized"] = made["subsidized"].astype(bool)
    return made


def tariffs(sources: Path, out: Folder) -> pd.DataFrame:
    """Tariff components and minimum bills."""
    raw = read_source(sources / "power_taxes.csv")
    rows = []
    classes = {"Rate 15": ("large_industrial", 10, np.nan), "Rate 14": ("industrial", 5, 10)}
    classes |= {"Rate 7": ("industrial", 0.2, 5), "Rate 17": ("crypto", 0.2, np.nan)}
    for _, r in raw[raw["kind"].isin(["demand_charge", "large_load_tariff"])].iterrows():
        row: dict[str, object] = {
            "zone_id": r["zone_id"],
            "customer_class": "large_industrial",
            "schedule": r["name"],
            "fixed_usd_per_month": np.nan,
            "energy_usd_per_mwh": np.nan,
            "demand_usd_per_kw_month": np.nan,
            "min_demand_ratio": np.nan,
            "contract_years": np.nan,
            "min_mw": np.nan,
            "max_mw": np.nan,
            "proposed": "proposal" in r["name"],
            "note": "; ".join(filter(None, [r["detail"], r["note"]])),
            "source_id": cite_once(out, r["source"], r["licence"]),
            "year": int(number(r["year"])),
            "quality": "reported",
        }
        if r["kind"] == "demand_charge":
            found = re.search(r"basic ([\d.]+) USD/month, energy ([\d.]+) USD/MWh", r["detail"])
            schedule = re.search(r"Rate \d+", r["name"])
            if not found or not schedule:
                message = f"tariff components not readable: {r['detail']!r}"
                raise ValueError(message)
            row["customer_class"], row["min_mw"], row["max_mw"] = classes[schedule.group()]
            row["fixed_usd_per_month"], row["energy_usd_per_mwh"] = map(float, found.groups())
            row["demand_usd_per_kw_month"] = number(r["value"])
        elif r["unit"].startswith("percent"):
            row["min_demand_ratio"] = number(r["value"]) / 100
            row["min_mw"] = 25.0 if r["zone_id"] == "US-OH-AEP" else np.nan
        else:
            row["contract_years"] = number(r["value"])
        rows.append(row)
    frame = pd.DataFrame(rows)
    out.table(
        "tariffs",
        frame,
        key=["zone_id", "customer_class", "schedule"],
        license="facts; see sources.csv",
        columns=SOURCED
        | {
            "zone_id": "utility zone",
            "customer_class": "class that pays this schedule",
            "schedule": "name of the tariff schedule",
            "fixed_usd_per_month": "basic charge per connection",
            "energy_usd_per_mwh": "energy charge",
            "demand_usd_per_kw_month": "charge on the peak",
            "min_demand_ratio": "billed demand is at least this share of contracted demand",
            "contract_years": "length of the contract asked for",
            "min_mw": "smallest load on the schedule",
            "max_mw": "largest load on the schedule",
            "proposed": "whether the figures are of a proposal",
            "note": "remarks of the collection",
        },
    )
    return frame


def incentives_and_escalation(sources: Path, out: Folder) -> None:
    """Sales-tax programs, application fees, and price trends per US state."""
    raw = read_source(sources / "power_taxes.csv")
    rows = []
    kinds = ["sales_tax_exemption", "no_state_sales_tax", "application_fee"]
    for _, r in raw[raw["kind"].isin(kinds)].iterrows():
        dated = r["year"] != "" and r["status"] == "seen"
        fee = r["kind"] == "application_fee"
        band = re.search(r"(\d+)-(\d+) MW|over (\d+) MW", r["detail"]) if fee else None
        energy = any(word in r["detail"] for word in ("purchased electricity", "equipment and energy"))
        rows.append(
            {
                "zone_id": r["zone_id"],
                "kind": r["kind"],
                "program": r["detail"],
                "has_program": {"n/a": "yes"}.get(r["has_program"], r["has_program"]),
                "min_investment_usd": number(r["min_investment_musd"]) * 1e6,
                "min_jobs": number(r["min_jobs"]),
                "exempt_items": ""
                if fee or r["has_program"] == "no"
                else "equipment;electricity"
                if energy
                else "equipment",
                "valid_from": "",
                "valid_to": "2036-07-01" if "2036-07-01" in r["detail"] else "",
                "fee_usd_per_mw": number(r["value"]) if fee else np.nan,
                "mw_from": float(band.group(1) or band.group(3)) if band else np.nan,
                "note": r["note"],
                "source_id": cite_once(out, r["source"], r["licence"]),
                "year": int(number(r["year"])) if r["year"] else "",
                "quality": "reported" if dated else "unverified",
            }
        )
    out.table(
        "incentives",
        pd.DataFrame(rows),
        key=["zone_id", "kind", "program"],
        license="facts; see sources.csv",
        columns=SOURCED
        | {
            "zone_id": "US state or utility",
            "kind": "sales_tax_exemption, no_state_sales_tax or application_fee (a cost)",
            "program": "what the source says",
            "has_program": "yes, no, partial or proposed",
            "min_investment_usd": "investment needed",
            "min_jobs": "jobs needed",
            "exempt_items": "what is exempt",
            "valid_from": "first day, where known",
            "valid_to": "last day for new entries, where known",
            "fee_usd_per_mw": "fee as reported (wording unchecked)",
            "mw_from": "smallest load of the band",
            "note": "remarks of the collection",
        },
        note="Undated and recalled programs are `unverified`; tax rates are not in any table.",
    )
    wide: dict[str, dict[str, float]] = {}
    trend = raw[raw["kind"].str.startswith("escalation_")]
    names = {
        "escalation_nominal_industrial_cagr_2019_2024": "nominal_cagr_5y_ratio",
        "escalation_nominal_industrial_cagr_2014_2024": "nominal_cagr_10y_ratio",
        "escalation_nominal_industrial_std_yoy": "yoy_std_ratio",
        "escalation_nominal_commercial_2013_2022": "nominal_commercial_9y_ratio",
    }
    source = ""
    for _, r in trend.iterrows():
        wide.setdefault(r["zone_id"], {})[names[r["kind"]]] = number(r["value"])
        if "industrial" in r["kind"]:
            source = cite_once(out, r["source"], r["licence"])
        else:
            cite_once(out, r["source"], r["licence"])
    frame = pd.DataFrame(
        [
            {"zone_id": zone, **{name: values.get(name, np.nan) for name in names.values()}}
            for zone, values in wide.items()
        ]
    )
    frame = frame.assign(source_id=source, year=2024, quality="modeled")
    out.table(
        "escalation",
        frame,
        key=["zone_id"],
        license="US public domain",
        columns=SOURCED
        | {
            "zone_id": "US state, or US",
            "nominal_cagr_5y_ratio": "yearly change of the industrial price 2019-2024",
            "nominal_cagr_10y_ratio": "yearly change of the industrial price 2014-2024",
            "yoy_std_ratio": "standard deviation of the yearly change 2001-2024",
            "nominal_commercial_9y_ratio": "average yearly change of the commercial price 2013-2022",
        },
    )
    out.account("power_taxes.csv", len(raw), len(raw))


# --- wholesale -----------------------------------------------------------------------------------------


@dataclass
class Market:
    """Curves of the zone-years with hourly prices, collected over the tables."""

    duration: list[dict[str, object]] = field(default_factory=list)
    blocks: list[dict[str, object]] = field(default_factory=list)
    profiles: list[dict[str, object]] = field(default_factory=list)


def curve_from_hours(price: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Quantiles and cumulative means of the cheapest shares, exact."""
    ordered = np.sort(price)
    share = np.asarray(QUANTILES)
    total = np.concatenate([[0.0], np.cumsum(ordered)])
    integral = np.interp(share * len(ordered), np.arange(len(ordered) + 1), total) / len(ordered)
    quantile = np.quantile(ordered, share)
    mean = np.divide(integral, share, out=quantile[:1].repeat(len(share)).astype(float), where=share > 0)
    return quantile, mean


def curve_from_quantiles(
    quantile: np.ndarray, mean: float, mean_cheapest_90pct: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cumulative means from quantiles, the published mean and the mean of the cheapest 90 %.

    Straight lines up to 99.5 %, shifted below 90 % to the published mean of that share; the last step
    gets what the year's mean leaves, inside its quantiles. Where that is not possible the steps above
    90 % give way, each inside its own quantiles.
    """
    share = np.asarray(QUANTILES)
    width = np.diff(share)
    step = (quantile[1:] + quantile[:-1]) / 2
    nine = int(np.argmin(np.abs(share - 0.9)))
    gap = 0.9 * mean_cheapest_90pct - float(width[:nine] @ step[:nine])
    if np.isfinite(gap):
        bound = quantile[1 : nine + 1] if gap > 0 else quantile[:nine]
        room = float(width[:nine] @ (bound - step[:nine]))
        if room != 0 and 0 <= gap / room <= 1:
            step[:nine] += gap / room * (bound - step[:nine])
    need = mean - float(width[:-1] @ step[:-1])
    step[-1] = np.clip(need / width[-1], quantile[-2], quantile[-1])
    for part in (slice(nine, len(step) - 1), slice(0, nine)):
        rest = mean - float(width @ step)
        target = quantile[1:][part] if rest > 0 else quantile[:-1][part]
        room = float(width[part] @ (target - step[part]))
        if abs(rest) > 1e-12 and room != 0:
            step[part] += min(1.0, rest / room) * (target - step[part])
    integral = np.concatenate([[0.0], np.cumsum(width * step)])
    return quantile, np.concatenate([quantile[:1], integral[1:] / share[1:]])


def block_means(cumulative: dict[float, float]) -> list[tuple[float, float, float]]:
    """Means of the blocks of hours from cumulative means."""
    result = []
    for lower, upper in itertools.pairwise(BLOCK_EDGES):
        energy = upper * cumulative[upper] - lower * cumulative[lower]
        result.append((lower, upper, energy / (upper - lower)))
    return result


def wholesale(sources: Path, out: Folder) -> None:
    """Zone-year statistics, duration curves, blocks and hour profiles."""
    raw = read_source(sources / "power_wholesale.csv")
    rows = []
    for _, r in raw.iterrows():
        rows.append(
            {
                "zone_id": r["zone_id"],
                "granularity": r["granularity"],
                "market": r["market"],
                "hours": number(r["n"]) if r["granularity"] == "hourly" else np.nan,
                "values": number(r["n"]),
                "currency": r["currency"],
                "fx_usd_per_unit": number(r["fx_usd_per_unit"]),
                "mean_usd_per_mwh": number(r["mean_usd_mwh"]),
                "mean_native_per_mwh": number(r["mean_native"]),
                "std_native_per_mwh": number(r["std_native"]),
                **{f"{p}_native_per_mwh": number(r[p]) for p in ("p05", "p25", "p50", "p75", "p95")},
                "min_native_per_mwh": number(r["min"]),
                "max_native_per_mwh": number(r["max"]),
                "negative_hours_ratio": number(r["share_below_zero"]),
                "mean_cheapest_90pct_native_per_mwh": number(r["mean_cheapest_90pct_hours"]),
                "note": r["note"],
                "source_id": cite_once(out, r["source"], r["licence"], statistics_only=True),
                "year": int(number(r["year"])),
                "quality": "unverified" if r["status"] == "recalled" else "reported",
            }
        )
    frame = pd.DataFrame(rows)
    out.account("power_wholesale.csv", len(raw), len(raw))
    out.table(
        "wholesale",
        frame,
        key=["zone_id", "year", "granularity"],
        license="derived statistics; see sources.csv",
        columns=SOURCED
        | {
            "zone_id": "market zone",
            "granularity": "hourly, daily on-peak, monthly means, ...: what the statistics are taken over",
            "market": "kind of market",
            "hours": "hours in the year, hourly rows only",
            "values": "values that the statistics are taken over",
            "currency": "native currency",
            "fx_usd_per_unit": "annual average rate",
            "mean_usd_per_mwh": "mean in USD",
            "mean_native_per_mwh": "mean in native currency",
            "std_native_per_mwh": "standard deviation",
            **{f"p{p}_native_per_mwh": f"{int(p)} % quantile" for p in ("05", "25", "50", "75", "95")},
            "min_native_per_mwh": "smallest value",
            "max_native_per_mwh": "largest value",
            "negative_hours_ratio": "share of values below zero",
            "mean_cheapest_90pct_native_per_mwh": "mean of the cheapest 90 % of values",
            "note": "remarks of the collection",
        },
        note="Statistics of rows that are not hourly are over days, months or quarters: never hours.",
    )
    market = Market()
    index = read_source(sources / "power_hourly_index.csv")
    hourly_years = add_hourly(sources, index, frame, market)
    curves = read_source(sources / "power_duration_curves.csv")
    hourly_rows = frame[frame["granularity"] == "hourly"].set_index(["zone_id", "year"])
    dropped = {"daily on-peak blocks are not hours": 0}
    for _, r in curves.iterrows():
        key = (r["zone_id"], int(r["year"]))
        if key in hourly_years:
            continue
        if key not in hourly_rows.index:
            dropped["daily on-peak blocks are not hours"] += 1
            continue
        row = hourly_rows.loc[key]
        quantile = r[[c for c in curves.columns if c.startswith("q")]].astype(float).to_numpy()
        quantile, mean = curve_from_quantiles(
            np.array(quantile),
            float(row["mean_native_per_mwh"]),
            float(row["mean_cheapest_90pct_native_per_mwh"]),
        )
        add_curve(market, *key, quantile, mean, str(row["source_id"]), "modeled", "quantiles")
    used = len(curves) - sum(dropped.values())
    out.account("power_duration_curves.csv", len(curves), used, dropped)
    out.account("power_hourly_index.csv", len(index), len(index))
    write_market(out, market)


def add_hourly(
    sources: Path, index: pd.DataFrame, stats: pd.DataFrame, market: Market
) -> set[tuple[str, int]]:
    """Curves, blocks and profiles of the zone-years whose hours are at hand; hours stay behind."""
    done = set()
    hourly = stats[stats["granularity"] == "hourly"].set_index(["zone_id", "year"])
    for _, r in index.iterrows():
        price = read_source(sources / r["file"])["price"].astype(float).to_numpy()
        key = (r["zone_id"], int(r["year"]))
        source = str(hourly.loc[key, "source_id"])
        quantile, mean = curve_from_hours(price)
        add_curve(market, *key, quantile, mean, source, "reported", "hours")
        start = pd.Timestamp(r["first_hour"].removeprefix("UTC "), tz="UTC")
        local = pd.date_range(start, periods=len(price), freq="h").tz_convert(r["local_tz"])
        cells = pd.DataFrame({"month": local.month, "hour": local.hour, "price": price})
        for (month, hour), cell in cells.groupby(["month", "hour"])["price"]:
            market.profiles.append(
                {
                    "zone_id": key[0],
                    "month": int(month),
                    "hour_local": int(hour),
                    "mean_native_per_mwh": round(float(cell.mean()), 3),
                    "std_native_per_mwh": round(float(cell.std(ddof=0)), 3),
                    "hours": len(cell),
                    "source_id": source,
                    "year": key[1],
                    "quality": "reported",
                }
            )
        done.add(key)
    return done


def add_curve(
    market: Market, zone: str, year: int, quantile: np.ndarray, mean: np.ndarray,
    source: str, quality: str, made_from: str,
) -> None:  # fmt: skip
    """Append a curve and its blocks."""
    common = {"zone_id": zone, "source_id": source, "year": year, "quality": quality}
    for share, price, cumulative in zip(QUANTILES, quantile, mean, strict=True):
        market.duration.append(
            common
            | {
                "hours_ratio": share,
                "price_native_per_mwh": round(float(price), 4),
                "cumulative_mean_native_per_mwh": round(float(cumulative), 6),
                "made_from": made_from,
            }
        )
    cumulative_at = dict(zip(QUANTILES, map(float, mean), strict=True))
    for block, (lower, upper, value) in enumerate(block_means(cumulative_at)):
        market.blocks.append(
            common
            | {
                "block": block + 1,
                "from_ratio": lower,
                "to_ratio": upper,
                "mean_native_per_mwh": round(value, 5),
            }
        )


def write_market(out: Folder, market: Market) -> None:
    """The three tables of market shapes."""
    zone = {"zone_id": "market zone"}
    license_ = "derived statistics; see sources.csv"
    out.table(
        "duration",
        pd.DataFrame(market.duration),
        key=["zone_id", "year", "hours_ratio"],
        license=license_,
        columns=SOURCED
        | zone
        | {
            "hours_ratio": "share of the hours, cheapest first",
            "price_native_per_mwh": "price at that share (quantile)",
            "cumulative_mean_native_per_mwh": "mean price of that cheapest share",
            "made_from": "hours (exact) or quantiles (straight lines, last step closed by the mean)",
        },
    )
    out.table(
        "blocks",
        pd.DataFrame(market.blocks),
        key=["zone_id", "year", "block"],
        license=license_,
        columns=SOURCED
        | zone
        | {
            "block": "1 is the cheapest",
            "from_ratio": "share of hours where the block starts",
            "to_ratio": "share of hours where it ends",
            "mean_native_per_mwh": "mean price of the block",
        },
    )
    out.table(
        "hour_profiles",
        pd.DataFrame(market.profiles),
        key=["zone_id", "year", "month", "hour_local"],
        license=license_,
        columns=SOURCED
        | zone
        | {
            "month": "month in local time",
            "hour_local": "hour of the day in local time",
            "mean_native_per_mwh": "mean price",
            "std_native_per_mwh": "standard deviation over the days",
            "hours": "hours in the cell",
        },
    )


# --- carbon, reliability, connection -------------------------------------------------------------------

BASIS = {
    "direct, generation-based, CO2 only": "direct_subregion",
    "direct, generation-based, all plants in the state": "direct_state",
    "life-cycle, generation-based": "life_cycle_national",
    "grid average reported by the operator": "operator",
    "life-cycle, consumption-based (imports traced)": "life_cycle_zone",
}
CARBON_COLUMNS = SOURCED | {
    "zone_id": "zone",
    "basis": "direct_state, direct_subregion, life_cycle_national, operator, generation_mix "
    "(shares only); life_cycle_zone stands in carbon_odbl.csv",
    "g_per_kwh": "carbon intensity, CO2 equivalent (direct_subregion: CO2 only)",
    "renewable_ratio": "renewable share of energy",
    "carbon_free_ratio": "carbon-free share of energy",
    "nuclear_ratio": "nuclear share of energy",
}
ODBL_NOTICE = """carbon_odbl.csv holds yearly figures of Electricity Maps (https://www.electricitymaps.com),
"Electricity Maps carbon intensity data", 2025, made available under the Open Database License (ODbL) 1.0:
https://opendatacommons.org/licenses/odbl/1-0/

Any rights in individual contents of the database are licensed under the Database Contents License 1.0:
https://opendatacommons.org/licenses/dbcl/1-0/

You may copy, distribute and use this file, produce works from it, and adapt it, as long as you
attribute it to Electricity Maps in any public use, offer any adapted version of the file under the
ODbL as well, and keep it open: if you redistribute it with technical restrictions, a version without
them must be available too. No other table of dcsite holds a value computed from this file. Delete it
and the program ranks on the national life-cycle figures instead.
"""


def grid(sources: Path, out: Folder) -> None:
    """Carbon (ODbL rows apart), reliability and connection times."""
    raw = read_source(sources / "power_grid.csv")
    dropped = {
        "fuel shares and generation, not used": int(
            raw["metric"].isin(["annual_generation", "coal_share", "gas_share", "hydro_share"]).sum()
        ),
        "generator queue, not a load queue": int(raw["metric"].str.startswith("generator_queue").sum()),
    }
    carbon: dict[tuple[str, int, str], dict[str, object]] = {}
    odbl: dict[tuple[str, int, str], dict[str, object]] = {}
    share = {
        "renewable_share": "renewable_ratio",
        "carbon_free_share": "carbon_free_ratio",
        "low_carbon_share": "carbon_free_ratio",
        "nuclear_share": "nuclear_ratio",
        "operator_hourly_carbon_free_share": "carbon_free_ratio",
    }
    for _, r in raw.iterrows():
        metric, year = r["metric"], int(number(r["year"]))
        if metric == "carbon_intensity":
            basis, column, value = BASIS[r["basis"]], "g_per_kwh", number(r["value"])
        elif metric in share:
            column, value = share[metric], number(r["value"]) / 100
            if "ODbL" in r["licence"]:
                basis = "life_cycle_zone"
            else:
                basis = "operator" if metric.startswith("operator") else "generation_mix"
        else:
            continue
        is_odbl = "ODbL" in r["licence"]
        attribution = "Electricity Maps, ODbL 1.0" if is_odbl else ""
        row = (odbl if is_odbl else carbon).setdefault(
            (r["zone_id"], year, basis),
            {
                "zone_id": r["zone_id"],
                "basis": basis,
                "g_per_kwh": np.nan,
                "renewable_ratio": np.nan,
                "carbon_free_ratio": np.nan,
                "nuclear_ratio": np.nan,
                "source_id": cite_once(out, r["source"], r["licence"], attribution=attribution),
                "year": year,
                "quality": "reported" if r["status"] == "seen" else "unverified",
            },
        )
        row[column] = round(value, 6)
    out.table(
        "carbon",
        pd.DataFrame(list(carbon.values())),
        key=["zone_id", "year", "basis"],
        license="CC BY 4.0 (Ember, Our World in Data), US public domain, Apache-2.0; see sources.csv",
        columns=CARBON_COLUMNS,
        note="Bases differ and are never mixed in one ranking.",
    )
    out.table(
        "carbon_odbl",
        pd.DataFrame(list(odbl.values())),
        key=["zone_id", "year", "basis"],
        license="ODbL 1.0",
        columns=CARBON_COLUMNS | {"basis": "life_cycle_zone: life cycle, consumption, imports traced"},
        note="Electricity Maps rows alone; see LICENSE-ODbL.txt. No other table is computed from them.",
    )
    out.text("LICENSE-ODbL.txt", ODBL_NOTICE, license="notice")
    reliability(raw, out)
    connection(raw, out)
    out.account("power_grid.csv", len(raw), len(raw) - sum(dropped.values()), dropped)


def reliability(raw: pd.DataFrame, out: Folder) -> None:
    """Hours without supply per customer and year."""
    method = {
        "saidi": "business_city",
        "saidi_with_major_events": "customers_with_major_events",
        "saidi_without_major_events": "customers_without_major_events",
        "asai": "availability_bound",
    }
    rows = [
        {
            "zone_id": r["zone_id"],
            "method": method[r["metric"]],
            "saidi_h_per_year": round((100 - number(r["value"])) / 100 * 8760, 6)
            if r["metric"] == "asai"
            else number(r["value"]),
            "source_id": cite_once(out, r["source"], r["licence"]),
            "year": int(number(r["year"])),
            "quality": "modeled" if r["metric"] == "asai" else "reported",
        }
        for _, r in raw[raw["metric"].isin(method)].iterrows()
    ]
    out.table(
        "reliability",
        pd.DataFrame(rows),
        key=["zone_id", "year", "method"],
        license="facts and US public domain; see sources.csv",
        columns=SOURCED
        | {
            "zone_id": "state, utility or country",
            "method": "how it is counted; availability_bound is an upper bound from an availability index",
            "saidi_h_per_year": "hours without supply per customer and year",
        },
        note="Methods differ: compare inside one method only.",
    )


def connection(raw: pd.DataFrame, out: Folder) -> None:
    """Years until a large load is connected, and caps."""
    chosen = raw[raw["metric"].str.contains("large_load|data_center_", regex=True)]
    rows = []
    for zone, group in chosen.groupby("zone_id", sort=True):
        by = {r["metric"]: r for _, r in group.iterrows()}
        first = next(
            (by[name] for name in ("large_load_lead_time_high", "large_load_requests") if name in by),
            group.iloc[0],
        )
        text = " ".join(group["basis"]) + " " + " ".join(group["note"])
        recalled = (group["status"] == "recalled").any()
        kind = "commentary" if "commentary" in text else "recalled" if recalled else "seen statement"
        low, high = (
            number(by[name]["value"]) if name in by else np.nan
            for name in ("large_load_lead_time_low", "large_load_lead_time_high")
        )
        for r in by.values():
            cite_once(out, r["source"], r["licence"])
        rows.append(
            {
                "zone_id": zone,
                "mw_from": 100.0 if "over 100 MW" in text else 0.0,
                "years_low": low,
                "years_high": high,
                "kind": kind,
                "growth_capped": any(
                    name in by for name in ("data_center_load_growth_cap", "data_center_connection_policy")
                ),
                "requests_mw": number(by["large_load_requests"]["value"])
                if "large_load_requests" in by
                else np.nan,
                "note": "; ".join(dict.fromkeys(x for x in [*group["basis"], *group["note"]] if x)),
                "source_id": cite_once(out, first["source"], first["licence"]),
                "year": int(number(first["year"])),
                "quality": "unverified" if recalled else "estimate" if kind == "commentary" else "reported",
            }
        )
    out.table(
        "connection",
        pd.DataFrame(rows),
        key=["zone_id", "mw_from"],
        license="facts; see sources.csv",
        columns=SOURCED
        | {
            "zone_id": "utility, market zone, state or country",
            "mw_from": "smallest load that it speaks of",
            "years_low": "years to connection, low",
            "years_high": "years to connection, high",
            "kind": "seen statement (agency, utility), commentary (trade press) or recalled",
            "growth_capped": "whether growth of data centers is limited or only by call",
            "requests_mw": "requests that wait (inflated by duplicates)",
            "note": "what it says",
        },
        note="Everything that is not here is missing, not zero.",
    )


def exchange(sources: Path, out: Folder) -> None:
    """Exchange rates."""
    raw = read_source(sources / "power_fx.csv")
    rows = []
    for _, r in raw.iterrows():
        basis = r["basis"]
        kind = basis.split(" ")[0].split("(")[0].replace("official", "peg")
        found = re.search(r"\d{4}(-\d{2}-\d{2}|-\d{2}|-Q\d)?", basis)
        period = {"annual": "year", "peg": "peg", "implied": "implied"}.get(
            kind, found.group() if found else kind
        )
        rows.append(
            {
                "currency": r["currency"],
                "period": period,
                "usd_per_unit": number(r["usd_per_unit"]),
                "basis": basis,
                "source_id": cite_once(out, r["source"], "facts"),
                "year": int(number(r["year"])) if r["year"] else "",
                "quality": "unverified" if r["status"] == "recalled" else "reported",
            }
        )
    out.table(
        "fx",
        pd.DataFrame(rows),
        key=["currency", "year", "period"],
        license="facts; see sources.csv",
        columns=SOURCED
        | {
            "currency": "ISO 4217 code",
            "period": "year (average), peg, implied, or the month, quarter or day meant",
            "usd_per_unit": "USD per unit of the currency",
            "basis": "how it was taken",
        },
    )
    out.account("power_fx.csv", len(raw), len(raw))


# --- zones and territories -----------------------------------------------------------------------------


def parent_of(zone: str, known: set[str]) -> str:
    """Nearest zone whose id is a prefix."""
    parts = zone.split("-")
    for size in range(len(parts) - 1, 0, -1):
        if "-".join(parts[:size]) in known:
            return "-".join(parts[:size])
    return ""


def zones(sources: Path, out: Folder) -> None:
    """Register all zone ids with their parents and the ids used for carbon, wholesale and reliability."""
    found: dict[str, dict[str, str]] = {}

    def add(zone: str, name: str, iso3: str, level: str) -> None:
        entry = found.setdefault(zone, {"name": name, "iso3": iso3, "level": level})
        entry["iso3"] = entry["iso3"] or iso3

    prices = read_source(sources / "power_prices.csv")
    prices = prices[prices["level"] != "census_division"]
    for r in prices.itertuples(index=False):
        add(r.zone_id, r.zone_name, r.iso3, r.level)
    for zone, entry in EXTRA_ZONES.items():
        add(zone, *entry)
    for r in read_source(sources / "power_wholesale.csv").itertuples(index=False):
        hub = r.zone_id.startswith("US-") or r.zone_id in ("IN-IEX", "ZA-ESKOM-TOU")
        add(
            r.zone_id,
            r.zone_name,
            r.iso3,
            "country" if len(r.zone_id) == 2 else "hub" if hub else "bidding_zone",
        )
    raw_grid = read_source(sources / "power_grid.csv")
    taxes = read_source(sources / "power_taxes.csv")
    for r in raw_grid.itertuples(index=False):
        special = r.zone_id.startswith(("GCP:", "US-EGRID"))
        state = re.fullmatch(r"US-[A-Z]{2}", r.zone_id)
        level = (
            "hub" if special else "state" if state else "country" if len(r.zone_id) == 2 else "bidding_zone"
        )
        add(r.zone_id, r.zone_name, r.iso3, level)
    for r in taxes.itertuples(index=False):
        add(r.zone_id, r.name, "USA", "state")
    catalog = read_source(sources / "sites_catalog.csv")
    for column in ("price_zone_id", "wholesale_zone_id"):
        unknown = sorted({z for z in catalog[column] if z} - set(found))
        if unknown:
            message = f"catalog zones without a row: {unknown}"
            raise ValueError(message)
    known = set(found)
    life = set(raw_grid.loc[raw_grid["basis"] == "life-cycle, generation-based", "zone_id"])
    odbl = set(raw_grid.loc[raw_grid["licence"].str.contains("ODbL"), "zone_id"])
    saidi = set(raw_grid.loc[raw_grid["metric"].str.contains("saidi|asai"), "zone_id"])
    links = set(raw_grid.loc[raw_grid["metric"].str.contains("large_load|data_center_"), "zone_id"])
    markets = set(read_source(sources / "power_wholesale.csv")["zone_id"])
    defaults = read_source(sources / "power_market_defaults.csv")
    timezone = dict(zip(defaults["price_zone_id"], defaults["timezone"], strict=True))
    index = read_source(sources / "power_hourly_index.csv")
    timezone |= dict(zip(index["zone_id"], index["local_tz"], strict=True))
    wholesale_of = {
        r.price_zone_id: r.wholesale_zone_id for r in defaults.itertuples(index=False) if r.wholesale_zone_id
    } | WHOLESALE_OF
    wholesale_of.pop("AU", None)
    wholesale_of.pop("DK", None)
    parents = {zone: parent_of(zone, known) for zone in found}

    def chain(zone: str) -> list[str]:
        result = []
        while zone:
            result.append(zone)
            zone = parents[zone]
        return result

    def nearest(zone: str, among: set[str]) -> str:
        return next((z for z in chain(zone) if z in among), "")

    rows = []
    source = out.source(
        "dcsite-zones",
        publisher="dcsite maintainers",
        title="Register of price, market and carbon zones; assignment of zones to each other",
        url_or_repository="scripts/builders/grid_prices.py",
        license="Apache-2.0",
        year=2026,
    )
    for zone, entry in found.items():
        proxy = SHAPE_PROXY.get(zone, "")
        rows.append(
            {
                "zone_id": zone,
                "parent_zone_id": parents[zone],
                "name": entry["name"],
                "country_iso3": entry["iso3"] or found.get(zone.split("-")[0], {"iso3": ""})["iso3"],
                "level": entry["level"],
                "timezone": timezone.get(zone, ""),
                "wholesale_zone_id": zone if zone in markets else wholesale_of.get(zone, ""),
                "shape_proxy_zone_id": proxy,
                "carbon_zone_id": nearest(zone, life),
                "carbon_odbl_zone_id": BALANCING_AUTHORITY.get(zone, zone if zone in odbl else ""),
                "reliability_zone_id": nearest(zone, saidi),
                "connection_zone_id": nearest(zone, links),
                "note": "shape of prices borrowed (estimate)" if proxy else "",
                "source_id": source,
                "year": 2026,
                "quality": "estimate",
            }
        )
    frame = pd.DataFrame(rows)
    for column in ("carbon_odbl_zone_id", "shape_proxy_zone_id", "wholesale_zone_id"):
        unknown = sorted({z for z in frame[column] if z} - known)
        if unknown:
            message = f"{column}: unknown zones {unknown}"
            raise ValueError(message)
    out.table(
        "zones",
        frame,
        key=["zone_id"],
        license="Apache-2.0",
        columns=SOURCED
        | {
            "zone_id": "id as published",
            "parent_zone_id": "next larger zone; empty at the top",
            "name": "name",
            "country_iso3": "country; empty for regions of a cloud operator",
            "level": "utility, city, state, province, bidding_zone, hub or country",
            "timezone": "IANA time zone, where known",
            "wholesale_zone_id": "market whose prices stand for the zone, if any",
            "shape_proxy_zone_id": "zone whose hourly shape is borrowed, scaled to the mean",
            "carbon_zone_id": "zone of the national life-cycle figure",
            "carbon_odbl_zone_id": "zone of the figure in carbon_odbl.csv",
            "reliability_zone_id": "zone of the reliability figure",
            "connection_zone_id": "zone of the connection times",
            "note": "remarks",
        },
        note="Assignments of zones to each other are ours (estimate); no figure stands here.",
    )
    territories(catalog, found, source, out)


def territories(catalog: pd.DataFrame, found: dict[str, dict[str, str]], source: str, out: Folder) -> None:
    """Which county, admin-1 unit or catalog site lies in a utility, city, province or bidding zone."""
    rows = [("county", fips, zone) for zone, counties in COUNTIES.items() for fips in counties]
    rows += [
        ("admin1", zone, zone)
        for zone, entry in found.items()
        if entry["level"] in ("state", "province") and re.fullmatch(r"(US|CA|CN|IN)-[A-Z]{2}", zone)
    ]
    rows += [
        ("admin1", area, zone)
        for zone, area in (
            ("AU-NSW", "AU-NSW"),
            ("AU-VIC", "AU-VIC"),
            ("AU-QLD", "AU-QLD"),
            ("AU-SA", "AU-SA"),
            ("AU-TAS", "AU-TAS"),
            ("AE-DU", "AE-DU"),
        )
    ]
    for r in catalog.itertuples(index=False):
        for zone in dict.fromkeys([r.price_zone_id, r.wholesale_zone_id]):
            if zone and found[zone]["level"] in ("utility", "city", "bidding_zone", "hub"):
                rows.append(("site", r.id, zone))
    frame = pd.DataFrame(sorted(set(rows)), columns=["area_kind", "area_id", "zone_id"])
    frame = frame.assign(source_id=source, year=2026, quality="estimate")
    out.table(
        "territories",
        frame[["zone_id", "area_kind", "area_id", "source_id", "year", "quality"]],
        key=["zone_id", "area_kind", "area_id"],
        license="Apache-2.0",
        columns=SOURCED
        | {
            "zone_id": "zone",
            "area_kind": "county (FIPS), admin1 (ISO 3166-2) or site (catalog id)",
            "area_id": "id of the area",
        },
        note="Whole counties stand for utility territories, which follow other lines: an estimate.",
    )


NOTES = """What power costs and how its price moves, by zone and class of customer.

Known gaps. Prices of many countries are author-compiled averages of mixed basis or small samples; a row
says so in `quality`, `confidence` and `doubt`. Retail rows are averages over a class, not offers. Rows
that rest on GlobalPetrolPrices stand only where a zone has no other tariff row, each cited. Wholesale
tables hold statistics only; hourly series are not shipped. Nordic zone prices are the national delivered
price less national plus zone wholesale. Iceland's delivered price adds a recalled transmission charge.
South Africa has no usable delivered tariff: its cost of supply stands in. Connection times exist for a
dozen zones. `low` and `high` bounds are judgment. Figures published by Electricity Maps are in
`carbon_odbl.csv` alone, under the ODbL."""


def build(sources: Path, out: Folder) -> None:
    """Build the folder."""
    out.notes = NOTES
    zones(sources, out)
    retail(sources, out)
    tariffs(sources, out)
    incentives_and_escalation(sources, out)
    wholesale(sources, out)
    grid(sources, out)
    exchange(sources, out)
