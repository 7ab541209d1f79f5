"""Comparison of models: accuracies with confidence intervals, and the images on which the models disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ConfigError
from pellucid.plots.style import BLUE, VERMILION, blank_figure, grid_size, join_names, show_image, with_alt

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 8


def accuracies(fractions: Mapping[str, float], intervals: Mapping[str, tuple[float, float]], title: str = "") -> Figure:
    """Draw the accuracy of each model as a dot with its 95 % confidence interval; the best one is a vermilion square.

    ``fractions`` are the accuracies, from 0 to 1. Raises ConfigError if there is no model.
    """
    if not fractions:
        raise ConfigError("there is no model to draw")
    figure, (ax,) = blank_figure(6.0, 1.2 + 0.45 * len(fractions), 1)
    best = max(fractions, key=lambda name: fractions[name])
    for row, (name, fraction) in enumerate(fractions.items()):
        low, high = intervals[name]
        color, marker = (VERMILION, "s") if name == best else (BLUE, "o")
        ax.plot([100 * low, 100 * high], [row, row], color=color, linewidth=2, solid_capstyle="butt")
        ax.plot([100 * fraction], [row], color=color, marker=marker, markersize=7)
        label = {"xytext": (0, 7), "textcoords": "offset points", "ha": "center", "fontsize": 9}
        ax.annotate(f"{100 * fraction:.2f} %", (100 * fraction, row), **label)
    ax.set_yticks(range(len(fractions)), list(fractions))
    ax.set_ylim(len(fractions) - 0.5, -0.7)
    ax.set_xlabel("Test accuracy (%) with 95 % confidence interval")
    if title:
        ax.set_title(title)
    descriptions = join_names(
        f"{name} {100 * fraction:.2f} % ({' to '.join(f'{100 * end:.2f}' for end in intervals[name])})"
        for name, fraction in fractions.items()
    )
    return with_alt(figure, f"Test accuracies with 95 % confidence intervals: {descriptions}. The best is {best}.")


def disagreements(
    images: Array, y: Array, predicted: Mapping[str, Array], classes: Sequence[str] | None = None, title: str = ""
) -> Figure:
    """Draw images (n, h, w, 1 or 3) with their true class above and the prediction of each model below.

    Wrong predictions are vermilion with a cross, correct ones blue with a tick. Raises ConfigError if there is no image.
    """
    n = len(images)
    if not n:
        raise ConfigError("there is no image on which the models disagree")
    columns, rows = grid_size(n, COLUMNS)
    figure, axes = blank_figure(1.25 * columns, 0.4 + rows * (1.35 + 0.17 * len(predicted)), columns, rows)
    class_count = 1 + int(max(np.max(y), *(np.max(guess) for guess in predicted.values())))
    names = classes or [str(i) for i in range(class_count)]
    for i, ax in enumerate(axes):
        ax.set_axis_off()
        if i >= n:
            continue
        show_image(ax, images[i])
        ax.set_title(f"True: {names[y[i]]}", fontsize=9, pad=3)
        for k, (name, guess) in enumerate(predicted.items()):
            correct = guess[i] == y[i]
            ax.text(
                0.5,
                -0.03 - 0.145 * k,
                f"{name}: {names[guess[i]]} {'✓' if correct else '✗'}",
                transform=ax.transAxes,
                ha="center",
                va="top",
                fontsize=8,
                color=BLUE if correct else VERMILION,
            )
    if title:
        figure.suptitle(title)
    wrong = join_names(f"{name} is wrong on {int((np.asarray(guess) != y).sum())}" for name, guess in predicted.items())
    return with_alt(figure, f"{n} images, each with its true class and the prediction of each model: {wrong}.")
