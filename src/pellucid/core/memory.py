"""Named arrays that are views of one flat vector.

All parameters of a model are one contiguous vector; the gradients are a second one, the running statistics a third. A layer
lists the slots that it needs. A :class:`Layout` assigns each slot a place in the vector, at multiples of 64 bytes (a cache
line, and the alignment of vector instructions). A :class:`Views` is a tree of named arrays, the views of such a vector.
Optimizers, clipping, averaging and files work on the vectors and do not depend on layers.
"""

from __future__ import annotations

import functools
import itertools
import math
import mmap
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pellucid.core.free_memory import require_memory
from pellucid.errors import ShapeError

Array = NDArray[Any]
Shape = tuple[int, ...]

CACHE_LINE = 64  # bytes
HUGE_PAGE = 2 << 20  # bytes: on x86-64, and with pages of 4 kB on AArch64
SHIFT, SHIFTS = 13 << 10, 16  # bytes between the places in a page at which vectors begin, and the number of these places
MAX_AXES = 30  # of a sample: NumPy 1 has arrays with 32, one of them is that of the batch
WHAT = "an array of the network"
SMALLER = "use smaller layers, smaller samples, or fewer samples at once"
_ALIGNMENT = CACHE_LINE // 4  # elements: a cache line of float32; offsets that are multiples of it are aligned in float64 too

_shifts = itertools.count()


class Filler(Protocol):
    """An object that computes the initial values of a slot: an initializer."""

    def fill(self, shape: Shape, generator: np.random.Generator) -> Array: ...


@dataclass(frozen=True)
class Slot:
    """The description of one array of a layer.

    ``init`` computes the initial values. ``decay`` is true if weight decay and penalties apply to the array (weights: yes,
    biases: no). ``state`` marks running statistics, which are stored with the model but are not parameters. A parameter that
    is not ``trained`` is frozen: its gradient is zero, and optimizers do not change it.
    """

    shape: Shape
    init: Filler
    decay: bool = True
    state: bool = False
    trained: bool = True

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)


def aligned_zeros(size: int, dtype: Any = np.float32, in_huge_pages: bool = False) -> Array:
    """Return a zero vector of ``size`` elements that begins at a multiple of 64 bytes, where possible ``in_huge_pages`` if it
    is large. Raises ConfigError without memory."""
    item = np.dtype(dtype).itemsize
    raw = _zeros_in_huge_pages(size * item) if in_huge_pages and size * item >= HUGE_PAGE // 2 else None
    if raw is None:
        require_memory(size * item, WHAT, SMALLER)
        raw = np.zeros(size * item + CACHE_LINE, np.uint8)
        start = -raw.ctypes.data % CACHE_LINE
        raw = raw[start : start + size * item]
    return raw.view(dtype)


def _zeros_in_huge_pages(count: int) -> Array | None:
    """Return ``count`` zero bytes in huge pages, aligned to a cache line; None where the system has no such pages.

    Small pages are anywhere in physical memory. Which lines evict each other from a cache is then left to chance: the steps of
    the same small network took up to 6 % longer in some processes than in others. In huge pages, lines at the same place of a
    page evict each other, so vectors that are read together begin at different places. A vector occupies whole pages: one of
    1 MB takes twice its memory, and makes steps up to 2 % shorter.
    """
    if not hasattr(mmap, "MADV_HUGEPAGE"):
        return None
    shift = next(_shifts) % SHIFTS * SHIFT
    pages = -(-(shift + count) // HUGE_PAGE)
    require_memory(pages * HUGE_PAGE, WHAT, SMALLER)
    try:
        block = mmap.mmap(-1, (pages + 1) * HUGE_PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        block.madvise(mmap.MADV_HUGEPAGE)
    except OSError:
        return None
    raw = np.frombuffer(block, np.uint8)
    start = -raw.ctypes.data % HUGE_PAGE + shift
    return raw[start : start + count]


@functools.lru_cache(maxsize=8)
def ones(n: int) -> Array:
    """Return n weights of 1, in float32: mostly the same array as at the last call. Nobody changes it."""
    return np.ones(n, np.float32)


class Views:
    """The arrays of one layer by name, as views of a flat vector, and the Views of the layers inside it.

    ``p.W`` is the array, ``p.W = values`` writes the values into the vector, and ``p["dense1"]`` is the Views of the inner
    layer dense1 (empty if it has no slots); ``p[""]`` is ``p`` itself. A Views is true if any slot in it is trained.
    """

    __slots__ = ("__dict__", "_trained")  # __dict__ holds only the arrays and the inner Views

    def __init__(self) -> None:
        object.__setattr__(self, "_trained", False)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def __getitem__(self, name: str) -> Any:
        return self.__dict__.get(name, _EMPTY) if name else self

    def __setattr__(self, name: str, value: Any) -> None:
        try:
            self.__dict__[name][...] = value
        except KeyError:
            raise AttributeError(f"there is no slot {name!r}; the slots of build() are: {', '.join(self.__dict__)}") from None

    def __bool__(self) -> bool:
        return bool(self._trained)

    def __repr__(self) -> str:
        return f"Views({', '.join(self.__dict__)})"


def views_of(arrays: Mapping[str, Array]) -> Views:
    """Return the Views of these arrays, which need not be parts of one vector."""
    views = Views()
    views.__dict__.update(arrays)
    return views


def zero_all(views: Views) -> None:
    """Fill all arrays with zeros, including those of the layers inside."""
    for entry in vars(views).values():
        if isinstance(entry, Views):
            zero_all(entry)
        else:
            entry.fill(0)


def zeros_like(views: Views) -> Views:
    """Return Views with arrays of zeros of the same names, shapes and dtypes, which share no memory with ``views``."""
    result = Views()
    object.__setattr__(result, "_trained", bool(views))
    for name, entry in vars(views).items():
        zeros = zeros_like(entry) if isinstance(entry, Views) else aligned_zeros(entry.size, entry.dtype).reshape(entry.shape)
        result.__dict__[name] = zeros
    return result


def add_all(total: Views, part: Views, add: Callable[[Array, Array], object]) -> None:
    """Add all arrays of ``part`` to those of the same name in ``total``, with ``add(vector, addend)`` for flat vectors."""
    for name, entry in vars(part).items():
        if isinstance(entry, Views):
            add_all(total[name], entry, add)
        else:
            add(total[name].reshape(-1), entry.reshape(-1))


_EMPTY = Views()


class Layout(Mapping[str, Slot]):
    """The slots of a network by path (``dense1.W``), each with its offset in the flat vector.

    The trained slots come first: they occupy the first ``trained_size`` elements of the vector, including padding.
    ``parameter_count`` is the number of elements of all slots, without padding; ``size`` is the length of the vector.
    """

    def __init__(self, slots: Mapping[str, Slot]):
        self.slots = dict(slots)
        self.parameter_count = sum(slot.size for slot in self.slots.values())
        self.offsets: dict[str, int] = {}
        self.size = 0
        self.trained_size = 0
        for path, slot in sorted(self.slots.items(), key=lambda item: not item[1].trained):
            self.offsets[path] = self.size
            self.size += -(-slot.size // _ALIGNMENT) * _ALIGNMENT
            if slot.trained:
                self.trained_size = self.size

    def __getitem__(self, path: str) -> Slot:
        return self.slots[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self.slots)

    def __len__(self) -> int:
        return len(self.slots)

    def zeros(self, dtype: Any = np.float32) -> Array:
        """Return a new vector of zeros for this layout. The padding between slots remains zero during training."""
        return aligned_zeros(self.size, dtype, in_huge_pages=True)

    def array(self, vector: Array, path: str) -> Array:
        """Return the slot ``path`` of ``vector`` as a view."""
        slot, start = self.slots[path], self.offsets[path]
        return vector[start : start + slot.size].reshape(slot.shape)

    def arrays(self, vector: Array) -> dict[str, Array]:
        """Return the views of all slots by path."""
        return {path: self.array(vector, path) for path in self.slots}

    def views(self, vector: Array) -> Views:
        """Return the tree of views of ``vector``, with the Views of inner layers inside those of outer ones."""
        if vector.shape != (self.size,):
            raise ShapeError(f"this layout expects a vector of {self.size} elements, got shape {vector.shape}")
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
        """Return the parts of the vector with the slots for which ``choose`` is true; adjacent slots share one slice."""
        return self.ranges_of({path for path, slot in self.slots.items() if choose(slot)})

    def ranges_of(self, paths: Collection[str]) -> list[slice]:
        """Return the parts of the vector with the slots at these paths; adjacent slots share one slice."""
        found: list[slice] = []
        for path, start in self.offsets.items():
            if path in paths:
                stop = start + self.slots[path].size
                if found and start - found[-1].stop < _ALIGNMENT:
                    found[-1] = slice(found[-1].start, stop)
                else:
                    found.append(slice(start, stop))
        return found

    def table(self) -> dict[str, list[int]]:
        """Return the shapes of all slots by path. Two layouts with equal tables have the same vectors."""
        return {path: list(slot.shape) for path, slot in self.slots.items()}
