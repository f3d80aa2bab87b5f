"""The offline page without a browser: nothing from outside, nothing unescaped, the same arithmetic."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcsite.report import figures
from dcsite.report.export import write_report
from dcsite.report.frames import as_report
from dcsite.report.html import MOST_BYTES, json_in_html, page_data, page_text
from dcsite.scoring.comparing import compare_sites
from dcsite.scoring.criteria import BY_NAME
from dcsite.scoring.ranking import rank
from dcsite.scoring.robustness import robustness
from dcsite.scoring.spectrum import spectrum
from report_fixture import NASTY, MadeUpPlan, make_evaluation

EVALUATION = make_evaluation()
CLOUD = rank(EVALUATION, workload="cloud")
TRAINING = rank(EVALUATION, workload="training")
COMPARISON = compare_sites(CLOUD, ["us-alder", "us-birch", "is-dagur"])
WHOLE = as_report(
    [
        MadeUpPlan(),
        CLOUD,
        TRAINING,
        COMPARISON,
        spectrum(EVALUATION, "cloud"),
        robustness(CLOUD, draws=100),
    ],
    evaluation=EVALUATION,
)
PAGE = page_text(WHOLE)


class Reader(HTMLParser):
    """Collect elements, their attributes, and the text of scripts."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.content: dict[str, list[str]] = {}
        self.unbalanced: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "input", "br", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if self.open and self.open[-1] == tag:
            self.open.pop()
        else:
            self.unbalanced.append(tag)

    def handle_data(self, data):
        if self.open:
            self.content.setdefault(self.open[-1], []).append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    return reader


def test_the_page_names_nothing_outside_itself():
    reader = read(PAGE)
    for tag, attributes in reader.elements:
        for name in ("src", "href", "action", "data", "poster", "srcset", "xlink:href", "formaction"):
            value = attributes.get(name)
            assert not value or value.startswith(("#", "data:")), f"<{tag} {name}={value}>"
        assert not {name for name in attributes if name.startswith("on")}, tag
        assert "style" not in attributes, tag
    style = "".join(reader.content["style"])
    assert "url(" not in style
    assert "@import" not in style
    script = reader.content["script"]
    for word in ("fetch(", "XMLHttpRequest", "WebSocket", "import(", "sendBeacon", "innerHTML", "eval("):
        assert not any(word in text for text in script), word


def test_the_page_is_well_formed_and_small():
    reader = read(PAGE)
    assert reader.unbalanced == []
    assert reader.open == []
    assert len(PAGE.encode()) < 2_000_000
    ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in reader.elements:
        if tag == "a" and (attributes.get("href") or "").startswith("#"):
            assert attributes["href"][1:] in ids
        if tag == "label":
            assert attributes["for"] in ids


def test_the_policy_admits_exactly_this_style_and_this_script():
    reader = read(PAGE)
    policy = next(
        a["content"] for t, a in reader.elements if a.get("http-equiv") == "Content-Security-Policy"
    )
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    style = re.search(r"<style>(.*?)</style>", PAGE, re.DOTALL)
    script = re.search(r"<script>(.*?)</script>", PAGE, re.DOTALL)
    for match in (style, script):
        digest = base64.b64encode(hashlib.sha256(match.group(1).encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_a_hostile_name_is_text_everywhere():
    reader = read(PAGE)
    images = [attributes for tag, attributes in reader.elements if tag == "img"]
    assert all((attributes.get("src") or "").startswith("data:") for attributes in images)
    assert sum(tag == "script" for tag, _ in reader.elements) == 2
    assert html.escape(NASTY) in PAGE
    assert "<b>& co" not in PAGE


@given(st.text(max_size=60))
def test_embedded_json_cannot_end_its_element(text):
    inside = json_in_html({"a": text})
    assert "<" not in inside
    assert "\u2028" not in inside
    assert json.loads(inside) == {"a": text}


def test_a_picture_from_elsewhere_stands_in_an_image_where_it_cannot_run():
    evil = '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(2)</script></svg>'
    text = page_text(replace(WHOLE, pictures={"pareto": evil}))
    reader = read(text)
    assert sum(tag == "script" for tag, _ in reader.elements) == 2
    assert "onload" not in text
    assert any(
        (attributes.get("src") or "").startswith("data:image/svg+xml;base64,")
        for tag, attributes in reader.elements
        if tag == "img"
    )


def test_every_slot_has_its_picture_and_every_part_its_place():
    for anchor in ("plan", "ranking", "compare", "pictures", "excluded", "sources"):
        assert f'<section id="{anchor}"' in PAGE
        assert f'href="#{anchor}"' in PAGE
    assert 'id="slot-spectrum"' in PAGE
    assert 'id="slot-acceptability"' in PAGE
    front = pd.DataFrame({"cost": [1.0, 2.0], "carbon": [3.0, 1.0]})
    assert 'id="slot-pareto"' in page_text(replace(WHOLE, pictures={"pareto": front}))


def test_the_page_says_where_its_figures_come_from():
    text = html.unescape(PAGE)
    for words in ("CC BY 4.0", "us-2026-01 of 2026-01-15", "no limit is known", "moratorium", "estimate"):
        assert words in text
    assert '"default_grid_mw": 200.0' in text
    assert "0" * 64 in text


def test_a_plan_of_several_periods_shows_the_last_on_the_map_and_all_in_the_table():
    plan = MadeUpPlan()
    placements = pd.concat(
        [plan.placements.assign(period="2027"), plan.placements.head(1).assign(period="2030", it_mw=500.0)],
        ignore_index=True,
    )
    served = plan.served.assign(period="2030")
    text = page_text(as_report(replace(plan, placements=placements, served=served), evaluation=EVALUATION))
    assert "1. Alder (us-alder): 500 MW" in text
    assert "2. Birch" not in text
    assert ">2027<" in text
    assert ">2030<" in text


def test_pages_of_parts_hold_only_their_parts():
    alone = page_text(as_report(CLOUD))
    assert '<section id="plan"' not in alone
    assert '<section id="ranking"' in alone
    table = page_text(as_report(pd.DataFrame({"x": [1, 2]})))
    assert '<section id="ranking"' not in table
    assert '<section id="tables"' in table


def test_a_page_of_very_many_sites_keeps_the_best_and_says_so(monkeypatch):
    count = 1500
    frame = CLOUD.table.iloc[np.arange(count) % len(CLOUD.table)].reset_index(drop=True)
    frame["site_id"] = [f"x-{place:05d}" for place in range(count)]
    frame["score"] = np.linspace(90, 10, count)
    monkeypatch.setattr("dcsite.report.html.MOST_BYTES", 400_000)
    text = page_text(as_report(replace(CLOUD, table=frame)))
    assert len(text.encode()) <= 400_000 < MOST_BYTES
    assert "This page holds the best sites" in text
    assert '"x-00000"' in text
    assert '"x-01499"' not in text


def test_the_default_weights_of_the_page_are_those_of_the_ranking():
    data = page_data(WHOLE)
    entry = next(entry for entry in data["workloads"] if entry["name"] == "cloud")
    assert entry["weights"] == dict(CLOUD.weights.weight)
    anchors = {c["name"]: (c["best"], c["worst"]) for c in entry["criteria"]}
    assert anchors == {name: (c.best, c.worst) for name, c in BY_NAME.items()}


NODE = shutil.which("node")
SCORE = Path(figures.__file__).parent / "html" / "score.js"
DRAWS = [
    {"price": 40, "water": 20, "cooling": 25, "latency": 15},
    {"price": 1},
    {"water": 1, "cooling": 1},
    {"latency": 100, "carbon": 50, "hazard": 10},
    {"price": 3, "time_to_power": 2},
    {"policy": 1, "capex": 1, "grid_strength": 1},
]


@pytest.mark.skipif(NODE is None, reason="node is not installed")
@pytest.mark.parametrize("method", ["weighted_sum", "topsis", "promethee"])
def test_the_script_scores_like_python(method, tmp_path):
    rng = np.random.default_rng(3)
    random = [
        {
            name: float(value)
            for name, value in zip(("price", "water", "cooling", "latency"), row, strict=True)
        }
        for row in rng.uniform(0, 100, (20, 4))
    ]
    changed = EVALUATION.scenario.model_copy(
        update={"score": EVALUATION.scenario.score.model_copy(update={"method": method})}
    )
    evaluation = replace(EVALUATION, scenario=changed)
    draws = [*DRAWS, *random]
    report = as_report(rank(evaluation, workload="cloud"), evaluation=evaluation)
    (tmp_path / "data.json").write_text(json.dumps({"data": page_data(report), "draws": draws}))
    (tmp_path / "run.js").write_text(
        f"const {{ rankSites }} = require({json.dumps(str(SCORE))});\n"
        "const { data, draws } = JSON.parse(require('fs').readFileSync(process.argv[2], 'utf8'));\n"
        "console.log(JSON.stringify(draws.map((raw) => {\n"
        "  const result = rankSites(data, data.workloads[0], raw);\n"
        "  return { effective: result.effective, rows: result.rows.map((row) => ({ id: data.sites[row.site].id,\n"
        "    technology: row.technology, score: row.score, sd: row.sd, tie: row.tie, rank: row.rank,\n"
        "    parts: Object.fromEntries(result.weights.map(({ criterion }, c) => [criterion.name, row.parts[c]])) })) };\n"
        "})));\n"
    )
    done = subprocess.run(
        [NODE, str(tmp_path / "run.js"), str(tmp_path / "data.json")],
        capture_output=True,
        check=True,
        timeout=60,
    )
    for raw, found in zip(draws, json.loads(done.stdout), strict=True):
        assert_same_ranking(found, rank(evaluation, weights=raw, workload="cloud"))


def assert_same_ranking(found, expected):
    """Compare what the script gives with Python's ranking to 1e-9."""
    table = expected.table
    assert [row["id"] for row in found["rows"]] == table["site_id"].tolist()
    assert [row["technology"] for row in found["rows"]] == table["technology"].tolist()
    assert [row["rank"] for row in found["rows"]] == table["rank"].tolist()
    assert [row["tie"] for row in found["rows"]] == table["tie_group"].tolist()
    assert [row["score"] for row in found["rows"]] == pytest.approx(table["score"].tolist(), abs=1e-9)
    assert [row["sd"] for row in found["rows"]] == pytest.approx(table["score_sd"].tolist(), abs=1e-9)
    for name in expected.criteria:
        parts = [row["parts"][name] for row in found["rows"]]
        assert parts == pytest.approx(table[f"score_{name}"].tolist(), abs=1e-9)
        assert found["effective"][name] == pytest.approx(expected.effective_weight[name], abs=1e-9)


def test_the_page_is_written_like_any_file(tmp_path):
    (path,) = write_report(WHOLE, tmp_path / "r.html")
    assert path.read_text(encoding="utf-8") == PAGE
