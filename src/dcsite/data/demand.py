"""Where users are: markets, weights, and the points that stand for them.

Owns the choice of metros for a market, the two weights (``spending``: internet users x GDP per user of
the country; ``users``: internet users), the reduction to a number of points and its error. Files of
users' own points come through here too. Round-trip times are physics.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from dcsite.data.sphere import km_of_chord, unit_xyz
from dcsite.data.tables import Tables, read_table
from dcsite.errors import DataError, Problem, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

EUROPE = ("northern-europe", "western-europe", "southern-europe", "eastern-europe", "russia")
AFRICA = ("northern-africa", "western-africa", "middle-africa", "eastern-africa", "southern-africa")
FAR_ASIA = ("south-asia", "southeast-asia", "east-asia")

MARKETS: dict[str, tuple[str, ...]] = {
    "africa": AFRICA,
    "sub-saharan-africa": AFRICA[1:],
    "asia": (*FAR_ASIA, "central-asia", "middle-east"),
    "asia-pacific": (*FAR_ASIA, "oceania", "pacific-islands"),
    "east-asia": ("east-asia",),
    "south-asia": ("south-asia",),
    "southeast-asia": ("southeast-asia",),
    "central-asia": ("central-asia",),
    "middle-east": ("middle-east",),
    "middle-east-north-africa": ("middle-east", "northern-africa"),
    "europe": EUROPE,
    "north-america": ("northern-america", "central-america", "caribbean"),
    "latin-america": ("central-america", "caribbean", "south-america"),
    "south-america": ("south-america",),
    "oceania": ("oceania", "pacific-islands"),
}
"""Markets by name, as regions of ``demand_countries.csv``; ``world`` is all of them."""

_EUROPEAN_UNION = (
    *("AUT", "BEL", "BGR", "HRV", "CYP", "CZE", "DNK", "EST", "FIN", "FRA", "DEU", "GRC", "HUN", "IRL"),
    *("ITA", "LVA", "LTU", "LUX", "MLT", "NLD", "POL", "PRT", "ROU", "SVK", "SVN", "ESP", "SWE"),
)

MEMBERS: dict[str, tuple[str, ...]] = {
    "european-union": _EUROPEAN_UNION,
    "gulf": ("ARE", "BHR", "KWT", "OMN", "QAT", "SAU"),
}
"""Markets by list of countries (ISO 3166 alpha-3)."""

DEMANDS = ("spending", "users")
LEAST_POINTS = 100
DEFAULT_POINTS = 300
REPORT_POINTS = 1000

LINE_MS, LINE_MS_PER_KM = 7.2, 0.0152
"""Straight-line RTT by which the error of a reduction is measured (a yardstick, not the model)."""

ERROR_LIMITS_MS = (20.0, 50.0, 100.0)
ERROR_SITES = 300


@dataclass(frozen=True)
class DemandPoints:
    """User points of a market.

    Attributes
    ----------
    names : tuple of str
        Metro, or name in the user's file.
    country_iso3 : tuple of str
        ISO 3166 alpha-3.
    lat, lon : ndarray, shape (U,)
        Position. [deg]
    weight : ndarray, shape (U,)
        Share of demand; sums to 1.
    market, demand
        What was asked for.
    note
        What was reduced or left out, in one line.
    points_before
        Points of the market before the reduction.
    coverage_error_mean_ratio, coverage_error_max_ratio
        Error of the share of demand within 50 ms against all points, over sites at the market's
        heaviest metros, by a straight-line yardstick. [-]
    quality
        Worst quality of the weights.
    """

    names: tuple[str, ...]
    country_iso3: tuple[str, ...]
    lat: NDArray[np.float64]
    lon: NDArray[np.float64]
    weight: NDArray[np.float64]
    market: str
    demand: str
    note: str
    points_before: int
    coverage_error_mean_ratio: float
    coverage_error_max_ratio: float
    quality: str

    def __len__(self) -> int:
        return len(self.weight)

    def frame(self) -> pd.DataFrame:
        """Points as a table: ``name, country_iso3, lat, lon, weight_ratio``."""
        return pd.DataFrame(
            {
                "name": list(self.names),
                "country_iso3": list(self.country_iso3),
                "lat": self.lat,
                "lon": self.lon,
                "weight_ratio": self.weight,
            }
        )


def market_names() -> tuple[str, ...]:
    """Names of the markets that need no file."""
    return ("world", *sorted({*MARKETS, *MEMBERS}))


def market_countries(tables: Tables, market: str) -> tuple[str, ...]:
    """Countries (ISO 3166 alpha-3, sorted) of a named market or of a comma-separated list of codes.

    Raises
    ------
    UsageError
        If the name or a code is unknown; the hint names near ones.
    """
    countries = tables.frame("demand_countries")
    name = market.strip().lower().replace("_", "-").replace(" ", "-")
    if name == "world":
        return tuple(sorted(countries["country_iso3"]))
    if name in MEMBERS:
        return tuple(sorted(MEMBERS[name]))
    if name in MARKETS:
        return tuple(sorted(countries.loc[countries["region"].isin(MARKETS[name]), "country_iso3"]))
    known = set(countries["country_iso3"])
    codes = [code.strip().upper() for code in market.split(",") if code.strip()]
    wrong = [code for code in codes if code not in known]
    if not codes or wrong:
        near = difflib.get_close_matches(name, market_names(), n=3)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        message = f"--users {market}: unknown market or country code{'' if not wrong else ' ' + wrong[0]}"
        raise UsageError(
            message,
            hint=f"{hint}use {', '.join(market_names())}, ISO 3166 alpha-3 codes joined by commas, or a CSV file",
        )
    return tuple(sorted(set(codes)))


def load_market(
    tables: Tables,
    users: str | Path | list[str] | tuple[str, ...] = "world",
    demand: str = "spending",
    n: int = DEFAULT_POINTS,
) -> DemandPoints:
    """Points and weights of a market.

    Parameters
    ----------
    tables
        The tables.
    users
        ``world``, a continent group (:func:`market_names`), ISO 3166 alpha-3 codes (a list, or joined by
        commas), or a CSV file with ``name, lat, lon, weight`` and optionally ``country_iso3``.
    demand
        ``spending`` (GDP of each country spread over its metros by internet users) or ``users``.
    n
        Points to keep at most (at least 100): the heaviest metros; each other metro goes to the nearest
        kept one, of its own country where there is one.

    Returns
    -------
    DemandPoints
        Sorted by falling weight.

    Raises
    ------
    UsageError
        If the market, the demand or ``n`` is unknown or too small.
    DataError
        If a file of points cannot be used.
    """
    if demand not in DEMANDS:
        message = f"--demand {demand}: unknown"
        raise UsageError(message, hint=f"one of {', '.join(DEMANDS)}")
    if n < LEAST_POINTS:
        message = f"{n} demand points are too few to stand for a market"
        raise UsageError(message, hint=f"at least {LEAST_POINTS}; {DEFAULT_POINTS} is the default")
    name = ",".join(users) if isinstance(users, (list, tuple)) else str(users)
    key = ("market", name, demand, n)
    if _is_file(name):
        return _from_file(tables, Path(name), n)
    found: DemandPoints = tables.memo(key, lambda: _from_metros(tables, name, demand, n))
    return found


def _is_file(name: str) -> bool:
    return name.lower().endswith((".csv", ".txt")) or "/" in name or "\\" in name


def _from_metros(tables: Tables, market: str, demand: str, n: int) -> DemandPoints:
    codes = market_countries(tables, market)
    countries = tables.frame("demand_countries").set_index("country_iso3")
    metros = tables.frame("demand_metros")
    metros = metros[metros["country_iso3"].isin(codes)]
    users = metros["internet_users"].to_numpy(dtype=np.float64)
    notes: list[str] = []
    qualities = set(countries.loc[list(codes), "users_quality"]) - {""}
    weight = users
    if demand == "spending":
        gdp = countries["gdp_usd"].reindex(metros["country_iso3"]).to_numpy(dtype=np.float64)
        in_country = metros.groupby("country_iso3")["internet_users"].transform("sum").to_numpy()
        weight = np.where(in_country > 0, users * gdp / np.maximum(in_country, 1.0), 0.0)
        lost = np.isnan(weight)
        if lost.any():
            missing = sorted(set(metros.loc[lost, "country_iso3"]))
            share = users[lost].sum() / max(users.sum(), 1.0)
            shown = ", ".join(missing[:8]) + (" ..." if len(missing) > 8 else "")
            notes.append(f"no GDP figure, left out: {shown} ({share:.1%} of users)")
        weight = np.where(lost, 0.0, weight)
        qualities |= set(countries.loc[list(codes), "gdp_quality"]) - {""}
    keep = weight > 0
    if not keep.any():
        message = f"--users {market}: no metro with {demand} figures"
        raise UsageError(message, hint="choose another market or --demand users")
    metros, weight = metros[keep], weight[keep]
    frame = pd.DataFrame(
        {
            "name": metros["name"].to_numpy(),
            "country_iso3": metros["country_iso3"].to_numpy(),
            "lat": metros["lat"].to_numpy(),
            "lon": metros["lon"].to_numpy(),
            "weight": weight / weight.sum(),
        }
    )
    return _reduced(frame, market, demand, n, notes, _worst(qualities))


def _worst(qualities: set[str]) -> str:
    order = ("measured", "reported", "modeled", "estimate", "unverified")
    return max(qualities, key=order.index) if qualities else "unverified"


def _from_file(tables: Tables, path: Path, n: int) -> DemandPoints:
    if not path.is_file():
        message = f"--users {path}: no such file"
        raise DataError(message, hint="a CSV file with the columns name, lat, lon, weight")
    frame = read_table(path)
    columns = {str(column).strip().lower(): column for column in frame.columns}
    problems = [
        Problem(f"{path}:1", f"no column '{needed}'", "needed: name, lat, lon, weight")
        for needed in ("lat", "lon", "weight")
        if needed not in columns
    ]
    allowed = {"name", "lat", "lon", "weight", "country_iso3"}
    problems += [
        Problem(f"{path}:1:{column}", "unknown column", f"allowed: {', '.join(sorted(allowed))}, x_...")
        for column in columns
        if column not in allowed and not column.startswith("x_")
    ]
    if problems:
        message = f"{path}: {len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise DataError(message, tuple(problems))
    if frame.empty:
        message = f"{path}: no rows"
        raise DataError(message, hint="give at least one point")
    values = {}
    for column, low, high in (("lat", -90.0, 90.0), ("lon", -180.0, 180.0), ("weight", 0.0, math.inf)):
        values[column], wrong = numbers_in(path, frame, columns[column], low, high)
        problems += wrong
    if not problems and values["weight"].sum() <= 0:
        problems.append(Problem(f"{path}:weight", "all weights are zero", "at least one must be positive"))
    if problems:
        message = f"{path}: {len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise DataError(message, tuple(problems[:20]))
    given = (
        [str(code) for code in frame[columns["country_iso3"]]]
        if "country_iso3" in columns
        else [""] * len(frame)
    )
    found = nearest_country(tables, values["lat"], values["lon"])
    points = pd.DataFrame(
        {
            "name": [str(v) for v in frame[columns["name"]]]
            if "name" in columns
            else [f"point {i + 1}" for i in range(len(frame))],
            "country_iso3": [code or near for code, near in zip(given, found, strict=True)],
            "lat": values["lat"],
            "lon": values["lon"],
            "weight": values["weight"] / values["weight"].sum(),
        }
    )
    points = points[points["weight"] > 0].reset_index(drop=True)
    return _reduced(points, str(path), "file", n, [], "reported")


def numbers_in(
    path: Path, frame: pd.DataFrame, column: str, low: float, high: float
) -> tuple[NDArray[np.float64], list[Problem]]:
    """Numbers of a column, with a complaint (file, row, column, value) for each bad cell."""
    problems: list[Problem] = []
    values = np.full(len(frame), np.nan)
    for row, cell in enumerate(frame[column].tolist()):
        try:
            values[row] = float(cell) if cell != "" else math.nan
        except ValueError:
            values[row] = math.nan
        if not (math.isfinite(values[row]) and low <= values[row] <= high):
            shown = "an empty cell" if str(cell) in ("", "nan") else f"'{cell}'"
            wanted = f"{low:g} to {high:g}" if math.isfinite(high) else f"a number >= {low:g}"
            problems.append(Problem(f"{path}:{row + 2}:{column}", f"got {shown}", f"give {wanted}"))
    return values, problems


def _reduced(
    points: pd.DataFrame, market: str, demand: str, n: int, notes: list[str], quality: str
) -> DemandPoints:
    ordered = points.sort_values("weight", ascending=False, kind="stable").reset_index(drop=True)
    before = len(ordered)
    kept = ordered.iloc[:n].copy()
    mean_error = worst_error = 0.0
    if before > n:
        owner = _absorb(ordered, n)
        kept["weight"] = np.bincount(owner, weights=ordered["weight"].to_numpy(), minlength=n)
        mean_error, worst_error = reduction_error(ordered, kept)
        notes.append(
            f"{n} of {before} metros stand for all; share within 50 ms off by {100 * mean_error:.2f} points "
            f"on average, {100 * worst_error:.2f} at worst"
        )
    else:
        notes.append(f"all {before} points")
    kept = kept.sort_values("weight", ascending=False, kind="stable")
    weight = kept["weight"].to_numpy(dtype=np.float64)
    return DemandPoints(
        names=tuple(str(v) for v in kept["name"]),
        country_iso3=tuple(str(v) for v in kept["country_iso3"]),
        lat=kept["lat"].to_numpy(dtype=np.float64),
        lon=kept["lon"].to_numpy(dtype=np.float64),
        weight=weight / weight.sum(),
        market=market,
        demand=demand,
        note="; ".join(notes),
        points_before=before,
        coverage_error_mean_ratio=mean_error,
        coverage_error_max_ratio=worst_error,
        quality=quality,
    )


def _absorb(ordered: pd.DataFrame, n: int) -> NDArray[np.int64]:
    """Kept point (one of the first n rows) that takes each row's weight."""
    xyz = unit_xyz(ordered["lat"].to_numpy(), ordered["lon"].to_numpy())
    owner = np.arange(len(ordered))
    country = ordered["country_iso3"].to_numpy()
    _, nearest = cKDTree(xyz[:n]).query(xyz[n:])
    owner[n:] = nearest
    for code in set(country[n:]) & set(country[:n]):
        mine = np.flatnonzero(country[:n] == code)
        rest = n + np.flatnonzero(country[n:] == code)
        _, nearest = cKDTree(xyz[mine]).query(xyz[rest])
        owner[rest] = mine[nearest]
    return owner


def reduction_error(full: pd.DataFrame, kept: pd.DataFrame) -> tuple[float, float]:
    """Mean and worst error of the share of demand within 50 ms, over the heaviest 300 metros as sites.

    RTT is a straight line in distance here, so that the figure depends on the points alone.
    """
    sites = unit_xyz(full["lat"].to_numpy()[:ERROR_SITES], full["lon"].to_numpy()[:ERROR_SITES])
    shares = []
    for frame in (full, kept):
        xyz = unit_xyz(frame["lat"].to_numpy(), frame["lon"].to_numpy())
        chord = np.sqrt(np.maximum(2.0 - 2.0 * sites @ xyz.T, 0.0))
        within = LINE_MS + LINE_MS_PER_KM * km_of_chord(chord) <= ERROR_LIMITS_MS[1]
        shares.append(within @ frame["weight"].to_numpy(dtype=np.float64))
    error = np.abs(shares[0] - shares[1])
    return float(error.mean()), float(error.max())


def nearest_country(tables: Tables, lat: NDArray[np.float64], lon: NDArray[np.float64]) -> tuple[str, ...]:
    """Country (ISO 3166 alpha-3) of the nearest metro or hub city of each point."""
    tree, codes = tables.memo("country_tree", lambda: _country_tree(tables))
    _, near = tree.query(unit_xyz(lat, lon))
    return tuple(codes[np.atleast_1d(near)])


def _country_tree(tables: Tables) -> tuple[Any, NDArray[Any]]:
    metros, hubs = tables.frame("demand_metros"), tables.frame("hubs")
    hubs = hubs[hubs["country_iso3"] != ""]
    lat = np.concatenate([metros["lat"].to_numpy(), hubs["lat"].to_numpy()])
    lon = np.concatenate([metros["lon"].to_numpy(), hubs["lon"].to_numpy()])
    codes = np.concatenate([metros["country_iso3"].to_numpy(), hubs["country_iso3"].to_numpy()])
    return cKDTree(unit_xyz(lat, lon)), codes.astype(object)
