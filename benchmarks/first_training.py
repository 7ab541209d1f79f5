"""The beginning of a training: ``python -m benchmarks.first_training PRESET BEGAN [DIR]``.

It trains one epoch on a few images, as ``pellucid train`` does, and prints the seconds since BEGAN (of ``time.time``) at the
end of the first step, and at the end of the epoch with its validation. The images are those of MNIST in DIR, or random.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time

from benchmarks import data
from pellucid import CrossEntropy, StepEvent
from pellucid.runs.presets import PRESETS

#: Images for training and for validation: ten batches of 100, and a smaller one.
TRAINING, VALIDATION = 1_050, 500


def main(preset: str, began: float, data_dir: str | None = None) -> None:
    """Train the preset and print the two times as JSON."""
    recipe = PRESETS[preset]
    x, y = data.images(data_dir, TRAINING + VALIDATION)
    x = x[..., None]
    model = recipe.network(10).compile(x.shape[1:], CrossEntropy(), recipe.optimizer, seed=0)
    options = dataclasses.replace(recipe.fit, epochs=1)
    step: float | None = None
    for event in model.fit_events(x[:TRAINING], y[:TRAINING], options, validation=(x[TRAINING:], y[TRAINING:])):
        if step is None and isinstance(event, StepEvent):
            step = time.time() - began
    print(json.dumps({"step": step, "epoch": time.time() - began}))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), *sys.argv[3:])
