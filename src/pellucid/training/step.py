"""One step: the loss and the gradient of one batch."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from pellucid.core.memory import Array, ones
from pellucid.core.named_arrays import empty
from pellucid.layers.base import Layer
from pellucid.layers.context import Observer
from pellucid.optim.recording import RecordedUpdate
from pellucid.training.recording import MAX_SUM_OF_SQUARES, Recording, recorded
from pellucid.training.state import ModelState


class Step(Protocol):
    """The protocol of an object that computes the gradient of a batch, or an estimate of it, for the training loop.

    A call takes the samples x (n, *input shape) in the dtype of the network, their targets and weights, the number of the
    step, which selects the random numbers, and ``offset``. If a batch is given in several parts, each part is one call, and
    ``offset`` is the position of its first sample in the batch; 0 begins a new batch. The call returns the mean loss.
    Afterwards

    - ``gradient`` is the flat gradient of the mean loss; the caller may overwrite it;
    - ``outputs`` (n, *metric shape) are the values for the metrics, computed from the network's outputs in training mode;
    - ``weights`` are the weights of all positions of all samples (n·P), and ``total`` is their sum;
    - ``mean`` is the mean loss of the output;
    - ``weight`` is the weight of this batch in an average of the gradients of several: ``total``;
    - ``statistics`` are the running statistics after the step; the model's own are unchanged until the step is accepted;
    - ``forward_passes`` is the number of forward passes that the step took.

    With several inputs, x is NamedArrays. With several outputs, targets, weights and ``outputs`` are NamedArrays by output,
    ``total`` and ``mean`` are dictionaries, and the call returns the total loss
    (:class:`~pellucid.training.several_outputs.SeveralOutputs`).
    """

    gradient: Array
    outputs: Any
    weights: Any
    total: Any
    mean: Any
    weight: float
    statistics: Array
    forward_passes: int

    def __call__(self, x: Any, targets: Any, weights: Any, step: int, offset: int = 0) -> float: ...


class GradientStep:
    """Backpropagation: the exact gradient of a batch. Its memory is reused from step to step.

    ``plan`` is the form of the network to run, by default the model's fused plan; ``observer`` sees every layer's output and
    gradient (see :class:`~pellucid.training.execution.Execution`). ``parameters`` is the vector of parameters at which the
    gradient is taken, by default the model's. Without an observer the passes of each batch shape are recorded and replayed
    (:mod:`pellucid.training.recording`), unless ``may_record`` is false: the results have the same bits. A recorded step can be
    replayed together with its update (:meth:`with_update`).
    """

    forward_passes = 1
    weights: Any
    total: Any
    mean: Any
    weight: float

    def __init__(
        self,
        state: ModelState,
        plan: Layer | None = None,
        observer: Observer | None = None,
        parameters: Array | None = None,
        may_record: bool = True,
    ):
        self.state = state
        self.gradient = state.layout.zeros(state.dtype)
        self.statistics = state.statistics.copy()
        self._of_training = parameters is None and observer is None
        self._recorded = recorded(state, plan, parameters, self.statistics) if may_record and observer is None else None
        self._execution = self._recorded or state.execution(
            plan, parameters=parameters, statistics=self.statistics, observer=observer
        )
        self._g = state.layout.views(self.gradient)
        self._weighed: Any = None  # the weights of the last step, if they are all 1
        self._update: RecordedUpdate | None = None
        self._updates = self._of_training and state.updater.records  # False if updates cannot be recorded
        self._outputs = empty(0, state.output.metric_shape, state.dtype)
        self.outputs = self._outputs

    def __call__(self, x: Any, targets: Any, weights: Any, step: int, offset: int = 0) -> float:
        """Return the mean loss of the batch, and store its gradient; see :class:`Step`.

        At an ``offset`` above 0 the running statistics continue from the part before.
        """
        loss = self._replayed(x, targets, weights, step, offset)
        if loss is not None:
            return loss
        output = self.state.output
        with np.errstate(all="ignore"):  # the training loop checks that the results are finite
            execution = self._execution
            z = execution.forward(x, training=True, keep=True, step=step, offset=offset)
            self._weigh(weights)
            loss, self.mean, dz = execution.mean_loss(output, z, targets, self.weights, self.total, self.outputs)
            execution.backward(dz, self._g)
        return loss

    def can_repeat(self, x: Array) -> bool:
        """Return whether :meth:`with_update` may be possible for samples of this shape."""
        return self._updates and self._recorded is not None and self._recorded.recording_of(x) is not None

    def with_update(self, x: Any, targets: Any, weights: Any, rate: float, is_finite: bool = True) -> float | None:
        """Make the next step of the model, update its parameters with the learning rate ``rate``, by one replay, and count it.

        Returns the mean loss before the update. The result is None, and the parameters and the state of the optimizer are
        unchanged, where that is not possible: the step or the update is not recorded, or the loss or the gradient is not
        finite or too large. Where it is not known that x ``is_finite``, the replay checks it, and the result is None if it is
        not. The other arguments are those of a call. After an interrupt, the step is counted if the update was made.
        """
        state = self.state
        if not self._updates or self._recorded is None:
            return None
        recording = self._recorded.recording_of(x)
        if recording is None:
            return None
        if self._update is None:  # an update has been made, so its kernels are compiled
            self._update = self._recorded.recorded_update(state.updater, state.parameters, self.gradient)
            if self._update is None:
                self._updates = False
                return None
        update = self._update
        update.prepare(rate, state.steps + 1)
        try:
            return self._replayed(x, targets, weights, state.steps + 1, 0, recording, update, is_finite)
        finally:  # without calls: Python handles signals there
            if update.squares[0] <= MAX_SUM_OF_SQUARES:
                state.steps += 1
                if state.statistics.size:
                    state.statistics[:] = self.statistics

    def _replayed(
        self,
        x: Any,
        targets: Any,
        weights: Any,
        step: int,
        offset: int,
        recording: Recording | None = None,
        update: RecordedUpdate | None = None,
        is_finite: bool = True,
    ) -> float | None:
        """Prepare the memory of a step, and replay it if it is recorded as a whole, as the ``recording`` where that is known.

        Returns its mean loss, or None.
        """
        n, state, output = len(x), self.state, self.state.output
        if len(self._outputs) < n:
            self._outputs = empty(n, output.metric_shape, state.dtype)
        if len(self.outputs) != n:
            self.outputs = self._outputs[:n]
        if self._of_training:
            state.last_batch = x, targets, weights, step, offset
        if offset == 0 and len(self.statistics):
            self.statistics[:] = state.statistics
        if self._recorded is None or output.mask_paths:
            return None
        self._weigh(weights)
        recording = recording or self._recorded.recording_of(x, offset)
        if recording is None:
            return None
        of_loss = output, x, targets, self.weights, self.total, self.outputs
        loss = self._recorded.step(recording, *of_loss, step, offset, update, is_finite)
        if loss is not None:
            self.mean = loss
        return loss

    def _weigh(self, weights: Any) -> None:
        """Compute the weights of the positions, their sum, and the weight of the batch."""
        output = self.state.output
        if weights is self._weighed and not output.mask_paths:
            return  # as in the step before
        self._weighed = None
        self.weights = output.step_weights(weights, self._execution)
        self.total = output.total(self.weights)
        self.weight = output.combined(self.total)
        if weights is ones(len(weights)):
            self._weighed = weights
