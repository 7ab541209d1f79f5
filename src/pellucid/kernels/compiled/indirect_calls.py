"""Indirect calls: compiled code that calls another compiled function through its address instead of containing a copy of it.

Numba links a function into each of its callers and compiles it again there, and the callers into their own callers: the same
loop would be compiled five times. Called indirectly, each function is compiled once, and not before it is called: the address
is looked up at the first call, by module, name and argument types, so that code from Numba's cache finds it too. What is never
called need not be compiled, and processes that compile at the same time share what there is to compile. A function with arrays
that cannot be written, or do not all have one floating-point type, is compiled with the code that calls it nevertheless: the
caller raises the error of the compiler where they do not fit.

Compiled code that needs an address requests it from the thread that compiles (``compiler_thread.py``), and sleeps until it has
it. It does not call Python itself: Python would run the handlers of signals that have arrived, and lose their exceptions.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator
from typing import Any

from pellucid.kernels.compiled import compiler_thread
from pellucid.kernels.compiled.jit import publish
from pellucid.kernels.compiled.toolchain import cgutils, intrinsic, ir, types

by_symbol = False  # for a library that is linked ahead of time: the calls are those of symbols, and nothing is looked up
_i64, _i32, _bytes = ir.IntType(64), ir.IntType(32), ir.IntType(8).as_pointer()
NOT_COMPILED = "a kernel could not be compiled: the error of the compiler is printed above"


def _constant(module: Any, name: str, value: Any) -> Any:
    constant = ir.GlobalVariable(module, value.type, name)
    constant.linkage, constant.initializer = "internal", value
    return constant


def _look_up(module: Any) -> Any:
    """Return a function in the module that requests the address for a key and its size, and waits for it; 0 without one."""
    name = "pellucid.look_up"
    if name in module.globals:
        return module.globals[name]
    function = ir.Function(module, ir.FunctionType(_i64, [_bytes, _i64]), name)
    function.linkage = "internal"
    builder = ir.IRBuilder(function.append_basic_block())

    def call(symbol: str, result: Any, *arguments: Any) -> Any:
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        return builder.call(cgutils.get_or_insert_function(module, kind, f"pellucid_{symbol}"), arguments)

    nothing, lock = ir.VoidType(), call("allocate_lock", _bytes)
    call("acquire_lock", _i32, lock, _i32(1))
    request = builder.alloca(ir.LiteralStructType([_bytes, _i64, _i64, _bytes]))
    for k, value in enumerate((*function.args, _i64(0), lock)):
        builder.store(value, cgutils.gep_inbounds(builder, request, 0, k))
    call("request_address", nothing, builder.bitcast(request, _bytes))
    call("acquire_lock", _i32, lock, _i32(1))  # until it is released
    call("release_lock", nothing, lock)
    call("free_lock", nothing, lock)
    builder.ret(builder.load(cgutils.gep_inbounds(builder, request, 0, 2)))
    return function


def _address(context: Any, builder: Any, function: Any, arg_types: tuple[Any, ...]) -> Any:
    """Emit the function's address for these types; a variable of the module stores it, zero until it is looked up."""
    if by_symbol:
        name = compiler_thread.compiled(function.py_func.__module__, function.py_func.__name__, arg_types).fndesc.llvm_func_name
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
        start = builder.bitcast(builder.module.globals[f"{name}.key"], _bytes)
        builder.store(builder.call(_look_up(builder.module), [start, _i64(len(key))]), address)
        with builder.if_then(builder.icmp_unsigned("==", builder.load(address), _i64(0)), likely=False):
            context.call_conv.return_user_exc(builder, RuntimeError, (NOT_COMPILED,))
        builder.store_atomic(builder.load(address), variable, "release", 8)
    return builder.load(address)


def emit_indirect_call(context: Any, builder: Any, function: Any, arg_types: tuple[Any, ...], values: list[Any]) -> None:
    """Emit an indirect call of a compiled function, which must return nothing. What it raises, its caller raises."""
    code = context.call_conv.get_function_type(types.void, arg_types).as_pointer()
    pointer = builder.inttoptr(_address(context, builder, function, arg_types), code)
    status, _ = context.call_conv.call_function(builder, pointer, types.void, arg_types, values)
    with builder.if_then(status.is_error, likely=False):
        context.call_conv.return_status_propagate(builder, status)


def _element_types(kinds: Iterable[Any]) -> Iterator[Any]:
    """Yield the types of the elements of all arrays, and of floating-point numbers, among argument types; ``none`` for an array
    that cannot be written."""
    for kind in kinds:
        if isinstance(kind, types.BaseTuple):
            yield from _element_types(kind.types)
        elif isinstance(kind, types.Array):
            yield kind.dtype if kind.mutable else types.none
        elif isinstance(kind, types.Float):
            yield kind


def compile_unless_uniform(typing: Any, function: Any, arg_types: tuple[Any, ...]) -> None:
    """Compile a function that will be called indirectly, unless its arrays and numbers have one floating-point type."""
    elements = set(_element_types(arg_types))
    if len(elements) > 1 or not elements <= {types.float32, types.float64}:
        function.get_call_type(typing, arg_types, {})


@intrinsic
def indirect_call(typing, function, arguments):
    """Call the compiled ``function(*arguments)`` indirectly; it must return nothing."""
    arg_types = tuple(types.unliteral(kind) for kind in arguments.types)
    compile_unless_uniform(typing, function, arg_types)

    def emit(context, builder, signature, args):
        given = signature.args[1].types
        values = [
            context.cast(builder, builder.extract_value(args[1], i), given[i], arg_type) for i, arg_type in enumerate(arg_types)
        ]
        emit_indirect_call(context, builder, function.dispatcher, arg_types, values)
        return context.get_dummy_value()

    return types.void(function, arguments), emit
