"""An execution runs a network on given parameters: forward, and backward if asked.

Training, prediction, evaluation, explanations and the checks of :mod:`pellucid.testing` all run networks through this class.
It owns the memory that the layers work in (their contexts), so one execution serves one thread at a time; several executions
may run the same network at once, because layers hold no arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pellucid.core.memory import Array, Shape, Views
from pellucid.kernels import Kernels
from pellucid.layers.base import Layer
from pellucid.layers.context import Context, Observer, ShardState


class Execution:
    """A network, or any other layer, ready to run on the parameters ``p`` and the running statistics ``statistics``.

    ``needs_dx`` asks :meth:`backward` for the gradient with respect to the input. ``observer`` is called with
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

    def forward(self, x: Array, *, training: bool = False, keep: bool = False, step: int = 0, offset: int = 0) -> Array:
        """Return the output for the samples x (n, *input shape), C-contiguous and in the dtype of the execution.

        ``training`` turns on dropout, noise and the batch's own statistics. ``keep`` stores what :meth:`backward` needs.
        ``step`` and ``offset`` (the position of x in the whole batch) select the random numbers. The result stays valid until
        the next call.
        """
        shard = self._shard
        shard.training, shard.backward_follows, shard.step, shard.offset = training, keep, step, offset
        return self.layer.forward(self.p, x, self._context)

    def backward(self, dy: Array, g: Views) -> Array | None:
        """Write the gradients of the parameters into ``g`` for the upstream gradient ``dy``, which is overwritten.

        Requires a preceding ``forward(…, keep=True)``. Returns the input gradient dX, valid until the next call, or None if
        it was not asked for and the layer does not compute it.
        """
        return self.layer.backward(self.p, g, dy, self._context)

    def buffer(self, name: str, shape: Shape) -> Array:
        """Return an uninitialized array that is reused from call to call, for the caller's own intermediate results."""
        return self._shard.step_buffer(name, shape)

    def observe(self, observer: Observer | None) -> None:
        """Replace the observer."""
        self._shard.observer = observer


def chunk_size(values_per_sample: int, values: int, samples: int) -> int:
    """Return how many samples to run at once: at most ``samples``, and at most ``values`` values in the largest array."""
    return max(1, min(samples, values // values_per_sample))


def chunks(n: int, size: int) -> Iterator[slice]:
    """Yield consecutive slices of at most ``size`` samples that cover range(n)."""
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))
