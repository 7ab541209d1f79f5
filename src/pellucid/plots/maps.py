"""Pictures in a grid, with signed maps over them: attributions, differences, weights, feature maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.errors import DataError
from pellucid.plots.style import BLUE, VERMILION, described, figure, listed

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def attributions(columns: Mapping[str, Sequence[Any]], rows: Sequence[str] | None = None, signed: Sequence[str] = ()) -> Figure:
    """A grid of pictures: ``columns`` has for each title one picture (h, w) for each row. Those titled in ``signed`` are maps
    around 0: vermilion above, blue below, each with its own scale; the others are grey, black on white. Also for filters,
    feature maps and differences."""
    if not columns or not all(len(pictures) for pictures in columns.values()):
        raise DataError("there are no pictures to draw")
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("signed", [BLUE, "#FFFFFF", VERMILION])
    down = max(len(pictures) for pictures in columns.values())
    made, axes = figure(1.25 * len(columns) + 0.5, 1.25 * down + 0.4, len(columns), down)
    for j, (title, pictures) in enumerate(columns.items()):
        for i in range(down):
            ax = axes[i * len(columns) + j]
            ax.set_xticks([])
            ax.set_yticks([])
            ax.grid(False)
            if i == 0:
                ax.set_title(title, fontsize=8)
            if j == 0 and rows is not None and i < len(rows):
                ax.set_ylabel(rows[i], fontsize=8, rotation=0, ha="right", va="center")
            if i >= len(pictures):
                ax.set_visible(False)
                continue
            picture = np.asarray(pictures[i], float)
            if title in signed:
                most = np.abs(picture).max() or 1.0
                ax.imshow(picture, cmap=shades, vmin=-most, vmax=most)
            else:
                ax.imshow(picture, cmap="Greys")
            for spine in ax.spines.values():
                spine.set_visible(True)
                spine.set_color("#CCCCCC")
    named = f" Rows: {listed(rows)}." if rows else ""
    around = [title for title in columns if title in signed]
    colours = f" Vermilion is above zero and blue below, in {listed(around)}." if around else ""
    return described(made, f"A grid of pictures. Columns: {listed(columns)}.{named}{colours}")
