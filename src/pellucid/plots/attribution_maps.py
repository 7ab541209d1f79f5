"""Images in a grid, with signed maps next to them: attributions, differences, filters, feature maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.errors import DataError
from pellucid.plots.style import blank_figure, frame_image, join_names, show_signed, with_alt

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def attributions(columns: Mapping[str, Sequence[Any]], rows: Sequence[str] | None = None, signed: Sequence[str] = ()) -> Figure:
    """Draw a grid of images: ``columns`` has for each title one image (h, w) per row.

    Columns whose titles are in ``signed`` are maps around 0: vermilion above, blue below, each image with its own scale. The
    others are grey, dark on light. Raises DataError if there are no images.
    """
    if not columns or not all(len(images) for images in columns.values()):
        raise DataError("there are no images to draw")
    row_count = max(len(images) for images in columns.values())
    figure, axes = blank_figure(1.25 * len(columns) + 0.5, 1.25 * row_count + 0.4, len(columns), row_count)
    for j, (title, images) in enumerate(columns.items()):
        for i in range(row_count):
            ax = axes[i * len(columns) + j]
            frame_image(ax)
            if i == 0:
                ax.set_title(title, fontsize=8)
            if j == 0 and rows is not None and i < len(rows):
                ax.set_ylabel(rows[i], fontsize=8, rotation=0, ha="right", va="center")
            if i >= len(images):
                ax.set_visible(False)
                continue
            image = np.asarray(images[i], float)
            if title in signed:
                show_signed(ax, image, np.abs(image).max() or 1.0)
            else:
                ax.imshow(image, cmap="Greys")
    row_text = f" Rows: {join_names(rows)}." if rows else ""
    signed_titles = [title for title in columns if title in signed]
    color_text = f" Vermilion is above zero and blue below, in {join_names(signed_titles)}." if signed_titles else ""
    return with_alt(figure, f"A grid of images. Columns: {join_names(columns)}.{row_text}{color_text}")
