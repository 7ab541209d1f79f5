"""Small data and networks for the tests of public reports."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pellucid import (
    Accuracy,
    Adam,
    CrossEntropy,
    Dense,
    MeanSquaredError,
    Metric,
    Model,
    ReLU,
    Sequential,
    Softmax,
)
from pellucid.optim import Optimizer

_random = np.random.default_rng(0)
X = _random.normal(size=(61, 4)).astype(np.float32)  # 61 leaves a last batch of one sample in batches of 4, 10 or 20
LABELS = (X[:, 0] + X[:, 1] > 0).astype(np.int64)
NUMBERS = X @ np.array([1, -2, 3, 0.5], np.float32)


def classifier(
    outputs: int = 2, *, metrics: Sequence[Metric] = (Accuracy(),), optimizer: Optimizer | None = None, seed: int = 0
) -> Model:
    """A network for the classes of LABELS."""
    network = Sequential(Dense(6), ReLU(), Dense(outputs), Softmax())
    return network.compile((4,), CrossEntropy(), optimizer or Adam(0.02), list(metrics), seed=seed)


def regressor(*, metrics: Sequence[Metric] = (), optimizer: Optimizer | None = None) -> Model:
    """A network for NUMBERS."""
    network = Sequential(Dense(6), ReLU(), Dense(1))
    return network.compile((4,), MeanSquaredError(), optimizer or Adam(0.02), list(metrics), seed=0)
