"""Attributions as HTML: a map for each image, and a table with the sum of the values of each sample."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array
from pellucid.notebook.images import image_grid
from pellucid.notebook.tables import paragraph, section, table

SAMPLES = 8
NEGATIVE, POSITIVE = (0, 114, 178), (213, 94, 0)  # the colours of notebook.BLUE and notebook.VERMILION


def attribution_view(
    method: str,
    values: Array,
    output: Array,
    baseline_output: Array,
    completeness_error: Array,
    target: Array,
    against: Array | None,
) -> str:
    """Return the HTML view of an attribution: the first samples of ``values`` (n, *input shape).

    Values (n, h, w, c) of images are shown as maps: vermilion above zero, blue below, opaque where a value is large. The other
    arguments are arrays (n), shown in a table below the maps.
    """
    shown, n = values[:SAMPLES], len(values)
    maps = ""
    if shown.ndim == 4 and len(shown):
        legend = "Vermilion pixels increase the output, blue pixels decrease it. Each map has its own scale."
        maps = image_grid(map_colors(shown.sum(axis=3)), SAMPLES, f"the maps of the first {len(shown)} samples", 96)
        maps += paragraph(legend)
    rows = []
    for i, sample in enumerate(shown):
        classes = str(target[i]) if against is None else f"{target[i]} and not {against[i]}"
        numbers = (output[i], baseline_output[i], sample.sum(dtype=np.float64), completeness_error[i])
        rows.append((str(i), classes, *(f"{number:.4g}" for number in numbers)))
    header = ("sample", "target", "output", "output at the baseline", "sum of the values", "not explained")
    title = f"Attribution by {method.replace('_', ' ')}: {n:,} sample{'s' * (n != 1)}"
    return section(title, maps, table(header, rows, texts=2))


def map_colors(maps: Array) -> Array:
    """Return maps (n, h, w) as RGBA images (n, h, w, 4) of bytes.

    The colour is that of the sign, and the opacity is the square root of the magnitude, so that small values are visible.
    """
    largest = np.abs(maps).max(axis=(1, 2), keepdims=True)
    images = np.empty((*maps.shape, 4), np.uint8)
    images[..., :3] = np.where((maps > 0)[..., np.newaxis], POSITIVE, NEGATIVE)
    images[..., 3] = np.rint(255 * np.sqrt(np.abs(maps) / np.where(largest > 0, largest, 1)))
    return images
