"""Training: the gradient of a batch, the loop over batches, and what may wrap it."""

from pellucid.training.averaging import AverageWeights, StochasticWeightAverage
from pellucid.training.events import EpochEvent, Event, History, StepEvent
from pellucid.training.finder import RateSearch
from pellucid.training.loop import Control
from pellucid.training.perturbation import Perturbation
from pellucid.training.policies import EarlyStopping, Policy, ReduceOnPlateau

__all__ = [
    "AverageWeights",
    "Control",
    "EarlyStopping",
    "EpochEvent",
    "Event",
    "History",
    "Perturbation",
    "Policy",
    "RateSearch",
    "ReduceOnPlateau",
    "StepEvent",
    "StochasticWeightAverage",
]
