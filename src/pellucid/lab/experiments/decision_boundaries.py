"""Which data sets can a linear model, a polynomial, radial basis functions and a small network separate?"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid import Accuracy, Adam, BinaryCrossEntropy, Dense, Layer, Sequential, Sigmoid, Tanh
from pellucid.core.memory import Array
from pellucid.data import Dataset
from pellucid.data.planar import blobs, circles, moons, spirals, xor
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent
from pellucid.plots.regions import draw_regions
from pellucid.plots.style import blank_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SETS: dict[str, Callable[[int, float, int], Dataset]] = {"blobs": partial(blobs, classes=2), "moons": moons}
SETS |= {"circles": circles, "xor": xor, "spirals": spirals}
NOISE, REACH, GRID = 0.1, 2.6, 28


def monomials(x: Array) -> Array:
    """Return the nine monomials x₁ᵃ x₂ᵇ with 1 ≤ a + b ≤ 3 of x/2; halving keeps the values near 1."""
    return np.stack([(x[:, 0] / 2) ** a * (x[:, 1] / 2) ** b for a in range(4) for b in range(4 - a) if a + b], axis=1)


def radial_basis(x: Array) -> Any:
    """Return exp(−‖x − c‖²) for 25 centres c on a grid."""
    axis = np.linspace(-2, 2, 5, dtype=np.float32)
    centres = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    return np.exp(-((x[:, None] - centres) ** 2).sum(axis=2))


MODELS: dict[str, tuple[Callable[[Array], Array], tuple[Layer, ...]]] = {
    "linear": (np.asarray, ()),
    "cubic polynomial": (monomials, ()),
    "radial basis": (radial_basis, ()),
    "small network": (np.asarray, (Dense(16), Tanh(), Dense(16), Tanh())),
}


def measure(trial: Trial) -> Result:
    axis = np.linspace(-REACH, REACH, GRID, dtype=np.float32)
    plane = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    found: Result = {}
    for name, draw in SETS.items():
        train, other = draw(300, NOISE, trial.seed), draw(1000, NOISE, 1000 + trial.seed)
        for kind, (features, hidden) in MODELS.items():
            network = Sequential(*hidden, Dense(1), Sigmoid())
            x = features(train.x)
            model = network.compile(x.shape[1:], BinaryCrossEntropy(), Adam(0.02), [Accuracy()], seed=trial.seed)
            model.fit(x, train.y, epochs=trial.pick(full=250, quick=60, tiny=1), batch_size=30, progress=False)
            found.setdefault(kind, {})[name] = {"accuracy": float(model.evaluate(features(other.x), other.y)["accuracy"])}
            if trial.seed == 0:
                shades = (100 * model.predict(features(plane))).astype(int)
                found[kind][name]["plane"] = shades.reshape(GRID, GRID).tolist()
    return found


def separated(results: Sequence[Result], kind: str) -> list[str]:
    return [name for name in SETS if median(results, kind, name, "accuracy") >= 0.97]


def verdict(results: Sequence[Result]) -> Verdict:
    can = {kind: separated(results, kind) for kind in MODELS}
    separable = "; ".join(f"{kind}: {len(names)} of {len(SETS)} ({', '.join(names) or 'none'})" for kind, names in can.items())
    more = all(set(can["linear"]) < set(can[kind]) for kind in MODELS if kind != "linear")
    whole = len(can["small network"]) == len(SETS)
    reason = f"data sets separated with 97 % of new points classified correctly: {separable}"
    if not set(can["linear"]) < set(can["small network"]):
        return Verdict("does not hold", reason)
    return Verdict("holds" if more and whole else "depends", reason)


def table(results: Sequence[Result]) -> Table:
    rows = [
        (kind, *(percent((result[kind][name]["accuracy"] for result in results), ".1f") for name in SETS)) for kind in MODELS
    ]
    return Table(("model", *SETS), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    made, axes = blank_figure(8.4, 10.2, len(MODELS), len(SETS))
    for ax, (name, kind) in zip(axes, itertools.product(SETS, MODELS), strict=True):
        data, one = SETS[name](300, NOISE, 0), results[0][kind][name]
        draw_regions(ax, np.array(one["plane"]) / 100, data.x, data.y, (-REACH, REACH, -REACH, REACH), size=8)
        ax.set_title(f"{kind}: {100 * one['accuracy']:.1f} %", fontsize=8)
        ax.set(xticks=(-2, 0, 2), yticks=(-2, 0, 2), xlabel="x₁" if name == "spirals" else "")
        ax.set_ylabel(f"{name}: x₂" if kind == "linear" else "")
    return made


EXPERIMENT = Experiment(
    question="Which data sets can a linear model, a polynomial, radial basis functions and a small network separate?",
    codes=("D2",),
    chapter="Neurons and functions",
    claim=(
        "What a model can represent determines what it separates: polynomials and radial basis functions separate more "
        "than a line, and a small network separates everything."
    ),
    source="Dive into deep learning, slides on 2-D classification with different models and with small networks",
    criterion=(
        "A data set counts as separated if 97 % of 1,000 new points are classified correctly (median over seeds). "
        "Polynomial, radial basis functions and network each separate what the linear model separates and more, and the "
        "network separates all five sets. It depends if not all of this is true, but the network separates what the "
        "linear model separates and more."
    ),
    mathematics="""
All four models end in the same way: a weighted sum of features, mapped to a probability by the sigmoid.

    p(x) = σ(Σᵢ wᵢ φᵢ(x) + b)

They differ in φ. In the linear model φ is x itself, and the boundary Σ wᵢxᵢ + b = 0 is a straight line. The polynomial has
the nine products x₁ᵃx₂ᵇ up to degree 3; its boundaries are cubic curves, including circles. The radial basis functions
exp(−‖x − c‖²) have 25 centres on a grid; they represent any boundary that is not finer than the grid. In the network φ is
the output of the second of two hidden layers with 16 units each. It is learned together with w, so the features adapt to
the data.
""",
    alt=(
        "Five data sets in the plane, each coloured by the decisions of four models. The linear model separates only the "
        "two blobs."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
