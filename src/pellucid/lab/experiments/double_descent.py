"""Does the error rise and fall again when a network outgrows its training data?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import pellucid as pl
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent
from pellucid.model.activations import activations
from pellucid.plots import over_seeds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAMPLES = 1000
WIDTHS = 10, 50, 200, 500, 800, 950, 1000, 1050, 1200, 2000, 4000
NOISE = 0.1  # the fraction of labels that are drawn at random


def measure(trial: Trial) -> Result:
    data = trial.digits(SAMPLES if trial.size.value != "tiny" else 100, trial.pick(full=2000, quick=1000, tiny=100))
    x, y = (data.train.x / 255).astype(np.float32), np.asarray(data.train.y)
    validation_x, labels = (data.validation.x / 255).astype(np.float32), np.asarray(data.validation.y)
    random = np.random.default_rng(trial.seed)
    y = np.where(random.random(len(y)) < NOISE, random.integers(0, 10, len(y)), y)
    found: Result = {"train": [], "validation": [], "length": []}
    for width in trial.pick(full=WIDTHS, quick=WIDTHS, tiny=tuple(width // 10 for width in WIDTHS)):
        network = pl.Sequential(pl.Flatten(), pl.Dense(width), pl.ReLU(), pl.Dense(10))
        model = network.compile((28, 28, 1), pl.MeanSquaredError(), seed=trial.seed)
        features, validation_features = (activations(model, one)["relu1"].astype(np.float64) for one in (x, validation_x))
        weights, *_ = np.linalg.lstsq(features, np.eye(10)[y], rcond=None)  # the shortest of all solutions
        found["train"].append(float(((features @ weights).argmax(axis=1) != y).mean()))
        found["validation"].append(float(((validation_features @ weights).argmax(axis=1) != labels).mean()))
        found["length"].append(float(np.linalg.norm(weights)))
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    error = [median(results, "validation", i) for i in range(len(WIDTHS))]
    peak = max(range(2, len(WIDTHS) - 1), key=lambda i: error[i])
    first, last = min(error[:peak]), error[-1]
    reason = (
        f"the validation error falls to {100 * first:.1f} %, rises to {100 * error[peak]:.1f} % at {WIDTHS[peak]:,} units "
        f"for {SAMPLES:,} samples, and falls to {100 * last:.1f} % at {WIDTHS[-1]:,} units"
    )
    if not (0.5 * SAMPLES <= WIDTHS[peak] <= 2 * SAMPLES and error[peak] > 1.5 * first and error[peak] > 1.5 * last):
        return Verdict("does not hold", reason)
    return Verdict("holds" if last < first else "depends", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for i, width in enumerate(WIDTHS):
        errors = (percent((result[part][i] for result in results), ".1f") for part in ("train", "validation"))
        rows.append((f"{width:,}", *errors, f"{median(results, 'length', i):.1f}"))
    return Table(("hidden units", "training error (given labels)", "validation error", "norm of W (median)"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    curves = {
        name: [[100 * a for a in result[part]] for result in results]
        for name, part in (("training", "train"), ("validation", "validation"))
    }
    marks = {"as many units as samples": float(SAMPLES)}
    return over_seeds({"error (%)": curves}, WIDTHS, "hidden units", log_x=True, marks=marks)


EXPERIMENT = Experiment(
    question="Does the error rise and fall again when a network outgrows its training data?",
    codes=("beyond",),
    chapter="Generalization",
    claim=(
        "Double descent: beyond the size at which the network fits all training data, the validation error falls a second "
        "time, below the best of the smaller networks."
    ),
    source="Belkin, Hsu, Ma and Mandal (2019), Reconciling modern machine-learning practice and the bias-variance trade-off",
    criterion=(
        "With 1,000 digits, a tenth of them with random labels, the validation error (median) has a peak between 500 and "
        "2,000 units that is 1.5 times the minimum before it and 1.5 times the error at 4,000 units. It depends if the "
        "second minimum is not lower than the first."
    ),
    mathematics="""
Here the hidden layer keeps its random initial weights, and only the last layer is fitted, by least squares: k random
features for n samples. The result does not depend on when training stops.

    W = argmin ‖Φ W − Y‖²      Φ (n, k), Y (n, 10); if several W reach 0, the shortest of them

For k < n the fit is a compromise. At k = n exactly one W fits every label, including the wrong ones. Φ is then nearly
singular and W is extremely long, so small differences between digits are amplified. For k > n many W fit, and the shortest
of them gets shorter as k grows. The classical curve of the error by complexity is the left half of the figure.
""",
    alt=(
        "Training and validation error by the number of hidden units. The training error falls to 0; the validation error "
        "falls, has a sharp peak at 1,000 units, and falls again."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
