"""Recorded steps: the passes of a batch shape, its loss and the update, recorded at the first step and replayed at later ones.

The first step of a batch shape runs layer by layer. Each call of a kernel is also written to a tape
(:mod:`pellucid.kernels.compiled.tape`), with the addresses of its arguments: all memory is reused from step to step, so they
are the same in the next step. Later steps replay the tape, in a few calls of compiled code, and skip the Python between the
kernels. The results have the same bits, because the same kernels run with the same arguments. An update is recorded too
(:mod:`pellucid.optim.recording`): a replay ends before it where the loss or the gradient is out of bounds.

A layer states with its class attribute ``records`` that its passes do nothing else than call kernels, with arguments that are
the same for each batch of a shape, and take views. Other layers, such as those that draw random numbers or compute with NumPy,
are called in Python again, between the recorded kernels: a layer of one's own needs nothing.

Only the samples change their place from step to step. The words of the tape that hold their address follow; samples to predict
are copied. Sparse rows have other sizes in each batch: passes over them are not recorded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.memory import Array, Views
from pellucid.core.named_arrays import NamedArrays, array_list
from pellucid.core.records import records
from pellucid.core.sparse_rows import SparseRows
from pellucid.layers.base import Layer
from pellucid.layers.context import Context, Past, run_backward, run_forward
from pellucid.networks import group_size
from pellucid.optim import Updater
from pellucid.optim.recording import RecordedUpdate
from pellucid.training.execution import Execution
from pellucid.training.output import Output
from pellucid.training.state import ModelState

MAX_SHAPES = 8  # recordings are kept for as many batch shapes: each keeps the memory that it works in
# The largest float32: a gradient whose sum of squares does not fit is as useless as an infinite one (Adam squares it).
MAX_SUM_OF_SQUARES = 3.4e38
MAX_PREDICTED = 64  # samples: the Python between the kernels takes less than a hundredth of the time of more


@dataclass
class _Loss:
    """The loss of a recorded step: the sum of weights Σ w, the ``arrays`` of the last step (targets, weights, outputs), and
    where the sum Σ w l is."""

    total: float
    arrays: list[Array]
    sum: Array

    def fits(self, total: float, arrays: list[Array]) -> bool:
        """Return whether the loss of a step with these arrays is computed by the same calls, and keep the arrays."""
        if total != self.total:
            return False
        for array, before in zip(arrays, self.arrays, strict=True):
            if array is not before and not (
                array.shape == before.shape and array.dtype == before.dtype and array.flags.c_contiguous
            ):
                return False
        self.arrays = arrays
        return True


@dataclass
class Recording:
    """The passes of one batch shape.

    Their tape has five pieces: the check that the samples are finite, which is not replayed where that is known, from part
    ``begins`` on the forward pass, from ``loss_begins`` on the loss, from ``backward_begins`` on the backward pass, and from
    ``update_begins`` on the ``update``, if there is one. ``is_checked`` says whether there is the first. ``samples`` are the
    samples, or copies that the tape reads in their place.

    In prediction, the head is after the forward pass, and writes ``outputs``. In generation, layers go on from the ``past``.
    """

    tape: Any
    training: bool
    samples: list[Array]
    has_copies: bool
    place: int
    z: Any
    begins: int
    loss_begins: int
    is_checked: bool
    backward_begins: int = 0
    dz: Any = None
    dx: Any = None
    loss: _Loss | None = None
    update_begins: int | None = None
    update: RecordedUpdate | None = None
    outputs: Array | None = None
    replay_with: Callable[[Array], bool] | None = None  # samples, of which it makes the prediction ``outputs``
    past: Past | None = None


class RecordedExecution:
    """An execution whose training steps, and predictions of few samples, are recorded and replayed."""

    def __init__(self, execution: Execution, kernels: Any):
        """``kernels`` is the recording kernel set of the execution."""
        self._execution, self._kernels = execution, kernels
        self._shard = execution.shard_state
        self._shard.recorder = self
        self._recordings: dict[Any, Recording] = {}
        self._now: Recording | None = None  # that of the last forward pass, if it is recorded or replayed
        self._is_replayed = False
        self._copies_samples = False  # a layer that is called in Python reads them
        self._group = group_size(execution.layer)

    # -- used as an execution -------------------------------------------------------------------------------------

    def step(
        self,
        recording: Recording,
        output: Any,
        x: Any,
        targets: Any,
        weights: Any,
        total: Any,
        outputs: Any,
        step: int,
        offset: int,
        update: RecordedUpdate | None = None,
        is_finite: bool = True,
    ) -> float | None:
        """Make a whole step: both passes, the loss, and the ``update`` if it is given. Returns the mean loss.

        ``recording`` is that of the step. The result is None if its loss is not recorded. With an update, it is also None, and
        the parameters are unchanged, if the loss or the gradient is out of bounds; where it is not known that x ``is_finite``,
        also if it is not. The other arguments are those of :meth:`forward` and ``Output.mean_loss``. Losses are recorded for
        one sum of weights.
        """
        loss, arrays = recording.loss, [targets, weights, outputs]
        if loss is None or not loss.fits(total, arrays) or not (is_finite or recording.is_checked):
            return None
        self._begin(recording, x, step, offset, arrays)
        if update is None:
            recording.tape.replay(recording.begins, recording.update_begins)
        else:
            if recording.update is None:
                before = recording.tape.state()
                try:
                    recording.tape.limit(loss.sum, 1 / total, output.divergence_limit)
                    recording.tape.extend(update.tape)
                    recording.update = update
                except BaseException:  # an interrupt, too
                    recording.tape.restore(before)
                    raise
            if not recording.tape.replay(recording.begins if is_finite else 0):
                return None
        return float(loss.sum[0]) * (1 / total)

    def forward(
        self, x: Any, *, training: bool = False, keep: bool = False, step: int = 0, offset: int = 0, past: Past | None = None
    ) -> Any:
        """Return the output for the samples x; see :meth:`Execution.forward`.

        Recorded are passes of training whose backward pass follows, and passes of prediction over few samples: the others take
        so long that it would not matter. With a past, passes over a single position are recorded, unless a sequence begins.
        """
        assert training == keep
        if past is not None and (x.shape[1] > 1 or not past.read.all()):
            self._now = None
            return self._execution.forward(x, past=past)
        self._now, key = None, (training, past, offset % self._group, *_shapes(x))
        recording = self._recordings.get(key)
        self._is_replayed = recording is not None
        if recording is not None:
            self._begin(recording, x, step, offset)
            recording.tape.replay(recording.begins, recording.loss_begins)
        elif self._can_record(x, training, offset):
            recording = self._record(x, training, step, offset, past)
        else:
            return self._execution.forward(x, training=training, keep=keep, step=step, offset=offset, past=past)
        if training:
            self._now = recording
        elif not self._is_replayed:
            self._keep(recording)
        return recording.z

    def predict(self, x: Array, output: Output) -> Array:
        """Return what the head of the ``output`` computes for at most MAX_PREDICTED samples, as a new array, by one replay."""
        recording = self._recordings.get((False, None, 0, *_shapes(x)))
        if recording is not None and recording.outputs is not None:
            self._begin(recording, x, 0, 0)
            recording.tape.replay(0)
            return recording.outputs.copy()
        z = self.forward(x)
        outputs = np.empty(z.shape, z.dtype)
        recording = self._recordings.get((False, None, 0, *_shapes(x)))
        if recording is None or not z.flags.c_contiguous:  # the kernel of the head would read a copy that is made of z now
            output.apply_head(z, outputs)
            return outputs
        recording.outputs = z
        if output.head is not None:
            recording.outputs = outputs
            with self._recording_on(recording.tape):
                output.apply_head(z, outputs, self._kernels)
        recording.replay_with = recording.tape.replayer(recording.samples[0])
        return recording.outputs.copy()

    def repeat(self, x: Array) -> Array | None:
        """Return what :meth:`predict` does, in little more time than the kernels take; None where that is not possible.

        x is a contiguous array in the dtype of the execution. It is possible for samples of a shape that has been predicted,
        with layers that record, and where x is finite.
        """
        recording = self._recordings.get((False, None, 0, x.shape))
        if recording is None or recording.replay_with is None or not recording.replay_with(x):
            return None
        return recording.outputs.copy()  # type: ignore[union-attr]

    def mean_loss(self, output: Any, z: Any, targets: Any, weights: Any, total: Any, outputs: Any) -> tuple[float, Any, Any]:
        """Return the mean loss and its gradient with respect to the output z; see :meth:`Execution.mean_loss`."""
        recording = self._now
        if recording is not None and self._is_replayed:
            return *output.mean_loss(z, targets, weights, total, outputs, recording.dz), recording.dz
        result = self._execution.mean_loss(output, z, targets, weights, total, outputs)
        if recording is not None:
            recording.dz = result[-1]
            self._record_loss(recording, output, targets, weights, total, outputs)
        return result

    def backward(self, dz: Any, g: Views) -> Any:
        """Write the gradients of the parameters into ``g``; see :meth:`Execution.backward`. ``g`` is the same at each call."""
        recording = self._now
        if recording is None:
            return self._execution.backward(dz, g)
        if self._is_replayed:
            if dz is not recording.dz:
                for own, array in zip(array_list(recording.dz), array_list(dz), strict=True):
                    np.copyto(own, array)
            recording.tape.replay(recording.backward_begins, recording.update_begins)
            return recording.dx
        recording.dz, recording.backward_begins = dz, recording.tape.mark()
        with self._recording_on(recording.tape):
            recording.dx = self._execution.backward(dz, g)
        recording.update_begins = recording.tape.mark()
        self._now = None
        self._keep(recording)
        return recording.dx

    def recording_of(self, x: Any, offset: int = 0) -> Recording | None:
        """Return the recording of a training step for samples of the shape of x at that ``offset``; None if there is none."""
        return self._recordings.get((True, None, offset % self._group, *_shapes(x)))

    def recorded_update(self, updater: Updater, theta: Array, g: Array) -> RecordedUpdate | None:
        """Return the update of θ with the gradient g, for :meth:`step`; None if it cannot be recorded."""
        if not updater.records:
            return None
        try:
            return RecordedUpdate(updater, theta, g, self._kernels, MAX_SUM_OF_SQUARES)
        except self._kernels.NotRecordable:
            return None

    def steps_read(self, path: str | None) -> Array | None:
        """Return the time steps that the recurrent layer at ``path`` read; see :meth:`Execution.steps_read`."""
        return self._execution.steps_read(path)

    def buffer(self, name: str, shape: Any) -> Any:
        """Return memory for the caller's own intermediate results; see :meth:`Execution.buffer`."""
        return self._execution.buffer(name, shape)

    def _can_record(self, x: Any, training: bool, offset: int) -> bool:
        """Return whether a pass over the samples x can be recorded, and takes so little time that it matters."""
        if self._shard.observer is not None or isinstance(x, SparseRows):
            return False
        if offset % self._group and 2 * self._group > MAX_SHAPES:  # there are too many places in a group to keep one of each
            return False
        return len(x) > 0 and (training or len(x) <= MAX_PREDICTED)

    def _begin(self, recording: Recording, x: Any, step: int, offset: int, arrays: Sequence[Array] = ()) -> None:
        """Prepare a replay for these samples and arrays of the loss."""
        shard = self._shard
        shard.training = shard.backward_follows = recording.training
        shard.step, shard.offset, shard.past = step, offset, recording.past
        samples = array_list(x)
        if recording.has_copies:
            for own, array in zip(recording.samples, samples, strict=True):
                np.copyto(own, array)
            recording.tape.move(arrays)
        else:
            recording.tape.move([*samples, *arrays])

    def _record(self, x: Any, training: bool, step: int, offset: int, past: Past | None) -> Recording:
        """Run the forward pass, and record it."""
        copies = self._copies_samples or not training  # the few samples of a prediction are copied in no time
        if copies:
            x = NamedArrays({name: one.copy() for name, one in x.items()}) if isinstance(x, NamedArrays) else x.copy()
        tape = self._kernels.new_tape()
        if not copies:
            tape.follow(array_list(x))
        if training:
            for array in array_list(x):
                with self._recording_on(tape):
                    self._kernels.all_finite(array)
                if tape.result is not None:
                    tape.limit(tape.result, 1.0, 0.0)  # NaN is above every limit
        is_checked, begins = tape.result is not None, tape.mark()
        with self._recording_on(tape):
            z = self._execution.forward(x, training=training, keep=training, step=step, offset=offset, past=past)
        tape.note_readers(array_list(z))
        place, loss_begins = offset % self._group, tape.mark()
        return Recording(tape, training, array_list(x), copies, place, z, begins, loss_begins, is_checked, past=past)

    def _record_loss(self, recording: Recording, output: Any, targets: Any, weights: Any, total: Any, outputs: Any) -> None:
        """Record the loss, if it is nothing but calls of kernels, of which the last one returns it."""
        if not isinstance(output, Output) or output.mask_paths or not records(output.loss, "compute"):
            return
        tape, arrays = recording.tape, [targets, weights, outputs]
        if not _are_contiguous(arrays) or not total > 0:
            return
        if any(np.may_share_memory(targets, one) for one in recording.samples):  # at the next step they may be different arrays
            return
        begin = tape.mark()
        tape.follow(arrays)
        with self._recording_on(tape):
            value = output.compute(recording.z, targets, weights, 1 / total, outputs, recording.dz, self._kernels)
        if tape.mark() == begin + 1 and tape.result is not None and tape.result.tobytes() == np.float64(value).tobytes():
            recording.loss = _Loss(total, arrays, tape.result)

    @contextlib.contextmanager
    def _recording_on(self, tape: Any) -> Iterator[None]:
        """Record the calls of kernels on a tape; None pauses a recording."""
        before, self._kernels.tape = self._kernels.tape, tape
        try:
            yield
        finally:
            self._kernels.tape = before

    def _keep(self, recording: Recording) -> None:
        """Keep a recording for the next passes, in place of the oldest one if there are too many."""
        if recording.tape.is_read_in_python:
            self._copies_samples = True  # the next pass of this shape is recorded again, with copies
            return
        if len(self._recordings) == MAX_SHAPES:
            self._recordings.pop(next(iter(self._recordings)))
        key = recording.training, recording.past, recording.place, *(array.shape for array in recording.samples)
        self._recordings[key] = recording

    # -- used by contexts -----------------------------------------------------------------------------------------

    @property
    def recording(self) -> bool:
        """Whether the passes of layers are being recorded."""
        return self._kernels.tape is not None

    def forward_of(self, layer: Any, p: Views, x: Any, ctx: Context) -> Array:
        """Run the forward pass of a layer, and record it."""
        if records(layer, "forward"):
            return layer.forward(p, self._contiguous(x), ctx)
        return self._run_in_python([x] if isinstance(x, np.ndarray) else x, lambda: run_forward(layer, p, x, ctx))

    def backward_of(self, layer: Any, p: Views, g: Views, dy: Array, ctx: Context) -> Any:
        """Run the backward pass of a layer, and record it."""
        if records(layer, "backward"):
            return layer.backward(p, g, self._contiguous(dy), ctx)
        return self._run_in_python([dy], lambda: run_backward(layer, p, g, dy, ctx))

    def _contiguous(self, x: Any) -> Any:
        """Return x in row-major order; where that is a copy, the copy is recorded."""
        if not isinstance(x, np.ndarray):
            return [self._contiguous(one) for one in x]
        if x.flags.c_contiguous:
            return x
        return self._run_in_python([x], lambda: np.ascontiguousarray(x))

    def _run_in_python(self, arguments: Sequence[Array], compute: Any) -> Any:
        """Call a function, and record that it is called. Its results are copied where they are in other memory later."""
        tape, parity = self._kernels.tape, self._shard.parity
        with self._recording_on(None):
            results = compute()
        expected = _arrays(results)

        def call() -> None:
            self._shard.parity = parity  # as when this was recorded: the other array for gradients is in use
            with np.errstate(all="ignore" if self._shard.training else None):  # as around a step that is interpreted
                results = _arrays(compute())
            for before, now in zip(expected, results, strict=True):
                if now is not before and _address(now) != _address(before):
                    np.copyto(before, now)

        tape.run(call, arguments)
        return results


def _shapes(x: Any) -> tuple[Any, ...]:
    """Return the shapes of samples; for sparse rows, none that a recording has."""
    if isinstance(x, SparseRows):
        return (None,)
    return (x.shape,) if isinstance(x, np.ndarray) else tuple(array.shape for array in array_list(x))


def recorded(
    state: ModelState, plan: Layer | None = None, parameters: Array | None = None, statistics: Array | None = None
) -> RecordedExecution | None:
    """Return an execution of the model that records its steps; None where the kernels or the network cannot be recorded.

    The arguments are those of ``ModelState.execution``.
    """
    network = state.plan if plan is None else plan
    kernels = state.kernels.recorder(state.kernels)
    if kernels is None or not all(records(network, method) for method in ("forward", "backward")):
        return None
    execution = state.execution(plan, parameters=parameters, statistics=statistics, kernels=kernels)
    return RecordedExecution(execution, kernels)


def _are_contiguous(arrays: Sequence[Array]) -> bool:
    return all(array.flags.c_contiguous for array in arrays)


def _arrays(results: Any) -> list[Array]:
    if results is None:
        return []
    return [results] if isinstance(results, np.ndarray) else list(results)


def _address(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]
    return address
