"""Schedules against their formulas, from the first update of a fit to the last, and with other learning rates."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest

from pellucid import (
    SGD,
    Chain,
    ClipNorm,
    ConfigError,
    Cosine,
    CosineCycles,
    CrossEntropy,
    Dense,
    Exponential,
    FitOptions,
    InverseTime,
    MaxNorm,
    MilestoneDecay,
    OneCycle,
    PiecewiseConstant,
    Polynomial,
    Sequential,
    Softmax,
    StepDecay,
    StepEvent,
    WarmRestarts,
    WarmUp,
)
from pellucid.core.config import registered_classes
from pellucid.optim import Clock, Schedule, rule_of, with_learning_rate


@pytest.mark.parametrize(
    ("schedule", "clock", "rate"),
    [
        (StepDecay(0.8, 0.5, 2), Clock(1, 0.0), 0.8),
        (StepDecay(0.8, 0.5, 2), Clock(1, 1.99), 0.8),
        (StepDecay(0.8, 0.5, 2), Clock(1, 2.0), 0.4),
        (StepDecay(0.8, 0.5, 2), Clock(1, 7.5), 0.1),
        (MilestoneDecay(0.8, (1, 2.5), 0.5), Clock(1, 0.99), 0.8),
        (MilestoneDecay(0.8, (1, 2.5), 0.5), Clock(1, 1.0), 0.4),
        (MilestoneDecay(0.8, (1, 2.5), 0.5), Clock(1, 2.4), 0.4),
        (MilestoneDecay(0.8, (1, 2.5), 0.5), Clock(1, 2.5), 0.2),
        (MilestoneDecay(0.8, (1, 2.5), 0.5), Clock(1, 99.0), 0.2),
        (MilestoneDecay(0.8, (3,)), Clock(1, 3.0), 0.08),
        (PiecewiseConstant((0.5, 2), (0.1, 0.4, 0.3)), Clock(1, 0.0), 0.1),
        (PiecewiseConstant((0.5, 2), (0.1, 0.4, 0.3)), Clock(1, 0.5), 0.4),
        (PiecewiseConstant((0.5, 2), (0.1, 0.4, 0.3)), Clock(1, 1.99), 0.4),
        (PiecewiseConstant((0.5, 2), (0.1, 0.4, 0.3)), Clock(1, 2.0), 0.3),
        (PiecewiseConstant((0.5, 2), (0.1, 0.4, 0.3)), Clock(1, 50.0), 0.3),
        (Cosine(0.4, 0.2), Clock(1, 0, 0.0), 0.4),
        (Cosine(0.4, 0.2), Clock(1, 0, 0.5), 0.3),
        (Cosine(0.4, 0.2), Clock(1, 0, 1.0), 0.2),
        (Cosine(0.4), Clock(1, 0, 1 / 3), 0.3),
        (CosineCycles(0.4, 1), Clock(1, 0, 0.0), 0.0),
        (CosineCycles(0.4, 1), Clock(1, 0, math.sqrt(2) - 1), 0.4),
        (CosineCycles(0.4, 2), Clock(1, 0, 1 / 3), 0.0),  # cycles from 0 to 1/3 and to 1
        (CosineCycles(0.4, 2), Clock(1, 0, (math.sqrt(2) - 1) / 3), 0.4),
        (CosineCycles(0.4, 2), Clock(1, 0, (2**1.5 - 1) / 3), 0.4),
        (CosineCycles(0.4, 2), Clock(1, 0, (2**1.25 - 1) / 3), 0.2),
        (CosineCycles(0.4), Clock(1, 0, 7 / 15), 0.0),
        (CosineCycles(0.4), Clock(1, 0, 1.0), 0.0),
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
    assert schedule.at(clock) == pytest.approx(rate, rel=1e-12, abs=1e-14)


def test_the_table_has_every_schedule():
    assert set(registered_classes(Schedule)) == {
        "Cosine",
        "CosineCycles",
        "Exponential",
        "InverseTime",
        "MilestoneDecay",
        "OneCycle",
        "PiecewiseConstant",
        "Polynomial",
        "StepDecay",
        "WarmRestarts",
        "WarmUp",
    }


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: WarmRestarts(0.1, 5, 0.5), "factor must be at least 1"),
        (lambda: MilestoneDecay(0.1, (3, 3)), r"milestones must be one or more numbers of epochs in rising order: \(30, 60\)"),
        (lambda: MilestoneDecay(0.1, ()), "milestones must be one or more numbers of epochs"),
        (lambda: MilestoneDecay(0.1, 30), "milestones must be a list or tuple, not int"),
        (lambda: MilestoneDecay(0.1, (0, 3)), "milestones must be above 0"),
        (lambda: PiecewiseConstant((3, 2), (1, 2, 3)), "boundaries must be one or more numbers of epochs in rising order"),
        (lambda: PiecewiseConstant((2, 3), (1, 2)), "one rate more than boundaries, got 2 rates and 2 boundaries"),
        (lambda: PiecewiseConstant((2,), (1, -2)), "rates must be above 0"),
    ],
)
def test_invalid_schedules_are_refused(make, words):
    with pytest.raises(ConfigError, match=words):
        make()


@pytest.mark.parametrize("schedule", [OneCycle(1.0), OneCycle(1.0, 0.05), Cosine(1.0)], ids=repr)
def test_smooth_schedules_have_no_jumps(schedule):
    rates = [schedule.at(Clock(1, 0, t)) for t in np.linspace(0, 1, 2001)]
    assert np.abs(np.diff(rates)).max() < 1 / 2000 * (math.pi / 2) / 0.05 * 1.001  # the steepest slope of the shortest flank
    assert 0 <= min(rates) <= max(rates) <= 1


def rates_of_fit(schedule, epochs, batch_size, accumulate=1):
    """Return the learning rates of all updates of a fit on 40 samples."""
    model = Sequential(Dense(2), Softmax()).compile((4,), CrossEntropy(), SGD(schedule))
    options = FitOptions(epochs=epochs, batch_size=batch_size, accumulate=accumulate)
    events = model.fit_events(np.tile(np.eye(4), (10, 1)), np.arange(40) % 2, options=options)
    return [event.learning_rate for event in events if isinstance(event, StepEvent)]


@pytest.mark.parametrize(("batch_size", "accumulate"), [(10, 1), (11, 1), (5, 2), (6, 2)])  # four updates in each epoch
@pytest.mark.parametrize(
    ("schedule", "first", "last"),
    [
        # at the middle of the first and the last of twelve updates
        (CosineCycles(0.4, 1), *(0.2 * (1 - math.cos(2 * math.pi * math.log2(1 + i / 24))) for i in (1, 23))),
        (Cosine(0.4, 0.02), 0.4, 0.02),
        (Cosine(0.4), 0.4, 0.0),
        (Polynomial(0.4, 0.02, 2.0), 0.4, 0.02),
        (OneCycle(0.4), 0.4 / 25, 0.4 / 250_000),
        (OneCycle(0.4, warmup=1.0), 0.4 / 25, 0.4),
        (WarmUp(Cosine(0.4, 0.02), 1), 0.004, 0.02),
        # by epochs: 2.75 of them are done before the last update
        (WarmUp(0.4, 2), 0.004, 0.4),
        (StepDecay(0.4, 0.5, 1), 0.4, 0.1),
        (MilestoneDecay(0.4, (1, 2.75, 3), 0.5), 0.4, 0.1),
        (PiecewiseConstant((0.25, 2.75, 3), (0.1, 0.2, 0.3, 0.4)), 0.1, 0.3),
        (Exponential(0.4, 0.5), 0.4, 0.4 * 0.5**2.75),
        (InverseTime(0.4, 2.0), 0.4, 0.4 / 6.5),
        (WarmRestarts(0.4, 1), 0.4, 0.2 * (1 - math.sqrt(0.5))),
    ],
    ids=repr,
)
def test_the_first_and_the_last_rate_of_a_fit(schedule, first, last, batch_size, accumulate):
    rates = rates_of_fit(schedule, 3, batch_size, accumulate)
    assert len(rates) == 12
    assert rates[0] == pytest.approx(first, rel=1e-14, abs=1e-16)
    assert rates[-1] == pytest.approx(last, rel=1e-14, abs=1e-16)


def test_one_cycle_of_twenty_steps_by_hand():
    rates = rates_of_fit(OneCycle(0.1), 5, 10)
    up, down = 0.3 * 19, 0.7 * 19  # steps of the rise and of the fall
    for k, rate in enumerate(rates):
        rise = 0.004 + 0.096 * (1 - math.cos(math.pi * k / up)) / 2
        fall = 4e-7 + (0.1 - 4e-7) * (1 + math.cos(math.pi * (k - up) / down)) / 2
        assert rate == pytest.approx(rise if k < up else fall, rel=1e-9)
    assert rates[-1] == pytest.approx(4e-7, rel=1e-14)


@pytest.mark.parametrize(
    ("schedule", "rate"), [(Cosine(0.4), 0.4), (Polynomial(0.4), 0.4), (OneCycle(0.4), 0.4 / 25)], ids=repr
)
def test_a_fit_of_one_update_has_the_first_rate(schedule, rate):
    assert rates_of_fit(schedule, 1, 40) == [pytest.approx(rate, rel=1e-14)]


def test_milestones_are_reached_at_the_right_update():
    boundaries = tuple(k / 100 for k in range(1, 1000) if k % 100)  # 1 + 0.36, as floats, is below 1.36
    schedule = PiecewiseConstant(boundaries, tuple(float(k) for k in range(1, len(boundaries) + 2)))
    rates = [schedule.at(Clock.of_update(1, done, 100, 10)) for done in range(1000)]
    assert rates == [1 + done - done // 100 for done in range(1000)]


def test_the_model_follows_the_schedule():
    x, y = np.eye(4), np.arange(4) % 2
    for schedule in (StepDecay(0.4, 0.5, 1), MilestoneDecay(0.4, (1, 2), 0.5), PiecewiseConstant((1, 2), (0.4, 0.2, 0.1))):
        model = Sequential(Dense(2), Softmax()).compile((4,), CrossEntropy(), SGD(schedule))
        model.fit(x, y, epochs=3, batch_size=2)
        assert model.history["learning_rate"] == [0.4, 0.2, 0.1]


# -- another learning rate ---------------------------------------------------------------------------------------------

SCHEDULES = [
    StepDecay(0.1, 0.5, 2),
    MilestoneDecay(0.1, (3.0, 7.5), 0.3),
    PiecewiseConstant((3.0, 9.0), (0.05, 0.1, 0.025)),
    Exponential(0.1, 0.8),
    InverseTime(0.1, 2.0),
    Polynomial(0.1, 0.01, 2.0),
    Cosine(0.1, 0.01),
    OneCycle(0.1, 0.2),
    CosineCycles(0.1, 3),
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
    assert schedule.scaled_to(0.1) == schedule
    if not isinstance(schedule, PiecewiseConstant):  # all its rates change
        assert repr(scaled) == repr(schedule).replace("0.1", "0.7")
    rates = [scaled.at(Clock(1, 12 * t, t)) for t in np.linspace(0, 1, 1001)]
    assert 0 < max(rates) <= 0.7


def test_scaling_multiplies_all_constant_rates():
    scaled = PiecewiseConstant((3.0, 9.0), (0.05, 0.1, 0.025)).scaled_to(0.7)
    assert scaled.boundaries == (3.0, 9.0)
    assert scaled.rates == pytest.approx((0.35, 0.7, 0.175), rel=1e-14)


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


def test_cycles_change_the_parameters_also_in_short_fits():
    assert [rates_of_fit(CosineCycles(0.4), epochs, 40) for epochs in (1, 2)] == [
        [CosineCycles(0.4).at(Clock(1, 0, 0.5))],
        [CosineCycles(0.4).at(Clock(1, 0, at)) for at in (0.25, 0.75)],
    ]
    assert min(rates_of_fit(CosineCycles(0.4), 1, 40)) > 0.01
    assert CosineCycles(0.4).outside(7) == 0.2
