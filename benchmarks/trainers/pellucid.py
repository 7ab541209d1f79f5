"""Pellucid, as ``pellucid train`` trains it."""

from __future__ import annotations

from typing import Any

from benchmarks.contenders.conv.pellucid import build_model
from benchmarks.trainers import Checkpoints, TrainingTask
from pellucid import FitOptions, StepEvent
from pellucid.core.config import from_json
from pellucid.data import mnist
from pellucid.optim import Adam


def main() -> None:
    """Train the network of the task and report the accuracies."""
    task = TrainingTask.from_stdin()
    checkpoints, digits = Checkpoints(task), mnist(data_dir=task.data_dir)
    model = build_model(task.network, from_json(task.optimizer, Adam), task.seed)
    state = model.state
    for event in model.fit_events(digits.train, options=FitOptions(epochs=task.epochs, batch_size=task.batch)):
        if isinstance(event, StepEvent):
            checkpoints.after_step(event.step, lambda: (state.parameters.copy(), state.statistics.copy()))

    def accuracy(kept: Any) -> float:
        state.parameters[:], state.statistics[:] = kept
        return float((model.predict(digits.test.x).argmax(axis=1) == digits.test.y).mean())

    checkpoints.report_accuracies(accuracy)


if __name__ == "__main__":
    main()
