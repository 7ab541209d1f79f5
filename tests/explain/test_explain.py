"""Explanations: closed forms on linear networks, exact Shapley values on tiny ones, and what completeness promises."""

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
    CrossEntropy,
    DataError,
    Dense,
    Dropout,
    Embedding,
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
    Sequential,
    ShapeError,
    Sigmoid,
    Softmax,
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
from pellucid.explain.probe import Probe
from pellucid.layers import LayerSpec, Recurrent
from pellucid.networks import primitives
from pellucid.testing import asymmetric, numeric_gradient
from tests.layers.test_layers import INSTANCES

F64 = np.float64


@dataclass(frozen=True)
class Square(Layer):
    """y = x²: with it a network can multiply."""

    def build(self, shape):
        return LayerSpec(shape)

    def forward(self, p, x, ctx):
        ctx.keep(x)
        return x * x

    def backward(self, p, g, dy, ctx):
        (x,) = ctx.kept
        return 2 * x * dy


def lived_in(model, seed=0):
    """The model with biases and running figures as if it had been trained."""
    parts, random = model._parts, np.random.default_rng(seed)
    for path, array in parts.layout.arrays(parts.theta).items():
        if not path.endswith("W"):
            array += random.normal(0, 0.2, array.shape)
    for path, array in parts.state_layout.arrays(parts.state).items():
        spread = path.endswith("variance")
        array[...] = random.uniform(0.5, 2, array.shape) if spread else random.normal(0, 0.3, array.shape)
    return model


def classifier(*layers, shape, **options):
    return lived_in(Sequential(*layers, Softmax()).compile(shape, CrossEntropy(), **options))


def regression(*layers, inputs, **weights):
    """One output, by hand: the weights by path, in which dots are double underscores."""
    model = Sequential(*layers).compile((inputs,), MeanSquaredError())
    for path, values in weights.items():
        model.weights[path.replace("__", ".")][...] = values
    return model


def linear(shape=(5,), classes=3):
    """(model, W (d, k)): z = W x + b."""
    model = classifier(Flatten(), Dense(classes), shape=shape)
    return model, model.weights["dense1.W"].astype(F64)


def smooth():
    """Tanh and batch normalization: no kinks."""
    return classifier(Dense(8), BatchNorm(), Tanh(), Dense(6), Tanh(), Dense(3), shape=(5,), classes=["one", "two", "three"])


def mlp():
    return classifier(Flatten(), Dense(20), ReLU(), Dropout(0.5), Dense(10), ReLU(), Dense(4), shape=(6, 6, 1))


def cnn():
    """Batch normalization, both pools, a residual block, a graph."""
    branches = Graph(
        Node("left", Sequential(Conv2D(4, 3, padding="same"), ReLU()), "input"),
        Node("right", Conv2D(4, 1), "input"),
        Node("sum", Add(), "left", "right", "input"),
    )
    block = Residual(Conv2D(4, 3, padding="same", bias=False), BatchNorm(), ReLU(), Conv2D(4, 3, padding="same"))
    head = (AveragePool2D(), GlobalAveragePool2D(), Dense(4))
    layers = (Conv2D(4, 3, bias=False), BatchNorm(), ReLU(), MaxPool2D(), block, ReLU(), branches, *head)
    return classifier(*layers, shape=(10, 10, 1))


def total(told):
    return told.values.reshape(len(told.values), -1).sum(axis=1)


# -- the gradient -----------------------------------------------------------------------------------------------------


def numbers_for(layer, shape, seed=0):
    """Samples that the layer takes."""
    if isinstance(layer, Embedding):
        return np.random.default_rng(seed).integers(0, layer.entries, (3, *shape)).astype(float)
    return asymmetric((3, *shape), seed)


@pytest.mark.parametrize(("layer", "shape"), INSTANCES, ids=repr)
def test_gradient_of_every_layer(layer, shape):
    model = classifier(layer, Flatten(), Dense(3), shape=shape)
    x, target = numbers_for(layer, shape), [2, 0, 1]
    if isinstance(layer, Embedding):  # between whole numbers there is nothing
        assert (gradient(model, x, target, dtype=F64)[1] == 0).all()
        return
    for of in ("logit", "output"):
        probe, c = Probe(model, of, F64), np.eye(3)[target]
        f, slopes = gradient(model, x, target, of=of, dtype=F64)
        np.testing.assert_allclose(probe.outputs(x), model.predict(x, logits=of == "logit"), atol=1e-5)
        np.testing.assert_allclose(f, (probe.outputs(x) * c).sum(axis=1), rtol=1e-12)
        numeric = numeric_gradient(lambda: (probe.outputs(x) * c).sum(), x)  # noqa: B023
        np.testing.assert_allclose(slopes, numeric, atol=1e-7)


def test_gradient_of_a_network_in_one_piece():
    model = Model(Dense(2), (3,), loss=MeanSquaredError())
    np.testing.assert_allclose(gradient(model, asymmetric((1, 3)), 1, dtype=F64)[1][0], model.weights["W"][:, 1])
    model = Sequential().compile((3,), MeanSquaredError())
    assert gradient(model, asymmetric((1, 3)), 1)[1].tolist() == [[0, 1, 0]]


def test_gradient_of_a_probability_by_hand():
    model, W = linear()
    x = asymmetric((4, 5))
    f, slopes = gradient(model, x, 1, of="output", dtype=F64)
    p = Probe(model, "output", F64).outputs(x)
    np.testing.assert_allclose(f, p[:, 1], rtol=1e-12)
    np.testing.assert_allclose(slopes, p[:, 1:2] * (W[:, 1] - p @ W.T), atol=1e-12)  # ∂p₁/∂x = p₁ (w₁ − Σ p_k w_k)


@pytest.mark.parametrize("make", [mlp, cnn])
def test_fused_or_not_the_gradient_is_the_same(make):
    model = make()
    x = asymmetric((3, *model.input_shape))
    told = gradient(model, x, dtype=F64)
    assert model._parts.plan != model._parts.body
    model._parts.plan = model._parts.body
    for one, other in zip(told, gradient(model, x, dtype=F64), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


def test_bytes_are_explained_in_the_scale_of_the_network():
    model, W = linear((2, 2, 1))
    x = np.array([[0, 255, 51, 102]], np.uint8).reshape(1, 2, 2, 1)
    told = integrated_gradients(model, x, 0, dtype=F64)
    np.testing.assert_allclose(told.values.ravel(), W[:, 0] * [0, 1, 0.2, 0.4], atol=1e-10)
    grey = integrated_gradients(model, x, 0, baseline=np.full((2, 2, 1), 51, np.uint8), dtype=F64)
    np.testing.assert_allclose(grey.values.ravel(), W[:, 0] * [-0.2, 0.8, 0, 0.2], atol=1e-10)


# -- linear networks: everything in closed form -----------------------------------------------------------------------


def test_linear_networks_in_closed_form():
    model, W = linear()
    x, base, background = asymmetric((4, 5)), asymmetric((5,), seed=1), asymmetric((7, 5), seed=2)
    for target, against in ((0, None), (2, 1)):
        w = W[:, target] - (0 if against is None else W[:, against])
        asked = {"target": target, "against": against, "dtype": F64}
        shares = w * (x - base)
        for method_ in (integrated_gradients, input_times_gradient, occlusion, deeplift):
            told = method_(model, x, **asked, baseline=base)
            np.testing.assert_allclose(told.values, shares, atol=1e-10)
            np.testing.assert_allclose(told.completeness_error, 0, atol=1e-10)
        told = saliency(model, x, **asked, baseline=base)
        np.testing.assert_allclose(told.values, np.broadcast_to(np.abs(w), x.shape), atol=1e-10)
        error = np.abs(np.abs(w).sum() - shares.sum(axis=1))
        np.testing.assert_allclose(told.completeness_error, error, atol=1e-10)
        np.testing.assert_allclose(told.relative_error, error / np.abs(shares.sum(axis=1)), rtol=1e-8)
        for told in (
            expected_gradients(model, x, background, **asked, samples=21),  # each of the seven counts three times
            shapley(model, x, background, **asked),
        ):
            np.testing.assert_allclose(told.values, w * (x - background.mean(axis=0)), atol=1e-10)
            np.testing.assert_allclose(told.completeness_error, 0, atol=1e-10)
            assert told.complete


def test_nothing_to_explain_has_no_relative_error():
    told = Attribution("by hand", np.array([[0.0, 0.0], [1.0, 2.0]]), np.ones(2), np.ones(2), np.zeros(2), None, False)
    assert told.completeness_error.tolist() == [0, 3]
    assert told.relative_error.tolist() == [0, np.inf]


# -- which class is asked about -----------------------------------------------------------------------------------------


def test_the_guess_numbers_names_and_one_for_each():
    model, x = smooth(), asymmetric((9, 5))
    guess = model.predict(x).argmax(axis=1)
    assert len(set(guess)) > 1
    told = integrated_gradients(model, x)
    assert told.target.tolist() == guess.tolist()
    np.testing.assert_array_equal(told.values, integrated_gradients(model, x, guess).values)
    two = integrated_gradients(model, x, "two")
    assert two.target.tolist() == [1] * 9
    np.testing.assert_array_equal(two.values, integrated_gradients(model, x, 1).values)
    names = integrated_gradients(model, x, [model.classes[k] for k in guess])
    np.testing.assert_array_equal(names.values, told.values)
    np.testing.assert_allclose(two.output, model.predict(x, logits=True)[:, 1], rtol=1e-5)


@pytest.mark.parametrize("of", ["logit", "output"])
def test_why_this_and_not_that_is_the_difference(of):
    model, x = smooth(), asymmetric((3, 5))
    options = {"of": of, "dtype": F64}
    both = integrated_gradients(model, x, "one", against="three", **options)
    one, three = (integrated_gradients(model, x, name, **options) for name in ("one", "three"))
    np.testing.assert_allclose(both.values, one.values - three.values, atol=1e-12)
    np.testing.assert_allclose(both.output, one.output - three.output, atol=1e-12)
    np.testing.assert_allclose(both.baseline_output, one.baseline_output - three.baseline_output, atol=1e-12)
    assert both.against.tolist() == [2] * 3
    if of == "logit":
        p = Probe(model, "output", F64).outputs(x)
        np.testing.assert_allclose(both.output, np.log(p[:, 0] / p[:, 2]), atol=1e-12)


@pytest.mark.parametrize("of", ["logit", "output"])
def test_yes_or_no_from_a_single_output(of):
    network = Sequential(Dense(4), Tanh(), Dense(1), Sigmoid())
    model, x = lived_in(network.compile((3,), BinaryCrossEntropy(), classes=["no", "yes"])), asymmetric((12, 3))
    p = model.predict(x)[:, 0]
    guessed = integrated_gradients(model, x, of=of)
    assert guessed.target.tolist() == (p >= 0.5).astype(int).tolist()
    assert 0 < guessed.target.sum() < 12
    yes, no = (integrated_gradients(model, x, name, of=of, dtype=F64) for name in ("yes", "no"))
    np.testing.assert_allclose(no.values, -yes.values, atol=1e-14)
    np.testing.assert_allclose(yes.output, p if of == "output" else np.log(p / (1 - p)), atol=1e-5)
    np.testing.assert_allclose(no.output, (1 if of == "output" else 0) - yes.output, atol=1e-14)
    np.testing.assert_allclose(no.completeness_error, 0, atol=1e-10)
    with pytest.raises(ConfigError, match="weighs yes against no by itself"):
        integrated_gradients(model, x, 1, against=0)


# -- integrated gradients -----------------------------------------------------------------------------------------------


def test_integrated_gradients_are_exact_along_a_polynomial():
    model = Sequential(Dense(4), Square(), Dense(3), Square(), Dense(2)).compile((3,), MeanSquaredError())
    x = asymmetric((2, 3))  # of degree 4, so the gradient is of degree 3 along the line: two points do
    assert (integrated_gradients(model, x, 0, steps=1, dtype=F64).relative_error > 1e-3).all()
    np.testing.assert_allclose(integrated_gradients(model, x, 0, steps=2, dtype=F64).relative_error, 0, atol=1e-10)


@pytest.mark.parametrize("of", ["logit", "output"])
def test_integrated_gradients_are_complete_where_all_is_smooth(of):
    told = integrated_gradients(smooth(), asymmetric((5, 5)), 1, of=of, baseline=asymmetric((5, 5), seed=1), dtype=F64)
    np.testing.assert_allclose(told.completeness_error, 0, atol=1e-9)
    assert np.abs(told.explained).min() > 0.01


@pytest.mark.parametrize("make", [mlp, cnn])
def test_the_error_of_integrated_gradients_falls_with_the_steps(make):
    model = make()
    x = asymmetric((10, *model.input_shape))
    errors = [integrated_gradients(model, x, 1, steps=steps, dtype=F64).completeness_error.mean() for steps in (4, 32, 256)]
    assert errors[0] > 3 * errors[1] > 9 * errors[2]  # like 1/steps: by 8 each time
    told = integrated_gradients(model, x, 1)
    assert np.median(told.relative_error) < 0.02
    assert told.method == "integrated-gradients"
    assert told.complete


def test_a_number_as_in_the_baseline_gets_nothing():
    model, x = mlp(), asymmetric((1, 6, 6, 1))
    x[0, 2:4] = 0
    told = integrated_gradients(model, x, 0)
    assert (told.values[0, 2:4] == 0).all()
    assert (told.values[0, :2] != 0).all()


@pytest.mark.parametrize("name", METHODS)
def test_a_sample_does_not_depend_on_its_neighbours_nor_on_how_many_are_asked_at_once(name, monkeypatch):
    model = cnn()
    x, background = asymmetric((5, 10, 10, 1)), asymmetric((3, 10, 10, 1), seed=1)
    options, classes = {"background": background, "dtype": F64}, [2, 0, 1, 3, 2]
    together = METHODS[name](model, x, classes, **options).values
    alone = [METHODS[name](model, x[i : i + 1], classes[i], **options).values for i in range(5)]
    np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-12)
    monkeypatch.setattr("pellucid.explain.probe.CHUNK", 3)
    np.testing.assert_allclose(together, METHODS[name](model, x, classes, **options).values, atol=1e-12)


# -- expected gradients and Shapley values ------------------------------------------------------------------------------


def by_orders(model, x, background):
    """Shapley values as they are defined: what each input adds when it joins, over all orders of joining."""
    probe, d = Probe(model, dtype=F64), len(x)
    orders = list(itertools.permutations(range(d)))
    values = np.zeros(d)
    for order in orders:
        points = background.copy()
        before = probe.outputs(points)[:, 0].mean()
        for i in order:
            points[:, i] = x[i]
            after = probe.outputs(points)[:, 0].mean()
            values[i] += (after - before) / len(orders)
            before = after
    return values


def tiny():
    """Four inputs, a kinked network; the third input is the first one's twin, the fourth goes nowhere."""
    model = regression(Dense(6), ReLU(), Dense(3), ReLU(), Dense(1), inputs=4)
    model.weights["dense1.b"][...] = np.linspace(-0.5, 0.5, 6)
    model.weights["dense1.W"][2] = model.weights["dense1.W"][0]
    model.weights["dense1.W"][3] = 0
    model.weights["dense3.W"][...] = [[1.0], [-2.0], [0.7]]
    return model


def test_shapley_values_over_all_orders():
    model, x, background = tiny(), asymmetric((3, 4)), asymmetric((5, 4), seed=3)
    told = shapley(model, x, background, 0)
    assert np.abs(told.values[:, :3]).max() > 0.1
    for values, sample in zip(told.values, x, strict=True):
        np.testing.assert_allclose(values, by_orders(model, sample, background), atol=1e-12)


def test_efficiency_symmetry_and_dummy():
    model, x, background = tiny(), asymmetric((6, 4)), asymmetric((5, 4), seed=3)
    x[:, 2], background[:, 2] = x[:, 0], background[:, 0]
    told = shapley(model, x, background, 0)
    assert np.abs(told.explained).min() > 1e-3
    np.testing.assert_allclose(told.completeness_error, 0, atol=1e-12)
    np.testing.assert_allclose(told.baseline_output, Probe(model, dtype=F64).outputs(background).mean(), atol=1e-12)
    np.testing.assert_allclose(told.values[:, 0], told.values[:, 2], atol=1e-12)
    np.testing.assert_allclose(told.values[:, 3], 0, atol=1e-12)


def test_shapley_values_of_a_difference_are_the_difference():
    model, x, background = smooth(), asymmetric((2, 5)), asymmetric((4, 5), seed=1)
    both, one, two = (shapley(model, x, background, k, against=l).values for k, l in ((0, 1), (0, None), (1, None)))
    np.testing.assert_allclose(both, one - two, atol=1e-12)


def test_a_product_is_divided_equally():
    """x₁ x₂ = ((x₁ + x₂)² − (x₁ − x₂)²)/4: the straight line and all orders of joining divide it alike."""
    weights = {"dense1__W": [[1, 1], [1, -1]], "dense2__W": [[0.25], [-0.25]]}
    model = regression(Dense(2), Square(), Dense(1), inputs=2, **weights)
    x, background = np.array([[3.0, 2.0]]), asymmetric((8, 2), seed=1)
    nothing = np.zeros((1, 2))
    for told in (shapley(model, x, nothing, 0), integrated_gradients(model, x, 0, dtype=F64)):
        np.testing.assert_allclose(told.values, [[3, 3]], atol=1e-10)
    exact = shapley(model, x, background, 0)
    lines = [integrated_gradients(model, x, 0, baseline=b, dtype=F64).values for b in background]
    np.testing.assert_allclose(np.mean(lines, axis=0), exact.values, atol=1e-10)
    told = expected_gradients(model, x, background, 0, samples=4096, dtype=F64)
    np.testing.assert_allclose(told.values, exact.values, atol=2e-4)  # five times the spread over seeds
    np.testing.assert_allclose(told.baseline_output, exact.baseline_output, atol=1e-12)
    assert abs(exact.values[0, 0] - exact.values[0, 1]) > 0.4  # before this background the two are not worth the same


def test_sums_of_functions_of_one_input_have_one_answer():
    """f = Σ fᵢ(xᵢ): every input gets fᵢ(xᵢ) − mean fᵢ(b), from expected gradients as from all orders."""
    W = np.kron(np.eye(3), [[1.5, -0.7]])  # two units for each input
    model = regression(Dense(6), Tanh(), Dense(1), inputs=3, dense1__W=W, dense1__b=np.linspace(-1, 1, 6))
    model.weights["dense2.W"][...] = np.linspace(-1, 2, 6)[:, None]
    x, background = asymmetric((4, 3)), asymmetric((16, 3), seed=1)

    def parts(x):
        units = np.tanh(x @ W + np.linspace(-1, 1, 6, dtype=np.float32)) * np.linspace(-1, 2, 6, dtype=np.float32)
        return units.reshape(len(x), 3, 2).sum(axis=2)

    wanted = parts(x) - parts(background).mean(axis=0)
    model_W = model.weights["dense1.W"]
    assert np.abs(model_W - W).max() < 1e-6
    np.testing.assert_allclose(shapley(model, x, background, 0).values, wanted, atol=1e-6)
    told = expected_gradients(model, x, background, 0, samples=4096, dtype=F64)
    np.testing.assert_allclose(told.values, wanted, atol=1e-3)  # the spread over seeds is up to 0.00015
    assert np.abs(wanted).max() > 0.5


def test_where_the_straight_line_and_all_orders_differ():
    """min(x₁, x₂) = x₁ − max(x₁ − x₂, 0) at (1, 2), from (0, 0). Either input alone adds nothing, both together 1: joining in
    all orders, each gets half. On the straight line only the smaller one ever counts, and it gets everything."""
    weights = {"dense1__W": [[1, 1], [0, -1]], "dense2__W": [[1], [-1]]}
    model = regression(Dense(2), ReLU(), Dense(1), inputs=2, **weights)
    x, nothing = np.array([[1.0, 2.0]]), np.zeros((1, 2))
    np.testing.assert_allclose(shapley(model, x, nothing, 0).values, [[0.5, 0.5]], atol=1e-12)
    told = expected_gradients(model, x, nothing, 0, samples=10, dtype=F64)
    np.testing.assert_allclose(told.values, [[1, 0]], atol=1e-12)
    np.testing.assert_allclose(told.completeness_error, 0, atol=1e-12)


def test_expected_gradients_are_the_mean_of_integrated_gradients():
    model, x, background = smooth(), asymmetric((2, 5)), asymmetric((16, 5), seed=1)
    wanted = np.mean([integrated_gradients(model, x, 1, baseline=b, dtype=F64).values for b in background], axis=0)
    options = {"target": 1, "dtype": F64}
    draws = [expected_gradients(model, x, background, **options, samples=24, seed=seed).values for seed in range(200)]
    off, spread = np.mean(draws, axis=0) - wanted, np.std(draws, axis=0)
    assert (np.abs(off) < 4 * spread / np.sqrt(200)).all()  # no bias, also where samples are no multiple of the background
    few, many = (
        np.mean([expected_gradients(model, x, background, **options, samples=n, seed=s).completeness_error for s in range(10)])
        for n in (32, 2048)
    )
    assert many < few / 100  # by 330 and more, for draws spread evenly; by 8, like 1/√samples, for others
    again = expected_gradients(model, x, background, **options, samples=24, seed=7).values
    np.testing.assert_array_equal(again, draws[7])
    assert (draws[7] != draws[8]).any()


# -- DeepLIFT ---------------------------------------------------------------------------------------------------------


def test_the_papers_saturated_sum():
    """y = min(x₁ + x₂, 1) = 1 − max(1 − x₁ − x₂, 0) at (1, 1), from (0, 0): the gradient is 0, and yet both are the reason
    (Shrikumar, Greenside and Kundaje, 2017, figure 1)."""
    model = regression(Dense(1), ReLU(), Dense(1), inputs=2, dense1__W=[[-1], [-1]], dense1__b=[1], dense2__W=[[-1]])
    model.weights["dense2.b"][...] = 1
    x = np.ones((1, 2))
    assert gradient(model, x, 0)[1].tolist() == [[0, 0]]
    told = deeplift(model, x, 0, dtype=F64)
    np.testing.assert_allclose(told.values, [[0.5, 0.5]], atol=1e-12)
    assert told.complete
    # y = max(x − 10, 0): just above the kink the gradient gives x 10 times what there is
    model = regression(Dense(1), ReLU(), inputs=1, dense1__W=[[1]], dense1__b=[-10])
    told = deeplift(model, np.array([[12.0]]), 0, dtype=F64)
    np.testing.assert_allclose(told.values, [[2]], atol=1e-12)
    assert input_times_gradient(model, np.array([[12.0]]), 0, dtype=F64).values == 12


def test_the_larger_maximum_gets_everything():
    model = Sequential(MaxPool2D((1, 2)), Flatten(), Dense(1)).compile((1, 4, 1), MeanSquaredError())
    model.weights["dense1.W"][...] = [[1], [10]]
    x, base = (np.array(row, float).reshape(1, 1, 4, 1) for row in ([3, 5, 1, 2], [4, 1, 7, 2]))
    told = deeplift(model, x, 0, baseline=base[0], dtype=F64)
    np.testing.assert_allclose(told.values.ravel(), [0, 1, -50, 0], atol=1e-12)  # 4 to 5 by the second; 7 to 2 by the third
    assert (deeplift(model, x, 0, baseline=x[0], dtype=F64).values == 0).all()


@pytest.mark.parametrize("of", ["logit", "output"])
@pytest.mark.parametrize("make", [smooth, mlp, cnn])
def test_deeplift_is_complete(make, of):
    model = make()
    x, base = asymmetric((6, *model.input_shape)), asymmetric((6, *model.input_shape), seed=5)
    told = deeplift(model, x, [0, 1, 2, 0, 1, 2], of=of, baseline=base, dtype=F64)
    np.testing.assert_allclose(told.completeness_error, 0, atol=1e-12)
    assert np.median(np.abs(told.explained)) > (0.01 if of == "logit" else 1e-9)
    single = deeplift(model, x, [0, 1, 2, 0, 1, 2], of=of, baseline=base)
    np.testing.assert_allclose(single.completeness_error, 0, atol=1e-5)
    np.testing.assert_allclose(single.values, told.values, atol=1e-5)


@pytest.mark.parametrize(("layer", "shape"), INSTANCES, ids=repr)
def test_deeplift_through_every_layer(layer, shape):
    model = classifier(layer, Flatten(), Dense(3), shape=shape)
    x, base = numbers_for(layer, shape), numbers_for(layer, shape, seed=7)
    told = deeplift(model, x, 1, against=0, baseline=base, dtype=F64)
    np.testing.assert_allclose(told.output, gradient(model, x, 1, against=0, dtype=F64)[0], atol=1e-12)
    if isinstance(layer, Embedding):
        assert (told.values == 0).all()
        return
    kinds = [part for _, part in primitives(layer)]
    if any(getattr(part, "mask", None) is not None for part in kinds):  # what is padding at the baseline alone: a jump
        return
    smooth = any(isinstance(part, (GroupNorm, LayerNorm, LogSoftmax, Recurrent, Softmax)) for part in kinds)
    # by quadrature; 2e-4 is the largest, of a normalization whose three numbers are nearly equal somewhere on the way
    bound = (1e-3 if smooth else 1e-12) * max(1, np.abs(told.explained).max())
    assert told.completeness_error.max() <= bound
    assert np.isfinite(told.values).all()


def test_a_layer_of_ones_own_is_averaged_along_the_line():
    model = regression(Dense(4), Square(), Dense(1), inputs=3)
    x, base = asymmetric((3, 3)), asymmetric((3, 3), seed=2)
    W, v = model.weights["dense1.W"].astype(F64), model.weights["dense2.W"].astype(F64)[:, 0]
    told = deeplift(model, x, 0, baseline=base, dtype=F64)
    np.testing.assert_allclose(told.values, (x - base) * (((x + base) @ W * v) @ W.T), atol=1e-12)  # Δh²/Δh = h + h₀


# -- Grad-CAM ---------------------------------------------------------------------------------------------------------


def test_grad_cam_by_hand():
    model = Sequential(Conv2D(2, 1), ReLU(), GlobalAveragePool2D(), Dense(2)).compile((2, 2, 1), MeanSquaredError())
    model.weights["conv2d1.W"][...] = [[[[1, -1]]]]
    model.weights["dense1.W"][...] = [[2, -1], [3, 4]]
    x = np.array([[1.0, 2.0], [-3.0, 0.5]]).reshape(1, 2, 2, 1)
    # channel 1 is x: on in three places, ∂f/∂A = 2/4 there, 0.375 on average; channel 2 is −x: on in one, 3/16
    told = grad_cam(model, x, 0, dtype=F64)
    np.testing.assert_allclose(told.values[0, ..., 0], np.maximum((0.375 - 3 / 16) * x[0, ..., 0], 0), atol=1e-12)
    behind = grad_cam(model, x, 0, layer="relu1", dtype=F64)  # what is behind the ReLU reaches the mean everywhere
    wanted = 0.5 * np.maximum(x, 0) + 0.75 * np.maximum(-x, 0)
    np.testing.assert_allclose(behind.values, wanted, atol=1e-12)
    assert not told.complete
    other = grad_cam(model, x, 1, against=0, layer="relu1", dtype=F64)
    np.testing.assert_allclose(other.values, 0.25 * np.maximum(-x, 0), atol=1e-12)  # (4 − 3)/4; of the other, −3/4


def test_grad_cam_is_brought_to_the_size_of_the_picture():
    model = Sequential(Conv2D(1, 2, 2), Flatten(), Dense(1)).compile((4, 8, 3), MeanSquaredError())
    model.weights["conv2d1.W"][...] = 0.25
    model.weights["dense1.W"][...] = 1
    x = np.zeros((1, 4, 8, 3))
    x[0, :2, :2, 0] = 12  # the map is 12 in its first corner
    told = grad_cam(model, x, 0, dtype=F64)
    rows, columns = [1, 0.75, 0.25, 0], [1, 0.75, 0.25, 0, 0, 0, 0, 0]  # half-pixel centres
    np.testing.assert_allclose(told.values.sum(axis=3)[0], 12 * np.outer(rows, columns), atol=1e-12)
    np.testing.assert_allclose(told.values[..., 0], told.values[..., 2])


def test_grad_cam_takes_the_last_convolution_or_a_layer_by_its_path():
    model, x = cnn(), asymmetric((2, 10, 10, 1))
    usual = grad_cam(model, x, 0).values
    np.testing.assert_array_equal(usual, grad_cam(model, x, 0, layer="graph1.right").values)
    assert (usual != grad_cam(model, x, 0, layer="residual1.conv2d2").values).any()
    with pytest.raises(ConfigError, match=r"no such layer: did you mean 'residual1\.conv2d"):
        grad_cam(model, x, layer="residual1.conv2d")
    with pytest.raises(ShapeError, match=r"dense1 gives \(4,\), which is no picture"):
        grad_cam(model, x, layer="dense1")
    flat = Sequential(Reshape((2, 2, 1)), Conv2D(1, 1), Flatten(), Dense(1)).compile((4,), MeanSquaredError())
    with pytest.raises(ShapeError, match=r"this model reads \(4,\)"):
        grad_cam(flat, np.zeros((1, 4)), 0)


# -- occlusion --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("window", "stride"), [(1, 1), (3, 3), (4, 2), (4, 1), (3, None), (None, None), (20, 10)])
def test_windows_add_up_on_a_linear_network(window, stride):
    model, _ = linear((9, 7, 2))
    x, base = asymmetric((2, 9, 7, 2)), asymmetric((9, 7, 2), seed=1)
    told = occlusion(model, x, 1, baseline=base, window=window, stride=stride, dtype=F64)
    np.testing.assert_allclose(told.completeness_error, 0, atol=1e-10)
    assert not told.complete
    assert np.abs(told.explained).min() > 0.1


def test_a_window_of_two_by_two_by_hand():
    model = classifier(Flatten(), Dense(2), shape=(3, 3, 1))
    model.weights["dense1.W"][...] = 0
    model.weights["dense1.W"][4, 0] = 1  # the logit is the pixel in the middle
    x = np.zeros((1, 3, 3, 1))
    x[0, 1, 1] = 12
    told = occlusion(model, x, 0, window=2, stride=1, dtype=F64)
    # four of the sixteen windows cover the middle, four pixels each: 12/4 for the pixel in all four of them, …
    wanted = [[0.75, 1.5, 0.75], [1.5, 3, 1.5], [0.75, 1.5, 0.75]]
    np.testing.assert_allclose(told.values[0, :, :, 0], wanted, atol=1e-12)
    one = occlusion(model, x, 0, window=1, dtype=F64)
    assert one.values.ravel().round(12).tolist() == [0, 0, 0, 0, 12, 0, 0, 0, 0]


def test_what_is_said_twice_is_lost_with_neither():
    """max(x₁, x₂) = x₁ + max(x₂ − x₁, 0) at (1, 1): either is enough, so covering one loses nothing."""
    weights = {"dense1__W": [[1, -1], [0, 1]], "dense2__W": [[1], [1]]}
    model = regression(Dense(2), ReLU(), Dense(1), inputs=2, **weights)
    told = occlusion(model, np.ones((1, 2)), 0)
    assert told.values.tolist() == [[0, 0]]
    assert told.completeness_error.tolist() == [1]


# -- all methods --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("make", [mlp, cnn])
def test_every_method_of_every_network(make, name):
    model, asked = make(), METHODS[name]
    if asked.needs_convolution and make is mlp:
        with pytest.raises(ConfigError, match="this network has none: any other method does"):
            asked(model, np.zeros((1, *model.input_shape)))
        return
    before = model.parameters.copy(), model._parts.state.copy()
    x = np.random.default_rng(0).integers(0, 256, (3, *model.input_shape), np.uint8)
    background = np.random.default_rng(1).integers(0, 256, (4, *model.input_shape), np.uint8)
    copies = x.copy(), background.copy()
    told = asked(model, x, background=background)
    assert told.method == name
    assert told.values.shape == x.shape
    assert told.values.dtype == np.float32
    assert told.output.shape == told.baseline_output.shape == told.completeness_error.shape == (3,)
    assert (told.complete, asked.about.endswith(".")) == (asked.complete, True)
    np.testing.assert_allclose(told.output, model.predict(x, logits=True).max(axis=1), rtol=1e-5)
    if not asked.needs_background:
        black = model.predict(np.zeros_like(x[:1]), logits=True)[0]
        np.testing.assert_allclose(told.baseline_output, black[told.target], rtol=1e-5, atol=1e-6)
    assert (told.values.min() < 0) == asked.signed
    np.testing.assert_allclose(told.completeness_error, np.abs(total(told) - told.output + told.baseline_output), atol=1e-5)
    fine = asked(model, x, background=background, dtype=F64)
    assert fine.values.dtype == F64
    np.testing.assert_allclose(told.values, fine.values, atol=2e-4 * np.abs(fine.values).max())
    for one, other in zip((*before, *copies), (model.parameters, model._parts.state, x, background), strict=True):
        np.testing.assert_array_equal(one, other)
    nobody = asked(model, x[:0], background=background)
    assert nobody.values.shape == x[:0].shape
    assert nobody.completeness_error.shape == (0,)


def test_many_threads_ask_at_once():
    model = cnn()
    x, background = asymmetric((2, 10, 10, 1)), asymmetric((3, 10, 10, 1), seed=1)
    jobs = [(name, target) for name in METHODS for target in range(4)] * 2

    def work(job):
        return METHODS[job[0]](model, x, job[1], background=background).values

    alone = [work(job) for job in jobs]
    with ThreadPoolExecutor(8) as pool:
        for one, other in zip(alone, pool.map(work, jobs), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_names_and_mistaken_names():
    assert method("occlusion") is METHODS["occlusion"]
    with pytest.raises(ConfigError, match="did you mean 'saliency'"):
        method("salience")
    for name, one in METHODS.items():
        assert one.name == name
        assert one == dataclasses.replace(one)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda m, x: integrated_gradients(m, x[0]), ShapeError, r"for one sample give x\[None\]"),
        (lambda m, x: integrated_gradients(m, x[:, :3]), ShapeError, r"x must have the shape \(n, 5\)"),
        (lambda m, x: integrated_gradients(m, x * np.nan), DataError, "NaN or infinity"),
        (lambda m, x: integrated_gradients(m, x, 3), ConfigError, r"target=3 is out of range: .* 0 … 2"),
        (lambda m, x: integrated_gradients(m, x, -1), ConfigError, "target=-1 is out of range"),
        (lambda m, x: integrated_gradients(m, x, "thre"), ConfigError, "did you mean 'three'"),
        (lambda m, x: integrated_gradients(m, x, 1.5), DataError, "class numbers .* or names, got float64"),
        (lambda m, x: integrated_gradients(m, x, True), DataError, "got bool"),
        (lambda m, x: integrated_gradients(m, x, [0, 1]), ShapeError, r"one for each of the 4 samples; got the shape \(2,\)"),
        (lambda m, x: integrated_gradients(m, x, 1, against=[0, 2, 1, 0]), ConfigError, "sample 2: target and against"),
        (lambda m, x: integrated_gradients(m, x, of="logits"), ConfigError, "'logit'.*or the 'output'"),
        (lambda m, x: integrated_gradients(m, x, dtype=np.float16), ConfigError, "choose np.float32"),
        (lambda m, x: integrated_gradients(m, x, dtype="fast"), ConfigError, "choose np.float32"),
        (lambda m, x: integrated_gradients(m, x, steps=0), ConfigError, "steps must be at least 1"),
        (lambda m, x: integrated_gradients(m, x, baseline=x[:2]), ShapeError, "one for each of the 4; got 2"),
        (lambda m, x: integrated_gradients(m, x, baseline=0), ShapeError, "baseline must have"),
        (lambda m, x: integrated_gradients(m, x, baseline=np.full(5, np.inf)), DataError, "NaN or infinity"),
        (lambda m, x: expected_gradients(m, x, x[:0]), DataError, "the background is empty"),
        (lambda m, x: expected_gradients(m, x, x[0]), ShapeError, "background must have"),
        (lambda m, x: expected_gradients(m, x, x, samples=0), ConfigError, "samples must be at least 1"),
        (lambda m, x: expected_gradients(m, x, x, seed=0.5), ConfigError, "seed must be a whole number"),
        (lambda m, x: METHODS["expected-gradients"](m, x), DataError, "give some training samples"),
        (lambda m, x: occlusion(m, x, window=0), ConfigError, "window must be at least 1"),
        (lambda m, x: occlusion(m, x, window=2, stride=3), ConfigError, "never covered; move by 2 at most"),
        (lambda m, x: saliency(Ensemble([m]), x), ConfigError, "not Ensemble; of an ensemble take the models one by one"),
        (lambda m, x: saliency(m, x.astype(np.uint8)), DataError, "trained on real numbers"),
    ],
)
def test_bad_input(call, error, words):
    model, x = smooth(), asymmetric((4, 5))
    model.train_on_batch(x, np.array([0, 1, 2, 0]))  # from here on it knows its data
    with pytest.raises(error, match=words):
        call(model, x)


def test_shapley_values_of_many_inputs_are_refused():
    model = mlp()
    with pytest.raises(ShapeError, match=r"2 to the power of 36 here, .* use expected_gradients"):
        shapley(model, np.zeros((1, 6, 6, 1)), np.zeros((1, 6, 6, 1)))


def test_names_for_outputs_that_have_none():
    model, _ = linear()
    with pytest.raises(ConfigError, match="have no names; give a number, 0 … 2"):
        saliency(model, np.zeros((1, 5)), "four")
