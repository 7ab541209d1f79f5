"""Diverged training: the error that names the first layer whose output or gradient is not finite."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import DivergedError
from pellucid.training.state import ModelState
from pellucid.training.step import GradientStep

OUT_OF_BOUNDS = 1e6  # outputs and gradients beyond this are signs of divergence, even where they are finite

CAUSES = (
    "the usual causes: a learning rate that is too high (try a tenth), initial weights that are too large, inputs that are not "
    "scaled; ClipNorm(1.0) before the rule bounds a step"
)
CAUSES_AT_START = "the usual causes: initial weights that are too large, inputs or targets that are not scaled"


def divergence_error(
    state: ModelState, where: str, learning_rate: float, x: Any, targets: Any, weights: Any, step: int
) -> DivergedError:
    """Return the error for a step whose loss or gradient is not finite or too large, before the model is updated.

    x, targets and weights are the batch, ``step`` is the number of the step, ``where`` its place in the training.
    """
    first = first_failure(state, x, targets, weights, step)
    return DivergedError(
        f"training diverged in {where}: {first}, at a learning rate of {learning_rate:g}; {CAUSES}. "
        "The parameters are those before this step."
    )


def error_at_start(state: ModelState, x: Any, targets: Any, weights: Any, step: int) -> DivergedError:
    """Return the error for a training that begins with a loss or gradient that is not finite or too large on these samples."""
    return DivergedError(f"training cannot begin: {first_failure(state, x, targets, weights, step)}; {CAUSES_AT_START}.")


def first_failure(state: ModelState, x: Any, targets: Any, weights: Any, step: int) -> str:
    """Run the batch again, layer by layer, and describe the first parameter, output or gradient that is not finite."""
    failures: list[str] = []
    too_large: list[str] = []
    of_loss: list[str] = []  # where the gradient of the loss, which reaches the last layer, is largest

    def observer(path: str, what: str, array: Array) -> None:
        if what == "gradient" and not of_loss:
            of_loss.append(_place(array, state))
        largest = float(np.abs(array).max())
        if not too_large and largest > OUT_OF_BOUNDS:
            too_large.append(f"the {what} of {path} is the first out of bounds (up to {largest:.0e}{_place(array, state)})")
        if not failures and not np.isfinite(array).all():
            where = f"the {what} of {path}" if what == "output" else f"the gradient that reaches {path}"
            failures.append(where + _place(array, state))

    for path, array in state.layout.arrays(state.parameters).items():
        if not np.isfinite(array).all():
            return f"the parameter {path} is the first that is not finite"
    repeated = GradientStep(state, plan=state.body, observer=observer)
    with np.errstate(all="ignore"):
        loss = repeated(x, targets, weights, step)
    place = of_loss[0] if of_loss else ""
    if not failures and not np.isfinite(loss):
        means = repeated.mean if isinstance(repeated.mean, dict) else {}
        output = next((f" of the output {name!r}" for name, mean in means.items() if not np.isfinite(mean)), place)
        failures.append(f"the loss{output}")
    for path, array in reversed(state.layout.arrays(repeated.gradient).items()):
        if not failures and not np.isfinite(array).all():
            failures.append(f"the gradient of {path}")
    if failures:
        comma = "," if ", in sample " in failures[0] else ""
        return f"{failures[0]}{comma} is the first that is not finite"
    return too_large[0] if too_large else f"the loss of {loss:.3g} is out of bounds{place}"


def _place(array: Array, state: ModelState) -> str:
    """Return the sample and the position of the first value that is not finite, or of the largest, in words.

    The result is empty for a network that ends in a vector, and for an ``array`` (n, k) without positions.
    """
    if not state.output.positions or array.ndim < 3:
        return ""
    sizes = np.nan_to_num(np.abs(array), nan=np.inf)
    sample, *position, _ = (int(i) for i in np.unravel_index(int(sizes.argmax()), array.shape))
    return f", in sample {sample} of the batch at position {', '.join(map(str, position))}"
