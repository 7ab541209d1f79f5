"""Ensembles: the mean of several models' outputs, and of their outputs for randomly changed copies of the images.

Networks trained from different seeds make different mistakes, and the mean of their probabilities makes fewer than each of them
(Hansen and Salamon, "Neural Network Ensembles", 1990). Test-time augmentation, the mean over changed copies of an image
(Krizhevsky, Sutskever and Hinton, 2012), has the same effect on a smaller scale.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from pellucid.core.config import validate
from pellucid.core.memory import Array
from pellucid.data.augmentation import Augmentation
from pellucid.data.checks import numeric_array
from pellucid.data.dataset import Dataset
from pellucid.data.input_stage import Passthrough
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

    With ``augmentation``, each model also sees ``copies`` changed versions of each image, which count as much as the image
    itself. Raises ConfigError where the models differ in their inputs, outputs, classes or loss.
    """

    def __init__(self, models: Sequence[Model], *, augmentation: Augmentation | None = None, copies: int = 0):
        self.models = tuple(models)
        self.augmentation: Augmentation | None = validate(augmentation, Augmentation | None, "Ensemble", "augmentation")
        self.copies: int = validate(copies, int, "Ensemble", "copies")
        if not self.models:
            raise ConfigError("an ensemble needs at least one model")
        if self.copies < 0 or (self.copies and augmentation is None):
            raise ConfigError(f"Ensemble(copies={copies}): copies must be 0 or more, and need an augmentation")
        first = self.models[0]
        for other in self.models[1:]:
            for name in ("input_shape", "output_shape", "classes", "loss", "input_stage"):
                one, two = getattr(first, name), getattr(other, name)
                if one != two:
                    raise ConfigError(f"the models of an ensemble must have the same {name}, got {one} and {two}")
        self._predictors = [Predictor(model.state) for model in self.models]

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The names of the outputs."""
        return self.models[0].classes

    def predict(self, x: Array) -> Array:
        """Return the mean outputs (n, *output shape) for the samples x. Raises what ``Model.predict`` raises."""
        return self._outputs(self._logits(numeric_array(x, "x"))).astype(np.float32)

    def evaluate(
        self,
        x: Array | Dataset,
        y: Array | None = None,
        *,
        sample_weight: Array | None = None,
        metrics: Iterable[Metric] | None = None,
    ) -> Evaluation:
        """Return ``{"loss": …, "accuracy": …}`` for the mean outputs, as ``Model.evaluate`` does for one model."""
        first, data = self.models[0], inputs.as_dataset(x, y, sample_weight)
        state = first.state
        samples = inputs.samples(data, "data", first.input_stage or data.input_stage(), state)
        scores = Scores(state, first.metrics if metrics is None else inputs.check_metrics(metrics, state))
        z = self._logits(numeric_array(data.x, "x")).astype(np.float32)
        outputs = np.empty_like(z)
        weights = np.ones(len(z), np.float32) if samples.weights is None else samples.weights
        with np.errstate(all="ignore"):
            loss = state.loss.compute(z, samples.targets, weights, 1.0, outputs, np.empty_like(z), state.kernels)
        scores.add(loss, float(weights.sum(dtype=np.float64)), outputs, samples.targets, weights)
        return Evaluation.of(scores.result(), data, self.classes)

    def _logits(self, x: Array) -> Array:
        """Return the logits (n, k), in float64, of which the head makes the mean outputs.

        Probabilities are averaged in logarithms, where those near 0 and 1 keep their digits.
        """
        total: Array | None = None
        for model in self.models:
            total = self._added(total, model.predict(x, logits=True))
        assert total is not None
        if self.augmentation is not None:
            for rows in chunks(len(x), AUGMENTED_AT_ONCE):
                for copy in range(self.copies):
                    changed = self.augmentation.apply(x[rows], epoch=copy, first=rows.start)
                    for predictor in self._predictors:
                        z = predictor.outputs(changed, Passthrough(), logits=True)
                        total[:, rows] = self._added(total[:, rows], z)
        head, count = self.models[0].state.head, len(self.models) * (1 + self.copies)
        if isinstance(head, Softmax):
            return total[0]
        return total[0] - total[1] if isinstance(head, Sigmoid) else total[0] / count

    def _added(self, total: Array | None, z: Array) -> Array:
        """Return the total with z added, (1 or 2, n, k).

        The total is log Σ of the probabilities for Softmax, of the probabilities and of their complements for Sigmoid, and
        the sum of the outputs otherwise.
        """
        z, head = z.astype(np.float64), self.models[0].state.head
        if isinstance(head, Softmax):
            terms = (z - np.logaddexp.reduce(z, axis=1, keepdims=True))[None]
        elif isinstance(head, Sigmoid):
            terms = -np.logaddexp(0, np.stack([-z, z]))
        else:
            return z[None] if total is None else total + z
        return terms if total is None else np.logaddexp(total, terms)

    def _outputs(self, z: Array) -> Array:
        head = self.models[0].state.head
        if isinstance(head, Softmax):
            return np.exp(z - np.logaddexp.reduce(z, axis=1, keepdims=True))
        return np.exp(-np.logaddexp(0, -z)) if isinstance(head, Sigmoid) else z
