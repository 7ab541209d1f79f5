"""The training loop: a generator of events.

Whoever iterates decides what happens: shows progress, draws curves, changes the learning rate, stops (close the
generator) or waits (do not ask for the next event). ``model.fit`` is such an iteration.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass

from pellucid.data.batches import Batches
from pellucid.memory import Array
from pellucid.metrics import Value
from pellucid.optim.schedules import Clock
from pellucid.training import blas
from pellucid.training.doctor import diverged
from pellucid.training.events import EpochEvent, Event, History, StepEvent
from pellucid.training.inference import Scores
from pellucid.training.parts import Parts
from pellucid.training.shards import Sharding
from pellucid.training.step import GradientStep

Evaluation = Callable[[], Mapping[str, Value]]

LARGEST = 3.4e38  # what float32 holds: a gradient whose squares do not fit is as lost as an infinite one (Adam squares it)


@dataclass
class Control:
    """What may be changed while training runs: ``learning_rate``, if set, takes the place of the optimizer's."""

    learning_rate: float | None = None


def train(
    parts: Parts,
    step: GradientStep,
    batches: Batches,
    epochs: int,
    *,
    validate: Evaluation | None = None,
    train_scores: Evaluation | None = None,
    control: Control | None = None,
) -> Generator[Event, None, None]:
    """Trains ``epochs`` epochs. ``validate`` scores the validation set; ``train_scores``, if given, scores the training
    set at each epoch's end instead of counting while it runs. Raises DivergedError before a bad update is made."""
    control = control or Control()
    for epoch in range(1, epochs + 1):
        began = time.perf_counter()
        scores = Scores(parts)
        rate = 0.0
        for batch, (x, targets, weights) in enumerate(batches.epoch(parts.epochs), start=1):
            done = epoch - 1 + (batch - 1) / len(batches)
            clock = Clock(parts.steps + 1, done, done / epochs)
            rate = parts.updater.rate(clock) if control.learning_rate is None else control.learning_rate
            loss = take_step(parts, step, x, targets, weights, rate, f"epoch {epoch}, batch {batch}")
            scores.add(loss * step.weight, step.weight, step.outputs, targets, weights)
            yield StepEvent(epoch, batch, len(batches), parts.steps, loss, len(x), rate, scores.result)
        parts.epochs += 1
        train = train_scores() if train_scores else scores.result()
        validation = validate() if validate else None
        yield EpochEvent(epoch, time.perf_counter() - began, rate, train, validation)


def take_step(parts: Parts, step: GradientStep, x: Array, targets: Array, weights: Array, rate: float, where: str) -> float:
    """One batch: gradient, the check that it is finite, update. Returns the mean loss before the update."""
    number = parts.steps + 1
    loss = step(parts.p, x, targets, weights, number)
    bounded = loss <= parts.loss.limit and parts.kernels.sum_of_squares(step.gradient) <= LARGEST
    if not bounded:  # NaN is not, either
        raise diverged(parts, where, rate, x, targets, weights, number)
    parts.updater.update(parts.theta, step.gradient, rate, number)
    parts.state[:] = step.state
    parts.steps = number
    return loss


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
            yield event
