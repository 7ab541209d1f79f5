"""Batches from a program instead of arrays: opened, counted and checked for the training loop."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np

from pellucid.core.memory import Array
from pellucid.core.named_arrays import unwrapped
from pellucid.data.checks import numeric_arrays
from pellucid.data.dataset import Dataset
from pellucid.data.input_stages import AnyStage, stage_for
from pellucid.data.prefetch import prefetched
from pellucid.data.sample_augmentation import SampleAugmentation, as_augmentation
from pellucid.data.stream import BatchStream, as_stream
from pellucid.data.target_maps import moved
from pellucid.errors import ConfigError, DataError, PellucidError
from pellucid.training import inputs
from pellucid.training.class_weight import ClassWeight, weighted
from pellucid.training.inputs import Samples
from pellucid.training.options import FitOptions
from pellucid.training.several_outputs import SeveralOutputs
from pellucid.training.state import ModelState

T = TypeVar("T")
Batch = tuple[Any, Any, Any]  # x, targets, weights


class StreamedBatches:
    """The batches of a stream for one training: each is checked like one for ``train_on_batch``.

    The first batch is taken and checked when this object is created; a thread for prefetching starts only with the training.
    ``stage`` is the model's input stage, or None for the one that the first batch determines. ``augmentation`` gets the
    position of a sample in its epoch as its index. ``accumulate`` is the number of batches for one update. A batch is valid
    until the next one is taken.

    Raises ConfigError where the length of an epoch is not known, DataError where there is no batch, ShapeError and DataError
    for a batch that does not fit the model, and ConfigError for one whose gradient cannot be averaged with those of others.
    What the source itself raises passes through.
    """

    def __init__(
        self,
        stream: BatchStream,
        state: ModelState,
        stage: AnyStage | None,
        *,
        augmentation: SampleAugmentation | None = None,
        class_weight: ClassWeight | None = None,
        class_names: Any = None,
        accumulate: int,
    ):
        self.stream, self.state, self.stage = stream, state, stage
        self.augmentation, self.class_weight, self.class_names = augmentation, class_weight, class_names
        self.accumulate = accumulate
        parts = class_weight.values() if isinstance(class_weight, Mapping) else [class_weight]
        if any(isinstance(one, str) for one in parts):
            raise ConfigError(
                "fit(class_weight='balanced'): the classes of a stream of batches are not known beforehand: give a list or a "
                "mapping of weights"
            )
        self.classes: tuple[str, ...] | None = None  # as of a data set without names
        self._first_epoch = state.epochs
        self._epoch = -1
        self.batch_size = 0  # the number of samples in the first batch
        self._count: int | None = None
        self._open: Generator[Batch, None, None] | None = None
        self._start(state.epochs)
        assert self._open is not None
        self._first: Batch | None = next(self._open)

    def __len__(self) -> int:
        assert self._count is not None
        return self._count

    def input_stage(self) -> AnyStage:
        """Return the input stage of the batches."""
        assert self.stage is not None
        return self.stage

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch, (x, targets, weights), without the first ``start``, which the source makes as well."""
        if self._open is None or epoch != self._epoch:
            self._start(epoch)
        first, self._first = self._first, None
        if first is not None and start:
            start -= 1
        elif first is not None:
            yield first
        assert self._open is not None
        for _ in itertools.islice(self._open, start):
            pass
        if self._open is not None and self.stream.prefetch:
            self._open = prefetched(self._open, self.stream.prefetch)
        if self._open is not None:
            yield from self._open
        self.close()

    def close(self) -> None:
        """Close the source of this epoch, and end the thread that prefetches."""
        if self._open is not None:
            self._open.close()
        self._open = self._first = None

    def closed_after(self, events: Generator[T, None, None]) -> Generator[T, None, None]:
        """Yield the same events, and close the source when the training ends, fails or is interrupted."""
        try:
            yield from events
        finally:
            self.close()

    def _start(self, epoch: int) -> None:
        self.close()
        source, count = self.stream.open(epoch)
        where = f"epoch {epoch - self._first_epoch + 1}"
        if self._count is not None and count != self._count:
            raise DataError(f"{where} has {count:,} batches and the first had {self._count:,}; all need the same number")
        if count < 1:
            raise DataError(f"{where}: the stream has no batches")
        self._epoch, self._count = epoch, count
        self._open = self._checked(source, count, epoch, where)

    def _checked(self, source: Iterator[Any], count: int, epoch: int, where: str) -> Generator[Batch, None, None]:
        """Yield the checked batches. The source is closed at the end, unless it goes on in the next epoch."""
        done = 0
        try:
            for number in range(1, count + 1):
                item = next(source, self)
                if item is self:
                    ended = "has no batches" if number == 1 else f"ended after {number - 1:,} of {count:,} batches"
                    advice = "give a smaller steps_per_epoch"
                    if not self.stream.repeatable:
                        advice = "an iterator is not begun anew in each epoch: let it go on, or give a function of the epoch"
                    raise DataError(f"{where}: the stream {ended}; {advice}")
                try:
                    batch = self._batch(item, done, epoch)
                except PellucidError as error:
                    raise type(error)(f"{where}, batch {number}: {error}") from None
                done += len(batch[0])
                yield batch
        finally:
            close = getattr(source, "close", None)
            if self.stream.repeatable and callable(close):
                close()

    def _batch(self, item: Any, done: int, epoch: int) -> Batch:
        """Return the batch, checked; ``done`` samples of its epoch came before it."""
        if isinstance(item, Dataset):
            item = item.x, item.y, item.sample_weight
        if not isinstance(item, (tuple, list)) or len(item) not in (2, 3) or item[1] is None:
            given = f"{len(item)} items" if isinstance(item, (tuple, list)) else type(item).__name__
            raise DataError(f"a batch must be (x, y) or (x, y, sample_weight), got {given}")
        state = self.state
        x = inputs.as_samples(item[0], self.stage)
        stage: Any = self.stage or stage_for(x)
        y = numeric_arrays(item[1], "y")
        weight = None if len(item) == 2 or item[2] is None else numeric_arrays(item[2], "sample_weight")
        batch, targets, weights = inputs.checked_batch(x, y, unwrapped(weight), stage, state)
        if self.class_weight is not None:
            samples = weighted(Samples(x, None, targets, weights), self.class_weight, state, self.class_names, whole=False)
            assert samples.weights is not None
            weights = samples.weights
        if self.accumulate > 1 and isinstance(state.output, SeveralOutputs):
            state.output.check_parts(weights, averages(self.accumulate))
        if self.augmentation is not None:
            self.augmentation.check(batch.shape[1:])
            targets, weights = moved(
                self.augmentation,
                batch.shape[1:],
                targets,
                weights,
                np.arange(done, done + len(batch)),
                state.seed,
                epoch,
                interpolate=state.output.interpolates,
                kernels=state.kernels,
            )
            rows, plain = np.arange(len(batch)), np.ascontiguousarray(batch)
            batch = self.augmentation.apply_batch(
                plain, rows, 1.0, rows + done, state.seed, epoch, np.empty_like(plain), state.kernels
            )
        if self.stream.prefetch:  # the source may use its arrays again for the next batch
            sources = [array for one in (x, y, weight) if one is not None for array in _arrays(one)]
            batch, targets, weights = (
                one.copy() if any(np.may_share_memory(array, source) for array in _arrays(one) for source in sources) else one
                for one in (batch, targets, weights)
            )
        self.stage, self.batch_size = stage, self.batch_size or len(batch)
        return batch, targets, weights


def _arrays(value: Any) -> list[Array]:
    """Return the arrays of a dictionary, or a single array."""
    value = unwrapped(value)
    return list(value.values()) if isinstance(value, dict) else [value]


def training_data(
    x: Any,
    y: Any,
    sample_weight: Any,
    options: FitOptions,
    state: ModelState,
    stage: AnyStage | None,
    classes: Any,
    *,
    once: bool = True,
) -> Dataset | StreamedBatches:
    """Return the training data that is given to ``fit``: a data set, or the opened stream of batches.

    ``stage`` and ``classes`` are those of the model. ``once`` means that the batches of an iterator may be used up. Raises
    ConfigError for options that do not fit to the data, and the errors of :func:`~pellucid.training.inputs.as_dataset` and
    :class:`StreamedBatches`.
    """
    stream = as_stream(x, y, sample_weight, options.steps_per_epoch)
    if stream is None:
        return inputs.as_dataset(x, y, sample_weight, stage=stage)
    if state.updater.rule.full_batch:
        raise ConfigError(f"{state.updater.rule} needs the whole training set at once: give arrays, not a stream of batches")
    if not once and not stream.repeatable:
        raise ConfigError("the range test would use up the batches of an iterator: give a function of the epoch, or a list")
    refused = {
        "batch_size": (options.batch_size is not None, "the batches have the size that their source gives them"),
        "exact_training_metrics": (
            options.exact_training_metrics,
            "the batches are not evaluated a second time; give the samples to evaluate as validation=…",
        ),
    }
    for name, (given, why) in refused.items():
        if given:
            raise ConfigError(f"fit({name}={getattr(options, name)}) with a stream of batches: {why}")
    if options.augmentation is not None and (isinstance(state.input_shape, dict) or isinstance(state.output, SeveralOutputs)):
        raise ConfigError("fit(augmentation=…) with a stream of batches needs one input and one output: augment in the source")
    return StreamedBatches(
        stream,
        state,
        stage,
        augmentation=as_augmentation(options.augmentation, "fit"),
        class_weight=options.class_weight,
        class_names=classes,
        accumulate=options.accumulate,
    )


def averages(accumulate: int) -> str:
    """Return what ``fit(accumulate=…)`` does with the gradients of batches, for messages."""
    return f"fit(accumulate={accumulate}) averages the gradients of batches"
