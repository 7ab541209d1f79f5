"""SIMD vectors in LLVM's intermediate language, for loops that Numba's own vectorizer does not compile well.

Code written with :class:`VectorBuilder` uses vectors as wide as the machine has, in float32 and in float64, and masks for the
elements that remain at the end. Arrays are given by addresses and strides. Strides count elements. An argument called ``like``
only gives the type of the elements.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pellucid.kernels.compiled.toolchain import cgutils, config, intrinsic, ir, library, llvm, types

_i64, _i32 = ir.IntType(64), ir.IntType(32)


def _has(feature: str) -> bool:
    """Return whether code may use a feature of the processor: this one's, or that of NUMBA_CPU_FEATURES (``+avx,+avx2,…``)."""
    given = config.CPU_FEATURES
    return llvm.get_host_cpu_features().get(feature, False) if given is None else f"+{feature}" in given.split(",")


LINE_BYTES = 64  # of the caches
VECTOR_BYTES = library.vector_bytes if library is not None else 64 if _has("avx512f") else 32 if _has("avx") else 16
# AMD's processors with AVX2 take some 12 cycles to store a vector under a mask; without AVX, LLVM loads and stores the elements
# one by one. There a vector that is stored or loaded in full is told apart from one that is not.
QUICK_MASKED_STORES, QUICK_MASKED_LOADS = VECTOR_BYTES >= 64, VECTOR_BYTES >= 32


@dataclass(frozen=True)
class Mask:
    """The first elements of a vector: a truth value for each element, and whether all of them belong to it."""

    elements: Any
    is_full: Any


class VectorBuilder:
    """A builder of LLVM code on vectors of one floating-point type, of at most ``max_bytes`` bytes."""

    def __init__(self, context: Any, builder: Any, element: Any, max_bytes: int = VECTOR_BYTES):
        self.builder = builder
        self.itemsize = element.bitwidth // 8
        self.width = min(VECTOR_BYTES, max_bytes) // self.itemsize
        self.element = context.get_value_type(element)
        self.vector = ir.VectorType(self.element, self.width)
        self.zeros = ir.Constant(self.vector, None)

    def integer(self, n: int) -> Any:
        """Return a constant integer, for addresses and strides."""
        return _i64(n)

    def constant(self, value: float) -> Any:
        """Return a vector that holds ``value`` in every element."""
        return ir.Constant(self.vector, [self.element(value)] * self.width)

    def maximum(self, value: Any, floor: Any) -> Any:
        """Return max(value, floor) for a scalar ``floor``; NaN stays NaN."""
        lowest = self.broadcast(floor)
        return self.builder.select(self.builder.fcmp_ordered("<", value, lowest), lowest, value)

    def _intrinsic(self, name: str, result: Any, arguments: list[Any]) -> Any:
        name = name.format(f"v{self.width}f{8 * self.itemsize}")
        return cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(result, arguments), name)

    def address(self, base: Any, *offsets: Any) -> Any:
        """Return the address ``base`` + Σ offsets; the offsets count elements."""
        for offset in offsets:
            if not isinstance(offset, ir.Constant):
                base = self.builder.add(base, self.builder.mul(offset, _i64(self.itemsize)))
            elif offset.constant:  # what is computed here need not be compiled
                base = self.builder.add(base, _i64(offset.constant * self.itemsize))
        return base

    def opaque(self, value: Any) -> Any:
        """Return the same integer in a form that hides from LLVM how it was computed."""
        return self.builder.asm(ir.FunctionType(_i64, [_i64]), "", "=r,0", [value], False)

    def broadcast(self, value: Any, vector: Any = None) -> Any:
        """Return a vector that holds the scalar ``value`` in every element."""
        vector = vector or self.vector
        one = self.builder.insert_element(ir.Constant(vector, ir.Undefined), value, _i32(0))
        return self.builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(_i32, self.width), [0] * self.width))

    def mask(self, count: Any) -> Mask:
        """Return the mask of the first ``count`` elements of a vector, of all if it has no more."""
        is_full = self.builder.icmp_signed(">=", count, _i64(self.width))
        integer = ir.IntType(8 * self.itemsize)  # as wide as an element: the result of the comparison is the mask in AVX2
        positions = ir.Constant(ir.VectorType(integer, self.width), list(range(self.width)))
        if self.itemsize < 8:
            count = self.builder.trunc(count, integer)
        return Mask(self.builder.icmp_signed("<", positions, self.broadcast(count, positions.type)), is_full)

    def load(self, address: Any, mask: Mask | None = None) -> Any:
        """Load a vector; elements outside the mask are zero and are not read."""
        pointer = self.builder.inttoptr(address, self.vector.as_pointer())
        if mask is None:
            return self.builder.load(pointer, align=self.itemsize)
        arguments = [pointer, _i32(self.itemsize), mask.elements, self.zeros]
        load = self._intrinsic("llvm.masked.load.{}.p0", self.vector, [argument.type for argument in arguments])
        if QUICK_MASKED_LOADS:
            return self.builder.call(load, arguments)
        result = cgutils.alloca_once(self.builder, self.vector)
        with self.builder.if_else(mask.is_full) as (full, partial):
            with full:
                self.builder.store(self.load(address), result)
            with partial:
                self.builder.store(self.builder.call(load, arguments), result)
        return self.builder.load(result)

    def store(self, value: Any, address: Any, mask: Mask | None = None) -> None:
        """Store a vector; elements outside the mask are not written."""
        pointer = self.builder.inttoptr(address, self.vector.as_pointer())
        if mask is None:
            self.builder.store(value, pointer, align=self.itemsize)
            return
        arguments = [value, pointer, _i32(self.itemsize), mask.elements]
        store = self._intrinsic("llvm.masked.store.{}.p0", ir.VoidType(), [argument.type for argument in arguments])
        if QUICK_MASKED_STORES:
            self.builder.call(store, arguments)
            return
        with self.builder.if_else(mask.is_full) as (full, partial):
            with full:
                self.store(value, address)
            with partial:
                self.builder.call(store, arguments)

    def prefetch(self, address: Any, level: int = 1, write: bool = False) -> None:
        """Fetch the cache line of an address, which need not be one of an array, into the cache of that level, to be read or
        written."""
        byte = ir.IntType(8).as_pointer()
        fetch = cgutils.get_or_insert_function(
            self.builder.module, ir.FunctionType(ir.VoidType(), [byte, _i32, _i32, _i32]), "llvm.prefetch.p0"
        )
        self.builder.call(fetch, [self.builder.inttoptr(address, byte), _i32(int(write)), _i32(4 - level), _i32(1)])  # data

    def load_broadcast(self, address: Any) -> Any:
        """Load one element into every element of a vector."""
        return self.broadcast(self.builder.load(self.builder.inttoptr(address, self.element.as_pointer())))

    def call(self, name: str, *values: Any) -> Any:
        """Return the result of LLVM's function ``name`` for these vectors."""
        return self.builder.call(self._intrinsic(f"llvm.{name}.{{}}", self.vector, [self.vector] * len(values)), values)

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        """Return a·b + c, rounded once."""
        return self.call("fma", a, b, c)

    def sum_vectors(self, vectors: list[Any]) -> list[Any]:
        """Return the sum of the elements of each of the vectors, whose number is a power of two, as the elements of vectors."""

        def halves(one: Any, other: Any, size: int, part: int) -> Any:
            """Return both vectors as one, of each of their blocks of ``size`` elements only the first or second half."""
            width = one.type.count
            kept = [i for i in range(2 * width) if i % size // (size // 2) == part]
            kept = kept if other is not one else kept[: len(kept) // 2]
            return self.builder.shuffle_vector(one, other, ir.Constant(ir.VectorType(_i32, len(kept)), kept))

        size, vectors = self.width, list(vectors)
        while size > 1:  # each round adds the halves of the blocks, and two vectors of half as many sums become one
            pairs = zip(vectors[::2], vectors[1::2], strict=True) if len(vectors) > 1 else [(vectors[0], vectors[0])]
            vectors = [self.builder.fadd(halves(*pair, size, 0), halves(*pair, size, 1)) for pair in pairs]
            size //= 2
        return vectors

    def sums(self, vectors: list[Any]) -> list[Any]:
        """Return the sum of the elements of each of the vectors, whose number is a power of two."""
        totals = self.sum_vectors(vectors)
        return [self.builder.extract_element(vector, _i32(i)) for vector in totals for i in range(vector.type.count)]


def emit_cases(builder: Any, number: Any, cases: dict[int, Callable[[], None]]) -> None:
    """Emit the code of all cases, of which the one with this number is run, or none."""
    end = builder.append_basic_block("end")
    choice = builder.switch(number, end)
    for case, emit in cases.items():
        block = builder.append_basic_block(f"case.{case}")
        choice.add_case(_i64(case), block)
        builder.position_at_end(block)
        emit()
        builder.branch(end)
    builder.position_at_end(end)


@intrinsic
def address_of(typing, array, index):
    """Return the address of an element of a contiguous array."""

    def emit(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.ptrtoint(builder.gep(data, [args[1]]), _i64)

    return types.int64(array, types.int64), emit


@intrinsic
def vector_width(typing, like):
    """Return the number of elements of a vector."""

    def emit(context, builder, signature, args):
        return _i64(VECTOR_BYTES // (signature.args[0].bitwidth // 8))

    return types.int64(like), emit


def _rows_loop(add: bool) -> Any:
    """Return the intrinsic of ``copy_rows`` or ``add_rows``."""

    def by_vectors(v: VectorBuilder, args: Any) -> None:
        source, source_row, target, target_row, rows, columns = args
        builder = v.builder
        whole = builder.sdiv(columns, _i64(v.width))
        rest = builder.mul(whole, _i64(v.width))

        def all_rows(first: Any, mask: Any) -> None:
            """Emit the loop over all rows for one vector of columns."""
            with cgutils.for_range(builder, rows) as row:
                value = v.load(v.address(source, builder.mul(row.index, source_row), first), mask)
                place = v.address(target, builder.mul(row.index, target_row), first)
                v.store(builder.fadd(v.load(place, mask), value) if add else value, place, mask)

        with cgutils.for_range(builder, whole) as vector:
            all_rows(builder.mul(vector.index, _i64(v.width)), None)
        with builder.if_then(builder.icmp_signed(">", columns, rest)):
            all_rows(rest, v.mask(builder.sub(columns, rest)))

    @intrinsic
    def rows_loop(typing, source, source_row, target, target_row, rows, columns, like):
        def emit(context, builder, signature, args):
            full = VectorBuilder(context, builder, signature.args[-1])
            half = VectorBuilder(context, builder, signature.args[-1], VECTOR_BYTES // 2)
            fits_half = builder.icmp_signed("<=", args[5], _i64(half.width))  # a whole half vector needs no mask: faster
            with builder.if_else(fits_half) as (then, otherwise):
                with then:
                    by_vectors(half, args[:-1])
                with otherwise:
                    by_vectors(full, args[:-1])
            return context.get_dummy_value()

        return types.void(*[types.int64] * 6, like), emit

    return rows_loop


# target[i, j] = source[i, j], or += for add_rows: addresses, and the strides from row to row. (Numba vectorizes a loop over
# short rows only in part.)
copy_rows, add_rows = _rows_loop(add=False), _rows_loop(add=True)


def _prefetch_loop(level: int, write: bool) -> Any:
    """Return the intrinsic of ``prefetch_rows`` for one level of the caches."""

    @intrinsic
    def prefetch_loop(typing, source, source_row, rows, columns, like):
        def emit(context, builder, signature, args):
            v = VectorBuilder(context, builder, signature.args[-1])
            source, source_row, rows, columns, _ = args
            per_line = _i64(LINE_BYTES // v.itemsize)
            lines = builder.sdiv(builder.add(columns, builder.sub(per_line, _i64(1))), per_line)
            with cgutils.for_range(builder, rows) as row, cgutils.for_range(builder, lines) as line:
                place = v.address(source, builder.mul(row.index, source_row), builder.mul(line.index, per_line))
                v.prefetch(place, level, write)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 4, like), emit

    return prefetch_loop


# Fetch a block, which may reach beyond an array, into the first-level cache: its address, and its stride from row to row. The
# others are for a block that is read later, which they fetch into the second-level cache, and for one that is written.
prefetch_rows, prefetch_far_rows = _prefetch_loop(1, write=False), _prefetch_loop(2, write=False)
prefetch_rows_to_write = _prefetch_loop(1, write=True)


@intrinsic
def transpose_block(typing, source, source_row, target, target_row, like):
    """Set target[j, i] = source[i, j] for a square block with as many rows as a vector has elements: addresses, and the strides
    from row to row."""

    def emit(context, builder, signature, args):
        v = VectorBuilder(context, builder, signature.args[-1])
        source, source_row, target, target_row, _ = args
        block = [v.load(v.address(source, builder.mul(source_row, _i64(i)))) for i in range(v.width)]
        # each round interleaves row i with row i + half; after log2(width) rounds rows have become columns
        half = v.width // 2
        low = [part * v.width + i for i in range(half) for part in (0, 1)]
        high = [part * v.width + half + i for i in range(half) for part in (0, 1)]
        masks = [ir.Constant(ir.VectorType(_i32, v.width), places) for places in (low, high)]
        remaining = v.width
        while remaining > 1:
            block = [builder.shuffle_vector(block[i], block[i + half], mask) for i in range(half) for mask in masks]
            remaining //= 2
        for j in range(v.width):
            v.store(block[j], v.address(target, builder.mul(target_row, _i64(j))))
        return context.get_dummy_value()

    return types.void(*[types.int64] * 4, like), emit
