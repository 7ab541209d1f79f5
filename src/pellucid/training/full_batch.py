"""Training on the whole training set at once: the loop for rules that minimize one function, such as L-BFGS.

The function is the mean loss over the training set plus the penalties in the optimizer's chain. It is computed in chunks of
samples, so the memory does not grow with the number of samples. Losses and gradients of the chunks are summed in float64, in
the order of the samples; the size of the chunks depends on the network only. So the bits depend on the number of threads only
if those of a kernel do.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.core.named_arrays import zeros
from pellucid.data.batches import Batches
from pellucid.errors import ConfigError, DivergedError
from pellucid.optim import rule_of
from pellucid.optim.lbfgs import LBFGS, CurvaturePairs, Minimization
from pellucid.training.divergence import error_at_start
from pellucid.training.events import EpochEvent, Event, History, StepEvent
from pellucid.training.execution import chunk_size
from pellucid.training.loop import Control, Evaluate, Place, in_bounds
from pellucid.training.options import FitOptions
from pellucid.training.parts import PartedStep, Parts
from pellucid.training.policies import ReduceOnPlateau
from pellucid.training.prediction import CHUNK_SAMPLES, CHUNK_VALUES, start_scores
from pellucid.training.state import ModelState
from pellucid.training.step import GradientStep, Step

# Layers with statistics of the batch need all samples in one chunk, with at most this many values in its largest array
# (200 MB; a network has several such arrays).
MAX_WHOLE_VALUES = 50_000_000


def check_options(options: FitOptions, samples: int, rule: LBFGS) -> None:
    """Raise ConfigError where the options of a training on ``samples`` samples make the loss another function each time."""

    def refuse(setting: str, why: str) -> ConfigError:
        return ConfigError(f"fit({setting}): {why}; leave it out, or train with batches, as with Adam()")

    if options.batch_size is not None and options.batch_size < samples:
        raise refuse(
            f"batch_size={options.batch_size}",
            f"{rule} needs the same function at each evaluation, so its batch is the whole training set of {samples:,} samples",
        )
    if options.accumulate > 1:
        raise refuse(f"accumulate={options.accumulate}", f"{rule} always takes the whole training set, in chunks")
    if options.augmentation is not None:
        raise refuse(f"augmentation={options.augmentation}", f"{rule} needs the same samples at each evaluation")
    if options.method is not None:
        raise refuse(f"method={options.method}", f"{rule} needs the exact gradient")
    for policy in options.policies:
        if isinstance(policy, ReduceOnPlateau):
            raise refuse(f"policies={policy}", f"{rule} has no learning rate")


def chunk_samples(state: ModelState, samples: int, rule: LBFGS) -> int:
    """Return the number of samples that are computed at once.

    All of them, if a layer needs statistics of the batch or the loss compares samples. Raises ConfigError where that is too
    much memory, and for layers that are random in training.
    """
    execution = state.execution(state.body, statistics=state.statistics.copy())
    with np.errstate(all="ignore"):
        execution.forward(zeros(1, state.input_shape, state.dtype), training=True)
    if execution.random_paths:
        raise ConfigError(
            f"{' and '.join(sorted(execution.random_paths))} uses random numbers in training, but {rule} needs the same "
            "function at each evaluation: leave it out (L2(λ) in a Chain regularizes, too), or train with batches, as with "
            "Adam()"
        )
    if not execution.summing_paths and not state.output.compares_samples:
        return min(samples, chunk_size(state.largest_output, CHUNK_VALUES, CHUNK_SAMPLES))
    if samples * state.largest_output > MAX_WHOLE_VALUES:
        layers = " and ".join(sorted(execution.summing_paths))
        why = f"{layers} needs statistics over the whole training set" if layers else f"{state.loss} compares all samples"
        raise ConfigError(
            f"{why}, but all {samples:,} samples at once, as {rule} needs them, are too much memory: "
            f"{'leave the layer out, or ' if layers else ''}train with batches, as with Adam()"
        )
    return samples


class FullBatchLoss:
    """The mean loss over the training set plus the penalties, with its gradient, as a function of the trained parameters.

    ``batches`` are the chunks, not shuffled. After a call, ``scores`` are the loss (without penalties) and the metrics at that
    point, ``statistics`` the running statistics after a step there, and ``failed`` is the first chunk whose loss or gradient is
    not finite or too large, or None. ``parts`` are those in which each chunk is computed, or None. The model's own vectors are
    only read.
    """

    def __init__(self, state: ModelState, batches: Batches, parts: Parts | None = None):
        self.state, self.batches = state, batches
        self.scores = start_scores(state)
        self.failed: tuple[Any, Any, Any] | None = None
        self._trained = slice(0, state.layout.trained_size)
        self._theta = state.layout.zeros(state.dtype)
        self._theta[:] = state.parameters
        self._step: Step = (
            GradientStep(state, parameters=self._theta) if parts is None else PartedStep(state, parts, parameters=self._theta)
        )
        self._gradient = state.layout.zeros(state.dtype)
        self._sum, self._part = np.empty(state.layout.size), np.empty(state.layout.size)

    @property
    def statistics(self) -> Array:
        """The running statistics after the last call."""
        return self._step.statistics

    def __call__(self, theta: Array) -> tuple[float, Array]:
        """Return value and gradient; the gradient is overwritten by the next call. Out of bounds, the value is infinite."""
        state, step = self.state, self._step
        self._theta[self._trained] = theta
        self.scores, self.failed = start_scores(state), None
        self._sum[:] = 0
        done = 0
        for x, targets, weights in self.batches.epoch(0):
            loss = step(x, targets, weights, state.steps + 1, done)
            if not in_bounds(state, loss, state.kernels.sum_of_squares(step.gradient)):
                self.failed = x, targets, weights
                return math.inf, self._gradient[self._trained]
            self.scores.add_step(step, targets)
            np.multiply(step.gradient, step.weight, out=self._part, dtype=np.float64)
            self._sum += self._part
            done += len(x)
        scale = 1 / self.scores.weight if self.scores.weight > 0 else 0.0
        np.multiply(self._sum, scale, out=self._gradient, casting="same_kind")
        with np.errstate(over="ignore"):  # an infinite value makes the line search retreat
            penalty = state.updater.add_penalties(self._theta, self._gradient)
        return self.scores.mean() + penalty, self._gradient[self._trained]


def train_full_batch(
    state: ModelState,
    batches: Batches,
    epochs: int,
    history: History,
    *,
    evaluate_validation: Evaluate | None = None,
    evaluate_training: Evaluate | None = None,
    control: Control | None = None,
    place: Place | None = None,
    parts: Parts | None = None,
) -> Generator[Event, None, None]:
    """Yield the events of a training with L-BFGS: each epoch is one iteration, and one step.

    ``place`` is where it begins; it is kept up to date. The training ends after ``epochs`` epochs, or before that when the
    minimization ends; ``history.stopped`` then says why. An epoch that finds no better parameters has the learning rate 0, and
    there is at least one epoch. Raises DivergedError where the loss or the gradient of the first parameters is not finite, or
    too large.
    """
    rule = rule_of(state.updater.optimizer)
    assert isinstance(rule, LBFGS)
    place = place or Place()
    loss, samples = FullBatchLoss(state, batches, parts), len(batches.targets)
    run: Minimization | None = None
    scores, resumed = loss.scores, place.epoch > 1 or place.batch > 0
    for epoch in range(place.epoch, epochs + 1):
        saved = place.begin_epoch(state)
        if control is not None and control.learning_rate is not None:
            raise ConfigError(f"{rule} has no learning rate that could be set to {control.learning_rate:g}")
        if place.batch:  # a checkpoint after the step of this epoch
            scores = saved
        else:
            if run is None:
                run, scores = _started(state, loss, rule), loss.scores
                counted = run.evaluations if resumed else 0
            length = run.iterate()
            if length > 0:
                scores, state.statistics[:] = loss.scores, loss.statistics
                state.steps += 1
            mean, passes = scores.result()["loss"], run.evaluations - counted
            counted = run.evaluations
            place.batch, place.learning_rate, place.scores, place.ended = 1, length, scores, run.ended
            yield StepEvent(epoch, 1, 1, state.steps, float(mean), samples, length, scores.result, passes)
        state.epochs += 1
        training = evaluate_training() if evaluate_training else scores.result()
        validation = evaluate_validation() if evaluate_validation else None
        history.stopped = place.ended
        is_last = epoch == epochs or place.ended is not None
        event = EpochEvent(epoch, place.end_epoch(), place.learning_rate, training, validation, is_last)
        if place.ended is not None:
            place.epoch = epochs + 1
        yield event
        if place.ended is not None:
            return


def _started(state: ModelState, loss: FullBatchLoss, rule: LBFGS) -> Minimization:
    """Return the minimization of the loss from the model's parameters, with the pairs in the optimizer's state."""
    theta = state.parameters[: state.layout.trained_size]
    try:
        return Minimization(loss, theta, CurvaturePairs(state.updater.rule_state), rule)
    except DivergedError:
        if loss.failed is None:
            raise
        raise error_at_start(state, *loss.failed, state.steps + 1) from None
