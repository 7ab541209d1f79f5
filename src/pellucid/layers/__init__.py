"""Layers: the mathematics. One small file a kind; a new layer is a new class, registered nowhere."""

from pellucid.layers.activations import Activation, Linear, ReLU, Sigmoid, Softmax, Tanh
from pellucid.layers.base import Built, Layer
from pellucid.layers.context import Context, Run
from pellucid.layers.dense import Dense
from pellucid.layers.dropout import Dropout
from pellucid.layers.reshape import Flatten

__all__ = [
    "Activation",
    "Built",
    "Context",
    "Dense",
    "Dropout",
    "Flatten",
    "Layer",
    "Linear",
    "ReLU",
    "Run",
    "Sigmoid",
    "Softmax",
    "Tanh",
]
