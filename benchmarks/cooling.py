"""Time cooling: psychrometrics, the synthetic year, all technologies, the land grid, each against plain Python rows.

    python benchmarks/cooling.py [--points 1000] [--rows 20]

Prints seconds of CPU time and the ratio to a straightforward per-row implementation, which works hour by
hour with scalar bisection and is timed on a few rows only.
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np

from dcsite.data.climate import climate_at
from dcsite.data.places import on_land
from dcsite.data.tables import load_tables
from dcsite.physics.climate import YEAR_HOURS, air_states
from dcsite.physics.cooling import (
    TECHNOLOGIES,
    Settings,
    annual_means,
    resolve,
)
from dcsite.physics.psychrometrics import ratio_of_relative_humidity, saturation_pressure_pa, wet_bulb_c
from dcsite.study.cooling import technology_rows, year_of
from dcsite.study.cooling_grid import land_figures

CHUNK = 256


def cpu(work):  # noqa: ANN001, ANN201
    """Run and return (seconds of CPU time, result)."""
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def scalar_saturation(c: float) -> float:
    """Saturation pressure of one temperature, by the simple Magnus form."""
    return 611.2 * math.exp(17.62 * c / (243.12 + c))


def scalar_wet_bulb(t: float, w: float, p: float) -> float:
    """Wet bulb of one hour by bisection."""
    low, high = -60.0, t
    for _ in range(20):
        middle = 0.5 * (low + high)
        e = scalar_saturation(middle)
        saturated = 0.621945 * e / (p - e)
        found = ((2501 - 2.326 * middle) * saturated - 1.006 * (t - middle)) / (
            2501 + 1.86 * t - 4.186 * middle
        )
        if found > w:
            high = middle
        else:
            low = middle
    return 0.5 * (low + high)


def simple_tower_year(dry_bulb: list[float], density: list[float], p: float, q: dict[str, float]) -> float:
    """Annual PUE of ``tower_wse`` hour by hour, as one would first write it."""
    loss = 1 / q["eta_ups"] - 1 + 1 / (1 - q["f_dist"]) - 1 + q["f_light"]
    heat = (1 + loss) / q["shr"]
    cold = q["tsa"] - q["app_coil"]
    total = 0.0
    for t, rho in zip(dry_bulb, density, strict=True):
        e = min(rho * 0.4615 * (t + 273.15), 0.99 * scalar_saturation(t))
        wb = scalar_wet_bulb(t, 0.621945 * e / (p - e), p)
        tower = wb + q["app_t"]
        free = min(max((cold + q["dTw"] - tower - q["app_hx"]) / q["dTw"], 0.0), 1.0)
        lift = max(tower + q["dTct"] + 1.5 - (cold - 1.5), 3.0)
        chiller = heat * (1 - free) / min(q["eta"] * (cold - 1.5 + 273.15) / lift, 25.0)
        fan = heat / (1006 * q["dT"]) / (p / 287.042 / 300.15) * q["dp_fan"] / q["eff_fan"]
        pump = heat / (4186 * q["dTw"]) * q["hp_w"] / (1000 * q["eff_p"])
        outside = (heat + chiller) * (q["hp_ct"] / (4186 * q["dTct"]) / (1000 * q["eff_p"]) + q["fan_ct"])
        total += 1 + loss + q["f_misc"] + fan + pump + chiller + outside
    return total / len(dry_bulb)


def main() -> None:
    """Run all phases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=1000, help="points for the direct model")
    parser.add_argument("--rows", type=int, default=2, help="points for the per-row implementation")
    options = parser.parse_args()
    tables = load_tables()
    rows = technology_rows(tables)
    rng = np.random.default_rng(0)
    lat, lon = rng.uniform(-50, 65, 8 * options.points), rng.uniform(-180, 180, 8 * options.points)
    land = on_land(tables, lat, lon)
    lat, lon = lat[land][: options.points], lon[land][: options.points]

    t = rng.uniform(-20, 40, 8760)
    ratio = ratio_of_relative_humidity(t, 0.5, 101325.0)
    vector, _ = cpu(lambda: wet_bulb_c(t, ratio, 101325.0))
    plain, _ = cpu(lambda: [scalar_wet_bulb(a, b, 101325.0) for a, b in zip(t, ratio, strict=True)])
    print(
        f"wet bulb, 8,760 hours:               {vector:8.4f} s   per row {plain:8.3f} s   ratio {plain / vector:6.0f}"
    )
    saturation_pressure_pa(t)

    settings = dict.fromkeys(TECHNOLOGIES, Settings())

    def direct() -> np.ndarray:
        found = []
        for start in range(0, lat.size, CHUNK):
            here = slice(start, start + CHUNK)
            states = air_states(year_of(climate_at(tables, lat[here], lon[here]), tables))
            found.append(annual_means(states, TECHNOLOGIES, rows, settings)["tower_wse"].pue)
        return np.concatenate(found)

    direct()  # fills the caches of grid states
    spent, pue = cpu(direct)
    year = year_of(climate_at(tables, lat[: options.rows], lon[: options.rows]), tables)
    dry, rho = year.dry_bulb_c().tolist(), np.exp(year.ln_vapor_hours()).tolist()
    q = resolve(rows, "tower_wse")
    plain, simple = cpu(
        lambda: [
            simple_tower_year(a, b, float(p), q) for a, b, p in zip(dry, rho, year.pressure, strict=True)
        ]
    )
    worst = float(np.abs(np.array(simple) - pue[: options.rows]).max())
    per_year = plain / options.rows * len(TECHNOLOGIES)
    mine = spent / lat.size
    print(
        f"{lat.size:,} points x {len(TECHNOLOGIES)} technologies: {spent:8.2f} s   "
        f"per row {per_year * lat.size:8.0f} s (from {options.rows})   ratio {per_year / mine:6.0f}   "
        f"10,000 points: {1e4 * mine:.1f} s   hours: {lat.size * YEAR_HOURS:,}   differs by {worst:.4f} PUE"
    )
    many = 1_000_000
    lat, lon = rng.uniform(-50, 65, many), rng.uniform(-180, 180, many)
    land_figures(tables, lat[:10], lon[:10])
    spent, _ = cpu(lambda: land_figures(tables, lat, lon, ("tower_wse", "air_econ_adiabatic")))
    print(
        f"land grid, 1,000,000 points x 2:     {spent:8.2f} s   direct {2 * mine / len(TECHNOLOGIES) * many:8.0f} s   "
        f"ratio {2 * mine / len(TECHNOLOGIES) * many / spent:6.0f}"
    )


if __name__ == "__main__":
    main()
