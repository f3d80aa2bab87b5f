"""Models and solvers: facility location on plain arrays, and the portfolio of sites.

The public functions are resolved on first use, so that importing the package loads no solver.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_EXPORTS: dict[str, str] = {
    "FacilityPlan": "dcsite.optimize.facility",
    "facility_location": "dcsite.optimize.facility",
}

__all__ = [*_EXPORTS]  # noqa: PLE0604


def __getattr__(name: str) -> Any:  # noqa: ANN401  (PEP 562)
    if name in _EXPORTS:
        return getattr(import_module(_EXPORTS[name]), name)
    message = f"module 'dcsite.optimize' has no attribute '{name}'"
    raise AttributeError(message)


def __dir__() -> list[str]:
    return sorted(__all__)
