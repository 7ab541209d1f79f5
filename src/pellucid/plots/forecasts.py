"""The error of forecasts by the step of the horizon."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ShapeError
from pellucid.plots.style import BLUE, GREEN, GREY, VERMILION, blank_figure, legend_label, with_alt

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_TARGETS = 6  # that are drawn
STYLES: tuple[dict[str, Any], ...] = (
    {"color": BLUE, "marker": "o"},
    {"color": GREY, "marker": "^", "linestyle": ":"},
    {"color": VERMILION, "marker": "s", "linestyle": "--"},
    {"color": GREEN, "marker": "D", "linestyle": "-."},
)


def forecast_errors(errors: Mapping[str, Array], targets: Sequence[str], title: str = "") -> Figure:
    """Draw the mean absolute error over the step of the horizon, in one panel for each target and one curve for each method.

    ``errors`` has for each method, the model first, an array (horizon, k), in the units of the k ``targets``, of which at most
    the first six are drawn. Raises ShapeError if the arrays differ in shape or have other numbers of targets.
    """
    arrays = {name: np.asarray(error, float) for name, error in errors.items()}
    shapes = {array.shape for array in arrays.values()}
    if len(shapes) != 1 or len(shape := shapes.pop()) != 2 or shape[1] != len(targets) or not shape[0]:
        got = {name: array.shape for name, array in arrays.items()}
        raise ShapeError(f"errors must be arrays (horizon, {len(targets)}) of one shape, a column for each target; got {got}")
    shown = list(targets)[:MAX_TARGETS]
    figure, axes = blank_figure(4.2 * len(shown) + 0.4, 3.6, len(shown))
    steps = np.arange(1, shape[0] + 1)
    for i, (ax, target) in enumerate(zip(axes, shown, strict=True)):
        for (name, array), style in zip(arrays.items(), itertools.cycle(STYLES), strict=False):
            ax.plot(steps, array[:, i], label=legend_label(name), markersize=4, **style)
        ax.set_title(target)
        ax.set_xlabel("Rows ahead")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.set_ylim(bottom=0)
    axes[0].set_ylabel("Mean absolute error (unit of the target)")
    axes[0].legend()
    if title:
        figure.suptitle(title)
    texts = [
        f"{target}: " + ", ".join(f"{name} {array[0, i]:.4g} to {array[-1, i]:.4g}" for name, array in arrays.items())
        for i, target in enumerate(shown)
    ]
    return with_alt(figure, f"Mean absolute error from the first to the last of {shape[0]} steps. {'; '.join(texts)}.")
