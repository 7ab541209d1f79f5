"""The interface of a kernel set: every kernel with its signature, the shapes of its arguments, and its meaning.

This is the only list of the kernels. Both sets implement it, and a test compares their signatures with it. The formulas and
their sources are in the docstrings of the reference kernels.

Unless a docstring says otherwise, arrays are C-contiguous and have one dtype, float32 or float64. Kernels write into ``out``,
which they return, or into arrays named after gradients, such as ``dW``. In shapes, n counts samples, h and w are the height and
the width of an image, c counts channels, o output channels or units, and k classes or columns.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from pellucid.core.memory import Array
from pellucid.kernels.window import Window

# The files of a set that define its kernels, the same in both.
SUBJECTS = (
    "activations",
    "attention",
    "columns",
    "convolution",
    "dense",
    "gated",
    "gather_scatter",
    "group_norm",
    "losses",
    "metrics",
    "noise",
    "normalization",
    "numbers",
    "optimizers",
    "per_position",
    "pooling",
    "positions",
    "recurrent",
    "remembered_attention",
    "rms_norm",
    "scaling",
    "self_gated",
    "softmax",
    "sparse",
    "strokes",
    "sums",
    "upsampling",
    "vector_ops",
    "warp",
)


class KernelRuntime(Protocol):
    """The functions of a kernel set that are not kernels."""

    __name__: str

    def set_num_threads(self, threads: int) -> None:
        """Set the number of threads that run the tasks of a kernel, the caller included."""

    def cache_folder(self) -> Path | None:
        """Return the folder into which compiled code is written; None if there is none, or nothing to compile."""

    def announce_compilation(self, say: Callable[[str], None]) -> AbstractContextManager[Any]:
        """Return a context within which ``say`` is called once if kernels have to be compiled, which takes seconds."""

    def compile_pool(self) -> None:
        """Compile what every kernel needs, the thread pool."""

    def recorder(self, kernels: Kernels) -> Any:
        """Return a kernel set like ``kernels``, this one, whose calls can be recorded; None where they cannot be.

        ``new_tape(inputs)`` returns an empty :class:`~pellucid.kernels.compiled.tape.Tape`; while the attribute ``tape`` is
        one, calls are recorded on it.
        """


class Kernels(KernelRuntime, Protocol):
    """A kernel set."""

    # Activations: x, y, dy and out have the same shape. y is the output of the forward kernel; out may be dy.

    def relu(self, x: Array, out: Array) -> Array:
        """ReLU: max(x, 0)."""

    def relu_gradient(self, y: Array, dy: Array, out: Array) -> Array:
        """The gradient of ReLU, from its output."""

    def add_relu(self, x: Array, other: Array, out: Array) -> Array:
        """ReLU of a sum, the end of a residual block: max(x + other, 0)."""

    def sum_arrays(self, x: Array, other: Array, out: Array) -> Array:
        """The sum x + other; out may be one of them."""

    def relu6(self, x: Array, out: Array) -> Array:
        """ReLU6: min(max(x, 0), 6)."""

    def relu6_gradient(self, y: Array, dy: Array, out: Array) -> Array:
        """The gradient of ReLU6, from its output."""

    def leaky_relu(self, x: Array, slope: float, out: Array) -> Array:
        """Leaky ReLU: x if it is positive, else slope·x."""

    def leaky_relu_gradient(self, y: Array, slope: float, dy: Array, out: Array) -> Array:
        """The gradient of leaky ReLU, from its output."""

    def prelu(self, x: Array, slope: Array, out: Array) -> Array:
        """PReLU: leaky ReLU with a slope for each channel; x (…, c), slope (c)."""

    def prelu_backward(self, x: Array, slope: Array, dy: Array, dslope: Array, out: Array) -> Array:
        """The gradients of PReLU with respect to its slopes (``dslope``) and to x (``out``)."""

    def elu(self, x: Array, alpha: float, out: Array) -> Array:
        """ELU: x if it is positive, else α (eˣ − 1)."""

    def elu_gradient(self, x: Array, alpha: float, dy: Array, out: Array) -> Array:
        """The gradient of ELU, from its input."""

    def selu(self, x: Array, alpha: float, scale: float, out: Array) -> Array:
        """SELU: λx if x is positive, else λα (eˣ − 1), with λ = ``scale``."""

    def selu_gradient(self, x: Array, alpha: float, scale: float, dy: Array, out: Array) -> Array:
        """The gradient of SELU, from its input."""

    def sigmoid(self, x: Array, out: Array) -> Array:
        """The logistic function 1 / (1 + e⁻ˣ)."""

    def sigmoid_gradient(self, y: Array, dy: Array, out: Array) -> Array:
        """The gradient of the sigmoid, from its output."""

    def hard_sigmoid(self, x: Array, out: Array) -> Array:
        """The piecewise linear sigmoid: (x + 3)/6, clipped to [0, 1]."""

    def hard_sigmoid_gradient(self, y: Array, dy: Array, out: Array) -> Array:
        """The gradient of the hard sigmoid, from its output."""

    def tanh(self, x: Array, out: Array) -> Array:
        """The hyperbolic tangent."""

    def tanh_gradient(self, y: Array, dy: Array, out: Array) -> Array:
        """The gradient of tanh, from its output."""

    def softplus(self, x: Array, out: Array) -> Array:
        """Softplus: log(1 + eˣ)."""

    def softplus_gradient(self, y: Array, dy: Array, out: Array) -> Array:
        """The gradient of softplus, from its output."""

    # Activations of the form x g(x); the shapes are those of activations.

    def silu(self, x: Array, out: Array) -> Array:
        """SiLU (swish): x σ(x)."""

    def silu_gradient(self, x: Array, dy: Array, out: Array) -> Array:
        """The gradient of SiLU, from its input."""

    def gelu(self, x: Array, approximate: bool, out: Array) -> Array:
        """GELU: x Φ(x) with the distribution function Φ of the standard normal distribution, or its approximation by tanh."""

    def gelu_gradient(self, x: Array, approximate: bool, dy: Array, out: Array) -> Array:
        """The gradient of GELU or of its approximation, from its input."""

    def mish(self, x: Array, out: Array) -> Array:
        """Mish: x tanh(log(1 + eˣ))."""

    def mish_gradient(self, x: Array, dy: Array, out: Array) -> Array:
        """The gradient of Mish, from its input."""

    def hard_swish(self, x: Array, out: Array) -> Array:
        """The piecewise quadratic SiLU: x (x + 3)/6, with the factor (x + 3)/6 clipped to [0, 1]."""

    def hard_swish_gradient(self, x: Array, dy: Array, out: Array) -> Array:
        """The gradient of HardSwish, from its input."""

    # Factors of features, and weights of channels: x, other, dy and out have the same shape; out may be dy.

    def scale_features(self, x: Array, factors: Array, out: Array) -> Array:
        """Multiply each row of x (n, k) by the factors (k)."""

    def scale_features_backward(self, x: Array, factors: Array, dy: Array, dfactors: Array, out: Array) -> Array:
        """The gradients of the factors (``dfactors``) and of x (``out``)."""

    def mix(self, x: Array, other: Array, weights: Array, out: Array) -> Array:
        """x + w (other − x) with a weight w for each channel; x (…, c), weights (c)."""

    def mix_backward(
        self, x: Array, other: Array, weights: Array, dy: Array, dweights: Array, dother: Array, out: Array
    ) -> Array:
        """The gradients of the weights (``dweights``), of ``other`` (``dother``), and of x (``out``)."""

    # Softmax, along the last axis; the shapes are those of activations.

    def softmax(self, x: Array, out: Array) -> Array:
        """Softmax along the last axis."""

    def softmax_gradient(self, y: Array, dy: Array, out: Array) -> Array:
        """The gradient of softmax, from its output."""

    def log_softmax(self, x: Array, out: Array) -> Array:
        """The logarithm of softmax along the last axis."""

    def log_softmax_gradient(self, y: Array, dy: Array, out: Array) -> Array:
        """The gradient of log-softmax, from its output."""

    # Attention: q, out and dout (n, t, w), k and v (n, s, w), mask (n, s) or (n, 0), log_sum (n, heads, t). q, k, v, dq, dk and
    # dv may be adjacent columns of wider matrices. ``rate``, ``key`` and ``offset`` are those of the dropout of the weights.

    def attention(
        self,
        q: Array,
        k: Array,
        v: Array,
        heads: int,
        mask: Array,
        causal: bool,
        rate: float,
        key: int,
        offset: int,
        log_sum: Array,
        out: Array,
    ) -> Array:
        """Attention of several heads: the sums of v, weighted by the softmax of Q Kᵀ/√d, whose log Σ exp is ``log_sum``."""

    def attention_backward(
        self,
        q: Array,
        k: Array,
        v: Array,
        heads: int,
        mask: Array,
        causal: bool,
        rate: float,
        key: int,
        offset: int,
        log_sum: Array,
        out: Array,
        dout: Array,
        dq: Array,
        dk: Array,
        dv: Array,
    ) -> None:
        """The gradients of q, k and v, from the results of the forward kernel."""

    def remembered_attention(self, qkv: Array, keys: Array, values: Array, read: Array, heads: int, out: Array) -> Array:
        """Causal attention of further positions of each sequence, to themselves and to those before, which are remembered.

        qkv (n, t, 3·w), keys (n, w, capacity), values (n, capacity, w), read (n, int64), out (n, t, w). The keys and values of
        the positions read[i], …, read[i] + t − 1 are written to the memory.
        """

    def rotary(self, x: Array, heads: int, table: Array, inverse: bool, out: Array) -> Array:
        """Rotate pairs of columns of each head by the angles of their positions; x, out (n, t, w), table (t, 2, w/heads/2).

        x and out may be adjacent columns of wider matrices; out may be x. The inverse is the gradient.
        """

    # Dense layers: x (n, i), W (i, o), b (o), y and dy (n, o).

    def affine(self, x: Array, W: Array, b: Array, out: Array) -> Array:
        """X W + b."""

    def affine_relu(self, x: Array, W: Array, b: Array, out: Array) -> Array:
        """max(X W + b, 0)."""

    def affine_backward(self, x: Array, dy: Array, dW: Array, db: Array) -> None:
        """The gradients of W and b; an empty db means that there is no bias."""

    def affine_relu_backward(self, x: Array, y: Array, dy: Array, dW: Array, db: Array) -> None:
        """The gradients of W and b of a layer followed by a ReLU with output y; dy is masked in place."""

    def affine_input_gradient(self, dy: Array, W: Array, out: Array) -> Array:
        """The input gradient dY Wᵀ (n, i)."""

    # The same for sparse rows X: row i has values[starts[i]:starts[i + 1]] in columns[…]; columns and starts (n + 1) of int64.

    def sparse_affine(self, values: Array, columns: Array, starts: Array, W: Array, b: Array, out: Array) -> Array:
        """X W + b."""

    def sparse_affine_backward(self, values: Array, columns: Array, starts: Array, dy: Array, dW: Array, db: Array) -> None:
        """The gradients of W, zero in the rows without an entry, and b; an empty db means that there is no bias."""

    # Dense layers with weights of their own at each position: x (n, p, i), W (p, i, o), b (p, o), y and dy (n, p, o).

    def affine_per_position(self, x: Array, W: Array, b: Array, out: Array) -> Array:
        """X W + b at each position."""

    def affine_per_position_backward(self, x: Array, dy: Array, dW: Array, db: Array) -> None:
        """The gradients of W and b."""

    def affine_per_position_input_gradient(self, dy: Array, W: Array, out: Array) -> Array:
        """The input gradient dY Wᵀ (n, p, i) at each position."""

    # Waves of numbers: x (n, k), frequencies and phases (k, m) in turns, y and dy (n, k, m).

    def periodic(self, x: Array, frequencies: Array, phases: Array, out: Array) -> Array:
        """cos 2π(f x + φ) for each frequency f and its phase φ."""

    def periodic_backward(
        self, x: Array, frequencies: Array, phases: Array, dy: Array, dfrequencies: Array, dphases: Array
    ) -> None:
        """The gradients of frequencies and phases."""

    def periodic_input_gradient(self, x: Array, frequencies: Array, phases: Array, dy: Array, out: Array) -> Array:
        """The input gradient (n, k)."""

    # Bins of numbers: x (n, k), features (m) of int64 with the column of each bin, lines (4, m), y and dy (n, m).

    def bin_fractions(self, x: Array, features: Array, lines: Array, out: Array) -> Array:
        """The fraction of each bin that is below a number: (x − s)/w, limited; ``lines`` are s, 1/w and both limits."""

    def bin_fractions_gradient(self, x: Array, features: Array, lines: Array, dy: Array, out: Array) -> Array:
        """The input gradient (n, k)."""

    # Convolutions: x (n, h, w, c), W (kh, kw, c/groups, o), b (o), y and dy (n, oh, ow, o).

    def conv2d(self, x: Array, W: Array, b: Array, window: Window, groups: int, out: Array) -> Array:
        """A convolution with bias."""

    def conv2d_relu(self, x: Array, W: Array, b: Array, window: Window, groups: int, out: Array) -> Array:
        """A convolution with bias and ReLU."""

    def conv2d_backward(self, x: Array, dy: Array, window: Window, groups: int, dW: Array, db: Array) -> None:
        """The gradients of W and b; an empty db means that there is no bias."""

    def conv2d_relu_backward(self, x: Array, y: Array, dy: Array, window: Window, groups: int, dW: Array, db: Array) -> None:
        """The gradients of W and b of a convolution followed by a ReLU with output y; dy is masked in place."""

    def conv2d_input_gradient(self, dy: Array, W: Array, window: Window, groups: int, out: Array) -> Array:
        """The input gradient (n, h, w, c), which is also the forward pass of a transposed convolution."""

    def conv2d_normalized_backward(
        self,
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
        """The gradient of W and the input gradient of a convolution without bias whose output z is normalized: what
        ``normalize_input_gradient``, ``conv2d_backward`` and ``conv2d_input_gradient`` compute; dy may be overwritten. An
        ``out`` without elements leaves out the input gradient."""

    # Pooling: x (n, h, w, c), y and dy (n, oh, ow, c). Taps outside the image do not count.

    def max_pool(self, x: Array, window: Window, out: Array, indices: Array) -> Array:
        """The maximum of each window; ``indices``, unsigned and of the shape of y, receives the index i·kw + j of its tap."""

    def max_pool_backward(self, dy: Array, indices: Array, window: Window, out: Array) -> Array:
        """The input gradient of max pooling."""

    def average_pool(self, x: Array, window: Window, out: Array) -> Array:
        """The mean of each window."""

    def average_pool_backward(self, dy: Array, window: Window, out: Array) -> Array:
        """The input gradient of average pooling."""

    def global_average_pool(self, x: Array, out: Array) -> Array:
        """The mean (n, c) of each channel of each image."""

    def global_average_pool_backward(self, dy: Array, out: Array) -> Array:
        """The input gradient of global average pooling; dy (n, c), out (n, h, w, c)."""

    # Upsampling: x and dx (n, h, w, c), y and dy (n, h·fh, w·fw, c) with whole factors fh and fw.

    def upsample_nearest(self, x: Array, out: Array) -> Array:
        """Images in which each pixel is a block of fh × fw equal ones."""

    def upsample_nearest_backward(self, dy: Array, out: Array) -> Array:
        """The input gradient of upsampling by blocks."""

    def upsample_linear(self, x: Array, out: Array) -> Array:
        """Images interpolated linearly along both axes, with half-pixel centres."""

    def upsample_linear_backward(self, dy: Array, out: Array) -> Array:
        """The input gradient of upsampling by interpolation."""

    # Batch normalization: x, dy and out (…, c); gamma and beta (c). mean, m2, rstd, mean_dy and mean_dy_xhat are float64 (c).

    def moments(self, x: Array, mean: Array, m2: Array) -> None:
        """The mean of each channel, and the sum ``m2`` of the squared deviations from it."""

    def batch_statistics(
        self,
        n: float,
        mean: Array,
        m2: Array,
        momentum: float,
        epsilon: float,
        running_mean: Array,
        running_variance: Array,
        rstd: Array,
    ) -> None:
        """rstd = 1/√(m2/n + ε) from the moments of a batch, n values of each channel. Updates the running statistics, unless
        there is only one value."""

    def means_of_sums(self, n: float, dgamma: Array, dbeta: Array, mean_dy: Array, mean_dy_xhat: Array) -> None:
        """mean_dy = dβ/n and mean_dy_xhat = dγ/n."""

    def normalize(self, x: Array, mean: Array, rstd: Array, gamma: Array, beta: Array, out: Array) -> Array:
        """γ x̂ + β with x̂ = (x − mean)·rstd; out may be x."""

    def normalize_relu(self, x: Array, mean: Array, rstd: Array, gamma: Array, beta: Array, out: Array) -> Array:
        """max(γ x̂ + β, 0); out may be x."""

    def normalize_backward(self, x: Array, mean: Array, rstd: Array, dy: Array, dgamma: Array, dbeta: Array) -> None:
        """The gradients of γ and β."""

    def normalize_relu_backward(
        self, x: Array, y: Array, mean: Array, rstd: Array, dy: Array, dgamma: Array, dbeta: Array
    ) -> None:
        """The gradients of γ and β of a normalization followed by a ReLU with output y; dy is masked in place."""

    def normalize_input_gradient(
        self,
        x: Array,
        mean: Array,
        rstd: Array,
        gamma: Array,
        dy: Array,
        mean_dy: Array,
        mean_dy_xhat: Array,
        out: Array,
    ) -> Array:
        """The input gradient, given the means of dy and dy·x̂; out may be dy."""

    def widen_statistics(self, mean: Array, variance: Array, epsilon: float, wide_mean: Array, rstd: Array) -> None:
        """``wide_mean`` and ``rstd`` (float64) from running statistics ``mean`` and ``variance`` of the arrays' dtype."""

    def fold_normalization(
        self,
        W: Array,
        b: Array,
        mean: Array,
        rstd: Array,
        gamma: Array,
        beta: Array,
        folded_W: Array,
        folded_b: Array,
    ) -> None:
        """The weights W (…, c) and the bias of a layer with the normalization after it folded into them."""

    # Layer and group normalization: x, dy and out (n, …, c); gamma and beta (c). Layer normalization reads x as rows.

    def layer_norm(self, x: Array, gamma: Array, beta: Array, epsilon: float, out: Array, mean: Array, rstd: Array) -> Array:
        """Layer normalization; mean and rstd receive the statistics of each row."""

    def layer_norm_backward(
        self, x: Array, gamma: Array, mean: Array, rstd: Array, dy: Array, dgamma: Array, dbeta: Array, out: Array
    ) -> Array:
        """The gradients of γ and β, and the input gradient ``out``, which may be dy."""

    def group_norm(self, x: Array, gamma: Array, beta: Array, epsilon: float, out: Array, mean: Array, rstd: Array) -> Array:
        """Group normalization; mean and rstd (n, groups) receive the statistics of each group of each sample."""

    def group_norm_backward(
        self, x: Array, gamma: Array, mean: Array, rstd: Array, dy: Array, dgamma: Array, dbeta: Array, out: Array
    ) -> Array:
        """The gradients of γ and β, and the input gradient ``out``, which may be dy."""

    def rms_norm(self, x: Array, gamma: Array, epsilon: float, out: Array, rstd: Array) -> Array:
        """Root mean square normalization; rstd receives 1/√(mean(x²) + ε) of each row."""

    def rms_norm_backward(self, x: Array, gamma: Array, rstd: Array, dy: Array, dgamma: Array, out: Array) -> Array:
        """The gradient of γ, and the input gradient ``out``, which may be dy."""

    # Positions: x, dy and out (n, t, c), W and dW (T, c) with T ≥ t rows, first (n) of int64.

    def add_positions(self, x: Array, W: Array, first: Array, out: Array) -> Array:
        """Add rows of W, from first[i] on, to sequence i; out may be x."""

    def positions_gradient(self, dy: Array, dW: Array) -> None:
        """The gradient of the rows of W where every sequence begins at the first one; from t on it is zero."""

    # Gated units: z (n, 2u) holds u gates, then u values; dy and out (n, u).

    def swiglu(self, z: Array, out: Array) -> Array:
        """The values, each multiplied by the SiLU of its gate."""

    def swiglu_gradient(self, z: Array, dy: Array, out: Array) -> Array:
        """The gradient of z: ``out`` (n, 2u), which is another array than z."""

    # Recurrent layers: ``cell`` is "rnn", "lstm" or "gru". With T steps, i inputs, u units and g·u gate values: x (n, T, i),
    # V (u + i, g·u), b (g·u), mask (n, T) of bool, hx (T + 1, n, u + i), gates (T, n, g·u); c (T + 1, n, u) for the LSTM,
    # (T + 1, n, 0) otherwise; y and dy (n, T, u), or (n, 0, u) without outputs of steps; the factors m of the state's dropout
    # (n, u), or (n, 0) for none. hx[0] and c[0] hold the initial states.

    def recurrent(
        self, cell: str, x: Array, V: Array, b: Array, mask: Array, m: Array, hx: Array, gates: Array, c: Array, y: Array
    ) -> Array:
        """All steps of a recurrent layer: writes hx, gates, c and y, and returns y."""

    def recurrent_backward(
        self,
        cell: str,
        V: Array,
        mask: Array,
        m: Array,
        hx: Array,
        gates: Array,
        c: Array,
        dy: Array,
        dlast: Array,
        dx: Array,
        dfirst: Array,
    ) -> Array:
        """Backpropagation through time: overwrites ``gates`` with their gradients; dx (n, T, i), or (n, T, 0) for none; the
        gradients of the last and of the initial states are (n, k, u): of h, of h and c, or (n, 0, u) for none."""

    # Losses: all return Σ wᵢ lᵢ over the samples and write wᵢ·scale·∂lᵢ/∂z into dz (or dy). z, y, targets, a, rates, dz and dy
    # are (n, k), labels (n) of int64, weights (n). ``a`` receives the softmax or sigmoid of z.

    def softmax_cross_entropy_labels(
        self, z: Array, labels: Array, weights: Array, scale: float, smoothing: float, a: Array, dz: Array
    ) -> float:
        """Cross-entropy after softmax, from logits and labels, with label smoothing; NaN if a label is not from 0 to k − 1."""

    def softmax_cross_entropy(
        self, z: Array, targets: Array, weights: Array, scale: float, smoothing: float, a: Array, dz: Array
    ) -> float:
        """Cross-entropy after softmax, from logits and target distributions, with label smoothing."""

    def softmax_divergence(self, z: Array, targets: Array, weights: Array, scale: float, a: Array, dz: Array) -> float:
        """Kullback-Leibler divergence after softmax, from logits and target distributions."""

    def sigmoid_cross_entropy(self, z: Array, targets: Array, weights: Array, scale: float, a: Array, dz: Array) -> float:
        """Binary cross-entropy after sigmoid, from logits, averaged over the outputs."""

    def focal_cross_entropy(
        self,
        z: Array,
        targets: Array,
        weights: Array,
        scale: float,
        positive: Array,
        negative: float,
        gamma: float,
        a: Array,
        dz: Array,
    ) -> float:
        """The focal loss after sigmoid, from logits, averaged over the outputs; for γ = 0 the binary cross-entropy.

        ``positive`` (k, float64) and ``negative`` are the weights of the two labels.
        """

    def squared_error(self, y: Array, targets: Array, weights: Array, scale: float, dy: Array) -> float:
        """The squared error, averaged over the outputs."""

    def absolute_error(self, y: Array, targets: Array, weights: Array, scale: float, dy: Array) -> float:
        """The absolute error, averaged over the outputs."""

    def huber(self, y: Array, targets: Array, weights: Array, scale: float, delta: float, dy: Array) -> float:
        """The Huber loss, averaged over the outputs; quadratic up to an error of ``delta``, then linear."""

    def poisson(self, z: Array, targets: Array, weights: Array, scale: float, rates: Array, dz: Array) -> float:
        """The Poisson loss, averaged over the outputs, from the logarithms z of the rates; ``rates`` receives the rates."""

    def pinball(self, y: Array, targets: Array, weights: Array, scale: float, levels: Array, dy: Array) -> float:
        """The quantile loss for the levels (k, float64) of the outputs, averaged over the outputs."""

    def gaussian(
        self, z: Array, targets: Array, weights: Array, scale: float, epsilon: float, means: Array, dz: Array
    ) -> float:
        """The Gaussian negative log-likelihood, averaged over the targets; z and dz (n, 2k), targets and means (n, k).

        z has the means, which are copied to ``means``, then the logarithms of the variances; ``epsilon`` is added to the
        variances.
        """

    def hinge(self, z: Array, signs: Array, weights: Array, scale: float, dz: Array) -> float:
        """The hinge loss of one output; z and signs (n, 1), the signs 1 or −1."""

    def hinge_labels(self, z: Array, labels: Array, weights: Array, scale: float, dz: Array) -> float:
        """The hinge loss of several classes."""

    def cosine_distance(self, y: Array, targets: Array, weights: Array, scale: float, dy: Array) -> float:
        """One minus the cosine of the angle between the vectors y and targets; 1 where one of them is zero."""

    def triplet(self, z: Array, labels: Array, weights: Array, scale: float, margin: float, dz: Array) -> float:
        """The triplet loss of embeddings z, over all triplets of the batch; 0 for an anchor without a triplet."""

    # Metrics: outputs (n, k), labels (n), weights (n).

    def count_correct(self, outputs: Array, labels: Array, weights: Array) -> float:
        """The sum of the weights of the samples that are classified correctly."""

    def confusion(self, outputs: Array, labels: Array, weights: Array, table: Array) -> None:
        """Add the weights of the samples to a confusion table (k, k)."""

    # Optimizers: theta, g and all moments are flat vectors of equal length; theta and the
    # moments are updated in place. ``step`` counts from 1.

    def sgd(self, theta: Array, g: Array, rate: float) -> None:
        """Gradient descent."""

    def sgd_momentum(self, theta: Array, g: Array, v: Array, rate: float, momentum: float, nesterov: bool) -> None:
        """Gradient descent with momentum."""

    def adam(
        self,
        theta: Array,
        g: Array,
        m: Array,
        v: Array,
        rate: float,
        beta1: float,
        beta2: float,
        epsilon: float,
        step: int,
    ) -> None:
        """Adam."""

    def amsgrad(
        self,
        theta: Array,
        g: Array,
        m: Array,
        v: Array,
        peak: Array,
        rate: float,
        beta1: float,
        beta2: float,
        epsilon: float,
        step: int,
    ) -> None:
        """AMSGrad; ``peak`` is the largest second moment so far."""

    def nadam(
        self,
        theta: Array,
        g: Array,
        m: Array,
        v: Array,
        gradient_rate: float,
        momentum_rate: float,
        beta1: float,
        beta2: float,
        epsilon: float,
        step: int,
    ) -> None:
        """NAdam, with separate learning rates for the gradient and for the first moment."""

    def radam(
        self,
        theta: Array,
        g: Array,
        m: Array,
        v: Array,
        rate: float,
        root: float,
        beta1: float,
        beta2: float,
        epsilon: float,
    ) -> None:
        """RAdam: the step m/(root·√v + ε), with the factors of this step in ``rate``, ``root`` and ``epsilon``."""

    def adamax(
        self,
        theta: Array,
        g: Array,
        m: Array,
        u: Array,
        rate: float,
        beta1: float,
        beta2: float,
        epsilon: float,
        step: int,
    ) -> None:
        """AdaMax."""

    def rmsprop(
        self,
        theta: Array,
        g: Array,
        v: Array,
        mean: Array,
        u: Array,
        rate: float,
        alpha: float,
        epsilon: float,
        momentum: float,
        centered: bool,
    ) -> None:
        """RMSProp; ``mean`` is used only if ``centered``, ``u`` only with momentum: otherwise any vector will do."""

    def adagrad(self, theta: Array, g: Array, s: Array, rate: float, initial: float, epsilon: float) -> None:
        """Adagrad."""

    def adadelta(self, theta: Array, g: Array, v: Array, u: Array, rate: float, rho: float, epsilon: float) -> None:
        """Adadelta."""

    def lion(self, theta: Array, g: Array, m: Array, rate: float, beta1: float, beta2: float) -> None:
        """Lion."""

    def rprop(
        self,
        theta: Array,
        g: Array,
        sign: Array,
        factor: Array,
        rate: float,
        decrease: float,
        increase: float,
        low: float,
        high: float,
    ) -> None:
        """Rprop; ``sign`` is that of the last gradient, ``factor`` between ``low`` and ``high`` multiplies the rate."""

    # Operations on flat vectors and on columns of matrices, in place.

    def sum_of_squares(self, g: Array) -> float:
        """‖g‖², summed in float64."""

    def all_finite(self, x: Array) -> bool:
        """Whether no element of an array is NaN or infinite."""

    def scale(self, g: Array, factor: float) -> None:
        """Multiply by a factor."""

    def add(self, total: Array, other: Array) -> None:
        """Add ``other`` to ``total``."""

    def copy(self, source: Array, target: Array) -> None:
        """Copy ``source`` to ``target``."""

    def copy_columns(self, source: Array, target: Array) -> None:
        """Copy a matrix (n, k). Both may be some adjacent columns of a larger matrix."""

    def add_columns(self, total: Array, other: Array) -> None:
        """Add ``other`` (n, k) to ``total`` (n, k). Both may be some adjacent columns of a larger matrix."""

    def add_scaled(self, g: Array, theta: Array, factor: float) -> None:
        """Add factor·θ to g."""

    def add_penalty(self, g: Array, theta: Array, l1: float, l2: float) -> None:
        """Add the gradient of an L1 and an L2 penalty of θ to g."""

    def clip(self, g: Array, limit: float) -> None:
        """Clip every element to [−limit, limit]."""

    def clip_norm(self, g: Array, limit: float, squares: Array) -> None:
        """Scale down g if its norm is larger than ``limit``. ``squares`` (1) holds ‖g‖² in float64; it is empty where that is
        not known."""

    def clip_column_norms(self, W: Array, limit: float) -> None:
        """Scale down the columns of W (n, k) whose norm is larger than ``limit``."""

    # Gather and scatter: rows (m) of int64 are indices of rows of x or out; they may repeat.

    def gather(self, x: Array, rows: Array, out: Array) -> Array:
        """Read rows: out[i] = x[rows[i]]; x and out may differ in dtype."""

    def gather_scaled(self, x: Array, rows: Array, factor: float, out: Array) -> Array:
        """Read rows and scale them: out[i] = factor·x[rows[i]], for images of uint8."""

    def scatter_add(self, values: Array, rows: Array, out: Array) -> Array:
        """Add to rows: out[rows[i]] += values[i]; values (m, c), out (k, c)."""

    # The same for columns: columns (c) of int64 are indices of columns; they may repeat.

    def gather_columns(self, x: Array, columns: Array, out: Array) -> Array:
        """Read columns: out[:, j] = x[:, columns[j]]; x (n, k), out (n, c)."""

    def scatter_columns(self, dy: Array, columns: Array, out: Array) -> Array:
        """The gradient of gather_columns: dy[:, j] added to out[:, columns[j]], and 0 in the columns that were not read."""

    # Noise: ``key`` is a 64-bit key from ``core.rng``; ``offset`` is the position of the first row in the whole batch.

    def dropout(self, x: Array, key: int, offset: int, rate: float, out: Array) -> Array:
        """Inverted dropout: x / (1 − rate), or 0 with probability ``rate``. Applied to dy, it is the gradient; out may be x."""

    def uniform(self, key: int, row_ids: Array, columns: int) -> Array:
        """Return uniform random values (n, columns) of float32 in [0, 1), one row for each of the ``row_ids`` (n)."""

    def add_normal(self, x: Array, key: int, offset: int, sigma: float, out: Array) -> Array:
        """Add normal noise of standard deviation ``sigma``."""

    # Images.

    def warp(
        self,
        x: Array,
        rows: Array,
        factor: float,
        maps: Array,
        fields: Array,
        down: Array,
        across: Array,
        thickness: Array,
        boxes: Array,
        noise: float,
        key: int,
        row_ids: Array,
        out: Array,
    ) -> Array:
        """Augment images: read the chosen images of x (m, h, w, c), distort and thicken them, erase boxes and add noise.

        maps (n, 6), fields (n, 2, k·l), down (h, k), across (w, l), thickness (n), boxes (n, 4), row_ids (n), out (n, h, w, c).
        """

    def draw_strokes(self, segments: Array, radius: float, out: Array) -> Array:
        """Draw line segments (s, 4), from (row, column) to (row, column), with a round pen, as coverage from 0 to 1."""


KERNEL_NAMES = tuple(name for name in vars(Kernels) if not name.startswith("_"))


def import_kernels(package: str) -> dict[str, Callable[..., Any]]:
    """Import the files of a kernel set and return the kernels that they define, by name."""
    kernels: dict[str, Callable[..., Any]] = {}
    for subject in SUBJECTS:
        module = importlib.import_module(f"{package}.{subject}")
        defined = {name: vars(module)[name] for name in KERNEL_NAMES if name in vars(module)}
        kernels |= {name: kernel for name, kernel in defined.items() if kernel.__module__ == module.__name__}  # not imported
    return kernels
