"""The training loop: a generator of events.

The code that iterates over the events controls the training. It can show progress, draw curves, change the learning rate,
pause (by not requesting the next event) or stop (by closing the generator). ``Model.fit`` is one such iteration.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pellucid.core.memory import Array
from pellucid.data.batches import BatchSource
from pellucid.errors import CheckpointError
from pellucid.metrics import Value
from pellucid.optim.schedules import Clock
from pellucid.training.divergence import divergence_error
from pellucid.training.events import EpochEvent, Event, History, StepEvent
from pellucid.training.prediction import Scores, start_scores
from pellucid.training.recording import MAX_SUM_OF_SQUARES
from pellucid.training.state import ModelState
from pellucid.training.step import GradientStep, Step
from pellucid.training.threads import Threads

Evaluate = Callable[[], Mapping[str, Value]]
Batch = tuple[Any, Any, Any]  # x, targets, weights: arrays, or NamedArrays


@dataclass
class Control:
    """What the code that iterates over the events may change during training.

    - ``learning_rate``, unless None, replaces the optimizer's.
    - ``stop = True`` ends the training at the next event: a checkpoint is written if there is a ``Checkpoint`` policy, and the
      policies finish as at the end of a training. Closing the generator ends it at once instead.
    - ``record`` are plain values of the caller that checkpoints hold, and that a resumed training gets back.
    """

    learning_rate: float | None = None
    stop: bool = False
    record: dict[str, Any] = field(default_factory=dict)


@dataclass
class Place:
    """The place in a training, from which it can go on.

    ``epoch`` counts from 1; after the last epoch it is one more than their number. ``batch`` is the number of updates of this
    epoch that are done, ``seconds`` their time, ``scores`` what was accumulated over them, and ``learning_rate`` the rate of
    the last one. ``ended`` says why an optimizer has nothing left to do. ``saved_scores`` and ``saved_seconds`` are those of
    the checkpoint from which the first epoch goes on.
    """

    epoch: int = 1
    batch: int = 0
    learning_rate: float = 0.0
    ended: str | None = None
    scores: Scores | None = None
    saved_scores: Mapping[str, Any] | None = None
    saved_seconds: float = 0.0
    start_time: float = 0.0

    @property
    def seconds(self) -> float:
        """The seconds of this epoch so far; 0 between two epochs."""
        return time.perf_counter() - self.start_time if self.batch else 0.0

    def begin_epoch(self, state: ModelState) -> Scores:
        """Start the clock and the scores of this epoch, or go on with those of the checkpoint."""
        self.start_time = time.perf_counter() - self.saved_seconds
        self.scores = start_scores(state)
        if self.saved_scores is not None:
            try:
                self.scores.restore(self.saved_scores)
                self.scores.result()
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                raise CheckpointError(
                    f"the scores in the checkpoint do not fit the metrics of the model ({type(error).__name__}: {error}): it "
                    "is damaged, or of another version; delete it to go on from the one before"
                ) from error
        self.saved_scores, self.saved_seconds = None, 0.0
        return self.scores

    def end_epoch(self) -> float:
        """Move to the beginning of the next epoch, and return the seconds of this one."""
        seconds = self.seconds
        self.epoch, self.batch, self.scores = self.epoch + 1, 0, None
        return seconds


def train(
    state: ModelState,
    step: Step,
    batches: BatchSource,
    epochs: int,
    *,
    accumulate: int = 1,
    evaluate_validation: Evaluate | None = None,
    evaluate_training: Evaluate | None = None,
    control: Control | None = None,
    place: Place | None = None,
) -> Generator[Event, None, None]:
    """Yield the events of a training of ``epochs`` epochs; each update uses the gradient of ``accumulate`` batches.

    ``place`` is where it begins; it is kept up to date. ``evaluate_validation`` computes the scores of the validation set after
    each epoch. ``evaluate_training``, if given, computes those of the training set, which are otherwise accumulated during the
    epoch. Raises DivergedError where the loss or the gradient is not finite, or too large, before the parameters are updated.
    """
    control, place = control or Control(), place or Place()
    updates = -(-len(batches) // accumulate)  # per epoch
    accumulation = Accumulation(state, step, accumulate) if accumulate > 1 else None
    for epoch in range(place.epoch, epochs + 1):
        scores = place.begin_epoch(state)
        # Each epoch, over all trainings of the model, has its own order.
        source = batches.epoch(state.epochs, place.batch * accumulate)
        for batch in range(place.batch + 1, updates + 1):
            clock = Clock.of_update(state.steps + 1, (epoch - 1) * updates + batch - 1, updates, epochs)
            rate = state.updater.rate(clock) if control.learning_rate is None else control.learning_rate
            where = f"epoch {epoch}, batch {batch}"
            if accumulation is None:
                x, targets, weights = next(source)
                loss = take_step(state, step, x, targets, weights, rate, where)
                scores.add_step(step, targets)
                samples, passes = len(x), step.forward_passes
            else:
                loss = accumulation.take_step(source, rate, where, scores)
                samples, passes = accumulation.samples, accumulation.forward_passes
            place.batch, place.learning_rate = batch, rate
            yield StepEvent(epoch, batch, updates, state.steps, loss, samples, rate, scores.result, passes)
        state.epochs += 1
        scores.check_counted("training data")
        training = evaluate_training() if evaluate_training else scores.result()
        validation = evaluate_validation() if evaluate_validation else None
        yield EpochEvent(epoch, place.end_epoch(), place.learning_rate, training, validation, is_last=epoch == epochs)


def take_step(state: ModelState, step: Step, x: Any, targets: Any, weights: Any, rate: float, where: str) -> float:
    """Compute the gradient of one batch, check that it is finite, and update. Returns the mean loss before the update.

    Raises DivergedError if the loss or the gradient is not finite or too large; ``where`` is the place in the training, for
    the message. A step that has been recorded with its update is one call; if it is refused there, it is computed again here.
    A step whose update has begun is counted, also if an interrupt ends the update.
    """
    loss = step.with_update(x, targets, weights, rate) if isinstance(step, GradientStep) else None
    if loss is None:
        loss, squares = _compute_gradient(state, step, x, targets, weights, rate, where)
        _update(state, step, step.gradient, rate, squares)
    return loss


def _update(state: ModelState, step: Step, gradient: Array, rate: float, squares: float | None = None) -> None:
    """Update the parameters, accept the running statistics of the step, and count it: after an interrupt, too."""
    try:
        state.updater.update(state.parameters, gradient, rate, state.steps + 1, squares)
    finally:
        state.steps += 1
        if state.statistics.size:
            state.statistics[:] = step.statistics


def _compute_gradient(
    state: ModelState, step: Step, x: Any, targets: Any, weights: Any, rate: float, where: str, offset: int = 0
) -> tuple[float, float]:
    """Store the gradient of the batch in ``step``, and return its mean loss and its sum of squares.

    Raises DivergedError unless both are in bounds.
    """
    number = state.steps + 1
    loss = step(x, targets, weights, number, offset)
    squares = state.kernels.sum_of_squares(step.gradient[: state.layout.trained_size])  # that of frozen parameters is zero
    if not in_bounds(state, loss, squares):
        raise divergence_error(state, where, rate, x, targets, weights, number)
    return loss, squares


def in_bounds(state: ModelState, loss: float, squares: float) -> bool:
    """Return whether the mean loss of a batch and the sum of squares of its gradient are finite and not too large."""
    # Comparisons with NaN are false, too.
    return loss <= state.output.divergence_limit and squares <= MAX_SUM_OF_SQUARES


class Accumulation:
    """Gradient accumulation: one update from ``count`` batches, in the memory of one.

    The mean of the gradients, weighted with each batch's sum of weights, is the gradient of the union of the batches. The
    random numbers are also those of the union. Batch normalization uses the statistics of one batch at a time. After a step,
    ``samples`` and ``forward_passes`` are its number of samples and of forward passes.
    """

    def __init__(self, state: ModelState, step: Step, count: int):
        self.state, self.step, self.count = state, step, count
        self.samples = self.forward_passes = 0
        self._total = state.layout.zeros(state.dtype)

    def take_step(self, batches: Iterator[Batch], rate: float, where: str, scores: Scores) -> float:
        """Make one update from the next batches (fewer at the end of an epoch). Returns the mean loss before it."""
        state, step, total = self.state, self.step, self._total
        total[:] = 0
        self.samples = self.forward_passes = 0
        loss = weight = 0.0
        for number, (x, targets, weights) in enumerate(itertools.islice(batches, self.count), start=1):
            mean, _ = _compute_gradient(state, step, x, targets, weights, rate, f"{where}, part {number}", self.samples)
            scores.add_step(step, targets)
            state.kernels.add_scaled(total, step.gradient, step.weight)
            loss += mean * step.weight
            weight += step.weight
            self.samples += len(x)
            self.forward_passes += step.forward_passes
        scale = 1 / weight if weight > 0 else 0.0
        state.kernels.scale(total, scale)
        _update(state, step, total, rate)
        return loss * scale


def stoppable(
    events: Generator[Event, None, None],
    control: Control,
    checkpoints: contextlib.AbstractContextManager[Callable[[Event, bool], None]] | None,
) -> Generator[Event, None, None]:
    """Yield the same events, until ``control.stop`` is set.

    When the next event is requested, all policies have handled the one before: that is the moment for checkpoints.
    ``write(event, stop)`` is called then; ``checkpoints`` yields this function while the training runs.
    """
    with contextlib.closing(events), checkpoints or contextlib.nullcontext() as write:
        for event in events:
            yield event
            if write is not None:
                write(event, control.stop)
            if control.stop:
                return


def recorded(
    events: Generator[Event, None, None],
    history: History,
    state: ModelState,
    threads: Threads,
    begin: Callable[[], None] | None = None,
) -> Generator[Event, None, None]:
    """Yield the same events, and add a row to the history after each epoch. ``begin`` is called before the first event.

    The numbers of threads are set while an event is computed, not while the caller handles it. Closing this generator closes
    ``events`` at once, so that policies restore the parameters and the learning rate.
    """
    if begin is not None:
        begin()
    with contextlib.closing(events):
        while True:
            with threads.applied(state.kernels):
                event = next(events, None)
            if event is None:
                return
            if isinstance(event, EpochEvent):
                history.rows.append(event.row())
            else:
                history.forward_passes += event.forward_passes
            yield event
