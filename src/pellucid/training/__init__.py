"""Training: the gradient of a batch, the loop over batches, and what may wrap it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pellucid import lazily

if TYPE_CHECKING:
    from pellucid.training.averaging import AverageWeights, StochasticWeightAverage
    from pellucid.training.events import EpochEvent, Event, History, StepEvent
    from pellucid.training.finder import RateSearch
    from pellucid.training.loop import Control
    from pellucid.training.perturbation import Perturbation
    from pellucid.training.policies import EarlyStopping, Policy, ReduceOnPlateau

__all__ = [
    "AverageWeights", "Control", "EarlyStopping", "EpochEvent", "Event", "History", "Perturbation", "Policy",
    "RateSearch", "ReduceOnPlateau", "StepEvent", "StochasticWeightAverage",
]  # fmt: skip

if not TYPE_CHECKING:  # who checks types reads the imports above
    __getattr__, __dir__ = lazily.names(
        __name__,
        {
            "averaging": "AverageWeights StochasticWeightAverage",
            "events": "EpochEvent Event History StepEvent",
            "finder": "RateSearch",
            "loop": "Control",
            "perturbation": "Perturbation",
            "policies": "EarlyStopping Policy ReduceOnPlateau",
        },
    )
