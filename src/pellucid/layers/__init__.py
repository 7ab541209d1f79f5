"""Layers: the mathematics. One small file a kind; a new layer is a new class, registered nowhere."""

from pellucid.layers.activations import Activation, Linear, ReLU, Sigmoid, Softmax, Tanh
from pellucid.layers.base import Built, Layer
from pellucid.layers.context import Context, Run
from pellucid.layers.convolution import Conv2D
from pellucid.layers.dense import Dense
from pellucid.layers.dropout import Dropout, SpatialDropout2D
from pellucid.layers.merge import Add, Concatenate, Merge
from pellucid.layers.normalization import BatchNorm, LayerNorm
from pellucid.layers.padding import ZeroPad2D
from pellucid.layers.pooling import AveragePool2D, GlobalAveragePool2D, MaxPool2D
from pellucid.layers.reshape import Flatten
from pellucid.layers.transposed import ConvTranspose2D

__all__ = [
    "Activation",
    "Add",
    "AveragePool2D",
    "BatchNorm",
    "Built",
    "Concatenate",
    "Context",
    "Conv2D",
    "ConvTranspose2D",
    "Dense",
    "Dropout",
    "Flatten",
    "GlobalAveragePool2D",
    "Layer",
    "LayerNorm",
    "Linear",
    "MaxPool2D",
    "Merge",
    "ReLU",
    "Run",
    "Sigmoid",
    "Softmax",
    "SpatialDropout2D",
    "Tanh",
    "ZeroPad2D",
]
