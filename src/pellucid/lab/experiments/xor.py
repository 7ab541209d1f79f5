"""Does a network learn XOR because it has hidden units, or because they are nonlinear?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pellucid import Adam, BinaryCrossEntropy, Dense, Identity, Layer, Sequential, Sigmoid, Tanh
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent, spread
from pellucid.plots import decision_regions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

X = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]], np.float32)
Y = np.array([0, 1, 1, 0])
NETWORKS: dict[str, tuple[Layer, ...]] = {
    "no hidden layer": (),
    "8 linear hidden units": (Dense(8), Identity()),
    "8 tanh hidden units": (Dense(8), Tanh()),
}
GRID = 40


def measure(trial: Trial) -> Result:
    axis = np.linspace(-1.6, 1.6, GRID, dtype=np.float32)
    plane = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    found = {}
    for name, hidden in NETWORKS.items():
        network = Sequential(*hidden, Dense(1), Sigmoid())
        model = network.compile((2,), BinaryCrossEntropy(), Adam(0.05), seed=trial.seed)
        model.fit(X, Y, epochs=trial.pick(full=600, quick=300, tiny=150), batch_size=4, progress=False)
        correct = (model.predict(X)[:, 0] > 0.5) == Y
        found[name] = {
            "correct": int(correct.sum()),
            "loss": model.evaluate(X, Y)["loss"],
            "plane": model.predict(plane).round(2).reshape(GRID, GRID).tolist() if trial.seed == 0 else None,
        }
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    nonlinear = min(result["8 tanh hidden units"]["correct"] for result in results)
    linear = max(result[name]["correct"] for result in results for name in NETWORKS if "tanh" not in name)
    least = "all" if nonlinear == 4 else f"at least {nonlinear} of the"
    reason = f"with tanh units {least} 4 points are classified correctly in every run, without them at most {linear}"
    return Verdict("holds" if nonlinear == 4 and linear < 4 else "does not hold", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name in NETWORKS:
        each = [result[name] for result in results]
        rows.append((name, percent((one["correct"] / 4 for one in each), ".0f"), spread((one["loss"] for one in each), ".4f")))
    return Table(("network", "points classified correctly", "cross-entropy (nats)"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    planes = {f"{name}: loss {median(results[:1], name, 'loss'):.3f}": results[0][name]["plane"] for name in NETWORKS}
    return decision_regions(planes, X, Y, extent=(-1.6, 1.6, -1.6, 1.6))


EXPERIMENT = Experiment(
    question="Does a network learn XOR because it has hidden units, or because they are nonlinear?",
    codes=("I2",),
    chapter="Neurons and functions",
    claim="A multi-layer perceptron learns XOR; linear hidden units do not help.",
    source="Introduction to neural networks, Learning with hidden units, and XOR example",
    criterion=(
        "In every run the network with tanh units classifies all four points correctly, and neither of the two linear "
        "networks does."
    ),
    mathematics="""
Two linear layers in sequence are equivalent to one: (x W₁ + b₁) W₂ + b₂ = x (W₁W₂) + (b₁W₂ + b₂). The decision boundary is
a straight line, however many hidden units there are.

XOR requires class 1 at (−1, 1) and (1, −1), and class 0 at (−1, −1) and (1, 1). If s = w₁x₁ + w₂x₂ + b were positive at the
first two points and negative at the other two, each pair would have the sum 2b, which would have to be positive and
negative at once. So no line separates the classes. The best linear model predicts ½ everywhere, with a cross-entropy of log
2 = 0.693.
""",
    alt=(
        "Three squares with the four points of XOR. Two are pale and undecided; one has a curved boundary that separates "
        "the classes."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
)
