"""Does each layer separate the classes further?"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import pellucid as pl
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent
from pellucid.model.activations import activations
from pellucid.plots import representation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LAYERS = "layer 0 (the pixels)", "layer 1", "layer 2"
SHOWN = 400


def principal(x: np.ndarray, k: int = 2) -> np.ndarray:
    """Return the first k principal components of the samples x (n, d): with X − mean = U S Vᵀ they are U S."""
    u, s, _ = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    flip = np.sign(u[np.abs(u).argmax(axis=0), np.arange(len(s))])  # the sign is arbitrary: the farthest sample is on the right
    return (u * s * flip)[:, :k]


def separation(x: np.ndarray, y: np.ndarray) -> float:
    """Return the fraction of the variance between the class means: 0 if the means are equal, 1 if each class is a point."""
    means = np.array([x[y == k].mean(axis=0) if (y == k).any() else x.mean(axis=0) for k in range(10)])
    return float(np.square(means[y] - x.mean(axis=0)).sum() / np.square(x - x.mean(axis=0)).sum())


def neighbour_agreement(x: np.ndarray, y: np.ndarray) -> float:
    """Return the fraction of samples whose nearest other sample has the same class."""
    squares = np.square(x).sum(axis=1)
    distances = squares[:, None] + squares - 2 * x @ x.T
    np.fill_diagonal(distances, np.inf)
    return float((y[distances.argmin(axis=1)] == y).mean())


def measure(trial: Trial) -> Result:
    data = trial.digits(trial.pick(full=20_000, quick=3000, tiny=200), trial.pick(full=2000, quick=500, tiny=60))
    layers = pl.Flatten(), pl.Dense(64), pl.ReLU(), pl.Dense(32), pl.ReLU(), pl.Dense(10, pl.GlorotUniform()), pl.Softmax()
    model = pl.Sequential(*layers).compile((28, 28, 1), pl.CrossEntropy(), pl.Adam(0.002), [pl.Accuracy()], seed=trial.seed)
    model.fit(data.train, epochs=trial.pick(full=8, quick=8, tiny=1), batch_size=64, progress=False)
    x, y = data.validation.x, np.asarray(data.validation.y)
    inside = activations(model, x)
    layer_values = dict(zip(LAYERS, (x.reshape(len(x), -1) / 255.0, inside["relu1"], inside["relu2"]), strict=True))
    found: Result = {"accuracy": model.evaluate(data.validation)["accuracy"]}
    for name, values in layer_values.items():
        plane = principal(values)
        found[name] = {
            "between": separation(values, y),
            "between in 2-D": separation(plane, y),
            "neighbours": neighbour_agreement(plane, y),
        }
        if trial.seed == 0:
            found[name] |= {"points": plane[:SHOWN].round(2).tolist(), "labels": y[:SHOWN].tolist()}
            if trial.pick(full=True, quick=False, tiny=False):
                from sklearn.manifold import TSNE

                found[name]["tsne"] = TSNE(random_state=0, init="pca").fit_transform(values[:1000])[:SHOWN].round(1).tolist()
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    rises = all(
        result[one]["between"] < result[other]["between"] and result[one]["between in 2-D"] < result[other]["between in 2-D"]
        for result in results
        for one, other in itertools.pairwise(LAYERS)
    )
    full, plane = ([f"{100 * median(results, name, what):.0f} %" for name in LAYERS] for what in ("between", "between in 2-D"))
    reason = (
        f"the variance between the classes is {full[0]} of the total in the pixels, {full[1]} in layer 1 and {full[2]} in "
        f"layer 2, and {plane[0]}, {plane[1]} and {plane[2]} in the plane of two components"
    )
    return Verdict("holds" if rises else "does not hold", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name in LAYERS:
        each = [result[name] for result in results]
        cells = [percent((one[what] for one in each), ".0f") for what in ("between", "between in 2-D", "neighbours")]
        rows.append((name, *cells))
    columns = (
        "representation",
        "variance between classes",
        "in two components",
        "nearest neighbour of the same class, in two components",
    )
    return Table(columns, tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    first = results[0]
    panels = {f"{name}, PCA": np.array(first[name]["points"]) for name in LAYERS}
    if "tsne" in first[LAYERS[0]]:
        panels |= {f"{name}, t-SNE": np.array(first[name]["tsne"]) for name in LAYERS}
    return representation(panels, np.array(first[LAYERS[0]]["labels"]), [str(digit) for digit in range(10)])


EXPERIMENT = Experiment(
    question="Does each layer separate the classes further?",
    codes=("D4",),
    chapter="What a network sees",
    claim=(
        "A network learns representations: from layer 0 to 1 to 2, the digits of a class move together and the classes "
        "move apart."
    ),
    source="Dive into deep learning, representation learning",
    criterion=(
        "In every run the fraction of the variance that is between the classes rises from the pixels to layer 1 to layer "
        "2, both in all dimensions and in the plane of the first two principal components."
    ),
    mathematics="""
The variance of points in classes is a sum of two parts: the class means around the common mean, and the points around the
mean of their class. The first part as a fraction of the sum is 0 if the classes coincide and 1 if each class is a single
point. The last dense layer is linear, and its softmax preserves the order of the outputs, so classes that no plane can
separate have to be separated by earlier layers.

To display 784, 64 or 32 dimensions, the points are projected to two. Principal components preserve most of the variance:
with the singular value decomposition X − mean = U S Vᵀ these are the first columns of U S. Instead, t-SNE (van der Maaten
and Hinton, 2008) preserves neighbourhoods. Its distances between groups mean little, so no value here depends on it.
""",
    alt=(
        "Scatter plots of validation digits by class, with PCA and t-SNE: mixed in the pixels, clearer groups in layers 1 "
        "and 2."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
