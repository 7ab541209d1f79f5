"""Does the drawn state of a network show how it arrives at its prediction?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import pellucid as pl
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent
from pellucid.model.activations import activations
from pellucid.plots import network_state

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DIGITS = 0, 1, 2, 3  # four classes and 8 units in the last hidden layer, as on the slide
STRONGEST = 0.25  # the fraction of the connections that is kept


def measure(trial: Trial) -> Result:
    data = trial.digits(trial.pick(full=None, quick=6000, tiny=400), trial.pick(full=None, quick=1000, tiny=100))
    four = {
        name: part.take(np.flatnonzero(np.asarray(part.y) < 4))
        for name, part in (("train", data.train), ("validation", data.validation))
    }
    labels = {name: np.asarray(part.y) for name, part in four.items()}
    layers = pl.Flatten(), pl.Dense(16), pl.ReLU(), pl.Dense(8), pl.ReLU(), pl.Dense(4, pl.GlorotUniform()), pl.Softmax()
    model = pl.Sequential(*layers).compile((28, 28, 1), pl.CrossEntropy(), pl.Adam(0.003), [pl.Accuracy()], seed=trial.seed)
    model.fit(four["train"].x, labels["train"], epochs=trial.pick(full=5, quick=5, tiny=2), batch_size=50, progress=False)
    x, y = four["validation"].x, labels["validation"]
    inside, prediction = activations(model, x), model.predict(x).argmax(axis=1)
    w, b = model.weights["dense3.W"], model.weights["dense3.b"]
    contributions = inside["relu2"][:, :, None] * w  # the contribution of each of the 8 · 4 connections, for each digit
    sorted_contributions = np.sort(np.abs(contributions).reshape(len(x), -1), axis=1)[:, ::-1]
    count = int(STRONGEST * sorted_contributions.shape[1])
    weak = np.abs(contributions).reshape(len(x), -1) < sorted_contributions[:, count - 1 : count]
    kept = np.where(weak, 0, contributions.reshape(len(x), -1)).reshape(contributions.shape).sum(axis=1) + b
    found: Result = {
        "accuracy": float((prediction == y).mean()),
        "fraction": float((sorted_contributions[:, :count].sum(axis=1) / sorted_contributions.sum(axis=1)).mean()),
        "same": float((kept.argmax(axis=1) == prediction).mean()),
        "error": float(np.abs(contributions.sum(axis=1) + b - inside["dense3"]).max()),
    }
    if trial.seed == 0:
        found["states"] = []
        for digit in DIGITS:
            correct = np.flatnonzero((y == digit) & (prediction == digit))
            i = int(correct[0]) if len(correct) else 0
            found["states"].append(
                {
                    "first": inside["relu1"][i].round(2).tolist(),
                    "second": inside["relu2"][i].round(2).tolist(),
                    "out": inside["softmax1"][i].round(3).tolist(),
                }
            )
        found["W2"], found["W3"] = model.weights["dense2.W"].round(2).tolist(), w.round(2).tolist()
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    fraction, same = median(results, "fraction"), median(results, "same")
    error = max(result["error"] for result in results)
    reason = (
        f"the strongest quarter of the connections to the output accounts for {100 * fraction:.0f} % of all contributions, and "
        f"alone gives the same prediction for {100 * same:.1f} % of the digits; contributions and bias add up to the logits "
        f"within {error:.0e}"
    )
    return Verdict("holds" if fraction > 0.5 and same > 0.9 and error < 1e-3 else "does not hold", reason)


def table(results: Sequence[Result]) -> Table:
    rows = (
        ("validation accuracy, four classes", percent(result["accuracy"] for result in results)),
        (
            "contribution of the strongest quarter of the connections",
            percent((result["fraction"] for result in results), ".1f"),
        ),
        ("same prediction from this quarter alone", percent((result["same"] for result in results), ".1f")),
    )
    return Table(("784-16-8-4", "fraction"), rows)


def figure(results: Sequence[Result]) -> Figure:
    first = results[0]
    panels = {}
    for digit, state in zip(DIGITS, first["states"], strict=True):
        layers = [(np.array(state[name]), np.array(first[w])) for name, w in (("first", "W2"), ("second", "W3"))]
        panels[f"digit {digit}"] = (layers, np.array(state["out"]))
    return network_state(panels, [str(digit) for digit in DIGITS])


EXPERIMENT = Experiment(
    question="Does the drawn state of a network show how it arrives at its prediction?",
    codes=("D7",),
    chapter="What a network sees",
    claim=(
        "The state of a network for a given input can be drawn: red lines for positive weights, blue lines for negative "
        "weights, with an opacity that follows the activation of the source unit."
    ),
    source="Dive into deep learning, state of a network for four classes of MNIST with 8 units in the last hidden layer",
    criterion=(
        "The contributions of the 32 connections to the output and the bias add up to the logits (within 10⁻³, in every "
        "run); the strongest quarter of the connections accounts for more than half of the sum of the absolute "
        "contributions, and alone gives the same prediction for more than 90 % of the digits (medians)."
    ),
    mathematics="""
Eight connections lead to output j. The contribution of connection i is the activation of its source unit times its weight:

    zⱼ = Σᵢ aᵢ wᵢⱼ + bⱼ

A line is visible if both are large. After ReLU, aᵢ is 0 or positive: a red line supports its class, a blue line opposes it,
and an inactive unit contributes nothing, whatever its weights. For this reason the opacity shows the activation and the
colour shows the weight. The drawing is complete for the last layer. In earlier layers it shows contributions to the next
layer, but not their effect on the output; attributions show that.
""",
    alt=(
        "Four drawings of the last layers for the digits 0 to 3. Different units are active, and red lines lead to the "
        "predicted class."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
