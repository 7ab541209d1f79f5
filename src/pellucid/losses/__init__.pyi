"""The exports of ``pellucid.losses``: read by type checkers, and at run time by :mod:`pellucid.core.lazy`."""

from pellucid.losses.base import Loss as Loss
from pellucid.losses.cross_entropy import (
    BinaryCrossEntropy as BinaryCrossEntropy,
    BinaryFocalCrossEntropy as BinaryFocalCrossEntropy,
    CrossEntropy as CrossEntropy,
    KLDivergence as KLDivergence,
)
from pellucid.losses.embeddings import CosineDistance as CosineDistance, Triplet as Triplet
from pellucid.losses.from_function import FunctionLoss as FunctionLoss
from pellucid.losses.hinge import Hinge as Hinge
from pellucid.losses.regression import (
    GaussianNLL as GaussianNLL,
    Huber as Huber,
    LogSquaredError as LogSquaredError,
    MeanAbsoluteError as MeanAbsoluteError,
    MeanSquaredError as MeanSquaredError,
    Poisson as Poisson,
    Quantile as Quantile,
)
