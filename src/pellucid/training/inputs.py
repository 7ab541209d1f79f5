"""Checks of user data, and its conversion into the form that training and prediction take."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from pellucid.core.config import validate
from pellucid.core.memory import Array, Shape
from pellucid.data.checks import check_sample_weight, numeric_array
from pellucid.data.dataset import Dataset
from pellucid.data.input_stage import InputStage
from pellucid.data.tables.columns import Standardization, difference
from pellucid.data.tables.frame import frame_names, is_frame
from pellucid.errors import ConfigError, DataError, ShapeError
from pellucid.layers import Embedding, Softmax
from pellucid.losses import Loss
from pellucid.metrics import DecisionMetric, Metric, PerPosition
from pellucid.metrics.decisions import HALF
from pellucid.networks import primitives, trailing_layers
from pellucid.training.execution import chunks
from pellucid.training.rounding import warn_of_rounding
from pellucid.training.state import ModelState

CHECKED_AT_ONCE = 512  # samples


@dataclass(frozen=True)
class Samples:
    """A checked data set of n samples.

    ``x`` (m, *input shape) holds the values that the user gave, before the input stage. ``rows`` (n) are the rows of x that
    are in the set; None means all of them. ``targets`` (n, …) and ``weights``, (n) or (n, *positions), are in
    the order of ``rows``; weights of None are 1.
    """

    x: Array
    rows: Array | None
    targets: Array
    weights: Array | None


def as_dataset(
    x: Array | Dataset, y: Array | None = None, sample_weight: Array | None = None, *, stage: InputStage | None
) -> Dataset:
    """Return ``x`` if it is a data set, else a data set of the arrays. ``stage`` is the model's input stage, if it has one.

    Raises ConfigError where both are given, DataError where arrays have no labels and for data frames with other columns than
    the model's.
    """
    if isinstance(x, Dataset):
        if y is not None or sample_weight is not None:
            raise ConfigError("a data set has its own labels and sample weights: give either a data set or arrays")
        return x
    check_frame(x, stage)
    if y is None:
        raise DataError("arrays need their labels: fit(x, y), evaluate(x, y)")
    return Dataset(x, y, sample_weight=sample_weight)


def as_validation_set(validation: Dataset | Sequence[Array], stage: InputStage) -> Dataset:
    """Return the data set, or one of a pair (x, y) or a triple (x, y, sample_weight). Raises ConfigError for anything else."""
    if isinstance(validation, (tuple, list)) and len(validation) in (2, 3):
        return as_dataset(*validation, stage=stage)
    if isinstance(validation, Dataset):
        return validation
    given = f"{validation:g}" if isinstance(validation, (int, float)) else type(validation).__name__
    raise ConfigError(
        f"validation must be a Dataset, (x, y) or (x, y, sample_weight), got {given}; to hold out a part of the training data, "
        "split it first, with Dataset(x, y).split(0.2) of pellucid.data; fit(train, validation=validation)"
    )


def as_samples(x: Array | Dataset, stage: InputStage | None, what: str = "x") -> Array:
    """Return the samples to predict from as an array: ``x``, or those of the data set. ``what`` is its name in messages.

    Raises DataError for values that are not numbers, and for data sets and data frames with other columns than the model's.
    """
    check_frame(x, stage)
    if isinstance(x, Dataset):
        check_columns(x, "data", stage, None)
        x = x.x
    return numeric_array(x, what)


def sample_shape(given: Sequence[int]) -> Shape:
    """Return the shape of one sample as a tuple. Raises ShapeError unless it has axes, all of length 1 or more."""
    axes = tuple(given) if isinstance(given, Iterable) else given
    shape: Shape = validate(axes, tuple[int, ...], "Model", "input_shape")
    if not shape or any(n < 1 for n in shape):
        raise ShapeError(f"input_shape is the shape of one sample, such as (28, 28, 1) or (30,); got {shape}")
    return shape


def check_samples_shape(x: Array, shape: Shape, what: str) -> None:
    """Raise ShapeError unless x is (n, *shape); ``what`` is its name in the message."""
    if x.ndim == 0 or x.shape[1:] != shape:
        hint = "; for a single sample give x[None]" if x.shape == shape else ""
        if not hint and (*x.shape[1:], 1) == shape:
            hint = "; greyscale images have one channel: x[..., None]"
        raise ShapeError(f"{what} must have the shape (n, {', '.join(map(str, shape))}), got {x.shape}{hint}")


def check_columns(data: Dataset, what: str, stage: InputStage | None, classes: Sequence[str] | None) -> None:
    """Raise DataError for a data set with other columns or classes than the model's; ``what`` is its name in the message.

    Only what both name is compared: arrays have neither. Labels are numbers, so the classes must have the same order, but a set
    may have fewer or more of them (the loss checks its labels). If no name occurs in both, the model has names of its own for
    them (``compile(classes=…)``).
    """
    columns = None if data.origin is None else data.origin.columns
    if columns is not None and isinstance(stage, Standardization) and columns != stage.columns:
        _raise_other_data(what, difference(columns, stage.columns))
    renamed = not set(data.classes or ()) & set(classes or ())
    for number, (own, known) in enumerate(zip(data.classes or (), classes or (), strict=False)):
        if own != known and not renamed:
            _raise_other_data(what, f"class {number} is {own!r} there and {known!r} in the model")


def check_frame(x: object, stage: InputStage | None) -> None:
    """Raise DataError for a path, and for a data frame whose columns are not the model's, in its order."""
    if isinstance(x, (str, os.PathLike)):
        raise DataError(
            f"{os.fspath(x)!r} is a path, not data: read it first, with model.read(…), or with read_csv, read_folder or "
            "read_image of pellucid.data"
        )
    if not is_frame(x) or not isinstance(stage, Standardization):
        return
    for number, (own, known) in enumerate(itertools.zip_longest(frame_names(x), stage.names), start=1):
        if own != known:
            _raise_other_data("data frame", f"column {number} is {own or 'absent'} there and {known or 'absent'} in the model")


def _raise_other_data(what: str, difference: str) -> None:
    raise DataError(
        f"the {what} differs from the data that the model was trained on: {difference}; model.read(…) reads a file, a folder "
        "or a data frame as the model needs it"
    )


def checked_samples(data: Dataset, what: str, stage: InputStage, state: ModelState, classes: Sequence[str] | None) -> Samples:
    """Return the samples of a data set, checked against the network, its input stage, its loss and its ``classes``.

    ``what`` is the name of the set in messages. Raises ShapeError and DataError.
    """
    check_columns(data, what, stage, classes)
    check_samples_shape(data.source_x, state.input_shape, what)
    stage.check(data.source_x)
    if data.y is None:
        raise DataError(f"the {what} has no labels")
    weights = None if data.sample_weight is None else np.ascontiguousarray(data.sample_weight, np.float32)
    if weights is not None:
        state.output.check_weights(weights, len(data))
    targets = state.output.targets(np.asarray(data.y), weights)
    if state.loss.compares_samples and not 1 < len(np.unique(targets)) < len(targets):
        raise DataError(
            f"the {what} has nothing to compare: {state.loss} needs at least two classes, and two samples of one class"
        )
    samples = Samples(data.source_x, data.rows, targets, weights)
    check_token_range(samples, stage, state)
    return samples


def checked_training_samples(data: Dataset, stage: InputStage, state: ModelState, classes: Sequence[str] | None) -> Samples:
    """Return the samples of a training set.

    They are checked as by :func:`checked_samples`. Their labels must be of at least two classes, and x must be finite. Warns
    with DataWarning of columns and targets whose values float32 cannot tell apart.
    """
    samples = checked_samples(data, "training data", stage, state, classes)
    check_labels(samples.targets, state.loss)
    stage.check_values(samples.x, samples.rows, state.kernels)
    warn_of_rounding(data, samples.targets, stage, state)
    return samples


def check_token_range(samples: Samples, stage: InputStage, state: ModelState) -> None:
    """Raise DataError for tokens that are not in the table, if the first layer of the network is an Embedding."""
    first = next((layer for _, layer in primitives(state.network)), None)
    if not isinstance(first, Embedding):
        return
    n = len(samples.targets)
    rows = np.arange(n) if samples.rows is None else samples.rows
    for chunk in chunks(n, CHECKED_AT_ONCE):
        chunk_rows = rows[chunk]
        shape = (len(chunk_rows), *state.input_shape)
        x = stage.transform(samples.x, chunk_rows, np.empty(shape, np.float32), state.kernels)
        first.tokens(x, np.empty(shape, np.int64), lambda i, rows=chunk_rows: f"sample {rows[i]}")  # type: ignore[misc]


def checked_batch(
    x: Array, y: Array, sample_weight: Array | None, stage: InputStage, state: ModelState
) -> tuple[Array, Array, Array]:
    """Return one batch (x, targets, weights), checked.

    The returned x (n, *input shape) has passed the input stage; it and the weights are float32. Raises ShapeError and
    DataError.
    """
    check_samples_shape(x, state.input_shape, "x")
    stage.check(x)
    n = len(x)
    if len(y) != n or not n:
        raise ShapeError(f"a batch needs one target for each sample: x has {n}, y {len(y)}")
    if sample_weight is None:
        weights = np.ones(n, np.float32)
    else:
        weights = np.ascontiguousarray(sample_weight, np.float32)
        state.output.check_weights(weights, n)
        check_sample_weight(weights, "batch")
    targets = state.output.targets(y, weights)
    return stage.transform(x, slice(0, n), np.empty(x.shape, np.float32), state.kernels), targets, weights


def check_labels(targets: Array, loss: Loss) -> None:
    """Raise DataError where all training labels are the same class."""
    if loss.classifies and targets.size and targets.min() == targets.max():
        only = targets.flat[0]
        why = "a classifier needs at least two classes" if only % 1 == 0 else "no class is more likely than another"
        raise DataError(f"all labels are {only:g}: {why}")


def check_metrics(metrics: Iterable[Metric], state: ModelState) -> tuple[Metric, ...]:
    """Return the metrics as a tuple. Raises ConfigError for a metric that does not fit the outputs of the network."""
    given = metrics if isinstance(metrics, (Metric, str)) else list(metrics)
    result: tuple[Metric, ...] = validate(given, tuple[Metric, ...], "Model", "metrics")
    loss, several, last = state.loss, state.output.metric_shape[-1] > 1, trailing_layers(state.network)[-1:]
    classes = loss.classifies or (several and not loss.numeric)  # several numbers may be the scores of one-hot labels
    probabilities = loss.head is not None or (several and any(isinstance(layer, Softmax) for layer in last))
    yes_or_no = loss.classifies and loss.head is not None and (loss.multi_label or not several)
    for metric in result:
        if loss.compares_samples:
            raise ConfigError(
                f"{metric} compares outputs with targets, but the outputs for {loss} are embeddings, the targets labels: leave "
                "out the metrics, and measure a classifier of the embeddings, such as the nearest neighbours"
            )
        if metric.needs == "numbers" and loss.classifies:
            raise ConfigError(
                f"{metric} compares numbers, but {loss} predicts classes: use LogLoss(), or MeanSquaredError() as the loss"
            )
        if metric.needs != "numbers" and not classes:
            raise ConfigError(
                f"{metric} counts classes, but {'the outputs' if several else 'a single output'} with {loss} "
                f"{'are numbers' if several else 'is a number'}: use Sigmoid() with BinaryCrossEntropy(), or a metric for "
                "numbers such as AbsoluteError()"
            )
        if metric.needs == "probabilities" and not probabilities:
            raise ConfigError(
                f"{metric} needs probabilities, but the outputs for {loss} are not: use Softmax() with CrossEntropy(), or "
                "Sigmoid() with BinaryCrossEntropy()"
            )
        decision = metric.metric if isinstance(metric, PerPosition) else metric
        if isinstance(decision, DecisionMetric) and decision.threshold != HALF and not yes_or_no:
            raise ConfigError(
                f"{metric}: a threshold is the probability from which an answer is yes, but the outputs for {loss} "
                f"{'are scores of exclusive classes, of which the largest decides' if several else 'are not probabilities'}: "
                "leave it out, or use Sigmoid() with BinaryCrossEntropy()"
            )
        state.output.start_metric(metric)  # raises ConfigError where the metric cannot be computed
    for first, second in itertools.combinations(result, 2):
        if first.name == second.name and first != second:
            raise ConfigError(f"{first} and {second} have the same name in the results, {first.name!r}: compute one at a time")
    return result
