"""The facts of a run: what each site gives each workload with each technology, in real units.

:class:`Evaluation` is facts in USD, liters and milliseconds; a ranking is opinion and lives in
:mod:`dcsite.scoring`. Made by :mod:`dcsite.study`, read by scoring, the optimizer and the reports.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from dcsite.spec.scenario import Scenario
    from dcsite.spec.workload import Profile, Workload


@dataclass(frozen=True)
class Assumption:
    """A choice that the answer leans on: a default, a fallback, a filled value."""

    name: str
    value: str
    unit: str = ""
    note: str = ""


@dataclass(frozen=True)
class Market:
    """Users of a workload and how far they are from each site.

    Attributes
    ----------
    name, note
        Market as asked for, and what was reduced or left out.
    points
        U rows: ``name, country_iso3, lat, lon, weight_ratio`` (sums to 1).
    rtt_ms, rtt_model_p90_ms
        Modeled RTT site to point and its 90 % bound, shape (S, U). [ms]
    best_reach_ratio
        Best raw reach of any place on land for this market and profile. [-]
    site_error_share
        Share of the variance of the model's error that stays when sites are compared over these users. [-]
    """

    name: str
    note: str
    points: pd.DataFrame
    rtt_ms: NDArray[np.float64]
    rtt_model_p90_ms: NDArray[np.float64]
    best_reach_ratio: float
    site_error_share: float = 1.0


@dataclass(frozen=True)
class Evaluation:
    """Facts per site, workload and technology.

    Attributes
    ----------
    scenario
        The resolved scenario.
    workloads, profiles
        Workloads by name, and the profile of each with the workload's overrides applied.
    sites
        S rows, index ``site_id``: position, zone, water, hazards, capex, grid limit, flags.
    facts
        One row per admissible or refused (site_id, workload, technology); columns as in
        :data:`dcsite.spec.columns.FACTS`.
    markets
        Market of each workload that has users, by workload name.
    excluded
        ``site_id, workload, rule, reason, quality``: sites that a hard rule removes (workload empty: all).
    assumptions, notes
        What was assumed, and sentences the reader must see.
    vintage
        Ages of the data the answer leans on: kind to text.
    sources
        Used sources: ``source_id, title, year, license``.
    checksums
        Table name to sha256.
    """

    scenario: Scenario
    workloads: Mapping[str, Workload]
    profiles: Mapping[str, Profile]
    sites: pd.DataFrame
    facts: pd.DataFrame
    markets: Mapping[str, Market]
    excluded: pd.DataFrame
    assumptions: tuple[Assumption, ...] = ()
    notes: tuple[str, ...] = ()
    vintage: Mapping[str, str] = field(default_factory=dict)
    sources: pd.DataFrame | None = None
    checksums: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def of(self, workload: str) -> pd.DataFrame:
        """Facts of one workload, index (site_id, technology)."""
        rows = self.facts[self.facts["workload"] == workload]
        return rows.set_index(["site_id", "technology"], drop=False)
