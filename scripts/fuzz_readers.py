"""Coverage-guided fuzzing of what reads files of others: scenarios, sites, cells, GeoJSON, addresses.

    python scripts/fuzz_readers.py TARGET [CORPUS] -runs=100000 -max_len=2000

Any input must be read or refused with an error of ours; anything else stops the fuzzer with the input.
Options are those of libFuzzer. Needs the extra ``fuzz``.
"""

import contextlib
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["dcsite.data", "dcsite.spec", "dcsite.batch.cells", "tomllib"]):
    from dcsite.batch.cells import file_source
    from dcsite.data.scenario_file import load_scenario
    from dcsite.data.tables import load_tables
    from dcsite.data.userfiles import points_as_sites, read_sites
    from dcsite.errors import DcsiteError
    from dcsite.spec.address import keep_password, read_address, without_password

FOLDER = Path(tempfile.mkdtemp(prefix="dcsite-fuzz-"))
TABLES = load_tables()
HEADERS = (
    b"name,lat,lon\n",
    b"site_id,lat,lon,country_iso3,grid_mw,x_a\n",
    b"lat,lon,zone_id,water_kind\n",
    b"",
)
TOML = b'format = 1\n[[workloads]]\nname = "a"\nprofile = "cloud"\nit_mw = 5\n'


def written(name: str, data: bytes) -> Path:
    """A file with the bytes."""
    path = FOLDER / name
    path.write_bytes(data)
    return path


def scenario(data: bytes) -> None:
    """Bytes as a scenario, alone or after a valid beginning."""
    load_scenario(written("s.toml", TOML + data[1:] if data[:1] > b"\x7f" else data))


def sites(data: bytes) -> None:
    """Bytes as a CSV of sites, under one of some headers."""
    head = HEADERS[data[0] % len(HEADERS)] if data else b""
    read_sites(written("s.csv", head + data[1:]), TABLES)


def cells(data: bytes) -> None:
    """Bytes as a CSV of cells."""
    file_source(
        written("c.csv", b"cell_id,lat,lon\n" + data if data[:1] > b"\x7f" else data), FOLDER / "cells"
    )


def geojson(data: bytes) -> None:
    """Bytes as GeoJSON, alone or inside a feature."""
    if data[:1] > b"\x7f":
        data = (
            b'{"type":"FeatureCollection","features":[{"type":"Feature","properties":{},"geometry":'
            + data[1:]
            + b"}]}"
        )
    read_sites(written("s.geojson", data), TABLES)


def text(data: bytes) -> None:
    """Text as a point and as an address: the password never comes back."""
    words = data.decode("utf-8", "replace")
    with contextlib.suppress(DcsiteError):
        points_as_sites([words], TABLES)
    whole = f"postgresql://ann:s3cr3tword@{words}"
    told = keep_password(whole) + without_password(whole)
    try:
        told += str(read_address(whole))
    except ValueError as error:
        told += str(error)
    if "s3cr3tword" in told and "s3cr3tword" not in words:
        raise AssertionError(told)


SEEDS = {
    "scenario": [
        TOML,
        b'format = 1\nby = 2028\n[sites]\nfile = "postgresql://a:b@h/d?table=t"\nonly = ["plano"]\n[[workloads]]\n'
        b'name = "a"\nprofile = "x"\nit_mw = 5.5\nusers = "europe"\nmax_rtt_ms = 60\ncoverage = 0.8\n[profiles.x]\n'
        b'base = "cloud"\n[limits]\nmax_sites = 3\n[[periods]]\nstart = 2027\n[score.weights]\nprice = 1\n',
    ],
    "sites": [
        b"\x00Plot,47.2,-119.8\nB,1e1,2\n",
        b'\x01plot,47,8,CHE,1,"a,b"\n',
        b"\x0247,8,CH,river\n",
        b"\x03x_a,lat,lon\n1,2,3\n",
    ],
    "cells": [b"\xffa,47.2,-119.8\nb,1,2\n", b'lat,lon\n"1","2"\n'],
    "geojson": [
        b'\xff{"type":"Point","coordinates":[8,47]}',
        b'\xff{"type":"Polygon","coordinates":[[[8,47],[9,47],[9,48],[8,47]]]}',
        b'{"type":"FeatureCollection","crs":{"properties":{"name":"EPSG:3857"}},"features":[{"geometry":'
        b'{"type":"MultiPoint","coordinates":[[8,47]]},"properties":{"name":"a","grid_mw":5}}]}',
    ],
    "text": [
        b"47.2,-119.8,North",
        b"h:5432/db?table=s.t&geometry=g&sslmode=require",
        b"h/db?table=t&host=%2Ftmp",
    ],
}
TARGETS = {"scenario": scenario, "sites": sites, "cells": cells, "geojson": geojson, "text": text}


def main() -> None:
    """Fuzz the target that is named first."""
    name = sys.argv.pop(1)
    target = TARGETS[name]

    def one(data: bytes) -> None:
        try:
            target(data)
        except DcsiteError as error:
            str(error).encode("utf-8", "surrogatepass")

    if all(word.startswith("-") for word in sys.argv[1:]):
        seeds = FOLDER / "seeds"
        seeds.mkdir()
        for number, data in enumerate(SEEDS[name]):
            (seeds / str(number)).write_bytes(data)
        sys.argv.append(str(seeds))
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
