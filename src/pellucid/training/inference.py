"""Inference: outputs and scores, in chunks, from as many threads as the caller likes.

Contexts come from a pool and go back to it; a call that finds the pool empty makes its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np

from pellucid.data.stage import InputStage
from pellucid.layers.context import Context, Run
from pellucid.memory import Array
from pellucid.metrics import Metric, Tally, Value, questions
from pellucid.training.parts import Parts

CHUNK = 512  # samples: large enough for BLAS, small enough for the second-level cache


class Scores:
    """Loss and metrics of a set, counted batch by batch, exact over all of it."""

    def __init__(self, parts: Parts, metrics: Iterable[Metric] | None = None):
        self.parts = parts
        self.loss, self.weight = 0.0, 0.0
        self.tallies: list[tuple[str, Tally]] = []
        asks_many = type(parts.loss).__name__ == "BinaryCrossEntropy" and parts.output_shape[-1] > 1
        self._spread = asks_many
        for metric in parts.metrics if metrics is None else metrics:
            self.tallies.append((metric.name, metric.start(2 if asks_many else parts.classes, parts.kernels)))

    def add(self, loss: float, weight: float, outputs: Array, targets: Array, weights: Array) -> None:
        """One batch: Σ wᵢ lᵢ, Σ wᵢ, and what the metrics need."""
        self.loss += loss
        self.weight += weight
        if self._spread:
            outputs, targets, weights = questions(outputs, targets, weights)
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
        self._pool: list[Context] = []

    def _logits(self, x: Array, stage: InputStage, rows: Array | None) -> Iterator[tuple[slice, Array]]:
        """(which samples, what is before the head) for one chunk after the other; the array lives until the next."""
        parts = self.parts
        try:
            ctx = self._pool.pop()
        except IndexError:
            ctx = Context(Run(parts.kernels, dtype=parts.dtype, seed=parts.seed), parts.state_views)
        n = len(x) if rows is None else len(rows)
        for start in range(0, n, CHUNK):
            chunk = slice(start, min(start + CHUNK, n))
            picked = chunk if rows is None else rows[chunk]
            out = ctx.buffer("x", (chunk.stop - start, *parts.input_shape))
            yield chunk, parts.plan.forward(parts.p, stage.batch(x, picked, out, parts.kernels), ctx)
        self._pool.append(ctx)

    def outputs(self, x: Array, stage: InputStage, *, logits: bool = False) -> Array:
        """(n, k): the head's outputs, or with ``logits`` what is before the head."""
        parts = self.parts
        result = np.empty((len(x), *parts.output_shape), parts.dtype)
        for chunk, z in self._logits(x, stage, None):
            if parts.head is None or logits:
                result[chunk] = z
            else:
                getattr(parts.kernels, parts.head.kernel)(z, out=result[chunk])
        return result

    def evaluate(
        self,
        x: Array,
        targets: Array,
        weights: Array | None,
        stage: InputStage,
        rows: Array | None,
        metrics: Iterable[Metric] | None = None,
    ) -> dict[str, Value]:
        """Loss and metrics of a set: targets (n) or (n, k), weights (n) or None for equal ones."""
        parts, scores = self.parts, Scores(self.parts, metrics)
        a, dz = (np.empty((CHUNK, *parts.output_shape), parts.dtype) for _ in range(2))
        w = np.ones(len(targets), parts.dtype) if weights is None else np.ascontiguousarray(weights, parts.dtype)
        for chunk, z in self._logits(x, stage, rows):
            n = len(z)
            loss = parts.loss.compute(z, targets[chunk], w[chunk], 1.0, a[:n], dz[:n], parts.kernels)
            scores.add(loss, float(w[chunk].sum(dtype=np.float64)), a[:n], targets[chunk], w[chunk])
        return scores.result()
