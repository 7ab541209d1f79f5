"""Prediction and evaluation: a model's outputs and scores, computed in chunks of samples.

Both may be called from several threads at once: each call takes an execution from a pool, or creates one if the pool is empty.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.core.named_arrays import NamedArrays, array_list, empty, with_batch
from pellucid.data.input_stage import Passthrough
from pellucid.data.input_stages import AnyStage
from pellucid.errors import DataError
from pellucid.metrics import Metric, MetricState, Value, binary_scores
from pellucid.metrics.saved import restore, saved
from pellucid.training.execution import Execution, chunk_size, chunks
from pellucid.training.inputs import Samples, stays_sparse
from pellucid.training.output import Output
from pellucid.training.ranks import ALONE, RankGroup, current
from pellucid.training.recording import MAX_PREDICTED, RecordedExecution, recorded
from pellucid.training.several_outputs import SeveralOutputs
from pellucid.training.state import ModelState
from pellucid.training.step import Step

CHUNK_VALUES = 2_000_000  # in the largest array of a chunk: 8 MB, which the caches hold in part
CHUNK_SAMPLES = 1024  # with 512, the overhead of the calls is noticeable; more samples are not faster
# In the largest array, where weights are used at many positions: 2 MB. What a layer writes is still in the second-level caches
# of two cores when the next one reads it, and the weights need not be read for many samples at once to be read seldom enough.
POSITIONS_VALUES = 500_000
SEQUENCES = 32  # of a chunk, at least, within CHUNK_VALUES: recurrent layers divide samples among threads, and not steps


def samples_at_once(state: ModelState) -> int:
    """Return the number of samples of a chunk.

    Networks that use weights at several positions, such as convolutions, have shorter chunks than dense ones. Their number of
    samples is a power of two: usual batches are a multiple of it, and kernels that divide samples have tasks of one size.
    A loss that compares samples has its pairs within a chunk, which is as long as that of a dense network.
    """
    values = state.largest_output
    if state.multiply_adds < 2 * state.layout.parameter_count or state.output.compares_samples:
        return chunk_size(values, CHUNK_VALUES, CHUNK_SAMPLES)
    size = chunk_size(values, POSITIONS_VALUES, CHUNK_SAMPLES)
    shapes = state.input_shape.values() if isinstance(state.input_shape, dict) else [state.input_shape]
    if all(len(shape) < 3 for shape in shapes):  # no images
        size = max(size, chunk_size(values, CHUNK_VALUES, SEQUENCES))
    return 1 << size.bit_length() - 1


class OutputScores:
    """The loss and the metrics of one output over a set, accumulated batch by batch; exact over the whole set.

    ``loss`` and ``weight`` are the sums Σ wᵢ lᵢ and Σ wᵢ so far.
    """

    def __init__(self, output: Output, metrics: Iterable[Metric]):
        self.loss, self.weight = 0.0, 0.0
        self._output = output
        several = output.metric_shape[-1] > 1
        self._single_score = output.loss.classifies and output.loss.head is None and not several  # such as the hinge loss
        self._metrics: list[tuple[str, MetricState]] = [(metric.name, output.start_metric(metric)) for metric in metrics]

    def add(self, loss: float, weight: float, outputs: Array, targets: Array, row_weights: Array) -> None:
        """Add one batch: Σ wᵢ lᵢ, Σ wᵢ, and for the metrics its outputs (n, *metric shape), targets and weights of rows."""
        self.loss += loss
        self.weight += weight
        outputs, targets = self._output.rows(outputs), self._output.rows(targets)
        if self._single_score:
            outputs, targets = binary_scores(outputs, targets)
        for _, metric in self._metrics:
            metric.update(outputs, targets, row_weights)

    def add_step(self, step: Step, targets: Any) -> None:
        """Add the batch of a training step."""
        self.add(step.mean * step.total, step.total, step.outputs, targets, step.weights)

    def mean(self) -> float:
        """Return the mean loss so far, 0 if the weights are zero."""
        return self.loss * (1 / self.weight if self.weight > 0 else 0.0)

    def saved(self) -> dict[str, Any]:
        """Return the sums and the states of the metrics as plain values, for a checkpoint."""
        return {"loss": self.loss, "weight": self.weight, "metrics": [saved(state) for _, state in self._metrics]}

    def restore(self, values: Mapping[str, Any]) -> None:
        """Set new scores to those that :meth:`saved` returned. Raises LookupError, TypeError or ValueError for others."""
        self.loss, self.weight = float(values["loss"]), float(values["weight"])
        for (_, state), one in zip(self._metrics, values["metrics"], strict=True):
            restore(state, one)

    def check_counted(self, what: str) -> None:
        """Raise DataError where everything in ``what`` so far is masked."""
        if self.weight == 0:
            raise DataError(
                f"every position of the {what} is masked: its weight is 0, or a recurrent layer skips it as padding"
            )

    def result(self) -> dict[str, Value]:
        """Return ``{"loss": …, "accuracy": …}`` over the batches so far; the loss is NaN if their weights are zero."""
        loss = self.loss / self.weight if self.weight else math.nan
        return {"loss": loss, **{name: metric.result() for name, metric in self._metrics}}


class SeveralScores:
    """The total loss, and the loss and the metrics of each output, accumulated batch by batch."""

    def __init__(self, outputs: SeveralOutputs, metrics: Mapping[str, Iterable[Metric]]):
        self._outputs = outputs
        self._parts = {name: OutputScores(output, metrics.get(name, ())) for name, output in outputs.parts.items()}

    @property
    def weight(self) -> float:
        """The weight of the samples so far; see ``SeveralOutputs.combined``."""
        return self._outputs.combined({name: part.weight for name, part in self._parts.items()})

    def add(
        self, sums: Mapping[str, float], totals: Mapping[str, float], outputs: NamedArrays, targets: NamedArrays, w: NamedArrays
    ) -> None:
        """Add one batch: for each output what ``OutputScores.add`` takes."""
        for name, part in self._parts.items():
            part.add(sums[name], totals[name], outputs[name], targets[name], w[name])

    def add_step(self, step: Step, targets: Any) -> None:
        """Add the batch of a training step."""
        sums = {name: step.mean[name] * step.total[name] for name in self._parts}
        self.add(sums, step.total, step.outputs, targets, step.weights)

    def mean(self) -> float:
        """Return the total loss so far."""
        return self._outputs.total_loss({name: part.mean() for name, part in self._parts.items()})

    def saved(self) -> dict[str, Any]:
        """Return the scores of each output as plain values, for a checkpoint."""
        return {name: part.saved() for name, part in self._parts.items()}

    def restore(self, values: Mapping[str, Any]) -> None:
        """Set new scores to those that :meth:`saved` returned. Raises LookupError, TypeError or ValueError for others."""
        for name, part in self._parts.items():
            part.restore(values[name])

    def check_counted(self, what: str) -> None:
        """Raise DataError where everything of one output so far is masked."""
        for name, part in self._parts.items():
            part.check_counted(f"output {name!r} of the {what}")

    def result(self) -> dict[str, Value]:
        """Return ``{"loss": …, "digit_loss": …, "digit_accuracy": …, …}`` over the batches so far."""
        results = {name: part.result() for name, part in self._parts.items()}
        total = self._outputs.total_loss({name: result["loss"] for name, result in results.items()})  # type: ignore[misc]
        return {"loss": total, **{f"{name}_{key}": one for name, result in results.items() for key, one in result.items()}}


Scores = OutputScores | SeveralScores


def start_scores(state: ModelState, metrics: Any = None) -> Scores:
    """Return the scores of no sample; ``metrics`` are by default the model's, a dictionary by output if it has several."""
    metrics = state.metrics if metrics is None else metrics
    if isinstance(state.output, SeveralOutputs):
        return SeveralScores(state.output, metrics)
    return OutputScores(state.output, metrics)


class StepsRead:
    """The time steps (n, time) that recurrent layers with a mask have read, by the path of the layer."""

    def __init__(self) -> None:
        self.by_path: dict[str, Array] = {}

    def steps_read(self, path: str | None) -> Array | None:
        """Return the steps of one layer; None for no layer."""
        return None if path is None else self.by_path[path]


def in_turn(
    parts: Sequence[slice], compute: Callable[[slice], tuple[Any, Any, Any]], group: RankGroup
) -> Iterator[tuple[slice, tuple[Any, Any, Any]]]:
    """Yield each chunk of samples with its result (loss, outputs, weights), in order; each rank computes every size-th one."""
    if group.size == 1:
        for part in parts:
            yield part, compute(part)
        return
    for first in range(0, len(parts), group.size):
        turn = parts[first : first + group.size]
        own = compute(turn[group.rank]) if group.rank < len(turn) else None
        yield from zip(turn, group.gather(own)[: len(turn)], strict=True)


class Predictor:
    """Computes a model's outputs and scores in prediction mode: dropout is off, and no intermediate results are kept.

    Both methods may be called from several threads at once. ``plan`` is what the executions run in place of the folded form of
    the network: an object with its forward pass, without the heads.
    """

    def __init__(self, state: ModelState, plan: Any = None):
        self.state, self._plan = state, state.prediction_plan if plan is None else plan
        self._chunk_size = samples_at_once(state)
        self._has_one_output = isinstance(state.output, Output) and not isinstance(state.input_shape, dict)
        self._pool: list[Execution | RecordedExecution] = []

    def outputs(self, x: Any, stage: AnyStage, *, logits: bool = False, group: RankGroup = ALONE) -> Any:
        """Return the outputs (n, *output shape) for the samples x (n, *input shape) as a new array.

        ``stage`` is the input stage to apply. With ``logits`` they are the values before the head. With several inputs, x is
        NamedArrays; with several outputs, so is the result. The ranks of a ``group`` compute some chunks each.
        """
        state, n = self.state, len(x)
        group.check_same({"numbers of samples": n}, "predict")
        state.check_prediction(n, self._chunk_size)
        execution = self._borrowed_execution(n)
        if isinstance(execution, RecordedExecution) and self._are_few(n, group) and not logits:
            few: Array = execution.predict(self._batch(execution, x, stage, slice(0, n), n), state.output)
            self._pool.append(execution)
            return few
        result, size = empty(n, state.output.shape, state.dtype), self._chunk_size
        bounds = [0, n]  # between the samples of one rank and the next
        if group.size > 1:
            count = -(-n // size)
            bounds = [min(count * rank // group.size * size, n) for rank in range(group.size + 1)]
        for rows in chunks(bounds[group.rank + 1], size, start=bounds[group.rank]):
            z = self._logits(execution, x, stage, rows, rows.stop - rows.start)
            if logits:
                result[rows] = z
            else:
                state.output.apply_head(z, result[rows])
        self._pool.append(execution)
        if group.size > 1:
            for array in array_list(result):
                group.share_rows(array, bounds)
        return result

    def repeated(self, x: Any, stage: AnyStage | None) -> Array | None:
        """Return the :meth:`outputs` for samples like those of an earlier call; None where that method has to be called.

        All checks but one have had their answer then, for an array of this shape, dtype and layout that the network reads as it
        is. The last one, for NaN and infinity, is part of the same call of compiled code.
        """
        if type(x) is not np.ndarray or not (stage is None or type(stage) is Passthrough) or x.dtype != self.state.dtype:
            return None
        flags = x.flags
        if not (x.ndim and flags.c_contiguous and flags.aligned) or not self._pool or current().size > 1:
            return None
        execution = self._borrowed_execution(len(x))
        few = execution.repeat(x) if isinstance(execution, RecordedExecution) else None
        self._pool.append(execution)
        return few

    def steps_read(self, x: Any, stage: AnyStage) -> StepsRead:
        """Return which time steps (n, time) of the samples x recurrent layers read, where these are positions of an output."""
        paths, steps = self.state.output.mask_paths, StepsRead()
        if paths:
            execution, parts = self._borrowed_execution(len(x)), {path: list[Array]() for path in paths}
            for rows in chunks(len(x), self._chunk_size):
                self._logits(execution, x, stage, rows, rows.stop - rows.start)
                for path in paths:
                    read = execution.steps_read(path)
                    assert read is not None
                    parts[path].append(read.copy())
            self._pool.append(execution)
            steps.by_path = {path: np.concatenate(arrays) for path, arrays in parts.items()}
        return steps

    def evaluate(self, samples: Samples, stage: AnyStage, metrics: Any = None, *, group: RankGroup = ALONE) -> dict[str, Value]:
        """Return the loss and the metrics (default: the model's) of a set, by name.

        The ranks of a ``group`` compute a chunk each at a time; all of them add the chunks up in the same order as one process.
        Raises DataError where all positions are masked.
        """
        state, output, scores = self.state, self.state.output, start_scores(self.state, metrics)
        targets, n = samples.targets, len(samples.targets)
        group.check_same({"numbers of samples": n}, "evaluate")
        state.check_prediction(min(n, self._chunk_size), self._chunk_size)
        weights: Any = np.ones(n, state.dtype) if samples.weights is None else samples.weights
        # The loss also writes its gradient dz, which is not used here.
        outputs, dz = (empty(self._chunk_size, shape, state.dtype) for shape in (output.metric_shape, output.shape))
        execution = self._borrowed_execution(n)

        def compute(chunk: slice) -> tuple[Any, Any, Any]:
            rows = chunk if samples.rows is None else samples.rows[chunk]
            size = chunk.stop - chunk.start
            z = self._logits(execution, samples.x, stage, rows, size)
            a, w = outputs[:size], output.step_weights(weights[chunk], execution)
            with np.errstate(all="ignore"):  # an infinite loss is a result, not an error
                return output.compute(z, targets[chunk], w, 1.0, a, dz[:size]), a, w

        for chunk, (loss, a, w) in in_turn(list(chunks(n, self._chunk_size)), compute, group):
            scores.add(loss, output.total(w), a, targets[chunk], w)
        self._pool.append(execution)
        if n:
            scores.check_counted("set")
        return scores.result()

    def _borrowed_execution(self, n: int) -> Execution | RecordedExecution:
        """Set the number of threads for a pass over n samples, and take an execution from the pool.

        The caller puts it back after the pass. After an error it does not, and the next call creates a new one.
        """
        self.state.kernels.set_num_threads(self.state.prediction_threads(n).pool)
        try:
            return self._pool.pop()
        except IndexError:
            return recorded(self.state, self._plan) or self.state.execution(self._plan)

    def _logits(self, execution: Execution | RecordedExecution, x: Any, stage: AnyStage, rows: Array | slice, n: int) -> Any:
        """Return the values before the head for the n samples ``rows`` of x; valid until the execution is used again."""
        return execution.forward(self._batch(execution, x, stage, rows, n))

    def _batch(self, execution: Execution | RecordedExecution, x: Any, stage: Any, rows: Array | slice, n: int) -> Any:
        """Return the n samples ``rows`` of x as the network reads them."""
        if stays_sparse(x, stage, self._plan):
            return stage.sparse_rows(x, rows, self.state.kernels)
        return stage.transform(x, rows, execution.buffer("x", with_batch(n, self.state.input_shape)), self.state.kernels)

    def _are_few(self, n: int, group: RankGroup) -> bool:
        """Return whether n samples are so few that Python takes a good part of the time: they are predicted by one replay."""
        return 0 < n <= min(MAX_PREDICTED, self._chunk_size) and group.size == 1 and self._has_one_output
