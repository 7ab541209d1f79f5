"""Pellucid as in its documentation: ``compile``, then ``train_on_batch``, ``fit`` or ``predict``."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import pellucid.kernels
from benchmarks import data
from benchmarks.jobs import Job, are_probabilities, loss_falls
from pellucid import Adam, CrossEntropy, Dense, Flatten, He, Layer, Model, ReLU, Sequential, Softmax
from pellucid.training.threads import available_cores

PACKAGES = ("pellucid", "numba")


def describe() -> dict[str, Any]:
    """Return the name of the kernel set in use, and the largest number of threads; a small network uses one."""
    return {"kernels": pellucid.kernels.name_of(pellucid.kernels.load()), "threads": available_cores()}


def network(input_shape: tuple[int, ...], *before: Layer) -> Model:
    """Return 784-256-256-10, compiled."""
    layers = (Dense(256, He()), ReLU(), Dense(256, He()), ReLU(), Dense(10, He()), Softmax())
    return Sequential(*before, *layers).compile(
        input_shape=input_shape, loss=CrossEntropy(), optimizer=Adam(data.LEARNING_RATE), metrics=[], seed=0
    )


def step(batch: int) -> Job:
    """Return a job of one ``train_on_batch``."""
    model = network((784,))
    batches = data.cyclic_batches(batch)
    following = cycle(batches)

    def run() -> float:
        x, y = next(following)
        return model.train_on_batch(x, y)

    return Job(run, loss_falls(), period=len(batches), variant="train_on_batch")


def predict(samples: int) -> Job:
    """Return a job of one ``predict``."""
    model = network((784,))
    x = data.inputs(samples)
    return Job(lambda: model.predict(x), are_probabilities(samples), variant="predict")


def training_images(data_dir: str | None, samples: int) -> Any:
    """Return the first arguments of ``fit``: the images as bytes, which are scaled batch by batch, and the labels."""
    if data_dir is not None:
        from pellucid.data import mnist

        train = mnist(data_dir=data_dir).train
        if len(train) == samples:
            return (train,)
    x, y = data.images(data_dir, samples)
    return x[..., None], y


def epoch(data_dir: str | None, samples: int, batch: int) -> Job:
    """Return a job of one ``fit`` of one epoch."""
    model = network((28, 28, 1), Flatten())
    images = training_images(data_dir, samples)

    def run() -> Any:
        return model.fit(*images, epochs=1, batch_size=batch, progress=False)

    return Job(run, loss_falls(last_loss), variant="fit")


def last_loss(history: Any) -> float:
    """Return the training loss of the last epoch."""
    return float(history["train_loss"][-1])


def memory(data_dir: str | None, samples: int, batch: int) -> float:
    """Load the images, train one epoch, and return the peak memory."""
    epoch(data_dir, samples, batch).run()
    return data.peak_mib()
