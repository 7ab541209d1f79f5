"""Activations: the output of every layer, by path, for every kind of network."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import (
    Add,
    BatchNorm,
    Conv2D,
    CrossEntropy,
    DataError,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool2D,
    Graph,
    MaxPool2D,
    MeanSquaredError,
    Model,
    Node,
    ReLU,
    Residual,
    Sequential,
    ShapeError,
    Softmax,
)
from pellucid.model.activations import activations, scaled
from pellucid.networks import primitives
from pellucid.testing import asymmetric


def network():
    """A network with nested Sequentials, a residual block with a shortcut, and a graph."""
    graph = Graph(
        Node("left", Sequential(Conv2D(3, 3, padding="same"), ReLU()), "input"),
        Node("sum", Add(), "left", "input"),
        Node("relu", ReLU(), "sum"),
    )
    block = Residual(Conv2D(3, 1), BatchNorm(), ReLU(), Conv2D(3, 1), shortcut=Conv2D(3, 1))
    head = Sequential(Flatten(), Dropout(0.5), Sequential(Dense(4), Softmax()))
    return Sequential(Conv2D(2, 3), ReLU(), MaxPool2D(), block, graph, head)


def model():
    return network().compile((8, 8, 1), CrossEntropy())


def test_the_paths_of_all_layers_are_in_order():
    outputs, net = activations(model(), asymmetric((5, 8, 8, 1))), network()
    assert list(outputs) == [path for path, _ in primitives(net)]
    outer = "conv2d1 relu1 maxpool2d1 residual1.conv2d1 residual1.batchnorm1 residual1.relu1 residual1.conv2d2"
    outer += " residual1.shortcut residual1.add graph1.left.conv2d1 graph1.left.relu1 graph1.sum graph1.relu"
    inner = "sequential1.flatten1 sequential1.dropout1 sequential1.sequential1.dense1 sequential1.sequential1.softmax1"
    assert list(outputs) == [*outer.split(), *inner.split()]
    assert outputs["conv2d1"].shape == (5, 6, 6, 2)
    assert outputs["graph1.sum"].shape == (5, 3, 3, 3)


def test_each_output_is_computed_from_those_before_it():
    net, x = model(), asymmetric((5, 8, 8, 1))
    outputs = activations(net, x)
    for before, after in (("conv2d1", "relu1"), ("graph1.sum", "graph1.relu"), ("residual1.batchnorm1", "residual1.relu1")):
        assert outputs[before].min() < 0  # fusion would hide these
        np.testing.assert_array_equal(outputs[after], np.maximum(outputs[before], 0))
    np.testing.assert_array_equal(outputs["residual1.add"], outputs["residual1.conv2d2"] + outputs["residual1.shortcut"])
    np.testing.assert_array_equal(outputs["sequential1.dropout1"], outputs["sequential1.flatten1"])  # dropout is off
    np.testing.assert_array_equal(outputs["maxpool2d1"], outputs["relu1"].reshape(5, 3, 2, 3, 2, 2).max(axis=(2, 4)))
    *_, logits, output = outputs.values()
    np.testing.assert_allclose(logits, net.predict(x, logits=True), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(output, net.predict(x), rtol=1e-5, atol=1e-6)


def test_outputs_in_chunks_and_of_no_samples(monkeypatch):
    net, x = model(), asymmetric((5, 8, 8, 1))
    whole = activations(net, x)
    monkeypatch.setattr("pellucid.model.activations.CHUNK_SAMPLES", 2)
    for path, array in activations(net, x).items():
        np.testing.assert_allclose(array, whole[path], rtol=1e-5, atol=1e-6)
    assert {path: array.shape for path, array in activations(net, x[:0]).items()} == {
        path: (0, *array.shape[1:]) for path, array in whole.items()
    }


def test_the_arrays_are_copies():
    net, x = model(), asymmetric((2, 8, 8, 1)).astype(np.float32)
    outputs = activations(net, x)
    before, weights = {path: array.copy() for path, array in outputs.items()}, net.parameters.copy()
    activations(net, 2 * x)
    for path, array in outputs.items():
        np.testing.assert_array_equal(array, before[path])
        array.fill(np.nan)
    np.testing.assert_array_equal(activations(net, x)["relu1"], before["relu1"])
    np.testing.assert_array_equal(net.parameters, weights)


def test_bytes_are_scaled():
    net = Sequential(Flatten(), Dense(3)).compile((2, 2, 1), MeanSquaredError())
    x = np.array([[0, 51, 102, 255]], np.uint8).reshape(1, 2, 2, 1)
    np.testing.assert_allclose(activations(net, x)["flatten1"], [[0, 0.2, 0.4, 1]], rtol=1e-6)
    assert scaled(net, x, dtype=np.float64).dtype == np.float64
    np.testing.assert_allclose(scaled(net, x, dtype=np.float64).ravel(), [0, 0.2, 0.4, 1], rtol=1e-15)


def test_a_network_of_one_layer_and_of_none():
    single = Model(Dense(2), (3,), loss=MeanSquaredError())
    x = asymmetric((4, 3))
    outputs = activations(single, x)
    assert list(outputs) == ["dense1"]
    np.testing.assert_allclose(outputs["dense1"], single.predict(x), rtol=1e-6)
    assert activations(Sequential().compile((3,), MeanSquaredError()), x) == {}


def test_pooling_over_whole_images():
    net = Sequential(Conv2D(2, 3), GlobalAveragePool2D()).compile((5, 5, 1), MeanSquaredError())
    outputs = activations(net, asymmetric((3, 5, 5, 1)))
    np.testing.assert_allclose(outputs["globalaveragepool2d1"], outputs["conv2d1"].mean(axis=(1, 2)), rtol=1e-5, atol=1e-6)


def test_invalid_samples_raise():
    net = model()
    with pytest.raises(ShapeError, match=r"for a single sample give x\[None\]"):
        activations(net, np.zeros((8, 8, 1)))
    with pytest.raises(DataError, match="NaN or infinity"):
        activations(net, np.full((1, 8, 8, 1), np.nan))
    with pytest.raises(DataError, match="must hold numbers"):
        activations(net, np.array(["a"]))
