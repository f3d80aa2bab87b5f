"""Distance to coast, river and lake on a quarter-degree grid, and which cells are land."""

from __future__ import annotations

import gzip
import itertools
import json
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

STEP_DEG = 0.25
LAT_FIRST, LAT_LAST = -60.0, 75.0
CAP_KM = 3000.0
OFFSHORE_KM = 120.0
"""Sea cells farther out than this from any coast hold the cap for river and lake: nobody asks there."""
SPACING_KM = 2.5
EARTH_KM = 6371.0088


def parts(path: Path, *, skip: str = "") -> Iterator[NDArray[np.float64]]:
    """Lines of a file as (N, 2) arrays of lon, lat; polygons give their rings."""
    with gzip.open(path, "rt", encoding="utf-8") as handle:
        features = json.load(handle)["features"]
    for feature in features:
        if skip and feature["properties"].get("featurecla") == skip:
            continue
        kind, points = feature["geometry"]["type"], feature["geometry"]["coordinates"]
        lines = {
            "LineString": lambda p: [p],
            "MultiLineString": lambda p: p,
            "Polygon": lambda p: p,
            "MultiPolygon": lambda p: [ring for polygon in p for ring in polygon],
        }[kind](points)
        for line in lines:
            yield np.asarray(line, dtype=np.float64)[:, :2]


def xyz(lat: NDArray[np.float64], lon: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vectors."""
    a, b = np.radians(lat), np.radians(lon)
    return np.stack([np.cos(a) * np.cos(b), np.cos(a) * np.sin(b), np.sin(a)], axis=-1)


def dense(lines: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Unit vectors along the lines, at most ``SPACING_KM`` apart."""
    found = []
    for line in lines:
        points = xyz(line[:, 1], line[:, 0])
        found.append(points)
        for start, end in itertools.pairwise(points):
            count = int(np.linalg.norm(end - start) * EARTH_KM // SPACING_KM)
            if count:
                share = np.arange(1, count + 1)[:, None] / (count + 1)
                between = start + share * (end - start)
                found.append(between / np.linalg.norm(between, axis=1, keepdims=True))
    return np.concatenate(found)


def ocean_meridian(lat: float) -> float:
    """A longitude that lies in open sea at this latitude."""
    if lat < 51:
        return -132.0
    if lat < 59.5:
        return -40.0
    return -174.0 if 63.0 <= lat <= 63.8 else -169.35


def land_mask(
    coast: list[NDArray[np.float64]], lats: NDArray[np.float64], lons: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Cells whose center is on land: an odd number of coasts lies between it and open sea."""
    starts = np.concatenate([line[:-1] for line in coast])
    ends = np.concatenate([line[1:] for line in coast])
    mask = np.zeros((len(lats), len(lons)), dtype=bool)
    for row, lat in enumerate(lats):
        y = lat + 1e-7  # no vertex lies on the line
        cross = (starts[:, 1] > y) != (ends[:, 1] > y)
        a, b = starts[cross], ends[cross]
        at = a[:, 0] + (y - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0])
        origin = ocean_meridian(float(lat))
        at = np.sort((at - origin) % 360.0)
        mask[row] = np.searchsorted(at, (lons - origin) % 360.0) % 2 == 1
    return mask


def water_distance(sources: Path) -> tuple[dict[str, NDArray[np.generic]], str]:
    """Grids of distances in units of 0.1 km, and the note for the README."""
    lats = np.arange(LAT_FIRST, LAT_LAST + STEP_DEG / 2, STEP_DEG)
    lons = np.arange(-180.0, 180.0, STEP_DEG)
    coast = list(parts(sources / "water_ne10m_coastline.geojson.gz"))
    layers = {
        "coast": coast,
        "river": list(parts(sources / "water_ne10m_rivers.geojson.gz", skip="Lake Centerline")),
        "lake": list(parts(sources / "water_ne10m_lakes.geojson.gz")),
    }
    cells = xyz(*np.meshgrid(lats, lons, indexing="ij")).reshape(-1, 3)
    land = land_mask(coast, lats, lons)
    arrays: dict[str, NDArray[np.generic]] = {"land": land.astype(np.uint8)}
    asked = np.ones(len(cells), dtype=bool)
    for name, lines in layers.items():
        tree = cKDTree(dense(lines))
        distance = np.full(len(cells), CAP_KM)
        chord, _ = tree.query(cells[asked])
        distance[asked] = np.minimum(2 * EARTH_KM * np.arcsin(np.minimum(chord / 2, 1)), CAP_KM)
        if name == "coast":
            asked = land.reshape(-1) | (distance <= OFFSHORE_KM)
        arrays[f"{name}_dkm"] = np.rint(distance.reshape(land.shape) * 10).astype(np.uint16)
    note = (
        f"Distance from each point of a {STEP_DEG:g} degree grid (latitude {LAT_FIRST:g} to {LAT_LAST:g}, longitude -180 to 179.75) to the "
        f"nearest coast, river and lake, in units of 0.1 km, cap {CAP_KM:g} km; `land` is 1 on land. Computed from lines of Natural Earth 1:10m "
        f"(public domain), lake center lines left out; sea cells over {OFFSHORE_KM:g} km from a coast hold the cap for rivers and lakes. "
        "Interpolate between the four points around a place and say 'about'."
    )
    return arrays, note
