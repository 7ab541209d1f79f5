"""The examination of a network on data: :meth:`~pellucid.Model.diagnose`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pellucid.core import rng
from pellucid.core.named_arrays import empty
from pellucid.data.input_stages import AnyStage
from pellucid.doctor import symptoms
from pellucid.doctor.curves import Background, curve_findings
from pellucid.doctor.diagnosis import Diagnosis
from pellucid.doctor.finding import Finding
from pellucid.doctor.kinds import NOT_FINITE
from pellucid.doctor.levels import Levels, levels
from pellucid.doctor.measurement import Probe, norms, trained_layers, weights_of
from pellucid.doctor.overfitting_trial import overfitting_trial
from pellucid.initializers import initial_values
from pellucid.optim import Updater
from pellucid.optim.schedules import Clock, Schedule
from pellucid.training.divergence import first_failure
from pellucid.training.events import History
from pellucid.training.execution import chunk_size
from pellucid.training.inputs import Samples
from pellucid.training.state import ModelState

MAX_SAMPLES = 512
MAX_VALUES = 8_000_000  # in the largest array: 32 MB, of which a backward pass keeps one for each layer
PROGRESSES = (0.0, 0.1, 0.25, 0.5)  # of a schedule, whose highest rate decides whether updates are too small


def diagnose(state: ModelState, samples: Samples, stage: AnyStage, history: History, *, overfit: bool = True) -> Diagnosis:
    """Return the diagnosis of a network on checked samples, and of the training in ``history``.

    ``overfit`` includes the overfitting trial, which takes most of the time. The model is not changed.
    """
    x, targets, weights = _batch(state, samples, stage)
    with state.threads(len(x)).applied(state.kernels):
        findings, left_out = _network_findings(state, x, targets, weights, overfit)
    background = Background(None, levels(state, targets, weights).constant, state.steps, _movement(state, len(history)))
    return Diagnosis([*findings, *curve_findings(history, background)], left_out)


def _batch(state: ModelState, samples: Samples, stage: AnyStage) -> tuple[Any, Any, Any]:
    """Return a random part of the samples as one batch: x after the input stage, targets and weights."""
    n = len(samples.targets)
    count = min(n, chunk_size(state.largest_output, MAX_VALUES, MAX_SAMPLES))
    chosen = np.sort(rng.generator(state.seed, "doctor", 0).permutation(n)[:count])
    rows = chosen if samples.rows is None else samples.rows[chosen]
    x = stage.transform(samples.x, rows, empty(count, state.input_shape, state.dtype), state.kernels)
    weights = np.ones(count, np.float32) if samples.weights is None else samples.weights[chosen]
    return x, samples.targets[chosen], weights


def _network_findings(state: ModelState, x: Any, targets: Any, weights: Any, overfit: bool) -> tuple[list[Finding], list[str]]:
    probe = Probe(state)
    measured = probe.measure(x, targets, weights, state.steps + 1)
    if not (np.isfinite(measured.loss) and np.isfinite(probe.gradient).all()):
        failure = first_failure(state, x, targets, weights, state.steps + 1)
        return [NOT_FINITE.finding(failure.partition(" is the first")[0], 1.0, f"{failure}.")], []
    known = levels(state, targets, weights)
    findings: list[Finding] = []
    left_out: list[str] = []
    if untrained(state):
        findings += symptoms.loss_at_start(measured.loss, known, classes_of(state))
    if measured.samples < symptoms.MIN_SAMPLES and measured.dead:
        left_out.append(f"dead units: that takes {symptoms.MIN_SAMPLES} samples, and there are {measured.samples:,}")
    findings += symptoms.dead_units(measured.dead, measured.samples)
    findings += symptoms.saturated_layers(measured.saturated)
    findings += symptoms.gradient_flow(measured.gradients)
    findings += symptoms.layers_without_gradient(measured.slopes)
    findings += _updates(state, probe, measured.loss, known)
    if overfit:
        found, reason = overfitting_trial(state, x, targets, weights)
        findings += found
        left_out += [reason] if reason is not None else []
    return findings, left_out


def _updates(state: ModelState, probe: Probe, loss: float, known: Levels) -> list[Finding]:
    """Return the findings on one step of the optimizer, which is made on copies of its vectors."""
    if state.updater.rule.full_batch:  # its steps come from a line search
        return []
    learning_rate = state.updater.rule.learning_rate
    now = Clock(state.steps + 1)
    rate = peak = state.updater.rate(now)
    if isinstance(learning_rate, Schedule):
        peak = max(state.updater.rate(Clock(state.steps + 1, 10 * at, at)) for at in PROGRESSES)
    copy = Updater(state.updater.optimizer, state.layout, state.kernels, state.dtype)
    for name, vector in state.updater.state.items():
        copy.state[name][...] = vector
    theta = state.layout.zeros(state.dtype)
    theta[:] = state.parameters
    gradient = state.layout.zeros(state.dtype)
    gradient[:] = probe.gradient
    copy.update(theta, gradient, rate, state.steps + 1)
    ratios = changes(state, weights_of(state, probe.parameters), state.parameters, theta)
    factor = peak / rate if rate > 0 else 0.0
    at_peak = {path: ratio * factor for path, ratio in ratios.items()}
    return [*symptoms.large_updates(ratios, rate), *symptoms.small_updates(at_peak, peak, loss, known)]


def changes(state: ModelState, layers: dict[str, list[str]], before: Any, after: Any) -> dict[str, float]:
    """Return ‖after − before‖/‖before‖ of two vectors of parameters, for each layer whose norm is not 0."""
    sizes, moved = norms(state, layers, before), norms(state, layers, after - before)
    return {path: moved[path] / size for path, size in sizes.items() if size > 0}


def untrained(state: ModelState) -> bool:
    """Return whether the parameters are those that the model was created with."""
    return state.steps == 0 and np.array_equal(state.parameters, initial_values(state.layout, state.seed, state.dtype))


def classes_of(state: ModelState) -> int:
    """Return the number of classes of the output, the largest if there are several."""
    return max(part.class_count for part in getattr(state.output, "parts", {"": state.output}).values())


def _movement(state: ModelState, epochs: int) -> float | None:
    """Return the mean change of the weights in an epoch, from their distance to the initial ones; None without epochs."""
    if not epochs:
        return None
    initial = initial_values(state.layout, state.seed, state.dtype)
    layers = weights_of(state, trained_layers(state))
    moved = norms(state, layers, state.parameters - initial)
    sizes = norms(state, layers, initial)
    size = math.hypot(*sizes.values())
    return math.hypot(*moved.values()) / size / epochs if size > 0 else None
