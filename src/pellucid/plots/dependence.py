"""Partial dependence: the predictions over the values of a column, for each row and on average."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.data.tables.dates import iso_date
from pellucid.errors import DataError
from pellucid.explain.dependence import PartialDependence
from pellucid.explain.tables import MISSING
from pellucid.plots.importance import shortened
from pellucid.plots.seeds import LINE_STYLES
from pellucid.plots.style import (
    BLUE,
    GREY,
    blank_figure,
    few_ticks,
    grid_size,
    join_names,
    legend_label,
    name_dates,
    with_alt,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 2
MAX_CURVES = 60  # of single rows that are drawn
MAX_CATEGORIES = 12  # that are drawn, the most frequent ones
MAX_TICKS = 400  # of observed values


def partial_dependence(found: Sequence[PartialDependence], title: str = "") -> Figure:
    """Draw one panel for each column: thin grey curves for single rows (at most 60), and their mean over all rows in blue.

    Categories have a dot for each row instead of a curve, as has a missing number, at the right of the curves. The ticks above
    the axis of numbers are the values in the rows. With more than two classes, only the mean curve of each class is drawn.
    Raises DataError if there is nothing to draw.
    """
    if not found or not all(len(one.curves) for one in found):
        raise DataError("there is no partial dependence to draw")
    column_count, row_count = grid_size(len(found), COLUMNS)
    figure, axes = blank_figure(4.2 * column_count + 0.4, 3.1 * row_count + 0.4, column_count, row_count)
    outputs = found[0].outputs
    for ax, one in zip(axes, found, strict=False):
        (_draw_classes if len(one.outputs) > 1 else _draw_rows)(ax, one)
        ax.set_xlabel(shortened(one.column))
    for ax in axes[len(found) :]:
        ax.set_visible(False)
    for i in range(0, len(found), column_count):
        label = "Predicted value" if outputs == ("prediction",) else "Probability"
        axes[i].set_ylabel(f"{label} of {shortened(outputs[0])}" if len(outputs) == 1 and label == "Probability" else label)
    limits = [ax.get_ylim() for ax in axes[: len(found)]]
    for ax in axes[: len(found)]:  # the same scale, so that effects can be compared
        few_ticks(ax.yaxis)
        ax.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
    entries: dict[str, Any] = {}
    for ax in axes[: len(found)]:
        entries = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True)) | entries
    figure.legend(entries.values(), entries.keys(), loc="outside upper center", ncols=min(4, len(entries)), fontsize=8)
    if title:
        figure.suptitle(title)
    texts = [f"{one.column}: {_described(one)}" for one in found]
    return with_alt(figure, f"Partial dependence of the predictions for {len(found[0].curves):,} rows. {'; '.join(texts)}.")


def _draw_rows(ax: Any, one: PartialDependence) -> None:
    chosen = np.linspace(0, len(one.curves) - 1, min(MAX_CURVES, len(one.curves))).astype(int)
    curves, mean = one.curves[chosen, :, 0], one.average[:, 0]
    if isinstance(one.values, np.ndarray):
        lines = ax.plot(one.values, curves.T, color=GREY, linewidth=0.6, alpha=0.35)
        lines[0].set_label("Single rows")
        marker = "o" if len(one.values) <= 10 else ""
        ax.plot(one.values, mean, color=BLUE, linewidth=2.5, marker=marker, markersize=5, label="Mean over the rows")
        _draw_observed(ax, one)
        if one.missing is not None:
            place, width = _name_missing(ax, one.values)
            _draw_dots(ax, place, width, one.missing[chosen, 0], one.missing[:, 0].mean())
        return
    shown = min(MAX_CATEGORIES, len(one.values))
    for k in range(shown):
        _draw_dots(ax, k, 0.7, curves[:, k], mean[k], labelled=k == 0)
    _name_categories(ax, one.values[:shown])


def _draw_dots(ax: Any, place: float, width: float, dots: Array, mean: float, labelled: bool = False) -> None:
    """Draw a dot for each row beside each other, and a bar at their mean."""
    places = place + width * np.linspace(-0.36, 0.36, len(dots))
    of_rows, of_mean = ("Single rows", "Mean over the rows") if labelled else (None, None)
    ax.plot(places, dots, color=GREY, linestyle="", marker="o", markersize=2, alpha=0.45, label=of_rows)
    ax.plot([place - width / 2, place + width / 2], [mean, mean], color=BLUE, linewidth=2.5, label=of_mean)


def _draw_classes(ax: Any, one: PartialDependence) -> None:
    shown = min(MAX_CATEGORIES, len(one.values))
    sides = np.linspace(-0.5, 0.5, min(len(one.outputs), len(LINE_STYLES)) + 2)[1:-1]  # so that no marker hides another one
    for i, name in enumerate(one.outputs[: len(LINE_STYLES)]):
        color, dash, marker = LINE_STYLES[i]
        mean, label = one.average[:, i], legend_label(shortened(name))
        if isinstance(one.values, np.ndarray):
            style = {"marker": marker, "markersize": 6, "markevery": max(1, len(one.values) // 6)}
            ax.plot(one.values, mean, color=color, linestyle=dash, label=label, **style)
        else:
            places = np.arange(shown) + sides[i] / 2
            ax.plot(places, mean[:shown], color=color, linestyle="", marker=marker, markersize=6, label=label)
    if isinstance(one.values, np.ndarray):
        _draw_observed(ax, one)
        if one.average_missing is not None:
            place, width = _name_missing(ax, one.values)
            for i, mean in enumerate(one.average_missing[: len(LINE_STYLES)]):
                color, _, marker = LINE_STYLES[i]
                ax.plot(place + width * sides[i], mean, color=color, linestyle="", marker=marker, markersize=6)
    else:
        _name_categories(ax, one.values[:shown])


def _name_missing(ax: Any, values: Array) -> tuple[float, float]:
    """Return the place and the width of what is drawn for a missing number, at the right of the curves, and name it."""
    low, high = float(values[0]), float(values[-1])
    width = 0.12 * ((high - low) or 1.0)
    place = high + 1.25 * width
    ax.axvline(high + 0.5 * width, color=GREY, linewidth=0.8, linestyle=":")
    ax.set_xlim(low - 0.3 * width, place + 0.8 * width)
    ax.set_xticks([tick for tick in ax.get_xticks() if low <= tick <= high])
    ax.set_xticks([place], [MISSING], minor=True)
    ax.tick_params(axis="x", which="minor", length=0, pad=16)
    return place, width


def _draw_observed(ax: Any, one: PartialDependence) -> None:
    """Draw a tick for each observed number in the range of the curves."""
    assert isinstance(one.values, np.ndarray)
    seen = np.asarray(one.observed, np.float64)
    seen = seen[(seen >= one.values[0]) & (seen <= one.values[-1])]
    seen = seen[np.linspace(0, len(seen) - 1, min(MAX_TICKS, len(seen))).astype(int)] if len(seen) else seen
    place = ax.get_xaxis_transform()
    style = {"color": GREY, "linestyle": "", "marker": "|", "markersize": 5, "alpha": 0.6, "transform": place}
    ax.plot(seen, np.full(len(seen), 0.02), label="Values in the rows", **style)
    if one.days:
        name_dates(ax.xaxis)
    else:
        few_ticks(ax.xaxis)


def _name_categories(ax: Any, names: Sequence[str]) -> None:
    short = sum(map(len, names)) <= 30
    ax.set_xticks(
        range(len(names)), [shortened(name) for name in names], rotation=0 if short else 45, ha="center" if short else "right"
    )
    ax.set_xlim(-0.6, len(names) - 0.4)
    ax.grid(False, axis="x")


def _described(one: PartialDependence) -> str:
    parts = []
    for i, output in enumerate(one.outputs[:4]):
        mean = one.average[:, i]
        of = "" if len(one.outputs) == 1 else f"{output} "
        if isinstance(one.values, np.ndarray):
            low, high = (iso_date(end) if one.days else f"{end:.4g}" for end in (one.values[0], one.values[-1]))
            missing = "" if one.average_missing is None else f" and {one.average_missing[i]:.4g} if missing"
            parts.append(f"{of}mean from {mean[0]:.4g} at {low} to {mean[-1]:.4g} at {high}{missing}")
        else:
            parts.append(of + join_names((f"{name} {value:.4g}" for name, value in zip(one.values, mean, strict=True)), 12))
    return ", ".join(parts)
