"""scikit-learn's MLPClassifier with Adam. It always uses Glorot's uniform initialization."""

from __future__ import annotations

import warnings
from itertools import cycle
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from benchmarks import data
from benchmarks.jobs import Job, are_probabilities, loss_falls

PACKAGES = ("scikit-learn", "scipy")


def classifier(batch: int, **options: Any) -> Any:
    """Return 784-256-256-10 in float32 (the dtype of the data), without the default L2 penalty."""
    return MLPClassifier(data.SIZES[1:-1], batch_size=batch, learning_rate_init=data.LEARNING_RATE, alpha=0.0, **options)


def step(batch: int) -> Job:
    """Return a job of one ``partial_fit`` of one batch."""
    model = classifier(batch)
    batches = data.cyclic_batches(batch)
    following = cycle(batches)
    classes = np.arange(data.SIZES[-1])

    def run() -> float:
        model.partial_fit(*next(following), classes=classes)
        return float(model.loss_)

    return Job(run, loss_falls(), period=len(batches), variant="partial_fit")


def predict(samples: int) -> Job:
    """Return a job of one ``predict_proba``."""
    model = classifier(100)
    for images, labels in data.cyclic_batches(100):
        model.partial_fit(images, labels, classes=np.arange(data.SIZES[-1]))
    x = data.inputs(samples)
    return Job(lambda: model.predict_proba(x), are_probabilities(samples), variant="predict_proba")


def epoch(data_dir: str | None, samples: int, batch: int) -> Job:
    """Return a job of one ``fit`` of one iteration, which continues the one before. Shuffling is the default."""
    images, y = data.images(data_dir, samples)
    x = images.reshape(len(images), -1).astype(np.float32)
    x /= 255
    model = classifier(batch, max_iter=1, warm_start=True)
    warnings.simplefilter("ignore", ConvergenceWarning)  # one iteration is intended

    def run() -> float:
        model.fit(x, y)
        return float(model.loss_)

    return Job(run, loss_falls(), variant="fit, max_iter=1")


def memory(data_dir: str | None, samples: int, batch: int) -> float:
    """Load the images, train one epoch, and return the peak memory.

    The images are float32; the classifier would convert bytes to float64.
    """
    epoch(data_dir, samples, batch).run()
    return data.peak_mib()
