"""The first values of the weights.

With weights of variance σ², a unit that sums n inputs multiplies the variance of its signal by n·σ². He and Glorot
choose σ so that the signal neither dies out nor explodes from layer to layer. n_in and n_out are the numbers of inputs
and outputs that one weight array connects, read off its shape (…, inputs, outputs): what stands before the last two
axes (a convolution's window) multiplies both.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid import rng
from pellucid.config import Config, NonNegative
from pellucid.memory import Array, Layout, Shape


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
class Normal(Initializer):
    """N(0, σ²)."""

    sigma: NonNegative = 0.01

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array:
        return self.sigma * generator.standard_normal(shape)


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


def initial(layout: Layout, seed: int, dtype: Any = np.float32) -> Array:
    """A vector of this layout with every slot's first values, each drawn from the stream (seed, "init", path)."""
    vector = layout.zeros(dtype)
    for path, slot in layout.items():
        layout.array(vector, path)[...] = slot.init.fill(slot.shape, rng.generator(seed, "init", path))
    return vector
