"""Tests of normalization: accurate sums, statistics of the whole batch, running statistics in models and files."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import (
    Accuracy,
    Adam,
    BatchNorm,
    CrossEntropy,
    Dense,
    DivergedError,
    Flatten,
    LayerNorm,
    Model,
    ReLU,
    RMSNorm,
    Sequential,
    ShapeError,
    Softmax,
    kernels as kernel_sets,
)
from pellucid.kernels import compiled, reference
from pellucid.networks import fused
from pellucid.optim import SGD
from pellucid.testing import asymmetric, check_layer, layouts, run_layer
from tests.kernels.dtypes import FLOAT64_KERNELS

BOTH = pytest.mark.parametrize("kernels", [reference, compiled], ids=["reference", "compiled"])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def moments(kernels, x):
    mean, m2 = np.empty((2, x.shape[-1]))
    kernels.moments(x, mean, m2)
    return mean, m2


@BOTH
@DTYPES
@pytest.mark.parametrize("shape", [(100_352, 3), (5, 7, 7, 64), (33, 1000), (40_000, 1)])
def test_moments_far_from_zero_are_accurate(kernels, dtype, shape):
    x = (1000 * (1 + 1e-3 * np.random.default_rng(0).standard_normal(shape))).astype(dtype)
    x.reshape(-1, shape[-1])[0] = 1010  # the first row is far from the mean
    wide = x.reshape(-1, shape[-1]).astype(np.longdouble)
    mean, m2 = moments(kernels, x)
    bound = {np.float32: 1e-6, np.float64: 1e-12}[dtype]  # the values differ only in the last 4 of float32's 7 digits
    np.testing.assert_allclose(mean, wide.mean(axis=0).astype(float), rtol=bound / 10)
    np.testing.assert_allclose(m2, (wide.var(axis=0) * len(wide)).astype(float), rtol=bound)


@BOTH
@DTYPES
def test_moments_of_equal_values_and_of_none(kernels, dtype):
    mean, m2 = moments(kernels, np.full((50_000, 3), 0.1, dtype))
    np.testing.assert_allclose(mean, dtype(0.1), rtol=1e-12)
    assert (m2 <= 1e-15).all()
    assert (m2 >= 0).all()
    np.testing.assert_array_equal(moments(kernels, np.empty((0, 4, 3), dtype)), np.zeros((2, 3)))


@BOTH
@DTYPES
@pytest.mark.parametrize("shape", [(200_000, 3), (20_000, 200)])
def test_long_sums_of_gradients_are_accurate(kernels, dtype, shape):
    x, dy = np.random.default_rng(1).normal(1, 1, (2, *shape)).astype(dtype)
    mean, rstd, dgamma, dbeta = np.full(shape[1], 0.5), np.full(shape[1], 2.0), *np.empty((2, shape[1]), dtype)
    kernels.normalize_backward(x, mean, rstd, dy, dgamma, dbeta)
    bound = {np.float32: 3e-7, np.float64: 1e-13}[dtype]
    np.testing.assert_allclose(dbeta, dy.sum(axis=0, dtype=np.float64), rtol=bound)
    np.testing.assert_allclose(dgamma, (dy.astype(float) * (x.astype(float) - 0.5) * 2).sum(axis=0), rtol=bound)


@BOTH
@DTYPES
def test_nan_affects_only_its_channel(kernels, dtype):
    x = np.random.default_rng(0).normal(size=(200, 3)).astype(dtype)
    x[150, 1] = np.nan
    statistics, gamma, beta = moments(kernels, x), np.ones(3, dtype), np.zeros(3, dtype)
    nan = [False, True, False]
    np.testing.assert_array_equal(np.isnan(statistics), [nan, nan])
    y = kernels.normalize_relu(x, *statistics, gamma, beta, np.empty_like(x))
    np.testing.assert_array_equal(np.isnan(y), np.broadcast_to(nan, x.shape))
    out, mean, rstd = np.empty_like(x), np.empty(200, dtype), np.empty(200, dtype)
    np.testing.assert_array_equal(
        np.isnan(kernels.layer_norm(x, gamma, beta, 1e-5, out, mean, rstd)).any(axis=1), np.isnan(mean)
    )
    assert np.flatnonzero(np.isnan(mean)).tolist() == [150]


def test_layer_norm_far_from_zero():
    x = (1000 * (1 + 1e-3 * np.random.default_rng(0).standard_normal((20, 300)))).astype(np.float32)
    wide = x.astype(np.float64)
    wanted = (wide - wide.mean(axis=1, keepdims=True)) / np.sqrt(wide.var(axis=1, keepdims=True) + 1e-5)
    for name in kernel_sets.SETS:
        np.testing.assert_allclose(run_layer(LayerNorm(), x, kernels=kernel_sets.load(name)).y, wanted, atol=1e-4)


def with_gamma(layer, shape, dtype=np.float64):
    """Return parameters of a normalization layer: an asymmetric γ, the first of its slots, and β = 0."""
    theta = layouts(layer, shape)[0].zeros(dtype)
    theta[: shape[-1]] = asymmetric(shape[-1:], 2)
    return theta


def test_layer_norm_without_bias_is_layer_norm_with_a_bias_of_zero():
    x, dy = asymmetric((7, 3, 5)), asymmetric((7, 3, 5), 1)
    for name in kernel_sets.SETS:
        with_bias, without = (
            run_layer(layer, x, dy, theta=with_gamma(layer, (3, 5)), kernels=kernel_sets.load(name))
            for layer in (LayerNorm(), LayerNorm(bias=False))
        )
        np.testing.assert_array_equal(without.y, with_bias.y)
        np.testing.assert_array_equal(without.dx, with_bias.dx)
        np.testing.assert_array_equal(without.gradient[:5], with_bias.gradient[:5])
    assert list(LayerNorm(bias=False).build((5,)).slots) == ["gamma"]


# -- root mean square normalization -----------------------------------------------------------------------------------


@FLOAT64_KERNELS
@DTYPES
@pytest.mark.parametrize("shape", [(6, 4), (5, 300, 7), (2000, 3, 40)])  # one task and many
def test_rms_norm_is_its_closed_form(kernels, dtype, shape):
    x, dy = asymmetric(shape).astype(dtype), asymmetric(shape, 1).astype(dtype)
    theta = with_gamma(RMSNorm(), shape[1:], dtype)
    out, gamma = run_layer(RMSNorm(0.01), x, dy, theta=theta, kernels=kernels), theta[: shape[-1]].astype(float)
    rows, upstream = x.reshape(-1, shape[-1]).astype(float), dy.reshape(-1, shape[-1]).astype(float)
    r = 1 / np.sqrt((rows * rows).mean(axis=1, keepdims=True) + 0.01)
    jacobian = r[..., None] * (np.eye(shape[-1]) - (rows * r)[:, :, None] * (rows * r)[:, None, :] / shape[-1])  # ∂x̂ᵢ/∂xⱼ
    bound = {"rtol": 0, "atol": 1e-12 if dtype == np.float64 else 2e-4}
    np.testing.assert_allclose(out.y.reshape(rows.shape), gamma * rows * r, **bound)
    np.testing.assert_allclose(out.dx.reshape(rows.shape), np.einsum("li,lij->lj", gamma * upstream, jacobian), **bound)
    np.testing.assert_allclose(out.gradient[: shape[-1]], (upstream * rows * r).sum(axis=0), rtol=1e-4, atol=1e-3)


@BOTH
def test_rms_norm_ignores_the_scale_and_keeps_nan_in_its_row(kernels):
    x = asymmetric((4, 6)).astype(np.float32)
    y = run_layer(RMSNorm(), x, kernels=kernels).y
    for scale in (1e3, 1e25):  # whose squares overflow in float32
        np.testing.assert_allclose(run_layer(RMSNorm(), scale * x, kernels=kernels).y, y, rtol=1e-4)
    x[2, 3] = np.nan
    assert np.isnan(run_layer(RMSNorm(), x, kernels=kernels).y).all(axis=1).tolist() == [False, False, True, False]
    assert np.isnan(run_layer(RMSNorm(), x, kernels=kernels).y).any(axis=1).tolist() == [False, False, True, False]
    with pytest.raises(ShapeError, match=r"RMSNorm\(\) over \(4, 1\) leaves only the sign"):
        RMSNorm().build((4, 1))


# -- batch normalization ----------------------------------------------------------------------------------------------


def closed_form(x, dy, gamma, beta, epsilon):
    """(y, dx, dγ, dβ) of rows x, with the Jacobian of x̂ written out: ∂x̂ᵢ/∂xⱼ = r (δᵢⱼ − 1/n − x̂ᵢ x̂ⱼ/n)."""
    n = len(x)
    rstd = 1 / np.sqrt(x.var(axis=0) + epsilon)
    xhat = (x - x.mean(axis=0)) * rstd
    dx = np.empty_like(x)
    for k in range(x.shape[1]):
        jacobian = rstd[k] * (np.eye(n) - 1 / n - np.outer(xhat[:, k], xhat[:, k]) / n)
        dx[:, k] = jacobian.T @ (gamma[k] * dy[:, k])
    return gamma * xhat + beta, dx, (dy * xhat).sum(axis=0), dy.sum(axis=0)


@FLOAT64_KERNELS
@pytest.mark.parametrize("shards", [1, 2, 4, 9])
@pytest.mark.parametrize("shape", [(7, 3), (7, 2, 3, 4)])
def test_batch_norm_uses_the_statistics_of_the_whole_batch(kernels, shards, shape):
    layer, x, dy = BatchNorm(momentum=0.8), asymmetric(shape), asymmetric(shape, seed=1)
    x += 10 * np.arange(7).reshape(7, *(1,) * (len(shape) - 1))  # so that the means of the shards differ
    layout, c = layouts(layer, shape[1:])[0], shape[-1]
    theta = asymmetric((layout.size,), seed=2)
    gamma, beta = layout.arrays(theta).values()
    out = run_layer(layer, x, dy, theta=theta, kernels=kernels, shards=shards)
    rows = x.reshape(-1, c)
    y, dx, dgamma, dbeta = closed_form(rows, dy.reshape(-1, c), gamma, beta, 1e-5)
    close = {"rtol": 0, "atol": 1e-12}
    np.testing.assert_allclose(out.y.reshape(-1, c), y, **close)
    np.testing.assert_allclose(out.dx.reshape(-1, c), dx, **close)
    np.testing.assert_allclose(layout.arrays(out.gradient)["gamma"], dgamma, **close)
    np.testing.assert_allclose(layout.arrays(out.gradient)["beta"], dbeta, **close)
    np.testing.assert_allclose(out.state["running_mean"], 0.2 * rows.mean(axis=0), **close)
    np.testing.assert_allclose(out.state["running_variance"], 0.8 + 0.2 * rows.var(axis=0, ddof=1), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_running_statistics_do_not_depend_on_the_shards(dtype):
    network = Sequential(Dense(6), BatchNorm(), ReLU(), Dense(4), BatchNorm(), Dense(3))
    x, dy = asymmetric((11, 5)).astype(dtype), asymmetric((11, 3), seed=1).astype(dtype)
    whole = run_layer(network, x, dy)
    bound = {np.float32: 1e-6, np.float64: 1e-12}[dtype]
    for shards in (2, 4):
        spread = run_layer(network, x, dy, shards=shards)
        # biases before a normalization have no effect, and their gradients are rounding errors: compare norms of the whole
        assert np.linalg.norm(spread.gradient - whole.gradient) <= bound * np.linalg.norm(whole.gradient)
        for path, array in whole.state.items():
            np.testing.assert_allclose(spread.state[path], array, rtol=0, atol=bound)


def test_running_statistics_have_momentum_and_prediction_uses_them():
    layer, state, mean, variance = BatchNorm(momentum=0.6, epsilon=0.1), None, np.zeros(3), np.ones(3)
    for step in range(4):
        x = 2 * asymmetric((5, 2, 3), seed=step) + step
        state = run_layer(layer, x, state=state).state
        mean = 0.6 * mean + 0.4 * x.mean(axis=(0, 1))
        variance = 0.6 * variance + 0.4 * x.var(axis=(0, 1), ddof=1)
    np.testing.assert_allclose(state["running_mean"], mean, rtol=1e-13)
    np.testing.assert_allclose(state["running_variance"], variance, rtol=1e-13)
    out = run_layer(layer, x, np.ones_like(x), state=state, training=False)
    np.testing.assert_allclose(out.y, (x - mean) / np.sqrt(variance + 0.1), rtol=1e-12)
    np.testing.assert_allclose(out.dx, np.broadcast_to(1 / np.sqrt(variance + 0.1), x.shape), rtol=1e-12)
    one_by_one = [run_layer(layer, x[i : i + 1], state=state, training=False).y for i in range(5)]
    np.testing.assert_array_equal(np.concatenate(one_by_one), out.y)


@pytest.mark.parametrize("shards", [1, 3])
@DTYPES
def test_one_value_has_no_variance(shards, dtype):
    """For a last batch of one sample the output is beta, and only beta has a gradient."""
    x, dy = np.array([[3.1, -1e4]], dtype), np.ones((1, 2), dtype)
    theta = layouts(BatchNorm(), (2,))[0].zeros(dtype)
    arrays = layouts(BatchNorm(), (2,))[0].arrays
    arrays(theta)["gamma"][...] = 2
    arrays(theta)["beta"][...] = 0.5, -7
    before = {"running_mean": np.array([0.25, 4]), "running_variance": np.array([2.0, 8.0])}
    out = run_layer(BatchNorm(), x, dy, theta=theta, state=before, shards=shards)
    assert out.y.tolist() == [[0.5, -7.0]]
    assert not out.dx.any()
    assert arrays(out.gradient)["gamma"].tolist() == [0, 0]
    assert arrays(out.gradient)["beta"].tolist() == [1, 1]
    for name, values in before.items():
        assert out.state[name].tolist() == values.tolist()
    images = run_layer(BatchNorm(), np.ones((1, 2, 1, 2), dtype) * np.array([[[1], [3]]], dtype))
    assert images.state["running_mean"].tolist() == pytest.approx([0.2, 0.2]), "two positions are two values"


def test_a_following_relu_is_absorbed_and_weight_decay_does_not_apply():
    assert BatchNorm().absorb(ReLU()) is not None
    assert BatchNorm().absorb(BatchNorm()) is None
    for slot in {**BatchNorm().build((2,)).slots, **LayerNorm().build((2,)).slots}.values():
        assert slot.state or not slot.decay


@BOTH
@pytest.mark.parametrize("training", [True, False])
def test_fused_with_relu_in_both_modes(kernels, training):
    network = Sequential(Dense(4), BatchNorm(), ReLU())
    x, dy = asymmetric((6, 3)), asymmetric((6, 4), seed=1)
    state = run_layer(network, 3 * x + 1).state
    one, other = (run_layer(n, x, dy, state=state, kernels=kernels, training=training) for n in (network, fused(network)))
    assert 0 < (one.y == 0).mean() < 1
    np.testing.assert_array_equal(other.y, one.y)
    np.testing.assert_allclose(other.dx, one.dx, rtol=0, atol=1e-13)
    np.testing.assert_allclose(other.gradient, one.gradient, rtol=0, atol=1e-13)


def test_invalid_shapes_are_refused():
    with pytest.raises(ShapeError, match=r"LayerNorm\(\) over \(4, 1\) is always beta"):
        LayerNorm().build((4, 1))
    for layer in (BatchNorm(), LayerNorm()):
        with pytest.raises(ShapeError):
            layer.build(())


# -- in models --------------------------------------------------------------------------------------------------------


def network() -> Sequential:
    return Sequential(Flatten(), Dense(16), BatchNorm(), ReLU(), Dense(16), BatchNorm(), ReLU(), Dense(10), Softmax())


@pytest.mark.parametrize("norm", [BatchNorm(), LayerNorm()], ids=repr)
def test_a_model_learns_and_is_restored_from_its_file(norm, images, tmp_path):
    layers = [norm if isinstance(layer, BatchNorm) else layer for layer in network().layers]
    model = Sequential(*layers).compile((7, 7, 1), CrossEntropy(), Adam(0.01), [Accuracy()], seed=0)
    model.fit(images, epochs=15, batch_size=33, progress=False)  # 6 · 33 + 2: a small last batch
    assert model.evaluate(images)["accuracy"] > 0.95  # measured: 1.0 over seeds 0 to 4 for both
    model.save(tmp_path / "model.pellucid")
    again = Model.load(tmp_path / "model.pellucid")
    before = model.predict(images.x)
    np.testing.assert_array_equal(again.predict(images.x), before)
    if model.state.statistics.size:
        again.state.statistics[:] = 1
        assert np.abs(again.predict(images.x) - before).max() > 0.1, "the running statistics have no effect"


def test_a_diverging_step_does_not_change_the_running_statistics(images):
    model = network().compile((7, 7, 1), CrossEntropy(), SGD(0.1), seed=0)
    model.fit(images, batch_size=50, progress=False)
    state, theta = model.state.statistics.copy(), model.parameters.copy()
    model.weights["dense3.W"][...] *= 1e38
    with pytest.raises(DivergedError):
        model.fit(images, batch_size=50, progress=False)
    assert state.any()
    np.testing.assert_array_equal(model.state.statistics, state)
    model.parameters[:] = theta
    model.fit(images, batch_size=50, progress=False)
    assert (model.state.statistics != state).any()


def test_batch_norm_trains_with_a_last_batch_of_one(images):
    model = network().compile((7, 7, 1), CrossEntropy(), Adam(0.01), [Accuracy()], seed=0)
    model.fit(images.x[:181], images.y[:181], epochs=15, batch_size=60, progress=False)
    assert model.evaluate(images)["accuracy"] > 0.9


def test_several_normalizations_in_sequence():
    check_layer(Sequential(Dense(3), LayerNorm(0.1), BatchNorm(), ReLU(), Dense(2)), (4,), batch=6)
