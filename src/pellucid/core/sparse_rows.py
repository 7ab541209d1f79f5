"""Rows of a sparse matrix, as the first layer of a network reads them: a batch without its zeros."""

from __future__ import annotations

from pellucid.core.memory import Array


class SparseRows:
    """The rows (n, d) of a batch: row i has the ``values[starts[i]:starts[i + 1]]`` in ``columns[…]``, and zeros elsewhere.

    The values are in the dtype of the network, ``columns`` and ``starts`` (n + 1) are int64. It takes the place of an array
    where a network begins with a layer that ``reads_sparse`` rows. ``rows[a:b]`` are consecutive rows in the same memory.
    """

    __slots__ = ("columns", "shape", "starts", "values")
    __array_ufunc__ = None  # no accidental arithmetic

    def __init__(self, values: Array, columns: Array, starts: Array, shape: tuple[int, int]):
        self.values, self.columns, self.starts, self.shape = values, columns, starts, shape

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> SparseRows:
        first, last, _ = rows.indices(len(self))
        return SparseRows(self.values, self.columns, self.starts[first : last + 1], (last - first, self.shape[1]))
