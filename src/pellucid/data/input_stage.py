"""The input stage: how the values of a data set become the values that the network reads.

Images stay bytes until a batch is gathered; then they become values from 0 to 1. Other values are used unchanged, and the
columns of a table are standardized (:class:`~pellucid.data.tables.columns.Standardization`).

The input stage is chosen from the training data. The model keeps it and stores it in its file, so that fit, evaluate, predict
and the exporters all apply the same one. Data of another kind than the training data raises an error. It is a frequent mistake
to train on images of bytes (0 … 255) and then to predict from fractions, and nothing else would report it.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NoReturn

import numpy as np

from pellucid.core.config import Config, Positive
from pellucid.core.memory import Array
from pellucid.core.sparse_rows import SparseRows
from pellucid.data.sparse import SparseMatrix
from pellucid.errors import DataError
from pellucid.kernels import Kernels

_CHUNK = 512  # samples that are checked together
_MAX_FLOAT32 = float(np.finfo(np.float32).max)


class InputStage(Config, ABC):
    """The base class of input stages."""

    expects: ClassVar[str]  # the kind of data, for messages
    factor: ClassVar[float]  # by which values are multiplied before the network; 1 for stages that do more than scale

    @abstractmethod
    def accepts(self, x: Array) -> bool:
        """Return whether ``x`` has a dtype that this stage can transform."""

    @abstractmethod
    def transform(self, x: Array, rows: Array | slice, out: Array, kernels: Kernels) -> Array:
        """Return the samples ``rows`` of ``x`` as the network reads them: in ``out``, or as a view of ``x`` where possible."""

    @abstractmethod
    def check_values(self, x: Array, rows: Array | None, kernels: Kernels) -> None:
        """Raise DataError if one of the ``rows`` of ``x`` (None for all) has values that no network can be trained on."""

    def check(self, x: Array) -> None:
        """Raise DataError for data of another kind than the model was trained on."""
        if not self.accepts(x):
            raise DataError(f"this model was trained on {self.expects}, got {x.dtype}; {self._advice(x)}")

    @abstractmethod
    def _advice(self, x: Array) -> str:
        """Return what to do about ``x``, which this stage does not accept."""


@dataclass(frozen=True)
class ImageScaling(InputStage):
    """The input stage of uint8 images: each value is divided by 255.

    ``invert_light_background`` applies to image files given to predict: if it is true, a grey image with a light border is
    taken for a scan of dark ink on paper, and inverted (:func:`~pellucid.data.images.image_file.read_image`).
    """

    invert_light_background: bool = True

    expects: ClassVar[str] = "uint8 images (0 … 255)"
    factor: ClassVar[float] = 1 / 255

    def accepts(self, x: Array) -> bool:
        return x.dtype == np.uint8

    def transform(self, x: Array, rows: Array | slice, out: Array, kernels: Kernels) -> Array:
        if isinstance(rows, slice) or not x.flags.c_contiguous:
            return np.multiply(x[rows], out.dtype.type(self.factor), out=out)
        kernels.gather_scaled(x, rows, self.factor, out)
        return out

    def check_values(self, x: Array, rows: Array | None, kernels: Kernels) -> None:
        return None  # every byte is valid

    def _advice(self, x: Array) -> str:
        return "pass the images as bytes: (255 * x).astype(np.uint8) for fractions, else x.astype(np.uint8)"


@dataclass(frozen=True)
class Passthrough(InputStage):
    """The input stage of real values that need no preparation: they are only converted to the dtype of the network."""

    expects: ClassVar[str] = "real numbers"
    factor: ClassVar[float] = 1.0

    def accepts(self, x: Array) -> bool:
        return x.dtype.kind in "bif" or (x.dtype.kind == "u" and x.dtype.itemsize > 1)

    def transform(self, x: Array, rows: Array | slice, out: Array, kernels: Kernels) -> Array:
        if isinstance(x, SparseMatrix):
            with np.errstate(over="ignore"):
                return self.checked(x.write(rows, out), rows, kernels)
        flags = x.flags
        needs_no_conversion = x.dtype == out.dtype and flags.c_contiguous and flags.aligned
        if needs_no_conversion and isinstance(rows, slice):
            out = x[rows]
        elif needs_no_conversion and not isinstance(rows, slice):
            kernels.gather(x, rows, out)
        else:
            with np.errstate(over="ignore"):  # values beyond float32 become infinite and raise DataError below
                out[...] = x[rows]  # converts the dtype, the byte order and the strides
        return self.checked(out, rows, kernels)

    def sparse_rows(self, x: SparseMatrix, rows: Array | slice, kernels: Kernels) -> SparseRows:
        """Return the samples ``rows`` of a sparse matrix as the network reads them, without their zeros."""
        return _sparse_rows(x, rows, 1.0, kernels)

    def checked(self, out: Array, rows: Array | slice, kernels: Kernels) -> Array:
        """Return ``out``. Raises DataError for NaN and infinity."""
        if not kernels.all_finite(out):
            _refuse(rows, int(np.flatnonzero(~np.isfinite(out).reshape(len(out), -1).all(axis=1))[0]))
        return out

    def check_values(self, x: Array, rows: Array | None, kernels: Kernels) -> None:
        if isinstance(x, SparseMatrix) and -_MAX_FLOAT32 <= x.values.min(initial=0) <= x.values.max(initial=0) <= _MAX_FLOAT32:
            return  # its values are finite
        n = len(x) if rows is None else len(rows)
        out = np.empty((min(n, _CHUNK), *x.shape[1:]), np.float32)
        for start in range(0, n, _CHUNK):
            part = slice(start, min(start + _CHUNK, n))
            self.transform(x, part if rows is None else rows[part], out[: part.stop - start], kernels)

    def _advice(self, x: Array) -> str:
        return "pass values of the same kind as the training data, for example x.astype(np.float32) / 255"


@dataclass(frozen=True)
class Scaling(InputStage):
    """The input stage of samples that are divided by one number: x' = x / scale. Zeros remain zeros, as in sparse matrices."""

    scale: Positive

    expects: ClassVar[str] = "real numbers"
    factor: ClassVar[float] = 1.0

    def accepts(self, x: Array) -> bool:
        return x.dtype.kind in "biuf"

    def transform(self, x: Array, rows: Array | slice, out: Array, kernels: Kernels) -> Array:
        with np.errstate(over="ignore"):
            if isinstance(x, SparseMatrix):
                x.write(rows, out)
            else:
                out[...] = x[rows]
            out *= out.dtype.type(1 / self.scale)
        return Passthrough().checked(out, rows, kernels)

    def sparse_rows(self, x: SparseMatrix, rows: Array | slice, kernels: Kernels) -> SparseRows:
        """Return the samples ``rows`` of a sparse matrix as the network reads them, without their zeros."""
        return _sparse_rows(x, rows, 1 / self.scale, kernels)

    def check_values(self, x: Array, rows: Array | None, kernels: Kernels) -> None:
        Passthrough().check_values(x, rows, kernels)

    def _advice(self, x: Array) -> str:
        return "pass values of the same kind as the training data"


def _sparse_rows(x: SparseMatrix, rows: Array | slice, factor: float, kernels: Kernels) -> SparseRows:
    """Return the rows of a sparse matrix times a factor. Raises DataError for values that float32 does not hold."""
    result = x.rows(rows, np.float32)
    kernels.scale(result.values, factor)
    if not kernels.all_finite(result.values):
        place = int(np.flatnonzero(~np.isfinite(result.values))[0])
        _refuse(rows, int(np.searchsorted(result.starts, place, "right")) - 1)
    return result


def _refuse(rows: Array | slice, bad: int) -> NoReturn:
    """Raise DataError for the sample ``bad`` among these rows, which contains NaN or infinity."""
    sample = int(rows.start or 0) + bad if isinstance(rows, slice) else rows[bad]
    raise DataError(f"x contains NaN or infinity, first in sample {sample}: leave such samples out or fill the gaps")


def input_stage_for(x: Array) -> InputStage:
    """Return the input stage for training data of this dtype. Raises DataError unless the values are numbers."""
    for stage in _stages():
        if stage.accepts(x):
            return stage
    raise DataError(f"x must hold numbers, got {x.dtype}; convert categories and dates to numbers first")


@functools.cache
def _stages() -> tuple[InputStage, ...]:
    """Return the stages to choose from; to create them takes longer than a small network does for a sample."""
    return ImageScaling(), Passthrough()
