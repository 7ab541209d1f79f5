"""Results that nobody measured, for the chapter "Generalizing": what the verdicts must say of them."""

from __future__ import annotations

WIDTHS = 1, 2, 4, 8, 16, 32, 64, 128, 256, 512


def _complexity(last: float, first: float = 0.7):
    validation = [first, 0.4, 0.3, 0.2, 0.15, 0.1, 0.1, 0.1, 0.1, last]
    train = [first, 0.3, 0.2, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    rows = zip(WIDTHS, train, validation, strict=True)
    return {str(width): {"train_error": one, "validation_error": other} for width, one, other in rows}


def _turning(end: float, stopped: float, fall: float):
    return {
        "validation_loss": [0.5, 0.3, end],
        "validation_accuracy": [0.9, 0.95, 0.95 - fall],
        "train_loss": [0.5, 0.2, 0.0],
        "end": {"loss": 0.4},
        "stopped": {"loss": stopped},
        "epochs": 3,
    }


def _penalties(sparse: float, elastic: float, length: float = 8.0):
    one = {"none": (0.1, 10.0, 0.3), "L2, λ = 0.002": (0.1, length, 0.25), "L1, λ = 0.0005": (sparse, 8.0, 0.25)}
    one["elastic net, both halved"] = (0.3, 8.0, elastic)
    return {name: {"small": s, "length": n, "validation_loss": cost} for name, (s, n, cost) in one.items()}


def _dropout(dropout: float, noise: float, exact: float = 1e-6, average: float = 0.01):
    thinned = {"from the geometric mean": exact, "from the average": average, "one mask from the average": 0.1}
    costs = {"none": 0.3, "dropout 0.5": dropout, "noise of 0.5": noise}
    return {"thinned": thinned, **{name: {"loss": [0.5, cost]} for name, cost in costs.items()}}


def _labels(heart: float, chance: float, half: float = 0.6):
    return {
        "0.0": {"curve": [0.9], "learned": 1.0, "best": 0.9},
        "0.5": {"curve": [half], "learned": 1.0, "best": 0.7},
        "1.0": {"curve": [chance], "learned": heart, "best": chance},
    }


# name of the experiment -> (results, what the verdict says of them)
PLANTED = {
    "errors-by-complexity": [
        ([_complexity(0.15)], "holds"),
        ([_complexity(0.1)], "depends"),
        ([_complexity(0.15, first=0.15)], "does not hold"),
    ],
    "when-learning-turns-to-knowing-by-heart": [
        ([_turning(0.5, 0.3, 0.02)], "holds"),
        ([_turning(0.5, 0.3, 0.0)], "depends"),
        ([_turning(0.5, 0.3, 0.02), _turning(0.31, 0.3, 0.02)], "does not hold"),
        ([_turning(0.5, 0.45, 0.02)], "does not hold"),
    ],
    "penalties-on-weights": [
        ([_penalties(0.6, 0.25)], "holds"),
        ([_penalties(0.6, 0.35)], "depends"),
        ([_penalties(0.2, 0.25)], "does not hold"),
        ([_penalties(0.6, 0.25, length=9.5)], "does not hold"),
    ],
    "dropout-is-an-average": [
        ([_dropout(0.2, 0.2)], "holds"),
        ([_dropout(0.2, 0.35)], "depends"),
        ([_dropout(0.35, 0.2)], "does not hold"),
        ([_dropout(0.2, 0.2, exact=0.01)], "does not hold"),
        ([_dropout(0.2, 0.2, average=0.08)], "depends"),
    ],
    "labels-at-random": [
        ([_labels(1.0, 0.1)], "holds"),
        ([_labels(0.8, 0.1)], "does not hold"),
        ([_labels(1.0, 0.1, half=0.95)], "does not hold"),
    ],
}
