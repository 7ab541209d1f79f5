"""The exports of ``pellucid.training``: read by type checkers, and at run time by :mod:`pellucid.core.lazy`."""

from pellucid.training.averaging import AverageWeights as AverageWeights, StochasticWeightAverage as StochasticWeightAverage
from pellucid.training.checkpoint import Checkpoint as Checkpoint
from pellucid.training.events import EpochEvent as EpochEvent, Event as Event, History as History, StepEvent as StepEvent
from pellucid.training.gradients import Gradients as Gradients
from pellucid.training.learning_rate_finder import RateSearch as RateSearch
from pellucid.training.loop import Control as Control
from pellucid.training.options import FitOptions as FitOptions
from pellucid.training.perturbation import Perturbation as Perturbation
from pellucid.training.policies import (
    EarlyStopping as EarlyStopping,
    KeepBest as KeepBest,
    Policy as Policy,
    ReduceOnPlateau as ReduceOnPlateau,
    TimeBudget as TimeBudget,
)
from pellucid.training.ranks import RankGroup as RankGroup
