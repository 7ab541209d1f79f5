"""Tests of named random streams: the same name always gives the same numbers, and different names give different ones."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pellucid.core.rng import at_step, generator, stream_key


def test_known_answers():
    """If these numbers change, the results of all published runs change."""
    assert generator(0, "init", "dense1.W").integers(0, 1 << 32, 4).tolist() == [1032529644, 3195640855, 1346598389, 2382122265]
    assert generator(7, "shuffle", 3).permutation(8).tolist() == [7, 3, 5, 1, 2, 6, 4, 0]
    assert stream_key(0, "noise", "dropout1") == 11045217437516024126
    assert at_step(0, 1) == 0xE220A8397B1DCDAF  # the first number of SplitMix64 with seed 0, as its authors print it
    assert at_step(0, 2) == 0x6E789E6AA1B965F4
    assert at_step(2**64 - 1, 10**12) == 10769127506367522230


def test_streams_repeat_and_are_independent_of_each_other():
    first, second = generator(1, "a"), generator(1, "b")
    mixed = [(first.random(), second.random()) for _ in range(5)]
    alone = generator(1, "a").random(5)
    assert [a for a, _ in mixed] == alone.tolist()
    assert generator(np.int64(1), "a").random() == alone[0]


def test_global_random_state_is_neither_read_nor_written():
    np.random.seed(0)  # noqa: NPY002  # this test is about the global state
    before = generator(0, "a").random()
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    assert generator(0, "a").random() == before
    np.random.seed(0)  # noqa: NPY002
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002


NAMES = [(), ("a",), ("b",), ("a", "b"), ("b", "a"), ("ab",), ("a", 1), ("a", 11), ("a", 1, 1), (1,), ("init", "dense1.W")]


@pytest.mark.parametrize("draw", [lambda s, n: tuple(generator(s, *n).random(2)), lambda s, n: stream_key(s, *n)])
def test_different_seeds_and_names_have_different_streams(draw):
    drawn = [draw(seed, names) for seed in (0, 1, 2, 10, -1) for names in NAMES]
    # 5 seeds × 11 names; the name 1 is not the seed 1, and ("a", "b") is not ("ab",)
    assert len(set(drawn)) == len(drawn) == 55


def test_streams_are_not_correlated():
    draws = np.array([generator(0, "init", f"dense{i}.W").standard_normal(20_000) for i in range(6)])
    correlation = np.corrcoef(draws)
    worst = max(abs(correlation[i, j]) for i, j in itertools.combinations(range(6), 2))
    assert worst < 5 / np.sqrt(20_000)  # five standard errors


def test_steps_of_one_key_differ_in_half_of_their_bits():
    key = stream_key(0, "noise", "dropout1")
    keys = [at_step(key, step) for step in range(2000)]
    assert len(set(keys)) == 2000
    assert all(0 <= k < 2**64 for k in keys)
    flips = [(a ^ b).bit_count() for a, b in itertools.pairwise(keys)]
    assert abs(np.mean(flips) - 32) < 5 * 4 / np.sqrt(2000)  # binomial: 64 bits, half of them, σ = 4
    assert min(flips) > 8
