"""Explanations: how much each value of an input contributes to an output, for the prediction or any other class.

    from pellucid.explain import integrated_gradients
    attribution = integrated_gradients(model, images, target=4, against=9)   # why 4 and not 9?
    attribution.values               (n, 28, 28, 1): positive values support 4, negative values support 9
    attribution.completeness_error   (n): how much of the output the values do not explain

A method is a function of a model and samples that returns an :class:`Attribution`. :data:`METHODS` lists them by name.

Language models, and attention in any model:

    from pellucid.explain import attention_weights, logit_lens, probabilities_without
    attention_weights(model, "To be")      path -> (heads, t, t): what each position takes from which other one
    logit_lens(model, "To be")             path -> (t, tokens): what the network would predict if it ended after this block
    probabilities_without(model, "To be", heads=[(path, 0)])    (t, tokens): the prediction without a part of the network

Models of tables, and scikit-learn estimators:

    from pellucid.explain import decision_threshold, partial_dependence, permutation_importance, prediction_intervals
    permutation_importance(model, test)                       how much worse the predictions are with each column shuffled
    partial_dependence(model, test, "area")                   (n, g, k): the predictions with other values of a column
    prediction_intervals(model, validation).around(predicted)    (n, 2): what contains the truth in 90 % of the cases
    decision_threshold(model, validation, precision=0.95)     the probability from which a yes is right in 95 % of the cases
    largest_errors(model, test)                               the rows that the model is most wrong about
"""

from pellucid.explain.attention_weights import attention_weights
from pellucid.explain.attribution import Attribution
from pellucid.explain.decisions import DecisionThreshold, decision_threshold
from pellucid.explain.deeplift import deeplift
from pellucid.explain.dependence import PartialDependence, partial_dependence
from pellucid.explain.errors import LargestErrors, largest_errors
from pellucid.explain.grad_cam import grad_cam
from pellucid.explain.gradients import gradient, input_times_gradient, saliency
from pellucid.explain.importance import Importance, permutation_importance
from pellucid.explain.integrated_gradients import expected_gradients, integrated_gradients
from pellucid.explain.intervals import Coverage, PredictionIntervals, prediction_intervals
from pellucid.explain.language_models import TokenReader, TokenReading, logit_lens, probabilities_without
from pellucid.explain.methods import METHODS, Method, method
from pellucid.explain.occlusion import occlusion
from pellucid.explain.shapley import shapley

__all__ = [
    "METHODS",
    "Attribution",
    "Coverage",
    "DecisionThreshold",
    "Importance",
    "LargestErrors",
    "Method",
    "PartialDependence",
    "PredictionIntervals",
    "TokenReader",
    "TokenReading",
    "attention_weights",
    "decision_threshold",
    "deeplift",
    "expected_gradients",
    "grad_cam",
    "gradient",
    "input_times_gradient",
    "integrated_gradients",
    "largest_errors",
    "logit_lens",
    "method",
    "occlusion",
    "partial_dependence",
    "permutation_importance",
    "prediction_intervals",
    "probabilities_without",
    "saliency",
    "shapley",
]
