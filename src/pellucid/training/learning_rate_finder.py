"""The learning-rate finder: a short training whose learning rate rises until the loss explodes (a range test)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from pellucid.core.config import Positive, Range, validate
from pellucid.core.memory import Array
from pellucid.data.batches import BatchSource
from pellucid.errors import ConfigError, DataError, DivergedError
from pellucid.training.loop import take_step
from pellucid.training.state import ModelState
from pellucid.training.step import Step

EXPLOSION_FACTOR = 4.0  # times the lowest loss so far: no higher rate is useful
AVERAGED_STEPS = 10  # the mean loss of these must have exploded: a single batch may be an outlier
# The standard deviation, in decades of the learning rate, of the Gaussian that smooths the losses. Half of it and twice as much
# lead to nearly the same suggestions.
SMOOTHING_WIDTH = 0.15
MIN_STEPS = 10
MAX_STEPS = 10_000  # the losses are smoothed with a matrix of this width


@dataclass(frozen=True)
class RateSearch:
    """The result of a range test.

    - ``rates`` and ``losses``: the learning rate and the loss of each step;
    - ``smoothed``: the losses, each averaged with its neighbours on both sides, weighted by a Gaussian of 0.15 decades;
    - ``suggestion``: the rate at which the smoothed loss falls most steeply over the logarithm of the rate, rounded to two
      digits. For a schedule it is the peak;
    - ``diverged``: whether the test ended because the loss exploded.

    Another rule, a tenth of the rate with the lowest loss, was tried on MNIST. Its suggestions varied more with the seed than
    with the optimizer: the position of the minimum is random, the position of the steepest descent is not.
    """

    rates: Array
    losses: Array
    smoothed: Array
    suggestion: float
    diverged: bool

    def _repr_html_(self) -> str:
        from pellucid.notebook import histories

        return histories.learning_rate_search(self.rates, self.losses, self.smoothed, self.suggestion, self.diverged)


def check_range(low: float, high: float, steps: int) -> None:
    """Raise ConfigError unless 0 < low < high and there are from 10 to 10,000 steps."""
    low, high = (validate(value, Positive, "find_learning_rate", name) for value, name in ((low, "low"), (high, "high")))
    if low >= high:
        raise ConfigError(f"find_learning_rate(low={low:g}, high={high:g}): low must be less than high")
    validate(steps, Annotated[int, Range(MIN_STEPS, MAX_STEPS)], "find_learning_rate", "steps")


def range_test(state: ModelState, step: Step, batches: BatchSource, low: float, high: float, steps: int) -> RateSearch:
    """Return the losses of ``steps`` steps whose learning rate rises from ``low`` to ``high`` by equal factors (Smith, 2017).

    The test ends early where the loss is not finite, or where the mean loss of the last ten steps exceeds the explosion limit
    of the lowest loss (:func:`explosion_limit`). The model is left unchanged. Raises DataError where even the lowest rates are
    too high.
    """
    vectors = [state.parameters, state.statistics, *state.updater.state.values()]
    saved, counts = [vector.copy() for vector in vectors], (state.steps, state.epochs)
    losses: list[float] = []
    rates, diverged = np.geomspace(low, high, steps), False
    try:
        source = batches.epoch(state.epochs)
        for rate in rates:
            batch = next(source, None)
            if batch is None:
                state.epochs += 1
                source = batches.epoch(state.epochs)
                batch = next(source)
            try:
                loss = take_step(state, step, *batch, float(rate), f"the range test, at a rate of {rate:.3g}")
            except DivergedError:
                diverged = True
                break
            losses.append(loss)
            if len(losses) >= AVERAGED_STEPS and np.mean(losses[-AVERAGED_STEPS:]) > explosion_limit(min(losses)):
                diverged = True
                break
    finally:
        for vector, copy in zip(vectors, saved, strict=True):
            vector[:] = copy
        state.steps, state.epochs = counts
    if len(losses) < 2:
        raise DataError(f"no learning rate found: the loss is out of bounds already at {low:g}; start with a lower rate")
    rates, measured = rates[: len(losses)], np.array(losses)
    smooth = smoothed(rates, measured)
    return RateSearch(rates, measured, smooth, suggested(rates, smooth), diverged)


def explosion_limit(loss: float) -> float:
    """Return the loss beyond which a training whose loss was ``loss`` has exploded: four times ``loss``.

    A negative loss, such as Poisson's may be, has exploded when it has risen by three times its size.
    """
    return loss + (EXPLOSION_FACTOR - 1) * abs(loss)


def smoothed(rates: Array, losses: Array) -> Array:
    """Return the losses smoothed over the logarithm of the rate.

    Before that, losses beyond the explosion limit of the first loss are reduced to that limit.
    """
    x = np.log10(rates)
    gaussian = np.exp(-0.5 * ((x[:, np.newaxis] - x) / SMOOTHING_WIDTH) ** 2)
    mean: Array = gaussian @ np.minimum(losses, explosion_limit(losses[0])) / gaussian.sum(axis=1)
    return mean


def suggested(rates: Array, losses: Array) -> float:
    """Return the rate, to two digits, at which the smoothed losses fall most steeply before their minimum.

    Raises DataError where the first loss is the lowest.
    """
    lowest = int(np.argmin(losses))
    if lowest == 0:
        raise DataError(
            f"no learning rate found: the loss is lowest at {rates[0]:g}, where the test begins. Start with a lower rate, or "
            "use more steps. For a model that is already trained there may be no such rate"
        )
    steepest = float(rates[int(np.argmin(np.gradient(losses, np.log10(rates))[: lowest + 1]))])
    return float(f"{steepest:.2g}")
