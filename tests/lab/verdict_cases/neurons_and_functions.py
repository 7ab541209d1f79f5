"""Made-up results for the chapter "Neurons and functions", with the verdicts they must give."""

from __future__ import annotations


def _xor(linear: int, nonlinear: int):
    correct = {"no hidden layer": linear, "8 linear hidden units": linear, "8 tanh hidden units": nonlinear}
    return {name: {"correct": points} for name, points in correct.items()}


def _descent(free: float, ridge: float, error: float = 1e-9):
    return {
        "gradient error": error,
        "anywhere": {"in a minimum": free, "f": -4.0},
        "on the ridge x = π/2": {"in a minimum": ridge, "f": -1.0},
        "at the maximum (π/2, π/2)": {"in a minimum": 0.0, "f": 0.0},
    }


def _composition(error: float = 1e-7, changed: int = 1):
    counts = {"dense1": 5, "sigmoid1": changed, "dense2": 3, "softmax1": 3}
    return {name: {"alone": 1e-16, "in the network": error, "changed outputs": count} for name, count in counts.items()}


def _approximation(tanh: float, relu: float, cubic: float = 1.2):
    ends = {"tanh": (1.0, tanh), "ReLU": (1.0, relu), "x³ + x² + x": (1.2, cubic), "tanh, trained by Adam": (1.0, 0.3)}
    return {"floor": 0.66} | {name: [first, first, last] for name, (first, last) in ends.items()}


def _separated(**right: tuple[str, ...]):
    sets = ("blobs", "moons", "circles", "xor", "spirals")
    return {
        kind.replace("_", " "): {name: {"accuracy": 0.99 if name in names else 0.8} for name in sets}
        for kind, names in right.items()
    }


def _perceptron(test: list[float], bound: float = 50.0, ends: bool = False, rates: tuple[int, ...] = (9, 9, 9, 9)):
    found = {"ended": [True] * 5, "mistakes": [20] * 5, "bound": [bound] * 5, "test": test, "by rate": list(rates)}
    return found | {name: {"ended": ends} for name in ("XOR", "moons", "overlapping blobs")}


def _saturation(relu: tuple[float, float], tanh: tuple[float, float] = (1.0, 1.0), error: float = 1e-9):
    vanishes = {"sigmoid": (1.0, 1.0), "tanh": tanh, "ReLU": relu}
    others = ("linear", "leaky ReLU", "ELU", "SiLU (swish)", "GELU", "softplus", "softmax")
    vanishes |= dict.fromkeys(others, (0.0, 0.0))
    return {name: {"formula": error, "differences": 1e-9, "vanishes": fractions} for name, fractions in vanishes.items()}


ALL = ("blobs", "moons", "circles", "xor", "spirals")

# name of the experiment -> pairs of results and expected outcome
CASES = {
    "xor": [
        ([_xor(2, 4), _xor(3, 4)], "holds"),
        ([_xor(2, 4), _xor(2, 3)], "does not hold"),
        ([_xor(2, 4), _xor(4, 4)], "does not hold"),
    ],
    "gradient-descent": [
        ([_descent(1.0, 1.0)], "holds"),
        ([_descent(1.0, 0.0), _descent(0.995, 0.0)], "depends"),
        ([_descent(1.0, 0.0), _descent(0.9, 0.0)], "does not hold"),
        ([_descent(1.0, 1.0, error=0.1)], "does not hold"),
    ],
    "layer-composition": [
        ([_composition(), _composition(1e-6)], "holds"),
        ([_composition(), _composition(1e-3)], "does not hold"),
        ([_composition(), _composition(changed=2)], "does not hold"),
    ],
    "universal-approximation": [
        ([_approximation(0.001, 0.01)], "holds"),
        ([_approximation(0.001, 0.5)], "does not hold"),
        ([_approximation(0.001, 0.01), _approximation(0.001, 0.01, cubic=0.1)], "does not hold"),
    ],
    "perceptron": [
        ([_perceptron([0.8, 0.9, 0.9, 0.7, 0.6, 0.6], rates=(9, 9, 12, 30))], "holds"),
        ([_perceptron([0.8, 0.9, 0.9, 0.7, 0.6, 0.6])], "depends"),
        ([_perceptron([0.8, 0.9, 0.9, 0.9, 0.9, 0.9])], "depends"),
        ([_perceptron([0.8, 0.9, 0.6], bound=10.0)], "does not hold"),
        ([_perceptron([0.8, 0.9, 0.6], ends=True)], "does not hold"),
    ],
    "activation-saturation": [
        ([_saturation((0.0, 0.0))], "holds"),
        ([_saturation((1.0, 0.0))], "depends"),
        ([_saturation((1.0, 1.0))], "does not hold"),
        ([_saturation((0.0, 0.0), tanh=(1.0, 0.0))], "does not hold"),
        ([_saturation((0.0, 0.0), error=0.1)], "does not hold"),
    ],
    "decision-boundaries": [
        ([_separated(linear=ALL[:1], cubic_polynomial=ALL[:3], radial_basis=ALL, small_network=ALL)], "holds"),
        ([_separated(linear=ALL[:1], cubic_polynomial=ALL[:3], radial_basis=ALL[:3], small_network=ALL[:4])], "depends"),
        ([_separated(linear=ALL, cubic_polynomial=ALL, radial_basis=ALL, small_network=ALL)], "does not hold"),
    ],
}
