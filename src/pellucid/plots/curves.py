"""Learning curves: loss and accuracy by epoch, on training and validation data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pellucid.errors import DataError
from pellucid.plots.style import BLUE, GREY, VERMILION, described, figure
from pellucid.training import History
from pellucid.training.shown import best_epoch

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def learning_curves(history: History, title: str = "") -> Figure:
    """Training (blue, solid, dots) and validation (vermilion, dashed, squares) by epoch: the loss, and the accuracy
    where it was watched. The epoch of the lowest validation loss, or the one early stopping chose, is marked."""
    if not len(history):
        raise DataError("there are no curves yet: the history holds no epoch")
    accuracy = "train_accuracy" in history.columns
    made, axes = figure(9.0 if accuracy else 5.0, 3.6, 2 if accuracy else 1)
    _curves(axes[0], history, "loss", 1.0)
    axes[0].set_ylabel("loss (nats)" if accuracy else "loss")
    axes[0].set_ylim(bottom=0)
    if accuracy:
        _curves(axes[1], history, "accuracy", 100.0)
        axes[1].set_ylabel("accuracy (%)")
    best = best_epoch(history)
    for ax in axes:
        ax.set_xlabel("epoch")
        ax.xaxis.get_major_locator().set_params(integer=True)
        if best is not None and len(history) > 1:
            ax.axvline(best, color=GREY, linewidth=1, linestyle=":", label=f"best epoch: {best}")
        ax.legend()
    if title:
        made.suptitle(title)
    return described(made, _said(history, accuracy, best))


def _said(history: History, accuracy: bool, best: int | None) -> str:
    epochs = len(history)
    parts = [f"Learning curves over {epochs} epoch{'s' * (epochs != 1)}."]
    for what, factor, unit in (("loss", 1.0, ""), *([("accuracy", 100.0, " %")] if accuracy else [])):
        for part, name in (("train", "Training"), ("validation", "Validation")):
            if f"{part}_{what}" in history.columns:
                values = [factor * value for value in history[f"{part}_{what}"]]
                parts.append(f"{name} {what} from {values[0]:.4g} to {values[-1]:.4g}{unit}.")
    return " ".join([*parts, f"The best epoch is {best}."] if best is not None else parts)


def _curves(ax: Any, history: History, what: str, factor: float) -> None:
    marks = {"markersize": 4} if len(history) <= 40 else {"marker": ""}
    for part, style in (
        ("train", {"color": BLUE, "marker": "o"}),
        ("validation", {"color": VERMILION, "marker": "s", "linestyle": "--"}),
    ):
        if f"{part}_{what}" in history.columns:
            label = "training" if part == "train" else part
            ax.plot(history["epoch"], [factor * v for v in history[f"{part}_{what}"]], label=label, **{**style, **marks})
