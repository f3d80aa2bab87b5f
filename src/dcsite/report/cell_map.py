"""A map of screened cells: the best score in each small square, and the listed cells as numbered circles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from dcsite.report.figures import MAP_WIDTH, Drawing, map_height, outline, project, shade, sphere

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

SQUARES: Final = 300
"""Squares along the longer side of the map at most; fewer where cells lie farther apart."""

CLASSES: Final = 10
MARGIN: Final = 0.06
LEAST_VIEW_PX: Final = 12.0
WIDTH: Final = 900.0
MARKS: Final = 10


def cell_map_svg(
    lat: NDArray[np.floating],
    lon: NDArray[np.floating],
    score: NDArray[np.floating],
    best: pd.DataFrame,
    title: str,
) -> str:
    """Draw cells by score, zoomed to where they lie.

    Parameters
    ----------
    lat, lon, score
        Shape (N,); cells without a score (NaN) are not drawn. [deg, deg, 0-100]
    best
        Listed cells, best first: ``name, lat, lon, score``.

    Returns
    -------
    str
        An SVG document without links or scripts; "" if no cell has a score.
    """
    have = np.isfinite(score)
    x, y = project(lat[have], lon[have])
    value = score[have].astype(np.float64)
    seen = np.isfinite(x) & np.isfinite(y)
    x, y, value = x[seen], y[seen], value[seen]
    if not x.size:
        return ""
    left, top, wide, high = _view(x, y)
    square = max(_spacing(x.size, wide, high), max(wide, high) / SQUARES)
    columns = int(wide // square) + 1
    at = ((y - top) // square).astype(np.int64) * columns + ((x - left) // square).astype(np.int64)
    order = np.argsort(at, kind="stable")
    squares, first = np.unique(at[order], return_index=True)
    highest = np.maximum.reduceat(value[order], first)
    low, span = float(highest.min()), float(highest.max() - highest.min()) or 1.0
    grade = np.minimum(((highest - low) / span * CLASSES).astype(np.int64), CLASSES - 1)
    zoom = WIDTH / wide
    drawing = Drawing(WIDTH, round(high * zoom + 22.0, 1), title)
    drawing.parts.append(
        f'<svg x="0" y="0" width="{WIDTH:g}" height="{high * zoom:.1f}" '
        f'viewBox="{left:.3f} {top:.3f} {wide:.3f} {high:.3f}">'
    )
    drawing.path(sphere(), "sea")
    drawing.path(outline()[0], "land", stroke="coast", stroke_width=f"{0.6 / zoom:.4f}")
    for number in np.unique(grade):
        inside = squares[grade == number]
        corners = zip(left + (inside % columns) * square, top + (inside // columns) * square, strict=True)
        path = "".join(f"M{a:.3f} {b:.3f}h{square:.3f}v{square:.3f}h-{square:.3f}z" for a, b in corners)
        drawing.path(path, shade(100.0 * (number + 0.5) / CLASSES))
    drawing.parts.append("</svg>")
    _marks(drawing, best, left, top, zoom)
    words = (
        f"best score in each square, from {low:.1f} (gray) to {low + span:.1f} (blue); 1 to {MARKS}: the best"
    )
    drawing.text(4.0, high * zoom + 15.0, words, fill="soft", font_size="11")
    return drawing.svg()


def _view(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Left, top, width and height of the part of the map that is shown."""
    wide, high = float(x.max() - x.min()), float(y.max() - y.min())
    room = MARGIN * max(wide, high) + LEAST_VIEW_PX / 4.0
    wide, high = max(wide + 2 * room, LEAST_VIEW_PX), max(high + 2 * room, LEAST_VIEW_PX / 2.0)
    high = max(high, 0.35 * wide)
    wide = max(wide, high)
    left = float(x.min() + x.max() - wide) / 2.0
    top = float(y.min() + y.max() - high) / 2.0
    return (
        max(left, 0.0) if wide < MAP_WIDTH else left,
        max(top, 0.0) if high < map_height() else top,
        wide,
        high,
    )


def _spacing(count: int, wide: float, high: float) -> float:
    """About how far cells lie apart if they fill the map."""
    return 0.9 * float(np.sqrt(wide * high / count))


def _marks(drawing: Drawing, best: pd.DataFrame, left: float, top: float, zoom: float) -> None:
    if best.empty:
        return
    x, y = project(best["lat"].to_numpy(), best["lon"].to_numpy())
    shown = list(zip(x, y, best["name"], best["score"], strict=True))[:MARKS]
    for number in range(len(shown) - 1, -1, -1):
        a, b, name, score = shown[number]
        if not np.isfinite(a):
            continue
        at_x, at_y = (a - left) * zoom, (b - top) * zoom
        note = f"{number + 1}. {name}: {score:.1f}"
        drawing.circle(at_x, at_y, 8.0, "link", note, fill_opacity="0.92", stroke="paper", stroke_width="1")
        drawing.text(
            at_x,
            at_y + 3.4,
            str(number + 1),
            side="middle",
            fill="accent-ink",
            font_size="10",
            font_weight="bold",
        )
