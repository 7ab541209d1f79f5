"""The kernels that expand each number of a row to several: to waves, or to the fractions of bins that are below it."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array


def _turns(x: Array, frequencies: Array, phases: Array) -> Array:
    """Return f x + φ (n, k, m) without its nearest integer: one turn is 2π, and whole turns change no wave."""
    turns = x[:, :, None] * frequencies + phases
    return turns - np.rint(turns)


def periodic(x: Array, frequencies: Array, phases: Array, out: Array) -> Array:
    """out = cos 2π(f x + φ), with m frequencies f and phases φ (k, m) for each of the k features of x (n, k)."""
    return np.cos(2 * np.pi * _turns(x, frequencies, phases), out=out)


def _periodic_slope(x: Array, frequencies: Array, phases: Array, dy: Array) -> Array:
    """Return the gradient of the turns: −2π sin(2π t) dy."""
    return -2 * np.pi * np.sin(2 * np.pi * _turns(x, frequencies, phases)) * dy


def periodic_backward(x: Array, frequencies: Array, phases: Array, dy: Array, dfrequencies: Array, dphases: Array) -> None:
    """df = Σ dt x and dφ = Σ dt over the rows, with dt = −2π sin 2π(f x + φ) dy."""
    dt = _periodic_slope(x, frequencies, phases, dy).astype(np.float64)  # a long sum would lose digits in float32
    dfrequencies[...] = (dt * x[:, :, None]).sum(axis=0)
    dphases[...] = dt.sum(axis=0)


def periodic_input_gradient(x: Array, frequencies: Array, phases: Array, dy: Array, out: Array) -> Array:
    """out = Σ dt f over the frequencies."""
    out[...] = (_periodic_slope(x, frequencies, phases, dy) * frequencies).sum(axis=-1)
    return out


def _unlimited(x: Array, features: Array, lines: Array) -> Array:
    start, factor, _, _ = lines
    return (x[:, features] - start) * factor


def bin_fractions(x: Array, features: Array, lines: Array, out: Array) -> Array:
    """out_b = (x_j − s)/w limited to [low, high] for each bin b of feature j; ``lines`` are s, 1/w, low and high (4, m)."""
    return np.clip(_unlimited(x, features, lines), lines[2], lines[3], out=out)


def bin_fractions_gradient(x: Array, features: Array, lines: Array, dy: Array, out: Array) -> Array:
    """out_j = Σ dy_b/w over the bins b of feature j that are not at a limit."""
    y = _unlimited(x, features, lines)
    inside = (y > lines[2]) & (y < lines[3])
    out[...] = 0
    np.add.at(out.T, features, np.where(inside, dy * lines[1], 0).T)
    return out
