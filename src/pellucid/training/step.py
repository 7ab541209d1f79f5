"""One step: the loss and the gradient of one batch.

Each shard runs the plan forward, the loss, and the plan backward, into its own row of gradients; the rows are summed.
The loss divides by the sum of weights of the whole batch, so the gradient does not depend on how the batch is cut.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from pellucid.core.memory import Array, Views
from pellucid.layers.base import Layer
from pellucid.layers.context import Context, Observer, ShardState
from pellucid.training.parts import Parts
from pellucid.training.shards import Crew, tree_sum


class Step(Protocol):
    """What the loop asks for the gradient of a batch: :class:`GradientStep`, or what estimates it otherwise."""

    gradient: Array
    outputs: Array
    weight: float
    state: Array
    forward_passes: int

    def __call__(self, p: Views, x: Array, targets: Array, weights: Array, step: int, offset: int = 0) -> float: ...


class GradientStep:
    """Computes gradients for one model with a fixed number of shards; its memory is used again from step to step.

    After a call, ``gradient`` is the flat gradient of the mean loss (the caller may change it), ``outputs`` (n, k) are
    the head's outputs, in training mode, and ``weight`` is the sum of the batch's weights, ``state`` the running
    statistics that the step leads to (the model's own are left alone until the step is accepted). ``plan`` is what runs: the
    model's fused plan unless told otherwise.
    """

    forward_passes = 1

    def __init__(self, parts: Parts, shards: int = 1, plan: Layer | None = None, observer: Observer | None = None):
        self.parts = parts
        self.plan = parts.plan if plan is None else plan
        self.crew = Crew(shards)
        self.rows = [parts.layout.zeros(parts.dtype) for _ in range(shards)]
        self._g = [parts.layout.views(row) for row in self.rows]
        self.state = parts.state.copy()
        self._contexts = []
        views = parts.state_layout.views(self.state)
        for shard in range(shards):
            all_sum = self.crew.all_sum if shards > 1 else None
            run = ShardState(parts.kernels, dtype=parts.dtype, seed=parts.seed, shard=shard, all_sum=all_sum)
            run.training = run.keeping = True
            run.observer = observer
            self._contexts.append(Context(run, views))
        self._outputs = np.empty((0, *parts.output_shape), parts.dtype)
        self.outputs = self._outputs
        self.gradient = self.rows[0]
        self.weight = 0.0
        self._offset = 0

    def __call__(self, p: Views, x: Array, targets: Array, weights: Array, step: int, offset: int = 0) -> float:
        """The mean loss of the batch x (n, …) in the network's dtype; ``step`` names the chance. Of a batch that comes in
        parts, x is the part that begins at ``offset``: behind the first, running statistics go on from the part before."""
        n = len(x)
        if len(self._outputs) < n:
            self._outputs = np.empty((n, *self.parts.output_shape), self.parts.dtype)
        self.outputs = self._outputs[:n]
        if offset == 0:
            self.state[:] = self.parts.state
        self._offset = offset
        self.weight = float(np.add.reduce(weights, dtype=np.float64))
        scale = 1 / self.weight if self.weight > 0 else 0.0
        if len(self.rows) == 1:
            return self._shard(0, p, x, targets, weights, scale, 0, step) * scale
        return self._sharded(p, x, targets, weights, scale, step) * scale

    def _sharded(self, p: Views, x: Array, targets: Array, weights: Array, scale: float, step: int) -> float:
        n, shards = len(x), len(self.rows)
        losses = [0.0] * shards

        def work(k: int) -> None:
            cut = slice(n * k // shards, n * (k + 1) // shards)
            losses[k] = self._shard(k, p, x[cut], targets[cut], weights[cut], scale, cut.start, step)

        self.crew.run(work)
        self.gradient = tree_sum(self.rows, self.parts.kernels.add)
        while len(losses) > 1:  # the same tree as for the rows
            losses = [sum(losses[i : i + 2]) for i in range(0, len(losses), 2)]
        return losses[0]

    def _shard(self, k: int, p: Views, x: Array, targets: Array, weights: Array, scale: float, start: int, step: int) -> float:
        ctx, parts = self._contexts[k], self.parts
        ctx.run.step, ctx.run.offset = step, self._offset + start
        with np.errstate(all="ignore"):  # whoever asked for the step checks that all is finite
            z = self.plan.forward(p, x, ctx)
            dz = ctx.run.own("dz", z.shape)
            outputs = self.outputs[start : start + len(x)]
            loss = parts.loss.compute(z, targets, weights, scale, outputs, dz, parts.kernels)
            self.plan.backward(p, self._g[k], dz, ctx)
        return loss
