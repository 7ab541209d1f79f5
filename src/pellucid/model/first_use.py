"""The first use of compiled kernels by a training: which calls it will make, and processes that help to compile them.

The calls are found out by a copy of the model, which trains for one step on a few samples with the reference kernels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Mapping
from typing import Any

import numpy as np

from pellucid.data import Dataset
from pellucid.data.stream import BatchStream
from pellucid.kernels import compilation
from pellucid.training import Event, ranks
from pellucid.training.options import FitOptions

SAMPLES = 24  # convolutions of fewer than 17 small images have another algorithm than usual batches


def helped(
    events: Generator[Event, None, None], model: Any, x: Any, y: Any, sample_weight: Any, options: FitOptions
) -> Generator[Event, None, None]:
    """Return the events of a training; other processes help as soon as it has to compile a kernel.

    The ranks of a machine share the work among themselves, and the shapes of batches from a program are not known.
    """
    streamed = isinstance(x, BatchStream) or (options.steps_per_epoch is not None and not isinstance(x, Dataset))
    if ranks.current().size > 1 or streamed:
        return (yield from events)
    with compilation.shared(model.kernels, lambda: kernel_calls(model, x, y, sample_weight, options)):
        yield from events


def kernel_calls(model: Any, x: Any, y: Any, sample_weight: Any, options: FitOptions) -> list[compilation.KernelCall]:
    """Return the calls of kernels that the training of a model with these arguments makes: each kind of call once."""

    def train() -> None:
        copy = type(model)(
            model.network,
            model.input_shape,
            loss=model.loss,
            optimizer=model.optimizer,
            metrics=model.metrics,
            classes=model.classes,
            input_stage=model.input_stage,
            loss_weights=model.loss_weights,
        )
        train_briefly(copy, x, y, sample_weight, options)

    return compilation.recorded(train)


def train_briefly(model: Any, x: Any, y: Any, sample_weight: Any, options: FitOptions) -> None:
    """Train a model for one step on a few samples, and evaluate it."""
    few = _first(x), _first(y), _first(sample_weight)
    validation = few[0] if few[1] is None else few[:2]
    one_step = dataclasses.replace(
        options, epochs=1, batch_size=SAMPLES, policies=(), accumulate=1, resume=None, steps_per_epoch=None
    )
    for _ in model.fit_events(*few[:2], one_step, validation=validation, sample_weight=few[2]):
        pass


def _first(samples: Any) -> Any:
    """Return the first samples of a data set, an array or a dictionary of them."""
    if samples is None or isinstance(samples, Dataset):
        return samples if samples is None else samples.take(np.arange(min(SAMPLES, len(samples))))
    if isinstance(samples, Mapping):
        return {name: _first(part) for name, part in samples.items()}
    return samples[:SAMPLES]
