"""Names onto one flat vector.

All parameters of a model are one contiguous vector, all gradients another, running statistics a third. A layer says
which slots it needs; a :class:`Layout` places them one behind the other at 64-byte offsets (a cache line, and what
vector instructions like); a :class:`Views` is the tree of named arrays that look onto such a vector. Optimizers,
clipping, averaging and files then work on vectors and know nothing of layers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import ShapeError

Array = NDArray[Any]
Shape = tuple[int, ...]

LINE = 64  # bytes
_ALIGN = LINE // 4  # elements: offsets are multiples of this, so they stay aligned in float32 and in float64


class Fill(Protocol):
    """What gives a slot its first values: an initializer."""

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array: ...


@dataclass(frozen=True)
class Slot:
    """One named array of a layer.

    ``decay`` says whether weight decay and penalties touch it (weights yes, biases no); ``state`` marks running
    statistics: kept with the model, but neither trained nor differentiated. What is not ``trained`` is a parameter that
    stays as it is: its gradient is zero, and no optimizer sees it.
    """

    shape: Shape
    init: Fill
    decay: bool = True
    state: bool = False
    trained: bool = True

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def aligned_zeros(size: int, dtype: Any = np.float32) -> Array:
    """A zero vector of ``size`` elements whose first byte lies on a cache line."""
    item = np.dtype(dtype).itemsize
    raw = np.zeros(size * item + LINE, np.uint8)
    start = -raw.ctypes.data % LINE
    return raw[start : start + size * item].view(dtype)


class Views:
    """The arrays of one layer, by name; those of the layers inside it, by their names.

    ``p.W`` reads the array, ``p.W = values`` writes through into the vector, ``p["dense1"]`` is the layer inside. True if
    anything in it is trained.
    """

    __slots__ = ("__dict__", "_trained")  # the arrays by name, and what is no array

    def __init__(self) -> None:
        object.__setattr__(self, "_trained", False)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def __getitem__(self, name: str) -> Any:
        return self.__dict__.get(name, _NOTHING)

    def __setattr__(self, name: str, value: Any) -> None:
        try:
            self.__dict__[name][...] = value
        except KeyError:
            raise AttributeError(f"there is no slot {name!r}; build() names: {', '.join(self.__dict__)}") from None

    def __bool__(self) -> bool:
        return bool(self._trained)

    def __repr__(self) -> str:
        return f"Views({', '.join(self.__dict__)})"


def clear(views: Views) -> None:
    """Fills all arrays with zeros, those of the layers inside too."""
    for one in vars(views).values():
        clear(one) if isinstance(one, Views) else one.fill(0)


_NOTHING = Views()


class Layout(Mapping[str, Slot]):
    """The slots of a network by path (``dense1.W``), each with its place in the flat vector.

    What is trained lies in front: the first ``trained`` numbers of the vector, padding included.
    """

    def __init__(self, slots: Mapping[str, Slot]):
        self.slots = dict(slots)
        self.parameters = sum(slot.size for slot in self.slots.values())  # how many numbers, padding not counted
        self.offsets: dict[str, int] = {}
        self.size = 0
        self.trained = 0
        for path, slot in sorted(self.slots.items(), key=lambda item: not item[1].trained):
            self.offsets[path] = self.size
            self.size += -(-slot.size // _ALIGN) * _ALIGN
            if slot.trained:
                self.trained = self.size

    def __getitem__(self, path: str) -> Slot:
        return self.slots[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self.slots)

    def __len__(self) -> int:
        return len(self.slots)

    def zeros(self, dtype: Any = np.float32) -> Array:
        """A fresh vector of this layout; the padding between slots is zero and stays so."""
        return aligned_zeros(self.size, dtype)

    def array(self, vector: Array, path: str) -> Array:
        """The view of one slot onto ``vector``."""
        slot, start = self.slots[path], self.offsets[path]
        return vector[start : start + slot.size].reshape(slot.shape)

    def arrays(self, vector: Array) -> dict[str, Array]:
        """Path -> view, for all slots."""
        return {path: self.array(vector, path) for path in self.slots}

    def views(self, vector: Array) -> Views:
        """The tree of views onto ``vector``, layers inside layers."""
        if vector.shape != (self.size,):
            raise ShapeError(f"this layout describes a vector of {self.size} numbers, got {vector.shape}")
        root = Views()
        for path, array in self.arrays(vector).items():
            *owners, name = path.split(".")
            nodes = [root]
            for owner in owners:
                nodes.append(nodes[-1].__dict__.setdefault(owner, Views()))
            nodes[-1].__dict__[name] = array
            if self.slots[path].trained:
                for node in nodes:
                    object.__setattr__(node, "_trained", True)
        return root

    def ranges(self, choose: Callable[[Slot], bool]) -> list[slice]:
        """The stretches of the vector whose slots are chosen, neighbours joined."""
        found: list[slice] = []
        for path, start in self.offsets.items():
            slot = self.slots[path]
            if choose(slot):
                stop = start + slot.size
                if found and start - found[-1].stop < _ALIGN:
                    found[-1] = slice(found[-1].start, stop)
                else:
                    found.append(slice(start, stop))
        return found

    def table(self) -> dict[str, list[int]]:
        """Path -> shape, in order: two vectors can stand for each other where these are equal."""
        return {path: list(slot.shape) for path, slot in self.slots.items()}
