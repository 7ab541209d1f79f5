"""Where descents end: Newton's way to the place where the gradient is zero, and whether that is a minimum."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from pellucid.core.memory import Array

Cost = Callable[[Mapping[str, Array]], tuple[float, Mapping[str, Array]]]
H = 1e-5  # of the differences of gradients: both errors are near 1e-10


@dataclass(frozen=True)
class End:
    """The weights by path, the loss there, the gradient's length, and the least eigenvalue of the matrix of second
    derivatives: above zero, the loss is curved upwards in every direction."""

    weights: dict[str, Array]
    loss: float
    slope: float
    curvature: float


def settled(cost: Cost, weights: Mapping[str, Array], steps: int = 100) -> End:
    """From ``weights`` by damped Newton steps θ ← θ − (H + λ1)⁻¹ ∇C, each taken only where the loss does not rise, λ large
    enough that they lead down. ``cost`` gives the loss and its gradient by path, in float64; the weights are few."""
    names, cuts = list(weights), np.cumsum([value.size for value in weights.values()])[:-1]

    def apart(theta: Array) -> dict[str, Array]:
        return {name: part.reshape(weights[name].shape) for name, part in zip(names, np.split(theta, cuts), strict=True)}

    def at(theta: Array) -> tuple[float, Array]:
        loss, gradient = cost(apart(theta))
        return loss, np.concatenate([gradient[name].ravel() for name in names])

    theta, damping = np.concatenate([value.ravel() for value in weights.values()]).astype(float), 1e-3
    loss, g = at(theta)
    for _ in range(steps):
        rows = np.stack([(at(theta + h)[1] - at(theta - h)[1]) / (2 * H) for h in H * np.eye(len(theta))])
        hessian = (rows + rows.T) / 2
        curvature = float(np.linalg.eigvalsh(hessian)[0])
        if np.linalg.norm(g) < 1e-9:
            break
        step = np.linalg.solve(hessian + (damping + max(0.0, -2 * curvature)) * np.eye(len(theta)), g)
        lower, there = at(theta - step)
        if lower <= loss:
            loss, g, theta, damping = lower, there, theta - step, damping / 5
        else:
            damping *= 4
    return End(apart(theta), loss, float(np.linalg.norm(g)), curvature)
