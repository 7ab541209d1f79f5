"""Tests of matrix products: they match NumPy for all shapes, transposed operands and numbers of threads."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.kernels.compiled.matmul import matmul
from pellucid.kernels.compiled.thread_pool import set_num_threads
from tests.kernels.dtypes import DTYPES

NO_FLOOR = -np.inf


def shapes():
    random = np.random.default_rng(1)
    sizes = [(1, 1, 1), (1, 784, 256), (4, 784, 256), (130, 300, 70), (513, 9, 10), (24, 0, 5), (0, 7, 8), (7, 8, 0)]
    thin = [(784, 4, 256), (130, 8, 81), (50, 1, 33), (3, 7, 5), (1, 0, 40), (7, 300, 55), (16, 40, 100), (2, 17, 64)]
    return [*sizes, *thin, *map(tuple, random.integers(1, 200, (25, 3)).tolist())]


def multiply(A, B, S, floor, form, out):
    """Return out = max(S + A B, floor); ``form`` names the operands that are transposed in memory."""
    (M, K), N = A.shape, B.shape[1]
    A, A_strides = (A.T.copy(), (1, M)) if "A" in form else (A, (K, 1))
    B, B_strides = (B.T.copy(), (1, K)) if "B" in form else (B, (N, 1))
    S_stride = 0 if S.ndim == 1 else N
    matmul(A.ravel(), A_strides, B.ravel(), B_strides, S.ravel(), S_stride, out.reshape(-1), (M, N, K), floor)
    return out


@pytest.mark.parametrize("form", ["", "A", "B"])
@DTYPES
def test_matmul_matches_numpy(dtype, form):
    random = np.random.default_rng(0)
    for M, K, N in shapes():
        A, B, b = (random.normal(size=size).astype(dtype) for size in ((M, K), (K, N), (N,)))
        wanted = A.astype(np.float64) @ B + b
        size = np.abs(A) @ np.abs(B) + np.abs(b)
        room = np.full((M + 2, N), 7, dtype)  # the rows around the result must not change
        for start, floor, exact in (
            (b, NO_FLOOR, wanted),
            (b, 0, np.maximum(wanted, 0)),
            (wanted.astype(dtype), NO_FLOOR, 2 * wanted - b),
        ):
            results = []
            for threads in (1, 3):
                set_num_threads(threads)
                got = multiply(A, B, start, dtype(floor), form, room[1:-1])
                results.append(got.copy())
            assert np.abs(got - exact).max(initial=0) <= 1e-12 or (np.abs(got - exact) <= size * np.finfo(dtype).eps * 8).all()
            np.testing.assert_array_equal(*results)
            assert (room[[0, -1]] == 7).all()


# a single row; few rows and a large B, read in place; slabs of B, with a transposed A that is read in place and that is copied;
# rows of B that are so long that they are packed first, and others that the tile packs; a transposed A whose rows begin at few
# places in the sets of a cache
LARGE = [
    (1, 1030, 700),
    (1, 3, 140),
    (30, 70, 2100),
    (30, 600, 300),
    (3, 4097, 2050),
    (250, 600, 450),
    (241, 1030, 521),
    (256, 35, 300),
    (512, 130, 260),
    (1025, 1024, 530),
]


@pytest.mark.parametrize("shape", LARGE, ids=str)
@pytest.mark.parametrize("form", ["", "A", "B"])
def test_large_products_match_numpy_with_any_number_of_threads(shape, form):
    random, (M, K, N) = np.random.default_rng(2), shape
    A, B, S = (random.integers(-3, 4, size).astype(np.float32) for size in ((M, K), (K, N), (M, N)))  # their sums are exact
    room = np.full((M + 2, N), 7, np.float32)  # the rows around the result must not change
    for start, floor in ((S[0], 0), (S, NO_FLOOR)):
        for threads in (1, 3):
            set_num_threads(threads)
            got = multiply(A, B, start, np.float32(floor), form, room[1:-1])
            np.testing.assert_array_equal(got, np.maximum(A @ B + start, floor))
            assert (room[[0, -1]] == 7).all()


@pytest.mark.parametrize("form", ["", "A", "B"])
def test_the_order_of_sums_is_the_same_in_slabs_and_in_parts(form):
    random = np.random.default_rng(3)
    A, B, b = (random.normal(size=size).astype(np.float32) for size in ((1025, 1100), (1100, 530), (530,)))
    whole = multiply(A, B, b, np.float32(0), form, np.empty((1025, 530), np.float32))
    part = multiply(A[:30], B[:, :96], b[:96], np.float32(0), form, np.empty((30, 96), np.float32))
    np.testing.assert_array_equal(whole[:30, :96], part)


@pytest.mark.parametrize("shape", [(1, 9, 140), (700, 8, 140), (30, 70, 140), (3, 4097, 2050), (1025, 1024, 530)], ids=str)
@pytest.mark.parametrize("form", ["", "A", "B"])
def test_nan_and_infinity_pass_through_large_products(shape, form):
    M, K, N = shape
    A, B = np.ones((M, K), np.float32), np.ones((K, N), np.float32)
    B[K - 1, 7], B[1, 9], B[2, 11], B[5, 13], B[K - 1, 13] = np.nan, np.inf, -np.inf, np.inf, -np.inf
    out = multiply(A, B, np.zeros(N, np.float32), np.float32(0), form, np.empty((M, N), np.float32))
    assert np.isnan(out[:, [7, 13]]).all()
    assert (out[:, 9] == np.inf).all()
    assert (out[:, 11] == 0).all()
    assert (np.delete(out, [7, 9, 11, 13], axis=1) == K).all()


@DTYPES
def test_the_bits_of_a_row_do_not_depend_on_the_other_rows(dtype):
    random = np.random.default_rng(2)
    for K, N in ((784, 256), (300, 135), (50, 10), (9, 64), (400, 81)):
        A, B, b = (random.normal(size=size).astype(dtype) for size in ((30, K), (K, N), (N,)))
        whole = multiply(A, B, b, dtype(0), "", np.empty((30, N), dtype))
        for M in range(1, 7):
            out = np.full((M + 1, N), 7, dtype)
            np.testing.assert_array_equal(multiply(A[:M], B, b, dtype(0), "", out[:M]), whole[:M])
            assert (out[M] == 7).all()


def test_nan_and_infinity_pass_through():
    A = np.ones((30, 40))
    A[3, 5], A[20, 1] = np.nan, np.inf
    out = multiply(A, np.ones((40, 33)), np.zeros(33), 0.0, "", np.empty((30, 33)))
    assert np.isnan(out[3]).all()
    assert (out[20] == np.inf).all()
    assert np.isfinite(np.delete(out, [3, 20], axis=0)).all()
