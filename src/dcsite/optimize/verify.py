"""Check a plan from the scenario and the facts alone: cost, and every limit, without the model's code.

Nothing of the model's arrays or families is used here. What the solver did is believed only if this module
finds the same cost and no violated limit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from scipy.optimize import linprog
from scipy.sparse import coo_array

from dcsite.optimize.futures import costs_in_futures
from dcsite.optimize.inputs import (
    accelerator_caps,
    matching,
    share_words,
    tier_words,
    where_words,
    zone_names,
)
from dcsite.optimize.plan import LIMITS
from dcsite.spec.futures import RISK_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dcsite.optimize.plan import Plan
    from dcsite.physics.evaluation import Evaluation
    from dcsite.spec.scenario import Scenario
    from dcsite.spec.workload import Profile, Workload

HOURS: Final = 8760.0
TOLERANCE: Final = 2.0e-6
"""Relative to the limit, on top of the absolute one; solvers keep rows to about 1e-7 of their own unit."""
ABSOLUTE: Final = 2.0e-5
NEAR: Final = 1.0e-4
"""A limit is binding when its slack is below this share of it."""


@dataclass(frozen=True)
class Verdict:
    """What the check found.

    Attributes
    ----------
    objective_usd_per_year, parts
        Cost recomputed from the facts, and its parts.
    limits
        One row per limit: value, limit, slack, whether it binds.
    violations
        Sentences, one per violated limit; empty is good.
    """

    objective_usd_per_year: float
    parts: Mapping[str, float]
    limits: pd.DataFrame
    violations: tuple[str, ...]
    npv_usd: float = float("nan")
    cash_usd: float = float("nan")
    it_mw: float = float("nan")
    carbon_t_per_year: float = float("nan")
    carbon_kg_per_mwh: float = float("nan")
    water_m3_per_year: float = float("nan")
    mean_rtt_ms: float = float("nan")
    goals: Mapping[str, float] = field(default_factory=dict)


def verify(plan: Plan, evaluation: Evaluation | None = None) -> list[str]:
    """List the violated limits of a plan, computed without the solver; empty is good."""
    facts = evaluation or plan.evaluation
    if facts is None:
        message = "the plan carries no facts; give the evaluation"
        raise ValueError(message)
    found = list(check(plan, facts).violations)
    if plan.scenario.objective.kind in RISK_KINDS:
        found += costs_in_futures(plan, facts)[1]
    return found


def check(plan: Plan, evaluation: Evaluation) -> Verdict:
    """Recompute cost and every limit of a plan from scenario and facts."""
    return _Check(plan, evaluation).verdict()


class _Check:
    def __init__(self, plan: Plan, evaluation: Evaluation) -> None:
        self.plan = plan
        self.evaluation = evaluation
        self.scenario: Scenario = plan.scenario
        self.sites = evaluation.sites
        self.loads: dict[str, Workload] = {load.name: load for load in self.scenario.workloads}
        self.profiles: Mapping[str, Profile] = evaluation.profiles
        facts = evaluation.facts
        keys = zip(facts["site_id"], facts["workload"], facts["technology"], strict=True)
        self.row_of = {key: number for number, key in enumerate(keys)}
        self.facts = facts.to_dict("list")
        self.rows: list[tuple[str, str, str, float, float, float]] = []
        self.bad: list[str] = []
        self._time()
        self._rows_of: dict[str, list[Any]] | None = None
        self._coupled_of: dict[tuple[str, str, str], bool] = {}
        self._runs_of: dict[tuple[str, ...], list[tuple[float, dict[str, float]]]] = {}

    # --- time ---------------------------------------------------------------------------------------------

    def _time(self) -> None:
        scenario, rate = self.scenario, self.scenario.discount_rate
        starts = [period.start for period in scenario.periods] or [scenario.as_of_year]
        self.names = [str(year) for year in starts] if scenario.periods else [""]
        self.starts = dict(zip(self.names, starts, strict=True))
        ends = [*starts[1:], starts[0] + scenario.horizon_years]
        self.years = {name: end - begin for name, begin, end in zip(self.names, starts, ends, strict=True)}
        present = {}
        for name, begin in self.starts.items():
            factor = (1 + rate) ** -(begin - starts[0])
            present[name] = factor * sum((1 + rate) ** -i for i in range(1, self.years[name] + 1))
        self.annuity = sum(present.values())
        self.weight = {name: value / self.annuity for name, value in present.items()}
        life = scenario.horizon_years
        self.crf = rate / (1 - (1 + rate) ** -life) if abs(rate) > 1e-12 else 1.0 / life

    def _demand(self, load: Workload, period: str) -> float:
        steps = {int(year): float(value) for year, value in (load.it_mw_by_year or {}).items()}
        now = self.starts[period] if self.scenario.periods else 10_000
        past = [year for year in steps if year <= now]
        return steps[max(past)] if past else float(load.it_mw or 0.0)

    def _grid(self, site: str, period: str) -> float:
        limit = float(self.sites.loc[site, "grid_mw"])
        now = self.starts[period] if self.scenario.periods else 10_000
        live = -10_000.0
        if self.scenario.periods and "time_to_power_years" in self.facts:
            waits = [
                self.facts["time_to_power_years"][n]
                for n, name in enumerate(self.facts["site_id"])
                if name == site and np.isfinite(self.facts["time_to_power_years"][n])
            ]
            live = self.scenario.as_of_year + max(waits) if waits else live
        for entry in self.scenario.sites.override:
            if not self._means(entry.id, site):
                continue
            if entry.grid_mw_by_year:
                steps = {int(year): float(value) for year, value in entry.grid_mw_by_year.items()}
                past = [year for year in steps if year <= now]
                limit, live = (steps[max(past)] if past else float(entry.grid_mw or 0.0)), -10_000.0
            if entry.energized_year is not None:
                live = float(entry.energized_year)
        return 0.0 if self.scenario.periods and now < live else limit

    def _means(self, text: str, site: str) -> bool:
        if text == site:
            return True
        names = [str(name) for name in self.sites.index]
        return text not in names and [name for name in names if text.lower() in name] == [site]

    # --- rows ---------------------------------------------------------------------------------------------

    def limit(
        self,
        family: str,
        label: str,
        unit: str,
        value: float,
        limit: float,
        *,
        least: bool = False,
        scale: float = 0.0,
        shown: bool = True,
    ) -> None:
        """Note one limit; ``least`` for lower limits. ``scale`` widens the tolerance to a sum's size."""
        slack = value - limit if least else limit - value
        size = max(abs(limit), abs(scale))
        if shown:
            self.rows.append((family, label, unit, float(value), float(limit), float(slack)))
        if not slack >= -(TOLERANCE * size + ABSOLUTE):
            word = "below" if least else "above"
            self.bad.append(
                f"{family}{f'[{label}]' if label else ''}: {value:,.6g} {unit} is {word} the limit {limit:,.6g}"
            )

    def equal(
        self, family: str, label: str, unit: str, value: float, wanted: float, scale: float = 0.0
    ) -> None:
        """Note one equation; it is shown only when it fails."""
        if not abs(value - wanted) <= TOLERANCE * max(abs(wanted), abs(scale)) + ABSOLUTE:
            self.bad.append(f"{family}[{label}]: {value:,.6g} {unit} instead of {wanted:,.6g}")

    def fact(self, row: Any, name: str, default: float = float("nan")) -> float:  # noqa: ANN401
        """A figure of the facts for a placement."""
        number = self.row_of.get((row.site_id, row.workload, row.technology))
        if number is None:
            self.bad.append(f"facts: no row for {row.workload} at {row.site_id} with {row.technology}")
            return float("nan")
        return float(self.facts[name][number]) if name in self.facts else default

    def placed(self, period: str) -> Iterator[Any]:
        """Placements of a period."""
        if self._rows_of is None:
            self._rows_of = {name: [] for name in self.names}
            for row in self.plan.placements.itertuples():
                self._rows_of.setdefault(row.period, []).append(row)
        yield from self._rows_of[period]

    def label(self, *words: str) -> str:
        """Join the words that say something."""
        return ",".join(word for word in words if word)

    # --- everything ---------------------------------------------------------------------------------------

    def verdict(self) -> Verdict:
        self._eligible()
        self._demand_rows()
        self._halls()
        self._site_limits()
        self._peaks()
        self._portfolio()
        self._runs()
        self._shares()
        self._carbon()
        self._growth()
        self._failures()
        parts = self._cost()
        objective = sum(parts.values())
        frame = pd.DataFrame(self.rows, columns=[name for name in LIMITS if name != "binding"])
        size = np.maximum(frame["limit"].abs(), 1e-9)
        frame["binding"] = (frame["slack"].abs() <= NEAR * size).astype(bool)
        water, energy, carbon = self._totals()
        cash = float(self.plan.halls["cash_usd"].sum()) if len(self.plan.halls) else 0.0
        last = self.names[-1]
        return Verdict(
            objective,
            parts,
            frame[list(LIMITS)],
            tuple(self.bad),
            objective * self.annuity,
            cash,
            sum(row.it_mw for row in self.placed(last)),
            carbon,
            carbon * 1000.0 / energy if energy > 0 else float("nan"),
            water,
            self._mean_rtt(),
        )

    def _eligible(self) -> None:
        banned = set(
            zip(self.evaluation.excluded["site_id"], self.evaluation.excluded["workload"], strict=True)
        )
        frame = self.plan.placements
        for row in frame.itertuples():
            if (row.site_id, row.workload) in banned or (row.site_id, "") in banned:
                self.bad.append(f"eligibility: {row.workload} may not stand at {row.site_id}")
            number = self.row_of.get((row.site_id, row.workload, row.technology))
            if number is not None and not self.facts["admissible"][number]:
                self.bad.append(f"technology: {row.technology} does not suit {row.workload} at {row.site_id}")
            if row.it_mw < -ABSOLUTE or row.spare_mw < -ABSOLUTE:
                self.bad.append(f"sign: {row.workload} at {row.site_id} is negative")

    def _has_users(self, load: Workload) -> bool:
        objective = self.scenario.objective
        worth = objective.latency_worth and self.profiles[load.name].latency_worth_usd_per_rack_year > 0
        far = load.mean_rtt_ms is not None or "latency" in {objective.kind, *objective.then}
        limited = load.max_rtt_ms is not None or load.hard_rtt_ms is not None
        return load.name in self.evaluation.markets and bool(limited or worth or far)

    def _rtt(self, load: Workload) -> np.ndarray[Any, Any]:
        market = self.evaluation.markets[load.name]
        return market.rtt_ms if load.latency_margin == "p50" else market.rtt_model_p90_ms

    def _demand_rows(self) -> None:
        place = {str(name): number for number, name in enumerate(self.sites.index)}
        served = self.plan.served
        for period in self.names:
            for name, load in self.loads.items():
                demand = self._demand(load, period)
                mw = sum(row.it_mw for row in self.placed(period) if row.workload == name)
                label = self.label(name, period)
                if load.optional:
                    self.limit("demand_total", label, "MW", mw, demand)
                else:
                    self.equal("demand_total", label, "MW", mw, demand)
                if not self._has_users(load):
                    continue
                market = self.evaluation.markets[name]
                rtt = self._rtt(load)
                weight = market.points["weight_ratio"].to_numpy(dtype=np.float64)
                wanted = weight / weight.sum() * demand
                part = served[(served["period"] == period) & (served["workload"] == name)]
                got = np.bincount(part["point_number"], weights=part["mw"], minlength=len(wanted))
                for u in np.flatnonzero(np.abs(got - wanted) > TOLERANCE * demand + ABSOLUTE):
                    if load.optional and got[u] <= wanted[u]:
                        continue
                    self.bad.append(
                        f"demand_region[{name},{u}]: {got[u]:,.6g} MW served instead of {wanted[u]:,.6g}"
                    )
                for site, flow in part.groupby("site_id")["mw"].sum().items():
                    here = sum(
                        r.it_mw for r in self.placed(period) if r.workload == name and r.site_id == site
                    )
                    self.equal("serve_link", self.label(str(site), name), "MW", float(flow), here, demand)
                seconds = np.array(
                    [
                        rtt[place[site], u]
                        for site, u in zip(part["site_id"], part["point_number"], strict=True)
                    ]
                )
                flows = part["mw"].to_numpy(dtype=np.float64)
                hard = load.hard_rtt_ms
                if hard is None and load.max_rtt_ms is not None and load.coverage >= 1:
                    hard = load.max_rtt_ms
                if hard is not None and len(seconds):
                    self.limit("max_rtt_ms", label, "ms", float(seconds.max()), float(hard))
                if load.max_rtt_ms is not None and load.coverage < 1:
                    inside = float(flows[seconds <= load.max_rtt_ms * (1 + 1e-12)].sum())
                    share = inside / demand if demand > 0 else 1.0
                    self.limit("coverage", label, "ratio", share, load.coverage, least=True)
                if load.mean_rtt_ms is not None and demand > 0:
                    mean = float((flows * seconds).sum() / demand)
                    self.limit("latency_mean", label, "ms", mean, float(load.mean_rtt_ms))

    def _mean_rtt(self) -> float:
        served = self.plan.served
        if served.empty:
            return float("nan")
        last = served[served["period"] == self.names[-1]]
        total = float(last["mw"].sum())
        return float((last["mw"] * last["rtt_ms"]).sum() / total) if total > 0 else float("nan")

    def _halls(self) -> None:
        halls = self.plan.halls
        for period in self.names:
            load: dict[tuple[str, str, str], float] = {}
            for row in self.placed(period):
                key = (row.site_id, row.technology, row.kind)
                load[key] = load.get(key, 0.0) + row.it_mw + row.spare_mw
                if row.kind != "existing":
                    kinds = self._kind(row.workload)
                    if row.kind not in ("", kinds):
                        self.bad.append(f"hall: {row.workload} stands in a hall of kind {row.kind}")
            built = {
                (row.site_id, row.technology, row.kind): row.built_mw
                for row in halls[halls["period"] == period].itertuples()
            }
            for key, mw in sorted(load.items()):
                site, technology, _ = key
                self.limit(
                    "hall", self.label(site, technology, period), "MW", mw, built.get(key, 0.0), shown=False
                )
            size = self.scenario.solver.module_mw
            for (site, technology, kind), mw in sorted(built.items()):
                if size is not None and kind != "existing":
                    whole = round(mw / size) * size
                    self.equal("modules", self.label(site, technology, period), "MW", mw, whole)
        self._existing(halls)

    def _kind(self, workload: str) -> str:
        def key(name: str) -> tuple[float, str]:
            return self.profiles[name].capex_factor, self.profiles[name].facility_class

        members = [self.profiles[name].name for name in self.loads if key(name) == key(workload)]
        return "+".join(dict.fromkeys(members))

    def _existing(self, halls: pd.DataFrame) -> None:
        for entry in self.scenario.sites.existing:
            own = halls[halls["existing"].astype(bool)]
            own = own[[self._means(entry.id, site) for site in own["site_id"]]] if len(own) else own
            for period in self.names:
                sizes = [row.built_mw for row in own[own["period"] == period].itertuples()]
                fits = any(abs(size - entry.it_mw) <= ABSOLUTE for size in sizes)
                if entry.keep and not fits:
                    self.bad.append(f"existing[{entry.id}]: the hall of {entry.it_mw:g} MW is missing")

    def _site_limits(self) -> None:
        halls = self.plan.halls
        for period in self.names:
            use: dict[str, dict[str, float]] = {}
            for row in self.placed(period):
                peak = self.fact(row, "pue_peak") * self.profiles[row.workload].peak_factor
                here = use.setdefault(row.site_id, {"grid": 0.0, "hour": 0.0, "drawn": 0.0, "water": 0.0})
                here["grid"] += peak * (row.it_mw + row.spare_mw)
                here["hour"] += self.fact(row, "withdrawal_peak_m3_per_mw_hour", 0.0) * (
                    row.it_mw + row.spare_mw
                )
                used, drawn = self._water(row)
                here["water"] += used
                here["drawn"] += drawn
            for site in sorted(use):
                label = self.label(site, period)
                self.limit("grid", label, "MW", use[site]["grid"], self._grid(site, period))
                for column, key, family, unit in (
                    ("water_m3_per_year", "drawn", "water_site", "m3/year"),
                    ("water_m3_per_hour", "hour", "water_hour", "m3/h"),
                ):
                    if column in self.sites and np.isfinite(float(self.sites.loc[site, column])):
                        self.limit(family, label, unit, use[site][key], float(self.sites.loc[site, column]))
            for zone in self.scenario.limits.grid_zone:
                inside = set(self.sites.index[matching(self.sites, zone.where)])
                drawn = sum(use[site]["grid"] for site in sorted(use) if site in inside)
                self.limit(
                    "grid_zone", self.label(where_words(zone.where), period), "MW", drawn, zone.grid_mw
                )
            for basin, cap in sorted(self.scenario.limits.basins.items()):
                groups = self.sites.get("water_group")
                if groups is None or basin not in set(groups):
                    continue
                total = sum(use[site]["water"] for site in sorted(use) if groups.loc[site] == basin)
                self.limit("water_basin", self.label(basin, period), "m3/year", total, cap)
        if "land_m2" in self.sites and self.scenario.land_m2_per_mw > 0:
            last = halls[halls["period"] == self.names[-1]]
            for site, built in sorted(last.groupby("site_id")["built_mw"].sum().items()):
                limit = float(self.sites.loc[site, "land_m2"])
                if np.isfinite(limit):
                    self.limit("land", str(site), "m2", built * self.scenario.land_m2_per_mw, limit)

    def _meters(self, period: str) -> dict[tuple[str, float], tuple[float, float, float]]:
        """MW that run at the peak, MW connected, and least share billed of each site and rate of demand charge."""
        found: dict[tuple[str, float], tuple[float, float, float]] = {}
        for row in self.placed(period):
            peak = self.fact(row, "pue_peak") * self.profiles[row.workload].peak_factor
            rate = round(self.fact(row, "demand_charge_usd_per_mw_year", 0.0) / peak, 2)
            if not rate > 0:
                continue
            runs = 0.0 if self.loads[row.workload].sheds_at_peak else peak * row.it_mw
            least = float(np.nan_to_num(self.fact(row, "min_demand_ratio", 0.0)))
            before = found.get((row.site_id, rate), (0.0, 0.0, 0.0))
            found[row.site_id, rate] = (
                before[0] + runs,
                before[1] + peak * (row.it_mw + row.spare_mw),
                max(before[2], least),
            )
        return found

    def _peaks(self) -> None:
        """Show what is billed of the connected MW, where a load sheds at the peak or spare counts."""
        if not any(load.sheds_at_peak for load in self.loads.values()):
            return
        for period in self.names:
            for (site, rate), (runs, connected, least) in sorted(self._meters(period).items()):
                billed = max(runs, least * connected)
                label = self.label(site, f"{rate:,.0f} USD per MW-year", period)
                self.limit("peak", label, "MW", billed, connected)

    def _stops(self, workload: str) -> float:
        profile = self.profiles[workload]
        return profile.interruptible_fraction if profile.break_even_usd_per_mwh is not None else 0.0

    def _run_rows(self, row: Any) -> Iterator[tuple[float, dict[str, float]]]:  # noqa: ANN401
        """Energy run in each block of a placement, with the block's figures."""
        key = (row.period, row.site_id, row.technology, row.kind, row.workload)
        if key not in self._runs_of:
            runs = self.plan.runs
            own = runs
            for name, value in zip(("period", "site_id", "technology", "kind", "workload"), key, strict=True):
                own = own[own[name] == value]
            self._runs_of[key] = [
                (float(run.run_mwh_per_year), self._block(row, int(run.block))) for run in own.itertuples()
            ]
        yield from self._runs_of[key]

    def _block(self, row: Any, number: int) -> dict[str, float]:  # noqa: ANN401
        return self._blocks_of(row)[number]

    def _blocks_of(self, row: Any) -> list[dict[str, float]]:  # noqa: ANN401
        """Cost blocks of a placement, the cheapest first."""
        frame = self.evaluation.extra["interruptible_blocks"]
        own = frame[(frame["site_id"] == row.site_id) & (frame["workload"] == row.workload)]
        if "technology" in own:
            own = own[own["technology"] == row.technology]
        own = own.sort_values("cost_usd_per_it_mwh", kind="stable")
        return [
            {str(key): float(value) for key, value in block.items()}
            for block in own.select_dtypes("number").to_dict("records")
        ]

    def _coupled(self, row: Any) -> bool:  # noqa: ANN401
        """Whether price blocks stand for the interruptible part of a placement."""
        key = (row.site_id, row.workload, row.technology)
        if key not in self._coupled_of:
            self._coupled_of[key] = self._is_coupled(row)
        return self._coupled_of[key]

    def _is_coupled(self, row: Any) -> bool:  # noqa: ANN401
        if self._stops(row.workload) <= 0:
            return False
        frame = self.evaluation.extra.get("interruptible_blocks")
        limits, kinds = self.scenario.limits, {self.scenario.objective.kind, *self.scenario.objective.then}
        water = "water_m3_per_year" in self.sites and self.sites["water_m3_per_year"].notna().any()
        touched = (
            limits.carbon_kg_per_mwh is not None
            or limits.carbon_t_per_year is not None
            or bool(limits.basins)
            or water
            or bool(kinds & {"carbon", "water"})
        )
        if not touched or not isinstance(frame, pd.DataFrame):
            return False
        own = frame[(frame["site_id"] == row.site_id) & (frame["workload"] == row.workload)]
        if "technology" in own:
            own = own[own["technology"] == row.technology]
        return len(own) > 0

    def _base_mwh(self, row: Any) -> float:  # noqa: ANN401
        """IT energy of a placement that no block stands for. [MWh/year]"""
        profile = self.profiles[row.workload]
        stops = self._stops(row.workload)
        hours = self.fact(row, "hours_run", HOURS) if stops > 0 else HOURS
        running = 1 - stops + (0.0 if self._coupled(row) else stops * np.nan_to_num(hours) / HOURS)
        return float(HOURS * profile.load_factor * running * row.it_mw)

    def _energy(self, row: Any) -> float:  # noqa: ANN401
        return self._base_mwh(row) + sum(mwh for mwh, _ in self._run_rows(row))

    def _emitted(self, row: Any) -> float:  # noqa: ANN401
        """Emissions of a placement. [t/year]"""
        rate, pue = self.fact(row, "carbon_kg_per_mwh"), self.fact(row, "pue")
        total = self._base_mwh(row) * rate / 1000.0
        for mwh, block in self._run_rows(row):
            total += mwh * block["facility_mwh_per_it_mwh"] * rate / pue / 1000.0
        return total

    def _water(self, row: Any) -> tuple[float, float]:  # noqa: ANN401
        """Consumption and withdrawal of a placement. [m3/year]"""
        wue, wwl = self.fact(row, "wue_l_per_kwh", 0.0), self.fact(row, "withdrawal_l_per_kwh", 0.0)
        used, drawn = self._base_mwh(row) * wue, self._base_mwh(row) * wwl
        for mwh, block in self._run_rows(row):
            used += mwh * block["water_m3_per_it_mwh"]
            drawn += mwh * block["water_m3_per_it_mwh"] * (wwl / wue if wue > 0 else 1.0)
        return used, drawn

    def _totals(self) -> tuple[float, float, float]:
        """Water, energy and carbon of an average year."""
        water = energy = carbon = 0.0
        for period in self.names:
            for row in self.placed(period):
                water += self.weight[period] * self._water(row)[0]
                energy += self.weight[period] * self._energy(row)
                carbon += self.weight[period] * self._emitted(row)
        return water, energy, carbon

    def _portfolio(self) -> None:
        limits, halls = self.scenario.limits, self.plan.halls
        for period in self.names:
            open_ = sorted(set(halls.loc[halls["period"] == period, "site_id"]))
            if limits.max_sites is not None:
                self.limit("sites_max", period, "sites", len(open_), limits.max_sites)
            if limits.min_sites and period == self.names[-1]:
                self.limit("sites_min", period, "sites", len(open_), limits.min_sites, least=True)
            here = halls[halls["period"] == period]
            if limits.min_site_mw > 0:
                for site, built in here.groupby("site_id")["built_mw"].sum().items():
                    label = self.label(str(site), period)
                    self.limit("site_min", label, "MW", built, limits.min_site_mw, least=True)
            if limits.max_technologies_per_site is not None:
                for site, number in here.groupby("site_id").size().items():
                    label = self.label(str(site), period)
                    self.limit("technologies_max", label, "halls", number, limits.max_technologies_per_site)
            for name, load in self.loads.items():
                sums: dict[str, float] = {}
                for row in self.placed(period):
                    if row.workload == name:
                        sums[row.site_id] = sums.get(row.site_id, 0.0) + row.it_mw
                used = {site: mw for site, mw in sums.items() if mw > ABSOLUTE}
                for site, mw in sorted(used.items()):
                    if load.min_block_mw > 0:
                        label = self.label(site, name, period)
                        self.limit("block_min", label, "MW", mw, load.min_block_mw, least=True)
                if load.max_sites is not None:
                    label = self.label(name, period)
                    self.limit("workload_sites", label, "sites", len(used), load.max_sites)
        self._required()
        self._budget()

    def _required(self) -> None:
        marked = (
            set(self.sites.index[self.sites["required"].astype(bool)]) if "required" in self.sites else set()
        )
        for text in self.scenario.sites.require:
            marked |= {site for site in self.sites.index if self._means(text, str(site))}
        for site in sorted(marked):
            mw = sum(row.it_mw for row in self.placed(self.names[-1]) if row.site_id == site)
            blocks = []
            for number, name in enumerate(self.facts["site_id"]):
                load = self.loads.get(self.facts["workload"][number])
                if name == site and load is not None and self.facts["admissible"][number]:
                    blocks.append(min(load.min_block_mw or 1.0, self._demand(load, self.names[-1])))
            self.limit("required", str(site), "MW", mw, min([0.999999, *blocks]), least=True)

    def _budget(self) -> None:
        limits, halls = self.scenario.limits, self.plan.halls
        spent = dict.fromkeys(self.names, 0.0)
        before: dict[tuple[str, str, str], tuple[float, float]] = {}
        for period in self.names:
            now: dict[tuple[str, str, str], tuple[float, float]] = {}
            for row in halls[halls["period"] == period].itertuples():
                if row.existing:
                    continue
                key = (row.site_id, row.technology, row.kind)
                opening, capex = self._prices(row)
                was_open, was_built = before.get(key, (0.0, 0.0))
                spent[period] += opening * (1.0 - was_open) + capex * (row.built_mw - was_built)
                now[key] = (1.0, row.built_mw)
            before = now
        if limits.budget_usd is not None:
            total = sum(spent.values())
            self.limit("budget", self.names[-1], "USD", total, limits.budget_usd)
        carried = total = 0.0
        for period, entry in zip(self.names, self.scenario.periods or (None,), strict=True):
            total += spent[period]
            if entry is None or entry.budget_usd is None:
                continue
            carried += entry.budget_usd
            if limits.budget_carry:
                self.limit("budget", period, "USD", total, carried)
            else:
                self.limit("budget", period, "USD", spent[period], entry.budget_usd)

    def _prices(self, row: Any) -> tuple[float, float]:  # noqa: ANN401  (a row of the halls)
        """Cash for opening a new hall and for one MW of it. [USD, USD/MW]"""
        opening = (
            float(self.sites.loc[row.site_id, "opening_usd"])
            if "opening_usd" in self.sites
            else self.scenario.sites.opening_usd
        )
        halls = self.plan.halls
        standing = halls[(halls["site_id"] == row.site_id) & halls["existing"].astype(bool)]
        for entry in self.scenario.sites.existing:
            if entry.keep and self._means(entry.id, row.site_id):
                same = entry.technology == row.technology or (
                    entry.technology is None and row.technology in set(standing["technology"])
                )
                opening = 0.0 if same else opening
        annual = max(
            self.facts["capex_usd_per_mw_year"][number]
            for (site, load, technology), number in self.row_of.items()
            if site == row.site_id
            and technology == row.technology
            and load in self.loads
            and row.kind in ("", self._kind(load))
            and self.facts["admissible"][number]
        )
        tax = 1.0
        for entry_ in self.scenario.sites.override:
            if self._means(entry_.id, row.site_id):
                tax += float(entry_.equipment_tax_ratio or 0.0)
        return opening, annual / self.crf * tax

    def _runs(self) -> None:
        for period in self.names:
            for row in self.placed(period):
                if self._stops(row.workload) <= 0:
                    continue
                for mwh, block in self._run_rows(row):
                    share = self._stops(row.workload) * self.profiles[row.workload].load_factor
                    room = share * block["hours"] * row.it_mw
                    label = self.label(row.site_id, row.workload, period)
                    self.limit("run_block", label, "MWh/year", mwh, room, shown=False)
                asked = self.loads[row.workload].min_run_fraction * HOURS
                if asked > 0 and self._coupled(row):
                    hours = min(asked, sum(block["hours"] for block in self._blocks_of(row)))
                    share = self._stops(row.workload) * self.profiles[row.workload].load_factor
                    ran = sum(mwh for mwh, _ in self._run_rows(row))
                    label = self.label(row.site_id, row.workload, period)
                    self.limit("run_min", label, "MWh/year", ran, share * hours * row.it_mw, least=True)

    def _shares(self) -> None:
        limits = self.scenario.limits
        zone = dict(zip(self.sites.index.astype(str), zone_names(self.sites, limits.zone), strict=True))
        words = share_words(self.scenario)
        for period in self.names:
            for name, load in self.loads.items():
                share = load.max_share_per_zone or limits.max_share_per_zone
                sums: dict[str, float] = {}
                for row in self.placed(period):
                    if row.workload == name:
                        sums[zone[row.site_id]] = sums.get(zone[row.site_id], 0.0) + row.it_mw
                total = sum(sums.values())
                if share is None or share >= 1 or total <= 0:
                    continue
                for where, mw in sorted(sums.items()):
                    label = self.label(where, name, period)
                    self.limit("zone_share", label, "MW", mw, share * total, scale=total)
            for number, entry in enumerate(limits.share):
                inside = set(self.sites.index[matching(self.sites, entry.where)])
                own = [row for row in self.placed(period) if entry.workload in (None, row.workload)]
                total = sum(row.it_mw + row.spare_mw for row in own)
                mw = sum(row.it_mw + row.spare_mw for row in own if row.site_id in inside)
                label = self.label(words[number], period)
                if entry.max_share is not None:
                    self.limit("share_max", label, "MW", mw, entry.max_share * total, scale=total)
                if entry.min_share is not None:
                    self.limit("share_min", label, "MW", mw, entry.min_share * total, least=True, scale=total)
            self._accelerators(period)

    def _accelerators(self, period: str) -> None:
        limits, terms = self.scenario.limits, self.scenario.licenses
        delay = 0.0 if isinstance(terms, str) else terms.delay_months / 12.0
        begin = self.starts[period] if self.scenario.periods else 10_000
        ready = terms != "assume-denied" and begin >= self.scenario.as_of_year + delay
        caps = accelerator_caps(self.scenario, self.sites, list(self.profiles.values()))
        tiers: list[tuple[Mapping[str, str | tuple[str, ...]], float, float]] = [
            ({"country": country}, most, most) for country, most in caps.items()
        ]
        tiers += [
            (tier.where, tier.without_license, tier.with_license if ready else tier.without_license)
            for tier in limits.accelerator_tiers
        ]
        words = tier_words(self.scenario, caps)
        for number, (where, _, most) in enumerate(tiers):
            inside = set(self.sites.index[matching(self.sites, where)])
            total = sum(
                self._per_mw(row.workload) * (row.it_mw + row.spare_mw)
                for row in self.placed(period)
                if row.site_id in inside
            )
            self.limit("accelerators", self.label(words[number], period), "accelerators", total, most)

    def _licenses_usd(self) -> float:
        """Annual fees of the licenses that the plan cannot do without."""
        terms = self.scenario.licenses
        if isinstance(terms, str) or not terms.cost_usd:
            return 0.0
        fees = 0.0
        for tier in self.scenario.limits.accelerator_tiers:
            inside = set(self.sites.index[matching(self.sites, tier.where)])
            for period in self.names:
                total = sum(
                    self._per_mw(row.workload) * (row.it_mw + row.spare_mw)
                    for row in self.placed(period)
                    if row.site_id in inside
                )
                if total > tier.without_license * (1 + TOLERANCE) + 1e-3:
                    fees += self.weight[period] * terms.cost_usd * self.crf
        return fees

    def _per_mw(self, name: str) -> float:
        load = self.loads[name]
        most = max(self._demand(load, period) for period in self.names)
        if load.accelerators is not None and most > 0:
            return load.accelerators / most
        return self.profiles[name].accelerators_per_mw

    def _carbon(self) -> None:
        limits = self.scenario.limits
        for period in self.names:
            rows = list(self.placed(period))
            if limits.carbon_t_per_year is not None:
                total = sum(self._emitted(row) for row in rows)
                self.limit("carbon_cap", period, "t/year", total, limits.carbon_t_per_year)
            if limits.carbon_kg_per_mwh is not None:
                energy = sum(self._energy(row) for row in rows)
                rate = sum(self._emitted(row) for row in rows) * 1000.0 / energy if energy > 0 else 0.0
                self.limit("carbon_intensity", period, "kg/MWh", rate, limits.carbon_kg_per_mwh)

    def _growth(self) -> None:
        halls = self.plan.halls
        for first, second in zip(self.names, self.names[1:], strict=False):

            def built(period: str) -> dict[tuple[str, str, str], float]:
                return {
                    (row.site_id, row.technology, row.kind): row.built_mw
                    for row in halls[halls["period"] == period].itertuples()
                    if not row.existing
                }

            later = built(second)
            for (site, technology, kind), mw in sorted(built(first).items()):
                label = self.label(site, technology, second)
                now = later.get((site, technology, kind), 0.0)
                self.limit("grow_built", label, "MW", now, mw, least=True, shown=False)
            if self.scenario.no_migration:
                before, after = self._by_site(first), self._by_site(second)
                for (site, load), mw in sorted(before.items()):
                    now = after.get((site, load), 0.0)
                    label = self.label(site, load, second)
                    self.limit("no_migration", label, "MW", now, mw, least=True)

    def _by_site(self, period: str) -> dict[tuple[str, str], float]:
        """MW of each site and load."""
        found: dict[tuple[str, str], float] = {}
        for row in self.placed(period):
            found[row.site_id, row.workload] = found.get((row.site_id, row.workload), 0.0) + row.it_mw
        return found

    # --- failures -----------------------------------------------------------------------------------------

    def _failures(self) -> None:
        kind = self.scenario.limits.n_minus_1
        if kind is None:
            return
        zone = dict(zip(self.sites.index.astype(str), zone_names(self.sites, kind), strict=True))
        for period in self.names:
            for name, load in self.loads.items():
                theta = 0.0 if load.optional else self.profiles[name].survive_fraction
                if theta <= 0:
                    continue
                room: dict[str, float] = {}
                for row in self.placed(period):
                    if row.workload == name:
                        room[row.site_id] = room.get(row.site_id, 0.0) + row.it_mw + row.spare_mw
                wanted = theta * self._demand(load, period)
                for lost in sorted({zone[site] for site in room}):
                    left = {site: mw for site, mw in room.items() if zone[site] != lost}
                    if self._has_users(load):
                        kept = min(
                            wanted, rescued_mw(self.evaluation, load, left, wanted, self.profiles[name])
                        )
                    else:
                        kept = min(wanted, sum(left.values()))
                    label = self.label(f"without {lost}", name, period)
                    self.limit("survive", label, "MW", kept, wanted, least=True, scale=10 * wanted)

    # --- money --------------------------------------------------------------------------------------------

    def _growth_of_price(self, row: Any, period: str) -> float:  # noqa: ANN401
        rates = self.evaluation.extra.get("escalation_ratio")
        if not self.scenario.periods or not isinstance(rates, pd.DataFrame) or row.workload not in rates:
            return 1.0
        rate = float(rates[row.workload].get(row.site_id, 0.0))
        rate = rate if np.isfinite(rate) else 0.0
        years = range(1, self.years[period] + 1)
        ahead = self.starts[period] - self.scenario.as_of_year
        r = 1 + self.scenario.discount_rate
        grown = sum(r**-i * (1 + rate) ** (ahead + i - 1) for i in years)
        return grown / sum(r**-i for i in years)

    def _carbon_price_ratio(self, period: str) -> float:
        """Carbon price of a period over the mean of the horizon, both weighted by present value."""
        path = self.scenario.objective.carbon_price_by_year
        if not path or not self.scenario.periods:
            return 1.0
        r = 1 + self.scenario.discount_rate

        def mean(begin: int, years: int) -> float:
            prices = [
                next((path[y] for y in sorted(path, reverse=True) if y <= begin + k), 0.0)
                for k in range(years)
            ]
            weights = [r ** -(k + 1) for k in range(years)]
            return sum(w * p for w, p in zip(weights, prices, strict=True)) / sum(weights)

        whole = mean(self.starts[self.names[0]], self.scenario.horizon_years)
        return mean(self.starts[period], self.years[period]) / whole if whole > 0 else 1.0

    def _tax(self, site: str) -> tuple[float, float]:
        objective = self.scenario.objective
        if not objective.after_tax:
            return 1.0, 1.0
        rate = float(self.sites.loc[site, "tax_ratio"])
        life = objective.depreciation_years or self.scenario.horizon_years
        r = 1 + self.scenario.discount_rate
        return 1 - rate, 1 - rate * sum(r**-i for i in range(1, life + 1)) / life

    def _cost(self) -> dict[str, float]:
        parts: dict[str, float] = {}

        def add(name: str, value: float) -> None:
            parts[name] = parts.get(name, 0.0) + value

        for period in self.names:
            weight = self.weight[period]
            for row in self.placed(period):
                stops, operating_tax = self._stops(row.workload), self._tax(row.site_id)[0]
                scale = weight * row.it_mw * operating_tax
                for part in ("power", "water", "carbon"):
                    plain = self.fact(row, f"{part}_usd_per_mw_year", 0.0)
                    firm = self.fact(row, f"{part}_firm_usd_per_mw_year", plain)
                    value = (1 - stops) * firm if stops > 0 else plain
                    value *= self._growth_of_price(row, period) if part == "power" else 1.0
                    value *= self._carbon_price_ratio(period) if part == "carbon" else 1.0
                    add(part, scale * np.nan_to_num(value))
                add("fixed_om", scale * self.fact(row, "fixed_om_usd_per_mw_year"))
                if self.scenario.objective.wait_usd_per_mw_month > 0 and not self.scenario.periods:
                    add("wait", scale * self.fact(row, "wait_usd_per_mw_year", 0.0))
                if stops > 0 and self._coupled(row):
                    worth = float(self.profiles[row.workload].break_even_usd_per_mwh or 0.0)
                    for mwh, block in self._run_rows(row):
                        net = mwh * (block["cost_usd_per_it_mwh"] - worth)
                        add("interruptible_margin", weight * operating_tax * net)
                elif stops > 0:
                    margin = float(np.nan_to_num(self.fact(row, "margin_usd_per_mw_year", 0.0)))
                    add("interruptible_margin", -scale * margin)
            for (site, rate), (runs, connected, least) in sorted(self._meters(period).items()):
                billed = max(runs, least * connected)
                add("demand_charge", weight * rate * billed * self._tax(site)[0])
            for row in self.plan.halls[self.plan.halls["period"] == period].itertuples():
                if row.existing:
                    continue
                opening, capex = self._prices(row)
                capital_tax = self._tax(row.site_id)[1]
                add("opening", weight * opening * self.crf * capital_tax)
                add("capital", weight * capex * self.crf * row.built_mw * capital_tax)
        if self.scenario.objective.latency_worth:
            add("latency_worth", self._worth())
        fees = self._licenses_usd()
        if fees:
            add("license_fees", fees)
        return parts

    def _worth(self) -> float:
        total = 0.0
        place = {str(name): number for number, name in enumerate(self.sites.index)}
        for row in self.plan.served.itertuples():
            load, profile = self.loads[row.workload], self.profiles[row.workload]
            rtt = float(self._rtt(load)[place[row.site_id], row.point_number])
            # Users beyond the modeled arcs are a pool whose whole worth is lost.
            reach = profile.reach_zero_ms
            lost = min(1.0, max(0.0, (rtt - profile.reach_full_ms) / (reach - profile.reach_full_ms)))
            whole = profile.latency_worth_usd_per_rack_year * 1000.0 / profile.rack_kw
            total += self.weight[row.period] * row.mw * whole * lost
        return total


def rescue_limit_ms(load: Workload, profile: Profile) -> float:
    """RTT within which users must be served after a failure."""
    for value in (load.failure_rtt_ms, load.hard_rtt_ms, profile.hard_rtt_ms, load.max_rtt_ms):
        if value is not None:
            return float(value)
    return float("inf")


def rescued_mw(
    evaluation: Evaluation, load: Workload, room: Mapping[str, float], wanted: float, profile: Profile
) -> float:
    """Most demand that the sites left can serve within the failure RTT. [MW]

    Where the workload allows a share of users beyond its limit (``coverage``), the same share may be
    anywhere after a failure.
    """
    market = evaluation.markets[load.name]
    rtt = market.rtt_ms if load.latency_margin == "p50" else market.rtt_model_p90_ms
    weight = market.points["weight_ratio"].to_numpy(dtype=np.float64)
    demand = weight / weight.sum() * wanted
    place = {str(name): number for number, name in enumerate(evaluation.sites.index)}
    sites = sorted(room)
    if not sites:
        return 0.0
    free = (1.0 - load.coverage) * wanted if load.hard_rtt_ms is None else 0.0
    reach = np.array([rtt[place[site]] for site in sites]) <= rescue_limit_ms(load, profile)
    s, u = np.nonzero(reach)
    flows, users = len(s), len(demand)
    # Columns: flow per arc, pool of each user, pool of each site.
    rows = np.concatenate([u, np.arange(users), users + s, users + np.arange(len(sites))])
    columns = np.concatenate(
        [np.arange(flows), flows + np.arange(users), np.arange(flows), flows + users + np.arange(len(sites))]
    )
    count = flows + users + len(sites)
    limits = np.concatenate([demand, [room[site] for site in sites], [free]])
    pool_row = users + len(sites)
    rows = np.concatenate([rows, np.full(users, pool_row)])
    columns = np.concatenate([columns, flows + np.arange(users)])
    matrix = coo_array((np.ones(len(rows)), (rows, columns)), shape=(pool_row + 1, count)).tocsr()
    balance = coo_array(
        (
            np.concatenate([np.ones(users), -np.ones(len(sites))]),
            (np.zeros(users + len(sites), dtype=int), flows + np.arange(users + len(sites))),
        ),
        shape=(1, count),
    ).tocsr()
    gain = np.concatenate([-np.ones(flows), -np.ones(users), np.zeros(len(sites))])
    found = linprog(
        gain, A_ub=matrix, b_ub=limits, A_eq=balance, b_eq=[0.0], bounds=(0, None), method="highs"
    )
    return float(-found.fun) if found.status == 0 else 0.0
