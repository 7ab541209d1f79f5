"""Optimizers against loops by hand: in float64, every option on; in float32, gradients of all magnitudes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest

from pellucid import (
    L1,
    L2,
    LBFGS,
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
    Lion,
    MaxNorm,
    Muon,
    Nadam,
    RAdam,
    RMSprop,
    Rprop,
    Sequential,
    Softmax,
    StepDecay,
    kernels as kernel_sets,
)
from pellucid.core.config import registered_classes
from pellucid.core.memory import Layout, Slot
from pellucid.initializers import Zeros
from pellucid.optim import Clock, Component, Transform, Updater, components_of
from tests.kernels.dtypes import FLOAT64_KERNELS

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


def radam(w, g, t, memory, rate, b1, b2, epsilon):
    """Find the length ρ of the mean over the last gradients whose centre is that of the moving average."""
    m = memory["m"] = b1 * memory.get("m", 0) + (1 - b1) * g
    v = memory["v"] = b2 * memory.get("v", 0) + (1 - b2) * g**2
    shares = [(1 - b2) * b2**age / (1 - b2**t) for age in range(t)]
    now, limit = 2 * sum(share * (age + 1) for age, share in enumerate(shares)) - 1, (1 + b2) / (1 - b2)
    first = m / (1 - b1**t)
    if now <= 5:
        return w - rate * first
    variance_now, variance_limit = (rho / ((rho - 2) * (rho - 4)) for rho in (now, limit))
    return w - rate * first * math.sqrt(variance_limit / variance_now) * math.sqrt(1 - b2**t) / (np.sqrt(v) + epsilon)


def rprop(w, g, memory, rate, decrease, increase, shortest, longest):
    """Go through the parameters one by one."""
    last, lengths = memory.setdefault("last", np.zeros_like(g)), memory.setdefault("lengths", np.full(g.shape, rate))
    w = w.copy()
    for i in np.ndindex(w.shape):
        if last[i] != 0 and g[i] != 0 and (last[i] < 0) != (g[i] < 0):
            lengths[i] = max(lengths[i] * decrease, shortest)
            last[i] = 0
            continue
        if last[i] != 0 and g[i] != 0:
            lengths[i] = min(lengths[i] * increase, longest)
        w[i] -= math.copysign(lengths[i], g[i]) if g[i] else 0
        last[i] = g[i]
    return w


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
    (RAdam(), lambda w, g, t, memory, decayed, norm: radam(w, g, t, memory, 0.001, 0.9, 0.999, 1e-8)),
    (RAdam(0.05, 0.7, 0.8, 0.1), lambda w, g, t, memory, decayed, norm: radam(w, g, t, memory, 0.05, 0.7, 0.8, 0.1)),
    (RAdam(0.05, 0.7, 0.5, 0.1), lambda w, g, t, memory, decayed, norm: radam(w, g, t, memory, 0.05, 0.7, 0.5, 0.1)),
    (
        Chain(Decay(0.2), RAdam(0.02)),
        lambda w, g, t, memory, decayed, norm: radam(w * (1 - 0.02 * 0.2 * decayed), g, t, memory, 0.02, 0.9, 0.999, 1e-8),
    ),
    (Rprop(), lambda w, g, t, memory, decayed, norm: rprop(w, g, memory, 0.01, 0.5, 1.2, 1e-6, 50.0)),
    (
        Rprop(0.1, 0.3, 1.5, 0.05, 0.2),
        lambda w, g, t, memory, decayed, norm: rprop(w, g, memory, 0.1, 0.3, 1.5, 0.05, 0.2),
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


@FLOAT64_KERNELS
@pytest.mark.parametrize(("optimizer", "update"), ROWS, ids=[repr(row[0]) for row in ROWS])
def test_twenty_steps_by_hand(optimizer, update, kernels):
    got, theta, _ = run(optimizer, kernels)
    wanted = by_hand(update)
    for path, array in got.items():
        np.testing.assert_allclose(array, wanted[path], rtol=0, atol=1e-12, err_msg=path)
    assert np.count_nonzero(theta) == LAYOUT.parameter_count  # the padding is still zero


def test_the_table_has_every_component():
    tested = {type(component) for optimizer, _ in ROWS for component in components_of(optimizer)}
    tested |= {LBFGS}  # in test_lbfgs.py
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
    one, other = (run(Adam(0.01, epsilon=1e-12), kernels, scale)[1] for scale in (2.0**20, 2.0**40))
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
        (lambda: Adam(epsilon=0), "epsilon must be at least 1e-12"),  # 0 would give 0/0 for a zero gradient
        (lambda: RMSprop(epsilon=1e-20), "epsilon must be at least 1e-12"),
        (lambda: Adagrad(epsilon=1e-20), "epsilon must be at least 1e-12"),
        (lambda: Nadam(epsilon=1e-20), "epsilon must be at least 1e-12"),
        (lambda: RAdam(epsilon=1e-20), "epsilon must be at least 1e-12"),
        (lambda: Muon(epsilon=1e-20), "epsilon must be at least 1e-12"),
        (lambda: Adamax(epsilon=1e-20), "epsilon must be at least 1e-12"),
        (lambda: Adadelta(epsilon=0), "epsilon must be at least 1e-30"),
        (lambda: Rprop(decrease=1.0), "decrease must be above 0 and below 1"),
        (lambda: Rprop(increase=1.0), "increase must be above 1"),
        (lambda: Rprop(shortest=2, longest=1), r"Rprop\(shortest=2, longest=1\): shortest must not exceed longest"),
        (lambda: ClipNorm(0), "limit must be above 0"),
        (lambda: AdamW(decay=-1), "strength must be at least 0"),
        (lambda: RMSprop(alpha=1.0), "alpha must be at least 0 and below 1"),
        (lambda: MaxNorm(0), "limit must be above 0"),
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
    [
        Adam(amsgrad=True),
        Nadam(),
        RAdam(),
        Adamax(),
        RMSprop(momentum=0.01, centered=True),
        Adagrad(),
        Adadelta(),
        Lion(),
        Rprop(),
        Muon(),
    ],
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
            assert small.min(initial=1) >= (1e-30 if name.endswith((".m", ".a")) else 1e-37), f"{name} after step {step}"


# Every rule with its default ε and with the smallest one that is allowed.
EXTREME_ROWS = [
    (SGD(0.01), lambda w, g, t, memory: w - 0.01 * g),
    (SGD(0.01, 0.9), lambda w, g, t, memory: momentum(w, g, memory, 0.01, 0.9, False)),
    (SGD(0.01, 0.9, nesterov=True), lambda w, g, t, memory: momentum(w, g, memory, 0.01, 0.9, True)),
    (Adam(0.01), lambda w, g, t, memory: adam(w, g, t, memory, 0.01, 0.9, 0.999, 1e-8)),
    (Adam(0.01, epsilon=1e-12), lambda w, g, t, memory: adam(w, g, t, memory, 0.01, 0.9, 0.999, 1e-12)),
    (Adam(0.01, epsilon=1e-12, amsgrad=True), lambda w, g, t, memory: amsgrad(w, g, t, memory, 0.01, 0.9, 0.999, 1e-12)),
    (Nadam(0.01, epsilon=1e-12), lambda w, g, t, memory: nadam(w, g, t, memory, 0.01, 0.9, 0.999, 1e-12, 0.004)),
    (RAdam(0.01, epsilon=1e-12), lambda w, g, t, memory: radam(w, g, t, memory, 0.01, 0.9, 0.999, 1e-12)),
    (Adamax(0.01), lambda w, g, t, memory: adamax(w, g, t, memory, 0.01, 0.9, 0.999, 1e-8)),
    (Adamax(0.01, epsilon=1e-12), lambda w, g, t, memory: adamax(w, g, t, memory, 0.01, 0.9, 0.999, 1e-12)),
    (RMSprop(0.01), lambda w, g, t, memory: rmsprop(w, g, memory, 0.01, 0.99, 1e-8)),
    (RMSprop(0.01, epsilon=1e-12), lambda w, g, t, memory: rmsprop(w, g, memory, 0.01, 0.99, 1e-12)),
    (
        RMSprop(0.01, epsilon=1e-12, momentum=0.9, centered=True),
        lambda w, g, t, memory: rmsprop(w, g, memory, 0.01, 0.99, 1e-12, 0.9, True),
    ),
    (Adagrad(0.01), lambda w, g, t, memory: adagrad(w, g, memory, 0.01, 0.0, 1e-10)),
    (Adagrad(0.01, epsilon=1e-12), lambda w, g, t, memory: adagrad(w, g, memory, 0.01, 0.0, 1e-12)),
    (Adadelta(), lambda w, g, t, memory: adadelta(w, g, memory, 1.0, 0.9, 1e-6)),
    (Adadelta(epsilon=1e-30), lambda w, g, t, memory: adadelta(w, g, memory, 1.0, 0.9, 1e-30)),
    (Lion(0.01), lambda w, g, t, memory: lion(w, g, memory, 0.01, 0.9, 0.99)),
    (Rprop(0.01), lambda w, g, t, memory: rprop(w, g, memory, 0.01, 0.5, 1.2, 1e-6, 50.0)),
]


@KERNELS
@pytest.mark.parametrize(("rule", "update"), EXTREME_ROWS, ids=[repr(row[0]) for row in EXTREME_ROWS])
def test_float32_steps_are_right_for_gradients_of_all_magnitudes(rule, update, kernels):
    exponents = np.arange(-30, 19)  # the sum of squares of a float32 gradient of 1e19 is infinite: such trainings stop
    theta, memory = np.zeros((len(exponents), 8)), {}
    single, g = (np.zeros(theta.size, np.float32) for _ in range(2))
    state = [np.zeros(theta.size, np.float32) for _ in rule.state_names]
    # Averages of gradients below 1e-30 count as 0. With the smallest ε, the product g √ε of Adadelta is denormal.
    small = 10 if rule == Adadelta(epsilon=1e-30) else 4 if "m" in rule.state_names or isinstance(rule, SGD) else 0
    random = np.random.default_rng(0)
    for step in range(1, 13):
        sizes = random.uniform(0.5, 2, theta.shape) * 10.0 ** exponents[:, None]
        sizes[:, 1] *= -1
        sizes[:, 2] *= step % 3 == 0  # zeros between the gradients
        sizes[:, 3] *= step % 3 > 0
        sizes[:, 4] *= 1e4 if step == 1 else 1  # one that is larger than all others
        sizes[:, 5] *= 1e-4 if step > 1 else 1
        sizes[:, 6] *= 0
        g[:] = np.clip(sizes, -1e18, 1e18).reshape(-1)
        theta = update(theta, g.astype(np.float64).reshape(theta.shape), step, memory)
        rule.apply(single, g, state, rule.learning_rate, step, kernels)
        got = single.reshape(theta.shape)
        np.testing.assert_allclose(got[small:], theta[small:], rtol=2e-5, atol=0, err_msg=f"after step {step}")
        if not isinstance(rule, Lion):  # its steps depend on the sign alone
            np.testing.assert_allclose(got, theta, rtol=2e-5, atol=1e-15 * rule.learning_rate, err_msg=f"after step {step}")


@KERNELS
@pytest.mark.parametrize("size", [1e-28, 1e-20, 1e-10, 1e10, 1e18])
def test_muon_steps_are_right_for_gradients_of_all_magnitudes(size, kernels):
    layout = Layout({"W": Slot((6, 5), Zeros()), "b": Slot((5,), Zeros())})
    updater, memory = Updater(Muon(0.1, epsilon=1e-12), layout, kernels), {"W": {}, "b": {}}
    theta, g, random = layout.zeros(), layout.zeros(), np.random.default_rng(0)
    wanted = {path: np.zeros(slot.shape) for path, slot in layout.items()}
    for step in range(1, 4):
        for path, array in layout.arrays(g).items():
            array[...] = size * random.uniform(0.5, 2, array.shape)
            wanted[path] = muon(wanted[path], array.astype(np.float64), step, memory[path], 0.1, 0.95, 0.9, 0.999, 1e-12)
        updater.update(theta, g, 0.1, step)
    for path, array in layout.arrays(theta).items():
        np.testing.assert_allclose(array, wanted[path], rtol=2e-5, atol=2e-5 * np.abs(wanted[path]).max())


@KERNELS
def test_rmsprop_with_tiny_gradients_moves_by_its_formula(kernels):
    theta, state = np.zeros(1, np.float32), [np.zeros(1, np.float32)]
    RMSprop(0.01, epsilon=1e-12).apply(theta, np.full(1, 1e-11, np.float32), state, 0.01, 1, kernels)
    assert theta[0] == pytest.approx(-0.05, rel=1e-6)  # √v is 1e-12, too
    theta[:], state[0][:] = 0, 0
    RMSprop(0.01, epsilon=1e-12).apply(theta, np.full(1, 1e-16, np.float32), state, 0.01, 1, kernels)
    assert theta[0] == pytest.approx(-0.01 * 1e-16 / (1e-17 + 1e-12), rel=1e-6)


@KERNELS
def test_rprop_compares_signs_of_gradients_whose_product_underflows(kernels):
    theta, state = np.zeros(2, np.float32), [np.zeros(2, np.float32) for _ in range(2)]
    for step, sign in enumerate((1, 1, -1, -1), start=1):
        Rprop(0.01).apply(theta, np.float32([1e-30, 1.0]) * np.float32(sign), state, 0.01, step, kernels)
    assert theta[0] == theta[1] == pytest.approx(-0.01 - 0.012 + 0.006, rel=1e-6)


@KERNELS
def test_rprop_steps_follow_a_schedule_and_stay_in_bounds(kernels):
    theta, state = np.zeros(1, np.float32), [np.zeros(1, np.float32) for _ in range(2)]
    moved = []
    for step, rate in enumerate((0.01, 0.1, 1e-46, 0.0, 0.01), start=1):
        before = theta.copy()
        Rprop(0.01, shortest=0.001, longest=0.1).apply(theta, np.ones(1, np.float32), state, rate, step, kernels)
        moved.append(float(before[0] - theta[0]))
    assert moved[:4] == pytest.approx([0.01, 0.1, 0, 0], abs=1e-8)
    assert moved[4] == pytest.approx(0.1, rel=1e-6)
    assert np.isfinite(state[1]).all()


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


def test_muon_keeps_the_momentum_of_matrices_as_the_first_moment():
    theta, g, (m, v) = np.zeros((3, 2)), np.arange(6.0).reshape(3, 2), np.zeros((2, 3, 2))
    for step in (1, 2):
        Muon(momentum=0.5).apply(theta, g, (m, v), 0.1, step, kernel_sets.load())
    np.testing.assert_array_equal(m, 1.5 * g)
    assert not v.any()
