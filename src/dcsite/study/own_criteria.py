"""Criteria of a scenario's own: figures per site from the user's sites file or a file of values, added to the facts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dcsite.data.own_values import read_own_values
from dcsite.data.places import resolve_site
from dcsite.errors import DataError, Problem, ScenarioError, UsageError
from dcsite.scoring.criteria import own_columns

if TYPE_CHECKING:
    from dcsite.data.tables import Tables
    from dcsite.spec.scenario import OwnCriterion, Scenario


def add_own_criteria(
    scenario: Scenario, tables: Tables, sites: pd.DataFrame, facts: pd.DataFrame
) -> list[str]:
    """Put ``own_NAME`` and ``own_NAME_sd`` beside the facts; a site without a figure stays without one.

    Parameters
    ----------
    sites
        Candidates, indexed by ``site_id``.
    facts
        Rows of facts with ``site_id``; changed in place.

    Returns
    -------
    list of str
        Notes: how many candidates have no figure.

    Raises
    ------
    ScenarioError
        If no candidate has the column.
    DataError
        If a figure is not a number, with its place; if a file names a site that is not known.
    """
    notes = []
    for name, own in scenario.score.own.items():
        value, spread = _of_file(own, tables, sites) if own.file else _of_column(name, own, sites)
        column, spread_column = own_columns(name)
        facts[column] = value.reindex(facts["site_id"]).to_numpy()
        facts[spread_column] = spread.reindex(facts["site_id"]).fillna(own.sd).to_numpy()
        missing = int(value.isna().sum())
        if missing:
            notes.append(
                f"score.own.{name}: {missing} of {len(sites)} candidates have no figure; where it has weight "
                "they are not ranked"
            )
    return notes


def _of_column(name: str, own: OwnCriterion, sites: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Figures from a column of the user's sites; empty cells stay missing."""
    if own.column not in sites:
        carried = [str(column) for column in sites if str(column).startswith("x_")]
        message = f"score.own.{name}.column: no site has a column '{own.column}'"
        hint = f"there is {', '.join(carried)}" if carried else "add it to your sites file, or give a file"
        raise ScenarioError(message, hint=hint)
    text = sites[own.column].fillna("").astype(str).str.strip()
    value = pd.to_numeric(text.where(text != ""), errors="coerce").astype("float64")
    wrong = (text != "") & ~np.isfinite(value)
    if wrong.any():
        problems = tuple(
            Problem(f"{site}, {own.column}", f"'{text[site]}' is not a number") for site in sites.index[wrong]
        )
        message = f"score.own.{name}: {len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise DataError(message, problems)
    value.index = sites["site_id"].astype(str)
    return value, pd.Series(np.nan, index=value.index)


def _of_file(own: OwnCriterion, tables: Tables, sites: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Figures from a file; sites are named by id or by any part that fits one candidate or catalog site."""
    path = Path(str(own.file))
    rows = read_own_values(path)
    ids = set(sites["site_id"].astype(str))
    value = pd.Series(np.nan, index=sites["site_id"].astype(str))
    spread = value.copy()
    problems = []
    for row in rows:
        site = row.site
        if site not in ids:
            try:
                site = resolve_site(tables, site, sites.reset_index(drop=True))
            except UsageError as error:
                try:
                    resolve_site(tables, site)
                except UsageError:
                    problems.append(Problem(f"line {row.line}, site_id", error.message, error.hint))
                continue
        value[site], spread[site] = row.value, row.sd
    if problems:
        message = f"{path}: {len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise DataError(message, tuple(problems))
    return value, spread
