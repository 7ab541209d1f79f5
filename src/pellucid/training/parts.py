"""A batch in parts: consecutive samples, each part computed on its own, and the sums over the parts.

Ranks (:mod:`pellucid.training.ranks`) share a batch in this way, one part each. With ``deterministic=True`` a batch always has
:data:`PARTS` parts, and where there are fewer ranks each computes several of them in turn, a process alone all of them. So the
number of ranks changes no bit.

The gradient of the whole batch is the sum of those of the parts, because the loss of each is divided by the total weight of the
whole batch,

    C = Σₖ Cₖ,  Cₖ = Σ w l over the samples of part k / Σ w over the whole batch,

and is summed by a balanced tree over the parts. Layers that need statistics of the whole batch get them by ``ctx.all_sum``,
with the same tree.
"""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.core.named_arrays import NamedArrays, array_list, empty, zeros
from pellucid.core.sparse_rows import SparseRows
from pellucid.errors import ConfigError
from pellucid.training.execution import Execution
from pellucid.training.loop import in_bounds
from pellucid.training.ranks import RankGroup, balanced_sum
from pellucid.training.several_outputs import SeveralOutputs
from pellucid.training.state import ModelState

# The parts of a batch with deterministic=True. More parts would allow more ranks, but a small batch in many parts is slow: the
# kernels compute a part of a few samples hardly faster than one of many.
PARTS = 4


@dataclass(frozen=True)
class Parts:
    """How a batch is cut into ``count`` parts, of which the ranks of the ``group`` compute equal numbers, if possible."""

    group: RankGroup
    count: int

    @classmethod
    def of(cls, group: RankGroup, *, deterministic: bool) -> Parts:
        """Return the parts for a training. Raises ConfigError where there are more ranks than parts."""
        if deterministic and group.size > PARTS:
            raise ConfigError(
                f"fit(deterministic=True): a batch is cut into {PARTS} parts, so that the bits do not depend on the number of "
                f"ranks, and there are {group.size} ranks: start {PARTS} or fewer, or leave deterministic out"
            )
        return cls(group, PARTS if deterministic else group.size)

    @property
    def widths(self) -> list[int]:
        """The number of parts of each rank."""
        return [len(self.of_rank(rank)) for rank in range(self.group.size)]

    @property
    def own(self) -> range:
        """The parts of this rank."""
        return self.of_rank(self.group.rank)

    def of_rank(self, rank: int) -> range:
        """Return the parts of one rank."""
        return range(self.count * rank // self.group.size, self.count * (rank + 1) // self.group.size)

    def rows(self, part: int, n: int) -> slice:
        """Return the rows of one part, in a batch of n samples; of fewer samples than parts, each part has at most one."""
        return slice(n * part // self.count, n * (part + 1) // self.count)

    def own_rows(self, n: int) -> slice:
        """Return the rows of all parts of this rank."""
        return slice(n * self.own.start // self.count, n * self.own.stop // self.count)

    def bounds(self, n: int) -> list[int]:
        """Return the row at which the parts of each rank begin, and n."""
        return [n * self.of_rank(rank).start // self.count for rank in range(self.group.size)] + [n]


class Shards:
    """Parts of one batch in one process, which wait for each other in ``all_sum``, each in a thread of its own.

    ``of_all(a)`` adds what other processes have to the sum over the ``count`` shards, in the thread of the caller.
    """

    def __init__(self, count: int, of_all: Callable[[Array], Array] | None = None):
        self._barrier = threading.Barrier(count)
        self._addends: list[Any] = [None] * count
        self._of_all = of_all
        self._total: Any = None

    def run(self, work: Callable[[int], None]) -> None:
        """Call ``work(k)`` for every shard k, the first in this thread. Raises the first error that one of them raises."""
        errors: list[BaseException] = []
        self._barrier.reset()

        def guarded(k: int) -> None:
            try:
                work(k)
            except BaseException as error:
                errors.append(error)
                self._barrier.abort()  # the other shards must not wait for this one

        others = [threading.Thread(target=guarded, args=(k,)) for k in range(1, len(self._addends))]
        for thread in others:
            thread.start()
        guarded(0)
        for thread in others:
            thread.join()
        # The shards that waited for the one with the error raise BrokenBarrierError: put the cause before these.
        errors.sort(key=lambda error: isinstance(error, threading.BrokenBarrierError))
        if errors:
            raise errors[0]

    def all_sum(self, shard: int, a: Array) -> Array:
        """Return the sum of every shard's ``a``, with the same bits in each."""
        self._addends[shard] = a
        self._barrier.wait()
        if shard == 0:
            total = balanced_sum([one.copy() for one in self._addends])
            self._total = total if self._of_all is None else self._of_all(total)
        self._barrier.wait()  # no shard may replace its addend before all have been added
        result: Array = self._total.copy()
        return result


class PartedStep:
    """The gradient of a batch that is computed in parts, here and on the other ranks: a :class:`~pellucid.training.step.Step`.

    Every rank calls it with the same batch, and all attributes are the same on all of them afterwards; only the rows
    ``parts.own_rows(n)`` of x need to be there (sparse rows are complete). If the loss or the gradient is out of bounds, the
    other rows of ``x`` are filled in, so that the error can name the layer; ``whole`` says that they are there already.
    ``outputs`` has rows of the other ranks only where the model has metrics.

    Raises ConfigError where the loss compares samples.
    """

    forward_passes = 1
    weights: Any
    total: Any
    mean: Any
    weight: float

    def __init__(self, state: ModelState, parts: Parts, *, parameters: Array | None = None, whole: bool = False):
        if state.output.compares_samples:
            raise ConfigError(f"{state.loss} compares the samples of a batch, so a batch cannot be computed in parts on ranks")
        self.state, self.parts, self.whole = state, parts, whole
        self._of_training = parameters is None
        self.gradient = state.layout.zeros(state.dtype)
        self.statistics = state.statistics.copy()
        self.outputs = self._outputs = empty(0, state.output.metric_shape, state.dtype)
        own, group, widths = parts.own, parts.group, parts.widths
        self._gradients = [self.gradient, *(state.layout.zeros(state.dtype) for _ in own[1:])]
        self._views = [state.layout.views(gradient) for gradient in self._gradients]
        self._sums = _sums_over_batch(state)
        self._shards = Shards(len(own), lambda a: group.all_sum(a, widths)) if self._sums and len(own) > 1 else None

        def all_sum_of(k: int) -> Callable[[int, Array], Array]:
            if self._shards is None:
                return lambda _, a: group.all_sum(a, widths)
            shards = self._shards
            return lambda _, a: shards.all_sum(k, a)

        theta = state.parameters if parameters is None else parameters
        self._executions = [
            Execution(
                state.plan,
                state.layout.views(theta),
                state.statistics_layout.views(self.statistics),
                state.kernels,
                dtype=state.dtype,
                seed=state.seed,
                shard=part,
                all_sum=all_sum_of(k) if self._sums else None,
            )
            for k, part in enumerate(own)
        ]

    def __call__(self, x: Any, targets: Any, weights: Any, step: int, offset: int = 0) -> float:
        """Return the mean loss of the batch, and store its gradient; see :class:`~pellucid.training.step.Step`."""
        n, state, output, parts = len(x), self.state, self.state.output, self.parts
        if len(self._outputs) < n:
            self._outputs = empty(n, output.metric_shape, state.dtype)
        self.outputs = self._outputs[:n]
        if offset == 0:
            self.statistics[:] = state.statistics
        rows = [parts.rows(part, n) for part in parts.own]
        zs: list[Any] = [None] * len(rows)
        row_weights: list[Any] = [None] * len(rows)
        means = np.zeros((len(rows), len(array_list(self.outputs))))

        def forward(k: int) -> None:
            if not self._computes(rows[k]):
                return
            execution = self._executions[k]
            with np.errstate(all="ignore"):  # the training loop checks that the results are finite
                zs[k] = execution.forward(x[rows[k]], training=True, keep=True, step=step, offset=offset + rows[k].start)
                row_weights[k] = output.step_weights(weights[rows[k]], execution)

        def backward(k: int) -> None:
            if not self._computes(rows[k]):
                self._gradients[k].fill(0)
                return
            execution = self._executions[k]
            with np.errstate(all="ignore"):
                dz = execution.buffer("dz", zs[k].shape)
                if rows[k].stop > rows[k].start:
                    arrays = zs[k], targets[rows[k]], row_weights[k]
                    mean = output.mean_loss(*arrays, self.total, self.outputs[rows[k]], dz)[1]
                    means[k] = list(mean.values()) if isinstance(mean, dict) else mean
                execution.backward(dz, self._views[k])

        self._run(forward)
        self.weights = self._whole_weights(weights, row_weights, n)
        self.total = output.total(self.weights)
        self.weight = output.combined(self.total)
        self._run(backward)
        with np.errstate(all="ignore"):
            balanced_sum(self._gradients)  # into the first, which is self.gradient
            parts.group.add_up(self.gradient, parts.widths)
            loss = self._share(balanced_sum(list(means)), n)
        is_partial = parts.group.size > 1 and not self.whole and not isinstance(x, SparseRows)
        if is_partial and not in_bounds(state, loss, state.kernels.sum_of_squares(self.gradient)):
            self._complete(x)
        if self._of_training:
            state.last_batch = x, targets, weights, step, offset
            state.complete_batch = functools.partial(self._complete, x) if is_partial else None
        return loss

    def _complete(self, x: Any) -> None:
        """Fill in the samples of the other ranks in a batch."""
        for array in array_list(x):
            self.parts.group.share_rows(array, self.parts.bounds(len(x)))

    def _computes(self, rows: slice) -> bool:
        """Return whether a part with these rows runs: an empty one only where the others need its share of their sums."""
        return rows.stop > rows.start or self._sums

    def _run(self, work: Callable[[int], None]) -> None:
        """Call ``work(k)`` for every part k of this rank: in turn, or interleaved where layers sum over the batch."""
        if self._shards is not None:
            self._shards.run(work)
        else:
            for k in range(len(self._executions)):
                work(k)

    def _whole_weights(self, weights: Any, of_parts: Sequence[Any], n: int) -> Any:
        """Return the weights of all rows of the batch. Which steps are skipped is known only where a part was computed."""
        output, parts = self.state.output, self.parts
        if not output.mask_paths:
            return output.row_weights(weights)
        computed = [array_list(one) for one in of_parts if one is not None]
        names = list(output.parts) if isinstance(output, SeveralOutputs) else [""]
        counts = [part.count for part in output.parts.values()] if isinstance(output, SeveralOutputs) else [output.count]
        whole = []
        for i, count in enumerate(counts):
            own = np.concatenate([one[i] for one in computed]) if computed else np.empty(0, np.float32)
            bounds = [count * bound for bound in parts.bounds(n)]
            shapes = [[(stop - start,)] for start, stop in itertools.pairwise(bounds)]
            whole.append(np.concatenate([one for (one,) in parts.group.exchange([own], shapes)]))
        return NamedArrays(dict(zip(names, whole, strict=True))) if isinstance(output, SeveralOutputs) else whole[0]

    def _share(self, means: Array, n: int) -> float:
        """Store the mean losses, the running statistics and the outputs of all ranks. Returns the loss of the batch."""
        state, output, parts = self.state, self.state.output, self.parts
        group, bounds = parts.group, parts.bounds(n)
        if group.size > 1:
            outputs = array_list(self.outputs) if state.scored_metrics() else []
            statistics = self.statistics if group.rank == 0 else self.statistics[:0]
            own = [means, statistics, *(array[bounds[group.rank] : bounds[group.rank + 1]] for array in outputs)]
            shapes = [
                [
                    means.shape,
                    (state.statistics.size if rank == 0 else 0,),
                    *((bounds[rank + 1] - bounds[rank], *array.shape[1:]) for array in outputs),
                ]
                for rank in range(group.size)
            ]
            received = group.exchange(own, shapes)
            means = balanced_sum([one[0] for one in received], parts.widths)
            self.statistics[:] = received[0][1]
            for rank, one in enumerate(received):
                if rank != group.rank:
                    for array, rows in zip(outputs, one[2:], strict=True):
                        array[bounds[rank] : bounds[rank + 1]] = rows
        if not isinstance(output, SeveralOutputs):
            self.mean = float(means[0])
            return self.mean
        self.mean = dict(zip(output.parts, means.tolist(), strict=True))
        return output.total_loss(self.mean)


def _sums_over_batch(state: ModelState) -> bool:
    """Return whether a layer needs sums over the batch in training, which one sample of zeros shows."""
    gradient = state.layout.zeros(state.dtype)
    execution = state.execution(statistics=state.statistics.copy())
    with np.errstate(all="ignore"):
        z = execution.forward(zeros(1, state.input_shape, state.dtype), training=True, keep=True)
        dz = execution.buffer("dz", z.shape)
        for array in array_list(dz):
            array.fill(0)
        execution.backward(dz, state.layout.views(gradient))
    return bool(execution.summing_paths)
