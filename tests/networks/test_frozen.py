"""Tests of frozen layers, which training does not change in a single bit, and of transfer."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import (
    L2,
    SGD,
    Adam,
    AdamW,
    BatchNorm,
    Chain,
    ClipNorm,
    ConfigError,
    Conv2D,
    CrossEntropy,
    Decay,
    Dense,
    Dropout,
    Flatten,
    Frozen,
    GaussianNoise,
    GlobalAveragePool2D,
    Graph,
    MaxPool2D,
    Model,
    Node,
    ReLU,
    Reshape,
    Residual,
    Sequential,
    ShapeError,
    Softmax,
    transfer,
)
from pellucid.core.config import from_json, to_json
from pellucid.model.activations import activations
from pellucid.networks import depth, primitives
from pellucid.optim import Lion, MaxNorm, Muon
from pellucid.testing import run_layer
from pellucid.training.step import GradientStep

X = np.random.default_rng(0).normal(1, 2, (64, 6)).astype(np.float32)
Y = (X[:, 0] * X[:, 1] > 1).astype(int)
BODY = (Dense(8), BatchNorm(), ReLU(), Dropout(0.3), GaussianNoise(0.2), Residual(Dense(8), BatchNorm(), ReLU()))
NETWORKS = {
    "the body": Sequential(Frozen(*BODY), Dense(2), Softmax()),
    "the middle": Sequential(Dense(6), ReLU(), Frozen(*BODY), Dense(2), Softmax()),
    "one layer and another": Sequential(Frozen(Dense(5)), Dense(4), Frozen(BatchNorm()), ReLU(), Dense(2), Softmax()),
    "in a graph": Graph(
        Node("fixed", Frozen(Dense(4), ReLU()), "input"),
        Node("free", Sequential(Dense(4), Frozen(Dense(4))), "fixed"),
        Node("out", Sequential(Dense(2), Softmax()), "free"),
    ),
}
OPTIMIZERS = [
    SGD(0.1, 0.9),
    AdamW(0.01, decay=0.3),
    Chain(ClipNorm(0.5), L2(0.1), Decay(0.3), Adam(0.01)),
    Lion(0.01),
    Muon(0.01),
    Chain(SGD(0.1), MaxNorm(0.01)),
]


def arrays(model):
    parts = model.state
    return parts.layout.arrays(parts.parameters) | parts.statistics_layout.arrays(parts.statistics)


def frozen(path):
    return "frozen" in path or path.startswith("fixed")


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("network", NETWORKS.values(), ids=list(NETWORKS))
def test_twenty_steps_do_not_change_a_bit_of_it(network, optimizer):
    model = network.compile((6,), CrossEntropy(), optimizer)
    for array in arrays(model).values():
        array[...] += 0.01
    before = {path: array.copy() for path, array in arrays(model).items()}
    model.fit(X, Y, epochs=5, batch_size=16)
    for path, array in arrays(model).items():
        if frozen(path):
            np.testing.assert_array_equal(array, before[path], err_msg=path)
        else:
            assert (array != before[path]).any(), path
    for name, vector in model.state.updater.state.items():
        for path, array in model.state.layout.arrays(vector).items():
            assert not (frozen(path) and array.any()), f"{name}/{path}"


def test_the_rest_learns_the_same_as_from_the_outputs_of_the_frozen_layers():
    network = NETWORKS["the body"]
    model = network.compile((6,), CrossEntropy(), Chain(ClipNorm(0.5), SGD(0.1)), seed=3)
    body = Sequential(*BODY, Dense(2), Softmax()).compile((6,), CrossEntropy())
    transfer(body, model, into="frozen1")
    h = activations(model, X)["frozen1.residual1.add"]
    head = Sequential(Dense(2), Softmax()).compile((8,), CrossEntropy(), Chain(ClipNorm(0.5), SGD(0.1)), seed=3)
    head.parameters[:] = model.parameters[: head.parameters.size]
    for each, x in ((model, X), (head, h)):
        each.fit(x, Y, epochs=3, batch_size=16)
    np.testing.assert_allclose(model.weights["dense1.W"], head.weights["dense1.W"], atol=1e-6)
    np.testing.assert_allclose(model.history["train_loss"], head.history["train_loss"], atol=1e-6)


def test_it_works_as_in_prediction_while_training():
    layer = Frozen(*BODY)
    x = X.astype(np.float64)
    one, other = (run_layer(layer, x, training=training) for training in (True, False))
    np.testing.assert_array_equal(one.y, other.y)
    assert (run_layer(Sequential(*BODY), x).y != one.y).any()


def test_backward_ends_after_the_frozen_layers():
    """If the first layers are frozen, no gradient is computed for them."""
    seen = []
    model = NETWORKS["the body"].compile((6,), CrossEntropy())
    step = GradientStep(model.state, observer=lambda path, what, array: seen.append((path, what)))
    step(X, Y, np.ones(len(X), np.float32), 1)
    assert [path for path, what in seen if what == "gradient"] == ["dense1"]


def test_a_network_may_be_frozen_as_a_whole():
    model = Sequential(Frozen(Dense(2)), Softmax()).compile((6,), CrossEntropy(), Chain(ClipNorm(1.0), Adam()))
    before = model.parameters.copy()
    model.fit(X, Y)
    np.testing.assert_array_equal(model.parameters, before)


def test_repr_json_paths_and_depth():
    layer = Frozen(Dense(3), ReLU())
    assert repr(layer) == "Frozen(Dense(units=3), ReLU())"
    assert from_json(to_json(layer), Frozen) == layer
    network = Sequential(layer, Dense(2))
    assert [path for path, _ in primitives(network)] == ["frozen1.dense1", "frozen1.relu1", "dense1"]
    assert depth(network) == 3
    with pytest.raises(ConfigError, match="needs the layers"):
        Frozen()


def test_the_summary_counts_trained_and_frozen_parameters():
    lines = Sequential(Frozen(Dense(10)), Dense(2), Softmax()).compile((6,), CrossEntropy()).summary().splitlines()
    assert [line.split()[0] for line in lines[-3:]] == ["total", "trained", "frozen"]
    assert [line.split()[-1] for line in lines[-3:]] == ["92", "22", "70"]
    assert "frozen" not in Sequential(Dense(2), Softmax()).compile((6,), CrossEntropy()).summary()


def test_training_continues_from_a_file(tmp_path):
    def trained(epochs, model=None):
        model = model or NETWORKS["the middle"].compile((6,), CrossEntropy(), AdamW(0.01))
        model.fit(X, Y, epochs=epochs)
        return model

    once, half = trained(4), trained(2)
    half.save(tmp_path / "model", training_state=True)
    again = trained(2, Model.load(tmp_path / "model"))
    for path, array in arrays(once).items():
        np.testing.assert_array_equal(arrays(again)[path], array, err_msg=path)


# -- transfer -------------------------------------------------------------------------------------------------------


def source():
    model = Sequential(Dense(8), BatchNorm(), ReLU(), Dense(3), Softmax()).compile((6,), CrossEntropy(), seed=1)
    model.fit(X, Y)
    return model


def test_transfer_into_frozen_layers():
    one = source()
    other = Sequential(Frozen(*one.network.layers[:-2]), Dense(2), Softmax()).compile((6,), CrossEntropy(), seed=2)
    head = other.weights["dense1.W"].copy()
    filled = transfer(one, other, into="frozen1")
    inside = {f"frozen1.{path}" for path in arrays(one) if not path.startswith("dense2")}
    assert set(filled) == inside
    for path in filled:
        np.testing.assert_array_equal(arrays(other)[path], arrays(one)[path.removeprefix("frozen1.")])
    np.testing.assert_array_equal(other.weights["dense1.W"], head)
    np.testing.assert_array_equal(activations(other, X)["frozen1.relu1"], activations(one, X)["relu1"])


def test_new_layers_keep_their_parameters():
    one = source()
    other = Sequential(*one.network.layers[:-2], Dense(2), Softmax()).compile((6,), CrossEntropy(), seed=2)
    head = other.weights["dense2.W"].copy()
    filled = transfer(one, other, new=["dense2"])
    assert set(filled) == {path for path in arrays(one) if not path.startswith("dense2")}
    np.testing.assert_array_equal(other.weights["dense2.W"], head)
    np.testing.assert_array_equal(other.weights["dense1.W"], one.weights["dense1.W"])


def test_an_invalid_transfer_changes_nothing():
    one = source()
    other = Sequential(Dense(8), BatchNorm(), ReLU(), Dense(2), Softmax()).compile((6,), CrossEntropy(), seed=2)
    before = other.parameters.copy()
    with pytest.raises(ShapeError, match=r"dense2.W has the shape \(8, 3\) in the source and \(8, 2\) in the target"):
        transfer(one, other)
    with pytest.raises(ConfigError, match="the target no arrays inside into='frozen1'"):
        transfer(one, other, into="frozen1")
    with pytest.raises(ConfigError, match=r"the source has dense1.W, .* the target sequential1.batchnorm1.gamma"):
        transfer(one, Sequential(Sequential(BatchNorm()), Softmax()).compile((6,), CrossEntropy()))
    np.testing.assert_array_equal(other.parameters, before)


def flattening(shape, end=Flatten):
    layers = Conv2D(2, 3), MaxPool2D(), end(), Dropout(0.1), Dense(3), Softmax()
    return Sequential(*layers).compile(shape, CrossEntropy())


def test_a_network_of_images_of_the_turned_size_is_refused():
    """The vectors are equally long, but a weight would read another pixel."""
    one, turned = flattening((12, 8, 1)), flattening((8, 12, 1), Flatten)
    with pytest.raises(
        ShapeError, match=r"dense1.W reads flattened samples of the shape \(5, 3, 2\) .* and \(3, 5, 2\) in the"
    ):
        transfer(one, turned)
    inside = Sequential(Frozen(*turned.network.layers[:-1]), Dense(2), Softmax()).compile((8, 12, 1), CrossEntropy())
    with pytest.raises(ShapeError, match=r"compile the target for samples of the shape \(12, 8, 1\)"):
        transfer(one, inside, into="frozen1")
    assert len(transfer(one, flattening((12, 8, 1)))) == 4
    # A convolution reads any size, and so does a dense layer after a global mean.
    assert len(transfer(flattening((12, 8, 1), GlobalAveragePool2D), flattening((8, 12, 1), GlobalAveragePool2D))) == 4
    small, large = (
        Sequential(Reshape((side, side, 1)), Conv2D(2, 3), Flatten(), Dense(2), Softmax()).compile((side**2,), CrossEntropy())
        for side in (8, 12)
    )
    assert transfer(small, large, out_of="conv2d1", into="conv2d1") == ("conv2d1.W", "conv2d1.b")


def test_frozen_layers_can_be_trained_again():
    one = source()
    body = one.network.layers[:-2]
    two = Sequential(Frozen(*body), Dense(2), Softmax()).compile((6,), CrossEntropy())
    transfer(one, two, into="frozen1")
    three = Sequential(*body, Dense(2), Softmax()).compile((6,), CrossEntropy())
    assert set(transfer(two, three, out_of="frozen1")) == {path for path in arrays(three) if not path.startswith("dense2")}
    assert transfer(two, three, out_of="dense1", into="dense2") == ("dense2.W", "dense2.b")
    np.testing.assert_array_equal(three.predict(X), two.predict(X))
    three.fit(X, Y)
    assert (three.weights["dense1.W"] != one.weights["dense1.W"]).any()
