"""Formulas over rows of numbers, written as mathematics and run in whole vectors, with the exponential function among them.

Numba calls the C library's exp and tanh number by number; here sixteen float32 take some twenty cycles together. A formula is a
Python function of vectors; ``over_rows`` makes of it a loop in LLVM's intermediate language.

    eˣ = 2ᵏ eʳ,  k = ⌊x/ln 2 + ½⌋,  |r| = |x − k ln 2| ≤ ½ ln 2,  eʳ − 1 = Σⱼ rʲ/j!

with so many terms that the rest is below the precision. eˣ − 1 = 2ᵏ (eʳ − 1) + (2ᵏ − 1) loses nothing near zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pellucid.kernels.compiled.vectors import Vectors

_i64, _i32 = ir.IntType(64), ir.IntType(32)
_FUSED = ("contract",)  # a product and a sum may become one instruction
# By the size of a number in bytes: terms of the series, bits of the mantissa, the largest k, and how many bits behind the
# point ln 2 keeps in its first part, so that k times it is exact.
_TERMS, _MANTISSA, _LARGEST, _KEPT = {4: 7, 8: 13}, {4: 23, 8: 52}, {4: 126, 8: 1022}, {4: 12, 8: 40}


class Vector:
    """A vector of numbers in a formula."""

    def __init__(self, v: Vectors, value: Any):
        self.v, self.value = v, value

    def _made(self, operation: str, left: Vector | float, right: Vector | float) -> Vector:
        values = _value(self.v, left), _value(self.v, right)
        return Vector(self.v, getattr(self.v.builder, operation)(*values, flags=_FUSED))

    def __add__(self, other: Vector | float) -> Vector:
        return self._made("fadd", self, other)

    def __sub__(self, other: Vector | float) -> Vector:
        return self._made("fsub", self, other)

    def __mul__(self, other: Vector | float) -> Vector:
        return self._made("fmul", self, other)

    def __truediv__(self, other: Vector | float) -> Vector:
        return self._made("fdiv", self, other)

    def __radd__(self, other: float) -> Vector:
        return self._made("fadd", other, self)

    def __rsub__(self, other: float) -> Vector:
        return self._made("fsub", other, self)

    def __rmul__(self, other: float) -> Vector:
        return self._made("fmul", other, self)

    def __rtruediv__(self, other: float) -> Vector:
        return self._made("fdiv", other, self)

    def where(self, comparison: str, other: float, replacement: float) -> Vector:
        """``replacement`` where the comparison with ``other`` holds; NaN stays NaN."""
        builder, limit = self.v.builder, self.v.constant(other)
        found = builder.fcmp_ordered(comparison, self.value, limit)
        return Vector(self.v, builder.select(found, self.v.constant(replacement), self.value))

    def called(self, name: str, *others: Vector) -> Vector:
        """LLVM's function of that name."""
        return Vector(self.v, self.v.called(name, self.value, *(other.value for other in others)))


def _value(v: Vectors, number: Vector | float) -> Any:
    return number.value if isinstance(number, Vector) else v.constant(number)


def _exponential(x: Vector) -> tuple[Vector, Vector]:
    """2ᵏ and eʳ − 1; x is cut to where 2ᵏ is a normal number."""
    v, size = x.v, x.v.size
    builder, largest = v.builder, _LARGEST[size]
    bound = (largest - 1) * math.log(2)
    x = x.where("<", -bound, -bound).where(">", bound, bound)
    k = (x * (1 / math.log(2)) + 0.5).called("floor")
    first = math.ldexp(round(math.ldexp(math.log(2), _KEPT[size])), -_KEPT[size])
    r = (x - k * first) - k * (math.log(2) - first)
    series = Vector(v, v.constant(1 / math.factorial(_TERMS[size])))
    for j in range(_TERMS[size] - 1, 0, -1):
        series = series * r + 1 / math.factorial(j)
    # the bits of 2ᵏ; NaN has none, and is in r
    known = builder.select(builder.fcmp_ordered("ord", k.value, k.value), k.value, v.zeros)
    bits = builder.fptosi(known, ir.VectorType(_i32, v.width))
    whole = ir.VectorType(ir.IntType(8 * size), v.width)
    if size == 8:
        bits = builder.sext(bits, whole)
    bits = builder.add(bits, ir.Constant(whole, [largest + 1] * v.width))
    bits = builder.shl(bits, ir.Constant(whole, [_MANTISSA[size]] * v.width))
    return Vector(v, builder.bitcast(bits, v.vector)), series * r


def sigmoid(x: Vector) -> Vector:
    """1 / (1 + e⁻ˣ)."""
    power, series = _exponential(-1.0 * x)
    return 1.0 / (1.0 + (power + power * series))


def tanh(x: Vector) -> Vector:
    """(1 − e⁻²ˣ) / (1 + e⁻²ˣ) of |x|, with the sign of x."""
    power, series = _exponential(-2.0 * x.called("fabs"))
    less = power * series + (power - 1.0)  # e⁻²ˣ − 1
    return (less / (-2.0 - less)).called("copysign", x)


def over_rows(formula: Callable[..., tuple[Vector | float, ...]], inputs: int, outputs: int) -> Any:
    """A function of (places, count, number) that runs the formula over rows of ``count`` numbers each. ``places`` are the
    addresses of the inputs' rows, then of the outputs', which may be the same; ``number`` only tells the type."""

    def once(v: Vectors, places: list[Any], at: Any, mask: Any) -> None:
        given = [Vector(v, v.load(v.address(place, at), mask)) for place in places[:inputs]]
        for result, place in zip(formula(*given), places[inputs:], strict=True):
            v.store(_value(v, result), v.address(place, at), mask)

    @intrinsic
    def over(typing, places, count, number):  # type: ignore[no-untyped-def]
        def emit(context, builder, signature, args):  # type: ignore[no-untyped-def]
            v = Vectors(context, builder, signature.args[-1])
            addresses = [builder.extract_value(args[0], i) for i in range(inputs + outputs)]
            whole = builder.sdiv(args[1], _i64(v.width))
            rest = builder.mul(whole, _i64(v.width))
            with cgutils.for_range(builder, whole) as vector:
                once(v, addresses, builder.mul(vector.index, _i64(v.width)), None)
            with builder.if_then(builder.icmp_signed(">", args[1], rest)):
                once(v, addresses, rest, v.first(builder.sub(args[1], rest)))
            return context.get_dummy_value()

        return types.void(types.UniTuple(types.int64, inputs + outputs), types.int64, number), emit

    return over
