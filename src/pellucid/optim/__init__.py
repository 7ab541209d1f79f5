"""Optimizers: rules, what may stand before and behind them, and schedules; small pieces on flat vectors that know no layers."""

from pellucid.optim.adaptive import Adadelta, Adagrad, Adamax, Lion, Nadam, RMSprop
from pellucid.optim.pieces import Chain, Constraint, Optimizer, Piece, Rule, Transform, Updater
from pellucid.optim.rules import SGD, Adam, AdamW
from pellucid.optim.schedules import (
    Clock,
    Constant,
    Cosine,
    Exponential,
    InverseTime,
    OneCycle,
    Polynomial,
    Schedule,
    StepDecay,
    WarmRestarts,
    WarmUp,
)
from pellucid.optim.transforms import L1, L2, ClipNorm, ClipValue, Decay, ElasticNet, MaxNorm

__all__ = [
    "L1",
    "L2",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Chain",
    "ClipNorm",
    "ClipValue",
    "Clock",
    "Constant",
    "Constraint",
    "Cosine",
    "Decay",
    "ElasticNet",
    "Exponential",
    "InverseTime",
    "Lion",
    "MaxNorm",
    "Nadam",
    "OneCycle",
    "Optimizer",
    "Piece",
    "Polynomial",
    "RMSprop",
    "Rule",
    "Schedule",
    "StepDecay",
    "Transform",
    "Updater",
    "WarmRestarts",
    "WarmUp",
]
