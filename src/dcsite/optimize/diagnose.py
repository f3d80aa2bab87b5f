"""When nothing fits: which limits clash, and the cheapest way to make a plan possible, in natural units.

First arithmetic, then an elastic model (every limit that a user may move can be stretched at a stated penalty
per unit), then a minimal conflict among the limits as the user knows them: each is left out once and kept only
if without it a plan exists.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from dcsite.errors import ScenarioError
from dcsite.optimize import highs, model, solve
from dcsite.optimize.arithmetic import impossible
from dcsite.optimize.explain import edited, facts_with_site, with_limit, with_load, with_site
from dcsite.optimize.failures import failure_rows
from dcsite.optimize.inputs import M, accelerator_caps, build_inputs, site_number
from dcsite.optimize.problem import Labels, Problem, Rows, selected

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from dcsite.errors import Problem as Complaint
    from dcsite.optimize.highs import Options, Outcome
    from dcsite.optimize.inputs import Floats, Inputs, Ints
    from dcsite.optimize.model import Index
    from dcsite.optimize.problem import Block
    from dcsite.physics.evaluation import Evaluation
    from dcsite.spec.scenario import Scenario

REPAIRS: Final = ("option", "limit", "label", "unit", "now", "needed", "change", "checked", "words")
RTT_STRETCH: Final = 2.0
"""How far beyond an RTT limit the doctor looks, as a factor."""
RTT_PENALTY: Final = 0.1
"""Penalty per 10 ms and MW of demand: one MW served 10 ms late costs as much as a tenth of a MW of grid."""
ENOUGH_OPTIONS: Final = 2
"""From so many single repairs on, none of several limits is looked for."""
LAST_RESORT_S: Final = 10.0
"""Processor seconds for a repair of several limits, where none of one was found in time."""
REACH_SITES: Final = 16
"""Sites per workload, by the users that they add, among which a first repair is looked for."""
OPTIONS: Final = 4
"""Alternative repairs shown at most."""
MOST_OF_A_LOAD: Final = 0.9
"""A repair that takes more than this share of a load away is none."""
REPAIR_GAP: Final = 0.02
"""A repair need not be exact beyond this share of itself; whole numbers are."""
COVER: Final[dict[str, str]] = {
    "demand_region": "it_mw",
    "demand_total": "it_mw",
    "block_min": "min_block_mw",
    "workload_sites": "max_sites",
    "grid": "grid_mw",
    "grid_zone": "grid_zone",
    "land": "land_m2",
    "water_site": "water_m3_per_year",
    "water_basin": "basins",
    "water_hour": "water_m3_per_hour",
    "sites_max": "max_sites",
    "sites_min": "min_sites",
    "site_min": "min_site_mw",
    "technologies_max": "max_technologies_per_site",
    "required": "require",
    "budget": "budget_usd",
    "zone_share": "max_share_per_zone",
    "share_max": "max_share",
    "share_min": "min_share",
    "accelerators": "accelerators",
    "carbon_cap": "carbon_t_per_year",
    "carbon_intensity": "carbon_kg_per_mwh",
    "coverage": "coverage",
    "latency_mean": "mean_rtt_ms",
    "survive_region": "survive_fraction",
    "survive_total": "survive_fraction",
    "rtt": "max_rtt_ms",
}
"""Family to the scenario key that a user would change."""


@dataclass(frozen=True)
class Diagnosis:
    """What stands in the way.

    Attributes
    ----------
    feasible
        A plan exists: nothing stands in the way.
    arithmetic
        Contradictions that need no solver.
    conflict
        Limits that together allow no plan; leaving out any one of them does.
    minimal
        Whether that was tested for every limit of the conflict.
    repair
        Changes that make a plan possible, the smallest penalty first: rows of one ``option`` belong together,
        options are alternatives. ``checked``: a plan was found in the scenario with the option applied.
    checked
        Whether the first option was checked so.
    coverage
        Share of demand that the best p sites reach within ``max_rtt_ms``, where coverage is in the conflict.
    """

    feasible: bool
    arithmetic: tuple[Complaint, ...]
    conflict: tuple[str, ...]
    minimal: bool
    repair: pd.DataFrame
    checked: bool
    coverage: pd.DataFrame
    notes: tuple[str, ...] = ()


def diagnose(
    scenario: Scenario,
    evaluation: Evaluation,
    *,
    time_limit_s: float | None = 60.0,
    progress: Callable[[str], None] | None = None,
) -> Diagnosis:
    """Find what makes a scenario impossible and the cheapest repairs.

    First the relaxation with every limit stretched: where it must stretch, its prices name a conflict, which
    linear programs make minimal. Then each limit of the conflict is moved alone, as little as lets a plan
    exist; that a plan is found so is also the proof that the limit is needed for the conflict.

    Parameters
    ----------
    scenario, evaluation
        The question and its facts.
    time_limit_s
        Processor seconds for all solves.
    """
    return _Doctor(scenario, evaluation, time_limit_s, progress or (lambda _: None)).answer()


@dataclass(frozen=True)
class Limit:
    """A limit as the user knows it: rows of the model that one key of the scenario moves.

    ``amount`` of stretch in the rows' unit costs ``penalty`` each; ``whole`` where it comes in whole numbers.
    """

    words: str
    family: str
    where: int
    rows: tuple[tuple[int, Ints], ...]
    penalty: float
    whole: bool = False


@dataclass(frozen=True)
class Stretched:
    """A plan of the stretched model: values, stretch of each limit, and whether it is the least."""

    x: Floats
    amounts: Mapping[str, Floats]
    penalty: float
    least: bool


class _Doctor:
    """One diagnosis: the loose model, its limits, and what is left of the time."""

    def __init__(
        self,
        scenario: Scenario,
        evaluation: Evaluation,
        time_limit_s: float | None,
        say: Callable[[str], None],
    ) -> None:
        self.scenario, self.evaluation, self.say = scenario, evaluation, say
        self.budget = solve.Budget(time_limit_s, scenario.solver.node_limit)
        self.strict = build_inputs(scenario, evaluation)
        self.notes: list[str] = []

    def answer(self) -> Diagnosis:
        complaints = tuple(impossible(self.strict, self.evaluation))
        nothing = pd.DataFrame(columns=list(REPAIRS))
        no_cover = pd.DataFrame(columns=["workload", "sites_count", "coverage_ratio", "site_id"])
        eligible = model.eligible_sites(self.strict)
        if any(
            not load.optional and not eligible[:, w].any() and self.strict.demand_mw[w].max(initial=0.0) > 0
            for w, load in enumerate(self.strict.workloads)
        ):
            notes = ("no limit can be stretched as long as a workload has no admissible site",)
            return Diagnosis(False, complaints, (), False, nothing, False, no_cover, notes)
        self.inputs = loosened(self.scenario, self.evaluation)
        base, self.index = model.build(self.inputs, loose=True)
        base = rtt_rows(self.inputs, self.index, base, self.scenario)
        self.base = base.with_cost(np.zeros(len(base.columns)))
        holds = None if complaints else self._survives()
        if holds:
            return Diagnosis(True, complaints, (), False, nothing, True, no_cover)
        self.limits = self._limits()
        self.say("looking for the smallest conflict")
        names, minimal = self._conflict(known=bool(complaints) or holds is False)
        if names is None:
            notes = ("neither a plan nor a proof that none exists was found in time; --time-limit raises it",)
            return Diagnosis(False, complaints, (), False, nothing, False, no_cover, notes)
        options, needed = self._options(names)
        minimal = minimal and all(self._alone(names - {words}) for words in sorted(names - needed))
        if not minimal:
            self.notes.append("the conflict is not proven minimal")
        repair, checked = self._frame(options)
        said = tuple(_explained(words, self.scenario) for words in sorted(names))
        cover = no_cover
        if any(words.startswith(("coverage", "max_rtt_ms", "hard_rtt_ms", "mean_rtt_ms")) for words in said):
            cover = coverage_table(self.strict, self.evaluation)
        if options and not options[0][1].least:
            self.notes.append("time ran out: smaller repairs may exist; --time-limit raises it")
        return Diagnosis(
            False, complaints, said, minimal, repair, checked, cover, tuple(dict.fromkeys(self.notes))
        )

    # --- is there a plan at all ---------------------------------------------------------------------------

    def _survives(self) -> bool | None:
        """Whether a plan exists, failures of zones included; their rows join the model as they are needed."""
        failed: set[tuple[int, int, int]] = set()
        while True:
            x = self._any_plan(self.base)
            if not isinstance(x, np.ndarray):
                return x
            more = failure_rows(self.inputs, self.index, self.evaluation, self.base, x, failed)
            if more is None:
                return True
            self.base, failed = more

    def _any_plan(self, problem: Problem) -> Floats | bool | None:
        """Values of some plan; False where none exists, None where that is not known."""
        cut, relaxed = solve.with_cuts(problem, self.index, self.inputs, self.budget)
        if relaxed.status == "infeasible":
            return False
        found = solve.quick_plan(cut, self.index, self.inputs, self.budget.options(0.5, share=0.2))
        if found is not None:
            return found
        outcome = highs.solve(cut.arrays(), self.budget.options(0.5, share=0.3))
        if outcome.x is not None:
            return outcome.x
        return False if outcome.status == "infeasible" else None

    # --- limits -------------------------------------------------------------------------------------------

    def _limits(self) -> dict[str, Limit]:
        """The limits of the scenario by their words."""
        parts: dict[str, list[tuple[int, Ints]]] = {}
        first: dict[str, tuple[str, int]] = {}
        for number, block in enumerate(self.base.blocks):
            if block.repair is None and block.family != "rtt":
                continue
            if block.family in ("demand_region", "demand_total") and not np.isfinite(block.lower).any():
                continue  # an optional load forces nothing
            for words, value, rows in _groups_of(self.inputs, block):
                parts.setdefault(words, []).append((number, rows))
                first.setdefault(words, (block.family, value))
        limits = {}
        for words, members in parts.items():
            family, value = first[words]
            penalty = (
                RTT_PENALTY * 10.0
                if family == "rtt"
                else float(self.base.blocks[members[0][0]].repair or 0.0)
            )
            whole = family in ("sites_max", "sites_min", "workload_sites", "technologies_max")
            limits[words] = Limit(words, family, value, tuple(members), penalty, whole)
        return limits

    def _stretchable(self, names: Collection[str]) -> tuple[Problem, dict[str, Ints]]:
        """The model with a column of stretch per limit (per site for the connections), at its penalty."""
        made = self.base
        columns: dict[str, Ints] = {}
        for words in sorted(names):
            limit = self.limits[words]
            parts = []
            for number, rows in limit.rows:
                block = self.base.blocks[number]
                own = np.zeros(len(rows), dtype=np.int64)
                if limit.family == "grid":
                    own = block.labels.axes["site"][rows]
                parts.append((number, rows, own, _signs(self.inputs, block, rows)))
            count = 1 + max(int(own.max(initial=0)) for _, _, own, _ in parts)
            begin = len(made.columns)
            made = made.with_columns(
                "stretch",
                cost=np.full(count, limit.penalty),
                lower=0.0,
                upper=self._most(limit),
                integer=limit.whole,
                labels=Labels({"number": np.arange(count)}),
            )
            columns[words] = begin + np.arange(count)
            blocks = list(made.blocks)
            for number, rows, own, sign in parts:
                wide = blocks[number]
                added = Rows(len(wide), len(made.columns)).add(rows, begin + own, sign)
                blocks[number] = replace(wide, matrix=wide.matrix + added.matrix())
            if limit.family in ("demand_region", "demand_total"):
                blocks = _with_less_demand(self.inputs, limit, blocks, begin, len(made.columns))
            made = replace(made, blocks=tuple(blocks))
        return made, columns

    def _most(self, limit: Limit) -> float:
        """How far a limit may be stretched: next to no load is no repair."""
        if limit.family not in ("demand_region", "demand_total"):
            return math.inf
        return MOST_OF_A_LOAD * float(self.inputs.demand_mw[limit.where].max(initial=0.0))

    # --- conflict -----------------------------------------------------------------------------------------

    def _conflict(self, *, known: bool) -> tuple[set[str] | None, bool]:
        """Limits that together allow no plan; whether linear programs proved each needed. None: not known."""
        elastic, columns = self._stretchable(self.limits)
        cut, relaxed = solve.with_cuts(elastic, self.index, self.inputs, self.budget)
        cuts = [block for block in cut.blocks if block.family == "strong_arc"]
        width = len(self.base.columns)
        self.base = self.base.with_block(*(replace(block, matrix=block.matrix[:, :width]) for block in cuts))
        if relaxed.status == "optimal" and relaxed.x is not None and relaxed.objective > 1e-6:
            names = self._priced(cut, relaxed, columns)
            return self._narrowed(names, relaxed=True)
        if not known:
            return None, False
        return self._narrowed(set(self.limits), relaxed=False)

    def _priced(self, cut: Problem, relaxed: Outcome, columns: dict[str, Ints]) -> set[str]:
        """Limits whose rows have a price in the stretched relaxation: no others take part in its proof."""
        duals = relaxed.row_dual
        if duals is None:
            return set(self.limits)
        start = np.cumsum([0, *(len(block) for block in cut.blocks)])
        return {
            words
            for words, limit in self.limits.items()
            if any(
                np.abs(duals[start[number] + rows[rows < len(cut.blocks[number])]]).max(initial=0.0) > 1e-9
                for number, rows in limit.rows
            )
        }

    def _narrowed(self, names: set[str], *, relaxed: bool) -> tuple[set[str], bool]:
        """Leave out one limit after the other, and keep those without which nothing clashes any more."""
        gone = set(self.limits) - names
        proved = True
        for words in sorted(names, key=lambda words: (-self.limits[words].penalty, words)):
            left = self.budget.left()
            if left is not None and left <= 0.5:
                return names, False
            problem = self._without(gone | {words})
            options = self.budget.options(0.5, share=0.2)
            outcome = highs.solve(problem.arrays(), options, relaxed=relaxed)
            if outcome.status == "infeasible":
                gone.add(words)
                names = names - {words}
            elif outcome.x is None:
                proved = False
        return names, proved

    def _without(self, gone: Collection[str]) -> Problem:
        """The model without the rows of some limits."""
        drop: dict[int, list[Ints]] = {}
        for words in gone:
            for number, rows in self.limits[words].rows:
                drop.setdefault(number, []).append(rows)
        blocks = []
        for number, block in enumerate(self.base.blocks):
            if number not in drop:
                blocks.append(block)
                continue
            keep = np.setdiff1d(np.arange(len(block)), np.concatenate(drop[number]))
            if len(keep):
                blocks.append(selected(block, keep))
        return replace(self.base, blocks=tuple(blocks))

    def _alone(self, names: Collection[str]) -> bool:
        """Whether these limits alone were shown to allow a plan."""
        left = self.budget.left()
        if left is not None and left <= 0.5:
            return False
        return isinstance(self._any_plan(self._without(set(self.limits) - set(names))), np.ndarray)

    # --- repairs ------------------------------------------------------------------------------------------

    def _options(self, names: set[str]) -> tuple[list[tuple[tuple[str, ...], Stretched]], set[str]]:
        """Each limit of the conflict moved alone as little as it takes, then all together if no one is enough."""
        found: list[tuple[tuple[str, ...], Stretched]] = []
        needed: set[str] = set()
        able = [words for words in sorted(names) if self._may_hold(words)]
        able.sort(key=lambda words: (not self.limits[words].whole, self.limits[words].penalty, words))
        for number, words in enumerate(able):
            left = self.budget.left()
            if left is not None and left <= 0.5 and found:
                break
            self.say(f"moving {words}")
            part = self._stretched(
                (words,), share=0.35 if self.limits[words].whole else 1.0 / (1.5 + len(able) - 1 - number)
            )
            if part is not None:
                needed.add(words)
                found.append(((words,), part))
        if len(found) < ENOUGH_OPTIONS and len(self.limits) > 1:
            self.say("moving several limits")
            everything = tuple(sorted(self.limits))
            part = self._stretched(everything, share=0.8)
            worse = part is not None and any(part.penalty >= 0.999 * other.penalty for _, other in found)
            if part is not None and not worse:
                if len(names) > 1 and not found:
                    self.notes.append("no single limit of the conflict is enough: several must move")
                found.append((everything, part))
        found.sort(key=lambda entry: (entry[1].penalty, entry[0]))
        return found, needed

    def _may_hold(self, words: str) -> bool:
        """Whether the relaxation without this limit has a solution: else moving it alone is of no use."""
        left = self.budget.left()
        if left is not None and left <= 0.5:
            return True
        options = self.budget.options(0.5, share=0.2)
        return highs.solve(self._without({words}).arrays(), options, relaxed=True).status != "infeasible"

    def _stretched(self, names: tuple[str, ...], *, share: float) -> Stretched | None:
        """Least stretch of some limits under all others; failures of zones are added as plans fail them."""
        problem, columns = self._stretchable(names)
        rtt = [self.limits[words] for words in names if self.limits[words].family == "rtt"]
        if rtt:
            problem = self._far_arcs(problem, columns, rtt)
        # The last resort gets some time whatever the tries before it took.
        least_s = LAST_RESORT_S if len(names) > 1 else 0.1
        options = self.budget.options(0.0, share=share, least_s=least_s)
        part = solve.Budget(options.cpu_limit_s, self.budget.node_limit)
        failed: set[tuple[int, int, int]] = set()
        while True:
            outcome = self._least(problem, part)
            if outcome is None or outcome.x is None:
                return None
            more = failure_rows(self.inputs, self.index, self.evaluation, problem, outcome.x, failed)
            if more is None:
                break
            problem, failed = more
        amounts = {words: np.asarray(outcome.x[own]) for words, own in columns.items()}
        gap = outcome.objective - outcome.bound
        least = gap <= REPAIR_GAP * max(abs(outcome.objective), 1e-9) + 1e-6
        return Stretched(outcome.x, amounts, float(outcome.objective), least)

    def _far_arcs(self, problem: Problem, columns: dict[str, Ints], limits: list[Limit]) -> Problem:
        """An RTT limit is stretched by the arcs beyond it, at a penalty that grows with their excess."""
        cost = problem.columns.cost.copy()
        excess = _rtt_cost(self.inputs, self.index, len(cost), self.scenario)
        load_of = self.inputs.points.workload[self.inputs.arcs.point]
        for limit in limits:
            cost[columns[limit.words]] = 0.0
            own = self.index.serve[load_of == limit.where].ravel()
            cost[own] = excess[own]
        return problem.with_cost(cost)

    def _least(self, problem: Problem, budget: solve.Budget) -> Outcome | None:
        """Least penalty: relaxation with cuts, a plan of likely halls, then the whole model."""
        cut, relaxed = solve.with_cuts(problem, self.index, self.inputs, budget)
        if relaxed.status == "infeasible":
            return None
        options = replace(budget.options(REPAIR_GAP), absolute_gap=1e-6)
        start = self._near_plan(cut, budget.options(REPAIR_GAP, share=0.5))
        floor = relaxed.objective if relaxed.status == "optimal" else -math.inf
        if start is not None:
            value = float(cut.columns.cost @ start)
            if value - floor <= REPAIR_GAP * value + 1e-9:
                return highs.Outcome("optimal", start, value, floor)
        outcome = highs.solve(cut.arrays(), options, start=start)
        if outcome.x is None and start is not None:
            value = float(cut.columns.cost @ start)
            return highs.Outcome("limit", start, value, floor)
        return replace(outcome, bound=max(outcome.bound, floor)) if outcome.x is not None else None

    def _near_plan(self, problem: Problem, options: Options) -> Floats | None:
        """A plan among halls where one can be expected, and at the sites that together reach most users."""
        inputs = self.inputs
        halls = solve.likely_halls(inputs)
        reach = coverage_table(inputs, self.evaluation, most=REACH_SITES)
        names = set(reach["site_id"])
        halls = halls | np.array([inputs.site_ids[s] in names for s in inputs.hall_site], dtype=bool)
        small = problem.with_bounds(self.index.open[~halls].ravel(), 0.0, 0.0)
        return highs.solve(small.arrays(), options).x

    def _frame(self, options: list[tuple[tuple[str, ...], Stretched]]) -> tuple[pd.DataFrame, bool]:
        """Options in natural units, each applied to the scenario and solved."""
        rows: list[dict[str, Any]] = []
        first = False
        for number, (names, found) in enumerate(options[:OPTIONS], start=1):
            asked, facts = self.scenario, self.evaluation
            said: list[dict[str, Any]] = []
            fits = True
            for words in names:
                limit = self.limits[words]
                if limit.family != "rtt" and found.amounts[words].max(initial=0.0) <= 1e-6:
                    continue
                for change in changes(self.inputs, self.index, asked, found, limit):
                    said.append(change.row())
                    try:
                        asked, facts = change.apply(asked, facts)
                    except ValueError:  # the keys of a scenario have ranges
                        fits = False
            checked = (
                bool(said) and fits and _check(asked, facts, self.inputs, self.index, found.x, self.budget)
            )
            first = first or (checked and number == 1)
            rows += [{**row, "option": number, "checked": checked} for row in said]
        return pd.DataFrame(rows, columns=list(REPAIRS)), first


def loosened(scenario: Scenario, evaluation: Evaluation) -> Inputs:
    """Inputs whose bounds leave room beyond every limit; the limits themselves stay in their rows."""
    total = sum(
        max([float(load.it_mw or 0.0), *(load.it_mw_by_year or {}).values()]) for load in scenario.workloads
    )
    sites = evaluation.sites.copy()
    wide = 3.0 * total + 100.0
    sites["grid_mw"] = sites["grid_mw"].to_numpy(dtype=np.float64) + wide
    land = sites["land_m2"].to_numpy(dtype=np.float64) if "land_m2" in sites else np.full(len(sites), np.nan)
    sites["land_m2"] = np.nan
    raw = scenario.model_dump(exclude_unset=True)
    for load in raw["workloads"]:
        for key in ("max_rtt_ms", "hard_rtt_ms"):
            hard = load.get("hard_rtt_ms") is not None or load.get("coverage", 1.0) >= 1.0
            if load.get(key) is not None and hard:
                load[key] = float(load[key]) * RTT_STRETCH
    for entry in raw.get("sites", {}).get("override", ()):
        if entry.get("grid_mw_by_year"):
            entry["grid_mw_by_year"] = {y: float(v) + wide for y, v in entry["grid_mw_by_year"].items()}
    wider = type(scenario).model_validate(raw)
    strict = build_inputs(scenario, evaluation, prune=False)
    made = build_inputs(wider, replace(evaluation, sites=sites))
    order = np.argsort(evaluation.sites.index.astype(str).to_numpy(), kind="stable")
    return replace(
        made,
        scenario=wider,
        grid_mw=strict.grid_mw,
        land_m2=land[order],
        extra={**made.extra, "grid_mw": made.grid_mw},
    )


def rtt_rows(inputs: Inputs, index: Index, problem: Problem, scenario: Scenario) -> Problem:
    """Rows that forbid what lies beyond the RTT limits as asked: one per workload, ``sum f <= 0``."""
    periods = len(inputs.period_start)
    rows, loads = [], []
    arcs, points = inputs.arcs, inputs.points
    for w, load in enumerate(scenario.workloads):
        limit = _limit_ms(load)
        if not inputs.has_arcs[w] or not math.isfinite(limit):
            continue
        rows.append(np.flatnonzero((points.workload[arcs.point] == w) & (arcs.rtt_ms > limit)))
        loads.append(w)
    if not rows:
        return problem
    made = Rows(len(rows), len(problem.columns))
    for row, members in enumerate(rows):
        for p in range(periods):
            made.add(row, index.serve[members, p], 1.0)
    return problem.with_block(
        made.block("rtt", -np.inf, 0.0, {"workload": loads}, unit="ms", group=("workload",))
    )


def _limit_ms(load: Any) -> float:  # noqa: ANN401  (a workload)
    if load.hard_rtt_ms is not None:
        return float(load.hard_rtt_ms)
    return float(load.max_rtt_ms) if load.max_rtt_ms is not None and load.coverage >= 1 else math.inf


def _rtt_cost(inputs: Inputs, index: Index, count: int, scenario: Scenario) -> np.ndarray[Any, Any]:
    """Penalty of arcs beyond the asked limit: their excess."""
    cost = np.zeros(count)
    load_of = inputs.points.workload[inputs.arcs.point] if len(inputs.arcs.point) else inputs.arcs.point
    for w, load in enumerate(scenario.workloads):
        limit = _limit_ms(load)
        far = np.flatnonzero((load_of == w) & (inputs.arcs.rtt_ms > limit))
        for p in range(len(inputs.period_start)):
            cost[index.serve[far, p]] = RTT_PENALTY * (inputs.arcs.rtt_ms[far] - limit) / 10.0
    return cost


def _groups_of(inputs: Inputs, block: Block) -> Iterator[tuple[str, int, Ints]]:
    """Limits of a block as the user knows them: words, position on the axis that tells them apart, rows."""
    key = COVER[block.family]
    if not block.group or block.family == "grid":
        yield ("grid_mw of the sites" if block.family == "grid" else key), -1, np.arange(len(block))
        return
    axis = block.group[0]
    values = block.labels.axes[axis]
    for value in sorted(set(values.tolist())):
        name = inputs.names[axis][value] if axis in inputs.names else f"{axis} {value}"
        if block.family == "rtt" and inputs.workloads[value].hard_rtt_ms is not None:
            key = "hard_rtt_ms"
        yield f"{key} of '{name}'", int(value), np.flatnonzero(values == value)


def _signs(inputs: Inputs, block: Block, rows: Ints) -> Floats:
    """Coefficient of one unit of stretch in each row; an equation of demand gives way by the row's share."""
    low, high = block.lower[rows], block.upper[rows]
    both = np.isfinite(low) & np.isfinite(high)
    if not both.any():
        return np.where(np.isfinite(high), -1.0, 1.0)
    period = block.labels.axes.get("period", np.zeros(len(block), dtype=np.int64))[rows]
    total = np.bincount(period, weights=high)[period]
    return np.where(total > 0, high / np.maximum(total, 1e-12), 0.0)


def _with_less_demand(
    inputs: Inputs, limit: Limit, blocks: list[Block], column: int, count: int
) -> list[Block]:
    """Where a load asks less, the limits that are shares of its demand shrink with it."""
    made = list(blocks)
    for number, block in enumerate(blocks):
        if block.family not in ("coverage", "latency_mean", "survive_total"):
            continue
        rows = np.flatnonzero(block.labels.axes["workload"] == limit.where)
        if not len(rows):
            continue
        demand = inputs.demand_mw[limit.where, block.labels.axes["period"][rows]]
        side = np.where(np.isfinite(block.upper[rows]), block.upper[rows], block.lower[rows])
        ratio = np.divide(side, demand, out=np.zeros(len(rows)), where=demand > 0)
        added = Rows(len(block), count).add(rows, column, ratio)
        made[number] = replace(block, matrix=block.matrix + added.matrix())
    return made


@dataclass(frozen=True)
class Change:
    """One key of the scenario at another value, in words, and how to apply it."""

    limit: str
    label: str
    unit: str
    now: float
    needed: float
    words: str
    apply: Callable[[Scenario, Evaluation], tuple[Scenario, Evaluation]]

    def row(self) -> dict[str, Any]:
        """The change as a row of the repair."""
        return {
            "limit": self.limit,
            "label": self.label,
            "unit": self.unit,
            "now": self.now,
            "needed": self.needed,
            "change": self.needed - self.now,
            "words": self.words,
        }


def _up(value: float, digits: int) -> float:
    """The next number of some digits that is not below the value (noise of a solver aside)."""
    step = 10.0**digits
    return math.ceil(value * step * (1 + 1e-9) - 1e-6) / step if value > 0 else 0.0


def _down(value: float, digits: int) -> float:
    step = 10.0**digits
    return max(0.0, math.floor(value * step * (1 - 1e-9) + 1e-6) / step)


_OF_LOADS: Final = (
    "demand_region",
    "demand_total",
    "block_min",
    "workload_sites",
    "coverage",
    "latency_mean",
    "survive_region",
    "survive_total",
)


def changes(
    inputs: Inputs, index: Index, scenario: Scenario, found: Stretched, limit: Limit
) -> Iterator[Change]:
    """What a stretch means for the keys of the scenario, rounded to the safe side."""
    amounts, family = found.amounts[limit.words], limit.family
    amount = float(amounts.max(initial=0.0))
    if family == "grid":
        for s in np.flatnonzero(amounts > 1e-6):
            yield _site_change(inputs, scenario, int(s), "grid_mw", float(amounts[s]), "MW", 1.0)
    elif family in ("land", "water_site", "water_hour"):
        key = COVER[family]
        unit = {"land": "m2", "water_site": "m3/year", "water_hour": "m3/h"}[family]
        step = 1.0 if family == "water_hour" else 1000.0
        yield _site_change(inputs, scenario, limit.where, key, amount * step, unit, step)
    elif family == "required":
        yield _not_required(inputs, limit.where)
    elif family == "rtt":
        yield from _rtt_change(inputs, index, scenario, found.x, limit.where)
    elif family in _OF_LOADS:
        yield _load_change(inputs, scenario, limit, amount)
    else:
        yield from _limit_change(inputs, index, scenario, found.x, limit, amount)


def _site_change(
    inputs: Inputs, scenario: Scenario, s: int, key: str, amount: float, unit: str, step: float
) -> Change:
    site = inputs.site_ids[s]
    now = {
        "grid_mw": float(inputs.grid_mw[s].max()),
        "land_m2": float(inputs.land_m2[s]),
        "water_m3_per_year": float(inputs.water_m3_per_year[s]),
        "water_m3_per_hour": float(inputs.water_m3_per_hour[s]),
    }[key]
    digits = 1 if step == 1.0 else -1
    more = _up(amount, digits)
    needed = now + more

    def apply(asked: Scenario, facts: Evaluation) -> tuple[Scenario, Evaluation]:
        entry = next((e for e in asked.sites.override if e.id == site), None)
        keys: dict[str, Any] = {key: needed}
        if key == "grid_mw" and entry is not None and entry.grid_mw_by_year:
            keys = {"grid_mw_by_year": {y: float(v) + more for y, v in entry.grid_mw_by_year.items()}}
        return with_site(asked, site, **keys), facts_with_site(facts, site, **{key: needed})

    words = f"{more:,g} {unit} more at {site} ({key} {now:,g} -> {needed:,g})"
    return Change(key, site, unit, now, needed, words, apply)


def _not_required(inputs: Inputs, s: int) -> Change:
    site = inputs.site_ids[s]

    def apply(asked: Scenario, facts: Evaluation) -> tuple[Scenario, Evaluation]:
        frame = facts.sites.copy()
        if "required" in frame:
            frame.loc[site, "required"] = False

        def drop(raw: dict[str, Any]) -> None:
            sites = dict(raw.get("sites", {}))
            kept = [text for text in sites.get("require", ()) if site_number(inputs.site_ids, text) != s]
            raw["sites"] = {**sites, "require": kept}

        return edited(asked, drop), replace(facts, sites=frame)

    return Change("require", site, "sites", 1.0, 0.0, f"do not require {site}", apply)


def _rtt_change(inputs: Inputs, index: Index, scenario: Scenario, x: Floats, w: int) -> Iterator[Change]:
    load = scenario.workloads[w]
    own = np.flatnonzero(inputs.points.workload[inputs.arcs.point] == w)
    used = own[(x[index.serve[own]] > 1e-6).any(axis=1)]
    limit, worst = _limit_ms(load), float(inputs.arcs.rtt_ms[used].max(initial=0.0))
    if worst <= limit * (1 + 1e-9):
        return
    needed = _up(worst, 1)
    key = "hard_rtt_ms" if load.hard_rtt_ms is not None else "max_rtt_ms"

    def apply(asked: Scenario, facts: Evaluation) -> tuple[Scenario, Evaluation]:
        return with_load(asked, load.name, **{key: needed}), facts

    yield Change(
        key, load.name, "ms", limit, needed, f"{key} of '{load.name}' {limit:g} -> {needed:g} ms", apply
    )


def _load_change(inputs: Inputs, scenario: Scenario, limit: Limit, amount: float) -> Change:
    """A key of a workload at another value."""
    w, key = limit.where, COVER[limit.family]
    load = scenario.workloads[w]
    demand = float(inputs.demand_mw[w].max(initial=0.0))
    unit, scale = "MW", 1.0
    if key == "it_mw":
        now, needed = demand, _down(demand - amount, 1)
        scale = needed / demand
    elif key == "min_block_mw":
        now = load.min_block_mw
        needed = _down(now - amount, 1)
    elif key == "max_sites":
        now, unit = float(load.max_sites or 0), "sites"
        needed = now + math.ceil(amount - 1e-6)
    elif key == "coverage":
        now, unit = load.coverage, "ratio"
        needed = _down(now - amount / demand, 3)
    elif key == "mean_rtt_ms":
        now, unit = float(load.mean_rtt_ms or 0.0), "ms"
        needed = _up(now + amount / demand, 1)
    else:
        now, unit = inputs.profiles[w].survive_fraction, "ratio"
        needed = _down(now - amount / demand, 3)

    def apply(asked: Scenario, facts: Evaluation) -> tuple[Scenario, Evaluation]:
        value: Any = round(needed) if unit == "sites" else needed
        keys: dict[str, Any] = {key: value}
        if key == "it_mw" and load.it_mw_by_year:
            keys = {"it_mw_by_year": {y: float(v) * scale for y, v in load.it_mw_by_year.items()}}
        if key == "it_mw" and load.min_block_mw > needed:
            keys["min_block_mw"] = needed
        if key == "survive_fraction":
            profile = facts.profiles[load.name].model_copy(update={"survive_fraction": needed})
            facts = replace(facts, profiles={**facts.profiles, load.name: profile})
        return with_load(asked, load.name, **keys), facts

    words = f"{key} of '{load.name}' {now:g} -> {needed:g}"
    if key == "it_mw":
        words = f"{now - needed:,.1f} MW less of '{load.name}' ({now:,g} -> {needed:,g})"
    return Change(key, load.name, unit, now, needed, words, apply)


def _limit_change(
    inputs: Inputs, index: Index, scenario: Scenario, x: Floats, limit: Limit, amount: float
) -> Iterator[Change]:
    """A key of ``[limits]`` or ``[[periods]]`` at another value."""
    limits, family, key, where = scenario.limits, limit.family, COVER[limit.family], limit.where

    def single(now: float, needed: float, unit: str, **keys: Any) -> Change:  # noqa: ANN401
        def apply(asked: Scenario, facts: Evaluation) -> tuple[Scenario, Evaluation]:
            return with_limit(asked, **keys), facts

        name = f" of {inputs.names[axis][where]}" if axis else ""
        words = f"{key}{name} {now:,g} -> {needed:,g}{'' if unit in ('sites', 'ratio') else ' ' + unit}"
        return Change(key, name.removeprefix(" of "), unit, now, needed, words, apply)

    axis = ""
    if family in ("sites_max", "sites_min", "technologies_max", "site_min"):
        now = float(getattr(limits, key) or 0)
        more = math.ceil(amount - 1e-6)
        unit = "sites" if family != "technologies_max" else "halls"
        needed = now - more if family == "sites_min" else now + more
        if family == "site_min":
            unit, needed = "MW", _down(now - amount, 1)
        yield single(now, needed, unit, **{key: int(needed) if unit != "MW" else needed})
    elif family == "carbon_cap":
        now = float(limits.carbon_t_per_year or 0.0)
        needed = now + _up(amount * 1000.0, 0)
        yield single(now, needed, "t/year", carbon_t_per_year=needed)
    elif family == "carbon_intensity":
        one = np.zeros(len(inputs.period_start))
        one[-1] = 1.0
        energy = float(model.energy_vector(inputs, index, len(x), one) @ x)
        now = float(limits.carbon_kg_per_mwh or 0.0)
        needed = _up(now + amount / max(energy, 1e-9) * 1000.0, 1)
        yield single(now, needed, "kg/MWh", carbon_kg_per_mwh=needed)
    elif family == "water_basin":
        axis, name = "basin", inputs.names["basin"][where]
        now = float(limits.basins[name])
        needed = now + _up(amount * 1000.0, -1)
        yield single(now, needed, "m3/year", basins={**limits.basins, name: needed})
    elif family == "grid_zone":
        axis = "grid_zone"
        now = limits.grid_zone[where].grid_mw
        needed = _up(now + amount, 1)
        zones = [entry.model_dump() for entry in limits.grid_zone]
        zones[where]["grid_mw"] = needed
        yield single(now, needed, "MW", grid_zone=zones)
    elif family in ("share_max", "share_min"):
        axis = "share"
        entry = limits.share[where]
        total = sum(
            float(inputs.demand_mw[w].max(initial=0.0))
            for w, load in enumerate(inputs.workloads)
            if entry.workload in (None, load.name)
        )
        now = float(getattr(entry, key))
        shift = amount / max(total, 1e-9)
        needed = min(1.0, _up(now + shift, 3)) if family == "share_max" else _down(now - shift, 3)
        shares = [part.model_dump(exclude_none=True) for part in limits.share]
        shares[where][key] = needed
        yield single(now, needed, "ratio", share=shares)
    elif family == "zone_share":
        load = inputs.workloads[where]
        now = float(load.max_share_per_zone or limits.max_share_per_zone or 1.0)
        needed = min(1.0, _up(now + amount / max(float(inputs.demand_mw[where].max()), 1e-9), 3))

        def spread(asked: Scenario, facts: Evaluation) -> tuple[Scenario, Evaluation]:
            return with_load(asked, load.name, max_share_per_zone=needed), facts

        words = f"max_share_per_zone of '{load.name}' {now:g} -> {needed:g}"
        yield Change(key, load.name, "ratio", now, needed, words, spread)
    elif family == "accelerators":
        yield from _accelerator_change(inputs, scenario, where, amount * 1000.0)
    elif family == "budget":
        yield from _budget_change(scenario, amount)


def _accelerator_change(inputs: Inputs, scenario: Scenario, where: int, amount: float) -> Iterator[Change]:
    limits = scenario.limits
    caps = accelerator_caps(scenario, inputs.sites, inputs.profiles)
    name = inputs.names["tier"][where]
    more = _up(amount, -1)

    def change(now: float, **keys: Any) -> Change:  # noqa: ANN401
        def apply(asked: Scenario, facts: Evaluation) -> tuple[Scenario, Evaluation]:
            return with_limit(asked, **keys), facts

        words = f"{more:,g} accelerators more in {name} ({now:,g} -> {now + more:,g})"
        return Change("accelerators", name, "accelerators", now, now + more, words, apply)

    if where < len(caps):
        country = list(caps)[where]
        own = limits.accelerators.get(country)
        if own is not None and own <= caps[country]:
            yield change(own, accelerators={**limits.accelerators, country: own + more})
        return
    tiers = [tier.model_dump() for tier in limits.accelerator_tiers]
    tier = tiers[where - len(caps)]
    now = float(tier["without_license"])
    for key in ("without_license", "with_license"):
        tier[key] = float(tier[key]) + more
    yield change(now, accelerator_tiers=tiers)


def _budget_change(scenario: Scenario, amount: float) -> Iterator[Change]:
    """More money: in all, or in each period that has a budget."""
    more = _up(amount * M, -5)
    now = scenario.limits.budget_usd
    if now is not None:
        total = now

        def apply(asked: Scenario, facts: Evaluation) -> tuple[Scenario, Evaluation]:
            return with_limit(asked, budget_usd=total + more), facts

        words = f"budget_usd {total / M:,g} -> {(total + more) / M:,g} M USD"
        yield Change("budget_usd", "", "USD", total, total + more, words, apply)
    for number, period in enumerate(scenario.periods):
        if period.budget_usd is None:
            continue
        old = period.budget_usd

        def raise_one(
            asked: Scenario, facts: Evaluation, number: int = number, old: float = old
        ) -> tuple[Scenario, Evaluation]:
            def change(raw: dict[str, Any]) -> None:
                raw["periods"] = [
                    {**entry, "budget_usd": old + more} if i == number else entry
                    for i, entry in enumerate(raw["periods"])
                ]

            return edited(asked, change), facts

        words = f"budget_usd of {period.start} {old / M:,g} -> {(old + more) / M:,g} M USD"
        yield Change("budget_usd", str(period.start), "USD", old, old + more, words, raise_one)


def _check(
    scenario: Scenario,
    evaluation: Evaluation,
    loose: Inputs,
    old: Index,
    x: Floats,
    budget: solve.Budget,
) -> bool:
    """Whether the scenario as repaired has a plan: the one that was found, or another."""
    try:
        inputs = build_inputs(scenario, evaluation, prune=False)
        if impossible(inputs, evaluation):
            return False
        problem, index = model.build(inputs)
    except (ValueError, ScenarioError):
        return False
    failed: set[tuple[int, int, int]] = set()
    while True:
        near = _like(problem, index, inputs, loose, old, x)
        outcome = highs.solve(near.arrays(), budget.options(0.5, share=0.5, least_s=2.0))
        if outcome.x is None:
            outcome = highs.solve(problem.arrays(), budget.options(0.5, share=0.5, least_s=2.0))
        if outcome.x is None:
            return False
        more = failure_rows(inputs, index, evaluation, problem, outcome.x, failed)
        if more is None:
            return True
        problem, failed = more


def _like(problem: Problem, index: Index, inputs: Inputs, loose: Inputs, old: Index, x: Floats) -> Problem:
    """The problem with only those halls open that are open in values of another model of the same sites."""

    def key(inputs: Inputs, h: int) -> tuple[Any, ...]:
        return (
            inputs.site_ids[inputs.hall_site[h]],
            inputs.technologies[inputs.hall_technology[h]],
            inputs.kinds[inputs.hall_kind[h]],
            bool(inputs.hall_existing[h]),
        )

    opened = {key(loose, h) for h in range(len(loose.hall_site)) if x[old.open[h]].max() > 0.5}
    shut = [
        h for h in range(len(inputs.hall_site)) if key(inputs, h) not in opened and not inputs.hall_fixed[h]
    ]
    columns = index.open[shut].ravel()
    return problem.with_bounds(columns, 0.0, 0.0) if len(columns) else problem


def _explained(words: str, scenario: Scenario) -> str:
    """A limit with the value that the scenario gives it."""
    limits = scenario.limits
    key, _, name = words.partition(" of '")
    name = name.removesuffix("'")
    load = next((load for load in scenario.workloads if load.name == name), None)
    value: Any = None
    if load is not None and hasattr(load, key):
        value = getattr(load, key)
        if key == "max_rtt_ms" and load.hard_rtt_ms is not None:
            key, value = "hard_rtt_ms", load.hard_rtt_ms
    elif key == "basins":
        value = limits.basins.get(name)
    elif hasattr(limits, key):
        value = getattr(limits, key)
    elif hasattr(scenario.sites, key):
        value = getattr(scenario.sites, key)
    shown = f"{key} of '{name}'" if name else words
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{shown} = {value:g}"
    return shown


def coverage_table(inputs: Inputs, evaluation: Evaluation, most: int = 8) -> pd.DataFrame:
    """Share of demand that p sites reach within ``max_rtt_ms``, adding the best next one each time."""
    from dcsite.optimize.inputs import rtt_of

    order = np.argsort(evaluation.sites.index.astype(str).to_numpy(), kind="stable")
    eligible = model.eligible_sites(inputs)
    rows = []
    for w in np.flatnonzero(inputs.has_arcs):
        load = inputs.workloads[w]
        if load.max_rtt_ms is None:
            continue
        share = evaluation.markets[load.name].points["weight_ratio"].to_numpy(dtype=np.float64)
        share = share / share.sum()
        reach = (rtt_of(evaluation, load)[order] <= load.max_rtt_ms) & eligible[:, w][:, None]
        open_ = np.zeros(len(share), dtype=bool)
        for count in range(1, min(most, len(reach)) + 1):
            gain = (reach & ~open_) @ share
            best = int(np.argmax(gain))
            if gain[best] <= 0:
                break
            open_ |= reach[best]
            rows.append((load.name, count, float(share[open_].sum()), inputs.site_ids[best]))
        rows.append((load.name, int(reach.any(axis=1).sum()), float(share[reach.any(axis=0)].sum()), "all"))
    return pd.DataFrame(rows, columns=["workload", "sites_count", "coverage_ratio", "site_id"])
