"""How small a change makes a network misclassify a digit, and does augmentation protect against it?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import pellucid as pl
from pellucid.data import Augmentation
from pellucid.explain import gradient
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent
from pellucid.plots import over_seeds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEPS = 0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3  # the size of the change of each pixel, on a scale from 0 (black) to 1 (white)
ARMS = {
    "no augmentation": None,
    "shifts, rotations, scaling": Augmentation(rotation=10, scale=0.1, shift=2),
    "noise": Augmentation(noise=0.3),
}


def measure(trial: Trial) -> Result:
    data = trial.digits(trial.pick(full=20_000, quick=3000, tiny=200), trial.pick(full=1000, quick=300, tiny=60))
    x, y = (data.validation.x / 255).astype(np.float32), np.asarray(data.validation.y)
    random = np.sign(np.random.default_rng(trial.seed).standard_normal(x.shape)).astype(np.float32)
    found = {}
    for name, augmentation in ARMS.items():
        layers = pl.Conv2D(16, 5), pl.ReLU(), pl.MaxPool2D(2), pl.Flatten(), pl.Dense(64), pl.ReLU()
        network = pl.Sequential(*layers, pl.Dense(10, pl.GlorotUniform()), pl.Softmax())
        model = network.compile((28, 28, 1), pl.CrossEntropy(), pl.Adam(0.002), [pl.Accuracy()], seed=trial.seed)
        epochs = trial.pick(full=6, quick=5, tiny=1)
        model.fit(data.train, epochs=epochs, batch_size=64, augmentation=augmentation, progress=False)
        adversarial = -np.sign(gradient(model, data.validation.x, target=y, of="output", dtype=np.float64)[1]).astype(
            np.float32
        )
        found[name] = {
            kind: [
                model.evaluate(np.round(255 * np.clip(x + step * direction, 0, 1)).astype(np.uint8), y)["accuracy"]
                for step in STEPS
            ]
            for kind, direction in (("adversarial", adversarial), ("random", random))
        }
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    at = STEPS.index(0.1)
    clean, adversarial, random = (
        median(results, "no augmentation", kind, i) for kind, i in (("adversarial", 0), ("adversarial", at), ("random", at))
    )
    after = {name: median(results, name, "adversarial", at) for name in ARMS}
    reason = (
        f"a change of 0.1 along the signs of the gradient lowers the accuracy from {100 * clean:.1f} % to "
        f"{100 * adversarial:.1f} %, one with random signs to {100 * random:.1f} %; after training with augmentation the "
        "adversarial accuracy is "
        + ", ".join(f"{100 * value:.0f} % ({name})" for name, value in after.items() if name != "no augmentation")
    )
    if adversarial > clean - 0.3 or random < clean - 0.05:
        return Verdict("does not hold", reason)
    return Verdict(
        "holds" if min(after.values()) == adversarial and max(after.values()) > adversarial + 0.1 else "depends", reason
    )


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name in ARMS:
        for kind in ("adversarial", "random"):
            at = [STEPS.index(step) for step in (0.0, 0.05, 0.1, 0.2)]
            cells = [percent((result[name][kind][i] for result in results), ".0f") for i in at]
            rows.append((f"{name}; {'signs of the gradient' if kind == 'adversarial' else 'random signs'}", *cells))
    columns = (
        "augmentation in training; direction of the change",
        "validation accuracy, no change",
        "change 0.05",
        "change 0.1",
        "change 0.2",
    )
    return Table(columns, tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    curves = {name: [[100 * a for a in result[name]["adversarial"]] for result in results] for name in ARMS}
    curves["no augmentation, random signs"] = [[100 * a for a in result["no augmentation"]["random"]] for result in results]
    made = over_seeds({"validation accuracy (%)": curves}, STEPS, "change of each pixel (0 black, 1 white)")
    made.axes[0].legend(fontsize=8, loc=(0.44, 0.635))  # between the curves: elsewhere it covers a point
    return made


EXPERIMENT = Experiment(
    question="How small a change makes a network misclassify a digit, and does augmentation protect against it?",
    codes=("beyond",),
    chapter="What a network sees",
    claim=(
        "A small change of every pixel in the direction of the sign of the gradient misleads a network; the same amount "
        "in random directions does not."
    ),
    source=(
        "Goodfellow, Shlens and Szegedy (2015), Explaining and harnessing adversarial examples; that augmentation "
        "protects is a common hope"
    ),
    criterion=(
        "A change of 0.1 along the signs lowers the accuracy by 30 percentage points or more, random signs by at most 5 "
        "(medians). It depends if no augmentation raises the adversarial accuracy by more than 10 percentage points, or "
        "if one lowers it."
    ),
    mathematics="""
To first order a change d of the image changes the loss by Σᵢ dᵢ ∂C/∂xᵢ. Among all d with |dᵢ| ≤ ε, the signs give the
largest change,

    d = ε sign(∂C/∂x)      ΔC ≈ ε Σᵢ |∂C/∂xᵢ|

These are 784 small terms with the same sign. With random signs they cancel: their sum is about ε √(Σ(∂C/∂xᵢ)²), which
is smaller by a factor of up to √784 = 28. This does not require an irregular network: with 784 dimensions, even the
output of a linear function changes a lot under small changes of all its inputs.

With C = −log p of the true class, ∂C/∂x and −∂p/∂x have the same signs. Pixels are clipped to the range from black to
white.
""",
    alt=(
        "Validation accuracy by the size of the change. It drops steeply along the gradient, less so for the network "
        "trained with noise, and hardly for random signs."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
