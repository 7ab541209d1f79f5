"""The execution of a network: its forward and backward passes on given parameters.

Training, prediction, evaluation, explanations and the checks of :mod:`pellucid.testing` all run networks through this class.
It owns the memory that the layers work in (their contexts), so only one thread may use an execution at a time. Several
executions may run the same network at once, because layers hold no arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pellucid.core.memory import Array, Views
from pellucid.core.named_arrays import NamedArrays, unwrapped, wrapped
from pellucid.kernels import Kernels
from pellucid.layers.base import Layer
from pellucid.layers.context import Context, Observer, Past, ShardState


class Execution:
    """A network, or any other layer, that runs on the parameters ``p`` and the running statistics ``statistics``.

    The passes read ``p`` and update ``statistics`` in place: both are views of vectors of the caller. With ``needs_dx``,
    :meth:`backward` also computes the gradient with respect to the input. ``observer`` is called with
    (path, "output" or "gradient", array) for the output of every layer inside a network, and for the upstream gradient that
    it receives. Where a batch is spread over several ranks, ``shard`` is the number of this rank and ``all_sum`` its sum over
    all of them (see :class:`~pellucid.layers.context.ShardState`).
    """

    def __init__(
        self,
        layer: Layer,
        p: Views,
        statistics: Views,
        kernels: Kernels,
        *,
        dtype: Any = np.float32,
        seed: int = 0,
        needs_dx: bool = False,
        observer: Observer | None = None,
        shard: int = 0,
        all_sum: Callable[[int, Array], Array] | None = None,
    ):
        self.layer, self.p = layer, p
        self._shard = ShardState(kernels, dtype=dtype, seed=seed, shard=shard, all_sum=all_sum)
        self._shard.observer = observer
        self._context = Context(self._shard, statistics, needs_dx=needs_dx)

    @property
    def shard_state(self) -> ShardState:
        """What the contexts of all layers have in common."""
        return self._shard

    def forward(
        self, x: Any, *, training: bool = False, keep: bool = False, step: int = 0, offset: int = 0, past: Past | None = None
    ) -> Any:
        """Return the output (n, *output shape) for the samples x (n, *input shape).

        x must be C-contiguous and in the dtype of the execution. ``training`` turns on dropout and noise, and lets batch
        normalization use and record the statistics of the batch. ``keep`` stores what :meth:`backward` needs. ``step`` and
        ``offset`` (the position of x in the whole batch) select the random numbers. The result is valid until the next call.
        With several inputs, x is NamedArrays; with several outputs, so is the result.

        With a ``past``, x holds the positions of each sequence that follow those that have been read, and the layers remember
        them; the caller adds their number to ``past.read``.
        """
        shard = self._shard
        shard.past = past
        shard.training, shard.backward_follows, shard.step, shard.offset = training, keep, step, offset
        return wrapped(self.layer.forward(self.p, unwrapped(x), self._context))

    def backward(self, dy: Any, g: Views) -> Any:
        """Write the gradients of the parameters into ``g``, for the upstream gradient ``dy`` (n, *output shape).

        ``dy`` may be overwritten. ``forward(…, keep=True)`` must have been called before. Returns the input gradient dX
        (n, *input shape), valid until the next call. Without ``needs_dx`` it may be None instead.
        """
        return wrapped(self.layer.backward(self.p, g, unwrapped(dy), self._context))

    def steps_read(self, path: str | None) -> Array | None:
        """Return the time steps (n, time) that the recurrent layer at ``path`` read in the last pass; None for no layer.

        The result is valid until the next pass.
        """
        return None if path is None else self._shard.steps_read[path]

    def buffer(self, name: str, shape: Any) -> Any:
        """Return an uninitialized array that is reused from call to call, for the caller's own intermediate results.

        For a dictionary of shapes, the result is NamedArrays.
        """
        if isinstance(shape, dict):
            return NamedArrays({key: self._shard.step_buffer(f"{name} of {key}", one) for key, one in shape.items()})
        return self._shard.step_buffer(name, shape)

    def mean_loss(self, output: Any, z: Any, targets: Any, weights: Any, total: Any, outputs: Any) -> tuple[float, Any, Any]:
        """Return what ``output.mean_loss`` returns for the output z of the last pass, and the gradient with respect to z.

        The gradient is valid until the next call, and may be given to :meth:`backward`.
        """
        dz = self.buffer("dz", z.shape)
        return *output.mean_loss(z, targets, weights, total, outputs, dz), dz

    @property
    def random_paths(self) -> frozenset[str]:
        """The paths of the layers that have used random numbers so far, such as dropout while training."""
        return frozenset(self._shard.random_paths)

    @property
    def summing_paths(self) -> frozenset[str]:
        """The paths of the layers that have used sums over the batch so far, such as batch normalization while training."""
        return frozenset(self._shard.summing_paths)

    def observe(self, observer: Observer | None) -> None:
        """Call ``observer`` from the next pass on; None turns observation off."""
        self._shard.observer = observer


def chunk_size(largest_output: int, max_values: int, max_samples: int) -> int:
    """Return how many samples to run at once, for a network whose largest array has ``largest_output`` values per sample.

    That is at most ``max_samples``, with at most ``max_values`` values in the largest array, and at least 1.
    """
    return max(1, min(max_samples, max_values // largest_output))


def chunks(n: int, size: int, *, start: int = 0) -> Iterator[slice]:
    """Yield consecutive slices of ``size`` samples that cover range(start, n); the last one may be shorter."""
    for first in range(start, n, size):
        yield slice(first, min(first + size, n))
