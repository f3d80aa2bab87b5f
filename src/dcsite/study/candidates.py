"""Which sites are candidates: the catalog, the user's own, and what the scenario says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dcsite.data import places, userfiles
from dcsite.errors import Problem, ScenarioError
from dcsite.physics.evaluation import Assumption
from dcsite.study.exclusions import matching

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dcsite.data.tables import Tables
    from dcsite.spec.scenario import Scenario

PointText = str


def site_names(tables: Tables, texts: Iterable[str], frame: pd.DataFrame) -> list[str]:
    """Site ids for names as a user types them.

    Raises
    ------
    DcsiteError
        If a name fits no site or several (the message lists the choices).
    """
    return [places.resolve_site(tables, text, sites=frame) for text in texts]


def candidate_sites(
    scenario: Scenario,
    tables: Tables,
    *,
    points: Sequence[PointText] = (),
) -> tuple[pd.DataFrame, list[Assumption], list[str]]:
    """Collect the candidate sites of a scenario, index ``site_id``, sorted by id.

    Returns
    -------
    tuple
        Frame of sites, assumptions made, notes for the reader.

    Raises
    ------
    ScenarioError, DataError
        If a named site is unknown, a file is not usable, or nothing is left.
    """
    notes: list[str] = []
    assumptions: list[Assumption] = []
    parts = []
    if scenario.sites.catalog == "world":
        parts.append(places.catalog_sites(tables))
    if scenario.sites.file is not None:
        own = userfiles.load_sites(scenario.sites.file, tables)
        parts.append(own)
        notes.append(f"{len(own)} sites from {scenario.sites.file}")
    if points:
        parts.append(userfiles.points_as_sites(list(points), tables))
    frame = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    if frame.empty:
        message = "sites: no candidate sites"
        raise ScenarioError(message, hint='set catalog = "world" or give file = "sites.csv"')
    if frame["site_id"].duplicated().any():
        double = sorted(frame.loc[frame["site_id"].duplicated(), "site_id"])
        message = f"sites: id '{double[0]}' appears twice"
        raise ScenarioError(message, hint="give the sites of your file ids of their own")
    problems: list[Problem] = []

    def resolve(key: str, texts: Iterable[str]) -> list[str]:
        found = []
        for text in texts:
            try:
                found.append(places.resolve_site(tables, text, sites=frame))
            except Exception as error:  # noqa: BLE001  (reported below, all together)
                problems.append(
                    Problem(f"sites.{key}", getattr(error, "message", str(error)), getattr(error, "hint", ""))
                )
        return found

    only = resolve("only", scenario.sites.only) if scenario.sites.only is not None else None
    exclude = resolve("exclude", scenario.sites.exclude)
    require = resolve("require", scenario.sites.require)
    existing = resolve("existing", [entry.id for entry in scenario.sites.existing])
    override = resolve("override", [entry.id for entry in scenario.sites.override])
    if problems:
        message = f"sites: {len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise ScenarioError(message, tuple(problems))
    if only is not None:
        keep = set(only) | set(require) | {s for s in frame["site_id"] if s in set(existing)}
        if points:
            keep |= set(parts[-1]["site_id"])
        frame = frame[frame["site_id"].isin(keep)]
    frame = frame[~frame["site_id"].isin(set(exclude))]
    if scenario.sites.where:
        frame = frame[matching(frame, scenario.sites.where)]
    if frame.empty:
        message = "sites: no candidate is left after only, exclude and where"
        raise ScenarioError(message)
    frame = frame.sort_values("site_id", kind="stable").set_index("site_id", drop=False)
    frame.index.name = None
    if "grid_mw" not in frame:
        frame["grid_mw"] = np.nan
    frame = frame.copy()
    for column, default in (
        ("land_m2", np.nan),
        ("water_m3_per_year", np.nan),
        ("water_m3_per_hour", np.nan),
    ):
        if column not in frame:
            frame[column] = default
    for column in ("price_override_usd_per_mwh", "carbon_override_g_per_kwh", "capex_override_usd_per_mw"):
        if column not in frame:
            frame[column] = np.nan
    columns = {
        "grid_mw": "grid_mw",
        "land_m2": "land_m2",
        "water_m3_per_year": "water_m3_per_year",
        "water_m3_per_hour": "water_m3_per_hour",
        "water_group": "water_group",
        "price_usd_per_mwh": "price_override_usd_per_mwh",
        "carbon_g_per_kwh": "carbon_override_g_per_kwh",
        "capex_usd_per_mw": "capex_override_usd_per_mw",
    }
    for site_id, entry in zip(override, scenario.sites.override, strict=True):
        if site_id not in frame.index:
            continue
        for key, column in columns.items():
            value: Any = getattr(entry, key)
            if value is not None:
                if column not in frame:
                    frame[column] = ""
                frame.loc[site_id, column] = value
    frame["grid_mw_assumed"] = frame["grid_mw"].isna()
    count = int(frame["grid_mw_assumed"].sum())
    if count:
        assumptions.append(
            Assumption(
                "sites.default_grid_mw",
                f"{scenario.sites.default_grid_mw:g}",
                "MW",
                f"grid limit of {count} of {len(frame)} sites: no limit is known",
            )
        )
    frame["grid_mw"] = frame["grid_mw"].fillna(scenario.sites.default_grid_mw)
    frame["required"] = frame["site_id"].isin(set(require))
    return frame, assumptions, notes
