"""The scale that a target is learned in: its own, or logarithms where it is positive and skewed, such as prices and costs."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array

SKEWNESS = 1.5  # at least, of a target that is learned in logarithms; a normal distribution has 0, an exponential one 2
SHARE = 1 / 3  # of it is the largest skewness that its logarithms may have
MIN_VALUES = 20  # of fewer, the skewness says little
_LARGE = 1e100  # the cube of a larger number may not be finite, and that of a small one may be 0


def unit_of(y: Array) -> Array:
    """Return for each column of y (n, …) 1, or a power of two: divided by it, numbers can be squared and cubed.

    It is 1 unless the largest finite number is beyond 10¹⁰⁰ or within 10⁻¹⁰⁰. The unit of a vector is one number.
    """
    largest = np.abs(y).max(axis=0, initial=0, where=np.isfinite(y)).astype(np.float64)
    _, exponent = np.frexp(largest)
    moderate = (largest == 0) | ((largest > 1 / _LARGE) & (largest < _LARGE))
    units = np.where(moderate, 1.0, np.ldexp(1.0, exponent - 1))
    return units.astype(y.dtype if y.dtype.kind == "f" else np.float64)


def skewness(y: Array, weights: Array | None = None) -> float:
    """Return the skewness of numbers y (n): the mean of ((y − mean)/deviation)³, and 0 for equal numbers."""
    y = y / unit_of(y)
    mean = np.average(y, weights=weights)
    deviation = np.sqrt(np.average((y - mean) ** 2, weights=weights))
    if not deviation > 1e-12 * abs(mean):
        return 0.0
    return float(np.average(((y - mean) / deviation) ** 3, weights=weights))


def suits_logarithms(y: Array, weights: Array | None = None) -> bool:
    """Return whether a target (n) is positive and skewed to the right, and its logarithms are not."""
    y = np.asarray(y, np.float64)
    if len(y) < MIN_VALUES or not y.min() > 0 or not np.isfinite(y).all():
        return False
    own = skewness(y, weights)
    return own >= SKEWNESS and abs(skewness(np.log(y), weights)) <= SHARE * own
