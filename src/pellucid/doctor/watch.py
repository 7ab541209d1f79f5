"""The watch: a policy that examines a training while it runs, and reports each finding when it arises."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.config import Count
from pellucid.core.named_arrays import NamedArrays
from pellucid.doctor import symptoms
from pellucid.doctor.curves import Background, curve_findings
from pellucid.doctor.diagnose import changes, classes_of, untrained
from pellucid.doctor.finding import Finding
from pellucid.doctor.kinds import DIVERGENCE, RATE_TOO_HIGH
from pellucid.doctor.levels import Levels, levels
from pellucid.doctor.measurement import Probe, weights_of
from pellucid.errors import DivergedError
from pellucid.training.events import EpochEvent, History, StepEvent
from pellucid.training.policies import Events, Memory, Policy
from pellucid.training.state import ModelState

TARGETS = 2_000  # samples of the first epoch, from which the loss of a constant prediction is computed
TARGET_VALUES = 2_000_000  # in their outputs, where these are maps or sequences
FIRST_EPOCHS = 5  # are all examined, however short they are
SMOOTHING_STEPS = 30  # over which the loss of the steps is averaged
MAX_LOSS = 2.0  # times that at the start, of the smoothed loss


@dataclass(frozen=True)
class Watch(Policy):
    """Examine the training while it runs; the findings are in ``history.findings``, and are shown with the progress.

    Every ``every`` steps, the activations, the gradients and the update of one batch are measured: that takes about as long as
    two steps. At the end of an epoch, the learning curves and the changes of the parameters are examined; where epochs have
    fewer than half as many steps, after several of them. A finding is reported once for each layer, with its epoch. The watch
    changes nothing: the parameters are the same to the bit.

    It belongs before other policies, which it then sees as a part of the training.
    """

    every: Count = 200

    def wrap(self, events: Events, state: ModelState, history: History, memory: Memory) -> Events:
        watcher = _Watcher(state, history, self.every, memory)
        try:
            for event in events:
                if isinstance(event, StepEvent):
                    watcher.after_step(event)
                else:
                    watcher.after_epoch(event)
                yield event
            watcher.after_training()
        except DivergedError as error:
            watcher.diverged(error)
            raise


class _Watcher:
    """The state of a watch. ``memory`` is what a resumed training needs of it: the findings, and the levels of the loss."""

    def __init__(self, state: ModelState, history: History, every: int, memory: Memory):
        self.state, self.history, self.every, self.memory = state, history, every, memory
        state.last_batch = state.complete_batch = None  # of a training before this one
        self.memory.setdefault("findings", [])
        self.memory.setdefault("smoothed", [0.0, 0.0])
        for record in self.memory["findings"]:
            history.findings.append(Finding(**{**record, "samples": tuple(record["samples"])}))
        self.probe: Probe | None = None
        self.weights: dict[str, list[str]] = {}
        self.before_step = np.empty_like(state.parameters)
        self.measures_next = False
        self.before_epochs = state.parameters.copy()  # at the last examination of the curves
        self.epochs, self.examined_at = 0, state.steps  # epochs since then, and its step
        self.last_epoch: EpochEvent | None = None
        self.untrained = untrained(state)
        self.epoch = 1
        self.measured_at = state.steps
        self.memory.setdefault("begun_at", state.steps)
        self.dead: dict[str, Any] = {}
        self.dead_samples = 0
        self.largest: dict[str, float] = {}  # update of each layer so far, beside its weights
        self.previous: dict[str, float] = {}  # update of each layer in the measurement before
        self.levels: tuple[float, Levels] | None = None  # of the last measurement: its loss, with the levels
        self.suspects: set[tuple[str, str]] = set()  # gradients that the measurement before had found
        self.targets: list[tuple[Any, Any]] = []
        self.target_samples = -1 if "constant" in memory else 0  # −1: there are enough

    # -- events ---------------------------------------------------------------------------------------------------

    def after_step(self, event: StepEvent) -> None:
        self.epoch = event.epoch
        step, done = event.step, event.step - self.measured_at
        if "start" not in self.memory:
            self._begin(event)
        self._smooth(event)
        if self.target_samples >= 0:
            self._collect_targets()
        if self.measures_next:
            self._measure(event)
            self.measures_next, self.measured_at = False, step
        elif done >= self.every - 1 or (self.probe is None and step > 1):
            self.before_step[:] = self.state.parameters
            self.measures_next = True

    def after_epoch(self, event: EpochEvent) -> None:
        self.epochs, self.last_epoch = self.epochs + 1, event
        if event.epoch <= FIRST_EPOCHS or self.state.steps - self.examined_at >= self.every // 2:
            self._examine(event)

    def after_training(self) -> None:
        if self.last_epoch is not None and self.epochs:
            self._examine(self.last_epoch)

    def diverged(self, error: DivergedError) -> None:
        text = str(error).partition("; the usual causes")[0]
        self._report([DIVERGENCE.finding("training", 1.0, f"{text}.", self.epoch)])

    # -- measurements ---------------------------------------------------------------------------------------------

    def _examine(self, event: EpochEvent) -> None:
        """Examine the changes of the parameters since the last examination, and the learning curves so far."""
        state, memory = self.state, self.memory
        self.probe = self.probe or Probe(state)
        moved = changes(state, self.probe.parameters, self.before_epochs, state.parameters)
        if event.learning_rate > 0:
            self._report(symptoms.unchanged_layers(moved, event.epoch))
            if self.levels is not None:
                self._report(symptoms.small_updates(self.largest, event.learning_rate, *self.levels, event.epoch))
        if moved:
            movement, epochs = memory.get("movement", (0.0, 0))
            memory["movement"] = movement + float(np.mean(list(moved.values()))), epochs + self.epochs
        self.before_epochs[:] = state.parameters
        self.epochs, self.examined_at = 0, state.steps
        if "constant" not in memory:
            memory["constant"] = self._levels().constant if self.targets else None
        self.target_samples, self.targets = -1, []
        movement, epochs = memory.get("movement", (0.0, 0))
        background = Background(
            start=memory.get("start"),
            constant=memory["constant"],
            steps=state.steps - memory["begun_at"],
            movement=movement / epochs if epochs else None,
        )
        # The row of this epoch is added to the history after all policies have seen the event.
        rows = [row for row in self.history.rows if row["epoch"] < event.epoch]
        self._report(curve_findings(History([*rows, event.row()], self.history.best_epoch), background))

    def _begin(self, event: StepEvent) -> None:
        """Record the loss before the first step, and compare that of an untrained classifier with log k."""
        self.memory["start"] = float(event.loss)
        if self.untrained and self.state.last_batch is not None:
            _, targets, weights, *_ = self.state.last_batch
            known = levels(self.state, targets, weights)
            self._report(symptoms.loss_at_start(event.loss, known, classes_of(self.state), event.epoch))

    def _smooth(self, event: StepEvent) -> None:
        """Average the loss of the last steps, and compare it with that at the start."""
        mean, weight = self.memory["smoothed"]
        share = 1 / SMOOTHING_STEPS
        mean, weight = (1 - share) * mean + share * event.loss, (1 - share) * weight + share
        self.memory["smoothed"] = [mean, weight]
        if weight > 0.5 and mean / weight > self.memory.get("worst", 0.0):
            self.memory["worst"] = mean / weight
        worst, start = self.memory.get("worst", 0.0), self.memory["start"]
        if "constant" not in self.memory or not worst > MAX_LOSS * start > 0:
            return
        reference = max(start, self.memory["constant"] or 0.0)  # the first batch alone may be an easy one
        if worst > MAX_LOSS * reference:
            text = (
                f"its mean over {SMOOTHING_STEPS} steps is {worst:.3g}, after {start:.3g} at the start, at a learning rate of "
                f"{event.learning_rate:g}."
            )
            self._report([RATE_TOO_HIGH.finding("training loss", worst / reference - 1, text, event.epoch)])

    def _collect_targets(self) -> None:
        """Copy the targets of the batch, until they are enough."""
        if self.state.last_batch is None:
            return
        _, targets, weights, *_ = self.state.last_batch
        self.targets.append((targets.copy(), weights.copy()))
        self.target_samples += len(targets)
        outputs = getattr(self.state.output, "parts", {"": self.state.output}).values()
        values = sum(math.prod(output.shape) for output in outputs)
        if self.target_samples >= min(TARGETS, max(1, TARGET_VALUES // values)):
            self.memory["constant"] = self._levels().constant
            self.target_samples, self.targets = -1, []

    def _levels(self) -> Levels:
        targets, weights = (_joined([pair[i] for pair in self.targets]) for i in range(2))
        return levels(self.state, targets, weights)

    def _measure(self, event: StepEvent) -> None:
        """Measure the last batch, and the update that it has made."""
        state = self.state
        self.probe = self.probe or Probe(state)
        self.weights = self.weights or weights_of(state, self.probe.parameters)
        ratios = changes(state, self.weights, self.before_step, state.parameters)
        self.largest = {path: max(ratio, self.largest.get(path, 0.0)) for path, ratio in ratios.items()}
        lasting = {path: min(ratio, self.previous.get(path, 0.0)) for path, ratio in ratios.items()}  # in two measurements
        self.previous = ratios
        if not state.updater.rule.full_batch:
            self._report(symptoms.large_updates(lasting, event.learning_rate, event.epoch))
        if state.last_batch is None:  # a gradient without backpropagation, or L-BFGS, whose batch is the training set
            return
        if state.complete_batch is not None:
            state.complete_batch()
        measured = self.probe.measure(*state.last_batch)
        if not math.isfinite(measured.loss):
            return
        self._report(symptoms.saturated_layers(measured.saturated, event.epoch))
        flow = symptoms.gradient_flow(measured.gradients, event.epoch)
        self._report(finding for finding in flow if (finding.kind, finding.where) in self.suspects)
        self.suspects = {(finding.kind, finding.where) for finding in flow}
        _, targets, weights, *_ = state.last_batch
        self.levels = measured.loss, levels(state, targets, weights)
        self.dead = {path: units & self.dead.get(path, True) for path, units in measured.dead.items()}
        self.dead_samples += measured.samples
        if self.dead_samples >= symptoms.MIN_SAMPLES:
            self._report(symptoms.dead_units(self.dead, self.dead_samples, event.epoch))
            self.dead, self.dead_samples = {}, 0

    # -- reports --------------------------------------------------------------------------------------------------

    def _report(self, findings: Iterable[Finding]) -> None:
        """Add findings to the history, unless there is one of the same kind for the same place."""
        for finding in findings:
            if all((finding.kind, finding.where) != (one["kind"], one["where"]) for one in self.memory["findings"]):
                self.memory["findings"].append(finding.record())
                self.history.findings.append(finding)


def _joined(parts: list[Any]) -> Any:
    """Return arrays, or NamedArrays, one after another."""
    if isinstance(parts[0], NamedArrays):
        return NamedArrays({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
    return np.concatenate(parts)
