"""Optimizers against loops by hand, in float64, every option on; schedules against their formulas."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest

from pellucid import (
    L1,
    L2,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Chain,
    ClipNorm,
    ClipValue,
    ConfigError,
    Cosine,
    CrossEntropy,
    Decay,
    Dense,
    ElasticNet,
    Exponential,
    InverseTime,
    Lion,
    MaxNorm,
    Muon,
    Nadam,
    OneCycle,
    Polynomial,
    RMSprop,
    Sequential,
    Softmax,
    StepDecay,
    WarmRestarts,
    WarmUp,
    kernels as kernel_sets,
)
from pellucid.core.config import registered_classes
from pellucid.core.memory import Layout, Slot
from pellucid.initializers import Zeros
from pellucid.optim import Clock, Component, Schedule, Transform, Updater, components_of, rule_of, with_learning_rate

KERNELS = pytest.mark.parametrize("kernels", [kernel_sets.load(name) for name in kernel_sets.SETS], ids=kernel_sets.SETS)
LAYOUT = Layout({"W": Slot((4, 5), Zeros()), "b": Slot((5,), Zeros(), decay=False), "V": Slot((5, 3), Zeros())})
STEPS = 20


def run(optimizer, kernels, scale=1.0):
    """Return (W, b, V) after STEPS steps with gradients from a fixed stream, the vector of parameters and the updater."""
    random = np.random.default_rng(0)
    updater = Updater(optimizer, LAYOUT, kernels, np.float64)
    theta, g = LAYOUT.zeros(np.float64), LAYOUT.zeros(np.float64)
    for array in LAYOUT.arrays(theta).values():
        array[...] = random.normal(size=array.shape)
    for step in range(1, STEPS + 1):
        for array in LAYOUT.arrays(g).values():
            array[...] = scale * random.normal(size=array.shape)
        updater.update(theta, g, updater.rate(Clock(step, (step - 1) / 2, step / STEPS)), step)
    return LAYOUT.arrays(theta), theta, updater


def by_hand(update, scale=1.0):
    """Return the same for ``update(w, g, step, memory, decayed, norm)``, which returns the new w, one array after the other."""
    random = np.random.default_rng(0)
    arrays = {path: random.normal(size=slot.shape) for path, slot in LAYOUT.items()}
    memory = {path: {} for path in arrays}
    for step in range(1, STEPS + 1):
        gradients = {path: scale * random.normal(size=a.shape) for path, a in arrays.items()}
        norm = math.sqrt(sum((g**2).sum() for g in gradients.values()))
        for path, w in arrays.items():
            arrays[path] = update(w, gradients[path], step, memory[path], path != "b", norm)
    return arrays


def momentum(w, g, memory, rate, mu, nesterov):
    v = memory["v"] = mu * memory.get("v", 0) + g
    return w - rate * (g + mu * v if nesterov else v)


def adam(w, g, t, memory, rate, b1, b2, epsilon):
    m = memory["m"] = b1 * memory.get("m", 0) + (1 - b1) * g
    v = memory["v"] = b2 * memory.get("v", 0) + (1 - b2) * g**2
    return w - rate * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + epsilon)


def amsgrad(w, g, t, memory, rate, b1, b2, epsilon):
    m = memory["m"] = b1 * memory.get("m", 0) + (1 - b1) * g
    v = memory["v"] = b2 * memory.get("v", 0) + (1 - b2) * g**2
    largest = memory["largest"] = np.maximum(memory.get("largest", 0), v)
    return w - rate * (m / (1 - b1**t)) / (np.sqrt(largest / (1 - b2**t)) + epsilon)


def nadam(w, g, t, memory, rate, b1, b2, epsilon, psi):
    """Compute all momentum factors anew in every step."""
    m = memory["m"] = b1 * memory.get("m", 0) + (1 - b1) * g
    v = memory["v"] = b2 * memory.get("v", 0) + (1 - b2) * g**2
    mu = [b1 * (1 - 0.5 * 0.96 ** (k * psi)) for k in range(1, t + 2)]
    look = (1 - mu[t - 1]) * g / (1 - math.prod(mu[:t])) + mu[t] * m / (1 - math.prod(mu))
    return w - rate * look / (np.sqrt(v / (1 - b2**t)) + epsilon)


def adamax(w, g, t, memory, rate, b1, b2, epsilon):
    m = memory["m"] = b1 * memory.get("m", 0) + (1 - b1) * g
    u = memory["u"] = np.maximum(b2 * memory.get("u", np.zeros_like(g)), abs(g) + epsilon)
    return w - rate * m / (1 - b1**t) / u


def rmsprop(w, g, memory, rate, alpha, epsilon, mu=0.0, centered=False):
    v = memory["v"] = alpha * memory.get("v", 0) + (1 - alpha) * g**2
    a = memory["a"] = alpha * memory.get("a", 0) + (1 - alpha) * g
    u = memory["u"] = mu * memory.get("u", 0) + g / (np.sqrt(v - a**2 if centered else v) + epsilon)
    return w - rate * u


def adagrad(w, g, memory, rate, initial, epsilon):
    s = memory["s"] = memory.get("s", initial) + g**2  # as in PyTorch: the accumulator begins with this value
    return w - rate * g / (np.sqrt(s) + epsilon)


def adadelta(w, g, memory, rate, rho, epsilon):
    v = memory["v"] = rho * memory.get("v", 0) + (1 - rho) * g**2
    d = np.sqrt(memory.get("u", 0) + epsilon) / np.sqrt(v + epsilon) * g
    memory["u"] = rho * memory.get("u", 0) + (1 - rho) * d**2
    return w - rate * d


def lion(w, g, memory, rate, b1, b2):
    m = memory.get("m", 0)
    memory["m"] = b2 * m + (1 - b2) * g
    return w - rate * np.sign(b1 * m + (1 - b1) * g)


def muon(w, g, t, memory, rate, mu, b1, b2, eps):
    """Apply the five rounds of the polynomial to the singular values; update biases by Adam."""
    if w.ndim < 2:
        return adam(w, g, t, memory, rate, b1, b2, eps)
    memory["m"] = mu * memory.get("m", 0) + g
    u, s, v = np.linalg.svd((g + mu * memory["m"]).reshape(-1, w.shape[-1]), full_matrices=False)
    s /= math.sqrt((s**2).sum())
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    return w - rate * 0.2 * math.sqrt(max(len(u), len(v.T))) * ((u * s) @ v).reshape(w.shape)


def bounded(w, limit):
    """Limit w column by column; a bias has no columns."""
    if w.ndim == 2:
        for j in range(w.shape[1]):
            length = math.sqrt(sum(x * x for x in w[:, j]))
            w[:, j] *= limit / length if length > limit else 1
    return w


def clipped(g, norm, limit):
    return g * min(1, limit / norm)


def cosine(step):
    return 0.01 + 0.045 * (1 + math.cos(math.pi * step / STEPS))


ROWS = [
    (SGD(0.1), lambda w, g, t, memory, decayed, norm: w - 0.1 * g),
    (SGD(0.1, 0.9), lambda w, g, t, memory, decayed, norm: momentum(w, g, memory, 0.1, 0.9, False)),
    (SGD(0.1, 0.8, nesterov=True), lambda w, g, t, memory, decayed, norm: momentum(w, g, memory, 0.1, 0.8, True)),
    (Adam(), lambda w, g, t, memory, decayed, norm: adam(w, g, t, memory, 0.001, 0.9, 0.999, 1e-8)),
    (Adam(0.05, 0.7, 0.9, 0.1), lambda w, g, t, memory, decayed, norm: adam(w, g, t, memory, 0.05, 0.7, 0.9, 0.1)),
    (
        Adam(StepDecay(0.1, 0.5, 3)),  # for run(), a step is half an epoch
        lambda w, g, t, memory, decayed, norm: adam(w, g, t, memory, 0.1 * 0.5 ** ((t - 1) // 6), 0.9, 0.999, 1e-8),
    ),
    (
        AdamW(0.01, decay=0.1, beta1=0.8, beta2=0.95, epsilon=1e-6),
        lambda w, g, t, memory, decayed, norm: adam(w * (1 - 0.01 * 0.1 * decayed), g, t, memory, 0.01, 0.8, 0.95, 1e-6),
    ),
    (
        Adam(0.05, 0.7, 0.8, 0.1, amsgrad=True),
        lambda w, g, t, memory, decayed, norm: amsgrad(w, g, t, memory, 0.05, 0.7, 0.8, 0.1),
    ),
    (
        AdamW(0.01, 0.1, amsgrad=True),
        lambda w, g, t, memory, decayed, norm: amsgrad(w * (1 - 0.01 * 0.1 * decayed), g, t, memory, 0.01, 0.9, 0.999, 1e-8),
    ),
    (Nadam(), lambda w, g, t, memory, decayed, norm: nadam(w, g, t, memory, 0.002, 0.9, 0.999, 1e-8, 0.004)),
    (
        Nadam(0.1, 0.8, 0.95, 0.01, momentum_decay=3.0),
        lambda w, g, t, memory, decayed, norm: nadam(w, g, t, memory, 0.1, 0.8, 0.95, 0.01, 3.0),
    ),
    (Adamax(), lambda w, g, t, memory, decayed, norm: adamax(w, g, t, memory, 0.002, 0.9, 0.999, 1e-8)),
    (Adamax(0.1, 0.8, 0.7, 0.3), lambda w, g, t, memory, decayed, norm: adamax(w, g, t, memory, 0.1, 0.8, 0.7, 0.3)),
    (RMSprop(), lambda w, g, t, memory, decayed, norm: rmsprop(w, g, memory, 0.01, 0.99, 1e-8)),
    (RMSprop(0.1, 0.9, 0.2, 0.7), lambda w, g, t, memory, decayed, norm: rmsprop(w, g, memory, 0.1, 0.9, 0.2, 0.7)),
    (
        RMSprop(0.1, 0.8, 0.2, centered=True),
        lambda w, g, t, memory, decayed, norm: rmsprop(w, g, memory, 0.1, 0.8, 0.2, 0.0, True),
    ),
    (
        RMSprop(0.1, 0.8, 0.2, 0.7, centered=True),
        lambda w, g, t, memory, decayed, norm: rmsprop(w, g, memory, 0.1, 0.8, 0.2, 0.7, True),
    ),
    (Adagrad(), lambda w, g, t, memory, decayed, norm: adagrad(w, g, memory, 0.01, 0.0, 1e-10)),
    (Adagrad(0.3, 0.5, 0.1), lambda w, g, t, memory, decayed, norm: adagrad(w, g, memory, 0.3, 0.5, 0.1)),
    (Adadelta(), lambda w, g, t, memory, decayed, norm: adadelta(w, g, memory, 1.0, 0.9, 1e-6)),
    (Adadelta(0.5, 0.8, 0.01), lambda w, g, t, memory, decayed, norm: adadelta(w, g, memory, 0.5, 0.8, 0.01)),
    (Lion(), lambda w, g, t, memory, decayed, norm: lion(w, g, memory, 0.0001, 0.9, 0.99)),
    (
        Chain(Decay(0.2), Lion(0.02, 0.8, 0.6)),
        lambda w, g, t, memory, decayed, norm: lion(w * (1 - 0.02 * 0.2 * decayed), g, memory, 0.02, 0.8, 0.6),
    ),
    (Muon(), lambda w, g, t, memory, decayed, norm: muon(w, g, t, memory, 0.001, 0.95, 0.9, 0.999, 1e-8)),
    (
        Chain(Decay(0.2), Muon(0.1, 0.5, 0.8, 0.9, 1e-4)),
        lambda w, g, t, memory, decayed, norm: muon(w * (1 - 0.1 * 0.2 * decayed), g, t, memory, 0.1, 0.5, 0.8, 0.9, 1e-4),
    ),
    (Chain(ClipValue(0.4), SGD(0.1)), lambda w, g, t, memory, decayed, norm: w - 0.1 * np.clip(g, -0.4, 0.4)),
    (Chain(L1(0.3), SGD(0.1)), lambda w, g, t, memory, decayed, norm: w - 0.1 * (g + 0.3 * np.sign(w) * decayed)),
    (
        Chain(ElasticNet(0.3, 0.2), SGD(0.1)),
        lambda w, g, t, memory, decayed, norm: w - 0.1 * (g + (0.3 * np.sign(w) + 0.2 * w) * decayed),
    ),
    (
        Chain(ClipValue(1.0), L2(0.1), SGD(0.1, 0.5), MaxNorm(1.2), MaxNorm(9.0)),
        lambda w, g, t, memory, decayed, norm: bounded(
            momentum(w, np.clip(g, -1, 1) + 0.1 * w * decayed, memory, 0.1, 0.5, False), 1.2
        ),
    ),
    (Chain(L2(0.3), SGD(0.1)), lambda w, g, t, memory, decayed, norm: w - 0.1 * (g + 0.3 * w * decayed)),
    (Chain(Decay(0.3), SGD(0.1)), lambda w, g, t, memory, decayed, norm: w * (1 - 0.1 * 0.3 * decayed) - 0.1 * g),
    (Chain(ClipNorm(2.0), SGD(0.1)), lambda w, g, t, memory, decayed, norm: w - 0.1 * clipped(g, norm, 2)),
    (
        Chain(ClipNorm(2.0), L2(0.1), L2(0.2), Decay(0.5), SGD(Cosine(0.1, 0.01), 0.9, nesterov=True)),
        # the penalty comes after the clipping; L2 sees the weights before they decay
        lambda w, g, t, memory, decayed, norm: momentum(
            w * (1 - cosine(t) * 0.5 * decayed), clipped(g, norm, 2) + 0.3 * w * decayed, memory, cosine(t), 0.9, True
        ),
    ),
]


@KERNELS
@pytest.mark.parametrize(("optimizer", "update"), ROWS, ids=[repr(row[0]) for row in ROWS])
def test_twenty_steps_by_hand(optimizer, update, kernels):
    got, theta, _ = run(optimizer, kernels)
    wanted = by_hand(update)
    for path, array in got.items():
        np.testing.assert_allclose(array, wanted[path], rtol=0, atol=1e-12, err_msg=path)
    assert np.count_nonzero(theta) == LAYOUT.parameter_count  # the padding is still zero


def test_the_table_has_every_component():
    tested = {type(component) for optimizer, _ in ROWS for component in components_of(optimizer)}
    assert set(registered_classes(Component).values()) == tested


@KERNELS
def test_biases_are_not_decayed(kernels):
    plain, decayed, pulled = (run(o, kernels)[0] for o in (SGD(0.1), Chain(Decay(0.3), SGD(0.1)), Chain(L2(0.3), SGD(0.1))))
    for other in (decayed, pulled):
        np.testing.assert_array_equal(other["b"], plain["b"])
        assert (other["W"] != plain["W"]).all()
        assert (other["V"] != plain["V"]).all()


@KERNELS
def test_clipping_shortens_long_gradients_only(kernels):
    g = np.array([3.0, 4.0])
    ClipNorm(5.0).apply(g, g, [], 0.1, 1, kernels)
    assert g.tolist() == [3, 4]
    ClipNorm(2.5).apply(g, g, [], 0.1, 1, kernels)
    np.testing.assert_allclose(g, [1.5, 2])


@KERNELS
def test_adam_does_not_depend_on_the_scale_of_the_gradient(kernels):
    one, other = (run(Adam(0.01, epsilon=1e-30), kernels, scale)[1] for scale in (1.0, 1024.0))
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-13)


@KERNELS
def test_moments_become_zero_instead_of_denormal(kernels):
    theta, g, state = np.ones(4, np.float32), np.full(4, 1e-20, np.float32), [np.zeros(4, np.float32) for _ in range(2)]
    Adam().apply(theta, g, state, 0.1, 1, kernels)
    assert state[0].all()
    assert not state[1].any()  # (1e-20)² / 1000 would be denormal in float32
    v = np.full(4, 1e-29, np.float32)
    SGD(0.1, 0.01).apply(theta, np.zeros(4, np.float32), [v], 0.1, 1, kernels)
    assert not v.any()


# -- chains ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Chain(), "a Chain needs a rule after its transforms"),
        (lambda: Chain(ClipNorm(1.0)), "a Chain needs a rule after its transforms"),
        (lambda: Chain(SGD(0.1), ClipNorm(1.0)), "a Chain needs a rule after its transforms"),
        (lambda: Chain(SGD(0.1), Adam()), r"a Chain has one rule, got SGD\(.* and Adam\(\): remove one"),
        (lambda: Chain(Chain(SGD(0.1)), SGD(0.1)), "pieces must be a Component, not Chain"),
        (lambda: Chain(MaxNorm(1.0)), "a Chain needs a rule after its transforms"),
        (lambda: Chain(SGD(0.1), MaxNorm(1.0), ClipNorm(1.0)), r"only constraints may come after the rule: Chain\(SGD"),
        (
            lambda: Chain(MaxNorm(1.0), SGD(0.1)),
            r"MaxNorm\(limit=1.0\) limits the parameters.*: put it after SGD",
        ),
        (lambda: Chain(SGD(0.1), MaxNorm(1.0), Adam()), r"a Chain has one rule, got SGD\(.* and Adam\(\): remove one"),
        (lambda: SGD(0.1, nesterov=True), "needs momentum above 0, for example momentum=0.9"),
        (lambda: Adam(beta1=1.0), "beta1 must be at least 0 and below 1"),
        (lambda: Adam(epsilon=0), "epsilon must be at least 1e-30"),  # 0 would give 0/0 for a zero gradient
        (lambda: ClipNorm(0), "limit must be above 0"),
        (lambda: AdamW(decay=-1), "strength must be at least 0"),
        (lambda: RMSprop(alpha=1.0), "alpha must be at least 0 and below 1"),
        (lambda: MaxNorm(0), "limit must be above 0"),
        (lambda: WarmRestarts(0.1, 5, 0.5), "factor must be at least 1"),
    ],
)
def test_invalid_optimizers_are_refused(make, words):
    with pytest.raises(ConfigError, match=words):
        make()


def test_the_state_vectors_of_each_component_have_their_own_names():
    @dataclass(frozen=True)
    class Average(Transform):
        """A transform of a user, with state and used twice: g ← s ← (s + g)/2."""

        state_names = ("s",)

        def apply(self, theta, g, state, rate, step, kernels):
            state[0][:] = (state[0] + g) / 2
            g[:] = state[0]

    _, _, updater = run(Chain(Average(), Average(), SGD(0.1, 0.9)), kernel_sets.load())
    assert list(updater.state) == ["average1.s", "average2.s", "sgd1.v"]
    assert (updater.state["average1.s"] != updater.state["average2.s"]).any()
    assert list(run(Adam(), kernel_sets.load())[2].state) == ["adam1.m", "adam1.v"]


@KERNELS
@pytest.mark.parametrize(
    "rule",
    [Adam(amsgrad=True), Nadam(), Adamax(), RMSprop(momentum=0.01, centered=True), Adagrad(), Adadelta(), Lion(), Muon()],
    ids=repr,
)
def test_rules_leave_no_denormal_moments_and_accept_zero_gradients(rule, kernels):
    layout = Layout({"W": Slot((40, 1), Zeros())})
    updater = Updater(rule, layout, kernels)
    theta, g = layout.zeros() + np.float32(1), layout.zeros()
    for step in range(1, 5):
        g[:] = np.geomspace(1e-38, 1e-15, g.size) if step == 1 else 0
        updater.update(theta, g, 0.1, step)
        assert np.isfinite(theta).all()
        for name, vector in updater.state.items():
            small = np.abs(vector[vector != 0])
            assert small.min(initial=1) >= 1e-30, f"{name} after step {step}"


@KERNELS
def test_the_variance_of_a_constant_gradient_is_never_negative(kernels):
    theta, state = np.zeros(500, np.float32), [np.zeros(500, np.float32) for _ in range(2)]
    g = np.random.default_rng(0).uniform(0.1, 3, 500).astype(np.float32)
    for step in range(1, 400):  # v and a² become equal, up to rounding
        RMSprop(alpha=0.9, centered=True).apply(theta, g.copy(), state, 1e-9, step, kernels)
    assert np.isfinite(theta).all()


@KERNELS
def test_muon_steps_have_the_same_size_in_all_directions_also_for_convolutions(kernels):
    layout = Layout({"taps": Slot((3, 3, 2, 6), Zeros()), "W": Slot((4, 9), Zeros()), "constant": Slot((5, 5), Zeros())})
    theta, g = layout.zeros(), layout.zeros()
    for path in ("taps", "W"):
        stretched = np.random.default_rng(2).normal(size=layout[path].shape) * np.geomspace(1, 50, layout[path].shape[-1])
        layout.array(g, path)[...] = 1e-4 * stretched
    Updater(Muon(), layout, kernels).update(theta, g, 0.01, 1)
    for path, longest in (("taps", 18), ("W", 9)):
        step = layout.array(theta, path)
        sizes = np.linalg.svd(step.reshape(-1, step.shape[-1]), compute_uv=False) / (0.01 * 0.2 * math.sqrt(longest))
        assert 0.67 < sizes.min() <= sizes.max() < 1.21
    assert not layout.array(theta, "constant").any()  # no gradient, no step


@KERNELS
def test_max_norm_limits_each_slot_in_its_shape(kernels):
    layout = Layout({"taps": Slot((3, 3, 2, 5), Zeros()), "b": Slot((5,), Zeros(), decay=False), "gain": Slot((7,), Zeros())})
    theta, g = (layout.zeros(np.float64) for _ in range(2))
    for array in layout.arrays(theta).values():
        array[...] = np.random.default_rng(1).normal(0, 5, array.shape)
    before = {path: array.copy() for path, array in layout.arrays(theta).items()}
    before["taps"][..., 3] = layout.array(theta, "taps")[..., 3] = 0.01  # a unit within bounds, and one of zeros
    before["taps"][..., 4] = layout.array(theta, "taps")[..., 4] = 0.0
    Updater(Chain(SGD(0.1), MaxNorm(2.0)), layout, kernels, np.float64).update(theta, g, 0.1, 1)
    after = layout.arrays(theta)
    for path in ("b", "gain"):
        np.testing.assert_array_equal(after[path], before[path])
    np.testing.assert_allclose(np.sqrt((after["taps"] ** 2).sum(axis=(0, 1, 2)))[:3], 2.0, rtol=1e-14)
    np.testing.assert_array_equal(after["taps"][..., 3:], before["taps"][..., 3:])


def test_a_trained_model_has_weights_within_max_norm():
    x, y = np.random.default_rng(0).normal(size=(40, 4)), np.arange(40) % 2
    model = Sequential(Dense(3), Dense(2), Softmax()).compile((4,), CrossEntropy(), Chain(SGD(1.0), MaxNorm(0.5)))
    model.fit(x, y, epochs=3, batch_size=10)
    for path, array in model.weights.items():
        if path.endswith("W"):
            assert np.sqrt((array**2).sum(axis=0)).max() <= 0.5 + 1e-6
    again = type(model.optimizer)(*model.optimizer.pieces)
    assert again == model.optimizer


# -- schedules -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "clock", "rate"),
    [
        (StepDecay(0.8, 0.5, 2), Clock(1, 0.0), 0.8),
        (StepDecay(0.8, 0.5, 2), Clock(1, 1.99), 0.8),
        (StepDecay(0.8, 0.5, 2), Clock(1, 2.0), 0.4),
        (StepDecay(0.8, 0.5, 2), Clock(1, 7.5), 0.1),
        (Cosine(0.4, 0.2), Clock(1, 0, 0.0), 0.4),
        (Cosine(0.4, 0.2), Clock(1, 0, 0.5), 0.3),
        (Cosine(0.4, 0.2), Clock(1, 0, 1.0), 0.2),
        (Cosine(0.4), Clock(1, 0, 1 / 3), 0.3),
        (Exponential(0.8, 0.25), Clock(1, 0.0), 0.8),
        (Exponential(0.8, 0.25), Clock(1, 1.5), 0.1),
        (InverseTime(0.8, 2.0), Clock(1, 0.0), 0.8),
        (InverseTime(0.8, 2.0), Clock(1, 1.5), 0.2),
        (Polynomial(0.8, 0.2), Clock(1, 0, 0.25), 0.65),
        (Polynomial(0.8, 0.2, 2.0), Clock(1, 0, 0.5), 0.35),
        (Polynomial(0.8, 0.2, 0.5), Clock(1, 0, 0.75), 0.5),
        (Polynomial(0.8, 0.2), Clock(1, 0, 1.0), 0.2),
        (WarmUp(0.5, 2), Clock(1, 0.0), 0.005),
        (WarmUp(0.5, 2), Clock(1, 1.0), 0.2525),
        (WarmUp(0.5, 2), Clock(1, 2.0), 0.5),
        (WarmUp(0.5, 2), Clock(1, 7.0), 0.5),
        (WarmUp(Exponential(0.8, 0.25), 2), Clock(1, 1.0), 0.2 * 0.505),
        (WarmUp(Exponential(0.8, 0.25), 2), Clock(1, 3.0), 0.0125),
        (WarmRestarts(0.4, 2), Clock(1, 0.0), 0.4),
        (WarmRestarts(0.4, 2), Clock(1, 1.0), 0.2),
        (WarmRestarts(0.4, 2), Clock(1, 5.0), 0.2),
        (WarmRestarts(0.4, 2), Clock(1, 6.0), 0.4),
        (WarmRestarts(0.4, 2, 3.0, end=0.2), Clock(1, 2.0), 0.4),  # periods: to 2, to 8, to 26
        (WarmRestarts(0.4, 2, 3.0, end=0.2), Clock(1, 5.0), 0.3),
        (WarmRestarts(0.4, 2, 3.0, end=0.2), Clock(1, 8.0), 0.4),
        (WarmRestarts(0.4, 2, 3.0, end=0.2), Clock(1, 17.0), 0.3),
        (WarmRestarts(0.4, 2, 3.0, end=0.2), Clock(1, 25.999999999), 0.2),
        (OneCycle(0.5), Clock(1, 0, 0.0), 0.5 / 25),
        (OneCycle(0.5), Clock(1, 0, 0.15), (0.5 + 0.5 / 25) / 2),
        (OneCycle(0.5), Clock(1, 0, 0.3), 0.5),
        (OneCycle(0.5), Clock(1, 0, 0.65), (0.5 + 0.5 / 250_000) / 2),
        (OneCycle(0.5), Clock(1, 0, 1.0), 0.5 / 250_000),
        (OneCycle(0.5, warmup=0.0), Clock(1, 0, 0.0), 0.5),
        (OneCycle(0.5, warmup=1.0), Clock(1, 0, 1.0), 0.5),
    ],
)
def test_schedules_against_their_formulas(schedule, clock, rate):
    assert schedule.at(clock) == pytest.approx(rate, rel=1e-12)


def test_the_table_has_every_schedule():
    assert set(registered_classes(Schedule)) == {
        "Cosine",
        "Exponential",
        "InverseTime",
        "OneCycle",
        "Polynomial",
        "StepDecay",
        "WarmRestarts",
        "WarmUp",
    }


@pytest.mark.parametrize("schedule", [OneCycle(1.0), OneCycle(1.0, 0.05), Cosine(1.0)], ids=repr)
def test_smooth_schedules_have_no_jumps(schedule):
    rates = [schedule.at(Clock(1, 0, t)) for t in np.linspace(0, 1, 2001)]
    assert np.abs(np.diff(rates)).max() < 1 / 2000 * (math.pi / 2) / 0.05 * 1.001  # the steepest slope of the shortest flank
    assert 0 <= min(rates) <= max(rates) <= 1


def test_the_model_follows_the_schedule():
    x, y = np.eye(4), np.arange(4) % 2
    model = Sequential(Dense(2), Softmax()).compile((4,), CrossEntropy(), SGD(StepDecay(0.4, 0.5, 1)))
    model.fit(x, y, epochs=3, batch_size=2)
    assert model.history["learning_rate"] == [0.4, 0.2, 0.1]


# -- another learning rate ---------------------------------------------------------------------------------------------

SCHEDULES = [
    StepDecay(0.1, 0.5, 2),
    Exponential(0.1, 0.8),
    InverseTime(0.1, 2.0),
    Polynomial(0.1, 0.01, 2.0),
    Cosine(0.1, 0.01),
    OneCycle(0.1, 0.2),
    WarmRestarts(0.1, 3.0, 2.0, 0.01),
    WarmUp(0.1, 2.0),
    WarmUp(Cosine(0.1), 2.0),
    WarmUp(WarmUp(OneCycle(0.1)), 3.0),
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_a_scaled_schedule_keeps_its_shape(schedule):
    scaled = schedule.scaled_to(0.7)
    assert schedule.peak == 0.1
    assert scaled.peak == 0.7
    assert repr(scaled) == repr(schedule).replace("0.1", "0.7")
    rates = [scaled.at(Clock(1, 12 * t, t)) for t in np.linspace(0, 1, 1001)]
    assert 0 < max(rates) <= 0.7


def test_scaling_knows_every_schedule():
    assert {type(schedule) for schedule in SCHEDULES} == set(registered_classes(Schedule).values())


@pytest.mark.parametrize("rate", [0.1, *SCHEDULES], ids=repr)
def test_another_learning_rate_changes_the_rule_alone(rate):
    optimizer = Chain(ClipNorm(1.0), SGD(rate, momentum=0.9), MaxNorm(2.0))
    changed = with_learning_rate(optimizer, 0.7)
    new = rate.scaled_to(0.7) if isinstance(rate, Schedule) else 0.7
    assert changed == Chain(ClipNorm(1.0), SGD(new, momentum=0.9), MaxNorm(2.0))
    assert with_learning_rate(rule_of(optimizer), 0.7) == rule_of(changed) == SGD(new, momentum=0.9)


def test_a_schedule_without_scaled_to_is_refused():
    @dataclass(frozen=True)
    class Constant(Schedule):
        def at(self, clock):
            return 0.5

    with pytest.raises(ConfigError, match=r"Constant\(\) cannot take another learning rate: its class defines no scaled_to"):
        with_learning_rate(SGD(Constant()), 0.1)
