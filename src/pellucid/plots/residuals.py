"""The residuals of a regression over its predictions, with prediction intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import DataError
from pellucid.explain.intervals import PredictionIntervals
from pellucid.plots.style import BLUE, GREY, VERMILION, blank_figure, few_ticks, with_alt

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def residuals(y: Array, predicted: Array, intervals: PredictionIntervals | None = None, title: str = "") -> Figure:
    """Draw the residuals (truth minus prediction) over the predictions, and their distribution at the right.

    With ``intervals``, the band is what they contain, and values outside are vermilion crosses. Raises DataError unless there
    are as many predicted as true values, at least one.
    """
    true, guess = (np.asarray(values, np.float64).reshape(-1) for values in (y, predicted))
    if not len(true) or len(true) != len(guess):
        raise DataError(f"expected one predicted value per true value, and at least one; got {len(guess):,} for {len(true):,}")
    left = true - guess
    figure, (ax, side) = blank_figure(7.6, 4.2, 2)
    ax.get_gridspec().set_width_ratios([3.6, 1])
    outside = np.zeros(len(left), bool)
    if intervals is not None:
        outside = np.abs(left) > intervals.half_width(guess)
        ends = np.concatenate([[guess.min()], intervals.edges, [guess.max()]])
        for i, half in enumerate(intervals.half_widths):
            label = f"{100 * intervals.level:g} % interval" if i == 0 else None
            ax.fill_between(ends[i : i + 2], -half, half, color=BLUE, alpha=0.12, linewidth=0, label=label)
    ax.axhline(0, color=GREY, linewidth=1, linestyle=":")
    ax.plot(guess[~outside], left[~outside], color=BLUE, linestyle="", marker="o", markersize=3, alpha=0.6)
    if outside.any():
        label = f"Outside: {100 * outside.mean():.1f} %"
        ax.plot(guess[outside], left[outside], color=VERMILION, linestyle="", marker="x", markersize=4.5, label=label)
    few_ticks(ax.xaxis)
    few_ticks(ax.yaxis)
    ax.set_xlabel("Predicted value")
    ax.set_ylabel("Truth minus prediction")
    if intervals is not None:
        ax.legend(loc="best", fontsize=8)
    counts, edges = np.histogram(left, min(40, max(5, len(left) // 10)))
    side.stairs(counts, edges, orientation="horizontal", fill=True, color=BLUE, alpha=0.55)
    side.axhline(0, color=GREY, linewidth=1, linestyle=":")
    side.set_xlabel("Samples")
    side.set_ylim(ax.get_ylim())
    few_ticks(side.yaxis)
    side.tick_params(labelleft=False)
    if title:
        figure.suptitle(title)
    text = (
        f"Residuals of {len(true):,} predictions from {guess.min():.4g} to {guess.max():.4g}: mean {left.mean():.3g}, standard "
        f"deviation {left.std():.4g}, from {left.min():.4g} to {left.max():.4g}"
    )
    if intervals is not None:
        widths = " to ".join(dict.fromkeys(f"{end:.4g}" for end in (intervals.half_widths.min(), intervals.half_widths.max())))
        text += f"; {100 * (1 - outside.mean()):.1f} % are in the {100 * intervals.level:g} % intervals of ± {widths}"
    return with_alt(figure, f"{text}.")
