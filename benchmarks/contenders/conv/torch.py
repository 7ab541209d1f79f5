"""PyTorch, eager, in its default memory layout (channels first), with the fused Adam."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks import networks, reference
from benchmarks.contenders.torch import PACKAGES, describe, loss_of, stepper
from benchmarks.data import Floats
from benchmarks.jobs import Job, fastest_combination
from benchmarks.network_jobs import (
    Learner,
    chunk_sizes,
    concatenated,
    cyclic_batches,
    in_chunks,
    inputs,
    matches_reference,
    peak_memory,
    predict_job,
    step_job,
)
from benchmarks.networks import NETWORKS, Layer, Shape

__all__ = ["PACKAGES", "conv_memory", "describe", "predict", "step"]

LAYOUT = torch.contiguous_format


class Block(nn.Module):  # type: ignore[misc]  # mypy does not know the base class
    """A residual block."""

    def __init__(self, inner: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.inner, self.shortcut = inner, shortcut

    def forward(self, x: Any) -> Any:
        return self.shortcut(x) + self.inner(x)


class States(nn.Module):  # type: ignore[misc]
    """An LSTM that returns its last state, or its states after all steps."""

    def __init__(self, inputs: int, units: int, every_step: bool) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, units, batch_first=True)
        self.every_step = every_step

    def forward(self, x: Any) -> Any:
        states = self.lstm(x)[0]
        return states if self.every_step else states[:, -1]


class CausalConv(nn.Module):  # type: ignore[misc]
    """A causal convolution of sequences (n, channels, steps), or with channels last in memory of (n, channels, 1, steps)."""

    def __init__(self, channels: int, layer: networks.Conv1d, layout: Any) -> None:
        super().__init__()
        self.before, size, dilation = (layer.kernel - 1) * layer.dilation, layer.kernel, layer.dilation
        self.conv: nn.Module
        if layout == torch.channels_last:  # a layout of images
            self.conv = nn.Conv2d(channels, layer.filters, (1, size), dilation=(1, dilation))
        else:
            self.conv = nn.Conv1d(channels, layer.filters, size, dilation=dilation)

    def forward(self, x: Any) -> Any:
        return self.conv(F.pad(x, (self.before, 0)))


class Skip(nn.Module):  # type: ignore[misc]
    """The channels of the input, then those of the inner layers."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Any) -> Any:
        return torch.cat((x, self.inner(x)), dim=1)


class StepsAsRows(nn.Module):  # type: ignore[misc]
    """Sequences (n, channels, steps) or (n, channels, 1, steps) as rows (n·steps, channels)."""

    def forward(self, x: Any) -> Any:
        return x.flatten(2).transpose(1, 2).flatten(0, 1)


def build_model(network: str, layout: Any, *after: nn.Module, seed: int = 0) -> nn.Sequential:
    """Return a network with the initial weights of that seed, in that layout, and ``after`` after it."""
    layers, shape = NETWORKS[network], networks.input_shape(network)
    with torch.no_grad():
        built = build_modules(layers, shape, iter(reference.weights(layers, seed, shape)), layout)
        return nn.Sequential(*built, *after).to(memory_format=layout)


def build_modules(layers: Sequence[Layer], shape: Shape, weights: Iterator[Floats], layout: Any) -> list[nn.Module]:
    """Return the modules for the descriptions. ``weights`` are in the layout of ``networks``."""
    built: list[nn.Module] = []
    image = shape  # the shape before the last Flatten
    for i, layer in enumerate(layers):
        if isinstance(layer, networks.Dense) and len(shape) == 2:
            convolved = any(isinstance(before, networks.Conv1d) for before in layers[:i])
            built.append(StepsAsRows() if convolved else nn.Flatten(0, 1))
        built.append(build_module(layer, shape, image, weights, layout))
        image = shape if isinstance(layer, networks.Flatten) else image
        shape = networks.cost((layer,), shape).shape
    return built


def build_module(layer: Layer, shape: Shape, image: Shape, weights: Iterator[Floats], layout: Any) -> nn.Module:
    """Return one module. ReLU overwrites its input, which no layer before it needs for its gradient."""
    match layer:
        case networks.Conv():
            conv = nn.Conv2d(shape[2], layer.filters, layer.kernel, layer.stride, layer.padding, bias=layer.bias)
            conv.weight.copy_(torch.from_numpy(next(weights).transpose(3, 2, 0, 1).copy()))
            if layer.bias:
                conv.bias.copy_(torch.from_numpy(next(weights)))
            return conv
        case networks.Conv1d():
            causal = CausalConv(shape[1], layer, layout)
            taps = torch.from_numpy(next(weights).transpose(2, 1, 0).copy())
            causal.conv.weight.copy_(taps[:, :, None] if taps.ndim < causal.conv.weight.ndim else taps)
            causal.conv.bias.copy_(torch.from_numpy(next(weights)))
            return causal
        case networks.Dense():
            linear, matrix = nn.Linear(shape[-1], layer.units), next(weights)
            if len(image) == 3 and shape == networks.cost((networks.Flatten(),), image).shape:
                matrix = matrix.reshape(*image, -1).transpose(2, 0, 1, 3).reshape(shape[0], -1)  # channels first
            linear.weight.copy_(torch.from_numpy(matrix.T.copy()))
            linear.bias.copy_(torch.from_numpy(next(weights)))
            return linear
        case networks.Rows():
            return nn.Flatten(1, 2)  # there is one channel
        case networks.Lstm():
            last = States(shape[1], layer.units, layer.every_step)
            for parameter in (last.lstm.weight_ih_l0, last.lstm.weight_hh_l0):
                parameter.copy_(torch.from_numpy(next(weights).T.copy()))
            last.lstm.bias_ih_l0.copy_(torch.from_numpy(next(weights)))
            last.lstm.bias_hh_l0.zero_()
            return last
        case networks.Norm():
            norm = nn.BatchNorm2d(shape[-1], layer.epsilon, 1 - layer.momentum)
            norm.weight.copy_(torch.from_numpy(next(weights)))
            norm.bias.copy_(torch.from_numpy(next(weights)))
            return norm
        case networks.Residual():
            inner = nn.Sequential(*build_modules(layer.layers, shape, weights, layout))
            shortcut = build_modules(layer.shortcut, shape, weights, layout) if layer.shortcut else [nn.Identity()]
            return Block(inner, nn.Sequential(*shortcut))
        case networks.Skip():
            return Skip(nn.Sequential(*build_modules(layer.layers, shape, weights, layout)))
        case networks.Relu():
            return nn.ReLU(inplace=True)
        case networks.MaxPool():
            return nn.MaxPool2d(2)
        case networks.Upsample():
            return nn.Upsample(scale_factor=2)
        case networks.Mean():
            return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        case networks.Flatten():
            return nn.Flatten()
        case networks.Drop():
            return nn.Dropout(layer.rate)


def tensor(x: Floats, layout: Any) -> Any:
    """Return images with one channel as a tensor in that layout. Only the strides differ, not the order in memory."""
    return torch.from_numpy(x.reshape(len(x), 1, *networks.INPUT[:2])).to(memory_format=layout)


def batches(batch: int, layout: Any, network: str = "") -> list[tuple[Any, Any]]:
    """Return the batches as tensors. Answers at each step are compared row by row, those at each pixel with channels first."""
    shape, pairs = networks.input_shape(network), cyclic_batches(batch, network)
    if len(shape) == 3:
        return [(tensor(x, layout), torch.from_numpy(y)) for x, y in pairs]
    labels = [torch.from_numpy(y.reshape(-1)) for _, y in pairs]
    if networks.count(NETWORKS[network], networks.Conv1d) == 0:
        return [(torch.from_numpy(x), y) for (x, _), y in zip(pairs, labels, strict=True)]
    sequences = [torch.from_numpy(x.transpose(0, 2, 1).copy()) for x, _ in pairs]
    if layout == torch.channels_last:
        sequences = [x[:, :, None].to(memory_format=layout) for x in sequences]
    return list(zip(sequences, labels, strict=True))


def learner(model: nn.Module, train: Callable[[Any, Any], Any]) -> Learner:
    """Return a model that is trained by ``train``."""

    def write(values: Sequence[Any]) -> None:
        with torch.no_grad():
            for parameter, value in zip(model.parameters(), values, strict=True):
                parameter.copy_(value)

    return Learner(
        train,
        # the second bias of an LSTM is added to its first, and no other library has it
        sum(parameter.numel() for name, parameter in model.named_parameters() if "bias_hh" not in name),
        lambda: [parameter.detach().clone() for parameter in model.parameters()],
        write,
        lambda: [one.numpy().copy() for name, one in model.named_buffers() if "running" in name],
    )


def eager(network: str, layout: Any) -> Learner:
    """Return the training step of the tutorials."""
    model = build_model(network, layout)
    return learner(model, stepper(model, loss_of(model)))


def step(network: str, batch: int, layout: Any = LAYOUT) -> Job:
    """Return a job of one step: zero_grad, forward, loss, backward, step."""
    return step_job(network, eager(network, layout), batches(batch, layout, network), "eager, fused Adam")


def inference(network: str, samples: int, predictor: Callable[[Any], Any], chunk: int, layout: Any) -> Job:
    """Return a job of predictions in inference mode."""

    def predict(x: Any) -> Any:
        with torch.inference_mode():
            return predictor(x)

    parts = in_chunks(tensor(inputs(samples), layout), chunk)
    return predict_job(predict, parts, matches_reference(network, samples, concatenated(lambda result: result.numpy())))


def predict(network: str, samples: int, layout: Any = LAYOUT) -> Job:
    """Return a job of predictions with the softmax; the faster of all samples at once or in chunks."""
    model = build_model(network, layout, nn.Softmax(dim=1)).eval()
    return fastest_combination(
        lambda mode, chunk: inference(network, samples, model, chunk, layout),
        mode={"inference_mode": None},
        chunk=chunk_sizes(samples),
    )


def conv_memory(network: str, batch: int, layout: Any = LAYOUT) -> list[float]:
    """Train for some steps and return the peak memory before and after."""
    return peak_memory(lambda: (eager(network, layout), batches(batch, layout)))
