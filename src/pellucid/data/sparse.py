"""Sparse matrices as samples. The whole matrix never becomes dense.

Where a network begins with a layer that ``reads_sparse`` rows, such as Dense, a batch has the rows as they are
(:class:`~pellucid.core.sparse_rows.SparseRows`). Before other layers, the rows of a batch become dense when it is gathered.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.core.sparse_rows import SparseRows
from pellucid.errors import DataError, ShapeError

_CHUNK = 1024  # rows that are examined together


def is_sparse(x: Any) -> bool:
    """Return whether this is a sparse matrix of SciPy, or of another library that converts to compressed sparse rows."""
    return hasattr(x, "tocsr") and hasattr(x, "shape")


def _has_parts(rows: Any) -> bool:
    """Return whether an entry of compressed sparse rows of SciPy is stored in several parts; columns may be in any order."""
    for start in range(0, rows.shape[0], _CHUNK):
        part = rows[start : start + _CHUNK]
        count = part.nnz
        part.sum_duplicates()
        if part.nnz < count:
            return True
    return False


class SparseMatrix:
    """A matrix (n, d) as compressed sparse rows: row i has the ``values[starts[i]:starts[i + 1]]`` in ``columns[…]``.

    It takes the place of an array of samples: it has a length, a ``shape`` and a ``dtype``, and rows can be selected, which
    gives another SparseMatrix. :meth:`write` writes rows into a dense array.
    """

    ndim = 2

    def __init__(self, values: Array, columns: Array, starts: Array, shape: tuple[int, int]):
        self.values, self.columns, self.starts, self.shape = values, columns, starts, shape

    @classmethod
    def of(cls, matrix: Any, what: str = "x", name: str = "data") -> SparseMatrix:
        """Return a sparse matrix of SciPy as this class. The arrays of compressed sparse rows are not copied, unless an entry
        is stored in several parts, which are added.

        Raises DataError for values that are not finite numbers, and ShapeError for other shapes than (n, d).
        """
        if len(matrix.shape) != 2:
            raise ShapeError(f"{name}: {what} must be a sparse matrix (n, d), got the shape {matrix.shape}")
        rows = matrix.tocsr()
        if not rows.has_canonical_format and _has_parts(rows):
            rows = rows.copy()
            rows.sum_duplicates()
        values = np.asarray(rows.data)
        if values.dtype.kind not in "biuf":
            raise DataError(f"{name}: {what} must hold numbers, got a sparse matrix of {values.dtype}")
        if values.dtype.kind != "f":
            values = values.astype(np.float32)
        wrong = np.flatnonzero(~np.isfinite(values))
        if len(wrong):
            row = int(np.searchsorted(rows.indptr, wrong[0], "right")) - 1
            raise DataError(f"{name}: {what} contains NaN or infinity, first in sample {row}, column {rows.indices[wrong[0]]}")
        return cls(values, rows.indices, rows.indptr, (int(matrix.shape[0]), int(matrix.shape[1])))

    @property
    def dtype(self) -> Any:
        """The dtype of the values."""
        return self.values.dtype

    @property
    def nbytes(self) -> int:
        """The bytes of the three arrays."""
        return int(self.values.nbytes + self.columns.nbytes + self.starts.nbytes)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"SparseMatrix({self.shape[0]:,} × {self.shape[1]:,}, {len(self.values):,} values)"

    def __getitem__(self, rows: Any) -> SparseMatrix:
        chosen = self._numbers(rows)
        places, counts = self._places(chosen)
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(self.starts.dtype)
        return SparseMatrix(self.values[places], self.columns[places], starts, (len(chosen), self.shape[1]))

    def _numbers(self, rows: Any) -> Array:
        """Return the numbers of rows that a slice, numbers or a mask select, without memory for all rows if possible."""
        if isinstance(rows, slice):
            return np.arange(*rows.indices(len(self)))
        numbers = np.asarray(rows)
        if numbers.ndim != 1:
            raise ShapeError(f"rows of a sparse matrix are selected by a slice or by row numbers, got {rows!r}")
        if numbers.dtype.kind in "iu" and numbers.min(initial=0) >= 0:
            return numbers
        return np.arange(len(self))[rows]

    def _places(self, rows: Array) -> tuple[Array, Array]:
        """Return the places of the values of these rows, and the number of values of each row."""
        first = self.starts[rows].astype(np.int64)
        counts = self.starts[rows + 1] - first
        before = np.cumsum(counts) - counts
        return np.arange(int(counts.sum())) + np.repeat(first - before, counts), counts

    def rows(self, chosen: Array | slice, dtype: Any) -> SparseRows:
        """Return these rows as a layer reads them, with values of that dtype."""
        part = self[chosen]
        with np.errstate(over="ignore"):
            values = part.values.astype(dtype, copy=False)
        return SparseRows(values, part.columns.astype(np.int64), part.starts.astype(np.int64), part.shape)

    def write(self, rows: Array | slice, out: Array) -> Array:
        """Write these rows into ``out`` (n, d), and return it."""
        chosen = self._numbers(rows)
        places, counts = self._places(chosen)
        out.fill(0)
        out[np.repeat(np.arange(len(chosen)), counts), self.columns[places]] = self.values[places]
        return out

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Return the matrix as a dense array, for figures and findings of small parts: trainings and predictions do not."""
        return self.toarray().astype(self.dtype if dtype is None else dtype, copy=False)

    def toarray(self) -> Array:
        """Return the whole matrix as a dense array."""
        return self.write(slice(None), np.empty(self.shape, self.dtype))
