"""Pellucid: a neural-network library written from scratch, to be read, and to be fast on a CPU.

pellucid (adj.): letting the light through; easily understood.

What is exported here is loaded when it is first used, so that ``import pellucid`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pellucid.ensemble import Ensemble
    from pellucid.errors import CheckpointError, ConfigError, DataError, DivergedError, FileError, PellucidError, ShapeError
    from pellucid.initializers import Glorot, GlorotUniform, He, HeUniform, Initializer, Normal, Ones, Zeros
    from pellucid.layers import (
        Add,
        AveragePool2D,
        BatchNorm,
        Built,
        Concatenate,
        Context,
        Conv2D,
        ConvTranspose2D,
        Dense,
        Dropout,
        Flatten,
        GlobalAveragePool2D,
        Layer,
        LayerNorm,
        Linear,
        MaxPool2D,
        Merge,
        ReLU,
        Sigmoid,
        Softmax,
        SpatialDropout2D,
        Tanh,
        ZeroPad2D,
    )
    from pellucid.losses import BinaryCrossEntropy, CrossEntropy, Loss, MeanSquaredError
    from pellucid.memory import Slot
    from pellucid.metrics import Accuracy, ConfusionMatrix, Metric, Precision, Recall, wilson
    from pellucid.model import Model
    from pellucid.networks import Graph, Node, Residual, Sequential
    from pellucid.optim import L2, SGD, Adam, AdamW, Chain, ClipNorm, Constant, Cosine, Decay, OneCycle, StepDecay
    from pellucid.training import AverageWeights, Control, EarlyStopping, EpochEvent, History, StepEvent

__version__ = "0.1.0"

__all__ = [
    "L2",
    "SGD",
    "Accuracy",
    "Adam",
    "AdamW",
    "Add",
    "AveragePool2D",
    "AverageWeights",
    "BatchNorm",
    "BinaryCrossEntropy",
    "Built",
    "Chain",
    "CheckpointError",
    "ClipNorm",
    "Concatenate",
    "ConfigError",
    "ConfusionMatrix",
    "Constant",
    "Context",
    "Control",
    "Conv2D",
    "ConvTranspose2D",
    "Cosine",
    "CrossEntropy",
    "DataError",
    "Decay",
    "Dense",
    "DivergedError",
    "Dropout",
    "EarlyStopping",
    "Ensemble",
    "EpochEvent",
    "FileError",
    "Flatten",
    "GlobalAveragePool2D",
    "Glorot",
    "GlorotUniform",
    "Graph",
    "He",
    "HeUniform",
    "History",
    "Initializer",
    "Layer",
    "LayerNorm",
    "Linear",
    "Loss",
    "MaxPool2D",
    "MeanSquaredError",
    "Merge",
    "Metric",
    "Model",
    "Node",
    "Normal",
    "OneCycle",
    "Ones",
    "PellucidError",
    "Precision",
    "ReLU",
    "Recall",
    "Residual",
    "Sequential",
    "ShapeError",
    "Sigmoid",
    "Slot",
    "Softmax",
    "SpatialDropout2D",
    "StepDecay",
    "StepEvent",
    "Tanh",
    "ZeroPad2D",
    "Zeros",
    "wilson",
]

_HOME = {
    "ensemble": "Ensemble",
    "errors": "CheckpointError ConfigError DataError DivergedError FileError PellucidError ShapeError",
    "initializers": "Glorot GlorotUniform He HeUniform Initializer Normal Ones Zeros",
    "layers": (
        "Add AveragePool2D BatchNorm Built Concatenate Context Conv2D ConvTranspose2D Dense Dropout Flatten "
        "GlobalAveragePool2D Layer LayerNorm Linear MaxPool2D Merge ReLU Sigmoid Softmax SpatialDropout2D Tanh "
        "ZeroPad2D"
    ),
    "losses": "BinaryCrossEntropy CrossEntropy Loss MeanSquaredError",
    "memory": "Slot",
    "metrics": "Accuracy ConfusionMatrix Metric Precision Recall wilson",
    "model": "Model",
    "networks": "Graph Node Residual Sequential",
    "optim": "Adam AdamW Chain ClipNorm Constant Cosine Decay L2 OneCycle SGD StepDecay",
    "training": "AverageWeights Control EarlyStopping EpochEvent History StepEvent",
}
_WHERE = {name: module for module, names in _HOME.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'pellucid' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"pellucid.{_WHERE[name]}"), name)
    globals()[name] = value  # the next time it is found at once
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
