"""Batches that a program makes: by a function, a list or data loader, or a generator.

A :class:`BatchStream` says where the batches of each epoch come from. ``training/streamed.py`` checks them one by one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from pellucid.core.config import Count, Range, validate
from pellucid.core.habits import refuse_signature
from pellucid.data.dataset import Dataset
from pellucid.data.tables.frame import is_frame
from pellucid.errors import ConfigError


@dataclass(frozen=True)
class BatchStream:
    """Batches for ``Model.fit`` that come from a program instead of arrays.

    A batch is ``(x, y)`` or ``(x, y, sample_weight)``, each as ``train_on_batch`` takes it, or a :class:`Dataset`. ``source``
    is one of

    - a function of the number of the epoch that returns the batches of that epoch, such as a generator function. The number
      counts all epochs of the model from 0, so a second ``fit`` does not repeat the first. This is the recommended form: where
      the same number gives the same batches, a training repeats, and a checkpoint continues as the uninterrupted run.
    - an iterable, such as a list of batches or the data loader of another library, which is iterated anew in each epoch;
    - an iterator, such as a generator, which continues in the next epoch where it was. Its batches are used up, so such a
      training cannot be repeated.

    ``steps_per_epoch`` is the number of batches of an epoch; further ones are not taken. It may be None where the length of the
    iterable, or of what the function returns, is known.

    With ``prefetch``, a thread prepares up to this many batches while a step is computed: it runs the source, the checks and
    the augmentation. The batches are the same as without it. It helps where the source waits, for a disk or a network, or
    computes outside Python's global lock.

    Raises ConfigError for a source of another kind.
    """

    source: Any
    steps_per_epoch: int | None = None
    prefetch: int = 0

    def __post_init__(self) -> None:
        for name, kind in (("steps_per_epoch", Count | None), ("prefetch", Annotated[int, Range(0)])):
            object.__setattr__(self, name, validate(getattr(self, name), kind, "BatchStream", name))
        if isinstance(self.source, type) or not (callable(self.source) or isinstance(self.source, Iterable)):
            raise ConfigError(
                f"BatchStream(source={self.source!r}): source must be a function of the number of the epoch, an iterable or an "
                f"iterator of batches, not {'a class' if isinstance(self.source, type) else type(self.source).__name__}"
            )
        if not isinstance(self.source, Iterable):
            refuse_signature("BatchStream", self.source, ("epoch",))
        if self.steps_per_epoch is None and isinstance(self.source, Iterator):
            raise ConfigError(
                f"BatchStream(source={self.source!r}): an iterator has no length: give the number of batches in an epoch, "
                "steps_per_epoch=…"
            )

    @property
    def repeatable(self) -> bool:
        """Whether the batches of an epoch can be made again: not those of an iterator."""
        return not isinstance(self.source, Iterator)

    def open(self, epoch: int) -> tuple[Iterator[Any], int]:
        """Return the iterator over the batches of an epoch, and their number. Raises ConfigError where that is not known."""
        batches = self.source
        if not isinstance(batches, Iterable):
            batches = batches(epoch)
            if not isinstance(batches, Iterable):
                raise ConfigError(
                    f"the function of the stream must return the batches of an epoch, such as a list or a generator, but "
                    f"returned {type(batches).__name__} for epoch {epoch}"
                )
        count = self.steps_per_epoch if self.steps_per_epoch is not None else _length(batches)
        if count is None:
            raise ConfigError(
                f"the length of an epoch of {getattr(self.source, '__name__', self.source)} is not known: give the number of "
                "batches, steps_per_epoch=…"
            )
        return iter(batches), count


def as_stream(x: Any, y: Any, sample_weight: Any, steps_per_epoch: int | None) -> BatchStream | None:
    """Return the stream that ``x`` is or describes, or None if ``x`` is data: arrays, a data set, a frame.

    The other arguments are those of ``Model.fit``. Raises ConfigError where they do not fit to ``x``.
    """
    if isinstance(x, BatchStream):
        if steps_per_epoch is not None:
            raise ConfigError("fit(steps_per_epoch=…): a BatchStream has its own: BatchStream(source, steps_per_epoch=…)")
        stream = x
    elif _describes_batches(x, y):
        stream = BatchStream(x, steps_per_epoch)
    elif steps_per_epoch is not None and (not isinstance(x, Dataset) or x.passage is None):
        raise ConfigError(
            f"fit(steps_per_epoch={steps_per_epoch}): for arrays, batch_size determines the number of steps; steps_per_epoch "
            "is for batches from a function, a list or a generator, and for windows of a text"
        )
    else:
        return None
    if y is not None or sample_weight is not None:
        raise ConfigError("a stream has its own targets and weights: its batches are (x, y) or (x, y, sample_weight)")
    return stream


def _describes_batches(x: Any, y: Any) -> bool:
    if isinstance(x, (Dataset, str, bytes, os.PathLike, Mapping, type)) or hasattr(x, "__array__") or is_frame(x):
        return False
    if isinstance(x, (list, tuple)):
        return y is None and len(x) > 0 and _is_batch(x[0])
    if isinstance(x, Iterable):
        return y is None or isinstance(x, Iterator)
    return callable(x)


def _is_batch(item: Any) -> bool:
    """Return whether an item of a list is a batch. The rows of nested lists of numbers are not."""
    if isinstance(item, Dataset):
        return True
    if not isinstance(item, (tuple, list)) or len(item) not in (2, 3):
        return False
    return isinstance(item[0], Mapping) or (hasattr(item[0], "shape") and np.ndim(item[0]) > 0)


def _length(batches: Any) -> int | None:
    try:
        return len(batches)
    except TypeError:  # it has no length, or, like some data loaders, raises this error when asked for it
        return None
