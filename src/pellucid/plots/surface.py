"""A loss over a plane, with the ways that descents take on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import DataError, ShapeError
from pellucid.plots.style import BLUE, VERMILION, described, figure, listed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEVELS = 11


def loss_surface(
    heights: Any,
    extent: tuple[float, float, float, float],
    paths: Mapping[str, Sequence[Any]],
    axes: tuple[str, str] = ("w₁", "w₂"),
    height: str = "loss",
    columns: int = 3,
) -> Figure:
    """``heights`` (rows, columns) are the loss over a grid (rows are the second axis from below), which spans ``extent``
    (left, right, bottom, top). One square for each title in ``paths``, with its trajectories on it, each (steps, 2): vermilion,
    from a white circle to a black square. Each shade of blue covers as much of the plane as the others, so that valleys and
    cliffs are both seen. What is outside is cut off. Raises ShapeError."""
    grid = np.asarray(heights, float)
    if grid.ndim != 2 or min(grid.shape) < 2:
        raise ShapeError(f"the heights of a surface are a grid (rows, columns), two or more of each, got {grid.shape}")
    if not paths:
        raise DataError("there are no paths to draw: a title without trajectories, {'': []}, shows the surface alone")
    across = min(columns, len(paths))
    made, squares = figure(3.0 * across + 0.7, 3.1 * -(-len(paths) // across), across, -(-len(paths) // across))
    levels = np.unique(np.quantile(grid, np.linspace(0, 1, LEVELS)))
    if len(levels) < 2:
        levels = np.array([grid.min() - 0.5, grid.max() + 0.5])
    shades = _shades(len(levels) - 1)
    where = np.linspace(*extent[:2], grid.shape[1]), np.linspace(*extent[2:], grid.shape[0])
    for ax, (title, ways) in zip(squares, paths.items(), strict=False):
        filled = ax.contourf(*where, grid, levels, colors=shades)
        for way in ways:
            points = np.asarray(way, float).reshape(-1, 2)
            small = {"marker": "."} if len(points) <= 60 else {}
            ax.plot(*points.T, color=VERMILION, linewidth=1.1, markersize=4, **small)
            ax.plot(*points[:1].T, "o", color="white", markeredgecolor="black", markersize=6)
            ax.plot(*points[-1:].T, "s", color="black", markersize=5)
        ax.set(xlim=extent[:2], ylim=extent[2:], xlabel=axes[0], ylabel=axes[1])
        ax.set_title(title, fontsize=9)
        ax.grid(False)
    for ax in squares[len(paths) :]:
        ax.set_visible(False)
    bar = made.colorbar(filled, ax=squares, ticks=levels, spacing="uniform", shrink=0.85, label=height)
    bar.ax.set_yticklabels([f"{level:.2g}" for level in levels], fontsize=8)
    said = listed(f"{title} ({len(ways)})" if title else f"{len(ways)}" for title, ways in paths.items())
    return described(
        made, f"{height} over {axes[0]} and {axes[1]}, {grid.min():.3g} to {grid.max():.3g}, with trajectories: {said}."
    )


def main_plane(ways: Mapping[str, Array]) -> tuple[Array, Array, dict[str, Array], float]:
    """The plane in which trajectories (steps, n) lie most: a point on it, its two axes (2, n), the trajectories in it
    (steps, 2), and the share of their variance that it holds. By principal components, as Li et al. (2018) do."""
    points = np.concatenate(list(ways.values()))
    middle = points.mean(axis=0)
    _, lengths, axes = np.linalg.svd(points - middle, full_matrices=False)
    flat = {name: (way - middle) @ axes[:2].T for name, way in ways.items()}
    return middle, axes[:2], flat, float((lengths[:2] ** 2).sum() / (lengths**2).sum())


def _shades(count: int) -> list[Any]:
    """From white, the lowest, to blue."""
    from matplotlib.colors import to_rgb

    blue = np.array(to_rgb(BLUE))
    return [tuple(1 - share * (1 - blue)) for share in np.linspace(0.04, 0.85, count)]
