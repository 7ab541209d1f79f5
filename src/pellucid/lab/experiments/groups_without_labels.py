"""Does a network find the classes without being told of them?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import pellucid as pl
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent
from pellucid.model.activations import activations
from pellucid.plots.scatter import representation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GROUPS = 10
SHOWN = 500
CODE, PIXELS, CHANCE = "k-means on the code", "k-means on the pixels", "groups at random"


def purity(groups: np.ndarray, labels: np.ndarray) -> float:
    """The share of samples that have the label that is most frequent in their group."""
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
    code = activations(model, v)["linear1"]
    means = {
        name: KMeans(GROUPS, n_init=4, random_state=trial.seed).fit_predict(points)
        for name, points in ((CODE, code), (PIXELS, v))
    }
    means[CHANCE] = np.random.default_rng(trial.seed).integers(0, GROUPS, len(labels))
    learned = trial.pick(full=20_000, quick=1000, tiny=100)
    tree = DecisionTreeClassifier(random_state=trial.seed).fit(x[:learned], y[:learned])
    found: Result = {name: purity(groups, labels) for name, groups in means.items()}
    found |= {"loss": model.evaluate(v, v)["loss"], "tree": float(tree.score(v, labels)), "leaves": int(tree.get_n_leaves())}
    if trial.seed == 0:
        found |= {"code": code[:SHOWN].round(2).tolist(), "labels": labels[:SHOWN].tolist()}
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    code, pixels, chance, tree = (median(results, what) for what in (CODE, PIXELS, CHANCE, "tree"))
    because = (
        f"ten groups in the code of two numbers are {100 * code:.0f} % pure, in the 784 pixels {100 * pixels:.0f} %, at random "
        f"{100 * chance:.0f} %; a decision tree, which is told the labels, reads {100 * tree:.0f} %"
    )
    if code < chance + 0.2:
        return Verdict("does not hold", because)
    return Verdict("holds" if code > pixels + 0.02 else "depends", because)


def table(results: Sequence[Result]) -> Table:
    rows = [(f"purity, {name}", percent((result[name] for result in results), ".1f")) for name in (CODE, PIXELS, CHANCE)]
    rows.append(("accuracy of a decision tree, with labels", percent((result["tree"] for result in results), ".1f")))
    return Table(("validation digits", "share"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    first = results[0]
    panel = {"the autoencoder's code": np.array(first["code"])}
    return representation(panel, np.array(first["labels"]), [str(digit) for digit in range(10)])


EXPERIMENT = Experiment(
    question="Does a network find the classes without being told of them?",
    codes=("L8",),
    chapter="Other ways to learn",
    claim="Without labels, a network can group data that are similar; with labels, a decision tree is another way to learn.",
    source="Introduction to deep learning, supervised and unsupervised learning",
    criterion="Ten groups of the code are 20 points purer than groups at random (medians). It depends, if they are not also "
    "more than 2 points purer than ten groups of the pixels, which need no network.",
    mathematics=(
        "An autoencoder learns to give back what it was given, through a narrow place: here 784-256-64-2-64-256-784. The two "
        "numbers in the middle, the code, must say what is needed to draw the digit again, so digits that look alike get "
        "codes that are near each other. No label is used.\n\n"
        "k-means then divides points into ten groups, each with a mean, so that the sum of the squared distances to the means "
        "is least. Purity counts the samples that have the most frequent label of their group; ten equal classes in random "
        "groups have a little more than 10 %.\n\n"
        "A decision tree asks of one pixel at a time whether it is brighter than a threshold, and is told the labels. Its "
        "answers can be read as rules; but a stroke that is moved by a pixel leads to another leaf."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
    alt="The code of 500 digits in the plane by class: some digits in groups of their own, such as 0 and 1, others mixed.",
)
