"""The overfitting trial: can the network learn a few samples by heart?

It is a test of the whole path from the inputs to the updates. A network that cannot do it has a fault that no amount of data
cures. The trial trains a copy of the parameters with Adam on one mini-batch. The noise of dropout is the same in all steps, so
it does not prevent success.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.doctor.finding import Finding
from pellucid.doctor.kinds import CANNOT_OVERFIT
from pellucid.doctor.levels import levels
from pellucid.doctor.symptoms import share_left
from pellucid.optim import Adam, Updater
from pellucid.training.state import ModelState
from pellucid.training.step import GradientStep

SAMPLES = 16
STEPS = 300
MOST_STEPS = 900  # while the loss still falls: U-Nets on six images need up to 350
FALLING = (100, 0.9)  # the lowest loss of so many steps is at most this share of the lowest before them
RATES = (0.003, 0.0003)  # the second for networks that the first is too high for
FEWEST = 4  # samples of a large network, if it has the parameters
WORK = 1e11  # multiply-adds of the forward and backward passes of a whole trial: some ten seconds on two cores
PARAMETERS = 10  # for each output of each sample: with fewer, a network may be unable to, without being ill
GOOD = 0.5  # of the threshold: where the trial ends before all of its steps


def overfitting_trial(state: ModelState, x: Any, targets: Any, weights: Any) -> tuple[list[Finding], str | None]:
    """Return a finding if the network cannot learn the first samples of the batch by heart, and why the trial was left out.

    The model is not changed. The second result is None if the trial was made.
    """
    outputs = [part.shape[-1] for part in getattr(state.output, "parts", {"": state.output}).values()]
    trained = sum(slot.size for slot in state.layout.values() if slot.trained)
    affordable = max(FEWEST, int(WORK / (3 * STEPS * max(state.multiply_adds, 1))))
    count = min(SAMPLES, affordable, len(x), trained // (PARAMETERS * sum(outputs)))
    if count < 2:
        return [], f"whether it can overfit {SAMPLES} samples: it has only {trained:,} parameters that are trained"
    x, targets, weights = x[:count], targets[:count], weights[:count]
    known = levels(state, targets, weights)
    if math.isnan(share_left(0.0, known)):
        return [], "whether it can overfit a mini-batch: the loss of a constant prediction is not known, or cannot be improved"
    best, steps = math.inf, 0
    for rate in RATES:
        left, done = _share_after_training(state, rate, x, targets, weights, known)
        best, steps = min((best, steps), (left, done))
        if best < CANNOT_OVERFIT.threshold:
            return [], None
    text = f"after {steps} steps of Adam on {count} samples, {best:.0%} of the loss of a constant prediction is left."
    return [CANNOT_OVERFIT.finding("network", best, text)], None


def _share_after_training(state: ModelState, rate: float, x: Any, targets: Any, weights: Any, known: Any) -> tuple[float, int]:
    """Return the lowest share of the loss that is left in a training of a copy of the parameters, and its number of steps."""
    theta: Array = state.layout.zeros(state.dtype)
    theta[:] = state.parameters
    step = GradientStep(state, parameters=theta)
    updater = Updater(Adam(rate), state.layout, state.kernels, state.dtype)
    lowest = [math.inf]  # so far, after each step
    for number in range(1, MOST_STEPS + 1):
        loss = step(x, targets, weights, state.steps + 1)  # the same number each time: the same noise
        if not np.isfinite(loss) or not np.isfinite(step.gradient).all():
            break
        lowest.append(min(lowest[-1], share_left(loss, known)))
        good = CANNOT_OVERFIT.threshold * (GOOD if number < STEPS else 1)
        if lowest[-1] < good or (number >= STEPS and lowest[-1] > FALLING[1] * lowest[-1 - FALLING[0]]):
            break
        updater.update(theta, step.gradient, rate, number)
    return lowest[-1], len(lowest) - 1
