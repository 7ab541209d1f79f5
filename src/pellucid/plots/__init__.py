"""Figures: one function a figure, each returns a matplotlib Figure (extra ``plots``)."""

from pellucid.plots.comparison import accuracies, disagreements
from pellucid.plots.confusion import confusion_matrix
from pellucid.plots.curves import learning_curves
from pellucid.plots.diagram import graph_diagram, network_diagram
from pellucid.plots.lines import over_seeds
from pellucid.plots.pictures import pictures
from pellucid.plots.predictions import predictions
from pellucid.plots.rates import learning_rate_finder
from pellucid.plots.regions import decision_regions
from pellucid.plots.style import save
from pellucid.plots.surface import loss_surface
from pellucid.plots.sweep import sweep

__all__ = [
    "accuracies",
    "confusion_matrix",
    "decision_regions",
    "disagreements",
    "graph_diagram",
    "learning_curves",
    "learning_rate_finder",
    "loss_surface",
    "network_diagram",
    "over_seeds",
    "pictures",
    "predictions",
    "save",
    "sweep",
]
