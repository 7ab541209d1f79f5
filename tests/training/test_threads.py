"""The number of threads of a step: the rule, the cores of the process, and limits on BLAS that nest."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from pellucid import (
    SGD,
    Chain,
    ClipNorm,
    CrossEntropy,
    Dense,
    Layer,
    LayerSpec,
    MeanSquaredError,
    Residual,
    Sequential,
    Softmax,
    kernels,
)
from pellucid.losses.from_function import as_loss
from pellucid.training import blas, threads
from pellucid.training.state import ModelState
from pellucid.training.threads import MIN_WORK_BLAS, MIN_WORK_POOL, Threads, choose_threads


def blas_threads():
    return max(library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas")


def read_again(monkeypatch):
    """Forget the number of cores that was read last."""
    monkeypatch.setattr(threads, "_allowed", threads._Allowed(1, -math.inf))


@pytest.fixture
def eight_cores(monkeypatch):
    monkeypatch.setattr(threads, "available_cores", lambda: 8)


def test_compiled_kernels_use_their_pool_where_a_step_is_long_enough(eight_cores):
    compiled = kernels.load("compiled")
    assert choose_threads(MIN_WORK_POOL // 10, 0, 10, compiled) == Threads(pool=8)
    assert choose_threads(MIN_WORK_POOL // 10, 0, 9, compiled) == Threads()
    assert choose_threads(1, MIN_WORK_POOL, 1, compiled) == Threads(pool=8), "the update of many parameters counts, too"
    for deterministic in (False, True):
        threads_used = choose_threads(MIN_WORK_BLAS, 0, 10, compiled, deterministic=deterministic)
        assert threads_used == Threads(pool=8), "BLAS is never used with a second thread beside the pool"


def test_reference_kernels_leave_the_threads_to_blas(eight_cores):
    reference = kernels.load("reference")
    assert choose_threads(MIN_WORK_BLAS // 10, 0, 10, reference) == Threads(blas=8)
    assert choose_threads(MIN_WORK_BLAS // 10, 10 * MIN_WORK_BLAS, 9, reference) == Threads()
    assert choose_threads(MIN_WORK_BLAS, 0, 10, reference, deterministic=True) == Threads(), "its bits depend on its threads"


def test_a_model_reports_the_threads_of_a_step(eight_cores):
    network = Sequential(Dense(100), Softmax())  # 100,000 multiply-adds and 100,100 parameters
    assert str(network.compile((1000,), CrossEntropy()).threads(500)) in ("8 threads", "8 BLAS threads")
    assert (str(Threads()), str(Threads(pool=2)), str(Threads(blas=2))) == ("1 thread", "2 threads", "2 BLAS threads")
    state = ModelState(network, (1000,), CrossEntropy(), SGD(0.1), 0, kernels.load("compiled"))
    assert state.threads(1) == Threads(pool=8, blas=None), "nothing calls BLAS"
    assert state.prediction_threads(1) == Threads(blas=None), "prediction updates no parameters"
    assert state.prediction_threads(2) == Threads(pool=8, blas=None)


@dataclass(frozen=True)
class Foreign(Layer):
    def build(self, shape):
        return LayerSpec(shape)

    def forward(self, p, x, ctx):
        return x @ np.eye(x.shape[1], dtype=x.dtype)

    def backward(self, p, g, dy, ctx):
        return dy


@dataclass(frozen=True)
class ForeignRule(SGD):
    pass


@pytest.mark.parametrize(
    ("layers", "loss", "optimizer"),
    [
        ([Foreign(), Dense(3), Softmax()], CrossEntropy(), SGD(0.1)),
        ([Residual(Sequential(Dense(4), Foreign())), Dense(3), Softmax()], CrossEntropy(), SGD(0.1)),
        ([Dense(3)], as_loss(lambda z, y: (np.square(z - y).sum(axis=1), 2 * (z - y))), SGD(0.1)),
        ([Dense(3), Softmax()], CrossEntropy(), Chain(ClipNorm(1.0), ForeignRule(0.1))),
    ],
    ids=["layer", "layer in a composite", "loss", "rule in a chain"],
)
def test_blas_is_limited_where_code_of_others_may_call_it(eight_cores, layers, loss, optimizer):
    state = ModelState(Sequential(*layers), (4,), loss, optimizer, 0, kernels.load("compiled"))
    assert state.threads(1_000_000) == Threads(pool=8, blas=1)


def test_the_limit_on_blas_ends_with_the_block():
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        with Threads(blas=1).applied(kernels.load("reference")):
            assert blas_threads() == 1
        assert blas_threads() == before


def test_the_pool_of_the_kernels_gets_its_threads():
    class Pool:
        threads = 0

        def set_num_threads(self, count):
            self.threads = count

    pool = Pool()
    with Threads(pool=3).applied(pool):
        assert pool.threads == 3
        assert blas_threads() == 1
    with Threads(blas=2).applied(pool):
        assert pool.threads == 1


def test_cores_are_shared_by_the_processes_that_may_run_on_them(monkeypatch):
    monkeypatch.setattr(threads, "_cpu_quota", lambda: None)
    eight, low, high = frozenset(range(8)), frozenset(range(4)), frozenset(range(4, 8))
    for own, masks, cores in (
        (eight, [eight], 8),
        (eight, [eight, eight, eight], 2),
        (low, [low, high], 4),
        (low, [low, high, eight], 2),
        (low, 5 * [low], 1),
    ):
        assert threads.share_of_cores(own, masks) == cores
    monkeypatch.setattr(threads, "_cpu_quota", lambda: 6)
    assert threads.share_of_cores(low, [low, high]) == 3
    assert threads.share_of_cores(low, [low, high, high, high]) == 1
    read_again(monkeypatch)
    assert threads.available_cores() <= 6


def test_limits_on_blas_threads_may_overlap_in_any_order():
    with threadpool_limits(2, user_api="blas"):
        fit, predict = blas.limited(1), blas.limited(1)
        before = blas_threads()
        fit.__enter__()
        predict.__enter__()
        assert blas_threads() == 1
        fit.__exit__()
        assert blas_threads() == 1, "the other block is still active"
        predict.__exit__()
        assert blas_threads() == before


def test_each_thread_may_limit_blas():
    """threadpoolctl 3.8 leaves that to one thread at a time."""
    has_set, end = threading.Event(), threading.Event()

    def train_elsewhere():
        with blas.limited(1):
            pass
        limits = threadpool_limits(2, user_api="blas")
        has_set.set()
        end.wait()
        limits.restore_original_limits()

    thread = threading.Thread(target=train_elsewhere)
    thread.start()
    try:
        assert has_set.wait(60)
        with blas.limited(1):
            assert blas_threads() == 1
        assert blas_threads() == 2
    finally:
        end.set()
        thread.join()


def test_a_number_of_threads_that_other_code_sets_in_a_block_remains():
    with threadpool_limits(2, user_api="blas"):
        with blas.limited(1):
            threadpool_limits(3, user_api="blas")
        assert blas_threads() == 3


@pytest.mark.parametrize(("quota", "cores"), [("100000 100000", 1), ("50000 100000", 1), ("250000 100000", 2)])
def test_the_quota_of_a_container_limits_the_cores(monkeypatch, tmp_path, quota, cores):
    monkeypatch.setattr(threads, "CPU_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _: range(8), raising=False)
    for content, expected in ((None, 8), ("max 100000", 8), ("nonsense", 8), (quota, cores)):
        threads._cpu_quota.cache_clear()
        read_again(monkeypatch)
        if content is not None:
            (tmp_path / "cpu.max").write_text(content + "\n")
        assert threads.available_cores() == expected
    threads._cpu_quota.cache_clear()


def test_a_process_can_be_limited_to_fewer_cores(monkeypatch):
    monkeypatch.setattr(threads, "_cpu_quota", lambda: None)
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _: range(8), raising=False)
    read_again(monkeypatch)
    try:
        threads.limit_threads(3)
        assert threads.available_cores() == 3
        threads.limit_threads(20)
        assert threads.available_cores() == 8
    finally:
        threads.limit_threads(None)
    assert threads.available_cores() == 8


def test_the_cores_are_read_again_after_a_while(monkeypatch):
    cores, now = [8], [100.0]
    monkeypatch.setattr(threads, "_cpu_quota", lambda: None)
    monkeypatch.setattr(threads, "affinity", lambda: frozenset(range(cores[0])))
    monkeypatch.setattr(threads.time, "monotonic", lambda: now[0])
    read_again(monkeypatch)
    assert threads.available_cores() == 8
    cores[0] = 2
    assert threads.available_cores() == 8
    now[0] += threads.MASK_SECONDS
    assert threads.available_cores() == 2


@pytest.mark.parametrize("deterministic", [False, True])
def test_a_deterministic_training_asks_for_its_threads(deterministic, monkeypatch):
    asked, choose = [], ModelState.threads
    monkeypatch.setattr(
        ModelState, "threads", lambda state, size, **options: asked.append((size, options)) or choose(state, size, **options)
    )
    model = Sequential(Dense(1)).compile((3,), MeanSquaredError())
    model.fit(np.ones((8, 3), np.float32), np.arange(8.0), batch_size=4, deterministic=deterministic)
    assert (4, {"deterministic": deterministic}) in asked


def test_a_library_that_is_imported_later_is_limited_too():
    code = (
        "import numpy, sys\n"
        "from pellucid.training import blas\n"
        "from threadpoolctl import threadpool_info, threadpool_limits\n"
        "with blas.limited(1): pass\n"
        "import scipy.linalg\n"
        "with threadpool_limits(2, user_api='blas'), blas.limited(1):\n"
        "    print([one['num_threads'] for one in threadpool_info() if one['user_api'] == 'blas'])\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert set(json.loads(found)) == {1}


def test_a_blas_that_threadpoolctl_does_not_know_is_named_as_numpy_was_built_with_it(monkeypatch):
    """Accelerate, which NumPy's wheels for macOS 14 and later use."""
    built = {"Build Dependencies": {"blas": {"name": "accelerate", "found": True, "version": "unknown"}}}
    monkeypatch.setattr(blas, "_libraries", list)
    monkeypatch.setattr(np, "show_config", lambda mode: built)
    assert blas.describe() == "accelerate (its threads cannot be limited)"
    with blas.limited(1):
        assert blas.describe() == "accelerate (its threads cannot be limited)"
    openblas = {"filepath": "/scipy/.dylibs/libopenblas.dylib", "internal_api": "openblas", "version": "0.3.28"}
    of_scipy = [SimpleNamespace(**openblas, get_num_threads=lambda: 1)]
    monkeypatch.setattr(blas, "_libraries", lambda: of_scipy)
    assert blas.describe() == "accelerate (its threads cannot be limited)", "SciPy has one of its own"
    built["Build Dependencies"]["blas"]["name"] = "cblas"
    assert blas.describe() == "openblas 0.3.28", "of the system, for NumPy too"
    monkeypatch.setattr(blas, "_libraries", list)
    monkeypatch.setattr(np, "show_config", lambda mode: {})
    assert blas.describe() == "unknown (its threads cannot be limited)"
