"""Does the confidence of a network match its accuracy, and does temperature scaling correct it?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import pellucid as pl
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent, spread
from pellucid.plots import over_seeds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 10
STATES = "as trained", "with temperature scaling"


def _softmax(z: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    e = np.exp((z - z.max(axis=1, keepdims=True)) / temperature)
    return e / e.sum(axis=1, keepdims=True)


def _loss(z: np.ndarray, y: np.ndarray, temperature: float) -> float:
    return float(-np.log(np.maximum(_softmax(z, temperature)[np.arange(len(y)), y], 1e-30)).mean())


def calibration(p: np.ndarray, y: np.ndarray) -> tuple[float, list[float | None], list[float | None]]:
    """Return the expected calibration error, and the mean confidence and the accuracy in each of ten bins of confidence."""
    confidence, correct = p.max(axis=1), p.argmax(axis=1) == y
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    error, means, accuracies = 0.0, [], []
    for b in range(BINS):
        inside = bins == b
        means.append(float(confidence[inside].mean()) if inside.sum() >= 5 else None)
        accuracies.append(float(correct[inside].mean()) if inside.sum() >= 5 else None)
        if inside.any():
            error += inside.mean() * abs(float(confidence[inside].mean()) - float(correct[inside].mean()))
    return error, means, accuracies


def measure(trial: Trial) -> Result:
    data = trial.digits(trial.pick(full=5000, quick=1000, tiny=100), trial.pick(full=None, quick=1000, tiny=100))
    layers = pl.Flatten(), pl.Dense(256), pl.ReLU(), pl.Dense(256), pl.ReLU(), pl.Dense(10, pl.GlorotUniform()), pl.Softmax()
    model = pl.Sequential(*layers).compile((28, 28, 1), pl.CrossEntropy(), pl.Adam(0.001), [pl.Accuracy()], seed=trial.seed)
    model.fit(data.train, epochs=trial.pick(full=40, quick=30, tiny=2), batch_size=50, progress=False)
    validation = model.predict(data.validation.x, logits=True), np.asarray(data.validation.y)
    grid = np.geomspace(0.3, 6, 80)
    temperature = float(grid[np.argmin([_loss(*validation, t) for t in grid])])
    z, y = model.predict(data.test.x, logits=True), np.asarray(data.test.y)
    found: Result = {"temperature": temperature, "accuracy": float((z.argmax(axis=1) == y).mean())}
    for name, t in zip(STATES, (1.0, temperature), strict=True):
        error, means, accuracies = calibration(_softmax(z, t), y)
        found[name] = {
            "error": error,
            "loss": _loss(z, y, t),
            "confidence": means,
            "accuracy": accuracies,
            "mean confidence": float(_softmax(z, t).max(axis=1).mean()),
        }
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    before, after = (median(results, state, "error") for state in STATES)
    overconfident = all(result["as trained"]["mean confidence"] > result["accuracy"] for result in results)
    reason = (
        f"the mean confidence of the network is {100 * median(results, 'as trained', 'mean confidence'):.1f} % and its "
        f"accuracy {100 * median(results, 'accuracy'):.1f} %; its calibration error is {100 * before:.2f} %, and with a "
        f"temperature of {median(results, 'temperature'):.2f} it is {100 * after:.2f} %"
    )
    return Verdict(
        "holds" if overconfident and after < before / 2 else "depends" if overconfident and after < before else "does not hold",
        reason,
    )


def table(results: Sequence[Result]) -> Table:
    rows = []
    for state in STATES:
        each = [result[state] for result in results]
        cells = percent(one["mean confidence"] for one in each), percent(one["error"] for one in each)
        rows.append(
            (state, *cells, spread((one["loss"] for one in each), ".3f"), percent(result["accuracy"] for result in results))
        )
    return Table(("network, on the test set", "mean confidence", "calibration error", "loss (nats)", "accuracy"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    centres = [100 * (b + 0.5) / BINS for b in range(BINS)]
    curves: dict[str, list[list[float | None]]] = {state: [] for state in STATES}
    for state, result in ((state, result) for state in STATES for result in results):
        pairs = zip(result[state]["accuracy"], result[state]["confidence"], strict=True)
        curves[state].append([None if accuracy is None else 100 * (accuracy - confidence) for accuracy, confidence in pairs])
    curves["perfect calibration"] = [[0.0 for _ in centres]]
    return over_seeds({"accuracy − confidence (% points)": curves}, centres, "confidence (%)")


EXPERIMENT = Experiment(
    question="Does the confidence of a network match its accuracy, and does temperature scaling correct it?",
    codes=("beyond",),
    chapter="Generalization",
    claim=("Modern networks are overconfident. Dividing the logits by one number, fitted on validation data, calibrates them."),
    source="Guo, Pleiss, Sun and Weinberger (2017), On calibration of modern neural networks",
    criterion=(
        "With 5,000 training digits, the mean confidence on the test set is above the accuracy in every run, and the "
        "temperature at least halves the calibration error there (medians). It depends if the temperature lowers the "
        "error by less."
    ),
    mathematics="""
Four of five predictions with a confidence of 80 % should be correct. The expected calibration error is the mean distance
between confidence and accuracy over bins of confidence, weighted by the number of predictions in each bin.

    p = softmax(z / T)      T is chosen to minimize the loss on the validation set

T > 1 lowers all confidences and changes no prediction, because the order of the logits stays the same. A single number
cannot overfit thousands of validation digits. The cause of overconfidence: once all training digits are classified
correctly, the loss still falls if the weights grow.
""",
    alt="Accuracy minus confidence by confidence: far below 0 as trained, near 0 with temperature scaling.",
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
