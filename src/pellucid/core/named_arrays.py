"""Several arrays by name with one row for each sample: the inputs or the outputs of a network that has several.

Most code is the same for a batch of one array and of several: it takes rows, counts them and passes the batch on. A
:class:`NamedArrays` has these operations of an array. Users give and get dictionaries.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from pellucid.core.free_memory import UNCHECKED, require_memory
from pellucid.core.memory import SMALLER, Array, Shape


class NamedArrays:
    """Arrays by name, all with the same first axis.

    ``arrays[rows]`` has the rows of each array, ``arrays["name"]`` is one of them, and ``len(arrays)`` is the number of rows.
    """

    __slots__ = ("by_name",)
    __array_ufunc__ = None  # no accidental arithmetic

    def __init__(self, by_name: Mapping[str, Array]):
        self.by_name = dict(by_name)

    def __len__(self) -> int:
        return len(next(iter(self.by_name.values())))

    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, str):
            return self.by_name[rows]
        return NamedArrays({name: array[rows] for name, array in self.by_name.items()})

    def __setitem__(self, rows: Any, values: NamedArrays) -> None:
        for name, array in self.by_name.items():
            array[rows] = values.by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_name)

    def items(self) -> Any:
        """Return the pairs (name, array)."""
        return self.by_name.items()

    @property
    def shape(self) -> dict[str, Shape]:
        """The shapes by name."""
        return {name: array.shape for name, array in self.by_name.items()}

    def copy(self) -> NamedArrays:
        """Return a copy, also of the arrays."""
        return NamedArrays({name: array.copy() for name, array in self.by_name.items()})

    def map(self, function: Callable[[Array], Any]) -> NamedArrays:
        """Return the results of the function for each array."""
        return NamedArrays({name: function(array) for name, array in self.by_name.items()})


Arrays = Array | NamedArrays


def wrapped(value: Any) -> Any:
    """Return a dictionary of arrays as NamedArrays, and anything else unchanged."""
    return NamedArrays(value) if isinstance(value, dict) else value


def unwrapped(value: Any) -> Any:
    """Return NamedArrays as a dictionary, and anything else unchanged."""
    return value.by_name if isinstance(value, NamedArrays) else value


def array_list(arrays: Any) -> list[Array]:
    """Return the arrays of NamedArrays, or a single array, in a list."""
    return list(arrays.by_name.values()) if isinstance(arrays, NamedArrays) else [arrays]


def with_batch(n: int, shape: Any) -> Any:
    """Return the shape (n, *shape) of n samples, or a dictionary of them for a dictionary of shapes."""
    return {name: (n, *one) for name, one in shape.items()} if isinstance(shape, dict) else (n, *shape)


def empty(n: int, shape: Any, dtype: Any) -> Any:
    """Return uninitialized memory (n, *shape), or NamedArrays for a dictionary of shapes."""
    if isinstance(shape, dict):
        return NamedArrays({name: empty(n, one, dtype) for name, one in shape.items()})
    size = n * math.prod(shape) * np.dtype(dtype).itemsize
    if size > UNCHECKED:
        require_memory(size, f"an array of {n:,} outputs", SMALLER)
    return np.empty((n, *shape), dtype)


def zeros(n: int, shape: Any, dtype: Any) -> Any:
    """Return zeros (n, *shape), or NamedArrays for a dictionary of shapes."""
    result = empty(n, shape, dtype)
    for array in result.by_name.values() if isinstance(result, NamedArrays) else [result]:
        array.fill(0)
    return result
