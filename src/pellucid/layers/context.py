"""What a layer is given besides its parameters: memory to work in, chance, and the rest of the batch.

A step's batch is cut into shards. A :class:`ShardState` is what all layers of one shard share; a :class:`Context` belongs to
one layer in one shard. Layers hold no arrays: whatever they need from forward to backward lies in their context, so
several threads can run the same layer at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.core import rng
from pellucid.core.memory import Array, Shape, Views, aligned_zeros
from pellucid.kernels import Kernels

if TYPE_CHECKING:
    from pellucid.layers.base import Layer
    from pellucid.layers.merge import Merge

Memories = dict[str, tuple[Array, Array]]  # by name: all that is held, and the part in use
Observer = Callable[[str, str, Array], None]  # (path, "output" or "gradient", the array)


class ShardState:
    """What the contexts of one shard share.

    ``training`` turns dropout and its like on; ``keeping`` says that a backward pass will follow. ``step`` and
    ``offset`` (where the shard starts in the whole batch) name the chance of this step. ``all_sum`` sums an array
    over all shards. ``observer`` is told every layer's output and gradient, for pictures and for finding NaN.
    """

    def __init__(
        self,
        kernels: Kernels,
        *,
        dtype: Any = np.float32,
        seed: int = 0,
        shard: int = 0,
        all_sum: Callable[[int, Array], Array] | None = None,
    ):
        self.kernels = kernels
        self.dtype = np.dtype(dtype)
        self.seed = seed
        self.shard = shard
        self.all_sum = all_sum
        self.training = False
        self.keeping = False
        self.step = 0
        self.offset = 0
        self.observer: Observer | None = None
        self.scratches: Memories = {}
        self.engine: Memories = {}  # what the step itself keeps: the batch, the loss's gradient
        self._turn = 0

    def own(self, name: str, shape: Shape) -> Array:
        """Memory of the step itself, apart from what layers name."""
        return _reused(self.engine, name, shape, self.dtype)

    def gradient(self, shape: Shape) -> Array:
        self._turn = 1 - self._turn
        return _reused(self.engine, f"gradient{self._turn}", shape, self.dtype)


def _reused(memories: Memories, name: str, shape: Shape, dtype: np.dtype[Any]) -> Array:
    """The array of that name cut to ``shape``; it grows when it has to."""
    held = memories.get(name)
    if held is not None and held[1].shape == shape and held[1].dtype is dtype:  # NumPy has one object for each plain dtype
        return held[1]
    size = math.prod(shape)
    memory = held[0] if held is not None and held[0].size >= size and held[0].dtype == dtype else aligned_zeros(size, dtype)
    view = memory[:size].reshape(shape)
    memories[name] = (memory, view)
    return view


class Context:
    """One layer's place in one shard: what its forward and backward get as ``ctx``.

    ``state`` holds the layer's running statistics (views, like ``p``). ``needs_dx`` says whether anything upstream has
    parameters, or the caller asked for the input's gradient; where it is false, backward may return None. A ``frozen`` layer,
    with all inside it, works as in prediction, always.
    """

    __slots__ = ("_buffers", "_children", "_key", "frozen", "kept", "kernels", "needs_dx", "path", "run", "state")

    def __init__(self, run: ShardState, state: Views, path: str = "", needs_dx: bool = False):
        self.run = run
        self.kernels: Any = run.kernels
        self.path = path
        self.state = state
        self.needs_dx = needs_dx
        self.frozen = False
        self.kept: tuple[Any, ...] = ()
        self._children: dict[str, Context] = {}
        self._buffers: Memories = {}
        self._key: int | None = None

    # -- what layers use ------------------------------------------------------------------------------------------

    @property
    def training(self) -> bool:
        """True while training; False in prediction and evaluation, and in what is frozen."""
        return self.run.training and not self.frozen

    @property
    def offset(self) -> int:
        """Where this shard starts in the whole batch."""
        return self.run.offset

    @property
    def random(self) -> int:
        """The 64-bit key of this layer's noise in this step, the same in forward and backward."""
        if self._key is None:
            self._key = rng.stream_key(self.run.seed, "noise", self.path)
        return rng.at_step(self._key, self.run.step)

    def keep(self, *values: Any) -> None:
        """Keep what backward needs, as ``ctx.kept``; does nothing when no backward follows."""
        if self.run.keeping:
            self.kept = values

    def buffer(self, name: str, shape: Shape, dtype: Any = None) -> Array:
        """This layer's own memory, not cleared, alive until backward and used again in the next step; of the network's
        dtype, unless another is named."""
        return _reused(self._buffers, name, shape, self.run.dtype if dtype is None else np.dtype(dtype))

    def scratch(self, name: str, shape: Shape, dtype: Any = None) -> Array:
        """Memory that any layer may use and that dies with the call, not cleared."""
        return _reused(self.run.scratches, name, shape, self.run.dtype if dtype is None else np.dtype(dtype))

    def gradient(self, shape: Shape) -> Array:
        """Memory for the gradient towards the input, not cleared; once in a backward. Two arrays of the shard take turns,
        so it lives until the layer before has returned: who needs it longer copies it."""
        return self.run.gradient(shape)

    def all_sum(self, a: Array) -> Array:
        """The sum of ``a`` over all shards of the batch, the same in each, as a new array. The only thing shards say to
        each other."""
        return a.copy() if self.run.all_sum is None else self.run.all_sum(self.run.shard, a)

    @property
    def first(self) -> bool:
        """True in one shard: the one that writes running statistics, which all shards share."""
        return self.run.shard == 0

    # -- what layers made of layers use ---------------------------------------------------------------------------

    def child(self, name: str) -> Context:
        """The context of the layer inside called ``name``."""
        if name not in self._children:
            path = f"{self.path}.{name}" if self.path else name
            self._children[name] = child = Context(self.run, self.state[name], path)
            child.frozen = self.frozen
        return self._children[name]

    def forward(self, name: str, layer: Layer | Merge, p: Views, x: Array | Sequence[Array], needs_dx: bool) -> Array:
        """The forward pass of the layer inside called ``name``, or of the merge there, for which ``x`` is a list."""
        child = self._children.get(name) or self.child(name)
        child.needs_dx = needs_dx
        given: Any = _contiguous(x) if isinstance(x, np.ndarray) else [_contiguous(one) for one in x]
        y = layer.forward(p[name], given, child)
        if self.run.observer is not None:
            self.run.observer(child.path, "output", y)
        return y

    def backward(self, name: str, layer: Layer | Merge, p: Views, g: Views, dy: Array) -> Any:
        """The backward pass of the layer inside called ``name``: dX or None; for a merge a list of them."""
        child = self._children[name]
        dy = _contiguous(dy)
        if self.run.observer is not None:
            self.run.observer(child.path, "gradient", dy)
        dx = layer.backward(p[name], g[name], dy, child)
        if dx is None and child.needs_dx:
            raise TypeError(f"{child.path}: backward() returns None although ctx.needs_dx: {layer}")
        return dx


def _contiguous(a: Array) -> Array:
    """A layer may return a transposed view; kernels want rows behind each other."""
    return a if a.flags.c_contiguous else np.ascontiguousarray(a)
