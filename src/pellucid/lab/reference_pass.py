"""One forward and backward pass of a layer or a network in float64, as the reference for formulas and differences.

It uses the reference kernels, which need no compilation. The tests compare the compiled kernels with them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from pellucid import kernels
from pellucid.core.memory import Array, Layout, Views
from pellucid.layers import Context, Layer, ShardState


def forward_backward(
    layer: Layer, weights: Mapping[str, Array], x: Array, output_gradient: Callable[[Array], Array]
) -> tuple[Array, Array, dict[str, Array]]:
    """Return Y, dC/dX, and dC/dW by path, for an input x (n, …) and ``weights`` by path.

    ``output_gradient`` returns dC/dY for a given Y. The layer must not have running statistics.
    """
    layout = Layout(layer.build(x.shape[1:]).slots)
    theta, gradient = layout.zeros(np.float64), layout.zeros(np.float64)
    for path, values in weights.items():
        layout.array(theta, path)[...] = values
    run = ShardState(kernels.load("reference"), dtype=np.float64)
    run.training = run.backward_follows = True
    ctx = Context(run, Views(), needs_dx=True)
    p = layout.views(theta)
    y = layer.forward(p, np.ascontiguousarray(x, np.float64), ctx).copy()
    dx = layer.backward(p, layout.views(gradient), np.array(output_gradient(y), np.float64, order="C"), ctx)
    assert dx is not None  # because of needs_dx
    return y, dx.copy(), layout.arrays(gradient)
