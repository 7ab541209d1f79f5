"""How little must a digit be changed for a network to misread it, and does augmentation protect?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import pellucid as pl
from pellucid.data import Augmentation
from pellucid.explain import gradient
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent
from pellucid.plots.lines import over_seeds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEPS = 0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3  # how far each pixel may go, from 0 (black) to 1 (white)
ARMS = {
    "as it is": None,
    "shifted, turned, stretched": Augmentation(rotation=10, scale=0.1, shift=2),
    "with noise": Augmentation(noise=0.3),
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
        towards = -np.sign(gradient(model, data.validation.x, target=y, of="output", dtype=np.float64)[1]).astype(np.float32)
        found[name] = {
            kind: [
                model.evaluate(np.round(255 * np.clip(x + step * way, 0, 1)).astype(np.uint8), y)["accuracy"] for step in STEPS
            ]
            for kind, way in (("chosen", towards), ("random", random))
        }
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    at = STEPS.index(0.1)
    clean, fooled, chance = (
        median(results, "as it is", kind, i) for kind, i in (("chosen", 0), ("chosen", at), ("random", at))
    )
    after = {name: median(results, name, "chosen", at) for name in ARMS}
    because = (
        f"a change of 0.1 along the gradient's signs brings the accuracy from {100 * clean:.1f} to {100 * fooled:.1f} %, one "
        f"of random signs to {100 * chance:.1f} %; after training on changed digits the first leaves "
        + ", ".join(f"{100 * value:.0f} % ({name})" for name, value in after.items() if name != "as it is")
    )
    if fooled > clean - 0.3 or chance < clean - 0.05:
        return Verdict("does not hold", because)
    return Verdict("holds" if min(after.values()) == fooled and max(after.values()) > fooled + 0.1 else "depends", because)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name in ARMS:
        for kind in ("chosen", "random"):
            at = [STEPS.index(step) for step in (0.0, 0.05, 0.1, 0.2)]
            cells = [percent((result[name][kind][i] for result in results), ".0f") for i in at]
            rows.append((f"{name}; {'along the gradient' if kind == 'chosen' else 'random signs'}", *cells))
    columns = ("trained on each digit …; changed …", "validation accuracy, unchanged", "by 0.05", "by 0.1", "by 0.2")
    return Table(columns, tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    curves = {name: [[100 * a for a in result[name]["chosen"]] for result in results] for name in ARMS}
    curves["as it is, random signs"] = [[100 * a for a in result["as it is"]["random"]] for result in results]
    return over_seeds({"validation accuracy (%)": curves}, STEPS, "change of each pixel (0 black, 1 white)")


EXPERIMENT = Experiment(
    question="How little must a digit be changed for a network to misread it, and does augmentation protect?",
    codes=("beyond",),
    chapter="What a network sees",
    claim="A change of every pixel by a small amount, in the direction of the gradient's sign, fools a network; the same "
    "amount in random directions does not.",
    source="Goodfellow, Shlens and Szegedy (2015), Explaining and harnessing adversarial examples; that augmentation protects "
    "is often hoped",
    criterion="A change of 0.1 along the signs costs 30 points of accuracy or more, random signs at most 5 (medians). It "
    "depends, if no augmentation raises what is left by more than 10 points, or one lowers it.",
    mathematics=(
        "To first order a change d of the picture changes the cost by Σᵢ dᵢ ∂C/∂xᵢ. Among all d with |dᵢ| ≤ ε the largest "
        "change is made by the signs,\n\n"
        "    d = ε sign(∂C/∂x)      ΔC ≈ ε Σᵢ |∂C/∂xᵢ|\n\n"
        "784 small terms that all add up. With random signs they cancel: their sum has about the size of ε √(Σ(∂C/∂xᵢ)²), "
        "which is less by a factor of up to √784 = 28. So the network need not be bent in odd ways between the digits; in so "
        "many dimensions even a linear function is moved far by small changes.\n\n"
        "As C = −log p of the true class, ∂C/∂x and −∂p/∂x have the same signs. Pixels stay between black and white: what "
        "goes beyond is cut off."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
    alt="Validation accuracy against the size of the change: it drops steeply along the gradient, less so for "
    "the network that was trained with noise, and hardly for random signs.",
)
