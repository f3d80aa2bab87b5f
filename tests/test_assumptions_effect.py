"""Every assumption that can be set matters: changed in a scenario, it changes facts, scores, money or the model."""

from __future__ import annotations

import typing
from dataclasses import replace

import pandas as pd
import pytest
from pydantic import BaseModel

from dcsite.data.scenario_file import parse_scenario
from dcsite.data.tables import load_tables
from dcsite.errors import DcsiteError
from dcsite.optimize import model
from dcsite.optimize.inputs import build_inputs
from dcsite.scoring.criteria import BY_NAME
from dcsite.spec.scenario import Scenario
from dcsite.spec.workload import Workload
from dcsite.study.assumptions import register, with_value
from dcsite.study.evaluating import evaluate
from dcsite.study.money import money
from dcsite.study.ranking import rank

SITES = ["us-plano-tx", "kw-kuwait-city"]
CLOUD = {"name": "load", "profile": "cloud", "it_mw": 40, "max_rtt_ms": 250, "coverage": 0.2}
MINING = {"name": "load", "profile": "crypto", "it_mw": 40, "break_even_usd_per_mwh": 95.0, "optional": True}
STOPS = {"interruptible_fraction": 0.3, "break_even_usd_per_mwh": 95.0, "pass_through": 1.0}
EVERYTHING = dict.fromkeys(BY_NAME, 1.0)


def question(load=CLOUD, **keys):
    money_ = {"revenue_usd_per_mwh": 300.0, "sales_tax_ratio": 0.05}
    return {"format": 1, "sites": {"only": SITES}, "workloads": [load], "money": money_, **keys}


CONTEXT = {
    "limits.budget_carry": question(
        periods=[{"start": 2026, "budget_usd": 9e8}, {"start": 2030, "budget_usd": 9e8}]
    ),
    "no_migration": question(periods=[{"start": 2026}, {"start": 2030}]),
    "limits.zone": question(
        limits={"max_share_per_zone": 0.6}, sites={"only": ["us-plano-tx", "us-quincy-wa", "us-ashburn-va"]}
    ),
    "objective.beta": question(objective={"kind": "cvar", "years": [2021, 2022]}),
    "objective.risk_weight": question(objective={"kind": "cvar", "years": [2021, 2022]}),
    "objective.pass_through": question(objective={"kind": "cvar", "years": [2021, 2022]}),
    "escalation": question(periods=[{"start": 2026}, {"start": 2030}]),
    "strict_basis": question(sites={"only": ["us-plano-tx", "sg-singapore"]}),
    "allow_risk": question(sites={"only": [*SITES, "il-tel-aviv"]}),
    "rules": question({**CLOUD, "profile": "ai-training"}),
    "operator_hq": question({**CLOUD, "profile": "ai-training"}),
    "licenses": question({**CLOUD, "profile": "ai-training"}),
    "money.hardware_life_years": question({**CLOUD, "it_hardware_usd_per_mw": 1e7}),
    "workloads.load.interruptible_fraction": question({**CLOUD, **STOPS}),
    "workloads.load.max_availability": question(MINING),
    "workloads.load.min_run_fraction": question({**MINING, "break_even_usd_per_mwh": 30.0}),
    "workloads.load.pass_through": question(CLOUD, price_year=2022),
    "workloads.load.liquid_share": question(
        {**CLOUD, "profile": "ai-training-liquid", "technologies": ["liquid_dry", "liquid_tower"]}
    ),
    "workloads.load.survive_fraction": question(
        {**CLOUD, "max_rtt_ms": None, "coverage": 1.0}, limits={"n_minus_1": "site"}
    ),
    "workloads.load.accelerators_per_mw": question(
        {**CLOUD, "profile": "ai-training"}, limits={"accelerators": {"KWT": 10_000}}
    ),
    "workloads.load.sheds_at_peak": question(MINING, sites={"only": ["us-quincy-wa", "us-plano-tx"]}),
}
"""Keys that matter only in a certain question, and that question."""

ELSEWHERE = {
    "solver.gap": "how far the proof goes; the plan carries it as asked_gap",
    "solver.time_limit_s": "a guard on the search",
    "money.incentives": "needs the table of programs; tested with the money of a site",
    "sites.catalog": "the only other value is none, which leaves no site",
    "demand_points": "number of points of the optimizer's market; tested with the markets",
    "ignore_unverified": "lifts exclusions that rest on unverified rows; tested with the exclusions",
    "carbon_basis": "bases depend on which files are there; tested with the tables",
    "workloads.load.target_rtt_ms": "share within it is a column of the reach facts",
}
OTHER = {
    "limits.zone": "country",
    "rules": "us-2025-diffusion",
    "operator_hq": "CHN",
    "licenses": "assume-denied",
    "as_of_year": 2029,
}


def literals(key: str) -> list:
    """Values that a key may take, where they are words."""
    owner: type[BaseModel] = Scenario
    parts = key.split(".")
    if parts[0] == "workloads":
        owner, parts = Workload, parts[2:]
    annotation: typing.Any = None
    for part in parts:
        annotation = owner.model_fields[part].annotation
        inner = [
            item
            for item in (annotation, *typing.get_args(annotation))
            if isinstance(item, type) and issubclass(item, BaseModel)
        ]
        owner = inner[0] if inner else owner
    found = [annotation, *typing.get_args(annotation)]
    return [
        value
        for item in found
        if typing.get_origin(item) is typing.Literal
        for value in typing.get_args(item)
    ]


def others(entry) -> list:
    """Other values of an assumption."""
    value = entry.value
    if entry.key in OTHER:
        return [OTHER[entry.key]]
    if entry.key.endswith(".users"):
        return ["USA"]
    if entry.key == "money.build_schedule":
        return [[0.5, 0.5]]
    if isinstance(value, bool):
        return [not value]
    if entry.low is not None:
        ends = [end for end in (entry.high, entry.low) if value is None or abs(end - value) > 1e-12]
        return [int(end) if isinstance(value, int) else end for end in ends]
    if entry.kind == "anchor":
        return [[value[0] + 0.3 * (value[1] - value[0]), value[1] - 0.3 * (value[1] - value[0])]]
    if isinstance(value, str):
        return [word for word in literals(entry.key) if word not in (value, "expected", "cvar", "regret")]
    if isinstance(value, tuple):
        return [list(value)[:1], list(value)[1:]]
    if isinstance(value, int):
        return [value + 1]
    return [value * 1.5 if 0 < value * 1.5 <= 1 or value > 1 else value * 0.5 if value else 0.5]


TERMS = ("score.", "money.", "solver.")
"""Keys that no fact is computed from: the facts at hand serve."""


def parts(scenario, found, *, terms):
    """Yield what an answer says, likely and quick parts first: facts, model, money, scores."""
    if not terms:
        yield (
            pd.util.hash_pandas_object(found.facts.select_dtypes("number").round(9)).tolist(),
            found.facts["admissible"].tolist(),
            sorted(zip(found.excluded["site_id"], found.excluded["rule"], strict=True)),
        )
    site = str(found.sites.index[0])
    yield attempt(lambda: model.build(build_inputs(scenario, found))[0].digest())
    yield attempt(lambda: repr(money(found, site, sensitivity=False).summary))
    for weights in (None, EVERYTHING):
        yield attempt(
            lambda weights=weights: rank(found, weights).table[["site_id", "score"]].round(7).to_csv()
        )


def attempt(make):
    """What a step gives, or why it does not."""
    try:
        return make()
    except (DcsiteError, ValueError) as error:
        return str(error)


class Known:
    """The answer to a question, each part made once."""

    def __init__(self, raw, tables):
        self.scenario = parse_scenario(raw)
        self.tables = tables
        self.facts = evaluate(self.scenario, tables)
        self.made = {True: [], False: []}
        self.making = {terms: parts(self.scenario, self.facts, terms=terms) for terms in (True, False)}

    def part(self, number, *, terms):
        while len(self.made[terms]) <= number:
            self.made[terms].append(next(self.making[terms]))
        return self.made[terms][number]

    def moved_by(self, key, value) -> bool:
        """Whether another value of a key changes any part."""
        terms = key.startswith(TERMS)
        changed = with_value(self.scenario, key, value)
        try:
            found = replace(self.facts, scenario=changed) if terms else evaluate(changed, self.tables)
        except DcsiteError:
            return True
        return any(
            part != self.part(number, terms=terms)
            for number, part in enumerate(parts(changed, found, terms=terms))
        )


@pytest.fixture(scope="module")
def tables():
    return load_tables()


def entries(raw, tables):
    return [entry for entry in register(parse_scenario(raw), tables, program=False) if entry.settable]


@pytest.mark.slow
def test_every_assumption_takes_effect(tables):
    plain = Known(question(), tables)
    idle = []
    for entry in entries(question(), tables):
        if entry.key in ELSEWHERE:
            continue
        known, own = plain, entry
        if entry.key in CONTEXT:
            known = Known(CONTEXT[entry.key], tables)
            own = {other.key: other for other in entries(CONTEXT[entry.key], tables)}[entry.key]
        if not any(known.moved_by(entry.key, value) for value in others(own)):
            idle.append(entry.key)
    assert not idle, ", ".join(idle)


def test_what_is_tested_elsewhere_is_still_an_assumption(tables):
    known = {entry.key for raw in (question(), *CONTEXT.values()) for entry in entries(raw, tables)}
    assert set(ELSEWHERE) <= known
    assert set(CONTEXT) <= known
