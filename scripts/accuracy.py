"""Write docs/accuracy.md: the headline figures of the three accuracy pages on one screen.

    python scripts/accuracy.py [--check]

Nothing is computed here: figures are read from the tables of the detail pages, which their own scripts write.
``--check`` compares with the file at hand, so that the index cannot say anything else than the pages.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "accuracy.md"

HEAD = """\
# How good the figures are

Written by `python scripts/accuracy.py` from the three pages it links; do not edit. Bars were set before the fits.
Every figure is for sites, metros and pairs that the fit has not seen; parameters were fitted on the rest. All of
them come from the tables at hand: a new set may come out worse.

- **Cooling and water**: [accuracy_cooling.md](accuracy_cooling.md). {site_years} reported site-years, left out by
  site. "Nested" makes every choice of the fit inside the folds too (a fifth of the sites left out, five deals).
- **Round-trip times**: [accuracy_latency.md](accuracy_latency.md). Left out by metro (ends within 100 km); "both
  ends unseen" is the harder question.
- **Score**: [accuracy_score.md](accuracy_score.md). Not fitted to anything; judged by where others have built."""

TAIL = """\
## What is bad

- PUE of outdoor-air sites is hardly better than the mean of their technology: operators differ more than climates.
  The goal for adiabatic and tower sites is missed, and with every choice made inside the folds even the must, by a
  hair: one site of 25 makes more than half of the squared error.
- Water of adiabatic sites is right within a factor of {water_factor}, not of 1.56.
- Round-trip times run a few milliseconds low and miss detours by policy, by up to half. Where both ends of a cloud
  pair are new the mean error is at its bar, a hair above; the pairs of Cape Town alone make the difference.
- The score finds mines and AI halls better than chance, cloud regions not, and network hubs point the wrong way;
  the price alone does about as well.
- Labels of technology, links of the graph and tags of sites are ours."""

Rows = list[tuple[str, str, str, str, str, str]]


def rows_under(text: str, heading: str, after: str = "") -> dict[str, list[str]]:
    """Cells by first cell of the first table below a heading (and below a line that starts with ``after``)."""
    lines = iter(text.splitlines())
    if not any(line.startswith(f"## {heading}") for line in lines):
        raise LookupError(heading)
    if after and not any(line.startswith(after) for line in lines):
        raise LookupError(after)
    found: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            found[cells[0].replace("*", "")] = cells[1:]
        elif found:
            break
    return found


def cooling_rows(text: str) -> Rows:
    """PUE and water."""
    pue, water = rows_under(text, "PUE"), rows_under(text, "Water")
    shipped = pue["estimate as shipped, site left out"]
    nested = pue["same, and every choice of the form made inside the folds"]
    mean, constant = (
        pue["technology mean (of the other sites)"],
        pue["one constant (mean of the other sites)"],
    )
    bands = pue["middle of the Lei & Masanet 2022 band"]
    used = water["estimate as shipped, site left out"]
    plain, band, one = (
        water[key] for key in ("technology mean", "middle of the Lei & Masanet 2022 band", "one constant")
    )

    def others(column: int) -> str:
        return f"technology mean {mean[column]}, constant {constant[column]}, published bands {bands[column]}"

    def wet(column: int) -> str:
        return f"technology mean {plain[column]}, constant {one[column]}, published bands {band[column]}"

    return [
        ("PUE, RMSE", shipped[0], f"nested {nested[0]}", others(0), "0.071", "0.064"),
        ("PUE, adiabatic and tower, RMSE", shipped[1], f"nested {nested[1]}", others(1), "0.051", "0.046"),
        ("water, mean absolute error, L/kWh", used[0], "", wet(0), "0.26", ""),
        ("water, adiabatic, mean factor", used[2], "", wet(2), "1.56", ""),
    ]


def latency_rows(text: str) -> Rows:
    """Round-trip times of both networks."""
    result: Rows = []
    for title, column, name, must, goal in (
        ("Cloud", 0, "cloud, MAE, ms", "12", ""),
        ("Cloud", 1, "cloud, MAPE, %", "9", ""),
        ("Cloud", 2, "cloud, P90 of the error, ms", "26", ""),
        ("Public", 1, "public, MAPE, %", "17", "15"),
    ):
        some, both = (rows_under(text, title, key) for key in ("Some end unseen", "Both ends unseen"))
        keys = {
            "line": "robust line in distance",
            "2.1 x light": "2.1 x light in fiber",
            "light": "light in fiber, km/100",
        }
        others = ", ".join(f"{short} {both[key][column]}" for short, key in keys.items())
        model = "model as shipped"
        result.append(
            (name, both[model][column], f"some end unseen {some[model][column]}", others, must, goal)
        )
    return result


def score_rows(text: str) -> list[str]:
    """Back-test of the score."""
    lines = ["| load | score | price alone | population alone |", "|---|---|---|---|"]
    for heading in ("Among the sites", "Against towns"):
        for load, cells in rows_under(text, heading).items():
            if load not in ("load", "---"):
                lines.append(f"| {load} | {cells[3]} | {cells[4]} | {cells[5]} |")
    return lines


def met(value: str, must: str, goal: str, nested: str = "") -> str:
    """Whether a figure meets its bars, in words; ``nested`` is the stricter figure where there is one."""
    figure = float(value)
    if figure > float(must):
        return "missed"
    if nested and float(nested) > float(must):
        return "met, nested missed"
    if goal and nested and figure <= float(goal) < float(nested):
        return "met, goal too, nested not"
    if goal and figure > float(goal):
        return "met, goal missed"
    return "met, goal too" if goal else "met"


def page() -> str:
    """Text of the page."""
    cooling, latency, score = (
        (ROOT / "docs" / f"accuracy_{name}.md").read_text(encoding="utf-8")
        for name in ("cooling", "latency", "score")
    )
    heading = next(line for line in cooling.splitlines() if line.startswith("## PUE"))
    rows = cooling_rows(cooling)
    lines = [
        HEAD.format(site_years=heading.split(", ")[1].split()[0]),
        "",
        "| figure | model | beside it | simpler rules | must | goal | |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, value, beside, others, must, goal in [*rows, *latency_rows(latency)]:
        nested = beside.removeprefix("nested ") if beside.startswith("nested") else ""
        bar = f"<= {must}", f"<= {goal}" if goal else ""
        lines.append(
            f"| {name} | **{value}** | {beside} | {others} | {bar[0]} | {bar[1]} | {met(value, must, goal, nested)} |"
        )
    inside = [
        cooling.split("without the site, holds ")[part].split("%")[0] for part in (1, 2)
    ]  # PUE, then water
    lines += [
        "",
        f"Intervals: the 80 % interval of PUE holds {inside[0]} % of the reported figures, that of water {inside[1]} %; the 90 %",
        f"bound of a round-trip time holds {coverage(latency)} % of the pairs of each distance class.",
        "",
        "Back-test of the score (AUC with 95 % interval; 0.5 is chance):",
        "",
        *score_rows(score),
        "",
        TAIL.format(water_factor=rows[3][1]),
    ]
    return "\n".join(lines) + "\n"


def coverage(text: str) -> str:
    """Least and largest share under the bound, over networks and distance classes."""
    shares = [
        float(cells[-1])
        for title in ("Cloud", "Public")
        for label, cells in rows_under(text, title, "Band:").items()
        if label.endswith("km")
    ]
    return f"{min(shares):.0f} to {max(shares):.0f}"


def main() -> int:
    """Write or compare the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    options = parser.parse_args()
    text = page()
    if options.check:
        same = TARGET.is_file() and TARGET.read_text(encoding="utf-8") == text
        print("up to date" if same else f"differs: {TARGET.relative_to(ROOT)}", file=sys.stderr)
        return 0 if same else 1
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
