"""PyTorch, eager, in its default layout of memory (channels first), with the fused Adam."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from benchmarks import networks, reference
from benchmarks.contenders.torch import PACKAGES, describe, loss_of, stepper
from benchmarks.data import Floats
from benchmarks.jobs import Job, best_of
from benchmarks.learning import (
    Learner,
    agrees,
    cut,
    inputs,
    joined,
    memory_of_steps,
    portions,
    predict_job,
    ring,
    step_job,
)
from benchmarks.networks import NETWORKS, Layer, Shape

__all__ = ["PACKAGES", "conv_memory", "describe", "predict", "step"]

LAYOUT = torch.contiguous_format


class Block(nn.Module):  # type: ignore[misc]  # of whose base mypy knows nothing
    """A residual block."""

    def __init__(self, inner: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.inner, self.shortcut = inner, shortcut

    def forward(self, x: Any) -> Any:
        return self.shortcut(x) + self.inner(x)


class LastState(nn.Module):  # type: ignore[misc]
    """An LSTM, of which what it says last counts."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, units, batch_first=True)

    def forward(self, x: Any) -> Any:
        return self.lstm(x)[0][:, -1]


def model(network: str, layout: Any, *after: nn.Module, seed: int = 0) -> nn.Sequential:
    """A network with the first weights of that seed, in that layout."""
    layers = NETWORKS[network]
    with torch.no_grad():
        made = modules(layers, networks.INPUT, iter(reference.weights(layers, seed)))
        return nn.Sequential(*made, *after).to(memory_format=layout)


def modules(layers: Sequence[Layer], shape: Shape, given: Iterator[Floats]) -> list[nn.Module]:
    """The modules that descriptions mean. ``given`` are their weights, in the layout of ``networks``."""
    made = []
    picture = shape  # that the last Flatten flattened
    for layer in layers:
        made.append(module(layer, shape, picture, given))
        picture = shape if isinstance(layer, networks.Flatten) else picture
        shape = networks.cost((layer,), shape).shape
    return made


def module(layer: Layer, shape: Shape, picture: Shape, given: Iterator[Floats]) -> nn.Module:
    """One of them. ReLU overwrites its input, which no layer before it needs for its gradient."""
    match layer:
        case networks.Conv():
            conv = nn.Conv2d(shape[2], layer.filters, layer.kernel, layer.stride, layer.padding, bias=layer.bias)
            conv.weight.copy_(torch.from_numpy(next(given).transpose(3, 2, 0, 1).copy()))
            if layer.bias:
                conv.bias.copy_(torch.from_numpy(next(given)))
            return conv
        case networks.Dense():
            linear, weights = nn.Linear(shape[0], layer.units), next(given)
            if len(picture) == 3 and shape == networks.cost((networks.Flatten(),), picture).shape:
                weights = weights.reshape(*picture, -1).transpose(2, 0, 1, 3).reshape(shape[0], -1)  # channels first
            linear.weight.copy_(torch.from_numpy(weights.T.copy()))
            linear.bias.copy_(torch.from_numpy(next(given)))
            return linear
        case networks.Rows():
            return nn.Flatten(1, 2)  # there is one channel
        case networks.Lstm():
            last = LastState(shape[1], layer.units)
            for parameter in (last.lstm.weight_ih_l0, last.lstm.weight_hh_l0):
                parameter.copy_(torch.from_numpy(next(given).T.copy()))
            last.lstm.bias_ih_l0.copy_(torch.from_numpy(next(given)))
            last.lstm.bias_hh_l0.zero_()
            return last
        case networks.Norm():
            norm = nn.BatchNorm2d(shape[-1], layer.epsilon, 1 - layer.keep)
            norm.weight.copy_(torch.from_numpy(next(given)))
            norm.bias.copy_(torch.from_numpy(next(given)))
            return norm
        case networks.Residual():
            inner = nn.Sequential(*modules(layer.layers, shape, given))
            shortcut = nn.Sequential(*modules(layer.shortcut, shape, given)) if layer.shortcut else nn.Identity()
            return Block(inner, shortcut)
        case networks.Relu():
            return nn.ReLU(inplace=True)
        case networks.MaxPool():
            return nn.MaxPool2d(2)
        case networks.Mean():
            return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        case networks.Flatten():
            return nn.Flatten()
        case networks.Drop():
            return nn.Dropout(layer.rate)


def tensor(x: Floats, layout: Any) -> Any:
    """Pictures with one channel: the numbers lie as before, the strides say in which layout."""
    return torch.from_numpy(x.reshape(len(x), 1, *networks.INPUT[:2])).to(memory_format=layout)


def batches(batch: int, layout: Any) -> list[tuple[Any, Any]]:
    """The ring, as tensors."""
    return [(tensor(x, layout), torch.from_numpy(y)) for x, y in ring(batch)]


def learner(made: nn.Module, train: Callable[[Any, Any], Any]) -> Learner:
    """A model that learns by ``train``."""

    def write(values: Sequence[Any]) -> None:
        with torch.no_grad():
            for parameter, value in zip(made.parameters(), values, strict=True):
                parameter.copy_(value)

    return Learner(
        train,
        # an LSTM's second bias is added to its first, and no other library has it
        sum(parameter.numel() for name, parameter in made.named_parameters() if "bias_hh" not in name),
        lambda: [parameter.detach().clone() for parameter in made.parameters()],
        write,
        lambda: [one.numpy().copy() for name, one in made.named_buffers() if "running" in name],
    )


def eager(network: str, layout: Any) -> Learner:
    """The training step that the tutorials write."""
    made = model(network, layout)
    return learner(made, stepper(made, loss_of(made)))


def step(network: str, batch: int, layout: Any = LAYOUT) -> Job:
    """zero_grad, forward, loss, backward, step."""
    return step_job(network, eager(network, layout), batches(batch, layout), "eager, fused Adam")


def inference(network: str, samples: int, predictor: Callable[[Any], Any], portion: int, layout: Any) -> Job:
    """Predictions in inference mode."""

    def predict(x: Any) -> Any:
        with torch.inference_mode():
            return predictor(x)

    parts = cut(tensor(inputs(samples), layout), portion)
    return predict_job(predict, parts, agrees(network, samples, joined(lambda result: result.numpy())))


def predict(network: str, samples: int, layout: Any = LAYOUT) -> Job:
    """The network with its softmax, in inference mode; many samples at once or in portions."""
    made = model(network, layout, nn.Softmax(dim=1)).eval()
    return best_of(
        lambda way, portion: inference(network, samples, made, portion, layout),
        way={"inference_mode": None},
        portion=portions(samples),
    )


def conv_memory(network: str, batch: int, layout: Any = LAYOUT) -> list[float]:
    """Some steps."""
    return memory_of_steps(lambda: (eager(network, layout), batches(batch, layout)))
