"""Indirect calls: compiled code that calls another compiled function through its address instead of containing a copy of it.

Numba links a function into each of its callers and compiles it again there, and the callers into their own callers: the same
loop would be compiled five times. Called indirectly, each function is compiled once, and not before it is called: the address
is looked up at the first call, by module, name and argument types, so that code from Numba's cache finds it too. What no batch
needs is never compiled, and processes that compile at the same time share what there is to compile. No exception can pass
through compiled code, so a function that cannot be compiled then ends the process, with the error on standard error. So that a
caller with arrays of wrong types gets an exception instead, a function whose arrays do not all have one floating-point type is
compiled with the code that calls it.
"""

from __future__ import annotations

import _thread
import contextlib
import ctypes
import importlib
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Iterable, Iterator
from typing import Any

from pellucid.kernels.compiled.jit import publish
from pellucid.kernels.compiled.toolchain import cgutils, intrinsic, ir, llvm, types

by_symbol = False  # for a library that is linked ahead of time: the calls are those of symbols, and nothing is looked up
_i64, _bytes = ir.IntType(64), ir.IntType(8).as_pointer()


def _compile(module: str, name: str, arg_types: tuple[Any, ...]) -> Any:
    """Return the compile result of a function for these argument types; compile it if that has not happened yet."""
    function = getattr(importlib.import_module(module), name)
    if arg_types not in function.overloads:
        function.compile(arg_types)
    return function.overloads[arg_types]


@ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64)
def _find_address(key: int, size: int) -> int:
    """Return the address of the function that a pickled key names: ``size`` bytes at ``key``. Compiled code calls this."""
    address, interrupted = 0, False
    while not address:
        try:
            with _interrupts_later():
                compiled = _compile(*pickle.loads(ctypes.string_at(key, size)))
                address = int(compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))
                if not address:
                    raise RuntimeError(f"{compiled.fndesc.qualname} was compiled but has no address")
        except KeyboardInterrupt:  # before interrupts were put off
            interrupted = True
        except BaseException:
            traceback.print_exc()
            os.abort()
    if interrupted:
        _interrupt_soon()
    return address


@contextlib.contextmanager
def _interrupts_later() -> Iterator[None]:
    """Put off the interrupts of a block: no exception can pass through compiled code, nor can the compiler go on after one."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    interrupts: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: interrupts.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if interrupts:
            _interrupt_soon()


def _interrupt_soon() -> None:
    """Interrupt the main thread when it is no longer in the function that compiled code has called. (An interrupt that this
    thread asked for would be raised at once.)"""
    timer = threading.Timer(0.05, _thread.interrupt_main)
    timer.daemon = True
    timer.start()


llvm.add_symbol("pellucid_find_address", ctypes.cast(_find_address, ctypes.c_void_p).value)


def _constant(module: Any, name: str, value: Any) -> Any:
    constant = ir.GlobalVariable(module, value.type, name)
    constant.linkage, constant.initializer = "internal", value
    return constant


def _address(context: Any, builder: Any, function: Any, arg_types: tuple[Any, ...]) -> Any:
    """Emit the function's address for these types; a variable of the module stores it, zero until it is looked up."""
    if by_symbol:
        name = _compile(function.py_func.__module__, function.py_func.__name__, arg_types).fndesc.llvm_func_name
        code = context.call_conv.get_function_type(types.void, arg_types)
        return builder.ptrtoint(cgutils.get_or_insert_function(builder.module, code, name), _i64)
    key = pickle.dumps((function.py_func.__module__, function.py_func.__name__, arg_types))
    name = f"indirect.{key.hex()}"
    variable = builder.module.globals.get(name)
    if variable is None:
        publish(function, key)
        variable = _constant(builder.module, name, _i64(0))
        _constant(builder.module, f"{name}.key", cgutils.make_bytearray(key))
    address = cgutils.alloca_once_value(builder, builder.load_atomic(variable, "acquire", 8))
    with builder.if_then(builder.icmp_unsigned("==", builder.load(address), _i64(0)), likely=False):
        signature = ir.FunctionType(_i64, [_bytes, _i64])
        find = cgutils.get_or_insert_function(builder.module, signature, "pellucid_find_address")
        start = builder.bitcast(builder.module.globals[f"{name}.key"], _bytes)
        builder.store(builder.call(find, [start, _i64(len(key))]), address)
        builder.store_atomic(builder.load(address), variable, "release", 8)
    return builder.load(address)


def emit_indirect_call(context: Any, builder: Any, function: Any, arg_types: tuple[Any, ...], values: list[Any]) -> None:
    """Emit an indirect call of a compiled function, which must return nothing and raise nothing."""
    code = context.call_conv.get_function_type(types.void, arg_types).as_pointer()
    pointer = builder.inttoptr(_address(context, builder, function, arg_types), code)
    context.call_conv.call_function(builder, pointer, types.void, arg_types, values)


def _element_types(kinds: Iterable[Any]) -> Iterator[Any]:
    """Yield the types of the elements of all arrays, and of floating-point numbers, among argument types."""
    for kind in kinds:
        if isinstance(kind, types.BaseTuple):
            yield from _element_types(kind.types)
        elif isinstance(kind, types.Array):
            yield kind.dtype
        elif isinstance(kind, types.Float):
            yield kind


def compile_if_mixed(typing: Any, function: Any, arg_types: tuple[Any, ...]) -> None:
    """Compile a function that will be called indirectly, unless its arrays and numbers have one floating-point type."""
    elements = set(_element_types(arg_types))
    if len(elements) > 1 or not elements <= {types.float32, types.float64}:
        function.get_call_type(typing, arg_types, {})


@intrinsic
def indirect_call(typing, function, arguments):
    """Call the compiled ``function(*arguments)`` indirectly; it must return nothing and raise nothing."""
    arg_types = tuple(types.unliteral(kind) for kind in arguments.types)
    compile_if_mixed(typing, function, arg_types)

    def emit(context, builder, signature, args):
        given = signature.args[1].types
        values = [
            context.cast(builder, builder.extract_value(args[1], i), given[i], arg_type) for i, arg_type in enumerate(arg_types)
        ]
        emit_indirect_call(context, builder, function.dispatcher, arg_types, values)
        return context.get_dummy_value()

    return types.void(function, arguments), emit
