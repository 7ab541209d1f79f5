"""Figures of a training: learning curves, and the learning-rate finder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.errors import DataError
from pellucid.plots.style import BLUE, GREY, VERMILION, blank_figure, with_alt
from pellucid.training import History, RateSearch

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def learning_curves(history: History, title: str = "") -> Figure:
    """Draw the loss by epoch, and the accuracy if it was computed.

    Training is blue and solid with dots, validation vermilion and dashed with squares. The best epoch is marked: the one that
    early stopping restored, or the one with the lowest validation loss. Raises DataError for an empty history.
    """
    if not len(history):
        raise DataError("there are no learning curves: the history has no epochs")
    has_accuracy = "train_accuracy" in history.columns
    figure, axes = blank_figure(9.0 if has_accuracy else 5.0, 3.6, 2 if has_accuracy else 1)
    _draw_curves(axes[0], history, "loss", 1.0)
    axes[0].set_ylabel("Loss (nats)" if has_accuracy else "Loss")
    axes[0].set_ylim(bottom=0)
    if has_accuracy:
        _draw_curves(axes[1], history, "accuracy", 100.0)
        axes[1].set_ylabel("Accuracy (%)")
    best = history.chosen_epoch()
    for ax in axes:
        ax.set_xlabel("Epoch")
        ax.xaxis.get_major_locator().set_params(integer=True)
        if best is not None and len(history) > 1:
            ax.axvline(best, color=GREY, linewidth=1, linestyle=":", label=f"Best epoch: {best}")
        ax.legend()
    if title:
        figure.suptitle(title)
    return with_alt(figure, _learning_curves_text(history, has_accuracy, best))


def _learning_curves_text(history: History, has_accuracy: bool, best: int | None) -> str:
    epochs = len(history)
    sentences = [f"Learning curves over {epochs} epoch{'s' * (epochs != 1)}."]
    for quantity, factor, unit in (("loss", 1.0, ""), *([("accuracy", 100.0, " %")] if has_accuracy else [])):
        for part, name in (("train", "Training"), ("validation", "Validation")):
            if f"{part}_{quantity}" in history.columns:
                values = [factor * value for value in history[f"{part}_{quantity}"]]
                sentences.append(f"{name} {quantity} from {values[0]:.4g} to {values[-1]:.4g}{unit}.")
    if best is not None:
        sentences.append(f"The best epoch is {best}.")
    return " ".join(sentences)


def _draw_curves(ax: Any, history: History, quantity: str, factor: float) -> None:
    markers = {"markersize": 4} if len(history) <= 40 else {"marker": ""}
    for part, label, style in (
        ("train", "Training", {"color": BLUE, "marker": "o"}),
        ("validation", "Validation", {"color": VERMILION, "marker": "s", "linestyle": "--"}),
    ):
        if f"{part}_{quantity}" in history.columns:
            values = [factor * value for value in history[f"{part}_{quantity}"]]
            ax.plot(history["epoch"], values, label=label, **{**style, **markers})


def learning_rate_finder(search: RateSearch, title: str = "") -> Figure:
    """Draw the loss over the learning rate, on a logarithmic axis: of each step (grey dots) and smoothed (blue).

    The suggestion is a dashed vermilion line with a square. The loss axis ends above the first loss, by half the drop
    from the first to the lowest smoothed loss.
    """
    figure, (ax,) = blank_figure(5.6, 3.6)
    ax.plot(search.rates, search.losses, color=GREY, marker=".", markersize=4, linestyle="", label="Loss of one step")
    ax.plot(search.rates, search.smoothed, color=BLUE, label="Smoothed loss")
    ax.set_xscale("log")
    at = float(np.interp(np.log(search.suggestion), np.log(search.rates), search.smoothed))
    ax.axvline(search.suggestion, color=VERMILION, linestyle="--", linewidth=1.2)
    label = f"Suggestion: {search.suggestion:g}"
    ax.plot([search.suggestion], [at], color=VERMILION, marker="s", linestyle="", label=label)
    lowest, first = float(search.smoothed.min()), float(search.smoothed[0])
    descent = max(first - lowest, 1e-3 * abs(first), 1e-12)
    ax.set_ylim(lowest - 0.15 * descent, first + 0.5 * descent)
    ax.set_xlabel("Learning rate")
    ax.set_ylabel("Training loss")
    ax.legend()
    if title:
        ax.set_title(title)
    best = int(np.argmin(search.smoothed))
    return with_alt(
        figure,
        f"Training loss over learning rates from {search.rates[0]:.2g} to {search.rates[-1]:.2g}, smoothed: {first:.3g} at "
        f"first, lowest {lowest:.3g} at {search.rates[best]:.2g}. The suggestion, at the steepest descent, is "
        f"{search.suggestion:g}.",
    )
