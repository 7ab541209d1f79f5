"""Which activations saturate, and are their derivatives what the library computes?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid import ELU, GELU, Identity, LeakyReLU, ReLU, Sigmoid, SiLU, Softmax, Softplus, Tanh
from pellucid.core.memory import Array
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict
from pellucid.lab.passes import there_and_back
from pellucid.layers import Layer
from pellucid.plots import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

H, SMALL = 1e-5, 0.01


def s(x: Array) -> Any:
    return 1 / (1 + np.exp(-x))


def gelu_slope(x: Array) -> Any:
    return np.vectorize(lambda v: (1 + math.erf(v / math.sqrt(2))) / 2)(x) + x * np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)


# name -> (layer, its derivative as it is written, what it is used for)
KINDS: dict[str, tuple[Layer, Callable[[Array], Array], str]] = {
    "linear": (Identity(), np.ones_like, "output of a regression"),
    "sigmoid": (Sigmoid(), lambda x: s(x) * (1 - s(x)), "output: yes or no; gates"),
    "tanh": (Tanh(), lambda x: 1 - np.tanh(x) ** 2, "output between −1 and 1, as for generated pictures; recurrent states"),
    "ReLU": (ReLU(), lambda x: 1.0 * (x > 0), "hidden layers: the usual choice"),
    "leaky ReLU": (LeakyReLU(0.01), lambda x: np.where(x > 0, 1, 0.01), "hidden layers, where units die"),
    "ELU": (ELU(), lambda x: np.where(x > 0, 1, np.exp(x)), "hidden layers, outputs nearer zero"),
    "SiLU (swish)": (SiLU(), lambda x: s(x) * (1 + x * (1 - s(x))), "hidden layers of deep networks"),
    "GELU": (GELU(), gelu_slope, "hidden layers of transformers"),
    "softplus": (Softplus(), s, "output that has to be positive"),
    "softmax": (Softmax(), lambda x: s(x - math.log(2)) * (1 - s(x - math.log(2))), "output: one of several classes"),
}


def measure(trial: Trial) -> Result:
    axis = np.linspace(-10, 10, trial.pick(full=4000, quick=4000, tiny=400))  # zero, where some have a kink, is not among them
    found: Result = {}
    for name, (layer, written, _) in KINDS.items():
        x = axis[:, None] * ([[1, 0, 0]] if name == "softmax" else [[1]])  # then y₁ = σ(x − log 2)

        def f(x: Array, layer: Layer = layer) -> tuple[Array, Array]:
            y, dx, _ = there_and_back(layer, {}, x, lambda y: np.eye(y.shape[1])[[0] * len(y)])
            return y[:, 0], dx[:, 0]

        y, slope = f(x)
        shift = H * np.eye(x.shape[1])[0]
        differences = (f(x + shift)[0] - f(x - shift)[0]) / (2 * H)
        errors = (float(np.abs(slope - other).max()) for other in (written(axis), differences))
        vanishes = [float((np.abs(slope[side]) < SMALL).mean()) for side in (axis < -5, axis > 5)]
        curve = [values[:: len(axis) // 80].round(3).tolist() for values in (axis, y, slope)]
        found[name] = dict(zip(("written", "differences"), errors, strict=True), vanishes=vanishes, curve=curve)
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    error = max(one[what] for result in results for one in result.values() for what in ("written", "differences"))
    sides = {name: sum(share > 0.5 for share in results[0][name]["vanishes"]) for name in KINDS}
    both, one = ([name for name in KINDS if sides[name] == count] for count in (2, 1))
    because = (
        f"beyond ±5 the derivative is below {SMALL} on both sides for {', '.join(both) or 'none'}, on one side for "
        f"{', '.join(one) or 'none'}; formulas, differences and library are at most {error:.0e} apart"
    )
    if error > 1e-6 or not {"sigmoid", "tanh"} <= set(both) or "ReLU" in both:
        return Verdict("does not hold", because)
    return Verdict("depends" if "ReLU" in one else "holds", because)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name, one in results[0].items():
        errors = (f"{one[what]:.0e}" for what in ("written", "differences"))
        rows.append((name, KINDS[name][2], *(f"{100 * share:.0f} %" for share in one["vanishes"]), *errors))
    columns = f"|f'| < {SMALL} for x < −5", "for x > 5", "library's f' − formula, at most", "− differences"
    return Table(("activation", "used for", *columns), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    made, axes = style.figure(9, 4.6, 5, 2)
    for i, (ax, (name, one)) in enumerate(zip(axes, results[0].items(), strict=True)):
        x, y, slope = one["curve"]
        ax.plot(x, y, color=style.BLUE, label="f")
        ax.plot(x, slope, "--", color=style.VERMILION, label="f'")
        ax.set(xlim=(-6, 6), ylim=(-1.3, 3), xlabel="x" if i >= 5 else "", title=name)
    axes[0].legend(fontsize=8, loc="upper left")
    return made


EXPERIMENT = Experiment(
    question="Which activations saturate?",
    codes=("D1",),
    chapter="Neurons and functions",
    claim="Sigmoid and tanh are saturating: they squeeze what comes in, and their slope vanishes. ReLU is not saturating.",
    source="Introduction to neural networks, Saturating functions; Dive into deep learning, 2.3 Activation functions",
    criterion="A slope vanishes on a side where |f'| < 0.01 for more than half of the points from 5 to 10 away. For sigmoid "
    "and tanh it does on both, for ReLU on none (depends: on one); formulas, differences and library agree within 1e-6.",
    mathematics=(
        "On the way back each activation multiplies the gradient by f': where f is flat, nothing comes through. With the "
        "output y,\n\n"
        "    sigmoid: f' = y (1 − y) ≤ ¼,   tanh: f' = 1 − y² ≤ 1,   ReLU: f' = 1 or 0\n\n"
        "ReLU does not saturate above; below zero it is as flat as can be. A unit that is below for every sample is dead: it "
        "stays so. Leaky ReLU leaves a slope of 0.01; ELU, SiLU x σ(x) and GELU x Φ(x) fade out gradually below zero.\n\n"
        "Softmax is a function of a vector. Drawn is its first output when the first of three inputs moves: a sigmoid, "
        "shifted by log 2, which saturates too; cross-entropy behind it takes that away, δ = a − y."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    alt="Ten activations as blue lines with their derivatives dashed: those of sigmoid and tanh vanish on both sides.",
    seeds=1,
)
