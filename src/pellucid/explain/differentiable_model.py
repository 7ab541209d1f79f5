"""A model as a differentiable function of its input: outputs at any points of the input space, and gradients there.

Training differentiates the loss with respect to the parameters. Here the same backward pass begins at the chosen outputs and
continues through the first layer to the input. Points and gradients are in the scale of the network, after its input
stage (bytes divided by 255, for example). The network is in prediction mode: dropout is off, running statistics are constants,
and the samples do not influence each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ConfigError, DataError, ShapeError
from pellucid.explain.explained_output import OutputKind, check_output_kind
from pellucid.explain.output_position import Position, output_rows
from pellucid.layers.context import Observer
from pellucid.model.activations import scaled
from pellucid.model.model import Model
from pellucid.model.several import refuse_several
from pellucid.networks.dag import map_layers
from pellucid.training.execution import chunk_size, chunks

CHUNK_VALUES = 500_000  # in the largest array of a chunk: all outputs are kept until backward, and should fit the caches
CHUNK_SAMPLES = 256


class DifferentiableModel:
    """A model whose outputs can be differentiated with respect to its input.

    An instance has its own buffers and serves one thread; any number of instances can use the same model. In float64 it works
    on a copy of the parameters and running statistics, and computes everything in float64.

    ``of`` chooses the outputs: "logit" is the value before the softmax or sigmoid of the loss, as returned by
    ``Model.predict(x, logits=True)`` (the output of the model if the loss has no such head); "output" is what
    ``Model.predict(x)`` returns. With ``change`` the layers are not fused, and each layer and merge, the head too, is replaced
    by ``change(layer)``.

    Where the network has an output at each of several positions, the outputs (n, k) are those at ``position``, or their mean
    over a mask of positions (:func:`~pellucid.explain.output_position.output_rows`).

    Raises ConfigError if ``model`` is not a Model, and for any other ``of`` or ``dtype``.
    """

    def __init__(
        self,
        model: Model,
        of: OutputKind = "logit",
        dtype: Any = np.float32,
        change: Callable[[Any], Any] | None = None,
        position: Position | None = None,
    ):
        if not isinstance(model, Model):
            raise ConfigError(f"expected a Model, got {type(model).__name__}; explain the models of an ensemble one by one")
        refuse_several(model.network, "an explanation")
        check_output_kind(of)
        try:
            self.dtype = np.dtype(dtype)
        except TypeError:
            raise ConfigError(f"dtype={dtype!r}: choose np.float32, or np.float64 for higher precision") from None
        if self.dtype not in (np.float32, np.float64):
            raise ConfigError(f"dtype={self.dtype}: choose np.float32, or np.float64 for higher precision")
        self.model, self.of = model, of
        self._state = state = model.state
        self.shape, self.classes = state.input_shape, state.output.shape[-1]
        self._rows = output_rows(position, state.output.positions)
        self.chunk = chunk_size(state.largest_output, CHUNK_VALUES, CHUNK_SAMPLES)
        plan, head = state.plan, state.head if of == "output" else None
        if change is not None:
            plan, head = map_layers(state.network if of == "output" else state.body, change), None
        self._execution = state.execution(plan, dtype=self.dtype, needs_dx=True)
        self._g = state.layout.views(state.layout.zeros(self.dtype))  # the gradients of the parameters, which are not used
        self._head = None if head is None else getattr(state.kernels, head.kernel_name)
        self._head_gradient = None if head is None else getattr(state.kernels, head.kernel_name + "_gradient")

    def observe(self, observer: Observer | None) -> None:
        """Call ``observer``, from now on, with every layer's output, and with the upstream gradient that reaches it."""
        self._execution.observe(observer)

    # -- user data ------------------------------------------------------------------------------------------------

    def scaled_samples(self, x: Array, what: str = "x") -> Array:
        """Return user data x (n, *input shape), checked and in the scale of the network."""
        return scaled(self.model, x, what, self.dtype)

    def baseline(self, given: Array | None, n: int) -> Array:
        """Return the baseline of each of n samples as a read-only array (n, *input shape).

        ``given`` is one sample for all, or one for each. None is zero everywhere, which is black for images.
        """
        if given is None:
            return np.broadcast_to(np.zeros(self.shape, self.dtype), (n, *self.shape))
        array = np.asarray(given)
        baseline = self.scaled_samples(array[None] if array.shape == self.shape else array, "baseline")
        if len(baseline) not in (1, n):
            raise ShapeError(f"baseline must be one sample for all, or one for each of the {n}; got {len(baseline)}")
        return np.broadcast_to(baseline, (n, *self.shape))

    def background(self, given: Array) -> Array:
        """Return the background samples (m, *input shape), checked and in the scale of the network."""
        background = self.scaled_samples(given, "background")
        if not len(background):
            raise DataError("the background is empty: give some training samples, for example 100 of them")
        return background

    # -- outputs and gradients ------------------------------------------------------------------------------------

    def outputs(self, points: Array) -> Array:
        """Return the outputs (m, k) at the points (m, *input shape) as a new array."""
        outputs = np.empty((len(points), self.classes), self.dtype)
        self._use_threads(len(points))
        for rows in chunks(len(points), self.chunk):
            y = self._forward(points[rows], keep=False)
            y.reshape(len(y), -1, self.classes)[:, self._rows].mean(axis=1, out=outputs[rows])
        return outputs

    def gradient(self, points: Array, coefficients: Array) -> Array:
        """Return ∂/∂x Σ_k c_k z_k at each of the points (m, *input shape), for the coefficients c (m, k), as a new array."""
        gradients = np.empty((len(points), *self.shape), self.dtype)
        self._use_threads(len(points))
        for rows in chunks(len(points), self.chunk):
            y = self._forward(points[rows], keep=True)
            dz = self._execution.buffer("dz", y.shape)
            at_positions = dz.reshape(len(dz), -1, self.classes)
            at_positions[...] = 0
            at_positions[:, self._rows] = coefficients[rows, None] / len(self._rows)
            if self._head_gradient is not None:
                self._head_gradient(*(array.reshape(-1, self.classes) for array in (y, dz)), out=dz.reshape(-1, self.classes))
            gradients[rows] = self._execution.backward(dz, self._g)
        return gradients

    def _use_threads(self, n: int) -> None:
        self._state.kernels.set_num_threads(self._state.prediction_threads(n).pool)

    def _forward(self, points: Array, *, keep: bool) -> Array:
        z = np.ascontiguousarray(self._execution.forward(np.ascontiguousarray(points), keep=keep))
        if self._head is None:
            return z
        y = self._execution.buffer("head", z.shape)
        self._head(z.reshape(-1, self.classes), out=y.reshape(-1, self.classes))
        return y
