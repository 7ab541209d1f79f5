"""Predicted values of a regression against the true values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import DataError
from pellucid.plots.style import BLUE, GREY, blank_figure, with_alt

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def predictions(y: Array, predicted: Array, title: str = "") -> Figure:
    """Draw a dot for each value, one for each sample or several: the true value on the x-axis, the predicted one on the y-axis.

    On the dotted diagonal both are equal. Raises DataError unless there are as many predicted as true values, at least one.
    """
    true, guess = (np.asarray(values, np.float64).reshape(-1) for values in (y, predicted))
    if not len(true) or len(true) != len(guess):
        raise DataError(f"expected one predicted value per true value, and at least one; got {len(guess):,} for {len(true):,}")
    figure, (ax,) = blank_figure(4.6, 4.6, 1)
    ends = [min(true.min(), guess.min()), max(true.max(), guess.max())]
    ax.plot(ends, ends, color=GREY, linewidth=1, linestyle=":", marker="")
    ax.plot(true, guess, color=BLUE, linestyle="", marker="o", markersize=3, alpha=0.6)
    ax.set_xlabel("True value")
    ax.set_ylabel("Predicted value")
    ax.set_aspect("equal", adjustable="datalim")
    if title:
        figure.suptitle(title)
    error = float(np.abs(guess - true).mean())
    value_range = f"from {true.min():.4g} to {true.max():.4g}"
    what = "samples" if len(true) == len(y) else "values"  # several for each sample
    text = f"Predicted against true values of {len(true):,} {what}, {value_range}; mean absolute error {error:.4g}."
    return with_alt(figure, text)
