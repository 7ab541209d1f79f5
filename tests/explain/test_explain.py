"""Explanations: closed forms for linear networks, exact Shapley values for small ones, and completeness."""

from __future__ import annotations

import dataclasses
import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest

from pellucid import (
    Add,
    AveragePool2D,
    BatchNorm,
    BinaryCrossEntropy,
    ConfigError,
    Conv2D,
    CrossAttention,
    CrossEntropy,
    DataError,
    Dense,
    Dropout,
    Ensemble,
    Flatten,
    GlobalAveragePool2D,
    Graph,
    GroupNorm,
    Layer,
    LayerNorm,
    LogSoftmax,
    MaxPool2D,
    MeanSquaredError,
    Model,
    Node,
    ReLU,
    Reshape,
    Residual,
    RMSNorm,
    Sequential,
    ShapeError,
    Sigmoid,
    Softmax,
    SwiGLU,
    Tanh,
)
from pellucid.explain import (
    METHODS,
    Attribution,
    deeplift,
    expected_gradients,
    grad_cam,
    gradient,
    input_times_gradient,
    integrated_gradients,
    method,
    occlusion,
    saliency,
    shapley,
)
from pellucid.explain.differentiable_model import DifferentiableModel
from pellucid.layers import FromState, LayerSpec, Recurrent
from pellucid.networks import primitives
from pellucid.testing import asymmetric, numeric_gradient
from tests.layers.test_layers import INSTANCES, entries_of

F64 = np.float64


@dataclass(frozen=True)
class Square(Layer):
    """y = x². With it, a network can multiply."""

    def build(self, shape):
        return LayerSpec(shape)

    def forward(self, p, x, ctx):
        ctx.keep(x)
        return x * x

    def backward(self, p, g, dy, ctx):
        (x,) = ctx.kept
        return 2 * x * dy


def as_if_trained(model, seed=0):
    """Return the model with biases and running statistics like those of a trained one."""
    parts, random = model.state, np.random.default_rng(seed)
    for path, array in parts.layout.arrays(parts.parameters).items():
        if not path.endswith("W"):
            array += random.normal(0, 0.2, array.shape)
    for path, array in parts.statistics_layout.arrays(parts.statistics).items():
        spread = path.endswith("variance")
        array[...] = random.uniform(0.5, 2, array.shape) if spread else random.normal(0, 0.3, array.shape)
    return model


def classifier(*layers, shape, **options):
    return as_if_trained(Sequential(*layers, Softmax()).compile(shape, CrossEntropy(), **options))


def regression(*layers, inputs, **weights):
    """Return a model with one output and the given weights, by path with double underscores for dots."""
    model = Sequential(*layers).compile((inputs,), MeanSquaredError())
    for path, values in weights.items():
        model.weights[path.replace("__", ".")][...] = values
    return model


def linear(shape=(5,), classes=3):
    """Return (model, W (d, k)) with z = W x + b."""
    model = classifier(Flatten(), Dense(classes), shape=shape)
    return model, model.weights["dense1.W"].astype(F64)


def smooth():
    """Return a smooth model: tanh and batch normalization."""
    return classifier(Dense(8), BatchNorm(), Tanh(), Dense(6), Tanh(), Dense(3), shape=(5,), classes=["one", "two", "three"])


def mlp():
    return classifier(Flatten(), Dense(20), ReLU(), Dropout(0.5), Dense(10), ReLU(), Dense(4), shape=(6, 6, 1))


def cnn():
    """Return a model with batch normalization, both poolings, a residual block and a graph."""
    branches = Graph(
        Node("left", Sequential(Conv2D(4, 3, padding="same"), ReLU()), "input"),
        Node("right", Conv2D(4, 1), "input"),
        Node("sum", Add(), "left", "right", "input"),
    )
    block = Residual(Conv2D(4, 3, padding="same", bias=False), BatchNorm(), ReLU(), Conv2D(4, 3, padding="same"))
    head = (AveragePool2D(), GlobalAveragePool2D(), Dense(4))
    layers = (Conv2D(4, 3, bias=False), BatchNorm(), ReLU(), MaxPool2D(), block, ReLU(), branches, *head)
    return classifier(*layers, shape=(10, 10, 1))


def total(attribution):
    return attribution.values.reshape(len(attribution.values), -1).sum(axis=1)


# -- the gradient -----------------------------------------------------------------------------------------------------


def samples_for(layer, shape, seed=0):
    """Return samples that the layer accepts."""
    if entries := entries_of(layer):
        return np.random.default_rng(seed).integers(0, entries, (3, *shape)).astype(float)
    return asymmetric((3, *shape), seed)


@pytest.fixture
def reference_kernels(monkeypatch):
    """Models compute with the reference kernels: compiling those of all layers takes a minute, and other tests compare both."""
    monkeypatch.setenv("PELLUCID_KERNELS", "reference")


@pytest.mark.usefixtures("reference_kernels")
@pytest.mark.parametrize(("layer", "shape"), INSTANCES, ids=repr)
def test_gradient_of_every_layer(layer, shape):
    model = classifier(layer, Flatten(), Dense(3), shape=shape)
    x, target = samples_for(layer, shape), [2, 0, 1]
    if entries_of(layer):  # no gradient between integers
        assert (gradient(model, x, target, dtype=F64)[1] == 0).all()
        return
    for of in ("logit", "output"):
        function, c = DifferentiableModel(model, of, F64), np.eye(3)[target]
        f, gradients = gradient(model, x, target, of=of, dtype=F64)
        np.testing.assert_allclose(function.outputs(x), model.predict(x, logits=of == "logit"), atol=1e-5)
        np.testing.assert_allclose(f, (function.outputs(x) * c).sum(axis=1), rtol=1e-12)
        numeric = numeric_gradient(lambda: (function.outputs(x) * c).sum(), x)  # noqa: B023
        np.testing.assert_allclose(gradients, numeric, atol=1e-7)


def test_gradient_of_a_single_layer():
    model = Model(Dense(2), (3,), loss=MeanSquaredError())
    np.testing.assert_allclose(gradient(model, asymmetric((1, 3)), 1, dtype=F64)[1][0], model.weights["W"][:, 1])
    model = Sequential().compile((3,), MeanSquaredError())
    assert gradient(model, asymmetric((1, 3)), 1)[1].tolist() == [[0, 1, 0]]


def test_gradient_of_a_probability_by_hand():
    model, W = linear()
    x = asymmetric((4, 5))
    f, gradients = gradient(model, x, 1, of="output", dtype=F64)
    p = DifferentiableModel(model, "output", F64).outputs(x)
    np.testing.assert_allclose(f, p[:, 1], rtol=1e-12)
    np.testing.assert_allclose(gradients, p[:, 1:2] * (W[:, 1] - p @ W.T), atol=1e-12)  # ∂p₁/∂x = p₁ (w₁ − Σ p_k w_k)


@pytest.mark.parametrize("make", [mlp, cnn])
def test_the_gradient_is_the_same_with_and_without_fusion(make):
    model = make()
    x = asymmetric((3, *model.input_shape))
    attribution = gradient(model, x, dtype=F64)
    assert model.state.plan != model.state.body
    model.state.plan = model.state.body
    for one, other in zip(attribution, gradient(model, x, dtype=F64), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


def test_gradients_are_with_respect_to_scaled_bytes():
    model, W = linear((2, 2, 1))
    x = np.array([[0, 255, 51, 102]], np.uint8).reshape(1, 2, 2, 1)
    attribution = integrated_gradients(model, x, 0, dtype=F64)
    np.testing.assert_allclose(attribution.values.ravel(), W[:, 0] * [0, 1, 0.2, 0.4], atol=1e-10)
    grey = integrated_gradients(model, x, 0, baseline=np.full((2, 2, 1), 51, np.uint8), dtype=F64)
    np.testing.assert_allclose(grey.values.ravel(), W[:, 0] * [-0.2, 0.8, 0, 0.2], atol=1e-10)


# -- linear networks in closed form -----------------------------------------------------------------------


def test_linear_networks_in_closed_form():
    model, W = linear()
    x, base, background = asymmetric((4, 5)), asymmetric((5,), seed=1), asymmetric((7, 5), seed=2)
    for target, against in ((0, None), (2, 1)):
        w = W[:, target] - (0 if against is None else W[:, against])
        options = {"target": target, "against": against, "dtype": F64}
        contributions = w * (x - base)
        for method_ in (integrated_gradients, input_times_gradient, occlusion, deeplift):
            attribution = method_(model, x, **options, baseline=base)
            np.testing.assert_allclose(attribution.values, contributions, atol=1e-10)
            np.testing.assert_allclose(attribution.completeness_error, 0, atol=1e-10)
        attribution = saliency(model, x, **options, baseline=base)
        np.testing.assert_allclose(attribution.values, np.broadcast_to(np.abs(w), x.shape), atol=1e-10)
        error = np.abs(np.abs(w).sum() - contributions.sum(axis=1))
        np.testing.assert_allclose(attribution.completeness_error, error, atol=1e-10)
        np.testing.assert_allclose(attribution.relative_error, error / np.abs(contributions.sum(axis=1)), rtol=1e-8)
        for attribution in (
            expected_gradients(model, x, background, **options, samples=21),  # three draws of each of the seven
            shapley(model, x, background, **options),
        ):
            np.testing.assert_allclose(attribution.values, w * (x - background.mean(axis=0)), atol=1e-10)
            np.testing.assert_allclose(attribution.completeness_error, 0, atol=1e-10)
            assert attribution.complete


def test_relative_error_without_a_difference_to_explain():
    attribution = Attribution("by hand", np.array([[0.0, 0.0], [1.0, 2.0]]), np.ones(2), np.ones(2), np.zeros(2), None, False)
    assert attribution.completeness_error.tolist() == [0, 3]
    assert attribution.relative_error.tolist() == [0, np.inf]


# -- the explained class -----------------------------------------------------------------------------------------


def test_targets_by_default_index_and_name():
    model, x = smooth(), asymmetric((9, 5))
    predicted = model.predict(x).argmax(axis=1)
    assert len(set(predicted)) > 1
    attribution = integrated_gradients(model, x)
    assert attribution.target.tolist() == predicted.tolist()
    np.testing.assert_array_equal(attribution.values, integrated_gradients(model, x, predicted).values)
    two = integrated_gradients(model, x, "two")
    assert two.target.tolist() == [1] * 9
    np.testing.assert_array_equal(two.values, integrated_gradients(model, x, 1).values)
    names = integrated_gradients(model, x, [model.classes[k] for k in predicted])
    np.testing.assert_array_equal(names.values, attribution.values)
    np.testing.assert_allclose(two.output, model.predict(x, logits=True)[:, 1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("of", ["logit", "output"])
def test_against_subtracts_the_other_class(of):
    model, x = smooth(), asymmetric((3, 5))
    options = {"of": of, "dtype": F64}
    both = integrated_gradients(model, x, "one", against="three", **options)
    one, three = (integrated_gradients(model, x, name, **options) for name in ("one", "three"))
    np.testing.assert_allclose(both.values, one.values - three.values, atol=1e-12)
    np.testing.assert_allclose(both.output, one.output - three.output, atol=1e-12)
    np.testing.assert_allclose(both.baseline_output, one.baseline_output - three.baseline_output, atol=1e-12)
    assert both.against.tolist() == [2] * 3
    if of == "logit":
        p = DifferentiableModel(model, "output", F64).outputs(x)
        np.testing.assert_allclose(both.output, np.log(p[:, 0] / p[:, 2]), atol=1e-12)


@pytest.mark.parametrize("of", ["logit", "output"])
def test_a_single_output_for_two_classes(of):
    network = Sequential(Dense(4), Tanh(), Dense(1), Sigmoid())
    model, x = as_if_trained(network.compile((3,), BinaryCrossEntropy(), classes=["no", "yes"])), asymmetric((12, 3))
    p = model.predict(x)[:, 0]
    predicteded = integrated_gradients(model, x, of=of)
    assert predicteded.target.tolist() == (p >= 0.5).astype(int).tolist()
    assert 0 < predicteded.target.sum() < 12
    yes, no = (integrated_gradients(model, x, name, of=of, dtype=F64) for name in ("yes", "no"))
    np.testing.assert_allclose(no.values, -yes.values, atol=1e-14)
    np.testing.assert_allclose(yes.output, p if of == "output" else np.log(p / (1 - p)), atol=1e-5)
    np.testing.assert_allclose(no.output, (1 if of == "output" else 0) - yes.output, atol=1e-14)
    np.testing.assert_allclose(no.completeness_error, 0, atol=1e-10)
    with pytest.raises(ConfigError, match="already compares yes with no"):
        integrated_gradients(model, x, 1, against=0)


# -- integrated gradients -----------------------------------------------------------------------------------------------


def test_integrated_gradients_are_exact_along_a_polynomial():
    model = Sequential(Dense(4), Square(), Dense(3), Square(), Dense(2)).compile((3,), MeanSquaredError())
    x = asymmetric((2, 3))  # the gradient along the line has degree 3, so two points suffice
    assert (integrated_gradients(model, x, 0, steps=1, dtype=F64).relative_error > 1e-3).all()
    np.testing.assert_allclose(integrated_gradients(model, x, 0, steps=2, dtype=F64).relative_error, 0, atol=1e-10)


@pytest.mark.parametrize("of", ["logit", "output"])
def test_integrated_gradients_are_complete_for_smooth_networks(of):
    attribution = integrated_gradients(smooth(), asymmetric((5, 5)), 1, of=of, baseline=asymmetric((5, 5), seed=1), dtype=F64)
    np.testing.assert_allclose(attribution.completeness_error, 0, atol=1e-9)
    assert np.abs(attribution.explained).min() > 0.01


@pytest.mark.parametrize("make", [mlp, cnn])
def test_the_error_of_integrated_gradients_decreases_with_the_steps(make):
    model = make()
    x = asymmetric((10, *model.input_shape))
    errors = [integrated_gradients(model, x, 1, steps=steps, dtype=F64).completeness_error.mean() for steps in (4, 32, 256)]
    assert errors[0] > 3 * errors[1] > 9 * errors[2]  # like 1/steps: by a factor of 8 each
    attribution = integrated_gradients(model, x, 1)
    assert np.median(attribution.relative_error) < 0.02
    assert attribution.method == "integrated-gradients"
    assert attribution.complete


def test_a_value_equal_to_the_baseline_gets_zero():
    model, x = mlp(), asymmetric((1, 6, 6, 1))
    x[0, 2:4] = 0
    attribution = integrated_gradients(model, x, 0)
    assert (attribution.values[0, 2:4] == 0).all()
    assert (attribution.values[0, :2] != 0).all()


@pytest.mark.parametrize("name", METHODS)
def test_values_do_not_depend_on_the_other_samples_or_the_chunk_size(name, monkeypatch):
    model = cnn()
    x, background = asymmetric((5, 10, 10, 1)), asymmetric((3, 10, 10, 1), seed=1)
    options, classes = {"background": background, "dtype": F64}, [2, 0, 1, 3, 2]
    together = METHODS[name](model, x, classes, **options).values
    alone = [METHODS[name](model, x[i : i + 1], classes[i], **options).values for i in range(5)]
    np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-12)
    monkeypatch.setattr("pellucid.explain.differentiable_model.CHUNK_SAMPLES", 3)
    np.testing.assert_allclose(together, METHODS[name](model, x, classes, **options).values, atol=1e-12)


# -- expected gradients and Shapley values ------------------------------------------------------------------------------


def by_orders(model, x, background):
    """Return Shapley values by their definition: the change when an input joins, averaged over all orders."""
    function, d = DifferentiableModel(model, dtype=F64), len(x)
    orders = list(itertools.permutations(range(d)))
    values = np.zeros(d)
    for order in orders:
        points = background.copy()
        before = function.outputs(points)[:, 0].mean()
        for i in order:
            points[:, i] = x[i]
            after = function.outputs(points)[:, 0].mean()
            values[i] += (after - before) / len(orders)
            before = after
    return values


def tiny():
    """Return a ReLU network with four inputs: the third has the weights of the first, the fourth has no effect."""
    model = regression(Dense(6), ReLU(), Dense(3), ReLU(), Dense(1), inputs=4)
    model.weights["dense1.b"][...] = np.linspace(-0.5, 0.5, 6)
    model.weights["dense1.W"][2] = model.weights["dense1.W"][0]
    model.weights["dense1.W"][3] = 0
    model.weights["dense3.W"][...] = [[1.0], [-2.0], [0.7]]
    return model


def test_shapley_values_over_all_orders():
    model, x, background = tiny(), asymmetric((3, 4)), asymmetric((5, 4), seed=3)
    attribution = shapley(model, x, background, 0)
    assert np.abs(attribution.values[:, :3]).max() > 0.1
    for values, sample in zip(attribution.values, x, strict=True):
        np.testing.assert_allclose(values, by_orders(model, sample, background), atol=1e-12)


def test_efficiency_symmetry_and_dummy():
    model, x, background = tiny(), asymmetric((6, 4)), asymmetric((5, 4), seed=3)
    x[:, 2], background[:, 2] = x[:, 0], background[:, 0]
    attribution = shapley(model, x, background, 0)
    assert np.abs(attribution.explained).min() > 1e-3
    np.testing.assert_allclose(attribution.completeness_error, 0, atol=1e-12)
    np.testing.assert_allclose(
        attribution.baseline_output, DifferentiableModel(model, dtype=F64).outputs(background).mean(), atol=1e-12
    )
    np.testing.assert_allclose(attribution.values[:, 0], attribution.values[:, 2], atol=1e-12)
    np.testing.assert_allclose(attribution.values[:, 3], 0, atol=1e-12)


def test_shapley_values_are_linear_in_the_output():
    model, x, background = smooth(), asymmetric((2, 5)), asymmetric((4, 5), seed=1)
    both, one, two = (shapley(model, x, background, k, against=l).values for k, l in ((0, 1), (0, None), (1, None)))
    np.testing.assert_allclose(both, one - two, atol=1e-12)


def test_a_product_is_split_equally():
    """x₁ x₂ = ((x₁ + x₂)² − (x₁ − x₂)²)/4: expected gradients and Shapley values split it in the same way."""
    weights = {"dense1__W": [[1, 1], [1, -1]], "dense2__W": [[0.25], [-0.25]]}
    model = regression(Dense(2), Square(), Dense(1), inputs=2, **weights)
    x, background = np.array([[3.0, 2.0]]), asymmetric((8, 2), seed=1)
    nothing = np.zeros((1, 2))
    for attribution in (shapley(model, x, nothing, 0), integrated_gradients(model, x, 0, dtype=F64)):
        np.testing.assert_allclose(attribution.values, [[3, 3]], atol=1e-10)
    exact = shapley(model, x, background, 0)
    lines = [integrated_gradients(model, x, 0, baseline=b, dtype=F64).values for b in background]
    np.testing.assert_allclose(np.mean(lines, axis=0), exact.values, atol=1e-10)
    attribution = expected_gradients(model, x, background, 0, samples=4096, dtype=F64)
    np.testing.assert_allclose(attribution.values, exact.values, atol=2e-4)  # five times the standard deviation over seeds
    np.testing.assert_allclose(attribution.baseline_output, exact.baseline_output, atol=1e-12)
    assert abs(exact.values[0, 0] - exact.values[0, 1]) > 0.4  # for this background the two values differ


def test_sums_of_functions_of_one_input_have_one_attribution():
    """f = Σ fᵢ(xᵢ): every input gets fᵢ(xᵢ) − mean fᵢ(b), by expected gradients and by Shapley values."""
    W = np.kron(np.eye(3), [[1.5, -0.7]])  # two units for each input
    model = regression(Dense(6), Tanh(), Dense(1), inputs=3, dense1__W=W, dense1__b=np.linspace(-1, 1, 6))
    model.weights["dense2.W"][...] = np.linspace(-1, 2, 6)[:, None]
    x, background = asymmetric((4, 3)), asymmetric((16, 3), seed=1)

    def parts(x):
        units = np.tanh(x @ W + np.linspace(-1, 1, 6, dtype=np.float32)) * np.linspace(-1, 2, 6, dtype=np.float32)
        return units.reshape(len(x), 3, 2).sum(axis=2)

    expected = parts(x) - parts(background).mean(axis=0)
    model_W = model.weights["dense1.W"]
    assert np.abs(model_W - W).max() < 1e-6
    np.testing.assert_allclose(shapley(model, x, background, 0).values, expected, atol=1e-6)
    attribution = expected_gradients(model, x, background, 0, samples=4096, dtype=F64)
    np.testing.assert_allclose(attribution.values, expected, atol=1e-3)  # the standard deviation over seeds is up to 0.00015
    assert np.abs(expected).max() > 0.5


def test_integrated_gradients_and_shapley_values_differ():
    """min(x₁, x₂) = x₁ − max(x₁ − x₂, 0) at (1, 2), with the baseline (0, 0).

    One input alone has no effect, both together have the effect 1: over all orders of joining, each gets half. Along the
    straight line only the smaller input has a gradient, and it gets everything.
    """
    weights = {"dense1__W": [[1, 1], [0, -1]], "dense2__W": [[1], [-1]]}
    model = regression(Dense(2), ReLU(), Dense(1), inputs=2, **weights)
    x, nothing = np.array([[1.0, 2.0]]), np.zeros((1, 2))
    np.testing.assert_allclose(shapley(model, x, nothing, 0).values, [[0.5, 0.5]], atol=1e-12)
    attribution = expected_gradients(model, x, nothing, 0, samples=10, dtype=F64)
    np.testing.assert_allclose(attribution.values, [[1, 0]], atol=1e-12)
    np.testing.assert_allclose(attribution.completeness_error, 0, atol=1e-12)


def test_expected_gradients_are_the_mean_of_integrated_gradients():
    model, x, background = smooth(), asymmetric((2, 5)), asymmetric((16, 5), seed=1)
    expected = np.mean([integrated_gradients(model, x, 1, baseline=b, dtype=F64).values for b in background], axis=0)
    options = {"target": 1, "dtype": F64}
    draws = [expected_gradients(model, x, background, **options, samples=24, seed=seed).values for seed in range(200)]
    bias, deviation = np.mean(draws, axis=0) - expected, np.std(draws, axis=0)
    assert (
        np.abs(bias) < 4 * deviation / np.sqrt(200)
    ).all()  # no bias, even if samples is not a multiple of the background size
    few, many = (
        np.mean([expected_gradients(model, x, background, **options, samples=n, seed=s).completeness_error for s in range(10)])
        for n in (32, 2048)
    )
    assert many < few / 100  # by 330 or more for stratified draws; by 8, like 1/√samples, for others
    again = expected_gradients(model, x, background, **options, samples=24, seed=7).values
    np.testing.assert_array_equal(again, draws[7])
    assert (draws[7] != draws[8]).any()


# -- DeepLIFT ---------------------------------------------------------------------------------------------------------


def test_the_saturated_sum_of_the_paper():
    """y = min(x₁ + x₂, 1) = 1 − max(1 − x₁ − x₂, 0) at (1, 1), with the baseline (0, 0): the gradient is 0, although both
    inputs contribute (Shrikumar, Greenside and Kundaje, 2017, figure 1)."""
    model = regression(Dense(1), ReLU(), Dense(1), inputs=2, dense1__W=[[-1], [-1]], dense1__b=[1], dense2__W=[[-1]])
    model.weights["dense2.b"][...] = 1
    x = np.ones((1, 2))
    assert gradient(model, x, 0)[1].tolist() == [[0, 0]]
    attribution = deeplift(model, x, 0, dtype=F64)
    np.testing.assert_allclose(attribution.values, [[0.5, 0.5]], atol=1e-12)
    assert attribution.complete
    # y = max(x − 10, 0): input times gradient is far too large just above the kink
    model = regression(Dense(1), ReLU(), inputs=1, dense1__W=[[1]], dense1__b=[-10])
    attribution = deeplift(model, np.array([[12.0]]), 0, dtype=F64)
    np.testing.assert_allclose(attribution.values, [[2]], atol=1e-12)
    assert input_times_gradient(model, np.array([[12.0]]), 0, dtype=F64).values == 12


def test_the_larger_maximum_gets_everything():
    model = Sequential(MaxPool2D((1, 2)), Flatten(), Dense(1)).compile((1, 4, 1), MeanSquaredError())
    model.weights["dense1.W"][...] = [[1], [10]]
    x, base = (np.array(row, float).reshape(1, 1, 4, 1) for row in ([3, 5, 1, 2], [4, 1, 7, 2]))
    attribution = deeplift(model, x, 0, baseline=base[0], dtype=F64)
    np.testing.assert_allclose(
        attribution.values.ravel(), [0, 1, -50, 0], atol=1e-12
    )  # from 4 to 5 by the second value, from 7 to 2 by the third
    assert (deeplift(model, x, 0, baseline=x[0], dtype=F64).values == 0).all()


@pytest.mark.parametrize("of", ["logit", "output"])
@pytest.mark.parametrize("make", [smooth, mlp, cnn])
def test_deeplift_is_complete(make, of):
    model = make()
    x, base = asymmetric((6, *model.input_shape)), asymmetric((6, *model.input_shape), seed=5)
    attribution = deeplift(model, x, [0, 1, 2, 0, 1, 2], of=of, baseline=base, dtype=F64)
    np.testing.assert_allclose(attribution.completeness_error, 0, atol=1e-12)
    assert np.median(np.abs(attribution.explained)) > (0.01 if of == "logit" else 1e-9)
    single = deeplift(model, x, [0, 1, 2, 0, 1, 2], of=of, baseline=base)
    np.testing.assert_allclose(single.completeness_error, 0, atol=1e-5)
    np.testing.assert_allclose(single.values, attribution.values, atol=1e-5)


@pytest.mark.usefixtures("reference_kernels")
@pytest.mark.parametrize(("layer", "shape"), INSTANCES, ids=repr)
def test_deeplift_through_every_layer(layer, shape):
    model = classifier(layer, Flatten(), Dense(3), shape=shape)
    x, base = samples_for(layer, shape), samples_for(layer, shape, seed=7)
    attribution = deeplift(model, x, 1, against=0, baseline=base, dtype=F64)
    np.testing.assert_allclose(attribution.output, gradient(model, x, 1, against=0, dtype=F64)[0], atol=1e-12)
    if entries_of(layer):
        assert (attribution.values == 0).all()
        return
    kinds = [part.layer if isinstance(part, FromState) else part for _, part in primitives(layer)]
    if any(getattr(part, "mask", None) is not None or isinstance(part, CrossAttention) for part in kinds):
        return  # a step that is masked only at the baseline: not continuous
    smooth = any(isinstance(part, (GroupNorm, LayerNorm, LogSoftmax, Recurrent, RMSNorm, Softmax, SwiGLU)) for part in kinds)
    # the largest error of the quadrature is 2e-4, of a normalization whose values are nearly equal somewhere on the line
    bound = (1e-3 if smooth else 1e-12) * max(1, np.abs(attribution.explained).max())
    assert attribution.completeness_error.max() <= bound
    assert np.isfinite(attribution.values).all()


def test_a_user_defined_layer_is_averaged_along_the_line():
    model = regression(Dense(4), Square(), Dense(1), inputs=3)
    x, base = asymmetric((3, 3)), asymmetric((3, 3), seed=2)
    W, v = model.weights["dense1.W"].astype(F64), model.weights["dense2.W"].astype(F64)[:, 0]
    attribution = deeplift(model, x, 0, baseline=base, dtype=F64)
    np.testing.assert_allclose(attribution.values, (x - base) * (((x + base) @ W * v) @ W.T), atol=1e-12)  # Δh²/Δh = h + h₀


# -- Grad-CAM ---------------------------------------------------------------------------------------------------------


def test_grad_cam_by_hand():
    model = Sequential(Conv2D(2, 1), ReLU(), GlobalAveragePool2D(), Dense(2)).compile((2, 2, 1), MeanSquaredError())
    model.weights["conv2d1.W"][...] = [[[[1, -1]]]]
    model.weights["dense1.W"][...] = [[2, -1], [3, 4]]
    x = np.array([[1.0, 2.0], [-3.0, 0.5]]).reshape(1, 2, 2, 1)
    # channel 1 is x, active at three positions with ∂f/∂A = 2/4: mean 0.375; channel 2 is −x, active at one: mean 3/16
    attribution = grad_cam(model, x, 0, dtype=F64)
    np.testing.assert_allclose(attribution.values[0, ..., 0], np.maximum((0.375 - 3 / 16) * x[0, ..., 0], 0), atol=1e-12)
    after_relu = grad_cam(model, x, 0, layer="relu1", dtype=F64)  # after the ReLU, all positions have a gradient
    expected = 0.5 * np.maximum(x, 0) + 0.75 * np.maximum(-x, 0)
    np.testing.assert_allclose(after_relu.values, expected, atol=1e-12)
    assert not attribution.complete
    other = grad_cam(model, x, 1, against=0, layer="relu1", dtype=F64)
    np.testing.assert_allclose(other.values, 0.25 * np.maximum(-x, 0), atol=1e-12)  # (4 − 3)/4; −3/4 for the other channel


def test_grad_cam_is_interpolated_to_the_size_of_the_image():
    model = Sequential(Conv2D(1, 2, 2), Flatten(), Dense(1)).compile((4, 8, 3), MeanSquaredError())
    model.weights["conv2d1.W"][...] = 0.25
    model.weights["dense1.W"][...] = 1
    x = np.zeros((1, 4, 8, 3))
    x[0, :2, :2, 0] = 12  # the map is 12 at its first position
    attribution = grad_cam(model, x, 0, dtype=F64)
    rows, columns = [1, 0.75, 0.25, 0], [1, 0.75, 0.25, 0, 0, 0, 0, 0]  # half-pixel centers
    np.testing.assert_allclose(attribution.values.sum(axis=3)[0], 12 * np.outer(rows, columns), atol=1e-12)
    np.testing.assert_allclose(attribution.values[..., 0], attribution.values[..., 2])


def test_grad_cam_uses_the_map_that_the_output_depends_on_most_or_the_given_layer():
    model, x = cnn(), asymmetric((12, 10, 10, 1))
    chosen = grad_cam(model, x, 0)
    convolutions = [path for path, layer in primitives(model.state.body) if isinstance(layer, Conv2D)]
    drops = []
    for path in convolutions:
        maps = grad_cam(model, x, 0, layer=path)
        assert maps.layers == (path,) * 12
        hidden = x.reshape(12, 100).copy()
        for image, values in zip(hidden, maps.values.reshape(12, 100), strict=True):
            highest = np.argsort(-values, kind="stable")[:10]  # a tenth of the pixels
            image[highest[values[highest] > 0]] = 0
        drop = (model.predict(x, logits=True) - model.predict(hidden.reshape(x.shape), logits=True))[:, 0]
        drops.append(np.where(maps.values.reshape(12, -1).any(axis=1), drop, -np.inf))
    best = np.argmax(drops, axis=0)
    assert chosen.layers == tuple(convolutions[i] for i in best)
    assert len(set(chosen.layers)) > 1
    found = np.max(drops, axis=0) > 0
    for i, path in enumerate(chosen.layers):
        expected = grad_cam(model, x[i : i + 1], 0, layer=path).values if found[i] else np.zeros((1, 10, 10, 1))
        np.testing.assert_allclose(chosen.values[i : i + 1], expected, rtol=1e-5, atol=1e-7)
    with pytest.raises(ConfigError, match=r"has no such layer: did you mean 'residual1\.conv2d"):
        grad_cam(model, x, layer="residual1.conv2d")
    with pytest.raises(ShapeError, match=r"the output of dense1 has the shape \(4,\) and is not an image"):
        grad_cam(model, x, layer="dense1")
    flat = Sequential(Reshape((2, 2, 1)), Conv2D(1, 1), Flatten(), Dense(1)).compile((4,), MeanSquaredError())
    with pytest.raises(ShapeError, match=r"this model reads \(4,\)"):
        grad_cam(flat, np.zeros((1, 4)), 0)


# -- occlusion --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("window", "stride"), [(1, 1), (3, 3), (4, 2), (4, 1), (3, None), (None, None), (20, 10)])
def test_windows_add_up_on_a_linear_network(window, stride):
    model, _ = linear((9, 7, 2))
    x, base = asymmetric((2, 9, 7, 2)), asymmetric((9, 7, 2), seed=1)
    attribution = occlusion(model, x, 1, baseline=base, window=window, stride=stride, dtype=F64)
    np.testing.assert_allclose(attribution.completeness_error, 0, atol=1e-10)
    assert not attribution.complete
    assert np.abs(attribution.explained).min() > 0.1


def test_a_window_of_two_by_two_by_hand():
    model = classifier(Flatten(), Dense(2), shape=(3, 3, 1))
    model.weights["dense1.W"][...] = 0
    model.weights["dense1.W"][4, 0] = 1  # the logit is the central pixel
    x = np.zeros((1, 3, 3, 1))
    x[0, 1, 1] = 12
    attribution = occlusion(model, x, 0, window=2, stride=1, dtype=F64)
    # four of the sixteen windows cover the center and four pixels each: 12/4 for the pixel that all four cover, …
    expected = [[0.75, 1.5, 0.75], [1.5, 3, 1.5], [0.75, 1.5, 0.75]]
    np.testing.assert_allclose(attribution.values[0, :, :, 0], expected, atol=1e-12)
    one = occlusion(model, x, 0, window=1, dtype=F64)
    assert one.values.ravel().round(12).tolist() == [0, 0, 0, 0, 12, 0, 0, 0, 0]


def test_redundant_inputs_get_nothing():
    """max(x₁, x₂) = x₁ + max(x₂ − x₁, 0) at (1, 1): each input is sufficient, so covering one has no effect."""
    weights = {"dense1__W": [[1, -1], [0, 1]], "dense2__W": [[1], [1]]}
    model = regression(Dense(2), ReLU(), Dense(1), inputs=2, **weights)
    attribution = occlusion(model, np.ones((1, 2)), 0)
    assert attribution.values.tolist() == [[0, 0]]
    assert attribution.completeness_error.tolist() == [1]


# -- all methods --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("make", [mlp, cnn])
def test_every_method_of_every_network(make, name):
    model, compute = make(), METHODS[name]
    if compute.needs_convolution and make is mlp:
        with pytest.raises(ConfigError, match="this network has none: choose another method"):
            compute(model, np.zeros((1, *model.input_shape)))
        return
    before = model.parameters.copy(), model.state.statistics.copy()
    x = np.random.default_rng(0).integers(0, 256, (3, *model.input_shape), np.uint8)
    background = np.random.default_rng(1).integers(0, 256, (4, *model.input_shape), np.uint8)
    copies = x.copy(), background.copy()
    attribution = compute(model, x, background=background)
    assert attribution.method == name
    assert attribution.values.shape == x.shape
    assert attribution.values.dtype == np.float32
    assert attribution.output.shape == attribution.baseline_output.shape == attribution.completeness_error.shape == (3,)
    assert (attribution.complete, compute.about.endswith(".")) == (compute.complete, True)
    np.testing.assert_allclose(attribution.output, model.predict(x, logits=True).max(axis=1), rtol=1e-5, atol=1e-6)
    if not compute.needs_background:
        black = model.predict(np.zeros_like(x[:1]), logits=True)[0]
        np.testing.assert_allclose(attribution.baseline_output, black[attribution.target], rtol=1e-5, atol=1e-6)
    assert (attribution.values.min() < 0) == compute.signed
    np.testing.assert_allclose(
        attribution.completeness_error, np.abs(total(attribution) - attribution.output + attribution.baseline_output), atol=1e-5
    )
    fine = compute(model, x, background=background, dtype=F64)
    assert fine.values.dtype == F64
    np.testing.assert_allclose(attribution.values, fine.values, atol=2e-4 * np.abs(fine.values).max())
    for one, other in zip((*before, *copies), (model.parameters, model.state.statistics, x, background), strict=True):
        np.testing.assert_array_equal(one, other)
    empty = compute(model, x[:0], background=background)
    assert empty.values.shape == x[:0].shape
    assert empty.completeness_error.shape == (0,)


def test_methods_can_run_in_many_threads():
    model = cnn()
    x, background = asymmetric((2, 10, 10, 1)), asymmetric((3, 10, 10, 1), seed=1)
    jobs = [(name, target) for name in METHODS for target in range(4)] * 2

    def work(job):
        return METHODS[job[0]](model, x, job[1], background=background).values

    alone = [work(job) for job in jobs]
    with ThreadPoolExecutor(8) as pool:
        for one, other in zip(alone, pool.map(work, jobs), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_methods_by_name():
    assert method("occlusion") is METHODS["occlusion"]
    with pytest.raises(ConfigError, match="did you mean 'saliency'"):
        method("salience")
    for name, one in METHODS.items():
        assert one.name == name
        assert one == dataclasses.replace(one)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda m, x: integrated_gradients(m, x[0]), ShapeError, r"for a single sample give x\[None\]"),
        (lambda m, x: integrated_gradients(m, x[:, :3]), ShapeError, r"x must have the shape \(n, 5\)"),
        (lambda m, x: integrated_gradients(m, x * np.nan), DataError, "NaN or infinity"),
        (lambda m, x: integrated_gradients(m, x, 3), ConfigError, r"target=3 is out of range: .* 0 … 2"),
        (lambda m, x: integrated_gradients(m, x, -1), ConfigError, "target=-1 is out of range"),
        (lambda m, x: integrated_gradients(m, x, "thre"), ConfigError, "did you mean 'three'"),
        (lambda m, x: integrated_gradients(m, x, 1.5), DataError, "class numbers .* or names, got float64"),
        (lambda m, x: integrated_gradients(m, x, True), DataError, "got bool"),
        (lambda m, x: integrated_gradients(m, x, [0, 1]), ShapeError, r"one for each of the 4 samples; got the shape \(2,\)"),
        (lambda m, x: integrated_gradients(m, x, 1, against=[0, 2, 1, 0]), ConfigError, "sample 2: target and against"),
        (lambda m, x: integrated_gradients(m, x, of="logits"), ConfigError, "'logit'.*or 'output'"),
        (lambda m, x: integrated_gradients(m, x, dtype=np.float16), ConfigError, "choose np.float32"),
        (lambda m, x: integrated_gradients(m, x, dtype="fast"), ConfigError, "choose np.float32"),
        (lambda m, x: integrated_gradients(m, x, steps=0), ConfigError, "steps must be at least 1"),
        (lambda m, x: integrated_gradients(m, x, baseline=x[:2]), ShapeError, "one for each of the 4; got 2"),
        (lambda m, x: integrated_gradients(m, x, baseline=0), ShapeError, "baseline must have"),
        (lambda m, x: integrated_gradients(m, x, baseline=np.full(5, np.inf)), DataError, "NaN or infinity"),
        (lambda m, x: expected_gradients(m, x, x[:0]), DataError, "the background is empty"),
        (lambda m, x: expected_gradients(m, x, x[0]), ShapeError, "background must have"),
        (lambda m, x: expected_gradients(m, x, x, samples=0), ConfigError, "samples must be at least 1"),
        (lambda m, x: expected_gradients(m, x, x, seed=0.5), ConfigError, "seed must be an integer"),
        (lambda m, x: METHODS["expected-gradients"](m, x), DataError, "give some training samples"),
        (lambda m, x: occlusion(m, x, window=0), ConfigError, "window must be at least 1"),
        (lambda m, x: occlusion(m, x, window=2, stride=3), ConfigError, "never covered; use a stride of at most 2"),
        (lambda m, x: saliency(Ensemble([m]), x), ConfigError, "got Ensemble; explain the models of an ensemble one by one"),
        (lambda m, x: saliency(m, x.astype(np.uint8)), DataError, "trained on real numbers"),
    ],
)
def test_bad_input(call, error, words):
    model, x = smooth(), asymmetric((4, 5))
    model.train_on_batch(x, np.array([0, 1, 2, 0]))  # sets the input stage
    with pytest.raises(error, match=words):
        call(model, x)


def test_shapley_values_of_many_inputs_are_an_error():
    model = mlp()
    with pytest.raises(ShapeError, match=r"2 to the power of 36 here; .* use expected_gradients"):
        shapley(model, np.zeros((1, 6, 6, 1)), np.zeros((1, 6, 6, 1)))


def test_a_class_name_for_outputs_without_names():
    model, _ = linear()
    with pytest.raises(ConfigError, match="have no names; give a number, 0 … 2"):
        saliency(model, np.zeros((1, 5)), "four")
