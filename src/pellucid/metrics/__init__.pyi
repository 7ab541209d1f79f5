"""The exports of ``pellucid.metrics``: read by type checkers, and at run time by :mod:`pellucid.core.lazy`."""

from pellucid.metrics.base import (
    Metric as Metric,
    MetricState as MetricState,
    Value as Value,
    falls as falls,
    questions as questions,
    wilson as wilson,
)
from pellucid.metrics.counts import (
    F1 as F1,
    Accuracy as Accuracy,
    CohenKappa as CohenKappa,
    ConfusionMatrix as ConfusionMatrix,
    Matthews as Matthews,
    Precision as Precision,
    Recall as Recall,
    Specificity as Specificity,
)
from pellucid.metrics.probabilities import CalibrationError as CalibrationError, LogLoss as LogLoss
from pellucid.metrics.quantities import R2 as R2, AbsoluteError as AbsoluteError, SquaredError as SquaredError
from pellucid.metrics.ranks import ROCAUC as ROCAUC, TopKAccuracy as TopKAccuracy
