"""The kernels of convolutions, and the choice of the algorithm for each, which is made here and nowhere else.

- ``winograd``: 3×3 taps, stride 1, and enough channels and filters that the saved multiplications outweigh the transforms. For
  fewer than MIN_WINOGRAD_TILES tiles in all images, transforming the weights would take longer than the direct algorithm.
- ``winograd-1d``: sequences (images of one row) and three taps of any dilation, with as many channels and filters.
- ``direct``: all other convolutions whose taps are adjacent; the weight gradient of images of one channel is a special case.
- ``im2col``: dilation and groups; and dX if dY is much smaller than X, because of strides or missing padding: the direct
  algorithm would multiply mostly zeros.
- ``depthwise``: one filter for each channel.

``python -m benchmarks conv-algorithms`` measures them side by side; docs/benchmarks.md has the table that the rule is based on.
"""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array, Shape
from pellucid.kernels.compiled import conv_depthwise, conv_direct, conv_im2col, conv_winograd, conv_winograd_1d, normalization
from pellucid.kernels.compiled.reductions import bias_gradient
from pellucid.kernels.window import Window

MIN_WINOGRAD_CHANNELS = 16  # and filters
MIN_WINOGRAD_TILES = 17  # of 4×4 outputs, in all images of a batch
# A backward pass with normalization is one pass over images if the transformed weights, dU and the transformed tiles of an
# image fit into the second-level cache together, and if there are enough images to share the work by them.
MAX_FUSED_WEIGHTS = 16_384
MAX_FUSED_TILES = 600_000  # bytes of the transformed tiles of an image and its gradient
MIN_FUSED_IMAGES = 4
MAX_WINOGRAD_1D_SHARE = 0.8  # of the multiplications of a plain sum; long dilations of short sequences leave tiles half empty


def algorithm(W: Shape, window: Window, groups: int, x: Shape, y: Shape) -> str:
    """Return the algorithm for Y and dW of a convolution, from the shapes of W, X and Y."""
    if groups > 1 and W[2] == 1 and W[3] == groups:
        return "depthwise"
    is_sequence = x[1] == y[1] == W[0] == 1 and window.top == 0
    if groups == 1 and is_sequence and W[1] == 3 and window.sw == 1 and min(W[2:]) >= MIN_WINOGRAD_CHANNELS:
        share = 6 * conv_winograd_1d.tiles_of(y[2], window.dw) / (3 * y[2])
        if share <= MAX_WINOGRAD_1D_SHARE:
            return "winograd-1d"
    if groups > 1 or window.dh > 1 or window.dw > 1:
        return "im2col"
    if W[:2] == (3, 3) and window.sh == window.sw == 1 and min(W[2:]) >= MIN_WINOGRAD_CHANNELS:
        tiles = y[0] * ((y[1] + 3) // 4) * ((y[2] + 3) // 4)
        return "winograd" if tiles >= MIN_WINOGRAD_TILES else "direct"
    return "direct"


def input_gradient_algorithm(dy: Shape, W: Shape, window: Window, groups: int, x: Shape) -> str:
    """Return the algorithm for dX, from the shapes of dY, W and X."""
    kind = algorithm(W, window, groups, dy, x)  # it is a convolution of dY, with an output of the size of X
    strides = window.sh > 1 or window.sw > 1
    smaller = 3 * dy[1] * dy[2] < 2 * x[1] * x[2]
    return "im2col" if kind == "direct" and (strides or smaller) else kind


def _conv2d(x: Array, W: Array, b: Array, window: Window, groups: int, out: Array, floor: float) -> Array:
    lowest = x.dtype.type(floor)
    kind = algorithm(W.shape, window, groups, x.shape, out.shape)
    if kind == "winograd":
        conv_winograd.forward(x, W, b, window, lowest, out)
    elif kind == "winograd-1d":
        conv_winograd_1d.forward(x, W, b, window, lowest, out)
    elif kind == "direct":
        conv_direct.forward(x, W, b, window, lowest, out)
    elif kind == "im2col":
        conv_im2col.forward(x, W, b, window, groups, lowest, out)
    else:
        conv_depthwise.forward(x, W, b, window, lowest, out)
    return out


def conv2d(x: Array, W: Array, b: Array, window: Window, groups: int, out: Array) -> Array:
    return _conv2d(x, W, b, window, groups, out, -np.inf)


def conv2d_relu(x: Array, W: Array, b: Array, window: Window, groups: int, out: Array) -> Array:
    return _conv2d(x, W, b, window, groups, out, 0.0)


def _weight_gradient(x: Array, dy: Array, window: Window, groups: int, dW: Array) -> None:
    kind = algorithm(dW.shape, window, groups, x.shape, dy.shape)
    if len(x) == 0:
        dW.fill(0)
    elif kind == "winograd":
        conv_winograd.weight_gradient(x, dy, window, dW)
    elif kind == "winograd-1d":
        conv_winograd_1d.weight_gradient(x, dy, window, dW)
    elif kind == "direct" and x.shape[3] == 1 and window.sw == 1:
        conv_direct.weight_gradient_one_channel(x, dy, window, dW)
    elif kind == "direct":
        conv_direct.weight_gradient(x, dy, window, dW)
    elif kind == "im2col":
        conv_im2col.weight_gradient(x, dy, window, groups, dW)
    else:
        conv_depthwise.weight_gradient(x, dy, window, dW)


def _bias_gradient(y: Array, dy: Array, db: Array) -> None:
    rows = -1, dy.shape[3]
    flat = dy.reshape(rows)
    bias_gradient(flat if y is dy else y.reshape(rows), flat, db)


def conv2d_backward(x: Array, dy: Array, window: Window, groups: int, dW: Array, db: Array) -> None:
    if len(db):
        _bias_gradient(dy, dy, db)
    _weight_gradient(x, dy, window, groups, dW)


def conv2d_relu_backward(x: Array, y: Array, dy: Array, window: Window, groups: int, dW: Array, db: Array) -> None:
    _bias_gradient(y, dy, db)
    _weight_gradient(x, dy, window, groups, dW)


def conv2d_input_gradient(dy: Array, W: Array, window: Window, groups: int, out: Array) -> Array:
    kind = input_gradient_algorithm(dy.shape, W.shape, window, groups, out.shape)
    if kind == "winograd":
        conv_winograd.input_gradient(dy, W, window, out)
    elif kind == "winograd-1d":
        conv_winograd_1d.input_gradient(dy, W, window, out)
    elif kind == "direct":
        conv_direct.input_gradient(dy, W, window, out)
    elif kind == "im2col":
        conv_im2col.input_gradient(dy, W, window, groups, out)
    else:
        conv_depthwise.input_gradient(dy, W, window, out)
    return out


def _tile_bytes(dy: Array, x: Array) -> int:
    """Return the size of the transformed tiles of one image and of its gradient."""
    tiles = max(-(-one.shape[1] // 4) * -(-one.shape[2] // 4) for one in (dy, x))
    return 2 * tiles * 36 * max(x.shape[3], dy.shape[3]) * x.itemsize


def conv2d_normalized_backward(
    x: Array,
    W: Array,
    z: Array,
    mean: Array,
    rstd: Array,
    gamma: Array,
    dy: Array,
    mean_dy: Array,
    mean_dy_xhat: Array,
    window: Window,
    groups: int,
    dW: Array,
    out: Array,
) -> Array:
    statistics, kinds = (mean, rstd, gamma, dy, mean_dy, mean_dy_xhat), set()
    if out.size and len(x) >= MIN_FUSED_IMAGES and dW.size <= MAX_FUSED_WEIGHTS and _tile_bytes(dy, x) <= MAX_FUSED_TILES:
        kinds = {
            algorithm(W.shape, window, groups, x.shape, dy.shape),
            input_gradient_algorithm(dy.shape, W.shape, window, groups, x.shape),
        }
    if kinds == {"winograd"}:
        conv_winograd.normalized_backward(x, W, z, *statistics, window, dW, out)
        return out
    normalization.normalize_input_gradient(z, *statistics, out=dy)
    _weight_gradient(x, dy, window, groups, dW)
    return conv2d_input_gradient(dy, W, window, groups, out) if out.size else out
