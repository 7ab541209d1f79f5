"""Each layer as a call of a function: a table from the class to what writes the call."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from pellucid.core.memory import Array, Shape
from pellucid.errors import ConfigError
from pellucid.export.program.functions import basics, curves, pictures, recurrent
from pellucid.export.program.source import Call, literal
from pellucid.export.trained import Step
from pellucid.layers import (
    ELU,
    GELU,
    GRU,
    LSTM,
    Add,
    AveragePool2D,
    BatchNorm,
    Concatenate,
    Conv2D,
    ConvTranspose2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GaussianNoise,
    GlobalAveragePool2D,
    GroupNorm,
    HardSigmoid,
    Identity,
    LayerNorm,
    LeakyReLU,
    LogSoftmax,
    MaxPool2D,
    PReLU,
    ReLU,
    Rescale,
    Reshape,
    Reverse,
    Sigmoid,
    SiLU,
    SimpleRNN,
    Softmax,
    Softplus,
    SpatialDropout2D,
    Tanh,
    ZeroPad2D,
)
from pellucid.layers.window import Pair, border, pair, sides

Form = Callable[[Step, tuple[str, ...]], Call | None]  # None: nothing happens in prediction


def named(function: Callable[..., Array]) -> Form:
    """The call of ``function(x, …)``, whose further parameters have the names of the layer's slots and settings."""
    return lambda step, xs: by_name(function, step, xs)


def by_name(function: Callable[..., Array], step: Step, xs: tuple[str, ...]) -> Call:
    """A call of the function with what its parameters name: slots from the weights, settings as numbers."""
    parameters = list(inspect.signature(function).parameters.values())
    arguments = list(xs)
    start = 1 if parameters and parameters[0].kind is inspect.Parameter.VAR_POSITIONAL else len(xs)
    for parameter in parameters[start:]:
        name = parameter.name
        if name in step.arrays:
            value = slot(step, name)
        elif hasattr(step.layer, name):
            if getattr(step.layer, name) == parameter.default:
                continue
            value = literal(getattr(step.layer, name))
        elif parameter.default is not inspect.Parameter.empty:
            continue
        else:
            raise ConfigError(
                f"{step.name}: {function.__name__}(… {name} …) asks for what {type(step.layer).__name__} does not have; its "
                f"parameters are the inputs, then slots ({', '.join(step.arrays) or 'none'}) and settings by name"
            )
        by_position = parameter.kind is parameter.POSITIONAL_OR_KEYWORD and name in step.arrays
        arguments.append(value if by_position else f"{name}={value}")
    return Call(function.__name__, tuple(arguments))


def slot(step: Step, name: str) -> str:
    """Where a slot of the layer is found in the program."""
    return f"p[{literal(step.key(name))}]"


def nothing(step: Step, xs: tuple[str, ...]) -> Call | None:
    return None


def conv2d(step: Step, xs: tuple[str, ...]) -> Call:
    layer: Any = step.layer
    window, _ = layer.place(step.shapes[0])
    W = slot(step, "W")
    if (window.dh, window.dw) != (1, 1):
        W = f"dilated({W}, {(window.dh, window.dw)})"
    placed = _sides(layer, step.shapes[0], layer.stride, layer.dilation)
    settings = {"groups": layer.groups} if layer.groups > 1 else {}
    return _call(
        "grouped_conv2d" if layer.groups > 1 else "conv2d",
        step,
        [*xs, W],
        **settings,
        stride=pair(layer.stride),
        padding=placed,
    )


def conv_transpose2d(step: Step, xs: tuple[str, ...]) -> Call:
    layer: Any = step.layer
    size = layer.size(step.shapes[0])
    window = layer.window((1, *size, layer.filters))
    W = slot(step, "W")
    if (window.dh, window.dw) != (1, 1):
        W = f"dilated({W}, {(window.dh, window.dw)})"
    settings = {"groups": layer.groups} if layer.groups > 1 else {}
    return _call(
        "grouped_conv_transpose2d" if layer.groups > 1 else "conv_transpose2d",
        step,
        [*xs, W],
        size=size,
        **settings,
        stride=(window.sh, window.sw),
        corner=(window.top, window.left),
    )


def _sides(layer: Any, shape: Shape, stride: Pair, dilation: Pair = 1) -> tuple[tuple[int, int], tuple[int, int]]:
    """((top, bottom), (left, right)): the zeros that the layer puts around pictures of that shape."""
    height, width, _ = shape
    return sides(layer.padding, (height, width), pair(layer.kernel_size), pair(stride), pair(dilation))


def _call(function: str, step: Step, given: list[str], **settings: Any) -> Call:
    """A convolution's call: the bias where there is one, settings where they are not the usual ones."""
    usual = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "corner": (0, 0)}
    bias = [f"b={slot(step, 'b')}"] if "b" in step.arrays else []
    told = [f"{name}={literal(value)}" for name, value in settings.items() if usual.get(name) != value]
    return Call(function, (*given, *bias, *told))


def pool(function: Callable[..., Array]) -> Form:
    """The call of a pool, with its padding where there is one."""

    def form(step: Step, xs: tuple[str, ...]) -> Call:
        layer: Any = step.layer
        kernel, stride = pair(layer.kernel_size), pair(layer.stride or layer.kernel_size)
        placed = _sides(layer, step.shapes[0], stride)
        arguments = [*xs, f"kernel={literal(kernel)}", f"stride={literal(stride)}"]
        if any(map(any, placed)):
            arguments.append(f"padding={literal(placed)}")
        return Call(function.__name__, tuple(arguments))

    return form


def reshape(step: Step, xs: tuple[str, ...]) -> Call:
    return Call("reshape", (*xs, literal(step.shape)))


def over_time(step_function: Callable[..., tuple[Array, ...]], states: int = 1) -> Form:
    """The call that lets a recurrent cell run over all time steps, with so many states."""

    def form(step: Step, xs: tuple[str, ...]) -> Call:
        layer: Any = step.layer
        settings = {"states": states, "return_sequences": layer.return_sequences}
        if layer.mask is not None:
            settings["mask"] = layer.mask
        told = [f"{name}={literal(value)}" for name, value in settings.items() if (name, value) != ("states", 1)]
        weights = [slot(step, name) for name in step.arrays]
        function = "over_time" if layer.mask is None else "over_masked_time"
        return Call(function, (*xs, step_function.__name__, *weights, *told))

    return form


def zero_pad(step: Step, xs: tuple[str, ...]) -> Call:
    layer: Any = step.layer
    return Call("pad", (*xs, literal(border(layer.padding))))


def concatenate(step: Step, xs: tuple[str, ...]) -> Call:
    layer: Any = step.layer
    return Call("concatenate", (*xs, f"axis={layer.axis % len(step.shape) + 1}"))


FORMS: dict[type, Form] = {
    ELU: named(curves.elu),
    GELU: named(curves.gelu),
    GRU: over_time(recurrent.gru_step),
    LSTM: over_time(recurrent.lstm_step, states=2),
    Add: named(basics.add),
    AveragePool2D: pool(pictures.average_pool),
    BatchNorm: named(basics.batch_norm),
    Concatenate: concatenate,
    Conv2D: conv2d,
    ConvTranspose2D: conv_transpose2d,
    Dense: named(basics.dense),
    Dropout: nothing,
    Embedding: named(basics.embedding),
    Flatten: named(basics.flatten),
    GaussianNoise: nothing,
    GlobalAveragePool2D: named(pictures.global_average_pool),
    GroupNorm: named(basics.group_norm),
    HardSigmoid: named(curves.hard_sigmoid),
    LayerNorm: named(basics.layer_norm),
    LeakyReLU: named(curves.leaky_relu),
    Identity: nothing,
    LogSoftmax: named(basics.log_softmax),
    MaxPool2D: pool(pictures.max_pool),
    PReLU: named(curves.prelu),
    ReLU: named(basics.relu),
    Rescale: named(basics.rescale),
    Reshape: reshape,
    Reverse: named(recurrent.reverse),
    SiLU: named(curves.silu),
    Sigmoid: named(basics.sigmoid),
    SimpleRNN: over_time(recurrent.simple_rnn_step),
    Softmax: named(basics.softmax),
    Softplus: named(curves.softplus),
    SpatialDropout2D: nothing,
    Tanh: named(basics.tanh),
    ZeroPad2D: zero_pad,
}


def own_forms(functions: Mapping[type, Callable[..., Array]]) -> dict[type, Form]:
    """The forms of users' classes from their functions."""
    return {kind: named(function) for kind, function in functions.items()}
