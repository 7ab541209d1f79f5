"""The networks in plain NumPy: initial weights, and the outputs and losses that they must give.

Contenders start from these weights, so that their first losses and predictions can be compared with those of this file. A
contender that omits a part of the network is thus noticed before it is timed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks import networks
from benchmarks.data import Floats, Labels
from benchmarks.networks import INPUT, Layer, Shape


def weights(layers: Sequence[Layer], seed: int = 0, input_shape: Shape = INPUT) -> list[Floats]:
    """Return initial weights in the order of ``cost``: He's (normal, variance 2/inputs), γ of one, biases and β of zero."""
    random = np.random.default_rng(seed)
    arrays: list[Floats] = []
    for layer, place, shape in networks.parameters(layers, input_shape):
        if len(shape) > 1:
            arrays.append((random.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:-1]))).astype(np.float32))
        else:
            gamma = isinstance(layer, networks.Norm) and place == 0
            arrays.append(np.full(shape, float(gamma), np.float32))
    return arrays


def logits(layers: Sequence[Layer], x: Floats, *, training: bool = False) -> Floats:
    """Return the logits of the network with its initial weights.

    With ``training``, normalization uses the statistics of the batch. Networks with dropout are not possible then.
    """
    return _forward(layers, iter(weights(layers, input_shape=x.shape[1:])), x, training)


def _forward(layers: Sequence[Layer], arrays: Iterator[Floats], x: Floats, training: bool) -> Floats:
    for layer in layers:
        match layer:
            case networks.Conv():
                x = _convolution(layer, next(arrays), x)
                x = x + next(arrays) if layer.bias else x
            case networks.Conv1d():
                x = _causal_convolution(layer, next(arrays), x) + next(arrays)
            case networks.Norm():
                axes = tuple(range(x.ndim - 1))
                mean, variance = (x.mean(axes), x.var(axes)) if training else (np.float32(0), np.float32(1))
                x = (x - mean) / np.sqrt(variance + np.float32(layer.epsilon)) * next(arrays) + next(arrays)
            case networks.Relu():
                x = np.maximum(x, 0)
            case networks.MaxPool():
                n, h, w, c = x.shape
                x = x[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, c).max((2, 4))
            case networks.Upsample():
                x = x.repeat(2, axis=1).repeat(2, axis=2)
            case networks.Mean():
                x = x.mean((1, 2))
            case networks.Flatten():
                x = x.reshape(len(x), -1)
            case networks.Dense():
                x = x @ next(arrays) + next(arrays)
            case networks.Rows():
                x = x[..., 0]
            case networks.Lstm():
                states = _states(layer, next(arrays), next(arrays), next(arrays), x)
                x = states if layer.every_step else states[:, -1]
            case networks.Residual():
                inner = _forward(layer.layers, arrays, x, training)
                x = inner + _forward(layer.shortcut, arrays, x, training)
            case networks.Skip():
                x = np.concatenate([x, _forward(layer.layers, arrays, x, training)], axis=-1)
    return x


def _convolution(layer: networks.Conv, W: Floats, x: Floats) -> Floats:
    border = ((0, 0), (layer.padding, layer.padding), (layer.padding, layer.padding), (0, 0))
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, border), W.shape[:2], (1, 2))
    y: Floats = np.tensordot(windows[:, :: layer.stride, :: layer.stride], W.transpose(2, 0, 1, 3), 3)
    return y


def _causal_convolution(layer: networks.Conv1d, W: Floats, x: Floats) -> Floats:
    time = x.shape[1]
    padded = np.pad(x, ((0, 0), ((layer.kernel - 1) * layer.dilation, 0), (0, 0)))
    taps = [padded[:, i * layer.dilation : i * layer.dilation + time] @ W[i] for i in range(layer.kernel)]
    y: Floats = np.sum(taps, axis=0)
    return y


def _states(layer: networks.Lstm, W: Floats, U: Floats, b: Floats, x: Floats) -> Floats:
    h = c = np.zeros((len(x), layer.units), np.float32)
    states = []
    for t in range(x.shape[1]):
        i, f, g, o = np.split(x[:, t] @ W + h @ U + b, 4, axis=1)
        c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
        states.append(h)
    return np.stack(states, axis=1)


def softmax(z: Floats) -> Floats:
    """Return the probabilities of the last axis."""
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    probabilities: Floats = e / e.sum(axis=-1, keepdims=True)
    return probabilities


def loss(layers: Sequence[Layer], x: Floats, y: Labels) -> float:
    """Return the mean cross-entropy of the forward pass of a training step, over samples and positions."""
    right = np.take_along_axis(softmax(logits(layers, x, training=True)), y[..., None], axis=-1)
    return float(-np.log(right).mean())
