"""Tests of the compiled kernels at hostile values: huge and tiny magnitudes, large means with small spreads, outliers, NaN.

Each compiled kernel computes in float32. Its error is measured against the reference kernel in float64, and is at most ten
times that of the reference kernel in float32, which is a plain formula in NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.special

from pellucid.kernels import compiled, reference
from pellucid.kernels.interface import KERNEL_NAMES
from pellucid.kernels.window import Window
from tests.kernels.test_kernel_pairs import BOTH, ROWS, Arguments, made

EPSILON = float(np.finfo(np.float32).eps)
SMALLEST = 1e-36  # errors below this are denormal numbers or near them
SEEDS_AND_SHAPES = [(3, (5, 3)), (4, (8, 64)), (5, (3, 700))]  # the seed also selects the cell of recurrent kernels
# Arguments that stay as they are: probabilities, labels, signs, weights and coordinates.
ORDINARY = {"weights", "soft", "binary", "signs", "affine", "fields", "down", "across", "thickness", "segments"}
ORDINARY |= {"row_mean", "row_rstd", "statistics", "statistics2"}  # the statistics of x
ORDINARY |= {"lines"}  # of bins: the lower limit is below the upper one


def put(value: float) -> Callable[[Any], Any]:
    """Return a function that puts ``value`` into the middle of an array."""

    def change(a: Any) -> Any:
        a = a.copy()
        if a.size:
            a.reshape(-1)[a.size // 2] = value
        return a

    return change


FINITE: dict[str, Callable[[Any], Any]] = {
    **{f"scaled by {scale:g}": lambda a, scale=scale: a * scale for scale in (1e-30, 1e-20, 1e-10, 1e10, 1e20, 1e30)},
    **{f"mean {mean:g}": lambda a, mean=mean: a + mean for mean in (1e6, -1e6)},
    **{f"one {value:g}": put(value) for value in (1e8, -1e8, 1e36)},
}
NOT_FINITE = {f"one {value}": put(value) for value in (np.inf, -np.inf, np.nan)}

RULES = {
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "amsgrad",
    "lion",
    "nadam",
    "radam",
    "rmsprop",
    "rprop",
    "sgd",
    "sgd_momentum",
}
LARGEST_GRADIENT = 3e18  # of the rules: the training loop refuses larger gradients (MAX_SUM_OF_SQUARES)
LARGEST = 1e37  # values near the largest float32 may be infinite, if an intermediate value is a little larger

# What an error is compared with, besides the error of the plain formula: the size of the value itself, except as follows.
# For these kernels, it is the same sum over the absolute values of the terms, because a sum may cancel. The arguments that
# enter with a minus sign are negative.
SUMS: dict[str, set[str]] = {
    "adadelta": {"g"},
    "adagrad": {"g"},
    "adam": {"g", "m"},
    "adamax": {"g", "m"},
    "add_penalty": set(),
    "add_scaled": set(),
    "affine": set(),
    "affine_backward": set(),
    "affine_input_gradient": set(),
    "affine_per_position": set(),
    "affine_per_position_backward": set(),
    "affine_per_position_input_gradient": set(),
    "affine_relu": set(),
    "affine_relu_backward": set(),
    "amsgrad": {"g", "m"},
    "average_pool": set(),
    "average_pool_backward": set(),
    "conv2d": set(),
    "conv2d_backward": set(),
    "conv2d_input_gradient": set(),
    "conv2d_normalized_backward": {"maps", "map_mean2"},
    "conv2d_relu": set(),
    "conv2d_relu_backward": set(),
    "global_average_pool": set(),
    "group_norm_backward": {"statistics", "dmaps"},
    "layer_norm_backward": {"row_mean", "dy"},
    "lion": {"g", "m"},
    "max_pool_backward": set(),
    "moments": set(),
    "nadam": {"g", "m"},
    "normalize": {"mean"},
    "normalize_backward": {"mean"},
    "normalize_relu": {"mean"},
    "normalize_relu_backward": {"mean"},
    "positions_gradient": set(),
    "prelu_backward": {"x"},
    "radam": {"g", "m"},
    "rms_norm_backward": {"dy"},
    "rmsprop": {"g"},
    "rprop": {"g"},
    "scale_features_backward": set(),
    "scatter_add": set(),
    "scatter_columns": set(),
    "sgd": {"g"},
    "sgd_momentum": {"g", "v"},
    "sparse_affine": set(),
    "sparse_affine_backward": set(),
    "swiglu_gradient": set(),
    "upsample_linear": set(),
    "upsample_linear_backward": set(),
    "upsample_nearest_backward": set(),
}


def _wave_errors(a: SimpleNamespace) -> Any:
    """Return the size of the errors of waves: their own, and what the rounding of the turns f x + φ makes of them."""
    return 1 + 2 * np.pi * (absolute(a.x)[:, :, None] * absolute(a.frequencies) + absolute(a.phases))


def _turn_errors(a: SimpleNamespace) -> Any:
    return 2 * np.pi * absolute(a.dwaves) * _wave_errors(a)


# For these, it is the sum of the absolute terms, written here because the kernel of absolute values has others.
TERMS: dict[str, Callable[[SimpleNamespace, str], Any]] = {
    "bin_fractions": lambda a, field: (absolute(a.x)[:, a.bins] + absolute(a.lines[0])) * a.lines[1],
    "bin_fractions_gradient": lambda a, field: (absolute(a.out_columns) * a.lines[1]) @ np.eye(a.x.shape[1])[a.bins],
    "mix": lambda a, field: absolute(a.x) + absolute(a.gamma) * (absolute(a.x) + absolute(a.y)),
    "mix_backward": lambda a, field: (
        (absolute(a.dy) * (absolute(a.x) + absolute(a.y))).sum(axis=0)
        if field == "out_gamma"
        else absolute(a.dy) * (1 + absolute(a.gamma))
    ),
    "periodic": lambda a, field: _wave_errors(a),
    "periodic_backward": lambda a, field: (
        _turn_errors(a) * (absolute(a.x)[:, :, None] if field == "out_frequencies" else 1)
    ).sum(axis=0),
    "periodic_input_gradient": lambda a, field: (_turn_errors(a) * absolute(a.frequencies)).sum(axis=2),
}
# For these, it is the largest value in the same sample, because each output depends on all inputs of the sample.
PER_SAMPLE = {
    "attention",
    "attention_backward",
    "group_norm",
    "group_norm_backward",
    "layer_norm",
    "layer_norm_backward",
    "log_softmax_gradient",
    "recurrent",
    "recurrent_backward",
    "rms_norm",
    "rms_norm_backward",
    "rotary",
    "softmax_cross_entropy",
    "softmax_cross_entropy_labels",
    "softmax_divergence",
    "softmax_gradient",
    "warp",
}
# For these it is dy: the derivative is a sum of terms of at most about 1.
SMOOTH = {"gelu_gradient", "mish_gradient", "silu_gradient"}
TIME_FIRST = {"out_hx", "out_gates", "out_c"}  # arrays (time, sample, …)


def read_by(name: str, base: SimpleNamespace) -> SimpleNamespace:
    """Return the arguments that the call of the kernel reads."""
    copies = Arguments(base)
    ROWS[name](reference, copies)
    return SimpleNamespace(**{field: getattr(base, field) for field in sorted(copies.read)})


def converted(arguments: SimpleNamespace, change: Callable[[Any], Any]) -> SimpleNamespace:
    """Return a copy of the arguments with ``change`` applied to each array."""
    fields = {name: change(value) if isinstance(value, np.ndarray) else value for name, value in vars(arguments).items()}
    return SimpleNamespace(**fields)


def wide(a: Any) -> Any:
    return a.astype(np.float64) if a.dtype == np.float32 else a.copy()


def absolute(a: Any) -> Any:
    return np.abs(wide(a)) if a.dtype.kind == "f" else a.copy()


def scale_of(name: str, base: SimpleNamespace, plain: Any, exact: Any, field: str) -> Any:
    """Return what the errors of an output are compared with, in its shape."""
    size = np.maximum(np.abs(exact), np.abs(plain - exact) / EPSILON)
    if name in TERMS:
        return np.maximum(size, TERMS[name](base, field))
    if name in SMOOTH:
        return np.maximum(size, absolute(base.dy))
    if name in SUMS:
        for negatives in (SUMS[name], ()):
            terms = converted(base, absolute)
            for negative in negatives:
                setattr(terms, negative, -getattr(terms, negative))
            ROWS[name](reference, terms)
            size = np.maximum(size, np.abs(getattr(terms, field)))
    if name not in PER_SAMPLE or exact.ndim < 2:
        return size
    axis = 1 if field in TIME_FIRST else 0
    others = tuple(other for other in range(exact.ndim) if other != axis)
    largest = np.nanmax(size, axis=others, keepdims=True, initial=0)
    if name == "recurrent":  # the terms of the products
        x, V = np.abs(wide(base.steps)).max(axis=1), np.abs(wide(base.V))
        u = len(V) - x.shape[1]
        products = (x @ V[u:] + V[:u].sum(axis=0)).max(axis=1, initial=0)
        largest = np.maximum(largest, np.expand_dims(products, others))
    if name == "recurrent_backward":
        largest = largest * max(1.0, np.abs(wide(base.V)).sum(axis=1).max())
    return np.broadcast_to(largest, exact.shape)


def outputs_of(name: str, base: SimpleNamespace, kernels: Any, change: Callable[[Any], Any]) -> tuple[Any, SimpleNamespace]:
    """Return what the kernel returns for copies of the arguments, and these copies after the call."""
    arguments = converted(base, change)
    with np.errstate(all="ignore"):
        return ROWS[name](kernels, arguments), arguments


def cases(name: str, changes: dict[str, Callable[[Any], Any]]) -> Iterator[tuple[str, SimpleNamespace]]:
    """Yield descriptions and arguments: one array at a time is hostile."""
    for seed, shape in SEEDS_AND_SHAPES:
        base = read_by(name, made(shape, np.float32, seed))
        for field, array in vars(base).items():
            if field in ORDINARY or getattr(array, "dtype", None) != np.float32:
                continue
            for what, change in changes.items():
                arguments = converted(base, np.copy)
                with np.errstate(all="ignore"):
                    setattr(arguments, field, np.asarray(change(getattr(arguments, field)), np.float32))
                yield f"{name}, {shape}, {field} {what}", arguments


def compared(name: str, arguments: SimpleNamespace) -> Iterator[tuple[str, Any, Any, Any, Any]]:
    """Yield (output, compiled, plain, exact, largest error allowed) for each output of the kernel."""
    got_value, got = outputs_of(name, arguments, compiled, np.copy)
    plain_value, plain = outputs_of(name, arguments, reference, np.copy)
    exact_value, exact = outputs_of(name, arguments, reference, wide)
    outputs = {}
    if plain_value is not None and not isinstance(plain_value, np.ndarray):
        outputs["value"] = tuple(np.asarray(value, np.float64) for value in (got_value, plain_value, exact_value))
    for field, before in vars(arguments).items():
        after = getattr(got, field)
        if isinstance(before, np.ndarray) and before.dtype.kind == "f" and not np.array_equal(before, after, equal_nan=True):
            outputs[field] = tuple(np.asarray(getattr(a, field), np.float64) for a in (got, plain, exact))
    for field, values in outputs.items():
        with np.errstate(all="ignore"):
            yield field, *values, 10 * EPSILON * scale_of(name, arguments, *values[1:], field) + SMALLEST


@pytest.mark.parametrize("name", KERNEL_NAMES)
def test_errors_at_finite_values(name):
    for what, arguments in cases(name, FINITE):
        if name in RULES:
            arguments.g = np.clip(arguments.g, -LARGEST_GRADIENT, LARGEST_GRADIENT)
        for field, got, plain, exact, allowed in compared(name, arguments):
            known = np.isfinite(plain) & (np.abs(exact) < LARGEST)
            assert np.isfinite(got[known]).all(), f"{what}: {field} is not finite"
            assert_allowed(f"{what}: {field}", got, exact, allowed, known)


# A gradient that is not finite never reaches a rule, and which class NaN predicts is not defined.
@pytest.mark.parametrize("name", sorted(set(KERNEL_NAMES) - RULES - {"confusion", "count_correct"}))
def test_infinity_and_nan_spread_as_in_the_plain_formula(name):
    for what, arguments in cases(name, NOT_FINITE):
        for field, got, plain, exact, allowed in compared(name, arguments):
            same = np.isfinite(got) == np.isfinite(plain)
            if name == "recurrent":  # its sigmoid is at least 1e-38, so that r·∞ is ∞ where the plain formula has 0·∞, NaN
                same |= np.isfinite(got)
            if name.startswith("attention"):  # a key that a query does not read, where the plain formula has 0·∞ or 0·NaN
                same |= np.isfinite(got)
            assert same.all(), f"{what}: {field}"
            assert_allowed(f"{what}: {field}", got, exact, allowed, np.isfinite(plain) & np.isfinite(exact))


def assert_allowed(what: str, got: Any, exact: Any, allowed: Any, known: Any) -> None:
    """Assert that the errors are at most ``allowed``, where the values are ``known``."""
    with np.errstate(all="ignore"):
        wrong = known & (np.abs(got - exact) > allowed)
    i = np.unravel_index(wrong.argmax(), wrong.shape) if wrong.size else ()
    assert not wrong.any(), f"{what}: {got[i]} instead of {exact[i]}, an error of more than {allowed[i]:.3g}"


@BOTH
def test_log_softmax_keeps_its_digits_at_large_logits(kernels):
    x = np.float32([[1e6, 1e6 - 1, 1e6 - 2], [-1e6, -1e6 - 1, -1e6 - 2]])
    wanted = [[-0.40760596, -1.40760596, -2.40760596]] * 2
    np.testing.assert_allclose(kernels.log_softmax(x, np.empty_like(x)), wanted, rtol=2e-7)


@BOTH
@pytest.mark.parametrize("top", [1e6, 1e17, 1e30])
def test_losses_keep_their_digits_at_large_scores(kernels, top):
    one, labels = np.ones(1, np.float32), np.array([0])
    z = np.full((1, 2), top, np.float32)
    a, dz = np.empty_like(z), np.empty_like(z)
    even = np.float32([[0.5, 0.5]])
    for smoothing in (0.0, 0.1):
        assert kernels.softmax_cross_entropy_labels(z, labels, one, 1.0, smoothing, a, dz) == pytest.approx(np.log(2))
        assert kernels.softmax_cross_entropy(z, even, one, 1.0, smoothing, a, dz) == pytest.approx(np.log(2))
    assert kernels.softmax_divergence(z, np.float32([[1, 0]]), one, 1.0, a, dz) == pytest.approx(np.log(2))
    assert kernels.hinge_labels(z, labels, one, 1.0, dz) == pytest.approx(0.5)
    mixed = np.float32([[0, top, top]])  # the first output costs log 2, the others nothing
    a, dz = np.empty_like(mixed), np.empty_like(mixed)
    loss = kernels.sigmoid_cross_entropy(mixed, np.float32([[1, 1, 1]]), one, 1.0, a, dz)
    assert loss == pytest.approx(np.log(2) / 3)


@BOTH
def test_long_sums_keep_their_digits(kernels):
    images = np.full((1, 300, 700, 1), 10000.1, np.float32)
    value = images[0, 0, 0, 0]
    assert kernels.global_average_pool(images, np.empty((1, 1), np.float32)) == pytest.approx(value, rel=1e-7)
    pooled = kernels.average_pool(images, Window(300, 100, 300, 100), np.empty((1, 1, 7, 1), np.float32))
    np.testing.assert_allclose(pooled, value, rtol=1e-7)
    rows = np.full((200_000, 3), 0.1, np.float32)
    x, db = np.ones((len(rows), 1), np.float32), np.empty(3, np.float32)
    kernels.affine_backward(x, rows, np.empty((1, 3), np.float32), db)
    np.testing.assert_allclose(db, rows.sum(axis=0, dtype=np.float64), rtol=3e-6)
    logits = np.random.default_rng(0).normal(0, 1, (1, 1_000_000)).astype(np.float32)
    assert kernels.softmax(logits, np.empty_like(logits)).sum(dtype=np.float64) == pytest.approx(1, abs=1e-6)


@BOTH
def test_activations_in_their_tails(kernels):
    def gradient(name: str, x: Any, *settings: float) -> Any:
        ones = np.ones_like(x)
        return getattr(kernels, f"{name}_gradient")(x, *settings, ones, ones)

    x = np.float32([-16, -17, -30, -80])
    np.testing.assert_allclose(gradient("elu", x, 1.0), np.exp(x.astype(np.float64)), rtol=1e-6)
    np.testing.assert_allclose(gradient("elu", x, 0.3), 0.3 * np.exp(x.astype(np.float64)), rtol=1e-6)
    at = np.float32([-3, 3, np.nextafter(np.float32(-3), np.float32(0)), -2.999, 2.999])
    y = kernels.hard_sigmoid(at, np.empty_like(at))
    np.testing.assert_allclose(y, (at.astype(np.float64) + 3) / 6, rtol=2e-7)
    np.testing.assert_allclose(gradient("hard_sigmoid", y), [0, 0, 1 / 6, 1 / 6, 1 / 6], rtol=1e-6)
    tail = np.float32([-3, -5, -7, -10])
    phi = scipy.special.ndtr(tail.astype(np.float64))
    np.testing.assert_allclose(kernels.gelu(tail, False, np.empty_like(tail)), tail * phi, rtol=2e-6)


@BOTH
def test_normalization_of_large_values(kernels):
    normal = np.random.default_rng(0).normal(size=(64, 6))
    for scale, mean in ((1e20, 0), (1e30, 0), (1, 1e5)):
        x = (scale * normal + mean).astype(np.float32)
        wide = x.astype(np.float64)
        ones, zeros, stats = (
            np.ones(6, np.float32),
            np.zeros(6, np.float32),
            (np.empty(64, np.float32), np.empty(64, np.float32)),
        )
        y = kernels.layer_norm(x, ones, zeros, 1e-5, np.empty_like(x), *stats)
        np.testing.assert_allclose(stats[1], 1 / np.sqrt(wide.var(axis=1) + 1e-5), rtol=1e-5)
        wanted = (wide - wide.mean(axis=1, keepdims=True)) / np.sqrt(wide.var(axis=1, keepdims=True) + 1e-5)
        np.testing.assert_allclose(y, wanted, atol=0.02 if mean else 1e-5)  # x itself has only three digits after the point
        images = x.reshape(4, 16, 6)
        group = (np.empty((4, 2), np.float32), np.empty((4, 2), np.float32))
        kernels.group_norm(images, ones, zeros, 1e-5, np.empty_like(images), *group)
        parts = wide.reshape(4, 16, 2, 3)
        np.testing.assert_allclose(group[1], 1 / np.sqrt(parts.var(axis=(1, 3)) + 1e-5), rtol=1e-5)
        m, m2 = np.empty(6), np.empty(6)
        kernels.moments(x, m, m2)
        np.testing.assert_allclose(m2, 64 * wide.var(axis=0), rtol=1e-5)
