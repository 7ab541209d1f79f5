"""Figures: one function a figure, each returns a matplotlib Figure (extra ``plots``).

Each carries its alternative text (:func:`alt`), which :func:`save` writes into the file.
"""

from pellucid.plots.comparison import accuracies, disagreements
from pellucid.plots.confusion import confusion_matrix
from pellucid.plots.curves import learning_curves
from pellucid.plots.densities import activation_densities, densities, histogram
from pellucid.plots.diagram import graph_diagram, network_diagram
from pellucid.plots.grids import feature_maps, weights
from pellucid.plots.lines import over_seeds
from pellucid.plots.maps import attributions
from pellucid.plots.mistakes import mistakes
from pellucid.plots.pictures import pictures
from pellucid.plots.predictions import predictions
from pellucid.plots.rates import learning_rate_finder
from pellucid.plots.regions import decision_regions
from pellucid.plots.scatter import representation
from pellucid.plots.state import network_state
from pellucid.plots.style import alt, save
from pellucid.plots.surface import loss_surface, main_plane
from pellucid.plots.sweep import sweep

__all__ = [
    "accuracies",
    "activation_densities",
    "alt",
    "attributions",
    "confusion_matrix",
    "decision_regions",
    "densities",
    "disagreements",
    "feature_maps",
    "graph_diagram",
    "histogram",
    "learning_curves",
    "learning_rate_finder",
    "loss_surface",
    "main_plane",
    "mistakes",
    "network_diagram",
    "network_state",
    "over_seeds",
    "pictures",
    "predictions",
    "representation",
    "save",
    "sweep",
    "weights",
]
