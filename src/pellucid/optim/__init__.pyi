"""The exports of ``pellucid.optim``: read by type checkers, and at run time by :mod:`pellucid.core.lazy`."""

from pellucid.optim.adam import Adam as Adam, AdamW as AdamW, RAdam as RAdam
from pellucid.optim.adaptive import (
    Adadelta as Adadelta,
    Adagrad as Adagrad,
    Adamax as Adamax,
    Lion as Lion,
    Nadam as Nadam,
    RMSprop as RMSprop,
)
from pellucid.optim.chain import (
    Chain as Chain,
    Component as Component,
    Constraint as Constraint,
    Optimizer as Optimizer,
    Rule as Rule,
    Transform as Transform,
    components_of as components_of,
    rates_of as rates_of,
    rule_of as rule_of,
    with_learning_rate as with_learning_rate,
)
from pellucid.optim.lbfgs import LBFGS as LBFGS, Minimum as Minimum, minimize as minimize
from pellucid.optim.muon import Muon as Muon
from pellucid.optim.rprop import Rprop as Rprop
from pellucid.optim.schedules import (
    Clock as Clock,
    Cosine as Cosine,
    CosineCycles as CosineCycles,
    Exponential as Exponential,
    InverseTime as InverseTime,
    MilestoneDecay as MilestoneDecay,
    OneCycle as OneCycle,
    PiecewiseConstant as PiecewiseConstant,
    Polynomial as Polynomial,
    Schedule as Schedule,
    StepDecay as StepDecay,
    WarmRestarts as WarmRestarts,
    WarmUp as WarmUp,
)
from pellucid.optim.sgd import SGD as SGD
from pellucid.optim.transforms import (
    L1 as L1,
    L2 as L2,
    ClipNorm as ClipNorm,
    ClipValue as ClipValue,
    Decay as Decay,
    ElasticNet as ElasticNet,
    MaxNorm as MaxNorm,
)
from pellucid.optim.updater import Updater as Updater
