"""Looking into the tables: which there are, what their columns mean, picking rows, all facts of a site.

Owns no figure; everything shown here is read elsewhere and stands beside its source.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dcsite.data import policy, prices
from dcsite.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dcsite.data.tables import Tables

CONDITION = re.compile(r"\s*([A-Za-z0-9_]+)\s*(>=|<=|!=|=|~|>|<)\s*(.*?)\s*")
OPERATORS = "= != ~ (contains) > >= < <="
SOURCE_FACTS = ("publisher", "title", "year", "license")


def table_list(tables: Tables) -> pd.DataFrame:
    """All tables and grids: ``table, folder, rows, columns, kb, license, origin``."""
    licenses: dict[str, str] = {}
    for folder, manifest in tables.manifest().items():
        for name, entry in manifest["files"].items():
            licenses[f"{folder}/{name}"] = entry.get("license", "")
    rows = []
    for name, path in tables.paths().items():
        own = tables.user is not None and path.is_relative_to(tables.user.path)
        root = tables.user.path if own and tables.user is not None else tables.shipped.path
        relative = path.relative_to(root).as_posix()
        if path.suffix == ".npz":
            count, width = 0, len(tables.grid(name))
        else:
            frame = tables.frame(name)
            count, width = len(frame), len(frame.columns)
        rows.append(
            {
                "table": name,
                "file": relative,
                "rows": count,
                "columns": width,
                "kb": round(path.stat().st_size / 1000, 1),
                "license": licenses.get(relative, "") if not own else "user's own",
                "origin": "user" if own else "shipped",
            }
        )
    return pd.DataFrame(rows).sort_values("file", kind="stable").reset_index(drop=True)


def column_list(tables: Tables, name: str) -> pd.DataFrame:
    """Columns of a table and what they mean: ``column, meaning, filled`` (share of cells with a value)."""
    frame = tables.frame(name)
    meaning = _meanings(tables, name)
    rows = []
    for column in frame.columns:
        values = frame[column]
        filled = values.notna() if values.dtype == np.float64 else values.astype(str) != ""
        share = float(filled.mean()) if len(frame) else 0.0
        rows.append({"column": column, "meaning": meaning.get(column, ""), "filled_ratio": round(share, 3)})
    return pd.DataFrame(rows)


def _meanings(tables: Tables, name: str) -> dict[str, str]:
    """Meanings of columns, from the README of the shipped folder."""
    found: dict[str, str] = {}
    for readme in sorted(tables.shipped.path.glob("*/README.md")):
        inside = False
        for line in readme.read_text(encoding="utf-8").splitlines():
            if line.startswith("## "):
                inside = line.removeprefix("## ").rsplit("/", 1)[-1].strip() == f"{name}.csv"
            elif inside and line.startswith("| `"):
                column, _, text = line.strip("| ").partition("` | ")
                found[column.strip("`")] = text.strip()
    return found


def select_rows(frame: pd.DataFrame, conditions: Sequence[str], option: str = "--where") -> pd.DataFrame:
    """Rows that meet all conditions such as ``country_iso3=USA``, ``tags~ai``, ``price_usd_per_mwh<50``.

    Several conditions in one text are divided by commas; ``a=x|y`` accepts either. Text is compared without
    case; a missing value meets no condition but ``!=``.

    Raises
    ------
    UsageError
        If a condition cannot be read, names no column, or compares text by size.
    """
    keep = np.ones(len(frame), dtype=bool)
    for text in (part for condition in conditions for part in condition.split(",") if part.strip()):
        match = CONDITION.fullmatch(text)
        if match is None:
            message = f"{option} {text}: not a condition"
            raise UsageError(message, hint=f"column=value; operators {OPERATORS}")
        column, operator, wanted = match.groups()
        if column not in frame:
            near = difflib.get_close_matches(column, list(frame.columns), n=1, cutoff=0.5)
            message = f"{option} {text}: no column '{column}'"
            raise UsageError(
                message, hint=f"did you mean '{near[0]}'?" if near else f"columns: {', '.join(frame.columns)}"
            )
        keep &= _meets(frame[column], operator, wanted, f"{option} {text}")
    return frame[keep].reset_index(drop=True)


def _meets(values: pd.Series[Any], operator: str, wanted: str, where: str) -> np.ndarray[Any, Any]:
    if pd.api.types.is_bool_dtype(values):
        values = values.map({True: "true", False: "false"})
    if pd.api.types.is_numeric_dtype(values) and operator != "~":
        numbers = values.to_numpy(dtype=np.float64)
        try:
            limits = [float(part) for part in wanted.split("|")]
        except ValueError:
            message = f"{where}: '{wanted}' is not a number"
            raise UsageError(message, hint=f"'{values.name}' holds numbers") from None
        if operator in ("=", "!="):
            same = np.isin(numbers, limits)
            return same if operator == "=" else ~same
        if len(limits) > 1:
            message = f"{where}: one number only with {operator}"
            raise UsageError(message, hint="a|b goes with = and !=")
        compare = {">": np.greater, ">=": np.greater_equal, "<": np.less, "<=": np.less_equal}[operator]
        result: np.ndarray[Any, Any] = compare(numbers, limits[0])
        return result
    texts = values.astype(str).str.lower()
    options = [part.strip().lower() for part in wanted.split("|")]
    if operator == "~":
        return np.array([any(option in text for option in options) for text in texts], dtype=bool)
    if operator in ("=", "!="):
        alike: np.ndarray[Any, Any] = texts.isin(options).to_numpy(dtype=bool)
        return alike if operator == "=" else ~alike
    message = f"{where}: '{values.name}' holds text, which {operator} cannot compare"
    raise UsageError(message, hint="use = != or ~")


def select_sites(sites: pd.DataFrame, conditions: Sequence[str]) -> pd.DataFrame:
    """Like :func:`select_rows`, with ``country=USA`` (code or name) and ``tag=ai`` as short forms.

    Raises
    ------
    UsageError
        As in :func:`select_rows`.
    """
    frame = sites
    for text in (part for condition in conditions for part in condition.split(",") if part.strip()):
        key, mark, value = text.partition("=")
        if mark and key.strip() == "tag":
            wanted = {part.strip().lower() for part in value.split("|")}
            known = sorted({tag for tags in sites["tags"] for tag in tags.split(",") if tag})
            lost = sorted(wanted - set(known))
            if lost:
                message = f"--where {text}: no site has the tag '{lost[0]}'"
                raise UsageError(message, hint=f"tags: {', '.join(known)}")
            frame = frame[[bool(wanted & set(tags.split(","))) for tags in frame["tags"]]]
        elif mark and key.strip() == "country":
            names = {part.strip().lower() for part in value.split("|")}
            all_names = set(sites["country_iso3"].str.lower()) | set(sites["country"].str.lower())
            for name in sorted(names - all_names):
                near = difflib.get_close_matches(name, sorted(all_names), n=1, cutoff=0.6)
                message = f"--where {text}: no site in '{name}'"
                raise UsageError(
                    message, hint=f"did you mean '{near[0]}'?" if near else "use an ISO3 code or a name"
                )
            by_code, by_name = frame["country_iso3"].str.lower(), frame["country"].str.lower()
            frame = frame[(by_code.isin(names) | by_name.isin(names)).to_numpy(dtype=bool)]
        else:
            frame = select_rows(frame, [text])
    return frame.reset_index(drop=True)


# --- one site ------------------------------------------------------------------------------------------

SHEET: tuple[tuple[str, str, str, str, str], ...] = (
    ("place", "lat", "deg", "", ""),
    ("place", "lon", "deg", "", ""),
    ("place", "country", "", "", ""),
    ("place", "admin1_code", "", "", ""),
    ("place", "tags", "", "", ""),
    ("place", "operating_mw", "MW", "mw_source_id", ""),
    ("place", "planned_mw", "MW", "mw_source_id", ""),
    ("power", "zone_id", "", "", ""),
    ("power", "wholesale_zone_id", "", "", ""),
    ("power", "grid_operator", "", "", ""),
    ("power", "price_usd_per_mwh", "USD/MWh", "price_source_id", "price_quality"),
    ("power", "carbon_g_per_kwh", "g/kWh", "carbon_source_id", "carbon_quality"),
    ("power", "years_low", "years", "connection_source_id", "connection_quality"),
    ("power", "years_high", "years", "connection_source_id", "connection_quality"),
    ("power", "generation_nearby_gw", "GW", "generation_source_id", ""),
    ("power", "generation_hydro_gw", "GW", "generation_source_id", ""),
    ("water", "water_kind", "", "", ""),
    ("water", "water_body", "", "", ""),
    ("water", "water_distance_km", "km", "", ""),
    ("water", "river_flow_m3_per_s", "m3/s", "", "river_flow_quality"),
    ("water", "water_stress_category", "0-4", "water_stress_source_id", "water_stress_quality"),
    ("water", "water_stress_ratio", "-", "water_stress_source_id", "water_stress_quality"),
    ("water", "water_price_usd_per_m3", "USD/m3", "water_price_source_id", "water_price_quality"),
    ("cost", "capex_usd_per_w", "USD/W", "capex_source_id", "capex_quality"),
    ("cost", "land_usd_per_m2", "USD/m2", "land_source_id", "land_quality"),
    ("risk", "hazard_index", "0-10", "hazard_source_id", "hazard_quality"),
    ("risk", "fema_loss_usd_per_musd", "USD per M USD-year", "fema_source_id", "fema_quality"),
    ("risk", "policy_index", "0-1", "policy_source_id", "policy_quality"),
    ("risk", "wgi_political_stability", "-2.5-2.5", "policy_source_id", ""),
    ("risk", "tax_ratio", "-", "policy_source_id", ""),
)
"""Group, column, unit, source column, quality column of the sheet of a site."""


def site_sheet(tables: Tables, sites: pd.DataFrame, *, operator_hq: str = "USA") -> pd.DataFrame:
    """All facts of one site: ``group, fact, value, unit, quality, source_id, note``.

    Missing figures stay in, without a value.

    Parameters
    ----------
    tables
        The tables.
    sites
        A sites frame with one row.
    operator_hq
        Country of the operator, for the export verdict.
    """
    site = sites.iloc[0].to_dict()
    price = prices.delivered_prices(tables, sites, customer_class="large_industrial").iloc[0]
    carbon = prices.carbon_intensity(tables, sites).iloc[0]
    grid = prices.connection(tables, sites).iloc[0]
    site |= {
        "price_usd_per_mwh": price["price_usd_per_mwh"],
        "price_source_id": price["source_id"],
        "price_quality": price["quality"],
        "carbon_g_per_kwh": carbon["carbon_g_per_kwh"],
        "carbon_source_id": carbon["source_id"],
        "carbon_quality": carbon["quality"],
        "years_low": grid["years_low"],
        "years_high": grid["years_high"],
        "connection_source_id": grid["source_id"],
        "connection_quality": grid["quality"],
    }
    notes = {
        "price_usd_per_mwh": f"{price['basis_used']}, {price['class_used']}, {price['zone_used']}",
        "capex_usd_per_w": str(site["capex_level"]),
        "water_stress_category": str(site["water_stress_level"]),
        "generation_nearby_gw": f"{site['generation_vintage']}; not power that can be bought",
        "hazard_index": "natural hazards of the country",
        "fema_loss_usd_per_musd": "average buildings of the county",
    }
    rows = []
    for group, column, unit, source, quality in SHEET:
        value = site.get(column)
        missing = value is None or value == "" or (isinstance(value, float) and np.isnan(value))
        rows.append(
            {
                "group": group,
                "fact": column,
                "value": "" if missing else f"{value:.6g}" if isinstance(value, float) else str(value),
                "unit": "" if missing else unit,
                "quality": "" if missing or not quality else str(site.get(quality, "")),
                "source_id": "" if missing or not source else str(site.get(source, "")),
                "note": "not known" if missing else notes.get(column, ""),
            }
        )
    country = str(site["country_iso3"])
    found = policy.verdicts(tables, [country], operator_hq=operator_hq)
    verdict = found.iloc[0] if len(found) else None
    law = policy.residency(tables).set_index("country_iso3")
    mining = policy.crypto_bans(tables).set_index("country_iso3")
    looked = "not looked up"
    rows.append(
        {
            "group": "rules",
            "fact": "accelerators",
            "value": "" if verdict is None else policy.WORDS[str(verdict["class"])],
            "unit": "",
            "quality": "" if verdict is None else str(verdict["quality"]),
            "source_id": "",
            "note": "no verdict"
            if verdict is None
            else f"{verdict['rule_set']} of {verdict['rule_date']}, operator from {operator_hq}; not legal advice",
        }
    )
    for fact, table, column in (("data_residency", law, "class"), ("crypto_mining", mining, "note")):
        known = country in table.index
        rows.append(
            {
                "group": "rules",
                "fact": fact,
                "value": str(table.loc[country, column]) if known else "",
                "unit": "",
                "quality": str(table.loc[country, "quality"]) if known else "",
                "source_id": str(table.loc[country, "source_id"]) if known else "",
                "note": "" if known else looked,
            }
        )
    return pd.DataFrame(rows)


def sources_of(tables: Tables, source_ids: Sequence[str]) -> pd.DataFrame:
    """Rows of the source list for some ids, each id once: ``source_id, publisher, title, year, license``."""
    frame = tables.sources().drop_duplicates("source_id")
    picked = frame[frame["source_id"].isin([s for s in source_ids if s])]
    return picked[["source_id", *SOURCE_FACTS]].reset_index(drop=True)
