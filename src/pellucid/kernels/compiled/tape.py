"""The tape: calls of kernels with the same arguments, recorded once and replayed by one call of compiled code.

A training step calls some dozens of kernels. Each call from Python takes microseconds: the types of the arguments are looked
up, and the address, shape and strides of every array are read. In the next step of the same batch shape all of that is the
same. An *entry* of the tape is an array of 64-bit words, with what a call is in machine code: the address of the compiled
function, and the values of its arguments in registers and on the stack,

    code, eight floating-point arguments, and all other arguments in order

An entry may also be a *limit*: the address of a number, a factor, and what their product may be at most. Where it is more or
NaN, the replay ends there. The loss and the gradient of a step are checked in this way before the calls that use them.

:func:`_replay` runs through the entries. It needs no knowledge of the kernels, because the calling conventions of 64-bit Unix
systems (System V for x86-64, AAPCS64) assign registers to integers and to floating-point numbers independently, and allow more
arguments than the function reads: all calls are calls with one of a few numbers of integers and with eight floating-point
numbers. Elsewhere (Windows, and macOS on Apple processors, which packs small arguments) nothing is recorded.

What is not a kernel, or has results that Python needs, is a *Python part* of the tape: a function that is called between the
native parts.
"""

from __future__ import annotations

import functools
import inspect
import platform
import struct
import sys
from collections.abc import Callable, Sequence
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.kernels.compiled.jit import code_of, jit, u64
from pellucid.kernels.compiled.thread_tuning import ThreadTuner
from pellucid.kernels.compiled.toolchain import CPUDispatcher, cgutils, intrinsic, ir, library, types
from pellucid.kernels.interface import Kernels
from pellucid.kernels.prebuilt import FLOATS, SIZES, Function, NotPrebuilt, words_of

PACKAGE = __name__.rpartition(".")[0]

_i64, _double = ir.IntType(64), ir.DoubleType()
_COMPILED = Function if library is not None else CPUDispatcher
LIMIT, LIMIT_WORDS = -1, 3  # a limit has this in place of the number of integers, and so many words

is_supported = sys.platform in ("linux", "darwin") and platform.machine() in ("x86_64", "aarch64") and struct.calcsize("P") == 8


@intrinsic
def _call(typing, words, size):
    """Call the code at ``words[0]`` with the arguments after it: eight numbers of 64 bits for the registers of floating-point
    numbers, and ``size`` integers, one of SIZES. Returns the status of the call. With the size LIMIT the words are those of a
    limit, and the status is 1 where it is exceeded."""

    def emit(context, builder, signature, args):
        words = builder.inttoptr(args[0], _i64.as_pointer())
        status = cgutils.alloca_once(builder, ir.IntType(32))
        end = builder.append_basic_block("end")
        switch = builder.switch(args[1], end)

        def word(place):
            return builder.load(builder.gep(words, [_i64(place)]))

        for size in SIZES:
            block = builder.append_basic_block(f"call{size}")
            switch.add_case(_i64(size), block)
            builder.position_at_end(block)
            code = ir.FunctionType(ir.IntType(32), [_i64] * size + [_double] * FLOATS).as_pointer()
            floats = [builder.bitcast(word(1 + k), _double) for k in range(FLOATS)]
            integers = [word(1 + FLOATS + k) for k in range(size)]
            builder.store(builder.call(builder.inttoptr(word(0), code), integers + floats), status)
            builder.branch(end)
        block = builder.append_basic_block("limit")
        switch.add_case(_i64(LIMIT), block)
        builder.position_at_end(block)
        value = builder.load(builder.inttoptr(word(0), _double.as_pointer()))
        factor, most = (builder.bitcast(word(k), _double) for k in (1, 2))
        exceeded = builder.fcmp_unordered(">", builder.fmul(value, factor), most)
        builder.store(builder.zext(exceeded, ir.IntType(32)), status)
        builder.branch(end)
        builder.position_at_end(end)
        return builder.load(status)

    return types.int32(types.int64, types.int64), emit


@jit
def _replay(entries, first, last):
    """Make the calls ``first`` to ``last`` − 1 of ``entries``, rows (address of the words, number of integers or LIMIT).
    Returns the number of the first that fails, or −1."""
    for k in range(first, last):
        if _call(entries[k, 0], entries[k, 1]) != 0:
            return k
    return -1


@jit
def _replay_with(x, memory, entries, first, last):
    """Copy x to ``memory``, and make the calls; both are flat. Returns what :func:`_replay` does. Where x has NaN or infinity,
    no call is made, and the result is ``first``."""
    zero = total = x.dtype.type(0)
    for i in range(u64(x.size)):
        memory[i] = x[i]
        total += x[i] * zero  # NaN and infinity times 0 are NaN, and a sum with NaN is NaN
    if total == zero:
        for k in range(first, last):
            if _call(entries[k, 0], entries[k, 1]) != 0:
                return k
        return -1
    return first


replay, replay_with = (_replay, _replay_with) if library is None else (library.replay, library.replay_with)


class NotRecordable(Exception):
    """A call that has no form as words of a tape."""


class Tape:
    """Kernel calls, and functions of Python between them, in order.

    :meth:`follow` names arrays of the caller that may be elsewhere at each replay, with the same shapes and dtypes.
    """

    def __init__(self) -> None:
        self._inputs: list[tuple[int, int]] = []
        self._words: list[Array] = []
        self._kept: list[Any] = []  # the arguments: what is at the recorded addresses must not be freed
        self._parts: list[tuple[int, int] | Callable[[], None]] = []
        self._moved: list[list[tuple[memoryview, int, int]]] = []  # the words that follow each input, with their distance
        self._plans: dict[tuple[int, int | None], tuple[list[Any], ThreadTuner]] = {}
        self._mark = 0
        self.is_read_in_python = False
        self._followed: list[Array | None] = []  # the arrays of the last replay: those that are given again are where they were
        self.result: Array | None = None  # the result of the last call, if that is a number; a replay writes it again

    def follow(self, inputs: Sequence[Array]) -> None:
        """Make calls that are recorded from now on read or write these arrays where :meth:`move` says they are."""
        self._inputs += map(_extent, inputs)
        self._followed += inputs
        self._moved += [[] for _ in inputs]

    def call(self, function: Any, arguments: tuple[Any, ...]) -> Any:
        """Call a compiled function, and record the call. Returns its result."""
        result = function(*arguments)
        try:
            words, _ = self._encode(function, arguments)
        except NotRecordable:
            self.run(lambda: function(*arguments), [one for one in arguments if isinstance(one, np.ndarray)])
            return result
        if self.result is not None:
            self.result[0] = result
        self._append(words, arguments)
        return result

    def note(self, function: Any, arguments: tuple[Any, ...]) -> list[tuple[Any, int, int]]:
        """Record a call without making it. Returns its numbers, each as (memory, place in the memory, index of the argument).

        A replay uses what is in the memory then. Raises NotRecordable for what is not a compiled function, and for numbers that
        are neither float nor int.
        """
        if not isinstance(function, _COMPILED):
            raise NotRecordable
        try:
            words, values = self._encode(function, arguments)
        except NotPrebuilt:
            raise NotRecordable from None
        self._append(words, values)
        numbers: list[tuple[Any, int, int]] = []
        as_floats, as_integers = words.view(np.float64).data, words.data  # quicker to write to than arrays
        floats, integers = list[int](), [0, 0]  # of the arguments before, with the two addresses that are the first integers
        for index, value in enumerate(values):
            if isinstance(value, float):
                numbers.append((as_floats, 1 + len(floats), index))
            elif isinstance(value, int) and not isinstance(value, bool):
                numbers.append((as_integers, 1 + FLOATS + len(integers), index))
            elif not isinstance(value, (bool, np.ndarray)):
                raise NotRecordable
            words_of([value], integers, floats)
        return numbers

    def limit(self, value: Array, factor: float, most: float) -> None:
        """Record a limit: a replay ends here unless the number in ``value`` (float64) times ``factor`` is at most ``most``."""
        words = np.array([address_of(value), 0, 0])
        words.view(np.float64)[1:] = factor, most
        self._append(words, value)

    def extend(self, other: Tape) -> None:
        """Record all calls and limits of another tape, which has nothing else. Both have the same words for them."""
        for words in other._words:
            self._append(words, other)

    def _append(self, words: Array, kept: Any) -> None:
        """Append an entry, to the part before it if that is one of compiled code. ``kept`` is what must not be freed."""
        self._words.append(words)
        self._kept.append(kept)
        last = len(self._words)
        open_part = self._parts[-1] if len(self._parts) > self._mark else None
        if isinstance(open_part, tuple):
            self._parts[-1] = open_part[0], last
        else:
            self._parts.append((last - 1, last))

    def run(self, function: Callable[[], Any], arguments: Sequence[Array] = ()) -> None:
        """Record a function of Python, and which arrays it reads."""
        self._parts.append(function)
        self.result = None
        self.note_readers(arguments)

    def note_readers(self, arrays: Sequence[Array]) -> None:
        """Note that functions of Python read these arrays: ``is_read_in_python`` says whether one of them is an input."""
        if any(self._input_of(*_extent(array)) is not None for array in arrays):
            self.is_read_in_python = True

    def state(self) -> Any:
        """Return what :meth:`restore` needs to take back what is recorded from now on."""
        moved = [len(places) for places in self._moved]
        flags = self.is_read_in_python, self.result
        return len(self._words), len(self._kept), len(self._parts), self._parts[-1:], moved, flags

    def restore(self, state: Any) -> None:
        """Take back what was recorded since :meth:`state` returned this."""
        words, kept, parts, last, moved, flags = state
        del self._words[words:], self._kept[kept:]
        self._parts[max(0, parts - 1) :] = last  # its end may have moved
        for places, length in zip(self._moved, moved, strict=True):
            del places[length:]
        self.is_read_in_python, self.result = flags

    def mark(self) -> int:
        """Return the number of parts so far. The next call begins a new part."""
        self._mark = len(self._parts)
        return self._mark

    def move(self, inputs: Sequence[Array]) -> None:
        """Make the next replays use these arrays, in the order of :meth:`follow`."""
        for k, array in enumerate(inputs):
            if array is self._followed[k]:
                continue
            self._followed[k], address = None, quick_address_of(array)  # until all words are written
            for words, place, distance in self._moved[k]:
                words[place] = address + distance
            self._followed[k] = array

    def replay(self, first: int, last: int | None = None) -> bool:
        """Run the parts ``first`` to ``last`` − 1. Returns whether that was done: not what follows a limit that was exceeded.

        Nothing can be recorded in these parts after their first replay. Raises MemoryError if a kernel has too little memory.
        """
        plan, tuner = self._plan(first, last)
        return tuner.run(lambda: self._run(plan)) if tuner.count() else self._run(plan)

    def _run(self, plan: list[Any]) -> bool:
        for part in plan:
            if not isinstance(part, tuple):
                part()
            elif (failed := replay(*part)) >= 0:
                if len(self._words[failed]) == LIMIT_WORDS:
                    return False
                raise MemoryError("a kernel had too little memory")
        return True

    def replayer(self, memory: Array) -> Callable[[Array], bool] | None:
        """Return a function that copies an array x of the same size and dtype to the ``memory`` of an input, and runs all parts
        in one native call; None where some parts are functions of Python.

        It returns whether that was done: not where x has NaN or infinity.
        """
        plan, tuner = self._plan(0)
        if len(plan) != 1 or not isinstance(plan[0], tuple):
            return None
        native, flat = replay_with, memory.reshape(-1)
        entries, first, last = plan[0]

        def run(x: Array) -> bool:
            if tuner.count():
                return bool(tuner.run(lambda: native(x.reshape(-1), flat, entries, first, last)) < 0)
            return bool(native(x.reshape(-1), flat, entries, first, last) < 0)

        return run

    def _plan(self, first: int, last: int | None = None) -> tuple[list[Any], ThreadTuner]:
        """Return the parts from ``first`` on, as they are replayed, and what finds their number of threads."""
        plan = self._plans.get((first, last))
        if plan is None:
            plan = self._plans[first, last] = self._joined(self._parts[first:last]), ThreadTuner()
        return plan

    def _joined(self, parts: Sequence[tuple[int, int] | Callable[[], None]]) -> list[Any]:
        """Return the parts, with the calls that follow each other as one: the arguments of :func:`_replay`."""
        sizes = [LIMIT if len(words) == LIMIT_WORDS else len(words) - 1 - FLOATS for words in self._words]
        rows = list(zip(map(address_of, self._words), sizes, strict=True))
        entries = np.array(rows, np.int64).reshape(-1, 2)
        plan: list[Any] = []
        for part in parts:
            if isinstance(part, tuple) and plan and isinstance(plan[-1], tuple):
                plan[-1] = entries, plan[-1][1], part[1]
            else:
                plan.append((entries, *part) if isinstance(part, tuple) else part)
        if library is not None:
            self._kept.append(entries)
            plan = [(address_of(part[0]), *part[1:]) if isinstance(part, tuple) else part for part in plan]
        return plan

    def _input_of(self, start: int, stop: int) -> int | None:
        for k, (first, last) in enumerate(self._inputs):
            if start < last and stop > first:
                return k
        return None

    def _encode(self, function: Any, arguments: tuple[Any, ...]) -> tuple[Array, Sequence[Any]]:
        """Return the words of a call, and the arguments as they are passed to the code."""
        code = code_of(function, arguments)
        if code is None or code[1] not in ("none", "f8"):
            raise NotRecordable
        address, result, values = code
        memory = np.zeros(2, np.int64)  # of the result, and of a pointer to a MemoryError: kernels raise no other exception
        self._kept.append(memory)
        self.result = memory.view(np.float64)[:1] if result == "f8" else None
        integers, floats = [address_of(memory), address_of(memory) + 8], list[int]()
        arrays: list[tuple[int, Array]] = []
        words_of(values, integers, floats, arrays)
        if len(floats) > FLOATS or len(integers) > SIZES[-1]:
            raise NotRecordable
        size = next(size for size in SIZES if size >= len(integers))
        words = np.zeros(1 + FLOATS + size, np.int64)
        words[0] = address
        words[1 : 1 + len(floats)] = floats
        words[1 + FLOATS : 1 + FLOATS + len(integers)] = integers
        for place, array in arrays:
            k = self._input_of(*_extent(array))
            if k is not None:
                self._moved[k].append((words.data, 1 + FLOATS + place, address_of(array) - self._inputs[k][0]))
        return words, values


def address_of(array: Array) -> int:
    """Return the address of an array's first element."""
    address: int = array.__array_interface__["data"][0]
    return address


@jit
def _address_of(array):
    """Return the address of an array's first element, in a tenth of the time of NumPy's attribute."""
    return array.ctypes.data


quick_address_of = _address_of if library is None else address_of


def _extent(array: Array) -> tuple[int, int]:
    """Return the address of an array's first byte and that after its last."""
    low, high = np.lib.array_utils.byte_bounds(array)
    return int(low), int(high)


class Recorder:
    """A kernel set whose calls go to ``tape``, while there is one.

    The kernels of the compiled set are functions of Python that call compiled functions. The recorder runs copies of them, in
    whose globals each compiled function is replaced by one that also records the call.
    """

    NotRecordable = NotRecordable

    def __init__(self, kernels: Any):
        self.tape: Tape | None = None
        self.__name__ = kernels.__name__
        self._kernels = kernels
        self._copies: dict[Any, Any] = {}

    def new_tape(self) -> Tape:
        """Return an empty tape."""
        return Tape()

    def __getattr__(self, name: str) -> Any:
        plain = getattr(self._kernels, name)
        if not callable(plain):
            return plain
        recording = self._recording(self.function(name))

        def kernel(*arguments: Any, **named: Any) -> Any:
            tape = self.tape
            if tape is None:
                return plain(*arguments, **named)
            before = tape.state()
            try:
                return recording(*arguments, **named)
            except NotPrebuilt:  # the plain kernel calls the reference kernel, which computes everything again
                tape.restore(before)
                result = plain(*arguments, **named)
                arrays = [one for one in (*arguments, *named.values()) if isinstance(one, np.ndarray)]
                tape.run(lambda: plain(*arguments, **named), arrays)
                return result

        setattr(self, name, kernel)
        return kernel

    def function(self, name: str) -> Any:
        """Return a kernel as a tape may call it: a compiled function, or one in Python that calls several."""
        plain = getattr(self._kernels, name)
        return getattr(plain, "without_fallback", plain)

    def _recording(self, value: Any) -> Any:
        """Return what takes the place of a global of a kernel, or of the kernel itself."""
        if isinstance(value, _COMPILED):
            return functools.partial(self._call, value)
        if isinstance(value, FunctionType) and value.__module__.startswith(f"{PACKAGE}."):
            if value not in self._copies:
                names = {name: self._replaced(value, name) for name in value.__code__.co_names if name in value.__globals__}
                copy = FunctionType(value.__code__, {**value.__globals__, **names}, value.__name__, value.__defaults__)
                copy.__kwdefaults__ = value.__kwdefaults__
                self._copies[value] = copy
            return self._copies[value]
        return value

    def _call(self, function: Any, *arguments: Any, **named: Any) -> Any:
        assert self.tape is not None
        return self.tape.call(function, inspect.signature(function).bind(*arguments, **named).args if named else arguments)

    def _replaced(self, function: FunctionType, name: str) -> Any:
        value = function.__globals__[name]
        if isinstance(value, ModuleType) and value.__name__.startswith(f"{PACKAGE}."):
            return _Module(self, value)
        return self._recording(value)


class _Module:
    """A module of the kernels, with the replacements of a recorder."""

    def __init__(self, recorder: Recorder, module: ModuleType):
        self._recorder, self._module = recorder, module

    def __getattr__(self, name: str) -> Any:
        value = self._recorder._recording(getattr(self._module, name))
        setattr(self, name, value)
        return value


def recorder(kernels: Kernels) -> Any:
    """Return a kernel set like the compiled one, ``kernels``, that records; None where calls cannot be recorded."""
    return Recorder(kernels) if is_supported else None
