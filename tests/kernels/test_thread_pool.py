"""Tests of the thread pool: every task runs exactly once, for any number of threads and callers."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from pellucid.kernels import compiled
from pellucid.kernels.compiled import thread_pool
from pellucid.kernels.compiled.jit import jit
from pellucid.kernels.compiled.thread_pool import parallel_for, set_num_threads


@jit
def _mark(done, n, task):
    for i in range(n):  # some work, so that other threads have time to take a task
        done[task] += i
    done[task] += 1 - n * (n - 1) // 2


@jit
def mark(done, n, count):
    parallel_for(_mark, (done, n), count)


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 40, 1000])
def test_each_task_runs_once(threads, count):
    done = np.zeros(1000, np.int64)
    for run in range(200):
        set_num_threads(threads)
        mark(done, 50, count)
        assert (done[:count] == run + 1).all()
    assert not done[count:].any()


def test_several_callers_at_once():
    arrays = [np.zeros(20, np.int64) for _ in range(4)]

    def work(done):
        for _ in range(300):
            set_num_threads(3)
            mark(done, 200, 20)

    threads = [threading.Thread(target=work, args=(done,)) for done in arrays]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    for done in arrays:
        assert (done == 300).all()


def test_several_threads_may_set_the_number_of_threads_at_once():
    before, interval = len(thread_pool._workers), sys.getswitchinterval()
    barrier = threading.Barrier(8)

    def call():
        barrier.wait()
        set_num_threads(before + 4)

    sys.setswitchinterval(1e-6)
    try:
        callers = [threading.Thread(target=call) for _ in range(8)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(120)
    finally:
        sys.setswitchinterval(interval)
    assert len(thread_pool._workers) == before + 3
    assert all_asleep(), "two workers have the same cells, and one of them never sleeps"


def all_asleep():
    deadline = time.monotonic() + 120
    while thread_pool.num_sleeping() < len(thread_pool._workers) and time.monotonic() < deadline:
        time.sleep(0.01)
    return thread_pool.num_sleeping() == len(thread_pool._workers)


def test_tasks_wake_sleeping_workers():
    set_num_threads(3)
    assert all_asleep(), "idle workers do not sleep"
    done = np.zeros(50, np.int64)
    mark(done, 1000, 1)
    assert all_asleep(), "one task woke a worker"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:  # on a busy machine, woken workers may sleep again before they are counted
        done[:] = 0
        mark(done, 1000, 50)
        assert (done == 1).all()
        if thread_pool.num_sleeping() == len(thread_pool._workers) - 2:
            break
    else:
        pytest.fail("tasks for three threads never woke two workers")
    assert all_asleep()
    set_num_threads(1)
    mark(done, 1000, 50)
    assert all_asleep(), "a worker was woken although the number of threads is one"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_has_its_own_pool():
    code = """
import os, numpy as np
from pellucid.kernels import compiled
compiled.set_num_threads(2)
x = np.random.default_rng(0).random((300, 300))
wanted = compiled.affine(x, x, x[0], np.empty_like(x))
child = os.fork()
compiled.set_num_threads(2)
same = np.array_equal(compiled.affine(x, x, x[0], np.empty_like(x)), wanted)
if child == 0:
    os._exit(0 if same else 1)
assert same and os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-W", "ignore::DeprecationWarning", "-c", code], check=True, timeout=300)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_bits_of_a_step_do_not_depend_on_the_number_of_threads(threads):
    random = np.random.default_rng(0)
    x, W, b = (random.normal(size=size).astype(np.float32) for size in ((200, 300), (300, 90), (90,)))

    def step():
        y = compiled.affine_relu(x, W, b, np.empty((200, 90), np.float32))
        dW, db, dy = np.empty_like(W), np.empty_like(b), y - 1
        compiled.affine_relu_backward(x, y, dy, dW, db)
        dx = compiled.affine_input_gradient(dy, W, np.empty_like(x))
        return y, dW, db, dx, np.array(compiled.sum_of_squares(dW.ravel()))

    set_num_threads(1)
    assert all_asleep()
    single = step()
    set_num_threads(threads)
    for one, other in zip(single, step(), strict=True):
        np.testing.assert_array_equal(one, other)


@jit
def _log_task(order, position, n, task):
    total = 0
    for i in range(n):
        total += i * task
    order[position[0]] = task
    position[0] += 1 if total >= 0 else 0


@jit
def log_tasks(order, position, n, count):
    parallel_for(_log_task, (order, position, n), count)


def test_one_thread_runs_all_tasks_in_order_although_workers_are_awake():
    done, order, position = np.zeros(1000, np.int64), np.zeros(300, np.int64), np.zeros(1, np.int64)
    for _ in range(50):
        set_num_threads(4)
        mark(done, 50, 1000)
        set_num_threads(1)
        position[0] = 0
        log_tasks(order, position, 500, 300)
        assert position[0] == 300
        assert np.array_equal(order, np.arange(300))


@jit
def _mark_or_fail(done, bad, size, task):
    if task == bad:
        np.empty(size)
    done[task] += 1


@jit
def mark_or_fail(done, bad, size):
    parallel_for(_mark_or_fail, (done, bad, size), len(done))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("bad", [0, 17, 39])
def test_too_little_memory_in_a_task_is_an_error_of_the_kernel(threads, bad):
    set_num_threads(threads)
    for _ in range(50):  # another thread may run the task each time
        done = np.zeros(40, np.int64)
        with pytest.raises(MemoryError, match="a task of a kernel had too little memory"):
            mark_or_fail(done, bad, 1 << 58)
        assert done.tolist() == [task != bad for task in range(40)], "the other tasks have not run"
        mark_or_fail(done, bad, 1)
        assert (done >= 1).all(), "the error remains"


def threads_in_use():
    return int(thread_pool.cells[thread_pool.NUM_THREADS])


def test_limits_may_be_nested_and_end_in_any_order():
    set_num_threads(4)
    seen = []

    def inner():
        seen.append(threads_in_use())
        thread_pool.limited(1, lambda: seen.append(threads_in_use()))
        thread_pool.limited(3, lambda: seen.append(threads_in_use()))
        seen.append(threads_in_use())

    thread_pool.limited(2, inner)
    assert [*seen, threads_in_use()] == [2, 1, 2, 2, 4]
    end, begun = threading.Event(), threading.Event()

    def until_the_end():
        begun.set()
        end.wait(120)

    other = threading.Thread(target=thread_pool.limited, args=(1, until_the_end))
    thread_pool.limited(2, lambda: (other.start(), begun.wait(120)))
    assert threads_in_use() == 1
    set_num_threads(3)
    assert (threads_in_use(), thread_pool.num_threads()) == (1, 3)
    end.set()
    other.join(120)
    assert threads_in_use() == 3


def test_a_worker_that_cannot_be_started_changes_nothing(monkeypatch):
    set_num_threads(2)
    before = len(thread_pool._workers)

    class Refused(threading.Thread):
        def start(self):
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(thread_pool.threading, "Thread", Refused)
    with pytest.raises(RuntimeError, match="can't start"):
        set_num_threads(before + 2)
    monkeypatch.undo()
    assert (threads_in_use(), thread_pool.num_threads(), len(thread_pool._workers)) == (2, 2, before)
    set_num_threads(before + 2)
    assert len(thread_pool._workers) == before + 1
    assert all_asleep()
