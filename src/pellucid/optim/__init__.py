"""Optimizers: rules, what may stand before them, and schedules; small pieces on flat vectors that know no layers."""

from pellucid.optim.pieces import Chain, Optimizer, Piece, Rule, Transform, Updater
from pellucid.optim.rules import SGD, Adam, AdamW
from pellucid.optim.schedules import Clock, Constant, Cosine, OneCycle, Schedule, StepDecay
from pellucid.optim.transforms import L2, ClipNorm, Decay

__all__ = [
    "L2",
    "SGD",
    "Adam",
    "AdamW",
    "Chain",
    "ClipNorm",
    "Clock",
    "Constant",
    "Cosine",
    "Decay",
    "OneCycle",
    "Optimizer",
    "Piece",
    "Rule",
    "Schedule",
    "StepDecay",
    "Transform",
    "Updater",
]
