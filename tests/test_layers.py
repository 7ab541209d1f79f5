"""Layers: all through one harness, the harness itself against planted faults, and what is particular to each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from pellucid import Dense, Dropout, Flatten, GlorotUniform, Linear, ReLU, Sequential, ShapeError, Sigmoid, Softmax, Tanh
from pellucid.config import Count, registered
from pellucid.initializers import He, Initializer, Zeros
from pellucid.layers import Built, Layer
from pellucid.memory import Slot
from pellucid.testing import asymmetric, check_layer, run_layer

# (layer, shape of one sample)
INSTANCES: list[tuple[Layer, tuple[int, ...]]] = [
    (Dense(1), (1,)),
    (Dense(3), (5,)),
    (Dense(4, GlorotUniform()), (2,)),
    (Dropout(0.0), (4,)),
    (Dropout(0.4), (5,)),
    (Dropout(0.5), (3, 2, 2)),
    (Flatten(), (5,)),
    (Flatten(), (2, 3, 2)),
    (Linear(), (4,)),
    (ReLU(), (7,)),
    (ReLU(), (2, 3, 2)),
    (Sequential(), (3,)),
    (Sequential(Dense(3), Tanh(), Dropout(0.3), Dense(2)), (4,)),
    (Sequential(Flatten(), Sequential(Dense(4), ReLU()), Sequential(Sequential(Dense(3)), Softmax())), (2, 2)),
    (Sigmoid(), (5,)),
    (Sigmoid(), (2, 3)),
    (Softmax(), (2,)),
    (Softmax(), (3, 4)),
    (Tanh(), (5,)),
    (Tanh(), (1,)),
]


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize(("layer", "shape"), INSTANCES, ids=repr)
def test_every_layer(layer, shape, batch):
    for seed in (0, 1):
        check_layer(layer, shape, batch=batch, seed=seed)


def test_every_layer_is_in_the_table():
    assert set(registered(Layer).values()) == {type(layer) for layer, _ in INSTANCES}


# -- the harness finds faults -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Affine(Layer):
    """A dense layer in plain NumPy with room for faults: each class below plants one."""

    units: Count = 3
    init: Initializer = He()

    def build(self, shape):
        return Built(
            (self.units,), {"W": Slot((shape[0], self.units), self.init), "b": Slot((self.units,), Zeros(), decay=False)}
        )

    def forward(self, p, x, ctx):
        ctx.keep(x)
        return x @ p.W + p.b

    def backward(self, p, g, dy, ctx):
        (x,) = ctx.kept
        g.W = x.T @ dy
        g.b = dy.sum(axis=0)
        return dy @ p.W.T if ctx.needs_dx else None


@dataclass(frozen=True)
class WrongFactor(Affine):
    def backward(self, p, g, dy, ctx):
        dx = Affine.backward(self, p, g, dy, ctx)
        g.W *= 1.001
        return dx


@dataclass(frozen=True)
class LostBias(Affine):
    def backward(self, p, g, dy, ctx):
        dx = Affine.backward(self, p, g, dy, ctx)
        g.b = 0
        return dx


@dataclass(frozen=True)
class MeanInsteadOfSum(Affine):
    """Right for each shard alone, wrong for the batch."""

    def forward(self, p, x, ctx):
        return Affine.forward(self, p, x - x.mean(axis=0), ctx)

    def backward(self, p, g, dy, ctx):
        dx = Affine.backward(self, p, g, dy, ctx)
        return dx - dx.mean(axis=0)


@dataclass(frozen=True)
class WrongSign(Affine):
    def backward(self, p, g, dy, ctx):
        return -Affine.backward(self, p, g, dy, ctx)


@dataclass(frozen=True)
class WritesToInput(Affine):
    def forward(self, p, x, ctx):
        y = Affine.forward(self, p, x, ctx)
        x *= 1.5
        return y


@dataclass(frozen=True)
class WrongShape(Affine):
    def build(self, shape):
        return Built((self.units + 1,), Affine.build(self, shape).slots)


@dataclass(frozen=True)
class NoInputGradient(Affine):
    def backward(self, p, g, dy, ctx):
        Affine.backward(self, p, g, dy, ctx)


@dataclass(frozen=True)
class GradientOfOtherShape(Affine):
    def backward(self, p, g, dy, ctx):
        return Affine.backward(self, p, g, dy, ctx).T


@dataclass(frozen=True)
class NoiseByShard(Affine):
    """Noise that counts from the start of the shard, not of the batch."""

    def forward(self, p, x, ctx):
        return Affine.forward(self, p, x, ctx) + np.arange(len(x))[:, None]


@dataclass(frozen=True)
class AddsToGradient(Affine):
    def backward(self, p, g, dy, ctx):
        before = g.W.copy()
        dx = Affine.backward(self, p, g, dy, ctx)
        g.W += before
        return dx


@dataclass(frozen=True)
class ForgetsASetting(Affine):
    def __eq__(self, other):
        return False

    __hash__ = Affine.__hash__


@dataclass(frozen=True)
class FusesWrongly(Affine):
    def absorb(self, following):
        return WrongFactor(self.units, self.init) if isinstance(following, ReLU) else None


@pytest.mark.parametrize("kind", [Affine, AddsToGradient])
def test_a_right_layer_passes(kind):
    check_layer(kind(), (4,))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (WrongFactor, "the gradient of W"),
        (LostBias, "the gradient of b"),
        (MeanInsteadOfSum, "two shards and the whole batch"),
        (WrongSign, "dX"),
        (WritesToInput, "has written to its input"),
        (WrongShape, r"build promises \(5, 4\), forward gives \(5, 3\)"),
        (NoInputGradient, "backward returns None although"),
        (GradientOfOtherShape, r"the input is \(5, 4\), its gradient \(4, 5\)"),
        (NoiseByShard, "two shards and the whole batch"),
        (ForgetsASetting, "comes back from JSON"),
        (FusesWrongly, "fused and unfused"),
    ],
)
def test_check_layer_finds(kind, words):
    with pytest.raises(AssertionError, match=words):
        check_layer(kind(), (4,))
