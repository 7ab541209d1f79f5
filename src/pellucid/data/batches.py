"""The data loader: the mini-batches of a training, in the order of each epoch.

The order of the samples depends only on the seed and the number of the epoch. A batch is gathered in one pass: samples are
selected, scaled and augmented, and written to the array that the network reads. The next batch overwrites that array.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from pellucid.core import rng
from pellucid.core.memory import Array, aligned_zeros
from pellucid.data.input_stage import InputStage
from pellucid.data.sample_augmentation import SampleAugmentation
from pellucid.data.target_maps import moved
from pellucid.kernels import Kernels


class BatchSource(Protocol):
    """The protocol of what the training loop takes its batches from."""

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""

    def epoch(self, epoch: int) -> Iterator[tuple[Array, Array, Array]]:
        """Yield the batches (x, targets, weights) of an epoch."""


class Batches:
    """The mini-batches of a data set.

    ``x`` (m, …) are the source samples, and ``rows`` the indices of the n samples in the set (None for all). ``targets`` and
    ``weights``, (n) or (n, *positions), are those of these rows; without ``weights`` all are 1. An augmentation that moves the
    pixels of images also moves targets that are maps of them (:mod:`pellucid.data.target_maps`, also about ``interpolate``).
    """

    def __init__(
        self,
        x: Array,
        targets: Array,
        weights: Array | None,
        *,
        rows: Array | None,
        stage: InputStage,
        augmentation: SampleAugmentation | None = None,
        interpolate: bool = False,
        batch_size: int,
        seed: int,
        shuffle: bool,
        kernels: Kernels,
    ):
        self.x, self.targets, self.rows, self.stage, self.kernels = x, targets, rows, stage, kernels
        self.augmentation, self.interpolate = augmentation, interpolate
        self.batch_size, self.seed, self.shuffle = min(batch_size, len(targets)), seed, shuffle
        self.weights = np.ones(len(targets), np.float32) if weights is None else np.ascontiguousarray(weights, np.float32)
        if augmentation is not None:
            augmentation.check(x.shape[1:])
            self._targets(np.arange(1), 0)  # raises an error before the training if it cannot be changed like the images
        shape = (self.batch_size, *x.shape[1:])
        self._batch = aligned_zeros(int(np.prod(shape))).reshape(shape)

    def __len__(self) -> int:
        return -(-len(self.targets) // self.batch_size)

    def epoch(self, epoch: int) -> Iterator[tuple[Array, Array, Array]]:
        """Yield the batches (x, targets, weights) of an epoch. The last one may be smaller."""
        n = len(self.targets)
        order = rng.generator(self.seed, "shuffle", epoch).permutation(n) if self.shuffle else np.arange(n)
        for start in range(0, n, self.batch_size):
            chosen = order[start : start + self.batch_size]
            source = chosen if self.rows is None else self.rows[chosen]
            out = self._batch[: len(chosen)]
            if self.augmentation is None:
                x = self.stage.transform(self.x, source, out, self.kernels)
            else:
                x = self._augmented(self.augmentation, source, chosen, epoch, out)
            yield x, *self._targets(chosen, epoch)

    def _targets(self, indices: Array, epoch: int) -> tuple[Array, Array]:
        """Return the targets and weights of the samples with these indices in the set."""
        targets, weights = self.targets[indices], self.weights[indices]
        if self.augmentation is None:
            return targets, weights
        return moved(
            self.augmentation,
            self.x.shape[1:],
            targets,
            weights,
            indices,
            self.seed,
            epoch,
            interpolate=self.interpolate,
            kernels=self.kernels,
        )

    def _augmented(self, augmentation: SampleAugmentation, source: Array, indices: Array, epoch: int, out: Array) -> Array:
        x, factor = self.x, self.stage.factor
        if not (x.flags.c_contiguous and x.flags.aligned and x.dtype in (np.uint8, np.float32)):
            x, source, factor = self.stage.transform(x, source, np.empty_like(out), self.kernels), np.arange(len(out)), 1.0
        return augmentation.apply_batch(x, source, factor, indices, self.seed, epoch, out, self.kernels)
