"""The curves of all thresholds of a probability: ROC, and precision over recall."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from pellucid.errors import DataError
from pellucid.metrics import ThresholdChoice, ThresholdCurve
from pellucid.plots.importance import shortened
from pellucid.plots.seeds import LINE_STYLES
from pellucid.plots.style import GREY, blank_figure, join_names, legend_label, with_alt

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def threshold_curves(
    curves: Mapping[str, ThresholdCurve], chosen: Mapping[str, ThresholdChoice] | None = None, title: str = ""
) -> Figure:
    """Draw the ROC curve of each class (at most 8), and its precision over its recall.

    The dotted lines are those of random probabilities: the diagonal, and for a single class its fraction of the samples.
    ``chosen`` has the thresholds to mark, by their labels; they belong to the first curve. Raises DataError without curves.
    """
    if not curves:
        raise DataError("there is no curve of thresholds to draw")
    shown = dict(list(curves.items())[: len(LINE_STYLES)])
    figure, (roc, trade) = blank_figure(8.8, 4.1, 2)
    for (name, curve), (color, dash, _) in zip(shown.items(), LINE_STYLES, strict=False):
        short = legend_label(shortened(name))
        x, y = np.concatenate([[0.0], curve.false_positive_rate]), np.concatenate([[0.0], curve.recall])
        roc.plot(x, y, color=color, linestyle=dash, label=f"{short}: area {curve.roc_auc:.3f}")
        label = f"{short}: average {curve.average_precision:.3f}"
        trade.step(curve.recall, curve.precision, where="pre", color=color, linestyle=dash, label=label)
    first = next(iter(shown.values()))
    roc.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")
    if len(shown) == 1:
        trade.axhline(first.fraction, color=GREY, linewidth=1, linestyle=":")
    for (label, choice), (color, _, marker) in zip((chosen or {}).items(), LINE_STYLES[1:], strict=False):
        point = first.at(choice.threshold)
        rate = (point.chosen - point.recall * float(first.found[-1])) / float(first.alarms[-1])
        style = {"color": color, "linestyle": "", "marker": marker, "markersize": 8, "zorder": 4}
        roc.plot([rate], [point.recall], **style)
        trade.plot([point.recall], [point.precision], label=label, **style)
    for ax, words in ((roc, ("False positive rate", "Recall (true positive rate)")), (trade, ("Recall", "Precision"))):
        ax.set_xlabel(words[0])
        ax.set_ylabel(words[1])
        ax.set_xlim(-0.02, 1.02)
        ax.set_ylim(-0.02, 1.02)
    roc.legend(loc="lower right", fontsize=8)
    trade.legend(loc="lower left", fontsize=8)
    if title:
        figure.suptitle(title)
    areas = join_names((f"{name} {one.roc_auc:.3f} and {one.average_precision:.3f}" for name, one in shown.items()), 8)
    marks = join_names(
        f"{label}: threshold {one.threshold:.4g}, precision {first.at(one.threshold).precision:.3f}, "
        f"recall {first.at(one.threshold).recall:.3f}"
        for label, one in (chosen or {}).items()
    )
    text = f"ROC curve, and precision over recall. Area and average precision: {areas}."
    return with_alt(figure, f"{text} Marked: {marks}." if marks else text)
