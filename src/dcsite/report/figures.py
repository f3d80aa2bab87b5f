"""Pictures as SVG text: map in Equal Earth, score bars, cost waterfall, curves. Usable alone or inside a page.

Positions are projected once, here; browsers and PDF writers only draw. Every text in a picture is escaped.
A picture that stands alone brings its own background and plain colors; one inside the page takes the page's
colors (:data:`PAGE`), so that it follows light and dark.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from functools import cache
from html import escape
from importlib.resources import files
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from dcsite.report.frames import Report, plan_links, with_places
from dcsite.report.terminal import clean
from dcsite.scoring.robustness import Robustness
from dcsite.scoring.spectrum import Spectrum

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from dcsite.scoring.comparing import Comparison
    from dcsite.scoring.ranking import Ranking

MAP_WIDTH: Final = 1000.0
NORTH_DEG: Final = 84.0
SOUTH_DEG: Final = -58.0
TOP_NUMBERED: Final = 10
MOST_LINKS: Final = 400
"""Links drawn on a map: those with the largest shares; the tables hold all."""

FONT: Final = "system-ui, Helvetica, Arial, sans-serif"

LIGHT: Final[dict[str, str]] = {
    "paper": "#ffffff",
    "ink": "#17202a",
    "soft": "#55606d",
    "line": "#dde2e8",
    "accent": "#145c9e",
    "accent-ink": "#ffffff",
    "sea": "#e6eef4",
    "land": "#cfd6cc",
    "coast": "#9daaa0",
    "grid": "#d4dee6",
    "link": "#c06f14",
    "good": "#22703f",
    "bad": "#a8324a",
    "c-price": "#3b6fb6",
    "c-water": "#1f8378",
    "c-cooling": "#8059b3",
    "c-latency": "#b8650f",
    "c-carbon": "#5d6570",
    "c-hazard": "#a8405a",
    "c-policy": "#86700f",
    "c-capex": "#7a5c48",
    "c-time_to_power": "#417a2f",
    "c-grid_strength": "#b05489",
    "s0": "#145c9e",
    "s1": "#b8650f",
    "s2": "#1f8378",
    "s3": "#8059b3",
    "s4": "#a8405a",
    "s5": "#5f7a1f",
    "s6": "#7a5c48",
    "s7": "#5d6570",
}
"""Colors of pictures that stand alone; the page's style sheet holds the same ones for light and others for dark."""

PAGE: Final[dict[str, str]] = {name: f"var(--{'card' if name == 'paper' else name})" for name in LIGHT}
SERIES: Final = 8


Box = tuple[float, float, float, float]
"""Part of a picture: left, top, width, height."""


# --- drawing ----------------------------------------------------------------------------------------------


class Drawing:
    """An SVG document under construction: shapes in plain attributes, every text escaped."""

    def __init__(
        self,
        width: float,
        height: float,
        title: str,
        colors: Mapping[str, str] = LIGHT,
        box: Box | None = None,
    ) -> None:
        self.width, self.height, self.colors = width, height, colors
        words = escape(clean(title))
        seen = " ".join(_px(value) for value in box or (0.0, 0.0, width, height))
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{seen}" width="{width:g}" '
            f'height="{height:g}" role="img" aria-label="{words}" font-family="{FONT}" font-size="12">'
            f"<title>{words}</title>"
        ]
        if colors is LIGHT:
            self.rect(0, 0, width, height, "paper")

    def color(self, name: str) -> str:
        """Color by name; a color itself stays."""
        return self.colors.get(name, name)

    def rect(
        self, x: float, y: float, wide: float, high: float, fill: str, note: str = "", **more: str
    ) -> None:
        """A rectangle; ``note`` shows when a pointer rests on it."""
        head = f'<rect x="{_px(x)}" y="{_px(y)}" width="{_px(wide)}" height="{_px(high)}" fill="{self.color(fill)}"'
        self.parts.append(_with_note(head + self._more(more), "rect", note))

    def line(self, x1: float, y1: float, x2: float, y2: float, stroke: str, **more: str) -> None:
        """A straight line."""
        self.parts.append(
            f'<line x1="{_px(x1)}" y1="{_px(y1)}" x2="{_px(x2)}" y2="{_px(y2)}" '
            f'stroke="{self.color(stroke)}"{self._more(more)}/>'
        )

    def path(self, d: str, fill: str = "none", note: str = "", **more: str) -> None:
        """A path of absolute pixels."""
        self.parts.append(
            _with_note(f'<path d="{d}" fill="{self.color(fill)}"{self._more(more)}', "path", note)
        )

    def circle(self, x: float, y: float, radius: float, fill: str, note: str = "", **more: str) -> None:
        """A circle; ``note`` shows when a pointer rests on it."""
        head = f'<circle cx="{_px(x)}" cy="{_px(y)}" r="{_px(radius)}" fill="{self.color(fill)}"'
        self.parts.append(_with_note(head + self._more(more), "circle", note))

    def text(
        self, x: float, y: float, words: object, *, side: str = "start", fill: str = "ink", **more: str
    ) -> None:
        """One line of text; ``side`` is start, middle or end."""
        anchor = "" if side == "start" else f' text-anchor="{side}"'
        self.parts.append(
            f'<text x="{_px(x)}" y="{_px(y)}" fill="{self.color(fill)}"{anchor}{self._more(more)}>'
            f"{escape(clean(words))}</text>"
        )

    def _more(self, more: Mapping[str, str]) -> str:
        return "".join(
            f' {key.replace("_", "-")}="{self.color(value) if key == "stroke" else value}"'
            for key, value in more.items()
        )

    def svg(self) -> str:
        """The document."""
        return "".join(self.parts) + "</svg>\n"


def _with_note(head: str, tag: str, note: str) -> str:
    return f"{head}><title>{escape(clean(note))}</title></{tag}>" if note else f"{head}/>"


def _px(value: float) -> str:
    text = f"{float(value):.1f}"
    return text.removesuffix(".0")


def _shorter(words: str, room_px: float, size: float = 12.0) -> str:
    """Words cut to about ``room_px``."""
    most = max(3, int(room_px / (0.56 * size)))
    return words if len(words) <= most else words[: most - 1] + "…"


def _place_name(name: str, room_px: float) -> str:
    """Name of a place cut to the room: without state or brackets before letters are cut."""
    if len(name) * 0.56 * 12.0 <= room_px:
        return name
    return _shorter(name.partition(" (")[0].partition(",")[0], room_px)


def _nice_step(span: float, most: int) -> float:
    if span <= 0 or not math.isfinite(span):
        return 1.0
    raw = span / most
    power = 10.0 ** math.floor(math.log10(raw))
    return next(step * power for step in (1.0, 2.0, 5.0, 10.0) if step * power >= raw * (1 - 1e-9))


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round figures between two ends, ends included where they are round.

    Examples
    --------
    >>> ticks(0, 100, 5)
    [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]
    """
    step = _nice_step(high - low, most)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(place * step, 12) for place in range(first, last + 1)]


def _tick_text(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10 or value == round(value) else f"{value:,.3g}"


# --- the map ----------------------------------------------------------------------------------------------


@cache
def _transformer() -> Any:  # noqa: ANN401
    from pyproj import Transformer

    return Transformer.from_crs("EPSG:4326", "+proj=eqearth +lon_0=0 +datum=WGS84", always_xy=True)


@cache
def _frame() -> tuple[float, float, float]:
    """Scale [px/m], and the projected position of the picture's left and top edge. [m]"""
    east, _ = _transformer().transform(180.0, 0.0)
    _, north = _transformer().transform(0.0, NORTH_DEG)
    return MAP_WIDTH / (2.0 * float(east)), -float(east), float(north)


@cache
def map_height() -> float:
    """Height of the map. [px]"""
    scale, _, north = _frame()
    _, south = _transformer().transform(0.0, SOUTH_DEG)
    return round((north - float(south)) * scale, 1)


def project(lat: ArrayLike, lon: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pixels of positions on the map (Equal Earth), x to the right and y down; NaN stays NaN."""
    scale, west, north = _frame()
    lon_ = (np.asarray(lon, dtype=np.float64) + 180.0) % 360.0 - 180.0
    x, y = _transformer().transform(lon_, np.asarray(lat, dtype=np.float64))
    x_px = (np.asarray(x) - west) * scale
    y_px = (north - np.asarray(y)) * scale
    bad = ~(np.isfinite(x_px) & np.isfinite(y_px))
    return np.where(bad, np.nan, x_px), np.where(bad, np.nan, y_px)


def _path(lat: ArrayLike, lon: ArrayLike, *, closed: bool = True) -> str:
    scale, west, north = _frame()
    x, y = _transformer().transform(np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64))
    points = zip((np.asarray(x) - west) * scale, (north - np.asarray(y)) * scale, strict=True)
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points) + ("Z" if closed else "")


@cache
def outline() -> tuple[str, str]:
    """Path of the land, and the notice that goes with it."""
    asset = json.loads(files("dcsite.report.html").joinpath("world_outline.json").read_text(encoding="utf-8"))
    path = "".join(_path(np.array(ring[1::2]) / 10.0, np.array(ring[0::2]) / 10.0) for ring in asset["rings"])
    return path, str(asset["notice"])


@cache
def sphere() -> str:
    """Path of the map's edge."""
    steps = np.linspace(SOUTH_DEG, NORTH_DEG, 40)
    lat = np.concatenate([steps, steps[::-1]])
    lon = np.concatenate([np.full(40, -180.0), np.full(40, 180.0)])
    return _path(lat, lon)


@cache
def graticule() -> str:
    """Path of meridians and parallels every 30 degrees."""
    steps = np.linspace(SOUTH_DEG, NORTH_DEG, 24)
    lines = [_path(steps, np.full(24, float(lon)), closed=False) for lon in range(-150, 180, 30)]
    lines += [
        _path(np.full(2, float(lat)), np.array([-180.0, 180.0]), closed=False) for lat in range(-30, 90, 30)
    ]
    return "".join(lines)


ARC_STEP_DEG: Final = 4.0


def great_circle(lat1: float, lon1: float, lat2: float, lon2: float) -> str:
    """Path of the shortest way between two places on the map, cut where it leaves the map's edge.

    Places at the very same spot or exactly opposite have no single way: a straight line stands for it.
    """
    a, b = _unit(lat1, lon1), _unit(lat2, lon2)
    angle = math.acos(max(-1.0, min(1.0, float(a @ b))))
    count = max(2, math.ceil(math.degrees(angle) / ARC_STEP_DEG) + 1)
    share = np.linspace(0.0, 1.0, count)[:, None]
    if math.sin(angle) < 1e-9:
        lat, lon = np.array([lat1, lat2]), np.array([lon1, lon2])
    else:
        way = (np.sin((1 - share) * angle) * a + np.sin(share * angle) * b) / math.sin(angle)
        lat = np.degrees(np.arcsin(np.clip(way[:, 2], -1.0, 1.0)))
        lon = np.degrees(np.arctan2(way[:, 1], way[:, 0]))
    cuts = [0, *(int(place) + 1 for place in np.flatnonzero(np.abs(np.diff(lon)) > 180.0)), len(lon)]
    pieces = []
    for number, (start, end) in enumerate(pairwise(cuts)):
        here_lat, here_lon = list(lat[start:end]), list(lon[start:end])
        # A piece that ends at the edge is drawn up to the edge.
        if number > 0:
            here_lat.insert(0, (lat[start - 1] + lat[start]) / 2)
            here_lon.insert(0, math.copysign(180.0, lon[start]))
        if end < len(lon):
            here_lat.append((lat[end - 1] + lat[end]) / 2)
            here_lon.append(math.copysign(180.0, lon[end - 1]))
        pieces.append(_path(here_lat, here_lon, closed=False))
    return "".join(pieces)


def _unit(lat: float, lon: float) -> NDArray[np.float64]:
    phi, theta = math.radians(lat), math.radians(lon)
    return np.array([math.cos(phi) * math.cos(theta), math.cos(phi) * math.sin(theta), math.sin(phi)])


def radius_px(it_mw: float) -> float:
    """Radius of a site's circle: its area grows with the MW."""
    return round(4.0 + 0.9 * math.sqrt(max(0.0, it_mw)), 1)


@dataclass(frozen=True)
class Spot:
    """One circle of the map."""

    site_id: str
    name: str
    x: float
    y: float
    radius: float
    color: str
    label: str = ""
    note: str = ""


@dataclass(frozen=True)
class Link:
    """One line of the map from a site to demand it serves."""

    path: str
    width: float
    x: float
    y: float
    note: str


LEAST_DISTANCE: Final = 0.85
"""Distance of two circles over the sum of their radii that keeps their numbers readable."""


def _apart(spots: Sequence[Spot]) -> list[Spot]:
    """Move numbered circles that hide each other a little apart, the smaller ones further."""
    x = np.array([spot.x for spot in spots])
    y = np.array([spot.y for spot in spots])
    for _ in range(30):
        moved = False
        for a in range(len(spots)):
            for b in range(a + 1, len(spots)):
                wanted = LEAST_DISTANCE * (spots[a].radius + spots[b].radius)
                dx, dy = x[b] - x[a], y[b] - y[a]
                distance = math.hypot(dx, dy)
                if distance >= wanted * (1.0 - 0.004):
                    continue
                ux, uy = (dx / distance, dy / distance) if distance > 1e-6 else (1.0, 0.0)
                share = spots[a].radius ** 2 / (spots[a].radius ** 2 + spots[b].radius ** 2)
                push = wanted - distance
                x[b], y[b] = x[b] + share * push * ux, y[b] + share * push * uy
                x[a], y[a] = x[a] - (1 - share) * push * ux, y[a] - (1 - share) * push * uy
                moved = True
        if not moved:
            break
    return [replace(spot, x=float(x[place]), y=float(y[place])) for place, spot in enumerate(spots)]


LEAST_PART: Final = 0.24
"""Smallest part of the map that is shown alone, by its width."""
MOST_PART: Final = 0.72
"""Places that are spread over more than this are shown on the whole map."""
MARGIN_PART: Final = 0.05


def focus(x: ArrayLike, y: ArrayLike) -> Box:
    """The part of the map that holds some places with a margin, in the shape of the whole map."""
    whole = (0.0, 0.0, MAP_WIDTH, map_height())
    across, down = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    good = np.isfinite(across) & np.isfinite(down)
    if not good.any():
        return whole
    across, down = across[good], down[good]
    margin = 2.0 * MARGIN_PART * MAP_WIDTH
    shape = MAP_WIDTH / map_height()
    wide = max(float(np.ptp(across)) + margin, (float(np.ptp(down)) + margin) * shape)
    wide = max(wide, LEAST_PART * MAP_WIDTH)
    if wide > MOST_PART * MAP_WIDTH:
        return whole
    high = wide / shape
    left = (float(across.min()) + float(across.max()) - wide) / 2.0
    top = (float(down.min()) + float(down.max()) - high) / 2.0
    return (
        min(max(left, 0.0), MAP_WIDTH - wide),
        min(max(top, 0.0), map_height() - high),
        wide,
        high,
    )


def map_picture(
    spots: Sequence[Spot],
    links: Sequence[Link],
    title: str,
    colors: Mapping[str, str] = LIGHT,
    box: Box | None = None,
) -> str:
    """The map as one SVG document: land, links to demand, circles with labels; ``box`` shows a part of it."""
    drawing = Drawing(MAP_WIDTH, map_height(), title, colors, box)
    scale = 1.0 if box is None else box[2] / MAP_WIDTH
    drawing.path(sphere(), "sea")
    drawing.path(graticule(), stroke="grid", stroke_width=f"{0.5 * scale:.3g}")
    drawing.path(outline()[0], "land", stroke="coast", stroke_width=f"{0.4 * scale:.3g}")
    for link in links:
        drawing.path(
            link.path,
            stroke="link",
            stroke_opacity="0.5",
            stroke_width=f"{link.width * scale:.3g}",
            note=link.note,
        )
    for link in links:
        drawing.circle(link.x, link.y, 1.4 * scale, "link")
    for spot in spots:
        drawing.circle(
            spot.x,
            spot.y,
            spot.radius,
            spot.color,
            spot.note,
            fill_opacity="0.88",
            stroke="paper",
            stroke_width=f"{scale:.3g}",
        )
        if spot.label:
            drawing.text(
                spot.x,
                spot.y + 3.2 * scale,
                spot.label,
                side="middle",
                fill="accent-ink",
                font_size=f"{9 * scale:.3g}",
                font_weight="bold",
            )
    return drawing.svg()


def shade(score: float) -> str:
    """Blue for good, gray for bad."""
    share = min(1.0, max(0.0, score / 100.0))
    low, high = (150, 158, 168), (20, 92, 158)
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(low, high, strict=True))
    return f"#{red:02x}{green:02x}{blue:02x}"


def map_svg(report: Report, workload: str | None = None, colors: Mapping[str, str] = LIGHT) -> str:
    """Map of a report: the plan's sites sized by MW with the demand they serve, else the ranked sites."""
    sites = report.evaluation.sites if report.evaluation is not None else None
    if report.plan is not None and workload is None:
        return plan_map(report, report.title, colors)
    ranking = report.rankings[workload] if workload else next(iter(report.rankings.values()))
    spots = ranking_spots(ranking, sites)
    box = focus([spot.x for spot in spots], [spot.y for spot in spots])
    spots = [replace(spot, radius=spot.radius * box[2] / MAP_WIDTH) for spot in spots]
    return map_picture(spots, [], f"{report.title}: {ranking.workload}", colors, box)


def plan_map(report: Report, title: str, colors: Mapping[str, str] = LIGHT) -> str:
    """The plan's sites and the demand they serve, on the part of the map that holds them."""
    links = demand_links(report)
    spots = plan_spots(report)
    x = [spot.x for spot in spots] + [link.x for link in links]
    y = [spot.y for spot in spots] + [link.y for link in links]
    box = focus(x, y)
    return map_picture(plan_spots(report, box[2] / MAP_WIDTH), links, title, colors, box)


def plan_spots(report: Report, scale: float = 1.0) -> list[Spot]:
    """Circles of a plan's sites, largest first, numbered; of several periods the last."""
    sites = report.evaluation.sites if report.evaluation is not None else None
    placements = report.plan.placements
    if "period" in placements and len(placements):
        placements = placements[placements["period"] == placements["period"].max()]
    if placements.empty:
        return []
    frame = with_places(placements, sites)
    total = frame.groupby("site_id", sort=True).agg(
        it_mw=("it_mw", "sum"), site_name=("name", "first"), lat=("lat", "first"), lon=("lon", "first")
    )
    total = total.sort_values("it_mw", ascending=False, kind="stable").reset_index()
    x, y = project(total["lat"], total["lon"])
    spots = [
        Spot(
            str(row.site_id),
            str(row.site_name),
            float(x[place]),
            float(y[place]),
            scale * max(7.0, radius_px(float(row.it_mw))),
            "accent",
            str(place + 1),
            f"{place + 1}. {row.site_name} ({row.site_id}): {row.it_mw:,.0f} MW",
        )
        for place, row in enumerate(total.itertuples(index=False))
        if math.isfinite(x[place])
    ]
    return _apart(spots)


def demand_links(report: Report) -> list[Link]:
    """Lines from a plan's sites to the demand they serve, as wide as the share; the largest ones."""
    links = plan_links(report)
    if links.empty:
        return []
    links = links.sort_values(
        ["share_ratio", "site_id", "region"], ascending=[False, True, True], kind="stable"
    )
    x, y = project(links["lat"], links["lon"])
    found: list[Link] = []
    for place, row in enumerate(links.itertuples(index=False)):
        values = (row.site_lat, row.site_lon, row.lat, row.lon)
        if len(found) == MOST_LINKS:
            break
        if all(math.isfinite(value) for value in values):
            found.append(
                Link(
                    great_circle(*values),
                    round(0.5 + 5.0 * math.sqrt(max(0.0, row.share_ratio)), 1),
                    float(x[place]),
                    float(y[place]),
                    f"{row.site_id} serves {row.region}: {row.share_ratio:.1%} of {row.workload}",
                )
            )
    return found


def ranking_spots(ranking: Ranking, sites: pd.DataFrame | None) -> list[Spot]:
    """Circles of ranked sites, the best last and so on top; the first ten carry their rank."""
    frame = with_places(ranking.table, sites)
    x, y = project(frame["lat"], frame["lon"])
    return [
        Spot(
            str(row["site_id"]),
            str(row["name"]),
            float(x[place]),
            float(y[place]),
            7.0 if place < TOP_NUMBERED else 3.5,
            shade(float(row["score"])),
            str(place + 1) if place < TOP_NUMBERED else "",
            f"{place + 1}. {row['name']} ({row['site_id']}): {row['score']:.1f}",
        )
        for place, (_, row) in reversed(list(enumerate(frame.iterrows())))
        if math.isfinite(x[place])
    ]


# --- bars -------------------------------------------------------------------------------------------------


def _legend(drawing: Drawing, entries: Sequence[tuple[str, str]], x: float, y: float) -> float:
    """Colored squares with words, wrapped at the right edge; returns the y below."""
    left = x
    for color, words in entries:
        room = 30 + 6.8 * len(words)
        if x + room > drawing.width and x > left:
            x, y = left, y + 18
        drawing.rect(x, y, 11, 11, color)
        drawing.text(x + 16, y + 10, words, fill="soft")
        x += room
    return y + 24


def bars_svg(
    ranking: Ranking, sites: pd.DataFrame | None = None, top: int = 20, colors: Mapping[str, str] = LIGHT
) -> str:
    """Stacked score bars of the best sites, with their legend."""
    frame = with_places(ranking.table.head(top), sites)
    row_px, left, wide = 21.0, 200.0, 540.0
    shades = {name: f"c-{name}" if f"c-{name}" in LIGHT else "s4" for name in ranking.criteria}
    entries = [(shades[name], criterion.title) for name, criterion in ranking.criteria.items()]
    room = 18 * (1 + sum(30 + 6.8 * len(words) for _, words in entries) // 800)
    drawing = Drawing(800, 40 + room + row_px * len(frame), f"Score by parts: {ranking.workload}", colors)
    y = _legend(drawing, entries, 4, 8)
    for _, row in frame.iterrows():
        drawing.text(left - 8, y + 12, _shorter(f"{row['rank']}. {row['site_id']}", left - 12), side="end")
        x = left
        for name, criterion in ranking.criteria.items():
            step = max(0.0, float(row[f"score_{name}"])) / 100.0 * wide
            drawing.rect(
                x, y, step, 15, shades[name], f"{criterion.title}: {row[f'score_{name}']:.1f} points"
            )
            x += step
        drawing.text(x + 6, y + 12, f"{row['score']:.1f}")
        y += row_px
    return drawing.svg()


def costs_svg(comparison: Comparison, colors: Mapping[str, str] = LIGHT) -> str:
    """Cost waterfall of each site against the winner; the steps sum to the difference."""
    groups = list(comparison.waterfall.groupby("site_id", sort=False))
    low, high = 0.0, 0.0
    for _, rows in groups:
        walk = np.cumsum(rows["difference_usd_per_mw_year"].to_numpy(dtype=np.float64))
        low, high = min(low, float(np.nanmin(walk))), max(high, float(np.nanmax(walk)))
    row_px, left, wide = 19.0, 160.0, 540.0
    height = 16.0 + sum((len(rows) + 2) * row_px + 14 for _, rows in groups)
    drawing = Drawing(800, height, f"Annual cost against {comparison.winner}, USD per MW and year", colors)
    scale = wide / ((high - low) or 1.0)
    zero = left - low * scale
    y = 20.0
    for site_id, rows in groups:
        drawing.text(
            4, y, f"{site_id} against {comparison.winner}, thousand USD per MW and year", font_weight="bold"
        )
        y += row_px
        drawing.line(zero, y - 12, zero, y + row_px * len(rows) + 4, "soft", stroke_width="0.8")
        start = 0.0
        steps = [
            *zip(rows["part"], rows["difference_usd_per_mw_year"], strict=True),
            ("sum", rows["difference_usd_per_mw_year"].sum()),
        ]
        for part, step in steps:
            begin = 0.0 if part == "sum" else start
            first, last = sorted((begin, begin + float(step)))
            color = "ink" if part == "sum" else "good" if step < 0 else "bad"
            label = PART_TITLES.get(str(part), str(part).replace("_", " "))
            drawing.text(left - 10, y, label, side="end", fill="ink" if part == "sum" else "soft")
            drawing.rect(zero + first * scale, y - 11, max(0.8, (last - first) * scale), 14, color)
            drawing.text(zero + max(last, 0.0) * scale + 6, y, f"{step / 1e3:+,.1f}", font_size="11")
            start = begin + float(step)
            y += row_px
        y += 14
    return drawing.svg()


PART_TITLES: Final = {
    "opening": "Opening of sites",
    "capital": "Capital",
    "total": "Total",
    "license": "Licenses",
    "power": "Energy",
    "demand_charge": "Demand charge",
    "water": "Water",
    "carbon": "Carbon",
    "fixed_om": "Fixed O&M",
    "capex": "Capital",
    "sum": "Sum",
}


FAMILY_TITLES: Final = {
    "accelerators": "Accelerators",
    "block_min": "Least block",
    "budget": "Budget",
    "carbon_cap": "Carbon",
    "carbon_intensity": "Carbon per IT-MWh",
    "coverage": "Coverage",
    "demand_total": "Load to place",
    "grid": "Grid connection",
    "grid_zone": "Grid of a zone",
    "land": "Land",
    "latency_mean": "Mean round trip",
    "max_rtt_ms": "Round trip at most",
    "peak": "Billed peak",
    "required": "Required site",
    "share_max": "Largest share of a group",
    "share_min": "Least share of a group",
    "site_min": "Least size of a site",
    "sites_max": "Sites at most",
    "sites_min": "Sites at least",
    "survive": "Loss of a zone",
    "technologies_max": "Technologies at most",
    "water_basin": "Water of a basin",
    "water_hour": "Water in the worst hour",
    "water_site": "Water of a site",
    "zone_share": "Share of a zone",
}
"""Families of limits as a reader says them; others lose their underscores."""


WORDS: Final = ("family", "part", "technology", "rule", "criterion", "axis", "kind", "export_class")
"""Columns whose entries are keys: page and PDF write them as words."""


def in_words(column: str, text: str) -> str:
    """An entry as a reader says it, where the column holds keys.

    Examples
    --------
    >>> in_words("part", "fixed_om"), in_words("family", "block_min"), in_words("site_id", "a_b")
    ('Fixed O&M', 'Least block', 'a_b')
    """
    if column not in WORDS:
        return text
    return (FAMILY_TITLES if column == "family" else PART_TITLES).get(text, text.replace("_", " "))


# --- curves -----------------------------------------------------------------------------------------------


@dataclass
class Axes:
    """A plot area: figures to pixels, with ticks and titles."""

    drawing: Drawing
    x0: float
    y0: float
    x1: float
    y1: float
    low_x: float
    high_x: float
    low_y: float
    high_y: float
    log_x: bool = False

    def x(self, value: float) -> float:
        """Pixel of an x figure."""
        if self.log_x:
            share = math.log(value / self.low_x) / math.log(self.high_x / self.low_x)
        else:
            share = (value - self.low_x) / ((self.high_x - self.low_x) or 1.0)
        return self.x0 + (self.x1 - self.x0) * share

    def y(self, value: float) -> float:
        """Pixel of a y figure."""
        return self.y1 - (self.y1 - self.y0) * (value - self.low_y) / ((self.high_y - self.low_y) or 1.0)

    def grid(
        self, x_title: str, y_title: str, x_ticks: Sequence[float] | None = None, x_unit: str = ""
    ) -> None:
        """Lines, figures and titles of both axes."""
        for value in ticks(self.low_y, self.high_y, 5):
            y = self.y(value)
            self.drawing.line(self.x0, y, self.x1, y, "line", stroke_width="0.8")
            self.drawing.text(self.x0 - 7, y + 4, _tick_text(value), side="end", fill="soft", font_size="11")
        for value in ticks(self.low_x, self.high_x, 7) if x_ticks is None else x_ticks:
            x = self.x(value)
            self.drawing.line(x, self.y1, x, self.y1 + 4, "soft", stroke_width="0.8")
            words = _tick_text(value) + x_unit
            self.drawing.text(x, self.y1 + 17, words, side="middle", fill="soft", font_size="11")
        self.drawing.line(self.x0, self.y1, self.x1, self.y1, "soft", stroke_width="0.8")
        self.drawing.text((self.x0 + self.x1) / 2, self.y1 + 34, x_title, side="middle", fill="soft")
        self.drawing.text(self.x0, self.y0 - 8, y_title, fill="soft")

    def curve(self, x: ArrayLike, y: ArrayLike, stroke: str, wide: float = 2.0, note: str = "") -> None:
        """A line through points; parts outside the area are cut."""
        points = zip(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64), strict=True)
        inside = [
            f"{_px(self.x(a))} {_px(self.y(min(max(b, self.low_y), self.high_y)))}"
            for a, b in points
            if math.isfinite(a) and math.isfinite(b)
        ]
        if inside:
            self.drawing.path(
                "M" + "L".join(inside),
                stroke=stroke,
                stroke_width=_px(wide),
                note=note,
                stroke_linejoin="round",
            )


def duration_svg(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    break_even_usd_per_mwh: float | None = None,
    title: str = "Price duration",
    y_title: str = "Price [USD/MWh]",
    colors: Mapping[str, str] = LIGHT,
) -> str:
    """Price duration curves: the share of hours in which the price is at most so high.

    Parameters
    ----------
    curves
        Name to (share of hours from 0 to 1, price [USD/MWh]).
    break_even_usd_per_mwh
        A line: hours below it are worth running.
    """
    prices = np.concatenate([np.asarray(price, dtype=np.float64).ravel() for _, price in curves.values()])
    prices = prices[np.isfinite(prices)]
    more = [break_even_usd_per_mwh] if break_even_usd_per_mwh is not None else []
    # The rare last hours may cost a hundred times the rest: the picture ends at twice the 95th percentile.
    high = max(
        [
            2.0 * float(np.percentile(prices, 95)) if len(prices) else 1.0,
            *(1.2 * value for value in more),
            1.0,
        ]
    )
    high = min(high, max([float(prices.max()) if len(prices) else 1.0, *more, 1.0]) * 1.05)
    low = min(0.0, float(prices.min()) if len(prices) else 0.0)
    drawing = Drawing(800, 380, title, colors)
    axes = Axes(drawing, 60, 50, 780, 300, 0.0, 100.0, low, high)
    axes.grid("Share of hours, cheapest first [%]", y_title)
    for place, (name, (share, price)) in enumerate(curves.items()):
        axes.curve(100.0 * np.asarray(share, dtype=np.float64), price, f"s{place % SERIES}", note=name)
    if break_even_usd_per_mwh is not None:
        y = axes.y(break_even_usd_per_mwh)
        drawing.line(axes.x0, y, axes.x1, y, "bad", stroke_width="1.2", stroke_dasharray="6 4")
        words = f"break-even {break_even_usd_per_mwh:,.0f}"
        drawing.text(axes.x0 + 6, y - 5, words, fill="bad", font_size="11")
    _legend(drawing, [(f"s{place % SERIES}", clean(name)) for place, name in enumerate(curves)], 60, 350)
    return drawing.svg()


def pareto_svg(
    frame: pd.DataFrame,
    x: str,
    y: str,
    *,
    x_title: str = "",
    y_title: str = "",
    label: str | None = None,
    knee: int | None = None,
    x_scale: float = 1.0,
    y_scale: float = 1.0,
    colors: Mapping[str, str] = LIGHT,
) -> str:
    """A Pareto front: points in order of ``x``, joined as steps of what is given up.

    Parameters
    ----------
    x, y
        Columns of ``frame``, divided by ``x_scale`` and ``y_scale``.
    label
        Column with words beside the points.
    knee
        Row (position) of the point to mark.
    """
    points = frame[[x, y]].to_numpy(dtype=np.float64) / np.array([x_scale, y_scale])
    good = np.isfinite(points).all(axis=1)
    drawing = Drawing(800, 380, f"{y_title or y} against {x_title or x}", colors)
    shown = points[good] if good.any() else np.zeros((1, 2))
    (low_x, low_y), (high_x, high_y) = shown.min(axis=0), shown.max(axis=0)
    pad_x, pad_y = (
        0.06 * (high - low) or abs(high) * 0.05 or 1.0 for low, high in ((low_x, high_x), (low_y, high_y))
    )
    axes = Axes(drawing, 80, 40, 780, 325, low_x - pad_x, high_x + pad_x, low_y - pad_y, high_y + pad_y)
    axes.grid(x_title or x, y_title or y)
    order = [int(place) for place in np.argsort(points[:, 0], kind="stable") if good[place]]
    axes.curve(points[order, 0], points[order, 1], "accent", 1.5)
    for place in order:
        words = (
            clean(frame[label].iloc[place]) if label else f"{points[place, 0]:,.4g}, {points[place, 1]:,.4g}"
        )
        here = axes.x(points[place, 0]), axes.y(points[place, 1])
        is_knee = place == knee
        drawing.circle(*here, 7.0 if is_knee else 4.5, "link" if is_knee else "accent", words)
        if is_knee or label:
            text = f"knee: {words}" if is_knee else words
            drawing.text(here[0] + 9, here[1] - 7, text, font_size="11", fill="ink" if is_knee else "soft")
    return drawing.svg()


def spectrum_svg(spectrum: Spectrum, colors: Mapping[str, str] = LIGHT) -> str:
    """Winners along worth of latency and along rack power, with how far the others are behind.

    Each panel has a band of winners with the exact break points, and below it one line per winning site:
    what a rack there gives less per year than at the winner.
    """
    drawing = Drawing(800, 660, f"Who wins, and where it changes: {spectrum.workload}", colors)
    winners = list(dict.fromkeys(i.site_id for i in (*spectrum.worth, *spectrum.rack)))
    series = {site: f"s{place % SERIES}" for place, site in enumerate(winners)}
    lines = spectrum.lines.set_index("site_id")
    low = min(spectrum.rack[0].start, 1.0) if spectrum.rack else 1.0
    panels = (
        (
            spectrum.worth,
            "Worth of latency [USD per rack-year]",
            False,
            20.0,
            0.0,
            spectrum.worth_max_usd_per_rack_year,
        ),
        (
            spectrum.rack,
            f"Rack power, as a multiple of {spectrum.rack_kw:g} kW",
            True,
            325.0,
            low,
            spectrum.rack_factor_max,
        ),
    )
    for intervals, words, is_rack, top, start, end in panels:
        if not intervals or end <= start:
            continue
        axes = Axes(drawing, 70, top + 58, 785, top + 220, start, end, 0.0, 1.0, log_x=is_rack)
        for interval in intervals:
            x0, x1 = axes.x(max(interval.start, start)), axes.x(min(interval.end, end))
            drawing.rect(x0, top, x1 - x0, 26, series[interval.site_id], interval.sentence)
            label = _place_name(interval.name, x1 - x0 - 8)
            if x1 - x0 > 34:
                drawing.text(
                    (x0 + x1) / 2, top + 17, label, side="middle", fill="accent-ink", font_weight="bold"
                )
        breaks = [interval.start for interval in intervals if interval.start > start]
        _break_marks(axes, top, breaks, is_rack=is_rack)
        grid = np.geomspace(start, end, 121) if is_rack else np.linspace(start, end, 121)
        behind = _behind(spectrum, lines, winners, grid, is_rack=is_rack)
        seen = behind[np.isfinite(behind) & (behind > 0)]
        axes.high_y = float(np.percentile(seen, 80)) if len(seen) else 1.0
        axes.low_y, axes.high_y = axes.high_y, 0.0
        x_ticks = [tick for tick in (1, 2, 4, 8, 16, 32) if start <= tick <= end] if is_rack else None
        _behind_grid(axes, words, x_ticks)
        # Lines hold for the technologies of the profile itself; beyond a density gate only the winner is known.
        gate = min((i.start for i in intervals if i.technology != _technology(lines, i.site_id)), default=end)
        before = grid <= gate * (1 + 1e-12)
        for place, site in enumerate(winners):
            if site in lines.index:
                name = str(lines.at[site, "name"])
                axes_curve(axes, grid[before], behind[place][before], series[site], name)
        if gate < end:
            x = axes.x(gate)
            drawing.rect(x, axes.y0, axes.x1 - x, axes.y1 - axes.y0, "line", fill_opacity="0.35")
            words = _shorter("denser racks need other cooling", axes.x1 - x - 12, 11)
            drawing.text(
                (x + axes.x1) / 2, (axes.y0 + axes.y1) / 2, words, side="middle", fill="soft", font_size="11"
            )
        here = 1.0 if is_rack else spectrum.worth_now_usd_per_rack_year
        if start <= here <= end:
            x = axes.x(here)
            drawing.path(
                f"M{_px(x - 5)} {_px(top - 9)}L{_px(x + 5)} {_px(top - 9)}L{_px(x)} {_px(top - 1)}Z", "ink"
            )
            side = "start" if x < 600 else "end"
            drawing.text(
                x + (9 if side == "start" else -9),
                top - 3,
                f"profile {spectrum.profile}",
                side=side,
                font_size="10",
            )
    names = [(series[site], _shorter(_winner_name(spectrum, site), 240)) for site in winners]
    _legend(drawing, names, 70, 602)
    return drawing.svg()


BREAK_ROWS: Final = 2
"""Rows below the band for the figures of break points; one that fits in neither is only in the notes."""


def _break_marks(axes: Axes, top: float, breaks: Sequence[float], *, is_rack: bool) -> None:
    """Dashed lines at the break points with their figures, on a second row where two would touch."""
    ends = [-math.inf] * BREAK_ROWS
    for value in breaks:
        x = axes.x(value)
        axes.drawing.line(x, top, x, top + 220, "soft", stroke_width="0.7", stroke_dasharray="3 3")
        mark = f"{value:.2f}x" if is_rack else f"{value:,.0f}"
        half = 0.5 * 6.0 * len(mark)
        row = next((place for place, end in enumerate(ends) if x - half > end), None)
        if row is None:
            continue
        ends[row] = x + half + 4
        halo = {"stroke": "paper", "stroke_width": "3", "paint_order": "stroke"}
        axes.drawing.text(x, top + 38 + 12 * row, mark, side="middle", fill="soft", font_size="10", **halo)


def _winner_name(spectrum: Spectrum, site_id: str) -> str:
    return next(i.name for i in (*spectrum.worth, *spectrum.rack) if i.site_id == site_id)


def _technology(lines: pd.DataFrame, site_id: str) -> str:
    return str(lines.at[site_id, "technology"]) if site_id in lines.index else ""


def _behind(
    spectrum: Spectrum,
    lines: pd.DataFrame,
    winners: Sequence[str],
    grid: NDArray[np.float64],
    *,
    is_rack: bool,
) -> NDArray[np.float64]:
    """USD per rack-year that each winner gives less than the best at each point, shape (winners, points)."""
    known = [site for site in winners if site in lines.index]
    running = lines["running_value_usd_per_rack_year"].reindex(winners).to_numpy(dtype=np.float64)
    reach = lines["reach_value_ratio"].reindex(winners).to_numpy(dtype=np.float64)
    if not known:
        return np.full((len(winners), len(grid)), np.nan)
    if is_rack:
        value = running[:, None] * grid + spectrum.worth_now_usd_per_rack_year * reach[:, None]
    else:
        value = running[:, None] + reach[:, None] * grid
    gap: NDArray[np.float64] = np.nanmax(value, axis=0) - value
    return gap


def _behind_grid(axes: Axes, words: str, x_ticks: Sequence[float] | None) -> None:
    deepest = axes.low_y
    for value in ticks(0.0, deepest, 4):
        y = axes.y(value)
        axes.drawing.line(axes.x0, y, axes.x1, y, "line", stroke_width="0.8")
        axes.drawing.text(
            axes.x0 - 7, y + 4, _tick_text(-value if value else 0), side="end", fill="soft", font_size="11"
        )
    for tick in ticks(axes.low_x, axes.high_x, 7) if x_ticks is None else x_ticks:
        x = axes.x(tick)
        axes.drawing.line(x, axes.y1, x, axes.y1 + 4, "soft", stroke_width="0.8")
        mark = f"{tick:g}x" if x_ticks is not None else _tick_text(tick)
        axes.drawing.text(x, axes.y1 + 17, mark, side="middle", fill="soft", font_size="11")
    axes.drawing.line(axes.x0, axes.y1, axes.x1, axes.y1, "soft", stroke_width="0.8")
    title = f"{words}; below the band: USD per rack-year behind the winner"
    axes.drawing.text((axes.x0 + axes.x1) / 2, axes.y1 + 36, title, side="middle", fill="soft")


def axes_curve(axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], stroke: str, note: str) -> None:
    """A line on axes that run downward; what lies below the area is left out."""
    run: list[str] = []
    for a, b in zip(x, y, strict=True):
        if math.isfinite(b) and b <= axes.low_y:
            run.append(f"{_px(axes.x(a))} {_px(axes.y(b))}")
        else:
            _flush(axes, run, stroke, note)
            run = []
    _flush(axes, run, stroke, note)


def _flush(axes: Axes, run: Sequence[str], stroke: str, note: str) -> None:
    if len(run) > 1:
        axes.drawing.path("M" + "L".join(run), stroke=stroke, stroke_width="2.2", note=note)


RANK_CLASSES: Final = (
    (1, 1, "first"),
    (2, 3, "second or third"),
    (4, 10, "fourth to tenth"),
    (11, None, "later"),
)


def acceptability_svg(result: Robustness, top: int = 15, colors: Mapping[str, str] = LIGHT) -> str:
    """How often each of the leading sites takes which rank when weights and figures are drawn."""
    frame = result.table.head(top)
    shares = np.asarray(result.acceptability, dtype=np.float64)
    row_px, left, wide = 21.0, 200.0, 560.0
    drawing = Drawing(
        800, 40 + row_px * len(frame), f"Ranks in {result.draws:,} draws: {result.workload}", colors
    )
    count = shares.shape[1]
    tones = (("accent", "0.95"), ("accent", "0.55"), ("accent", "0.25"), ("line", "1"))
    x = 4.0
    for (color, opacity), (_, _, words) in zip(tones, RANK_CLASSES, strict=True):
        drawing.rect(x, 8, 11, 11, color, fill_opacity=opacity)
        drawing.text(x + 16, 18, f"ranked {words}", fill="soft")
        x += 62 + 6.8 * len(words)
    y = 34.0
    for place, site in enumerate(frame["site_id"]):
        drawing.text(left - 8, y + 12, _shorter(clean(f"{place + 1}. {site}"), left - 12), side="end")
        x = left
        for (color, opacity), (first, last, words) in zip(tones, RANK_CLASSES, strict=True):
            share = float(shares[place, first - 1 : min(last or count, count)].sum())
            note = f"{site} is ranked {words} in {share:.1%} of the draws"
            drawing.rect(x, y, share * wide, 15, color, note, fill_opacity=opacity)
            if first == 1 and share >= 0.06:
                drawing.text(
                    x + 5, y + 12, f"{share:.0%}", fill="accent-ink", font_size="11", font_weight="bold"
                )
            x += share * wide
        y += row_px
    return drawing.svg()


def picture_svg(value: Any, colors: Mapping[str, str] = LIGHT) -> str | None:  # noqa: ANN401
    """The picture of a result that has one of its own: a spectrum, a robustness result, a front; None for others."""
    if isinstance(value, Spectrum):
        return spectrum_svg(value, colors)
    if isinstance(value, Robustness):
        return acceptability_svg(value, colors=colors)
    from dcsite.report.fronts import drawn

    return drawn(value, colors)
