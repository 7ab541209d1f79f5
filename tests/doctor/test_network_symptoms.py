"""Each illness of a network, planted in a small one, is found; a near miss has no finding of that kind."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import numpy as np
import pytest

from pellucid import (
    ELU,
    GELU,
    SELU,
    SGD,
    Adam,
    Add,
    BatchNorm,
    Chain,
    Concatenate,
    CrossEntropy,
    DataError,
    Dense,
    Diagnosis,
    Dropout,
    Finding,
    Flatten,
    Frozen,
    GlorotUniform,
    Graph,
    HardSigmoid,
    HardSwish,
    He,
    LeakyReLU,
    MeanAbsoluteError,
    MeanSquaredError,
    Mish,
    Node,
    Normal,
    OneCycle,
    PReLU,
    ReLU,
    ReLU6,
    Sequential,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
    Triplet,
    WarmUp,
    Watch,
)
from pellucid.doctor import overfitting_trial
from pellucid.doctor.kinds import KINDS
from pellucid.doctor.levels import levels
from pellucid.layers import Layer, LayerSpec

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(600, 20)).astype(np.float32)
Y = (X @ RANDOM.normal(size=(20, 4))).argmax(axis=1)


def network(*hidden, activation=None, init=None, last=None):
    """Return a classifier of four classes with dense layers of the widths ``hidden``."""
    layers = [layer for units in hidden for layer in (Dense(units, init or He()), activation or ReLU())]
    return Sequential(*layers, Dense(4, last or GlorotUniform()), Softmax())


def compiled(net, optimizer=None):
    return net.compile((20,), CrossEntropy(), optimizer or Adam(0.001), seed=1)


def kinds(model, x=X, y=Y, overfit=False, **settings):
    return model.diagnose(x, y, overfit=overfit, **settings).kinds


def places(model, kind, **settings):
    return [one.where for one in model.diagnose(X, Y, **settings) if one.kind == kind]


def test_a_healthy_network_has_no_findings_before_and_after_training():
    model = compiled(network(64, 64))
    assert str(model.diagnose(X, Y)) == "no findings"
    model.fit(X, Y, epochs=10)
    assert str(model.diagnose(X, Y)) == "no findings"


# -- activations ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "activation", [ReLU(), ReLU6(), LeakyReLU(0), ELU(), SELU(), Softplus(), SiLU(), HardSwish(), Mish(), GELU()], ids=str
)
def test_dead_units_of_all_activations_with_a_flat_side_are_found(activation):
    model = compiled(network(64, 32, activation=activation))
    for share, expected in ((0.7, 1), (0.3, 0)):  # the near miss: some units of a healthy layer are dead
        bias = model.weights["dense1.b"]
        bias[:] = 0
        bias[: int(share * 64)] = -40
        found = [one for one in model.diagnose(X, Y, overfit=False) if one.kind == "dead-relu"]
        assert len(found) == expected
    bias[:45] = -40
    (finding,) = [one for one in model.diagnose(X, Y, overfit=False) if one.kind == "dead-relu"]
    assert finding.where == f"{type(activation).__name__.lower()}1"
    assert finding.figure == pytest.approx(45 / 64, abs=0.05)
    assert "units are on the flat side for all of 512 samples" in finding.text


@pytest.mark.parametrize("activation", [LeakyReLU(), PReLU()], ids=str)
def test_activations_without_a_flat_side_do_not_die(activation):
    model = compiled(network(64, 32, activation=activation))
    model.weights["dense1.b"][:] = -40
    assert "dead-relu" not in kinds(model)


def test_few_samples_say_nothing_about_dead_units():
    model = compiled(network(64))
    model.weights["dense1.b"][:] = -40
    diagnosis = model.diagnose(X[:150], Y[:150], overfit=False)
    assert "dead-relu" not in diagnosis.kinds
    assert "dead units: that takes 200 samples, and there are 150" in str(diagnosis)


@pytest.mark.parametrize("activation", [Tanh(), Sigmoid(), HardSigmoid()], ids=str)
def test_saturated_activations_are_found(activation):
    layer = f"{type(activation).__name__.lower()}1"
    assert places(compiled(network(64, activation=activation, init=Normal(4.0))), "saturated-activation") == [layer]
    assert places(compiled(network(64, activation=activation, init=GlorotUniform())), "saturated-activation") == []


def test_the_last_activation_may_be_saturated():
    targets = (X[:, :3] > 0).astype(np.float32)
    net = Sequential(Dense(3, Normal(10.0)), Sigmoid())
    assert "saturated-activation" not in kinds(net.compile((20,), MeanSquaredError(), seed=0), X, targets)
    inner = Sequential(Dense(3, Normal(10.0)), Sigmoid(), Dense(3))
    assert "saturated-activation" in kinds(inner.compile((20,), MeanSquaredError(), seed=0), X, targets)


# -- gradients and updates --------------------------------------------------------------------------------------------


def test_a_vanishing_gradient_is_found():
    (finding,) = compiled(network(*[32] * 8, activation=Sigmoid(), init=GlorotUniform())).diagnose(X, Y, overfit=False)
    assert (finding.kind, finding.where) == ("vanishing-gradient", "dense1")
    assert finding.figure < 1e-3
    assert "reaches dense9" in finding.text
    assert kinds(compiled(network(*[32] * 3, activation=Sigmoid(), init=GlorotUniform()))) == []


def test_an_exploding_gradient_is_found():
    large, smaller = (compiled(network(*[64] * 8, init=Normal(sigma))) for sigma in (0.6, 0.3))
    (finding,) = [one for one in large.diagnose(X, Y, overfit=False) if one.kind == "exploding-gradient"]
    assert finding.where == "dense1"
    assert finding.figure > 1e3
    assert "exploding-gradient" not in kinds(smaller)


def test_updates_that_are_too_large_are_found():
    assert "large-update" in kinds(compiled(network(64, 64), Adam(0.1)))
    assert kinds(compiled(network(64, 64), Adam(0.01))) == []
    assert "large-update" in kinds(compiled(network(64, 64), SGD(10.0)))


def test_updates_that_are_too_small_are_found():
    tiny = compiled(network(64, 64), Adam(1e-8))
    assert places(tiny, "small-update") == ["dense1", "dense2", "dense3"]
    assert kinds(compiled(network(64, 64), Adam(1e-6))) == []
    chain = Chain(Adam(0.001), rates={"dense2.*": 1e-6})
    assert places(compiled(network(64, 64), chain), "small-update") == ["dense2"]


def test_small_updates_of_a_network_that_has_learned_are_no_finding():
    model = compiled(network(64, 64))
    model.fit(X, Y, epochs=60)
    slow = network(64, 64).compile((20,), CrossEntropy(), SGD(1e-9), seed=1)
    slow.parameters[:] = model.parameters
    assert "small-update" not in kinds(slow)


def test_the_highest_rate_of_a_schedule_decides_whether_updates_are_small():
    assert kinds(compiled(network(64, 64), Adam(OneCycle(0.001)))) == []
    assert kinds(compiled(network(64, 64), Adam(WarmUp(0.001, 5)))) == []
    assert "small-update" in kinds(compiled(network(64, 64), Adam(OneCycle(1e-9))))


def test_layers_without_a_gradient_are_found():
    model = compiled(network(64, 64))
    model.weights["dense2.b"][:] = -40
    assert places(model, "stopped-learning") == ["dense1", "dense2"]


def test_frozen_layers_are_no_finding():
    net = Sequential(Frozen(Dense(64, He()), ReLU()), Dense(64, He()), ReLU(), Dense(4), Softmax())
    assert kinds(compiled(net)) == []
    assert kinds(compiled(network(64, 64), Chain(Adam(0.001), rates={"dense1.*": 0.0}))) == []


def test_a_path_that_nothing_learns_through_is_found():
    """Two branches, of which one is multiplied by 0."""

    class Nothing(Layer):
        def build(self, shape):
            return LayerSpec(shape)

        def forward(self, p, x, ctx):
            return x * 0

        def backward(self, p, g, dy, ctx):
            return dy * 0

    nodes = [Node("a", Dense(16), "input"), Node("b", Dense(16), "input"), Node("nothing", Nothing(), "b")]
    net = Graph(*nodes, Node("sum", Add(), "a", "nothing"), Node("end", Sequential(ReLU(), Dense(4), Softmax()), "sum"))
    assert places(compiled(net), "stopped-learning") == ["b"]


# -- the loss ---------------------------------------------------------------------------------------------------------


def test_a_loss_at_the_start_far_above_log_k_is_found():
    (finding,) = [one for one in compiled(network(64, last=Normal(2.0))).diagnose(X, Y) if one.kind == "initial-loss"]
    assert "equal probabilities for 4 classes have 1.39" in finding.text
    assert kinds(compiled(network(64, last=He()))) == []
    trained = compiled(network(64, last=Normal(2.0)))
    trained.train_on_batch(X[:10], Y[:10])
    assert "initial-loss" not in kinds(trained)


def test_a_network_that_cannot_overfit_is_found():
    model = compiled(network(64, 64))
    model.weights["dense1.b"][:] = -40
    (finding,) = [one for one in model.diagnose(X, Y) if one.kind == "cannot-overfit"]
    assert finding.figure > 0.5
    assert "after 300 steps of Adam on 16 samples" in finding.text
    before = model.parameters.copy()
    model.diagnose(X, Y)
    assert np.array_equal(before, model.parameters)


def test_the_overfitting_trial_goes_on_while_the_loss_falls(monkeypatch):
    noise = np.random.default_rng(0)
    x, y = noise.normal(size=(16, 5)), 20 * noise.normal(size=(16, 1))
    model = Sequential(Dense(16), ReLU(), Dense(1)).compile((5,), MeanSquaredError())
    assert "cannot-overfit" not in [one.kind for one in model.diagnose(x, y)]
    monkeypatch.setattr(overfitting_trial, "MOST_STEPS", 300)
    (finding,) = [one for one in model.diagnose(x, y) if one.kind == "cannot-overfit"]
    assert finding.figure > 0.3, "far from the threshold after 300 steps"


def test_a_wrong_gradient_is_found_by_the_overfitting_trial():
    class Backwards(Layer):
        """The identity with a gradient of the wrong sign."""

        def build(self, shape):
            return LayerSpec(shape)

        def forward(self, p, x, ctx):
            return x

        def backward(self, p, g, dy, ctx):
            return -dy

    net = Sequential(Frozen(Dense(2)), Dense(64), Backwards(), ReLU(), Frozen(Dense(4, He())), Softmax())
    assert "cannot-overfit" in kinds(compiled(net), overfit=True)


@pytest.mark.parametrize(
    "layers",
    [(Dropout(0.5), Dense(64, He()), ReLU(), Dropout(0.5)), (Dense(64, bias=False), BatchNorm(), ReLU(), Dropout(0.3))],
    ids=["dropout", "normalized"],
)
def test_a_network_with_heavy_noise_can_overfit(layers):
    assert kinds(compiled(Sequential(*layers, Dense(4), Softmax())), overfit=True) == []


def test_the_trial_is_left_out_where_it_means_nothing():
    small = Sequential(Dense(1)).compile((4,), MeanSquaredError(), seed=0)
    assert "it has only 5 parameters" in str(small.diagnose(X[:, :4], X[:, 0] * X[:, 1]))
    same = network(64).compile((20,), CrossEntropy(), seed=0)
    assert "the loss of a constant prediction is not known, or cannot be improved" in str(same.diagnose(X, np.zeros(600, int)))
    triplet = Sequential(Dense(64), ReLU(), Dense(8)).compile((20,), Triplet(), seed=0)
    assert triplet.diagnose(X, Y).kinds == []


def test_parameters_that_are_not_finite_are_found_with_their_place():
    model = compiled(network(64, 64))
    model.weights["dense2.W"][3, 4] = np.nan
    (finding,) = model.diagnose(X, Y)
    assert (finding.kind, finding.where) == ("not-finite", "the parameter dense2.W")


def test_activations_that_overflow_are_found_with_their_layer():
    model = compiled(network(64, 64))
    model.weights["dense2.W"][:] = 1e38
    (finding,) = model.diagnose(X, Y)
    assert finding.kind == "not-finite"
    assert "the output of dense2" in finding.text
    model.weights["dense2.W"][:] = 0.1
    assert "not-finite" not in kinds(model)


# -- levels of a loss -------------------------------------------------------------------------------------------------


def test_the_levels_of_a_loss():
    model = compiled(network(8))
    targets = model.state.output.targets(np.repeat(np.arange(4), (40, 30, 20, 10)))
    known = levels(model.state, targets, np.ones(100, np.float32))
    p = np.array([0.4, 0.3, 0.2, 0.1])
    assert known.equal == pytest.approx(np.log(4), rel=1e-5)
    assert known.constant == pytest.approx(-(p * np.log(p)).sum(), rel=1e-5)
    assert known.lowest == pytest.approx(0, abs=1e-4)
    regression = Sequential(Dense(1)).compile((20,), MeanSquaredError(), seed=0)
    y = X[:, :1] * 3 + 5
    known = levels(regression.state, y, np.ones(600, np.float32))
    assert known.equal is None
    assert known.constant == pytest.approx(9 * X[:, 0].var(), rel=1e-4)
    assert known.lowest == 0
    absolute = Sequential(Dense(1)).compile((20,), MeanAbsoluteError(), seed=0)
    skewed = np.array([0, 0, 0, 100], np.float32)[:, None]
    assert levels(absolute.state, skewed, np.ones(4, np.float32)).constant == 25
    assert levels(absolute.state, skewed, np.float32([1, 1, 1, 0])).constant == 0


def test_several_inputs_and_outputs_are_diagnosed():
    net = Graph(
        Node("both", Sequential(Dense(32, He()), ReLU()), "a"),
        Node("digit", Sequential(Dense(4, GlorotUniform()), Softmax()), "both"),
        Node("part", Dense(8), "b"),
        Node("sum", Concatenate(), "both", "part"),
        Node("size", Dense(1), "sum"),
        inputs=("a", "b"),
        outputs=("digit", "size"),
    )
    losses = {"digit": CrossEntropy(), "size": MeanSquaredError()}
    model = net.compile({"a": (20,), "b": (20,)}, losses, Adam(0.001), seed=0)
    x, y = {"a": X, "b": X[:, ::-1]}, {"digit": Y, "size": X[:, 0]}
    assert model.diagnose(x, y).kinds == []
    history = model.fit(x, y, epochs=8, policies=[Watch(20)])
    assert history.findings == []
    model.weights["both.dense1.b"][:] = -40
    assert "dead-relu" in model.diagnose(x, y, overfit=False).kinds


# -- the object -------------------------------------------------------------------------------------------------------


def test_a_diagnosis_is_a_list_with_a_text_a_table_and_a_record():
    model = compiled(network(64, 64), Adam(1e-8))
    diagnosis = model.diagnose(X, Y, overfit=False)
    assert isinstance(diagnosis, Diagnosis)
    assert len(diagnosis) == 3
    assert isinstance(diagnosis[0], Finding)
    assert diagnosis.record()[0]["where"] == "dense1"
    assert str(diagnosis).count("\n") == 2
    assert repr(diagnosis) == "Diagnosis(3 findings: small-update)"
    assert "<table" in diagnosis._repr_html_()
    assert "No findings" in Diagnosis()._repr_html_()
    assert (diagnosis + Diagnosis([], ["why"])).left_out == ("why",)


def test_a_diagnosis_changes_nothing():
    model = compiled(network(64, 64, activation=ReLU()), Adam(0.001))
    model.fit(X, Y, epochs=1)
    twin = copy.copy(model)
    model.diagnose(X, Y)
    for one in (model, twin):
        one.fit(X, Y, epochs=1)
    assert np.array_equal(model.parameters, twin.parameters)


def test_images_of_bytes_and_invalid_data():
    images = RANDOM.integers(0, 255, (300, 8, 8, 1), np.uint8)
    labels = RANDOM.integers(0, 3, 300)
    model = Sequential(Flatten(), Dense(32, He()), ReLU(), Dense(3), Softmax()).compile((8, 8, 1), CrossEntropy(), seed=0)
    assert model.diagnose(images, labels, overfit=False).kinds == []
    with pytest.raises(DataError, match="the set is empty"):
        model.diagnose(images[:0], labels[:0])


def test_the_page_lists_all_kinds_with_their_thresholds():
    page = (Path(__file__).parents[2] / "docs/doctor.md").read_text(encoding="utf-8")
    rows = {name: cells.split(" | ") for name, cells in re.findall(r"^\| `([\w-]+)` \| (.*) \|$", page, re.MULTILINE)}
    for name, kind in KINDS.items():
        assert float(rows[name][1]) == kind.threshold, name
