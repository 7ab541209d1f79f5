"""The innermost loops of pooling, in SIMD: a run of windows in one row, forward and backward.

Images often have few channels, and Numba does not vectorize a loop over 8 of them. So these loops are written in LLVM's
intermediate language, in vectors as wide as the machine has; the last vector of a pixel is masked. The result of a window stays
in registers until its last tap.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from pellucid.kernels.compiled.indirect_calls import emit_indirect_call
from pellucid.kernels.compiled.jit import inner_jit
from pellucid.kernels.compiled.simd import VECTOR_BYTES, VectorBuilder, emit_cases
from pellucid.kernels.compiled.toolchain import cgutils, intrinsic, ir, types

# The operations.
MAX, MAX_BACKWARD, AVERAGE, AVERAGE_BACKWARD = 0, 1, 2, 3
# The kinds of windows: 2 × 2 taps without overlap; any size without overlap; any. Only if windows may overlap is a gradient
# added to a pixel's present value.
TWO_BY_TWO, DISJOINT, OVERLAPPING = 0, 1, 2
SHORT_SUM = 128  # taps of a window whose values are added in the array's dtype
BLOCK = 16  # taps of a larger window that are added in the array's dtype; the sums of the blocks are added in float64
OVERLAPPING_VECTOR_BYTES = 32  # a value that was stored under a mask, or straddles two stores, is slow to load again
_i64, _i32 = ir.IntType(64), ir.IntType(32)


class _Windows:
    """The loops for one operation on one kind of windows."""

    def __init__(self, context: Any, builder: Any, signature: Any, args: Any, kind: int):
        self.builder, self.kind = builder, kind
        self.tap_rows: tuple[int, ...] = (0, 1)  # of a window of 2 × 2 taps
        max_bytes = OVERLAPPING_VECTOR_BYTES if kind == OVERLAPPING else VECTOR_BYTES
        self.v = VectorBuilder(context, builder, signature.args[-2], max_bytes)
        self.index_type = context.get_value_type(signature.args[-1])
        addresses, taps, windows = args
        self.x, self.y, self.indices = cgutils.unpack_tuple(builder, addresses)
        self.rows, self.columns, self.row_stride, self.column_stride, self.first_tap, self.kw = cgutils.unpack_tuple(
            builder, taps
        )
        self.count, self.stride, self.c = cgutils.unpack_tuple(builder, windows)

    def for_each(self, body: Callable[[Any, Any, Any], None]) -> None:
        """Emit ``body`` for each window and each vector of channels; its arguments are the addresses of the window's first tap,
        of its output and of its index."""
        builder, v = self.builder, self.v
        vectors = builder.sdiv(builder.add(self.c, _i64(v.width - 1)), _i64(v.width))
        with cgutils.for_range(builder, self.count) as window, cgutils.for_range(builder, vectors) as vector:
            channel = builder.mul(vector.index, _i64(v.width))
            left = builder.sub(self.c, channel)
            self.mask = v.mask(left)
            x, y = builder.mul(window.index, self.stride), builder.add(builder.mul(window.index, self.c), channel)
            index = builder.add(self.indices, builder.mul(y, _i64(self.index_type.width // 8)))
            body(v.address(self.x, x, channel), v.address(self.y, y), index)

    def for_each_tap(self, x: Any, body: Callable[[Any, Any, Any], None]) -> None:
        """Emit ``body`` for each tap; its arguments are the tap's address and its two indices."""
        builder, v = self.builder, self.v
        if self.kind == TWO_BY_TWO:
            for i, j in ((_i64(i), _i64(j)) for i in self.tap_rows for j in (0, 1)):
                body(v.address(x, builder.mul(i, self.row_stride), builder.mul(j, self.column_stride)), i, j)
            return
        with cgutils.for_range(builder, self.rows) as i:
            row = v.address(x, builder.mul(i.index, self.row_stride))
            with cgutils.for_range(builder, self.columns) as j:
                body(v.address(row, builder.mul(j.index, self.column_stride)), i.index, j.index)

    def _tap(self, i: Any, j: Any) -> Any:
        """Return the index of tap (i, j) in every element of a vector, in integers as wide as the values are."""
        builder, v = self.builder, self.v
        kind = ir.IntType(8 * v.itemsize)
        tap = builder.add(self.first_tap, builder.add(builder.mul(i, self.kw), j))
        return v.broadcast(tap if v.itemsize == 8 else builder.trunc(tap, kind), ir.VectorType(kind, v.width))

    def _masked(self, what: str, result: Any, *arguments: Any) -> Any:
        """Emit a masked load or store of indices."""
        name = f"llvm.masked.{what}.v{self.v.width}i{self.index_type.width}.p0"
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), arguments)

    def _load_indices(self, address: Any) -> Any:
        """Return the indices of taps, in integers as wide as the values are."""
        builder, v, kind = self.builder, self.v, ir.VectorType(self.index_type, self.v.width)
        pointer = builder.inttoptr(address, kind.as_pointer())
        taps, zeros = cgutils.alloca_once(builder, kind), ir.Constant(kind, None)
        with builder.if_else(self.mask.is_full) as (full, partial):  # masks on bytes are slow without AVX-512
            with full:
                builder.store(builder.load(pointer, align=1), taps)
            with partial:
                builder.store(self._masked("load", kind, pointer, _i32(1), self.mask.elements, zeros), taps)
        wide = 8 * v.itemsize
        value = builder.load(taps)
        return builder.zext(value, ir.VectorType(ir.IntType(wide), v.width)) if wide > self.index_type.width else value

    def _store_indices(self, taps: Any, address: Any) -> None:
        builder, v, kind = self.builder, self.v, ir.VectorType(self.index_type, self.v.width)
        pointer = builder.inttoptr(address, kind.as_pointer())
        indices = builder.trunc(taps, kind) if 8 * v.itemsize > self.index_type.width else taps
        with builder.if_else(self.mask.is_full) as (full, partial):
            with full:
                builder.store(indices, pointer, align=1)
            with partial:
                self._masked("store", ir.VoidType(), indices, pointer, _i32(1), self.mask.elements)

    def max(self, x: Any, y: Any, indices: Any) -> None:
        builder, v = self.builder, self.v
        best = cgutils.alloca_once_value(builder, v.load(x, self.mask))
        tap = cgutils.alloca_once_value(builder, self._tap(_i64(0), _i64(0)))

        def compare(address: Any, i: Any, j: Any) -> None:
            value, before = v.load(address, self.mask), builder.load(best)
            is_number = builder.fcmp_ordered("==", before, before)
            better = builder.and_(is_number, builder.fcmp_unordered(">", value, before))  # NaN counts as larger
            builder.store(builder.select(better, value, before), best)
            builder.store(builder.select(better, self._tap(i, j), builder.load(tap)), tap)

        self.for_each_tap(x, compare)
        v.store(builder.load(best), y, self.mask)
        self._store_indices(builder.load(tap), indices)

    def max_backward(self, x: Any, y: Any, indices: Any) -> None:
        builder, v = self.builder, self.v
        dy, taps = v.load(y, self.mask), self._load_indices(indices)

        def select(address: Any, i: Any, j: Any) -> None:
            value = builder.select(builder.icmp_unsigned("==", taps, self._tap(i, j)), dy, v.zeros)
            self._store_gradient(value, address)

        self.for_each_tap(x, select)

    def _store_gradient(self, value: Any, address: Any) -> None:
        builder, v = self.builder, self.v
        if self.kind != OVERLAPPING:
            v.store(value, address, self.mask)
            return
        with builder.if_else(self.mask.is_full) as (full, partial):
            for branch, mask in ((full, None), (partial, self.mask)):
                with branch:
                    v.store(builder.fadd(v.load(address, mask), value), address, mask)

    def _tap_count(self) -> Any:
        """Return the number of taps of the window."""
        return self.v.broadcast(self.builder.sitofp(self.builder.mul(self.rows, self.columns), self.v.element))

    def average(self, x: Any, y: Any, indices: Any) -> None:
        builder = self.builder
        if self.kind == TWO_BY_TWO:
            self._short_average(x, y)
            return
        is_short = builder.icmp_signed("<=", builder.mul(self.rows, self.columns), _i64(SHORT_SUM))
        with builder.if_else(is_short) as (short, long):
            with short:
                self._short_average(x, y)
            with long:
                self._long_average(x, y)

    def _short_average(self, x: Any, y: Any) -> None:
        builder, v = self.builder, self.v
        total = cgutils.alloca_once_value(builder, v.zeros)

        def add(address: Any, i: Any, j: Any) -> None:
            builder.store(builder.fadd(builder.load(total), v.load(address, self.mask)), total)

        self.for_each_tap(x, add)
        v.store(builder.fdiv(builder.load(total), self._tap_count()), y, self.mask)

    def _long_average(self, x: Any, y: Any) -> None:
        """Emit the average of a window whose sum is long: the sums of blocks of neighbouring taps are added in float64."""
        builder, v = self.builder, self.v
        kind = ir.VectorType(ir.DoubleType(), v.width)

        def wide(value: Any) -> Any:
            return value if v.vector == kind else builder.fpext(value, kind)

        total = cgutils.alloca_once_value(builder, ir.Constant(kind, None))
        blocks = builder.sdiv(builder.add(self.columns, _i64(BLOCK - 1)), _i64(BLOCK))
        with cgutils.for_range(builder, self.rows) as i, cgutils.for_range(builder, blocks) as block:
            part = cgutils.alloca_once_value(builder, v.zeros)
            first = builder.mul(block.index, _i64(BLOCK))
            left = builder.sub(self.columns, first)
            count = builder.select(builder.icmp_signed("<", left, _i64(BLOCK)), left, _i64(BLOCK))
            start = v.address(x, builder.mul(i.index, self.row_stride), builder.mul(first, self.column_stride))
            with cgutils.for_range(builder, count) as j:
                value = v.load(v.address(start, builder.mul(j.index, self.column_stride)), self.mask)
                builder.store(builder.fadd(builder.load(part), value), part)
            builder.store(builder.fadd(builder.load(total), wide(builder.load(part))), total)
        mean = builder.fdiv(builder.load(total), wide(self._tap_count()))
        v.store(mean if v.vector == kind else builder.fptrunc(mean, v.vector), y, self.mask)

    def average_backward(self, x: Any, y: Any, indices: Any) -> None:
        part = self.builder.fdiv(self.v.load(y, self.mask), self._tap_count())
        self.for_each_tap(x, lambda address, i, j: self._store_gradient(part, address))

    def emit(self, operation: int) -> None:
        """Emit the loops for one operation."""
        body = (self.max, self.max_backward, self.average, self.average_backward)[operation]
        by_rows = self.kind == TWO_BY_TWO and operation in (MAX_BACKWARD, AVERAGE_BACKWARD)
        for self.tap_rows in ((0,), (1,)) if by_rows else ((0, 1),):  # so that pixels are written in the order of memory
            self.for_each(body)


_KINDS = 3
_OPERANDS = [types.UniTuple(types.int64, count) for count in (3, 6, 3)]


@intrinsic(prefer_literal=True)
def _loops(typing, code, addresses, taps, windows, like, index_like):
    """Apply the operation and the kind that ``code`` stands for, a number that is part of its type."""

    def emit(context, builder, signature, args):
        _Windows(context, builder, signature, args[1:4], code.literal_value % _KINDS).emit(code.literal_value // _KINDS)
        return context.get_dummy_value()

    return types.void(code, *_OPERANDS, like, index_like), emit


@inner_jit
def _windows(code, addresses, taps, windows, like, index_like):
    _loops(code, addresses, taps, windows, like, index_like)


@intrinsic
def pool_windows(typing, operation, kind, addresses, taps, windows, like, index_like):
    """Apply an operation to a run of windows in one row that have the same taps. The loops are compiled when they are used.

    ``addresses`` are those of the first window's first tap, of its output and of its index; ``taps`` is (rows, columns,
    stride from row to row, stride from column to column, index of the first tap, kw); ``windows`` is (count, stride from window
    to window, channels). Strides count elements. ``like`` and ``index_like`` only give the types.
    """

    def emit(context, builder, signature, args):
        def case(code: int) -> None:
            kinds = (types.literal(code), *signature.args[2:])
            emit_indirect_call(context, builder, _windows, kinds, [_i64(code), *args[2:]])

        number = builder.add(builder.mul(args[0], _i64(_KINDS)), args[1])
        emit_cases(builder, number, {code: partial(case, code) for code in range(4 * _KINDS)})
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, *_OPERANDS, like, index_like), emit


@intrinsic
def clear(typing, address, count, like):
    """Set ``count`` elements from an address on to zero; ``like`` only gives their type."""

    def emit(context, builder, signature, args):
        size = builder.mul(args[1], _i64(signature.args[-1].bitwidth // 8))
        cgutils.memset(builder, builder.inttoptr(args[0], ir.IntType(8).as_pointer()), size, 0)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, like), emit
