"""Pellucid, as its documentation says: ``compile``, then ``train_on_batch``, ``fit`` or ``predict``."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import pellucid.kernels
from benchmarks import data
from benchmarks.jobs import Job, falls, probabilities
from pellucid import Adam, CrossEntropy, Dense, Flatten, He, Layer, Model, ReLU, Sequential, Softmax

PACKAGES = ("pellucid", "numba")


def describe() -> dict[str, Any]:
    """Which of its two sets of kernels is at work."""
    return {"kernels": pellucid.kernels.name_of(pellucid.kernels.load())}


def network(input_shape: tuple[int, ...], *before: Layer) -> Model:
    """784-256-256-10, ready to train."""
    layers = (Dense(256, He()), ReLU(), Dense(256, He()), ReLU(), Dense(10, He()), Softmax())
    return Sequential(*before, *layers).compile(
        input_shape=input_shape, loss=CrossEntropy(), optimizer=Adam(data.LEARNING_RATE), metrics=[], seed=0
    )


def step(batch: int) -> Job:
    """One ``train_on_batch``."""
    model = network((784,))
    batches = data.ring(batch)
    following = cycle(batches)

    def run() -> float:
        x, y = next(following)
        return model.train_on_batch(x, y)

    return Job(run, falls(), period=len(batches), form="train_on_batch")


def predict(samples: int) -> Job:
    """One ``predict``."""
    model = network((784,))
    x = data.inputs(samples)
    return Job(lambda: model.predict(x), probabilities(samples), form="predict")


def training_images(data_dir: str | None, samples: int) -> Any:
    """The images as users of pellucid have them, bytes that are scaled batch by batch: ``fit``'s first arguments."""
    if data_dir is not None:
        from pellucid.data import mnist

        train = mnist(data_dir=data_dir).train
        if len(train) == samples:
            return (train,)
    x, y = data.images(data_dir, samples)
    return x[..., None], y


def epoch(data_dir: str | None, samples: int, batch: int) -> Job:
    """One ``fit`` of one epoch."""
    model = network((28, 28, 1), Flatten())
    given = training_images(data_dir, samples)

    def run() -> Any:
        return model.fit(*given, epochs=1, batch_size=batch, progress=False)

    return Job(run, falls(last_loss), form="fit")


def last_loss(history: Any) -> float:
    """The training loss of a history's last epoch."""
    return float(history["train_loss"][-1])


def memory(data_dir: str | None, samples: int, batch: int) -> float:
    """Load, train one epoch."""
    epoch(data_dir, samples, batch).run()
    return data.peak_mib()
