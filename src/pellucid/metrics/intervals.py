"""Confidence intervals of metrics."""

from __future__ import annotations

import math


def wilson(correct: float, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Return the 95 % interval of a fraction, ``correct`` of ``n``, by Wilson's score interval (1927).

    It is accurate even for fractions near 0 and 1. ``z`` is the quantile of the normal distribution for the level of 95 %.
    """
    if n == 0:
        return 0.0, 1.0
    fraction, slack = correct / n, z * z / n
    middle = (fraction + slack / 2) / (1 + slack)
    half = z / (1 + slack) * math.sqrt(fraction * (1 - fraction) / n + slack / (4 * n))
    return max(0.0, middle - half), min(1.0, middle + half)
