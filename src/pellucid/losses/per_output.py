"""Settings of losses that are one number for all outputs, or one number for each output."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array, Shape
from pellucid.errors import ConfigError

PerOutput = float | tuple[float, ...]


def check_per_output(loss: object, name: str, values: PerOutput, shape: Shape) -> None:
    """Raise ConfigError unless ``values``, the setting ``name`` of the loss, is one number or one for each output."""
    if isinstance(values, tuple) and (len(values),) != shape:
        raise ConfigError(
            f"{loss}: {name} has {len(values)} numbers for {shape[0]} outputs; give one number for all, or one for each output"
        )


def per_output(values: PerOutput, k: int) -> Array:
    """Return the values of the k outputs as float64."""
    return np.full(k, values, np.float64)
