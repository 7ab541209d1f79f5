"""The kernels that count correct predictions. outputs (n, k), labels (n), weights (n)."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array


def count_correct(outputs: Array, labels: Array, weights: Array) -> float:
    """Return Σ of the weights of the samples whose largest output (the first, if several are equal) is that of their label."""
    return float(weights[outputs.argmax(axis=1) == labels].sum(dtype=np.float64))


def confusion(outputs: Array, labels: Array, weights: Array, table: Array) -> None:
    """table[label, index of the largest output] += weight for each sample; table (k, k)."""
    np.add.at(table, (labels, outputs.argmax(axis=1)), weights)
