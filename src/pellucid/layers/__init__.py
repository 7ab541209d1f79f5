"""Layers: the mathematics. One small file a kind; a new layer is a new class, and yours need not be named here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pellucid import lazily

if TYPE_CHECKING:
    from pellucid.layers.activations import Activation, Linear, LogSoftmax, ReLU, Sigmoid, Softmax, Tanh
    from pellucid.layers.base import Built, Layer
    from pellucid.layers.context import Context, Run
    from pellucid.layers.convolution import Conv2D
    from pellucid.layers.curves import ELU, GELU, HardSigmoid, LeakyReLU, PReLU, SiLU, Softplus
    from pellucid.layers.dense import Dense
    from pellucid.layers.dropout import Dropout, SpatialDropout2D
    from pellucid.layers.embedding import Embedding
    from pellucid.layers.merge import Add, Concatenate, Merge
    from pellucid.layers.noise import GaussianNoise
    from pellucid.layers.normalization import BatchNorm, GroupNorm, LayerNorm
    from pellucid.layers.padding import ZeroPad2D
    from pellucid.layers.pooling import AveragePool2D, GlobalAveragePool2D, MaxPool2D
    from pellucid.layers.recurrent import GRU, LSTM, Recurrent, Reverse, SimpleRNN
    from pellucid.layers.rescale import Rescale
    from pellucid.layers.reshape import Flatten, Reshape
    from pellucid.layers.transposed import ConvTranspose2D

__all__ = [
    "ELU", "GELU", "GRU", "LSTM", "Activation", "Add", "AveragePool2D", "BatchNorm", "Built", "Concatenate", "Context",
    "Conv2D", "ConvTranspose2D", "Dense", "Dropout", "Embedding", "Flatten", "GaussianNoise", "GlobalAveragePool2D",
    "GroupNorm", "HardSigmoid", "Layer", "LayerNorm", "LeakyReLU", "Linear", "LogSoftmax", "MaxPool2D", "Merge",
    "PReLU", "ReLU", "Recurrent", "Rescale", "Reshape", "Reverse", "Run", "SiLU", "Sigmoid", "SimpleRNN", "Softmax",
    "Softplus", "SpatialDropout2D", "Tanh", "ZeroPad2D",
]  # fmt: skip

if not TYPE_CHECKING:  # who checks types reads the imports above
    __getattr__, __dir__ = lazily.names(
        __name__,
        {
            "activations": "Activation Linear LogSoftmax ReLU Sigmoid Softmax Tanh",
            "base": "Built Layer",
            "context": "Context Run",
            "convolution": "Conv2D",
            "curves": "ELU GELU HardSigmoid LeakyReLU PReLU SiLU Softplus",
            "dense": "Dense",
            "dropout": "Dropout SpatialDropout2D",
            "embedding": "Embedding",
            "merge": "Add Concatenate Merge",
            "noise": "GaussianNoise",
            "normalization": "BatchNorm GroupNorm LayerNorm",
            "padding": "ZeroPad2D",
            "pooling": "AveragePool2D GlobalAveragePool2D MaxPool2D",
            "recurrent": "GRU LSTM Recurrent Reverse SimpleRNN",
            "rescale": "Rescale",
            "reshape": "Flatten Reshape",
            "transposed": "ConvTranspose2D",
        },
    )
