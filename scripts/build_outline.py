"""Write the world outline of the report's map from Natural Earth land, as a registry package carries it.

    python scripts/build_outline.py

pyogrio (a core dependency, through geopandas) ships Natural Earth's public-domain 1:110m countries among its
test files, cut at the antimeridian. The countries are merged to land, everything south of 58 S is left out,
small islands are dropped, coordinates are simplified and rounded to 0.1 degree. The result is a text file of
a few tens of kilobytes; nothing reads the source at run time.
"""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import pyogrio
import shapely

TARGET = Path(__file__).resolve().parents[1] / "src/dcsite/report/html/world_outline.json"
SOURCE = Path(pyogrio.__file__).parent / "tests/fixtures/naturalearth_lowres/naturalearth_lowres.shp"
SOUTH_DEG = -58.0
STEP_DEG = 0.1
TOLERANCE_DEG = 0.15
SMALLEST_DEG2 = 0.4
NOTICE = (
    "World outline derived from Natural Earth (public domain, naturalearthdata.com) 1:110m countries: merged, "
    "simplified, rounded to 0.1 degree, cut at the antimeridian and at 58 S."
)


def outline() -> list[list[int]]:
    """Rings of the land as flat lists of tenths of a degree: lon, lat, lon, lat, ..."""
    countries = gpd.read_file(SOURCE)
    snapped = shapely.set_precision(countries.geometry.to_numpy(), STEP_DEG)
    land = shapely.intersection(shapely.union_all(snapped), shapely.box(-180, SOUTH_DEG, 180, 90))
    land = shapely.set_precision(shapely.simplify(land, TOLERANCE_DEG), STEP_DEG)
    rings = []
    for part in shapely.get_parts(land):
        if part.geom_type != "Polygon" or part.area < SMALLEST_DEG2:
            continue
        for ring in (part.exterior, *part.interiors):
            if shapely.Polygon(ring).area < SMALLEST_DEG2:
                continue
            points = [round(value / STEP_DEG) for xy in ring.coords[:-1] for value in xy]
            rings.append(points)
    return sorted(rings, key=lambda ring: (-len(ring), ring))


def main() -> None:
    """Write the asset and say how large it is."""
    rings = outline()
    lines = ",\n".join(json.dumps(ring, separators=(",", ":")) for ring in rings)
    head = json.dumps({"notice": NOTICE, "unit": "tenths of a degree: lon, lat, lon, lat, ..."})[1:-1]
    TARGET.write_text(f'{{{head},\n"rings": [\n{lines}\n]}}\n', encoding="utf-8")
    count = sum(len(ring) // 2 for ring in rings)
    print(f"{TARGET.name}: {len(rings)} rings, {count} points, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
