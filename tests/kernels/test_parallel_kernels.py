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
