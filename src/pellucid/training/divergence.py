"""The doctor: runs a batch again, layer by layer, to name the first thing that is not finite."""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import DivergedError
from pellucid.training.parts import Parts
from pellucid.training.step import GradientStep

HUGE = 1e6  # outputs and gradients beyond this come of a step that went wrong, infinite or not

CAUSES = (
    "the usual causes: a learning rate that is too high (try a tenth), weights that start too large, inputs that are not "
    "scaled; ClipNorm(1.0) before the rule bounds a step"
)


def culprit(parts: Parts, x: Array, targets: Array, weights: Array, step: int) -> str:
    """The first layer whose output, or behind it gradient, has NaN or infinity: "the output of dense2 is the first …"."""
    found: list[str] = []
    huge: list[str] = []

    def watch(path: str, what: str, array: Array) -> None:
        largest = float(np.abs(array).max(initial=0))
        if not huge and largest > HUGE:
            huge.append(f"the {what} of {path} is the first out of bounds (up to {largest:.0e})")
        if not found and not np.isfinite(array).all():
            found.append(f"the {what} of {path}" if what == "output" else f"the gradient that reaches {path}")

    for path, array in parts.layout.arrays(parts.theta).items():
        if not np.isfinite(array).all():
            return f"the parameter {path} is the first that is not finite"
    again = GradientStep(parts, plan=parts.body, observer=watch)
    with np.errstate(all="ignore"):
        loss = again(parts.p, x, targets, weights, step)
    if not found and not np.isfinite(loss):
        found.append("the loss")
    for path, array in reversed(parts.layout.arrays(again.gradient).items()):
        if not found and not np.isfinite(array).all():
            found.append(f"the gradient of {path}")
    if found:
        return f"{found[0]} is the first that is not finite"
    return huge[0] if huge else f"the loss of {loss:.3g} is out of bounds"


def diverged(parts: Parts, where: str, rate: float, x: Array, targets: Array, weights: Array, step: int) -> DivergedError:
    """The error for a step whose loss or gradient is not finite; nothing has been updated."""
    first = culprit(parts, x, targets, weights, step)
    return DivergedError(
        f"training diverged in {where}: {first}, at a learning rate of {rate:g}; {CAUSES}. "
        "The parameters are those before this step."
    )
