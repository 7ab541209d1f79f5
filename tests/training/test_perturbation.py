"""Learning by perturbing weights: its estimates of the gradient, its cost, and that it learns."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pellucid import (
    SGD,
    Accuracy,
    Adam,
    BatchNorm,
    ConfigError,
    CrossEntropy,
    Dense,
    Dropout,
    EpochEvent,
    FitOptions,
    Frozen,
    Perturbation,
    Sequential,
    Softmax,
    StepEvent,
    Tanh,
    kernels as kernel_sets,
)
from pellucid.data import planar
from pellucid.training.perturbation import PerturbedStep
from pellucid.training.state import ModelState
from pellucid.training.step import GradientStep

X = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]], np.float32)
XOR = np.array([0, 1, 1, 0])
NETWORK = Sequential(Dense(4), Tanh(), Dense(2), Softmax())
WEIGHTS = 2 * 4 + 4 + 4 * 2 + 2


def gradients(method, network=NETWORK, repeats=1, dtype=np.float64):
    """Return the exact gradient, the estimates (repeats, …) and the step, at one point, for a batch with weights."""
    state = ModelState(network, (2,), CrossEntropy(), SGD(0.1), 3, kernel_sets.load(), dtype)
    random = np.random.default_rng(0)
    x, y, w = random.normal(size=(12, 2)).astype(dtype), np.arange(12) % 2, random.uniform(0.1, 2, 12).astype(dtype)
    exact = GradientStep(state)
    loss = exact(x, y, w, 1)
    perturbed = PerturbedStep(state, method)
    estimates = []
    for step in range(1, repeats + 1):
        assert perturbed(x, y, w, 1 if repeats == 1 else step) == pytest.approx(loss, rel=1e-6)
        estimates.append(perturbed.gradient.copy())
    np.testing.assert_allclose(perturbed.outputs, exact.outputs, rtol=1e-5)
    assert perturbed.weight == exact.weight
    return exact.gradient, np.array(estimates), perturbed


def test_one_weight_at_a_time_gives_the_gradient():
    for sigma in (1e-3, 1e-5):
        exact, (estimate,), step = gradients(Perturbation("one", sigma))
        np.testing.assert_allclose(estimate, exact, rtol=0, atol=sigma)  # ½ σ times the curvature
        assert np.abs(exact).max() > 0.05
        assert step.forward_passes == 1 + WEIGHTS == Perturbation("one").forward_passes(WEIGHTS)


def test_noise_is_the_same_in_all_passes_of_a_step():
    network = Sequential(Dense(4), BatchNorm(), Dropout(0.5), Tanh(), Dense(2), Softmax())
    exact, (estimate,), step = gradients(Perturbation("one", 1e-6), network)
    np.testing.assert_allclose(estimate, exact, rtol=0, atol=1e-4)
    reference, step = GradientStep(step.state), PerturbedStep(step.state, Perturbation("parallel", 0.3, 3))
    x = np.random.default_rng(0).normal(size=(12, 2))
    for one in (reference, step):
        one(x, np.arange(12) % 2, np.ones(12), 1)
    np.testing.assert_allclose(step.statistics, reference.statistics, rtol=1e-12)  # they are updated once a step


def test_a_part_of_a_batch_has_the_noise_of_its_place():
    network = Sequential(Dense(4), BatchNorm(), Dropout(0.5), Dense(2), Softmax())
    state = ModelState(network, (2,), CrossEntropy(), SGD(0.1), 3, kernel_sets.load())
    x, y, w = np.random.default_rng(0).normal(size=(12, 2)).astype(np.float32), np.arange(12) % 2, np.ones(12, np.float32)
    exact, perturbed = GradientStep(state), PerturbedStep(state, Perturbation("parallel"))
    losses = []
    for part in (slice(0, 6), slice(6, 12)):
        expected = exact(x[part], y[part], w[part], 1, part.start)
        losses.append(perturbed(x[part], y[part], w[part], 1, part.start))
        assert losses[-1] == pytest.approx(expected, rel=1e-5)
        np.testing.assert_allclose(perturbed.statistics, exact.statistics, rtol=1e-5)
    assert perturbed(x[6:], y[6:], w[6:], 1) != pytest.approx(losses[1], rel=1e-3)


def test_a_step_begins_with_the_statistics_of_the_model():
    state = ModelState(
        Sequential(Dense(4), BatchNorm(), Dense(2), Softmax()), (2,), CrossEntropy(), SGD(0.1), 3, kernel_sets.load()
    )
    x, y, w = np.random.default_rng(0).normal(size=(12, 2)).astype(np.float32), np.arange(12) % 2, np.ones(12, np.float32)
    used = PerturbedStep(state, Perturbation("parallel"))
    used(x, y, w, 1)
    state.statistics[:] = 5
    used(x, y, w, 2)
    new = PerturbedStep(state, Perturbation("parallel"))
    new(x, y, w, 2)
    np.testing.assert_array_equal(used.statistics, new.statistics)
    np.testing.assert_array_equal(used.gradient, new.gradient)
    assert used.forward_passes == new.forward_passes == 2


def test_some_weights_in_each_step():
    exact, estimates, step = gradients(Perturbation("one", 1e-5, trials=5), repeats=300)
    chosen = estimates != 0
    assert (chosen.sum(axis=1) == 5).all()
    assert chosen.any(axis=0).sum() == WEIGHTS, "every weight is chosen at some time, and no padding"
    np.testing.assert_allclose(estimates[chosen], np.broadcast_to(exact, estimates.shape)[chosen], rtol=0, atol=1e-4)
    assert step.forward_passes == 6


def test_many_parallel_trials_approach_the_gradient():
    """For each weight, the noise of one trial is as large as the norm of the gradient, so the mean of n trials has an error of
    ‖g‖/√n. Measured over four seeds: 0.6 to 1.4 times that."""
    trials = 4000
    exact, (estimate,), step = gradients(Perturbation("parallel", 1e-4, trials))
    norm = float(np.linalg.norm(exact))
    assert np.abs(estimate - exact).max() < 5 * norm / np.sqrt(trials)
    assert np.dot(estimate, exact) / np.linalg.norm(estimate) > 0.95 * norm
    assert step.forward_passes == 1 + trials == Perturbation("parallel", trials=trials).forward_passes(WEIGHTS)


def test_one_parallel_trial_is_a_poor_estimate():
    exact, estimates, _ = gradients(Perturbation("parallel", 1e-4), repeats=400)
    cosines = estimates @ exact / np.linalg.norm(estimates, axis=1) / np.linalg.norm(exact)
    assert np.abs(cosines).mean() < 0.35  # about 1/√22
    assert cosines.mean() > 0.1  # but positive: every estimate is the projection of the gradient on one direction
    assert (cosines > -1e-3).all()


def test_kept_changes_lower_the_loss_of_the_batch():
    model = NETWORK.compile((2,), CrossEntropy(), SGD(1.0))
    steps = list(model.fit_events(X, XOR, FitOptions(epochs=100, batch_size=4, method=Perturbation("keep", 0.3, 2))))
    losses = [event.loss for event in steps if isinstance(event, StepEvent)]
    assert all(after <= before + 1e-6 for before, after in itertools.pairwise(losses))
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("sigma", [0.01, 0.3])
def test_kept_changes_are_normal_with_the_width_sigma(sigma):
    _, changes, _ = gradients(Perturbation("keep", sigma), repeats=300)
    assert (np.count_nonzero(changes, axis=1) <= 1).all(), "one weight at a time"
    kept = np.abs(changes[changes != 0])
    assert 100 < len(kept) < 200, "about half of them lower the loss"
    assert np.mean(kept) == pytest.approx(sigma * np.sqrt(2 / np.pi), rel=0.2)
    assert np.std(kept) == pytest.approx(sigma * np.sqrt(1 - 2 / np.pi), rel=0.3)


@pytest.mark.parametrize(
    ("method", "optimizer", "epochs"),
    [
        (Perturbation("one"), Adam(0.05), 120),
        (Perturbation("parallel", 0.01, 8), Adam(0.03), 400),
        (Perturbation("keep", 0.3, 4), SGD(1.0), 400),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_every_kind_learns_xor(method, optimizer, epochs):
    """Measured over four seeds with 1.5 times the epochs: losses of at most 0.005. Guessing has 0.693."""
    model = NETWORK.compile((2,), CrossEntropy(), optimizer, [Accuracy()])
    history = model.fit(X, XOR, epochs=epochs, batch_size=4, method=method)
    assert model.evaluate(X, XOR)["accuracy"] == 1
    assert model.evaluate(X, XOR)["loss"] < 0.1
    assert history.forward_passes == epochs * method.forward_passes(WEIGHTS)
    for path, slot in model.state.layout.items():  # the padding between slots remains zero
        end = model.state.layout.offsets[path] + slot.size
        assert not model.parameters[end : -(-end // 16) * 16].any()


def test_the_events_are_those_of_back_propagation():
    moons = planar.moons(200, 0.15)

    def trained(method):
        model = Sequential(Dense(8), Tanh(), Dense(2), Softmax()).compile((2,), CrossEntropy(), Adam(0.05), [Accuracy()])
        return model, list(
            model.fit_events(moons, options=FitOptions(epochs=12, batch_size=50, method=method), validation=moons)
        )

    (propagated, expected), (perturbed, events) = trained(None), trained(Perturbation())
    assert [type(event) for event in events] == [type(event) for event in expected]
    assert [e.step for e in events if isinstance(e, StepEvent)] == [e.step for e in expected if isinstance(e, StepEvent)]
    assert events[-1].train.keys() == expected[-1].train.keys()
    assert isinstance(events[-1], EpochEvent)
    np.testing.assert_allclose(events[-1].validation["loss"], expected[-1].validation["loss"], atol=0.02)
    assert events[-1].validation["accuracy"] > 0.9
    assert (propagated.history.forward_passes, perturbed.history.forward_passes) == (12 * 4, 12 * 4 * 43)


def test_a_training_repeats_and_depends_on_the_seed():
    def change(seed, accumulate=1):
        model = NETWORK.compile((2,), CrossEntropy(), SGD(0.1), seed=seed)
        start = model.parameters.copy()
        model.fit(X, XOR, epochs=3, batch_size=2, accumulate=accumulate, method=Perturbation("parallel"))
        return model.parameters - start

    np.testing.assert_array_equal(change(1), change(1))
    assert (change(1) != change(2)).any()
    assert (change(1) != change(1, accumulate=2)).any()


def test_invalid_arguments_raise():
    with pytest.raises(ConfigError, match=r"kind='paralell'.*did you mean 'parallel'"):
        Perturbation("paralell")
    with pytest.raises(ConfigError, match="sigma must be above 0"):
        Perturbation(sigma=0)
    with pytest.raises(ConfigError, match="method must be a Perturbation"):
        NETWORK.compile((2,), CrossEntropy()).fit(X, XOR, method="parallel")
    model = NETWORK.compile((2,), CrossEntropy())
    before = model.parameters.copy()
    with pytest.raises(ConfigError, match=r"sigma=1e-12\): adding it to a weight of .* does not change it; use a larger sigma"):
        model.fit(X, XOR, method=Perturbation(sigma=1e-12))
    np.testing.assert_array_equal(model.parameters, before)


@pytest.mark.parametrize(
    ("method", "passes"),
    [
        (Perturbation("one"), 11),
        (Perturbation("one", trials=3), 4),
        (Perturbation("one", trials=30), 11),
        (Perturbation("parallel"), 2),
        (Perturbation("parallel", trials=3), 4),
        (Perturbation("keep"), 2),
        (Perturbation("keep", trials=30), 31),
    ],
    ids=repr,
)
def test_forward_passes_of_a_network_with_ten_weights(method, passes):
    assert method.forward_passes(10) == passes


def test_frozen_weights_are_not_perturbed():
    network = Sequential(Frozen(Dense(4)), Tanh(), Dense(2), Softmax())
    exact, (estimate,), step = gradients(Perturbation("one", 1e-6), network)
    assert step.forward_passes == 1 + 4 * 2 + 2
    np.testing.assert_allclose(estimate, exact, rtol=0, atol=1e-4)


def test_changes_that_lower_nothing_are_not_kept():
    state = ModelState(Sequential(Dense(2), Softmax()), (3,), CrossEntropy(), SGD(1.0), 0, kernel_sets.load(), np.float64)
    step = PerturbedStep(state, Perturbation("keep", 0.1, trials=20))
    indices = step._indices[: 3 * 2]
    step._indices = indices  # the weights, which have no effect on inputs of zero
    step(np.zeros((4, 3)), np.array([0, 1, 0, 1]), np.ones(4), 1)
    assert not step.gradient.any()
