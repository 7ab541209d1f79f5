"""Is a network as often right as it says, and does a temperature mend it?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import pellucid as pl
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent, spread
from pellucid.plots.lines import over_seeds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 10
STATES = "as trained", "with a temperature"


def _softmax(z: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    e = np.exp((z - z.max(axis=1, keepdims=True)) / temperature)
    return e / e.sum(axis=1, keepdims=True)


def _cost(z: np.ndarray, y: np.ndarray, temperature: float) -> float:
    return float(-np.log(np.maximum(_softmax(z, temperature)[np.arange(len(y)), y], 1e-30)).mean())


def calibration(p: np.ndarray, y: np.ndarray) -> tuple[float, list[float | None], list[float | None]]:
    """The expected calibration error, and in each of ten bins of confidence the mean confidence and the accuracy."""
    sure, right = p.max(axis=1), p.argmax(axis=1) == y
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    error, means, shares = 0.0, [], []
    for b in range(BINS):
        own = bins == b
        means.append(float(sure[own].mean()) if own.sum() >= 5 else None)
        shares.append(float(right[own].mean()) if own.sum() >= 5 else None)
        if own.any():
            error += own.mean() * abs(float(sure[own].mean()) - float(right[own].mean()))
    return error, means, shares


def measure(trial: Trial) -> Result:
    data = trial.digits(trial.pick(full=5000, quick=1000, tiny=100), trial.pick(full=None, quick=1000, tiny=100))
    layers = pl.Flatten(), pl.Dense(256), pl.ReLU(), pl.Dense(256), pl.ReLU(), pl.Dense(10, pl.GlorotUniform()), pl.Softmax()
    model = pl.Sequential(*layers).compile((28, 28, 1), pl.CrossEntropy(), pl.Adam(0.001), [pl.Accuracy()], seed=trial.seed)
    model.fit(data.train, epochs=trial.pick(full=40, quick=30, tiny=2), batch_size=50, progress=False)
    held = model.predict(data.validation.x, logits=True), np.asarray(data.validation.y)
    grid = np.geomspace(0.3, 6, 80)
    temperature = float(grid[np.argmin([_cost(*held, t) for t in grid])])
    z, y = model.predict(data.test.x, logits=True), np.asarray(data.test.y)
    found: Result = {"temperature": temperature, "accuracy": float((z.argmax(axis=1) == y).mean())}
    for name, t in zip(STATES, (1.0, temperature), strict=True):
        error, means, shares = calibration(_softmax(z, t), y)
        found[name] = {
            "error": error,
            "cost": _cost(z, y, t),
            "confidence": means,
            "right": shares,
            "sure": float(_softmax(z, t).max(axis=1).mean()),
        }
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    before, after = (median(results, state, "error") for state in STATES)
    too_sure = all(result["as trained"]["sure"] > result["accuracy"] for result in results)
    because = (
        f"the network is on average {100 * median(results, 'as trained', 'sure'):.1f} % sure and "
        f"{100 * median(results, 'accuracy'):.1f} % right; its calibration error is {100 * before:.2f} %, with a temperature "
        f"of {median(results, 'temperature'):.2f} it is {100 * after:.2f} %"
    )
    return Verdict(
        "holds" if too_sure and after < before / 2 else "depends" if too_sure and after < before else "does not hold", because
    )


def table(results: Sequence[Result]) -> Table:
    rows = []
    for state in STATES:
        each = [result[state] for result in results]
        cells = percent(one["sure"] for one in each), percent(one["error"] for one in each)
        rows.append(
            (state, *cells, spread((one["cost"] for one in each), ".3f"), percent(result["accuracy"] for result in results))
        )
    return Table(("test digits", "mean confidence", "calibration error", "cost (nats)", "accuracy"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    middles = [100 * (b + 0.5) / BINS for b in range(BINS)]
    curves: dict[str, list[list[float | None]]] = {state: [] for state in STATES}
    for state, result in ((state, result) for state in STATES for result in results):
        pairs = zip(result[state]["right"], result[state]["confidence"], strict=True)
        curves[state].append([None if right is None else 100 * (right - sure) for right, sure in pairs])
    curves["as it should be"] = [[0.0 for _ in middles]]
    return over_seeds({"right answers − confidence (points)": curves}, middles, "confidence (%)")


EXPERIMENT = Experiment(
    question="Is a network as often right as it says, and does a temperature mend it?",
    codes=("beyond",),
    chapter="Generalizing",
    claim="Modern networks are too sure of themselves; dividing the logits by one number, fitted on validation data, "
    "calibrates them.",
    source="Guo, Pleiss, Sun and Weinberger (2017), On calibration of modern neural networks",
    criterion="Trained on 5,000 digits, the mean confidence is above the accuracy on test digits in every run, and the "
    "temperature at least halves the calibration error there (medians). It depends, if it lowers the error by less.",
    mathematics=(
        "Of all answers given with a confidence of 80 % four of five should be right. The expected calibration error is the "
        "mean distance between confidence and accuracy over bins of confidence, weighted by how many answers fall into "
        "them.\n\n"
        "    p = softmax(z / T)      T chosen so that the cost on validation data is least\n\n"
        "T > 1 makes all answers less sure and changes none: the order of the logits stays. One number cannot learn anything "
        "by heart from thousands of validation digits. Why too sure: once all training digits are right, the cost still "
        "falls if the weights become longer."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
    alt="Share of right answers less confidence, by confidence: far below 0 as trained, near 0 with a temperature.",
)
