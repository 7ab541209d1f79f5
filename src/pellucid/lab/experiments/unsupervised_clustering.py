"""Does a network find the classes without labels?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import pellucid as pl
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent
from pellucid.model.activations import activations
from pellucid.plots import representation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GROUPS = 10
SHOWN = 500
CODE, PIXELS, RANDOM = "k-means on the code", "k-means on the pixels", "random groups"


def purity(groups: np.ndarray, labels: np.ndarray) -> float:
    """Return the fraction of samples that have the most frequent label of their group."""
    return sum(int(np.bincount(labels[groups == g]).max()) for g in np.unique(groups)) / len(labels)


def measure(trial: Trial) -> Result:
    from sklearn.cluster import KMeans
    from sklearn.tree import DecisionTreeClassifier

    data = trial.digits(trial.pick(full=20_000, quick=3000, tiny=100), trial.pick(full=2000, quick=500, tiny=100))
    x, y = (data.train.x.reshape(len(data.train), -1) / 255).astype(np.float32), np.asarray(data.train.y)
    v, labels = (data.validation.x.reshape(len(data.validation), -1) / 255).astype(np.float32), np.asarray(data.validation.y)
    network = pl.Sequential(
        pl.Dense(256),
        pl.ReLU(),
        pl.Dense(64),
        pl.ReLU(),
        pl.Dense(2, pl.GlorotUniform()),
        pl.Identity(),
        pl.Dense(64),
        pl.ReLU(),
        pl.Dense(256),
        pl.ReLU(),
        pl.Dense(784, pl.GlorotUniform()),
        pl.Sigmoid(),
    )
    model = network.compile((784,), pl.MeanSquaredError(), pl.Adam(0.001), seed=trial.seed)
    model.fit(x, x, epochs=trial.pick(full=25, quick=15, tiny=1), batch_size=64, progress=False)
    code = activations(model, v)["identity1"]
    groupings = {
        name: KMeans(GROUPS, n_init=4, random_state=trial.seed).fit_predict(points)
        for name, points in ((CODE, code), (PIXELS, v))
    }
    groupings[RANDOM] = np.random.default_rng(trial.seed).integers(0, GROUPS, len(labels))
    count = trial.pick(full=20_000, quick=1000, tiny=100)
    tree = DecisionTreeClassifier(random_state=trial.seed).fit(x[:count], y[:count])
    found: Result = {name: purity(groups, labels) for name, groups in groupings.items()}
    found |= {"loss": model.evaluate(v, v)["loss"], "tree": float(tree.score(v, labels)), "leaves": int(tree.get_n_leaves())}
    if trial.seed == 0:
        found |= {"code": code[:SHOWN].round(2).tolist(), "labels": labels[:SHOWN].tolist()}
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    code, pixels, random, tree = (median(results, what) for what in (CODE, PIXELS, RANDOM, "tree"))
    reason = (
        f"the purity of ten groups is {100 * code:.0f} % in the two-dimensional code, {100 * pixels:.0f} % in the 784 pixels "
        f"and {100 * random:.0f} % for random groups; the accuracy of a decision tree, which uses the labels, is "
        f"{100 * tree:.0f} %"
    )
    if code < random + 0.2:
        return Verdict("does not hold", reason)
    return Verdict("holds" if code > pixels + 0.02 else "depends", reason)


def table(results: Sequence[Result]) -> Table:
    rows = [(f"purity, {name}", percent((result[name] for result in results), ".1f")) for name in (CODE, PIXELS, RANDOM)]
    rows.append(("accuracy of a decision tree (with labels)", percent((result["tree"] for result in results), ".1f")))
    return Table(("on the validation set", "fraction"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    first = results[0]
    panel = {"code of the autoencoder": np.array(first["code"])}
    return representation(panel, np.array(first["labels"]), [str(digit) for digit in range(10)])


EXPERIMENT = Experiment(
    question="Does a network find the classes without labels?",
    codes=("L8",),
    chapter="Other ways to learn",
    claim="Without labels, a network can group similar data; with labels, a decision tree is another learning method.",
    source="Introduction to deep learning, supervised and unsupervised learning",
    criterion=(
        "The purity of ten groups of the code is 20 percentage points higher than that of random groups (medians). It "
        "depends if it is not also more than 2 percentage points higher than that of ten groups of the pixels, which need "
        "no network."
    ),
    mathematics="""
An autoencoder learns to reproduce its input through a narrow layer: here 784-256-64-2-64-256-784. The two values in the
middle, the code, must contain what is needed to draw the digit again, so similar digits get similar codes. No label is
used.

k-means then divides the points into ten groups, each with a mean, and minimizes the sum of the squared distances to the
means. Purity is the fraction of samples that have the most frequent label of their group. Random groups of ten equal
classes have a purity of little more than 10 %.

A decision tree compares one pixel at a time with a threshold, and is trained with the labels. Its predictions can be read
as rules, but a stroke that is shifted by one pixel leads to a different leaf.
""",
    alt=("The code of 500 digits in the plane, by class. Some digits form separate groups, such as 0 and 1; others are mixed."),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
