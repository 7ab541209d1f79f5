"""Several models as one: the mean of their outputs, and of what they make of slightly changed pictures.

Networks trained from other seeds make other mistakes, and the mean of their probabilities makes fewer than each of them
(Hansen and Salamon, "Neural Network Ensembles", 1990). One network asked about changed copies of a picture (test-time
augmentation; Krizhevsky, Sutskever and Hinton, 2012) does the same on a smaller scale.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from pellucid.core.config import checked
from pellucid.core.memory import Array
from pellucid.data.augmentation import Augmentation
from pellucid.data.checks import numbers
from pellucid.data.dataset import Dataset
from pellucid.data.input_stage import Numbers
from pellucid.errors import ConfigError
from pellucid.layers import Sigmoid, Softmax
from pellucid.metrics import Metric
from pellucid.model.model import Model
from pellucid.training import inputs as inputs
from pellucid.training.evaluation import Evaluation
from pellucid.training.inference import Scores

STRETCH = 2048  # samples changed at a time


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
        return self._outputs(self._logits(numbers(x, "x"))).astype(np.float32)

    def _logits(self, x: Array) -> Array:
        """What the head makes the mean outputs of, (n, k) in float64: means of probabilities are taken in logarithms, where
        a probability near 0 or 1 keeps its digits."""
        total: Array | None = None
        for model in self.models:
            total = self._added(total, model.predict(x, logits=True))
        assert total is not None
        if self.augmentation is not None:
            for start in range(0, len(x), STRETCH):
                part = slice(start, start + STRETCH)
                for copy in range(self.copies):
                    changed = self.augmentation.changed(x[part], epoch=copy, first=start)
                    for model in self.models:
                        total[:, part] = self._added(total[:, part], model._inference.outputs(changed, Numbers(), logits=True))
        head, count = self.models[0]._parts.head, len(self.models) * (1 + self.copies)
        if isinstance(head, Softmax):
            return total[0]
        return total[0] - total[1] if isinstance(head, Sigmoid) else total[0] / count

    def _added(self, total: Array | None, z: Array) -> Array:
        """(1 or 2, n, k): log Σ of probabilities (and of their complements, for Sigmoid), or Σ of outputs."""
        z, head = z.astype(np.float64), self.models[0]._parts.head
        if isinstance(head, Softmax):
            terms = (z - np.logaddexp.reduce(z, axis=1, keepdims=True))[None]
        elif isinstance(head, Sigmoid):
            terms = -np.logaddexp(0, np.stack([-z, z]))
        else:
            return z[None] if total is None else total + z
        return terms if total is None else np.logaddexp(total, terms)

    def _outputs(self, z: Array) -> Array:
        head = self.models[0]._parts.head
        if isinstance(head, Softmax):
            return np.exp(z - np.logaddexp.reduce(z, axis=1, keepdims=True))
        return np.exp(-np.logaddexp(0, -z)) if isinstance(head, Sigmoid) else z

    def evaluate(
        self,
        x: Array | Dataset,
        y: Array | None = None,
        *,
        sample_weight: Array | None = None,
        metrics: Iterable[Metric] | None = None,
    ) -> Evaluation:
        """``{"loss": …, "accuracy": …}`` of the mean outputs, as ``Model.evaluate`` gives them for one model."""
        first, data = self.models[0], inputs.dataset(x, y, sample_weight)
        samples = first._trainer.samples(data, "data", first.input_stage or data.stage())
        chosen = first.metrics if metrics is None else inputs.check_metrics(metrics, first._parts)
        parts, scores = first._parts, Scores(first._parts, chosen)
        z = self._logits(numbers(data.x, "x")).astype(np.float32)
        outputs = np.empty_like(z)
        w = np.ones(len(z), np.float32) if samples.weights is None else samples.weights
        with np.errstate(all="ignore"):
            loss = parts.loss.compute(z, samples.targets, w, 1.0, outputs, np.empty_like(z), parts.kernels)
        scores.add(loss, float(w.sum(dtype=np.float64)), outputs, samples.targets, w)
        return Evaluation.of(scores.result(), data, self.classes)
