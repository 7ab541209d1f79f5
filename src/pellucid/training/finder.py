"""Finding a learning rate: a short training in which the rate rises with every step until the loss bursts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.core.config import Positive, checked
from pellucid.core.memory import Array
from pellucid.data.batches import Batches
from pellucid.errors import ConfigError, DataError, DivergedError
from pellucid.training.loop import take_step
from pellucid.training.parts import Parts
from pellucid.training.step import Step

BURST = 4.0  # times the lowest loss so far: no rate beyond is of use
SEEN = 10  # steps whose mean loss has to burst: a single batch may be odd
WIDTH = 0.15  # decades of the learning rate over which the loss is smoothed; half and twice as much suggest much the same


@dataclass(frozen=True)
class RateSearch:
    """What a range test found: ``rates`` and ``losses`` step by step, as far as it went; the losses ``smoothed``, each a mean
    of its neighbours on both sides, weighted by a Gaussian of 0.15 decades of the rate; and the ``suggestion``, the rate at
    which the smoothed loss falls most steeply over the logarithm of the rate, to two digits. (For a schedule it is the
    highest.) ``diverged`` says that the loss burst before the highest rate was tried.

    A tenth of the rate with the lowest loss, another rule, was tried on MNIST and told seeds apart more than optimizers: where
    the lowest lies is chance, where the loss falls is not."""

    rates: Array
    losses: Array
    smoothed: Array
    suggestion: float
    diverged: bool

    def _repr_html_(self) -> str:
        from pellucid.training import shown

        return shown.rates(self)


def check_range(low: float, high: float, steps: int) -> None:
    """Refuses a range that is none."""
    low, high = (checked(value, Positive, "find_learning_rate", name) for value, name in ((low, "low"), (high, "high")))
    if low >= high:
        raise ConfigError(f"find_learning_rate(low={low:g}, high={high:g}): the rate rises from low to high")
    if checked(steps, int, "find_learning_rate", "steps") < 10:
        raise ConfigError(f"find_learning_rate(steps={steps}): a curve needs 10 steps at least")


def range_test(parts: Parts, step: Step, batches: Batches, low: float, high: float, steps: int) -> RateSearch:
    """The learning rate rises from ``low`` to ``high``, by the same factor in each of ``steps`` steps (Smith, 2017); the test
    ends early where the loss is four times its lowest, or not finite. Everything that it changes is put back.
    Raises DataError where not even the lowest rates can be used."""
    vectors = [parts.theta, parts.state, *parts.updater.state.values()]
    kept, counts = [vector.copy() for vector in vectors], (parts.steps, parts.epochs)
    losses: list[float] = []
    rates, diverged = np.geomspace(low, high, steps), False
    try:
        source = batches.epoch(parts.epochs)
        for rate in rates:
            batch = next(source, None)
            if batch is None:
                parts.epochs += 1
                source = batches.epoch(parts.epochs)
                batch = next(source)
            try:
                loss = take_step(parts, step, *batch, float(rate), f"the range test, at a rate of {rate:.3g}")
            except DivergedError:
                diverged = True
                break
            losses.append(loss)
            if len(losses) >= SEEN and np.mean(losses[-SEEN:]) > burst(min(losses)):
                diverged = True
                break
    finally:
        for vector, copy in zip(vectors, kept, strict=True):
            vector[:] = copy
        parts.steps, parts.epochs = counts
    rates, found = rates[: len(losses)], np.array(losses)
    if len(losses) < 2:
        raise DataError(f"no learning rate to be found: the loss is out of bounds at {low:g} already; begin with a lower one")
    smooth = smoothed(rates, found)
    return RateSearch(rates, found, smooth, suggested(rates, smooth), diverged)


def burst(loss: float) -> float:
    """What a loss has burst beyond that was at ``loss``: four times that. (Poisson's may be below 0.)"""
    return loss + (BURST - 1) * abs(loss)


def smoothed(rates: Array, losses: Array) -> Array:
    """The losses by a Gaussian over the logarithm of the rate; a loss far above the first counts as that far."""
    x = np.log10(rates)
    near = np.exp(-0.5 * ((x[:, np.newaxis] - x) / WIDTH) ** 2)
    mean: Array = near @ np.minimum(losses, burst(losses[0])) / near.sum(axis=1)
    return mean


def suggested(rates: Array, losses: Array) -> float:
    """Where the smoothed losses fall most steeply before their lowest, to two digits."""
    lowest = int(np.argmin(losses))
    if lowest == 0:
        raise DataError(
            f"no learning rate to be found: the loss is lowest at {rates[0]:g}, where the test begins. Begin with a lower "
            "rate, or make more steps; where the model is trained already, there is little to find"
        )
    steepest = float(rates[int(np.argmin(np.gradient(losses, np.log10(rates))[: lowest + 1]))])
    return float(f"{steepest:.2g}")
