"""The kernels that count correct predictions."""

from __future__ import annotations

from pellucid.kernels.compiled.jit import inner_jit, jit


@inner_jit
def _argmax(outputs, i):
    """Return the index of the largest output of sample i: the first, if several are equal."""
    best = 0
    for j in range(1, outputs.shape[1]):
        if outputs[i, j] > outputs[i, best]:
            best = j
    return best


@jit
def count_correct(outputs, labels, weights):
    total = 0.0
    for i in range(outputs.shape[0]):
        if _argmax(outputs, i) == labels[i]:
            total += weights[i]
    return total


@jit
def confusion(outputs, labels, weights, table):
    for i in range(outputs.shape[0]):
        table[labels[i], _argmax(outputs, i)] += weights[i]
