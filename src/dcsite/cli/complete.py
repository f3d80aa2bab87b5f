"""What the shell completes: sites, profiles, technologies, markets, countries, tables, rule sets. Light.

Reads the small tables by the standard library alone, so that a press of Tab answers at once; nothing here
raises, since a shell has no place for a message. What a user's own folder replaces (``--data-dir`` before the
name, or ``DCSITE_DATA``) is read from there.
"""

import csv
import tomllib
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import typer

Found = list[tuple[str, str]]

MARKETS = (
    *("world", "africa", "asia", "asia-pacific", "central-asia", "east-asia", "europe", "european-union"),
    *("gulf", "latin-america", "middle-east", "middle-east-north-africa", "north-america", "oceania"),
    *("south-america", "south-asia", "southeast-asia", "sub-saharan-africa"),
)
REPORT_FORMATS = ("html", "csv", "json", "md", "geojson", "gpkg", "xlsx", "parquet", "pdf", "svg")


def _folders(context: typer.Context) -> list[Path]:
    """Data folders, the user's before the shipped one."""
    from dcsite.data.catalog import find_user_root, shipped_root
    from dcsite.errors import DcsiteError

    found: list[Path] = []
    with suppress(DcsiteError):
        own = find_user_root((context.params or {}).get("data_dir"))
        if own is not None:
            found.append(own.path)
    with suppress(DcsiteError):
        found.append(shipped_root().path)
    return found


def _rows(context: typer.Context, folder: str, name: str) -> list[dict[str, str]]:
    """Rows of the first table of this name; empty where there is none that can be read."""
    for root in _folders(context):
        path = root / folder / name
        try:
            with path.open(encoding="utf-8-sig", newline="") as handle:
                return [
                    {key: value or "" for key, value in row.items() if key} for row in csv.DictReader(handle)
                ]
        except (OSError, UnicodeDecodeError, csv.Error):
            continue
    return []


def _begins(pairs: Iterable[tuple[str, str]], incomplete: str) -> Found:
    wanted = incomplete.lower()
    return [(value, note) for value, note in pairs if value.lower().startswith(wanted)]


def _listed(pairs: Iterable[tuple[str, str]], incomplete: str) -> Found:
    """Complete the last name of a comma list; names before it are offered no more."""
    *before, last = incomplete.split(",")
    head = "".join(f"{name}," for name in before)
    return [(f"{head}{value}", note) for value, note in _begins(pairs, last) if value not in before]


def sites(ctx: typer.Context, incomplete: str) -> Found:
    """Ids of sites; from a part that no id begins with, the rest of the ids (``quin``: ``quincy-wa``)."""
    rows = _rows(ctx, "regions", "sites.csv")
    named = [(row.get("site_id", ""), row.get("name", "")) for row in rows]
    given = set(ctx.params.get("sites_named") or ())
    named = [(site, name) for site, name in named if site and site not in given]
    found = _begins(named, incomplete)
    return found or _begins([(site.partition("-")[2], name) for site, name in named], incomplete)


def site_list(ctx: typer.Context, incomplete: str) -> Found:
    """Sites in a comma list."""
    *before, last = incomplete.split(",")
    head = "".join(f"{name}," for name in before)
    return [(f"{head}{value}", note) for value, note in sites(ctx, last)]


def _profiles(context: typer.Context) -> Found:
    found: dict[str, str] = {}
    for root in reversed(_folders(context)):
        for path in sorted((root / "profiles").glob("*.toml")):
            try:
                found[path.stem] = str(tomllib.loads(path.read_text(encoding="utf-8")).get("title", ""))
            except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
                continue
    return sorted(found.items())


def profiles(ctx: typer.Context, incomplete: str) -> Found:
    """Names of profiles with their titles, also in a comma list."""
    return _listed(_profiles(ctx), incomplete)


def technologies(ctx: typer.Context, incomplete: str) -> Found:
    """Names of cooling technologies, also in a comma list."""
    rows = _rows(ctx, "profiles", "cooling_technologies.csv")
    return _listed(
        ((name, "") for name in sorted({row.get("technology", "") for row in rows} - {""})), incomplete
    )


def technologies_or_all(ctx: typer.Context, incomplete: str) -> Found:
    """``all``, or names of cooling technologies."""
    return [*_begins([("all", "every technology")], incomplete), *technologies(ctx, incomplete)]


def _codes(context: typer.Context) -> Found:
    rows = _rows(context, "regions", "countries.csv")
    return [(row.get("country_iso3", ""), row.get("name", "")) for row in rows]


def countries(ctx: typer.Context, incomplete: str) -> Found:
    """Codes of countries, or names where no code begins so; also in a comma list."""
    pairs = _codes(ctx)
    found = _listed(pairs, incomplete)
    return found or _listed([(name.lower().replace(" ", "-"), code) for code, name in pairs], incomplete)


def markets(ctx: typer.Context, incomplete: str) -> Found:
    """Markets by name, then codes of countries, also in a comma list."""
    known = _begins([(name, "market") for name in MARKETS], incomplete)
    return [*known, *(_listed(_codes(ctx), incomplete) if incomplete else [])]


def tables(ctx: typer.Context, incomplete: str) -> Found:
    """Names of tables and grids."""
    names: dict[str, str] = {}
    for root in _folders(ctx):
        for path in sorted(root.glob("*/*")):
            if path.suffix in (".csv", ".npz") and path.stem != "sources":
                names.setdefault(path.stem, path.parent.name)
    return _begins(sorted(names.items()), incomplete)


def rule_sets(ctx: typer.Context, incomplete: str) -> Found:
    """Export rule sets: shipped ones and those of the user's folder."""
    known = {row.get("rule_set", ""): row.get("title", "") for row in _rows(ctx, "policy", "rule_sets.csv")}
    for root in _folders(ctx):
        for path in (root / "policy" / "rules").glob("*.csv"):
            known.setdefault(path.stem, "")
    return _begins([*sorted(known.items()), ("none", "no rules")], incomplete)


def report_formats(ctx: typer.Context, incomplete: str) -> Found:
    """Formats of ``dcsite report``, several with commas."""
    return _listed([(name, "") for name in REPORT_FORMATS], incomplete)


def words(*names: str) -> Callable[[str], list[str]]:
    """Complete one of a few fixed words."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in names if name.startswith(incomplete)]

    return complete
