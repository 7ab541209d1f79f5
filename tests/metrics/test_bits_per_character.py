"""Bits per character, for tokens of one and of several characters."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import BitsPerCharacter, CrossEntropy, Dense, Sequential, Sigmoid, Softmax
from pellucid.errors import ConfigError
from pellucid.kernels import load
from pellucid.losses import BinaryCrossEntropy

P = np.array([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125], [0.25, 0.25, 0.5]], np.float32)
LABELS = np.array([0, 2, 1])
WEIGHTS = np.array([1, 1, 2], np.float32)


def measured(metric):
    state = metric.start(3, load())
    for rows in (slice(0, 1), slice(1, 3)):
        state.update(P[rows], LABELS[rows], WEIGHTS[rows])
    return state.result()


def test_bits_of_characters():
    assert measured(BitsPerCharacter()) == pytest.approx((1 + 3 + 2 * 2) / 4)


def test_longer_tokens_are_more_characters():
    assert measured(BitsPerCharacter((3, 1, 0))) == pytest.approx((1 + 3 + 2 * 2) / (1 * 3 + 0 + 2 * 1))


def test_no_sample_and_certain_errors():
    state = BitsPerCharacter().start(3, load())
    assert np.isnan(state.result())
    state.update(np.array([[0, 1, 0]], np.float32), np.array([0]), np.ones(1, np.float32))
    assert 22 < state.result() < 24


def test_lengths_of_other_tokens_and_other_networks_are_refused():
    network = Sequential(Dense(3), Softmax())
    with pytest.raises(ConfigError, match="lengths of 2 tokens, and the network has 3"):
        network.compile((4,), CrossEntropy(), metrics=[BitsPerCharacter((1, 1))])
    with pytest.raises(ConfigError, match="not for independent labels"):
        Sequential(Dense(3), Sigmoid()).compile((4,), BinaryCrossEntropy(), metrics=[BitsPerCharacter()])
