"""Made-up results for the chapter "Generalization", with the verdicts they must give."""

from __future__ import annotations

WIDTHS = 1, 2, 4, 8, 16, 32, 64, 128, 256, 512


def _complexity(last: float, first: float = 0.7):
    validation = [first, 0.4, 0.3, 0.2, 0.15, 0.1, 0.1, 0.1, 0.1, last]
    train = [first, 0.3, 0.2, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    rows = zip(WIDTHS, train, validation, strict=True)
    return {str(width): {"train_error": one, "validation_error": other} for width, one, other in rows}


def _early_stopping(end: float, stopped: float, fall: float):
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
    one["elastic net, half of each"] = (0.3, 8.0, elastic)
    return {name: {"small": s, "length": n, "validation_loss": loss} for name, (s, n, loss) in one.items()}


def _dropout(dropout: float, noise: float, exact: float = 1e-6, average: float = 0.01):
    thinned = {"from the geometric mean": exact, "from the average": average, "one mask from the average": 0.1}
    losses = {"none": 0.3, "dropout 0.5": dropout, "noise of 0.5": noise}
    return {"thinned": thinned, **{name: {"loss": [0.5, loss]} for name, loss in losses.items()}}


def _labels(learned: float, random: float, half: float = 0.6):
    return {
        "0.0": {"curve": [0.9], "learned": 1.0, "best": 0.9},
        "0.5": {"curve": [half], "learned": 1.0, "best": 0.7},
        "1.0": {"curve": [random], "learned": learned, "best": random},
    }


def _double_descent(peak: float, last: float):
    return {"validation": [0.5, 0.3, 0.2, 0.22, 0.24, 0.25, peak, 0.25, 0.24, 0.2, last]}


def _calibration(confidence: float, before: float, after: float):
    states = {"as trained": {"mean confidence": confidence, "error": before}, "with temperature scaling": {"error": after}}
    return {"temperature": 2.0, "accuracy": 0.95, **states}


# name of the experiment -> pairs of results and expected outcome
CASES = {
    "model-complexity": [
        ([_complexity(0.15)], "holds"),
        ([_complexity(0.1)], "depends"),
        ([_complexity(0.15, first=0.15)], "does not hold"),
    ],
    "early-stopping": [
        ([_early_stopping(0.5, 0.3, 0.02)], "holds"),
        ([_early_stopping(0.5, 0.3, 0.0)], "depends"),
        ([_early_stopping(0.5, 0.3, 0.02), _early_stopping(0.31, 0.3, 0.02)], "does not hold"),
        ([_early_stopping(0.5, 0.45, 0.02)], "does not hold"),
    ],
    "weight-penalties": [
        ([_penalties(0.6, 0.25)], "holds"),
        ([_penalties(0.6, 0.35)], "depends"),
        ([_penalties(0.2, 0.25)], "does not hold"),
        ([_penalties(0.6, 0.25, length=9.5)], "does not hold"),
    ],
    "dropout": [
        ([_dropout(0.2, 0.2)], "holds"),
        ([_dropout(0.2, 0.35)], "depends"),
        ([_dropout(0.35, 0.2)], "does not hold"),
        ([_dropout(0.2, 0.2, exact=0.01)], "does not hold"),
        ([_dropout(0.2, 0.2, average=0.08)], "depends"),
    ],
    "random-labels": [
        ([_labels(1.0, 0.1)], "holds"),
        ([_labels(0.8, 0.1)], "does not hold"),
        ([_labels(1.0, 0.1, half=0.95)], "does not hold"),
    ],
    "double-descent": [
        ([_double_descent(0.8, 0.1)], "holds"),
        ([_double_descent(0.8, 0.25)], "depends"),
        ([_double_descent(0.28, 0.1)], "does not hold"),
    ],
    "calibration": [
        ([_calibration(0.98, 0.03, 0.01)], "holds"),
        ([_calibration(0.98, 0.03, 0.02)], "depends"),
        ([_calibration(0.98, 0.03, 0.02), _calibration(0.94, 0.03, 0.01)], "does not hold"),
        ([_calibration(0.98, 0.03, 0.04)], "does not hold"),
    ],
}
