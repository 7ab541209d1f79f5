"""Pellucid, as its documentation says: ``compile``, then ``train_on_batch`` or ``predict``."""

from __future__ import annotations

from collections.abc import Sequence

import pellucid
from benchmarks import data, networks, reference
from benchmarks.contenders.pellucid import PACKAGES, describe
from benchmarks.jobs import Job
from benchmarks.learning import Learner, agrees, inputs, memory_of_steps, named, ring, step_job
from benchmarks.networks import NETWORKS
from pellucid import Adam, CrossEntropy, Model, Sequential, Softmax
from pellucid.optim import Optimizer

__all__ = ["PACKAGES", "conv_memory", "describe", "predict", "step"]


def layer(one: networks.Layer) -> pellucid.Layer:
    """The layer that a description means."""
    match one:
        case networks.Conv():
            return pellucid.Conv2D(one.filters, one.kernel, stride=one.stride, padding=one.padding, bias=one.bias)
        case networks.Norm():
            return pellucid.BatchNorm(one.keep, one.epsilon)
        case networks.Relu():
            return pellucid.ReLU()
        case networks.MaxPool():
            return pellucid.MaxPool2D(2)
        case networks.Mean():
            return pellucid.GlobalAveragePool2D()
        case networks.Flatten():
            return pellucid.Flatten()
        case networks.Drop():
            return pellucid.Dropout(one.rate)
        case networks.Dense():
            return pellucid.Dense(one.units)
        case networks.Rows():
            return pellucid.Reshape(networks.INPUT[:2])
        case networks.Lstm():
            return pellucid.LSTM(one.units)
        case networks.Residual():
            shortcut = Sequential(*map(layer, one.shortcut)) if one.shortcut else None
            return pellucid.Residual(*map(layer, one.layers), shortcut=shortcut)


def model(name: str, optimizer: Optimizer | None = None, seed: int = 0) -> Model:
    """A network with the first weights of that seed, ready to train, by Adam unless it is said otherwise."""
    layers = NETWORKS[name]
    made = Sequential(*map(layer, layers), Softmax()).compile(
        networks.INPUT, CrossEntropy(), optimizer or Adam(data.LEARNING_RATE), metrics=[], seed=seed
    )
    for array, values in zip(made.weights.values(), reference.weights(layers, seed), strict=True):
        array[...] = values
    return made


def learner(name: str) -> Learner:
    """A network that learns by ``train_on_batch``."""
    made = model(name)
    own = made.parameters

    def write(values: data.Floats) -> None:
        own[:] = values

    def running() -> Sequence[data.Floats]:
        parts = made._parts  # running statistics have no public name
        return list(parts.state_layout.arrays(parts.state).values())

    return Learner(made.train_on_batch, made.parameter_count, own.copy, write, running)


def step(network: str, batch: int) -> Job:
    """One ``train_on_batch``."""
    return step_job(network, learner(network), ring(batch), "train_on_batch")


def predict(network: str, samples: int) -> Job:
    """One ``predict``."""
    made, x = model(network), inputs(samples)
    return named(Job(lambda: made.predict(x), agrees(network, samples)), "predict")


def conv_memory(network: str, batch: int) -> list[float]:
    """Some steps."""
    return memory_of_steps(lambda: (learner(network), ring(batch)))
