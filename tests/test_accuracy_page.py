"""The index of the accuracy pages says what the pages say, the missed bars too."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SPEC = importlib.util.spec_from_file_location("accuracy_index", ROOT / "scripts" / "accuracy.py")
index = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(index)


def test_the_index_is_up_to_date():
    shown = (ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8")
    assert shown == index.page(), "run scripts/accuracy.py"
    for name in ("cooling", "latency", "score"):
        assert f"(accuracy_{name}.md)" in shown
    assert len(shown.splitlines()) < 70  # one screen and a bit


def test_a_missed_bar_is_called_missed():
    assert index.met("0.052", "0.051", "0.046") == "missed"
    assert index.met("0.050", "0.051", "0.046") == "met, goal missed"
    assert index.met("0.045", "0.051", "0.046") == "met, goal too"
    assert index.met("0.2", "0.26", "") == "met"
    assert index.met("0.050", "0.051", "0.046", "0.052") == "met, nested missed"


def test_a_table_is_found_by_its_heading_or_not_at_all():
    text = "## A\n\n| x | y |\n|---|---|\n| **one** | 1 |\n\n## B\n\nlater:\n\n| x | y |\n|---|---|\n| one | 2 |\n"
    assert index.rows_under(text, "A")["one"] == ["1"]
    assert index.rows_under(text, "B", "later")["one"] == ["2"]
    with pytest.raises(LookupError):
        index.rows_under(text, "C")
