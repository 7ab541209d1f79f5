"""Weights of 8 bits: symmetric for each output of a dense layer or filter of a convolution.

A weight is W = s_o w with integers w from −127 to 127, where s_o is the largest |W| of output o divided by 127. The input of
such a layer is rounded in the same way, x = s_x q, with one scale for the whole array: the largest |x| among samples of the
training data (*calibration*), divided by 127. Larger values are limited. The sums of the products w q are integers of 32 bits,
and the output is b + s_o s_x Σ w q (Jacob et al., 2018, "Quantization and training of neural networks for efficient
integer-arithmetic-only inference", without zero points). All other layers compute with float.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.memory import Array, Views
from pellucid.export.plain.calls import Call, Scratch, Weights, X, Y
from pellucid.export.trained_network import Step, TrainedNetwork
from pellucid.layers import Conv1D, Conv2D, Dense, Merge
from pellucid.layers.context import Context

KINDS = (Dense, Conv2D, Conv1D)
LARGEST = 127
MOST_INPUTS = (2**31 - 1) // LARGEST**2  # products whose sum fits into 32 bits


@dataclass(frozen=True)
class Int8:
    """The layers that have weights of 8 bits: by their path, the scale of what they read."""

    scales: Mapping[str, float]

    def adapt(self, step: Step, calls: Sequence[Call]) -> Sequence[Call]:
        """Return the calls of a layer, with integers if it has weights of 8 bits."""
        if step.path not in self.scales:
            return calls
        (call,) = calls
        values, scale = integers(step.arrays["W"])
        scales, scale_of_input = Weights("scale", scale), self.scales[step.path]
        W, b = Weights("W", np.moveaxis(values, -1, 0)), call.arguments[3]
        sizes = [one for one in call.arguments[4:] if isinstance(one, int)]
        if call.function == "dense":
            scratch = Scratch(-(-sizes[1] // 4))
            return [Call("dense_int8", X, Y, W, scales, b, scratch, *sizes, scale_of_input)]
        if call.function == "depthwise_conv2d":
            h, w, c, oh, ow, *window = sizes
            sizes = [h, w, c, oh, ow, c, *window, c]
        scratch = Scratch(-(-math.prod(sizes[:3]) // 4))
        return [Call("conv2d_int8", X, Y, W, scales, b, scratch, *sizes, scale_of_input)]


def has_integers(step: Step) -> bool:
    """Return whether a layer can have weights of 8 bits."""
    return isinstance(step.layer, KINDS) and step.arrays["W"][..., 0].size <= MOST_INPUTS


def integers(W: Array) -> tuple[Array, Array]:
    """Return the integers of W (…, outputs) as int8, and the scale of each output."""
    rows = W.reshape(-1, W.shape[-1]).astype(np.float64)
    largest = np.abs(rows).max(axis=0)
    scale = (np.where(largest > 0, largest, 1.0) / LARGEST).astype(np.float32)
    return np.clip(np.rint(rows / scale), -LARGEST, LARGEST).astype(np.int8).reshape(W.shape), scale


def rounded(x: Array, scale: float) -> Array:
    """Return x as a layer with weights of 8 bits reads it: multiples of the scale, at most 127 times the scale."""
    factor = np.float32(1) / np.float32(scale)
    multiples: Array = np.rint(np.clip(x * factor, -LARGEST, LARGEST))
    return multiples * np.float32(scale)


class StepByStep:
    """A network that an execution runs layer by layer. ``change(path, x)`` returns what a layer reads as its first input."""

    def __init__(self, trained: TrainedNetwork, change: Callable[[str, Array], Array]):
        self.steps, self.ends = trained.steps()
        self.input, self.change = next(iter(trained.inputs)), change

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
