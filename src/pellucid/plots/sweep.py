"""What a sweep found, over one setting or two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.errors import ConfigError
from pellucid.plots.style import BLUE, VERMILION, described, figure, listed

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def sweep(
    values: Mapping[str, Sequence[Any]],
    means: Mapping[tuple[Any, ...], float],
    texts: Mapping[tuple[Any, ...], str] | None = None,
    title: str = "",
) -> Figure:
    """``means`` are accuracies (0 … 1) by combination of the settings' ``values``: with two settings a heat map, a number in
    each cell and a frame around the best; with one setting a dot for each value, the best a vermilion square. Combinations
    without a mean get what ``texts`` says of them, such as "diverged"."""
    names = list(values)
    if len(names) not in (1, 2):
        raise ConfigError(f"a figure shows one or two settings, not {len(names)}")
    if not all(values.values()):
        raise ConfigError("a figure of a sweep needs values of each setting")
    texts = texts or {}
    best = max(means, key=lambda combination: means[combination], default=None)
    said = _said(names, values, means, best)
    if len(names) == 1:
        return described(_dots(names[0], values[names[0]], means, texts, best, title), said)
    rows, columns = values[names[0]], values[names[1]]
    made, (ax,) = figure(1.8 + 0.95 * len(columns), 1.3 + 0.6 * len(rows), 1)
    table = np.array([[means.get((row, column), np.nan) for column in columns] for row in rows])
    low, high = (np.nanmin(table), np.nanmax(table)) if means else (0.0, 1.0)
    ax.imshow(table, cmap="Blues", vmin=low - 0.15 * (high - low) - 1e-9, vmax=high, aspect="auto")
    ax.grid(False)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            value = table[i, j]
            dark = not np.isnan(value) and value > low + 0.6 * (high - low)
            text = f"{100 * value:.2f} %" if not np.isnan(value) else texts.get((row, column), "not done").replace(", ", "\n")
            ax.text(j, i, text, ha="center", va="center", fontsize=9, color="white" if dark else "black")
            if (row, column) == best:
                frame = {"fill": False, "edgecolor": VERMILION, "linewidth": 2.5}
                ax.add_patch(_rectangle((j - 0.47, i - 0.46), 0.94, 0.92, **frame))
    ax.set_xticks(range(len(columns)), [str(column) for column in columns])
    ax.set_yticks(range(len(rows)), [str(row) for row in rows])
    ax.set_xlabel(names[1])
    ax.set_ylabel(names[0])
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set_title(title or "validation accuracy")
    return described(made, said)


def _said(names: Sequence[str], values: Mapping[str, Sequence[Any]], means: Mapping[tuple[Any, ...], float], best: Any) -> str:
    over = " and ".join(f"{name} ({listed(values[name], 12)})" for name in names)
    if best is None:
        return f"Validation accuracy over {over}: nothing is done yet."
    at = " and ".join(f"{name} = {value}" for name, value in zip(names, best, strict=True))
    low, high = (100 * end(means.values()) for end in (min, max))
    return f"Validation accuracy over {over}: {low:.2f} to {high:.2f} %, the best at {at}."


def _rectangle(corner: tuple[float, float], width: float, height: float, **style: Any) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(corner, width, height, **style)


def _dots(
    name: str,
    values: Sequence[Any],
    means: Mapping[tuple[Any, ...], float],
    texts: Mapping[tuple[Any, ...], str],
    best: Any,
    title: str,
) -> Figure:
    made, (ax,) = figure(1.5 + 0.8 * max(3, len(values)), 3.2, 1)
    for i, value in enumerate(values):
        if (value,) not in means:
            said = texts.get((value,), "not done").replace(", ", "\n")
            ax.text(i, 0.04, said, transform=ax.get_xaxis_transform(), ha="center", va="bottom", fontsize=9)
            continue
        mean = means[(value,)]
        color, mark = (VERMILION, "s") if (value,) == best else (BLUE, "o")
        ax.plot([i], [100 * mean], color=color, marker=mark, markersize=7)
        ax.annotate(f"{100 * mean:.2f}", (i, 100 * mean), xytext=(0, 7), textcoords="offset points", ha="center", fontsize=9)
    ax.set_xticks(range(len(values)), [str(value) for value in values])
    ax.set_xlim(-0.5, len(values) - 0.5)
    ax.margins(y=0.15)
    ax.set_xlabel(name)
    ax.set_ylabel("validation accuracy (%)")
    if title:
        ax.set_title(title)
    return made
