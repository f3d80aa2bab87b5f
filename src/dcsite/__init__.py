"""dcsite: where should a compute load go, why, and how sure are we.

The public functions are resolved on first use, so that ``import dcsite`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_EXPORTS: dict[str, str] = {
    "DcsiteError": "dcsite.errors",
    "ScenarioError": "dcsite.errors",
    "DataError": "dcsite.errors",
    "UsageError": "dcsite.errors",
    "InfeasibleError": "dcsite.errors",
    "LimitReachedError": "dcsite.errors",
    "load_scenario": "dcsite.data.scenario_file",
    "load_profiles": "dcsite.data.scenario_file",
    "load_tables": "dcsite.data.tables",
    "quick_scenario": "dcsite.study.quick",
    "evaluate": "dcsite.study.evaluating",
    "rank": "dcsite.study.ranking",
    "compare": "dcsite.study.ranking",
    "spectrum": "dcsite.study.spectrum",
    "robustness": "dcsite.study.robust",
    "interruptible": "dcsite.study.interruptible",
    "price_scenario": "dcsite.study.price_years",
    "price_years": "dcsite.study.price_years",
    "draw_prices": "dcsite.study.price_years",
    "optimize": "dcsite.study.portfolio",
    "verify": "dcsite.study.portfolio",
    "diagnose": "dcsite.study.portfolio",
    "why": "dcsite.study.portfolio",
    "why_not": "dcsite.study.portfolio",
    "pareto": "dcsite.study.front",
    "alternatives": "dcsite.study.front",
    "ties": "dcsite.study.front",
    "diff": "dcsite.study.differences",
    "write_run": "dcsite.study.runs",
    "read_run": "dcsite.study.runs",
    "write_report": "dcsite.report.export",
    "sweep": "dcsite.batch.sweep",
    "screen": "dcsite.batch.screen",
    "box_source": "dcsite.batch.cells",
    "file_source": "dcsite.batch.cells",
    "h3_source": "dcsite.batch.cells",
    "table_source": "dcsite.batch.cells",
}

__all__ = ["__version__", *_EXPORTS]  # noqa: PLE0604


def __getattr__(name: str) -> Any:  # noqa: ANN401  (PEP 562)
    if name in _EXPORTS:
        return getattr(import_module(_EXPORTS[name]), name)
    message = f"module 'dcsite' has no attribute '{name}'"
    raise AttributeError(message)


def __dir__() -> list[str]:
    return sorted(__all__)
