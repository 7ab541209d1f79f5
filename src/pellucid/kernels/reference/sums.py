"""The kernel of sums of arrays, as at the end of a residual block."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array


def sum_arrays(x: Array, other: Array, out: Array) -> Array:
    """out = x + other."""
    return np.add(x, other, out=out)
