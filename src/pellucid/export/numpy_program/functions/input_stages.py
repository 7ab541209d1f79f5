"""Input stages: checks of the input, and its conversion to the scale that the network was trained on."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array


def check_shape(x: Array, shape: tuple[int, ...]) -> Array:
    """Return x as an array (n, *shape). Raise ValueError for any other shape."""
    x = np.asarray(x)
    if x.shape[1:] != shape:
        expected = ", ".join(map(str, shape))
        raise ValueError(f"x must have the shape (n, {expected}), got {x.shape}")
    return x


def scale_bytes(x: Array, shape: tuple[int, ...]) -> Array:
    """Return the bytes x, 0 ... 255, divided by 255."""
    x = check_shape(x, shape)
    if x.dtype != np.uint8:
        raise ValueError(f"x must be bytes, 0 ... 255 (uint8), got {x.dtype}")
    return x * np.float32(1 / 255)


def check_numbers(x: Array, shape: tuple[int, ...]) -> Array:
    """Return x as float32. Raise ValueError for bytes, NaN and infinity."""
    x = check_shape(x, shape)
    if x.dtype.kind not in "bifu" or x.dtype == np.uint8:
        raise ValueError(f"x must be numbers as in training, not bytes; got {x.dtype}")
    x = x.astype(np.float32)
    if not np.isfinite(x).all():
        raise ValueError("x contains NaN or infinity")
    return x


def standardize(
    x: Array,
    shape: tuple[int, ...],
    mean: Array,
    scale: Array,
) -> Array:
    """Return (x - mean) / scale for the rows x of a table, column by column."""
    x = check_shape(x, shape)
    if x.dtype.kind not in "bifu":
        raise ValueError(f"x must be numbers, got {x.dtype}")
    x = ((x - mean) / scale).astype(np.float32)
    if not np.isfinite(x).all():
        raise ValueError("x contains NaN or infinity")
    return x


def scale_robustly(
    x: Array,
    shape: tuple[int, ...],
    center: Array,
    scale: Array,
    limit: Array,
) -> Array:
    """Return z / sqrt(1 + (z / limit)**2) of z = (x - center) / scale for the rows x of a table, column by column."""
    x = check_shape(x, shape)
    if x.dtype.kind not in "bifu":
        raise ValueError(f"x must be numbers, got {x.dtype}")
    z = (x - center) / scale
    with np.errstate(invalid="ignore"):
        x = (z / np.hypot(1.0, z / limit)).astype(np.float32)
    if not np.isfinite(x).all():
        raise ValueError("x contains NaN or infinity")
    return x


def fill_missing(x: Array, mean: Array) -> Array:
    """Return x with every NaN replaced by the mean of its column."""
    return np.where(np.isnan(x), mean, x)
