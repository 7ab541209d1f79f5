"""Results that nobody measured, for the chapter "Neurons and functions": what the verdicts must say of them."""

from __future__ import annotations


def _xor(straight: int, bent: int):
    right = {"no hidden layer": straight, "8 linear hidden units": straight, "8 tanh hidden units": bent}
    return {name: {"right": points} for name, points in right.items()}


# name of the experiment -> (results, what the verdict says of them)
PLANTED = {
    "xor-needs-a-bend": [
        ([_xor(2, 4), _xor(3, 4)], "holds"),
        ([_xor(2, 4), _xor(2, 3)], "does not hold"),
        ([_xor(2, 4), _xor(4, 4)], "does not hold"),
    ],
}
