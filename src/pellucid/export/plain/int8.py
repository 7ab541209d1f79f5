"""Networks with weights of 8 bits: symmetric for each output of a dense layer or filter of a convolution, after training.

A weight is W = s_o w with integers w from −127 to 127, where s_o is the largest |W| of output o divided by 127. The input of
such a layer is rounded in the same way, x = s_x q, with one scale for the whole array: the largest |x| among samples of the
training data (*calibration*), divided by 127. Larger values are limited. The sums of the products w q are integers of 32 bits,
and the output is b + s_o s_x Σ w q (Jacob et al., 2018, "Quantization and training of neural networks for efficient
integer-arithmetic-only inference", without zero points). All other layers compute with float.

:func:`quantize` measures the scales and returns a model that predicts as the exported program does, up to the rounding of
float, so that the loss of accuracy is known before anything is written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.core.memory import Array, Views
from pellucid.export.plain.calls import Call, Scratch, Weights, X, Y
from pellucid.export.trained_network import Step, TrainedNetwork
from pellucid.layers import Conv1D, Conv2D, Dense, Merge
from pellucid.layers.context import Context
from pellucid.training.prediction import Predictor

if TYPE_CHECKING:
    from pellucid.model.model import Model

KINDS = (Dense, Conv2D, Conv1D)
LARGEST = 127
CALIBRATION_SAMPLES = 1000  # the largest value of an array hardly changes with more
MOST_INPUTS = (2**31 - 1) // LARGEST**2  # products whose sum fits into 32 bits


@dataclass(frozen=True)
class Int8:
    """What :func:`quantize` has measured: the scale of the input of each quantized layer, by its path.

    ``model`` is a copy of the model that predicts and evaluates with 8 bits.
    """

    scales: Mapping[str, float]
    model: Model

    def adapt(self, step: Step, calls: Sequence[Call]) -> Sequence[Call]:
        """Return the calls of a layer, with integers if it is quantized."""
        if step.path not in self.scales:
            return calls
        (call,) = calls
        integers, scale = _integers(step.arrays["W"])
        scales, scale_of_input = Weights("scale", scale), self.scales[step.path]
        W, b = Weights("W", np.moveaxis(integers, -1, 0)), call.arguments[3]
        sizes = [one for one in call.arguments[4:] if isinstance(one, int)]
        if call.function == "dense":
            scratch = Scratch(-(-sizes[1] // 4))
            return [Call("dense_int8", X, Y, W, scales, b, scratch, *sizes, scale_of_input)]
        if call.function == "depthwise_conv2d":
            h, w, c, oh, ow, *window = sizes
            sizes = [h, w, c, oh, ow, c, *window, c]
        scratch = Scratch(-(-math.prod(sizes[:3]) // 4))
        return [Call("conv2d_int8", X, Y, W, scales, b, scratch, *sizes, scale_of_input)]


def quantize(model: Model, calibration: Any) -> Int8:
    """Return the scales for a network with weights of 8 bits, measured on samples of the training data, and a model with it.

    ``calibration`` is a data set or an array of samples, of which up to 1,000 are used, at equal distances. ``model`` does not
    change. To know what is lost, compare ``quantize(…).model.evaluate(test)`` with ``model.evaluate(test)``.

    Raises the errors of ``Model.predict`` for the samples.
    """
    state = model.state
    body = TrainedNetwork(state.body, model.input_shape, state.arrays(), model.input_stage)
    steps, ends = body.steps()
    quantized = [step for step in steps if isinstance(step.layer, KINDS) and step.arrays["W"][..., 0].size <= MOST_INPUTS]
    largest = {step.path: 0.0 for step in quantized}

    def record(path: str, x: Array) -> Array:
        if path in largest:
            largest[path] = max(largest[path], float(np.abs(x).max(initial=0)))
        return x

    copy = model.copy()
    copy._predictor = Predictor(copy.state, _Steps(body, steps, ends, record))
    copy.predict(_spread(calibration, CALIBRATION_SAMPLES))
    scales = {path: float(np.float32((value or 1.0) / LARGEST)) for path, value in largest.items()}

    def rounded(path: str, x: Array) -> Array:
        if path not in scales:
            return x
        factor = np.float32(1) / np.float32(scales[path])
        integers: Array = np.rint(np.clip(x * factor, -LARGEST, LARGEST))
        return integers * np.float32(scales[path])

    arrays = copy.state.arrays()
    for step in quantized:
        integers, scale = _integers(step.arrays["W"])
        arrays[step.slot_path("W")][...] = integers * scale
    copy._predictor = Predictor(copy.state, _Steps(body, steps, ends, rounded))
    return Int8(scales, copy)


def _integers(W: Array) -> tuple[Array, Array]:
    """Return the integers of W (…, outputs) as int8, and the scale of each output."""
    rows = W.reshape(-1, W.shape[-1]).astype(np.float64)
    largest = np.abs(rows).max(axis=0)
    scale = (np.where(largest > 0, largest, 1.0) / LARGEST).astype(np.float32)
    return np.clip(np.rint(rows / scale), -LARGEST, LARGEST).astype(np.int8).reshape(W.shape), scale


def _spread(samples: Any, n: int) -> Any:
    """Return up to n samples at equal distances."""
    if len(samples) <= n:
        return samples
    rows = np.linspace(0, len(samples) - 1, n).astype(np.int64)
    return samples.take(rows) if hasattr(samples, "take") and not isinstance(samples, np.ndarray) else samples[rows]


class _Steps:
    """A network that an execution runs layer by layer. ``change(path, x)`` returns what a layer reads as its first input."""

    def __init__(
        self, body: TrainedNetwork, steps: Sequence[Step], ends: Mapping[str, str], change: Callable[[str, Array], Array]
    ):
        (self.input, *_), self.steps, self.ends, self.change = body.inputs, steps, ends, change

    def forward(self, p: Views, x: Any, ctx: Context) -> Any:
        """Return the outputs for the samples x, as the network does."""
        values = dict(x) if isinstance(x, dict) else {self.input: x}
        for step in self.steps:
            first, *others = (np.ascontiguousarray(values[name]) for name in step.reads)
            inputs: Any = [self.change(step.path, first), *others]
            parameters, context = p, ctx
            if step.path:
                for name, slots in zip(step.path.split("."), step.slots.split("."), strict=True):
                    parameters, context = parameters[slots], context.child(name, slots)
            values[step.path] = step.layer.forward(parameters, inputs if isinstance(step.layer, Merge) else inputs[0], context)
        outputs = {name: values[path] for name, path in self.ends.items()}
        return outputs if len(outputs) > 1 else next(iter(outputs.values()))
