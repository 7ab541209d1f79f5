"""scikit-learn's MLPClassifier, with Adam. Its initialization is Glorot's uniform one, which it does not let users choose."""

from __future__ import annotations

import warnings
from itertools import cycle
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from benchmarks import data
from benchmarks.jobs import Job, falls, probabilities

PACKAGES = ("scikit-learn", "scipy")


def classifier(batch: int, **options: Any) -> Any:
    """784-256-256-10 in float32 (the type of the data), without the L2 penalty that is its default."""
    return MLPClassifier(data.SIZES[1:-1], batch_size=batch, learning_rate_init=data.LEARNING_RATE, alpha=0.0, **options)


def step(batch: int) -> Job:
    """One ``partial_fit`` of one batch."""
    model = classifier(batch)
    batches = data.ring(batch)
    following = cycle(batches)
    classes = np.arange(data.SIZES[-1])

    def run() -> float:
        model.partial_fit(*next(following), classes=classes)
        return float(model.loss_)

    return Job(run, falls(), period=len(batches), form="partial_fit")


def predict(samples: int) -> Job:
    """One ``predict_proba``."""
    model = classifier(100)
    for x, y in data.ring(100):
        model.partial_fit(x, y, classes=np.arange(data.SIZES[-1]))
    given = data.inputs(samples)
    return Job(lambda: model.predict_proba(given), probabilities(samples), form="predict_proba")


def epoch(data_dir: str | None, samples: int, batch: int) -> Job:
    """One ``fit`` of one iteration, which goes on where the one before stopped. Shuffling is its default."""
    images, y = data.images(data_dir, samples)
    x = images.reshape(len(images), -1).astype(np.float32)
    x /= 255
    model = classifier(batch, max_iter=1, warm_start=True)
    warnings.simplefilter("ignore", ConvergenceWarning)  # one iteration is what was asked for

    def run() -> float:
        model.fit(x, y)
        return float(model.loss_)

    return Job(run, falls(), form="fit, max_iter=1")


def memory(data_dir: str | None, samples: int, batch: int) -> float:
    """Load, train one epoch. The images are floats: bytes it would turn into doubles."""
    epoch(data_dir, samples, batch).run()
    return data.peak_mib()
