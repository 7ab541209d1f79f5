"""One forward and backward pass in float64 with the reference kernels, to compare with formulas and finite differences.

The reference kernels are readable and need no compilation; tests compare the compiled kernels with them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from pellucid import kernels
from pellucid.core.memory import Array, Layout, Views
from pellucid.layers import Layer
from pellucid.training.execution import Execution


def forward_backward(
    layer: Layer, weights: Mapping[str, Array], x: Array, output_gradient: Callable[[Array], Array]
) -> tuple[Array, Array, dict[str, Array]]:
    """Return Y, dC/dX, and dC/dW by path, for x (n, …) and ``weights`` by path.

    ``output_gradient`` computes dC/dY from Y. The layer must not have running statistics.
    """
    layout = Layout(layer.build(x.shape[1:]).slots)
    theta, gradient = layout.zeros(np.float64), layout.zeros(np.float64)
    for path, values in weights.items():
        layout.array(theta, path)[...] = values
    reference = kernels.load("reference")
    execution = Execution(layer, layout.views(theta), Views(), reference, dtype=np.float64, needs_dx=True)
    y = execution.forward(np.ascontiguousarray(x, np.float64), training=True, keep=True).copy()
    dx = execution.backward(np.array(output_gradient(y), np.float64, order="C"), layout.views(gradient))
    assert dx is not None  # because of needs_dx
    return y, dx.copy(), layout.arrays(gradient)
