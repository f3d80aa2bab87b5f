"""Readers of the public facility-location layouts, and a generator of capacitated cases.

Each reader returns a :class:`Case` with costs of serving **all** of a client, whatever the file holds. Files may be
plain or gzipped. Nothing here imports dcsite: the harness re-evaluates plans on its own.
"""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Case:
    """One instance: arrays for ``facility_location`` and the optimum that was published for it."""

    name: str
    family: str
    fixed_cost: NDArray[np.float64]
    cost: NDArray[np.float64]
    capacity: NDArray[np.float64] | None = None
    demand: NDArray[np.float64] | None = None
    p: int | None = None
    published: float | None = None
    gap: float = 1e-4
    notes: dict[str, Any] = field(default_factory=dict)


PUBLISHED: dict[str, float] = {
    **dict(
        zip(
            ["cap61", "cap62", "cap63", "cap64"],
            [932615.750, 977799.400, 1014062.050, 1045650.250],
            strict=True,
        )
    ),
    **dict(
        zip(
            ["cap101", "cap102", "cap103", "cap104"],
            [796648.437, 854704.200, 893782.112, 928941.750],
            strict=True,
        )
    ),
    **dict(
        zip(
            ["cap131", "cap132", "cap133", "cap134"],
            [793439.562, 851495.325, 893076.712, 928941.750],
            strict=True,
        )
    ),
    "capa-8000": 19240822.449,
    "capa-12000": 17765201.949,
    "capb-5000": 13656379.578,
    "capb-7000": 13198556.434,
    "capc-5000": 11646596.974,
    "capc-6500": 11518743.744,
    "capa-u": 17156454.478,
    "capc-u": 11505594.329,
    "i300_1": 16350.660,
    "i300_3": 15474.840,
    "i300_5": 18037.610,
    "i500_1": 26412.410,
    "i500_3": 27904.510,
    "i500_5": 24702.770,
    **{f"pmed{k + 1}": v for k, v in enumerate([5819, 4093, 4250, 3034, 1355, 7824, 5631, 4445, 2734, 1255])},
    **{f"pmed{k + 16}": v for k, v in enumerate([8162, 6999, 4809, 2845, 1789])},
    **{f"pmed{k + 26}": v for k, v in enumerate([9917, 8307, 4498, 3033, 1989])},
    "rl1304-p5": 3099073,
    "rl1304-p10": 2134295,
    "rl1304-p20": 1412108,
    "rl1304-p50": 795012,
    "rl1304-p100": 491639,
    "rl1304-p200": 268573,
    "rl1304-p300": 177326,
    "fl1400-p5": 174877,
    "fl1400-p10": 100601,
    "fl1400-p20": 57191,
    "fl1400-p50": 28486,
    "fl1400-p100": 15962,
}
"""Published optima (demand may be split): OR-Library (J. E. Beasley); TBED1 from Guastaroba and Speranza 2012, table
14; p-median on TSPLIB points from Duran-Mateluna, Ales and Elloumi 2023, table 2."""

TSPLIB_SITES = {"rl1304": (5, 10, 20, 50, 100, 200, 300), "fl1400": (5, 10, 20, 50, 100)}
"""Numbers of sites with a published optimum."""


def read_text(path: Path) -> str:
    """Text of a plain or gzipped file."""
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes()).decode()
    return path.read_text()


def read_numbers(text: str) -> NDArray[np.float64]:
    """All whitespace-separated numbers of a text."""
    return np.array(text.split(), dtype=np.float64)


def read_orlib_cap(text: str, name: str, *, capacitated: bool = True) -> Case:
    """OR-Library capacitated warehouses: costs in the file are for **all** demand of a customer.

    ``capacitated=False`` reads the same file as an uncapacitated instance: capacities and demands are ignored.
    """
    values = read_numbers(text)
    m, n = int(values[0]), int(values[1])
    sites = values[2 : 2 + 2 * m].reshape(m, 2)
    rest = values[2 + 2 * m :]
    if rest.size != n + n * m:
        msg = f"{name}: {rest.size} numbers after the sites, expected {n + n * m}"
        raise ValueError(msg)
    demand, cost = rest[:n], rest[n:].reshape(m, n)
    if not capacitated:
        return Case(name, "ufl", sites[:, 1], cost, published=PUBLISHED.get(name))
    return Case(name, "cap", sites[:, 1], cost, sites[:, 0], demand, published=PUBLISHED.get(name))


def read_tbed1(text: str, name: str) -> Case:
    """TBED1: header is customers, then sites; costs are per **unit** of demand."""
    values = read_numbers(text)
    n, m = int(values[0]), int(values[1])
    demand, rest = values[2 : 2 + n], values[2 + n :]
    capacity, fixed, unit = rest[:m], rest[m : 2 * m], rest[2 * m :].reshape(m, n)
    return Case(name, "tbed1", fixed, unit * demand, capacity, demand, published=PUBLISHED.get(name))


def read_pmed(text: str, name: str) -> Case:
    """OR-Library p-median graph: the **last** duplicate edge wins, then all-pairs shortest paths."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import shortest_path

    values = read_numbers(text)
    n, edges, p = int(values[0]), int(values[1]), int(values[2])
    rows = values[3 : 3 + 3 * edges].reshape(edges, 3)
    length: dict[tuple[int, int], float] = {}
    for i, j, weight in rows:
        length[(int(min(i, j)) - 1, int(max(i, j)) - 1)] = float(weight)
    ends = np.array(list(length), dtype=np.int64)
    graph = csr_array((np.array(list(length.values())), (ends[:, 0], ends[:, 1])), shape=(n, n))
    distance = shortest_path(graph, method="D", directed=False)
    return Case(name, "pmed", np.zeros(n), distance, p=p, published=PUBLISHED.get(name))


def read_tsplib(text: str, name: str, p: int) -> Case:
    """p-median on TSPLIB points: Euclidean distances rounded **down**."""
    section = text.split("NODE_COORD_SECTION", 1)[1].split("EOF", 1)[0]
    points = read_numbers(section).reshape(-1, 3)[:, 1:]
    distance = np.floor(np.hypot(*(points[:, None, :] - points[None, :, :]).transpose(2, 0, 1)))
    label = f"{name}-p{p}"
    gap = 1e-3 if p < 50 or name == "fl1400" else 1e-4
    return Case(
        label, "tsplib", np.zeros(len(points)), distance, p=p, published=PUBLISHED.get(label), gap=gap
    )


def read_kg(text: str, name: str) -> Case:
    """Koerkel-Ghosh: one text line, ``m n`` and a third number, then ``index fixed_cost cost_1 .. cost_n`` per site."""
    values = read_numbers(text.split("\n", 1)[1])
    m, n = int(values[0]), int(values[1])
    table = values[3:].reshape(m, n + 2)
    return Case(name, "kg", table[:, 1], table[:, 2:], published=PUBLISHED.get(name))


def generate_cst(m: int, n: int, ratio: float, seed: int) -> Case:
    """Capacitated case by the rule of Cornuejols, Sridharan and Thizy (as remembered from the literature).

    Points uniform in the unit square, demand U[5, 35], capacity U[10, 160] scaled so that total capacity is ``ratio``
    times total demand, fixed cost U[0, 90] + U[100, 110] sqrt(capacity), cost 10 x distance x demand.
    """
    rng = np.random.default_rng(seed)
    sites, clients = rng.random((m, 2)), rng.random((n, 2))
    demand = rng.uniform(5, 35, n)
    capacity = rng.uniform(10, 160, m)
    capacity *= ratio * demand.sum() / capacity.sum()
    fixed = rng.uniform(0, 90, m) + rng.uniform(100, 110, m) * np.sqrt(capacity)
    distance = np.hypot(sites[:, None, 0] - clients[None, :, 0], sites[:, None, 1] - clients[None, :, 1])
    gap = 1.5e-3 if m * n <= 1_000_000 else 2.5e-3
    name = f"cst-{m}-{n}-{ratio:g}-{seed}"
    return Case(name, "cst", fixed, 10 * distance * demand, capacity, demand, gap=gap)


FAMILIES = ("cap", "ufl", "cap-large", "pmed", "tbed1", "cst", "tsplib", "kg")
"""Names that ``--families`` takes, in the order of the table."""


def case_names(folder: Path, families: tuple[str, ...] = FAMILIES) -> Iterator[tuple[str, str]]:
    """Pairs (family, case name) of all instances found in ``folder``."""

    def stems(sub: str) -> list[str]:
        found = {path.name.split(".")[0] for path in (folder / sub).glob("*") if path.name[0] != "."}
        return sorted(
            found, key=lambda text: [int(t) if t.isdigit() else t for t in re.split(r"(\d+)", text)]
        )

    for family in families:
        if family == "cap":
            yield from ((family, stem) for stem in stems("orlib-cap"))
        elif family == "ufl":
            bases = sorted({stem.split("-")[0] for stem in stems("orlib-cap-large")})
            yield from ((family, f"{base}-u") for base in bases)
        elif family == "cap-large":
            yield from ((family, stem) for stem in stems("orlib-cap-large"))
        elif family == "pmed":
            yield from ((family, stem) for stem in stems("orlib-pmed"))
        elif family == "tbed1":
            yield from ((family, stem) for stem in stems("tbed1"))
        elif family == "kg":
            yield from ((family, stem) for stem in stems("kg"))
        elif family == "tsplib":
            for stem in stems("tsplib"):
                yield from ((family, f"{stem}-p{p}") for p in TSPLIB_SITES.get(stem, (10, 100)))
        elif family == "cst":
            yield from ((family, name) for name in ("cst-1000-1000-5-0", "cst-2000-2000-5-0"))


def find(folder: Path, stem: str) -> Path:
    """The file of ``folder`` whose name up to the first dot is ``stem``."""
    for path in sorted(folder.glob("*")):
        if path.name.split(".")[0] == stem:
            return path
    msg = f"no file {stem}.* in {folder}"
    raise FileNotFoundError(msg)


def load_case(folder: Path, family: str, name: str) -> Case:
    """Read or generate one case by family and name."""
    if family == "cap":
        return read_orlib_cap(read_text(find(folder / "orlib-cap", name)), name)
    if family == "cap-large":
        return read_orlib_cap(read_text(find(folder / "orlib-cap-large", name)), name)
    if family == "ufl":
        base = name.removesuffix("-u")
        path = next(
            p for p in sorted((folder / "orlib-cap-large").glob("*")) if p.name.startswith(f"{base}-")
        )
        return read_orlib_cap(read_text(path), name, capacitated=False)
    if family == "pmed":
        return read_pmed(read_text(find(folder / "orlib-pmed", name)), name)
    if family == "tbed1":
        return read_tbed1(read_text(find(folder / "tbed1", name)), name)
    if family == "kg":
        return read_kg(read_text(find(folder / "kg", name)), name)
    if family == "tsplib":
        stem, sites = name.rsplit("-p", 1)
        return read_tsplib(read_text(find(folder / "tsplib", stem)), stem, int(sites))
    if family == "cst":
        m, n, ratio, seed = name.split("-")[1:]
        return generate_cst(int(m), int(n), float(ratio), int(seed))
    msg = f"unknown family {family!r}; known: {', '.join(FAMILIES)}"
    raise ValueError(msg)
