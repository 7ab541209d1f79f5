"""Prediction and evaluation: a model's outputs and scores, computed in chunks of samples.

Both may be called from several threads at once: each call takes an execution from a pool, or creates one if the pool is empty.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from pellucid.core.memory import Array
from pellucid.data.input_stage import InputStage
from pellucid.errors import DataError
from pellucid.metrics import Metric, MetricState, Value, binary_scores
from pellucid.training.execution import Execution, chunk_size, chunks
from pellucid.training.inputs import Samples
from pellucid.training.state import ModelState

CHUNK_VALUES = 2_000_000  # in the largest array of a chunk: 8 MB, which the caches hold in part
CHUNK_SAMPLES = 1024  # with 512, the overhead of the calls is noticeable; more samples are not faster


class Scores:
    """The loss and the metrics of a set, accumulated batch by batch; exact over the whole set.

    ``loss`` and ``weight`` are the sums Σ wᵢ lᵢ and Σ wᵢ so far. ``metrics`` are by default the model's.
    """

    def __init__(self, state: ModelState, metrics: Iterable[Metric] | None = None):
        self.loss, self.weight = 0.0, 0.0
        self._output = state.output
        several = state.output.metric_shape[-1] > 1
        self._single_score = state.loss.classifies and state.loss.head is None and not several  # such as the hinge loss
        self._metrics: list[tuple[str, MetricState]] = [
            (metric.name, state.output.start_metric(metric)) for metric in (state.metrics if metrics is None else metrics)
        ]

    def add(self, loss: float, weight: float, outputs: Array, targets: Array, row_weights: Array) -> None:
        """Add one batch: Σ wᵢ lᵢ, Σ wᵢ, and for the metrics its outputs (n, *metric shape), targets and weights of rows."""
        self.loss += loss
        self.weight += weight
        outputs, targets = self._output.rows(outputs), self._output.rows(targets)
        if self._single_score:
            outputs, targets = binary_scores(outputs, targets)
        for _, metric in self._metrics:
            metric.update(outputs, targets, row_weights)

    def result(self) -> dict[str, Value]:
        """Return ``{"loss": …, "accuracy": …}`` over the batches so far; the loss is NaN if their weights are zero."""
        loss = self.loss / self.weight if self.weight else math.nan
        return {"loss": loss, **{name: metric.result() for name, metric in self._metrics}}


class Predictor:
    """Computes a model's outputs and scores in prediction mode: dropout is off, and no intermediate results are kept.

    Both methods may be called from several threads at once.
    """

    def __init__(self, state: ModelState):
        self.state = state
        self._chunk_size = chunk_size(state.largest_output, CHUNK_VALUES, CHUNK_SAMPLES)
        self._pool: list[Execution] = []

    def outputs(self, x: Array, stage: InputStage, *, logits: bool = False) -> Array:
        """Return the outputs (n, *output shape) for the samples x (n, *input shape) as a new array.

        ``stage`` is the input stage to apply. With ``logits`` they are the values before the head.
        """
        state = self.state
        head = None if state.head is None or logits else getattr(state.kernels, state.head.kernel_name)
        result = np.empty((len(x), *state.output.shape), state.dtype)
        execution = self._borrowed_execution(len(x))
        for rows in chunks(len(x), self._chunk_size):
            z = self._logits(execution, x, stage, rows, rows.stop - rows.start)
            if head is None:
                result[rows] = z
            else:
                head(z, out=result[rows])
        self._pool.append(execution)
        return result

    def steps_read(self, x: Array, stage: InputStage) -> Array | None:
        """Return which time steps (n, time) of the samples x a recurrent layer reads, if these are the positions of the output.

        None if no layer skips positions.
        """
        if self.state.mask_path is None:
            return None
        execution, steps = self._borrowed_execution(len(x)), list[Array]()
        for rows in chunks(len(x), self._chunk_size):
            self._logits(execution, x, stage, rows, rows.stop - rows.start)
            read = execution.steps_read(self.state.mask_path)
            assert read is not None
            steps.append(read.copy())
        self._pool.append(execution)
        return np.concatenate(steps)

    def evaluate(self, samples: Samples, stage: InputStage, metrics: Iterable[Metric] | None = None) -> dict[str, Value]:
        """Return the loss and the metrics (default: the model's) of a set, by name.

        Raises DataError where all positions are masked.
        """
        state, output, scores = self.state, self.state.output, Scores(self.state, metrics)
        targets, n = samples.targets, len(samples.targets)
        weights = np.ones(n, state.dtype) if samples.weights is None else samples.weights
        # The loss also writes its gradient dz, which is not used here.
        outputs, dz = (np.empty((self._chunk_size, *shape), state.dtype) for shape in (output.metric_shape, output.shape))
        execution = self._borrowed_execution(n)
        for chunk in chunks(n, self._chunk_size):
            rows = chunk if samples.rows is None else samples.rows[chunk]
            size = chunk.stop - chunk.start
            z = self._logits(execution, samples.x, stage, rows, size)
            a, t, w = outputs[:size], targets[chunk], output.row_weights(weights[chunk], execution.steps_read(state.mask_path))
            with np.errstate(all="ignore"):  # an infinite loss is a result, not an error
                loss = output.compute(z, t, w, 1.0, a, dz[:size])
            scores.add(loss, float(w.sum(dtype=np.float64)), a, t, w)
        self._pool.append(execution)
        if n and scores.weight == 0:
            raise DataError("every position of the set is masked: its weight is 0, or a recurrent layer skips it as padding")
        return scores.result()

    def _borrowed_execution(self, n: int) -> Execution:
        """Set the number of threads for a pass over n samples, and take an execution from the pool.

        The caller puts it back after the pass. After an error it does not, and the next call creates a new one.
        """
        self.state.kernels.set_num_threads(self.state.prediction_threads(n).pool)
        try:
            return self._pool.pop()
        except IndexError:
            return self.state.execution()

    def _logits(self, execution: Execution, x: Array, stage: InputStage, rows: Array | slice, n: int) -> Array:
        """Return the values before the head for the n samples ``rows`` of x; valid until the execution is used again."""
        batch = stage.transform(x, rows, execution.buffer("x", (n, *self.state.input_shape)), self.state.kernels)
        return execution.forward(batch)
