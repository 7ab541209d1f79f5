"""Made-up results for the chapter "Architecture", with the verdicts they must give."""

from __future__ import annotations

SHAPES = "16", "64", "256", "64x64", "64x64x64"


def _sweep(rates: dict[str, float], best: float = 0.0):
    """Each rate's accuracy for the smallest shape; the others are better by ``best``."""
    return {shape: {rate: a + best * (shape != "16") for rate, a in rates.items()} for shape in SHAPES}


def _weight_sharing(dense: float, few: float, many: float, error: float = 1e-12, moved: float = 1e-6):
    return {
        "error": error,
        "equivariance error": moved,
        "dense, 784-64-10": [dense] * 5,
        "one convolution": [few, few, few, many, many],
    }


def _lottery_ticket(original: float, new: float):
    return {
        "trained from the original weights": [0.95] * 4 + [original] * 3,
        "trained from new weights": [0.95] * 4 + [new] * 3,
    }


def _libraries(ours: float, theirs: float, seconds: float):
    return {"Pellucid": {"accuracy": [ours], "seconds": 1.0}, "scikit-learn": {"accuracy": [theirs], "seconds": seconds}}


# name of the experiment -> pairs of results and expected outcome
CASES = {
    "architecture-and-learning-rate": [
        ([_sweep({"0.003": 0.8, "0.03": 0.9, "0.3": 0.93, "3": 0.1}, 0.02)], "holds"),
        ([_sweep({"0.003": 0.8, "0.03": 0.9, "0.3": 0.91, "3": 0.93}, 0.02)], "depends"),
        ([_sweep({"0.003": 0.8, "0.03": 0.9, "0.3": 0.93, "3": 0.1}, 0.001)], "does not hold"),
    ],
    "weight-sharing": [
        ([_weight_sharing(0.9, 0.92, 0.95)], "holds"),
        ([_weight_sharing(0.9, 0.88, 0.95)], "depends"),
        ([_weight_sharing(0.9, 0.88, 0.9)], "does not hold"),
        ([_weight_sharing(0.9, 0.92, 0.95, error=1e-3)], "does not hold"),
        ([_weight_sharing(0.9, 0.92, 0.95, moved=0.1)], "does not hold"),
    ],
    "lottery-ticket": [
        ([_lottery_ticket(0.95, 0.9)], "holds"),
        ([_lottery_ticket(0.95, 0.949)], "depends"),
        ([_lottery_ticket(0.9, 0.8)], "does not hold"),
    ],
    "library-comparison": [
        ([_libraries(0.97, 0.968, 3.0)], "holds"),
        ([_libraries(0.95, 0.968, 3.0)], "does not hold"),
        ([_libraries(0.97, 0.968, 0.8)], "does not hold"),
    ],
}
