"""A loss surface over a plane, with the trajectories of optimizers on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import DataError, ShapeError
from pellucid.plots.style import BLUE, CELL, VERMILION, blank_figure, grid_size, join_names, with_alt

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEVELS = 11
MAX_STEP_MARKERS = 60  # longer trajectories have no dots at their steps


def loss_surface(
    heights: Any,
    extent: tuple[float, float, float, float],
    paths: Mapping[str, Sequence[Any]],
    axes: tuple[str, str] = ("w₁", "w₂"),
    height: str = "loss",
    columns: int = 3,
) -> Figure:
    """Draw a loss over a plane, once for each title in ``paths``, with the trajectories (steps, 2) of that title.

    ``heights`` (rows, columns) is a grid of losses over ``extent`` (left, right, bottom, top); its rows are the second axis
    from bottom to top. A trajectory is vermilion, from a white circle to a black square; parts outside of the extent are
    clipped. The levels of blue cover equal areas of the plane, so that valleys and cliffs are both visible. Raises ShapeError
    for heights that are not a grid, and DataError if ``paths`` is empty.
    """
    grid = np.asarray(heights, float)
    if grid.ndim != 2 or min(grid.shape) < 2:
        raise ShapeError(f"the heights of a surface must be a grid with at least two rows and columns, got {grid.shape}")
    if not paths:
        raise DataError("paths is empty: expected trajectories by title; to show the surface alone, use {'': []}")
    column_count, row_count = grid_size(len(paths), columns)
    figure, panels = blank_figure(3.0 * column_count + 0.7, 3.1 * row_count, column_count, row_count)
    levels = np.unique(np.quantile(grid, np.linspace(0, 1, LEVELS)))
    if len(levels) < 2:
        levels = np.array([grid.min() - 0.5, grid.max() + 0.5])
    colors = _blues(len(levels) - 1)
    coordinates = np.linspace(*extent[:2], grid.shape[1]), np.linspace(*extent[2:], grid.shape[0])
    for ax, (title, trajectories) in zip(panels, paths.items(), strict=False):
        surface = ax.contourf(*coordinates, grid, levels, colors=colors)
        for i, trajectory in enumerate(trajectories):
            points = np.asarray(trajectory, float).reshape(-1, 2)
            markers = {"marker": "."} if len(points) <= MAX_STEP_MARKERS else {}
            ax.plot(*points.T, color=VERMILION, linewidth=1.1, markersize=4, **markers)
            ax.plot(*points[:1].T, "o", color="white", markeredgecolor="black", markersize=6, gid=f"{CELL}first-{i}")
            ax.plot(*points[-1:].T, "s", color="black", markersize=5, gid=f"{CELL}last-{i}")
        ax.set(xlim=extent[:2], ylim=extent[2:], xlabel=axes[0], ylabel=axes[1])
        ax.set_title(title, fontsize=9)
        ax.grid(False)
    for ax in panels[len(paths) :]:
        ax.set_visible(False)
    bar = figure.colorbar(surface, ax=panels, ticks=levels, spacing="uniform", shrink=0.85, label=height)
    bar.ax.set_yticklabels([f"{level:.2g}" for level in levels], fontsize=8)
    counts = join_names(
        f"{title} ({len(trajectories)})" if title else f"{len(trajectories)}" for title, trajectories in paths.items()
    )
    value_range = f"{grid.min():.3g} to {grid.max():.3g}"
    text = f"Surface of {height} over {axes[0]} and {axes[1]}, {value_range}, with trajectories: {counts}."
    return with_alt(figure, text)


def principal_plane(trajectories: Mapping[str, Array]) -> tuple[Array, Array, dict[str, Array], float]:
    """Return the plane with the largest variance of the trajectories (steps, n), by principal components (Li et al., 2018).

    The result is a point in the plane (n), its two axes (2, n), the trajectories in the plane (steps, 2), and the fraction of
    the variance in it.
    """
    points = np.concatenate(list(trajectories.values()))
    mean = points.mean(axis=0)
    _, singular_values, axes = np.linalg.svd(points - mean, full_matrices=False)
    projected = {name: (trajectory - mean) @ axes[:2].T for name, trajectory in trajectories.items()}
    fraction = float((singular_values[:2] ** 2).sum() / (singular_values**2).sum())
    return mean, axes[:2], projected, fraction


def _blues(count: int) -> list[Any]:
    """Return colors from nearly white, for the lowest level, to blue."""
    from matplotlib.colors import to_rgb

    blue = np.array(to_rgb(BLUE))
    return [tuple(1 - strength * (1 - blue)) for strength in np.linspace(0.04, 0.85, count)]
