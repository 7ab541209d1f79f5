"""Why is training with batches faster than training with single samples?"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pellucid import SGD, Accuracy, CrossEntropy, Dense, Flatten, GlorotUniform, He, ReLU, Sequential, Softmax
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent, spread
from pellucid.plots import over_seeds

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
        model.train_on_batch(data.train.x[:batch], labels[:batch])  # compilation at the first step is not timed
        began = time.perf_counter()
        model.fit(data.train, epochs=1, batch_size=batch, progress=False)
        seconds = time.perf_counter() - began
        found[str(batch)] = {"seconds": seconds, "rate": len(data.train) / seconds, **model.evaluate(data.validation)}
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    gain = min(result["1"]["seconds"] / result["100"]["seconds"] for result in results)
    ends = [median(results, str(batch), "accuracy") for batch in (1, 1000)]
    reason = (
        f"an epoch with batches of 100 is at least {gain:.1f} times as fast as with single samples; after that one epoch the "
        f"validation accuracy is {100 * ends[0]:.1f} % with single samples and {100 * ends[1]:.1f} % with batches of 1000"
    )
    return Verdict("does not hold" if gain < FASTER else "depends" if ends[0] > ends[1] + 0.01 else "holds", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for batch in BATCHES:
        each = [result[str(batch)] for result in results]
        speed, accuracy = spread((one["rate"] for one in each), ",.0f"), percent((one["accuracy"] for one in each), ".1f")
        rows.append((str(batch), spread(one["seconds"] for one in each), speed, accuracy))
    return Table(("batch size", "seconds per epoch", "samples per second", "validation accuracy after one epoch"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    panels = {
        "samples per second": {"one epoch": [[result[str(batch)]["rate"] for batch in BATCHES] for result in results]},
        "validation accuracy after one epoch (%)": {
            "one epoch": [[100 * result[str(batch)]["accuracy"] for batch in BATCHES] for result in results]
        },
    }
    return over_seeds(panels, BATCHES, "batch size", log=["samples per second"], log_x=True)


EXPERIMENT = Experiment(
    question="Why is training with batches faster than training with single samples?",
    codes=("R5",),
    chapter="Results of the student report",
    claim="Training on one sample at a time is very slow; batches make the computation much faster.",
    source="Student report, section 7 (Batching)",
    criterion=(
        "In every run an epoch with batches of 100 is at least twice as fast as with single samples. It depends if after "
        "that epoch the median validation accuracy with single samples is more than one percentage point higher than with "
        "batches of 1000: then a fast epoch is not fast learning."
    ),
    mathematics="""
For n samples, a layer with i inputs and o outputs multiplies an (n, i) matrix by an (i, o) matrix: n·i·o multiplications,
whatever the batch size. With single samples, all of W is read from memory for i·o multiplications and written again by the
update. With a batch of n, W is read and written once for n times as many multiplications. A processor multiplies tens of
times faster than it reads from memory, so with single samples it mostly waits. Each step also pays the overhead of calling
its kernels.

However, a batch of n makes one step where single samples make n steps. The mean gradient of a batch is less noisy (its
error falls as 1/√n), but its step is not longer. At the same learning rate, an epoch with large batches therefore covers
less distance. Larger batches permit larger learning rates; here the learning rate is the same for all batch sizes.
""",
    alt=(
        "The samples per second rise with the batch size. The accuracy after one epoch is highest for batches of 10 and "
        "falls for larger ones."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
    alone=True,
)
