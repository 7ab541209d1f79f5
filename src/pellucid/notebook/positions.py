"""Values at the positions of an output as HTML: a curve over the steps of a series, an image of the values in a map."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pellucid.core.memory import Array
from pellucid.notebook.charts import Curve, chart
from pellucid.notebook.images import image_grid
from pellucid.notebook.tables import paragraph, table

LISTED = 24  # positions; the values at more of them are only drawn
COLOR = (0, 114, 178)  # that of notebook.BLUE


def over_positions(values: Mapping[str, Array]) -> str:
    """Return the ``values`` by name at the same positions: (T) for the steps of a series, (h, w) for a map.

    Series are drawn as curves, and their values listed if there are few of them. A map is an image that is darker where the
    values are larger. Values with more axes are not shown.
    """
    steps = {name: array for name, array in values.items() if array.ndim == 1}
    parts = []
    for name, array in steps.items():
        title = name.removesuffix("_by_position").replace("_", " ")
        parts.append(chart([Curve(title, range(len(array)), array.tolist())], "position", title))
    if steps and (count := max(map(len, steps.values()))) <= LISTED:
        cells = [["–" if np.isnan(array[i]) else f"{array[i]:.4g}" for array in steps.values()] for i in range(count)]
        parts.append(table(("position", *steps), [(str(i), *row) for i, row in enumerate(cells)]))
    parts += [_map(name.replace("_", " "), array) for name, array in values.items() if array.ndim == 2]
    return "".join(parts)


def class_maps(maps: Array) -> str:
    """Return class maps (n, h, w) as a grid of images: the larger the number of a class, the darker it is."""
    largest = int(maps.max(initial=0))
    fractions = np.clip(maps, 0, None) / max(largest, 1)
    return image_grid(_shaded(fractions), alt="the class maps of these samples") + paragraph(
        f"The class maps of these samples: classes 0 to {largest}, from pale to dark."
    )


def _map(name: str, values: Array) -> str:
    known = values[np.isfinite(values)]
    if not known.size:
        return ""
    low, high = float(known.min()), float(known.max())
    fractions = np.nan_to_num((values - low) / (high - low if high > low else 1.0), nan=0.0, posinf=1.0, neginf=0.0)
    text = f"{name}: from {low:.4g} (pale) to {high:.4g} (dark)"
    return image_grid(_shaded(fractions[None]), alt=text, width=160) + paragraph(text)


def _shaded(fractions: Array) -> Array:
    """Return images (n, h, w, 4) of bytes for values (n, h, w) from 0 to 1, which become more opaque."""
    images = np.empty((*fractions.shape, 4), np.uint8)
    images[..., :3] = COLOR
    images[..., 3] = np.rint(20 + 235 * fractions)
    return images
