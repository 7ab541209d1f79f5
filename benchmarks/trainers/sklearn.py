"""scikit-learn's MLPClassifier: dense networks with ReLU, one learning rate, its own initialization, one checkpoint."""

from __future__ import annotations

import warnings
from typing import Any

from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from benchmarks.networks import NETWORKS, Dense, Flatten, Relu
from benchmarks.trainers import Checkpoints, TrainingTask


def main() -> None:
    """Train the network of the task and report the accuracies."""
    task = TrainingTask.from_stdin()
    layers = NETWORKS[task.network]
    units = [layer.units for layer in layers if isinstance(layer, Dense)]
    if not all(isinstance(layer, Dense | Flatten | Relu) for layer in layers) or len(set(task.rates)) > 1:
        raise SystemExit("MLPClassifier supports only dense layers with one activation, and one learning rate")
    (x, y), (test_x, test_y) = task.datasets()
    model = MLPClassifier(
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
    warnings.simplefilter("ignore", ConvergenceWarning)  # the number of iterations is intended
    model.fit(x.reshape(len(x), -1), y)
    checkpoints = Checkpoints(task)
    checkpoints.after_step(len(task.rates), lambda: model)

    def accuracy(model: Any) -> float:
        return float(model.score(test_x.reshape(len(test_x), -1), test_y))

    checkpoints.report_accuracies(accuracy)


if __name__ == "__main__":
    main()
