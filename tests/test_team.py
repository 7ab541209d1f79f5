"""Threads inside kernels: every piece is done once, whoever does it, and the bits do not depend on it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from pellucid.kernels import compiled, reference
from pellucid.kernels.compiled import team
from pellucid.kernels.compiled.jit import jit
from pellucid.kernels.compiled.products import product
from pellucid.kernels.compiled.team import ready, share
from pellucid.kernels.window import Window

THREADS = pytest.mark.parametrize("threads", [1, 2, 4])
NONE = -np.inf


@jit
def _mark(done, n, piece):
    for i in range(n):  # some work, so that others have the time to take a piece
        done[piece] += i
    done[piece] += 1 - n * (n - 1) // 2


@jit
def mark(done, n, pieces):
    share(_mark, (done, n), pieces)


@THREADS
@pytest.mark.parametrize("pieces", [0, 1, 2, 3, 40, 1000])
def test_each_piece_is_done_once(threads, pieces):
    done = np.zeros(1000, np.int64)
    for turn in range(200):
        ready(threads)
        mark(done, 50, pieces)
        assert (done[:pieces] == turn + 1).all()
    assert not done[pieces:].any()


def test_several_callers_at_once():
    arrays = [np.zeros(20, np.int64) for _ in range(4)]

    def work(done):
        for _ in range(300):
            ready(3)
            mark(done, 200, 20)

    threads = [threading.Thread(target=work, args=(done,)) for done in arrays]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    for done in arrays:
        assert (done == 300).all()


def test_several_threads_may_call_the_team_together():
    before, interval = len(team._threads), sys.getswitchinterval()
    together = threading.Barrier(8)

    def call():
        together.wait()
        ready(before + 4)

    sys.setswitchinterval(1e-6)
    try:
        callers = [threading.Thread(target=call) for _ in range(8)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(60)
    finally:
        sys.setswitchinterval(interval)
    assert len(team._threads) == before + 3
    assert all_asleep(), "two threads share one place, and one of them never sleeps"


def all_asleep():
    deadline = time.monotonic() + 20
    while team.asleep() < len(team._threads) and time.monotonic() < deadline:
        time.sleep(0.01)
    return team.asleep() == len(team._threads)


def test_sleepers_are_woken_by_work():
    ready(3)
    assert all_asleep(), "threads with nothing to do go on looking"
    done = np.zeros(50, np.int64)
    mark(done, 1000, 1)
    assert all_asleep(), "one piece is not worth waking anybody for"
    for _ in range(100):  # on a busy machine those that were woken may sleep again before they are counted
        done[:] = 0
        mark(done, 1000, 50)
        assert (done == 1).all()
        if team.asleep() == len(team._threads) - 2:
            break
    else:
        pytest.fail("two sleepers are never awake after work for three")
    assert all_asleep()
    ready(1)
    mark(done, 1000, 50)
    assert all_asleep(), "called although one thread was asked for"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_has_a_team_of_its_own():
    code = """
import os, numpy as np
from pellucid.kernels import compiled, reference
compiled.ready(2)
x = np.random.default_rng(0).random((300, 300))
wanted = compiled.affine(x, x, x[0], np.empty_like(x))
child = os.fork()
compiled.ready(2)
same = np.array_equal(compiled.affine(x, x, x[0], np.empty_like(x)), wanted)
if child == 0:
    os._exit(0 if same else 1)
assert same and os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-W", "ignore::DeprecationWarning", "-c", code], check=True, timeout=120)


def shapes():
    random = np.random.default_rng(1)
    sizes = [(1, 1, 1), (1, 784, 256), (4, 784, 256), (130, 300, 70), (513, 9, 10), (24, 0, 5), (0, 7, 8), (7, 8, 0)]
    return [*sizes, *map(tuple, random.integers(1, 200, (25, 3)).tolist())]


def multiply(A, B, S, floor, form, out):
    """out = max(S + A B, floor); ``form`` says which of A and B lie transposed in memory."""
    (M, K), N = A.shape, B.shape[1]
    A, am, ak = (A.T.copy(), 1, M) if "A" in form else (A, K, 1)
    B, bk, bn = (B.T.copy(), 1, K) if "B" in form else (B, N, 1)
    product(A.ravel(), am, ak, B.ravel(), bk, bn, S.ravel(), 0 if S.ndim == 1 else N, out.reshape(-1), M, N, K, floor)
    return out


@pytest.mark.parametrize("form", ["", "A", "B"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products(dtype, form):
    random = np.random.default_rng(0)
    for M, K, N in shapes():
        A, B, b = (random.normal(size=size).astype(dtype) for size in ((M, K), (K, N), (N,)))
        wanted = A.astype(np.float64) @ B + b
        size = np.abs(A) @ np.abs(B) + np.abs(b)
        room = np.full((M + 2, N), 7, dtype)  # what lies around the result is left alone
        for start, floor, exact in (
            (b, NONE, wanted),
            (b, 0, np.maximum(wanted, 0)),
            (wanted.astype(dtype), NONE, 2 * wanted - b),
        ):
            results = []
            for threads in (1, 3):
                ready(threads)
                got = multiply(A, B, start, dtype(floor), form, room[1:-1])
                results.append(got.copy())
            assert np.abs(got - exact).max(initial=0) <= 1e-12 or (np.abs(got - exact) <= size * np.finfo(dtype).eps * 8).all()
            np.testing.assert_array_equal(*results)
            assert (room[[0, -1]] == 7).all()


def test_nan_and_infinity_go_through_products():
    A = np.ones((30, 40))
    A[3, 5], A[20, 1] = np.nan, np.inf
    out = multiply(A, np.ones((40, 33)), np.zeros(33), 0.0, "", np.empty((30, 33)))
    assert np.isnan(out[3]).all()
    assert (out[20] == np.inf).all()
    assert np.isfinite(np.delete(out, [3, 20], axis=0)).all()


@THREADS
def test_the_bits_of_a_step_do_not_depend_on_the_threads(threads):
    random = np.random.default_rng(0)
    x, W, b = (random.normal(size=size).astype(np.float32) for size in ((200, 300), (300, 90), (90,)))

    def step():
        y = compiled.affine_relu(x, W, b, np.empty((200, 90), np.float32))
        dW, db, dy = np.empty_like(W), np.empty_like(b), y - 1
        compiled.affine_relu_backward(x, y, dy, dW, db)
        dx = compiled.affine_input_gradient(dy, W, np.empty_like(x))
        return y, dW, db, dx, np.array(compiled.sum_of_squares(dW.ravel()))

    ready(1)
    assert all_asleep()
    alone = step()
    ready(threads)
    for one, other in zip(alone, step(), strict=True):
        np.testing.assert_array_equal(one, other)


def pooled_and_normalized(kernels, x, dy):
    """What all kernels of pooling and normalization make of pictures that fill several pieces, by name."""
    c, found = x.shape[-1], {}
    rows, figures = x.size // c, np.linspace(0.5, 1.5, c)
    gamma, beta = figures.astype(x.dtype), (figures - 1).astype(x.dtype)
    for window in (Window(2, 2, 2, 2), Window(3, 3, 2, 2, 1, 1), Window(2, 3, 3, 4)):
        size = [(x.shape[1 + i] + 2 * window[4 + i] - window[i]) // window[2 + i] + 1 for i in (0, 1)]
        y, chosen = np.empty((len(x), *size, c), x.dtype), np.empty((len(x), *size, c), np.uint8)
        found[f"maximum {window}"] = kernels.max_pool(x, window, y, chosen)
        found[f"maximum back {window}"] = kernels.max_pool_backward(y, chosen, window, np.full_like(x, 7))
        found[f"average {window}"] = kernels.average_pool(x, window, np.empty_like(y))
        found[f"average back {window}"] = kernels.average_pool_backward(y, window, np.full_like(x, 7))
    found["means"] = kernels.global_average_pool(x, np.empty((len(x), c), x.dtype))
    found["means back"] = kernels.global_average_pool_backward(dy[:, 0, 0].copy(), np.full_like(x, 7))
    mean, m2 = found["moments"] = np.empty((2, c))
    kernels.moments(x, mean, m2)
    y = found["relu"] = kernels.normalize_relu(x, mean, figures, gamma, beta, np.empty_like(x))
    found["plain"] = kernels.normalize(x, mean, figures, gamma, beta, np.empty_like(x))
    masked, sums, others = dy.copy(), np.empty((2, c), x.dtype), np.empty((2, c), x.dtype)
    kernels.normalize_relu_backward(x, y, mean, figures, masked, *sums)
    kernels.normalize_backward(x, mean, figures, dy, *others)
    found |= {"masked": masked, "sums": sums, "other sums": others}
    for name, out in (("beside", np.empty_like(dy)), ("in place", masked.copy())):
        given = out if name == "in place" else masked
        found[name] = kernels.normalize_input_gradient(x, mean, figures, gamma, given, mean, figures, out)
    of_rows, sums = np.empty((2, rows), x.dtype), np.empty((2, c), x.dtype)
    found["rows"] = kernels.layer_norm(x, gamma, beta, 1e-3, np.empty_like(x), *of_rows)
    found["rows back"] = kernels.layer_norm_backward(x, gamma, *of_rows, dy, *sums, np.empty_like(x))
    out = dy.copy()
    found["rows in place"] = kernels.layer_norm_backward(x, gamma, *of_rows, out, *sums, out)
    return found | {"of rows": of_rows, "sums of rows": sums}


@pytest.mark.parametrize("shape", [(50, 13, 12, 24), (3, 60, 61, 40), (900, 7, 6, 3)])
def test_pieces_of_pictures_are_the_references_whoever_does_them(shape):
    x, dy = np.random.default_rng(0).normal(1, 1, (2, *shape)).astype(np.float32)
    wanted, found = pooled_and_normalized(reference, x, dy), []
    for threads in (1, 3):
        ready(threads)
        found.append(pooled_and_normalized(compiled, x, dy))
    for name, array in wanted.items():
        np.testing.assert_allclose(found[0][name], array, rtol=1e-4, atol=1e-4, err_msg=name)
        np.testing.assert_array_equal(found[0][name], found[1][name], err_msg=name)
    np.testing.assert_array_equal(found[0]["beside"], found[0]["in place"])


def test_in_place_is_as_beside_it():
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
