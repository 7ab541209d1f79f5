"""Rows of images, for example the samples of each class."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ShapeError
from pellucid.plots.style import GREY, blank_figure, join_names, with_alt

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def images(rows: Sequence[Array], labels: Sequence[str], title: str = "") -> Figure:
    """Draw one row for each of ``rows``, arrays of images (n, h, w, 1 or 3), named by ``labels``.

    The values are bytes, or numbers from 0 to 1. Grey images are drawn dark on light. Raises ShapeError unless all rows have
    the same shape.
    """
    shapes = {np.shape(row) for row in rows}
    shape = next(iter(shapes), ())
    if len(shapes) != 1 or len(shape) != 4 or shape[3] not in (1, 3) or 0 in shape or len(labels) != len(rows):
        raise ShapeError(
            f"expected rows of images (n, h, w, 1 or 3) with equal shapes, and one label per row; got {shapes} and {labels}"
        )
    n, h, w, channels = shape
    gap = max(1, h // 14)
    margin = max(1.0, 0.3 + 0.09 * max(map(len, labels)))  # inches, for the labels
    figure, (ax,) = blank_figure(margin + 0.8 * n, (0.4 if title else 0.1) + 0.8 * len(rows) * h / w, 1)
    sheet = np.ones((len(rows) * (h + gap) - gap, n * (w + gap) - gap, 3))
    for i, row in enumerate(rows):
        values = np.asarray(row)
        for j, image in enumerate(values / 255 if values.dtype == np.uint8 else np.clip(values, 0, 1)):
            top, left = i * (h + gap), j * (w + gap)
            sheet[top : top + h, left : left + w] = 1 - image if channels == 1 else image
    ax.imshow(sheet, interpolation="nearest")
    figure.set_layout_engine("compressed")  # the one for axes with a fixed aspect: it leaves room for the labels
    ax.grid(False)
    ax.set_xticks([])
    ax.set_yticks([i * (h + gap) + h / 2 for i in range(len(rows))], labels)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    for i in range(1, len(rows)):
        ax.axhline(i * (h + gap) - gap / 2 - 0.5, color=GREY, linewidth=0.4)
    if title:
        figure.suptitle("\n".join(textwrap.wrap(title, 12 * n)), fontsize=10)
    return with_alt(figure, f"{title + ': ' if title else ''}{n} images in each of these rows: {join_names(labels)}.")
