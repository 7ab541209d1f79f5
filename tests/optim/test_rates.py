"""Factors of the learning rate by pattern: ``Chain(…, rates={…})``."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import (
    L2,
    SGD,
    Adam,
    Chain,
    ClipNorm,
    ConfigError,
    CrossEntropy,
    Decay,
    Dense,
    Frozen,
    MaxNorm,
    Model,
    Muon,
    ReLU,
    Rprop,
    Sequential,
    Softmax,
    kernels as kernel_sets,
)
from pellucid.core.config import from_json, to_json
from pellucid.core.memory import Layout, Slot
from pellucid.initializers import Zeros
from pellucid.optim import Updater, with_learning_rate
from tests.kernels.dtypes import FLOAT64_KERNELS

KERNELS = pytest.mark.parametrize("kernels", [kernel_sets.load(name) for name in kernel_sets.SETS], ids=kernel_sets.SETS)
LAYOUT = Layout(
    {
        "embedding1.W": Slot((6, 3), Zeros()),
        "dense1.W": Slot((3, 20), Zeros()),
        "dense1.b": Slot((20,), Zeros(), decay=False),
        "fixed.W": Slot((2, 2), Zeros(), trained=False),
        "dense2.W": Slot((20, 4), Zeros()),
        "dense2.b": Slot((4,), Zeros(), decay=False),
    }
)
X = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
Y = (X[:, 0] > X[:, 1]).astype(int)
NETWORK = Sequential(Dense(8), ReLU(), Dense(2), Softmax())


def trained(optimizer, kernels, steps=5):
    """Return the arrays after some steps with gradients from a fixed stream."""
    random = np.random.default_rng(1)
    updater = Updater(optimizer, LAYOUT, kernels, np.float64)
    theta, g = LAYOUT.zeros(np.float64), LAYOUT.zeros(np.float64)
    for array in LAYOUT.arrays(theta).values():
        array[...] = random.normal(size=array.shape)
    for step in range(1, steps + 1):
        for array in LAYOUT.arrays(g).values():
            array[...] = random.normal(size=array.shape)
        updater.update(theta, g, 0.1, step)
    assert np.count_nonzero(theta) == LAYOUT.parameter_count  # the padding is still zero
    return LAYOUT.arrays(theta)


@FLOAT64_KERNELS
@pytest.mark.parametrize(
    "pieces",
    [
        (SGD(0.1),),
        (SGD(0.1, 0.9, nesterov=True),),
        (Adam(0.1),),
        (Muon(0.1),),
        (Rprop(0.1),),
        (Decay(0.3), Adam(0.1)),
        (L2(0.3), Decay(0.2), SGD(0.1)),
        (SGD(0.1), MaxNorm(0.7)),
    ],
    ids=repr,
)
def test_each_parameter_is_trained_as_with_its_own_rate(pieces, kernels):
    rates = {"*.b": 2.0, "embedding*": 0.1, "dense2.W": 0.0}
    got = trained(Chain(*pieces, rates=rates), kernels)
    factors = {"embedding1.W": 0.1, "dense1.W": 1.0, "dense1.b": 2.0, "dense2.b": 2.0}
    for path, factor in factors.items():
        alone = trained(Chain(*pieces, rates={"*": factor}), kernels)[path]
        np.testing.assert_array_equal(got[path], alone, err_msg=path)
    start = trained(Chain(*pieces), kernels, steps=0)
    for path in ("dense2.W", "fixed.W"):
        np.testing.assert_array_equal(got[path], start[path], err_msg=path)


@KERNELS
def test_the_factor_multiplies_the_step_and_the_decay(kernels):
    random = np.random.default_rng(1)
    before = {path: random.normal(size=slot.shape) for path, slot in LAYOUT.items()}
    g = {path: random.normal(size=slot.shape) for path, slot in LAYOUT.items()}
    norm = np.sqrt(sum((array**2).sum() for path, array in g.items() if path != "fixed.W"))
    rates = {"*.b": 2.0, "embedding*": 0.1, "dense2.W": 0.0}
    got = trained(Chain(ClipNorm(1.0), Decay(0.3), SGD(0.1), rates=rates), kernels, steps=1)
    for path, factor in (("embedding1.W", 0.1), ("dense1.W", 1.0), ("dense1.b", 2.0), ("dense2.W", 0.0), ("dense2.b", 2.0)):
        decay = 0.3 if path.endswith("W") else 0.0
        wanted = before[path] * (1 - 0.1 * factor * decay) - 0.1 * factor * g[path] / norm  # of all gradients together
        np.testing.assert_allclose(got[path], wanted, rtol=1e-13, err_msg=path)


def test_the_last_pattern_that_matches_holds():
    kernels = kernel_sets.load()
    got = trained(Chain(SGD(0.1), rates={"*": 0.5, "dense?.*": 0.0, "dense2.*": 1.0}), kernels)
    half, whole = (trained(Chain(SGD(0.1), rates={"*": factor}), kernels) for factor in (0.5, 1.0))
    start = trained(SGD(0.1), kernels, steps=0)
    for path, wanted in (
        ("embedding1.W", half),
        ("dense1.W", start),
        ("dense1.b", start),
        ("dense2.W", whole),
        ("dense2.b", whole),
    ):
        np.testing.assert_array_equal(got[path], wanted[path], err_msg=path)


def test_without_rates_a_component_gets_the_whole_vectors_once():
    calls = []

    class Counting:
        def sgd(self, theta, g, rate):
            calls.append((theta.size, g.size, rate))

    updater = Updater(SGD(0.1), LAYOUT, Counting())
    updater.update(LAYOUT.zeros(), LAYOUT.zeros(), 0.1, 1)
    assert calls == [(LAYOUT.trained_size, LAYOUT.trained_size, 0.1)]
    assert LAYOUT.trained_size < LAYOUT.size


@pytest.mark.parametrize(
    ("rates", "words"),
    [
        ({"dens1.*": 0.1}, r"no trained parameter matches the pattern; there are dense1.W, dense1.b, dense2.W, dense2.b"),
        ({"*": 1.0, "DENSE*": 0.1}, "'DENSE\\*': 0.1.*no trained parameter matches"),
        ({"*": -1.0}, "rates must be at least 0"),
        ({"*": "fast"}, "rates must be a number"),
        ({1: 2.0}, "rates must be a string"),
        (0.1, "rates maps patterns of paths to factors"),
    ],
)
def test_rates_that_do_not_fit_are_refused(rates, words):
    with pytest.raises(ConfigError, match=words):
        NETWORK.compile((5,), CrossEntropy(), Chain(SGD(0.1), rates=rates))


def test_rates_are_stored_and_stay_with_the_optimizer(tmp_path):
    optimizer = Chain(Decay(0.1), Adam(0.01), rates={"*": 0.1, "dense2.*": 1.0})
    assert from_json(to_json(optimizer), Chain) == optimizer
    assert optimizer == Chain(Decay(0.1), Adam(0.01), rates=[["*", 0.1], ["dense2.*", 1]])
    assert optimizer != Chain(Decay(0.1), Adam(0.01))
    assert repr(optimizer).endswith("Adam(learning_rate=0.01), rates={'*': 0.1, 'dense2.*': 1.0})")
    assert "rates" not in repr(Chain(Adam()))
    assert with_learning_rate(optimizer, 0.5) == Chain(Decay(0.1), Adam(0.5), rates={"*": 0.1, "dense2.*": 1.0})
    model = NETWORK.compile((5,), CrossEntropy(), optimizer)
    model.save(tmp_path / "model")
    assert Model.load(tmp_path / "model").optimizer == optimizer
    old = {key: value for key, value in to_json(optimizer).items() if key != "rates"}  # of a file from before they existed
    assert from_json(old, Chain) == Chain(Decay(0.1), Adam(0.01))
    assert optimizer in {optimizer}


def test_a_factor_of_zero_gives_the_bits_of_frozen_layers():
    held = NETWORK.compile((5,), CrossEntropy(), Chain(SGD(0.1, 0.9), rates={"dense1.*": 0.0}), seed=3)
    network = Sequential(Frozen(Dense(8)), ReLU(), Dense(2), Softmax())
    frozen = network.compile((5,), CrossEntropy(), SGD(0.1, 0.9), seed=3)
    frozen.weights["frozen1.dense1.W"][...] = held.weights["dense1.W"]
    frozen.weights["dense1.W"][...] = held.weights["dense2.W"]
    start = held.weights["dense1.W"].copy()
    for model in (held, frozen):
        model.fit(X, Y, epochs=3, batch_size=20)
    np.testing.assert_array_equal(held.weights["dense1.W"], start)
    np.testing.assert_array_equal(held.weights["dense2.W"], frozen.weights["dense1.W"])
    np.testing.assert_array_equal(held.weights["dense2.b"], frozen.weights["dense1.b"])


def test_the_learning_rate_finder_and_a_changed_rate_keep_the_factors():
    model = NETWORK.compile((5,), CrossEntropy(), Chain(SGD(0.1), rates={"dense1.*": 0.0}), seed=3)
    before = model.weights["dense1.W"].copy()
    found = model.find_learning_rate(X, Y, batch_size=10, steps=30)
    plain = NETWORK.compile((5,), CrossEntropy(), SGD(0.1), seed=3).find_learning_rate(X, Y, batch_size=10, steps=30)
    assert found.losses[0] == plain.losses[0]
    assert (found.losses[5:15] != plain.losses[5:15]).all()
    np.testing.assert_array_equal(model.weights["dense1.W"], before)
