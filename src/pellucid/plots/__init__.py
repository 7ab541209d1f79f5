"""Figures: one function a figure, each returns a matplotlib Figure (extra ``plots``)."""

from pellucid.plots.confusion import confusion_matrix
from pellucid.plots.curves import learning_curves
from pellucid.plots.style import save

__all__ = ["confusion_matrix", "learning_curves", "save"]
