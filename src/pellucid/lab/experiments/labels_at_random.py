"""Can a network learn labels that mean nothing, and what do some wrong labels cost?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import pellucid as pl
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent
from pellucid.plots.lines import over_seeds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOISE = 0.0, 0.2, 0.5, 0.8, 1.0  # the share of labels that are drawn at random


def measure(trial: Trial) -> Result:
    data = trial.digits(trial.pick(full=2000, quick=500, tiny=60), trial.pick(full=None, quick=1000, tiny=100))
    random = np.random.default_rng(trial.seed)
    true = np.asarray(data.train.y)
    found = {}
    for share in NOISE:
        labels = np.where(random.random(len(true)) < share, random.integers(0, 10, len(true)), true)
        network = pl.Sequential(
            pl.Flatten(), pl.Dense(512), pl.ReLU(), pl.Dense(512), pl.ReLU(), pl.Dense(10, pl.GlorotUniform()), pl.Softmax()
        )
        model = network.compile((28, 28, 1), pl.CrossEntropy(), pl.Adam(0.001), [pl.Accuracy()], seed=trial.seed)
        epochs = trial.pick(full=60, quick=40, tiny=3)
        history = model.fit(data.train.x, labels, validation=data.validation, epochs=epochs, batch_size=50, progress=False)
        found[str(share)] = {
            "learned": model.evaluate(data.train.x, labels)["accuracy"],
            "best": max(history["validation_accuracy"]),
            "curve": history["validation_accuracy"],
        }
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    heart = min(result["1.0"]["learned"] for result in results)
    clean, half, chance = (median(results, str(share), "curve", -1) for share in (0.0, 0.5, 1.0))
    peak = median(results, "0.5", "best")
    because = (
        f"with all labels drawn at random even the worst run learns {100 * heart:.1f} % of them, and validation accuracy ends "
        f"at {100 * chance:.0f} %; with half of them at random it ends at {100 * half:.1f} % (its best on the way: "
        f"{100 * peak:.1f} %), with none at {100 * clean:.1f} %"
    )
    knows = heart > 0.99 and chance < 0.2
    return Verdict("holds" if knows and clean > half > chance else "does not hold", because)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for share in NOISE:
        each = [result[str(share)] for result in results]
        cells = [percent((one[what] for one in each), ".1f") for what in ("learned", "best")]
        rows.append((f"{100 * share:.0f} %", *cells, percent((one["curve"][-1] for one in each), ".1f")))
    columns = ("labels at random", "training labels learned", "best validation accuracy", "validation accuracy at the end")
    return Table(columns, tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    curves = {
        f"{100 * share:.0f} % at random": [[100 * a for a in result[str(share)]["curve"]] for result in results]
        for share in NOISE
    }
    epochs = range(1, len(results[0]["0.0"]["curve"]) + 1)
    return over_seeds({"validation accuracy (%)": curves}, epochs, "epoch")


EXPERIMENT = Experiment(
    question="Can a network learn labels that mean nothing, and what do some wrong labels cost?",
    codes=("beyond",),
    chapter="Generalizing",
    claim="Networks fit labels that are drawn at random, perfectly: what they can fit says nothing of what they generalize.",
    source="Zhang, Bengio, Hardt, Recht and Vinyals (2017), Understanding deep learning requires rethinking generalization",
    criterion="Labels that are all random are learned to more than 99 % in every run, while the validation accuracy ends below "
    "20 %; and the validation accuracy at the end falls from clean over half-random to random labels (medians).",
    mathematics=(
        "512 × 512 units have 670,000 parameters for 2,000 labels of log₂ 10 = 3.3 bits each: room enough to store all of "
        "them. So a bound that only knows the size of the network cannot explain why it generalizes from true labels, for the "
        "same network stores random ones.\n\n"
        "What differs is the order. Digits that agree with each other pull in one direction and are learned first; wrong "
        "labels pull in all directions, and come later. So with half of the labels drawn at random (a tenth of these are right "
        "by chance) there is a time at which the network is better than its labels, and longer training makes it worse: early "
        "stopping finds it, if validation labels are right."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
    alt="Validation accuracy by epoch for five shares of random labels: the more of them, the lower. Without any it rises and "
    "stays; with some it falls after the first epochs; with all it stays at chance.",
)
