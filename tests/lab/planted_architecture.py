"""Results that nobody measured, for architecture and what is beyond the documents: what the verdicts must say of them."""

from __future__ import annotations

SHAPES = "16", "64", "256", "64x64", "64x64x64"


def _sweep(rates: dict[str, float], best: float = 0.0):
    """Each rate's accuracy for the smallest shape; the others are better by ``best``."""
    return {shape: {rate: a + best * (shape != "16") for rate, a in rates.items()} for shape in SHAPES}


def _shared(dense: float, few: float, many: float, error: float = 1e-12, moved: float = 1e-6):
    return {
        "error": error,
        "moves along": moved,
        "dense, 784-64-10": [dense] * 5,
        "one convolution": [few, few, few, many, many],
    }


def _pruned(ticket: float, anew: float):
    return {"as they began": [0.95] * 4 + [ticket] * 3, "begun anew": [0.95] * 4 + [anew] * 3}


def _groups(code: float, pixels: float):
    return {"k-means on the code": code, "k-means on the pixels": pixels, "groups at random": 0.13, "tree": 0.85}


def _sure(sure: float, before: float, after: float):
    states = {"as trained": {"sure": sure, "error": before}, "with a temperature": {"error": after}}
    return {"temperature": 2.0, "accuracy": 0.95, **states}


def _descent(peak: float, last: float):
    return {"validation": [0.5, 0.3, 0.2, 0.22, 0.24, 0.25, peak, 0.25, 0.24, 0.2, last]}


# name of the experiment -> (results, what the verdict says of them)
PLANTED = {
    "hidden-units-and-learning-rate": [
        ([_sweep({"0.003": 0.8, "0.03": 0.9, "0.3": 0.93, "3": 0.1}, 0.02)], "holds"),
        ([_sweep({"0.003": 0.8, "0.03": 0.9, "0.3": 0.91, "3": 0.93}, 0.02)], "depends"),
        ([_sweep({"0.003": 0.8, "0.03": 0.9, "0.3": 0.93, "3": 0.1}, 0.001)], "does not hold"),
    ],
    "what-convolution-shares": [
        ([_shared(0.9, 0.92, 0.95)], "holds"),
        ([_shared(0.9, 0.88, 0.95)], "depends"),
        ([_shared(0.9, 0.88, 0.9)], "does not hold"),
        ([_shared(0.9, 0.92, 0.95, error=1e-3)], "does not hold"),
        ([_shared(0.9, 0.92, 0.95, moved=0.1)], "does not hold"),
    ],
    "most-weights-can-go": [
        ([_pruned(0.95, 0.9)], "holds"),
        ([_pruned(0.95, 0.949)], "depends"),
        ([_pruned(0.9, 0.8)], "does not hold"),
    ],
    "groups-without-labels": [
        ([_groups(0.65, 0.55)], "holds"),
        ([_groups(0.55, 0.55)], "depends"),
        ([_groups(0.2, 0.55)], "does not hold"),
    ],
    "how-sure-is-it-rightly": [
        ([_sure(0.98, 0.03, 0.01)], "holds"),
        ([_sure(0.98, 0.03, 0.02)], "depends"),
        ([_sure(0.98, 0.03, 0.02), _sure(0.94, 0.03, 0.01)], "does not hold"),
        ([_sure(0.98, 0.03, 0.04)], "does not hold"),
    ],
    "more-parameters-than-samples": [
        ([_descent(0.8, 0.1)], "holds"),
        ([_descent(0.8, 0.25)], "depends"),
        ([_descent(0.28, 0.1)], "does not hold"),
    ],
}
