"""PyTorch, eager, in its default layout: tensors and ``randperm``, the fused Adam, as fast as its tutorials make it."""

from __future__ import annotations

import copy
import json
import sys
import time
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.data import idx


def network() -> nn.Sequential:
    """The preset ``cnn-fast``; a test holds the number of parameters against it."""

    def block(channels: int, filters: int) -> list[nn.Module]:
        convolution = nn.Conv2d(channels, filters, 3, padding=1, bias=False)
        return [convolution, nn.BatchNorm2d(filters), nn.ReLU(inplace=True), nn.MaxPool2d(2)]

    made = nn.Sequential(
        nn.Conv2d(1, 16, 5),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        *block(16, 32),
        *block(32, 64),
        nn.Flatten(),
        nn.Linear(576, 10),
    )
    for layer in made:  # the preset's initialization: He, Glorot in front of the softmax, biases of zero
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        elif isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
        if isinstance(layer, (nn.Conv2d, nn.Linear)) and layer.bias is not None:
            nn.init.zeros_(layer.bias)
    return made


def main(layout: Any = torch.contiguous_format) -> None:
    task = json.loads(sys.stdin.read())
    torch.manual_seed(task["seed"])
    sets = {}
    for part, name in (("train", "train"), ("test", "t10k")):
        pictures = torch.from_numpy(idx(task["data_dir"], f"{name}-images-idx3-ubyte")).float().div_(255)
        labels = torch.from_numpy(idx(task["data_dir"], f"{name}-labels-idx1-ubyte")).long()
        sets[part] = pictures[:, None].to(memory_format=layout), labels
    rows = torch.from_numpy(np.load(task["rows"]))
    x, y = sets["train"][0][rows], sets["train"][1][rows]
    model = network().to(memory_format=layout)
    optimizer = torch.optim.Adam(model.parameters(), betas=tuple(task["betas"]), fused=True)
    kept, rates = [], iter(task["rates"])
    model.train()
    step = 0
    for _ in range(task["epochs"]):
        order = torch.randperm(len(x))
        for batch, start in enumerate(range(0, len(x), task["batch"]), start=1):
            rows = order[start : start + task["batch"]]
            optimizer.param_groups[0]["lr"] = next(rates)
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
            step += 1
            if batch in task["marks"]:
                kept.append((step, time.time() - task["began"], copy.deepcopy(model.state_dict())))
    marks = []
    model.eval()
    for step, seconds, state in kept:
        model.load_state_dict(state)
        with torch.inference_mode():
            said = torch.cat([model(part).argmax(1) for part in sets["test"][0].split(1000)])
        accuracy = (said == sets["test"][1]).float().mean().item()
        marks.append({"epoch": step * task["batch"] / task["samples"], "seconds": seconds, "accuracy": accuracy})
    print(json.dumps({"marks": marks}))


if __name__ == "__main__":
    main()
