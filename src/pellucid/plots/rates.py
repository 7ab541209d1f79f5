"""What a learning rate does to the loss: the curve of a range test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pellucid.plots.style import BLUE, GREY, VERMILION, described, figure
from pellucid.training import RateSearch

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def learning_rate_finder(found: RateSearch, title: str = "") -> Figure:
    """The loss of each step (grey dots) and smoothed (blue) over the learning rate, on a logarithmic axis; the suggestion is
    a vermilion dashed line with a square. What lies above the first loss by more than half of its height is cut off."""
    made, (ax,) = figure(5.6, 3.6)
    ax.plot(found.rates, found.losses, color=GREY, marker=".", markersize=4, linestyle="", label="loss of a step")
    ax.plot(found.rates, found.smoothed, color=BLUE, label="smoothed")
    ax.set_xscale("log")
    at = float(np.interp(np.log(found.suggestion), np.log(found.rates), found.smoothed))
    ax.axvline(found.suggestion, color=VERMILION, linestyle="--", linewidth=1.2)
    ax.plot([found.suggestion], [at], color=VERMILION, marker="s", linestyle="", label=f"suggestion: {found.suggestion:g}")
    low, first = float(found.smoothed.min()), float(found.smoothed[0])
    room = max(first - low, 1e-3 * abs(first), 1e-12)
    ax.set_ylim(low - 0.15 * room, first + 0.5 * room)
    ax.set_xlabel("learning rate")
    ax.set_ylabel("training loss")
    ax.legend()
    if title:
        ax.set_title(title)
    lowest = int(np.argmin(found.smoothed))
    return described(
        made,
        f"Training loss over learning rates from {found.rates[0]:.2g} to {found.rates[-1]:.2g}, smoothed: {first:.3g} first, "
        f"lowest {low:.3g} at {found.rates[lowest]:.2g}. The suggestion, where it falls most steeply, is {found.suggestion:g}.",
    )
