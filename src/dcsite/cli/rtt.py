"""The command ``dcsite rtt``: modeled round-trip times of one pair or of a file of pairs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from dcsite.cli import complete
from dcsite.cli.options import (
    DataDirOption,
    ForceOption,
    Format,
    OutOption,
    VerboseOption,
)
from dcsite.cli.output import width, write_text

if TYPE_CHECKING:
    from dcsite.data.tables import Tables
    from dcsite.physics.latency import Network


def rtt(
    from_place: Annotated[
        Optional[str],  # noqa: UP045  (typer reads it at run time on 3.11)
        typer.Argument(
            metavar="[A]",
            help="Site, city, or LAT,LON (after -- if it starts with a minus).",
            autocompletion=complete.sites,
        ),
    ] = None,
    to_place: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(metavar="[B]", help="Site, city, or LAT,LON.", autocompletion=complete.sites),
    ] = None,
    pairs: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--pairs", help="CSV file with from_lat, from_lon, to_lat, to_lon: same rows out."),
    ] = None,
    network: Annotated[
        str,
        typer.Option(
            "--network",
            help="cloud (between regions) or public (users to sites).",
            autocompletion=complete.words("cloud", "public"),
        ),
    ] = "public",
    access: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--access", help="Add the last mile at B: ftth, cable, mobile_5g, ... (unverified)."),
    ] = None,
    rtt_reference: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--rtt-reference", help="Own measured pairs (CSV with rtt_ms); they rule nearby."),
    ] = None,
    without: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--without", help="Leave out a shipped set of measured pairs: azure, aws or ibm."),
    ] = None,
    output_format: Annotated[
        Optional[Format],  # noqa: UP045
        typer.Option("--format", "-f", help="What to print (default: table for A B, csv for --pairs)."),
    ] = None,
    out: OutOption = None,
    force: ForceOption = False,
    data_dir: DataDirOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Model the round-trip time between places, with the bound that 90 % of measurements stay under.

    Last mile is not in it unless --access is given. Example: dcsite rtt ashburn frankfurt --network cloud
    """
    from dcsite.data.network import NETWORKS, load_network
    from dcsite.data.tables import load_tables
    from dcsite.errors import UsageError
    from dcsite.physics.latency import as_network

    if (pairs is None) == (from_place is None or to_place is None):
        message = "give two places, or --pairs FILE.csv"
        raise UsageError(message, hint="dcsite rtt ashburn frankfurt, or dcsite rtt --pairs pairs.csv")
    if network not in NETWORKS:
        message = f"--network {network}: unknown"
        raise UsageError(message, hint=f"one of {', '.join(NETWORKS)}")
    tables = load_tables(data_dir)
    sets = _sets(tables, network, without)
    loaded = load_network(tables, network, reference_file=rtt_reference, sets=sets)
    model = as_network(loaded)
    if pairs is not None:
        text = _pairs(tables, model, pairs, access, output_format or Format.csv, loaded.provenance)
    else:
        text = _one(
            tables,
            model,
            from_place or "",
            to_place or "",
            access,
            output_format or Format.table,
            loaded.provenance,
        )
    write_text(text, out, force=force)


def _sets(tables: "Tables", network: str, without: list[str] | None) -> tuple[str, ...] | None:
    """Sets of measured pairs that stay."""
    from dcsite.errors import UsageError

    if not without:
        return None
    frame = tables.frame("rtt_reference")
    known = sorted(set(frame.loc[frame["network"] == network, "set"]))
    for name in without:
        if name not in known:
            message = f"--without {name}: no such set for the {network} network"
            raise UsageError(message, hint=f"one of {', '.join(known) or '(it uses none)'}")
    return tuple(name for name in known if name not in without)


def _pairs(
    tables: "Tables",
    model: "Network",
    path: Path,
    access: str | None,
    output_format: Format,
    provenance: tuple[str, ...],
) -> str:
    """Rows of the file as they are, with ``rtt_ms, rtt_p90_ms`` added."""
    import csv
    import io

    from dcsite.data.network import load_last_mile, read_pair_ends
    from dcsite.physics.latency import rtt_pairs

    ends = read_pair_ends(tables, path)
    times = rtt_pairs(model, ends.lat_a, ends.lon_a, ends.country_a, ends.lat_b, ends.lon_b, ends.country_b)
    added = {"rtt_ms": times.rtt_ms, "rtt_p90_ms": times.rtt_p90_ms}
    if access is not None:
        last = load_last_mile(tables, access)
        added["rtt_low_ms"] = times.rtt_ms + last.low_ms
        added["rtt_high_ms"] = times.rtt_p90_ms + last.high_ms
    with path.open(encoding="utf-8-sig", newline="") as handle:
        rows = list(csv.reader(handle))
    header = [name for name in rows[0] if name not in added]
    kept = [position for position, name in enumerate(rows[0]) if name not in added]
    columns = [[f"{value:.2f}" for value in values.tolist()] for values in added.values()]
    body = [
        [row[position] for position in kept] + list(figures)
        for row, figures in zip(rows[1:], zip(*columns, strict=True), strict=True)
    ]
    header += list(added)
    if output_format is Format.json:
        import json

        records = [
            dict(zip(header, [*row[: len(kept)], *(float(cell) for cell in row[len(kept) :])], strict=True))
            for row in body
        ]
        document = {
            "schema": "dcsite.rtt-pairs/1",
            "network": model.name,
            "provenance": list(provenance),
            "pairs": records,
        }
        return json.dumps(document) + "\n"
    if output_format is Format.csv:
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(body)
        return buffer.getvalue()
    return _grid(header, body, markdown=output_format is Format.md)


def _one(
    tables: "Tables",
    model: "Network",
    from_place: str,
    to_place: str,
    access: str | None,
    output_format: Format,
    provenance: tuple[str, ...],
) -> str:
    """One pair with its route and where the figure comes from."""
    import csv
    import io
    import json

    from dcsite.constants import FIBER_KM_PER_MS_ROUND_TRIP
    from dcsite.data.network import find_point, load_last_mile
    from dcsite.physics.latency import prepare_points, routes, rtt_pairs
    from dcsite.report.terminal import paragraph

    a, b = find_point(tables, from_place), find_point(tables, to_place)
    times = rtt_pairs(model, a.lat, a.lon, [a.country_iso3], b.lat, b.lon, [b.country_iso3])
    route = routes(
        model,
        prepare_points(model, a.lat, a.lon, [a.country_iso3]),
        prepare_points(model, b.lat, b.lon, [b.country_iso3]),
    )[0]
    km, value, bound = (float(column[0]) for column in (times.distance_km, times.rtt_ms, times.rtt_p90_ms))
    record: dict[str, object] = {
        "from": a.label,
        "from_country_iso3": a.country_iso3,
        "to": b.label,
        "to_country_iso3": b.country_iso3,
        "network": model.name,
        "distance_km": round(km, 1),
        "rtt_ms": round(value, 2),
        "rtt_p90_ms": round(bound, 2),
        "fiber_floor_ms": round(km / FIBER_KM_PER_MS_ROUND_TRIP.value, 2),
        "quality": "modeled",
        "route": " - ".join(model.hub_names[hub] for hub in route.hubs) or "direct",
    }
    if access is not None:
        last = load_last_mile(tables, access)
        record["access"] = f"{last.access} (+{last.low_ms:g} to {last.high_ms:g} ms, {last.quality})"
        record["rtt_low_ms"] = round(value + last.low_ms, 2)
        record["rtt_high_ms"] = round(bound + last.high_ms, 2)
    if output_format is Format.json:
        document = {"schema": "dcsite.rtt/1", **record, "provenance": list(provenance)}
        return json.dumps(document, ensure_ascii=False, indent=2) + "\n"
    if output_format is Format.csv:
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(record)
        writer.writerow(record.values())
        return buffer.getvalue()
    lines = _grid(
        ["figure", "value"],
        [[name, str(figure)] for name, figure in record.items()],
        markdown=output_format is Format.md,
    )
    if output_format is Format.md:
        return lines + "".join(f"- {text}\n" for text in provenance)
    return lines + "".join(paragraph(f"  from {text}", width()) for text in provenance)


def _grid(header: list[str], body: list[list[str]], *, markdown: bool) -> str:
    """Rows as aligned text, the last column folded at the edge, or as a Markdown table."""
    import textwrap

    if markdown:
        lines = [header, ["---"] * len(header), *body]
        return "".join("| " + " | ".join(row) + " |\n" for row in lines)
    widths = [max(len(row[position]) for row in [header, *body]) for position in range(len(header))]
    left = sum(widths[:-1]) + 2 * (len(widths) - 1)
    room = max(20, width() - left)
    parts = []
    for row in [header, *body]:
        first, *more = textwrap.wrap(row[-1], room) or [""]
        cells = [*row[:-1], first]
        line = "  ".join(cell.ljust(wide) for cell, wide in zip(cells, widths, strict=True))
        parts.append(line.rstrip() + "\n")
        parts += [f"{' ' * left}{text}\n" for text in more]
    return "".join(parts)
