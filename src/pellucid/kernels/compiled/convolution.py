"""Convolution: which of its forms a layer takes, decided here and nowhere else.

- ``winograd``: 3×3 taps, stride 1, and channels and filters enough that the multiplications saved outweigh the transforms.
- ``direct``: everything else whose taps lie side by side; one channel has a form of its own for its weights' gradient.
- ``patches``: dilation, groups; and dX where dY is a good deal smaller than X, by strides or for want of padding: it would
  be a convolution that meets mostly zeros.
- ``depthwise``: one filter for each channel.

``python -m benchmarks conv-forms`` measures them beside each other; docs/benchmarks.md has the table behind the rule.
"""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array, Shape
from pellucid.kernels.compiled import depthwise, direct, patches, winograd
from pellucid.kernels.compiled.sums import biases
from pellucid.kernels.window import Window

WINOGRAD = 16  # channels and filters that it takes at least


def form(W: Shape, window: Window, groups: int) -> str:
    """The form of a convolution with weights of that shape."""
    if groups > 1 and W[2] == 1 and W[3] == groups:
        return "depthwise"
    if groups > 1 or window.dh > 1 or window.dw > 1:
        return "patches"
    if W[:2] == (3, 3) and window.sh == window.sw == 1 and min(W[2:]) >= WINOGRAD:
        return "winograd"
    return "direct"


def _conv2d(x: Array, W: Array, b: Array, window: Window, groups: int, out: Array, floor: float) -> Array:
    least = x.dtype.type(floor)
    kind = form(W.shape, window, groups)
    if kind == "winograd":
        winograd.forward(x, W, b, window, least, out)
    elif kind == "direct":
        direct.forward(x, W, b, window, least, out)
    elif kind == "patches":
        patches.forward(x, W, b, window, groups, least, out)
    else:
        depthwise.forward(x, W, b, window, least, out)
    return out


def conv2d(x: Array, W: Array, b: Array, window: Window, groups: int, out: Array) -> Array:
    return _conv2d(x, W, b, window, groups, out, -np.inf)


def conv2d_relu(x: Array, W: Array, b: Array, window: Window, groups: int, out: Array) -> Array:
    return _conv2d(x, W, b, window, groups, out, 0.0)


def _weights(x: Array, dy: Array, window: Window, groups: int, dW: Array) -> None:
    kind = form(dW.shape, window, groups)
    if len(x) == 0:
        dW.fill(0)
    elif kind == "winograd":
        winograd.weights(x, dy, window, dW)
    elif kind == "direct" and x.shape[3] == 1 and window.sw == 1:
        direct.weights_one_channel(x, dy, window, dW)
    elif kind == "direct":
        direct.weights(x, dy, window, dW)
    elif kind == "patches":
        patches.weights(x, dy, window, groups, dW)
    else:
        depthwise.weights(x, dy, window, dW)


def _biases(y: Array, dy: Array, db: Array) -> None:
    rows = -1, dy.shape[3]
    masked = dy.reshape(rows)
    biases(masked if y is dy else y.reshape(rows), masked, db)


def conv2d_backward(x: Array, dy: Array, window: Window, groups: int, dW: Array, db: Array) -> None:
    if len(db):
        _biases(dy, dy, db)
    _weights(x, dy, window, groups, dW)


def conv2d_relu_backward(x: Array, y: Array, dy: Array, window: Window, groups: int, dW: Array, db: Array) -> None:
    _biases(y, dy, db)
    _weights(x, dy, window, groups, dW)


def form_back(dy: Shape, W: Shape, window: Window, groups: int, x: Shape) -> str:
    """The form of dX for a dY of shape ``dy`` and an X of shape ``x``."""
    kind = form(W, window, groups)
    strides = window.sh > 1 or window.sw > 1
    smaller = 3 * dy[1] * dy[2] < 2 * x[1] * x[2]
    return "patches" if kind == "direct" and (strides or smaller) else kind


def conv2d_input_gradient(dy: Array, W: Array, window: Window, groups: int, out: Array) -> Array:
    kind = form_back(dy.shape, W.shape, window, groups, out.shape)
    if kind == "winograd":
        winograd.input_gradient(dy, W, window, out)
    elif kind == "direct":
        direct.input_gradient(dy, W, window, out)
    elif kind == "patches":
        patches.input_gradient(dy, W, window, groups, out)
    else:
        depthwise.input_gradient(dy, W, window, out)
    return out
