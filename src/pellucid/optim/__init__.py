"""Optimizers: rules, what may stand before and behind them, and schedules; small pieces on flat vectors that know no layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pellucid import lazily

if TYPE_CHECKING:
    from pellucid.optim.adaptive import Adadelta, Adagrad, Adamax, Lion, Nadam, RMSprop
    from pellucid.optim.orthogonal import Muon
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
    "L1", "L2", "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Chain", "ClipNorm", "ClipValue", "Clock",
    "Constant", "Constraint", "Cosine", "Decay", "ElasticNet", "Exponential", "InverseTime", "Lion", "MaxNorm", "Muon",
    "Nadam", "OneCycle", "Optimizer", "Piece", "Polynomial", "RMSprop", "Rule", "Schedule", "StepDecay", "Transform", "Updater",
    "WarmRestarts", "WarmUp",
]  # fmt: skip

if not TYPE_CHECKING:  # who checks types reads the imports above
    __getattr__, __dir__ = lazily.names(
        __name__,
        {
            "adaptive": "Adadelta Adagrad Adamax Lion Nadam RMSprop",
            "orthogonal": "Muon",
            "pieces": "Chain Constraint Optimizer Piece Rule Transform Updater",
            "rules": "SGD Adam AdamW",
            "schedules": (
                "Clock Constant Cosine Exponential InverseTime OneCycle Polynomial Schedule StepDecay WarmRestarts WarmUp"
            ),
            "transforms": "L1 L2 ClipNorm ClipValue Decay ElasticNet MaxNorm",
        },
    )
