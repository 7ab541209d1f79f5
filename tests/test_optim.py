"""Optimizers against loops by hand, in float64, every option on; schedules against their formulas."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest

from pellucid import (
    L2,
    SGD,
    Adam,
    AdamW,
    Chain,
    ClipNorm,
    ConfigError,
    Constant,
    Cosine,
    CrossEntropy,
    Decay,
    Dense,
    OneCycle,
    Sequential,
    Softmax,
    StepDecay,
)
from pellucid import kernels as kernel_sets
from pellucid.config import registered
from pellucid.initializers import Zeros
from pellucid.memory import Layout, Slot
from pellucid.optim import Clock, Piece, Rule, Schedule, Transform, Updater

KERNELS = pytest.mark.parametrize("kernels", [kernel_sets.load(name) for name in kernel_sets.SETS], ids=kernel_sets.SETS)
LAYOUT = Layout({"W": Slot((4, 5), Zeros()), "b": Slot((5,), Zeros(), decay=False), "V": Slot((5, 3), Zeros())})
STEPS = 20


def run(optimizer, kernels, scale=1.0):
    """(W, b, V) after STEPS steps with gradients from a fixed stream, and the vectors for more questions."""
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
    """The same for ``update(w, g, step, memory, decayed, norm)``, which returns the new w: one array after the other."""
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
        Adam(StepDecay(0.1, 0.5, 3)),  # run() calls half an epoch a step
        lambda w, g, t, memory, decayed, norm: adam(w, g, t, memory, 0.1 * 0.5 ** ((t - 1) // 6), 0.9, 0.999, 1e-8),
    ),
    (
        AdamW(0.01, decay=0.1, beta1=0.8, beta2=0.95, epsilon=1e-6),
        lambda w, g, t, memory, decayed, norm: adam(w * (1 - 0.01 * 0.1 * decayed), g, t, memory, 0.01, 0.8, 0.95, 1e-6),
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
    assert np.count_nonzero(theta) == LAYOUT.parameters  # the padding is still zero


def test_every_piece_is_in_the_table():
    pieces = {type(p) for row, _ in ROWS for p in (row.pieces if isinstance(row, Chain) else (row,))}
    assert set(registered(Piece).values()) == pieces


@KERNELS
def test_biases_are_not_decayed(kernels):
    plain, decayed, pulled = (run(o, kernels)[0] for o in (SGD(0.1), Chain(Decay(0.3), SGD(0.1)), Chain(L2(0.3), SGD(0.1))))
    for other in (decayed, pulled):
        np.testing.assert_array_equal(other["b"], plain["b"])
        assert (other["W"] != plain["W"]).all()
        assert (other["V"] != plain["V"]).all()


@KERNELS
def test_clipping_bounds_long_gradients_and_leaves_short_ones_alone(kernels):
    g = np.array([3.0, 4.0])
    ClipNorm(5.0).apply(g, g, [], 0.1, 1, kernels)
    assert g.tolist() == [3, 4]
    ClipNorm(2.5).apply(g, g, [], 0.1, 1, kernels)
    np.testing.assert_allclose(g, [1.5, 2])


@KERNELS
def test_adam_does_not_care_for_the_scale_of_the_gradient(kernels):
    one, other = (run(Adam(0.01, epsilon=1e-30), kernels, scale)[1] for scale in (1.0, 1024.0))
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-13)


@KERNELS
def test_moments_die_out_instead_of_becoming_denormal(kernels):
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
        (lambda: Chain(), "a Chain ends in the rule"),
        (lambda: Chain(ClipNorm(1.0)), "a Chain ends in the rule"),
        (lambda: Chain(SGD(0.1), ClipNorm(1.0)), "a Chain ends in the rule"),
        (lambda: Chain(SGD(0.1), Adam()), r"one rule, at its end; SGD\(.*stands before it"),
        (lambda: Chain(Chain(SGD(0.1)), SGD(0.1)), "pieces must be a Piece, not Chain"),
        (lambda: SGD(0.1, nesterov=True), "give it one, for example momentum=0.9"),
        (lambda: Adam(beta1=1.0), "beta1 must be at least 0 and below 1"),
        (lambda: Adam(epsilon=0), "epsilon must be at least 1e-30"),  # 0/0 where there is no gradient
        (lambda: ClipNorm(0), "limit must be above 0"),
        (lambda: AdamW(decay=-1), "strength must be at least 0"),
    ],
)
def test_what_cannot_be_an_optimizer(make, words):
    with pytest.raises(ConfigError, match=words):
        make()


def test_the_state_of_each_piece_has_its_own_name():
    @dataclass(frozen=True)
    class Average(Transform):
        """A piece of somebody else's with state, used twice: g ← s ← (s + g)/2."""

        vectors = ("s",)

        def apply(self, theta, g, state, rate, step, kernels):
            state[0][:] = (state[0] + g) / 2
            g[:] = state[0]

    _, _, updater = run(Chain(Average(), Average(), SGD(0.1, 0.9)), kernel_sets.load())
    assert list(updater.state) == ["average1.s", "average2.s", "sgd1.v"]
    assert (updater.state["average1.s"] != updater.state["average2.s"]).any()
    assert list(run(Adam(), kernel_sets.load())[2].state) == ["adam1.m", "adam1.v"]


# -- schedules -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "clock", "rate"),
    [
        (Constant(0.3), Clock(7, 2.5, 0.9), 0.3),
        (StepDecay(0.8, 0.5, 2), Clock(1, 0.0), 0.8),
        (StepDecay(0.8, 0.5, 2), Clock(1, 1.99), 0.8),
        (StepDecay(0.8, 0.5, 2), Clock(1, 2.0), 0.4),
        (StepDecay(0.8, 0.5, 2), Clock(1, 7.5), 0.1),
        (Cosine(0.4, 0.2), Clock(1, 0, 0.0), 0.4),
        (Cosine(0.4, 0.2), Clock(1, 0, 0.5), 0.3),
        (Cosine(0.4, 0.2), Clock(1, 0, 1.0), 0.2),
        (Cosine(0.4), Clock(1, 0, 1 / 3), 0.3),
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


def test_every_schedule_is_above():
    assert set(registered(Schedule)) == {"Constant", "StepDecay", "Cosine", "OneCycle"}
    assert set(registered(Rule)) == {"SGD", "Adam"}


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
