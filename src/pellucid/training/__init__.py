"""Training: the gradient of a batch, the loop over batches, and what may wrap it."""

from pellucid.training.events import EpochEvent, Event, History, StepEvent
from pellucid.training.loop import Control
from pellucid.training.policies import AverageWeights, EarlyStopping, Policy

__all__ = ["AverageWeights", "Control", "EarlyStopping", "EpochEvent", "Event", "History", "Policy", "StepEvent"]
