"""Predictions with batch normalization folded into the layer before it."""

import numpy as np
import pytest

from pellucid import (
    Add,
    BatchNorm,
    Concatenate,
    Conv1D,
    Conv2D,
    CrossEntropy,
    Dense,
    Dropout,
    Flatten,
    Frozen,
    GaussianNoise,
    Graph,
    MaxPool2D,
    Node,
    ReLU,
    Residual,
    Sequential,
    Shared,
    Softmax,
    SpatialDropout2D,
)
from pellucid.layers.folding import MAX_ROWS_FOR_EACH
from pellucid.networks import folded, primitives
from pellucid.testing import asymmetric, check_folding


def leaves(network):
    """The names of the classes of all layers in the folded form of a network."""
    return [type(layer).__name__ for _, layer in primitives(folded(network))]


def compiled(*layers, shape=(6, 6, 3), seed=0):
    """A model whose running statistics are random."""
    model = Sequential(*layers, Flatten(), Dense(4), Softmax()).compile(shape, CrossEntropy(), seed=seed)
    randomize(model)
    return model


def randomize(model):
    for path, array in model.state.statistics_layout.arrays(model.state.statistics).items():
        array[...] = np.abs(asymmetric(array.shape, seed=len(path)))


def unfolded(model, x):
    """The logits of the network, computed layer by layer."""
    return model.state.execution(model.state.body).forward(x).astype(np.float64)


def block(filters):
    return Conv2D(filters, 3, padding="same", bias=False), BatchNorm(), ReLU(), Conv2D(filters, 3, padding="same"), BatchNorm()


FOLDING = {
    "dense": (Sequential(Dense(5), BatchNorm(), ReLU(), Dense(3, bias=False), BatchNorm()), (4,)),
    "wide dense": (Sequential(Dense(5, bias=False), BatchNorm(), ReLU(), Dense(3), BatchNorm(), ReLU()), (50,)),
    "many channels": (Sequential(Conv2D(4, 3), BatchNorm(), ReLU()), (3, 3, 40)),
    "dense at positions": (Sequential(Dense(5), BatchNorm(), ReLU()), (7, 4)),
    "images": (Sequential(Conv2D(4, 3, stride=2), BatchNorm(), ReLU(), Conv2D(6, 1), BatchNorm(epsilon=0.1)), (9, 8, 3)),
    "groups": (Sequential(Conv2D(6, 3, groups=3, dilation=2), BatchNorm(), Conv2D(6, 3, groups=6), BatchNorm()), (9, 9, 3)),
    "winograd": (Sequential(Conv2D(16, 3, bias=False), BatchNorm(), ReLU()), (9, 8, 16)),
    "sequences": (Sequential(Conv1D(4, 3, padding="causal", dilation=2), BatchNorm(), ReLU()), (9, 3)),
    "dropout": (Sequential(Conv2D(4, 3), SpatialDropout2D(), BatchNorm(), GaussianNoise(1.0), ReLU(), Dropout()), (5, 5, 2)),
    "residual": (Sequential(Residual(*block(5), shortcut=Sequential(Conv2D(5, 1), BatchNorm())), ReLU()), (6, 5, 3)),
    "frozen": (Sequential(Frozen(Conv2D(4, 3), BatchNorm(), ReLU()), Flatten(), Dense(3)), (5, 5, 2)),
    "shared": (
        Graph(
            Node("a", Dense(4), "input"),
            Node("b", BatchNorm(), "a"),
            Node("c", Shared("a"), "input"),
            Node("d", Shared("b"), "c"),
            Node("sum", Add(), "b", "d"),
        ),
        (3,),
    ),
}


@pytest.mark.parametrize("name", FOLDING)
@pytest.mark.parametrize("n", [1, 40])
def test_folded_predictions_are_those_of_the_network(name, n):
    network, shape = FOLDING[name]
    assert "_Folded" in leaves(network)
    assert not {"BatchNorm", "_BatchNormReLU", "GaussianNoise", "SpatialDropout2D"} & set(leaves(network))
    check_folding(network, asymmetric((n, *shape)))


def test_a_layer_with_two_readers_is_not_folded():
    graph = Graph(Node("a", Dense(3), "input"), Node("b", BatchNorm(), "a"), Node("both", Concatenate(), "a", "b"))
    assert leaves(graph) == ["Dense", "BatchNorm", "Concatenate"]
    check_folding(graph, asymmetric((5, 2)))


def test_an_output_is_not_folded():
    nodes = Node("a", Dense(3), "input"), Node("b", BatchNorm(), "a"), Node("c", Dropout(), "b")
    graph = Graph(*nodes, outputs=("a", "c"))
    assert leaves(graph) == ["Dense", "BatchNorm", "Dropout"]
    check_folding(graph, asymmetric((5, 2)))


def test_other_layers_between_are_not_folded():
    network = Sequential(Conv2D(3, 3), ReLU(), BatchNorm(), MaxPool2D(2), BatchNorm(), ReLU())
    assert leaves(network) == ["_Conv2DReLU", "BatchNorm", "MaxPool2D", "_BatchNormReLU"]
    check_folding(network, asymmetric((3, 8, 8, 2)))


def test_a_network_of_dropout_alone_predicts():
    model = Sequential(Dropout()).compile((3,), seed=0)
    x = asymmetric((4, 3)).astype(np.float32)
    np.testing.assert_array_equal(model.predict(x), x)


@pytest.mark.parametrize("n", [1, 50])
def test_predictions_follow_every_change_of_the_parameters_and_statistics(n):
    model = compiled(Conv2D(5, 3), BatchNorm(), ReLU(), Dropout(), Flatten(), Dense(6), BatchNorm(), ReLU())
    assert MAX_ROWS_FOR_EACH < 4 * 4 * 5  # so that for one sample the outputs of the dense layer are normalized
    samples = asymmetric((50, 6, 6, 3)).astype(np.float32)
    x = samples[:n]

    def write_one_weight():
        model.weights["conv2d1.W"][1, 2, 0, 3] += 3

    def write_through_the_vector():
        model.parameters[...] = 1.5 * model.parameters

    def write_statistics():
        model.state.statistics[...] += 0.5

    def write_gamma():
        model.weights["batchnorm2.gamma"][2] = -4

    def train():
        model.fit(samples, np.arange(50) % 4, epochs=1, batch_size=25, progress=False)

    before = model.predict(x, logits=True)
    for change in (write_one_weight, write_through_the_vector, write_statistics, write_gamma, train):
        change()
        after, expected = model.predict(x, logits=True), unfolded(model, x)
        assert not np.allclose(after, before, rtol=1e-4), change
        np.testing.assert_allclose(after, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
        before = after


def test_evaluation_is_that_of_the_network():
    model = compiled(*block(4), ReLU(), Dropout())
    x, y = asymmetric((30, 6, 6, 3)).astype(np.float32), np.arange(30) % 4
    z = unfolded(model, x)
    expected = (np.log(np.exp(z - z.max(axis=1, keepdims=True)).sum(axis=1)) + z.max(axis=1) - z[np.arange(30), y]).mean()
    assert model.evaluate(x, y)["loss"] == pytest.approx(expected, rel=1e-5)
