"""Contexts: the memory that they lend, and what they record about a pass."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import kernels as kernel_sets
from pellucid.core.memory import Layout
from pellucid.layers.context import Context, ShardState


def new_context(**options):
    shard = ShardState(kernel_sets.load("reference"), **options)
    return Context(shard, Layout({}).views(np.zeros(0, np.float32)), "dense1"), shard


@pytest.mark.parametrize("lender", ["buffer", "scratch"])
def test_memory_is_reused_by_name(lender):
    ctx, _ = new_context()
    lend = getattr(ctx, lender)
    first = lend("y", (4, 3))
    assert first.dtype == np.float32
    assert lend("y", (4, 3)) is first
    for shape in ((2, 3), (3, 4), (12,), (4, 3)):
        again = lend("y", shape)
        assert again.shape == shape
        assert again.base is first.base or np.shares_memory(again, first)
    larger = lend("y", (5, 3))
    assert not np.shares_memory(larger, first)
    assert np.shares_memory(lend("y", (4, 3)), larger)
    assert not np.shares_memory(lend("z", (4, 3)), larger)


def test_memory_of_another_dtype_is_new():
    ctx, _ = new_context()
    first = ctx.buffer("y", (4, 3))
    other = ctx.buffer("y", (4, 3), bool)
    assert other.dtype == bool
    assert not np.shares_memory(first, other)
    assert ctx.buffer("y", (4, 3)).dtype == np.float32
    assert ctx.buffer("y", (2, 3), np.float64).dtype == np.float64


def test_two_gradients_alternate():
    ctx, _ = new_context(dtype=np.float64)
    first, second, third = (ctx.gradient((4, 3)) for _ in range(3))
    assert first.dtype == np.float64
    assert not np.shares_memory(first, second)
    assert np.shares_memory(first, third)


def test_only_the_first_shard_writes_state():
    assert new_context()[0].writes_state
    assert not new_context(shard=1)[0].writes_state


def test_what_backward_does_not_need_is_not_kept():
    ctx, shard = new_context()
    ctx.keep(1, 2)
    assert ctx.kept == ()
    shard.backward_follows = True
    ctx.keep(1, 2)
    assert ctx.kept == (1, 2)


def test_random_keys_and_sums_are_recorded():
    ctx, shard = new_context(seed=3)
    first = ctx.random
    shard.step = 1
    assert first != ctx.random
    assert shard.random_paths == {"dense1"}
    a = np.arange(3.0)
    total = ctx.all_sum(a)
    np.testing.assert_array_equal(total, a)
    assert not np.shares_memory(total, a)
    assert shard.summing_paths == {"dense1"}
    ctx.mark_steps(np.ones((2, 3), bool))
    assert set(shard.steps_read) == {"dense1"}


def test_a_new_shard_predicts_from_the_first_sample():
    _, shard = new_context()
    assert (shard.training, shard.backward_follows, shard.step, shard.offset, shard.seed, shard.shard) == (
        False,
        False,
        0,
        0,
        0,
        0,
    )


def test_a_frozen_layer_works_as_in_prediction():
    ctx, shard = new_context()
    shard.training = True
    assert ctx.training
    ctx.frozen = True
    assert not ctx.training
