"""Which kind of model separates which data: a line, a polynomial, radial basis functions, a small network?"""

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
from pellucid.plots.style import figure as blank

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SETS: dict[str, Callable[[int, float, int], Dataset]] = {"blobs": partial(blobs, classes=2), "moons": moons}
SETS |= {"circles": circles, "xor": xor, "spirals": spirals}
NOISE, REACH, GRID = 0.1, 2.6, 28


def monomials(x: Array) -> Array:
    """All x₁ᵃ x₂ᵇ with 1 ≤ a + b ≤ 3: nine numbers; halved first, so that they stay near 1."""
    return np.stack([(x[:, 0] / 2) ** a * (x[:, 1] / 2) ** b for a in range(4) for b in range(4 - a) if a + b], axis=1)


def bumps(x: Array) -> Any:
    """exp(−‖x − c‖²) for 25 centres c on a grid."""
    axis = np.linspace(-2, 2, 5, dtype=np.float32)
    centres = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    return np.exp(-((x[:, None] - centres) ** 2).sum(axis=2))


MODELS: dict[str, tuple[Callable[[Array], Array], tuple[Layer, ...]]] = {
    "linear": (np.asarray, ()),
    "cubic polynomial": (monomials, ()),
    "radial basis": (bumps, ()),
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
    said = "; ".join(f"{kind}: {len(names)} of {len(SETS)} ({', '.join(names) or 'none'})" for kind, names in can.items())
    more = all(set(can["linear"]) < set(can[kind]) for kind in MODELS if kind != "linear")
    whole = len(can["small network"]) == len(SETS)
    because = f"separated with 97 % of new points right, {said}"
    if not set(can["linear"]) < set(can["small network"]):
        return Verdict("does not hold", because)
    return Verdict("holds" if more and whole else "depends", because)


def table(results: Sequence[Result]) -> Table:
    rows = [
        (kind, *(percent((result[kind][name]["accuracy"] for result in results), ".1f") for name in SETS)) for kind in MODELS
    ]
    return Table(("model", *SETS), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    made, axes = blank(8.4, 10.2, len(MODELS), len(SETS))
    for ax, (name, kind) in zip(axes, itertools.product(SETS, MODELS), strict=True):
        data, one = SETS[name](300, NOISE, 0), results[0][kind][name]
        draw_regions(ax, np.array(one["plane"]) / 100, data.x, data.y, (-REACH, REACH, -REACH, REACH), size=8)
        ax.set_title(f"{kind}: {100 * one['accuracy']:.1f} %", fontsize=8)
        ax.set(xticks=(-2, 0, 2), yticks=(-2, 0, 2), xlabel="x₁" if name == "spirals" else "")
        ax.set_ylabel(f"{name}: x₂" if kind == "linear" else "")
    return made


EXPERIMENT = Experiment(
    question="Which kind of model separates which data: a line, a polynomial, radial basis functions, a small network?",
    codes=("D2",),
    chapter="Neurons and functions",
    claim="What a model can express decides what it separates: polynomials and radial basis functions more than a line, and "
    "a small network all that one draws for it.",
    source="Dive into deep learning, the slides on 2-D classification for different models and for small networks",
    criterion="A set counts as separated where 97 % of 1,000 new points are right (median over seeds). Polynomial, radial "
    "basis and network each separate what the line does and more, and the network all five sets; depends, if not all of "
    "this, but the network separates what the line does and more.",
    mathematics=(
        "All four end in the same way: a weighted sum of features, squeezed into a probability by the sigmoid.\n\n"
        "    p(x) = σ(Σᵢ wᵢ φᵢ(x) + b)\n\n"
        "They differ in φ. For the linear model φ is x itself: the border Σ wᵢxᵢ + b = 0 is a straight line. The polynomial "
        "has the nine products x₁ᵃx₂ᵇ up to degree 3: its borders are cubic curves, circles among them. Radial basis "
        "functions are 25 bumps exp(−‖x − c‖²) on a grid: any border that is not finer than the grid. In the network φ is the "
        "last of two hidden layers of 16 units, learned with the rest, so the features go where they are needed."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    alt="Five data sets in the plane, each coloured as four models decide: the line is right for two clouds only.",
    seeds=3,
)
