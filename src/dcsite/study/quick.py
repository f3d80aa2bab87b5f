"""A scenario from a few options: what the commands and a notebook say when there is no file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dcsite.data.scenario_file import parse_scenario
from dcsite.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dcsite.spec.scenario import Scenario

DEFAULT_MW = 100.0


def quick_scenario(
    *,
    profiles: Sequence[str] = ("cloud",),
    it_mw: float | None = None,
    users: str | None = None,
    demand: str | None = None,
    max_rtt_ms: float | None = None,
    sites_file: str | None = None,
    only: Sequence[str] | None = None,
    catalog: bool = True,
    where: Mapping[str, Any] | None = None,
    weights: Mapping[str, float] | None = None,
    base: Scenario | None = None,
    **changes: Any,  # noqa: ANN401  (any top-level scenario key)
) -> Scenario:
    """Build a scenario of one workload per profile, or change a given one.

    Parameters
    ----------
    profiles
        Profile names; ignored when ``base`` is given.
    it_mw
        Rated IT power of each workload (default 100). [MW]
    users, demand, max_rtt_ms
        Market, its weighting and an RTT limit for all workloads.
    sites_file, only, catalog, where
        Candidates: own file, names to keep, whether the catalog counts, conditions.
    weights
        Own weights of the criteria.
    base
        A scenario to start from.
    **changes
        Top-level keys (``by``, ``allow_risk``, ``subsidy_removed``, ``technology`` ...); None is skipped.

    Raises
    ------
    ScenarioError
        If a value is out of range, with its key.
    """
    raw: dict[str, Any]
    if base is None:
        raw = {
            "format": 1,
            "workloads": [
                {"name": name, "profile": name, "it_mw": DEFAULT_MW if it_mw is None else it_mw}
                for name in dict.fromkeys(profiles)
            ],
        }
    else:
        raw = base.model_dump(mode="python", exclude_unset=True)
        raw["workloads"] = [dict(workload) for workload in raw["workloads"]]
        if it_mw is not None:
            for workload in raw["workloads"]:
                workload["it_mw"] = it_mw
                workload.pop("it_mw_by_year", None)
    for workload in raw["workloads"]:
        for key, value in (("users", users), ("demand", demand), ("max_rtt_ms", max_rtt_ms)):
            if value is not None:
                workload[key] = value
    sites = dict(raw.get("sites", {}))
    if sites_file is not None:
        sites["file"] = sites_file
    if not catalog:
        sites["catalog"] = "none"
    if only is not None:
        sites["only"] = tuple(only)
    if where:
        sites["where"] = {**sites.get("where", {}), **where}
    if sites:
        raw["sites"] = sites
    score = dict(raw.get("score", {}))
    if weights is not None:
        # Keys like price/water are judgments about pairs.
        score.pop("weights", None)
        score.pop("pairwise", None)
        score["pairwise" if any("/" in key for key in weights) else "weights"] = dict(weights)
    method = changes.pop("method", None)
    if method is not None:
        score["method"] = method
    if score:
        raw["score"] = score
    raw.update({key: value for key, value in changes.items() if value is not None})
    return parse_scenario(raw, name="options")


def key_values(text: str, option: str) -> dict[str, str]:
    """Read ``a=1,b=2``; a repeated key collects its values as ``a=1|2`` does.

    Raises
    ------
    UsageError
        If a part has no ``=`` or an empty side.
    """
    found: dict[str, str] = {}
    for part in text.split(","):
        key, mark, value = part.partition("=")
        if not mark or not key.strip() or not value.strip():
            message = f"{option} {text}: '{part}' is not KEY=VALUE"
            raise UsageError(message, hint=f"{option} key=value,key=value")
        if key.strip() in found:
            message = f"{option} {text}: '{key.strip()}' is given twice"
            raise UsageError(message, hint="several values of one key: key=a|b")
        found[key.strip()] = value.strip()
    return found


def weights_of(text: str | None, base: Scenario | None = None) -> dict[str, float] | None:
    """Weights from ``price=40,water=20``, or judgments about pairs from ``price/water=3``.

    Criteria of the scenario ``base`` count beside the built-in ones.

    Raises
    ------
    UsageError
        If a weight is not a number of 0 or more, or a criterion is unknown.
    """
    from dcsite.scoring.criteria import BY_NAME

    if text is None:
        return None
    known = (*BY_NAME, *(base.score.own if base is not None else ()))
    found: dict[str, float] = {}
    given = key_values(text, "--weights")
    if any("/" in key for key in given) and not all("/" in key for key in given):
        message = f"--weights {text}: give either weights or judgments about pairs"
        raise UsageError(message, hint="price=40,water=20 or price/water=2,price/latency=1,water/latency=0.5")
    for key, value in given.items():
        if "/" not in key and key not in known:
            import difflib

            near = difflib.get_close_matches(key, known, n=1)
            message = f"--weights: unknown criterion '{key}'"
            raise UsageError(
                message, hint=f"did you mean '{near[0]}'?" if near else f"criteria: {', '.join(known)}"
            )
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if not 0 <= number < float("inf"):
            message = f"--weights {key}={value}: must be a number of 0 or more"
            raise UsageError(message)
        found[key] = number
    if sum(found.values()) <= 0:
        message = f"--weights {text}: at least one weight must be above 0"
        raise UsageError(message)
    return found


def where_of(text: str | None) -> dict[str, Any] | None:
    """Conditions on sites from ``country=USA|CAN,tag=ai``."""
    if text is None:
        return None
    return {
        key: tuple(value.split("|")) if "|" in value else value
        for key, value in key_values(text, "--where").items()
    }
