"""The tornado: what a figure becomes at both ends of each assumption, one at a time, the widest first."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dcsite.report.figures import LIGHT, Drawing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROW_PX: Final = 20
LABEL_PX: Final = 380
BAR_PX: Final = 560
TOP_PX: Final = 58
FIRST: Final = "#6aa3d5"
LAST: Final = "#145c9e"


@dataclass(frozen=True)
class Bar:
    """One assumption: its ends in words, and the figure at each (NaN where there is none)."""

    key: str
    low: str
    high: str
    at_low: float
    at_high: float


def tornado_svg(
    bars: Sequence[Bar],
    now: float,
    *,
    title: str,
    unit: str,
    scale: float = 1.0,
    missing: str = "none",
    colors: Mapping[str, str] = LIGHT,
) -> str:
    """Draw bars from the figure now to the figure at either end.

    Parameters
    ----------
    bars
        In the order to draw.
    now
        The figure as everything is.
    unit, scale
        Unit shown, and how many of the figure's own are one of it.
    missing
        What stands where an end has no figure.
    """
    figures = [value for bar in bars for value in (bar.at_low, bar.at_high) if math.isfinite(value)]
    low, high = min([now, *figures]), max([now, *figures])
    span = (high - low) or 1.0
    left_px = LABEL_PX + 30
    drawing = Drawing(LABEL_PX + BAR_PX + 60, TOP_PX + ROW_PX * len(bars) + 26, title, colors)
    drawing.text(16, 24, title, font_size="15", font_weight="600")

    def at(value: float) -> float:
        return left_px + (BAR_PX - 60) * (value - low) / span

    drawing.text(at(now), 46, f"now {now / scale:,.1f} {unit}", fill="soft", side="middle")
    y = float(TOP_PX)
    for bar in bars:
        drawing.text(LABEL_PX - 8, y + 13, f"{bar.key}  {bar.low} .. {bar.high}", side="end")
        for value, end, color in ((bar.at_low, bar.low, FIRST), (bar.at_high, bar.high, LAST)):
            if not math.isfinite(value):
                drawing.text(LABEL_PX + BAR_PX + 4, y + 13, missing, fill="soft")
                continue
            left, right = sorted((at(now), at(value)))
            note = f"{bar.key} = {end}: {value / scale:,.1f} {unit} ({(value - now) / scale:+,.1f})"
            drawing.rect(left, y, max(right - left, 1.0), ROW_PX - 6, color, note)
        y += ROW_PX
    drawing.line(at(now), TOP_PX - 6, at(now), y, "ink", stroke_width="1")
    x = float(left_px)
    for words, color in (("low end", FIRST), ("high end", LAST)):
        drawing.rect(x, y + 4, 12, 12, color)
        drawing.text(x + 17, y + 14, words, fill="soft")
        x += 110
    return drawing.svg()
