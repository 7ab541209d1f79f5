"""The thread pool of the compiled kernels: worker threads that wait in compiled code and run the tasks of a kernel.

A kernel that is worth splitting is written as a *task function*, which computes some rows, some columns or a chunk of a vector;
its last parameter is the index of the task. The kernel calls ``parallel_for(task_function, arguments, count)``. The tasks
0 … count − 1 are divided into one *work range* for each thread. A thread takes tasks from its own range first and then from the
ranges of the other threads, one at a time, so no thread waits for one that sleeps or has lost its core. A thread has the same
range at every call, because what a core wrote in one kernel is likely to be in its caches in the next one. The number of tasks
depends on the sizes alone, never on the number of threads, and so do the bits of every result.

A worker that has found no task for a while sleeps on a lock. A caller that has tasks for it wakes it. This takes some fifty
microseconds, during which the caller works alone; taking a task takes a tenth of a microsecond. One kernel at a time uses the
pool: a kernel that another thread calls at the same time runs all its tasks in that thread.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from pellucid.kernels.compiled.atomics import (
    NUM_CELLS,
    acquire_lock,
    cells,
    compare_exchange,
    load,
    locks,
    release_lock,
    spin_wait_hint,
    store,
)
from pellucid.kernels.compiled.indirect_calls import compile_unless_uniform, emit_indirect_call, indirect_call
from pellucid.kernels.compiled.jit import OPTIONS, inner_jit, jit, u64
from pellucid.kernels.compiled.toolchain import cgutils, intrinsic, ir, library, numba, types

CHUNK = 16_384  # elements of a flat array in one task: some microseconds
SPINS_BEFORE_SLEEP = 50_000  # from a third of a millisecond to two, depending on how long a spin-wait hint takes

# What the shared cells hold. Where cores are far from each other, each cache line (eight cells) that goes from one to the other
# takes a fifth of a microsecond.
CELLS_PER_LINE = 8
BUSY, JOB, NUM_THREADS = 0, 1, 2  # what callers use
# One line for each thread, the caller first, has all that a worker needs for its part of a job, so that one line is fetched.
FIRST_LINE = 8
RANGE, FUNCTION, ARGUMENTS, JOB_THREADS = 0, 1, 2, 3  # the thread's work range, written last, and what its tasks call
DONE, FAILED = 4, 5  # how many tasks of the job the thread has run, and whether one of them raised an exception
STATE, LOCK = 6, 7  # the thread's state, and the lock on which it sleeps
AWAKE, ASLEEP, STOPPED = 0, 1, 2
MAX_THREADS = (NUM_CELLS - FIRST_LINE) // CELLS_PER_LINE
# A work range is one cell with three fields: the number of the job, the end of the range, and its next task. To take a task is
# to add one to a range that has not changed since it was read, so that no thread can begin a task of a job that is over.
TASK_BITS = 20
MAX_TASKS = (1 << TASK_BITS) - 1  # of a job; a job with more runs in one thread
JOB_NUMBERS = 1 << 22

_Result = TypeVar("_Result")

cells[NUM_THREADS] = 1
_i64 = ir.IntType(64)
_TASK = types.int64, types.int64  # what the code of a task is called with: the address of the arguments, and the task


@intrinsic
def _task_code(typing, function, arguments):
    """Return two addresses: of code that calls the compiled ``function(*arguments, task)``, and of the arguments on the
    caller's stack."""
    arg_types = (*arguments.types, types.int64)
    compile_unless_uniform(typing, function, arg_types)

    def emit(context, builder, signature, args):
        struct = ir.LiteralStructType([context.get_value_type(kind) for kind in arguments.types])
        stack = cgutils.alloca_once(builder, struct)
        for i in range(len(arguments.types)):
            builder.store(builder.extract_value(args[1], i), cgutils.gep_inbounds(builder, stack, 0, i))
        name = builder.module.get_unique_name("task")
        code = ir.Function(builder.module, context.call_conv.get_function_type(types.void, _TASK), name)
        code.linkage = "internal"
        body = ir.IRBuilder(code.append_basic_block())
        address, task = context.call_conv.get_arguments(code)
        stored = body.inttoptr(address, struct.as_pointer())
        values = [body.load(cgutils.gep_inbounds(body, stored, 0, i)) for i in range(len(arguments.types))]
        emit_indirect_call(context, body, function.dispatcher, arg_types, [*values, task])
        context.call_conv.return_value(body, context.get_dummy_value())
        pair = [builder.ptrtoint(code, _i64), builder.ptrtoint(stack, _i64)]
        return context.make_tuple(builder, signature.return_type, pair)

    return types.UniTuple(types.int64, 2)(function, arguments), emit


@intrinsic
def _run_task(typing, code, arguments, task):
    """Run one task with the two addresses of :func:`_task_code`; return whether it raised an exception, which is dropped."""

    def emit(context, builder, signature, args):
        pointer = builder.inttoptr(args[0], context.call_conv.get_function_type(types.void, _TASK).as_pointer())
        status, _ = context.call_conv.call_function(builder, pointer, types.void, _TASK, args[1:])
        return status.is_error

    return types.boolean(types.int64, types.int64, types.int64), emit


@inner_jit
def _line(thread):
    """Return the first cell of the thread's line."""
    return FIRST_LINE + CELLS_PER_LINE * thread


@inner_jit
def _take_and_run(thread, job):
    """Take and run one task of the job, from the thread's own range while it has any; return how many were run: 1 or 0."""
    threads = load(_line(thread) + JOB_THREADS)
    for k in range(threads):
        line = _line((thread + k) % threads)
        while True:
            work_range = load(line + RANGE)
            task = work_range & MAX_TASKS
            if task >= (work_range >> TASK_BITS) & MAX_TASKS or work_range >> 2 * TASK_BITS != job:
                break
            code, arguments = load(line + FUNCTION), load(line + ARGUMENTS)
            if compare_exchange(line + RANGE, work_range, work_range + 1):
                if _run_task(code, arguments, task):
                    store(_line(thread) + FAILED, 1)
                return 1
    return 0


@inner_jit
def _run_job(code, arguments, count):
    """Run all tasks: in the pool, or in this thread if it is the only one, or there is one task, too many, or another kernel in
    the pool."""
    threads, failed = min(load(NUM_THREADS), count), False
    if threads <= 1 or count > MAX_TASKS or not compare_exchange(BUSY, 0, 1):
        for task in range(count):
            failed |= _run_task(code, arguments, task)
    else:
        job = load(JOB) % (JOB_NUMBERS - 1) + 1
        store(JOB, job)
        for thread in range(threads - 1, -1, -1):  # the caller's own line last: workers begin at once
            line, begin, end = _line(thread), thread * count // threads, (thread + 1) * count // threads
            store(line + FUNCTION, code)
            store(line + ARGUMENTS, arguments)
            store(line + JOB_THREADS, threads)
            store(line + DONE, 0)
            begin += thread == 0  # the caller has taken its first task
            store(line + RANGE, (job << 2 * TASK_BITS) + (end << TASK_BITS) + begin)
            if thread and load(line + STATE) == ASLEEP and compare_exchange(line + STATE, ASLEEP, AWAKE):
                release_lock(load(line + LOCK))
        failed = _run_task(code, arguments, 0)
        own, ran, caller = 1, 1, types.int64(0)  # a literal 0 would be a type of its own, and compiled for it again
        while ran:
            ran = _take_and_run(caller, job)
            own += ran
        while _num_done(threads) + own < count:
            spin_wait_hint()
        for thread in range(threads):
            if load(_line(thread) + FAILED):
                store(_line(thread) + FAILED, 0)
                failed = True
        store(BUSY, 0)
    if failed:
        raise MemoryError("a task of a kernel had too little memory, or its compilation failed, which is printed above")


@inner_jit
def _num_done(threads):
    """Return the number of tasks of the job that its workers have run."""
    total = 0
    for thread in range(1, threads):
        total += load(_line(thread) + DONE)
    return total


@intrinsic
def _keep_alive(typing, arguments):
    """Do nothing but use the arguments, so that arrays among them are not freed before this point."""

    def emit(context, builder, signature, args):
        return context.get_dummy_value()

    return types.void(arguments), emit


@numba.njit(inline="always", **OPTIONS)  # not inlined, it would be compiled for each task function, and that function twice
def parallel_for(function, arguments, count):
    """Call ``function(*arguments, task)`` for every task from 0 to ``count`` − 1, in this thread and in the pool's, and return
    when all have run. The function is a compiled one that returns nothing. Raises MemoryError if a task raised one.

    Only the addresses of the arguments are passed on, so they are kept alive until the last task has run.
    """
    code, stack = _task_code(function, arguments)
    indirect_call(_run_job, (code, stack, count))
    _keep_alive(arguments)


@inner_jit
def num_chunks(x):
    """Return the number of chunks of a flat array; a task that computes one of them takes some microseconds."""
    return (x.size + CHUNK - 1) // CHUNK


@inner_jit
def chunk(x, task):
    """Return the range of indices of one chunk of a flat array."""
    first = u64(task) * u64(CHUNK)
    return range(first, min(first + u64(CHUNK), u64(x.size)))


@jit
def _worker_loop(thread):
    """Run tasks until the worker is stopped."""
    line, last_job, spins = _line(thread), 0, 0
    while load(line + STATE) != STOPPED:
        job = load(line + RANGE) >> 2 * TASK_BITS
        if job != last_job:
            while _take_and_run(thread, job):
                store(line + DONE, load(line + DONE) + 1)
            last_job, spins = job, 0
        spin_wait_hint()
        spins += 1
        if spins == SPINS_BEFORE_SLEEP:
            spins = 0
            if compare_exchange(line + STATE, AWAKE, ASLEEP):
                acquire_lock(load(line + LOCK))


_num_threads = 1  # as it was last set
_limits: list[int] = []  # of the calls of limited() that have not returned
_workers: list[threading.Thread] = []
_changing = threading.Lock()  # of these three, and of the cell that says how many threads a kernel uses


def compile_pool() -> None:
    """Compile what every kernel with tasks calls. With the prebuilt library, nothing is done."""
    if library is not None:
        return
    run_job: Any = _run_job
    worker_loop: Any = _worker_loop
    run_job.compile((types.int64,) * 3)
    worker_loop.compile((types.int64,))


def set_num_threads(threads: int) -> None:
    """Set the number of threads that run the tasks of a kernel, the caller included; start workers that do not exist yet."""
    global _num_threads
    threads = max(1, min(threads, MAX_THREADS))
    if threads == _num_threads:
        return
    with _changing:
        for thread in range(len(_workers) + 1, threads):
            lock = locks["allocate"]()
            locks["acquire"](lock, 1)
            line = FIRST_LINE + CELLS_PER_LINE * thread
            cells[line + LOCK], cells[line + STATE] = lock, AWAKE
            worker = threading.Thread(target=_worker_loop, args=(thread,), name="pellucid worker", daemon=True)
            worker.start()
            _workers.append(worker)
        _num_threads = threads
        cells[NUM_THREADS] = min(threads, *_limits, MAX_THREADS)


def num_threads() -> int:
    """Return the number of threads that run the tasks of a kernel."""
    return _num_threads


def limited(limit: int, function: Callable[[], _Result]) -> _Result:
    """Return the result of ``function()``, whose kernels use at most ``limit`` threads.

    Kernels that other threads call meanwhile are limited, too: they take longer.
    """
    if limit >= _num_threads:
        return function()
    with _changing:
        _limits.append(limit)
        cells[NUM_THREADS] = min(_num_threads, *_limits)
    try:
        return function()
    finally:
        with _changing:
            _limits.remove(limit)
            cells[NUM_THREADS] = min(_num_threads, *_limits, MAX_THREADS)


def cache_folder() -> Path | None:
    """Return the folder into which compiled code is written, or None if no folder can be written."""
    if library is not None:
        return None
    function: Any = _run_job
    folder = function._cache.cache_path
    return None if folder is None else Path(folder)


def num_sleeping() -> int:
    """Return the number of workers that sleep."""
    return int(np.count_nonzero(cells[FIRST_LINE + STATE :: CELLS_PER_LINE] == ASLEEP))


def _stop_workers() -> None:
    """Stop all workers at the end of the process: no thread may run compiled code while that is being unloaded."""
    for thread in range(1, len(_workers) + 1):
        line = FIRST_LINE + CELLS_PER_LINE * thread
        cells[line + STATE] = STOPPED
        locks["release"](int(cells[line + LOCK]))
    for worker in _workers:
        worker.join(1.0)
    _workers.clear()


def _reset_after_fork() -> None:
    """Reset the pool in a forked process, which has none of its parent's threads."""
    global _num_threads, _changing
    _num_threads, _changing = 1, threading.Lock()
    _limits.clear()
    _workers.clear()
    cells[:] = 0
    cells[NUM_THREADS] = 1


atexit.register(_stop_workers)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
