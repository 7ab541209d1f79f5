"""The emitters of the NumPy program: each writes the call that computes one layer.

An emitter is a function ``(step, inputs) -> Call | None``. ``step`` describes the layer at its position in the network,
``inputs`` are the variables that hold its inputs. None means that the layer does nothing in prediction.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from pellucid.core.memory import Array, Shape
from pellucid.errors import ConfigError
from pellucid.export.numpy_program.functions.recurrent import gru_step, lstm_step, simple_rnn_step
from pellucid.export.numpy_program.python_source import Call, literal
from pellucid.export.trained_network import Step
from pellucid.layers import GRU, LSTM, FromState, SimpleRNN
from pellucid.layers.window import Pair, as_pair, resolve_padding, resolve_padding_1d

# The function that computes one step of a recurrent layer.
CELLS: dict[type, Callable[..., tuple[Array, ...]]] = {SimpleRNN: simple_rnn_step, LSTM: lstm_step, GRU: gru_step}

NumpyEmitter = Callable[[Step, tuple[str, ...]], Call | None]


def call(function: Callable[..., Array]) -> NumpyEmitter:
    """Return the emitter that calls ``function(x, …)``.

    The first parameters of the function are the inputs. The others have the names of slots and settings of the layer.
    """
    return lambda step, inputs: _call_by_name(function, step, inputs)


def custom_emitters(functions: Mapping[type, Callable[..., Array]]) -> dict[type, NumpyEmitter]:
    """Return the emitters of user-defined layer classes, given the functions that compute them."""
    return {kind: call(function) for kind, function in functions.items()}


def _call_by_name(function: Callable[..., Array], step: Step, inputs: tuple[str, ...]) -> Call:
    """Return a call whose arguments are found by the names of the parameters.

    Slots are read from the weights, settings are written as literals. A setting that equals the default of its parameter is
    omitted.
    """
    parameters = list(inspect.signature(function).parameters.values())
    arguments = list(inputs)
    start = 1 if parameters and parameters[0].kind is inspect.Parameter.VAR_POSITIONAL else len(inputs)
    for parameter in parameters[start:]:
        name = parameter.name
        if name in step.arrays:
            value = _weight(step, name)
        elif hasattr(step.layer, name):
            if getattr(step.layer, name) == parameter.default:
                continue
            value = literal(getattr(step.layer, name))
        elif parameter.default is not inspect.Parameter.empty:
            continue
        else:
            raise ConfigError(
                f"{step.name}: {function.__name__}(… {name} …) has a parameter that {type(step.layer).__name__} does not "
                f"provide; after the inputs, use the names of its slots ({', '.join(step.arrays) or 'none'}) and settings"
            )
        positional = parameter.kind is parameter.POSITIONAL_OR_KEYWORD and name in step.arrays
        arguments.append(value if positional else f"{name}={value}")
    return Call(function.__name__, tuple(arguments))


def _weight(step: Step, slot: str) -> str:
    """Return the expression that reads a slot of the layer in the program."""
    return f"p[{literal(step.slot_path(slot))}]"


def omit(step: Step, inputs: tuple[str, ...]) -> Call | None:
    """Write nothing, for layers that do nothing in prediction."""
    return None


def reshape(step: Step, inputs: tuple[str, ...]) -> Call:
    return Call("reshape", (*inputs, literal(step.shape)))


def concatenate(step: Step, inputs: tuple[str, ...]) -> Call:
    layer: Any = step.layer
    return Call("concatenate", (*inputs, f"axis={layer.axis % len(step.shape) + 1}"))


def conv2d(step: Step, inputs: tuple[str, ...]) -> Call:
    layer: Any = step.layer
    window, _ = layer.place_window(step.shapes[0])
    function = "grouped_conv2d" if layer.groups > 1 else "conv2d"
    groups = {"groups": layer.groups} if layer.groups > 1 else {}
    padding = _padding(layer, step.shapes[0], layer.stride, layer.dilation)
    kernel = _kernel(step, (window.dh, window.dw))
    return _convolution(function, step, [*inputs, kernel], **groups, stride=as_pair(layer.stride), padding=padding)


def conv_transpose2d(step: Step, inputs: tuple[str, ...]) -> Call:
    layer: Any = step.layer
    size = layer.size(step.shapes[0])
    window = layer.window((1, *size, layer.filters))
    function = "grouped_conv_transpose2d" if layer.groups > 1 else "conv_transpose2d"
    groups = {"groups": layer.groups} if layer.groups > 1 else {}
    kernel = _kernel(step, (window.dh, window.dw))
    stride, corner = (window.sh, window.sw), (window.top, window.left)
    return _convolution(function, step, [*inputs, kernel], size=size, **groups, stride=stride, corner=corner)


def _kernel(step: Step, dilation: tuple[int, int]) -> str:
    """Return the expression of a convolution kernel."""
    W = _weight(step, "W")
    return W if dilation == (1, 1) else f"dilate({W}, {dilation})"


def _padding(layer: Any, shape: Shape, stride: Pair, dilation: Pair = 1) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return ((top, bottom), (left, right)), the zeros that the layer adds around images of that shape."""
    height, width, _ = shape
    return resolve_padding(layer.padding, (height, width), as_pair(layer.kernel_size), as_pair(stride), as_pair(dilation))


def _convolution(function: str, step: Step, arguments: list[str], **settings: Any) -> Call:
    """Return the call of a convolution, with its bias, and with the settings that differ from their defaults."""
    defaults = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "corner": (0, 0)}
    bias = [f"b={_weight(step, 'b')}"] if "b" in step.arrays else []
    keywords = [f"{name}={literal(value)}" for name, value in settings.items() if defaults.get(name) != value]
    return Call(function, (*arguments, *bias, *keywords))


def pool(function: Callable[..., Array]) -> NumpyEmitter:
    """Return the emitter of a pooling layer."""

    def emit(step: Step, inputs: tuple[str, ...]) -> Call:
        layer: Any = step.layer
        kernel, stride = as_pair(layer.kernel_size), as_pair(layer.stride or layer.kernel_size)
        padding = _padding(layer, step.shapes[0], stride)
        arguments = [*inputs, f"kernel={literal(kernel)}", f"stride={literal(stride)}"]
        if any(map(any, padding)):
            arguments.append(f"padding={literal(padding)}")
        return Call(function.__name__, tuple(arguments))

    return emit


def conv1d(step: Step, inputs: tuple[str, ...]) -> Call:
    layer: Any = step.layer
    padding = _padding_1d(layer, step.shapes[0], layer.stride, layer.dilation)
    settings = {"stride": layer.stride, "padding": padding, "dilation": layer.dilation, "groups": layer.groups}
    defaults = {"stride": 1, "padding": (0, 0), "dilation": 1, "groups": 1}
    bias = [f"b={_weight(step, 'b')}"] if "b" in step.arrays else []
    keywords = [f"{name}={literal(value)}" for name, value in settings.items() if defaults[name] != value]
    return Call("conv1d", (*inputs, _weight(step, "W"), *bias, *keywords))


def pool_1d(function: Callable[..., Array]) -> NumpyEmitter:
    """Return the emitter of a pooling layer for sequences."""

    def emit(step: Step, inputs: tuple[str, ...]) -> Call:
        layer: Any = step.layer
        stride = layer.stride or layer.kernel_size
        padding = _padding_1d(layer, step.shapes[0], stride)
        arguments = [*inputs, f"kernel={layer.kernel_size}", f"stride={stride}"]
        if any(padding):
            arguments.append(f"padding={literal(padding)}")
        return Call(function.__name__, tuple(arguments))

    return emit


def _padding_1d(layer: Any, shape: Shape, stride: int, dilation: int = 1) -> tuple[int, int]:
    """Return (before, after), the zeros that the layer adds to sequences of that shape."""
    return resolve_padding_1d(layer.padding, shape[0], layer.kernel_size, stride, dilation)


def zero_pad(step: Step, inputs: tuple[str, ...]) -> Call:
    layer: Any = step.layer
    return Call("pad", (*inputs, literal(layer.borders())))


def crop(step: Step, inputs: tuple[str, ...]) -> Call:
    layer: Any = step.layer
    return Call("crop", (*inputs, literal(layer.borders())))


def upsample(step: Step, inputs: tuple[str, ...]) -> Call:
    layer: Any = step.layer
    factors = as_pair(layer.factor) if len(step.shape) == 3 else (layer.factor,)
    return Call("enlarge" if layer.interpolation == "nearest" else "interpolate", (*inputs, literal(factors)))


def permute(step: Step, inputs: tuple[str, ...]) -> Call:
    layer: Any = step.layer
    return Call("permute", (*inputs, literal((0, *(axis + 1 for axis in layer.axes)))))


def slice_axis(step: Step, inputs: tuple[str, ...]) -> Call:
    layer: Any = step.layer
    start, stop, _ = slice(layer.start, layer.stop).indices(step.shapes[0][layer.axis])
    return Call("slice_axis", (*inputs, f"start={start}", f"stop={stop}", f"axis={layer.axis % len(step.shape) + 1}"))


def mixed(step: Step, inputs: tuple[str, ...], activation: Call) -> Call:
    """Write a parametric activation, of which ``activation`` is the call without the weights."""
    return Call("mix", (*inputs, f"{activation.function}({', '.join(activation.arguments)})", _weight(step, "weight")))


def recurrent(step: Step, inputs: tuple[str, ...]) -> Call:
    """Write a recurrent layer, or one that starts in the state of its second input, as a loop over the steps of its cell."""
    layer: Any = step.layer.layer if isinstance(step.layer, FromState) else step.layer
    x, *state = inputs
    initial = [f"{name}0" for name in layer.states]
    start = None
    if state:
        start = f"start=split_state({state[0]}, {len(layer.states)})"
    elif layer.learn_state:
        learned = [_weight(step, name) for name in initial]
        start = f"start=({', '.join(learned)}{',' * (len(learned) == 1)})"
    settings: dict[str, Any] = {"return_sequences": layer.return_sequences}
    if start is None and len(layer.states) > 1:
        settings = {"states": len(layer.states), **settings}
    if layer.return_state:
        settings["return_state"] = True
    if layer.mask is not None:
        settings["mask"] = layer.mask
    keywords = [*([start] if start else []), *(f"{name}={literal(value)}" for name, value in settings.items())]
    weights = [_weight(step, name) for name in step.arrays if name not in initial]
    function = "apply_over_time" if layer.mask is None else "apply_over_masked_time"
    return Call(function, (x, CELLS[type(layer)].__name__, *weights, *keywords))
