"""How the numbers of each layer are spread: histograms of what its units put out, or of weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import DataError
from pellucid.model.activations import activations
from pellucid.model.model import Model
from pellucid.plots.style import BLUE, VERMILION, described, figure, listed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 4
Histogram = Mapping[str, Sequence[float]]  # "edges" (k + 1) and "shares" (k), which add up to 1


def histogram(values: Array, low: float, high: float, bins: int = 40) -> dict[str, list[float]]:
    """The shares of the numbers in equal bins from ``low`` to ``high``; what is outside goes to the first and the last."""
    counts, edges = np.histogram(np.clip(values, low, high), bins, (low, high))
    return {"edges": edges.round(4).tolist(), "shares": (counts / max(values.size, 1)).round(5).tolist()}


def densities(rows: Mapping[str, Mapping[str, Mapping[str, Histogram]]], xlabel: str) -> Figure:
    """``rows`` has for each row (a network) and column (a layer) one or two histograms by name, as :func:`histogram` makes
    them: the first filled in blue, the second a vermilion line. Each panel has its own height: shapes are compared."""
    if not rows or not all(rows.values()):
        raise DataError("there are no histograms to draw")
    columns = len(next(iter(rows.values())))
    made, axes = figure(1.55 * columns + 0.9, 1.15 * len(rows) + 0.6, columns, len(rows))
    for i, (row, cells) in enumerate(rows.items()):
        for j, (column, named) in enumerate(cells.items()):
            ax = axes[i * columns + j]
            for k, (name, one) in enumerate(named.items()):
                _stairs(ax, one, name, filled=k == 0)
            ax.set_yticks([])
            ax.set_ylim(bottom=0)
            ax.grid(False)
            ax.tick_params(labelsize=7)
            if i == 0:
                ax.set_title(column, fontsize=9)
            if j == 0:
                ax.set_ylabel(row, fontsize=8, rotation=0, ha="right", va="center")
    handles, labels = axes[0].get_legend_handles_labels()
    if len(labels) > 1:
        made.legend(handles, labels, loc="outside upper center", ncols=2, fontsize=8)
    made.supxlabel(xlabel, fontsize=9)
    across = dict.fromkeys(column for cells in rows.values() for column in cells)
    drawn = f" ({listed(labels)})" if len(labels) > 1 else ""
    return described(made, f"Histograms of {xlabel}{drawn}: rows are {listed(rows)}; columns are {listed(across)}.")


def activation_densities(model: Model, x: Array, bins: int = 40) -> Figure:
    """How the outputs of every layer are spread over the samples ``x`` (n, *input shape) and its units: a histogram each,
    with mean, standard deviation and, where there are any, the share of zeros. The 0.1 % at either end are left out of the
    width, and counted in the last bins. Raises what ``predict`` does, and DataError for no samples."""
    if not len(x):
        raise DataError("there are no samples whose activations could be drawn")
    outputs = activations(model, x)
    across = min(COLUMNS, len(outputs))
    down = -(-len(outputs) // across)
    made, axes = figure(2.2 * across + 0.4, 1.75 * down + 0.4, across, down)
    said = []
    for ax, (path, values) in zip(axes, outputs.items(), strict=False):
        low, high = np.quantile(values, [0.001, 0.999])
        one = histogram(values, float(low), float(high) if high > low else float(low) + 1.0, bins)
        ax.stairs(np.multiply(one["shares"], 100), one["edges"], fill=True, color=BLUE, alpha=0.55)
        zeros = float((values == 0).mean())
        figures = f"{values.mean():.2g} ± {values.std():.2g}" + (f", {100 * zeros:.0f} % are 0" if zeros >= 0.005 else "")
        ax.axvline(values.mean(), color=VERMILION, linestyle="--", linewidth=1.2)
        ax.set_title(f"{path}\n{figures}", fontsize=8)
        ax.tick_params(labelsize=7)
        said.append(f"{path} {figures}")
    for ax in axes[len(outputs) :]:
        ax.set_visible(False)
    made.supxlabel("output of a unit (mean dashed)", fontsize=9)
    made.supylabel("share (%)", fontsize=9)
    text = f"Histograms of what each layer puts out over {len(x):,} samples, mean and standard deviation: {listed(said, 12)}."
    return described(made, text)


def _stairs(ax: Any, one: Histogram, name: str, *, filled: bool) -> None:
    color = BLUE if filled else VERMILION
    ax.stairs(one["shares"], one["edges"], fill=filled, color=color, alpha=0.55 if filled else 1, linewidth=1.3, label=name)
