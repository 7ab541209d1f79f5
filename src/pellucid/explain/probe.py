"""A probe: a trained network asked for its outputs anywhere in its input space, and for their gradient there.

Training differentiates the loss by the parameters; here the same backward pass begins with the chosen outputs, and goes on
through the first layer to the input. Points and gradients are in the network's own scale (bytes divided by 255), and in
prediction: dropout is off, running figures are constants, and a sample does not depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ConfigError, DataError, ShapeError
from pellucid.explain.question import Class, Of, Question, check_of, question
from pellucid.layers.base import Layer
from pellucid.layers.context import Context, Observer, ShardState
from pellucid.model.activations import scaled
from pellucid.model.model import Model
from pellucid.networks.rebuilt import rebuilt
from pellucid.training.shards import choose

NUMBERS = 500_000  # of a chunk's largest array: all outputs are kept until backward, and should stay in the caches
CHUNK = 256  # points of a chunk at most


class Probe:
    """A model at work on points, with memory of its own: one probe serves one call in one thread, any number of probes the
    same model. In float64, parameters and running figures are copied, and everything is computed in it.

    ``of`` says which outputs: "logit", what is before the softmax or sigmoid of the loss (the model's outputs where the
    loss has no such head), as ``Model.predict(x, logits=True)`` gives them; or "output", what ``Model.predict`` gives.
    With ``change`` the network runs as it was written, layer by layer, the head too, each layer as ``change`` makes it.
    """

    def __init__(self, model: Model, of: Of = "logit", dtype: Any = np.float32, change: Callable[[Layer], Layer] | None = None):
        if not isinstance(model, Model):
            raise ConfigError(f"a Model is explained, not {type(model).__name__}; of an ensemble take the models one by one")
        check_of(of)
        try:
            self.dtype = np.dtype(dtype)
        except TypeError:
            raise ConfigError(f"dtype={dtype!r}: choose np.float32, or np.float64 for checks") from None
        if self.dtype not in (np.float32, np.float64):
            raise ConfigError(f"dtype={self.dtype}: choose np.float32, or np.float64 for checks")
        self.model, self.of = model, of
        self._parts = parts = model._parts
        self.shape, self.classes = parts.input_shape, parts.output_shape[0]
        self.chunk = max(1, min(CHUNK, NUMBERS // parts.largest))
        p, state = parts.p, parts.state_views
        if self.dtype != parts.dtype:
            theta, figures = parts.layout.zeros(self.dtype), parts.state_layout.zeros(self.dtype)
            theta[:], figures[:] = parts.theta, parts.state
            p, state = parts.layout.views(theta), parts.state_layout.views(figures)
        self._p, self._g = p, parts.layout.views(parts.layout.zeros(self.dtype))
        run = ShardState(parts.kernels, dtype=self.dtype, seed=parts.seed)
        self._ctx = Context(run, state, needs_dx=True)
        self._plan, head = parts.plan, parts.head if of == "output" else None
        if change is not None:
            self._plan, head = rebuilt(parts.network if of == "output" else parts.body, change), None
        self._head = None if head is None else getattr(parts.kernels, head.kernel)
        self._head_gradient = None if head is None else getattr(parts.kernels, head.kernel + "_gradient")

    def watch(self, observer: Observer | None) -> None:
        """From now on tells ``observer`` every layer's output, and the gradient that reaches it."""
        self._ctx.run.observer = observer

    # -- what users bring -----------------------------------------------------------------------------------------

    def points(self, x: Array, what: str = "x") -> Array:
        """Samples x (n, *input shape) as users have them, checked and scaled."""
        return scaled(self.model, x, what, self.dtype)

    def baseline(self, given: Array | None, n: int) -> Array:
        """(n, *input shape), not to be written to: the baseline of each of n samples. One for all may be given, in the form
        of a sample, or one for each; None is zero everywhere, which for pictures is black."""
        if given is None:
            return np.broadcast_to(np.zeros(self.shape, self.dtype), (n, *self.shape))
        array = np.asarray(given)
        found = self.points(array[None] if array.shape == self.shape else array, "baseline")
        if len(found) not in (1, n):
            raise ShapeError(f"one baseline for all samples, or one for each of the {n}; got {len(found)}")
        return np.broadcast_to(found, (n, *self.shape))

    def background(self, given: Array) -> Array:
        """(m, *input shape): the samples that stand for what the network sees otherwise."""
        found = self.points(given, "background")
        if not len(found):
            raise DataError("the background is empty: give some training samples, for example 100 of them")
        return found

    # -- what the network says ------------------------------------------------------------------------------------

    def outputs(self, points: Array) -> Array:
        """(m, k) at the points (m, *input shape), as a new array."""
        found = np.empty((len(points), self.classes), self.dtype)
        self._start(len(points), keeping=False)
        for start in range(0, len(points), self.chunk):
            rows = slice(start, start + self.chunk)
            found[rows] = self._forward(points[rows])
        return found

    def gradient(self, points: Array, coefficients: Array) -> Array:
        """∂/∂x Σ_k c_k z_k at each of the points (m, *input shape), for the coefficients c (m, k), as a new array."""
        found = np.empty((len(points), *self.shape), self.dtype)
        self._start(len(points), keeping=True)
        for start in range(0, len(points), self.chunk):
            rows = slice(start, start + self.chunk)
            y = self._forward(points[rows])
            dz = self._ctx.run.own("dz", y.shape)
            dz[...] = coefficients[rows]
            if self._head_gradient is not None:
                self._head_gradient(y, dz, out=dz)
            found[rows] = self._plan.backward(self._p, self._g, dz, self._ctx)
        return found

    def _start(self, n: int, *, keeping: bool) -> None:
        parts = self._parts
        self._ctx.run.keeping = keeping
        parts.kernels.ready(choose(parts.multiply_adds, 0, n, parts.kernels).team)

    def _forward(self, points: Array) -> Array:
        z = np.ascontiguousarray(self._plan.forward(self._p, np.ascontiguousarray(points), self._ctx))
        return z if self._head is None else self._head(z, out=self._ctx.run.own("head", z.shape))


class Attributor:
    """What every method begins with: n samples in the network's scale, and what is asked about them and answered."""

    def __init__(
        self,
        model: Model,
        x: Array,
        target: Class | None,
        against: Class | None,
        of: Of,
        dtype: Any,
        change: Callable[[Layer], Layer] | None = None,
    ):
        self.probe = Probe(model, of, dtype, change)
        self.x = self.probe.points(x)
        outputs = self.probe.outputs(self.x)
        self.question: Question = question(model, outputs, target, against, of)
        self.output = self.question.answer(outputs)

    def answers(self, points: Array) -> Array:
        """(n): each sample's question, asked at a point (n, *input shape) of its own."""
        return self.question.answer(self.probe.outputs(points))


def gradient(
    model: Model,
    x: Array,
    target: Class | None = None,
    *,
    against: Class | None = None,
    of: Of = "logit",
    dtype: Any = np.float32,
) -> tuple[Array, Array]:
    """(f, ∂f/∂x): what is asked about each of the samples x (n, *input shape), (n) in float64, and its gradient
    (n, *input shape) by the *scaled* input, in ``dtype``.

    f is the logit of a class, or with ``of="output"`` what stands behind the softmax or sigmoid. ``target`` is the class: a
    number, a name, one of these for each sample, or None for the guess. ``against`` takes another class' off: "why 4 and
    not 9?" asks for the difference of the two. Raises ShapeError, ConfigError and DataError, with what to do.
    """
    asked = Attributor(model, x, target, against, of, dtype)
    return asked.output, asked.probe.gradient(asked.x, asked.question.coefficients)
