"""Ensembles: the mean of the outputs of several models, and of their outputs for augmented copies of the images.

Networks trained from different seeds make different mistakes, and the mean of their probabilities makes fewer than any of them
(Hansen and Salamon, "Neural Network Ensembles", 1990). Test-time augmentation, the mean over augmented copies of an image
(Krizhevsky, Sutskever and Hinton, 2012), has the same effect on a smaller scale.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from pellucid.core.config import validate
from pellucid.core.memory import Array
from pellucid.data.checks import numeric_array
from pellucid.data.dataset import Dataset
from pellucid.data.input_stage import Passthrough
from pellucid.data.sample_augmentation import AnyAugmentation, as_augmentation
from pellucid.errors import ConfigError
from pellucid.layers import Sigmoid, Softmax
from pellucid.metrics import Metric
from pellucid.model.model import Model
from pellucid.training import inputs
from pellucid.training.evaluation import Evaluation
from pellucid.training.execution import chunks
from pellucid.training.prediction import Predictor, Scores

AUGMENTED_AT_ONCE = 2048  # samples


class Ensemble:
    """The mean of the outputs of ``models`` for the same task.

    With ``augmentation``, the mean is also over the outputs for ``copies`` augmented copies of each image, each with the same
    weight as the image itself. Raises ConfigError where the models differ in their inputs, outputs, classes or loss, for
    several models whose outputs are embeddings, and for copies where the output is a map, which would move with the image.
    """

    def __init__(self, models: Sequence[Model], *, augmentation: AnyAugmentation | None = None, copies: int = 0):
        self.models = tuple(models)
        self.augmentation = as_augmentation(augmentation, "Ensemble")
        self.copies: int = validate(copies, int, "Ensemble", "copies")
        if not self.models:
            raise ConfigError("an ensemble needs at least one model")
        if self.copies < 0 or (self.copies and augmentation is None):
            raise ConfigError(f"Ensemble(copies={copies}): copies must be 0 or more, and need an augmentation")
        first = self.models[0]
        for other in self.models[1:]:
            for name in ("input_shape", "output_shape", "classes", "loss", "input_stage"):
                expected, actual = getattr(first, name), getattr(other, name)
                if expected != actual:
                    raise ConfigError(f"the models of an ensemble must have the same {name}, got {expected} and {actual}")
        if self.copies and first.state.output.positions:
            raise ConfigError(
                f"Ensemble(copies={copies}): these models have an output at each of {first.state.output.positions} positions, "
                "which the changes of an image would move: leave out copies"
            )
        if len(self.models) > 1 and first.state.loss.compares_samples:
            raise ConfigError(f"the outputs for {first.loss} are embeddings: their mean over several models has no meaning")
        self._predictors = [Predictor(model.state) for model in self.models]

    def __reduce__(self) -> tuple[Any, ...]:
        return _ensemble, (self.models, self.augmentation, self.copies)

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The class names, or None."""
        return self.models[0].classes

    def read(self, source: str | os.PathLike[str] | Any, *, labelled: bool | None = None) -> Dataset:
        """Return new data as these models need it; see ``Model.read``."""
        return self.models[0].read(source, labelled=labelled)

    def predict(self, x: Array | Dataset) -> Array:
        """Return the mean outputs (n, *output shape) for the samples x. Raises what ``Model.predict`` raises."""
        samples = inputs.as_samples(x, self.models[0].input_stage)
        return self._outputs(self._logits(samples)).astype(np.float32)

    def evaluate(
        self,
        x: Array | Dataset,
        y: Array | None = None,
        *,
        sample_weight: Array | None = None,
        metrics: Iterable[Metric] | None = None,
    ) -> Evaluation:
        """Return ``{"loss": …, "accuracy": …}`` for the mean outputs; see ``Model.evaluate``."""
        first, data = self.models[0], inputs.as_dataset(x, y, sample_weight, stage=self.models[0].input_stage)
        state = first.state
        samples = inputs.checked_samples(data, "data", first.input_stage or data.input_stage(), state, first.classes)
        scores = Scores(state, first.metrics if metrics is None else inputs.check_metrics(metrics, state))
        z = self._logits(numeric_array(data.x, "x")).astype(np.float32)
        output = state.output
        outputs = np.empty((len(z), *output.metric_shape), np.float32)
        steps = self._predictors[0].steps_read(data.x, first.input_stage or data.input_stage())
        weights = output.row_weights(np.ones(len(z), np.float32) if samples.weights is None else samples.weights, steps)
        with np.errstate(all="ignore"):  # an infinite loss is a result, not an error
            loss = output.compute(z, samples.targets, weights, 1.0, outputs, np.empty_like(z))
        scores.add(loss, float(weights.sum(dtype=np.float64)), outputs, samples.targets, weights)
        return Evaluation.of(scores.result(), data, self.classes)

    def _logits(self, x: Array) -> Array:
        """Return the logits (n, …, k) of the mean outputs, in float64: the head turns them into the mean outputs.

        The mean of probabilities is computed from their logarithms, which keep the precision near 0 and 1.
        """
        total: Array | None = None
        for model in self.models:
            total = self._added(total, model.predict(x, logits=True))
        assert total is not None
        if self.augmentation is not None:
            for rows in chunks(len(x), AUGMENTED_AT_ONCE):
                for copy in range(self.copies):
                    augmented = self.augmentation.apply(x[rows], epoch=copy, first=rows.start)
                    for predictor in self._predictors:
                        z = predictor.outputs(augmented, Passthrough(), logits=True)  # apply() has scaled the images
                        total[:, rows] = self._added(total[:, rows], z)
        head, count = self.models[0].state.head, len(self.models) * (1 + self.copies)
        if isinstance(head, Softmax):
            return total[0]
        return total[0] - total[1] if isinstance(head, Sigmoid) else total[0] / count

    def _added(self, total: Array | None, z: Array) -> Array:
        """Return the total (1 or 2, n, …, k) with one model's logits z (n, …, k) added.

        For Softmax the total is log Σ p over the probabilities p of the models; for Sigmoid it is log Σ p and log Σ (1 − p);
        otherwise it is the sum of the outputs.
        """
        z, head = z.astype(np.float64), self.models[0].state.head
        if isinstance(head, Softmax):
            terms = (z - np.logaddexp.reduce(z, axis=-1, keepdims=True))[None]
        elif isinstance(head, Sigmoid):
            terms = -np.logaddexp(0, np.stack([-z, z]))
        else:
            return z[None] if total is None else total + z
        return terms if total is None else np.logaddexp(total, terms)

    def _outputs(self, z: Array) -> Array:
        """Return the head's outputs for the logits z (n, …, k), in float64."""
        head = self.models[0].state.head
        if isinstance(head, Softmax):
            return np.exp(z - np.logaddexp.reduce(z, axis=-1, keepdims=True))
        return np.exp(-np.logaddexp(0, -z)) if isinstance(head, Sigmoid) else z


def _ensemble(models: Sequence[Model], augmentation: AnyAugmentation | None, copies: int) -> Ensemble:
    """Return the ensemble of a pickle."""
    return Ensemble(models, augmentation=augmentation, copies=copies)
