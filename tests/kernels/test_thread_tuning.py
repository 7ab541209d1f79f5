"""The number of threads of replays of little work: found by their times, with a clock and times that the test sets."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from pellucid import Conv2D, CrossEntropy, Dense, Flatten, ReLU, Sequential, Softmax
from pellucid.kernels.compiled import thread_pool, thread_tuning
from pellucid.kernels.compiled.thread_pool import MAX_THREADS, NUM_THREADS, set_num_threads
from pellucid.kernels.compiled.thread_tuning import ThreadTuner
from pellucid.training import threads as training_threads

MICROSECOND = 1e-6


class Machine:
    """Replays whose time depends on the number of threads."""

    def __init__(self, monkeypatch, **microseconds: float):
        self.now, self.used, self.microseconds, self.timed = 0.0, list[int](), microseconds, 0
        monkeypatch.setattr(thread_tuning.time, "perf_counter", self.clock)

    def clock(self) -> float:
        self.timed += 1
        return self.now

    def replay(self) -> str:
        threads = int(thread_pool.cells[NUM_THREADS])
        self.used.append(threads)
        self.now += self.microseconds[f"t{threads}"] * MICROSECOND
        return "done"

    def replays(self, tuner: ThreadTuner, count: int) -> list[int]:
        """Make replays as a tape makes them. Returns their numbers of threads."""
        before = len(self.used)
        for _ in range(count):
            assert (tuner.run(self.replay) if tuner.count() else self.replay()) == "done"
        return self.used[before:]


@pytest.fixture(autouse=True)
def threads():
    set_num_threads(8)
    yield
    assert thread_pool.cells[NUM_THREADS] == thread_pool.num_threads(), "the number of threads was not restored"
    set_num_threads(1)


def share(used: list[int], threads: int) -> float:
    return used.count(threads) / len(used)


def test_the_quickest_number_is_found(monkeypatch):
    machine, tuner = Machine(monkeypatch, t8=100, t4=60, t2=40, t1=50), ThreadTuner()
    machine.replays(tuner, 2000)
    used = machine.replays(tuner, 10_000)
    assert share(used, 2) > 0.97
    assert {1, 4} & set(used), "no other number is timed any more"


def test_all_threads_are_used_where_they_are_quickest(monkeypatch):
    machine, tuner = Machine(monkeypatch, t8=40, t4=60, t2=80, t1=90), ThreadTuner()
    used = machine.replays(tuner, 10_000)
    assert share(used, 8) > 0.97
    assert set(used) == {4, 8}
    assert tuner.limit == MAX_THREADS


def test_the_number_follows_a_machine_that_changes(monkeypatch):
    machine, tuner = Machine(monkeypatch, t8=100, t4=60, t2=50, t1=40), ThreadTuner()
    machine.replays(tuner, 3000)
    assert tuner.limit == 1
    machine.microseconds = {"t8": 10.0, "t4": 20.0, "t2": 40.0, "t1": 80.0}
    machine.replays(tuner, 20_000)
    assert tuner.limit == MAX_THREADS


def test_no_number_is_tried_again_right_after_it_was_rejected(monkeypatch):
    for rejected in range(1, 5):  # trials of two threads, which take longer than one
        machine, tuner = Machine(monkeypatch, t8=100, t4=80, t2=60, t1=40), ThreadTuner()
        machine.replays(tuner, 1000 * rejected)
        assert (tuner.limit, tuner.left > 0) == (1, True), "a trial is made now"
        machine.microseconds = {"t8": 40.0, "t4": 60.0, "t2": 80.0, "t1": 110.0}
        numbers = [number for number, _ in itertools.groupby(machine.replays(tuner, 5000))]
        assert numbers[:6] == [1, 2, 4, 8, 4, 8]


def test_times_that_are_equal_change_nothing(monkeypatch):
    machine, tuner = Machine(monkeypatch, t8=50, t4=49, t2=49, t1=49), ThreadTuner()
    assert share(machine.replays(tuner, 10_000), 8) > 0.97


def test_long_replays_use_all_threads(monkeypatch):
    machine, tuner = Machine(monkeypatch, t8=1000, t4=1), ThreadTuner()
    assert set(machine.replays(tuner, 1000)) == {8}


def test_one_thread_is_not_timed(monkeypatch):
    set_num_threads(1)
    machine, tuner = Machine(monkeypatch, t1=50), ThreadTuner()
    assert set(machine.replays(tuner, 1000)) == {1}
    assert machine.now == pytest.approx(1000 * 50 * MICROSECOND)
    assert machine.timed == 0


def test_fewer_threads_than_before_are_not_exceeded(monkeypatch):
    machine, tuner = Machine(monkeypatch, t8=100, t4=60, t2=40, t1=50), ThreadTuner()
    machine.replays(tuner, 2000)
    set_num_threads(1)
    assert set(machine.replays(tuner, 5000)) == {1}


def test_a_replay_that_fails_is_not_a_result(monkeypatch):
    machine, tuner = Machine(monkeypatch, t8=100, t4=60, t2=40, t1=50), ThreadTuner()

    def fail():
        raise RuntimeError("out of memory")

    for k in range(3000):
        if k % 3 == 0 and tuner.count():
            with pytest.raises(RuntimeError):
                tuner.run(fail)
            assert thread_pool.cells[NUM_THREADS] == 8
        machine.replays(tuner, 1)
    assert tuner.limit == 2


def test_a_worker_that_wakes_up_is_not_counted(monkeypatch):
    machine, tuner = Machine(monkeypatch, t2=100, t1=50), ThreadTuner()
    set_num_threads(2)
    machine.replays(tuner, 100)
    assert tuner.limit == 1
    machine.microseconds["t2"] = 40.0

    def replay():
        machine.replay()
        machine.now += 50 * MICROSECOND if machine.used[-5:].count(2) in (1, 2, 3, 4) and machine.used[-1] == 2 else 0

    for _ in range(5000):
        if tuner.count():
            tuner.run(replay)
        else:
            replay()
    assert tuner.limit == MAX_THREADS


def test_a_tape_has_the_same_bits_while_it_is_tuned(monkeypatch):
    limits, limited = [], thread_pool.limited
    monkeypatch.setattr(thread_pool, "limited", lambda limit, function: (limits.append(limit), limited(limit, function))[1])
    monkeypatch.setattr(training_threads, "available_cores", lambda: 4)
    monkeypatch.setattr(thread_tuning, "LONGEST", math.inf)  # also on a slow machine
    network = Sequential(Conv2D(16, 3), ReLU(), Conv2D(16, 3), ReLU(), Flatten(), Dense(10), Softmax())
    model = network.compile((28, 28, 1), CrossEntropy())
    x = np.random.default_rng(0).random((1, 28, 28, 1)).astype(np.float32)
    wanted = model.predict(x)
    for _ in range(300):
        np.testing.assert_array_equal(model.predict(x), wanted)
    assert {2, 4} <= set(limits), "no other number of threads was timed"
