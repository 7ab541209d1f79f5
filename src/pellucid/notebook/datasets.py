"""Data sets as HTML: a grid of their first images, or a table of their first rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pellucid.core.memory import Array
from pellucid.notebook.images import image_grid
from pellucid.notebook.positions import class_maps
from pellucid.notebook.tables import paragraph, section, table

SAMPLES = 20  # no view shows more samples of a set than these
ROWS, COLUMNS = 5, 8  # of a table


def dataset(
    summary: str,
    x: Array,
    y: Array | None = None,
    *,
    columns: Sequence[str] | None = None,
    target: str = "target",
    classes: Sequence[str] | None = None,
) -> str:
    """Return a data set as HTML: its ``summary`` in a line, then the first samples as images or as rows of a table.

    ``x`` and ``y`` are the first samples and targets of the set. ``columns`` are the names of the values of a sample,
    ``target`` is the name of the target, and ``classes`` names the labels. Integers (n, h, w) are class maps, which are shown
    below their images. Samples that are neither images nor vectors are not shown.
    """
    parts = [paragraph(summary)]
    if x.dtype == np.uint8 and x.ndim == 4 and x.shape[3] in (1, 3):
        parts.append(image_grid(x[:SAMPLES]))
        if y is not None and y.ndim == 3 and y.dtype.kind in "iu":
            parts.append(class_maps(y[:SAMPLES]))
    elif x.ndim == 2:
        parts.append(_first_rows(x[:ROWS], None if y is None else y[:ROWS], columns, target, classes))
    return "".join(parts)


def splits(name: str, sizes: Mapping[str, int], source: str, training_set: str) -> str:
    """Return the sets of an experiment as HTML: their sizes, their source, and ``training_set``, which is already HTML."""
    return section(
        name,
        table(("set", "samples"), [(part, f"{size:,}") for part, size in sizes.items()]),
        paragraph(f"from {source}"),
        training_set,
    )


def _first_rows(x: Array, y: Array | None, columns: Sequence[str] | None, target: str, classes: Sequence[str] | None) -> str:
    names = [f"x{i}" for i in range(x.shape[1])] if columns is None else columns
    header, cells = list(names[:COLUMNS]), [[f"{value:.4g}" for value in row[:COLUMNS]] for row in x]
    if len(names) > COLUMNS:
        header, cells = [*header, f"{len(names) - COLUMNS} more"], [[*row, "…"] for row in cells]
    if y is not None and y.ndim == 1:
        targets = [f"{value:.4g}" if classes is None else classes[int(value)] for value in y]
        header, cells = [*header, target], [[*row, text] for row, text in zip(cells, targets, strict=True)]
    return table(header, cells, texts=0)
