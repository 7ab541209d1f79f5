"""Curves of several runs: the median over the random seeds as a line, the range as a band."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pellucid.errors import DataError
from pellucid.plots.style import BLUE, GREEN, GREY, VERMILION, blank_figure, join_names, legend_label, with_alt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINE_STYLES = (  # color, dash, marker
    (BLUE, "-", "o"),
    (VERMILION, "--", "s"),
    (GREEN, "-.", "^"),
    (GREY, ":", "D"),
    ("#CC79A7", "-", "v"),
    ("#56B4E9", "--", "P"),
    ("#000000", "-.", "*"),
    ("#E69F00", ":", "X"),
)
MAX_MARKERS = 20  # longer curves have no markers
Runs = Sequence[Sequence[float | None]]  # one curve for each seed; None is a missing value


def over_seeds(
    panels: Mapping[str, Mapping[str, Runs]],
    x: Sequence[float],
    xlabel: str,
    *,
    log: Collection[str] = (),
    log_x: bool = False,
    marks: Mapping[str, float] | None = None,
) -> Figure:
    """Draw curves of several runs, in one panel for each y-axis label of ``panels``.

    A panel maps each name to the curves of all seeds over ``x``. Each name has its own color, dash and marker, the same in
    all panels. Panels in ``log`` have a logarithmic y-axis, and ``log_x`` makes the x-axis logarithmic. ``marks`` maps the
    label of a vertical line to its position. Raises DataError if there are no curves.
    """
    if not panels or not all(panels.values()):
        raise DataError("there are no curves to draw")
    sentences = ["Curves of several runs."]
    figure, axes = blank_figure(4.4 * len(panels) + 0.4, 3.5, len(panels))
    names = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    for ax, (ylabel, curves) in zip(axes, panels.items(), strict=True):
        descriptions = []
        for name, runs in curves.items():
            color, dash, marker = LINE_STYLES[names.index(name) % len(LINE_STYLES)]
            table = np.array([[np.nan if value is None else value for value in run] for run in runs], float)
            with np.errstate(all="ignore"):
                present = ~np.isnan(table).all(axis=0)
                xs, table = np.asarray(x, float)[present], table[:, present]
                median = np.nanmedian(table, axis=0)
                markers = marker if len(xs) <= MAX_MARKERS else ""
                ax.plot(xs, median, color=color, linestyle=dash, marker=markers, markersize=4, label=legend_label(name))
                if len(median):
                    descriptions.append(f"{name} {median[0]:.3g} to {median[-1]:.3g}")
                if len(table) > 1:
                    low, high = np.nanmin(table, axis=0), np.nanmax(table, axis=0)
                    ax.fill_between(xs, low, high, color=color, alpha=0.18, linewidth=0)
        for meaning, at in (marks or {}).items():
            ax.axvline(at, color=GREY, linewidth=1, linestyle=":", label=legend_label(meaning))
        if ylabel in log:
            ax.set_yscale("log")
        _set_x_ticks(ax, x, log_x)
        ax.set_xlabel(xlabel)
        ax.set_ylabel(ylabel)
        if len(curves) + len(marks or {}) > 1:
            ax.legend(fontsize=8)
        sentences.append(f"Median of {ylabel} over {xlabel}, from first to last: {join_names(descriptions, 8)}.")
    return with_alt(figure, " ".join(sentences))


def _set_x_ticks(ax: Axes, x: Sequence[float], log: bool) -> None:
    """Put a tick at each of a few values on a logarithmic axis, and only at integers if all values are integers."""
    from matplotlib.ticker import MaxNLocator

    if log:
        ax.set_xscale("log")
        if len(x) <= 8:
            ax.set_xticks(list(x), [f"{value:,g}" for value in x])
            ax.minorticks_off()
    elif all(float(value).is_integer() for value in x):
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
