"""Pellucid, trained as ``pellucid train`` does it."""

from __future__ import annotations

from typing import Any

from benchmarks.contenders.conv.pellucid import model
from benchmarks.racers import Marks, Task
from pellucid import StepEvent
from pellucid.core.config import from_json
from pellucid.data import mnist
from pellucid.optim import Adam


def main() -> None:
    task = Task.given()
    marks, digits = Marks(task), mnist(data_dir=task.data_dir)
    made = model(task.network, from_json(task.optimizer, Adam), task.seed)
    parts = made._parts  # running statistics have no public name
    for event in made.fit_events(digits.train, epochs=task.epochs, batch_size=task.batch):
        if isinstance(event, StepEvent):
            marks.after(event.step, lambda: (parts.theta.copy(), parts.state.copy()))

    def accuracy(kept: Any) -> float:
        parts.theta[:], parts.state[:] = kept
        return float((made.predict(digits.test.x).argmax(axis=1) == digits.test.y).mean())

    marks.score(accuracy)


if __name__ == "__main__":
    main()
