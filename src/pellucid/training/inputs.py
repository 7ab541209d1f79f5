"""What users bring, checked and in the form that training and inference take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from pellucid.core.config import checked
from pellucid.core.memory import Array, Shape
from pellucid.data.checks import check_weights
from pellucid.data.dataset import Dataset
from pellucid.data.input_stage import InputStage
from pellucid.errors import ConfigError, DataError, ShapeError
from pellucid.layers import Embedding, Softmax
from pellucid.losses import Loss
from pellucid.metrics import Metric
from pellucid.networks import in_line, primitives
from pellucid.training.parts import Parts

STRETCH = 512  # samples checked at a time


@dataclass(frozen=True)
class Samples:
    """A data set, ready: x (m, …), the ``rows`` of it that count (None: all), and for these the targets and weights."""

    x: Array
    rows: Array | None
    targets: Array
    weights: Array | None


def dataset(x: Array | Dataset, y: Array | None = None, sample_weight: Array | None = None) -> Dataset:
    """A data set, or the one that these arrays make."""
    if isinstance(x, Dataset):
        if y is not None or sample_weight is not None:
            raise ConfigError("a data set brings its own labels and weights: give either a data set or arrays")
        return x
    if y is None:
        raise DataError("arrays need their labels: fit(x, y), evaluate(x, y)")
    return Dataset(x, y, sample_weight=sample_weight)


def sample_shape(given: Sequence[int]) -> Shape:
    """The shape of one sample, as a model is given it."""
    axes = tuple(given) if isinstance(given, Iterable) else given
    shape: Shape = checked(axes, tuple[int, ...], "Model", "input_shape")
    if not shape or any(n < 1 for n in shape):
        raise ShapeError(f"input_shape is the shape of one sample, such as (28, 28, 1) or (30,); got {shape}")
    return shape


def is_vector(output: Shape) -> None:
    """Refuses a network whose output for one sample is no vector."""
    if len(output) != 1:
        raise ShapeError(
            f"a network ends in a vector for each sample, this one in {output}; put Flatten() before the last Dense"
        )


def fits(x: Array, shape: Shape, what: str) -> None:
    """Refuses an x that is not (n, *shape)."""
    if x.ndim == 0 or x.shape[1:] != shape:
        hint = "; for one sample give x[None]" if x.shape == shape else ""
        if not hint and (*x.shape[1:], 1) == shape:
            hint = "; grey pictures have one channel: x[..., None]"
        raise ShapeError(f"{what} must have the shape (n, {', '.join(map(str, shape))}), got {x.shape}{hint}")


def samples(data: Dataset, what: str, stage: InputStage, input_shape: Shape, loss: Loss, output_shape: Shape) -> Samples:
    """The data set, checked to fit the network, its input stage and its loss."""
    fits(data.source_x, input_shape, what)
    stage.check(data.source_x)
    if data.y is None:
        raise DataError(f"the {what} has no labels")
    targets = loss.targets(np.asarray(data.y), output_shape)
    weights = None if data.sample_weight is None else np.ascontiguousarray(data.sample_weight, np.float32)
    return Samples(data.source_x, data.rows, targets, weights)


def check_token_range(found: Samples, stage: InputStage, parts: Parts) -> None:
    """Refuses, where the network begins with an Embedding, numbers that its table does not have: before anything is changed."""
    first = next((layer for _, layer in primitives(parts.network)), None)
    if not isinstance(first, Embedding):
        return
    n = len(found.targets)
    rows = np.arange(n) if found.rows is None else found.rows
    for start in range(0, n, STRETCH):
        some = rows[start : start + STRETCH]
        shape = (len(some), *parts.input_shape)
        x = stage.batch(found.x, some, np.empty(shape, np.float32), parts.kernels)
        first.whole(x, np.empty(shape, np.int64), lambda i, some=some: f"sample {some[i]}")  # type: ignore[misc]


def batch(x: Array, y: Array, weights: Array | None, stage: InputStage, parts: Parts) -> tuple[Array, Array, Array]:
    """One batch (x, targets, weights), checked and in the network's dtype."""
    fits(x, parts.input_shape, "x")
    stage.check(x)
    n, targets = len(x), parts.loss.targets(y, parts.output_shape)
    if len(targets) != n or not n:
        raise ShapeError(f"a batch needs one target for each sample: x has {n}, y {len(targets)}")
    if weights is None:
        w = np.ones(n, np.float32)
    else:
        w = np.ascontiguousarray(weights, np.float32)
        if w.shape != (n,):
            raise ShapeError(f"weights must be one number for each of the {n:,} samples, got the shape {w.shape}")
        check_weights(w, "batch")
    return stage.batch(x, slice(0, n), np.empty(x.shape, np.float32), parts.kernels), targets, w


def check_labels(targets: Array, loss: Loss) -> None:
    """Refuses training targets that are all the same class."""
    if loss.classifies and targets.size and targets.min() == targets.max():
        one = targets.flat[0]
        why = "with one class there is nothing to tell apart" if one % 1 == 0 else "no class is likelier than another"
        raise DataError(f"all labels are {one:g}: {why}")


def check_metrics(metrics: Iterable[Metric], parts: Parts) -> tuple[Metric, ...]:
    """The metrics, checked to be of what the outputs are: classes, probabilities of them, or numbers."""
    given = metrics if isinstance(metrics, Metric) else list(metrics)
    found: tuple[Metric, ...] = checked(given, tuple[Metric, ...], "Model", "metrics")
    loss, several, last = parts.loss, parts.output_shape[0] > 1, in_line(parts.network)[-1:]
    classes = loss.classifies or several  # several numbers may be those of one-hot labels
    probabilities = loss.head is not None or (several and any(isinstance(layer, Softmax) for layer in last))
    for metric in found:
        if metric.needs == "numbers" and loss.classifies:
            raise ConfigError(
                f"{metric} compares numbers, and {loss} has classes: use LogLoss(), or MeanSquaredError() as the loss"
            )
        if metric.needs != "numbers" and not classes:
            raise ConfigError(
                f"{metric} counts classes; one output with {loss} has none: use Sigmoid and BinaryCrossEntropy, or a metric "
                "for numbers such as AbsoluteError()"
            )
        if metric.needs == "probabilities" and not probabilities:
            raise ConfigError(
                f"{metric} needs probabilities, and the outputs behind {loss} are none: use Softmax() with CrossEntropy(), or "
                "Sigmoid() with BinaryCrossEntropy()"
            )
        metric.start(parts.answers, parts.kernels)  # what it refuses, it refuses now
    return found


def at_least_one(value: int, name: str) -> int:
    """A whole number, 1 or more."""
    number: int = checked(value, int, "fit", name)
    if number < 1:
        raise ConfigError(f"fit({name}={value}): {name} must be at least 1")
    return number
