"""Recorded passes: the forward and backward pass of a batch shape, recorded at the first step and replayed at later ones.

The first step of a batch shape runs layer by layer. Each call of a kernel is also written to a tape
(:mod:`pellucid.kernels.compiled.tape`), with the addresses of its arguments: all memory is reused from step to step, so they
are the same in the next step. Later steps replay the tape, in a few calls of compiled code, and skip the Python between the
kernels. The results have the same bits, because the same kernels run with the same arguments.

A layer states with its class attribute ``records`` that its passes do nothing else than call kernels, with arguments that are
the same for each batch of a shape, and take views. Other layers, such as those that draw random numbers or compute with NumPy,
are called in Python again, between the recorded kernels: a layer of one's own needs nothing.

Only the samples change their place from step to step. The words of the tape that hold their address follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.memory import Array, Views
from pellucid.core.named_arrays import NamedArrays, array_list
from pellucid.layers.context import Context, Differentiable, contiguous
from pellucid.training.execution import Execution
from pellucid.training.state import ModelState

MAX_SHAPES = 8  # recordings are kept for as many batch shapes: each keeps the memory that it works in


@dataclass
class _Recording:
    """The passes of one batch shape. ``backward`` is the part of the tape with which the backward pass begins, 0 if it has not
    been recorded yet; ``x`` are copies of the samples, if the tape reads these and not the samples themselves."""

    tape: Any
    x: Any
    z: Any = None
    dz: Any = None
    dx: Any = None
    backward: int = 0
    is_complete: bool = False


class RecordedExecution:
    """An execution whose passes with ``training=True`` are recorded and replayed; it is used like an execution."""

    def __init__(self, execution: Execution, kernels: Any):
        """``kernels`` is the recording kernel set of the execution."""
        self._execution, self._kernels = execution, kernels
        self._shard = execution.shard_state
        self._shard.recorder = self
        self._recordings: dict[Any, _Recording] = {}
        self._now: _Recording | None = None  # that of the last forward pass
        self._copies_samples = False  # a layer that is called in Python reads them

    # -- used as an execution -------------------------------------------------------------------------------------

    def forward(self, x: Any, *, training: bool, keep: bool, step: int = 0, offset: int = 0) -> Any:
        """Return the output for the samples x; see :meth:`Execution.forward`."""
        shard, self._now = self._shard, None
        arrays = array_list(x)
        if not (training and keep and len(x)) or shard.observer is not None:
            return self._execution.forward(x, training=training, keep=keep, step=step, offset=offset)
        key = tuple(array.shape for array in arrays)
        recording = self._recordings.get(key)
        if recording is None:
            return self._record(x, step, offset)
        shard.training = shard.backward_follows = True
        shard.step, shard.offset = step, offset
        self._now = recording
        if self._copies_samples:
            for own, array in zip(array_list(recording.x), arrays, strict=True):
                np.copyto(own, array)
        else:
            recording.tape.move(arrays)
        recording.tape.replay(0, recording.backward)
        return recording.z

    def output_gradient(self, z: Any) -> Any:
        """Return uninitialized memory for the gradient of the output ``z`` of the last pass."""
        if self._now is None:
            return self._execution.output_gradient(z)
        if self._now.dz is None:
            self._now.dz = self._execution.output_gradient(z)
        return self._now.dz

    def backward(self, dy: Any, g: Views) -> Any:
        """Write the gradients of the parameters into ``g``; see :meth:`Execution.backward`. ``g`` is the same at each call."""
        recording = self._now
        if recording is None or dy is not recording.dz:
            self._now = None
            return self._execution.backward(dy, g)
        if recording.is_complete:
            recording.tape.replay(recording.backward)
            return recording.dx
        self._kernels.tape = recording.tape
        try:
            recording.dx = self._execution.backward(dy, g)
        finally:
            self._kernels.tape = None
        recording.is_complete = True
        if recording.tape.reads_input_in_python and not self._copies_samples:
            self._copies_samples = True  # the next step of this shape is recorded again
        else:
            self._keep(recording)
        return recording.dx

    def steps_read(self, path: str | None) -> Array | None:
        """Return the time steps that the recurrent layer at ``path`` read; see :meth:`Execution.steps_read`."""
        return self._execution.steps_read(path)

    def _record(self, x: Any, step: int, offset: int) -> Any:
        if self._copies_samples:
            x = NamedArrays({k: v.copy() for k, v in x.by_name.items()}) if isinstance(x, NamedArrays) else x.copy()
        recording = _Recording(self._kernels.new_tape([] if self._copies_samples else array_list(x)), x)
        self._kernels.tape = recording.tape
        try:
            recording.z = self._execution.forward(x, training=True, keep=True, step=step, offset=offset)
        finally:
            self._kernels.tape = None
        recording.backward = recording.tape.mark()
        self._now = recording
        return recording.z

    def _keep(self, recording: _Recording) -> None:
        """Keep a recording for the next steps, in place of the oldest one if there are too many."""
        if len(self._recordings) == MAX_SHAPES:
            self._recordings.pop(next(iter(self._recordings)))
        self._recordings[tuple(array.shape for array in array_list(recording.x))] = recording

    # -- used by contexts -----------------------------------------------------------------------------------------

    @property
    def recording(self) -> bool:
        """Whether the passes of layers are being recorded."""
        return self._kernels.tape is not None

    def forward_of(self, layer: Any, p: Views, x: Any, ctx: Context) -> Array:
        """Run the forward pass of a layer, and record it."""
        if _records(layer, "forward"):
            return layer.forward(p, self._contiguous(x), ctx)
        return self._run_in_python([x] if isinstance(x, np.ndarray) else x, lambda: layer.forward(p, contiguous(x), ctx))

    def backward_of(self, layer: Any, p: Views, g: Views, dy: Array, ctx: Context) -> Any:
        """Run the backward pass of a layer, and record it."""
        if _records(layer, "backward"):
            return layer.backward(p, g, self._contiguous(dy), ctx)
        return self._run_in_python([dy], lambda: layer.backward(p, g, contiguous(dy), ctx))

    def _contiguous(self, x: Any) -> Any:
        """Return x in row-major order; where that is a copy, the copy is recorded."""
        if not isinstance(x, np.ndarray):
            return [self._contiguous(one) for one in x]
        if x.flags.c_contiguous:
            return x
        return self._run_in_python([x], lambda: np.ascontiguousarray(x))

    def _run_in_python(self, arguments: Sequence[Array], compute: Any) -> Any:
        """Call a function, and record that it is called. Its results are copied where they are in other memory later."""
        tape, self._kernels.tape = self._kernels.tape, None
        parity = self._shard.parity
        try:
            results = compute()
        finally:
            self._kernels.tape = tape
        expected = _arrays(results)

        def call() -> None:
            self._shard.parity = parity  # as when this was recorded: the other array for gradients is in use
            for before, now in zip(expected, _arrays(compute()), strict=True):
                if now is not before and _address(now) != _address(before):
                    np.copyto(before, now)

        tape.run(call, arguments)
        return results


def recorded_execution(state: ModelState, **options: Any) -> RecordedExecution | Execution:
    """Return an execution of the model that records its passes, or one that does not where the kernels cannot be recorded.

    ``options`` are those of ``ModelState.execution``.
    """
    kernels = state.kernels.recorder(state.kernels)
    execution = state.execution(kernels=kernels, **options)
    is_recorded = kernels is not None and all(_records(execution.layer, method) for method in ("forward", "backward"))
    return RecordedExecution(execution, kernels) if is_recorded else execution


def _records(layer: Any, method: str) -> bool:
    """Return whether the class that defines a method of the layer states that it records."""
    owner = next(cls for cls in type(layer).__mro__ if method in vars(cls))
    return bool(vars(owner).get("records", False))


def _arrays(results: Any) -> list[Array]:
    if results is None:
        return []
    return [results] if isinstance(results, np.ndarray) else list(results)


def _address(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]
    return address
