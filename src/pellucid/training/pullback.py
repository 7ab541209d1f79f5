"""Forward passes with a pullback, and updates: the steps of loops that users write themselves.

A forward pass takes an execution from a pool, and its pullback puts it back. So several passes may be pending at a time: the
discriminator of a GAN sees real and generated images before its update. The memory is reused from step to step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.config import NonNegative, validate
from pellucid.core.lending import Lender
from pellucid.core.memory import Array
from pellucid.core.named_arrays import NamedArrays, unwrapped
from pellucid.data.checks import numeric_array
from pellucid.errors import ConfigError, DataError, DivergedError, ShapeError
from pellucid.networks import fused
from pellucid.networks.ports import by_name
from pellucid.training.divergence import CAUSES
from pellucid.training.execution import Execution
from pellucid.training.gradients import Gradients
from pellucid.training.recording import MAX_SUM_OF_SQUARES
from pellucid.training.state import ModelState

# Noise is selected by the step, and for the second, third, … pass of a step by the step plus multiples of this number.
PASS = 1 << 32

NOT_COMPUTED = "it was not computed; leave out needs_dx=False in forward(…)"


@dataclass(frozen=True, eq=False)
class Workspace:
    """An execution and the running statistics that it works on. One pass at a time uses it, until its backward pass."""

    execution: Execution
    statistics: Array


Pool = list[Workspace]


class Pullback:
    """The backward pass of one forward pass: ``gradients = pullback(dy)``.

    It may be called once, because the layers overwrite what they have kept. The parameters must still be those of the forward
    pass.
    """

    def __init__(self, state: ModelState, workspace: Workspace, pool: Pool, lender: Lender, n: int, shape: Any, needs_dx: bool):
        self._state, self._pool, self._lender = state, pool, lender
        self._workspace: Workspace | None = workspace
        self._samples, self._shape, self._needs_dx = n, shape, needs_dx
        self._steps = state.steps

    def __call__(self, dy: Any) -> Gradients:
        """Return the gradients of C for the upstream gradient ``dy`` = ∂C/∂y, in the shape of y.

        With several outputs, dy is a dictionary by output like y; with several inputs, ``gradients.x`` is one by input.

        C is any number that depends on y, such as the mean loss of the batch. Raises ConfigError for a second call and after
        an update of the model, ShapeError and DataError for an unsuitable ``dy``.
        """
        state, workspace = self._state, self._workspace
        if workspace is None:
            raise ConfigError(
                "this pullback has been called before: a backward pass overwrites what forward(…) has kept; call forward(…) "
                "again, or add the upstream gradients first and call the pullback once"
            )
        if state.steps != self._steps:
            raise ConfigError(
                "the model was updated between forward(…) and this pullback, which needs the parameters of its forward pass: "
                "call the pullbacks of all passes before update(…)"
            )
        upstream = _converted(dy, self._shape, workspace.execution)
        gradient = self._lender.vector()
        self._workspace = None  # also after an error: what was kept may be overwritten by then
        with np.errstate(all="ignore"), state.threads(self._samples).applied(state.kernels):
            dx = workspace.execution.backward(upstream, state.layout.views(gradient))
        x = unwrapped(dx.copy()) if self._needs_dx and dx is not None else None
        self._pool.append(workspace)
        return Gradients(state.layout, gradient, x, NOT_COMPUTED)

    def __del__(self) -> None:
        if getattr(self, "_workspace", None) is not None:  # a forward pass without its backward pass
            self._pool.append(self._workspace)  # type: ignore[arg-type]


def _converted(dy: Any, shape: Any, execution: Execution, name: str = "dy") -> Any:
    """Return the upstream gradient in memory of the execution, which backward may overwrite."""
    if isinstance(shape, dict):
        given = by_name(dy, tuple(shape), name, "output", DataError)
        return NamedArrays({key: _converted(given[key], one, execution, f"dy[{key!r}]") for key, one in shape.items()})
    if isinstance(dy, Mapping):
        raise DataError("dy is a dictionary, but the network has one output: give the array alone")
    array = numeric_array(dy, name, "pullback")
    if array.shape != shape:
        raise ShapeError(f"{name} is the gradient with respect to y: it must have the shape of y, {shape}, got {array.shape}")
    own = execution.buffer(name, shape)
    with np.errstate(over="ignore"):  # update() reports what is not finite
        own[...] = array
    return own


class OwnSteps:
    """The forward passes and the updates of one model, for loops that users write; see ``Model.forward`` and ``Model.update``.

    ``passes`` counts the forward passes in training mode since the last update: together with the number of the step, it
    selects their noise.
    """

    def __init__(self, state: ModelState):
        self.state = state
        self._pools: dict[tuple[bool, bool], Pool] = {}
        self._lender = Lender(lambda: state.layout.zeros(state.dtype))
        self._gradient: Array | None = None  # which an update overwrites
        self._steps, self._passes = state.steps, 0

    @property
    def passes(self) -> int:
        """The number of forward passes in training mode since the last update."""
        if self._steps != self.state.steps:
            self._steps, self._passes = self.state.steps, 0
        return self._passes

    @passes.setter
    def passes(self, count: int) -> None:
        self._steps, self._passes = self.state.steps, count

    def forward(self, x: Any, stage: Any, *, training: bool, logits: bool, needs_dx: bool) -> tuple[Any, Pullback]:
        """Return the outputs for x (n, *input shape), which has been checked, as a new array, and the pullback.

        In training mode the running statistics of the pass become the model's, unless they are not finite.
        """
        state, n = self.state, len(x)
        without_head = logits and state.body is not state.network
        pool = self._pools.setdefault((without_head, needs_dx), [])
        workspace = pool.pop() if pool else self._workspace(without_head, needs_dx)
        execution, statistics = workspace.execution, workspace.statistics
        own = execution.buffer("x", x.shape)
        batch = stage.transform(x, slice(0, n), own, state.kernels)
        if batch is not own:  # a view of the caller's array, which may change before the backward pass
            own[...] = batch
        statistics[:] = state.statistics
        number = state.steps + 1 + self.passes * PASS
        with np.errstate(all="ignore"), state.threads(n).applied(state.kernels):
            y = execution.forward(own, training=training, keep=True, step=number).copy()
        if training:
            self.passes += 1
            if np.isfinite(statistics).all():
                state.statistics[:] = statistics
        return unwrapped(y), Pullback(state, workspace, pool, self._lender, n, y.shape, needs_dx)

    def _workspace(self, without_head: bool, needs_dx: bool) -> Workspace:
        state = self.state
        plan = state.plan if without_head or state.body is state.network else fused(state.network)
        statistics = state.statistics.copy()
        return Workspace(state.execution(plan, statistics=statistics, needs_dx=needs_dx), statistics)

    def update(self, gradients: Gradients, learning_rate: float | None) -> None:
        """Make one step of the optimizer with the gradients, which are not changed.

        Raises ConfigError, ShapeError and DivergedError; nothing is changed then.
        """
        state = self.state
        if state.updater.rule.full_batch:
            raise ConfigError(
                f"update: {state.updater.rule} evaluates the loss of all samples in each step, so it cannot make a step from "
                "one gradient: use another rule, or fit(…)"
            )
        gradients = validate(gradients, Gradients, "update", "gradients")
        learning_rate = validate(learning_rate, NonNegative | None, "update", "learning_rate")
        if gradients.layout is not state.layout and gradients.layout.table() != state.layout.table():
            raise ShapeError("update: these are the gradients of a network with other parameters")
        step = state.steps + 1
        rate = state.updater.rate_outside(step) if learning_rate is None else learning_rate
        # Comparisons with NaN are false, too.
        if not state.kernels.sum_of_squares(gradients.parameters) <= MAX_SUM_OF_SQUARES:
            raise DivergedError(
                f"training diverged in step {step}: {_first_failure(state, gradients)}, at a learning rate of {rate:g}; "
                f"{CAUSES}. The parameters are those before this step."
            )
        if self._gradient is None:
            self._gradient = state.layout.zeros(state.dtype)
        self._gradient[:] = gradients.parameters
        with np.errstate(all="ignore"):
            state.updater.update(state.parameters, self._gradient, rate, step)
        state.steps = step


def _first_failure(state: ModelState, gradients: Gradients) -> str:
    """Describe the first parameter or gradient that is not finite, for a message."""
    for path, array in state.layout.arrays(state.parameters).items():
        if not np.isfinite(array).all():
            return f"the parameter {path} is the first that is not finite"
    for path, array in reversed(list(gradients.items())):
        if not np.isfinite(array).all():
            return f"the gradient of {path} is the first that is not finite"
    return f"the gradient has a norm of {np.linalg.norm(gradients.parameters.astype(np.float64)):.3g}, which is out of bounds"
