"""The loss surface of a training: the loss in a plane of the parameters, and the path that the training took across it.

The plane contains the current parameters. Its directions are the first two principal components of the path: those in which the
parameters moved most (Li et al., "Visualizing the Loss Landscape of Neural Nets", 2018, section 7). Between random directions
the path would hardly move, because random directions in a space of many dimensions are nearly orthogonal to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pellucid.core.memory import Array
from pellucid.data import Dataset
from pellucid.model.model import Model

SIZE = 25  # losses along each direction
MARGIN = 0.35  # of the extent of the path, on each side of it
LEAST_WIDTH = 0.3  # of the other side: a nearly straight path would leave a strip
MAX_POINTS = 64  # of a path; then every other one is dropped

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "identity": lambda z: z,
}


class Path:
    """The parameters at some of the steps of a training: at first all, then every second, fourth, … step.

    Which steps are kept depends on their number alone, not on the requests, so that the same training has the same path.
    """

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.parameters: list[Array] = []
        self._stride = 1

    def add(self, step: int, parameters: Array) -> None:
        """Keep the parameters after this step. Those with weights set by hand are added with the same step."""
        if step % self._stride:
            return
        if self.steps[-2:] == [step, step]:  # more weights set by hand: as if they were set together
            self.parameters[-1] = parameters.copy()
            return
        self.steps.append(step)
        self.parameters.append(parameters.copy())
        while len(self.steps) > MAX_POINTS and self._stride <= step:
            self._stride *= 2
            kept = [i for i, one in enumerate(self.steps) if one % self._stride == 0]
            self.steps = [self.steps[i] for i in kept]
            self.parameters = [self.parameters[i] for i in kept]


@dataclass(frozen=True)
class LossSurface:
    """Losses in a plane of the parameters.

    ``heights`` (SIZE, SIZE) is a grid over ``extent`` (left, right, bottom, top), in the units of the parameters; its rows are
    the second direction from bottom to top. ``path`` are the places of ``steps``; the last one is (0, 0), the current
    parameters. ``shares`` are the parts of the path's variance in each direction.
    """

    heights: Array
    extent: tuple[float, float, float, float]
    path: list[list[float]]
    steps: list[int]
    shares: list[float]


def loss_surface(model: Model, activation: str, data: Dataset, path: Path) -> LossSurface | None:
    """Return the loss of ``data`` around the path that ends at the current parameters.

    ``activation`` is the name of the one after each hidden layer. Returns None if the path has fewer than two directions, or
    leaves the finite numbers.
    """
    current = model.parameters.astype(np.float64)
    moves = np.array([*path.parameters, model.parameters], np.float64) - current
    if not np.isfinite(moves).all():
        return None
    _, sizes, directions = np.linalg.svd(moves, full_matrices=False)
    if len(sizes) < 2 or sizes[1] <= 1e-6 * max(sizes[0], 1e-6):
        return None
    plane = directions[:2]
    plane *= np.sign(plane[[0, 1], np.abs(plane).argmax(axis=1)])[:, None]  # the sign of a component is arbitrary: fix it
    places = moves @ plane.T
    extent = _extent(places)
    across, up = np.linspace(*extent[:2], SIZE), np.linspace(*extent[2:], SIZE)
    rows = [current + y * plane[1] + across[:, None] * plane[0] for y in up]
    heights = np.stack([_losses(model, activation, data, row.astype(np.float32)) for row in rows])
    heights = np.nan_to_num(heights, nan=np.nanmax(heights))
    shares = np.square(sizes[:2]) / np.square(sizes).sum()
    steps = [*path.steps, max(path.steps)]
    return LossSurface(heights, extent, places.tolist(), steps, shares.tolist())


def _extent(places: Array) -> tuple[float, float, float, float]:
    low, high = places.min(axis=0), places.max(axis=0)
    width = high - low
    half = (0.5 + MARGIN) * np.maximum(width, LEAST_WIDTH * width.max())
    left, bottom = (low + high) / 2 - half
    right, top = (low + high) / 2 + half
    return float(left), float(right), float(bottom), float(top)


def _losses(model: Model, activation: str, data: Dataset, parameters: Array) -> Array:
    """Return the loss with each of these vectors of parameters (sets, parameters): (sets). Losses that are not finite are NaN.

    The sets are computed together, by NumPy: one pass of the network for each would take most of its time to begin and end.
    """
    places = model.state.layout.arrays(np.arange(parameters.shape[1]))  # of each weight in the vector
    layers = len(places) // 2
    y: Array = data.x
    with np.errstate(all="ignore"):
        for layer in range(1, layers + 1):
            W, b = (parameters[:, places[f"dense{layer}.{name}"]] for name in "Wb")
            z = y @ W + b[:, None]
            y = ACTIVATIONS[activation](z)
        if not data.classes:
            losses = np.square(z[..., 0] - data.y).mean(axis=1)
        else:
            z -= z.max(axis=2, keepdims=True)
            of_labels = np.take_along_axis(z, np.broadcast_to(data.y[:, None], (len(z), len(data), 1)), axis=2)[..., 0]
            losses = (np.log(np.exp(z).sum(axis=2)) - of_labels).mean(axis=1)
    return np.where(np.isfinite(losses), losses, np.nan).astype(np.float32)
