"""Tests of kernels in several threads: they match the reference, with the same bits for any number of threads."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.kernels import compiled, reference
from pellucid.kernels.window import Window


def pooled_and_normalized(kernels, x, dy):
    """Return the results of all kernels of pooling and normalization, by name."""
    c, results = x.shape[-1], {}
    rows, scale = x.size // c, np.linspace(0.5, 1.5, c)
    gamma, beta = scale.astype(x.dtype), (scale - 1).astype(x.dtype)
    for window in (Window(2, 2, 2, 2), Window(3, 3, 2, 2, 1, 1), Window(2, 3, 3, 4)):
        size = [(x.shape[1 + i] + 2 * window[4 + i] - window[i]) // window[2 + i] + 1 for i in (0, 1)]
        y, indices = np.empty((len(x), *size, c), x.dtype), np.empty((len(x), *size, c), np.uint8)
        results[f"maximum {window}"] = kernels.max_pool(x, window, y, indices)
        results[f"maximum backward {window}"] = kernels.max_pool_backward(y, indices, window, np.full_like(x, 7))
        results[f"average {window}"] = kernels.average_pool(x, window, np.empty_like(y))
        results[f"average backward {window}"] = kernels.average_pool_backward(y, window, np.full_like(x, 7))
    results["global average"] = kernels.global_average_pool(x, np.empty((len(x), c), x.dtype))
    results["global average backward"] = kernels.global_average_pool_backward(dy[:, 0, 0].copy(), np.full_like(x, 7))
    mean, m2 = results["moments"] = np.empty((2, c))
    kernels.moments(x, mean, m2)
    y = results["normalize relu"] = kernels.normalize_relu(x, mean, scale, gamma, beta, np.empty_like(x))
    results["normalize"] = kernels.normalize(x, mean, scale, gamma, beta, np.empty_like(x))
    masked, sums, others = dy.copy(), np.empty((2, c), x.dtype), np.empty((2, c), x.dtype)
    kernels.normalize_relu_backward(x, y, mean, scale, masked, *sums)
    kernels.normalize_backward(x, mean, scale, dy, *others)
    results |= {"masked": masked, "sums": sums, "sums without relu": others}
    for name, out in (("other array", np.empty_like(dy)), ("in place", masked.copy())):
        upstream = out if name == "in place" else masked
        results[name] = kernels.normalize_input_gradient(x, mean, scale, gamma, upstream, mean, scale, out)
    row_statistics, sums = np.empty((2, rows), x.dtype), np.empty((2, c), x.dtype)
    results["layer norm"] = kernels.layer_norm(x, gamma, beta, 1e-3, np.empty_like(x), *row_statistics)
    results["layer norm backward"] = kernels.layer_norm_backward(x, gamma, *row_statistics, dy, *sums, np.empty_like(x))
    out = dy.copy()
    results["layer norm backward in place"] = kernels.layer_norm_backward(x, gamma, *row_statistics, out, *sums, out)
    return results | {"statistics of rows": row_statistics, "layer norm sums": sums}


@pytest.mark.parametrize("shape", [(50, 13, 12, 24), (3, 60, 61, 40), (900, 7, 6, 3)])
def test_pooling_and_normalization_match_the_reference_for_any_number_of_threads(shape):
    x, dy = np.random.default_rng(0).normal(1, 1, (2, *shape)).astype(np.float32)
    expected, results = pooled_and_normalized(reference, x, dy), []
    for threads in (1, 3):
        compiled.set_num_threads(threads)
        results.append(pooled_and_normalized(compiled, x, dy))
    for name, array in expected.items():
        np.testing.assert_allclose(results[0][name], array, rtol=1e-4, atol=1e-4, err_msg=name)
        np.testing.assert_array_equal(results[0][name], results[1][name], err_msg=name)
    np.testing.assert_array_equal(results[0]["other array"], results[0]["in place"])


def test_in_place_gives_the_same_as_a_separate_array():
    y, dy = np.random.default_rng(0).normal(size=(2, 300, 130)).astype(np.float32)
    calls = [
        lambda dy, out: compiled.relu_gradient(y, dy, out),
        lambda dy, out: compiled.sigmoid_gradient(y, dy, out),
        lambda dy, out: compiled.tanh_gradient(y, dy, out),
        lambda dy, out: compiled.softmax_gradient(y, dy, out),
        lambda dy, out: compiled.dropout(dy, 77, 3, 0.4, out),
    ]
    for call in calls:
        out = dy.copy()
        np.testing.assert_array_equal(call(out, out), call(dy, np.empty_like(dy)))


def test_rows_of_the_softmax_loss_do_not_depend_on_the_number_of_threads():
    random = np.random.default_rng(0)
    z, labels = random.normal(0, 3, (9000, 3)).astype(np.float32), random.integers(0, 3, 9000)
    weights, results = random.random(9000).astype(np.float32), []
    for kernels, threads in ((reference, 1), (compiled, 1), (compiled, 3)):
        kernels.set_num_threads(threads)
        a, dz = np.empty_like(z), np.empty_like(z)
        results.append((kernels.softmax_cross_entropy_labels(z, labels, weights, 0.1, 0.0, a, dz), a, dz))
    wanted, one, three = results
    assert one[0] == three[0] == pytest.approx(wanted[0], rel=1e-6)
    for array, same, exact in zip(one[1:], three[1:], wanted[1:], strict=True):
        np.testing.assert_array_equal(array, same)
        np.testing.assert_allclose(array, exact, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_sequences_of_a_small_batch_have_the_bits_of_a_large_one(cell):
    n, time, units, features = 33, 3, 20, 5
    random = np.random.default_rng(0)

    def run(n):
        hx, gates = np.zeros((time + 1, n, units + features), np.float32), np.empty((time, n, 4 * units), np.float32)
        c, y = np.zeros((time + 1, n, units), np.float32), np.empty((n, time, units), np.float32)
        mask, m = np.ones((n, time), bool), np.empty((n, 0), np.float32)
        compiled.recurrent(cell, x[:n], V, b, mask, m, hx, gates, c, y)
        dx, none = np.empty((n, time, features), np.float32), np.empty((n, 0, units), np.float32)
        compiled.recurrent_backward(cell, V, mask, m, hx, gates, c, y.copy(), none, dx, none)
        return y, dx, gates.swapaxes(0, 1)

    x = random.normal(size=(n, time, features)).astype(np.float32)
    V, b = random.normal(size=(units + features, 4 * units)).astype(np.float32), np.zeros(4 * units, np.float32)
    for small, large in zip(run(19), run(33), strict=True):
        np.testing.assert_array_equal(small, large[:19])
