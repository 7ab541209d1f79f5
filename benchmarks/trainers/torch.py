"""PyTorch, eager, in its default layout: tensors and ``randperm`` with the fused Adam, the fastest way in its tutorials."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch.nn import functional as F

from benchmarks.contenders.conv.torch import build_model, tensor
from benchmarks.trainers import Checkpoints, TrainingTask


def main(layout: Any = torch.contiguous_format) -> None:
    """Train the network of the task in that layout and report the accuracies."""
    task = TrainingTask.from_stdin()
    torch.manual_seed(task.seed)
    checkpoints = Checkpoints(task)
    (x, y), (test_x, test_y) = ((tensor(x, layout), torch.from_numpy(y)) for x, y in task.datasets())
    model = build_model(task.network, layout, seed=task.seed)
    optimizer = torch.optim.Adam(model.parameters(), betas=tuple(task.betas), fused=True)
    rates = iter(task.rates)
    model.train()
    step = 0
    for _ in range(task.epochs):
        for rows in torch.randperm(len(x)).split(task.batch):
            optimizer.param_groups[0]["lr"] = next(rates)
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
            step += 1
            checkpoints.after_step(step, lambda: copy.deepcopy(model.state_dict()))
    model.eval()

    def accuracy(parameters: Any) -> float:
        model.load_state_dict(parameters)
        with torch.inference_mode():
            predicted = torch.cat([model(part).argmax(1) for part in test_x.split(1000)])
        return float((predicted == test_y).float().mean())

    checkpoints.report_accuracies(accuracy)


if __name__ == "__main__":
    main()
