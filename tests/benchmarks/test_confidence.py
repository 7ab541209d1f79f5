"""The thresholds of the words for confidence, and the figures in the card of the pair."""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np

from benchmarks.confidence import UNCERTAIN, WORDS, choose, count
from pellucid.app.networks import PAIR_CARD


def answers(*groups: tuple[float, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the confidences and whether they are right, of groups (confidence, answers, wrong ones among them)."""
    confidence = np.concatenate([np.full(n, p) for p, n, _ in groups])
    return confidence, np.concatenate([np.arange(n) >= wrong for _, n, wrong in groups])


def test_each_threshold_is_the_lowest_that_its_error_rate_allows():
    groups = ((0.9999, 4000, 2), (0.992, 1000, 10), (0.97, 100, 0), (0.91, 400, 20), (0.82, 100, 40), (0.4, 50, 30))
    confidence, right = answers(*groups)
    thresholds = choose(confidence, right)
    assert thresholds == {"almost certain": 0.93, "fairly certain": 0.85, UNCERTAIN: 0.0}
    rows = count(confidence, right, thresholds)
    assert [(row["answers"], row["wrong"]) for row in rows] == [(5100, 12), (400, 20), (150, 70)]


def test_a_network_without_reliable_answers_has_no_almost_certain_ones():
    confidence, right = answers((0.99995, 1000, 500))
    thresholds = choose(confidence, right)
    assert thresholds == {"almost certain": 1.0, "fairly certain": 1.0, UNCERTAIN: 0.0}
    assert [row["answers"] for row in count(confidence, right, thresholds)] == [0, 0, 1000]


def test_the_card_of_the_pair_has_error_rates_that_its_words_allow():
    card = json.loads(files("pellucid.app").joinpath("pair").joinpath(PAIR_CARD).read_text(encoding="utf-8"))
    for entry in card["networks"].values():
        rows = entry["confidence"]
        assert [row["word"] for row in rows] == [*WORDS, UNCERTAIN]
        assert sum(row["answers"] for row in rows) > 10_000
        for row in rows[:-1]:
            assert row["wrong"] <= WORDS[row["word"]] * row["answers"]
