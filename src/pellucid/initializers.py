"""Initializers: the values of the parameters before training.

With weights of variance σ², a unit that sums n inputs multiplies the variance of its signal by n·σ². LeCun, Glorot and He
choose σ so that the signal neither vanishes nor explodes from layer to layer; an orthogonal matrix preserves the norm of the
signal exactly. n_in and n_out are the numbers of inputs and outputs that a weight array connects, derived from its shape
(…, inputs, outputs). The axes before the last two (the window of a convolution) multiply both numbers.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core import rng
from pellucid.core.config import Config, NonNegative, Positive
from pellucid.core.memory import Array, Filler, Layout, Shape
from pellucid.errors import ConfigError


class Initializer(Config, ABC):
    """The base class of all initializers."""

    @abstractmethod
    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        """Return the initial values of an array of ``shape``, in float64."""


def fans(shape: Shape) -> tuple[int, int]:
    """Return (n_in, n_out) for a weight array of ``shape``; with fewer than two axes, both are its number of elements."""
    if len(shape) < 2:
        return math.prod(shape), math.prod(shape)
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


@dataclass(frozen=True)
class Zeros(Initializer):
    """All values are 0. Suitable for biases; with zero weights all units of a layer would remain equal during training."""

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        return np.zeros(shape)


@dataclass(frozen=True)
class Ones(Initializer):
    """All values are 1. Suitable for factors that initially have no effect, such as γ of a normalization."""

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        return np.ones(shape)


@dataclass(frozen=True)
class Constant(Initializer):
    """All values are ``value``."""

    value: float

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        return np.full(shape, self.value)


@dataclass(frozen=True)
class Signs(Initializer):
    """Each value is −1 or 1, with the same probability. Suitable for factors that shall differ, but keep the size of x."""

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        return generator.choice((-1.0, 1.0), size=shape)


@dataclass(frozen=True)
class Normal(Initializer):
    """The normal distribution N(0, σ²)."""

    sigma: NonNegative = 0.01

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        return self.sigma * generator.standard_normal(shape)


@dataclass(frozen=True)
class TruncatedNormal(Initializer):
    """The normal distribution N(0, σ²) restricted to ±2σ: values outside are drawn again.

    σ is the standard deviation of the unrestricted distribution, as in Keras; that of the values is 0.88 σ.
    """

    sigma: NonNegative = 0.01

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        values = np.asarray(generator.standard_normal(shape))
        while (outside := np.abs(values) > 2).any():
            values[outside] = generator.standard_normal(np.count_nonzero(outside))
        return self.sigma * values


@dataclass(frozen=True)
class Uniform(Initializer):
    """The uniform distribution U(low, high)."""

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
    """N(0, 1/n_in): a unit's sum has the same variance as its inputs (LeCun, Bottou, Orr and Müller, 1998). Suitable for
    linear layers, and for tanh, which is almost linear near zero."""

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        return math.sqrt(1 / max(fans(shape)[0], 1)) * generator.standard_normal(shape)


@dataclass(frozen=True)
class LeCunUniform(Initializer):
    """U(−c, c) with c = √(3/n_in): the same variance as :class:`LeCun`, with a uniform distribution."""

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        c = math.sqrt(3 / max(fans(shape)[0], 1))
        return generator.uniform(-c, c, shape)


@dataclass(frozen=True)
class He(Initializer):
    """N(0, 2/n_in) (He et al., 2015). Suitable for ReLU, which sets half of its inputs to zero."""

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        return math.sqrt(2 / max(fans(shape)[0], 1)) * generator.standard_normal(shape)


@dataclass(frozen=True)
class HeUniform(Initializer):
    """U(−c, c) with c = √(6/n_in): the same variance as :class:`He`, with a uniform distribution."""

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        c = math.sqrt(6 / max(fans(shape)[0], 1))
        return generator.uniform(-c, c, shape)


@dataclass(frozen=True)
class Glorot(Initializer):
    """N(0, 2/(n_in + n_out)) (Glorot and Bengio, 2010): a compromise between the variances of the forward and the backward
    pass. Suitable for sigmoid, tanh and softmax."""

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        return math.sqrt(2 / max(sum(fans(shape)), 1)) * generator.standard_normal(shape)


@dataclass(frozen=True)
class GlorotUniform(Initializer):
    """U(−c, c) with c = √(6/(n_in + n_out)): the same variance as :class:`Glorot`, with a uniform distribution; also called
    Xavier uniform (Glorot and Bengio, 2010)."""

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        c = math.sqrt(6 / max(sum(fans(shape)), 1))
        return generator.uniform(-c, c, shape)


@dataclass(frozen=True)
class Orthogonal(Initializer):
    """A random matrix with orthonormal columns or rows, whichever are fewer, times ``gain`` (Saxe, McClelland and Ganguli,
    2014).

    An orthogonal matrix does not change the norm of a signal or a gradient, so neither vanishes in deep and recurrent
    networks. The shape (…, inputs, outputs) is interpreted as a matrix (…·inputs, outputs). It is the Q of the QR
    decomposition of a matrix of normal random numbers, with its columns multiplied by the signs of R's diagonal; without the
    signs, some orthogonal matrices would be more likely than others (Mezzadri, 2007). A ``gain`` of √2 is suitable for ReLU.
    """

    gain: Positive = 1.0

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        rows, columns = math.prod(shape[:-1]), math.prod(shape[-1:])
        Q, R = np.linalg.qr(generator.standard_normal((max(rows, columns), min(rows, columns))))
        Q *= np.sign(np.diagonal(R))
        return self.gain * (Q if rows >= columns else Q.T).reshape(shape)


@dataclass(frozen=True)
class Blockwise:
    """Fills ``blocks`` equal parts of the last axis separately, so that ``init`` uses n_in and n_out of one block.

    The gates of a recurrent layer and the groups of a convolution are such blocks. Layers create it internally; it is not a
    setting.
    """

    init: Filler
    blocks: int

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        block = (*shape[:-1], shape[-1] // self.blocks)
        return np.concatenate([self.init.fill(block, generator) for _ in range(self.blocks)], axis=-1)


@dataclass(frozen=True)
class Positionwise:
    """Fills each entry of the first axis separately, so that ``init`` uses n_in and n_out of one position.

    Layers create it internally; it is not a setting.
    """

    init: Filler

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        return np.stack([self.init.fill(shape[1:], generator) for _ in range(shape[0])])


def initial_values(layout: Layout, seed: int, dtype: Any = np.float32) -> Array:
    """Return a flat vector with the initial values of all slots of ``layout``, drawn from the stream (seed, "init", path)."""
    vector = layout.zeros(dtype)
    for path, slot in layout.items():
        layout.array(vector, path)[...] = slot.init.fill(slot.shape, rng.generator(seed, "init", path))
    return vector
