"""The state of a network for one input: the activation of each neuron, and the weights that connect active neurons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import DataError
from pellucid.plots.style import BLUE, GREY, blank_figure, join_names, with_alt

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RED = "#C8102E"
MAX_LINES = 80  # per layer
Layers = Sequence[tuple[Array, Array]]  # (activations of a layer (i), weights to the next layer (i, o))


def network_state(panels: Mapping[str, tuple[Layers, Array]], names: Sequence[str]) -> Figure:
    """Draw a network for each title in ``panels``: its layers as (activations (i), weights (i, o)), and its outputs (k).

    Lines are red for positive weights, blue and dashed for negative ones; a line is more opaque the more active the neuron
    before it is. Of large layers only the lines with the largest products of weight and activation are drawn. A circle is
    darker the more active its neuron is. ``names`` (k) are the names of the outputs. Raises DataError if there are no panels.
    """
    if not panels:
        raise DataError("there is no network state to draw")
    figure, axes = blank_figure(3.1 * len(panels), 3.6, len(panels))
    for ax, (title, (layers, outputs)) in zip(axes, panels.items(), strict=True):
        columns = [np.asarray(activations, float) for activations, _ in layers] + [np.asarray(outputs, float)]
        for x, (activations, weights) in enumerate(layers):
            _draw_lines(ax, x, np.asarray(activations, float), np.asarray(weights, float))
        for x, values in enumerate(columns):
            shades = np.abs(values) / max(np.abs(values).max(), 1e-9)
            ax.scatter(
                np.full(len(values), x),
                _heights(len(values)),
                s=90,
                zorder=3,
                edgecolor=GREY,
                linewidth=0.8,
                color=[str(1 - 0.8 * shade) for shade in shades],
            )
        for height, name, value in zip(_heights(len(outputs)), names, outputs, strict=True):
            ax.text(len(columns) - 0.82, height, f"{name}  {100 * value:.0f} %", va="center", fontsize=8)
        ax.set_xlim(-0.3, len(columns) - 0.1)
        ax.set_title(title, fontsize=9)
        ax.set_axis_off()
    predictions = join_names(
        f"{title}: {names[int(np.argmax(outputs))]} with {100 * np.max(outputs):.0f} %"
        for title, (_, outputs) in panels.items()
    )
    text = f"The state of a network, lines red for positive and blue for negative weights. {predictions}."
    return with_alt(figure, text)


def _heights(n: int) -> Array:
    """Return the vertical positions (n) of the neurons of a layer."""
    return np.linspace(1, 0, n) if n > 1 else np.array([0.5])


def _draw_lines(ax: Any, x: int, activations: Array, weights: Array) -> None:
    """Draw the lines with the largest products of weight and activation."""
    products = np.abs(weights * activations[:, None])
    opacities = np.abs(activations) / max(np.abs(activations).max(), 1e-9)
    left, right = _heights(weights.shape[0]), _heights(weights.shape[1])
    for flat in np.argsort(products, axis=None)[-MAX_LINES:]:
        i, j = np.unravel_index(flat, weights.shape)
        positive = weights[i, j] >= 0
        width = 0.4 + 1.8 * abs(weights[i, j]) / max(np.abs(weights).max(), 1e-9)
        ax.plot(
            [x, x + 1],
            [left[i], right[j]],
            color=RED if positive else BLUE,
            alpha=float(opacities[i]),
            linewidth=width,
            linestyle="-" if positive else (0, (3, 2)),
            zorder=1,
        )
