"""Metrics: what people watch. They are counted over batches and exact over the set, never an average of averages.

``counts`` looks at the predicted class alone, ``ranks`` at the order of the outputs, ``probabilities`` at their size, and
``quantities`` compares numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pellucid import lazily

if TYPE_CHECKING:
    from pellucid.metrics.base import Metric, Tally, Value, falls, questions, wilson
    from pellucid.metrics.counts import F1, Accuracy, CohenKappa, ConfusionMatrix, Matthews, Precision, Recall, Specificity
    from pellucid.metrics.probabilities import CalibrationError, LogLoss
    from pellucid.metrics.quantities import R2, AbsoluteError, SquaredError
    from pellucid.metrics.ranks import ROCAUC, TopKAccuracy

__all__ = [
    "F1", "R2", "ROCAUC", "AbsoluteError", "Accuracy", "CalibrationError", "CohenKappa", "ConfusionMatrix", "LogLoss",
    "Matthews", "Metric", "Precision", "Recall", "Specificity", "SquaredError", "Tally", "TopKAccuracy", "Value",
    "falls", "questions", "wilson",
]  # fmt: skip

if not TYPE_CHECKING:  # who checks types reads the imports above
    __getattr__, __dir__ = lazily.names(
        __name__,
        {
            "base": "Metric Tally Value falls questions wilson",
            "counts": "F1 Accuracy CohenKappa ConfusionMatrix Matthews Precision Recall Specificity",
            "probabilities": "CalibrationError LogLoss",
            "quantities": "R2 AbsoluteError SquaredError",
            "ranks": "ROCAUC TopKAccuracy",
        },
    )
