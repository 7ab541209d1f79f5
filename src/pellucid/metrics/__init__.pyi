"""The exports of ``pellucid.metrics``: read by type checkers, and at run time by :mod:`pellucid.core.lazy`."""

from pellucid.metrics.base import (
    Metric as Metric,
    MetricState as MetricState,
    Value as Value,
    lower_is_better as lower_is_better,
)
from pellucid.metrics.calibration import Reliability as Reliability, reliability as reliability
from pellucid.metrics.classification import (
    Accuracy as Accuracy,
    CohenKappa as CohenKappa,
    ConfusionMatrix as ConfusionMatrix,
    ExactMatch as ExactMatch,
    Matthews as Matthews,
)
from pellucid.metrics.decisions import DecisionMetric as DecisionMetric
from pellucid.metrics.intervals import wilson as wilson
from pellucid.metrics.outputs import (
    binary_scores as binary_scores,
    class_scores as class_scores,
    flatten_multi_label as flatten_multi_label,
)
from pellucid.metrics.per_class import (
    F1 as F1,
    Dice as Dice,
    FBeta as FBeta,
    IntersectionOverUnion as IntersectionOverUnion,
    PerClassMetric as PerClassMetric,
    Precision as Precision,
    Recall as Recall,
    Specificity as Specificity,
)
from pellucid.metrics.per_position import BY_POSITION as BY_POSITION, PerPosition as PerPosition
from pellucid.metrics.probabilities import BrierScore as BrierScore, CalibrationError as CalibrationError, LogLoss as LogLoss
from pellucid.metrics.ranking import (
    ROCAUC as ROCAUC,
    AveragePrecision as AveragePrecision,
    RankingMetric as RankingMetric,
    TopKAccuracy as TopKAccuracy,
)
from pellucid.metrics.regression import (
    R2 as R2,
    AbsoluteError as AbsoluteError,
    AbsolutePercentageError as AbsolutePercentageError,
    SquaredError as SquaredError,
)
from pellucid.metrics.text import BitsPerCharacter as BitsPerCharacter
from pellucid.metrics.thresholds import (
    ThresholdChoice as ThresholdChoice,
    ThresholdCurve as ThresholdCurve,
    threshold_curve as threshold_curve,
)
