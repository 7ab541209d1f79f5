"""The task of a run, chosen by its training data: classification or regression, with a network, a loss and metrics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.data import Dataset
from pellucid.errors import ConfigError, DataError, ShapeError
from pellucid.layers import Identity, Rescale, Softmax
from pellucid.losses import CrossEntropy, Loss, MeanSquaredError
from pellucid.metrics import R2, AbsoluteError, Accuracy, ConfusionMatrix, Metric, Precision, Recall, SquaredError
from pellucid.networks import Composite, Sequential, trailing_layers, without_last_layer
from pellucid.runs.recipe import Recipe

CLASSIFICATION_METRICS: tuple[Metric, ...] = (Accuracy(), Precision(), Recall(), ConfusionMatrix())
REGRESSION_METRICS: tuple[Metric, ...] = (SquaredError(), AbsoluteError(), R2())
MAX_ROUNDING = 0.1  # of the target's standard deviation: the distance of its neighbours in float32


@dataclass(frozen=True)
class Task:
    """The task of a run: a network with a suitable last layer, a loss and metrics.

    ``metrics`` are computed after every epoch, ``final_metrics`` once at the end.

    Classification uses a softmax and cross-entropy. Regression uses one output in the unit of the target: the network computes
    the standardized target (by mean and standard deviation of the training set), and its last layer converts the unit. The
    loss is measured in standard deviations of the target, so that a learning rate means the same for prices and temperatures.
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
        try:
            return cls._classification(recipe, data) if data.classes is not None else cls._regression(recipe, data)
        except ShapeError as error:
            alternative = "table" if len(data.shape) == 1 else "mlp, or make the images larger with --size"
            raise ConfigError(
                f"--model {model} does not take samples of the shape {data.shape}: {error}; use --model {alternative}"
            ) from None

    @classmethod
    def _classification(cls, recipe: Recipe, data: Dataset) -> Task:
        network = recipe.classifier(data.shape, len(data.classes or ()))
        return cls(network, CrossEntropy(), (Accuracy(),), CLASSIFICATION_METRICS)

    @classmethod
    def _regression(cls, recipe: Recipe, data: Dataset) -> Task:
        y = np.asarray(data.y, np.float64)
        if not y.max() > y.min():  # the deviation of equal numbers may be a rounding error above 0
            raise DataError(f"{data.name}: the target is always {y[0]:g}, so there is nothing to learn")
        deviation = float(y.std())
        mean = float(y.mean())
        if np.spacing(np.float32(abs(mean))) > MAX_ROUNDING * deviation:
            target = "target" if data.origin is None else data.origin.target
            raise DataError(
                f"{data.name}: the target {target} varies by {deviation:.3g} around {mean:.10g}, more finely than the float32 "
                f"outputs of a network: subtract {mean:.6g} from it in the table, and add it to the predictions"
            )
        network = regressor(recipe.network(1), deviation, mean)
        outputs = network.build(data.shape).shape
        if outputs != (1,):
            raise ConfigError(f"the network has outputs of the shape {outputs}, but the data has one number to predict")
        return cls(network, MeanSquaredError(deviation), (R2(),), REGRESSION_METRICS)


def regressor(network: Composite, deviation: float, mean: float) -> Composite:
    """Return the network without its softmax and with a last layer that converts outputs to the unit of the target.

    ``deviation`` and ``mean`` are the standard deviation and mean of the target.
    """
    last = trailing_layers(network)[-1]
    if isinstance(last, Rescale):  # a network from the config.json of a run already has one
        return network
    body = without_last_layer(network) if isinstance(last, (Softmax, Identity)) else network
    return Sequential(*(body.layers if isinstance(body, Sequential) else [body]), Rescale(deviation, mean))
