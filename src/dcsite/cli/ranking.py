"""Commands that rank and compare: ``rank``, ``compare``, ``profiles list|show``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from dcsite.cli import complete
from dcsite.cli.options import (
    OPERATOR,
    RULES,
    AllowRiskOption,
    AtOption,
    ByOption,
    DataDirOption,
    ForceOption,
    Format,
    FormatOption,
    MwOption,
    OutOption,
    ProfilesOption,
    ScenarioOption,
    SitesOption,
    SubsidyOption,
    TechnologyOption,
    TopOption,
    UsersOption,
    VerboseOption,
    WeightsOption,
    WhereOption,
)
from dcsite.cli.output import emit_result, emit_table, width

if TYPE_CHECKING:
    from dcsite.data.tables import Tables
    from dcsite.spec.scenario import Scenario

COMPARED = "cloud,ai-training,crypto"

profiles_app = typer.Typer(
    no_args_is_help=True, help="Workload profiles: what a load needs and what it is worth."
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("rank")(rank)
    app.command("compare")(compare)
    app.add_typer(profiles_app, name="profiles")


def base_scenario(path: Path | None) -> "Scenario | None":
    """Scenario file of ``--scenario``, read."""
    if path is None:
        return None
    from dcsite.data.scenario_file import load_scenario

    return load_scenario(path)


def profile_names(tables: "Tables", text: str) -> list[str]:
    """Profiles of ``--profile a,b``, each one known.

    Raises
    ------
    UsageError
        If a profile does not exist.
    """
    import difflib

    from dcsite.data.scenario_file import load_profiles
    from dcsite.errors import UsageError

    known = load_profiles(tables)
    found = [name.strip() for name in text.split(",") if name.strip()]
    for name in found:
        if name not in known:
            near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
            message = f"--profile {name}: no such profile"
            raise UsageError(
                message, hint=f"did you mean '{near[0]}'?" if near else f"profiles: {', '.join(known)}"
            )
    if not found:
        message = "--profile: no name given"
        raise UsageError(message, hint=f"profiles: {', '.join(known)}")
    return found


def rank(
    profile: ProfilesOption = "cloud",
    mw: MwOption = None,
    by: ByOption = None,
    top: TopOption = 20,
    weights: WeightsOption = None,
    where: WhereOption = None,
    users: UsersOption = None,
    demand: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--demand",
            help="Weight of a demand point: spending (default) or users.",
            autocompletion=complete.words("spending", "users"),
        ),
    ] = None,
    method: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--method",
            help="weighted_sum (default), topsis or promethee.",
            autocompletion=complete.words("weighted_sum", "topsis", "promethee"),
        ),
    ] = None,
    technology: TechnologyOption = None,
    basis: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--basis",
            help="Tariff basis: delivered_ex_tax (default), delivered_mixed, delivered_all_in.",
            autocompletion=complete.words("delivered_ex_tax", "delivered_mixed", "delivered_all_in"),
        ),
    ] = None,
    rules: Annotated[str | None, RULES] = None,
    operator_hq: Annotated[str | None, OPERATOR] = None,
    subsidy_removed: SubsidyOption = False,
    strict_basis: Annotated[
        bool, typer.Option("--strict-basis", help="Never fall back to another basis.")
    ] = False,
    allow_risk: AllowRiskOption = False,
    sites: SitesOption = None,
    only_own: Annotated[
        bool, typer.Option("--only-own", help="Rank --sites and --at alone, not the catalog.")
    ] = False,
    at: AtOption = None,
    scenario: ScenarioOption = None,
    workload: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--workload", help="Workload of the scenario to rank; default all."),
    ] = None,
    output_format: FormatOption = Format.table,
    out: OutOption = None,
    force: ForceOption = False,
    data_dir: DataDirOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Rank sites for one load: score parts, raw figures with units, what is excluded and why.

    Example: dcsite rank --profile ai-training --mw 100 --top 10
    """
    from dcsite.data.tables import load_tables
    from dcsite.errors import UsageError
    from dcsite.report.terminal import ranking_text
    from dcsite.study.evaluating import evaluate
    from dcsite.study.quick import quick_scenario, weights_of, where_of
    from dcsite.study.ranking import rank as rank_sites

    if only_own and sites is None and not at:
        message = "--only-own needs --sites FILE or --at LAT,LON"
        raise UsageError(message)
    tables = load_tables(data_dir)
    base = base_scenario(scenario)
    changes: dict[str, Any] = {
        "by": by,
        "method": method,
        "technology": technology,
        "electricity_basis": basis,
        "rules": rules,
        "operator_hq": operator_hq,
        "subsidy_removed": subsidy_removed or None,
        "strict_basis": strict_basis or None,
        "allow_risk": allow_risk or None,
    }
    asked = quick_scenario(
        profiles=[] if base else profile_names(tables, profile),
        it_mw=mw,
        users=users,
        demand=demand,
        sites_file=sites,
        catalog=not only_own,
        where=where_of(where),
        weights=weights_of(weights, base),
        base=base,
        **changes,
    )
    if workload is not None and workload not in {load.name for load in asked.workloads}:
        message = f"--workload {workload}: not in the scenario"
        raise UsageError(message, hint=f"workloads: {', '.join(load.name for load in asked.workloads)}")
    evaluation = evaluate(asked, tables, points=tuple(at or ()))
    names = [workload] if workload else list(evaluation.workloads)
    rankings = [rank_sites(evaluation, workload=name, tables=tables) for name in names]
    text = "\n".join(
        ranking_text(ranking, sites=evaluation.sites, top=top, width=width()) for ranking in rankings
    )
    emit_result(rankings, text, output_format, out, evaluation=evaluation, force=force)


def compare(
    sites_named: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(
            metavar="SITES...",
            help="Two or more sites by id or part of their name.",
            autocompletion=complete.sites,
        ),
    ] = None,
    profile: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--profile",
            "-p",
            help=f"Profiles to compare for, default {COMPARED}.",
            autocompletion=complete.profiles,
        ),
    ] = None,
    mw: MwOption = None,
    weights: WeightsOption = None,
    users: UsersOption = None,
    sites: SitesOption = None,
    at: AtOption = None,
    scenario: ScenarioOption = None,
    subsidy_removed: SubsidyOption = False,
    allow_risk: AllowRiskOption = False,
    output_format: FormatOption = Format.table,
    out: OutOption = None,
    force: ForceOption = False,
    data_dir: DataDirOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Put sites side by side in real units: cost waterfall, who wins and what would flip it.

    Example: dcsite compare quincy plano keflavik --profile cloud,ai-training,crypto
    """
    from dcsite.data.tables import load_tables
    from dcsite.errors import UsageError
    from dcsite.report.terminal import comparison_text
    from dcsite.study.evaluating import evaluate
    from dcsite.study.quick import quick_scenario, weights_of
    from dcsite.study.ranking import compare as compare_sites
    from dcsite.study.words import flip_sentences, why_it_wins

    tables = load_tables(data_dir)
    base = base_scenario(scenario)
    named = list(sites_named or [])
    if base is not None and not named and base.sites.only:
        named = list(base.sites.only)
    if len(named) + len(at or []) + (1 if sites else 0) < 2:
        message = "compare needs at least two sites"
        raise UsageError(message, hint="dcsite compare quincy plano keflavik")
    asked = quick_scenario(
        profiles=profile_names(tables, profile or COMPARED) if base is None or profile else [],
        it_mw=mw,
        users=users,
        sites_file=sites,
        only=None if sites and not named else named,
        weights=weights_of(weights, base),
        base=None if profile else base,
        subsidy_removed=subsidy_removed or None,
        allow_risk=allow_risk or None,
    )
    evaluation = evaluate(asked, tables, points=tuple(at or ()))
    ids = list(evaluation.sites["site_id"])
    comparisons = [
        compare_sites(evaluation, ids, workload=name, tables=tables) for name in evaluation.workloads
    ]
    parts = []
    for comparison in comparisons:
        parts.append(comparison_text(comparison, sites=evaluation.sites, width=width()))
        from dcsite.report.terminal import paragraph

        parts.append("\n" + paragraph(why_it_wins(comparison), width()))
        parts += [paragraph(sentence, width()) for sentence in flip_sentences(comparison)]
        parts += [paragraph(note, width()) for note in comparison.ranking.notes]
        parts.append("\n")
    emit_result(comparisons, "".join(parts), output_format, out, evaluation=evaluation, force=force)


@profiles_app.command("list")
def profiles_list(
    output_format: FormatOption = Format.table,
    out: OutOption = None,
    data_dir: DataDirOption = None,
    verbose: VerboseOption = False,
) -> None:
    """List the built-in profiles.

    Example: dcsite profiles list
    """
    import pandas as pd

    from dcsite.data.scenario_file import load_profiles
    from dcsite.data.tables import load_tables
    from dcsite.report.frames import frame_table

    rows = [
        {
            "profile": profile.name,
            "title": profile.title,
            "rack_kw": profile.rack_kw,
            "load_factor": profile.load_factor,
            "interruptible_fraction": profile.interruptible_fraction,
            "latency_worth_usd_per_rack_year": profile.latency_worth_usd_per_rack_year,
            "supply_c": profile.supply_c,
            "accelerators_per_mw": profile.accelerators_per_mw,
        }
        for profile in load_profiles(load_tables(data_dir)).values()
    ]
    emit_table(frame_table(pd.DataFrame(rows), "profiles", "Profiles"), output_format, out)


@profiles_app.command("show")
def profiles_show(
    name: Annotated[str, typer.Argument(help="Profile name.", autocompletion=complete.profiles)],
    output_format: FormatOption = Format.table,
    out: OutOption = None,
    data_dir: DataDirOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Show a profile: every figure with its range and source, and how the weights follow from it.

    Example: dcsite profiles show cloud
    """
    import pandas as pd

    from dcsite.data.scenario_file import load_profiles
    from dcsite.data.tables import load_tables
    from dcsite.report.frames import frame_table
    from dcsite.report.terminal import paragraph
    from dcsite.scoring.weights import swing_weights

    tables = load_tables(data_dir)
    profile = load_profiles(tables)[profile_names(tables, name)[0]]
    weights = swing_weights(profile)
    rows = []
    for key, value in profile.model_dump().items():
        if key in ("ranges", "notes", "name", "title"):
            continue
        span = profile.ranges.get(key)
        rows.append(
            {
                "field": key,
                "value": ", ".join(value)
                if isinstance(value, (tuple, list))
                else ""
                if value is None
                else str(value),
                "range": "" if span is None else f"{span.low:g} to {span.high:g}",
                "note": profile.notes.get(key, ""),
            }
        )
    table = frame_table(pd.DataFrame(rows), "profile", f"Profile {profile.name}: {profile.title}")
    words = "How the weights follow from it (swing of each criterion in USD per rack-year, over their sum):"
    lines = [paragraph(words, width())]
    lines += [paragraph(f"  {line}", width()) for line in weights.derivation]
    shares = ", ".join(f"{key} {value:.1%}" for key, value in weights.weight.items())
    lines.append(paragraph(f"  weights: {shares}", width()))
    emit_table(table, output_format, out, note="".join(lines))
