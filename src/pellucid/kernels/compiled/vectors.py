"""Vectors of numbers in LLVM's intermediate language, for loops that Numba's own vectorizer does not do justice to.

What is written with them uses vectors as wide as the machine has, in float32 and in float64, with masks for what is left over
at the end. Arrays are given by addresses and strides; strides count numbers.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_i64, _i32 = ir.IntType(64), ir.IntType(32)
_features = llvmlite.binding.get_host_cpu_features()
BYTES = 64 if _features.get("avx512f") else 32 if _features.get("avx") else 16  # of a vector


class Vectors:
    """What a builder of LLVM code needs to work on vectors of one type of numbers."""

    def __init__(self, context: Any, builder: Any, number: Any, most: int = BYTES):
        self.builder = builder
        self.size = number.bitwidth // 8
        self.width = min(BYTES, most) // self.size
        self.number = context.get_value_type(number)
        self.vector = ir.VectorType(self.number, self.width)
        self.zeros = ir.Constant(self.vector, None)

    def count(self, n: int) -> Any:
        """A whole number, for addresses and strides."""
        return _i64(n)

    def constant(self, value: float) -> Any:
        """A vector that holds ``value`` everywhere."""
        return ir.Constant(self.vector, [self.number(value)] * self.width)

    def at_least(self, value: Any, floor: Any) -> Any:
        """max(value, floor), but NaN stays NaN."""
        lowest = self.fill(floor)
        return self.builder.select(self.builder.fcmp_ordered("<", value, lowest), lowest, value)

    def _intrinsic(self, name: str, result: Any, arguments: list[Any]) -> Any:
        name = name.format(f"v{self.width}f{8 * self.size}")
        return cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(result, arguments), name)

    def address(self, base: Any, *terms: Any) -> Any:
        """base + Σ terms, which count numbers."""
        for term in terms:
            base = self.builder.add(base, self.builder.mul(term, _i64(self.size)))
        return base

    def opaque(self, value: Any) -> Any:
        """The same whole number, of which LLVM no longer knows what it was made from."""
        return self.builder.asm(ir.FunctionType(_i64, [_i64]), "", "=r,0", [value], False)

    def fill(self, value: Any, vector: Any = None) -> Any:
        """A vector that holds ``value`` everywhere."""
        vector = vector or self.vector
        one = self.builder.insert_element(ir.Constant(vector, ir.Undefined), value, _i32(0))
        return self.builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(_i32, self.width), [0] * self.width))

    def first(self, count: Any) -> Any:
        """The mask of the first ``count`` numbers of a vector."""
        places = ir.Constant(ir.VectorType(_i64, self.width), list(range(self.width)))
        return self.builder.icmp_signed("<", places, self.fill(count, places.type))

    def load(self, address: Any, mask: Any = None) -> Any:
        pointer = self.builder.inttoptr(address, self.vector.as_pointer())
        if mask is None:
            return self.builder.load(pointer, align=self.size)
        load = self._intrinsic("llvm.masked.load.{}.p0", self.vector, [pointer.type, _i32, mask.type, self.vector])
        return self.builder.call(load, [pointer, _i32(self.size), mask, self.zeros])

    def store(self, value: Any, address: Any, mask: Any = None) -> None:
        pointer = self.builder.inttoptr(address, self.vector.as_pointer())
        if mask is None:
            self.builder.store(value, pointer, align=self.size)
        else:
            store = self._intrinsic("llvm.masked.store.{}.p0", ir.VoidType(), [self.vector, pointer.type, _i32, mask.type])
            self.builder.call(store, [value, pointer, _i32(self.size), mask])

    def read(self, address: Any) -> Any:
        """One number, everywhere in a vector."""
        return self.fill(self.builder.load(self.builder.inttoptr(address, self.number.as_pointer())))

    def called(self, name: str, *values: Any) -> Any:
        """LLVM's function of that name, of vectors."""
        return self.builder.call(self._intrinsic(f"llvm.{name}.{{}}", self.vector, [self.vector] * len(values)), values)

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        return self.called("fma", a, b, c)


@intrinsic
def address(typing, array, index):  # type: ignore[no-untyped-def]
    """Where the ``index``-th number of a contiguous array lies."""

    def emit(context, builder, signature, args):  # type: ignore[no-untyped-def]
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.ptrtoint(builder.gep(data, [args[1]]), _i64)

    return types.int64(array, types.int64), emit


@intrinsic
def numbers_in_a_vector(typing, number):  # type: ignore[no-untyped-def]
    """How many numbers of that type a vector holds."""

    def emit(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return _i64(BYTES // (signature.args[0].bitwidth // 8))

    return types.int64(number), emit


def _moved(add: bool) -> Any:
    """The loops of ``copy`` and ``add_to``."""

    def by_vectors(v: Vectors, source: Any, source_row: Any, target: Any, target_row: Any, rows: Any, columns: Any) -> None:
        builder = v.builder
        whole = builder.sdiv(columns, _i64(v.width))
        rest = builder.mul(whole, _i64(v.width))

        def down(first: Any, mask: Any) -> None:
            """All rows of one vector of columns."""
            with cgutils.for_range(builder, rows) as row:
                value = v.load(v.address(source, builder.mul(row.index, source_row), first), mask)
                there = v.address(target, builder.mul(row.index, target_row), first)
                v.store(builder.fadd(v.load(there, mask), value) if add else value, there, mask)

        with cgutils.for_range(builder, whole) as vector:
            down(builder.mul(vector.index, _i64(v.width)), None)
        with builder.if_then(builder.icmp_signed(">", columns, rest)):
            down(rest, v.first(builder.sub(columns, rest)))

    @intrinsic
    def moved(typing, source, source_row, target, target_row, rows, columns, number):  # type: ignore[no-untyped-def]
        def emit(context, builder, signature, args):  # type: ignore[no-untyped-def]
            wide = Vectors(context, builder, signature.args[-1])
            half = Vectors(context, builder, signature.args[-1], BYTES // 2)  # a whole one is faster than a masked one
            few = builder.icmp_signed("<=", args[5], _i64(half.width))
            with builder.if_else(few) as (then, otherwise):
                with then:
                    by_vectors(half, *args[:-1])
                with otherwise:
                    by_vectors(wide, *args[:-1])
            return context.get_dummy_value()

        return types.void(*[types.int64] * 6, number), emit

    return moved


# target[i, j] = source[i, j], or += : by addresses and strides from row to row; ``number`` only tells the type. (A loop over
# short rows is vectorized by Numba only in part.)
copy, add_to = _moved(add=False), _moved(add=True)


@intrinsic
def transpose(typing, source, rows, target, columns, number):  # type: ignore[no-untyped-def]
    """A square block, as many rows as a vector has numbers: target[j, i] = source[i, j]; ``rows`` and ``columns`` are the
    strides from row to row. ``number`` only tells the type."""

    def emit(context, builder, signature, args):  # type: ignore[no-untyped-def]
        v = Vectors(context, builder, signature.args[-1])
        source, source_row, target, target_row, _ = args
        block = [v.load(v.address(source, builder.mul(source_row, _i64(i)))) for i in range(v.width)]
        # each round interleaves row i with row i + half; after log2(width) rounds rows have become columns
        half = v.width // 2
        low = [half_ * v.width + i for i in range(half) for half_ in (0, 1)]
        high = [half_ * v.width + half + i for i in range(half) for half_ in (0, 1)]
        masks = [ir.Constant(ir.VectorType(_i32, v.width), places) for places in (low, high)]
        turns = v.width
        while turns > 1:
            block = [builder.shuffle_vector(block[i], block[i + half], mask) for i in range(half) for mask in masks]
            turns //= 2
        for j in range(v.width):
            v.store(block[j], v.address(target, builder.mul(target_row, _i64(j))))
        return context.get_dummy_value()

    return types.void(*[types.int64] * 4, number), emit
