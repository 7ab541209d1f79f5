"""Which activation functions saturate?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid import ELU, GELU, Identity, LeakyReLU, ReLU, Sigmoid, SiLU, Softmax, Softplus, Tanh
from pellucid.core.memory import Array
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict
from pellucid.lab.reference_pass import forward_backward
from pellucid.layers import Layer
from pellucid.plots import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

H, SMALL = 1e-5, 0.01


def s(x: Array) -> Any:
    return 1 / (1 + np.exp(-x))


def gelu_slope(x: Array) -> Any:
    return np.vectorize(lambda v: (1 + math.erf(v / math.sqrt(2))) / 2)(x) + x * np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)


# name -> (layer, formula of its derivative, typical use)
KINDS: dict[str, tuple[Layer, Callable[[Array], Array], str]] = {
    "linear": (Identity(), np.ones_like, "output of a regression"),
    "sigmoid": (Sigmoid(), lambda x: s(x) * (1 - s(x)), "binary output; gates"),
    "tanh": (Tanh(), lambda x: 1 - np.tanh(x) ** 2, "output between −1 and 1, such as generated images; recurrent states"),
    "ReLU": (ReLU(), lambda x: 1.0 * (x > 0), "hidden layers: the usual choice"),
    "leaky ReLU": (LeakyReLU(0.01), lambda x: np.where(x > 0, 1, 0.01), "hidden layers in which units die"),
    "ELU": (ELU(), lambda x: np.where(x > 0, 1, np.exp(x)), "hidden layers, outputs closer to zero"),
    "SiLU (swish)": (SiLU(), lambda x: s(x) * (1 + x * (1 - s(x))), "hidden layers of deep networks"),
    "GELU": (GELU(), gelu_slope, "hidden layers of transformers"),
    "softplus": (Softplus(), s, "positive output"),
    "softmax": (Softmax(), lambda x: s(x - math.log(2)) * (1 - s(x - math.log(2))), "output: one of several classes"),
}


def measure(trial: Trial) -> Result:
    axis = np.linspace(-10, 10, trial.pick(full=4000, quick=4000, tiny=400))  # without zero, where some functions have a kink
    found: Result = {}
    for name, (layer, derivative, _) in KINDS.items():
        x = axis[:, None] * ([[1, 0, 0]] if name == "softmax" else [[1]])  # for softmax: y₁ = σ(x − log 2)

        def f(x: Array, layer: Layer = layer) -> tuple[Array, Array]:
            y, dx, _ = forward_backward(layer, {}, x, lambda y: np.eye(y.shape[1])[[0] * len(y)])
            return y[:, 0], dx[:, 0]

        y, slope = f(x)
        shift = H * np.eye(x.shape[1])[0]
        differences = (f(x + shift)[0] - f(x - shift)[0]) / (2 * H)
        errors = (float(np.abs(slope - other).max()) for other in (derivative(axis), differences))
        vanishes = [float((np.abs(slope[side]) < SMALL).mean()) for side in (axis < -5, axis > 5)]
        curve = [values[:: len(axis) // 80].round(3).tolist() for values in (axis, y, slope)]
        found[name] = dict(zip(("formula", "differences"), errors, strict=True), vanishes=vanishes, curve=curve)
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    error = max(one[what] for result in results for one in result.values() for what in ("formula", "differences"))
    sides = {name: sum(fraction > 0.5 for fraction in results[0][name]["vanishes"]) for name in KINDS}
    both, one = ([name for name in KINDS if sides[name] == count] for count in (2, 1))
    reason = (
        f"beyond ±5 the derivative is below {SMALL} on both sides for {', '.join(both) or 'none'}, and on one side for "
        f"{', '.join(one) or 'none'}; the library's derivative, the formula and the central differences agree to {error:.0e}"
    )
    if error > 1e-6 or not {"sigmoid", "tanh"} <= set(both) or "ReLU" in both:
        return Verdict("does not hold", reason)
    return Verdict("depends" if "ReLU" in one else "holds", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name, one in results[0].items():
        errors = (f"{one[what]:.0e}" for what in ("formula", "differences"))
        rows.append((name, KINDS[name][2], *(f"{100 * fraction:.0f} %" for fraction in one["vanishes"]), *errors))
    columns = (
        f"|f'| < {SMALL} for x < −5",
        "for x > 5",
        "largest error of the library's f', to the formula",
        "to central differences",
    )
    return Table(("activation", "used for", *columns), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    made, axes = style.blank_figure(9, 4.6, 5, 2)
    for i, (ax, (name, one)) in enumerate(zip(axes, results[0].items(), strict=True)):
        x, y, slope = one["curve"]
        ax.plot(x, y, color=style.BLUE, label="f")
        ax.plot(x, slope, "--", color=style.VERMILION, label="f'")
        ax.set(xlim=(-6, 6), ylim=(-1.3, 3), xlabel="x" if i >= 5 else "", title=name)
    axes[0].legend(fontsize=8, loc="upper left")
    return made


EXPERIMENT = Experiment(
    question="Which activation functions saturate?",
    codes=("D1",),
    chapter="Neurons and functions",
    claim="Sigmoid and tanh saturate: they squash their input, and their slope vanishes. ReLU does not saturate.",
    source="Introduction to neural networks, Saturating functions; Dive into deep learning, 2.3 Activation functions",
    criterion=(
        "The slope vanishes on a side if |f'| < 0.01 for more than half of the points at a distance of 5 to 10 from zero. "
        "It vanishes on both sides for sigmoid and tanh and on no side for ReLU, and the formulas, the central differences "
        "and the library agree within 1e-6. It depends if it vanishes on one side for ReLU."
    ),
    mathematics="""
In the backward pass each activation multiplies the gradient by f'. Where f is flat, no gradient passes. With the output y,

    sigmoid: f' = y (1 − y) ≤ ¼,   tanh: f' = 1 − y² ≤ 1,   ReLU: f' = 1 or 0

ReLU does not saturate for positive inputs; for negative inputs it is constant. A unit whose input is negative for every
sample is dead: it gets no gradient and does not change. Leaky ReLU keeps a slope of 0.01 there; ELU, SiLU x σ(x) and GELU x
Φ(x) flatten gradually below zero.

Softmax is a function of a vector. The figure shows its first output as the first of three inputs changes: a sigmoid shifted
by log 2, which saturates too. A cross-entropy loss after the softmax removes the effect: δ = a − y.
""",
    alt="Ten activation functions as blue lines, with dashed derivatives. Those of sigmoid and tanh vanish on both sides.",
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=1,
)
