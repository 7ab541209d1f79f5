"""Rows that may need more space than the memory has: appended to a temporary file, and read as a memory map."""

from __future__ import annotations

import errno
import tempfile
from types import TracebackType
from typing import Any

import numpy as np

from pellucid.core.memory import Array, Shape
from pellucid.errors import FileError

_BUFFER = 1 << 20  # bytes collected before they are written


class RowFile:
    """A temporary file of rows with one ``shape`` and ``dtype``, used in a ``with`` statement.

    The file has no name in its folder, so that it disappears however the process ends. Python chooses the folder for temporary
    files; the environment variable TMPDIR selects another one.

    Raises FileError when rows cannot be written. A full disk is thus reported here, not when the memory map is read.
    """

    def __init__(self, shape: Shape, dtype: Any):
        self.shape, self.dtype, self.count = shape, np.dtype(dtype), 0
        try:
            self._file = tempfile.TemporaryFile(buffering=_BUFFER)  # noqa: SIM115 (closed in __exit__)
        except OSError as error:
            raise self._write_error(error) from None

    def append(self, rows: Array) -> None:
        """Append rows (n, *shape)."""
        try:
            self._file.write(np.ascontiguousarray(rows, self.dtype).data)
        except OSError as error:
            raise self._write_error(error) from None
        self.count += len(rows)

    def array(self) -> Array:
        """Return all rows (count, *shape) as a memory map. Changes to it stay in this process."""
        try:
            self._file.flush()
            return np.memmap(self._file, self.dtype, "c", shape=(self.count, *self.shape))
        except OSError as error:
            raise self._write_error(error) from None

    def __enter__(self) -> RowFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self._file.close()
        except OSError:  # closing writes the buffer, which is not needed after another error
            if kind is None:
                raise

    def _write_error(self, error: OSError) -> FileError:
        disk_full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None), errno.EFBIG)
        reason = "there is not enough space" if disk_full else error.strerror or str(error)
        size = self.count * int(np.prod(self.shape)) * self.dtype.itemsize
        return FileError(
            f"{tempfile.gettempdir()}: {reason} for the decoded data ({size / 1e6:,.0f} MB so far); "
            "free some space, or name another folder in the environment variable TMPDIR"
        )
