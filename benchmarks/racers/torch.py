"""PyTorch, eager, in its default layout: tensors and ``randperm``, the fused Adam, as fast as its tutorials make it."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch.nn import functional as F

from benchmarks.contenders.conv.torch import model, tensor
from benchmarks.racers import Marks, Task


def main(layout: Any = torch.contiguous_format) -> None:
    task = Task.given()
    torch.manual_seed(task.seed)
    marks = Marks(task)
    (x, y), (test_x, test_y) = ((tensor(x, layout), torch.from_numpy(y)) for x, y in task.pictures())
    made = model(task.network, layout, seed=task.seed)
    optimizer = torch.optim.Adam(made.parameters(), betas=tuple(task.betas), fused=True)
    rates = iter(task.rates)
    made.train()
    step = 0
    for _ in range(task.epochs):
        for rows in torch.randperm(len(x)).split(task.batch):
            optimizer.param_groups[0]["lr"] = next(rates)
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(made(x[rows]), y[rows]).backward()
            optimizer.step()
            step += 1
            marks.after(step, lambda: copy.deepcopy(made.state_dict()))
    made.eval()

    def accuracy(kept: Any) -> float:
        made.load_state_dict(kept)
        with torch.inference_mode():
            said = torch.cat([made(part).argmax(1) for part in test_x.split(1000)])
        return float((said == test_y).float().mean())

    marks.score(accuracy)


if __name__ == "__main__":
    main()
