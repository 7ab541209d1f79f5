"""Pellucid as in its documentation: ``compile``, then ``train_on_batch`` or ``predict``."""

from __future__ import annotations

from collections.abc import Sequence

import pellucid
from benchmarks import data, networks, reference
from benchmarks.contenders.pellucid import PACKAGES, describe
from benchmarks.jobs import Job
from benchmarks.network_jobs import Learner, cyclic_batches, inputs, matches_reference, peak_memory, step_job
from benchmarks.networks import NETWORKS
from pellucid import Adam, CrossEntropy, Model, Node, Sequential, Softmax
from pellucid.optim import Optimizer

__all__ = ["PACKAGES", "conv_memory", "describe", "predict", "step"]


def build_layer(layer: networks.Layer) -> pellucid.Layer:
    """Return the layer for a description."""
    match layer:
        case networks.Conv():
            return pellucid.Conv2D(layer.filters, layer.kernel, stride=layer.stride, padding=layer.padding, bias=layer.bias)
        case networks.Conv1d():
            return pellucid.Conv1D(layer.filters, layer.kernel, padding="causal", dilation=layer.dilation)
        case networks.Norm():
            return pellucid.BatchNorm(layer.momentum, layer.epsilon)
        case networks.Relu():
            return pellucid.ReLU()
        case networks.MaxPool():
            return pellucid.MaxPool2D(2)
        case networks.Upsample():
            return pellucid.UpSample2D(2)
        case networks.Mean():
            return pellucid.GlobalAveragePool2D()
        case networks.Flatten():
            return pellucid.Flatten()
        case networks.Drop():
            return pellucid.Dropout(layer.rate)
        case networks.Dense():
            return pellucid.Dense(layer.units)
        case networks.Rows():
            return pellucid.Reshape(networks.INPUT[:2])
        case networks.Lstm():
            return pellucid.LSTM(layer.units, return_sequences=layer.every_step)
        case networks.Residual():
            shortcut = Sequential(*map(build_layer, layer.shortcut)) if layer.shortcut else None
            return pellucid.Residual(*map(build_layer, layer.layers), shortcut=shortcut)
        case networks.Skip():
            inner = Sequential(*map(build_layer, layer.layers))
            return pellucid.Graph(Node("inner", inner, "input"), Node("skip", pellucid.Concatenate(), "input", "inner"))


def build_model(network: str, optimizer: Optimizer | None = None, seed: int = 0) -> Model:
    """Return a compiled network with the initial weights of that seed; the default optimizer is Adam."""
    layers, shape = NETWORKS[network], networks.input_shape(network)
    model = Sequential(*map(build_layer, layers), Softmax()).compile(
        shape, CrossEntropy(), optimizer or Adam(data.LEARNING_RATE), metrics=[], seed=seed
    )
    for array, values in zip(model.weights.values(), reference.weights(layers, seed, shape), strict=True):
        array[...] = values
    return model


def learner(network: str) -> Learner:
    """Return a network that is trained by ``train_on_batch``."""
    model = build_model(network)
    parameters = model.parameters

    def write(values: data.Floats) -> None:
        parameters[:] = values

    def running() -> Sequence[data.Floats]:
        return list(model.state.statistics_layout.arrays(model.state.statistics).values())

    return Learner(model.train_on_batch, model.parameter_count, parameters.copy, write, running)


def step(network: str, batch: int) -> Job:
    """Return a job of one ``train_on_batch``."""
    return step_job(network, learner(network), cyclic_batches(batch, network), "train_on_batch")


def predict(network: str, samples: int) -> Job:
    """Return a job of one ``predict``."""
    model, x = build_model(network), inputs(samples)
    return Job(lambda: model.predict(x), matches_reference(network, samples), variant="predict")


def conv_memory(network: str, batch: int) -> list[float]:
    """Train for some steps and return the peak memory before and after."""
    return peak_memory(lambda: (learner(network), cyclic_batches(batch)))
