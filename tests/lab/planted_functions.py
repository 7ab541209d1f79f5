"""Results that nobody measured, for the chapter "Neurons and functions": what the verdicts must say of them."""

from __future__ import annotations


def _xor(straight: int, bent: int):
    right = {"no hidden layer": straight, "8 linear hidden units": straight, "8 tanh hidden units": bent}
    return {name: {"right": points} for name, points in right.items()}


def _downhill(free: float, ridge: float, error: float = 1e-9):
    return {
        "gradient error": error,
        "anywhere": {"in a minimum": free, "f": -4.0},
        "on the ridge x = π/2": {"in a minimum": ridge, "f": -1.0},
        "on the top (π/2, π/2)": {"in a minimum": 0.0, "f": 0.0},
    }


def _in_turn(far: float = 1e-7, felt: int = 1):
    counts = {"dense1": 5, "sigmoid1": felt, "dense2": 3, "softmax1": 3}
    return {name: {"alone": 1e-16, "in the network": far, "felt": count} for name, count in counts.items()}


def _any_function(tanh: float, relu: float, cubic: float = 1.2):
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
    return found | {name: {"ended": ends} for name in ("XOR", "moons", "blobs that overlap")}


def _saturation(relu: tuple[float, float], tanh: tuple[float, float] = (1.0, 1.0), error: float = 1e-9):
    vanishes = {"sigmoid": (1.0, 1.0), "tanh": tanh, "ReLU": relu}
    others = ("linear", "leaky ReLU", "ELU", "SiLU (swish)", "GELU", "softplus", "softmax")
    vanishes |= dict.fromkeys(others, (0.0, 0.0))
    return {name: {"written": error, "differences": 1e-9, "vanishes": shares} for name, shares in vanishes.items()}


ALL = ("blobs", "moons", "circles", "xor", "spirals")

# name of the experiment -> (results, what the verdict says of them)
PLANTED = {
    "xor-needs-a-bend": [
        ([_xor(2, 4), _xor(3, 4)], "holds"),
        ([_xor(2, 4), _xor(2, 3)], "does not hold"),
        ([_xor(2, 4), _xor(4, 4)], "does not hold"),
    ],
    "downhill-along-the-gradient": [
        ([_downhill(1.0, 1.0)], "holds"),
        ([_downhill(1.0, 0.0), _downhill(0.995, 0.0)], "depends"),
        ([_downhill(1.0, 0.0), _downhill(0.9, 0.0)], "does not hold"),
        ([_downhill(1.0, 1.0, error=0.1)], "does not hold"),
    ],
    "a-network-is-its-layers-in-turn": [
        ([_in_turn(), _in_turn(1e-6)], "holds"),
        ([_in_turn(), _in_turn(1e-3)], "does not hold"),
        ([_in_turn(), _in_turn(felt=2)], "does not hold"),
    ],
    "any-function-from-one-hidden-layer": [
        ([_any_function(0.001, 0.01)], "holds"),
        ([_any_function(0.001, 0.5)], "does not hold"),
        ([_any_function(0.001, 0.01), _any_function(0.001, 0.01, cubic=0.1)], "does not hold"),
    ],
    "the-perceptron-ends-or-never-does": [
        ([_perceptron([0.8, 0.9, 0.9, 0.7, 0.6, 0.6], rates=(9, 9, 12, 30))], "holds"),
        ([_perceptron([0.8, 0.9, 0.9, 0.7, 0.6, 0.6])], "depends"),
        ([_perceptron([0.8, 0.9, 0.9, 0.9, 0.9, 0.9])], "depends"),
        ([_perceptron([0.8, 0.9, 0.6], bound=10.0)], "does not hold"),
        ([_perceptron([0.8, 0.9, 0.6], ends=True)], "does not hold"),
    ],
    "which-activations-saturate": [
        ([_saturation((0.0, 0.0))], "holds"),
        ([_saturation((1.0, 0.0))], "depends"),
        ([_saturation((1.0, 1.0))], "does not hold"),
        ([_saturation((0.0, 0.0), tanh=(1.0, 0.0))], "does not hold"),
        ([_saturation((0.0, 0.0), error=0.1)], "does not hold"),
    ],
    "which-model-separates-what": [
        ([_separated(linear=ALL[:1], cubic_polynomial=ALL[:3], radial_basis=ALL, small_network=ALL)], "holds"),
        ([_separated(linear=ALL[:1], cubic_polynomial=ALL[:3], radial_basis=ALL[:3], small_network=ALL[:4])], "depends"),
        ([_separated(linear=ALL, cubic_polynomial=ALL, radial_basis=ALL, small_network=ALL)], "does not hold"),
    ],
}
