"""Memory that is lent to arrays of the user and comes back when the last of them is gone.

A large array that is allocated and freed in each step of a loop costs more than it seems: the system hands out its pages one by
one, each filled with zeros. A :class:`Lender` gives out the same memory again, but only when nothing refers to it any more.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pellucid.core.memory import Array


class Lender:
    """Lends vectors that ``new()`` allocates. Each is filled with zeros when it is lent."""

    def __init__(self, new: Callable[[], Array]):
        self._new = new
        self._free: list[Array] = []

    def vector(self) -> Array:
        """Return a vector of zeros. Its memory is lent again when it and all its views are gone."""
        memory = self._free.pop() if self._free else self._new()
        memory.fill(0)
        return np.asarray(_Loan(memory, self._free))


class _Loan:
    """What the arrays of one loan refer to: NumPy keeps it alive as the owner of their memory."""

    def __init__(self, memory: Array, free: list[Array]):
        self._memory, self._free = memory, free
        self.__array_interface__ = memory.__array_interface__

    def __del__(self) -> None:
        self._free.append(self._memory)
