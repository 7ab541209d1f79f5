"""Inference: outputs and scores, in chunks, from as many threads as the caller likes.

Contexts come from a pool and go back to it; a call that finds the pool empty makes its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from pellucid.core.memory import Array
from pellucid.data.input_stage import InputStage
from pellucid.layers.context import Context, ShardState
from pellucid.metrics import Metric, MetricState, Value
from pellucid.metrics.base import questions, sides
from pellucid.training.inputs import Samples
from pellucid.training.parts import Parts
from pellucid.training.shards import choose

NUMBERS = 2_000_000  # of a chunk's largest array: 8 MB, which the caches hold in part
CHUNK = 1024  # samples of a chunk at most: fewer calls than at 512, and no slower than more


class Scores:
    """Loss and metrics of a set, counted batch by batch, exact over all of it."""

    def __init__(self, parts: Parts, metrics: Iterable[Metric] | None = None):
        self.parts = parts
        self.loss, self.weight = 0.0, 0.0
        self.tallies: list[tuple[str, MetricState]] = []
        several = parts.output_shape[-1] > 1
        self._independent = parts.loss.independent and several
        self._one_score = parts.loss.classifies and parts.loss.head is None and not several
        for metric in parts.metrics if metrics is None else metrics:
            self.tallies.append((metric.name, metric.start(parts.answers, parts.kernels)))

    def add(self, loss: float, weight: float, outputs: Array, targets: Array, weights: Array) -> None:
        """One batch: Σ wᵢ lᵢ, Σ wᵢ, and what the metrics need."""
        self.loss += loss
        self.weight += weight
        if self._independent:
            outputs, targets, weights = questions(outputs, targets, weights)
        elif self._one_score:
            outputs, targets = sides(outputs, targets)
        for _, tally in self.tallies:
            tally.update(outputs, targets, weights)

    def result(self) -> dict[str, Value]:
        """``{"loss": …, "accuracy": …}``."""
        loss = self.loss / self.weight if self.weight else math.nan
        return {"loss": loss, **{name: tally.result() for name, tally in self.tallies}}


class Inference:
    """A model's forward pass without training: dropout is off, nothing is kept."""

    def __init__(self, parts: Parts):
        self.parts = parts
        self.chunk = max(1, min(CHUNK, NUMBERS // parts.largest))
        self._pool: list[Context] = []

    def _context(self) -> Context:
        try:
            return self._pool.pop()
        except IndexError:
            parts = self.parts
            return Context(ShardState(parts.kernels, dtype=parts.dtype, seed=parts.seed), parts.state_views)

    def _logits(self, ctx: Context, x: Array, stage: InputStage, rows: Array | slice, n: int) -> Array:
        """What is before the head, for the n samples ``rows`` of x; lives until the context is used again."""
        parts = self.parts
        batch = stage.batch(x, rows, ctx.run.own("x", (n, *parts.input_shape)), parts.kernels)
        return parts.plan.forward(parts.p, batch, ctx)

    def outputs(self, x: Array, stage: InputStage, *, logits: bool = False) -> Array:
        """(n, k): the head's outputs, or with ``logits`` what is before the head."""
        parts, n = self.parts, len(x)
        head = None if parts.head is None or logits else getattr(parts.kernels, parts.head.kernel)
        result = np.empty((n, *parts.output_shape), parts.dtype)
        ctx = self._context()
        self._call_the_team(n)
        for start in range(0, n, self.chunk):
            rows = slice(start, min(start + self.chunk, n))
            z = self._logits(ctx, x, stage, rows, rows.stop - start)
            if head is None:
                result[rows] = z
            else:
                head(z, out=result[rows])
        self._pool.append(ctx)
        return result

    def _call_the_team(self, n: int) -> None:
        """The threads that share the work inside kernels, where there is enough of it."""
        self.parts.kernels.ready(choose(self.parts.multiply_adds, 0, n, self.parts.kernels).team)

    def evaluate(self, samples: Samples, stage: InputStage, metrics: Iterable[Metric] | None = None) -> dict[str, Value]:
        """Loss and metrics of a set."""
        parts, scores = self.parts, Scores(self.parts, metrics)
        targets, n = samples.targets, len(samples.targets)
        weights = np.ones(n, parts.dtype) if samples.weights is None else samples.weights
        a, dz = (np.empty((self.chunk, *parts.output_shape), parts.dtype) for _ in range(2))
        ctx = self._context()
        self._call_the_team(n)
        for start in range(0, n, self.chunk):
            chunk = slice(start, min(start + self.chunk, n))
            rows = chunk if samples.rows is None else samples.rows[chunk]
            z = self._logits(ctx, samples.x, stage, rows, chunk.stop - start)
            w, t = weights[chunk], targets[chunk]
            with np.errstate(all="ignore"):  # the loss of a network out of bounds is infinite, and shown as that
                loss = parts.loss.compute(z, t, w, 1.0, a[: len(z)], dz[: len(z)], parts.kernels)
            scores.add(loss, float(w.sum(dtype=np.float64)), a[: len(z)], t, w)
        self._pool.append(ctx)
        return scores.result()
