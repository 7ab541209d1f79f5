"""Can a network learn random labels, and how much do some wrong labels harm?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import pellucid as pl
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent
from pellucid.plots import over_seeds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOISE = 0.0, 0.2, 0.5, 0.8, 1.0  # the fraction of labels that are drawn at random


def measure(trial: Trial) -> Result:
    data = trial.digits(trial.pick(full=2000, quick=500, tiny=60), trial.pick(full=None, quick=1000, tiny=100))
    random = np.random.default_rng(trial.seed)
    true = np.asarray(data.train.y)
    found = {}
    for fraction in NOISE:
        labels = np.where(random.random(len(true)) < fraction, random.integers(0, 10, len(true)), true)
        network = pl.Sequential(
            pl.Flatten(), pl.Dense(512), pl.ReLU(), pl.Dense(512), pl.ReLU(), pl.Dense(10, pl.GlorotUniform()), pl.Softmax()
        )
        model = network.compile((28, 28, 1), pl.CrossEntropy(), pl.Adam(0.001), [pl.Accuracy()], seed=trial.seed)
        epochs = trial.pick(full=60, quick=40, tiny=3)
        history = model.fit(data.train.x, labels, validation=data.validation, epochs=epochs, batch_size=50, progress=False)
        found[str(fraction)] = {
            "learned": model.evaluate(data.train.x, labels)["accuracy"],
            "best": max(history["validation_accuracy"]),
            "curve": history["validation_accuracy"],
        }
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    learned = min(result["1.0"]["learned"] for result in results)
    clean, half, random = (median(results, str(fraction), "curve", -1) for fraction in (0.0, 0.5, 1.0))
    peak = median(results, "0.5", "best")
    reason = (
        f"with all labels drawn at random even the worst run learns {100 * learned:.1f} % of them, and the validation "
        f"accuracy ends at {100 * random:.0f} %; with half of them at random it ends at {100 * half:.1f} % (its maximum is "
        f"{100 * peak:.1f} %), with none at {100 * clean:.1f} %"
    )
    memorizes = learned > 0.99 and random < 0.2
    return Verdict("holds" if memorizes and clean > half > random else "does not hold", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for fraction in NOISE:
        each = [result[str(fraction)] for result in results]
        cells = [percent((one[what] for one in each), ".1f") for what in ("learned", "best")]
        rows.append((f"{100 * fraction:.0f} %", *cells, percent((one["curve"][-1] for one in each), ".1f")))
    columns = ("random labels", "training labels learned", "best validation accuracy", "final validation accuracy")
    return Table(columns, tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    curves = {
        f"{100 * fraction:.0f} % random labels": [[100 * a for a in result[str(fraction)]["curve"]] for result in results]
        for fraction in NOISE
    }
    epochs = range(1, len(results[0]["0.0"]["curve"]) + 1)
    return over_seeds({"validation accuracy (%)": curves}, epochs, "epoch")


EXPERIMENT = Experiment(
    question="Can a network learn random labels, and how much do some wrong labels harm?",
    codes=("beyond",),
    chapter="Generalization",
    claim="Networks fit randomly drawn labels perfectly: what a network can fit says nothing about how it generalizes.",
    source="Zhang, Bengio, Hardt, Recht and Vinyals (2017), Understanding deep learning requires rethinking generalization",
    criterion=(
        "If all labels are random, more than 99 % of them are learned in every run, and the validation accuracy ends "
        "below 20 %; and the final validation accuracy falls from true over half-random to random labels (medians)."
    ),
    mathematics="""
A network with 512 × 512 units has 670,000 parameters for 2,000 labels of log₂ 10 = 3.3 bits each, enough to store all of
them. A bound that depends only on the size of the network cannot explain why it generalizes from true labels, because the
same network stores random ones.

The difference is the order of learning. Digits that agree with each other pull in one direction and are learned first;
wrong labels pull in all directions and are learned later. With half of the labels drawn at random (a tenth of these are
correct by accident), there is a time at which the network is better than its labels, and longer training makes it worse.
Early stopping finds this time if the validation labels are correct.
""",
    alt=(
        "Validation accuracy by epoch for five fractions of random labels: the more random labels, the lower. Without any "
        "it rises and stays high; with some it falls after the first epochs; with all it stays at the level of guessing."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
