"""Tests of attention: the formula written out, what may not be read, errors. Gradients are checked here and in test_layers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pellucid import Attention, ConfigError, CrossAttention, Graph, Identity, Node, Normal, Sequential, ShapeError
from pellucid.kernels import compiled
from pellucid.layers import Context, ShardState
from pellucid.testing import asymmetric, check_layer, layouts, run_layer
from tests.kernels.dtypes import FLOAT64_KERNELS
from tests.kernels.test_kernel_pairs import BOTH, DTYPES

N, T, W, HEADS = 2, 5, 6, 3
CROSS = Graph(Node("y", CrossAttention(2), "x", "source", "mask"), inputs=("x", "source", "mask"))


def parameters(layer, shape):
    """Return a vector of random parameters, and its arrays by name."""
    layout, _ = layouts(layer, shape)
    theta = layout.zeros(np.float64)
    arrays = {path: layout.array(theta, path) for path in layout}
    for seed, array in enumerate(arrays.values()):
        array[...] = asymmetric(array.shape, seed)
    return theta, arrays


def written_out(q, k, v, visible):
    """Return the output of one head for queries (t, d), keys and values (s, d), one number after the other."""
    out = np.zeros_like(q)
    for i, query in enumerate(q):
        scores = {j: sum(a * b for a, b in zip(query, k[j], strict=True)) / math.sqrt(len(query)) for j in visible(i)}
        total = sum(math.exp(score) for score in scores.values())
        for j, score in scores.items():
            out[i] += math.exp(score) / total * v[j]
    return out


@FLOAT64_KERNELS
@pytest.mark.parametrize("causal", [False, True])
def test_the_output_is_the_formula(kernels, causal):
    layer, x = Attention(HEADS, causal=causal), asymmetric((N, T, W))
    theta, p = parameters(layer, (T, W))
    qkv = x @ p["W"] + p["b"]
    expected = np.empty_like(x)
    for n in range(N):
        heads = []
        for head in range(HEADS):
            q, k, v = (qkv[n, :, part * W + head * 2 : part * W + head * 2 + 2] for part in range(3))
            heads.append(written_out(q, k, v, lambda i: range(i + 1 if causal else T)))
        expected[n] = np.hstack(heads) @ p["Wo"] + p["bo"]
    np.testing.assert_allclose(run_layer(layer, x, theta=theta, kernels=kernels).y, expected, rtol=1e-12)


@FLOAT64_KERNELS
def test_a_context_of_one_reads_its_own_value(kernels):
    layer, x = Attention(2, causal=True, rotary=True), asymmetric((3, 1, 4))
    theta, p = parameters(layer, (1, 4))
    expected = (x @ p["W"] + p["b"])[..., 8:] @ p["Wo"] + p["bo"]
    np.testing.assert_allclose(run_layer(layer, x, theta=theta, kernels=kernels).y, expected, rtol=1e-12)


@BOTH
@DTYPES
def test_what_is_masked_is_never_read_and_a_row_of_padding_gives_the_bias(kernels, dtype):
    x, source, dy = asymmetric((3, 4, 6)), asymmetric((3, 5, 2), 1), asymmetric((3, 4, 6), 2)
    mask = np.array([[1, 0, 1, 0, 1], [0, 0, 0, 0, 0], [0, 0, 0, 0, 2]])
    theta, p = parameters(CROSS, {"x": (4, 6), "source": (5, 2), "mask": (5,)})
    inputs = {"x": x, "source": source, "mask": mask}
    run = run_layer(
        CROSS, {k: v.astype(dtype) for k, v in inputs.items()}, dy.astype(dtype), theta=theta.astype(dtype), kernels=kernels
    )
    np.testing.assert_array_equal(run.y[1], np.broadcast_to(p["y.bo"].astype(dtype), (4, 6)))  # all of it is padding
    only = source[2:, -1:] @ p["y.Wkv"][:, 6:] + p["y.bkv"][6:]  # the value of the only key
    np.testing.assert_allclose(run.y[2:], np.repeat(only @ p["y.Wo"] + p["y.bo"], 4, axis=1), rtol=1e-5)
    assert all(np.isfinite(array).all() for array in (run.y, run.gradient, *run.dx.values()))
    assert not run.dx["source"][mask == 0].any()
    assert not run.dx["x"][1].any()
    assert not run.dx["mask"].any()
    other = np.where(mask[..., None] == 0, 1e3, source).astype(dtype)
    again = run_layer(
        CROSS,
        {"x": x.astype(dtype), "source": other, "mask": mask.astype(dtype)},
        dy.astype(dtype),
        theta=theta.astype(dtype),
        kernels=kernels,
    )
    np.testing.assert_array_equal(again.y, run.y)


@BOTH
@DTYPES
def test_queries_before_all_keys_have_the_output_and_the_gradient_zero(kernels, dtype):
    q, k = asymmetric((1, 3, 2)).astype(dtype), asymmetric((1, 2, 2)).astype(dtype)
    no_mask, log_sum, out = np.empty((1, 0), dtype), np.empty((1, 1, 3), dtype), np.empty_like(q)
    kernels.attention(q, k, k, 1, no_mask, True, 0.0, 0, 0, log_sum, out)  # query i reads the keys up to i − 1
    assert not out[:, 0].any()
    assert np.isneginf(log_sum[0, 0, 0])
    dq, dk, dv = np.full_like(q, np.nan), np.full_like(k, np.nan), np.full_like(k, np.nan)
    kernels.attention_backward(q, k, k, 1, no_mask, True, 0.0, 0, 0, log_sum, out, np.ones_like(q), dq, dk, dv)
    assert not dq[:, 0].any()
    assert all(np.isfinite(array).all() for array in (out, dq, dk, dv))


@pytest.mark.parametrize("rotary", [False, True])
def test_causal_attention_reads_nothing_later(rotary):
    layer, x = Attention(2, causal=True, rotary=rotary), asymmetric((2, 70, 8)).astype(np.float32)
    theta, _ = parameters(layer, (70, 8))
    later = x.copy()
    later[:, 40:] = 1e3
    before, after = (run_layer(layer, one, theta=theta.astype(np.float32)).y for one in (x, later))
    np.testing.assert_array_equal(before[:, :40], after[:, :40])
    assert (before[:, 40:] != after[:, 40:]).any(axis=2).all()


def test_without_positions_the_order_does_not_matter_and_with_rotary_only_distances_do():
    x, order = asymmetric((2, 6, 4)), np.array([3, 0, 5, 1, 2, 4])
    plain, theta = Attention(2), parameters(Attention(2), (6, 4))[0]
    np.testing.assert_allclose(
        run_layer(plain, x[:, order], theta=theta).y, run_layer(plain, x, theta=theta).y[:, order], rtol=1e-12
    )
    rotary = Attention(2, rotary=True)
    assert np.abs(run_layer(rotary, x[:, order], theta=theta).y - run_layer(rotary, x, theta=theta).y[:, order]).max() > 0.01
    # two equal tokens at the places 0 and 1, 3 and 4: the products of queries and keys are the same, so the weights are
    same = np.tile(x[:, :1], (1, 6, 1))
    np.testing.assert_allclose(
        run_layer(rotary, same, theta=theta).y, np.tile(run_layer(rotary, same, theta=theta).y[:, :1], (1, 6, 1))
    )


@FLOAT64_KERNELS
def test_products_of_rotated_vectors_depend_on_their_distance(kernels):
    heads, d, t = 2, 6, 9
    angles = np.arange(t)[:, None] * np.array([1.0, 0.1, 0.01])
    table = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    q, k = (np.tile(asymmetric((1, 1, heads * d), seed), (1, t, 1)) for seed in (0, 1))
    turned = [kernels.rotary(x, heads, table, False, np.empty_like(x)).reshape(t, heads, d) for x in (q, k)]
    products = np.einsum("ihd,jhd->hij", *turned)
    for distance in range(-8, 9):
        diagonal = np.diagonal(products, distance, 1, 2)
        np.testing.assert_allclose(diagonal, np.broadcast_to(diagonal[:, :1], diagonal.shape), rtol=1e-12)
    assert np.ptp(products) > 0.1
    back = kernels.rotary(turned[0].reshape(1, t, -1), heads, table, True, np.empty_like(q))
    np.testing.assert_allclose(back, q, rtol=1e-12)


def test_two_inputs_that_are_one_node_are_self_attention():
    x = asymmetric((2, 4, 6))
    cross, alone = Graph(Node("y", CrossAttention(3, causal=True), "input", "input")), Attention(3, causal=True)
    theta, p = parameters(alone, (4, 6))
    layout, _ = layouts(cross, (4, 6))
    both = layout.zeros(np.float64)
    parts = {"Wq": p["W"][:, :6], "bq": p["b"][:6], "Wkv": p["W"][:, 6:], "bkv": p["b"][6:], "Wo": p["Wo"], "bo": p["bo"]}
    for name, part in parts.items():
        layout.array(both, f"y.{name}")[...] = part
    dy = asymmetric((2, 4, 6), 1)
    ours, expected = run_layer(cross, x, dy, theta=both), run_layer(alone, x, dy, theta=theta)
    np.testing.assert_allclose(ours.y, expected.y, rtol=1e-12)
    np.testing.assert_allclose(ours.dx, expected.dx, rtol=1e-10)


@pytest.mark.parametrize("seed", range(6))
def test_gradients_of_random_shapes(seed):
    random = np.random.default_rng(seed)
    heads, d = int(random.integers(1, 4)), 2 * int(random.integers(1, 3))
    rotary, causal, bias = (bool(random.integers(2)) for _ in range(3))
    dropout = float(random.choice([0.0, 0.3]))
    layer = Attention(heads, causal, dropout, rotary, bias, init=Normal(0.5))
    check_layer(layer, (int(random.integers(1, 6)), heads * d), batch=2, seed=seed)
    t, s = (int(one) for one in random.integers(1, 5, 2))
    cross = Graph(
        Node("y", CrossAttention(heads, causal, dropout, bias), "x", "source", "mask"), inputs=("x", "source", "mask")
    )
    check_layer(cross, {"x": (t, heads * d), "source": (s, 3), "mask": (s,)}, batch=2, seed=seed)


@DTYPES
def test_the_bits_do_not_depend_on_the_number_of_threads(dtype):
    random = np.random.default_rng(0)
    q, k, v, dout = (random.normal(size=(2, 300, 10)).astype(dtype) for _ in range(4))
    mask, results = (random.random((2, 300)) < 0.8).astype(dtype), []
    try:
        for threads in (1, 3):
            compiled.set_num_threads(threads)
            log_sum, arrays = np.empty((2, 2, 300), dtype), [np.empty_like(q) for _ in range(4)]
            options = 2, mask, True, 0.2, 77, 3
            compiled.attention(q, k, v, *options, log_sum, arrays[0])
            compiled.attention_backward(q, k, v, *options, log_sum, arrays[0], dout, *arrays[1:])
            results.append([log_sum, *arrays])
    finally:
        compiled.set_num_threads(1)
    for one, three in zip(*results, strict=True):
        np.testing.assert_array_equal(one, three)


@FLOAT64_KERNELS
def test_dropout_keeps_the_expected_output(kernels):
    x = np.ones((1, 400, 2))
    no_mask, log_sum = np.empty((1, 0)), np.empty((1, 1, 400))
    out = kernels.attention(x, x, x, 1, no_mask, False, 0.4, 5, 0, log_sum, np.empty_like(x))
    # each output is the mean of 400 numbers of variance rate/(1 − rate), the mean of all outputs that of 160,000
    assert abs(out.mean() - 1) < 5 * math.sqrt(0.4 / 0.6) / 400
    assert 0.5 < out[..., 0].std() / (math.sqrt(0.4 / 0.6) / 20) < 2
    np.testing.assert_allclose(log_sum, math.sqrt(2) + math.log(400))


def test_the_memory_of_a_context_grows_linearly():
    def kept(t):
        layer = Attention(2, causal=True)
        theta, _ = parameters(layer, (t, 8))
        params, running = layouts(layer, (t, 8))
        state = ShardState(compiled)
        state.training = state.backward_follows = True
        context = Context(state, running.views(running.zeros(np.float32)))
        layer.forward(params.views(theta.astype(np.float32)), np.ones((1, t, 8), np.float32), context)
        return sum(array.nbytes for array in context.kept)

    assert kept(2048) == 2 * kept(1024)


def test_layers_with_dropout_are_recorded_in_python():
    assert Attention(2).records
    assert not Attention(2, dropout=0.1).records
    assert not CrossAttention(2, dropout=0.1).records


def test_errors():
    with pytest.raises(ShapeError, match=r"divides the 10 columns of its input among 4 heads.*use 1, 2, 5 or 10 heads"):
        Attention(4).build((3, 10))
    with pytest.raises(ShapeError, match=r"each head has 3 of the 12: use 1, 2, 3 or 6 heads"):
        Attention(4, rotary=True).build((3, 12))
    with pytest.raises(ShapeError, match=r"expects sequences \(time, features\), got \(10,\); put an Embedding before it"):
        Attention(2).build((10,))
    with pytest.raises(ConfigError, match="heads must be at least 1"):
        Attention(0)
    with pytest.raises(ConfigError, match=r"Attention\(heads=2\).*CrossAttention\(heads\) reads queries from one node"):
        Graph(Node("y", Attention(2), "input", "input"))
    for inputs, message in (
        ({"a": (3, 4)}, "expects two inputs, for queries and for keys and values, and optionally a mask; got 1"),
        ({"a": (3, 4), "b": (4,)}, r"expects two sequences \(time, features\), got \(3, 4\) and \(4,\)"),
        ({"a": (3, 4), "b": (5, 4), "c": (3,)}, r"expects a mask \(5,\) as its third input.*got \(3,\); 0 is padding"),
        ({"a": (3, 5), "b": (5, 4)}, "divides the 5 columns of its input among 2 heads"),
    ):
        with pytest.raises(ShapeError, match=message):
            CrossAttention(2).build(list(inputs.values()))
    assert Sequential(Identity(), Attention(2)).build((3, 4)).shape == (3, 4)
