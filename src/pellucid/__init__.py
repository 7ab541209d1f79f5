"""Pellucid: a neural-network library written from scratch, to be read, and to be fast on a CPU.

pellucid (adj.): letting the light through; easily understood.

What is exported here is loaded when it is first used, so that ``import pellucid`` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pellucid import lazily

if TYPE_CHECKING:
    from pellucid.ensemble import Ensemble
    from pellucid.errors import CheckpointError, ConfigError, DataError, DivergedError, FileError, PellucidError, ShapeError
    from pellucid.finetuning import transfer
    from pellucid.initializers import (
        Full,
        Glorot,
        GlorotUniform,
        He,
        HeUniform,
        Initializer,
        LeCun,
        LeCunUniform,
        Normal,
        Ones,
        Orthogonal,
        TruncatedNormal,
        Uniform,
        Zeros,
    )
    from pellucid.layers import (
        ELU,
        GELU,
        GRU,
        LSTM,
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
        Embedding,
        Flatten,
        GaussianNoise,
        GlobalAveragePool2D,
        GroupNorm,
        HardSigmoid,
        Layer,
        LayerNorm,
        LeakyReLU,
        Linear,
        LogSoftmax,
        MaxPool2D,
        Merge,
        PReLU,
        ReLU,
        Rescale,
        Reshape,
        Reverse,
        Sigmoid,
        SiLU,
        SimpleRNN,
        Softmax,
        Softplus,
        SpatialDropout2D,
        Tanh,
        ZeroPad2D,
    )
    from pellucid.losses import (
        BinaryCrossEntropy,
        CrossEntropy,
        Hinge,
        Huber,
        KLDivergence,
        Loss,
        MeanAbsoluteError,
        MeanSquaredError,
        Poisson,
    )
    from pellucid.memory import Slot
    from pellucid.metrics import (
        F1,
        R2,
        ROCAUC,
        AbsoluteError,
        Accuracy,
        CalibrationError,
        CohenKappa,
        ConfusionMatrix,
        LogLoss,
        Matthews,
        Metric,
        Precision,
        Recall,
        Specificity,
        SquaredError,
        TopKAccuracy,
        wilson,
    )
    from pellucid.model import Model
    from pellucid.networks import Bidirectional, Frozen, Graph, Node, Residual, Sequential
    from pellucid.optim import (
        L1,
        L2,
        SGD,
        Adadelta,
        Adagrad,
        Adam,
        Adamax,
        AdamW,
        Chain,
        ClipNorm,
        ClipValue,
        Constant,
        Cosine,
        Decay,
        ElasticNet,
        Exponential,
        InverseTime,
        Lion,
        MaxNorm,
        Muon,
        Nadam,
        OneCycle,
        Polynomial,
        RMSprop,
        StepDecay,
        WarmRestarts,
        WarmUp,
    )
    from pellucid.perceptron import Perceptron
    from pellucid.training import (
        AverageWeights,
        Control,
        EarlyStopping,
        EpochEvent,
        History,
        Perturbation,
        RateSearch,
        ReduceOnPlateau,
        StepEvent,
        StochasticWeightAverage,
    )

__version__ = "0.1.0"

# several names in a line: a file has at most 300 lines
__all__ = [
    "ELU", "F1", "GELU", "GRU", "L1", "L2", "LSTM", "R2", "ROCAUC", "SGD", "AbsoluteError", "Accuracy", "Adadelta",
    "Adagrad", "Adam", "AdamW", "Adamax", "Add", "AveragePool2D", "AverageWeights", "BatchNorm", "Bidirectional",
    "BinaryCrossEntropy", "Built", "CalibrationError", "Chain", "CheckpointError", "ClipNorm", "ClipValue",
    "CohenKappa", "Concatenate", "ConfigError", "ConfusionMatrix", "Constant", "Context", "Control", "Conv2D",
    "ConvTranspose2D", "Cosine", "CrossEntropy", "DataError", "Decay", "Dense", "DivergedError", "Dropout",
    "EarlyStopping", "ElasticNet", "Embedding", "Ensemble", "EpochEvent", "Exponential", "FileError", "Flatten",
    "Frozen", "Full", "GaussianNoise", "GlobalAveragePool2D", "Glorot", "GlorotUniform", "Graph", "GroupNorm",
    "HardSigmoid", "He", "HeUniform", "Hinge", "History", "Huber", "Initializer", "InverseTime", "KLDivergence",
    "Layer", "LayerNorm", "LeCun", "LeCunUniform", "LeakyReLU", "Linear", "Lion", "LogLoss", "LogSoftmax", "Loss",
    "Matthews", "MaxNorm", "MaxPool2D", "MeanAbsoluteError", "MeanSquaredError", "Merge", "Metric", "Model", "Muon",
    "Nadam", "Node", "Normal", "OneCycle", "Ones", "Orthogonal", "PReLU", "PellucidError", "Perceptron", "Perturbation",
    "Poisson", "Polynomial", "Precision", "RMSprop", "RateSearch", "ReLU", "Recall", "ReduceOnPlateau", "Rescale",
    "Reshape", "Residual", "Reverse", "Sequential", "ShapeError", "SiLU", "Sigmoid", "SimpleRNN", "Slot", "Softmax",
    "Softplus", "SpatialDropout2D", "Specificity", "SquaredError", "StepDecay", "StepEvent", "StochasticWeightAverage",
    "Tanh", "TopKAccuracy", "TruncatedNormal", "Uniform", "WarmRestarts", "WarmUp", "ZeroPad2D", "Zeros", "transfer",
    "wilson",
]  # fmt: skip

if not TYPE_CHECKING:  # who checks types reads the imports above
    __getattr__, __dir__ = lazily.names(
        __name__,
        {
            "ensemble": "Ensemble",
            "errors": "CheckpointError ConfigError DataError DivergedError FileError PellucidError ShapeError",
            "finetuning": "transfer",
            "initializers": (
                "Full Glorot GlorotUniform He HeUniform Initializer LeCun LeCunUniform Normal Ones Orthogonal "
                "TruncatedNormal Uniform Zeros"
            ),
            "layers": (
                "Add AveragePool2D BatchNorm Built Concatenate Context Conv2D ConvTranspose2D Dense Dropout ELU Embedding "
                "Flatten GELU GRU GaussianNoise GlobalAveragePool2D GroupNorm HardSigmoid LSTM Layer LayerNorm LeakyReLU "
                "Linear LogSoftmax MaxPool2D Merge PReLU ReLU Rescale Reshape Reverse SiLU Sigmoid SimpleRNN Softmax "
                "Softplus SpatialDropout2D Tanh ZeroPad2D"
            ),
            "losses": (
                "BinaryCrossEntropy CrossEntropy Hinge Huber KLDivergence Loss MeanAbsoluteError MeanSquaredError Poisson"
            ),
            "memory": "Slot",
            "metrics": (
                "AbsoluteError Accuracy CalibrationError CohenKappa ConfusionMatrix F1 LogLoss Matthews Metric Precision R2 "
                "ROCAUC Recall Specificity SquaredError TopKAccuracy wilson"
            ),
            "model": "Model",
            "networks": "Bidirectional Frozen Graph Node Residual Sequential",
            "optim": (
                "Adadelta Adagrad Adam AdamW Adamax Chain ClipNorm ClipValue Constant Cosine Decay ElasticNet "
                "Exponential InverseTime L1 L2 Lion MaxNorm Muon Nadam OneCycle Polynomial RMSprop SGD StepDecay "
                "WarmRestarts WarmUp"
            ),
            "perceptron": "Perceptron",
            "training": (
                "AverageWeights Control EarlyStopping EpochEvent History Perturbation RateSearch ReduceOnPlateau StepEvent "
                "StochasticWeightAverage"
            ),
        },
    )
