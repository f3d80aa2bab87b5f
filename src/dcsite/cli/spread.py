"""Commands that show how an answer moves: ``spectrum`` and ``robust``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from dcsite.cli.options import (
    AtOption,
    ChartOption,
    DataDirOption,
    ForceOption,
    Format,
    FormatOption,
    OutOption,
    ProfileOption,
    ScenarioOption,
    SeedOption,
    SitesArgument,
    SitesOption,
    TopOption,
    UsersOption,
    VerboseOption,
    WeightsOption,
    WhereOption,
    WorkloadOption,
)
from dcsite.cli.output import emit_result, width, write_chart
from dcsite.cli.progress import Progress

if TYPE_CHECKING:
    from dcsite.data.tables import Tables
    from dcsite.spec.scenario import Scenario


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("spectrum")(spectrum)
    app.command("robust")(robust)


def asked_scenario(
    tables: "Tables",
    *,
    profile: str,
    scenario: Path | None,
    users: str | None,
    sites: str | None = None,
    only: list[str] | None = None,
    weights: str | None = None,
    where: str | None = None,
) -> "Scenario":
    """Scenario of one load from options, or a file with its options replaced."""
    from dcsite.cli.ranking import base_scenario, profile_names
    from dcsite.study.quick import quick_scenario, weights_of, where_of

    base = base_scenario(scenario)
    return quick_scenario(
        profiles=[] if base else profile_names(tables, profile),
        users=users,
        sites_file=sites,
        only=only or None,
        where=where_of(where),
        weights=weights_of(weights, base),
        base=base,
    )


def spectrum(
    sites_named: SitesArgument = None,
    profile: ProfileOption = "cloud",
    users: UsersOption = None,
    worth_max: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            "--worth-max", help="End of the worth axis [USD per rack-year]; default twice the profile's."
        ),
    ] = None,
    rack_max: Annotated[
        float, typer.Option("--rack-max", help="End of the rack-power axis, over the profile's rack.")
    ] = 16.0,
    where: WhereOption = None,
    sites: SitesOption = None,
    at: AtOption = None,
    scenario: ScenarioOption = None,
    workload: WorkloadOption = None,
    chart: ChartOption = None,
    output_format: FormatOption = Format.table,
    out: OutOption = None,
    force: ForceOption = False,
    data_dir: DataDirOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Find who wins as latency gains worth or racks gain power, with exact break points.

    Example: dcsite spectrum --users USA --where country=USA --chart spectrum.svg
    """
    from dcsite.data.tables import load_tables
    from dcsite.report.figures import picture_svg
    from dcsite.report.frames import frame_table
    from dcsite.report.terminal import paragraph, table_text
    from dcsite.study.evaluating import evaluate
    from dcsite.study.spectrum import spectrum as find_spectrum
    from dcsite.study.spectrum import with_reach

    tables = load_tables(data_dir)
    asked = asked_scenario(
        tables,
        profile=profile,
        scenario=scenario,
        users=users,
        sites=sites,
        only=list(sites_named or []),
        where=where,
    )
    evaluation = evaluate(with_reach(asked), tables, points=tuple(at or ()))
    found = find_spectrum(
        evaluation,
        tables,
        workload=workload,
        worth_max_usd_per_rack_year=worth_max,
        rack_factor_max=rack_max,
    )
    frame = found.table
    title = (
        f"Who wins for {found.workload} (profile {found.profile}: {found.rack_kw:g} kW racks, latency worth "
        f"{found.worth_now_usd_per_rack_year:,.0f} USD per rack-year)"
    )
    shown = frame.drop(columns=["sentence", "unit"])
    parts = [
        f"{paragraph(title, width())}\n",
        table_text(frame_table(shown, "spectrum", title, drop=("name",)), width()),
        "\n",
    ]
    parts += [paragraph(sentence, width()) for sentence in (*frame["sentence"], *found.notes)]
    write_chart(picture_svg(found) if chart else None, chart, force=force)
    emit_result(found, "".join(parts), output_format, out, evaluation=evaluation, title=title, force=force)


def robust(
    profile: ProfileOption = "cloud",
    users: UsersOption = None,
    draws: Annotated[int, typer.Option("--draws", min=1, max=1_000_000, help="Number of draws.")] = 10_000,
    seed: SeedOption = 0,
    weights: WeightsOption = None,
    around: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            "--around",
            help="Draw weights around the nominal ones: 5 is loose, 20 the default, 100 close.",
        ),
    ] = None,
    any_weights: Annotated[
        bool, typer.Option("--any-weights", help="Draw all weights alike, whatever the nominal ones.")
    ] = False,
    weights_intervals: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--weights-intervals", help="Draw weights within: price=0.2..0.5,latency=0..0.3."),
    ] = None,
    facts: Annotated[
        bool, typer.Option("--facts/--no-facts", help="Draw the facts within their uncertainty too.")
    ] = True,
    price_years: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--price-years",
            help="Each draw takes the prices of one market year for all sites, contracts indexed: all, 2020..2024 "
            "or 2020,2022.",
        ),
    ] = None,
    ahead_years: Annotated[
        float,
        typer.Option(
            "--ahead-years",
            min=0.0,
            max=30.0,
            help="With --price-years: so many years ahead, with escalation and its yearly spread by region.",
        ),
    ] = 0.0,
    top: TopOption = 15,
    where: WhereOption = None,
    sites: SitesOption = None,
    at: AtOption = None,
    scenario: ScenarioOption = None,
    workload: WorkloadOption = None,
    chart: ChartOption = None,
    output_format: FormatOption = Format.table,
    out: OutOption = None,
    force: ForceOption = False,
    data_dir: DataDirOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Say how sure a ranking is: shares of ranks over drawn weights and facts, exact ranks, what flips it.

    Example: dcsite robust --profile ai-training --draws 10000 --top 10
    """
    from dcsite.data.tables import load_tables
    from dcsite.errors import UsageError
    from dcsite.report.figures import picture_svg
    from dcsite.report.frames import frame_table
    from dcsite.report.terminal import paragraph, table_text
    from dcsite.study.evaluating import evaluate
    from dcsite.study.ranking import rank
    from dcsite.study.robust import (
        AROUND,
        intervals_of,
        of_ranking,
        price_worlds,
        robust_sentences,
        with_price_worlds,
        years_of,
    )

    if sum([around is not None, any_weights, weights_intervals is not None]) > 1:
        message = "--around, --any-weights and --weights-intervals exclude each other"
        raise UsageError(message)
    if ahead_years > 0 and price_years is None:
        message = "--ahead-years needs --price-years"
        raise UsageError(message, hint="--price-years all --ahead-years 5")
    years = None if price_years is None else years_of(price_years)
    intervals = intervals_of(weights_intervals)
    if around is None and not any_weights and intervals is None:
        around = AROUND
    tables = load_tables(data_dir)
    asked = asked_scenario(
        tables, profile=profile, scenario=scenario, users=users, sites=sites, weights=weights, where=where
    )
    evaluation = evaluate(asked, tables, points=tuple(at or ()))
    ranking = rank(evaluation, workload=workload)
    with Progress("draws") as told:
        options = {
            "concentration": around,
            "intervals": intervals,
            "facts": facts,
            "progress": told.count,
        }
        if years is None:
            result = of_ranking(ranking, draws, seed, **options)
        else:
            worlds = price_worlds(ranking, evaluation, tables, years, ahead_years=ahead_years, seed=seed)
            result = with_price_worlds(ranking, worlds, draws, seed, **options)
    title = f"How sure the ranking for {result.workload} is ({draws:,} draws, seed {seed})"
    columns = [
        "rank",
        "site_id",
        "first_ratio",
        "top3_ratio",
        "top10_ratio",
        "rank_p05",
        "rank_p95",
        "confidence_ratio",
        "best_rank",
        "worst_rank",
        "dominated_by",
    ]
    table = frame_table(
        result.table[columns],
        "robustness",
        title,
        drop=("dominated_by", "confidence_ratio", "top10_ratio", "top3_ratio"),
    )
    parts = [f"{paragraph(title, width())}\n", table_text(table, width(), top=top), "\n"]
    if len(result.worlds) and ahead_years <= 0:
        words = "Who wins in each market year at the nominal weights"
        parts += [f"{words}\n\n", table_text(frame_table(result.worlds, "price_years", words), width()), "\n"]
    parts += [paragraph(sentence, width()) for sentence in robust_sentences(result, ranking)]
    write_chart(picture_svg(result) if chart else None, chart, force=force)
    emit_result(result, "".join(parts), output_format, out, evaluation=evaluation, title=title, force=force)
