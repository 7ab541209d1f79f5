"""Why is learning faster in batches than one sample at a time?"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pellucid import SGD, Accuracy, CrossEntropy, Dense, Flatten, GlorotUniform, He, ReLU, Sequential, Softmax
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent, spread
from pellucid.plots.lines import over_seeds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BATCHES = 1, 10, 100, 1000
FASTER = 2.0


def measure(trial: Trial) -> Result:
    data = trial.digits(trial.pick(full=20_000, quick=2000, tiny=200), trial.pick(full=None, quick=1000, tiny=100))
    found, labels = {}, np.asarray(data.train.y)
    for batch in BATCHES:
        layers = Flatten(), Dense(256, He()), ReLU(), Dense(256, He()), ReLU(), Dense(10, GlorotUniform()), Softmax()
        model = Sequential(*layers).compile((28, 28, 1), CrossEntropy(), SGD(0.04), [Accuracy()], seed=trial.seed)
        model.train_on_batch(data.train.x[:batch], labels[:batch])  # what is compiled at the first step is not timed
        began = time.perf_counter()
        model.fit(data.train, epochs=1, batch_size=batch, progress=False)
        seconds = time.perf_counter() - began
        found[str(batch)] = {"seconds": seconds, "rate": len(data.train) / seconds, **model.evaluate(data.validation)}
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    gain = min(result["1"]["seconds"] / result["100"]["seconds"] for result in results)
    ends = [median(results, str(batch), "accuracy") for batch in (1, 1000)]
    because = (
        f"an epoch in batches of 100 is at least {gain:.1f} times as fast as one sample at a time; yet after that one epoch "
        f"single samples have led to {100 * ends[0]:.1f} %, batches of 1000 to {100 * ends[1]:.1f} % of the validation digits"
    )
    return Verdict("does not hold" if gain < FASTER else "depends" if ends[0] > ends[1] + 0.01 else "holds", because)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for batch in BATCHES:
        each = [result[str(batch)] for result in results]
        speed, accuracy = spread((one["rate"] for one in each), ",.0f"), percent((one["accuracy"] for one in each), ".1f")
        rows.append((str(batch), spread(one["seconds"] for one in each), speed, accuracy))
    return Table(("batch size", "seconds an epoch", "samples a second", "validation accuracy after it"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    panels = {
        "samples a second": {"one epoch": [[result[str(batch)]["rate"] for batch in BATCHES] for result in results]},
        "validation accuracy after one epoch (%)": {
            "one epoch": [[100 * result[str(batch)]["accuracy"] for batch in BATCHES] for result in results]
        },
    }
    return over_seeds(panels, BATCHES, "batch size", log=["samples a second"], log_x=True)


EXPERIMENT = Experiment(
    question="Why is learning faster in batches than one sample at a time?",
    codes=("R5",),
    chapter="The results of the report",
    claim="Feeding one sample at a time is very slow; with batches the calculation becomes much faster.",
    source="The report, section 7 (Batching)",
    criterion="In every run an epoch in batches of 100 is at least twice as fast as one sample at a time. It depends, if "
    "single samples lead more than a point further in that epoch than batches of 1000 (medians): then speed an epoch is not "
    "speed of learning.",
    mathematics=(
        "For n samples a layer with i inputs and o outputs multiplies an (n, i) by an (i, o) matrix: n·i·o multiplications "
        "either way. One sample at a time reads all of W from memory for i·o multiplications and writes all of it again in "
        "the update; a batch reads and writes it once for n times as many. A processor multiplies tens of times faster than it "
        "reads from memory, so the single sample waits. Each step also costs the time of calling its kernels.\n\n"
        "But a batch of n makes one step where single samples make n. The mean gradient of a batch is less noisy, its error "
        "falling as 1/√n, and a step is not longer for that: at the same rate an epoch in large batches goes a shorter way. "
        "Larger batches can bear larger rates; here the rate stays as it is."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
    alone=True,
    alt="Samples a second rise with the batch size; the accuracy after one epoch is best in batches of 10 and then falls.",
)
