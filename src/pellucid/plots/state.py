"""The state of a network for one input: which lines carry what, from one layer to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import DataError
from pellucid.plots.style import BLUE, GREY, described, figure, listed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RED = "#C8102E"
Layers = Sequence[tuple[Array, Array]]  # (activations of the layer before, its weights to the next (i, o))


def network_state(panels: Mapping[str, tuple[Layers, Array]], names: Sequence[str]) -> Figure:
    """One drawing for each title: layers as (activations (i), weights (i, o)), and the outputs (k), called ``names``. Lines
    are red for positive weights and blue and dashed for negative ones, as opaque as the neuron before is active; of layers
    with more lines than can be seen only the strongest are drawn. Circles are darker the more active they are."""
    if not panels:
        raise DataError("there is no state to draw")
    made, axes = figure(3.1 * len(panels), 3.6, len(panels))
    for ax, (title, (layers, outputs)) in zip(axes, panels.items(), strict=True):
        columns = [np.asarray(before, float) for before, _ in layers] + [np.asarray(outputs, float)]
        for x, (before, weights) in enumerate(layers):
            _lines(ax, x, np.asarray(before, float), np.asarray(weights, float))
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
    said = listed(f"{title}: {names[int(np.argmax(out))]} with {100 * np.max(out):.0f} %" for title, (_, out) in panels.items())
    return described(made, f"The state of a network, lines red for positive and blue for negative weights. {said}.")


def _heights(n: int) -> Array:
    return np.linspace(1, 0, n) if n > 1 else np.array([0.5])


def _lines(ax: Any, x: int, before: Array, weights: Array, most: int = 80) -> None:
    """Those lines whose weight times activation is largest."""
    carried = np.abs(weights * before[:, None])
    active = np.abs(before) / max(np.abs(before).max(), 1e-9)
    left, right = _heights(weights.shape[0]), _heights(weights.shape[1])
    for flat in np.argsort(carried, axis=None)[-most:]:
        i, j = np.unravel_index(flat, weights.shape)
        positive = weights[i, j] >= 0
        width = 0.4 + 1.8 * abs(weights[i, j]) / max(np.abs(weights).max(), 1e-9)
        ax.plot(
            [x, x + 1],
            [left[i], right[j]],
            color=RED if positive else BLUE,
            alpha=float(active[i]),
            linewidth=width,
            linestyle="-" if positive else (0, (3, 2)),
            zorder=1,
        )
