"""Several cores inside one kernel: threads that wait in compiled code and take pieces of work from it.

A kernel that is worth it is written as a function of one *piece* (some rows, some columns, some stretch of a vector) and
calls ``share(piece_function, (its, arguments), pieces)``. Each member of the team begins with a range of its own, which is
the same every time (what a core wrote in one kernel it is likely to find in its caches in the next), and then helps
with the others'; pieces are claimed one by one, so nobody waits for a thread that is asleep or has lost its core. Which
pieces there are depends on the sizes alone and never on the number of threads, and so do the bits of every result.

A thread that found nothing to do for a while goes to sleep; a caller that has pieces for it wakes it, which takes it some fifty
microseconds, in which the caller works alone. Claiming a piece takes a tenth of a microsecond. One kernel at a time uses
the team; a second one, called from another thread meanwhile, does all its pieces itself.
"""

from __future__ import annotations

import atexit
import os
import threading

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pellucid.kernels.compiled.far import emit_call, far
from pellucid.kernels.compiled.jit import OPTIONS, jit
from pellucid.kernels.compiled.words import acquire, exchange_if, increment, locks, memory, pause, read, release, write

SPINS = 50_000  # looks for work before a thread goes to sleep: a third of a millisecond to two, as long as a pause takes

# The team's memory, one cache line (eight words) for each thing that is written by itself.
LINE = 8
JOB, FUNCTION, ARGUMENTS, DONE, BUSY, CALLED, MEMBERS = 0, 8, 9, 16, 24, 32, 40
# Then a line for each member: the ticket of its range, what it is up to, and the lock that it sleeps on.
TICKETS, STATES, LOCKS = 48, 49, 50
AWAKE, ASLEEP, DISMISSED = 0, 1, 2
LARGEST = 256  # members of a team; the first is the caller
# A ticket holds three numbers: which job, where the range ends, and which of its pieces is next. A claim adds one to a ticket
# that has not moved since it was read, so that nobody can begin a piece of a job that is over.
BITS = 20
MOST = (1 << BITS) - 1  # pieces of a job
JOBS = 1 << 22

memory[CALLED] = 1
_i64 = ir.IntType(64)


@intrinsic
def _task(typing, function, arguments):  # type: ignore[no-untyped-def]
    """The addresses of code that calls the compiled ``function(*arguments, piece)``, and of the arguments, which lie on the
    stack of who asks."""
    kinds = (*arguments.types, types.int64)
    function.get_call_type(typing, kinds, {})  # compiles it where that has not happened

    def emit(context, builder, signature, args):  # type: ignore[no-untyped-def]
        values = ir.LiteralStructType([context.get_value_type(kind) for kind in arguments.types])
        given = cgutils.alloca_once(builder, values)
        for i in range(len(arguments.types)):
            builder.store(builder.extract_value(args[1], i), cgutils.gep_inbounds(builder, given, 0, i))
        name = builder.module.get_unique_name("piece")
        code = ir.Function(builder.module, ir.FunctionType(ir.VoidType(), [_i64, _i64]), name)
        code.linkage = "internal"
        inside = ir.IRBuilder(code.append_basic_block())
        held = inside.inttoptr(code.args[0], values.as_pointer())
        each = [inside.load(cgutils.gep_inbounds(inside, held, 0, i)) for i in range(len(arguments.types))]
        emit_call(context, inside, function.dispatcher, kinds, [*each, code.args[1]])
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
def _work(member):  # type: ignore[no-untyped-def]
    """Claims and does one piece of the job at hand, of the member's own range as long as there is one; False where there is
    none left."""
    members = read(MEMBERS)
    for k in range(members):
        here = TICKETS + LINE * ((member + k) % members)
        while True:
            ticket = read(here)
            piece = ticket & MOST
            if piece >= (ticket >> BITS) & MOST:
                break
            code, arguments = read(FUNCTION), read(ARGUMENTS)
            if exchange_if(here, ticket, ticket + 1):
                _call(code, arguments, piece)
                increment(DONE)
                return True
    return False


@jit
def _run(code, arguments, pieces):  # type: ignore[no-untyped-def]
    if pieces <= 1 or pieces > MOST or not exchange_if(BUSY, 0, 1):
        for piece in range(pieces):
            _call(code, arguments, piece)
        return
    write(FUNCTION, code)
    write(ARGUMENTS, arguments)
    write(DONE, 0)
    members = min(read(CALLED), pieces)
    job = (read(JOB) + 1) % JOBS
    for member in range(members):
        begin, end = member * pieces // members, (member + 1) * pieces // members
        write(TICKETS + LINE * member, (job << 2 * BITS) + (end << BITS) + begin)
    write(MEMBERS, members)
    write(JOB, job)
    for member in range(1, members):
        here = STATES + LINE * member
        if read(here) == ASLEEP and exchange_if(here, ASLEEP, AWAKE):
            release(read(LOCKS + LINE * member))
    while _work(0):
        pass
    while read(DONE) < pieces:
        pause()
    write(BUSY, 0)


@intrinsic
def _hold(typing, arguments):  # type: ignore[no-untyped-def]
    """Nothing, but a use of the arguments: until here nobody frees them."""

    def emit(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return context.get_dummy_value()

    return types.void(arguments), emit


@numba.njit(inline="always", **OPTIONS)  # by itself it would be compiled for each function, and the function once more
def share(function, arguments, pieces):  # type: ignore[no-untyped-def]
    """Calls ``function(*arguments, piece)`` for every piece from 0 to ``pieces`` - 1, in this thread and in others; returns
    when all have been done. The function is a compiled one that returns nothing and raises nothing. The caller holds the
    arguments meanwhile: were only their addresses handed on, arrays used for the last time here would be freed."""
    code, given = _task(function, arguments)
    far(_run, (code, given, pieces))
    _hold(arguments)


@jit
def _serve(member):  # type: ignore[no-untyped-def]
    """What a member of the team does until it is dismissed."""
    here, seen, idle = STATES + LINE * member, 0, 0
    while read(here) != DISMISSED:
        job = read(JOB)
        if job != seen:
            while _work(member):
                pass
            seen, idle = job, 0
        pause()
        idle += 1
        if idle == SPINS:
            idle = 0
            if exchange_if(here, AWAKE, ASLEEP):
                acquire(read(LOCKS + LINE * member))


_threads: list[threading.Thread] = []
_hiring = threading.Lock()


def ready(threads: int) -> None:
    """From now on so many threads work at what is shared, the caller among them."""
    count = max(1, min(threads, LARGEST))
    memory[CALLED] = count
    if len(_threads) >= count - 1:
        return
    with _hiring:  # two callers at once would give two threads the same place
        for member in range(len(_threads) + 1, count):
            lock = locks["allocate"]()
            locks["acquire"](lock, 1)
            memory[LOCKS + LINE * member], memory[STATES + LINE * member] = lock, AWAKE
            _threads.append(threading.Thread(target=_serve, args=(member,), name="pellucid worker", daemon=True))
            _threads[-1].start()


def asleep() -> int:
    """How many threads of the team are asleep."""
    return int(np.count_nonzero(memory[STATES::LINE] == ASLEEP))


def _dismiss() -> None:
    """At the end of the process: no thread may be in compiled code when that is taken down."""
    for member in range(1, len(_threads) + 1):
        memory[STATES + LINE * member] = DISMISSED
        locks["release"](int(memory[LOCKS + LINE * member]))
    for thread in _threads:
        thread.join(1.0)
    _threads.clear()


def _forget() -> None:
    """In a forked process, which has none of its parent's threads."""
    global _hiring
    _hiring = threading.Lock()
    _threads.clear()
    memory[:] = 0
    memory[CALLED] = 1


atexit.register(_dismiss)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
