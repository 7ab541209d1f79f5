"""One pass through a layer or a network in float64, forward and back: what formulas and differences are held against.

It runs the reference kernels, which are the ones to be read, and compile nothing; tests hold the compiled ones against them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from pellucid import kernels
from pellucid.core.memory import Array, Layout, Views
from pellucid.layers import Context, Layer, ShardState


def there_and_back(
    layer: Layer, weights: Mapping[str, Array], x: Array, slope: Callable[[Array], Array]
) -> tuple[Array, Array, dict[str, Array]]:
    """Y, dC/dX, and dC/dW by path, for x (n, …) and the ``weights`` by path; ``slope`` says dC/dY for a Y. The layer has no
    running statistics."""
    layout = Layout(layer.build(x.shape[1:]).slots)
    theta, gradient = layout.zeros(np.float64), layout.zeros(np.float64)
    for path, values in weights.items():
        layout.array(theta, path)[...] = values
    run = ShardState(kernels.load("reference"), dtype=np.float64)
    run.training = run.keeping = True
    ctx = Context(run, Views(), needs_dx=True)
    p = layout.views(theta)
    y = layer.forward(p, np.ascontiguousarray(x, np.float64), ctx).copy()
    dx = layer.backward(p, layout.views(gradient), np.array(slope(y), np.float64, order="C"), ctx)
    assert dx is not None  # it was asked for
    return y, dx.copy(), layout.arrays(gradient)
