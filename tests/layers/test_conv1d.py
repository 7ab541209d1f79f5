"""Tests of convolutions of sequences: against SciPy, what causal layers see, messages, and a training."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.signal

from pellucid import (
    Adam,
    Conv1D,
    Conv2D,
    CrossEntropy,
    Dense,
    GlobalMaxPool1D,
    ReLU,
    Sequential,
    ShapeError,
    Softmax,
)
from pellucid.errors import ConfigError
from pellucid.initializers import initial_values
from pellucid.kernels import compiled, reference
from pellucid.testing import asymmetric, layouts, run_layer
from tests.kernels.dtypes import FLOAT64_KERNELS

BOTH = pytest.mark.parametrize("kernels", [reference, compiled], ids=["reference", "compiled"])


def random_case(seed: int) -> SimpleNamespace:
    """A convolution of random geometry; every third one is causal, every third one "same"."""
    rng = np.random.default_rng(seed)
    taps, stride, dilation, groups, channels, filters, n = map(int, rng.integers(1, 4, 7))
    before, after = map(int, rng.integers(0, 4, 2))
    time = (taps - 1) * dilation + int(rng.integers(1, 9))
    padding = ("causal", "same", (before, after))[seed % 3]
    conv = Conv1D(groups * filters, taps, stride, padding, dilation, groups)
    params, _ = layouts(conv, (time, groups * channels))
    theta = rng.normal(size=params.size)
    return SimpleNamespace(conv=conv, theta=theta, params=params, x=rng.normal(size=(n, time, groups * channels)))


def scipy_conv(case: SimpleNamespace) -> np.ndarray:
    """The forward pass with SciPy: padded sequences, kernels with zeros between their taps, every s-th position."""
    conv, x = case.conv, case.x
    W, b = case.params.array(case.theta, "W"), case.params.array(case.theta, "b")
    time, span = x.shape[1], (conv.kernel_size - 1) * conv.dilation + 1
    if conv.padding == "same":
        total = max((-(-time // conv.stride) - 1) * conv.stride + span - time, 0)
        before, after = total // 2, total - total // 2
    else:
        before, after = (span - 1, 0) if conv.padding == "causal" else conv.padding
    x = np.pad(x, ((0, 0), (before, after), (0, 0)))
    dilated = np.zeros((span, *W.shape[1:]))
    dilated[:: conv.dilation] = W
    outputs = []
    for f in range(conv.filters):
        first = f // (conv.filters // conv.groups) * W.shape[1]
        per_channel = [
            [scipy.signal.correlate(one[:, first + k], dilated[:, k, f], mode="valid") for k in range(W.shape[1])] for one in x
        ]
        outputs.append(np.sum(per_channel, axis=1)[:, :: conv.stride] + b[f])
    return np.stack(outputs, axis=2)


@FLOAT64_KERNELS
@pytest.mark.parametrize("seed", range(24))
def test_sequences_are_convolved_as_by_scipy(kernels, seed):
    case = random_case(seed)
    wanted = scipy_conv(case)
    assert case.conv.build(case.x.shape[1:]).shape == wanted.shape[1:]
    run = {"theta": case.theta, "kernels": kernels}
    np.testing.assert_allclose(run_layer(case.conv, case.x, **run).y, wanted, rtol=0, atol=1e-12)
    fused = case.conv.absorb(ReLU())
    np.testing.assert_allclose(run_layer(fused, case.x, **run).y, np.maximum(wanted, 0), rtol=0, atol=1e-12)


def test_a_step_of_a_causal_network_reads_no_later_step():
    layers = [layer for d in (1, 2, 4) for layer in (Conv1D(3, 2, padding="causal", dilation=d), ReLU())]
    network = Sequential(*layers[:-1])
    theta = initial_values(layouts(network, (12, 2))[0], 0, np.float64)
    x = asymmetric((1, 12, 2))
    y = run_layer(network, x, theta=theta).y
    for t in range(12):
        changed = x.copy()
        changed[0, t] += 1
        differs = (run_layer(network, changed, theta=theta).y != y).any(axis=(0, 2))
        assert not differs[:t].any()
        assert not differs[t + 8 :].any()  # 1 + (2 − 1)·(1 + 2 + 4) steps are seen


def test_multiply_adds_and_initial_values_are_those_of_the_image_of_one_row():
    one, two = Conv1D(4, 3, 2, (1, 0), groups=2), Conv2D(4, (1, 3), (1, 2), ((0, 0), (1, 0)), groups=2)
    narrow, wide = one.build((9, 6)), two.build((1, 9, 6))
    assert narrow.multiply_adds == wide.multiply_adds
    assert (1, *narrow.shape) == wide.shape
    values = [initial_values(layouts(layer, shape)[0], 3) for layer, shape in ((one, (9, 6)), (two, (1, 9, 6)))]
    np.testing.assert_array_equal(*values)


@pytest.mark.parametrize(
    ("layer", "shape", "kind", "words"),
    [
        (
            Conv1D(2, 3),
            (28, 28, 1),
            ShapeError,
            r"got \(28, 28, 1\); these are images .*: use Conv2D; Reshape\(\(28, 28\)\)",
        ),
        (Conv1D(2, 3), (20,), ShapeError, r"sequences .* got \(20,\); .*add a channel axis: .*\(20, 1\).*return_sequences"),
        (Conv1D(2, 3), (2, 2, 2, 2), ShapeError, "one sample is one sequence"),
        (Conv2D(2, 3), (20, 4), ShapeError, r"channel axis: .*input_shape=\(20, 4, 1\).*; for sequences .* use Conv1D"),
        (Conv1D(2, 3, dilation=4), (8, 1), ShapeError, r"spans 9 steps, but the padded sequence has only 8 .*'causal'"),
        (Conv1D(2, 3, padding="casual"), (8, 1), ConfigError, "did you mean 'causal'"),
        (Conv2D(2, 3, padding="causal"), (8, 8, 1), ConfigError, "only sequences have causal padding"),
        (Conv1D(4, 3, groups=4), (8, 6), ShapeError, "6 channels cannot be split into 4"),
    ],
    ids=str,
)
def test_messages_of_invalid_settings(layer, shape, kind, words):
    with pytest.raises(kind, match=words):
        layer.build(shape)


def rises(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise in which a step up (1) or a step down (0) of four values is hidden at a random place."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(0, 0.3, (n, 24, 1)).astype(np.float32), rng.integers(0, 2, n)
    for one, up in zip(x, y, strict=True):
        at = rng.integers(0, 21)
        one[at : at + 4, 0] += (1 if up else -1) * np.array([-1, -1, 1, 1])
    return x, y


def test_a_small_network_finds_a_pattern_anywhere_in_a_sequence():
    network = Sequential(Conv1D(8, 4), ReLU(), GlobalMaxPool1D(), Dense(2), Softmax())
    model = network.compile((24, 1), CrossEntropy(), Adam(0.02), seed=0)
    model.fit(*rises(500, 0), epochs=6, batch_size=25, progress=False)
    x, y = rises(500, 1)
    assert (model.predict(x).argmax(axis=1) == y).mean() > 0.9
