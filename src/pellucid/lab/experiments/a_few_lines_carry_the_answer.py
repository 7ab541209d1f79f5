"""Does the state of a network show how it comes to its answer?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import pellucid as pl
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent
from pellucid.model.activations import activations
from pellucid.plots.state import network_state

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DIGITS = 0, 1, 2, 3  # four classes, and 8 units in the last hidden layer, as on the slide
STRONGEST = 0.25


def measure(trial: Trial) -> Result:
    data = trial.digits(trial.pick(full=None, quick=6000, tiny=400), trial.pick(full=None, quick=1000, tiny=100))
    four = {
        name: part.take(np.flatnonzero(np.asarray(part.y) < 4)) for name, part in (("t", data.train), ("v", data.validation))
    }
    labels = {name: np.asarray(part.y) for name, part in four.items()}
    layers = pl.Flatten(), pl.Dense(16), pl.ReLU(), pl.Dense(8), pl.ReLU(), pl.Dense(4, pl.GlorotUniform()), pl.Softmax()
    model = pl.Sequential(*layers).compile((28, 28, 1), pl.CrossEntropy(), pl.Adam(0.003), [pl.Accuracy()], seed=trial.seed)
    model.fit(four["t"].x, labels["t"], epochs=trial.pick(full=5, quick=5, tiny=2), batch_size=50, progress=False)
    x, y = four["v"].x, labels["v"]
    inside, guess = activations(model, x), model.predict(x).argmax(axis=1)
    w, b = model.weights["dense3.W"], model.weights["dense3.b"]
    lines = inside["relu2"][:, :, None] * w  # what each of the 8 · 4 lines carries, for each digit
    carried = np.sort(np.abs(lines).reshape(len(x), -1), axis=1)[:, ::-1]
    count = int(STRONGEST * carried.shape[1])
    weak = np.abs(lines).reshape(len(x), -1) < carried[:, count - 1 : count]
    kept = np.where(weak, 0, lines.reshape(len(x), -1)).reshape(lines.shape).sum(axis=1) + b
    found: Result = {
        "accuracy": float((guess == y).mean()),
        "share": float((carried[:, :count].sum(axis=1) / carried.sum(axis=1)).mean()),
        "same": float((kept.argmax(axis=1) == guess).mean()),
        "error": float(np.abs(lines.sum(axis=1) + b - inside["dense3"]).max()),
    }
    if trial.seed == 0:
        found["states"] = []
        for digit in DIGITS:
            i = int(np.flatnonzero((y == digit) & (guess == digit))[0]) if ((y == digit) & (guess == digit)).any() else 0
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
    share, same = median(results, "share"), median(results, "same")
    error = max(result["error"] for result in results)
    because = (
        f"the strongest quarter of the lines into the output carries {100 * share:.0f} % of what all of them carry, and alone "
        f"gives the same answer for {100 * same:.1f} % of the digits; lines and bias add up to the logits within {error:.0e}"
    )
    return Verdict("holds" if share > 0.5 and same > 0.9 and error < 1e-3 else "does not hold", because)


def table(results: Sequence[Result]) -> Table:
    rows = (
        ("validation accuracy, four classes", percent(result["accuracy"] for result in results)),
        ("carried by the strongest quarter of the lines", percent((result["share"] for result in results), ".1f")),
        ("the same answer from that quarter alone", percent((result["same"] for result in results), ".1f")),
    )
    return Table(("784-16-8-4", "share"), rows)


def figure(results: Sequence[Result]) -> Figure:
    first = results[0]
    panels = {}
    for digit, state in zip(DIGITS, first["states"], strict=True):
        layers = [(np.array(state[name]), np.array(first[w])) for name, w in (("first", "W2"), ("second", "W3"))]
        panels[f"a {digit}"] = (layers, np.array(state["out"]))
    return network_state(panels, [str(digit) for digit in DIGITS])


EXPERIMENT = Experiment(
    question="Does the state of a network show how it comes to its answer?",
    codes=("D7",),
    chapter="What a network sees",
    claim="The state of a network for a given input can be drawn: red lines for positive weights, blue for negative, as "
    "opaque as the neuron before is active.",
    source="Dive into deep learning, the state of a network for four classes of MNIST with 8 units in the last hidden layer",
    criterion="What the 32 lines into the output carry adds up with the bias to the logits (within 10⁻³, in every run); the "
    "strongest quarter of them carries more than half of the sum of the absolute values, and gives by itself the same answer "
    "for more than 90 % of the digits (medians).",
    mathematics=(
        "Into output j run eight lines, and what line i carries is the activation of the unit before times its weight:\n\n"
        "    zⱼ = Σᵢ aᵢ wᵢⱼ + bⱼ\n\n"
        "A line is seen if both are large. Behind ReLU aᵢ is 0 or positive, so a red line speaks for its class, a blue one "
        "against it, and a unit that is silent carries nothing, whatever its weights. That is why the opacity goes by the "
        "activation and the colour by the weight. The drawing is complete for the last layer; further back it shows what is "
        "carried, not what it is good for: for that see the attributions."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
    alt="Four drawings of the last layers for the digits 0 to 3: different units are active, and red lines lead to the answer.",
)
