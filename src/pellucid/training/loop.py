"""The training loop: a generator of events.

Whoever iterates decides what happens: shows progress, draws curves, changes the learning rate, stops (close the
generator) or waits (do not ask for the next event). ``model.fit`` is such an iteration.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass

from pellucid.core.memory import Array
from pellucid.data.batches import Batches
from pellucid.metrics import Value
from pellucid.optim.schedules import Clock
from pellucid.training import blas
from pellucid.training.divergence import diverged
from pellucid.training.events import EpochEvent, Event, History, StepEvent
from pellucid.training.inference import Scores
from pellucid.training.parts import Parts
from pellucid.training.shards import Sharding
from pellucid.training.step import Step

Evaluation = Callable[[], Mapping[str, Value]]
Batch = tuple[Array, Array, Array]  # x, targets, weights

LARGEST = 3.4e38  # what float32 holds: a gradient whose squares do not fit is as lost as an infinite one (Adam squares it)


@dataclass
class Control:
    """What may be changed while training runs: ``learning_rate``, if set, takes the place of the optimizer's."""

    learning_rate: float | None = None


def train(
    parts: Parts,
    step: Step,
    batches: Batches,
    epochs: int,
    *,
    accumulate: int = 1,
    validate: Evaluation | None = None,
    train_scores: Evaluation | None = None,
    control: Control | None = None,
) -> Generator[Event, None, None]:
    """Trains ``epochs`` epochs; each update takes the gradient of ``accumulate`` batches. ``validate`` scores the validation
    set; ``train_scores``, if given, scores the training set at each epoch's end instead of counting while it runs. Raises
    DivergedError before a bad update is made."""
    control = control or Control()
    updates = -(-len(batches) // accumulate)
    accumulation = Accumulation(parts, step, accumulate) if accumulate > 1 else None
    for epoch in range(1, epochs + 1):
        began = time.perf_counter()
        scores = Scores(parts)
        rate = 0.0
        source = batches.epoch(parts.epochs)
        for batch in range(1, updates + 1):
            done = epoch - 1 + (batch - 1) / updates
            clock = Clock(parts.steps + 1, done, done / epochs)
            rate = parts.updater.rate(clock) if control.learning_rate is None else control.learning_rate
            where = f"epoch {epoch}, batch {batch}"
            if accumulation is None:
                x, targets, weights = next(source)
                loss = take_step(parts, step, x, targets, weights, rate, where)
                scores.add(loss * step.weight, step.weight, step.outputs, targets, weights)
                samples, passes = len(x), step.forward_passes
            else:
                loss = accumulation.take(source, rate, where, scores)
                samples, passes = accumulation.samples, accumulation.forward_passes
            yield StepEvent(epoch, batch, updates, parts.steps, loss, samples, rate, scores.result, passes)
        parts.epochs += 1
        train = train_scores() if train_scores else scores.result()
        validation = validate() if validate else None
        yield EpochEvent(epoch, time.perf_counter() - began, rate, train, validation)


def take_step(parts: Parts, step: Step, x: Array, targets: Array, weights: Array, rate: float, where: str) -> float:
    """One batch: gradient, the check that it is finite, update. Returns the mean loss before the update."""
    loss = _gradient(parts, step, x, targets, weights, rate, where)
    _update(parts, step, step.gradient, rate)
    return loss


def _gradient(
    parts: Parts, step: Step, x: Array, targets: Array, weights: Array, rate: float, where: str, offset: int = 0
) -> float:
    number = parts.steps + 1
    loss = step(parts.p, x, targets, weights, number, offset)
    bounded = loss <= parts.loss.limit and parts.kernels.sum_of_squares(step.gradient) <= LARGEST
    if not bounded:  # NaN is not, either
        raise diverged(parts, where, rate, x, targets, weights, number)
    return loss


def _update(parts: Parts, step: Step, gradient: Array, rate: float) -> None:
    parts.updater.update(parts.theta, gradient, rate, parts.steps + 1)
    parts.state[:] = step.state
    parts.steps += 1


class Accumulation:
    """Steps over ``count`` batches each, in the memory of one: the gradients are averaged, each with its batch's sum of
    weights, which gives the gradient of the batches' union; the noise, too, is that of the union. (Batch normalization sees
    one batch at a time.) After a step, ``samples`` and ``forward_passes`` say what it took."""

    def __init__(self, parts: Parts, step: Step, count: int):
        self.parts, self.step, self.count = parts, step, count
        self.samples = self.forward_passes = 0
        self._total = parts.layout.zeros(parts.dtype)

    def take(self, batches: Iterator[Batch], rate: float, where: str, scores: Scores) -> float:
        """One update from the next batches (fewer at an epoch's end). Returns the mean loss before it."""
        parts, step, total = self.parts, self.step, self._total
        total[:] = 0
        self.samples = self.forward_passes = 0
        loss = weight = 0.0
        for number, (x, targets, weights) in enumerate(itertools.islice(batches, self.count), start=1):
            one = _gradient(parts, step, x, targets, weights, rate, f"{where}, part {number}", self.samples)
            scores.add(one * step.weight, step.weight, step.outputs, targets, weights)
            parts.kernels.add_scaled(total, step.gradient, step.weight)
            loss += one * step.weight
            weight += step.weight
            self.samples += len(x)
            self.forward_passes += step.forward_passes
        share = 1 / weight if weight > 0 else 0.0
        parts.kernels.scale(total, share)
        _update(parts, step, total, rate)
        return loss * share


def recorded(
    events: Generator[Event, None, None], history: History, parts: Parts, sharding: Sharding
) -> Generator[Event, None, None]:
    """The same events, with each epoch written into the history, and threads as ``sharding`` says while one is made: not
    while whoever iterates does something else. Closed, it closes them, so that policies put things in order at once."""
    with contextlib.closing(events):
        while True:
            with blas.limited(sharding.blas_threads):
                parts.kernels.ready(sharding.team)
                event = next(events, None)
            if event is None:
                return
            if isinstance(event, EpochEvent):
                history.rows.append(event.row())
            else:
                history.forward_passes += event.forward_passes
            yield event
