"""The networks of the benchmarks, described independently of the libraries.

Each contender builds its networks from these descriptions. The functions count parameters and operations. This module
imports only the standard library, because the parent process needs the counts too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

#: Height, width, channels, or steps, features; in all shapes here channels are last.
Shape = tuple[int, ...]
INPUT: Shape = (28, 28, 1)
#: The inputs of the networks that do not read images.
INPUTS: dict[str, Shape] = {"causal-conv": (256, 8), "lstm-steps": (64, 32)}
CLASSES = 10
PIXEL_CLASSES = 3


@dataclass(frozen=True)
class Conv:
    """A convolution with a square kernel; ``padding`` is the number of zeros on each side."""

    filters: int
    kernel: int
    stride: int = 1
    padding: int = 0
    bias: bool = True


@dataclass(frozen=True)
class Conv1d:
    """A causal convolution of a sequence: the output at step t depends on the steps t, t − dilation, t − 2·dilation, …; there
    are zeros before the first step. The last tap is that of step t."""

    filters: int
    kernel: int
    dilation: int = 1


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
class Upsample:
    """Each pixel as 2×2 equal pixels (nearest neighbour)."""


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
    """A dense layer with a bias; it is applied to the last axis."""

    units: int


@dataclass(frozen=True)
class Rows:
    """An image with one channel as the sequence of its rows."""


@dataclass(frozen=True)
class Lstm:
    """The last state of an LSTM, or with ``every_step`` those after all steps; one bias for each gate, gates in the order
    i, f, g, o."""

    units: int
    every_step: bool = False


@dataclass(frozen=True)
class Residual:
    """A residual block, shortcut(x) + layers(x); an empty shortcut is the identity."""

    layers: tuple[Layer, ...]
    shortcut: tuple[Layer, ...] = ()


@dataclass(frozen=True)
class Skip:
    """The channels of the input, then those of layers(x): a skip connection around the lower levels of a U-Net."""

    layers: tuple[Layer, ...]


Layer = Conv | Conv1d | Norm | Relu | MaxPool | Upsample | Mean | Flatten | Drop | Dense | Rows | Lstm | Residual | Skip


def _block(filters: int, stride: int = 1) -> tuple[Layer, ...]:
    """Return a residual block of two normalized convolutions; with a stride, the shortcut is a 1×1 convolution."""
    first = Conv(filters, 3, stride, padding=1, bias=False)
    second = Conv(filters, 3, padding=1, bias=False)
    shortcut: tuple[Layer, ...] = () if stride == 1 else (Conv(filters, 1, stride, bias=False), Norm())
    return Residual((first, Norm(), Relu(), second, Norm()), shortcut), Relu()


def _twice(filters: int, padding: int = 1) -> tuple[Layer, ...]:
    """Return two 3×3 convolutions with ReLU; ``padding`` is that of the first."""
    return Conv(filters, 3, padding=padding), Relu(), Conv(filters, 3, padding=1), Relu()


def _levels(filters: int, *deeper: int, padding: int = 1) -> tuple[Layer, ...]:
    """Return a U-Net with these filters at each level, from the top (Ronneberger, Fischer and Brox, 2015)."""
    if not deeper:
        return _twice(filters, padding)
    return *_twice(filters, padding), Skip((MaxPool(), *_levels(*deeper), Upsample())), *_twice(filters)


#: The networks by name. All end in ten logits, except those of ``AT_POSITIONS``: unet has three for each pixel (its first
#: convolution enlarges the images to 32×32, which can be halved three times), the others ten for each step. mlp-d8, mlp and
#: cnn-fast are presets of Pellucid.
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
    "unet": (*_levels(16, 32, 48, 64, padding=3), Conv(PIXEL_CLASSES, 1)),
    "causal-conv": (
        *(layer for level in range(6) for layer in (Conv1d(64, 3, 2**level), Relu())),
        Dense(CLASSES),
    ),
    "lstm-steps": (Lstm(128, every_step=True), Dense(CLASSES)),
}
#: The networks whose steps and predictions are timed.
TIMED = ("lenet", "keras-example", "pytorch-example", "resnet-small")
#: The networks with an answer at each position, a pixel or a step.
AT_POSITIONS = ("unet", "causal-conv", "lstm-steps")


def input_shape(network: str) -> Shape:
    """Return the shape of a sample of the network of that name."""
    return INPUTS.get(network, INPUT)


@dataclass(frozen=True)
class Cost:
    """The cost of some layers: output shape, multiply-adds of one forward pass per sample, shape of each parameter.

    The multiply-adds are those of direct convolution, height·width·kernel²·channels·filters at the size of the output, and of
    dense layers at all their positions; pooling, activations and normalization do not count. Parameters are in the order of the
    layers (those of a block, then those of its shortcut): weights (kernel, kernel, channels, filters), (kernel, channels,
    filters) or (inputs, units), then biases; for a normalization the vectors γ, then β.
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


def cost_of(network: str) -> Cost:
    """Return the cost of the network of that name."""
    return cost(NETWORKS[network], input_shape(network))


def _cost(layer: Layer, shape: Shape) -> Cost:
    match layer:
        case Conv():
            size = tuple((side + 2 * layer.padding - layer.kernel) // layer.stride + 1 for side in shape[:2])
            W = (layer.kernel, layer.kernel, shape[2], layer.filters)
            bias = ((layer.filters,),) if layer.bias else ()
            return Cost((*size, layer.filters), math.prod(size) * math.prod(W), (W, *bias))
        case Conv1d():
            taps = (layer.kernel, shape[1], layer.filters)
            return Cost((shape[0], layer.filters), shape[0] * math.prod(taps), (taps, (layer.filters,)))
        case Dense():
            out = (*shape[:-1], layer.units)
            return Cost(out, math.prod(shape) * layer.units, ((shape[-1], layer.units), (layer.units,)))
        case Norm():
            return Cost(shape, 0, (shape[-1:], shape[-1:]))
        case MaxPool():
            return Cost((shape[0] // 2, shape[1] // 2, shape[2]))
        case Upsample():
            return Cost((2 * shape[0], 2 * shape[1], shape[2]))
        case Mean():
            return Cost(shape[2:])
        case Flatten():
            return Cost((math.prod(shape),))
        case Rows():
            return Cost(shape[:2])
        case Lstm():
            (time, features), u = shape, layer.units
            out = (time, u) if layer.every_step else (u,)
            return Cost(out, time * 4 * u * (features + u), ((features, 4 * u), (u, 4 * u), (4 * u,)))
        case Skip():
            inner = cost(layer.layers, shape)
            return Cost((*shape[:2], shape[2] + inner.shape[2]), inner.multiply_adds, inner.parameters)
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
        elif isinstance(layer, Skip):
            yield from parameters(layer.layers, shape)
        else:
            yield from ((layer, place, one) for place, one in enumerate(cost((layer,), shape).parameters))
        shape = cost((layer,), shape).shape


def all_layers(layers: Sequence[Layer]) -> Iterator[Layer]:
    """Yield all layers, including those of blocks and shortcuts."""
    for layer in layers:
        yield layer
        if isinstance(layer, Residual):
            yield from all_layers((*layer.layers, *layer.shortcut))
        elif isinstance(layer, Skip):
            yield from all_layers(layer.layers)


def count(layers: Sequence[Layer], kind: type[Layer]) -> int:
    """Return the number of layers of a kind, including those of blocks and shortcuts."""
    return sum(isinstance(layer, kind) for layer in all_layers(layers))
