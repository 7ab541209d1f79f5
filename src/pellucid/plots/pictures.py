"""Pictures of a data set, in rows."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ShapeError
from pellucid.plots.style import GREY, described, figure, listed

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def pictures(rows: Sequence[Array], labels: Sequence[str], title: str = "") -> Figure:
    """One row for each of ``rows``, arrays of pictures (n, h, w, 1 or 3) with numbers from 0 to 1, named by ``labels``. Grey
    pictures are drawn dark on light, as on paper."""
    shapes = {np.shape(row) for row in rows}
    if (
        len(shapes) != 1
        or len(next(iter(shapes))) != 4
        or next(iter(shapes))[3] not in (1, 3)
        or len(labels) != len(rows)
        or 0 in next(iter(shapes))
    ):
        raise ShapeError(f"rows of pictures (n, h, w, 1 or 3), all alike and one label for each; got {shapes} and {labels}")
    n, h, w, channels = next(iter(shapes))
    between = max(1, h // 14)
    made, (ax,) = figure(1.0 + 0.8 * n, (0.4 if title else 0.1) + 0.8 * len(rows) * h / w, 1)
    sheet = np.ones((len(rows) * (h + between) - between, n * (w + between) - between, 3))
    for i, row in enumerate(rows):
        for j, picture in enumerate(np.clip(row, 0, 1)):
            top, left = i * (h + between), j * (w + between)
            sheet[top : top + h, left : left + w] = 1 - picture if channels == 1 else picture
    ax.imshow(sheet, interpolation="nearest")
    ax.grid(False)
    ax.set_xticks([])
    ax.set_yticks([i * (h + between) + h / 2 for i in range(len(rows))], labels)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    for i in range(1, len(rows)):
        ax.axhline(i * (h + between) - between / 2 - 0.5, color=GREY, linewidth=0.4)
    if title:
        made.suptitle("\n".join(textwrap.wrap(title, 12 * n)), fontsize=10)
    return described(made, f"{title + ': ' if title else ''}{n} pictures in each of these rows: {listed(labels)}.")
