"""The kernels in Numba: the same names and signatures as the reference, several times faster.

``team`` lets several threads work inside one kernel; ``vectors`` and ``tiles`` are the innermost loops, in vectors.
"""

from pellucid.kernels.compiled.activations import (
    add_relu,
    relu,
    relu_gradient,
    sigmoid,
    sigmoid_gradient,
    softmax,
    softmax_gradient,
    tanh,
    tanh_gradient,
)
from pellucid.kernels.compiled.batches import all_finite, gather, gather_scaled
from pellucid.kernels.compiled.convolution import (
    conv2d,
    conv2d_backward,
    conv2d_input_gradient,
    conv2d_relu,
    conv2d_relu_backward,
)
from pellucid.kernels.compiled.dense import affine, affine_backward, affine_input_gradient, affine_relu, affine_relu_backward
from pellucid.kernels.compiled.ink import ink
from pellucid.kernels.compiled.jit import announced as announced  # no kernels: what comes before them
from pellucid.kernels.compiled.losses import (
    sigmoid_cross_entropy,
    softmax_cross_entropy,
    softmax_cross_entropy_labels,
    squared_error,
)
from pellucid.kernels.compiled.metrics import confusion, count_correct
from pellucid.kernels.compiled.noise import dropout, uniform
from pellucid.kernels.compiled.normalization import (
    layer_norm,
    layer_norm_backward,
    moments,
    normalize,
    normalize_backward,
    normalize_input_gradient,
    normalize_relu,
    normalize_relu_backward,
)
from pellucid.kernels.compiled.pooling import (
    average_pool,
    average_pool_backward,
    global_average_pool,
    global_average_pool_backward,
    max_pool,
    max_pool_backward,
)
from pellucid.kernels.compiled.team import ready as ready
from pellucid.kernels.compiled.updates import adam, add, add_scaled, copy, scale, sgd, sgd_momentum, sum_of_squares
from pellucid.kernels.compiled.warp import warp

__all__ = [
    "adam",
    "add",
    "add_relu",
    "add_scaled",
    "affine",
    "affine_backward",
    "affine_input_gradient",
    "affine_relu",
    "affine_relu_backward",
    "all_finite",
    "average_pool",
    "average_pool_backward",
    "confusion",
    "conv2d",
    "conv2d_backward",
    "conv2d_input_gradient",
    "conv2d_relu",
    "conv2d_relu_backward",
    "copy",
    "count_correct",
    "dropout",
    "gather",
    "gather_scaled",
    "global_average_pool",
    "global_average_pool_backward",
    "ink",
    "layer_norm",
    "layer_norm_backward",
    "max_pool",
    "max_pool_backward",
    "moments",
    "normalize",
    "normalize_backward",
    "normalize_input_gradient",
    "normalize_relu",
    "normalize_relu_backward",
    "relu",
    "relu_gradient",
    "scale",
    "sgd",
    "sgd_momentum",
    "sigmoid",
    "sigmoid_cross_entropy",
    "sigmoid_gradient",
    "softmax",
    "softmax_cross_entropy",
    "softmax_cross_entropy_labels",
    "softmax_gradient",
    "squared_error",
    "sum_of_squares",
    "tanh",
    "tanh_gradient",
    "uniform",
    "warp",
]
