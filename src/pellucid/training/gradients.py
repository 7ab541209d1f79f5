"""Gradients of a network as values: they are added, scaled and clipped, and given to ``Model.update``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pellucid import kernels as kernel_sets
from pellucid.core.config import Positive, validate
from pellucid.core.memory import Array, Layout
from pellucid.errors import ConfigError, ShapeError, did_you_mean

SUM_HAS_NO_X = "a sum of gradients has no x: its parts belong to different inputs; read x of the parts"


class Gradients(Mapping[str, Array]):
    """The gradients ∂C/∂θ and ∂C/∂x of one backward pass, or a combination of several.

    ``parameters`` is ∂C/∂θ as one flat float32 vector, in the order of ``Model.parameters``. As a mapping, the gradients are
    views of this vector by path: ``gradients["dense1.W"]``. Those of frozen layers are zero. ``x`` is ∂C/∂x for the values that
    the network has read, after the input stage, in their shape.

    ``a + b``, ``a - b``, ``2 * a``, ``a / 2``, ``-a`` and ``sum(…)`` return new gradients. A multiple also multiplies ``x``; a
    sum has none.
    """

    __array_ufunc__ = None  # NumPy's numbers leave the product to this class

    def __init__(self, layout: Layout, parameters: Array, x: Any, why_no_x: str = SUM_HAS_NO_X):
        self.parameters = parameters
        self.layout = layout
        self._x = x
        self._why_no_x = why_no_x

    @property
    def x(self) -> Any:
        """∂C/∂x, in the shape of the network's input. Raises ConfigError where it was not computed."""
        if self._x is None:
            raise ConfigError(f"gradients.x: {self._why_no_x}")
        return self._x

    def norm(self) -> float:
        """Return the Euclidean norm ‖∂C/∂θ‖ over all parameters."""
        return math.sqrt(kernel_sets.load().sum_of_squares(self.parameters))

    def clipped(self, limit: float) -> Gradients:
        """Return the gradients times min(1, limit/‖∂C/∂θ‖): the norm is at most ``limit``, the direction is the same."""
        limit = validate(limit, Positive, "clipped", "limit")
        norm = self.norm()
        return self * (limit / norm) if norm > limit else self * 1.0

    # -- arithmetic -----------------------------------------------------------------------------------------------

    def __add__(self, other: Gradients | int) -> Gradients:
        if not isinstance(other, Gradients):
            return self * 1.0 if isinstance(other, int) and other == 0 else NotImplemented  # sum() begins with 0
        if other.layout is not self.layout and other.layout.table() != self.layout.table():
            raise ShapeError("gradients of networks with different parameters cannot be added")
        return Gradients(self.layout, self._vector(self.parameters, other.parameters, np.add), None)

    __radd__ = __add__

    def __sub__(self, other: Gradients) -> Gradients:
        return self + -other if isinstance(other, Gradients) else NotImplemented

    def __mul__(self, factor: float) -> Gradients:
        if not isinstance(factor, (int, float, np.number)):
            return NotImplemented
        with np.errstate(over="ignore"):  # update() reports what is not finite
            number = np.float32(factor)
        x = None if self._x is None else scaled(self._x, number)
        return Gradients(self.layout, self._vector(self.parameters, number, np.multiply), x, self._why_no_x)

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Gradients:
        return self * (1 / float(divisor)) if isinstance(divisor, (int, float, np.number)) else NotImplemented

    def __neg__(self) -> Gradients:
        return self * -1.0

    def _vector(self, first: Array, second: Any, function: Any) -> Array:
        out = self.layout.zeros(first.dtype)
        with np.errstate(all="ignore"):  # update() reports what is not finite
            function(first, second, out=out)
        return out

    # -- mapping --------------------------------------------------------------------------------------------------

    def __getitem__(self, path: str) -> Array:
        if path not in self.layout:
            raise KeyError(f"there are no parameters {path!r}: {did_you_mean(path, self.layout)}")
        return self.layout.array(self.parameters, path)

    def __iter__(self) -> Iterator[str]:
        return iter(self.layout)

    def __len__(self) -> int:
        return len(self.layout)

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"Gradients({self.layout.parameter_count:,} parameters, norm {self.norm():.4g})"


def scaled(x: Any, factor: np.float32) -> Any:
    """Return the array, or the arrays by name, times a factor."""
    if isinstance(x, dict):
        return {name: scaled(value, factor) for name, value in x.items()}
    with np.errstate(all="ignore"):
        return x * factor
