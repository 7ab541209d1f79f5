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
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.kernels.compiled.atomics import (
    acquire_lock,
    cells,
    compare_exchange,
    fetch_add,
    load,
    locks,
    release_lock,
    spin_wait_hint,
    store,
)
from pellucid.kernels.compiled.indirect_calls import emit_indirect_call, indirect_call
from pellucid.kernels.compiled.jit import OPTIONS, inner_jit, jit, u64
from pellucid.kernels.compiled.toolchain import cgutils, intrinsic, ir, library, numba, types

CHUNK = 16_384  # elements of a flat array in one task: some microseconds
SPINS_BEFORE_SLEEP = 50_000  # from a third of a millisecond to two, depending on how long a spin-wait hint takes

# What the shared cells hold. Values that different threads write are on different cache lines (of eight cells).
CELLS_PER_LINE = 8
JOB, FUNCTION, ARGUMENTS, DONE, BUSY, NUM_THREADS, JOB_THREADS = 0, 8, 9, 16, 24, 32, 40
# One line for each thread follows: its work range, its state, and the lock on which it sleeps.
RANGES, STATES, LOCKS = 48, 49, 50
AWAKE, ASLEEP, STOPPED = 0, 1, 2
MAX_THREADS = 256  # the first is the caller
# A work range is one cell with three fields: the number of the job, the end of the range, and its next task. To take a task is
# to add one to a range that has not changed since it was read, so that no thread can begin a task of a job that is over.
TASK_BITS = 20
MAX_TASKS = (1 << TASK_BITS) - 1  # of a job; a job with more runs in one thread
JOB_NUMBERS = 1 << 22

cells[NUM_THREADS] = 1
_i64 = ir.IntType(64)


@intrinsic
def _task_code(typing, function, arguments):
    """Return two addresses: of code that calls the compiled ``function(*arguments, task)``, and of the arguments on the
    caller's stack."""
    arg_types = (*arguments.types, types.int64)

    def emit(context, builder, signature, args):
        struct = ir.LiteralStructType([context.get_value_type(kind) for kind in arguments.types])
        stack = cgutils.alloca_once(builder, struct)
        for i in range(len(arguments.types)):
            builder.store(builder.extract_value(args[1], i), cgutils.gep_inbounds(builder, stack, 0, i))
        name = builder.module.get_unique_name("task")
        code = ir.Function(builder.module, ir.FunctionType(ir.VoidType(), [_i64, _i64]), name)
        code.linkage = "internal"
        body = ir.IRBuilder(code.append_basic_block())
        stored = body.inttoptr(code.args[0], struct.as_pointer())
        values = [body.load(cgutils.gep_inbounds(body, stored, 0, i)) for i in range(len(arguments.types))]
        emit_indirect_call(context, body, function.dispatcher, arg_types, [*values, code.args[1]])
        body.ret_void()
        pair = [builder.ptrtoint(code, _i64), builder.ptrtoint(stack, _i64)]
        return context.make_tuple(builder, signature.return_type, pair)

    return types.UniTuple(types.int64, 2)(function, arguments), emit


@intrinsic
def _run_task(typing, code, arguments, task):
    """Run one task with the two addresses of :func:`_task_code`."""

    def emit(context, builder, signature, args):
        pointer = ir.FunctionType(ir.VoidType(), [_i64, _i64]).as_pointer()
        builder.call(builder.inttoptr(args[0], pointer), [args[1], args[2]])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), emit


@inner_jit
def _take_and_run(thread):
    """Take and run one task of the current job, from the thread's own range while it has any; return whether there was one."""
    threads = load(JOB_THREADS)
    for k in range(threads):
        cell = RANGES + CELLS_PER_LINE * ((thread + k) % threads)
        while True:
            work_range = load(cell)
            task = work_range & MAX_TASKS
            if task >= (work_range >> TASK_BITS) & MAX_TASKS:
                break
            code, arguments = load(FUNCTION), load(ARGUMENTS)
            if compare_exchange(cell, work_range, work_range + 1):
                _run_task(code, arguments, task)
                fetch_add(DONE, 1)
                return True
    return False


@inner_jit
def _run_job(code, arguments, count):
    """Run all tasks: in the pool, or in this thread if there is only one task, too many, or another kernel in the pool."""
    if count <= 1 or count > MAX_TASKS or not compare_exchange(BUSY, 0, 1):
        for task in range(count):
            _run_task(code, arguments, task)
        return
    store(FUNCTION, code)
    store(ARGUMENTS, arguments)
    store(DONE, 0)
    threads = min(load(NUM_THREADS), count)
    job = (load(JOB) + 1) % JOB_NUMBERS
    for thread in range(threads):
        begin, end = thread * count // threads, (thread + 1) * count // threads
        store(RANGES + CELLS_PER_LINE * thread, (job << 2 * TASK_BITS) + (end << TASK_BITS) + begin)
    store(JOB_THREADS, threads)
    store(JOB, job)
    for thread in range(1, threads):
        state = STATES + CELLS_PER_LINE * thread
        if load(state) == ASLEEP and compare_exchange(state, ASLEEP, AWAKE):
            release_lock(load(LOCKS + CELLS_PER_LINE * thread))
    while _take_and_run(types.int64(0)):  # a literal 0 would be a type of its own, and the function be compiled for it again
        pass
    while load(DONE) < count:
        spin_wait_hint()
    store(BUSY, 0)


@intrinsic
def _keep_alive(typing, arguments):
    """Do nothing but use the arguments, so that arrays among them are not freed before this point."""

    def emit(context, builder, signature, args):
        return context.get_dummy_value()

    return types.void(arguments), emit


@numba.njit(inline="always", **OPTIONS)  # not inlined, it would be compiled for each task function, and that function twice
def parallel_for(function, arguments, count):
    """Call ``function(*arguments, task)`` for every task from 0 to ``count`` − 1, in this thread and in the pool's, and return
    when all have run. The function is a compiled one that returns nothing and raises nothing.

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
    state, last_job, spins = STATES + CELLS_PER_LINE * thread, 0, 0
    while load(state) != STOPPED:
        job = load(JOB)
        if job != last_job:
            # A thread that is awake may be one more than the job has threads.
            while thread < load(JOB_THREADS) and _take_and_run(thread):
                pass
            last_job, spins = job, 0
        spin_wait_hint()
        spins += 1
        if spins == SPINS_BEFORE_SLEEP:
            spins = 0
            if compare_exchange(state, AWAKE, ASLEEP):
                acquire_lock(load(LOCKS + CELLS_PER_LINE * thread))


_num_threads = 1  # as it was last set
_workers: list[threading.Thread] = []
_starting = threading.Lock()


def compile_pool() -> None:
    """Compile what every kernel with tasks calls."""
    run_job: Any = _run_job
    worker_loop: Any = _worker_loop
    run_job.compile((types.int64,) * 3)
    worker_loop.compile((types.int64,))


def set_num_threads(threads: int) -> None:
    """Set the number of threads that run the tasks of a kernel, the caller included; start workers that do not exist yet."""
    global _num_threads
    if threads == _num_threads:
        return
    with _starting:  # two callers at once would give two workers the same line of cells
        count = max(1, min(threads, MAX_THREADS))
        cells[NUM_THREADS] = count
        for thread in range(len(_workers) + 1, count):
            lock = locks["allocate"]()
            locks["acquire"](lock, 1)
            cells[LOCKS + CELLS_PER_LINE * thread], cells[STATES + CELLS_PER_LINE * thread] = lock, AWAKE
            _workers.append(threading.Thread(target=_worker_loop, args=(thread,), name="pellucid worker", daemon=True))
            _workers[-1].start()
        _num_threads = threads


def cache_folder() -> Path | None:
    """Return the folder into which compiled code is written, or None if no folder can be written."""
    if library is not None:
        return None
    function: Any = _run_job
    folder = function._cache.cache_path
    return None if folder is None else Path(folder)


def num_sleeping() -> int:
    """Return the number of workers that sleep."""
    return int(np.count_nonzero(cells[STATES::CELLS_PER_LINE] == ASLEEP))


def _stop_workers() -> None:
    """Stop all workers at the end of the process: no thread may run compiled code while that is being unloaded."""
    for thread in range(1, len(_workers) + 1):
        cells[STATES + CELLS_PER_LINE * thread] = STOPPED
        locks["release"](int(cells[LOCKS + CELLS_PER_LINE * thread]))
    for worker in _workers:
        worker.join(1.0)
    _workers.clear()


def _reset_after_fork() -> None:
    """Reset the pool in a forked process, which has none of its parent's threads."""
    global _num_threads, _starting
    _num_threads, _starting = 1, threading.Lock()
    _workers.clear()
    cells[:] = 0
    cells[NUM_THREADS] = 1


atexit.register(_stop_workers)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
