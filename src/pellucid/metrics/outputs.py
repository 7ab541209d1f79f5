"""Conversions of outputs and targets to the forms that metrics read: scores (n, k) of at least two classes, and labels (n)."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ShapeError


def predicted_classes(outputs: Array, targets: Array, threshold: float = 0.5) -> tuple[Array, Array]:
    """Return scores (n, k ≥ 2) whose largest is the predicted class, and labels (n).

    A single output becomes a one-hot row: class 1 where it is at least ``threshold``, otherwise class 0.
    """
    if outputs.shape[1] == 1:
        positive = outputs >= threshold
        return np.concatenate([~positive, positive], axis=1).astype(outputs.dtype), _binary_labels(outputs, targets)
    return outputs, class_labels(outputs, targets)


def class_scores(outputs: Array, targets: Array) -> tuple[Array, Array]:
    """Return one score per class (n, k ≥ 2), and labels (n). A single output p becomes 1 − p and p."""
    if outputs.shape[1] == 1:
        return np.concatenate([1 - outputs, outputs], axis=1), _binary_labels(outputs, targets)
    return outputs, class_labels(outputs, targets)


def class_labels(outputs: Array, targets: Array) -> Array:
    """Return labels (n): labels unchanged, and for one-hot rows or distributions (n, k) the class of the largest value."""
    if targets.ndim == 1 and len(targets) == len(outputs):
        return targets
    check_equal_shapes(outputs, targets)
    return targets.argmax(axis=1)


def _binary_labels(outputs: Array, targets: Array) -> Array:
    """Return labels (n) for the targets, (n) or (n, 1), of a single output: 1 where they are at least ½, else 0."""
    column = np.asarray(targets)
    column = column[:, None] if column.ndim == 1 else column
    check_equal_shapes(outputs, column)
    return (column[:, 0] >= 0.5).astype(np.int64)


def check_equal_shapes(outputs: Array, targets: Array) -> None:
    """Raise ShapeError where the targets of a metric do not have the shape of the outputs, so that NumPy would broadcast."""
    if outputs.shape != targets.shape:
        raise ShapeError(
            f"a metric has outputs of the shape {outputs.shape} and targets of the shape {targets.shape}; they must be equal: "
            "Loss.targets returns labels (n) or one row of targets for each row of outputs"
        )


def binary_scores(scores: Array, targets: Array) -> tuple[Array, Array]:
    """Return the scores −z and z of two classes for a single score z (n, 1), whose sign is the prediction, and labels (n)."""
    return np.concatenate([-scores, scores], axis=1), (targets.reshape(-1) > 0).astype(np.int64)


def flatten_multi_label(outputs: Array, targets: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Return k independent yes-or-no outputs per sample (n, k) as n·k samples with a single output."""
    check_equal_shapes(outputs, targets)
    k = outputs.shape[1]
    return outputs.reshape(-1, 1), targets.reshape(-1, 1), np.repeat(weights, k)
