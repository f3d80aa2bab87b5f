"""The PDF for a board: two to four pages, every text as text."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace

import pandas as pd
import pytest

from dcsite.report.board import quoted, typst_table, typst_text
from dcsite.report.export import write_report
from dcsite.report.frames import as_report, ranking_table, report_tables
from dcsite.scoring.comparing import compare_sites
from dcsite.scoring.ranking import rank
from dcsite.scoring.spectrum import spectrum
from report_fixture import MadeUpPlan, make_evaluation

typst = pytest.importorskip("typst", reason="typst: pip install 'dcsite[report]'")
EVALUATION = make_evaluation()
CLOUD = rank(EVALUATION, workload="cloud")
WHOLE = as_report(
    [
        MadeUpPlan(),
        CLOUD,
        rank(EVALUATION, workload="training"),
        compare_sites(CLOUD, ["us-alder", "is-dagur", "us-birch"]),
        spectrum(EVALUATION, "cloud"),
    ],
    evaluation=EVALUATION,
)


def pages(path):
    content = path.read_bytes()
    assert content.startswith(b"%PDF-")
    return len(re.findall(rb"/Type\s*/Page[^s]", content))


@pytest.mark.parametrize("name", ["whole", "ranking", "plan", "comparison"])
def test_a_board_gets_at_most_four_pages(name, tmp_path):
    result = {
        "whole": WHOLE,
        "ranking": CLOUD,
        "plan": MadeUpPlan(),
        "comparison": compare_sites(CLOUD, ["us-alder", "is-dagur"]),
    }[name]
    (path,) = write_report(result, tmp_path / "r.pdf", evaluation=EVALUATION)
    assert 1 <= pages(path) <= 4
    if name == "whole":
        assert pages(path) >= 2


def test_a_board_reads_the_answer_the_risks_and_the_sources(tmp_path):
    text = typst_text(WHOLE, tmp_path)
    for words in (
        "optimal",
        "250.00 M USD/year",
        "Binding limits",
        "Annual cost by parts",
        "Risks of these sites",
        "Sites kept out by hard rules",
        "Weakest figures",
        "Sources and licenses",
        "CC BY 4.0",
    ):
        assert words in text
    assert (
        text.index("Binding limits") < text.index("Risks of these sites") < text.index("Sources and licenses")
    )
    for picture in re.findall(r'image\("([^"]+)"', text):
        assert (tmp_path / picture).read_text(encoding="utf-8").startswith("<svg")


def test_markup_in_a_name_stays_text(tmp_path):
    title = '#panic("x") *bold* $x$ "quote" \\ @label <b>'
    frame = CLOUD.table.assign(site_id=['#image("/etc/passwd")', *CLOUD.table["site_id"][1:]])
    report = as_report(replace(CLOUD, table=frame), title=title)
    (path,) = write_report(report, tmp_path / "r.pdf")
    assert pages(path) >= 1
    assert quoted(title) in typst_text(report, tmp_path)


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext (poppler-utils) is not installed")
def test_another_program_reads_the_text(tmp_path):
    (path,) = write_report(WHOLE, tmp_path / "r.pdf")
    done = subprocess.run(["pdftotext", str(path), "-"], capture_output=True, check=True, timeout=60)
    text = done.stdout.decode()
    assert "A made-up world <b>& co</b>" in text
    assert "us-alder" in text


def test_columns_share_the_width_by_what_they_hold():
    text = typst_table(ranking_table(CLOUD, EVALUATION.sites), 5)
    shares = [int(share) for share in re.findall(r"(\d+)fr", text)]
    assert len(shares) <= 11
    assert all(4 <= share <= 34 for share in shares)
    assert len(report_tables(WHOLE)["ranking"].frame) > 5


def test_a_plain_frame_becomes_a_page(tmp_path):
    (path,) = write_report(pd.DataFrame({"x_usd": [1.0, 2.0]}), tmp_path / "r.pdf")
    assert pages(path) == 1
