"""The task of a run, chosen by its training data: classification, segmentation, regression, forecasting or language."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pellucid.core.memory import Array, Shape
from pellucid.data import Dataset, Splits
from pellucid.data.series.layout import SeriesLayout
from pellucid.data.tables.columns import Standardization
from pellucid.data.text import Tokenizer, Tokens
from pellucid.errors import ConfigError, DataError, ShapeError
from pellucid.layers import (
    Add,
    Concatenate,
    Exp,
    Flatten,
    Identity,
    Layer,
    Repeat,
    Rescale,
    Reshape,
    Slice,
    Softmax,
    Subtract,
    Tanh,
)
from pellucid.losses import CrossEntropy, LogSquaredError, Loss, MeanSquaredError
from pellucid.metrics import (
    R2,
    AbsoluteError,
    Accuracy,
    BitsPerCharacter,
    ConfusionMatrix,
    IntersectionOverUnion,
    Metric,
    Precision,
    Recall,
    SquaredError,
)
from pellucid.networks import Composite, Graph, Node, Sequential, trailing_layers, without_last_layer
from pellucid.networks.columns import with_vectors
from pellucid.runs.forecasts import target_positions
from pellucid.runs.recipe import Recipe

CLASSIFICATION_METRICS: tuple[Metric, ...] = (Accuracy(), Precision(), Recall(), ConfusionMatrix())
MEAN_IOU = IntersectionOverUnion(average="macro")
SEGMENTATION_METRICS: tuple[Metric, ...] = (*CLASSIFICATION_METRICS, MEAN_IOU, IntersectionOverUnion())
REGRESSION_METRICS: tuple[Metric, ...] = (SquaredError(), AbsoluteError(), R2())
FORECAST_METRICS: tuple[Metric, ...] = (R2(),)  # errors are reported for each target, in its own unit
LANGUAGE_ADVICE = "use a language model: --model bigram, mlp-lm, gru-lm, gpt-mini or gpt"
MAX_ROUNDING = 0.1  # of the target's standard deviation: the distance of its neighbours in float32


@dataclass(frozen=True)
class Task:
    """The task of a run: a network with a suitable last layer, a loss and metrics.

    ``metrics`` are computed after every epoch, ``final_metrics`` once at the end.

    Classification uses a softmax and cross-entropy; so does segmentation, with a class for each pixel.

    Regression uses one output for each target, in its unit: the network computes the standardized target (by mean and standard
    deviation of the training set), and its last layer converts the unit. The loss is measured in standard deviations of the
    target, so that a learning rate means the same for prices and temperatures. Of skewed targets, the network computes the
    logarithms, and the loss is that of the logarithms. A network that converts the unit already, such as that of another run,
    decides whether they are logarithms.

    Forecasting uses one output for each of the next rows of a series and each target, (horizon, targets), in the units of the
    targets. The network of the recipe computes the standardized changes since the last row; see :func:`forecaster`.

    A language model has one output for each token at each position, and is trained with softmax and cross-entropy.

    A recipe that reconstructs has outputs of the shape of the samples, whose values are those that the network reads.
    """

    network: Composite
    loss: Loss
    metrics: tuple[Metric, ...]
    final_metrics: tuple[Metric, ...]

    @classmethod
    def of(cls, recipe: Recipe, data: Dataset, model: str) -> Task:
        """Return the task for this training data.

        Raises ConfigError if the preset ``model`` does not take such samples, and DataError for a target that is constant, or
        that float32 cannot hold.
        """
        segmented = data.classes is not None and len(np.shape(data.source_y)) == 3
        if recipe.segments and not segmented:
            raise ConfigError(
                f"--model {model} finds the class of each pixel, and {data.name} has no class maps; use mnist-scenes as the "
                "data, or another model, such as --model cnn for images with one class"
            )
        tokens = None if data.origin is None else data.origin.tokens
        if tokens is not None:
            return cls._language(recipe, data, tokens, model)
        if recipe.context is not None:
            raise ConfigError(
                f"--model {model} predicts the next token of a text, and {data.name} is no text: use tinyshakespeare, names or "
                "a text file as the data, or another model"
            )
        recipe = dataclasses.replace(recipe, network=functools.partial(_network_for, recipe, data))
        try:
            if recipe.reconstructs:
                return cls._reconstruction(recipe, data)
            if data.origin is not None and data.origin.series is not None:
                return cls._forecasting(recipe, data, data.origin.series)
            if segmented:
                return cls._segmentation(recipe, data, model)
            return cls._classification(recipe, data) if data.classes is not None else cls._regression(recipe, data)
        except ShapeError as error:
            alternatives = {1: "table", 2: "forecast"}
            alternative = alternatives.get(len(data.shape), "mlp, or make the images larger with --size")
            alternative = "unet-small" if segmented else alternative
            raise ConfigError(
                f"--model {model} does not take samples of the shape {data.shape}: {error}; use --model {alternative}"
            ) from None

    @classmethod
    def _classification(cls, recipe: Recipe, data: Dataset) -> Task:
        network = recipe.classifier(data.shape, len(data.classes or ()))
        if has_unit(network):  # of a regression with as many targets
            network = with_softmax(network)
        return cls(network, CrossEntropy(), (Accuracy(),), CLASSIFICATION_METRICS)

    @classmethod
    def _segmentation(cls, recipe: Recipe, data: Dataset, model: str) -> Task:
        network = recipe.network(len(data.classes or ()))
        expected, shape = (*data.source_y.shape[1:], len(data.classes or ())), network.build(data.shape).shape
        if shape != expected:
            raise ConfigError(
                f"--model {model} has outputs of the shape {shape}, and {data.name} has a class for each pixel, which needs "
                f"{expected} (height, width, classes); use --model unet-small"
            )
        return cls(network, CrossEntropy(), (Accuracy(), MEAN_IOU), SEGMENTATION_METRICS)

    @classmethod
    def _language(cls, recipe: Recipe, data: Dataset, tokens: Tokens, model: str) -> Task:
        network, expected = recipe.network(len(tokens.tokenizer)), (*data.shape, len(tokens.tokenizer))
        try:
            shape = network.build(data.shape).shape
        except ShapeError as error:
            raise ConfigError(f"--model {model} does not take {data.name}, a text: {error}; {LANGUAGE_ADVICE}") from None
        if recipe.context is None and shape != expected:
            raise ConfigError(
                f"--model {model} has outputs of the shape {shape}, and a model of {data.name} predicts the next of "
                f"{expected[1]} tokens at each of {expected[0]} positions, {expected}; {LANGUAGE_ADVICE}"
            )
        metrics = language_metrics(tokens.tokenizer)
        return cls(network, CrossEntropy(), metrics[:1], metrics)

    @classmethod
    def _regression(cls, recipe: Recipe, data: Dataset) -> Task:
        y = np.asarray(data.y, np.float64).reshape(len(data), -1)
        network = recipe.network(y.shape[1])
        logarithm = data.origin is not None and data.origin.logarithm
        if has_unit(network):
            logarithm = isinstance(trailing_layers(network)[-1], Exp)
        if logarithm and not y.min() > 0:
            raise ConfigError(
                f"{data.name}: the network predicts the exponentials of logarithms, and a target has values down to "
                f"{y.min():g}, which have none: choose another target, or begin with a new network, without --from"
            )
        y = np.log(y) if logarithm else y
        units = [_unit(values, name, data.name) for values, name in zip(y.T, _target_names(data, y.shape[1]), strict=True)]
        deviations, means = (tuple(unit[i] for unit in units) for i in range(2))
        one = len(units) == 1
        units_of_network = deviations[0] if one else deviations, means[0] if one else means
        network = regressor(network, *units_of_network, logarithm=logarithm)
        outputs = network.build(data.shape).shape
        if outputs != (len(units),):
            numbers = "one number" if one else f"{len(units)} numbers"
            raise ConfigError(f"the network has outputs of the shape {outputs}, but the data has {numbers} to predict")
        unit = units_of_network[0]
        loss = LogSquaredError(unit) if logarithm else MeanSquaredError(unit)
        return cls(network, loss, (R2(),), REGRESSION_METRICS)

    @classmethod
    def _reconstruction(cls, recipe: Recipe, data: Dataset) -> Task:
        network = recipe.network(data.shape[-1])
        shape = network.build(data.shape).shape
        if shape != data.shape:
            raise ConfigError(
                f"the network makes images of the shape {shape} from images of the shape {data.shape}; choose a size with "
                "--size that its reductions divide, such as 32x32"
            )
        return cls(network, MeanSquaredError(), (R2(),), REGRESSION_METRICS)

    @classmethod
    def _forecasting(cls, recipe: Recipe, data: Dataset, layout: SeriesLayout) -> Task:
        stage = data.input_stage()
        assert isinstance(stage, Standardization)
        outputs = layout.horizon * len(layout.targets)
        network = forecaster(recipe.network(outputs), data.shape, stage)
        shape = network.build(data.shape).shape
        if shape != (layout.horizon, len(layout.targets)):
            raise ConfigError(
                f"the network has outputs of the shape {shape}, but the forecast has {layout.horizon} rows of "
                f"{len(layout.targets)} targets"
            )
        units = tuple(stage.scale[i] for i in target_positions(stage))
        return cls(network, MeanSquaredError(units), FORECAST_METRICS, FORECAST_METRICS)


def _target_names(data: Dataset, count: int) -> list[str]:
    """Return the names of the targets."""
    origin = data.origin
    if origin is None or len(origin.targets) not in (0, count) or (count > 1 and not origin.targets):
        return [str(i) for i in range(1, count + 1)] if count > 1 else ["target"]
    return [column.name for column in origin.targets] or [origin.target]


def _unit(y: Array, target: str, data: str) -> tuple[float, float]:
    """Return the standard deviation and the mean of a target.

    Raises DataError for a target that is constant, or that float32 cannot hold.
    """
    if not y.max() > y.min():  # the deviation of equal numbers may be a rounding error above 0
        what = "the target" if target == "target" else f"the target {target}"
        raise DataError(f"{data}: {what} is always {y[0]:g}, so there is nothing to learn")
    deviation, mean = float(y.std()), float(y.mean())
    if np.spacing(np.float32(abs(mean))) > MAX_ROUNDING * deviation:
        raise DataError(
            f"{data}: the target {target} varies by {deviation:.3g} around {mean:.10g}, more finely than the float32 "
            f"outputs of a network: subtract {mean:.6g} from it in the table, and add it to the predictions"
        )
    return deviation, mean


def language_metrics(tokenizer: Tokenizer) -> tuple[Metric, ...]:
    """Return the metrics of a language model: bits per character, and how often the most likely token is the right one."""
    lengths = tokenizer.lengths
    return BitsPerCharacter(None if (lengths == 1).all() else tuple(lengths.tolist())), Accuracy()


def forecaster(network: Composite, window: Shape, stage: Standardization) -> Composite:
    """Return a network that forecasts the targets of a series: their last values, plus the changes that ``network`` computes.

    ``network`` returns horizon · targets numbers for a window (time, columns) of standardized rows, in which the targets are
    differences to their last values; the other columns follow, unchanged. In the last row, where the differences would be 0,
    are the hyperbolic tangents of the last values. A softmax at the end of the network is removed. The outputs are (horizon,
    targets), in the units of the targets. So a network whose outputs are 0 predicts that nothing changes, and levels that a
    series never had in the training part are no larger inputs than those that it had.
    """
    last = trailing_layers(network)[-1]
    if isinstance(last, Rescale):  # a network from the config.json of a run already has these layers
        return network
    assert stage.series is not None
    body = without_last_layer(network) if isinstance(last, (Softmax, Identity)) else network
    columns, (steps, width) = target_positions(stage), window
    others = [i for i in range(width) if i not in columns]
    scale, mean = tuple(stage.scale[i] for i in columns), tuple(stage.mean[i] for i in columns)
    nodes = [
        *_selection("targets", columns, width),
        Node("last", Sequential(Slice(-1, axis=0), Flatten()), "targets"),
        Node("level", Sequential(Tanh(), Repeat(1)), "last"),
    ]
    if steps == 1:
        rows = "level"
    else:
        rows = "differences"
        nodes += [
            Node("earlier", Slice(0, -1, axis=0), "targets"),
            Node("last_at_each_step", Repeat(steps - 1), "last"),
            Node("changes_to_last", Subtract(), "earlier", "last_at_each_step"),
            Node(rows, Concatenate(axis=0), "changes_to_last", "level"),
        ]
    if others:
        nodes += [*_selection("others", others, width), Node("rows", Concatenate(), rows, "others")]
        rows = "rows"
    return Graph(
        *nodes,
        Node("network", body, rows),
        Node("changes", Reshape((stage.series.horizon, len(columns))), "network"),
        Node("last_in_each_row", Repeat(stage.series.horizon), "last"),
        Node("sum", Add(), "last_in_each_row", "changes"),
        Node("forecast", Rescale(scale, mean), "sum"),
    )


def _selection(name: str, columns: Sequence[int], width: int) -> list[Node]:
    """Return nodes that select these columns of the steps of the input; the last of them is called ``name``."""
    first, count = columns[0], len(columns)
    if list(columns) == list(range(first, first + count)):
        return [Node(name, Identity() if count == width else Slice(first, first + count), "input")]
    parts = [Node(f"{name}_{i}", Slice(i, i + 1), "input") for i in columns]
    return [*parts, Node(name, Concatenate(), *(part.name for part in parts))]


def _network_for(recipe: Recipe, data: Dataset, outputs: int) -> Composite:
    columns = () if data.origin is None or data.origin.series is not None else data.origin.columns or ()
    return with_vectors(recipe.network(outputs), [kind for column in columns for kind in column.kinds])


def regressor(
    network: Composite, deviation: float | tuple[float, ...], mean: float | tuple[float, ...], *, logarithm: bool = False
) -> Composite:
    """Return the network without its softmax and with a last layer that converts outputs to the unit of the target.

    ``deviation`` and ``mean`` are the standard deviation and mean of the target, or of each target. With ``logarithm`` they
    are those of its logarithms, and the last layer returns the exponentials.
    """
    if has_unit(network):  # a network from another run already has one
        return network
    body = without_last_layer(network) if isinstance(trailing_layers(network)[-1], (Softmax, Identity)) else network
    layers = body.layers if isinstance(body, Sequential) else [body]
    return Sequential(*layers, Rescale(deviation, mean), *([Exp()] if logarithm else []))


def has_unit(network: Layer) -> bool:
    """Return whether the network converts its outputs to the units of targets: it is that of a regression."""
    return isinstance((trailing_layers(network) or (None,))[-1], (Rescale, Exp))


def with_softmax(network: Layer) -> Sequential:
    """Return the network of a regression with a softmax in place of the layers that convert its outputs."""
    while has_unit(network):
        network = without_last_layer(network)
    return Sequential(*(network.layers if isinstance(network, Sequential) else [network]), Softmax())


def settle_scale(splits: Splits, task: Task, logarithm: bool | None, model: str) -> None:
    """Make the notes about a table agree with what the network of the ``task`` learns: logarithms, or the numbers themselves.

    ``logarithm`` is what was asked for, ``model`` the name of the network. Raises ConfigError where they differ.
    """
    origin, learned = splits.train.origin, isinstance(task.loss, LogSquaredError)
    if origin is None or splits.classes is not None or origin.logarithm == learned:
        return
    if logarithm is not None:
        found = "the logarithms of its target" if learned else "the numbers themselves"
        raise ConfigError(f"--{'' if logarithm else 'no-'}logarithm: {model} has learned {found}; leave the option out")
    notes = [note for note in origin.notes if not note.startswith("scale ")]
    if learned:
        notes.append(f"scale     the logarithms of {origin.target} are learned, as {model} does")
    splits.train.origin = dataclasses.replace(origin, notes=tuple(notes), logarithm=learned)
