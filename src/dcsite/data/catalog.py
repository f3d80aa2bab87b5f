"""Where the tables lie: finds the data folder and says which of the four places answered.

Owns the search order only. Reading is in :mod:`dcsite.data.tables`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from dcsite.errors import DataError

FOLDERS = ("grid_prices", "regions", "climate", "network", "policy", "profiles")


@dataclass(frozen=True)
class DataRoot:
    """A data folder and the rule that found it."""

    path: Path
    found_by: str


def _checkout() -> Path | None:
    top = Path(__file__).resolve().parents[3]
    project = top / "pyproject.toml"
    if not project.is_file() or 'name = "dcsite"' not in project.read_text(encoding="utf-8"):
        return None
    return top


def checkout_root() -> Path | None:
    """Top of the source checkout that this package runs from, or None when installed from a wheel."""
    return _checkout()


def bundled_root() -> Path:
    """Folder of the tables inside an installed wheel (it exists only there)."""
    return Path(__file__).resolve().parents[1] / "_bundled"


def find_scenarios() -> Path | None:
    """Folder of the shipped scenarios: the checkout's, else the wheel's copy."""
    top = _checkout()
    if top is not None and (top / "scenarios").is_dir():
        return top / "scenarios"
    bundled = Path(__file__).resolve().parents[1] / "_scenarios"
    return bundled if bundled.is_dir() else None


def _complete(path: Path) -> bool:
    return any((path / name).is_dir() for name in FOLDERS)


def shipped_root() -> DataRoot:
    """Find the shipped tables: the checkout first, then the copy in the wheel.

    Raises
    ------
    DataError
        If neither place holds the tables.
    """
    top = _checkout()
    if top is not None and _complete(top / "data"):
        return DataRoot(top / "data", "checkout")
    if _complete(bundled_root()):
        return DataRoot(bundled_root(), "installed package")
    message = "no data folder found"
    hint = (
        "looked at --data-dir, the variable DCSITE_DATA, data/ of a checkout, and the copy in the "
        "installed package; give --data-dir DIR or reinstall dcsite"
    )
    raise DataError(message, hint=hint)


def find_user_root(data_dir: Path | None) -> DataRoot | None:
    """Find the folder whose tables replace shipped ones: ``--data-dir``, then ``DCSITE_DATA``.

    Raises
    ------
    DataError
        If the named folder does not exist.
    """
    if data_dir is not None:
        chosen, rule = Path(data_dir), "--data-dir"
    elif os.environ.get("DCSITE_DATA"):
        chosen, rule = Path(os.environ["DCSITE_DATA"]), "DCSITE_DATA"
    else:
        return None
    if not chosen.is_dir():
        message = f"{rule} {chosen}: no such folder"
        raise DataError(message, hint=f"a folder that holds any of {', '.join(FOLDERS)}")
    return DataRoot(chosen, rule)
