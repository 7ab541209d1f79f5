"""Distributions of the values in each layer: histograms of activations or of weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import DataError
from pellucid.model.activations import activations
from pellucid.model.model import Model
from pellucid.plots.style import BLUE, VERMILION, blank_figure, grid_size, join_names, legend_label, with_alt

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 4
Histogram = Mapping[str, Sequence[float]]  # "edges" (k + 1) and "shares" (k), the fractions, which add up to 1


def histogram(values: Array, low: float, high: float, bins: int = 40) -> dict[str, list[float]]:
    """Return a histogram: the fractions of the values in bins of equal width from ``low`` to ``high``, and the bin edges.

    Values outside this range are counted in the first or the last bin.
    """
    counts, edges = np.histogram(np.clip(values, low, high), bins, (low, high))
    return {"edges": edges.round(4).tolist(), "shares": (counts / max(values.size, 1)).round(5).tolist()}


def histograms(rows: Mapping[str, Mapping[str, Mapping[str, Histogram]]], xlabel: str) -> Figure:
    """Draw a grid of histograms made by :func:`histogram`.

    ``rows`` has for each row (a network) and column (a layer) one or two histograms by name: the first is filled in blue, the
    second a vermilion line. Each panel has its own vertical scale, so that shapes can be compared. Raises DataError if there
    are no histograms.
    """
    if not rows or not all(rows.values()):
        raise DataError("there are no histograms to draw")
    column_count = len(next(iter(rows.values())))
    figure, axes = blank_figure(1.55 * column_count + 0.9, 1.15 * len(rows) + 0.6, column_count, len(rows))
    for i, (row, panels) in enumerate(rows.items()):
        for j, (column, named) in enumerate(panels.items()):
            ax = axes[i * column_count + j]
            for k, (name, values) in enumerate(named.items()):
                _draw_histogram(ax, values, name, filled=k == 0)
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
        figure.legend(handles, labels, loc="outside upper center", ncols=2, fontsize=8)
    figure.supxlabel(xlabel, fontsize=9)
    columns = dict.fromkeys(column for panels in rows.values() for column in panels)
    names = f" ({join_names(labels)})" if len(labels) > 1 else ""
    text = f"Histograms of {xlabel}{names}: rows are {join_names(rows)}; columns are {join_names(columns)}."
    return with_alt(figure, text)


def activation_histograms(model: Model, x: Array, bins: int = 40) -> Figure:
    """Draw a histogram of the outputs of every layer, over all units and over the samples ``x`` (n, *input shape).

    The titles contain mean, standard deviation, and the percentage of zeros if it is at least 0.5 %. The range of a histogram
    excludes the lowest and the highest 0.1 % of the values, which are counted in the first and the last bin. Raises DataError
    if there are no samples, and whatever ``predict`` raises.
    """
    if not len(x):
        raise DataError("activation_histograms needs at least one sample")
    outputs = activations(model, x)
    column_count, row_count = grid_size(len(outputs), COLUMNS)
    figure, axes = blank_figure(2.2 * column_count + 0.4, 1.75 * row_count + 0.4, column_count, row_count)
    descriptions = []
    for ax, (path, values) in zip(axes, outputs.items(), strict=False):
        low, high = np.quantile(values, [0.001, 0.999])
        bars = histogram(values, float(low), float(high) if high > low else float(low) + 1.0, bins)
        ax.stairs(np.multiply(bars["shares"], 100), bars["edges"], fill=True, color=BLUE, alpha=0.55)
        zeros = float((values == 0).mean())
        statistics = f"{values.mean():.2g} ± {values.std():.2g}" + (f", {100 * zeros:.0f} % are 0" if zeros >= 0.005 else "")
        ax.axvline(values.mean(), color=VERMILION, linestyle="--", linewidth=1.2)
        ax.set_title(f"{path}\n{statistics}", fontsize=8)
        descriptions.append(f"{path} {statistics}")
    for ax in axes[len(outputs) :]:
        ax.set_visible(False)
    figure.supxlabel("Output of a unit (dashed: mean)", fontsize=9)
    figure.supylabel("Fraction (%)", fontsize=9)
    text = f"Histograms of the outputs of each layer over {len(x):,} samples, with mean and standard deviation: "
    return with_alt(figure, f"{text}{join_names(descriptions, 12)}.")


def _draw_histogram(ax: Any, values: Histogram, name: str, *, filled: bool) -> None:
    color, alpha = (BLUE, 0.55) if filled else (VERMILION, 1)
    ax.stairs(values["shares"], values["edges"], fill=filled, color=color, alpha=alpha, linewidth=1.3, label=legend_label(name))
