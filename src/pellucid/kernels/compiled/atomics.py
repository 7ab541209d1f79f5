"""64-bit cells that threads share, with atomic operations on them; and locks, on which compiled code can sleep.

Numba has no atomic operations on the CPU; these functions emit LLVM's atomic instructions and call the interpreter's locks.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from pellucid.core.memory import aligned_zeros
from pellucid.kernels.compiled.toolchain import cgutils, intrinsic, ir, library, llvm, types

NUM_CELLS = 2_056  # of 64 bits; the thread pool defines what each one holds

cells = aligned_zeros(NUM_CELLS, np.int64) if library is None else library.cells(NUM_CELLS)
ctypes.pythonapi.Py_IncRef(ctypes.py_object(cells))  # never freed: a worker thread may read it until the process ends
llvm.add_symbol("pellucid_cells", cells.ctypes.data)

# The interpreter's own locks: they work on every system, and compiled code can sleep on one without holding the interpreter.
locks = {name: getattr(ctypes.pythonapi, f"PyThread_{name}_lock") for name in ("allocate", "free", "acquire", "release")}
locks["allocate"].restype = ctypes.c_void_p
locks["acquire"].argtypes = ctypes.c_void_p, ctypes.c_int
locks["release"].argtypes = (ctypes.c_void_p,)
for _name, _function in locks.items():
    llvm.add_symbol(f"pellucid_{_name}_lock", ctypes.cast(_function, ctypes.c_void_p).value)

_TRIPLE = llvm.get_process_triple()
IS_X86, IS_ARM64 = _TRIPLE.startswith(("x86", "i686")), _TRIPLE.startswith(("aarch64", "arm64"))
_i64, _i32, _bytes = ir.IntType(64), ir.IntType(32), ir.IntType(8).as_pointer()


def _cell(builder: Any, index: Any) -> Any:
    """Return the address of one cell."""
    shared = builder.module.globals.get("pellucid_cells")
    if shared is None:
        shared = ir.GlobalVariable(builder.module, ir.ArrayType(_i64, NUM_CELLS), "pellucid_cells")
    return builder.gep(shared, [_i32(0), builder.trunc(index, _i32)])


@intrinsic
def load(typing, index):
    """Return the value of a cell (acquire order)."""

    def emit(context, builder, signature, args):
        return builder.load_atomic(_cell(builder, args[0]), "acquire", 8)

    return types.int64(types.int64), emit


@intrinsic
def store(typing, index, value):
    """Set a cell (release order)."""

    def emit(context, builder, signature, args):
        builder.store_atomic(args[1], _cell(builder, args[0]), "release", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), emit


@intrinsic
def compare_exchange(typing, index, expected, desired):
    """Set a cell to ``desired`` if its value is ``expected``, and return whether it was."""

    def emit(context, builder, signature, args):
        result = builder.cmpxchg(_cell(builder, args[0]), args[1], args[2], "acq_rel", "acquire")
        return builder.extract_value(result, 1)

    return types.boolean(types.int64, types.int64, types.int64), emit


@intrinsic
def spin_wait_hint(typing):
    """Tell the processor that this is a spin-wait loop; meanwhile, the core's other hardware thread runs faster."""

    def emit(context, builder, signature, args):
        if IS_X86:
            pause = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, pause, "llvm.x86.sse2.pause"), [])
        elif IS_ARM64:  # its own hint, yield, takes no time on most processors; a barrier for instructions takes some cycles
            barrier = ir.FunctionType(ir.VoidType(), [_i32])
            builder.call(cgutils.get_or_insert_function(builder.module, barrier, "llvm.aarch64.isb"), [_i32(15)])
        return context.get_dummy_value()

    return types.void(), emit


@intrinsic
def acquire_lock(typing, lock):
    """Sleep until the lock is free, and acquire it."""

    def emit(context, builder, signature, args):
        code = ir.FunctionType(_i32, [_bytes, _i32])
        lock = builder.inttoptr(args[0], _bytes)
        builder.call(cgutils.get_or_insert_function(builder.module, code, "pellucid_acquire_lock"), [lock, _i32(1)])
        return context.get_dummy_value()

    return types.void(types.int64), emit


@intrinsic
def release_lock(typing, lock):
    """Release the lock, which wakes the thread that sleeps on it."""

    def emit(context, builder, signature, args):
        code = ir.FunctionType(ir.VoidType(), [_bytes])
        lock = builder.inttoptr(args[0], _bytes)
        builder.call(cgutils.get_or_insert_function(builder.module, code, "pellucid_release_lock"), [lock])
        return context.get_dummy_value()

    return types.void(types.int64), emit
