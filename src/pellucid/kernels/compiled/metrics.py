"""Counting right answers."""

from __future__ import annotations

from pellucid.kernels.compiled.jit import jit


@jit
def count_correct(outputs, labels, weights):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(outputs.shape[0]):
        best = 0
        for j in range(1, outputs.shape[1]):
            if outputs[i, j] > outputs[i, best]:
                best = j
        if best == labels[i]:
            total += weights[i]
    return total


@jit
def confusion(outputs, labels, weights, table):  # type: ignore[no-untyped-def]
    for i in range(outputs.shape[0]):
        best = 0
        for j in range(1, outputs.shape[1]):
            if outputs[i, j] > outputs[i, best]:
                best = j
        table[labels[i], best] += weights[i]
