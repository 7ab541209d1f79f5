"""The input stage: how the data's numbers become the network's.

Pictures stay bytes until a batch is gathered; then they become numbers from 0 to 1. Other numbers go in as they are.
The stage is chosen from the training data, belongs to the model and travels in its file, so that fit, evaluate,
predict and export do the same. Data of another kind than the training data is refused: pictures given once as bytes
(0…255) and once as fractions are the classic silent mistake.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.config import Config
from pellucid.core.memory import Array
from pellucid.errors import DataError
from pellucid.kernels import Kernels

_STRETCH = 512  # samples checked at a time


class InputStage(Config, ABC):
    """The base of input stages."""

    wants: ClassVar[str]
    factor: ClassVar[float]  # by which the data's numbers become the network's

    @abstractmethod
    def accepts(self, x: Array) -> bool:
        """Whether the dtype of ``x`` is of this stage's kind."""

    @abstractmethod
    def batch(self, x: Array, rows: Array | slice, out: Array, kernels: Kernels) -> Array:
        """The samples ``rows`` of ``x``, ready for the network: ``out`` filled, or a view where nothing is to be done."""

    @abstractmethod
    def check_values(self, x: Array, rows: Array | None, kernels: Kernels) -> None:
        """Refuses values that no network can learn from in the ``rows`` of ``x`` (None: all), before training begins."""

    def check(self, x: Array) -> None:
        """Refuses data of another kind than the model was trained on."""
        if not self.accepts(x):
            raise DataError(f"this model was trained on {self.wants}, got {x.dtype}; {self._advice(x)}")

    @abstractmethod
    def _advice(self, x: Array) -> str: ...


@dataclass(frozen=True)
class Bytes(InputStage):
    """uint8 pictures: each value is divided by 255. With ``ink`` a grey picture in a file that is dark on a light border is
    taken for ink on paper, and inverted (:func:`~pellucid.data.images.files.read_picture`)."""

    ink: bool = True

    wants: ClassVar[str] = "uint8 pictures (0 … 255)"
    factor: ClassVar[float] = 1 / 255

    def accepts(self, x: Array) -> bool:
        return x.dtype == np.uint8

    def batch(self, x: Array, rows: Array | slice, out: Array, kernels: Kernels) -> Array:
        if isinstance(rows, slice):
            return np.multiply(x[rows], out.dtype.type(self.factor), out=out)
        if not x.flags.c_contiguous:
            return np.multiply(x[rows], out.dtype.type(self.factor), out=out)
        kernels.gather_scaled(x, rows, self.factor, out)
        return out

    def check_values(self, x: Array, rows: Array | None, kernels: Kernels) -> None:
        return None  # every byte is a shade

    def _advice(self, x: Array) -> str:
        return "give the pictures as bytes: (255 * x).astype(np.uint8) if they are fractions, x.astype(np.uint8) if not"


@dataclass(frozen=True)
class Numbers(InputStage):
    """Real numbers: taken as they are, in the network's dtype."""

    wants: ClassVar[str] = "real numbers"
    factor: ClassVar[float] = 1.0

    def accepts(self, x: Array) -> bool:
        return x.dtype.kind in "bif" or (x.dtype.kind == "u" and x.dtype.itemsize > 1)

    def batch(self, x: Array, rows: Array | slice, out: Array, kernels: Kernels) -> Array:
        flags = x.flags
        ready = x.dtype == out.dtype and flags.c_contiguous and flags.aligned
        if ready and isinstance(rows, slice):
            out = x[rows]
        elif ready:
            kernels.gather(x, rows, out)
        else:
            with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused below
                out[...] = x[rows]  # converts the dtype, the byte order and the strides
        if not kernels.all_finite(out):
            bad = np.flatnonzero(~np.isfinite(out).reshape(len(out), -1).all(axis=1))[0]
            sample = int(rows.start or 0) + bad if isinstance(rows, slice) else rows[bad]
            raise DataError(f"x holds NaN or infinity, first seen in sample {sample}: drop such samples or fill the gaps")
        return out

    def check_values(self, x: Array, rows: Array | None, kernels: Kernels) -> None:
        n = len(x) if rows is None else len(rows)
        out = np.empty((min(n, _STRETCH), *x.shape[1:]), np.float32)
        for start in range(0, n, _STRETCH):
            part = slice(start, min(start + _STRETCH, n))
            self.batch(x, part if rows is None else rows[part], out[: part.stop - start], kernels)

    def _advice(self, x: Array) -> str:
        return "give it numbers as the training data had them, for example x.astype(np.float32) / 255"


def stage_for(x: Array) -> InputStage:
    """The stage that training data of this dtype asks for. Raises DataError for what are no numbers."""
    for stage in (Bytes(), Numbers()):
        if stage.accepts(x):
            return stage
    raise DataError(f"x must hold numbers, got {x.dtype}; turn categories and dates into numbers first")
