"""The back-test of the score: its statistics are right, and the published page says what they say."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[1]


def load():
    spec = importlib.util.spec_from_file_location("scripts_backtest", ROOT / "scripts" / "backtest.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


backtest = load()


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=30))
def test_auc_is_the_share_of_pairs_in_the_right_order(pairs):
    values = np.array([value for value, _ in pairs], dtype=float)
    positive = np.array([flag for _, flag in pairs])
    if positive.all() or not positive.any():
        assert np.isnan(backtest.auc(values, positive))
        return
    wins = [
        1.0 if high > low else 0.5 if high == low else 0.0
        for high in values[positive]
        for low in values[~positive]
    ]
    assert backtest.auc(values, positive) == pytest.approx(np.mean(wins))


def test_intervals_hold_the_truth_and_chance_is_a_half():
    rng = np.random.default_rng(3)
    size = 200
    positive = rng.random(size) < 0.4
    frame = pd.DataFrame(
        {
            "positive": positive,
            "cluster": [f"c{number % 40}" for number in range(size)],
            "score": positive + rng.normal(size=size),
            "price": rng.normal(size=size),
            "population": -1.0 * positive,
        }
    )
    found = backtest.judged(frame, draws=300)
    assert (found.positives, found.negatives) == (int(positive.sum()), int((~positive).sum()))
    assert found.low["score"] < 0.76 < found.high["score"]  # normal, one standard deviation apart
    assert found.low["price"] < 0.5 < found.high["price"]
    assert found.auc["population"] == 0.0
    assert found.low["score - price"] > 0
    assert found.chance[0] < 0.5 < found.chance[1]
    assert "better than chance; it does better than the price" in backtest.verdict("x", found)


def test_whole_clusters_are_drawn():
    # two clusters, each of one kind: most draws hold one kind only and are drawn again
    frame = pd.DataFrame(
        {
            "positive": [True] * 5 + [False] * 5,
            "cluster": ["a"] * 5 + ["b"] * 5,
            "score": [1.0] * 5 + [0.0] * 5,
            "price": [0.0] * 10,
            "population": [0.0] * 10,
        }
    )
    found = backtest.judged(frame, draws=20)
    assert (found.low["score"], found.high["score"]) == (1.0, 1.0)


@pytest.mark.slow
def test_the_published_figure_is_what_the_tables_give_now():
    text = (ROOT / "docs" / "accuracy_score.md").read_text(encoding="utf-8")
    for title, *_ in backtest.CATALOG:
        assert f"| {title} |" in text
    frame = backtest.measured(backtest.load_tables(None), "cloud", "world")
    positive = backtest.has(frame, "cloud")
    now = backtest.auc(frame["score"].to_numpy(), positive)
    row = next(line for line in text.splitlines() if line.startswith("| cloud | sites tagged cloud"))
    published = float(row.split("|")[5].split("(")[0])
    assert now == pytest.approx(published, abs=0.05), "run scripts/backtest.py"
