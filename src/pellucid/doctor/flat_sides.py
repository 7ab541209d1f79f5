"""The flat sides of activations: where a unit has almost no slope, so that no gradient passes it.

The outputs y of a layer tell it for all activations here, so that their inputs need not be kept. A ReLU is flat where y = 0. A
sigmoid, or a tanh, never is exactly; it counts as flat where its slope is below 5 % of its largest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.layers import (
    ELU,
    GELU,
    SELU,
    HardSigmoid,
    HardSwish,
    LeakyReLU,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from pellucid.layers.activations import SELU_ALPHA, SELU_SCALE

SLOPE = 0.05  # of the largest slope
NEAR = 1e-3  # as close to its limit counts as flat; SiLU, GELU and Mish are then below −5


def _near_zero(layer: Any, y: Array) -> Array:
    return np.abs(y) < NEAR  # also close to x = 0, where the slope is ½; a unit that is there for all samples is as useless


# One flat side: a unit that is on it for all samples is dead.
DYING: Mapping[type, Callable[[Any, Array], Array]] = {
    ReLU: lambda layer, y: y <= 0,
    ReLU6: lambda layer, y: (y <= 0) | (y >= 6),
    LeakyReLU: lambda layer, y: (y <= 0) & (layer.slope == 0),
    PReLU: lambda layer, y: y == 0,  # its slope may be 0 or not: with a slope, y is not 0 for all samples
    ELU: lambda layer, y: y <= -layer.alpha * (1 - SLOPE),
    SELU: lambda layer, y: y <= -SELU_SCALE * SELU_ALPHA * (1 - SLOPE),
    Softplus: lambda layer, y: y < NEAR,
    SiLU: _near_zero,
    HardSwish: _near_zero,
    Mish: _near_zero,
    GELU: _near_zero,
}

# Two flat sides: a value on one of them is saturated.
SATURATING: Mapping[type, Callable[[Any, Array], Array]] = {
    Sigmoid: lambda layer, y: y * (1 - y) < SLOPE / 4,
    HardSigmoid: lambda layer, y: (y <= 0) | (y >= 1),
    Tanh: lambda layer, y: 1 - y * y < SLOPE,
}
