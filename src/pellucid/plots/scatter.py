"""Samples as points in a plane, colored by class: the representation of a layer, projected to two dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import DataError
from pellucid.plots.style import blank_figure, grid_size, join_names, with_alt

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Ten colors and four markers; neighbors in the order differ in both. The name of the class is also written at its median.
COLORS = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6B6B6B", "#000000", "#8C564B", "#5B2A86"
MARKERS = "o", "s", "^", "D"


def representation(panels: Mapping[str, Array], labels: Array, classes: Sequence[str], columns: int = 3) -> Figure:
    """Draw, for each title in ``panels``, the points (n, 2) of the same n samples with the classes ``labels`` (n).

    The axes are directions of a projection and have no units: only distances are meaningful. Raises DataError if there are
    no panels.
    """
    if not panels:
        raise DataError("there are no points to draw")
    column_count, row_count = grid_size(len(panels), columns)
    figure, axes = blank_figure(3.0 * column_count, 3.1 * row_count, column_count, row_count)
    for ax, (title, points) in zip(axes, panels.items(), strict=False):
        points = np.asarray(points, float)
        for k, name in enumerate(classes):
            members = points[np.asarray(labels) == k]
            if not len(members):
                continue
            color, marker = COLORS[k % len(COLORS)], MARKERS[k % len(MARKERS)]
            ax.scatter(*members.T, s=7, color=color, marker=marker, linewidth=0, alpha=0.7)
            x, y = np.median(members, axis=0)
            box = {"facecolor": "white", "edgecolor": color, "boxstyle": "round,pad=0.15", "alpha": 0.9}
            ax.text(x, y, name, fontsize=8, ha="center", va="center", bbox=box)
        ax.set_title(title, fontsize=9)
        ax.set_xticks([])
        ax.set_yticks([])
        ax.grid(False)
        for spine in ax.spines.values():
            spine.set_visible(True)
    for ax in axes[len(panels) :]:
        ax.set_visible(False)
    text = f"{len(labels):,} samples as points in a plane, colored by class ({join_names(classes, 12)}): {join_names(panels)}."
    return with_alt(figure, text)
