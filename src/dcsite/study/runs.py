"""Run folders: a plan with everything needed to make it again, written whole or not at all.

No clock is written, so that the same input gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

import dcsite
from dcsite.data.scenario_file import parse_scenario
from dcsite.errors import DataError, DcsiteError, UsageError
from dcsite.optimize import futures
from dcsite.optimize import plan as plans
from dcsite.optimize.plan import Plan
from dcsite.report import export
from dcsite.report.frames import frame_table, plan_table, ranking_table
from dcsite.report.plain import plain_value, unguard_text
from dcsite.spec.address import without_password

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dcsite.scoring.ranking import Ranking
    from dcsite.spec.scenario import Scenario

RUN_SCHEMA: Final = "dcsite.run/1"
PACKAGES: Final = ("numpy", "pandas", "scipy", "highspy", "pulp")
FRAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "placements": plans.PLACEMENTS,
    "halls": plans.HALLS,
    "served": plans.SERVED,
    "runs": plans.RUNS,
    "limits": plans.LIMITS,
    "futures": futures.FUTURES,
    "robustness": futures.ROBUSTNESS,
    "future_runs": plans.FUTURE_RUNS,
}
SCALARS: Final = (
    "status",
    "objective_usd_per_year",
    "bound_usd_per_year",
    "gap",
    "verified",
    "solver",
    "nodes",
    "cost_npv_usd",
    "capex_usd",
    "it_mw",
    "carbon_t_per_year",
    "carbon_kg_per_mwh",
    "water_m3_per_year",
    "mean_rtt_ms",
    "goal",
    "goal_value",
    "goal_bound",
    "goal_unit",
    "asked_gap",
    "limit_hit",
    "problem_digest",
)


@dataclass(frozen=True)
class Run:
    """A run folder, read.

    Attributes
    ----------
    plan
        The plan with its frames; it carries no evaluation and no solver arrays.
    values
        Nonzero column values of the model, to begin again from; empty if the folder has none.
    """

    folder: Path
    manifest: Mapping[str, Any]
    scenario: Scenario
    plan: Plan
    values: Mapping[int, float]


def versions() -> dict[str, str]:
    """Versions of dcsite, Python and the packages that make the numbers."""
    found = {"dcsite": dcsite.__version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def write_run(
    plan: Plan,
    folder: str | Path,
    *,
    rankings: Sequence[Ranking] = (),
    comparisons: Sequence[Any] = (),
    force: bool = False,
    extra: Mapping[str, Any] | None = None,
    scenario_text: str | None = None,
) -> list[Path]:
    """Write a run folder: first under a temporary name, then renamed.

    Parameters
    ----------
    plan
        The plan.
    rankings, comparisons
        Further results for the report.
    force
        Replace a run folder that exists (anything else is left alone).
    extra
        Further entries of the manifest.
    scenario_text
        The scenario file as the user wrote it.

    Returns
    -------
    list of Path
        Files written.

    Raises
    ------
    UsageError
        If the folder exists and ``force`` is not set, or it is not a run folder.
    """
    target = Path(folder)
    if target.exists():
        if not force:
            message = f"{target} exists"
            raise UsageError(message, hint="--force replaces it, or give another name")
        known = (target / "manifest.json").is_file() or (target.is_dir() and not any(target.iterdir()))
        if not known:
            message = f"{target} is not a run folder, it is left alone"
            raise UsageError(message, hint="give another name")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
        temporary.mkdir()
    except OSError as error:
        message = f"{target}: cannot be written ({error.strerror})"
        raise UsageError(message) from error
    try:
        names = _fill(plan, temporary, rankings, comparisons, extra or {}, scenario_text)
        if target.exists():
            shutil.rmtree(target)
        temporary.replace(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return [target / name for name in names]


def _fill(
    plan: Plan,
    folder: Path,
    rankings: Sequence[Ranking],
    comparisons: Sequence[Any],
    extra: Mapping[str, Any],
    scenario_text: str | None,
) -> list[str]:
    sites = plan.evaluation.sites if plan.evaluation is not None else None
    texts: dict[str, str] = {"plan.csv": export.csv_text(plan_table(plan, sites))}
    if rankings:
        tables = [ranking_table(ranking, sites).frame for ranking in rankings]
        whole = tables[0] if len(tables) == 1 else pd.concat(tables, ignore_index=True)
        texts["ranking.csv"] = export.csv_text(frame_table(whole, "ranking", "Ranking"))
    for name, columns in FRAMES.items():
        frame = getattr(plan, name)
        texts[f"{name}.csv"] = export.csv_text(frame_table(frame[list(columns)], name, name))
    if plan.solution is not None:
        texts["solution.csv"] = _solution_text(plan)
    if scenario_text is not None:
        texts["scenario.toml"] = without_password(scenario_text)
    document = {name: plain_value(getattr(plan, name)) for name in SCALARS} | {
        "cost_parts_usd_per_year": {key: float(value) for key, value in plan.cost_parts.items()},
        "sites": plan.sites,
        "notes": list(plan.notes),
        "placements": _records(plan.placements),
        "halls": _records(plan.halls),
        "limits": _records(plan.limits),
        "futures": _records(plan.futures),
        "robustness": _records(plan.robustness),
    }
    texts["plan.json"] = _json(document)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    report = [plan, *rankings, *comparisons]
    export.write_report(report, folder / "report.html", evaluation=plan.evaluation)
    export.write_report(report, folder / "report.md", evaluation=plan.evaluation)
    names = [*texts, "report.html", "report.md"]
    manifest = {
        "schema": RUN_SCHEMA,
        "versions": versions(),
        "title": plan.scenario.title,
        "scenario": plan.scenario.model_dump(mode="json"),
        "data_checksums": dict(plan.evaluation.checksums) if plan.evaluation is not None else {},
        "data_vintage": dict(plan.evaluation.vintage) if plan.evaluation is not None else {},
        "solver_options": {
            **plan.scenario.solver.model_dump(mode="json"),
            "solver": plan.solver,
            "threads": 1,
            "random_seed": 0,
        },
        "plan": {name: plain_value(getattr(plan, name)) for name in SCALARS},
        **dict(extra),
        "files": {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in sorted(names)},
    }
    (folder / "manifest.json").write_text(_json(manifest), encoding="utf-8", newline="")
    return [*names, "manifest.json"]


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): plain_value(value) for key, value in row.items()} for row in frame.to_dict("records")]


def _solution_text(plan: Plan) -> str:
    """Nonzero values of the model's own columns (not those of failures, which rounds add)."""
    assert plan.solution is not None
    columns = plan.solution.problem.columns
    own = len(columns)
    if "rescue" in columns.families:
        own = columns.first[columns.families.index("rescue")]
    x = plan.solution.x[:own]
    lines = ["column,value"]
    lines += [f"{number},{float(x[number])!r}" for number in np.flatnonzero(np.abs(x) > 0)]
    return "\n".join(lines) + "\n"


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV of a run folder: codes stay text, guards come off, empty stays missing.

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    try:
        frame = pd.read_csv(path, keep_default_na=False, na_values={}, dtype=str, encoding="utf-8")
    except (OSError, ValueError) as error:
        message = f"{path}: cannot be read as CSV ({error})"
        raise DataError(message) from error
    for name in frame.columns:
        values = frame[name]
        numbers = pd.to_numeric(values.where(values != "", None), errors="coerce")
        filled = values != ""
        if filled.any() and bool(numbers[filled].notna().all()):
            frame[name] = numbers
        elif filled.any() and set(values[filled]) <= {"true", "false"}:
            frame[name] = values.map({"true": True, "false": False, "": None})
        else:
            frame[name] = values.map(unguard_text)
    return frame


def read_run(folder: str | Path, tables: Any = None) -> Run:  # noqa: ANN401
    """Read a run folder that :func:`write_run` wrote.

    Raises
    ------
    DataError
        If the folder has no manifest of this schema, or a file is missing or was changed.
    """
    target = Path(folder)
    path = target / "manifest.json"
    if not path.is_file():
        message = f"{target}: no run folder (it has no manifest.json)"
        raise DataError(message, hint="dcsite optimize SCENARIO --out RUN writes one")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        message = f"{path}: not valid JSON ({error})"
        raise DataError(message) from error
    if not isinstance(manifest, dict) or manifest.get("schema") != RUN_SCHEMA:
        found = manifest.get("schema") if isinstance(manifest, dict) else None
        message = f"{path}: schema {found!r} is not {RUN_SCHEMA!r}"
        raise DataError(message, hint="written by another version of dcsite?")
    for name, checksum in sorted(manifest.get("files", {}).items()):
        file = target / name
        if name.startswith("report."):
            continue
        if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != checksum:
            message = f"{file}: missing or changed since the run was written"
            raise DataError(message, hint="make the run again")
    try:
        scenario = parse_scenario(manifest["scenario"], name=f"{path}: scenario")
        scalars = {name: manifest["plan"][name] for name in SCALARS}
        document = json.loads((target / "plan.json").read_text(encoding="utf-8"))
    except (KeyError, ValueError, DcsiteError) as error:
        message = f"{path}: not a complete manifest ({error})"
        raise DataError(message, hint="written by another version of dcsite?") from error
    frames: dict[str, Any] = {
        name: _frame(target / f"{name}.csv", columns) for name, columns in FRAMES.items()
    }
    numbers: dict[str, Any] = {
        name: float("nan") if value is None else value for name, value in scalars.items()
    }
    plan = Plan(
        **numbers,
        **frames,
        cost_parts=document["cost_parts_usd_per_year"],
        dropped=pd.DataFrame(columns=["site_id", "workload", "technology", "rule", "reason"]),
        scenario=scenario,
        evaluation=None,
        notes=tuple(document["notes"]),
    )
    values: dict[int, float] = {}
    if (target / "solution.csv").is_file():
        table = pd.read_csv(target / "solution.csv")
        values = {int(c): float(v) for c, v in zip(table["column"], table["value"], strict=True)}
    return Run(target, manifest, scenario, plan, values)


def _frame(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """A frame of a plan with its columns' kinds, also where it has no rows."""
    frame = read_table(path).reindex(columns=list(columns))
    for name in columns:
        if name in ("period", "site_id", "technology", "kind", "workload", "point", "country_iso3"):
            words = frame[name].map(lambda value: "" if pd.isna(value) else str(value))
            frame[name] = words.str.removesuffix(".0") if name == "period" else words
        elif name in ("existing", "covered", "binding"):
            frame[name] = frame[name].astype(bool)
        elif name in ("block", "point_number"):
            frame[name] = frame[name].astype("int64")
        elif name in ("future", "measure"):
            frame[name] = frame[name].map(lambda value: "" if pd.isna(value) else str(value))
        elif name not in ("family", "label", "unit"):
            frame[name] = frame[name].where(frame[name] != "", np.nan).astype("float64")
    return frame
