"""Samples as points in the plane, coloured by their class: what a layer makes of them, in two numbers each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import DataError
from pellucid.plots.style import described, figure, listed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Ten colours and four shapes, in an order in which neighbours differ in both; the class's name stands in its middle as well.
COLORS = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6B6B6B", "#000000", "#8C564B", "#5B2A86"
SHAPES = "o", "s", "^", "D"


def representation(panels: Mapping[str, Array], labels: Array, classes: Sequence[str], columns: int = 3) -> Figure:
    """``panels`` has for each title the points (n, 2) of the same n samples, whose class is ``labels`` (n). Axes have no
    units: they are directions of a projection, and only distances count."""
    if not panels:
        raise DataError("there are no points to draw")
    across = min(columns, len(panels))
    down = -(-len(panels) // across)
    made, axes = figure(3.0 * across, 3.1 * down, across, down)
    for ax, (title, points) in zip(axes, panels.items(), strict=False):
        points = np.asarray(points, float)
        for k, name in enumerate(classes):
            own = points[np.asarray(labels) == k]
            if not len(own):
                continue
            ax.scatter(*own.T, s=7, color=COLORS[k % len(COLORS)], marker=SHAPES[k % len(SHAPES)], linewidth=0, alpha=0.7)
            x, y = np.median(own, axis=0)
            box = {"facecolor": "white", "edgecolor": COLORS[k % len(COLORS)], "boxstyle": "round,pad=0.15", "alpha": 0.9}
            ax.text(x, y, name, fontsize=8, ha="center", va="center", bbox=box)
        ax.set_title(title, fontsize=9)
        ax.set_xticks([])
        ax.set_yticks([])
        ax.grid(False)
        for spine in ax.spines.values():
            spine.set_visible(True)
    for ax in axes[len(panels) :]:
        ax.set_visible(False)
    text = f"{len(labels):,} samples as points in a plane, coloured by class ({listed(classes, 12)}): {listed(panels)}."
    return described(made, text)
