"""Does a network learn XOR because it has hidden units, or because they bend?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pellucid import Adam, BinaryCrossEntropy, Dense, Identity, Layer, Sequential, Sigmoid, Tanh
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent, spread
from pellucid.plots.regions import decision_regions

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
        right = (model.predict(X)[:, 0] > 0.5) == Y
        found[name] = {
            "right": int(right.sum()),
            "loss": model.evaluate(X, Y)["loss"],
            "plane": model.predict(plane).round(2).reshape(GRID, GRID).tolist() if trial.seed == 0 else None,
        }
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    bent = min(result["8 tanh hidden units"]["right"] for result in results)
    straight = max(result[name]["right"] for result in results for name in NETWORKS if "tanh" not in name)
    least = "all" if bent == 4 else f"at least {bent} of the"
    because = f"with tanh units {least} 4 points are right in every run, without them at most {straight}"
    return Verdict("holds" if bent == 4 and straight < 4 else "does not hold", because)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name in NETWORKS:
        each = [result[name] for result in results]
        rows.append((name, percent((one["right"] / 4 for one in each), ".0f"), spread((one["loss"] for one in each), ".4f")))
    return Table(("network", "points right", "cross-entropy (nats)"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    planes = {f"{name}: loss {median(results[:1], name, 'loss'):.3f}": results[0][name]["plane"] for name in NETWORKS}
    return decision_regions(planes, X, Y, extent=(-1.6, 1.6, -1.6, 1.6))


EXPERIMENT = Experiment(
    question="Does a network learn XOR because it has hidden units, or because they bend?",
    codes=("I2",),
    chapter="Neurons and functions",
    claim="A multi-layer perceptron learns XOR; hidden units that are linear do not help.",
    source="Introduction to neural networks, Learning with hidden units, and XOR example",
    criterion="In every run the network with tanh units gets all four points right, and neither of the straight ones does.",
    mathematics=(
        "A linear layer behind a linear layer is one linear layer: (x W₁ + b₁) W₂ + b₂ = x (W₁W₂) + (b₁W₂ + b₂). Its border "
        "between yes and no is a straight line, however many units are in between.\n\n"
        "XOR wants yes at (−1, 1) and (1, −1), no at (−1, −1) and (1, 1). Were s = w₁x₁ + w₂x₂ + b positive at the first two "
        "and negative at the others, both pairs would have the sum 2b, positive and negative at once. So no line does it; the "
        "best it can say is ½ everywhere, at a cross-entropy of log 2 = 0.693."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    alt="Three squares with the four points of XOR: two of them pale and undecided, one with a curved border that is right.",
)
