"""Who wins as latency gains worth or racks gain power: exact break points, no grid of trial values.

With swing weights the score of a site is, up to a factor common to all sites, ``k * A + worth * R``: ``A``
is the sum of swing x value of price, water and cooling at the profile's rack power, ``R`` the value of
reach, ``k`` the rack power over that of the profile. Along either axis each site is a straight line and the
winners are the upper envelope of the lines. The winner depends on ``worth / k`` alone, until a density
gate changes the admissible technologies; such gates enter as further evaluations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from dcsite.errors import DcsiteError, UsageError
from dcsite.scoring.criteria import MAIN, with_anchors
from dcsite.scoring.ranking import best_technology, eligible_rows, with_names, workload_name
from dcsite.scoring.weights import Weights, scenario_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from dcsite.physics.evaluation import Evaluation
    from dcsite.scoring.criteria import Criterion
    from dcsite.spec.workload import Profile

RACK_FACTOR_MAX = 16.0
"""Right end of the rack-power axis, over the power of the profile's rack (a choice)."""

WORTH_SPAN = 2.0
"""Right end of the worth axis over the profile's own worth, so that the profile stands mid-way (a choice)."""

WORTH_MAX_USD_PER_RACK_YEAR = 16_000.0
"""Right end of the worth axis where the profile's worth is zero (a choice)."""

_SAME = 1e-12


@dataclass(frozen=True)
class Interval:
    """A stretch of an axis with one winner.

    Attributes
    ----------
    start, end
        Ends of the stretch, in the unit of the axis.
    sentence
        The same in words.
    """

    start: float
    end: float
    site_id: str
    name: str
    technology: str
    sentence: str


@dataclass(frozen=True)
class Spectrum:
    """Winners along worth of latency and along rack power.

    Attributes
    ----------
    worth
        Intervals along the worth of latency, at the profile's rack power. [USD per rack-year]
    rack
        Intervals along rack power over the profile's, at the profile's worth of latency. [-]
    worth_now_usd_per_rack_year, rack_kw
        Where the profile itself stands.
    lines
        One row per site: ``site_id, name, technology, running_value_usd_per_rack_year`` (``A``),
        ``reach_value_ratio`` (``R``), ``wins`` (on either axis).
    """

    workload: str
    profile: str
    worth: tuple[Interval, ...]
    rack: tuple[Interval, ...]
    worth_now_usd_per_rack_year: float
    worth_max_usd_per_rack_year: float
    rack_kw: float
    rack_factor_max: float
    lines: pd.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def table(self) -> pd.DataFrame:
        """Both axes as one frame: ``axis, unit, from, to, site_id, name, technology, sentence``."""
        rows = [
            {
                "axis": axis,
                "unit": unit,
                "from": interval.start,
                "to": interval.end,
                "site_id": interval.site_id,
                "name": interval.name,
                "technology": interval.technology,
                "sentence": interval.sentence,
            }
            for axis, unit, intervals in (
                ("worth_of_latency", "USD/rack-year", self.worth),
                ("rack_power", "x rack power of the profile", self.rack),
            )
            for interval in intervals
        ]
        return pd.DataFrame(rows)

    def winner(
        self, *, worth_usd_per_rack_year: float | None = None, rack_factor: float | None = None
    ) -> str:
        """Site that wins at one point of one axis.

        Raises
        ------
        ValueError
            If not exactly one point is given, or it lies outside the axis.
        """
        if (worth_usd_per_rack_year is None) == (rack_factor is None):
            message = "give either worth_usd_per_rack_year or rack_factor"
            raise ValueError(message)
        intervals, at = (
            (self.worth, worth_usd_per_rack_year)
            if worth_usd_per_rack_year is not None
            else (self.rack, rack_factor)
        )
        assert at is not None
        for interval in intervals:
            if interval.start <= at <= interval.end:
                return interval.site_id
        message = f"{at:g} lies outside {intervals[0].start:g}..{intervals[-1].end:g}"
        raise ValueError(message)


def upper_envelope(
    intercept: ArrayLike, slope: ArrayLike, start: float, end: float
) -> list[tuple[float, float, int]]:
    """Upper envelope of the lines ``intercept + slope * t`` on ``start..end``.

    Parameters
    ----------
    intercept, slope : array_like, shape (S,)
        The lines; of equal lines the first one wins.

    Returns
    -------
    list of (from, to, line)
        Stretches in order; they join without gap, and no stretch is empty unless ``start == end``.

    Raises
    ------
    ValueError
        If there is no line, a figure is not finite, or ``end < start``.

    Examples
    --------
    >>> upper_envelope([10, 8, 0], [0, 1, 2], 0, 10)
    [(0.0, 2.0, 0), (2.0, 8.0, 1), (8.0, 10.0, 2)]
    """
    a = np.asarray(intercept, dtype=np.float64)
    b = np.asarray(slope, dtype=np.float64)
    if not len(a) or not (np.isfinite(a).all() and np.isfinite(b).all()) or end < start:
        message = f"an envelope needs finite lines and start <= end, got {len(a)} lines on {start:g}..{end:g}"
        raise ValueError(message)
    here = float(start)
    at_start = a + b * here
    level = at_start.max()
    size = float(np.abs(at_start).max()) + 1.0
    level_lines = np.flatnonzero(at_start >= level - _SAME * size)
    current = int(level_lines[np.argmax(b[level_lines])])
    found: list[tuple[float, float, int]] = []
    while True:
        steeper = np.flatnonzero(b > b[current] + _SAME * (abs(b[current]) + 1.0))
        if len(steeper):
            crossing = (a[current] - a[steeper]) / (b[steeper] - b[current])
            nearest = max(float(crossing.min()), here)
        if not len(steeper) or nearest >= end:
            found.append((here, float(end), current))
            return found
        tied = steeper[crossing <= nearest + _SAME * (abs(nearest) + 1.0)]
        if nearest > here:
            found.append((here, nearest, current))
        here = nearest
        current = int(tied[np.argmax(b[tied])])


@dataclass(frozen=True)
class _Lines:
    frame: pd.DataFrame
    running: NDArray[np.float64]
    reach: NDArray[np.float64]


def _lines_of(
    evaluation: Evaluation,
    workload: str,
    sites: Sequence[str] | None,
    criteria: dict[str, Criterion],
    like: Profile | None = None,
) -> _Lines:
    """Lines of the sites: swings at the rack power of ``like`` (default: the evaluation's own profile)."""
    profile = like or evaluation.profiles[workload]
    derived = scenario_weights(profile, evaluation.scenario, criteria=criteria)
    swing = dict(derived.swing_usd_per_rack_year)
    # Reach is needed whatever it is worth: the axis gives it every worth.
    needed = Weights({name: 1.0 if name == "latency" or swing[name] > 0 else 0.0 for name in MAIN}, swing)
    rows, _ = eligible_rows(evaluation, workload, needed, criteria)
    if sites is not None:
        rows = rows[rows["site_id"].isin(set(sites))]
    if rows.empty:
        message = f"no site is left for the spectrum of '{workload}'"
        raise DcsiteError(message, hint="rank lists every excluded site with its reason")
    running = {name: swing[name] for name in MAIN if name != "latency"}
    best = with_names(best_technology(rows, criteria, Weights(running, running)), evaluation.sites)
    worth_of = np.zeros(len(best))
    for name, value in running.items():
        if value > 0:
            worth_of += value * criteria[name].value(best)
    span = abs(criteria["latency"].worst - criteria["latency"].best)
    return _Lines(best, worth_of, criteria["latency"].value(best) * span)


def spectrum(
    evaluation: Evaluation,
    workload: str | None = None,
    sites: Sequence[str] | None = None,
    *,
    worth_max_usd_per_rack_year: float | None = None,
    rack_factor_max: float = RACK_FACTOR_MAX,
    gates: Sequence[tuple[float, Evaluation]] = (),
) -> Spectrum:
    """Winners along worth of latency and along rack power, with exact break points.

    Weights are the derived swing weights; weights given by the user have no worth in USD and are not used.

    Parameters
    ----------
    workload
        Name of the workload; default the first with users.
    sites
        Site ids to compare; default all that can be ranked.
    worth_max_usd_per_rack_year, rack_factor_max
        Right ends of the axes. [USD per rack-year], [-]
    gates
        ``(rack_kw, evaluation)``: from that rack power on, the technologies of this evaluation apply
        (its facts differ in what is admissible). Ascending in ``rack_kw``.

    Raises
    ------
    DcsiteError
        If the workload is unknown or has no users (no reach is known), or no site is left.
    """
    if workload is None:
        workload = next((name for name in evaluation.workloads if name in evaluation.markets), None)
    workload = workload_name(evaluation, workload)
    if workload not in evaluation.markets:
        message = (
            f"workload '{workload}' has no users, so there is no reach along whose worth winners could change"
        )
        raise DcsiteError(message, hint='name a market (users = "world") or a profile that serves users')
    for name, value, least in (
        ("worth_max_usd_per_rack_year", worth_max_usd_per_rack_year, 0.0),
        ("rack_factor_max", rack_factor_max, 1.0),
    ):
        if value is not None and not least < value < float("inf"):
            message = f"{name} must be above {least:g}, got {value:g}"
            raise UsageError(message)
    profile = evaluation.profiles[workload]
    criteria = with_anchors(evaluation.scenario.score.anchors)
    worth_now = profile.latency_worth_usd_per_rack_year
    worth_max = worth_max_usd_per_rack_year or (WORTH_SPAN * worth_now or WORTH_MAX_USD_PER_RACK_YEAR)
    lines = _lines_of(evaluation, workload, sites, criteria)
    worth = _told(
        [
            (start, end, lines, row)
            for start, end, row in upper_envelope(lines.running, lines.reach, 0.0, worth_max)
        ],
        axis="worth",
        rack_kw=profile.rack_kw,
    )
    edges = [(1.0, lines)]
    for gate_kw, other in gates:
        factor = max(1.0, gate_kw / profile.rack_kw)
        if factor < edges[-1][0]:
            message = "the gates must rise in rack power"
            raise ValueError(message)
        if factor < rack_factor_max:
            edges.append((factor, _lines_of(other, workload, sites, criteria, like=profile)))
    stretches = []
    for (start, part), end in zip(
        edges, [*(edge for edge, _ in edges[1:]), float(rack_factor_max)], strict=True
    ):
        if end > start:
            stretches += [
                (low, high, part, row)
                for low, high, row in upper_envelope(worth_now * part.reach, part.running, start, end)
            ]
    rack = _told(stretches, axis="rack", rack_kw=profile.rack_kw)
    winners = {interval.site_id for interval in (*worth, *rack)}
    frame = pd.DataFrame(
        {
            "site_id": lines.frame["site_id"],
            "name": [_name(row) for _, row in lines.frame.iterrows()],
            "technology": lines.frame["technology"],
            "running_value_usd_per_rack_year": lines.running,
            "reach_value_ratio": lines.reach,
            "wins": lines.frame["site_id"].isin(winners),
        }
    )
    notes = []
    if evaluation.scenario.score.weights is not None:
        notes.append(
            "The spectrum uses derived weights; the weights given in the scenario have no worth in USD."
        )
    if worth_now == 0:
        notes.append("The profile gives latency no worth: rack power changes no winner.")
    return Spectrum(
        workload=workload,
        profile=profile.name,
        worth=worth,
        rack=rack,
        worth_now_usd_per_rack_year=worth_now,
        worth_max_usd_per_rack_year=float(worth_max),
        rack_kw=profile.rack_kw,
        rack_factor_max=float(rack_factor_max),
        lines=frame,
        notes=tuple(notes),
    )


def _name(row: pd.Series) -> str:
    name = row.get("name")
    return str(name) if isinstance(name, str) and name else str(row["site_id"])


def _told(
    stretches: list[tuple[float, float, _Lines, int]], *, axis: Literal["worth", "rack"], rack_kw: float
) -> tuple[Interval, ...]:
    """Stretches as intervals with sentences; neighbors with the same site and technology are one."""
    joined: list[tuple[float, float, _Lines, int]] = []
    for start, end, lines, row in stretches:
        if joined:
            first, _, before, last = joined[-1]
            same = all(
                before.frame.at[last, key] == lines.frame.at[row, key] for key in ("site_id", "technology")
            )
            if same:
                joined[-1] = (first, end, lines, row)
                continue
        joined.append((start, end, lines, row))
    result = []
    for number, (start, end, lines, row) in enumerate(joined):
        frame = lines.frame.loc[row]
        stretch = (
            f"Latency worth {start:,.0f} to {end:,.0f} USD per rack-year"
            if axis == "worth"
            else f"Racks of {start * rack_kw:,.1f} to {end * rack_kw:,.1f} kW ({start:.2f}x to {end:.2f}x)"
        )
        figures = (
            f"{frame['effective_price_usd_per_mwh']:.1f} USD/MWh, {frame['overhead_mwh_per_mwh']:.3f} MWh overhead "
            f"per MWh IT, {frame['reach_ratio']:.0%} of the best reach"
        )
        sentence = f"{stretch}: {_name(frame)} wins ({figures})."
        if number:
            _, _, before, last = joined[number - 1]
            sentence += f" {_why(axis, before, last, lines, row)}"
        result.append(
            Interval(
                start=float(start),
                end=float(end),
                site_id=str(frame["site_id"]),
                name=_name(frame),
                technology=str(frame["technology"]),
                sentence=sentence,
            )
        )
    return tuple(result)


def _why(axis: str, before: _Lines, last: int, lines: _Lines, row: int) -> str:
    """What the new winner has over the one before."""
    old, new = before.frame.loc[last], lines.frame.loc[row]
    if before is not lines:
        return f"From there racks need other cooling ({new['technology']} instead of {old['technology']})."
    saving = float(lines.running[row] - lines.running[last])
    reach = f"its reach ({new['reach_ratio']:.0%} against {old['reach_ratio']:.0%})"
    if axis == "worth":
        return (
            f"From there {reach} outweighs running costs that are {-saving:,.0f} USD per rack-year higher "
            f"than {_name(old)}'s."
        )
    return (
        f"From there running costs, {saving:,.0f} USD per rack-year at 1x lower than {_name(old)}'s, outweigh "
        f"{reach}."
    )
