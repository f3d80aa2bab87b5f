"""Many scenarios of one question: a grid or samples over its keys, who wins, who moves.

Each task evaluates one changed scenario, ranks its workloads and, if asked, optimizes its portfolio. What a
task finds is a small plain record; tables and the picture are made from the records in the order of the
tasks, so they are equal byte for byte whatever executor ran them.
"""

from __future__ import annotations

import hashlib
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dcsite.batch.axes import Axis, axis_of, grid, grid_size, one_at_a_time, sample, with_settings
from dcsite.batch.executor import Task, Work, identity, make_executor
from dcsite.batch.store import RunFolder, finished_tasks, read_manifest, run_kept, write_whole
from dcsite.data.scenario_file import parse_scenario
from dcsite.errors import DataError, DcsiteError, Problem, ScenarioError, UsageError
from dcsite.report.figures import Drawing
from dcsite.report.plain import plain_value
from dcsite.spec.futures import RISK_KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from dcsite.data.tables import Tables
    from dcsite.spec.scenario import Scenario

DOS = ("rank", "optimize", "both")
KEPT = 30
"""Sites of each ranking that a task keeps."""

SCORE_DIGITS = 6
MOST_CHECKED = 200
MOST_DRAWN_SITES = 18
RUNS, MOVERS, PLAN_SITES, PICTURE = "runs.csv", "movers.csv", "plan_sites.csv", "movers.svg"
TORNADO, TORNADO_PICTURE = "tornado.csv", "tornado.svg"
TORNADO_COLUMNS = (
    "key",
    "value",
    "low",
    "high",
    "at_value_usd_per_year",
    "at_low_usd_per_year",
    "at_high_usd_per_year",
    "swing_usd_per_year",
    "sites_at_low",
    "sites_at_high",
)
NEGLIGIBLE = 1.0e-9
"""Swing over cost below which a key does not move a portfolio at all."""
FILES_OF_WORKLOAD = (".csv", ".parquet", ".geojson", ".gpkg")


@dataclass(frozen=True)
class Sweep:
    """What the runs of a sweep say.

    Attributes
    ----------
    runs
        One row per run and workload: ``run, name``, the settings, ``workload, status, winner_site_id, score,
        second_site_id, lead``, plan columns where portfolios were optimized, and ``problem``.
    movers
        One row per workload and site: in how many runs it is ranked, first, among three and ten; best, median
        and worst rank (NaN beyond the kept ranks).
    plan_sites
        One row per site of a plan: share of runs that use it, mean, least and most MW where used.
    tornado
        Where keys were varied one at a time and portfolios optimized: annual cost of the best portfolio (its mean,
        tail or regret where the objective looks at futures) at the first and the last value of each key, largest
        swing first, and which sites come (+) and go (-).
    planned
        Number of tasks of the whole sweep; ``runs`` holds those finished.
    """

    runs: pd.DataFrame
    movers: pd.DataFrame
    plan_sites: pd.DataFrame
    axes: tuple[str, ...]
    planned: int
    finished: int
    kept: int
    manifest: Mapping[str, Any] = field(default_factory=dict)
    tornado: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(TORNADO_COLUMNS)))

    @property
    def table(self) -> pd.DataFrame:
        """The table of who moves."""
        return self.movers


def sweep(
    scenario: Scenario,
    settings: Sequence[str] | Sequence[Axis],
    *,
    samples: int | None = None,
    seed: int = 0,
    alone: bool = False,
    do: str = "rank",
    jobs: int = 1,
    scheduler: str | None = None,
    out: Path | str | None = None,
    resume: bool = False,
    data_dir: Path | str | None = None,
    kept: int = KEPT,
    progress: Callable[[int, int], None] | None = None,
) -> Sweep:
    """Run a scenario under many settings.

    Parameters
    ----------
    scenario
        The question.
    settings
        ``KEY=VALUES`` texts (:func:`dcsite.batch.axes.axis_of`), or axes.
    samples
        Draws instead of the full grid; more draws of the same seed only add runs.
    seed
        Seed of the draws.
    alone
        Every value of every key alone, the rest as it is, instead of the full grid.
    do
        ``rank``, ``optimize`` or ``both`` in each run.
    jobs, scheduler
        Processes of this machine, or a Dask scheduler.
    out
        Run folder; without one nothing is kept.
    resume
        Go on with the run in ``out``.
    kept
        Sites of each ranking that are kept.
    progress
        Called with finished and all tasks.

    Raises
    ------
    DcsiteError
        If a setting names no key of a scenario or a value is refused; if ``out`` holds another run.
    """
    axes = tuple(axis_of(item) if isinstance(item, str) else item for item in settings)
    raw = scenario.model_dump(mode="json", exclude_unset=True)
    _check(raw, axes, samples=samples, do=do, kept=kept)
    if alone and samples is not None:
        message = "--tornado and --samples exclude each other"
        raise UsageError(message)
    where = None if data_dir is None else str(Path(data_dir).resolve())
    if alone:
        planned = 1 + sum(len(axis.values) for axis in axes)
    else:
        planned = grid_size(axes) if samples is None else samples
    same = identity(where)
    manifest: dict[str, Any] = {
        "kind": "sweep",
        **same,
        "scenario": raw,
        "axes": [
            {"name": axis.name, "path": axis.path, "values": list(axis.values)}
            | ({"value": axis.value} if alone and axis.value is not None else {})
            for axis in axes
        ],
        "spans": [[str(span) for span in axis.spans] for axis in axes] if samples is not None else [],
        **({"alone": True} if alone else {}),
        "sampled": samples is not None,
        "samples": samples or 0,
        "seed": seed if samples is not None else 0,
        "do": do,
        "kept": kept,
        "tasks": planned,
        "files": {name: _file_hash(name) for name in _files(raw)},
    }
    shared = {"identity": same, "data_dir": where, "scenario": _absolute(raw), "do": do, "kept": kept}
    executor = make_executor(jobs, scheduler)
    salt = {key: value for key, value in manifest.items() if key not in ("tasks", "samples")}
    with _folder(out) as folder, RunFolder(folder, manifest, resume=resume) as run:
        tasks = _tasks(axes, samples, seed, alone=alone)
        kept_tasks = run_kept(executor, Work(run_scenario, shared), tasks, run, salt=salt)
        for done, _ in enumerate(kept_tasks, start=1):
            if progress is not None:
                progress(done, planned)
        found = read_sweep(folder)
        if out is not None:
            write_sweep(found, folder)
    return found


PORTFOLIO_KEYS = (
    "discount_rate",
    "horizon_years",
    "land_m2_per_mw",
    "sites.default_grid_mw",
    "sites.opening_usd",
    "objective.carbon_price_usd_per_t",
    "connection_delay_years",
)
"""Keys of the scenario with a range that the cost of a portfolio depends on."""


def register_axes(scenario: Scenario, tables: Tables) -> tuple[Axis, ...]:
    """Axes of the assumptions that a portfolio leans on and that have a range, for :func:`sweep` with ``alone``.

    Both ends of each range of the register: capital, land and connection, the fields of the profiles, and the
    ends of the price rows. Terms of the score and of the money of one site are left out; so is what cannot
    matter, such as the latency worth where the objective does not count it.
    """
    from dcsite.study.assumptions import register
    from dcsite.study.money import INTERRUPTIBLE_KEYS, PROFILE_KEYS

    found = [Axis("price_case", "price_case", ("low", "high"), (), scenario.price_case)]
    entries = register(scenario, tables, program=False)
    keys = {entry.key for entry in entries}
    for entry in entries:
        if entry.low is None or entry.high is None:
            continue
        if entry.key.startswith("workloads."):
            name = entry.key.rpartition(".")[2]
            workload = entry.key.split(".")[1]
            stops = f"workloads.{workload}.break_even_usd_per_mwh" in keys
            worth = name == "latency_worth_usd_per_rack_year" and scenario.objective.latency_worth
            if (name not in PROFILE_KEYS and not worth) or (name in INTERRUPTIBLE_KEYS and not stops):
                continue
        elif entry.key not in PORTFOLIO_KEYS:
            continue
        whole = isinstance(entry.value, int) and not isinstance(entry.value, bool)
        ends = tuple(int(end) if whole else float(end) for end in (entry.low, entry.high))
        found.append(Axis(entry.key, entry.key, ends, (), entry.value))
    return tuple(found)


@contextmanager
def _folder(out: Path | str | None) -> Iterator[Path]:
    if out is not None:
        yield Path(out)
        return
    with tempfile.TemporaryDirectory(prefix="dcsite-sweep-") as name:
        yield Path(name)


def _check(raw: dict[str, Any], axes: Sequence[Axis], *, samples: int | None, do: str, kept: int) -> None:
    """Refuse what no run could use, all problems at once."""
    if not axes:
        message = "sweep: nothing to vary"
        raise UsageError(message, hint="for example --set carbon_price=0,50,100")
    names = [axis.name for axis in axes]
    paths = [axis.path for axis in axes]
    if len(set(names)) < len(names) or len(set(paths)) < len(paths):
        double = next(
            name for place, name in enumerate(names) if paths[place] in paths[:place] or name in names[:place]
        )
        message = f"--set {double}: the key is given twice"
        raise UsageError(message, hint="put all its values into one --set")
    if do not in DOS:
        message = f"do must be one of {', '.join(DOS)}, got '{do}'"
        raise UsageError(message)
    if samples is not None and samples < 1:
        message = f"--samples {samples}: must be 1 or more"
        raise UsageError(message)
    if kept < 1:
        message = f"kept must be 1 or more, got {kept}"
        raise UsageError(message)
    problems: list[Problem] = []
    for axis in axes:
        for value in axis.values[:MOST_CHECKED]:
            try:
                parse_scenario(with_settings(raw, {axis.name: value}, axes), name="scenario")
            except ScenarioError as error:
                problems += [
                    Problem(f"--set {axis.name}={value}: {problem.where}", problem.found, problem.hint)
                    for problem in error.problems
                ] or [Problem(f"--set {axis.name}={value}", error.message, error.hint)]
                break
    if problems:
        message = f"sweep: {len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise ScenarioError(message, tuple(problems))


def _files(raw: Mapping[str, Any]) -> list[str]:
    """Files that a scenario names."""
    names = [raw.get("rtt_reference"), raw.get("sites", {}).get("file")]
    for workload in raw.get("workloads", ()):
        users = workload.get("users")
        if isinstance(users, str) and users.endswith(FILES_OF_WORKLOAD):
            names.append(users)
    return sorted({str(name) for name in names if name})


def _file_hash(name: str) -> str:
    try:
        return hashlib.sha256(Path(name).read_bytes()).hexdigest()
    except OSError as error:
        message = f"{name}: cannot be read ({error.strerror})"
        raise DataError(message) from None


def _absolute(raw: dict[str, Any]) -> dict[str, Any]:
    """Raw scenario whose file names hold in every working folder."""
    import copy

    changed = copy.deepcopy(raw)
    for holder, key in ((changed, "rtt_reference"), (changed.get("sites", {}), "file")):
        if holder.get(key):
            holder[key] = str(Path(holder[key]).resolve())
    for workload in changed.get("workloads", ()):
        users = workload.get("users")
        if isinstance(users, str) and users.endswith(FILES_OF_WORKLOAD):
            workload["users"] = str(Path(users).resolve())
    return changed


def _tasks(axes: Sequence[Axis], samples: int | None, seed: int, *, alone: bool) -> Iterator[Task]:
    settings: Iterable[dict[str, Any]]
    if alone:
        settings = one_at_a_time(axes)
    else:
        settings = (
            grid(axes) if samples is None else (sample(axes, seed, number) for number in range(samples))
        )
    paths = {axis.name: axis.path for axis in axes}
    for number, chosen in enumerate(settings):
        yield Task(f"{number:07d}", {"set": chosen, "paths": paths})


@lru_cache(maxsize=2)
def _tables(data_dir: str | None) -> Tables:
    """Tables of this process, read once for all its tasks."""
    from dcsite.data.tables import load_tables

    return load_tables(data_dir)


def run_scenario(shared: Mapping[str, Any], payload: Mapping[str, Any]) -> dict[str, Any]:
    """Evaluate, rank and optimize one changed scenario; a refusal is a result, not an end.

    Returns
    -------
    dict
        ``set, status, problem, rankings {workload: {status, problem, sites [[id, score], ...], ranked}},
        plan``: plain values only.
    """
    from dcsite.study.evaluating import evaluate

    axes = [Axis(name, path, (), ()) for name, path in payload["paths"].items()]
    record: dict[str, Any] = {
        "set": payload["set"],
        "status": "ok",
        "problem": "",
        "rankings": {},
        "plan": None,
    }
    tables = _tables(shared["data_dir"])
    try:
        scenario = parse_scenario(with_settings(shared["scenario"], payload["set"], axes))
        evaluation = evaluate(scenario, tables)
    except DcsiteError as error:
        return {**record, **_refusal(error)}
    if shared["do"] in ("rank", "both"):
        from dcsite.study.ranking import rank

        for name in evaluation.workloads:
            try:
                table = rank(evaluation, workload=name).table
            except DcsiteError as error:
                record["rankings"][name] = {**_refusal(error), "sites": [], "ranked": 0}
                continue
            top = table.head(shared["kept"])
            record["rankings"][name] = {
                "status": "ok",
                "problem": "",
                "ranked": len(table),
                "sites": [
                    [str(site), round(float(score), SCORE_DIGITS)]
                    for site, score in zip(top["site_id"], top["score"], strict=True)
                ],
            }
    if shared["do"] in ("optimize", "both"):
        record["plan"] = _plan_record(scenario, evaluation)
    return record


def _refusal(error: DcsiteError) -> dict[str, str]:
    kind = {2: "refused", 3: "infeasible", 4: "limit"}.get(error.exit_code, "failed")
    return {"status": kind, "problem": str(error)}


PLAN_FIGURES = (
    "objective_usd_per_year",
    "bound_usd_per_year",
    "gap",
    "carbon_kg_per_mwh",
    "carbon_t_per_year",
    "water_m3_per_year",
    "capex_usd",
)


def _plan_record(scenario: Scenario, evaluation: Any) -> dict[str, Any]:  # noqa: ANN401
    from dcsite.study.portfolio import optimize

    try:
        plan: Any = optimize(scenario, evaluation)
    except DcsiteError as error:
        return {**_refusal(error), "sites": {}, "placements": []}
    placements = plan.placements
    if len(placements):  # of several periods the last, when all is built
        placements = placements[placements["period"] == placements["period"].max()]
    mw = placements.groupby("site_id")["it_mw"].sum() if len(placements) else pd.Series(dtype=float)
    return {
        "status": str(plan.status),
        "problem": "",
        **{name: _figure(getattr(plan, name, None)) for name in PLAN_FIGURES},
        "measure_usd_per_year": _figure(
            plan.goal_value if plan.goal in RISK_KINDS else plan.objective_usd_per_year
        ),
        "sites": {str(site): _figure(value) for site, value in mw.sort_index().items()},
        "placements": [
            [str(row.workload), str(row.site_id), str(row.technology), _figure(row.it_mw)]
            for row in placements.sort_values(["workload", "site_id", "technology"]).itertuples()
        ],
    }


def _figure(value: Any) -> float | None:  # noqa: ANN401  (number or nothing)
    """A figure to nine significant digits: noise of the arithmetic does not enter the records."""
    number = plain_value(value)
    return None if number is None else float(f"{float(number):.9g}")


# --- reading ----------------------------------------------------------------------------------------------


def read_sweep(folder: Path | str) -> Sweep:
    """Read what a sweep's run folder holds, finished or not.

    Raises
    ------
    DcsiteError
        If it is not the folder of a sweep.
    """
    path = Path(folder)
    manifest = read_manifest(path)
    if manifest.get("kind") != "sweep" or not {"axes", "tasks", "kept"} <= set(manifest):
        message = f"{path}: not the run of a sweep"
        raise UsageError(message)
    names = tuple(str(axis["name"]) for axis in manifest["axes"])
    records = [(entry["id"], entry["result"]) for entry in finished_tasks(path)]
    records = [(key, record) for key, record in records if int(key) < manifest["tasks"]]
    return Sweep(
        runs=_runs(records, names),
        movers=_movers(records, manifest["kept"]),
        plan_sites=_plan_sites(records),
        axes=names,
        planned=int(manifest["tasks"]),
        finished=len(records),
        kept=int(manifest["kept"]),
        manifest=manifest,
        tornado=_tornado(records, manifest) if manifest.get("alone") else _tornado([], manifest),
    )


Records = list[tuple[str, dict[str, Any]]]


def run_name(settings: Mapping[str, Any]) -> str:
    """Name of a run: its settings.

    Examples
    --------
    >>> run_name({"carbon_price": 50, "max_sites": 4})
    'carbon_price=50, max_sites=4'
    """
    return ", ".join(f"{key}={_short(value)}" for key, value in settings.items()) or "as it is"


def _short(value: Any) -> str:  # noqa: ANN401
    return f"{value:g}" if isinstance(value, float) else str(value)


def _runs(records: Records, axes: tuple[str, ...]) -> pd.DataFrame:
    rows = []
    for key, record in records:
        head = {"run": int(key), "name": run_name(record["set"])}
        head |= {name: record["set"].get(name) for name in axes}
        plan = record["plan"] or {}
        tail: dict[str, Any] = {}
        if plan:
            tail = {
                "plan_status": plan["status"],
                **{f"plan_{name}": plan.get(name) for name in PLAN_FIGURES},
                "plan_sites": "; ".join(f"{site} {mw:g}" for site, mw in plan["sites"].items()),
            }
        rankings = record["rankings"] or {
            "": {"status": record["status"], "problem": record["problem"], "sites": []}
        }
        for workload, ranking in rankings.items():
            sites = ranking["sites"]
            rows.append(
                {
                    **head,
                    "workload": workload,
                    "status": ranking["status"],
                    "winner_site_id": sites[0][0] if sites else "",
                    "score": sites[0][1] if sites else np.nan,
                    "second_site_id": sites[1][0] if len(sites) > 1 else "",
                    "lead": round(sites[0][1] - sites[1][1], SCORE_DIGITS) if len(sites) > 1 else np.nan,
                    **tail,
                    "problem": " ".join((ranking["problem"] or plan.get("problem") or "").split()),
                }
            )
    return pd.DataFrame(rows)


def _movers(records: Records, kept: int) -> pd.DataFrame:
    ranks: dict[tuple[str, str], list[int]] = {}
    totals: dict[str, int] = {}
    for _, record in records:
        for workload, ranking in record["rankings"].items():
            if not ranking["sites"]:
                continue
            totals[workload] = totals.get(workload, 0) + 1
            for place, (site, _score) in enumerate(ranking["sites"], start=1):
                ranks.setdefault((workload, site), []).append(place)
    rows = []
    for (workload, site), found in ranks.items():
        every = np.array(found + [kept + 1] * (totals[workload] - len(found)), dtype=np.float64)
        median, worst = float(np.median(every)), float(every.max())
        rows.append(
            {
                "workload": workload,
                "site_id": site,
                "runs_count": totals[workload],
                "first_ratio": float((every == 1).mean()),
                "top3_ratio": float((every <= 3).mean()),
                "top10_ratio": float((every <= 10).mean()),
                "best_rank": float(every.min()),
                "median_rank": median if median <= kept else np.nan,
                "worst_rank": worst if worst <= kept else np.nan,
                "_order": float(np.minimum(every, kept + 1).mean()),
            }
        )
    columns = [
        "workload", "site_id", "runs_count", "first_ratio", "top3_ratio", "top10_ratio", "best_rank", "median_rank",
        "worst_rank", "_order",
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=columns)
    frame = frame.sort_values(["workload", "_order", "site_id"], kind="stable")
    return frame.drop(columns="_order").reset_index(drop=True)


def _plan_sites(records: Records) -> pd.DataFrame:
    plans = [record["plan"] for _, record in records if record["plan"] and record["plan"]["sites"]]
    used: dict[str, list[float]] = {}
    for plan in plans:
        for site, mw in plan["sites"].items():
            used.setdefault(site, []).append(float(mw))
    rows = [
        {
            "site_id": site,
            "plans_count": len(plans),
            "used_ratio": len(mw) / len(plans),
            "mean_it_mw": float(np.mean(mw)),
            "least_it_mw": min(mw),
            "most_it_mw": max(mw),
        }
        for site, mw in used.items()
    ]
    columns = ["site_id", "plans_count", "used_ratio", "mean_it_mw", "least_it_mw", "most_it_mw"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.sort_values(["used_ratio", "site_id"], ascending=[False, True], kind="stable").reset_index(
        drop=True
    )


def _tornado(records: Records, manifest: Mapping[str, Any]) -> pd.DataFrame:
    """Cost of the best portfolio at both ends of each key, the others as they are; keys that move nothing left out."""
    costs: dict[str, float] = {}
    sites: dict[str, set[str]] = {}
    for _, record in records:
        plan = record["plan"] or {}
        name = run_name(record["set"])
        found = plan.get("measure_usd_per_year")
        costs[name] = np.nan if found is None else float(found)
        sites[name] = set(plan.get("sites", ()))
    base = run_name({})
    rows = []
    for axis in manifest["axes"]:
        if not axis["values"] or base not in costs or not np.isfinite(costs[base]):
            continue
        low, high = axis["values"][0], axis["values"][-1]
        ends = [run_name({axis["name"]: end}) for end in (low, high)]
        if not all(end in costs for end in ends):
            continue
        every = np.array([costs[base], *(costs[end] for end in ends)])
        swing = float(np.nanmax(every) - np.nanmin(every))
        if np.isfinite(every).all() and swing <= NEGLIGIBLE * abs(costs[base]):
            continue
        rows.append(
            {
                "key": axis["name"],
                "value": _short(axis.get("value", "")),
                "low": _short(low),
                "high": _short(high),
                "at_value_usd_per_year": every[0],
                "at_low_usd_per_year": every[1],
                "at_high_usd_per_year": every[2],
                "swing_usd_per_year": swing,
                **{
                    f"sites_at_{which}": " ".join(
                        [
                            *(f"+{site}" for site in sorted(sites[end] - sites[base])),
                            *(f"-{site}" for site in sorted(sites[base] - sites[end])),
                        ]
                    )
                    if np.isfinite(costs[end])
                    else "no plan"
                    for which, end in zip(("low", "high"), ends, strict=True)
                },
            }
        )
    frame = pd.DataFrame(rows, columns=list(TORNADO_COLUMNS))
    return frame.sort_values(
        ["swing_usd_per_year", "key"], ascending=[False, True], kind="stable"
    ).reset_index(drop=True)


# --- writing ----------------------------------------------------------------------------------------------


def write_sweep(found: Sweep, folder: Path) -> None:
    """Write the tables and the picture into the run folder, each whole or not at all."""
    from dcsite.report.export import csv_text
    from dcsite.report.frames import frame_table

    tables = (
        (RUNS, found.runs),
        (MOVERS, found.movers),
        (PLAN_SITES, found.plan_sites),
        (TORNADO, found.tornado),
    )
    for name, frame in tables:
        if len(frame):
            write_whole(folder / name, csv_text(frame_table(frame, name.removesuffix(".csv"), name)))
    if len(found.movers) or len(found.plan_sites):
        write_whole(folder / PICTURE, sweep_svg(found))
    if len(found.tornado):
        write_whole(folder / TORNADO_PICTURE, tornado_svg(found))


BANDS = (
    ("first", "first", "#145c9e"),
    ("top3", "2nd or 3rd", "#6aa3d5"),
    ("top10", "4th to 10th", "#cfdfee"),
)
ROW_PX, LABEL_PX, BAR_PX = 20, 250, 560


def tornado_svg(found: Sweep, top: int = MOST_DRAWN_SITES) -> str:
    """Draw the annual cost of the best portfolio at both ends of each key, one at a time, the widest first."""
    from dcsite.report.tornado import Bar
    from dcsite.report.tornado import tornado_svg as drawn

    rows = found.tornado.head(top)
    bars = [
        Bar(row.key, row.low, row.high, float(row.at_low_usd_per_year), float(row.at_high_usd_per_year))
        for row in rows.itertuples()
    ]
    return drawn(
        bars,
        float(rows["at_value_usd_per_year"].iloc[0]),
        title="What moves the cost of the best portfolio, one assumption at a time",
        unit="M USD/year",
        scale=1.0e6,
        missing="no plan",
    )


def sweep_svg(found: Sweep, top: int = MOST_DRAWN_SITES) -> str:
    """Draw who moves: for each workload the share of runs in which a site is first, among three, among ten."""
    panels = [(name, part.head(top)) for name, part in found.movers.groupby("workload", sort=False)]
    plans = found.plan_sites.head(top)
    height = (
        60
        + sum(44 + ROW_PX * len(part) for _, part in panels)
        + (44 + ROW_PX * len(plans) if len(plans) else 0)
    )
    title = f"Who moves: {found.finished} runs over {', '.join(found.axes)}"
    drawing = Drawing(LABEL_PX + BAR_PX + 90, height, title)
    drawing.text(16, 24, title, font_size="15", font_weight="600")
    x = 16.0
    for _, label, color in BANDS:
        drawing.rect(x, 36, 12, 12, color)
        drawing.text(x + 17, 46, label, fill="soft")
        x += 40 + 7.0 * len(label)
    y = 60.0
    for name, part in panels:
        drawing.text(16, y + 20, f"{name}: share of runs", font_weight="600")
        y += 32
        for row in part.itertuples():
            drawing.text(LABEL_PX - 8, y + 13, row.site_id, side="end")
            left = 0.0
            for key, label, color in BANDS:
                share = float(getattr(row, f"{key}_ratio"))
                if share > left:
                    note = f"{row.site_id}: {label} in {share - left:.1%} of runs"
                    drawing.rect(
                        LABEL_PX + BAR_PX * left, y, BAR_PX * (share - left), ROW_PX - 5, color, note
                    )
                left = max(left, share)
            worst = f"beyond {found.kept}" if np.isnan(row.worst_rank) else f"{row.worst_rank:.0f}"
            drawing.text(LABEL_PX + BAR_PX + 8, y + 13, f"{row.best_rank:.0f} to {worst}", fill="soft")
            y += ROW_PX
        y += 12
    if len(plans):
        drawing.text(
            16, y + 20, "In the optimal portfolio: share of runs, mean MW where used", font_weight="600"
        )
        y += 32
        for row in plans.itertuples():
            drawing.text(LABEL_PX - 8, y + 13, row.site_id, side="end")
            drawing.rect(
                LABEL_PX, y, BAR_PX * float(row.used_ratio), ROW_PX - 5, "link", f"{row.used_ratio:.1%}"
            )
            drawing.text(LABEL_PX + BAR_PX + 8, y + 13, f"{row.mean_it_mw:,.0f} MW", fill="soft")
            y += ROW_PX
    return drawing.svg()
