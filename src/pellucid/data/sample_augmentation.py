"""What all augmentations have in common, and functions of the user as augmentations.

An augmentation changes each training sample at random, differently in each epoch. The random stream of a sample is keyed by the
seed of the run, the epoch and the index of the sample in its set. So a run repeats bit for bit, a resumed run draws the same
numbers as an uninterrupted one, and the change of a sample does not depend on the order or the size of the batches.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.core import rng
from pellucid.core.habits import refuse_signature
from pellucid.core.memory import Array, Shape
from pellucid.data.geometry import Geometry
from pellucid.data.input_stage import input_stage_for
from pellucid.errors import ConfigError, DataError, ShapeError
from pellucid.kernels import Kernels, load


class SampleAugmentation(ABC):
    """The base class of augmentations."""

    def check(self, shape: Shape) -> None:  # noqa: B027 (the default accepts all)
        """Raise ShapeError unless samples of this shape can be changed."""

    def apply(self, x: Array, *, seed: int = 0, epoch: int = 0, first: int = 0) -> Array:
        """Return the samples x (n, …) as training uses them in the given epoch, as a new float32 array.

        ``first`` is the index of x[0] in its data set. Bytes become values from 0 to 1. Raises ShapeError, and DataError for
        values that are not numbers.
        """
        x = np.asarray(x)
        self.check(x.shape[1:])
        stage, kernels, rows = input_stage_for(x), load(), np.arange(len(x))
        plain = np.ascontiguousarray(stage.transform(x, slice(0, len(x)), np.empty(x.shape, np.float32), kernels))
        return self.apply_batch(plain, rows, 1.0, rows + first, seed, epoch, np.empty_like(plain), kernels)

    @abstractmethod
    def apply_batch(
        self, x: Array, rows: Array, factor: float, indices: Array, seed: int, epoch: int, out: Array, kernels: Kernels
    ) -> Array:
        """Set out[i] to a random change of factor · x[rows[i]] and return ``out``.

        The random stream of out[i] is keyed by ``indices[i]``, the index of the sample in its data set.
        x (m, …) is C-contiguous, bytes or float32; rows and indices are (n); out (n, …) is float32.
        """

    def geometry(self, indices: Array, h: int, w: int, seed: int, epoch: int, kernels: Kernels) -> Geometry | None:
        """Return the positions at which :meth:`apply_batch` reads images of h × w pixels, so that maps can be changed alike.

        None, the default, means that no pixel changes its place.
        """
        return None


class FunctionAugmentation(SampleAugmentation):
    """Your own augmentation: ``function(x, generator)`` returns a changed copy of one sample, of the same shape.

    x is the sample as the network reads it, float32, after the input stage (images of bytes are then 0 … 1); the function may
    overwrite it. ``generator`` is a NumPy random generator whose stream is keyed by the seed of the model, the epoch and the
    index of the sample: a function that draws all its random numbers from it is repeatable, whatever the batch size.

    Raises ShapeError or DataError where the function returns another shape, or values that are not finite. What the function
    itself raises passes through.
    """

    def __init__(self, function: Callable[[Array, np.random.Generator], Any]):
        refuse_signature("augmentation", function, ("x", "generator"))
        self.function = function

    def __repr__(self) -> str:
        return f"FunctionAugmentation({getattr(self.function, '__qualname__', self.function)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FunctionAugmentation) and self.function == other.function

    def __hash__(self) -> int:
        return hash(self.function)

    def apply_batch(
        self, x: Array, rows: Array, factor: float, indices: Array, seed: int, epoch: int, out: Array, kernels: Kernels
    ) -> Array:
        np.multiply(x[rows], out.dtype.type(factor), out=out)
        for sample, index in zip(out, indices, strict=True):
            result = self.function(sample, rng.generator(seed, "augmentation", epoch, int(index)))
            if result is None:
                raise DataError(f"{self}: the function returned None; it must return the changed sample")
            changed = np.asarray(result)
            if changed.shape != sample.shape:
                raise ShapeError(
                    f"{self}: the function returned the shape {changed.shape} for a sample of the shape {sample.shape}; it "
                    "gets one sample, not a batch, and must return one of the same shape"
                )
            if changed.dtype.kind not in "biuf":
                raise DataError(f"{self}: the function must return numbers, got {changed.dtype}")
            sample[...] = changed
        if not kernels.all_finite(out):
            raise DataError(f"{self}: the function returned NaN or infinity")
        return out


AnyAugmentation = SampleAugmentation | Callable[[Array, np.random.Generator], Any]


def as_augmentation(value: Any, owner: str) -> SampleAugmentation | None:
    """Return the augmentation that ``value`` is, or the function as one; None stays None. Raises ConfigError for other values.

    ``owner`` is the function that was given the value, for the message.
    """
    if value is None or isinstance(value, SampleAugmentation):
        return value
    if callable(value) and not isinstance(value, type):
        return FunctionAugmentation(value)
    hint = f"; add parentheses to create one: {value.__name__}()" if isinstance(value, type) else ""
    raise ConfigError(
        f"{owner}(augmentation={value!r}): augmentation must be an Augmentation, a PhotoAugmentation or a function(x, "
        f"generator), not {type(value).__name__}{hint}"
    )
