"""Attributions as they show themselves in notebooks: maps, and what they add up to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pellucid import notebook
from pellucid.core.memory import Array
from pellucid.data.images.files import preview

if TYPE_CHECKING:
    from pellucid.explain.attribution import Attribution

SAMPLES = 8
COLORS = (0, 114, 178), (213, 94, 0)  # below zero, above


def attribution(told: Attribution) -> str:
    """The first samples: of pictures the maps, opaque where a number is large, on the ground of the page."""
    values, n = told.values[:SAMPLES], len(told.values)
    maps = ""
    if values.ndim == 4 and len(values):
        note = "Vermilion speaks for the output, blue against it; each map has its own scale."
        maps = preview(signed(values.sum(axis=3)), SAMPLES, f"the maps of the first {len(values)} samples", 96) + notebook.line(
            note
        )
    rows = []
    for i, one in enumerate(values):
        against = "" if told.against is None else f" and not {told.against[i]}"
        sums = (told.output[i], told.baseline_output[i], one.sum(dtype=np.float64), told.completeness_error[i])
        rows.append((str(i), f"{told.target[i]}{against}", *(f"{value:.4g}" for value in sums)))
    heads = ("sample", "target", "output", "where nothing is seen", "sum of the values", "left unexplained")
    title = f"Attribution by {told.method.replace('_', ' ')}: {n:,} sample{'s' * (n != 1)}"
    return notebook.page(title, maps, notebook.table(heads, rows, texts=2))


def signed(maps: Array) -> Array:
    """Maps (n, h, w) as pictures (n, h, w, 4) of bytes: the colour is the sign, its opacity the square root of the size,
    so that small numbers are seen."""
    most = np.abs(maps).max(axis=(1, 2), keepdims=True)
    pictures = np.empty((*maps.shape, 4), np.uint8)
    pictures[..., :3] = np.where((maps > 0)[..., np.newaxis], COLORS[1], COLORS[0])
    pictures[..., 3] = np.rint(255 * np.sqrt(np.abs(maps) / np.where(most > 0, most, 1)))
    return pictures
