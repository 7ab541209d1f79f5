"""The memory that a model, its training and its predictions need, checked before any of it is allocated.

A network's settings are a few numbers, and may ask for more memory than any machine has. What counts:

- a model: its parameters and running statistics, and the vectors of its optimizer or the random numbers of its largest array;
- a training: the gradient, and for each sample of a batch its values and the outputs of all layers, which backward needs;
- a prediction: the outputs of all samples, and for each sample of a chunk the input and the output of the largest layer.

These are lower bounds. What they do not count is small beside them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pellucid.core.free_memory import UNCHECKED, require_memory
from pellucid.core.memory import SMALLER, Slot
from pellucid.layers.base import LayerSpec
from pellucid.optim import Optimizer, components_of

FLOAT32 = 4  # bytes
DRAWN = 16  # bytes for each element of an array while it gets its initial values: two numbers in float64


def check_model(spec: LayerSpec, optimizer: Optimizer, item: int = FLOAT32) -> None:
    """Raise ConfigError if there is not enough memory for a model of a network with this ``spec``."""
    parameters = [slot for slot in spec.slots.values() if not slot.state]
    count = sum(slot.size for slot in parameters)
    statistics = sum(slot.size for slot in spec.slots.values()) - count
    vectors = sum(len(component.state_names) for component in components_of(optimizer))
    path, largest = max(spec.slots.items(), key=lambda one: one[1].size, default=("", None))
    drawn = DRAWN * (largest.size if largest else 0)  # and freed before the optimizer's vectors are allocated
    needed = item * (count + statistics) + max(drawn, item * count * vectors)
    optimizer_name = (
        type(optimizer).__name__ if len(components_of(optimizer)) > 1 else type(components_of(optimizer)[-1]).__name__
    )
    what = f"a model with {_number(count)} parameters{_largest(path, largest, count)} and {vectors} vectors of {optimizer_name}"
    require_memory(needed, what, "use smaller layers" + (", or an optimizer with fewer vectors" if vectors > 2 else ""))


def check_training(spec: LayerSpec, input_shape: Any, samples: int, item: int = FLOAT32) -> None:
    """Raise ConfigError if there is not enough memory to train a network with this ``spec`` with batches of so many samples.

    The ``spec`` is that of the plan of the network: its fused form.
    """
    count = sum(slot.size for slot in spec.slots.values() if not slot.state)
    values = _input_values(input_shape) + spec.all_outputs
    what = f"a training step with {_number(count)} parameters and batches of {samples:,} samples"
    require_memory(
        item * (count + samples * values), what, f"use a smaller batch_size: each sample has {_number(values)} values"
    )


def unchecked_samples(largest_output: int, output_shape: Any, item: int = FLOAT32) -> int:
    """Return how many samples can be predicted without a check: so many need hardly any memory."""
    return UNCHECKED // (item * (_input_values(output_shape) + 2 * largest_output))


def check_prediction(largest_output: int, output_shape: Any, samples: int, chunk: int, item: int = FLOAT32) -> None:
    """Raise ConfigError if there is not enough memory to predict so many samples, of which a ``chunk`` is computed at once."""
    outputs = samples * _input_values(output_shape)
    needed = item * (outputs + 2 * min(chunk, samples) * largest_output)
    what = f"predicting {samples:,} samples, in a network whose largest layer has {_number(largest_output)} values,"
    require_memory(needed, what, SMALLER)


def _input_values(shape: Any) -> int:
    """Return the number of values of one sample, or of all inputs or outputs together."""
    return sum(map(math.prod, shape.values() if isinstance(shape, Mapping) else [shape]))


def _largest(path: str, slot: Slot | None, count: int) -> str:
    """Return the layer with the largest array in words, for a message, if it is most of the network."""
    if slot is None or 2 * slot.size < count:
        return ""
    layer = path.rpartition(".")[0] or "the layer"
    return f" ({layer} has an array of {' × '.join(map(_number, slot.shape))})"


def _number(count: int) -> str:
    """Return a count for a message; Python refuses to print very long integers."""
    return f"{count:,}" if count < 10**18 else f"10^{int(math.log10(count))}"
