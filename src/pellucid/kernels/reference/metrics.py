"""Counting right answers. outputs (n, k), labels (n), weights (n)."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array


def count_correct(outputs: Array, labels: Array, weights: Array) -> float:
    """Σ of the weights of the samples whose largest output (the first of equals) is their label's."""
    return float(weights[outputs.argmax(axis=1) == labels].sum(dtype=np.float64))


def confusion(outputs: Array, labels: Array, weights: Array, table: Array) -> None:
    """table[label, largest output] += weight, for each sample."""
    np.add.at(table, (labels, outputs.argmax(axis=1)), weights)
