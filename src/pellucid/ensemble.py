"""Several models as one: the mean of their outputs, and of what they make of slightly changed pictures.

Networks trained from other seeds make other mistakes, and the mean of their probabilities makes fewer than each of them
(Hansen and Salamon, "Neural Network Ensembles", 1990). One network asked about changed copies of a picture (test-time
augmentation; Krizhevsky, Sutskever and Hinton, 2012) does the same on a smaller scale.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from pellucid.config import checked
from pellucid.data.augmentation import Augmentation
from pellucid.data.dataset import Dataset, numbers
from pellucid.data.stage import Numbers, stage_for
from pellucid.errors import ConfigError
from pellucid.layers import Sigmoid, Softmax
from pellucid.memory import Array
from pellucid.metrics import Metric, Value
from pellucid.model import Model
from pellucid.training import intake
from pellucid.training.inference import Scores

STRETCH = 2048  # samples changed at a time
TINY = 1e-30  # a probability of 0 has no logarithm


class Ensemble:
    """``models`` of the same task, asked together. With ``augmentation``, each of them also sees ``copies`` changed versions
    of each picture, which count as much as the picture itself.

    Raises ConfigError where the models do not answer the same question.
    """

    def __init__(self, models: Sequence[Model], *, augmentation: Augmentation | None = None, copies: int = 0):
        self.models = tuple(models)
        self.augmentation: Augmentation | None = checked(augmentation, Augmentation | None, "Ensemble", "augmentation")
        self.copies: int = checked(copies, int, "Ensemble", "copies")
        if not self.models:
            raise ConfigError("an ensemble needs at least one model")
        if self.copies < 0 or (self.copies and augmentation is None):
            raise ConfigError(f"Ensemble(copies={copies}): copies of pictures need an augmentation, and are 0 or more")
        first = self.models[0]
        for other in self.models[1:]:
            for name in ("input_shape", "output_shape", "classes", "loss", "input_stage"):
                one, two = getattr(first, name), getattr(other, name)
                if one != two:
                    raise ConfigError(f"these models do not answer the same question: {name} is {one} and {two}")

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The names of the outputs."""
        return self.models[0].classes

    def predict(self, x: Array) -> Array:
        """The mean outputs (n, *output shape) for the samples x (n, *input shape). Raises what ``Model.predict`` does."""
        x = numbers(x, "x")
        total: Array = np.stack([model.predict(x) for model in self.models]).sum(axis=0, dtype=np.float32)
        if self.augmentation is not None:
            for start in range(0, len(x), STRETCH):
                part = slice(start, start + STRETCH)
                for copy in range(self.copies):
                    changed = self.augmentation.changed(x[part], epoch=copy, first=start)
                    for model in self.models:
                        total[part] += model._inference.outputs(changed, Numbers())
        total /= np.float32(len(self.models) * (1 + self.copies))
        return total

    def evaluate(
        self,
        x: Array | Dataset,
        y: Array | None = None,
        *,
        weights: Array | None = None,
        metrics: Iterable[Metric] | None = None,
    ) -> dict[str, Value]:
        """``{"loss": …, "accuracy": …}`` of the mean outputs, as ``Model.evaluate`` gives them for one model."""
        first, data = self.models[0], intake.dataset(x, y, weights)
        samples = first._samples(data, "data", first.input_stage or stage_for(data.source_x))
        chosen = first.metrics if metrics is None else intake.countable(metrics, first.loss, first.output_shape)
        parts, scores = first._parts, Scores(first._parts, chosen)
        outputs = self.predict(data.x)
        z = outputs
        if isinstance(parts.head, Softmax):  # what the loss is computed from: softmax(log p) = p
            z = np.log(np.maximum(outputs, TINY))
        elif isinstance(parts.head, Sigmoid):
            z = np.log(np.maximum(outputs, TINY)) - np.log(np.maximum(1 - outputs, TINY))
        w = np.ones(len(z), np.float32) if samples.weights is None else samples.weights
        a, dz = np.empty_like(z), np.empty_like(z)
        with np.errstate(all="ignore"):
            loss = parts.loss.compute(z, samples.targets, w, 1.0, a, dz, parts.kernels)
        scores.add(loss, float(w.sum(dtype=np.float64)), outputs, samples.targets, w)
        return scores.result()
