"""The position of the output to explain, for networks that answer at several positions: at each pixel, at each time step.

The explained output is that at one position, or the mean over several of them, such as the pixels of one object (Vinogradova,
Dibrov and Myers, 2020, explain a segmentation by such a set of pixels).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pellucid.core.memory import Array, Shape
from pellucid.errors import ConfigError, ShapeError

# One index for each axis of the positions, an int where there is one axis; or a mask of the positions, whose mean is explained.
Position = int | Sequence[int] | Array


def output_rows(position: Position | None, positions: Shape) -> Array:
    """Return the numbers of the chosen positions, counted in C order, for a network with the axes ``positions``.

    Negative indices count from the end. A network that ends in a vector has no axes, and its one answer has the number 0.
    Raises ConfigError without a position where there are several, for a position where there is none, and for one that is
    outside; ShapeError for another number of indices, or a mask of another shape.
    """
    if not positions:
        if position is not None:
            raise ConfigError(f"position={position}: this network ends in one vector for each sample; leave position out")
        return np.zeros(1, np.int64)
    axes = ", ".join(map(str, positions))
    if position is None:
        middle = tuple(n // 2 for n in positions)
        example = middle[0] if len(middle) == 1 else middle
        raise ConfigError(
            f"this network has an output at each of ({axes}) positions: say which one to explain, such as "
            f"position={example}, or give a mask ({axes}) of the positions whose mean is explained"
        )
    given = np.asarray(position)
    if given.dtype == bool:
        if given.shape != positions:
            raise ShapeError(f"position: a mask must have the shape ({axes}) of the output's positions, got {given.shape}")
        if not given.any():
            raise ConfigError("position: the mask has no position in it")
        return np.flatnonzero(given)
    if given.dtype.kind not in "iu" or given.reshape(-1).shape != (len(positions),) or given.ndim > 1:
        raise ShapeError(
            f"position must be {len(positions)} whole number{'s' * (len(positions) != 1)}, one for each axis of the positions "
            f"({axes}), or a mask of them; got {position!r}"
        )
    indices = [int(i) for i in given.reshape(-1)]
    for i, n in zip(indices, positions, strict=True):
        if not -n <= i < n:
            raise ConfigError(f"position={position}: {i} is outside: the positions of the output are ({axes}), counted from 0")
    return np.array([np.ravel_multi_index(tuple(i % n for i, n in zip(indices, positions, strict=True)), positions)])


def described(position: Position | None) -> str:
    """Return words for a position: `` at (3, 4)``, `` over 57 positions``; empty for None."""
    if position is None:
        return ""
    given = np.asarray(position)
    if given.dtype == bool:
        return f" over {int(given.sum()):,} positions"
    return f" at {', '.join(map(str, given.reshape(-1).tolist()))}" if given.ndim == 0 else f" at {tuple(given.tolist())}"
