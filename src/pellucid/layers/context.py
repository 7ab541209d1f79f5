"""Contexts: what a layer receives besides its parameters, namely working memory, random keys and sums over the batch.

Layers hold no arrays. Everything that a layer needs from forward to backward is in its :class:`Context`, so several threads
can run the same layer at once, each with its own contexts. The contexts of all layers refer to one :class:`ShardState`,
which holds what they have in common.

A batch may be spread over several ranks. Each rank then computes one *shard* of the batch: consecutive samples, starting at
``ctx.offset``. A layer that needs statistics of the whole batch computes them with :meth:`Context.all_sum`, the only
operation that connects the shards; all other layers work on their shard alone.

In generation, a network reads a sequence in several passes, each with the positions that follow those of the pass before. What
a layer remembers of the earlier positions is in its :class:`Memory`, ``ctx.past``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from pellucid.core import rng
from pellucid.core.memory import Array, Shape, Views, aligned_zeros, zeros_like
from pellucid.core.sparse_rows import SparseRows
from pellucid.errors import ShapeError
from pellucid.kernels import Kernels

Buffers = dict[str, tuple[Array, Array]]  # name -> (the whole memory, the part in use)
Observer = Callable[[str, str, Array], None]  # receives (path, "output" or "gradient", the array)


class Differentiable(Protocol):
    """A layer or a merge, as a context sees it: an object with a forward and a backward pass."""

    def build(self, shape: Any, /) -> Any: ...

    def forward(self, p: Views, x: Any, ctx: Context, /) -> Array: ...

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context, /) -> Any: ...


class LayerRecorder(Protocol):
    """An object that runs the passes of layers and records what they do, while it is ``recording``."""

    @property
    def recording(self) -> bool:
        """Whether what layers do is being recorded."""

    def forward_of(self, layer: Differentiable, p: Views, x: Any, ctx: Context) -> Array:
        """Run a layer's forward pass, and return its output."""

    def backward_of(self, layer: Differentiable, p: Views, g: Views, dy: Array, ctx: Context) -> Any:
        """Run a layer's backward pass, and return dX (of a merge: that of each input), or None."""


class ShardState:
    """What the contexts of one rank's shard of the batch have in common.

    The constructor's arguments are fixed: the kernels, the dtype of the network, the seed of its noise, the number of the
    shard, and ``all_sum(shard, a)``, which sums an array over all shards (None if there is only one shard).

    The attributes are set for each pass: ``training`` turns dropout and similar layers on; ``backward_follows`` makes
    ``ctx.keep`` store its values; ``step`` and ``offset`` (the position of the shard's first sample in the batch) select the
    random numbers of this step; ``observer`` receives the output and the upstream gradient of every layer; ``past`` is what the
    layers remember of the sequences that they go on reading, or None.

    The passes record which layers do not treat each sample alone, and in the same way each time: ``random_paths`` and
    ``summing_paths`` are the paths of those that have used random numbers, and sums over the batch. ``steps_read`` are the
    time steps (n, time) that each recurrent layer with a mask has not skipped in the last pass, by path.
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
        self.backward_follows = False
        self.step = 0
        self.offset = 0
        self.observer: Observer | None = None
        self.past: Past | None = None
        self.random_paths: set[str] = set()
        self.summing_paths: set[str] = set()
        self.steps_read: dict[str, Array] = {}
        self._scratch: Buffers = {}
        self._step_buffers: Buffers = {}
        self.parity = 0  # which of the two arrays for input gradients was used last
        self.recorder: LayerRecorder | None = None

    def step_buffer(self, name: str, shape: Shape) -> Array:
        """Return memory for the training step itself (the batch, the gradient of the loss), separate from the layers' memory.

        The values are arbitrary. The same memory is returned for the same name in the next step.
        """
        return _reused(self._step_buffers, name, shape, self.dtype)

    def scratch(self, name: str, shape: Shape, dtype: np.dtype[Any]) -> Array:
        """Return memory that is valid during one call of forward or backward (see :meth:`Context.scratch`)."""
        return _reused(self._scratch, name, shape, dtype)

    def gradient(self, shape: Shape) -> Array:
        """Return memory for an input gradient (see :meth:`Context.gradient`)."""
        self.parity = 1 - self.parity
        return _reused(self._step_buffers, f"gradient{self.parity}", shape, self.dtype)


def _reused(buffers: Buffers, name: str, shape: Shape, dtype: np.dtype[Any]) -> Array:
    """Return the array called ``name``, cut to ``shape``; allocate it anew if it is too small or has another dtype."""
    held = buffers.get(name)
    if held is not None and held[1].shape == shape and held[1].dtype is dtype:  # NumPy has one object for each plain dtype
        return held[1]
    size = math.prod(shape)
    memory = held[0] if held is not None and held[0].size >= size and held[0].dtype == dtype else aligned_zeros(size, dtype)
    view = memory[:size].reshape(shape)
    buffers[name] = (memory, view)
    return view


class Memory:
    """What one layer remembers of n sequences: the attribute ``past`` of its context.

    The pass at hand reads further positions of each sequence: those with the numbers read[i], read[i] + 1, … of sequence i.
    ``read`` (n, int64) is the number of positions that were read before this pass; whoever runs the passes counts them.
    ``read`` is one array for all layers and passes, whose values change: a recorded kernel that is given ``read`` works at
    each replay with the numbers of that pass. ``capacity`` is the largest number of positions that a sequence can have.

    A sequence with read[i] = 0 begins: the layer remembers nothing of it, and whatever the arrays hold has no meaning. Passes
    in which a sequence begins are not recorded.
    """

    __slots__ = ("_arrays", "_make", "capacity", "read")

    def __init__(self, read: Array, capacity: int, make: Callable[[str, Shape, Any], Array]):
        self.read, self.capacity = read, capacity
        self._make = make
        self._arrays: dict[str, Array] = {}

    def array(self, name: str, shape: Shape, dtype: Any = None) -> Array:
        """Return the array ``name`` (n, *shape), the same in each pass: it holds what the layer wrote in the passes before.

        It is zero at first. The dtype is that of the network unless ``dtype`` is given. The shape must not change.
        """
        array = self._arrays.get(name)
        if array is None:
            array = self._arrays[name] = self._make(name, shape, dtype)
        return array


class Past:
    """The memories of all layers of a network, by path, for sequences of at most ``capacity`` positions.

    ``read`` (sequences) is what the attribute of :class:`Memory` is. :meth:`sequence` returns the past of one sequence, for
    passes over it alone: those of the past of all see what it changes.
    """

    def __init__(self, sequences: int, capacity: int, dtype: Any = np.float32):
        self.read = np.zeros(sequences, np.int64)
        self.capacity = capacity
        self._dtype = np.dtype(dtype)
        self._rows = slice(0, sequences)
        self._whole = self
        self._arrays: dict[tuple[str, str], Array] = {}
        self._memories: dict[str, Memory] = {}

    def sequence(self, i: int) -> Past:
        """Return the past of sequence i, in the same memory."""
        part = Past(1, self.capacity, self._dtype)
        part._rows, part._whole = slice(i, i + 1), self._whole
        part.read = self.read[part._rows]
        return part

    def of(self, path: str) -> Memory:
        """Return the memory of the layer at ``path``."""
        memory = self._memories.get(path)
        if memory is None:
            memory = Memory(self.read, self.capacity, lambda name, shape, dtype: self._array(path, name, shape, dtype))
            self._memories[path] = memory
        return memory

    def _array(self, path: str, name: str, shape: Shape, dtype: Any) -> Array:
        whole = self._whole
        array = whole._arrays.get((path, name))
        if array is None:
            n = len(whole.read)
            memory = aligned_zeros(n * math.prod(shape), self._dtype if dtype is None else np.dtype(dtype))
            array = whole._arrays[path, name] = memory.reshape(n, *shape)
        return array[self._rows]


class Context:
    """The context of one layer in one shard: the argument ``ctx`` of forward and backward.

    ``kernels`` are the kernels to compute with, ``path`` is the layer's path in the network (``dense1``), and ``kept`` is what
    forward has kept for backward. ``state`` holds the layer's running statistics, as views like ``p``. ``needs_dx`` is true if
    a layer before this one has trained parameters, or if the caller requested the gradient of the network's input; if it is
    false, backward may return None. A ``frozen`` layer, with all layers inside it, always works as in prediction. For a layer
    that reads groups of neighbouring samples as one sample each, ``group`` is how many they are in training.
    """

    __slots__ = (
        "_buffers",
        "_children",
        "_key",
        "_spare_gradients",
        "frozen",
        "group",
        "input_shapes",
        "kept",
        "kernels",
        "needs_dx",
        "path",
        "shard_state",
        "state",
    )

    def __init__(self, shard_state: ShardState, state: Views, path: str = "", needs_dx: bool = False):
        self.shard_state = shard_state
        self.kernels = shard_state.kernels
        self.path = path
        self.state = state
        self.needs_dx = needs_dx
        self.frozen = False
        self.group = 1
        self.kept: tuple[Any, ...] = ()
        self.input_shapes: list[Shape] = []  # of the last forward pass of a class that is not of this package
        self._children: dict[str, Context] = {}
        self._buffers: Buffers = {}
        self._spare_gradients: dict[str, Views] = {}
        self._key: int | None = None

    # -- used by layers -------------------------------------------------------------------------------------------

    @property
    def training(self) -> bool:
        """True while training; False in prediction and evaluation, and for frozen layers."""
        return self.shard_state.training and not self.frozen

    @property
    def offset(self) -> int:
        """The position of this shard's first sample in the whole batch."""
        return self.shard_state.offset // self.group

    @property
    def past(self) -> Memory | None:
        """What this layer remembers of the positions that were read before; None in training and ordinary prediction.

        A layer whose output at a position depends on the positions before reads and extends it in ``forward``, and states so
        with its property ``continues``.
        """
        past = self.shard_state.past
        return None if past is None else past.of(self.path)

    @property
    def random(self) -> int:
        """The 64-bit key of this layer's noise in this step, the same in forward and backward."""
        if self._key is None:
            self._key = rng.stream_key(self.shard_state.seed, "noise", self.path)
            self.shard_state.random_paths.add(self.path)
        return rng.at_step(self._key, self.shard_state.step)

    def keep(self, *values: Any) -> None:
        """Store the values that backward needs as ``ctx.kept``. Does nothing if no backward pass follows."""
        if self.shard_state.backward_follows:
            self.kept = values

    def buffer(self, name: str, shape: Shape, dtype: Any = None) -> Array:
        """Return memory that only this layer uses, valid until backward has returned, and reused in the next step.

        The values are arbitrary. The dtype is that of the network unless ``dtype`` is given.
        """
        return _reused(self._buffers, name, shape, self.shard_state.dtype if dtype is None else np.dtype(dtype))

    def scratch(self, name: str, shape: Shape, dtype: Any = None) -> Array:
        """Return memory that is valid during this call only: other layers use the same memory. The values are arbitrary."""
        return self.shard_state.scratch(name, shape, self.shard_state.dtype if dtype is None else np.dtype(dtype))

    def gradient(self, shape: Shape) -> Array:
        """Return memory for dX; call this at most once in backward. The values are arbitrary.

        All layers of a shard alternate between two arrays, so the memory is valid until backward of the layer before has
        returned. Copy it to keep it longer.
        """
        return self.shard_state.gradient(shape)

    def sums_over_shards(self) -> bool:
        """Record that this layer sums over the batch, and return whether that needs :meth:`all_sum`: there are other shards."""
        self.shard_state.summing_paths.add(self.path)
        return self.shard_state.all_sum is not None

    def all_sum(self, a: Array) -> Array:
        """Return the sum of ``a`` over all shards of the batch as a new array, the same in every shard."""
        state = self.shard_state
        state.summing_paths.add(self.path)
        return a.copy() if state.all_sum is None else state.all_sum(state.shard, a)

    def mark_steps(self, read: Array) -> None:
        """Record which time steps (n, time) of each sample this layer reads: false where it skips one as padding."""
        self.shard_state.steps_read[self.path] = read

    @property
    def writes_state(self) -> bool:
        """True in exactly one shard: the one that updates the running statistics, which all shards have in common."""
        return self.shard_state.shard == 0

    # -- used by layers that are made of layers -------------------------------------------------------------------

    def child(self, name: str, slots: str | None = None) -> Context:
        """Return the context of the inner layer ``name``; ``slots`` is the name of its slots if it shares those of another."""
        if name not in self._children:
            path = f"{self.path}.{name}" if self.path else name
            self._children[name] = child = Context(self.shard_state, self.state[name if slots is None else slots], path)
            child.frozen, child.group = self.frozen, self.group
        return self._children[name]

    def forward(
        self, name: str, layer: Differentiable, p: Views, x: Array | Sequence[Array], needs_dx: bool, slots: str | None = None
    ) -> Array:
        """Run the forward pass of the inner layer ``name`` and return its output. For a merge, ``x`` is a list.

        ``p`` are the parameters of the inner layer; ``slots`` is the name of its slots if it shares those of another.
        """
        child = self._children.get(name) or self.child(name, slots)
        child.needs_dx = needs_dx
        recorder = self.shard_state.recorder
        if recorder is not None and recorder.recording:
            return recorder.forward_of(layer, p, x, child)
        y = run_forward(layer, p, x, child)
        if self.shard_state.observer is not None:
            self.shard_state.observer(child.path, "output", y)
        return y

    def backward(self, name: str, layer: Differentiable, p: Views, g: Views, dy: Array) -> Any:
        """Run the backward pass of the inner layer ``name`` and return dX (of a merge: that of each input), or None.

        ``p`` and ``g`` are the parameters and gradients of the inner layer.
        """
        child = self._children[name]
        recorder = self.shard_state.recorder
        if recorder is not None and recorder.recording:
            dx = recorder.backward_of(layer, p, g, dy, child)
        else:
            dy = contiguous(dy)
            if self.shard_state.observer is not None:
                self.shard_state.observer(child.path, "gradient", dy)
            dx = run_backward(layer, p, g, dy, child)
        if dx is None and child.needs_dx:
            raise TypeError(f"{child.path}: backward() returned None, but ctx.needs_dx is true: {layer}")
        return dx

    def spare_gradients(self, name: str, like: Views) -> Views:
        """Return memory for the gradients of shared parameters ``name`` at one of their places, shaped ``like`` their own.

        The values are arbitrary. The same memory is returned for the same name.
        """
        if name not in self._spare_gradients:
            self._spare_gradients[name] = zeros_like(like)
        return self._spare_gradients[name]


def run_forward(layer: Differentiable, p: Views, x: Any, ctx: Context) -> Any:
    """Return the output of a layer for x, which is brought into row-major order.

    The output of a class that is not of this package is brought into the form that kernels require: the dtype of the network,
    row-major order, and memory that can be written. Raises ShapeError where it has not the shape that ``build`` states.
    """
    x = contiguous(x)
    y = layer.forward(p, x, ctx)
    if _is_of_pellucid(type(layer)):
        return y
    inputs = x if isinstance(x, list) else [x]
    ctx.input_shapes = [one.shape for one in inputs]
    shapes: Any = [one.shape[1:] for one in inputs]
    expected = layer.build(shapes if isinstance(x, list) else shapes[0]).shape
    if not isinstance(expected, tuple):  # several outputs
        return y
    return _in_form(y, (len(inputs[0]), *expected), ctx, f"forward() of {type(layer).__name__}", "build() states")


def run_backward(layer: Differentiable, p: Views, g: Views, dy: Array, ctx: Context) -> Any:
    """Return dX of a layer (of a merge: that of each input), or None, for dY, which is brought into row-major order.

    As in :func:`run_forward`, dX is checked and brought into form. Raises ShapeError where it has not the shape of the input.
    """
    dx = layer.backward(p, g, contiguous(dy), ctx)
    if dx is None or _is_of_pellucid(type(layer)):
        return dx
    several = len(ctx.input_shapes) > 1
    gradients = [
        None if one is None else _in_form(one, shape, ctx, f"backward() of {type(layer).__name__}", "the input has")
        for one, shape in zip(dx if several else [dx], ctx.input_shapes, strict=True)
    ]
    return gradients if several else gradients[0]


@functools.cache
def _is_of_pellucid(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "pellucid"


def _in_form(array: Any, shape: Shape, ctx: Context, source: str, reason: str) -> Array:
    """Return what a layer returned in the form that kernels require."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{ctx.path}: {source} returned {type(array).__name__}, not a NumPy array")
    if array.shape != shape:
        raise ShapeError(f"{ctx.path}: {source} returned an array of shape {array.shape}; {reason} {shape}")
    dtype = ctx.shard_state.dtype
    ready = array.dtype == dtype and array.flags.c_contiguous and array.flags.writeable
    return array if ready else np.array(array, dtype, order="C")


def contiguous(x: Any) -> Any:
    """Return an array, or each array of a list, in row-major order, which kernels require; a layer may return a transposed
    view."""
    if isinstance(x, np.ndarray):
        return x if x.flags.c_contiguous else np.ascontiguousarray(x)
    return x if isinstance(x, SparseRows) else [contiguous(one) for one in x]
