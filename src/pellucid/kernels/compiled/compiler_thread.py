"""The thread in which all functions are compiled, and in which compiled code has addresses looked up.

Python runs the handlers of signals in the main thread, wherever its code is: an interrupt might leave a lock of the compiler
locked for ever, and no exception can pass through compiled code. So other threads wait for this one, which no signal reaches.
An interrupt of the main thread is raised there at once, while the function is compiled to its end.

Compiled code that needs an address puts that of a :class:`_Request` into the same queue, and sleeps until it is answered.
"""

from __future__ import annotations

import atexit
import ctypes
import importlib
import os
import pickle
import queue
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

from pellucid.kernels.compiled import atomics
from pellucid.kernels.compiled.toolchain import library, llvm

STACK = 16 << 20  # bytes: the compiler calls itself deeply, and some systems give threads little

if library is None:
    from numba.core.compiler_lock import global_compiler_lock


class _Request(ctypes.Structure):
    """The look-up of an address, in the memory of the code that waits for it: the ``size`` bytes at ``key`` are what ``pickle``
    makes of the function's module, its name and the types of its arguments. The lock is released when the address is there;
    where the function cannot be compiled, that is 0."""

    _fields_ = [("key", ctypes.c_void_p), ("size", ctypes.c_int64), ("address", ctypes.c_void_p), ("lock", ctypes.c_void_p)]


_queue: queue.SimpleQueue[Any] = queue.SimpleQueue()  # of what run() puts in, and of addresses of requests
_failed: set[bytes] = set()  # keys of functions that cannot be compiled
_thread: threading.Thread | None = None


def run(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return the result of ``function(*arguments)``, which is called in the thread that compiles.

    In that thread, and in one that has the compiler's lock already, it is called directly.
    """
    if threading.current_thread() is _thread or global_compiler_lock.is_locked():
        return function(*arguments)
    outcome: list[Any] = []
    done = threading.Lock()  # of an Event, an interrupt might leave the lock locked for which the other thread waits then
    done.acquire()
    _queue.put((function, arguments, outcome, done))
    done.acquire()
    result, error = outcome
    if error is not None:
        raise error
    return result


def compiled(module: str, name: str, arg_types: tuple[Any, ...]) -> Any:
    """Return the compile result of a function for these argument types; compile it if that has not happened yet."""
    function = getattr(sys.modules.get(module) or importlib.import_module(module), name)
    if arg_types not in function.overloads:
        function.compile(arg_types)
    return function.overloads[arg_types]


def address(result: Any) -> int:
    """Return the address of the code of a compile result."""
    return int(run(result.library.get_pointer_to_function, result.fndesc.llvm_func_name))


def _answer(request: _Request) -> None:
    key = ctypes.string_at(request.key, request.size)
    try:
        if key not in _failed:
            request.address = address(compiled(*pickle.loads(key)))
    except BaseException:
        _failed.add(key)
        traceback.print_exc()
    atomics.locks["release"](request.lock)


def _work() -> None:
    while True:
        work = _queue.get()
        if isinstance(work, int):
            _answer(_Request.from_address(work))
            continue
        function, arguments, outcome, done = work
        try:
            outcome += function(*arguments), None
        except BaseException as error:
            outcome += None, error
        done.release()
        del work, function, arguments, outcome, done  # nothing is kept until the next one comes


def _start() -> None:
    """Start the thread: when the kernels are imported, and in each forked process."""
    global _thread
    while not _queue.empty():  # of threads that the forked process does not have
        _queue.get()
    _thread = threading.Thread(target=_work, name="pellucid compiler", daemon=True)
    before = threading.stack_size(STACK)
    try:
        _thread.start()
    finally:
        threading.stack_size(before)


def _finish() -> None:
    """Wait until nothing is compiled: at the end of the process, the compiler may not be at work while it is unloaded."""
    run(lambda: None)


if library is None:
    # The method of the queue is no function of Python: no signal is handled when compiled code calls it.
    _put = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(_queue.put)
    llvm.add_symbol("pellucid_request_address", ctypes.cast(_put, ctypes.c_void_p).value)
    _start()
    atexit.register(_finish)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_start)
