"""Formulas on rows of values, written as mathematics and computed in whole SIMD vectors, the exponential function included.

Numba calls the C library's exp and tanh value by value; here sixteen float32 take some twenty cycles together. A formula is a
Python function of vectors; :func:`compile_formula` turns it into a loop in LLVM's intermediate language.

    eˣ = 2ᵏ eʳ,  k = ⌊x/ln 2 + ½⌋,  |r| = |x − k ln 2| ≤ ½ ln 2,  eʳ − 1 = Σⱼ rʲ/j!

with enough terms that the remainder is below the precision. eˣ − 1 = 2ᵏ (eʳ − 1) + (2ᵏ − 1) loses no digits near zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from pellucid.kernels.compiled.simd import VectorBuilder
from pellucid.kernels.compiled.toolchain import cgutils, intrinsic, ir, types

_i64, _i32 = ir.IntType(64), ir.IntType(32)
_CONTRACT = ("contract",)  # a product and a sum may become one instruction
# By the size of an element in bytes: the terms of the series, the bits of the mantissa, the largest k, and the binary places
# of the first part of ln 2, few enough that k times this part is exact.
_TERMS, _MANTISSA_BITS, _MAX_EXPONENT, _LN2_BITS = {4: 7, 8: 13}, {4: 23, 8: 52}, {4: 126, 8: 1022}, {4: 12, 8: 40}


class Vector:
    """A vector of values in a formula."""

    def __init__(self, v: VectorBuilder, value: Any):
        self.v, self.value = v, value

    def _emit(self, operation: str, left: Vector | float, right: Vector | float) -> Vector:
        values = _value(self.v, left), _value(self.v, right)
        return Vector(self.v, getattr(self.v.builder, operation)(*values, flags=_CONTRACT))

    def __add__(self, other: Vector | float) -> Vector:
        return self._emit("fadd", self, other)

    def __sub__(self, other: Vector | float) -> Vector:
        return self._emit("fsub", self, other)

    def __mul__(self, other: Vector | float) -> Vector:
        return self._emit("fmul", self, other)

    def __truediv__(self, other: Vector | float) -> Vector:
        return self._emit("fdiv", self, other)

    def __radd__(self, other: float) -> Vector:
        return self._emit("fadd", other, self)

    def __rsub__(self, other: float) -> Vector:
        return self._emit("fsub", other, self)

    def __rmul__(self, other: float) -> Vector:
        return self._emit("fmul", other, self)

    def __rtruediv__(self, other: float) -> Vector:
        return self._emit("fdiv", other, self)

    def choose(self, comparison: str, limit: float, then: Vector | float, otherwise: Vector | float) -> Vector:
        """Return ``then`` where the comparison of the vector with ``limit`` holds, and ``otherwise`` elsewhere, as for NaN."""
        found = self.v.builder.fcmp_ordered(comparison, self.value, self.v.constant(limit))
        return Vector(self.v, self.v.builder.select(found, _value(self.v, then), _value(self.v, otherwise)))

    def replace(self, comparison: str, limit: float, replacement: float) -> Vector:
        """Return the vector with ``replacement`` wherever the comparison with ``limit`` holds; NaN stays NaN."""
        return self.choose(comparison, limit, replacement, self)

    def call(self, name: str, *others: Vector) -> Vector:
        """Return the result of LLVM's function ``name`` for this vector and ``others``."""
        return Vector(self.v, self.v.call(name, self.value, *(other.value for other in others)))


def _value(v: VectorBuilder, number: Vector | float) -> Any:
    return number.value if isinstance(number, Vector) else v.constant(number)


def _exponential(x: Vector) -> tuple[Vector, Vector]:
    """Return 2ᵏ and eʳ − 1; x is limited to the range where 2ᵏ is a normal number."""
    v, size = x.v, x.v.itemsize
    builder, largest = v.builder, _MAX_EXPONENT[size]
    bound = (largest - 1) * math.log(2)
    x = x.replace("<", -bound, -bound).replace(">", bound, bound)
    k = (x * (1 / math.log(2)) + 0.5).call("floor")
    first = math.ldexp(round(math.ldexp(math.log(2), _LN2_BITS[size])), -_LN2_BITS[size])
    r = (x - k * first) - k * (math.log(2) - first)
    series = Vector(v, v.constant(1 / math.factorial(_TERMS[size])))
    for j in range(_TERMS[size] - 1, 0, -1):
        series = series * r + 1 / math.factorial(j)
    # 2ᵏ is made from its bits. A NaN has no k; zero replaces it here, and r stays NaN.
    known = builder.select(builder.fcmp_ordered("ord", k.value, k.value), k.value, v.zeros)
    bits = builder.fptosi(known, ir.VectorType(_i32, v.width))
    integers = ir.VectorType(ir.IntType(8 * size), v.width)
    if size == 8:
        bits = builder.sext(bits, integers)
    bits = builder.add(bits, ir.Constant(integers, [largest + 1] * v.width))
    bits = builder.shl(bits, ir.Constant(integers, [_MANTISSA_BITS[size]] * v.width))
    return Vector(v, builder.bitcast(bits, v.vector)), series * r


def exponential(x: Vector) -> Vector:
    """Return eˣ: 0 where it is near the smallest normal number, and at most about half the largest number."""
    power, series = _exponential(x)
    return (power + power * series).replace("<", math.ldexp(1.0, 2 - _MAX_EXPONENT[x.v.itemsize]), 0.0)


def exponential_minus_one(x: Vector) -> Vector:
    """Return eˣ − 1 with all digits near 0, and at most about half the largest number."""
    power, series = _exponential(x)
    return power * series + (power - 1.0)


def bounded_exponential(x: Vector) -> Vector:
    """Return eˣ for x of at most 80, in two thirds of the operations; 0 where it is near the smallest normal number.

    k is rounded to an integer by adding a number so large that the last bit of the sum counts ones: k is then in its last bits.
    """
    v, size = x.v, x.v.itemsize
    builder, terms, mantissa, bias = v.builder, _TERMS[size], _MANTISSA_BITS[size], _MAX_EXPONENT[size] + 1
    large = 1.5 * 2.0**mantissa
    shifted = x * (1 / math.log(2)) + large
    k = shifted - large
    first = math.ldexp(round(math.ldexp(math.log(2), _LN2_BITS[size])), -_LN2_BITS[size])
    r = (x - k * first) - k * (math.log(2) - first)
    series = Vector(v, v.constant(1 / math.factorial(terms)))
    for j in range(terms - 1, -1, -1):
        series = series * r + 1 / math.factorial(j)
    integers = ir.VectorType(ir.IntType(8 * size), v.width)
    bits = builder.shl(builder.bitcast(shifted.value, integers), ir.Constant(integers, [mantissa] * v.width))
    bits = builder.add(bits, ir.Constant(integers, [bias << mantissa] * v.width))
    result = Vector(v, builder.bitcast(bits, v.vector)) * series
    is_zero = builder.fcmp_ordered("<", x.value, v.constant((1 - bias) * math.log(2)))
    return Vector(v, builder.select(is_zero, v.zeros, result.value))


def sigmoid(x: Vector) -> Vector:
    """Return 1 / (1 + e⁻ˣ)."""
    power, series = _exponential(-1.0 * x)
    return 1.0 / (1.0 + (power + power * series))


def sigmoid_and_rest(x: Vector) -> tuple[Vector, Vector]:
    """Return s = 1 / (1 + e⁻ˣ) and 1 − s, both with all digits; s is 0 where it is near the smallest normal number."""
    e = exponential(-1.0 * x)
    s = 1.0 / (1.0 + e)
    return s.replace("<", math.ldexp(1.0, 2 - _MAX_EXPONENT[x.v.itemsize]), 0.0), e * s


def tanh(x: Vector) -> Vector:
    """Return (1 − e⁻²ˣ) / (1 + e⁻²ˣ) of |x|, with the sign of x."""
    difference = exponential_minus_one(-2.0 * x.call("fabs"))
    return (difference / (-2.0 - difference)).call("copysign", x)


# By the size of an element in bytes: the largest a for which Φ(−a) is not 0, and the polynomial of normal_parts. It is the
# Chebyshev interpolation of the function, with 10 and with 24 points; its relative error is 1.2e-8 and 4e-18.
_LARGEST = {4: 14.0, 8: 39.0}
_TAIL = {
    4: (
        0.22792223766726452,
        0.15756242027839126,
        0.08016393767011075,
        0.02858743466307877,
        0.006001511001172194,
        9.661222321126738e-05,
        -0.00030898391686100333,
        -4.308253274642153e-05,
        1.4785749507559527e-05,
        3.129593185750446e-06,
    ),
    8: (
        0.2038345992106292,
        0.15531102555618123,
        0.09097668420675963,
        0.039092488866995456,
        0.010726581694236112,
        0.000814711547263758,
        -0.0006253647641938236,
        -0.00018435522002990175,
        3.6802015814358027e-05,
        2.211752515079877e-05,
        -3.4055735605665425e-06,
        -2.615903719498998e-06,
        5.460055016951827e-07,
        3.032869979240628e-07,
        -1.0885076116928931e-07,
        -2.8467235285326984e-08,
        2.097568622368539e-08,
        4.2943659033375706e-10,
        -3.444757982787629e-09,
        6.683562916592422e-10,
        4.208933507268504e-10,
        -1.7661105557781176e-10,
        -2.825244481756455e-11,
        1.921909095157675e-11,
    ),
}


def normal_parts(x: Vector) -> tuple[Vector, Vector]:
    """Return Φ(x) = (1 + erf(x/√2))/2, the normal distribution function, and e^(−x²/2).

    With a = |x| and t = 1/(1 + a/4), Φ(−a) = e^(−a²/2) t P(u), where P is a polynomial of u, the t scaled to [−1, 1]. All
    digits of small values are kept: the exponent is the rounded square of a, and a factor corrects its rounding error.
    """
    v, size = x.v, x.v.itemsize
    largest, coefficients = _LARGEST[size], _TAIL[size]
    a = x.call("fabs").replace(">", largest, largest)
    square = a * a
    error = a.call("fma", a, -1.0 * square)
    e = exponential(-0.5 * square) * (1.0 - 0.5 * error)
    t, least = 1.0 / (1.0 + 0.25 * a), 1 / (1 + 0.25 * largest)
    u = t * (2 / (1 - least)) - (1 + least) / (1 - least)
    series = Vector(v, v.constant(coefficients[-1]))
    for coefficient in reversed(coefficients[:-1]):
        series = series * u + coefficient
    tail = e * (t * series)
    return x.choose("<", 0.0, tail, 1.0 - tail), e


def compile_formula(formula: Callable[..., tuple[Vector | float, ...]], inputs: int, outputs: int) -> Any:
    """Return a function (addresses, count, like) for compiled code that applies the formula to rows of ``count`` values.

    ``addresses`` are those of the input rows, then those of the output rows, which may be the same; ``like`` only gives the
    type of the values.
    """

    def emit_vector(v: VectorBuilder, places: list[Any], at: Any, mask: Any) -> None:
        given = [Vector(v, v.load(v.address(place, at), mask)) for place in places[:inputs]]
        for result, place in zip(formula(*given), places[inputs:], strict=True):
            v.store(_value(v, result), v.address(place, at), mask)

    @intrinsic
    def apply(typing, addresses, count, like):
        def emit(context, builder, signature, args):
            v = VectorBuilder(context, builder, signature.args[-1])
            places = [builder.extract_value(args[0], i) for i in range(inputs + outputs)]
            whole = builder.sdiv(args[1], _i64(v.width))
            rest = builder.mul(whole, _i64(v.width))
            with cgutils.for_range(builder, whole) as vector:
                emit_vector(v, places, builder.mul(vector.index, _i64(v.width)), None)
            with builder.if_then(builder.icmp_signed(">", args[1], rest)):
                emit_vector(v, places, rest, v.mask(builder.sub(args[1], rest)))
            return context.get_dummy_value()

        return types.void(types.UniTuple(types.int64, inputs + outputs), types.int64, like), emit

    return apply
