"""The functions of input stages: what comes in, checked, as the numbers that the network was trained on."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array


def samples(x: Array, shape: tuple[int, ...]) -> Array:
    """x as an array (n, *shape), or a ValueError."""
    x = np.asarray(x)
    if x.shape[1:] != shape:
        wanted = ", ".join(map(str, shape))
        raise ValueError(f"x must have the shape (n, {wanted}), got {x.shape}")
    return x


def bytes_to_fractions(x: Array, shape: tuple[int, ...]) -> Array:
    """Bytes, 0 ... 255, as fractions of 255."""
    x = samples(x, shape)
    if x.dtype != np.uint8:
        raise ValueError(f"x must be bytes, 0 ... 255 (uint8), got {x.dtype}")
    return x * np.float32(1 / 255)


def real_numbers(x: Array, shape: tuple[int, ...]) -> Array:
    """Numbers as they are, in single precision."""
    x = samples(x, shape)
    if x.dtype.kind not in "bifu" or x.dtype == np.uint8:
        raise ValueError(f"x must be numbers as in training, not bytes, got {x.dtype}")
    x = x.astype(np.float32)
    if not np.isfinite(x).all():
        raise ValueError("x holds NaN or infinity")
    return x


def standardized(
    x: Array,
    shape: tuple[int, ...],
    mean: Array,
    spread: Array,
) -> Array:
    """Rows of a table: each number less its mean, in units of its spread."""
    x = samples(x, shape)
    if x.dtype.kind not in "bifu":
        raise ValueError(f"x must be numbers, got {x.dtype}")
    x = ((x - mean) / spread).astype(np.float32)
    if not np.isfinite(x).all():
        raise ValueError("x holds NaN or infinity")
    return x


def mean_where_missing(x: Array, mean: Array) -> Array:
    """The mean in place of NaN."""
    return np.where(np.isnan(x), mean, x)
