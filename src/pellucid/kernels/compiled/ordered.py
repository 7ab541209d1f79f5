"""Sums and differences that are computed before anything is added to them.

The compiler may reorder sums (see ``jit``). It would turn (x − top) − rest into x − (top + rest), which loses ``rest`` where x
and top are large. A function compiled with ``ordered_jit`` is one operation to it, and costs nothing, because it is inlined.
"""

from __future__ import annotations

from pellucid.kernels.compiled.jit import ordered_jit


@ordered_jit
def sum_in_order(values):
    """Return the sum of a vector in float64, from the first value to the last."""
    total = 0.0
    for i in range(len(values)):
        total += values[i]
    return total


@ordered_jit
def add(a, b):
    """Return a + b."""
    return a + b


@ordered_jit
def subtract(a, b):
    """Return a − b."""
    return a - b
