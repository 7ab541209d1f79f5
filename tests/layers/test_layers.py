"""Tests of all layers with one harness, of the harness with faulty layers, and of single layers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import scipy.stats

from pellucid import (
    ELU,
    GELU,
    GRU,
    LSTM,
    SELU,
    Add,
    AlphaDropout,
    Attention,
    Average,
    AveragePool1D,
    AveragePool2D,
    BatchNorm,
    Bidirectional,
    Columns,
    Concatenate,
    ConfigError,
    Conv1D,
    Conv2D,
    ConvTranspose2D,
    Crop1D,
    Crop2D,
    CrossAttention,
    Dense,
    DensePerPosition,
    Dropout,
    Embedding,
    Exp,
    Flatten,
    FromState,
    Frozen,
    GaussianNoise,
    GlobalAveragePool1D,
    GlobalAveragePool2D,
    GlobalMaxPool1D,
    GlobalMaxPool2D,
    GlorotUniform,
    Graph,
    GroupNorm,
    HardSigmoid,
    HardSwish,
    Identity,
    LayerNorm,
    LeakyReLU,
    LearnedPositions,
    LearnedScale,
    LogSoftmax,
    Maximum,
    MaxPool1D,
    MaxPool2D,
    Members,
    Merge,
    Mish,
    Multiply,
    Node,
    Normal,
    Parametric,
    Periodic,
    Permute,
    PiecewiseLinear,
    PReLU,
    ReLU,
    ReLU6,
    Repeat,
    Rescale,
    Reshape,
    Residual,
    Reverse,
    RMSNorm,
    Sequential,
    ShapeError,
    Sigmoid,
    Signs,
    SiLU,
    SimpleRNN,
    SinusoidalPositions,
    Slice,
    Softmax,
    Softplus,
    SpatialDropout2D,
    Subtract,
    SwiGLU,
    Take,
    Tanh,
    TiedEmbedding,
    Unembedding,
    UpSample1D,
    UpSample2D,
    ZeroPad1D,
    ZeroPad2D,
)
from pellucid.core.config import Count, registered_classes
from pellucid.core.memory import Slot
from pellucid.initializers import He, Initializer, Zeros
from pellucid.layers import Layer, LayerSpec, context
from pellucid.networks import fused, primitives
from pellucid.testing import asymmetric, check_layer, layouts, run_layer

# (layer, shape of one sample)
INSTANCES: list[tuple[Layer, tuple[int, ...]]] = [
    (Attention(1), (3, 2)),
    (Attention(2, causal=True), (4, 4)),
    (Attention(1, rotary=True, bias=False), (1, 2)),  # a context of one position
    (Attention(3, causal=True, dropout=0.4, rotary=True), (3, 6)),
    (AveragePool1D(), (5, 2)),
    (AveragePool1D(3, 1, "causal"), (4, 1)),
    (AveragePool1D(3, 2, (1, 2)), (4, 3)),
    (AveragePool2D(), (5, 4, 2)),
    (AveragePool2D((3, 2), stride=(2, 1), padding="same"), (4, 5, 1)),
    (AveragePool2D(3, stride=2, padding=((1, 0), (2, 1))), (4, 3, 2)),
    (BatchNorm(), (4,)),
    (BatchNorm(momentum=0.5, epsilon=0.1), (3, 2, 2)),
    (Columns(("number",)), (1,)),
    (Columns(("binary", "number", "binary", "number"), Sequential(Dense(3), Tanh())), (4,)),
    (Columns((3, 4, 3), width=2), (3,)),
    (Conv1D(1, 1), (1, 1)),
    (Conv1D(2, 3), (5, 2)),
    (Conv1D(2, 2, padding="causal", dilation=2), (4, 3)),
    (Conv1D(3, 4, 2, "same", bias=False), (3, 2)),  # larger than the sequence
    (Conv1D(4, 2, 3, (0, 3), groups=2), (5, 4)),
    (Conv1D(2, 3, padding="causal", groups=2), (3, 2)),  # depthwise
    (Conv2D(1, 1), (1, 1, 1)),
    (Conv2D(3, 1), (2, 3, 2)),  # 1 × 1: a dense layer for each pixel
    (Conv2D(2, 1, 2, bias=False), (3, 2, 3)),  # … for every fourth pixel
    (Conv2D(2, 3), (4, 5, 2)),
    (Conv2D(2, (2, 3), (2, 1), "same"), (5, 4, 1)),
    (Conv2D(2, 4, padding="same"), (3, 3, 1)),  # larger than the image
    (Conv2D(1, 3, 3, padding=2), (2, 2, 1)),
    (Conv2D(2, 2, 2, (1, 2)), (4, 3, 2)),
    (Conv2D(2, 2, (1, 2), ((0, 2), (1, 0))), (3, 4, 1)),
    (Conv2D(2, 1, 20, ((5, 0), (4, 0))), (7, 6, 1)),  # the only tap is always in the padding
    (Conv2D(2, (3, 2), dilation=(1, 2), padding="same"), (4, 4, 1)),
    (Conv2D(4, 2, groups=2), (3, 3, 4)),
    (Conv2D(3, 3, padding="same", groups=3, bias=False), (3, 3, 3)),  # depthwise
    (Conv2D(4, 2, 2, groups=2, dilation=2, padding=1), (4, 3, 2)),  # depthwise with two filters for each channel
    (ConvTranspose2D(2, 2), (2, 3, 3)),
    (ConvTranspose2D(2, 3, 2, "same"), (2, 3, 1)),
    (ConvTranspose2D(1, 1, 3, "same"), (2, 2, 2)),
    (ConvTranspose2D(2, 3, (2, 1), ((1, 0), (1, 2))), (2, 3, 2)),
    (ConvTranspose2D(2, 2, dilation=(2, 1), groups=2, bias=False), (2, 2, 4)),
    (Crop1D((0, 2)), (4, 2)),
    (Crop2D(), (3, 4, 2)),
    (Crop2D(((1, 0), (0, 2))), (2, 3, 1)),
    (Dense(1), (1,)),
    (Dense(3), (5,)),
    (Dense(4, GlorotUniform()), (2,)),
    (Dense(3, bias=False), (4,)),
    (DensePerPosition(1), (1, 1)),
    (DensePerPosition(3), (4, 5)),
    (DensePerPosition(9, GlorotUniform()), (3, 2)),
    (AlphaDropout(0.0), (4,)),
    (AlphaDropout(0.4), (3, 2)),
    (Dropout(0.0), (4,)),
    (Dropout(0.4), (5,)),
    (Dropout(0.5), (3, 2, 2)),
    (ELU(), (7,)),
    (ELU(0.5), (2, 3)),
    (Embedding(5, 3), (4,)),
    (Embedding(4, 2, padding=1), (3, 2)),
    (Flatten(), (5,)),
    (Flatten(), (2, 3, 2)),
    (Frozen(Dense(3)), (4,)),
    (Frozen(Dense(3), BatchNorm(), ReLU(), Dropout(0.5)), (4,)),
    (GELU(), (7,)),
    (GELU(approximate=True), (7,)),
    (GaussianNoise(0.0), (3,)),
    (GaussianNoise(0.4), (3, 2)),
    (GlobalAveragePool1D(), (3, 4)),
    (GlobalAveragePool2D(), (3, 2, 4)),
    (GlobalMaxPool1D(), (4, 3)),
    (GlobalMaxPool2D(), (3, 2, 4)),
    (GroupNorm(1), (3, 2)),
    (GroupNorm(2), (6,)),
    (GroupNorm(3, epsilon=0.1), (2, 2, 6)),
    (GroupNorm(4), (3, 4)),
    (HardSigmoid(), (7,)),
    (HardSwish(), (7,)),
    (LayerNorm(), (5,)),
    (LayerNorm(epsilon=0.1), (2, 2, 3)),
    (LayerNorm(bias=False), (3, 4)),
    (LearnedPositions(), (3, 2)),
    (LearnedPositions(Normal(1.0)), (1, 3)),
    (LearnedScale(), (4,)),
    (LearnedScale(Normal(1.0)), (2, 3)),
    (Graph(Node("only", Dense(3), "input")), (4,)),
    (Graph(Node("cross", CrossAttention(1, dropout=0.3), "query", "input"), Node("query", Slice(2, axis=0), "input")), (4, 2)),
    (
        Graph(
            Node("past", Sequential(Slice(stop=4, axis=0), Dense(2), Tanh()), "input"),
            Node("mask", Sequential(Slice(1, 2), Flatten(), ReLU()), "past"),  # zero for half of the keys
            Node("cross", CrossAttention(2, causal=True, bias=False), "input", "past", "mask"),
        ),
        (5, 2),
    ),
    (Graph(Node("a", Tanh(), "input"), Node("b", Tanh(), "input"), Node("sum", Add(), "a", "input", "b", "a")), (3,)),
    (
        Graph(
            Node("a", Tanh(), "input"),
            Node("b", Sequential(Dense(3, bias=False), ReLU()), "a"),
            Node("product", Multiply(), "a", "input", "b", "a"),
            Node("mean", Average(), "product", "b", "product"),
            Node("top", Maximum(), "mean", "a", "input", "mean"),
            Node("end", Multiply(), "top", "b"),
        ),
        (3,),
    ),
    (
        Graph(
            Node("a", Tanh(), "input"),
            Node("less", Subtract(), "a", "input"),
            Node("end", Subtract(), "less", "less2"),
            Node("less2", Sequential(Dense(3), ReLU()), "less"),
        ),
        (3,),
    ),
    (Graph(Node("square", Multiply(), "input", "input")), (2, 3)),
    (
        Graph(
            Node("a", Conv2D(2, 1), "input"),
            Node("b", Conv2D(2, 1, bias=False), "input"),
            Node("gate", Multiply(), "a", "b"),
            Node("maxout", Maximum(), "gate", "a", "b"),
            Node("mean", Average(), "maxout", "input"),
        ),
        (2, 3, 2),
    ),
    (
        Graph(
            Node("rows", Concatenate(0), "image", "input"),
            Node("image", ReLU(), "input"),
            Node("flat", Flatten(), "channels"),
            Node("channels", Concatenate(), "rows", "soft", "rows"),
            Node("soft", Softmax(), "rows"),
        ),
        (3, 1, 2),
    ),
    (
        Graph(
            Node("a", Sequential(Dense(3), Dropout(0.3)), "input"),
            Node("inner", Graph(Node("b", Residual(Tanh(), Dense(3)), "input"), Node("c", ReLU(), "b")), "a"),
            Node("sum", Add(), "inner", "a"),
            Node("relu", ReLU(), "sum"),
            Node("both", Concatenate(), "relu", "a"),
        ),
        (2,),
    ),
    (Bidirectional(LSTM(2)), (3, 2)),
    (Sequential(ReLU(), Bidirectional(GRU(2, return_sequences=True, mask=0.0))), (4, 1)),
    (Bidirectional(LSTM(1, True, return_state=True, learn_state=True, recurrent_dropout=0.4)), (2, 1)),
    (GRU(3), (3, 2)),
    (GRU(2, return_state=True, learn_state=True, recurrent_dropout=0.4), (2, 1)),
    (GRU(2, return_sequences=True, init=Normal(1.0)), (4, 3)),
    (LSTM(1), (1, 1)),
    (LSTM(3), (4, 2)),
    (LSTM(2, return_sequences=True, recurrent_init=Normal(1.0)), (3, 3)),
    (Reverse(), (3, 2)),
    (LSTM(2, return_state=True, recurrent_dropout=0.4), (2, 1)),
    (LSTM(1, True, return_state=True, learn_state=True), (2, 2)),
    (SimpleRNN(3), (4, 2)),
    (SimpleRNN(2, True, return_state=True, learn_state=True, recurrent_dropout=0.4), (2, 1)),
    (Sequential(ReLU(), LSTM(1, True, 0.0, return_state=True, learn_state=True, recurrent_dropout=0.4)), (3, 1)),
    (
        Graph(
            Node("past", Slice(stop=1, axis=0), "input"),
            Node("future", Sequential(ReLU(), Slice(1, axis=0)), "input"),
            Node("encoder", LSTM(1, return_state=True), "past"),
            Node("decoder", FromState(LSTM(1, True, 0.0, return_state=True, recurrent_dropout=0.4)), "future", "encoder"),
        ),
        (3, 1),
    ),
    (
        Graph(
            Node("state", Sequential(Flatten(), Dense(2)), "input"),
            Node("first", FromState(LSTM(1, return_sequences=True)), "input", "state"),
            Node("last", Slice(-1, axis=0), "first"),
            Node("second", FromState(GRU(1)), "input", "last"),
        ),
        (2, 1),
    ),
    (
        Sequential(ReLU(), SimpleRNN(2, return_sequences=True, mask=0.0), GRU(2, True, 0.0), LSTM(2, mask=0.0)),
        (5, 1),
    ),  # ReLU creates padding
    (LeakyReLU(), (5,)),
    (LeakyReLU(0.3), (2, 3)),
    (Identity(), (4,)),
    (LogSoftmax(), (2,)),
    (LogSoftmax(), (3, 4)),
    (Members(2, LearnedScale()), (1,)),
    (Members(3, LearnedScale(Signs()), Dense(4), Tanh(), Dropout(0.4), DensePerPosition(2)), (3,)),
    (Sequential(Dense(4), Members(2, Residual(Dense(4), SiLU()), LayerNorm(), DensePerPosition(1))), (3,)),
    (MaxPool1D(), (5, 3)),
    (MaxPool1D(3, 1, "causal"), (4, 2)),
    (MaxPool1D(3, 2, "same"), (4, 1)),
    (MaxPool2D(), (4, 4, 3)),
    (MaxPool2D(), (5, 3, 2)),
    (MaxPool2D(3, stride=2), (5, 5, 2)),
    (MaxPool2D((2, 3), stride=1, padding=((1, 0), (2, 1))), (3, 3, 2)),
    (MaxPool2D(3, stride=2, padding="same"), (4, 3, 1)),
    (Mish(), (7,)),
    (Permute((0,)), (3,)),
    (Permute((1, 0)), (2, 3)),
    (Permute((2, 0, 1)), (2, 3, 4)),
    (PReLU(), (4,)),
    (PReLU(Normal(0.5)), (2, 2, 3)),
    (Parametric(Mish(), Normal(1.0)), (5,)),
    (Parametric(SELU()), (2, 3)),
    (Parametric(Tanh(), Normal(1.0)), (2, 2, 3)),
    (Periodic(), (1,)),
    (Periodic(3, 1.0), (4,)),
    (PiecewiseLinear(((-1.1, 0.3),)), (1,)),
    (PiecewiseLinear(((-0.9, -0.2, 0.55, 1.3), (0.1, 0.3), (-2.1, 0.7, 0.8))), (3,)),
    (ReLU(), (7,)),
    (ReLU(), (2, 3, 2)),
    (ReLU6(), (7,)),
    (Sequential(Rescale(4.0, 1.0), ReLU6()), (2, 3)),  # … with values above 6
    (SELU(), (7,)),
    (Exp(), (5,)),
    (Exp(), (2, 3)),
    (Rescale(), (2, 3)),
    (Rescale(2.5, -3.0), (4,)),
    (Rescale((2.5, 0.1, 3.0), (-3.0, 0.0, 1.0)), (3,)),
    (Rescale(2.0, (-3.0, 1.0)), (2, 3, 2)),
    (Repeat(3), (2,)),
    (Sequential(Repeat(1), GRU(2, return_sequences=True)), (2,)),
    (Reshape((2, -1)), (6,)),
    (Reshape((6,)), (3, 2)),
    (Residual(Identity()), (3,)),
    (Residual(Dense(3), ReLU(), Dense(3)), (3,)),
    (Residual(Dropout(0.3), Residual(Tanh(), Sequential(), Dense(2)), shortcut=Dense(2)), (2,)),
    (Residual(Flatten(), Tanh(), shortcut=Flatten()), (2, 3)),
    (Residual(ReLU(), Dense(3), ReLU(), Dense(2), shortcut=Sequential(Dense(4), ReLU(), Dense(2))), (5,)),
    (Sequential(), (3,)),
    (Sequential(AveragePool2D(), BatchNorm(), ReLU(), MaxPool2D(), Flatten(), LayerNorm(epsilon=0.1), Dense(2)), (4, 5, 2)),
    (Sequential(Dense(3), BatchNorm(), Tanh(), Dense(2)), (4,)),
    (Sequential(Dense(3), Tanh(), Dropout(0.3), Dense(2)), (4,)),
    (Sequential(Flatten(), Sequential(Dense(4), ReLU()), Sequential(Sequential(Dense(3)), Softmax())), (2, 2)),
    (Sequential(Dense(4), Frozen(Residual(Dense(4), Tanh()), BatchNorm()), Dense(2)), (3,)),
    (Sequential(Frozen(Dense(3)), ReLU(), Dense(2)), (4,)),
    (RMSNorm(), (5,)),
    (RMSNorm(epsilon=0.1), (2, 2, 3)),
    (SiLU(), (7,)),
    (SinusoidalPositions(), (3, 4)),
    (SinusoidalPositions(longest=50.0), (2, 3)),
    (Sigmoid(), (5,)),
    (Sigmoid(), (2, 3)),
    (Softmax(), (2,)),
    (Softmax(), (3, 4)),
    (Sequential(Conv2D(2, 3, bias=False), ReLU(), Conv2D(2, 2), Flatten(), Dense(2)), (4, 5, 2)),
    (Slice(1), (4,)),
    (Slice(-3, -1), (2, 4)),
    (Slice(1, 3, axis=0), (4, 2, 3)),
    (Softplus(), (7,)),
    (SpatialDropout2D(0.0), (2, 2, 1)),
    (SpatialDropout2D(0.4), (3, 2, 4)),
    (SwiGLU(3), (4,)),
    (SwiGLU(2, bias=True), (3, 2)),
    (Take((2,)), (3,)),
    (Take((4, 0, 1, 0)), (5,)),
    (Tanh(), (5,)),
    (Tanh(), (1,)),
    (TiedEmbedding(4, 3), (2,)),
    (TiedEmbedding(5, 4, LearnedPositions(), Residual(LayerNorm(bias=False), Dense(6), GELU(), Dense(4)), RMSNorm()), (3,)),
    (Sequential(TiedEmbedding(4, 2, Dropout(0.2), Frozen(Dense(2)), ReLU()), Softmax()), (2, 3)),
    (Unembedding(3, 2), (2,)),
    (Unembedding(5, 4), (3, 4)),
    (UpSample1D(), (3, 2)),
    (UpSample1D(3, "linear"), (4, 2)),
    (UpSample1D(4, "linear"), (1, 3)),
    (UpSample2D(), (2, 3, 2)),
    (UpSample2D((1, 3)), (2, 2, 1)),
    (UpSample2D(2, "bilinear"), (3, 2, 4)),
    (UpSample2D((3, 1), "bilinear"), (2, 3, 1)),
    (Sequential(Conv1D(2, 3, padding="causal"), ReLU(), BatchNorm(), MaxPool1D(), Permute((1, 0)), GlobalMaxPool1D()), (6, 2)),
    (
        Graph(  # a small U-Net
            Node("first", Sequential(Conv2D(2, 3, padding="same"), ReLU()), "input"),
            Node("low", Sequential(MaxPool2D(), Conv2D(2, 3, padding="same"), UpSample2D(2, "bilinear")), "first"),
            Node("cropped", Crop2D(((0, 1), (0, 0))), "first"),
            Node("both", Concatenate(), "cropped", "low"),
            Node("map", Sequential(Conv2D(1, 1), Crop2D(1)), "both"),
        ),
        (5, 4, 1),
    ),
    (ZeroPad1D(), (3, 2)),
    (ZeroPad1D((0, 2)), (1, 3)),
    (ZeroPad2D(), (2, 3, 2)),
    (ZeroPad2D(0), (1, 2, 1)),
    (ZeroPad2D((1, (0, 2))), (2, 1, 2)),
]


def entries_of(layer):
    """Return the number of tokens that a network reads; None if it reads numbers."""
    parts = [part for _, part in primitives(layer) if not isinstance(part, Take)]
    return parts[0].entries if parts and isinstance(parts[0], Embedding) else None


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize(("layer", "shape"), INSTANCES, ids=repr)
def test_every_layer(layer, shape, batch):
    for seed in (0, 1):
        check_layer(layer, shape, batch=batch, seed=seed, entries=entries_of(layer))


# Layers whose dX costs nothing, or is computed together with other gradients.
ALWAYS_DX = (AlphaDropout, Dropout, Flatten, GaussianNoise, GroupNorm, Identity, LayerNorm, PReLU, Rescale, Reshape)
ALWAYS_DX += (LearnedPositions, LearnedScale, RMSNorm, Sequential, SinusoidalPositions, SpatialDropout2D)


@pytest.mark.parametrize(("layer", "shape"), [row for row in INSTANCES if not isinstance(row[0], ALWAYS_DX)], ids=repr)
def test_a_gradient_that_nobody_reads_is_not_computed(layer, shape):
    x = np.zeros((2, *shape)) if entries_of(layer) else asymmetric((2, *shape))
    assert run_layer(layer, x, asymmetric((2, *layer.build(shape).shape)), needs_dx=False).dx is None


def test_new_memory_need_not_be_zero(monkeypatch):
    """Memory that a context lends may hold anything: layers write all that they read."""
    for layer, shape in INSTANCES:
        x = np.zeros((3, *shape)) if entries_of(layer) else asymmetric((3, *shape))
        dy = asymmetric((3, *layer.build(shape).shape))
        expected = run_layer(layer, x, dy)
        with monkeypatch.context() as patch:
            patch.setattr(context, "aligned_zeros", lambda size, dtype: np.full(size, 1 if dtype.kind == "b" else 77, dtype))
            actual = run_layer(layer, x, dy)
        for wanted, found in ((expected.y, actual.y), (expected.dx, actual.dx), (expected.gradient, actual.gradient)):
            np.testing.assert_array_equal(found, wanted, repr(layer))


def test_weights_decay_and_biases_do_not():
    kinds = {}
    for layer, shape in INSTANCES:
        for path, slot in layouts(layer, shape)[0].items():
            kinds.setdefault(slot.decay, set()).add(path.rpartition(".")[2])
    biases = {"b", "bh", "bkv", "bo", "bq", "beta", "gamma", "h0", "c0", "slope"} | {"frequencies", "phases", "scale", "weight"}
    assert kinds == {True: {"W", "U", "Wkv", "Wo", "Wq"}, False: biases}


def test_every_layer_is_in_the_table():
    assert set(registered_classes(Layer).values()) == {type(layer) for layer, _ in INSTANCES}
    merges = {type(part) for layer, _ in INSTANCES for _, part in primitives(layer) if isinstance(part, Merge)}
    assert set(registered_classes(Merge).values()) == merges


# -- faults that the harness detects --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Affine(Layer):
    """A correct dense layer in plain NumPy. Each class below adds one fault."""

    units: Count = 3
    init: Initializer = He()  # noqa: RUF009  # frozen, so it may be shared

    def build(self, shape):
        return LayerSpec(
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
class CentresItsShard(Affine):
    """Subtracts the mean of the shard instead of computing that of the batch with ctx.all_sum."""

    def forward(self, p, x, ctx):
        return Affine.forward(self, p, x - x.mean(axis=0), ctx)

    def backward(self, p, g, dy, ctx):
        dx = Affine.backward(self, p, g, dy, ctx)
        return dx - dx.mean(axis=0) if ctx.needs_dx else None


@dataclass(frozen=True)
class WrongSign(Affine):
    def backward(self, p, g, dy, ctx):
        dx = Affine.backward(self, p, g, dy, ctx)
        return -dx if ctx.needs_dx else None


@dataclass(frozen=True)
class WritesToInput(Affine):
    def forward(self, p, x, ctx):
        y = Affine.forward(self, p, x, ctx)
        x *= 1.5
        return y


@dataclass(frozen=True)
class WrongShape(Affine):
    def build(self, shape):
        return LayerSpec((self.units + 1,), Affine.build(self, shape).slots)


@dataclass(frozen=True)
class NoInputGradient(Affine):
    def backward(self, p, g, dy, ctx):
        Affine.backward(self, p, g, dy, ctx)


@dataclass(frozen=True)
class GradientOfOtherShape(Affine):
    def backward(self, p, g, dy, ctx):
        dx = Affine.backward(self, p, g, dy, ctx)
        return dx.T if ctx.needs_dx else None


@dataclass(frozen=True)
class NoiseByShard(Affine):
    """Noise that depends on the position in the shard, not in the batch."""

    def forward(self, p, x, ctx):
        return Affine.forward(self, p, x, ctx) + np.arange(len(x))[:, None]


@dataclass(frozen=True)
class AddsToGradient(Affine):
    """Adds to the gradient, although the gradient vector contains the values of the previous step."""

    def backward(self, p, g, dy, ctx):
        (x,) = ctx.kept
        g.W += x.T @ dy
        g.b += dy.sum(axis=0)
        return dy @ p.W.T


@dataclass(frozen=True)
class ForgetsASetting(Affine):
    def __eq__(self, other):
        return False

    __hash__ = Affine.__hash__


@dataclass(frozen=True)
class FusesWrongly(Affine):
    def absorb(self, following):
        return WrongFactor(self.units, self.init) if isinstance(following, ReLU) else None


@dataclass(frozen=True)
class ForgetsWhenAlone(Affine):
    """Computes no gradients if dX is not needed, so it would not learn as the first layer of a network."""

    def backward(self, p, g, dy, ctx):
        return Affine.backward(self, p, g, dy, ctx) if ctx.needs_dx else None


@dataclass(frozen=True)
class NeedsSamples(Affine):
    """Computes a maximum, which is an error for an empty shard."""

    def forward(self, p, x, ctx):
        assert x.max() < 100, "the input is not scaled"
        return Affine.forward(self, p, x, ctx)


@dataclass(frozen=True)
class RunningSum(Affine):
    """A correct layer with running statistics: the sum of all inputs so far, by which prediction divides."""

    def build(self, shape):
        return LayerSpec((self.units,), {**Affine.build(self, shape).slots, "top": Slot((1,), Zeros(), state=True)})

    def top(self, x, ctx):
        return sum(ctx.all_sum(np.abs(x).sum(axis=0)))

    def forward(self, p, x, ctx):
        if ctx.training:
            top = self.top(x, ctx)
            if ctx.writes_state:
                ctx.state.top += top
        return Affine.forward(self, p, x if ctx.training else x / ctx.state.top, ctx)

    def backward(self, p, g, dy, ctx):
        dx = Affine.backward(self, p, g, dy, ctx)
        return dx if ctx.training or not ctx.needs_dx else dx / ctx.state.top


@dataclass(frozen=True)
class RunningSumOfItsShard(RunningSum):
    def top(self, x, ctx):
        return np.abs(x).sum()


@dataclass(frozen=True)
class RunningSumInPrediction(RunningSum):
    def forward(self, p, x, ctx):
        ctx.state.top += 1
        return RunningSum.forward(self, p, x, ctx)


@dataclass(frozen=True)
class TrainingGradientInPrediction(RunningSum):
    def backward(self, p, g, dy, ctx):
        return Affine.backward(self, p, g, dy, ctx)


def test_correct_layers_pass():
    check_layer(RunningSum(), (4,))
    check_layer(Affine(), (4,))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (WrongFactor, "the gradient of W"),
        (LostBias, "the gradient of b"),
        (CentresItsShard, "2 shards and the whole batch"),
        (WrongSign, "dX"),
        (WritesToInput, "has written to its input"),
        (WrongShape, r"build returns the shape \(5, 4\), forward an output of \(5, 3\)"),
        (NoInputGradient, "backward returns None although"),
        (GradientOfOtherShape, r"the input is \(5, 4\), its gradient \(4, 5\)"),
        (NoiseByShard, "2 shards and the whole batch"),
        (AddsToGradient, "the gradient of W"),
        (ForgetsASetting, "after the conversion to JSON"),
        (FusesWrongly, "fused and unfused"),
        (ForgetsWhenAlone, "the gradients where dX is not requested"),
        (RunningSumOfItsShard, "2 shards and the whole batch: top"),
        (RunningSumInPrediction, "running statistics before and after prediction: top"),
        (TrainingGradientInPrediction, "dX in prediction"),
    ],
)
def test_check_layer_detects(kind, words):
    with pytest.raises(AssertionError, match=words):
        check_layer(kind(), (4,))


def test_check_layer_tries_empty_shards():
    with pytest.raises(ValueError, match="zero-size"):
        check_layer(NeedsSamples(), (4,))


# -- single layers --------------------------------------------------------------------------------------------------


def test_dense_by_hand():
    x, W, b = np.array([[1.0, 2.0], [3.0, -1.0]]), [[1.0, 0.0, 2.0], [-1.0, 1.0, 0.5]], [0.5, 0.0, -1.0]
    out = run_layer(Dense(3), x, np.array([[1.0, 0.0, 2.0], [0.0, 1.0, -1.0]]), theta=theta(Dense(3), (2,), W=W, b=b))
    assert out.y.tolist() == [[-0.5, 2.0, 2.0], [4.5, -1.0, 4.5]]
    slots = layouts(Dense(3), (2,))[0].arrays(out.gradient)
    assert slots["W"].tolist() == [[1.0, 3.0, -1.0], [2.0, -1.0, 5.0]]
    assert slots["b"].tolist() == [1.0, 1.0, 1.0]
    assert out.dx.tolist() == [[5.0, 0.0], [-2.0, 0.5]]


def test_dense_without_bias():
    layer = Dense(3, bias=False)
    assert set(layer.build((2,)).slots) == {"W"}
    x, W = np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([[1.0, 0.0, 2.0], [-1.0, 1.0, 0.5]])
    dy = np.array([[1.0, 0.0, 2.0], [0.0, 1.0, -1.0]])
    for network in (layer, fused(Sequential(layer, ReLU()))):
        path = "W" if network is layer else "dense1.W"
        upstream = dy if network is layer else dy * (x @ W > 0)
        out = run_layer(network, x, dy, theta=theta(network, (2,), **{path: W}))
        assert out.y.tolist() == (x @ W if network is layer else np.maximum(x @ W, 0)).tolist()
        assert layouts(network, (2,))[0].array(out.gradient, path).tolist() == (x.T @ upstream).tolist()
        assert out.dx.tolist() == (upstream @ W.T).tolist()


def theta(layer, shape, **values):
    layout = layouts(layer, shape)[0]
    vector = layout.zeros(np.float64)
    for path, value in values.items():
        layout.array(vector, path)[...] = value
    return vector


@pytest.mark.parametrize(("layer", "shape"), [(layer, shape) for layer, shape in INSTANCES if layer.positionwise], ids=repr)
def test_positionwise_layers_compute_each_position_from_the_same_position(layer, shape):
    tokens = isinstance(layer, Embedding)
    x = np.arange(20.0).reshape(4, 5) % (layer.entries - 1) if tokens else asymmetric((4, 5, shape[-1]))
    other = x.copy()
    other[:, 1] += 1
    y, changed = (run_layer(layer, a, training=False).y for a in (x, other))
    kept = [0, 2, 3, 4]
    np.testing.assert_array_equal(changed[:, kept], y[:, kept])


def test_dense_acts_on_the_last_axis():
    check_layer(Dense(3), (2, 4))
    x = asymmetric((5, 3, 2, 4))
    at_positions, rows = run_layer(Dense(3), x), run_layer(Dense(3), x.reshape(30, 4))
    np.testing.assert_array_equal(at_positions.y, rows.y.reshape(5, 3, 2, 3))
    assert Dense(3).build((3, 2, 4)).multiply_adds == 6 * 4 * 3
    with pytest.raises(ShapeError, match="expects features as the last axis, got single values"):
        Dense(3).build(())


def test_softmax_of_one_value_is_refused():
    with pytest.raises(ShapeError, match="for yes or no use Sigmoid"):
        Softmax().build((1,))


def test_dropout_is_off_in_prediction_and_preserves_the_expectation_in_training():
    x = asymmetric((400, 500))
    assert (run_layer(Dropout(0.3), x, training=False).y == x).all()
    y = run_layer(Dropout(0.3), x).y
    assert set(np.round(np.unique(y / x), 12)) == {0.0, round(1 / 0.7, 12)}
    # the mean of n values x·m/(1 − r) equals that of x within 5·√(r/(1 − r)·mean(x²)/n)
    assert abs(y.mean() - x.mean()) < 5 * np.sqrt(0.3 / 0.7 * np.square(x).mean() / x.size)


def test_dropout_masks_differ_for_every_seed_and_path():
    x = np.ones((20, 50))
    twice = run_layer(Sequential(Dropout(), Dropout()), x).y
    assert 0.1 < (twice > 0).mean() < 0.4  # 1/4 if the two masks are independent
    assert (run_layer(Dropout(), x, seed=1).y != run_layer(Dropout(), x, seed=2).y).any()


@pytest.mark.parametrize("bad", [(), (0, 3), (-1, -1), (-2,), (2.5,)])
def test_reshape_refuses_invalid_shapes(bad):
    with pytest.raises(ConfigError, match="shape"):
        Reshape(bad)


def test_rescale_has_one_number_for_each_entry_of_the_last_axis():
    layer = Rescale((2.0, 10.0), (0.0, -1.0))
    x, dy = np.array([[[1.0, 2.0]], [[3.0, 4.0]]]), np.array([[[5.0, 6.0]], [[7.0, 8.0]]])
    out = run_layer(layer, x, dy)
    np.testing.assert_array_equal(out.y, [[[2, 19]], [[6, 39]]])
    np.testing.assert_array_equal(out.dx, [[[10, 60]], [[14, 80]]])
    for wrong, name in ((Rescale(offset=(1.0, 2.0)), "offset"), (Rescale((1.0, 2.0)), "scale")):
        with pytest.raises(ShapeError, match=rf"{name} has 2 numbers for the shape \(2, 3\), whose last axis has 3"):
            wrong.build((2, 3))
    with pytest.raises(ConfigError, match="above 0"):
        Rescale((1.0, -2.0))


def test_reshape_checks_the_number_of_values():
    assert Reshape((2, -1, 3)).build((4, 6)).shape == (2, 4, 3)
    with pytest.raises(ShapeError, match=r"expects samples of 12 values, got \(2, 5\), which has 10"):
        Reshape((3, 4)).build((2, 5))
    with pytest.raises(ShapeError, match=r"a multiple of 4 values, got \(10,\)"):
        Reshape((4, -1)).build((10,))
    x = asymmetric((3, 4))
    assert (run_layer(Reshape((2, -1)), x).y == x.reshape(3, 2, 2)).all()


def test_a_slice_selects_as_python_does():
    x = asymmetric((3, 4, 5))
    for layer, wanted in [
        (Slice(1), x[:, :, 1:]),
        (Slice(stop=2), x[:, :, :2]),
        (Slice(-3, -1), x[:, :, -3:-1]),
        (Slice(-1, axis=0), x[:, -1:]),
        (Slice(1, 4, axis=0), x[:, 1:4]),
        (Slice(), x),
    ]:
        dy = asymmetric(wanted.shape, 1)
        out = run_layer(layer, x, dy)
        np.testing.assert_array_equal(out.y, wanted)
        np.testing.assert_array_equal(run_layer(layer, out.dx).y, dy)  # the gradient is where the values come from
        assert np.count_nonzero(out.dx) == dy.size
    for layer, message in [
        (Slice(6), "axis -1 .* has 5 positions; position 6 is outside"),
        (Slice(0, -6), "position -6 is outside"),
        (Slice(3, 3), "selects nothing"),
        (Slice(4, 2), "selects nothing"),
        (Slice(axis=2), "samples that have this axis, got"),
    ]:
        with pytest.raises(ShapeError, match=message):
            layer.build((4, 5))


def test_noise_is_off_in_prediction_and_normal_in_training():
    x = asymmetric((400, 500))
    assert (run_layer(GaussianNoise(0.3), x, training=False).y == x).all()
    z = (run_layer(GaussianNoise(0.3), x).y - x) / 0.3
    assert scipy.stats.kstest(z.ravel(), "norm").pvalue > 0.001
    one, other = z[:, 1:].ravel(), z[:, :-1].ravel()  # neighbours are not correlated
    assert abs(np.corrcoef(one, other)[0, 1]) < 5 / np.sqrt(one.size)
    assert abs(np.corrcoef(z[1:].ravel(), z[:-1].ravel())[0, 1]) < 5 / np.sqrt(one.size)
    assert (z != (run_layer(GaussianNoise(0.3), x, seed=1).y - x) / 0.3).all()
