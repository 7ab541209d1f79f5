"""The networks of the benchmarks, described independently of the libraries.

Each contender builds its networks from these descriptions. The functions count parameters and operations. This module
imports only the standard library, because the parent process needs the counts too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

#: Height, width, channels; in all shapes here channels are last.
Shape = tuple[int, ...]
INPUT: Shape = (28, 28, 1)
CLASSES = 10


@dataclass(frozen=True)
class Conv:
    """A convolution with a square kernel; ``padding`` is the number of zeros on each side."""

    filters: int
    kernel: int
    stride: int = 1
    padding: int = 0
    bias: bool = True


@dataclass(frozen=True)
class Norm:
    """Batch normalization."""

    momentum: float = 0.9  # the weight of the old running statistics in each step
    epsilon: float = 1e-5


@dataclass(frozen=True)
class Relu:
    """The activation max(x, 0)."""


@dataclass(frozen=True)
class MaxPool:
    """The maximum of adjacent 2×2 windows; an odd last row or column is left out."""


@dataclass(frozen=True)
class Mean:
    """The mean of each channel over the image."""


@dataclass(frozen=True)
class Flatten:
    """The image as a vector, in the order height, width, channel."""


@dataclass(frozen=True)
class Drop:
    """Dropout with this rate."""

    rate: float


@dataclass(frozen=True)
class Dense:
    """A dense layer with a bias."""

    units: int


@dataclass(frozen=True)
class Rows:
    """An image with one channel as the sequence of its rows."""


@dataclass(frozen=True)
class Lstm:
    """The last state of an LSTM; one bias for each gate, gates in the order i, f, g, o."""

    units: int


@dataclass(frozen=True)
class Residual:
    """A residual block, shortcut(x) + layers(x); an empty shortcut is the identity."""

    layers: tuple[Layer, ...]
    shortcut: tuple[Layer, ...] = ()


Layer = Conv | Norm | Relu | MaxPool | Mean | Flatten | Drop | Dense | Rows | Lstm | Residual


def _block(filters: int, stride: int = 1) -> tuple[Layer, ...]:
    """Return a residual block of two normalized convolutions; with a stride, the shortcut is a 1×1 convolution."""
    first = Conv(filters, 3, stride, padding=1, bias=False)
    second = Conv(filters, 3, padding=1, bias=False)
    shortcut: tuple[Layer, ...] = () if stride == 1 else (Conv(filters, 1, stride, bias=False), Norm())
    return Residual((first, Norm(), Relu(), second, Norm()), shortcut), Relu()


#: The networks by name; all end in ten logits. mlp-d8, mlp and cnn-fast are presets of Pellucid.
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
#: The networks whose steps and predictions are timed.
TIMED = ("lenet", "keras-example", "pytorch-example", "resnet-small")


@dataclass(frozen=True)
class Cost:
    """The cost of some layers: output shape, multiply-adds of one forward pass per sample, shape of each parameter.

    The multiply-adds are those of direct convolution, height·width·kernel²·channels·filters at the size of the output, and of
    dense layers; pooling, activations and normalization do not count. Parameters are in the order of the layers (those of a
    block, then those of its shortcut): weights (kernel, kernel, channels, filters) or (inputs, units), then biases; for a
    normalization the vectors γ, then β.
    """

    shape: Shape
    multiply_adds: int = 0
    parameters: tuple[Shape, ...] = ()

    @property
    def parameter_count(self) -> int:
        """The number of trained parameters."""
        return sum(map(math.prod, self.parameters))


def cost(layers: Sequence[Layer], shape: Shape = INPUT) -> Cost:
    """Return the cost of the layers, for one sample of that shape."""
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
            inner, shortcut = cost(layer.layers, shape), cost(layer.shortcut, shape)
            if inner.shape != shortcut.shape:
                raise ValueError(
                    f"the output shapes {inner.shape} of a block and {shortcut.shape} of its shortcut cannot be added"
                )
            return Cost(inner.shape, inner.multiply_adds + shortcut.multiply_adds, inner.parameters + shortcut.parameters)
    return Cost(shape)


def parameters(layers: Sequence[Layer], shape: Shape = INPUT) -> Iterator[tuple[Layer, int, Shape]]:
    """Yield each parameter in the order of ``Cost``: its layer, its index in that layer, its shape."""
    for layer in layers:
        if isinstance(layer, Residual):
            yield from parameters(layer.layers, shape)
            yield from parameters(layer.shortcut, shape)
        else:
            yield from ((layer, place, one) for place, one in enumerate(cost((layer,), shape).parameters))
        shape = cost((layer,), shape).shape


def all_layers(layers: Sequence[Layer]) -> Iterator[Layer]:
    """Yield all layers, including those of blocks and shortcuts."""
    for layer in layers:
        yield layer
        if isinstance(layer, Residual):
            yield from all_layers((*layer.layers, *layer.shortcut))


def count(layers: Sequence[Layer], kind: type[Layer]) -> int:
    """Return the number of layers of a kind, including those of blocks and shortcuts."""
    return sum(isinstance(layer, kind) for layer in all_layers(layers))


def flop(network: str, samples: int, *, training: bool) -> float:
    """Return the number of floating-point operations: two for each multiply-add, and three times as many in training.

    The weight gradient and the input gradient take as many operations as the forward pass each. (The first layer needs no input
    gradient, but it is counted too.)
    """
    return 2.0 * (3 if training else 1) * cost(NETWORKS[network]).multiply_adds * samples
