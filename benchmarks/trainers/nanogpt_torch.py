"""PyTorch, eager, with fused AdamW: the training of ``benchmarks.nanogpt``."""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import torch

from benchmarks.contenders.transformer.torch import Transformer, loss_of, optimizer_of, stepper
from benchmarks.nanogpt import SIZE, consecutive_windows, drawn_windows, rate, read_tokens


def main() -> None:
    """Train, and print the loss on the validation part and the seconds of the training."""
    task = json.loads(sys.argv[1])
    train, validation = read_tokens(task["data_dir"])
    rng = np.random.default_rng(task["seed"])
    model = Transformer(SIZE, task["seed"])
    loss, optimizer = loss_of(model), optimizer_of(model)
    step = stepper(model, loss, optimizer)
    began = time.perf_counter()
    for number in range(task["steps"]):
        for group in optimizer.param_groups:
            group["lr"] = rate(number, task["rate"], task["steps"])
        step(*map(torch.from_numpy, drawn_windows(train, rng)))
    seconds = time.perf_counter() - began
    x, y = map(torch.from_numpy, consecutive_windows(validation))
    with torch.inference_mode():
        total = sum(float(loss(a, b)) * len(a) for a, b in zip(x.split(100), y.split(100), strict=True))
    print(json.dumps({"loss": total / len(x), "seconds": seconds}))


if __name__ == "__main__":
    main()
