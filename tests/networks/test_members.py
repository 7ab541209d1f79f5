"""Tests of ensembles in one network."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import (
    Adam,
    BatchNorm,
    ConfigError,
    Conv1D,
    CrossEntropy,
    Dense,
    DensePerPosition,
    Dropout,
    FitOptions,
    Flatten,
    Frozen,
    LearnedScale,
    MeanSquaredError,
    Members,
    Model,
    ReLU,
    Residual,
    Sequential,
    Signs,
    Softmax,
    Tanh,
)
from pellucid.networks import group_size
from pellucid.testing import run_layer

COUNT = 3
ENSEMBLE = Members(COUNT, LearnedScale(Signs()), Dense(4), Tanh(), DensePerPosition(2))
NAMES = ("members1.learnedscale1.scale", "members1.dense1.W", "members1.dense1.b")
HEAD = ("members1.denseperposition1.W", "members1.denseperposition1.b")


def model_of(network=ENSEMBLE, features=5, loss=None):
    return Sequential(network).compile((features,), loss or MeanSquaredError(), Adam(0.01), seed=2)


def samples(n, seed=0):
    generator = np.random.default_rng(seed)
    return generator.normal(size=(n, 5)).astype(np.float32), generator.normal(size=(n, 2)).astype(np.float32)


def of_member(w, j, x):
    """Return what member j computes, in NumPy."""
    scale, W, b = (w[name] for name in NAMES)
    own_W, own_b = (w[name] for name in HEAD)
    return np.tanh((x * scale[j]) @ W + b) @ own_W[j] + own_b[j]


def test_a_prediction_is_the_mean_of_the_members():
    model, (x, _) = model_of(), samples(7)
    members = [of_member(model.weights, j, x) for j in range(COUNT)]
    assert min(np.abs(members[0] - other).max() for other in members[1:]) > 0.1  # they differ
    np.testing.assert_allclose(model.predict(x), np.mean(members, axis=0), atol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 6, 7])
def test_in_training_each_sample_passes_through_one_member(n):
    model, (x, y) = model_of(), samples(n)
    w = {name: value.copy() for name, value in model.weights.items()}
    outputs = np.stack([of_member(w, i % COUNT, x[i : i + 1])[0] for i in range(n)])
    assert model.train_on_batch(x, y) == pytest.approx(((outputs - y) ** 2).mean(), rel=1e-5)
    # the first step of Adam changes each parameter whose gradient is not 0: here those of the members that had a sample
    changed = [bool((model.weights[HEAD[1]][j] != w[HEAD[1]][j]).all()) for j in range(COUNT)]
    assert changed == [j < n for j in range(COUNT)]


def test_the_member_of_a_sample_depends_on_its_place_in_the_whole_batch():
    x, y = samples(22)
    network = Members(COUNT, LearnedScale(Signs()), Dense(4), Tanh(), Dropout(0.4), DensePerPosition(2))
    trained = []
    for options in (FitOptions(epochs=2, batch_size=20, shuffle=False), FitOptions(2, 5, accumulate=4, shuffle=False)):
        model = model_of(network)
        for _ in model.fit_events(x, y, options):
            pass
        trained.append(model.parameters.copy())
    np.testing.assert_allclose(*trained, atol=2e-6)


def test_an_ensemble_learns_and_is_saved(tmp_path):
    generator = np.random.default_rng(1)
    x = generator.normal(size=(200, 5)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    network = Sequential(
        Members(4, LearnedScale(Signs()), Dense(16), ReLU(), Residual(Dense(16), ReLU()), DensePerPosition(2)), Softmax()
    )
    model = network.compile((5,), CrossEntropy(), Adam(0.02), seed=0)
    model.fit(x, y, epochs=40, batch_size=20, progress=False)
    assert (model.predict(x).argmax(1) == y).mean() > 0.95
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(Model.load(tmp_path / "model").predict(x), model.predict(x))


def test_frozen_members_compute_what_they_predict():
    model, (x, y) = model_of(Frozen(ENSEMBLE)), samples(4)
    before = model.predict(x)
    assert model.forward(x, training=True)[0] == pytest.approx(before, abs=1e-6)
    model.train_on_batch(x, y)
    np.testing.assert_array_equal(model.predict(x), before)


def test_the_gradient_of_a_prediction_is_that_of_the_mean():
    x = samples(2)[0].astype(np.float64)
    out = run_layer(ENSEMBLE, x, dy=np.ones((2, 2)), training=False)
    shifted = [run_layer(ENSEMBLE, x + 1e-4 * np.eye(5)[i], training=False).y.sum(axis=1) for i in range(5)]
    np.testing.assert_allclose((np.stack(shifted, 1) - out.y.sum(axis=1)[:, None]) / 1e-4, out.dx, atol=1e-3)


def test_layers_that_would_mix_members_are_refused():
    for layer in (Flatten(), Conv1D(2, 3), BatchNorm(), Residual(Conv1D(5, 1))):
        with pytest.raises(ConfigError, match="would mix the members"):
            Members(2, LearnedScale(), layer)
    with pytest.raises(ConfigError, match="all members would be the same"):
        Members(2, Dense(3), ReLU())
    with pytest.raises(ConfigError, match="count must be at least 2"):
        Members(1, LearnedScale())


def test_group_size():
    assert group_size(Dense(2)) == group_size(Sequential(Dense(2))) == 1
    assert group_size(Sequential(Dense(2), ENSEMBLE, Residual(Members(2, LearnedScale())))) == 6
