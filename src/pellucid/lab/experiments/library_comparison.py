"""How does a library written from scratch compare with established ones in accuracy, time and emissions?"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import pellucid as pl
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent, spread
from pellucid.plots import over_seeds
from pellucid.runs.energy import Meter

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EPOCHS = 1, 2, 3
LIVE = "Pellucid", "scikit-learn"

# Results of the project's benchmark "energy", which the lab does not repeat: 784-256-256-10, Adam, batches of 100, 3 epochs of
# 55,000 digits, measured from the start of the process.
STORED_AT = "2026-11-21, two cores of an Intel Xeon (Cascade Lake), medians of three seeds"
STORED = {  # test accuracy, seconds, joules, mg of CO₂ (both estimated; the ranges are in docs/benchmarks.md)
    "Pellucid": (0.9761, 3.8, 96.0, 13.0),
    "PyTorch": (0.9762, 7.6, 190, 25.7),
    "JAX": (0.9714, 4.5, 113, 15.3),
    "Keras (TensorFlow)": (0.9713, 12.4, 282, 38.3),
    "scikit-learn": (0.9754, 10.7, 289, 39.2),
}


def measure(trial: Trial) -> Result:
    from sklearn.neural_network import MLPClassifier

    data = trial.digits(trial.pick(full=20_000, quick=5000, tiny=200), trial.pick(full=None, quick=1000, tiny=100))
    x, y = (data.train.x.reshape(len(data.train), -1) / 255).astype(np.float32), np.asarray(data.train.y)
    v, labels = (data.validation.x.reshape(len(data.validation), -1) / 255).astype(np.float32), np.asarray(data.validation.y)
    layers = pl.Dense(256), pl.ReLU(), pl.Dense(256), pl.ReLU(), pl.Dense(10, pl.GlorotUniform()), pl.Softmax()
    ours = pl.Sequential(*layers).compile((784,), pl.CrossEntropy(), pl.Adam(0.001), [pl.Accuracy()], seed=trial.seed)
    ours.train_on_batch(x[:100], y[:100])  # compilation is not timed
    theirs = MLPClassifier((256, 256), batch_size=100, learning_rate_init=0.001, alpha=0, random_state=trial.seed)
    found: Result = {name: {"seconds": 0.0, "joules": 0.0, "accuracy": []} for name in LIVE}
    classes = np.arange(10)
    for _ in EPOCHS:
        for name, run in (
            ("Pellucid", lambda: ours.fit(x, y, batch_size=100, progress=False)),
            ("scikit-learn", lambda: theirs.partial_fit(x, y, classes=classes)),
        ):
            began, meter = time.perf_counter(), Meter()
            run()
            found[name]["seconds"] += time.perf_counter() - began
            found[name]["joules"] += meter.read().joules
        found["Pellucid"]["accuracy"].append(ours.evaluate(v, labels)["accuracy"])
        found["scikit-learn"]["accuracy"].append(float(theirs.score(v, labels)))
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    ours, theirs = (median(results, name, "accuracy", -1) for name in LIVE)
    faster = median([{"f": result["scikit-learn"]["seconds"] / result["Pellucid"]["seconds"]} for result in results], "f")
    most = max(seconds / STORED["Pellucid"][1] for name, (_, seconds, _, _) in STORED.items() if name != "Pellucid")
    least = STORED["JAX"][1] / STORED["Pellucid"][1]
    reason = (
        f"after three epochs the validation accuracy is {100 * ours:.2f} % with Pellucid and {100 * theirs:.2f} % with "
        f"scikit-learn, which takes {faster:.1f} times as long; in the stored benchmark the other libraries take {least:.1f} "
        f"to {most:.1f} times as long"
    )
    return Verdict("holds" if abs(ours - theirs) <= 0.01 and faster >= 1 else "does not hold", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name in LIVE:
        each = [result[name] for result in results]
        rows.append(
            (
                f"{name}, measured here",
                f"{percent(one['accuracy'][-1] for one in each)} (validation)",
                spread((one["seconds"] for one in each), ".1f"),
                spread((one["joules"] for one in each), ".0f"),
                "–",
            )
        )
    for name, (accuracy, seconds, joules, carbon) in STORED.items():
        rows.append(
            (f"{name}, benchmark", f"{100 * accuracy:.2f} % (test)", f"{seconds:.1f}", f"{joules:.0f}", f"{carbon:.1f}")
        )
    return Table(("library", "accuracy", "seconds", "energy, estimated (J)", "CO₂, estimated (mg)"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    curves = {name: [[100 * a for a in result[name]["accuracy"]] for result in results] for name in LIVE}
    return over_seeds({"validation accuracy (%)": curves}, EPOCHS, "epoch")


EXPERIMENT = Experiment(
    question="How does a library written from scratch compare with established ones in accuracy, time and emissions?",
    codes=("L5", "R5"),
    chapter="Architecture",
    claim=(
        "A network written by hand is compared with TensorFlow: results, computing time (time), CO₂ emissions (CodeCarbon)."
    ),
    source="Introduction to deep learning, comparison with a dedicated library",
    criterion=(
        "After three epochs of the same recipe the accuracies of Pellucid and scikit-learn, which run alternately here, "
        "differ by at most one percentage point, and Pellucid takes no longer (medians). The other libraries are shown as "
        "measured by the project's benchmark."
    ),
    mathematics=f"""
The same network, 784-256-256-10 with ReLU and softmax, the same optimizer (Adam at 0.001, batches of 100) and the same data
should give the same accuracy, except for random variation: initial weights and the order of the digits differ.

The rows marked “benchmark” are from the project's benchmark ({STORED_AT}): three epochs of 55,000 digits, measured from the
start of the process, including imports and compilation, each library in a separate process. Energy is estimated from the
time that cores were busy: in the benchmark by CodeCarbon, including memory, here at 4 to 15 W per core. CO₂ is energy times
the emissions of electricity generation, for the median country of CodeCarbon's table. Only rows of the same kind are
comparable, and none is the reading of a power meter.
""",
    alt="Validation accuracy by epoch for Pellucid and scikit-learn. Both rise equally.",
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
    alone=True,
)
