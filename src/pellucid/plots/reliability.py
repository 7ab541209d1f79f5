"""The reliability diagram: how often what was given a probability is true."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pellucid.errors import DataError
from pellucid.metrics import Reliability
from pellucid.plots.style import BLUE, GREY, blank_figure, join_names, with_alt

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def reliability_diagram(found: Reliability, of: str = "", title: str = "") -> Figure:
    """Draw the fraction of true events over their mean probability in each bin, with 95 % intervals; below, the samples.

    On the dotted diagonal, probabilities are calibrated; below it, they are too high. ``of`` says what the probability is of,
    such as the name of a class. Raises DataError if there are no bins.
    """
    if not len(found.count):
        raise DataError("there are no probabilities to draw")
    figure, (ax, bars) = blank_figure(4.8, 5.4, 1, 2)
    grid = ax.get_gridspec()
    grid.set_height_ratios([3.2, 1])
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":", label="Calibrated")
    errors = np.abs(found.interval - found.fraction[:, None]).T  # rounding may put an end on the other side of 0
    style = {"color": BLUE, "marker": "o", "markersize": 5, "capsize": 3, "elinewidth": 1.2}
    ax.errorbar(found.probability, found.fraction, yerr=errors, label="Measured, 95 % intervals", **style)
    ax.set_ylabel("Fraction that is true")
    ax.legend(loc="upper left", fontsize=8)
    edges = np.linspace(0, 1, found.bins + 1)
    places = np.minimum((found.probability * found.bins).astype(int), found.bins - 1)
    counts = np.zeros(found.bins)
    counts[places] = found.count
    bars.stairs(counts, edges, fill=True, color=BLUE, alpha=0.55)
    bars.set_ylabel("Samples")
    bars.set_xlabel(f"Predicted probability{f' of {of}' if of else ''}")
    for one in (ax, bars):
        one.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.02)
    if title:
        figure.suptitle(title)
    pairs = zip(found.probability, found.fraction, found.count, strict=True)
    listed = join_names((f"{p:.2f}: {f:.2f} ({n:,})" for p, f, n in pairs), 12)
    text = f"Fraction that is true for each mean probability{f' of {of}' if of else ''} (with the number of samples): {listed}"
    return with_alt(figure, f"{text}; expected calibration error {found.error:.3f}.")
