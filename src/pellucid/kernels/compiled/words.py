"""Words that threads share: how compiled code reads, writes and changes them in one go, and how it waits and sleeps.

What it takes besides Numba's own: LLVM's atomic instructions, and the interpreter's locks.
"""

from __future__ import annotations

import ctypes
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pellucid.core.memory import aligned_zeros

WORDS = 2_112  # of the shared memory; who uses it says what for

memory = aligned_zeros(WORDS, np.int64)
ctypes.pythonapi.Py_IncRef(ctypes.py_object(memory))  # a thread may read it until the process is gone
llvmlite.binding.add_symbol("pellucid_words", memory.ctypes.data)

# The interpreter's own locks, which work on every system and need no interpreter: compiled code can sleep on one.
locks = {name: getattr(ctypes.pythonapi, f"PyThread_{name}_lock") for name in ("allocate", "acquire", "release")}
locks["allocate"].restype = ctypes.c_void_p
locks["acquire"].argtypes = ctypes.c_void_p, ctypes.c_int
locks["release"].argtypes = (ctypes.c_void_p,)
for _name in ("acquire", "release"):
    llvmlite.binding.add_symbol(f"pellucid_{_name}", ctypes.cast(locks[_name], ctypes.c_void_p).value)

X86 = llvmlite.binding.get_process_triple().startswith(("x86", "i686"))
_i64, _i32, _bytes = ir.IntType(64), ir.IntType(32), ir.IntType(8).as_pointer()


def _word(builder: Any, index: Any) -> Any:
    """The address of one word of the shared memory."""
    words = builder.module.globals.get("pellucid_words")
    if words is None:
        words = ir.GlobalVariable(builder.module, ir.ArrayType(_i64, WORDS), "pellucid_words")
    return builder.gep(words, [_i32(0), builder.trunc(index, _i32)])


@intrinsic
def read(typing, index):  # type: ignore[no-untyped-def]
    def emit(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.load_atomic(_word(builder, args[0]), "acquire", 8)

    return types.int64(types.int64), emit


@intrinsic
def write(typing, index, value):  # type: ignore[no-untyped-def]
    def emit(context, builder, signature, args):  # type: ignore[no-untyped-def]
        builder.store_atomic(args[1], _word(builder, args[0]), "release", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), emit


@intrinsic
def increment(typing, index):  # type: ignore[no-untyped-def]
    def emit(context, builder, signature, args):  # type: ignore[no-untyped-def]
        builder.atomic_rmw("add", _word(builder, args[0]), _i64(1), "acq_rel")
        return context.get_dummy_value()

    return types.void(types.int64), emit


@intrinsic
def exchange_if(typing, index, before, after):  # type: ignore[no-untyped-def]
    """Writes ``after`` where ``before`` still stands; whether it did."""

    def emit(context, builder, signature, args):  # type: ignore[no-untyped-def]
        both = builder.cmpxchg(_word(builder, args[0]), args[1], args[2], "acq_rel", "acquire")
        return builder.extract_value(both, 1)

    return types.boolean(types.int64, types.int64, types.int64), emit


@intrinsic
def pause(typing):  # type: ignore[no-untyped-def]
    """What a processor wants to hear from a loop that waits: its other half thread runs faster meanwhile."""

    def emit(context, builder, signature, args):  # type: ignore[no-untyped-def]
        if X86:
            builder.call(
                cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), []), "llvm.x86.sse2.pause"), []
            )
        return context.get_dummy_value()

    return types.void(), emit


@intrinsic
def acquire(typing, lock):  # type: ignore[no-untyped-def]
    """Sleeps until the lock is free, and takes it."""

    def emit(context, builder, signature, args):  # type: ignore[no-untyped-def]
        code = ir.FunctionType(_i32, [_bytes, _i32])
        lock = builder.inttoptr(args[0], _bytes)
        builder.call(cgutils.get_or_insert_function(builder.module, code, "pellucid_acquire"), [lock, _i32(1)])
        return context.get_dummy_value()

    return types.void(types.int64), emit


@intrinsic
def release(typing, lock):  # type: ignore[no-untyped-def]
    """Lets the thread go that sleeps on the lock."""

    def emit(context, builder, signature, args):  # type: ignore[no-untyped-def]
        code = ir.FunctionType(ir.VoidType(), [_bytes])
        lock = builder.inttoptr(args[0], _bytes)
        builder.call(cgutils.get_or_insert_function(builder.module, code, "pellucid_release"), [lock])
        return context.get_dummy_value()

    return types.void(types.int64), emit
