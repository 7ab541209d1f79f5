"""Ensembles: the mean of the outputs of several models, and of their outputs for augmented copies of the images.

Networks trained from different seeds make different mistakes, and the mean of their probabilities makes fewer than any of them
(Hansen and Salamon, "Neural Network Ensembles", 1990). Test-time augmentation, the mean over augmented copies of an image
(Krizhevsky, Sutskever and Hinton, 2012), has the same effect on a smaller scale.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from pellucid.core.config import validate
from pellucid.core.memory import Array
from pellucid.core.named_arrays import NamedArrays, empty, unwrapped, wrapped
from pellucid.data.checks import numeric_arrays
from pellucid.data.dataset import Dataset
from pellucid.data.input_stage import Passthrough
from pellucid.data.sample_augmentation import AnyAugmentation, as_augmentation
from pellucid.errors import ConfigError
from pellucid.layers import Sigmoid, Softmax
from pellucid.metrics import Metric
from pellucid.model.model import Model
from pellucid.model.several import refuse_several
from pellucid.training import inputs
from pellucid.training.evaluation import Evaluation
from pellucid.training.execution import chunks
from pellucid.training.prediction import Predictor, start_scores

AUGMENTED_AT_ONCE = 2048  # samples
MAX_COPIES = 1000  # each copy takes the time of one more prediction, and beyond some tens the mean hardly changes


class Ensemble:
    """The mean of the outputs of ``models`` for the same task.

    With ``augmentation``, the mean is also over the outputs for ``copies`` augmented copies of each image (at most 1,000), each
    with the same weight as the image itself. Raises ConfigError where the models differ in their inputs, outputs, classes or
    loss, for several models whose outputs are embeddings, and for copies where the output is a map, which would move with the
    image.
    """

    def __init__(self, models: Sequence[Model], *, augmentation: AnyAugmentation | None = None, copies: int = 0):
        self.models = tuple(models)
        self.augmentation = as_augmentation(augmentation, "Ensemble")
        self.copies: int = validate(copies, int, "Ensemble", "copies")
        if not self.models:
            raise ConfigError("an ensemble needs at least one model")
        if not 0 <= self.copies <= MAX_COPIES or (self.copies and augmentation is None):
            raise ConfigError(f"Ensemble(copies={copies}): copies are from 0 to {MAX_COPIES:,}, and need an augmentation")
        first = self.models[0]
        for other in self.models[1:]:
            for name in ("input_shape", "output_shape", "classes", "loss", "loss_weights", "input_stage"):
                expected, actual = getattr(first, name), getattr(other, name)
                if expected != actual:
                    raise ConfigError(f"the models of an ensemble must have the same {name}, got {expected} and {actual}")
        if self.copies and not isinstance(first.output_shape, dict) and first.state.output.positions:
            raise ConfigError(
                f"Ensemble(copies={copies}): these models have an output at each of {first.state.output.positions} positions, "
                "which the changes of an image would move: leave out copies"
            )
        if self.augmentation is not None:
            refuse_several(first.network, "an ensemble with augmentation")
        if len(self.models) > 1 and first.state.output.compares_samples:
            raise ConfigError(f"the outputs for {first.loss} are embeddings: their mean over several models has no meaning")
        self._predictors = [Predictor(model.state) for model in self.models]

    def __reduce__(self) -> tuple[Any, ...]:
        return _ensemble, (self.models, self.augmentation, self.copies)

    @property
    def classes(self) -> Any:
        """The class names, or None; with several outputs, a dictionary by output."""
        return self.models[0].classes

    def read(
        self, source: str | os.PathLike[str] | Any, *, labelled: bool | None = None, encoding: str | None = None
    ) -> Dataset:
        """Return new data as these models need it; see ``Model.read``."""
        return self.models[0].read(source, labelled=labelled, encoding=encoding)

    def predict(self, x: Any) -> Any:
        """Return the mean outputs (n, *output shape) for the samples x; with several outputs, a dictionary of them.

        Raises what ``Model.predict`` raises.
        """
        samples = inputs.as_samples(x, self.models[0].input_stage)
        logits = self._logits(samples)
        return unwrapped(self._each(lambda head, z: _head_outputs(head, z).astype(np.float32), logits))

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        *,
        sample_weight: Any = None,
        metrics: Iterable[Metric] | Mapping[str, Iterable[Metric]] | None = None,
    ) -> Evaluation:
        """Return ``{"loss": …, "accuracy": …}`` for the mean outputs; see ``Model.evaluate``."""
        first, data = self.models[0], inputs.as_dataset(x, y, sample_weight, stage=self.models[0].input_stage)
        state = first.state
        samples = inputs.checked_samples(data, "data", first.input_stage or data.input_stage(), state, first.classes)
        scores = start_scores(state, first.metrics if metrics is None else inputs.check_metrics(metrics, state))
        z = self._each(lambda head, one: one.astype(np.float32), self._logits(numeric_arrays(data.x, "x")))
        output = state.output
        outputs, dz = (empty(len(z), shape, np.float32) for shape in (output.metric_shape, output.shape))
        read = self._predictors[0].steps_read(wrapped(data.x), first.input_stage or data.input_stage())
        weights = output.step_weights(np.ones(len(z), np.float32) if samples.weights is None else samples.weights, read)
        with np.errstate(all="ignore"):  # an infinite loss is a result, not an error
            sums = output.compute(z, samples.targets, weights, 1.0, outputs, dz)
        scores.add(sums, output.total(weights), outputs, samples.targets, weights)
        return Evaluation.of(scores.result(), data, self.classes)

    def _logits(self, x: Any) -> Any:
        """Return the logits (n, …, k) of the mean outputs, in float64: the head turns them into the mean outputs.

        The mean of probabilities is computed from their logarithms, which keep the precision near 0 and 1.
        """
        total: Any = None
        samples = Dataset(unwrapped(x), None) if len(x) else unwrapped(x)  # rows of a table are encoded already
        for model in self.models:
            z = wrapped(model.predict(samples, logits=True))
            total = self._each(_added, z) if total is None else self._each(_added, z, total)
        if self.augmentation is not None:
            for rows in chunks(len(x), AUGMENTED_AT_ONCE):
                for copy in range(self.copies):
                    augmented = self.augmentation.apply(x[rows], epoch=copy, first=rows.start)
                    for predictor in self._predictors:
                        z = predictor.outputs(augmented, Passthrough(), logits=True)  # apply() has scaled the images
                        part = self._each(lambda head, one, rows=rows: one[:, rows], total)
                        self._each(_assign, part, self._each(_added, z, part))
        count = len(self.models) * (1 + self.copies)
        return self._each(lambda head, one: _mean(head, one, count), total)

    def _each(self, function: Callable[..., Any], *values: Any) -> Any:
        """Return ``function(head, *values)``, or with several outputs NamedArrays of this for each output."""
        output = self.models[0].state.output
        if not isinstance(values[0], NamedArrays):
            return function(output.head, *values)
        return NamedArrays(
            {name: function(part.head, *(value[name] for value in values)) for name, part in output.parts.items()}
        )


def _added(head: Any, z: Array, total: Array | None = None) -> Array:
    """Return the total (1 or 2, n, …, k) with one model's logits z (n, …, k) added.

    For Softmax the total is log Σ p over the probabilities p of the models; for Sigmoid it is log Σ p and log Σ (1 − p);
    otherwise it is the sum of the outputs.
    """
    z = z.astype(np.float64)
    if isinstance(head, Softmax):
        terms = (z - np.logaddexp.reduce(z, axis=-1, keepdims=True))[None]
    elif isinstance(head, Sigmoid):
        terms = -np.logaddexp(0, np.stack([-z, z]))
    else:
        return z[None] if total is None else total + z
    return terms if total is None else np.logaddexp(total, terms)


def _assign(head: Any, target: Array, values: Array) -> Array:
    target[...] = values
    return target


def _mean(head: Any, total: Array, count: int) -> Array:
    """Return the logits of the mean of ``count`` outputs."""
    if isinstance(head, Softmax):
        return total[0]
    return total[0] - total[1] if isinstance(head, Sigmoid) else total[0] / count


def _head_outputs(head: Any, z: Array) -> Array:
    """Return the head's outputs for the logits z (n, …, k), in float64."""
    if isinstance(head, Softmax):
        return np.exp(z - np.logaddexp.reduce(z, axis=-1, keepdims=True))
    return np.exp(-np.logaddexp(0, -z)) if isinstance(head, Sigmoid) else z


def _ensemble(models: Sequence[Model], augmentation: AnyAugmentation | None, copies: int) -> Ensemble:
    """Return the ensemble of a pickle."""
    return Ensemble(models, augmentation=augmentation, copies=copies)
