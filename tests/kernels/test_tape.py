"""The tape: recorded calls of kernels, replayed on other values and other memory."""

from __future__ import annotations

from types import FunctionType

import numpy as np
import pytest

pytest.importorskip("numba")

from pellucid.kernels import compiled
from pellucid.kernels.compiled import tape as tape_module
from pellucid.kernels.compiled.jit import jit
from pellucid.kernels.compiled.tape import FLOATS, NotRecordable, Tape
from pellucid.kernels.prebuilt import NotPrebuilt
from pellucid.kernels.window import Window

pytestmark = pytest.mark.skipif(not tape_module.is_supported, reason="calls are not recorded on this system")


@jit
def mixed(a, scale, window, shift, flag, pair, b):
    """Arguments of every kind: arrays, numbers of both widths, tuples, booleans."""
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            b[i, j] = a[i, j] * scale + shift + pair[0] - pair[1] + window.kw * 100 + (1000 if flag else 0)
    return np.float64(b[0, 0])


@jit
def many_numbers(a, p, q, r, s, t, u, v, w, x):
    a[0] = p + 2 * q + 3 * r + 4 * s + 5 * t + 6 * u + 7 * v + 8 * w + 9 * x


@jit
def few_numbers(a, p, n, flag, q):
    a[0] = p + 2 * n + (4 if flag else 0) * q


@jit
def add_into(total, other):
    for i in range(total.size):
        total[i] += other[i]


@jit
def allocate(size):
    memory = np.empty(int(size[0]))
    memory[0] = size[0]
    size[0] += memory[0]


def test_arguments_of_every_kind_are_passed():
    a, b = np.arange(6, dtype=np.float32).reshape(2, 3), np.zeros((2, 3), np.float32)
    arguments = (a, np.float32(0.5), Window(2, 3, top=1), -7, True, (2.25, np.float32(0.5)), b)
    tape = Tape()
    first = tape.call(mixed, arguments)
    expected = b.copy()
    assert first == expected[0, 0] == -7 + 2.25 - 0.5 + 300 + 1000
    assert tape.result[0] == first
    b[...] = 0
    tape.replay(0)
    assert np.array_equal(b, expected)
    a += 2  # a replay reads what is in the arrays then
    tape.replay(0)
    assert np.array_equal(b, expected + 1)
    assert tape.result[0] == b[0, 0]


def test_views_are_passed_with_their_strides():
    wide = np.arange(24, dtype=np.float64).reshape(4, 6)
    a, b = wide[1:3, 1:4], np.zeros((2, 3))
    tape = Tape()
    tape.call(mixed, (a, np.float64(1), Window(1, 0), 0, False, (0.0, 0.0), b))
    b[...] = -1
    tape.replay(0)
    assert np.array_equal(b, a)


def test_a_call_with_more_numbers_than_registers_runs_in_python():
    a = np.zeros(1)
    numbers = tuple(float(k) for k in range(1, FLOATS + 2))
    tape = Tape()
    tape.call(many_numbers, (a, *numbers))
    expected, a[0] = a[0], 0
    tape.replay(0)
    assert a[0] == expected == sum((k + 1) * number for k, number in enumerate(numbers))
    assert not tape._words, "it cannot be recorded"


def test_inputs_move_and_python_runs_in_between():
    total, x, seen = np.zeros(3), np.array([1.0, 2.0, 3.0, 4.0]), []
    tape = Tape()
    tape.follow([x])
    tape.call(add_into, (total, x[1:]))
    tape.run(lambda: seen.append(total.copy()), [total])
    tape.call(add_into, (total, x[:3]))
    assert not tape.is_read_in_python
    other = 10 * x
    tape.move([other])
    total[...] = 0
    tape.replay(0)
    assert np.array_equal(seen[0], other[1:])
    assert np.array_equal(total, other[1:] + other[:3])
    tape.move([x])
    total[...] = 0
    tape.replay(0)
    assert np.array_equal(total, x[1:] + x[:3])
    tape.run(lambda: None, [x[2:]])
    assert tape.is_read_in_python


class Interrupting:
    """Memory that is written to when an interrupt comes."""

    def __setitem__(self, place, value):
        raise KeyboardInterrupt


@pytest.mark.parametrize("next_one", [0, 1])
def test_after_an_interrupt_of_a_move_all_calls_read_the_same_array(next_one):
    arrays, totals = [np.ones(3), np.full(3, 5.0)], np.zeros((2, 3))
    tape = Tape()
    tape.follow(arrays[:1])
    for total in totals:
        tape.call(add_into, (total, arrays[0]))
    moved = tape._moved[0]
    second, moved[1] = moved[1], (Interrupting(), *moved[1][1:])
    with pytest.raises(KeyboardInterrupt):
        tape.move(arrays[1:])
    moved[1] = second
    tape.move([arrays[next_one]])
    totals.fill(0)
    tape.replay(0)
    assert (totals == arrays[next_one]).all()


def test_a_replay_with_too_little_memory_raises():
    size = np.ones(1)
    tape = Tape()
    tape.call(allocate, (size,))
    size[0] = 2.0**50
    with pytest.raises(MemoryError, match="a kernel had too little memory"):
        tape.replay(0)


def test_a_replay_with_samples_copies_and_checks_them():
    memory, total = np.ones((2, 3), np.float32), np.zeros((2, 3), np.float32)
    tape = Tape()
    tape.call(add_into, (total.reshape(-1), memory.reshape(-1)))
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    replay_with = tape.replayer(memory)
    assert replay_with(x)
    assert np.array_equal(total, 1 + x)
    for value in (np.nan, np.inf, -np.inf):
        broken = x.copy()
        broken[1, 2] = value
        assert not replay_with(broken)
    assert np.array_equal(total, 1 + x), "no kernel may run"
    mixed_tape = Tape()
    mixed_tape.call(add_into, (total.reshape(-1), memory.reshape(-1)))
    mixed_tape.run(lambda: None)
    assert mixed_tape.replayer(memory) is None, "a part is a function of Python"


def test_parts_can_be_replayed_alone():
    total, x = np.zeros(2), np.ones(2)
    tape = Tape()
    tape.call(add_into, (total, x))
    middle = tape.mark()
    tape.call(add_into, (total, 10 * x))
    tape.call(add_into, (total, 100 * x))
    for first, last, sum_of_part in ((0, middle, 1), (middle, None, 110), (0, None, 111)):
        total[...] = 0
        tape.replay(first, last)
        assert np.array_equal(total, [sum_of_part] * 2), (first, last)


def test_a_recorder_records_kernels_while_it_has_a_tape():
    recorder = compiled.recorder(compiled)
    x, W, b = np.ones((2, 3), np.float32), np.full((3, 2), 2, np.float32), np.ones(2, np.float32)
    y, z = np.zeros((2, 2), np.float32), np.zeros((2, 2), np.float32)
    recorder.affine(x, W, b, out=y)  # without a tape it only calls
    recorder.tape = Tape()
    recorder.affine(x, W, b, out=y)
    recorder.relu(y, out=z)
    tape, recorder.tape = recorder.tape, None
    recorder.relu(y, out=z)
    assert len(tape._words) == 2
    x[...] = -1
    tape.replay(0)
    assert np.array_equal(y, np.full((2, 2), -5))
    assert np.array_equal(z, np.zeros((2, 2)))
    assert recorder.__name__ == compiled.__name__


def test_what_a_kernel_recorded_before_a_call_without_code_is_taken_back(monkeypatch):
    """A kernel of two compiled calls, of which the second has no code: the reference kernel alone is on the tape."""

    class Plain:
        __name__ = "kernels"

        def work(self, source, total):
            total += source

    recorder = tape_module.Recorder(Plain())
    tape = recorder.tape = recorder.new_tape()
    source, total = np.ones(3, np.float32), np.zeros(3, np.float32)
    tape.follow([source])
    tape.call(add_into, (total, source))

    def halfway(source, total):
        tape.call(add_into, (total.copy(), source))
        raise NotPrebuilt

    monkeypatch.setattr(recorder, "_recording", lambda value: halfway)
    recorder.work(source, total)
    assert (len(tape._words), [type(part) for part in tape._parts]) == (1, [tuple, FunctionType])
    assert [len(places) for places in tape._moved] == [1]
    total[...] = 0
    tape.replay(0)
    assert np.array_equal(total, [2, 2, 2])


def test_numbers_of_a_call_change():
    a = np.zeros(1)
    few_numbers(a, 1.0, 2, True, 3.0)  # it is compiled now
    a[0] = 0
    tape = Tape()
    numbers = tape.note(few_numbers, (a, 1.0, 2, True, 3.0))
    assert a[0] == 0, "a call that is noted is not made"
    assert tape.replay(0)
    assert a[0] == 1 + 4 + 12
    assert [index for _, _, index in numbers] == [1, 2, 4]
    for values in ((0.5, -7, 0.25), (-2.0, 2**40, 1.0)):
        for (memory, place, _), value in zip(numbers, values, strict=True):
            memory[place] = value
        assert tape.replay(0)
        assert a[0] == values[0] + 2 * values[1] + 4 * values[2]


@pytest.mark.parametrize("value", [0.0, 1.5, 2.0, 2.5, -np.inf, np.inf, np.nan])
def test_a_replay_ends_at_a_limit(value):
    total, other, number = np.zeros(2, np.float32), np.ones(2, np.float32), np.zeros(1)
    add_into(total, other)
    tape, later = Tape(), Tape()
    tape.note(add_into, (total, other))
    later.limit(number, 2.0, 4.0)
    later.note(add_into, (total, other))
    tape.extend(later)
    number[0], total[:] = value, 0
    assert tape.replay(0) == (value <= 2)
    assert list(total) == ([2, 2] if value <= 2 else [1, 1])


def test_what_cannot_be_noted():
    total, other = np.zeros(2, np.float32), np.ones(2, np.float32)
    for function, arguments in ((np.add, (total, other)), (add_into.py_func, (total, other)), (many_numbers, (total, 1, "2"))):
        tape = Tape()
        with pytest.raises(NotRecordable):
            tape.note(function, arguments)
