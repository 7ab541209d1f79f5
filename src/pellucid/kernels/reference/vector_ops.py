"""The kernels on flat vectors (θ parameters, g gradient) and on columns of matrices. Each is one pass, in place where it
changes a vector."""

from __future__ import annotations

import math

import numpy as np

from pellucid.core.memory import Array


def sum_of_squares(g: Array) -> float:
    """Return ‖g‖², summed in float64."""
    return float(np.dot(g.astype(np.float64), g.astype(np.float64)))


def all_finite(x: Array) -> bool:
    """Return whether no element is NaN or infinite."""
    return bool(np.isfinite(x).all())


def scale(g: Array, factor: float) -> None:
    """g ← factor·g."""
    g *= g.dtype.type(factor)


def add(total: Array, other: Array) -> None:
    """total ← total + other."""
    total += other


def copy(source: Array, target: Array) -> None:
    """target ← source."""
    target[...] = source


def copy_columns(source: Array, target: Array) -> None:
    """target ← source, for matrices."""
    target[...] = source


def add_columns(total: Array, other: Array) -> None:
    """total ← total + other, for matrices."""
    total += other


def add_scaled(g: Array, theta: Array, factor: float) -> None:
    """g ← g + factor·θ."""
    g += g.dtype.type(factor) * theta


def add_penalty(g: Array, theta: Array, l1: float, l2: float) -> None:
    """g ← g + l1·sign(θ) + l2·θ."""
    g += g.dtype.type(l1) * np.sign(theta) + g.dtype.type(l2) * theta


def clip(g: Array, limit: float) -> None:
    """g ← min(max(g, −limit), limit); NaN stays NaN."""
    np.clip(g, -g.dtype.type(limit), g.dtype.type(limit), out=g)


def clip_norm(g: Array, limit: float, squares: Array) -> None:
    """g ← g·min(1, limit/‖g‖); ``squares`` (1) is ‖g‖², or empty where that is not known."""
    norm = math.sqrt(squares[0] if len(squares) else sum_of_squares(g))
    if norm > limit:
        scale(g, limit / norm)


def clip_column_norms(W: Array, limit: float) -> None:
    """w ← w·min(1, limit/‖w‖) for each column w of W (n, k)."""
    squares = np.einsum("ij,ij->j", W, W, dtype=np.float64)
    W *= np.where(squares > limit * limit, limit / np.sqrt(np.maximum(squares, limit * limit)), 1).astype(W.dtype)
