"""Levels of a loss: what it is for outputs that anyone can give without a network, as references for measured losses.

- ``equal``: the same probability for every class, log k for k classes; it is what an untrained classifier should have
- ``constant``: the best output that does not depend on the sample, such as the frequencies of the classes, or the mean
- ``lowest``: outputs that equal the targets
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.layers import Sigmoid, Softmax
from pellucid.losses import Huber, MeanAbsoluteError, MeanSquaredError
from pellucid.training.output import Output
from pellucid.training.several_outputs import SeveralOutputs
from pellucid.training.state import ModelState

SMALLEST = 1e-6  # probability, so that logits are finite


@dataclass(frozen=True)
class Levels:
    """The levels of a loss for some targets; None where a loss has none, or where it is not known how to reach it."""

    equal: float | None
    constant: float | None
    lowest: float | None


def levels(state: ModelState, targets: Any, weights: Any) -> Levels:
    """Return the levels of the model's loss for the targets (n, …) and weights (n, …) of a batch.

    With several outputs they are those of the total loss, and None if one of its parts has none.
    """
    if not isinstance(state.output, SeveralOutputs):
        return _levels(state.output, targets, weights)
    parts = {name: _levels(part, targets[name], weights[name]) for name, part in state.output.parts.items()}

    def total(level: str) -> float | None:
        values = {name: getattr(one, level) for name, one in parts.items()}
        return None if None in values.values() else state.output.total_loss(values)

    return Levels(total("equal"), total("constant"), total("lowest"))


def _levels(output: Output, targets: Array, weights: Array) -> Levels:
    loss, n, rank = output.loss, len(targets), len(output.positions)
    if output.compares_samples or not n:
        return Levels(None, None, None)
    w = output.row_weights(weights)

    def mean_loss(z: Array) -> float:
        z = np.ascontiguousarray(np.broadcast_to(z, (n, *output.shape)), np.float32)
        seen, dz = np.empty((n, *output.metric_shape), np.float32), np.empty_like(z)
        return output.mean_loss(z, targets, w, output.total(w), seen, dz)[0]

    if loss.classifies and loss.head in (Softmax, Sigmoid):
        k = output.shape[-1]
        labels = targets.ndim == 1 + rank
        answers = np.eye(k, dtype=np.float32)[targets] if labels else targets
        smoothing = getattr(loss, "smoothing", 0.0)
        logits = _logits if loss.head is Softmax else _log_odds
        equal = mean_loss(np.zeros(output.shape, np.float32))
        frequencies = _mean(answers.reshape(-1, k), w)
        constant = mean_loss(logits((1 - smoothing) * frequencies + smoothing / k))
        return Levels(equal, min(constant, equal), mean_loss(logits((1 - smoothing) * answers + smoothing / k)))
    if isinstance(loss, (MeanSquaredError, MeanAbsoluteError, Huber)) and targets.shape == (n, *output.shape):
        by_sample = weights if weights.ndim == 1 else weights.reshape(n, -1).mean(axis=1)
        mean = _mean(targets.reshape(n, -1), by_sample).reshape(output.shape)
        median = np.median(targets[by_sample > 0], axis=0) if by_sample.any() else mean  # the best for absolute errors
        return Levels(None, min(mean_loss(mean), mean_loss(median)), mean_loss(targets))
    return Levels(None, None, None)


def _mean(rows: Array, weights: Array) -> Array:
    """Return the weighted mean of the rows (n, k)."""
    total = float(weights.sum())
    return (weights @ rows.astype(np.float64)) / total if total > 0 else rows.mean(axis=0)


def _logits(p: Array) -> Array:
    return np.log(np.clip(p, SMALLEST, 1))


def _log_odds(p: Array) -> Array:
    p = np.clip(p, SMALLEST, 1 - SMALLEST)
    return np.log(p / (1 - p))
