"""A plan as a person and the reports read it: frames in real units, with the claim and what it rests on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from dcsite.optimize.futures import FUTURES, ROBUSTNESS
from dcsite.optimize.inputs import MWH_PER_GWH, M, rtt_of
from dcsite.optimize.model import license_cost

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dcsite.optimize.inputs import Floats, Inputs
    from dcsite.optimize.model import Index
    from dcsite.optimize.problem import Problem
    from dcsite.physics.evaluation import Evaluation
    from dcsite.spec.scenario import Scenario

MONTHS_PER_YEAR = 12.0
SMALL_MW = 1.0e-8
"""Amounts below this are not shown. [MW]"""

PLACEMENTS = (
    "period",
    "site_id",
    "technology",
    "kind",
    "existing",
    "workload",
    "it_mw",
    "spare_mw",
    "share_ratio",
    "energy_mwh_per_year",
    "carbon_t_per_year",
    "water_m3_per_year",
    "grid_mw",
    "cost_usd_per_year",
)
HALLS = (
    "period",
    "site_id",
    "technology",
    "kind",
    "existing",
    "built_mw",
    "used_mw",
    "land_m2",
    "cash_usd",
    "capital_usd_per_year",
)
SERVED = (
    "period",
    "workload",
    "point",
    "point_number",
    "country_iso3",
    "site_id",
    "mw",
    "share_ratio",
    "rtt_ms",
    "covered",
)
WAITS = (
    "site_id",
    "time_to_power_low_years",
    "time_to_power_years",
    "time_to_power_high_years",
    "time_to_power_quality",
    "wait_years",
    "wait_usd",
    "idle_usd_per_month",
    "capital_usd",
)
RUNS = ("period", "site_id", "technology", "kind", "workload", "block", "run_mwh_per_year")
FUTURE_RUNS = ("future", *RUNS)
LIMITS = ("family", "label", "unit", "value", "limit", "slack", "binding")


@dataclass(frozen=True)
class Solution:
    """The arrays behind a plan: kept in memory for explanations, never written as text."""

    inputs: Inputs
    problem: Problem
    index: Index
    x: Floats
    bound: float


@dataclass(frozen=True)
class Plan:
    """What to build where, what it costs, and how far that is proved.

    Attributes
    ----------
    status
        ``optimal`` (asked gap proved, plan re-computed without the solver), ``limit`` (a limit stopped the
        proof) or ``infeasible``.
    objective_usd_per_year, bound_usd_per_year, gap
        Annual cost recomputed from the facts; no plan can cost less than the bound; their relative
        distance. With another objective than cost see ``goal``.
    goal, goal_value, goal_bound, goal_unit
        What was minimized, its value, bound and unit.
    verified
        Whether cost and every limit were recomputed from the facts without the model and held.
    solver, nodes, limit_hit
        Who solved it, how many branches, and which limit stopped it.
    cost_parts
        Parts of the annual cost; they add up to the objective. [USD/year]
    placements, halls, served, runs, limits
        Frames; columns as in this module's tuples.
    dropped
        What was left out before the model was built, with the reason.
    futures, robustness
        Cost in each future, and the price of robustness beside the plan that is best at the listed facts;
        empty unless the objective looks at futures (columns in :mod:`dcsite.optimize.futures`).
    future_runs
        Energy of interruptible loads in each future.
    """

    status: Literal["optimal", "limit", "infeasible"]
    objective_usd_per_year: float
    bound_usd_per_year: float
    gap: float
    verified: bool
    solver: str
    nodes: int
    cost_parts: Mapping[str, float]
    placements: pd.DataFrame
    halls: pd.DataFrame
    served: pd.DataFrame
    runs: pd.DataFrame
    limits: pd.DataFrame
    dropped: pd.DataFrame
    scenario: Scenario
    evaluation: Evaluation | None
    cost_npv_usd: float = float("nan")
    capex_usd: float = float("nan")
    it_mw: float = float("nan")
    carbon_t_per_year: float = float("nan")
    carbon_kg_per_mwh: float = float("nan")
    water_m3_per_year: float = float("nan")
    mean_rtt_ms: float = float("nan")
    goal: str = "cost"
    goal_value: float = float("nan")
    goal_bound: float = float("nan")
    goal_unit: str = "USD/year"
    asked_gap: float = 0.001
    limit_hit: str = ""
    problem_digest: str = ""
    notes: tuple[str, ...] = ()
    futures: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(FUTURES)))
    robustness: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(ROBUSTNESS)))
    future_runs: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(FUTURE_RUNS)))
    solution: Solution | None = field(default=None, repr=False, compare=False)

    @property
    def waits(self) -> pd.DataFrame:
        """When power comes to its sites, and what waiting costs (:func:`waits_of`)."""
        return waits_of(self)

    @property
    def sites(self) -> list[str]:
        """Sites that carry load in the last period, sorted."""
        frame = self.placements
        if frame.empty:
            return []
        last = frame["period"].iloc[-1] if len(set(frame["period"])) > 1 else None
        shown = frame if last is None else frame[frame["period"] == max(frame["period"])]
        return sorted(set(shown["site_id"]))


def waits_of(plan: Plan) -> pd.DataFrame:
    """When power comes to the sites of a plan and what waiting for it costs, columns :data:`WAITS`.

    The wait is its mean over the spread of the date, beyond construction; a month of it leaves the site's capital
    idle, priced at the discount rate. Blank where no source states a date; empty where none is known at all.
    """
    evaluation = plan.evaluation
    empty = pd.DataFrame(columns=list(WAITS))
    if evaluation is None or "wait_years" not in evaluation.facts or plan.placements.empty:
        return empty
    used = set(zip(plan.placements["site_id"], plan.placements["workload"], strict=True))
    facts = evaluation.facts
    keys = list(zip(facts["site_id"], facts["workload"], strict=True))
    own = facts[[key in used for key in keys]].sort_values("wait_years", na_position="first", kind="stable")
    own = own.drop_duplicates("site_id", keep="last").set_index("site_id")
    if own["wait_years"].isna().all():
        return empty
    new = plan.halls[~plan.halls["existing"].astype(bool)] if len(plan.halls) else plan.halls
    capital = new.groupby("site_id")["cash_usd"].sum() if len(new) else pd.Series(dtype=float)
    month = (1.0 + plan.scenario.discount_rate) ** (1.0 / MONTHS_PER_YEAR) - 1.0
    rows = []
    for site in plan.sites:
        stands = float(capital.get(site, 0.0))
        waits = float(own.at[site, "wait_years"])
        rows.append(
            {
                "site_id": site,
                **{name: own.at[site, name] for name in WAITS[1:5]},
                "wait_years": waits,
                "capital_usd": stands,
                "idle_usd_per_month": stands * month,
                "wait_usd": stands * month * waits * MONTHS_PER_YEAR,
            }
        )
    return pd.DataFrame(rows, columns=list(WAITS))


def frames_of(inputs: Inputs, index: Index, x: Floats, evaluation: Evaluation) -> dict[str, pd.DataFrame]:
    """Turn column values into the frames of a plan."""
    return {
        "placements": _placements(inputs, index, x),
        "halls": _halls(inputs, index, x),
        "served": _served(inputs, index, x, evaluation),
        "runs": _runs(inputs, index, x),
    }


def values_at(x: Floats, columns: Any) -> Floats:  # noqa: ANN401  (index arrays)
    """Values at columns, zero where a column is absent."""
    return np.where(columns >= 0, x[np.maximum(columns, 0)], 0.0)


def _frame(rows: list[dict[str, Any]], names: tuple[str, ...]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(names))
    for name in frame.columns:
        if name.endswith(("_mw", "_ratio", "_year", "_usd", "_ms", "_m2")) or name == "mw":
            frame[name] = frame[name].astype("float64")
    return frame


def _hall_words(inputs: Inputs, h: int) -> dict[str, Any]:
    return {
        "site_id": inputs.site_ids[inputs.hall_site[h]],
        "technology": inputs.technologies[inputs.hall_technology[h]],
        "kind": inputs.kinds[inputs.hall_kind[h]] if not inputs.hall_existing[h] else "existing",
        "existing": bool(inputs.hall_existing[h]),
    }


def _placements(inputs: Inputs, index: Index, x: Floats) -> pd.DataFrame:
    place, spare = values_at(x, index.place), values_at(x, index.spare)
    run = np.zeros_like(place)
    carbon = np.nan_to_num(inputs.carbon)[:, None] * place
    carbon[np.isnan(inputs.carbon)] = np.nan
    water = inputs.water[:, None] * place
    cost = (inputs.operating_total - inputs.credit) * place
    if index.run.size:
        energy = x[index.run]
        np.add.at(run, inputs.runs.slot, energy)
        np.add.at(carbon, inputs.runs.slot, energy * inputs.runs.carbon[:, None])
        np.add.at(water, inputs.runs.slot, energy * inputs.runs.water[:, None])
        np.add.at(cost, inputs.runs.slot, energy * inputs.runs.net[:, None])
    cost = cost + _peak_charges(inputs, index, x, place, spare)
    rows = []
    for p, period in enumerate(inputs.period_names):
        total = np.bincount(inputs.slot_workload, weights=place[:, p], minlength=len(inputs.workloads))
        for n in range(len(inputs.slot_hall)):
            if place[n, p] <= SMALL_MW and spare[n, p] <= SMALL_MW:
                continue
            w = int(inputs.slot_workload[n])
            rows.append(
                {
                    "period": period,
                    **_hall_words(inputs, int(inputs.slot_hall[n])),
                    "workload": inputs.workloads[w].name,
                    "it_mw": float(place[n, p]),
                    "spare_mw": float(spare[n, p]),
                    "share_ratio": float(place[n, p] / total[w]) if total[w] > 0 else 0.0,
                    "energy_mwh_per_year": float((inputs.energy[n] * place[n, p] + run[n, p]) * MWH_PER_GWH),
                    "carbon_t_per_year": float(carbon[n, p] * 1000.0),
                    "water_m3_per_year": float(water[n, p] * 1000.0),
                    "grid_mw": float(inputs.pue_peak[n] * (place[n, p] + spare[n, p])),
                    "cost_usd_per_year": float(cost[n, p] * M),
                }
            )
    return _frame(rows, PLACEMENTS)


def _peak_charges(inputs: Inputs, index: Index, x: Floats, place: Floats, spare: Floats) -> Floats:
    """Demand charge of metered slots, (N, P): by what runs at the peak, or by all that is connected where that is billed."""
    charges = np.zeros_like(place)
    meters = inputs.meters
    if not index.peak.size:
        return charges
    peak = inputs.pue_peak[:, None]
    billed = x[index.peak]
    runs, connected = peak * meters.counts[:, None] * place, peak * (place + spare)
    for m in range(len(meters.site)):
        own = np.flatnonzero(meters.slot == m)
        for p in range(place.shape[1]):
            at_peak = float(runs[own, p].sum())
            split = runs[own, p] if at_peak >= billed[m, p] * (1 - 1e-9) else connected[own, p]
            if split.sum() > 0:
                charges[own, p] = meters.usd[m] * billed[m, p] * split / split.sum()
    return charges


def _halls(inputs: Inputs, index: Index, x: Floats) -> pd.DataFrame:
    opened, built = np.round(x[index.open]), x[index.built]
    load = np.zeros_like(built)
    np.add.at(load, inputs.slot_hall, values_at(x, index.place) + values_at(x, index.spare))
    rows = []
    for p, period in enumerate(inputs.period_names):
        for h in range(len(inputs.hall_site)):
            if opened[h, p] < 0.5:
                continue
            before_open = opened[h, p - 1] if p else 0.0
            before_built = built[h, p - 1] if p else 0.0
            cash = inputs.opening[h, p] * (opened[h, p] - before_open)
            cash += inputs.capex[h, p] * (built[h, p] - before_built)
            standing = inputs.opening[h, p] * opened[h, p] + inputs.capex[h, p] * built[h, p]
            new = 0.0 if inputs.hall_existing[h] else 1.0
            rows.append(
                {
                    "period": period,
                    **_hall_words(inputs, h),
                    "built_mw": float(built[h, p]),
                    "used_mw": float(load[h, p]),
                    "land_m2": float(built[h, p] * inputs.scenario.land_m2_per_mw),
                    "cash_usd": float(cash * M * new),
                    "capital_usd_per_year": float(standing * inputs.crf * inputs.capital_factor[h] * M * new),
                }
            )
    return _frame(rows, HALLS)


def _served(inputs: Inputs, index: Index, x: Floats, evaluation: Evaluation) -> pd.DataFrame:
    arcs, points = inputs.arcs, inputs.points
    rows: list[dict[str, Any]] = []
    order = np.argsort(evaluation.sites.index.astype(str).to_numpy(), kind="stable")
    for p, period in enumerate(inputs.period_names):
        flow = x[index.serve[:, p]] if index.serve.size else np.zeros(0)
        for w in np.flatnonzero(inputs.has_arcs):
            load = inputs.workloads[w]
            market = evaluation.markets[load.name]
            rtt = rtt_of(evaluation, load)[order]
            limit = load.max_rtt_ms if load.max_rtt_ms is not None else np.inf
            own = points.workload[arcs.point] == w
            pairs = [
                (int(arcs.site[a]), int(points.number[arcs.point[a]]), float(flow[a]))
                for a in np.flatnonzero(own & (flow > SMALL_MW))
            ]
            pairs += _pool(inputs, index, x, int(w), p, rtt)
            demand = float(inputs.demand_mw[w, p]) or 1.0
            for s, u, mw in sorted(pairs):
                point = market.points.iloc[u]
                rows.append(
                    {
                        "period": period,
                        "workload": load.name,
                        "point": str(point["name"]),
                        "point_number": u,
                        "country_iso3": str(point["country_iso3"]),
                        "site_id": inputs.site_ids[s],
                        "mw": mw,
                        "share_ratio": mw / demand,
                        "rtt_ms": float(rtt[s, u]),
                        "covered": bool(rtt[s, u] <= limit),
                    }
                )
    return _frame(rows, SERVED)


def _pool(
    inputs: Inputs, index: Index, x: Floats, w: int, p: int, rtt: Floats
) -> list[tuple[int, int, float]]:
    """Assign the far users to the sites that have room for them, nearest pairs first."""
    if not inputs.pooled[w]:
        return []
    room = values_at(x, index.pooled[:, w, p])
    own = np.flatnonzero(inputs.points.workload == w)
    left = values_at(x, index.uncovered[own, p])
    number = inputs.points.number[own]
    sites, users = np.flatnonzero(room > SMALL_MW), np.flatnonzero(left > SMALL_MW)
    if not len(sites) or not len(users):
        return []
    near = rtt[np.ix_(sites, number[users])]
    pairs = []
    for flat in np.argsort(near, axis=None, kind="stable"):
        i, j = divmod(int(flat), len(users))
        amount = min(room[sites[i]], left[users[j]])
        if amount > SMALL_MW:
            room[sites[i]] -= amount
            left[users[j]] -= amount
            pairs.append((int(sites[i]), int(number[users[j]]), float(amount)))
    return pairs


def _runs(inputs: Inputs, index: Index, x: Floats) -> pd.DataFrame:
    rows = []
    for p, period in enumerate(inputs.period_names):
        for r in range(len(inputs.runs.slot)):
            energy = float(x[index.run[r, p]])
            if energy <= SMALL_MW:
                continue
            n = int(inputs.runs.slot[r])
            words = _hall_words(inputs, int(inputs.slot_hall[n]))
            words.pop("existing")
            rows.append(
                {
                    "period": period,
                    **words,
                    "workload": inputs.workloads[inputs.slot_workload[n]].name,
                    "block": int(inputs.runs.block[r]),
                    "run_mwh_per_year": energy * MWH_PER_GWH,
                }
            )
    return _frame(rows, RUNS)


def future_runs_of(
    names: Sequence[str], inputs: Sequence[Inputs], indices: Sequence[Index], x: Floats
) -> pd.DataFrame:
    """Energy of interruptible loads in each future, columns :data:`FUTURE_RUNS`."""
    parts = [
        _runs(case, index, x).assign(future=name)[list(FUTURE_RUNS)]
        for name, case, index in zip(names, inputs, indices, strict=True)
    ]
    parts = [part for part in parts if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else _frame([], FUTURE_RUNS)


def license_fees_usd(inputs: Inputs, index: Index, x: Floats) -> float:
    """Annual cost of the licenses that the plan uses. [USD/year]"""
    if not index.license.size:
        return 0.0
    held = np.round(x[index.license])
    return float((held * inputs.weight).sum() * license_cost(inputs) * inputs.crf)
