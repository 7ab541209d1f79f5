"""The results of a sweep over one or two settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.errors import ConfigError
from pellucid.plots.style import BLUE, CELL, VERMILION, blank_figure, join_names, with_alt

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Combination = tuple[Any, ...]  # one value of each setting


@dataclass(frozen=True)
class _Score:
    """The score of a sweep: its name, and whether it is shown in percent."""

    name: str
    percent: bool

    def text(self, value: float, *, unit: bool = False) -> str:
        """Return a value as text, with its unit if it has one."""
        if not self.percent:
            return f"{value:.4f}"
        return f"{100 * value:.2f}{' %' if unit else ''}"


def sweep(
    values: Mapping[str, Sequence[Any]],
    means: Mapping[Combination, float],
    texts: Mapping[Combination, str] | None = None,
    title: str = "",
    *,
    score: str = "accuracy",
    percent: bool = True,
) -> Figure:
    """Draw the validation scores of a sweep.

    ``values`` has the values of each setting, and ``means`` the ``score`` of each combination: an accuracy (0 … 1), which is
    shown in ``percent``, or another number. Two settings are drawn as a heat map with a number in each cell and a frame around
    the best one, one setting as a dot for each value with the best one as a vermilion square. A combination without a mean
    shows its entry in ``texts``, such as "diverged". Raises ConfigError for any other number of settings.
    """
    settings = list(values)
    if len(settings) not in (1, 2):
        raise ConfigError(f"a sweep figure shows one or two settings, not {len(settings)}")
    if not all(values.values()):
        raise ConfigError("a sweep figure needs at least one value for each setting")
    texts = texts or {}
    best = max(means, key=lambda combination: means[combination], default=None)
    shown = _Score(score, percent)
    alt_text = _alt_text(settings, values, means, best, shown)
    if len(settings) == 1:
        return with_alt(_draw_dots(settings[0], values[settings[0]], means, texts, best, title, shown), alt_text)
    rows, columns = values[settings[0]], values[settings[1]]
    figure, (ax,) = blank_figure(1.8 + 0.95 * len(columns), 1.3 + 0.6 * len(rows), 1)
    table = np.array([[means.get((row, column), np.nan) for column in columns] for row in rows])
    low, high = (np.nanmin(table), np.nanmax(table)) if means else (0.0, 1.0)
    ax.imshow(table, cmap="Blues", vmin=low - 0.15 * (high - low) - 1e-9, vmax=high, aspect="auto")
    ax.grid(False)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            value = table[i, j]
            dark = not np.isnan(value) and value > low + 0.6 * (high - low)
            text = shown.text(value, unit=True) if not np.isnan(value) else _missing_text(texts, (row, column))
            style = {"ha": "center", "va": "center", "fontsize": 9, "color": "white" if dark else "black"}
            ax.text(j, i, text, gid=None if np.isnan(value) else f"{CELL}{i}-{j}", **style)
            if (row, column) == best:
                frame = {"fill": False, "edgecolor": VERMILION, "linewidth": 2.5}
                ax.add_patch(_rectangle((j - 0.47, i - 0.46), 0.94, 0.92, **frame))
    ax.set_xticks(range(len(columns)), [str(column) for column in columns])
    ax.set_yticks(range(len(rows)), [str(row) for row in rows])
    ax.set_xlabel(settings[1])
    ax.set_ylabel(settings[0])
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set_title(title or f"Validation {score}")
    return with_alt(figure, alt_text)


def _alt_text(
    settings: Sequence[str],
    values: Mapping[str, Sequence[Any]],
    means: Mapping[Combination, float],
    best: Combination | None,
    shown: _Score,
) -> str:
    over = " and ".join(f"{name} ({join_names(values[name], 12)})" for name in settings)
    if best is None:
        return f"Validation {shown.name} over {over}: no results yet."
    at = " and ".join(f"{name} = {value}" for name, value in zip(settings, best, strict=True))
    low, high = shown.text(min(means.values())), shown.text(max(means.values()), unit=True)
    return f"Validation {shown.name} over {over}: {low} to {high}, the best at {at}."


def _missing_text(texts: Mapping[Combination, str], combination: Combination) -> str:
    """Return the text of a combination without an accuracy, broken into lines."""
    return texts.get(combination, "not done").replace(", ", "\n")


def _rectangle(corner: tuple[float, float], width: float, height: float, **style: Any) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(corner, width, height, **style)


def _draw_dots(
    setting: str,
    values: Sequence[Any],
    means: Mapping[Combination, float],
    texts: Mapping[Combination, str],
    best: Combination | None,
    title: str,
    shown: _Score,
) -> Figure:
    figure, (ax,) = blank_figure(1.5 + 0.8 * max(3, len(values)), 3.2, 1)
    for i, value in enumerate(values):
        if (value,) not in means:
            text = _missing_text(texts, (value,))
            ax.text(i, 0.04, text, transform=ax.get_xaxis_transform(), ha="center", va="bottom", fontsize=9)
            continue
        mean = means[(value,)]
        color, marker = (VERMILION, "s") if (value,) == best else (BLUE, "o")
        height = 100 * mean if shown.percent else mean
        ax.plot([i], [height], color=color, marker=marker, markersize=7)
        ax.annotate(shown.text(mean), (i, height), xytext=(0, 7), textcoords="offset points", ha="center", fontsize=9)
    ax.set_xticks(range(len(values)), [str(value) for value in values])
    ax.set_xlim(-0.5, len(values) - 0.5)
    ax.margins(y=0.15)
    ax.set_xlabel(setting)
    ax.set_ylabel(f"Validation {shown.name}{' (%)' if shown.percent else ''}")
    if title:
        ax.set_title(title)
    return figure
