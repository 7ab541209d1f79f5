"""Data sets as they show themselves in notebooks: pictures, or the first rows of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pellucid import notebook
from pellucid.core.memory import Array
from pellucid.data.images.files import preview

if TYPE_CHECKING:
    from pellucid.data.dataset import Dataset, Splits

PICTURES = 20
ROWS, COLUMNS = 5, 8  # of a table


def dataset(data: Dataset, what: str) -> str:
    """``what`` it is in a line, and what its first samples look like."""
    return notebook.line(what) + _first(data)


def splits(sets: Splits) -> str:
    """What the sets are, and the first samples for training."""
    return notebook.page(
        sets.name,
        notebook.table(("set", "samples"), [(name, f"{size:,}") for name, size in sets.sizes.items()]),
        notebook.line(f"from {sets.source}"),
        dataset(sets.train, repr(sets.train)),
    )


def _first(data: Dataset) -> str:
    if data.source_x.dtype == np.uint8 and len(data.shape) == 3 and data.shape[2] in (1, 3):
        return preview(_rows(data, data.source_x, PICTURES))
    if len(data.shape) != 1:
        return ""
    x = _rows(data, data.source_x, ROWS)
    columns = data.origin.columns if data.origin is not None else None
    names = [f"x{i}" for i in range(x.shape[1])] if columns is None else [name for one in columns for name in one.names]
    heads, cells = names[:COLUMNS], [[f"{value:.4g}" for value in row[:COLUMNS]] for row in x]
    if len(names) > COLUMNS:
        heads, cells = [*heads, f"{len(names) - COLUMNS} more"], [[*row, "…"] for row in cells]
    if data.source_y is not None and data.source_y.ndim == 1:
        y = _rows(data, data.source_y, ROWS)
        heads = [*heads, "target" if data.origin is None else data.origin.target]
        cells = [[*row, _target(value, data.classes)] for row, value in zip(cells, y, strict=True)]
    return notebook.table(heads, cells, texts=0)


def _rows(data: Dataset, array: Array, count: int) -> Array:
    """The first ones: of a memory map no more is read."""
    return array[:count] if data.rows is None else array[data.rows[:count]]


def _target(value: float, classes: tuple[str, ...] | None) -> str:
    return f"{value:.4g}" if classes is None else classes[int(value)]
