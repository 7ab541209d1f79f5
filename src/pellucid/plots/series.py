"""Forecasts of series: the values that were predicted at each step, beside those that came."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import DataError, ShapeError
from pellucid.plots.style import BLUE, GREY, VERMILION, blank_figure, join_names, with_alt

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_WIDTH = 14.0  # inches
MAX_MARKED = 40  # steps; longer series are drawn without markers


def series(
    y: Array,
    predicted: Array,
    before: Array | None = None,
    *,
    names: Sequence[str] | None = None,
    title: str = "",
) -> Figure:
    """Draw the series ``y`` and their forecasts ``predicted``, both (n, T, k) or (n, T), over the steps 1 … T.

    There is one row for each sample and one column for each of the k channels, named by ``names``. The true values are blue
    and solid with dots, the predicted ones vermilion and dashed with squares. ``before`` (n, S, k), the values that the network
    has read, is grey, at the steps −S + 1 … 0. Masked values may be NaN, which leaves a gap. Raises ShapeError unless the
    shapes agree, and DataError where there is nothing to draw.
    """
    true, guess = (_with_channels(array) for array in (y, predicted))
    past = None if before is None else _with_channels(before)
    if true.ndim != 3 or true.shape != guess.shape:
        raise ShapeError(
            f"y and predicted are (n, T) or (n, T, k), with equal shapes; got {np.shape(y)} and {np.shape(predicted)}"
        )
    n, _, k = true.shape
    if past is not None and (past.ndim != 3 or (len(past), past.shape[2]) != (n, k)):
        raise ShapeError(f"before must be (n, S, k) with n = {n} and k = {k}, got {past.shape}")
    if names is not None and len(names) != k:
        raise ShapeError(f"there are {k} channels and {len(names)} names: {list(names)}")
    if not true.size:
        raise DataError(f"there are no values to draw in the shape {true.shape}")
    figure, axes = blank_figure(min(1.0 + 3.6 * k, MAX_WIDTH), 0.6 + 1.7 * n, k, n)
    grid = np.array(axes, object).reshape(n, k)
    for i, j in np.ndindex(n, k):
        _draw(grid[i, j], true[i, :, j], guess[i, :, j], None if past is None else past[i, :, j])
    for j in range(k):
        if names is not None:
            grid[0, j].set_title(str(names[j]))
        grid[-1, j].set_xlabel("Step")
    axes[0].legend(fontsize=8)
    if title:
        figure.suptitle("\n".join(textwrap.wrap(title, 45 * k)), fontsize=10)
    return with_alt(figure, _text(true, guess, past, names, title))


def _with_channels(array: Array) -> Array:
    values = np.asarray(array, np.float64)
    return values[..., None] if values.ndim == 2 else values


def _draw(ax: Any, true: Array, guess: Array, past: Array | None) -> None:
    at = np.arange(1, len(true) + 1)
    markers = {"markersize": 4} if len(true) <= MAX_MARKED else {"marker": ""}
    if past is not None:
        ax.plot(np.arange(1 - len(past), 1), past, color=GREY, label="Before")
        ax.axvline(0.5, color=GREY, linewidth=1, linestyle=":")
    ax.plot(at, true, **{"color": BLUE, "marker": "o", "label": "True", **markers})
    ax.plot(at, guess, **{"color": VERMILION, "marker": "s", "linestyle": "--", "label": "Predicted", **markers})
    ax.xaxis.get_major_locator().set_params(integer=True)


def _text(true: Array, guess: Array, past: Array | None, names: Sequence[str] | None, title: str) -> str:
    n, steps, k = true.shape
    channels = "" if k == 1 else f" of {k} channels" if names is None else f" of {join_names(names)}"
    seen = "" if past is None else f" after {past.shape[1]} steps that were seen"
    error = np.abs(guess - true)
    text = f"{title + ': ' if title else ''}{n} forecast{'s' * (n != 1)}{channels} over {steps} steps{seen}"
    if np.isnan(error).all():
        return text + "."
    first, last = (np.nanmean(error[:, at]) if not np.isnan(error[:, at]).all() else np.nan for at in (0, -1))
    return f"{text}; mean absolute error {np.nanmean(error):.3g}, at the first step {first:.3g}, at the last {last:.3g}."
