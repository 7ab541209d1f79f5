"""The choice of one value among those of the classes: an array of all, the value of one class, or an average over them."""

from __future__ import annotations

import math

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ConfigError, did_you_mean

AVERAGES = ("macro", "weighted", "micro")


def check_average(average: str | None) -> None:
    """Raise ConfigError unless ``average`` is one of the averages, or None."""
    if average is not None and average not in AVERAGES:
        raise ConfigError(f"average={average!r}: {did_you_mean(average, AVERAGES)}")


def check_label(label: int | None, count: int, what: str = "classes") -> None:
    """Raise ConfigError unless ``label`` is one of ``count`` classes, or None; ``what`` they are is for the message."""
    if label is not None and not 0 <= label < count:
        raise ConfigError(f"label={label} is out of range: the {what} are 0 … {count - 1}")


def mean_of_classes(values: Array, support: Array | None) -> float:
    """Return the mean of the classes' values (k), weighted by their ``support`` (k), the weight of their samples, if given.

    Values of NaN are left out; if only classes of support 0 remain, all of these count the same (scikit-learn's
    ``zero_division=np.nan``). NaN if no value remains.
    """
    known = ~np.isnan(values)
    if not known.any():
        return math.nan
    weights = None if support is None or not support[known].any() else support[known]
    return float(np.average(values[known], weights=weights))
