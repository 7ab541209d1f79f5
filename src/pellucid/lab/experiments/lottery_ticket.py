"""How many weights can be pruned, and do the initial values of the remaining weights matter?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import pellucid as pl
from pellucid.data import Splits
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent
from pellucid.plots import over_seeds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KEPT = 1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01
METHODS = "trained from the original weights", "trained from new weights", "pruned without retraining"


def _model(trial: Trial, seed: int) -> pl.Model:
    layers = pl.Flatten(), pl.Dense(256), pl.ReLU(), pl.Dense(128), pl.ReLU(), pl.Dense(10, pl.GlorotUniform()), pl.Softmax()
    return pl.Sequential(*layers).compile((28, 28, 1), pl.CrossEntropy(), pl.SGD(0.1), [pl.Accuracy()], seed=seed)


def _prune(model: pl.Model, masks: dict[str, np.ndarray]) -> None:
    for path, mask in masks.items():
        model.weights[path][...] *= mask


def _train(model: pl.Model, masks: dict[str, np.ndarray], data: Splits, epochs: int) -> float:
    """Train with the pruned weights fixed at zero; return the validation accuracy."""
    _prune(model, masks)
    for _ in model.fit_events(data.train, options=pl.FitOptions(epochs=epochs, batch_size=100)):
        _prune(model, masks)
    return float(model.evaluate(data.validation)["accuracy"])


def measure(trial: Trial) -> Result:
    data = trial.digits(trial.pick(full=10_000, quick=3000, tiny=100), trial.pick(full=None, quick=1000, tiny=100))
    epochs = trial.pick(full=5, quick=4, tiny=1)
    whole, pruned = _model(trial, trial.seed), _model(trial, trial.seed)
    first = pruned.parameters.copy()
    _train(whole, {}, data, epochs)
    trained = whole.parameters.copy()
    found: Result = {method: [] for method in METHODS}
    for fraction in KEPT:
        masks = {}
        for path, w in whole.weights.items():
            if path.endswith("W"):
                masks[path] = (np.abs(w) >= np.quantile(np.abs(w), 1 - fraction)).astype(np.float32)
        _prune(whole, masks)
        found["pruned without retraining"].append(whole.evaluate(data.validation)["accuracy"])
        whole.parameters[:] = trained
        pruned = _model(trial, trial.seed)
        pruned.parameters[:] = first
        found["trained from the original weights"].append(_train(pruned, masks, data, epochs))
        found["trained from new weights"].append(_train(_model(trial, trial.seed + 1000), masks, data, epochs))
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    ticket, new = ([median(results, method, i) for i in range(len(KEPT))] for method in METHODS[:2])
    few = KEPT.index(0.05)
    enough = min(fraction for fraction, accuracy in zip(KEPT, ticket, strict=True) if accuracy >= ticket[0] - 0.02)
    reason = (
        f"the validation accuracy of the whole network is {100 * ticket[0]:.1f} %; with 5 % of its weights it is "
        f"{100 * ticket[few]:.1f} % from the original weights and {100 * new[few]:.1f} % from new weights, with 1 % of them "
        f"{100 * ticket[-1]:.1f} % and {100 * new[-1]:.1f} %; at most 2 percentage points are lost with {100 * enough:.0f} % "
        "or more"
    )
    if ticket[few] < ticket[0] - 0.02:
        return Verdict("does not hold", reason)
    ahead = [one - other for one, other in zip(ticket[few:], new[few:], strict=True)]
    return Verdict("holds" if min(ahead) > 0.005 else "depends", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for i, fraction in enumerate(KEPT):
        rows.append(
            (f"{100 * fraction:.0f} %", *(percent((result[method][i] for result in results), ".1f") for method in METHODS))
        )
    return Table(("weights kept", *METHODS), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    curves = {method: [[100 * a for a in result[method]] for result in results] for method in METHODS}
    return over_seeds(
        {"validation accuracy (%)": curves}, [100 * fraction for fraction in KEPT], "weights kept (%)", log_x=True
    )


EXPERIMENT = Experiment(
    question="How many weights can be pruned, and do the initial values of the remaining weights matter?",
    codes=("beyond",),
    chapter="Architecture",
    claim=(
        "A network contains a small subnetwork that, trained alone from its original initial weights, is as accurate as "
        "the whole; from other initial weights it is less accurate."
    ),
    source="Frankle and Carbin (2019), The lottery ticket hypothesis: finding sparse, trainable neural networks",
    criterion=(
        "With 5 % of the weights, trained from their original initial values, at most 2 percentage points of accuracy are "
        "lost (medians). It depends if this subnetwork is not more than half a percentage point better than the same one "
        "trained from new weights, at 5, 2 and 1 %."
    ),
    mathematics="""
After training, the weights of each layer whose absolute value is below a quantile are set to zero. This gives a mask m of 0
and 1. The network m ⊙ θ is then trained from the beginning, once from its original initial weights θ₀ and once from new
ones, with the pruned weights fixed at zero.

Weights that are large after training tend to have been large, with the correct sign, before it. A subnetwork with these
initial weights has an advantage. The scale matters too: new weights are drawn as for the whole layer, so with a
fraction s of them every layer multiplies the variance of the signal by a factor of s. Pruning is done in one step here;
the paper prunes a fifth per round, which finds smaller subnetworks.
""",
    alt=(
        "Validation accuracy by the fraction of weights kept: level at first, then falling. It falls last with the "
        "original initial weights, earlier with new ones, and earliest without retraining."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
