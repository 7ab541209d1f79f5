"""The first values of the weights.

With weights of variance σ², a unit that sums n inputs multiplies the variance of its signal by n·σ². He and Glorot
choose σ so that the signal neither dies out nor explodes from layer to layer; an orthogonal matrix keeps its length exactly.
n_in and n_out are the numbers of inputs
and outputs that one weight array connects, read off its shape (…, inputs, outputs): what stands before the last two
axes (a convolution's window) multiplies both.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core import rng
from pellucid.core.config import Config, NonNegative, Positive
from pellucid.core.memory import Array, Layout, Shape
from pellucid.errors import ConfigError


class Initializer(Config, ABC):
    """Fills a slot: ``fill(shape, generator)`` returns float64 values of that shape."""

    @abstractmethod
    def fill(self, shape: Shape, generator: np.random.Generator) -> Array: ...


def fans(shape: Shape) -> tuple[int, int]:
    """(n_in, n_out) of a weight array of this shape."""
    if len(shape) < 2:
        return math.prod(shape), math.prod(shape)
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


@dataclass(frozen=True)
class Zeros(Initializer):
    """All zero: right for biases; for weights it leaves every unit of a layer equal for ever."""

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        return np.zeros(shape)


@dataclass(frozen=True)
class Ones(Initializer):
    """All one: for factors that are to change nothing at first."""

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        return np.ones(shape)


@dataclass(frozen=True)
class Constant(Initializer):
    """Every value is ``value``."""

    value: float

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        return np.full(shape, self.value)


@dataclass(frozen=True)
class Normal(Initializer):
    """N(0, σ²)."""

    sigma: NonNegative = 0.01

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        return self.sigma * generator.standard_normal(shape)


@dataclass(frozen=True)
class TruncatedNormal(Initializer):
    """N(0, σ²) without what lies more than 2σ from zero, which is drawn again until it does not: no weight starts far out.
    σ is that of the normal distribution before the cut, as in Keras; what is left has a standard deviation of 0.88 σ."""

    sigma: NonNegative = 0.01

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        values = np.asarray(generator.standard_normal(shape))
        while (outside := np.abs(values) > 2).any():
            values[outside] = generator.standard_normal(np.count_nonzero(outside))
        return self.sigma * values


@dataclass(frozen=True)
class Uniform(Initializer):
    """U(low, high)."""

    low: float = -0.05
    high: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low > self.high:
            raise ConfigError(f"{self}: low must be at most high")

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        return generator.uniform(self.low, self.high, shape)


@dataclass(frozen=True)
class LeCun(Initializer):
    """N(0, 1/n_in): a unit's sum has the variance of its inputs (LeCun, Bottou, Orr and Müller, 1998). For linear layers, and
    for tanh near zero."""

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        return math.sqrt(1 / max(fans(shape)[0], 1)) * generator.standard_normal(shape)


@dataclass(frozen=True)
class LeCunUniform(Initializer):
    """U(−c, c) with c = √(3/n_in): the variance of :class:`LeCun`, evenly spread."""

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        c = math.sqrt(3 / max(fans(shape)[0], 1))
        return generator.uniform(-c, c, shape)


@dataclass(frozen=True)
class He(Initializer):
    """N(0, 2/n_in): for ReLU, which zeroes half of its inputs (He et al., 2015)."""

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        return math.sqrt(2 / max(fans(shape)[0], 1)) * generator.standard_normal(shape)


@dataclass(frozen=True)
class HeUniform(Initializer):
    """U(−c, c) with c = √(6/n_in): the variance of :class:`He`, evenly spread."""

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        c = math.sqrt(6 / max(fans(shape)[0], 1))
        return generator.uniform(-c, c, shape)


@dataclass(frozen=True)
class Glorot(Initializer):
    """N(0, 2/(n_in + n_out)): for sigmoid, tanh and softmax, a compromise between both passes (Glorot, Bengio, 2010)."""

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        return math.sqrt(2 / max(sum(fans(shape)), 1)) * generator.standard_normal(shape)


@dataclass(frozen=True)
class GlorotUniform(Initializer):
    """U(−c, c) with c = √(6/(n_in + n_out)), also called Xavier uniform (Glorot and Bengio, 2010)."""

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        c = math.sqrt(6 / max(sum(fans(shape)), 1))
        return generator.uniform(-c, c, shape)


@dataclass(frozen=True)
class Orthogonal(Initializer):
    """A random matrix with orthonormal columns or rows, whichever are fewer, times ``gain`` (Saxe, McClelland and Ganguli,
    2014): it turns a signal without changing its length, which keeps gradients alive in deep and recurrent networks.

    The shape (…, inputs, outputs) is read as a matrix (…·inputs, outputs). Q is that of the QR decomposition of normal random
    numbers, its columns multiplied by the signs of R's diagonal: without that, not all such matrices were equally likely
    (Mezzadri, 2007). ``gain=√2`` suits ReLU.
    """

    gain: Positive = 1.0

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        rows, columns = math.prod(shape[:-1]), math.prod(shape[-1:])
        Q, R = np.linalg.qr(generator.standard_normal((max(rows, columns), min(rows, columns))))
        Q *= np.sign(np.diagonal(R))
        return self.gain * (Q if rows >= columns else Q.T).reshape(shape)


def initial(layout: Layout, seed: int, dtype: Any = np.float32) -> Array:
    """A vector of this layout with every slot's first values, each drawn from the stream (seed, "init", path)."""
    vector = layout.zeros(dtype)
    for path, slot in layout.items():
        layout.array(vector, path)[...] = slot.init.fill(slot.shape, rng.generator(seed, "init", path))
    return vector
