"""PyTorch, eager, with the fused Adam: what its documentation recommends for speed without a compiler."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import cycle
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks import data
from benchmarks.jobs import Job, are_probabilities, loss_falls

PACKAGES = ("torch",)


def describe() -> dict[str, Any]:
    """Return threads and kernels as PyTorch reports them."""
    built = [line.strip(" -") for line in torch.__config__.show().splitlines() if "Build settings" not in line]
    return {
        "threads": torch.get_num_threads(),
        "interop_threads": torch.get_num_interop_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "built_with": built,
    }


def network(*after: nn.Module) -> nn.Sequential:
    """Return 784-256-256-10 with He's initialization, and ``after`` after it."""
    layers: list[nn.Module] = []
    for weights, bias in data.weights():
        linear = nn.Linear(*weights.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weights.T))
            linear.bias.copy_(torch.from_numpy(bias))
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1], *after)


def adam(model: nn.Module) -> torch.optim.Adam:
    """Return the fused Adam, which makes one pass over all parameters."""
    return torch.optim.Adam(model.parameters(), lr=data.LEARNING_RATE, fused=True)


def loss_of(model: nn.Module) -> Callable[[Any, Any], Any]:
    """Return forward pass and loss as one function of a batch."""
    return lambda x, y: F.cross_entropy(model(x), y)


def stepper(model: nn.Module, loss: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return the training step of the tutorials."""
    optimizer = adam(model)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad(set_to_none=True)
        value = loss(x, y)
        value.backward()
        optimizer.step()
        return value.detach()

    return step


def tensors(batch: int) -> list[tuple[Any, Any]]:
    """Return the batches as tensors."""
    return [(torch.from_numpy(x), torch.from_numpy(y)) for x, y in data.cyclic_batches(batch)]


def step_job(train: Callable[[Any, Any], Any], batch: int) -> Job:
    """Return a job of steps of ``train`` over the batches."""
    batches = tensors(batch)
    following = cycle(batches)
    return Job(lambda: train(*next(following)), loss_falls(), period=len(batches), variant="eager, fused Adam")


def step(batch: int) -> Job:
    """Return a job of one step: zero_grad, forward, loss, backward, step."""
    model = network()
    return step_job(stepper(model, loss_of(model)), batch)


def predict_job(model: Callable[[Any], Any], samples: int) -> Job:
    """Return a job of predictions in inference mode."""
    x = torch.from_numpy(data.inputs(samples))

    def run() -> Any:
        with torch.inference_mode():
            return model(x)

    return Job(run, are_probabilities(samples, lambda result: result.numpy()), variant="inference_mode")


def predict(samples: int) -> Job:
    """Return a job of predictions with the softmax."""
    return predict_job(network(nn.Softmax(dim=1)).eval(), samples)


def training_images(data_dir: str | None, samples: int) -> tuple[Any, Any]:
    """Return all images as one float tensor (samples, 784) in [0, 1], and the labels."""
    x, y = data.images(data_dir, samples)
    return torch.from_numpy(x.reshape(len(x), -1).astype("float32") / 255), torch.from_numpy(y)


def epoch_job(batches: Callable[[], Iterable[tuple[Any, Any]]], variant: str) -> Job:
    """Return a job of epochs over the batches, whose result is the mean loss."""
    model = network()
    train = stepper(model, loss_of(model))

    def run() -> Any:
        losses = [train(x, y) for x, y in batches()]
        return torch.stack(losses).mean()

    return Job(run, loss_falls(), variant=variant)


def epoch(data_dir: str | None, samples: int, batch: int) -> Job:
    """Return a job of one epoch with tensors in memory, indexed by a permutation, which is faster than the DataLoader."""
    x, y = training_images(data_dir, samples)
    return epoch_job(lambda: ((x[i], y[i]) for i in torch.randperm(len(x)).split(batch)), "tensors and randperm, eager")


def memory(data_dir: str | None, samples: int, batch: int) -> float:
    """Train one epoch and return the peak memory. The images stay bytes and are scaled batch by batch, to save memory."""
    images, labels = data.images(data_dir, samples)
    x, y = torch.from_numpy(images.reshape(len(images), -1)), torch.from_numpy(labels)
    epoch_job(lambda: ((x[i].float().div_(255), y[i]) for i in torch.randperm(len(x)).split(batch)), "bytes").run()
    return data.peak_mib()
