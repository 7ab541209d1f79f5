"""The data loader: the mini-batches of a training, in the order of each epoch.

The order of the samples depends only on the seed and the number of the epoch. A batch is gathered in one pass: samples are
selected, scaled and augmented, and written to the array that the network reads. The next batch overwrites that array.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from pellucid.core import rng
from pellucid.core.memory import Array, aligned_zeros, ones
from pellucid.core.named_arrays import NamedArrays
from pellucid.data.input_stage import InputStage, Passthrough
from pellucid.data.sample_augmentation import SampleAugmentation
from pellucid.data.tables.columns import TableStage
from pellucid.data.target_maps import moved
from pellucid.errors import ShapeError
from pellucid.kernels import Kernels

SCALED_ONCE = 1 << 24  # values of a table (64 MiB) that are scaled before the training
_CHUNK = 4096  # rows that are scaled together


class BatchSource(Protocol):
    """The protocol of what the training loop takes its batches from."""

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Any, Any, Any]]:
        """Yield the batches (x, targets, weights) of an epoch, without the first ``start`` of them."""


def _scaled_once(x: Array, rows: Array | None, stage: TableStage, kernels: Kernels) -> tuple[Array, Array | None, InputStage]:
    """Return the rows of a small table as the network reads them, which saves their scaling in every epoch.

    A large table is returned as it is, and scaled batch by batch. The values are the same.
    """
    n = len(x) if rows is None else len(rows)
    if n * math.prod(x.shape[1:]) > SCALED_ONCE:
        return x, rows, stage
    out = np.empty((n, *x.shape[1:]), np.float32)
    for start in range(0, n, _CHUNK):
        part = slice(start, min(start + _CHUNK, n))
        stage.transform(x, part if rows is None else rows[part], out[part], kernels)
    return out, None, Passthrough()


class Batches:
    """The mini-batches of a data set.

    ``x`` (m, …) are the source samples, and ``rows`` the indices of the n samples in the set (None for all). ``targets`` and
    ``weights``, (n) or (n, *positions), are those of these rows; without ``weights`` all are 1. An augmentation that moves the
    pixels of images also moves targets that are maps of them (:mod:`pellucid.data.target_maps`, also about ``interpolate``).

    With several inputs, ``x`` is :class:`~pellucid.core.named_arrays.NamedArrays`, ``stage`` an
    :class:`~pellucid.data.input_stages.InputStages`, and ``augmentation`` a dictionary by input; it may not move the pixels of
    targets that are maps. With several outputs, ``targets`` and ``weights`` are NamedArrays, ``interpolate`` is a dictionary.

    ``sparse`` says that x is a :class:`~pellucid.data.sparse.SparseMatrix` whose rows the network reads without their zeros.

    ``own_rows`` is for a process that computes only a part of each batch: it takes the number of samples in a batch and returns
    the rows of the part. Only these rows of x are gathered, the others have arbitrary values; sparse rows are always complete.
    """

    def __init__(
        self,
        x: Any,
        targets: Any,
        weights: Any,
        *,
        rows: Array | None,
        stage: Any,
        augmentation: SampleAugmentation | Mapping[str, SampleAugmentation] | None = None,
        interpolate: bool | Mapping[str, bool | None] | None = False,
        batch_size: int,
        seed: int,
        shuffle: bool,
        kernels: Kernels,
        own_rows: Callable[[int], slice] | None = None,
        sparse: bool = False,
    ):
        self.own_rows, self.sparse = own_rows, sparse
        if isinstance(stage, TableStage) and stage.series is None and augmentation is None:
            x, rows, stage = _scaled_once(x, rows, stage, kernels)
        self.x, self.targets, self.rows, self.stage, self.kernels = x, targets, rows, stage, kernels
        self.augmentation, self.interpolate = augmentation, interpolate
        self.batch_size, self.seed, self.shuffle = min(batch_size, len(targets)), seed, shuffle
        if weights is not None and not isinstance(weights, NamedArrays):
            weights = np.ascontiguousarray(weights, np.float32)
        self.weights: Any = weights
        if isinstance(augmentation, Mapping):
            for name, one in augmentation.items():
                one.check(x[name].shape[1:])
                self._check_maps(name, one)
        elif augmentation is not None:
            augmentation.check(x.shape[1:])
            self._targets(np.arange(1), 0)  # raises an error before the training if it cannot be changed like the images
        self._batch: Any = None
        if not sparse:
            self._batch = x.map(self._memory) if isinstance(x, NamedArrays) else self._memory(x)

    def _memory(self, x: Array) -> Array:
        shape = (self.batch_size, *x.shape[1:])
        return aligned_zeros(int(np.prod(shape))).reshape(shape)

    def __len__(self) -> int:
        return -(-len(self.targets) // self.batch_size)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Any, Any, Any]]:
        """Yield the batches (x, targets, weights) of an epoch, without the first ``start``. The last one may be smaller."""
        n = len(self.targets)
        order = rng.generator(self.seed, "shuffle", epoch).permutation(n) if self.shuffle else np.arange(n)
        for first in range(start * self.batch_size, n, self.batch_size):
            chosen = order[first : first + self.batch_size]
            if self.sparse:
                source = chosen if self.rows is None else self.rows[chosen]
                yield self.stage.sparse_rows(self.x, source, self.kernels), *self._targets(chosen, epoch)
                continue
            out = self._batch[: len(chosen)]
            if self.own_rows is None:
                x = self._gathered(chosen, epoch, out)
            else:
                x, own = out, self.own_rows(len(chosen))
                if own.stop > own.start:
                    self._gathered(chosen[own], epoch, out[own])
            yield x, *self._targets(chosen, epoch)

    def _gathered(self, chosen: Array, epoch: int, out: Any) -> Any:
        """Return the samples with the indices ``chosen`` in the set as the network reads them, in ``out``."""
        source = chosen if self.rows is None else self.rows[chosen]
        if isinstance(self.augmentation, Mapping):
            x = self.stage.transform(self.x, source, out, self.kernels)
            for name, one in self.augmentation.items():
                own = self.x[name], self.stage[name], one
                x.by_name[name] = self._augmented(*own, source, chosen, epoch, out[name])
            return x
        if self.augmentation is not None:
            return self._augmented(self.x, self.stage, self.augmentation, source, chosen, epoch, out)
        return self.stage.transform(self.x, source, out, self.kernels)

    def _check_maps(self, name: str, augmentation: SampleAugmentation) -> None:
        """Raise ShapeError where an augmentation of one input of several would move the pixels of a target."""
        of_maps = self.interpolate.values() if isinstance(self.interpolate, Mapping) else [self.interpolate]
        image = self.x[name].shape[1:]
        if len(image) != 3 or all(one is None for one in of_maps):
            return
        h, w, _ = image
        if augmentation.geometry(np.arange(1), h, w, self.seed, 0, self.kernels) is not None:
            raise ShapeError(
                f"{augmentation} moves the pixels of {name!r}, but a target has two axes of positions, and with several "
                "inputs it is not known of which it is a map: use an augmentation that moves no pixels, or batches from a "
                "function"
            )

    def _targets(self, indices: Array, epoch: int) -> tuple[Any, Any]:
        """Return the targets and weights of the samples with these indices in the set."""
        targets = self.targets[indices]
        weights = ones(len(indices)) if self.weights is None else self.weights[indices]
        augmentation, interpolate = self.augmentation, self.interpolate
        if augmentation is None or isinstance(augmentation, Mapping):
            return targets, weights

        def changed(y: Array, w: Array, between: bool | None) -> tuple[Array, Array]:
            image, keys = self.x.shape[1:], (indices, self.seed, epoch)
            return moved(augmentation, image, y, w, *keys, interpolate=between, kernels=self.kernels)

        if not isinstance(targets, NamedArrays):
            assert not isinstance(interpolate, Mapping)
            return changed(targets, weights, interpolate)
        assert isinstance(interpolate, Mapping)
        pairs = {name: changed(targets[name], weights[name], interpolate[name]) for name in targets}
        y, w = (NamedArrays({name: pair[i] for name, pair in pairs.items()}) for i in range(2))
        return y, w

    def _augmented(
        self,
        x: Array,
        stage: InputStage,
        augmentation: SampleAugmentation,
        source: Array,
        indices: Array,
        epoch: int,
        out: Array,
    ) -> Array:
        factor = stage.factor
        if not (x.flags.c_contiguous and x.flags.aligned and x.dtype in (np.uint8, np.float32)):
            x, source, factor = stage.transform(x, source, np.empty_like(out), self.kernels), np.arange(len(out)), 1.0
        return augmentation.apply_batch(x, source, factor, indices, self.seed, epoch, out, self.kernels)
