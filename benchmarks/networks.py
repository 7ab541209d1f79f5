"""The networks of the benchmarks, written down once and in no library's words.

Each contender builds its own from these descriptions. What they cost, and how many parameters there must be, is counted
here. This module imports the standard library only: the parent needs the counts, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

#: Height, width, channels; channels come last in all shapes here.
Shape = tuple[int, ...]
INPUT: Shape = (28, 28, 1)
CLASSES = 10


@dataclass(frozen=True)
class Conv:
    """A square kernel; ``padding`` is the number of zeros on each side."""

    filters: int
    kernel: int
    stride: int = 1
    padding: int = 0
    bias: bool = True


@dataclass(frozen=True)
class Norm:
    """Batch normalization."""

    keep: float = 0.9  # of the running figures, in each step
    epsilon: float = 1e-5


@dataclass(frozen=True)
class Relu:
    """max(x, 0)."""


@dataclass(frozen=True)
class MaxPool:
    """The maximum of 2×2 windows side by side; a last odd row or column is left out."""


@dataclass(frozen=True)
class Mean:
    """Each channel's mean over the picture."""


@dataclass(frozen=True)
class Flatten:
    """A picture as a vector, in the order height, width, channel."""


@dataclass(frozen=True)
class Drop:
    """Dropout at that rate."""

    rate: float


@dataclass(frozen=True)
class Dense:
    """A matrix and a bias."""

    units: int


@dataclass(frozen=True)
class Rows:
    """A picture with one channel as a sequence of its rows."""


@dataclass(frozen=True)
class Lstm:
    """Reads a sequence and gives its last state; one bias for each gate, gates in the order i, f, g, o."""

    units: int


@dataclass(frozen=True)
class Residual:
    """shortcut(x) + layers(x); an empty shortcut is x itself."""

    layers: tuple[Layer, ...]
    shortcut: tuple[Layer, ...] = ()


Layer = Conv | Norm | Relu | MaxPool | Mean | Flatten | Drop | Dense | Rows | Lstm | Residual


def _block(filters: int, stride: int = 1) -> tuple[Layer, ...]:
    """Two convolutions with batch normalization; where they change the shape, a 1×1 convolution does so beside them."""
    first = Conv(filters, 3, stride, padding=1, bias=False)
    second = Conv(filters, 3, padding=1, bias=False)
    shortcut: tuple[Layer, ...] = () if stride == 1 else (Conv(filters, 1, stride, bias=False), Norm())
    return Residual((first, Norm(), Relu(), second, Norm()), shortcut), Relu()


#: The networks by name; all end in the ten logits. mlp-d8, mlp and cnn-fast are presets of pellucid.
NETWORKS: dict[str, tuple[Layer, ...]] = {
    "lenet": (
        Conv(8, 5),
        Relu(),
        MaxPool(),
        Conv(16, 5),
        Relu(),
        MaxPool(),
        Flatten(),
        Dense(64),
        Relu(),
        Dense(CLASSES),
    ),
    "keras-example": (
        Conv(32, 3),
        Relu(),
        MaxPool(),
        Conv(64, 3),
        Relu(),
        MaxPool(),
        Flatten(),
        Drop(0.5),
        Dense(CLASSES),
    ),
    "pytorch-example": (
        Conv(32, 3),
        Relu(),
        Conv(64, 3),
        Relu(),
        MaxPool(),
        Drop(0.25),
        Flatten(),
        Dense(128),
        Relu(),
        Drop(0.5),
        Dense(CLASSES),
    ),
    "resnet-small": (
        Conv(16, 3, padding=1, bias=False),
        Norm(),
        Relu(),
        *_block(16),
        *_block(32, 2),
        *_block(64, 2),
        Mean(),
        Dense(CLASSES),
    ),
    "mlp-d8": (Flatten(), Dense(64), Relu(), Dense(32), Relu(), Dense(CLASSES)),
    "mlp": (Flatten(), Dense(256), Relu(), Dense(256), Relu(), Dense(CLASSES)),
    "cnn-fast": (
        Conv(16, 3),
        Relu(),
        MaxPool(),
        Conv(32, 3, bias=False),
        Norm(),
        Relu(),
        MaxPool(),
        Conv(64, 3, padding=1, bias=False),
        Norm(),
        Relu(),
        Flatten(),
        Dense(CLASSES),
    ),
    "lstm": (Rows(), Lstm(128), Dense(CLASSES)),
}
#: Those whose steps and predictions are timed.
TIMED = ("lenet", "keras-example", "pytorch-example", "resnet-small")


@dataclass(frozen=True)
class Cost:
    """What layers come to: the shape behind them, multiply-adds of one sample's forward pass, each parameter's shape.

    The multiply-adds are those of direct convolution, height·width·kernel²·channels·filters at the output's size, and of
    dense layers; pooling, activations and normalization count for nothing. Parameters stand in the order of the layers
    (a block's, then its shortcut's): weights (kernel, kernel, channels, filters) or (inputs, units), then biases; a
    normalization's γ, then β, which are vectors, too.
    """

    shape: Shape
    multiply_adds: int = 0
    parameters: tuple[Shape, ...] = ()

    @property
    def parameter_count(self) -> int:
        """How many numbers are trained."""
        return sum(map(math.prod, self.parameters))


def cost(layers: Sequence[Layer], shape: Shape = INPUT) -> Cost:
    """What these layers come to, for one sample of that shape."""
    total = Cost(shape)
    for layer in layers:
        one = _cost(layer, total.shape)
        total = Cost(one.shape, total.multiply_adds + one.multiply_adds, total.parameters + one.parameters)
    return total


def _cost(layer: Layer, shape: Shape) -> Cost:
    match layer:
        case Conv():
            size = tuple((side + 2 * layer.padding - layer.kernel) // layer.stride + 1 for side in shape[:2])
            W = (layer.kernel, layer.kernel, shape[2], layer.filters)
            bias = ((layer.filters,),) if layer.bias else ()
            return Cost((*size, layer.filters), math.prod(size) * math.prod(W), (W, *bias))
        case Dense():
            return Cost((layer.units,), shape[0] * layer.units, ((shape[0], layer.units), (layer.units,)))
        case Norm():
            return Cost(shape, 0, (shape[-1:], shape[-1:]))
        case MaxPool():
            return Cost((shape[0] // 2, shape[1] // 2, shape[2]))
        case Mean():
            return Cost(shape[2:])
        case Flatten():
            return Cost((math.prod(shape),))
        case Rows():
            return Cost(shape[:2])
        case Lstm():
            (time, features), u = shape, layer.units
            return Cost((u,), time * 4 * u * (features + u), ((features, 4 * u), (u, 4 * u), (4 * u,)))
        case Residual():
            inner, beside = cost(layer.layers, shape), cost(layer.shortcut, shape)
            if inner.shape != beside.shape:
                raise ValueError(f"a block's {inner.shape} and its shortcut's {beside.shape} cannot be added")
            return Cost(inner.shape, inner.multiply_adds + beside.multiply_adds, inner.parameters + beside.parameters)
    return Cost(shape)


def parameters(layers: Sequence[Layer], shape: Shape = INPUT) -> Iterator[tuple[Layer, int, Shape]]:
    """Each parameter in the order of ``Cost``: the layer it belongs to, its place among that layer's, its shape."""
    for layer in layers:
        if isinstance(layer, Residual):
            yield from parameters(layer.layers, shape)
            yield from parameters(layer.shortcut, shape)
        else:
            yield from ((layer, place, one) for place, one in enumerate(cost((layer,), shape).parameters))
        shape = cost((layer,), shape).shape


def inside(layers: Sequence[Layer]) -> Iterator[Layer]:
    """All layers, those of blocks and shortcuts included."""
    for layer in layers:
        yield layer
        if isinstance(layer, Residual):
            yield from inside((*layer.layers, *layer.shortcut))


def count(layers: Sequence[Layer], kind: type[Layer]) -> int:
    """How many layers of a kind there are, blocks and shortcuts included."""
    return sum(isinstance(layer, kind) for layer in inside(layers))


def flop(network: str, samples: int, *, training: bool) -> float:
    """Floating-point operations by the plain count: two for a multiply-add, and in training three times as many, for the
    gradients by weights and by inputs take as many as the forward pass each (the first layer's inputs need none; it is
    counted all the same)."""
    return 2.0 * (3 if training else 1) * cost(NETWORKS[network]).multiply_adds * samples
