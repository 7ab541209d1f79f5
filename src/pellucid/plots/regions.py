"""What networks decide in a plane: one square for each, coloured by the probability of the second class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import DataError
from pellucid.plots.style import BLUE, VERMILION, described, figure, listed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKS = "o", "^"


def decision_regions(
    planes: Mapping[str, Any], x: Array, y: Array, extent: tuple[float, float, float, float], columns: int = 4
) -> Figure:
    """``planes`` has for each title the probabilities of class 1 over a grid (rows are x₂ from below, columns x₁), which
    spans ``extent`` (left, right, bottom, top); the points ``x`` (n, 2) with labels ``y`` of 0 and 1 are drawn on top: blue
    circles and vermilion triangles. The line is where the probability is ½."""
    if not planes:
        raise DataError("there are no planes to draw")
    across = min(columns, len(planes))
    down = -(-len(planes) // across)
    made, axes = figure(2.7 * across, 2.9 * down, across, down)
    for ax, (title, plane) in zip(axes, planes.items(), strict=False):
        draw_regions(ax, plane, x, y, extent)
        ax.set_title(title, fontsize=9)
        ax.set_xlabel("x₁")
        ax.set_ylabel("x₂")
    for ax in axes[len(planes) :]:
        ax.set_visible(False)
    shares = listed((f"{title} {100 * np.mean(np.asarray(plane) >= 0.5):.0f} %" for title, plane in planes.items()), 12)
    text = f"Decision regions in a plane, with {len(x)} points of two classes. The share that the second class has: {shares}."
    return described(made, text)


def draw_regions(ax: Any, plane: Any, x: Any, y: Any, extent: tuple[float, float, float, float], size: float = 22) -> None:
    """One such square, on axes that are there; ``size`` is that of the points."""
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("regions", [BLUE, "#FFFFFF", VERMILION])
    grid, look = np.asarray(plane, float), {"origin": "lower", "interpolation": "bilinear", "aspect": "auto"}
    ax.imshow(grid, extent=extent, cmap=shades, vmin=0, vmax=1, alpha=0.55, **look)
    if grid.min() < 0.5 < grid.max():
        ax.contour(
            np.linspace(*extent[:2], grid.shape[1]), np.linspace(*extent[2:], grid.shape[0]), grid, [0.5], colors="black"
        )
    for label, (color, mark) in enumerate(zip((BLUE, VERMILION), MARKS, strict=True)):
        chosen = np.asarray(x)[np.asarray(y) == label]
        ax.scatter(*chosen.T, color=color, marker=mark, s=size, edgecolor="white", linewidth=0.02 * size, zorder=3)
    ax.grid(False)
