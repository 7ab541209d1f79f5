"""Explanations: what each number of an input did for the output, the guess or any other class ("why not 9?").

    from pellucid.explain import integrated_gradients
    told = integrated_gradients(model, pictures, target=4, against=9)
    told.values               (n, 28, 28, 1): what speaks for 4 is above zero, what speaks for 9 below
    told.completeness_error   (n): how much of the output the values leave unexplained

A method is a function of a model and samples that returns an :class:`Attribution`; :data:`METHODS` lists them.
"""

from pellucid.explain.attribution import Attribution
from pellucid.explain.cam import grad_cam
from pellucid.explain.deeplift import deeplift
from pellucid.explain.exact import shapley
from pellucid.explain.methods import METHODS, Method, method
from pellucid.explain.occlusion import occlusion
from pellucid.explain.paths import expected_gradients, integrated_gradients
from pellucid.explain.probe import gradient
from pellucid.explain.slopes import input_times_gradient, saliency

__all__ = [
    "METHODS",
    "Attribution",
    "Method",
    "deeplift",
    "expected_gradients",
    "grad_cam",
    "gradient",
    "input_times_gradient",
    "integrated_gradients",
    "method",
    "occlusion",
    "saliency",
    "shapley",
]
