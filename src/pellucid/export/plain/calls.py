"""The emitters of C and JavaScript: each writes the calls that compute one layer for one sample.

An emitter is a function ``(step) -> calls``. ``step`` describes the layer at its position in the network; the calls are those
of functions that exist in both languages, with the same names and arguments, in ``plain/functions``. No calls mean that the
output has the same values as the input, so that nothing needs to be done in prediction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.memory import Array, Shape
from pellucid.errors import ConfigError
from pellucid.export.trained_network import Step
from pellucid.kernels.window import Window
from pellucid.layers import GRU, LSTM, FromState, SimpleRNN
from pellucid.layers.activations import SELU_ALPHA, SELU_SCALE
from pellucid.layers.attention import rotations
from pellucid.layers.positions import sinusoids
from pellucid.layers.window import as_pair, place_window, place_window_1d


@dataclass(frozen=True)
class Input:
    """An argument: the array of the input with this index."""

    index: int = 0


@dataclass(frozen=True)
class Output:
    """An argument: the array of the output."""


@dataclass(frozen=True)
class Weights:
    """An argument: a constant array. Its ``name`` is unique in its layer; layers that share parameters share it."""

    name: str
    values: Array


@dataclass(frozen=True)
class Scratch:
    """An argument: an array of ``size`` numbers that the function may use during the call."""

    size: int


@dataclass(frozen=True)
class Function:
    """An argument: a function of the library."""

    name: str


@dataclass(frozen=True)
class Source:
    """The text of a function of your own, in C (``static void name(…) {…}``) and in JavaScript; either may be missing."""

    name: str
    c: str = ""
    js: str = ""


X, Y = Input(), Output()
Argument = Input | Output | Weights | Scratch | Function | int | float


@dataclass(frozen=True, init=False)
class Call:
    """A call of a function that exists in C and in JavaScript: the name of a function of the library, or a :class:`Source`.

    - ``in_place``: whether the output may overwrite the first input, because each value is read before it is written.
    - ``refuses``: whether the function may refuse its input: in C it then returns 1, in JavaScript it throws an error.
    """

    function: str | Source
    arguments: tuple[Argument, ...]
    in_place: bool
    refuses: bool

    def __init__(self, function: str | Source, *arguments: Argument, in_place: bool = False, refuses: bool = False):
        object.__setattr__(self, "function", function)
        object.__setattr__(self, "arguments", arguments)
        object.__setattr__(self, "in_place", in_place)
        object.__setattr__(self, "refuses", refuses)


PlainEmitter = Callable[[Step], Sequence[Call]]


def omit(step: Step) -> Sequence[Call]:
    """Write nothing, for layers that do nothing in prediction, or only give the same values another shape."""
    return ()


def elementwise(function: str, *settings: float | str) -> PlainEmitter:
    """Return the emitter of an activation ``function(x, y, n, settings)``: numbers, or names of settings of the layer."""

    def emit(step: Step) -> Sequence[Call]:
        values = [float(getattr(step.layer, one)) if isinstance(one, str) else one for one in settings]
        return [Call(function, X, Y, math.prod(step.shape), *values, in_place=True)]

    return emit


selu = elementwise("elu", SELU_ALPHA, SELU_SCALE)
elu = elementwise("elu", "alpha", 1.0)
leaky_relu = elementwise("leaky_relu", "slope")


def gelu(step: Step) -> Sequence[Call]:
    layer: Any = step.layer
    return elementwise("gelu_approximation" if layer.approximate else "gelu")(step)


def rowwise(function: str) -> PlainEmitter:
    """Return the emitter of ``function(x, y, rows, width)``, for rows along the last axis."""
    return lambda step: [Call(function, X, Y, *_rows(step.shape), in_place=True)]


def prelu(step: Step) -> Sequence[Call]:
    return [Call("prelu", X, Y, Weights("slope", step.arrays["slope"]), *_rows(step.shape), in_place=True)]


def dense(step: Step) -> Sequence[Call]:
    rows, inputs = _rows(step.shapes[0])
    outputs = step.shape[-1]
    return [Call("dense", X, Y, Weights("W", step.arrays["W"]), _bias(step, outputs), rows, inputs, outputs)]


def embedding(step: Step) -> Sequence[Call]:
    layer: Any = step.layer
    W = step.arrays["W"].copy()
    if layer.padding is not None:
        W[layer.padding] = 0
    return [Call("embedding", X, Y, Weights("W", W), math.prod(step.shapes[0]), *W.shape, refuses=True)]


def unembedding(step: Step) -> Sequence[Call]:
    rows, width = _rows(step.shapes[0])
    return [Call("unembedding", X, Y, Weights("W", step.arrays["W"]), rows, width, step.shape[-1])]


def learned_positions(step: Step) -> Sequence[Call]:
    return [Call("add", X, Weights("W", step.arrays["W"]), Y, math.prod(step.shape), in_place=True)]


def sinusoidal_positions(step: Step) -> Sequence[Call]:
    layer: Any = step.layer
    w = sinusoids(*step.shape, layer.longest, np.float32)
    return [Call("add", X, Weights("sinusoids", w), Y, math.prod(step.shape), in_place=True)]


def swiglu(step: Step) -> Sequence[Call]:
    rows, inputs = _rows(step.shapes[0])
    units = step.shape[-1]
    arrays = Weights("W", step.arrays["W"]), _bias(step, 2 * units)
    return [Call("swiglu", X, Y, *arrays, Scratch(2 * units), rows, inputs, units)]


def permute(step: Step) -> Sequence[Call]:
    layer: Any = step.layer
    axes, shape = layer.axes, step.shapes[0]
    if len(axes) > 4:
        raise ConfigError(f"{step.name}: {layer} has {len(axes)} axes; exports to C and JavaScript can permute up to 4")
    strides = [math.prod(shape[axis + 1 :]) for axis in axes]
    missing = 4 - len(axes)
    return [Call("permute", X, Y, *[1] * missing, *step.shape, *[0] * missing, *strides)]


def repeat(step: Step) -> Sequence[Call]:
    times, width = step.shape
    return [copy_rows(X, times, width, x_stride=0, y_stride=width)]


def slice_axis(step: Step) -> Sequence[Call]:
    layer: Any = step.layer
    shape, axis = step.shapes[0], layer.axis % len(step.shape)
    start, _, _ = slice(layer.start, layer.stop).indices(shape[axis])
    inner = math.prod(shape[axis + 1 :])
    width = step.shape[axis] * inner
    return [copy_rows(X, math.prod(shape[:axis]), width, start * inner, shape[axis] * inner, y_stride=width)]


def reverse(step: Step) -> Sequence[Call]:
    return [Call("reverse", X, Y, step.shape[0], math.prod(step.shape[1:]))]


def copy_rows(
    x: Input, rows: int, width: int, x_start: int = 0, x_stride: int = 0, y_start: int = 0, y_stride: int = 0
) -> Call:
    """Return the call that copies rows of ``width`` numbers from an input to the output."""
    return Call("copy_rows", x, Y, rows, width, x_start, x_stride, y_start, y_stride)


def rescale(step: Step) -> Sequence[Call]:
    layer: Any = step.layer
    if not isinstance(layer.scale, tuple) and not isinstance(layer.offset, tuple):
        return [Call("rescale", X, Y, math.prod(step.shape), float(layer.scale), float(layer.offset), in_place=True)]
    rows, channels = _rows(step.shape)
    scale, offset = (np.full(channels, value, np.float32) for value in (layer.scale, layer.offset))
    return [_scale_channels(np.zeros(channels, np.float32), scale, offset, rows, channels)]


def merge(function: str) -> PlainEmitter:
    """Return the emitter of a merge that applies ``function(a, b, y, n)`` to one input after another."""

    def emit(step: Step) -> list[Call]:
        n = math.prod(step.shape)
        first = Call(function, Input(0), Input(1), Y, n, in_place=True)
        return [first, *(Call(function, Y, Input(i), Y, n) for i in range(2, len(step.reads)))]

    return emit


def average(step: Step) -> Sequence[Call]:
    return [*merge("add")(step), Call("rescale", Y, Y, math.prod(step.shape), 1 / len(step.reads), 0.0)]


def concatenate(step: Step) -> Sequence[Call]:
    layer: Any = step.layer
    axis = layer.axis % len(step.shape)
    rows, stride = math.prod(step.shape[:axis]), math.prod(step.shape[axis:])
    calls, start = [], 0
    for i, shape in enumerate(step.shapes):
        width = math.prod(shape[axis:])
        calls.append(copy_rows(Input(i), rows, width, x_stride=width, y_start=start, y_stride=stride))
        start += width
    return calls


# -- tables ---------------------------------------------------------------------------------------------------------------


def learned_scale(step: Step) -> Sequence[Call]:
    return [Call("multiply", X, Weights("scale", step.arrays["scale"]), Y, math.prod(step.shape), in_place=True)]


def take(step: Step) -> Sequence[Call]:
    """Write a copy of each range of neighbouring features."""
    layer: Any = step.layer
    calls, first = [], 0
    for end in range(1, len(layer.features) + 1):
        if end == len(layer.features) or layer.features[end] != layer.features[end - 1] + 1:
            calls.append(copy_rows(X, 1, end - first, x_start=layer.features[first], y_start=first))
            first = end
    return calls


def periodic(step: Step) -> Sequence[Call]:
    arrays = (Weights(name, step.arrays[name]) for name in ("frequencies", "phases"))
    return [Call("periodic", X, Y, *arrays, *step.shape)]


def piecewise_linear(step: Step) -> Sequence[Call]:
    layer: Any = step.layer
    features, lines = layer.bins
    return [Call("bin_fractions", X, Y, Weights("features", features), Weights("lines", lines), len(features))]


def dense_per_position(step: Step) -> Sequence[Call]:
    arrays = Weights("W", step.arrays["W"]), Weights("b", step.arrays["b"])
    return [Call("dense_per_position", X, Y, *arrays, *step.arrays["W"].shape)]


def mixed(step: Step, activation: Sequence[Call]) -> Sequence[Call]:
    """Write a parametric activation, of which ``activation`` are the calls without the weights."""
    calls = [Call(one.function, *one.arguments) for one in activation]  # not in place: x is read again
    return [*calls, Call("mix", X, Y, Weights("weight", step.arrays["weight"]), *_rows(step.shape))]


# -- images and sequences: a sequence is an image of one row --------------------------------------------------------------


def conv2d(step: Step) -> Sequence[Call]:
    layer: Any = step.layer
    window, size = layer.place_window(step.shapes[0])
    return _convolution(step, window, step.shapes[0], (*size, layer.filters), step.arrays["W"])


def conv1d(step: Step) -> Sequence[Call]:
    layer: Any = step.layer
    window, steps = layer.place_window(step.shapes[0])
    return _convolution(step, window, (1, *step.shapes[0]), (1, steps, layer.filters), step.arrays["W"][None])


def _convolution(step: Step, window: Window, x: Shape, y: Shape, W: Array) -> Sequence[Call]:
    """Return the call of a convolution of an image of shape ``x`` to one of shape ``y``."""
    layer: Any = step.layer
    b = _bias(step, layer.filters)
    if layer.groups == x[2] == layer.filters and layer.groups > 1:
        return [Call("depthwise_conv2d", X, Y, Weights("W", W), b, *x, *y[:2], *window)]
    return [Call("conv2d", X, Y, Weights("W", W), b, *x, *y, *window, layer.groups)]


def conv_transpose2d(step: Step) -> Sequence[Call]:
    """Write a transposed convolution, with the weights of each group as (kh, kw, channels, filters)."""
    layer: Any = step.layer
    groups = np.split(step.arrays["W"], layer.groups, axis=3)
    W = np.concatenate([group.transpose(0, 1, 3, 2) for group in groups], axis=3)
    b, window = _bias(step, layer.filters), layer.window((1, *step.shape))
    return [Call("conv_transpose2d", X, Y, Weights("W", W), b, *step.shapes[0], *step.shape, *window, layer.groups)]


def pool(function: str) -> PlainEmitter:
    """Return the emitter of a pooling layer for images."""

    def emit(step: Step) -> Sequence[Call]:
        layer: Any = step.layer
        stride = layer.stride or layer.kernel_size
        window, size = place_window(layer, step.shapes[0], layer.kernel_size, stride, layer.padding)
        return [Call(function, X, Y, *step.shapes[0], *size, *window[:6])]

    return emit


def pool_1d(function: str) -> PlainEmitter:
    """Return the emitter of a pooling layer for sequences."""

    def emit(step: Step) -> Sequence[Call]:
        layer: Any = step.layer
        stride = layer.stride or layer.kernel_size
        window, steps = place_window_1d(layer, step.shapes[0], layer.kernel_size, stride, layer.padding)
        return [Call(function, X, Y, 1, *step.shapes[0], 1, steps, *window[:6])]

    return emit


def global_pool(function: str) -> PlainEmitter:
    """Return the emitter of a pooling layer over all positions."""
    return lambda step: [Call(function, X, Y, *_rows(step.shapes[0]))]


def zero_pad(step: Step) -> Sequence[Call]:
    layer: Any = step.layer
    start, stride, rows, width = _inside(step.shape, step.shapes[0], layer.borders())
    return [Call("fill_zero", Y, math.prod(step.shape)), copy_rows(X, rows, width, 0, width, start, stride)]


def crop(step: Step) -> Sequence[Call]:
    layer: Any = step.layer
    start, stride, rows, width = _inside(step.shapes[0], step.shape, layer.borders())
    return [copy_rows(X, rows, width, start, stride, 0, width)]


def _inside(outer: Shape, inner: Shape, borders: tuple[tuple[int, int], ...]) -> tuple[int, int, int, int]:
    """Return the start and the stride of the rows of ``inner`` in ``outer``, and their number and width."""
    if len(outer) == 2:
        return borders[0][0] * outer[1], 0, 1, math.prod(inner)
    (top, _), (left, _) = borders
    _, width, channels = outer
    return (top * width + left) * channels, width * channels, inner[0], inner[1] * channels


def upsample(step: Step) -> Sequence[Call]:
    layer: Any = step.layer
    image, factors = (1, *step.shapes[0])[-3:], (1, layer.factor) if len(step.shape) == 2 else as_pair(layer.factor)
    return [Call("enlarge" if layer.interpolation == "nearest" else "interpolate", X, Y, *image, *factors)]


# -- normalization --------------------------------------------------------------------------------------------------------


def batch_norm(step: Step) -> Sequence[Call]:
    """Write (x − μ) · γ/√(σ² + ε) + β, with the factor computed here."""
    layer: Any = step.layer
    p = step.arrays
    scale = p["gamma"] / np.sqrt(p["running_variance"].astype(np.float64) + layer.epsilon)
    return [_scale_channels(p["running_mean"], scale.astype(np.float32), p["beta"], *_rows(step.shape))]


def _scale_channels(center: Array, scale: Array, offset: Array, rows: int, channels: int) -> Call:
    arrays = Weights("center", center), Weights("scale", scale), Weights("offset", offset)
    return Call("scale_channels", X, Y, *arrays, rows, channels, in_place=True)


def layer_norm(step: Step) -> Sequence[Call]:
    layer: Any = step.layer
    return [Call("layer_norm", X, Y, *_affine(step), *_rows(step.shape), layer.epsilon, in_place=True)]


def rms_norm(step: Step) -> Sequence[Call]:
    layer: Any = step.layer
    return [Call("rms_norm", X, Y, Weights("gamma", step.arrays["gamma"]), *_rows(step.shape), layer.epsilon, in_place=True)]


def group_norm(step: Step) -> Sequence[Call]:
    layer: Any = step.layer
    return [Call("group_norm", X, Y, *_affine(step), *_rows(step.shape), layer.groups, layer.epsilon, in_place=True)]


def _affine(step: Step) -> tuple[Weights, Weights]:
    gamma = step.arrays["gamma"]
    return Weights("gamma", gamma), Weights("beta", step.arrays.get("beta", np.zeros_like(gamma)))


# -- recurrent layers -----------------------------------------------------------------------------------------------------

# The function that computes one step of a recurrent layer, and the number of blocks of ``units`` values that it needs for it.
CELLS: dict[type, tuple[str, int]] = {SimpleRNN: ("simple_rnn_step", 1), LSTM: ("lstm_step", 4), GRU: ("gru_step", 6)}


def recurrent(step: Step) -> Sequence[Call]:
    """Write a recurrent layer, or one that starts in the state of its second input, as a loop over the steps of its cell."""
    layer: Any = step.layer.layer if isinstance(step.layer, FromState) else step.layer
    cell, blocks = CELLS[type(layer)]
    p, (steps, features), units, parts = step.arrays, step.shapes[0], layer.units, len(layer.states)
    start: Argument
    if len(step.reads) > 1:
        start = Input(1)
    elif layer.learn_state:
        start = Weights("start", np.concatenate([p[f"{name}0"] for name in layer.states]))
    else:
        start = Weights("start", np.zeros(parts * units, np.float32))
    b = np.concatenate([p["b"], p["bh"]]) if "bh" in p else p["b"]
    arrays = Weights("W", p["W"]), Weights("U", p["U"]), Weights("b", b)
    returned = parts if layer.return_state else int(not layer.return_sequences)
    return [
        Call(
            "apply_over_time",
            *(X, start, Y, Function(cell), *arrays, Scratch((parts + blocks) * units)),
            *(steps, features, units, parts, int(layer.return_sequences), returned),
            *(int(layer.mask is not None), float(layer.mask or 0.0)),
        )
    ]


# -- attention ------------------------------------------------------------------------------------------------------------


def attention(step: Step) -> Sequence[Call]:
    layer: Any = step.layer
    p, (t, w) = step.arrays, step.shape
    arrays = {"Wq": p["W"][:, :w], "Wkv": p["W"][:, w:], "Wo": p["Wo"]}
    if layer.bias:
        arrays |= {"bq": p["b"][:w], "bkv": p["b"][w:], "bo": p["bo"]}
    table = rotations(t, w // layer.heads, np.float32) if layer.rotary else np.zeros(1, np.float32)
    return [_attention(step, X, Weights("mask", np.ones(t, np.float32)), arrays, table, (t, w), int(layer.rotary))]


def cross_attention(step: Step) -> Sequence[Call]:
    s, features = step.shapes[1]
    mask = Input(2) if len(step.reads) > 2 else Weights("mask", np.ones(s, np.float32))
    return [_attention(step, Input(1), mask, step.arrays, np.zeros(1, np.float32), (s, features), 0)]


def _attention(
    step: Step, source: Input, mask: Argument, arrays: Mapping[str, Array], table: Array, shape: Shape, rotary: int
) -> Call:
    """Return the call that reads ``source`` of this ``shape``, by the weights and biases in ``arrays``."""
    layer: Any = step.layer
    (t, w), (s, features) = step.shape, shape
    weights: list[Weights] = []
    for name, columns in (("q", w), ("kv", 2 * w), ("o", w)):
        b = arrays.get(f"b{name}", np.zeros(columns, np.float32))
        weights += [Weights(f"W{name}", np.ascontiguousarray(arrays[f"W{name}"])), Weights(f"b{name}", b)]
    sizes = t, s, w, features, layer.heads, int(layer.causal), rotary
    scratch = Scratch(2 * (t + s) * w + s)
    return Call("attention", X, source, mask, Y, *weights, Weights("rotations", table), scratch, *sizes)


def _rows(shape: Shape) -> tuple[int, int]:
    """Return the number of rows along the last axis, and their width."""
    return math.prod(shape[:-1]), shape[-1]


def _bias(step: Step, outputs: int) -> Weights:
    """Return the bias of the layer, or zeros for a layer without one."""
    return Weights("b", step.arrays.get("b", np.zeros(outputs, np.float32)))
