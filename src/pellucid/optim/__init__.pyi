"""The exports of ``pellucid.optim``: read by type checkers, and at run time by :mod:`pellucid.core.lazy`."""

from pellucid.optim.adaptive import (
    Adadelta as Adadelta,
    Adagrad as Adagrad,
    Adamax as Adamax,
    Lion as Lion,
    Nadam as Nadam,
    RMSprop as RMSprop,
)
from pellucid.optim.orthogonal import Muon as Muon
from pellucid.optim.pieces import (
    Chain as Chain,
    Constraint as Constraint,
    Optimizer as Optimizer,
    Piece as Piece,
    Rule as Rule,
    Transform as Transform,
    Updater as Updater,
    with_learning_rate as with_learning_rate,
)
from pellucid.optim.rules import SGD as SGD, Adam as Adam, AdamW as AdamW
from pellucid.optim.schedules import (
    Clock as Clock,
    Cosine as Cosine,
    Exponential as Exponential,
    InverseTime as InverseTime,
    OneCycle as OneCycle,
    Polynomial as Polynomial,
    Schedule as Schedule,
    StepDecay as StepDecay,
    WarmRestarts as WarmRestarts,
    WarmUp as WarmUp,
)
from pellucid.optim.transforms import (
    L1 as L1,
    L2 as L2,
    ClipNorm as ClipNorm,
    ClipValue as ClipValue,
    Decay as Decay,
    ElasticNet as ElasticNet,
    MaxNorm as MaxNorm,
)
