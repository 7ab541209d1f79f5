"""Pellucid: the preset, trained as ``pellucid train`` does it."""

from __future__ import annotations

import json
import sys
import time

from pellucid import Accuracy, CrossEntropy, StepEvent, presets
from pellucid.data import mnist


def main() -> None:
    task = json.loads(sys.stdin.read())
    recipe = presets.preset(task["preset"])
    digits = mnist(data_dir=task["data_dir"])
    model = recipe.network(10).compile(  # type: ignore[attr-defined]
        digits.train.shape, CrossEntropy(), recipe.optimizer, metrics=[Accuracy()], seed=task["seed"]
    )
    kept = []
    events = model.training(digits.train, epochs=task["epochs"], batch_size=task["batch"], augmentation=recipe.augmentation)
    for event in events:
        if isinstance(event, StepEvent) and event.batch in task["marks"]:
            parts = model._parts  # running statistics have no public name
            kept.append((event.step, time.time() - task["began"], parts.theta.copy(), parts.state.copy()))
    marks = []
    for step, seconds, theta, state in kept:
        model._parts.theta[:], model._parts.state[:] = theta, state
        accuracy = model.evaluate(digits.test)["accuracy"]
        marks.append({"epoch": step * task["batch"] / task["samples"], "seconds": seconds, "accuracy": accuracy})
    print(json.dumps({"marks": marks}))


if __name__ == "__main__":
    main()
