"""Pictures: projected where they should be, well formed, usable alone, safe with hostile names."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsite.errors import UsageError
from dcsite.report import figures
from dcsite.report.export import write_report
from dcsite.report.figures import LIGHT, MAP_WIDTH, PAGE, map_height, project
from dcsite.report.frames import as_report
from dcsite.scoring.comparing import compare_sites
from dcsite.scoring.ranking import rank
from dcsite.scoring.robustness import robustness
from dcsite.scoring.spectrum import spectrum
from report_fixture import MadeUpPlan, make_evaluation

EVALUATION = make_evaluation()
CLOUD = rank(EVALUATION, workload="cloud")
COMPARISON = compare_sites(CLOUD, ["us-alder", "us-birch", "is-dagur"])
REPORT = as_report([MadeUpPlan(), CLOUD, COMPARISON], evaluation=EVALUATION)
SPECTRUM = spectrum(EVALUATION, "cloud")
SURE = robustness(CLOUD, draws=200)
SHARE = np.linspace(0, 1, 20)
FRONT = pd.DataFrame({"cost": [1.0, 1.1, 1.5], "carbon": [9.0, 5.0, 4.0], "name": ["a", "</text><b>", "c"]})
DRAWN = {
    "plan map": lambda colors: figures.map_svg(REPORT, colors=colors),
    "ranking map": lambda colors: figures.map_svg(REPORT, "cloud", colors),
    "bars": lambda colors: figures.bars_svg(CLOUD, EVALUATION.sites, colors=colors),
    "costs": lambda colors: figures.costs_svg(COMPARISON, colors),
    "spectrum": lambda colors: figures.spectrum_svg(SPECTRUM, colors),
    "acceptability": lambda colors: figures.acceptability_svg(SURE, colors=colors),
    "duration": lambda colors: figures.duration_svg(
        {"<i>x": (SHARE, 200 * SHARE - 20)}, break_even_usd_per_mwh=95, colors=colors
    ),
    "pareto": lambda colors: figures.pareto_svg(FRONT, "cost", "carbon", label="name", knee=1, colors=colors),
}


@pytest.mark.parametrize("name", DRAWN)
def test_every_picture_is_one_well_formed_document_that_needs_nothing_else(name):
    text = DRAWN[name](LIGHT)
    root = ET.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    allowed = {"svg", "title", "rect", "line", "path", "circle", "text"}
    assert {element.tag.split("}")[1] for element in root.iter()} <= allowed
    assert "href" not in text
    assert "url(" not in text
    assert "nan" not in re.sub(r">[^<]*<|\"[^\"]*[A-Za-z]{4}[^\"]*\"", "", text)
    assert 'aria-label="' in text


@pytest.mark.parametrize("name", DRAWN)
def test_a_picture_in_the_page_takes_all_its_colors_from_the_page(name):
    text = DRAWN[name](PAGE)
    colors = set(re.findall(r'(?:fill|stroke)="([^"]+)"', text))
    plain = {color for color in colors if color.startswith("#")}
    assert not plain or name == "ranking map"  # there the shade is the score
    assert any(color.startswith("var(--") for color in colors)


def test_the_map_is_equal_earth():
    # The published polynomial of the projection (Savric, Patterson, Jenny 2018), on the sphere of equal
    # area to WGS84, against what the picture uses.
    a1, a2, a3, a4 = 1.340264, -0.081106, 0.000893, 0.003796

    def expected(lat: float, lon: float) -> tuple[float, float]:
        e2 = 0.00669437999014
        e = math.sqrt(e2)

        def q(sine: float) -> float:
            return (1 - e2) * (
                sine / (1 - e2 * sine**2) - math.log((1 - e * sine) / (1 + e * sine)) / (2 * e)
            )

        beta = math.asin(q(math.sin(math.radians(lat))) / q(1.0))
        theta = math.asin(math.sqrt(3) / 2 * math.sin(beta))
        slope = 9 * a4 * theta**8 + 7 * a3 * theta**6 + 3 * a2 * theta**2 + a1
        x = 2 * math.sqrt(3) * math.radians(lon) * math.cos(theta) / (3 * slope)
        return x, a4 * theta**9 + a3 * theta**7 + a2 * theta**3 + a1 * theta

    half, _ = expected(0, 180)
    _, top = expected(figures.NORTH_DEG, 0)
    for lat, lon in ((0, 0), (47.2, -119.9), (-41.3, 174.8), (64, -22.6), (-54, -70)):
        x, y = expected(lat, lon)
        x_px, y_px = project(lat, lon)
        assert float(x_px) == pytest.approx((x / half + 1) * MAP_WIDTH / 2, abs=0.01)
        assert float(y_px) == pytest.approx((top - y) / half * MAP_WIDTH / 2, abs=0.01)


def numbers(path: str) -> list[list[tuple[float, float]]]:
    pieces = [piece for piece in path.rstrip("Z").split("M") if piece]
    return [[tuple(map(float, point.split())) for point in piece.rstrip("Z").split("L")] for piece in pieces]


LATS, LONS = st.floats(-55, 80), st.floats(-179.9, 179.9)


@given(LATS, LONS, LATS, LONS)
def test_a_link_never_jumps_across_the_map(lat1, lon1, lat2, lon2):
    pieces = numbers(figures.great_circle(lat1, lon1, lat2, lon2))
    start, end = project([lat1, lat2], [lon1, lon2])
    for piece in pieces:
        for (x1, _), (x2, _) in pairwise(piece):
            assert abs(x1 - x2) < MAP_WIDTH / 2
    if len(pieces) == 1 and len(pieces[0]) > 2:
        assert pieces[0][0] == pytest.approx((start[0], end[0]), abs=0.1)
        assert pieces[0][-1] == pytest.approx((start[1], end[1]), abs=0.1)


def test_a_link_over_the_pacific_leaves_at_one_edge_and_comes_in_at_the_other():
    west, east = numbers(figures.great_circle(47.2, -119.9, 35.7, 139.7))
    assert west[-1][0] < 200
    assert east[0][0] > 800


def test_land_and_sites_lie_inside_the_picture():
    for ring in numbers(figures.outline()[0].replace("Z", "")):
        for x, y in ring:
            assert -0.1 <= x <= MAP_WIDTH + 0.1
            assert -0.1 <= y <= map_height() + 0.1
    for spot in figures.ranking_spots(CLOUD, EVALUATION.sites):
        assert 0 <= spot.x <= MAP_WIDTH
        assert 0 <= spot.y <= map_height()


def test_a_larger_load_never_has_a_smaller_circle():
    radii = [figures.radius_px(mw) for mw in (0, 1, 10, 50, 200, 1000)]
    assert radii == sorted(radii)
    spots = figures.plan_spots(REPORT)
    assert [spot.site_id for spot in spots] == ["us-alder", "us-birch", "is-dagur"]


def test_circles_that_hide_each_other_move_apart():
    plan = MadeUpPlan()
    frame = plan.placements.assign(site_id=["us-alder", "us-alder-2", "us-birch"])
    sites = pd.concat([EVALUATION.sites, EVALUATION.sites.loc[["us-alder"]].assign(site_id="us-alder-2")])
    sites = sites.set_index("site_id", drop=False)
    report = as_report(replace(plan, placements=frame), evaluation=replace(EVALUATION, sites=sites))
    spots = {spot.site_id: spot for spot in figures.plan_spots(report)}
    a, b = spots["us-alder"], spots["us-alder-2"]
    assert math.hypot(a.x - b.x, a.y - b.y) >= 0.8 * (a.radius + b.radius)
    x, y = project(47.2, -119.9)
    assert math.hypot(a.x - float(x), a.y - float(y)) < a.radius


def test_the_bars_of_a_site_are_as_long_as_its_score():
    root = ET.fromstring(figures.bars_svg(CLOUD, EVALUATION.sites, 5))
    rows: dict[float, float] = {}
    for rect in root.iter("{http://www.w3.org/2000/svg}rect"):
        if rect.get("height") == "15":
            y = float(rect.get("y"))
            rows[y] = rows.get(y, 0.0) + float(rect.get("width"))
    scores = CLOUD.table["score"].head(5).tolist()
    assert [width / 540 * 100 for width in rows.values()] == pytest.approx(scores, abs=0.06)


def test_hostile_names_stay_text():
    for text in (
        DRAWN["ranking map"](LIGHT),
        DRAWN["bars"](LIGHT),
        DRAWN["pareto"](LIGHT),
        DRAWN["duration"](LIGHT),
    ):
        assert "<img" not in text
        assert "<b>" not in text
        assert "<i>" not in text


def test_acceptability_bars_of_a_site_fill_its_row():
    root = ET.fromstring(figures.acceptability_svg(SURE))
    rows: dict[float, float] = {}
    for rect in root.iter("{http://www.w3.org/2000/svg}rect"):
        if rect.get("height") == "15":
            rows[float(rect.get("y"))] = rows.get(float(rect.get("y")), 0.0) + float(rect.get("width"))
    assert list(rows.values()) == pytest.approx([560.0] * len(rows), abs=0.3)


def test_the_band_of_the_spectrum_breaks_where_the_winners_change():
    text = figures.spectrum_svg(SPECTRUM)
    for interval in SPECTRUM.worth[1:]:
        assert f">{interval.start:,.0f}<" in text
    for interval in SPECTRUM.rack[1:]:
        assert f">{interval.start:.2f}x<" in text


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(2, 9))
def test_ticks_are_round_and_inside(low, span, most):
    found = figures.ticks(low, low + span, most)
    assert len(found) <= most + 2
    assert all(low - 1e-6 * span <= tick <= low + span * (1 + 1e-6) for tick in found)


def test_pictures_are_written_as_files_of_their_own(tmp_path):
    written = write_report([*([REPORT]), SPECTRUM, SURE], tmp_path / "r.svg")
    names = [path.name for path in written]
    assert names == [
        "r.svg",
        "r_scores_cloud.svg",
        "r_costs_cloud.svg",
        "r_spectrum.svg",
        "r_acceptability.svg",
    ]
    for path in written:
        ET.fromstring(path.read_text(encoding="utf-8"))
    with pytest.raises(UsageError, match="exists"):
        write_report(REPORT, tmp_path / "r.svg")
    with pytest.raises(UsageError, match="nothing to draw"):
        write_report(pd.DataFrame({"x": [1]}), tmp_path / "x.svg")


def test_a_plan_without_placements_still_has_its_map():
    plan = MadeUpPlan()
    nothing = replace(plan, placements=plan.placements.head(0), served=plan.served.head(0))
    assert "<circle" not in figures.map_svg(as_report(nothing, evaluation=EVALUATION))


def test_a_map_shows_the_part_that_holds_its_places():
    whole = figures.focus([], [])
    assert whole == (0.0, 0.0, figures.MAP_WIDTH, figures.map_height())
    assert figures.focus([10, 990], [100, 400]) == whole
    left, top, wide, high = figures.focus([300.0, 340.0], [120.0, 180.0])
    assert left <= 300 - 0.04 * figures.MAP_WIDTH
    assert left + wide >= 340 + 0.04 * figures.MAP_WIDTH
    assert top <= 120
    assert top + high >= 180
    assert wide / high == pytest.approx(figures.MAP_WIDTH / figures.map_height())
    assert wide >= figures.LEAST_PART * figures.MAP_WIDTH


@given(places=st.lists(st.tuples(st.floats(0, figures.MAP_WIDTH), st.floats(0, 430)), min_size=1, max_size=6))
def test_a_part_of_the_map_lies_on_the_map_and_holds_every_place(places):
    x, y = zip(*places, strict=True)
    left, top, wide, high = figures.focus(x, y)
    assert left >= 0
    assert top >= 0
    assert left + wide <= figures.MAP_WIDTH + 1e-6
    assert top + high <= figures.map_height() + 1e-6
    assert all(left - 1e-6 <= a <= left + wide + 1e-6 for a in x)
    assert all(top - 1e-6 <= b <= top + high + 1e-6 for b in y)
