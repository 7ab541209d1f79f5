"""Rows that may be more than memory holds: written one after the other, read as a memory map."""

from __future__ import annotations

import errno
import tempfile
from types import TracebackType
from typing import Any

import numpy as np

from pellucid.core.memory import Array, Shape
from pellucid.errors import FileError

_BUFFER = 1 << 20  # bytes gathered before they are written


class Rows:
    """A temporary file of rows of one ``shape`` and ``dtype``; use it in a ``with``. It has no name in its folder, so that
    nothing is left behind however the process ends; where it lies is Python's choice of a temporary folder (the environment
    variable TMPDIR names another).

    Raises FileError where it cannot be written: a full disk is found here, not when the map is read.
    """

    def __init__(self, shape: Shape, dtype: Any):
        self.shape, self.dtype, self.count = shape, np.dtype(dtype), 0
        try:
            self._file = tempfile.TemporaryFile(buffering=_BUFFER)  # noqa: SIM115 (closed in __exit__)
        except OSError as error:
            raise self._refused(error) from None

    def append(self, rows: Array) -> None:
        """Adds rows (n, *shape)."""
        try:
            self._file.write(np.ascontiguousarray(rows, self.dtype).data)
        except OSError as error:
            raise self._refused(error) from None
        self.count += len(rows)

    def array(self) -> Array:
        """All rows (count, *shape), as a memory map; what is written to it stays in this process."""
        try:
            self._file.flush()
            return np.memmap(self._file, self.dtype, "c", shape=(self.count, *self.shape))
        except OSError as error:
            raise self._refused(error) from None

    def __enter__(self) -> Rows:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self._file.close()
        except OSError:  # what could not be written has been told already, or is not wanted any more
            if kind is None:
                raise

    def _refused(self, error: OSError) -> FileError:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        what = "there is no room left" if full else error.strerror or str(error)
        size = self.count * int(np.prod(self.shape)) * self.dtype.itemsize
        return FileError(
            f"{tempfile.gettempdir()}: {what} for the decoded data ({size / 1e6:,.0f} MB so far); "
            "make room, or name another folder in the environment variable TMPDIR"
        )
