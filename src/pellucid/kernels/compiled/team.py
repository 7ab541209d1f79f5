"""Several cores inside one kernel: threads that wait in compiled code and take pieces of work from it.

A kernel that is worth it is written as a function of one *piece* (some rows, some columns, some stretch of a vector) and
calls ``share(piece_function, (its, arguments), pieces)``. Pieces are claimed one by one, by the caller and by whatever
other threads are awake, so nobody waits for a thread that is asleep or has lost its core. Which pieces there are depends on the
sizes alone and never on the number of threads, and so do the bits of every result.

A thread that found nothing to do for a while goes to sleep; ``ready`` calls all of them back, which takes some fifty
microseconds, in which the caller works alone. Claiming a piece takes a tenth of a microsecond. One kernel at a time uses
the team; a second one, called from another thread meanwhile, does all its pieces itself.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import threading
from typing import Any

import llvmlite.binding
import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pellucid.kernels.compiled.jit import OPTIONS, jit

SPINS = 600_000  # looks for work before a thread goes to sleep: some milliseconds, longer than what a step does alone

# The team's memory, one cache line (eight words) for each thing that is written by itself.
TICKET, FUNCTION, ARGUMENTS, DONE, BUSY = 0, 8, 9, 16, 24
# The ticket holds three numbers: which job, how many pieces it has, how many of them are claimed. A claim adds one to a
# ticket that has not moved since the job was read, so that nobody can begin a piece of a job that is over.
BITS = 20
MOST = (1 << BITS) - 1  # pieces of a job
JOBS = 1 << 22

_memory = np.zeros(64, np.int64)
ctypes.pythonapi.Py_IncRef(ctypes.py_object(_memory))  # a thread may read it until the process is gone
llvmlite.binding.add_symbol("pellucid_team", _memory.ctypes.data)

_i64, _i32, _bytes = ir.IntType(64), ir.IntType(32), ir.IntType(8).as_pointer()


def _word(builder: Any, index: Any) -> Any:
    """The address of one word of the team's memory."""
    memory = builder.module.globals.get("pellucid_team")
    if memory is None:
        memory = ir.GlobalVariable(builder.module, ir.ArrayType(_i64, 64), "pellucid_team")
    return builder.gep(memory, [_i32(0), builder.trunc(index, _i32)])


@intrinsic
def _read(typing, index):  # type: ignore[no-untyped-def]
    def emit(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.load_atomic(_word(builder, args[0]), "acquire", 8)

    return types.int64(types.int64), emit


@intrinsic
def _write(typing, index, value):  # type: ignore[no-untyped-def]
    def emit(context, builder, signature, args):  # type: ignore[no-untyped-def]
        builder.store_atomic(args[1], _word(builder, args[0]), "release", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), emit


@intrinsic
def _increment(typing, index):  # type: ignore[no-untyped-def]
    def emit(context, builder, signature, args):  # type: ignore[no-untyped-def]
        builder.atomic_rmw("add", _word(builder, args[0]), _i64(1), "acq_rel")
        return context.get_dummy_value()

    return types.void(types.int64), emit


@intrinsic
def _exchange_if(typing, index, before, after):  # type: ignore[no-untyped-def]
    """Writes ``after`` where ``before`` still stands; whether it did."""

    def emit(context, builder, signature, args):  # type: ignore[no-untyped-def]
        both = builder.cmpxchg(_word(builder, args[0]), args[1], args[2], "acq_rel", "acquire")
        return builder.extract_value(both, 1)

    return types.boolean(types.int64, types.int64, types.int64), emit


@intrinsic
def _task(typing, function, arguments):  # type: ignore[no-untyped-def]
    """The addresses of code that calls the compiled ``function(*arguments, piece)``, and of the arguments, which lie on the
    stack of who asks."""
    kinds = (*arguments.types, types.int64)
    function.get_call_type(typing, kinds, {})  # compiles it where that has not happened

    def emit(context, builder, signature, args):  # type: ignore[no-untyped-def]
        compiled = function.dispatcher.overloads[kinds]
        context.active_code_library.add_linking_library(compiled.library)
        values = ir.LiteralStructType([context.get_value_type(kind) for kind in arguments.types])
        given = cgutils.alloca_once(builder, values)
        for i in range(len(arguments.types)):
            builder.store(builder.extract_value(args[1], i), cgutils.gep_inbounds(builder, given, 0, i))
        name = f"piece.{compiled.fndesc.mangled_name}"
        code = builder.module.globals.get(name)
        if code is None:
            code = ir.Function(builder.module, ir.FunctionType(ir.VoidType(), [_i64, _i64]), name)
            code.linkage = "internal"
            inside = ir.IRBuilder(code.append_basic_block())
            held = inside.inttoptr(code.args[0], values.as_pointer())
            each = [inside.load(cgutils.gep_inbounds(inside, held, 0, i)) for i in range(len(arguments.types))]
            whole = types.void(*kinds)
            context.call_internal_no_propagate(inside, compiled.fndesc, whole, [*each, code.args[1]])
            inside.ret_void()
        pair = [builder.ptrtoint(code, _i64), builder.ptrtoint(given, _i64)]
        return context.make_tuple(builder, signature.return_type, pair)

    return types.UniTuple(types.int64, 2)(function, arguments), emit


@intrinsic
def _call(typing, code, arguments, piece):  # type: ignore[no-untyped-def]
    def emit(context, builder, signature, args):  # type: ignore[no-untyped-def]
        kind = ir.FunctionType(ir.VoidType(), [_i64, _i64]).as_pointer()
        builder.call(builder.inttoptr(args[0], kind), [args[1], args[2]])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), emit


@jit
def _work():  # type: ignore[no-untyped-def]
    """Claims and does one piece of the job at hand; False where there is none left."""
    ticket = _read(TICKET)
    piece = ticket & MOST
    if piece >= (ticket >> BITS) & MOST:
        return False
    code, arguments = _read(FUNCTION), _read(ARGUMENTS)
    if _exchange_if(TICKET, ticket, ticket + 1):
        _call(code, arguments, piece)
        _increment(DONE)
    return True


@jit
def _run(code, arguments, pieces):  # type: ignore[no-untyped-def]
    if pieces <= 1 or pieces > MOST or not _exchange_if(BUSY, 0, 1):
        for piece in range(pieces):
            _call(code, arguments, piece)
        return
    _write(FUNCTION, code)
    _write(ARGUMENTS, arguments)
    _write(DONE, 0)
    job = ((_read(TICKET) >> 2 * BITS) + 1) % JOBS
    _write(TICKET, (job << 2 * BITS) + (pieces << BITS))
    while _work():
        pass
    while _read(DONE) < pieces:
        pass
    _write(BUSY, 0)


@numba.njit(**OPTIONS)  # part of its callers, which are cached
def share(function, arguments, pieces):  # type: ignore[no-untyped-def]
    """Calls ``function(*arguments, piece)`` for every piece from 0 to ``pieces`` - 1, in this thread and in others; returns
    when all have been done. The function is a compiled one that returns nothing and raises nothing. The caller holds the
    arguments meanwhile: were only their addresses handed on, arrays used for the last time here would be freed."""
    code, given = _task(function, arguments)
    _run(code, given, pieces)


@jit
def _serve(patience):  # type: ignore[no-untyped-def]
    """Works along until there has been nothing to do for so many looks."""
    idle = 0
    while idle < patience:
        idle = 0 if _work() else idle + 1


class _Worker:
    """A thread of the team: awake in compiled code, asleep on a lock."""

    def __init__(self) -> None:
        self.asleep = False
        self.dismissed = False
        self.bell = threading.Lock()
        self.bell.acquire()
        self.thread = threading.Thread(target=self._live, name="pellucid worker", daemon=True)
        self.thread.start()

    def _live(self) -> None:
        while not self.dismissed:
            _serve(SPINS)
            self.asleep = True
            self.bell.acquire()

    def wake(self) -> None:
        if self.asleep:
            self.asleep = False
            self.bell.release()


_workers: list[_Worker] = []


def ready(threads: int) -> None:
    """Calls the team together, as many threads as that with the caller: work is coming. Costs nothing when they are awake."""
    while len(_workers) < threads - 1:
        _workers.append(_Worker())
    for worker in _workers[: threads - 1]:
        worker.wake()


def _dismiss() -> None:
    """At the end of the process: no thread may be in compiled code when that is taken down."""
    for worker in _workers:
        worker.dismissed = True
        worker.wake()
    for worker in _workers:
        worker.thread.join(1.0)
    _workers.clear()


def _forget() -> None:
    """In a forked process, which has none of its parent's threads."""
    _workers.clear()
    _memory[:] = 0


atexit.register(_dismiss)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
