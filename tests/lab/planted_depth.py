"""Results that nobody measured, for the chapter "Depth": what the verdicts must say of them."""

from __future__ import annotations


def _gradients(sigmoid: float, remedy: float, other: float = 1.0):
    ratios = {
        "sigmoid, Glorot": sigmoid,
        "ReLU, N(0, 0.01²)": 1e-20,
        "ReLU, variance 5/n": 1e4,
        "tanh, Glorot": remedy,
        "ReLU, He": other,
        "sigmoid, batch normalization": other,
        "ReLU, residual": other,
    }
    return {name: {"ratio": ratio} for name, ratio in ratios.items()}


def _batch_norm(without: list[float], with_: list[float], rates: list[float]):
    return {"without": {"depth": without, "rate": [0.1, 0.9, 0.9, 0.1, 0.1]}, "with": {"depth": with_, "rate": rates}}


SHALLOW, DEEP = [0.9, 0.9, 0.1, 0.1, 0.1], [0.9, 0.9, 0.9, 0.9, 0.1]
FEW, MANY = [0.1, 0.9, 0.9, 0.1, 0.1], [0.9, 0.9, 0.9, 0.9, 0.1]


def _first(differ: float, rule: float, xavier: float = 0.9, known: float = 0.2):
    accuracy = {"zero": 0.1, "constant 0.1": 0.2, "N(0, 0.01²)": rule, "N(0, 1)": 0.7, "Xavier, N(0, 1/n)": xavier}
    accuracy["He, N(0, 2/n)"] = 0.9
    return {name: {"accuracy": a, "differ": differ, "600": known} for name, a in accuracy.items()}


# name of the experiment -> (results, what the verdict says of them)
PLANTED = {
    "deep-gradients-vanish-or-explode": [
        ([_gradients(1e-10, 0.1)], "holds"),
        ([_gradients(1e-10, 1e-8)], "depends"),
        ([_gradients(0.1, 0.1)], "does not hold"),
        ([_gradients(1e-10, 1e-8, 1e-8)], "does not hold"),
    ],
    "batch-norm-lets-deep-sigmoids-learn": [
        ([_batch_norm(SHALLOW, DEEP, MANY)], "holds"),
        ([_batch_norm(SHALLOW, DEEP, FEW)], "depends"),
        ([_batch_norm(SHALLOW, DEEP, MANY), _batch_norm(DEEP, DEEP, MANY)], "does not hold"),
    ],
    "first-weights-decide": [
        ([_first(0.0, 0.8)], "holds"),
        ([_first(0.0, 0.2)], "depends"),
        ([_first(0.1, 0.8)], "does not hold"),
        ([_first(0.0, 0.8, xavier=0.6)], "does not hold"),
        ([_first(0.0, 0.8, known=0.9)], "does not hold"),
    ],
}
