"""Figures: each function returns a Matplotlib Figure. They need the extra ``plots``.

Every figure has an alternative text (:func:`alt`), which :func:`save` writes into the file.
"""

from pellucid.plots.attribution_maps import attributions
from pellucid.plots.class_maps import maps
from pellucid.plots.comparison import accuracies, disagreements
from pellucid.plots.confusion import confusion_matrix
from pellucid.plots.dependence import partial_dependence
from pellucid.plots.diagrams import graph_diagram, network_diagram
from pellucid.plots.distributions import activation_histograms, histogram, histograms
from pellucid.plots.features import feature_maps, weights
from pellucid.plots.forecasts import forecast_errors
from pellucid.plots.image_rows import images
from pellucid.plots.importance import importance
from pellucid.plots.misclassifications import mistakes, suspect_labels
from pellucid.plots.regions import decision_regions
from pellucid.plots.regression import predictions
from pellucid.plots.reliability import reliability_diagram
from pellucid.plots.residuals import residuals
from pellucid.plots.scatter import representation
from pellucid.plots.seeds import over_seeds
from pellucid.plots.series import series
from pellucid.plots.state import network_state
from pellucid.plots.style import alt, save
from pellucid.plots.surface import loss_surface, principal_plane
from pellucid.plots.sweeps import sweep
from pellucid.plots.thresholds import threshold_curves
from pellucid.plots.training import learning_curves, learning_rate_finder

__all__ = [
    "accuracies",
    "activation_histograms",
    "alt",
    "attributions",
    "confusion_matrix",
    "decision_regions",
    "disagreements",
    "feature_maps",
    "forecast_errors",
    "graph_diagram",
    "histogram",
    "histograms",
    "images",
    "importance",
    "learning_curves",
    "learning_rate_finder",
    "loss_surface",
    "maps",
    "mistakes",
    "network_diagram",
    "network_state",
    "over_seeds",
    "partial_dependence",
    "predictions",
    "principal_plane",
    "reliability_diagram",
    "representation",
    "residuals",
    "save",
    "series",
    "suspect_labels",
    "sweep",
    "threshold_curves",
    "weights",
]
