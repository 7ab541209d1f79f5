"""Curves of several runs: for each name the median over the runs as a line, and their range as a band."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pellucid.errors import DataError
from pellucid.plots.style import BLUE, GREEN, GREY, VERMILION, described, figure, listed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOOKS = (
    (BLUE, "-", "o"),
    (VERMILION, "--", "s"),
    (GREEN, "-.", "^"),
    (GREY, ":", "D"),
    ("#CC79A7", "-", "v"),
    ("#56B4E9", "--", "P"),
    ("#000000", "-.", "*"),
    ("#E69F00", ":", "X"),
)
Runs = Sequence[Sequence[float | None]]  # one curve for each seed; None where there is no number


def over_seeds(
    panels: Mapping[str, Mapping[str, Runs]],
    x: Sequence[float],
    xlabel: str,
    *,
    log: Collection[str] = (),
    log_x: bool = False,
    marks: Mapping[str, float] | None = None,
) -> Figure:
    """One panel for each y-axis label of ``panels``, which has for each name the curves of all seeds over ``x``: each name has
    its colour, dash and marker, in order and the same in all panels. Panels in ``log`` have a logarithmic y-axis; ``log_x``
    makes x logarithmic; ``marks`` are vertical lines by what they mean."""
    if not panels or not all(panels.values()):
        raise DataError("there are no curves to draw")
    text = []
    made, axes = figure(4.4 * len(panels) + 0.4, 3.5, len(panels))
    order = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    for ax, (ylabel, curves) in zip(axes, panels.items(), strict=True):
        said = []
        for name, runs in curves.items():
            color, dash, marker = LOOKS[order.index(name) % len(LOOKS)]
            table = np.array([[np.nan if value is None else value for value in run] for run in runs], float)
            with np.errstate(all="ignore"):
                seen = ~np.isnan(table).all(axis=0)
                xs, table = np.asarray(x, float)[seen], table[:, seen]
                middle = np.nanmedian(table, axis=0)
                dots = marker if len(xs) <= 20 else ""
                ax.plot(xs, middle, color=color, linestyle=dash, marker=dots, markersize=4, label=name)
                said += [f"{name} {middle[0]:.3g} to {middle[-1]:.3g}"] if len(middle) else []
                if len(table) > 1:
                    ax.fill_between(
                        xs, np.nanmin(table, axis=0), np.nanmax(table, axis=0), color=color, alpha=0.18, linewidth=0
                    )
        for what, at in (marks or {}).items():
            ax.axvline(at, color=GREY, linewidth=1, linestyle=":", label=what)
        if ylabel in log:
            ax.set_yscale("log")
        _ticks(ax, x, log_x)
        ax.set_xlabel(xlabel)
        ax.set_ylabel(ylabel)
        if len(curves) + len(marks or {}) > 1:
            ax.legend(fontsize=8)
        text.append(f"{ylabel} over {xlabel}, from first to last: {listed(said, 8)}.")
    return described(made, " ".join(["Curves, medians over the seeds with their range.", *text]))


def _ticks(ax: Axes, x: Sequence[float], log: bool) -> None:
    """A few values on a logarithmic axis are its ticks; whole numbers have whole numbers for ticks."""
    from matplotlib.ticker import MaxNLocator

    if log:
        ax.set_xscale("log")
        if len(x) <= 8:
            ax.set_xticks(list(x), [f"{value:,g}" for value in x])
            ax.minorticks_off()
    elif all(float(value).is_integer() for value in x):
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
