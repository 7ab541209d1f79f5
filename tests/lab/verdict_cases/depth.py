"""Made-up results for the chapter "Depth", with the verdicts they must give."""

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


def _initialization(differ: float, rule: float, xavier: float = 0.9, memorized: float = 0.2):
    accuracy = {"zero": 0.1, "constant 0.1": 0.2, "N(0, 0.01²)": rule, "N(0, 1)": 0.7, "Xavier, N(0, 1/n)": xavier}
    accuracy["He, N(0, 2/n)"] = 0.9
    return {name: {"accuracy": a, "differ": differ, "600": memorized} for name, a in accuracy.items()}


# name of the experiment -> pairs of results and expected outcome
CASES = {
    "vanishing-gradients": [
        ([_gradients(1e-10, 0.1)], "holds"),
        ([_gradients(1e-10, 1e-8)], "depends"),
        ([_gradients(0.1, 0.1)], "does not hold"),
        ([_gradients(1e-10, 1e-8, 1e-8)], "does not hold"),
    ],
    "batch-normalization": [
        ([_batch_norm(SHALLOW, DEEP, MANY)], "holds"),
        ([_batch_norm(SHALLOW, DEEP, FEW)], "depends"),
        ([_batch_norm(SHALLOW, DEEP, MANY), _batch_norm(DEEP, DEEP, MANY)], "does not hold"),
    ],
    "weight-initialization": [
        ([_initialization(0.0, 0.8)], "holds"),
        ([_initialization(0.0, 0.2)], "depends"),
        ([_initialization(0.1, 0.8)], "does not hold"),
        ([_initialization(0.0, 0.8, xavier=0.6)], "does not hold"),
        ([_initialization(0.0, 0.8, memorized=0.9)], "does not hold"),
    ],
}
