"""What a layer is given besides its parameters: memory to work in, chance, and the rest of the batch.

A step's batch is cut into shards. A :class:`Run` is what all layers of one shard share; a :class:`Context` belongs to
one layer in one shard. Layers hold no arrays: whatever they need from forward to backward lies in their context, so
several threads can run the same layer at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid import rng
from pellucid.kernels import Kernels
from pellucid.memory import Array, Shape, Views

if TYPE_CHECKING:
    from pellucid.layers.base import Layer

Observer = Callable[[str, str, Array], None]  # (path, "output" or "gradient", the array)


class Run:
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
        self._scratch: dict[str, Array] = {}
        self._gradients = [np.empty(0, self.dtype), np.empty(0, self.dtype)]

    def scratch(self, name: str, shape: Shape) -> Array:
        memory = _grown(self._scratch.get(name), math.prod(shape), self.dtype)
        self._scratch[name] = memory
        return memory[: math.prod(shape)].reshape(shape)

    def gradient(self, shape: Shape) -> Array:
        self._gradients.reverse()
        self._gradients[0] = _grown(self._gradients[0], math.prod(shape), self.dtype)
        return self._gradients[0][: math.prod(shape)].reshape(shape)


def _grown(memory: Array | None, size: int, dtype: Any) -> Array:
    return memory if memory is not None and memory.size >= size else np.empty(size, dtype)


class Context:
    """One layer's place in one shard. See DESIGN: a layer's forward and backward get it as ``ctx``.

    ``state`` holds the layer's running statistics (views, like ``p``). ``needs_dx`` says whether anything upstream has
    parameters, or the caller asked for the input's gradient; where it is false, backward may return None.
    """

    __slots__ = ("_buffers", "_children", "_key", "kept", "kernels", "needs_dx", "path", "run", "state")

    def __init__(self, run: Run, state: Views, path: str = "", needs_dx: bool = False):
        self.run = run
        self.kernels: Any = run.kernels
        self.path = path
        self.state = state
        self.needs_dx = needs_dx
        self.kept: tuple[Any, ...] = ()
        self._children: dict[str, Context] = {}
        self._buffers: dict[str, tuple[Array, Array]] = {}
        self._key: int | None = None

    # -- what layers use ------------------------------------------------------------------------------------------

    @property
    def training(self) -> bool:
        """True while training; False in prediction and evaluation."""
        return self.run.training

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

    def buffer(self, name: str, shape: Shape) -> Array:
        """This layer's own memory, not cleared, alive until backward and used again in the next step."""
        held = self._buffers.get(name)
        if held is not None and held[1].shape == shape:
            return held[1]
        size = math.prod(shape)
        memory = _grown(held[0] if held else None, size, self.run.dtype)
        view = memory[:size].reshape(shape)
        self._buffers[name] = (memory, view)
        return view

    def scratch(self, name: str, shape: Shape) -> Array:
        """Memory that any layer may use and that dies with the call, not cleared."""
        return self.run.scratch(name, shape)

    def gradient(self, shape: Shape) -> Array:
        """Memory for the gradient towards the input, not cleared: two arrays of the shard take turns."""
        return self.run.gradient(shape)

    def all_sum(self, a: Array) -> Array:
        """The sum of ``a`` over all shards of the batch, the same in each. The only thing shards say to each other."""
        return a if self.run.all_sum is None else self.run.all_sum(self.run.shard, a)

    # -- what layers made of layers use ---------------------------------------------------------------------------

    def child(self, name: str) -> Context:
        """The context of the layer inside called ``name``."""
        if name not in self._children:
            path = f"{self.path}.{name}" if self.path else name
            self._children[name] = Context(self.run, self.state[name], path)
        return self._children[name]

    def forward(self, name: str, layer: Layer, p: Views, x: Array, needs_dx: bool) -> Array:
        """The forward pass of the layer inside called ``name``."""
        child = self._children.get(name) or self.child(name)
        child.needs_dx = needs_dx
        y = layer.forward(p[name], x, child)
        if self.run.observer is not None:
            self.run.observer(child.path, "output", y)
        return y

    def backward(self, name: str, layer: Layer, p: Views, g: Views, dy: Array) -> Array | None:
        """The backward pass of the layer inside called ``name``."""
        child = self._children[name]
        if self.run.observer is not None:
            self.run.observer(child.path, "gradient", dy)
        return layer.backward(p[name], g[name], dy, child)
