"""How many weights can be cut away, and does it matter with which weights the rest begins?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import pellucid as pl
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent
from pellucid.plots.lines import over_seeds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KEPT = 1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01
WAYS = "as they began", "begun anew", "cut after training"


def _model(trial: Trial, seed: int) -> pl.Model:
    layers = pl.Flatten(), pl.Dense(256), pl.ReLU(), pl.Dense(128), pl.ReLU(), pl.Dense(10, pl.GlorotUniform()), pl.Softmax()
    return pl.Sequential(*layers).compile((28, 28, 1), pl.CrossEntropy(), pl.SGD(0.1), [pl.Accuracy()], seed=seed)


def _cut(model: pl.Model, masks: dict[str, np.ndarray]) -> None:
    for path, mask in masks.items():
        model.weights[path][...] *= mask


def _train(model: pl.Model, masks: dict[str, np.ndarray], data: pl.data.Splits, epochs: int) -> float:
    """Trained with the cut weights held at zero; the validation accuracy."""
    _cut(model, masks)
    for _ in model.fit_events(data.train, epochs=epochs, batch_size=100):
        _cut(model, masks)
    return float(model.evaluate(data.validation)["accuracy"])


def measure(trial: Trial) -> Result:
    data = trial.digits(trial.pick(full=10_000, quick=3000, tiny=100), trial.pick(full=None, quick=1000, tiny=100))
    epochs = trial.pick(full=5, quick=4, tiny=1)
    whole, begun = _model(trial, trial.seed), _model(trial, trial.seed)
    first = begun.parameters.copy()
    _train(whole, {}, data, epochs)
    trained = whole.parameters.copy()
    found: Result = {way: [] for way in WAYS}
    for share in KEPT:
        masks = {}
        for path, w in whole.weights.items():
            if path.endswith("W"):
                masks[path] = (np.abs(w) >= np.quantile(np.abs(w), 1 - share)).astype(np.float32)
        _cut(whole, masks)
        found["cut after training"].append(whole.evaluate(data.validation)["accuracy"])
        whole.parameters[:] = trained
        begun = _model(trial, trial.seed)
        begun.parameters[:] = first
        found["as they began"].append(_train(begun, masks, data, epochs))
        found["begun anew"].append(_train(_model(trial, trial.seed + 1000), masks, data, epochs))
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    ticket, anew = ([median(results, way, i) for i in range(len(KEPT))] for way in WAYS[:2])
    few = KEPT.index(0.05)
    enough = min(share for share, accuracy in zip(KEPT, ticket, strict=True) if accuracy >= ticket[0] - 0.02)
    because = (
        f"the whole network reads {100 * ticket[0]:.1f} % of the validation digits; 5 % of its weights read "
        f"{100 * ticket[few]:.1f} % where they begin as they began, {100 * anew[few]:.1f} % begun anew, and 1 % of them "
        f"{100 * ticket[-1]:.1f} and {100 * anew[-1]:.1f} %; at most 2 points are lost with {100 * enough:.0f} % or more"
    )
    if ticket[few] < ticket[0] - 0.02:
        return Verdict("does not hold", because)
    ahead = [one - other for one, other in zip(ticket[few:], anew[few:], strict=True)]
    return Verdict("holds" if min(ahead) > 0.005 else "depends", because)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for i, share in enumerate(KEPT):
        rows.append((f"{100 * share:.0f} %", *(percent((result[way][i] for result in results), ".1f") for way in WAYS)))
    return Table(("weights kept", *(f"trained, {way}" for way in WAYS[:2]), f"{WAYS[2]}, no more"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    curves = {way: [[100 * a for a in result[way]] for result in results] for way in WAYS}
    return over_seeds({"validation accuracy (%)": curves}, [100 * share for share in KEPT], "weights kept (%)", log_x=True)


EXPERIMENT = Experiment(
    question="How many weights can be cut away, and does it matter with which weights the rest begins?",
    codes=("beyond",),
    chapter="Architecture",
    claim="A network holds a small part that, trained by itself from its own first weights, does as well as the whole; from "
    "other first weights it does worse.",
    source="Frankle and Carbin (2019), The lottery ticket hypothesis: finding sparse, trainable neural networks",
    criterion="With 5 % of the weights, begun as they began, at most 2 points of accuracy are lost (medians). Depends, if "
    "they are not more than half a point ahead of the same part begun anew, at 5, 2 and 1 %.",
    mathematics=(
        "After training, the weights of each layer whose size is below a quantile are set to zero; what is left is a mask m "
        "of 0 and 1. Then the network m ⊙ θ is trained from the beginning, once from its own first weights θ₀, once from "
        "others, with the cut weights held at zero.\n\n"
        "Large weights after training tend to have been large, and of the right sign, before it. A part that begins like that "
        "has a head start. And they are large: weights begun anew are drawn as for the whole layer, so with a share s of them "
        "left the variance of the signal is s times what it should be, layer after layer. Cutting here is done at once; the "
        "paper cuts in rounds of a fifth, which finds smaller parts."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
    alt="Validation accuracy against the share of weights kept: level at first, then falling; latest when the weights begin as "
    "they began, sooner when begun anew, soonest when cut without training again.",
)
