"""Checks of user data, and its conversion into the form that training and prediction take."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.config import validate
from pellucid.core.memory import MAX_AXES, Array, Shape, ones
from pellucid.core.named_arrays import NamedArrays, empty, wrapped
from pellucid.data.arrays import from_arrays
from pellucid.data.checks import check_sample_weight, numeric_arrays
from pellucid.data.dataset import Dataset
from pellucid.data.input_stage import InputStage, Passthrough, Scaling
from pellucid.data.input_stages import AnyStage, InputStages
from pellucid.data.sample_augmentation import as_augmentation
from pellucid.data.sparse import SparseMatrix
from pellucid.data.tables.columns import TableStage, difference
from pellucid.data.tables.frame import frame_names, is_frame
from pellucid.data.tables.reading import rows_for
from pellucid.errors import ConfigError, DataError, ShapeError, warn_user
from pellucid.layers import Embedding, Layer, Softmax
from pellucid.losses import Loss
from pellucid.metrics import DecisionMetric, Metric, PerPosition
from pellucid.metrics.decisions import HALF
from pellucid.networks import Composite, primitives, trailing_layers
from pellucid.networks.composite import ports_of
from pellucid.networks.ports import by_name, check_known, input_shapes
from pellucid.training.byte_targets import warn_of_byte_targets
from pellucid.training.execution import chunks
from pellucid.training.output import Output
from pellucid.training.rounding import warn_of_rounding
from pellucid.training.several_outputs import SeveralOutputs
from pellucid.training.state import ModelState

CHECKED_AT_ONCE = 512  # samples


@dataclass(frozen=True)
class Samples:
    """A checked data set of n samples.

    ``x`` (m, *input shape) holds the values that the user gave, before the input stage. ``rows`` (n) are the rows of x that
    are in the set; None means all of them. ``targets`` (n, …) and ``weights``, (n) or (n, *positions), are in
    the order of ``rows``; weights of None are 1. With several inputs, x is NamedArrays; with several outputs, targets and
    weights are, and the weights are never None.
    """

    x: Any
    rows: Array | None
    targets: Any
    weights: Any


def as_dataset(x: Any, y: Any = None, sample_weight: Any = None, *, stage: AnyStage | None) -> Dataset:
    """Return ``x`` if it is a data set, else a data set of the arrays. ``stage`` is the model's input stage, if it has one.

    Raises ConfigError where both are given, DataError where arrays have no labels and for data frames with other columns than
    the model's.
    """
    if isinstance(x, Dataset):
        if y is not None or sample_weight is not None:
            raise ConfigError("a data set has its own labels and sample weights: give either a data set or arrays")
        return x
    if is_frame(x) and stage is None and y is not None:
        return from_arrays(x, y, sample_weight=sample_weight)
    x = _rows(x, stage)
    if y is None:
        _refuse_batches(iter(x) if isinstance(x, list) and x and isinstance(x[0], (tuple, Dataset)) else x)
        raise DataError("arrays need their labels: fit(x, y), evaluate(x, y)")
    return Dataset(x, y, sample_weight=sample_weight)


def _refuse_batches(x: Any) -> None:
    """Raise DataError for batches, which only the training takes: an iterator, a function, or pairs in a list."""
    if isinstance(x, np.ndarray):  # the usual case, in little time
        return
    if isinstance(x, Iterator) or (callable(x) and not hasattr(x, "__array__")):
        raise DataError("batches are for the training; evaluate and predict take arrays or a data set: join the batches")


def as_validation_set(validation: Dataset | Sequence[Any], stage: AnyStage) -> Dataset:
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


def as_samples(x: Any, stage: AnyStage | None, what: str = "x") -> Any:
    """Return the samples to predict from as an array: ``x``, or those of the data set. ``what`` is its name in messages.

    A dictionary of arrays by input becomes NamedArrays.

    Raises DataError for values that are not numbers, and for data sets and data frames with other columns than the model's.
    """
    if isinstance(x, Dataset):
        check_columns(x, "data", stage, None)
        x = x.x
    else:
        x = _rows(x, stage)
    _refuse_batches(x)
    return numeric_arrays(x, what)


def _rows(x: Any, stage: AnyStage | None) -> Any:
    """Return x with the columns of tables as the model reads them: of data frames by name, of arrays in their order.

    Raises DataError for a path, and the errors of :func:`~pellucid.data.tables.reading.rows_for`.
    """
    if isinstance(x, np.ndarray) and not isinstance(stage, TableStage):  # the usual case, in little time
        return x
    if isinstance(x, Mapping):
        return {name: _rows(part, stage.get(name) if isinstance(stage, InputStages) else stage) for name, part in x.items()}
    if isinstance(x, (str, os.PathLike)):
        raise DataError(
            f"{os.fspath(x)!r} is a path, not data: read it first, with model.read(…), or with read_csv, read_folder or "
            "read_image of pellucid.data"
        )
    if isinstance(stage, TableStage) and stage.series is None and (is_frame(x) or isinstance(x, (np.ndarray, list, tuple))):
        return rows_for(x, stage)
    if isinstance(stage, TableStage) and is_frame(x):
        for number, (own, known) in enumerate(itertools.zip_longest(frame_names(x), stage.names), start=1):
            if own != known:
                absent = f"column {number} is {own or 'absent'} there and {known or 'absent'} in the model"
                _raise_other_data("data frame", absent)
    return x


def sample_shapes(given: Any, network: Layer) -> Any:
    """Return the shape of one sample as a tuple, or with several inputs a dictionary of them. Raises ShapeError."""
    shapes = {name: sample_shape(shape) for name, shape in input_shapes(ports_of(network), given).items()}
    return shapes if len(shapes) > 1 else next(iter(shapes.values()))


def sample_shape(given: Sequence[int]) -> Shape:
    """Return the shape of one sample as a tuple. Raises ShapeError unless it has axes, at most 30, all of length 1 or more."""
    axes = tuple(given) if isinstance(given, Iterable) else given
    shape: Shape = validate(axes, tuple[int, ...], "Model", "input_shape")
    if not 1 <= len(shape) <= MAX_AXES or any(n < 1 for n in shape):
        raise ShapeError(f"input_shape is the shape of one sample, such as (28, 28, 1) or (30,); got {shape}")
    return shape


def check_samples_shape(x: Any, shape: Any, what: str) -> None:
    """Raise ShapeError unless x is (n, *shape); ``what`` is its name in the message.

    For a dictionary of shapes, x must be NamedArrays by the same names. Raises DataError where it is not, and for NamedArrays
    in place of an array.
    """
    if isinstance(shape, dict):
        given = by_name(x.by_name if isinstance(x, NamedArrays) else x, tuple(shape), what, "input", DataError)
        for name, array in given.items():
            check_samples_shape(array, shape[name], f"{what}[{name!r}]")
        return
    if isinstance(x, NamedArrays):
        raise DataError(f"{what} is a dictionary, but the network has one input: give the array alone")
    if x.shape[1:] != shape:
        hint = "; for a single sample give x[None]" if x.shape == shape else ""
        if not hint and (*x.shape[1:], 1) == shape:
            hint = "; greyscale images have one channel: x[..., None]"
        raise ShapeError(f"{what} must have the shape (n, {', '.join(map(str, shape))}), got {x.shape}{hint}")


def stays_sparse(x: Any, stage: AnyStage, network: Any) -> bool:
    """Return whether a network reads the samples x, before the input stage, without their zeros.

    That is so where x is a sparse matrix, the stage does no more than scale its values, and the first layer reads sparse rows.
    """
    scaled = isinstance(x, SparseMatrix) and isinstance(stage, (Passthrough, Scaling))
    return scaled and isinstance(network, Layer) and network.reads_sparse


def check_columns(data: Dataset, what: str, stage: AnyStage | None, classes: Any) -> None:
    """Raise DataError for a data set with other columns or classes than the model's; ``what`` is its name in the message.

    Only what both name is compared: arrays have neither. Labels are numbers, so the classes must have the same order, but a set
    may have fewer or more of them (the loss checks its labels). If no name occurs in both, the model has names of its own for
    them (``compile(classes=…)``).
    """
    origins = {"": data.origin} if data.origin is not None else data.origins
    for name, origin in origins.items():
        own_stage = stage.get(name) if isinstance(stage, InputStages) else stage
        columns = origin.columns
        if columns is not None and isinstance(own_stage, TableStage) and columns != own_stage.columns:
            _raise_other_data(what, difference(columns, own_stage.columns))
    for name, own_classes in _by_output(data.classes).items():
        known_classes = _by_output(classes).get(name, ())
        renamed = not set(own_classes) & set(known_classes)
        for number, (own, known) in enumerate(zip(own_classes, known_classes, strict=False)):
            if own != known and not renamed:
                _raise_other_data(what, f"class {number} is {own!r} there and {known!r} in the model")


def _by_output(classes: Any) -> Mapping[str, Sequence[str]]:
    """Return the class names by output; those of the only output have an empty name."""
    return classes if isinstance(classes, Mapping) else {"": classes or ()}


def _raise_other_data(what: str, difference: str) -> None:
    raise DataError(
        f"the {what} differs from the data that the model was trained on: {difference}; model.read(…) reads a file, a folder "
        "or a data frame as the model needs it"
    )


def checked_samples(data: Dataset, what: str, stage: Any, state: ModelState, classes: Any) -> Samples:
    """Return the samples of a data set, checked against the network, its input stage, its loss and its ``classes``.

    ``what`` is the name of the set in messages. Raises ShapeError and DataError.
    """
    check_columns(data, what, stage, classes)
    check_samples_shape(data.source_x, state.input_shape, what)
    stage.check(data.source_x)
    if data.y is None:
        raise DataError(f"the {what} has no labels")
    targets, weights = checked_targets(data.y, data.sample_weight, len(data), state)
    for output, own, where in _outputs(state, targets):
        if output.loss.compares_samples and not 1 < len(np.unique(own)) < len(own):
            raise DataError(
                f"the {what}{where} has nothing to compare: {output.loss} needs at least two classes, and two samples of one "
                "class"
            )
    samples = Samples(data.source_x, data.rows, targets, weights)
    check_token_range(samples, stage, state)
    return samples


def checked_targets(y: Any, sample_weight: Any, n: int, state: ModelState) -> tuple[Any, Any]:
    """Return the targets and the weights of n samples in the form of :class:`Samples`. Raises ShapeError and DataError."""
    y, weights = wrapped(y), wrapped(sample_weight)
    if not isinstance(state.output, SeveralOutputs):
        for what, values in (("y", y), ("sample_weight", weights)):
            if isinstance(values, NamedArrays):
                raise DataError(f"{what} is a dictionary, but the network has one output: give the array alone")
        if weights is not None:
            weights = np.ascontiguousarray(weights, np.float32)
            state.output.check_weights(weights, n)
        return state.output.targets(np.asarray(y), weights), weights
    if weights is not None:
        state.output.check_weights(weights, n)
    return state.output.targets(y, weights), state.output.all_weights(weights, n)


def _outputs(state: ModelState, targets: Any) -> list[tuple[Output, Array, str]]:
    """Return each output with its targets and words that name it in a message, which are empty for the only one."""
    if isinstance(state.output, SeveralOutputs):
        return [(part, targets[name], f", output {name!r},") for name, part in state.output.parts.items()]
    return [(state.output, targets, "")]


def checked_training_samples(data: Dataset, stage: Any, state: ModelState, classes: Any) -> Samples:
    """Return the samples of a training set.

    They are checked as by :func:`checked_samples`. Their labels must be of at least two classes, and x must be finite. Warns
    with DataWarning of columns and targets whose values float32 cannot tell apart, and of images of bytes as targets.
    """
    samples = checked_samples(data, "training data", stage, state, classes)
    for output, targets, where in _outputs(state, samples.targets):
        check_labels(targets, output.loss, where)
    stage.check_values(samples.x, samples.rows, state.kernels)
    warn_of_rounding(data, samples.targets, stage, state)
    _warn_of_codes(stage, state)
    warn_of_byte_targets(data, stage, state)
    return samples


def _warn_of_codes(stage: Any, state: ModelState) -> None:
    """Warn with DataWarning of codes of categories that no layer replaces by vectors."""
    if not isinstance(stage, TableStage):
        return
    codes = [name for name, kind in zip(stage.names, stage.value_kinds, strict=True) if isinstance(kind, int)]
    if codes and not any(isinstance(layer, Embedding) for _, layer in primitives(state.network)):
        warn_user(
            f"{', '.join(codes[:10])}: the values are codes of categories, and the network reads them as quantities: put "
            "Columns before the first layer, with the value_kinds of the input stage (Your data)"
        )


def checked_augmentation(augmentation: Any, state: ModelState, where: str = "fit") -> Any:
    """Return the augmentation, which for several inputs is a dictionary by input. Raises ConfigError for anything else."""
    if augmentation is None:
        return None
    if not isinstance(state.input_shape, dict):
        return as_augmentation(augmentation, where)
    names = state.input_shape
    if not isinstance(augmentation, Mapping):
        raise ConfigError(
            f"{where}(augmentation={augmentation!r}): the network has several inputs: give a dictionary by input, such as "
            f"{{{next(iter(names))!r}: {augmentation!r}}}"
        )
    check_known(augmentation, names, "augmentation", "input")
    return {name: as_augmentation(one, where) for name, one in augmentation.items()}


def check_token_range(samples: Samples, stage: Any, state: ModelState) -> None:
    """Raise DataError for tokens that are not in the table, if the first layer that reads an input is an Embedding."""
    if not isinstance(samples.x, NamedArrays):
        first = next((layer for _, layer in primitives(state.network)), None)
        _check_tokens(first, samples.x, samples.rows, len(samples.targets), stage, state)
        return
    assert isinstance(state.network, Composite)
    for node in state.network.ordered_nodes():
        for name in set(node.inputs).intersection(samples.x):
            first = next((layer for _, layer in primitives(node.layer)), None)
            _check_tokens(first, samples.x[name], samples.rows, len(samples.targets), stage[name], state)


def _check_tokens(first: Any, source: Array, chosen: Array | None, n: int, stage: InputStage, state: ModelState) -> None:
    """Raise DataError for tokens in the rows ``chosen`` of one input that are not in the table of ``first``, an Embedding."""
    if not isinstance(first, Embedding):
        return
    rows = np.arange(n) if chosen is None else chosen
    for chunk in chunks(n, CHECKED_AT_ONCE):
        chunk_rows = rows[chunk]
        shape = (len(chunk_rows), *source.shape[1:])
        x = stage.transform(source, chunk_rows, np.empty(shape, np.float32), state.kernels)
        first.tokens(x, np.empty(shape, np.int64), lambda i, rows=chunk_rows: f"sample {rows[i]}")  # type: ignore[misc]


def checked_batch(x: Any, y: Any, sample_weight: Any, stage: Any, state: ModelState) -> tuple[Any, Any, Any]:
    """Return one batch (x, targets, weights), checked.

    The returned x (n, *input shape) has passed the input stage; it and the weights are float32. x and y are arrays or
    NamedArrays, ``sample_weight`` is as the user gave it. Raises ShapeError and DataError.
    """
    check_samples_shape(x, state.input_shape, "x")
    stage.check(x)
    n = len(x)
    if not n:
        raise ShapeError("a batch needs at least one sample, and x has none")
    if len(y) != n:
        raise ShapeError(f"a batch needs one target for each sample: x has {n}, y {len(y)}")
    weights = None if sample_weight is None else numeric_arrays(sample_weight, "sample_weight", "batch")
    for name, one in weights.items() if isinstance(weights, NamedArrays) else [("", weights)]:
        check_sample_weight(one, f"batch, {name}" if name else "batch")
    targets, weights = checked_targets(y, weights, n, state)
    if weights is None:
        weights = ones(n)
    if stays_sparse(x, stage, state.plan):
        return stage.sparse_rows(x, slice(0, n), state.kernels), targets, weights
    return stage.transform(x, slice(0, n), empty(n, state.input_shape, np.float32), state.kernels), targets, weights


def check_labels(targets: Array, loss: Loss, where: str = "") -> None:
    """Raise DataError where all training labels are the same class; ``where`` names the output in the message."""
    if loss.classifies and targets.size and targets.min() == targets.max():
        only = targets.flat[0]
        why = "a classifier needs at least two classes" if only % 1 == 0 else "no class is more likely than another"
        raise DataError(f"all labels{where} are {only:g}: {why}")


def check_metrics(metrics: Any, state: ModelState) -> Any:
    """Return the metrics as a tuple, or of several outputs as a dictionary of tuples.

    Raises ConfigError for a metric that does not fit its output, and for unknown outputs.
    """
    if not isinstance(state.output, SeveralOutputs):
        if isinstance(metrics, Mapping):
            raise ConfigError("metrics is a dictionary, but the network has one output: give a list, such as [Accuracy()]")
        return _checked_metrics(metrics, state.output, trailing_layers(state.network)[-1:])
    outputs = state.output.parts
    if not isinstance(metrics, Mapping):
        if (given := _listed(metrics)) or not isinstance(given, list):
            raise ConfigError(
                f"metrics must be a dictionary by output, such as {{{next(iter(outputs))!r}: {given!r}}}, because the network "
                "has several outputs"
            )
        metrics = {}
    check_known(metrics, outputs, "metrics", "output")
    checked = {}
    for name, output in outputs.items():
        try:
            checked[name] = _checked_metrics(metrics.get(name, ()), output, trailing_layers(state.network, name)[-1:])
        except ConfigError as error:
            raise ConfigError(f"the output {name!r}: {error}") from None
    return checked


def _listed(metrics: Any) -> Any:
    """Return metrics as a list; what is none, such as a single metric, is returned as it is."""
    return list(metrics) if isinstance(metrics, Iterable) and not isinstance(metrics, str) else metrics


def _checked_metrics(metrics: Iterable[Metric], output: Output, last: tuple[Layer, ...]) -> tuple[Metric, ...]:
    """Return the metrics of an output that ends with the layer ``last``, as a tuple. Raises ConfigError."""
    given = _listed(metrics)
    result: tuple[Metric, ...] = validate(given, tuple[Metric, ...], "Model", "metrics")
    loss, several = output.loss, output.metric_shape[-1] > 1
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
            squares = "BrierScore() for the squared error of probabilities, " if probabilities else ""
            raise ConfigError(
                f"{metric} compares numbers, but {loss} predicts classes: use LogLoss(), {squares}or MeanSquaredError() as the "
                "loss"
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
        output.start_metric(metric)  # raises ConfigError where the metric cannot be computed
    for first, second in itertools.combinations(result, 2):
        if first.name == second.name and first != second:
            raise ConfigError(f"{first} and {second} have the same name in the results, {first.name!r}: compute one at a time")
    return result
