"""Models beside each other: their accuracies with intervals, and the pictures on which they disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ConfigError
from pellucid.plots.style import BLUE, VERMILION, described, figure, listed

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def accuracies(shares: Mapping[str, float], intervals: Mapping[str, tuple[float, float]], title: str = "") -> Figure:
    """Each model's accuracy as a dot, its 95 % interval as a bar; the best one in vermilion, with a square."""
    if not shares:
        raise ConfigError("there is no model to draw")
    made, (ax,) = figure(6.0, 1.2 + 0.45 * len(shares), 1)
    best = max(shares, key=lambda name: shares[name])
    for row, (name, share) in enumerate(shares.items()):
        low, high = intervals[name]
        color, mark = (VERMILION, "s") if name == best else (BLUE, "o")
        ax.plot([100 * low, 100 * high], [row, row], color=color, linewidth=2, solid_capstyle="butt")
        ax.plot([100 * share], [row], color=color, marker=mark, markersize=7)
        ax.annotate(
            f"{100 * share:.2f} %", (100 * share, row), xytext=(0, 7), textcoords="offset points", ha="center", fontsize=9
        )
    ax.set_yticks(range(len(shares)), list(shares))
    ax.set_ylim(len(shares) - 0.5, -0.7)
    ax.set_xlabel("test accuracy (%), with its 95 % interval")
    if title:
        ax.set_title(title)
    said = (
        f"{name} {100 * share:.2f} % ({' to '.join(f'{100 * end:.2f}' for end in intervals[name])})"
        for name, share in shares.items()
    )
    return described(made, f"Test accuracies with their 95 % intervals: {listed(said)}. The best is {best}.")


def disagreements(
    pictures: Array, y: Array, predicted: Mapping[str, Array], classes: Sequence[str] | None = None, title: str = ""
) -> Figure:
    """Pictures (n, h, w, 1 or 3), each with its class above and below what every model says: vermilion with a cross where it
    is wrong, blue with a tick where it is right."""
    n = len(pictures)
    if not n:
        raise ConfigError("there is no picture on which the models disagree")
    columns = min(8, n)
    rows = -(-n // columns)
    line = 0.17
    made, _ = figure(1.25 * columns, 0.4 + rows * (1.35 + line * len(predicted)), 1)
    made.clear()
    axes = made.subplots(rows, columns, squeeze=False).ravel()
    names = classes or [str(i) for i in range(1 + int(max(np.max(y), *(np.max(said) for said in predicted.values()))))]
    for i, ax in enumerate(axes):
        ax.set_axis_off()
        if i >= n:
            continue
        picture = pictures[i] / 255 if pictures.dtype == np.uint8 else pictures[i]
        ax.imshow(1 - picture[..., 0] if picture.shape[2] == 1 else picture, cmap="gray", vmin=0, vmax=1)
        ax.set_title(f"true: {names[y[i]]}", fontsize=9, pad=3)
        for k, (name, said) in enumerate(predicted.items()):
            right = said[i] == y[i]
            ax.text(
                0.5,
                -0.03 - 0.145 * k,
                f"{name}: {names[said[i]]} {'✓' if right else '✗'}",
                transform=ax.transAxes,
                ha="center",
                va="top",
                fontsize=8,
                color=BLUE if right else VERMILION,
            )
    if title:
        made.suptitle(title)
    wrong = listed(f"{name} is wrong on {int((np.asarray(said) != y).sum())}" for name, said in predicted.items())
    return described(made, f"{n} pictures, each with its class and with what every model says of it: {wrong}.")
