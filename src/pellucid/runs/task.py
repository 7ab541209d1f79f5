"""What a run learns from its data: which of some classes a sample is, or a number."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from pellucid.runs import presets
from pellucid.data import Dataset
from pellucid.errors import ConfigError, DataError, ShapeError
from pellucid.layers import Layer, Identity, Rescale, Softmax
from pellucid.losses import CrossEntropy, Loss, MeanSquaredError
from pellucid.metrics import R2, AbsoluteError, Accuracy, ConfusionMatrix, Metric, Precision, Recall, SquaredError
from pellucid.networks import Sequential, in_line, without_last
from pellucid.runs.presets import Recipe

OF_CLASSES: tuple[Metric, ...] = (Accuracy(), Precision(), Recall(), ConfusionMatrix())
OF_NUMBERS: tuple[Metric, ...] = (SquaredError(), AbsoluteError(), R2())
_STEPS = (500, 50_000)  # that a training on data of any size takes at least and at most, where nobody says how many epochs
_EPOCHS = (3, 60)


@dataclass(frozen=True)
class Task:
    """A recipe's ``network`` with the last layer that the training data asks for, its ``loss``, the metrics ``watched`` while
    it trains and those ``scored`` at the end.

    Classes: a softmax and cross-entropy. Numbers: one output in the target's own unit. What is before it works with the
    target standardized by the training set's figures, and the loss is measured in standard deviations of the target, so that
    a learning rate means the same for prices and for temperatures.
    """

    network: Layer
    loss: Loss
    watched: tuple[Metric, ...]
    scored: tuple[Metric, ...]

    @classmethod
    def of(cls, recipe: Recipe, training: Dataset, name: str) -> Task:
        """Raises ConfigError where the preset called ``name`` is not for such samples."""
        try:
            if training.classes is not None:
                network = presets.fits(recipe, training.shape, len(training.classes))
                return cls(network, CrossEntropy(), (Accuracy(),), OF_CLASSES)
            y = np.asarray(training.y, np.float64)
            spread = float(y.std())
            if not spread > 0:
                raise DataError(f"{training.name}: the target is always {y[0]:g}: there is nothing to learn")
            network = predicting(recipe.network(1), spread, float(y.mean()))
            outputs = network.build(training.shape).shape
        except ShapeError as error:
            fits = "table" if len(training.shape) == 1 else "mlp, or make the pictures larger with --size"
            raise ConfigError(
                f"--model {name} is not for samples of the shape {training.shape}: {error}; use --model {fits}"
            ) from None
        if outputs != (1,):
            raise ConfigError(f"the network ends in {outputs}, the data has one number to predict")
        return cls(network, MeanSquaredError(spread), (R2(),), OF_NUMBERS)


def predicting(network: Layer, scale: float, offset: float) -> Layer:
    """The network for a number in its own unit, of which ``scale`` is the standard deviation and ``offset`` the mean: without
    the softmax at its end, and with a change of units there."""
    last = in_line(network)[-1]
    if isinstance(last, Rescale):  # a network from a run's config.json has one
        return network
    body = without_last(network) if isinstance(last, (Softmax, Identity)) else network
    return Sequential(*(body.layers if isinstance(body, Sequential) else [body]), Rescale(scale, offset))


def paced(recipe: Recipe, n: int) -> Recipe:
    """The recipe with as many epochs as ``n`` samples ask for."""
    steps = math.ceil(n / recipe.batch_size)
    if steps * recipe.epochs < _STEPS[0]:
        epochs = min(_EPOCHS[1], math.ceil(_STEPS[0] / steps))
    else:
        epochs = min(recipe.epochs, max(_EPOCHS[0], _STEPS[1] // steps))
    return dataclasses.replace(recipe, epochs=epochs)
