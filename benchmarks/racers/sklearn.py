"""scikit-learn's MLPClassifier: dense networks with ReLU, one learning rate, its own initialization; one mark, at the end."""

from __future__ import annotations

import warnings
from typing import Any

from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from benchmarks.networks import NETWORKS, Dense, Flatten, Relu
from benchmarks.racers import Marks, Task


def main() -> None:
    task = Task.given()
    layers = NETWORKS[task.network]
    units = [layer.units for layer in layers if isinstance(layer, Dense)]
    if not all(isinstance(layer, Dense | Flatten | Relu) for layer in layers) or len(set(task.rates)) > 1:
        raise SystemExit("MLPClassifier knows dense layers with one activation, and one learning rate")
    (x, y), (test_x, test_y) = task.pictures()
    made = MLPClassifier(
        units[:-1],
        batch_size=task.batch,
        learning_rate_init=task.rates[0],
        alpha=0.0,
        max_iter=task.epochs,
        n_iter_no_change=task.epochs + 1,
        beta_1=task.betas[0],
        beta_2=task.betas[1],
        random_state=task.seed,
    )
    warnings.simplefilter("ignore", ConvergenceWarning)  # so many iterations are what was asked for
    made.fit(x.reshape(len(x), -1), y)
    marks = Marks(task)
    marks.after(len(task.rates), lambda: made)

    def accuracy(kept: Any) -> float:
        return float(kept.score(test_x.reshape(len(test_x), -1), test_y))

    marks.score(accuracy)


if __name__ == "__main__":
    main()
