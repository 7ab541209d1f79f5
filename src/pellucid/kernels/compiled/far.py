"""Calls through an address: compiled code that calls other compiled code without a copy of it inside.

Numba links a function into each of its callers, where it is optimized and translated again, and with them into theirs: the
same loop would be compiled five times. Called from afar, each is compiled once. The address is looked up at the first call,
by name and types, so that code from Numba's cache finds it, too.
"""

from __future__ import annotations

import _thread
import ctypes
import importlib
import os
import pickle
import traceback
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_i64, _bytes = ir.IntType(64), ir.IntType(8).as_pointer()


def _compiled(module: str, name: str, kinds: tuple[Any, ...]) -> Any:
    function = getattr(importlib.import_module(module), name)
    if kinds not in function.overloads:
        function.compile(kinds)
    return function.overloads[kinds]


@ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64)
def _found(key: int, size: int) -> int:
    """The address of the function that a key of so many bytes names; compiled code asks for it."""
    address, interrupted = 0, False
    while not address:
        try:
            compiled = _compiled(*pickle.loads(ctypes.string_at(key, size)))
            address = int(compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))
            if not address:
                raise RuntimeError(f"{compiled.fndesc.qualname} was compiled, and has no address")
        except KeyboardInterrupt:  # nothing can be raised into compiled code: finish what was asked, then stop
            interrupted = True
        except BaseException:
            traceback.print_exc()
            os.abort()
    if interrupted:
        _thread.interrupt_main()
    return address


llvmlite.binding.add_symbol("pellucid_found", ctypes.cast(_found, ctypes.c_void_p).value)


def _constant(module: Any, name: str, value: Any) -> Any:
    constant = ir.GlobalVariable(module, value.type, name)
    constant.linkage, constant.initializer = "internal", value
    return constant


def _address(builder: Any, function: Any, kinds: tuple[Any, ...]) -> Any:
    """Where the function's code for these types lies: kept in a variable of the module, zero until it is known."""
    key = pickle.dumps((function.py_func.__module__, function.py_func.__name__, kinds))
    name = f"far.{key.hex()}"
    place = builder.module.globals.get(name)
    if place is None:
        place = _constant(builder.module, name, _i64(0))
        _constant(builder.module, f"{name}.key", cgutils.make_bytearray(key))
    here = cgutils.alloca_once_value(builder, builder.load_atomic(place, "acquire", 8))
    with builder.if_then(builder.icmp_unsigned("==", builder.load(here), _i64(0)), likely=False):
        look = cgutils.get_or_insert_function(builder.module, ir.FunctionType(_i64, [_bytes, _i64]), "pellucid_found")
        words = builder.bitcast(builder.module.globals[f"{name}.key"], _bytes)
        builder.store(builder.call(look, [words, _i64(len(key))]), here)
        builder.store_atomic(builder.load(here), place, "release", 8)
    return builder.load(here)


def emit_call(context: Any, builder: Any, function: Any, kinds: tuple[Any, ...], values: list[Any]) -> None:
    """Emits the call of a compiled function, which returns nothing and raises nothing."""
    code = context.call_conv.get_function_type(types.void, kinds).as_pointer()
    pointer = builder.inttoptr(_address(builder, function, kinds), code)
    context.call_conv.call_function(builder, pointer, types.void, kinds, values)


@intrinsic
def far(typing, function, arguments):  # type: ignore[no-untyped-def]
    """Calls the compiled ``function(*arguments)``, which returns nothing and raises nothing."""
    kinds = tuple(types.unliteral(kind) for kind in arguments.types)
    function.get_call_type(typing, kinds, {})  # compiles it where that has not happened: what is wrong with it is said here

    def emit(context, builder, signature, args):  # type: ignore[no-untyped-def]
        values = [builder.extract_value(args[1], i) for i in range(len(kinds))]
        emit_call(context, builder, function.dispatcher, kinds, values)
        return context.get_dummy_value()

    return types.void(function, arguments), emit
