"""Decision regions of networks with two inputs: the probability of the second class as a color."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import DataError
from pellucid.plots.style import BLUE, VERMILION, blank_figure, grid_size, join_names, signed_colors, with_alt

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKERS = "o", "^"


def decision_regions(
    planes: Mapping[str, Any], x: Array, y: Array, extent: tuple[float, float, float, float], columns: int = 4
) -> Figure:
    """Draw, for each title in ``planes``, the probability of class 1 in the plane, and the decision boundary at ½.

    A plane is a grid of probabilities over ``extent`` (left, right, bottom, top); its rows are x₂ from bottom to top, its
    columns x₁. The points ``x`` (n, 2) are blue circles for the label 0 in ``y``, and vermilion triangles for 1. Raises
    DataError if there are no planes.
    """
    if not planes:
        raise DataError("there are no planes to draw")
    column_count, row_count = grid_size(len(planes), columns)
    figure, axes = blank_figure(2.7 * column_count, 2.9 * row_count, column_count, row_count)
    for ax, (title, plane) in zip(axes, planes.items(), strict=False):
        draw_regions(ax, plane, x, y, extent)
        ax.set_title(title, fontsize=9)
        ax.set_xlabel("x₁")
        ax.set_ylabel("x₂")
    for ax in axes[len(planes) :]:
        ax.set_visible(False)
    fractions = join_names((f"{title} {100 * np.mean(np.asarray(plane) >= 0.5):.0f} %" for title, plane in planes.items()), 12)
    text = f"Decision regions in a plane, with {len(x)} points of two classes. The region of the second class covers: "
    return with_alt(figure, f"{text}{fractions}.")


def draw_regions(ax: Any, plane: Any, x: Any, y: Any, extent: tuple[float, float, float, float], size: float = 22) -> None:
    """Draw one plane of :func:`decision_regions` into existing axes; ``size`` is the size of the points."""
    grid, style = np.asarray(plane, float), {"origin": "lower", "interpolation": "bilinear", "aspect": "auto"}
    ax.imshow(grid, extent=extent, cmap=signed_colors(), vmin=0, vmax=1, alpha=0.55, **style)
    if grid.min() < 0.5 < grid.max():
        x1, x2 = np.linspace(*extent[:2], grid.shape[1]), np.linspace(*extent[2:], grid.shape[0])
        ax.contour(x1, x2, grid, [0.5], colors="black")
    for label, (color, marker) in enumerate(zip((BLUE, VERMILION), MARKERS, strict=True)):
        members = np.asarray(x)[np.asarray(y) == label]
        ax.scatter(*members.T, color=color, marker=marker, s=size, edgecolor="white", linewidth=0.02 * size, zorder=3)
    ax.grid(False)
