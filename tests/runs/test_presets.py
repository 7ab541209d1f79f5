"""Presets: the number of parameters of each network, and that its recipe trains it."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import CrossEntropy
from pellucid.runs.presets import CLASSIFIERS

# Counted by hand; 52,650, 34,826 and 1,199,882 are published, 61,706 is LeNet-5 with a full second convolution.
PARAMETERS = {
    "mlp": 784 * 256 + 256 + 256 * 256 + 256 + 2570,
    "mlp-small": 784 * 32 + 32 + 330,
    "mlp-d8": 52_650,
    "mlp-best": 784 * 1024 + 1024 + 1024 * 1024 + 1024 + 10_250,
    "mlp-affine": 784 * 512 + 512 + 512 * 512 + 512 + 5_130,
    "lenet5": 61_706,
    "cnn": 25 * 16 + 16 + 9 * (16 * 32 + 32 * 32 + 32 * 64) + 2 * (32 + 32 + 64) + 9 * 64 * 10 + 10,
    "cnn-best": 25 * 16 + 2 * 16 + 9 * (16 * 48 + 2 * 48 * 48 + 48 * 96 + 2 * 96 * 96) + 2 * 3 * (48 + 96) + 9 * 96 * 10 + 10,
    "cnn-fast": 9 * 16 + 16 + 9 * (16 * 32 + 32 * 64) + 2 * (32 + 64) + 25 * 64 * 10 + 10,
    "draw-mlp": 784 * 256 + 256 + 256 * 128 + 128 + 1_290,
    "draw-cnn": 25 * 16 + 16 + 9 * (16 * 48 + 48 * 48 + 48 * 96 + 2 * 96 * 96) + 2 * (2 * 48 + 3 * 96) + 9 * 96 * 10 + 10,
    "table": 784 * 128 + 128 + 2 * (128 * 128 + 128) + 1290,
    "pytorch-example": 1_199_882,
    "keras-example": 34_826,
    "forecast": 784 * 10 + 10 + 784 * 128 + 128 + 128 * 128 + 128 + 1_290,
    "lstm": (28 + 128 + 1) * 4 * 128 + 128 * 10 + 10,
    "resnet-small": 9 * (16 + 2 * 256 + 16 * 32 + 32 * 32 + 32 * 64 + 64 * 64)
    + 16 * 32
    + 32 * 64
    + 2 * (3 * 16 + 3 * 32 + 3 * 64)
    + 650,
}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_presets(name):
    recipe = CLASSIFIERS[name]
    model = recipe.classifier((28, 28, 1), 10).compile((28, 28, 1), CrossEntropy(), recipe.optimizer)
    assert model.parameter_count == PARAMETERS[name]
    random = np.random.default_rng(0)
    y = np.arange(16) % 4  # the class is the position of a bright stripe
    x = random.random((16, 28, 28, 1), np.float32) * 0.3
    for i in range(16):
        x[i, 6 * y[i] : 6 * y[i] + 6] += 0.7
    losses = [model.train_on_batch(x, y) for _ in range(12)]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
