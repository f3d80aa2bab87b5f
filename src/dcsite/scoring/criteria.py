"""The criteria: which figure each one reads, between which anchors, and how uncertain it is.

A new criterion is one row here, one column of the facts, one test and one line of docs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dcsite.errors import ScenarioError
from dcsite.scoring.values import linear_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from dcsite.spec.scenario import Score


@dataclass(frozen=True)
class Criterion:
    """One criterion of the score.

    Attributes
    ----------
    name
        Key in ``--weights`` and ``[score]``.
    column
        Column of the facts, in real units.
    best, worst
        Anchors: value 1 and value 0.
    spread_column
        Column with the standard deviation of the figure, for ties and robustness.
    shared_by, shared_ratio
        Columns that may group sites (the first present counts), and the share of the error's variance that
        sites of one group have in common. Sites without a group err on their own.
    bounds
        Columns with the low end, the middle and the high end of the figure behind, taken as two standard
        deviations either way: where a row has them, draws fall and rise by different amounts.
    """

    name: str
    title: str
    column: str
    unit: str
    best: float
    worst: float
    spread_column: str
    note: str = ""
    shared_by: tuple[str, ...] = ()
    shared_ratio: float = 0.0
    bounds: tuple[str, str, str] | None = None

    def value(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Values of the rows of ``frame``, between 0 and 1; NaN where the figure is missing."""
        return linear_value(frame[self.column].to_numpy(dtype=np.float64), best=self.best, worst=self.worst)

    def spread(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Standard deviation of the value on its 0-1 scale; 0 where no table states one. [-]"""
        deviation = frame[self.spread_column].to_numpy(dtype=np.float64)
        scaled: NDArray[np.float64] = np.nan_to_num(deviation / abs(self.worst - self.best))
        return scaled

    def sides(self, frame: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Standard deviations of a fall and of a rise of the figure, on the value's 0-1 scale; None if alike.

        What the stated deviation holds beyond the bounds (the age of the row) adds to both sides. Bounds so
        wide that the stated deviation does not follow them are ceilings, not ranges, and are left out.
        """
        if self.bounds is None or any(name not in frame for name in self.bounds):
            return None
        low, middle, high = (frame[name].to_numpy(dtype=np.float64) for name in self.bounds)
        scale = abs(self.worst - self.best)
        spread = self.spread(frame) * scale
        quarter = (high - low) / 4.0
        known = np.isfinite(quarter) & (low < middle) & (middle < high) & (quarter <= spread * (1.0 + 1e-9))
        if not known.any():
            return None
        rest = np.sqrt(np.maximum(0.0, spread**2 - np.where(known, quarter, 0.0) ** 2))
        fall = np.where(known, np.hypot((middle - low) / 2.0, rest), spread)
        rise = np.where(known, np.hypot((high - middle) / 2.0, rest), spread)
        return fall / scale, rise / scale

    def groups(self, frame: pd.DataFrame) -> NDArray[np.int64] | None:
        """Number of the group of each row whose errors go together; None where all err on their own."""
        column = next((key for key in self.shared_by if key in frame.columns), None)
        if column is None or self.shared_ratio <= 0:
            return None
        known = frame[column].fillna("").astype(str)
        own = "\0" + pd.Series(np.arange(len(frame)), index=frame.index).astype(str)
        codes, _ = pd.factorize(known.where(known != "", own))
        return np.asarray(codes, dtype=np.int64)


TECHNOLOGY_SHARE_RATIO = 0.5
"""Share of the variance of a cooling figure that all sites with the same technology have in common: the
model of a technology errs alike everywhere, the site's weather and water do not (a choice)."""

COUNTRY_REACH_SHARE_RATIO = 0.4
"""Share of the variance of reach that the sites of a country have in common: gateways and long links are
the same, the way to them is not. Measured on metros left out of the fit of the latency model: two sites of
one country differ with 0.60 of the variance of two sites of two countries (``site_error_share`` in
``network/parameters.csv``; 293 and 622 pairs of sites, most of the former in the United States)."""

# Sites of one price zone read one tariff row, so its error is the same for all of them; likewise carbon of a
# zone and indices of a country.
CRITERIA: tuple[Criterion, ...] = (
    Criterion(
        "price",
        "Electricity price",
        "effective_price_usd_per_mwh",
        "USD/MWh",
        30.0,
        170.0,
        "price_sd_usd_per_mwh",
        "bare delivered price at the meter: no PUE inside; for interruptible loads the mean price of the hours run",
        shared_by=("price_zone_id",),
        shared_ratio=1.0,
        bounds=("price_low_usd_per_mwh", "price_usd_per_mwh", "price_high_usd_per_mwh"),
    ),
    Criterion(
        "water",
        "Water",
        "scarce_water_l_per_kwh",
        "L/kWh IT, scarcity-weighted",
        0.0,
        3.0,
        "scarce_water_sd_l_per_kwh",
        "on-site consumption of the chosen technology x difficulty of supply",
        shared_by=("technology",),
        shared_ratio=TECHNOLOGY_SHARE_RATIO,
    ),
    Criterion(
        "cooling",
        "Cooling load",
        "overhead_mwh_per_mwh",
        "MWh per MWh IT",
        0.05,
        0.40,
        "overhead_sd_mwh_per_mwh",
        "facility energy above IT energy; hours in which a load must stand still for heat count as overhead",
        shared_by=("technology",),
        shared_ratio=TECHNOLOGY_SHARE_RATIO,
    ),
    Criterion(
        "latency",
        "Reach of users",
        "reach_ratio",
        "share of the best possible reach",
        1.0,
        0.0,
        "reach_sd_ratio",
        "demand-weighted share of the market in reach, over the best that any place on land attains",
        shared_by=("country_iso3",),
        shared_ratio=COUNTRY_REACH_SHARE_RATIO,
    ),
    Criterion(
        "carbon",
        "Carbon",
        "carbon_kg_per_mwh",
        "kg per MWh IT",
        0.0,
        800.0,
        "carbon_sd_kg_per_mwh",
        "grid intensity x PUE; one accounting basis per ranking",
        shared_by=("carbon_zone_id", "price_zone_id"),
        shared_ratio=1.0,
    ),
    Criterion(
        "hazard",
        "Natural hazard",
        "hazard_index",
        "0-10",
        0.0,
        10.0,
        "hazard_sd_index",
        "INFORM for all",
        shared_by=("country_iso3",),
        shared_ratio=1.0,
    ),
    Criterion(
        "policy",
        "Country risk",
        "policy_index",
        "0-1, 1 is best",
        1.0,
        0.0,
        "policy_sd_index",
        "plain mean of WGI stability, rule of law and effectiveness, and CPI, each on 0-1",
        shared_by=("country_iso3",),
        shared_ratio=1.0,
    ),
    Criterion("capex", "Construction cost", "capex_usd_per_w", "USD/W", 6.0, 16.0, "capex_sd_usd_per_w", ""),
    Criterion(
        "time_to_power",
        "Time to power",
        "time_to_power_years",
        "years",
        0.0,
        8.0,
        "time_to_power_sd_years",
        "blank where no source states one",
    ),
    Criterion(
        "grid_strength",
        "Generation nearby",
        "generation_nearby_gw",
        "GW, distance-decayed",
        30.0,
        0.0,
        "generation_sd_gw",
        "nameplate nearby is not power that can be bought",
    ),
)

BY_NAME = {criterion.name: criterion for criterion in CRITERIA}
MAIN = ("price", "water", "cooling", "latency")
"""Criteria with a derived default weight; the others have weight 0 unless asked for."""


def own_columns(name: str) -> tuple[str, str]:
    """Columns of the facts that hold a criterion of the scenario and its standard deviation."""
    return f"own_{name}", f"own_{name}_sd"


def criteria_of(score: Score) -> dict[str, Criterion]:
    """Criteria of a scenario: the built-in ones between its anchors, then its own.

    Raises
    ------
    ScenarioError
        If an anchor cannot be used.
    """
    found = with_anchors(score.anchors)
    for name, own in score.own.items():
        column, spread = own_columns(name)
        title = own.title or name.replace("_", " ").capitalize()
        found[name] = Criterion(
            name, title, column, own.unit, own.best, own.worst, spread, "a criterion of the scenario"
        )
    return found


def with_anchors(anchors: Mapping[str, tuple[float, float]]) -> dict[str, Criterion]:
    """Return the criteria with some anchors replaced by (best, worst).

    Raises
    ------
    ScenarioError
        If a criterion is unknown, an anchor is not finite, or best and worst are equal or change sides
        (a high price can be no one's best).
    """
    result = dict(BY_NAME)
    for name, (best, worst) in anchors.items():
        if name not in BY_NAME:
            message = f"score.anchors.{name}: unknown criterion"
            raise ScenarioError(message, hint=f"the criteria are {', '.join(BY_NAME)}")
        usual = BY_NAME[name]
        span = worst - best
        if not np.isfinite(span) or span * (usual.worst - usual.best) <= 0:
            side = "below" if usual.best < usual.worst else "above"
            message = f"score.anchors.{name}: best must be {side} worst, got ({best:g}, {worst:g})"
            raise ScenarioError(
                message, hint=f"the default is ({usual.best:g}, {usual.worst:g}) {usual.unit}"
            )
        result[name] = replace(usual, best=best, worst=worst)
    return result
