"""The innermost loops of pooling: what windows in a row make of their taps, or hand back to them.

Pictures have few channels, and Numba vectorizes no loop over 8 of them. So these loops are written in LLVM's intermediate
language, in vectors as wide as the machine has them, of which the last one of a pixel is masked. What a window has found so
far stays in registers until its last tap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pellucid.kernels.compiled.vectors import BYTES, Vectors

MAXIMUM, MAXIMUM_BACK, AVERAGE, AVERAGE_BACK = 0, 1, 2, 3  # what to do
# Which windows: 2 × 2 taps, side by side; any, but no pixel in two of them; any. Only where pixels are in several windows
# is a gradient added to what is there.
QUARTERS, APART, OVERLAPPING = 0, 1, 2
_i64, _i32 = ir.IntType(64), ir.IntType(32)


class _Windows:
    """The loops for one kind of pooling, and one kind of windows."""

    def __init__(self, context: Any, builder: Any, signature: Any, args: Any, kind: int):
        self.builder, self.kind = builder, kind
        self.halves: tuple[int, ...] = (0, 1)
        # What was stored under a mask, or lies half behind it, is slow to load again.
        self.v = Vectors(context, builder, signature.args[-2], 32 if kind == OVERLAPPING else BYTES)
        self.name = context.get_value_type(signature.args[-1])
        self.x, self.y, self.chosen, self.rows, self.columns, self.row, self.column = args[1:8]
        self.tap, self.kw, self.count, self.step, self.c = args[8:13]

    def emit(self, one: Callable[[Any, Any, Any], None]) -> None:
        """``one`` for each window and each vector of channels: it is given their first tap's address, that of the output
        and that of the chosen tap's number."""
        builder, v = self.builder, self.v
        vectors = builder.sdiv(builder.add(self.c, _i64(v.width - 1)), _i64(v.width))
        with cgutils.for_range(builder, self.count) as window, cgutils.for_range(builder, vectors) as vector:
            channel = builder.mul(vector.index, _i64(v.width))
            left = builder.sub(self.c, channel)
            self.mask, self.full = v.first(left), builder.icmp_signed(">=", left, _i64(v.width))
            x, y = builder.mul(window.index, self.step), builder.add(builder.mul(window.index, self.c), channel)
            name = builder.add(self.chosen, builder.mul(y, _i64(self.name.width // 8)))
            one(v.address(self.x, x, channel), v.address(self.y, y), name)

    def taps(self, x: Any, one: Callable[[Any, Any, Any], None]) -> None:
        """``one`` for each tap: it is given its address and its two indices."""
        builder, v = self.builder, self.v
        if self.kind == QUARTERS:
            for i, j in ((_i64(i), _i64(j)) for i in self.halves for j in (0, 1)):
                one(v.address(x, builder.mul(i, self.row), builder.mul(j, self.column)), i, j)
            return
        with cgutils.for_range(builder, self.rows) as i:
            here = v.address(x, builder.mul(i.index, self.row))
            with cgutils.for_range(builder, self.columns) as j:
                one(v.address(here, builder.mul(j.index, self.column)), i.index, j.index)

    def _tap(self, i: Any, j: Any) -> Any:
        """The number of tap (i, j), in integers as wide as the numbers are."""
        builder, v = self.builder, self.v
        kind = ir.IntType(8 * v.size)
        number = builder.add(self.tap, builder.add(builder.mul(i, self.kw), j))
        return v.fill(number if v.size == 8 else builder.trunc(number, kind), ir.VectorType(kind, v.width))

    def _masked(self, what: str, result: Any, arguments: list[Any], *values: Any) -> Any:
        name = f"llvm.masked.{what}.v{self.v.width}i{self.name.width}.p0"
        masked = cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(result, arguments), name)
        return self.builder.call(masked, values)

    def _load_names(self, chosen: Any) -> Any:
        """Numbers of taps, in integers as wide as the numbers are."""
        builder, v, kind = self.builder, self.v, ir.VectorType(self.name, self.v.width)
        pointer = builder.inttoptr(chosen, kind.as_pointer())
        names = [pointer.type, _i32, self.mask.type, kind], pointer, _i32(1), self.mask, ir.Constant(kind, None)
        taps = self._masked("load", kind, *names)
        return builder.zext(taps, ir.VectorType(ir.IntType(8 * v.size), v.width)) if 8 * v.size > self.name.width else taps

    def _store_names(self, taps: Any, chosen: Any) -> None:
        builder, v, kind = self.builder, self.v, ir.VectorType(self.name, self.v.width)
        pointer = builder.inttoptr(chosen, kind.as_pointer())
        names = builder.trunc(taps, kind) if 8 * v.size > self.name.width else taps
        with builder.if_else(self.full) as (whole, part):  # masks on bytes are slow where there is no AVX-512
            with whole:
                builder.store(names, pointer, align=1)
            with part:
                arguments = [kind, pointer.type, _i32, self.mask.type]
                self._masked("store", ir.VoidType(), arguments, names, pointer, _i32(1), self.mask)

    def maximum(self, x: Any, y: Any, chosen: Any) -> None:
        builder, v = self.builder, self.v
        best = cgutils.alloca_once_value(builder, v.load(x, self.mask))
        tap = cgutils.alloca_once_value(builder, self._tap(_i64(0), _i64(0)))

        def compare(place: Any, i: Any, j: Any) -> None:
            value, before = v.load(place, self.mask), builder.load(best)
            is_number = builder.fcmp_ordered("==", before, before)
            better = builder.and_(is_number, builder.fcmp_unordered(">", value, before))  # NaN is no less than anything
            builder.store(builder.select(better, value, before), best)
            builder.store(builder.select(better, self._tap(i, j), builder.load(tap)), tap)

        self.taps(x, compare)
        v.store(builder.load(best), y, self.mask)
        self._store_names(builder.load(tap), chosen)

    def maximum_back(self, x: Any, y: Any, chosen: Any) -> None:
        builder, v = self.builder, self.v
        dy, taps = v.load(y, self.mask), self._load_names(chosen)

        def give(place: Any, i: Any, j: Any) -> None:
            value = builder.select(builder.icmp_unsigned("==", taps, self._tap(i, j)), dy, v.zeros)
            self._give(value, place)

        self.taps(x, give)

    def _give(self, value: Any, place: Any) -> None:
        builder, v = self.builder, self.v
        if self.kind != OVERLAPPING:
            v.store(value, place, self.mask)
            return
        with builder.if_else(self.full) as (whole, part):
            for some, mask in ((whole, None), (part, self.mask)):
                with some:
                    v.store(builder.fadd(v.load(place, mask), value), place, mask)

    def _inside(self) -> Any:
        """How many taps there are."""
        return self.v.fill(self.builder.sitofp(self.builder.mul(self.rows, self.columns), self.v.number))

    def average(self, x: Any, y: Any, chosen: Any) -> None:
        builder, v = self.builder, self.v
        total = cgutils.alloca_once_value(builder, v.zeros)

        def add(place: Any, i: Any, j: Any) -> None:
            builder.store(builder.fadd(builder.load(total), v.load(place, self.mask)), total)

        self.taps(x, add)
        v.store(builder.fdiv(builder.load(total), self._inside()), y, self.mask)

    def average_back(self, x: Any, y: Any, chosen: Any) -> None:
        part = self.builder.fdiv(self.v.load(y, self.mask), self._inside())
        self.taps(x, lambda place, i, j: self._give(part, place))

    def each(self, what: int) -> None:
        """The loops for what there is to do."""
        one = (self.maximum, self.maximum_back, self.average, self.average_back)[what]
        by_rows = self.kind == QUARTERS and what in (MAXIMUM_BACK, AVERAGE_BACK)
        for self.halves in ((0,), (1,)) if by_rows else ((0, 1),):  # pixels are written one behind the other
            self.emit(one)


@intrinsic
def windows(typing, what, kind, x, y, chosen, rows, columns, row, column, tap, kw, count, step, c, number, name):  # type: ignore[no-untyped-def]
    """``count`` windows that lie in a row, each of rows × columns taps. x, y and ``chosen`` are the addresses of the first
    one's first tap, of its output and of the number of its chosen tap; ``row`` and ``column`` lead from tap to tap,
    ``step`` from window to window, all counted in numbers. ``tap`` is the first tap's number, kw their number in a whole
    row. ``number`` and ``name`` only tell types."""

    def emit(context, builder, signature, args):  # type: ignore[no-untyped-def]
        end = builder.append_basic_block("end")
        choice = builder.switch(builder.add(builder.mul(args[0], _i64(3)), args[1]), end)
        for code in range(12):
            block = builder.append_basic_block(f"windows.{code}")
            choice.add_case(_i64(code), block)
            builder.position_at_end(block)
            _Windows(context, builder, signature, args[1:], code % 3).each(code // 3)
            builder.branch(end)
        builder.position_at_end(end)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 14, number, name), emit


@intrinsic
def clear(typing, place, count, number):  # type: ignore[no-untyped-def]
    """Writes zeros: ``count`` numbers from the address on; ``number`` only tells the type."""

    def emit(context, builder, signature, args):  # type: ignore[no-untyped-def]
        size = builder.mul(args[1], _i64(signature.args[-1].bitwidth // 8))
        cgutils.memset(builder, builder.inttoptr(args[0], ir.IntType(8).as_pointer()), size, 0)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, number), emit
