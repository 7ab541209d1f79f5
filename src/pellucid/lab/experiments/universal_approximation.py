"""Can one hidden layer approximate any continuous function, unless its activation is a polynomial?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid import Adam, Context, Dense, Layer, LayerSpec, MeanSquaredError, ReLU, Sequential, Tanh
from pellucid.core.memory import Array, Shape, Views
from pellucid.core.rng import generator
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, spread
from pellucid.lab.reference_pass import forward_backward
from pellucid.plots import over_seeds

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Cubic(Layer):
    """The polynomial activation σ(x) = x³ + x² + x, with σ' = 3x² + 2x + 1."""

    def build(self, shape: Shape) -> LayerSpec:
        return LayerSpec(shape)

    def forward(self, p: Views, x: Array, ctx: Context) -> Any:
        ctx.keep(x)
        return x * (1 + x * (1 + x))

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Any:
        return dy * (1 + ctx.kept[0] * (2 + 3 * ctx.kept[0]))


UNITS = (4, 8, 16, 32, 64, 128, 256)
SOLVED: dict[str, Layer] = {"tanh": Tanh(), "ReLU": ReLU(), "x³ + x² + x": Cubic()}
TRAINED = "tanh, trained by Adam"
STEEPNESS = 8.0  # of the hidden units: each has one bend in [−1, 1]


def f(x: Array) -> Any:
    return np.sin(8 * x) + np.abs(x)


def measure(trial: Trial) -> Result:
    few, many = (np.linspace(-1, 1, n)[:, None] for n in trial.pick(full=(801, 4001), quick=(801, 4001), tiny=(51, 101)))
    cubic = np.vander(few[:, 0], 4)
    rest = f(few) - cubic @ np.linalg.lstsq(cubic, f(few), rcond=None)[0]
    found: Result = {"floor": float(np.sqrt((rest**2).mean())), **{name: [] for name in (*SOLVED, TRAINED)}}
    for k in UNITS:
        rng = generator(trial.seed, "hidden", k)
        a = STEEPNESS * rng.normal(size=(1, k))
        weights = {"dense1.W": a, "dense1.b": -a[0] * rng.uniform(-1, 1, k)}
        for name, activation in SOLVED.items():
            hidden, wide = (
                forward_backward(Sequential(Dense(k), activation), weights, x, np.ones_like)[0] for x in (few, many)
            )
            c = np.linalg.lstsq(hidden, f(few), rcond=1e-12)[0]
            found[name].append(float(np.abs(wide @ c - f(many)).max()))
        model = Sequential(Dense(k), Tanh(), Dense(1)).compile((1,), MeanSquaredError(), Adam(0.01), seed=trial.seed)
        model.fit(few, f(few), epochs=trial.pick(full=400, quick=60, tiny=2), batch_size=100, progress=False)
        found[TRAINED].append(float(np.abs(model.predict(many) - f(many)).max()))
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    first, last = ({name: median(results, name, at) for name in SOLVED} for at in (0, -1))
    *nonpolynomial, polynomial = SOLVED
    least, floor = min(min(result[polynomial]) for result in results), results[0]["floor"]
    reason = (
        f"from {UNITS[0]} to {UNITS[-1]} units the largest error falls from {first['tanh']:.2f} to {last['tanh']:.3f} with "
        f"tanh, and from {first['ReLU']:.2f} to {last['ReLU']:.3f} with ReLU; with the polynomial it is never below "
        f"{least:.2f} (the lower bound for every cubic is {floor:.2f})"
    )
    close = all(last[name] < min(0.02, first[name] / 10) for name in nonpolynomial)
    return Verdict("holds" if close and least >= floor else "does not hold", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name in (*SOLVED, TRAINED):
        rows.append((name, *(spread((result[name][UNITS.index(k)] for result in results), ".2g") for k in (4, 32, 256))))
    return Table(("hidden units", "largest error, k = 4", "k = 32", "k = 256"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    label, names = "largest error on [−1, 1]", (*SOLVED, TRAINED)
    curves = {name: [result[name] for result in results] for name in names}
    made = over_seeds({label: curves}, UNITS, "hidden units k", log=(label,), log_x=True)
    made.set_size_inches(7, 4)
    made.axes[0].set_ylim(top=40)
    made.axes[0].axhline(results[0]["floor"], color="black", linewidth=1, label="lower bound for every cubic")
    made.axes[0].legend(fontsize=8)
    return made


EXPERIMENT = Experiment(
    question="Can one hidden layer approximate any continuous function, unless its activation is a polynomial?",
    codes=("D3",),
    chapter="Neurons and functions",
    claim="Sums C σ(A x + b) approximate any continuous function arbitrarily well if and only if σ is not a polynomial.",
    source="Dive into deep learning, the universal approximation theorem (theorem 1)",
    criterion=(
        "For f(x) = sin 8x + |x| on [−1, 1], the largest error with 256 units (median over seeds) is below 0.02 and below "
        "a tenth of the error with 4 units, both for tanh and for ReLU. With a cubic σ no run falls below the error of "
        "the best cubic polynomial."
    ),
    mathematics="""
The theorem (Leshno, Lin, Pinkus and Schocken, 1993) is about existence: for each ε there are k, A, b and C with

    sup |f(x) − C σ(A x + b)| ≤ ε

One direction is simple. If σ is a polynomial of degree 3, then every σ(aᵢx + bᵢ) is a cubic, and so is a sum of any number
k of them. The largest error of a cubic is at least the root mean square error of the least-squares cubic. This is a lower
bound.

To test existence rather than training, A and b are drawn at random and the best C is computed (least squares on 801 points;
the error is the largest on 4,001 points). The fourth curve trains all three by gradient descent, as is usual. Beyond a few
units its error does not decrease: the existence of a good network does not imply that descent finds it.
""",
    alt=(
        "Largest error by the number of hidden units. It falls with tanh and ReLU and stays constant with a polynomial. "
        "With training it soon rises again."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
