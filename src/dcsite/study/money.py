"""Money of one site over time: cash flow, NPV, return, payback, levelized cost, delay, what moves it.

Facts come from the evaluation (annual cost by parts, capital, escalation of power prices), terms from the
scenario (``[money]``, discount rate, horizon). The technology is the one that the ranking chose. Rates are
nominal throughout; the escalation of power is that of the zone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from dcsite.errors import DcsiteError
from dcsite.physics.finance import (
    MONTHS_PER_YEAR,
    Project,
    Terms,
    accelerator_hours,
    declining_balance,
    delay_usd_per_month,
    expected_wait_years,
    project,
    straight_line,
    triangular_quantile,
)
from dcsite.spec.scenario import License
from dcsite.study.assumptions import register, with_value
from dcsite.study.evaluating import evaluate
from dcsite.study.ranking import rank
from dcsite.units import HOURS_PER_YEAR

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dcsite.data.tables import Tables
    from dcsite.physics.evaluation import Evaluation
    from dcsite.scoring.ranking import Ranking
    from dcsite.spec.scenario import Scenario
    from dcsite.spec.workload import Profile

PARTS = ("power", "demand_charge", "water", "carbon", "fixed_om")
"""Yearly cost parts of the facts, in the order of the cash flow."""

POWER_PARTS = ("power", "demand_charge")
"""Parts that follow the escalation of power prices; the others follow general inflation."""

FLOWS = ("capital", "refresh", *PARTS, "incentive", "revenue", "residual", "tax", "net")
BAND_SD = 1.2816
"""Standard deviations of an 80 % interval to either side."""

PROFILE_KEYS = (
    "load_factor",
    "supply_c",
    "peak_factor",
    "capex_factor",
    "fixed_om_ratio",
    "break_even_usd_per_mwh",
    "max_availability",
    "interruptible_fraction",
)
"""Fields of a profile that money depends on, for the tornado."""

INTERRUPTIBLE_KEYS = ("break_even_usd_per_mwh", "max_availability", "interruptible_fraction")
"""Fields that mean something only where running has a worth."""

SCENARIO_KEYS = (
    "discount_rate",
    "horizon_years",
    "land_m2_per_mw",
    "sites.opening_usd",
    "objective.",
    "money.",
)
EVALUATED_KEYS = ("land_m2_per_mw", "workloads.")
"""Keys after whose change the facts must be computed again; the others change terms only."""

LICENSE_CLASSES = ("licence_required", "case_by_case_up_to_h200_class_else_denied")


@dataclass(frozen=True)
class SiteMoney:
    """Money of one site.

    Attributes
    ----------
    terms, project
        What was assumed, and the flows year by year.
    energy_mwh_per_year, accelerator_hours_per_year
        What the levelized costs divide by.
    summary
        Figure to value: ``capital_usd, npv_usd, irr_ratio, payback_years, discounted_payback_years,
        levelized_usd_per_it_mwh, levelized_usd_per_accelerator_hour, break_even_usd_per_mwh,
        delay_usd_per_month, time_to_power_years, wait_months`` (expected, power being triangular between its
        ends) ``, wait_usd, npv_power_p10_usd`` (if power comes at the early tenth of its spread) ``, ...``; NaN
        where undefined.
    table
        Cash flow: ``label, time_years``, one ``<part>_usd`` per flow, ``net_usd, cumulative_usd,
        depreciation_usd, taxable_usd``.
    sensitivity
        Tornado, largest first: ``key, value, low, high, measure, at_value, at_low, at_high, swing, source``.
    """

    site_id: str
    name: str
    workload: str
    technology: str
    it_mw: float
    terms: Terms
    project: Project
    energy_mwh_per_year: float
    accelerator_hours_per_year: float
    summary: dict[str, float | str]
    table: pd.DataFrame
    sensitivity: pd.DataFrame
    notes: tuple[str, ...]


def money(
    evaluation: Evaluation,
    site_id: str,
    tables: Tables | None = None,
    *,
    workload: str | None = None,
    sensitivity: bool = True,
) -> SiteMoney:
    """Lay out the money of a workload's whole load at one site.

    Parameters
    ----------
    tables
        For the sensitivity to assumptions that change the facts; without them only terms are varied.

    Raises
    ------
    DcsiteError
        If the site is not ranked for the workload, or a cost has no figure (named).
    """
    case = _case(evaluation, site_id, workload)
    case = replace(case, programs=_programs(case, tables))
    terms, notes = _terms(case)
    laid_out = project(terms)
    energy = case.energy_mwh_per_year
    hours = case.accelerator_hours_per_year
    summary = _summary(case, terms, laid_out)
    rows = _sensitivity(case, tables) if sensitivity else []
    return SiteMoney(
        site_id=site_id,
        name=str(case.row.get("name", site_id)),
        workload=case.workload,
        technology=str(case.row["technology"]),
        it_mw=case.it_mw,
        terms=terms,
        project=laid_out,
        energy_mwh_per_year=energy,
        accelerator_hours_per_year=hours,
        summary=summary,
        table=_table(laid_out),
        sensitivity=_tornado(rows),
        notes=tuple(notes),
    )


@dataclass(frozen=True)
class _Case:
    """One site, workload and technology under one scenario."""

    evaluation: Evaluation
    workload: str
    row: pd.Series
    programs: tuple[dict[str, Any], ...] = ()

    @property
    def scenario(self) -> Scenario:
        return self.evaluation.scenario

    @property
    def profile(self) -> Profile:
        return self.evaluation.profiles[self.workload]

    @property
    def it_mw(self) -> float:
        load = self.evaluation.workloads[self.workload]
        return float(load.it_mw if load.it_mw is not None else max((load.it_mw_by_year or {0: 0.0}).values()))

    @property
    def run_ratio(self) -> float:
        """Share of its hours that the interruptible part runs."""
        return float(self.row["hours_run"]) / HOURS_PER_YEAR

    @property
    def rated_mwh_per_year(self) -> float:
        """IT energy if nothing is interrupted, hours lost to heat taken off."""
        up = 1.0 - float(self.row["derate_ratio"])
        return HOURS_PER_YEAR * self.profile.load_factor * up * self.it_mw

    @property
    def energy_mwh_per_year(self) -> float:
        stops = self.profile.interruptible_fraction
        return self.rated_mwh_per_year * ((1.0 - stops) + stops * self.run_ratio)

    @property
    def accelerator_hours_per_year(self) -> float:
        accelerators = self.profile.accelerators_per_mw * self.it_mw
        return accelerator_hours(accelerators, derate_ratio=float(self.row["derate_ratio"]))


def _case(evaluation: Evaluation, site_id: str, workload: str | None) -> _Case:
    ranking = rank(evaluation, workload=workload)
    rows = ranking.table[ranking.table["site_id"] == site_id]
    if rows.empty:
        raise _unranked(ranking, site_id)
    row = rows.iloc[0]
    figures = {**{f"{part}_usd_per_mw_year": part for part in PARTS}, "capex_usd_per_mw": "capital"}
    missing = [what for column, what in figures.items() if not math.isfinite(float(row[column]))]
    if missing:
        message = f"{site_id}: no figure for {', '.join(missing)}"
        raise DcsiteError(
            message, hint="set it for this site in [[sites.override]], for example capex_usd_per_mw"
        )
    return _Case(evaluation, ranking.workload, row)


def _unranked(ranking: Ranking, site_id: str) -> DcsiteError:
    reasons = ranking.excluded.loc[ranking.excluded["site_id"] == site_id, "reason"]
    message = f"{site_id} cannot carry '{ranking.workload}'"
    return DcsiteError(message, hint="; ".join(reasons) or "it is not among the candidate sites")


def _terms(case: _Case) -> tuple[Terms, list[str]]:
    """Terms of the project, and what a reader must be told about them."""
    scenario, asked = case.scenario, case.scenario.money
    notes: list[str] = []
    capex = float(case.row["capex_usd_per_mw"]) * case.it_mw
    own = next((e.equipment_tax_ratio for e in scenario.sites.override if e.id == case.row["site_id"]), None)
    hardware = case.profile.it_hardware_usd_per_mw * case.it_mw
    exempt = False
    for program in case.programs:
        told, frees = _program(program, capex + hardware, case.it_mw, scenario)
        notes.append(told)
        exempt |= frees
        if math.isfinite(program["fee_usd_per_mw"]) and program["has_program"] == "yes":
            capex += program["fee_usd_per_mw"] * case.it_mw
    rate = 0.0 if exempt else asked.sales_tax_ratio
    capex *= 1.0 + (own if own is not None else rate * asked.equipment_share_ratio)
    hardware *= 1.0 + rate
    capex += scenario.sites.opening_usd
    delay = asked.delay_months
    if (
        isinstance(scenario.licenses, License)
        and case.profile.accelerators_per_mw > 0
        and str(case.row.get("export_class", "")) in LICENSE_CLASSES
    ):
        delay += scenario.licenses.delay_months
        capex += scenario.licenses.cost_usd
        notes.append(
            f"An export license is needed: {scenario.licenses.delay_months:g} months and "
            f"{scenario.licenses.cost_usd:,.0f} USD are counted. Not legal advice."
        )
    tax = asked.tax_ratio
    if tax is None:
        known = float(case.evaluation.sites.at[case.row["site_id"], "tax_ratio"])
        tax = known if math.isfinite(known) else 0.0
        if not math.isfinite(known):
            notes.append("No corporate tax figure for the country: all figures are before tax.")
    growth = float(case.evaluation.extra["escalation_ratio"].at[case.row["site_id"], case.workload])
    if not math.isfinite(growth):
        growth = asked.inflation_ratio
        notes.append("No escalation of power prices is known for the zone: general inflation stands for it.")
    years = scenario.objective.depreciation_years or scenario.horizon_years
    shares = declining_balance(years) if asked.depreciation == "declining_balance" else straight_line(years)
    revenue = 0.0
    if asked.revenue_usd_per_mwh is not None:
        revenue = asked.revenue_usd_per_mwh * case.energy_mwh_per_year
    elif case.profile.interruptible_fraction > 0 and case.profile.break_even_usd_per_mwh is not None:
        share = case.profile.interruptible_fraction
        revenue = case.profile.break_even_usd_per_mwh * case.rated_mwh_per_year * share * case.run_ratio
        notes.append(
            f"Income: the worth of running, {case.profile.break_even_usd_per_mwh:g} USD per MWh of the "
            "interruptible part (break_even_usd_per_mwh)."
        )
    return (
        Terms(
            capex_usd=capex,
            costs_usd_per_year={
                part: float(case.row[f"{part}_usd_per_mw_year"]) * case.it_mw for part in PARTS
            },
            discount_rate=scenario.discount_rate,
            life_years=scenario.horizon_years,
            capex_schedule=asked.build_schedule,
            escalation_ratio={
                part: growth
                if part in POWER_PARTS
                # A path of the carbon price is nominal; the facts hold its mean over the horizon.
                else 0.0
                if part == "carbon" and scenario.objective.carbon_price_by_year
                else asked.inflation_ratio
                for part in PARTS
            },
            revenue_usd_per_year=revenue,
            revenue_growth_ratio=asked.revenue_growth_ratio,
            delay_months=delay,
            tax_ratio=tax,
            depreciation=tuple(shares),
            incentive_ratio=asked.incentive_ratio,
            incentive_usd=asked.incentive_usd_per_mw * case.it_mw,
            refresh_usd=hardware,
            refresh_years=asked.hardware_life_years,
            residual_ratio=asked.residual_ratio,
        ),
        notes,
    )


def _programs(case: _Case, tables: Tables | None) -> tuple[dict[str, Any], ...]:
    """Rows of the incentive table for the site's zone and state."""
    if tables is None or not tables.has("incentives"):
        return ()
    site = case.evaluation.sites.loc[case.row["site_id"]]
    zones = {str(site.get("zone_id", "")), str(site.get("admin1_code", ""))} - {"", "nan"}
    frame = tables.frame("incentives")
    frame = frame[frame["zone_id"].isin(zones)]
    fees = frame[frame["fee_usd_per_mw"].notna() & (frame["mw_from"].fillna(0.0) <= case.it_mw)]
    fees = fees.sort_values("mw_from").groupby("zone_id").tail(1)
    programs = frame[frame["fee_usd_per_mw"].isna() & (frame["has_program"] == "yes")]
    rows = pd.concat([programs, fees]).sort_values(["zone_id", "kind"])
    return tuple(rows.to_dict("records"))


def _program(
    program: dict[str, Any], investment_usd: float, it_mw: float, scenario: Scenario
) -> tuple[str, bool]:
    """What a program means here, in words, and whether it frees equipment of sales tax."""
    quality = f"{program['quality']}, {program['source_id']}"
    if math.isfinite(program["fee_usd_per_mw"]):
        counted = "counted" if program["has_program"] == "yes" else f"{program['has_program']}, not counted"
        fee = f"{program['fee_usd_per_mw']:,.0f} USD per MW, {program['fee_usd_per_mw'] * it_mw / 1e6:,.1f} M USD"
        return f"{program['zone_id']}: {program['program']}: {fee}; {counted} ({quality}).", False
    least = program["min_investment_usd"]
    year = scenario.as_of_year
    ended = [text for text in (str(program["valid_to"])[:4],) if text.isdigit() and int(text) < year]
    met = not ended and not (math.isfinite(least) and investment_usd < least)
    what = (
        "no state sales tax"
        if program["kind"] == "no_state_sales_tax"
        else f"sales-tax program: {program['program']}"
    )
    terms = []
    if math.isfinite(least):
        terms.append(f"investment of {least / 1e6:,.0f} M USD {'met' if met else 'not met'}")
    if math.isfinite(program["min_jobs"]):
        terms.append(f"{program['min_jobs']:g} jobs, not checked")
    if ended:
        terms.append(f"ended {ended[0]}")
    on = scenario.money.incentives == "on" or program["kind"] == "no_state_sales_tax"
    counted = "counted" if on and met else "not counted"
    detail = f" ({'; '.join(terms)})" if terms else ""
    return f"{program['zone_id']}: {what}{detail}; {counted} ({quality}).", on and met


def _summary(case: _Case, terms: Terms, laid_out: Project) -> dict[str, float | str]:
    earns = terms.revenue_usd_per_year > 0
    energy, hours = case.energy_mwh_per_year, case.accelerator_hours_per_year
    nan = float("nan")
    price, what = delay_usd_per_month(terms)
    build_months = (len(terms.capex_schedule) - 1) * MONTHS_PER_YEAR
    ready = build_months / MONTHS_PER_YEAR
    times = [float(case.row.get(f"time_to_power_{end}years", nan)) for end in ("low_", "", "high_")]
    low, middle, high = (
        max(0.0, (time - ready) * MONTHS_PER_YEAR) if math.isfinite(time) else nan for time in times
    )
    if all(math.isfinite(time) for time in times) and times[0] <= times[1] <= times[2]:
        middle = expected_wait_years(times[0], times[1], times[2], ready) * MONTHS_PER_YEAR
    return {
        "capital_usd": terms.capex_usd,
        "cost_pv_usd": laid_out.cost_pv_usd,
        "npv_usd": laid_out.npv_usd,
        "irr_ratio": laid_out.irr if earns else nan,
        "payback_years": laid_out.payback_years() if earns else nan,
        "discounted_payback_years": laid_out.payback_years(discounted=True) if earns else nan,
        "levelized_usd_per_it_mwh": laid_out.levelized_usd(energy) if energy > 0 else nan,
        "levelized_usd_per_accelerator_hour": laid_out.levelized_usd(hours) if hours > 0 else nan,
        "break_even_usd_per_mwh": _break_even(terms, energy),
        "revenue_usd_per_mwh": terms.revenue_usd_per_year / energy if earns and energy > 0 else nan,
        "tax_ratio": terms.tax_ratio,
        "power_escalation_ratio": terms.escalation_ratio["power"],
        "delay_usd_per_month": price,
        "delay_is": what,
        "time_to_power_years": float(case.row.get("time_to_power_years", nan)),
        "wait_months": middle,
        "wait_low_months": low,
        "wait_high_months": high,
        "wait_usd": price * middle,
        **_npv_over_wait(terms, times, ready, earns=earns),
    }


WAIT_QUANTILES = (0.1, 0.5, 0.9)
"""Quantiles of the time to power at which the net present value is shown. [-]"""


def _npv_over_wait(
    terms: Terms, times: Sequence[float], ready_years: float, *, earns: bool
) -> dict[str, float]:
    """Net present value if power comes early, in the middle or late; NaN without a date or an income. [USD]"""
    names = [f"npv_power_p{round(100 * quantile)}_usd" for quantile in WAIT_QUANTILES]
    if not earns or not all(math.isfinite(time) for time in times):
        return dict.fromkeys(names, float("nan"))
    found = {}
    for name, quantile in zip(names, WAIT_QUANTILES, strict=True):
        power = triangular_quantile(times[0], times[1], times[2], quantile)
        wait = max(0.0, power - ready_years) * MONTHS_PER_YEAR
        found[name] = project(replace(terms, delay_months=terms.delay_months + wait)).npv_usd
    return found


def _break_even(terms: Terms, energy_mwh: float) -> float:
    """Income per MWh in the first year at which the net present value after tax is zero. [USD/MWh]"""
    if energy_mwh <= 0:
        return float("nan")

    def npv(price: float) -> float:
        return project(replace(terms, revenue_usd_per_year=price * energy_mwh)).npv_usd

    high = 1.0 + 2.0 * project(terms).levelized_usd(energy_mwh)
    for _ in range(40):
        if npv(high) > 0:
            return float(brentq(npv, 0.0, high, xtol=1e-9)) if npv(0.0) < 0 else 0.0
        high *= 2.0
    return float("nan")


def _table(laid_out: Project) -> pd.DataFrame:
    zero = np.zeros(len(laid_out.times_years))
    frame = pd.DataFrame({"label": laid_out.labels, "time_years": laid_out.times_years})
    for name in FLOWS:
        # Adding zero turns minus zero into zero.
        frame[f"{name}_usd"] = laid_out.columns.get(name, zero) + 0.0
    frame["cumulative_usd"] = np.cumsum(laid_out.net)
    frame["depreciation_usd"] = laid_out.depreciation
    frame["taxable_usd"] = laid_out.taxable
    return frame


# --- what moves it ----------------------------------------------------------------------------------------


def measure_of(terms: Terms) -> tuple[str, str]:
    """Figure that the tornado looks at, and its unit: NPV with income, else the levelized cost."""
    return (
        ("npv_usd", "USD") if terms.revenue_usd_per_year > 0 else ("levelized_usd_per_it_mwh", "USD/MWh IT")
    )


def _value(case: _Case, measure: str, terms: Terms | None = None) -> float:
    laid_out = project(terms if terms is not None else _terms(case)[0])
    if measure == "npv_usd":
        return laid_out.npv_usd
    return laid_out.levelized_usd(case.energy_mwh_per_year)


def _sensitivity(case: _Case, tables: Tables | None) -> list[dict[str, Any]]:
    terms, _ = _terms(case)
    measure, unit = measure_of(terms)
    now = _value(case, measure)
    rows: list[dict[str, Any]] = [
        {
            "key": key,
            "value": value,
            "low": low,
            "high": high,
            "measure": measure,
            "unit": unit,
            "at_value": now,
            "at_low": at_low,
            "at_high": at_high,
            "swing": abs(at_high - at_low),
            "source": source,
        }
        for key, value, low, high, at_low, at_high, source in (
            *_fact_rows(case, measure),
            *_register_rows(case, measure, tables),
        )
    ]
    return [row for row in rows if row["swing"] > 1e-9 * (abs(now) + 1.0)]


_Row = tuple[str, float, float, float, float, float, str]


def _fact_rows(case: _Case, measure: str) -> Iterator[_Row]:
    """Vary the facts of the site within their own ranges: price, PUE, water, construction cost."""
    row = case.row
    site = case.evaluation.sites.loc[row["site_id"]]

    def changed(**values: float) -> float:
        return _value(replace(case, row=pd.Series({**row.to_dict(), **values})), measure)

    price = float(row["price_usd_per_mwh"])
    low, high = float(row["price_low_usd_per_mwh"]), float(row["price_high_usd_per_mwh"])
    kind = "range of the tariff row"
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        spread = BAND_SD * float(row["price_sd_usd_per_mwh"])
        low, high, kind = price - spread, price + spread, "80 % interval of quality, zone and age"
    if math.isfinite(price) and price > 0 and math.isfinite(low) and low < high:
        power, demand = float(row["power_usd_per_mw_year"]), float(row["demand_charge_usd_per_mw_year"])
        ends = [
            changed(
                power_usd_per_mw_year=power * end / price, demand_charge_usd_per_mw_year=demand * end / price
            )
            for end in (low, high)
        ]
        yield "site: price_usd_per_mwh", price, low, high, ends[0], ends[1], kind
    pue = float(row["pue"])
    low, high = float(row["pue_low"]), float(row["pue_high"])
    if low < high:
        ends = [
            changed(power_usd_per_mw_year=row["power_usd_per_mw_year"] * end / pue) for end in (low, high)
        ]
        yield "site: pue", pue, low, high, ends[0], ends[1], "80 % interval of the cooling model"
    wue = float(row["wue_l_per_kwh"])
    low, high = float(row["wue_low"]), float(row["wue_high"])
    if wue > 0 and low < high:
        ends = [
            changed(water_usd_per_mw_year=row["water_usd_per_mw_year"] * end / wue) for end in (low, high)
        ]
        yield "site: wue_l_per_kwh", wue, low, high, ends[0], ends[1], "80 % interval of the cooling model"
    capex = float(row["capex_usd_per_w"])
    factor = case.profile.capex_factor
    low, high = float(site["capex_low_usd_per_w"]) * factor, float(site["capex_high_usd_per_w"]) * factor
    own = site.get("capex_override_usd_per_mw", float("nan"))
    if math.isfinite(low) and low < high and not math.isfinite(float(own)):
        land = float(row["capex_usd_per_mw"]) - capex * 1.0e6
        ends = [
            changed(
                capex_usd_per_mw=end * 1.0e6 + land,
                fixed_om_usd_per_mw_year=row["fixed_om_usd_per_mw_year"]
                * (end * 1.0e6 + land)
                / row["capex_usd_per_mw"],
            )
            for end in (low, high)
        ]
        yield (
            "site: capex_usd_per_w",
            capex,
            low,
            high,
            ends[0],
            ends[1],
            f"range of the cost row ({site['capex_quality']})",
        )
    terms, _ = _terms(case)
    growth = terms.escalation_ratio["power"]
    ends = [
        _value(
            case,
            measure,
            replace(terms, escalation_ratio={**terms.escalation_ratio, **dict.fromkeys(POWER_PARTS, end)}),
        )
        for end in (0.0, 0.04)
    ]
    yield "site: escalation_ratio", growth, 0.0, 0.04, ends[0], ends[1], "the span that escalation is cut to"
    if terms.revenue_usd_per_year > 0:
        ends = [
            _value(case, measure, replace(terms, revenue_usd_per_year=terms.revenue_usd_per_year * share))
            for share in (0.8, 1.2)
        ]
        now = terms.revenue_usd_per_year / case.energy_mwh_per_year
        yield "revenue_usd_per_mwh", now, 0.8 * now, 1.2 * now, ends[0], ends[1], "a fifth less or more"


def _register_rows(case: _Case, measure: str, tables: Tables | None) -> Iterator[_Row]:
    """Vary each numeric assumption of the register that money can depend on."""
    if tables is None:
        return
    scenario = case.scenario
    prefix = f"workloads.{case.workload}."
    interruptible = case.profile.break_even_usd_per_mwh is not None
    for entry in register(scenario, tables, program=False):
        if entry.low is None or entry.high is None:
            continue
        if entry.key.startswith(prefix):
            name = entry.key.removeprefix(prefix)
            if name not in PROFILE_KEYS or (name in INTERRUPTIBLE_KEYS and not interruptible):
                continue
        elif not entry.key.startswith(SCENARIO_KEYS):
            continue
        value = entry.value
        if entry.key == "money.tax_ratio" and value is None:
            value = _terms(case)[0].tax_ratio
        if not isinstance(value, int | float):
            continue
        whole = isinstance(value, int)
        ends = []
        for end in (entry.low, entry.high):
            changed = with_value(scenario, entry.key, int(end) if whole else float(end))
            ends.append(_under(case, changed, entry.key, measure, tables))
        if all(math.isfinite(end) for end in ends):
            yield entry.key, float(value), entry.low, entry.high, ends[0], ends[1], entry.source


def _under(case: _Case, scenario: Scenario, key: str, measure: str, tables: Tables) -> float:
    """The measure under a changed scenario; NaN where the site can no longer carry the load."""
    site = str(case.row["site_id"])
    if key.startswith(EVALUATED_KEYS):
        alone = scenario.model_copy(
            update={
                "sites": scenario.sites.model_copy(update={"only": (site,), "require": (), "existing": ()}),
                "workloads": tuple(load for load in scenario.workloads if load.name == case.workload),
            }
        )
        again = evaluate(alone, tables, points=tuple(case.evaluation.extra.get("points", ())))
        try:
            return _value(replace(_case(again, site, case.workload), programs=case.programs), measure)
        except DcsiteError:
            return float("nan")
    return _value(replace(case, evaluation=replace(case.evaluation, scenario=scenario)), measure)


def _tornado(rows: list[dict[str, Any]]) -> pd.DataFrame:
    columns = [
        "key",
        "value",
        "low",
        "high",
        "measure",
        "unit",
        "at_value",
        "at_low",
        "at_high",
        "swing",
        "source",
    ]
    frame = pd.DataFrame(rows, columns=columns)
    frame = frame.sort_values(["swing", "key"], ascending=[False, True], kind="stable")
    return frame.reset_index(drop=True)


def summary_frame(results: Sequence[SiteMoney]) -> pd.DataFrame:
    """One row per site and workload with all summary figures."""
    return pd.DataFrame(
        [
            {
                "site_id": result.site_id,
                "name": result.name,
                "workload": result.workload,
                "technology": result.technology,
                "it_mw": result.it_mw,
                **result.summary,
            }
            for result in results
        ]
    )
