"""What power costs at a place: picks a price row by stated fallbacks, and says which one and why.

Owns the choice among rows (zone, class, basis), the marks on subsidized and doubtful figures, carbon,
connection times, and the market curves a place takes part in. What a price costs a load over a year is
computed in :mod:`dcsite.physics.power`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dcsite.errors import UsageError
from dcsite.units import HOURS_PER_MONTH, KW_PER_MW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dcsite.data.tables import Tables

CLASSES = ("crypto", "large_industrial", "industrial", "commercial")
"""Classes of customers in the order of fallback."""

BASES = ("delivered_ex_tax", "delivered_mixed", "delivered_all_in")
"""Bases a delivered price may have, in the order of fallback."""

QUALITY = ("measured", "reported", "modeled", "estimate", "unverified")
CONFIDENCE = {"high": 0, "medium": 1, "low": 2}
STALE_AFTER_YEARS = 2
DATA_YEAR = 2026
"""Year that the shipped tables were collected in; prices older than two years say so."""

NEIGHBORS = {
    "IQ": ("KW", "IR", "SA"),
    "OM": ("AE", "SA"),
    "YE": ("SA",),
    "JO": ("SA",),
    "LY": ("DZ", "EG"),
    "TN": ("DZ",),
    "MA": ("DZ",),
    "SD": ("EG", "ET"),
    "KG": ("KZ", "UZ"),
    "TJ": ("UZ",),
    "AZ": ("IR", "RU"),
    "AF": ("IR", "TM", "UZ"),
    "BY": ("RU",),
    "KE": ("ET",),
    "MZ": ("ZA",),
}
"""Neighbors whose cost of supply stands in for a subsidized country without one."""

CURVE_YEAR = 2024
"""Year of the market curves unless another is asked for: the last with hours in most zones."""

FLEXIBLE_BASES = ("life_cycle_zone", "life_cycle_national", "direct_state", "operator")


def worst_of(*quality: str) -> str:
    """Worst of several quality words.

    Examples
    --------
    >>> worst_of("reported", "estimate")
    'estimate'
    """
    return max(quality, key=QUALITY.index)


def class_for(it_mw: float | None, *, crypto: bool = False) -> str:
    """Customer class of a load: crypto, else by size (10 MW and over, 1 to 10 MW, below).

    Parameters
    ----------
    it_mw
        Rated load; None means large. [MW]
    crypto
        Whether the load mines.

    Examples
    --------
    >>> class_for(5.0), class_for(40.0), class_for(40.0, crypto=True)
    ('industrial', 'large_industrial', 'crypto')
    """
    if crypto:
        return "crypto"
    if it_mw is None or it_mw >= 10:
        return "large_industrial"
    return "industrial" if it_mw >= 1 else "commercial"


# --- zones ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Zones:
    """Register of zones: fields by id, parents, country zones."""

    rows: dict[str, dict[str, Any]]
    country: dict[str, str]

    def chain(self, zone_id: str, country_iso3: str = "") -> tuple[str, ...]:
        """The zone, then its parents, then its country: the order of fallback."""
        found: list[str] = []
        zone = zone_id
        while zone and zone not in found:
            found.append(zone)
            zone = str(self.rows.get(zone, {}).get("parent_zone_id", ""))
        country = self.country.get(country_iso3, "")
        if country and country not in found:
            found.append(country)
        return tuple(found)

    def level(self, zone_id: str) -> str:
        """Level word of a zone; empty when it is not registered."""
        return str(self.rows.get(zone_id, {}).get("level", ""))

    def of(self, zone_id: str, column: str) -> str:
        """A text field of a zone; empty when unknown."""
        return str(self.rows.get(zone_id, {}).get(column, ""))


def load_zones(tables: Tables) -> Zones:
    """The register of zones."""

    def make() -> Zones:
        frame = tables.frame("zones")
        rows = {str(row["zone_id"]): row for row in frame.to_dict("records")}
        country = {
            str(row["country_iso3"]): zone
            for zone, row in rows.items()
            if row["level"] == "country" and row["country_iso3"]
        }
        return Zones(rows, country)

    result = tables.memo("prices.zones", make)
    assert isinstance(result, Zones)
    return result


def site_keys(sites: pd.DataFrame) -> tuple[list[str], list[str], list[str]]:
    """Zone, country and market zone of each site; a missing column counts as empty."""

    def column(name: str) -> list[str]:
        if name not in sites:
            return [""] * len(sites)
        return ["" if pd.isna(value) else str(value) for value in sites[name]]

    return column("zone_id"), column("country_iso3"), column("wholesale_zone_id")


# --- delivered prices ----------------------------------------------------------------------------------

PRICE_COLUMNS = (
    "price_usd_per_mwh",
    "energy_usd_per_mwh",
    "demand_usd_per_kw_month",
    "fixed_usd_per_month",
    "min_demand_ratio",
    "tariff_price_usd_per_mwh",
    "low_usd_per_mwh",
    "high_usd_per_mwh",
    "basis_used",
    "class_used",
    "zone_used",
    "level_used",
    "quality",
    "subsidized",
    "year",
    "row_id",
    "source_id",
    "flags",
)


@dataclass(frozen=True)
class Asked:
    """What a load asks of the price tables."""

    customer_class: str
    load_factor: float
    it_mw: float | None
    bases: tuple[str, ...]
    subsidy_removed: bool
    as_of_year: int


def basis_chain(basis: str, *, strict: bool) -> tuple[str, ...]:
    """Bases to try in turn.

    Examples
    --------
    >>> basis_chain("delivered_ex_tax", strict=False)
    ('delivered_ex_tax', 'delivered_mixed', 'delivered_all_in')
    >>> basis_chain("delivered_all_in", strict=False)
    ('delivered_all_in', 'delivered_mixed')
    """
    if strict:
        return (basis,)
    if basis == "delivered_ex_tax":
        return BASES
    return (basis,) if basis == "delivered_mixed" else (basis, "delivered_mixed")


def delivered_prices(
    tables: Tables,
    sites: pd.DataFrame,
    *,
    customer_class: str | None = None,
    load_factor: float = 0.9,
    it_mw: float | None = None,
    basis: str = "delivered_ex_tax",
    strict_basis: bool = False,
    subsidy_removed: bool = False,
    as_of_year: int = DATA_YEAR,
) -> pd.DataFrame:
    """Delivered price of power at each site, with everything that a reader needs to judge it.

    The price is bare: per MWh at the meter, no PUE inside. Looks for the asked basis in the zone, then in
    its parents, in each from the asked class down; only when no zone has it, and unless ``strict_basis``,
    again with mixed and then all-in prices. Among rows of one zone, class and basis: a tariff computed
    from its components at this load factor, then the later year, confidence, row id.

    Parameters
    ----------
    tables
        The tables.
    sites
        One row per site; columns ``zone_id`` and ``country_iso3`` are used.
    customer_class
        Class of customer; None derives it from ``it_mw``.
    load_factor
        Mean over peak load, 0 to 1. [-]
    it_mw
        Load, for schedules with size bands and for fixed charges; None means large. [MW]
    basis
        Asked tariff basis.
    strict_basis
        Whether to refuse other bases.
    subsidy_removed
        Whether subsidized tariffs are replaced by the cost of supply.
    as_of_year
        Prices more than two years older are flagged.

    Returns
    -------
    DataFrame, S rows, indexed like ``sites``
        ``price_usd_per_mwh`` (NaN: no price), its parts, what was used, marks and sources.

    Raises
    ------
    UsageError
        If the class, basis or load factor is not one that exists.
    """
    wanted = class_for(it_mw) if customer_class is None else customer_class
    if wanted not in CLASSES:
        message = f"customer class '{wanted}': not known"
        raise UsageError(message, hint=f"one of {', '.join(CLASSES)}")
    if basis not in BASES:
        message = f"electricity basis '{basis}': not known"
        raise UsageError(message, hint=f"one of {', '.join(BASES)}")
    if not 0 < load_factor <= 1:
        message = f"load factor {load_factor:g}: must be above 0 and at most 1"
        raise UsageError(message)
    asked = Asked(
        wanted, load_factor, it_mw, basis_chain(basis, strict=strict_basis), subsidy_removed, as_of_year
    )
    zones, book = load_zones(tables), price_book(tables)
    known: dict[tuple[str, str], dict[str, Any]] = {}
    rows = []
    zone_ids, countries, _ = site_keys(sites)
    for key in zip(zone_ids, countries, strict=True):
        if key not in known:
            known[key] = price_of_zone(book, zones, zones.chain(*key), asked)
        rows.append(known[key])
    return pd.DataFrame(rows, columns=list(PRICE_COLUMNS), index=sites.index)


@dataclass(frozen=True)
class PriceBook:
    """Price rows by (zone, class, basis), best first; minimum bills and cost of supply by zone."""

    rows: dict[tuple[str, str, str], list[dict[str, Any]]]
    tariffs: dict[tuple[str, str], list[dict[str, Any]]]
    min_bill: dict[str, dict[str, Any]]
    recovery: dict[str, dict[str, Any]]


def price_book(tables: Tables) -> PriceBook:
    """Index the retail and tariff tables (once per run)."""

    def make() -> PriceBook:
        rows: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
        recovery: dict[str, dict[str, Any]] = {}
        records: list[dict[str, Any]] = tables.frame("retail").to_dict("records")
        for row in sorted(records, key=preference):
            if row["tariff_basis"] == "cost_recovery":
                recovery.setdefault(row["zone_id"], row)
            else:
                key = (row["zone_id"], row["customer_class"], row["tariff_basis"])
                rows.setdefault(key, []).append(row)
        tariffs: dict[tuple[str, str], list[dict[str, Any]]] = {}
        min_bill: dict[str, dict[str, Any]] = {}
        for row in tables.frame("tariffs").to_dict("records") if tables.has("tariffs") else []:
            if not math.isnan(row["energy_usd_per_mwh"]):
                tariffs.setdefault((row["zone_id"], row["customer_class"]), []).append(row)
            elif not math.isnan(row["min_demand_ratio"]):
                min_bill[row["zone_id"]] = row
        return PriceBook(rows, tariffs, min_bill, recovery)

    result = tables.memo("prices.book", make)
    assert isinstance(result, PriceBook)
    return result


def preference(row: dict[str, Any]) -> tuple[float, int, str]:
    """Order among rows of one zone, class and basis: later year, higher confidence, row id."""
    return (-float(row["year"]), CONFIDENCE.get(str(row.get("confidence", "")), 3), str(row["row_id"]))


def demand_charge_usd_per_mwh(demand_usd_per_kw_month: float, load_factor: float) -> float:
    """Demand charge spread over the energy of a month at a load factor. [USD/MWh]

    Examples
    --------
    >>> round(demand_charge_usd_per_mwh(6.0, 0.9), 1), round(demand_charge_usd_per_mwh(6.0, 0.5), 1)
    (9.1, 16.4)
    """
    return demand_usd_per_kw_month * KW_PER_MW / (load_factor * HOURS_PER_MONTH)


def tariff_for(book: PriceBook, zone: str, customer_class: str, it_mw: float | None) -> dict[str, Any] | None:
    """Schedule with components that fits the load; without a load, the one for the largest loads."""
    fitting = [
        row
        for row in book.tariffs.get((zone, customer_class), [])
        if it_mw is None
        or (not it_mw < row["min_mw"] and (math.isnan(row["max_mw"]) or it_mw <= row["max_mw"]))
    ]
    if not fitting:
        return None
    return max(fitting, key=lambda row: (0.0 if math.isnan(row["min_mw"]) else row["min_mw"], row["year"]))


def price_of_zone(book: PriceBook, zones: Zones, chain: tuple[str, ...], asked: Asked) -> dict[str, Any]:
    """Price for a chain of zones, or a row without a price that says so."""
    classes = CLASSES[CLASSES.index(asked.customer_class) :]
    steps = [(zone, asked.bases[0]) for zone in chain]
    steps += [(zone, basis) for zone in chain for basis in asked.bases[1:]]
    for zone, basis in steps:
        for customer_class in classes:
            if basis == "delivered_ex_tax":
                tariff = tariff_for(book, zone, customer_class, asked.it_mw)
                if tariff is not None:
                    return finish(book, zones, chain, asked, computed(tariff, asked), zone, basis)
            rows = book.rows.get((zone, customer_class, basis))
            if rows:
                return finish(book, zones, chain, asked, listed(rows[0]), zone, basis)
    return no_price(chain, asked)


def no_price(chain: tuple[str, ...], asked: Asked) -> dict[str, Any]:
    """Row of a site without a price."""
    where = " > ".join(chain) or "no zone"
    reason = f"no price for {asked.customer_class} on basis {' or '.join(asked.bases)} in {where}"
    row: dict[str, Any] = dict.fromkeys(PRICE_COLUMNS, "")
    for name in PRICE_COLUMNS[:8]:
        row[name] = math.nan
    return row | {"subsidized": False, "year": math.nan, "flags": reason}


def computed(tariff: dict[str, Any], asked: Asked) -> dict[str, Any]:
    """Price computed from the components of a tariff at the load factor."""
    fixed = 0.0 if math.isnan(tariff["fixed_usd_per_month"]) else float(tariff["fixed_usd_per_month"])
    demand = float(tariff["demand_usd_per_kw_month"])
    demand = 0.0 if math.isnan(demand) else demand
    price = float(tariff["energy_usd_per_mwh"]) + demand_charge_usd_per_mwh(demand, asked.load_factor)
    if asked.it_mw:
        price += fixed / (asked.it_mw * asked.load_factor * HOURS_PER_MONTH)
    flags = ["tariff was a proposal"] if tariff.get("proposed", False) is True else []
    return {
        "price": price,
        "energy": float(tariff["energy_usd_per_mwh"]),
        "demand": demand,
        "fixed": fixed,
        "row_id": f"{tariff['zone_id']} {tariff['schedule']}",
        "low": math.nan,
        "high": math.nan,
        "subsidized": False,
        "doubt": "",
        "flags": flags,
        **{name: tariff[name] for name in ("customer_class", "quality", "year", "source_id")},
    }


def listed(row: dict[str, Any]) -> dict[str, Any]:
    """Price of a retail row as it stands."""
    price = float(row["price_usd_per_mwh"])
    doubt = str(row.get("doubt", "") or "")
    derived = str(row.get("derived_from", "") or "")
    return {
        "price": price,
        "energy": price,
        "demand": 0.0,
        "fixed": 0.0,
        "row_id": row["row_id"],
        "low": float(row.get("low_usd_per_mwh", math.nan)),
        "high": float(row.get("high_usd_per_mwh", math.nan)),
        "subsidized": bool(row["subsidized"]),
        "doubt": doubt if doubt != "nan" else "",
        "flags": [f"derived: {row['note']}"] if derived not in ("", "nan") else [],
        **{name: row[name] for name in ("customer_class", "quality", "year", "source_id")},
    }


def finish(
    book: PriceBook,
    zones: Zones,
    chain: tuple[str, ...],
    asked: Asked,
    pick: dict[str, Any],
    zone: str,
    basis: str,
) -> dict[str, Any]:
    """Turn a picked row into the columns of the answer, with its flags in words."""
    flags: list[str] = []
    quality = str(pick["quality"])
    if basis != asked.bases[0]:
        flags.append(f"basis {basis}, not {asked.bases[0]}")
        quality = worst_of(quality, "reported")
    if zone != chain[0]:
        flags.append(f"price of {zone} ({zones.level(zone) or 'zone'}), none for {chain[0]}")
    if pick["customer_class"] != asked.customer_class:
        flags.append(class_flag(asked.customer_class, str(pick["customer_class"])))
    flags += pick["flags"]
    if pick["doubt"]:
        quality = "unverified"
        low = "" if math.isnan(pick["low"]) else f" (low bound {pick['low']:g})"
        flags.append(f"{pick['doubt']}{low}")
    if float(pick["year"]) < asked.as_of_year - STALE_AFTER_YEARS:
        flags.append(f"price of {int(pick['year'])}")
    bill = next((book.min_bill[name] for name in chain if name in book.min_bill), None)
    if bill is not None and (
        asked.it_mw is None or math.isnan(bill["min_mw"]) or asked.it_mw > bill["min_mw"]
    ):
        flags.append(f"minimum bill {bill['min_demand_ratio']:.0%} of contracted demand")
    else:
        bill = None
    price, tariff_price, subsidized = float(pick["price"]), float(pick["price"]), bool(pick["subsidized"])
    energy, demand, fixed = pick["energy"], pick["demand"], pick["fixed"]
    source = {"row_id": pick["row_id"], "source_id": pick["source_id"], "year": pick["year"]}
    if subsidized and asked.subsidy_removed:
        cost = cost_of_supply(book, chain)
        price = energy = max(cost["price"], price)
        demand, fixed = 0.0, 0.0
        quality = worst_of(cost["quality"], "reported")
        source = {name: cost[name] for name in source}
        flags.append(f"subsidy removed: {cost['method']}, tariff {tariff_price:.4g} USD/MWh")
    elif subsidized:
        flags.append("subsidized tariff")
    high = pick["high"]
    commercial = book.rows.get((zone, "commercial", basis))
    if math.isnan(high) and commercial and pick["customer_class"] != "commercial":
        above = float(commercial[0]["price_usd_per_mwh"])
        high = above if above > tariff_price else math.nan
    return {
        "price_usd_per_mwh": price,
        "energy_usd_per_mwh": energy,
        "demand_usd_per_kw_month": demand,
        "fixed_usd_per_month": fixed,
        "min_demand_ratio": math.nan if bill is None else bill["min_demand_ratio"],
        "tariff_price_usd_per_mwh": tariff_price,
        "low_usd_per_mwh": pick["low"],
        "high_usd_per_mwh": high,
        "basis_used": basis,
        "class_used": pick["customer_class"],
        "zone_used": zone,
        "level_used": zones.level(zone),
        "quality": quality,
        "subsidized": subsidized,
        **source,
        "flags": "; ".join(flags),
    }


def class_flag(asked: str, used: str) -> str:
    """Words for a fallen class."""
    if asked == "crypto":
        return f"priced as {used}: miners often pay a class of their own"
    return f"average of {used} customers, none for {asked}"


def cost_of_supply(book: PriceBook, chain: tuple[str, ...]) -> dict[str, Any]:
    """What a subsidized zone would pay without the subsidy, and how that is known."""
    for zone in chain:
        if zone in book.recovery:
            row = book.recovery[zone]
            method = f"cost of supply of {zone}"
            return {"price": float(row["price_usd_per_mwh"]), "method": method} | {
                name: row[name] for name in ("row_id", "source_id", "year", "quality")
            }
    near = [name for zone in chain for name in NEIGHBORS.get(zone, ()) if name in book.recovery]
    used = near or sorted(book.recovery)
    if not used:
        message = "no cost of supply is known for any zone: subsidies cannot be removed"
        raise UsageError(message, hint="add rows of basis cost_recovery to retail.csv")
    rows = [book.recovery[name] for name in used]
    names = ", ".join(used) if near else "all zones with a figure"
    return {
        "price": float(np.mean([row["price_usd_per_mwh"] for row in rows])),
        "method": f"mean cost of supply of {names} (estimate)",
        "row_id": " ".join(str(row["row_id"]) for row in rows),
        "source_id": rows[0]["source_id"],
        "year": min(row["year"] for row in rows),
        "quality": "estimate",
    }


# --- carbon --------------------------------------------------------------------------------------------


def carbon_intensity(tables: Tables, sites: pd.DataFrame, *, basis: str = "auto") -> pd.DataFrame:
    """Carbon intensity at each site, all on one basis.

    ``auto`` is the zone life-cycle figure (Electricity Maps) while ``carbon_odbl.csv`` is there, else the
    national life-cycle figure. A site without a figure on the basis has none: bases are never mixed.

    Parameters
    ----------
    tables
        The tables.
    sites
        Columns ``zone_id``, ``wholesale_zone_id``, ``country_iso3`` are used.
    basis
        ``auto``, ``life_cycle_zone``, ``life_cycle_national``, ``direct_state`` or ``operator``.

    Returns
    -------
    DataFrame, S rows, indexed like ``sites``
        ``carbon_g_per_kwh``, ``basis``, ``zone_used``, ``level_used``, ``quality``, ``year``, ``source_id``.

    Raises
    ------
    UsageError
        If the basis is not known or its table is not there.
    """
    if basis == "auto":
        basis = "life_cycle_zone" if tables.has("carbon_odbl") else "life_cycle_national"
    if basis not in FLEXIBLE_BASES:
        message = f"carbon basis '{basis}': not known"
        raise UsageError(message, hint=f"one of auto, {', '.join(FLEXIBLE_BASES)}")
    table = "carbon_odbl" if basis == "life_cycle_zone" else "carbon"
    if not tables.has(table):
        message = f"carbon basis '{basis}': table '{table}' is not there"
        raise UsageError(message, hint="choose another basis")
    zones = load_zones(tables)
    book = latest(tables, table, basis)
    rows = []
    for zone, country, market in zip(*site_keys(sites), strict=True):
        found = next(
            (name for name in carbon_zones(zones, zone, country, market, basis) if name in book), None
        )
        row = book.get(found or "", {})
        rows.append(
            {
                "carbon_g_per_kwh": row.get("g_per_kwh", math.nan),
                "carbon_free_ratio": row.get("carbon_free_ratio", math.nan),
                "basis": basis,
                "zone_used": found or "",
                "level_used": zones.level(found or ""),
                "quality": row.get("quality", ""),
                "year": row.get("year", math.nan),
                "source_id": row.get("source_id", ""),
            }
        )
    return pd.DataFrame(rows, index=sites.index)


def latest(tables: Tables, table: str, basis: str) -> dict[str, dict[str, Any]]:
    """Latest carbon row of each zone on a basis."""
    frame = tables.frame(table)
    chosen = frame[(frame["basis"] == basis) & frame["g_per_kwh"].notna()].sort_values("year")
    return {str(row["zone_id"]): row for row in chosen.to_dict("records")}


def carbon_zones(zones: Zones, zone: str, country: str, market: str, basis: str) -> list[str]:
    """Zones to look at for a site's carbon, nearest first."""
    chain = zones.chain(zone, country)
    if basis != "life_cycle_zone":
        return [*chain, *(zones.of(name, "carbon_zone_id") for name in chain)]
    local = [name for name in chain if zones.level(name) in ("utility", "city", "bidding_zone")]
    other = [name for name in chain if name not in local]
    order = [*local, *([market] if market else []), *other]
    return [zones.of(name, "carbon_odbl_zone_id") or name for name in order]


# --- connection, escalation ----------------------------------------------------------------------------


def connection(tables: Tables, sites: pd.DataFrame, *, it_mw: float = 100.0) -> pd.DataFrame:
    """Years until a load of this size is connected; missing where nobody said so.

    Looks at the utility or city, then the market zone, then state and country. A cap on growth or open
    requests anywhere on that way are shown even where no years are known.

    Parameters
    ----------
    tables
        The tables.
    sites
        Columns ``zone_id``, ``wholesale_zone_id``, ``country_iso3`` are used.
    it_mw
        Load; rows that speak of larger loads only are passed over. [MW]

    Returns
    -------
    DataFrame, S rows, indexed like ``sites``
        ``years_low``, ``years_high`` (NaN: not known), ``kind``, ``growth_capped``, ``requests_mw``,
        ``zone_used``, ``level_used``, ``quality``, ``year``, ``source_id``, ``flags``.
    """
    zones = load_zones(tables)
    book: dict[str, list[dict[str, Any]]] = {}
    for row in tables.frame("connection").sort_values("mw_from", ascending=False).to_dict("records"):
        if it_mw >= row["mw_from"]:
            book.setdefault(str(row["zone_id"]), []).append(row)
    rows = []
    for zone, country, market in zip(*site_keys(sites), strict=True):
        chain = zones.chain(zone, country)
        local = [name for name in chain if zones.level(name) in ("utility", "city")]
        order = dict.fromkeys([*local, *([market] if market else []), *chain])
        hits = [row for name in order for row in book.get(name, [])]
        timed = [row for row in hits if not (math.isnan(row["years_low"]) and math.isnan(row["years_high"]))]
        capped = any(bool(row["growth_capped"]) for row in hits)
        best = timed[0] if timed else (hits[0] if hits else {})
        used = str(best.get("zone_id", ""))
        flags = []
        if not timed:
            flags.append("no connection date known")
        if capped:
            flags.append("growth of data centers limited or by call only")
        elif used and used == zones.country.get(country, "") and len(chain) > 1:
            flags.append(f"connection years of the whole country ({used})")
        rows.append(
            {
                "years_low": best.get("years_low", math.nan),
                "years_high": best.get("years_high", math.nan),
                "kind": best.get("kind", ""),
                "growth_capped": capped,
                "requests_mw": next(
                    (row["requests_mw"] for row in hits if not math.isnan(row["requests_mw"])), math.nan
                ),
                "zone_used": used,
                "level_used": zones.level(used),
                "quality": best.get("quality", ""),
                "year": best.get("year", math.nan),
                "source_id": best.get("source_id", ""),
                "flags": "; ".join(flags),
            }
        )
    return pd.DataFrame(rows, index=sites.index)


def escalation(
    tables: Tables,
    sites: pd.DataFrame,
    *,
    series: str = "10y",
    cap_ratio: tuple[float, float] = (0.0, 0.04),
    general_inflation_ratio: float = 0.02,
) -> pd.DataFrame:
    """Nominal yearly change of the power price per site, and its spread.

    Parameters
    ----------
    tables
        The tables.
    sites
        Columns ``zone_id`` and ``country_iso3`` are used.
    series
        ``10y`` or ``5y`` average.
    cap_ratio
        Bounds that the figure is cut to. [-]
    general_inflation_ratio
        Nominal change where no series exists (an assumption, quality ``estimate``). [-]

    Returns
    -------
    DataFrame, S rows, indexed like ``sites``
        ``escalation_ratio``, ``series_ratio`` (before the cut), ``yoy_std_ratio``, ``quality``, ``zone_used``.

    Raises
    ------
    UsageError
        If the series is not known.
    """
    column = {"10y": "nominal_cagr_10y_ratio", "5y": "nominal_cagr_5y_ratio"}.get(series)
    if column is None:
        message = f"escalation series '{series}': not known"
        raise UsageError(message, hint="10y or 5y")
    zones = load_zones(tables)
    book = {str(row["zone_id"]): row for row in tables.frame("escalation").to_dict("records")}
    rows = []
    for zone, country, _ in zip(*site_keys(sites), strict=True):
        used = next((name for name in zones.chain(zone, country) if name in book), "")
        value = float(book[used][column]) if used else general_inflation_ratio
        rows.append(
            {
                "escalation_ratio": min(max(value, cap_ratio[0]), cap_ratio[1]),
                "series_ratio": value if used else math.nan,
                "yoy_std_ratio": float(book[used]["yoy_std_ratio"]) if used else math.nan,
                "quality": str(book[used]["quality"]) if used else "estimate",
                "zone_used": used,
            }
        )
    return pd.DataFrame(rows, index=sites.index)


# --- market curves -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MarketCurves:
    """Price duration curves of one year for all sites, in USD.

    Attributes
    ----------
    year
        The year asked for.
    zone_ids
        Z market zones that the sites use.
    site_zone
        Row of each site in the arrays below, -1 without a market, shape (S,).
    hours_ratio
        Share of the hours, cheapest first, shape (27,).
    price_usd_per_mwh, cumulative_usd_per_mwh
        Quantile, and mean of the cheapest share, shape (Z, 27).
    mean_usd_per_mwh
        Mean of the year, shape (Z,).
    profile_mean_usd_per_mwh, profile_std_usd_per_mwh
        Mean and deviation by month and local hour, shape (Z, 12, 24); NaN where not known.
    quality, flags
        Per zone: how good, and what was borrowed.
    source_ids
        Per zone: source of the shape.
    """

    year: int
    zone_ids: tuple[str, ...]
    site_zone: NDArray[np.int64]
    hours_ratio: NDArray[np.float64]
    price_usd_per_mwh: NDArray[np.float64]
    cumulative_usd_per_mwh: NDArray[np.float64]
    mean_usd_per_mwh: NDArray[np.float64]
    profile_mean_usd_per_mwh: NDArray[np.float64]
    profile_std_usd_per_mwh: NDArray[np.float64]
    quality: tuple[str, ...]
    flags: tuple[str, ...]
    source_ids: tuple[str, ...]


@dataclass(frozen=True)
class _Shapes:
    ratio: NDArray[np.float64]
    curves: dict[tuple[str, int], tuple[NDArray[np.float64], NDArray[np.float64], str, str]]
    profiles: dict[str, tuple[int, NDArray[np.float64], NDArray[np.float64]]]
    means: dict[tuple[str, int], tuple[float, float, str, str]]


GRANULARITY = ("hourly", "monthly means", "annual mean")
"""Statistics whose mean is that of the year, best first; others are a part of the year or of the day."""


def _shapes(tables: Tables) -> _Shapes:
    def make() -> _Shapes:
        curves: dict[tuple[str, int], tuple[NDArray[np.float64], NDArray[np.float64], str, str]] = {}
        ratio = np.zeros(0)
        for (zone, year), part in tables.frame("duration").groupby(["zone_id", "year"], sort=True):
            ordered = part.sort_values("hours_ratio")
            ratio = ordered["hours_ratio"].to_numpy(dtype=np.float64)
            curves[str(zone), int(year)] = (
                ordered["price_native_per_mwh"].to_numpy(dtype=np.float64),
                ordered["cumulative_mean_native_per_mwh"].to_numpy(dtype=np.float64),
                str(ordered["quality"].iloc[0]),
                str(ordered["source_id"].iloc[0]),
            )
        profiles: dict[str, tuple[int, NDArray[np.float64], NDArray[np.float64]]] = {}
        for (zone, year), part in tables.frame("hour_profiles").groupby(["zone_id", "year"], sort=True):
            mean, std = np.full((12, 24), np.nan), np.full((12, 24), np.nan)
            month = part["month"].to_numpy(dtype=np.int64) - 1
            hour = part["hour_local"].to_numpy(dtype=np.int64)
            mean[month, hour] = part["mean_native_per_mwh"].to_numpy(dtype=np.float64)
            std[month, hour] = part["std_native_per_mwh"].to_numpy(dtype=np.float64)
            profiles[str(zone)] = (int(year), mean, std)
        means: dict[tuple[str, int], tuple[float, float, str, str]] = {}
        rank = {name: place for place, name in enumerate(GRANULARITY)}
        records = sorted(
            tables.frame("wholesale").to_dict("records"),
            key=lambda row: (
                row["zone_id"],
                row["year"],
                rank.get(row["granularity"], 9),
                row["granularity"],
            ),
        )
        for row in records:
            means.setdefault(
                (str(row["zone_id"]), int(row["year"])),
                (
                    float(row["mean_usd_per_mwh"]),
                    float(row["mean_native_per_mwh"]),
                    str(row["granularity"]),
                    str(row["quality"]),
                ),
            )
        return _Shapes(ratio, curves, profiles, means)

    result = tables.memo("prices.shapes", make)
    assert isinstance(result, _Shapes)
    return result


def _nearest_year(years: Sequence[int], year: int) -> int:
    return min(years, key=lambda other: (abs(other - year), -other))


def _curve_of_zone(shapes: _Shapes, zones: Zones, zone: str, year: int) -> dict[str, Any] | None:
    """Curve of one market zone in a year: its own, or a borrowed shape scaled to its mean."""
    flags: list[str] = []
    quality: list[str] = []
    own_years = [y for (name, y) in shapes.means if name == zone]
    if not own_years:
        return None
    mean_year = _nearest_year(own_years, year)
    mean_usd, _, granularity, mean_quality = shapes.means[zone, mean_year]
    quality.append(mean_quality)
    if granularity not in GRANULARITY:
        flags.append(f"mean of {granularity} values, not of all hours")
        quality.append("estimate")
    if mean_year != year:
        country = zone.split("-")[0]
        pair = [shapes.means.get((country, y)) for y in (mean_year, year)]
        if country != zone and pair[0] and pair[1]:
            mean_usd *= pair[1][0] / pair[0][0]
            flags.append(f"mean of {mean_year} scaled to {year} by the country's means")
        else:
            neighbor = zones.of(zone, "shape_proxy_zone_id")
            near = [y for (name, y) in shapes.means if name == neighbor]
            if year in near and neighbor.split("-")[0] == country:
                then = _nearest_year(near, mean_year)
                mean_usd *= shapes.means[neighbor, year][0] / shapes.means[neighbor, then][0]
                flags.append(f"mean of {mean_year} scaled to {year} by the means of {neighbor}")
            else:
                flags.append(f"mean of {mean_year}, none for {year}")
        quality.append("estimate")
    shape_zone = zone
    if not any(name == zone for name, _ in shapes.curves):
        shape_zone = zones.of(zone, "shape_proxy_zone_id")
        if not any(name == shape_zone for name, _ in shapes.curves):
            return None
        flags.append(f"shape borrowed from {shape_zone}")
        quality.append("estimate")
    shape_year = _nearest_year([y for name, y in shapes.curves if name == shape_zone], year)
    if shape_year != year:
        flags.append(f"shape of {shape_year}")
        quality.append("estimate")
    price, cumulative, shape_quality, source = shapes.curves[shape_zone, shape_year]
    quality.append(shape_quality)
    scale = mean_usd / cumulative[-1]
    result: dict[str, Any] = {
        "price": price * scale,
        "cumulative": cumulative * scale,
        "mean": mean_usd,
        "quality": worst_of(*quality),
        "flags": "; ".join(flags),
        "source": source,
        "profile": np.full((12, 24), np.nan),
        "deviation": np.full((12, 24), np.nan),
    }
    profile = shapes.profiles.get(zone) or shapes.profiles.get(zones.of(shape_zone, "shape_proxy_zone_id"))
    profile = profile or shapes.profiles.get(shape_zone)
    if profile is not None:
        weight = mean_usd / float(np.nanmean(profile[1]))
        result["profile"], result["deviation"] = profile[1] * weight, profile[2] * weight
    return result


def market_curves(tables: Tables, sites: pd.DataFrame, *, year: int | None = None) -> MarketCurves:
    """Price duration curves of one year, the same year for all sites, in USD.

    A zone without hours in that year takes its nearest year, or the shape of a named other zone, scaled to
    its own mean of the year; each such step makes it an ``estimate`` and is flagged.

    Parameters
    ----------
    tables
        The tables.
    sites
        Columns ``wholesale_zone_id`` and ``zone_id`` are used.
    year
        Historical year, 2020 to 2024; default 2024.

    Returns
    -------
    MarketCurves
        Curves by market zone; sites without a market have ``site_zone`` -1.
    """
    chosen = CURVE_YEAR if year is None else year
    shapes, zones = _shapes(tables), load_zones(tables)
    known: dict[str, dict[str, Any] | None] = {}
    names: list[str] = []
    for zone, _, market in zip(*site_keys(sites), strict=True):
        name = market or zones.of(zone, "wholesale_zone_id")
        names.append(name)
        if name and name not in known:
            known[name] = _curve_of_zone(shapes, zones, name, chosen)
    used = sorted(name for name, curve in known.items() if curve is not None)
    place = {name: row for row, name in enumerate(used)}
    found: list[dict[str, Any]] = [curve for name in used if (curve := known[name]) is not None]
    points = len(shapes.ratio)

    def stack(key: str, *shape: int) -> NDArray[np.float64]:
        empty = np.zeros((0, *shape))
        return np.stack([np.asarray(c[key], dtype=np.float64) for c in found]) if found else empty

    return MarketCurves(
        year=chosen,
        zone_ids=tuple(used),
        site_zone=np.array([place.get(name, -1) for name in names], dtype=np.int64),
        hours_ratio=shapes.ratio,
        price_usd_per_mwh=stack("price", points),
        cumulative_usd_per_mwh=stack("cumulative", points),
        mean_usd_per_mwh=np.array([c["mean"] for c in found], dtype=np.float64),
        profile_mean_usd_per_mwh=stack("profile", 12, 24),
        profile_std_usd_per_mwh=stack("deviation", 12, 24),
        quality=tuple(str(c["quality"]) for c in found),
        flags=tuple(str(c["flags"]) for c in found),
        source_ids=tuple(str(c["source"]) for c in found),
    )


def wholesale_base(
    tables: Tables, sites: pd.DataFrame, years: Sequence[float] | NDArray[np.float64]
) -> NDArray[np.float64]:
    """Market mean of each site in the year of its delivered price (nearest year known). [USD/MWh]

    Parameters
    ----------
    tables
        The tables.
    sites
        Columns ``wholesale_zone_id`` and ``zone_id`` are used.
    years
        Year of each delivered price, shape (S,); NaN gives NaN.

    Returns
    -------
    ndarray, shape (S,)
        NaN for sites without a market.
    """
    shapes, zones = _shapes(tables), load_zones(tables)
    result = np.full(len(sites), np.nan)
    for row, (zone, _, market) in enumerate(zip(*site_keys(sites), strict=True)):
        name = market or zones.of(zone, "wholesale_zone_id")
        known = [y for (other, y) in shapes.means if other == name]
        if known and np.isfinite(years[row]):
            result[row] = shapes.means[name, _nearest_year(known, int(years[row]))][0]
    return result
