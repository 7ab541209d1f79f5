"""Which matters more, the number of hidden units and layers or the learning rate?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pellucid as pl
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent
from pellucid.plots import sweep

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHAPES = "16", "64", "256", "64x64", "64x64x64"
RATES = "0.003", "0.03", "0.3", "3"


def measure(trial: Trial) -> Result:
    data = trial.digits(trial.pick(full=20_000, quick=3000, tiny=100), trial.pick(full=None, quick=1000, tiny=100))
    found: Result = {}
    for shape in SHAPES:
        hidden = [layer for width in shape.split("x") for layer in (pl.Dense(int(width)), pl.ReLU())]
        network = pl.Sequential(pl.Flatten(), *hidden, pl.Dense(10, pl.GlorotUniform()), pl.Softmax())
        for rate in RATES:
            model = network.compile((28, 28, 1), pl.CrossEntropy(), pl.SGD(float(rate)), [pl.Accuracy()], seed=trial.seed)
            try:
                model.fit(data.train, epochs=trial.pick(full=5, quick=4, tiny=1), batch_size=50, progress=False)
                accuracy = model.evaluate(data.validation)["accuracy"]
            except pl.DivergedError:
                accuracy = None
            found.setdefault(shape, {})[rate] = accuracy
    return found


def _median_accuracies(results: Sequence[Result]) -> dict[tuple[str, str], float]:
    """Return the median accuracy of each combination; a diverged run counts as guessing."""
    known = [{s: {r: result[s][r] if result[s][r] is not None else 0.1 for r in RATES} for s in SHAPES} for result in results]
    return {(shape, rate): median(known, shape, rate) for shape in SHAPES for rate in RATES}


def verdict(results: Sequence[Result]) -> Verdict:
    accuracies = _median_accuracies(results)
    by_shape = [max(accuracies[shape, rate] for rate in RATES) for shape in SHAPES]
    by_rate = [max(accuracies[shape, rate] for shape in SHAPES) for rate in RATES]
    of_shape, of_rate = (max(one) - min(one) for one in (by_shape, by_rate))
    reason = (
        f"with the best learning rate for each shape, the accuracies of the shapes differ by {100 * of_shape:.1f} percentage "
        f"points; with the best shape for each learning rate, those of the rates differ by {100 * of_rate:.1f} percentage "
        "points"
    )
    if min(of_shape, of_rate) < 0.005:
        return Verdict("does not hold", reason)
    return Verdict("holds" if max(by_rate[0], by_rate[-1]) < max(by_rate) - 0.005 else "depends", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for shape in SHAPES:
        cells = []
        for rate in RATES:
            values = [result[shape][rate] for result in results]
            diverged = sum(value is None for value in values)
            known = [value for value in values if value is not None]
            cells.append((percent(known, ".1f") if known else "") + (f" {diverged} diverged" if diverged else ""))
        rows.append((shape, *(cell.strip() for cell in cells)))
    return Table(("hidden units", *(f"accuracy at learning rate {rate}" for rate in RATES)), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    diverged = {
        (shape, rate): "diverged"
        for shape in SHAPES
        for rate in RATES
        if all(result[shape][rate] is None for result in results)
    }
    means = {
        cell: value for cell, value in _median_accuracies(results).items() if cell not in diverged and not math.isnan(value)
    }
    return sweep({"hidden units": SHAPES, "learning rate": RATES}, means, diverged, "validation accuracy, median over seeds")


EXPERIMENT = Experiment(
    question="Which matters more, the number of hidden units and layers or the learning rate?",
    codes=("L3", "I6"),
    chapter="Architecture",
    claim="The architecture (hidden units and layers) and the learning rate both have an impact on the accuracy.",
    source="Introduction to deep learning, impact of the architecture and of the learning rate",
    criterion=(
        "Each of the two changes the best accuracy by half a percentage point or more while the other is at its best "
        "value (medians over seeds). It depends if the lowest or the highest learning rate comes within half a percentage "
        "point of the best: then the range of rates was too narrow."
    ),
    mathematics="""
A network with more units can represent more functions. Whether descent reaches them in five epochs depends on the learning
rate. In a direction in which the loss has curvature h, a step multiplies the distance to the minimum by |1 − ηh|: far below
η = 1/h progress is slow, beyond 2/h the distance grows with each step. The curvatures of a network differ widely between
directions, so the learning rate is limited by the steepest direction and slow in the others.

Wider layers sum more units and have higher curvatures. The best learning rate for one shape is not the best for another,
and comparing shapes at one learning rate compares learning rates as much as shapes. The best of four learning rates is
therefore used for each shape, and the best shape for each learning rate.
""",
    alt="Heat map of validation accuracy by hidden units and learning rate. The best combination has a frame.",
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
